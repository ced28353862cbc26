//! What is played, and what must come of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use checker::{Accepted, judge};
use futures::future::join_all;
use local::ports::Ports;
use local::wait::until;
use local::world::World;
use seedwork::IdCliente;
use serde_json::Value;

use crate::cluster::{Cluster, Outcome};
use crate::doors::Doors;

/// How long anything may take: a pod that is replaced needs its image, its sidecar and its readiness.
const PATIENCE: Duration = Duration::from_secs(180);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

/// Prints what is done and how long it took.
async fn step<T>(what: &str, doing: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    println!("… {what}");
    let started = Instant::now();
    let outcome = doing.await.map_err(|why| format!("{what}: {why}"))?;
    println!("ok {what} ({:.1} s)", started.elapsed().as_secs_f64());
    Ok(outcome)
}

/// From install to uninstall.
pub(crate) async fn play(cluster: &Cluster, port_base: u16, payments: usize, keep: bool) -> Outcome {
    let context = cluster.kubectl(&["config", "current-context"])?;
    println!("cluster: {}", context.trim());
    step("a namespace with pod-security level restricted", async {
        cluster.make_namespace()
    })
    .await?;
    let outcome = in_namespace(cluster, port_base, payments, keep).await;
    if keep {
        println!("kept: kubectl --namespace {} get paymentsagas", cluster.namespace);
        return outcome;
    }
    let removed = step("the namespace is removed", async { cluster.remove_namespace() }).await;
    outcome.and(removed)
}

async fn in_namespace(cluster: &Cluster, port_base: u16, payments: usize, keep: bool) -> Outcome {
    let doing = "helm install, until all is ready";
    step(doing, async {
        cluster.install(&["operator.politicaNotificacion=Compensate"])
    })
    .await?;
    let ports = Ports::from_base(port_base).map_err(text)?;
    let doors = Doors::open(&cluster.namespace, ports);
    let world = World::of_current_context(ports).await.map_err(text)?;
    let world = &world;
    let ana = step("a client", async {
        until("a client", PATIENCE, async || {
            world.cliente("Ana", "ana@example.com", "ana").await.map_err(text)
        })
        .await
        .map_err(text)
    })
    .await?;
    let mut all = Vec::new();

    let paid = step(
        "a payment that completes",
        pay(world, &ana, "24.00", "e2e-1", "Completed"),
    )
    .await?;
    let wait = ["wait", "--for=condition=Completed", "--timeout=10s"];
    let resource = format!("paymentsaga/{}", paid.id.resource_name());
    step("kubectl wait sees it", async {
        cluster.kubectl(&[&wait[..], &[&resource]].concat()).map(drop)
    })
    .await?;
    all.push(paid);
    all.push(
        step(
            "a declined one that is undone",
            pay(world, &ana, "24.01", "e2e-2", "Compensated"),
        )
        .await?,
    );
    step("helm test", async { cluster.test().map(drop) }).await?;

    all.extend(
        step(
            "helm upgrade under load loses nothing",
            upgrade(cluster, world, &ana, payments),
        )
        .await?,
    );
    for app in ["operator", "integracion-pagos", "bff"] {
        let what = format!("a pod of {app} is killed under load and nothing is lost");
        all.extend(step(&what, kill(cluster, world, &ana, payments, app)).await?);
    }
    step("the gateway's ledger agrees with every saga", agree(world, &all)).await?;
    println!(
        "{}",
        cluster
            .kubectl(&["get", "paymentsagas"])?
            .lines()
            .take(8)
            .collect::<Vec<_>>()
            .join("\n")
    );
    if keep {
        return Ok(());
    }
    drop(doors);
    step(
        "helm uninstall leaves nothing but the definition and the volumes",
        async { uninstall(cluster) },
    )
    .await?;
    println!("{} payments, 0 violations", all.len());
    Ok(())
}

/// One payment, followed to its end. Asked for under a key, so a door that dies in between is asked again.
async fn pay(world: &World, cliente: &IdCliente, monto: &str, key: &str, phase: &str) -> Outcome<Accepted> {
    let payment = ask(world, cliente, monto, key).await?;
    let end = world.until_ended(&payment.id, PATIENCE).await.map_err(text)?;
    ensure(end.fase == phase, || {
        format!("{} ended {} {:?}", payment.id, end.fase, end.motivo)
    })?;
    Ok(payment)
}

async fn ask(world: &World, cliente: &IdCliente, monto: &str, key: &str) -> Outcome<Accepted> {
    let asked = until("a door to take a payment", PATIENCE, async || {
        world.pagar_with_key(cliente, monto, key).await.map_err(text)
    });
    asked.await.map_err(text)
}

/// Asks for payments while something else is done to the cluster; answers those that were taken.
async fn under_load(
    world: &World,
    cliente: &IdCliente,
    payments: usize,
    run: &str,
    mut disturb: impl FnMut() -> Outcome,
) -> Outcome<Vec<Accepted>> {
    let half = payments / 2;
    let ask_for = |numbers: std::ops::Range<usize>| {
        numbers.map(|number| {
            let (monto, key) = (
                ["24.00", "24.00", "24.01", "24.15"][number % 4],
                format!("{run}-{number}"),
            );
            async move { ask(world, cliente, monto, &key).await }
        })
    };
    let mut taken: Vec<Outcome<Accepted>> = join_all(ask_for(0..half)).await;
    disturb()?;
    taken.extend(join_all(ask_for(half..payments)).await);
    let taken = taken.into_iter().collect::<Outcome<Vec<_>>>()?;
    for payment in &taken {
        world.until_ended(&payment.id, PATIENCE).await.map_err(text)?;
    }
    Ok(taken)
}

async fn upgrade(cluster: &Cluster, world: &World, cliente: &IdCliente, payments: usize) -> Outcome<Vec<Accepted>> {
    // A changed setting replaces the operator's pods; the restart replaces everyone's.
    under_load(world, cliente, payments, "e2e-upgrade", || {
        cluster.install(&["operator.politicaNotificacion=Compensate", "operator.ttlSeconds=1800"])?;
        cluster.kubectl(&["rollout", "restart", "deployment"])?;
        for app in [
            "operator",
            "bff",
            "gestion-clientes",
            "integracion-pagos",
            "notificaciones",
        ] {
            cluster.kubectl(&["rollout", "status", &format!("deployment/{app}"), "--timeout=180s"])?;
        }
        Ok(())
    })
    .await
}

async fn kill(
    cluster: &Cluster,
    world: &World,
    cliente: &IdCliente,
    payments: usize,
    app: &str,
) -> Outcome<Vec<Accepted>> {
    under_load(world, cliente, payments, &format!("e2e-kill-{app}"), || {
        let pods = cluster.kubectl(&[
            "get",
            "pods",
            "-l",
            &format!("app.kubernetes.io/component={app}"),
            "-o",
            "name",
        ])?;
        let pod = pods
            .lines()
            .next()
            .ok_or_else(|| format!("{app} has no pod"))?
            .to_owned();
        cluster
            .kubectl(&["delete", &pod, "--grace-period=0", "--force", "--wait=false"])
            .map(drop)
    })
    .await
}

async fn agree(world: &World, accepted: &[Accepted]) -> Outcome {
    // A way that leads to a pod that is gone closes at the first request, and is opened again.
    let evidence = until("the evidence", PATIENCE, async || {
        world.evidence(accepted, BTreeSet::new()).await.map_err(text)
    });
    let mut evidence = evidence.await.map_err(text)?;
    let own: BTreeSet<&str> = accepted.iter().map(|payment| payment.id.as_str()).collect();
    // The chart's own test paid too.
    evidence
        .movimientos
        .retain(|line| own.contains(line.referencia.as_str()));
    let verdict = judge(&evidence);
    let violations: Vec<String> = verdict.violations.iter().map(text).collect();
    ensure(violations.is_empty() && verdict.money_conserved(), || {
        format!(
            "held {}, owed {}; {}",
            verdict.held,
            verdict.owed,
            violations.join("; ")
        )
    })
}

fn uninstall(cluster: &Cluster) -> Outcome {
    cluster.uninstall()?;
    let kinds =
        "all,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,paymentsagas";
    let left = cluster.kubectl(&["get", kinds, "-o", "json"])?;
    let left: Value = serde_json::from_str(&left).map_err(text)?;
    // What every namespace has, and what is kept on purpose, is not ours to remove.
    let ours = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let kept = object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep";
        !kept && !matches!(name, "kube-root-ca.crt" | "default") && object["metadata"]["deletionTimestamp"].is_null()
    };
    let names: Vec<String> = left["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(ours)
        .map(|object| {
            format!(
                "{}/{}",
                object["kind"].as_str().unwrap_or("?"),
                object["metadata"]["name"]
            )
        })
        .collect();
    ensure(names.is_empty(), || format!("left behind: {}", names.join(", ")))
}
