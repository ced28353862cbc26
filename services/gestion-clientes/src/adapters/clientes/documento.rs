//! The document of a client, and the ids that it may have.

use seedwork::IdCliente;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::contrasena::Huella;
use crate::domain::cliente::{Cliente, DatosCliente};

/// What the state store keeps under `cliente:<id>`. First written with version 1, never expiring.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Documento {
    /// Grows by one per write; guards the projection.
    pub(super) version: i64,
    pub(super) cliente: Cliente,
    pub(super) contrasena: Huella,
    /// What it was registered with, once that is no more what it is: a repeated request is known by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alta: Option<Alta>,
    /// What the key stands for under which it was registered, if it was under one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clave: Option<Uuid>,
}

/// What a client was registered with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Alta {
    pub(super) datos: DatosCliente,
    pub(super) contrasena: Huella,
}

/// The longest id that is looked for in the state store; those that we make are UUIDs of 36 characters.
const ID_MAX: usize = 64;

// === impl Documento ===

impl Documento {
    pub(super) fn nuevo(cliente: Cliente, contrasena: Huella, clave: Option<Uuid>) -> Self {
        Self {
            version: 1,
            cliente,
            contrasena,
            alta: None,
            clave,
        }
    }

    /// What it was registered with.
    pub(super) fn alta(&self) -> Alta {
        self.alta.clone().unwrap_or_else(|| Alta {
            datos: self.cliente.datos.clone(),
            contrasena: self.contrasena.clone(),
        })
    }

    /// Whether it was registered under the key that stands for `clave`. An id that was made of the key tells it, too:
    /// older documents hold nothing else.
    pub(super) fn bajo(&self, clave: Uuid) -> bool {
        self.clave == Some(clave) || self.cliente.id.as_str() == clave.hyphenated().to_string()
    }

    /// Whether it is `other`: the same version, and the same in all that a change makes.
    pub(super) fn is(&self, other: &Self) -> bool {
        let Self {
            version,
            cliente,
            contrasena,
            alta: _,
            clave: _,
        } = other;
        self.version == *version && self.cliente == *cliente && self.contrasena == *contrasena
    }

    /// The next version; without a password the old one stays.
    pub(super) fn con(&self, cliente: Cliente, contrasena: Option<Huella>) -> Self {
        Self {
            version: self.version.saturating_add(1),
            cliente,
            contrasena: contrasena.unwrap_or_else(|| self.contrasena.clone()),
            alta: Some(self.alta()),
            clave: self.clave,
        }
    }
}

/// Any text is a legal `idCliente`, but not any text is a legal key of a state store (Dapr itself refuses `||`), and
/// an error there would be taken for an outage. We give out UUIDs, and take the subjects of tokens, which issuers make
/// of these characters; any odder text is known to be nobody.
pub(super) fn could_be_ours(id: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.~@|".contains(&b);
    id.len() <= ID_MAX
        && id.bytes().all(inner)
        && id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && !id.contains("||")
}

/// The id that an idempotency key stands for within a scope (UUIDv5).
pub(super) fn keyed_id(scope: &str, clave: &str) -> Uuid {
    let name = match scope {
        "" => format!("saludtech/clientes\0{clave}"),
        // A header's value holds no NUL, so the two cannot meet.
        scope => format!("saludtech/clientes\0{scope}\0{clave}"),
    };
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

pub(super) fn key(id: &IdCliente) -> String {
    format!("cliente:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_of_ours_or_a_subject_of_a_token() {
        for good in [
            "019ab2c3-0000-7000-8000-000000000000",
            "auth0|5f7c",
            "00uABC",
            "1",
            "ana@x.co",
        ] {
            assert!(could_be_ours(good), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", "a||b", "Peña", "a b", "..", "-a", "a/b", "a:b", "a\0", &long] {
            assert!(!could_be_ours(bad), "{bad}");
        }
    }

    #[test]
    fn a_document_knows_the_key_that_it_was_registered_under() {
        let (k, other) = (keyed_id("", "k"), keyed_id("", "other"));
        let under = |id: &str, clave: Option<Uuid>| -> Documento {
            let datos = serde_json::json!({"nombre": "Ana", "apellidos": "Peña", "correo": "ana@x.co"});
            let cliente = serde_json::json!({"id": id, "datos": datos, "fechaCreacion": 0, "fechaActualizacion": 0});
            let mut documento = serde_json::json!({"version": 1, "cliente": cliente, "contrasena": "h"});
            if let Some(clave) = clave {
                documento["clave"] = clave.to_string().into();
            }
            serde_json::from_value(documento).unwrap()
        };
        let own = under("00uABC", Some(k));
        let changed = own.con(own.cliente.clone(), None);
        // One of before keys were noted is known by its id.
        for documento in [own, changed, under(&k.to_string(), None)] {
            assert!(documento.bajo(k) && !documento.bajo(other));
        }
        assert!(!under("00uABC", None).bajo(k));
    }

    #[test]
    fn a_key_belongs_to_its_scope() {
        assert_eq!(keyed_id("", "k"), keyed_id("", "k"));
        assert_ne!(keyed_id("", "k"), keyed_id("operador\nana", "k"));
        assert_ne!(keyed_id("operador\nana", "k"), keyed_id("operador\neva", "k"));
    }
}
