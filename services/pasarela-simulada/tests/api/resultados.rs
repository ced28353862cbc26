//! Every row of the outcome table, as a client meets it.

use std::time::{Duration, Instant};

use pasarela_simulada::resultados::{TABLA, tabla_markdown, tabla_mensajes_markdown};
use serde_json::json;

use crate::app::{Delays, NEVER_MS, TestApp, autorizacion, make_due, post};

#[tokio::test]
async fn amounts_without_a_story_are_approved_captured_and_refunded() {
    let app = TestApp::start().await;
    for monto in [2_400, 2_405, 2_406, 2_410, 2_499] {
        let referencia = format!("pago-{monto}");
        let autorizada = app.autorizar(&format!("a{monto}"), &referencia, monto).await;
        assert_eq!(autorizada.status, 201);
        assert_eq!(
            autorizada.body,
            json!({
                "id": autorizada.id(), "referencia": referencia, "estado": "autorizada",
                "monto": monto, "moneda": "USD",
            })
        );
        let cargo = app.capturar(&format!("c{monto}"), autorizada.id(), monto).await;
        assert_eq!(cargo.status, 201);
        assert_eq!(
            cargo.body,
            json!({
                "id": cargo.id(), "autorizacion": autorizada.id(), "referencia": referencia,
                "estado": "capturado", "monto": monto, "moneda": "USD",
            })
        );
        let reembolso = app.reembolsar(&format!("r{monto}"), cargo.id(), monto).await;
        assert_eq!(reembolso.status, 201);
        assert_eq!(reembolso.body["estado"], "reembolsado");
        assert_eq!(reembolso.body["cargo"], cargo.id());
        assert_eq!(app.cuenta(&referencia).await, (1, 1, 1));
    }
}

#[tokio::test]
async fn declines_are_402_say_whether_they_are_soft_and_leave_no_trace() {
    let app = TestApp::start().await;
    for (monto, codigo, suave) in [
        (2_401, "FondosInsuficientes", true),
        (2_402, "TarjetaRechazada", false),
        (2_403, "TarjetaVencida", false),
        (2_404, "TarjetaRobada", false),
    ] {
        let reply = app.autorizar(codigo, codigo, monto).await;
        assert_eq!((reply.status, reply.codigo()), (402, codigo));
        assert_eq!(reply.body["error"]["suave"], suave);
        assert_eq!(reply.content_type, "application/problem+json");
        assert_eq!(app.cuenta(codigo).await, (0, 0, 0));
        let again = app.autorizar(codigo, codigo, monto).await;
        assert!(again.replayed && again.body == reply.body);
    }
}

#[tokio::test]
async fn a_test_token_decides_whatever_the_amount() {
    let app = TestApp::start().await;
    let mut body = autorizacion("r", 2_400);
    body["ficha"] = json!("ficha-tarjeta-vencida");
    assert_eq!(
        app.post("/autorizaciones", "k1", &body).await.codigo(),
        "TarjetaVencida"
    );
    let mut body = autorizacion("r", 2_402);
    body["ficha"] = json!("ficha-aprobada");
    assert_eq!(app.post("/autorizaciones", "k2", &body).await.status, 201);
}

#[tokio::test]
async fn ending_11_loses_the_first_authorisation_before_it_is_recorded() {
    let app = TestApp::start().await;
    app.post_unanswered("/autorizaciones", "k", &autorizacion("r", 2_411))
        .await;
    assert_eq!(app.cuenta("r").await, (0, 0, 0));
    let repeat = app.autorizar("k", "r", 2_411).await;
    assert_eq!((repeat.status, repeat.replayed), (201, false));
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
}

#[tokio::test]
async fn ending_12_records_the_first_capture_and_does_not_answer_it() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_412).await;
    app.capturar_unanswered("c", autorizada.id(), 2_412).await;
    assert_eq!(app.cuenta("r").await, (1, 1, 0));
    let repeat = app.capturar("c", autorizada.id(), 2_412).await;
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    assert_eq!(app.cuenta("r").await, (1, 1, 0));
}

#[tokio::test]
async fn ending_13_records_the_first_capture_and_answers_500() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_413).await;
    let first = app.capturar("c", autorizada.id(), 2_413).await;
    assert_eq!((first.status, first.codigo()), (500, "ErrorInterno"));
    assert_eq!(app.cuenta("r").await, (1, 1, 0));
    let repeat = app.capturar("c", autorizada.id(), 2_413).await;
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    assert_eq!(app.cuenta("r").await, (1, 1, 0));
}

#[tokio::test]
async fn ending_14_records_the_first_authorisation_and_does_not_answer_it() {
    let app = TestApp::start().await;
    app.post_unanswered("/autorizaciones", "k", &autorizacion("r", 2_414))
        .await;
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
    let repeat = app.autorizar("k", "r", 2_414).await;
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    assert_eq!(app.autorizar("another", "r", 2_414).await.status, 201);
    assert_eq!(app.cuenta("r").await, (2, 0, 0), "another key is another authorisation");
}

#[tokio::test]
async fn ending_15_answers_every_operation_late() {
    let slow = Duration::from_millis(60);
    let app = TestApp::start_with(Delays {
        slow_ms: 60,
        ..Delays::default()
    })
    .await;
    let timed = async |start: Instant, status: u16, expected: u16| {
        assert_eq!(status, expected);
        assert!(start.elapsed() >= slow, "{:?}", start.elapsed());
    };
    let start = Instant::now();
    let autorizada = app.autorizar("a", "r", 2_415).await;
    timed(start, autorizada.status, 201).await;
    let start = Instant::now();
    let cargo = app.capturar("c", autorizada.id(), 2_415).await;
    timed(start, cargo.status, 201).await;
    let start = Instant::now();
    timed(start, app.reembolsar("r", cargo.id(), 2_415).await.status, 201).await;
}

#[tokio::test]
async fn ending_16_refuses_the_first_two_calls_of_each_operation() {
    let app = TestApp::start().await;
    for _ in 0..2 {
        let reply = app.autorizar("a", "r", 2_416).await;
        assert_eq!((reply.status, reply.codigo()), (503, "PasarelaNoDisponible"));
        assert_eq!(app.cuenta("r").await, (0, 0, 0));
    }
    let autorizada = app.autorizar("a", "r", 2_416).await;
    assert_eq!(autorizada.status, 201);
    for expected in [503, 503, 201] {
        assert_eq!(app.capturar("c", autorizada.id(), 2_416).await.status, expected);
    }
    let cargo = app.capturar("c", autorizada.id(), 2_416).await;
    for expected in [503, 503, 201] {
        assert_eq!(app.reembolsar("d", cargo.id(), 2_416).await.status, expected);
    }
    assert_eq!(app.cuenta("r").await, (1, 1, 1));

    for expected in [503, 503, 201] {
        assert_eq!(app.autorizar("b", "s", 2_416).await.status, expected);
    }
    let otra = app.autorizar("b", "s", 2_416).await;
    for expected in [503, 503, 200] {
        assert_eq!(app.anular("v", otra.id()).await.status, expected);
    }
}

#[tokio::test]
async fn ending_17_records_the_first_capture_late_and_refuses_its_key_until_then() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_417).await;
    app.capturar_unanswered("c", autorizada.id(), 2_417).await;
    let repeat = app.capturar("c", autorizada.id(), 2_417).await;
    assert_eq!((repeat.status, repeat.codigo()), (409, "ClaveEnCurso"));
    let other_body = app.capturar("c", autorizada.id(), 2_400).await;
    assert_eq!((other_body.status, other_body.codigo()), (422, "ClaveReutilizada"));
    assert_eq!(app.cuenta("r").await, (1, 0, 0));

    let app = app
        .restart(Delays {
            late_ms: 50,
            ..Delays::default()
        })
        .await;
    let autorizada = app.autorizar("a2", "s", 2_417).await;
    app.capturar_unanswered("c2", autorizada.id(), 2_417).await;
    let landed = loop {
        let repeat = app.capturar("c2", autorizada.id(), 2_417).await;
        if repeat.status != 409 {
            break repeat;
        }
    };
    assert_eq!((landed.status, landed.replayed), (201, true));
    assert_eq!(app.cuenta("s").await, (1, 1, 0));
}

#[tokio::test]
async fn ending_17_that_was_voided_before_it_landed_is_refused_when_it_lands() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_417).await;
    app.capturar_unanswered("c", autorizada.id(), 2_417).await;
    assert_eq!(app.anular("v", autorizada.id()).await.status, 200);
    let folder = app.stop().await;
    make_due(folder.path()).await;
    let app = TestApp::start_in(folder, Delays::default()).await;
    let landed = loop {
        let repeat = app.capturar("c", autorizada.id(), 2_417).await;
        if repeat.codigo() != "ClaveEnCurso" {
            break repeat;
        }
    };
    assert_eq!((landed.status, landed.codigo()), (409, "AutorizacionAnulada"));
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
}

#[tokio::test]
async fn ending_18_captures_the_wrong_amount() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_418).await;
    assert_eq!(autorizada.body["monto"], 2_418);
    let cargo = app.capturar("c", autorizada.id(), 2_418).await;
    assert_eq!((cargo.status, &cargo.body["monto"]), (201, &json!(2_318)));
    let referencia = app.get("/referencias/r").await;
    assert_eq!(referencia.body["cargos"][0]["monto"], 2_318);
    assert_eq!(app.reembolsar("d", cargo.id(), 2_318).await.status, 201);
}

#[tokio::test]
async fn ending_18_never_captures_nothing() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 18).await;
    assert_eq!(app.capturar("c", autorizada.id(), 18).await.body["monto"], 1);
}

#[tokio::test]
async fn ending_19_records_the_first_refund_and_does_not_answer_it() {
    let app = TestApp::start().await;
    let (_, cargo) = app.cobrar("r", 2_419).await;
    app.post_unanswered(&format!("/cargos/{cargo}/reembolso"), "d", &json!({ "monto": 2_419 }))
        .await;
    assert_eq!(app.cuenta("r").await, (1, 1, 1));
    let repeat = app.reembolsar("d", &cargo, 2_419).await;
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    assert_eq!(app.cuenta("r").await, (1, 1, 1));
}

#[tokio::test]
async fn ending_20_loses_the_first_two_captures_before_they_are_recorded() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_420).await;
    for _ in 0..2 {
        app.capturar_unanswered("c", autorizada.id(), 2_420).await;
        assert_eq!(app.cuenta("r").await, (1, 0, 0));
    }
    let third = app.capturar("c", autorizada.id(), 2_420).await;
    assert_eq!((third.status, third.replayed), (201, false));
    assert_eq!(app.cuenta("r").await, (1, 1, 0));
}

#[tokio::test]
async fn ending_21_never_gives_the_money_back() {
    let app = TestApp::start().await;
    let (_, cargo) = app.cobrar("r", 2_421).await;
    for key in ["d1", "d2", "d2", "d3"] {
        let reply = app.reembolsar(key, &cargo, 2_421).await;
        assert_eq!((reply.status, reply.codigo()), (409, "ReembolsoImposible"));
    }
    assert_eq!(app.cuenta("r").await, (1, 1, 0));
}

#[tokio::test]
async fn an_answer_that_is_withheld_holds_the_connection_and_frees_the_key() {
    let app = TestApp::start_with(Delays {
        timeout_ms: NEVER_MS,
        ..Delays::default()
    })
    .await;
    let address = app.address;
    let held = tokio::spawn(async move { post(address, "/autorizaciones", "k", &autorizacion("r", 2_414)).await });
    while app.cuenta("r").await == (0, 0, 0) {}
    // The key's work is done, whatever its first caller is told.
    let repeat = loop {
        let repeat = app.autorizar("k", "r", 2_414).await;
        if repeat.status != 409 {
            break repeat;
        }
    };
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    assert!(!held.is_finished());
    // A stop does not wait for it.
    app.stop().await;
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn the_connection_is_held_for_the_configured_time() {
    let app = TestApp::start_with(Delays {
        timeout_ms: 80,
        ..Delays::default()
    })
    .await;
    let start = Instant::now();
    app.post_unanswered("/autorizaciones", "k", &autorizacion("r", 2_411))
        .await;
    assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_table_is_served() {
    let app = TestApp::start().await;
    let reply = app.get("/resultados").await;
    let rows = reply.body["resultados"].as_array().unwrap();
    assert_eq!(rows.len(), TABLA.len());
    for (row, fila) in rows.iter().zip(TABLA) {
        assert_eq!(row["terminacion"], format!("{:02}", fila.terminacion));
        assert_eq!(row["ficha"], fila.ficha);
        assert_eq!(row["nombre"], fila.nombre);
        assert_eq!(row["efecto"], fila.efecto);
    }
    assert_eq!(reply.body["mensajes"].as_array().unwrap().len(), 4);
}

#[test]
fn the_readme_shows_the_tables_of_the_code() {
    let readme = include_str!("../../README.md");
    for table in [tabla_markdown(), tabla_mensajes_markdown()] {
        assert!(readme.contains(&table), "README.md must contain this table:\n{table}");
    }
}
