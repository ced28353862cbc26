//! Every message on the bus, and how it is written and read.

use schemars::{Schema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, App, Outcome, Reason, Step};
use crate::estado::EstadoPago;
use crate::ids::IdCorrelacion;
use crate::solicitud::SolicitudPago;

/// Everything that travels. The CloudEvent `type` names the variant, `subject` is the `idCorrelacion`; the two
/// together are the key that receivers de-duplicate by.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Operator → participant.
    Comando(Comando),
    /// Participant → operator.
    Respuesta(Respuesta),
    /// A door → operator. Also the question "what became of it?": an unknown payment is started, a known one is
    /// answered with its state.
    SolicitarPago(SolicitarPago),
    /// Operator → the door that asked: this request can never become a payment.
    SolicitudRechazada {
        /// Which request.
        id_correlacion: IdCorrelacion,
        /// Why.
        reason: Reason,
    },
    /// Operator → BFF and the door that asked: the whole state after a transition. An ended one repeats until
    /// [`Message::FinalRecibido`].
    SagaActualizada(Box<EstadoPago>),
    /// BFF → operator: the ended state is stored.
    FinalRecibido {
        /// Which payment.
        id_correlacion: IdCorrelacion,
        /// Which state of it.
        secuencia: u64,
    },
    /// Integración-pagos → operator: the client's bank took the money back. Repeats until
    /// [`Message::ContracargoAtendido`].
    ContracargoRecibido(Contracargo),
    /// Operator → integración-pagos: recorded on the saga.
    ContracargoAtendido {
        /// Which payment.
        id_correlacion: IdCorrelacion,
    },
}

/// What the operator asks of a participant: the action, and all a participant may know of the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comando {
    /// What to do.
    pub action: Action,
    /// For which payment.
    pub id_correlacion: IdCorrelacion,
    /// What was asked for.
    pub solicitud: SolicitudPago,
    /// Why it is undone; only with an undo or a notice.
    pub reason: Option<Reason>,
}

/// What a participant answers to a [`Comando`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respuesta {
    /// The action it answers.
    pub action: Action,
    /// For which payment.
    pub id_correlacion: IdCorrelacion,
    /// How it went.
    pub outcome: Outcome,
}

/// A request on its way to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SolicitarPago {
    /// The payment's identity, made at the door.
    pub id_correlacion: IdCorrelacion,
    /// What is asked for.
    pub solicitud: SolicitudPago,
    /// The door, which wants to know the end.
    pub origen: App,
}

/// A chargeback on its way to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contracargo {
    /// Which payment.
    pub id_correlacion: IdCorrelacion,
    /// The gateway's words.
    pub motivo: String,
}

/// Why a message cannot be read. It goes to the dead-letter topic.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Nobody sends this type; its beginning, for the log: at most 64 characters, all printable.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// The data does not fit the type.
    #[error("the data of {event_type} does not fit")]
    Data {
        /// The CloudEvent type.
        event_type: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

/// How much is said of a type that nobody sends, in characters: who sent it may have written anything.
const UNKNOWN_MAX: usize = 64;

/// The data of a command.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ComandoData {
    id_correlacion: IdCorrelacion,
    solicitud: SolicitudPago,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// The data of every message that is an id and at most a reason.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReasonData {
    id_correlacion: IdCorrelacion,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FinalData {
    id_correlacion: IdCorrelacion,
    secuencia: u64,
}

const SOLICITAR_PAGO: &str = "SolicitarPago";
const SOLICITUD_RECHAZADA: &str = "SolicitudRechazada";
const SAGA_ACTUALIZADA: &str = "SagaActualizada";
const FINAL_RECIBIDO: &str = "FinalRecibido";
const CONTRACARGO_RECIBIDO: &str = "ContracargoRecibido";
const CONTRACARGO_ATENDIDO: &str = "ContracargoAtendido";

/// Each message as documents show it: its type, who sends it, who receives it, the schema of its data.
pub(super) fn descriptions() -> Vec<(&'static str, Vec<App>, Vec<App>, Schema)> {
    let mut all = Vec::new();
    for action in Action::all() {
        let to = vec![action.participant()];
        all.push((
            action.command_type(),
            vec![App::Operator],
            to.clone(),
            schema_for!(ComandoData),
        ));
        let probe = Reason::new("", "");
        let outcomes = [Outcome::Done, Outcome::Refused(probe.clone()), Outcome::Failed(probe)];
        let replies = outcomes.iter().filter_map(|outcome| action.reply_type(outcome));
        all.extend(replies.map(|reply| (reply, to.clone(), vec![App::Operator], schema_for!(ReasonData))));
    }
    let (operator, doors) = (vec![App::Operator], vec![App::Bff, App::GestionClientes]);
    let pagos = vec![App::IntegracionPagos];
    all.extend([
        (
            SOLICITAR_PAGO,
            doors.clone(),
            operator.clone(),
            schema_for!(SolicitarPago),
        ),
        (
            SOLICITUD_RECHAZADA,
            operator.clone(),
            doors.clone(),
            schema_for!(ReasonData),
        ),
        (SAGA_ACTUALIZADA, operator.clone(), doors, schema_for!(EstadoPago)),
        (FINAL_RECIBIDO, vec![App::Bff], operator.clone(), schema_for!(FinalData)),
        (
            CONTRACARGO_RECIBIDO,
            pagos.clone(),
            operator.clone(),
            schema_for!(Contracargo),
        ),
        (CONTRACARGO_ATENDIDO, operator, pagos, schema_for!(ReasonData)),
    ]);
    all
}

// === impl Message ===

impl Message {
    /// The CloudEvent `type`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Comando(comando) => comando.action.command_type(),
            // An outcome that its action cannot have is not constructible through `Respuesta::new`.
            Self::Respuesta(respuesta) => respuesta
                .action
                .reply_type(&respuesta.outcome)
                .unwrap_or("RespuestaImposible"),
            Self::SolicitarPago(_) => SOLICITAR_PAGO,
            Self::SolicitudRechazada { .. } => SOLICITUD_RECHAZADA,
            Self::SagaActualizada(_) => SAGA_ACTUALIZADA,
            Self::FinalRecibido { .. } => FINAL_RECIBIDO,
            Self::ContracargoRecibido(_) => CONTRACARGO_RECIBIDO,
            Self::ContracargoAtendido { .. } => CONTRACARGO_ATENDIDO,
        }
    }

    /// The CloudEvent `subject`: the payment it is about.
    pub fn subject(&self) -> &IdCorrelacion {
        match self {
            Self::Comando(comando) => &comando.id_correlacion,
            Self::Respuesta(respuesta) => &respuesta.id_correlacion,
            Self::SolicitarPago(solicitar) => &solicitar.id_correlacion,
            Self::SagaActualizada(estado) => &estado.id_correlacion,
            Self::ContracargoRecibido(contracargo) => &contracargo.id_correlacion,
            Self::SolicitudRechazada { id_correlacion, .. }
            | Self::FinalRecibido { id_correlacion, .. }
            | Self::ContracargoAtendido { id_correlacion } => id_correlacion,
        }
    }

    /// What receivers de-duplicate by. The CloudEvent `id` is this plus the attempt, since some brokers drop an id
    /// they have seen.
    pub fn key(&self) -> String {
        format!("{}/{}", self.subject(), self.event_type())
    }

    /// The CloudEvent `data`.
    pub fn data(&self) -> Result<Value, serde_json::Error> {
        match self.clone() {
            Self::Comando(Comando {
                action: _,
                id_correlacion,
                solicitud,
                reason,
            }) => serde_json::to_value(ComandoData {
                id_correlacion,
                solicitud,
                reason,
            }),
            Self::Respuesta(Respuesta {
                action: _,
                id_correlacion,
                outcome,
            }) => {
                let reason = match outcome {
                    Outcome::Done => None,
                    Outcome::Refused(reason) | Outcome::Failed(reason) => Some(reason),
                };
                serde_json::to_value(ReasonData { id_correlacion, reason })
            }
            Self::SolicitarPago(data) => serde_json::to_value(data),
            Self::SolicitudRechazada { id_correlacion, reason } => serde_json::to_value(ReasonData {
                id_correlacion,
                reason: Some(reason),
            }),
            Self::SagaActualizada(data) => serde_json::to_value(data),
            Self::FinalRecibido {
                id_correlacion,
                secuencia,
            } => serde_json::to_value(FinalData {
                id_correlacion,
                secuencia,
            }),
            Self::ContracargoRecibido(data) => serde_json::to_value(data),
            Self::ContracargoAtendido { id_correlacion } => serde_json::to_value(ReasonData {
                id_correlacion,
                reason: None,
            }),
        }
    }

    /// Reads a message from the `type` and `data` of its CloudEvent.
    pub fn decode(event_type: &str, data: Value) -> Result<Self, Unreadable> {
        if let Some(action) = Action::all().find(|action| action.command_type() == event_type) {
            let ComandoData {
                id_correlacion,
                solicitud,
                reason,
            } = read(event_type, data)?;
            return Ok(Self::Comando(Comando {
                action,
                id_correlacion,
                solicitud,
                reason,
            }));
        }
        match event_type {
            SOLICITAR_PAGO => read(event_type, data).map(Self::SolicitarPago),
            SOLICITUD_RECHAZADA => {
                let ReasonData { id_correlacion, reason } = read(event_type, data)?;
                let reason = reason.unwrap_or_else(|| Reason::new(SOLICITUD_RECHAZADA, ""));
                Ok(Self::SolicitudRechazada { id_correlacion, reason })
            }
            SAGA_ACTUALIZADA => read(event_type, data).map(Self::SagaActualizada),
            FINAL_RECIBIDO => {
                let FinalData {
                    id_correlacion,
                    secuencia,
                } = read(event_type, data)?;
                Ok(Self::FinalRecibido {
                    id_correlacion,
                    secuencia,
                })
            }
            CONTRACARGO_RECIBIDO => read(event_type, data).map(Self::ContracargoRecibido),
            CONTRACARGO_ATENDIDO => {
                let ReasonData {
                    id_correlacion,
                    reason: _,
                } = read(event_type, data)?;
                Ok(Self::ContracargoAtendido { id_correlacion })
            }
            other => decode_respuesta(other, data),
        }
    }
}

fn read<T: DeserializeOwned>(event_type: &str, data: Value) -> Result<T, Unreadable> {
    serde_json::from_value(data).map_err(|source| Unreadable::Data {
        event_type: event_type.to_owned(),
        source,
    })
}

fn decode_respuesta(event_type: &str, data: Value) -> Result<Message, Unreadable> {
    // The table of reply types is searched with a stand-in reason; the real one is in the data.
    let probe = Reason::new("", "");
    let outcomes = [Outcome::Done, Outcome::Refused(probe.clone()), Outcome::Failed(probe)];
    let (action, outcome) = Action::all()
        .flat_map(|action| outcomes.iter().map(move |outcome| (action, outcome)))
        .find(|(action, outcome)| action.reply_type(outcome) == Some(event_type))
        .ok_or_else(|| {
            let printable = event_type.chars().filter(|c| !c.is_control());
            Unreadable::UnknownType(printable.take(UNKNOWN_MAX).collect())
        })?;
    let ReasonData { id_correlacion, reason } = read(event_type, data)?;
    let reason = reason.unwrap_or_else(|| Reason::new(event_type, ""));
    let outcome = match outcome {
        Outcome::Done => Outcome::Done,
        Outcome::Refused(_) => Outcome::Refused(reason),
        Outcome::Failed(_) => Outcome::Failed(reason),
    };
    Ok(Message::Respuesta(Respuesta {
        action,
        id_correlacion,
        outcome,
    }))
}

// === impl Respuesta ===

impl Respuesta {
    /// The answer to a command; a do that merely failed, or an undo that is refused, is made into the outcome that
    /// the action can have.
    pub fn new(comando: &Comando, outcome: Outcome) -> Self {
        let outcome = match (comando.action, outcome) {
            (Action::Do(_), Outcome::Failed(reason)) => Outcome::Refused(reason),
            (Action::Undo(_) | Action::AvisarReversion, Outcome::Refused(reason)) => Outcome::Failed(reason),
            (_, outcome) => outcome,
        };
        Self {
            action: comando.action,
            id_correlacion: comando.id_correlacion.clone(),
            outcome,
        }
    }
}

// === impl Comando ===

impl Comando {
    /// The step it is about; `None` for the notice.
    pub fn step(&self) -> Option<Step> {
        match self.action {
            Action::Do(step) | Action::Undo(step) => Some(step),
            Action::AvisarReversion => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contrato::Declive;
    use crate::dinero::{Dinero, Moneda};
    use crate::ids::IdCliente;
    use crate::solicitud::MedioPago;

    fn solicitud() -> SolicitudPago {
        SolicitudPago {
            id_cliente: IdCliente::parse("c-1").unwrap(),
            medio_pago: MedioPago::Pse,
            dinero: Dinero::parse("24.10", Moneda::USD).unwrap(),
        }
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        let id = IdCorrelacion::parse("p-1").unwrap();
        let reason = Reason::new("FondosInsuficientes", "no hay fondos").with_declive(Some(Declive::Suave));
        let mut messages = vec![
            Message::SolicitarPago(SolicitarPago {
                id_correlacion: id.clone(),
                solicitud: solicitud(),
                origen: App::GestionClientes,
            }),
            Message::SolicitudRechazada {
                id_correlacion: id.clone(),
                reason: reason.clone(),
            },
            Message::FinalRecibido {
                id_correlacion: id.clone(),
                secuencia: 7,
            },
            Message::ContracargoRecibido(Contracargo {
                id_correlacion: id.clone(),
                motivo: "fraude".into(),
            }),
            Message::ContracargoAtendido {
                id_correlacion: id.clone(),
            },
        ];
        for action in Action::all() {
            let comando = Comando {
                action,
                id_correlacion: id.clone(),
                solicitud: solicitud(),
                reason: Some(reason.clone()),
            };
            for outcome in [
                Outcome::Done,
                Outcome::Refused(reason.clone()),
                Outcome::Failed(reason.clone()),
            ] {
                messages.push(Message::Respuesta(Respuesta::new(&comando, outcome)));
            }
            messages.push(Message::Comando(comando));
        }
        for message in messages {
            let read = Message::decode(message.event_type(), message.data().unwrap()).unwrap();
            assert_eq!(read, message);
        }
    }

    #[test]
    fn no_two_messages_share_a_type() {
        let reason = Reason::new("R", "r");
        let outcomes = [Outcome::Done, Outcome::Refused(reason.clone()), Outcome::Failed(reason)];
        let mut types: Vec<_> = Action::all()
            .flat_map(|a| {
                let replies: Vec<_> = outcomes.iter().filter_map(|o| a.reply_type(o)).collect();
                std::iter::once(a.command_type()).chain(replies)
            })
            .chain([SOLICITAR_PAGO, SOLICITUD_RECHAZADA, SAGA_ACTUALIZADA, FINAL_RECIBIDO])
            .chain([CONTRACARGO_RECIBIDO, CONTRACARGO_ATENDIDO])
            .collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let long = format!("Na\nda{}", "x".repeat(100_000));
        for (unknown, said) in [("Nada", "Nada".to_owned()), (&long, format!("Nada{}", "x".repeat(60)))] {
            let error = Message::decode(unknown, Value::Null).unwrap_err();
            assert!(matches!(error, Unreadable::UnknownType(known) if known == said));
        }
        let error = Message::decode("RealizarPago", serde_json::json!({"idCorrelacion": "x"})).unwrap_err();
        assert!(matches!(error, Unreadable::Data { .. }));
    }
}
