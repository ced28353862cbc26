//! When clients come who do not wait for each other: a Poisson process, the same one each time.

use std::time::Duration;

/// The gaps between arrivals at a rate, without end.
pub(crate) struct Gaps {
    per_second: f64,
    state: u64,
}

// === impl Gaps ===

impl Gaps {
    /// At so many a second.
    pub(crate) fn at(per_second: f64) -> Self {
        // Any number does; always the same one, so that two runs at a rate get the same bursts.
        Self {
            per_second,
            state: 0x0070_6167_6F73,
        }
    }

    /// The next number of SplitMix64, in (0, 1].
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let high = u32::try_from(mixed >> 32).unwrap_or_default();
        (f64::from(high) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}

impl Iterator for Gaps {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // A rate that is no rate would be a gap without end.
        Duration::try_from_secs_f64(-self.uniform().ln() / self.per_second).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_at_their_rate_in_bursts_and_the_same_each_time() {
        let gaps: Vec<f64> = Gaps::at(50.0)
            .take(20_000)
            .map(|gap| gap.as_secs_f64() * 50.0)
            .collect();
        let mean = gaps.iter().sum::<f64>() / 20_000.0;
        assert!(
            (mean - 1.0).abs() < 0.03,
            "the mean gap is {mean} of what the rate says"
        );
        // Of a Poisson process one gap in e is longer than the mean, and the variance of the gaps is its square.
        let long = gaps.iter().filter(|gap| **gap > 1.0).count();
        assert!((7_150..7_570).contains(&long), "{long} gaps are longer than the mean");
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((variance - 1.0).abs() < 0.06, "{variance}");
        assert!(Gaps::at(50.0).take(100).eq(Gaps::at(50.0).take(100)));
    }

    #[test]
    fn at_no_rate_nobody_comes() {
        assert_eq!(Gaps::at(0.0).next(), None);
    }
}
