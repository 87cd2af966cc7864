//! A cursor into a document: engines report what they find wrong through it, at the right line and column.

use std::fmt::{self, Write as _};

use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::document::Document;
use crate::nearest::nearest;
use crate::tree::{Node, Span, Value};

/// A key of a document, present or not, and the report to write to.
///
/// Where the key is absent, findings point at the nearest table around it that is there.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    report: &'a Report,
    origin: Origin<'a>,
    path: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Origin<'a> {
    Document {
        document: &'a Document,
        /// The value, where it is there.
        node: Option<&'a Node>,
        /// The value's span, or the span of what stands around it.
        span: Span,
        /// The span of the key, for findings about the name itself.
        key_span: Option<Span>,
    },
    /// No text behind it: configuration that was built by a program.
    Nowhere(&'a str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A line and column of a named file, for messages that mention a second place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file as shown to people.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl<'a> Place<'a> {
    pub(crate) fn root(document: &'a Document, report: &'a Report) -> Self {
        let origin =
            Origin::Document { document, node: Some(&document.root), span: document.root.span.clone(), key_span: None };
        Self { report, origin, path: Vec::new() }
    }

    /// A place without a text behind it, for configuration that a program built. `name` stands in for the file.
    pub fn nowhere(name: &'a str, report: &'a Report) -> Self {
        Self { report, origin: Origin::Nowhere(name), path: Vec::new() }
    }

    /// The place of `key` in the table at this place.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let entry = self.node().and_then(|node| node.get(key));
        let found = entry.map(|entry| (&entry.node, Some(entry.key_span.clone())));
        self.step(Step::Key(key.to_owned()), found)
    }

    /// The place of the item `index`, from 0, of the array at this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let found = self.node().and_then(|node| node.item(index)).map(|item| (item, None));
        self.step(Step::Index(index), found)
    }

    /// True if the key is present.
    pub fn exists(&self) -> bool {
        self.node().is_some()
    }

    /// The keys of the table at this place, in the order of the file.
    pub fn keys(&self) -> Vec<&'a str> {
        match self.node().map(|node| &node.value) {
            Some(Value::Table(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// The places of the items of the array at this place.
    pub fn items(&self) -> Vec<Self> {
        match self.node().map(|node| &node.value) {
            Some(Value::Array(items)) => (0..items.len()).map(|index| self.index(index)).collect(),
            _ => Vec::new(),
        }
    }

    /// The string at this place.
    pub fn text(&self) -> Option<&'a str> {
        match self.node().map(|node| &node.value) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The key path, such as `route[3].match.path`.
    pub fn path(&self) -> String {
        render(&self.path)
    }

    /// Where this stands, for a message about another place.
    pub fn location(&self) -> Location {
        match &self.origin {
            Origin::Document { document, span, key_span, .. } => locate(document, key_span.as_ref().unwrap_or(span)),
            Origin::Nowhere(name) => Location { file: (*name).to_owned(), line: 0, column: 0 },
        }
    }

    /// The report that this place writes to.
    pub fn report(&self) -> &'a Report {
        self.report
    }

    /// Reports an error at the value.
    pub fn error(&self, message: impl Into<String>) {
        self.push(Severity::Error, false, message.into(), None);
    }

    /// Reports an error at the value, with advice.
    pub fn error_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Error, false, message.into(), Some(help.into()));
    }

    /// Reports an error at the key rather than at its value.
    pub fn error_at_key(&self, message: impl Into<String>, help: Option<String>) {
        self.push(Severity::Error, true, message.into(), help);
    }

    /// Reports a warning at the key rather than at its value, with advice.
    pub fn warn_at_key(&self, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Warning, true, message.into(), Some(help.into()));
    }

    /// Reports a warning at the value, with advice.
    pub fn warn(&self, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Warning, false, message.into(), Some(help.into()));
    }

    /// Reports a reference to a name that does not exist, with the nearest that does.
    ///
    /// `what` is the kind of thing named, such as `upstream`. Silent if the name was [excused](Report::excuse).
    pub fn unknown_name<'n>(&self, what: &str, given: &str, known: impl Iterator<Item = &'n str>) {
        let excused = self.report.excused();
        if excused.contains(given) {
            return;
        }
        let known: Vec<&str> = known.collect();
        let help = match nearest(given, known.iter().copied().chain(excused.iter().map(String::as_str))) {
            Some(near) => Some(format!("did you mean \"{near}\"?")),
            None if !known.is_empty() => Some(format!("defined: {}", listed(&known))),
            None => excused.is_empty().then(|| format!("no {what} is defined")),
        };
        self.push(Severity::Error, false, format!("unknown {what} \"{given}\""), help);
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.path
    }

    pub(crate) fn node(&self) -> Option<&'a Node> {
        match &self.origin {
            Origin::Document { node, .. } => *node,
            Origin::Nowhere(_) => None,
        }
    }

    fn step(&self, step: Step, found: Option<(&'a Node, Option<Span>)>) -> Self {
        let mut next = self.clone();
        next.path.push(step);
        if let Origin::Document { node, span, key_span, .. } = &mut next.origin {
            *node = found.as_ref().map(|(node, _)| *node);
            if let Some((node, key)) = found {
                *span = node.span.clone();
                *key_span = key;
            }
        }
        next
    }

    fn push(&self, severity: Severity, at_key: bool, message: String, help: Option<String>) {
        let path = self.path();
        self.report.push(match &self.origin {
            Origin::Nowhere(name) => Diagnostic { path, help, ..Diagnostic::about(severity, *name, message) },
            Origin::Document { document, span, key_span, .. } => {
                let span = key_span.as_ref().filter(|_| at_key).unwrap_or(span);
                diagnose(document, span, severity, path, message, help)
            }
        });
    }
}

/// A finding about `span` of one of the document's sources.
pub(crate) fn diagnose(
    document: &Document,
    span: &Span,
    severity: Severity,
    path: String,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    let Some(source) = document.sources.get(span.source) else {
        return Diagnostic { path, help, ..Diagnostic::about(severity, "configuration", message) };
    };
    let spot = source.spot(&span.bytes);
    Diagnostic {
        severity,
        file: source.name.clone(),
        line: spot.line,
        column: spot.column,
        end_column: spot.end_column,
        path,
        message,
        help,
        snippet: spot.snippet,
    }
}

fn locate(document: &Document, span: &Span) -> Location {
    document.sources.get(span.source).map_or_else(
        || Location { file: "configuration".to_owned(), line: 0, column: 0 },
        |source| {
            let spot = source.spot(&span.bytes);
            Location { file: source.name.clone(), line: spot.line, column: spot.column }
        },
    )
}

/// Names in quotes, at most twelve of them.
pub(crate) fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}

/// A path as TOML writes dotted keys, with items of arrays counted from 0.
pub(crate) fn render(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => {
                let _ = write!(text, "[{index}]");
            }
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                if bare {
                    text.push_str(key);
                } else {
                    let _ = write!(text, "{key:?}");
                }
            }
        }
    }
    text
}
