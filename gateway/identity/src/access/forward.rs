//! What the upstream is told: who the caller is, in headers that only the gateway sets, and the credential or not.

use http::{HeaderName, HeaderValue};
use rampart_message::{Headers, cookies};

use super::Access;
use super::find::{API_KEY_HEADER, AUTHORIZATION, shows_api_key};
use crate::issuer::TokenPlace;
use crate::principal::{Principal, PrincipalKind, is_safe_text, scalar};
use crate::reason::Reason;

/// Bytes of a forwarded value at most.
pub(super) const MAX_VALUE_BYTES: usize = 4_096;

/// A header, and what it says of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) header: HeaderName,
    pub(super) what: What,
}

/// What a header says of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Subject,
    Tenant,
    Scopes,
    Kind,
    Via,
    Claim(Box<str>),
}

/// Whether the upstream sees the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Tokens, but no API keys.
    Tokens,
    /// Whatever it is.
    All,
    /// None.
    None,
}

// === impl What ===

impl What {
    /// The words that are taken, besides `claim:NAME`.
    pub(super) const WORDS: [&str; 5] = ["subject", "tenant", "scopes", "kind", "via"];

    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "subject" => Self::Subject,
            "tenant" => Self::Tenant,
            "scopes" => Self::Scopes,
            "kind" => Self::Kind,
            "via" => Self::Via,
            _ => Self::Claim(text.strip_prefix("claim:").filter(|name| !name.is_empty())?.into()),
        })
    }
}

// === impl Forward ===

impl Forward {
    /// The value of the header for this caller; none where it has no such claim.
    ///
    /// A list is written with commas between (RFC 9110 section 5.6.1).
    ///
    /// # Errors
    /// [`Reason::Claim`] where the claim cannot be written as a field value that is read back as what it is: an object, a
    /// control character, blanks at the ends, a comma within an item of a list, or more than [`MAX_VALUE_BYTES`].
    pub(super) fn value(&self, principal: &Principal) -> Result<Option<HeaderValue>, Reason> {
        let text = match &self.what {
            What::Subject => principal.subject.to_string(),
            What::Tenant => principal.tenant.to_string(),
            What::Scopes => principal.scopes.join(" "),
            What::Kind => match principal.kind {
                PrincipalKind::Jwt { .. } => "jwt".to_owned(),
                PrincipalKind::ApiKey { .. } => "api_key".to_owned(),
            },
            What::Via => principal.via(),
            What::Claim(name) => match principal.claim_value(name) {
                None | Some(serde_json::Value::Null) => return Ok(None),
                Some(serde_json::Value::Array(items)) => list(items)?,
                Some(value) => scalar(value).ok_or(Reason::Claim)?.into_owned(),
            },
        };
        if text.len() > MAX_VALUE_BYTES || !is_safe_text(&text) {
            return Err(Reason::Claim);
        }
        HeaderValue::from_bytes(text.as_bytes()).map(Some).map_err(|_| Reason::Claim)
    }
}

fn list(items: &[serde_json::Value]) -> Result<String, Reason> {
    let mut text = String::new();
    for item in items {
        let item = scalar(item).ok_or(Reason::Claim)?;
        if item.is_empty() || item.contains(',') || item.trim() != item {
            return Err(Reason::Claim);
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&item);
    }
    Ok(text)
}

// === impl Access ===

impl Access {
    /// The headers that the upstream is told of callers in: on whatever route, only the gateway sets them.
    pub fn forwarded(&self) -> impl Iterator<Item = &HeaderName> {
        self.forward.iter().map(|forward| &forward.header)
    }

    /// What changes in the header that the upstream sees: a field that is removed (None), or that gets this value
    /// whatever was there. `principal` is who [`Access::check`] found, or nobody.
    pub fn forward(
        &self,
        headers: &Headers<'_>,
        principal: Option<&Principal>,
    ) -> Vec<(HeaderName, Option<HeaderValue>)> {
        let mut edits = Vec::new();
        for forward in &self.forward {
            remove_spellings(&forward.header, headers, &mut edits);
            let value = principal.and_then(|principal| forward.value(principal).ok().flatten());
            edits.push((forward.header.clone(), value));
        }
        match self.keep {
            Keep::None => self.remove_credentials(headers, &mut edits),
            Keep::Tokens => self.remove_api_key(headers, &mut edits),
            Keep::All => {}
        }
        edits
    }

    /// `Authorization` goes only if a key is in it, under whatever scheme, and even where the route takes none: it may be
    /// there for the upstream, but a key of the gateway's never is.
    fn remove_api_key(&self, headers: &Headers<'_>, edits: &mut Vec<(HeaderName, Option<HeaderValue>)>) {
        if self.api_keys.is_some() {
            remove(API_KEY_HEADER, headers, edits);
        }
        if headers.get_all(AUTHORIZATION).any(shows_api_key) {
            remove(AUTHORIZATION, headers, edits);
        }
    }

    fn remove_credentials(&self, headers: &Headers<'_>, edits: &mut Vec<(HeaderName, Option<HeaderValue>)>) {
        self.remove_api_key(headers, edits);
        if self.looks_at_authorization() {
            remove(AUTHORIZATION, headers, edits);
        }
        let places = || self.issuers.iter().flat_map(|issuer| &issuer.token);
        let mut names: Vec<&[u8]> = Vec::new();
        for place in places() {
            match place {
                TokenPlace::Bearer => {}
                TokenPlace::Header(name) => remove(name, headers, edits),
                TokenPlace::Cookie(name) => names.push(name.as_bytes()),
            }
        }
        let is_one = |name: Option<&[u8]>| name.is_some_and(|name| names.contains(&name));
        if headers.get_all("cookie").flat_map(cookies::split).any(|(name, _)| is_one(name)) {
            edits.push((http::header::COOKIE, other_cookies(headers, is_one)));
        }
    }
}

/// The cookies that stay, as one field; None if there are no others.
fn other_cookies(headers: &Headers<'_>, is_one: impl Fn(Option<&[u8]>) -> bool) -> Option<HeaderValue> {
    let mut kept = Vec::new();
    for (name, value) in headers.get_all("cookie").flat_map(cookies::split).filter(|(name, _)| !is_one(*name)) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        if let Some(name) = name {
            kept.extend_from_slice(name);
            kept.push(b'=');
        }
        kept.extend_from_slice(value);
    }
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept).ok() }
}

fn remove(name: &str, headers: &Headers<'_>, edits: &mut Vec<(HeaderName, Option<HeaderValue>)>) {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
    remove_spellings(&name, headers, edits);
    if headers.get(name.as_str()).is_some() && !edits.iter().any(|(known, _)| *known == name) {
        edits.push((name, None));
    }
}

/// Removes what servers that turn names into variables (CGI, RFC 3875 section 4.1.18, and what came of it: WSGI, Rack,
/// PHP) cannot tell from `name`: `X_User` and `X-User` both become `HTTP_X_USER`, with some of them `X~User` too.
fn remove_spellings(name: &HeaderName, headers: &Headers<'_>, edits: &mut Vec<(HeaderName, Option<HeaderValue>)>) {
    for (given, _) in headers.iter().filter(|(given, _)| is_spelling_of(given, name.as_str())) {
        if let Ok(given) = HeaderName::from_bytes(given)
            && given != *name
            && !edits.iter().any(|(known, _)| *known == given)
        {
            edits.push((given, None));
        }
    }
}

fn is_spelling_of(given: &[u8], name: &str) -> bool {
    let plain = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    given.len() == name.len() && given.iter().zip(name.as_bytes()).all(|(a, b)| plain(*a) == plain(*b))
}
