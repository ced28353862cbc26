//! What a client is told of an invoice that falls due, and when.

use super::factura::PERIODO_DIAS;
use super::instante::Instante;

/// A kind of reminder. Each is told once for an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clase {
    /// The paid period ends soon.
    Antes,
    /// The paid period has ended and nothing else pays for the client.
    Despues,
}

/// When reminders are told, in days of 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reglas {
    /// This long before the due date; 0 tells nothing before it.
    pub dias_antes: i64,
    /// This long after it.
    pub dias_despues: i64,
}

// === impl Clase ===

impl Clase {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Antes, Self::Despues];

    /// Its name in the table and in the idempotency key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Antes => "antes",
            Self::Despues => "despues",
        }
    }

    /// What the client reads; `vence` is the due date as it is written.
    pub fn texto(self, vence: &str) -> String {
        match self {
            Self::Antes => format!(
                "Su plan está pagado hasta el {vence}. Realice su próximo pago antes de esa fecha para no atrasarse."
            ),
            Self::Despues => {
                format!("Su plan venció el {vence} y está atrasado. Realice su pago para ponerse al día.")
            }
        }
    }
}

// === impl Reglas ===

impl Reglas {
    /// The due dates of which this kind is told at `ahora`: after the first moment, up to the second.
    ///
    /// What fell due longer than a period ago is left in peace: a job that is switched on late, or was down for long,
    /// does not write to clients who left.
    pub fn vencimientos(self, clase: Clase, ahora: Instante) -> (Instante, Instante) {
        match clase {
            Clase::Antes => (ahora, ahora.plus_days(self.dias_antes)),
            Clase::Despues => {
                let hasta = ahora.plus_days(-self.dias_despues);
                (hasta.plus_days(-PERIODO_DIAS), hasta)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_is_told_within_its_days() {
        let reglas = Reglas {
            dias_antes: 3,
            dias_despues: 1,
        };
        let vence = Instante::from_ms(0).plus_days(100);
        let told = |clase, days: i64, ms: i64| {
            let ahora = Instante::from_ms(vence.plus_days(days).ms() + ms);
            let (desde, hasta) = reglas.vencimientos(clase, ahora);
            desde < vence && vence <= hasta
        };
        for (clase, days, ms, expected) in [
            (Clase::Antes, -3, -1, false),
            (Clase::Antes, -3, 0, true),
            (Clase::Antes, 0, -1, true),
            (Clase::Antes, 0, 0, false),
            (Clase::Despues, 1, -1, false),
            (Clase::Despues, 1, 0, true),
            (Clase::Despues, 31, -1, true),
            (Clase::Despues, 31, 0, false),
        ] {
            assert_eq!(told(clase, days, ms), expected, "{clase:?} {days} d {ms} ms");
        }
    }

    #[test]
    fn nothing_is_told_before_when_there_are_no_days_before() {
        let reglas = Reglas {
            dias_antes: 0,
            dias_despues: 1,
        };
        let ahora = Instante::from_ms(1);
        assert_eq!(reglas.vencimientos(Clase::Antes, ahora), (ahora, ahora));
    }
}
