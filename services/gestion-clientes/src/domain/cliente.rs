//! A client, and what a request to become one must hold.

use seedwork::IdCliente;
use serde::{Deserialize, Serialize};

use super::instante::Instante;

/// The longest text of a field, in characters. 254 is also the longest mail address (RFC 5321).
pub const CAMPO_MAX: usize = 254;

/// What a client tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatosCliente {
    /// First name.
    pub nombre: String,
    /// Last names.
    pub apellidos: String,
    /// Mail address. Not unique.
    pub correo: String,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cliente {
    /// Who it is; made by us.
    pub id: IdCliente,
    /// What it told of itself.
    pub datos: DatosCliente,
    /// When it was registered.
    pub fecha_creacion: Instante,
    /// When it last changed.
    pub fecha_actualizacion: Instante,
}

/// One rule that a field breaks. Displays as a sentence that names the field and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CampoError {
    /// Absent, null or blank.
    #[error("{0} no puede estar vacío")]
    Empty(&'static str),
    /// A number, an object, …
    #[error("{0} debe ser un texto")]
    NotText(&'static str),
    /// Longer than [`CAMPO_MAX`].
    #[error("{0} debe tener como máximo {CAMPO_MAX} caracteres")]
    TooLong(&'static str),
    /// It holds a control character.
    #[error("{0} solo puede tener caracteres imprimibles")]
    NotPrintable(&'static str),
    /// `correo` is no mail address.
    #[error("correo debe ser una dirección de correo como ana@example.com")]
    Correo,
    /// `contrasena` is too short.
    #[error("contrasena debe tener al menos {0} caracteres")]
    ContrasenaCorta(usize),
    /// No such field is taken here.
    #[error("{0} no es un campo de esta petición")]
    Desconocido(String),
}

/// A field as it came: its text, or why it has none.
pub type Campo = Result<String, CampoError>;

// === impl DatosCliente ===

impl DatosCliente {
    /// Checks the fields as callers send them; every broken rule is reported, not only the first.
    pub fn parse(nombre: Campo, apellidos: Campo, correo: Campo) -> Result<Self, Vec<CampoError>> {
        let nombre = nombre.and_then(|text| line("nombre", text));
        let apellidos = apellidos.and_then(|text| line("apellidos", text));
        let correo = correo.and_then(|text| line("correo", text)).and_then(mail_address);
        match (nombre, apellidos, correo) {
            (Ok(nombre), Ok(apellidos), Ok(correo)) => Ok(Self {
                nombre,
                apellidos,
                correo,
            }),
            (nombre, apellidos, correo) => Err([nombre.err(), apellidos.err(), correo.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }
}

/// The client with other data, at `ahora`. A clock that went back does not make it older.
#[must_use]
pub fn actualizar(cliente: &Cliente, datos: DatosCliente, ahora: Instante) -> Cliente {
    Cliente {
        id: cliente.id.clone(),
        datos,
        fecha_creacion: cliente.fecha_creacion,
        fecha_actualizacion: ahora.max(cliente.fecha_actualizacion),
    }
}

/// Checks a password; `minima` is in characters.
pub fn contrasena(campo: Campo, minima: usize) -> Campo {
    let text = campo?;
    let length = text.chars().count();
    if length < minima {
        return Err(CampoError::ContrasenaCorta(minima));
    }
    if length > CAMPO_MAX.max(minima) {
        return Err(CampoError::TooLong("contrasena"));
    }
    Ok(text)
}

fn line(name: &'static str, text: String) -> Campo {
    if text.trim().is_empty() {
        return Err(CampoError::Empty(name));
    }
    if text.chars().count() > CAMPO_MAX {
        return Err(CampoError::TooLong(name));
    }
    if text.chars().any(char::is_control) {
        return Err(CampoError::NotPrintable(name));
    }
    Ok(text)
}

/// Only what no address can do without: whether mail arrives is for the mail provider to say.
fn mail_address(text: String) -> Campo {
    let has_both_sides = text
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if has_both_sides && !text.contains(char::is_whitespace) {
        Ok(text)
    } else {
        Err(CampoError::Correo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(nombre: Campo, apellidos: Campo, correo: Campo) -> Vec<String> {
        let errors = DatosCliente::parse(nombre, apellidos, correo).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_broken_field_is_named() {
        let broken = sentences(Err(CampoError::NotText("nombre")), Ok(" ".into()), Ok("pepe".into()));
        assert_eq!(
            broken,
            [
                "nombre debe ser un texto",
                "apellidos no puede estar vacío",
                "correo debe ser una dirección de correo como ana@example.com"
            ]
        );
        let broken = sentences(Ok("a\nb".into()), Ok("x".repeat(255)), Err(CampoError::Empty("correo")));
        assert_eq!(
            broken,
            [
                "nombre solo puede tener caracteres imprimibles",
                "apellidos debe tener como máximo 254 caracteres",
                "correo no puede estar vacío"
            ]
        );
    }

    #[test]
    fn a_changed_client_keeps_its_identity_and_never_grows_younger() {
        let datos = |nombre: &str| DatosCliente {
            nombre: nombre.into(),
            apellidos: "Peña".into(),
            correo: "a@x".into(),
        };
        let ana = Cliente {
            id: IdCliente::parse("c-1").unwrap(),
            datos: datos("Ana"),
            fecha_creacion: Instante::from_ms(5),
            fecha_actualizacion: Instante::from_ms(9),
        };
        for (ahora, expected) in [(20, 20), (3, 9)] {
            let changed = actualizar(&ana, datos("Eva"), Instante::from_ms(ahora));
            assert_eq!((&changed.id, changed.datos.nombre.as_str()), (&ana.id, "Eva"));
            assert_eq!(
                (changed.fecha_creacion.ms(), changed.fecha_actualizacion.ms()),
                (5, expected)
            );
        }
    }

    #[test]
    fn a_name_is_kept_as_it_was_written() {
        let datos = DatosCliente::parse(Ok("José".into()), Ok("Peña Ñuñez".into()), Ok("j@x".into())).unwrap();
        assert_eq!(datos.apellidos, "Peña Ñuñez");
    }

    #[test]
    fn a_mail_address_has_two_sides_and_no_blanks() {
        for good in ["ana@example.com", "ana+rechaza@x", "\"a@b\"@example.com"] {
            assert!(mail_address(good.into()).is_ok(), "{good}");
        }
        for bad in ["ana", "@example.com", "ana@", "ana @example.com"] {
            assert_eq!(mail_address(bad.into()), Err(CampoError::Correo), "{bad}");
        }
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        assert!(contrasena(Ok("ñañá".into()), 4).is_ok());
        assert_eq!(contrasena(Ok("ñañ".into()), 4), Err(CampoError::ContrasenaCorta(4)));
        assert_eq!(
            contrasena(Ok("x".repeat(255)), 4),
            Err(CampoError::TooLong("contrasena"))
        );
        assert_eq!(
            contrasena(Err(CampoError::Empty("contrasena")), 4),
            Err(CampoError::Empty("contrasena"))
        );
    }
}
