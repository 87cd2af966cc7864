//! Problems: everything odd that a parser saw, with a stable code and a place.
//!
//! A parser never refuses. It goes on as far as a bound allows, so that what a lenient backend might see is inspected,
//! and notes the problem; the profile decides whether a problem refuses the request or is only an event.

use std::fmt;

/// Where a problem or a value is, without a string; [`Message::locate`](crate::Message::locate) writes it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// The request line.
    Line,
    /// The path.
    Path,
    /// The query string as a whole.
    Query,
    /// The header section as a whole.
    Headers,
    /// The field at this index of [`Head::headers`](crate::Head::headers).
    Header(u32),
    /// The cookies as a whole.
    Cookies,
    /// The body as a whole.
    Body,
    /// The value at this index of [`Message::values`](crate::Message::values).
    Value(u32),
    /// The node at this index of [`Message::nodes`](crate::Message::nodes).
    Node(u32),
}

/// What more is known of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// A limit was exceeded.
    Limit {
        /// The name of the limit, as in the configuration.
        limit: &'static str,
        /// What the request has, or the least that is known of it.
        actual: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The byte offset in the decoded body (or in the value) where it was seen.
    Offset(usize),
    /// A fixed text that says which case it is.
    Case(&'static str),
}

/// One oddity of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub code: ProblemCode,
    /// Where it is.
    pub at: At,
    /// What more is known.
    pub detail: Detail,
}

/// What sort of problem a code is: the profile's switch and the refusal's status follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemClass {
    /// A content limit of the profile was exceeded.
    Limit,
    /// The syntax is broken: parsers differ in what they make of it.
    Malformed,
    /// The syntax is allowed but parsers differ in what they make of it.
    Ambiguous,
    /// The encoding (charset, content coding) is unknown or broken.
    Encoding,
    /// Legal and harmless alone; a signal that rules may use.
    Notice,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident;)*) => {
        /// The stable code of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ProblemCode { $($(#[$doc])* $name,)* }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable snake_case text, as configuration and events show it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What sort of problem it is.
            pub const fn class(self) -> ProblemClass {
                match self { $(Self::$name => ProblemClass::$class,)* }
            }
        }
    };
}

codes! {
    /// A limit of [`Limits`](crate::Limits) was exceeded; the detail names it.
    LimitExceeded = "limit_exceeded", Limit;

    /// The request target is none of the four forms of RFC 9112 section 3.2.
    BadTarget = "bad_target", Malformed;
    /// The path is one that is refused; the detail says why.
    BadPath = "bad_path", Malformed;
    /// A `%` without two hexadecimal digits after it.
    InvalidPercent = "invalid_percent", Malformed;
    /// A NUL byte where text is expected.
    NulByte = "nul_byte", Malformed;
    /// A field name that is no token (RFC 9110 section 5.6.2).
    BadHeaderName = "bad_header_name", Malformed;
    /// A field value with CR, LF, NUL or another control byte.
    BadHeaderValue = "bad_header_value", Malformed;
    /// A field that may occur once occurs again (Host, Content-Length, Content-Type ...).
    DuplicateHeader = "duplicate_header", Ambiguous;
    /// Both Content-Length and Transfer-Encoding.
    AmbiguousFraming = "ambiguous_framing", Malformed;
    /// A byte above 0x7f in a field value (obs-text).
    HeaderObsText = "header_obs_text", Notice;
    /// A piece of a Cookie field without `=`.
    BadCookie = "bad_cookie", Notice;

    /// A Content-Type that does not follow RFC 9110 section 8.3.1, or repeats a parameter.
    BadContentType = "bad_content_type", Malformed;
    /// A body without Content-Type.
    MissingContentType = "missing_content_type", Notice;
    /// The body looks like another type than the one it is declared to be; it was inspected as both.
    MislabelledBody = "mislabelled_body", Notice;
    /// A charset that is not understood, or one known to hide text from inspection (UTF-7, EBCDIC).
    UnknownCharset = "unknown_charset", Encoding;
    /// The bytes do not fit the charset (UTF-8 where none is named).
    InvalidCharset = "invalid_charset", Encoding;
    /// A byte order mark.
    ByteOrderMark = "byte_order_mark", Ambiguous;
    /// A content coding that is not understood.
    UnknownEncoding = "unknown_encoding", Encoding;
    /// A compressed body that does not decode.
    BadEncoding = "bad_encoding", Encoding;
    /// A compressed body that ends early.
    TruncatedEncoding = "truncated_encoding", Encoding;
    /// Bytes after the end of a compressed body.
    TrailingEncodedBytes = "trailing_encoded_bytes", Encoding;

    /// JSON that does not follow RFC 8259.
    MalformedJson = "malformed_json", Malformed;
    /// A key that occurs twice in one JSON object; both values were inspected.
    DuplicateKey = "duplicate_key", Ambiguous;
    /// Bytes after the end of the JSON document.
    TrailingJson = "trailing_json", Malformed;
    /// A `\uD800`-`\uDFFF` escape without its partner.
    LoneSurrogate = "lone_surrogate", Ambiguous;

    /// XML that is not well-formed.
    MalformedXml = "malformed_xml", Malformed;
    /// A document type declaration.
    XmlDoctype = "xml_doctype", Malformed;
    /// A reference to an entity other than the five predefined ones.
    XmlEntity = "xml_entity", Malformed;

    /// No usable boundary in the Content-Type of a multipart body.
    BadBoundary = "bad_boundary", Malformed;
    /// A multipart body without its closing boundary.
    TruncatedMultipart = "truncated_multipart", Malformed;
    /// A multipart body that is not well-formed; the detail says how.
    MalformedMultipart = "malformed_multipart", Malformed;
    /// A part whose name or file name parsers read differently; the detail says how.
    AmbiguousPart = "ambiguous_part", Ambiguous;
    /// Bytes before the first or after the last boundary.
    MultipartOutside = "multipart_outside", Ambiguous;
    /// A multipart body inside a part.
    NestedMultipart = "nested_multipart", Ambiguous;
    /// A part with a Content-Transfer-Encoding other than 7bit, 8bit or binary (RFC 7578 section 4.7).
    PartTransferEncoding = "part_transfer_encoding", Ambiguous;
}

impl ProblemCode {
    /// Whether the profile that ships as `default` refuses a request that has this problem.
    pub const fn refused_by_default(self) -> bool {
        !matches!(self.class(), ProblemClass::Notice) && !matches!(self, Self::ByteOrderMark | Self::LoneSurrogate)
    }

    /// Whether content was not decoded, so that nobody can look at it: a content coding that is unknown or broken.
    pub const fn hides_content(self) -> bool {
        matches!(self, Self::UnknownEncoding | Self::BadEncoding | Self::TruncatedEncoding | Self::TrailingEncodedBytes)
    }

    /// Whether cutting a good body short can cause it, so that it says nothing about a prefix of a body.
    pub(crate) const fn comes_of_cutting(self) -> bool {
        matches!(
            self,
            Self::MalformedJson
                | Self::LoneSurrogate
                | Self::MalformedXml
                | Self::XmlEntity
                | Self::MalformedMultipart
                | Self::AmbiguousPart
                | Self::TruncatedMultipart
                | Self::InvalidPercent
                | Self::InvalidCharset
                | Self::TruncatedEncoding
        )
    }

    /// The code of this text.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Limit { limit, actual, allowed } => write!(f, "{limit} is {actual}, allowed are {allowed}"),
            Self::Offset(offset) => write!(f, "at byte {offset}"),
            Self::Case(text) => f.write_str(text),
        }
    }
}

impl Problem {
    /// A problem of which no more is known than its place.
    pub const fn new(code: ProblemCode, at: At) -> Self {
        Self { code, at, detail: Detail::None }
    }

    /// A problem at a byte offset.
    pub const fn offset(code: ProblemCode, at: At, offset: usize) -> Self {
        Self { code, at, detail: Detail::Offset(offset) }
    }

    /// A problem whose case a fixed text names.
    pub const fn case(code: ProblemCode, at: At, case: &'static str) -> Self {
        Self { code, at, detail: Detail::Case(case) }
    }

    /// A limit exceeded.
    pub const fn limit(limit: &'static str, at: At, actual: usize, allowed: usize) -> Self {
        let detail = Detail::Limit { limit, actual: actual as u64, allowed: allowed as u64 };
        Self { code: ProblemCode::LimitExceeded, at, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_found_by_their_text() {
        for &code in ProblemCode::ALL {
            assert_eq!(ProblemCode::of(code.as_str()), Some(code));
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        }
        assert_eq!(ProblemCode::of("no_such_code"), None);
    }

    #[test]
    fn notices_are_not_refused() {
        assert!(!ProblemCode::BadCookie.refused_by_default());
        assert!(ProblemCode::DuplicateKey.refused_by_default());
        assert!(ProblemCode::LimitExceeded.refused_by_default());
    }
}
