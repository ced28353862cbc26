//! The card operations. Each looks at the state of the payment first, then lets the outcome table decide.

mod anulacion;
mod autorizacion;
mod captura;
mod reembolso;

use std::ops::ControlFlow;

use sqlx::SqliteConnection;

pub(crate) use anulacion::Anulacion;
pub(crate) use autorizacion::Autorizacion;
pub(crate) use captura::Captura;
pub(crate) use reembolso::Reembolso;

use crate::{
    ejecucion::{Entrega, Paso},
    problema::{Fallo, Problema},
    resultados::{Efecto, Operacion, Resultado},
};

/// An authorisation as the ledger has it.
struct Autorizada {
    referencia: String,
    monto: i64,
    moneda: String,
    resultado: Resultado,
    anulada: bool,
}

/// Counts this call, and says how to do it (how to answer, how much less to record) or what to do instead.
async fn decidir(
    conn: &mut SqliteConnection,
    resultado: Resultado,
    operacion: Operacion,
    sujeto: &str,
) -> Result<ControlFlow<Paso, (Entrega, i64)>, Fallo> {
    let veces: i64 = sqlx::query_scalar(
        "INSERT INTO llamadas (operacion, resultado, sujeto, veces) VALUES (?, ?, ?, 1)
         ON CONFLICT (operacion, resultado, sujeto) DO UPDATE SET veces = veces + 1 RETURNING veces",
    )
    .bind(operacion.nombre())
    .bind(resultado.nombre())
    .bind(sujeto)
    .fetch_one(conn)
    .await?;
    Ok(match resultado.efecto(operacion, veces - 1) {
        Efecto::Hacer { entrega, descuento } => ControlFlow::Continue((entrega, descuento)),
        Efecto::Omitir(omision) => ControlFlow::Break(Paso::Omitir(omision)),
        Efecto::Aplazar => ControlFlow::Break(Paso::Aplazar),
        Efecto::Declinar { mensaje, suave } => {
            ControlFlow::Break(Paso::rechazar(&Problema::declive(resultado.nombre(), mensaje, suave)))
        }
        Efecto::NoReembolsar => ControlFlow::Break(Paso::rechazar(&Problema::conflicto(
            resultado.nombre(),
            "El banco no admite el reembolso de este cargo",
        ))),
    })
}

// === impl Autorizada ===

impl Autorizada {
    async fn leer(conn: &mut SqliteConnection, id: &str) -> Result<Self, Fallo> {
        let (referencia, monto, moneda, resultado, anulada): (String, i64, String, String, bool) =
            sqlx::query_as("SELECT referencia, monto, moneda, resultado, anulada FROM autorizaciones WHERE id = ?")
                .bind(id)
                .fetch_optional(conn)
                .await?
                .ok_or_else(|| Problema::no_encontrado("la autorización", id))?;
        let resultado =
            Resultado::por_nombre(&resultado).ok_or_else(|| Fallo::Unknown(format!("the outcome {resultado}")))?;
        Ok(Self {
            referencia,
            monto,
            moneda,
            resultado,
            anulada,
        })
    }
}
