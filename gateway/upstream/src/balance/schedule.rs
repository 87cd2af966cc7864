//! Smooth weighted round robin, written down in advance.
//!
//! The algorithm is nginx's: in each step every endpoint gains its weight, the one with most credit is chosen and pays
//! the sum of all weights. Weights 5, 1, 1 give `a a b a c a a` instead of `a a a a a b c`. It repeats after as many
//! steps as the weights sum up to (their common divisor taken out), so the whole cycle is computed when the list of
//! endpoints changes, and a choice is one atomic increment and one look-up: no lock, no shared credit.

use crate::hash::hash_nth;

/// Steps of a cycle at most. Weights that sum to more are scaled down, each to 1 at least.
const MAX_STEPS: u64 = 4_096;

/// Places drawn for a turn that cannot be taken, before the cycle is gone through from there. With half of the pool gone
/// one turn in 64 gets as far.
const DRAWS: u64 = 6;

/// One cycle of choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    steps: Box<[u16]>,
}

impl Schedule {
    /// The cycle for these weights, none of which is 0.
    pub(crate) fn new(weights: &[u32]) -> Self {
        let weights = reduced(weights);
        let total: i64 = weights.iter().sum();
        let mut credits = vec![0_i64; weights.len()];
        let steps = (0..total).map(|_| step(&weights, total, &mut credits)).collect();
        Self { steps }
    }

    /// The choice for the `turn`-th request, of those that `is_free` allows.
    ///
    /// Where the one whose turn it is cannot be taken, its turns must not all fall to the next in the cycle, which would
    /// then have twice its share: another place of the cycle is drawn, which the others stand in as often as their weight
    /// says.
    /// Where none can be taken that costs a look at each, not one at each place of a cycle that weights make long.
    pub(crate) fn choose(&self, turn: u64, count: usize, is_free: impl Fn(usize) -> bool) -> Option<usize> {
        let drawn = (1..=DRAWS).map(|draw| hash_nth(turn, draw));
        let places = std::iter::once(turn).chain(drawn);
        places.filter_map(|place| self.at(place)).find(|&index| is_free(index)).or_else(|| {
            let any = (0..count).any(&is_free);
            any.then(|| self.starting_at(turn).find(|&index| is_free(index))).flatten()
        })
    }

    fn at(&self, turn: u64) -> Option<usize> {
        let place = usize::try_from(turn % (self.steps.len() as u64).max(1)).ok()?;
        self.steps.get(place).map(|&index| usize::from(index))
    }

    /// The choice for the `turn`-th request, and those that follow it if that one cannot be taken. Every endpoint comes
    /// up at least once.
    pub(crate) fn starting_at(&self, turn: u64) -> impl Iterator<Item = usize> + '_ {
        let start = usize::try_from(turn % (self.steps.len() as u64).max(1)).unwrap_or_default();
        let (before, after) = self.steps.split_at_checked(start).unwrap_or((&[], &self.steps));
        after.iter().chain(before).map(|&index| usize::from(index))
    }
}

fn step(weights: &[i64], total: i64, credits: &mut [i64]) -> u16 {
    let (mut chosen, mut most) = (0, i64::MIN);
    for ((index, credit), weight) in (0_u16..).zip(credits.iter_mut()).zip(weights) {
        *credit += weight;
        if *credit > most {
            (chosen, most) = (index, *credit);
        }
    }
    if let Some(credit) = credits.get_mut(usize::from(chosen)) {
        *credit -= total;
    }
    chosen
}

/// The weights without their common divisor, scaled down where the cycle would be too long.
fn reduced(weights: &[u32]) -> Vec<i64> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let reduced = weights.iter().map(|weight| u64::from(weight / divisor));
    let total: u64 = reduced.clone().sum();
    if total <= MAX_STEPS {
        return reduced.map(u64::cast_signed).collect();
    }
    reduced.map(|weight| (weight * MAX_STEPS / total).max(1).cast_signed()).collect()
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    let (mut one, mut other) = (one, other);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the numbers of the tests are small")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(weights: &[u32], expect: &str) {
        let letters: String = Schedule::new(weights).steps.iter().map(|&i| char::from(b'a' + i as u8)).collect();
        assert_eq!(letters, expect, "{weights:?}");
    }

    #[test]
    fn cycles() {
        check(&[5, 1, 1], "aabacaa");
        check(&[1], "a");
        check(&[7], "a");
        check(&[1, 1, 1], "abc");
        check(&[4, 4], "ab");
        check(&[2, 1], "aba");
        check(&[20, 10], "aba");
        check(&[3, 2], "ababa");
        check(&[], "");
    }

    #[test]
    fn an_empty_list_has_no_choice() {
        assert_eq!(Schedule::new(&[]).starting_at(7).next(), None);
    }

    #[test]
    fn turns_go_round_and_on() {
        let schedule = Schedule::new(&[2, 1]);
        let from = |turn| schedule.starting_at(turn).collect::<Vec<_>>();
        assert_eq!((from(0), from(1), from(2), from(3)), (vec![0, 1, 0], vec![1, 0, 0], vec![0, 0, 1], vec![0, 1, 0]));
        assert_eq!(schedule.starting_at(u64::MAX).count(), 3);
    }

    #[test]
    fn a_long_cycle_is_scaled_down_and_nobody_is_left_out() {
        let mut weights = vec![100; 1_000];
        weights[7] = 1;
        let schedule = Schedule::new(&weights);
        assert!(schedule.steps.len() <= 2 * MAX_STEPS as usize, "{}", schedule.steps.len());
        let mut seen = vec![0; weights.len()];
        schedule.starting_at(0).for_each(|index| seen[index] += 1);
        assert!(seen.iter().all(|&n| n >= 1));
    }

    proptest! {
        /// In a cycle each has exactly its share; at no point does one have a whole request more than its share.
        #[test]
        fn shares_are_exact_and_never_taken_in_advance(weights in prop::collection::vec(1_u32..=20, 1..12)) {
            let schedule = Schedule::new(&weights);
            let total: u32 = weights.iter().sum();
            let mut chosen = vec![0_u32; weights.len()];
            for (step, index) in schedule.starting_at(0).enumerate() {
                chosen[index] += 1;
                let share = f64::from(weights[index]) * (step as f64 + 1.0) / f64::from(total);
                prop_assert!(f64::from(chosen[index]) < share + 1.0, "{index} after {step}: {share}");
            }
            let cycle = schedule.steps.len() as u32;
            for (index, weight) in weights.iter().enumerate() {
                prop_assert_eq!(chosen[index] * total, weight * cycle);
            }
        }
    }
}
