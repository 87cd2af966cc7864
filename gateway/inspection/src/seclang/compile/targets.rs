//! Lists of variables as sets of sources.

use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};

use super::super::ast::{Selector, Target, TargetMode};
use super::super::program::{Choice, Derived, Targets};
use super::super::variable::{Source, Sources, Variable};
use super::names::Names;
use crate::scan::Look;

/// Compiled program of one selector, in bytes.
const MAX_SELECTOR_BYTES: usize = 1 << 20;

/// The patterns of selectors, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Selectors(HashMap<Box<str>, Regex>);

impl Selectors {
    fn choice(&mut self, selector: &Selector) -> Result<Choice, String> {
        match selector {
            // An XPath is said by the variable: its text, or the values of its attributes.
            Selector::All | Selector::XPath(_) => Ok(Choice::All),
            Selector::Name(name) => Ok(Choice::Name(name.clone())),
            Selector::Pattern(pattern) => {
                if let Some(known) = self.0.get(pattern) {
                    return Ok(Choice::Pattern(known.clone()));
                }
                let regex = RegexBuilder::new(pattern)
                    .unicode(false)
                    .case_insensitive(true)
                    .dot_matches_new_line(true)
                    .size_limit(MAX_SELECTOR_BYTES)
                    .build()
                    .map_err(|error| format!("the selector /{pattern}/ does not compile: {error}"))?;
                self.0.insert(pattern.clone(), regex.clone());
                Ok(Choice::Pattern(regex))
            }
        }
    }

    /// Compiles a list of variables.
    ///
    /// # Errors
    /// A sentence when a selector does not compile.
    pub(super) fn compile(&mut self, targets: &[Target], names: &Names) -> Result<Targets, String> {
        let mut compiled = Targets::default();
        let mut removed: Sources = 0;
        for target in targets {
            let choice = self.choice(&target.selector)?;
            let sources = target.variable.sources();
            match target.mode {
                TargetMode::Count => compiled.counts.push(derived(target, choice, names)),
                TargetMode::Include if target.variable.is_derived() => {
                    compiled.derived.push(derived(target, choice, names));
                }
                TargetMode::Exclude if target.variable.is_derived() => {
                    compiled.derived_without.push(derived(target, choice, names));
                }
                TargetMode::Include if matches!(choice, Choice::All) => compiled.all |= sources,
                TargetMode::Include => compiled.some.push((sources, choice)),
                TargetMode::Exclude if matches!(choice, Choice::All) => removed |= sources,
                TargetMode::Exclude => compiled.without.push((sources, choice)),
            }
            if target.mode != TargetMode::Exclude && !compiled.written.contains(&target.variable) {
                compiled.written.push(target.variable);
            }
        }
        compiled.all &= !removed;
        for (sources, _) in &mut compiled.some {
            // What is meant whole needs no selection.
            *sources &= !removed & !compiled.all;
        }
        compiled.some.retain(|(sources, _)| *sources != 0);
        Ok(compiled)
    }
}

fn derived(target: &Target, choice: Choice, names: &Names) -> Derived {
    let slot = match &target.selector {
        Selector::Name(name) if target.variable == Variable::Tx => names.get(name),
        _ => None,
    };
    Derived { variable: target.variable, choice, slot }
}

/// Where the first test of an announced rule looks, as far as values are known by its phase.
pub(super) fn looks(targets: &Targets, phase: u8) -> Vec<Look> {
    let known = Source::known_by(phase);
    let mut looks: Vec<Look> = Vec::new();
    let mut add = |sources: Sources, only: Option<&[u8]>| {
        for (part, except) in by_exceptions(sources & known, &targets.without) {
            let same = looks
                .iter_mut()
                .find(|look| look.domains == part && look.except == except && look.only.is_some() && only.is_some());
            match (same, only) {
                (Some(look), Some(name)) => look.only.get_or_insert_default().push(name.into()),
                _ => looks.push(Look { domains: part, only: only.map(|name| vec![name.into()]), except }),
            }
        }
    };
    add(targets.all, None);
    for (sources, choice) in &targets.some {
        match choice {
            Choice::Name(name) => add(*sources, Some(name)),
            Choice::All | Choice::Pattern(_) => add(*sources, None),
        }
    }
    looks.retain(|look| look.domains != 0);
    looks
}

/// Sources, apart by which names are taken out of them.
fn by_exceptions(sources: Sources, without: &[(Sources, Choice)]) -> Vec<(Sources, Vec<Box<[u8]>>)> {
    let mut parts = vec![(sources, Vec::new())];
    for (of, choice) in without {
        let Choice::Name(name) = choice else { continue };
        let mut divided = Vec::with_capacity(parts.len());
        for (part, names) in parts {
            let (inside, outside) = (part & of, part & !of);
            if outside != 0 {
                divided.push((outside, names.clone()));
            }
            if inside != 0 {
                let mut names = names;
                names.push(name.clone());
                divided.push((inside, names));
            }
        }
        parts = divided;
    }
    parts
}
