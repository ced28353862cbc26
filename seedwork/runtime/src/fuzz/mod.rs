//! Random inputs for what reads a stranger's text: valid inputs, mutated, for a stated time.
//!
//! Each input is made from one number, and the next input from the next number. So a failure prints the number of its
//! input, and `FUZZ_SEED=<number>` makes that input the first. `FUZZ_SECONDS` is the time for each target; without it one
//! second, so that every `cargo test` searches a little.
//!
//! ```text
//! let mut fuzz = Fuzz::new("pages", &SEEDS);
//! while let Some(text) = fuzz.next_text() {
//!     match parse(&text) {
//!         Ok(page) => { assert_eq!(page.to_string(), text); fuzz.accepted() }
//!         Err(error) => fuzz.refused(&error.to_string()),
//!     }
//! }
//! ```

mod mutator;
#[cfg(test)]
mod targets;

use std::io::Write as _;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A target's search: its inputs, and what became of them.
pub struct Fuzz {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    first: u64,
    tried: u64,
    accepted: u64,
    refused: u64,
    until: Instant,
    /// The input at hand, and since when.
    current: (Vec<u8>, Instant),
}

/// Tried at least, however short the time: a slow machine must not make a search of nothing.
const AT_LEAST: u64 = 200;

/// How long one input may take. Generous: it tells what never ends from what is merely slow, on a machine that does other
/// things too.
const SLOWEST: Duration = Duration::from_secs(10);

// === impl Fuzz ===

impl Fuzz {
    /// A search that starts from these valid inputs.
    ///
    /// # Panics
    /// When `FUZZ_SECONDS` or `FUZZ_SEED` is no number.
    pub fn new<S: AsRef<[u8]>>(name: &'static str, seeds: &[S]) -> Self {
        let first = setting("FUZZ_SEED").unwrap_or_else(rand::random);
        // No newline yet: when an overflowing stack ends the process, the line still says where it began.
        print!("fuzz {name}: FUZZ_SEED={first}");
        drop(std::io::stdout().flush());
        let now = Instant::now();
        Self {
            name,
            seeds: seeds.iter().map(|seed| seed.as_ref().to_vec()).collect(),
            first,
            tried: 0,
            accepted: 0,
            refused: 0,
            until: now + Duration::from_secs(setting("FUZZ_SECONDS").unwrap_or(1)),
            current: (Vec::new(), now),
        }
    }

    /// The next input; `None` once the time is spent.
    ///
    /// # Panics
    /// When the last input took too long, or was never judged; and at the end, when no input was accepted or none was
    /// refused, since such a search has seen half of its parser at most.
    pub fn next_input(&mut self) -> Option<Vec<u8>> {
        let took = self.current.1.elapsed();
        assert!(self.tried == 0 || took < SLOWEST, "one input took {took:?}");
        assert_eq!(self.tried, self.accepted + self.refused, "each input is judged once");
        if self.tried >= AT_LEAST && Instant::now() >= self.until {
            let Self {
                tried,
                accepted,
                refused,
                ..
            } = self;
            println!(" {tried} inputs, {accepted} accepted, {refused} refused");
            assert!(*accepted > 0 && *refused > 0, "only one kind of input was tried");
            return None;
        }
        let mut rng = StdRng::seed_from_u64(self.first.wrapping_add(self.tried));
        let input = mutator::input(&mut rng, &self.seeds);
        self.tried += 1;
        self.current = (input.clone(), Instant::now());
        Some(input)
    }

    /// The next input as text, with U+FFFD for what is none.
    pub fn next_text(&mut self) -> Option<String> {
        let input = self.next_input()?;
        Some(String::from_utf8_lossy(&input).into_owned())
    }

    /// The input at hand was read.
    pub fn accepted(&mut self) {
        self.accepted += 1;
    }

    /// The input at hand was refused, with this sentence.
    ///
    /// # Panics
    /// When the sentence says nothing.
    pub fn refused(&mut self, sentence: &str) {
        let words = sentence.chars().any(char::is_alphabetic);
        assert!(words, "a refusal says why, not {sentence:?}");
        self.refused += 1;
    }
}

impl Drop for Fuzz {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.first.wrapping_add(self.tried.saturating_sub(1));
            let shown: String = self.current.0.escape_ascii().to_string().chars().take(1_000).collect();
            println!("\nfuzz {}: FUZZ_SEED={seed} is this input: {shown}", self.name);
        }
    }
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var_os(name).filter(|text| !text.is_empty())?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    assert!(number.is_some(), "{name} must be a whole number, not {text:?}");
    number
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn the_same_number_makes_the_same_input() {
        let seeds = [br#"{"a": [1, "b"]}"#.to_vec(), b"t=1,v1=ab".to_vec()];
        let input = |seed| mutator::input(&mut StdRng::seed_from_u64(seed), &seeds);
        assert!((0..500).all(|seed| input(seed) == input(seed)));
        let untouched = (0..500).filter(|seed| seeds.contains(&input(*seed))).count();
        assert!((20..250).contains(&untouched), "{untouched}");
    }

    #[test]
    fn a_panic_in_a_parser_is_found() {
        // What no seed has: only a mutation brings it.
        let planted = |text: &str| assert!(!text.contains("[["), "planted");
        let search = || {
            let mut fuzz = Fuzz::new("planted", &["[1]"]);
            while let Some(text) = fuzz.next_text() {
                planted(&text);
                fuzz.accepted();
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(search)).is_err());
    }

    #[test]
    fn a_search_that_accepts_nothing_or_says_nothing_fails() {
        let nothing = || {
            let mut fuzz = Fuzz::new("nothing", &["x"]);
            while fuzz.next_text().is_some() {
                fuzz.refused("no");
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(nothing)).is_err());
        let silent = || Fuzz::new("silent", &["x"]).refused(" .");
        assert!(catch_unwind(AssertUnwindSafe(silent)).is_err());
    }
}
