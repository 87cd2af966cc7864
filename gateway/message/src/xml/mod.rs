//! XML 1.0: texts, attributes, comments and instructions as values whose name is their place.
//!
//! A scanner of our own that never expands: no entity but the five predefined ones and character references, no DTD,
//! no external anything. It goes on past errors as lenient parsers do, keeps a bounded stack of its own and reads
//! each byte a bounded number of times. Namespaces are not resolved: names keep their prefix.
//!
//! | input | what happens |
//! |---|---|
//! | text cut by comments, CDATA or instructions | one value, joined, as a backend sees it |
//! | document type declaration | one value; `xml_doctype` |
//! | any other entity reference | stays as it is written; `xml_entity` |
//! | wrong nesting, open elements, bad attributes, repeated attributes, text outside the root | read on; `malformed_xml` |
//! | deeper than `xml_depth` | read on to [`MAX_DEPTH`], then reading stops; `limit_exceeded` |
//! | encoding in the XML declaration that is not understood | `unknown_charset` |

mod attribute;
mod text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::charset::Charset;
use crate::collector::{Collector, Full};
use crate::json::Outcome;
use crate::{Aspect, At, Kind, MAX_DEPTH, Name, Problem, ProblemCode, Step, Value};

/// Why the scanner gave up: a bound that protects the process.
struct Stop;

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Self
    }
}

/// An open element.
struct Element<'a> {
    node: u32,
    name: &'a [u8],
}

struct Scanner<'s, 'm, 'a> {
    bytes: &'a [u8],
    pos: usize,
    out: &'s mut Collector<'m, 'a>,
    root: u32,
    open: SmallVec<[Element<'a>; 16]>,
    /// Text of the innermost element since the last tag.
    text: Option<Cow<'a, [u8]>>,
    roots: usize,
    deepest: usize,
    malformed: bool,
}

/// Reads `bytes` as XML below the node `root`, which the caller has made.
pub(crate) fn parse<'a>(bytes: &'a [u8], root: u32, out: &mut Collector<'_, 'a>) -> Outcome {
    let open = SmallVec::new();
    let mut scanner = Scanner { bytes, pos: 0, out, root, open, text: None, roots: 0, deepest: 0, malformed: false };
    let ended = scanner.document();
    let allowed = scanner.out.limits.xml_depth;
    scanner.out.bound("xml_depth", At::Node(root), scanner.deepest, allowed);
    match ended {
        Err(Stop) => Outcome::Stopped,
        Ok(()) if scanner.malformed => Outcome::Broken,
        Ok(()) => Outcome::Whole,
    }
}

impl<'a> Scanner<'_, '_, 'a> {
    fn document(&mut self) -> Result<(), Stop> {
        while self.pos < self.bytes.len() {
            match self.rest() {
                [b'<', b'!', b'-', b'-', ..] => self.comment()?,
                [b'<', b'!', b'[', ..] if self.rest().starts_with(b"<![CDATA[") => {
                    let text = self.until(9, b"]]>");
                    self.add_text(Cow::Borrowed(text));
                }
                [b'<', b'!', ..] => self.declaration()?,
                [b'<', b'?', ..] => self.instruction()?,
                [b'<', b'/', ..] => self.end_tag()?,
                [b'<', byte, ..] if is_name_start(*byte) => self.start_tag()?,
                [b'<', ..] => {
                    self.malformed();
                    let sign = self.bytes.get(self.pos..=self.pos).unwrap_or_default();
                    self.pos += 1;
                    self.add_text(Cow::Borrowed(sign));
                }
                _ => self.text_run(),
            }
        }
        self.flush()?;
        if self.roots != 1 || !self.open.is_empty() {
            self.malformed();
        }
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    fn malformed(&mut self) {
        self.malformed = true;
        self.out.note(Problem::offset(ProblemCode::MalformedXml, At::Node(self.node()), self.pos));
    }

    /// The node of the innermost open element, or the root.
    fn node(&self) -> u32 {
        self.open.last().map_or(self.root, |element| element.node)
    }

    /// The text between here, `skip` bytes on, and `end`; goes to after `end`. Without `end`: all there is, malformed.
    fn until(&mut self, skip: usize, end: &[u8]) -> &'a [u8] {
        let rest = self.bytes.get(self.pos + skip..).unwrap_or_default();
        if let Some(at) = memchr::memmem::find(rest, end) {
            self.pos += skip + at + end.len();
            return rest.get(..at).unwrap_or_default();
        }
        self.malformed();
        self.pos = self.bytes.len();
        rest
    }

    fn value(&mut self, aspect: Aspect, node: u32, bytes: Cow<'a, [u8]>) -> Result<(), Stop> {
        self.out.bound("string_length", At::Node(node), bytes.len(), self.out.limits.string_length);
        Ok(self.out.push(Value { kind: Kind::Xml, aspect, name: Name::Node(node), bytes })?)
    }

    fn comment(&mut self) -> Result<(), Stop> {
        let text = self.until(4, b"-->");
        self.value(Aspect::Comment, self.node(), Cow::Borrowed(text))
    }

    fn instruction(&mut self) -> Result<(), Stop> {
        let first = self.pos == 0;
        let text = self.until(2, b"?>");
        if first && text.starts_with(b"xml") && text.get(3).is_some_and(u8::is_ascii_whitespace) {
            self.check_encoding(text);
            return Ok(());
        }
        self.value(Aspect::Instruction, self.node(), Cow::Borrowed(text))
    }

    /// The encoding that the XML declaration names; the bytes were read by the charset of the Content-Type.
    fn check_encoding(&mut self, declaration: &[u8]) {
        let Some(at) = memchr::memmem::find(declaration, b"encoding") else { return };
        let rest = declaration.get(at + 8..).unwrap_or_default().trim_ascii_start();
        let rest = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii_start();
        let label = rest.get(1..).unwrap_or_default().split(|byte| matches!(byte, b'"' | b'\'')).next();
        if Charset::of(label.unwrap_or_default()) == Charset::Unknown {
            let case = "the encoding of the XML declaration";
            self.out.note(Problem::case(ProblemCode::UnknownCharset, At::Node(self.root), case));
        }
    }

    /// `<!DOCTYPE ...>` with its internal subset, or anything else that starts like it.
    fn declaration(&mut self) -> Result<(), Stop> {
        let rest = self.rest();
        let end = declaration_end(rest);
        let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if text.get(2..9).is_some_and(|word| word.eq_ignore_ascii_case(b"DOCTYPE")) {
            self.out.note(Problem::new(ProblemCode::XmlDoctype, At::Node(self.node())));
        } else {
            self.malformed();
        }
        if end.is_none() {
            self.malformed();
        }
        self.pos += text.len();
        self.value(Aspect::Doctype, self.node(), Cow::Borrowed(text))
    }

    fn start_tag(&mut self) -> Result<(), Stop> {
        self.flush()?;
        self.pos += 1;
        let name = self.name();
        if self.open.is_empty() {
            self.roots += 1;
        }
        let node = self.out.node(self.node(), Step::Element(name))?;
        self.deepest = self.deepest.max(self.open.len() + 1);
        let empty = self.attributes(node)?;
        if !empty {
            if self.open.len() >= MAX_DEPTH {
                return Err(Stop);
            }
            self.open.push(Element { node, name });
        }
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), Stop> {
        self.flush()?;
        self.pos += 2;
        let name = self.name();
        self.skip_blanks();
        if self.rest().first() == Some(&b'>') {
            self.pos += 1;
        } else {
            self.malformed();
        }
        match self.open.pop() {
            Some(element) if element.name == name => {}
            _ => self.malformed(),
        }
        Ok(())
    }

    fn name(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=' | b'<' | b'"' | b'\'');
        let (name, _) = rest.split_at_checked(rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.pos += name.len();
        name
    }

    fn skip_blanks(&mut self) {
        self.pos += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }
}

/// Letters, `_`, `:` and everything beyond ASCII.
const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..)
}

/// The length of the declaration at the start of `bytes`: to its `>`, past quotes and the internal subset.
fn declaration_end(bytes: &[u8]) -> Option<usize> {
    let (mut quote, mut subset) = (None, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[') => subset = true,
            (None, b']') => subset = false,
            (None, b'>') if !subset => return Some(at + 1),
            _ => {}
        }
    }
    None
}
