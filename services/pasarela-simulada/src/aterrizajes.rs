//! Captures that land late: accepted, never answered, recorded at their due time, also by the process that is started
//! after the one that accepted them was killed.

use std::{sync::Arc, time::Duration};

use sqlx::SqliteConnection;

use crate::{
    ejecucion::{Paso, Simulador},
    idempotencia::{Ambito, Clave},
    problema::Fallo,
    solicitud::Solicitud,
    telemetry,
};

/// How long to wait when nothing is known to come, and after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Milliseconds since 1970 by the ledger's clock, the one that set the due times.
const NEXT: &str = "SELECT ambito, clave, solicitud, vence_ms - CAST(unixepoch('subsec') * 1000 AS INTEGER)
                    FROM aterrizajes ORDER BY vence_ms LIMIT 1";

/// Lands what is due until the process stops.
pub(crate) async fn watch(simulador: Arc<Simulador>) {
    while !simulador.is_stopping() {
        let pause = match simulador.aterrizar().await {
            Ok(None) => Duration::ZERO,
            Ok(Some(pause)) => pause,
            Err(error) => {
                tracing::error!(error = telemetry::cause(&error), "failed to record a late capture");
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = simulador.put_off.notified() => {}
            () = simulador.stopped() => {}
        }
    }
}

impl Simulador {
    /// Records the next call that is due; says how long to wait when none is.
    async fn aterrizar(&self) -> Result<Option<Duration>, Fallo> {
        let next: Option<(String, String, String, i64)> =
            sqlx::query_as(NEXT).fetch_optional(self.libro.readers()).await?;
        let Some((ambito, valor, texto, missing)) = next else {
            return Ok(Some(PAUSE));
        };
        if let Ok(missing @ 1..) = u64::try_from(missing) {
            return Ok(Some(Duration::from_millis(missing).min(PAUSE)));
        }
        let ambito = Ambito::por_nombre(&ambito).ok_or_else(|| Fallo::Unknown(format!("the key space {ambito}")))?;
        let clave = Clave { ambito, valor };
        let solicitud: Solicitud = serde_json::from_str(&texto)?;
        let mut transaction = self.libro.begin().await?;
        sqlx::query("DELETE FROM aterrizajes WHERE ambito = ? AND clave = ?")
            .bind(clave.ambito.nombre())
            .bind(&clave.valor)
            .execute(&mut *transaction)
            .await?;
        match solicitud.realizar(&mut transaction, &clave.valor).await? {
            Paso::Registrar { respuesta, entrega: _ } => {
                clave.guardar(&mut transaction, &texto, &respuesta).await?;
                transaction.commit().await?;
                tracing::info!(
                    clave = clave.valor,
                    status = respuesta.status,
                    "a late capture was recorded"
                );
            }
            // Only a first call is put off, and this one was counted already.
            Paso::Omitir(_) | Paso::Aplazar => {
                transaction.commit().await?;
                tracing::error!(clave = clave.valor, "a late capture was put off again; it is dropped");
            }
        }
        Ok(None)
    }
}

impl Clave {
    /// Keeps a call to be recorded after `late`; part of the transaction that accepted it.
    pub(crate) async fn aplazar(
        &self,
        conn: &mut SqliteConnection,
        solicitud: &str,
        late: Duration,
    ) -> Result<(), Fallo> {
        sqlx::query(
            "INSERT INTO aterrizajes (ambito, clave, solicitud, vence_ms)
             VALUES (?, ?, ?, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?)",
        )
        .bind(self.ambito.nombre())
        .bind(&self.valor)
        .bind(solicitud)
        .bind(i64::try_from(late.as_millis()).unwrap_or(i64::MAX / 2))
        .execute(conn)
        .await?;
        Ok(())
    }
}
