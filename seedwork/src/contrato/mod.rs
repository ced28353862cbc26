//! The wire: who sends what to whom, under which CloudEvent type.
//!
//! One inbox topic per application; a receiver routes by CloudEvent `type`. The steps of a payment and the table of
//! command and reply types are here once; services and engine both derive from it.

mod action;
pub mod asyncapi;
mod message;

use serde::{Deserialize, Serialize};

pub use action::{Action, Declive, Direction, Outcome, Reason, Step};
pub use message::{Comando, Contracargo, Message, Respuesta, SolicitarPago, Unreadable};

/// An application on the bus: its Dapr app id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum App {
    /// The operator: owns the saga.
    Operator,
    /// The backend for frontends.
    Bff,
    /// Clients and invoices.
    GestionClientes,
    /// Payments and the gateway.
    IntegracionPagos,
    /// Notifications and their delivery.
    Notificaciones,
}

impl App {
    /// Every application.
    pub const ALL: [Self; 5] = [
        Self::Operator,
        Self::Bff,
        Self::GestionClientes,
        Self::IntegracionPagos,
        Self::Notificaciones,
    ];

    /// Its Dapr app id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Bff => "bff",
            Self::GestionClientes => "gestion-clientes",
            Self::IntegracionPagos => "integracion-pagos",
            Self::Notificaciones => "notificaciones",
        }
    }

    /// The application of this Dapr app id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.id() == id)
    }

    /// Whether it keeps documents. Who keeps none has no state store, and needs none to work.
    pub fn keeps_documents(self) -> bool {
        match self {
            Self::GestionClientes | Self::IntegracionPagos | Self::Notificaciones => true,
            Self::Operator | Self::Bff => false,
        }
    }

    /// The topic it reads.
    pub fn inbox(self) -> String {
        format!("inbox-{}", self.id())
    }

    /// The topic that keeps what it could not read or handle.
    pub fn dead_letters(self) -> String {
        format!("dead-letter-{}", self.id())
    }
}

impl std::fmt::Display for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
