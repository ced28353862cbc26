//! What is drawn from the seed. Each order and each fault has a generator of its own: what it is does not depend on how much was
//! drawn for the others, which time decides.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// The generator of one of many.
pub(crate) fn generator(seed: u64, number: u64) -> StdRng {
    // Times an odd factor no two numbers become the same, and neighbours do not stay close to each other.
    StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng as _;

    use super::*;

    #[test]
    fn each_number_of_each_seed_draws_its_own_and_the_same_again() {
        let first = |seed, number| generator(seed, number).random_range(0..u64::MAX);
        assert_eq!(first(7, 3), first(7, 3));
        // The seeds of one campaign are as close.
        let all = (0..4).flat_map(|seed| (0..100).map(move |number| first(seed, number)));
        assert_eq!(all.collect::<BTreeSet<u64>>().len(), 400);
    }
}
