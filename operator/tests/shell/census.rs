//! What `/metrics` says of payments.

use std::time::Duration;

use operator::census;
use saga::{Controls, Memory, Next, Saga};

use crate::fixture::{self, Stage};
use crate::payments::{ended, object, started};

/// The payment after a word of a person's, or after its time was up.
fn told(saga: &Saga, controls: &Controls, memory: &Memory) -> Saga {
    match saga::next(saga, controls, memory) {
        Next::Record(changed) => changed,
        other @ (Next::Send(_) | Next::Wait(_) | Next::Rest | Next::Ended) => panic!("{other:?}"),
    }
}

fn stalled() -> Saga {
    let cancel = Controls {
        cancel: true,
        ..Controls::default()
    };
    let late = Memory {
        elapsed: Duration::from_hours(1),
        sends: 1,
        last_send: Some(Duration::ZERO),
    };
    let undoing = told(&started(), &cancel, &Memory::default());
    told(&undoing, &Controls::default(), &late)
}

#[tokio::test]
async fn a_stalled_payment_is_counted_while_it_is_and_leaves_the_gauge() {
    let mut stage = Stage::new().await;
    let (handle, recorder) = fixture::metrics();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let shows = |stage: &Stage, line: &str| {
        census::take(&stage.shell);
        let text = handle.render();
        assert!(text.lines().any(|one| one == line), "{line} in:\n{text}");
    };
    shows(&stage, r#"pagos_sagas{phase="Stalled"} 0"#);
    stage.cache(&object(Some(&stalled()), "7"));
    shows(&stage, r#"pagos_sagas{phase="Stalled"} 1"#);
    shows(&stage, r#"pagos_sagas{phase="Completed"} 0"#);
    stage.cache(&object(Some(&ended()), "8"));
    shows(&stage, r#"pagos_sagas{phase="Stalled"} 0"#);
    shows(&stage, r#"pagos_sagas{phase="Completed"} 1"#);
    stage.cache(&object(None, "9"));
    shows(&stage, r#"pagos_sagas{phase="Pending"} 1"#);
    stage.uncache(&object(None, "9"));
    for phase in [
        "Pending",
        "Running",
        "Compensating",
        "Completed",
        "Compensated",
        "Stalled",
    ] {
        shows(&stage, &format!(r#"pagos_sagas{{phase="{phase}"}} 0"#));
    }
}
