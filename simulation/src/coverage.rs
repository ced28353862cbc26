//! What all the worlds of a run looked at: what was judged, and what people did, must not be nothing without a word.

use std::time::Duration;

use checker::{Check, Verdict};

use crate::people::Deed;
use crate::run::Outcome;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Coverage {
    worlds: usize,
    failed: u64,
    /// The figures of all worlds, added up; neither stories nor violations.
    all: Outcome,
}

/// So many worlds, or tries, of which none comes to anything are no coincidence.
const ENOUGH: usize = 50;

// === impl Coverage ===

impl Coverage {
    /// Counts another world.
    pub fn add(&mut self, outcome: &Outcome) {
        let Outcome {
            payments,
            completed,
            compensated,
            deaths,
            writes,
            messages,
            took,
            judged_in,
            checks,
            deeds,
            violations,
            story: _,
        } = outcome;
        let all = &mut self.all;
        self.worlds += 1;
        self.failed += u64::from(!violations.is_empty());
        all.payments += payments;
        all.completed += completed;
        all.compensated += compensated;
        all.deaths += deaths;
        all.writes += writes;
        all.messages += messages;
        all.took += *took;
        all.judged_in += *judged_in;
        for (check, objects) in checks {
            *all.checks.entry(*check).or_default() += objects;
        }
        for (what, deed) in deeds {
            let sum = all.deeds.entry(*what).or_default();
            sum.tried += deed.tried;
            sum.taken += deed.taken;
        }
    }

    /// How many worlds broke a promise.
    pub fn failed(&self) -> u64 {
        self.failed
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
                checks: self.all.checks.clone(),
                ..Verdict::default()
            };
            let worlds = self.worlds;
            verdict
                .demands(&demanded)
                .map_err(|why| format!("{worlds} worlds {why}"))?;
        }
        let mut deeds = self.all.deeds.iter();
        match deeds.find(|(_, deed)| deed.tried >= ENOUGH && deed.taken == 0) {
            Some((what, deed)) => Err(format!(
                "somebody {what} a payment {} times, and none takes it",
                deed.tried
            )),
            None => Ok(()),
        }
    }

    /// All of it, as people read it, of a run that took so long.
    pub fn summary(&self, real: Duration) -> String {
        let Self { worlds, failed, all } = self;
        let Outcome {
            payments,
            completed,
            compensated,
            deaths,
            writes,
            messages,
            ..
        } = all;
        let per_minute = u128::try_from(*payments).unwrap_or_default() * 60_000 / real.as_millis().max(1);
        let checks: Vec<String> = all.checks.iter().map(|(check, n)| format!("{check} {n}")).collect();
        let deeds = all.deeds.iter();
        let deeds: Vec<String> = deeds
            .map(|(what, Deed { tried, taken })| format!("{what} {taken} of {tried}"))
            .collect();
        format!(
            "{worlds} worlds, {payments} payments ({completed} completed, {compensated} compensated), {deaths} deaths, \
             {writes} writes, {messages} messages, {} h of virtual time in {:.1} s ({:.1} s of it the judge's), {per_minute} \
             payments/min; violations in {failed} worlds\njudged: {}; somebody {}",
            all.took.as_secs() / 3600,
            real.as_secs_f64(),
            all.judged_in.as_secs_f64(),
            checks.join(", "),
            deeds.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
