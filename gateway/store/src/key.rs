//! Names of keys in Redis, and the cluster slot that each of them falls into.
//!
//! A key is `PREFIX:KIND:{TAG}:REST`. The tag alone decides the slot (Redis Cluster specification, "hash tags"), so
//! what one script touches at once gets one tag. Tag and rest are written in hexadecimal: no byte of a request can
//! close the braces, end the key, or run into another kind.

use std::fmt::Write as _;
use std::sync::Arc;

/// Slots of a Redis Cluster.
pub const SLOTS: u16 = 16_384;

/// The name of a key. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

// === impl Key ===

impl Key {
    /// The key of `kind` (a word of this program, such as `quota`) with `rest`, in the slot of `tag`.
    pub(crate) fn new(prefix: &str, kind: &str, tag: &[u8], rest: &[u8]) -> Self {
        let mut name = String::with_capacity(prefix.len() + kind.len() + 2 * (tag.len() + rest.len()) + 5);
        let _ = write!(name, "{prefix}:{kind}:{{");
        name.push_str(&hexadecimal(tag));
        name.push('}');
        if !rest.is_empty() {
            name.push(':');
            name.push_str(&hexadecimal(rest));
        }
        Self(name.into())
    }

    /// A key of `kind` in the same slot.
    pub(crate) fn neighbour(&self, prefix: &str, kind: &str) -> Self {
        let tagged = self.0.find('{').and_then(|open| {
            let after = self.0.get(open..)?;
            after.get(..=after.find('}')?)
        });
        Self(format!("{prefix}:{kind}:{}", tagged.unwrap_or_default()).into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slot, below [`SLOTS`]. Keys of one script have to share it.
    pub fn slot(&self) -> u16 {
        slot_of(self.0.as_bytes())
    }
}

/// The slot of any key name: CRC16 (XMODEM) of the text between the first `{` and the next `}`, if there is any, or of
/// the whole name.
pub fn slot_of(name: &[u8]) -> u16 {
    let tagged = name.iter().position(|byte| *byte == b'{').and_then(|open| {
        let after = name.get(open + 1..)?;
        let length = after.iter().position(|byte| *byte == b'}')?;
        after.get(..length).filter(|tag| !tag.is_empty())
    });
    crc16(tagged.unwrap_or(name)) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

/// Two digits for each byte, in lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| DIGITS.get(usize::from(half & 0x0f)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `CLUSTER KEYSLOT` of Redis 7.0.
    #[test]
    fn slots_are_those_of_redis() {
        fn check(name: &str, expect: u16) {
            assert_eq!(slot_of(name.as_bytes()), expect, "{name}");
        }
        check("", 0);
        check("123456789", 12_739);
        check("foo", 12_182);
        check("{foo}bar", 12_182);
        check("bar{foo}{zap}", 12_182);
        check("user1000", slot_of(b"{user1000}.following"));
        check("foo{}{bar}", slot_of(b"foo{}{bar}"));
        check("{}foo", crc16(b"{}foo") % SLOTS);
    }

    #[test]
    fn names_are_framed() {
        fn check(tag: &[u8], rest: &[u8], expect: &str) {
            let key = Key::new("rampart", "quota", tag, rest);
            assert_eq!(key.as_str(), expect);
            let same_slot = Key::new("other", "ban", tag, b"x");
            assert_eq!(key.slot(), same_slot.slot(), "the tag alone decides");
            let neighbour = key.neighbour("rampart", "probe");
            assert!(neighbour.as_str().starts_with("rampart:probe:{"), "{neighbour:?}");
            assert_eq!(key.slot(), neighbour.slot());
        }
        check(b"\x01\xff", b"a}", "rampart:quota:{01ff}:617d");
        check(b"}", b"", "rampart:quota:{7d}");
    }
}
