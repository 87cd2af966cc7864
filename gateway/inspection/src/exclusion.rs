//! Exclusions: on some routes, some rules do not judge some values. Each counts how often it suppressed a match, so
//! that one that never took effect can be reported.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rampart_settings::{Location, Place};

use crate::raw::{RawExclusion, RawExemption, RawSelection};
use crate::rule::{Catalogue, Placed, RuleBits, read_targets};
use crate::target::{Domain, Subject, Targets};

/// One exclusion, compiled.
#[derive(Debug)]
pub struct Exclusion {
    reason: Box<str>,
    route: Box<str>,
    location: Location,
    rules: RuleBits,
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

    fn covers(&self, rule: usize, domain: Domain, subject: &Subject<'_, '_>) -> bool {
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
    /// for nothing.
    pub fn compile(raws: &[Placed<'_, RawExclusion>], catalogue: &Catalogue, routes: &[&str]) -> Self {
        let all = raws.iter().filter_map(|Placed { raw, place }| {
            if raw.route != "*" && !routes.contains(&raw.route.as_str()) {
                place.key("route").unknown_name("route", &raw.route, routes.iter().copied());
            }
            let rules = selected(raw.rules.as_ref(), catalogue, place);
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

fn selected(selection: Option<&RawSelection>, catalogue: &Catalogue, place: &Place<'_>) -> RuleBits {
    selection.map_or_else(|| catalogue.all(), |selection| catalogue.select(selection, &place.key("rules")))
}

/// The exclusions of one route.
#[derive(Debug, Clone, Default)]
pub struct RouteExclusions {
    exclusions: Box<[Arc<Exclusion>]>,
}

impl RouteExclusions {
    /// Whether a match of `rule` there is suppressed; counts it.
    pub(crate) fn suppress(&self, rule: usize, domain: Domain, subject: &Subject<'_, '_>) -> bool {
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

/// What a profile exempts: values that some rules do not judge, decided before any of them runs.
#[derive(Debug, Clone)]
pub(crate) struct Exemption {
    rules: RuleBits,
    targets: Targets,
}

impl Exemption {
    pub(crate) fn compile(raw: &RawExemption, catalogue: &Catalogue, place: &Place<'_>) -> Option<Self> {
        let rules = selected(raw.rules.as_ref(), catalogue, place);
        let targets = read_targets(&raw.targets, &place.key("targets"), false)?;
        Some(Self { rules, targets })
    }

    pub(crate) fn touches(&self, domain: Domain) -> bool {
        self.targets.touches(domain)
    }

    pub(crate) fn selects(&self, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        self.targets.select(domain, subject)
    }

    pub(crate) fn holds(&self, rule: usize) -> bool {
        self.rules.holds(rule)
    }
}

/// Exclusions that suppressed nothing so far, by place; for the report of `check` and of the admin listener.
pub fn unused(exclusions: &Exclusions) -> BTreeMap<String, &Exclusion> {
    exclusions.iter().filter(|e| e.suppressed() == 0).map(|e| (e.location.to_string(), e)).collect()
}
