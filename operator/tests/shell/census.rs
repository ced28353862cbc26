//! What `/metrics` says of payments.

use operator::census;

use crate::fixture::{self, Stage};
use crate::payments::{ended, object, stalled};

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
