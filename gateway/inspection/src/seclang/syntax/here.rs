//! Where the parser is, and how it says what is wrong there.

use std::path::Path;
use std::sync::Arc;

use rampart_settings::{Diagnostic, Report, Severity, nearest};

use super::line::{Line, Span};
use crate::seclang::ast::Location;

/// The directive that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) file: &'a Arc<Path>,
    pub(super) line: &'a Line,
    pub(super) report: &'a Report,
}

/// A finding that is reported when it is dropped, so that advice can be added to it.
pub(super) struct Finding<'a> {
    report: &'a Report,
    diagnostic: Option<Diagnostic>,
}

impl<'a> Here<'a> {
    /// Where the directive begins.
    pub(super) fn location(&self) -> Location {
        Location { file: Arc::clone(self.file), line: self.line.first() }
    }

    /// Something is wrong at `span`.
    pub(super) fn error(&self, span: Span<'_>, message: impl Into<String>) -> Finding<'a> {
        let position = self.line.position(span);
        let mut diagnostic = Diagnostic::about(Severity::Error, self.file.display().to_string(), message);
        diagnostic.line = usize::try_from(position.line).unwrap_or(usize::MAX);
        diagnostic.column = position.column;
        diagnostic.end_column = position.end_column;
        position.snippet.clone_into(&mut diagnostic.snippet);
        Finding { report: self.report, diagnostic: Some(diagnostic) }
    }

    /// `span` is no `what` that is known; the nearest of `known` is proposed, otherwise `help`.
    pub(super) fn unknown<'n>(&self, span: Span<'_>, what: &str, known: impl Iterator<Item = &'n str>, help: &str) {
        let finding = self.error(span, format!("unknown {what} `{}`", shortened(span.text)));
        match nearest(span.text, known) {
            Some(name) => finding.help(format!("did you mean `{name}`?")),
            None => finding.help(help),
        }
    }

    /// `span` is known, but not supported; `help` says what to do.
    pub(super) fn unsupported(&self, span: Span<'_>, what: &str, help: &str) {
        self.error(span, format!("{what} `{}` is not supported", shortened(span.text))).help(help);
    }
}

impl Finding<'_> {
    /// What to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) {
        self.diagnostic = self.diagnostic.take().map(|diagnostic| diagnostic.with_help(help));
    }
}

impl Drop for Finding<'_> {
    fn drop(&mut self) {
        if let Some(diagnostic) = self.diagnostic.take() {
            self.report.push(diagnostic);
        }
    }
}

/// Text as messages show it.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
