//! Makes an input: one that is valid, with a few things done to it.

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// The longest input, in bytes: as much as a stranger may post.
const LONGEST: usize = 64 * 1024;

/// How deep an input may be nested: as deep as its length allows.
const DEEPEST: usize = LONGEST / 2;

/// What parsers stumble over.
const TOKENS: &[&str] = &[
    "\"",
    "\"\"\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "=",
    "...",
    "#",
    "!",
    "$x",
    "@skip(if: true)",
    "null",
    "true",
    "{}",
    "[]",
    "-",
    "+",
    ".",
    "e",
    "0",
    "-0",
    "1e2",
    "1e999",
    "-1e-999",
    "0.1",
    "24.000000000000001",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551616",
    "1000000.01",
    "t=",
    "v1=",
    "...F",
    "fragment F on Query { ...F }",
    "__schema",
    " ",
    "\n",
    "\t",
    "\0",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "ñ",
    "İ",
    "ß",
    "\u{202e}",
    "\u{feff}",
    "\u{fffd}",
    "\u{1f600}",
    "e\u{301}",
    "%00",
    "%",
    "&",
    ";",
];

/// Brackets that nest.
const PAIRS: &[(&str, &str)] = &[
    ("[", "]"),
    ("{", "}"),
    ("(", ")"),
    ("{\"a\":", "}"),
    ("{a", "}"),
    ("\"", "\""),
    ("-", ""),
    ("{...on Query", "}"),
];

/// An input made of these.
pub(super) fn input(rng: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(rng, seeds).cloned().unwrap_or_default();
    let kind = rng.random_range(0..16);
    match kind {
        0 | 1 => return input,
        2 => return random(rng, 4).to_string().into_bytes(),
        3..=8 => {
            if let Ok(mut value) = serde_json::from_slice(&input) {
                for _ in 0..rng.random_range(1..4) {
                    change(rng, &mut value);
                }
                input = value.to_string().into_bytes();
            } else {
                bytes(rng, &mut input, seeds);
            }
        }
        _ => {}
    }
    if kind >= 7 {
        for _ in 0..rng.random_range(1..5) {
            bytes(rng, &mut input, seeds);
        }
    }
    input.truncate(LONGEST);
    input
}

/// Does one thing to the bytes.
fn bytes(rng: &mut StdRng, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let (from, to) = range(rng, input.len());
    match rng.random_range(0..10) {
        0 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(from) {
                *byte = rng.random();
            }
        }
        2 => drop(input.drain(from..to)),
        3 => input.truncate(from),
        4 => {
            // The end of another.
            let other = pick(rng, seeds).cloned().unwrap_or_default();
            let (cut, _) = range(rng, other.len());
            input.truncate(from);
            input.extend(other.into_iter().skip(cut));
        }
        5 => {
            let part: Vec<u8> = input.get(from..to).unwrap_or_default().to_vec();
            let times = rng.random_range(1..=if part.len() < 64 { 200 } else { 3 });
            input.splice(from..from, part.repeat(times));
        }
        6 => {
            let (open, close) = pick(rng, PAIRS).copied().unwrap_or_default();
            let depth = if rng.random_bool(0.5) {
                rng.random_range(1..20)
            } else {
                rng.random_range(1..DEEPEST)
            };
            input.splice(to..to, close.as_bytes().repeat(depth));
            input.splice(from..from, open.as_bytes().repeat(depth));
        }
        7 => {
            // A number becomes another.
            let Some(start) = input.iter().position(u8::is_ascii_digit) else {
                return;
            };
            let digits = input
                .iter()
                .skip(start)
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
                .count();
            let number = number(rng);
            input.splice(start..start + digits, number.into_bytes());
        }
        8 => {
            let token = pick(rng, TOKENS).copied().unwrap_or_default();
            input.splice(from..to, token.bytes());
        }
        _ => {
            let token = pick(rng, TOKENS).copied().unwrap_or_default();
            input.splice(from..from, token.bytes());
        }
    }
    input.truncate(LONGEST);
}

/// Does one thing somewhere in a JSON value.
fn change(rng: &mut StdRng, value: &mut Value) {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    if children > 0 && rng.random_bool(0.8) {
        let at = rng.random_range(0..children);
        let child = match value {
            Value::Array(items) => items.get_mut(at),
            Value::Object(members) => members.values_mut().nth(at),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        if let Some(child) = child {
            return change(rng, child);
        }
    }
    match value {
        Value::Object(members) if rng.random_bool(0.7) => return members_of(rng, members),
        Value::String(text) if rng.random_bool(0.7) => {
            let mut raw = std::mem::take(text).into_bytes();
            bytes(rng, &mut raw, &[]);
            *text = String::from_utf8_lossy(&raw).into_owned();
            return;
        }
        Value::Array(items) if rng.random_bool(0.7) => {
            let copies: Vec<_> = items.iter().take(100).cloned().collect();
            items.extend(copies);
            return;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {}
    }
    if rng.random_bool(0.8) {
        *value = random(rng, 3);
    } else {
        for _ in 0..rng.random_range(1..160) {
            *value = json!([value.take()]);
        }
    }
}

fn members_of(rng: &mut StdRng, members: &mut Map<String, Value>) {
    let name = members
        .keys()
        .nth(rng.random_range(0..members.len().max(1)))
        .cloned()
        .unwrap_or_default();
    match rng.random_range(0..4) {
        0 => drop(members.remove(&name)),
        1 => {
            let value = members.remove(&name).unwrap_or_default();
            members.insert(text(rng), value);
        }
        2 => drop(members.insert(text(rng), random(rng, 2))),
        _ => drop(members.insert(name, random(rng, 2))),
    }
}

/// A JSON value of nobody's.
fn random(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(rng.random()),
        2 | 3 => serde_json::from_str(&number(rng)).unwrap_or_default(),
        4 | 5 => Value::String(text(rng)),
        6 => (0..rng.random_range(0..4)).map(|_| random(rng, depth - 1)).collect(),
        _ => (0..rng.random_range(0..4))
            .map(|_| (text(rng), random(rng, depth - 1)))
            .collect(),
    }
}

fn number(rng: &mut StdRng) -> String {
    match rng.random_range(0..5) {
        0 => rng.random::<i64>().to_string(),
        1 => rng.random::<u64>().to_string(),
        2 => f64::from_bits(rng.random()).to_string(),
        3 => format!("{}.{:02}", rng.random_range(0..2_000_000), rng.random_range(0..100)),
        _ => rng.random_range(-2..3).to_string(),
    }
}

fn text(rng: &mut StdRng) -> String {
    match rng.random_range(0..3) {
        0 => (0..rng.random_range(0..4))
            .filter_map(|_| pick(rng, TOKENS).copied())
            .collect(),
        1 => "x".repeat(rng.random_range(0..5_000)),
        _ => (0..rng.random_range(0..12)).map(|_| rng.random::<char>()).collect(),
    }
}

fn pick<'s, T>(rng: &mut StdRng, of: &'s [T]) -> Option<&'s T> {
    of.get(rng.random_range(0..of.len().max(1)))
}

/// Two places in what is this long, in order.
fn range(rng: &mut StdRng, length: usize) -> (usize, usize) {
    let (one, other) = (rng.random_range(0..=length), rng.random_range(0..=length));
    (one.min(other), one.max(other))
}
