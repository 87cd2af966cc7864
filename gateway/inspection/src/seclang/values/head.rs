//! What is known before the body: target, query arguments, fields, cookies, the connection.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rampart_message::Head;

use super::facts::Connection;
use super::store::{Text, Values};
use super::{cookies, uri, urlencoded};
use crate::seclang::ast::BodyProcessor;
use crate::seclang::program::Settings;
use crate::seclang::variable::Source;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Adds the values of a head.
///
/// An HTTP/2 request without a `Host` field has the field `Host` from its `:authority`, as servers hand it on.
pub(crate) fn read_head<'a>(head: &Head<'a>, connection: &Connection, settings: &Settings, values: &mut Values<'a>) {
    values.facts.connection = Some(*connection);
    read_line(head, values);
    let mark = values.mark();
    values.arena().extend_from_slice(connection.client.ip().to_string().as_bytes());
    values.push_single(Source::RemoteAddr, values.since(mark));
    urlencoded::read(uri::query(head.target), (Source::ArgGet, Source::ArgGetName), settings, values);
    let mut server = None;
    if let Some(authority) = head.authority.filter(|_| head.headers.get("host").is_none()) {
        server = Some(authority);
        push_field(b"Host", authority, values);
    }
    for (name, value) in head.headers.iter() {
        push_field(name, value, values);
        read_known(name, value, &mut server, values);
    }
    let server = server.unwrap_or_default().split(|&byte| byte == b':').next();
    values.push_single(Source::ServerName, Text::Given(server.unwrap_or_default()));
}

/// The request line and its parts.
fn read_line<'a>(head: &Head<'a>, values: &mut Values<'a>) {
    let protocol = head.version.as_str().as_bytes();
    values.push_single(Source::RequestMethod, Text::Given(head.method));
    values.push_single(Source::RequestProtocol, Text::Given(protocol));
    let mark = values.mark();
    for piece in [head.method, b" ", head.target, b" ", protocol] {
        values.arena().extend_from_slice(piece);
    }
    values.push_single(Source::RequestLine, values.since(mark));
    uri::read(head.target, values);
}

fn push_field<'a>(name: &'a [u8], value: &'a [u8], values: &mut Values<'a>) {
    let name = Text::Given(name);
    values.push(Source::Header, name, Text::Given(value));
    values.push(Source::HeaderName, name, name);
}

/// What some fields mean.
fn read_known<'a>(name: &[u8], value: &'a [u8], server: &mut Option<&'a [u8]>, values: &mut Values<'a>) {
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => *server = Some(value),
        6 if name.eq_ignore_ascii_case(b"cookie") => cookies::read(value, values),
        12 if name.eq_ignore_ascii_case(b"content-type") => {
            values.facts.processor = by_content_type(value).or(values.facts.processor);
        }
        13 if name.eq_ignore_ascii_case(b"authorization") => read_authorization(value, values),
        _ => {}
    }
}

/// The processor of a Content-Type when no rule says otherwise: by how the field begins, in any case.
pub(super) fn by_content_type(value: &[u8]) -> Option<BodyProcessor> {
    let begins = |with: &[u8]| value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins(b"multipart/form-data") {
        Some(BodyProcessor::Multipart)
    } else if begins(b"application/x-www-form-urlencoded") {
        Some(BodyProcessor::Urlencoded)
    } else {
        None
    }
}

/// `AUTH_TYPE` is the first word; `REMOTE_USER` the user of Basic credentials.
fn read_authorization<'a>(value: &'a [u8], values: &mut Values<'a>) {
    let mut words = value.splitn(2, |&byte| byte == b' ');
    let scheme = words.next().unwrap_or_default();
    values.facts.auth_type = Some(Text::Given(scheme));
    if scheme.eq_ignore_ascii_case(b"Basic") {
        let decoded = BASE64.decode(words.next().unwrap_or_default().trim_ascii()).unwrap_or_default();
        let user = memchr::memchr(b':', &decoded).and_then(|at| decoded.get(..at));
        values.facts.remote_user = user.map(|user| values.make(user));
    }
}
