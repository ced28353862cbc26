//! Rates and places, counted.

use super::*;

fn args(rate_per_second: u32, rate_burst: u32) -> LimitArgs {
    LimitArgs {
        rate_per_second,
        rate_burst,
        streams_per_caller: 2,
        streams: 3,
        trusted_proxies: Vec::new(),
    }
}

fn operador(name: &str) -> Option<Key> {
    Some(Key::Operador(name.to_owned()))
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_back_and_nobody_else_is() {
    let limits = Limits::start(&args(1, 3));
    let olga = operador("olga");
    assert_eq!(limits.write(olga.as_ref(), 2), Ok(()));
    assert_eq!(limits.write(olga.as_ref(), 2), Err(Excess::Rate(1)));
    assert_eq!(
        limits.write(olga.as_ref(), 1),
        Ok(()),
        "what does not fit takes nothing"
    );
    assert_eq!(
        limits.write(olga.as_ref(), 99),
        Err(Excess::Rate(3)),
        "as much as there is"
    );
    assert_eq!(limits.write(operador("otto").as_ref(), 99), Ok(()));
    assert_eq!(limits.write(None, 99), Ok(()), "nobody that is counted");
    for _ in 0..12 {
        assert_eq!(limits.read(olga.as_ref()), Ok(()), "reads are counted apart");
    }
    assert_eq!(limits.read(olga.as_ref()), Err(Excess::Rate(1)));
    let unlimited = Limits::start(&args(0, 3));
    assert!((0..99).all(|_| unlimited.write(olga.as_ref(), 9).is_ok()));
}

#[tokio::test]
async fn callers_that_have_rested_are_forgotten() {
    let limits = Limits::start(&args(1000, 1));
    for n in 0..1000 {
        limits.write(operador(&n.to_string()).as_ref(), 1).unwrap();
    }
    let kept = || limits.writes.as_ref().unwrap().limiter.len();
    let rested = async || {
        limits.forget();
        (kept() == 0).then_some(())
    };
    seedwork_runtime::participant::laws::eventually("all to be forgotten", rested).await;
}

#[tokio::test]
async fn places_are_counted_per_caller_and_in_all_and_given_back() {
    let limits = Limits::start(&args(1, 1));
    let place = |name: &str| {
        let mut place = limits.place()?;
        place.give_to(operador(name)).map(|()| place)
    };
    let olgas = [place("olga").ok().unwrap(), place("olga").ok().unwrap()];
    assert_eq!(place("olga").err(), Some(Excess::Streams));
    let other = place("otto").ok().unwrap();
    assert_eq!(place("ida").err(), Some(Excess::Full));
    let mut moved = olgas.into_iter().next().unwrap();
    assert_eq!(moved.give_to(operador("otto")), Ok(()));
    assert_eq!(limits.places.lock().by_key.get(&operador("olga").unwrap()), None);
    drop(moved);
    assert!(place("olga").is_ok() && place("ida").is_ok());
    drop(other);
    assert_eq!(limits.places.lock().all, 0);
    assert!(limits.places.lock().by_key.is_empty());
}

#[test]
fn an_ipv6_network_is_one_caller() {
    let key = |text: &str| Key::address(text.parse().unwrap());
    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    assert_eq!(key("10.0.0.1"), key("::ffff:10.0.0.1"));
}
