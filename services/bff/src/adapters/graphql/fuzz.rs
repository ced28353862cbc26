//! What anyone may send as a GraphQL document.

use async_graphql::Request;
use seedwork_runtime::fuzz::Fuzz;

use super::document::{measure, operation};
use crate::adapters::numbers::first_inexact;

const DOCUMENTS: [&str; 6] = [
    "{ pago(idCorrelacion: \"p-1\") { fase pasos { nombre } } }",
    "query Q($n: Int = 5) { pagos(limite: $n) { pagos { ...P } cursor } } fragment P on Pago { monto ... on Pago { fase } }",
    "mutation { realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c-1\", monto: 24.10}) { mensaje codigo } }",
    "query A { clientes { id } } mutation B { realizarPago(pago: {}) { codigo } }",
    "{ __schema { types { name fields { name } } } ...F } fragment F on Query { __typename @skip(if: true) }",
    "# a note\nsubscription { eventosPago(idCorrelacion: \"\"\"p \\\"\"\" 1\"\"\") { fase } }",
];

/// As many fields as [`measure`] lets through.
const FIELDS: u32 = 2_000;

#[test]
fn documents() {
    let mut fuzz = Fuzz::new("graphql-documents", &DOCUMENTS);
    while let Some(text) = fuzz.next_text() {
        let mut request = Request::new(text);
        let document = match request.parsed_query() {
            Ok(document) => document,
            Err(error) => {
                fuzz.refused(&error.message);
                continue;
            }
        };
        let (open, closed) = (measure(document, true), measure(document, false));
        let fields = operation(document, None).map_or(0, |operation| operation.fields);
        assert!(fields <= FIELDS, "the walk ends");
        assert!(open.is_ok() || closed.is_err(), "what is closed allows nothing more");
        match open {
            Ok(()) => fuzz.accepted(),
            Err(error) => fuzz.refused(&error.to_string()),
        }
    }
}

#[test]
fn numbers_in_documents() {
    let variables = r#"{"query": "{ a }", "variables": {"monto": 24.10, "n": [1, -2.5e3, "1.00000000000000000001"]}}"#;
    let seeds = DOCUMENTS.iter().chain([&variables]).copied().collect::<Vec<_>>();
    let mut fuzz = Fuzz::new("graphql-numbers", &seeds);
    while let Some(text) = fuzz.next_text() {
        match first_inexact(&text) {
            None => fuzz.accepted(),
            Some(number) => {
                assert!(text.contains(number));
                let digits = number.trim_start_matches(['-', '0', '.']);
                let digits = digits.split(['e', 'E']).next().unwrap_or_default();
                let digits = digits.bytes().filter(u8::is_ascii_digit).count();
                let whole = !number.contains(['e', 'E']);
                assert!(digits > 15 || !whole, "{number}: a double keeps 15 digits");
                fuzz.refused(&super::inexact(number).errors[0].message);
            }
        }
    }
}
