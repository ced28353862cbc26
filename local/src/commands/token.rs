//! `local token`: a token for the local system.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::issuer::{Issuer, Subject};
use crate::layout::Layout;
use crate::out::say;
use crate::settings::Profile;

/// Prints a token of the running system's issuer, and nothing else.
pub fn token(root: &Path, profiles: &[Profile], subject: &Subject, lasts: Duration) -> Result<()> {
    let running = Layout::running(root, profiles)?;
    let layout = running.or_else(|| profiles.first().map(|profile| Layout::new(root, *profile)));
    let issuer = layout.as_ref().map(Issuer::found).transpose()?.flatten();
    let issuer = issuer.ok_or_else(|| Error::advice("there is no local system yet: run `AUTH=jwt make up` first"))?;
    say(issuer.token(subject, lasts)?);
    Ok(())
}
