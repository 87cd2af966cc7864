//! Directives put together: rules with the links chained to them, markers between them, and what changes rules from
//! outside.
//!
//! Nothing is decided here but what belongs to one chain. Source: ModSecurity reference manual v3, "chain"; v3 itself
//! (`Driver::addSecRule`) for what a chained link may say.

use super::super::ast::{Action, Directive, DirectiveKind, IdRange, Location, OperatorText, Setting, Target};
use super::Problem;

/// What a set of files says, sorted by kind. Rules keep their order.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) rules: Vec<Draft>,
    /// By name: how many rules stand before it.
    pub(super) markers: Vec<(Box<str>, usize)>,
    pub(super) defaults: Vec<(Location, Vec<Action>)>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) settings: Vec<(Location, Setting)>,
}

/// A rule as written: its links, the first with the id.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: u32,
    /// At least one.
    pub(super) links: Vec<DraftLink>,
    /// `SecRuleRemoveBy...` named it. It still counts for `skip`.
    pub(super) removed: bool,
}

#[derive(Debug)]
pub(super) struct DraftLink {
    pub(super) location: Location,
    /// Targets and operator; none for `SecAction`.
    pub(super) test: Option<(Vec<Target>, OperatorText)>,
    pub(super) actions: Vec<Action>,
}

impl Draft {
    /// The link that carries the id, tags and message.
    pub(super) fn first(&self) -> Option<&DraftLink> {
        self.links.first()
    }

    /// The texts of its own tags, as far as they hold no macros.
    pub(super) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.actions().filter_map(|action| match action {
            Action::Tag(tag) => tag.literal(),
            _ => None,
        })
    }

    /// Its message, where it holds no macros.
    pub(super) fn message(&self) -> Option<&[u8]> {
        self.actions().find_map(|action| match action {
            Action::Msg(msg) => msg.literal(),
            _ => None,
        })
    }

    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.first().into_iter().flat_map(|link| &link.actions)
    }
}

/// A directive that changes rules that other directives made.
#[derive(Debug)]
pub(super) struct Exception {
    pub(super) location: Location,
    pub(super) which: Which,
    pub(super) change: ExceptionChange,
}

/// The rules that are meant.
#[derive(Debug)]
pub(super) enum Which {
    Ids(Vec<IdRange>),
    Tag(Box<str>),
    Msg(Box<str>),
}

#[derive(Debug)]
pub(super) enum ExceptionChange {
    Remove,
    Targets(Vec<Target>),
    Actions(Vec<Action>),
}

/// Sorts directives; what is wrong with chains goes to `problems`.
pub(super) fn gather(directives: Vec<Directive>, problems: &mut Vec<Problem>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut open: Option<Draft> = None;
    for Directive { location, kind } in directives {
        let exception = |which, change| Exception { location: location.clone(), which, change };
        match kind {
            DirectiveKind::Rule { targets, operator, actions } => {
                let link = DraftLink { location, test: Some((targets, operator)), actions };
                add(&mut gathered, &mut open, link, problems);
            }
            DirectiveKind::Action(actions) => {
                add(&mut gathered, &mut open, DraftLink { location, test: None, actions }, problems);
            }
            DirectiveKind::Marker(name) => {
                unfinished(open.take().as_ref(), problems);
                gathered.markers.push((name, gathered.rules.len()));
            }
            DirectiveKind::DefaultAction(actions) => gathered.defaults.push((location, actions)),
            DirectiveKind::UpdateTargetById { ids, targets } => {
                gathered.exceptions.push(exception(Which::Ids(ids), ExceptionChange::Targets(targets)));
            }
            DirectiveKind::UpdateTargetByTag { tag, targets } => {
                gathered.exceptions.push(exception(Which::Tag(tag), ExceptionChange::Targets(targets)));
            }
            DirectiveKind::UpdateTargetByMsg { msg, targets } => {
                gathered.exceptions.push(exception(Which::Msg(msg), ExceptionChange::Targets(targets)));
            }
            DirectiveKind::UpdateActionById { id, actions } => {
                let ids = vec![IdRange { first: id, last: id }];
                gathered.exceptions.push(exception(Which::Ids(ids), ExceptionChange::Actions(actions)));
            }
            DirectiveKind::RemoveById(ids) => {
                gathered.exceptions.push(exception(Which::Ids(ids), ExceptionChange::Remove));
            }
            DirectiveKind::RemoveByTag(tag) => {
                gathered.exceptions.push(exception(Which::Tag(tag), ExceptionChange::Remove));
            }
            DirectiveKind::RemoveByMsg(msg) => {
                gathered.exceptions.push(exception(Which::Msg(msg), ExceptionChange::Remove));
            }
            DirectiveKind::Setting(setting) => gathered.settings.push((location, setting)),
        }
    }
    unfinished(open.as_ref(), problems);
    gathered
}

/// Adds a link to the chain that is open, or begins a rule with it.
fn add(gathered: &mut Gathered, open: &mut Option<Draft>, link: DraftLink, problems: &mut Vec<Problem>) {
    let goes_on = link.actions.contains(&Action::Chain);
    let draft = if let Some(mut draft) = open.take() {
        check_chained(&draft, &link, problems);
        draft.links.push(link);
        draft
    } else {
        let id = link.actions.iter().rev().find_map(|action| match action {
            Action::Id(id) => Some(*id),
            _ => None,
        });
        if id.is_none_or(|id| id == 0) {
            problems.push(Problem::new(&link.location, "the rule has no id").help("add id:N, a number of its own"));
        }
        Draft { id: id.unwrap_or_default(), links: vec![link], removed: false }
    };
    if goes_on {
        *open = Some(draft);
    } else {
        gathered.rules.push(draft);
    }
}

/// What only the first link of a chain may say.
fn check_chained(draft: &Draft, link: &DraftLink, problems: &mut Vec<Problem>) {
    let first_phase = draft.first().and_then(|first| phase(&first.actions)).unwrap_or(DEFAULT_PHASE);
    for action in &link.actions {
        let what = match action {
            Action::Id(_) => "id",
            Action::Phase(phase) if *phase != first_phase => "phase",
            Action::Disruptive(_) => "a disruptive action",
            _ => continue,
        };
        problems.push(
            Problem::new(&link.location, format!("a chained rule has {what} of its own"))
                .help(format!("move it to the rule that begins the chain (id {})", draft.id)),
        );
    }
}

fn unfinished(open: Option<&Draft>, problems: &mut Vec<Problem>) {
    if let Some(link) = open.and_then(|draft| draft.links.last()) {
        problems.push(
            Problem::new(&link.location, "the rule says chain, but no rule follows")
                .help("let a SecRule follow at once, or take chain out"),
        );
    }
}

/// The phase of a rule that names none.
pub(super) const DEFAULT_PHASE: u8 = 2;

/// The phase that a list of actions names.
pub(super) fn phase(actions: &[Action]) -> Option<u8> {
    actions.iter().rev().find_map(|action| match action {
        Action::Phase(phase) => Some(*phase),
        _ => None,
    })
}
