//! A door asks for a payment, or what became of it: one message, safe to repeat.

use seedwork::contrato::SolicitarPago;
use seedwork::{App, Fault, Message, Reason};
use tokio::time::Instant;

use crate::crd::PaymentSaga;
use crate::record::Recorded;
use crate::resource::{self, Payment};
use crate::shell::Shell;

/// Starts the payment if it is unknown, now or when there is room, and answers with its state if it is known.
pub async fn solicitar(shell: &Shell, solicitar: SolicitarPago) -> Result<(), Fault> {
    if is_settled(shell, &solicitar).await? {
        return Ok(());
    }
    if shell.room.is_empty() && shell.held.room() > 0 {
        return create(shell, &solicitar).await;
    }
    metrics::counter!("operator_requests_waited_total").increment(1);
    if !shell.room.enter(&solicitar) {
        leave(&solicitar, "Congested");
    }
    Ok(())
}

/// Starts a payment that has waited for room.
pub async fn admitted(shell: &Shell, solicitar: &SolicitarPago) -> Result<(), Fault> {
    // Another replica may have begun it meanwhile, and the operator may be on its way out.
    if is_settled(shell, solicitar).await? {
        return Ok(());
    }
    create(shell, solicitar).await
}

/// Whether there is nothing to begin: a known payment is answered with its state, and while none may begin the request is left.
async fn is_settled(shell: &Shell, solicitar: &SolicitarPago) -> Result<bool, Fault> {
    let id = &solicitar.id_correlacion;
    let known = match shell.known(id) {
        Some(known) => Some(known),
        None => shell.archive.find(id).await?.map(Recorded::read).transpose()?,
    };
    if let Some(known) = known {
        answer(shell, solicitar, &known).await?;
        return Ok(true);
    }
    // Not a refusal: the door keeps the request and asks again, of this release or of the next. Asking the broker to
    // deliver it again instead would fill the inbox with what cannot be done yet, before the answers that would help.
    let why = no_more(shell);
    if let Some(why) = why {
        leave(solicitar, why);
    }
    Ok(why.is_some())
}

async fn create(shell: &Shell, solicitar: &SolicitarPago) -> Result<(), Fault> {
    let SolicitarPago {
        id_correlacion,
        solicitud,
        origen,
    } = solicitar;
    let traceparent = seedwork_runtime::telemetry::current_traceparent();
    let object = resource::new_resource(
        id_correlacion,
        solicitud,
        shell.settings.politica(),
        *origen,
        traceparent,
    );
    match Recorded::create(&shell.api, &object).await {
        Ok(created) => begin(shell, &created).await,
        Err(Fault::Conflict(_)) => match shell.read(id_correlacion).await {
            Ok(Some(known)) => answer(shell, solicitar, &known).await,
            Ok(None) => Err(Fault::Conflict("the payment's resource was just deleted".to_owned())),
            // A resource that is no payment has the name.
            Err(Fault::Rejected(_)) => refuse(shell, solicitar, taken()).await,
            // A newer operator's payment, or an API server that does not answer: no reason to refuse anything.
            Err(Fault::Unavailable { .. }) => {
                leave(solicitar, "Unreadable");
                Ok(())
            }
            Err(fault) => Err(fault),
        },
        // The same rules stand at the door, so this is a request that no door of ours took.
        Err(Fault::Bug { context, source }) => {
            let why = source.map_or_else(|| context.clone(), |error| error.to_string());
            tracing::error!(id = %id_correlacion, why, "the API server refuses a request that the door took");
            refuse(shell, solicitar, Reason::new("SolicitudInvalida", why)).await
        }
        Err(fault) => Err(fault),
    }
}

/// The door keeps the request and asks again.
fn leave(solicitar: &SolicitarPago, why: &'static str) {
    metrics::counter!("operator_requests_left_total", "why" => why).increment(1);
    tracing::debug!(id = %solicitar.id_correlacion, why, "a request is left to its door, which asks again");
}

/// A resource without a status: an archived payment is restored, a new one begins.
pub async fn begin(shell: &Shell, created: &Recorded) -> Result<(), Fault> {
    // Before anything is waited for: its own event is on its way to us.
    shell.memories.created(created.uid(), Instant::now());
    if earlier_life(shell, created).await?.is_none() {
        shell.set_out(created).await;
    }
    Ok(())
}

/// The state of a payment that ended under an earlier resource, written into this one; `None` if there was none. To be
/// asked of a resource without a status before anything is decided for it, whoever made it: a request that was sent long
/// ago may have, and an answer to the earlier life may be what comes first.
pub async fn earlier_life(shell: &Shell, recorded: &Recorded) -> Result<Option<Recorded>, Fault> {
    // A payment is archived before its name is free again, so that one look at each resource is enough.
    if recorded.object().status.is_some() || shell.memories.is_first_life(recorded.uid()) {
        return Ok(None);
    }
    match shell.archive.find(&recorded.payment().id).await? {
        Some(archived) => restore(shell, recorded, &archived).await.map(Some),
        None => {
            shell.memories.first_life(recorded.uid(), Instant::now());
            Ok(None)
        }
    }
}

/// Writes the archived state of a payment into its new resource; nothing runs.
pub async fn restore(shell: &Shell, created: &Recorded, archived: &PaymentSaga) -> Result<Recorded, Fault> {
    let old = Payment::try_from_resource(archived)
        .map_err(|unfit| Fault::bug("failed to read an archived payment", unfit))?;
    if old.solicitud != created.payment().solicitud {
        let reason = Reason::new(
            "IdentidadUsada",
            "another payment was made under this name; delete this resource",
        );
        shell.refuse(created.object(), &reason).await;
        return Err(Fault::Rejected(vec![reason.mensaje]));
    }
    let Some(saga) = old.saga else {
        return Err(Fault::bug("failed to restore a payment", "the archive holds no state"));
    };
    let mut carrier = created.object().clone();
    // The times of the old life are kept: this is the payment it was.
    carrier.status.clone_from(&archived.status);
    let recorded = Recorded::read(carrier)?
        .write(&shell.api, &saga, crate::shell::now())
        .await?;
    tracing::info!(id = %recorded.payment().id, "restored from the archive; nothing runs again");
    shell.announce(&recorded).await;
    Ok(recorded)
}

async fn answer(shell: &Shell, solicitar: &SolicitarPago, known: &Recorded) -> Result<(), Fault> {
    if known.payment().solicitud != solicitar.solicitud {
        return refuse(shell, solicitar, taken()).await;
    }
    shell.tell(solicitar.origen, known).await;
    Ok(())
}

fn taken() -> Reason {
    Reason::new("IdentidadUsada", "another payment exists under this idCorrelacion")
}

async fn refuse(shell: &Shell, solicitar: &SolicitarPago, reason: Reason) -> Result<(), Fault> {
    let message = Message::SolicitudRechazada {
        id_correlacion: solicitar.id_correlacion.clone(),
        reason,
    };
    seedwork_runtime::send(shell.sidecar.as_ref(), App::Operator, solicitar.origen, &message).await
}

/// Why no other payment is begun now, if so.
fn no_more(shell: &Shell) -> Option<&'static str> {
    if shell.intake.is_closed(Instant::now()) {
        return Some("Drained");
    }
    let most = shell.settings.max_live;
    (shell.cache.len() >= most && shell.census.of(shell).live >= most).then_some("Full")
}
