//! SQL injection: is the value, or what follows a quote in it, a piece of SQL that an attacker would send?

mod comment;
mod fingerprint;
mod fold;
mod number;
mod operator;
mod pairs;
mod string;
mod token;
mod tokeniser;
mod triples;
mod verdict;
mod word;
mod words;

#[cfg(test)]
pub(super) use self::tokeniser::{Context, Dialect};
#[cfg(test)]
pub(super) use self::{fold::Folded, token::Kind, token::Token, tokeniser::Tokeniser};

pub use self::fingerprint::{Fingerprint, detect_sqli};
