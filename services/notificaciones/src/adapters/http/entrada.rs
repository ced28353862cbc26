//! What callers send.

use seedwork_runtime::problem::Problem;
use serde_json::{Map, Value};

use crate::domain::{Factura, Nueva};

/// Reads the fields one by one, so that each gets its own sentence.
pub(super) fn leer(cuerpo: &Map<String, Value>) -> Result<Nueva, Problem> {
    let mut sentences = Vec::new();
    let members = ["tipo", "medio", "valor", "idCliente", "factura"];
    sobran(cuerpo, &members, "", &mut sentences);
    // The stand-in for what is no text breaks no rule: the field has its sentence.
    let mut text = |campo: &str| match texto(cuerpo, campo) {
        Ok(text) => text,
        Err(NoEsTexto) => {
            sentences.push(format!("{campo} debe ser un texto"));
            Some("correo")
        }
    };
    let (tipo, medio, valor) = (text("tipo"), text("medio"), text("valor"));
    let id_cliente = text("idCliente");
    let factura = match cuerpo.get("factura") {
        None | Some(Value::Null) => None,
        Some(Value::Object(factura)) => match leer_factura(factura) {
            Ok(factura) => Some(factura),
            Err(errors) => {
                sentences.extend(errors);
                None
            }
        },
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            sentences.push("factura debe ser un objeto".to_owned());
            None
        }
    };
    let nueva = Nueva::parse(
        tipo.unwrap_or_default(),
        medio.unwrap_or_default(),
        valor.unwrap_or_default(),
        id_cliente,
        factura.as_ref(),
    );
    match nueva {
        Ok(nueva) if sentences.is_empty() => Ok(nueva),
        Ok(_) => Err(Problem::rejected(sentences)),
        Err(errors) => {
            sentences.extend(errors.iter().map(ToString::to_string));
            Err(Problem::rejected(sentences))
        }
    }
}

fn leer_factura(cuerpo: &Map<String, Value>) -> Result<Factura, Vec<String>> {
    let mut sentences = Vec::new();
    sobran(cuerpo, &["id", "monto", "moneda", "vence"], "factura.", &mut sentences);
    for campo in ["id", "moneda", "vence"] {
        if texto(cuerpo, campo).is_err() {
            sentences.push(format!("factura.{campo} debe ser un texto"));
        }
    }
    // A number's own characters: no amount passes through a float.
    let monto = match cuerpo.get("monto") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => String::new(),
    };
    if !sentences.is_empty() {
        return Err(sentences);
    }
    let text = |campo: &str| texto(cuerpo, campo).ok().flatten().unwrap_or_default();
    Factura::parse(text("id"), &monto, text("moneda"), text("vence"))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// A member is there and is no text.
struct NoEsTexto;

fn texto<'a>(cuerpo: &'a Map<String, Value>, campo: &str) -> Result<Option<&'a str>, NoEsTexto> {
    match cuerpo.get(campo) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(NoEsTexto),
    }
}

fn sobran(cuerpo: &Map<String, Value>, members: &[&str], within: &str, sentences: &mut Vec<String>) {
    let unknown = cuerpo.keys().filter(|name| !members.contains(&name.as_str()));
    let allowed = members.join(", ");
    // A caller's own text is told back in parts only.
    let told = unknown.map(|name| name.chars().take(64).collect::<String>().escape_debug().to_string());
    sentences.extend(told.map(|name| format!("{within}{name} no es uno de los campos {allowed}")));
}
