//! What nobody looked at is not judged, and the verdict says so.

use checker::{Check, Evidence, judge};

use crate::planted::good;
use crate::run::id;

#[test]
fn without_evidence_nothing_is_judged() {
    let verdict = judge(&Evidence::default());
    assert_eq!(verdict.checks, [].into());
    assert_eq!(verdict.violations, []);
    let missing = verdict.demands(&[Check::Money, Check::Secrets]);
    assert_eq!(missing, Err("judged nothing: money, secrets".to_owned()));
    assert!(verdict.coverage().starts_with("judged: ; not judged: requests, ends"));
}

#[test]
fn looking_and_finding_nothing_to_judge_is_no_check_either() {
    let mut evidence = good().evidence;
    evidence.idle = Some(Vec::new());
    let verdict = judge(&evidence);
    assert_eq!(verdict.judged(Check::Idle), Some(0));
    assert_eq!(verdict.demands(&[Check::Idle]), Err("judged nothing: idle".to_owned()));
}

/// Takes one kind of evidence away: those checks are not made, and no other says anything.
#[test]
fn each_check_rests_on_its_own_evidence() {
    type Taken = (fn(&mut Evidence), &'static [Check]);
    let blind: [Taken; 12] = [
        (|evidence| evidence.sagas = None, &[Check::Screens]),
        (|evidence| evidence.archivo = None, &[Check::Archive]),
        (|evidence| evidence.movimientos = None, &[Check::Ledger, Check::Money]),
        (|evidence| evidence.effects = None, &[Check::Effects]),
        (|evidence| evidence.facturas = None, &[Check::Invoices]),
        (|evidence| evidence.planes = None, &[Check::Plans]),
        (|evidence| evidence.pagos = None, &[Check::Payments]),
        (
            |evidence| evidence.notificaciones = None,
            &[Check::Notifications, Check::Messages],
        ),
        (|evidence| evidence.mensajes = None, &[Check::Messages]),
        (|evidence| evidence.bound = None, &[Check::Bound]),
        (|evidence| evidence.scan = None, &[Check::Secrets]),
        (|evidence| evidence.baseline = None, &[Check::Baseline]),
    ];
    for (take, unmade) in blind {
        let mut run = good();
        take(&mut run.evidence);
        let verdict = run.judge();
        assert_eq!(verdict.violations, []);
        for check in Check::ALL {
            let made = verdict.judged(check).is_some_and(|objects| objects > 0);
            assert_eq!(made, !unmade.contains(&check), "{check} without {unmade:?}");
        }
    }
}

#[test]
fn an_archived_end_that_no_search_reaches_is_not_judged() {
    let mut run = good();
    run.versions.retain(|version| version.id != id("done"));
    let archived = run.evidence.archivo.as_mut().unwrap().get_mut(&id("done")).unwrap();
    archived.saga.as_mut().unwrap().secuencia += 100;
    let all = run.evidence.archivo.as_ref().map(std::collections::BTreeMap::len);
    let verdict = run.judge();
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.judged(Check::Archive), all.map(|all| all - 1));
}

#[test]
fn of_others_payments_nothing_is_said() {
    let mut run = good();
    run.evidence.requests.truncate(2);
    run.evidence.histories = Some(run.versions.clone().into_iter().collect());
    run.evidence.planes = None;
    let verdict = judge(&run.evidence.of_accepted_only());
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.payments, verdict.completed), (2, 2));
    assert_eq!(verdict.holds(), Ok(()));
}
