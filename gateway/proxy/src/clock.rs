//! The clock that quotas go by: the time of day when the process started, and what has passed since. It never goes back
//! and never jumps, whatever is done to the system's clock.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rampart_limits::Micros;

/// Microseconds since the Unix epoch by a clock that never goes back.
pub fn steady() -> Micros {
    static START: OnceLock<(Instant, u64)> = OnceLock::new();
    let (instant, micros) = START.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Instant::now(), u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    });
    let passed = u64::try_from(instant.elapsed().as_micros()).unwrap_or(u64::MAX);
    Micros(micros.saturating_add(passed))
}
