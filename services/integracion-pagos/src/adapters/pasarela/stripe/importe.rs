//! Amounts as Stripe counts them. Its minor units are ISO 4217's, but for a few currencies.

use seedwork::{Dinero, Moneda, Reason};

/// An amount for Stripe, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escala {
    /// The same number.
    Igual,
    /// ISO has no decimals and Stripe counts hundredths, which must be zero.
    PorCien,
    /// ISO has hundredths and Stripe whole units.
    EntreCien,
    /// Thousandths whose last digit must be zero.
    Decenas,
    /// Stripe does not take it.
    Ninguna,
}

/// How Stripe counts a currency.
fn escala(moneda: Moneda) -> Escala {
    match moneda.as_str() {
        "ISK" | "UGX" => Escala::PorCien,
        "MGA" => Escala::EntreCien,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Escala::Decenas,
        // The other currencies with thousandths.
        _ if moneda.decimals() == 3 => Escala::Ninguna,
        _ => Escala::Igual,
    }
}

/// The currency as Stripe writes it.
pub(crate) fn moneda(dinero: Dinero) -> String {
    dinero.moneda().as_str().to_ascii_lowercase()
}

/// The amount as Stripe counts it.
///
/// # Errors
/// A refusal, when Stripe cannot take exactly this amount: it is never rounded.
pub(crate) fn hacia(dinero: Dinero) -> Result<i64, Reason> {
    let minor = dinero.minor();
    let exacto = match escala(dinero.moneda()) {
        Escala::Igual => Some(minor),
        Escala::PorCien => minor.checked_mul(100),
        Escala::EntreCien => (minor % 100 == 0).then_some(minor / 100),
        Escala::Decenas => (minor % 10 == 0).then_some(minor),
        Escala::Ninguna => {
            let mensaje = format!("Stripe no cobra en {}", dinero.moneda());
            return Err(Reason::new("MonedaNoSoportada", mensaje));
        }
    };
    exacto.ok_or_else(|| {
        Reason::new(
            "MontoNoSoportado",
            format!("Stripe no puede cobrar exactamente {dinero}"),
        )
    })
}

/// What an amount of Stripe's is in minor units of ours, which may be none at all (nothing was refunded); `None` when
/// it is no amount of that currency.
pub(crate) fn minor(monto: i64, moneda: &str) -> Option<(i64, Moneda)> {
    let moneda = Moneda::parse(&moneda.to_ascii_uppercase()).ok()?;
    let minor = match escala(moneda) {
        Escala::PorCien => (monto % 100 == 0).then_some(monto / 100),
        Escala::EntreCien => monto.checked_mul(100),
        Escala::Igual | Escala::Decenas | Escala::Ninguna => Some(monto),
    }?;
    (minor >= 0).then_some((minor, moneda))
}

/// What an amount of Stripe's is in our words.
pub(crate) fn desde(monto: i64, moneda: &str) -> Option<Dinero> {
    let (minor, moneda) = minor(monto, moneda)?;
    Dinero::from_minor(minor, moneda).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dinero(monto: &str, moneda: &str) -> Dinero {
        Dinero::parse(monto, Moneda::parse(moneda).unwrap()).unwrap()
    }

    #[test]
    fn an_amount_is_counted_as_stripe_does_and_comes_back() {
        for (monto, code, stripe) in [
            ("24.10", "USD", 2_410),
            ("24000.00", "COP", 2_400_000),
            ("500", "JPY", 500),
            ("500", "CLP", 500),
            ("5", "UGX", 500),
            ("5", "ISK", 500),
            ("5.00", "MGA", 5),
            ("5.120", "KWD", 5_120),
            ("10.00", "HUF", 1_000),
            ("10.00", "TWD", 1_000),
        ] {
            let ours = dinero(monto, code);
            assert_eq!(hacia(ours), Ok(stripe), "{monto} {code}");
            assert_eq!(desde(stripe, &moneda(ours)), Some(ours), "{monto} {code}");
        }
    }

    #[test]
    fn what_stripe_cannot_take_exactly_is_refused_not_rounded() {
        for (monto, code, motivo) in [
            ("5.124", "KWD", "MontoNoSoportado"),
            ("5.50", "MGA", "MontoNoSoportado"),
            ("5", "LYD", "MonedaNoSoportada"),
            ("5", "IQD", "MonedaNoSoportada"),
        ] {
            assert_eq!(hacia(dinero(monto, code)).unwrap_err().motivo, motivo, "{monto} {code}");
        }
        assert_eq!(desde(550, "ugx"), None, "half a shilling");
        assert_eq!(desde(500, "xyz"), None);
        assert_eq!(minor(0, "usd").map(|(minor, _)| minor), Some(0));
    }

    #[test]
    fn every_currency_is_exact_or_refused() {
        for moneda in Moneda::all() {
            let whole = dinero("5", moneda.as_str());
            if let Ok(stripe) = hacia(whole) {
                assert_eq!(desde(stripe, moneda.as_str()), Some(whole), "{moneda}");
            }
        }
    }
}
