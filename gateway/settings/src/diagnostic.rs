//! What is wrong, where, and what to do about it; and the list that collects it.

use std::cell::{Ref, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// How grave a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// The configuration is used; something about it deserves a look.
    Warning,
}

/// One finding about the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file as shown to people, or `environment`.
    pub file: String,
    /// Line, from 1; 0 where the finding is about the file as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 where the finding is about the file as a whole.
    pub column: usize,
    /// The column after the last character that the finding is about.
    pub end_column: usize,
    /// The key, such as `route[3].match.path`; empty where there is none.
    pub path: String,
    /// What is wrong, with the offending text.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The source line.
    pub snippet: String,
}

impl Diagnostic {
    /// A finding about a whole file or directory rather than a place in one.
    pub fn about(severity: Severity, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            file: file.into(),
            line: 0,
            column: 0,
            end_column: 0,
            path: String::new(),
            message: message.into(),
            help: None,
            snippet: String::new(),
        }
    }

    /// The same finding with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    /// The form that people read; several lines, no colour, no trailing newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        if self.line == 0 {
            write!(f, "\n --> {}", self.file)?;
        } else {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
            if !self.path.is_empty() {
                write!(f, " ({})", self.path)?;
            }
            let shown = Cut::of(&self.snippet, self.column, self.end_column);
            write!(f, "\n{margin} |\n{number} | {}\n{margin} | {}", shown.text, shown.marks)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

/// The part of a source line that is shown, and the carets under it.
struct Cut {
    text: String,
    marks: String,
}

impl Cut {
    /// Characters of a line that are shown at most.
    const WIDTH: usize = 120;
    /// Characters kept before the marked text when a line is cut.
    const LEAD: usize = 40;

    fn of(line: &str, column: usize, end_column: usize) -> Self {
        let start = column.saturating_sub(1);
        let skipped = if start > Self::WIDTH - Self::LEAD { start - Self::LEAD } else { 0 };
        let mut text: String = if skipped > 0 { "...".to_owned() } else { String::new() };
        let mut marks = " ".repeat(text.len());
        let shown = line.chars().skip(skipped).take(Self::WIDTH);
        text.extend(shown.clone().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }));
        // Tabs are repeated in the margin, so that the carets stand under what they mark.
        marks.extend(line.chars().skip(skipped).take(start - skipped).map(|c| if c == '\t' { '\t' } else { ' ' }));
        let width = end_column.saturating_sub(column).clamp(1, Self::WIDTH.saturating_sub(start - skipped).max(1));
        marks.push_str(&"^".repeat(width));
        if line.chars().count() > skipped + Self::WIDTH {
            text.push_str("...");
        }
        Self { text: text.trim_end().to_owned(), marks }
    }
}

/// Collects the findings of one load. Shared by reference while files are read and engines compile.
#[derive(Debug, Default)]
pub struct Report {
    found: RefCell<Vec<Diagnostic>>,
    excused: RefCell<BTreeSet<String>>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding. One that is already there is not repeated.
    pub fn push(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }

    /// Notes that `name` is defined, but that its definition is broken: references to it are not reported as unknown.
    pub fn excuse(&self, name: impl Into<String>) {
        self.excused.borrow_mut().insert(name.into());
    }

    pub(crate) fn excused(&self) -> Ref<'_, BTreeSet<String>> {
        self.excused.borrow()
    }

    /// Number of errors so far.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Number of warnings so far.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    /// True while nothing worse than a warning was found.
    pub fn is_ok(&self) -> bool {
        self.errors() == 0
    }

    /// Everything found, by file, line and column.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| (&a.file, a.line, a.column, a.severity).cmp(&(&b.file, b.line, b.column, b.severity)));
        found
    }

    fn count(&self, severity: Severity) -> usize {
        self.found.borrow().iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}
