//! The signature of a webhook: `Stripe-Signature: t=<seconds>,v1=<hex>,…`, HMAC-SHA256 over `t.body`.

use hmac::{Hmac, Mac as _};
use seedwork_runtime::Secret;
use sha2::Sha256;

/// How far the moment of signing may be from now, in seconds, in either direction.
pub(crate) const TOLERANCIA_S: i64 = 300;

/// Why a webhook is not believed. Displays as a sentence for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FirmaInvalida {
    /// No header, or not of this form.
    #[error("Stripe-Signature debe ser como t=1795543200,v1=5257a869…")]
    Ilegible,
    /// No signature is made with a secret of ours.
    #[error("ninguna firma v1 de Stripe-Signature corresponde al cuerpo y al secreto de este punto de entrada")]
    Ajena,
    /// It was signed too long ago, or too far ahead.
    #[error("el t de Stripe-Signature debe estar a menos de {TOLERANCIA_S} s de ahora")]
    FueraDeHora,
}

/// Whether `body` was signed by a holder of one of the secrets, around now.
pub(crate) fn verificar(header: &str, body: &[u8], secretos: &[Secret], ahora_s: i64) -> Result<(), FirmaInvalida> {
    let mut momento = None;
    let mut firmas = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) if momento.is_none() => momento = Some(value),
            // Two moments: which one was signed?
            Some(("t", _)) => return Err(FirmaInvalida::Ilegible),
            Some(("v1", value)) => firmas.extend(from_hex(value)),
            // Other schemes, of the past and to come.
            Some(_) | None => {}
        }
    }
    let momento = momento.ok_or(FirmaInvalida::Ilegible)?;
    let segundos: i64 = momento.parse().map_err(|_| FirmaInvalida::Ilegible)?;
    let ours = |secreto: &Secret| {
        firmas.iter().any(|firma| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secreto.expose().as_bytes()) else {
                return false;
            };
            mac.update(momento.as_bytes());
            mac.update(b".");
            mac.update(body);
            // Takes as long for a near miss as for a wild guess.
            mac.verify_slice(firma).is_ok()
        })
    };
    if !secretos.iter().any(ours) {
        return Err(FirmaInvalida::Ajena);
    }
    // After the signature: who holds no secret learns nothing of our clock.
    if ahora_s.saturating_sub(segundos).saturating_abs() > TOLERANCIA_S {
        return Err(FirmaInvalida::FueraDeHora);
    }
    Ok(())
}

/// Bytes from hexadecimal; `None` for anything else.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    // from_str_radix takes a sign, which is no digit of a signature.
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| (0..64).step_by(2).map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const BODY: &[u8] = br#"{"id": "evt_1"}"#;
    const NOW: i64 = 1_795_543_200;

    fn secreto(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    fn sign(text: &str, t: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(text.as_bytes()).unwrap();
        mac.update(format!("{t}.").as_bytes());
        mac.update(body);
        let mut hex = String::new();
        for byte in mac.finalize().into_bytes() {
            write!(hex, "{byte:02x}").unwrap();
        }
        hex
    }

    #[test]
    fn what_was_signed_elsewhere_is_read_alike() {
        // Made with `printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test`.
        let known = "35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91";
        let header = format!("t=1700000000,v1={known}");
        assert_eq!(
            verificar(&header, b"{}", &[secreto("whsec_test")], 1_700_000_000),
            Ok(())
        );
    }

    #[test]
    fn one_good_signature_among_several_is_enough() {
        let good = sign("whsec_new", NOW, BODY);
        let other = sign("whsec_gone", NOW, BODY);
        let both = [secreto("whsec_old"), secreto("whsec_new")];
        for header in [
            format!("t={NOW},v1={good}"),
            format!("t={NOW}, v1={other}, v1={good}"),
            format!("v1={good},v0=abc,t={NOW},novelty"),
            format!("t={NOW},v1={}", good.to_uppercase()),
        ] {
            assert_eq!(verificar(&header, BODY, &both, NOW), Ok(()), "{header}");
        }
    }

    #[test]
    fn what_nobody_of_ours_signed_is_refused() {
        let ours = [secreto("whsec_new")];
        let good = sign("whsec_new", NOW, BODY);
        for header in [
            format!("t={NOW},v1={}", sign("whsec_other", NOW, BODY)),
            format!("t={NOW},v1={}", sign("whsec_new", NOW - 1, BODY)),
            format!("t={NOW},v1={}", sign("whsec_new", NOW, b"{}")),
            format!("t={NOW},v0={good}"),
            format!("t={NOW},v1={}", &good[..62]),
            format!("t={NOW},v1=+{}", &good[1..]),
            format!("t={NOW},v1="),
            format!("t={NOW}"),
            format!("t=0{NOW},v1={good}"),
        ] {
            assert_eq!(
                verificar(&header, BODY, &ours, NOW),
                Err(FirmaInvalida::Ajena),
                "{header}"
            );
        }
        for header in [
            "",
            "t",
            "t=,v1=",
            "t=now",
            "v1=ab",
            "t=1,t=2,v1=ab",
            &format!("v1={good}"),
        ] {
            assert_eq!(
                verificar(header, BODY, &ours, NOW),
                Err(FirmaInvalida::Ilegible),
                "{header}"
            );
        }
        assert_eq!(
            verificar(&format!("t={NOW},v1={good}"), BODY, &[], NOW),
            Err(FirmaInvalida::Ajena)
        );
    }

    #[test]
    fn a_signature_holds_for_five_minutes_in_either_direction() {
        let ours = [secreto("whsec_new")];
        for (apart, good) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            let t = NOW + apart;
            let header = format!("t={t},v1={}", sign("whsec_new", t, BODY));
            let expected = if good { Ok(()) } else { Err(FirmaInvalida::FueraDeHora) };
            assert_eq!(verificar(&header, BODY, &ours, NOW), expected, "{apart} s");
        }
    }
}
