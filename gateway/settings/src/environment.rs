//! Environment variables laid over a document: `RAMPART__LISTENER__MAIN__ADDRESS=0.0.0.0:80`.
//!
//! Operators name every key of the configuration file this way, so that one image serves many places. The names of
//! the operator's own tables count too: `RAMPART__UPSTREAM__AGENTS__ADDRESSES=["http://10.0.0.7:9000"]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;

use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::document::{Document, parse_value};
use crate::read::schema_of;
use crate::schema::{Property, Schema};
use crate::source::Source;
use crate::structure::may_hold;
use crate::tree::{Entry, Node, Span, Value};

/// What the names of overriding variables begin with.
pub const ENVIRONMENT_PREFIX: &str = "RAMPART__";

/// Lays the variables that begin with [`ENVIRONMENT_PREFIX`] over the document, before it is read as a `T`.
///
/// Keys are parted by two underscores; letter case, and `-` against `_`, do not matter. A value is read as TOML where
/// that gives what the key wants, and is a string otherwise. A table given as a value replaces the file's whole table.
/// An unknown key is reported by [`crate::read`], at the variable. Findings show the name, never the value: it may be
/// a secret.
pub fn overlay<T: JsonSchema>(
    document: &mut Document,
    variables: impl IntoIterator<Item = (String, String)>,
    report: &Report,
) {
    let schema = schema_of::<T>();
    let mut by_key: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (name, value) in variables {
        let Some(keys) = name.get(..ENVIRONMENT_PREFIX.len()).filter(|start| *start == ENVIRONMENT_PREFIX) else {
            continue;
        };
        let folded = fold(name.get(keys.len()..).unwrap_or_default());
        if let Some((other, _)) = by_key.get(&folded) {
            let message = format!("{name} and {other} name the same key");
            report.push(Diagnostic::about(Severity::Error, "environment", message).with_help("unset one of them"));
            continue;
        }
        by_key.insert(folded, (name, value));
    }
    for (name, value) in by_key.into_values() {
        let source = Source { name: "environment".to_owned(), text: Arc::from(name.as_str()) };
        document.sources.push(source.clone());
        let variable = Variable { name: &name, value: &value, source: &source, index: document.sources.len() - 1 };
        if let Err(message) = variable.lay(&mut document.root, Schema::root(&schema)) {
            report.push(Diagnostic::about(Severity::Error, "environment", format!("{name}: {message}")));
        }
    }
}

struct Variable<'v> {
    name: &'v str,
    value: &'v str,
    source: &'v Source,
    index: usize,
}

impl Variable<'_> {
    fn lay(&self, root: &mut Node, schema: Schema<'_>) -> Result<(), String> {
        let mut node = root;
        let mut known = Some(schema);
        let mut start = ENVIRONMENT_PREFIX.len();
        let mut parts = self.name.get(start..).unwrap_or_default().split("__").peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() {
                return Err("a key between the double underscores is empty".to_owned());
            }
            let span = Span { source: self.index, bytes: start..start + part.len() };
            start += part.len() + "__".len();
            let key = spelled(node, known, part);
            known = known.and_then(|schema| inner(schema, &key));
            let kind = node.value.kind();
            let Value::Table(entries) = &mut node.value else {
                return Err(format!("\"{part}\" is a key inside {kind}, not inside a table"));
            };
            let last = parts.peek().is_none();
            let at = entries.iter().position(|entry| entry.key == key);
            let place = if last {
                let entry = Entry { key, key_span: span, node: self.read(known) };
                put(entries, at, entry)
            } else if let Some(at) = at {
                at
            } else {
                let table = Node { span: span.clone(), value: Value::Table(Vec::new()) };
                put(entries, None, Entry { key, key_span: span, node: table })
            };
            let Some(entry) = entries.get_mut(place) else { return Ok(()) };
            node = &mut entry.node;
        }
        Ok(())
    }

    /// The value: as TOML where that gives what is wanted, else as the string that it is.
    fn read(&self, wanted: Option<Schema<'_>>) -> Node {
        let span = Span { source: self.index, bytes: 0..self.name.len() };
        let fits = |node: &Node| wanted.is_none_or(|schema| may_hold(schema, &node.value));
        let mut node = parse_value(self.value, self.source, self.index)
            .filter(fits)
            .unwrap_or_else(|| Node { span: span.clone(), value: Value::String(self.value.to_owned()) });
        respan(&mut node, &span);
        node
    }
}

fn put(entries: &mut Vec<Entry>, at: Option<usize>, entry: Entry) -> usize {
    if let Some((at, old)) = at.and_then(|at| entries.get_mut(at).map(|old| (at, old))) {
        *old = entry;
        return at;
    }
    entries.push(entry);
    entries.len() - 1
}

/// Findings inside the value point at the variable's name.
fn respan(node: &mut Node, span: &Span) {
    node.span = span.clone();
    match &mut node.value {
        Value::Table(entries) => {
            for entry in entries {
                entry.key_span = span.clone();
                respan(&mut entry.node, span);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| respan(item, span)),
        _ => {}
    }
}

/// The key as the file or the schema spells it; lower case where neither has it.
fn spelled(node: &Node, schema: Option<Schema<'_>>, part: &str) -> String {
    let folded = fold(part);
    if let Value::Table(entries) = &node.value
        && let Some(entry) = entries.iter().find(|entry| fold(&entry.key) == folded)
    {
        return entry.key.clone();
    }
    let alternatives = schema.map(Schema::alternatives).unwrap_or_default();
    let named = alternatives.iter().flat_map(|one| one.keys()).find(|key| fold(key) == folded);
    named.map_or(folded, str::to_owned)
}

fn inner<'s>(schema: Schema<'s>, key: &str) -> Option<Schema<'s>> {
    schema.alternatives().into_iter().find_map(|one| match one.property(key) {
        Property::Named(inner) | Property::Open(inner) => Some(inner),
        Property::Anything | Property::Unknown => None,
    })
}

fn fold(key: &str) -> String {
    key.replace('-', "_").to_lowercase()
}
