//! A notification as a caller asks for it to be kept.

use uuid::Uuid;

use super::{Estado, Medio, Notificacion, Tipo};

/// A notification that has passed the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nueva {
    tipo: Tipo,
    medio: Medio,
    valor: String,
}

/// One rule that a request breaks. Displays as a sentence that names the field and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CampoInvalido {
    /// A field is absent or empty.
    #[error("{0} must not be empty")]
    Vacio(&'static str),
    /// A text is too long.
    #[error("{campo} must be at most {maximo} characters long")]
    Largo {
        /// The field.
        campo: &'static str,
        /// The limit, in characters.
        maximo: usize,
    },
    /// A text holds a control character.
    #[error("{0} must hold printable characters only")]
    NoImprimible(&'static str),
    /// `medio` is not one of the media.
    #[error("medio must be one of correo, sms, push")]
    Medio,
}

// === impl Nueva ===

impl Nueva {
    /// The longest `tipo`, in characters.
    pub const TIPO_MAXIMO: usize = 64;
    /// The longest `valor`, in characters.
    pub const VALOR_MAXIMO: usize = 4_000;

    /// Checks the fields as callers send them; every broken rule is reported, not only the first.
    pub fn parse(tipo: &str, medio: &str, valor: &str) -> Result<Self, Vec<CampoInvalido>> {
        let control = |c: char| c.is_control();
        // A text may have lines; nothing else that does not print.
        let control_but_lines = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let tipo = texto("tipo", tipo, Self::TIPO_MAXIMO, control);
        let medio = Medio::parse(medio).ok_or(CampoInvalido::Medio);
        let valor = texto("valor", valor, Self::VALOR_MAXIMO, control_but_lines);
        match (tipo, medio, valor) {
            (Ok(tipo), Ok(medio), Ok(valor)) => Ok(Self {
                tipo: Tipo::from(tipo),
                medio,
                valor,
            }),
            (tipo, medio, valor) => Err([tipo.err(), medio.err(), valor.err()].into_iter().flatten().collect()),
        }
    }

    /// The notification that is kept.
    pub fn registrar(self, id: Uuid, ahora: String) -> Notificacion {
        let Self { tipo, medio, valor } = self;
        Notificacion {
            id,
            tipo,
            valor,
            estado: Estado::Registrada { medio },
            fecha_creacion: ahora.clone(),
            fecha_actualizacion: ahora,
        }
    }
}

fn texto(
    campo: &'static str,
    text: &str,
    maximo: usize,
    forbidden: impl Fn(char) -> bool,
) -> Result<String, CampoInvalido> {
    if text.trim().is_empty() {
        return Err(CampoInvalido::Vacio(campo));
    }
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
            Nueva::parse(tipo, medio, valor)
                .unwrap_err()
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let all = [
            "tipo must not be empty",
            "medio must be one of correo, sms, push",
            "valor must not be empty",
        ];
        assert_eq!(sentences(" ", "fax", ""), all);
        assert_eq!(
            sentences(&"x".repeat(65), "sms", "v"),
            ["tipo must be at most 64 characters long"]
        );
        assert_eq!(
            sentences("t", "sms", &"ñ".repeat(4_001)),
            ["valor must be at most 4000 characters long"]
        );
        assert_eq!(
            sentences("a\nb", "sms", "v\0"),
            [
                "tipo must hold printable characters only",
                "valor must hold printable characters only"
            ]
        );
    }

    #[test]
    fn a_text_at_its_limit_and_with_lines_is_kept_as_it_is() {
        let valor = format!("a\n{}", "ñ".repeat(3_998));
        let nueva = Nueva::parse("Recordatorio", "push", &valor).unwrap();
        let kept = nueva.registrar(Uuid::nil(), "2026-11-24T18:00:00Z".into());
        assert_eq!((kept.tipo, kept.valor), (Tipo::Otro("Recordatorio".into()), valor));
        assert_eq!(kept.estado, Estado::Registrada { medio: Medio::Push });
    }
}
