//! What the search finds, and what it leaves alone.

use checker::{Kind, Leak, Scan, Scanner};

fn scan(text: &str) -> Vec<Kind> {
    let mut scanner = Scanner::new([("redis-password", "s3cr3t-de-redis")]);
    scanner.read("text", text);
    let Scan { texts: 1, bytes, leaks } = scanner.finish() else {
        panic!("one text was read")
    };
    assert_eq!(bytes, u64::try_from(text.len()).unwrap());
    leaks.into_iter().map(|leak| leak.kind).collect()
}

#[test]
fn secrets_tokens_and_card_numbers_are_found() {
    let secret = || Kind::Secret("redis-password".to_owned());
    for (text, kind) in [
        ("requirepass s3cr3t-de-redis", secret()),
        ("authorization: Bearer abcdefghijklmnop.qrst", Kind::Token),
        (r#"{"authorization":"bearer 0123456789abcdef"}"#, Kind::Token),
        (
            "got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbmEifQ.MEUCIQDx3yZ_-12345",
            Kind::Token,
        ),
        ("card 4111111111111111", Kind::Card),
        ("card=4111111111111111.", Kind::Card),
        ("4111 1111 1111 1111 paid", Kind::Card),
        ("on 4111-1111-1111-1111", Kind::Card),
        (r#"{"tarjeta":"5555555555554444"}"#, Kind::Card),
        ("amex 378282246310005", Kind::Card),
        ("amex 3782 822463 10005", Kind::Card),
        ("discover 6011111111111117, visa of thirteen", Kind::Card),
        ("2223003122003222", Kind::Card),
    ] {
        assert_eq!(scan(text), [kind], "{text}");
    }
}

#[test]
fn ids_numbers_and_prose_are_left_alone() {
    for text in [
        "",
        "the bearer of good news; Bearer of tokens; Bearer <token>",
        // No card: the check digit is wrong, it begins like none, it is too short.
        "4111111111111112 1111111111111117 411111111111",
        // A span's id that happens to have no letter, a trace's, a UUID, a key.
        r#"{"spanID":"4111111111111111","traceId": "4111111111111111"}"#,
        "span_id=4111111111111111 parent_span_id=4111111111111111",
        "00-41111111111111114111111111111111-4111111111111111-01",
        "41111111-1111-4111-8111-111111111111/autorizacion",
        "pago-4111111111111111",
        // A moment in microseconds, a fraction.
        r#"{"startTime":1764032468123452,"duration":0.4111111111111111}"#,
        "ratio 4111111111111111.5",
        "eyJhbGciOi.short",
    ] {
        assert_eq!(scan(text), [], "{text}");
    }
}

#[test]
fn a_report_says_where_and_not_what() {
    let mut scanner = Scanner::new([("redis-password", "s3cr3t-de-redis"), ("unset", "")]);
    assert!(!format!("{scanner:?}").contains("s3cr3t"));
    scanner.read("log of the operator", "all is well");
    scanner.read("log of bff", "hello s3cr3t-de-redis");
    let Scan { texts, leaks, .. } = scanner.finish();
    let expected = Leak {
        place: "log of bff".to_owned(),
        at: 6,
        kind: Kind::Secret("redis-password".to_owned()),
    };
    assert_eq!((texts, &leaks[..]), (2, &[expected][..]));
    assert_eq!(leaks[0].to_string(), "log of bff holds redis-password at byte 6");
}
