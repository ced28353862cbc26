//! A search for what must not be read: secrets by name, tokens and card numbers by their looks.

use std::fmt;

use self::card::cards;

mod card;

/// Searches texts, one after the other; keeps none of them.
#[derive(Clone, Default)]
pub struct Scanner {
    secrets: Vec<(String, String)>,
    scan: Scan,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// How many texts were searched.
    pub texts: usize,
    /// How much text that was.
    pub bytes: u64,
    /// What was found: of each kind the first in each text.
    pub leaks: Vec<Leak>,
}

/// Something that must not be read there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// Which text.
    pub place: String,
    /// How far into it, in bytes.
    pub at: usize,
    /// What. Never the thing itself: a report must not leak it again.
    pub kind: Kind,
}

/// What must not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A secret, by its name.
    Secret(String),
    /// A bearer token or a JWT.
    Token,
    /// A card number: 13 to 19 digits that begin like one and pass its check (Luhn), outside of an id.
    Card,
}

/// Shorter words after "Bearer" are prose.
const SHORTEST_TOKEN: usize = 16;

// === impl Scanner ===

impl Scanner {
    /// A search for these secrets (name and value), and for what looks like a token or a card number.
    pub fn new<N: Into<String>, S: Into<String>>(secrets: impl IntoIterator<Item = (N, S)>) -> Self {
        let secrets = secrets.into_iter().map(|(name, secret)| (name.into(), secret.into()));
        Self {
            // An empty one would be found everywhere.
            secrets: secrets.filter(|(_, secret)| !secret.is_empty()).collect(),
            scan: Scan::default(),
        }
    }

    /// Searches a text; `place` says in the report which it was.
    pub fn read(&mut self, place: &str, text: &str) {
        self.scan.texts += 1;
        self.scan.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        let secrets = self.secrets.iter().filter_map(|(name, secret)| {
            let at = text.find(secret.as_str())?;
            Some((at, Kind::Secret(name.clone())))
        });
        let token = token(text).map(|at| (at, Kind::Token));
        let card = cards(text).next().map(|at| (at, Kind::Card));
        let found = secrets.chain(token).chain(card);
        self.scan.leaks.extend(found.map(|(at, kind)| Leak {
            place: place.to_owned(),
            at,
            kind,
        }));
    }

    /// What was found.
    pub fn finish(self) -> Scan {
        self.scan
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.secrets.iter().map(|(name, _)| name).collect();
        f.debug_struct("Scanner")
            .field("secrets", &names)
            .field("scan", &self.scan)
            .finish()
    }
}

/// Where a token begins.
fn token(text: &str) -> Option<usize> {
    let long = |rest: &str, alphabet: fn(u8) -> bool| rest.bytes().take_while(|byte| alphabet(*byte)).count();
    let bearer = text.match_indices("earer ").find_map(|(at, word)| {
        let begins = at
            .checked_sub(1)
            .filter(|begin| matches!(text.as_bytes()[*begin], b'b' | b'B'))?;
        (long(&text[at + word.len()..], is_token) >= SHORTEST_TOKEN).then_some(begins)
    });
    bearer.or_else(|| {
        text.match_indices("eyJ").map(|(at, _)| at).find(|at| {
            let mut parts = text[*at..].splitn(3, '.');
            let mut whole = |least| {
                parts
                    .next()
                    .is_some_and(|part| long(part, is_base64url) == part.len() && part.len() >= least)
            };
            // The head, the claims; then the signature, which anything may follow.
            whole(10) && whole(10) && parts.next().is_some_and(|rest| long(rest, is_base64url) >= 10)
        })
    })
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_token(byte: u8) -> bool {
    is_base64url(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, at, kind } = self;
        match kind {
            Kind::Secret(name) => write!(f, "{place} holds {name} at byte {at}"),
            Kind::Token => write!(f, "{place} holds a token at byte {at}"),
            Kind::Card => write!(f, "{place} holds what looks like a card number at byte {at}"),
        }
    }
}
