//! What a payment costs the API server, by the API server's own count.

use std::collections::BTreeMap;

use local::world::ApiRequest;

use crate::system::{Outcome, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![check!(
        "a happy payment costs five API-server writes, two more at most if it is slow, and its resource stays under 4 kB",
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
            if what.was_accepted() {
                total += spent;
            }
        }
    }
    let each = total / f64::from(PAYMENTS);
    println!("          {each:>5.2} writes per payment; the largest resource has {largest} bytes");
    // Creation, the record that money is asked for, the end, finalizer, deletion. What takes longer than 250 ms is written
    // in between as well, and twenty at a time on a busy machine may.
    ensure((5.0..=7.0).contains(&each), || format!("{each} writes per payment"))?;
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

/// Write requests on our resource so far.
async fn writes(system: &System) -> Outcome<BTreeMap<ApiRequest, f64>> {
    let mut requests = system.world.api_requests().await.map_err(text)?;
    requests.retain(|request, _| request.is_write() && request.resource == "paymentsagas");
    Ok(requests)
}
