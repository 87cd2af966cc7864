//! Plans: what matters for the values of one domain, or of one name in it.
//!
//! Which entries look there, which transformations they need, which prefilter announces them. Domains and names with the
//! same entries share one plan.

use smallvec::SmallVec;

use super::chain::Tree;
use super::prefilter::Prefilter;
use super::{Entry, MAX_DOMAINS};
use crate::bytes::ByteSet;
use crate::literals::Clauses;

/// Names of one domain that may have plans of their own; the values of further ones see all entries.
const MAX_NAMES: usize = 64;

/// What matters for some values.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Entries that may look there, as bits.
    pub(super) entries: Vec<u64>,
    /// Nodes to compute, parents first, without node 0.
    pub(super) nodes: Vec<u16>,
    /// Byte classes of which a value must hold one for any of the nodes to change it; `None`: any value may change.
    pub(super) triggers: Option<ByteSet>,
    /// Entries that no literal announces.
    pub(super) always: Vec<u16>,
    /// Which prefilter announces the others.
    pub(super) prefilter: Option<usize>,
}

impl Plan {
    pub(super) fn holds(&self, entry: u16) -> bool {
        let entry = usize::from(entry);
        self.entries.get(entry / 64).is_some_and(|word| word >> (entry % 64) & 1 == 1)
    }
}

/// The plans of one domain, by position.
#[derive(Debug, Default)]
pub(super) struct Place {
    general: Option<usize>,
    /// Names that have a plan of their own (`None`: nothing looks at them).
    named: Vec<(Box<[u8]>, Option<usize>)>,
}

impl Place {
    pub(super) fn plan(&self, name: &[u8]) -> Option<usize> {
        let own = self.named.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        own.map_or(self.general, |(_, plan)| *plan)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.general.is_some() || self.named.iter().any(|(_, plan)| plan.is_some())
    }
}

/// All plans.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) places: Vec<Place>,
    pub(super) plans: Vec<Plan>,
    pub(super) prefilters: Vec<Prefilter>,
}

/// Makes the plans of all domains.
pub(super) fn lay_out(entries: &[Entry], ends: &[SmallVec<[u16; 1]>], tree: &Tree) -> Result<Laid, String> {
    let all: Vec<Clauses> = entries.iter().map(|entry| entry.requires.clone()).collect();
    let mut laid = Laid { prefilters: vec![Prefilter::new(&all)?], ..Laid::default() };
    for domain in 0..MAX_DOMAINS {
        let names = names(entries, domain);
        let general = chosen(entries, |entry| looks(entry, domain, None, &names));
        let mut place = Place { general: laid.plan(&general, entries, ends, tree)?, named: Vec::new() };
        for name in &names {
            let own = chosen(entries, |entry| looks(entry, domain, Some(name), &names));
            place.named.push((name.clone(), laid.plan(&own, entries, ends, tree)?));
        }
        laid.places.push(place);
    }
    Ok(laid)
}

/// The names of a domain that entries single out.
fn names(entries: &[Entry], domain: u8) -> Vec<Box<[u8]>> {
    let looks = entries.iter().flat_map(|entry| &entry.looks).filter(|look| look.domains >> domain & 1 == 1);
    let mut names: Vec<Box<[u8]>> = looks
        .flat_map(|look| look.only.iter().flatten().chain(&look.except))
        .map(|name| name.to_ascii_lowercase().into())
        .collect();
    names.sort();
    names.dedup();
    names.truncate(MAX_NAMES);
    names
}

/// Whether an entry looks at values of a name; without a name, at those of any that has no plan of its own.
fn looks(entry: &Entry, domain: u8, name: Option<&[u8]>, known: &[Box<[u8]>]) -> bool {
    let holds = |list: &[Box<[u8]>], name: &[u8]| list.iter().any(|own| own.eq_ignore_ascii_case(name));
    entry.looks.iter().filter(|look| look.domains >> domain & 1 == 1).any(|look| match (name, &look.only) {
        (Some(name), Some(only)) => holds(only, name) && !holds(&look.except, name),
        (Some(name), None) => !holds(&look.except, name),
        (None, Some(only)) => only.iter().any(|name| !holds(known, name)),
        (None, None) => true,
    })
}

fn chosen(entries: &[Entry], holds: impl Fn(&Entry) -> bool) -> Vec<u64> {
    let mut bits = vec![0u64; entries.len().div_ceil(64)];
    for (at, _) in entries.iter().enumerate().filter(|(_, entry)| holds(entry)) {
        if let Some(word) = bits.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }
    bits
}

impl Laid {
    /// The plan for these entries, made where there is none yet; `None` when there are no entries.
    fn plan(
        &mut self,
        chosen: &[u64],
        entries: &[Entry],
        ends: &[SmallVec<[u16; 1]>],
        tree: &Tree,
    ) -> Result<Option<usize>, String> {
        if chosen.iter().all(|word| *word == 0) {
            return Ok(None);
        }
        if let Some(known) = self.plans.iter().position(|plan| plan.entries == chosen) {
            return Ok(Some(known));
        }
        let mut plan = Plan { entries: chosen.to_vec(), ..Plan::default() };
        let own: Vec<u16> = (0..).zip(entries).map(|(number, _)| number).filter(|number| plan.holds(*number)).collect();
        let mut clauses = vec![Clauses::default(); entries.len()];
        for number in &own {
            let at = usize::from(*number);
            match (entries.get(at), clauses.get_mut(at)) {
                (Some(entry), Some(slot)) if !entry.requires.0.is_empty() => slot.clone_from(&entry.requires),
                _ => plan.always.push(*number),
            }
        }
        plan.nodes = tree.closure(own.iter().filter_map(|entry| ends.get(usize::from(*entry))).flatten().copied());
        let triggers = plan.nodes.iter().filter_map(|node| tree.node(*node)).map(|node| node.triggers);
        plan.triggers = triggers.into_iter().try_fold(ByteSet::default(), |all, one| Some(all.or(one?)));
        let announced = own.len() - plan.always.len();
        if announced * 4 > entries.len() {
            plan.prefilter = Some(0);
        } else if announced > 0 {
            // A small automaton sees less and stays in the cache.
            self.prefilters.push(Prefilter::new(&clauses)?);
            plan.prefilter = Some(self.prefilters.len() - 1);
        }
        self.plans.push(plan);
        Ok(Some(self.plans.len() - 1))
    }
}
