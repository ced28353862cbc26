//! What callers send.

use seedwork_runtime::members::{Members, NotText};
use seedwork_runtime::problem::Problem;

use crate::domain::{CampoInvalido, Factura, Nueva};

/// Reads the fields one by one, so that each gets its own sentence.
pub(super) fn leer(cuerpo: &Members) -> Result<Nueva, Problem> {
    let mut sentences = sobran(cuerpo, &["tipo", "medio", "valor", "idCliente", "factura"], "");
    // The stand-in for what is no text breaks no rule: the field has its sentence.
    let mut text = |campo: &str| match cuerpo.text(campo) {
        Ok(text) => text,
        Err(NotText) => {
            sentences.push(format!("{campo} debe ser un texto"));
            Some("correo".to_owned())
        }
    };
    let (tipo, medio, valor) = (text("tipo"), text("medio"), text("valor"));
    let id_cliente = text("idCliente");
    let (factura, broken) = match leer_factura(cuerpo) {
        Ok(factura) => (factura, false),
        Err(errors) => {
            sentences.extend(errors);
            (None, true)
        }
    };
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
            // An invoice has words of its own: beside one that is broken, and has its sentences, `valor` is not missing.
            let missing = CampoInvalido::Vacio("valor");
            let errors = errors.iter().filter(|error| !broken || **error != missing);
            sentences.extend(errors.map(ToString::to_string));
            Err(Problem::rejected(sentences))
        }
    }
}

/// The invoice that it is about, if it is about one.
fn leer_factura(cuerpo: &Members) -> Result<Option<Factura>, Vec<String>> {
    let factura = cuerpo.object("factura").map_err(|sentence| vec![sentence])?;
    let Some(factura) = factura else { return Ok(None) };
    let mut sentences = sobran(&factura, &["id", "monto", "moneda", "vence"], "factura.");
    let mut text = |campo: &str| {
        factura.text(campo).unwrap_or_else(|NotText| {
            sentences.push(format!("factura.{campo} debe ser un texto"));
            None
        })
    };
    let [id, moneda, vence] = ["id", "moneda", "vence"].map(|campo| text(campo).unwrap_or_default());
    if !sentences.is_empty() {
        return Err(sentences);
    }
    // A text, or a number's own characters; those of anything else are no amount.
    let monto = factura.text("monto").ok().flatten();
    let monto = monto.as_deref().unwrap_or(factura.raw("monto"));
    let read = Factura::parse(&id, monto, &moneda, &vence);
    read.map(Some)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// A sentence for each member that is none of `members`, for the first few.
fn sobran(cuerpo: &Members, members: &[&str], within: &str) -> Vec<String> {
    let allowed = members.join(", ");
    let unknown = cuerpo.unknown(members);
    unknown
        .map(|name| format!("{within}{name} no es uno de los campos {allowed}"))
        .collect()
}
