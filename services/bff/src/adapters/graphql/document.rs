//! What can be said of a request before it is executed: how much it asks for, and of what kind it is.
//!
//! The library has limits of its own (depth, complexity), but finds them by walking every fragment wherever it is
//! spread, and fragments that spread each other twice double that walk each time. So a document is measured first, by a
//! walk that ends. Nor do they know how long a list may be; what is weighed here is the answer.

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Value, Variables};

use super::query::rows;

/// The operation that would be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its kind.
    pub(crate) kind: OperationType,
    /// How many fields it has at its root, without what every schema has (`__typename`): how many changes a mutation makes.
    pub(crate) fields: u32,
}

/// Why a document is not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("la consulta es demasiado grande: a lo sumo {SELECTIONS} campos, con los de sus fragmentos")]
    Selections,
    #[error("la consulta usa demasiados alias: a lo sumo {ALIASES}")]
    Aliases,
    #[error("la consulta pide demasiadas veces el mismo campo: a lo sumo {SAME_FIELD}")]
    SameField,
    #[error("la consulta pide demasiados datos: a lo sumo {VALUES}, contados en cada fila de sus listas")]
    Values,
    #[error("la introspección está desactivada")]
    Introspection,
}

/// How many fields and fragments, each counted wherever it is spread. The introspection of the tools needs 300.
const SELECTIONS: usize = 2_000;

/// How many fields may be given another name: an alias is how one request asks for a thing many times.
const ALIASES: usize = 30;

/// How often one selection may name the same field.
const SAME_FIELD: usize = 15;

/// How many values may be asked for, each as often as its list may have rows. A page of 100 payments with all there is of them
/// has 2,201.
const VALUES: usize = 5_000;

/// The operation of this name, or the only one; `None` if there is no such operation.
pub(crate) fn operation(document: &ExecutableDocument, name: Option<&str>) -> Option<Operation> {
    let OperationDefinition { ty, selection_set, .. } = definition(document, name)?;
    Some(Operation {
        kind: *ty,
        fields: fields(document, &selection_set.node),
    })
}

fn definition<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    match &document.operations {
        DocumentOperations::Single(definition) => Some(&definition.node),
        DocumentOperations::Multiple(definitions) => Some(&definitions.get(name?)?.node),
    }
}

/// Measures a document: all of its operations, since all are looked at before one is executed.
pub(crate) fn measure(document: &ExecutableDocument, introspection: bool) -> Result<(), TooMuch> {
    let (mut selections, mut aliases) = (0, 0);
    let mut todo: Vec<&SelectionSet> = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node)
        .collect();
    while let Some(set) = todo.pop() {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for selection in &set.items {
            selections += 1;
            if selections > SELECTIONS {
                return Err(TooMuch::Selections);
            }
            todo.extend(within(document, &selection.node));
            let Selection::Field(field) = &selection.node else {
                continue;
            };
            let name = field.node.name.node.as_str();
            if !introspection && matches!(name, "__schema" | "__type") {
                return Err(TooMuch::Introspection);
            }
            aliases += usize::from(field.node.alias.is_some());
            let same = by_name.entry(name).or_default();
            *same += 1;
            if *same > SAME_FIELD {
                return Err(TooMuch::SameField);
            }
            if aliases > ALIASES {
                return Err(TooMuch::Aliases);
            }
        }
    }
    Ok(())
}

/// Weighs what an operation asks for. Its document has been measured, so that this walk ends, too.
pub(crate) fn weigh(document: &ExecutableDocument, name: Option<&str>, variables: &Variables) -> Result<(), TooMuch> {
    let Some(operation) = definition(document, name) else {
        return Ok(());
    };
    let mut values = 0_usize;
    // Beside each selection but the root's, how often it may be answered: lists of which one says how long they may be stand at
    // the root alone.
    let mut todo = vec![(&operation.selection_set.node, None::<usize>)];
    while let Some((set, times)) = todo.pop() {
        for selection in &set.items {
            let below = match &selection.node {
                Selection::Field(field) => {
                    values += times.unwrap_or(1);
                    let told = || limite(&field.node, operation, variables);
                    Some(times.unwrap_or_else(|| rows(field.node.name.node.as_str(), told())))
                }
                Selection::FragmentSpread(_) | Selection::InlineFragment(_) => times,
            };
            todo.extend(within(document, &selection.node).map(|set| (set, below)));
        }
    }
    if values > VALUES { Err(TooMuch::Values) } else { Ok(()) }
}

/// What a field is told of how many rows it may have.
fn limite(field: &Field, operation: &OperationDefinition, variables: &Variables) -> Option<i32> {
    let told = field.get_argument("limite")?.node.clone();
    let told = told.into_const_with(|name| {
        let default = || {
            let mut definitions = operation.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == name)?;
            Some(definition.node.default_value.as_ref()?.node.clone())
        };
        variables.get(&name).cloned().or_else(default).ok_or(())
    });
    let Ok(Value::Number(told)) = told else {
        return None;
    };
    told.as_i64().and_then(|told| i32::try_from(told).ok())
}

/// The fields of a selection, those of its fragments counted where they are spread.
fn fields(document: &ExecutableDocument, set: &SelectionSet) -> u32 {
    let (mut fields, mut selections) = (0, 0);
    let mut todo = vec![set];
    while let Some(set) = todo.pop() {
        for selection in &set.items {
            selections += 1;
            if selections > SELECTIONS {
                return fields; // refused by `measure`
            }
            match &selection.node {
                Selection::Field(field) if field.node.name.node.as_str().starts_with("__") => {}
                Selection::Field(_) => fields += 1,
                selection @ (Selection::FragmentSpread(_) | Selection::InlineFragment(_)) => {
                    todo.extend(within(document, selection));
                }
            }
        }
    }
    fields
}

fn within<'d>(document: &'d ExecutableDocument, selection: &'d Selection) -> Option<&'d SelectionSet> {
    match selection {
        Selection::Field(field) => Some(&field.node.selection_set.node),
        Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node)?;
            Some(&fragment.node.selection_set.node)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn measured(query: &str) -> Result<(), TooMuch> {
        measure(&parse_query(query).unwrap(), true)
    }

    fn repeated(count: usize, write: impl Fn(usize) -> String) -> String {
        (0..count).map(write).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_document_is_measured_with_what_its_fragments_bring() {
        let aliases = |count| format!("{{ {} }}", repeated(count, |n| format!("a{n}: f{n}")));
        assert_eq!(measured(&aliases(30)), Ok(()));
        assert_eq!(measured(&aliases(31)), Err(TooMuch::Aliases));
        let same = |count| format!("{{ {} }}", repeated(count, |n| format!("a{n}: pago(n: {n})")));
        assert_eq!(measured(&same(15)), Ok(()));
        assert_eq!(measured(&same(16)), Err(TooMuch::SameField));
        let spread = |count| {
            let ten = repeated(10, |n| format!("a{n}: f{n}"));
            format!("{{ {} }} fragment F on Query {{ {ten} }}", "...F ".repeat(count))
        };
        assert_eq!(measured(&spread(3)), Ok(()));
        assert_eq!(measured(&spread(4)), Err(TooMuch::Aliases));
        let apart = format!("query A {} query B {}", aliases(20), aliases(20));
        assert_eq!(measured(&apart), Err(TooMuch::Aliases), "all operations together");
    }

    #[test]
    fn fragments_that_double_each_other_do_not_double_the_walk() {
        let mut bomb = "{ ...F0 }".to_owned();
        for n in 0..60 {
            write!(
                bomb,
                " fragment F{n} on Query {{ ...F{next} ...F{next} }}",
                next = n + 1
            )
            .unwrap();
        }
        bomb.push_str(" fragment F60 on Query { a }");
        assert_eq!(measured(&bomb), Err(TooMuch::Selections));
        assert_eq!(
            measured("{ ...F } fragment F on Query { ...F }"),
            Err(TooMuch::Selections)
        );
        assert_eq!(measured("{ ...Nada ... on Query { a } }"), Ok(()));
    }

    #[test]
    fn an_answer_weighs_what_its_lists_may_have() {
        let fields = |count| repeated(count, |n| format!("f{n}"));
        let weighed = |query: &str, name: Option<&str>, variables: serde_json::Value| {
            weigh(&parse_query(query).unwrap(), name, &Variables::from_json(variables))
        };
        let most = |query: &dyn Fn(usize) -> String, variables: &serde_json::Value, most: usize| {
            let shown = query(most);
            assert_eq!(weighed(&shown, None, variables.clone()), Ok(()), "{shown}");
            let weighed = weighed(&query(most + 1), None, variables.clone());
            assert_eq!(weighed, Err(TooMuch::Values), "{shown}");
        };
        // One for the list, 49 for each row, and the rest is its neighbours.
        let below = format!("{{ pagos {{ {} }} }}", fields(48));
        let (none, three) = (json!({}), json!({"n": 3}));
        for (list, variables, rows) in [
            ("pagos(limite: 100)", &none, 100),
            ("pagos(limite: 3)", &none, 3),
            ("pagos", &none, 20),
            ("clientes", &none, 100),
            ("pago", &none, 1),
            ("pago(limite: 3)", &none, 1),
            ("pagos(limite: $n)", &three, 3),
            ("pagos(limite: $n)", &none, 7),
            // Refused when they are asked for.
            ("pagos(limite: 1000000)", &none, 100),
            ("pagos(limite: -1)", &none, 1),
            ("pagos(limite: $m)", &three, 20),
        ] {
            let query = |more: usize| format!("query($n: Int! = 7) {{ x: {list} {below} {} }}", fields(more));
            most(&query, variables, VALUES - 1 - 49 * rows);
        }
        let spread = |more: usize| {
            let fragments = format!("fragment Q on Query {{ pagos(limite: 100) {{ ...P }} }} fragment P on P {below}");
            format!("{{ ...Q {} }} {fragments}", fields(more))
        };
        most(&spread, &none, VALUES - 1 - 49 * 100);
        let two = format!("query A {{ a }} query B {{ pagos(limite: 100) {{ {} }} }}", fields(50));
        assert_eq!(weighed(&two, Some("A"), json!({})), Ok(()), "what is not executed");
        assert_eq!(weighed(&two, Some("B"), json!({})), Err(TooMuch::Values));
        assert_eq!(weighed(&two, None, json!({})), Ok(()), "nothing is executed");
    }

    #[test]
    fn the_schema_may_be_asked_for_where_it_is_open() {
        for query in [
            "{ __schema { a } }",
            "{ x: __type(name: \"Q\") { a } }",
            "{ ...F } fragment F on Query { __schema { a } }",
        ] {
            let document = parse_query(query).unwrap();
            assert_eq!(measure(&document, true), Ok(()), "{query}");
            assert_eq!(measure(&document, false), Err(TooMuch::Introspection), "{query}");
        }
        assert_eq!(measure(&parse_query("{ __typename }").unwrap(), false), Ok(()));
    }

    #[test]
    fn an_operation_is_known_by_its_kind_and_how_much_it_does() {
        let two = "query Q { a b } mutation M { a ...F ... on Mutation { d } } fragment F on Mutation { b c { e } }";
        let document = parse_query(two).unwrap();
        let known = |name| operation(&document, name).map(|operation| (operation.kind, operation.fields));
        assert_eq!(known(Some("Q")), Some((OperationType::Query, 2)));
        assert_eq!(known(Some("M")), Some((OperationType::Mutation, 4)));
        assert_eq!(known(None), None);
        assert_eq!(known(Some("X")), None);
        let one = parse_query("mutation { __typename ...F } fragment F on Mutation { t: __typename a }").unwrap();
        assert_eq!(operation(&one, None).map(|operation| operation.fields), Some(1));
    }
}
