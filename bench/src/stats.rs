//! Small arithmetic on what was measured.

use std::time::Duration;

use serde::Serialize;

/// How long something took, over many times: nearest ranks, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

// === impl Spread ===

impl Spread {
    /// Of these, in any order; all zero for none.
    pub(crate) fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |percent| percentile(&took, percent).as_secs_f64() * 1000.0;
        Self {
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }
}

/// The nearest rank: the smallest that at least so many in a hundred do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// A count as a number to divide by.
pub(crate) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// `a / b`; 0 if there is no `b`.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// Whether the payment with this number is one of so many in a hundred, spread evenly: every tenth of ten in a hundred.
pub(crate) fn is_one_of(number: usize, percent: usize) -> bool {
    number * percent / 100 != (number + 1) * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(times: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        times.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_one_of_the_times_and_not_one_too_far() {
        let spread = Spread::of(millis((1..=100).rev()));
        assert_eq!(
            (spread.p50, spread.p90, spread.p99, spread.max),
            (50.0, 90.0, 99.0, 100.0)
        );
        let spread = Spread::of(millis([1, 2, 3]));
        assert_eq!((spread.p50, spread.p99), (2.0, 3.0));
        assert_eq!(Spread::of(millis([7])).p50, 7.0);
        assert_eq!(Spread::of(Vec::new()).max, 0.0);
    }

    #[test]
    fn a_share_is_exact_over_a_hundred_and_spread_evenly() {
        for percent in [0, 1, 10, 33, 100] {
            let chosen: Vec<usize> = (0..1000).filter(|number| is_one_of(*number, percent)).collect();
            assert_eq!(chosen.len(), percent * 10);
            let widest = chosen.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(
                widest.is_none_or(|widest| widest <= 100usize.div_ceil(percent)),
                "{percent}"
            );
        }
    }

    #[test]
    fn nothing_divided_by_nothing_is_nothing() {
        assert_eq!((ratio(3.0, 2.0), ratio(3.0, 0.0)), (1.5, 0.0));
        assert_eq!(number(3), 3.0);
    }
}
