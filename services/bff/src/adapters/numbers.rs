//! Amounts come as JSON numbers and GraphQL literals, and both are read into doubles before anyone can look at them.
//! A double keeps 15 digits: what was written with more may be read as another number. So what was written is looked at
//! first, and a number that would become another one is refused instead of rounded.

/// The first number in a JSON or GraphQL text that a double cannot hold as it is written.
pub(super) fn first_inexact(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'"' if text.get(at..).is_some_and(|rest| rest.starts_with("\"\"\"")) => block_string(text, at),
            b'"' => string(bytes, at),
            // GraphQL only: in JSON it stands within strings.
            b'#' => skip(bytes, at, |byte| !matches!(byte, b'\n' | b'\r')),
            byte if is_name(*byte) && !byte.is_ascii_digit() => skip(bytes, at, is_name),
            b'-' | b'0'..=b'9' => {
                let end = skip(bytes, at + 1, |byte| is_name(byte) || b".+-".contains(&byte));
                // ASCII on both sides.
                let number = text.get(at..end)?;
                if !is_exact(number) {
                    return Some(number);
                }
                end
            }
            _ => at + 1,
        };
    }
    None
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn skip(bytes: &[u8], from: usize, within: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| within(**byte)).count()
}

/// The end of the string that begins at `at`.
fn string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match bytes.get(at) {
            None => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

fn block_string(text: &str, at: usize) -> usize {
    let mut from = at + 3;
    loop {
        let Some(quotes) = text.get(from..).and_then(|rest| rest.find("\"\"\"")) else {
            return text.len();
        };
        let end = from + quotes;
        from = end + 3;
        if text.as_bytes().get(end.wrapping_sub(1)) != Some(&b'\\') {
            return from;
        }
    }
}

/// Whether the double nearest to a number is written like it, zeros at the ends aside. What is no number, or has no
/// double near it, is for its parser to refuse.
fn is_exact(number: &str) -> bool {
    match number.parse::<f64>() {
        // The shortest text that reads back as the same double.
        Ok(double) if double.is_finite() => decimal(number) == decimal(&format!("{double:e}")),
        Ok(_) | Err(_) => true,
    }
}

/// A number as its significant digits and the power of ten of the last of them.
fn decimal(number: &str) -> Option<(String, i64)> {
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let scale = exponent
        .parse::<i64>()
        .ok()?
        .checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    Some((significant.to_owned(), scale.checked_add(zeros)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_exact_when_its_double_is_written_like_it() {
        for exact in [
            "0",
            "-0",
            "0.0",
            "24",
            "24.0",
            "24.10",
            "24.105",
            "0.1",
            "0.29",
            "1e2",
            "1E+2",
            "2.4e1",
            "1000000.01",
            "999999.99",
            "123456789012345",
            "0.000001",
            "9007199254740992",
            "5e-324",
            "1e400",
        ] {
            assert!(is_exact(exact), "{exact}");
        }
        for inexact in [
            "24.000000000000001",
            "23.999999999999999999",
            "0.1000000000000000055511151231257827",
            "9007199254740993",
            "1e-400",
            "1e-400000000000000000000",
            "24.00000000000000000000000000000000000000000001",
        ] {
            assert!(!is_exact(inexact), "{inexact}");
        }
    }

    #[test]
    fn numbers_are_looked_for_where_numbers_can_be() {
        const BAD: &str = "24.000000000000001";
        for (text, found) in [
            (format!("{{\"monto\": {BAD}}}"), true),
            (format!("{{\"monto\":[1,-{BAD},2]}}"), true),
            (format!("{{ pago(monto: {BAD}) }}"), true),
            (format!("{{ pago(monto:{BAD}) }}"), true),
            (format!("\"x\" {BAD}"), true),
            (format!("# note\n{BAD}"), true),
            (format!("\"\" {BAD}"), true),
            (format!("\"\"\"a\\\"\"\"b\"\"\" {BAD}"), true),
            (format!("\"{BAD}\""), false),
            (format!("\"a\\\"{BAD}\""), false),
            (format!("\"\"\" a \" {BAD} \\\"\"\" {BAD} \"\"\""), false),
            (format!("# {BAD}\n{{ a }}"), false),
            ("a24_000000000000000000001: x".to_owned(), false),
            ("\"ñ\" 24 \"".to_owned(), false),
        ] {
            assert_eq!(first_inexact(&text).is_some(), found, "{text}");
        }
        assert_eq!(first_inexact(&format!("[1, {BAD}]")), Some(BAD));
    }
}
