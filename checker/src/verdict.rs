//! What the judge found, and what it looked at.

use std::collections::BTreeMap;
use std::fmt;

use crate::violation::Violation;

/// What is checked. The names are those of the themes in the crate's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Requests against sagas; counts requests.
    Requests,
    /// That everything ended; counts payments.
    Ends,
    /// That it did so in time; counts payments.
    Bound,
    /// Each write against the engine; counts versions.
    History,
    /// What participants did, and when; counts effects.
    Effects,
    /// What the gateway did, and when; counts ledger lines.
    Ledger,
    /// The gateway's ledger against the ends; counts payments.
    Money,
    /// The amount at every hop; counts amounts.
    Amounts,
    /// Invoices; counts payments.
    Invoices,
    /// Plans; counts clients.
    Plans,
    /// Integración-pagos; counts payments.
    Payments,
    /// Notifications; counts payments.
    Notifications,
    /// The message provider's ledger; counts payments.
    Messages,
    /// The BFF; counts payments.
    Screens,
    /// The archive; counts payments.
    Archive,
    /// A search for secrets; counts texts.
    Secrets,
    /// Writes while idle; counts counters.
    Idle,
    /// What must return to where it was; counts levels.
    Baseline,
}

/// What the judge found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a verdict that nobody reads judges nobody"]
pub struct Verdict {
    /// How many payments were judged.
    pub payments: usize,
    /// How many completed.
    pub completed: usize,
    /// How many were undone.
    pub compensated: usize,
    /// How many wait for a person, and say why.
    pub stalled: usize,
    /// What the merchant holds of ended payments and orphans according to the gateway, in minor units, all currencies
    /// added up; 0 where nobody looked.
    pub held: i64,
    /// What it should hold; 0 where nobody looked.
    pub owed: i64,
    /// What was checked, on how many objects. What is not in here was not judged.
    pub checks: BTreeMap<Check, usize>,
    /// Every promise that was broken.
    pub violations: Vec<Violation>,
}

// === impl Check ===

impl Check {
    /// Every check.
    pub const ALL: [Self; 18] = [
        Self::Requests,
        Self::Ends,
        Self::Bound,
        Self::History,
        Self::Effects,
        Self::Ledger,
        Self::Money,
        Self::Amounts,
        Self::Invoices,
        Self::Plans,
        Self::Payments,
        Self::Notifications,
        Self::Messages,
        Self::Screens,
        Self::Archive,
        Self::Secrets,
        Self::Idle,
        Self::Baseline,
    ];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Ends => "ends",
            Self::Bound => "bound",
            Self::History => "history",
            Self::Effects => "effects",
            Self::Ledger => "ledger",
            Self::Money => "money",
            Self::Amounts => "amounts",
            Self::Invoices => "invoices",
            Self::Plans => "plans",
            Self::Payments => "payments",
            Self::Notifications => "notifications",
            Self::Messages => "messages",
            Self::Screens => "screens",
            Self::Archive => "archive",
            Self::Secrets => "secrets",
            Self::Idle => "idle",
            Self::Baseline => "baseline",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Verdict ===

impl Verdict {
    /// Whether no money was made or lost.
    pub fn money_conserved(&self) -> bool {
        self.held == self.owed
    }

    /// Nothing was broken and no money was made or lost; otherwise all of it as a sentence.
    pub fn holds(&self) -> Result<(), String> {
        if self.violations.is_empty() && self.money_conserved() {
            return Ok(());
        }
        let violations: Vec<String> = self.violations.iter().map(ToString::to_string).collect();
        Err(format!(
            "held {}, owed {}; {}",
            self.held,
            self.owed,
            violations.join("; ")
        ))
    }

    /// On how many objects a check was made; `None` if it was not, because its evidence was not gathered.
    pub fn judged(&self, check: Check) -> Option<usize> {
        self.checks.get(&check).copied()
    }

    /// Fails with a sentence unless each of these checks was made, and on something.
    pub fn demands(&self, checks: &[Check]) -> Result<(), String> {
        let idle: Vec<&str> = checks
            .iter()
            .filter(|check| self.judged(**check).unwrap_or(0) == 0)
            .map(|check| check.as_str())
            .collect();
        if idle.is_empty() {
            Ok(())
        } else {
            Err(format!("judged nothing: {}", idle.join(", ")))
        }
    }

    /// What was judged, on how many objects, and what was not.
    pub fn coverage(&self) -> String {
        let made: Vec<String> = self
            .checks
            .iter()
            .map(|(check, objects)| format!("{check} {objects}"))
            .collect();
        let not: Vec<&str> = Check::ALL
            .into_iter()
            .filter(|check| !self.checks.contains_key(check))
            .map(Check::as_str)
            .collect();
        if not.is_empty() {
            format!("judged: {}", made.join(", "))
        } else {
            format!("judged: {}; not judged: {}", made.join(", "), not.join(", "))
        }
    }

    pub(crate) fn looked(&mut self, check: Check, objects: usize) {
        *self.checks.entry(check).or_default() += objects;
    }

    pub(crate) fn found(&mut self, violations: impl IntoIterator<Item = Violation>) {
        self.violations.extend(violations);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} payments, {} completed, {} compensated, {} stalled, {} violations",
            self.payments,
            self.completed,
            self.compensated,
            self.stalled,
            self.violations.len()
        )
    }
}
