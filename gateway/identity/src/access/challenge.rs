//! `WWW-Authenticate`: how a caller may prove who it is (RFC 9110 section 11.6.1, RFC 6750 section 3).

use std::fmt::Write as _;

use super::Access;
use super::find::{API_KEY_HEADER, API_KEY_SCHEME};
use crate::reason::Reason;

/// The challenges of a route, one for each kind of credential that it takes. A 401 has at least one.
pub(super) fn challenges(access: &Access, reason: Reason) -> Vec<String> {
    let realm = &access.realm;
    let mut challenges = Vec::with_capacity(2);
    if reason.status() == 503 {
        return challenges;
    }
    if !access.issuers.is_empty() {
        challenges.push(bearer(access, reason));
    }
    if access.api_keys.is_some() {
        challenges.push(format!("{API_KEY_SCHEME} realm=\"{realm}\", header=\"{API_KEY_HEADER}\""));
    }
    challenges
}

fn bearer(access: &Access, reason: Reason) -> String {
    let mut text = format!("Bearer realm=\"{}\"", access.realm);
    if let Some(error) = reason.bearer_error() {
        let _ = write!(text, ", error=\"{error}\"");
    }
    if reason == Reason::Expired {
        // The one cause that an honest client acts on, by fetching another token.
        text.push_str(", error_description=\"the token has expired\"");
    }
    // Those that are asked for in any case; one of several cannot be said.
    if matches!(reason, Reason::Missing | Reason::Scope) && !access.scopes.is_empty() {
        let _ = write!(text, ", scope=\"{}\"", access.scopes.join(" "));
    }
    text
}
