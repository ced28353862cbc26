//! One world: its clock, its dice, its processes, and the story of what happened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use seedwork::App;
use tokio::time::Instant;

use crate::laws::Effects;
use crate::life::Life;
use crate::lock;
use crate::model::api_server::ApiServer;
use crate::model::bank::Bank;
use crate::model::broker::Broker;
use crate::model::post::Post;
use crate::model::store::Stores;
use crate::people::Log;
use crate::plan::Plan;
use crate::system::{self, Bases, Incarnation};

/// How much later than its caller waits a call may arrive.
const LATE: Duration = Duration::from_secs(30);

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proc {
    /// The BFF.
    Bff,
    /// Gestión-clientes.
    Clientes,
    /// Integración-pagos.
    Pagos,
    /// Notificaciones.
    Notificaciones,
    /// An operator, by its number.
    Operator(u8),
}

/// What a process talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The broker, through its sidecar.
    Broker,
    /// The state store, through its sidecar.
    Store,
    /// The API server.
    ApiServer,
    /// Its database.
    Sql,
    /// The gateway.
    Gateway,
    /// The message provider.
    Provider,
    /// Another application, through its sidecar.
    Neighbour,
}

/// One world.
pub struct World {
    /// What goes wrong in it.
    pub plan: Plan,
    /// The broker.
    pub broker: Broker,
    /// The API server.
    pub api: ApiServer,
    /// The state stores.
    pub stores: Stores,
    /// The gateway, and the client's bank behind it.
    pub bank: Bank,
    /// The message provider and the clients' addresses.
    pub post: Post,
    /// The databases.
    pub bases: Arc<Bases>,
    /// What clients did.
    pub log: Log,
    /// What participants did.
    pub effects: Effects,
    started: Instant,
    dice: Mutex<SmallRng>,
    /// Since when nothing fails any more.
    calm_since: OnceLock<Duration>,
    processes: Mutex<Processes>,
    broken: Mutex<Vec<String>>,
    story: Option<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Processes {
    lives: BTreeMap<Proc, Arc<Life>>,
    running: BTreeMap<Proc, Arc<Incarnation>>,
    points: BTreeMap<Proc, u64>,
    deaths: u64,
}

// === impl Proc ===

impl Proc {
    /// Every process of a world with so many operators.
    pub fn all(operators: u8) -> Vec<Self> {
        let services = [Self::Bff, Self::Clientes, Self::Pagos, Self::Notificaciones];
        services.into_iter().chain((0..operators).map(Self::Operator)).collect()
    }

    /// Which application it runs.
    pub fn app(self) -> App {
        match self {
            Self::Bff => App::Bff,
            Self::Clientes => App::GestionClientes,
            Self::Pagos => App::IntegracionPagos,
            Self::Notificaciones => App::Notificaciones,
            Self::Operator(_) => App::Operator,
        }
    }
}

impl fmt::Display for Proc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(number) => write!(f, "operator-{number}"),
            Self::Bff | Self::Clientes | Self::Pagos | Self::Notificaciones => write!(f, "{}", self.app()),
        }
    }
}

// === impl Part ===

impl Part {
    /// Those that can be out for everybody.
    pub const SHARED: [Self; 6] = [
        Self::Broker,
        Self::Store,
        Self::ApiServer,
        Self::Sql,
        Self::Gateway,
        Self::Provider,
    ];
}

// === impl World ===

impl World {
    /// A world that follows `plan`, with its own dice.
    pub fn new(plan: Plan, seed: u64, bases: Arc<Bases>, tells: bool) -> Arc<Self> {
        Arc::new(Self {
            plan,
            broker: Broker::default(),
            api: ApiServer::default(),
            stores: Stores::default(),
            bank: Bank::default(),
            post: Post::default(),
            bases,
            log: Log::default(),
            effects: Effects::default(),
            started: Instant::now(),
            dice: Mutex::new(SmallRng::seed_from_u64(seed)),
            calm_since: OnceLock::new(),
            processes: Mutex::default(),
            broken: Mutex::default(),
            story: tells.then(Mutex::default),
        })
    }

    /// How long it has existed.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Throws the dice.
    pub fn dice(&self) -> MutexGuard<'_, SmallRng> {
        lock(&self.dice)
    }

    /// Whether something of this rate happens now. Nothing does once faults have stopped.
    pub fn chance(&self, rate: f64) -> bool {
        rate > 0.0 && !self.is_calm() && self.dice().random_bool(rate)
    }

    /// A moment up to `most`.
    pub fn upto(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.dice().random_range(0..=most))
    }

    /// From now on nothing fails any more.
    pub fn calm_down(&self) {
        self.note(|| "faults stop".to_owned());
        // Only the first time counts.
        let _ = self.calm_since.set(self.elapsed());
    }

    /// Whether nothing fails any more.
    pub fn is_calm(&self) -> bool {
        self.calm_since.get().is_some()
    }

    /// For how long nothing has failed any more.
    pub fn calm_for(&self) -> Option<Duration> {
        let since = self.calm_since.get()?;
        Some(self.elapsed().saturating_sub(*since))
    }

    /// Whether a part answers nobody now.
    pub fn is_out(&self, part: Part) -> bool {
        if self.plan.outages.is_empty() || self.is_calm() {
            return false;
        }
        let now = self.elapsed();
        self.plan.outages.iter().any(|outage| outage.holds(part, now))
    }

    /// For how long a process still stands still.
    pub fn frozen(&self, proc: Proc) -> Option<Duration> {
        if self.plan.freezes.is_empty() || self.is_calm() {
            return None;
        }
        let now = self.elapsed();
        let mine = self.plan.freezes.iter().find(|freeze| freeze.holds(proc, now));
        mine.map(|freeze| freeze.until - now)
    }

    /// Whether a call fails now and does nothing.
    pub fn fails(&self, part: Part) -> bool {
        self.is_out(part) || self.chance(self.plan.call.fails)
    }

    /// Whether a call that was done is not answered.
    pub fn loses_answer(&self) -> bool {
        self.chance(self.plan.call.loses_answer)
    }

    /// How much later than its caller waits a call to the API server arrives, if it does.
    pub fn arrives_late(&self) -> Option<Duration> {
        let late = self.chance(self.plan.call.late);
        late.then(|| self.upto(LATE))
    }

    /// Whether a process dies at this await point.
    pub fn strikes(&self, proc: Proc) -> bool {
        if self.is_calm() {
            return false;
        }
        if let Some((victim, point)) = self.plan.crash_at
            && victim == proc
        {
            let mut processes = self.processes();
            let points = processes.points.entry(proc).or_default();
            *points += 1;
            return *points == point + 1;
        }
        self.chance(self.plan.crash)
    }

    /// How long this await point takes, if it takes long.
    pub fn pause(&self) -> Option<Duration> {
        self.chance(self.plan.pause).then(|| self.upto(self.plan.longest_pause))
    }

    /// Starts a process.
    pub fn launch(self: &Arc<Self>, proc: Proc) {
        let life = Life::new(Arc::clone(self), proc);
        self.processes().lives.insert(proc, Arc::clone(&life));
        let world = Arc::clone(self);
        tokio::spawn(async move {
            match system::start(&life).await {
                Ok(incarnation) => {
                    life.alive().await;
                    world.processes().running.insert(proc, Arc::new(incarnation));
                }
                Err(error) => {
                    world.note(|| format!("{proc} cannot start: {error}"));
                    if !life.is_over() {
                        world.kill(proc);
                    }
                }
            }
        });
    }

    /// Kills a process. It comes back.
    pub fn kill(self: &Arc<Self>, proc: Proc) {
        let life = {
            let mut processes = self.processes();
            processes.deaths += 1;
            processes.running.remove(&proc);
            processes.lives.remove(&proc)
        };
        let Some(life) = life else { return };
        life.end();
        let pause = self.upto(Duration::from_secs(8));
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            world.note(|| format!("{proc} starts again"));
            world.launch(proc);
        });
    }

    /// Lets go of every process: they hold the world, which nobody would ever let go of.
    pub fn end(&self) {
        let processes = std::mem::take(&mut *self.processes());
        drop(processes);
    }

    /// A process as it runs now.
    pub fn running(&self, proc: Proc) -> Option<Arc<Incarnation>> {
        self.processes().running.get(&proc).cloned()
    }

    /// One of the processes of an application that run now.
    pub fn any_running(&self, app: App) -> Option<Arc<Incarnation>> {
        let running: Vec<_> = {
            let processes = self.processes();
            let mine = processes.running.iter().filter(|(proc, _)| proc.app() == app);
            mine.map(|(_, incarnation)| Arc::clone(incarnation)).collect()
        };
        match running.len() {
            0 | 1 => running.into_iter().next(),
            many => running.get(self.dice().random_range(0..many)).cloned(),
        }
    }

    /// How many processes died.
    pub fn deaths(&self) -> u64 {
        self.processes().deaths
    }

    /// A law was broken.
    pub fn broken(&self, law: String) {
        self.note(|| format!("BROKEN: {law}"));
        lock(&self.broken).push(law);
    }

    /// The laws that were broken.
    pub fn take_broken(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.broken))
    }

    /// A line of the story.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(story) = &self.story {
            let line = format!("{:>9.3} s  {}", self.elapsed().as_secs_f64(), line());
            lock(story).push(line);
        }
    }

    /// The story so far.
    pub fn take_story(&self) -> Vec<String> {
        let Some(story) = &self.story else { return Vec::new() };
        std::mem::take(&mut lock(story))
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        lock(&self.processes)
    }
}
