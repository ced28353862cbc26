//! Whatever is killed: every payment ends, and the ledger adds up.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use checker::Accepted;
use futures::future::join_all;
use local::part::{Part, read_parts};
use local::process::Identity;
use nix::sys::signal::Signal;

use crate::system::{Outcome, System, ensure, eventually, every_version_is_right, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!("payments in flight survive down and up", down_and_up),
        check!("two operators at once charge nobody twice", two_operators),
        check!(
            "a frozen operator's payments are ended by another, and it wakes up to nothing",
            frozen
        ),
        check!(
            "kill -9 of the operator, a participant, its sidecar and the broker, with payments in flight",
            kill_some
        ),
        check!(long "kill matrix: kill -9 of each process in turn, 50 payments each", kill_each),
    ]
}

/// Amounts that cover what can become of a payment: approved, declined, timed out after commit, slow, flapping.
const AMOUNTS: [&str; 10] = [
    "24.00", "24.00", "24.01", "24.00", "24.12", "24.00", "24.15", "24.02", "24.00", "24.16",
];

/// Asks for `count` payments, several at a time.
async fn pay(system: &System, count: usize, run: &str) -> Outcome<Vec<Accepted>> {
    let mut accepted = Vec::new();
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(10) {
        let batch = batch.iter().map(|number| async move {
            let key = format!("{run}-{number}");
            system
                .pagar_through_anything(AMOUNTS[number % AMOUNTS.len()], &key)
                .await
        });
        for payment in join_all(batch).await {
            accepted.push(payment?);
        }
    }
    Ok(accepted)
}

async fn down_and_up(system: &mut System) -> Outcome {
    let accepted = pay(system, 20, "down").await?;
    system.local(&["down"])?;
    system.local(&["up"])?;
    every_version_is_right(system, &accepted).await?;
    // What was there before is there after.
    let plan = system.world.plan(&system.cliente).await.map_err(text)?;
    ensure(plan.as_deref() == Some("PAGADO"), || format!("the plan is {plan:?}"))
}

/// A second replica of the operator, with a sidecar of its own.
struct Replica(Vec<Child>);

impl Drop for Replica {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // A child that has ended already cannot be ended; either way it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Replica {
    fn start(system: &System) -> Outcome<Self> {
        let parts = read_parts(system.layout.state()).map_err(text)?;
        let part = |name: &str| {
            parts
                .iter()
                .find(|part| part.name == name)
                .ok_or(format!("no part {name}"))
        };
        let base = system.ports.base() + 90;
        // The same settings on other ports: app, then the sidecar's HTTP, gRPC, internal gRPC, metrics, public.
        let operator = part("operator")?;
        let sidecar = part("daprd-operator")?;
        let moved: Vec<(String, String)> = std::iter::once(operator.ports[0])
            .chain(sidecar.ports.iter().copied())
            .zip(base..)
            .map(|(old, new)| (old.to_string(), new.to_string()))
            .collect();
        let logs = local::layout::logs(system.layout.state());
        let children = [operator, sidecar].map(|part| spawn(part, &moved, &logs));
        Ok(Self(children.into_iter().collect::<Outcome<_>>()?))
    }
}

fn spawn(part: &Part, moved: &[(String, String)], logs: &Path) -> Outcome<Child> {
    let shift = |value: &String| {
        moved
            .iter()
            .find(|(old, _)| value == old || value.ends_with(&format!("={old}")))
            .map_or_else(|| value.clone(), |(old, new)| value.replace(old.as_str(), new))
    };
    let log = std::fs::File::create(logs.join(format!("{}-2.log", part.name))).map_err(text)?;
    let mut command = Command::new(&part.command);
    command.args(part.args.iter().map(shift)).env_clear();
    command.envs(part.env.iter().map(|(name, value)| (name.clone(), shift(value))));
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(text)?)
        .stderr(log);
    command
        .spawn()
        .map_err(|error| format!("{}: {error}", part.command.display()))
}

impl Replica {
    async fn ready(system: &System) -> Outcome<Self> {
        let replica = Self::start(system)?;
        let health = format!("http://127.0.0.1:{}/health", system.ports.base() + 90);
        eventually("the second operator", async || {
            let (status, body) = system.world.get(&health).await.map_err(text)?;
            ensure(status == 200, || format!("it answers {status} {body}"))
        })
        .await?;
        Ok(replica)
    }
}

/// A process that does not run on until this goes.
struct Frozen(Identity);

impl Frozen {
    fn new(system: &System, part: &str) -> Outcome<Self> {
        let process = system.process(part).ok_or_else(|| format!("no process {part}"))?;
        process.signal(Signal::SIGSTOP);
        Ok(Self(process))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGCONT);
    }
}

async fn frozen(system: &mut System) -> Outcome {
    let replica = Replica::ready(system).await?;
    let mut accepted = pay(system, 10, "frozen-a").await?;
    let frozen = Frozen::new(system, "operator")?;
    accepted.extend(pay(system, 20, "frozen-b").await?);
    for payment in &accepted {
        system.ended(&payment.id).await?;
    }
    // It wakes with decisions that it made, and deliveries that it took, before others ended those payments.
    drop(frozen);
    accepted.extend(pay(system, 10, "frozen-c").await?);
    every_version_is_right(system, &accepted).await?;
    drop(replica);
    Ok(())
}

async fn two_operators(system: &mut System) -> Outcome {
    let replica = Replica::ready(system).await?;
    let metrics = format!("http://127.0.0.1:{}/metrics", system.ports.base() + 90);
    let accepted = pay(system, 30, "two").await?;
    every_version_is_right(system, &accepted).await?;
    // The check would be worth nothing if the second had stood by.
    let (_, body) = system.world.get(&metrics).await.map_err(text)?;
    let body = body.as_str().unwrap_or_default().to_owned();
    ensure(body.contains("operator_commands_total"), || {
        "the second operator sent nothing".to_owned()
    })?;
    drop(replica);
    Ok(())
}

async fn kill_some(system: &mut System) -> Outcome {
    for part in ["operator", "integracion-pagos", "daprd-integracion-pagos", "redis"] {
        kill_one(system, part, 15).await?;
    }
    Ok(())
}

async fn kill_each(system: &mut System) -> Outcome {
    let parts = system.parts()?;
    for part in &parts {
        kill_one(system, part, 50).await?;
    }
    println!(
        "          {} processes killed, {} payments, 0 violations",
        parts.len(),
        parts.len() * 50
    );
    Ok(())
}

/// Kills a part while payments are under way: some are asked for before, some while it is down.
async fn kill_one(system: &System, part: &str, payments: usize) -> Outcome {
    let started = std::time::Instant::now();
    let mut accepted = pay(system, payments / 2, &format!("{part}-a")).await?;
    let old = system.kill(part)?;
    accepted.extend(pay(system, payments - payments / 2, &format!("{part}-b")).await?);
    eventually(&format!("another {part}"), async || match system.process(part) {
        Some(new) if new != old => Ok(()),
        _ => Err("the supervisor has not started one yet".to_owned()),
    })
    .await?;
    system
        .until_ready()
        .await
        .map_err(|why| format!("after kill -9 of {part}: {why}"))?;
    every_version_is_right(system, &accepted)
        .await
        .map_err(|why| format!("after kill -9 of {part}: {why}"))?;
    println!(
        "          {part:<24} {} payments ended in {:.1} s",
        accepted.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
