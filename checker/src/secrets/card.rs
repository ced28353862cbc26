//! Numbers that look like a card's.

/// A word: what stands between characters that no id holds.
#[derive(Clone, Copy)]
struct Word<'a> {
    at: usize,
    text: &'a str,
}

/// How the digits of cards are grouped.
const GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];

/// Where card numbers begin: plain, or in groups with hyphens or single spaces between.
pub(super) fn cards(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut groups: Vec<Word<'_>> = Vec::new();
    words(text).filter_map(move |word| {
        let follows = groups
            .last()
            .is_some_and(|last| last.at + last.text.len() + 1 == word.at && text.as_bytes()[word.at - 1] == b' ');
        if !follows {
            groups.clear();
        }
        let digits = word.text.bytes().all(|byte| byte.is_ascii_digit());
        if digits && word.text.len() < 13 {
            groups.push(word);
            return grouped(&groups);
        }
        groups.clear();
        let alone = digits && is_card(word.text) && !is_part_of_a_number(text, word) && !is_a_span(text, word);
        let hyphens: Vec<&str> = word.text.split('-').collect();
        (alone || shaped(&hyphens)).then_some(word.at)
    })
}

/// Maximal runs of what ids are made of: a card number inside of one is no card number.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let of_an_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        at += bytes[at..].iter().position(|byte| of_an_id(*byte))?;
        let begin = at;
        let rest = &bytes[begin..];
        at += rest.iter().position(|byte| !of_an_id(*byte)).unwrap_or(rest.len());
        Some(Word {
            at: begin,
            text: &text[begin..at],
        })
    })
}

/// The last of these groups make a card number.
fn grouped(groups: &[Word<'_>]) -> Option<usize> {
    GROUPS.iter().find_map(|shape| {
        let last = &groups[groups.len().checked_sub(shape.len())?..];
        let texts: Vec<&str> = last.iter().map(|word| word.text).collect();
        shaped(&texts).then(|| last[0].at)
    })
}

fn shaped(groups: &[&str]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    GROUPS.contains(&lengths.as_slice()) && is_card(&groups.concat())
}

/// The digits begin like a card's, are as many as that kind of card has, and pass the check.
fn is_card(digits: &str) -> bool {
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = |length: usize| {
        digits
            .get(..length)
            .and_then(|text| text.parse::<u16>().ok())
            .unwrap_or(0)
    };
    let length = digits.len();
    let known = match (prefix(2), length) {
        (40..=49, 13 | 16 | 19) | (51..=55, 16) | (34 | 37, 15) | (30 | 36 | 38 | 39, 14) => true,
        (35 | 60 | 62 | 64 | 65, length) => (16..=19).contains(&length),
        (_, length) => length == 16 && (2221..=2720).contains(&prefix(4)),
    };
    all && known && luhn(digits)
}

/// The check digit of ISO/IEC 7812: every second digit from the right counts twice.
fn luhn(digits: &str) -> bool {
    let from_the_right = digits.bytes().rev().map(|byte| u32::from(byte - b'0'));
    let sum: u32 = from_the_right
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (0, digit) => digit,
            (_, 0..=4) => digit * 2,
            (_, _) => digit * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The digits before or after a decimal point.
fn is_part_of_a_number(text: &str, word: Word<'_>) -> bool {
    let before = &text.as_bytes()[..word.at];
    let after = &text.as_bytes()[word.at + word.text.len()..];
    let fraction = matches!(before, [.., b'0'..=b'9', b'.']);
    fraction || matches!(after, [b'.', b'0'..=b'9', ..])
}

/// A span's id is sixteen hexadecimal digits, and now and then all of them are decimal.
fn is_a_span(text: &str, word: Word<'_>) -> bool {
    let punctuation = |c: char| matches!(c, '"' | '\'' | ':' | '=' | ' ' | '\\');
    let before = text[..word.at].trim_end_matches(punctuation);
    let name = before
        .bytes()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    let name = before[before.len() - name..].to_ascii_lowercase();
    word.text.len() == 16 && (name.contains("span") || name.contains("trace"))
}
