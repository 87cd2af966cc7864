//! Rules with everything known that does not need the other rules: actions merged with the defaults of their phase.
//!
//! Source: ModSecurity v3, `RuleWithActions` (what is done when, default actions first) and the grammar of
//! `SecDefaultAction`. A rule takes the disruptive action of the defaults only where it says `block`; its other actions
//! it takes always. Transformations of the defaults come first unless the rule says `t:none`.

use super::super::ast::{Action, Ctl, Disruptive, Location, OperatorText, SetVar, Target, Template};
use super::super::program::{About, Disruption};
use super::super::variable::Variable;
use super::Problem;
use super::about;
use super::draft::{DEFAULT_PHASE, Draft, DraftLink, phase};
use crate::transform::Transformation;

/// A rule with its actions sorted out; names, operators and references are still text.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) id: u32,
    pub(super) phase: u8,
    pub(super) links: Vec<SettledLink>,
    /// Done once when all links have matched.
    pub(super) after: Vec<After>,
    pub(super) disruption: Disruption,
    pub(super) status: u16,
    pub(super) log: bool,
    pub(super) skip: Option<Skip>,
    pub(super) about: About,
    pub(super) location: Location,
    pub(super) removed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct SettledLink {
    /// None: always passes.
    pub(super) test: Option<SettledTest>,
    pub(super) capture: bool,
    pub(super) sets: Vec<SetVar>,
    pub(super) location: Location,
}

#[derive(Debug, Clone)]
pub(super) struct SettledTest {
    pub(super) targets: Vec<Target>,
    pub(super) operator: OperatorText,
    pub(super) chain: Vec<Transformation>,
    pub(super) multi_match: bool,
}

#[derive(Debug, Clone)]
pub(super) enum After {
    Ctl(Ctl),
    Open(Variable, Template),
    Expire(Variable, Template, Template),
}

#[derive(Debug, Clone)]
pub(super) enum Skip {
    /// To the marker.
    After(Box<str>),
    /// So many rules of the phase.
    Rules(u32),
}

/// The default actions of the phases 1 to 5.
#[derive(Debug, Default)]
pub(super) struct Defaults([Option<Vec<Action>>; 5]);

impl Defaults {
    /// Reads the `SecDefaultAction` directives.
    pub(super) fn of(directives: Vec<(Location, Vec<Action>)>, problems: &mut Vec<Problem>) -> Self {
        let mut defaults = Self::default();
        for (location, actions) in directives {
            check_default(&actions, &location, problems);
            // Without a phase it is for phase 1 (v3).
            let phase = phase(&actions).unwrap_or(1);
            let Some(slot) = defaults.0.get_mut(usize::from(phase).wrapping_sub(1)) else { continue };
            if slot.is_some() {
                problems.push(
                    Problem::new(&location, format!("phase {phase} has default actions already"))
                        .help("keep one SecDefaultAction for each phase"),
                );
            }
            *slot = Some(actions);
        }
        defaults
    }

    fn of_phase(&self, phase: u8) -> &[Action] {
        self.0.get(usize::from(phase).wrapping_sub(1)).and_then(Option::as_deref).unwrap_or_default()
    }
}

fn check_default(actions: &[Action], location: &Location, problems: &mut Vec<Problem>) {
    let mut disruptive = false;
    for action in actions {
        let what = match action {
            Action::Disruptive(Disruptive::Block) => continue,
            Action::Disruptive(_) => {
                disruptive = true;
                continue;
            }
            Action::Id(_) => "id",
            Action::Chain => "chain",
            Action::Transform(None) => "t:none",
            Action::Skip(_) => "skip",
            Action::SkipAfter(_) => "skipAfter",
            Action::Msg(_) => "msg",
            Action::Rev(_) => "rev",
            Action::Ver(_) => "ver",
            _ => continue,
        };
        problems.push(Problem::new(location, format!("{what} cannot be a default action")).help("take it out"));
    }
    if !disruptive {
        problems.push(
            Problem::new(location, "the default actions name no disruptive action")
                .help("add pass, deny, drop, allow or redirect: it is what block stands for"),
        );
    }
}

/// Merges a rule's actions with the defaults of its phase.
pub(super) fn settle(draft: Draft, defaults: &Defaults) -> Option<Settled> {
    let first = draft.links.first()?;
    let phase = phase(&first.actions).unwrap_or(DEFAULT_PHASE);
    let defaults = defaults.of_phase(phase);
    let (disruption, status) = disruption(&draft.links, defaults);
    let settled = Settled {
        id: draft.id,
        phase,
        after: after(&draft.links, defaults),
        disruption,
        status,
        log: logs(&draft.links, defaults),
        skip: last(&draft.links, |action| match action {
            Action::SkipAfter(marker) => Some(Skip::After(marker.clone())),
            Action::Skip(rules) => Some(Skip::Rules(*rules)),
            _ => None,
        }),
        about: about::of(draft.id, &draft.links, defaults),
        location: first.location.clone(),
        removed: draft.removed,
        links: Vec::new(),
    };
    let links = draft.links.into_iter().map(|link| settle_link(link, defaults)).collect();
    Some(Settled { links, ..settled })
}

/// What actions say, the first link's before those of the links that follow, and the last of a link before its others.
pub(super) fn last<T>(links: &[DraftLink], read: impl Fn(&Action) -> Option<T>) -> Option<T> {
    links.iter().find_map(|link| last_of(&link.actions, &read))
}

fn last_of<T>(actions: &[Action], read: impl Fn(&Action) -> Option<T>) -> Option<T> {
    actions.iter().rev().find_map(read)
}

fn settle_link(link: DraftLink, defaults: &[Action]) -> SettledLink {
    let has = |wanted: &Action| link.actions.contains(wanted) || defaults.contains(wanted);
    let test = link.test.map(|(targets, operator)| SettledTest {
        targets,
        operator,
        chain: chain(&link.actions, defaults),
        multi_match: has(&Action::MultiMatch),
    });
    let capture = has(&Action::Capture);
    let set = |action: &Action| match action {
        Action::SetVar(set) => Some(set.clone()),
        _ => None,
    };
    let sets = link.actions.iter().filter_map(set).collect();
    SettledLink { test, capture, sets, location: link.location }
}

/// The transformations of a link.
fn chain(actions: &[Action], defaults: &[Action]) -> Vec<Transformation> {
    let mut chain = Vec::new();
    for action in defaults.iter().chain(actions) {
        match action {
            Action::Transform(Some(step)) => chain.push(*step),
            Action::Transform(None) => chain.clear(),
            _ => {}
        }
    }
    chain
}

/// What becomes of the transaction, and the status of a refusal.
fn disruption(links: &[DraftLink], defaults: &[Action]) -> (Disruption, u16) {
    let named = |action: &Action| match action {
        Action::Disruptive(Disruptive::Block) => None,
        Action::Disruptive(named) => Some(named.clone()),
        _ => None,
    };
    let blocks = |action: &Action| matches!(action, Action::Disruptive(Disruptive::Block)).then_some(());
    let first = links.first().map(|link| link.actions.as_slice()).unwrap_or_default();
    let own = last_of(first, named);
    let chosen = own.or_else(|| last_of(first, blocks).and_then(|()| last_of(defaults, named)));
    let disruption = match chosen {
        None | Some(Disruptive::Pass | Disruptive::Block) => Disruption::Pass,
        Some(Disruptive::Deny) => Disruption::Deny,
        Some(Disruptive::Drop) => Disruption::Drop,
        Some(Disruptive::Allow(scope)) => Disruption::Allow(scope),
        Some(Disruptive::Redirect(to)) => Disruption::Redirect(to),
    };
    let status = |action: &Action| match action {
        Action::Status(status) => Some(*status),
        _ => None,
    };
    let said = last_of(first, status).or_else(|| last_of(defaults, status)).or_else(|| last(links, status));
    let status = match disruption {
        Disruption::Redirect(_) => said.filter(|status| (301..=307).contains(status)).unwrap_or(302),
        _ => said.unwrap_or(403),
    };
    (disruption, status)
}

/// Whether a match is an event. `auditlog` asks for one too (v3 keeps one message for both logs); `noauditlog` alone
/// does not take it back.
fn logs(links: &[DraftLink], defaults: &[Action]) -> bool {
    let says = |action: &Action| match action {
        Action::Log(log) => Some(*log),
        Action::AuditLog(true) => Some(true),
        _ => None,
    };
    let first = links.first().and_then(|link| last_of(&link.actions, says));
    first.or_else(|| last_of(defaults, says)).or_else(|| last(links, says)).unwrap_or(true)
}

/// What is done when all links have matched. The last link's comes first (v3 runs them as it comes back).
fn after(links: &[DraftLink], defaults: &[Action]) -> Vec<After> {
    let read = |action: &Action| match action {
        Action::Ctl(Ctl::WithoutEffect) => None,
        Action::Ctl(ctl) => Some(After::Ctl(ctl.clone())),
        Action::InitCol(collection, name) => Some(After::Open(*collection, name.clone())),
        Action::ExpireVar(collection, name, seconds) => Some(After::Expire(*collection, name.clone(), seconds.clone())),
        _ => None,
    };
    let own = links.iter().rev().flat_map(|link| link.actions.iter().filter_map(read));
    defaults.iter().filter_map(read).chain(own).collect()
}
