//! What is done to a payment after it was accepted. Each is tried until it is answered: those who do it insist as well.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use saga::StepState;
use seedwork::{App, IdCorrelacion, Phase};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::orders::Reached;
use super::{ANSWER, FIRST_PAUSE, Load};
use crate::Outcome;
use crate::recorder::Version;

/// How long a deed is tried for: longer than any fault lasts. One that nobody took by then is wrong, unless the payment came
/// to its end without it.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long a payment may take to get where a deed waits for it, before nobody does anything to it.
const REACHES: Duration = Duration::from_secs(120);

/// What is done, in the words of the book.
pub(super) const CANCELLED: &str = "cancelled";
pub(super) const DELETED: &str = "deleted";
pub(super) const SUSPENDED: &str = "suspended";
pub(super) const RESUMED: &str = "resumed";
pub(super) const CHARGED_BACK: &str = "chargeback told";

/// To how many payments of a thousand each is to be done, as `orders` draws them.
pub(crate) const DEEDS: [(&str, usize); 5] = [
    (CANCELLED, 20),
    (DELETED, 9),
    (SUSPENDED, 6),
    (RESUMED, 6),
    (CHARGED_BACK, 24),
];

pub(super) async fn cancel(load: &Load, id: &IdCorrelacion, after: Duration) {
    sleep(after).await;
    if patched(load, id, &json!({"spec": {"cancel": true}})).await {
        load.book.deed(id, CANCELLED);
    }
}

pub(super) async fn suspend(load: &Load, id: &IdCorrelacion, after: Duration, lasts: Duration) {
    sleep(after).await;
    if patched(load, id, &json!({"spec": {"suspend": true}})).await {
        load.book.deed(id, SUSPENDED);
        sleep(lasts).await;
        resume(load, id, RESUMED).await;
    }
}

/// What was held since its creation: not the end of a suspension, so the book has another word for it.
pub(super) async fn let_go_on(load: &Load, id: &IdCorrelacion) {
    resume(load, id, "let go on").await;
}

async fn resume(load: &Load, id: &IdCorrelacion, word: &str) {
    load.book.holds(id);
    if patched(load, id, &json!({"spec": {"suspend": false}})).await {
        load.book.deed(id, word);
    }
}

pub(super) async fn delete(load: &Load, id: &IdCorrelacion, after: Duration) {
    sleep(after).await;
    let name = id.resource_name();
    let params = DeleteParams::default();
    if taken(load, id, "its deletion", || load.sagas.delete(&name, &params)).await {
        load.book.deed(id, DELETED);
    }
}

pub(super) async fn charge_back(load: &Load, id: &IdCorrelacion, when: Reached) {
    let paid = |version: &Version| version.steps.get(1) == Some(&StepState::Done);
    let there = match when {
        Reached::Paid => reaches(load, id, paid).await,
        Reached::Completed(ago) => {
            let completed = reaches(load, id, |version| version.phase == Some(Phase::Completed)).await;
            sleep(ago).await;
            completed
        }
    };
    if there && let Err(why) = take_back(load, id).await {
        load.book.wrong(format!("{id}: {why}"));
    }
}

/// The bank takes the money, if it is still there to be taken, and we are told until we have heard it.
async fn take_back(load: &Load, id: &IdCorrelacion) -> Outcome {
    let world = &load.world;
    let known = insist(|| async {
        let answer = world.get(&world.pasarela(&format!("/referencias/{id}"))).await;
        answer.ok().filter(|(status, _)| *status == 200).map(|(_, known)| known)
    });
    let known = known.await;
    let known = known.ok_or("the gateway does not say what it took, and it was paid")?;
    let cargo = known["cargos"][0]["id"].as_str().map(str::to_owned);
    // What was refunded already is no longer the bank's to take.
    let left = known["reembolsos"].as_array().is_none_or(Vec::is_empty);
    let Some(cargo) = cargo.filter(|_| left) else {
        return Ok(());
    };
    load.book.charges_back(id);
    load.book.deed(id, "charged back at the gateway");
    let key = format!("contracargo-{id}");
    let url = world.pasarela("/contracargos");
    let taken = insist(|| async {
        let answer = world.post(&url, &json!({ "cargo": cargo }), Some(&key)).await;
        answer
            .ok()
            .filter(|(status, _)| *status < 500 && *status != 409)
            .map(|(status, _)| status)
    });
    if taken.await != Some(201) {
        return Err("the gateway records no chargeback".to_owned());
    }
    let url = world.url(App::IntegracionPagos, "/pagos/simular-evento-de-compensacion");
    let told = insist(|| async {
        let answer = world
            .post(&url, &json!({"idCorrelacion": id, "motivo": "Fraude"}), None)
            .await;
        answer.ok().filter(|(status, _)| *status < 500 && *status != 429)
    });
    match told.await.ok_or("the chargeback is not answered")? {
        (200, _) => {
            load.book.deed(id, CHARGED_BACK);
            Ok(())
        }
        (status, answer) => Err(format!("the chargeback is answered {status} {answer}")),
    }
}

/// Whether the resource was there to be changed, and was.
async fn patched(load: &Load, id: &IdCorrelacion, change: &Value) -> bool {
    let name = id.resource_name();
    let params = PatchParams::default();
    let patch = Patch::Merge(change);
    let what = change.to_string();
    taken(load, id, &what, || load.sagas.patch(&name, &params, &patch)).await
}

/// Asks the API server until it answers. Whether the resource was there, and it was done to it.
async fn taken<T, F>(load: &Load, id: &IdCorrelacion, what: &str, call: impl Fn() -> F) -> bool
where
    F: Future<Output = kube::Result<T>>,
{
    // Before there is a resource there is nothing to do anything to.
    if !reaches(load, id, |_| true).await {
        return false;
    }
    let done = insist(|| async {
        match timeout(ANSWER, call()).await {
            Ok(Ok(_)) => Some(true),
            // It has left.
            Ok(Err(kube::Error::Api(refusal))) if refusal.code == 404 => Some(false),
            Ok(Err(_)) | Err(_) => None,
        }
    });
    let done = done.await;
    if done.is_none() && load.recorder.ended_at(id).is_none() {
        let seconds = PATIENCE.as_secs();
        load.book.wrong(format!("{id}: {what} was not taken in {seconds} s"));
    }
    done == Some(true)
}

/// Waits until a version of the payment is such.
async fn reaches(load: &Load, id: &IdCorrelacion, such: impl Fn(&Version) -> bool) -> bool {
    let seen = async {
        loop {
            match load.recorder.last(id) {
                Some(version) if such(&version) => return true,
                Some(version) if version.phase == Some(Phase::Compensated) => return false,
                Some(_) | None => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(REACHES, seen).await.unwrap_or(false)
}

/// Tries until there is an answer.
async fn insist<T, F: Future<Output = Option<T>>>(attempt: impl Fn() -> F) -> Option<T> {
    let again_and_again = async {
        loop {
            if let Some(answer) = attempt().await {
                return answer;
            }
            sleep(FIRST_PAUSE).await;
        }
    };
    timeout(PATIENCE, again_and_again).await.ok()
}
