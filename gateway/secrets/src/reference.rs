//! Where a secret is, as configuration writes it: `secret://PROVIDER/REST`.
//!
//! A path is written as in `file:` URLs (RFC 8089): what follows the provider's name is absolute, so
//! `secret://file/run/secrets/token` is `/run/secrets/token` (and so is `secret://file//run/secrets/token`). A path that
//! begins with `./` or `../` is relative to the folder of the configuration. A value that is no reference is refused
//! without being repeated, for it is likely to be the secret itself.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::secret::Secret;

const SCHEME: &str = "secret://";
const PATTERN: &str = "^secret://[a-z][a-z0-9_-]*/.+$";
const EXAMPLES: [&str; 2] = ["secret://env/ADMIN_TOKEN", "secret://file/run/secrets/admin-token"];

/// A reference that is well formed. Whether the provider exists, and has the secret, shows when it is resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    provider: Box<str>,
    rest: Box<str>,
}

/// A secret where configuration may also hold it in plain text: in a development setup, a test. Use [`SecretRef`]
/// wherever it may not.
#[derive(Debug, PartialEq, Eq)]
pub enum SecretInput {
    /// Where it is.
    Reference(SecretRef),
    /// The secret itself.
    Literal(Secret),
}

/// Why a text is no reference. It is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// It does not begin with `secret://`.
    #[error(
        "a secret is not written here, but where it is: secret://env/NAME for an environment variable, \
         secret://file/PATH for a file"
    )]
    Literal,
    /// There is no name, or a wrong one, between `secret://` and the next slash.
    #[error("after secret:// comes the name of a provider and a slash: secret://env/NAME or secret://file/PATH")]
    Provider,
    /// Nothing follows the provider.
    #[error("nothing follows the provider: write secret://env/NAME or secret://file/PATH")]
    Empty,
    /// It holds control characters.
    #[error("a reference to a secret holds no control characters")]
    Control,
}

// === impl SecretRef ===

impl SecretRef {
    /// The name of the provider: `env`, `file` ...
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What the provider is to look for.
    pub fn rest(&self) -> &str {
        &self.rest
    }
}

impl FromStr for SecretRef {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let inner = text.strip_prefix(SCHEME).ok_or(BadReference::Literal)?;
        if inner.chars().any(char::is_control) {
            return Err(BadReference::Control);
        }
        let (provider, rest) = inner.split_once('/').ok_or(BadReference::Provider)?;
        let first_is_letter = provider.starts_with(|c: char| c.is_ascii_lowercase());
        let name_is_good =
            provider.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
        match (first_is_letter && name_is_good, rest.is_empty()) {
            (false, _) => Err(BadReference::Provider),
            (true, true) => Err(BadReference::Empty),
            (true, false) => Ok(Self { provider: provider.into(), rest: rest.into() }),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.provider, self.rest)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SecretRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    /// `writeOnly` tells validators that the value may be a secret by mistake, and is not to be repeated.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "writeOnly": true,
            "description": "Where the secret is: secret://env/NAME or secret://file/PATH.",
            "examples": EXAMPLES
        })
    }
}

// === impl SecretInput ===

impl FromStr for SecretInput {
    type Err = BadReference;

    /// Anything that does not begin with `secret://` is the secret itself.
    fn from_str(text: &str) -> Result<Self, BadReference> {
        match text.parse() {
            Ok(reference) => Ok(Self::Reference(reference)),
            Err(BadReference::Literal) if !text.is_empty() => Ok(Self::Literal(Secret::from(text.to_owned()))),
            Err(error) => Err(error),
        }
    }
}

impl<'de> Deserialize<'de> for SecretInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SecretInput {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretInput".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "writeOnly": true,
            "description": "Where the secret is, secret://env/NAME or secret://file/PATH, or the secret itself.",
            "examples": EXAMPLES
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reference_names_a_provider_and_what_to_look_for() {
        fn check(text: &str, expect: Result<(&str, &str), BadReference>) {
            let parsed = text.parse::<SecretRef>();
            let parts = parsed.as_ref().map(|found| (found.provider(), found.rest())).map_err(|error| *error);
            assert_eq!(parts, expect, "{text}");
            if let Ok(found) = &parsed {
                assert_eq!(found.to_string(), text);
            }
        }
        check("secret://env/ADMIN_TOKEN", Ok(("env", "ADMIN_TOKEN")));
        check("secret://file//run/secrets/x", Ok(("file", "/run/secrets/x")));
        check("secret://file/./x", Ok(("file", "./x")));
        check("secret://vault-2/kv/data#field", Ok(("vault-2", "kv/data#field")));
        check("hunter2", Err(BadReference::Literal));
        check("", Err(BadReference::Literal));
        check("SECRET://env/X", Err(BadReference::Literal));
        check("secret:/env/X", Err(BadReference::Literal));
        check("secret://", Err(BadReference::Provider));
        check("secret://env", Err(BadReference::Provider));
        check("secret:///X", Err(BadReference::Provider));
        check("secret://Env/X", Err(BadReference::Provider));
        check("secret://1env/X", Err(BadReference::Provider));
        check("secret://env/", Err(BadReference::Empty));
        check("secret://env/A\nB", Err(BadReference::Control));
        check("secret://file/a\0b", Err(BadReference::Control));
    }

    #[test]
    fn a_literal_is_taken_only_where_it_was_asked_for() {
        let read = |text: &str| serde_json::from_value::<SecretInput>(text.into());
        assert_eq!(read("hunter2").unwrap(), SecretInput::Literal(Secret::from("hunter2".to_owned())));
        assert_eq!(read("secret://env/X").unwrap(), SecretInput::Reference("secret://env/X".parse().unwrap()));
        assert!(read("secret://env").is_err(), "a broken reference is no secret");
        assert!(read("").is_err());
        let refused = serde_json::from_value::<SecretRef>("hunter2".into()).unwrap_err().to_string();
        assert!(refused.contains("secret://env/NAME") && !refused.contains("hunter2"), "{refused}");
    }

    proptest! {
        #[test]
        fn no_error_repeats_the_text(text in "[a-zA-Z0-9/:]{6,20}") {
            for text in [text.clone(), format!("secret://{text}"), format!("secret://env{text}\n")] {
                if let Err(error) = text.parse::<SecretRef>() {
                    prop_assert!(!error.to_string().contains(&text));
                }
            }
        }

        #[test]
        fn the_schema_takes_what_the_parser_takes(provider in "[a-z_0-9A-Z-]{0,5}", rest in "[a-z/.]{0,5}") {
            // The pattern by hand: a letter, then letters, digits, `_`, `-`; a slash; anything.
            let good = provider.starts_with(|c: char| c.is_ascii_lowercase())
                && !provider.contains(|c: char| c.is_ascii_uppercase()) && !rest.is_empty();
            prop_assert_eq!(format!("secret://{provider}/{rest}").parse::<SecretRef>().is_ok(), good);
        }
    }
}
