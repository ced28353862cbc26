//! What the parts themselves have counted since they started: what a payment costs is read from these.

use std::collections::BTreeMap;
use std::fmt;

use seedwork::contrato::App;

use super::{World, unreachable_page};
use crate::error::{During, Error, Result};
use crate::metrics::samples;
use crate::redis;

/// A kind of request to the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiRequest {
    /// `POST`, `PUT`, `GET`, `WATCH`…
    pub verb: String,
    /// The plural of the kind.
    pub resource: String,
    /// `status`, or nothing.
    pub subresource: String,
    /// The HTTP status that answered it.
    pub code: String,
}

// === impl ApiRequest ===

impl ApiRequest {
    /// Whether such a request changes what is stored, if it is accepted.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE" | "DELETECOLLECTION"
        )
    }

    /// Whether it was accepted. A write that loses its race stores nothing.
    pub fn was_accepted(&self) -> bool {
        matches!(self.code.as_str(), "200" | "201")
    }
}

/// `PUT paymentsagas/status (409)`; the code stands there only if it is not one of success.
impl fmt::Display for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            resource,
            subresource,
            code,
        } = self;
        let slash = if subresource.is_empty() { "" } else { "/" };
        write!(f, "{verb} {resource}{slash}{subresource}")?;
        if self.was_accepted() {
            Ok(())
        } else {
            write!(f, " ({code})")
        }
    }
}

/// The counters of a sidecar that tell what its application asked of store and broker, and the label that splits each.
const SIDECAR_COUNTERS: [(&str, &str, &str); 6] = [
    ("dapr_component_state_count", "operation", "state"),
    ("dapr_component_pubsub_egress_count", "topic", "published"),
    ("dapr_component_pubsub_egress_bulk_count", "topic", "bulk published"),
    (
        "dapr_component_pubsub_egress_bulk_event_count",
        "topic",
        "published in bulk",
    ),
    ("dapr_component_pubsub_ingress_count", "process_status", "delivered"),
    (
        "dapr_component_pubsub_ingress_bulk_event_count",
        "process_status",
        "delivered in bulk",
    ),
];

// === impl World ===

impl World {
    /// Requests to the API server so far, by kind (`apiserver_request_total`).
    pub async fn api_requests(&self) -> Result<BTreeMap<ApiRequest, f64>> {
        let request = http::Request::get("/metrics").body(Vec::new());
        let request = request.map_err(|error| Error::advice(format!("GET /metrics: {error}")))?;
        let during = "read the API server's metrics";
        let text = self.kube().request_text(request).await.during(during)?;
        Ok(api_requests(&text))
    }

    /// Commands that Redis has carried out so far, by name.
    pub async fn broker_calls(&self, password: &str) -> Result<BTreeMap<String, f64>> {
        let asked = redis::ask(self.ports.redis(), password, "INFO commandstats").await;
        let text = asked.during("ask Redis for its statistics")?.concat();
        Ok(redis::calls(&text)
            .map(|(command, calls)| (command.to_owned(), calls))
            .collect())
    }

    /// What applications have asked of store and broker through their sidecars so far, summed over the five: `state get`,
    /// `published inbox-operator`, `delivered success`…
    pub async fn sidecar_counts(&self) -> Result<BTreeMap<String, f64>> {
        let mut counts = BTreeMap::new();
        for app in App::ALL {
            let text = self.metrics(self.ports.sidecar(app).metrics).await?;
            for (what, count) in sidecar_counts(&text) {
                *counts.entry(what).or_insert(0.0) += count;
            }
        }
        Ok(counts)
    }

    /// The size of etcd's file, in bytes.
    pub async fn etcd_bytes(&self) -> Result<f64> {
        let text = self.metrics(self.ports.etcd()).await?;
        let size = samples(&text, "etcd_mvcc_db_total_size_in_bytes").next();
        size.map(|sample| sample.value)
            .ok_or_else(|| Error::advice("etcd does not say how large its file is"))
    }

    async fn metrics(&self, port: u16) -> Result<String> {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let response = self.http.get(&url).send().await;
        let response = response.map_err(|error| unreachable_page(&url, &error))?;
        response.text().await.map_err(|error| unreachable_page(&url, &error))
    }
}

fn api_requests(text: &str) -> BTreeMap<ApiRequest, f64> {
    let mut requests = BTreeMap::new();
    for sample in samples(text, "apiserver_request_total") {
        let label = |name| sample.label(name).to_owned();
        let request = ApiRequest {
            verb: label("verb"),
            resource: label("resource"),
            subresource: label("subresource"),
            code: label("code"),
        };
        // Other labels (group, scope, dry run) do not matter here.
        *requests.entry(request).or_insert(0.0) += sample.value;
    }
    requests
}

fn sidecar_counts(text: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for (metric, label, what) in SIDECAR_COUNTERS {
        for sample in samples(text, metric) {
            *counts.entry(format!("{what} {}", sample.label(label))).or_insert(0.0) += sample.value;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_what_they_do_and_how_they_were_answered() {
        let text = "\
apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",resource=\"paymentsagas\",scope=\"resource\",subresource=\"status\",verb=\"PUT\"} 40
apiserver_request_total{code=\"409\",component=\"apiserver\",dry_run=\"\",resource=\"paymentsagas\",scope=\"resource\",subresource=\"status\",verb=\"PUT\"} 2
apiserver_request_total{code=\"201\",component=\"apiserver\",dry_run=\"\",resource=\"paymentsagas\",scope=\"resource\",subresource=\"\",verb=\"POST\"} 10
apiserver_request_total{code=\"201\",component=\"apiserver\",dry_run=\"\",resource=\"paymentsagas\",scope=\"namespace\",subresource=\"\",verb=\"POST\"} 1
apiserver_request_total{code=\"0\",component=\"apiserver\",dry_run=\"\",resource=\"paymentsagas\",scope=\"namespace\",subresource=\"\",verb=\"WATCH\"} 3
";
        let requests = api_requests(text);
        let read: Vec<_> = requests
            .iter()
            .map(|(request, count)| {
                (
                    request.to_string(),
                    request.is_write() && request.was_accepted(),
                    *count,
                )
            })
            .collect();
        assert_eq!(
            read,
            [
                ("POST paymentsagas".to_owned(), true, 11.0),
                ("PUT paymentsagas/status".to_owned(), true, 40.0),
                ("PUT paymentsagas/status (409)".to_owned(), false, 2.0),
                ("WATCH paymentsagas (0)".to_owned(), false, 3.0),
            ]
        );
    }

    #[test]
    fn a_sidecar_counts_state_operations_and_messages() {
        let text = "\
dapr_component_state_count{app_id=\"bff\",component=\"statestore\",namespace=\"\",operation=\"get\",success=\"true\"} 5
dapr_component_state_count{app_id=\"bff\",component=\"statestore\",namespace=\"\",operation=\"set\",success=\"true\"} 4
dapr_component_state_count{app_id=\"bff\",component=\"statestore\",namespace=\"\",operation=\"set\",success=\"false\"} 1
dapr_component_pubsub_ingress_count{app_id=\"bff\",component=\"pubsub\",namespace=\"\",process_status=\"success\",status=\"\",topic=\"inbox-bff\"} 7
dapr_component_state_latencies_count{app_id=\"bff\",operation=\"get\"} 5
";
        let expected = [("delivered success", 7.0), ("state get", 5.0), ("state set", 5.0)];
        let expected = expected.map(|(what, count)| (what.to_owned(), count));
        assert_eq!(sidecar_counts(text), BTreeMap::from(expected));
    }
}
