//! A program: SecLang rules made ready to run. `compile` makes it, `run` runs it; nothing is compiled afterwards.
//!
//! The rules of a phase stand in the order of the files. What can be decided without a request is gone: set-up rules are
//! [`Program::initial`], rules behind a paranoia gate that never opens are not there, macros of known value are text.
//!
//! A rule is *announced* or *lazy*. The first test of an announced rule reads nothing but values, so it is made once per value when
//! the value becomes known, through [`Program::layout`], for the rules of all phases at once; what matched is recorded. A lazy rule ([`Program::lazy`])
//! reads the state of the transaction (`TX`, counts, sizes, the time) and is tested when its turn comes.

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::Regex;

use super::ast::{AllowScope, BodyProcessor, EngineMode, Location, Template};
use super::variable::{Sources, Variable};
use crate::category::Category;
use crate::operator::Operator;
use crate::transform::Transformation;

/// Rules ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    /// Phase by phase, in order. Markers are gone: a skip names a position here.
    pub(crate) rules: Box<[Rule]>,
    /// The rules of phases 1 to 5.
    pub(crate) phases: [Range<u16>; 5],
    /// Where the first tests of announced rules are made; the number of an entry is the number of its rule (entries of
    /// lazy rules look nowhere). A value of a source that is known only after the phase of a rule is not looked at.
    pub(crate) layout: crate::scan::Layout,
    /// Rules that are looked at whether or not a match was recorded.
    pub(crate) lazy: RuleBits,
    /// Names of `TX` variables that rules name in full, in lower case; a [`Slot`] is a position here. The first ten
    /// are `0` to `9`: what the last rule with `capture` captured.
    pub(crate) names: Box<[Box<[u8]>]>,
    /// The values of the slots when a transaction begins.
    pub(crate) initial: Box<[Option<Arc<[u8]>>]>,
    /// Sources whose values rules of later phases ask for again (in chained tests, counts and macros): these are kept
    /// when the phase in which they became known is over. First tests of announced rules need no values kept.
    pub(crate) kept: Sources,
    pub(crate) settings: Settings,
    /// What an administrator should know: patterns that back-track, directives without effect, references that hit
    /// nothing.
    pub(crate) notes: Vec<Note>,
}

/// A place in [`Program::names`].
pub(crate) type Slot = u16;

/// Slots that hold captures: the names `0` to `9`.
pub(crate) const CAPTURES: usize = 10;

/// A set of rules, one bit each by position in [`Program::rules`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RuleBits(pub(crate) Box<[u64]>);

impl RuleBits {
    /// The set of these positions, with room for `rules` of them.
    pub(crate) fn new(rules: usize, positions: impl IntoIterator<Item = usize>) -> Self {
        let mut words = vec![0_u64; rules.div_ceil(64)].into_boxed_slice();
        for position in positions {
            if let Some(word) = words.get_mut(position / 64) {
                *word |= 1 << (position % 64);
            }
        }
        Self(words)
    }

    /// Whether a rule is in it.
    pub(crate) fn contains(&self, rule: usize) -> bool {
        self.0.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }
}

/// What directives set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) engine: EngineMode,
    pub(crate) request_body: bool,
    pub(crate) response_body: bool,
    /// Media types whose response bodies are inspected, in lower case.
    pub(crate) response_types: Vec<Box<str>>,
    /// Bytes.
    pub(crate) request_body_limit: u64,
    /// Bytes.
    pub(crate) request_body_no_files_limit: u64,
    /// Refuse a body beyond the limit; otherwise what fits is inspected.
    pub(crate) request_body_reject: bool,
    pub(crate) json_depth: u32,
    pub(crate) arguments: u32,
    /// Bytes.
    pub(crate) response_body_limit: u64,
    pub(crate) response_body_reject: bool,
    pub(crate) argument_separator: u8,
    pub(crate) web_app_id: Box<str>,
    /// Seconds after which a collection that `initcol` opened is forgotten.
    pub(crate) collection_timeout: u64,
}

/// Something to tell.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) location: Location,
    pub(crate) text: String,
    /// Somebody meant something that does not happen: it is worth a look.
    pub(crate) is_warning: bool,
}

impl Note {
    /// What is good to know.
    pub(crate) fn remark(location: &Location, text: String) -> Self {
        Self { location: location.clone(), text, is_warning: false }
    }

    /// What somebody should look at.
    pub(crate) fn warning(location: &Location, text: String) -> Self {
        Self { location: location.clone(), text, is_warning: true }
    }
}

/// One rule: a test and those chained to it.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its `id`.
    pub(crate) id: u32,
    /// 1 to 5.
    pub(crate) phase: u8,
    /// At least one.
    pub(crate) links: Box<[Link]>,
    /// Done once when all links have matched, in this order (the last link's come first, as in ModSecurity v3).
    pub(crate) effects: Box<[Effect]>,
    pub(crate) disruption: Disruption,
    /// The status of a refusal.
    pub(crate) status: u16,
    /// Whether a match is an event.
    pub(crate) log: bool,
    /// The position at which the phase goes on when the rule has matched: after this rule, at most the phase's end.
    pub(crate) skip_to: Option<u16>,
    pub(crate) about: About,
    pub(crate) location: Location,
}

/// What a rule says of itself.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// The id as text, for events.
    pub(crate) name: Arc<str>,
    pub(crate) msg: Template,
    pub(crate) logdata: Template,
    /// 0 to 7.
    pub(crate) severity: Option<u8>,
    pub(crate) tags: Box<[Template]>,
    pub(crate) rev: Box<str>,
    pub(crate) ver: Box<str>,
    /// From the tag `paranoia-level/N`; 1 without it.
    pub(crate) paranoia: u8,
    /// From the tag `attack-...`.
    pub(crate) category: Category,
}

/// What becomes of the transaction when the whole rule has matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disruption {
    Pass,
    Deny,
    Drop,
    Allow(AllowScope),
    Redirect(Template),
}

/// One test of a rule, and what is done for each value that passes it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) test: Test,
    /// What matched goes to the slots `0` to `9`, for each value that passes.
    pub(crate) capture: bool,
    /// Whether anything reads the slots `1` to `9` of it; otherwise only `0` is filled.
    pub(crate) groups: bool,
    /// Done for each value that passes the test, whatever later links say (`setvar`).
    pub(crate) sets: Box<[Set]>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every test is an operator, and a box would be one step more to each"
)]
pub(crate) enum Test {
    /// `SecAction`, and tests that were found to hold once whatever the request: passes once, with no value.
    Always,
    Operator {
        targets: Targets,
        chain: Box<[Transformation]>,
        multi_match: bool,
        operator: Operand,
        negated: bool,
    },
}

/// An operator, or what is left of one whose argument holds a macro that only a request can tell.
#[derive(Debug)]
pub(crate) enum Operand {
    /// Shared by rules that name the same.
    Fixed(Arc<Operator>),
    /// The operator and its argument.
    Expanded(crate::operator::Dynamic, Template),
}

/// Which values a test looks at.
#[derive(Debug, Default, Clone)]
pub(crate) struct Targets {
    /// Sources with all their values.
    pub(crate) all: Sources,
    /// Sources of which only some values are meant.
    pub(crate) some: Vec<(Sources, Choice)>,
    /// What is taken out again. Sources that are taken out whole are not in `all` and `some` any more.
    pub(crate) without: Vec<(Sources, Choice)>,
    /// Derived variables, in order.
    pub(crate) derived: Vec<Derived>,
    /// What is taken out of the derived ones (`TX:/^score/|!TX:score_2`).
    pub(crate) derived_without: Vec<Derived>,
    /// `&VARIABLE`: how many values there are. Nothing is taken out of these.
    pub(crate) counts: Vec<Derived>,
    /// The variables as written, in order, for the names of matched values (`ARGS:x`).
    pub(crate) written: Vec<Variable>,
}

impl Targets {
    /// Whether a value is meant: one of this source (as a bit) and name.
    pub(crate) fn selects(&self, source: Sources, name: &[u8]) -> bool {
        let some =
            |list: &[(Sources, Choice)]| list.iter().any(|(of, choice)| of & source != 0 && choice.selects(name));
        (self.all & source != 0 || some(&self.some)) && !some(&self.without)
    }

    /// Every source of which a value may be meant or counted.
    pub(crate) fn sources(&self) -> Sources {
        let counted = self.counts.iter().map(|count| count.variable.sources());
        self.some.iter().map(|(of, _)| *of).chain(counted).fold(self.all, |all, of| all | of)
    }
}

/// A derived variable, or one that is counted.
#[derive(Debug, Clone)]
pub(crate) struct Derived {
    pub(crate) variable: Variable,
    pub(crate) choice: Choice,
    /// For `TX:name`: its slot.
    pub(crate) slot: Option<Slot>,
}

#[derive(Debug, Clone)]
pub(crate) enum Choice {
    All,
    /// Compared without case.
    Name(Box<[u8]>),
    /// On the name, without case.
    Pattern(Regex),
}

impl Choice {
    /// Whether a value of this name is meant.
    pub(crate) fn selects(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Name(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

/// `setvar`.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) place: Place,
    pub(crate) change: Change,
}

/// Something done once when a whole rule has matched.
#[derive(Debug)]
pub(crate) enum Effect {
    RuleEngine(EngineMode),
    /// These rules are removed for the rest of the transaction.
    RemoveRules(RuleBits),
    /// From these rules, these values.
    RemoveTarget(RuleBits, Targets),
    RequestBodyProcessor(BodyProcessor),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
    /// The collection is usable from here on.
    Open(Variable, Template),
    /// The variable is forgotten after so many seconds.
    Expire(Place, Template),
}

/// A variable that is set.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Slot(Slot),
    /// A `TX` variable whose name holds a macro. What it comes to may be the name of a slot.
    Named(Template),
    /// Of a collection that `initcol` opened.
    Collection(Variable, Template),
}

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(Template),
    Add(Template),
    Subtract(Template),
    Unset,
}
