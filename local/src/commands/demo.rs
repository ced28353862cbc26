//! `local demo`: a fresh system with the settings of the demo, and the scenarios.

use std::path::Path;

use super::{down, up};
use crate::demo::{play, verdict};
use crate::error::Result;
use crate::layout::Layout;
use crate::settings::Settings;

/// Starts the demo's system with nothing in it and plays every scenario.
pub async fn demo(root: &Path, settings: Settings) -> Result<()> {
    let layout = Layout::new(root, settings.profile);
    if layout.state().exists() {
        // An earlier demo: its payments would stand in this one's tables.
        down(root, &[settings.profile]).await?;
        layout.wipe()?;
    }
    up(root, settings.clone()).await?;
    play(root, &settings).await
}

/// Judges the demo that was played, from what the running system holds now.
pub async fn judge(root: &Path, settings: Settings) -> Result<()> {
    verdict(root, &settings).await
}
