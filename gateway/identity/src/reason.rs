//! Why a credential does not hold: one word for each cause, and the status that follows from it.
//!
//! The words are stable: records, metrics and tests use them. A client sees only as much of them as RFC 6750 section 3.1
//! has codes for ([`Reason::bearer_error`]); which check failed exactly would help only who forges tokens.

use std::fmt;

use crate::jwt::Flaw;

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No credential where one is required.
    Missing,
    /// Two different credentials: which one speaks for the caller is anybody's guess.
    Ambiguous,
    /// Not the form of a token or a key.
    Malformed,
    /// Longer, deeper or with more members than is read.
    TooLarge,
    /// The token's header asks for something that is not done: `crit`, `b64`, `jku`, `x5u`, a `typ` that is not expected.
    Header,
    /// The token's algorithm is not one of the issuer's, or not the key's; `none` is never one.
    Algorithm,
    /// No configured key has this id.
    UnknownKey,
    /// The issuer's keys could not be fetched yet, or are too old to be believed; or the token names one that is not
    /// there, and the issuer gave no answer, or may not be asked so soon again.
    KeysUnavailable,
    /// The signature is not good.
    BadSignature,
    /// Another issuer's token.
    Issuer,
    /// Meant for another service.
    Audience,
    /// Past its time, or issued longer ago than is accepted.
    Expired,
    /// Before its time, or issued in the future.
    NotYet,
    /// A claim that the issuer's tokens must have is missing, or has no usable form.
    Claim,
    /// A scope that the route asks for is missing.
    Scope,
    /// A claim has not the value that the route asks for.
    Forbidden,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 16] = [
        Self::Missing,
        Self::Ambiguous,
        Self::Malformed,
        Self::TooLarge,
        Self::Header,
        Self::Algorithm,
        Self::UnknownKey,
        Self::KeysUnavailable,
        Self::BadSignature,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYet,
        Self::Claim,
        Self::Scope,
        Self::Forbidden,
    ];

    /// The word in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::BadSignature => "bad_signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Claim => "claim",
            Self::Scope => "scope",
            Self::Forbidden => "forbidden",
        }
    }

    /// 401: another credential may do. 403: this caller may not. 503: it cannot be said at present.
    pub const fn status(self) -> u16 {
        match self {
            Self::Scope | Self::Forbidden => 403,
            Self::KeysUnavailable => 503,
            _ => 401,
        }
    }

    /// Whether there was no credential at all.
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Whether a credential refused so may be one that was issued, and is good no more or not yet: a client that was
    /// slow to fetch another, or whose clock is off, is no attacker.
    pub const fn may_be_genuine(self) -> bool {
        matches!(self, Self::Expired | Self::NotYet | Self::UnknownKey)
    }

    /// Whether a key set that is fetched anew may change the answer.
    pub const fn may_be_stale(self) -> bool {
        matches!(self, Self::UnknownKey | Self::KeysUnavailable)
    }

    /// The `error` of RFC 6750 section 3.1. None where there was no credential, as the section asks, and none where the
    /// gateway is at fault.
    pub const fn bearer_error(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::KeysUnavailable => None,
            Self::Ambiguous => Some("invalid_request"),
            Self::Scope | Self::Forbidden => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }
}

impl From<Flaw> for Reason {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::TooLarge => Self::TooLarge,
            Flaw::Form | Flaw::Json => Self::Malformed,
            Flaw::Header | Flaw::HeaderMember | Flaw::Type => Self::Header,
            Flaw::Algorithm => Self::Algorithm,
            Flaw::Signature => Self::BadSignature,
            Flaw::UnknownKey => Self::UnknownKey,
            Flaw::KeysUnavailable => Self::KeysUnavailable,
            Flaw::Issuer => Self::Issuer,
            Flaw::Audience => Self::Audience,
            Flaw::Expired => Self::Expired,
            Flaw::NotYet => Self::NotYet,
            Flaw::Claim => Self::Claim,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }

    #[test]
    fn only_a_refused_credential_may_be_genuine() {
        let genuine: Vec<&str> =
            Reason::ALL.iter().filter(|reason| reason.may_be_genuine()).map(|reason| reason.as_str()).collect();
        assert_eq!(genuine, ["unknown_key", "expired", "not_yet"]);
        for reason in Reason::ALL.into_iter().filter(|reason| reason.may_be_genuine()) {
            assert_eq!((reason.status(), reason.bearer_error()), (401, Some("invalid_token")), "{reason}");
        }
    }

    #[test]
    fn statuses_and_errors_agree() {
        for reason in Reason::ALL {
            let error = reason.bearer_error();
            match reason.status() {
                403 => assert_eq!(error, Some("insufficient_scope"), "{reason}"),
                503 => assert_eq!(error, None, "{reason}"),
                401 => assert_eq!(error.is_none(), reason.is_missing(), "{reason}"),
                other => panic!("{reason} has status {other}"),
            }
        }
    }
}
