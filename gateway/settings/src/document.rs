//! A parsed TOML document: its spanned tree and the sources that the spans point into.

use std::ops::Range;

use toml::de::{DeInteger, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::place::Place;
use crate::source::Source;
use crate::tree::{Entry, Node, Span, Value};

/// A TOML document with the place of every key and value.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file first, then one source for each environment variable laid over it.
    pub(crate) sources: Vec<Source>,
    pub(crate) root: Node,
}

impl Document {
    /// Parses TOML; every syntax error is reported with its place.
    pub fn parse(source: Source, report: &Report) -> Option<Self> {
        let text = source.text.clone();
        let (table, errors) = DeTable::parse_recoverable(&text);
        let mut reader = Reader { source: &source, index: 0, report, errors: errors.len() };
        for error in &errors {
            reader.syntax(&error.span().unwrap_or(0..0), error.message());
        }
        let span = Span { source: 0, bytes: 0..0 };
        let root = Node { span, value: reader.table(table.into_inner()) };
        (reader.errors == 0).then(|| Self { sources: vec![source], root })
    }

    /// The source that the document was parsed from.
    pub fn source(&self) -> Option<&Source> {
        self.sources.first()
    }

    /// The place of the document's top level.
    pub fn root<'a>(&'a self, report: &'a Report) -> Place<'a> {
        Place::root(self, report)
    }
}

/// Parses one value as it could stand right of `=`; used for environment overrides. Its spans mean nothing.
pub(crate) fn parse_value(text: &str, source: &Source, index: usize) -> Option<Node> {
    let (value, errors) = DeValue::parse_recoverable(text);
    if !errors.is_empty() {
        return None;
    }
    let scratch = Report::new();
    let mut reader = Reader { source, index, report: &scratch, errors: 0 };
    let span = value.span();
    let node = reader.node(value.into_inner(), span);
    (reader.errors == 0).then_some(node)
}

/// Turns the parser's tree into ours. Its recursion is bounded by the parser's own limit on nesting (80 levels).
struct Reader<'a> {
    source: &'a Source,
    index: usize,
    report: &'a Report,
    errors: usize,
}

impl Reader<'_> {
    fn syntax(&self, span: &Range<usize>, message: &str) {
        let spot = self.source.spot(span);
        self.report.push(Diagnostic {
            severity: Severity::Error,
            file: self.source.name.clone(),
            line: spot.line,
            column: spot.column,
            end_column: spot.end_column,
            path: String::new(),
            message: format!("not valid TOML: {message}"),
            help: None,
            snippet: spot.snippet,
        });
    }

    fn table(&mut self, table: DeTable<'_>) -> Value {
        let mut entries: Vec<Entry> = table
            .into_iter()
            .map(|(key, value)| {
                let key_span = Span { source: self.index, bytes: key.span() };
                let span = value.span();
                let node = self.node(value.into_inner(), span);
                Entry { key: key.into_inner().into_owned(), key_span, node }
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.bytes.start);
        Value::Table(entries)
    }

    fn node(&mut self, value: DeValue<'_>, span: Range<usize>) -> Node {
        let value = match value {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(number) => Value::Integer(self.integer(&number, &span)),
            DeValue::Float(number) => Value::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(truth) => Value::Boolean(truth),
            DeValue::Datetime(date) => Value::Datetime(date),
            DeValue::Array(items) => Value::Array(
                items
                    .into_iter()
                    .map(|item| {
                        let span = item.span();
                        self.node(item.into_inner(), span)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => self.table(table),
        };
        Node { span: Span { source: self.index, bytes: span }, value }
    }

    fn integer(&mut self, number: &DeInteger<'_>, span: &Range<usize>) -> i64 {
        i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_else(|_| {
            self.errors += 1;
            self.syntax(span, &format!("the integer {} does not fit into 64 bits", number.as_str()));
            0
        })
    }
}
