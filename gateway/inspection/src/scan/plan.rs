//! Plans: what matters for the values of one domain, or of one name in it.
//!
//! Which entries look there, which transformations they need, which prefilter announces them. Domains and names with the
//! same entries share one plan.

use super::chain::{NARROW, Tree, narrows};
use super::prefilter::Prefilter;
use super::rarity::Rarity;
use super::{Entry, Gate, MAX_DOMAINS};
use crate::bytes::ByteSet;
use crate::literals::Clauses;

/// Names of one domain that may have plans of their own; the values of further ones see all entries.
const MAX_NAMES: usize = 64;

/// What matters for some values.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Entries that may look there, in order.
    pub(super) entries: Vec<u16>,
    /// Nodes to compute, parents first, without node 0.
    pub(super) nodes: Vec<Needed>,
    /// Byte classes of which a value must hold one for any of the nodes to change it; `None`: any value may change.
    pub(super) triggers: Option<ByteSet>,
    /// Entries that no literal announces.
    pub(super) always: Vec<u16>,
    /// Which prefilter announces the others.
    pub(super) prefilter: Option<usize>,
    /// Nodes whose texts these compare.
    pub(super) sought: Vec<Sought>,
}

/// A node to compute.
#[derive(Debug)]
pub(super) struct Needed {
    pub(super) node: u16,
    /// The entries for which its text and those after it are made, where they are few, each needs certain bytes, and
    /// none of the steps makes such bytes of others; otherwise empty.
    entries: Vec<u16>,
}

impl Needed {
    /// Whether the text is worth making of one that holds bytes of these classes.
    pub(super) fn is_worth(&self, held: ByteSet, gates: &[Gate]) -> bool {
        let held = held.or(NARROW);
        let admits = |entry: &u16| gates.get(usize::from(*entry)).is_some_and(|gate| gate.admits(held));
        self.entries.is_empty() || self.entries.iter().any(admits)
    }
}

/// A node whose text entries compare that literals announce.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) node: u16,
    /// The entries.
    entries: Vec<u16>,
    /// Which prefilter announces these and no others.
    pub(super) prefilter: usize,
}

/// Entries beyond which it is not asked whether one of them can match.
const FEW: usize = 12;

impl Sought {
    /// Whether one of the entries can match a text that holds bytes of these classes.
    pub(super) fn may_match(&self, held: ByteSet, gates: &[Gate]) -> bool {
        let admits = |entry: &u16| gates.get(usize::from(*entry)).is_some_and(|gate| gate.admits(held));
        self.entries.len() > FEW || self.entries.iter().any(admits)
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

/// Plans under way.
struct Draft<'e> {
    entries: &'e [Entry],
    gates: &'e [Gate],
    tree: &'e Tree,
    laid: Laid,
    rarity: Rarity,
    /// The entries that each prefilter announces.
    announced: Vec<Vec<u16>>,
}

/// Makes the plans of all domains.
pub(super) fn lay_out(entries: &[Entry], gates: &[Gate], tree: &Tree) -> Result<Laid, String> {
    let mut draft = Draft { entries, gates, tree, laid: Laid::default(), rarity: Rarity::new(), announced: Vec::new() };
    for domain in 0..MAX_DOMAINS {
        let names = names(entries, domain);
        let general = chosen(entries, |entry| looks(entry, domain, None, &names));
        let mut place = Place { general: draft.plan(general)?, named: Vec::new() };
        for name in &names {
            let own = chosen(entries, |entry| looks(entry, domain, Some(name), &names));
            place.named.push((name.clone(), draft.plan(own)?));
        }
        draft.laid.places.push(place);
    }
    Ok(draft.laid)
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

fn chosen(entries: &[Entry], holds: impl Fn(&Entry) -> bool) -> Vec<u16> {
    (0..).zip(entries).filter(|(_, entry)| holds(entry)).map(|(number, _)| number).collect()
}

impl Draft<'_> {
    /// The plan for these entries, made where there is none yet; `None` when there are no entries.
    fn plan(&mut self, chosen: Vec<u16>) -> Result<Option<usize>, String> {
        if chosen.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.laid.plans.iter().position(|plan| plan.entries == chosen) {
            return Ok(Some(known));
        }
        let announced =
            |entry: &u16| self.entries.get(usize::from(*entry)).is_some_and(|e| !e.requires.literals.is_empty());
        let (announced, always): (Vec<u16>, Vec<u16>) = chosen.iter().partition(|entry| announced(entry));
        let gates = self.gates;
        let ends = |entries: &[u16]| -> Vec<u16> {
            let gates = entries.iter().filter_map(|entry| gates.get(usize::from(*entry)));
            let mut ends: Vec<u16> = gates.flat_map(|gate| &gate.ends).copied().collect();
            ends.sort_unstable();
            ends.dedup();
            ends
        };
        let nodes = self.tree.closure(ends(&chosen).into_iter());
        let needed = nodes.iter().map(|node| self.needed(*node, &nodes, &chosen)).collect();
        let sought =
            ends(&announced).into_iter().map(|node| self.sought(node, &announced)).collect::<Result<_, _>>()?;
        let triggers = nodes.iter().filter_map(|node| self.tree.node(*node)).map(|node| node.triggers);
        let triggers = triggers.into_iter().try_fold(ByteSet::default(), |all, one| Some(all.or(one?)));
        let prefilter = if announced.is_empty() { None } else { Some(self.prefilter(announced)?) };
        self.laid.plans.push(Plan { entries: chosen, nodes: needed, triggers, always, prefilter, sought });
        Ok(Some(self.laid.plans.len() - 1))
    }

    fn needed(&self, node: u16, nodes: &[u16], chosen: &[u16]) -> Needed {
        let below = |other: &u16| self.tree.is_below(*other, node);
        let narrow = |other: &u16| self.tree.node(*other).is_some_and(|node| narrows(node.step));
        let gate = |entry: &u16| self.gates.get(usize::from(*entry));
        let entries: Vec<u16> = chosen
            .iter()
            .copied()
            .filter(|entry| gate(entry).is_some_and(|gate| gate.ends.iter().any(below)))
            .collect();
        let telling = entries.len() <= FEW
            && entries.iter().all(|entry| gate(entry).is_some_and(|gate| !gate.bytes.is_empty()))
            && nodes.iter().filter(|other| below(other)).all(narrow);
        Needed { node, entries: if telling { entries } else { Vec::new() } }
    }

    fn sought(&mut self, node: u16, announced: &[u16]) -> Result<Sought, String> {
        let compares = |entry: &u16| self.gates.get(usize::from(*entry)).is_some_and(|gate| gate.ends.contains(&node));
        let entries: Vec<u16> = announced.iter().copied().filter(compares).collect();
        Ok(Sought { node, prefilter: self.prefilter(entries.clone())?, entries })
    }

    fn prefilter(&mut self, announced: Vec<u16>) -> Result<usize, String> {
        if let Some(known) = self.announced.iter().position(|known| *known == announced) {
            return Ok(known);
        }
        let nothing = Clauses::default();
        let clauses = (0..)
            .zip(self.entries)
            .map(|(number, entry)| if announced.binary_search(&number).is_ok() { &entry.requires } else { &nothing });
        self.laid.prefilters.push(Prefilter::new(clauses, &self.rarity)?);
        self.announced.push(announced);
        Ok(self.laid.prefilters.len() - 1)
    }
}
