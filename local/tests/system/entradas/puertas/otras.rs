//! The doors for clients, notifications and chargebacks.

use serde_json::{Value, json};

use super::{Bad, OVERSIZED, no_texts, unreadable, with};

/// `POST /clientes/cliente` and its command.
pub(in super::super) fn cliente() -> Vec<Bad> {
    let good = json!({"nombre": "Ana", "apellidos": "Pérez", "correo": "ana@example.com", "contrasena": "secreto"});
    let mut table = unreadable(&good);
    // The field in each sentence.
    let fields: [(&str, [&'static str; 3]); 4] = [
        (
            "nombre",
            [
                "nombre debe ser un texto",
                "nombre no puede estar vacío",
                "nombre debe tener como máximo 254 caracteres",
            ],
        ),
        (
            "apellidos",
            [
                "apellidos debe ser un texto",
                "apellidos no puede estar vacío",
                "apellidos debe tener como máximo 254 caracteres",
            ],
        ),
        (
            "correo",
            [
                "correo debe ser un texto",
                "correo no puede estar vacío",
                "correo debe tener como máximo 254 caracteres",
            ],
        ),
        (
            "contrasena",
            [
                "contrasena debe ser un texto",
                "contrasena no puede estar vacío",
                "contrasena debe tener como máximo 254 caracteres",
            ],
        ),
    ];
    for (field, [text, empty, long]) in fields {
        for value in no_texts() {
            table.push(Bad::new(with(&good, field, value), 400, &[text]));
        }
        for value in [None, Some(Value::Null)] {
            table.push(Bad::new(with(&good, field, value), 400, &[empty]));
        }
        table.push(Bad::new(with(&good, field, Some(json!("x".repeat(255)))), 400, &[long]));
    }
    for (field, value, rule) in [
        ("nombre", " ", "nombre no puede estar vacío"),
        (
            "apellidos",
            "a\u{7}b",
            "apellidos solo puede tener caracteres imprimibles",
        ),
        ("correo", "ana", "correo debe ser una dirección de correo"),
        ("correo", "ana @example.com", "correo debe ser una dirección de correo"),
        ("correo", "@example.com", "correo debe ser una dirección de correo"),
        ("contrasena", "", "contrasena debe tener al menos 4 caracteres"),
        ("contrasena", "abc", "contrasena debe tener al menos 4 caracteres"),
    ] {
        table.push(Bad::new(with(&good, field, Some(json!(value))), 400, &[rule]));
    }
    let all = [
        "nombre no puede estar vacío",
        "apellidos no puede estar vacío",
        "correo no puede estar vacío",
        "contrasena no puede",
    ];
    table.push(Bad::new(json!({}), 400, &all));
    table.push(Bad::new(
        r#"{"nombre":"Ana","nombre":"Eva"}"#,
        400,
        &["nombre debe aparecer una sola vez"],
    ));
    table.push(Bad::new(&good, 400, &["Idempotency-Key debe tener de 1 a 255 caracteres"]).keyed("k".repeat(256)));
    table
}

/// `POST /notificaciones/notificacion` and its command.
pub(in super::super) fn notificacion() -> Vec<Bad> {
    // For somebody: one that is kept for nobody may be empty.
    let good = json!({"tipo": "ALERTA", "medio": "correo", "valor": "hola", "idCliente": "c-1"});
    let mut table = unreadable(&good);
    for (field, text) in [
        ("tipo", "tipo debe ser un texto"),
        ("medio", "medio debe ser un texto"),
        ("valor", "valor debe ser un texto"),
    ] {
        for value in no_texts() {
            table.push(Bad::new(with(&good, field, value), 400, &[text]));
        }
    }
    for (field, value, rule) in [
        ("tipo", None, "tipo no puede estar vacío"),
        ("tipo", Some(json!(" ")), "tipo no puede estar vacío"),
        (
            "tipo",
            Some(json!("x".repeat(65))),
            "tipo debe tener como máximo 64 caracteres",
        ),
        (
            "tipo",
            Some(json!("a\nb")),
            "tipo solo puede tener caracteres imprimibles",
        ),
        ("medio", None, "medio debe ser uno de correo, sms, push"),
        ("medio", Some(json!("")), "medio debe ser uno de correo, sms, push"),
        ("medio", Some(json!("fax")), "medio debe ser uno de correo, sms, push"),
        ("valor", None, "valor no puede estar vacío"),
        ("valor", Some(Value::Null), "valor no puede estar vacío"),
        (
            "valor",
            Some(json!("x".repeat(4_001))),
            "valor debe tener como máximo 4000 caracteres",
        ),
        (
            "valor",
            Some(json!("a\u{0}b")),
            "valor solo puede tener caracteres imprimibles",
        ),
    ] {
        table.push(Bad::new(with(&good, field, value), 400, &[rule]));
    }
    let all = [
        "tipo no puede estar vacío",
        "medio debe ser uno de correo, sms, push",
        "valor no puede estar vacío",
    ];
    table.push(Bad::new(json!({"idCliente": "c-1"}), 400, &all));
    table.push(Bad::new(json!({}), 400, &["medio debe ser uno de correo, sms, push"]));
    table
}

/// `POST /pagos/simular-evento-de-compensacion`; `id` is a payment that is not to be reversed. It reads any content
/// type, as the original, and what names no payment is answered as the original did.
pub(in super::super) fn contracargo(id: &str) -> Vec<Bad> {
    let no_object = &["el cuerpo debe ser un objeto JSON"];
    let large = json!({"idCorrelacion": id, "motivo": "x".repeat(OVERSIZED)});
    let mut table = vec![
        Bad::new("{", 400, no_object),
        Bad::new("[]", 400, no_object),
        Bad::new(json!(id), 400, no_object),
        Bad::new(large, 413, &["65536 bytes"]),
        Bad::new(
            json!({"idCorrelacion": ""}),
            400,
            &["idCorrelacion no puede estar vacío"],
        ),
        Bad::new(
            json!({"idCorrelacion": "No Es"}),
            400,
            &["idCorrelacion solo puede tener letras minúsculas"],
        ),
        Bad::new(
            json!({"idCorrelacion": "x".repeat(59)}),
            400,
            &["idCorrelacion debe tener como máximo 58 caracteres"],
        ),
        Bad::new(
            json!({"idCorrelacion": "no-lo-conoce-nadie"}),
            404,
            &["no hay ningún pago con este id"],
        ),
    ];
    for value in no_texts() {
        let body = json!({"idCorrelacion": value});
        table.push(Bad::new(body, 400, &["idCorrelacion debe ser un texto"]));
        table.push(Bad::new(
            json!({"idCorrelacion": id, "motivo": value}),
            400,
            &["motivo debe ser un texto"],
        ));
    }
    for motivo in ["x".repeat(257), "a\u{7}b".to_owned()] {
        let body = json!({"idCorrelacion": id, "motivo": motivo});
        table.push(Bad::new(
            body,
            400,
            &["motivo debe tener como máximo 256 caracteres imprimibles"],
        ));
    }
    table
}
