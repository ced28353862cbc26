//! The payment: an aggregate and its one state machine.
//!
//! ```text
//! do     (none) ─▶ Preparado ─authorise─▶ CapturaPedida ─capture─▶ Capturado
//!                      └▶ Rechazado             └▶ CapturaRechazada                        (definite declines)
//!
//! undo   Preparado ─authorise─▶ ┐
//!        CapturaRechazada ────▶ Autorizado ─void─▶ Anulado
//!        CapturaPedida ─capture─▶ ┐
//!        Capturado ───────────▶ ReembolsoPedido ─refund─▶ Reembolsado
//!                                       └▶ ReembolsoRechazado                              (for a person)
//! ```
//! Whatever is called next is recorded first, so a process that dies repeats the same call under the same key. A
//! command's undo leaves its tombstone before it moves, and every record is a compare-and-swap: the *do* that has read
//! the document before the tombstone can't record anything after it, and so sends no capture.
//!
//! Between authorise and capture there is one record, `CapturaPedida`, not two. It is written by compare-and-swap
//! *after* the authorise answer and *before* the capture: a tombstone that arrives any time before it makes this write
//! fail (the undo then finds `Preparado`, has the authorisation repeated and voids it), one that arrives after it is
//! met by an undo that knows that a capture may be under way.

use seedwork::{Dinero, Direction, IdCliente, IdCorrelacion, MedioPago, Outcome, Reason, SolicitudPago};
use serde::{Deserialize, Serialize};

use super::estado::EstadoPago;
use super::llamada::{Cobro, Contestacion, Llamada};

/// A payment: what is taken from a client at a gateway, or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pago {
    /// Which payment; also the reference and the stem of every key at the gateway.
    pub id_correlacion: IdCorrelacion,
    /// Who pays.
    pub id_cliente: IdCliente,
    /// With what.
    pub medio_pago: MedioPago,
    /// How much was asked for.
    pub dinero: Dinero,
    /// Where the money is taken. A payment stays with the gateway it began at.
    pub pasarela: NombrePasarela,
    /// Where it stands.
    pub estado: EstadoPago,
    /// When it began, in milliseconds since the epoch.
    pub creado_ms: i64,
    /// When the call that `estado` waits for was recorded, in milliseconds since the epoch: its key can't be older.
    pub llamada_ms: i64,
    /// The client's bank took the money back.
    pub contracargo: Option<ContracargoGuardado>,
}

/// A chargeback as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContracargoGuardado {
    /// The gateway's words.
    pub motivo: String,
    /// When it was stored, in milliseconds since the epoch.
    pub recibido_ms: i64,
}

/// A gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum NombrePasarela {
    /// The simulator.
    Simulada,
    /// Stripe.
    Stripe,
}

/// Now, and how long the gateway remembers a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instante {
    /// Milliseconds since the epoch.
    pub ahora_ms: i64,
    /// Milliseconds.
    pub vigencia_ms: i64,
}

/// The next move of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movimiento {
    /// Ask the gateway; come back with its answer.
    Llamar(Llamada),
    /// Record this, then ask again.
    Registrar(Pago),
    /// The command has ended.
    Terminar(Pago, Outcome),
    /// Nothing definite is known; try again later.
    Esperar(Reason),
}

/// A pair of state and answer that cannot occur. A bug of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentido:?} of a payment that is {estado:?} met {contestacion:?}")]
pub struct Imposible {
    sentido: Direction,
    estado: Box<EstadoPago>,
    contestacion: Box<Option<Contestacion>>,
}

// === impl NombrePasarela ===

impl NombrePasarela {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Simulada, Self::Stripe];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simulada => "SIMULADA",
            Self::Stripe => "STRIPE",
        }
    }
}

// === impl Pago ===

impl Pago {
    /// A payment that nothing was asked for yet.
    pub fn preparado(
        id_correlacion: IdCorrelacion,
        solicitud: &SolicitudPago,
        pasarela: NombrePasarela,
        ahora_ms: i64,
    ) -> Self {
        let SolicitudPago {
            id_cliente,
            medio_pago,
            dinero,
        } = solicitud.clone();
        Self {
            id_correlacion,
            id_cliente,
            medio_pago,
            dinero,
            pasarela,
            estado: EstadoPago::Preparado,
            creado_ms: ahora_ms,
            llamada_ms: ahora_ms,
            contracargo: None,
        }
    }

    /// The whole state machine: what to do in this direction, given what the gateway answered to the last
    /// [`Movimiento::Llamar`] (`None` when nothing was asked yet). What is not listed cannot occur.
    pub fn avanzar(
        &self,
        sentido: Direction,
        contestacion: Option<Contestacion>,
        instante: Instante,
    ) -> Result<Movimiento, Imposible> {
        use Contestacion::{Anulada, Autorizada, Capturada, Incierta, Rechazada, Reembolsada};
        use Direction::{Do, Undo};
        use EstadoPago::{
            Anulado, Autorizado, CapturaPedida, CapturaRechazada, Capturado, Preparado, Rechazado, Reembolsado,
            ReembolsoPedido, ReembolsoRechazado,
        };
        use Movimiento::Esperar;

        let contracargado = self.contracargo.is_some();
        Ok(match (sentido, &self.estado, contestacion) {
            // Authorise. An undo has it repeated, under the same key, until it knows what there is to void.
            (Do, Preparado, None) if contracargado => self.rechazar(Preparado, contracargo_sin_cobro()),
            (Do | Undo, Preparado, None) => self.llamar(Llamada::autorizar(self.medio_pago, self.dinero), instante),
            (Do, Preparado, Some(Autorizada(autorizacion))) => self.pedir(CapturaPedida(autorizacion), instante),
            (Do, Preparado, Some(Rechazada(motivo))) => self.rechazar(Rechazado(motivo.clone()), motivo),
            (Undo, Preparado, Some(Autorizada(autorizacion))) => self.pedir(Autorizado(autorizacion), instante),
            (Undo, Preparado, Some(Rechazada(motivo))) => self.cumplir(Rechazado(motivo)),

            // Capture. An undo has it repeated too: a capture that is under way can't be called back.
            (Do | Undo, CapturaPedida(autorizacion), None) => {
                self.llamar(Llamada::capturar(autorizacion, self.dinero), instante)
            }
            (Do, CapturaPedida(_), Some(Capturada(cobro))) => match self.monto_distinto(&cobro) {
                None => self.cumplir(Capturado(cobro)),
                // Money was taken, so this is recorded as it is; the undo gives back what was taken.
                Some(motivo) => self.rechazar(Capturado(cobro), motivo),
            },
            (Do, CapturaPedida(autorizacion), Some(Rechazada(motivo))) => {
                self.rechazar(CapturaRechazada(autorizacion.clone(), motivo.clone()), motivo)
            }
            (Undo, CapturaPedida(_), Some(Capturada(cobro))) => self.devolver(cobro, instante),

            // Void: of a promise that will not be captured any more.
            (Undo, CapturaPedida(autorizacion), Some(Rechazada(_)))
            | (Undo, CapturaRechazada(autorizacion, _), None) => self.pedir(Autorizado(autorizacion.clone()), instante),
            (Undo, Autorizado(autorizacion), None) => self.llamar(Llamada::anular(autorizacion), instante),
            (Undo, Autorizado(autorizacion), Some(Anulada)) => self.cumplir(Anulado(autorizacion.clone())),

            // Refund: of what was taken, which may not be what was asked for.
            (Undo, Capturado(cobro), None) => self.devolver(cobro.clone(), instante),
            // Whether ours was done can't be asked any more, and need not be: the money is back by another way.
            (Undo, ReembolsoPedido(cobro), None) if contracargado && self.clave_vencida(instante) => {
                self.cumplir(Capturado(cobro.clone()))
            }
            (Undo, ReembolsoPedido(cobro), None) => self.llamar(Llamada::reembolsar(cobro), instante),
            (Undo, ReembolsoPedido(cobro), Some(Reembolsada(reembolso))) => {
                self.cumplir(Reembolsado(cobro.clone(), reembolso))
            }
            (Undo, ReembolsoPedido(cobro), Some(Rechazada(motivo))) => {
                let pago = self.con(ReembolsoRechazado(cobro.clone(), motivo.clone()));
                Movimiento::Terminar(pago, Outcome::Failed(motivo))
            }
            // The refund definitely was not done, and the bank has done it instead.
            (Undo, ReembolsoRechazado(cobro, _), None) if contracargado => self.cumplir(Capturado(cobro.clone())),
            // Not asked again: an answer that is definite now must not become an unknown one later.
            (Undo, ReembolsoRechazado(_, motivo), None) => Esperar(motivo.clone()),

            // Nothing at the gateway to undo.
            (Undo, Rechazado(_) | Anulado(_) | Reembolsado(..), None) => self.cumplir(self.estado.clone()),

            // Silence is never taken for a no. A void that is refused is for a person: the promise must have been
            // captured by somebody else.
            (Do | Undo, Preparado | CapturaPedida(_), Some(Incierta(motivo)))
            | (Undo, Autorizado(_) | ReembolsoPedido(_), Some(Incierta(motivo)))
            | (Undo, Autorizado(_), Some(Rechazada(motivo))) => Esperar(motivo),

            (sentido, estado, contestacion) => {
                let (estado, contestacion) = (Box::new(estado.clone()), Box::new(contestacion));
                return Err(Imposible {
                    sentido,
                    estado,
                    contestacion,
                });
            }
        })
    }

    /// Stores a chargeback; the first one stays.
    #[must_use]
    pub fn con_contracargo(mut self, motivo: String, recibido_ms: i64) -> Self {
        self.contracargo
            .get_or_insert(ContracargoGuardado { motivo, recibido_ms });
        self
    }

    /// Whether the gateway may have forgotten the key of the call that `estado` waits for.
    pub fn clave_vencida(&self, instante: Instante) -> bool {
        instante.ahora_ms.saturating_sub(self.llamada_ms) >= instante.vigencia_ms
    }

    /// Why a payment of which another amount was taken is refused; `None` when it was the right one.
    pub fn monto_distinto(&self, cobro: &Cobro) -> Option<Reason> {
        let mensaje = format!(
            "La pasarela cobró {} en lugar de {}; se devuelve lo cobrado",
            cobro.dinero, self.dinero
        );
        (cobro.dinero != self.dinero).then(|| Reason::new("MontoDistinto", mensaje))
    }

    fn con(&self, estado: EstadoPago) -> Self {
        Self { estado, ..self.clone() }
    }

    /// Records that a new call is about to be made; its key's life begins now.
    fn pedir(&self, estado: EstadoPago, instante: Instante) -> Movimiento {
        let llamada_ms = instante.ahora_ms;
        Movimiento::Registrar(Self {
            estado,
            llamada_ms,
            ..self.clone()
        })
    }

    /// Calls, unless the gateway may have forgotten the key: then the repeat could be a second payment.
    fn llamar(&self, llamada: Llamada, instante: Instante) -> Movimiento {
        if !self.clave_vencida(instante) {
            return Movimiento::Llamar(llamada);
        }
        let operacion = llamada.operacion();
        let mensaje = format!("No se sabe si la pasarela llegó a {operacion} y su clave de idempotencia venció");
        Movimiento::Esperar(Reason::new("RequiereConciliacion", mensaje))
    }

    /// Money charged back counts as returned and is never refunded too.
    fn devolver(&self, cobro: Cobro, instante: Instante) -> Movimiento {
        if self.contracargo.is_some() {
            self.cumplir(EstadoPago::Capturado(cobro))
        } else {
            self.pedir(EstadoPago::ReembolsoPedido(cobro), instante)
        }
    }

    fn cumplir(&self, estado: EstadoPago) -> Movimiento {
        Movimiento::Terminar(self.con(estado), Outcome::Done)
    }

    fn rechazar(&self, estado: EstadoPago, motivo: Reason) -> Movimiento {
        Movimiento::Terminar(self.con(estado), Outcome::Refused(motivo))
    }
}

/// Nothing was taken yet, so nothing is taken any more.
fn contracargo_sin_cobro() -> Reason {
    Reason::new(
        "Contracargo",
        "El banco del cliente avisó de un contracargo antes del cobro; no se cobra",
    )
}
