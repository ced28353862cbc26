//! Voiding: the promise of an authorisation is given back. What was captured must be refunded instead.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{Autorizada, decidir};
use crate::{
    ejecucion::{Paso, Respuesta},
    libro::Movimiento,
    problema::{Fallo, Problema},
    resultados::Operacion,
};

/// `POST /autorizaciones/{id}/anulacion`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Anulacion {
    pub(crate) autorizacion: String,
}

// === impl Anulacion ===

impl Anulacion {
    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        let id = &self.autorizacion;
        let Autorizada {
            referencia,
            monto,
            moneda,
            resultado,
            anulada,
        } = Autorizada::leer(conn, id).await?;
        let capturada: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM cargos WHERE autorizacion = ?)")
            .bind(id)
            .fetch_one(&mut *conn)
            .await?;
        if capturada {
            let mensaje = "La autorización ya fue capturada: se devuelve con un reembolso";
            return Ok(Paso::rechazar(&Problema::conflicto("AutorizacionCapturada", mensaje)));
        }
        let entrega = match decidir(conn, resultado, Operacion::Anulacion, id).await? {
            ControlFlow::Continue((entrega, _)) => entrega,
            ControlFlow::Break(paso) => return Ok(paso),
        };
        if !anulada {
            sqlx::query("UPDATE autorizaciones SET anulada = 1 WHERE id = ?")
                .bind(id)
                .execute(&mut *conn)
                .await?;
            Movimiento {
                tipo: "anulacion",
                id,
                referencia: &referencia,
                monto,
                moneda: &moneda,
                clave,
            }
            .anotar(conn)
            .await?;
        }
        let cuerpo = json!({ "id": id, "estado": "anulada" });
        Ok(Paso::Registrar {
            respuesta: Respuesta { status: 200, cuerpo },
            entrega,
        })
    }
}
