//! Everything that can happen next.

use std::fmt;

use seedwork::Phase;

use super::engine::{Asked, Decision, Engine, Question};
use super::message::{Answer, How, Message};
use super::participants::{Call, Luck};
use super::shell::{self, Replica, act};
use super::world::World;

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// A replica looks because a message came, or time passed.
    Look { replica: Replica, question: Question },
    /// The stale replica reads the record; what it went ahead to, it keeps.
    Read,
    /// The stale replica is killed and started again.
    Crash,
    /// The stale replica writes what it went ahead to.
    CatchUp,
    /// A participant is delivered a command.
    Handle { message: Message, luck: Luck },
    /// Integración-pagos calls the gateway.
    Work { call: Call, approves: bool },
    /// A capture that timed out arrives at the gateway.
    Land { approves: bool },
    /// The client's bank takes the money back.
    Bank,
    /// A person asks for something.
    Ask(Asked),
}

/// What people and the bank may do in an exploration, each at most once and at any point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freedom {
    pub(crate) cancel: bool,
    pub(crate) bank: bool,
    pub(crate) retry: bool,
    pub(crate) resolve: bool,
    /// The second replica, with its stale read. Without it, there is one only from when it goes ahead of the record.
    pub(crate) second_replica: bool,
}

impl Freedom {
    /// One replica, and nobody interferes.
    pub(crate) const NONE: Self = Self {
        cancel: false,
        bank: false,
        retry: false,
        resolve: false,
        second_replica: false,
    };
}

/// Calls `visit` with each thing that can happen, and the world after it.
pub(crate) fn each(world: &World, engine: &mut Engine, freedom: Freedom, mut visit: impl FnMut(Event, World)) {
    let mut visit = |engine: &Engine, event, after: World| {
        visit(event, settled(after, engine, freedom));
    };
    let stale = !shell::in_step(world);
    let replicas: &[Replica] = if stale {
        &[Replica::Fresh, Replica::Stale]
    } else {
        &[Replica::Fresh]
    };
    let looks = [Question::Due(world.asked), Question::Late(world.asked)];
    let delivered = sent(world)
        .filter(|message| !is_command(*message))
        .map(Question::Delivered);
    for question in delivered.chain(looks) {
        for &replica in replicas {
            for after in act(world, engine, replica, question).into_iter().flatten() {
                visit(engine, Event::Look { replica, question }, after);
            }
        }
    }
    if stale {
        let crashed = World {
            snapshot: world.record,
            base: world.record,
            ..*world
        };
        visit(engine, Event::Read, shell::read(world, engine));
        visit(engine, Event::Crash, crashed);
    }
    if shell::is_ahead(world, engine) {
        visit(engine, Event::CatchUp, shell::catch_up(world, engine));
    }
    for message in sent(world) {
        for luck in [Luck::Good, Luck::Bad] {
            if let Some(after) = handle(world, message, luck) {
                visit(engine, Event::Handle { message, luck }, after);
            }
        }
    }
    outside(world, freedom, &mut |event, after| visit(engine, event, after));
}

/// Without a second replica nobody lags behind the record; only what went ahead of it is a world of its own.
fn settled(world: World, engine: &Engine, freedom: Freedom) -> World {
    if freedom.second_replica || shell::is_ahead(&world, engine) {
        world
    } else {
        shell::read(&world, engine)
    }
}

/// What does not go through the bus.
fn outside(world: &World, freedom: Freedom, visit: &mut impl FnMut(Event, World)) {
    for approves in [true, false] {
        for call in [Call::Answered, Call::Unheard, Call::Held, Call::Failed] {
            if let Some(after) = work(world, call, approves) {
                visit(Event::Work { call, approves }, after);
            }
        }
        if let Some(gateway) = world.participants.gateway.land(approves) {
            let mut after = *world;
            after.participants.gateway = gateway;
            visit(Event::Land { approves }, after);
        }
    }
    if freedom.bank
        && let Some(gateway) = world.participants.gateway.charge_back()
    {
        let mut after = World {
            sent: world.sent.with(Message::Chargeback),
            ..*world
        };
        after.participants.gateway = gateway;
        visit(Event::Bank, after);
    }
    let now = world.asked;
    let asks = [
        (freedom.cancel && !now.cancel, Asked { cancel: true, ..now }),
        (freedom.retry && !now.retry, Asked { retry: true, ..now }),
        (freedom.resolve && !now.resolve, Asked { resolve: true, ..now }),
    ];
    for (may, asked) in asks {
        if may {
            visit(Event::Ask(asked), World { asked, ..*world });
        }
    }
}

/// The next thing in a world where from now on nothing is lost, refused or disturbed; `None` at the end. Always one of
/// the things that can happen.
pub(crate) fn fair(world: &World, engine: &mut Engine, freedom: Freedom) -> Option<World> {
    let view = engine.view(world.record);
    let (phase, outstanding) = (view.phase, view.outstanding.or(view.owed));
    let reversed = match phase {
        Phase::Compensating | Phase::Compensated | Phase::Stalled => true,
        Phase::Pending | Phase::Running | Phase::Completed => false,
    };
    let look = |engine: &mut Engine, question| {
        let [end, ..] = act(world, engine, Replica::Fresh, question);
        end.map(|end| settled(end, engine, freedom))
    };
    if world.sent.contains(Message::Chargeback) && !reversed {
        return look(engine, Question::Delivered(Message::Chargeback));
    }
    if let Decision::Record(_) | Decision::RunAhead(_) = engine.ask(world.record, Question::Due(world.asked)) {
        return look(engine, Question::Due(world.asked));
    }
    let action = outstanding?;
    let command = Message::Command(action);
    for how in [How::Done, How::Refused] {
        let reply = Message::Reply(Answer::new(action, how));
        if world.sent.contains(reply) {
            return look(engine, Question::Delivered(reply));
        }
    }
    if !world.sent.contains(command) {
        return look(engine, Question::Due(world.asked));
    }
    let handled = handle(world, command, Luck::Good).filter(|after| after != world);
    handled.or_else(|| work(world, Call::Answered, true))
}

fn handle(world: &World, message: Message, luck: Luck) -> Option<World> {
    let Message::Command(action) = message else {
        return None;
    };
    let (participants, reply) = world.participants.handle(action, luck)?;
    Some(answered(World { participants, ..*world }, reply))
}

fn work(world: &World, call: Call, approves: bool) -> Option<World> {
    let (participants, reply) = world.participants.work(call, approves)?;
    Some(answered(World { participants, ..*world }, reply))
}

fn answered(world: World, reply: Option<Answer>) -> World {
    World {
        sent: reply.map_or(world.sent, |answer| world.sent.with(Message::Reply(answer))),
        ..world
    }
}

fn sent(world: &World) -> impl Iterator<Item = Message> + use<> {
    let sent = world.sent;
    Message::ALL.into_iter().filter(move |message| sent.contains(*message))
}

fn is_command(message: Message) -> bool {
    match message {
        Message::Command(_) => true,
        Message::Reply(_) | Message::Chargeback => false,
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look { replica, question } => {
                match replica {
                    Replica::Fresh => write!(f, "operator: ")?,
                    Replica::Stale => write!(f, "operator's other replica, on its stale read: ")?,
                }
                match question {
                    Question::Delivered(message) => write!(f, "receives {message}"),
                    Question::Due(_) => write!(f, "looks"),
                    Question::Late(_) => write!(f, "looks, the deadline has passed"),
                }
            }
            Self::Read => write!(f, "operator's other replica: reads"),
            Self::Crash => write!(f, "operator's other replica: is killed and starts again"),
            Self::CatchUp => write!(f, "operator's other replica: writes what it went ahead to"),
            Self::Handle { message, luck } => {
                let how = match luck {
                    Luck::Good => "takes",
                    Luck::Bad => "refuses or fails",
                };
                write!(f, "participant: {how} {message}")
            }
            Self::Work { call, approves } => {
                write!(
                    f,
                    "integracion-pagos: calls the gateway ({call:?}, which would approve: {approves})"
                )
            }
            Self::Land { approves } => {
                write!(
                    f,
                    "gateway: the capture that timed out arrives (which would approve: {approves})"
                )
            }
            Self::Bank => write!(f, "bank: takes the money back"),
            Self::Ask(Asked { cancel, retry, resolve }) => {
                write!(f, "person: asks (cancel: {cancel}, retry: {retry}, resolve: {resolve})")
            }
        }
    }
}
