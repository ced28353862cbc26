//! The doors that read what a stranger sends, and what each must not take.
//!
//! Which rules there are, and their sentences, the services' own tests show. Here are a few requests for each door, which
//! show that a refusal leaves a real process as it should; and the payments that nobody can make, of which every door for
//! payments must say the same.

use seedwork::{App, IdCorrelacion};
use serde_json::{Value, json};

/// A door.
pub(super) struct Door {
    pub(super) app: App,
    pub(super) path: &'static str,
    /// What it takes, and how it answers that.
    pub(super) good: Value,
    pub(super) taken: u16,
    /// Whether that is a payment.
    pub(super) pays: bool,
    pub(super) bad: Vec<Bad>,
}

/// A request that is wrong in some way.
pub(super) struct Bad {
    pub(super) body: String,
    pub(super) content_type: Option<&'static str>,
    pub(super) idempotency_key: Option<String>,
    /// What it is answered with.
    pub(super) status: u16,
    /// The sentences it is answered with, each by what must be in it: the field and the rule.
    pub(super) says: Vec<&'static str>,
}

/// More than any door reads.
const OVERSIZED: usize = 70_000;

const TOO_LARGE: &str = "el cuerpo debe tener como máximo 65536 bytes";
const KEY: &str = "Idempotency-Key debe tener de 1 a 255 caracteres";

// === impl Bad ===

impl Bad {
    #[expect(clippy::needless_pass_by_value, reason = "a table of bodies made on the spot")]
    fn new(body: impl ToString, status: u16, says: &[&'static str]) -> Self {
        Self {
            body: body.to_string(),
            content_type: Some("application/json"),
            idempotency_key: None,
            status,
            says: says.to_vec(),
        }
    }

    fn typed(mut self, content_type: Option<&'static str>) -> Self {
        self.content_type = content_type;
        self
    }

    fn keyed(mut self, key: String) -> Self {
        self.idempotency_key = Some(key);
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

/// Every door; a chargeback of `kept` must not be taken, one of `reversed` is.
pub(super) fn all(cliente: &str, kept: &IdCorrelacion, reversed: &IdCorrelacion) -> Vec<Door> {
    let mut doors = vec![mutation(cliente)];
    for (path, taken) in [
        ("/facturacion/realizar-pago", 200),
        ("/facturacion/realizar-pago-comando", 202),
    ] {
        let payments = impossible_payments(cliente).into_iter();
        let broken = payments.map(|(pago, says)| Bad::new(pago, 400, &says)).collect();
        let pays = Door {
            pays: true,
            ..rest(App::GestionClientes, path, taken, pago(cliente), broken)
        };
        doors.push(pays);
    }
    for (path, taken) in [("/clientes/cliente", 200), ("/clientes/cliente-comando", 202)] {
        let good = json!({"nombre": "Ana", "apellidos": "Pérez", "correo": "ana@example.com", "contrasena": "secreto"});
        let all = json!({"apellidos": 5, "correo": "ana", "contrasena": "abc", "rol": "admin"});
        let says = [
            "nombre no puede estar vacío",
            "apellidos debe ser un texto",
            "correo debe ser una dirección de correo",
            "contrasena debe tener al menos 4 caracteres",
            "rol no es un campo de esta petición",
        ];
        let broken = vec![Bad::new(all, 400, &says)];
        doors.push(rest(App::GestionClientes, path, taken, good, broken));
    }
    for (path, taken) in [
        ("/notificaciones/notificacion", 200),
        ("/notificaciones/notificacion-comando", 202),
    ] {
        let good = json!({"tipo": "ALERTA", "medio": "correo", "valor": "hola"});
        let all = json!({"medio": "fax", "valor": 5, "idCliente": "c-1"});
        let says = [
            "tipo no puede estar vacío",
            "medio debe ser uno de correo, sms, push",
            "valor debe ser un texto",
        ];
        let broken = vec![Bad::new(all, 400, &says)];
        doors.push(rest(App::Notificaciones, path, taken, good, broken));
    }
    doors.push(contracargo(kept, reversed));
    doors
}

/// A door that answers with problem+json.
fn rest(app: App, path: &'static str, taken: u16, good: Value, broken: Vec<Bad>) -> Door {
    let mut bad = vec![
        Bad::new("{", 400, &["el cuerpo no es JSON"]),
        Bad::new(&good, 415, &["application/json"]).typed(Some("text/plain")),
        Bad::new(&good, 415, &["application/json"]).typed(None),
        Bad::new(json!({"relleno": "x".repeat(OVERSIZED)}), 413, &[TOO_LARGE]),
        Bad::new(&good, 400, &[KEY]).keyed("k".repeat(256)),
    ];
    bad.extend(broken);
    Door {
        app,
        path,
        good,
        taken,
        pays: false,
        bad,
    }
}

fn pago(cliente: &str) -> Value {
    json!({"medioPago": "TarjetaCredito", "idCliente": cliente, "monto": 24})
}

/// What no door for payments takes, and what each says of it.
fn impossible_payments(cliente: &str) -> Vec<(Value, Vec<&'static str>)> {
    let pago = |medio: &str, id: &str, monto: Value| json!({"medioPago": medio, "idCliente": id, "monto": monto});
    let positive = "monto debe ser mayor que 0";
    let all = vec![
        "medioPago debe ser uno de TarjetaCredito, TarjetaDebito, PSE",
        "idCliente no puede estar vacío",
        positive,
    ];
    let long = "idCliente debe tener como máximo 128 caracteres";
    let printable = "idCliente solo puede tener caracteres imprimibles";
    let decimals = "monto debe tener como máximo 2 decimales en USD";
    let most = "monto debe ser como máximo 1000000";
    vec![
        (pago("Efectivo", "", json!(-5)), all),
        (pago("PSE", &"x".repeat(129), json!(0)), vec![long, positive]),
        (pago("PSE", "a\u{0}b", json!(24)), vec![printable]),
        (pago("PSE", cliente, json!(24.105)), vec![decimals]),
        (pago("PSE", cliente, json!(1_000_000.01)), vec![most]),
    ]
}

/// `realizarPago` at the BFF. What is GraphQL is answered with 200 and errors.
fn mutation(cliente: &str) -> Door {
    const QUERY: &str = "mutation($p: RealizarPagoInput!) { realizarPago(pago: $p) { idCorrelacion } }";
    let asked = |pago: Value| json!({"query": QUERY, "variables": {"p": pago}});
    let good = asked(pago(cliente));
    let no_monto = asked(json!({"medioPago": "PSE", "idCliente": cliente}));
    let mut bad = vec![
        Bad::new("{", 400, &["Unable to parse request body as JSON"]),
        Bad::new("{}", 400, &["No GraphQL query found in the request"]),
        Bad::new(&good, 415, &["Unsupported Media Type"]).typed(Some("text/plain")),
        Bad::new(&good, 415, &["Unsupported Media Type"]).typed(None),
        Bad::new(json!({"query": "x".repeat(OVERSIZED)}), 413, &[TOO_LARGE]),
        Bad::new(json!({"query": "mutation { pagar }"}), 200, &["pagar"]),
        Bad::new(no_monto, 200, &["monto"]),
        Bad::new(&good, 200, &[KEY]).keyed("k".repeat(256)),
    ];
    let payments = impossible_payments(cliente).into_iter();
    bad.extend(payments.map(|(pago, says)| Bad::new(asked(pago), 200, &says)));
    Door {
        app: App::Bff,
        path: "/v1",
        good,
        taken: 200,
        pays: true,
        bad,
    }
}

/// The door for chargebacks. It reads any content type and no key, as the original.
fn contracargo(kept: &IdCorrelacion, reversed: &IdCorrelacion) -> Door {
    let large = json!({"idCorrelacion": kept, "motivo": "x".repeat(OVERSIZED)});
    let broken = json!({"idCorrelacion": "No Es", "motivo": 5});
    let says = [
        "idCorrelacion solo puede tener letras minúsculas",
        "motivo debe ser un texto",
    ];
    let unknown = json!({"idCorrelacion": "nadie"});
    Door {
        app: App::IntegracionPagos,
        path: "/pagos/simular-evento-de-compensacion",
        good: json!({"idCorrelacion": reversed}),
        taken: 200,
        pays: false,
        bad: vec![
            Bad::new("{", 400, &["el cuerpo debe ser un objeto JSON"]),
            Bad::new(large, 413, &[TOO_LARGE]),
            Bad::new(broken, 400, &says),
            Bad::new(unknown, 404, &["no hay ningún pago con este id"]),
        ],
    }
}
