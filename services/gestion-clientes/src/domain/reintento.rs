//! Which declined payments are tried again, and when.

use seedwork::{Declive, Reason};

use super::factura::{EstadoFactura, Factura};
use super::instante::Instante;

/// The codes of declines that are soft where the gateway does not say what they are: the same card may pay on another
/// day. A list of what may be tried again, so that a code that nobody has thought of is not.
pub const SUAVES: [&str; 1] = ["FondosInsuficientes"];

/// When a declined payment is tried again: days of 24 hours after it was declined first, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendario(Vec<u16>);

/// Why a list of days is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("REINTENTO_DIAS must be days in ascending order, from 1 to 30, such as 1,3,7")]
pub struct CalendarioError;

// === impl Calendario ===

impl Calendario {
    /// The last day that an attempt may be made on.
    const LAST: u16 = 30;

    /// Reads the days.
    pub fn parse(dias: &[u16]) -> Result<Self, CalendarioError> {
        let ascending = dias.windows(2).all(|pair| pair.first() < pair.last());
        let within = dias.iter().all(|day| (1..=Self::LAST).contains(day));
        if dias.is_empty() || !ascending || !within {
            return Err(CalendarioError);
        }
        Ok(Self(dias.to_vec()))
    }

    /// When the attempt that follows `hechos` ones, the last of them made at `ultimo`, falls due; `None` when there is
    /// none left. One that was late moves the next: they keep their distance.
    pub fn siguiente(&self, declinada: Instante, hechos: usize, ultimo: Option<Instante>) -> Option<Instante> {
        let day = |attempt: usize| self.0.get(attempt).copied().map(i64::from);
        let days = day(hechos)?;
        let last = ultimo.zip(hechos.checked_sub(1).and_then(day));
        let apart = last.map(|(made, its_days)| made.plus_days(days - its_days));
        Some(declinada.plus_days(days)).max(apart)
    }

    /// What was declined before this is looked at no more at `ahora`: every attempt of it has had its day, and a week.
    pub fn desde(&self, ahora: Instante) -> Instante {
        let last = self.0.last().copied().unwrap_or_default();
        ahora.plus_days(-(i64::from(last) + 7))
    }
}

/// Whether the same payment may succeed on another day: the gateway's word counts; a hard decline is never repeated.
pub fn es_suave(reason: &Reason) -> bool {
    match reason.declive {
        Some(Declive::Suave) => true,
        Some(Declive::Duro) => false,
        None => SUAVES.contains(&reason.motivo.as_str()),
    }
}

/// Why a retry is not made after all.
pub fn ya_pagado() -> Reason {
    let mensaje = "el cliente ya pagó o tiene otro pago en curso; este reintento automático no se cobra";
    Reason::new("YaPagado", mensaje)
}

/// The moment that an invoice was cancelled by a soft decline; `None` for any other.
pub fn declinada(factura: &Factura) -> Option<Instante> {
    let cancelada = factura.estado == EstadoFactura::Cancelada;
    let cancelacion = factura.cancelacion.as_ref().filter(|_| cancelada)?;
    es_suave(&cancelacion.reason).then_some(cancelacion.cuando)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_have_their_days_and_an_end() {
        let calendario = Calendario::parse(&[1, 3, 7]).unwrap();
        let declinada = Instante::from_ms(5);
        for (hechos, days) in [(0, Some(1)), (1, Some(3)), (2, Some(7)), (3, None)] {
            let due = days.map(|days| declinada.plus_days(days));
            assert_eq!(calendario.siguiente(declinada, hechos, None), due, "{hechos}");
        }
        assert_eq!(calendario.desde(declinada.plus_days(14)), declinada);
    }

    #[test]
    fn attempts_that_are_late_keep_their_distance() {
        let calendario = Calendario::parse(&[1, 3, 7]).unwrap();
        let day = |days| Instante::from_ms(5).plus_days(days);
        for (hechos, ultimo, due) in [
            (1, day(1), Some(day(3))),
            (1, day(7), Some(day(9))),
            (2, day(9), Some(day(13))),
            // Nothing is earlier than its day, whatever a clock showed.
            (2, day(0), Some(day(7))),
            (3, day(13), None),
        ] {
            assert_eq!(calendario.siguiente(day(0), hechos, Some(ultimo)), due, "{hechos}");
        }
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        for bad in [&[][..], &[0], &[31], &[3, 1], &[1, 1]] {
            assert_eq!(Calendario::parse(bad), Err(CalendarioError), "{bad:?}");
        }
    }

    #[test]
    fn the_word_of_the_gateway_counts_whatever_the_code() {
        for (motivo, declive, suave) in [
            ("LimiteDiario", Declive::Suave, true),
            ("FondosInsuficientes", Declive::Suave, true),
            ("FondosInsuficientes", Declive::Duro, false),
            ("TarjetaRobada", Declive::Duro, false),
        ] {
            let reason = Reason::new(motivo, "x").with_declive(Some(declive));
            assert_eq!(es_suave(&reason), suave, "{motivo} {declive:?}");
        }
    }

    #[test]
    fn without_it_only_a_known_soft_decline_is_soft() {
        for (motivo, suave) in [
            ("FondosInsuficientes", true),
            ("TarjetaRechazada", false),
            ("TarjetaVencida", false),
            ("TarjetaRobada", false),
            ("Contracargo", false),
            ("Cancelado", false),
            ("PlazoVencido", false),
            ("AlgoNuevo", false),
            ("", false),
        ] {
            assert_eq!(es_suave(&Reason::new(motivo, "x")), suave, "{motivo}");
        }
    }
}
