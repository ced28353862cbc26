//! The demo: seven payments before the reader's eyes, then what they left behind.
//!
//! Each scenario states what must come out and looks it up where it is kept: the BFF, the invoice, the plan, the
//! notifications, the gateway's ledger. Nothing is taken from what the demo itself did.

mod paint;
mod scenarios;
mod screens;
mod trace;

use std::path::Path;
use std::time::Instant;

use checker::{Accepted, judge};

use crate::error::{Error, Result};
use crate::kubernetes::NAMESPACE;
use crate::layout::Layout;
use crate::out::say;
use crate::settings::Settings;
use crate::world::World;

pub use paint::Paint;
pub use trace::{Span, spans, tree, without_sidecars};

/// What the demo knows so far.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) layout: Layout,
    pub(crate) paint: Paint,
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) failures: Vec<String>,
}

/// Plays every scenario on a running system. An outcome that is not the expected one is an error in the end.
pub async fn play(root: &Path, settings: &Settings) -> Result<()> {
    let started = Instant::now();
    let layout = Layout::new(root, settings.profile);
    let world = World::new(settings.ports, &layout.admin_kubeconfig()).await?;
    let world = world.of_an_operator(&layout)?;
    let mut stage = Stage {
        world,
        layout,
        paint: Paint::of_terminal(),
        accepted: Vec::new(),
        failures: Vec::new(),
    };
    let declined = scenarios::all(&mut stage).await?;
    remember(&stage)?;

    screens::table(&stage).await?;
    screens::trace(&stage, &declined).await?;
    judged(&mut stage).await?;
    screens::addresses(&stage, settings);

    let Stage { failures, paint, .. } = stage;
    let seconds = started.elapsed().as_secs_f64();
    if failures.is_empty() {
        say(format!(
            "\n{} in {seconds:.0} s; everything is still running, `make down` stops it",
            paint.good("7 of 7 scenarios")
        ));
        return Ok(());
    }
    say(format!("\n{}", paint.bad("not as expected:")));
    for failure in &failures {
        say(format!("  {failure}"));
    }
    Err(Error::advice(
        "the demo did not come out as it must; `make logs S=operator` shows the operator's side",
    ))
}

/// Judges the demo that was played on a running system again. What it says is computed from what the system holds
/// now, so whatever has been done to the gateway since is found.
pub async fn verdict(root: &Path, settings: &Settings) -> Result<()> {
    let layout = Layout::new(root, settings.profile);
    let accepted = recall(&layout)?;
    let world = World::new(settings.ports, &layout.admin_kubeconfig()).await?;
    let world = world.of_an_operator(&layout)?;
    let mut stage = Stage {
        world,
        layout,
        paint: Paint::of_terminal(),
        accepted,
        failures: Vec::new(),
    };
    judged(&mut stage).await?;
    if stage.failures.is_empty() {
        Ok(())
    } else {
        Err(Error::advice("the verdict is bad"))
    }
}

async fn judged(stage: &mut Stage) -> Result<()> {
    let gathered = stage.world.evidence(NAMESPACE, &stage.accepted, Default::default());
    let evidence = gathered.await?;
    let verdict = judge(&evidence);
    screens::ledger(stage, &evidence, &verdict);
    stage
        .failures
        .extend(verdict.violations.iter().map(ToString::to_string));
    if !verdict.money_conserved() {
        stage.failures.push(format!(
            "the gateway holds {}, the sagas say {}",
            verdict.held, verdict.owed
        ));
    }
    Ok(())
}

/// What a later verdict needs.
fn remember(stage: &Stage) -> Result<()> {
    let lines: Vec<_> = stage
        .accepted
        .iter()
        .map(|a| (a.id.to_string(), a.id_cliente.to_string(), a.minor))
        .collect();
    let text = serde_json::to_vec(&lines).map_err(|source| Error::Json {
        what: "the accepted payments".into(),
        source,
    })?;
    crate::status::write_atomically(&stage.layout.state().join("accepted.json"), &text)
}

fn recall(layout: &Layout) -> Result<Vec<Accepted>> {
    let nothing = || Error::advice("no demo has been played here: run `make demo`");
    let text = std::fs::read(layout.state().join("accepted.json")).map_err(|_| nothing())?;
    let lines: Vec<(String, String, i64)> = serde_json::from_slice(&text).map_err(|_| nothing())?;
    let read = |(id, cliente, minor): (String, String, i64)| {
        let id = seedwork::IdCorrelacion::parse(id).map_err(|_| nothing())?;
        Ok(Accepted {
            id,
            id_cliente: seedwork::IdCliente::parse(cliente).map_err(|_| nothing())?,
            minor,
        })
    };
    lines.into_iter().map(read).collect()
}
