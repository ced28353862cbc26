//! Which local system is meant: its checkout, its state dir.

use std::path::PathBuf;

use local::layout::Layout;
use local::ready::chain;
use local::settings::Profile;

/// The choices that name a local system.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Local {
    /// The checkout [default: the one that the current folder is in]
    #[arg(long)]
    root: Option<PathBuf>,
}

// === impl Local ===

impl Local {
    /// The one that runs in the checkout, else the first that ever ran; none if there is no checkout or never was one.
    pub(crate) fn layout(&self) -> Result<Option<Layout>, String> {
        let root = match &self.root {
            Some(root) => Some(root.canonicalize().map_err(|e| format!("{}: {e}", root.display()))?),
            None => std::env::current_dir()
                .ok()
                .and_then(|folder| Layout::find_root(&folder).ok()),
        };
        let Some(root) = root else { return Ok(None) };
        let running = Layout::running(&root, &Profile::ALL).map_err(|error| chain(&error))?;
        let mut all = Profile::ALL.into_iter().map(|profile| Layout::new(&root, profile));
        Ok(running.or_else(|| all.find(|layout| layout.state().is_dir())))
    }
}
