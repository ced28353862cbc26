//! Some worlds on every run of the tests; `make simulate` plays as many as you like. SEEDS and FIRST say how many and from
//! where, for the planted mistakes that must be found within a stated number.

use simulation::{Bases, Coverage, play};

fn setting(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test is told by the environment alone")]
    let text = std::env::var(name);
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_promise_is_broken() {
    let bases = Bases::new();
    let mut coverage = Coverage::default();
    let first = setting("FIRST", 1);
    for (played, seed) in (first..first + setting("SEEDS", 12)).enumerate() {
        let outcome = play(seed, None, &bases, false);
        assert!(
            outcome.violations.is_empty(),
            "after {played} worlds, seed {seed}:\n{}",
            outcome.violations.join("\n")
        );
        coverage.add(&outcome);
    }
    assert_eq!(coverage.covers(), Ok(()));
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    let bases = Bases::new();
    let story = |seed| {
        let outcome = play(seed, Some(6), &bases, true);
        assert!(!outcome.story.is_empty());
        outcome.story
    };
    for seed in 1_000..1_004 {
        let (one, other) = (story(seed), story(seed));
        let differs = one.iter().zip(&other).position(|(one, other)| one != other);
        assert_eq!(
            differs,
            None,
            "seed {seed}: {:?}",
            differs.map(|line| (&one[line], &other[line]))
        );
        assert_eq!(one.len(), other.len(), "seed {seed}");
    }
}
