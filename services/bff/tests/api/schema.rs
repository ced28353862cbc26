//! The schema: the original's, additions only, and how much one may ask of it.

use std::fmt::Write as _;
use std::path::Path;

use seedwork_runtime::auth::issuer::Issuer;
use serde_json::{Value, json};

use crate::support::{Bff, running};

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

/// All there is of a payment.
const PAGO: &str = "idCorrelacion fase secuencia idCliente monto montoTexto moneda medioPago step motivo mensaje
    inicio fin traceId terminado pasos { nombre estado motivo mensaje }";

#[tokio::test]
async fn whole_pages_are_told_some_at_a_time() {
    let bff = Bff::start().await;
    bff.tell(&running("p-1", 1)).await;
    let asked = async |pages: usize, limite: &str, variables: Value| {
        // A variable that is declared must be used.
        let declared = limite.find('$').map_or("", |_| "($n: Int! = 5)");
        let mut query = format!("query{declared} {{");
        for n in 0..pages {
            write!(query, " a{n}: pagos{limite} {{ pagos {{ {PAGO} }} cursor }}").unwrap();
        }
        query.push_str(" }");
        bff.graphql_with(&query, &variables, None).await
    };
    for (pages, limite, variables) in [
        (1, "(limite: 100)", Value::Null),
        (2, "(limite: 100)", Value::Null),
        (11, "", Value::Null),
        (15, "(limite: $n)", json!({"n": 5})),
        (15, "(limite: $n)", Value::Null),
    ] {
        let answer = asked(pages, limite, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{pages} {limite}");
        assert_eq!(answer["data"]["a0"]["pagos"][0]["idCorrelacion"], "p-1");
    }
    for (pages, limite, variables) in [
        (3, "(limite: 100)", Value::Null),
        (12, "", Value::Null),
        (3, "(limite: $n)", json!({"n": 100})),
    ] {
        let answer = asked(pages, limite, variables).await;
        let error = &answer["errors"][0];
        let sentence = "la consulta pide demasiados datos: a lo sumo 5000, contados en cada fila de sus listas";
        assert_eq!(error["message"], sentence, "{pages} {limite}");
        assert_eq!(error["extensions"]["code"], "QUERY_TOO_LARGE");
        assert_eq!(answer["data"], Value::Null);
    }
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
    // What is asked for as often as it may be, and of each of these all there is, several times.
    let mut wide = "{".to_owned();
    for n in 0..15 {
        write!(wide, " a{n}: pago(idCorrelacion: \"x\") {{ {PAGO} {PAGO} }}").unwrap();
    }
    wide.push_str(" }");
    let mut aliases = "{".to_owned();
    for n in 0..251 {
        write!(aliases, " a{n}: pago(idCorrelacion: \"x\") {{ fase }}").unwrap();
    }
    aliases.push_str(" }");
    let mut bomb = "{ ...F0 }".to_owned();
    for n in 0..40 {
        write!(
            bomb,
            " fragment F{n} on Query {{ ...F{next} ...F{next} }}",
            next = n + 1
        )
        .unwrap();
    }
    bomb.push_str(" fragment F40 on Query { __typename }");
    for (query, message, code) in [
        (wide, "Query is too complex.", "GRAPHQL_VALIDATION_FAILED"),
        (
            aliases,
            "la consulta pide demasiadas veces el mismo campo: a lo sumo 15",
            "QUERY_TOO_LARGE",
        ),
        (
            bomb,
            "la consulta es demasiado grande: a lo sumo 2000 campos, con los de sus fragmentos",
            "QUERY_TOO_LARGE",
        ),
        ("{ nada }".to_owned(), "", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{ pago(idCorrelacion: 7) { fase } }".to_owned(),
            "",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("{".to_owned(), "", "GRAPHQL_PARSE_FAILED"),
    ] {
        let answer = bff.graphql(&query).await;
        let error = &answer["errors"][0];
        assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
        assert_eq!(error["extensions"]["code"], code, "{error}");
        assert_eq!(answer["data"], Value::Null);
    }
}

#[tokio::test]
async fn where_the_schema_is_not_to_be_asked_for_it_is_not_told() {
    let closed = Bff::told(&["--introspection", "off", "--graphiql", "off"]).await;
    for query in [
        "{ __schema { types { name } } }",
        "{ __type(name: \"Query\") { name } }",
    ] {
        let answer = closed.graphql(query).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "INTROSPECTION_DISABLED",
            "{query}"
        );
        assert_eq!(answer["data"], Value::Null);
    }
    assert_eq!(closed.graphql("{ __typename }").await["data"]["__typename"], "Query");
    let page = closed.get("/v1").await;
    assert_eq!(
        (page.status.as_u16(), page.text().as_str()),
        (400, "No GraphQL query found in the request")
    );
    let page = Bff::told(&["--introspection", "off"]).await.get("/v1").await;
    assert!(page.text().contains("GraphiQL") && !page.text().contains("input RealizarPagoInput"));
    // Where callers must say who they are, both are off unless told.
    let issuer = Issuer::new("k-1");
    let judging = Bff::judging(&issuer, &[]).await;
    let olga = issuer.operador("olga");
    let answer = judging
        .graphql_as(&olga, "{ __schema { types { name } } }", &Value::Null)
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTROSPECTION_DISABLED");
    assert_eq!(judging.get("/v1").await.status.as_u16(), 400);
    let open = Bff::judging(&issuer, &["--introspection", "on", "--graphiql", "on"]).await;
    assert_eq!(open.get("/v1").await.status.as_u16(), 200);
    let answer = open.graphql_as(&olga, &introspection(), &Value::Null).await;
    assert_eq!(answer["errors"], Value::Null);
}
