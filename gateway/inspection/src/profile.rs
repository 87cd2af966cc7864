//! Profiles: which rules run, how strictly, and what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rampart_message::{Limits, ProblemClass, ProblemCode};
use rampart_settings::{Place, Report, Size};

use crate::exclusion::{Exempt, Exemption, RouteExclusions};
use crate::raw::{Mode, RawProfile, Reaction};
use crate::rule::{Catalogue, Placed, RuleBits};
use crate::ruleset::RuleSet;
use crate::seclang::{SecLang, SecLangSource, WantedSecLang};

/// Score from which a request is blocked: one critical match.
const DEFAULT_THRESHOLD: u32 = 5;
/// Bytes that transformations and operators may read for one request.
const DEFAULT_WORK: Size = Size::mib(64);
/// The same where only SecLang rules run. The OWASP Core Rule Set has hundreds, of which a long text can concern many:
/// they read each byte of it a hundred times and more, and a body of 10 MiB is to be judged, not refused.
const DEFAULT_WORK_SECLANG: Size = Size::gib(4);
/// Profiles that extend one another.
const MAX_EXTENDS: usize = 8;

/// What happens to the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyMode {
    /// Read whole and inspected before the upstream hears of the request.
    #[default]
    Buffer,
    /// Only so many bytes of it are read and inspected first.
    Prefix(usize),
    /// Not inspected.
    Stream,
}

impl BodyMode {
    /// Reads `"buffer"`, `"stream"` or `"prefix:64KiB"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "buffer" => return Ok(Self::Buffer),
            "stream" => return Ok(Self::Stream),
            _ => {}
        }
        let size = text.strip_prefix("prefix:").ok_or_else(|| format!("\"{text}\" is no body mode"))?;
        let size: Size = size.parse().map_err(|_| format!("\"{size}\" is no size"))?;
        let bytes = usize::try_from(size.bytes()).map_err(|_| format!("\"{size}\" is too large"))?;
        if bytes == 0 { Err("a prefix has at least one byte".to_owned()) } else { Ok(Self::Prefix(bytes)) }
    }
}

/// A compiled profile.
#[derive(Debug)]
pub struct Profile {
    /// Its name.
    pub name: Arc<str>,
    /// What is done with the verdict.
    pub mode: Mode,
    /// What happens to the body.
    pub body: BodyMode,
    /// Content limits.
    pub limits: Limits,
    /// The rules that run.
    pub rules: Arc<RuleSet>,
    /// The SecLang rules that run beside them.
    pub seclang: Option<SecLang>,
    /// Why the profile cannot be used, where that is no error as long as no route does: its SecLang files are not there.
    pub unavailable: Option<Box<str>>,
    /// Score from which a request is blocked.
    pub threshold: u32,
    /// The first match blocks.
    pub first_match: bool,
    /// Rules up to this level run.
    pub paranoia: u8,
    /// Whether the client is told where the attack was seen.
    pub disclose_location: bool,
    /// Bytes that transformations and operators may read for one request.
    pub work: u64,
    /// Codes that do not have the reaction of [`ProblemCode::refused_by_default`].
    pub(crate) refused: BTreeSet<ProblemCode>,
    pub(crate) exemptions: Box<[Exemption]>,
}

impl Profile {
    /// Whether a message with this oddity is refused.
    pub fn refuses(&self, code: ProblemCode) -> bool {
        self.refused.contains(&code)
    }

    /// What this profile and a route exempt from SecLang rules.
    pub fn exempt<'x>(&'x self, exclusions: &'x RouteExclusions) -> Exempt<'x> {
        Exempt::new(&self.exemptions, exclusions)
    }
}

/// The profiles of a rules directory by name.
pub type Profiles = BTreeMap<Arc<str>, Arc<Profile>>;

/// Compiles profiles, each on what it extends. What is wrong is reported at its place. `source` has the SecLang files
/// that they name.
pub fn compile_profiles(
    raws: &BTreeMap<String, Placed<'_, RawProfile>>,
    catalogue: &Catalogue,
    source: &mut dyn SecLangSource,
) -> Profiles {
    // What is inherited was reported where it is written, so it is read again in silence.
    let silent = Report::default();
    let mut sets = RuleSets::default();
    let compiled = raws.iter().filter_map(|(name, own)| {
        let mut lineage = lineage(name, raws, &own.place, &silent)?;
        if let Some(last) = lineage.last_mut() {
            last.1 = own.place.clone();
        }
        Some((Arc::from(name.as_str()), Arc::new(compile(name, &lineage, catalogue, &mut sets, source))))
    });
    compiled.collect()
}

type Lineage<'p> = Vec<(&'p RawProfile, Place<'p>)>;

/// The profile after those it extends, the farthest first.
fn lineage<'p>(
    name: &'p str,
    raws: &'p BTreeMap<String, Placed<'_, RawProfile>>,
    place: &Place<'_>,
    silent: &'p Report,
) -> Option<Lineage<'p>> {
    let mut lineage = Vec::new();
    let mut at = Some(name);
    while let Some(name) = at {
        let Some(placed) = raws.get(name) else {
            // Reported once, where it is written: at the profile that names it directly.
            if lineage.len() == 1 {
                place.key("extends").unknown_name("profile", name, raws.keys().map(String::as_str));
            }
            return None;
        };
        if lineage.len() == MAX_EXTENDS {
            place.key("extends").error("profiles extend one another in a circle, or more than 8 deep");
            return None;
        }
        lineage.push((&placed.raw, Place::nowhere("", silent)));
        at = placed.raw.extends.as_deref();
    }
    lineage.reverse();
    Some(lineage)
}

/// The nearest setting of a lineage.
fn nearest<T>(lineage: &Lineage<'_>, setting: impl Fn(&RawProfile) -> Option<T>) -> Option<T> {
    lineage.iter().rev().find_map(|(raw, _)| setting(raw))
}

fn compile(
    name: &str,
    lineage: &Lineage<'_>,
    catalogue: &Catalogue,
    sets: &mut RuleSets,
    source: &mut dyn SecLangSource,
) -> Profile {
    let (seclang, unavailable) = seclang(lineage, source);
    let only_seclang =
        lineage.iter().any(|(raw, _)| raw.seclang.is_some()) && lineage.iter().all(|(raw, _)| raw.rules.is_none());
    let base = if only_seclang { Limits::PROCESS } else { Limits::DEFAULT };
    let default_work = if only_seclang { DEFAULT_WORK_SECLANG } else { DEFAULT_WORK };
    let mode = nearest(lineage, |raw| raw.mode).unwrap_or_default();
    let paranoia = nearest(lineage, |raw| raw.paranoia).unwrap_or(1);
    let exemptions = lineage.iter().flat_map(|(raw, place)| {
        let place = place.key("exempt");
        let compile = |(at, raw)| Exemption::compile(raw, catalogue, seclang.as_ref(), &place.index(at));
        raw.exempt.iter().enumerate().filter_map(compile).collect::<Vec<_>>()
    });
    Profile {
        name: name.into(),
        mode,
        body: body(lineage),
        limits: lineage.iter().fold(base, |limits, (raw, place)| {
            raw.limits.as_ref().map_or(limits, |raw| raw.compile(&limits, &place.key("limits")))
        }),
        rules: if only_seclang { Arc::default() } else { rules(lineage, mode, paranoia, catalogue, sets) },
        seclang: seclang.clone(),
        unavailable,
        threshold: nearest(lineage, |raw| raw.threshold).unwrap_or(DEFAULT_THRESHOLD),
        first_match: nearest(lineage, |raw| raw.first_match).unwrap_or(false),
        paranoia,
        disclose_location: nearest(lineage, |raw| raw.disclose_location).unwrap_or(true),
        work: nearest(lineage, |raw| raw.work).unwrap_or(default_work).bytes(),
        refused: refused(lineage, only_seclang),
        exemptions: exemptions.collect(),
    }
}

fn body(lineage: &Lineage<'_>) -> BodyMode {
    let mut mode = BodyMode::default();
    for (raw, place) in lineage {
        match raw.body.as_deref().map(BodyMode::parse) {
            Some(Ok(found)) => mode = found,
            Some(Err(error)) => place.key("body").error_help(error, "write \"buffer\", \"prefix:64KiB\" or \"stream\""),
            None => {}
        }
    }
    mode
}

/// Rule sets by the rules that are in them: profiles that run the same rules share one set, with its automata.
#[derive(Default)]
struct RuleSets(Vec<(RuleBits, Arc<RuleSet>)>);

impl RuleSets {
    fn of(&mut self, chosen: RuleBits, catalogue: &Catalogue) -> Result<Arc<RuleSet>, String> {
        if let Some((_, set)) = self.0.iter().find(|(held, _)| *held == chosen) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(RuleSet::new(catalogue, &chosen)?);
        self.0.push((chosen, Arc::clone(&set)));
        Ok(set)
    }
}

/// The rules that a profile runs: those it chooses, up to its paranoia level; none where it is off.
fn rules(lineage: &Lineage<'_>, mode: Mode, paranoia: u8, catalogue: &Catalogue, sets: &mut RuleSets) -> Arc<RuleSet> {
    let mut chosen = catalogue.all();
    for (raw, place) in lineage {
        if let Some(selection) = &raw.rules {
            chosen = catalogue.select(selection, &place.key("rules"));
        }
        if let Some(selection) = &raw.without {
            chosen.remove(&catalogue.select(selection, &place.key("without")));
        }
    }
    if mode == Mode::Off {
        return Arc::default();
    }
    chosen.remove(&catalogue.above(paranoia));
    sets.of(chosen, catalogue).unwrap_or_else(|error| {
        if let Some(own) = lineage.last() {
            own.1.error(format!("the rules of this profile do not compile together: {error}"));
        }
        Arc::default()
    })
}

/// The SecLang rules of the nearest profile that names some, none where the profile is off; or why they are not there.
fn seclang(lineage: &Lineage<'_>, source: &mut dyn SecLangSource) -> (Option<SecLang>, Option<Box<str>>) {
    let named = lineage.iter().rev().find_map(|(raw, place)| Some((raw.seclang.clone()?, place)));
    let Some((patterns, place)) = named else { return (None, None) };
    let place = place.key("seclang");
    if patterns.is_empty() {
        place.error_help("no files are named", "name files, or leave `seclang` out");
    }
    if patterns.is_empty() || nearest(lineage, |raw| raw.mode) == Some(Mode::Off) {
        return (None, None);
    }
    let wanted = WantedSecLang {
        patterns,
        paranoia: nearest(lineage, |raw| raw.paranoia),
        threshold: nearest(lineage, |raw| raw.threshold),
        refuse_broken_bodies: nearest(lineage, |raw| raw.refuse_broken_bodies).unwrap_or(false),
    };
    match source.load(&wanted, &place) {
        Ok(loaded) => (loaded, None),
        Err(missing) => (None, Some(missing.into())),
    }
}

fn refused(lineage: &Lineage<'_>, only_seclang: bool) -> BTreeSet<ProblemCode> {
    // SecLang rules judge all else themselves; these protect the process, or hide from them what they would judge.
    let beyond_rules = |code: ProblemCode| {
        code.class() == ProblemClass::Limit || code == ProblemCode::AmbiguousFraming || code.hides_content()
    };
    let by_default = |code: &ProblemCode| code.refused_by_default() && (!only_seclang || beyond_rules(*code));
    let mut refused: BTreeSet<_> = ProblemCode::ALL.iter().copied().filter(by_default).collect();
    for (raw, place) in lineage {
        for (text, reaction) in &raw.problems {
            match (ProblemCode::of(text), reaction) {
                (Some(code), Reaction::Refuse) => {
                    refused.insert(code);
                }
                (Some(code), Reaction::Note) => {
                    refused.remove(&code);
                }
                (None, _) => {
                    let known = ProblemCode::ALL.iter().map(|code| code.as_str());
                    place.key("problems").key(text).unknown_name("problem", text, known);
                }
            }
        }
    }
    refused
}
