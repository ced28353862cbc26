//! Whether new payments are taken. The drain of a release closes the intake for all replicas, by a mark in a Lease.
//!
//! ```text
//! drain ── holds the Lease `intake`, renews it ──▶ API server ◀── looks every two seconds ── every operator
//! ```
//!
//! A request that comes meanwhile is left to its door, which keeps it and asks again: nothing that was accepted is lost.
//! A mark that is no longer renewed lapses, so a drain that is killed leaves nothing closed. The chart makes the Lease,
//! without a holder, and removes it with the release: a fresh install is open. Without one (on a laptop) it is open, too;
//! but one that goes while it is held goes with the release, and its mark stands for those who are about to follow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::PostParams;
use seedwork::Fault;
use tokio::time::Instant;

use crate::fault;
use crate::resources::whole;

/// The name of the Lease.
pub const LEASE: &str = "intake";
/// Who holds it while the intake is closed.
pub const HOLDER: &str = "drain";
/// How often an operator looks.
pub const LOOK: Duration = Duration::from_secs(2);
/// How long a mark that is not renewed stands. The operators are asked to end right after the last renewal and take this
/// long at most.
pub const STANDS: Duration = Duration::from_secs(60);

/// What one replica knows of the mark.
#[derive(Debug, Default)]
pub struct Intake(Mutex<Option<Mark>>);

#[derive(Debug)]
struct Mark {
    /// The version that was seen, which every renewal changes.
    version: Option<String>,
    /// When this very version was first seen, on our own clock: no clocks are compared.
    since: Instant,
    stands: Duration,
}

// === impl Intake ===

impl Intake {
    /// Takes note of the Lease as it is now.
    pub fn note(&self, lease: Option<&Lease>, now: Instant) {
        let mut mark = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lease) = lease else { return };
        if !is_held(lease) {
            *mark = None;
            return;
        }
        let version = lease.metadata.resource_version.clone();
        if mark.as_ref().is_some_and(|mark| mark.version == version) {
            return;
        }
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        *mark = Some(Mark {
            version,
            since: now,
            stands: Duration::from_secs(seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or_default()),
        });
    }

    /// Whether requests for new payments are left to their doors.
    pub fn is_closed(&self, now: Instant) -> bool {
        let mark = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mark.as_ref()
            .is_some_and(|mark| now.duration_since(mark.since) < mark.stands)
    }

    /// Looks once, and not for ever: who hung here would never hear of a drain.
    pub async fn look(&self, leases: &Api<Lease>) {
        match whole(leases.get_opt(LEASE)).await {
            Ok(lease) => self.note(lease.as_ref(), Instant::now()),
            // What was known stands until it lapses. Whoever cannot read this cannot make payments either.
            Err(error) => tracing::debug!(%error, "unable to look whether the intake is closed"),
        }
    }
}

/// Closes the intake, or says again that it is closed. False without a Lease: nothing can be closed.
pub async fn close(leases: &Api<Lease>) -> Result<bool, Fault> {
    mark(leases, Some(HOLDER)).await
}

/// Opens the intake again.
pub async fn open(leases: &Api<Lease>) -> Result<(), Fault> {
    mark(leases, None).await.map(|_| ())
}

async fn mark(leases: &Api<Lease>, holder: Option<&str>) -> Result<bool, Fault> {
    let found = whole(leases.get_opt(LEASE))
        .await
        .map_err(fault::kube("read the Lease intake"))?;
    let Some(mut lease) = found else { return Ok(false) };
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = holder.map(str::to_owned);
    spec.lease_duration_seconds = holder.and_then(|_| i32::try_from(STANDS.as_secs()).ok());
    // For people; operators go by the version.
    spec.renew_time = holder.map(|_| MicroTime(crate::shell::now()));
    // Carries the version that was read. Only a drain writes it, and there is one at a time.
    whole(leases.replace(LEASE, &PostParams::default(), &lease))
        .await
        .map_err(fault::kube("write the Lease intake"))?;
    Ok(true)
}

fn is_held(lease: &Lease) -> bool {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.is_some_and(|holder| !holder.is_empty())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use futures::stream;
    use http::{Request, Response};
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use kube::Client;
    use kube::api::ObjectMeta;

    use super::*;
    use crate::resources::CALL;

    fn lease(holder: Option<&str>, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(LEASE.to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: holder.map(|_| 60),
                ..LeaseSpec::default()
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_whose_answer_begins_and_never_ends_is_given_up() {
        let service = tower::service_fn(|_: Request<kube::client::Body>| async {
            let endless = stream::pending::<Result<Bytes, Infallible>>();
            Ok::<_, Infallible>(Response::new(Body::from_stream(endless)))
        });
        let leases = Api::namespaced(Client::new(service, "pagos"), "pagos");
        let intake = Intake::default();
        let looked = tokio::time::timeout(CALL * 2, intake.look(&leases)).await;
        assert!(looked.is_ok(), "nobody would look again");
    }

    #[test]
    fn it_is_open_without_a_lease_and_while_nobody_holds_it() {
        let now = Instant::now();
        for none in [
            None,
            Some(lease(None, "1")),
            Some(lease(Some(""), "1")),
            Some(Lease::default()),
        ] {
            let intake = Intake::default();
            assert!(!intake.is_closed(now));
            intake.note(none.as_ref(), now);
            assert!(!intake.is_closed(now), "{none:?}");
        }
    }

    #[test]
    fn it_is_closed_while_the_mark_is_renewed_and_open_again_when_it_is_removed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let intake = Intake::default();
        intake.note(Some(&lease(Some(HOLDER), "1")), at(0));
        assert!(intake.is_closed(at(59)));
        intake.note(Some(&lease(Some(HOLDER), "2")), at(59));
        assert!(intake.is_closed(at(118)), "it was renewed");
        intake.note(Some(&lease(None, "3")), at(118));
        assert!(!intake.is_closed(at(118)));
    }

    #[test]
    fn a_mark_outlives_its_lease_which_goes_with_the_release() {
        let start = Instant::now();
        let intake = Intake::default();
        intake.note(Some(&lease(Some(HOLDER), "1")), start);
        intake.note(None, start + Duration::from_secs(2));
        assert!(intake.is_closed(start + Duration::from_secs(2)));
        assert!(!intake.is_closed(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_mark_that_nobody_renews_lapses_however_often_it_is_seen() {
        let start = Instant::now();
        let intake = Intake::default();
        for seconds in 0..=60 {
            let now = start + Duration::from_secs(seconds);
            intake.note(Some(&lease(Some(HOLDER), "1")), now);
            assert_eq!(intake.is_closed(now), seconds < 60, "after {seconds} s");
        }
    }
}
