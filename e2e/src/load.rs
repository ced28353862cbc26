//! Payments that are under way while something is done to the cluster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use checker::Accepted;
use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use local::wait::until;
use local::world::World;
use seedwork::IdCliente;
use serde_json::Value;

use crate::cluster::{Cluster, Outcome};
use crate::report::{PATIENCE, ensure, text};

/// What the gateway does by the amount: takes it, declines it, takes it and is slow to say so.
const AMOUNTS: [(&str, &str); 4] = [
    ("24.00", "Completed"),
    ("24.15", "Completed"),
    ("24.01", "Compensated"),
    ("24.15", "Completed"),
];

/// One payment, followed to its end. Asked for under a key, so a door that dies in between is asked again.
pub(crate) async fn pay(
    cluster: &Cluster,
    world: &World,
    cliente: &IdCliente,
    monto: &str,
    key: &str,
    phase: &str,
) -> Outcome<Accepted> {
    let payment = ask(world, cliente, monto, key).await?;
    end(cluster, world, &payment, phase).await?;
    Ok(payment)
}

async fn end(cluster: &Cluster, world: &World, payment: &Accepted, phase: &str) -> Outcome {
    // A second step may take its time, too.
    let end = world.until_ended(&payment.id, 2 * PATIENCE).await.map_err(text)?;
    ensure(end.fase == phase, || {
        let described = cluster.kubectl(&["describe", "paymentsaga", &payment.id.resource_name()]);
        format!(
            "{} ended {} {:?}, not {phase}:\n{}",
            payment.id,
            end.fase,
            end.motivo,
            described.unwrap_or_else(|why| why)
        )
    })
}

async fn ask(world: &World, cliente: &IdCliente, monto: &str, key: &str) -> Outcome<Accepted> {
    let asked = until("a door to take a payment", PATIENCE, async || {
        world.pagar_with_key(cliente, monto, key).await.map_err(text)
    });
    asked.await.map_err(text)
}

async fn ask_all(
    world: &World,
    cliente: &IdCliente,
    run: &str,
    numbers: std::ops::Range<usize>,
) -> Outcome<Vec<(Accepted, &'static str)>> {
    let asked = numbers.map(async |number| {
        let (monto, phase) = AMOUNTS[number % AMOUNTS.len()];
        let taken = ask(world, cliente, monto, &format!("{run}-{number}")).await?;
        Ok((taken, phase))
    });
    join_all(asked).await.into_iter().collect()
}

/// How long no payment may move once a pod of the operator is gone: the other one has every payment in its sight already. It
/// takes less than 5 s on a machine that has time for it; what is printed says how long, and this is where it is wrong.
const FAILOVER: Duration = Duration::from_secs(20);

/// Kills a pod of an application without notice while payments run. Says how long it took from the kill until a saga moved
/// again or was made, which of the operator's must not be long, and answers the payments.
pub(crate) async fn kill(
    cluster: &Cluster,
    world: &World,
    cliente: &IdCliente,
    payments: usize,
    app: &str,
) -> Outcome<Vec<Accepted>> {
    let run = format!("e2e-kill-{app}");
    let mut taken = ask_all(world, cliente, &run, 0..payments / 2).await?;
    let pods = cluster.pods(app)?;
    let pod = pods.first().ok_or_else(|| format!("{app} has no pod"))?;
    cluster.kubectl(&["delete", pod, "--grace-period=0", "--force", "--wait=false"])?;
    let killed = Instant::now();
    let moving = async {
        let before = moves(cluster).await?;
        // Where others are under way it is one of them that must go on.
        let all_ended = before.values().all(|(_, ended)| *ended);
        until("a saga to move", PATIENCE, async || {
            let now = moves(cluster).await?;
            let moved = now.iter().any(|(name, (at, _))| match before.get(name) {
                Some((before, _)) => at > before,
                None => all_ended,
            });
            ensure(moved, || "none has moved since the kill".to_owned())
        })
        .await
        .map_err(text)?;
        Ok::<_, String>(killed.elapsed())
    };
    // The rest is asked for meanwhile: should all others have ended before the kill, nothing else would move.
    let rest = ask_all(world, cliente, &run, payments / 2..payments);
    let (waited, rest) = tokio::join!(moving, rest);
    let waited = waited?;
    taken.extend(rest?);
    println!("   a saga moved {:.1} s after the kill", waited.as_secs_f64());
    ensure(app != "operator" || waited <= FAILOVER, || {
        format!("the other operator took {:.1} s to go on", waited.as_secs_f64())
    })?;
    ended(cluster, world, taken).await
}

/// `secuencia` of every saga, and whether it has ended.
async fn moves(cluster: &Cluster) -> Outcome<BTreeMap<String, (u64, bool)>> {
    // Payments are asked for meanwhile: kubectl runs in a thread of its own.
    let kubectl = cluster.clone();
    let sagas = tokio::task::spawn_blocking(move || kubectl.json(&["get", "paymentsagas"]));
    let sagas = sagas.await.map_err(text)??;
    let moves = sagas.iter().filter_map(|saga| {
        Some((
            saga["metadata"]["name"].as_str()?.to_owned(),
            (saga["status"]["secuencia"].as_u64().unwrap_or(0), has_ended(saga)),
        ))
    });
    Ok(moves.collect())
}

async fn ended(cluster: &Cluster, world: &World, taken: Vec<(Accepted, &str)>) -> Outcome<Vec<Accepted>> {
    for (payment, phase) in &taken {
        end(cluster, world, payment, phase).await?;
    }
    let taken: Vec<Accepted> = taken.into_iter().map(|(payment, _)| payment).collect();
    println!("   the slowest took {} s", slowest(cluster, &taken)?);
    Ok(taken)
}

/// The seconds from beginning to end of the one that took longest.
fn slowest(cluster: &Cluster, payments: &[Accepted]) -> Outcome<i64> {
    let sagas = cluster.json(&["get", "paymentsagas"])?;
    let ours = sagas.iter().filter(|saga| {
        let name = &saga["metadata"]["name"];
        payments.iter().any(|payment| *name == payment.id.resource_name())
    });
    let took = ours.filter_map(|saga| {
        let at = |field: &str| saga["status"][field].as_str()?.parse::<Timestamp>().ok();
        Some(at("completionTime")?.duration_since(at("startTime")?).as_secs())
    });
    took.max().ok_or_else(|| "no resource says how long it took".to_owned())
}

/// Seconds that each step may take before and after the upgrade: enough for pods that are replaced one by one while two
/// processors start all of them. What is asked here is whether anything gets lost; how long it took is printed.
pub(crate) const DEADLINE: u64 = 170;
const NEWER_DEADLINE: u64 = 175;

/// Upgrades to a chart with another definition, another step policy and what else `values` say while payments run. Those
/// that had begun keep the policy they began with.
pub(crate) async fn upgrade(
    cluster: &Cluster,
    world: &World,
    cliente: &IdCliente,
    payments: usize,
    values: &[String],
) -> Outcome<Vec<Accepted>> {
    let newer = newer_chart(cluster)?;
    let mut taken = ask_all(world, cliente, "e2e-upgrade", 0..payments * 3 / 4).await?;
    let before = policies(cluster)?;
    let open = before.values().filter(|(ended, _)| !ended).count();
    let wanted = payments / 4;
    ensure(open >= wanted, || {
        format!("only {open} payments are under way when the upgrade begins, {wanted} should be")
    })?;
    let deadline = format!("operator.deadlineSeconds={NEWER_DEADLINE}");
    let mut more = vec!["operator.politicaNotificacion=Compensate", &deadline];
    more.extend(values.iter().map(String::as_str));
    // The rest is asked for while pods are replaced: helm runs in a thread of its own.
    let (helm, folder) = (cluster.clone(), newer.path().to_owned());
    let more: Vec<String> = more.into_iter().map(str::to_owned).collect();
    let helm = tokio::task::spawn_blocking(move || {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        helm.install_chart(&folder, &more)
    });
    let rest = ask_all(world, cliente, "e2e-upgrade", payments * 3 / 4..payments).await;
    helm.await.map_err(text)??;
    taken.extend(rest?);
    // Not every value replaces every pod; this does.
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
    let all = ended(cluster, world, taken).await?;
    let after = policies(cluster)?;
    for (name, (_, policy)) in before {
        let now = after.get(&name).map(|(_, policy)| policy);
        ensure(now == Some(&policy), || {
            format!("{name} began with {policy} and has {now:?}")
        })?;
    }
    let last = pay(cluster, world, cliente, "24.00", "e2e-upgraded", "Completed").await?;
    let policy = cluster.kubectl(&[
        "get",
        "psaga",
        &last.id.resource_name(),
        "-o",
        "jsonpath={.spec.politica}",
    ])?;
    ensure(policy.contains(&NEWER_DEADLINE.to_string()), || {
        format!("a new payment has not the new policy: {policy}")
    })?;
    let fields = cluster.kubectl(&["explain", "paymentsaga.status.notaDePrueba"])?;
    ensure(fields.contains("notaDePrueba"), || {
        "the definition has not the new field".to_owned()
    })?;
    println!("   {open} payments were under way when the upgrade began");
    Ok(all.into_iter().chain([last]).collect())
}

/// Whether each payment has ended, and its policy.
fn policies(cluster: &Cluster) -> Outcome<BTreeMap<String, (bool, Value)>> {
    let sagas = cluster.json(&["get", "paymentsagas"])?;
    let policies = sagas.iter().filter_map(|saga| {
        let name = saga["metadata"]["name"].as_str()?.to_owned();
        Some((name, (has_ended(saga), saga["spec"]["politica"].clone())))
    });
    Ok(policies.collect())
}

fn has_ended(saga: &Value) -> bool {
    matches!(saga["status"]["phase"].as_str(), Some("Completed" | "Compensated"))
}

/// A copy of the chart whose definition has one field more.
fn newer_chart(cluster: &Cluster) -> Outcome<tempfile::TempDir> {
    let folder = tempfile::tempdir().map_err(text)?;
    let copied = std::process::Command::new("cp")
        .args(["-rL", &format!("{}/.", cluster.chart.display())])
        .arg(folder.path())
        .status()
        .map_err(text)?;
    ensure(copied.success(), || "the chart cannot be copied".to_owned())?;
    let path = folder.path().join("files/paymentsagas.yaml");
    let definition = std::fs::read_to_string(&path).map_err(text)?;
    let mut definition: serde_yaml_ng::Value = serde_yaml_ng::from_str(&definition).map_err(text)?;
    let status = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    let field = serde_yaml_ng::from_str("{type: string, description: A field of a newer version.}").map_err(text)?;
    let fields = status["properties"]
        .as_mapping_mut()
        .ok_or("the definition has no status")?;
    fields.insert("notaDePrueba".into(), field);
    std::fs::write(&path, serde_yaml_ng::to_string(&definition).map_err(text)?).map_err(text)?;
    Ok(folder)
}
