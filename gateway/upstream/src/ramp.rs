//! Slow start: an endpoint that joins or comes back gets its full share only after a while.
//!
//! Its caches are cold and its connections are not there yet; the flood that a new endpoint attracts (it is the least
//! loaded of all) would take it down again. While it starts it takes part in a share of the choices only, which grows in
//! even steps of time from [`LEAST`] to all.
//!
//! Whether it takes part is drawn from what the choice is about (the turn, or under consistent hashing the key) and not
//! from a random number: so a key moves to its endpoint once and stays.

use crate::hash::hash_nth;

/// A whole, in the unit of [`share`].
pub(crate) const WHOLE: u32 = 256;

/// The share at the beginning: a tenth.
pub(crate) const LEAST: u32 = 26;

/// The share of the choices that an endpoint takes part in, `elapsed` of `length` after it began (in one unit).
pub(crate) fn share(elapsed: u64, length: u64) -> u32 {
    if elapsed >= length {
        return WHOLE;
    }
    let grown = u128::from(elapsed) * u128::from(WHOLE) / u128::from(length.max(1));
    u32::try_from(grown).unwrap_or(WHOLE).max(LEAST)
}

/// Whether the endpoint `id` takes part in the choice that `about` stands for.
pub(crate) fn takes_part(share: u32, about: u64, id: u64) -> bool {
    share >= WHOLE || hash_nth(about, id) % u64::from(WHOLE) < u64::from(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_evenly() {
        for (elapsed, length, expect) in [
            (0, 100, LEAST),
            (5, 100, LEAST),
            (25, 100, 64),
            (50, 100, 128),
            (99, 100, 253),
            (100, 100, WHOLE),
            (0, 0, WHOLE),
            (u64::MAX - 1, u64::MAX, 255),
        ] {
            assert_eq!(share(elapsed, length), expect, "{elapsed} of {length}");
        }
    }

    #[test]
    fn who_takes_part_follows_the_share_and_only_grows() {
        for id in [0, 1, 77] {
            let quarter: Vec<bool> = (0..10_000).map(|turn| takes_part(64, turn, id)).collect();
            let part = quarter.iter().filter(|part| **part).count();
            assert!((2_300..2_700).contains(&part), "{part}");
            let more = |turn| takes_part(128, turn, id);
            assert!((0..10_000_u64).zip(quarter).all(|(turn, before)| !before || more(turn)), "a key came and went");
        }
        assert!((0..1_000).all(|turn| takes_part(WHOLE, turn, 3)));
    }
}
