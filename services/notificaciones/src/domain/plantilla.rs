//! What clients read.

use seedwork::{IdCorrelacion, MedioPago, Reason, SolicitudPago};

use super::{Factura, Tipo};

/// A text with its subject line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texto {
    /// The subject line, for media that have one.
    pub asunto: String,
    /// The text itself.
    pub cuerpo: String,
}

/// The payment is confirmed.
pub fn confirmado(pago: &IdCorrelacion, solicitud: &SolicitudPago) -> Texto {
    let SolicitudPago {
        id_cliente: _,
        medio_pago,
        dinero,
    } = solicitud;
    Texto {
        asunto: format!("Su pago de {dinero} está confirmado"),
        cuerpo: format!(
            "Recibimos su pago de {dinero} con {}. Referencia: {pago}.",
            palabras(*medio_pago)
        ),
    }
}

/// The payment was undone, and why.
pub fn reversado(pago: &IdCorrelacion, solicitud: &SolicitudPago, reason: Option<&Reason>) -> Texto {
    let SolicitudPago {
        id_cliente: _,
        medio_pago,
        dinero,
    } = solicitud;
    let motivo = reason
        .map(|reason| reason.mensaje.trim().trim_end_matches('.'))
        .filter(|text| !text.is_empty());
    let motivo = motivo.map(|text| format!(" Motivo: {text}.")).unwrap_or_default();
    let medio = palabras(*medio_pago);
    Texto {
        asunto: format!("Su pago de {dinero} quedó sin efecto"),
        cuerpo: format!(
            "Su pago de {dinero} con {medio} quedó sin efecto; si hubo algún cobro, ya fue devuelto.{motivo} Referencia: {pago}."
        ),
    }
}

/// The subject line of a notification whose text a caller wrote.
pub fn asunto(tipo: &Tipo) -> &'static str {
    match tipo {
        Tipo::Recordatorio => "Recordatorio de pago de SaludTech",
        Tipo::AlertaReversion => "Un pago suyo en SaludTech quedó sin efecto",
        Tipo::Alerta | Tipo::Otro(_) => "Aviso de SaludTech",
    }
}

/// A reminder: the caller's words, if there are any, and the invoice.
pub fn recordatorio(palabras: &str, factura: &Factura) -> String {
    let Factura { id, dinero, vence } = factura;
    let palabras = palabras.trim_end();
    let separador = if palabras.is_empty() { "" } else { " " };
    format!("{palabras}{separador}Factura {id} por {dinero}, con vencimiento el {vence}.")
}

fn palabras(medio: MedioPago) -> &'static str {
    match medio {
        MedioPago::TarjetaCredito => "tarjeta de crédito",
        MedioPago::TarjetaDebito => "tarjeta débito",
        MedioPago::Pse => "PSE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwork::Moneda;

    fn pago(medio: MedioPago, monto: &str, moneda: &str) -> (IdCorrelacion, SolicitudPago) {
        let moneda = Moneda::parse(moneda).unwrap();
        let solicitud = SolicitudPago::parse(medio.as_str(), "c-1", monto, moneda).unwrap();
        (IdCorrelacion::parse("p-1").unwrap(), solicitud)
    }

    #[test]
    fn a_confirmation_tells_amount_currency_means_and_reference() {
        let (id, solicitud) = pago(MedioPago::TarjetaCredito, "24", "USD");
        let texto = confirmado(&id, &solicitud);
        assert_eq!(texto.asunto, "Su pago de 24.00 USD está confirmado");
        assert_eq!(
            texto.cuerpo,
            "Recibimos su pago de 24.00 USD con tarjeta de crédito. Referencia: p-1."
        );
    }

    #[test]
    fn a_reminder_tells_invoice_amount_and_due_date_after_the_callers_words() {
        let factura = Factura::parse("f-1", "24.1", "USD", "2026-12-01").unwrap();
        let told = "Factura f-1 por 24.10 USD, con vencimiento el 2026-12-01.";
        assert_eq!(recordatorio("", &factura), told);
        assert_eq!(
            recordatorio("Su plan vence. ", &factura),
            format!("Su plan vence. {told}")
        );
    }

    #[test]
    fn a_reversal_tells_why_when_that_is_known() {
        let (id, solicitud) = pago(MedioPago::Pse, "24.10", "COP");
        let with = |mensaje: &str| reversado(&id, &solicitud, Some(&Reason::new("R", mensaje))).cuerpo;
        let without = reversado(&id, &solicitud, None).cuerpo;
        let start = "Su pago de 24.10 COP con PSE quedó sin efecto; si hubo algún cobro, ya fue devuelto.";
        assert_eq!(
            with("Fondos insuficientes"),
            format!("{start} Motivo: Fondos insuficientes. Referencia: p-1.")
        );
        assert_eq!(
            with("Fondos insuficientes."),
            with("Fondos insuficientes"),
            "no sentence ends twice"
        );
        assert_eq!(without, format!("{start} Referencia: p-1."));
        assert_eq!(with("  "), without);
    }
}
