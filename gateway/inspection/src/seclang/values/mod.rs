//! What a request and its response say, as SecLang sees it: a growing list of values, each of one [`Source`].
//!
//! ```text
//! let mut values = Values::new(buffers);
//! read_head(&head, &connection, &settings, &mut values);                 // phase 1
//! read_body(&message, chosen, &settings, &limits, &mut values);          // phase 2
//! let kept = values.keep(program.kept);                                  // what outlives the request
//! let mut values = Values::resume(&kept, values.into_buffers());
//! read_response_head(&response, &mut values);                            // phase 3
//! read_response_body(body, &settings, &mut values);                      // phase 4
//! ```
//!
//! The list is sorted by time: what a later phase adds stands behind what earlier phases know, so a caller scans from
//! [`Values::len`] before to [`Values::len`] after.
//!
//! This is not [`rampart_message::Message`]: rules are written against what ModSecurity makes of a request, and that differs in many
//! places from what the request means (a cookie is not decoded, an empty piece of a query is an argument, a path is decoded
//! before it is split). What both see alike, the values of a JSON document, is taken from the message and not parsed again.
//!
//! A value is a slice of the request where it stands there as it is; what had to be made lies in one arena. Nothing is
//! allocated per value.
//!
//! Never here: rules, variables that the run works out (`TX`, `MATCHED_VAR`, `DURATION` ...), limits of the profile.
//!
//! Source: ModSecurity 3.0.9, by what it does (`transaction.cc`, `request_body_processor/`), asked where its manual is silent.

mod body;
mod cookies;
#[cfg(test)]
mod cost;
mod facts;
mod head;
mod json;
mod multipart;
mod response;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod uri;
mod urlencoded;
mod xml;

pub(crate) use self::body::read_body;
pub use self::facts::Connection;
pub(crate) use self::head::read_head;
pub(crate) use self::response::{read_response_body, read_response_head};
pub(crate) use self::store::{Buffers, Kept, ValueRef, Values};

/// White space as C's `isspace` has it.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
