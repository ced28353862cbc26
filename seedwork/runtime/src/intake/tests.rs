use super::*;
use crate::participant::laws::eventually;
use crate::sidecar::MemorySidecar;
use seedwork::{Message, Moneda};

async fn door() -> (Arc<Intake>, Arc<MemorySidecar>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (intake, sidecar) = open(folder.path()).await;
    (intake, sidecar, folder)
}

async fn open(folder: &std::path::Path) -> (Arc<Intake>, Arc<MemorySidecar>) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}/intake.db?mode=rwc", folder.display());
    let pool = sqlx::any::AnyPoolOptions::new()
        .max_connections(1)
        .connect(&url)
        .await
        .unwrap();
    let sidecar = Arc::new(MemorySidecar::default());
    let port: Arc<dyn Sidecar> = sidecar.clone();
    let intake = Intake::open(pool.into(), port, App::Bff).await.unwrap();
    (intake, sidecar)
}

fn solicitud(monto: &str) -> SolicitudPago {
    SolicitudPago::parse("PSE", "c-1", monto, Moneda::USD).unwrap()
}

async fn next_request(sidecar: &MemorySidecar) -> SolicitarPago {
    eventually("a published request", || async {
        sidecar.take_messages().into_iter().find_map(|message| {
            if let Message::SolicitarPago(solicitar) = message {
                Some(solicitar)
            } else {
                None
            }
        })
    })
    .await
}

#[tokio::test]
async fn an_accepted_request_is_published_with_its_identity() {
    let (intake, sidecar, _folder) = door().await;
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    let sent = next_request(&sidecar).await;
    assert_eq!((sent.id_correlacion, sent.origen), (id, App::Bff));
}

#[tokio::test]
async fn the_same_key_is_the_same_payment_and_another_body_is_refused() {
    let (intake, _sidecar, _folder) = door().await;
    let key = Some(IdempotencyKey::parse("c-1", "k").unwrap());
    let first = intake.accept(&solicitud("24"), key).await.unwrap();
    assert_eq!(intake.accept(&solicitud("24.00"), key).await.unwrap(), first);
    assert!(matches!(
        intake.accept(&solicitud("25"), key).await,
        Err(Fault::Conflict(_))
    ));
    assert!(IdempotencyKey::parse("c-1", "").is_err());
}

#[tokio::test]
async fn a_repeat_takes_no_place_of_the_window() {
    let (intake, sidecar, _folder) = door().await;
    let key = Some(IdempotencyKey::parse("c-1", "k").unwrap());
    intake.accept(&solicitud("24"), key).await.unwrap();
    next_request(&sidecar).await;
    // One of 128 is under way, as every look at the table finds again.
    let room = || intake.window.room.load(Ordering::Relaxed);
    eventually("a look at the table", || async { (room() == 127).then_some(()) }).await;
    for _ in 0..20 {
        intake.accept(&solicitud("24"), key).await.unwrap();
    }
    // A look that comes while a repeat has its place counts without it, and the place is given back besides: never fewer.
    assert!(room() >= 127, "{}", room());
}

#[tokio::test]
async fn a_request_outlives_the_process_that_took_it() {
    let (intake, sidecar, folder) = door().await;
    sidecar.fail_publishes(u32::MAX);
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    let gone = Arc::downgrade(&intake);
    drop(intake);
    eventually("the end of the first process", || async {
        gone.upgrade().is_none().then_some(())
    })
    .await;
    let (intake, sidecar) = open(folder.path()).await;
    // Time passes: the question that the first process claimed falls due again.
    sqlx::query("UPDATE solicitudes SET proximo = 0")
        .execute(&intake.pool)
        .await
        .unwrap();
    assert_eq!(next_request(&sidecar).await.id_correlacion, id);
}

#[tokio::test]
async fn a_silent_request_is_asked_about_again_and_an_ended_one_is_not() {
    let (intake, sidecar, _folder) = door().await;
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    next_request(&sidecar).await;
    // Time passes: the next question falls due.
    sqlx::query("UPDATE solicitudes SET proximo = 0")
        .execute(&intake.pool)
        .await
        .unwrap();
    assert_eq!(next_request(&sidecar).await.id_correlacion, id);
    intake.heard(&id, false).await.unwrap();
    assert_eq!(
        intake.find(&id).await.unwrap().unwrap().estado,
        EstadoSolicitud::Abierta
    );
    intake.heard(&id, true).await.unwrap();
    assert_eq!(
        intake.find(&id).await.unwrap().unwrap().estado,
        EstadoSolicitud::Cerrada
    );
    sqlx::query("UPDATE solicitudes SET proximo = 0")
        .execute(&intake.pool)
        .await
        .unwrap();
    // A second request is published after the closed one would have been.
    let other = intake.accept(&solicitud("25"), None).await.unwrap();
    assert_eq!(next_request(&sidecar).await.id_correlacion, other);
}

#[tokio::test]
async fn what_is_heard_within_a_transaction_holds_once_that_is_committed() {
    let (intake, sidecar, _folder) = door().await;
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    next_request(&sidecar).await;
    for (is_committed, estado) in [(false, EstadoSolicitud::Abierta), (true, EstadoSolicitud::Cerrada)] {
        let mut transaction = intake.pool.begin().await.unwrap();
        let noted = intake.heard_in(&mut *transaction, &id, true).await.unwrap();
        assert!(noted.is_news());
        if is_committed {
            transaction.commit().await.unwrap();
            intake.noted(&noted);
        } else {
            drop(transaction);
        }
        assert_eq!(intake.find(&id).await.unwrap().unwrap().estado, estado);
    }
}

#[tokio::test]
async fn what_was_put_off_is_asked_soon_once_the_operator_is_heard_again() {
    let (intake, sidecar, _folder) = door().await;
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    next_request(&sidecar).await;
    // The operator is away for long: the question has been put off by the most. (Whole quarters leave nothing to spread.)
    let later = (crate::now_ms() / 15_000 + 4) * 15_000;
    sqlx::query("UPDATE solicitudes SET intentos = 9, proximo = $1")
        .bind(later)
        .execute(&intake.pool)
        .await
        .unwrap();
    let other = intake.accept(&solicitud("25"), None).await.unwrap();
    intake.heard(&other, false).await.unwrap();
    let asked = eventually("the question that was put off", || async {
        let asked = next_request(&sidecar).await;
        (asked.id_correlacion == id).then_some(())
    });
    asked.await;
    let next: i64 = sqlx::query_scalar("SELECT proximo FROM solicitudes WHERE id_correlacion = $1")
        .bind(id.as_str())
        .fetch_one(&intake.pool)
        .await
        .unwrap();
    assert!(
        next <= crate::now_ms() + 16_000,
        "while the operator is heard it is asked again soon"
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_puts_no_question_off() {
    let (intake, sidecar, _folder) = door().await;
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    next_request(&sidecar).await;
    // Written before somebody set the clock back by an hour.
    sqlx::query("UPDATE solicitudes SET proximo = proximo + 3600000")
        .execute(&intake.pool)
        .await
        .unwrap();
    assert_eq!(next_request(&sidecar).await.id_correlacion, id);
}

#[tokio::test]
async fn a_refusal_is_kept_with_its_reason() {
    let (intake, _sidecar, _folder) = door().await;
    let id = intake.accept(&solicitud("24"), None).await.unwrap();
    let reason = Reason::new("SolicitudInvalida", "no puede ser");
    intake.refused(&id, &reason).await.unwrap();
    assert_eq!(
        intake.find(&id).await.unwrap().unwrap().estado,
        EstadoSolicitud::Rechazada(reason.para_cliente())
    );
}
