//! What sets variables: `setvar:'tx.score=+%{tx.critical}'`, `setvar:!tx.x`, `initcol:ip=%{REMOTE_ADDR}`,
//! `expirevar:'ip.flag=60'`.

use super::here::Here;
use super::line::Span;
use super::template::{Braces, lower, template};
use crate::seclang::ast::{Action, Change, Piece, SetVar, Template};
use crate::seclang::variable::Variable;

/// Collections that rules may write to.
const WRITABLE: [Variable; 6] =
    [Variable::Tx, Variable::Global, Variable::Ip, Variable::Session, Variable::User, Variable::Resource];

/// The value of `setvar`.
pub(super) fn set_var(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<SetVar> {
    if let Some(place) = span.strip_prefix('!') {
        let (collection, name) = place_of(place, quotes, here)?;
        return Some(SetVar { collection, name, change: Change::Unset });
    }
    let (place, value) = assignment(span);
    let (collection, name) = place_of(place, quotes, here)?;
    let change = match value {
        None => Change::Set(Template(vec![Piece::Text(b"1".as_slice().into())])),
        Some(value) => {
            let (make, value): (fn(Template) -> Change, _) = match value.text.chars().next() {
                Some('+') => (Change::Add, value.from(1)),
                Some('-') => (Change::Subtract, value.from(1)),
                _ => (Change::Set, value),
            };
            make(assigned(value, quotes, here)?)
        }
    };
    Some(SetVar { collection, name, change })
}

/// The value of `expirevar`: a variable and seconds.
pub(super) fn expire_var(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Action> {
    let (place, Some(seconds)) = assignment(span) else {
        here.error(span, "expirevar needs a time").help("write expirevar:'ip.name=60', in seconds");
        return None;
    };
    let (collection, name) = place_of(place, quotes, here)?;
    let seconds = assigned(seconds, quotes, here)?;
    if seconds.literal().is_some_and(|text| text.is_empty() || !text.iter().all(u8::is_ascii_digit)) {
        here.error(span, "the time of expirevar is no whole number of seconds").help("write expirevar:'ip.name=60'");
        return None;
    }
    Some(Action::ExpireVar(collection, name, seconds))
}

/// The value of `initcol`: a collection and its key.
pub(super) fn init_col(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Action> {
    let (name, Some(key)) = assignment(span) else {
        here.error(span, "initcol needs a key").help("write initcol:ip=%{REMOTE_ADDR}");
        return None;
    };
    let collection = writable(name, here)?;
    if collection == Variable::Tx {
        here.error(name, "TX is there without initcol").help("take the action out");
        return None;
    }
    Some(Action::InitCol(collection, assigned(key, quotes, here)?))
}

/// What stands before and after the equals sign.
fn assignment(span: Span<'_>) -> (Span<'_>, Option<Span<'_>>) {
    span.split_once(&['=']).map_or((span, None), |(place, value)| (place.trim_end(), Some(value)))
}

/// A value, in quotes of its own or not.
fn assigned(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Template> {
    match span.unquoted('\'') {
        Some(inner) => template(inner, &[quotes, &['\'']].concat(), Braces::Macro, here),
        None => template(span, quotes, Braces::Macro, here),
    }
}

/// `tx.name`; the name may hold macros.
fn place_of(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<(Variable, Template)> {
    let Some((collection, name)) = span.split_once(&['.', ':']) else {
        here.error(span, "a variable is written collection.name").help("write tx.name");
        return None;
    };
    let collection = writable(collection, here)?;
    if name.text.trim_ascii().is_empty() {
        here.error(span, "the variable has no name").help("write tx.name");
        return None;
    }
    Some((collection, lower(template(name, quotes, Braces::Macro, here)?)))
}

fn writable(name: Span<'_>, here: &Here<'_>) -> Option<Variable> {
    let name = name.trim();
    let found = WRITABLE.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name.text));
    if found.is_none() {
        here.unknown(
            name,
            "collection",
            WRITABLE.iter().map(|known| known.as_str()),
            "rules write to TX, GLOBAL, IP, SESSION, USER and RESOURCE",
        );
    }
    found
}
