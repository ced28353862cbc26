//! What anyone may send to Stripe's door, and to the one that plays Stripe.

use hmac::{Hmac, Mac as _};
use seedwork_runtime::Secret;
use seedwork_runtime::fuzz::Fuzz;
use serde_json::Value;
use sha2::Sha256;

use super::evento::{Evento, Noticia};
use super::firma::verificar;

const EVENTS: [&str; 5] = [
    r#"{"id":"evt_1","type":"charge.dispute.created","object":"event","data":{"object":{"id":"dp_1","object":"dispute","charge":"ch_1","payment_intent":"pi_1","reason":"fraudulent","status":"needs_response","metadata":{}}}}"#,
    r#"{"id":"evt_2","type":"charge.refunded","data":{"object":{"id":"ch_1","object":"charge","payment_intent":{"id":"pi_1","amount":2400},"refunded":true,"metadata":{"idCorrelacion":"p-1"}}}}"#,
    r#"{"id":"evt_3","type":"refund.failed","data":{"object":{"id":"re_1","object":"refund","charge":{"id":"ch_1"},"payment_intent":null,"metadata":null}}}"#,
    r#"{"id":"evt_4","type":"charge.dispute.funds_reinstated","data":{"object":{"charge":"ch_1","status":"won"}}}"#,
    r#"{"id":"evt_5","type":"payment_intent.succeeded","data":{"object":{"object":"payment_intent"}}}"#,
];

/// The text before the bank's words, and the most that follows it.
const MOTIVO: usize = "Disputa en Stripe: ".len() + 200;

#[test]
fn bodies_of_events() {
    let mut fuzz = Fuzz::new("stripe-events", &EVENTS);
    while let Some(body) = fuzz.next_input() {
        match Evento::parse(&body) {
            Ok(evento) => {
                assert!((1..=255).contains(&evento.id.len()));
                if let Noticia::Contracargo { motivo, .. } = &evento.noticia {
                    assert!(motivo.chars().count() <= MOTIVO && !motivo.chars().any(char::is_control));
                }
                // Written anew it says the same; but for numbers that only those who ignore them can read.
                if let Ok(value) = serde_json::from_slice::<Value>(&body) {
                    assert_eq!(Evento::parse(value.to_string().as_bytes()).as_ref(), Ok(&evento));
                }
                fuzz.accepted();
            }
            Err(sentence) => fuzz.refused(&sentence),
        }
    }
}

#[test]
fn signatures() {
    const NOW: i64 = 1_795_543_200;
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    let sign = |t: i64| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec_ours").unwrap();
        mac.update(format!("{t}.").as_bytes());
        mac.update(BODY);
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let ours = [
        Secret::from("whsec_old".to_owned()),
        Secret::from("whsec_ours".to_owned()),
    ];
    let (good, late) = (sign(NOW), sign(NOW - 301));
    let seeds = [
        format!("t={NOW},v1={good}"),
        format!("t={NOW}, v0=abc, v1={late}, v1={}", good.to_uppercase()),
        format!("t={},v1={late}", NOW - 301),
    ];
    let mut fuzz = Fuzz::new("stripe-signatures", &seeds);
    while let Some(header) = fuzz.next_text() {
        match verificar(&header, BODY, &ours, NOW) {
            Ok(()) => {
                let lower = header.to_lowercase();
                assert!(lower.contains(&format!("v1={good}")) && lower.contains(&format!("t={NOW}")));
                assert!(verificar(&header, b"{}", &ours, NOW).is_err(), "of this body alone");
                assert!(
                    verificar(&header, BODY, &ours[..1], NOW).is_err(),
                    "by this secret alone"
                );
                fuzz.accepted();
            }
            Err(error) => fuzz.refused(&error.to_string()),
        }
    }
}
