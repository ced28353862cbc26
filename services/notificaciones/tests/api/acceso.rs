//! Who may ask: a client sees its own notifications, making one is for operators and for gestion-clientes.

use axum::http::StatusCode;
use seedwork::{Action, App, Step};
use seedwork_runtime::Auth;
use seedwork_runtime::auth::issuer::Issuer;
use seedwork_runtime::participant::laws::comando;
use serde_json::json;

use crate::arnes::Arnes;

const LISTA: &str = "/notificaciones/notificacion";
const COMANDO: &str = "/notificaciones/notificacion-comando";
const PARA_C2: &str = r#"{"tipo":"Recordatorio","medio":"correo","valor":"v","idCliente":"c-2"}"#;
const PARA_NADIE: &str = r#"{"tipo":"ALERTA","medio":"sms","valor":"v"}"#;

/// With a notification of a payment of client `c-1`, one for `c-2` and one for nobody.
async fn asked() -> (Arnes, Issuer) {
    let issuer = Issuer::new("k-1");
    let ours = "ours".to_owned().into();
    let arnes = Arnes::with(Auth::trusting(&issuer, Some(&ours)), None).await;
    arnes.run(&comando(Action::Do(Step::CrearNotificacion), "p-1")).await;
    let operator = issuer.operador("ana");
    for body in [PARA_C2, PARA_NADIE] {
        let made = arnes.post_with(LISTA, &[("authorization", &operator)], body).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    }
    (arnes, issuer)
}

async fn listed(arnes: &Arnes, path: &str, who: &str) -> Vec<String> {
    let answer = arnes.get_with(path, &[("authorization", who)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    let ids = answer.body.as_array().unwrap().iter();
    ids.map(|n| n["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_client_sees_its_own_notifications_and_no_others() {
    let (arnes, issuer) = asked().await;
    let (one, two, three) = (issuer.cliente("c-1"), issuer.cliente("c-2"), issuer.cliente("c-3"));
    let operator = issuer.operador("ana");
    let all = listed(&arnes, LISTA, &operator).await;
    assert_eq!(all.len(), 3);
    for path in [LISTA, "/notificaciones/notificacion-query"] {
        for (who, query, count) in [
            (&one, "", 1),
            (&one, "?idCliente=c-1", 1),
            (&one, "?idCliente=c-2", 0),
            (&one, "?idCorrelacion=p-1", 1),
            (&two, "", 1),
            (&two, "?idCorrelacion=p-1", 0),
            (&three, "", 0),
            (&operator, "?idCliente=c-2", 1),
            (&operator, "?idCorrelacion=p-1&idCliente=c-1", 1),
            (&operator, "?idCorrelacion=p-1&idCliente=c-2", 0),
        ] {
            let path = format!("{path}{query}");
            assert_eq!(listed(&arnes, &path, who).await.len(), count, "{path} {who}");
        }
        for id in &all {
            let path = format!("{path}/{id}");
            for who in [&one, &two, &three] {
                let own = listed(&arnes, LISTA, who).await.contains(id);
                let expected = if own { StatusCode::OK } else { StatusCode::NOT_FOUND };
                let answer = arnes.get_with(&path, &[("authorization", who)]).await;
                assert_eq!(answer.status, expected, "{path} {who}");
            }
            let answer = arnes.get_with(&path, &[("authorization", &operator)]).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        }
    }
    // What is not yours and what is not there look alike.
    let own = listed(&arnes, LISTA, &one).await;
    let strange = all.iter().find(|id| !own.contains(id)).unwrap();
    let nowhere = "00000000-0000-0000-0000-000000000000";
    let read = async |id: &str| {
        let path = format!("{LISTA}/{id}");
        arnes.get_with(&path, &[("authorization", &one)]).await.body
    };
    assert_eq!(read(strange).await, read(nowhere).await);
    // A cursor is a place and tells nothing of what stands there: before all, a client sees its own and no more.
    let path = format!("{LISTA}?cursor=0000-00-00T00:00:00Z.{nowhere}");
    assert_eq!(listed(&arnes, &path, &one).await, own);
}

#[tokio::test]
async fn a_notification_is_made_by_an_operator_or_gestion_clientes_and_by_no_client() {
    let (arnes, issuer) = asked().await;
    for path in [LISTA, COMANDO] {
        let client = issuer.cliente("c-2");
        let refused = arnes.post_with(path, &[("authorization", &client)], PARA_C2).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.body["error"].as_str().unwrap().contains("operadores"));
        let app = [("dapr-api-token", "ours"), ("dapr-caller-app-id", "gestion-clientes")];
        let made = arnes.post_with(path, &app, PARA_C2).await;
        assert!(made.status.is_success(), "{path}: {}", made.body);
        let theirs = [("dapr-api-token", "theirs"), ("dapr-caller-app-id", "gestion-clientes")];
        assert_eq!(
            arnes.post_with(path, &theirs, PARA_C2).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn another_application_reads_and_does_nothing_else() {
    let (arnes, issuer) = asked().await;
    let all = listed(&arnes, LISTA, &issuer.operador("ana")).await;
    for app in App::ALL.into_iter().filter(|app| *app != App::GestionClientes) {
        let headers = [("dapr-api-token", "ours"), ("dapr-caller-app-id", app.id())];
        for path in [LISTA, COMANDO] {
            let refused = arnes.post_with(path, &headers, PARA_C2).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{app}: {path}");
        }
        assert_eq!(arnes.get_with(LISTA, &headers).await.status, StatusCode::OK, "{app}");
    }
    assert_eq!(
        listed(&arnes, LISTA, &issuer.operador("ana")).await,
        all,
        "nothing was made"
    );
}

#[tokio::test]
async fn a_key_is_its_callers_own() {
    let (arnes, issuer) = asked().await;
    let (ana, eva) = (issuer.operador("ana"), issuer.operador("eva"));
    let ask = async |who: &str| {
        let headers = [("authorization", who), ("idempotency-key", "k-1")];
        arnes.post_with(LISTA, &headers, PARA_NADIE).await.body["id"].clone()
    };
    let first = ask(&ana).await;
    assert_eq!(ask(&ana).await, first);
    assert_ne!(ask(&eva).await, first);
}

#[tokio::test]
async fn without_a_token_only_the_open_doors_answer() {
    let (arnes, _) = asked().await;
    for path in [
        LISTA,
        "/notificaciones/notificacion-query",
        "/notificaciones/notificacion/x",
        "/notificaciones/notificacion-query/x",
    ] {
        let answer = arnes.get(path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for path in [LISTA, COMANDO] {
        assert_eq!(
            arnes.post(path, PARA_NADIE).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    assert_eq!(arnes.get("/health").await.body, json!({"status": "up"}));
    assert_eq!(arnes.get("/spec").await.status, StatusCode::OK);
}
