//! The limit on open file descriptors: each client and each upstream connection takes one, so the soft limit that many
//! systems set (1,024) would be the gateway's capacity. The soft limit is raised to the hard one at start.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this many descriptors the start warns.
const COMFORTABLE: u64 = 8_192;
/// Never ask for more: some systems have no hard limit at all, and libraries walk the range.
const RAISE_TO_MAX: u64 = 1 << 20;

/// Raises the soft limit and gives what is in force then; `u64::MAX` means no limit.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let soft = limit.current.unwrap_or(u64::MAX);
    let wanted = hard.min(RAISE_TO_MAX);
    if soft < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_err() {
        log::warn!(target: "rampart", "cannot raise the limit of open files from {soft} to {wanted}");
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if now < COMFORTABLE {
        log::warn!(
            target: "rampart",
            "only {now} files may be open at once, which bounds the connections; raise it (LimitNOFILE= or ulimit -n)"
        );
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_is_never_lower_than_before() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(raise() >= before);
    }
}
