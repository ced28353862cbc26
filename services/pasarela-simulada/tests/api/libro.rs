//! The rules of money, and the ledger that shows what happened to it.

use serde_json::{Value, json};

use crate::app::TestApp;

#[tokio::test]
async fn an_authorisation_is_voided_once_and_cannot_be_captured_after() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_400).await;
    let first = app.anular("v1", autorizada.id()).await;
    assert_eq!(
        (first.status, &first.body),
        (200, &json!({ "id": autorizada.id(), "estado": "anulada" }))
    );
    let second = app.anular("v2", autorizada.id()).await;
    assert_eq!((second.status, second.replayed, second.body), (200, false, first.body));
    let capture = app.capturar("c", autorizada.id(), 2_400).await;
    assert_eq!((capture.status, capture.codigo()), (409, "AutorizacionAnulada"));
    let referencia = app.get("/referencias/r").await.body;
    assert_eq!(referencia["autorizaciones"][0]["estado"], "anulada");
    assert_eq!(
        tipos(&app.get("/movimientos").await.body),
        ["autorizacion", "anulacion"]
    );
}

#[tokio::test]
async fn what_was_captured_cannot_be_voided() {
    let app = TestApp::start().await;
    let (autorizacion, _) = app.cobrar("r", 2_400).await;
    let reply = app.anular("v", &autorizacion).await;
    assert_eq!((reply.status, reply.codigo()), (409, "AutorizacionCapturada"));
}

#[tokio::test]
async fn a_capture_cannot_pass_the_authorised_amount() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_400).await;
    let reply = app.capturar("c1", autorizada.id(), 2_500).await;
    assert_eq!((reply.status, reply.codigo()), (409, "CapturaExcedida"));
    assert_eq!(app.capturar("c2", autorizada.id(), 1_000).await.body["monto"], 1_000);
}

#[tokio::test]
async fn refunds_cannot_pass_the_captured_amount() {
    let app = TestApp::start().await;
    let (_, cargo) = app.cobrar("r", 2_400).await;
    assert_eq!(app.reembolsar("d1", &cargo, 2_500).await.codigo(), "ReembolsoExcedido");
    assert_eq!(app.reembolsar("d2", &cargo, 1_400).await.status, 201);
    let over = app.reembolsar("d3", &cargo, 1_100).await;
    assert_eq!((over.status, over.codigo()), (409, "ReembolsoExcedido"));
    assert_eq!(app.reembolsar("d4", &cargo, 1_000).await.status, 201);
    assert_eq!(app.get("/referencias/r").await.body["cargos"][0]["reembolsado"], 2_400);
}

#[tokio::test]
async fn a_reference_that_is_unknown_has_empty_lists() {
    let app = TestApp::start().await;
    let reply = app.get("/referencias/nadie").await;
    assert_eq!(reply.status, 200);
    let expected = json!({ "referencia": "nadie", "autorizaciones": [], "cargos": [], "reembolsos": [] });
    assert_eq!(reply.body, expected);
}

#[tokio::test]
async fn a_reference_may_contain_a_slash() {
    let app = TestApp::start().await;
    app.autorizar("a", "pago/2", 2_400).await;
    let reply = app.get("/referencias/pago%2F2").await;
    assert_eq!(reply.body["autorizaciones"][0]["clave"], "a");
}

#[tokio::test]
async fn movements_are_numbered_in_order_and_read_in_pages() {
    let app = TestApp::start().await;
    let (_, cargo) = app.cobrar("r", 2_400).await;
    app.reembolsar("d", &cargo, 2_400).await;
    app.autorizar("s", "s", 2_400).await;

    let mut desde = json!(0);
    let mut seen = Vec::new();
    loop {
        let page = app.get(&format!("/movimientos?desde={desde}&limite=3")).await.body;
        let movimientos = page["movimientos"].as_array().unwrap();
        assert!(movimientos.len() <= 3);
        desde = page["siguiente"].clone();
        if movimientos.is_empty() {
            break;
        }
        seen.extend(movimientos.clone());
    }
    assert_eq!(
        seen.iter().map(|m| m["numero"].as_i64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert_eq!(
        tipos(&json!({ "movimientos": seen })),
        ["autorizacion", "captura", "reembolso", "autorizacion"]
    );
    let captura = &seen[1];
    assert_eq!(captura["id"], cargo.as_str());
    assert_eq!(captura["referencia"], "r");
    assert_eq!(captura["monto"], 2_400);
    assert_eq!(captura["moneda"], "USD");
    assert_eq!(captura["clave"], "r-cap");
    assert!(captura["fecha"].as_str().unwrap().ends_with('Z'));

    // A reader at the end asks from the same number on, and misses nothing that comes.
    assert_eq!(desde, 5);
    app.autorizar("t", "t", 2_400).await;
    let page = app.get(&format!("/movimientos?desde={desde}")).await.body;
    assert_eq!(page["movimientos"][0]["clave"], "t");
}

fn tipos(page: &Value) -> Vec<String> {
    let movimientos = page["movimientos"].as_array().unwrap();
    movimientos
        .iter()
        .map(|movimiento| movimiento["tipo"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_references_that_moved_are_paged_by_name() {
    let app = TestApp::start().await;
    for name in ["b", "a", "c"] {
        app.cobrar(name, 2_400).await;
    }
    app.autorizar("only", "d", 2_400).await;
    let mut seen = Vec::new();
    let mut path = "/referencias?limite=2".to_owned();
    loop {
        let page = app.get(&path).await.body;
        for row in page["referencias"].as_array().unwrap() {
            assert!(row["movidaMs"].as_i64().unwrap() > 1_600_000_000_000, "{row}");
            assert_eq!(row["autorizaciones"].as_array().unwrap().len(), 1);
            seen.push((
                row["referencia"].as_str().unwrap().to_owned(),
                row["cargos"].as_array().unwrap().len(),
            ));
        }
        let Some(next) = page["siguiente"].as_str() else { break };
        path = format!("/referencias?limite=2&despuesDe={next}");
    }
    let expected = [("a", 1), ("b", 1), ("c", 1), ("d", 0)].map(|(name, charges)| (name.to_owned(), charges));
    assert_eq!(seen, expected);
    let later = app.get("/referencias?movidasDesde=253402300799000").await;
    assert_eq!(later.body, json!({ "referencias": [], "siguiente": null }));
    assert_eq!(app.get("/referencias?movidasDesde=ayer").await.status, 400);
}
