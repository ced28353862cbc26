//! Who may ask: a client sees its own payments, what concerns all of them is for operators.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use seedwork::App;
use seedwork_runtime::Auth;
use seedwork_runtime::auth::issuer::Issuer;
use serde_json::json;

use crate::servicio::{DO, Servicio, id, order};

const APP_TOKEN: &str = "the-token-of-our-sidecar";

async fn asked() -> (Servicio, Issuer) {
    let issuer = Issuer::new("k-1");
    let ours = APP_TOKEN.to_owned().into();
    let servicio = Servicio::judged_by(Auth::trusting(&issuer, Some(&ours))).await;
    // The payments of these tests are of client c-1.
    servicio.settle(&order(DO, "p-1", "24.00")).await;
    (servicio, issuer)
}

#[tokio::test]
async fn a_client_sees_its_own_payments_and_no_others() {
    let (servicio, issuer) = asked().await;
    let (own, other, operator) = (issuer.cliente("c-1"), issuer.cliente("c-2"), issuer.operador("ana"));
    for (who, status) in [
        (&own, StatusCode::OK),
        (&operator, StatusCode::OK),
        (&other, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(servicio.get_as("/pagos/p-1", who).await.status, status, "{who}");
    }
    // What is not yours and what is not there look alike.
    let (not_yours, not_there) = (
        servicio.get_as("/pagos/p-1", &other).await,
        servicio.get_as("/pagos/p-2", &other).await,
    );
    assert_eq!(not_yours.body, not_there.body);
    for (who, path, count) in [
        (&own, "/pagos", 1),
        (&own, "/pagos?idCliente=c-1", 1),
        (&own, "/pagos?idCliente=c-2", 0),
        (&other, "/pagos", 0),
        (&other, "/pagos?idCliente=c-1", 0),
        (&operator, "/pagos", 1),
        (&operator, "/pagos?idCliente=c-1", 1),
        (&operator, "/pagos?idCliente=c-2", 0),
    ] {
        let answer = servicio.get_as(path, who).await;
        assert_eq!(answer.body.as_array().unwrap().len(), count, "{path} {who}");
    }
}

#[tokio::test]
async fn what_concerns_every_client_is_for_operators() {
    let (servicio, issuer) = asked().await;
    let (client, operator) = (issuer.cliente("c-1"), issuer.operador("ana"));
    for path in ["/pagos/simular-evento-de-compensacion", "/conciliacion"] {
        assert_eq!(
            servicio.post_as(path, &client).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert!(servicio.post_as(path, &operator).await.status.is_success(), "{path}");
    }
    for path in ["/conciliacion", "/conciliacion/x"] {
        assert_eq!(
            servicio.get_as(path, &client).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_ne!(
            servicio.get_as(path, &operator).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_application_reads_payments_and_does_nothing_else() {
    let (servicio, _) = asked().await;
    let ask = async |app: App, method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("dapr-api-token", APP_TOKEN)
            .header("dapr-caller-app-id", app.id());
        let body = Body::from(r#"{"idCorrelacion":"p-1"}"#);
        servicio.ask(request.body(body).unwrap()).await.status
    };
    for app in App::ALL {
        for (method, path, status) in [
            ("GET", "/pagos", StatusCode::OK),
            ("GET", "/pagos/p-1", StatusCode::OK),
            ("GET", "/conciliacion", StatusCode::FORBIDDEN),
            ("GET", "/conciliacion/x", StatusCode::FORBIDDEN),
            ("POST", "/conciliacion", StatusCode::FORBIDDEN),
            ("POST", "/pagos/simular-evento-de-compensacion", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(ask(app, method, path).await, status, "{app}: {method} {path}");
        }
    }
    let charged_back = servicio.pago(&id("p-1")).await.contracargo;
    assert_eq!(charged_back, None);
}

#[tokio::test]
async fn without_a_token_only_the_open_doors_answer() {
    let (servicio, _) = asked().await;
    for path in ["/pagos", "/pagos/p-1", "/conciliacion", "/conciliacion/x"] {
        let answer = servicio.get(path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for path in ["/pagos/simular-evento-de-compensacion", "/conciliacion"] {
        assert_eq!(
            servicio.post(path, "{}").await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    assert_eq!(servicio.get("/health").await.body, json!({"status": "up"}));
    assert_eq!(servicio.get("/spec").await.status, StatusCode::OK);
    // The webhook's door asks for a signature, and for nothing else.
    assert_eq!(
        servicio.post("/pagos/webhook/stripe", "{}").await.status,
        StatusCode::BAD_REQUEST
    );
}
