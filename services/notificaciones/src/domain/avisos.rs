//! The notifications of one payment: what this service keeps in the payment's document.

use seedwork::contrato::Comando;
use serde::{Deserialize, Serialize};

use super::{Notificacion, Texto, Tipo, plantilla};

/// The notifications of one payment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Avisos {
    /// That it is confirmed.
    pub alerta: Option<Notificacion>,
    /// That it was undone.
    pub reversion: Option<Notificacion>,
}

/// One of the notifications that a payment can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cual {
    /// That it is confirmed.
    Alerta,
    /// That it was undone.
    Reversion,
}

// === impl Avisos ===

impl Avisos {
    /// This notification, if it was begun.
    pub fn de(&self, cual: Cual) -> Option<&Notificacion> {
        match cual {
            Cual::Alerta => self.alerta.as_ref(),
            Cual::Reversion => self.reversion.as_ref(),
        }
    }

    /// With this notification as it is now; the other stays as it was.
    #[must_use]
    pub fn con(mut self, cual: Cual, notificacion: Notificacion) -> Self {
        match cual {
            Cual::Alerta => self.alerta = Some(notificacion),
            Cual::Reversion => self.reversion = Some(notificacion),
        }
        self
    }

    /// Those that were begun.
    pub fn todas(&self) -> impl Iterator<Item = &Notificacion> {
        let Self { alerta, reversion } = self;
        [alerta, reversion].into_iter().flatten()
    }
}

// === impl Cual ===

impl Cual {
    /// Its kind.
    pub fn tipo(self) -> Tipo {
        match self {
            Self::Alerta => Tipo::Alerta,
            Self::Reversion => Tipo::AlertaReversion,
        }
    }

    /// What it says.
    pub fn texto(self, comando: &Comando) -> Texto {
        let Comando {
            action: _,
            id_correlacion,
            solicitud,
            reason,
        } = comando;
        match self {
            Self::Alerta => plantilla::confirmado(id_correlacion, solicitud),
            Self::Reversion => plantilla::reversado(id_correlacion, solicitud, reason.as_ref()),
        }
    }
}
