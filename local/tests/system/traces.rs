//! One trace per payment, asked of Jaeger: what hangs from what, from the client's request to the last confirmation.

mod trees;

use std::collections::BTreeSet;

use futures::future::try_join_all;
use futures::{FutureExt as _, TryFutureExt as _};
use kube::api::PostParams;
use local::demo::{Span, spans, tree, without_sidecars};
use local::world::World;
use seedwork::{App, IdCliente, IdCorrelacion};
use serde_json::json;

use self::trees::{
    ALL_STEPS, AVISAR, AVISO_FALLIDO, CONFIRMAR_FACTURACION, CREAR_FACTURACION, DOOR, DOOR_OF_GESTION, Edge,
    NADA_QUE_REEMBOLSAR, NOTIFICACION_FALLIDA, PAGO_FALLIDO, REALIZAR_PAGO, REEMBOLSAR, RESOURCE,
    REVERTIR_CONFIRMACION, REVERTIR_FACTURACION, REVERTIR_NOTIFICACION, edges,
};
use crate::system::{NAMESPACE, Outcome, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!("a completed payment is one trace", completed),
        check!(
            "a declined payment is one trace, with its undos and the notice",
            declined
        ),
        check!("a payment undone from its last step is one trace", undone),
        check!("the retries of a gateway call are in the payment's trace", retried),
        check!(
            "a payment asked for at gestion-clientes is one trace",
            at_gestion_clientes
        ),
        check!(
            "a payment made as a resource has a trace with a root of its own",
            as_a_resource
        ),
        check!("the traces are as whole with the sidecars' sampling at 0", unsampled),
    ]
}

/// Whether the sidecars were told to trace what nobody decided about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sidecars {
    Traced,
    Untraced,
}

fn name(span: &Span) -> String {
    format!("{} {}", span.service, span.name)
}

/// Waits for the end of a payment and for its trace: everything that must be in it, one root, nothing that hangs from
/// what is not there; and no other trace speaks of the payment.
async fn whole(
    system: &System,
    id: &IdCorrelacion,
    phase: &str,
    expected: &[Edge],
    sidecars: Sidecars,
) -> Outcome<Vec<Span>> {
    let end = system
        .world
        .until_ended(id, crate::system::PATIENCE)
        .await
        .map_err(text)?;
    ensure(end.fase == phase, || format!("{id} is {}", end.fase))?;
    let trace = end.trace_id.ok_or_else(|| format!("{id} has no trace id"))?;
    let url = system.world.jaeger(&format!("/api/traces/{trace}"));
    let shown = eventually(&format!("the trace of {id}"), async || {
        let all = spans(&system.world.get(&url).await.map_err(text)?.1);
        let shown = without_sidecars(&all);
        let holds = |holds: bool, why: String| ensure(holds, || format!("{why}; {url}\n{}", tree(&shown).join("\n")));
        let known = |id: &str| shown.iter().find(|span| span.id == id);
        let found: BTreeSet<Edge> = shown
            .iter()
            .map(|span| (span.parent.as_deref().and_then(known).map(name), name(span)))
            .collect();
        let missing: Vec<&Edge> = expected.iter().filter(|edge| !found.contains(*edge)).collect();
        holds(missing.is_empty(), format!("missing are {missing:?}"))?;
        let roots: Vec<String> = shown.iter().filter(|span| span.parent.is_none()).map(name).collect();
        holds(roots == [expected[0].1.clone()], format!("the roots are {roots:?}"))?;
        let lost = shown
            .iter()
            .filter(|span| span.parent.as_deref().is_some_and(|parent| known(parent).is_none()));
        let lost: Vec<String> = lost.map(name).collect();
        holds(lost.is_empty(), format!("these hang from what is not there: {lost:?}"))?;
        let folded = all.len() - shown.len();
        holds(
            (folded > 0) == (sidecars == Sidecars::Traced),
            format!("{folded} spans are the sidecars'"),
        )?;
        Ok(shown)
    })
    .await?;
    for app in App::ALL {
        let tags = json!({ "id_correlacion": id }).to_string();
        let parameters = [("service", app.id()), ("tags", &tags), ("limit", "100")];
        let url = reqwest::Url::parse_with_params(&system.world.jaeger("/api/traces"), parameters).map_err(text)?;
        let (_, found) = system.world.get(url.as_str()).await.map_err(text)?;
        let traces: Vec<_> = found["data"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|trace| &trace["traceID"])
            .collect();
        ensure(traces == [&json!(trace)], || {
            format!("{app} speaks of {id} in the traces {traces:?}, it is {trace}")
        })?;
    }
    Ok(shown)
}

/// The trace id that the payment's resource shows.
async fn trace_of_resource(system: &System, id: &IdCorrelacion) -> Outcome<String> {
    eventually("the resource to show its trace", async || {
        let found = system
            .sagas()
            .get_opt(&id.resource_name())
            .await
            .map_err(text)?
            .ok_or("it is not there")?;
        found.data["status"]["traceId"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "it shows none".to_owned())
    })
    .await
}

/// A payment that completes; its resource and the BFF name the same trace.
async fn completes(system: &System, id: &IdCorrelacion, door: &str, sidecars: Sidecars) -> Outcome {
    let shown = trace_of_resource(system, id).await?;
    whole(system, id, "Completed", &edges(door, ALL_STEPS), sidecars).await?;
    let pago = system.world.pago(id).await.map_err(text)?.unwrap_or_default();
    ensure(pago.trace_id.as_ref() == Some(&shown), || {
        format!("the bff says {:?}, the resource {shown}", pago.trace_id)
    })
}

async fn pay_and_complete(system: &System, sidecars: Sidecars) -> Outcome {
    let id = system.pagar("24.00").await?.id;
    completes(system, &id, DOOR, sidecars).await
}

async fn completed(system: &mut System) -> Outcome {
    pay_and_complete(system, Sidecars::Traced).await?;
    // One span for each look at each resource would push the payments out of what the collector keeps.
    let (_, operations) = system
        .world
        .get(&system.world.jaeger("/api/services/operator/operations"))
        .await
        .map_err(text)?;
    let known = ["send ", "receive ", "kubectl apply", "/dapr.", "/v1.0/", "pubsub/"];
    let names = operations["data"].as_array().into_iter().flatten();
    let (ours, others): (Vec<&str>, Vec<&str>) = names
        .filter_map(|name| name.as_str())
        .partition(|name| known.iter().any(|start| name.starts_with(start)));
    ensure(!ours.is_empty() && others.is_empty(), || {
        format!("the operator traces {ours:?}, and also {others:?}")
    })
}

async fn pay_and_decline(system: &System, sidecars: Sidecars) -> Outcome {
    let id = system.pagar("24.02").await?.id;
    let steps = [
        CREAR_FACTURACION,
        PAGO_FALLIDO,
        NADA_QUE_REEMBOLSAR,
        REVERTIR_FACTURACION,
        AVISAR,
    ];
    whole(system, &id, "Compensated", &edges(DOOR, &steps), sidecars)
        .await
        .map(drop)
}

async fn declined(system: &mut System) -> Outcome {
    pay_and_decline(system, Sidecars::Traced).await
}

async fn pay_and_undo(system: &System, sidecars: Sidecars) -> Outcome {
    let refuses = |error| format!("the client who refuses every message: {error}");
    let cliente = system
        .world
        .cliente("Sorda", "rechaza-todo@example.com", "sorda")
        .await
        .map_err(refuses)?;
    let id = system.world.pagar(&cliente, "24.00").await.map_err(text)?.id;
    let steps = [
        CREAR_FACTURACION,
        REALIZAR_PAGO,
        CONFIRMAR_FACTURACION,
        NOTIFICACION_FALLIDA,
        REVERTIR_NOTIFICACION,
        REVERTIR_CONFIRMACION,
        REEMBOLSAR,
        REVERTIR_FACTURACION,
        AVISO_FALLIDO,
    ];
    whole(system, &id, "Compensated", &edges(DOOR, &steps), sidecars)
        .await
        .map(drop)
}

async fn undone(system: &mut System) -> Outcome {
    pay_and_undo(system, Sidecars::Traced).await
}

async fn pay_and_retry(system: &System, sidecars: Sidecars) -> Outcome {
    let id = system.pagar("24.12").await?.id;
    let shown = whole(system, &id, "Completed", &edges(DOOR, ALL_STEPS), sidecars).await?;
    let count = |wanted: &str| shown.iter().filter(|span| name(span) == wanted).count();
    for wanted in [
        "operator send RealizarPago",
        "integracion-pagos capturar",
        "pasarela-simulada POST /autorizaciones/{id}/captura",
    ] {
        ensure(count(wanted) >= 2, || format!("{wanted}: {} times", count(wanted)))?;
    }
    ensure(count("integracion-pagos autorizar") == 1, || {
        "it was authorised again".to_owned()
    })
}

async fn retried(system: &mut System) -> Outcome {
    pay_and_retry(system, Sidecars::Traced).await
}

async fn at_gestion_clientes(system: &mut System) -> Outcome {
    let body = json!({"medioPago": "PSE", "idCliente": system.cliente, "monto": 24});
    let path = "/facturacion/realizar-pago";
    let (_, answer) = system.post(App::GestionClientes, path, &body, None).await?;
    let id = IdCorrelacion::parse(answer["id"].as_str().unwrap_or_default()).map_err(text)?;
    let mut expected = edges(DOOR_OF_GESTION, ALL_STEPS);
    // The door that asked is told the end, too.
    let last = "operator receive NotificacionCreada".to_owned();
    expected.push((Some(last), "gestion-clientes receive SagaActualizada".to_owned()));
    whole(system, &id, "Completed", &expected, Sidecars::Traced)
        .await
        .map(drop)
}

async fn apply(system: &System, cliente: &IdCliente, name: &str, sidecars: Sidecars) -> Outcome {
    let id = IdCorrelacion::parse(name).map_err(text)?;
    let object = json!({
        "apiVersion": "pagos.saludtech.dev/v1alpha1",
        "kind": "PaymentSaga",
        "metadata": {"name": id.resource_name(), "namespace": NAMESPACE},
        "spec": {"idCliente": cliente, "medioPago": "TarjetaDebito", "monto": "24.00", "moneda": "USD"},
    });
    let object = serde_json::from_value(object).map_err(text)?;
    system
        .sagas()
        .create(&PostParams::default(), &object)
        .await
        .map_err(text)?;
    completes(system, &id, RESOURCE, sidecars).await
}

async fn as_a_resource(system: &mut System) -> Outcome {
    let cliente = system.cliente.clone();
    apply(system, &cliente, "con-raiz-propia", Sidecars::Traced).await
}

/// Brings the system up again, told otherwise.
pub(crate) async fn up_again(system: &mut System, choices: &[&str]) -> Outcome {
    system.local(&["down"])?;
    system.local(&[&["up"], choices].concat())?;
    // The old world's connections lead to what is no more.
    system.world = World::new(system.ports, &system.layout.admin_kubeconfig())
        .await
        .map_err(text)?;
    Ok(())
}

async fn unsampled(system: &mut System) -> Outcome {
    up_again(system, &["--sampling-rate", "0"]).await?;
    let untraced = &*system;
    let all = [
        pay_and_complete(untraced, Sidecars::Untraced).boxed_local(),
        pay_and_decline(untraced, Sidecars::Untraced).boxed_local(),
        pay_and_undo(untraced, Sidecars::Untraced).boxed_local(),
        pay_and_retry(untraced, Sidecars::Untraced).boxed_local(),
        apply(untraced, &untraced.cliente, "sin-muestreo", Sidecars::Untraced).boxed_local(),
    ];
    let outcome = try_join_all(all).map_ok(drop).await;
    up_again(system, &[]).await?;
    outcome
}
