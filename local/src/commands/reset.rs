//! `local reset`: down, and forget everything.

use std::path::Path;

use super::down::{down, runs};
use super::others;
use crate::error::Result;
use crate::layout::Layout;
use crate::out::say;
use crate::settings::Profile;

/// Stops the systems of these profiles and removes their state; for who names none, also that of others that do not run.
pub async fn reset(root: &Path, profiles: &[Profile]) -> Result<()> {
    down(root, profiles).await?;
    for profile in profiles.iter().copied().chain(others(profiles)) {
        let layout = Layout::new(root, profile);
        if layout.state().exists() && !runs(layout.state())? {
            layout.wipe()?;
            say(format!("removed {}", layout.state().display()));
        }
    }
    Ok(())
}
