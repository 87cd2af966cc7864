//! Changes to a header on its way through.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};
use rampart_settings::Place;

use crate::raw_rules::RawHeaderEdits;

/// Changes to a header: what is removed, then what is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Fields that get this value, whatever was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields that are taken out.
    pub remove: Vec<HeaderName>,
}

/// Which way the header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Fields of the connection rather than of the message (RFC 9110 section 7.6.1), and those that frame it: an edit of
/// these could smuggle a request.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];
/// What the gateway says about the client and itself; a route cannot say otherwise.
const OWN: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id"];

impl HeaderEdits {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    pub(crate) fn compile(raw: &RawHeaderEdits, direction: Direction, place: &Place<'_>) -> Self {
        let mut edits = Self { set: Vec::new(), remove: Vec::new() };
        let mut seen = HashSet::new();
        for (name, value) in &raw.set {
            let place = place.key("set").key(name);
            let Some(name) = field(name, direction, |why, help| place.error_at_key(why, help)) else { continue };
            if !seen.insert(name.clone()) {
                place.error_at_key(format!("\"{name}\" is set twice"), None);
            }
            match HeaderValue::from_str(value) {
                Ok(value) => edits.set.push((name, value)),
                Err(_) => place.error_help(
                    format!("{value:?} is not the value of a header"),
                    "values are visible ASCII and spaces, without line breaks",
                ),
            }
        }
        for (index, name) in raw.remove.iter().enumerate() {
            let place = place.key("remove").index(index);
            let report = |why: String, help: Option<String>| match help {
                Some(help) => place.error_help(why, help),
                None => place.error(why),
            };
            if let Some(name) = field(name, direction, report) {
                if seen.contains(&name) {
                    place.error(format!("\"{name}\" is also set, which replaces it anyway"));
                }
                edits.remove.push(name);
            }
        }
        edits
    }
}

fn field(name: &str, direction: Direction, report: impl Fn(String, Option<String>)) -> Option<HeaderName> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        report(format!("{name:?} is not the name of a header"), None);
        return None;
    };
    if FRAMING.contains(&parsed.as_str()) {
        report(format!("\"{parsed}\" belongs to the connection; the gateway sets it"), None);
        return None;
    }
    if direction == Direction::Request && parsed == "host" {
        let help = "`host_header` of the upstream says which Host it sees".to_owned();
        report("\"host\" is not changed by a route".to_owned(), Some(help));
        return None;
    }
    if OWN.contains(&parsed.as_str()) {
        report(format!("\"{parsed}\" is what the gateway says; a route does not change it"), None);
        return None;
    }
    Some(parsed)
}
