//! The phases of a campaign, one after the other: load; storm, one fault at a time, the operator gone for long; calm, rest and
//! idleness; the verdict.

use std::sync::Arc;
use std::time::Duration;

use checker::Verdict;
use local::wait::until;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::args::Args;
use crate::clock::{Clock, Millis, millis};
use crate::ends::{ends, took_to_end};
use crate::etcd::SAGAS;
use crate::load::Load;
use crate::machine::{command, machine};
use crate::nemesis::{Nemesis, Outage, Recovery};
use crate::report::{Plan, Report};
use crate::scene::Scene;
use crate::system::System;
use crate::verdict::{self, Gathered};
use crate::watch::Watch;
use crate::{Outcome, about, text};

/// How long payments flow before the first fault.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long the first may take: a new system answers its first calls late.
const FIRST_ACCEPTED: Duration = Duration::from_secs(60);

/// A campaign on a system that runs, and what came of it so far.
pub(crate) struct Campaign<'a> {
    args: &'a Args,
    seed: u64,
    scene: Arc<Scene>,
    load: Arc<Load>,
    nemesis: Arc<Nemesis>,
    plan: Plan,
    recoveries: Vec<Recovery>,
    outage: Option<Outage>,
    /// From the start to the end of the last fault.
    faulty: Millis,
    /// From the last fault to rest.
    rested: Option<Millis>,
    gathered: Gathered,
    /// What is wrong beside what the judge finds.
    wrong: Vec<String>,
}

// === impl Campaign ===

impl<'a> Campaign<'a> {
    /// There are clients, who ask for nothing yet, and nothing is broken.
    pub(crate) async fn start(args: &'a Args, system: Arc<System>, clock: Clock, seed: u64) -> Outcome<Self> {
        let scene = Arc::new(Scene::open(system, clock).await?);
        let nemesis = Nemesis::new(Arc::clone(&scene))?;
        let load = Load::prepare(&scene, args.rate, args.most_open).await?;
        let all = Duration::from_secs_f64(args.minutes.max(0.0) * 60.0);
        let storm = all.mul_f64(args.storm.clamp(0.0, 1.0));
        let plan = Plan {
            storm,
            every: args.every,
            singles: all.saturating_sub(storm),
            calm: Duration::from_secs_f64(args.calm.max(0.0)),
            parts: scene.system.parts()?,
        };
        Ok(Self {
            args,
            seed,
            scene,
            load,
            nemesis,
            plan,
            recoveries: Vec::new(),
            outage: None,
            faulty: 0,
            rested: None,
            gathered: Gathered::default(),
            wrong: Vec::new(),
        })
    }

    /// All of it. Answers whether all is well, and the line that says so.
    pub(crate) async fn play(mut self) -> Outcome<(bool, String)> {
        let mut watch = Watch::new(&self.scene, &self.load, &self.nemesis);
        let loading = tokio::spawn(Arc::clone(&self.load).run(self.seed));
        tokio::select! {
            broken = self.break_things() => broken?,
            () = watch.look_on() => return Err("nobody looks on any more".to_owned()),
        }
        self.calm(loading).await;
        self.rest().await;
        // From here on nothing may cost the report of what was done: what cannot be looked at is among what is wrong.
        if self.rested.is_some() {
            // What has not come to rest would take nothing, and writes.
            self.idle().await;
        }
        self.ask_every_part().await;
        self.measure().await;
        let verdict = self.judge().await;
        self.report(watch, verdict)
    }

    async fn break_things(&mut self) -> Outcome {
        self.warm_up().await?;
        self.storm().await;
        self.one_at_a_time().await;
        if self.args.outage > 0 {
            self.outage().await;
        }
        Ok(())
    }

    async fn warm_up(&self) -> Outcome {
        let book = &self.scene.book;
        let accepted = until("a payment to be accepted", FIRST_ACCEPTED, async || {
            if book.count().accepted > 0 {
                return Ok(());
            }
            let wrong = book.all_wrong();
            Err(wrong.first().map_or("no answer", String::as_str).to_owned())
        });
        accepted.await.map_err(text)?;
        sleep(WARM_UP).await;
        Ok(())
    }

    async fn storm(&mut self) {
        let Plan { storm, every, .. } = self.plan;
        self.line(&format!("storm, {} s", storm.as_secs()));
        let stormed = self.nemesis.storm(self.seed ^ 1, every, storm).await;
        self.or_wrong(stormed);
    }

    async fn one_at_a_time(&mut self) {
        let Plan { singles, calm, .. } = self.plan;
        self.line(&format!("one fault at a time, {} s", singles.as_secs()));
        // How soon a door works again is to be seen, not how many had come before: what the storm left is worked off first.
        let end = Instant::now() + singles;
        self.load.set_most(self.args.most_open.min(self.args.recovery_open));
        while Instant::now() < end && self.load.open() > self.args.recovery_open {
            sleep(Duration::from_millis(200)).await;
        }
        self.plan.singles = end.saturating_duration_since(Instant::now());
        let broken = self.nemesis.one_by_one(self.seed ^ 2, calm, end, &mut self.recoveries);
        let broken = broken.await;
        self.or_wrong(broken);
        self.load.set_most(self.args.most_open);
    }

    async fn outage(&mut self) {
        let lasts = Duration::from_secs(self.args.outage);
        self.line(&format!("the operator is gone for {} s", lasts.as_secs()));
        let patience = lasts.max(Duration::from_secs(120));
        let outage = self.nemesis.outage(lasts, patience).await;
        self.outage = self.or_wrong(outage.map(Some));
    }

    /// Nothing new is asked for, and everything is whole again.
    async fn calm(&mut self, loading: JoinHandle<()>) {
        self.faulty = self.scene.clock.now();
        self.load.stop();
        let loaded = loading.await.map_err(text);
        self.or_wrong(loaded);
        self.scene.system.heal();
        self.gathered.calm_since = self.scene.clock.now();
        let most = self.args.rest;
        let waiting = format!("the faults are over; waiting for rest, {most} s at most");
        self.scene.say(&waiting);
    }

    /// Everything accepted ends and every queue empties, or what does not is wrong.
    async fn rest(&mut self) {
        let rested = self.scene.rest(self.patience()).await;
        let rested = rested.map(|()| Some(self.scene.clock.now() - self.gathered.calm_since));
        self.rested = self.or_wrong(rested);
    }

    /// A few payments are held by a person, and nothing may be written while nothing else is asked for. Then they go on and end.
    async fn idle(&mut self) {
        let seconds = self.args.idle_seconds();
        self.scene.say(&format!(
            "at rest: a few payments are held by a person, and nothing may be written for {seconds} s"
        ));
        let mut held = Vec::new();
        let holds = self.load.hold_some(self.seed, &mut held).await;
        self.or_wrong(holds);
        let seen = self.scene.seen(&held).await;
        self.or_wrong(seen);
        let idle = self.scene.idle(Duration::from_secs(seconds)).await;
        let idle = idle.map_err(|why| format!("nobody could look whether anything is written: {why}"));
        self.gathered.idle = self.or_wrong(idle);
        let resumed = self.load.resume(&held).await;
        self.or_wrong(resumed);
        let rested = self.scene.rest(self.patience()).await;
        self.or_wrong(rested);
    }

    async fn ask_every_part(&mut self) {
        for part in &self.plan.parts {
            if let Err(why) = self.scene.system.answers(part).await {
                self.wrong.push(format!("{part} does not answer in the end: {why}"));
            }
        }
    }

    /// How full the stores are in the end.
    async fn measure(&mut self) {
        let scene = Arc::clone(&self.scene);
        let keys = patiently("etcd", async || scene.etcd.count(SAGAS).await).await;
        (self.gathered.keys, _) = self.or_wrong(keys);
        let size = patiently("etcd", async || scene.etcd.size().await).await;
        self.gathered.etcd = self.or_wrong(size);
        let streams = patiently("Redis", async || scene.redis.streams().await).await;
        self.gathered.streams = self.or_wrong(streams);
    }

    async fn judge(&mut self) -> Verdict {
        self.gathered.within = self.args.rest * 1000;
        self.scene.say("judging");
        match verdict::verdict(&self.scene, &self.load, &self.gathered).await {
            Ok((verdict, wrong)) => {
                self.wrong.extend(wrong);
                verdict
            }
            Err(why) => {
                self.wrong.push(format!("nothing was judged: {why}"));
                // What the clients were told counts all the same.
                self.wrong.extend(self.scene.book.all_wrong());
                Verdict::default()
            }
        }
    }

    fn report(self, watch: Watch, verdict: Verdict) -> Outcome<(bool, String)> {
        let Scene {
            clock, book, recorder, ..
        } = &*self.scene;
        let took_to_end = took_to_end(book, recorder);
        let slowest = took_to_end.last().cloned();
        let report = Report {
            command: command(std::env::args().skip(1)),
            machine: machine(),
            seed: self.seed,
            took: clock.now(),
            faulty: self.faulty,
            rate: self.args.rate,
            held_back: millis(self.load.held_back()),
            count: book.count(),
            versions: recorder.written().0,
            deeds: book.deeds(),
            plan: self.plan,
            faults: self.nemesis.faults(),
            recoveries: self.recoveries,
            recovery_open: self.args.most_open.min(self.args.recovery_open),
            outage: self.outage,
            memory: watch.memory,
            ends: ends(book, recorder),
            took_to_end: took_to_end.into_iter().map(|(took, _)| took).collect(),
            rested: self.rested,
            idle_seconds: self.args.idle_seconds(),
            waiting_most: watch.waiting_most,
            gathered: self.gathered,
            verdict,
            more: self.wrong,
        };
        let wrong = report.wrong();
        let story = |sentences: &[String]| verdict::stories(sentences, &self.scene, &report.faults);
        let line = |line: &str| self.scene.screen.line(line);
        let some = verdict::some_of_each(&wrong);
        for sentence in &some {
            line(&format!("violation: {sentence}"));
        }
        let stories = story(&some);
        if !stories.is_empty() {
            line(&stories);
        }
        // Who waited longest says most about what could be better.
        if let Some((took, id)) = slowest {
            let slowest = format!("{id} took {took} ms, the longest of all");
            line(&format!("{slowest}{}", story(std::slice::from_ref(&slowest))));
        }
        line(&report.verdict.coverage());
        if let Some(file) = &self.args.report {
            std::fs::write(file, report.markdown()).map_err(about(file))?;
        }
        Ok((wrong.is_empty() && report.verdict.stalled == 0, report.summary()))
    }

    /// How long all of it may take to come to rest.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.args.rest)
    }

    fn line(&self, line: &str) {
        self.scene.screen.line(line);
    }

    /// An answer; or nothing, and one more sentence of what is wrong.
    fn or_wrong<T: Default>(&mut self, answer: Outcome<T>) -> T {
        answer.unwrap_or_else(|why| {
            self.wrong.push(why);
            T::default()
        })
    }
}

/// Asks until there is an answer: what was just broken may take a moment.
async fn patiently<T>(whom: &str, ask: impl AsyncFnMut() -> Outcome<T>) -> Outcome<T> {
    until(&format!("{whom} to answer"), Duration::from_secs(30), ask)
        .await
        .map_err(text)
}
