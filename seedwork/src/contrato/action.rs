//! The steps of a payment, what undoes them, and the names all of that has on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::App;

/// A step of the saga, named after its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Step {
    /// Step 1, gestión-clientes: issue the invoice (and refuse a client that does not exist).
    CrearFacturacion,
    /// Step 2, integración-pagos: take the money.
    RealizarPago,
    /// Step 3, gestión-clientes: mark the invoice paid.
    ConfirmarFacturacion,
    /// Step 4, notificaciones: tell the client.
    CrearNotificacion,
}

/// Whether a step is being done or undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// The step's own command.
    Do,
    /// Its compensation.
    Undo,
}

/// Something the operator asks of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Do a step.
    Do(Step),
    /// Undo a step, whatever is known of its doing; succeeds when there is nothing to undo.
    Undo(Step),
    /// Tell the client that the payment was undone. Comes after the last undo and never blocks the end.
    AvisarReversion,
}

/// What a participant answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "tipo", rename_all = "camelCase")]
pub enum Outcome {
    /// It is done (or undone).
    Done,
    /// It definitely did not happen and will not. Only a step's own command can be refused.
    Refused(Reason),
    /// This attempt failed; the next delivery tries again. Only an undo or a notice can fail so.
    Failed(Reason),
}

/// Why: a stable code for machines and a sentence for people, printable: a gateway or a mail server may have written it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "ReasonWire")]
#[schemars(!from)]
pub struct Reason {
    /// CamelCase code, at most 64 characters.
    pub motivo: String,
    /// One sentence, at most 256 characters.
    pub mensaje: String,
    /// For a decline of a gateway's that says so: whether the same may succeed on another day.
    // Left out rather than null: the API server refuses a null where the schema lists names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declive: Option<Declive>,
}

/// A reason as somebody else wrote it.
#[derive(Deserialize)]
struct ReasonWire {
    motivo: String,
    mensaje: String,
    #[serde(default)]
    declive: Option<Declive>,
}

/// What a gateway says of a decline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Declive {
    /// Soft: the same may succeed on another day.
    Suave,
    /// Hard: never to be tried again.
    Duro,
}

// === impl Step ===

impl Step {
    /// Every step, in the order they are done.
    pub const ALL: [Self; 4] = [
        Self::CrearFacturacion,
        Self::RealizarPago,
        Self::ConfirmarFacturacion,
        Self::CrearNotificacion,
    ];

    /// The application that does and undoes it.
    pub fn participant(self) -> App {
        match self {
            Self::CrearFacturacion | Self::ConfirmarFacturacion => App::GestionClientes,
            Self::RealizarPago => App::IntegracionPagos,
            Self::CrearNotificacion => App::Notificaciones,
        }
    }

    /// Whether it moves money, and so is never asked for without a record of it.
    pub fn moves_money(self) -> bool {
        match self {
            Self::RealizarPago => true,
            Self::CrearFacturacion | Self::ConfirmarFacturacion | Self::CrearNotificacion => false,
        }
    }

    /// Its name, which is its command's CloudEvent type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrearFacturacion => "CrearFacturacion",
            Self::RealizarPago => "RealizarPago",
            Self::ConfirmarFacturacion => "ConfirmarFacturacion",
            Self::CrearNotificacion => "CrearNotificacion",
        }
    }

    /// The CloudEvent type of its refusal, which is also the reason that `kubectl get` shows.
    pub fn refused_type(self) -> &'static str {
        match self {
            Self::CrearFacturacion => "FacturacionFallida",
            Self::RealizarPago => "PagoFallido",
            Self::ConfirmarFacturacion => "ConfirmacionFallida",
            Self::CrearNotificacion => "NotificacionFallida",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Action ===

impl Action {
    /// Every action.
    pub fn all() -> impl Iterator<Item = Self> {
        let steps = Step::ALL.into_iter();
        steps
            .clone()
            .map(Self::Do)
            .chain(steps.map(Self::Undo))
            .chain([Self::AvisarReversion])
    }

    /// The application it is asked of.
    pub fn participant(self) -> App {
        match self {
            Self::Do(step) | Self::Undo(step) => step.participant(),
            Self::AvisarReversion => App::Notificaciones,
        }
    }

    /// The CloudEvent type of the command.
    pub fn command_type(self) -> &'static str {
        match self {
            Self::Do(step) => step.as_str(),
            Self::Undo(Step::CrearFacturacion) => "RevertirFacturacion",
            Self::Undo(Step::RealizarPago) => "RevertirPago",
            Self::Undo(Step::ConfirmarFacturacion) => "RevertirConfirmacion",
            Self::Undo(Step::CrearNotificacion) => "RevertirNotificacion",
            Self::AvisarReversion => "AvisarReversion",
        }
    }

    /// The CloudEvent type of an answer to it; `None` for an outcome that this action cannot have.
    pub fn reply_type(self, outcome: &Outcome) -> Option<&'static str> {
        match (self, outcome) {
            (Self::Do(Step::CrearFacturacion), Outcome::Done) => Some("FacturacionCreada"),
            (Self::Do(Step::RealizarPago), Outcome::Done) => Some("PagoRealizado"),
            (Self::Do(Step::ConfirmarFacturacion), Outcome::Done) => Some("FacturacionConfirmada"),
            (Self::Do(Step::CrearNotificacion), Outcome::Done) => Some("NotificacionCreada"),
            (Self::Do(step), Outcome::Refused(_)) => Some(step.refused_type()),
            (Self::Undo(Step::CrearFacturacion), Outcome::Done) => Some("FacturacionRevertida"),
            (Self::Undo(Step::RealizarPago), Outcome::Done) => Some("PagoRevertido"),
            (Self::Undo(Step::ConfirmarFacturacion), Outcome::Done) => Some("ConfirmacionRevertida"),
            (Self::Undo(Step::CrearNotificacion), Outcome::Done) => Some("NotificacionRevertida"),
            (Self::Undo(Step::CrearFacturacion), Outcome::Failed(_)) => Some("ReversionFacturacionFallida"),
            (Self::Undo(Step::RealizarPago), Outcome::Failed(_)) => Some("ReversionPagoFallida"),
            (Self::Undo(Step::ConfirmarFacturacion), Outcome::Failed(_)) => Some("ReversionConfirmacionFallida"),
            (Self::Undo(Step::CrearNotificacion), Outcome::Failed(_)) => Some("ReversionNotificacionFallida"),
            (Self::AvisarReversion, Outcome::Done) => Some("ReversionAvisada"),
            (Self::AvisarReversion, Outcome::Failed(_)) => Some("AvisoReversionFallido"),
            (Self::Do(_), Outcome::Failed(_)) | (Self::Undo(_) | Self::AvisarReversion, Outcome::Refused(_)) => None,
        }
    }
}

// === impl Reason ===

impl Reason {
    /// A reason, cut to the lengths that the resource allows, without what cannot be printed: Postgres stores no NUL.
    pub fn new(motivo: impl Into<String>, mensaje: impl Into<String>) -> Self {
        let cut = |text: String, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect();
        Self {
            motivo: cut(motivo.into(), 64),
            mensaje: cut(mensaje.into(), 256),
            declive: None,
        }
    }

    /// The same, with what the gateway says of the decline, if it says anything.
    #[must_use]
    pub fn with_declive(self, declive: Option<Declive>) -> Self {
        Self { declive, ..self }
    }
}

impl From<ReasonWire> for Reason {
    fn from(wire: ReasonWire) -> Self {
        let ReasonWire {
            motivo,
            mensaje,
            declive,
        } = wire;
        Self::new(motivo, mensaje).with_declive(declive)
    }
}

// === impl Declive ===

impl Declive {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suave => "suave",
            Self::Duro => "duro",
        }
    }

    /// Reads it by its wire name; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Suave, Self::Duro]
            .into_iter()
            .find(|declive| declive.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.motivo, self.mensaje)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_printable_and_short_whoever_wrote_it() {
        let plain = Reason::new("X", "abc");
        assert_eq!(Reason::new("X\r", "a\u{0}b\nc"), plain);
        let read: Reason = serde_json::from_str(r#"{"motivo":"X","mensaje":"a\u0000b\nc"}"#).unwrap();
        assert_eq!(read, plain);
        let long: Reason = serde_json::from_value(
            serde_json::json!({"motivo": "x".repeat(65), "mensaje": "y".repeat(257), "declive": "duro"}),
        )
        .unwrap();
        assert_eq!(
            (long.motivo.len(), long.mensaje.len(), long.declive),
            (64, 256, Some(Declive::Duro))
        );
        let written = serde_json::to_string(&plain).unwrap();
        assert_eq!(written, r#"{"motivo":"X","mensaje":"abc"}"#);
    }
}
