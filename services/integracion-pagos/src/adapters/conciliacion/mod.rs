//! The reconciliation: our books against the gateway's, every day and on demand. It decides about no payment: it finds,
//! names, stores and warns.
//!
//! ```text
//! gateway ── cuentas, page by page ──▶ by reference ─┐
//! pagos (rows) ── page by page ─────────────────────┴▶ domain/conciliacion: comparar ─▶ suspects
//! suspects ── read the payment's document, compare again ──▶ differences ──▶ conciliaciones, diferencias, WARN
//! ```
//! Rows lag behind documents and payments move while they are read; so what moved within the margin is left to the next
//! time, and every suspicion is judged again on the document.

mod informe;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use seedwork::{Fault, IdCorrelacion, SolicitudPago};
use seedwork_runtime::intake::IdempotencyKey;
use seedwork_runtime::leader::Leader;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Sidecar, now_ms};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::participante::Pagos;
use super::pasarela::Pagina;
use super::read_model::{Cursor, ReadModel};
use crate::domain::conciliacion::{Cuenta, Diferencia, Hallazgo, Nuestro, comparar};
use informe::Ultimas;
pub use informe::{AvisoVisto, DiferenciaVista, Informe, Informes};

/// When and how far is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How often by itself; zero: only when it is asked for.
    pub cada: Duration,
    /// How far back.
    pub ventana: Duration,
    /// What moved this recently is left to the next time.
    pub margen: Duration,
    /// The most accounts of the gateway's that are held in memory at once, half a kilobyte each. A window with more is not
    /// compared.
    pub cuentas: usize,
}

/// The reconciliation at work.
pub struct Conciliacion {
    informes: Informes,
    read_model: ReadModel,
    participation: Arc<Participation<Pagos>>,
    leader: Leader,
    /// Held by the comparison that runs in this process: the lease is the replica's, and nothing between two of its own.
    turno: Arc<Mutex<()>>,
    plan: Plan,
}

/// A comparison that has begun, and its turn.
struct Empezada {
    informe: Informe,
    turno: OwnedMutexGuard<()>,
}

/// Why a comparison does not begin.
#[derive(Debug, thiserror::Error)]
pub enum NoEmpezada {
    /// Another one runs, here or in another replica. Displays as a sentence for whoever asked.
    #[error("ya hay una conciliación en curso; repita la petición en {} s", Self::RETRY_AFTER)]
    EnCurso,
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What was compared so far.
#[derive(Default)]
struct Recuento {
    pagos: i64,
    cuentas: i64,
    en_movimiento: i64,
    hallazgos: Vec<(String, Hallazgo)>,
}

/// A report whose comparison runs.
const EN_CURSO: &str = "EN_CURSO";

/// How long a leader may be silent: far longer than a page takes.
const LEASE: Duration = Duration::from_secs(300);

/// How often it is looked whether the time has come, at most.
const LOOK: Duration = Duration::from_secs(60);

/// The pause after a comparison that failed, at most.
const TRAS_FALLO: Duration = Duration::from_secs(3_600);

/// The pauses between the tries to store how a comparison ended: with what each try may take, far shorter than the lease.
const PAUSAS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// How many rows are read at once.
const PAGINA: i64 = 500;

// === impl Conciliacion ===

impl Conciliacion {
    /// Starts comparing when the time comes. Must be called within a tokio runtime.
    pub fn open(
        pool: Pool,
        sidecar: Arc<dyn Sidecar>,
        participation: Arc<Participation<Pagos>>,
        plan: Plan,
    ) -> Arc<Self> {
        let conciliacion = Arc::new(Self {
            informes: Informes::new(pool),
            read_model: participation.participant().read_model().clone(),
            participation,
            leader: Leader::new(sidecar, "conciliacion", LEASE),
            turno: Arc::default(),
            plan,
        });
        if !plan.cada.is_zero() {
            tokio::spawn(run(Arc::downgrade(&conciliacion), plan.cada.min(LOOK)));
        }
        conciliacion
    }

    /// The reports.
    pub fn informes(&self) -> &Informes {
        &self.informes
    }

    /// Begins a comparison now and lets it run; the same key of the same caller gets the report that it began.
    ///
    /// # Errors
    /// [`NoEmpezada::EnCurso`] while another one runs.
    pub async fn pedir(self: &Arc<Self>, clave: Option<IdempotencyKey<'_>>) -> Result<Informe, NoEmpezada> {
        let id = match clave {
            Some(IdempotencyKey { scope, key }) => {
                SolicitudPago::keyed_id(&format!("conciliacion\n{scope}"), key).to_string()
            }
            None => seedwork_runtime::new_id().to_string(),
        };
        if let Some((informe, _)) = self.informes.leer(&id).await? {
            return Ok(self.al_dia(informe).await?);
        }
        let begun = self.empezar(id).await?;
        let (this, informe) = (Arc::clone(self), begun.informe.clone());
        tokio::spawn(async move { this.llevar_a_cabo(begun).await });
        Ok(informe)
    }

    /// A stored report as it stands. One that nobody is at any more is ended first: its key would be told that it runs
    /// until another one begins.
    async fn al_dia(&self, informe: Informe) -> Result<Informe, Fault> {
        if informe.estado != EN_CURSO {
            return Ok(informe);
        }
        // Held to the end, or one that begins here meanwhile would be taken for one that was left.
        let Ok(_turno) = self.turno.try_lock() else {
            return Ok(informe);
        };
        if !self.leader.try_lead().await {
            return Ok(informe);
        }
        let ended = self.informes.dar_por_fallidas(now_ms()).await;
        self.leader.resign().await;
        ended?;
        let stored = self.informes.leer(&informe.id).await?;
        Ok(stored.map_or(informe, |(stored, _)| stored))
    }

    /// Compares now and waits for the report.
    ///
    /// # Errors
    /// [`NoEmpezada::EnCurso`] while another one runs.
    pub async fn conciliar(&self) -> Result<Informe, NoEmpezada> {
        let begun = self.empezar(seedwork_runtime::new_id().to_string()).await?;
        Ok(self.llevar_a_cabo(begun).await)
    }

    async fn empezar(&self, id: String) -> Result<Empezada, NoEmpezada> {
        let turno = Arc::clone(&self.turno)
            .try_lock_owned()
            .map_err(|_| NoEmpezada::EnCurso)?;
        if !self.leader.lead().await? {
            return Err(NoEmpezada::EnCurso);
        }
        let ahora = now_ms();
        let begun = async {
            self.informes.dar_por_fallidas(ahora).await?;
            let informe = Informe {
                id,
                estado: EN_CURSO.to_owned(),
                pasarela: self.participation.participant().pasarela().nombre().as_str().to_owned(),
                desde: ahora.saturating_sub(millis(self.plan.ventana)),
                empezada: ahora,
                terminada: 0,
                pagos: 0,
                cuentas: 0,
                en_movimiento: 0,
                diferencias: 0,
                detalle: String::new(),
            };
            if !self.informes.empezar(&informe).await? {
                return Err(Fault::Conflict(
                    "una conciliación con esta Idempotency-Key acaba de empezar".to_owned(),
                ));
            }
            Ok(informe)
        };
        match begun.await {
            Ok(informe) => Ok(Empezada { informe, turno }),
            Err(fault) => {
                self.leader.resign().await;
                Err(fault.into())
            }
        }
    }

    async fn llevar_a_cabo(&self, begun: Empezada) -> Informe {
        let Empezada { mut informe, turno } = begun;
        let outcome = self.comparar_todo(&informe).await;
        informe.terminada = now_ms();
        let hallazgos = match outcome {
            Ok(recuento) => {
                informe.estado = "TERMINADA".to_owned();
                informe.pagos = recuento.pagos;
                informe.cuentas = recuento.cuentas;
                informe.en_movimiento = recuento.en_movimiento;
                informe.diferencias = i64::try_from(recuento.hallazgos.len()).unwrap_or(i64::MAX);
                advertir(&informe, &recuento.hallazgos);
                recuento.hallazgos
            }
            Err(fault) => {
                tracing::warn!(
                    informe = informe.id,
                    error = fault.chain(),
                    "unable to compare with the gateway now"
                );
                informe.estado = "FALLIDA".to_owned();
                informe.detalle = match fault {
                    Fault::Rejected(sentences) => sentences.join("; "),
                    Fault::NotFound(_) | Fault::Conflict(_) | Fault::Unavailable { .. } | Fault::Bug { .. } => {
                        "the gateway, the database or the state store did not answer; see the log".to_owned()
                    }
                };
                Vec::new()
            }
        };
        self.terminar(&informe, &hallazgos).await;
        self.leader.resign().await;
        // Not before: the next one's lease would be given away.
        drop(turno);
        informe
    }

    /// Stores how a comparison ended. A database that is away for a moment does not cost what was found.
    async fn terminar(&self, informe: &Informe, hallazgos: &[(String, Hallazgo)]) {
        let mut pausas = PAUSAS.into_iter();
        while let Err(fault) = self.informes.terminar(informe, hallazgos).await {
            tracing::warn!(
                informe = informe.id,
                error = fault.chain(),
                "unable to store a reconciliation's report"
            );
            let Some(pausa) = pausas.next() else { return };
            tokio::time::sleep(pausa).await;
        }
    }

    async fn comparar_todo(&self, informe: &Informe) -> Result<Recuento, Fault> {
        // The gateway first: what moves after this was read is recent, and left out.
        // From earlier on than our rows: it dates by a clock of its own, and what it left out would be missed here.
        let desde = informe.desde.saturating_sub(millis(self.plan.margen));
        let mut cuentas = self.leer_cuentas(desde).await?;
        let reciente = informe.empezada.saturating_sub(millis(self.plan.margen));
        let mut recuento = Recuento {
            cuentas: i64::try_from(cuentas.len()).unwrap_or(i64::MAX),
            ..Recuento::default()
        };
        let mut after: Option<Cursor> = None;
        loop {
            self.seguir_al_frente().await?;
            let rows = self
                .read_model
                .since(informe.desde, after.as_ref(), &informe.pasarela, PAGINA)
                .await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.cursor());
            for row in rows {
                let cuenta = cuentas.remove(&row.id);
                let movida = cuenta
                    .as_ref()
                    .map_or(0, |cuenta| cuenta.movida_ms)
                    .max(row.actualizado);
                recuento.pagos += 1;
                if movida > reciente {
                    recuento.en_movimiento += 1;
                    continue;
                }
                if !comparar(Some(&row.nuestro()), cuenta.as_ref()).is_empty() {
                    self.confirmar(&row.id, cuenta.as_ref(), &mut recuento).await?;
                }
            }
        }
        // What is left has no row of ours within the window.
        for (leidas, (referencia, cuenta)) in (0_i64..).zip(cuentas) {
            // Each costs the reading of a document: the lease is renewed as often as for rows.
            if leidas % PAGINA == 0 {
                self.seguir_al_frente().await?;
            }
            if cuenta.movida_ms > reciente {
                recuento.en_movimiento += 1;
            } else {
                self.confirmar(&referencia, Some(&cuenta), &mut recuento).await?;
            }
        }
        Ok(recuento)
    }

    async fn leer_cuentas(&self, desde: i64) -> Result<BTreeMap<String, Cuenta>, Fault> {
        let pasarela = self.participation.participant().pasarela();
        let mut todas: BTreeMap<String, Cuenta> = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            self.seguir_al_frente().await?;
            let Pagina { cuentas, siguiente } = pasarela.cuentas(desde, cursor.as_deref()).await?;
            for cuenta in cuentas {
                match todas.get_mut(&cuenta.referencia) {
                    Some(known) => known.unir(cuenta),
                    None => drop(todas.insert(cuenta.referencia.clone(), cuenta)),
                }
            }
            if todas.len() > self.plan.cuentas {
                let most = self.plan.cuentas;
                return Err(Fault::Rejected(vec![format!(
                    "the window holds more than {most} payments; set RECONCILIATION_WINDOW to a shorter one"
                )]));
            }
            if siguiente.is_none() || siguiente == cursor {
                return Ok(todas);
            }
            cursor = siguiente;
        }
    }

    /// Judges a suspicion on the payment's document.
    async fn confirmar(&self, referencia: &str, cuenta: Option<&Cuenta>, recuento: &mut Recuento) -> Result<(), Fault> {
        let pago = match IdCorrelacion::parse(referencia) {
            Ok(id) => self
                .participation
                .document(&id)
                .await?
                .value
                .and_then(|documento| documento.agregado),
            Err(_) => None,
        };
        let nuestro = pago.as_ref().map(Nuestro::from);
        let found = comparar(nuestro.as_ref(), cuenta);
        recuento
            .hallazgos
            .extend(found.into_iter().map(|hallazgo| (referencia.to_owned(), hallazgo)));
        Ok(())
    }

    /// Says that this replica is still at it; an error when another one has taken over.
    async fn seguir_al_frente(&self) -> Result<(), Fault> {
        if self.leader.lead().await? {
            return Ok(());
        }
        Err(Fault::Conflict(
            "another replica has taken the reconciliation over".to_owned(),
        ))
    }

    /// Compares when the last comparison is long enough ago and nobody else does. After one that failed, or died, there is a
    /// pause: it may fail again, and its questions are taken from what the gateway allows for payments.
    pub async fn si_es_hora(&self) -> Result<(), Fault> {
        let ahora = now_ms();
        // What begins later than clocks may differ was written before this one was set back, and puts nothing off.
        let hasta = ahora.saturating_add(sql::FAR_MS);
        let Ultimas { empezada, terminada } = self.informes.ultimas(hasta).await?;
        let ago = |then: Option<i64>, wait| then.is_none_or(|then| ahora.saturating_sub(then) >= millis(wait));
        if !ago(terminada, self.plan.cada) || !ago(empezada, self.plan.cada.min(TRAS_FALLO)) {
            return Ok(());
        }
        match self.conciliar().await {
            Ok(_) | Err(NoEmpezada::EnCurso) => Ok(()), // whoever asked, or another replica, is at it
            Err(NoEmpezada::Fault(fault)) => Err(fault),
        }
    }
}

// === impl NoEmpezada ===

impl NoEmpezada {
    /// When it is worth asking again, in seconds: most comparisons are through by then.
    pub const RETRY_AFTER: u64 = 5;
}

/// Says how it ended: a WARN with the count of each difference, and one for each of the first few.
fn advertir(informe: &Informe, hallazgos: &[(String, Hallazgo)]) {
    let Informe {
        id,
        pagos,
        cuentas,
        en_movimiento,
        ..
    } = informe;
    if hallazgos.is_empty() {
        tracing::info!(informe = %id, pagos, cuentas, en_movimiento, "our books and the gateway's agree");
        return;
    }
    let count = |nombre: Diferencia| {
        hallazgos
            .iter()
            .filter(|(_, hallazgo)| hallazgo.nombre == nombre)
            .count()
    };
    tracing::warn!(
        informe = %id, pagos, cuentas, en_movimiento,
        solo_en_pasarela = count(Diferencia::SoloEnPasarela),
        solo_aqui = count(Diferencia::SoloAqui),
        otro_monto = count(Diferencia::OtroMonto),
        otro_estado = count(Diferencia::OtroEstado),
        capturado_dos_veces = count(Diferencia::CapturadoDosVeces),
        reembolsado_de_mas = count(Diferencia::ReembolsadoDeMas),
        "our books and the gateway's differ; a person must compare"
    );
    for (referencia, hallazgo) in hallazgos.iter().take(20) {
        let Hallazgo { nombre, aqui, pasarela } = hallazgo;
        tracing::warn!(informe = %id, id = referencia, nombre = nombre.as_str(), aqui, pasarela, "a difference");
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Runs as long as somebody holds the reconciliation.
async fn run(conciliacion: Weak<Conciliacion>, look: Duration) {
    loop {
        // Sleep first: a process that starts has better things to do.
        tokio::time::sleep(look).await;
        let Some(strong) = conciliacion.upgrade() else { return };
        if let Err(fault) = strong.si_es_hora().await {
            tracing::warn!(error = fault.chain(), "unable to reconcile now");
        }
    }
}
