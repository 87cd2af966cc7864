//! Values that recur from request to request (`User-Agent`, `Accept`, `Cookie`) and were found to match nothing.
//!
//! Bounded: a fixed number of places, each for one value of limited length; a new value takes the place of the one that
//! was there. The values themselves are compared, so a client that finds two with the same hash gains nothing but a
//! scan. One memo serves all rule sets of a worker: a value is known for one layout, one domain and one name.

/// Values that are remembered.
const PLACES: usize = 256;
/// Bytes of a value and its name together. Longer ones recur seldom and would make the memo large.
const MAX_BYTES: usize = 1_024;

use super::Value;

/// The values.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Empty until the first value is remembered.
    places: Vec<Place>,
}

/// One value.
#[derive(Debug, Default, Clone)]
struct Place {
    layout: u64,
    domain: u8,
    name_length: usize,
    /// The name, and the value behind it.
    bytes: Vec<u8>,
}

impl Memo {
    /// Whether this value was remembered.
    pub(super) fn knows(&self, layout: u64, value: &Value<'_>) -> bool {
        self.places.get(position(layout, value)).is_some_and(|place| place.holds(layout, value))
    }

    /// Remembers a value.
    pub(super) fn remember(&mut self, layout: u64, value: &Value<'_>) {
        if value.name.len() + value.bytes.len() > MAX_BYTES {
            return;
        }
        if self.places.is_empty() {
            self.places.resize(PLACES, Place::default());
        }
        if let Some(place) = self.places.get_mut(position(layout, value)) {
            (place.layout, place.domain, place.name_length) = (layout, value.domain, value.name.len());
            place.bytes.clear();
            place.bytes.extend_from_slice(value.name);
            place.bytes.extend_from_slice(value.bytes);
        }
    }
}

impl Place {
    fn holds(&self, layout: u64, value: &Value<'_>) -> bool {
        (self.layout, self.domain, self.name_length) == (layout, value.domain, value.name.len())
            && self.bytes.len() == value.name.len() + value.bytes.len()
            && self.bytes.starts_with(value.name)
            && self.bytes.ends_with(value.bytes)
    }
}

/// Where a value would be.
fn position(layout: u64, value: &Value<'_>) -> usize {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let bytes = |hash: u64, bytes: &[u8]| {
        let mut chunks = bytes.chunks_exact(8);
        let hash = chunks.by_ref().filter_map(|chunk| chunk.try_into().ok()).map(u64::from_le_bytes).fold(hash, mix);
        let mut last = [0; 8];
        last.iter_mut().zip(chunks.remainder()).for_each(|(slot, byte)| *slot = *byte);
        mix(mix(hash, u64::from_le_bytes(last)), bytes.len() as u64)
    };
    let hash = bytes(bytes(mix(layout, value.domain.into()), value.name), value.bytes);
    (hash.wrapping_mul(FACTOR) >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_for_its_layout_domain_and_name() {
        let mut memo = Memo::default();
        let agent = Value { domain: 3, name: b"user-agent", bytes: b"curl/8.5.0" };
        assert!(!memo.knows(1, &agent));
        memo.remember(1, &agent);
        assert!(memo.knows(1, &agent));
        for (layout, value) in [
            (2, agent),
            (1, Value { domain: 4, ..agent }),
            (1, Value { name: b"x-agent", ..agent }),
            (1, Value { bytes: b"curl/8.5.1", ..agent }),
            (1, Value { name: b"user-agentc", bytes: b"url/8.5.0", ..agent }),
        ] {
            assert!(!memo.knows(layout, &value), "{layout} {value:?}");
        }
    }

    #[test]
    fn is_bounded() {
        let mut memo = Memo::default();
        let long = vec![b'a'; MAX_BYTES + 1];
        memo.remember(1, &Value { domain: 0, name: b"", bytes: &long });
        assert!(memo.places.is_empty());
        let values: Vec<String> = (0..4 * PLACES).map(|number| format!("value {number}")).collect();
        for text in &values {
            memo.remember(1, &Value { domain: 0, name: b"n", bytes: text.as_bytes() });
        }
        assert_eq!(memo.places.len(), PLACES);
        let known =
            values.iter().filter(|text| memo.knows(1, &Value { domain: 0, name: b"n", bytes: text.as_bytes() }));
        // Most places are taken, each by one value: the hash spreads.
        assert!((PLACES / 2..=PLACES).contains(&known.count()));
        assert!(!memo.knows(1, &Value { domain: 0, name: b"n", bytes: b"another" }));
    }
}
