//! The tables of bad input, one per door.

use serde_json::{Value, json};

/// A request that is wrong in some way.
pub(super) struct Bad {
    pub(super) body: Body,
    /// What it is answered with.
    pub(super) status: u16,
    /// The sentences it is answered with, each by what must be in it: the field and the rule.
    pub(super) says: Vec<&'static str>,
}

/// What is sent.
pub(super) struct Body {
    pub(super) text: String,
    pub(super) content_type: Option<&'static str>,
    pub(super) idempotency_key: Option<String>,
}

const JSON: &str = "application/json";

/// More than any door reads.
const OVERSIZED: usize = 70_000;

const PLAIN: &str = "monto must be a plain decimal number";
const POSITIVE: &str = "monto must be greater than 0";
const DECIMALS: &str = "monto must have at most 2 decimals in USD";
const LARGE: &str = "monto must be at most 1000000";
const MEDIO: &str = "medioPago must be one of TarjetaCredito, TarjetaDebito, PSE";

// === impl Bad ===

impl Bad {
    fn new(text: impl ToString, status: u16, says: &[&'static str]) -> Self {
        let body = Body {
            text: text.to_string(),
            content_type: Some(JSON),
            idempotency_key: None,
        };
        Self {
            body,
            status,
            says: says.to_vec(),
        }
    }

    fn typed(mut self, content_type: Option<&'static str>) -> Self {
        self.body.content_type = content_type;
        self
    }

    fn keyed(mut self, key: impl Into<String>) -> Self {
        self.body.idempotency_key = Some(key.into());
        self
    }

    /// Whether these are the sentences, in any order, and no other.
    pub(super) fn says_all(&self, sentences: &[&str]) -> bool {
        self.says.len() == sentences.len()
            && self
                .says
                .iter()
                .all(|part| sentences.iter().any(|sentence| sentence.contains(part)))
    }
}

/// What is wrong before any field is looked at; `good` is a body that the door would take.
fn unreadable(good: &Value) -> Vec<Bad> {
    let mut large = good.clone();
    large["relleno"] = json!("x".repeat(OVERSIZED));
    let cut: String = good.to_string().chars().take(12).collect();
    vec![
        Bad::new("", 400, &["JSON"]),
        Bad::new("{", 400, &["JSON"]),
        Bad::new(cut, 400, &["JSON"]),
        Bad::new("[]", 400, &["JSON"]),
        Bad::new("null", 400, &["JSON"]),
        Bad::new("\"clave-de-prueba\"", 400, &["JSON"]),
        Bad::new("\u{0}\u{1}", 400, &["JSON"]),
        Bad::new(large, 413, &["the body must be at most 65536 bytes"]),
        Bad::new(good, 415, &["application/json"]).typed(Some("text/plain")),
        Bad::new(good, 415, &["application/json"]).typed(Some("application/x-www-form-urlencoded")),
        Bad::new(good, 415, &["application/json"]).typed(None),
    ]
}

/// `good` with another value in a field; `None` leaves the field out.
fn with(good: &Value, field: &str, value: Option<Value>) -> Value {
    let mut body = good.clone();
    if let Some(fields) = body.as_object_mut() {
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
    }
    body
}

/// Every value that is no text, and none at all.
fn no_texts() -> Vec<Option<Value>> {
    vec![
        Some(json!(5)),
        Some(json!(true)),
        Some(json!(["x"])),
        Some(json!({"x": 1})),
    ]
}

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
pub(super) fn pago(cliente: &str) -> Vec<Bad> {
    let good = json!({"medioPago": "PSE", "idCliente": cliente, "monto": 24});
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
            &["idCliente must be a text"],
        ));
    }
    for value in [None, Some(Value::Null), Some(json!(""))] {
        table.push(Bad::new(
            with(&good, "idCliente", value),
            400,
            &["idCliente must not be empty"],
        ));
    }
    let long = Some(json!("x".repeat(129)));
    table.push(Bad::new(
        with(&good, "idCliente", long),
        400,
        &["idCliente must be at most 128 characters long"],
    ));
    let control = Some(json!("a\u{0}b"));
    table.push(Bad::new(
        with(&good, "idCliente", control),
        400,
        &["idCliente must hold printable characters only"],
    ));
    let all = json!({"medioPago": "Efectivo", "idCliente": "", "monto": -5});
    table.push(Bad::new(all, 400, &[MEDIO, "idCliente must not be empty", POSITIVE]));
    table.push(Bad::new(json!({}), 400, &[MEDIO, "idCliente must not be empty", PLAIN]));
    let twice = format!(r#"{{"medioPago":"PSE","idCliente":"{cliente}","monto":24,"monto":240}}"#);
    table.push(Bad::new(twice, 400, &["monto must be there once"]));
    table.push(Bad::new(&good, 400, &["Idempotency-Key must be 1 to 255 characters long"]).keyed("k".repeat(256)));
    table.push(Bad::new(&good, 400, &["Idempotency-Key"]).keyed(""));
    table
}

/// `realizarPago` at the BFF.
pub(super) fn mutation(cliente: &str) -> Vec<Bad> {
    const QUERY: &str = "mutation($p: RealizarPagoInput!) { realizarPago(pago: $p) { idCorrelacion } }";
    let good = json!({"medioPago": "PSE", "idCliente": cliente, "monto": 24});
    let asked = |pago: Value| json!({"query": QUERY, "variables": {"p": pago}});
    let mut table = vec![
        Bad::new("", 400, &["Unable to parse request body as JSON"]),
        Bad::new("{", 400, &["Unable to parse request body as JSON"]),
        Bad::new("[]", 400, &["No GraphQL query found in the request"]),
        Bad::new("{\"query\": \"\"}", 400, &["No GraphQL query found in the request"]),
        Bad::new("{\"query\": 5}", 400, &["No GraphQL query found in the request"]),
        Bad::new(
            json!({"query": QUERY, "variables": []}),
            400,
            &["Variables are not a JSON object"],
        ),
        Bad::new(
            json!({"query": QUERY, "relleno": "x".repeat(OVERSIZED)}),
            413,
            &["at most 65536 bytes"],
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
            &["Idempotency-Key must be 1 to 255 characters long"],
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
        (String::new(), "idCliente must not be empty"),
        ("x".repeat(129), "idCliente must be at most 128 characters long"),
        ("a\u{0}b".to_owned(), "idCliente must hold printable characters only"),
    ] {
        table.push(Bad::new(asked(with(&good, "idCliente", Some(json!(id)))), 200, &[rule]));
    }
    table.push(Bad::new(asked(with(&good, "otra", Some(json!(1)))), 200, &["otra"]));
    let all = json!({"medioPago": "Efectivo", "idCliente": "", "monto": -5});
    table.push(Bad::new(
        asked(all),
        200,
        &[MEDIO, "idCliente must not be empty", POSITIVE],
    ));
    table
}

/// `POST /clientes/cliente` and its command.
pub(super) fn cliente() -> Vec<Bad> {
    let good = json!({"nombre": "Ana", "apellidos": "Pérez", "correo": "ana@example.com", "contrasena": "secreto"});
    let mut table = unreadable(&good);
    // The field in each sentence.
    let fields: [(&str, [&'static str; 3]); 4] = [
        (
            "nombre",
            [
                "nombre must be a text",
                "nombre must not be empty",
                "nombre must be at most 254 characters long",
            ],
        ),
        (
            "apellidos",
            [
                "apellidos must be a text",
                "apellidos must not be empty",
                "apellidos must be at most 254 characters long",
            ],
        ),
        (
            "correo",
            [
                "correo must be a text",
                "correo must not be empty",
                "correo must be at most 254 characters long",
            ],
        ),
        (
            "contrasena",
            [
                "contrasena must be a text",
                "contrasena must not be empty",
                "contrasena must be at most 254 characters long",
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
        ("nombre", " ", "nombre must not be empty"),
        ("apellidos", "a\u{7}b", "apellidos must hold printable characters only"),
        ("correo", "ana", "correo must be a mail address"),
        ("correo", "ana @example.com", "correo must be a mail address"),
        ("correo", "@example.com", "correo must be a mail address"),
        ("contrasena", "", "contrasena must be at least 4 characters long"),
        ("contrasena", "abc", "contrasena must be at least 4 characters long"),
    ] {
        table.push(Bad::new(with(&good, field, Some(json!(value))), 400, &[rule]));
    }
    let all = [
        "nombre must not be empty",
        "apellidos must not be empty",
        "correo must not be empty",
        "contrasena must not",
    ];
    table.push(Bad::new(json!({}), 400, &all));
    table.push(Bad::new(
        r#"{"nombre":"Ana","nombre":"Eva"}"#,
        400,
        &["nombre must be there once"],
    ));
    table.push(Bad::new(&good, 400, &["Idempotency-Key must be 1 to 255 characters long"]).keyed("k".repeat(256)));
    table
}

/// `POST /notificaciones/notificacion` and its command.
pub(super) fn notificacion() -> Vec<Bad> {
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
pub(super) fn contracargo(id: &str) -> Vec<Bad> {
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
