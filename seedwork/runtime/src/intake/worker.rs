//! Publishes what is due, a window at a time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use seedwork::contrato::SolicitarPago;
use seedwork::{App, Fault, IdCorrelacion, Message};
use sqlx::Row as _;
use tokio::sync::Notify;
use tracing::Instrument as _;

use super::Intake;
use crate::sidecar::Sidecar;
use crate::sql;

/// At most this many rows are published and unanswered; the rest wait in SQL, so a slow operator is not buried.
const WINDOW: i64 = 128;

/// How often the table is looked at when nothing wakes us, in milliseconds.
const LOOK_MS: u64 = 500;

/// The first question about a silent request comes after this long, then later and later, up to the most.
pub(super) const ASK_FIRST_MS: i64 = 2_000;
const ASK_MOST_MS: i64 = 60_000;

/// The most while the operator tells this door of payments: then it is there, and the request waits at its side until there
/// is room, unless a restart forgot it. One that tells of none for a while is away, and finds few questions when it is back.
const ASK_HEARD_MS: i64 = 15_000;
const AWAY_MS: i64 = 5_000;

/// A payment that the operator knows is asked about this often, in case its end was lost.
pub(super) const ASK_KNOWN_MS: i64 = 20_000;

/// How many publishes are under way at once.
const PUBLISHES: usize = 16;

struct Due {
    solicitar: SolicitarPago,
    traceparent: String,
}

/// Runs as long as somebody holds the intake.
pub(super) async fn run(intake: Weak<Intake>, wake: Arc<Notify>) {
    let mut was_heard = false;
    while let Some(strong) = intake.upgrade() {
        let is_heard = strong.heard_at.load(Ordering::Relaxed) > crate::now_ms() - AWAY_MS;
        let outcome = round(&strong, is_heard, is_heard && !was_heard).await;
        drop(strong);
        if outcome.is_ok() {
            was_heard = is_heard;
        }
        match outcome {
            Ok(0) => {
                // Either somebody stored a request or it is time to look; which one does not matter.
                let _ = tokio::time::timeout(Duration::from_millis(LOOK_MS), wake.notified()).await;
            }
            Ok(_) => {}
            Err(fault) => {
                tracing::warn!(error = fault.chain(), "unable to publish requests now");
                tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            }
        }
    }
}

/// Claims and publishes what is due; returns how many.
async fn round(intake: &Intake, is_heard: bool, returned: bool) -> Result<usize, Fault> {
    if returned {
        hasten(intake).await?;
    }
    let due = claim(intake, is_heard).await?;
    let count = due.len();
    futures::stream::iter(due)
        .for_each_concurrent(PUBLISHES, |Due { solicitar, traceparent }| {
            publish(Arc::clone(&intake.sidecar), solicitar, traceparent)
        })
        .await;
    Ok(count)
}

/// Publishes a request. If that fails its row falls due again.
pub(super) async fn publish(sidecar: Arc<dyn Sidecar>, solicitar: SolicitarPago, traceparent: String) {
    let id = solicitar.id_correlacion.clone();
    let door = solicitar.origen;
    let span = tracing::info_span!("send SolicitarPago", otel.kind = "producer", id_correlacion = %id);
    crate::telemetry::continue_trace(&span, Some(&traceparent));
    let message = Message::SolicitarPago(solicitar);
    let sent = crate::send(sidecar.as_ref(), door, App::Operator, &message);
    if let Err(fault) = sent.instrument(span).await {
        tracing::warn!(%id, error = fault.chain(), "unable to publish a request; it will be asked again");
    }
}

/// The operator is back: what was put off because it was away is asked within the time it is asked in now, not all at once.
async fn hasten(intake: &Intake) -> Result<(), Fault> {
    sqlx::query(
        "UPDATE solicitudes SET proximo = $1 + proximo % $2
             WHERE estado = 'abierta' AND intentos > 0 AND contestada = 0 AND proximo > $1 + $2",
    )
    .bind(crate::now_ms())
    .bind(ASK_HEARD_MS)
    .execute(&intake.pool)
    .await
    .map_err(sql::fault("hasten unanswered requests"))?;
    Ok(())
}

/// Takes due rows for this replica by moving their next time on: another replica's claim of the same row sees the
/// moved time and leaves it.
async fn claim(intake: &Intake, is_heard: bool) -> Result<Vec<Due>, Fault> {
    let now = crate::now_ms();
    let unanswered: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM solicitudes WHERE estado = 'abierta' AND intentos > 0 AND contestada = 0",
    )
    .fetch_one(&intake.pool)
    .await
    .map_err(sql::fault("count unanswered requests"))?;
    let free = (WINDOW - unanswered).max(0);
    let jitter = crate::jitter_ms(1_000);
    let (few, most) = if is_heard {
        (2_i64, ASK_HEARD_MS)
    } else {
        (5, ASK_MOST_MS)
    };
    // Repeats of unanswered rows are within the window; new rows take what is left of it. The state stands in the text,
    // so that the indexes of the open rows serve.
    let rows = sqlx::query(
        "UPDATE solicitudes SET intentos = intentos + 1, proximo = $1 + $2 + CASE
             WHEN contestada = 1 THEN $3
             WHEN intentos >= $4 THEN $5
             ELSE $6 * (intentos * intentos + 1) END
         WHERE estado = 'abierta' AND (proximo <= $1 OR proximo > $1 + $8) AND id_correlacion IN (
             SELECT id_correlacion FROM solicitudes
                 WHERE estado = 'abierta' AND intentos > 0 AND contestada IN (0, 1)
                     AND (proximo <= $1 OR proximo > $1 + $8)
             UNION ALL
             SELECT id_correlacion FROM (SELECT id_correlacion FROM solicitudes
                 WHERE estado = 'abierta' AND intentos = 0 ORDER BY creada LIMIT $7) AS nuevas)
         RETURNING id_correlacion, solicitud, traceparent, intentos",
    )
    .bind(now)
    .bind(jitter)
    .bind(ASK_KNOWN_MS)
    .bind(few)
    .bind(most)
    .bind(ASK_FIRST_MS)
    .bind(free)
    .bind(sql::FAR_MS)
    .fetch_all(&intake.pool)
    .await
    .map_err(sql::fault("claim due requests"))?;
    let is_new = |row: &&sqlx::any::AnyRow| row.try_get::<i64, _>("intentos").is_ok_and(|intentos| intentos == 1);
    let new = rows.iter().filter(is_new).count();
    intake.window.found(free - i64::try_from(new).unwrap_or(i64::MAX));
    // One that cannot be read, since a newer version stored it, does not silence the others.
    let readable = |row: sqlx::any::AnyRow| {
        read(&row, intake.app)
            .inspect_err(|error| tracing::error!(%error, "a stored request cannot be read; it waits for who can"))
            .ok()
    };
    Ok(rows.into_iter().filter_map(readable).collect())
}

fn read(row: &sqlx::any::AnyRow, origen: App) -> Result<Due, Box<dyn std::error::Error + Send + Sync>> {
    let text = |column| row.try_get::<String, _>(column);
    Ok(Due {
        solicitar: SolicitarPago {
            id_correlacion: IdCorrelacion::parse(text("id_correlacion")?)?,
            solicitud: serde_json::from_str(&text("solicitud")?)?,
            origen,
        },
        traceparent: text("traceparent")?,
    })
}
