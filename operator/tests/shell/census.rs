//! What `/metrics` says of payments, and the limits count.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use operator::census;

use crate::fixture::{self, Stage};
use crate::payments::{ended, object, stalled, started};

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

#[tokio::test]
async fn what_is_deleted_counts_no_more_among_those_that_stay() {
    let mut stage = Stage::new().await;
    for (name, saga, deleted) in [
        ("pago-1", ended(), false),
        ("pago-2", ended(), true),
        ("pago-3", started(), false),
        ("pago-4", started(), true),
    ] {
        let mut object = object(Some(&saga), "7");
        object.metadata.name = Some(name.to_owned());
        object.metadata.deletion_timestamp = deleted.then_some(Time(jiff::Timestamp::UNIX_EPOCH));
        stage.cache(&object);
    }
    let counted = stage.shell.census.of(&stage.shell);
    assert_eq!((counted.finished, counted.live), (1, 2));
}
