//! What all the worlds of a run looked at: what was judged, and what people did, must not be nothing without a word.

use std::collections::BTreeMap;
use std::fmt;

use checker::{Check, Verdict};

use crate::people::Deed;
use crate::run::Outcome;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Coverage {
    worlds: usize,
    checks: BTreeMap<Check, usize>,
    deeds: BTreeMap<&'static str, Deed>,
}

/// So many worlds, or tries, of which none comes to anything are no coincidence.
const ENOUGH: usize = 50;

// === impl Coverage ===

impl Coverage {
    /// Counts another world.
    pub fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        for (check, objects) in &outcome.checks {
            *self.checks.entry(*check).or_default() += objects;
        }
        for (what, deed) in &outcome.deeds {
            let all = self.deeds.entry(*what).or_default();
            all.tried += deed.tried;
            all.taken += deed.taken;
        }
    }

    /// That every check was made on something, and that what people did was taken by some payment.
    ///
    /// # Errors
    /// A sentence with what was not. Nothing is said of a few worlds.
    pub fn covers(&self) -> Result<(), String> {
        if self.worlds >= ENOUGH {
            // No secret and no text that people read is in here; all else is.
            let demanded: Vec<Check> = Check::ALL
                .into_iter()
                .filter(|check| *check != Check::Secrets)
                .collect();
            let verdict = Verdict {
                checks: self.checks.clone(),
                ..Verdict::default()
            };
            let worlds = self.worlds;
            verdict
                .demands(&demanded)
                .map_err(|why| format!("{worlds} worlds {why}"))?;
        }
        let mut deeds = self.deeds.iter();
        match deeds.find(|(_, deed)| deed.tried >= ENOUGH && deed.taken == 0) {
            Some((what, deed)) => Err(format!(
                "somebody {what} a payment {} times, and none takes it",
                deed.tried
            )),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<String> = self.checks.iter().map(|(check, n)| format!("{check} {n}")).collect();
        let deeds = self.deeds.iter();
        let deeds: Vec<String> = deeds
            .map(|(what, Deed { tried, taken })| format!("{what} {taken} of {tried}"))
            .collect();
        write!(f, "judged: {}; somebody {}", checks.join(", "), deeds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of many worlds, each of which judged everything but `but`.
    fn run(but: Option<Check>, taken: usize) -> Coverage {
        let all = Check::ALL.into_iter().filter(|check| Some(*check) != but);
        let outcome = Outcome {
            checks: all.map(|check| (check, 1)).collect(),
            deeds: BTreeMap::from([("cancels", Deed { tried: 1, taken })]),
            ..Outcome::default()
        };
        let mut coverage = Coverage::default();
        for _ in 0..ENOUGH {
            coverage.add(&outcome);
        }
        coverage
    }

    #[test]
    fn what_was_never_judged_is_named() {
        assert_eq!(run(None, 1).covers(), Ok(()));
        assert_eq!(run(Some(Check::Secrets), 1).covers(), Ok(()));
        let why = run(Some(Check::Money), 1).covers().unwrap_err();
        assert!(why.contains("judged nothing: money"), "{why}");
        let mut one = Coverage::default();
        one.add(&Outcome::default());
        assert_eq!(one.covers(), Ok(()), "one world may have nothing of something");
    }

    #[test]
    fn people_whom_nobody_ever_obeys_are_named() {
        let why = run(None, 0).covers().unwrap_err();
        assert!(why.contains("somebody cancels a payment 50 times"), "{why}");
    }
}
