//! JSON (RFC 8259): every scalar of a document as a value whose name is its place.
//!
//! A scanner of our own, because inspection needs what ready parsers drop: the slice that a string came from, numbers as
//! they were written, both values of a repeated key, and what could be read of a document that is broken. It walks
//! with a stack of its own ([`MAX_DEPTH`] at most) and reads each byte once.
//!
//! | input | what happens |
//! |---|---|
//! | repeated key in one object (compared after unescaping) | both values are given; `duplicate_key` |
//! | deeper than `json_depth` | read on to [`MAX_DEPTH`], then reading stops; `limit_exceeded` |
//! | control byte in a string, unknown escape | read on as lenient parsers do; `malformed_json` |
//! | half a surrogate pair | U+FFFD in its place; `lone_surrogate` |
//! | anything else outside the grammar (comments, trailing commas, `NaN` ...) | what was read is given; `malformed_json` |
//! | bytes after the document | `trailing_json` |

mod duplicates;
mod string;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::collector::{Collector, Full};
use crate::{Aspect, At, Kind, MAX_DEPTH, Name, Problem, ProblemCode, Step, Value};

/// How a document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is well-formed and was read to its end.
    Whole,
    /// It is broken at this byte, or lenient parsers alone would take it.
    Broken,
    /// A bound that protects the process stopped the reading.
    Stopped,
}

/// How many documents the text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One.
    Document,
    /// Any number, between blanks, line ends or RS (NDJSON, RFC 7464).
    Sequence,
}

/// Why the scanner gave up.
enum Stop {
    Broken,
    Bound,
}

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Self::Bound
    }
}

/// An open array or object.
struct Frame {
    node: u32,
    object: bool,
    /// Elements or members so far.
    count: u32,
    /// Where its keys start in `Scanner::keys`.
    keys: usize,
}

struct Scanner<'s, 'm, 'a> {
    bytes: &'a [u8],
    pos: usize,
    out: &'s mut Collector<'m, 'a>,
    open: SmallVec<[Frame; 16]>,
    /// The key nodes of the open objects, the innermost last.
    keys: SmallVec<[u32; 32]>,
    deepest: usize,
    lenient: bool,
}

/// Reads `bytes` as JSON below the node `root`, which the caller has made.
pub(crate) fn parse<'a>(bytes: &'a [u8], form: Form, root: u32, out: &mut Collector<'_, 'a>) -> Outcome {
    let (open, keys) = (SmallVec::new(), SmallVec::new());
    let mut scanner = Scanner { bytes, pos: 0, out, open, keys, deepest: 0, lenient: false };
    let ended = match form {
        Form::Document => scanner.single(root),
        Form::Sequence => scanner.sequence(root),
    };
    scanner.finish(&ended);
    match ended {
        Ok(()) if scanner.lenient => Outcome::Broken,
        Ok(()) => Outcome::Whole,
        Err(Stop::Broken) => Outcome::Broken,
        Err(Stop::Bound) => Outcome::Stopped,
    }
}

impl<'a> Scanner<'_, '_, 'a> {
    fn single(&mut self, root: u32) -> Result<(), Stop> {
        self.document(root)?;
        self.skip_blanks();
        if self.pos < self.bytes.len() {
            self.lenient = true;
            self.out.note(Problem::offset(ProblemCode::TrailingJson, At::Body, self.pos));
        }
        Ok(())
    }

    fn sequence(&mut self, root: u32) -> Result<(), Stop> {
        for number in 0.. {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | 0x1e)) {
                self.pos += 1;
            }
            if self.pos >= self.bytes.len() {
                break;
            }
            let node = self.out.node(root, Step::Index(number))?;
            self.document(node)?;
        }
        Ok(())
    }

    /// Says what only the end shows: the depth, the sizes of containers that never closed, where it broke.
    fn finish(&mut self, ended: &Result<(), Stop>) {
        while let Some(frame) = self.open.pop() {
            self.close(&frame);
        }
        self.out.bound("json_depth", At::Body, self.deepest, self.out.limits.json_depth);
        if matches!(ended, Err(Stop::Broken)) {
            self.out.note(Problem::offset(ProblemCode::MalformedJson, At::Body, self.pos));
        }
    }

    /// One document, without recursion: `node` is the place of the value that comes next.
    fn document(&mut self, mut node: u32) -> Result<(), Stop> {
        loop {
            self.skip_blanks();
            let next = match self.peek() {
                Some(b'{') => self.enter(node, true)?,
                Some(b'[') => self.enter(node, false)?,
                Some(byte) => {
                    self.scalar(byte, node)?;
                    None
                }
                None => return Err(Stop::Broken),
            };
            node = match next {
                Some(first) => first,
                None => match self.after_value()? {
                    Some(next) => next,
                    None => return Ok(()),
                },
            };
        }
    }

    /// Opens a container; gives the place of its first value, or `None` where it closes at once.
    fn enter(&mut self, node: u32, object: bool) -> Result<Option<u32>, Stop> {
        self.pos += 1;
        if self.open.len() >= MAX_DEPTH {
            self.deepest += 1;
            return Err(Stop::Bound);
        }
        let keys = self.keys.len();
        self.open.push(Frame { node, object, count: 0, keys });
        self.deepest = self.deepest.max(self.open.len());
        self.skip_blanks();
        if self.peek() == Some(if object { b'}' } else { b']' }) {
            self.pos += 1;
            self.open.pop();
            return Ok(None);
        }
        self.next_child().map(Some)
    }

    /// The place of the next value of the innermost container: reads its key, or counts its index.
    fn next_child(&mut self) -> Result<u32, Stop> {
        let Some(frame) = self.open.last_mut() else { return Err(Stop::Broken) };
        let (parent, index) = (frame.node, frame.count);
        frame.count = index.saturating_add(1);
        if !frame.object {
            return Ok(self.out.node(parent, Step::Index(index))?);
        }
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(Stop::Broken);
        }
        let node = crate::collector::index(self.out.nodes.len());
        let key = self.string(At::Node(node));
        self.out.bound("argument_name_length", At::Node(node), key.len(), self.out.limits.argument_name_length);
        self.out.node(parent, Step::Key(key))?;
        self.keys.push(node);
        self.skip_blanks();
        if self.peek() != Some(b':') {
            return Err(Stop::Broken);
        }
        self.pos += 1;
        Ok(node)
    }

    /// After a value: the place of the next one, or `None` at the end of the document.
    fn after_value(&mut self) -> Result<Option<u32>, Stop> {
        loop {
            let Some(frame) = self.open.last() else { return Ok(None) };
            let closing = if frame.object { b'}' } else { b']' };
            self.skip_blanks();
            match self.peek() {
                Some(b',') => {
                    self.pos += 1;
                    return self.next_child().map(Some);
                }
                Some(byte) if byte == closing => {
                    self.pos += 1;
                    if let Some(frame) = self.open.pop() {
                        self.close(&frame);
                    }
                }
                _ => return Err(Stop::Broken),
            }
        }
    }

    fn close(&mut self, frame: &Frame) {
        let limits = self.out.limits;
        let (limit, allowed) =
            if frame.object { ("object_keys", limits.object_keys) } else { ("array_length", limits.array_length) };
        self.out.bound(limit, At::Node(frame.node), usize::try_from(frame.count).unwrap_or(usize::MAX), allowed);
        if let Some(twice) = duplicates::find(self.keys.get(frame.keys..).unwrap_or_default(), self.out.nodes) {
            self.out.note(Problem::new(ProblemCode::DuplicateKey, At::Node(twice)));
        }
        self.keys.truncate(frame.keys);
    }

    fn scalar(&mut self, first: u8, node: u32) -> Result<(), Stop> {
        let (aspect, bytes) = match first {
            b'"' => {
                let text = self.string(At::Node(node));
                self.out.bound("string_length", At::Node(node), text.len(), self.out.limits.string_length);
                (Aspect::Text, text)
            }
            b't' => (Aspect::Boolean, self.word(b"true")?),
            b'f' => (Aspect::Boolean, self.word(b"false")?),
            b'n' => (Aspect::Null, self.word(b"null")?),
            _ => {
                let number = self.number()?;
                self.out.bound("number_length", At::Node(node), number.len(), self.out.limits.number_length);
                (Aspect::Number, Cow::Borrowed(number))
            }
        };
        Ok(self.out.push(Value { kind: Kind::Json, aspect, name: Name::Node(node), bytes })?)
    }

    fn word(&mut self, word: &[u8]) -> Result<Cow<'a, [u8]>, Stop> {
        let found = self.bytes.get(self.pos..self.pos + word.len()).filter(|found| *found == word);
        let found = found.ok_or(Stop::Broken)?;
        self.pos += word.len();
        Ok(Cow::Borrowed(found))
    }

    /// RFC 8259 section 6: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, kept as it is written.
    fn number(&mut self) -> Result<&'a [u8], Stop> {
        let start = self.pos;
        self.skip_if(|byte| byte == b'-');
        if !self.skip_if(|byte| byte == b'0') {
            self.digits()?;
        }
        if self.skip_if(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.skip_if(|byte| byte | 0x20 == b'e') {
            self.skip_if(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        self.bytes.get(start..self.pos).ok_or(Stop::Broken)
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.pos;
        while self.skip_if(|byte| byte.is_ascii_digit()) {}
        if self.pos == start { Err(Stop::Broken) } else { Ok(()) }
    }

    fn skip_if(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.pos += usize::from(found);
        found
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.pos += 1;
        }
    }
}
