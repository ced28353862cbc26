//! A notification, and the calls that deliver it.

use seedwork::IdCorrelacion;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Estado, Medio, Texto, Tipo, TransicionIlegal, Veredicto};

/// A notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notificacion {
    /// Its identity.
    pub id: Uuid,
    /// What it is about.
    pub tipo: Tipo,
    /// What it says.
    pub valor: String,
    /// How far it got.
    pub estado: Estado,
    /// When it was made: RFC 3339, UTC, to the second.
    pub fecha_creacion: String,
    /// When it last changed: RFC 3339, UTC, to the second.
    pub fecha_actualizacion: String,
}

/// One call to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mensaje {
    /// The idempotency key: the same call has the same key, however often it is made.
    pub clave: String,
    /// The payment, for whoever reads the provider's ledger.
    pub referencia: String,
    /// By which medium.
    pub medio: Medio,
    /// To where.
    pub destino: String,
    /// The subject line, where the medium has one.
    pub asunto: Option<String>,
    /// What to say.
    pub texto: String,
}

// === impl Notificacion ===

impl Notificacion {
    /// The identity of the notification of this kind for a payment (UUIDv5): the same however often it is made.
    pub fn id_de(pago: &IdCorrelacion, tipo: &Tipo) -> Uuid {
        let name = format!("saludtech/notificaciones\0{pago}\0{tipo}");
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }

    /// A notification for a payment, ready for its first medium.
    pub fn preparar(pago: &IdCorrelacion, tipo: Tipo, correo: String, texto: Texto, ahora: String) -> Self {
        let Texto { asunto, cuerpo } = texto;
        Self {
            id: Self::id_de(pago, &tipo),
            tipo,
            valor: cuerpo,
            estado: Estado::Preparada {
                medio: Medio::Correo,
                correo,
                asunto,
                intentos: Vec::new(),
            },
            fecha_creacion: ahora.clone(),
            fecha_actualizacion: ahora,
        }
    }

    /// The call that is to be made; `None` when there is none.
    pub fn mensaje(&self, pago: &IdCorrelacion) -> Option<Mensaje> {
        match &self.estado {
            Estado::Preparada {
                medio,
                correo,
                asunto,
                intentos: _,
            } => Some(Mensaje {
                clave: format!("{pago}/{}/{medio}", self.tipo),
                referencia: pago.to_string(),
                medio: *medio,
                destino: medio.destino(correo),
                asunto: (*medio == Medio::Correo).then(|| asunto.clone()),
                texto: self.valor.clone(),
            }),
            Estado::Registrada { .. } | Estado::Entregada { .. } | Estado::Rechazada { .. } => None,
        }
    }

    /// The notification after the provider's answer.
    pub fn tras(self, veredicto: Veredicto, ahora: String) -> Result<Self, TransicionIlegal> {
        let estado = self.estado.tras(veredicto)?;
        Ok(Self {
            estado,
            fecha_actualizacion: ahora,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwork::Reason;

    fn de_prueba() -> (IdCorrelacion, Notificacion) {
        let pago = IdCorrelacion::parse("p-1").unwrap();
        let texto = Texto {
            asunto: "Pago".into(),
            cuerpo: "Su pago".into(),
        };
        let ahora = "2026-11-24T18:00:00Z".to_owned();
        let notificacion = Notificacion::preparar(&pago, Tipo::Alerta, "ana@x.co".into(), texto, ahora);
        (pago, notificacion)
    }

    #[test]
    fn each_medium_is_called_under_its_own_key_with_the_same_words() {
        let (pago, mut notificacion) = de_prueba();
        let mut calls = Vec::new();
        while let Some(mensaje) = notificacion.mensaje(&pago) {
            assert_eq!(
                (mensaje.referencia.as_str(), mensaje.texto.as_str()),
                ("p-1", "Su pago")
            );
            calls.push((mensaje.clave, mensaje.destino, mensaje.asunto.is_some()));
            notificacion = notificacion
                .tras(Veredicto::Rechazado(Reason::new("MedioRechazado", "m")), String::new())
                .unwrap();
        }
        let expected = [
            ("p-1/ALERTA/correo", "ana@x.co", true),
            ("p-1/ALERTA/sms", "sms:ana@x.co", false),
            ("p-1/ALERTA/push", "push:ana@x.co", false),
        ];
        assert_eq!(
            calls,
            expected.map(|(clave, destino, asunto)| (clave.into(), destino.into(), asunto))
        );
    }

    #[test]
    fn a_change_moves_only_the_date_of_change() {
        let (_, before) = de_prueba();
        let after = before
            .clone()
            .tras(Veredicto::Entregado, "2026-11-24T18:00:09Z".into())
            .unwrap();
        assert_eq!(after.fecha_creacion, before.fecha_creacion);
        assert_eq!(after.fecha_actualizacion, "2026-11-24T18:00:09Z");
    }

    #[test]
    fn ids_differ_by_payment_and_by_kind_and_by_nothing_else() {
        let id = |pago: &str, tipo| Notificacion::id_de(&IdCorrelacion::parse(pago).unwrap(), &tipo);
        assert_eq!(id("p-1", Tipo::Alerta), id("p-1", Tipo::Alerta));
        assert_ne!(id("p-1", Tipo::Alerta), id("p-2", Tipo::Alerta));
        assert_ne!(id("p-1", Tipo::Alerta), id("p-1", Tipo::AlertaReversion));
    }
}
