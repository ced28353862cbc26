//! Reading a request: each field by name and rule, so that bad input gets a sentence about it.

use std::ops::RangeInclusive;

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::problema::Problema;

/// Largest amount, in minor units; far above any payment, far below what a sum of them could overflow.
const MONTO_MAXIMO: i64 = 1_000_000_000_000;

/// The fields of a request. Fields it does not know are ignored.
pub(crate) struct Campos(Map<String, Value>);

// === impl Campos ===

impl Campos {
    /// Reads a JSON object; an empty body is an empty object.
    pub(crate) fn leer(cuerpo: &[u8]) -> Result<Self, Problema> {
        if cuerpo.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(cuerpo) {
            Ok(Value::Object(campos)) => Ok(Self(campos)),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(Problema::invalido("cuerpo", "debe ser un objeto JSON"))
            }
            Err(error) => Err(Problema::cuerpo_ilegible(StatusCode::BAD_REQUEST, &error.to_string())),
        }
    }

    /// A required text with a length in characters.
    pub(crate) fn texto(&self, campo: &str, largo: RangeInclusive<usize>) -> Result<String, Problema> {
        self.texto_opcional(campo, largo)?
            .ok_or_else(|| Problema::invalido(campo, "es obligatorio"))
    }

    /// A text that may be absent or null.
    pub(crate) fn texto_opcional(&self, campo: &str, largo: RangeInclusive<usize>) -> Result<Option<String>, Problema> {
        match self.0.get(campo) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(texto)) if largo.contains(&texto.chars().count()) => Ok(Some(texto.clone())),
            Some(_) => {
                let regla = format!("debe ser un texto de {} a {} caracteres", largo.start(), largo.end());
                Err(Problema::invalido(campo, &regla))
            }
        }
    }

    /// A required text that is one of a few.
    pub(crate) fn uno_de(&self, campo: &str, valores: &[&str]) -> Result<String, Problema> {
        match self.0.get(campo) {
            None | Some(Value::Null) => Err(Problema::invalido(campo, "es obligatorio")),
            Some(Value::String(texto)) if valores.contains(&texto.as_str()) => Ok(texto.clone()),
            Some(_) => Err(Problema::invalido(
                campo,
                &format!("debe ser uno de {}", valores.join(", ")),
            )),
        }
    }

    /// A required amount in minor units: an integer, so neither `24.0` nor `"24"`.
    pub(crate) fn monto(&self) -> Result<i64, Problema> {
        match self.0.get("monto") {
            None | Some(Value::Null) => Err(Problema::invalido("monto", "es obligatorio")),
            Some(valor) => valor
                .as_i64()
                .filter(|monto| (1..=MONTO_MAXIMO).contains(monto))
                .ok_or_else(|| {
                    let regla = format!("debe ser un entero de 1 a {MONTO_MAXIMO}, en unidades menores (centavos)");
                    Problema::invalido("monto", &regla)
                }),
        }
    }

    /// A required currency code.
    pub(crate) fn moneda(&self) -> Result<String, Problema> {
        let regla = "debe ser un código ISO 4217 de tres letras mayúsculas, como USD";
        let moneda = self
            .texto("moneda", 3..=3)
            .map_err(|_| Problema::invalido("moneda", regla))?;
        if moneda.bytes().all(|letra| letra.is_ascii_uppercase()) {
            Ok(moneda)
        } else {
            Err(Problema::invalido("moneda", regla))
        }
    }
}

/// The `Idempotency-Key` header, required on every POST.
pub(crate) fn clave(headers: &HeaderMap) -> Result<String, Problema> {
    headers
        .get("idempotency-key")
        .and_then(|valor| valor.to_str().ok())
        .filter(|valor| (1..=255).contains(&valor.len()))
        .map(str::to_owned)
        .ok_or_else(|| {
            Problema::invalido(
                "Idempotency-Key",
                "esta cabecera es obligatoria: de 1 a 255 caracteres ASCII visibles",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_positive_integer_of_minor_units() {
        let monto = |valor: &str| {
            Campos::leer(format!("{{\"monto\": {valor}}}").as_bytes())
                .unwrap()
                .monto()
                .ok()
        };
        assert_eq!(monto("2400"), Some(2_400));
        for malo in [
            "0",
            "-1",
            "24.0",
            "2.4e3",
            "\"24\"",
            "null",
            "1000000000001",
            "99999999999999999999",
        ] {
            assert_eq!(monto(malo), None, "{malo}");
        }
    }

    #[test]
    fn a_key_has_one_to_255_visible_characters() {
        let leer = |valor: &str| {
            clave(&HeaderMap::from_iter([(
                "idempotency-key".parse().unwrap(),
                valor.parse().unwrap(),
            )]))
            .is_ok()
        };
        assert!(leer("k") && leer(&"k".repeat(255)));
        assert!(!leer("") && !leer(&"k".repeat(256)) && !leer("ñ"));
        assert!(clave(&HeaderMap::new()).is_err());
    }
}
