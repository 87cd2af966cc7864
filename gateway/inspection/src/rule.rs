//! Compiled rules, and the catalogue of all of them.
//!
//! A rule is a list of conditions; the first chooses values, the others must hold too (SecLang: a chain). Each
//! condition has targets, a transformation chain and an operator, maybe negated. Nothing is left to compile when the
//! first request arrives.

use std::collections::BTreeMap;
use std::sync::Arc;

use rampart_settings::Place;

use crate::category::{Category, Severity};
use crate::operator::Operator;
use crate::raw::{RawCondition, RawMatch, RawRule, RawSelection};
use crate::target::{KINDS, Target, TargetError, Targets};
use crate::transform::Transformation;

/// Steps of one transformation chain.
const MAX_STEPS: usize = 16;
/// Conditions of one rule.
const MAX_CONDITIONS: usize = 8;
/// Rules of one catalogue.
const MAX_RULES: usize = 20_000;

/// A raw item and where it was written.
#[derive(Debug, Clone)]
pub struct Placed<'a, T> {
    /// As written.
    pub raw: T,
    /// Where.
    pub place: Place<'a>,
}

/// One condition of a rule.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) targets: Targets,
    pub(crate) chain: Box<[Transformation]>,
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
}

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) category: Category,
    pub(crate) severity: Severity,
    pub(crate) paranoia: u8,
    pub(crate) tags: Box<[Box<str>]>,
    pub(crate) message: Option<Box<str>>,
    pub(crate) multi_match: bool,
    pub(crate) first: Condition,
    pub(crate) further: Box<[Condition]>,
}

impl Rule {
    /// Its unique name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it looks for.
    pub const fn category(&self) -> Category {
        self.category
    }

    /// How grave a match is.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The paranoia level from which it runs.
    pub const fn paranoia(&self) -> u8 {
        self.paranoia
    }

    /// The sentence for a match in `place`: "Potential SQL injection detected in root.title".
    pub(crate) fn sentence(&self, place: &str) -> String {
        self.message.as_ref().map_or_else(
            || format!("Potential {} detected in {place}", self.category.title()),
            |message| format!("{message} in {place}"),
        )
    }

    fn compile(raw: &RawRule, place: &Place<'_>) -> Option<Self> {
        check_id(&raw.id, &place.key("id"));
        if raw.and.len() >= MAX_CONDITIONS {
            place.key("and").error(format!("a rule has at most {MAX_CONDITIONS} conditions"));
        }
        let targets = (raw.targets.as_slice(), place.key("targets"));
        let first = condition(targets, &raw.transform, &raw.condition, place, false);
        let further: Vec<_> =
            raw.and.iter().enumerate().map(|(index, raw)| further(raw, &place.key("and").index(index))).collect();
        let further: Option<Vec<_>> = further.into_iter().collect();
        Some(Self {
            id: raw.id.as_str().into(),
            category: raw.category,
            severity: raw.severity,
            paranoia: raw.paranoia,
            tags: raw.tags.iter().map(|tag| tag.as_str().into()).collect(),
            message: raw.message.as_deref().map(Into::into),
            multi_match: raw.multi_match,
            first: first?,
            further: further?.into(),
        })
    }
}

fn check_id(id: &str, place: &Place<'_>) {
    let fine = !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !fine {
        place.error(format!("\"{id}\" is no rule id: 1 to 64 lower-case letters, digits and `-`"));
    }
}

fn further(raw: &RawCondition, place: &Place<'_>) -> Option<Condition> {
    condition((&raw.targets, place.key("targets")), &raw.transform, &raw.condition, place, true)
}

fn condition(
    (targets, targets_place): (&[String], Place<'_>),
    transform: &[Transformation],
    operator: &RawMatch,
    place: &Place<'_>,
    may_refer: bool,
) -> Option<Condition> {
    if transform.len() > MAX_STEPS {
        place.key("transform").error(format!("a chain has at most {MAX_STEPS} transformations"));
    }
    let targets = read_targets(targets, &targets_place, may_refer);
    let compiled = Operator::compile(operator, &place.key("match"));
    Some(Condition { targets: targets?, chain: transform.into(), operator: compiled?, negated: operator.not })
}

/// Reads a list of targets; what is wrong is reported at its index.
pub(crate) fn read_targets(texts: &[String], place: &Place<'_>, may_refer: bool) -> Option<Targets> {
    let mut targets = Vec::with_capacity(texts.len());
    let mut good = true;
    for (index, text) in texts.iter().enumerate() {
        match Target::parse(text) {
            Ok(target) if target.is_matched() && !may_refer => {
                place.index(index).error("`matched` is what the condition before matched; here is none before");
                good = false;
            }
            Ok(target) => targets.push(target),
            Err(TargetError::UnknownKind(kind)) => {
                place.index(index).unknown_name("target", &kind, KINDS.iter().map(|(name, _)| *name));
                good = false;
            }
            Err(error) => {
                place.index(index).error(error.to_string());
                good = false;
            }
        }
    }
    let targets = Targets::new(targets);
    if good && targets.included().is_empty() {
        place.error_help("nothing is selected", "a target without `!` says where to look");
        good = false;
    }
    good.then_some(targets)
}

/// All rules of a rules directory, compiled once and shared by the profiles.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    rules: Vec<Arc<Rule>>,
    index: BTreeMap<Arc<str>, usize>,
}

/// A set of rules of one catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleBits(Box<[u64]>);

impl RuleBits {
    fn none(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(64)].into())
    }

    pub(crate) fn set(&mut self, rule: usize) {
        if let Some(word) = self.0.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    pub(crate) fn remove(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word &= !other);
    }

    pub(crate) fn holds(&self, rule: usize) -> bool {
        self.0.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }
}

/// What a selection names rules by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named<'n> {
    Id(&'n str),
    Category(Category),
    Tag(&'n str),
}

impl Catalogue {
    /// Compiles the rules of all files. What is wrong is reported at its place, and the rule left out.
    pub fn compile(raws: &[Placed<'_, RawRule>]) -> Self {
        let mut catalogue = Self::default();
        let mut places: BTreeMap<&str, &Place<'_>> = BTreeMap::new();
        for Placed { raw, place } in raws {
            if let Some(first) = places.insert(&raw.id, place) {
                let help = format!("the other one is at {}", first.location());
                place.key("id").error_help(format!("the rule id \"{}\" is taken", raw.id), help);
                continue;
            }
            if catalogue.rules.len() == MAX_RULES {
                place.error(format!("more than {MAX_RULES} rules"));
                break;
            }
            if let Some(rule) = Rule::compile(raw, place) {
                catalogue.index.insert(rule.id.clone(), catalogue.rules.len());
                catalogue.rules.push(Arc::new(rule));
            }
        }
        catalogue
    }

    /// The rules, in the order of the files.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.iter().map(AsRef::as_ref)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn shared(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The rules that a selection names. Unknown ids and tags, and categories without a rule, are errors.
    pub(crate) fn select(&self, selection: &RawSelection, place: &Place<'_>) -> RuleBits {
        self.select_beside(selection, place, |_| false)
    }

    /// As [`Self::select`], where rules may be meant that are not of this catalogue: what `elsewhere` knows is no error.
    pub(crate) fn select_beside(
        &self,
        selection: &RawSelection,
        place: &Place<'_>,
        elsewhere: impl Fn(Named<'_>) -> bool,
    ) -> RuleBits {
        let mut bits = RuleBits::none(self.rules.len());
        for (at, id) in selection.id.iter().enumerate() {
            match self.position(id) {
                Some(rule) => bits.set(rule),
                None if elsewhere(Named::Id(id)) => {}
                None => place.key("id").index(at).unknown_name("rule", id, self.index.keys().map(AsRef::as_ref)),
            }
        }
        for (at, category) in selection.category.iter().enumerate() {
            let any = self.mark(&mut bits, |rule| rule.category == *category);
            if !any && !elsewhere(Named::Category(*category)) {
                place.key("category").index(at).error(format!("no rule has the category \"{category}\""));
            }
        }
        for (at, tag) in selection.tag.iter().enumerate() {
            let any = self.mark(&mut bits, |rule| rule.tags.iter().any(|own| own.as_ref() == tag));
            if !any && !elsewhere(Named::Tag(tag)) {
                let known = self.rules.iter().flat_map(|rule| rule.tags.iter().map(AsRef::as_ref));
                place.key("tag").index(at).unknown_name("tag", tag, known);
            }
        }
        if selection.id.is_empty() && selection.category.is_empty() && selection.tag.is_empty() {
            place.error_help("no rules are named", "name ids, categories or tags, or leave `rules` out for all rules");
        }
        bits
    }

    /// All rules.
    pub(crate) fn all(&self) -> RuleBits {
        let mut bits = RuleBits::none(self.rules.len());
        (0..self.rules.len()).for_each(|rule| bits.set(rule));
        bits
    }

    /// The rules above a paranoia level.
    pub(crate) fn above(&self, paranoia: u8) -> RuleBits {
        let mut bits = RuleBits::none(self.rules.len());
        self.mark(&mut bits, |rule| rule.paranoia() > paranoia);
        bits
    }

    fn mark(&self, bits: &mut RuleBits, wanted: impl Fn(&Rule) -> bool) -> bool {
        let mut any = false;
        for (index, rule) in self.rules.iter().enumerate() {
            if wanted(rule) {
                bits.set(index);
                any = true;
            }
        }
        any
    }
}
