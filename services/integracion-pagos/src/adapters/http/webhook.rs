//! Stripe's door. It asks for no token: the signature says who knocks.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use seedwork_runtime::problem::Problem;
use seedwork_runtime::spec::{BadRequest, Forbidden};

use super::vista::Recibido;
use super::{Services, WEBHOOK_LIMIT};
use crate::adapters::webhook::NoRecibido;

/// Stripe's webhooks, signed
///
/// Disputes and refunds made by hand reverse the payment; every other type of event is taken and ignored. The same
/// event again does nothing.
#[utoipa::path(
    post, path = "/pagos/webhook/stripe", operation_id = "webhookStripe", tag = "webhook", security(),
    params(("Stripe-Signature" = String, Header, description = "t=<seconds>,v1=<hex>, HMAC-SHA256 over `t.body`")),
    request_body(content = Object, description = "An event of Stripe's"),
    responses((status = 200, description = "Taken", body = Recibido), BadRequest, Forbidden)
)]
pub(super) async fn stripe(
    State(services): State<Services>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<axum::Json<Recibido>, Problem> {
    let body = body.map_err(|rejection| Problem::unread(&rejection, WEBHOOK_LIMIT))?;
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    match services.webhook.recibir(signature.unwrap_or_default(), &body).await {
        Ok(()) => Ok(axum::Json(Recibido { recibido: true })),
        Err(NoRecibido::SinSecreto) => {
            let sentence = "aquí no se reciben webhooks de Stripe: falta STRIPE_WEBHOOK_SECRET";
            Err(Problem::of(StatusCode::FORBIDDEN, sentence))
        }
        Err(NoRecibido::Firma(error)) => {
            tracing::warn!(?error, "a webhook was not believed");
            Err(Problem::rejected(vec![error.to_string()]))
        }
        Err(NoRecibido::Ilegible(sentence)) => Err(Problem::rejected(vec![sentence])),
        Err(NoRecibido::Fallo(fault)) => Err(fault.into()),
    }
}
