//! The rules of requests as the clients of the API read them: in Spanish. `Display` of the same errors is English, for
//! logs and for who works with `kubectl`.

use crate::contrato::Reason;
use crate::dinero::DineroError;
use crate::ids::IdError;
use crate::solicitud::{MedioPago, SolicitudError};

// === impl IdError ===

impl IdError {
    /// The rule, to stand after the name of the field: `idCliente no puede estar vacío`.
    pub fn frase(&self) -> String {
        match self {
            Self::Empty => "no puede estar vacío".to_owned(),
            Self::TooLong(most) => format!("debe tener como máximo {most} caracteres"),
            Self::NotDnsSafe => "solo puede tener letras minúsculas sin tilde, dígitos y guiones interiores".to_owned(),
            Self::NotPrintable => "solo puede tener caracteres imprimibles".to_owned(),
        }
    }
}

// === impl DineroError ===

impl DineroError {
    /// The rule, to stand after the name of the field: `monto debe ser mayor que 0`.
    pub fn frase(&self) -> String {
        match self {
            Self::NotANumber => "debe ser un número decimal simple, como 24 o 24.10".to_owned(),
            Self::NotPositive => "debe ser mayor que 0".to_owned(),
            Self::TooPrecise { moneda, decimals: 0 } => format!("no puede tener decimales en {moneda}"),
            Self::TooPrecise { moneda, decimals } => format!("debe tener como máximo {decimals} decimales en {moneda}"),
            Self::TooLarge => "debe ser como máximo 1000000".to_owned(),
            Self::UnknownCurrency => "debe estar en una moneda ISO 4217, como USD".to_owned(),
        }
    }
}

// === impl SolicitudError ===

impl SolicitudError {
    /// A sentence that names the field and the rule.
    pub fn frase(&self) -> String {
        match self {
            Self::IdCliente(error) => format!("idCliente {}", error.frase()),
            Self::MedioPago => {
                let medios = MedioPago::ALL.map(MedioPago::as_str).join(", ");
                format!("medioPago debe ser uno de {medios}")
            }
            Self::Monto(error) => format!("monto {}", error.frase()),
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The reason as a client reads it. Participants speak to clients; what the operator has to say of a request that
    /// it does not take is said to who runs it, and gets its sentence here.
    #[must_use]
    pub fn para_cliente(&self) -> Self {
        let mensaje = match self.motivo.as_str() {
            "IdentidadUsada" => "ya existe otro pago con este idCorrelacion",
            "SolicitudInvalida" => "la plataforma no acepta esta solicitud; no se hizo ningún cobro",
            _ => return self.clone(),
        };
        Self {
            mensaje: mensaje.to_owned(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::dinero::Moneda;
    use crate::ids::IdCorrelacion;
    use crate::solicitud::SolicitudPago;

    use super::*;

    #[test]
    fn every_broken_rule_is_a_sentence_about_its_field() {
        let frases = |medio: &str, cliente: &str, monto: &str, moneda: &str| -> Vec<_> {
            let moneda = Moneda::parse(moneda).unwrap();
            let errors = SolicitudPago::parse(medio, cliente, monto, moneda).unwrap_err();
            errors.iter().map(SolicitudError::frase).collect()
        };
        assert_eq!(
            frases("Efectivo", "", "-5", "USD"),
            [
                "medioPago debe ser uno de TarjetaCredito, TarjetaDebito, PSE",
                "idCliente no puede estar vacío",
                "monto debe ser mayor que 0"
            ]
        );
        for (cliente, monto, moneda, frase) in [
            ("a\nb", "1", "USD", "idCliente solo puede tener caracteres imprimibles"),
            (
                "c",
                "x",
                "USD",
                "monto debe ser un número decimal simple, como 24 o 24.10",
            ),
            ("c", "1.001", "USD", "monto debe tener como máximo 2 decimales en USD"),
            ("c", "1.5", "CLP", "monto no puede tener decimales en CLP"),
            ("c", "1000001", "USD", "monto debe ser como máximo 1000000"),
        ] {
            assert_eq!(frases("PSE", cliente, monto, moneda), [frase]);
        }
        let long = "x".repeat(129);
        assert_eq!(
            frases("PSE", &long, "1", "USD"),
            ["idCliente debe tener como máximo 128 caracteres"]
        );
        let frase = IdCorrelacion::parse("No").unwrap_err().frase();
        assert!(frase.starts_with("solo puede tener letras minúsculas"), "{frase}");
    }

    #[test]
    fn what_the_operator_says_of_a_request_is_said_to_a_client_in_its_language() {
        let reason = Reason::new("IdentidadUsada", "another payment exists under this idCorrelacion").para_cliente();
        assert_eq!(reason.motivo, "IdentidadUsada");
        assert_eq!(reason.mensaje, "ya existe otro pago con este idCorrelacion");
        let participant = Reason::new("FondosInsuficientes", "no hay fondos");
        assert_eq!(participant.para_cliente(), participant);
    }
}
