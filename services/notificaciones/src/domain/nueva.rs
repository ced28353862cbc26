//! A notification as a caller asks for it.

use seedwork::dinero::DineroError;
use seedwork::ids::IdError;
use seedwork::{Dinero, IdCliente, Moneda};
use uuid::Uuid;

use super::{Estado, Medio, Notificacion, Tipo, plantilla};

/// A notification that has passed the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nueva {
    tipo: Tipo,
    medio: Medio,
    valor: String,
    id_cliente: Option<IdCliente>,
}

/// The invoice that a reminder is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factura {
    /// Its number, as the client knows it.
    pub id: String,
    /// How much.
    pub dinero: Dinero,
    /// Its due date, `YYYY-MM-DD`.
    pub vence: String,
}

/// One rule that a request breaks. Displays as a sentence that names the field and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CampoInvalido {
    /// A field is absent or empty.
    #[error("{0} no puede estar vacío")]
    Vacio(&'static str),
    /// A text is too long.
    #[error("{campo} debe tener como máximo {maximo} caracteres")]
    Largo {
        /// The field.
        campo: &'static str,
        /// The limit, in characters.
        maximo: usize,
    },
    /// A text holds a control character.
    #[error("{0} solo puede tener caracteres imprimibles")]
    NoImprimible(&'static str),
    /// `medio` is not one of the media.
    #[error("medio debe ser uno de correo, sms, push")]
    Medio,
    /// `idCliente` is no id.
    #[error("idCliente {}", .0.frase())]
    IdCliente(IdError),
    /// An invoice goes with another kind of notification.
    #[error("factura solo va con tipo RECORDATORIO")]
    FacturaSinRecordatorio,
    /// `factura.monto` is no amount.
    #[error("factura.monto {}", .0.frase())]
    Monto(DineroError),
    /// `factura.moneda` is no currency.
    #[error("factura.moneda debe ser un código ISO 4217, como USD")]
    Moneda,
    /// `factura.vence` is no date.
    #[error("factura.vence debe ser una fecha, como 2026-12-31")]
    Vence,
}

// === impl Factura ===

impl Factura {
    /// The longest number of an invoice, in characters.
    pub const ID_MAXIMO: usize = 64;

    /// Checks the fields as callers send them; every broken rule is reported, not only the first.
    pub fn parse(id: &str, monto: &str, moneda: &str, vence: &str) -> Result<Self, Vec<CampoInvalido>> {
        let id = texto("factura.id", id, Self::ID_MAXIMO, char::is_control);
        let moneda = Moneda::parse(moneda).map_err(|_| CampoInvalido::Moneda);
        // Without its currency an amount can still be no amount at all.
        let known = *moneda.as_ref().unwrap_or(&Moneda::USD);
        let dinero = Dinero::parse(monto, known).map_err(CampoInvalido::Monto);
        let vence = es_fecha(vence).then(|| vence.to_owned()).ok_or(CampoInvalido::Vence);
        match (id, dinero, moneda, vence) {
            (Ok(id), Ok(dinero), Ok(_), Ok(vence)) => Ok(Self { id, dinero, vence }),
            (id, dinero, moneda, vence) => Err([id.err(), dinero.err(), moneda.err(), vence.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }
}

/// Whether a text is a day, `YYYY-MM-DD`.
fn es_fecha(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|part| part.parse::<u32>().ok())
    };
    let hyphens = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(5..7), part(8..10)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    text.len() == 10 && hyphens && (1..=12).contains(&month) && (1..=days).contains(&day)
}

// === impl Nueva ===

impl Nueva {
    /// The longest `tipo`, in characters.
    pub const TIPO_MAXIMO: usize = 64;
    /// The longest `valor`, in characters.
    pub const VALOR_MAXIMO: usize = 4_000;

    /// Checks the fields as callers send them; every broken rule is reported, not only the first. One for nobody may be
    /// empty, as in the original, whose clients need not say more than `medio`; what is delivered says something. With
    /// an invoice `valor` may be empty: the invoice has words of its own.
    pub fn parse(
        tipo: &str,
        medio: &str,
        valor: &str,
        id_cliente: Option<&str>,
        factura: Option<&Factura>,
    ) -> Result<Self, Vec<CampoInvalido>> {
        // A text may have lines; nothing else that does not print.
        let control_but_lines = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let text = |may_be_empty: bool| if may_be_empty { imprimible } else { texto };
        let kept = id_cliente.is_none();
        let tipo = text(kept)("tipo", tipo, Self::TIPO_MAXIMO, char::is_control).map(Tipo::from);
        let medio = Medio::parse(medio).ok_or(CampoInvalido::Medio);
        let valor = text(kept || factura.is_some())("valor", valor, Self::VALOR_MAXIMO, control_but_lines);
        let valor = valor.map(|valor| match factura {
            Some(factura) => plantilla::recordatorio(&valor, factura),
            None => valor,
        });
        let id_cliente = id_cliente.map(IdCliente::parse).transpose();
        let id_cliente = id_cliente.map_err(CampoInvalido::IdCliente);
        let reminds = !matches!(tipo, Ok(Tipo::Alerta | Tipo::AlertaReversion | Tipo::Otro(_)));
        let misplaced = (factura.is_some() && !reminds).then_some(CampoInvalido::FacturaSinRecordatorio);
        match (tipo, medio, valor, id_cliente, misplaced) {
            (Ok(tipo), Ok(medio), Ok(valor), Ok(id_cliente), None) => Ok(Self {
                tipo,
                medio,
                valor,
                id_cliente,
            }),
            (tipo, medio, valor, id_cliente, misplaced) => {
                let errors = [tipo.err(), medio.err(), valor.err(), id_cliente.err(), misplaced];
                Err(errors.into_iter().flatten().collect())
            }
        }
    }

    /// Whom it is for; `None` when it is kept for nobody.
    pub fn id_cliente(&self) -> Option<&IdCliente> {
        self.id_cliente.as_ref()
    }

    /// What tells this request from another under the same key (UUIDv5).
    pub fn huella(&self) -> Uuid {
        let Self {
            tipo,
            medio,
            valor,
            id_cliente,
        } = self;
        let cliente = id_cliente.as_ref().map_or("", IdCliente::as_str);
        // None of the first three can hold a zero.
        let name = format!("{tipo}\0{medio}\0{cliente}\0{valor}");
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }

    /// The notification: for delivery if it is for a client, kept otherwise.
    pub fn registrar(self, id: Uuid, ahora: String) -> Notificacion {
        let Self {
            tipo,
            medio,
            valor,
            id_cliente,
        } = self;
        let estado = match &id_cliente {
            Some(_) => Estado::Aceptada { medio },
            None => Estado::Registrada { medio },
        };
        Notificacion {
            id,
            tipo,
            id_cliente,
            valor,
            estado,
            fecha_creacion: ahora.clone(),
            fecha_actualizacion: ahora,
        }
    }
}

fn texto(campo: &'static str, text: &str, maximo: usize, forbidden: fn(char) -> bool) -> Result<String, CampoInvalido> {
    if text.trim().is_empty() {
        return Err(CampoInvalido::Vacio(campo));
    }
    imprimible(campo, text, maximo, forbidden)
}

fn imprimible(
    campo: &'static str,
    text: &str,
    maximo: usize,
    forbidden: fn(char) -> bool,
) -> Result<String, CampoInvalido> {
    if text.chars().count() > maximo {
        return Err(CampoInvalido::Largo { campo, maximo });
    }
    if text.chars().any(forbidden) {
        return Err(CampoInvalido::NoImprimible(campo));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_is_named() {
        let sentences = |tipo: &str, medio: &str, valor: &str| -> Vec<String> {
            Nueva::parse(tipo, medio, valor, Some("c-1"), None)
                .unwrap_err()
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let all = [
            "tipo no puede estar vacío",
            "medio debe ser uno de correo, sms, push",
            "valor no puede estar vacío",
        ];
        assert_eq!(sentences(" ", "fax", ""), all);
        assert_eq!(
            sentences(&"x".repeat(65), "sms", "v"),
            ["tipo debe tener como máximo 64 caracteres"]
        );
        assert_eq!(
            sentences("t", "sms", &"ñ".repeat(4_001)),
            ["valor debe tener como máximo 4000 caracteres"]
        );
        assert_eq!(
            sentences("a\nb", "sms", "v\0"),
            [
                "tipo solo puede tener caracteres imprimibles",
                "valor solo puede tener caracteres imprimibles"
            ]
        );
    }

    #[test]
    fn a_text_at_its_limit_and_with_lines_is_kept_as_it_is() {
        let valor = format!("a\n{}", "ñ".repeat(3_998));
        let nueva = Nueva::parse("Promoción", "push", &valor, None, None).unwrap();
        let kept = nueva.registrar(Uuid::nil(), "2026-11-24T18:00:00Z".into());
        assert_eq!((kept.tipo, kept.valor), (Tipo::Otro("Promoción".into()), valor));
        assert_eq!(kept.estado, Estado::Registrada { medio: Medio::Push });
    }

    #[test]
    fn one_for_nobody_may_be_empty_and_nothing_worse() {
        for empty in ["", " "] {
            let nueva = Nueva::parse(empty, "sms", empty, None, None).unwrap();
            let kept = nueva.registrar(Uuid::nil(), String::new());
            assert_eq!((kept.tipo, kept.valor), (Tipo::Otro(empty.into()), empty.to_owned()));
        }
        let errors = Nueva::parse("\n", "", &" ".repeat(4_001), None, None).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        let factura = Factura::parse("f-1", "24.10", "COP", "2028-02-29").unwrap();
        let errors = Nueva::parse("", "sms", "", None, Some(&factura)).unwrap_err();
        assert_eq!(errors, [CampoInvalido::FacturaSinRecordatorio]);
    }

    #[test]
    fn one_for_a_client_is_for_delivery() {
        let nueva = Nueva::parse("Recordatorio", "sms", "v", Some("c-1"), None).unwrap();
        let accepted = nueva.registrar(Uuid::nil(), String::new());
        assert_eq!(accepted.estado, Estado::Aceptada { medio: Medio::Sms });
        assert_eq!(accepted.tipo, Tipo::Recordatorio);
        let error = Nueva::parse("t", "sms", "v", Some(""), None).unwrap_err();
        assert_eq!(error[0].to_string(), "idCliente no puede estar vacío");
    }

    #[test]
    fn a_reminder_may_leave_its_words_to_its_invoice() {
        let factura = Factura::parse("f-1", "24.10", "COP", "2028-02-29").unwrap();
        let nueva = Nueva::parse("RECORDATORIO", "correo", "", None, Some(&factura)).unwrap();
        let kept = nueva.registrar(Uuid::nil(), String::new());
        assert_eq!(kept.valor, "Factura f-1 por 24.10 COP, con vencimiento el 2028-02-29.");
        for bad in ["\u{b}", &" ".repeat(4_001)] {
            let errors = Nueva::parse("RECORDATORIO", "correo", bad, None, Some(&factura)).unwrap_err();
            assert_eq!(errors.len(), 1, "{bad:?}");
        }
        let errors = Nueva::parse("ALERTA", "correo", "v", None, Some(&factura)).unwrap_err();
        assert_eq!(errors, [CampoInvalido::FacturaSinRecordatorio]);
    }

    #[test]
    fn every_broken_rule_of_an_invoice_is_named() {
        let errors = Factura::parse("", "0", "usd", "2026-02-29").unwrap_err();
        let sentences: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let expected = [
            "factura.id no puede estar vacío",
            "factura.monto debe ser mayor que 0",
            "factura.moneda debe ser un código ISO 4217, como USD",
            "factura.vence debe ser una fecha, como 2026-12-31",
        ];
        assert_eq!(sentences, expected);
        for bad in [
            "",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026-12-00",
            "26-12-01",
            "2026-12-1",
            "2026-12-01T",
            "2026/12/01",
            "+026-12-01",
        ] {
            assert!(!es_fecha(bad), "{bad}");
        }
        for good in ["2024-02-29", "2026-12-31", "2000-02-29"] {
            assert!(es_fecha(good), "{good}");
        }
    }

    #[test]
    fn the_print_of_a_request_changes_with_each_of_its_fields() {
        let print = |tipo, medio, valor, cliente| Nueva::parse(tipo, medio, valor, cliente, None).unwrap().huella();
        let prints = [
            print("t", "sms", "v", Some("c")),
            print("u", "sms", "v", Some("c")),
            print("t", "push", "v", Some("c")),
            print("t", "sms", "w", Some("c")),
            print("t", "sms", "v", Some("d")),
            print("t", "sms", "v", None),
        ];
        let different: std::collections::BTreeSet<_> = prints.iter().collect();
        assert_eq!(different.len(), prints.len());
        assert_eq!(print("t", "sms", "v", None), print("t", "sms", "v", None));
    }
}
