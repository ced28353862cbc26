//! `local reset`: down, and forget everything.

use std::path::Path;

use super::down::down;
use crate::error::Result;
use crate::layout::Layout;
use crate::out::say;
use crate::settings::Profile;

/// Stops the systems of these profiles and removes their state.
pub async fn reset(root: &Path, profiles: &[Profile]) -> Result<()> {
    down(root, profiles).await?;
    for profile in profiles {
        let layout = Layout::new(root, *profile);
        if layout.state().exists() {
            layout.wipe()?;
            say(format!("removed {}", layout.state().display()));
        }
    }
    Ok(())
}
