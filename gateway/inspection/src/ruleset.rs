//! A rule set: the rules that one profile runs, laid out for the engine.
//!
//! What never changes from request to request is folded away here: rules above the paranoia level and of other
//! categories are not in it, transformation chains with a common beginning are a tree whose nodes are computed once per
//! value, and per [`Domain`] it is known which rules and which nodes matter at all.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::bytes::ByteSet;
use crate::literals::Clauses;
use crate::operator::Operator;
use crate::prefilter::Prefilter;
use crate::rule::{Catalogue, Rule, RuleBits};
use crate::target::{Domain, Domains};
use crate::transform::Transformation;

/// The rules of one profile, compiled together.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) active: Box<[Active]>,
    pub(crate) nodes: Box<[ChainNode]>,
    /// The first is over all rules, the others over the rules of a domain that has few.
    pub(crate) prefilters: Vec<Prefilter>,
    pub(crate) plans: Box<[Plan]>,
    /// Rules whose first operator counts values.
    pub(crate) counting: Box<[u16]>,
}

/// A rule in a set.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) rule: Arc<Rule>,
    /// Its position in the catalogue, by which exclusions know it.
    pub(crate) index: usize,
    /// The nodes whose text is compared: the end of its chain, with `multi_match` all of it.
    pub(crate) nodes: SmallVec<[u16; 1]>,
    /// It can be judged only when the body is there, although it looks at the head first.
    pub(crate) late: bool,
}

/// One step of a transformation chain; node 0 is the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainNode {
    pub(crate) parent: u16,
    pub(crate) step: Transformation,
    pub(crate) triggers: Option<ByteSet>,
}

/// What matters for the values of one domain.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Rules that may look there.
    pub(crate) rules: Vec<u64>,
    /// Nodes to compute, parents first, without node 0.
    pub(crate) nodes: Vec<u16>,
    /// Byte classes of which a value must hold one for any of the nodes to change it; `None`: any value may change.
    pub(crate) triggers: Option<ByteSet>,
    /// Rules that no literal announces.
    pub(crate) always: Vec<u16>,
    /// Which prefilter announces the rules.
    pub(crate) prefilter: usize,
    /// Names (of header fields) that have rules of their own, and the prefilter of these values.
    pub(crate) named: Option<(Vec<Box<[u8]>>, usize)>,
    /// Whether any rule looks there.
    pub(crate) busy: bool,
    /// Whether a rule that looks there waits for the body.
    pub(crate) late: bool,
}

impl Plan {
    pub(crate) fn holds(&self, rule: u16) -> bool {
        let rule = usize::from(rule);
        self.rules.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }
}

/// Domains that are known before the body.
const HEAD: Domains = Domains::of(&[
    Domain::Path,
    Domain::Uri,
    Domain::Method,
    Domain::Query,
    Domain::QueryName,
    Domain::Header,
    Domain::HeaderName,
    Domain::Cookie,
    Domain::CookieName,
]);

impl Domain {
    /// Whether its values are known before the body.
    pub(crate) const fn in_head(self) -> bool {
        HEAD.holds(self)
    }
}

impl RuleSet {
    /// Lays out the chosen rules of the catalogue.
    pub(crate) fn new(catalogue: &Catalogue, chosen: &RuleBits) -> Result<Self, String> {
        let mut nodes = Vec::new();
        let mut active = Vec::new();
        for (index, rule) in catalogue.shared().iter().enumerate().filter(|(index, _)| chosen.holds(*index)) {
            active.push(Active {
                rule: Arc::clone(rule),
                index,
                nodes: chain_nodes(rule, &mut nodes)?,
                late: rule.further.iter().any(|condition| !condition.targets.within(HEAD)),
            });
        }
        let clauses: Vec<Clauses> = active.iter().map(|active| required(&active.rule)).collect();
        let mut prefilters = vec![Prefilter::new(&clauses)?];
        let mut plans = Vec::with_capacity(Domain::ALL.len());
        for domain in Domain::ALL {
            let all = prefilters.first().ok_or("no prefilter")?;
            let mut plan = plan(domain, &active, &nodes, all);
            narrow(&mut plan, domain, &active, &clauses, &mut prefilters)?;
            plans.push(plan);
        }
        let counting = numbered(&active).filter(|(_, a)| counts(&a.rule)).map(|(number, _)| number).collect();
        Ok(Self { active: active.into(), nodes: nodes.into(), prefilters, plans: plans.into(), counting })
    }

    /// How many rules run.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether no rule runs.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The rules.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.active.iter().map(|active| active.rule.as_ref())
    }

    /// Ids of the rules that no literal announces, so that they run on every value of their targets. A rule set is
    /// fast when there are few.
    pub fn unfiltered(&self) -> impl Iterator<Item = &str> {
        let filtered = |number: u16| self.prefilters.first().is_some_and(|filter| filter.covers(number));
        numbered(&self.active)
            .filter(move |(number, a)| !filtered(*number) && !counts(&a.rule))
            .map(|(_, a)| a.rule.id())
    }
}

fn numbered(active: &[Active]) -> impl Iterator<Item = (u16, &Active)> {
    (0..=u16::MAX).zip(active)
}

const fn counts(rule: &Rule) -> bool {
    matches!(rule.first.operator, Operator::Count(_))
}

/// A negated operator matches where literals are absent, so nothing announces it.
fn required(rule: &Rule) -> Clauses {
    if rule.first.negated { Clauses::default() } else { rule.first.operator.clauses() }
}

/// The nodes of a rule's chain, added to the tree where they are not there yet.
fn chain_nodes(rule: &Rule, nodes: &mut Vec<ChainNode>) -> Result<SmallVec<[u16; 1]>, String> {
    let mut path = SmallVec::from_slice(&[0]);
    let mut parent = 0;
    for step in &rule.first.chain {
        let node = ChainNode { parent, step: *step, triggers: step.triggers() };
        let found = nodes.iter().position(|known| *known == node);
        let at = found.unwrap_or_else(|| {
            nodes.push(node);
            nodes.len() - 1
        });
        // Node 0 is the value itself, so the first in the list is node 1.
        parent = u16::try_from(at + 1).map_err(|_| "more than 65535 transformation steps".to_owned())?;
        path.push(parent);
    }
    Ok(if rule.multi_match { path } else { SmallVec::from_slice(&[parent]) })
}

fn plan(domain: Domain, active: &[Active], nodes: &[ChainNode], prefilter: &Prefilter) -> Plan {
    let mut plan = Plan { rules: vec![0; active.len().div_ceil(64)], ..Plan::default() };
    let mut needed = vec![false; nodes.len() + 1];
    for (number, active) in numbered(active).filter(|(_, a)| a.rule.first.targets.touches(domain) && !counts(&a.rule)) {
        let at = usize::from(number);
        if let Some(word) = plan.rules.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
        if !prefilter.covers(number) {
            plan.always.push(number);
        }
        plan.busy = true;
        plan.late |= active.late;
        for node in &active.nodes {
            need(*node, nodes, &mut needed);
        }
    }
    let steps = (0..).zip(nodes).filter(|(node, _)| needed.get(node + 1).copied().unwrap_or(false));
    plan.triggers = steps.map(|(_, node)| node.triggers).try_fold(ByteSet::default(), |all, one| Some(all.or(one?)));
    // Children come after their parents in the tree's own order.
    plan.nodes = (0..).zip(&needed).skip(1).filter(|(_, needed)| **needed).map(|(node, _)| node).collect();
    plan
}

/// Gives a domain with few rules a prefilter of its own: a small automaton sees less and stays in the cache. Values
/// whose name has rules of its own keep the one over all rules.
fn narrow(
    plan: &mut Plan,
    domain: Domain,
    active: &[Active],
    clauses: &[Clauses],
    prefilters: &mut Vec<Prefilter>,
) -> Result<(), String> {
    let (mut names, mut chosen) = (Vec::new(), Vec::with_capacity(clauses.len()));
    for ((number, active), clauses) in numbered(active).zip(clauses) {
        let targets = &active.rule.first.targets;
        let by_name = if plan.holds(number) { targets.only_names(domain) } else { Some(Vec::new()) };
        chosen.push(if by_name.is_some() { Clauses::default() } else { clauses.clone() });
        names.extend(by_name.into_iter().flatten());
    }
    let few = chosen.iter().filter(|clauses| !clauses.0.is_empty()).count() * 2 < clauses.len();
    if !few || !plan.busy {
        return Ok(());
    }
    names.sort();
    names.dedup();
    prefilters.push(Prefilter::new(&chosen)?);
    plan.prefilter = prefilters.len() - 1;
    plan.named = (!names.is_empty()).then_some((names, 0));
    Ok(())
}

fn need(node: u16, nodes: &[ChainNode], needed: &mut [bool]) {
    let mut at = node;
    while let Some(slot) = needed.get_mut(usize::from(at)).filter(|slot| !**slot) {
        *slot = true;
        let Some(found) = usize::from(at).checked_sub(1).and_then(|at| nodes.get(at)) else { return };
        at = found.parent;
    }
}
