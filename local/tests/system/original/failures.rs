//! What a client of the original may do wrong, at each of its doors: which status, and the field or the rule by its name.
//!
//! Where the original failed with 500, or took what nobody can act on, the answer is what HTTP has for it; the sentence
//! is where the original's clients look for it, in `error`.

use reqwest::Method;
use seedwork::App;
use serde_json::{Value, json};

use super::{GESTION, NOTIFICACIONES};
use crate::system::{Outcome, System, ensure, text};

/// A request that is refused.
struct Failure {
    app: App,
    /// Method and path.
    what: &'static str,
    /// Empty: none.
    content_type: &'static str,
    body: String,
    status: u16,
    /// What is in the sentence.
    says: &'static str,
}

const BFF: App = App::Bff;
const PAGOS: App = App::IntegracionPagos;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

const CLIENTE: &str = r#"{"nombre": "Ana", "apellidos": "Pérez", "correo": "ana@example.com", "contrasena": "1234"}"#;
const PAGO: &str = r#"{"medioPago": "PSE", "idCliente": "123", "monto": 24}"#;
const AVISO: &str = r#"{"tipo": "ALERTA", "medio": "correo", "valor": "hola"}"#;
const MUTATION: &str = "mutation($pago: RealizarPagoInput!) { realizarPago(pago: $pago) { codigo } }";

/// The doors that read a body, each in its two ways: one that they take, and the fields that they cannot do without.
const DOORS: [(App, [&str; 2], &str, &[&str]); 3] = [
    (
        GESTION,
        ["POST /clientes/cliente", "POST /clientes/cliente-comando"],
        CLIENTE,
        &["nombre", "apellidos", "correo", "contrasena"],
    ),
    (
        GESTION,
        [
            "POST /facturacion/realizar-pago",
            "POST /facturacion/realizar-pago-comando",
        ],
        PAGO,
        &["medioPago", "idCliente", "monto"],
    ),
    (
        NOTIFICACIONES,
        [
            "POST /notificaciones/notificacion",
            "POST /notificaciones/notificacion-comando",
        ],
        AVISO,
        &["medio"],
    ),
];

/// What needs no body: things that are not there, paths and methods that nobody serves, a field missing in the address.
const BODILESS: [(App, &str, u16, &str); 23] = [
    (GESTION, "GET /clientes/cliente/nadie", 404, "no hay ningún cliente"),
    (
        GESTION,
        "GET /clientes/cliente-query/nadie",
        404,
        "no hay ningún cliente",
    ),
    (GESTION, "GET /facturacion/nadie", 404, "no hay ningún pago"),
    (PAGOS, "GET /pagos/nadie", 404, "no hay ningún pago"),
    (
        NOTIFICACIONES,
        "GET /notificaciones/notificacion/nadie",
        404,
        "no hay ninguna notificación",
    ),
    (
        NOTIFICACIONES,
        "GET /notificaciones/notificacion-query/nadie",
        404,
        "no hay ninguna notificación",
    ),
    (GESTION, "GET /facturacion", 400, "idCliente"),
    (GESTION, "GET /nada", 404, "no existe esta ruta"),
    (PAGOS, "GET /nada", 404, "no existe esta ruta"),
    (NOTIFICACIONES, "GET /nada", 404, "no existe esta ruta"),
    (BFF, "GET /nada", 404, "no existe esta ruta"),
    (GESTION, "DELETE /clientes/cliente", 405, "otros métodos"),
    (GESTION, "GET /clientes/cliente-comando", 405, "otros métodos"),
    (GESTION, "POST /clientes/cliente-query", 405, "otros métodos"),
    (GESTION, "GET /facturacion/realizar-pago", 405, "otros métodos"),
    (GESTION, "GET /facturacion/realizar-pago-comando", 405, "otros métodos"),
    (PAGOS, "GET /pagos/simular-evento-de-compensacion", 405, "otros métodos"),
    (
        NOTIFICACIONES,
        "DELETE /notificaciones/notificacion",
        405,
        "otros métodos",
    ),
    (
        NOTIFICACIONES,
        "GET /notificaciones/notificacion-comando",
        405,
        "otros métodos",
    ),
    (
        NOTIFICACIONES,
        "POST /notificaciones/notificacion-query",
        405,
        "otros métodos",
    ),
    (BFF, "PUT /v1", 405, "otros métodos"),
    (BFF, "POST /stream", 405, "otros métodos"),
    (
        BFF,
        "GET /v1?query=mutation%7BrealizarPago(pago:%7BmedioPago:%22PSE%22,idCliente:%22123%22,monto:24%7D)%7Bcodigo%7D%7D",
        400,
        "mutations are not allowed when using GET",
    ),
];

pub(super) async fn refused(system: &mut System) -> Outcome {
    let table = table()?;
    for failure in &table {
        answered(system, failure).await?;
    }
    println!("          {} requests refused", table.len());
    Ok(())
}

/// Every row.
fn table() -> Outcome<Vec<Failure>> {
    let mut table: Vec<Failure> = BODILESS
        .into_iter()
        .map(|(app, what, status, says)| Failure {
            app,
            what,
            content_type: "",
            body: String::new(),
            status,
            says,
        })
        .collect();
    let mut row = |app, what, content_type, body: &str, status, says| {
        table.push(Failure {
            app,
            what,
            content_type,
            body: body.to_owned(),
            status,
            says,
        });
    };
    let doors = DOORS.into_iter();
    for (app, what, good, fields) in
        doors.flat_map(|(app, ways, good, fields)| ways.map(|what| (app, what, good, fields)))
    {
        row(app, what, JSON, "{", 400, "el cuerpo");
        row(app, what, JSON, "[]", 400, "el cuerpo");
        row(app, what, TEXT, good, 415, "application/json");
        row(app, what, "", good, 415, "application/json");
        for field in fields {
            row(app, what, JSON, &without(good, field)?.to_string(), 400, field);
        }
    }
    let contracargo = "POST /pagos/simular-evento-de-compensacion";
    row(
        PAGOS,
        contracargo,
        JSON,
        r#"{"idCorrelacion": "nadie"}"#,
        404,
        "no hay ningún pago",
    );
    row(PAGOS, contracargo, JSON, "{", 400, "el cuerpo");
    let asked = |pago: &Value| json!({"query": MUTATION, "variables": {"pago": pago}}).to_string();
    let v1 = "POST /v1";
    row(BFF, v1, JSON, "{", 400, "Unable to parse request body as JSON");
    row(BFF, v1, JSON, "{}", 400, "No GraphQL query found in the request");
    let good: Value = serde_json::from_str(PAGO).map_err(text)?;
    row(BFF, v1, TEXT, &asked(&good), 415, "Unsupported Media Type");
    for field in ["medioPago", "idCliente", "monto"] {
        // GraphQL's errors are answers.
        row(BFF, v1, JSON, &asked(&without(PAGO, field)?), 200, field);
    }
    Ok(table)
}

/// A body that lacks one of its fields.
fn without(good: &str, field: &str) -> Outcome<Value> {
    let mut body: Value = serde_json::from_str(good).map_err(text)?;
    let fields = body.as_object_mut().ok_or("a body is an object")?;
    fields.remove(field).ok_or_else(|| format!("{good} has no {field}"))?;
    Ok(body)
}

async fn answered(system: &System, failure: &Failure) -> Outcome {
    let Failure {
        app,
        what,
        content_type,
        body,
        status,
        says,
    } = failure;
    let (method, path) = what.split_once(' ').unwrap_or(("GET", what));
    let method: Method = method.parse().map_err(text)?;
    let mut request = system.world.http().request(method, system.world.url(*app, path));
    if !content_type.is_empty() {
        request = request.header("content-type", *content_type);
    }
    let response = request.body(body.clone()).send().await.map_err(text)?;
    let found = response.status().as_u16();
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let page = response.text().await.map_err(text)?;
    let answer: Value = serde_json::from_str(&page).unwrap_or_default();
    let told = match kind.as_str() {
        "application/problem+json" => answer["error"].as_str(),
        "application/json" => answer["errors"][0]["message"].as_str(),
        // What is no GraphQL request is told so in plain text, as the original did.
        _ => Some(page.as_str()),
    };
    let right = found == *status && told.is_some_and(|sentence| sentence.contains(says));
    ensure(right, || {
        format!(
            "{} {what} of {body:?} answers {found} {page}; it must be {status} and say {says:?}",
            app.id()
        )
    })
}
