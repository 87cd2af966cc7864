//! The rules directory: its files read item by item, compiled together, and compared with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::HeaderName;
use rampart_inspection::{
    BodyMode, Catalogue, Exclusions, Placed, Profiles, RawCase, RawProfile, RawRule, compile_profiles, run_cases,
};
use rampart_settings::{Document, Place, Report, Shape, Size, Source};
use rampart_upstream::Upstream;

use super::callers::{self, Callers};
use super::items::Items;
use super::seclang::{SecLangSet, SecLangs};
use crate::config::{Checks, Config};
use crate::raw_rules::{RawRoute, RawRulesFile};
use crate::route::{self, Known, Route};
use crate::routing::{Matcher, Router, ties};
use crate::snapshot::{CallerTables, Loaded, Snapshot, Watched};

/// Routes at most.
const MAX_ROUTES: usize = 10_000;
/// Profiles that ship; nobody has to use all of them.
const SHIPPED: [&str; 5] = ["crs", "default", "off", "prompt", "strict"];
/// Failed cases that are reported one by one.
const MAX_CASE_FAILURES: usize = 50;

/// What the rules directory holds, compiled.
pub(crate) struct Compiled {
    routes: Vec<Route>,
    matchers: Vec<Matcher>,
    profiles: Profiles,
    exclusions: Exclusions,
    callers: Callers,
    loaded: Loaded,
}

/// Reports what is wrong with the structure of the files, where nothing more can be said.
pub(crate) fn look_over(files: &[Source], report: &Report) {
    let shape = Shape::of::<RawRulesFile>();
    for source in files {
        if let Some(document) = Document::parse(source.clone(), report) {
            shape.check(&document, report);
        }
    }
}

/// Compiles all files together; what is wrong is reported.
pub(crate) fn compile(
    files: &[Source],
    upstreams: &[Upstream],
    checks: &Checks<'_>,
    seclang: &mut SecLangs<'_>,
    report: &Report,
) -> Compiled {
    let documents: Vec<Document> = files.iter().filter_map(|source| Document::parse(source.clone(), report)).collect();
    let mut items = Items::default();
    let shape = Shape::of::<RawRulesFile>();
    for document in &documents {
        items.collect(&shape, document, report);
    }
    let callers = Callers::compile(&items, checks);
    let raw_routes = refuse_twins(std::mem::take(&mut items.routes));
    callers::warn_unused(&items, &raw_routes, report);
    callers::warn_unprotected(&raw_routes);
    callers::warn_miscounting(&items, &callers, &raw_routes);
    let Items { rules, cases, exclusions: raw_exclusions, profiles: raw_profiles, .. } = items;

    let catalogue = Catalogue::compile(&rules);
    excuse_broken_rules(&rules, &catalogue, report);
    let profiles = compile_profiles(&raw_profiles, &catalogue, seclang);
    for name in raw_profiles.keys().filter(|name| !profiles.contains_key(name.as_str())) {
        report.excuse(name);
    }
    let names: Vec<&str> = raw_routes.iter().map(|placed| placed.raw.name.as_str()).collect();
    let exclusions = Exclusions::compile(&raw_exclusions, &catalogue, &profiles, &names);

    let resilience = Arc::default();
    let known = Known { profiles: &profiles, exclusions: &exclusions, upstreams, callers: &callers, resilience };
    let (mut routes, matchers) = compile_routes(&raw_routes, &known);
    reserve_headers(&mut routes);
    if report.is_ok() {
        warn_unused_profiles(&raw_profiles, &raw_routes);
    }
    let cases = check_cases(&catalogue, &cases);
    let loaded = Loaded {
        files: files.len(),
        routes: routes.len(),
        rules: catalogue.len(),
        cases,
        exclusions: exclusions.iter().len(),
        profiles: profiles.len(),
        upstreams: upstreams.len(),
        seclang_rules: 0,
    };
    Compiled { routes, matchers, profiles, exclusions, callers, loaded }
}

/// A rule that did not compile was reported; whoever refers to it is right to.
fn excuse_broken_rules(rules: &[Placed<'_, RawRule>], catalogue: &Catalogue, report: &Report) {
    let good: BTreeSet<&str> = catalogue.rules().map(rampart_inspection::Rule::id).collect();
    for placed in rules.iter().filter(|placed| !good.contains(placed.raw.id.as_str())) {
        report.excuse(&placed.raw.id);
    }
}

/// Routes whose names are taken are reported and left out.
fn refuse_twins(routes: Vec<Placed<'_, RawRoute>>) -> Vec<Placed<'_, RawRoute>> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut kept = Vec::with_capacity(routes.len());
    for placed in routes {
        let name = placed.place.key("name");
        let text = &placed.raw.name;
        if let Some(other) = first.get(text) {
            name.error_help(format!("the route name \"{text}\" is taken"), format!("the other one is at {other}"));
            continue;
        }
        if text == "*" || text.chars().any(char::is_control) {
            name.error(format!("{text:?} is not the name of a route"));
        }
        if kept.len() == MAX_ROUTES {
            placed.place.error(format!("more than {MAX_ROUTES} routes"));
            break;
        }
        first.insert(text.clone(), name.location().to_string());
        kept.push(placed);
    }
    kept
}

/// A header that tells an upstream who is calling is the gateway's on every route to that upstream, also on those that
/// ask for no identity: the upstream cannot tell them apart.
fn reserve_headers(routes: &mut [Route]) {
    let mut reserved: BTreeMap<usize, Vec<HeaderName>> = BTreeMap::new();
    for route in routes.iter() {
        if let (Some(access), Some(upstream)) = (&route.access, route.upstream()) {
            reserved.entry(upstream.0).or_default().extend(access.forwarded().cloned());
        }
    }
    let reserved: BTreeMap<usize, Arc<[HeaderName]>> =
        reserved.into_iter().map(|(at, names)| (at, names.into())).collect();
    for route in routes {
        let names = route.upstream().and_then(|upstream| reserved.get(&upstream.0));
        route.reserved = names.cloned().unwrap_or_default();
    }
}

fn compile_routes(raws: &[Placed<'_, RawRoute>], known: &Known<'_>) -> (Vec<Route>, Vec<Matcher>) {
    let mut routes = Vec::with_capacity(raws.len());
    let mut matchers = Vec::with_capacity(raws.len());
    let mut places = Vec::with_capacity(raws.len());
    for Placed { raw, place } in raws {
        if let Some((route, matcher)) = route::compile(raw, routes.len(), known, place) {
            routes.push(route);
            matchers.push(matcher);
            places.push(place);
        }
    }
    for (first, second) in ties(&matchers) {
        let (Some(one), Some(two)) = (routes.get(first), routes.get(second)) else { continue };
        let (Some(at), Some(here)) = (places.get(first), places.get(second)) else { continue };
        here.key("match").key("path").error_help(
            format!(
                "nothing decides between the routes \"{}\" and \"{}\": some requests fit both equally",
                two.name, one.name
            ),
            format!(
                "the other one is at {}; give one of them a longer path, a host, a method or a condition",
                at.location()
            ),
        );
    }
    (routes, matchers)
}

fn warn_unused_profiles(profiles: &BTreeMap<String, Placed<'_, RawProfile>>, routes: &[Placed<'_, RawRoute>]) {
    let mut used: BTreeSet<&str> = routes.iter().map(|placed| placed.raw.inspection.as_str()).collect();
    used.extend(profiles.values().filter_map(|placed| placed.raw.extends.as_deref()));
    used.extend(SHIPPED);
    for (name, placed) in profiles.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let help = format!("`inspection = \"{name}\"` in a route makes use of it");
        placed.place.warn_at_key(format!("no route uses the profile \"{name}\""), help);
    }
}

/// Runs the cases beside the rules; the number of strings that came out as written.
fn check_cases(catalogue: &Catalogue, cases: &[Placed<'_, RawCase>]) -> usize {
    let ran = run_cases(catalogue, cases);
    for failure in ran.failures.iter().take(MAX_CASE_FAILURES) {
        let place = cases.iter().map(|placed| &placed.place).find(|place| place.location() == failure.location);
        if let Some(place) = place {
            place.error(failure.to_string());
        }
    }
    if ran.failures.len() > MAX_CASE_FAILURES
        && let Some(place) = cases.first().map(|placed| &placed.place)
    {
        place.error(format!("{} cases fail; the first {MAX_CASE_FAILURES} are shown", ran.failures.len()));
    }
    ran.passed
}

impl Compiled {
    /// Compares the rules with the operators' configuration.
    pub(crate) fn compare(&self, config: &Config, upstreams: &[Upstream], place: &Place<'_>) {
        for (position, upstream) in upstreams.iter().enumerate() {
            if !self.routes.iter().any(|route| route.upstream().is_some_and(|index| index.0 == position)) {
                let help = format!("`upstream = \"{}\"` in a route makes use of it", upstream.name);
                let message = format!("no route uses the upstream \"{}\"", upstream.name);
                place.key("upstream").key(&upstream.name).warn_at_key(message, help);
            }
        }
        let buffered = self.routes.iter().filter(|route| route.body == BodyMode::Buffer);
        let budget = config.process.buffer_budget_bytes;
        if let Some(route) = buffered.max_by_key(|route| route.body_limit_bytes)
            && let Some(limit) = route.body_limit_bytes.filter(|limit| *limit > budget)
        {
            place.key("process").key("buffer_budget").warn(
                format!("a body of {}, which the route \"{}\" takes, never fits", Size::new(limit), route.name),
                format!("raise buffer_budget above {}", Size::new(limit)),
            );
        }
        if self.routes.is_empty() {
            let help = "add a [[route]] to a rules file; were files moved away, put them back";
            place.key("rules").error_help("there are no routes: every request would get 404", help);
        }
    }

    pub(crate) fn into_snapshot(
        self,
        digest: String,
        config: Config,
        upstreams: Vec<Upstream>,
        seclang: Vec<SecLangSet>,
        watched: Watched,
    ) -> Snapshot {
        let rules = |set: &SecLangSet| set.rules().len();
        let loaded = Loaded { seclang_rules: seclang.iter().map(rules).sum(), ..self.loaded };
        Snapshot {
            digest,
            config,
            routes: self.routes,
            router: Router::new(self.matchers),
            profiles: self.profiles,
            exclusions: self.exclusions,
            callers: CallerTables::from(self.callers),
            upstreams,
            seclang,
            loaded,
            watched,
            secrets: Vec::new(),
        }
    }
}
