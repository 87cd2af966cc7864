//! Which `TX` variables a rule reads and writes.

use super::super::super::ast::{Change, Piece, Selector, SetVar, TargetMode, Template};
use super::super::super::program::{CAPTURES, Slot};
use super::super::super::variable::Variable;
use super::super::names::Names;
use super::super::names::templates_of_about;
use super::super::settled::{After, Settled, SettledLink};
use super::state::State;
use super::text::View;

/// The state in which every variable that a rule may write is unknown, but for those that it can only set to what they
/// are. It holds at every moment of the rule's run and after it, however many values pass, whichever links do.
pub(super) fn disturbed(rule: &Settled, view: View<'_>) -> State {
    let mut state = view.state.clone();
    let sets = || rule.links.iter().flat_map(|link| &link.sets);
    for set in sets() {
        for slot in written(set, view.names) {
            state.forget(slot);
        }
    }
    if rule.links.iter().any(|link| link.capture) {
        (0..CAPTURES).filter_map(|slot| Slot::try_from(slot).ok()).for_each(|slot| state.forget(slot));
    }
    // A rule that only sets what is set already changes nothing.
    let mut slots: Vec<Slot> = sets().flat_map(|set| written(set, view.names)).collect();
    slots.sort_unstable();
    slots.dedup();
    for slot in slots {
        let Some(value) = view.state.value(slot, view.removes) else { continue };
        let quiet = View { state: &state, ..view };
        let same = |set: &SetVar| match &set.change {
            Change::Set(template) => value.is_some() && quiet.text(template).as_deref() == value.as_deref(),
            Change::Unset => value.is_none(),
            Change::Add(_) | Change::Subtract(_) => false,
        };
        if usize::from(slot) >= CAPTURES && sets().filter(|set| written(set, view.names).contains(&slot)).all(same) {
            state.restore(slot, view.state);
        }
    }
    state
}

/// The variables that a `setvar` may write.
pub(super) fn written(set: &SetVar, names: &Names) -> Vec<Slot> {
    if set.collection != Variable::Tx {
        return Vec::new();
    }
    match set.name.literal() {
        Some(name) => names.get(name).into_iter().collect(),
        None => names.iter().filter(|(_, name)| may_be(&set.name, name)).map(|(slot, _)| slot).collect(),
    }
}

/// Whether a template with macros may come to a name.
fn may_be(template: &Template, name: &[u8]) -> bool {
    let text = |piece: Option<&Piece>| match piece {
        Some(Piece::Text(text)) => text.to_ascii_lowercase(),
        _ => Vec::new(),
    };
    let (start, end) = (text(template.0.first()), text(template.0.last()));
    name.len() >= start.len() + end.len() && name.starts_with(&start) && name.ends_with(&end)
}

/// The variables that rules have touched.
#[derive(Debug)]
pub(super) struct Touched {
    slots: Vec<bool>,
    /// A rule read or wrote variables by pattern, or all.
    all: bool,
}

impl Touched {
    pub(super) fn none(slots: usize) -> Self {
        Self { slots: vec![false; slots], all: false }
    }

    /// Whether a rule has read or written the variable.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.all || self.slots.get(usize::from(slot)).is_none_or(|touched| *touched)
    }

    fn add(&mut self, slot: Slot) {
        if let Some(touched) = self.slots.get_mut(usize::from(slot)) {
            *touched = true;
        }
    }

    /// Adds what a rule reads and writes.
    pub(super) fn add_rule(&mut self, rule: &Settled, names: &Names) {
        for template in templates_of_about(rule) {
            self.add_macros(template, names);
        }
        for link in &rule.links {
            self.add_link(link, names);
        }
        for after in &rule.after {
            match after {
                After::Open(_, name) => self.add_macros(name, names),
                After::Expire(collection, name, seconds) => {
                    self.all |= *collection == Variable::Tx;
                    self.add_macros(name, names);
                    self.add_macros(seconds, names);
                }
                After::Ctl(_) => {}
            }
        }
    }

    fn add_link(&mut self, link: &SettledLink, names: &Names) {
        if link.capture {
            (0..CAPTURES).filter_map(|slot| Slot::try_from(slot).ok()).for_each(|slot| self.add(slot));
        }
        if let Some(test) = &link.test {
            self.add_macros(&test.operator.argument, names);
            for target in &test.targets {
                match (target.variable, &target.selector) {
                    (Variable::Tx, Selector::Name(name)) => names.get(name).into_iter().for_each(|slot| self.add(slot)),
                    (Variable::Tx, _) => self.all |= target.mode != TargetMode::Exclude,
                    _ => {}
                }
            }
        }
        for set in &link.sets {
            self.add_macros(&set.name, names);
            for slot in written(set, names) {
                self.add(slot);
            }
            if let Change::Set(value) | Change::Add(value) | Change::Subtract(value) = &set.change {
                self.add_macros(value, names);
            }
        }
    }

    fn add_macros(&mut self, template: &Template, names: &Names) {
        for piece in &template.0 {
            match piece {
                Piece::Macro(Variable::Tx, Some(name)) => names.get(name).into_iter().for_each(|slot| self.add(slot)),
                Piece::Macro(Variable::Tx, None) => self.all = true,
                _ => {}
            }
        }
    }
}
