//! Reminders: a client is told before and after an invoice falls due.
//!
//! Notificaciones is asked by service invocation, under an `Idempotency-Key` that derives from invoice and kind; the table
//! `recordatorios` only saves asking again. So a crash between the two tells nobody twice.

use std::sync::Arc;

use seedwork::{App, Fault};
use seedwork_runtime::Sidecar;
use seedwork_runtime::sql::{self, Pool};
use serde_json::json;

use super::facturas::{page, select};
use super::fecha;
use crate::domain::factura::Factura;
use crate::domain::instante::Instante;
use crate::domain::recordatorio::{Clase, Reglas};

/// Tells clients what falls due.
pub struct Recordatorios {
    sidecar: Arc<dyn Sidecar>,
    pool: Pool,
    reglas: Reglas,
}

/// Where notificaciones takes what is to be told.
const PATH: &str = "/notificaciones/notificacion-comando";

/// How many invoices are read at a time.
const BATCH: i64 = 100;

// === impl Recordatorios ===

impl Recordatorios {
    /// By these rules, through `sidecar`, over a database with the tables of this service.
    pub fn new(sidecar: Arc<dyn Sidecar>, pool: Pool, reglas: Reglas) -> Self {
        Self { sidecar, pool, reglas }
    }

    /// Tells what is to be told at `ahora` and was not; returns how many were told.
    ///
    /// # Errors
    /// When notificaciones or the database does not answer: the rest is told next time.
    pub async fn avisar(&self, ahora: Instante) -> Result<usize, Fault> {
        let mut told = 0;
        for clase in Clase::ALL {
            let mut cursor = String::new();
            while let Some((facturas, last)) = self.pendientes(clase, ahora, &cursor).await? {
                for factura in &facturas {
                    if self.pedir(clase, factura).await? {
                        self.anotar(clase, factura, ahora).await?;
                        told += 1;
                    }
                }
                cursor = last;
            }
        }
        Ok(told)
    }

    /// Asks notificaciones; false when it refuses this one for good.
    async fn pedir(&self, clase: Clase, factura: &Factura) -> Result<bool, Fault> {
        let Some(vence) = factura.vence() else { return Ok(false) };
        let id = &factura.id;
        let key = format!("recordatorio/{id}/{}", clase.as_str());
        let vence: String = fecha(vence).chars().take(10).collect(); // the day
        let body = json!({
            "tipo": "RECORDATORIO",
            "medio": "correo",
            "valor": clase.texto(&vence),
            "idCliente": factura.id_cliente,
            "factura": {
                "id": id,
                "monto": factura.dinero.monto(),
                "moneda": factura.dinero.moneda(),
                "vence": vence,
            },
        });
        let posted = self
            .sidecar
            .invoke_post_as(App::Notificaciones, PATH, None, &key, &body);
        match posted.await?.status {
            200..=299 => Ok(true),
            // One that it cannot take must not keep the others from being told.
            // 409: the same one is being taken, for a question of ours that was slow. It passes.
            status @ (400 | 404 | 413 | 415 | 422) => {
                tracing::error!(%id, status, "notificaciones does not take a reminder");
                Ok(false)
            }
            status => Err(Fault::unavailable(
                "failed to have a client reminded",
                format!("notificaciones answers {status}"),
            )),
        }
    }

    /// The last confirmed invoice of each client, if it falls due within the days of `clase` and nobody was told: a [`page`].
    async fn pendientes(
        &self,
        clase: Clase,
        ahora: Instante,
        cursor: &str,
    ) -> Result<Option<(Vec<Factura>, String)>, Fault> {
        let (desde, hasta) = self.reglas.vencimientos(clase, ahora);
        let rows = sqlx::query(select!(
            "WHERE f.estado = 'CONFIRMADO' AND f.periodo_fin > $1 AND f.periodo_fin <= $2 AND f.id > $3
                AND NOT EXISTS (SELECT 1 FROM facturas g WHERE g.id_cliente = f.id_cliente AND g.estado = 'CONFIRMADO'
                    AND (g.periodo_fin > f.periodo_fin OR (g.periodo_fin = f.periodo_fin AND g.id > f.id)))
                AND NOT EXISTS (SELECT 1 FROM recordatorios r WHERE r.id_factura = f.id AND r.clase = $4)
             ORDER BY f.id LIMIT $5"
        ))
        .bind(desde.ms())
        .bind(hasta.ms())
        .bind(cursor)
        .bind(clase.as_str())
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("read what falls due"))?;
        page(&rows)
    }

    async fn anotar(&self, clase: Clase, factura: &Factura, ahora: Instante) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO recordatorios (id_factura, clase, enviado) VALUES ($1, $2, $3)
             ON CONFLICT (id_factura, clase) DO NOTHING",
        )
        .bind(factura.id.as_str())
        .bind(clase.as_str())
        .bind(ahora.ms())
        .execute(&self.pool)
        .await
        .map_err(sql::fault("note a reminder"))?;
        Ok(())
    }
}
