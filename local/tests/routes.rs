//! No route is served that the documents do not name, and none is named that nobody asked who may use it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "system/auth/rows.rs"]
#[expect(
    dead_code,
    reason = "what the rows send and expect, the checks of the whole system use"
)]
mod rows;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use seedwork::App;
use serde_json::Value;

use self::rows::ROWS;

/// The services that have a document.
const DOCUMENTED: [App; 4] = [
    App::Bff,
    App::GestionClientes,
    App::IntegracionPagos,
    App::Notificaciones,
];

/// What stands in for somebody else's service, and so has no document of ours.
const STRANGER: &str = "pasarela-simulada";

/// What every service serves to anybody.
const OPEN: [&str; 2] = ["GET /health", "GET /spec"];

/// Operations without a row, and who asks about them instead.
const ELSEWHERE: [(App, &str, &str); 2] = [
    (
        App::Bff,
        "GET /stream",
        "it has no end: `system/auth/streams.rs` follows it",
    ),
    (
        App::IntegracionPagos,
        "POST /pagos/webhook/stripe",
        "it asks for a signature and for no token: the service's own tests",
    ),
];

/// How a router gets a route, or other routers' routes, that no document knows of.
const WAYS: [&str; 8] = [
    "route",
    "route_service",
    "nest",
    "nest_service",
    "merge",
    "fallback",
    "fallback_service",
    "method_not_allowed_fallback",
];

/// Where that is done, with how the first argument begins, and why it is right there.
const BESIDE: [(&str, &str, &str); 12] = [
    (
        "services/bff/src/adapters/http/mod.rs",
        "route(\"/v1/\"",
        "the original led it to /v1",
    ),
    (
        "services/bff/src/lib.rs",
        "merge(inbox::router(",
        "the sidecar's door, with the application's token",
    ),
    (
        "services/gestion-clientes/src/lib.rs",
        "merge(inbox::router(",
        "the sidecar's door, with the application's token",
    ),
    (
        "services/integracion-pagos/src/lib.rs",
        "merge(inbox::router(",
        "the sidecar's door, with the application's token",
    ),
    (
        "services/notificaciones/src/lib.rs",
        "merge(inbox::router(",
        "the sidecar's door, with the application's token",
    ),
    (
        "seedwork/runtime/src/inbox.rs",
        "route(\"/dapr/subscribe\"",
        "the sidecar asks for it, and it says nothing of anybody",
    ),
    (
        "seedwork/runtime/src/inbox.rs",
        "route(\"/inbox\"",
        "the sidecar's door, with the application's token",
    ),
    (
        "seedwork/runtime/src/spec.rs",
        "route(\"/spec\"",
        "the document itself, which names it",
    ),
    (
        "seedwork/runtime/src/spec.rs",
        "merge(SwaggerUi::new(\"/docs\")",
        "the page to read the document on",
    ),
    (
        "seedwork/runtime/src/serve.rs",
        "route(\"/health\"",
        "every document names it",
    ),
    (
        "seedwork/runtime/src/serve.rs",
        "fallback(||async{Problem::of(StatusCode::NOT_FOUND",
        "it serves nothing",
    ),
    (
        "seedwork/runtime/src/serve.rs",
        "method_not_allowed_fallback(||async{Problem::of(StatusCode::METHOD_NOT_ALLOWED",
        "it serves nothing",
    ),
];

#[test]
fn every_operation_of_every_document_has_a_row() {
    for app in DOCUMENTED {
        let file = checkout().join("services").join(app.id()).join("spec.json");
        let document: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let documented: BTreeSet<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let asked: BTreeSet<String> = ROWS
            .iter()
            .filter(|row| row.app == app)
            .map(|row| format!("{} {}", row.method, template(row.path)))
            .collect();
        let elsewhere = ELSEWHERE.iter().filter(|(other, ..)| *other == app);
        let exempt: BTreeSet<String> = elsewhere
            .map(|(_, operation, _)| *operation)
            .chain(OPEN)
            .map(str::to_owned)
            .collect();
        assert!(exempt.is_disjoint(&asked), "{app}: {exempt:?} and {asked:?}");
        assert_eq!(&asked | &exempt, documented, "{app}");
    }
}

#[test]
fn no_route_is_served_beside_the_documents() {
    let services = checkout().join("services");
    let mut known: Vec<_> = DOCUMENTED.iter().map(|app| app.id()).chain([STRANGER]).collect();
    known.sort_unstable();
    let mut folders: Vec<_> = fs::read_dir(&services)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort_unstable();
    assert_eq!(folders, known, "a service has a document, or is a stranger's");

    let mut found = BTreeSet::new();
    let folders = DOCUMENTED.iter().map(|app| services.join(app.id()));
    for folder in folders.chain([checkout().join("seedwork/runtime")]) {
        for file in sources(&folder.join("src")) {
            let name = file.strip_prefix(checkout()).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&file).unwrap();
            for call in calls(&text) {
                let mut reasons = BESIDE
                    .iter()
                    .filter(|(file, call_there, _)| *file == name && call.starts_with(call_there));
                let (file, place, _) = reasons.next().unwrap_or_else(|| {
                    panic!(
                        "{name}: `{}` is in no document",
                        call.chars().take(80).collect::<String>()
                    )
                });
                assert!(found.insert((*file, *place)), "{name}: `{place}` is there twice");
            }
        }
    }
    let listed = BESIDE.iter().map(|(file, call, _)| (*file, *call)).collect();
    assert_eq!(found, listed, "what is listed is there");
}

#[test]
fn a_route_is_found_however_it_is_written() {
    let text = r#"
        fn routes() -> Router {
            // .route("/en-comentario", get(page))
            Router::new()
                .route(
                    "/oculta",
                    get(page),
                )
                .nest_service("/archivos", files)
        }

#[cfg(test)]
mod tests {
    fn routes() -> Router {
        Router::new().route("/de-prueba", get(page))
    }
}
"#;
    let found: Vec<_> = calls(text).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("route(\"/oculta\","), "{found:?}");
    assert!(found[1].starts_with("nest_service(\"/archivos\","), "{found:?}");
    let free: Vec<_> = calls("let router = Router::route(router, \"/oculta\", get(page));").collect();
    assert!(free.len() == 1, "{free:?}");
}

/// Where the code of the platform is.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A row's path as the documents write it.
fn template(path: &str) -> String {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let segments = path.split('/').map(|segment| match segment {
        "CLIENTE" | "PAGO" | "AVISO" | "INFORME" => "{id}",
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Every source file below a folder, but those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}

/// Every call in a source that is a way to add routes: what follows the dot, without white space. Neither comments nor
/// the tests at its end count.
fn calls(source: &str) -> impl Iterator<Item = String> {
    let (code, _) = source.split_once("#[cfg(test)]\nmod tests {").unwrap_or((source, ""));
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    let ways = WAYS.into_iter().flat_map(|way| [(".", way), ("::", way)]);
    ways.flat_map(move |(dot, way)| {
        let call = format!("{dot}{way}(");
        let places = code.match_indices(&call);
        places
            .map(|(at, _)| code[at + dot.len()..].to_owned())
            .collect::<Vec<_>>()
    })
}
