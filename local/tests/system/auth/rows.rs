//! What one client tries with what is another's: a row for each route and each GraphQL field.
//!
//! `CLIENTE`, `PAGO` and `AVISO` stand for a client, a payment of it and a notification about that, `INFORME` for a report
//! of the reconciliation, in paths and bodies alike. A new route gets a row here: `tests/routes.rs` asks for it.

use seedwork::App;

/// A request about a client or its payment.
pub(super) struct Row {
    pub(super) app: App,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// JSON; empty: none.
    pub(super) body: &'static str,
    /// What the row is about, and so how a refusal looks.
    pub(super) kind: Kind,
    /// What an answer to the owner holds.
    pub(super) shows: &'static str,
}

/// How a refusal looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One thing: 404, as if it were not there.
    Thing,
    /// A list, or a field: answered, with nothing of it.
    Part,
    /// A change: 403, or 404 where it has a place of its own.
    Change,
    /// A change by GraphQL: answered with an error.
    Mutation,
    /// A registration: 409 for a client, which registers itself alone and is registered already.
    Registration,
    /// Not for clients at all: 403, the owner's own included.
    Operators,
    /// The same. What an operator asks for would be done, and would spoil the rows after it: that is not tried.
    Reversal,
}

const fn row(
    app: App,
    method: &'static str,
    path: &'static str,
    body: &'static str,
    kind: Kind,
    shows: &'static str,
) -> Row {
    Row {
        app,
        method,
        path,
        body,
        kind,
        shows,
    }
}

const fn field(body: &'static str, kind: Kind, shows: &'static str) -> Row {
    row(App::Bff, "POST", "/v1", body, kind, shows)
}

use App::{Bff, GestionClientes, IntegracionPagos, Notificaciones};
use Kind::{Change, Mutation, Operators, Part, Registration, Reversal, Thing};

/// The rows. What changes something comes last, so that the rows before see what they expect.
pub(super) const ROWS: &[Row] = &[
    // The BFF: every field.
    field(
        r#"{"query": "{ pago(idCorrelacion: \"PAGO\") { idCliente montoTexto } }"}"#,
        Part,
        "CLIENTE",
    ),
    field(
        r#"{"query": "{ pagos { pagos { idCorrelacion idCliente } } }"}"#,
        Part,
        "PAGO",
    ),
    field(
        r#"{"query": "{ pagos(idCliente: \"CLIENTE\") { pagos { idCorrelacion } cursor } }"}"#,
        Part,
        "PAGO",
    ),
    field(
        r#"{"query": "{ pagos(idCliente: \"CLIENTE\", fase: \"Completed\", desde: \"2020-01-01T00:00:00Z\") { pagos { idCorrelacion } } }"}"#,
        Part,
        "PAGO",
    ),
    field(
        r#"{"query": "{ cliente(id: \"CLIENTE\") { id correo } }"}"#,
        Part,
        "CLIENTE",
    ),
    field(r#"{"query": "{ clientes { id correo } }"}"#, Part, "CLIENTE"),
    row(
        Bff,
        "GET",
        "/v1?query=%7Bpago(idCorrelacion:%22PAGO%22)%7BidCliente%7D%7D",
        "",
        Part,
        "CLIENTE",
    ),
    // Clients and their invoices.
    row(
        GestionClientes,
        "GET",
        "/clientes/cliente/CLIENTE",
        "",
        Thing,
        "CLIENTE",
    ),
    row(
        GestionClientes,
        "GET",
        "/clientes/cliente-query/CLIENTE",
        "",
        Thing,
        "CLIENTE",
    ),
    row(
        GestionClientes,
        "GET",
        "/clientes/cliente?limite=100",
        "",
        Part,
        "CLIENTE",
    ),
    row(
        GestionClientes,
        "GET",
        "/clientes/cliente-query?limite=100",
        "",
        Part,
        "CLIENTE",
    ),
    row(GestionClientes, "GET", "/facturacion/PAGO", "", Thing, "CLIENTE"),
    row(
        GestionClientes,
        "GET",
        "/facturacion?idCliente=CLIENTE",
        "",
        Part,
        "PAGO",
    ),
    // Payments at the gateway.
    row(IntegracionPagos, "GET", "/pagos/PAGO", "", Thing, "CLIENTE"),
    row(IntegracionPagos, "GET", "/pagos?limite=100", "", Part, "PAGO"),
    row(IntegracionPagos, "GET", "/pagos?idCliente=CLIENTE", "", Part, "PAGO"),
    row(IntegracionPagos, "GET", "/conciliacion", "", Operators, "INFORME"),
    row(
        IntegracionPagos,
        "GET",
        "/conciliacion/INFORME",
        "",
        Operators,
        "INFORME",
    ),
    row(IntegracionPagos, "POST", "/conciliacion", "", Operators, ""),
    row(
        IntegracionPagos,
        "POST",
        "/pagos/simular-evento-de-compensacion",
        "{}",
        Operators,
        "",
    ),
    row(
        IntegracionPagos,
        "POST",
        "/pagos/simular-evento-de-compensacion",
        r#"{"idCorrelacion": "PAGO"}"#,
        Reversal,
        "",
    ),
    // Notifications.
    row(
        Notificaciones,
        "GET",
        "/notificaciones/notificacion?idCorrelacion=PAGO",
        "",
        Part,
        "AVISO",
    ),
    row(
        Notificaciones,
        "GET",
        "/notificaciones/notificacion?idCliente=CLIENTE",
        "",
        Part,
        "AVISO",
    ),
    row(
        Notificaciones,
        "GET",
        "/notificaciones/notificacion-query?idCorrelacion=PAGO",
        "",
        Part,
        "AVISO",
    ),
    row(
        Notificaciones,
        "GET",
        "/notificaciones/notificacion-query?idCliente=CLIENTE",
        "",
        Part,
        "AVISO",
    ),
    row(
        Notificaciones,
        "GET",
        "/notificaciones/notificacion/AVISO",
        "",
        Thing,
        "AVISO",
    ),
    row(
        Notificaciones,
        "GET",
        "/notificaciones/notificacion-query/AVISO",
        "",
        Thing,
        "AVISO",
    ),
    row(
        Notificaciones,
        "POST",
        "/notificaciones/notificacion",
        r#"{"tipo": "ALERTA", "medio": "correo", "valor": "ana@example.com"}"#,
        Operators,
        "",
    ),
    row(
        Notificaciones,
        "POST",
        "/notificaciones/notificacion-comando",
        r#"{"tipo": "ALERTA", "medio": "correo", "valor": "ana@example.com"}"#,
        Operators,
        "",
    ),
    // Changes.
    row(
        GestionClientes,
        "POST",
        "/clientes/cliente",
        r#"{"nombre": "Eva", "apellidos": "Pérez", "correo": "eva@example.com", "contrasena": "clave-de-prueba"}"#,
        Registration,
        "eva@example.com",
    ),
    row(
        GestionClientes,
        "POST",
        "/clientes/cliente-comando",
        r#"{"nombre": "Eva", "apellidos": "Pérez", "correo": "eva@example.com", "contrasena": "clave-de-prueba"}"#,
        Registration,
        "",
    ),
    row(
        GestionClientes,
        "PUT",
        "/clientes/cliente/CLIENTE",
        r#"{"nombre": "Otra", "apellidos": "Pérez", "correo": "otra@example.com"}"#,
        Change,
        "CLIENTE",
    ),
    row(
        GestionClientes,
        "PUT",
        "/clientes/cliente-comando/CLIENTE",
        r#"{"nombre": "Otra", "apellidos": "Pérez", "correo": "otra@example.com"}"#,
        Change,
        "",
    ),
    row(
        GestionClientes,
        "POST",
        "/facturacion/realizar-pago",
        r#"{"medioPago": "PSE", "idCliente": "CLIENTE", "monto": 24}"#,
        Change,
        "CLIENTE",
    ),
    row(
        GestionClientes,
        "POST",
        "/facturacion/realizar-pago-comando",
        r#"{"medioPago": "PSE", "idCliente": "CLIENTE", "monto": 24}"#,
        Change,
        "",
    ),
    field(
        r#"{"query": "mutation { realizarPago(pago: {medioPago: \"PSE\", idCliente: \"CLIENTE\", monto: 24}) { codigo } }"}"#,
        Mutation,
        "203",
    ),
];
