//! Why a token is not taken.

/// Why a token is not taken. The text is for logs: clients are told less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Flaw {
    /// It is longer than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES), or its header than
    /// [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES).
    #[error("the token is too long")]
    TooLarge,
    /// Not three parts of base64url with dots between (RFC 7515 section 7.1), or not canonical.
    #[error("the token is no compact JWS")]
    Form,
    /// The header or the claims are no JSON object, or one that may be read in two ways (a member twice).
    #[error("the header or the claims are no proper JSON object")]
    Json,
    /// A member of the header has the wrong type, or there is no `alg`.
    #[error("the header is wrong")]
    Header,
    /// The header holds what would let the token choose its own key or rules: `crit`, `b64`, `jku`, `x5u`.
    #[error("the header has a member that is not taken: crit, b64, jku or x5u")]
    HeaderMember,
    /// The header's `typ` is not the one that is configured.
    #[error("the token is of another type")]
    Type,
    /// The header's `alg` is none of the issuer's.
    #[error("the algorithm is none of the issuer's")]
    Algorithm,
    /// No key of the issuer has made the signature.
    #[error("the signature is wrong")]
    Signature,
    /// The issuer has no key of this `kid`.
    #[error("the issuer has no such key")]
    UnknownKey,
    /// The issuer's keys were never fetched, or too long ago.
    #[error("the issuer's keys are not there")]
    KeysUnavailable,
    /// The claim `iss` is not the issuer's name, or no configured issuer has it.
    #[error("the token is of another issuer")]
    Issuer,
    /// The claim `aud` names none of the issuer's audiences.
    #[error("the token is for another audience")]
    Audience,
    /// It is past its `exp`, or older than `max_age`.
    #[error("the token has expired")]
    Expired,
    /// It is not yet its `nbf`, or its `iat` is in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// A claim is missing, too long, or of the wrong type.
    #[error("a claim is missing or of the wrong type")]
    Claim,
}

impl Flaw {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::TooLarge,
        Self::Form,
        Self::Json,
        Self::Header,
        Self::HeaderMember,
        Self::Type,
        Self::Algorithm,
        Self::Signature,
        Self::UnknownKey,
        Self::KeysUnavailable,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYet,
        Self::Claim,
    ];

    /// Its name in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Form => "form",
            Self::Json => "json",
            Self::Header => "header",
            Self::HeaderMember => "header_member",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::UnknownKey => "unknown_key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Claim => "claim",
        }
    }
}
