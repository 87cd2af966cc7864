//! SQL injection and cross-site scripting as libinjection judges them: `@detectSQLi` and `@detectXSS`.
//!
//! A value is not compared with patterns. It is read as a piece of SQL would be ([`sqli`]): tokenised, folded to at most
//! five tokens, and the kinds of these tokens (the fingerprint) are looked up among those of known attacks. For scripts it
//! is read as a browser reads HTML ([`xss`]), and what can run a script is looked for. Both read the value in each context
//! that it may be pasted into: as it stands, and inside quotes.
//!
//! Verdicts and fingerprints are those of the C library (3.9.2, the one in ModSecurity 3.0.9), oddities included; where a
//! line follows the C library against what one would expect, the comment says so. Nothing here allocates, recurses or
//! takes more than linear time; every read is within the value.
//!
//! Sources: libinjection (BSD-3-Clause, `COPYING`); Nick Galbreath, "New techniques in SQLi obfuscation" (DEF CON 20) and
//! "libinjection: a C library for SQLi detection" (Black Hat USA 2012).

mod sqli;
mod xss;

#[cfg(test)]
mod tests;

pub use self::sqli::{Fingerprint, detect_sqli};
pub use self::xss::detect_xss;
