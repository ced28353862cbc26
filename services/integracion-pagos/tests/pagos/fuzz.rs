//! What anyone may send to the door for chargebacks.

use axum::http::StatusCode;
use seedwork_runtime::fuzz::Fuzz;

use crate::servicio::Servicio;

#[tokio::test]
async fn bodies_of_chargebacks() {
    let servicio = Servicio::new().await;
    let seeds = [
        r#"{"idCorrelacion":"p-1","motivo":"Fraude"}"#,
        r#"{"idCorrelacion":"4321-dcba"}"#,
        r#"{"idCorrelacion":null,"motivo":"Peña","otra":1}"#,
        "{}",
        "null",
    ];
    let mut fuzz = Fuzz::new("chargebacks", &seeds);
    while let Some(body) = fuzz.next_input() {
        let answer = servicio.post("/pagos/simular-evento-de-compensacion", body).await;
        if answer.status == StatusCode::OK {
            fuzz.accepted();
            continue;
        }
        assert!(answer.status.is_client_error(), "{answer:?}");
        let sentences = answer.body["errors"].as_array().unwrap();
        assert!(
            sentences
                .iter()
                .all(|sentence| sentence.as_str().is_some_and(|text| !text.is_empty()))
        );
        fuzz.refused(sentences[0].as_str().unwrap());
    }
}
