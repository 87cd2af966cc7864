//! A named text, and where in it a byte offset stands for a person.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Report, Severity};

/// One text that configuration was read from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's name as it is shown to people, or `environment`.
    pub name: String,
    /// The text, without a byte order mark.
    pub text: Arc<str>,
}

impl Source {
    /// A source from text that is known to be UTF-8. A leading byte order mark is dropped.
    pub fn new(name: impl Into<String>, text: &str) -> Self {
        Self { name: name.into(), text: Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text)) }
    }

    /// A source from a file's bytes; bytes that are not UTF-8 are reported with their place.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8], report: &Report) -> Option<Self> {
        let name = name.into();
        let valid_to = match std::str::from_utf8(bytes) {
            Ok(text) => return Some(Self::new(name, text)),
            Err(error) => error.valid_up_to(),
        };
        // What follows the valid part is shown with U+FFFD in place of each broken sequence.
        let text = String::from_utf8_lossy(bytes);
        let source = Self { name, text: Arc::from(text.as_ref()) };
        let spot = source.spot(&(valid_to..valid_to + '\u{fffd}'.len_utf8()));
        let byte = bytes.get(valid_to).copied().unwrap_or_default();
        report.push(Diagnostic {
            severity: Severity::Error,
            file: source.name.clone(),
            line: spot.line,
            column: spot.column,
            end_column: spot.end_column,
            path: String::new(),
            message: format!("the file is not UTF-8 text: byte 0x{byte:02x} does not belong here"),
            help: Some("save the file as UTF-8".to_owned()),
            snippet: spot.snippet,
        });
        None
    }

    /// Where the bytes of `span` stand. A span that reaches over lines ends at the end of its first line.
    pub(crate) fn spot(&self, span: &Range<usize>) -> Spot {
        let text = &*self.text;
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_rest = after.find('\n').unwrap_or(after.len());
        let line_end = start + line_rest;
        let whole = text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let mut end = span.end.clamp(start, line_start + whole.len().max(start - line_start));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let width = text.get(start..end).unwrap_or_default().chars().count();
        Spot {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column,
            end_column: column + width.max(1),
            snippet: whole.to_owned(),
        }
    }
}

/// A stretch of one line. Lines and columns count from 1; columns count characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The column after the last character.
    pub(crate) end_column: usize,
    pub(crate) snippet: String,
}
