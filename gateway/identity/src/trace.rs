//! W3C Trace Context (Recommendation, level 1, with the forward compatibility that it asks for): is the `traceparent`
//! of a request fit to be passed on?
//!
//! The gateway takes no part in the trace. A well-formed `traceparent` and its `tracestate` are passed on as they came;
//! from a malformed one neither is (section 4.3: who cannot parse `traceparent` must not use `tracestate`), so that the
//! backend starts a trace of its own rather than joining a broken one.

use std::fmt;

/// Bytes of a `traceparent` of version 00: `00-` 32 hex `-` 16 hex `-` 2 hex.
const TRACEPARENT_BYTES: usize = 55;

/// The longest `traceparent` of a later version that is passed on, in bytes.
const MAX_TRACEPARENT_BYTES: usize = 256;

/// A well-formed `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Version as sent: 0 is the only one defined.
    pub version: u8,
    /// Id of the whole trace, not zero.
    pub trace_id: [u8; 16],
    /// Id of the caller's span, not zero.
    pub parent_id: [u8; 8],
    /// Bit 0: the caller may have recorded the trace.
    pub flags: u8,
}

/// What the field lines named `traceparent` of a request amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceContext {
    /// There is none.
    Absent,
    /// One, well formed: it and `tracestate` are passed on unchanged.
    Valid(TraceParent),
    /// Several, or one that is malformed: it and `tracestate` are dropped.
    Malformed,
}

impl TraceContext {
    /// Judges the field lines named `traceparent`.
    pub fn parse<'h>(mut lines: impl Iterator<Item = &'h [u8]>) -> Self {
        let Some(line) = lines.next() else { return Self::Absent };
        if lines.next().is_some() {
            return Self::Malformed;
        }
        TraceParent::parse(line).map_or(Self::Malformed, Self::Valid)
    }
}

impl TraceParent {
    /// Reads one field value (sections 3.2.2 and 4.3). Lower-case hex only; version `ff` and ids of zeros are
    /// invalid; a later version may go on behind a further `-`.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, beyond) = value.split_at_checked(TRACEPARENT_BYTES)?;
        let mut fields = known.split(|&byte| byte == b'-');
        let [version] = hex(fields.next()?)?;
        let trace_id = hex(fields.next()?)?;
        let parent_id = hex(fields.next()?)?;
        let [flags] = hex(fields.next()?)?;
        let goes_on = match (version, beyond) {
            (_, []) => true,
            (0, _) => false,
            (_, [b'-', ..]) => value.len() <= MAX_TRACEPARENT_BYTES && beyond.iter().all(u8::is_ascii_graphic),
            _ => false,
        };
        let valid = goes_on && version != 0xff && trace_id != [0; 16] && parent_id != [0; 8];
        valid.then_some(Self { version, trace_id, parent_id, flags })
    }

    /// Whether the caller may have recorded the trace.
    pub fn sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceParent {
    /// As version 00 prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace_id = u128::from_be_bytes(self.trace_id);
        let parent_id = u64::from_be_bytes(self.parent_id);
        write!(f, "00-{trace_id:032x}-{parent_id:016x}-{:02x}", self.flags)
    }
}

/// Exactly `N` bytes in lower-case hex.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_digit(high)? << 4 | hex_digit(low)?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn check(value: &str, expect: bool) {
        assert_eq!(TraceParent::parse(value.as_bytes()).is_some(), expect, "{value}");
    }

    #[test]
    fn the_example_of_the_recommendation() {
        let parsed = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(parsed.version, 0);
        assert_eq!(u128::from_be_bytes(parsed.trace_id), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(u64::from_be_bytes(parsed.parent_id), 0x00f0_67aa_0ba9_02b7);
        assert!(parsed.sampled());
        assert_eq!(parsed.to_string(), GOOD);
    }

    #[test]
    fn values() {
        check(GOOD, true);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true);
        check("", false);
        check("00", false);
        check("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", false);
        check("0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false);
        check("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false);
        check(&format!("{GOOD}-what-the-future-will-be-like"), false);
        check(&format!("{GOOD} "), false);
        check(&format!(" {GOOD}"), false);
    }

    #[test]
    fn later_versions_may_go_on() {
        let later = GOOD.replacen("00", "cc", 1);
        check(&later, true);
        check(&format!("{later}-what-the-future-will-be-like"), true);
        check(&format!("{later}-"), true);
        check(&format!("{later}.what"), false);
        check(&format!("{later}-a b"), false);
        check(&format!("{later}-{}", "x".repeat(200)), true);
        check(&format!("{later}-{}", "x".repeat(201)), false);
        check(&GOOD.replacen("00", "fe", 1), true);
    }

    #[test]
    fn field_lines() {
        let good = GOOD.as_bytes();
        assert_eq!(TraceContext::parse([].into_iter()), TraceContext::Absent);
        assert_eq!(TraceContext::parse([good].into_iter()), TraceContext::Valid(TraceParent::parse(good).unwrap()));
        assert_eq!(TraceContext::parse([good, good].into_iter()), TraceContext::Malformed);
        assert_eq!(TraceContext::parse([&b""[..]].into_iter()), TraceContext::Malformed);
    }

    proptest! {
        #[test]
        fn printed_values_are_read_back(trace_id: [u8; 16], parent_id: [u8; 8], flags: u8) {
            let parent = TraceParent { version: 0, trace_id, parent_id, flags };
            let valid = trace_id != [0; 16] && parent_id != [0; 8];
            prop_assert_eq!(TraceParent::parse(parent.to_string().as_bytes()), valid.then_some(parent));
        }

        #[test]
        fn nothing_panics(value: Vec<u8>) {
            let _ = TraceParent::parse(&value);
        }
    }
}
