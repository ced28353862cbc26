//! `realizarPago`: the door.

use async_graphql::{Context, Object, Result};
use seedwork::SolicitudPago;
use seedwork::solicitud::SolicitudError;
use seedwork_runtime::intake::IdempotencyKey;

use super::error::{Code, error, fault, in_use, rejected};
use super::types::{ClienteRespuesta, RealizarPagoInput};
use super::{quien, sources};

pub(crate) struct Mutation;

/// The `Idempotency-Key` header of the request that carries the operation.
pub(crate) struct IdempotencyHeader(pub(crate) String);

#[Object]
impl Mutation {
    /// Asks for a payment. Answered once the request cannot be lost; what becomes of it is told by `pago`, by
    /// `eventosPago` and by /stream. With the header Idempotency-Key, a repeat is the same payment; while the first is being
    /// answered, a repeat is told to come back (`IDEMPOTENCY_KEY_IN_USE`).
    async fn realizar_pago(&self, ctx: &Context<'_>, pago: RealizarPagoInput) -> Result<ClienteRespuesta> {
        let (sources, quien) = (sources(ctx)?, quien(ctx)?);
        let RealizarPagoInput {
            medio_pago,
            id_cliente,
            monto,
        } = pago;
        // The shortest text that reads back as the same double: what the caller wrote, or it would not have come here.
        // A number that is not finite has no digits, and is refused as any such text.
        let solicitud = SolicitudPago::parse(&medio_pago, &id_cliente, &monto.to_string(), sources.moneda)
            .map_err(|errors| rejected(ctx, errors.iter().map(SolicitudError::frase).collect()))?;
        quien
            .pays_for(&solicitud.id_cliente)
            .map_err(|sentence| error(Code::Forbidden, sentence))?;
        let scope = quien.caller().scope(&solicitud.id_cliente);
        let key = ctx
            .data_opt::<IdempotencyHeader>()
            .map(|header| IdempotencyKey::parse(&scope, &header.0))
            .transpose()
            .map_err(|error| fault(ctx, error))?;
        let _held = sources.intake.hold(key).map_err(in_use)?;
        // Made at another door, or with kubectl: the operator would refuse this one, where nobody looks for it.
        if let Some(key) = key
            && let Some(known) = sources
                .read_model
                .find(&key.id())
                .await
                .map_err(|error| fault(ctx, error))?
            && known.solicitud != solicitud
        {
            return Err(fault(ctx, IdempotencyKey::used()));
        }
        let id = sources
            .intake
            .accept(&solicitud, key)
            .await
            .map_err(|error| fault(ctx, error))?;
        Ok(ClienteRespuesta {
            mensaje: "Procesando Mensaje".to_owned(),
            codigo: 203,
            id_correlacion: id.into(),
        })
    }
}
