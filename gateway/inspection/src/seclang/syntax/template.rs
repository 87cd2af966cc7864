//! Text with macros: `%{TX.0}`, `%{REQUEST_HEADERS.host}`, `%{MATCHED_VAR}`; a colon may stand for the dot.
//!
//! A macro of a variable that is not there would expand to nothing for ever, so it is an error. The exception is a
//! pattern, where `%{2}` is two per cent signs.

use super::here::Here;
use super::line::Span;
use super::target::{check_rule_key, is_collection, variable};
use super::word::unescape;
use crate::seclang::ast::{Piece, Template};
use crate::seclang::variable::Variable;

/// What `%{` means where no name follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Braces {
    /// A macro with a mistake in it.
    Macro,
    /// Itself: the text is an operator's.
    MayBeText,
}

/// The text at `span` with its macros; backslashes before `quotes` are taken out. `None` where a macro is wrong, which
/// is reported.
pub(super) fn template(span: Span<'_>, quotes: &[char], braces: Braces, here: &Here<'_>) -> Option<Template> {
    let mut pieces = Pieces::default();
    let mut sound = true;
    let mut rest = span;
    while let Some(start) = rest.text.find("%{") {
        pieces.text(&unescape(rest.part(0..start).text, quotes));
        let inner = rest.from(start + 2);
        let named = inner.text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        match inner.text.find('}') {
            Some(end) if named || braces == Braces::Macro => {
                match macro_of(inner.part(0..end), here) {
                    Some(found) => pieces.0.push(found),
                    None => sound = false,
                }
                rest = inner.from(end + 1);
            }
            None if braces == Braces::Macro => {
                here.error(rest.from(start), "the macro that begins here has no end").help("close it with }");
                return None;
            }
            _ => {
                pieces.text("%{");
                rest = inner;
            }
        }
    }
    pieces.text(&unescape(rest.text, quotes));
    sound.then_some(Template(pieces.0))
}

/// What stands between `%{` and `}`.
fn macro_of(span: Span<'_>, here: &Here<'_>) -> Option<Piece> {
    let (name, key) = span.split_once(&['.', ':']).map_or((span, None), |(name, key)| (name, Some(key)));
    let found = variable(name.trim(), "variable in a macro", here)?;
    let Some(key) = key.map(Span::trim) else { return Some(Piece::Macro(found, None)) };
    if !is_collection(found) {
        here.error(key, format!("{} has one value only, nothing to choose from", found.as_str()))
            .help(format!("write %{{{}}}", found.as_str()));
        return None;
    }
    if key.text.is_empty() {
        here.error(span, format!("the macro names nothing in {}", found.as_str())).help("write %{TX.name}");
        return None;
    }
    if found == Variable::Rule {
        check_rule_key(key, here)?;
    }
    Some(Piece::Macro(found, Some(key.text.to_ascii_lowercase().into_bytes().into())))
}

/// Pieces so far; neighbouring texts are one.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            *last = [last, text.as_bytes()].concat().into();
        } else {
            self.0.push(Piece::Text(text.as_bytes().into()));
        }
    }
}

/// `template` in lower case, where it is text.
pub(super) fn lower(template: Template) -> Template {
    let fold = |piece| match piece {
        Piece::Text(text) => Piece::Text(text.to_ascii_lowercase().into()),
        found @ Piece::Macro(..) => found,
    };
    Template(template.0.into_iter().map(fold).collect())
}
