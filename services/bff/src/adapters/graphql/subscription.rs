//! Subscriptions: payments as they go, over graphql-transport-ws.

use async_graphql::{Context, Result, Subscription as GraphQLSubscription};
use futures::{Stream, StreamExt as _, future, stream};
use seedwork::{Fault, IdCorrelacion};

use super::error::{self, Code, error, fault, rejected};
use super::types::{Cliente, Pago};
use super::{Sources, query, quien, sources};
use crate::adapters::eventos::Interest;
use crate::adapters::quien::Quien;
use crate::adapters::tail::Followed;
use crate::domain;

pub(crate) struct Subscription;

#[GraphQLSubscription]
impl Subscription {
    /// One payment, beginning with the state it is in, or every payment that the caller sees from now on: where it stays,
    /// and its end.
    async fn eventos_pago<'ctx>(
        &self,
        ctx: &Context<'ctx>,
        id_correlacion: Option<String>,
    ) -> Result<impl Stream<Item = Result<Pago>> + use<'ctx>> {
        let id = id_correlacion.map(|text| parse(ctx, text)).transpose()?;
        let pagos = transitions(sources(ctx)?, quien(ctx)?, id)
            .await
            .map_err(|error| fault(ctx, error))?;
        Ok(pagos.map(|pago| pago.map(Pago::from)))
    }

    /// The client who pays, beginning now and again whenever the payment has come further.
    async fn eventos_clientes<'ctx>(
        &self,
        ctx: &Context<'ctx>,
        id_correlacion: String,
    ) -> Result<impl Stream<Item = Result<Cliente>> + use<'ctx>> {
        let (sources, quien) = (sources(ctx)?, quien(ctx)?);
        let id = parse(ctx, id_correlacion)?;
        let pagos = transitions(sources, quien, Some(id))
            .await
            .map_err(|error| fault(ctx, error))?;
        Ok(pagos.then(|pago| async {
            let id_cliente = pago?.solicitud.id_cliente;
            let found = sources
                .clientes
                .find(quien, id_cliente.as_str())
                .await
                .map_err(error::clientes)?;
            let cliente = found.ok_or_else(|| error(Code::NotFound, format!("el cliente {id_cliente} no existe")))?;
            Cliente::try_from(cliente).map_err(error::clientes)
        }))
    }
}

fn parse(ctx: &Context<'_>, text: String) -> Result<IdCorrelacion> {
    IdCorrelacion::parse(text).map_err(|error| rejected(ctx, vec![format!("idCorrelacion {}", error.frase())]))
}

/// The states of a payment from the present one on, each once and in order; or the transitions of all from now on.
/// If events are lost to pruning, an error says so and the stream goes on.
async fn transitions(
    sources: &Sources,
    quien: &Quien,
    id: Option<IdCorrelacion>,
) -> std::result::Result<impl Stream<Item = Result<domain::Pago>> + Send + use<>, Fault> {
    // Followed before the present state is read: what happens in between is told twice and dropped once.
    let interest = Interest {
        pago: id.clone(),
        cliente: quien.only().cloned(),
    };
    let (_, followed) = sources.tail.follow(None, interest).await?;
    let present = match &id {
        Some(id) => query::find(sources, quien, id).await?,
        None => None,
    };
    let later = followed.map(|followed| match followed {
        Followed::Evento(evento) => evento.pago().map_err(|cause| {
            tracing::error!(error = cause.chain(), "a bug");
            error::internal()
        }),
        Followed::Reset { .. } => Err(error(
            Code::Reset,
            "faltan eventos que ya no se guardan; vuelva a leer los pagos",
        )),
    });
    Ok(from_present(present, later))
}

/// `present`, then what is later than it.
fn from_present(
    present: Option<domain::Pago>,
    later: impl Stream<Item = Result<domain::Pago>> + Send,
) -> impl Stream<Item = Result<domain::Pago>> + Send {
    // A request of which no more is known is earlier than everything.
    let known = present
        .as_ref()
        .filter(|pago| pago.fase != domain::Fase::Solicitado)
        .map(|pago| pago.secuencia);
    let news = later.filter(move |pago| {
        let told = matches!((pago, known), (Ok(pago), Some(known)) if pago.secuencia <= known);
        future::ready(!told)
    });
    stream::iter(present.map(Ok)).chain(news)
}

#[cfg(test)]
mod tests {
    use seedwork::{Moneda, Reason, SolicitudPago};

    use super::*;
    use crate::domain::Pago;

    fn solicitado() -> Pago {
        let solicitud = SolicitudPago::parse("PSE", "c-1", "24", Moneda::USD).unwrap();
        Pago::solicitado(IdCorrelacion::parse("p-1").unwrap(), solicitud)
    }

    fn at(secuencia: u64) -> Pago {
        let fase = domain::Fase::Saga(seedwork::Phase::Running);
        Pago {
            secuencia,
            fase,
            ..solicitado()
        }
    }

    async fn told(present: Option<Pago>, later: Vec<Pago>) -> Vec<Pago> {
        let later = stream::iter(later.into_iter().map(Ok));
        from_present(present, later)
            .map(|pago| pago.ok().unwrap())
            .collect()
            .await
    }

    #[tokio::test]
    async fn what_is_stored_while_the_present_state_is_read_is_told_once() {
        assert_eq!(told(Some(at(3)), vec![at(2), at(3), at(4)]).await, [at(3), at(4)]);
        assert_eq!(told(None, vec![at(1), at(2)]).await, [at(1), at(2)]);
    }

    #[tokio::test]
    async fn a_refusal_comes_after_the_request_though_neither_counts_as_a_transition() {
        let reason = Reason::new("SolicitudInvalida", "no puede ser");
        let refused = Pago::rechazado(solicitado().id_correlacion, solicitado().solicitud, reason);
        assert_eq!(
            told(Some(solicitado()), vec![refused.clone()]).await,
            [solicitado(), refused.clone()]
        );
        assert_eq!(
            told(Some(refused.clone()), vec![refused.clone(), at(1)]).await,
            [refused, at(1)]
        );
    }
}
