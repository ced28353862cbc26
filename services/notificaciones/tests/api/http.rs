//! The routes that callers use.

use std::collections::BTreeSet;
use std::process::Command;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use notificaciones::domain::{Cual, Notificacion};
use seedwork::{Action, IdCorrelacion, Step};
use seedwork_runtime::participant::laws::comando;
use serde_json::{Value, json};

use crate::arnes::{Answer, Arnes};

const CREAR: &str = "/notificaciones/notificacion";
const COMANDO: &str = "/notificaciones/notificacion-comando";
const BUENA: &str = r#"{"tipo":"ALERTA","medio":"sms","valor":"pepe@gmail.com"}"#;

fn keys(body: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn ids(answer: &Answer) -> Vec<String> {
    answer
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_notification_is_made_and_read_back_by_every_route() {
    let arnes = Arnes::new().await;
    let made = arnes.post(CREAR, BUENA).await;
    assert_eq!(made.status, StatusCode::OK);
    assert_eq!(
        keys(&made.body),
        ["fecha_actualizacion", "fecha_creacion", "id", "medio", "tipo", "valor"]
    );
    assert_eq!(
        [&made.body["tipo"], &made.body["medio"], &made.body["valor"]],
        ["ALERTA", "sms", "pepe@gmail.com"]
    );
    let date = made.body["fecha_creacion"].as_str().unwrap();
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99Z", "{date}");
    let id = made.body["id"].as_str().unwrap();
    for path in [
        format!("{CREAR}/{id}"),
        format!("/notificaciones/notificacion-query/{id}"),
    ] {
        let read = arnes.get(&path).await;
        assert_eq!((read.status, read.body), (StatusCode::OK, made.body.clone()), "{path}");
    }
    for path in [CREAR, "/notificaciones/notificacion-query"] {
        let list = arnes.get(path).await;
        assert_eq!((list.status, list.body), (StatusCode::OK, json!([made.body])), "{path}");
    }
}

#[tokio::test]
async fn one_for_nobody_is_empty_unless_told_as_in_the_original() {
    let arnes = Arnes::new().await;
    let told = [
        r#"{"medio":"sms"}"#,
        r#"{"medio":"sms","tipo":"","valor":""}"#,
        r#"{"medio":"sms","tipo":null,"valor":null,"idCliente":null}"#,
    ];
    for body in told {
        let made = arnes.post(CREAR, body).await;
        assert_eq!(made.status, StatusCode::OK, "{body}: {}", made.body);
        assert_eq!(
            [&made.body["tipo"], &made.body["medio"], &made.body["valor"]],
            ["", "sms", ""]
        );
        let read = arnes
            .get(&format!("{CREAR}/{}", made.body["id"].as_str().unwrap()))
            .await;
        assert_eq!((read.status, read.body), (StatusCode::OK, made.body), "{body}");
        assert_eq!(arnes.post(COMANDO, body).await.status, StatusCode::ACCEPTED, "{body}");
    }
}

#[tokio::test]
async fn a_command_is_accepted_and_says_where_its_notification_is() {
    let arnes = Arnes::new().await;
    let accepted = arnes.post(COMANDO, BUENA).await;
    assert_eq!((accepted.status, accepted.body), (StatusCode::ACCEPTED, json!({})));
    let location = accepted.headers["location"].to_str().unwrap();
    let read = arnes.get(location).await;
    assert_eq!(
        (read.status, &read.body["valor"]),
        (StatusCode::OK, &json!("pepe@gmail.com"))
    );
    assert_eq!(read.body["id"], accepted.headers["x-correlation-id"].to_str().unwrap());
}

#[tokio::test]
async fn bad_input_is_refused_with_a_sentence_for_each_rule_and_nothing_is_kept() {
    let arnes = Arnes::new().await;
    let medio = "medio debe ser uno de correo, sms, push";
    // What the door itself reads; the rules of a text that was read are shown where they are made: `domain::nueva`.
    let table: [(&str, &[&str]); 10] = [
        ("{}", &[medio]),
        (
            r#"{"idCliente":"c-1"}"#,
            &["tipo no puede estar vacío", medio, "valor no puede estar vacío"],
        ),
        (
            r#"{"tipo":true,"medio":7,"valor":"v"}"#,
            &["tipo debe ser un texto", "medio debe ser un texto"],
        ),
        (
            r#"{"tipo":null,"medio":"sms","valor":["v"],"idCliente":"c-1"}"#,
            &["valor debe ser un texto", "tipo no puede estar vacío"],
        ),
        (
            r#"{"tipo":"t","medio":"sms","valor":"v","idCliente":7}"#,
            &["idCliente debe ser un texto"],
        ),
        (
            r#"{"tipo":"t","medio":"sms","valor":"v","asunto":"a"}"#,
            &["asunto no es uno de los campos tipo, medio, valor, idCliente, factura"],
        ),
        (
            r#"{"tipo":"RECORDATORIO","medio":"sms","factura":{"id":7,"monto":1,"dias":3}}"#,
            &[
                "factura.dias no es uno de los campos id, monto, moneda, vence",
                "factura.id debe ser un texto",
            ],
        ),
        // What an invoice says stands for `valor`: of one that is broken that is all there is to mend.
        (
            r#"{"tipo":"RECORDATORIO","medio":"sms","idCliente":"c-1","factura":{"id":"f","monto":1,"moneda":"USD","vence":"hoy"}}"#,
            &["factura.vence debe ser una fecha, como 2026-12-31"],
        ),
        (
            r#"{"tipo":"RECORDATORIO","medio":"sms","idCliente":"c-1","factura":7}"#,
            &["factura debe ser un objeto"],
        ),
        (
            r#"{"tipo":"RECORDATORIO","medio":"sms","factura":{"id":"f","monto":1,"moneda":"USD","vence":"2026-12-31","monto":2}}"#,
            &["factura.monto debe aparecer una sola vez"],
        ),
    ];
    for path in [CREAR, COMANDO] {
        for (body, sentences) in table {
            assert_eq!(arnes.post(path, body).await.problem(400), sentences, "{path} {body}");
        }
        for body in ["", "{", "[]", "null"] {
            assert_eq!(arnes.post(path, body).await.problem(400).len(), 1, "{path} {body}");
        }
        let plain = Request::post(path).body(Body::from(BUENA)).unwrap();
        arnes.ask(plain).await.problem(415);
        let large = format!(r#"{{"tipo":"t","medio":"sms","valor":"{}"}}"#, "x".repeat(70_000));
        arnes.post(path, &large).await.problem(413);
    }
    // An answer is no longer than a few sentences, whatever was sent.
    let unknown: Vec<_> = (0..7_000).map(|n| format!(r#""{n:x}":0"#)).collect();
    let unknown = unknown.join(",");
    for body in [
        format!(r#"{{"medio":"sms",{unknown}}}"#),
        format!(r#"{{"medio":"sms","factura":{{{unknown}}}}}"#),
    ] {
        assert_eq!(arnes.post(CREAR, &body).await.problem(400).len(), 16);
    }
    assert_eq!(arnes.get(CREAR).await.body, json!([]));
}

#[tokio::test]
async fn an_amount_is_read_from_its_own_characters() {
    let arnes = Arnes::new().await;
    let body = |monto: &str| {
        let factura = format!(r#"{{"id":"f-1","monto":{monto},"moneda":"USD","vence":"2026-12-31"}}"#);
        format!(r#"{{"tipo":"RECORDATORIO","medio":"sms","factura":{factura}}}"#)
    };
    let decimals = "factura.monto debe tener como máximo 2 decimales en USD";
    let number = "factura.monto debe ser un número decimal simple, como 24 o 24.10";
    for (monto, sentence) in [
        ("23.999999999999999999", decimals),
        (r#""23.999999999999999999""#, decimals),
        ("24e0", number),
        ("true", number),
        ("null", number),
    ] {
        let refused = arnes.post(CREAR, &body(monto)).await;
        assert_eq!(refused.problem(400), [sentence], "{monto}");
    }
    for monto in ["24", "24.00", "24.000000000000000000", r#""24.0""#] {
        let made = arnes.post(CREAR, &body(monto)).await;
        let said = "Factura f-1 por 24.00 USD, con vencimiento el 2026-12-31.";
        assert_eq!(
            (made.status, &made.body["valor"]),
            (StatusCode::OK, &json!(said)),
            "{monto}"
        );
    }
}

#[tokio::test]
async fn what_nobody_serves_is_a_problem_too() {
    let arnes = Arnes::new().await;
    for (method, path, status) in [
        ("GET", "/nada", 404),
        ("PUT", CREAR, 405),
        ("DELETE", CREAR, 405),
        ("GET", COMANDO, 405),
        ("POST", "/notificaciones/notificacion-query", 405),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        arnes.ask(request.unwrap()).await.problem(status);
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found_whatever_it_looks_like() {
    let arnes = Arnes::new().await;
    for id in [
        "00000000-0000-0000-0000-000000000000",
        "abc",
        "%00",
        "%FF",
        "..%2F",
        "x'--",
    ] {
        for route in ["notificacion", "notificacion-query"] {
            let unknown = arnes.get(&format!("/notificaciones/{route}/{id}")).await;
            assert_eq!(unknown.problem(404), ["no hay ninguna notificación con este id"]);
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_and_miss_nothing() {
    let arnes = Arnes::new().await;
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(arnes.post(CREAR, BUENA).await.body["id"].as_str().unwrap().to_owned());
    }
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    let mut path = Some(format!("{CREAR}?limite=2"));
    while let Some(page) = path {
        let answer = arnes.get(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        sizes.push(ids(&answer).len());
        seen.extend(ids(&answer));
        let next = answer
            .headers
            .get("x-next-cursor")
            .map(|cursor| cursor.to_str().unwrap());
        path = next.map(|cursor| format!("{CREAR}?limite=2&cursor={cursor}"));
    }
    assert_eq!(sizes, [2, 2, 1], "a page ends the list when nothing comes after it");
    assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (5, made));
    let whole = arnes.get(&format!("{CREAR}?limite=5")).await;
    assert!(
        !whole.headers.contains_key("x-next-cursor"),
        "nothing comes after the fifth"
    );
}

#[tokio::test]
async fn the_notifications_of_a_payment_are_found_by_it_and_tell_where_they_stand() {
    let arnes = Arnes::new().await;
    arnes.post(CREAR, BUENA).await;
    arnes.run(&comando(Action::Do(Step::CrearNotificacion), "p-1")).await;
    arnes.run(&comando(Action::Do(Step::CrearNotificacion), "p-2")).await;
    arnes.run(&comando(Action::AvisarReversion, "p-1")).await;
    assert_eq!(ids(&arnes.get(CREAR).await).len(), 4);
    let of_p1 = arnes.get(&format!("{CREAR}?idCorrelacion=p-1")).await;
    let id = |cual: Cual| Notificacion::id_de(&IdCorrelacion::parse("p-1").unwrap(), &cual.tipo()).to_string();
    let expected = BTreeSet::from([id(Cual::Alerta), id(Cual::Reversion)]);
    assert_eq!(ids(&of_p1).into_iter().collect::<BTreeSet<_>>(), expected);
    for one in of_p1.body.as_array().unwrap() {
        assert_eq!(
            (&one["idCorrelacion"], &one["estado"]),
            (&json!("p-1"), &json!("ENTREGADA"))
        );
        assert!(
            !one.to_string().contains("ana@saludtech.co"),
            "the address is not served: {one}"
        );
    }
    // The filter goes on over the pages.
    let first = arnes.get(&format!("{CREAR}?idCorrelacion=p-1&limite=1")).await;
    let cursor = first.headers["x-next-cursor"].to_str().unwrap();
    let second = arnes
        .get(&format!("{CREAR}?idCorrelacion=p-1&limite=1&cursor={cursor}"))
        .await;
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&of_p1));
    assert!(!second.headers.contains_key("x-next-cursor"));
    assert_eq!(arnes.get(&format!("{CREAR}?idCorrelacion=nadie")).await.body, json!([]));
}

#[tokio::test]
async fn a_bad_page_is_refused_with_a_sentence_for_each_rule() {
    let arnes = Arnes::new().await;
    let limite = "limite debe ser un número de 1 a 100";
    let cursor = "cursor debe ser uno que haya respondido una lista";
    let twice = "cada parámetro de la dirección debe aparecer una sola vez y ser un texto UTF-8";
    let table: [(&str, &[&str]); 9] = [
        ("limite=1&limite=2", &[twice]),
        ("limite=0", &[limite]),
        ("limite=101", &[limite]),
        ("limite=-1", &[limite]),
        ("limite=x", &[limite]),
        ("cursor=x", &[cursor]),
        (
            "cursor=2026-11-24T18:00:00Z.00000000-0000-0000-0000-00000000000A",
            &[cursor],
        ),
        ("limite=&cursor=", &[limite, cursor]),
        (
            "idCorrelacion=A&limite=9.5",
            &[
                limite,
                "idCorrelacion solo puede tener letras minúsculas sin tilde, dígitos y guiones interiores",
            ],
        ),
    ];
    for (query, sentences) in table {
        let refused = arnes.get(&format!("{CREAR}?{query}")).await;
        assert_eq!(refused.problem(400), sentences, "{query}");
    }
    // A place is a place, whether a notification stands there or not.
    arnes.post(CREAR, BUENA).await;
    for (place, count) in [("1999-12-31T23:59:59Z", 1), ("9999-99-99T99:99:99Z", 0)] {
        let path = format!("{CREAR}?cursor={place}.00000000-0000-0000-0000-000000000000");
        assert_eq!(ids(&arnes.get(&path).await).len(), count, "{place}");
    }
}

#[tokio::test]
async fn the_service_is_up_only_while_its_sidecar_is() {
    let arnes = Arnes::new().await;
    let up = arnes.get("/health").await;
    assert_eq!((up.status, up.body), (StatusCode::OK, json!({"status": "up"})));
    arnes.puerta.close(true);
    assert_eq!(arnes.get("/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_document_names_every_route_and_each_one_is_served() {
    let arnes = Arnes::new().await;
    let spec = arnes.get("/spec").await.body;
    let mut named = BTreeSet::new();
    for (path, methods) in spec["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let there = path.replace("{id}", "00000000-0000-0000-0000-000000000000");
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&there);
            let answer = arnes.ask(request.body(Body::empty()).unwrap()).await;
            let missing =
                answer.status == StatusCode::METHOD_NOT_ALLOWED || answer.body["detail"] == "no existe esta ruta";
            assert!(!missing, "{method} {path}");
            named.insert(format!("{method} {path}"));
        }
    }
    // The contract.
    let expected = [
        "get /health",
        "get /notificaciones/notificacion",
        "get /notificaciones/notificacion-query",
        "get /notificaciones/notificacion-query/{id}",
        "get /notificaciones/notificacion/{id}",
        "get /spec",
        "post /notificaciones/notificacion",
        "post /notificaciones/notificacion-comando",
    ];
    assert_eq!(named, BTreeSet::from(expected.map(str::to_owned)));
}

#[tokio::test]
async fn the_document_that_is_kept_is_the_one_that_is_served() {
    let committed = include_str!("../../spec.json");
    assert!(
        committed == notificaciones::spec(),
        "spec.json is old; run: cargo run -p notificaciones -- spec > services/notificaciones/spec.json"
    );
    let document: utoipa::openapi::OpenApi = serde_json::from_str(committed).unwrap();
    assert_eq!(seedwork_runtime::spec::faults(&document), [""; 0]);
    let printed = Command::new(env!("CARGO_BIN_EXE_notificaciones"))
        .arg("spec")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), committed);
    let committed: Value = serde_json::from_str(committed).unwrap();
    assert_eq!(Arnes::new().await.get("/spec").await.body, committed);
}

#[tokio::test]
async fn an_answer_has_the_members_that_the_document_names() {
    let arnes = Arnes::new().await;
    let spec = arnes.get("/spec").await.body;
    let schema = &spec["components"]["schemas"]["Notificacion"];
    arnes.run(&comando(Action::Do(Step::CrearNotificacion), "p-1")).await;
    let told = arnes.get(CREAR).await.body[0].clone();
    assert_eq!(keys(&schema["properties"]), keys(&told));
    let made = arnes.post(CREAR, BUENA).await.body;
    let mut required: Vec<_> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    required.sort_unstable();
    assert_eq!(required, keys(&made));
    for body in ["NuevoAviso", "NuevoApunte", "NuevoRecordatorio"] {
        let body = &spec["components"]["schemas"][body];
        assert_eq!(body["additionalProperties"], false);
        assert_eq!(
            keys(&body["properties"]),
            ["factura", "idCliente", "medio", "tipo", "valor"]
        );
    }
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_caller() {
    let arnes = Arnes::new().await;
    let key = [("idempotency-key", "k-1")];
    let made = arnes.post_with(CREAR, &key, BUENA).await;
    assert_eq!(made.status, StatusCode::OK);
    // The same request, by either door and in another order, makes nothing.
    let again = r#"{"valor":"pepe@gmail.com","medio":"sms","tipo":"ALERTA"}"#;
    assert_eq!(arnes.post_with(CREAR, &key, again).await.body, made.body);
    let accepted = arnes.post_with(COMANDO, &key, BUENA).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!(made.body["id"], accepted.headers["x-correlation-id"].to_str().unwrap());
    // Another one does not get its answer.
    for path in [CREAR, COMANDO] {
        let other = BUENA.replace("sms", "push");
        let refused = arnes.post_with(path, &key, &other).await;
        assert_eq!(refused.problem(422), ["Idempotency-Key ya se usó con otra petición"]);
    }
    assert_eq!(ids(&arnes.get(CREAR).await).len(), 1);
    // Without a key, under another one, and for another client each is a new one.
    arnes.post(CREAR, BUENA).await;
    arnes.post_with(CREAR, &[("idempotency-key", "k-2")], BUENA).await;
    let for_somebody = r#"{"tipo":"ALERTA","medio":"sms","valor":"v","idCliente":"c-1"}"#;
    assert_eq!(
        arnes.post_with(COMANDO, &key, for_somebody).await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(ids(&arnes.get(CREAR).await).len(), 4);
    let (long, length) = ("k".repeat(256), "Idempotency-Key debe tener de 1 a 255 caracteres");
    let ascii = "Idempotency-Key solo puede tener caracteres ASCII imprimibles";
    for (bad, sentence) in [("", length), (long.as_str(), length), ("clave-ñ", ascii)] {
        for path in [CREAR, COMANDO] {
            let refused = arnes.post_with(path, &[("idempotency-key", bad)], BUENA).await;
            assert_eq!(refused.problem(400), [sentence], "{bad}");
        }
    }
}

#[tokio::test]
async fn of_requests_at_the_same_moment_under_one_key_one_makes_it() {
    let arnes = Arnes::new().await;
    let key = [("idempotency-key", "k-1")];
    let ask = || arnes.post_with(COMANDO, &key, BUENA);
    let answers = tokio::join!(ask(), ask(), ask(), ask());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    // The others are to come back, and are then answered as the one was.
    let (made, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::ACCEPTED);
    assert_eq!(made.len(), 1);
    assert!(others.iter().all(|answer| answer.status == StatusCode::CONFLICT));
    assert_eq!(ask().await.headers["location"], made[0].headers["location"]);
    assert_eq!(ids(&arnes.get(CREAR).await).len(), 1);
}

#[tokio::test]
async fn while_a_request_is_being_answered_another_under_its_key_is_to_come_back() {
    for path in [CREAR, COMANDO] {
        let arnes = Arnes::new().await;
        let key = [("idempotency-key", "k-1")];
        // The one connection that there is: the first request waits for it, half-way.
        let connection = arnes.pool.acquire().await.unwrap();
        let mut first = std::pin::pin!(arnes.post_with(path, &key, BUENA));
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        let second = arnes.post_with(path, &key, BUENA).await;
        let sentence = "otra petición con esta Idempotency-Key se está atendiendo; repita la suya en 1 s";
        assert_eq!(second.problem(409), [sentence]);
        assert_eq!(second.headers["retry-after"], "1");
        drop(connection);
        let first = first.await;
        assert!(first.status.is_success(), "{}", first.body);
        let again = arnes.post_with(path, &key, BUENA).await;
        assert_eq!((again.status, again.body), (first.status, first.body));
    }
}
