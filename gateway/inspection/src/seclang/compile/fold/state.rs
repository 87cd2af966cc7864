//! What is known of the `TX` variables at one place of the program, whatever the request.
//!
//! A rule can be removed while a transaction runs (`ctl:ruleRemoveByTag`), so a set-up rule that always matches may still
//! not have run. The Core Rule Set does this with all its rules at once: a gate that is removed is removed together with
//! the rules behind it. To see that, what is known is known *unless* certain removals have happened, and a rule that
//! each of these removes too may rely on it: when it runs, none of them has happened.

use std::sync::Arc;

use super::super::super::program::Slot;

/// A set of removals: one bit for each `ctl` action that removes rules, in the order in which they are met.
pub(super) type Removals = u64;

/// Stands for all removals beyond the 63 that have a bit. It is never relied on.
const OTHERS: Removals = 1 << 63;

/// The bit of the removal with this number.
pub(super) const fn bit(number: usize) -> Removals {
    if number < 63 { 1 << number } else { OTHERS }
}

/// Whether a rule that `removes` take out runs only when none of `unless` has happened.
pub(super) const fn implies(removes: Removals, unless: Removals) -> bool {
    unless & !(removes & !OTHERS) == 0
}

/// The value of a variable; `None`: it is not set.
pub(super) type Value = Option<Arc<[u8]>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Nothing,
    /// It has this value unless one of these removals has happened.
    Is(Value, Removals),
}

/// What is known at one place.
#[derive(Debug, Clone)]
pub(super) struct State {
    slots: Vec<Known>,
    /// The place is reached only when one of these removals has happened.
    pub(super) only_after: Option<Removals>,
}

impl State {
    /// Nothing is set.
    pub(super) fn new(slots: usize) -> Self {
        Self { slots: vec![Known::Is(None, 0); slots], only_after: None }
    }

    /// The value of a variable for a rule that `removes` take out; `None`: not known.
    pub(super) fn value(&self, slot: Slot, removes: Removals) -> Option<&Value> {
        match self.slots.get(usize::from(slot))? {
            Known::Is(value, unless) if implies(removes, *unless) => Some(value),
            _ => None,
        }
    }

    /// From here on the variable has this value.
    pub(super) fn set(&mut self, slot: Slot, value: Value) {
        if let Some(known) = self.slots.get_mut(usize::from(slot)) {
            *known = Known::Is(value, 0);
        }
    }

    /// From here on nothing is known of the variable.
    pub(super) fn forget(&mut self, slot: Slot) {
        if let Some(known) = self.slots.get_mut(usize::from(slot)) {
            *known = Known::Nothing;
        }
    }

    /// What another state knows of the variable is known again.
    pub(super) fn restore(&mut self, slot: Slot, from: &Self) {
        if let (Some(known), Some(before)) = (self.slots.get_mut(usize::from(slot)), from.slots.get(usize::from(slot)))
        {
            known.clone_from(before);
        }
    }

    /// What is known after a rule that always matches, which changes `self` to `done` unless it was removed.
    pub(super) fn after(&self, mut done: Self, removes: Removals) -> Self {
        if removes != 0 {
            for (before, after) in self.slots.iter().zip(&mut done.slots) {
                let same = before == after;
                if let Known::Is(_, unless) = after
                    && !same
                {
                    *unless |= removes;
                }
            }
        }
        done.only_after = self.only_after;
        done
    }

    /// The same on a way that only these removals open.
    pub(super) fn opened_by(mut self, removals: Removals) -> Self {
        self.only_after = Some(removals);
        self
    }

    /// What is known where two ways meet.
    pub(super) fn join(mut self, other: Self) -> Self {
        for (left, right) in self.slots.iter_mut().zip(other.slots) {
            *left = meet(std::mem::replace(left, Known::Nothing), self.only_after, right, other.only_after);
        }
        self.only_after = self.only_after.zip(other.only_after).map(|(left, right)| left | right);
        self
    }
}

/// What is known of one variable where two ways meet, each taken only after certain removals (or always).
fn meet(left: Known, left_after: Option<Removals>, right: Known, right_after: Option<Removals>) -> Known {
    match (left, right) {
        (Known::Is(l, l_unless), Known::Is(r, r_unless)) if l == r => Known::Is(l, l_unless | r_unless),
        // A way that only a removal opens does not count where that removal has not happened.
        (Known::Is(value, unless), _) if right_after.is_some() => Known::Is(value, unless | right_after.unwrap_or(0)),
        (_, Known::Is(value, unless)) if left_after.is_some() => Known::Is(value, unless | left_after.unwrap_or(0)),
        _ => Known::Nothing,
    }
}

/// Joins what is known on a way that may not exist.
pub(super) fn join(into: &mut Option<State>, state: State) {
    *into = Some(match into.take() {
        Some(known) => known.join(state),
        None => state,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    #[test]
    fn what_a_removable_rule_set_is_known_to_rules_removed_with_it() {
        let before = State::new(1);
        let mut done = before.clone();
        done.set(0, Some(bytes("5")));
        let after = before.after(done, bit(0) | bit(1));
        assert_eq!(after.value(0, bit(0) | bit(1)), Some(&Some(bytes("5"))));
        assert_eq!(after.value(0, bit(0) | bit(1) | bit(2)), Some(&Some(bytes("5"))));
        assert_eq!(after.value(0, bit(0)), None, "removal 1 may have kept the rule from running");
        assert_eq!(after.value(0, 0), None);
    }

    #[test]
    fn removals_without_a_bit_are_not_relied_on() {
        let before = State::new(1);
        let mut done = before.clone();
        done.set(0, Some(bytes("5")));
        let after = before.after(done, bit(70));
        assert_eq!(after.value(0, bit(70)), None);
    }

    #[test]
    fn a_way_that_a_removal_opens_leaves_the_other_known() {
        let mut usual = State::new(1);
        usual.set(0, Some(bytes("a")));
        let mut opened = State::new(1);
        opened.only_after = Some(bit(3));
        for joined in [usual.clone().join(opened.clone()), opened.join(usual.clone())] {
            assert_eq!(joined.value(0, bit(3)), Some(&Some(bytes("a"))));
            assert_eq!(joined.value(0, 0), None);
            assert_eq!(joined.only_after, None);
        }
        let joined = usual.clone().join(State::new(1));
        assert_eq!(joined.value(0, bit(3)), None);
        assert_eq!(usual.clone().join(usual).value(0, 0), Some(&Some(bytes("a"))));
    }
}
