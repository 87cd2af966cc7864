//! Templates with known values put in, and the arithmetic of `setvar`.

use super::super::super::ast::{Piece, Template};
use super::super::super::variable::Variable;
use super::super::names::Names;
use super::state::{Removals, State, Value};

/// What reads the state: the place in the program, for one rule.
#[derive(Clone, Copy)]
pub(super) struct View<'s> {
    pub(super) state: &'s State,
    pub(super) names: &'s Names,
    /// The removals that take the rule out.
    pub(super) removes: Removals,
}

impl View<'_> {
    /// The value of a `TX` variable, where it is known.
    pub(super) fn tx(&self, name: &[u8]) -> Option<&Value> {
        self.state.value(self.names.get(name)?, self.removes)
    }

    /// The template with the values of known variables in place of their macros. A variable that is not set is empty
    /// text, as it is in a request.
    pub(super) fn fold(&self, template: &Template) -> Template {
        let mut pieces: Vec<Piece> = Vec::with_capacity(template.0.len());
        for piece in &template.0 {
            let text: &[u8] = match piece {
                Piece::Text(text) => text,
                Piece::Macro(variable, name) => {
                    let known = name.as_ref().filter(|_| *variable == Variable::Tx).and_then(|name| self.tx(name));
                    let Some(value) = known else {
                        pieces.push(piece.clone());
                        continue;
                    };
                    value.as_deref().unwrap_or_default()
                }
            };
            if text.is_empty() {
                continue;
            }
            match pieces.last_mut() {
                Some(Piece::Text(before)) => *before = [before, text].concat().into(),
                _ => pieces.push(Piece::Text(text.into())),
            }
        }
        Template(pieces)
    }

    /// The text of a template, where all of it is known.
    pub(super) fn text(&self, template: &Template) -> Option<Box<[u8]>> {
        self.fold(template).literal().map(Into::into)
    }
}

/// The sum of a variable and a number; only of numbers that are written plainly and stay small, because what is made of
/// others is the run's business.
pub(super) fn add(before: Option<&[u8]>, number: &[u8], sign: i64) -> Option<String> {
    let before = before.map_or(Some(0), plain_number)?;
    Some((before + sign * plain_number(number)?).to_string())
}

fn plain_number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let small = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    small.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}
