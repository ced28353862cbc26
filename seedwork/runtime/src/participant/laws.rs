//! The laws as one suite, run by every participant over every sidecar.
//!
//! A participant passes a way to make one of its commands; the suite plays the operator and a hostile network.

use std::sync::Arc;
use std::time::Duration;

use seedwork::contrato::{Comando, Respuesta};
use seedwork::{Action, IdCorrelacion, MedioPago, Message, Outcome, SolicitudPago, Step};

use super::{Documento, Participant, Participation, Standing};
use crate::sidecar::{Document, Sidecar};

/// A command for a payment of 24.00 USD by client `c-1`.
pub fn comando(action: Action, id: &str) -> Comando {
    comando_de(action, id, "c-1")
}

/// A command for a payment of 24.00 USD.
pub fn comando_de(action: Action, id: &str, cliente: &str) -> Comando {
    let solicitud = SolicitudPago::parse(
        MedioPago::TarjetaCredito.as_str(),
        cliente,
        "24.00",
        seedwork::Moneda::USD,
    );
    Comando {
        action,
        id_correlacion: IdCorrelacion::parse(id).unwrap_or_else(|error| panic!("{id} {error}")),
        solicitud: solicitud.unwrap_or_else(|errors| panic!("{errors:?}")),
        reason: None,
    }
}

/// Runs `check` until it gives a value, for at most ten seconds.
pub async fn eventually<T, F>(what: &str, mut check: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Some(value) = check().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience
        .await
        .unwrap_or_else(|_| panic!("waited ten seconds for {what}"))
}

/// One participant under test.
pub struct Laws<P> {
    /// The participant at work.
    pub participation: Arc<Participation<P>>,
    /// Its sidecar.
    pub sidecar: Arc<dyn Sidecar>,
    /// Makes ids unique between runs over one real store.
    pub run: String,
    /// Who pays.
    pub cliente: String,
}

impl<P: Participant> Laws<P> {
    /// Every law, for each of these steps.
    pub async fn hold_for(&self, steps: &[Step]) {
        for step in steps {
            self.a_repeated_command_changes_nothing(*step).await;
            self.an_undo_before_its_do_refuses_it(*step).await;
            self.an_undo_twice_is_one_undo(*step).await;
            self.a_do_after_its_undo_is_refused(*step).await;
        }
    }

    async fn document(&self, id: &IdCorrelacion) -> Documento<P::Aggregate> {
        let Document { value, .. } = self
            .participation
            .document(id)
            .await
            .unwrap_or_else(|f| panic!("{}", f.chain()));
        value.unwrap_or_default()
    }

    /// Delivers and waits until the command has an answer on record.
    async fn settle(&self, comando: &Comando) -> (Outcome, Documento<P::Aggregate>) {
        eventually("an answer on record", || async {
            self.participation
                .receive(comando.clone())
                .await
                .unwrap_or_else(|f| panic!("{}", f.chain()));
            let documento = self.document(&comando.id_correlacion).await;
            match documento.standing(comando.action) {
                Standing::Answered(outcome) => Some((outcome, documento)),
                Standing::Open | Standing::NeedsTombstone => None,
            }
        })
        .await
    }

    /// The payment that a law is tried with.
    pub fn id(&self, law: &str, step: Step) -> String {
        format!("{law}-{}-{}", step.as_str().to_lowercase(), self.run)
    }

    fn comando(&self, action: Action, id: &str) -> Comando {
        comando_de(action, id, &self.cliente)
    }

    async fn a_repeated_command_changes_nothing(&self, step: Step) {
        let comando = self.comando(Action::Do(step), &self.id("repeat", step));
        let (first, recorded) = self.settle(&comando).await;
        for _ in 0..3 {
            let (again, after) = self.settle(&comando).await;
            assert_eq!(again, first, "{step}: a repeat gives the stored answer");
            assert_eq!(after, recorded, "{step}: a repeat changes nothing");
        }
    }

    async fn an_undo_before_its_do_refuses_it(&self, step: Step) {
        let id = self.id("early", step);
        let (outcome, _) = self.settle(&self.comando(Action::Undo(step), &id)).await;
        assert_eq!(
            outcome,
            Outcome::Done,
            "{step}: there is nothing to undo, and that is a success"
        );
        let (late, _) = self.settle(&self.comando(Action::Do(step), &id)).await;
        assert!(
            matches!(&late, Outcome::Refused(reason) if reason.motivo == "Revertido"),
            "{step}: {late:?}"
        );
    }

    async fn an_undo_twice_is_one_undo(&self, step: Step) {
        let id = self.id("twice", step);
        self.settle(&self.comando(Action::Do(step), &id)).await;
        let (first, recorded) = self.settle(&self.comando(Action::Undo(step), &id)).await;
        assert_eq!(first, Outcome::Done, "{step}");
        let (again, after) = self.settle(&self.comando(Action::Undo(step), &id)).await;
        assert_eq!(
            (again, after),
            (first, recorded),
            "{step}: the second undo changes nothing"
        );
    }

    async fn a_do_after_its_undo_is_refused(&self, step: Step) {
        let id = self.id("after", step);
        self.settle(&self.comando(Action::Do(step), &id)).await;
        let (_, undone) = self.settle(&self.comando(Action::Undo(step), &id)).await;
        let (late, after) = self.settle(&self.comando(Action::Do(step), &id)).await;
        assert!(matches!(late, Outcome::Refused(_)), "{step}: {late:?}");
        assert_eq!(after, undone, "{step}: a late original changes nothing");
    }
}

/// The reply among `messages` to this action, if any.
pub fn reply_to(messages: &[Message], action: Action) -> Option<Respuesta> {
    messages.iter().find_map(|message| {
        let Message::Respuesta(respuesta) = message else {
            return None;
        };
        (respuesta.action == action).then(|| respuesta.clone())
    })
}
