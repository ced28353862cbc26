//! The Kubernetes edge of a fault.

use seedwork::Fault;

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
                metrics::counter!("operator_invalid_writes_total").increment(1);
                // The error itself would print all of the answer, twice.
                Fault::bug(format!("failed to {doing}"), status.message.clone())
            }
            _ => Fault::unavailable(format!("failed to {doing}"), error),
        }
    }
}
