//! The state of a client's plan: derived from the client's invoices, stored nowhere.

use super::instante::Instante;

/// The state of a client's plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EstadoPlan {
    /// Paid: the period of a confirmed invoice is running.
    Pagado,
    /// Overdue: there were paid periods and all have ended.
    Atrasado,
    /// Nothing was ever paid, or all that was paid was given back.
    Pendiente,
}

// === impl EstadoPlan ===

impl EstadoPlan {
    /// The state at `ahora` of a client whose last confirmed period ends, or ended, at `pagado_hasta`. The end itself
    /// is outside of the period.
    pub fn at(ahora: Instante, pagado_hasta: Option<Instante>) -> Self {
        match pagado_hasta {
            Some(fin) if ahora < fin => Self::Pagado,
            Some(_) => Self::Atrasado,
            None => Self::Pendiente,
        }
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pagado => "PAGADO",
            Self::Atrasado => "ATRASADO",
            Self::Pendiente => "PENDIENTE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_follows_the_end_of_the_last_paid_period() {
        for (ahora, pagado_hasta, expected) in [
            (0, None, EstadoPlan::Pendiente),
            (99, Some(100), EstadoPlan::Pagado),
            (100, Some(100), EstadoPlan::Atrasado),
            (101, Some(100), EstadoPlan::Atrasado),
        ] {
            let estado = EstadoPlan::at(Instante::from_ms(ahora), pagado_hasta.map(Instante::from_ms));
            assert_eq!(estado, expected, "at {ahora}, paid until {pagado_hasta:?}");
        }
    }
}
