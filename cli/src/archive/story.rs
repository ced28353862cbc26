//! Whether the engine comes from a payment's start to a recorded end, and what is recorded otherwise where it does not.

use checker::{Way, way};
use saga::Saga;
use seedwork::IdCorrelacion;

/// Values that are looked at before there may be more ways than are tried.
pub(super) const MOST: usize = 200_000;

/// Looks for a way to `recorded`, at no more values than about `most`.
pub(super) fn find(id: &IdCorrelacion, recorded: &Saga, most: usize) -> Way {
    way(id, &Saga::start(recorded.politica.clone()), recorded, most)
}

/// Of what the engine comes to instead, what is nearest. Of two that are as near, one that has ended, since the
/// recorded one should have.
pub(super) fn nearest(recorded: &Saga, instead: Vec<Saga>) -> Saga {
    let distance = |saga: &Saga| (differences(recorded, saga).len(), !saga.ended());
    let nearest = instead.into_iter().min_by_key(distance);
    nearest.unwrap_or_else(|| recorded.clone())
}

/// What is recorded and what the engine has, where the two differ.
pub(super) fn differences(recorded: &Saga, engine: &Saga) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, recorded: String, engine: String| {
        if recorded != engine {
            found.push(format!("{what}: recorded {recorded}, the engine has {engine}"));
        }
    };
    // Without `..`: a new field is compared, or this does not compile.
    let Saga {
        politica: _,
        secuencia,
        pasos,
        aviso,
        cause,
        retry_seen,
        resolved_by,
    } = recorded;
    compare("secuencia", secuencia.to_string(), engine.secuencia.to_string());
    for index in 0..pasos.len().max(engine.pasos.len()) {
        let text = |saga: &Saga| {
            saga.pasos.get(index).map_or_else(
                || "nothing".to_owned(),
                |paso| {
                    let reason = paso.motivo.as_ref().map(|reason| format!(" ({reason})"));
                    format!("{} {:?}{}", paso.nombre, paso.estado, reason.unwrap_or_default())
                },
            )
        };
        compare(&format!("step {}", index + 1), text(recorded), text(engine));
    }
    compare("aviso", format!("{aviso:?}"), format!("{:?}", engine.aviso));
    compare("cause", format!("{cause:?}"), format!("{:?}", engine.cause));
    compare(
        "retrySeen",
        format!("{retry_seen:?}"),
        format!("{:?}", engine.retry_seen),
    );
    compare(
        "resolvedBy",
        format!("{resolved_by:?}"),
        format!("{:?}", engine.resolved_by),
    );
    found
}

#[cfg(test)]
#[path = "story_tests.rs"]
pub(super) mod tests;
