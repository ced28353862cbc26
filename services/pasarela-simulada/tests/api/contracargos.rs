//! The test door for chargebacks.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn a_chargeback_is_recorded_and_changes_nothing_else() {
    let app = TestApp::start().await;
    let (_, cargo) = app.cobrar("r", 2_400).await;
    let reply = app.post("/contracargos", "k", &json!({ "cargo": cargo })).await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.body,
        json!({
            "id": reply.id(), "cargo": cargo, "referencia": "r", "estado": "registrado",
            "monto": 2_400, "moneda": "USD",
        })
    );
    assert!(
        app.post("/contracargos", "k", &json!({ "cargo": cargo }))
            .await
            .replayed
    );

    let movimientos = app.get("/movimientos?desde=3").await.body;
    assert_eq!(movimientos["movimientos"].as_array().unwrap().len(), 1);
    assert_eq!(movimientos["movimientos"][0]["tipo"], "contracargo");
    assert_eq!(app.get("/referencias/r").await.body["cargos"][0]["contracargado"], true);
    // A client that also refunds gives the money back twice, and the ledger shows it.
    assert_eq!(app.reembolsar("d", &cargo, 2_400).await.status, 201);
}
