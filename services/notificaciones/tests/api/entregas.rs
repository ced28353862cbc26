//! Notifications made over HTTP for a client: delivered by the sweep.

use notificaciones::adapters::registro::{Documento, Registro};
use notificaciones::domain::{Estado, Medio, Notificacion};
use seedwork_runtime::participant::laws::eventually;
use seedwork_runtime::sidecar::{Expect, Sidecar as _, load};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arnes::Arnes;

const COMANDO: &str = "/notificaciones/notificacion-comando";
const DAY_MS: i64 = 86_400_000;

async fn pedir(arnes: &Arnes, medio: &str) -> String {
    let body = json!({"tipo": "Recordatorio", "medio": medio, "valor": "Su plan vence.", "idCliente": "c-1"});
    let accepted = arnes.post(COMANDO, &body.to_string()).await;
    accepted.headers["x-correlation-id"].to_str().unwrap().to_owned()
}

async fn leer(arnes: &Arnes, id: &str) -> Value {
    arnes.get(&format!("/notificaciones/notificacion/{id}")).await.body
}

async fn barrer(arnes: &Arnes, later: i64) -> usize {
    arnes
        .app
        .registro
        .barrer(seedwork_runtime::now_ms() + later)
        .await
        .unwrap()
}

async fn documento(arnes: &Arnes, id: &str) -> Documento {
    let key = Registro::key(&Uuid::parse_str(id).unwrap());
    load(arnes.sidecar.as_ref(), &key).await.unwrap().value.unwrap()
}

async fn estado(arnes: &Arnes, id: &str) -> Estado {
    documento(arnes, id).await.notificacion.estado
}

#[tokio::test]
async fn a_reminder_reaches_the_clients_own_address_once() {
    let arnes = Arnes::new().await;
    let id = pedir(&arnes, "correo").await;
    let accepted = leer(&arnes, &id).await;
    assert_eq!(
        [&accepted["estado"], &accepted["idCliente"], &accepted["tipo"]],
        ["ACEPTADA", "c-1", "RECORDATORIO"]
    );
    assert_eq!(barrer(&arnes, 0).await, 1);
    assert_eq!(barrer(&arnes, DAY_MS).await, 0, "nothing is left");
    let sent = arnes.mensajeria.entregados();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (
            sent[0].destino.as_str(),
            sent[0].asunto.as_deref(),
            sent[0].texto.as_str()
        ),
        (
            "ana@saludtech.co",
            Some("Recordatorio de pago de SaludTech"),
            "Su plan vence."
        )
    );
    assert_eq!(arnes.mensajeria.llamadas(), [format!("{id}/correo")]);
    let told = leer(&arnes, &id).await;
    assert_eq!([&told["estado"], &told["medio"]], ["ENTREGADA", "correo"]);
    assert!(
        !told.to_string().contains("ana@saludtech.co"),
        "the address is not served"
    );
}

#[tokio::test]
async fn the_sweep_delivers_by_itself_what_a_request_left() {
    let arnes = Arnes::new().await;
    arnes.app.registro.vigilar();
    let id = pedir(&arnes, "correo").await;
    let delivered = async || {
        let told = leer(&arnes, &id).await;
        (told["estado"] == "ENTREGADA").then_some(())
    };
    eventually("the delivery", delivered).await;
}

#[tokio::test]
async fn a_medium_that_refuses_gives_way_to_those_after_it() {
    for (first, refusing, reached) in [
        ("correo", vec![], Some(Medio::Correo)),
        ("correo", vec![Medio::Correo], Some(Medio::Sms)),
        ("sms", vec![Medio::Sms], Some(Medio::Push)),
        ("push", vec![Medio::Push], None),
        ("correo", Medio::ALL.to_vec(), None),
    ] {
        let arnes = Arnes::new().await;
        refusing.iter().for_each(|medio| arnes.mensajeria.rechazar(*medio));
        let id = pedir(&arnes, first).await;
        assert_eq!(barrer(&arnes, 0).await, 1, "{first} {refusing:?}");
        match (estado(&arnes, &id).await, reached) {
            (Estado::Entregada { medio, .. }, Some(reached)) => assert_eq!(medio, reached),
            (Estado::Rechazada { intentos }, None) => assert_eq!(intentos.len(), refusing.len()),
            (other, _) => panic!("{first} {refusing:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_asked_about_with_the_same_key_and_given_up_after_a_day() {
    let arnes = Arnes::new().await;
    arnes.mensajeria.callar(1);
    let id = pedir(&arnes, "correo").await;
    assert_eq!(barrer(&arnes, 0).await, 0);
    assert_eq!(leer(&arnes, &id).await["estado"], "PREPARADA");
    assert_eq!(barrer(&arnes, 0).await, 0, "it waits its turn");
    assert_eq!(barrer(&arnes, 3_600_000).await, 1);
    assert_eq!(
        arnes.mensajeria.llamadas(),
        [format!("{id}/correo"), format!("{id}/correo")]
    );
    assert_eq!(arnes.mensajeria.entregados().len(), 1);

    let lost = pedir(&arnes, "correo").await;
    arnes.mensajeria.caer(u32::MAX);
    assert_eq!(barrer(&arnes, 0).await, 0);
    assert_eq!(barrer(&arnes, DAY_MS - 1_000).await, 0);
    let calls = arnes.mensajeria.llamadas().len();
    assert_eq!(barrer(&arnes, DAY_MS + 3_600_000).await, 1);
    assert_eq!(arnes.mensajeria.llamadas().len(), calls, "nothing is sent any more");
    let Estado::Rechazada { intentos } = estado(&arnes, &lost).await else {
        panic!("not given up");
    };
    assert_eq!(intentos[0].motivo.motivo, "SinRespuesta");
}

#[tokio::test]
async fn nobody_is_told_who_does_not_exist_and_one_who_cannot_be_asked_for_waits() {
    let arnes = Arnes::new().await;
    arnes.client_is(503, "ana@saludtech.co");
    let id = pedir(&arnes, "correo").await;
    assert_eq!(barrer(&arnes, 0).await, 0);
    assert_eq!(leer(&arnes, &id).await["estado"], "ACEPTADA");
    arnes.client_is(404, "ana@saludtech.co");
    assert_eq!(barrer(&arnes, 3_600_000).await, 1);
    assert_eq!(leer(&arnes, &id).await["estado"], "RECHAZADA");
    assert!(arnes.mensajeria.llamadas().is_empty());
}

#[tokio::test]
async fn a_crash_after_the_delivery_is_recorded_is_settled_without_another() {
    let arnes = Arnes::new().await;
    let (delivered, left) = (pedir(&arnes, "correo").await, pedir(&arnes, "sms").await);
    barrer(&arnes, 0).await;
    let again = pedir(&arnes, "sms").await;
    // The row of `again` stands as it was accepted; its document is already that of a delivery.
    let (recorded, id) = (documento(&arnes, &left).await, Uuid::parse_str(&again).unwrap());
    let notificacion = Notificacion {
        id,
        ..recorded.notificacion
    };
    let recorded = serde_json::to_vec(&Documento {
        notificacion,
        ..recorded
    })
    .unwrap();
    arnes
        .sidecar
        .put(&Registro::key(&id), recorded, Expect::Absent)
        .await
        .unwrap();
    let calls = arnes.mensajeria.llamadas().len();
    assert_eq!(barrer(&arnes, 0).await, 1);
    assert_eq!(arnes.mensajeria.llamadas().len(), calls);
    for id in [delivered, left, again] {
        assert_eq!(leer(&arnes, &id).await["estado"], "ENTREGADA");
    }
}

#[tokio::test]
async fn of_two_sweeps_at_once_one_delivers() {
    let arnes = Arnes::new().await;
    for _ in 0..20 {
        pedir(&arnes, "sms").await;
    }
    let (one, two) = tokio::join!(barrer(&arnes, 0), barrer(&arnes, 0));
    assert_eq!(one + two, 20);
    assert_eq!(arnes.mensajeria.llamadas().len(), 20);
}

#[tokio::test]
async fn what_was_accepted_before_the_clock_was_set_back_is_due_now_and_tried_for_a_day() {
    let arnes = Arnes::new().await;
    arnes.client_is(503, "");
    let ids = [pedir(&arnes, "sms").await, pedir(&arnes, "correo").await];
    sqlx::query("UPDATE notificaciones SET pendiente = pendiente + 18000000, plazo = plazo + 18000000")
        .execute(&arnes.pool)
        .await
        .unwrap();
    for (asked, what) in [(2, "each is looked at"), (0, "and waits its turn like any other")] {
        assert_eq!(barrer(&arnes, 0).await, 0);
        assert_eq!(arnes.sidecar.take_asked().len(), asked, "{what}");
    }
    assert_eq!(barrer(&arnes, DAY_MS + 3_600_000).await, 2);
    for id in ids {
        assert_eq!(leer(&arnes, &id).await["estado"], "RECHAZADA");
    }
}

#[tokio::test]
async fn a_reminder_tells_invoice_amount_and_due_date() {
    let arnes = Arnes::new().await;
    let body = json!({
        "tipo": "RECORDATORIO", "medio": "correo", "idCliente": "c-1",
        "factura": {"id": "f-1", "monto": 24.1, "moneda": "USD", "vence": "2026-12-31"},
    });
    arnes.post(COMANDO, &body.to_string()).await;
    barrer(&arnes, 0).await;
    let sent = arnes.mensajeria.entregados();
    assert_eq!(
        sent[0].texto,
        "Factura f-1 por 24.10 USD, con vencimiento el 2026-12-31."
    );
}
