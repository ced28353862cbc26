//! Queries.

use async_graphql::{Context, Object, Result};
use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::intake::EstadoSolicitud;

use super::Sources;
use super::error::{self, fault, rejected};
use super::types::{Cliente, FechaHora, Pago, PagosPagina};
use super::{quien, sources};
use crate::adapters::quien::Quien;
use crate::adapters::read_model::{Cursor, Filter};
use crate::domain::{self, Fase};

pub(crate) struct Query;

/// The longest page, and one of clients whose length is not told.
const LIMIT: i32 = 100;

/// A page of payments whose length is not told.
const PAGE: i32 = 20;

#[Object]
impl Query {
    /// The clients that the caller sees, at most `limite` of them; `cursor` is the id of the last one of the page before.
    async fn clientes(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "LIMIT")] limite: i32,
        cursor: Option<String>,
    ) -> Result<Vec<Cliente>> {
        let limit = limit(limite).map_err(|sentence| rejected(ctx, vec![sentence]))?;
        let (clientes, quien) = (&sources(ctx)?.clientes, quien(ctx)?);
        let page = match (quien.only(), cursor) {
            // Of all the clients a client sees itself, and nothing comes after it.
            (Some(_), Some(_)) => Vec::new(),
            (Some(own), None) => {
                let found = clientes.find(quien, own.as_str()).await.map_err(error::clientes)?;
                found.into_iter().collect()
            }
            (None, cursor) => {
                let page = clientes.page(quien, limit, cursor.as_deref()).await;
                page.map_err(error::clientes)?
            }
        };
        let shown: std::result::Result<_, _> = page.into_iter().map(Cliente::try_from).collect();
        shown.map_err(error::clientes)
    }

    /// A client by id; null when there is none, or it is not the caller.
    async fn cliente(&self, ctx: &Context<'_>, id: String) -> Result<Option<Cliente>> {
        let found = sources(ctx)?.clientes.find(quien(ctx)?, &id).await;
        let found = found.map_err(error::clientes)?;
        found.map(Cliente::try_from).transpose().map_err(error::clientes)
    }

    /// A payment by its identity, from the moment it was asked for; null when there is none, or it is another client's.
    async fn pago(&self, ctx: &Context<'_>, id_correlacion: String) -> Result<Option<Pago>> {
        // A text that is no identity is nobody's.
        let Ok(id) = IdCorrelacion::parse(id_correlacion) else {
            return Ok(None);
        };
        let found = find(sources(ctx)?, quien(ctx)?, &id)
            .await
            .map_err(|error| fault(ctx, error))?;
        Ok(found.map(Pago::from))
    }

    /// The payments that have begun or were refused, the newest first: all that the caller sees, of one client, in one
    /// phase, first heard of at `desde` or later, before `hasta`.
    #[expect(clippy::too_many_arguments, reason = "the field's own")]
    async fn pagos(
        &self,
        ctx: &Context<'_>,
        id_cliente: Option<String>,
        fase: Option<String>,
        #[graphql(default_with = "PAGE")] limite: i32,
        cursor: Option<String>,
        desde: Option<FechaHora>,
        hasta: Option<FechaHora>,
    ) -> Result<PagosPagina> {
        let filter = filter(id_cliente, fase, limite, cursor).map_err(|sentences| rejected(ctx, sentences))?;
        let filter = Filter {
            desde_ms: desde.map(|moment| moment.at_ms()),
            hasta_ms: hasta.map(|moment| moment.at_ms()),
            ..filter
        };
        let Some(filter) = seen_by(quien(ctx)?, filter) else {
            return Ok(PagosPagina {
                pagos: Vec::new(),
                cursor: None,
            });
        };
        let page = sources(ctx)?.read_model.page(&filter).await;
        let (pagos, next) = page.map_err(|error| fault(ctx, error))?;
        Ok(PagosPagina {
            pagos: pagos.into_iter().map(Pago::from).collect(),
            cursor: next.map(|cursor| cursor.to_string()),
        })
    }
}

/// The part of what is asked for that the caller sees; `None`: nothing of it.
fn seen_by(quien: &Quien, filter: Filter) -> Option<Filter> {
    let Some(own) = quien.only() else {
        return Some(filter);
    };
    if filter.id_cliente.as_ref().is_some_and(|asked| asked != own) {
        return None;
    }
    Some(Filter {
        id_cliente: Some(own.clone()),
        ..filter
    })
}

/// A payment as far as the caller sees it: what is not theirs is not there.
pub(super) async fn find(
    sources: &Sources,
    quien: &Quien,
    id: &IdCorrelacion,
) -> std::result::Result<Option<domain::Pago>, Fault> {
    let known = known(sources, id).await?;
    Ok(known.filter(|pago| quien.sees(&pago.solicitud.id_cliente)))
}

/// A payment as far as this service knows it: from the read model, else from the request.
async fn known(sources: &Sources, id: &IdCorrelacion) -> std::result::Result<Option<domain::Pago>, Fault> {
    if let Some(pago) = sources.read_model.find(id).await? {
        return Ok(Some(pago));
    }
    let registro = sources.intake.find(id).await?;
    Ok(registro.map(|registro| match registro.estado {
        EstadoSolicitud::Rechazada(reason) => domain::Pago::rechazado(id.clone(), registro.solicitud, reason),
        EstadoSolicitud::Abierta | EstadoSolicitud::Cerrada => domain::Pago::solicitado(id.clone(), registro.solicitud),
    }))
}

/// How many rows a field of the root may be answered with, told this `limite` or none.
pub(super) fn rows(field: &str, limite: Option<i32>) -> usize {
    let rows = match field {
        "clientes" => limite.unwrap_or(LIMIT),
        "pagos" => limite.unwrap_or(PAGE),
        _ => 1,
    };
    // What is no length of a page is refused when it is asked for.
    usize::try_from(rows.clamp(1, LIMIT)).unwrap_or(1)
}

fn limit(limite: i32) -> std::result::Result<u8, String> {
    let sentence = || format!("limite debe ser un número de 1 a {LIMIT}");
    if !(1..=LIMIT).contains(&limite) {
        return Err(sentence());
    }
    u8::try_from(limite).map_err(|_| sentence())
}

fn filter(
    id_cliente: Option<String>,
    fase: Option<String>,
    limite: i32,
    cursor: Option<String>,
) -> std::result::Result<Filter, Vec<String>> {
    let id_cliente = id_cliente
        .map(IdCliente::parse)
        .transpose()
        .map_err(|error| format!("idCliente {}", error.frase()));
    let fase = fase
        .map(|text| {
            Fase::stored()
                .find(|fase| fase.as_str() == text)
                .ok_or_else(unknown_fase)
        })
        .transpose();
    let after = cursor
        .map(|text| Cursor::parse(&text).ok_or_else(|| "cursor debe ser uno que haya respondido una lista".to_owned()))
        .transpose();
    match (id_cliente, fase, after, limit(limite)) {
        (Ok(id_cliente), Ok(fase), Ok(after), Ok(limit)) => Ok(Filter {
            id_cliente,
            fase,
            desde_ms: None,
            hasta_ms: None,
            after,
            limit,
        }),
        (id_cliente, fase, after, limit) => Err([id_cliente.err(), fase.err(), after.err(), limit.err()]
            .into_iter()
            .flatten()
            .collect()),
    }
}

fn unknown_fase() -> String {
    let names: Vec<_> = Fase::stored().map(Fase::as_str).collect();
    format!("fase debe ser una de {}", names.join(", "))
}
