//! JSON Web Tokens, checked (RFC 7515, RFC 7519; RFC 8725 says what goes wrong elsewhere).
//!
//! A token says which key signed it and how. Both are taken as a hint and no more: the algorithm has to be one of the
//! issuer's, and a key is bound to its own algorithms, so a public key can never be used as a shared secret. What a header
//! may bring along to be trusted by (`jwk`, `x5c`) is not looked at, and what would have it fetched (`jku`, `x5u`)
//! or change the rules (`crit`, `b64`) is refused.
//!
//! Never here: encrypted tokens (RFC 7516), tokens inside tokens, `none`, clocks (time is an argument), I/O.

mod algorithm;
mod compact;
mod flaw;
mod json;
mod key;
mod rules;
mod token;

pub use algorithm::{Algorithm, Family};
pub(crate) use compact::Compact;
pub use flaw::Flaw;
pub(crate) use json::object;
pub use key::{BadKey, Key};
pub(crate) use rules::{Rules, Times};
pub use token::{Claims, Token};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1_024;

/// The longest header of a token, decoded, in bytes.
pub const MAX_HEADER_BYTES: usize = 2 * 1_024;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
