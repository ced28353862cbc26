//! The figures, as people read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use checker::{Check, Verdict};

use crate::book::Count;
use crate::clock::{Millis, millis, show};
use crate::load::DEEDS;
use crate::nemesis::{Fault, Kind, Outage, Phase, Recovery};
use crate::out::thousands;
use crate::redis::Stream;
use crate::verdict::{Gathered, some_of_each};

/// Memory of one process in the run, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// When it had warmed up: half a minute after the start, or at the first look.
    pub(crate) begin: u64,
    /// At the end of the load.
    pub(crate) end: u64,
    /// The most that was seen.
    pub(crate) most: u64,
}

/// What was to happen. What did not, although there was time for it, is wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// How long faults overlap.
    pub(crate) storm: Duration,
    /// Seconds from one to the next there, on average.
    pub(crate) every: f64,
    /// How long there is one fault at a time.
    pub(crate) singles: Duration,
    /// From progress to the next one there.
    pub(crate) calm: Duration,
    /// Every part.
    pub(crate) parts: Vec<String>,
}

/// A storm that is so long and has so many faults has every kind: what chance leaves out is made up for in its second half.
const LONG_STORM: Duration = Duration::from_secs(180);
const MANY_FAULTS: f64 = 60.0;
/// Enough for one single fault with what comes before and after it, on a slow machine as well.
const SINGLE: Duration = Duration::from_secs(10);
/// Where so many thousandths of a deed are to be drawn, 17.5, it was done at least once. Of five that are drawn at least four
/// are done: the other's payment fails or leaves before. That is 14, and where 14 are to be expected there is none with a
/// chance below e^-14, less than one in a million.
const SOME_DONE: usize = 17_500;
/// No payment goes through the traces: whatever comes next would count as their recovery.
const TRACES: &str = "jaeger";
/// How soon payments are to move again after a kill, half of the times and nearly always.
const AIM_P50: Millis = 5_000;
const AIM_P99: Millis = 15_000;

/// Everything a report says.
#[cfg_attr(test, derive(Default))]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) machine: String,
    pub(crate) seed: u64,
    pub(crate) took: Millis,
    /// From the start to the end of the last fault.
    pub(crate) faulty: Millis,
    pub(crate) rate: f64,
    pub(crate) held_back: Millis,
    pub(crate) count: Count,
    pub(crate) versions: u64,
    /// What people and banks did to any payment.
    pub(crate) deeds: BTreeSet<String>,
    pub(crate) plan: Plan,
    pub(crate) faults: Vec<Fault>,
    pub(crate) recoveries: Vec<Recovery>,
    /// While there was one fault at a time no payment was asked for while so many were open.
    pub(crate) recovery_open: usize,
    pub(crate) outage: Option<Outage>,
    pub(crate) memory: BTreeMap<String, Memory>,
    /// How many payments ended so, by phase and reason.
    pub(crate) ends: BTreeMap<String, usize>,
    /// From the first request to the end, in milliseconds, sorted.
    pub(crate) took_to_end: Vec<Millis>,
    /// From the last fault to rest.
    pub(crate) rested: Option<Millis>,
    pub(crate) idle_seconds: u64,
    pub(crate) waiting_most: u64,
    pub(crate) gathered: Gathered,
    pub(crate) verdict: Verdict,
    /// What is wrong beside the verdict's violations.
    pub(crate) more: Vec<String>,
}

// === impl Report ===

impl Report {
    /// Everything that is wrong, a sentence each.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let violations = self.verdict.violations.iter().map(ToString::to_string);
        let without = self.recoveries.iter().filter(|recovery| recovery.took.is_none());
        let without = without.map(|recovery| {
            let Recovery { part, kind, at, .. } = recovery;
            format!("no progress after {} {part} at {}", kind.name(), show(*at))
        });
        let waiting = self.outage.iter().filter(|outage| outage.worked_off.is_none());
        let waiting = waiting.map(|_| "what waited for the operator was not worked off in time".to_owned());
        let more = self.more.iter().cloned();
        let left_out = self.kinds_left_out().into_iter().chain(self.parts_left_out());
        let left_out = left_out.chain(self.deeds_left_out());
        violations
            .chain(more)
            .chain(without)
            .chain(waiting)
            .chain(left_out)
            .collect()
    }

    /// Kinds of faults that there was time for and that there were none of.
    fn kinds_left_out(&self) -> Option<String> {
        let Plan { storm, every, .. } = &self.plan;
        if *storm < LONG_STORM || storm.as_secs_f64() / every < MANY_FAULTS {
            return None;
        }
        let none = Kind::ALL.into_iter().filter(|kind| self.of_kind(*kind) == 0);
        let none: Vec<&str> = none.map(Kind::name).collect();
        (!none.is_empty()).then(|| format!("no fault of these kinds in {} s: {}", storm.as_secs(), none.join(", ")))
    }

    /// Parts that there was time to kill alone and that were not: each slice of that time has room for one.
    fn parts_left_out(&self) -> Option<String> {
        let Plan {
            singles, calm, parts, ..
        } = &self.plan;
        let kills = self.recoveries.iter().filter(|recovery| recovery.kind == Kind::Kill);
        let killed: BTreeSet<&str> = kills.map(|recovery| recovery.part.as_str()).collect();
        let room = usize::try_from(millis(*singles) / millis(SINGLE + *calm)).unwrap_or(usize::MAX);
        let never = parts.iter().map(String::as_str).filter(|part| !killed.contains(part));
        (killed.len() < room.min(parts.len())).then(|| {
            let never: Vec<&str> = never.collect();
            let (killed, all, seconds) = (killed.len(), parts.len(), singles.as_secs());
            format!(
                "only {killed} of {all} parts were killed alone in {seconds} s: not {}",
                never.join(", ")
            )
        })
    }

    /// Deeds that there were payments enough for and that nobody did. Not asked after an outage: whoever would have done them
    /// meanwhile gave up.
    fn deeds_left_out(&self) -> Option<String> {
        if self.outage.is_some() {
            return None;
        }
        let accepted = self.count.accepted;
        let due = DEEDS
            .iter()
            .filter(|(_, of_thousand)| accepted * of_thousand >= SOME_DONE);
        let never: Vec<&str> = due
            .map(|(deed, _)| *deed)
            .filter(|deed| !self.deeds.contains(*deed))
            .collect();
        (!never.is_empty()).then(|| format!("not done to any of {accepted} payments: {}", never.join(", ")))
    }

    fn of_kind(&self, kind: Kind) -> usize {
        self.faults.iter().filter(|fault| fault.kind == kind).count()
    }

    /// How long recovery took after each of these, in milliseconds, sorted; one that never came is at the end.
    fn after(&self, such: impl Fn(&Recovery) -> bool) -> Vec<Millis> {
        let such = self.recoveries.iter().filter(|recovery| such(recovery));
        let mut took: Vec<Millis> = such.map(|recovery| recovery.took.unwrap_or(Millis::MAX)).collect();
        took.sort_unstable();
        took
    }

    /// The same after each kill that says something.
    fn after_kills(&self) -> Vec<Millis> {
        self.after(|recovery| recovery.kind == Kind::Kill && is_felt(recovery))
    }

    /// The one line.
    pub(crate) fn summary(&self) -> String {
        let kinds: Vec<String> = Kind::ALL
            .into_iter()
            .map(|kind| format!("{} {}", kind.name(), self.of_kind(kind)))
            .collect();
        let kills = self.after_kills();
        format!(
            "campaign: {} payments, {} faults ({}), {} violations, {} stalled, recovery after a kill p50 {} p99 {}",
            thousands(self.count.accepted),
            thousands(self.faults.len()),
            kinds.join(", "),
            self.wrong().len(),
            self.verdict.stalled,
            seconds(at(&kills, 50)),
            seconds(at(&kills, 99)),
        )
    }

    /// For people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "# Campaign\n")?;
        writeln!(
            text,
            "The whole system as real processes on one machine: four services, the operator, their five Dapr sidecars, etcd, \
             kube-apiserver, Redis, Jaeger, the simulated gateway. Clients ask for payments at every door while processes are \
             killed, frozen, restarted and cut off from each other; then `checker` judges every version of every payment, the \
             gateway's ledger, the archive and the tables of the services.\n"
        )?;
        writeln!(text, "```\n{}\n```\n", self.summary())?;
        self.in_short(text)?;
        self.verdicts(text)?;
        self.ends(text)?;
        self.faults(text)?;
        self.recovery(text)?;
        self.outage(text)?;
        self.sizes(text)
    }

    fn in_short(&self, text: &mut String) -> std::fmt::Result {
        let minutes = |millis: Millis| format!("{} min {:02} s", millis / 60_000, millis / 1000 % 60);
        let (faulty, in_all) = (minutes(self.faulty), minutes(self.took));
        let Count {
            asked,
            accepted,
            tries,
            busy: _,
        } = self.count;
        let [asked, accepted, tries] = [asked, accepted, tries].map(thousands);
        let [half, most, longest] = [50, 99, 100].map(|hundredths| seconds(at(&self.took_to_end, hundredths)));
        let rest = match self.rested {
            Some(_) => format!("all ended, every queue empty {}", seconds(self.rested)),
            None => "not reached".to_owned(),
        };
        writeln!(
            text,
            "| | |\n|---|---|\n\
             | command | `{}` |\n\
             | seed | {} |\n\
             | machine | {} |\n\
             | until the last fault | {faulty}, {in_all} in all |\n\
             | load | open loop, {} a second; {asked} payments asked for, {accepted} accepted, {tries} requests sent |\n\
             | held back | {:.0} s in all, while too many payments were open |\n\
             | from request to end | p50 {half}, p99 {most}, the longest {longest} (faults and slow gateways included) |\n\
             | rest | {rest} after the last fault |",
            self.command,
            self.seed,
            self.machine,
            self.rate,
            secs(self.held_back)
        )
    }

    fn verdicts(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n## Verdict\n")?;
        let wrong = self.wrong();
        writeln!(
            text,
            "{} violations, {} stalled. The gateway holds {} cents, the completed payments say {}.\n",
            wrong.len(),
            self.verdict.stalled,
            self.verdict.held,
            self.verdict.owed
        )?;
        for sentence in some_of_each(&wrong) {
            writeln!(text, "- {sentence}")?;
        }
        writeln!(text, "\n| check | judged |\n|---|---:|")?;
        for check in Check::ALL {
            let judged = self.verdict.judged(check);
            let judged = judged.map_or("not judged".to_owned(), thousands);
            writeln!(text, "| {check} | {judged} |")?;
        }
        writeln!(
            text,
            "\n{} versions of payments were read from etcd's own history, so none is missed while the API server is down. \
             That participants act once and in order (effects) is judged in the simulation, which sees each act; here \
             their rows and both ledgers are.",
            thousands(usize::try_from(self.versions).unwrap_or(usize::MAX))
        )
    }

    fn ends(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n## What became of the payments\n\n| end | payments |\n|---|---:|"
        )?;
        for (end, count) in &self.ends {
            writeln!(text, "| {end} | {} |", thousands(*count))?;
        }
        Ok(())
    }

    fn faults(&self, text: &mut String) -> std::fmt::Result {
        let in_phase = |phase: Phase| self.faults.iter().filter(|fault| fault.phase == phase).count();
        writeln!(text, "\n## Faults\n")?;
        writeln!(
            text,
            "{} in the storm, where they overlap, {} one at a time. A freeze or a partition lasts 0.2 to 12 s. A partition \
             refuses connections, swallows everything (and delivers it late), loses the answers, or makes everything late.\n",
            in_phase(Phase::Storm),
            in_phase(Phase::Recovery),
        )?;
        let names: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
        writeln!(text, "| target | {} | all |", names.join(" | "))?;
        writeln!(text, "|---|{}---:|", "---:|".repeat(Kind::ALL.len()))?;
        let mut targets: BTreeMap<&str, BTreeMap<Kind, usize>> = BTreeMap::new();
        for fault in &self.faults {
            *targets.entry(&fault.target).or_default().entry(fault.kind).or_default() += 1;
        }
        for (target, kinds) in &targets {
            let counts = Kind::ALL.map(|kind| kinds.get(&kind).map(ToString::to_string).unwrap_or_default());
            let all: usize = kinds.values().sum();
            writeln!(text, "| {target} | {} | {all} |", counts.join(" | "))?;
        }
        let all = Kind::ALL.map(|kind| self.of_kind(kind).to_string());
        writeln!(text, "| all | {} | {} |", all.join(" | "), self.faults.len())
    }

    fn recovery(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n## Recovery\n")?;
        writeln!(
            text,
            "One fault at a time, the next only after progress, under the same load but that no payment is asked for while {} are \
             open: how soon it works again is to be seen, not how long the queue is. Progress is the first version of any payment \
             that can only be there because the part works again: a command was sent after the fault, carried out, answered, and \
             the answer recorded, and the part has a share in that (for the BFF and its sidecar: a payment that was first asked \
             for there after the fault was created). Counted from the signal, after a freeze from the one that ends it; after an \
             orderly restart only what began once the old process was gone counts.\n",
            self.recovery_open
        )?;
        writeln!(
            text,
            "| part | kills | p50 | longest | ready p50 | restarts | p50 | longest | freezes | p50 | longest |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        let mut parts: Vec<&str> = self.recoveries.iter().map(|recovery| recovery.part.as_str()).collect();
        parts.sort_unstable();
        parts.dedup();
        let row = |name: &str, such: &dyn Fn(&Recovery) -> bool| {
            let after = |kind: Kind| {
                let took = self.after(|recovery| recovery.kind == kind && such(recovery));
                let (half, longest) = (seconds(at(&took, 50)), seconds(at(&took, 100)));
                format!("{} | {half} | {longest}", took.len())
            };
            let killed = self.recoveries.iter().filter(|one| one.kind == Kind::Kill && such(one));
            let mut ready: Vec<Millis> = killed.filter_map(|one| one.ready).collect();
            ready.sort_unstable();
            let (kills, restarts, freezes) = (after(Kind::Kill), after(Kind::Restart), after(Kind::Freeze));
            let ready = seconds(at(&ready, 50));
            format!("| {name} | {kills} | {ready} | {restarts} | {freezes} |")
        };
        for part in parts {
            writeln!(text, "{}", row(part, &|recovery| recovery.part == part))?;
        }
        writeln!(text, "{}", row(&format!("all but {TRACES}"), &is_felt))?;
        let kills = self.after_kills();
        writeln!(
            text,
            "\nAfter a kill: p50 {}, p99 {}. Here, and wherever all are counted together, {TRACES} is left out: no payment goes \
             through it, so whatever came next would count as its recovery.",
            against(at(&kills, 50), AIM_P50),
            against(at(&kills, 99), AIM_P99)
        )
    }

    fn outage(&self, text: &mut String) -> std::fmt::Result {
        let Some(Outage {
            lasted,
            accepted,
            waiting,
            worked_off,
            writes_per_second,
        }) = &self.outage
        else {
            return Ok(());
        };
        writeln!(text, "\n## The operator gone under full load\n")?;
        writeln!(
            text,
            "For {:.0} s. The doors took {} payments meanwhile; {} requests waited in their tables at the end of it. {}; at \
             most {} versions of payments were written in a second.",
            secs(*lasted),
            thousands(*accepted),
            thousands(usize::try_from(*waiting).unwrap_or(usize::MAX)),
            worked_off.map_or("They were not worked off in time".to_owned(), |took| format!(
                "They were worked off {} after it came back",
                seconds(Some(took))
            )),
            writes_per_second
        )
    }

    fn sizes(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n## Memory and what grows\n\n| process | begin MiB | end MiB | most MiB |\n|---|---:|---:|---:|"
        )?;
        for (name, Memory { begin, end, most }) in &self.memory {
            writeln!(text, "| {name} | {} | {} | {} |", begin / 1024, end / 1024, most / 1024)?;
        }
        let mib = |bytes: u64| bytes / 1024 / 1024;
        writeln!(
            text,
            "\nMost requests that waited at the doors: {}. etcd at the end: {} MiB in use, {} MiB on disk. Nothing was written to \
             `paymentsagas` or Events in {} s after rest, or it is among the violations.\n",
            self.waiting_most,
            mib(self.gathered.etcd.in_use),
            mib(self.gathered.etcd.file),
            self.idle_seconds
        )?;
        writeln!(
            text,
            "| inbox | in the stream | not acknowledged | dead letters |\n|---|---:|---:|---:|"
        )?;
        for Stream {
            app,
            length,
            pending,
            dead,
        } in &self.gathered.streams
        {
            writeln!(text, "| {app} | {length} | {pending} | {dead} |")?;
        }
        writeln!(
            text,
            "\nA dead letter is a delivery that was given up on; whoever sent it asks again, so nothing is lost by it.\n\n\
             Full are etcd (the alarm that its quota is used up) and Redis (no memory left): they refuse what is to be written. Not \
             done here: a full disk and a jump of the clock, since both would reach every process of the machine and not the \
             system alone; the simulation sets the clock. Wires that are not cut: from one sidecar to another."
        )
    }
}

/// Whether payments had to wait for the part.
fn is_felt(recovery: &Recovery) -> bool {
    recovery.part != TRACES
}

/// A figure and whether it is what was aimed at. Machines differ, so it is told and not judged.
fn against(figure: Option<Millis>, aim: Millis) -> String {
    let met = match figure {
        None => "not measured",
        Some(figure) if figure <= aim => "met",
        Some(_) => "missed",
    };
    format!("{} (aim: at most {} s, {met})", seconds(figure), aim / 1000)
}

/// A percentile of sorted figures.
fn at(sorted: &[Millis], hundredths: usize) -> Option<Millis> {
    // The smallest that so many hundredths are not above.
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn secs(millis: Millis) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

fn seconds(millis: Option<Millis>) -> String {
    match millis {
        None => "–".to_owned(),
        Some(Millis::MAX) => "none".to_owned(),
        Some(millis) => format!("{:.1} s", secs(millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(plan: Plan, faults: Vec<Fault>, recoveries: Vec<Recovery>) -> Report {
        Report {
            plan,
            faults,
            recoveries,
            ..Report::default()
        }
    }

    fn kill(part: &str, took: Millis) -> Recovery {
        Recovery {
            part: part.to_owned(),
            kind: Kind::Kill,
            at: 0,
            took: Some(took),
            ready: None,
        }
    }

    #[test]
    fn parts_that_there_was_time_to_kill_and_that_were_not_are_complained_of() {
        // As in CI: 90 s have room for nine.
        let mut plan = Plan {
            singles: Duration::from_secs(90),
            parts: (0..15).map(|number| format!("part-{number}")).collect(),
            ..Plan::default()
        };
        let after = |plan: &Plan, kills: usize| {
            let recoveries = plan.parts.iter().take(kills).map(|part| kill(part, 400));
            report(plan.clone(), Vec::new(), recoveries.collect()).wrong()
        };
        assert_eq!(after(&plan, 0).len(), 1);
        assert_eq!(after(&plan, 8).len(), 1);
        assert_eq!(after(&plan, 9), Vec::<String>::new());
        plan.singles = Duration::from_secs(150);
        let wrong = after(&plan, 14);
        assert!(wrong.len() == 1 && wrong[0].ends_with("not part-14"), "{wrong:?}");
        assert_eq!(after(&plan, 15), Vec::<String>::new());
        // A pause after each takes its time.
        plan.calm = Duration::from_secs(10);
        assert_eq!(after(&plan, 7), Vec::<String>::new());
    }

    #[test]
    fn a_kind_that_there_was_time_for_and_that_did_not_happen_is_complained_of() {
        let all = Kind::ALL.map(Fault::of).to_vec();
        let without: Vec<Fault> = all.iter().filter(|fault| fault.kind != Kind::Full).cloned().collect();
        let plan = |seconds, every| Plan {
            storm: Duration::from_secs(seconds),
            every,
            ..Plan::default()
        };
        let wrong = |plan, faults: &[Fault]| report(plan, faults.to_vec(), Vec::new()).wrong();
        assert_eq!(wrong(plan(210, 2.4), &all), Vec::<String>::new());
        let one = wrong(plan(210, 2.4), &without);
        assert!(one.len() == 1 && one[0].ends_with(": full"), "{one:?}");
        // Too short, and too few faults.
        assert_eq!(wrong(plan(60, 0.5), &[]), Vec::<String>::new());
        assert_eq!(wrong(plan(600, 30.0), &[]), Vec::<String>::new());
    }

    #[test]
    fn a_deed_that_there_were_payments_enough_for_and_that_nobody_did_is_complained_of() {
        let wrong = |accepted, done: &[&str]| {
            let count = Count {
                accepted,
                ..Count::default()
            };
            let deeds = done.iter().map(|deed| (*deed).to_owned()).collect();
            let report = Report {
                count,
                deeds,
                ..Report::default()
            };
            report.wrong()
        };
        let all = DEEDS.map(|(deed, _)| deed);
        assert_eq!(wrong(57_773, &all), Vec::<String>::new());
        for left_out in all {
            let others: Vec<&str> = all.into_iter().filter(|deed| *deed != left_out).collect();
            let one = wrong(57_773, &others);
            assert!(one.len() == 1 && one[0].ends_with(&format!(": {left_out}")), "{one:?}");
        }
        // Too few for any; enough for what is drawn most often; enough for all.
        assert_eq!(wrong(729, &[]), Vec::<String>::new());
        assert_eq!(wrong(730, &[]), ["not done to any of 730 payments: chargeback told"]);
        assert_eq!(
            wrong(2_917, &[]),
            [format!("not done to any of 2917 payments: {}", all.join(", "))]
        );
    }

    #[test]
    fn what_no_payment_goes_through_flatters_nobody_and_an_aim_is_met_or_missed() {
        let kills = vec![kill("jaeger", 1), kill("jaeger", 1), kill("redis", 6_000)];
        let report = report(Plan::default(), Vec::new(), kills);
        assert!(
            report.summary().ends_with("p50 6.0 s p99 6.0 s"),
            "{}",
            report.summary()
        );
        let text = report.markdown();
        let told = "p50 6.0 s (aim: at most 5 s, missed), p99 6.0 s (aim: at most 15 s, met)";
        assert!(text.contains(told), "{text}");
        assert_eq!(report.wrong(), Vec::<String>::new());
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let figures: Vec<Millis> = (1..=200).collect();
        assert_eq!(
            (at(&figures, 50), at(&figures, 99), at(&figures, 100)),
            (Some(100), Some(198), Some(200))
        );
        assert_eq!((at(&[7], 50), at(&[7], 99), at(&[], 50)), (Some(7), Some(7), None));
        assert_eq!(seconds(Some(1250)), "1.2 s");
    }
}
