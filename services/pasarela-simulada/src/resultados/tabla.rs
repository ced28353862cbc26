//! The table itself, and the three shapes it is shown in.

use serde_json::{Value, json};

use super::Resultado::{self, *};
use crate::mensajes::REGLAS;

/// One row as it is documented.
#[derive(Clone, Copy, Debug)]
pub struct Fila {
    /// What it is.
    pub resultado: Resultado,
    /// The last two digits of the amount in minor units.
    pub terminacion: u8,
    /// The test token that chooses it whatever the amount.
    pub ficha: &'static str,
    /// Its name, and the `codigo` of the refusal if it is one.
    pub nombre: &'static str,
    /// What happens.
    pub efecto: &'static str,
}

/// The one table. The README shows it, `GET /resultados` answers it, [`Resultado::efecto`] plays it.
pub const TABLA: [Fila; 18] = [
    fila(
        Aprobada,
        0,
        "ficha-aprobada",
        "Aprobada",
        "approved; so is every ending that is not listed",
    ),
    fila(
        FondosInsuficientes,
        1,
        "ficha-fondos-insuficientes",
        "FondosInsuficientes",
        "soft decline: 402, `suave: true`",
    ),
    fila(
        TarjetaRechazada,
        2,
        "ficha-tarjeta-rechazada",
        "TarjetaRechazada",
        "hard decline: 402, `suave: false`",
    ),
    fila(
        TarjetaVencida,
        3,
        "ficha-tarjeta-vencida",
        "TarjetaVencida",
        "hard decline: 402, `suave: false`",
    ),
    fila(
        TarjetaRobada,
        4,
        "ficha-tarjeta-robada",
        "TarjetaRobada",
        "hard decline: 402, `suave: false`",
    ),
    fila(
        CorreoRechazado,
        5,
        "ficha-correo-rechazado",
        "CorreoRechazado",
        "approved; for stories about a refused mail, which the address decides (next table)",
    ),
    fila(
        MensajesRechazados,
        6,
        "ficha-mensajes-rechazados",
        "MensajesRechazados",
        "approved; for stories about a client no message reaches, which the address decides (next table)",
    ),
    fila(
        AutorizacionPerdida,
        11,
        "ficha-autorizacion-perdida",
        "AutorizacionPerdida",
        "first authorisation: nothing recorded, never answered; a repeat succeeds",
    ),
    fila(
        CapturaSinRespuesta,
        12,
        "ficha-captura-sin-respuesta",
        "CapturaSinRespuesta",
        "first capture: recorded, never answered; a repeat with the same key gets the answer",
    ),
    fila(
        CapturaConError,
        13,
        "ficha-captura-con-error",
        "CapturaConError",
        "first capture: recorded, answered 500; a repeat with the same key gets the answer",
    ),
    fila(
        AutorizacionSinRespuesta,
        14,
        "ficha-autorizacion-sin-respuesta",
        "AutorizacionSinRespuesta",
        "first authorisation: recorded, never answered; a repeat with the same key gets the answer",
    ),
    fila(
        Lenta,
        15,
        "ficha-lenta",
        "Lenta",
        "every operation: recorded at once, answered after `SLOW_MS`; 409 to the same key meanwhile",
    ),
    fila(
        Intermitente,
        16,
        "ficha-intermitente",
        "Intermitente",
        "first two calls of each operation: nothing recorded, answered 503; then it works",
    ),
    fila(
        CapturaTardia,
        17,
        "ficha-captura-tardia",
        "CapturaTardia",
        "first capture: never answered, recorded after `LATE_MS`; 409 to the same key until then, then the answer",
    ),
    fila(
        MontoErroneo,
        18,
        "ficha-monto-erroneo",
        "MontoErroneo",
        "capture: records and answers 100 minor units less than asked (never less than 1)",
    ),
    fila(
        ReembolsoSinRespuesta,
        19,
        "ficha-reembolso-sin-respuesta",
        "ReembolsoSinRespuesta",
        "first refund: recorded, never answered; a repeat with the same key gets the answer",
    ),
    fila(
        CapturaPerdida,
        20,
        "ficha-captura-perdida",
        "CapturaPerdida",
        "first two captures: nothing recorded, never answered; the third succeeds",
    ),
    fila(
        ReembolsoImposible,
        21,
        "ficha-reembolso-imposible",
        "ReembolsoImposible",
        "refund: refused for ever, 409; a person must resolve it",
    ),
];

const fn fila(
    resultado: Resultado,
    terminacion: u8,
    ficha: &'static str,
    nombre: &'static str,
    efecto: &'static str,
) -> Fila {
    Fila {
        resultado,
        terminacion,
        ficha,
        nombre,
        efecto,
    }
}

/// The outcome table as the README shows it.
#[must_use]
pub fn tabla_markdown() -> String {
    let mut texto = String::from("| amount ends in | `ficha` | name | what happens |\n|---|---|---|---|\n");
    for Fila {
        resultado: _,
        terminacion,
        ficha,
        nombre,
        efecto,
    } in TABLA
    {
        texto.push_str(&format!("| {terminacion:02} | `{ficha}` | {nombre} | {efecto} |\n"));
    }
    texto
}

/// The refusal table of the message provider as the README shows it.
#[must_use]
pub fn tabla_mensajes_markdown() -> String {
    let mut texto = String::from("| `destino` | what happens |\n|---|---|\n");
    for (regla, efecto) in REGLAS {
        texto.push_str(&format!("| {regla} | {efecto} |\n"));
    }
    texto
}

/// Both tables as `GET /resultados` answers them.
pub(crate) fn tabla_json() -> Value {
    let filas = TABLA.map(
        |Fila {
             resultado: _,
             terminacion,
             ficha,
             nombre,
             efecto,
         }| {
            json!({ "terminacion": format!("{terminacion:02}"), "ficha": ficha, "nombre": nombre, "efecto": efecto })
        },
    );
    let mensajes = REGLAS.map(|(regla, efecto)| json!({ "destino": regla, "efecto": efecto }));
    json!({ "resultados": filas, "mensajes": mensajes })
}
