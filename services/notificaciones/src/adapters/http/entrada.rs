//! What callers send.

use std::collections::BTreeMap;

use seedwork_runtime::problem::Problem;
use serde_json::value::RawValue;

use crate::domain::{Factura, Nueva};

/// The members of a JSON object, unread: each is its own characters still, and no amount passes through a float.
pub(super) type Campos = BTreeMap<String, Box<RawValue>>;

/// Reads the fields one by one, so that each gets its own sentence.
pub(super) fn leer(cuerpo: &Campos) -> Result<Nueva, Problem> {
    let mut sentences = Vec::new();
    let members = ["tipo", "medio", "valor", "idCliente", "factura"];
    sobran(cuerpo, &members, "", &mut sentences);
    // The stand-in for what is no text breaks no rule: the field has its sentence.
    let mut text = |campo: &str| match texto(cuerpo, campo) {
        Ok(text) => text,
        Err(NoEsTexto) => {
            sentences.push(format!("{campo} debe ser un texto"));
            Some("correo".to_owned())
        }
    };
    let (tipo, medio, valor) = (text("tipo"), text("medio"), text("valor"));
    let id_cliente = text("idCliente");
    let factura = match serde_json::from_str::<Option<Campos>>(crudo(cuerpo, "factura")) {
        Ok(factura) => factura.map(|factura| leer_factura(&factura)).transpose(),
        Err(_) => Err(vec!["factura debe ser un objeto".to_owned()]),
    };
    let factura = factura.unwrap_or_else(|errors| {
        sentences.extend(errors);
        None
    });
    let nueva = Nueva::parse(
        &tipo.unwrap_or_default(),
        &medio.unwrap_or_default(),
        &valor.unwrap_or_default(),
        id_cliente.as_deref(),
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

fn leer_factura(cuerpo: &Campos) -> Result<Factura, Vec<String>> {
    let mut sentences = Vec::new();
    sobran(cuerpo, &["id", "monto", "moneda", "vence"], "factura.", &mut sentences);
    for campo in ["id", "moneda", "vence"] {
        if texto(cuerpo, campo).is_err() {
            sentences.push(format!("factura.{campo} debe ser un texto"));
        }
    }
    if !sentences.is_empty() {
        return Err(sentences);
    }
    // A text, or a number's own characters; those of anything else are no amount.
    let monto = crudo(cuerpo, "monto");
    let monto = serde_json::from_str::<String>(monto).unwrap_or_else(|_| monto.to_owned());
    let text = |campo: &str| texto(cuerpo, campo).ok().flatten().unwrap_or_default();
    Factura::parse(&text("id"), &monto, &text("moneda"), &text("vence"))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// A member is there and is no text.
struct NoEsTexto;

fn texto(cuerpo: &Campos, campo: &str) -> Result<Option<String>, NoEsTexto> {
    serde_json::from_str(crudo(cuerpo, campo)).map_err(|_| NoEsTexto)
}

/// A member's own characters; `null` when it is not there, which means the same.
fn crudo<'a>(cuerpo: &'a Campos, campo: &str) -> &'a str {
    cuerpo.get(campo).map_or("null", |raw| raw.get())
}

fn sobran(cuerpo: &Campos, members: &[&str], within: &str, sentences: &mut Vec<String>) {
    let unknown = cuerpo.keys().filter(|name| !members.contains(&name.as_str()));
    let allowed = members.join(", ");
    // A caller's own text is told back in parts only.
    let told = unknown.map(|name| name.chars().take(64).collect::<String>().escape_debug().to_string());
    sentences.extend(told.map(|name| format!("{within}{name} no es uno de los campos {allowed}")));
}
