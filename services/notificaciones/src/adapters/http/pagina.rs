//! The pages of a list: `limite`, `cursor`, `idCorrelacion` and `idCliente`.

use seedwork::{Fault, IdCliente, IdCorrelacion};
use serde::Deserialize;

use crate::adapters::read_model::{Cursor, Fila, Pagina, ReadModel};

/// The query of a list, as it arrives.
#[derive(Deserialize)]
pub(super) struct Parametros {
    limite: Option<String>,
    cursor: Option<String>,
    #[serde(rename = "idCorrelacion")]
    id_correlacion: Option<String>,
    #[serde(rename = "idCliente")]
    id_cliente: Option<String>,
}

const LIMITE: u32 = 50;
const LIMITE_MAXIMO: u32 = 100;

/// Checks the query of a list; every broken rule is reported.
pub(super) fn leer(parametros: &Parametros) -> Result<Pagina, Fault> {
    let Parametros {
        limite,
        cursor,
        id_correlacion,
        id_cliente,
    } = parametros;
    let mut sentences = Vec::new();
    let limite = limite.as_deref().map_or(Some(LIMITE), |text| {
        text.parse().ok().filter(|limite| (1..=LIMITE_MAXIMO).contains(limite))
    });
    if limite.is_none() {
        sentences.push(format!("limite debe ser un número de 1 a {LIMITE_MAXIMO}"));
    }
    let tras = cursor.as_deref().map(|text| Cursor::parse(text).ok_or(())).transpose();
    if tras.is_err() {
        sentences.push("cursor debe ser uno que haya respondido una lista".to_owned());
    }
    let id_correlacion = id_correlacion.as_deref().map(IdCorrelacion::parse).transpose();
    if let Err(error) = &id_correlacion {
        sentences.push(format!("idCorrelacion {}", error.frase()));
    }
    let id_cliente = id_cliente.as_deref().map(IdCliente::parse).transpose();
    if let Err(error) = &id_cliente {
        sentences.push(format!("idCliente {}", error.frase()));
    }
    match (limite, tras, id_correlacion, id_cliente) {
        (Some(limite), Ok(tras), Ok(id_correlacion), Ok(id_cliente)) => Ok(Pagina {
            id_correlacion,
            id_cliente,
            tras,
            limite,
        }),
        _ => Err(Fault::Rejected(sentences)),
    }
}

/// The page, and the cursor of the next one if there is more.
pub(super) async fn pedir(read_model: &ReadModel, pagina: Pagina) -> Result<(Vec<Fila>, Option<String>), Fault> {
    let limite = pagina.limite;
    let wanted = usize::try_from(limite).map_err(|error| Fault::bug("failed to count a page", error))?;
    // One more than asked for tells whether there is more.
    let mut filas = read_model
        .listar(&Pagina {
            limite: limite + 1,
            ..pagina
        })
        .await?;
    let more = filas.len() > wanted;
    filas.truncate(wanted);
    let siguiente = filas
        .last()
        .filter(|_| more)
        .map(|last| Cursor::after(last).to_string());
    Ok((filas, siguiente))
}
