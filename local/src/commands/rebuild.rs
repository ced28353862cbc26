//! `local rebuild`: gestión-clientes makes its tables again, in the surroundings of the one that runs.

use std::path::Path;
use std::process::Command;

use seedwork::App;

use crate::error::{During as _, Error, Result};
use crate::layout::Layout;
use crate::part::{Part, read_parts};
use crate::settings::Profile;

/// Runs `gestion-clientes rebuild` against the running system, and waits for its end.
pub fn rebuild(root: &Path, profiles: &[Profile]) -> Result<()> {
    let layout =
        Layout::running(root, profiles)?.ok_or_else(|| Error::advice("no local system runs: `make up` first"))?;
    let ours = |part: &Part| part.name == App::GestionClientes.id();
    let part = read_parts(layout.state())?.into_iter().find(ours);
    let part = part.ok_or_else(|| Error::advice("gestion-clientes is no part of what runs: `make up` first"))?;
    let ended = Command::new(&part.command)
        .arg("rebuild")
        .env_clear()
        .envs(&part.env)
        .status()
        .during(format!("run {}", part.command.display()))?;
    if ended.success() {
        return Ok(());
    }
    let text = "the tables were not all made again, see above: mend that and run this again";
    Err(Error::advice(text))
}
