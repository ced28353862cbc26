//! Payments that nobody speaks of any more.

use std::time::Duration;

use bff::Pace;
use seedwork::{App, Message};
use seedwork_runtime::participant::laws::eventually;

use crate::support::{Bff, calm, completed, running};

/// Looks often, and finds silent only what a test makes so.
fn watchful() -> Pace {
    Pace {
        look: Duration::from_millis(5),
        silence: Duration::from_secs(60),
        ..calm()
    }
}

async fn fall_silent(bff: &Bff) {
    bff.database.execute("UPDATE pagos SET proxima_ms = 0").await;
}

fn questions(bff: &Bff) -> Vec<String> {
    let read = |message| {
        let Message::SolicitarPago(solicitar) = message else {
            return None;
        };
        assert_eq!(solicitar.origen, App::Bff);
        Some(solicitar.id_correlacion.to_string())
    };
    bff.sidecar.take_messages().into_iter().filter_map(read).collect()
}

async fn question(bff: &Bff) -> Vec<String> {
    eventually("a question", || async {
        Some(questions(bff)).filter(|asked| !asked.is_empty())
    })
    .await
}

#[tokio::test]
async fn a_silent_payment_is_asked_about_by_its_own_request_and_less_and_less_often() {
    let bff = Bff::at(watchful()).await;
    bff.tell(&running("p-1", 1)).await;
    bff.tell(&completed("p-2", 6)).await;
    questions(&bff);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let before = seedwork_runtime::now_ms();
        fall_silent(&bff).await;
        assert_eq!(question(&bff).await, ["p-1"], "the ended one is not asked about");
        let next: i64 = sqlx::query_scalar("SELECT proxima_ms FROM pagos WHERE id_correlacion = 'p-1'")
            .fetch_one(&bff.database.pool)
            .await
            .unwrap();
        pauses.push((next - before + 30_000) / 60_000);
    }
    assert_eq!(pauses, [1, 2, 5, 10, 15, 15], "minutes");
    // The answer to the question, a state that is known, does not count as a sign of life; a transition does.
    let asked = async || -> i64 {
        let query = sqlx::query_scalar("SELECT preguntas FROM pagos WHERE id_correlacion = 'p-1'");
        query.fetch_one(&bff.database.pool).await.unwrap()
    };
    bff.tell(&running("p-1", 1)).await;
    assert_eq!(asked().await, 6);
    bff.tell(&running("p-1", 2)).await;
    assert_eq!(asked().await, 0);
}

#[tokio::test]
async fn a_payment_whose_request_is_open_is_left_to_the_intake() {
    let bff = Bff::at(watchful()).await;
    let own = bff.pay("c-1").await;
    assert_eq!(
        question(&bff).await,
        [own.to_string()],
        "the intake publishes the request"
    );
    bff.tell(&running(own.as_str(), 1)).await;
    bff.tell(&running("p-2", 1)).await;
    fall_silent(&bff).await;
    assert_eq!(question(&bff).await, ["p-2"]);
    let looked: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pagos WHERE preguntas = 1")
        .fetch_one(&bff.database.pool)
        .await
        .unwrap();
    assert_eq!(looked, 2, "both were looked at");
}

#[tokio::test]
async fn a_payment_that_cannot_be_read_keeps_no_other_from_being_asked_about() {
    let bff = Bff::at(watchful()).await;
    bff.tell(&running("p-1", 1)).await;
    bff.tell(&running("p-2", 1)).await;
    bff.database
        .execute("UPDATE pagos SET estado = '{}' WHERE id_correlacion = 'p-1'")
        .await;
    fall_silent(&bff).await;
    assert_eq!(question(&bff).await, ["p-2"]);
}

#[tokio::test]
async fn a_question_that_could_not_be_sent_is_asked_again() {
    let bff = Bff::at(watchful()).await;
    bff.tell(&running("p-1", 1)).await;
    bff.sidecar.fail_publishes(1);
    fall_silent(&bff).await;
    let failed = || async {
        let count: i64 = sqlx::query_scalar("SELECT preguntas FROM pagos")
            .fetch_one(&bff.database.pool)
            .await
            .unwrap();
        (count == 1).then_some(())
    };
    eventually("the failed question", failed).await;
    assert_eq!(questions(&bff), Vec::<String>::new());
    fall_silent(&bff).await;
    assert_eq!(question(&bff).await, ["p-1"]);
}
