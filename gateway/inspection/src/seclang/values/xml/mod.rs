//! XML bodies: the text of the document (`XML:/*`) and the values of its attributes (`XML://@*`).
//!
//! The text is one value: all character data below the root element, in order and with its blanks, comments and
//! instructions left out, references replaced. Every attribute is a value; declarations of namespaces are none.
//!
//! A document that is not well-formed is read up to its error, and `REQBODY_ERROR` says so. Internal entities are replaced, within
//! [`EXPANSION_MAX`]; external ones are not fetched and are empty.
//!
//! Apart from `rampart_message`, which reads on past errors and leaves blanks out: patterns see the text as libxml2 joins it.
//!
//! Source: XML 1.0 (fifth edition); libxml2 as ModSecurity 3.0.9 uses it.

mod doctype;
mod reference;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::memmem;

use self::doctype::Entities;
use super::body::Input;
use super::facts::BodyOutcome;
use super::store::{Text, Values};
use crate::seclang::variable::Source;

/// Elements within the root element and one another.
const DEPTH_MAX: usize = 256;

/// Bytes that entities may make of a document.
const EXPANSION_MAX: usize = 1 << 20;

const BROKEN: BodyOutcome = BodyOutcome::Failed("XML parsing error: XML: Failed parsing document.");

/// Adds the text and the attributes of the document.
pub(super) fn read<'a>(input: &Input<'_, 'a>, values: &mut Values<'a>) -> BodyOutcome {
    let bytes = input.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input.bytes);
    let mut scanner =
        Scanner { bytes, pos: 0, open: Vec::new(), seen_root: false, text: Vec::new(), entities: Entities::default() };
    let well_formed = scanner.document(values).is_ok();
    if scanner.seen_root {
        let text = values.make(&scanner.text);
        values.push(Source::XmlText, Text::Given(b"/*"), text);
    }
    let readable = declares_encoding(bytes) || std::str::from_utf8(bytes).is_ok();
    if well_formed && readable { BodyOutcome::Fine } else { BROKEN }
}

/// Whether the XML declaration names an encoding other than UTF-8: then other bytes than UTF-8 are right.
fn declares_encoding(document: &[u8]) -> bool {
    let end = memmem::find(document, b"?>").filter(|_| document.starts_with(b"<?xml"));
    let declaration = document.get(..end.unwrap_or_default()).unwrap_or_default().to_ascii_lowercase();
    memmem::find(&declaration, b"encoding").is_some() && memmem::find(&declaration, b"utf-8").is_none()
}

/// The document is not well-formed here.
struct Malformed;

struct Scanner<'a> {
    bytes: &'a [u8],
    pos: usize,
    open: Vec<&'a [u8]>,
    seen_root: bool,
    /// The character data of the root element so far.
    text: Vec<u8>,
    entities: Entities<'a>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    fn document(&mut self, values: &mut Values<'a>) -> Result<(), Malformed> {
        while self.pos < self.bytes.len() {
            match self.rest() {
                [b'<', b'!', b'-', b'-', ..] => {
                    let comment = self.until(4, b"-->")?;
                    if memmem::find(comment, b"--").is_some() {
                        return Err(Malformed);
                    }
                }
                [b'<', b'!', b'[', ..] => self.character_section()?,
                [b'<', b'!', ..] => self.doctype()?,
                [b'<', b'?', ..] => self.instruction()?,
                [b'<', b'/', ..] => self.end_tag()?,
                [b'<', ..] => self.start_tag(values)?,
                _ => self.character_data()?,
            }
        }
        if self.seen_root && self.open.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// The text from `skip` bytes on to `end`; goes to after `end`.
    fn until(&mut self, skip: usize, end: &[u8]) -> Result<&'a [u8], Malformed> {
        let text = self.bytes.get(self.pos + skip..).unwrap_or_default();
        let at = memmem::find(text, end).ok_or(Malformed)?;
        self.pos += skip + at + end.len();
        Ok(text.get(..at).unwrap_or_default())
    }

    /// A processing instruction, or the XML declaration where the document begins.
    fn instruction(&mut self) -> Result<(), Malformed> {
        let first = self.pos == 0;
        let text = self.until(2, b"?>")?;
        let end = text.iter().position(|&byte| !is_name(byte)).unwrap_or(text.len());
        let (target, rest) = text.split_at_checked(end).unwrap_or_default();
        let named = target.first().is_some_and(|&first| is_name_start(first));
        let declaration = first && memmem::find(rest, b"version").is_some();
        if named && (target != b"xml" || declaration) { Ok(()) } else { Err(Malformed) }
    }

    fn character_section(&mut self) -> Result<(), Malformed> {
        if self.open.is_empty() || !self.rest().starts_with(b"<![CDATA[") {
            return Err(Malformed);
        }
        let text = self.until(9, b"]]>")?;
        check_characters(text)?;
        push_text(text, &mut self.text);
        Ok(())
    }

    fn doctype(&mut self) -> Result<(), Malformed> {
        let declaration = self.rest().strip_prefix(b"<!DOCTYPE").filter(|_| !self.seen_root).ok_or(Malformed)?;
        let length = doctype::read(declaration, &mut self.entities).ok_or(Malformed)?;
        self.pos += b"<!DOCTYPE".len() + length;
        Ok(())
    }

    fn character_data(&mut self) -> Result<(), Malformed> {
        let rest = self.rest();
        let text = rest.get(..memchr::memchr(b'<', rest).unwrap_or(rest.len())).unwrap_or_default();
        if self.open.is_empty() {
            self.pos += text.len();
            return if text.iter().all(u8::is_ascii_whitespace) { Ok(()) } else { Err(Malformed) };
        }
        check_characters(text)?;
        if memmem::find(text, b"]]>").is_some() {
            return Err(Malformed);
        }
        self.entities.replace(text, &mut self.text)?;
        self.pos += text.len();
        Ok(())
    }

    fn start_tag(&mut self, values: &mut Values<'a>) -> Result<(), Malformed> {
        self.pos += 1;
        let name = self.name()?;
        if self.open.len() > DEPTH_MAX || (self.open.is_empty() && self.seen_root) {
            return Err(Malformed);
        }
        self.seen_root = true;
        let empty = self.attributes(values)?;
        if !empty {
            self.open.push(name);
        }
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), Malformed> {
        self.pos += 2;
        let name = self.name()?;
        self.skip_blanks();
        let closed = self.open.pop();
        if self.rest().first() != Some(&b'>') || closed != Some(name) {
            return Err(Malformed);
        }
        self.pos += 1;
        Ok(())
    }

    /// The attributes and the end of a start tag. `true`: it was closed at once (`<a/>`).
    fn attributes(&mut self, values: &mut Values<'a>) -> Result<bool, Malformed> {
        let mut names = smallvec::SmallVec::<[&'a [u8]; 8]>::new();
        let empty = loop {
            let blanks = self.skip_blanks();
            match self.rest() {
                [b'/', b'>', ..] => {
                    self.pos += 2;
                    break true;
                }
                [b'>', ..] => {
                    self.pos += 1;
                    break false;
                }
                _ if blanks == 0 => return Err(Malformed),
                _ => names.push(self.attribute(values)?),
            }
        };
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Malformed);
        }
        Ok(empty)
    }

    fn attribute(&mut self, values: &mut Values<'a>) -> Result<&'a [u8], Malformed> {
        let name = self.name()?;
        self.skip_blanks();
        if self.rest().first() != Some(&b'=') {
            return Err(Malformed);
        }
        self.pos += 1;
        self.skip_blanks();
        let (&quote, inside) = self.rest().split_first().ok_or(Malformed)?;
        if !matches!(quote, b'"' | b'\'') {
            return Err(Malformed);
        }
        let value = inside.get(..memchr::memchr(quote, inside).ok_or(Malformed)?).unwrap_or_default();
        self.pos += value.len() + 2;
        check_characters(value)?;
        if memchr::memchr(b'<', value).is_some() {
            return Err(Malformed);
        }
        if name != b"xmlns" && !name.starts_with(b"xmlns:") {
            let text = self.attribute_text(value, values)?;
            values.push(Source::XmlAttribute, Text::Given(b"//@*"), text);
        }
        Ok(name)
    }

    /// The value of an attribute: references replaced, line ends and tabs made blanks.
    fn attribute_text(&mut self, value: &'a [u8], values: &mut Values<'a>) -> Result<Text<'a>, Malformed> {
        if !value.iter().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
            return Ok(Text::Given(value));
        }
        let blanked: Cow<'_, [u8]> = if value.iter().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r')) {
            let mut lines = Vec::with_capacity(value.len());
            push_text(value, &mut lines);
            lines.iter_mut().filter(|byte| matches!(byte, b'\t' | b'\n')).for_each(|byte| *byte = b' ');
            Cow::Owned(lines)
        } else {
            Cow::Borrowed(value)
        };
        let mark = values.mark();
        self.entities.replace(&blanked, values.arena())?;
        Ok(values.since(mark))
    }

    fn name(&mut self) -> Result<&'a [u8], Malformed> {
        let rest = self.rest();
        let end = rest.iter().position(|&byte| !is_name(byte)).unwrap_or(rest.len());
        let name = rest.get(..end).filter(|name| name.first().is_some_and(|&first| is_name_start(first)));
        self.pos += end;
        name.ok_or(Malformed)
    }

    fn skip_blanks(&mut self) -> usize {
        let blanks = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.pos += blanks;
        blanks
    }
}

/// Appends character data, line ends made LF.
fn push_text(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\r', rest) {
        let (before, after) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(before);
        out.push(b'\n');
        rest = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\r")).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// XML 1.0 section 2.2: no control character but tab and line ends.
fn check_characters(text: &[u8]) -> Result<(), Malformed> {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    if text.iter().any(control) { Err(Malformed) } else { Ok(()) }
}

const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..)
}

const fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}
