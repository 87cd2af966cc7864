//! What the request target says: `REQUEST_URI`, `REQUEST_FILENAME`, `REQUEST_BASENAME`, `QUERY_STRING` and kin.
//!
//! ModSecurity decodes the whole target first (percent escapes, nothing else) and then looks for `?`, `/` and the host
//! in the decoded text; only the query string is cut from the target as received. So `%3f` ends the file name here. A
//! fragment, which no client should send, is in `REQUEST_URI_RAW` and `REQUEST_LINE` alone.

use memchr::memchr;

use super::store::{Text, Values};
use crate::seclang::variable::Source;

/// Adds the values of the target `uri`, arguments apart.
pub(super) fn read<'a>(uri: &'a [u8], values: &mut Values<'a>) {
    let decoded = decode(without_fragment(uri), values);
    let text = values.bytes(decoded);
    let len = text.len();
    let path_end = memchr(b'?', text).unwrap_or(len);
    let name_start = text.get(..path_end).and_then(|path| path.iter().rposition(|byte| matches!(byte, b'/' | b'\\')));
    let without_host = host_end(text);
    let path = decoded.part(0, path_end);
    let name = name_start.map_or(Text::EMPTY, |at| decoded.part(at + 1, path_end));
    values.push_single(Source::RequestUri, decoded.part(without_host, len));
    values.push_single(Source::RequestUriRaw, Text::Given(uri));
    values.push_single(Source::RequestFilename, path);
    values.push_single(Source::PathInfo, path);
    values.push_single(Source::RequestBasename, name);
    values.push_single(Source::QueryString, Text::Given(query(uri)));
}

/// The query of a target as received; empty where there is none.
pub(super) fn query(uri: &[u8]) -> &[u8] {
    let uri = without_fragment(uri);
    memchr(b'?', uri).and_then(|at| uri.get(at + 1..)).unwrap_or_default()
}

fn without_fragment(uri: &[u8]) -> &[u8] {
    uri.get(..memchr(b'#', uri).unwrap_or(uri.len())).unwrap_or_default()
}

/// How many bytes of an absolute target come before its path; 0 of any other.
fn host_end(uri: &[u8]) -> usize {
    if uri.first() == Some(&b'/') {
        return 0;
    }
    let path = || {
        let scheme = memchr(b':', uri)? + 1;
        let host = uri.get(scheme..)?.strip_prefix(b"//")?;
        Some(scheme + 2 + memchr(b'/', host)?)
    };
    path().unwrap_or(0)
}

/// Undoes percent escapes; `+` is itself, what is no escape stays.
fn decode<'a>(uri: &'a [u8], values: &mut Values<'a>) -> Text<'a> {
    if memchr(b'%', uri).is_none() {
        return Text::Given(uri);
    }
    let mark = values.mark();
    super::urlencoded::decode_into(uri, false, values.arena());
    values.since(mark)
}
