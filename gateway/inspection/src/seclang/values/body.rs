//! The body, by the processor that phase 1 chose.
//!
//! Without a choice (`ctl:requestBodyProcessor`) only urlencoded and multipart bodies are taken apart, by the beginning of the
//! Content-Type. Whatever the processor, but for that of XML, `REQUEST_BODY` is the whole body after its content codings.

use rampart_message::{Limits, Message};

use super::facts::BodyOutcome;
use super::response::within;
use super::store::{Text, Values};
use super::{json, multipart, urlencoded, xml};
use crate::seclang::ast::BodyProcessor;
use crate::seclang::program::Settings;
use crate::seclang::variable::Source;

/// A body that is about to be taken apart.
pub(super) struct Input<'m, 'a> {
    pub(super) message: &'m Message<'a>,
    /// What of the body is within `SecRequestBodyLimit`.
    pub(super) bytes: &'a [u8],
    /// Whether that is less than there is.
    pub(super) cut: bool,
    pub(super) settings: &'m Settings,
    pub(super) limits: &'m Limits,
}

/// Adds the values of the body of `message`; without a body, what is said of none.
///
/// `chosen` is the processor that a rule chose. The head must have been read into these `values`, or into those that they were
/// kept from.
pub(crate) fn read_body<'a>(
    message: &Message<'a>,
    chosen: Option<BodyProcessor>,
    settings: &Settings,
    limits: &Limits,
    values: &mut Values<'a>,
) {
    let whole = message.body.map_or(&b""[..], |body| body.decoded);
    let (bytes, cut) = within(whole, settings.request_body_limit);
    let input = Input { message, bytes, cut, settings, limits };
    values.facts.inbound_error = Some(cut);
    values.facts.processor = chosen.or(values.facts.processor);
    values.facts.body = match values.facts.processor {
        Some(BodyProcessor::Json) => json::read(&input, values),
        Some(BodyProcessor::Xml) => xml::read(&input, values),
        Some(BodyProcessor::Multipart) => multipart::read(&input, values),
        Some(BodyProcessor::Urlencoded) => {
            urlencoded::read(bytes, (Source::ArgPost, Source::ArgPostName), settings, values);
            BodyOutcome::Unset
        }
        None => BodyOutcome::Fine,
    };
    if !bytes.is_empty() {
        values.facts.body_length = Some(bytes.len() as u64);
    }
    // ModSecurity 3 has it here too; the Core Rule Set, written for both of its versions, expects that rules see the text of a
    // document and not its mark-up.
    if values.facts.processor != Some(BodyProcessor::Xml) {
        values.push_single(Source::RequestBody, Text::Given(bytes));
    }
}
