//! A participant answers, or the bank takes the money back: read, apply, record.

use saga::{Applied, Ignored};
use seedwork::contrato::{Contracargo, Respuesta};
use seedwork::{App, Fault, IdCorrelacion, Message, Reason};
use tokio::time::Instant;

use crate::record::Recorded;
use crate::requests;
use crate::shell::Shell;

/// How often a write may lose its race before the delivery is retried.
const RACES: usize = 8;

/// Applies an answer to the payment. What this replica knows will do to go on from, since a write is compared with what
/// is recorded; that an answer changes nothing is only believed of a fresh read.
pub async fn respuesta(shell: &Shell, respuesta: &Respuesta) -> Result<(), Fault> {
    let id = &respuesta.id_correlacion;
    let mut known = shell.known(id);
    for _ in 0..RACES {
        let (recorded, fresh) = match known.take() {
            Some(known) => (known, false),
            None => match shell.read(id).await? {
                Some(read) => (read, true),
                None => {
                    ignored("Gone");
                    return Ok(());
                }
            },
        };
        let (recorded, fresh) = match requests::earlier_life(shell, &recorded).await {
            Ok(None) => (recorded, fresh),
            Ok(Some(restored)) => (restored, true),
            Err(Fault::Conflict(_) | Fault::NotFound(_)) => continue, // read again, decide again
            // Another payment under its name.
            Err(Fault::Rejected(_)) => {
                ignored("Gone");
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        let Some(saga) = recorded.saga() else { return Ok(()) };
        // A person's word that was read is not overtaken by an answer.
        if let Some(obeyed) = saga::obey(saga, &recorded.payment().controls) {
            match shell.record(&recorded, &obeyed).await {
                Ok(_) | Err(Fault::Conflict(_) | Fault::NotFound(_)) => continue, // read again, decide again
                Err(fault) => return Err(fault),
            }
        }
        match saga::apply(saga, respuesta) {
            // A duplicate is one for good: no step goes back to where it was.
            Applied::Ignored(why) if fresh || why == Ignored::Duplicate => {
                ignored(name(why));
                return Ok(());
            }
            Applied::Ignored(_) => {}
            Applied::Changed(changed) => {
                shell.held.answered(&recorded);
                match shell.advance(&recorded, &changed).await {
                    Ok(()) => return Ok(()),
                    Err(Fault::Conflict(_) | Fault::NotFound(_)) => {} // read again, decide again
                    Err(fault) => return Err(fault),
                }
            }
        }
    }
    Err(Fault::Conflict(
        "the payment changes faster than it can be read".to_owned(),
    ))
}

/// Reverses a payment whose money the bank took back, and tells the gateway's side that it is recorded.
pub async fn contracargo(shell: &Shell, contracargo: &Contracargo) -> Result<(), Fault> {
    let Contracargo { id_correlacion, motivo } = contracargo;
    let reason = Reason::new("Contracargo", motivo.clone());
    for _ in 0..RACES {
        let recorded = match shell.read(id_correlacion).await? {
            Some(recorded) => requests::earlier_life(shell, &recorded).await?.unwrap_or(recorded),
            // No resource is made while a release is drained. Who knows of the chargeback tells it until it is attended, to
            // this release or to the next.
            None if shell.intake.is_closed(Instant::now()) => {
                tracing::debug!(id = %id_correlacion, "a chargeback is left to whoever told it, who tells it again");
                return Ok(());
            }
            None => match revive(shell, id_correlacion).await? {
                Some(recorded) => recorded,
                None => {
                    return Err(Fault::Rejected(vec![format!(
                        "a chargeback on {id_correlacion}, which is no payment"
                    )]));
                }
            },
        };
        let Some(saga) = recorded.saga() else { return Ok(()) };
        match saga::chargeback(saga, reason.clone()) {
            Applied::Ignored(why) => {
                if why == Ignored::AlreadyReversed {
                    let note = format!("the bank took back what had been returned already: {motivo}");
                    shell
                        .raise(
                            recorded.object(),
                            "Reconcile",
                            &Reason::new("ContracargoSobreReembolso", note),
                        )
                        .await;
                }
                ignored(name(why));
                return attended(shell, id_correlacion).await;
            }
            Applied::Changed(changed) => match shell.record(&recorded, &changed).await {
                Ok(_) => return attended(shell, id_correlacion).await,
                // Somebody wrote it, or it has just left and is in the archive.
                Err(Fault::Conflict(_) | Fault::NotFound(_)) => {}
                Err(fault) => return Err(fault),
            },
        }
    }
    Err(Fault::Conflict(
        "the payment changes faster than it can be read".to_owned(),
    ))
}

/// Makes the resource of an archived payment again, with its state.
async fn revive(shell: &Shell, id: &IdCorrelacion) -> Result<Option<Recorded>, Fault> {
    let Some(archived) = shell.archive.find(id).await? else {
        return Ok(None);
    };
    let mut object = archived.clone();
    object.status = None;
    // What people asked of it was of its first life, and nobody could take it back since.
    object.spec.suspend = false;
    object.spec.cancel = false;
    object.metadata = kube::api::ObjectMeta {
        name: archived.metadata.name.clone(),
        annotations: archived.metadata.annotations.clone(),
        finalizers: Some(vec![crate::resource::FINALIZER.to_owned()]),
        ..Default::default()
    };
    let created = Recorded::create(&shell.api, &object).await?;
    requests::restore(shell, &created, &archived).await.map(Some)
}

async fn attended(shell: &Shell, id: &IdCorrelacion) -> Result<(), Fault> {
    let message = Message::ContracargoAtendido {
        id_correlacion: id.clone(),
    };
    seedwork_runtime::send(shell.sidecar.as_ref(), App::Operator, App::IntegracionPagos, &message).await
}

fn ignored(why: &'static str) {
    metrics::counter!("operator_replies_ignored_total", "why" => why).increment(1);
}

fn name(why: Ignored) -> &'static str {
    match why {
        Ignored::Duplicate => "Duplicate",
        Ignored::Late => "Late",
        Ignored::NotIssued => "NotIssued",
        Ignored::AfterEnd => "AfterEnd",
        Ignored::StillFailing => "StillFailing",
        Ignored::Contradiction => "Contradiction",
        Ignored::Impossible => "Impossible",
        Ignored::UnknownStep => "UnknownStep",
        Ignored::AlreadyCompensating => "AlreadyCompensating",
        Ignored::AlreadyReversed => "AlreadyReversed",
    }
}
