//! The in-memory gateway, for tests and simulation. It plays the outcome table of the simulator (by the last two digits
//! of the amount) and passes the same contract suite.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use seedwork::{Declive, Dinero, Fault, IdCorrelacion, MedioPago, Moneda, Reason};
use tokio::sync::Notify;

use super::{Pagina, Pasarela, Respuesta};
use crate::domain::conciliacion::{Cuenta, Partida};
use crate::domain::{Cobro, Contestacion, IdAutorizacion, IdCargo, IdReembolso, Llamada, NombrePasarela, Operacion};

/// A gateway made of maps.
#[derive(Default)]
pub struct PasarelaMemoria {
    libro: Mutex<Libro>,
}

/// A call that is held between being recorded and being answered.
#[derive(Default)]
pub struct Retencion {
    llego: Notify,
    sigue: Notify,
}

#[derive(Default)]
struct Libro {
    /// By key: what was asked and answered.
    contestadas: HashMap<String, (Llamada, Contestacion)>,
    /// Keys that are being worked on, or that wait to land.
    en_curso: HashSet<String>,
    veces: HashMap<(Operacion, String), u32>,
    autorizaciones: HashMap<IdAutorizacion, Promesa>,
    cargos: HashMap<IdCargo, (IdAutorizacion, i64)>,
    devuelto: HashMap<IdCargo, i64>,
    movimientos: Vec<(IdCorrelacion, Operacion, i64)>,
    llamadas: u32,
    ids: u32,
    /// When everything in the books moved, in milliseconds since the epoch: the double has no clock.
    movida_ms: i64,
    retener: Option<(Operacion, Arc<Retencion>)>,
    retener_cuentas: Option<Arc<Retencion>>,
}

#[derive(Clone)]
struct Promesa {
    dinero: Dinero,
    anulada: bool,
}

/// What becomes of a call.
enum Efecto {
    /// Done and answered.
    Contestar,
    /// Done, and not answered.
    Callar,
    /// Not done, and not answered.
    Perder,
    /// Not answered; done when it is asked for again, which is answered the time after that.
    Aplazar,
    /// Definitely refused.
    Negar(&'static str),
}

/// Frees the key of a call, however the call ends.
struct EnCurso<'a>(&'a PasarelaMemoria, String);

impl Drop for EnCurso<'_> {
    fn drop(&mut self) {
        self.0.libro().en_curso.remove(&self.1);
    }
}

// === impl Retencion ===

impl Retencion {
    /// Waits, at most ten seconds, until the call is recorded and held.
    pub async fn llego(&self) {
        let patience = tokio::time::timeout(Duration::from_secs(10), self.llego.notified());
        patience
            .await
            .unwrap_or_else(|_| panic!("the call to be held was never made"));
    }

    /// Lets the call be answered.
    pub fn seguir(&self) {
        self.sigue.notify_one();
    }

    async fn retener(&self) {
        self.llego.notify_one();
        self.sigue.notified().await;
    }
}

// === impl PasarelaMemoria ===

impl PasarelaMemoria {
    /// Holds the next call of `operacion` between being recorded and being answered.
    pub fn retener(&self, operacion: Operacion) -> Arc<Retencion> {
        let retencion = Arc::new(Retencion::default());
        self.libro().retener = Some((operacion, Arc::clone(&retencion)));
        retencion
    }

    /// Holds the next question for the books before it is answered.
    pub fn retener_cuentas(&self) -> Arc<Retencion> {
        let retencion = Arc::new(Retencion::default());
        self.libro().retener_cuentas = Some(Arc::clone(&retencion));
        retencion
    }

    /// What happened to a payment's money, in order: the operation and its minor units.
    pub fn movimientos(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)> {
        let libro = self.libro();
        let mine = libro.movimientos.iter().filter(|(referencia, ..)| referencia == id);
        mine.map(|(_, operacion, monto)| (*operacion, *monto)).collect()
    }

    /// Every payment that is in the books, whoever asked for it.
    pub fn referencias(&self) -> BTreeSet<IdCorrelacion> {
        let libro = self.libro();
        libro
            .movimientos
            .iter()
            .map(|(referencia, ..)| referencia.clone())
            .collect()
    }

    /// Writes into the books what no call of ours did, as a hand at the gateway would.
    pub fn plantar(&self, id: &IdCorrelacion, operacion: Operacion, minor: i64) {
        self.libro().movimientos.push((id.clone(), operacion, minor));
    }

    /// Takes all that happened to a payment out of the books.
    pub fn borrar(&self, id: &IdCorrelacion) {
        self.libro().movimientos.retain(|(referencia, ..)| referencia != id);
    }

    /// Dates the books: all that is in them moved at this moment, in milliseconds since the epoch.
    pub fn fechar(&self, movida_ms: i64) {
        self.libro().movida_ms = movida_ms;
    }

    /// How many calls have been made in all, repeats included.
    pub fn llamadas(&self) -> u32 {
        self.libro().llamadas
    }

    fn libro(&self) -> MutexGuard<'_, Libro> {
        self.libro.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn atender(&self, id: &IdCorrelacion, llamada: Llamada) -> Contestacion {
        let operacion = llamada.operacion();
        let clave = operacion.clave(id);
        let (contestacion, retencion) = {
            let mut libro = self.libro();
            libro.llamadas += 1;
            if libro.en_curso.contains(&clave) {
                libro.aterrizar(id, &clave, &llamada);
                return incierta("ClaveEnCurso");
            }
            if let Some((asked, answered)) = libro.contestadas.get(&clave) {
                return if *asked == llamada {
                    answered.clone()
                } else {
                    incierta("ClaveReutilizada")
                };
            }
            let contestacion = libro.realizar(id, &clave, &llamada);
            let retencion = libro
                .retener
                .take_if(|(held, _)| *held == operacion)
                .map(|(_, retencion)| retencion);
            if retencion.is_some() {
                libro.en_curso.insert(clave.clone());
            }
            (contestacion, retencion)
        };
        if let Some(retencion) = retencion {
            let _en_curso = EnCurso(self, clave);
            retencion.retener().await;
        }
        contestacion
    }
}

// === impl Libro ===

impl Libro {
    fn realizar(&mut self, id: &IdCorrelacion, clave: &str, llamada: &Llamada) -> Contestacion {
        if let Some(refusal) = self.negativa(llamada) {
            return self.contestar(clave, llamada, refusal);
        }
        let terminacion = self.terminacion(llamada);
        let veces = self.veces.entry((llamada.operacion(), id.to_string())).or_default();
        *veces += 1;
        match efecto(terminacion, llamada.operacion(), *veces) {
            Efecto::Contestar => self.anotar(id, clave, llamada),
            Efecto::Callar => {
                self.anotar(id, clave, llamada);
                incierta("PasarelaSinRespuesta")
            }
            Efecto::Perder => incierta("PasarelaSinRespuesta"),
            Efecto::Aplazar => {
                self.en_curso.insert(clave.to_owned());
                incierta("PasarelaSinRespuesta")
            }
            Efecto::Negar(codigo) => self.contestar(clave, llamada, rechazada(codigo)),
        }
    }

    /// A capture that was put off lands when it is asked for again; a call that a test holds is recorded already.
    fn aterrizar(&mut self, id: &IdCorrelacion, clave: &str, llamada: &Llamada) {
        if self.terminacion(llamada) == 17 && llamada.operacion() == Operacion::Capturar {
            self.en_curso.remove(clave);
            self.anotar(id, clave, llamada);
        }
    }

    /// Stores the answer of a key.
    fn contestar(&mut self, clave: &str, llamada: &Llamada, contestacion: Contestacion) -> Contestacion {
        self.contestadas
            .insert(clave.to_owned(), (llamada.clone(), contestacion.clone()));
        contestacion
    }

    /// What the state of the payment rules out. The double's callers never invent an id.
    fn negativa(&self, llamada: &Llamada) -> Option<Contestacion> {
        let codigo = match llamada {
            Llamada::Autorizar { .. } => None,
            Llamada::Capturar { autorizacion, dinero } => {
                let promesa = self.autorizaciones.get(autorizacion)?;
                if promesa.anulada {
                    Some("AutorizacionAnulada")
                } else {
                    (dinero.minor() > promesa.dinero.minor()).then_some("CapturaExcedida")
                }
            }
            Llamada::Anular { autorizacion } => {
                let captured = self.cargos.values().any(|(origen, _)| origen == autorizacion);
                captured.then_some("AutorizacionCapturada")
            }
            Llamada::Reembolsar { cargo, dinero } => {
                let (_, cobrado) = self.cargos.get(cargo)?;
                let left = cobrado - self.devuelto.get(cargo).copied().unwrap_or_default();
                (dinero.minor() > left).then_some("ReembolsoExcedido")
            }
        };
        codigo.map(rechazada)
    }

    /// The last two digits of the amount that was authorised.
    fn terminacion(&self, llamada: &Llamada) -> i64 {
        let minor = |autorizacion| {
            self.autorizaciones
                .get(autorizacion)
                .map_or(0, |promesa| promesa.dinero.minor())
        };
        let minor = match llamada {
            Llamada::Autorizar { dinero, .. } => dinero.minor(),
            Llamada::Capturar { autorizacion, .. } | Llamada::Anular { autorizacion } => minor(autorizacion),
            Llamada::Reembolsar { cargo, .. } => self.cargos.get(cargo).map_or(0, |(origen, _)| minor(origen)),
        };
        minor % 100
    }

    /// Does it, and stores the answer under the key.
    fn anotar(&mut self, id: &IdCorrelacion, clave: &str, llamada: &Llamada) -> Contestacion {
        self.ids += 1;
        let number = self.ids;
        let (monto, contestacion) = match llamada {
            Llamada::Autorizar { dinero, .. } => {
                let autorizacion = known(IdAutorizacion::parse(format!("aut-{number}")));
                self.autorizaciones.insert(
                    autorizacion.clone(),
                    Promesa {
                        dinero: *dinero,
                        anulada: false,
                    },
                );
                (dinero.minor(), Contestacion::Autorizada(autorizacion))
            }
            Llamada::Capturar { autorizacion, dinero } => {
                let wrong = self.terminacion(llamada) == 18;
                let cobrado = if wrong {
                    (dinero.minor() - 100).max(1)
                } else {
                    dinero.minor()
                };
                let cargo = known(IdCargo::parse(format!("car-{number}")));
                self.cargos.insert(cargo.clone(), (autorizacion.clone(), cobrado));
                let dinero = known(Dinero::from_minor(cobrado, dinero.moneda()));
                (
                    cobrado,
                    Contestacion::Capturada(Cobro {
                        autorizacion: autorizacion.clone(),
                        cargo,
                        dinero,
                    }),
                )
            }
            Llamada::Anular { autorizacion } => {
                let promesa = self.autorizaciones.get_mut(autorizacion);
                let minor = promesa.map_or(0, |promesa| {
                    promesa.anulada = true;
                    promesa.dinero.minor()
                });
                (minor, Contestacion::Anulada)
            }
            Llamada::Reembolsar { cargo, dinero } => {
                *self.devuelto.entry(cargo.clone()).or_default() += dinero.minor();
                let reembolso = known(IdReembolso::parse(format!("ree-{number}")));
                (dinero.minor(), Contestacion::Reembolsada(reembolso))
            }
        };
        self.movimientos.push((id.clone(), llamada.operacion(), monto));
        self.contestar(clave, llamada, contestacion)
    }
}

/// The outcome table of the simulator: what becomes of the call that is made for the `veces`-th time (from 1).
fn efecto(terminacion: i64, operacion: Operacion, veces: u32) -> Efecto {
    let once = |efecto| if veces == 1 { efecto } else { Efecto::Contestar };
    let twice = |efecto| if veces <= 2 { efecto } else { Efecto::Contestar };
    match (terminacion, operacion) {
        (1, Operacion::Autorizar) => Efecto::Negar("FondosInsuficientes"),
        (2, Operacion::Autorizar) => Efecto::Negar("TarjetaRechazada"),
        (3, Operacion::Autorizar) => Efecto::Negar("TarjetaVencida"),
        (4, Operacion::Autorizar) => Efecto::Negar("TarjetaRobada"),
        (11, Operacion::Autorizar) => once(Efecto::Perder),
        (12 | 13, Operacion::Capturar) | (14, Operacion::Autorizar) | (19, Operacion::Reembolsar) => {
            once(Efecto::Callar)
        }
        (16, _) | (20, Operacion::Capturar) => twice(Efecto::Perder),
        (17, Operacion::Capturar) => once(Efecto::Aplazar),
        (21, Operacion::Reembolsar) => Efecto::Negar("ReembolsoImposible"),
        (_, _) => Efecto::Contestar,
    }
}

fn rechazada(codigo: &str) -> Contestacion {
    let declive = match codigo {
        "FondosInsuficientes" => Some(Declive::Suave),
        "TarjetaRechazada" | "TarjetaVencida" | "TarjetaRobada" => Some(Declive::Duro),
        _ => None,
    };
    Contestacion::Rechazada(Reason::new(codigo, codigo).with_declive(declive))
}

fn incierta(codigo: &str) -> Contestacion {
    Contestacion::Incierta(Reason::new(codigo, codigo))
}

/// A value that the double itself made; it runs in tests only.
fn known<T, E: std::fmt::Debug>(value: Result<T, E>) -> T {
    value.unwrap_or_else(|error| panic!("the in-memory gateway made a bad value: {error:?}"))
}

/// What is not the answer that the call can have.
fn negativa<T>(contestacion: Contestacion) -> Respuesta<T> {
    match contestacion {
        Contestacion::Rechazada(motivo) => Respuesta::Rechazado(motivo),
        Contestacion::Incierta(motivo) => Respuesta::Incierto(motivo),
        otra @ (Contestacion::Autorizada(_)
        | Contestacion::Capturada(_)
        | Contestacion::Anulada
        | Contestacion::Reembolsada(_)) => panic!("the in-memory gateway mixed up its answers: {otra:?}"),
    }
}

#[async_trait]
impl Pasarela for PasarelaMemoria {
    fn nombre(&self) -> NombrePasarela {
        NombrePasarela::Simulada
    }

    async fn autorizar(&self, id: &IdCorrelacion, medio_pago: MedioPago, dinero: Dinero) -> Respuesta<IdAutorizacion> {
        let contestacion = self.atender(id, Llamada::Autorizar { medio_pago, dinero }).await;
        let Contestacion::Autorizada(autorizacion) = contestacion else {
            return negativa(contestacion);
        };
        Respuesta::Hecho(autorizacion)
    }

    async fn capturar(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion, dinero: Dinero) -> Respuesta<Cobro> {
        let autorizacion = autorizacion.clone();
        let contestacion = self.atender(id, Llamada::Capturar { autorizacion, dinero }).await;
        let Contestacion::Capturada(cobro) = contestacion else {
            return negativa(contestacion);
        };
        Respuesta::Hecho(cobro)
    }

    async fn anular(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion) -> Respuesta<()> {
        let autorizacion = autorizacion.clone();
        let contestacion = self.atender(id, Llamada::Anular { autorizacion }).await;
        let Contestacion::Anulada = contestacion else {
            return negativa(contestacion);
        };
        Respuesta::Hecho(())
    }

    async fn reembolsar(&self, id: &IdCorrelacion, cargo: &IdCargo, dinero: Dinero) -> Respuesta<IdReembolso> {
        let cargo = cargo.clone();
        let contestacion = self.atender(id, Llamada::Reembolsar { cargo, dinero }).await;
        let Contestacion::Reembolsada(reembolso) = contestacion else {
            return negativa(contestacion);
        };
        Respuesta::Hecho(reembolso)
    }

    /// One reference a page, so that turning pages is exercised. Everything moved at one moment, 0 unless told, and all
    /// its books are in USD.
    async fn cuentas(&self, desde_ms: i64, cursor: Option<&str>) -> Result<Pagina, Fault> {
        let retencion = self.libro().retener_cuentas.take();
        if let Some(retencion) = retencion {
            retencion.retener().await;
        }
        let mut cuentas: BTreeMap<String, Cuenta> = BTreeMap::new();
        let libro = self.libro();
        if libro.movida_ms < desde_ms {
            return Ok(Pagina {
                cuentas: Vec::new(),
                siguiente: None,
            });
        }
        for (id, operacion, minor) in &libro.movimientos {
            let cuenta = cuentas
                .entry(id.to_string())
                .or_insert_with(|| Cuenta::vacia(id.as_str(), libro.movida_ms));
            match operacion {
                Operacion::Autorizar => cuenta.promesas_abiertas += 1,
                Operacion::Capturar => {
                    cuenta.cargos.push(Partida::new("car", *minor, Moneda::USD));
                    cuenta.promesas_abiertas = cuenta.promesas_abiertas.saturating_sub(1);
                }
                Operacion::Anular => cuenta.promesas_abiertas = cuenta.promesas_abiertas.saturating_sub(1),
                Operacion::Reembolsar => cuenta.devuelto += minor,
            }
        }
        let mut rest = cuentas
            .into_values()
            .filter(|cuenta| cursor.is_none_or(|cursor| cuenta.referencia.as_str() > cursor));
        let first = rest.next();
        let siguiente = first
            .as_ref()
            .filter(|_| rest.next().is_some())
            .map(|cuenta| cuenta.referencia.clone());
        Ok(Pagina {
            cuentas: first.into_iter().collect(),
            siguiente,
        })
    }
}
