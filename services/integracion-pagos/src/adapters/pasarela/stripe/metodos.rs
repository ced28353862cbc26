//! With which stored means a payment is paid at Stripe.

use async_trait::async_trait;
use seedwork::{IdCorrelacion, MedioPago, Reason};
use seedwork_runtime::serve::StartupError;

use crate::adapters::pasarela::Respuesta;

/// A means of payment that Stripe holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metodo {
    /// Its id at Stripe (`pm_…`).
    pub id: String,
    /// The customer it is attached to (`cus_…`); none for the test methods.
    pub customer: Option<String>,
}

/// Where the means of a payment comes from. A shop with real clients keeps what its checkout has stored for each of
/// them and answers with that; [`MetodosFijos`] serves tests and trials.
#[async_trait]
pub trait MetodosDePago: Send + Sync + 'static {
    /// The means that this payment is paid with. The same payment must get the same answer each time: another one
    /// under the same key is refused by Stripe.
    async fn metodo(&self, id: &IdCorrelacion, medio_pago: MedioPago) -> Respuesta<Metodo>;
}

/// One means for every client: for tests and trials.
#[derive(Debug, Clone)]
pub struct MetodosFijos {
    credito: String,
    debito: String,
    pse: Option<String>,
}

// === impl MetodosFijos ===

impl MetodosFijos {
    /// `general` for both kinds of card unless they have their own; PSE only with its own, since Stripe has no PSE.
    pub fn new(
        general: &str,
        credito: Option<&str>,
        debito: Option<&str>,
        pse: Option<&str>,
    ) -> Result<Self, StartupError> {
        for metodo in [Some(general), credito, debito, pse].into_iter().flatten() {
            if !metodo.starts_with("pm_") && !metodo.starts_with("card_") {
                // Without what was set: it may be the secret key or a card number, put in the wrong place.
                return Err(StartupError::told(
                    "STRIPE_PAYMENT_METHOD must be the id of a payment method, such as pm_card_visa",
                ));
            }
        }
        Ok(Self {
            credito: credito.unwrap_or(general).to_owned(),
            debito: debito.unwrap_or(general).to_owned(),
            pse: pse.map(str::to_owned),
        })
    }

    /// Whether a means is one of Stripe's test cards, which no live account can charge.
    pub fn son_de_prueba(&self) -> bool {
        let Self { credito, debito, pse } = self;
        [Some(credito), Some(debito), pse.as_ref()]
            .into_iter()
            .flatten()
            .any(|metodo| metodo.starts_with("pm_card_"))
    }
}

#[async_trait]
impl MetodosDePago for MetodosFijos {
    async fn metodo(&self, _: &IdCorrelacion, medio_pago: MedioPago) -> Respuesta<Metodo> {
        let id = match medio_pago {
            MedioPago::TarjetaCredito => Some(&self.credito),
            MedioPago::TarjetaDebito => Some(&self.debito),
            MedioPago::Pse => self.pse.as_ref(),
        };
        match id.cloned() {
            Some(id) => Respuesta::Hecho(Metodo { id, customer: None }),
            None => Respuesta::Rechazado(Reason::new(
                "MedioPagoNoSoportado",
                format!("Stripe no cobra con {medio_pago}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_means_has_its_own_or_the_general_one() {
        let metodos = MetodosFijos::new("pm_a", None, Some("pm_b"), None).unwrap();
        let id = IdCorrelacion::parse("p-1").unwrap();
        for (medio, esperado) in [
            (MedioPago::TarjetaCredito, Some("pm_a")),
            (MedioPago::TarjetaDebito, Some("pm_b")),
            (MedioPago::Pse, None),
        ] {
            let answer = metodos.metodo(&id, medio).await;
            match (answer, esperado) {
                (Respuesta::Hecho(metodo), Some(esperado)) => assert_eq!(metodo.id, esperado),
                (Respuesta::Rechazado(motivo), None) => assert_eq!(motivo.motivo, "MedioPagoNoSoportado"),
                (other, _) => panic!("{medio}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_means_is_refused_and_told_to_nobody() {
        for bad in ["4242424242424242", "sk_live_hush"] {
            for metodos in [
                MetodosFijos::new(bad, None, None, None),
                MetodosFijos::new("pm_a", Some(bad), None, None),
                MetodosFijos::new("pm_a", None, Some(bad), None),
                MetodosFijos::new("pm_a", None, None, Some(bad)),
            ] {
                let sentence = metodos.err().map(|error| error.chain()).unwrap_or_default();
                assert!(sentence.contains("STRIPE_PAYMENT_METHOD"), "{bad}: {sentence}");
                assert!(!sentence.contains(bad), "{sentence}");
            }
        }
    }
}
