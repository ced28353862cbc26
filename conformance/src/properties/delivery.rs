//! What is asked of a broker when nothing breaks.

use std::collections::BTreeSet;
use std::time::Duration;

use local::wait::until;

use super::PROMPT;
use crate::failure::{Failure, Result};
use crate::journal::Verdict;
use crate::receiver::{FAILURES, Kind};
use crate::rig::{REPLICAS, Rig};
use crate::sender::traceparent;

const MESSAGES: usize = 300;

/// The inbound policy takes 15 s, give or take half, and a broker may hold other messages behind this one.
const EXHAUSTED: Duration = Duration::from_secs(60);

pub(super) async fn nothing_is_lost(rig: &mut Rig) -> Result<String> {
    let ids = rig.sender.ids(Kind::Plain, MESSAGES);
    rig.sender.send_each(&ids).await?;
    rig.all_handled(&ids, PROMPT).await?;
    Ok(format!("{MESSAGES} of {MESSAGES} handled"))
}

pub(super) async fn replicas_compete(rig: &mut Rig) -> Result<String> {
    let ids = rig.sender.ids(Kind::Plain, MESSAGES);
    rig.sender.send_each(&ids).await?;
    rig.all_handled(&ids, PROMPT).await?;
    let handled = rig.journal.handled();
    let handled: Vec<&Vec<usize>> = ids.iter().filter_map(|id| handled.get(id)).collect();
    let twice = handled.iter().filter(|replicas| replicas.len() > 1).count();
    let [first, second] = REPLICAS.map(|replica| handled.iter().filter(|by| by.contains(&replica)).count());
    let said = format!("{first} and {second} of {MESSAGES}, {twice} handled more than once");
    if twice == 0 && first > 0 && second > 0 {
        Ok(said)
    } else {
        Err(Failure(said))
    }
}

pub(super) async fn duplicates_arrive(rig: &mut Rig) -> Result<String> {
    let subject = rig.sender.id(Kind::Plain);
    for _ in 0..2 {
        rig.sender.publish(&subject, "the-same-id", &traceparent()).await?;
    }
    let twice = until("both deliveries", PROMPT, async || {
        match rig.journal.of(&subject).len() {
            count if count >= 2 => Ok(count),
            count => Err(format!("{count} of 2 delivered")),
        }
    });
    Ok(format!("{} deliveries, one type and subject", twice.await?))
}

pub(super) async fn the_trace_is_kept(rig: &mut Rig) -> Result<String> {
    let subject = rig.sender.id(Kind::Plain);
    let sent = traceparent();
    rig.sender.publish(&subject, &subject, &sent).await?;
    let arrived = until("the delivery", PROMPT, async || {
        rig.journal.of(&subject).pop().ok_or_else(String::new)
    });
    let arrived = arrived.await?.traceparent;
    if arrived == sent {
        Ok(String::new())
    } else {
        Err(Failure(format!("sent {sent}, arrived {arrived:?}")))
    }
}

pub(super) async fn a_failure_is_repeated(rig: &mut Rig) -> Result<String> {
    let ids = rig.sender.ids(Kind::Retry, 5);
    rig.sender.send_each(&ids).await?;
    rig.all_handled(&ids, PROMPT).await?;
    Ok(format!("5 of 5 handled after {FAILURES} failures each"))
}

pub(super) async fn a_drop_is_a_dead_letter(rig: &mut Rig) -> Result<String> {
    let ids = rig.sender.ids(Kind::Drop, 5);
    rig.sender.send_each(&ids).await?;
    are_dead_letters(rig, &ids, PROMPT).await?;
    let deliveries: usize = ids.iter().map(|id| rig.journal.of(id).len()).sum();
    Ok(format!("5 of 5 after {deliveries} deliveries"))
}

pub(super) async fn exhaustion_is_a_dead_letter(rig: &mut Rig) -> Result<String> {
    let ids = rig.sender.ids(Kind::Exhaust, 3);
    rig.sender.send_each(&ids).await?;
    are_dead_letters(rig, &ids, EXHAUSTED).await?;
    let deliveries: Vec<_> = ids.iter().map(|id| rig.journal.of(id).len().to_string()).collect();
    Ok(format!("3 of 3 after {} deliveries", deliveries.join(", ")))
}

async fn are_dead_letters(rig: &Rig, ids: &[String], patience: Duration) -> Result<()> {
    let wanted: BTreeSet<String> = ids.iter().cloned().collect();
    let there = until("the dead letters", patience, async || {
        let there = rig.sender.letters().intersection(&wanted).count();
        let deliveries: usize = ids.iter().map(|id| rig.journal.of(id).len()).sum();
        if there == wanted.len() {
            Ok(())
        } else {
            Err(format!(
                "{there} of {} there after {deliveries} deliveries",
                wanted.len()
            ))
        }
    });
    Ok(there.await?)
}

pub(super) async fn a_slow_handler_blocks_nobody(rig: &mut Rig) -> Result<String> {
    const OTHERS: usize = 100;
    let slow = rig.hold(8, &REPLICAS).await?;
    let others = rig.sender.ids(Kind::Plain, OTHERS);
    rig.sender.send_each(&others).await?;
    rig.all_handled(&others, PROMPT).await?;
    let handled = slow.iter().flat_map(|id| rig.journal.of(id));
    if handled.filter(|entry| entry.verdict == Verdict::Success).count() > 0 {
        return Err(Failure("the slow ones were handled while they were held".to_owned()));
    }
    for replica in &rig.replicas {
        replica.gate(true).await?;
    }
    rig.all_handled(&slow, PROMPT).await?;
    Ok(format!(
        "{OTHERS} of {OTHERS} handled while {} were held, then those",
        slow.len()
    ))
}
