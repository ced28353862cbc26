//! The same parts, message by message on a virtual clock, asked with the engine's own timing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use saga::{Applied, Controls, Memory, Next, Politica, Saga, apply, chargeback, next};
use seedwork::{Action, Phase, Reason, Step};

use super::engine::View;
use super::laws;
use super::message::{Answer, Message};
use super::participants::{Call, Luck, Participants};

/// One payment and everything around it.
pub(crate) struct Simulation {
    /// What the API server holds.
    pub(crate) record: Saga,
    pub(crate) controls: Controls,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) participants: Participants,
    /// On the way.
    pub(crate) bag: VecDeque<Message>,
    pub(crate) clock: Duration,
    /// Every publication of a command, and when.
    pub(crate) published: Vec<(Duration, Action)>,
    /// Every phase that was written, in order.
    pub(crate) phases: Vec<Phase>,
    /// What goes wrong.
    pub(crate) faults: Faults,
    log: Vec<String>,
    delivered: BTreeMap<usize, usize>,
}

/// One operator process.
pub(crate) struct Replica {
    /// What its watch has brought it.
    pub(crate) seen: Saga,
    pub(crate) memory: Memory,
}

/// What goes wrong, for scenarios.
#[derive(Default)]
pub(crate) struct Faults {
    /// This step is refused.
    pub(crate) refuses: Option<Step>,
    /// These commands are swallowed.
    pub(crate) silent: Vec<Action>,
    /// These attempts fail, with a reason of their own each time.
    pub(crate) fails: Vec<Action>,
    /// The first of each of these is lost.
    pub(crate) lost_once: Vec<Message>,
    /// Every message arrives twice.
    pub(crate) twice: bool,
}

/// What a replica did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Looked {
    Acted,
    Waits(Duration),
    Rests,
}

// === impl Simulation ===

impl Simulation {
    pub(crate) fn new(politica: Politica, replicas: usize) -> Self {
        let record = Saga::start(politica);
        let replica = || Replica {
            seen: record.clone(),
            memory: Memory::default(),
        };
        Self {
            replicas: std::iter::repeat_with(replica).take(replicas).collect(),
            phases: vec![record.phase()],
            record,
            controls: Controls::default(),
            participants: Participants::START,
            bag: VecDeque::new(),
            clock: Duration::ZERO,
            published: Vec::new(),
            faults: Faults::default(),
            log: Vec::new(),
            delivered: BTreeMap::new(),
        }
    }

    /// Everything happens in its turn until nothing is left to do or the time is over. Fair, but for the faults.
    pub(crate) fn settle(&mut self, limit: Duration) {
        while self.clock < limit && self.step(limit) {}
    }

    /// The next thing in its turn; false if nothing is left.
    pub(crate) fn step(&mut self, limit: Duration) -> bool {
        if let Some(message) = self.bag.pop_front() {
            self.arrive(message);
            return true;
        }
        let failing = self.faults.fails.contains(&Action::Undo(Step::RealizarPago));
        let refused = self.faults.refuses == Some(Step::RealizarPago);
        if !failing && self.work(Call::Answered, !refused) {
            return true;
        }
        let mut wait: Option<Duration> = None;
        for replica in 0..self.replicas.len() {
            self.watch(replica);
            match self.look(replica) {
                Looked::Acted => return true,
                Looked::Waits(time) => wait = Some(wait.map_or(time, |shortest| shortest.min(time))),
                Looked::Rests => {}
            }
        }
        let Some(wait) = wait else {
            return false;
        };
        self.advance(wait.min(limit.saturating_sub(self.clock)));
        true
    }

    /// A message arrives, if the faults let it.
    fn arrive(&mut self, message: Message) {
        let times = self.delivered.entry(message.number()).or_default();
        *times += 1;
        if *times == 1 && self.faults.lost_once.contains(&message) {
            return;
        }
        for _ in 0..(if self.faults.twice { 2 } else { 1 }) {
            match message {
                Message::Command(action) if self.faults.silent.contains(&action) => {}
                Message::Command(action) => {
                    let refused = self.faults.refuses.is_some_and(|step| action == Action::Do(step));
                    let failed = self.faults.fails.contains(&action);
                    self.handle(action, if refused || failed { Luck::Bad } else { Luck::Good });
                }
                Message::Reply(_) | Message::Chargeback => self.receive(message),
            }
        }
    }

    /// A participant is delivered a command.
    pub(crate) fn handle(&mut self, action: Action, luck: Luck) {
        let handled = self.participants.handle(action, luck);
        let handled = handled.or_else(|| self.participants.handle(action, Luck::Good));
        if let Some((participants, reply)) = handled {
            self.note(|| format!("{} is handled, luck {luck:?}", action.command_type()));
            self.take(participants, reply);
        }
    }

    /// Integración-pagos calls the gateway. Whether there was anything to call for.
    pub(crate) fn work(&mut self, call: Call, approves: bool) -> bool {
        let Some((participants, reply)) = self.participants.work(call, approves) else {
            return false;
        };
        self.note(|| format!("the gateway is called: {call:?}, would approve: {approves}"));
        self.take(participants, reply);
        true
    }

    fn take(&mut self, participants: Participants, reply: Option<Answer>) {
        self.participants = participants;
        self.bag.extend(reply.map(Message::Reply));
        self.check(laws::world(&View::of(&self.record), participants));
    }

    /// The client's bank takes the money back, if it can. Published until the operator has it.
    pub(crate) fn charge_back(&mut self) {
        if let Some(gateway) = self.participants.gateway.charge_back() {
            self.note(|| "the bank takes the money back".to_owned());
            self.participants.gateway = gateway;
            self.bag.push_back(Message::Chargeback);
        }
    }

    /// The operator is delivered an answer: read, decide, write.
    pub(crate) fn receive(&mut self, message: Message) {
        let read = self.record.clone();
        self.receive_having_read(message, &read);
    }

    /// As `receive`, the decision made on what was read some time ago. A conflict: read again, decide again.
    pub(crate) fn receive_having_read(&mut self, message: Message, read: &Saga) {
        let decide = |saga: &Saga| match message {
            Message::Reply(answer) => Some(apply(saga, &answer.respuesta())),
            Message::Chargeback => Some(chargeback(
                saga,
                Reason::new("Contracargo", "El banco devolvió el dinero."),
            )),
            Message::Command(_) => None,
        };
        self.note(|| format!("the operator receives {message}"));
        if let Some(Applied::Changed(new)) = decide(read)
            && self.write(read, new)
        {
            return;
        }
        let read = self.record.clone();
        if let Some(Applied::Changed(new)) = decide(&read) {
            self.write(&read, new);
        }
    }

    /// A replica looks at what its watch has brought it.
    pub(crate) fn look(&mut self, replica: usize) -> Looked {
        let Replica { seen, memory } = &self.replicas[replica];
        let seen = seen.clone();
        match next(&seen, &self.controls, memory) {
            Next::Record(new) => {
                self.note(|| format!("replica {replica} decides"));
                self.write(&seen, new);
                self.watch(replica);
                Looked::Acted
            }
            Next::Send(action) => {
                self.note(|| format!("replica {replica} publishes {}", action.command_type()));
                let memory = &mut self.replicas[replica].memory;
                memory.sends += 1;
                memory.last_send = Some(memory.elapsed);
                self.bag.push_back(Message::Command(action));
                self.published.push((self.clock, action));
                Looked::Acted
            }
            Next::Wait(time) => Looked::Waits(time),
            Next::Rest | Next::Ended => Looked::Rests,
        }
    }

    /// Compare-and-swap. Whether it succeeded.
    fn write(&mut self, read: &Saga, new: Saga) -> bool {
        if self.record.secuencia != read.secuencia {
            self.note(|| "  conflict".to_owned());
            return false;
        }
        let (before, after) = (View::of(&self.record), View::of(&new));
        self.note(|| format!("  writes {} {} {:?}", after.secuencia, after.phase, after.estados));
        self.check(laws::write(&before, &after));
        self.check(laws::world(&after, self.participants));
        if before.phase != after.phase {
            self.phases.push(after.phase);
        }
        self.record = new;
        true
    }

    /// A replica's watch catches up.
    pub(crate) fn watch(&mut self, replica: usize) {
        let Replica { seen, memory } = &mut self.replicas[replica];
        if *seen != self.record {
            *seen = self.record.clone();
            *memory = Memory::default();
        }
    }

    /// A replica is killed and started again.
    pub(crate) fn crash(&mut self, replica: usize) {
        self.note(|| format!("replica {replica} crashes"));
        self.replicas[replica] = Replica {
            seen: self.record.clone(),
            memory: Memory::default(),
        };
    }

    /// Time passes. Suspension stops the clocks of the payment.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.clock += time;
        if !self.controls.suspend {
            for replica in &mut self.replicas {
                replica.memory.elapsed += time;
            }
        }
    }

    /// How often a command was published.
    pub(crate) fn times(&self, action: Action) -> usize {
        self.published
            .iter()
            .filter(|(_, published)| *published == action)
            .count()
    }

    /// Fails with the story so far.
    pub(crate) fn check(&self, law: Result<(), laws::Broken>) {
        if let Err(broken) = law {
            panic!("law broken: {broken}\n{}", self.log.join("\n"));
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let clock = self.clock.as_secs();
        self.log.push(format!("{clock:>7} s  {}", line()));
    }
}
