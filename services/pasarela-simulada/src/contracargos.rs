//! Chargebacks: the test door through which the card holder's bank takes the money back. It is written to the ledger
//! and changes nothing else; a refund stays possible on purpose, so that a client that gives the money back twice shows.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqliteConnection;

use crate::{
    campos::Campos,
    ejecucion::{Entrega, Paso, Respuesta},
    libro::Movimiento,
    problema::{Fallo, Problema},
    solicitud::nuevo_id,
};

/// `POST /contracargos`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Contracargo {
    cargo: String,
}

/// A captured charge as the ledger has it.
pub(crate) struct Cargo {
    pub(crate) autorizacion: String,
    pub(crate) monto: i64,
}

// === impl Cargo ===

impl Cargo {
    pub(crate) async fn leer(conn: &mut SqliteConnection, id: &str) -> Result<Self, Fallo> {
        let (autorizacion, monto) = sqlx::query_as("SELECT autorizacion, monto FROM cargos WHERE id = ?")
            .bind(id)
            .fetch_optional(conn)
            .await?
            .ok_or_else(|| Problema::no_encontrado("el cargo", id))?;
        Ok(Self { autorizacion, monto })
    }
}

// === impl Contracargo ===

impl Contracargo {
    pub(crate) fn leer(campos: &Campos) -> Result<Self, Problema> {
        Ok(Self {
            cargo: campos.texto("cargo", 1..=100)?,
        })
    }

    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        let Self { cargo } = self;
        let Cargo { autorizacion, monto } = Cargo::leer(conn, cargo).await?;
        let (referencia, moneda): (String, String) =
            sqlx::query_as("SELECT referencia, moneda FROM autorizaciones WHERE id = ?")
                .bind(&autorizacion)
                .fetch_one(&mut *conn)
                .await?;
        let id = nuevo_id("con");
        sqlx::query("INSERT INTO contracargos (id, cargo, monto, clave) VALUES (?, ?, ?, ?)")
            .bind(&id)
            .bind(cargo)
            .bind(monto)
            .bind(clave)
            .execute(&mut *conn)
            .await?;
        Movimiento {
            tipo: "contracargo",
            id: &id,
            referencia: &referencia,
            monto,
            moneda: &moneda,
            clave,
        }
        .anotar(conn)
        .await?;
        let cuerpo = json!({
            "id": id, "cargo": cargo, "referencia": referencia, "estado": "registrado",
            "monto": monto, "moneda": moneda,
        });
        Ok(Paso::Registrar {
            respuesta: Respuesta { status: 201, cuerpo },
            entrega: Entrega::Contestar,
        })
    }
}
