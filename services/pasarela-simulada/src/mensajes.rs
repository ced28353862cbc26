//! The message provider: mail, SMS and push, with refusals chosen by the address. It knows nothing of payments.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::SqliteConnection;

use crate::{
    campos::Campos,
    ejecucion::{Entrega, Paso, Respuesta},
    problema::{Fallo, Problema},
    solicitud::nuevo_id,
};

const MEDIOS: [&str; 3] = ["correo", "sms", "push"];

/// The refusal table, as the README and `GET /resultados` show it; [`trato`] plays it.
pub(crate) const REGLAS: [(&str, &str); 4] = [
    (
        "contains `rechaza-todo`",
        "refused, 422 `MedioRechazado`; give a client this address on every medium",
    ),
    (
        "the part before `@` (or the whole, without `@`) ends with `+rechaza`, and it does not begin with `sms:` or `push:`",
        "refused, 422 `MedioRechazado`",
    ),
    (
        "the part before `@` (or the whole, without `@`) ends with `000`, and it does not begin with `sms:` or `push:`",
        "refused, 422 `MedioRechazado`",
    ),
    ("contains `lento`", "delivered at once, answered after `SLOW_MS`"),
];

/// `POST /mensajes`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mensaje {
    referencia: String,
    medio: String,
    destino: String,
    asunto: Option<String>,
    texto: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Trato {
    Entregar(Entrega),
    Rechazar,
}

fn trato(destino: &str) -> Trato {
    let local = destino.rsplit_once('@').map_or(destino, |(local, _)| local);
    // A client known by mail alone is reached on other media under `sms:` and `push:` and the same address: what
    // refuses its mail must not refuse those too, or no fallback could ever be played.
    let plain = !destino.starts_with("sms:") && !destino.starts_with("push:");
    if destino.contains("rechaza-todo") || plain && (local.ends_with("+rechaza") || local.ends_with("000")) {
        Trato::Rechazar
    } else if destino.contains("lento") {
        Trato::Entregar(Entrega::Lenta)
    } else {
        Trato::Entregar(Entrega::Contestar)
    }
}

// === impl Mensaje ===

impl Mensaje {
    pub(crate) fn leer(campos: &Campos) -> Result<Self, Problema> {
        Ok(Self {
            referencia: campos.texto("referencia", 1..=200)?,
            medio: campos.uno_de("medio", &MEDIOS)?,
            destino: campos.texto("destino", 1..=320)?,
            asunto: campos.texto_opcional("asunto", 0..=1_000)?,
            texto: campos.texto("texto", 1..=100_000)?,
        })
    }

    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        let Self {
            referencia,
            medio,
            destino,
            asunto,
            texto,
        } = self;
        let entrega = match trato(destino) {
            Trato::Entregar(entrega) => entrega,
            Trato::Rechazar => {
                let mensaje = format!("El destino {destino} no recibe mensajes por {medio}");
                return Ok(Paso::rechazar(&Problema::medio_rechazado(mensaje)));
            }
        };
        let id = nuevo_id("men");
        sqlx::query(
            "INSERT INTO mensajes (id, referencia, medio, destino, asunto, texto, clave) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&id)
        .bind(referencia)
        .bind(medio)
        .bind(destino)
        .bind(asunto)
        .bind(texto)
        .bind(clave)
        .execute(conn)
        .await?;
        let cuerpo = json!({ "id": id, "medio": medio, "destino": destino, "estado": "entregado" });
        Ok(Paso::Registrar {
            respuesta: Respuesta { status: 201, cuerpo },
            entrega,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_decides() {
        for refused in [
            "ana+rechaza@x.co",
            "rechaza-todo@x.co",
            "+573001234000",
            "3000@x.co",
            "push-rechaza-todo-7",
        ] {
            assert_eq!(trato(refused), Trato::Rechazar, "{refused}");
        }
        for slow in ["lento@x.co", "ana.lento@x.co"] {
            assert_eq!(trato(slow), Trato::Entregar(Entrega::Lenta), "{slow}");
        }
        for good in [
            "ana@x.co",
            "ana@rechaza.co",
            "ana+rechaza-no@x.co",
            "sms:ana+rechaza@x.co",
            "+573001234567",
            "ana@x000",
        ] {
            assert_eq!(trato(good), Trato::Entregar(Entrega::Contestar), "{good}");
        }
    }
}
