//! Authorising: money is promised, nothing moves.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqliteConnection;

use super::decidir;
use crate::{
    campos::Campos,
    ejecucion::{Paso, Respuesta},
    libro::Movimiento,
    problema::{Fallo, Problema},
    resultados::{Operacion, Resultado},
    solicitud::nuevo_id,
};

const MEDIOS: [&str; 3] = ["TarjetaCredito", "TarjetaDebito", "PSE"];

/// `POST /autorizaciones`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Autorizacion {
    referencia: String,
    monto: i64,
    moneda: String,
    medio_pago: String,
    ficha: Option<String>,
}

// === impl Autorizacion ===

impl Autorizacion {
    pub(crate) fn leer(campos: &Campos) -> Result<Self, Problema> {
        let ficha = campos.texto_opcional("ficha", 1..=100)?;
        if ficha.as_deref().is_some_and(|ficha| !Resultado::conoce(ficha)) {
            return Err(Problema::invalido(
                "ficha",
                "debe ser una de las fichas de GET /resultados",
            ));
        }
        Ok(Self {
            referencia: campos.texto("referencia", 1..=200)?,
            monto: campos.monto()?,
            moneda: campos.moneda()?,
            medio_pago: campos.uno_de("medioPago", &MEDIOS)?,
            ficha,
        })
    }

    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        let Self {
            referencia,
            monto,
            moneda,
            medio_pago,
            ficha,
        } = self;
        let resultado = Resultado::elegir(*monto, ficha.as_deref());
        let entrega = match decidir(conn, resultado, Operacion::Autorizacion, referencia).await? {
            ControlFlow::Continue((entrega, _)) => entrega,
            ControlFlow::Break(paso) => return Ok(paso),
        };
        let id = nuevo_id("aut");
        sqlx::query(
            "INSERT INTO autorizaciones (id, referencia, monto, moneda, medio_pago, resultado, clave)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&id)
        .bind(referencia)
        .bind(monto)
        .bind(moneda)
        .bind(medio_pago)
        .bind(resultado.nombre())
        .bind(clave)
        .execute(&mut *conn)
        .await?;
        Movimiento {
            tipo: "autorizacion",
            id: &id,
            referencia,
            monto: *monto,
            moneda,
            clave,
        }
        .anotar(conn)
        .await?;
        let cuerpo = json!({
            "id": id, "referencia": referencia, "estado": "autorizada", "monto": monto, "moneda": moneda,
        });
        Ok(Paso::Registrar {
            respuesta: Respuesta { status: 201, cuerpo },
            entrega,
        })
    }
}
