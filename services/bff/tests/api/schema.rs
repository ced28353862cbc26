//! The schema: the original's, additions only, and how much one may ask of it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::Bff;

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let served = bff::sdl();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, served,
        "run `UPDATE=1 cargo test -p bff` and look at what changed"
    );
}

/// The fields of one definition in the schema, without their descriptions.
fn definition(sdl: &str, name: &str) -> Vec<String> {
    let lines = sdl
        .lines()
        .skip_while(|line| !line.starts_with(name))
        .skip(1)
        .take_while(|line| *line != "}");
    let mut described = false;
    let field = |line: &str| {
        let quotes = line.trim() == "\"\"\"";
        described ^= quotes;
        (!quotes && !described).then(|| line.trim().to_owned())
    };
    lines.filter_map(field).collect()
}

#[test]
fn nothing_of_the_original_schema_is_missing_or_changed() {
    let sdl = bff::sdl();
    let original = [
        (
            "input RealizarPagoInput {",
            vec!["medioPago: String!", "idCliente: String!", "monto: Float!"],
        ),
        ("type ClienteRespuesta {", vec!["mensaje: String!", "codigo: Int!"]),
        (
            "type Cliente {",
            vec![
                "id: String!",
                "fechaCreacion: DateTime!",
                "fechaActualizacion: DateTime!",
                "nombre: String!",
                "correo: String!",
                "contrasena: String!",
                "estadoPlan: String!",
                "idDesdeBD: String!",
            ],
        ),
        (
            "type Mutation {",
            vec!["realizarPago(pago: RealizarPagoInput!): ClienteRespuesta!"],
        ),
        (
            "type Subscription {",
            vec!["eventosClientes(idCorrelacion: String!): Cliente!"],
        ),
    ];
    for (name, fields) in original {
        let served = definition(&sdl, name);
        for field in fields {
            assert!(
                served.iter().any(|line| line == field),
                "{name} lacks {field}: {served:?}"
            );
        }
    }
    assert_eq!(
        definition(&sdl, "input RealizarPagoInput {").len(),
        3,
        "a new field would break old clients"
    );
    assert!(
        definition(&sdl, "type Query {")
            .iter()
            .any(|line| line.starts_with("clientes(") && line.ends_with(": [Cliente!]!"))
    );
    assert!(sdl.contains("scalar DateTime"));
}

/// The introspection query that GraphQL tools send.
fn introspection() -> String {
    let mut type_ref = "kind name".to_owned();
    for _ in 0..9 {
        type_ref = format!("kind name ofType {{ {type_ref} }}");
    }
    let mut query = "query IntrospectionQuery { __schema { queryType { name kind } mutationType { name kind }
        subscriptionType { name kind } types { ...FullType }
        directives { name description locations args(includeDeprecated: true) { ...InputValue } } } }
      fragment FullType on __Type { kind name description
        fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue }
          type { ...TypeRef } isDeprecated deprecationReason }
        inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
        possibleTypes { ...TypeRef } }
      fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated
        deprecationReason }"
        .to_owned();
    write!(query, " fragment TypeRef on __Type {{ {type_ref} }}").unwrap();
    query
}

#[tokio::test]
async fn the_introspection_of_graphql_tools_is_answered() {
    let bff = Bff::start().await;
    let answer = bff.graphql(&introspection()).await;
    assert_eq!(answer["errors"], Value::Null);
    assert_eq!(answer["data"]["__schema"]["subscriptionType"]["name"], "Subscription");
}

#[tokio::test]
async fn a_query_that_asks_too_much_is_refused() {
    let bff = Bff::start().await;
    let deep = format!(
        "{{ __schema {{ types {}{}{} }} }}",
        "{ ofType ".repeat(15),
        "{ name }",
        " }".repeat(15)
    );
    assert_eq!(
        bff.graphql(&deep).await["errors"][0]["message"],
        "Query is nested too deep."
    );
    let mut wide = "{".to_owned();
    for n in 0..251 {
        write!(wide, " a{n}: pago(idCorrelacion: \"x\") {{ fase }}").unwrap();
    }
    wide.push_str(" }");
    assert_eq!(
        bff.graphql(&wide).await["errors"][0]["message"],
        "Query is too complex."
    );
}
