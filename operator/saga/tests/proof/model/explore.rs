//! Every world that can be reached, breadth first.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use saga::Politica;
use seedwork::Phase;

use super::engine::{Engine, Value};
use super::laws::{self, Broken};
use super::steps::{self, Event, Freedom};
use super::world::{Packed, World};

/// What was found, when no law is broken.
pub(crate) struct Explored {
    pub(crate) worlds: usize,
    pub(crate) transitions: usize,
    /// Distinct recorded values.
    pub(crate) values: usize,
    /// Events from the start to the farthest world.
    pub(crate) depth: u32,
    /// Phase moves that were written.
    pub(crate) moves: BTreeSet<(Phase, Phase)>,
    /// Phases in which a fair continuation ends.
    pub(crate) ends: BTreeSet<Phase>,
}

/// The shortest way to a broken law.
pub(crate) struct Counterexample {
    pub(crate) law: Broken,
    pub(crate) trace: Vec<String>,
}

struct Explorer {
    engine: Engine,
    freedom: Freedom,
    worlds: Vec<Packed>,
    /// From which world each was reached first, and at which depth.
    parents: Vec<(u32, u32)>,
    places: HashMap<Packed, u32, BuildHasherDefault<Folding>>,
    writes: HashSet<(Value, Value)>,
    moves: BTreeSet<(Phase, Phase)>,
    transitions: usize,
}

/// Multiplies and folds. The worlds are no adversary's choice.
#[derive(Default)]
struct Folding(u64);

/// Explores every world that can be reached under this policy and freedom.
pub(crate) fn explore(politica: Politica, freedom: Freedom) -> Result<Explored, Counterexample> {
    let mut explorer = Explorer {
        engine: Engine::new(Engine::quick(politica)),
        freedom,
        worlds: Vec::new(),
        parents: Vec::new(),
        places: HashMap::default(),
        writes: HashSet::new(),
        moves: BTreeSet::new(),
        transitions: 0,
    };
    explorer.run()
}

// === impl Explorer ===

impl Explorer {
    fn run(&mut self) -> Result<Explored, Counterexample> {
        self.meet(World::START, 0, 0);
        let mut here = 0;
        let mut after = Vec::new();
        while let Some(&packed) = self.worlds.get(here) {
            let world = World::unpack(packed);
            steps::each(&world, &mut self.engine, self.freedom, |_, next| {
                // Much of what happens changes nothing: repetitions mostly.
                if next != world {
                    after.push(next);
                }
            });
            self.transitions += after.len();
            let from = number(here);
            let depth = self.parents[here].1 + 1;
            for next in after.drain(..) {
                let new = self.meet(next, from, depth);
                // Every write, also where it leads to what was met another way.
                let written = self.judge_write(&world, &next);
                let judged = written.and_then(|()| if new { self.judge_world(&next) } else { Ok(()) });
                judged.map_err(|law| self.trace_over(law, here, &next))?;
            }
            here += 1;
        }
        let ends = self.everything_ends()?;
        Ok(Explored {
            worlds: self.worlds.len(),
            transitions: self.transitions,
            values: self.engine.values(),
            depth: self.parents.last().map_or(0, |(_, depth)| *depth),
            moves: std::mem::take(&mut self.moves),
            ends,
        })
    }

    /// Whether this world is new.
    fn meet(&mut self, world: World, from: u32, depth: u32) -> bool {
        let packed = world.pack();
        let new = number(self.worlds.len());
        let known = *self.places.entry(packed).or_insert(new);
        if known == new {
            self.worlds.push(packed);
            self.parents.push((from, depth));
        }
        known == new
    }

    fn judge_write(&mut self, before: &World, after: &World) -> Result<(), Broken> {
        if before.record == after.record || !self.writes.insert((before.record, after.record)) {
            return Ok(());
        }
        let (old, new) = (self.engine.view(before.record), self.engine.view(after.record));
        laws::write(old, new)?;
        if old.phase != new.phase {
            self.moves.insert((old.phase, new.phase));
        }
        Ok(())
    }

    fn judge_world(&self, world: &World) -> Result<(), Broken> {
        laws::world(self.engine.view(world.record), world.participants)
    }

    /// From every world, what happens when nothing is disturbed any more leads to an end. Fair steps are among the
    /// explored ones, so each leads to a known world: it is enough to follow them.
    fn everything_ends(&mut self) -> Result<BTreeSet<Phase>, Counterexample> {
        #[derive(Clone, Copy, PartialEq)]
        enum Fate {
            Unknown,
            OnTheWay,
            Ends,
        }
        let mut fates = vec![Fate::Unknown; self.worlds.len()];
        let mut ends = BTreeSet::new();
        for start in 0..self.worlds.len() {
            let (mut way, mut here) = (Vec::new(), start);
            while fates[here] == Fate::Unknown {
                fates[here] = Fate::OnTheWay;
                way.push(here);
                let world = World::unpack(self.worlds[here]);
                let Some(next) = steps::fair(&world, &mut self.engine, self.freedom) else {
                    let view = self.engine.view(world.record);
                    let phase = view.phase;
                    laws::rest(view, world.participants).map_err(|law| self.trace(law, here))?;
                    ends.insert(phase);
                    fates[here] = Fate::Ends;
                    break;
                };
                let Some(&place) = self.places.get(&next.pack()) else {
                    return Err(self.trace("the fair continuation leaves the explored worlds".to_owned(), here));
                };
                here = usize::try_from(place).expect("a place in memory");
            }
            if fates[here] != Fate::Ends {
                return Err(self.trace("undisturbed, this never ends".to_owned(), here));
            }
            for passed in way {
                fates[passed] = Fate::Ends;
            }
        }
        Ok(ends)
    }

    /// How this world was reached over the one at this place.
    fn trace_over(&mut self, law: Broken, place: usize, next: &World) -> Counterexample {
        let mut counterexample = self.trace(law, place);
        let from = World::unpack(self.worlds[place]);
        counterexample.trace.push(self.describe(&from, next));
        counterexample
    }

    /// How the world at this place was reached.
    fn trace(&mut self, law: Broken, place: usize) -> Counterexample {
        let mut way = vec![place];
        let mut here = place;
        while here != 0 {
            here = usize::try_from(self.parents[here].0).expect("a place in memory");
            way.push(here);
        }
        way.reverse();
        let worlds: Vec<World> = way.iter().map(|place| World::unpack(self.worlds[*place])).collect();
        let trace = worlds
            .windows(2)
            .map(|pair| self.describe(&pair[0], &pair[1]))
            .collect();
        Counterexample { law, trace }
    }

    fn describe(&mut self, before: &World, after: &World) -> String {
        let mut found: Option<Event> = None;
        steps::each(before, &mut self.engine, self.freedom, |event, world| {
            if world == *after && found.is_none() {
                found = Some(event);
            }
        });
        let event = found.map_or_else(|| "?".to_owned(), |event| event.to_string());
        let sent = after.sent.0 & !before.sent.0;
        let news = super::message::Message::ALL
            .into_iter()
            .filter(|message| sent & (1 << message.number()) != 0);
        let news: String = news.map(|message| format!(", sends {message}")).collect();
        let written = if before.record == after.record {
            String::new()
        } else {
            let view = self.engine.view(after.record);
            let estados: Vec<String> = view.estados.iter().map(|(_, estado)| format!("{estado:?}")).collect();
            format!(", writes {} {} [{}]", view.secuencia, view.phase, estados.join(" "))
        };
        format!("{event}{written}{news}")
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 worlds")
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "law broken: {}", self.law)?;
        for (number, event) in self.trace.iter().enumerate() {
            writeln!(f, "{:>4}. {event}", number + 1)?;
        }
        Ok(())
    }
}

// === impl Folding ===

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    fn write_u128(&mut self, packed: u128) {
        let mixed = (packed ^ u128::from(self.0)).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        let mixed = (mixed ^ (mixed >> 71)).wrapping_mul(0xD6E8_FEB8_6659_FD93_A076_1D64_78BD_642F);
        self.0 = u64::try_from(mixed >> 64).unwrap_or_default();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
