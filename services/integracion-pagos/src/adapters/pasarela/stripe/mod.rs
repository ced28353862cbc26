//! Stripe: payment intents with manual capture.
//!
//! ```text
//! autorizar   POST /v1/payment_intents            IdAutorizacion = pi_…   confirmed, off session, captured by hand
//! capturar    POST /v1/payment_intents/…/capture  IdCargo        = ch_…   amount_received is what was really taken
//! anular      POST /v1/payment_intents/…/cancel
//! reembolsar  POST /v1/refunds                    IdReembolso    = re_…
//! ```
//! A repeat under the same key finds out what became of a call, but for two answers that Stripe gives for ever: a 5xx
//! that it has stored, and a state that rules the call out. Those, and an answer that decides nothing, are looked into
//! (`mirar`): an object that is found is proof, one that is not found proves nothing.

mod api;
pub(crate) mod importe;
mod juicio;
mod lectura;
mod metodos;
pub(crate) mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::{Dinero, Fault, IdCorrelacion, MedioPago, Reason};
use tracing::field::Empty;

use super::{Pagina, Pasarela, Respuesta};
use crate::domain::{Cobro, IdAutorizacion, IdCargo, IdReembolso, NombrePasarela, Operacion};
pub use api::Conexion;
use api::{Api, Fallo};
use juicio::{Veredicto, juzgar};
use lectura::{
    cuenta, es_de, identidad, ilegible, leer_anulacion, leer_cobro, leer_devolucion, leer_devoluciones, leer_promesa,
};
pub use metodos::{Metodo, MetodosDePago, MetodosFijos};
use wire::{Devolucion, Intento, Lista, METADATA_CLAVE, METADATA_ID};

/// Stripe, over HTTP.
pub struct PasarelaStripe {
    api: Api,
    metodos: Arc<dyn MetodosDePago>,
}

/// How many objects a page holds: the most that Stripe gives.
const PAGINA: &str = "100";

// === impl PasarelaStripe ===

impl PasarelaStripe {
    /// Stripe over a connection; the means of each payment comes from `metodos`.
    pub fn new(
        conexion: Conexion,
        metodos: Arc<dyn MetodosDePago>,
    ) -> Result<Self, seedwork_runtime::serve::StartupError> {
        Ok(Self {
            api: Api::new(conexion)?,
            metodos,
        })
    }

    /// The payment that an intent belongs to; `None` when it is not ours, or Stripe does not know it.
    pub async fn pago_de(&self, intento: &str) -> Result<Option<IdCorrelacion>, Fault> {
        match self.api.leer::<Intento>(&["v1", "payment_intents", intento], &[]).await {
            Ok(intento) => Ok(identidad(&intento)),
            Err(Fallo::Contestado { status: 404, .. }) => Ok(None),
            Err(fallo) => Err(Fault::unavailable(
                "failed to read a payment intent",
                fallo.motivo().to_string(),
            )),
        }
    }

    /// An intent as it stands now.
    async fn mirar(&self, id: &IdCorrelacion, intento: &str) -> Option<Intento> {
        match self.api.leer::<Intento>(&["v1", "payment_intents", intento], &[]).await {
            Ok(intento) => es_de(&intento, id).then_some(intento),
            Err(fallo) => {
                tracing::warn!(%id, motivo = %fallo.motivo(), "unable to look at a payment intent");
                None
            }
        }
    }

    /// The intent of a payment, found by its metadata. The search lags behind, so what it finds is read again.
    async fn buscar(&self, id: &IdCorrelacion) -> Option<Intento> {
        let query = [("query", format!("metadata[\"{METADATA_ID}\"]:\"{id}\""))];
        let found: Result<Lista<Intento>, _> = self.api.leer(&["v1", "payment_intents", "search"], &query).await;
        match found {
            Ok(Lista { data, has_more: false }) if data.len() == 1 => self.mirar(id, &data.first()?.id).await,
            Ok(Lista { data, .. }) if data.is_empty() => None,
            Ok(_) => {
                tracing::warn!(%id, "several payment intents carry this payment's identity; a person must compare");
                None
            }
            Err(fallo) => {
                tracing::warn!(%id, motivo = %fallo.motivo(), "unable to search for a payment intent");
                None
            }
        }
    }

    /// What an intent says. One that decides nothing yet is looked at once more.
    async fn lo_que_dice<T>(
        &self,
        id: &IdCorrelacion,
        intento: &Intento,
        leer: impl Fn(&Intento) -> Respuesta<T>,
    ) -> Respuesta<T> {
        match leer(intento) {
            incierto @ Respuesta::Incierto(_) => {
                let ahora = self.mirar(id, &intento.id).await;
                ahora.as_ref().map_or(incierto, leer)
            }
            definitivo @ (Respuesta::Hecho(_) | Respuesta::Rechazado(_)) => definitivo,
        }
    }

    /// What became of a call that was answered without an object: where that says nothing, what the one that `mirar` finds says.
    async fn tras_fallo<T>(
        &self,
        operacion: Operacion,
        id: &IdCorrelacion,
        fallo: &Fallo,
        mirar: impl Future<Output = Option<Intento>>,
        leer: impl FnOnce(&Intento) -> Respuesta<T>,
    ) -> Respuesta<T> {
        match self.fallo(operacion, id, fallo) {
            Ok(respuesta) => respuesta,
            Err(motivo) => mirar.await.as_ref().map_or(Respuesta::Incierto(motivo), leer),
        }
    }

    fn fallo<T>(&self, operacion: Operacion, id: &IdCorrelacion, fallo: &Fallo) -> Result<Respuesta<T>, Reason> {
        let veredicto = match fallo {
            Fallo::Contestado {
                status,
                detalle,
                repetida,
                request_id: _,
            } => juzgar(operacion, *status, detalle, *repetida),
            Fallo::Silencio(motivo) | Fallo::Ilegible(motivo) => Veredicto::Incierto(motivo.clone()),
        };
        let request_id = fallo.request_id();
        match veredicto {
            Veredicto::Rechazado(motivo) => Ok(Respuesta::Rechazado(motivo)),
            Veredicto::Incierto(motivo) => {
                tracing::Span::current().record("otel.status_code", "ERROR");
                tracing::warn!(%id, %operacion, %motivo, request_id, "Stripe gave no definite answer");
                Ok(Respuesta::Incierto(motivo))
            }
            Veredicto::Mirar(motivo) => {
                tracing::warn!(%id, %operacion, %motivo, request_id, "Stripe would repeat this answer; looking at what it holds");
                Err(motivo)
            }
        }
    }
}

#[async_trait]
impl Pasarela for PasarelaStripe {
    fn nombre(&self) -> NombrePasarela {
        NombrePasarela::Stripe
    }

    #[tracing::instrument(name = "autorizar", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn autorizar(&self, id: &IdCorrelacion, medio_pago: MedioPago, dinero: Dinero) -> Respuesta<IdAutorizacion> {
        let monto = match importe::hacia(dinero) {
            Ok(monto) => monto,
            Err(motivo) => return Respuesta::Rechazado(motivo),
        };
        let Metodo { id: metodo, customer } = match self.metodos.metodo(id, medio_pago).await {
            Respuesta::Hecho(metodo) => metodo,
            // An earlier try may have had a means, and got its promise, which would be left behind. One that is too young
            // for the search is found by the reconciliation, and ends by itself after a week.
            Respuesta::Rechazado(motivo) => {
                let made = self.buscar(id).await;
                return made.as_ref().map_or(Respuesta::Rechazado(motivo), leer_promesa);
            }
            Respuesta::Incierto(motivo) => return Respuesta::Incierto(motivo),
        };
        let metadata = format!("metadata[{METADATA_ID}]");
        let mut campos = vec![
            ("amount", monto.to_string()),
            ("currency", importe::moneda(dinero)),
            ("capture_method", "manual".to_owned()),
            ("confirm", "true".to_owned()),
            // The client is not there: a bank that wants to ask them declines.
            ("off_session", "true".to_owned()),
            ("payment_method", metodo),
            // Without it the account's own settings decide, and a means that redirects needs a client who is there.
            ("payment_method_types[0]", "card".to_owned()),
            (&metadata, id.to_string()),
        ];
        campos.extend(customer.map(|customer| ("customer", customer)));
        let operacion = Operacion::Autorizar;
        let path = ["v1", "payment_intents"];
        match self.api.pedir::<Intento>(&path, &operacion.clave(id), &campos).await {
            Ok(intento) if es_de(&intento, id) => self.lo_que_dice(id, &intento, leer_promesa).await,
            Ok(_) => ilegible(),
            Err(fallo) => {
                let made = self.buscar(id);
                self.tras_fallo(operacion, id, &fallo, made, leer_promesa).await
            }
        }
    }

    #[tracing::instrument(name = "capturar", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn capturar(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion, dinero: Dinero) -> Respuesta<Cobro> {
        let monto = match importe::hacia(dinero) {
            Ok(monto) => monto,
            Err(motivo) => return Respuesta::Rechazado(motivo),
        };
        let operacion = Operacion::Capturar;
        let path = ["v1", "payment_intents", autorizacion.as_str(), "capture"];
        let campos = [("amount_to_capture", monto.to_string())];
        let leer = |intento: &Intento| leer_cobro(intento, autorizacion);
        match self.api.pedir::<Intento>(&path, &operacion.clave(id), &campos).await {
            Ok(intento) if es_de(&intento, id) => self.lo_que_dice(id, &intento, leer).await,
            Ok(_) => ilegible(),
            Err(fallo) => {
                let held = self.mirar(id, autorizacion.as_str());
                self.tras_fallo(operacion, id, &fallo, held, leer).await
            }
        }
    }

    #[tracing::instrument(name = "anular", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn anular(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion) -> Respuesta<()> {
        let operacion = Operacion::Anular;
        let path = ["v1", "payment_intents", autorizacion.as_str(), "cancel"];
        match self.api.pedir::<Intento>(&path, &operacion.clave(id), &[]).await {
            Ok(intento) if es_de(&intento, id) => leer_anulacion(&intento),
            Ok(_) => ilegible(),
            Err(fallo) => {
                let held = self.mirar(id, autorizacion.as_str());
                self.tras_fallo(operacion, id, &fallo, held, leer_anulacion).await
            }
        }
    }

    #[tracing::instrument(name = "reembolsar", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn reembolsar(&self, id: &IdCorrelacion, cargo: &IdCargo, dinero: Dinero) -> Respuesta<IdReembolso> {
        let monto = match importe::hacia(dinero) {
            Ok(monto) => monto,
            Err(motivo) => return Respuesta::Rechazado(motivo),
        };
        let operacion = Operacion::Reembolsar;
        let clave = operacion.clave(id);
        let (metadata_id, metadata_clave) = (
            format!("metadata[{METADATA_ID}]"),
            format!("metadata[{METADATA_CLAVE}]"),
        );
        let campos = [
            ("charge", cargo.as_str().to_owned()),
            ("amount", monto.to_string()),
            (&metadata_id, id.to_string()),
            (&metadata_clave, clave.clone()),
        ];
        match self.api.pedir::<Devolucion>(&["v1", "refunds"], &clave, &campos).await {
            Ok(devolucion) => leer_devolucion(&devolucion),
            Err(fallo) => match self.fallo(operacion, id, &fallo) {
                Ok(respuesta) => respuesta,
                Err(motivo) => {
                    let query = [("charge", cargo.as_str().to_owned()), ("limit", PAGINA.to_owned())];
                    let made: Option<Lista<Devolucion>> = self.api.leer(&["v1", "refunds"], &query).await.ok();
                    made.and_then(|made| leer_devoluciones(&made.data, &clave, monto))
                        .unwrap_or(Respuesta::Incierto(motivo))
                }
            },
        }
    }

    async fn cuentas(&self, desde_ms: i64, cursor: Option<&str>) -> Result<Pagina, Fault> {
        let mut query = vec![
            ("created[gte]", (desde_ms.max(0) / 1_000).to_string()),
            ("limit", PAGINA.to_owned()),
            ("expand[]", "data.latest_charge".to_owned()),
        ];
        query.extend(cursor.map(|cursor| ("starting_after", cursor.to_owned())));
        let page: Lista<Intento> = self
            .api
            .leer(&["v1", "payment_intents"], &query)
            .await
            .map_err(|fallo| Fault::unavailable("failed to list payment intents", fallo.motivo().to_string()))?;
        let siguiente = page.data.last().filter(|_| page.has_more).map(|last| last.id.clone());
        // Without our metadata it is another business of the same account.
        let ours = page
            .data
            .iter()
            .filter(|intento| intento.metadata.contains_key(METADATA_ID));
        Ok(Pagina {
            cuentas: ours.map(cuenta).collect::<Result<_, _>>()?,
            siguiente,
        })
    }
}
