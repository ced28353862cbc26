//! The notifications made over HTTP: row first, then the document.

use notificaciones::adapters::registro::{Documento, Recibo, Registro};
use notificaciones::domain::{Notificacion, Nueva};
use seedwork_runtime::participant::laws::eventually;
use seedwork_runtime::sidecar::{Sidecar as _, load};
use uuid::Uuid;

use crate::arnes::Arnes;

/// Later than any row is due.
const LATE: i64 = i64::MAX / 2;

fn nueva() -> Nueva {
    Nueva::parse("Promoción", "sms", "Su plan vence mañana", None, None).unwrap()
}

async fn guardar(arnes: &Arnes) -> Notificacion {
    match arnes.app.registro.guardar(nueva(), None).await.unwrap() {
        Recibo::Nueva(notificacion) => *notificacion,
        other @ (Recibo::Repetida(_) | Recibo::ClaveUsada | Recibo::EnCurso(_)) => panic!("not new: {other:?}"),
    }
}

async fn aceptar(arnes: &Arnes) -> Uuid {
    match arnes.app.registro.aceptar(nueva(), None).await.unwrap() {
        Recibo::Nueva(notificacion) => notificacion.id,
        other @ (Recibo::Repetida(_) | Recibo::ClaveUsada | Recibo::EnCurso(_)) => panic!("not new: {other:?}"),
    }
}

async fn stored(arnes: &Arnes, id: &Uuid) -> Option<Documento> {
    load(arnes.sidecar.as_ref(), &Registro::key(id)).await.unwrap().value
}

#[tokio::test]
async fn a_notification_is_stored_as_it_was_answered_and_never_delivered() {
    let arnes = Arnes::new().await;
    let kept = guardar(&arnes).await;
    assert_eq!(stored(&arnes, &kept.id).await.unwrap().notificacion, kept);
    assert_eq!(
        arnes.app.registro.barrer(LATE).await.unwrap(),
        0,
        "nothing is left to settle"
    );
    assert!(arnes.mensajeria.llamadas().is_empty());
    assert!(arnes.sidecar.take_published().is_empty());
}

#[tokio::test]
async fn a_notification_outlives_a_store_that_was_away() {
    let arnes = Arnes::new().await;
    arnes.puerta.close(true);
    let kept = guardar(&arnes).await;
    assert_eq!(stored(&arnes, &kept.id).await, None);
    assert!(arnes.app.registro.barrer(LATE).await.is_err());
    arnes.puerta.close(false);
    // The failed row waits its turn; later it is settled, once.
    assert_eq!(arnes.app.registro.barrer(LATE).await.unwrap(), 0);
    assert_eq!(arnes.app.registro.barrer(i64::MAX).await.unwrap(), 1);
    assert_eq!(stored(&arnes, &kept.id).await.unwrap().notificacion, kept);
    assert_eq!(arnes.app.registro.barrer(i64::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_that_a_request_is_still_working_on_is_left_to_it() {
    let arnes = Arnes::new().await;
    arnes.puerta.close(true);
    guardar(&arnes).await;
    arnes.puerta.close(false);
    assert_eq!(arnes.app.registro.barrer(seedwork_runtime::now_ms()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_document_that_is_there_already_settles_its_row_and_is_not_written_again() {
    let arnes = Arnes::new().await;
    let id = aceptar(&arnes).await;
    let theirs = br#"{"version":1,"notificacion":"of another replica"}"#.to_vec();
    arnes.sidecar.race_next_put(&Registro::key(&id), theirs.clone());
    assert_eq!(arnes.app.registro.barrer(LATE).await.unwrap(), 1);
    assert_eq!(
        arnes.sidecar.get(&Registro::key(&id)).await.unwrap().unwrap().value,
        theirs
    );
    assert_eq!(arnes.app.registro.barrer(LATE).await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_silences_no_other_and_waits_its_turn() {
    let arnes = Arnes::new().await;
    let (strange, id) = (aceptar(&arnes).await, aceptar(&arnes).await);
    // As a newer version may write it.
    sqlx::query("UPDATE notificaciones SET medio = 'paloma' WHERE id = $1")
        .bind(strange.to_string())
        .execute(&arnes.pool)
        .await
        .unwrap();
    assert_eq!(arnes.app.registro.barrer(LATE).await.unwrap(), 1);
    assert!(stored(&arnes, &id).await.is_some());
    let due: i64 = sqlx::query_scalar("SELECT pendiente FROM notificaciones WHERE id = $1")
        .bind(strange.to_string())
        .fetch_one(&arnes.pool)
        .await
        .unwrap();
    assert!(due > LATE, "as many as a sweep takes would be all it ever takes");
}

#[tokio::test]
async fn the_sweep_stores_what_a_command_left() {
    let arnes = Arnes::new().await;
    arnes.app.registro.vigilar();
    let id = aceptar(&arnes).await;
    let documento = eventually("the document", || stored(&arnes, &id)).await;
    assert_eq!(documento.notificacion.id, id);
}
