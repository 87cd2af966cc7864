//! A request and its response on their way through the phases.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rampart_message::{Limits, Message, ResponseHead};
use rampart_settings::Report;

use super::eager;
use super::exempt::Exempted;
use super::loaded::Loaded;
use super::report::{Interruption, MatchedRule};
use super::state::State;
use super::{Buffers, Run, number};
use crate::engine::Scratch;
use crate::exclusion::Exempt;
use crate::rule::Named;
use crate::seclang::ast::{Action, Directive, DirectiveKind, EngineMode};
use crate::seclang::compile::{self, Options};
use crate::seclang::files::Files;
#[cfg(test)]
use crate::seclang::program::RuleBits;
use crate::seclang::syntax;
use crate::seclang::values::{Connection, Kept, Values, read_body, read_head, read_response_body, read_response_head};

/// States that a worker keeps for later transactions.
const MAX_IDLE: usize = 64;

/// SecLang rules, loaded and ready to run. Cheap to clone; shared by all routes that use the same files.
#[derive(Debug, Clone)]
pub struct SecLang {
    rules: Arc<Loaded>,
    files: Arc<[PathBuf]>,
    names: Arc<Names>,
}

/// What the rules are called that were read, whether or not they are left to run.
#[derive(Debug, Default)]
struct Names {
    ids: BTreeSet<String>,
    tags: BTreeSet<Box<[u8]>>,
}

impl Names {
    fn of(directives: &[Directive]) -> Self {
        let mut names = Self::default();
        for directive in directives {
            let (DirectiveKind::Rule { actions, .. } | DirectiveKind::Action(actions)) = &directive.kind else {
                continue;
            };
            for action in actions {
                match action {
                    Action::Id(id) => {
                        names.ids.insert(id.to_string());
                    }
                    Action::Tag(tag) => names.tags.extend(tag.literal().map(Into::into)),
                    _ => {}
                }
            }
        }
        names
    }
}

/// Something to know about rules that were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark<'r> {
    /// The rule file.
    pub file: &'r Path,
    /// The line of the directive, from 1.
    pub line: u32,
    /// A sentence.
    pub text: &'r str,
    /// Somebody meant something that does not happen: it is worth a look. Other remarks ask for nothing.
    pub is_warning: bool,
}

/// What a transaction must be told before its first phase.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'b> {
    /// Who talks to whom.
    pub connection: Connection,
    /// `UNIQUE_ID`: the request id.
    pub unique_id: &'b str,
    /// The time.
    pub now: SystemTime,
    /// Nothing is interrupted, whatever the rules say (`SecRuleEngine DetectionOnly`).
    pub detect: bool,
    /// Bytes that transformations and operators may read.
    pub work: u64,
}

impl SecLang {
    /// Loads the rule files that `patterns` name, in this order. `None`, and errors in `report`, when any is wrong.
    pub fn load<P: AsRef<Path>>(patterns: &[P], files: &dyn Files, report: &Report) -> Option<Self> {
        let before = report.errors();
        let parsed = syntax::parse(patterns, files, report);
        let names = Arc::new(Names::of(&parsed.directives));
        let program = compile::compile(parsed.directives, Options::default(), report)?;
        if report.errors() > before {
            return None;
        }
        Some(Self { rules: Arc::new(Loaded::new(program)), files: parsed.files.into(), names })
    }

    /// The rule files and data files that were read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What an administrator should know of the rules, in the order in which it came up.
    pub fn notes(&self) -> impl Iterator<Item = Remark<'_>> {
        self.rules.program.notes.iter().map(|note| Remark {
            file: &note.location.file,
            line: note.location.line,
            text: &note.text,
            is_warning: note.is_warning,
        })
    }

    /// Whether a rule of this id or tag was read, or one of this category is left to run.
    pub(crate) fn knows(&self, named: Named<'_>) -> bool {
        match named {
            Named::Id(id) => self.names.ids.contains(id),
            Named::Tag(tag) => self.names.tags.contains(tag.as_bytes()),
            Named::Category(category) => self.rules.program.rules.iter().any(|rule| rule.about.category == category),
        }
    }

    /// Whether both came of one load.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rules, &other.rules)
    }

    /// How many rules are left to run.
    pub fn len(&self) -> usize {
        self.rules.program.rules.len()
    }

    /// Whether no rule is left.
    pub fn is_empty(&self) -> bool {
        self.rules.program.rules.is_empty()
    }

    /// Begins a transaction.
    pub fn begin(&self, beginning: &Beginning<'_>, scratch: &mut Scratch) -> Transaction {
        let program = &self.rules.program;
        let mut state = scratch.seclang.idle.pop().unwrap_or_default();
        state.reset(program.rules.len(), program.names.len());
        state.engine = match program.settings.engine {
            EngineMode::On if beginning.detect => EngineMode::DetectionOnly,
            mode => mode,
        };
        state.detect = beginning.detect;
        state.began = beginning.now;
        state.budget = beginning.work;
        Transaction {
            rules: Arc::clone(&self.rules),
            state,
            unique_id: beginning.unique_id.into(),
            connection: beginning.connection,
            head_values: 0,
            kept: Kept::default(),
            response_type: Box::default(),
        }
    }

    /// Loads rules with nothing decided or scanned beforehand, each test made in its turn: the slow and obvious way, to
    /// compare with.
    #[cfg(test)]
    pub(crate) fn load_plain<P: AsRef<Path>>(patterns: &[P], files: &dyn Files, report: &Report) -> Option<Self> {
        let parsed = syntax::parse(patterns, files, report);
        let mut program = compile::compile(parsed.directives, Options { fold: false }, report)?;
        program.lazy = RuleBits::new(program.rules.len(), 0..program.rules.len());
        program.kept = !0;
        let (rules, files) = (Arc::new(Loaded::new(program)), parsed.files.into());
        report.is_ok().then(|| Self { rules, files, names: Arc::default() })
    }
}

/// One request, and later its response, on the way through the rules. Owned, so that it may wait for the response
/// wherever its request waits.
#[derive(Debug)]
pub struct Transaction {
    rules: Arc<Loaded>,
    state: Box<State>,
    unique_id: Box<str>,
    connection: Connection,
    /// Values of the head, scanned already.
    head_values: usize,
    kept: Kept,
    /// The media type of the response.
    response_type: Box<[u8]>,
}

impl Transaction {
    /// Phase 1, on a head whose body was not read.
    pub fn request_head(&mut self, exempt: Exempt<'_>, message: &Message<'_>, now: SystemTime, scratch: &mut Scratch) {
        let exempted = Exempted::new(exempt, Some(message));
        let values = self.read_head(message, &mut scratch.seclang);
        self.first_phase(&values, &exempted, now, &mut scratch.seclang);
        scratch.seclang.values = values.into_buffers();
    }

    /// Phase 2, on the message whose head phase 1 saw, with its body.
    pub fn request_body(
        &mut self,
        exempt: Exempt<'_>,
        message: &Message<'_>,
        limits: &Limits,
        now: SystemTime,
        scratch: &mut Scratch,
    ) {
        let exempted = Exempted::new(exempt, Some(message));
        let values = self.read_head(message, &mut scratch.seclang);
        self.second_phase(values, (message, limits), &exempted, now, &mut scratch.seclang);
    }

    /// Phases 1 and 2 on a whole message.
    pub fn request(
        &mut self,
        exempt: Exempt<'_>,
        message: &Message<'_>,
        limits: &Limits,
        now: SystemTime,
        scratch: &mut Scratch,
    ) {
        let exempted = Exempted::new(exempt, Some(message));
        let values = self.read_head(message, &mut scratch.seclang);
        self.first_phase(&values, &exempted, now, &mut scratch.seclang);
        self.second_phase(values, (message, limits), &exempted, now, &mut scratch.seclang);
    }

    /// Phase 3.
    pub fn response_head(&mut self, head: &ResponseHead<'_>, now: SystemTime, scratch: &mut Scratch) {
        let kept = std::mem::take(&mut self.kept);
        let mut values = Values::resume(&kept, std::mem::take(&mut scratch.seclang.values));
        let from = values.len();
        read_response_head(head, &mut values);
        let essence = head.headers.get("content-type").and_then(|value| value.split(|byte| *byte == b';').next());
        self.response_type = essence.unwrap_or_default().trim_ascii().to_ascii_lowercase().into();
        self.run(3, &values, from, &Exempted::new(Exempt::default(), None), now, &mut scratch.seclang);
        self.kept = values.keep(self.rules.program.kept);
        scratch.seclang.values = values.into_buffers();
    }

    /// Whether phase 4 may come to ask for the response's body, whatever its head will say.
    pub fn may_want_response_body(&self) -> bool {
        let wanted = self.state.response_body.unwrap_or(self.rules.program.settings.response_body);
        wanted && self.state.engine != EngineMode::Off && self.state.interruption.is_none()
    }

    /// How many bytes of the response's body phase 4 asks for; `None` when it asks for none, because no rule looks at
    /// them, bodies of this type are not inspected, or the transaction is over. Asked after [`Self::response_head`].
    pub fn response_body_limit(&self) -> Option<usize> {
        let settings = &self.rules.program.settings;
        let wanted = self.state.response_body.unwrap_or(settings.response_body);
        let over = self.state.engine == EngineMode::Off || self.state.interruption.is_some();
        let listed = settings.response_types.iter().any(|listed| listed.as_bytes() == &*self.response_type);
        if !wanted || over || !listed {
            return None;
        }
        Some(usize::try_from(settings.response_body_limit).unwrap_or(usize::MAX))
    }

    /// Whether a longer body than [`Self::response_body_limit`] is refused; otherwise its beginning is inspected.
    pub fn refuses_longer_response(&self) -> bool {
        self.rules.program.settings.response_body_reject
    }

    /// Phase 4, on the body with its content codings undone; empty where it was not asked for. `cut` says that it is only its beginning.
    pub fn response_body(&mut self, body: &[u8], cut: bool, now: SystemTime, scratch: &mut Scratch) {
        let kept = std::mem::take(&mut self.kept);
        let mut values = Values::resume(&kept, std::mem::take(&mut scratch.seclang.values));
        let from = values.len();
        if self.response_body_limit().is_some() {
            read_response_body(body, cut, &self.rules.program.settings, &mut values);
        }
        self.run(4, &values, from, &Exempted::new(Exempt::default(), None), now, &mut scratch.seclang);
        self.kept = values.keep(self.rules.program.kept);
        scratch.seclang.values = values.into_buffers();
    }

    /// Phase 5, which runs whatever happened before.
    pub fn log(&mut self, now: SystemTime, scratch: &mut Scratch) {
        let kept = std::mem::take(&mut self.kept);
        let values = Values::resume(&kept, std::mem::take(&mut scratch.seclang.values));
        let from = values.len();
        self.run(5, &values, from, &Exempted::new(Exempt::default(), None), now, &mut scratch.seclang);
        scratch.seclang.values = values.into_buffers();
    }

    /// Gives the memory back for later transactions.
    pub fn recycle(self, scratch: &mut Scratch) {
        if scratch.seclang.idle.len() < MAX_IDLE {
            scratch.seclang.idle.push(self.state);
        }
    }

    /// What interrupted the transaction.
    pub fn interruption(&self) -> Option<&Interruption> {
        self.state.interruption.as_ref()
    }

    /// What would have interrupted it, if the engine did not only detect.
    pub fn would_interrupt(&self) -> Option<&Interruption> {
        self.state.would.as_ref()
    }

    /// Whether the work budget was spent, or there was no room for what matched: not all rules have been asked.
    pub fn is_exhausted(&self) -> bool {
        self.state.exhausted
    }

    /// The rules that matched and say so, in the order in which they did.
    pub fn matched(&self) -> &[MatchedRule] {
        &self.state.events
    }

    /// Each match as ModSecurity v3 logs it.
    pub fn log_lines(&self) -> impl Iterator<Item = String> {
        self.state.events.iter().map(MatchedRule::log_line)
    }

    /// The inbound anomaly score that the rules of the OWASP Core Rule Set have come to (versions 4 and 3); 0 for others.
    pub fn score(&self) -> u32 {
        const NAMES: [&[u8]; 4] = [
            b"blocking_inbound_anomaly_score",
            b"inbound_blocking_anomaly_score",
            b"anomaly_score",
            b"inbound_anomaly_score",
        ];
        let score = NAMES.iter().find_map(|name| self.state.tx.get(&self.rules, name));
        score.map_or(0, |score| u32::try_from(number::integer(score)).unwrap_or(0))
    }

    /// A variable of the `TX` collection, by its name in lower case.
    pub fn tx(&self, name: &str) -> Option<&[u8]> {
        self.state.tx.get(&self.rules, name.as_bytes())
    }

    #[cfg(test)]
    pub(super) fn trace(&self) -> &[String] {
        &self.state.trace
    }

    fn read_head<'a>(&self, message: &Message<'a>, buffers: &mut Buffers) -> Values<'a> {
        let mut values = Values::new(std::mem::take(&mut buffers.values));
        read_head(&message.head, &self.connection, &self.rules.program.settings, &mut values);
        values
    }

    fn first_phase<'a>(
        &mut self,
        values: &Values<'a>,
        exempted: &Exempted<'_, '_, 'a>,
        now: SystemTime,
        buffers: &mut Buffers,
    ) {
        self.run(1, values, 0, exempted, now, buffers);
        self.head_values = values.len();
    }

    fn second_phase<'a>(
        &mut self,
        mut values: Values<'a>,
        (message, limits): (&Message<'a>, &Limits),
        exempted: &Exempted<'_, '_, 'a>,
        now: SystemTime,
        buffers: &mut Buffers,
    ) {
        let settings = &self.rules.program.settings;
        if self.state.interruption.is_none() && self.state.request_body.unwrap_or(settings.request_body) {
            read_body(message, self.state.processor, settings, limits, &mut values);
        }
        self.run(2, &values, self.head_values, exempted, now, buffers);
        self.kept = values.keep(self.rules.program.kept);
        buffers.values = values.into_buffers();
    }

    /// Scans the values from `from` on, and runs a phase on all that are known.
    fn run<'a>(
        &mut self,
        phase: u8,
        values: &Values<'a>,
        from: usize,
        exempted: &Exempted<'_, '_, 'a>,
        now: SystemTime,
        buffers: &mut Buffers,
    ) {
        let over = self.state.interruption.is_some() && phase != 5;
        if self.state.engine == EngineMode::Off || over || self.state.exhausted {
            #[cfg(test)]
            self.state.trace.push(" Rule engine disabled, returning...".to_owned());
            return;
        }
        eager::scan(&self.rules, values, from, exempted, &mut self.state, &mut buffers.scan);
        if self.state.exhausted {
            return;
        }
        let rules = &*self.rules;
        let unique_id = &*self.unique_id;
        Run { rules, state: &mut self.state, values, exempted, buffers, unique_id, now, current: None }.phase(phase);
    }
}
