//! The path, normalised once: the one form that is matched, inspected and forwarded.
//!
//! Normalising follows RFC 3986 section 6.2.2: percent-encoded unreserved characters are decoded, remaining escapes are
//! written in upper case, dot segments are removed (after that decoding, so `%2e%2e` is a dot segment). Bytes that a
//! URI may not hold are escaped. The outcome does not depend on any policy; what is odd about the path is collected as
//! a set, and the [`PathPolicy`] of a route says which of it the route allows. So a path is normalised before its route is known
//! and judged after. Some paths are refused whatever the route says: see [`PathProblem::allowable`].
//!
//! It never decodes twice, never decodes a reserved character, and never touches the query.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::percent;

/// What is odd about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum PathProblem {
    /// It does not start with `/`.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// A `%` without two hexadecimal digits after it (`%`, `%zz`, `%u002e`).
    #[error("the path holds a percent sign that starts no escape")]
    InvalidPercent,
    /// A control byte, raw or escaped (NUL apart).
    #[error("the path holds a control byte")]
    Control,
    /// A `#`: a fragment is never sent (RFC 9112 section 3.2).
    #[error("the path holds a fragment")]
    Fragment,
    /// A dot segment that shows only to who splits at encoded slashes, backslashes or before `;`.
    #[error("the path hides a dot segment behind an encoded separator or a parameter")]
    HiddenTraversal,
    /// `%2F`.
    #[error("the path holds an encoded slash")]
    EncodedSlash,
    /// `\` or `%5C`.
    #[error("the path holds a backslash")]
    Backslash,
    /// NUL, raw or `%00`.
    #[error("the path holds a NUL byte")]
    Nul,
    /// A path that a second decoding would change: `%2541`, `%25u0041`.
    #[error("the path is encoded twice")]
    DoubleEncoding,
    /// `;`, raw or `%3B`.
    #[error("the path holds a parameter")]
    Parameter,
    /// `//`.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// Bytes that are no UTF-8, overlong forms (`%C0%AE`) among them.
    #[error("the path is not valid UTF-8")]
    InvalidUtf8,
}

/// A set of [`PathProblem`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathProblems(u16);

/// Which odd paths a route allows. By default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathPolicy {
    allowed: PathProblems,
}

/// A word of a route's `allow_path` list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPathPolicy {
    /// `%2F`; it is forwarded as it is, never decoded.
    EncodedSlash,
    /// `\` and `%5C`; forwarded as `%5C`.
    Backslash,
    /// `%00`; forwarded as `%00`.
    Nul,
    /// `%2541` and the like; forwarded as it is.
    DoubleEncoding,
    /// `;`.
    Parameter,
    /// `//`.
    EmptySegment,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
}

/// A normalised path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalisedPath<'a> {
    bytes: Cow<'a, [u8]>,
    problems: PathProblems,
}

impl PathProblem {
    /// Every problem, the gravest first: the one that is reported where a path has several.
    pub const ALL: [Self; 12] = [
        Self::NotAbsolute,
        Self::Nul,
        Self::Control,
        Self::InvalidPercent,
        Self::HiddenTraversal,
        Self::DoubleEncoding,
        Self::EncodedSlash,
        Self::Backslash,
        Self::InvalidUtf8,
        Self::Fragment,
        Self::Parameter,
        Self::EmptySegment,
    ];

    /// The stable snake_case text, as events show it; of an allowable problem also the word that allows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "not_absolute",
            Self::InvalidPercent => "invalid_percent",
            Self::Control => "control",
            Self::Fragment => "fragment",
            Self::HiddenTraversal => "hidden_traversal",
            Self::EncodedSlash => "encoded_slash",
            Self::Backslash => "backslash",
            Self::Nul => "nul",
            Self::DoubleEncoding => "double_encoding",
            Self::Parameter => "parameter",
            Self::EmptySegment => "empty_segment",
            Self::InvalidUtf8 => "invalid_utf8",
        }
    }

    /// Whether a route may allow it. What it may not allow has no one meaning that could be forwarded.
    pub const fn allowable(self) -> bool {
        !matches!(
            self,
            Self::NotAbsolute | Self::InvalidPercent | Self::Control | Self::Fragment | Self::HiddenTraversal
        )
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl PathProblems {
    /// Whether nothing is odd.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `problem` is in the set.
    pub const fn contains(self, problem: PathProblem) -> bool {
        self.0 & problem.bit() != 0
    }

    /// The problems of the set, the gravest first.
    pub fn iter(self) -> impl Iterator<Item = PathProblem> {
        PathProblem::ALL.into_iter().filter(move |problem| self.contains(*problem))
    }

    fn insert(&mut self, problem: PathProblem) {
        self.0 |= problem.bit();
    }
}

impl PathPolicy {
    /// Allows nothing odd.
    pub const STRICT: Self = Self { allowed: PathProblems(0) };
    /// Allows everything that a route may allow.
    pub const LENIENT: Self = Self { allowed: PathProblems(u16::MAX) };

    /// The policy that a route's words make.
    pub fn compile(words: &[RawPathPolicy]) -> Self {
        words.iter().fold(Self::STRICT, |policy, word| {
            policy.allow(match word {
                RawPathPolicy::EncodedSlash => PathProblem::EncodedSlash,
                RawPathPolicy::Backslash => PathProblem::Backslash,
                RawPathPolicy::Nul => PathProblem::Nul,
                RawPathPolicy::DoubleEncoding => PathProblem::DoubleEncoding,
                RawPathPolicy::Parameter => PathProblem::Parameter,
                RawPathPolicy::EmptySegment => PathProblem::EmptySegment,
                RawPathPolicy::InvalidUtf8 => PathProblem::InvalidUtf8,
            })
        })
    }

    /// This policy, and `problem` allowed too, where it is [allowable](PathProblem::allowable).
    #[must_use]
    pub fn allow(mut self, problem: PathProblem) -> Self {
        if problem.allowable() {
            self.allowed.insert(problem);
        }
        self
    }

    /// The gravest of `problems` that this policy does not allow.
    pub fn check(&self, problems: PathProblems) -> Result<(), PathProblem> {
        let refused = PathProblems(problems.0 & !self.allowed.0);
        if refused.is_empty() { Ok(()) } else { refused.iter().next().map_or(Ok(()), Err) }
    }
}

impl<'a> NormalisedPath<'a> {
    /// The normalised path: what is matched and forwarded. Starts with `/` unless the path was not absolute.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is odd about the path.
    pub fn problems(&self) -> PathProblems {
        self.problems
    }

    /// The path with its remaining escapes decoded too: what rules look at, never what is forwarded.
    pub fn decoded(&self) -> Cow<'_, [u8]> {
        percent::decode(&self.bytes, percent::Plus::Literal).bytes
    }

    /// The normalised path itself.
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        self.bytes
    }
}

/// Normalises `path` and judges it by `policy`.
pub fn normalise<'a>(path: &'a [u8], policy: &PathPolicy) -> Result<NormalisedPath<'a>, PathProblem> {
    let normalised = scan(path);
    policy.check(normalised.problems)?;
    Ok(normalised)
}

/// Normalises `path` and says what is odd about it, refusing nothing. Borrows where the path is normal already.
pub fn scan(path: &[u8]) -> NormalisedPath<'_> {
    if is_normal(path) {
        return NormalisedPath { bytes: Cow::Borrowed(path), problems: PathProblems::default() };
    }
    let mut problems = PathProblems::default();
    if path.first() != Some(&b'/') {
        problems.insert(PathProblem::NotAbsolute);
    }
    let escaped = unify_escapes(path, &mut problems);
    let bytes = remove_dot_segments(&escaped);
    find_empty_segments(&bytes, &mut problems);
    find_disguises(&bytes, &mut problems);
    let bytes = if bytes == path { Cow::Borrowed(path) } else { Cow::Owned(bytes) };
    NormalisedPath { bytes, problems }
}

/// Whether nothing needs doing: only plain characters, no dot at the start of a segment, no empty segment.
fn is_normal(path: &[u8]) -> bool {
    let mut after_slash = false;
    for (at, &byte) in path.iter().enumerate() {
        let slash = byte == b'/';
        if !(slash || is_plain(byte)) || (after_slash && (slash || byte == b'.')) || (at == 0 && !slash) {
            return false;
        }
        after_slash = slash;
    }
    !path.is_empty()
}

/// RFC 3986 `pchar` without escapes and without `;`, which has a meaning to some backends.
const fn is_plain(byte: u8) -> bool {
    percent::is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// Decodes escapes of unreserved characters, writes the others in upper case, escapes what a URI may not hold.
fn unify_escapes(path: &[u8], problems: &mut PathProblems) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + 16);
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let mut decoded = byte;
        let mut escaped = false;
        if byte == b'%' {
            if let Some((value, after)) = percent::escape(tail) {
                (decoded, escaped, rest) = (value, true, after);
            } else {
                problems.insert(PathProblem::InvalidPercent);
            }
        }
        note_byte(decoded, escaped, problems);
        let keep =
            if escaped { percent::is_unreserved(decoded) } else { is_plain(decoded) || matches!(decoded, b'/' | b';') };
        if keep {
            out.push(decoded);
        } else {
            percent::push_escape(&mut out, decoded);
        }
    }
    out
}

fn note_byte(decoded: u8, escaped: bool, problems: &mut PathProblems) {
    match decoded {
        0 => problems.insert(PathProblem::Nul),
        0x01..=0x1f | 0x7f => problems.insert(PathProblem::Control),
        b'\\' => problems.insert(PathProblem::Backslash),
        b';' => problems.insert(PathProblem::Parameter),
        b'/' if escaped => problems.insert(PathProblem::EncodedSlash),
        b'#' if !escaped => problems.insert(PathProblem::Fragment),
        _ => {}
    }
}

/// RFC 3986 section 5.2.4, for a path that starts with a slash.
fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let body = path.strip_prefix(b"/").unwrap_or(path);
    let mut segments = body.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => out.truncate(memchr::memrchr(b'/', &out).unwrap_or(0)),
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
    out
}

fn find_empty_segments(path: &[u8], problems: &mut PathProblems) {
    if memchr::memmem::find(path, b"//").is_some() {
        problems.insert(PathProblem::EmptySegment);
    }
}

/// Finds what shows only after a decoding: another layer of escapes, bytes that are no text, dot segments.
fn find_disguises(path: &[u8], problems: &mut PathProblems) {
    let once = percent::decode(path, percent::Plus::Literal).bytes;
    if std::str::from_utf8(&once).is_err() {
        problems.insert(PathProblem::InvalidUtf8);
    }
    if hides_dot_segment(&once) {
        problems.insert(PathProblem::HiddenTraversal);
    }
    if percent::has_escape(&once) {
        problems.insert(PathProblem::DoubleEncoding);
        if hides_dot_segment(&percent::decode(&once, percent::Plus::Literal).bytes) {
            problems.insert(PathProblem::HiddenTraversal);
        }
    }
}

fn hides_dot_segment(decoded: &[u8]) -> bool {
    decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let bare = segment.split(|&byte| byte == b';').next().unwrap_or_default();
        bare == b"." || bare == b".."
    })
}

#[cfg(test)]
mod tests;
