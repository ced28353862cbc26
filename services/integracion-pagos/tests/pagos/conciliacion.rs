//! The reconciliation: what is planted is found by name, and clean books have no difference.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Request, StatusCode};
use integracion_pagos::adapters::conciliacion::{Conciliacion, Plan};
use integracion_pagos::domain::Operacion;
use seedwork_runtime::leader::Leader;
use seedwork_runtime::participant::laws::eventually;
use seedwork_runtime::{Sidecar, now_ms};
use serde_json::Value;

use crate::servicio::{Answer, DO, Servicio, UNDO, id, order};

use Operacion::{Autorizar, Capturar, Reembolsar};

const DOOR: &str = "/conciliacion";

/// Has the books compared; gives the report.
pub(crate) async fn reconcile(servicio: &Servicio) -> Value {
    let begun = begin(servicio, None).await;
    ended(servicio, &begun).await
}

/// Has a comparison begin, under a key or none, once the one before has left: its report is there a moment earlier.
async fn begin(servicio: &Servicio, key: Option<&str>) -> Answer {
    let begun = eventually("a turn", || async {
        let begun = ask(servicio, key).await;
        (begun.status != StatusCode::CONFLICT).then_some(begun)
    })
    .await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    begun
}

async fn ask(servicio: &Servicio, key: Option<&str>) -> Answer {
    let keyed = |request: Builder, key: &str| request.header("idempotency-key", key);
    let request = key.into_iter().fold(Request::post(DOOR), keyed);
    servicio.ask(request.body(Body::empty()).unwrap()).await
}

/// The answer to a comparison that must not begin beside another one.
fn is_to_come_back(answer: &Answer) {
    let sentence = "ya hay una conciliación en curso; repita la petición en 5 s";
    assert_eq!(answer.problem(409), [sentence]);
    assert_eq!(answer.headers["retry-after"], "5");
}

async fn ended(servicio: &Servicio, begun: &Answer) -> Value {
    let path = begun.headers["location"].to_str().unwrap().to_owned();
    eventually("a report", || async {
        let report = servicio.get(&path).await.body;
        (report["estado"] != "EN_CURSO").then_some(report)
    })
    .await
}

/// Everything, when it is asked for.
const ALL_OF_IT: Plan = Plan {
    cada: Duration::ZERO,
    ventana: Duration::from_secs(36_500 * 86_400),
    margen: Duration::ZERO,
    cuentas: 1_000,
};

/// Another replica's reconciliation.
fn replica(servicio: &Servicio, plan: Plan) -> Arc<Conciliacion> {
    let sidecar: Arc<dyn Sidecar> = servicio.sidecar.clone();
    let participation = Arc::clone(&servicio.participation);
    Conciliacion::open(servicio.pool.clone(), sidecar, participation, plan)
}

/// The names of a report's differences and their payments, sorted.
pub(crate) fn differences(report: &Value) -> Vec<(String, String)> {
    assert_eq!(report["estado"], "TERMINADA", "{report:#}");
    let list = report["lista"].as_array().unwrap();
    assert_eq!(report["diferencias"], list.len(), "{report:#}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = list
        .iter()
        .map(|row| (text(&row["nombre"]), text(&row["referencia"])))
        .collect();
    found.sort();
    found
}

/// Payments that ended in every way.
async fn clean() -> Servicio {
    let servicio = Servicio::new().await;
    for (name, monto) in [
        ("paid", "24.00"),
        ("declined", "24.01"),
        ("slow", "24.12"),
        ("late", "24.17"),
    ] {
        servicio.settle(&order(DO, name, monto)).await;
    }
    for (name, monto) in [("refunded", "24.00"), ("wrong", "24.18")] {
        servicio.settle(&order(DO, name, monto)).await;
        servicio.settle(&order(UNDO, name, monto)).await;
    }
    servicio.deliver(&order(DO, "voided", "24.14")).await;
    servicio.settle(&order(UNDO, "voided", "24.14")).await;
    servicio
}

#[tokio::test]
async fn clean_books_have_no_difference() {
    let servicio = clean().await;
    let report = reconcile(&servicio).await;
    assert_eq!(differences(&report), [], "{report:#}");
    assert_eq!(
        (&report["pagos"], &report["cuentas"], &report["enMovimiento"]),
        (&7.into(), &6.into(), &0.into())
    );
    assert_eq!(
        servicio.get(DOOR).await.body["conciliaciones"][0]["estado"],
        "TERMINADA"
    );
}

#[tokio::test]
async fn each_planted_difference_is_found_by_its_name() {
    let servicio = clean().await;
    servicio.pasarela.plantar(&id("nobody"), Autorizar, 2_400);
    servicio.pasarela.plantar(&id("nobody"), Capturar, 2_400);
    servicio.pasarela.plantar(&id("paid"), Capturar, 2_400);
    servicio.pasarela.plantar(&id("refunded"), Reembolsar, 100);
    servicio.pasarela.plantar(&id("slow"), Reembolsar, 2_412);
    servicio.pasarela.borrar(&id("late"));
    let expected = [
        ("CapturadoDosVeces", "paid"),
        ("OtroEstado", "slow"),
        ("ReembolsadoDeMas", "refunded"),
        ("SoloAqui", "late"),
        ("SoloEnPasarela", "nobody"),
    ]
    .map(|(name, payment)| (name.to_owned(), payment.to_owned()));
    assert_eq!(differences(&reconcile(&servicio).await), expected);
}

#[tokio::test]
async fn a_row_that_lags_behind_its_document_is_no_difference() {
    let servicio = clean().await;
    for statement in [
        "UPDATE pagos SET estado = 'CONFIRMADO', reembolso = '' WHERE id = 'refunded'",
        "DELETE FROM pagos WHERE id = 'paid'",
    ] {
        sqlx::query(statement).execute(&servicio.pool).await.unwrap();
    }
    assert_eq!(differences(&reconcile(&servicio).await), []);
}

#[tokio::test]
async fn one_comparison_runs_at_a_time_and_a_key_begins_one() {
    let servicio = clean().await;
    let other = Leader::new(servicio.sidecar.clone(), "conciliacion", Duration::from_secs(60));
    assert!(other.try_lead().await);
    is_to_come_back(&ask(&servicio, None).await);
    other.resign().await;

    let first = begin(&servicio, Some("k")).await;
    ended(&servicio, &first).await;
    let again = ask(&servicio, Some("k")).await;
    assert_eq!(
        (&again.body["id"], &again.body["estado"]),
        (&first.body["id"], &"TERMINADA".into())
    );
    let another = begin(&servicio, Some("k2")).await;
    assert_ne!(another.body["id"], first.body["id"]);
    ended(&servicio, &another).await;
    servicio.get("/conciliacion/nobody").await.problem(404);
}

#[tokio::test]
async fn while_a_comparison_runs_another_of_the_same_replica_is_to_come_back() {
    let servicio = clean().await;
    let held = servicio.pasarela.retener_cuentas();
    let first = begin(&servicio, Some("k")).await;
    held.llego().await;
    is_to_come_back(&ask(&servicio, None).await);
    is_to_come_back(&ask(&servicio, Some("k2")).await);
    // The one that runs is untouched, and found by its key.
    let running = ask(&servicio, Some("k")).await;
    assert_eq!(
        (&running.body["id"], &running.body["estado"]),
        (&first.body["id"], &"EN_CURSO".into())
    );
    held.seguir();
    assert_eq!(differences(&ended(&servicio, &first).await), []);
    // And then it is the next one's turn.
    assert_eq!(differences(&reconcile(&servicio).await), []);
    assert_eq!(
        servicio.get(DOOR).await.body["conciliaciones"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn the_books_are_compared_by_themselves_and_by_one_replica_at_a_time() {
    let servicio = clean().await;
    let plan = Plan {
        cada: Duration::from_millis(20),
        ..ALL_OF_IT
    };
    let replica = || replica(&servicio, plan);
    let (one, _other) = (replica(), replica());
    let reports = eventually("three reports", || async {
        let reports = one.informes().ultimos(50).await.unwrap();
        let ended = reports.iter().filter(|report| report.estado == "TERMINADA").count();
        (ended >= 3).then_some(reports)
    })
    .await;
    // Newest first: each began after the one before it had ended, and none was given up.
    for pair in reports.windows(2) {
        assert!(pair[0].empezada >= pair[1].terminada, "{pair:?}");
        assert_ne!(pair[1].estado, "FALLIDA", "{pair:?}");
    }
}

#[tokio::test]
async fn what_moved_within_the_margin_is_left_to_the_next_time() {
    let servicio = clean().await;
    servicio.pasarela.plantar(&id("paid"), Capturar, 2_400);
    let plan = Plan {
        margen: Duration::from_secs(600),
        ..ALL_OF_IT
    };
    let patient = replica(&servicio, plan);
    let report = patient.conciliar().await.unwrap();
    assert_eq!(
        (report.pagos, report.en_movimiento, report.diferencias),
        (7, 7, 0),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_window_that_memory_does_not_hold_is_refused_with_what_to_do() {
    let servicio = clean().await;
    let small = replica(
        &servicio,
        Plan {
            cuentas: 5,
            ..ALL_OF_IT
        },
    );
    let report = small.conciliar().await.unwrap();
    assert_eq!(report.estado, "FALLIDA");
    assert!(report.detalle.contains("RECONCILIATION_WINDOW"), "{report:?}");
    let large = replica(
        &servicio,
        Plan {
            cuentas: 6,
            ..ALL_OF_IT
        },
    );
    assert_eq!(large.conciliar().await.unwrap().estado, "TERMINADA");
}

#[tokio::test]
async fn after_a_comparison_that_failed_there_is_a_pause() {
    let servicio = clean().await;
    let day = Duration::from_secs(86_400);
    // `open` looks a minute after it began, longer than this test takes.
    let daily = replica(
        &servicio,
        Plan {
            cada: day,
            cuentas: 5,
            ..ALL_OF_IT
        },
    );
    daily.si_es_hora().await.unwrap();
    daily.si_es_hora().await.unwrap();
    assert_eq!(daily.informes().ultimos(50).await.unwrap().len(), 1);
    sqlx::query("UPDATE conciliaciones SET empezada = empezada - 3600000")
        .execute(&servicio.pool)
        .await
        .unwrap();
    daily.si_es_hora().await.unwrap();
    assert_eq!(daily.informes().ultimos(50).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_comparison_that_died_is_shown_as_failed_by_the_next() {
    let servicio = clean().await;
    let dead = "018f2f6e-0000-7000-8000-00000000dead";
    sqlx::query(
        "INSERT INTO conciliaciones (id, estado, pasarela, desde, empezada) VALUES ($1, 'EN_CURSO', 'SIMULADA', 0, 1)",
    )
    .bind(dead)
    .execute(&servicio.pool)
    .await
    .unwrap();
    reconcile(&servicio).await;
    let path = format!("{DOOR}/{dead}");
    assert_eq!(servicio.get(&path).await.body["estado"], "FALLIDA");
}

#[tokio::test]
async fn a_key_that_is_none_is_told_its_rule_and_begins_nothing() {
    let servicio = clean().await;
    let (long, length) = ("k".repeat(256), "Idempotency-Key debe tener de 1 a 255 caracteres");
    let ascii = "Idempotency-Key solo puede tener caracteres ASCII imprimibles";
    for (key, sentence) in [("", length), (long.as_str(), length), ("clave-ñ", ascii)] {
        assert_eq!(ask(&servicio, Some(key)).await.problem(400), [sentence], "{key}");
    }
    assert_eq!(servicio.get(DOOR).await.body["conciliaciones"], serde_json::json!([]));
}

#[tokio::test]
async fn a_key_whose_comparison_died_hears_that_it_failed_once_nobody_is_at_it() {
    let servicio = clean().await;
    let first = begin(&servicio, Some("k")).await;
    ended(&servicio, &first).await;
    let other = Leader::new(servicio.sidecar.clone(), "conciliacion", Duration::from_secs(60));
    eventually("the first one to leave", || async {
        other.try_lead().await.then_some(())
    })
    .await;
    // As a process leaves it that dies: the lease outlives it for a while.
    sqlx::query("UPDATE conciliaciones SET estado = 'EN_CURSO', terminada = 0")
        .execute(&servicio.pool)
        .await
        .unwrap();
    assert_eq!(ask(&servicio, Some("k")).await.body["estado"], "EN_CURSO");
    other.resign().await;
    let again = eventually("its end", || async {
        let again = ask(&servicio, Some("k")).await;
        (again.body["estado"] == "FALLIDA").then_some(again)
    })
    .await;
    assert_eq!(
        (again.status, &again.body["id"]),
        (StatusCode::ACCEPTED, &first.body["id"])
    );
    // And the turn is free again.
    assert_eq!(differences(&reconcile(&servicio).await), []);
}

#[tokio::test]
async fn a_report_outlives_a_database_that_is_away_for_a_moment() {
    let servicio = clean().await;
    servicio.pasarela.plantar(&id("paid"), Capturar, 2_400);
    let held = servicio.pasarela.retener_cuentas();
    let begun = begin(&servicio, None).await;
    held.llego().await;
    sqlx::query("CREATE TRIGGER away BEFORE UPDATE ON conciliaciones BEGIN SELECT RAISE(ABORT, 'away'); END")
        .execute(&servicio.pool)
        .await
        .unwrap();
    held.seguir();
    // Far longer than the comparison of these books takes, and shorter than the pause before the next try.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let path = begun.headers["location"].to_str().unwrap();
    assert_eq!(servicio.get(path).await.body["estado"], "EN_CURSO");
    sqlx::query("DROP TRIGGER away").execute(&servicio.pool).await.unwrap();
    let found = differences(&ended(&servicio, &begun).await);
    assert_eq!(found, [("CapturadoDosVeces".to_owned(), "paid".to_owned())]);
}

#[tokio::test]
async fn a_comparison_that_a_clock_put_into_the_future_holds_none_up_and_brings_none_on() {
    let servicio = clean().await;
    let plan = Plan {
        cada: Duration::from_secs(86_400),
        ..ALL_OF_IT
    };
    let daily = replica(&servicio, plan);
    daily.si_es_hora().await.unwrap();
    sqlx::query("UPDATE conciliaciones SET empezada = empezada + 864000000")
        .execute(&servicio.pool)
        .await
        .unwrap();
    for _ in 0..2 {
        daily.si_es_hora().await.unwrap();
        assert_eq!(daily.informes().ultimos(50).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_payment_that_the_gateway_dates_before_the_window_is_found_there() {
    const HOUR_MS: i64 = 3_600_000;
    const MINUTE_MS: i64 = 60_000;
    let servicio = Servicio::new().await;
    let edge = now_ms() - HOUR_MS;
    servicio.ahora.store(edge + MINUTE_MS, Ordering::SeqCst);
    servicio.pasarela.fechar(edge - MINUTE_MS);
    servicio.settle(&order(DO, "p-1", "24.00")).await;
    // Not by the clock of the day, which says that it moved just now.
    sqlx::query("UPDATE pagos SET actualizado = creado")
        .execute(&servicio.pool)
        .await
        .unwrap();
    let plan = Plan {
        ventana: Duration::from_secs(3_600),
        margen: Duration::from_secs(600),
        ..ALL_OF_IT
    };
    let report = replica(&servicio, plan).conciliar().await.unwrap();
    assert_eq!(
        (report.pagos, report.cuentas, report.en_movimiento, report.diferencias),
        (1, 1, 0, 0),
        "{report:?}"
    );
}

#[tokio::test]
async fn what_can_be_no_id_of_a_report_is_not_asked_of_the_database() {
    let servicio = Servicio::new().await;
    servicio.pool.close().await;
    for id in ["%00", "nobody", "%FF"] {
        servicio.get(&format!("{DOOR}/{id}")).await.problem(404);
    }
    let possible = format!("{DOOR}/018f2f6e-0000-7000-8000-000000000001");
    servicio.get(&possible).await.problem(503);
}

#[tokio::test]
async fn while_accounts_without_a_row_are_looked_into_the_lease_is_renewed() {
    const ACCOUNTS: i64 = 501;
    let servicio = Servicio::new().await;
    for n in 0..ACCOUNTS {
        servicio.pasarela.plantar(&id(&format!("p-{n}")), Autorizar, 2_400);
    }
    let report = replica(&servicio, ALL_OF_IT).conciliar().await.unwrap();
    assert_eq!((report.estado.as_str(), report.cuentas), ("TERMINADA", ACCOUNTS));
    // All that is written is the lease: at the beginning, for each page of one account, for the rows, of which there are none,
    // for each five hundred of these accounts, and at the end.
    let lease = servicio.sidecar.get("leader:conciliacion").await.unwrap().unwrap();
    assert_eq!(lease.etag, (1 + ACCOUNTS + 1 + 2 + 1).to_string());
}
