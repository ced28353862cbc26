//! The whole way of a request: header, key, signature, claims, caller.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use axum::routing::get;
use clap::Parser;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, encode};
use seedwork::{Fault, IdCliente};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::issuer::{AUDIENCE, ISSUER, Issuer, claims};
use super::*;

/// Somebody else's tool signed these: an RSA key cannot be made here. The private halves were thrown away.
const RSA: &str = include_str!("rsa.json");

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    auth: AuthArgs,
}

fn line(words: &[&str]) -> Result<AuthArgs, clap::Error> {
    let line = Line::try_parse_from(["test"].iter().chain(words))?;
    Ok(line.auth)
}

fn app_token() -> Secret {
    "ours".to_owned().into()
}

fn headers(authorization: &[&str]) -> HeaderMap {
    let header = |text: &&str| (header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
    // Extending with a name that is there appends.
    let mut headers = HeaderMap::new();
    for (name, value) in authorization.iter().map(header) {
        headers.append(name, value);
    }
    headers
}

fn cliente(id: &str) -> IdCliente {
    IdCliente::parse(id).unwrap()
}

/// A caller as text, its end left out.
fn who(caller: &Caller) -> String {
    match caller {
        Caller::Anyone => "anyone".to_owned(),
        Caller::Cliente { id, .. } => format!("cliente {id}"),
        Caller::Operador { subject, .. } => format!("operador {subject}"),
        Caller::App(app) => format!("app {app}"),
    }
}

async fn judged(auth: &Auth, authorization: &str) -> Result<String, (u16, String)> {
    let judged = auth.judge(&headers(&[authorization])).await;
    judged
        .map(|caller| who(&caller))
        .map_err(|problem| (problem.status().as_u16(), problem.detail()))
}

fn base64url(bytes: &[u8]) -> String {
    // An Ed25519 JWK holds 32 bytes in base64url; jsonwebtoken writes it.
    let jwk = Jwk::from_decoding_key(&DecodingKey::from_secret(bytes), None).unwrap();
    json!(jwk)["k"].as_str().unwrap().to_owned()
}

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// A token with an own header in front of the claims, and whatever signature.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("Bearer {}.{}.{signature}", part(header), part(claims))
}

fn signed(issuer: &Issuer, own: Value) -> String {
    format!("Bearer {}", issuer.sign(&issuer.header(), &claims(own)))
}

#[tokio::test]
async fn a_token_that_holds_says_who_asks() {
    let issuer = Issuer::new("k1");
    let auth = Auth::trusting(&issuer, None);
    let now = crate::now_ms() / 1000;
    let good = [
        (issuer.cliente("c-1"), "cliente c-1"),
        (issuer.operador("olga"), "operador olga"),
        (
            signed(&issuer, json!({"sub": "c-1", "aud": ["other", AUDIENCE]})),
            "cliente c-1",
        ),
        (
            signed(&issuer, json!({"sub": "c-1", "roles": ["reader"], "nbf": null})),
            "cliente c-1",
        ),
        // The clocks may be a minute apart.
        (
            signed(&issuer, json!({"sub": "c-1", "exp": now - 50, "nbf": now + 50})),
            "cliente c-1",
        ),
        (
            signed(&issuer, json!({"sub": "c-1", "exp": 4_102_444_800.5})),
            "cliente c-1",
        ),
        (issuer.cliente("c-1").replace("Bearer ", "bearer  "), "cliente c-1"),
    ];
    for (token, expected) in good {
        assert_eq!(judged(&auth, &token).await.as_deref(), Ok(expected), "{token}");
    }
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused_with_a_sentence() {
    let issuer = Issuer::new("k1");
    let auth = Auth::trusting(&issuer, None);
    let now = crate::now_ms() / 1000;
    let good = issuer.cliente("c-1");
    let [head, _, signature] = parts(good.trim_start_matches("Bearer "));
    let stolen = base64url(claims(json!({"sub": "c-2"})).to_string().as_bytes());
    let own = |own: Value| signed(&issuer, own);
    let with_header = |change: &dyn Fn(&mut Header)| {
        let mut header = issuer.header();
        change(&mut header);
        format!("Bearer {}", issuer.sign(&header, &claims(json!({"sub": "c-1"}))))
    };
    // The public key, as anyone can read it, taken for a shared secret.
    let public = issuer.jwk().to_string();
    let mut symmetric = Header::new(jsonwebtoken::Algorithm::HS256);
    symmetric.kid = Some("k1".to_owned());
    let confused = encode(
        &symmetric,
        &claims(json!({"sub": "c-1"})),
        &EncodingKey::from_secret(public.as_bytes()),
    );
    let bad = [
        ("expired", own(json!({"sub": "c-1", "exp": now - 61})), "ha terminado"),
        ("no end", own(json!({"sub": "c-1", "exp": null})), "no tiene fin"),
        ("end is a text", own(json!({"sub": "c-1", "exp": "soon"})), "exp"),
        (
            "future nbf",
            own(json!({"sub": "c-1", "nbf": now + 90})),
            "todavía no vale",
        ),
        ("nbf is a text", own(json!({"sub": "c-1", "nbf": "now"})), "nbf"),
        (
            "other issuer",
            own(json!({"sub": "c-1", "iss": "https://evil.example.com"})),
            "emisor",
        ),
        (
            "issuers",
            own(json!({"sub": "c-1", "iss": [ISSUER, "https://evil.example.com"]})),
            "emisor",
        ),
        ("no issuer", own(json!({"sub": "c-1", "iss": null})), "emisor"),
        (
            "other audience",
            own(json!({"sub": "c-1", "aud": "shop"})),
            "destinatario",
        ),
        ("no audience", own(json!({"sub": "c-1", "aud": null})), "destinatario"),
        ("nobody's", own(json!({"sub": "c-1", "aud": []})), "destinatario"),
        (
            "unknown kid",
            with_header(&|header| header.kid = Some("k9".to_owned())),
            "kid",
        ),
        ("no kid", with_header(&|header| header.kid = None), "kid"),
        (
            "a log-out token",
            with_header(&|header| header.typ = Some("logout+jwt".to_owned())),
            "typ",
        ),
        (
            "critical extension",
            with_header(&|header| header.crit = Some(vec!["b64".to_owned()])),
            "crit",
        ),
        (
            "alg none",
            forged(
                &json!({"alg": "none", "typ": "JWT", "kid": "k1"}),
                &claims(json!({"sub": "c-1"})),
                "",
            ),
            "no se puede leer",
        ),
        (
            "HS256 with the public key",
            format!("Bearer {}", confused.unwrap()),
            "firmado de una forma",
        ),
        (
            "an algorithm that is allowed, but not this key's",
            forged(
                &json!({"alg": "EdDSA", "kid": "k1"}),
                &claims(json!({"sub": "c-1"})),
                &signature,
            ),
            "firmado de una forma",
        ),
        (
            "an algorithm that is not allowed",
            forged(
                &json!({"alg": "ES384", "kid": "k1"}),
                &claims(json!({"sub": "c-1"})),
                &signature,
            ),
            "firmado de una forma",
        ),
        (
            "tampered payload",
            format!("Bearer {head}.{stolen}.{signature}"),
            "la firma",
        ),
        ("another key's signature", Issuer::new("k1").cliente("c-1"), "la firma"),
        ("no signature", format!("Bearer {head}.{stolen}."), "la firma"),
        ("two parts", format!("Bearer {head}.{stolen}"), "no se puede leer"),
        ("garbage", "Bearer garbage".to_owned(), "no se puede leer"),
        ("huge", format!("Bearer {}", "x".repeat(9000)), "no se puede leer"),
        ("nothing", "Bearer".to_owned(), "Bearer"),
        ("a password", "Basic YW5hOnNlY3JldA==".to_owned(), "Bearer"),
        ("empty", String::new(), "Bearer"),
    ];
    for (name, token, expected) in bad {
        let (status, sentence) = judged(&auth, &token).await.expect_err(name);
        assert!(
            status == 401 && sentence.contains(expected),
            "{name}: {status} {sentence}"
        );
    }
    let (status, sentence) = judged(&auth, &own(json!({}))).await.unwrap_err();
    assert!(status == 403 && sentence.contains("sub"), "{sentence}");
}

#[tokio::test]
async fn two_headers_are_none() {
    let issuer = Issuer::new("k1");
    let auth = Auth::trusting(&issuer, None);
    let token = issuer.cliente("c-1");
    let problem = auth.judge(&headers(&[&token, &token])).await.unwrap_err();
    assert_eq!(problem.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_keys_of_other_tools_are_read_and_short_ones_are_not() {
    let vector: Value = serde_json::from_str(RSA).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let auth = open(&publish(folder.path(), vector["keys"].as_array().unwrap())).await;
    let bearer = |name: &str| format!("Bearer {}", vector[name].as_str().unwrap());
    assert_eq!(judged(&auth, &bearer("token")).await.as_deref(), Ok("cliente c-1"));
    let (status, sentence) = judged(&auth, &bearer("short")).await.unwrap_err();
    assert!(status == 401 && sentence.contains("kid"), "{sentence}");
}

#[tokio::test]
async fn a_key_signs_as_its_type_and_its_own_alg_say() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let public = DecodingKey::from_ed_der(pair.public_key_raw());
    let mut jwk = json!(Jwk::from_decoding_key(&public, None).unwrap());
    jwk["kid"] = json!("ed");
    let mut header = Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some("ed".to_owned());
    let key = EncodingKey::from_ed_der(pair.serialized_der());
    let token = format!(
        "Bearer {}",
        encode(&header, &claims(json!({"sub": "c-1"})), &key).unwrap()
    );

    let with = |name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let shared = json!({"kty": "oct", "kid": "ed", "k": base64url(b"a shared secret")});
    let cases = [
        (vec![jwk.clone()], true),
        (vec![json!({"kty": "AKP", "kid": "ed", "new": true}), jwk.clone()], true),
        (vec![shared.clone(), jwk.clone()], true),
        (vec![with("use", json!("enc"))], false),
        (vec![with("alg", json!("ES256"))], false),
        (vec![with("alg", json!("HS256"))], false),
        (vec![shared], false),
        (vec![with("kid", Value::Null)], false),
        (vec![], false),
    ];
    for (keys, holds) in cases {
        let folder = tempfile::tempdir().unwrap();
        let auth = open(&publish(folder.path(), &keys)).await;
        assert_eq!(judged(&auth, &token).await.is_ok(), holds, "{keys:?}");
    }
}

#[tokio::test]
async fn roles_and_clients_are_read_where_the_deployment_says() {
    let issuer = Issuer::new("k1");
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(&publish(folder.path(), &[issuer.jwk().clone()]));
    args.jwt_roles_claim = "realm_access.roles".to_owned();
    args.jwt_operator_role = "admin".to_owned();
    args.jwt_client_claim = "https://pagos/cliente".to_owned();
    let auth = Auth::open(&args, Some(&app_token())).await.unwrap();
    let tokens = [
        (
            json!({"sub": "o", "realm_access": {"roles": ["admin"]}}),
            Ok("operador o"),
        ),
        (json!({"sub": "x", "https://pagos/cliente": "c-1"}), Ok("cliente c-1")),
        (
            json!({"sub": "x", "https://pagos/cliente": "c-1", "roles": ["admin"]}),
            Ok("cliente c-1"),
        ),
        (
            json!({"sub": "x", "https://pagos/cliente": "c-1", "realm_access": {"roles": "admin"}}),
            Ok("cliente c-1"),
        ),
        (json!({"sub": "c-1"}), Err(403)),
        (json!({"sub": "x", "https://pagos/cliente": "  "}), Err(403)),
    ];
    for (own, expected) in tokens {
        let judged = judged(&auth, &signed(&issuer, own.clone())).await;
        let judged = judged.as_deref().map_err(|(status, _)| *status);
        assert_eq!(judged, expected, "{own}");
    }
}

#[tokio::test]
async fn a_sidecar_that_shows_our_token_is_the_application_it_serves() {
    let issuer = Issuer::new("k1");
    let ours = app_token();
    let strict = Auth::trusting(&issuer, Some(&ours));
    let of = |token: &str, app: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("dapr-api-token", HeaderValue::from_str(token).unwrap());
        headers.insert("dapr-caller-app-id", HeaderValue::from_str(app).unwrap());
        headers
    };
    let caller = strict.judge(&of("ours", "notificaciones")).await.unwrap();
    assert_eq!(caller, Caller::App(App::Notificaciones));
    for (token, app) in [("theirs", "bff"), ("", "bff"), ("ours", "stranger")] {
        let problem = strict.judge(&of(token, app)).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::UNAUTHORIZED, "{token} {app}");
    }
    // The second name is what whoever asked the sidecar wrote.
    let mut two = of("ours", "bff");
    two.append("dapr-caller-app-id", HeaderValue::from_static("operator"));
    assert!(strict.judge(&two).await.is_err());
    // Who asks through the BFF is who shows the token, not the BFF.
    let mut passed_on = of("ours", "bff");
    passed_on.extend(headers(&[&issuer.cliente("c-1")]));
    assert_eq!(who(&strict.judge(&passed_on).await.unwrap()), "cliente c-1");
    // Without a token of ours to compare with, nothing is a sidecar.
    let open = Auth::trusting(&issuer, None);
    assert!(open.judge(&of("", "bff")).await.is_err());
}

#[tokio::test]
async fn without_authentication_everyone_is_anyone() {
    let auth = Auth::open(&AuthArgs::default(), None).await.unwrap();
    for headers in [HeaderMap::new(), headers(&["Bearer garbage"])] {
        assert_eq!(auth.judge(&headers).await.unwrap(), Caller::Anyone);
    }
    assert_eq!(auth.judge_bearer("").await.unwrap(), Caller::Anyone);
}

#[tokio::test]
async fn what_a_caller_may_follows_from_who_it_is() {
    let until = Deadline::at_ms(crate::now_ms());
    let (own, other) = (cliente("c-1"), cliente("c-2"));
    let client = Caller::Cliente { id: own.clone(), until };
    let operator = Caller::Operador {
        subject: "c-1".to_owned(),
        until,
    };
    assert!(client.may_act_for(&own) && !client.may_act_for(&other));
    assert!(client.owns(&own, "no such payment").is_ok());
    let fault = client.owns(&other, "no such payment").unwrap_err();
    assert!(matches!(fault, Fault::NotFound(what) if what == "no such payment"));
    assert_eq!(client.require(&other).unwrap_err().status(), StatusCode::FORBIDDEN);
    assert_eq!(client.only(), Some(&own));
    for caller in [operator.clone(), Caller::Anyone, Caller::App(App::Bff)] {
        assert!(caller.may_act_for(&other) && caller.only().is_none(), "{caller:?}");
        assert!(caller.require(&other).is_ok() && caller.owns(&other, "").is_ok());
    }
    // Nobody's key is another's.
    let scopes = [client.clone(), operator.clone(), Caller::App(App::Bff)].map(|caller| caller.scope(&other));
    assert_eq!(
        scopes.iter().collect::<std::collections::BTreeSet<_>>().len(),
        3,
        "{scopes:?}"
    );
    assert_eq!(Caller::Anyone.scope(&other), client.scope(&own).replace('1', "2"));
    // A token that has ended ends what streams; one that has not, and none at all, do not.
    client.expired().await;
    operator.expired().await;
    let later = Caller::Cliente {
        id: own,
        until: Deadline::at_ms(crate::now_ms() + 3_600_000),
    };
    for caller in [later, Caller::Anyone] {
        assert!(
            futures::FutureExt::now_or_never(caller.expired()).is_none(),
            "{caller:?}"
        );
    }
}

#[tokio::test]
async fn a_handler_that_asks_for_a_caller_gets_no_request_without_one() {
    let issuer = Issuer::new("k1");
    let routes = || {
        Router::new()
            .route("/asks", get(|caller: Caller| async move { who(&caller) }))
            .route(
                "/may",
                get(|caller: Option<Caller>| async move { caller.as_ref().map(who).unwrap_or_default() }),
            )
            .route("/open", get(|| async { "open" }))
    };
    let judged = layer(routes(), Auth::trusting(&issuer, None));
    let ask = async |router: &Router, path: &str, authorization: Option<&str>| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.headers_mut().extend(headers(authorization.as_slice()));
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 4096).await.unwrap();
        let challenge = parts.headers.get(header::WWW_AUTHENTICATE).cloned();
        let kind = parts.headers.get(header::CONTENT_TYPE).cloned();
        (
            parts.status.as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
            challenge,
            kind,
        )
    };
    let token = issuer.cliente("c-1");
    let (status, text, ..) = ask(&judged, "/asks", Some(&token)).await;
    assert_eq!((status, text.as_str()), (200, "cliente c-1"));
    let (status, text, ..) = ask(&judged, "/may", None).await;
    assert_eq!((status, text.as_str()), (200, ""));
    assert_eq!(ask(&judged, "/open", None).await.0, 200);
    // What does not hold is refused where somebody is asked, and nowhere else.
    for (path, refused) in [("/asks", true), ("/may", true), ("/open", false)] {
        for shown in ["Bearer garbage", &Issuer::new("k1").cliente("c-1")] {
            let (status, text, challenge, _) = ask(&judged, path, Some(shown)).await;
            assert_eq!(status, if refused { 401 } else { 200 }, "{path} {shown}: {text}");
            let challenge = challenge.map(|challenge| challenge.to_str().unwrap().contains("invalid_token"));
            assert_eq!(challenge, refused.then_some(true), "{path} {shown}");
        }
    }
    // The layer forgotten is a door that is shut.
    for router in [judged, routes()] {
        let (status, text, challenge, kind) = ask(&router, "/asks", None).await;
        assert_eq!(status, 401, "{text}");
        assert!(challenge.unwrap().to_str().unwrap().starts_with("Bearer"));
        assert_eq!(kind.unwrap(), "application/problem+json");
    }
}

// === the keys ===

fn publish(folder: &Path, keys: &[Value]) -> PathBuf {
    let file = folder.join("jwks.json");
    std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
    file
}

fn args(file: &Path) -> AuthArgs {
    AuthArgs {
        auth: Mode::Jwt,
        jwt_issuer: Some(ISSUER.to_owned()),
        jwt_audience: Some(AUDIENCE.to_owned()),
        jwks_url: Some(format!("file://{}", file.display())),
        ..AuthArgs::default()
    }
}

async fn open(file: &Path) -> Arc<Auth> {
    Auth::open(&args(file), Some(&app_token())).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_taken_without_a_restart_and_strangers_do_not_make_us_ask() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let folder = tempfile::tempdir().unwrap();
    let file = publish(folder.path(), &[old.jwk().clone()]);
    let auth = open(&file).await;
    assert!(judged(&auth, &old.cliente("c-1")).await.is_ok());

    publish(folder.path(), &[old.jwk().clone(), new.jwk().clone()]);
    // The issuer was asked just now, at the start: whoever makes up a name waits.
    assert!(judged(&auth, &new.cliente("c-1")).await.is_err());
    tokio::time::advance(Duration::from_secs(29)).await;
    assert!(judged(&auth, &new.cliente("c-1")).await.is_err());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(judged(&auth, &new.cliente("c-1")).await.is_ok());
    assert!(judged(&auth, &old.cliente("c-1")).await.is_ok());

    // The next made-up name makes us ask, the one after it does not: what is published meanwhile is not seen.
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(judged(&auth, &Issuer::new("k8").cliente("c-1")).await.is_err());
    let newest = Issuer::new("k3");
    publish(folder.path(), &[newest.jwk().clone()]);
    assert!(judged(&auth, &newest.cliente("c-1")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_issuer_withdrew_is_refused_within_ten_minutes() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let folder = tempfile::tempdir().unwrap();
    let file = publish(folder.path(), &[old.jwk().clone()]);
    let auth = open(&file).await;
    publish(folder.path(), &[new.jwk().clone()]);
    // Known names are not asked about.
    assert!(judged(&auth, &old.cliente("c-1")).await.is_ok());
    // Time is virtual: this passes as soon as nothing else is to be done.
    tokio::time::sleep(Duration::from_secs(601)).await;
    let patience = tokio::time::Instant::now() + Duration::from_secs(5);
    while judged(&auth, &old.cliente("c-1")).await.is_ok() {
        assert!(
            tokio::time::Instant::now() < patience,
            "the withdrawn key is still taken"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(judged(&auth, &new.cliente("c-1")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_when_its_keys_grow_old_is_asked_again_soon() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let folder = tempfile::tempdir().unwrap();
    let file = publish(folder.path(), &[old.jwk().clone()]);
    let auth = open(&file).await;
    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert!(judged(&auth, &old.cliente("c-1")).await.is_ok(), "what is known stays");
    publish(folder.path(), &[new.jwk().clone()]);
    let patience = tokio::time::Instant::now() + Duration::from_secs(35);
    while judged(&auth, &old.cliente("c-1")).await.is_ok() {
        assert!(
            tokio::time::Instant::now() < patience,
            "as old again before it is asked"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_costs_nothing_once_its_keys_are_known() {
    let issuer = Issuer::new("k1");
    let (up, kind) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let page = json!({"keys": [issuer.jwk()]}).to_string();
    let (lamp, mode) = (Arc::clone(&up), Arc::clone(&kind));
    let answer = move || {
        let body = match (lamp.load(Ordering::SeqCst), mode.load(Ordering::SeqCst)) {
            (true, _) => (StatusCode::OK, page.clone()),
            (false, false) => (StatusCode::BAD_GATEWAY, String::new()),
            (false, true) => (StatusCode::OK, "<html>".to_owned()),
        };
        async move { body }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let router = Router::new().route("/jwks", get(answer));
        axum::serve(listener, router).await.unwrap();
    });
    let args = AuthArgs {
        jwks_url: Some(url),
        ..args(Path::new("unused"))
    };
    let auth = Auth::open(&args, Some(&app_token())).await.unwrap();
    let token = issuer.cliente("c-1");
    let (status, sentence) = judged(&auth, &token).await.unwrap_err();
    assert!(
        status == 503 && sentence.contains("intente de nuevo"),
        "{status} {sentence}"
    );

    let Judge::Jwt { keys, .. } = &auth.judge else {
        panic!("jwt")
    };
    up.store(true, Ordering::SeqCst);
    keys.refresh().await.unwrap();
    assert!(judged(&auth, &token).await.is_ok());
    up.store(false, Ordering::SeqCst);
    assert!(keys.refresh().await.unwrap_err().contains("502"));
    kind.store(true, Ordering::SeqCst);
    assert!(keys.refresh().await.is_err());
    assert!(judged(&auth, &token).await.is_ok(), "the last good keys stay");
    server.abort();
}

// === the settings ===

#[tokio::test]
async fn a_setting_that_is_missing_is_named() {
    let open = async |words: &[&str], token: Option<Secret>| {
        let opened = Auth::open(&line(words).unwrap(), token.as_ref()).await;
        opened.err().map(|error| error.chain()).unwrap_or_default()
    };
    let text = open(&["--auth", "jwt"], None).await;
    for name in ["JWT_ISSUER", "JWT_AUDIENCE", "JWKS_URL", "APP_API_TOKEN"] {
        assert!(text.contains(name), "{text}");
    }
    let given = [
        "--auth",
        "jwt",
        "--jwt-issuer",
        "i",
        "--jwt-audience",
        " ",
        "--jwks-url",
    ];
    let with = |url: &'static str| [&given[..], &[url]].concat();
    let text = open(&with("file:///nowhere/jwks.json"), Some(app_token())).await;
    assert!(text.contains("JWT_AUDIENCE") && !text.contains("JWT_ISSUER"), "{text}");
    let given = [
        "--auth",
        "jwt",
        "--jwt-issuer",
        "i",
        "--jwt-audience",
        "a",
        "--jwks-url",
    ];
    let with = |url: &'static str| [&given[..], &[url]].concat();
    for url in ["file:///nowhere/jwks.json", "ftp://x/y", "jwks.json"] {
        let text = open(&with(url), Some(app_token())).await;
        assert!(text.contains("JWKS_URL"), "{text}");
    }
}

#[test]
fn a_shared_secret_or_no_signature_cannot_be_allowed() {
    let args = line(&["--jwt-algorithms", "RS256,ES384"]).unwrap();
    assert_eq!(args.jwt_algorithms, [Algorithm::RS256, Algorithm::ES384]);
    assert_eq!(line(&[]).unwrap().jwt_algorithms, AuthArgs::default().jwt_algorithms);
    for word in ["HS256", "none", "RS256,HS512", ""] {
        assert!(line(&["--jwt-algorithms", word]).is_err(), "{word}");
    }
}
