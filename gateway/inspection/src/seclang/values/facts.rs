//! Variables that are one number, flag or word of a transaction and that no rule scans for text.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::store::{Text, Values, push_number};
use crate::seclang::ast::BodyProcessor;
use crate::seclang::variable::{Source, Variable};

/// The two ends of the connection that a request came on. A port that is not known is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The client, as it was found behind trusted proxies.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub server: SocketAddr,
}

/// What became of the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum BodyOutcome {
    /// Not read, or read by a processor that cannot fail (urlencoded).
    #[default]
    Unset,
    Fine,
    /// With the message.
    Failed(&'static str),
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts<'a> {
    pub(super) connection: Option<Connection>,
    pub(super) auth_type: Option<Text<'a>>,
    pub(super) remote_user: Option<Text<'a>>,
    pub(super) processor: Option<BodyProcessor>,
    /// Names and values of all arguments, in bytes.
    pub(super) arguments_size: Option<u64>,
    /// How many arguments were added.
    pub(super) arguments: u32,
    pub(super) files_size: Option<u64>,
    pub(super) body_length: Option<u64>,
    pub(super) body: BodyOutcome,
    pub(super) multipart: Option<MultipartFlags>,
    /// Whether the body is longer than is inspected.
    pub(super) inbound_error: Option<bool>,
    pub(super) outbound_error: Option<bool>,
    pub(super) response_length: Option<u64>,
}

/// What the `MULTIPART_*` flags say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own, by its name in rules")]
pub(super) struct MultipartFlags {
    /// Broken beyond what the other flags say.
    pub(super) error: bool,
    pub(super) data_before: bool,
    pub(super) data_after: bool,
    pub(super) header_folding: bool,
    pub(super) invalid_header_folding: bool,
    pub(super) boundary_quoted: bool,
    pub(super) boundary_whitespace: bool,
    pub(super) lf_line: bool,
    pub(super) crlf_line: bool,
    /// 1: a line that looks like a boundary and is none; 2: the same, and parts were seen.
    pub(super) unmatched_boundary: u8,
    pub(super) missing_semicolon: bool,
    pub(super) invalid_quoting: bool,
    pub(super) invalid_part: bool,
}

impl MultipartFlags {
    /// `MULTIPART_STRICT_ERROR`.
    pub(super) const fn strict_error(self) -> bool {
        self.error
            || self.boundary_quoted
            || self.boundary_whitespace
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.lf_line
            || self.missing_semicolon
            || self.invalid_quoting
            || self.invalid_part
            || self.invalid_header_folding
    }

    /// The value of a `MULTIPART_*` flag.
    const fn of(self, variable: Variable) -> u8 {
        let flag = match variable {
            Variable::MultipartStrictError => self.strict_error(),
            Variable::MultipartUnmatchedBoundary => return self.unmatched_boundary,
            Variable::MultipartBoundaryQuoted => self.boundary_quoted,
            Variable::MultipartBoundaryWhitespace => self.boundary_whitespace,
            Variable::MultipartDataBefore => self.data_before,
            Variable::MultipartDataAfter => self.data_after,
            Variable::MultipartHeaderFolding => self.header_folding,
            Variable::MultipartInvalidHeaderFolding => self.invalid_header_folding,
            Variable::MultipartInvalidQuoting => self.invalid_quoting,
            Variable::MultipartInvalidPart => self.invalid_part,
            Variable::MultipartLfLine => self.lf_line,
            Variable::MultipartCrlfLfLines => self.crlf_line && self.lf_line,
            Variable::MultipartMissingSemicolon | Variable::MultipartSemicolonMissing => self.missing_semicolon,
            _ => false,
        };
        flag as u8
    }
}

impl<'a> Facts<'a> {
    /// The same facts with their texts elsewhere.
    pub(super) fn map<'b>(&self, mut text: impl FnMut(Text<'a>) -> Text<'b>) -> Facts<'b> {
        Facts {
            connection: self.connection,
            auth_type: self.auth_type.map(&mut text),
            remote_user: self.remote_user.map(&mut text),
            processor: self.processor,
            arguments_size: self.arguments_size,
            arguments: self.arguments,
            files_size: self.files_size,
            body_length: self.body_length,
            body: self.body,
            multipart: self.multipart,
            inbound_error: self.inbound_error,
            outbound_error: self.outbound_error,
            response_length: self.response_length,
        }
    }
}

impl Values<'_> {
    /// The value of a derived variable of the request or the response; empty where it is not (yet) set, as ModSecurity
    /// has it. `None` for a variable that is not one of these.
    pub(crate) fn scalar(&self, variable: Variable) -> Option<Cow<'_, [u8]>> {
        let facts = &self.facts;
        let address = |end: Option<SocketAddr>| end.map_or(EMPTY, |end| Cow::Owned(end.ip().to_string().into_bytes()));
        let port = |end: Option<SocketAddr>| number(end.map(|end| u64::from(end.port())));
        let (client, server) = (
            facts.connection.map(|connection| connection.client),
            facts.connection.map(|connection| connection.server),
        );
        Some(match variable {
            Variable::RemotePort => port(client),
            Variable::ServerAddr => address(server),
            Variable::ServerPort => port(server),
            Variable::RemoteUser => self.word(facts.remote_user),
            Variable::AuthType => self.word(facts.auth_type),
            Variable::ArgsCombinedSize => number(facts.arguments_size),
            Variable::FilesCombinedSize => number(facts.files_size),
            Variable::RequestBodyLength => number(facts.body_length),
            Variable::ResponseContentLength => number(facts.response_length),
            Variable::ReqbodyProcessor => Cow::Borrowed(facts.processor.map_or(&b""[..], BodyProcessor::as_bytes)),
            Variable::ReqbodyError | Variable::ReqbodyProcessorError => match facts.body {
                BodyOutcome::Unset => EMPTY,
                BodyOutcome::Fine => digit(0),
                BodyOutcome::Failed(_) => digit(1),
            },
            Variable::ReqbodyErrorMsg | Variable::ReqbodyProcessorErrorMsg => match facts.body {
                BodyOutcome::Failed(message) => Cow::Borrowed(message.as_bytes()),
                BodyOutcome::Unset | BodyOutcome::Fine => EMPTY,
            },
            Variable::InboundDataError => facts.inbound_error.map_or(EMPTY, |error| digit(u8::from(error))),
            Variable::OutboundDataError => facts.outbound_error.map_or(EMPTY, |error| digit(u8::from(error))),
            Variable::FullRequest => Cow::Owned(self.full_request()),
            Variable::FullRequestLength => number(Some(self.full_request().len() as u64)),
            Variable::MultipartFileLimitExceeded => EMPTY,
            _ if variable.is_multipart_flag() => facts.multipart.map_or(EMPTY, |flags| digit(flags.of(variable))),
            _ => return None,
        })
    }

    fn word<'v>(&'v self, text: Option<Text<'v>>) -> Cow<'v, [u8]> {
        text.map_or(EMPTY, |text| Cow::Borrowed(self.bytes(text)))
    }

    /// The head's fields and the body, as ModSecurity joins them.
    fn full_request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (_, field) in self.of(Source::Header.bit()) {
            out.extend_from_slice(&[field.name, b": ", field.bytes, b"\n"].concat());
        }
        out.extend_from_slice(b"\n\n");
        for (_, body) in self.of(Source::RequestBody.bit()) {
            out.extend_from_slice(body.bytes);
        }
        out
    }
}

const EMPTY: Cow<'static, [u8]> = Cow::Borrowed(b"");

fn digit(digit: u8) -> Cow<'static, [u8]> {
    Cow::Borrowed(match digit {
        0 => b"0",
        1 => b"1",
        _ => b"2",
    })
}

fn number(number: Option<u64>) -> Cow<'static, [u8]> {
    match number {
        None => EMPTY,
        Some(0) => digit(0),
        Some(number) => {
            let mut out = Vec::new();
            push_number(&mut out, number);
            Cow::Owned(out)
        }
    }
}

impl BodyProcessor {
    /// The value of `REQBODY_PROCESSOR`.
    pub(crate) const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Urlencoded => b"URLENCODED",
            Self::Multipart => b"MULTIPART",
            Self::Json => b"JSON",
            Self::Xml => b"XML",
        }
    }
}
