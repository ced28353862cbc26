//! Capturing: the money of an authorisation is taken. Only one capture's amount is checked against the authorisation:
//! a caller that captures twice takes the money twice, and the ledger shows it.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{Autorizada, decidir};
use crate::{
    campos::Campos,
    ejecucion::{Paso, Respuesta},
    libro::Movimiento,
    problema::{Fallo, Problema},
    resultados::Operacion,
    solicitud::nuevo_id,
};

/// `POST /autorizaciones/{id}/captura`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Captura {
    autorizacion: String,
    monto: i64,
}

// === impl Captura ===

impl Captura {
    pub(crate) fn leer(autorizacion: String, campos: &Campos) -> Result<Self, Problema> {
        Ok(Self {
            autorizacion,
            monto: campos.monto()?,
        })
    }

    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        let Self { autorizacion, monto } = self;
        let Autorizada {
            referencia,
            monto: autorizado,
            moneda,
            resultado,
            anulada,
        } = Autorizada::leer(conn, autorizacion).await?;
        if anulada {
            return Ok(Paso::rechazar(&Problema::conflicto(
                "AutorizacionAnulada",
                "La autorización está anulada",
            )));
        }
        if *monto > autorizado {
            let mensaje = format!("monto: no puede pasar de lo autorizado ({autorizado})");
            return Ok(Paso::rechazar(&Problema::conflicto("CapturaExcedida", mensaje)));
        }
        let (entrega, descuento) = match decidir(conn, resultado, Operacion::Captura, autorizacion).await? {
            ControlFlow::Continue(hacer) => hacer,
            ControlFlow::Break(paso) => return Ok(paso),
        };
        let monto = monto.saturating_sub(descuento).max(1);
        let id = nuevo_id("car");
        sqlx::query("INSERT INTO cargos (id, autorizacion, monto, clave) VALUES (?, ?, ?, ?)")
            .bind(&id)
            .bind(autorizacion)
            .bind(monto)
            .bind(clave)
            .execute(&mut *conn)
            .await?;
        Movimiento {
            tipo: "captura",
            id: &id,
            referencia: &referencia,
            monto,
            moneda: &moneda,
            clave,
        }
        .anotar(conn)
        .await?;
        let cuerpo = json!({
            "id": id, "autorizacion": autorizacion, "referencia": referencia, "estado": "capturado",
            "monto": monto, "moneda": moneda,
        });
        Ok(Paso::Registrar {
            respuesta: Respuesta { status: 201, cuerpo },
            entrega,
        })
    }
}
