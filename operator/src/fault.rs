//! The Kubernetes edge of a fault.

use seedwork::Fault;

/// Writes that the API server refused for a rule.
const INVALID_WRITES: &str = "operator_invalid_writes_total";

/// Shows the counter of refused writes before there are any: an increase is seen only of what was there.
pub fn count_from_zero() {
    metrics::counter!(INVALID_WRITES).increment(0);
}

/// Classifies an API server's answer. 409 is a lost race, 422 a rule that our own write broke.
pub fn kube(doing: &str) -> impl FnOnce(kube::Error) -> Fault + use<'_> {
    move |error| {
        let kube::Error::Api(status) = &error else {
            return Fault::unavailable(format!("failed to {doing}"), error);
        };
        match status.code {
            404 => Fault::NotFound(format!("{doing}: {}", status.message)),
            409 => Fault::Conflict(format!("{doing}: {}", status.message)),
            422 => {
                metrics::counter!(INVALID_WRITES).increment(1);
                // The error itself would print all of the answer, twice.
                Fault::bug(format!("failed to {doing}"), status.message.clone())
            }
            _ => Fault::unavailable(format!("failed to {doing}"), error),
        }
    }
}
