//! The query against what its route takes: after identity, before inspection.
//!
//! What this rewrites is what is inspected, forwarded and (later) cached; nobody after it sees the query as received.

use std::borrow::Cow;

use bytes::Bytes;
use rampart_policy::Route;
use rampart_policy::query::Checked;

use crate::{Code, Refusal};

/// What becomes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// It goes on as it is.
    Unchanged,
    /// It goes on as this, without its `?`. Empty: there is none any more. See [`retarget`].
    Rewritten(Bytes),
    /// The request is refused.
    Refused(Box<Refusal>),
}

/// Judges the query of a request's target, given without its `?`.
///
/// It is the route that says what it takes, not its profile: this refuses in mode `detect` too.
pub fn check(route: &Route, raw_query: Option<&[u8]>) -> Query {
    match route.query.check(raw_query) {
        Checked::Unchanged => Query::Unchanged,
        Checked::Rewritten(query) => Query::Rewritten(query.into()),
        Checked::Refused(violation) => {
            let error: Cow<'static, str> = if route.profile.disclose_location {
                violation.to_string().into()
            } else {
                "A query parameter is not what this place takes".into()
            };
            let detail = "Send the parameters as this place documents them";
            Query::Refused(Box::new(Refusal::new(Code::QueryRefused, error, detail)))
        }
    }
}

/// The request target with another query. All before its `?` stays as received.
pub fn retarget(target: &[u8], query: &[u8]) -> Bytes {
    let before = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mark: &[u8] = if query.is_empty() { b"" } else { b"?" };
    [before, mark, query].concat().into()
}
