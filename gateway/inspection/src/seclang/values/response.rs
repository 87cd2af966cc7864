//! What the response says.

use rampart_message::ResponseHead;

use super::store::{Text, Values};
use crate::seclang::program::Settings;
use crate::seclang::variable::Source;

/// Adds the values of a response's head.
pub(crate) fn read_response_head<'a>(head: &ResponseHead<'a>, values: &mut Values<'a>) {
    let status = values.make_number(u64::from(head.status));
    values.push_single(Source::ResponseStatus, status);
    values.push_single(Source::ResponseProtocol, Text::Given(head.version.as_str().as_bytes()));
    let mut content_type: &[u8] = b"";
    for (name, value) in head.headers.iter() {
        let name_text = Text::Given(name);
        values.push(Source::ResponseHeader, name_text, Text::Given(value));
        values.push(Source::ResponseHeaderName, name_text, name_text);
        if name.eq_ignore_ascii_case(b"content-type") {
            content_type = value.split(|&byte| byte == b';').next().unwrap_or_default();
        }
    }
    values.push_single(Source::ResponseContentType, Text::Given(content_type));
}

/// Adds the body of a response, content codings undone: as much of it as `SecResponseBodyLimit` allows.
///
/// `cut` says that the caller read less than there is.
pub(crate) fn read_response_body<'a>(body: &'a [u8], cut: bool, settings: &Settings, values: &mut Values<'a>) {
    let (body, longer) = within(body, settings.response_body_limit);
    values.facts.outbound_error = Some(cut || longer);
    values.facts.response_length = Some(body.len() as u64);
    values.push_single(Source::ResponseBody, Text::Given(body));
}

/// What of `body` is within `limit` bytes (0: all of it), and whether there is more.
pub(super) fn within(body: &[u8], limit: u64) -> (&[u8], bool) {
    let fits = usize::try_from(limit).ok().filter(|&limit| limit > 0).and_then(|limit| body.get(..limit));
    fits.map_or((body, false), |fits| (fits, fits.len() < body.len()))
}
