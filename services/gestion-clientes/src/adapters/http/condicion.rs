//! `ETag` and `If-Match`: which version of a client a caller saw.

use axum::http::{HeaderMap, header};

use crate::adapters::clientes::Condicion;

/// The entity tag of a version. It stands for what callers can change; the plan state follows from the invoices, is no
/// part of it, and is why answers are not to be kept (`Cache-Control: no-store`).
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// What `If-Match` asks for (RFC 9110, 13.1.1). Without one the caller takes whatever is there, as the original's
/// clients do. What is no tag of ours matches nothing: weak tags are never equal here.
pub(super) fn condicion(headers: &HeaderMap) -> Condicion {
    let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Condicion::Cualquiera;
    }
    let mut versions = Vec::new();
    for line in lines {
        for tag in line.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return Condicion::Cualquiera;
            }
            let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let version = quoted.and_then(|text| text.parse().ok());
            // Only as we write it: "+3" and "03" were never answered.
            versions.extend(version.filter(|version| etag(*version) == tag));
        }
    }
    Condicion::Una(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Condicion {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, line.parse().unwrap());
        }
        condicion(&headers)
    }

    #[test]
    fn a_condition_is_any_of_the_tags_that_were_answered() {
        assert_eq!(read(&[]), Condicion::Cualquiera);
        assert_eq!(read(&["*"]), Condicion::Cualquiera);
        assert_eq!(read(&[&etag(3)]), Condicion::Una(vec![3]));
        assert_eq!(read(&["\"3\", \"5\"", "\"7\""]), Condicion::Una(vec![3, 5, 7]));
        for nothing in ["", "3", "W/\"3\"", "\"x\"", "\"03\"", "\"+3\"", "\"", "\"3"] {
            assert_eq!(read(&[nothing]), Condicion::Una(vec![]), "{nothing}");
        }
    }
}
