//! The cases beside the rules: strings that a rule must match, and strings that it must not.
//!
//! A string is put into a message as an already decoded value, in the case's `target` or else in the rule's first one:
//! for `args` and `query` as a query parameter, for `json` and `json:$.a[*].b` as that member of a JSON document, for
//! `header:NAME`, `cookie`, `form`, `xml`, `file` (the name of an upload), `body` and `path` as what they say, for
//! `query_names` and its kin as the name of an empty value. The message then goes through the engine with every rule of
//! the catalogue running, so that transformations, the prefilter and further conditions are tested with it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rampart_message::{Head, Headers, Kind, Limits, Message, Name, Node, Step, Value, Version};
use rampart_settings::Location;

use crate::engine::Scratch;
use crate::exclusion::RouteExclusions;
use crate::jsonpath;
use crate::profile::{BodyMode, Profile};
use crate::raw::{Mode, RawCase};
use crate::rule::{Catalogue, Placed, Rule};
use crate::ruleset::RuleSet;
use crate::target::{Sample, SampleName, Target};

/// What running the cases showed.
#[derive(Debug, Clone, Default)]
pub struct CaseReport {
    /// Strings that were judged as expected.
    pub passed: usize,
    /// The others.
    pub failures: Vec<CaseFailure>,
    /// Rules without a string that they must match.
    pub untested: Vec<Arc<str>>,
}

/// A string that was not judged as its case says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFailure {
    /// The rule.
    pub rule: String,
    /// The string.
    pub text: String,
    /// Whether the rule should have matched it.
    pub should_match: bool,
    /// Where the case is written.
    pub location: Location,
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.should_match { "does not match" } else { "matches" };
        let list = if self.should_match { "block" } else { "pass" };
        write!(f, "rule \"{}\" {verb} {:?}, which its case lists under `{list}`", self.rule, self.text)
    }
}

/// Runs cases against the catalogue. A case of an unknown rule or with a wrong target is reported at its place.
pub fn run_cases(catalogue: &Catalogue, cases: &[Placed<'_, RawCase>]) -> CaseReport {
    let mut report = CaseReport::default();
    let profile = match RuleSet::new(catalogue, &catalogue.all()) {
        Ok(set) => everything(set),
        Err(error) => {
            if let Some(first) = cases.first() {
                first.place.error(format!("the rules do not compile together: {error}"));
            }
            return report;
        }
    };
    let mut tested = vec![false; catalogue.len()];
    let mut scratch = Scratch::default();
    for Placed { raw, place } in cases {
        let Some(index) = catalogue.position(&raw.rule) else {
            place.key("rule").unknown_name("rule", &raw.rule, catalogue.rules().map(Rule::id));
            continue;
        };
        let Some(target) = target_of(raw, catalogue, index, place) else { continue };
        if let Some(tested) = tested.get_mut(index) {
            *tested |= !raw.block.is_empty();
        }
        let expectations = raw.block.iter().map(|text| (text, true)).chain(raw.pass.iter().map(|text| (text, false)));
        for (text, should_match) in expectations {
            if fires(&profile, &target, text, index, &mut scratch) == should_match {
                report.passed += 1;
            } else {
                let (rule, text, location) = (raw.rule.clone(), text.clone(), place.location());
                report.failures.push(CaseFailure { rule, text, should_match, location });
            }
        }
    }
    let untested = catalogue.shared().iter().zip(tested).filter(|(_, tested)| !tested);
    report.untested = untested.map(|(rule, _)| rule.id.clone()).collect();
    report
}

fn target_of(
    raw: &RawCase,
    catalogue: &Catalogue,
    index: usize,
    place: &rampart_settings::Place<'_>,
) -> Option<Target> {
    match raw.target.as_deref().map(Target::parse) {
        Some(Ok(target)) => Some(target),
        Some(Err(error)) => {
            place.key("target").error(error.to_string());
            None
        }
        None => catalogue.shared().get(index).and_then(|rule| rule.first.targets.included().first().cloned()),
    }
}

/// A profile that runs every rule and never stops early.
fn everything(set: RuleSet) -> Profile {
    Profile {
        name: "cases".into(),
        mode: Mode::Detect,
        body: BodyMode::Buffer,
        limits: Limits::DEFAULT,
        rules: Arc::new(set),
        seclang: None,
        unavailable: None,
        threshold: u32::MAX,
        first_match: false,
        paranoia: 4,
        disclose_location: true,
        work: u64::MAX,
        refused: std::collections::BTreeSet::new(),
        exemptions: Box::default(),
    }
}

fn fires(profile: &Profile, target: &Target, text: &str, rule: usize, scratch: &mut Scratch) -> bool {
    let sample = target.sample();
    let bytes = text.as_bytes();
    let method = if sample == Sample::Method { bytes } else { b"GET" };
    let uri = if sample == Sample::Uri { bytes } else { b"/" };
    let headers = Headers::default();
    let head = Head { method, target: uri, version: Version::Http11, authority: None, headers };
    let mut message = Message {
        head,
        target: None,
        path: None,
        values: Vec::new(),
        nodes: Vec::new(),
        body: None,
        multipart: None,
        problems: smallvec::SmallVec::new(),
    };
    if let Sample::Value { kind, aspect, name, is_name } = sample {
        let (own, bytes): (SampleName<'_>, &[u8]) =
            if is_name { (SampleName::Text(bytes), b"") } else { (name, bytes) };
        let name = put_name(&mut message, own, kind);
        message.values.push(Value { kind, aspect, name, bytes: Cow::Borrowed(bytes) });
    }
    profile.inspect(&RouteExclusions::default(), &message, scratch);
    scratch.has_fired(rule)
}

fn put_name<'a>(message: &mut Message<'a>, name: SampleName<'a>, kind: Kind) -> Name<'a> {
    let steps: Vec<Step<'a>> = match name {
        SampleName::None => return Name::None,
        SampleName::Text(text) if kind != Kind::Json => return Name::Text(Cow::Borrowed(text)),
        SampleName::Text(text) => vec![Step::Key(Cow::Borrowed(text))],
        SampleName::Json(path) => path.sample().into_iter().map(json_step).collect(),
        SampleName::Xml(names) => names.into_iter().map(Step::Element).collect(),
    };
    if kind == Kind::Json {
        message.nodes.push(Node { parent: 0, step: Step::Root });
    }
    for step in steps {
        let parent = u32::try_from(message.nodes.len().saturating_sub(1)).unwrap_or(0);
        message.nodes.push(Node { parent, step });
    }
    Name::Node(u32::try_from(message.nodes.len().saturating_sub(1)).unwrap_or(0))
}

fn json_step(node: jsonpath::Node<'_>) -> Step<'_> {
    match node {
        jsonpath::Node::Key(key) => Step::Key(Cow::Borrowed(key)),
        jsonpath::Node::Index(index) => Step::Index(u32::try_from(index).unwrap_or(u32::MAX)),
    }
}
