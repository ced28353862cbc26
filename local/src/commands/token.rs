//! `local token`: a token for the local system.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::issuer::{Issuer, Subject};
use crate::layout::Layout;
use crate::out::say;
use crate::settings::Profile;
use crate::status::Status;

/// Prints a token of the running system's issuer, and nothing else.
pub fn token(root: &Path, profiles: &[Profile], subject: &Subject, lasts: Duration) -> Result<()> {
    let layouts: Vec<_> = profiles.iter().map(|profile| Layout::new(root, *profile)).collect();
    let mut running = layouts.iter();
    let running = running.find(|layout| matches!(Status::of_running(layout.state()), Ok(Some(_))));
    let issuer = match running.or(layouts.first()) {
        Some(layout) => Issuer::found(layout)?,
        None => None,
    };
    let issuer = issuer.ok_or_else(|| Error::advice("there is no local system yet: run `AUTH=jwt make up` first"))?;
    say(issuer.token(subject, lasts)?);
    Ok(())
}
