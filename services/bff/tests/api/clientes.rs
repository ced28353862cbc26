//! `clientes` and `cliente`: asked of gestión-clientes.

use seedwork::App;
use serde_json::{Value, json};

use crate::support::Bff;

fn ana() -> Value {
    json!({
        "id": "c-1", "nombre": "Ana", "apellidos": "Peña", "correo": "ana@example.com", "estadoPlan": "PAGADO",
        "fecha_creacion": "2026-11-24T18:00:00Z", "fecha_actualizacion": "2026-11-25T18:00:00Z",
    })
}

const FIELDS: &str = "{ id fechaCreacion fechaActualizacion nombre correo contrasena estadoPlan idDesdeBD }";

#[tokio::test]
async fn clients_are_told_with_every_field_of_the_original_and_never_a_password() {
    let bff = Bff::start().await;
    let mut stored = ana();
    stored["contrasena"] = json!("secreta");
    bff.sidecar.serve_page(
        App::GestionClientes,
        "/clientes/cliente-query?limite=100",
        200,
        &json!([stored]),
    );
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/c-1", 200, &ana());
    let expected = json!({
        "id": "c-1", "fechaCreacion": "2026-11-24T18:00:00Z", "fechaActualizacion": "2026-11-25T18:00:00Z",
        "nombre": "Ana", "correo": "ana@example.com", "contrasena": "", "estadoPlan": "PAGADO", "idDesdeBD": "c-1",
    });
    let all = bff.graphql(&format!("{{ clientes {FIELDS} }}")).await;
    assert_eq!(all, json!({"data": {"clientes": [expected]}}));
    let one = bff.graphql(&format!(r#"{{ cliente(id: "c-1") {FIELDS} }}"#)).await;
    assert_eq!(one, json!({"data": {"cliente": expected}}));
}

#[tokio::test]
async fn a_page_of_clients_is_asked_for_as_it_was_asked_of_us() {
    let bff = Bff::start().await;
    let path = "/clientes/cliente-query?limite=2&cursor=c%201%26x";
    bff.sidecar.serve_page(App::GestionClientes, path, 200, &json!([ana()]));
    let answer = bff.graphql(r#"{ clientes(limite: 2, cursor: "c 1&x") { id } }"#).await;
    assert_eq!(answer["data"]["clientes"], json!([{"id": "c-1"}]));
    let answer = bff.graphql("{ clientes(limite: 0) { id } }").await;
    assert_eq!(answer["errors"][0]["message"], "limite debe ser un número de 1 a 100");
}

#[tokio::test]
async fn a_client_that_does_not_exist_is_null_and_no_id_leads_elsewhere() {
    let bff = Bff::start().await;
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/", 200, &ana());
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/..", 200, &ana());
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/../cliente/c-1", 200, &ana());
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/malo", 400, &json!({}));
    for id in ["nadie", "", ".", "..", "../cliente/c-1", "malo"] {
        let query = "query($id: String!) { cliente(id: $id) { id } }";
        let answer = bff.graphql_with(query, &json!({"id": id}), None).await;
        assert_eq!(answer, json!({"data": {"cliente": null}}), "{id}");
    }
}

#[tokio::test]
async fn a_failure_over_there_is_a_graphql_error_in_spanish() {
    let bff = Bff::start().await;
    let unavailable = "gestión de clientes no responde; intente de nuevo";
    let unreadable = "gestión de clientes respondió algo que no se entiende";
    let mut dateless = ana();
    dateless["fecha_creacion"] = json!("ayer");
    for (status, body, message, code) in [
        (500, json!({"error": "SELECT secreto"}), unavailable, "UNAVAILABLE"),
        (503, json!({}), unavailable, "UNAVAILABLE"),
        (404, json!({}), unavailable, "UNAVAILABLE"),
        (200, json!({"no": "list"}), unreadable, "INTERNAL_SERVER_ERROR"),
        (200, json!([{"id": 7}]), unreadable, "INTERNAL_SERVER_ERROR"),
        (200, json!([dateless]), unreadable, "INTERNAL_SERVER_ERROR"),
        (
            400,
            json!({}),
            "cursor debe ser uno que haya respondido una lista",
            "BAD_USER_INPUT",
        ),
    ] {
        bff.sidecar.serve_page(
            App::GestionClientes,
            "/clientes/cliente-query?limite=100",
            status,
            &body,
        );
        let answer = bff.graphql("{ clientes { id } }").await;
        assert_eq!(answer["data"], Value::Null, "{status} {body}");
        assert_eq!(answer["errors"][0]["message"], message, "{status} {body}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{status} {body}");
        assert_eq!(answer["errors"][0]["path"], json!(["clientes"]));
    }
}
