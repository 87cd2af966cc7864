//! Exclusions: on some routes, some rules do not judge some values. Each counts how often it suppressed a match, so
//! that one that never took effect can be reported.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rampart_settings::{Location, Place};

use crate::category::Category;
use crate::profile::Profiles;
use crate::raw::{RawExclusion, RawExemption, RawSelection};
use crate::rule::{Catalogue, Named, Placed, RuleBits, read_targets};
use crate::seclang::{About, SecLang};
use crate::target::{Domain, Subject, Targets};

/// One exclusion, compiled.
#[derive(Debug)]
pub struct Exclusion {
    reason: Box<str>,
    route: Box<str>,
    location: Location,
    rules: Chosen,
    targets: Targets,
    suppressed: AtomicU64,
}

impl Exclusion {
    /// Why it is there.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The route it was written for, or `*`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Where it was written.
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// How many matches it suppressed since it was loaded.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    fn covers(&self, rule: Judging<'_>, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        self.rules.holds(rule) && self.targets.select(domain, subject)
    }
}

/// All exclusions of a rules directory.
#[derive(Debug, Clone, Default)]
pub struct Exclusions {
    all: Vec<Arc<Exclusion>>,
}

impl Exclusions {
    /// Compiles exclusions. Unknown routes, rules, tags and targets are errors, and so is a route that is named twice
    /// for nothing. Rules are those of the catalogue and the SecLang rules of the profiles.
    pub fn compile(
        raws: &[Placed<'_, RawExclusion>],
        catalogue: &Catalogue,
        profiles: &Profiles,
        routes: &[&str],
    ) -> Self {
        let seclang: Vec<&SecLang> = profiles.values().filter_map(|profile| profile.seclang.as_ref()).collect();
        let all = raws.iter().filter_map(|Placed { raw, place }| {
            if raw.route != "*" && !routes.contains(&raw.route.as_str()) {
                place.key("route").unknown_name("route", &raw.route, routes.iter().copied());
            }
            let rules = Chosen::compile(raw.rules.as_ref(), catalogue, &seclang, place);
            let targets = read_targets(&raw.targets, &place.key("targets"), false)?;
            Some(Arc::new(Exclusion {
                reason: raw.reason.as_str().into(),
                route: raw.route.as_str().into(),
                location: place.location(),
                rules,
                targets,
                suppressed: AtomicU64::new(0),
            }))
        });
        Self { all: all.collect() }
    }

    /// Those that hold on the route `name`.
    pub fn for_route(&self, name: &str) -> RouteExclusions {
        let held = self.all.iter().filter(|exclusion| matches!(exclusion.route(), "*") || exclusion.route() == name);
        RouteExclusions { exclusions: held.cloned().collect() }
    }

    /// Every exclusion, with its count.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Exclusion> {
        self.all.iter().map(AsRef::as_ref)
    }
}

/// A rule that judges a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Judging<'r> {
    /// By its position in the catalogue.
    Own(usize),
    /// By what it says of itself.
    SecLang(&'r About),
}

/// The rules that an exclusion names, of both kinds.
#[derive(Debug, Clone)]
struct Chosen {
    own: RuleBits,
    /// `None`: all SecLang rules.
    seclang: Option<Words>,
}

/// What SecLang rules are named by: any of these.
#[derive(Debug, Clone)]
struct Words {
    ids: Box<[Box<str>]>,
    categories: Box<[Category]>,
    tags: Box<[Box<str>]>,
}

impl Chosen {
    fn compile(
        selection: Option<&RawSelection>,
        catalogue: &Catalogue,
        seclang: &[&SecLang],
        place: &Place<'_>,
    ) -> Self {
        let Some(selection) = selection else { return Self { own: catalogue.all(), seclang: None } };
        let elsewhere = |named: Named<'_>| seclang.iter().any(|rules| rules.knows(named));
        let own = catalogue.select_beside(selection, &place.key("rules"), elsewhere);
        let boxed = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        let words = Words {
            ids: boxed(&selection.id),
            categories: selection.category.clone().into(),
            tags: boxed(&selection.tag),
        };
        Self { own, seclang: Some(words) }
    }

    fn holds(&self, rule: Judging<'_>) -> bool {
        match (rule, &self.seclang) {
            (Judging::Own(rule), _) => self.own.holds(rule),
            (Judging::SecLang(_), None) => true,
            (Judging::SecLang(about), Some(words)) => words.name(about),
        }
    }
}

impl Words {
    fn name(&self, about: &About) -> bool {
        let tagged = |tag: &str| about.tags.iter().any(|own| own.literal() == Some(tag.as_bytes()));
        self.ids.iter().any(|id| **id == *about.name)
            || self.categories.contains(&about.category)
            || self.tags.iter().any(|tag| tagged(tag))
    }
}

/// The exclusions of one route.
#[derive(Debug, Clone, Default)]
pub struct RouteExclusions {
    exclusions: Box<[Arc<Exclusion>]>,
}

impl RouteExclusions {
    /// Whether a match of `rule` there is suppressed; counts it.
    pub(crate) fn suppress(&self, rule: Judging<'_>, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        let Some(found) = self.exclusions.iter().find(|exclusion| exclusion.covers(rule, domain, subject)) else {
            return false;
        };
        found.suppressed.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.exclusions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exclusions.is_empty()
    }
}

/// What profile and route say together: which values some rules do not judge. By default none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exempt<'x> {
    exemptions: &'x [Exemption],
    exclusions: Option<&'x RouteExclusions>,
}

impl<'x> Exempt<'x> {
    pub(crate) fn new(exemptions: &'x [Exemption], exclusions: &'x RouteExclusions) -> Self {
        Self { exemptions, exclusions: Some(exclusions).filter(|exclusions| !exclusions.is_empty()) }
    }

    /// Whether there is nothing of the kind.
    pub(crate) const fn is_empty(&self) -> bool {
        self.exemptions.is_empty() && self.exclusions.is_none()
    }

    /// Whether a match of `rule` there does not count; counts it for the exclusion.
    pub(crate) fn covers(&self, rule: Judging<'_>, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        let exempt = |own: &Exemption| own.holds(rule) && own.touches(domain) && own.selects(domain, subject);
        self.exemptions.iter().any(exempt)
            || self.exclusions.is_some_and(|exclusions| exclusions.suppress(rule, domain, subject))
    }
}

/// What a profile exempts: values that some rules do not judge, decided before any of them runs.
#[derive(Debug, Clone)]
pub(crate) struct Exemption {
    rules: Chosen,
    targets: Targets,
}

impl Exemption {
    pub(crate) fn compile(
        raw: &RawExemption,
        catalogue: &Catalogue,
        seclang: Option<&SecLang>,
        place: &Place<'_>,
    ) -> Option<Self> {
        let rules = Chosen::compile(raw.rules.as_ref(), catalogue, seclang.as_slice(), place);
        let targets = read_targets(&raw.targets, &place.key("targets"), false)?;
        Some(Self { rules, targets })
    }

    pub(crate) fn touches(&self, domain: Domain) -> bool {
        self.targets.touches(domain)
    }

    pub(crate) fn selects(&self, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        self.targets.select(domain, subject)
    }

    pub(crate) fn holds(&self, rule: Judging<'_>) -> bool {
        self.rules.holds(rule)
    }
}

/// Exclusions that suppressed nothing so far, by place; for the report of `check` and of the admin listener.
pub fn unused(exclusions: &Exclusions) -> BTreeMap<String, &Exclusion> {
    exclusions.iter().filter(|e| e.suppressed() == 0).map(|e| (e.location.to_string(), e)).collect()
}
