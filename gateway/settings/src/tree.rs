//! The spanned tree that a TOML document and its environment overrides become.
//!
//! Owned, and apart from the parser's own types, because a tree may hold values from several sources: the file, and
//! any environment variables laid over it.

use std::ops::Range;

/// Bytes of one of a document's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index into the document's sources.
    pub(crate) source: usize,
    pub(crate) bytes: Range<usize>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A key of a table and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Table(Vec<Entry>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(toml::value::Datetime),
}

impl Value {
    /// The kind with its article, as messages name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Array(_) => "an array",
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
        }
    }
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    pub(crate) fn item(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::Array(items) => items.get(index),
            _ => None,
        }
    }

    /// The same value without spans, for serde.
    pub(crate) fn plain(&self) -> toml::Value {
        match &self.value {
            Value::Table(entries) => {
                toml::Value::Table(entries.iter().map(|entry| (entry.key.clone(), entry.node.plain())).collect())
            }
            Value::Array(items) => toml::Value::Array(items.iter().map(Self::plain).collect()),
            Value::String(text) => toml::Value::String(text.clone()),
            Value::Integer(number) => toml::Value::Integer(*number),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Boolean(truth) => toml::Value::Boolean(*truth),
            Value::Datetime(date) => toml::Value::Datetime(*date),
        }
    }
}
