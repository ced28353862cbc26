//! Random documents and variables, executed.

use axum::http::StatusCode;
use seedwork_runtime::fuzz::Fuzz;
use serde_json::{Value, json};

use crate::support::{Bff, completed, running};

fn seeds() -> Vec<String> {
    let pay = "mutation($p: RealizarPagoInput!) { realizarPago(pago: $p) { mensaje codigo idCorrelacion } }";
    let all = "query Q($c: String, $n: Int! = 5) { pagos(idCliente: $c, limite: $n, desde: \"2026-11-24T18:00:00Z\") \
               { pagos { ...P } cursor } } fragment P on Pago { monto montoTexto pasos { nombre motivo } inicio }";
    [
        json!({"query": "{ pago(idCorrelacion: \"p-1\") { fase secuencia pasos { nombre estado } terminado } }"}),
        json!({"query": all, "variables": {"c": "c-1", "n": 3}, "operationName": "Q"}),
        json!({"query": pay, "variables": {"p": {"medioPago": "PSE", "idCliente": "c-1", "monto": 24.10}}}),
        json!({"query": "{ a: pago(idCorrelacion: \"p-2\") { x: monto } __typename __schema { queryType { name } } }"}),
        json!({"query": "subscription { eventosPago(idCorrelacion: \"p-1\") { fase } }"}),
        json!({"query": "{ clientes(limite: 2) { id nombre } }"}),
    ]
    .map(|request| request.to_string())
    .to_vec()
}

#[tokio::test]
async fn requests() {
    let bff = Bff::told(&["--rate-per-second", "1000000", "--rate-burst", "1000000"]).await;
    bff.tell(&running("p-1", 1)).await;
    bff.tell(&completed("p-2", 9)).await;
    let mut fuzz = Fuzz::new("graphql-requests", &seeds());
    while let Some(body) = fuzz.next_input() {
        let answer = bff.post(&[], body).await;
        if answer.status != StatusCode::OK {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
            fuzz.refused(&answer.text());
            continue;
        }
        let answer = answer.json();
        match answer["errors"].as_array() {
            None => {
                assert!(answer["data"].is_object(), "{answer}");
                fuzz.accepted();
            }
            Some(errors) => {
                let code = |error: &Value| error["extensions"]["code"].as_str().unwrap_or_default().to_owned();
                for error in errors {
                    let code = code(error);
                    assert!(!code.is_empty() && code != "INTERNAL_SERVER_ERROR", "{error}");
                }
                fuzz.refused(errors[0]["message"].as_str().unwrap());
            }
        }
    }
}
