//! Refunding: captured money is given back, in one or more parts, never more than was captured.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{Autorizada, decidir};
use crate::{
    campos::Campos,
    contracargos::Cargo,
    ejecucion::{Paso, Respuesta},
    libro::Movimiento,
    problema::{Fallo, Problema},
    resultados::Operacion,
    solicitud::nuevo_id,
};

/// `POST /cargos/{id}/reembolso`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reembolso {
    cargo: String,
    monto: i64,
}

// === impl Reembolso ===

impl Reembolso {
    pub(crate) fn leer(cargo: String, campos: &Campos) -> Result<Self, Problema> {
        Ok(Self {
            cargo,
            monto: campos.monto()?,
        })
    }

    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        let Self { cargo, monto } = self;
        let Cargo {
            autorizacion,
            monto: capturado,
        } = Cargo::leer(conn, cargo).await?;
        let Autorizada {
            referencia,
            monto: _,
            moneda,
            resultado,
            anulada: _,
        } = Autorizada::leer(conn, &autorizacion).await?;
        let devuelto: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(monto), 0) FROM reembolsos WHERE cargo = ?")
            .bind(cargo)
            .fetch_one(&mut *conn)
            .await?;
        let queda = capturado.saturating_sub(devuelto);
        if *monto > queda {
            let mensaje = format!("monto: de lo capturado ({capturado}) solo queda {queda} por devolver");
            return Ok(Paso::rechazar(&Problema::conflicto("ReembolsoExcedido", mensaje)));
        }
        let entrega = match decidir(conn, resultado, Operacion::Reembolso, cargo).await? {
            ControlFlow::Continue((entrega, _)) => entrega,
            ControlFlow::Break(paso) => return Ok(paso),
        };
        let id = nuevo_id("ree");
        sqlx::query("INSERT INTO reembolsos (id, cargo, monto, clave) VALUES (?, ?, ?, ?)")
            .bind(&id)
            .bind(cargo)
            .bind(monto)
            .bind(clave)
            .execute(&mut *conn)
            .await?;
        Movimiento {
            tipo: "reembolso",
            id: &id,
            referencia: &referencia,
            monto: *monto,
            moneda: &moneda,
            clave,
        }
        .anotar(conn)
        .await?;
        let cuerpo = json!({
            "id": id, "cargo": cargo, "referencia": referencia, "estado": "reembolsado",
            "monto": monto, "moneda": moneda,
        });
        Ok(Paso::Registrar {
            respuesta: Respuesta { status: 201, cuerpo },
            entrega,
        })
    }
}
