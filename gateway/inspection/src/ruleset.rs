//! A rule set: the rules that one profile runs, laid out for the engine.
//!
//! What never changes from request to request is folded away here: rules above the paranoia level and of other
//! categories are not in it, and the first conditions of the others are laid out by [`scan`](crate::scan) for one pass
//! per value.

use std::sync::Arc;

use crate::literals::Clauses;
use crate::operator::Operator;
use crate::rule::{Catalogue, Rule, RuleBits};
use crate::scan::{Entry, Layout, Look};
use crate::target::{Domain, Domains};

/// The rules of one profile, compiled together.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) active: Box<[Active]>,
    /// Which rules can match a value; its entries are those of `active`, its domains the numbers of [`Domain`].
    pub(crate) layout: Layout,
    /// Domains at which a rule looks that waits for the body.
    pub(crate) late: Domains,
    /// Rules whose first operator counts values.
    pub(crate) counting: Box<[u16]>,
}

/// A rule in a set.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) rule: Arc<Rule>,
    /// Its position in the catalogue, by which exclusions know it.
    pub(crate) index: usize,
    /// It can be judged only when the body is there, although it looks at the head first.
    pub(crate) late: bool,
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
        let rules = catalogue.shared().iter().enumerate().filter(|(index, _)| chosen.holds(*index));
        let active: Vec<Active> = rules
            .map(|(index, rule)| Active {
                rule: Arc::clone(rule),
                index,
                late: rule.further.iter().any(|condition| !condition.targets.within(HEAD)),
            })
            .collect();
        let entries: Vec<Entry> = active.iter().map(|active| entry(&active.rule)).collect();
        let waiting = active.iter().filter(|active| active.late && !counts(&active.rule));
        let late = waiting.fold(Domains::default(), |set, active| set.or(active.rule.first.targets.domains()));
        let counting = (0..).zip(&active).filter(|(_, a)| counts(&a.rule)).map(|(number, _)| number).collect();
        Ok(Self { layout: Layout::new(&entries)?, active: active.into(), late, counting })
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
        let rules = self.layout.unannounced().iter().filter_map(|number| self.active.get(usize::from(*number)));
        rules.map(|active| active.rule.id())
    }
}

const fn counts(rule: &Rule) -> bool {
    matches!(rule.first.operator, Operator::Count(_))
}

/// What the layout has to know of a rule. A rule that counts values looks at none of them.
fn entry(rule: &Rule) -> Entry {
    let first = &rule.first;
    let domains = Domain::ALL.into_iter().filter(|domain| first.targets.touches(*domain) && !counts(rule));
    let look = |domain: Domain| Look {
        domains: 1 << domain as u8,
        only: first.targets.only_names(domain),
        // What a target takes out is compared with upper and lower case by some kinds: left to the rule.
        except: Vec::new(),
    };
    Entry {
        looks: domains.map(look).collect(),
        chain: first.chain.clone(),
        multi_match: rule.multi_match,
        // A negated operator matches where literals are absent, so nothing announces it.
        requires: if first.negated { Clauses::default() } else { first.operator.clauses() },
    }
}
