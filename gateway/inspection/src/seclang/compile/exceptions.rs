//! Changes to rules from outside: `SecRuleRemoveBy...`, `SecRuleUpdateTargetBy...`, `SecRuleUpdateActionById`.
//!
//! They hold wherever they stand, before the rules or after them, as in ModSecurity v3. They change the first link of a
//! chain, which has the id. A reference that hits nothing is a note: ModSecurity allows it, the administrator should
//! know.

use super::super::ast::{Action, Location};
use super::super::program::Note;
use super::Problem;
use super::draft::{Draft, Exception, ExceptionChange, Which};
use super::which::Subjects;

/// Applies the exceptions, in their order.
pub(super) fn apply(exceptions: &[Exception], rules: &mut [Draft], notes: &mut Vec<Note>, problems: &mut Vec<Problem>) {
    let subjects = Subjects::of(rules);
    for Exception { location, which, change } in exceptions {
        if let ExceptionChange::Actions(actions) = change {
            check_actions(actions, location, problems);
        }
        for (what, chosen) in choose(which, &subjects) {
            if chosen.is_empty() {
                notes.push(Note::warning(location, format!("there is no rule with {what}")));
            }
            for at in chosen {
                if let Some(draft) = rules.get_mut(at) {
                    change_rule(draft, change);
                }
            }
        }
    }
}

/// The rules that are meant, reference by reference, each with its words.
fn choose(which: &Which, subjects: &Subjects) -> Vec<(String, Vec<usize>)> {
    match which {
        Which::Ids(ids) => ids
            .iter()
            .map(|range| {
                let what = if range.first == range.last {
                    format!("id {}", range.first)
                } else {
                    format!("an id from {} to {}", range.first, range.last)
                };
                (what, subjects.with_id(*range))
            })
            .collect(),
        Which::Tag(tag) => vec![(format!("tag '{tag}'"), subjects.with_tag(tag.as_bytes()))],
        Which::Msg(msg) => vec![(format!("msg '{msg}'"), subjects.with_msg(msg.as_bytes()))],
    }
}

fn change_rule(draft: &mut Draft, change: &ExceptionChange) {
    match change {
        ExceptionChange::Remove => draft.removed = true,
        ExceptionChange::Targets(added) => {
            if let Some((targets, _)) = draft.links.first_mut().and_then(|link| link.test.as_mut()) {
                targets.extend(added.iter().cloned());
            }
        }
        ExceptionChange::Actions(added) => {
            if let Some(link) = draft.links.first_mut() {
                link.actions.extend(added.iter().cloned());
            }
        }
    }
}

/// What cannot be changed of a rule.
fn check_actions(actions: &[Action], location: &Location, problems: &mut Vec<Problem>) {
    for action in actions {
        let what = match action {
            Action::Id(_) => "id",
            Action::Phase(_) => "phase",
            Action::Chain => "chain",
            _ => continue,
        };
        problems.push(
            Problem::new(location, format!("SecRuleUpdateActionById cannot change {what}"))
                .help("write the rule anew under another id, and remove this one with SecRuleRemoveById"),
        );
    }
}
