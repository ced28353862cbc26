//! The doors that take payments.

use serde_json::{Value, json};

use super::{Bad, OVERSIZED, no_texts, unreadable, with};

const PLAIN: &str = "monto debe ser un número decimal simple";
const POSITIVE: &str = "monto debe ser mayor que 0";
const DECIMALS: &str = "monto debe tener como máximo 2 decimales en USD";
const LARGE: &str = "monto debe ser como máximo 1000000";
const MEDIO: &str = "medioPago debe ser uno de TarjetaCredito, TarjetaDebito, PSE";

/// The text of an amount, and the rule it breaks.
const MONTOS: [(&str, &str); 17] = [
    ("0", POSITIVE),
    ("-5", POSITIVE),
    ("-0.00", POSITIVE),
    ("24.105", DECIMALS),
    ("0.001", DECIMALS),
    ("1000000.01", LARGE),
    ("99999999999999999999999999999999999999", LARGE),
    ("1e3", PLAIN),
    ("1e400", PLAIN),
    ("null", PLAIN),
    ("true", PLAIN),
    ("\"24\"", PLAIN),
    ("\"\"", PLAIN),
    ("[24]", PLAIN),
    ("{\"valor\":24}", PLAIN),
    ("\"veinticuatro\"", PLAIN),
    ("\"24,00\"", PLAIN),
];

/// `POST /facturacion/realizar-pago` and its command.
pub(in super::super) fn pago(cliente: &str) -> Vec<Bad> {
    let good = json!({"medioPago": "TarjetaCredito", "idCliente": cliente, "monto": 24});
    let mut table = unreadable(&good);
    for (monto, rule) in MONTOS {
        let text = format!(r#"{{"medioPago":"PSE","idCliente":"{cliente}","monto":{monto}}}"#);
        table.push(Bad::new(text, 400, &[rule]));
    }
    for nan in ["NaN", "Infinity", "+24", "024", "24."] {
        table.push(Bad::new(
            format!(r#"{{"medioPago":"PSE","idCliente":"{cliente}","monto":{nan}}}"#),
            400,
            &["JSON"],
        ));
    }
    table.push(Bad::new(with(&good, "monto", None), 400, &[PLAIN]));
    for medio in ["", "Efectivo", "pse", " PSE", "Tarjeta"] {
        table.push(Bad::new(with(&good, "medioPago", Some(json!(medio))), 400, &[MEDIO]));
    }
    for value in no_texts().into_iter().chain([None, Some(Value::Null)]) {
        table.push(Bad::new(with(&good, "medioPago", value), 400, &[MEDIO]));
    }
    for value in no_texts() {
        table.push(Bad::new(
            with(&good, "idCliente", value),
            400,
            &["idCliente debe ser un texto"],
        ));
    }
    for value in [None, Some(Value::Null), Some(json!(""))] {
        table.push(Bad::new(
            with(&good, "idCliente", value),
            400,
            &["idCliente no puede estar vacío"],
        ));
    }
    let long = Some(json!("x".repeat(129)));
    table.push(Bad::new(
        with(&good, "idCliente", long),
        400,
        &["idCliente debe tener como máximo 128 caracteres"],
    ));
    let control = Some(json!("a\u{0}b"));
    table.push(Bad::new(
        with(&good, "idCliente", control),
        400,
        &["idCliente solo puede tener caracteres imprimibles"],
    ));
    let all = json!({"medioPago": "Efectivo", "idCliente": "", "monto": -5});
    table.push(Bad::new(all, 400, &[MEDIO, "idCliente no puede estar vacío", POSITIVE]));
    table.push(Bad::new(
        json!({}),
        400,
        &[MEDIO, "idCliente no puede estar vacío", PLAIN],
    ));
    let twice = format!(r#"{{"medioPago":"PSE","idCliente":"{cliente}","monto":24,"monto":240}}"#);
    table.push(Bad::new(twice, 400, &["monto debe aparecer una sola vez"]));
    table.push(Bad::new(&good, 400, &["Idempotency-Key debe tener de 1 a 255 caracteres"]).keyed("k".repeat(256)));
    table.push(Bad::new(&good, 400, &["Idempotency-Key"]).keyed(""));
    table
}

/// `realizarPago` at the BFF.
pub(in super::super) fn mutation(cliente: &str) -> Vec<Bad> {
    const QUERY: &str = "mutation($p: RealizarPagoInput!) { realizarPago(pago: $p) { idCorrelacion } }";
    let good = json!({"medioPago": "TarjetaCredito", "idCliente": cliente, "monto": 24});
    let asked = |pago: Value| json!({"query": QUERY, "variables": {"p": pago}});
    let mut table = vec![
        Bad::new("", 400, &["Unable to parse request body as JSON"]),
        Bad::new("{", 400, &["Unable to parse request body as JSON"]),
        Bad::new("[]", 400, &["envíe una operación por petición: no se atienden en lote"]),
        Bad::new("{\"query\": \"\"}", 400, &["No GraphQL query found in the request"]),
        Bad::new("{\"query\": 5}", 400, &["No GraphQL query found in the request"]),
        Bad::new(
            json!({"query": QUERY, "variables": []}),
            400,
            &["variables debe ser un objeto JSON"],
        ),
        Bad::new(
            json!({"query": QUERY, "relleno": "x".repeat(OVERSIZED)}),
            413,
            &["como máximo 65536 bytes"],
        ),
        Bad::new(asked(good.clone()), 415, &["Unsupported Media Type"]).typed(Some("text/plain")),
        Bad::new(asked(good.clone()), 415, &["Unsupported Media Type"]).typed(None),
        Bad::new(json!({"query": "mutation {"}), 200, &["expected"]),
        Bad::new(json!({"query": "mutation { pagar }"}), 200, &["pagar"]),
        Bad::new(json!({"query": QUERY}), 200, &["p"]),
        Bad::new(asked(json!({})), 200, &["medioPago"]),
        Bad::new(
            asked(good.clone()),
            200,
            &["Idempotency-Key debe tener de 1 a 255 caracteres"],
        )
        .keyed("k".repeat(256)),
    ];
    for (monto, rule) in [
        (json!(0), POSITIVE),
        (json!(-5), POSITIVE),
        (json!(-0.0), POSITIVE),
        (json!(24.105), DECIMALS),
        (json!(1e-7), DECIMALS),
        (json!(1_000_000.01), LARGE),
        (json!(1e300), LARGE),
        (Value::Null, "monto"),
        (json!("24"), "monto"),
        (json!(true), "monto"),
        (json!([24]), "monto"),
    ] {
        table.push(Bad::new(asked(with(&good, "monto", Some(monto))), 200, &[rule]));
    }
    table.push(Bad::new(asked(with(&good, "monto", None)), 200, &["monto"]));
    for medio in ["", "Efectivo", "pse"] {
        table.push(Bad::new(
            asked(with(&good, "medioPago", Some(json!(medio)))),
            200,
            &[MEDIO],
        ));
    }
    for field in ["medioPago", "idCliente"] {
        for value in no_texts().into_iter().chain([None, Some(Value::Null)]) {
            table.push(Bad::new(asked(with(&good, field, value)), 200, &[field]));
        }
    }
    for (id, rule) in [
        (String::new(), "idCliente no puede estar vacío"),
        ("x".repeat(129), "idCliente debe tener como máximo 128 caracteres"),
        (
            "a\u{0}b".to_owned(),
            "idCliente solo puede tener caracteres imprimibles",
        ),
    ] {
        table.push(Bad::new(asked(with(&good, "idCliente", Some(json!(id)))), 200, &[rule]));
    }
    table.push(Bad::new(asked(with(&good, "otra", Some(json!(1)))), 200, &["otra"]));
    let all = json!({"medioPago": "Efectivo", "idCliente": "", "monto": -5});
    table.push(Bad::new(
        asked(all),
        200,
        &[MEDIO, "idCliente no puede estar vacío", POSITIVE],
    ));
    table
}
