//! What a payment costs the API server, by the API server's own count.

use std::collections::BTreeMap;

use crate::system::{Outcome, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![check!(
        "a happy payment costs at most 7 API-server writes and its resource stays under 4 kB",
        happy_payment
    )]
}

const PAYMENTS: u32 = 20;

async fn happy_payment(system: &mut System) -> Outcome {
    // The first payment warms everything up and leaves before the count begins.
    let first = system.pagar("24.00").await?;
    system.ended(&first.id).await?;
    until_gone(system).await?;
    let before = writes(system).await?;
    let mut payments = Vec::new();
    for _ in 0..PAYMENTS {
        payments.push(system.pagar("24.00").await?);
    }
    let mut largest = 0;
    for payment in &payments {
        system.ended(&payment.id).await?;
        if let Some(object) = system
            .sagas()
            .get_opt(&payment.id.resource_name())
            .await
            .map_err(text)?
        {
            largest = largest.max(serde_json::to_vec(&object).map_err(text)?.len());
        }
    }
    until_gone(system).await?;
    let after = writes(system).await?;
    let mut total = 0.0;
    for (what, count) in &after {
        let spent = count - before.get(what).unwrap_or(&0.0);
        if spent > 0.0 {
            println!("          {:>5.2} {what} per payment", spent / f64::from(PAYMENTS));
            // A write that loses its race stores nothing: it is shown, and is no write.
            if what.ends_with("(200)") || what.ends_with("(201)") {
                total += spent;
            }
        }
    }
    let each = total / f64::from(PAYMENTS);
    println!("          {each:>5.2} writes per payment; the largest resource has {largest} bytes");
    ensure(each <= 7.0, || format!("{each} writes per payment"))?;
    ensure(largest > 0 && largest < 4096, || {
        format!("a resource of {largest} bytes")
    })
}

async fn until_gone(system: &System) -> Outcome {
    eventually("finished payments to leave the API server", async || {
        let left = system
            .sagas()
            .list(&Default::default())
            .await
            .map_err(text)?
            .items
            .len();
        ensure(left == 0, || format!("{left} are there"))
    })
    .await
}

/// Write requests on our resource so far, by verb and subresource.
async fn writes(system: &System) -> Outcome<BTreeMap<String, f64>> {
    let request = http::Request::get("/metrics").body(Vec::new()).map_err(text)?;
    let metrics = system.world.kube().request_text(request).await.map_err(text)?;
    let mut writes = BTreeMap::new();
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
    {
        let label = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let verb = label("verb").unwrap_or_default();
        if label("resource") != Some("paymentsagas") || !matches!(verb, "POST" | "PUT" | "PATCH" | "DELETE") {
            continue;
        }
        let subresource = label("subresource")
            .filter(|text| !text.is_empty())
            .map(|text| format!("/{text}"));
        let what = format!(
            "{verb} paymentsagas{} ({})",
            subresource.unwrap_or_default(),
            label("code").unwrap_or("?")
        );
        let count: f64 = line
            .rsplit_once(' ')
            .and_then(|(_, count)| count.parse().ok())
            .unwrap_or_default();
        *writes.entry(what).or_insert(0.0) += count;
    }
    Ok(writes)
}
