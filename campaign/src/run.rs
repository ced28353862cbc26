//! One campaign from start to end, on a system of its own that is ended whatever becomes of it.

use std::sync::Arc;

use local::commands;
use local::out::say;
use local::settings::Profile;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;
use crate::clock::Clock;
use crate::phases::Campaign;
use crate::system::{System, chained};
use crate::{Outcome, text};

/// Answers whether all is well.
pub(crate) async fn run(args: &Args) -> Outcome<bool> {
    let root = args.root.canonicalize().map_err(text)?;
    let clock = Clock::start();
    let seed = args.seed.unwrap_or(clock.wall(0));
    say(format!("SEED={seed}"));
    let asked_to_end = asked_to_end();
    tokio::pin!(asked_to_end);
    let fresh = tokio::select! {
        fresh = System::fresh(args, &root) => fresh,
        () = &mut asked_to_end => Err("interrupted".to_owned()),
    };
    let system = match fresh {
        Ok(system) => Arc::new(system),
        Err(why) => {
            // Some of it may run, and nobody else ends it.
            if let Err(also) = commands::down(&root, &[Profile::Campaign]).await {
                say(chained(also));
            }
            return Err(why);
        }
    };
    let campaign = async {
        let campaign = Campaign::start(args, Arc::clone(&system), clock, seed).await?;
        campaign.play().await
    };
    let outcome = tokio::select! {
        outcome = campaign => outcome,
        () = asked_to_end => Err("interrupted".to_owned()),
    };
    let down = system.down(&root).await;
    match (&outcome, args.keep) {
        (Ok((true, _)), false) => system.layout.wipe().map_err(chained)?,
        (Ok(_) | Err(_), _) => {
            say(format!("the evidence is kept in {}", system.layout.state().display()));
        }
    }
    let (well, summary) = outcome?;
    down?;
    say(summary);
    Ok(well)
}

/// Returns once somebody wants us to end. It is listened for from the call on.
fn asked_to_end() -> impl Future<Output = ()> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let [Ok(mut interrupted), Ok(mut terminated)] = signals else {
            // They cannot be listened to and end us as they always do; the next run ends what is left.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    }
}
