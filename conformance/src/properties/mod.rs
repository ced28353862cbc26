//! What the design asks for, a sentence each. Every property finds the rig whole and may leave it broken.

mod crashes;
mod delivery;
mod state;

use std::time::{Duration, Instant};

use crate::report::Report;
use crate::rig::Rig;

/// How long a healthy system may take for what a property sends.
const PROMPT: Duration = Duration::from_secs(30);

/// Asks one property: `ask!(rig, report, only, "the sentence", function)`.
macro_rules! ask {
    ($rig:ident, $report:ident, $only:ident, $($sentence:literal => $property:path),+ $(,)?) => {
        $(if $sentence.contains($only) {
            let started = Instant::now();
            let outcome = match $rig.settle().await {
                Ok(()) => $property($rig).await,
                Err(failure) => Err(failure),
            };
            $report.property($sentence, started, outcome);
        })+
    };
}

/// Asks for everything whose sentence holds `only`.
pub(crate) async fn all(rig: &mut Rig, report: &mut Report, only: &str) {
    ask!(rig, report, only,
        "fit components are accepted" => state::fit_components_are_accepted,
        "nothing is lost" => delivery::nothing_is_lost,
        "two replicas share an inbox, each message is handled by one" => delivery::replicas_compete,
        "an id that comes twice is delivered twice" => delivery::duplicates_arrive,
        "the trace arrives as it was sent, with the sidecars sampling nothing" => delivery::the_trace_is_kept,
        "a message that failed is delivered again" => delivery::a_failure_is_repeated,
        "a message that was dropped is a dead letter" => delivery::a_drop_is_a_dead_letter,
        "a message that always fails is a dead letter in the end" => delivery::exhaustion_is_a_dead_letter,
        "a slow handler blocks nobody" => delivery::a_slow_handler_blocks_nobody,
        "nothing is lost when a receiver is killed with messages in hand" => crashes::of_a_receiver,
        "nothing is lost when a receiver and its sidecar are killed with messages in hand" => crashes::of_a_replica,
        "nothing is lost that is sent while nobody reads" => crashes::nobody_reads,
        "readers that come back get what is sent then" => crashes::readers_come_back,
        "nothing is lost when the broker is killed while messages flow" => crashes::of_the_broker,
        "nothing is lost when the broker is killed while nobody reads" => crashes::of_the_broker_while_nobody_reads,
        "a document is created once" => state::a_document_is_created_once,
        "a write over an old version is refused" => state::an_old_version_is_refused,
        "of concurrent writers one wins, and no update is lost" => state::one_writer_wins,
        "an answered write survives the kill of the store" => state::writes_survive_a_crash,
        "a store that forgets, or is not there, is refused at start" => state::unfit_components_are_refused,
    );
}
