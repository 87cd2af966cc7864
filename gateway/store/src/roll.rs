//! How many gateways there are: each says every second that it is alive, and by which secret it makes names.
//!
//! Gateways with the same prefix but another `cluster_key` share nothing: their names differ, so each counts alone. They
//! are not counted in shares, but counted apart and reported. During a rotation both secrets belong together: one
//! gateway's current secret is another's previous one.
//!
//! A member of the set is `ID:CURRENT:PREVIOUS`: a random name and what [`ClusterKey::ids`] tells, `-` where there is no
//! previous secret. What stands in Redis is not trusted: any other form is passed over.

use std::time::{Duration, Instant};

use crate::cluster_key::ClusterKey;
use crate::random::random;
use crate::script::Script;
use crate::value::Value;

/// How often this gateway says that it is alive.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// A gateway that said nothing for this long is gone, in milliseconds.
pub(crate) const ALIVE_MS: i64 = 5_000;
/// Others have to be there for longer than one that is gone: after a restart with another secret the last life of this
/// gateway is still in the set.
const SURE: Duration = Duration::from_secs(7);

/// Adds one to a set of living gateways, drops who was silent too long, and counts by what follows the name. At most 2,000
/// members are looked at: twice as many as gateways can be. Time is the server's.
const BEAT_SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local counts, order = {}, {}
for _, member in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, 1999)) do
  local keys = string.match(member, ':(.*)$') or ''
  if not counts[keys] then
    counts[keys] = 0
    order[#order + 1] = keys
  end
  counts[keys] = counts[keys] + 1
end
local reply = {}
for _, keys in ipairs(order) do
  reply[#reply + 1] = keys
  reply[#reply + 1] = counts[keys]
end
return reply
";

const LEAVE_SCRIPT: &str = "return redis.call('ZREM', KEYS[1], ARGV[1])";

/// Gateways that are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Census {
    /// With our secret, this one included; at least 1.
    pub(crate) own: u32,
    /// With the same prefix and another secret.
    pub(crate) other: u32,
}

/// When gateways with another secret are said: once, until they are gone.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    since: Option<Instant>,
    said: bool,
}

pub(crate) fn beat_script() -> Script {
    Script::new("beat", 2, BEAT_SCRIPT)
}

pub(crate) fn leave_script() -> Script {
    Script::new("leave", 1, LEAVE_SCRIPT)
}

/// What a new gateway with this secret is called among the others.
pub(crate) fn member(key: &ClusterKey) -> String {
    let (current, previous) = key.ids();
    format!("{:016x}{:016x}:{current}:{}", random(), random(), previous.as_deref().unwrap_or("-"))
}

// === impl Census ===

impl Census {
    /// What the script of the heartbeat answered; `None` where it is no such answer.
    pub(crate) fn read(reply: &Value, key: &ClusterKey) -> Option<Self> {
        let (current, previous) = key.ids();
        let (mut own, mut other) = (0_u32, 0_u32);
        for pair in reply.list().chunks(2) {
            let [keys, count] = pair else { return None };
            let count = u32::try_from(count.int()?).ok()?;
            let Some((theirs, before)) = std::str::from_utf8(keys.bytes()?).ok()?.split_once(':') else { continue };
            let ours = theirs == current || Some(theirs) == previous.as_deref() || before == current;
            let sum = if ours { &mut own } else { &mut other };
            *sum = sum.saturating_add(count);
        }
        Some(Self { own: own.max(1), other })
    }
}

// === impl Strangers ===

impl Strangers {
    /// True where they are to be said now.
    pub(crate) fn seen(&mut self, count: u32, now: Instant) -> bool {
        if count == 0 {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let due = !self.said && now.duration_since(since) >= SURE;
        self.said |= due;
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use rampart_secrets::Secret;

    use super::*;

    fn key(current: &str, previous: Option<&str>) -> ClusterKey {
        let secret = |text: &str| Arc::new(Secret::from(text.to_owned()));
        ClusterKey::new(secret(current), previous.map(secret))
    }

    fn told(key: &ClusterKey) -> String {
        member(key).split_once(':').unwrap().1.to_owned()
    }

    #[test]
    fn who_has_a_secret_of_ours_is_counted() {
        let ours = key("new", Some("old"));
        let check = |groups: &[(String, i64)], expect: Option<(u32, u32)>| {
            let pair = |(keys, count): &(String, i64)| [Value::Bytes(Bytes::from(keys.clone())), Value::Int(*count)];
            let reply = Value::List(groups.iter().flat_map(pair).collect());
            assert_eq!(Census::read(&reply, &ours).map(|it| (it.own, it.other)), expect, "{groups:?}");
        };
        check(&[], Some((1, 0)));
        check(&[(told(&ours), 3)], Some((3, 0)));
        check(&[(told(&ours), 1), (told(&key("new", None)), 2)], Some((3, 0)));
        // Before and after this step of a rotation.
        check(&[(told(&ours), 1), (told(&key("old", Some("new"))), 4), (told(&key("old", None)), 8)], Some((13, 0)));
        check(&[(told(&ours), 1), (told(&key("newer", Some("new"))), 2)], Some((3, 0)));
        check(&[(told(&ours), 2), (told(&key("another", None)), 5)], Some((2, 5)));
        // Another's previous secret alone binds nobody.
        check(&[(told(&ours), 1), (told(&key("another", Some("old"))), 1)], Some((1, 1)));
        check(&[(told(&ours), 1), ("nonsense".to_owned(), 9)], Some((1, 0)));
        check(&[(told(&ours), -1)], None);
        assert_eq!(Census::read(&Value::List(vec![Value::Int(1)]), &ours), None);
    }

    #[test]
    fn names_tell_no_secret() {
        let name = member(&key("current-secret", Some("previous-secret")));
        assert_eq!(name.len(), 32 + 1 + 8 + 1 + 8, "{name}");
        assert!(member(&key("current-secret", None)).ends_with(":-"));
        assert!(!name.contains("secret"));
    }

    #[test]
    fn strangers_are_said_once_when_they_stay() {
        let start = Instant::now();
        let mut strangers = Strangers::default();
        assert!(!strangers.seen(1, start));
        assert!(!strangers.seen(1, start + BEAT * 6));
        assert!(!strangers.seen(0, start + SURE), "it was the last life of this gateway");
        assert!(!strangers.seen(2, start + SURE));
        assert!(strangers.seen(2, start + SURE * 2));
        assert!(!strangers.seen(3, start + SURE * 9));
        assert!(!strangers.seen(0, start + SURE * 10));
        assert!(!strangers.seen(1, start + SURE * 11));
        assert!(strangers.seen(1, start + SURE * 12));
    }
}
