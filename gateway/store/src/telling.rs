//! When the log says what became of Redis, and why.
//!
//! A change of the state is said at once, with the reason where it is known. What the reason is may show later: a server
//! that went away comes back with another password. So another reason is said as well, but not before one round of
//! attempts to connect is over, and not more often than each minute.
//!
//! Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::redis::State;

/// How often at most another reason is said.
const NOT_AGAIN_WITHIN: Duration = Duration::from_mins(1);

/// What was said last.
#[derive(Debug)]
pub(crate) struct Telling {
    state: &'static str,
    why: Option<String>,
    /// When the next reason may be said.
    next: Option<Instant>,
    /// How long a round of attempts takes.
    round: Duration,
}

// === impl Telling ===

impl Telling {
    pub(crate) fn new(round: Duration) -> Self {
        Self { state: State::Connecting.as_str(), why: None, next: None, round }
    }

    /// What is to be said now, after `redis: `; `servers` are named in it.
    pub(crate) fn next(&mut self, state: State, why: Option<String>, servers: &str, now: Instant) -> Option<String> {
        let changed = state.as_str() != self.state;
        let other = matches!(state, State::Down { .. })
            && why.is_some()
            && why != self.why
            && (self.why.is_none() || self.next.is_none_or(|next| next <= now));
        if !changed && !other {
            return None;
        }
        self.state = state.as_str();
        self.next = Some(now + if changed { self.round } else { NOT_AGAIN_WITHIN });
        self.why = if state == State::Up { None } else { why };
        let reason = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        Some(format!("{} ({servers}){reason}", self.state))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn changes_are_said_at_once_and_reasons_seldom() {
        let (start, down) = (Instant::now(), State::Down { since: SystemTime::now() });
        let mut telling = Telling::new(Duration::from_secs(2));
        let mut check = |after: u64, state, why: &str, expect: Option<&str>| {
            let why = Some(why.to_owned()).filter(|why| !why.is_empty());
            let told = telling.next(state, why, "a:1", start + Duration::from_secs(after));
            assert_eq!(told.as_deref(), expect, "after {after} s");
        };
        check(0, State::Connecting, "", None);
        check(0, State::Connecting, "refused", None);
        check(1, down, "refused", Some("down (a:1): refused"));
        check(1, down, "closed", None);
        check(4, down, "WRONGPASS", Some("down (a:1): WRONGPASS"));
        check(5, down, "refused", None);
        check(64, down, "WRONGPASS", None);
        check(64, down, "refused", Some("down (a:1): refused"));
        check(90, State::Up, "", Some("up (a:1)"));
        check(91, State::Up, "closed", None);
        check(92, down, "", Some("down (a:1)"));
        check(92, down, "closed", Some("down (a:1): closed"));
        check(93, down, "refused", None);
    }
}
