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
    table.push(Bad::new(&good, 400, &["Idempotency-Key must be 1 to 255 characters long"]).keyed("k".repeat(256)));
    table
}

/// `POST /notificaciones/notificacion` and its command.
pub(in super::super) fn notificacion() -> Vec<Bad> {
    let good = json!({"tipo": "ALERTA", "medio": "correo", "valor": "hola"});
    let mut table = unreadable(&good);
    for (field, text) in [
        ("tipo", "tipo must be a text"),
        ("medio", "medio must be a text"),
        ("valor", "valor must be a text"),
    ] {
        for value in no_texts() {
            table.push(Bad::new(with(&good, field, value), 400, &[text]));
        }
    }
    for (field, value, rule) in [
        ("tipo", None, "tipo must not be empty"),
        ("tipo", Some(json!(" ")), "tipo must not be empty"),
        (
            "tipo",
            Some(json!("x".repeat(65))),
            "tipo must be at most 64 characters long",
        ),
        ("tipo", Some(json!("a\nb")), "tipo must hold printable characters only"),
        ("medio", None, "medio must be one of correo, sms, push"),
        ("medio", Some(json!("")), "medio must be one of correo, sms, push"),
        ("medio", Some(json!("fax")), "medio must be one of correo, sms, push"),
        ("valor", None, "valor must not be empty"),
        ("valor", Some(Value::Null), "valor must not be empty"),
        (
            "valor",
            Some(json!("x".repeat(4_001))),
            "valor must be at most 4000 characters long",
        ),
        (
            "valor",
            Some(json!("a\u{0}b")),
            "valor must hold printable characters only",
        ),
    ] {
        table.push(Bad::new(with(&good, field, value), 400, &[rule]));
    }
    let all = [
        "tipo must not be empty",
        "medio must be one of correo, sms, push",
        "valor must not be empty",
    ];
    table.push(Bad::new(json!({}), 400, &all));
    table
}

/// `POST /pagos/simular-evento-de-compensacion`; `id` is a payment that is not to be reversed. It reads any content
/// type, as the original, and what names no payment is answered as the original did.
pub(in super::super) fn contracargo(id: &str) -> Vec<Bad> {
    let no_object = &["the body must be a JSON object"];
    let large = json!({"idCorrelacion": id, "motivo": "x".repeat(OVERSIZED)});
    let mut table = vec![
        Bad::new("{", 400, no_object),
        Bad::new("[]", 400, no_object),
        Bad::new(json!(id), 400, no_object),
        Bad::new(large, 413, &["65536 bytes"]),
        Bad::new(json!({"idCorrelacion": ""}), 400, &["idCorrelacion must not be empty"]),
        Bad::new(
            json!({"idCorrelacion": "No Es"}),
            400,
            &["idCorrelacion must be made of lower-case letters"],
        ),
        Bad::new(
            json!({"idCorrelacion": "x".repeat(59)}),
            400,
            &["idCorrelacion must be at most 58 characters long"],
        ),
        Bad::new(
            json!({"idCorrelacion": "no-lo-conoce-nadie"}),
            404,
            &["no payment has this id"],
        ),
    ];
    for value in no_texts() {
        let body = json!({"idCorrelacion": value});
        table.push(Bad::new(body, 400, &["idCorrelacion must be a text"]));
        table.push(Bad::new(
            json!({"idCorrelacion": id, "motivo": value}),
            400,
            &["motivo must be a text"],
        ));
    }
    for motivo in ["x".repeat(257), "a\u{7}b".to_owned()] {
        let body = json!({"idCorrelacion": id, "motivo": motivo});
        table.push(Bad::new(
            body,
            400,
            &["motivo must be at most 256 printable characters"],
        ));
    }
    table
}
