//! What quotas tell clients, and what a client can prove of them from when it asked and when it was answered.
//!
//! A client does not see the moment of a decision; it lies between the request and its answer. So nothing here allows for
//! slow machines: what is checked follows from those two moments alone.

use std::time::{Duration, Instant};

use crate::http1::{Connection, Response};
use crate::load::Asked;

/// One quota as the `RateLimit` field of an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Units that could be had then.
    pub remaining: u64,
    /// Seconds until there are more; 0 where nothing is taken.
    pub reset_s: u64,
}

/// What `RateLimit` says of the quota `name`; `None` where it does not name it.
pub fn shown(response: &Response, name: &str) -> Option<Shown> {
    let field = response.header("ratelimit")?;
    let item = field.split(", ").find_map(|item| item.strip_prefix(&format!("\"{name}\";")))?;
    let parameter = |key: &str| {
        item.split(';')
            .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.parse().unwrap_or_else(|error| panic!("{field}: {error}")))
    };
    Some(Shown { remaining: parameter("r").expect("r is always there"), reset_s: parameter("t").unwrap_or(0) })
}

/// Retry-After, in seconds.
pub fn retry_after_s(response: &Response) -> Option<u64> {
    response.header("retry-after").map(|seconds| seconds.parse().expect("Retry-After is a number of seconds"))
}

/// Asks, and notes when.
pub async fn ask_at(connection: &mut Connection, request: &[u8], started: Instant) -> (Asked, Response) {
    let at = started.elapsed();
    let response = connection.ask(request).await;
    let took = started.elapsed().saturating_sub(at);
    let retry_after_s = retry_after_s(&response);
    (Asked { at, took, status: response.status, target: String::new(), retry_after_s }, response)
}

/// Fails unless at most `limit` of these requests passed in any `period`, and each of the others was refused because of
/// `limit` that had passed in the `period` before it, with a Retry-After that says to the second when the oldest of them
/// leaves it. How many passed.
pub fn expect_sliding(asked: &[Asked], limit: usize, period: Duration) -> usize {
    let done = |asked: &Asked| asked.at + asked.took;
    let mut passed: Vec<&Asked> = asked.iter().filter(|asked| asked.succeeded()).collect();
    passed.sort_by_key(|asked| asked.at);
    for (index, first) in passed.iter().enumerate() {
        // Surely within one period: all of these were answered before a period had passed since the first was asked.
        let crowd = passed.iter().skip(index).filter(|other| done(other) < first.at + period).count();
        assert!(crowd <= limit, "{crowd} passed within {period:?} from {:?} on; the limit is {limit}", first.at);
    }
    for refused in asked.iter().filter(|asked| !asked.succeeded()) {
        assert_eq!(refused.status, 429, "{refused:?}");
        let could_count = |passed: &&&Asked| done(passed) + period > refused.at && passed.at < done(refused);
        let before: Vec<&&Asked> = passed.iter().filter(could_count).collect();
        assert!(before.len() >= limit, "{refused:?} was refused after {} of {limit}", before.len());
        if before.len() == limit {
            let wait_s = refused.retry_after_s.expect("a refusal says when to come again");
            // The oldest was decided about after the first of them was asked, and before the first answer was there.
            let (from, to) = (before[0].at, before.iter().map(|passed| done(passed)).min().expect("a limit of 1"));
            let (least, most) = (seconds(from + period, done(refused)), seconds(to + period, refused.at));
            assert!((least..=most).contains(&wait_s), "Retry-After is {wait_s}, not {least} to {most}: {refused:?}");
        }
    }
    passed.len()
}

/// Whole seconds from one moment to another, rounded up; at least one.
fn seconds(end: Duration, now: Duration) -> u64 {
    let whole = end.saturating_sub(now).as_micros().div_ceil(1_000_000);
    u64::try_from(whole).expect("a test is short").max(1)
}
