//! What people may see of the payments: SQL rows, projected from the documents.

use seedwork::{Dinero, Fault, IdCorrelacion, Moneda};
use seedwork_runtime::sql;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _};

use crate::domain::{IdAutorizacion, IdReembolso, Pago};

/// The table of payments.
#[derive(Clone)]
pub struct ReadModel(AnyPool);

/// A payment as its row has it. Empty text stands for "none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagoVisto {
    /// Which payment.
    pub id: String,
    /// Who pays.
    pub id_cliente: String,
    /// With what.
    pub medio_pago: String,
    /// How much was asked for.
    pub dinero: Dinero,
    /// Where it stands, for people.
    pub estado: String,
    /// At which gateway.
    pub pasarela: String,
    /// The gateway's id of the promise.
    pub autorizacion: String,
    /// The gateway's id of the charge.
    pub cargo: String,
    /// What was really taken.
    pub cobrado: Option<Dinero>,
    /// The gateway's id of the refund.
    pub reembolso: String,
    /// Why it did not simply work: a code.
    pub motivo: String,
    /// Why it did not simply work: a sentence.
    pub mensaje: String,
    /// The words of a chargeback.
    pub contracargo: String,
    /// What does not fit together.
    pub discrepancia: String,
    /// When it began, in milliseconds since the epoch.
    pub creado: i64,
    /// When it last changed, in milliseconds since the epoch.
    pub actualizado: i64,
}

/// A place in the list of payments, newest first: what comes after it is older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    creado: i64,
    id: String,
}

// === impl ReadModel ===

impl ReadModel {
    /// Over a database whose tables are up to date.
    pub fn new(pool: AnyPool) -> Self {
        Self(pool)
    }

    /// Brings the row up to `version` of its document; never back to an older one.
    pub async fn project(&self, pago: &Pago, version: u64) -> Result<(), Fault> {
        let Pago {
            id_correlacion,
            id_cliente,
            medio_pago,
            dinero,
            pasarela,
            estado,
            creado_ms,
            llamada_ms: _,
            contracargo,
        } = pago;
        let cobro = estado.cobro();
        let motivo = pago.motivo();
        let (motivo, mensaje) = motivo
            .as_ref()
            .map_or(("", ""), |reason| (&reason.motivo, &reason.mensaje));
        sqlx::query(
            "INSERT INTO pagos (id, id_cliente, medio_pago, monto, moneda, estado, pasarela, autorizacion, cargo,
                 cobrado, reembolso, motivo, mensaje, contracargo, discrepancia, version, creado, actualizado)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             ON CONFLICT (id) DO UPDATE SET estado = excluded.estado, autorizacion = excluded.autorizacion,
                 cargo = excluded.cargo, cobrado = excluded.cobrado, reembolso = excluded.reembolso,
                 motivo = excluded.motivo, mensaje = excluded.mensaje, contracargo = excluded.contracargo,
                 discrepancia = excluded.discrepancia, version = excluded.version, actualizado = excluded.actualizado
             WHERE pagos.version < excluded.version",
        )
        .bind(id_correlacion.as_str())
        .bind(id_cliente.as_str())
        .bind(medio_pago.as_str())
        .bind(dinero.minor())
        .bind(dinero.moneda().as_str())
        .bind(pago.visible().as_str())
        .bind(pasarela.as_str())
        .bind(estado.autorizacion().map_or("", IdAutorizacion::as_str))
        .bind(cobro.map_or("", |cobro| cobro.cargo.as_str()))
        .bind(cobro.map_or(0, |cobro| cobro.dinero.minor()))
        .bind(estado.reembolso().map_or("", IdReembolso::as_str))
        .bind(motivo)
        .bind(mensaje)
        .bind(
            contracargo
                .as_ref()
                .map_or("", |contracargo| contracargo.motivo.as_str()),
        )
        .bind(pago.discrepancia().map_or("", |discrepancia| discrepancia.as_str()))
        .bind(i64::try_from(version).unwrap_or(i64::MAX))
        .bind(*creado_ms)
        .bind(seedwork_runtime::now_ms())
        .execute(&self.0)
        .await
        .map_err(sql::fault("project a payment"))?;
        Ok(())
    }

    /// A payment by its identity.
    pub async fn find(&self, id: &IdCorrelacion) -> Result<Option<PagoVisto>, Fault> {
        let row = sqlx::query("SELECT * FROM pagos WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read a payment"))?;
        row.as_ref().map(PagoVisto::read).transpose()
    }

    /// A page of payments, newest first; of one client, or of all when there is none.
    pub async fn list(
        &self,
        id_cliente: Option<&str>,
        after: Option<&Cursor>,
        limite: i64,
    ) -> Result<Vec<PagoVisto>, Fault> {
        // Two statements, not one with an OR: each has its index.
        let statement = match id_cliente {
            Some(_) => {
                "SELECT * FROM pagos WHERE (creado, id) < ($1, $2) AND id_cliente = $4
                 ORDER BY creado DESC, id DESC LIMIT $3"
            }
            None => "SELECT * FROM pagos WHERE (creado, id) < ($1, $2) ORDER BY creado DESC, id DESC LIMIT $3",
        };
        let (creado, id) = after.map_or((i64::MAX, ""), |cursor| (cursor.creado, cursor.id.as_str()));
        let query = sqlx::query(statement).bind(creado).bind(id).bind(limite);
        let query = if let Some(id_cliente) = id_cliente {
            query.bind(id_cliente)
        } else {
            query
        };
        let rows = query.fetch_all(&self.0).await.map_err(sql::fault("list payments"))?;
        rows.iter().map(PagoVisto::read).collect()
    }
}

// === impl PagoVisto ===

impl PagoVisto {
    /// Its place in the list.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            creado: self.creado,
            id: self.id.clone(),
        }
    }

    fn read(row: &AnyRow) -> Result<Self, Fault> {
        let bug = |error| Fault::bug("failed to read the row of a payment", error);
        let text = |column: &str| row.try_get::<String, _>(column).map_err(bug);
        let number = |column: &str| row.try_get::<i64, _>(column).map_err(bug);
        let no_money = |error| Fault::bug("failed to read the money of a payment's row", error);
        let moneda = Moneda::parse(&text("moneda")?).map_err(no_money)?;
        let money = |minor| Dinero::from_minor(minor, moneda).map_err(no_money);
        let cobrado = number("cobrado")?;
        Ok(Self {
            id: text("id")?,
            id_cliente: text("id_cliente")?,
            medio_pago: text("medio_pago")?,
            dinero: money(number("monto")?)?,
            estado: text("estado")?,
            pasarela: text("pasarela")?,
            autorizacion: text("autorizacion")?,
            cargo: text("cargo")?,
            cobrado: (cobrado > 0).then(|| money(cobrado)).transpose()?,
            reembolso: text("reembolso")?,
            motivo: text("motivo")?,
            mensaje: text("mensaje")?,
            contracargo: text("contracargo")?,
            discrepancia: text("discrepancia")?,
            creado: number("creado")?,
            actualizado: number("actualizado")?,
        })
    }
}

// === impl Cursor ===

impl Cursor {
    /// Reads a cursor as it was given out.
    pub fn parse(text: &str) -> Option<Self> {
        let (creado, id) = text.split_once('.')?;
        let id = IdCorrelacion::parse(id).ok()?;
        Some(Self {
            creado: creado.parse().ok()?,
            id: id.into(),
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.creado, self.id)
    }
}
