//! Notifications as a step of a payment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use notificaciones::App;
use notificaciones::adapters::mensajeria::{Entrega, Mensajeria};
use notificaciones::domain::{Cual, Estado, Medio, Mensaje, Notificacion};
use seedwork::contrato::Contracargo;
use seedwork::{Action, App as AppId, IdCorrelacion, Message, Outcome, Reason, Step};
use seedwork_runtime::Auth;
use seedwork_runtime::participant::Standing;
use seedwork_runtime::participant::laws::{Laws, comando, eventually, reply_to};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::arnes::Arnes;

const DO: Action = Action::Do(Step::CrearNotificacion);
const UNDO: Action = Action::Undo(Step::CrearNotificacion);

fn refused(outcome: Option<Outcome>) -> Reason {
    match outcome {
        Some(Outcome::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn failed(outcome: Option<Outcome>) -> Reason {
    match outcome {
        Some(Outcome::Failed(reason)) => reason,
        other => panic!("not failed: {other:?}"),
    }
}

#[tokio::test]
async fn the_laws_hold_in_memory() {
    let arnes = Arnes::new().await;
    let laws = Laws {
        participation: Arc::clone(&arnes.app.participation),
        sidecar: arnes.sidecar.clone(),
        run: "m".to_owned(),
        cliente: "c-1".to_owned(),
    };
    laws.hold_for(&[Step::CrearNotificacion]).await;
}

#[tokio::test]
async fn a_confirmed_payment_is_told_by_mail_once_however_often_it_is_asked() {
    let arnes = Arnes::new().await;
    for _ in 0..3 {
        assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    }
    let sent = arnes.mensajeria.entregados();
    assert_eq!(sent.len(), 1);
    assert_eq!(arnes.mensajeria.llamadas(), ["p-1/ALERTA/correo"]);
    assert_eq!(
        (sent[0].medio, sent[0].destino.as_str()),
        (Medio::Correo, "ana@saludtech.co")
    );
    assert!(
        sent[0].texto.contains("24.00 USD") && sent[0].texto.contains("p-1"),
        "{}",
        sent[0].texto
    );
    let fila = arnes.fila("p-1", Cual::Alerta).await.unwrap();
    assert_eq!(
        (fila.tipo.as_str(), fila.estado.as_str(), fila.medio.as_str()),
        ("ALERTA", "ENTREGADA", "correo")
    );
    assert_eq!(
        (fila.id_correlacion.as_deref(), fila.valor.as_str()),
        (Some("p-1"), sent[0].texto.as_str())
    );
}

#[tokio::test]
async fn a_medium_that_refuses_gives_way_to_the_next() {
    let (correo, sms, push) = ("p-1/ALERTA/correo", "p-1/ALERTA/sms", "p-1/ALERTA/push");
    for (refusing, called, destino) in [
        (vec![], vec![correo], "ana@saludtech.co"),
        (vec![Medio::Correo], vec![correo, sms], "sms:ana@saludtech.co"),
        (
            vec![Medio::Correo, Medio::Sms],
            vec![correo, sms, push],
            "push:ana@saludtech.co",
        ),
    ] {
        let arnes = Arnes::new().await;
        refusing.iter().for_each(|medio| arnes.mensajeria.rechazar(*medio));
        assert_eq!(
            arnes.run(&comando(DO, "p-1")).await,
            Some(Outcome::Done),
            "{refusing:?}"
        );
        assert_eq!(arnes.mensajeria.llamadas(), called);
        let sent = arnes.mensajeria.entregados();
        assert_eq!((sent.len(), sent[0].destino.as_str()), (1, destino));
        let Estado::Entregada { medio, intentos, .. } = arnes.aviso("p-1", Cual::Alerta).await.estado else {
            panic!("{refusing:?}: not delivered");
        };
        assert_eq!(
            intentos.iter().map(|intento| intento.medio).collect::<Vec<_>>(),
            refusing
        );
        assert_eq!(arnes.fila("p-1", Cual::Alerta).await.unwrap().medio, medio.as_str());
    }
}

#[tokio::test]
async fn a_client_whom_no_medium_reaches_refuses_the_step_for_good() {
    let arnes = Arnes::new().await;
    Medio::ALL.iter().for_each(|medio| arnes.mensajeria.rechazar(*medio));
    let first = refused(arnes.run(&comando(DO, "p-1")).await);
    assert_eq!(first.motivo, "MediosRechazados");
    for medio in Medio::ALL {
        assert!(first.mensaje.contains(medio.as_str()), "{first}");
    }
    assert!(
        !first.mensaje.contains("saludtech.co"),
        "the saga may not carry the address: {first}"
    );
    assert_eq!(
        refused(arnes.run(&comando(DO, "p-1")).await),
        first,
        "a repeat gets the stored answer"
    );
    assert_eq!(arnes.mensajeria.llamadas().len(), 3, "and calls nobody");
    assert_eq!(arnes.fila("p-1", Cual::Alerta).await.unwrap().estado, "RECHAZADA");
}

#[tokio::test]
async fn an_unknown_client_refuses_the_step_and_leaves_no_notification() {
    let arnes = Arnes::new().await;
    arnes.client_is(404, "");
    assert_eq!(
        refused(arnes.run(&comando(DO, "p-1")).await).motivo,
        "ClienteInexistente"
    );
    assert_eq!(arnes.document("p-1").await.agregado, None);
    assert_eq!(arnes.fila("p-1", Cual::Alerta).await, None);
    // The refusal is definite: a client made meanwhile does not change it.
    arnes.client_is(200, "ana@saludtech.co");
    assert_eq!(
        refused(arnes.run(&comando(DO, "p-1")).await).motivo,
        "ClienteInexistente"
    );
    assert!(arnes.mensajeria.llamadas().is_empty());
}

#[tokio::test]
async fn while_clients_cannot_be_asked_for_the_step_stays_silent() {
    let arnes = Arnes::new().await;
    arnes.client_is(503, "");
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, None);
    assert_eq!(arnes.document("p-1").await.version, 0, "nothing is recorded");
    arnes.client_is(200, "ana@saludtech.co");
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
}

#[tokio::test]
async fn an_unknown_outcome_stays_silent_and_is_asked_about_with_the_same_key() {
    for delivered_at_once in [true, false] {
        let arnes = Arnes::new().await;
        if delivered_at_once {
            arnes.mensajeria.callar(1);
        } else {
            arnes.mensajeria.caer(1);
        }
        assert_eq!(arnes.run(&comando(DO, "p-1")).await, None, "silence is not a refusal");
        assert_eq!(arnes.fila("p-1", Cual::Alerta).await.unwrap().estado, "PREPARADA");
        assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
        assert_eq!(arnes.mensajeria.llamadas(), ["p-1/ALERTA/correo"; 2]);
        assert_eq!(arnes.mensajeria.entregados().len(), 1, "one delivery");
    }
}

#[tokio::test]
async fn a_repeat_after_the_client_moved_says_exactly_the_same() {
    let arnes = Arnes::new().await;
    arnes.mensajeria.callar(1);
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, None);
    arnes.client_is(200, "otra@saludtech.co");
    // Another body under the same key would be refused by the provider, and the outcome never known.
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    assert_eq!(arnes.mensajeria.entregados()[0].destino, "ana@saludtech.co");
}

#[tokio::test]
async fn an_unknown_outcome_on_the_second_medium_does_not_go_back_to_the_first() {
    let arnes = Arnes::new().await;
    arnes.mensajeria.rechazar(Medio::Correo);
    arnes.mensajeria.callar(2); // the refusal, and then the delivery by sms
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, None);
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, None);
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    let keys = [
        "p-1/ALERTA/correo",
        "p-1/ALERTA/correo",
        "p-1/ALERTA/sms",
        "p-1/ALERTA/sms",
    ];
    assert_eq!(arnes.mensajeria.llamadas(), keys);
}

#[tokio::test]
async fn the_undo_leaves_its_tombstone_and_keeps_what_was_said() {
    let arnes = Arnes::new().await;
    arnes.run(&comando(DO, "p-1")).await;
    let said = arnes.aviso("p-1", Cual::Alerta).await;
    assert_eq!(arnes.run(&comando(UNDO, "p-1")).await, Some(Outcome::Done));
    assert_eq!(arnes.aviso("p-1", Cual::Alerta).await, said);
    assert_eq!(refused(arnes.run(&comando(DO, "p-1")).await).motivo, "Revertido");
    assert_eq!(arnes.mensajeria.llamadas().len(), 1);
}

#[tokio::test]
async fn an_undo_of_a_step_without_a_definite_outcome_succeeds_and_nothing_more_is_called() {
    let arnes = Arnes::new().await;
    arnes.mensajeria.caer(1);
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, None);
    assert_eq!(arnes.run(&comando(UNDO, "p-1")).await, Some(Outcome::Done));
    assert_eq!(refused(arnes.run(&comando(DO, "p-1")).await).motivo, "Revertido");
    assert_eq!(arnes.mensajeria.llamadas().len(), 1);
}

#[tokio::test]
async fn a_reversal_is_told_once_with_its_reason_and_answered_from_the_store() {
    let arnes = Arnes::new().await;
    arnes.run(&comando(DO, "p-1")).await;
    arnes.run(&comando(UNDO, "p-1")).await;
    let reason = Some(Reason::new("PagoFallido", "Fondos insuficientes"));
    let aviso = seedwork::contrato::Comando {
        reason,
        ..comando(Action::AvisarReversion, "p-1")
    };
    for _ in 0..3 {
        assert_eq!(arnes.run(&aviso).await, Some(Outcome::Done));
    }
    assert_eq!(
        arnes.mensajeria.llamadas(),
        ["p-1/ALERTA/correo", "p-1/ALERTA-REVERSION/correo"]
    );
    let texto = &arnes.mensajeria.entregados()[1].texto;
    assert!(
        texto.contains("Fondos insuficientes") && texto.contains("24.00 USD"),
        "{texto}"
    );
    let fila = arnes.fila("p-1", Cual::Reversion).await.unwrap();
    assert_eq!(
        (fila.tipo.as_str(), fila.estado.as_str()),
        ("ALERTA-REVERSION", "ENTREGADA")
    );
    assert_eq!(
        arnes.fila("p-1", Cual::Alerta).await.unwrap().estado,
        "ENTREGADA",
        "the first stays as it was"
    );
}

#[tokio::test]
async fn a_reversal_that_cannot_be_told_fails_and_says_why() {
    let aviso = comando(Action::AvisarReversion, "p-1");
    let arnes = Arnes::new().await;
    arnes.run(&comando(DO, "p-1")).await;
    arnes.client_is(404, "");
    assert_eq!(failed(arnes.run(&aviso).await).motivo, "ClienteInexistente");
    assert!(
        arnes.document("p-1").await.agregado.is_some(),
        "what was said before is kept"
    );
    arnes.client_is(503, "");
    assert_eq!(failed(arnes.run(&aviso).await).motivo, "ClientesNoDisponible");
    // A failure is not stored: the next delivery tries again.
    arnes.client_is(200, "ana@saludtech.co");
    arnes.mensajeria.caer(1);
    assert_eq!(failed(arnes.run(&aviso).await).motivo, "MensajeriaNoDisponible");
    Medio::ALL.iter().for_each(|medio| arnes.mensajeria.rechazar(*medio));
    let refused = failed(arnes.run(&aviso).await);
    assert_eq!(refused.motivo, "MediosRechazados");
    assert!(
        !refused.mensaje.contains("saludtech.co"),
        "the saga may not carry the address: {refused}"
    );
    let called = arnes.mensajeria.llamadas().len();
    assert_eq!(failed(arnes.run(&aviso).await), refused);
    assert_eq!(
        arnes.mensajeria.llamadas().len(),
        called,
        "what every medium refused is not asked for again"
    );
}

#[tokio::test]
async fn an_older_state_never_replaces_a_newer_one_in_the_read_model() {
    let arnes = Arnes::new().await;
    arnes.mensajeria.caer(1);
    arnes.run(&comando(DO, "p-1")).await;
    let preparada = arnes.aviso("p-1", Cual::Alerta).await;
    let old = arnes.document("p-1").await.version;
    arnes.run(&comando(DO, "p-1")).await;
    let id = IdCorrelacion::parse("p-1").unwrap();
    arnes.app.read_model.proyectar(&id, &preparada, old).await.unwrap();
    assert_eq!(arnes.fila("p-1", Cual::Alerta).await.unwrap().estado, "ENTREGADA");
}

/// A server that knows no keys and keeps its first mail until it may go on.
#[derive(Default)]
struct Lenta {
    llamadas: AtomicUsize,
    sigue: Notify,
}

#[async_trait]
impl Mensajeria for Lenta {
    async fn entregar(&self, _mensaje: &Mensaje) -> Entrega {
        if self.llamadas.fetch_add(1, Ordering::SeqCst) == 0 {
            self.sigue.notified().await;
        }
        Entrega::Entregado
    }

    fn turno(&self, _medio: Medio) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }
}

#[tokio::test]
async fn while_one_replica_sends_a_mail_the_repeat_in_another_sends_none() {
    for action in [DO, Action::AvisarReversion] {
        let lenta = Arc::new(Lenta::default());
        let arnes = Arnes::with(Auth::none(), Some(lenta.clone())).await;
        let otra = App::new(arnes.puerta.clone(), arnes.pool.clone(), lenta.clone());
        let llamadas = || lenta.llamadas.load(Ordering::SeqCst);
        let orden = comando(action, "p-1");
        arnes.app.participation.receive(orden.clone()).await.unwrap();
        eventually("the mail on its way", || async { (llamadas() == 1).then_some(()) }).await;
        otra.participation.run(&orden).await.unwrap();
        assert_eq!(llamadas(), 1, "{action:?}");
        // A do stays silent; of a notice the operator is told why.
        let told = reply_to(&arnes.sidecar.take_messages(), action);
        let motivo = told.map(|reply| failed(Some(reply.outcome)).motivo);
        assert_eq!(motivo.as_deref(), (action != DO).then_some("EnCurso"));
        lenta.sigue.notify_one();
        let reply = eventually("the answer", || async {
            reply_to(&arnes.sidecar.take_messages(), action)
        })
        .await;
        assert_eq!(reply.outcome, Outcome::Done, "{action:?}");
        otra.participation.run(&orden).await.unwrap();
        assert_eq!(llamadas(), 1, "what is recorded is not sent again");
    }
}

#[tokio::test]
async fn a_mail_whose_row_is_gone_is_sent_by_one_replica_all_the_same() {
    for action in [DO, Action::AvisarReversion] {
        let arnes = Arnes::new().await;
        let orden = comando(action, "p-1");
        arnes.mensajeria.caer(1);
        arnes.run(&orden).await;
        sqlx::query("DELETE FROM notificaciones")
            .execute(&arnes.pool)
            .await
            .unwrap();
        let lenta = Arc::new(Lenta::default());
        let llamadas = || lenta.llamadas.load(Ordering::SeqCst);
        let replica = || App::new(arnes.puerta.clone(), arnes.pool.clone(), lenta.clone());
        let (una, otra) = (replica(), replica());
        una.participation.receive(orden.clone()).await.unwrap();
        eventually("the mail on its way", || async { (llamadas() == 1).then_some(()) }).await;
        otra.participation.run(&orden).await.unwrap();
        assert_eq!(llamadas(), 1, "{action:?}");
        arnes.sidecar.take_messages();
        lenta.sigue.notify_one();
        let reply = eventually("the answer", || async {
            reply_to(&arnes.sidecar.take_messages(), action)
        })
        .await;
        assert_eq!((reply.outcome, llamadas()), (Outcome::Done, 1), "{action:?}");
    }
}

#[tokio::test]
async fn what_a_server_answered_is_kept_though_another_command_wrote_the_payment_meanwhile() {
    let lenta = Arc::new(Lenta::default());
    let arnes = Arnes::with(Auth::none(), Some(lenta.clone())).await;
    let otra = App::new(arnes.puerta.clone(), arnes.pool.clone(), lenta.clone());
    let llamadas = || lenta.llamadas.load(Ordering::SeqCst);
    let aviso = comando(Action::AvisarReversion, "p-1");
    arnes.app.participation.receive(aviso.clone()).await.unwrap();
    eventually("the mail on its way", || async { (llamadas() == 1).then_some(()) }).await;
    assert_eq!(arnes.run(&comando(UNDO, "p-1")).await, Some(Outcome::Done));
    otra.participation.run(&aviso).await.unwrap();
    assert_eq!(llamadas(), 1, "whose turn it is does not change by it");
    arnes.sidecar.take_messages();
    lenta.sigue.notify_one();
    let reply = eventually("the answer", || async {
        reply_to(&arnes.sidecar.take_messages(), aviso.action)
    })
    .await;
    assert_eq!((reply.outcome, llamadas()), (Outcome::Done, 1));
    assert_eq!(arnes.fila("p-1", Cual::Reversion).await.unwrap().estado, "ENTREGADA");
    let undone = arnes.document("p-1").await.standing(UNDO);
    assert_eq!(undone, Standing::Answered(Outcome::Done), "the other's is kept, too");
}

#[tokio::test]
async fn a_turn_to_deliver_ends_with_its_process_and_with_a_clock_that_is_set_back() {
    let arnes = Arnes::new().await;
    arnes.mensajeria.caer(1);
    arnes.run(&comando(DO, "p-1")).await;
    let id = Notificacion::id_de(&IdCorrelacion::parse("p-1").unwrap(), &Cual::Alerta.tipo());
    let read_model = &arnes.app.read_model;
    let take = async |id: Uuid, ahora: i64| {
        let taken = read_model.tomar_turno(&id, ahora, ahora + 1_000).await;
        taken.unwrap()
    };
    let now = seedwork_runtime::now_ms();
    assert!(take(id, now).await);
    assert!(!take(id, now + 999).await, "it is taken");
    assert!(!take(id, now - 1_000).await, "clocks differ a little");
    assert!(take(id, now + 1_000).await, "whoever had it died");
    let back = now - 3_600_000;
    assert!(take(id, back).await, "the clock was set back");
    // It is free once who has it gives it back; who had it before has nothing to give.
    read_model.soltar_turno(&id, now + 2_000).await.unwrap();
    assert!(!take(id, back).await);
    read_model.soltar_turno(&id, back + 1_000).await.unwrap();
    assert!(take(id, back).await);
    assert!(!take(Uuid::nil(), now).await, "without a row it is nobody's to take");
}

fn event(message: &Message) -> String {
    json!({"type": message.event_type(), "source": "operator", "data": message.data().unwrap()}).to_string()
}

#[tokio::test]
async fn the_inbox_acknowledges_its_three_commands_and_answers_them_later() {
    let arnes = Arnes::new().await;
    for action in [DO, UNDO, Action::AvisarReversion] {
        let answer = arnes
            .post("/inbox", &event(&Message::Comando(comando(action, "p-1"))))
            .await;
        assert_eq!(answer.body["status"], "SUCCESS", "{action:?}");
        let reply = eventually("a reply", || async { reply_to(&arnes.sidecar.take_messages(), action) }).await;
        assert_eq!(reply.outcome, Outcome::Done, "{action:?}");
    }
}

#[tokio::test]
async fn the_inbox_sets_aside_what_is_not_for_it() {
    let arnes = Arnes::new().await;
    let id = IdCorrelacion::parse("p-1").unwrap();
    let others = Action::all().filter(|action| action.participant() != AppId::Notificaciones);
    let mut messages: Vec<_> = others.map(|action| Message::Comando(comando(action, "p-1"))).collect();
    assert_eq!(messages.len(), 6);
    messages.push(Message::FinalRecibido {
        id_correlacion: id.clone(),
        secuencia: 1,
    });
    messages.push(Message::ContracargoRecibido(Contracargo {
        id_correlacion: id,
        motivo: "fraude".into(),
    }));
    for message in messages {
        let answer = arnes.post("/inbox", &event(&message)).await;
        assert_eq!(answer.body["status"], "DROP", "{}", message.event_type());
    }
}
