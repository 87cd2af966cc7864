//! Consistent hashing with bounded loads.
//!
//! A ring of points, as in ketama: each endpoint has [`POINTS_PER_WEIGHT`] points for each unit of weight, a key
//! belongs to the next point. Removing an endpoint moves only its own keys; adding one takes only what becomes its own.
//! A ring rather than a Maglev table because the bound on load needs an order in which a key tries the others, which a
//! ring has and a table has not, and because a table moves some keys that need not move.
//!
//! The bound is that of Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016): an endpoint
//! that has [`LOAD_FACTOR`] times its share of what is in flight is passed over. So one popular key, or somebody who
//! chooses keys that fall together, cannot overload an endpoint. Few requests do not make a load: up to
//! [`UNBOUNDED_IN_FLIGHT`] at one endpoint are never a reason to break affinity.

use crate::balance::least::{Load, least_loaded};
use crate::hash::{hash_key, hash_nth};

/// Points for each unit of weight: with 160 an endpoint's share of the keys is within about 8 % of its weight.
const POINTS_PER_WEIGHT: u64 = 160;

/// Points of a ring at most. With more weight than that allows there are fewer points for each unit, but at least one.
const MAX_POINTS: u64 = 65_536;

/// An endpoint may have 5/4 of its share in flight.
const LOAD_FACTOR: (u64, u64) = (5, 4);

/// Requests that one endpoint may have in flight whatever its share.
const UNBOUNDED_IN_FLIGHT: u64 = 8;

/// Points looked at before the search gives up the order of the ring and takes the least loaded.
const MAX_PROBES: usize = 512;

/// Points looked at before it is asked whether there is any endpoint that can be taken: where there is none, that is to cost
/// a look at each, not one at each of its points.
const DOUBTFUL_PROBES: usize = 4;

/// The points of all endpoints in the order of their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ring {
    points: Box<[Point]>,
    weights: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    hash: u64,
    index: u16,
}

impl Ring {
    /// A ring of endpoints, each with a name that is the same in every gateway, and a weight that is not 0.
    pub(crate) fn new<'n>(endpoints: impl Iterator<Item = (&'n str, u32)> + Clone) -> Self {
        let weights: u64 = endpoints.clone().map(|(_, weight)| u64::from(weight)).sum();
        let per_weight = POINTS_PER_WEIGHT.min(MAX_POINTS / weights.max(1)).max(1);
        let mut points: Vec<Point> = (0_u16..)
            .zip(endpoints)
            .flat_map(|(index, (name, weight))| {
                let name = hash_key(name.as_bytes());
                (0..u64::from(weight) * per_weight).map(move |nth| Point { hash: hash_nth(name, nth), index })
            })
            .collect();
        points.sort_unstable();
        Self { points: points.into(), weights }
    }

    /// The endpoint for a key, while `in_flight` requests are in flight in all. `load` gives an endpoint's load, or
    /// `None` where it cannot be taken.
    pub(crate) fn choose(
        &self,
        key: u64,
        in_flight: u64,
        count: usize,
        load: impl Fn(usize) -> Option<Load>,
    ) -> Option<usize> {
        let start = self.points.partition_point(|point| point.hash < key);
        let (before, after) = self.points.split_at_checked(start)?;
        for (probe, point) in after.iter().chain(before).take(MAX_PROBES).enumerate() {
            let index = usize::from(point.index);
            if load(index).is_some_and(|load| u64::from(load.in_flight) < self.bound(load.weight, in_flight)) {
                return Some(index);
            }
            if probe == DOUBTFUL_PROBES && !(0..count).any(|index| load(index).is_some()) {
                return None;
            }
        }
        let start = after.first().map_or(0, |point| usize::from(point.index));
        least_loaded(count, start, load)
    }

    /// Requests that an endpoint of this weight may have in flight, counting the one to be placed.
    fn bound(&self, weight: u32, in_flight: u64) -> u64 {
        let (numerator, denominator) = LOAD_FACTOR;
        let share = (numerator * (in_flight + 1) * u64::from(weight)).div_ceil((denominator * self.weights).max(1));
        share.max(UNBOUNDED_IN_FLIGHT)
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the numbers of the tests are small")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: u64 = 20_000;

    fn ring(endpoints: &[(&str, u32)]) -> Ring {
        Ring::new(endpoints.iter().copied())
    }

    /// The endpoint of a key in an idle ring, by name.
    fn owner<'n>(ring: &Ring, endpoints: &[(&'n str, u32)], key: u64) -> &'n str {
        let idle = |index: usize| Some(Load { in_flight: 0, weight: endpoints[index].1 });
        endpoints[ring.choose(hash_nth(99, key), 0, endpoints.len(), idle).unwrap()].0
    }

    #[test]
    fn an_empty_ring_has_no_choice() {
        assert_eq!(ring(&[]).choose(1, 0, 0, |_| None), None);
    }

    #[test]
    fn shares_follow_weights() {
        let endpoints = [("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("10.0.0.3:80", 2), ("10.0.0.4:80", 4)];
        let ring = ring(&endpoints);
        for (name, weight) in endpoints {
            let owned = (0..KEYS).filter(|&key| owner(&ring, &endpoints, key) == name).count();
            let share = owned as f64 / KEYS as f64 / (f64::from(weight) / 8.0);
            assert!((0.75..1.25).contains(&share), "{name} has {share} of its share");
        }
    }

    #[test]
    fn removal_moves_only_what_it_has_to() {
        let names: Vec<String> = (1..=10).map(|last| format!("10.0.0.{last}:80")).collect();
        let all: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let without: Vec<(&str, u32)> = all.iter().copied().filter(|(name, _)| *name != "10.0.0.4:80").collect();
        let (ring_all, ring_without) = (ring(&all), ring(&without));
        let mut moved = 0;
        for key in 0..KEYS {
            let (before, after) = (owner(&ring_all, &all, key), owner(&ring_without, &without, key));
            if before == "10.0.0.4:80" {
                moved += 1;
            } else {
                assert_eq!(before, after, "key {key} moved though its endpoint stayed");
            }
        }
        assert!((0.06..0.14).contains(&(f64::from(moved) / KEYS as f64)), "{moved}");
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let one = [("a:1", 1), ("b:1", 2), ("c:1", 3)];
        let other = [("c:1", 3), ("a:1", 1), ("b:1", 2)];
        let (ring_one, ring_other) = (ring(&one), ring(&other));
        assert!((0..KEYS).all(|key| owner(&ring_one, &one, key) == owner(&ring_other, &other, key)));
    }

    #[test]
    fn an_endpoint_that_cannot_be_taken_gives_its_keys_to_several() {
        let endpoints = [("a:1", 1), ("b:1", 1), ("c:1", 1), ("d:1", 1)];
        let ring = ring(&endpoints);
        let mut heirs = [0; 4];
        for key in 0..KEYS {
            if owner(&ring, &endpoints, key) == "a:1" {
                let load = |index| (index != 0).then_some(Load { in_flight: 0, weight: 1 });
                heirs[ring.choose(hash_nth(99, key), 0, 4, load).unwrap()] += 1;
            }
        }
        assert_eq!(heirs[0], 0);
        assert!(heirs[1..].iter().all(|&keys| keys > 500), "{heirs:?}");
    }

    #[test]
    fn points_are_bounded() {
        let names: Vec<String> = (0..1_024).map(|number| format!("host-{number}:80")).collect();
        let ring = Ring::new(names.iter().map(|name| (name.as_str(), 100)));
        assert!(ring.points.len() <= 2 * MAX_POINTS as usize, "{}", ring.points.len());
        let full = |_| Some(Load { in_flight: 1_000, weight: 100 });
        assert!(ring.choose(5, 1_024_000, 1_024, full).is_some());
        let last_only = |index| (index == 1_023).then_some(Load { in_flight: 5_000, weight: 100 });
        assert_eq!(ring.choose(5, 5_000, 1_024, last_only), Some(1_023));
    }

    proptest! {
        /// One single key, any weights: nobody ever has more than 5/4 of its share (or the small number that is free).
        #[test]
        fn load_is_bounded(weights in prop::collection::vec(1_u32..5, 1..12), requests in 1_usize..600, key: u64) {
            let names: Vec<String> = (0..weights.len()).map(|number| format!("host-{number}:80")).collect();
            let ring = Ring::new(names.iter().map(String::as_str).zip(weights.iter().copied()));
            let mut in_flight = vec![0_u32; weights.len()];
            for placed in 0..requests {
                let load = |index: usize| Some(Load { in_flight: in_flight[index], weight: weights[index] });
                let index = ring.choose(key, placed as u64, weights.len(), load).unwrap();
                in_flight[index] += 1;
                let share = f64::from(weights[index]) / f64::from(weights.iter().sum::<u32>()) * (placed + 1) as f64;
                prop_assert!(f64::from(in_flight[index]) <= (1.25 * share).ceil().max(8.0));
            }
            prop_assert_eq!(in_flight.iter().sum::<u32>() as usize, requests);
        }

        /// The same key gets the same endpoint while the load is small.
        #[test]
        fn a_key_stays(key: u64, requests in 1_u32..8) {
            let endpoints = [("a:1", 1), ("b:1", 1), ("c:1", 1)];
            let ring = ring(&endpoints);
            let idle = |_| Some(Load { in_flight: 0, weight: 1 });
            let home = ring.choose(key, 0, 3, idle).unwrap();
            let load = |index| Some(Load { in_flight: if index == home { requests } else { 0 }, weight: 1 });
            prop_assert_eq!(ring.choose(key, u64::from(requests), 3, load), Some(home));
        }
    }
}
