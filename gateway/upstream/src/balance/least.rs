//! Weighted least connections.
//!
//! The endpoint with the fewest requests in flight for its weight. Ties are common (an idle pool is one), and the first
//! in the list must not get them all: the look begins at the endpoint whose turn it would be by round robin, so an idle
//! pool behaves as round robin does. The look is a scan: exact, and for the sizes that pools have cheaper than keeping
//! an order up to date.

/// One endpoint of the scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) in_flight: u32,
    pub(crate) weight: u32,
}

impl Load {
    /// Whether this endpoint has less in flight for its weight than the other: `a/w < b/v` without a division.
    fn is_below(self, other: Self) -> bool {
        u64::from(self.in_flight) * u64::from(other.weight) < u64::from(other.in_flight) * u64::from(self.weight)
    }
}

/// The index of the least loaded, and of several such the first from `start` on, going round. `None` stands for an
/// endpoint that cannot be taken.
pub(crate) fn least_loaded(count: usize, start: usize, load: impl Fn(usize) -> Option<Load>) -> Option<usize> {
    let mut best: Option<(usize, Load)> = None;
    for index in (start..count).chain(0..start.min(count)) {
        let Some(candidate) = load(index) else { continue };
        if best.is_none_or(|(_, least)| candidate.is_below(least)) {
            best = Some((index, candidate));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `loads` are pairs of in flight and weight; weight 0 stands for an endpoint that cannot be taken.
    fn least(loads: &[(u32, u32)], start: usize) -> Option<usize> {
        least_loaded(loads.len(), start, |index| {
            let (in_flight, weight) = loads[index];
            (weight > 0).then_some(Load { in_flight, weight })
        })
    }

    #[test]
    fn choices() {
        let check = |loads: &[(u32, u32)], start, expect| assert_eq!(least(loads, start), expect, "{loads:?} {start}");
        check(&[], 0, None);
        check(&[(0, 0)], 0, None);
        check(&[(9, 1)], 0, Some(0));
        check(&[(2, 1), (1, 1), (3, 1)], 0, Some(1));
        check(&[(2, 1), (1, 0), (3, 1)], 0, Some(0));
        check(&[(2, 4), (1, 1)], 0, Some(0));
        check(&[(0, 1), (0, 1), (0, 1)], 1, Some(1));
        check(&[(0, 1), (1, 1), (0, 1)], 1, Some(2));
        check(&[(0, 1), (1, 1), (1, 1)], 1, Some(0));
        check(&[(u32::MAX, u32::MAX), (u32::MAX, 1)], 1, Some(0));
        check(&[(1, 1), (0, 1)], 7, Some(1));
    }

    proptest! {
        #[test]
        fn agrees_with_an_exact_comparison_of_fractions(
            loads in prop::collection::vec((0_u32..50, 0_u32..10), 1..20), start in 0_usize..20,
        ) {
            let start = start % loads.len();
            let fraction = |&(in_flight, weight): &(u32, u32)| f64::from(in_flight) / f64::from(weight);
            let least_fraction = loads.iter().filter(|load| load.1 > 0).map(fraction).reduce(f64::min);
            let order = (start..loads.len()).chain(0..start);
            let expect = order.clone().find(|&i| loads[i].1 > 0 && Some(fraction(&loads[i])) == least_fraction);
            prop_assert_eq!(least(&loads, start), expect);
        }
    }
}
