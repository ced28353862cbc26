//! A run of several payments, as evidence that wrongs can be planted in.

use std::collections::BTreeMap;

use checker::{
    Answer, Bound, Door, Evidence, Level, Mensaje, Movimiento, Request, Scanner, Seen, Verdict, Version, Writes, judge,
};
use saga::Saga;
use seedwork::{IdCliente, IdCorrelacion, Moneda, Phase, SolicitudPago};

use crate::payment::{Left, Player, Plot};

/// What every payment costs, in minor units.
pub(crate) const MONTO: i64 = 2400;

/// A run at rest.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// What the watch saw, in its order.
    pub(crate) versions: Vec<Version>,
    /// Everything else.
    pub(crate) evidence: Evidence,
}

pub(crate) fn id(text: &str) -> IdCorrelacion {
    IdCorrelacion::parse(text).unwrap()
}

pub(crate) fn cliente(text: &str) -> IdCliente {
    IdCliente::parse(text).unwrap()
}

fn solicitud(id_cliente: &str) -> SolicitudPago {
    SolicitudPago::parse("TarjetaCredito", id_cliente, "24.00", Moneda::USD).unwrap()
}

// === impl Run ===

impl Run {
    /// Nothing was asked for, and everything was looked at.
    pub(crate) fn empty() -> Self {
        let mut scanner = Scanner::new([("redis-password", "no-tan-secreto-como-parece")]);
        scanner.read("log of bff", "payment accepted");
        let writes = Writes {
            what: "paymentsagas".to_owned(),
            before: 7,
            after: 7,
        };
        let level = Level {
            what: "rows of the intake".to_owned(),
            before: 3,
            after: 5,
            allowed: 2,
        };
        let by_hand = Mensaje {
            referencia: "aviso-a-mano".to_owned(),
            clave: "aviso-a-mano/sms".to_owned(),
        };
        let evidence = Evidence {
            requests: Vec::new(),
            sagas: Some(BTreeMap::new()),
            histories: None,
            archivo: Some(BTreeMap::new()),
            movimientos: Some(Vec::new()),
            effects: Some(Vec::new()),
            facturas: Some(BTreeMap::new()),
            planes: Some(BTreeMap::new()),
            pagos: Some(BTreeMap::new()),
            notificaciones: Some(BTreeMap::new()),
            mensajes: Some(vec![by_hand]),
            contracargos: [].into(),
            bound: Some(Bound {
                since_ms: 0,
                within_ms: 60_000,
            }),
            scan: Some(scanner.finish()),
            idle: Some(vec![writes]),
            baseline: Some(vec![level]),
        };
        let versions = Vec::new();
        Self { versions, evidence }
    }

    /// With a payment of this client that goes as told, asked for under a key and answered.
    pub(crate) fn with(mut self, payment: &str, id_cliente: &str, plot: Plot) -> Self {
        let (id, solicitud) = (id(payment), solicitud(id_cliente));
        self.take(&id, &solicitud, plot);
        let key = Some(format!("key-of-{payment}"));
        let request = Request::accepted(id, Door::Bff, solicitud, key);
        self.evidence.requests.push(request);
        self
    }

    /// The same, but the client got no answer.
    pub(crate) fn with_unanswered(mut self, payment: &str, id_cliente: &str, plot: Plot) -> Self {
        self = self.with(payment, id_cliente, plot);
        let request = self.request(payment);
        (request.answer, request.key) = (Answer::Lost, None);
        self
    }

    fn take(&mut self, id: &IdCorrelacion, solicitud: &SolicitudPago, plot: Plot) {
        let charged_back = plot.charged_back;
        let Left {
            mut versions,
            effects,
            lines,
            factura,
            pago,
            notificaciones,
            mensajes,
        } = Player::new(id, solicitud, plot).play();
        for (at_ms, version) in (1..).zip(&mut versions) {
            (version.uid, version.at_ms) = (format!("uid-of-{id}"), at_ms);
        }
        let last = versions.last().unwrap().clone();
        let phase = last.phase.unwrap_or(Phase::Running);
        let ended = last.saga.as_ref().is_some_and(Saga::ended);
        let Evidence {
            sagas,
            archivo,
            movimientos,
            effects: all_effects,
            facturas,
            planes,
            pagos,
            notificaciones: notices,
            mensajes: messages,
            contracargos,
            ..
        } = &mut self.evidence;
        let importe = solicitud.dinero.into();
        sagas
            .as_mut()
            .unwrap()
            .insert(id.clone(), Seen { phase, ended, importe });
        if ended {
            archivo.as_mut().unwrap().insert(id.clone(), last);
        }
        movimientos.as_mut().unwrap().extend(lines);
        all_effects.as_mut().unwrap().extend(effects);
        facturas
            .as_mut()
            .unwrap()
            .extend(factura.map(|factura| (id.clone(), factura)));
        pagos.as_mut().unwrap().extend(pago.map(|pago| (id.clone(), pago)));
        notices.as_mut().unwrap().insert(id.clone(), notificaciones);
        messages.as_mut().unwrap().extend(mensajes);
        let plan = planes.as_mut().unwrap().entry(solicitud.id_cliente.clone());
        let plan = plan.or_insert_with(|| "PENDIENTE".to_owned());
        if phase == Phase::Completed {
            *plan = "PAGADO".to_owned();
        }
        contracargos.extend(charged_back.then(|| id.clone()));
        self.versions.extend(versions);
    }

    pub(crate) fn judge(mut self) -> Verdict {
        self.evidence.histories = Some(self.versions.into_iter().collect());
        judge(&self.evidence)
    }

    pub(crate) fn request(&mut self, payment: &str) -> &mut Request {
        let answered = |request: &&mut Request| request.answer == Answer::Accepted(id(payment));
        self.evidence.requests.iter_mut().find(answered).unwrap()
    }

    /// The versions of a payment.
    pub(crate) fn versions_of(&mut self, payment: &str) -> Vec<&mut Version> {
        let id = id(payment);
        self.versions.iter_mut().filter(|version| version.id == id).collect()
    }

    /// The first version of a payment whose recorded state is so.
    pub(crate) fn version(&mut self, payment: &str, is_so: impl Fn(&Saga) -> bool) -> &mut Version {
        let matches = |version: &&mut Version| version.phase.is_some() && version.saga.as_ref().is_some_and(&is_so);
        self.versions_of(payment).into_iter().find(matches).unwrap()
    }

    /// The ledger.
    pub(crate) fn lines(&mut self) -> &mut Vec<Movimiento> {
        self.evidence.movimientos.as_mut().unwrap()
    }

    /// What the message provider delivered.
    pub(crate) fn messages(&mut self) -> &mut Vec<Mensaje> {
        self.evidence.mensajes.as_mut().unwrap()
    }

    /// A message under this key.
    pub(crate) fn message(&mut self, referencia: &str, clave: &str) {
        self.messages().push(Mensaje {
            referencia: referencia.to_owned(),
            clave: clave.to_owned(),
        });
    }

    /// Another ledger line like one of this payment's, but of this kind.
    pub(crate) fn line(&mut self, payment: &str, tipo: checker::TipoMovimiento) {
        let line = self.lines().iter().find(|line| line.referencia == payment);
        let monto = line.map_or(MONTO, |line| line.monto);
        self.lines().push(Movimiento {
            tipo,
            referencia: payment.to_owned(),
            clave: format!("{payment}/again"),
            monto,
            moneda: Moneda::USD,
        });
    }

    /// Nothing is left of a payment but that it was asked for.
    pub(crate) fn forget(&mut self, payment: &str) {
        let gone = id(payment);
        self.versions.retain(|version| version.id != gone);
        let evidence = &mut self.evidence;
        evidence.sagas.as_mut().unwrap().remove(&gone);
        evidence.archivo.as_mut().unwrap().remove(&gone);
        evidence.facturas.as_mut().unwrap().remove(&gone);
        evidence.pagos.as_mut().unwrap().remove(&gone);
        evidence.notificaciones.as_mut().unwrap().remove(&gone);
        evidence.effects.as_mut().unwrap().retain(|effect| effect.id != gone);
        self.lines().retain(|line| line.referencia != payment);
        self.messages().retain(|mensaje| mensaje.referencia != payment);
    }
}
