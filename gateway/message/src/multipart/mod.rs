//! Multipart bodies (RFC 7578 over RFC 2046 section 5.1): fields and files as values, and every part as it stands.
//!
//! No format is read in more ways. Here a delimiter is `--boundary` at the start of a line, lines may end in LF alone, and
//! the first of repeated things counts; each place where another parser could come to another result is a
//! [`Fault`], noted as a problem, and the text in doubt is inspected.
//!
//! | input | what happens |
//! |---|---|
//! | no boundary parameter, or one that RFC 2046 does not allow | the first line tells the boundary, if it can; `bad_boundary` |
//! | no delimiter in the body | the whole body is one value; `malformed_multipart` |
//! | text before the first or after the last delimiter | inspected as body; `multipart_outside` |
//! | no closing delimiter | the last part is given as far as it goes; `truncated_multipart` |
//! | LF line ends, folded header, header without colon, header without end | read on; `malformed_multipart` |
//! | no name, repeated name or Content-Disposition, `filename*`, odd quotes | all names are given; `ambiguous_part` |
//! | Content-Transfer-Encoding other than 7bit, 8bit, binary | not decoded; `part_transfer_encoding` |
//! | a part that is multipart itself | one value; `nested_multipart` |
//! | an empty file name, with content | the content as a file and as a field, because parsers differ |
//! | a field of type JSON or XML | read as such, below `form.NAME` |
//! | charset of a part, or a `_charset_` field, other than UTF-8 | UTF-16 and latin-1 are converted; others `unknown_charset` |

mod disposition;
mod lines;
mod part;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::collector::{Collector, Full};
use crate::{Aspect, At, Kind, Name, Problem, ProblemCode, Value};

/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_MAX: usize = 70;

/// What a multipart body is made of, beside the values it gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart<'a> {
    /// The parts in order; at most as many as `multipart_parts` allows, and one more.
    pub parts: Vec<Part<'a>>,
    /// What is not as the RFCs want it.
    pub faults: Faults,
}

/// One part of a multipart body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part<'a> {
    /// The header fields of the part as received, a folded one in one piece, without the last line end.
    pub headers: Vec<&'a [u8]>,
    /// The name of the field; empty where it has none.
    pub name: Cow<'a, [u8]>,
    /// The name of the file, where the part is a file.
    pub file_name: Option<Cow<'a, [u8]>>,
    /// The content as received.
    pub content: &'a [u8],
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        /// A way in which a multipart body is not as the RFCs want it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The problem that it is, and the case of it.
            pub const fn problem(self) -> (ProblemCode, &'static str) {
                match self { $(Self::$name => (ProblemCode::$code, $text),)* }
            }
        }
    };
}

faults! {
    /// The Content-Type names no boundary.
    NoBoundary = BadBoundary, "no boundary parameter";
    /// The boundary is empty, longer than 70 bytes or holds bytes that RFC 2046 does not allow.
    IllegalBoundary = BadBoundary, "a boundary that RFC 2046 does not allow";
    /// The body holds no delimiter.
    NoDelimiter = MalformedMultipart, "no delimiter in the body";
    /// The boundary inside a line, or at the start of a longer line.
    UnmatchedBoundary = MalformedMultipart, "a boundary that is no delimiter";
    /// Blanks between a delimiter and its line end.
    BoundaryBlanks = MalformedMultipart, "blanks after a delimiter";
    /// A line that ends in LF alone.
    BareLineFeed = MalformedMultipart, "a line feed without a carriage return";
    /// A header field on more than one line.
    FoldedHeader = MalformedMultipart, "a folded header field";
    /// A header line that is no field.
    BadHeader = MalformedMultipart, "a header line that is no field";
    /// A part whose header does not end.
    OpenHeader = MalformedMultipart, "a header without an end";
    /// No closing delimiter.
    NoEnd = TruncatedMultipart, "no closing delimiter";
    /// Text before the first delimiter.
    TextBefore = MultipartOutside, "text before the first delimiter";
    /// Text after the closing delimiter.
    TextAfter = MultipartOutside, "text after the closing delimiter";
    /// No Content-Disposition, or one that is not `form-data`.
    NoDisposition = AmbiguousPart, "no Content-Disposition of form-data";
    /// A second Content-Disposition.
    TwoDispositions = AmbiguousPart, "two Content-Disposition fields";
    /// A part without a name.
    NoName = AmbiguousPart, "a part without a name";
    /// A parameter of Content-Disposition occurs twice.
    RepeatedParameter = AmbiguousPart, "a repeated parameter";
    /// Content-Disposition does not follow the grammar of its parameters.
    OddParameter = AmbiguousPart, "a parameter outside the grammar";
    /// A backslash or a single quote where parsers differ about its meaning.
    OddQuoting = AmbiguousPart, "a quote or backslash that parsers read differently";
    /// `filename*` (RFC 7578 section 4.2 forbids it).
    ExtendedFileName = AmbiguousPart, "an extended file name";
}

/// A set of [`Fault`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Whether `fault` is in the set.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u32 != 0
    }

    /// Whether nothing is wrong.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The faults of the set.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.contains(*fault))
    }
}

/// A multipart body being read.
struct Reader<'s, 'm, 'a> {
    form: Multipart<'a>,
    files: usize,
    out: &'s mut Collector<'m, 'a>,
}

/// Reads `body`. `Err` says that a bound stopped the reading.
pub(crate) fn parse<'a>(
    body: &'a [u8],
    boundary: Option<&[u8]>,
    out: &mut Collector<'_, 'a>,
) -> (Multipart<'a>, Result<(), Full>) {
    let mut reader = Reader { form: Multipart::default(), files: 0, out };
    let outcome = reader.body(body, boundary);
    (reader.form, outcome)
}

impl<'a> Reader<'_, '_, 'a> {
    fn fault(&mut self, fault: Fault, at: At) {
        self.form.faults.0 |= 1 << fault as u32;
        let (code, case) = fault.problem();
        self.out.note(Problem::case(code, at, case));
    }

    fn body(&mut self, body: &'a [u8], given: Option<&[u8]>) -> Result<(), Full> {
        let Some(boundary) = self.boundary(body, given) else { return self.stray(body) };
        let split = lines::split(body, &boundary);
        for fault in split.faults {
            self.fault(fault, At::Body);
        }
        if split.parts.is_empty() && !split.closed {
            self.fault(Fault::NoDelimiter, At::Body);
            return self.stray(body);
        }
        if !split.before.is_empty() {
            self.fault(Fault::TextBefore, At::Body);
            self.stray(split.before)?;
        }
        self.out.bound("multipart_parts", At::Body, split.count, self.out.limits.multipart_parts);
        for part in split.parts {
            self.part(part)?;
        }
        self.out.bound("files", At::Body, self.files, self.out.limits.files);
        if !split.closed {
            self.fault(Fault::NoEnd, At::Body);
        }
        if !split.after.is_empty() {
            self.fault(Fault::TextAfter, At::Body);
            self.stray(split.after)?;
        }
        Ok(())
    }

    /// The boundary as declared or, where that cannot be, as the first line shows it.
    fn boundary<'b>(&mut self, body: &'a [u8], given: Option<&'b [u8]>) -> Option<Cow<'b, [u8]>>
    where
        'a: 'b,
    {
        if given.is_none() {
            self.fault(Fault::NoBoundary, At::Body);
        } else if !given.is_some_and(is_boundary) {
            self.fault(Fault::IllegalBoundary, At::Body);
        }
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            return Some(Cow::Borrowed(given));
        }
        let first = body.strip_prefix(b"--")?.split(|&byte| byte == b'\n').next()?.trim_ascii_end();
        (!first.is_empty()).then_some(Cow::Borrowed(first))
    }

    /// Text of the body that belongs to no part.
    fn stray(&mut self, text: &'a [u8]) -> Result<(), Full> {
        self.out.push(Value { kind: Kind::Body, aspect: Aspect::Raw, name: Name::None, bytes: Cow::Borrowed(text) })
    }
}

/// RFC 2046 section 5.1.1 `boundary`.
fn is_boundary(bytes: &[u8]) -> bool {
    let legal = |&byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=BOUNDARY_MAX).contains(&bytes.len()) && bytes.iter().all(legal) && bytes.last() != Some(&b' ')
}
