//! Why Redis did not help. Nothing here is told to clients: the quota or cache that asked has its own answer. It is told
//! to operators, so no secret may be in it ([`reason`]).

use fred::error::{Error, ErrorKind};
use rampart_secrets::Secret;

/// Characters of a reason at most: a server may send as many as it likes.
const LONGEST_REASON: usize = 200;

/// What a command got instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no connection, or the breaker is open; known at once.
    #[error("Redis is down")]
    Down,
    /// No answer within the command deadline. Whether the command was carried out is not known.
    #[error("Redis did not answer in time")]
    Deadline,
    /// Redis answered, but with an error: a command that the ACL user may not use, no memory, a slot on the move.
    #[error("Redis refused: {0}")]
    Refused(String),
}

/// What an error of the client means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Deadline,
    /// The connection ended, or there was none.
    Lost,
    /// The slot belongs to another node by now; the client has read the new table, or the slot is on the move.
    Moved,
    /// The script is not in this node's cache.
    NoScript,
    /// Any other error that the server sent.
    Refused,
}

/// What a reply that is an error begins with: a word in capitals (`ERR`, `OOM`, `NOPERM`, `MISCONF`, `TRYAGAIN`).
fn is_reply(details: &str) -> bool {
    let word = details.split(' ').next().unwrap_or_default();
    word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

pub(crate) fn meaning(error: &Error) -> Meaning {
    let details = error.details();
    match error.kind() {
        ErrorKind::Timeout => Meaning::Deadline,
        ErrorKind::Routing if details == "Too many redirections." => Meaning::Moved,
        _ if details.starts_with("NOSCRIPT") => Meaning::NoScript,
        _ if details.starts_with("TRYAGAIN") => Meaning::Refused,
        _ if details.starts_with("CLUSTERDOWN")
            || details.starts_with("LOADING")
            || details.starts_with("READONLY") =>
        {
            Meaning::Lost
        }
        _ if is_reply(details) => Meaning::Refused,
        _ => Meaning::Lost,
    }
}

/// Why there is no connection, in words for the log and `/ready`. Some servers repeat a command that they do not know with
/// what was given to it, for `AUTH` the password: that part is left out, and `secrets` wherever else they stand.
pub(crate) fn reason(error: &Error, secrets: &[&Secret]) -> String {
    let details = error.details();
    let told = match error.kind() {
        ErrorKind::Timeout => "no answer in time",
        ErrorKind::Canceled => "the connection ended",
        ErrorKind::IO => os_message(details).unwrap_or(details),
        _ => details,
    };
    let told = told.split(", with args beginning with").next().unwrap_or(told);
    let hidden = secrets.iter().filter_map(|secret| secret.expose_str()).filter(|secret| !secret.is_empty());
    let told = hidden.fold(told.to_owned(), |told, secret| told.replace(secret, "[redacted]"));
    told.chars().take(LONGEST_REASON).collect()
}

/// The message in `Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }`, as fred writes it down.
fn os_message(details: &str) -> Option<&str> {
    let (_, after) = details.strip_prefix("Os {")?.split_once("message: \"")?;
    after.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        fn check(kind: ErrorKind, details: &'static str, expect: Meaning) {
            assert_eq!(meaning(&Error::new(kind, details)), expect, "{details}");
        }
        check(ErrorKind::Timeout, "Request timed out.", Meaning::Deadline);
        check(ErrorKind::IO, "Connection closed.", Meaning::Lost);
        check(ErrorKind::Canceled, "Canceled.", Meaning::Lost);
        check(ErrorKind::Unknown, "Too many failed write attempts.", Meaning::Lost);
        check(ErrorKind::Cluster, "Missing server for hash slot 7", Meaning::Lost);
        check(ErrorKind::Routing, "Too many redirections.", Meaning::Moved);
        check(ErrorKind::Unknown, "NOSCRIPT No matching script. Please use EVAL.", Meaning::NoScript);
        check(ErrorKind::Cluster, "CLUSTERDOWN The cluster is down", Meaning::Lost);
        check(ErrorKind::Unknown, "LOADING Redis is loading the dataset in memory", Meaning::Lost);
        check(ErrorKind::Unknown, "READONLY You can't write against a read only replica.", Meaning::Lost);
        check(ErrorKind::Unknown, "TRYAGAIN Multiple keys request during rehashing of slot", Meaning::Refused);
        check(ErrorKind::Unknown, "OOM command not allowed when used memory > 'maxmemory'.", Meaning::Refused);
        check(ErrorKind::Unknown, "ERR unknown command", Meaning::Refused);
        check(ErrorKind::Auth, "NOPERM this user has no permissions", Meaning::Refused);
    }

    #[test]
    fn reasons_are_words_without_secrets() {
        let secret = Secret::from("hunter2".to_owned());
        let check = |kind: ErrorKind, details: &'static str, expect: &str| {
            assert_eq!(reason(&Error::new(kind, details), &[&secret]), expect, "{details}");
        };
        let refused = "Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }";
        check(ErrorKind::IO, refused, "Connection refused");
        check(ErrorKind::IO, "Connection closed.", "Connection closed.");
        check(ErrorKind::Timeout, "Request timed out.", "no answer in time");
        check(ErrorKind::Canceled, "Canceled.", "the connection ended");
        check(ErrorKind::Auth, "NOAUTH Authentication required.", "NOAUTH Authentication required.");
        check(
            ErrorKind::Unknown,
            "ERR unknown command `AUTH`, with args beginning with: `me`, `hunt",
            "ERR unknown command `AUTH`",
        );
        check(ErrorKind::Auth, "ERR hunter2 is no password: hunter2", "ERR [redacted] is no password: [redacted]");
        assert_eq!(reason(&Error::new(ErrorKind::Unknown, "x".repeat(5_000)), &[]).len(), LONGEST_REASON);
    }
}
