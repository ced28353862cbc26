//! What is played, and what must come of it.

use std::collections::BTreeSet;

use checker::{Accepted, Check, judge};
use local::demo::{spans, without_sidecars};
use local::ports::Ports;
use local::wait::until;
use local::world::World;
use seedwork::IdCliente;
use serde_json::Value;

use crate::cluster::{Cluster, Outcome};
use crate::doors::Doors;
use crate::edges::Watch;
use crate::load::{DEADLINE, kill, pay, upgrade};
use crate::report::{PATIENCE, ensure, step, text};
use crate::{intruders, rights, screen, streams};

/// How it is played.
pub(crate) struct Play {
    /// First of the local ports that lead to the services.
    pub(crate) port_base: u16,
    /// Payments under way while the release is upgraded.
    pub(crate) upgrading: usize,
    /// Payments under way while a pod is killed.
    pub(crate) killing: usize,
    /// Values of the release that is upgraded to.
    pub(crate) upgrade: Vec<String>,
    /// Hold connections against the NetworkPolicies.
    pub(crate) conntrack: bool,
    /// Leave everything installed.
    pub(crate) keep: bool,
}

/// From install to uninstall.
pub(crate) async fn play(cluster: &Cluster, play: &Play) -> Outcome {
    let context = cluster.kubectl(&["config", "current-context"])?;
    println!("cluster: {}", context.trim());
    step("a namespace with pod-security level restricted", async {
        cluster.make_namespace()
    })
    .await?;
    // Whoever interrupts this gets the cluster back as it was.
    let outcome = tokio::select! {
        biased;
        Ok(()) = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
        outcome = in_namespace(cluster, play) => outcome,
    };
    if play.keep {
        println!("kept: kubectl --namespace {} get paymentsagas", cluster.namespace);
        return outcome;
    }
    let removed = step("the namespace is removed", async { cluster.remove_namespace() }).await;
    outcome.and(removed)
}

async fn in_namespace(cluster: &Cluster, play: &Play) -> Outcome {
    let ports = Ports::from_base(play.port_base).map_err(text)?;
    let world = World::of_current_context(ports).await.map_err(text)?;
    let world = &world;
    let watch = if play.conntrack {
        Some(Watch::start(world.kube().clone())?)
    } else {
        None
    };
    step("helm install, until all is ready", async {
        let deadline = format!("operator.deadlineSeconds={DEADLINE}");
        cluster.install(&["operator.politicaNotificacion=Compensate", &deadline])
    })
    .await?;
    let doors = Doors::open(&cluster.namespace, ports, world.http());
    let ana = step("a client", client(world)).await?;
    let mut all = first_payments(cluster, world, &ana, ports).await?;
    step("helm test", async { cluster.test().map(drop) }).await?;
    step("pagos doctor finds every sidecar fit", async { cluster.doctor() }).await?;
    closed_doors(cluster, world, ports).await?;

    let upgrading = upgrade(cluster, world, &ana, play.upgrading, &play.upgrade);
    all.extend(
        step(
            &format!("helm upgrade while {} payments run", play.upgrading),
            upgrading,
        )
        .await?,
    );
    for app in ["operator", "integracion-pagos", "bff"] {
        let what = format!("a pod of {app} is killed under load and nothing is lost");
        all.extend(step(&what, kill(cluster, world, &ana, play.killing, app)).await?);
    }
    step(
        "the gateway's ledger agrees with every saga",
        agree(cluster, world, &all),
    )
    .await?;
    if let Some(watch) = watch {
        step(
            "every connection is allowed, every allowed edge was used",
            edges(cluster, world, &watch, &ana),
        )
        .await?;
    }
    println!(
        "{}",
        cluster
            .kubectl(&["get", "paymentsagas"])?
            .lines()
            .take(8)
            .collect::<Vec<_>>()
            .join("\n")
    );
    if play.keep {
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

async fn client(world: &World) -> Outcome<IdCliente> {
    let made = until("a client", PATIENCE, async || {
        world.cliente("Ana", "ana@example.com", "ana").await.map_err(text)
    });
    made.await.map_err(text)
}

/// What a person does and sees with a handful of payments.
async fn first_payments(cluster: &Cluster, world: &World, ana: &IdCliente, ports: Ports) -> Outcome<Vec<Accepted>> {
    let replicas = step("a stream at each replica of the BFF", streams::open(cluster, ports)).await?;
    let paid = step(
        "a payment that completes",
        pay(cluster, world, ana, "24.00", "e2e-1", "Completed"),
    )
    .await?;
    let resource = format!("paymentsaga/{}", paid.id.resource_name());
    step("kubectl lists, selects, waits for and explains it", async {
        screen::lists(cluster, &resource, ana)
    })
    .await?;
    step("it is one trace, over sidecars with mTLS", async {
        trace(cluster, world, &paid).await
    })
    .await?;
    let declined = step(
        "a declined one that is undone",
        pay(cluster, world, ana, "24.01", "e2e-2", "Compensated"),
    )
    .await?;
    step("every replica streamed all of it", async {
        let events = streams::agree(replicas, declined.id.as_str()).await?;
        println!("   {events} events at each");
        Ok(())
    })
    .await?;
    let resource = format!("paymentsaga/{}", declined.id.resource_name());
    step("kubectl describes why", async { screen::story(cluster, &resource) }).await?;
    step("resources that break a rule are refused", async {
        screen::refusals(cluster)
    })
    .await?;
    step("a payment that is deleted under way is undone first", async {
        let last = screen::delete_running(cluster, ana).await?;
        ensure(last == "Compensated" || last == "Compensating", || {
            format!("it was {last} when it was last seen")
        })
    })
    .await?;
    Ok(vec![paid, declined])
}

/// What is refused to whom.
async fn closed_doors(cluster: &Cluster, world: &World, ports: Ports) -> Outcome {
    let (kube, namespace) = (world.kube(), cluster.namespace.as_str());
    step("each account may do its own and no more", async {
        let asked = rights::accounts(kube, namespace).await?;
        let looked = rights::tokens(kube, namespace).await?;
        println!("   {asked} questions to the API server, {looked} containers");
        Ok(())
    })
    .await?;
    step(
        "the BFF's sidecar may not command a participant",
        intruders::command_by_the_bff(cluster, ports),
    )
    .await?;
    step(
        "another app gets no broker and invokes nobody",
        intruders::another_app(cluster, ports),
    )
    .await?;
    step("the broker wants a password", intruders::broker(cluster, ports)).await?;
    step("the databases want the right one", intruders::databases(cluster, ports)).await
}

/// Everything that happened to a payment, in one trace with one root, though every hop is encrypted.
async fn trace(cluster: &Cluster, world: &World, payment: &Accepted) -> Outcome {
    let encrypted = [
        "get",
        "configurations.dapr.io",
        "--all-namespaces",
        "-o",
        "jsonpath={.items[*].spec.mtls.enabled}",
    ];
    let encrypted = cluster.kubectl(&encrypted)?;
    ensure(encrypted.contains("true"), || "Dapr's mTLS is off".to_owned())?;
    let pago = world
        .pago(&payment.id)
        .await
        .map_err(text)?
        .ok_or("the BFF does not know it")?;
    let id = pago.trace_id.ok_or("the payment has no trace id")?;
    until("the whole trace", PATIENCE, async || {
        let (_, answer) = world
            .get(&world.jaeger(&format!("/api/traces/{id}")))
            .await
            .map_err(text)?;
        let shown = without_sidecars(&spans(&answer));
        let services: BTreeSet<&str> = shown.iter().map(|span| span.service.as_str()).collect();
        let missing: Vec<&str> = [
            "bff",
            "operator",
            "gestion-clientes",
            "integracion-pagos",
            "notificaciones",
            "pasarela-simulada",
        ]
        .into_iter()
        .filter(|name| !services.contains(name))
        .collect();
        ensure(missing.is_empty(), || {
            format!("{} spans, none of {missing:?}", shown.len())
        })?;
        let roots = shown.iter().filter(|span| span.parent.is_none()).count();
        ensure(roots == 1, || format!("it has {roots} roots"))
    })
    .await
    .map_err(text)
}

/// The last edges: a client is asked for by GraphQL, and a stranger in the cluster looks in at the doors that are open.
async fn edges(cluster: &Cluster, world: &World, watch: &Watch, ana: &IdCliente) -> Outcome {
    world
        .graphql(
            "query($id: String!) { cliente(id: $id) { id } }",
            serde_json::json!({ "id": ana }),
            None,
        )
        .await
        .map_err(text)?;
    cluster.apply(&intruders::pod("e2e-stranger", intruders::Kind::Stranger))?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/e2e-stranger", "--timeout=60s"])?;
    for door in [
        "bff:8003/health",
        "gestion-clientes:5000/health",
        "jaeger:16686/api/services",
    ] {
        let address = format!("http://{door}");
        cluster.kubectl(&["exec", "e2e-stranger", "--", "wget", "-qO-", &address])?;
    }
    let judged = until("every edge", PATIENCE, async || {
        watch.judge(world.kube(), &cluster.namespace).await
    });
    let said = judged.await.map_err(text)?;
    println!("   {said}");
    cluster
        .kubectl(&["delete", "pod", "e2e-stranger", "--grace-period=1"])
        .map(drop)
}

/// What is judged here at least, each on something.
const DEMANDED: [Check; 8] = [
    Check::Requests,
    Check::Ends,
    Check::Screens,
    Check::Money,
    Check::Invoices,
    Check::Plans,
    Check::Payments,
    Check::Notifications,
];

async fn agree(cluster: &Cluster, world: &World, accepted: &[Accepted]) -> Outcome {
    // A way that leads to a pod that is gone closes at the first request, and is opened again.
    let evidence = until("the evidence", PATIENCE, async || {
        let gathered = world.evidence(&cluster.namespace, accepted, BTreeSet::new());
        gathered.await.map_err(text)
    });
    // The chart's own test paid too.
    let verdict = judge(&evidence.await.map_err(text)?.of_accepted_only());
    println!("   {}", verdict.coverage());
    verdict.demands(&DEMANDED)?;
    verdict.holds()
}

fn uninstall(cluster: &Cluster) -> Outcome {
    cluster.uninstall()?;
    cluster.kubectl(&["get", "customresourcedefinition", "paymentsagas.pagos.saludtech.dev"])?;
    let kinds = [
        "all,configmaps,secrets,serviceaccounts,roles,rolebindings,leases,ingresses,networkpolicies,poddisruptionbudgets",
        "components.dapr.io,configurations.dapr.io,resiliencies.dapr.io,subscriptions.dapr.io,paymentsagas",
    ];
    // What every namespace has, and what is kept on purpose, is not ours to remove.
    let ours = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let kept = object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep";
        !kept && !matches!(name, "kube-root-ca.crt" | "default") && object["metadata"]["deletionTimestamp"].is_null()
    };
    let left = cluster.json(&["get", &kinds.join(",")])?;
    let names: Vec<String> = left
        .iter()
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
