//! What people may see of the payments: SQL rows, projected from the documents.

use seedwork::{Dinero, Fault, IdCorrelacion, Moneda};
use seedwork_runtime::sql::{self, Pool};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use crate::domain::conciliacion::{Asiento, Nuestro};
use crate::domain::{Contestacion, IdAutorizacion, IdReembolso, Operacion, Pago};

/// The table of payments.
#[derive(Clone)]
pub struct ReadModel(Pool);

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
    /// The operator has acknowledged the chargeback; `None` without one.
    pub contracargo_atendido: Option<bool>,
    /// What does not fit together.
    pub discrepancia: String,
    /// When it began, in milliseconds since the epoch.
    pub creado: i64,
    /// When it last changed, in milliseconds since the epoch.
    pub actualizado: i64,
}

/// A call to the gateway, and what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Intento {
    /// What was asked for.
    pub operacion: Operacion,
    /// The answer.
    pub contestacion: Contestacion,
    /// When it came, in milliseconds since the epoch.
    pub cuando_ms: i64,
}

/// The calls of one operation on a payment, as people see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentoVisto {
    /// Which operation.
    pub operacion: String,
    /// How often it was called for.
    pub veces: i64,
    /// When first, in milliseconds since the epoch.
    pub primero: i64,
    /// When last, in milliseconds since the epoch.
    pub ultimo: i64,
    /// What was said last: `HECHO`, `RECHAZADO` or `INCIERTO`.
    pub resultado: String,
    /// Why it was not done; empty when it was.
    pub motivo: String,
}

/// A place in the list of payments, newest first: what comes after it is older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    creado: i64,
    id: String,
}

/// Selects payments and, of one that was charged back, whether the operator knows; -1 stands for "no chargeback".
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT pagos.*, COALESCE((SELECT atendido FROM contracargos WHERE contracargos.id = pagos.id), -1) ",
            "AS contracargo_atendido FROM pagos ",
            $rest
        )
    };
}

// === impl ReadModel ===

impl ReadModel {
    /// Over a database whose tables are up to date.
    pub fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Brings the row up to `version` of its document, never back to an older one, and adds calls that were made since.
    pub async fn project(&self, pago: &Pago, version: u64, intentos: &[Intento]) -> Result<(), Fault> {
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
        let row = sqlx::query(
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
        .bind(seedwork_runtime::now_ms());
        let write = async {
            let mut transaction = self.0.begin().await?;
            for intento in intentos {
                intento.note(id_correlacion).execute(&mut *transaction).await?;
            }
            row.execute(&mut *transaction).await?;
            transaction.commit().await
        };
        sql::within(write).await.map_err(sql::fault("project a payment"))
    }

    /// A payment by its identity.
    pub async fn find(&self, id: &IdCorrelacion) -> Result<Option<PagoVisto>, Fault> {
        let row = sqlx::query(select!("WHERE id = $1"))
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
                select!("WHERE (creado, id) < ($1, $2) AND id_cliente = $4 ORDER BY creado DESC, id DESC LIMIT $3")
            }
            None => select!("WHERE (creado, id) < ($1, $2) ORDER BY creado DESC, id DESC LIMIT $3"),
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

    /// A page of the payments at a gateway that began at or after a moment (milliseconds since the epoch), oldest
    /// first.
    pub async fn since(
        &self,
        desde: i64,
        after: Option<&Cursor>,
        pasarela: &str,
        limite: i64,
    ) -> Result<Vec<PagoVisto>, Fault> {
        let (creado, id) = after.map_or((desde, ""), |cursor| (cursor.creado, cursor.id.as_str()));
        let statement = select!("WHERE (creado, id) > ($1, $2) AND pasarela = $3 ORDER BY creado, id LIMIT $4");
        let rows = sqlx::query(statement)
            .bind(creado)
            .bind(id)
            .bind(pasarela)
            .bind(limite)
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("list payments for the reconciliation"))?;
        rows.iter().map(PagoVisto::read).collect()
    }

    /// The calls of a payment, in the order that they were first made.
    pub async fn attempts(&self, id: &IdCorrelacion) -> Result<Vec<IntentoVisto>, Fault> {
        let rows = sqlx::query("SELECT * FROM intentos WHERE pago = $1 ORDER BY primero, operacion")
            .bind(id.as_str())
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("read the calls of a payment"))?;
        rows.iter().map(IntentoVisto::read).collect()
    }
}

// === impl Intento ===

impl Intento {
    /// One more call of its operation.
    fn note(&self, id: &IdCorrelacion) -> Query<'_, Any, AnyArguments> {
        let (resultado, motivo) = match &self.contestacion {
            Contestacion::Autorizada(_)
            | Contestacion::Capturada(_)
            | Contestacion::Anulada
            | Contestacion::Reembolsada(_) => ("HECHO", ""),
            Contestacion::Rechazada(motivo) => ("RECHAZADO", motivo.motivo.as_str()),
            Contestacion::Incierta(motivo) => ("INCIERTO", motivo.motivo.as_str()),
        };
        sqlx::query(
            "INSERT INTO intentos (pago, operacion, veces, primero, ultimo, resultado, motivo)
             VALUES ($1, $2, 1, $3, $3, $4, $5)
             ON CONFLICT (pago, operacion) DO UPDATE SET veces = intentos.veces + 1, ultimo = excluded.ultimo,
                 resultado = excluded.resultado, motivo = excluded.motivo",
        )
        .bind(id.as_str().to_owned())
        .bind(self.operacion.as_str())
        .bind(self.cuando_ms)
        .bind(resultado)
        .bind(motivo)
    }
}

// === impl IntentoVisto ===

impl IntentoVisto {
    fn read(row: &AnyRow) -> Result<Self, Fault> {
        let bug = |error| Fault::bug("failed to read a call of a payment", error);
        let text = |column: &str| row.try_get::<String, _>(column).map_err(bug);
        let number = |column: &str| row.try_get::<i64, _>(column).map_err(bug);
        Ok(Self {
            operacion: text("operacion")?,
            veces: number("veces")?,
            primero: number("primero")?,
            ultimo: number("ultimo")?,
            resultado: text("resultado")?,
            motivo: text("motivo")?,
        })
    }
}

// === impl PagoVisto ===

impl PagoVisto {
    /// Where its money is, as far as the row tells.
    pub(crate) fn nuestro(&self) -> Nuestro {
        let asiento = match (self.estado.as_str(), self.cobrado) {
            ("CONFIRMADO" | "CONTRACARGADO", Some(cobrado)) => Asiento::Cobrado(cobrado),
            ("REEMBOLSADO", Some(cobrado)) => Asiento::Devuelto(cobrado),
            ("RECHAZADO" | "ANULADO", _) => Asiento::SinCobro,
            _ => Asiento::EnCurso,
        };
        Nuestro {
            asiento,
            contracargo: !self.contracargo.is_empty(),
        }
    }

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
            contracargo_atendido: match number("contracargo_atendido")? {
                atendido if text("contracargo")?.is_empty() || atendido < 0 => None,
                atendido => Some(atendido == 1),
            },
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
