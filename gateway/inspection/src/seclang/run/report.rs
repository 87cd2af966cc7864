//! What a transaction tells: the rules that matched, and what interrupted it.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::category::Category;

/// What ended a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interruption {
    /// The id of the rule; 0 for one without.
    pub rule: u32,
    /// Its phase, 1 to 5.
    pub phase: u8,
    /// The HTTP status that it asks for.
    pub status: u16,
    /// What it asks for.
    pub action: Action,
}

/// How a transaction is interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An answer with the status.
    Deny,
    /// The connection is closed.
    Drop,
    /// An answer that points there.
    Redirect(String),
}

/// A rule that matched and says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedRule {
    /// Its id; 0 for one without.
    pub id: u32,
    /// The id as text.
    pub name: Arc<str>,
    /// Its phase, 1 to 5.
    pub phase: u8,
    /// 0 (EMERGENCY) to 7 (DEBUG).
    pub severity: Option<u8>,
    /// From its tags.
    pub category: Category,
    /// From its tags.
    pub paranoia: u8,
    /// `msg`, macros expanded. At most [`MatchedRule::MAX_TEXT`] bytes, as are the other texts.
    pub msg: String,
    /// `logdata`, macros expanded.
    pub logdata: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where the last value stood that matched: `ARGS:id`.
    pub variable: String,
    /// The same in the grammar of Rampart's rules, where it can be told: `query.id`.
    pub target: String,
    /// The text that matched, at most [`MatchedRule::MAX_VALUE`] bytes.
    pub value: Vec<u8>,
    /// The transformations that made it of the value: `url_decode_uni,lowercase`.
    pub transform: String,
    /// Whether it interrupted the transaction, or would have if the engine did not only detect.
    pub disruptive: bool,
    /// File and line.
    pub location: Box<str>,
    pub(super) rev: Box<str>,
    pub(super) ver: Box<str>,
}

impl MatchedRule {
    /// Bytes of a text that are kept.
    pub const MAX_TEXT: usize = 1_024;
    /// Bytes of a value that are kept.
    pub const MAX_VALUE: usize = 256;

    /// The match as ModSecurity v3 writes it to its error log, without what it says of host and client.
    pub fn log_line(&self) -> String {
        let mut line =
            String::from(if self.disruptive { "ModSecurity: Access denied" } else { "ModSecurity: Warning." });
        if self.disruptive {
            let _ = write!(line, " (phase {}).", self.phase);
        }
        let value = escape(&String::from_utf8_lossy(&self.value));
        let variable = escape(&self.variable);
        let _ = write!(line, " Matched against variable `{variable}' (Value: `{value}' )");
        let (file, number) = self.location.rsplit_once(':').unwrap_or((&self.location, ""));
        let _ = write!(line, " [file \"{}\"] [line \"{number}\"] [id \"{}\"]", escape(file), self.name);
        for (key, text) in [("rev", &*self.rev), ("msg", self.msg.as_str()), ("data", self.logdata.as_str())] {
            let _ = write!(line, " [{key} \"{}\"]", escape(text));
        }
        let severity = self.severity.map_or(String::from("0"), |severity| severity.to_string());
        let _ = write!(line, " [severity \"{severity}\"] [ver \"{}\"]", escape(&self.ver));
        for tag in &self.tags {
            let _ = write!(line, " [tag \"{}\"]", escape(tag));
        }
        line
    }
}

/// One line, whatever was matched.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for symbol in text.chars() {
        if symbol.is_control() {
            let _ = write!(out, "\\x{:02x}", u32::from(symbol));
        } else {
            out.push(symbol);
        }
    }
    out
}
