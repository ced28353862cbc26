//! One payment as a system without fault plays it: the real engine, and participants that do what they are told.

use std::time::Duration;

use checker::{Effect, Factura, Importe, Mensaje, Movimiento, Notificacion, Pago, TipoMovimiento, Version};
use saga::{Applied, Controls, Memory, Next, OnExhausted, Politica, Saga, StepState, apply, chargeback, next};
use seedwork::contrato::Respuesta;
use seedwork::{Action, IdCorrelacion, Outcome, Reason, SolicitudPago, Step};

/// What happens to a payment on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plot {
    /// This step is refused.
    pub(crate) refused: Option<Step>,
    /// This step is never answered; whether it was done all the same.
    pub(crate) silent: Option<(Step, bool)>,
    /// It is cancelled once this step was done, before it is answered. Of the money only the promise is taken.
    pub(crate) cancelled: Option<Step>,
    /// The payment goes on without a notification.
    pub(crate) lenient: bool,
    /// This undo fails for so long that it shows as stalled.
    pub(crate) failing: Option<Step>,
    /// What becomes of that.
    pub(crate) then: Then,
    /// What a person took over undone is done after the end all the same, and undone again.
    pub(crate) overtaken: bool,
    /// Nobody can be told of the reversal.
    pub(crate) untold: bool,
    /// The bank takes the money back: once it completed, or while it is being refunded, before anybody hears of it.
    pub(crate) charged_back: bool,
}

/// What becomes of an undo that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Then {
    /// It works at last.
    #[default]
    Works,
    /// A person takes it over.
    ByHand,
    /// It goes on failing.
    Stays,
}

/// What a payment left behind.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    pub(crate) versions: Vec<Version>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) lines: Vec<Movimiento>,
    pub(crate) factura: Option<Factura>,
    pub(crate) pago: Option<Pago>,
    pub(crate) notificaciones: Vec<Notificacion>,
    pub(crate) mensajes: Vec<Mensaje>,
}

/// A payment under way.
pub(crate) struct Player {
    id: IdCorrelacion,
    solicitud: SolicitudPago,
    plot: Plot,
    saga: Saga,
    failed: bool,
    left: Left,
}

const LATE: Memory = Memory {
    elapsed: Duration::from_secs(1 << 30),
    sends: 1,
    last_send: Some(Duration::from_secs(1 << 30)),
};

fn because(motivo: &str) -> Reason {
    Reason::new(motivo, "Así fue.")
}

// === impl Player ===

impl Player {
    pub(crate) fn new(id: &IdCorrelacion, solicitud: &SolicitudPago, plot: Plot) -> Self {
        let lenient = if plot.lenient {
            OnExhausted::Continue
        } else {
            OnExhausted::Compensate
        };
        let politica = Politica::standard(lenient);
        let created = Version::created(id.clone(), solicitud.clone(), politica.clone());
        Self {
            id: id.clone(),
            solicitud: solicitud.clone(),
            plot,
            saga: Saga::start(politica),
            failed: false,
            left: Left {
                versions: vec![created],
                effects: Vec::new(),
                lines: Vec::new(),
                factura: None,
                pago: None,
                notificaciones: Vec::new(),
                mensajes: Vec::new(),
            },
        }
    }

    /// Plays it to its end, or to where it stays.
    pub(crate) fn play(mut self) -> Left {
        loop {
            match self.saga.outstanding() {
                Some(Action::Do(step)) => self.step(step),
                Some(Action::Undo(step)) => {
                    if !self.undo(step) {
                        return self.left;
                    }
                }
                Some(Action::AvisarReversion) if self.plot.untold => self.late(),
                Some(Action::AvisarReversion) => {
                    self.effect(Action::AvisarReversion, None);
                    self.notify("ALERTA-REVERSION", "ENTREGADA");
                    self.answer(Action::AvisarReversion, Outcome::Done);
                }
                None if self.plot.charged_back && self.saga.cause.is_none() => {
                    self.line(TipoMovimiento::Contracargo);
                    self.pago("CONTRACARGADO");
                    self.write(chargeback(&self.saga, because("Contracargo")));
                }
                None => {
                    if self.plot.overtaken {
                        self.overtaken();
                    }
                    return self.left;
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        let action = Action::Do(step);
        if self.plot.refused == Some(step) {
            if step == Step::RealizarPago {
                self.pago("RECHAZADO");
            }
            return self.answer(action, Outcome::Refused(because("NoSePudo")));
        }
        if let Some((silent, done)) = self.plot.silent
            && silent == step
        {
            if done {
                self.done(step);
            }
            return self.late();
        }
        self.done(step);
        if self.plot.cancelled == Some(step) {
            let cancel = Controls {
                cancel: true,
                ..Controls::default()
            };
            return self.decide(&cancel);
        }
        self.answer(action, Outcome::Done);
    }

    /// What doing a step changes.
    fn done(&mut self, step: Step) {
        let importe = Importe::from(self.solicitud.dinero);
        match step {
            Step::CrearFacturacion => {
                self.effect(Action::Do(step), Some(importe));
                self.factura("PAGO_ENVIADO");
            }
            Step::RealizarPago => {
                self.line(TipoMovimiento::Autorizacion);
                self.pago("EN_PROCESO");
                if self.plot.cancelled != Some(step) {
                    self.line(TipoMovimiento::Captura);
                    self.pago("CONFIRMADO");
                }
            }
            Step::ConfirmarFacturacion => {
                self.effect(Action::Do(step), Some(importe));
                self.factura("CONFIRMADO");
            }
            Step::CrearNotificacion => {
                self.effect(Action::Do(step), None);
                self.notify("ALERTA", "ENTREGADA");
            }
        }
    }

    /// One try to undo; whether there is more to come.
    fn undo(&mut self, step: Step) -> bool {
        let action = Action::Undo(step);
        if self.plot.failing == Some(step) && !self.failed {
            self.failed = true;
            self.answer(action, Outcome::Failed(because("Averiado")));
            self.late();
        }
        match self.plot.then {
            Then::Stays if self.failed => return false,
            Then::ByHand if self.failed && self.plot.failing == Some(step) => {
                let by_hand = Controls {
                    resolved_by: Some("ana: arreglado".to_owned()),
                    ..Controls::default()
                };
                self.decide(&by_hand);
                return true;
            }
            Then::Works | Then::Stays | Then::ByHand => {}
        }
        self.undone(step);
        self.answer(action, Outcome::Done);
        true
    }

    /// The command of a step that a person took over comes at last, and then its undo.
    fn overtaken(&mut self) {
        for step in [Step::CrearFacturacion, Step::ConfirmarFacturacion] {
            let paso = self.saga.pasos.iter().find(|paso| paso.nombre == step);
            let taken_over = paso.is_some_and(|paso| paso.estado == StepState::Resolved);
            let done = self.left.effects.iter().any(|effect| effect.action == Action::Do(step));
            if taken_over && !done {
                self.effect(Action::Do(step), Some(self.solicitud.dinero.into()));
                self.effect(Action::Undo(step), None);
            }
        }
    }

    /// What undoing a step changes, if there is anything to undo.
    fn undone(&mut self, step: Step) {
        let has = |tipo| self.left.lines.iter().any(|line| line.tipo == tipo);
        let estado = self.left.factura.as_ref().map(|factura| factura.estado.clone());
        match step {
            Step::RealizarPago if has(TipoMovimiento::Contracargo) => {}
            Step::RealizarPago if has(TipoMovimiento::Captura) => {
                if self.plot.charged_back {
                    self.line(TipoMovimiento::Contracargo);
                }
                self.line(TipoMovimiento::Reembolso);
                self.pago("REEMBOLSADO");
            }
            Step::RealizarPago if has(TipoMovimiento::Autorizacion) => {
                self.line(TipoMovimiento::Anulacion);
                self.pago("ANULADO");
            }
            Step::ConfirmarFacturacion if estado.as_deref() == Some("CONFIRMADO") => {
                self.effect(Action::Undo(step), None);
                self.factura("PAGO_ENVIADO");
            }
            Step::CrearFacturacion if estado.is_some() => {
                self.effect(Action::Undo(step), None);
                self.factura("CANCELADO");
            }
            // What was said cannot be unsaid.
            Step::CrearFacturacion | Step::RealizarPago | Step::ConfirmarFacturacion | Step::CrearNotificacion => {}
        }
    }

    fn answer(&mut self, action: Action, outcome: Outcome) {
        let respuesta = Respuesta {
            action,
            id_correlacion: self.id.clone(),
            outcome,
        };
        self.write(apply(&self.saga, &respuesta));
    }

    fn late(&mut self) {
        self.decide(&Controls::default());
    }

    fn decide(&mut self, controls: &Controls) {
        match next(&self.saga, controls, &LATE) {
            Next::Record(saga) => self.write(Applied::Changed(saga)),
            other @ (Next::Send(_) | Next::Wait(_) | Next::Rest | Next::Ended) => {
                panic!("nothing is written: {other:?}")
            }
        }
    }

    fn write(&mut self, applied: Applied) {
        let Applied::Changed(saga) = applied else {
            panic!("{applied:?} of {:?}", self.saga)
        };
        let version = Version::recorded(self.id.clone(), self.solicitud.clone(), saga.clone());
        self.left.versions.push(version);
        self.saga = saga;
    }

    fn effect(&mut self, action: Action, importe: Option<Importe>) {
        let id = self.id.clone();
        self.left.effects.push(Effect { id, action, importe });
    }

    fn line(&mut self, tipo: TipoMovimiento) {
        self.left.lines.push(Movimiento {
            tipo,
            referencia: self.id.to_string(),
            clave: format!("{}/{tipo:?}", self.id),
            monto: self.solicitud.dinero.minor(),
            moneda: self.solicitud.dinero.moneda(),
        });
    }

    fn factura(&mut self, estado: &str) {
        self.left.factura = Some(Factura {
            estado: estado.to_owned(),
            importe: Some(self.solicitud.dinero.into()),
        });
    }

    fn pago(&mut self, estado: &str) {
        let importe = Importe::from(self.solicitud.dinero);
        let taken = self.left.lines.iter().any(|line| line.tipo == TipoMovimiento::Captura);
        self.left.pago = Some(Pago {
            estado: estado.to_owned(),
            importe,
            cobrado: taken.then_some(importe),
        });
    }

    fn notify(&mut self, tipo: &str, estado: &str) {
        self.left.notificaciones.push(Notificacion {
            tipo: tipo.to_owned(),
            estado: estado.to_owned(),
        });
        if estado == "ENTREGADA" {
            self.left.mensajes.push(Mensaje {
                referencia: self.id.to_string(),
                clave: format!("{}/{tipo}/correo", self.id),
            });
        }
    }
}
