//! The reports of reconciliations: SQL rows.

use seedwork::Fault;
use seedwork_runtime::sql::{self, Pool};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::domain::conciliacion::Hallazgo;

/// A comparison of our books with the gateway's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Informe {
    /// Which.
    pub id: String,
    /// `EN_CURSO`, `TERMINADA` or `FALLIDA`.
    pub estado: String,
    /// With which gateway.
    pub pasarela: String,
    /// Payments that moved since then, in milliseconds since the epoch.
    pub desde: i64,
    /// When it began, in milliseconds since the epoch.
    pub empezada: i64,
    /// When it ended; 0 while it runs.
    pub terminada: i64,
    /// How many payments of ours were compared.
    pub pagos: i64,
    /// How many accounts of the gateway's.
    pub cuentas: i64,
    /// How many were left out because they moved just now.
    pub en_movimiento: i64,
    /// How many differences there are.
    pub diferencias: i64,
    /// Why it failed; empty when it did not.
    pub detalle: String,
}

/// A difference of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiferenciaVista {
    /// Its name.
    pub nombre: String,
    /// The payment, as the gateway knows it.
    pub referencia: String,
    /// What we hold.
    pub aqui: String,
    /// What the gateway holds.
    pub pasarela: String,
}

/// What a webhook told that a person must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvisoVisto {
    /// About which payment.
    pub pago: String,
    /// Its name.
    pub nombre: String,
    /// The gateway's word for it.
    pub detalle: String,
    /// When it was told, in milliseconds since the epoch.
    pub recibido: i64,
}

/// When the last comparisons began, in milliseconds since the epoch.
pub(super) struct Ultimas {
    /// Whatever became of it.
    pub(super) empezada: Option<i64>,
    /// One that ended well.
    pub(super) terminada: Option<i64>,
}

/// The table of reports.
#[derive(Clone)]
pub struct Informes(Pool);

/// At most this many differences of a report are kept one by one; all are counted.
const DIFERENCIAS_MAX: usize = 1_000;

// === impl Informes ===

impl Informes {
    /// Over a database whose tables are up to date.
    pub fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Begins a report; false when there is one of this id.
    pub(super) async fn empezar(&self, informe: &Informe) -> Result<bool, Fault> {
        let Informe {
            id,
            estado,
            pasarela,
            desde,
            empezada,
            ..
        } = informe;
        let done = sqlx::query(
            "INSERT INTO conciliaciones (id, estado, pasarela, desde, empezada) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(estado)
        .bind(pasarela)
        .bind(*desde)
        .bind(*empezada)
        .execute(&self.0)
        .await
        .map_err(sql::fault("begin a reconciliation"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes how a report ended: its differences first, so that an ended one has them all.
    pub(super) async fn terminar(&self, informe: &Informe, hallazgos: &[(String, Hallazgo)]) -> Result<(), Fault> {
        sql::within(self.escribir(informe, hallazgos))
            .await
            .map_err(sql::fault("end a reconciliation"))
    }

    async fn escribir(&self, informe: &Informe, hallazgos: &[(String, Hallazgo)]) -> Result<(), sqlx::Error> {
        let mut transaction = self.0.begin().await?;
        for (numero, (referencia, hallazgo)) in hallazgos.iter().take(DIFERENCIAS_MAX).enumerate() {
            let Hallazgo { nombre, aqui, pasarela } = hallazgo;
            sqlx::query(
                // A try whose commit was not answered may have stored them.
                "INSERT INTO diferencias (conciliacion, numero, nombre, referencia, aqui, pasarela)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (conciliacion, numero) DO NOTHING",
            )
            .bind(&informe.id)
            .bind(i64::try_from(numero).unwrap_or(i64::MAX))
            .bind(nombre.as_str())
            .bind(referencia)
            .bind(aqui)
            .bind(pasarela)
            .execute(&mut *transaction)
            .await?;
        }
        let Informe {
            id,
            estado,
            pasarela: _,
            desde: _,
            empezada: _,
            terminada,
            pagos,
            cuentas,
            en_movimiento,
            diferencias,
            detalle,
        } = informe;
        sqlx::query(
            "UPDATE conciliaciones SET estado = $2, terminada = $3, pagos = $4, cuentas = $5, en_movimiento = $6,
                 diferencias = $7, detalle = $8 WHERE id = $1",
        )
        .bind(id)
        .bind(estado)
        .bind(*terminada)
        .bind(*pagos)
        .bind(*cuentas)
        .bind(*en_movimiento)
        .bind(*diferencias)
        .bind(detalle)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Ends what was left running: its process died, or could not store its end. Only the leader may say so: nobody else
    /// runs one then.
    pub(super) async fn dar_por_fallidas(&self, ahora: i64) -> Result<(), Fault> {
        sqlx::query(
            "UPDATE conciliaciones SET estado = 'FALLIDA', terminada = $1,
                 detalle = 'Its process died, or could not store its end'
             WHERE estado = 'EN_CURSO'",
        )
        .bind(ahora)
        .execute(&self.0)
        .await
        .map_err(sql::fault("end an abandoned reconciliation"))?;
        Ok(())
    }

    /// When the last ones began, of those that began by `hasta`.
    pub(super) async fn ultimas(&self, hasta: i64) -> Result<Ultimas, Fault> {
        let row = sqlx::query(
            "SELECT MAX(empezada) AS empezada, MAX(CASE WHEN estado = 'TERMINADA' THEN empezada END) AS terminada
                 FROM conciliaciones WHERE empezada <= $1",
        )
        .bind(hasta)
        .fetch_one(&self.0)
        .await
        .map_err(sql::fault("look for the last reconciliation"))?;
        let read = |error| Fault::bug("failed to read when was reconciled", error);
        Ok(Ultimas {
            empezada: row.try_get("empezada").map_err(read)?,
            terminada: row.try_get("terminada").map_err(read)?,
        })
    }

    /// The last reports, newest first.
    pub async fn ultimos(&self, cuantos: i64) -> Result<Vec<Informe>, Fault> {
        let rows = sqlx::query("SELECT * FROM conciliaciones ORDER BY empezada DESC, id DESC LIMIT $1")
            .bind(cuantos)
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("list reconciliations"))?;
        rows.iter().map(Informe::read).collect()
    }

    /// A report and its differences.
    pub async fn leer(&self, id: &str) -> Result<Option<(Informe, Vec<DiferenciaVista>)>, Fault> {
        let row = sqlx::query("SELECT * FROM conciliaciones WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read a reconciliation"))?;
        let Some(row) = row else { return Ok(None) };
        let rows = sqlx::query("SELECT * FROM diferencias WHERE conciliacion = $1 ORDER BY numero")
            .bind(id)
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("read the differences of a reconciliation"))?;
        let diferencias = rows.iter().map(DiferenciaVista::read).collect::<Result<_, _>>()?;
        Ok(Some((Informe::read(&row)?, diferencias)))
    }

    /// What webhooks told, newest first; about one payment, or about all when there is none.
    pub async fn avisos(&self, pago: Option<&str>, cuantos: i64) -> Result<Vec<AvisoVisto>, Fault> {
        let statement = match pago {
            Some(_) => "SELECT * FROM avisos WHERE pago = $2 ORDER BY recibido DESC LIMIT $1",
            None => "SELECT * FROM avisos ORDER BY recibido DESC LIMIT $1",
        };
        let query = sqlx::query(statement).bind(cuantos);
        let query = if let Some(pago) = pago { query.bind(pago) } else { query };
        let rows = query
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("read what webhooks told"))?;
        let read = |row: &AnyRow| {
            Ok(AvisoVisto {
                pago: text(row, "pago")?,
                nombre: text(row, "nombre")?,
                detalle: text(row, "detalle")?,
                recibido: number(row, "recibido")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

// === impl Informe ===

impl Informe {
    fn read(row: &AnyRow) -> Result<Self, Fault> {
        Ok(Self {
            id: text(row, "id")?,
            estado: text(row, "estado")?,
            pasarela: text(row, "pasarela")?,
            desde: number(row, "desde")?,
            empezada: number(row, "empezada")?,
            terminada: number(row, "terminada")?,
            pagos: number(row, "pagos")?,
            cuentas: number(row, "cuentas")?,
            en_movimiento: number(row, "en_movimiento")?,
            diferencias: number(row, "diferencias")?,
            detalle: text(row, "detalle")?,
        })
    }
}

// === impl DiferenciaVista ===

impl DiferenciaVista {
    fn read(row: &AnyRow) -> Result<Self, Fault> {
        Ok(Self {
            nombre: text(row, "nombre")?,
            referencia: text(row, "referencia")?,
            aqui: text(row, "aqui")?,
            pasarela: text(row, "pasarela")?,
        })
    }
}

fn text(row: &AnyRow, column: &str) -> Result<String, Fault> {
    row.try_get(column)
        .map_err(|error| Fault::bug("failed to read a row of the reconciliation", error))
}

fn number(row: &AnyRow, column: &str) -> Result<i64, Fault> {
    row.try_get(column)
        .map_err(|error| Fault::bug("failed to read a row of the reconciliation", error))
}
