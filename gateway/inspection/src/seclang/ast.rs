//! What a SecLang file says, directive by directive, before anything is decided about it.
//!
//! `syntax` makes it from text, `compile` makes a [`Program`](super::program::Program) of it. Everything that can be
//! known from one directive alone is typed here (variables, actions, macros); what needs the others (default actions,
//! exclusions by id, markers) is left to `compile`.

use std::path::Path;
use std::sync::Arc;

use super::variable::Variable;
use crate::transform::Transformation;

/// Where a directive begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// The file, as it was found.
    pub(crate) file: Arc<Path>,
    /// Its first line, from 1.
    pub(crate) line: u32,
}

/// One directive.
#[derive(Debug, Clone)]
pub(crate) struct Directive {
    pub(crate) location: Location,
    pub(crate) kind: DirectiveKind,
}

#[derive(Debug, Clone)]
pub(crate) enum DirectiveKind {
    /// `SecRule`. One link of a chain is one directive; the action [`Action::Chain`] ties it to the next.
    Rule { targets: Vec<Target>, operator: OperatorText, actions: Vec<Action> },
    /// `SecAction`.
    Action(Vec<Action>),
    /// `SecMarker`.
    Marker(Box<str>),
    /// `SecDefaultAction`.
    DefaultAction(Vec<Action>),
    /// `SecRuleUpdateTargetById`.
    UpdateTargetById { ids: Vec<IdRange>, targets: Vec<Target> },
    /// `SecRuleUpdateTargetByTag`.
    UpdateTargetByTag { tag: Box<str>, targets: Vec<Target> },
    /// `SecRuleUpdateTargetByMsg`.
    UpdateTargetByMsg { msg: Box<str>, targets: Vec<Target> },
    /// `SecRuleUpdateActionById`.
    UpdateActionById { id: u32, actions: Vec<Action> },
    /// `SecRuleRemoveById`.
    RemoveById(Vec<IdRange>),
    /// `SecRuleRemoveByTag`.
    RemoveByTag(Box<str>),
    /// `SecRuleRemoveByMsg`.
    RemoveByMsg(Box<str>),
    /// A directive that sets one thing.
    Setting(Setting),
}

/// Ids from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// A directive that sets one thing for all rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    Engine(EngineMode),
    RequestBodyAccess(bool),
    /// Bytes.
    RequestBodyLimit(u64),
    /// Bytes.
    RequestBodyNoFilesLimit(u64),
    /// True: reject, false: process what fits.
    RequestBodyLimitReject(bool),
    RequestBodyJsonDepthLimit(u32),
    ArgumentsLimit(u32),
    ResponseBodyAccess(bool),
    ResponseBodyMimeType(Vec<Box<str>>),
    ResponseBodyMimeTypesClear,
    /// Bytes.
    ResponseBodyLimit(u64),
    ResponseBodyLimitReject(bool),
    /// Seconds.
    CollectionTimeout(u64),
    ComponentSignature(Box<str>),
    ArgumentSeparator(u8),
    CookieFormat(u8),
    /// Steps of a back-tracking pattern.
    PcreMatchLimit(u64),
    PcreMatchLimitRecursion(u64),
    WebAppId(Box<str>),
    ServerSignature(Box<str>),
    /// `SecUnicodeMapFile`: bytes above ASCII to ASCII, by code point.
    UnicodeMap(Vec<(u32, u8)>),
    /// Where a log or a temporary file would go (`SecAuditLog`, `SecDebugLog`, `SecTmpDir` ...): read and of no effect,
    /// because Rampart has its own event log. `compile` lists them as notes.
    WithoutEffect(Box<str>),
}

/// `SecRuleEngine`, `ctl:ruleEngine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineMode {
    On,
    DetectionOnly,
    Off,
}

/// One item of a list of variables: `&ARGS`, `!REQUEST_COOKIES:/^__utm/`, `ARGS|XML:/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
    pub(crate) mode: TargetMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetMode {
    Include,
    /// `!`
    Exclude,
    /// `&`
    Count,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    All,
    /// `ARGS:name`; compared without case.
    Name(Box<[u8]>),
    /// `ARGS:/pattern/`; the pattern as written between the slashes.
    Pattern(Box<str>),
    /// `XML:/*` and `XML://@*`: the variable says which.
    XPath(Box<str>),
}

/// An operator as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorText {
    pub(crate) negated: bool,
    /// Without `@`, as written; `rx` where none was written.
    pub(crate) name: Box<str>,
    pub(crate) argument: Template,
    /// The contents of the file that the argument names, for operators that read one.
    pub(crate) data: Option<Arc<[u8]>>,
}

/// Text with macros in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template(pub(crate) Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Box<[u8]>),
    /// `%{TX.name}`; the name in lower case (compared without case); `None` for `%{MATCHED_VAR}`.
    Macro(Variable, Option<Box<[u8]>>),
}

impl Template {
    /// The text, when there is no macro in it.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Id(u32),
    /// 1 to 5.
    Phase(u8),
    Msg(Template),
    LogData(Template),
    Tag(Template),
    /// 0 (EMERGENCY) to 7 (DEBUG).
    Severity(u8),
    Ver(Box<str>),
    Rev(Box<str>),
    /// `maturity`, `accuracy`: kept for nobody.
    Grade,
    Status(u16),
    Disruptive(Disruptive),
    Log(bool),
    AuditLog(bool),
    Capture,
    Chain,
    MultiMatch,
    /// `t:none` is `None`: what the defaults say is forgotten.
    Transform(Option<Transformation>),
    SetVar(SetVar),
    SkipAfter(Box<str>),
    Skip(u32),
    /// `initcol:ip=%{REMOTE_ADDR}`: the collection becomes usable in this transaction.
    InitCol(Variable, Template),
    /// `expirevar:tx.x=60`, seconds.
    ExpireVar(Variable, Template, Template),
    Ctl(Ctl),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disruptive {
    /// What the default action of the phase says.
    Block,
    Deny,
    Drop,
    Pass,
    Allow(AllowScope),
    Redirect(Template),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowScope {
    /// `allow`: every phase but the last.
    Transaction,
    /// `allow:phase`
    Phase,
    /// `allow:request`
    Request,
}

/// `setvar:tx.name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetVar {
    /// `TX`, or a collection that `initcol` opened (`GLOBAL`, `IP` ...).
    pub(crate) collection: Variable,
    /// The name, in lower case where it is text.
    pub(crate) name: Template,
    pub(crate) change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// `=value`; `setvar:tx.x` alone sets 1.
    Set(Template),
    /// `=+n`
    Add(Template),
    /// `=-n`
    Subtract(Template),
    /// `!tx.x`
    Unset,
}

/// `ctl:...`: changes the engine for the rest of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ctl {
    RuleEngine(EngineMode),
    RuleRemoveById(IdRange),
    RuleRemoveByTag(Template),
    RuleRemoveByMsg(Template),
    RuleRemoveTargetById(IdRange, Target),
    RuleRemoveTargetByTag(Template, Target),
    RuleRemoveTargetByMsg(Template, Target),
    RequestBodyProcessor(BodyProcessor),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
    /// `auditEngine`, `auditLogParts`, `debugLogLevel`: Rampart has its own event log.
    WithoutEffect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyProcessor {
    Urlencoded,
    Multipart,
    Json,
    Xml,
}
