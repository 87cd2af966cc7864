//! Character data: runs of text joined to what the backend sees as one, references replaced.

use std::borrow::Cow;

use super::{Scanner, Stop};
use crate::{Aspect, At, Problem, ProblemCode};

/// The longest reference looked for: `&#x10FFFF;` with some leading zeros.
const REFERENCE_MAX: usize = 16;

impl<'a> Scanner<'_, '_, 'a> {
    /// Reads text up to the next `<`.
    pub(super) fn text_run(&mut self) {
        let rest = self.rest();
        let run = rest.get(..memchr::memchr(b'<', rest).unwrap_or(rest.len())).unwrap_or_default();
        if self.open.is_empty() && !run.trim_ascii().is_empty() {
            self.malformed();
        }
        self.pos += run.len();
        let (text, foreign) = expand(run);
        self.note_entity(foreign, self.node());
        self.add_text(text);
    }

    /// Joins `more` to the text of the innermost element.
    pub(super) fn add_text(&mut self, more: Cow<'a, [u8]>) {
        self.text = Some(match self.text.take() {
            None => more,
            Some(text) => {
                let mut text = text.into_owned();
                text.extend_from_slice(&more);
                Cow::Owned(text)
            }
        });
    }

    /// A tag follows: gives the text so far as a value, unless it is blank.
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        match self.text.take() {
            Some(text) if !text.trim_ascii().is_empty() => self.value(Aspect::Text, self.node(), text),
            _ => Ok(()),
        }
    }

    pub(super) fn note_entity(&mut self, foreign: bool, node: u32) {
        if foreign {
            self.out.note(Problem::new(ProblemCode::XmlEntity, At::Node(node)));
        }
    }
}

/// `text` with character references and the five predefined entities replaced; `true` where another entity was met.
pub(super) fn expand(text: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let Some(first) = memchr::memchr(b'&', text) else { return (Cow::Borrowed(text), false) };
    let (before, mut rest) = text.split_at_checked(first).unwrap_or_default();
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(before);
    let mut foreign = false;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'&' {
            out.push(byte);
            continue;
        }
        let end = tail.iter().take(REFERENCE_MAX).position(|&byte| byte == b';');
        let letter = end.and_then(|end| referent(tail.get(..end)?).map(|letter| (letter, end)));
        if let Some((letter, end)) = letter {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            rest = tail.get(end + 1..).unwrap_or_default();
        } else {
            out.push(b'&');
            foreign = true;
        }
    }
    (Cow::Owned(out), foreign)
}

fn referent(name: &[u8]) -> Option<char> {
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', digits @ ..] => code_point(digits, 16),
        [b'#', digits @ ..] => code_point(digits, 10),
        _ => None,
    }
}

fn code_point(digits: &[u8], radix: u32) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
}
