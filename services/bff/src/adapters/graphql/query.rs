//! Queries.

use async_graphql::{Context, Object, Result};
use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::intake::EstadoSolicitud;

use super::Sources;
use super::error::{self, fault, rejected};
use super::types::{Cliente, Pago, PagosPagina};
use crate::adapters::read_model::{Cursor, Filter};
use crate::domain::{self, Fase};

pub(crate) struct Query;

/// The longest page.
const LIMIT: i32 = 100;

#[Object]
impl Query {
    /// The clients, at most `limite` of them; `cursor` is the id of the last one of the page before.
    async fn clientes(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 100)] limite: i32,
        cursor: Option<String>,
    ) -> Result<Vec<Cliente>> {
        let limit = limit(limite).map_err(|sentence| rejected(ctx, vec![sentence]))?;
        let page = ctx
            .data::<Sources>()?
            .clientes
            .page(limit, cursor.as_deref())
            .await
            .map_err(error::clientes)?;
        let shown: std::result::Result<_, _> = page.into_iter().map(Cliente::try_from).collect();
        shown.map_err(error::clientes)
    }

    /// A client by id; null when there is none.
    async fn cliente(&self, ctx: &Context<'_>, id: String) -> Result<Option<Cliente>> {
        let found = ctx
            .data::<Sources>()?
            .clientes
            .find(&id)
            .await
            .map_err(error::clientes)?;
        found.map(Cliente::try_from).transpose().map_err(error::clientes)
    }

    /// A payment by its identity, from the moment it was asked for; null when there is none.
    async fn pago(&self, ctx: &Context<'_>, id_correlacion: String) -> Result<Option<Pago>> {
        // A text that is no identity is nobody's.
        let Ok(id) = IdCorrelacion::parse(id_correlacion) else {
            return Ok(None);
        };
        let found = find(ctx.data::<Sources>()?, &id)
            .await
            .map_err(|error| fault(ctx, error))?;
        Ok(found.map(Pago::from))
    }

    /// The payments that have begun or were refused, the newest first: all, of one client, in one phase.
    async fn pagos(
        &self,
        ctx: &Context<'_>,
        id_cliente: Option<String>,
        fase: Option<String>,
        #[graphql(default = 20)] limite: i32,
        cursor: Option<String>,
    ) -> Result<PagosPagina> {
        let filter = filter(id_cliente, fase, limite, cursor).map_err(|sentences| rejected(ctx, sentences))?;
        let page = ctx.data::<Sources>()?.read_model.page(&filter).await;
        let (pagos, next) = page.map_err(|error| fault(ctx, error))?;
        Ok(PagosPagina {
            pagos: pagos.into_iter().map(Pago::from).collect(),
            cursor: next.map(|cursor| cursor.to_string()),
        })
    }
}

/// A payment as far as this service knows it: from the read model, else from the request.
pub(super) async fn find(sources: &Sources, id: &IdCorrelacion) -> std::result::Result<Option<domain::Pago>, Fault> {
    if let Some(pago) = sources.read_model.find(id).await? {
        return Ok(Some(pago));
    }
    let registro = sources.intake.find(id).await?;
    Ok(registro.map(|registro| match registro.estado {
        EstadoSolicitud::Rechazada(reason) => domain::Pago::rechazado(id.clone(), registro.solicitud, reason),
        EstadoSolicitud::Abierta | EstadoSolicitud::Cerrada => domain::Pago::solicitado(id.clone(), registro.solicitud),
    }))
}

fn limit(limite: i32) -> std::result::Result<u8, String> {
    let sentence = || format!("limite debe estar entre 1 y {LIMIT}");
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
        .map_err(|error| format!("idCliente {error}"));
    let fase = fase
        .map(|text| {
            Fase::stored()
                .find(|fase| fase.as_str() == text)
                .ok_or_else(unknown_fase)
        })
        .transpose();
    let after = cursor
        .map(|text| Cursor::parse(&text).ok_or_else(|| "cursor no es válido".to_owned()))
        .transpose();
    match (id_cliente, fase, after, limit(limite)) {
        (Ok(id_cliente), Ok(fase), Ok(after), Ok(limit)) => Ok(Filter {
            id_cliente,
            fase,
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
