//! Arguments of a query string or a urlencoded body.
//!
//! Pieces stand between separators (`&`, or what `SecArgumentSeparator` says); an empty piece is an argument without name
//! and value, but not after the last separator. Names and values are decoded once: `+` is a space, an escape that is none stays.

use memchr::{memchr, memchr2};

use super::store::{Text, Values};
use crate::seclang::program::Settings;
use crate::seclang::variable::Source;

/// Empty pieces of one body or query that are arguments. They hold nothing to judge, and nine million of them are a body.
const MAX_EMPTY: usize = 1_000;

/// Adds the arguments of `bytes` as values of `source` and their names as values of `name_source`.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    (source, name_source): (Source, Source),
    settings: &Settings,
    values: &mut Values<'a>,
) {
    let mut rest = bytes;
    let mut empty = 0_usize;
    while !rest.is_empty() {
        let end = memchr(settings.argument_separator, rest).unwrap_or(rest.len());
        let (piece, after) = rest.split_at_checked(end).unwrap_or_default();
        rest = after.get(1..).unwrap_or_default();
        if piece.is_empty() {
            empty += 1;
            if empty > MAX_EMPTY {
                continue;
            }
        }
        let equals = memchr(b'=', piece).unwrap_or(piece.len());
        let (name, value) = piece.split_at_checked(equals).unwrap_or_default();
        if values.arguments_full(settings) {
            return;
        }
        let (name, value) = (decode(name, values), decode(value.get(1..).unwrap_or_default(), values));
        values.push_argument((source, name_source), name, value);
    }
}

impl<'a> Values<'a> {
    /// Whether `SecArgumentsLimit` is reached: what comes after is no argument.
    pub(super) fn arguments_full(&self, settings: &Settings) -> bool {
        settings.arguments > 0 && self.facts.arguments >= settings.arguments
    }

    /// Adds an argument and its name, and counts both into `ARGS_COMBINED_SIZE`.
    pub(super) fn push_argument(&mut self, (source, name_source): (Source, Source), name: Text<'a>, value: Text<'a>) {
        let size = (self.bytes(name).len() + self.bytes(value).len()) as u64;
        self.facts.arguments_size = Some(self.facts.arguments_size.unwrap_or_default().saturating_add(size));
        self.facts.arguments = self.facts.arguments.saturating_add(1);
        self.push(source, name, value);
        self.push(name_source, name, name);
    }
}

fn decode<'a>(text: &'a [u8], values: &mut Values<'a>) -> Text<'a> {
    if memchr2(b'%', b'+', text).is_none() {
        return Text::Given(text);
    }
    let mark = values.mark();
    decode_into(text, true, values.arena());
    values.since(mark)
}

/// Appends `text` with its percent escapes undone; `plus` makes a space of `+`.
pub(super) fn decode_into(text: &[u8], plus: bool, out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, after @ ..]) => {
                if let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) {
                    out.push(high << 4 | low);
                    rest = after;
                } else {
                    out.push(b'%');
                }
            }
            (b'+', _) if plus => out.push(b' '),
            _ => out.push(byte),
        }
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
