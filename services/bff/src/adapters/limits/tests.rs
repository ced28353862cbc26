//! Rates and places, counted.

use super::*;

fn args(rate_per_second: u32, rate_burst: u32) -> LimitArgs {
    LimitArgs {
        rate_per_second,
        rate_burst,
        rate_address_factor: 2,
        streams_per_caller: 2,
        streams: 3,
        trusted_proxies: Vec::new(),
    }
}

fn operador(name: &str) -> Option<Key> {
    Some(Key::Operador(name.to_owned()))
}

/// What a caller uses, from an address of its own.
fn usage(own: Option<Key>) -> Usage {
    Usage { own, address: None }
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_back_and_nobody_else_is() {
    let limits = Limits::start(&args(1, 3));
    let olga = usage(operador("olga"));
    assert_eq!(limits.write(&olga, 2), Ok(()));
    assert_eq!(limits.write(&olga, 2), Err(Excess::Rate(1)));
    assert_eq!(limits.write(&olga, 1), Ok(()), "what does not fit takes nothing");
    assert_eq!(limits.write(&olga, 99), Err(Excess::Rate(3)), "as much as there is");
    assert_eq!(limits.write(&usage(operador("otto")), 99), Ok(()));
    assert_eq!(limits.write(&Usage::default(), 99), Ok(()), "nobody that is counted");
    for _ in 0..12 {
        assert_eq!(limits.read(&olga), Ok(()), "reads are counted apart");
    }
    assert_eq!(limits.read(&olga), Err(Excess::Rate(1)));
    let unlimited = Limits::start(&args(0, 3));
    assert!((0..99).all(|_| unlimited.write(&olga, 9).is_ok()));
}

#[tokio::test]
async fn an_address_is_counted_beside_the_callers_that_come_from_it() {
    let limits = Limits::start(&args(1, 3));
    let from = |name: &str, address: &str| Usage {
        own: operador(name),
        address: Some(Key::address(address.parse().unwrap())),
    };
    // Two callers' worth.
    assert_eq!(limits.write(&from("olga", "10.0.0.1"), 3), Ok(()));
    assert_eq!(limits.write(&from("otto", "10.0.0.1"), 3), Ok(()));
    assert_eq!(limits.write(&from("ida", "10.0.0.1"), 1), Err(Excess::Rate(1)));
    assert_eq!(limits.write(&from("ida", "10.0.0.2"), 1), Ok(()));
    let unknown = Usage {
        own: None,
        address: from("", "10.0.0.3").address,
    };
    assert!((0..24).all(|_| limits.read(&unknown).is_ok()), "who shows no token");
    assert_eq!(limits.read(&unknown), Err(Excess::Rate(1)));
    let unlimited = Limits::start(&LimitArgs {
        rate_address_factor: 0,
        ..args(1, 3)
    });
    assert!((0..99).all(|_| unlimited.read(&unknown).is_ok()));
}

#[tokio::test]
async fn callers_that_have_rested_are_forgotten() {
    let limits = Limits::start(&args(1000, 1));
    for n in 0..1000 {
        limits.write(&usage(operador(&n.to_string())), 1).unwrap();
    }
    let kept = || limits.own.writes.as_ref().unwrap().limiter.len();
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
