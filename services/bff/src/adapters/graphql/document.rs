//! What can be said of a request before it is executed: how much it asks for, and of what kind it is.
//!
//! The library has limits of its own (depth, complexity), but finds them by walking every fragment wherever it is
//! spread, and fragments that spread each other twice double that walk each time. So a document is measured first, by a
//! walk that ends.

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};

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
    #[error("la introspección está desactivada")]
    Introspection,
}

/// How many fields and fragments, each counted wherever it is spread. The introspection of the tools needs 300.
const SELECTIONS: usize = 2_000;

/// How many fields may be given another name: an alias is how one request asks for a thing many times.
const ALIASES: usize = 30;

/// How often one selection may name the same field.
const SAME_FIELD: usize = 15;

/// The operation of this name, or the only one; `None` if there is no such operation.
pub(crate) fn operation(document: &ExecutableDocument, name: Option<&str>) -> Option<Operation> {
    let definition = match &document.operations {
        DocumentOperations::Single(definition) => definition,
        DocumentOperations::Multiple(definitions) => definitions.get(name?)?,
    };
    let OperationDefinition { ty, selection_set, .. } = &definition.node;
    Some(Operation {
        kind: *ty,
        fields: fields(document, &selection_set.node),
    })
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
