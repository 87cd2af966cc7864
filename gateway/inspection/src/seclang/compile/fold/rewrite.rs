//! Rules rewritten by what is known: values for macros, and no tests that always pass.

use super::super::super::ast::{Change, Piece, Template};
use super::super::super::program::Disruption;
use super::super::super::variable::Variable;
use super::super::names::templates_of_about;
use super::super::settled::{After, Settled, SettledLink};
use super::text::View;

/// Whether a match does nothing and tells nobody.
pub(super) fn is_quiet(rule: &Settled) -> bool {
    !rule.log
        && rule.disruption == Disruption::Pass
        && rule.after.is_empty()
        && rule.links.iter().all(|link| !link.capture && link.sets.is_empty())
}

/// The rule without the test that always passes, where nobody can tell: an event would name the value, and macros may.
pub(super) fn without_test(mut rule: Settled) -> Settled {
    if rule.log || names_matched(&rule, true) || rule.links.iter().any(|link| link.capture) {
        return rule;
    }
    let sets = rule.links.iter_mut().flat_map(|link| std::mem::take(&mut link.sets)).collect();
    let location = rule.location.clone();
    rule.links = vec![SettledLink { test: None, capture: false, sets, location }];
    rule
}

/// The rule without links that are known to pass, where nobody can tell.
pub(super) fn without_known_links(mut rule: Settled, known: &[bool]) -> Settled {
    let in_targets = names_matched(&rule, false);
    let in_texts = names_matched(&rule, true);
    let last = rule.links.len().saturating_sub(1);
    if known.iter().all(|known| *known) {
        return rule;
    }
    let mut at = 0;
    rule.links.retain(|link| {
        let drops = known.get(at) == Some(&true)
            && !link.capture
            && link.sets.is_empty()
            && !in_targets
            && (at < last || !(in_texts || rule.log));
        at += 1;
        !drops
    });
    rule
}

/// Whether targets, or with `texts` macros as well, ask for what was matched.
fn names_matched(rule: &Settled, texts: bool) -> bool {
    let matched = |variable: Variable| {
        matches!(
            variable,
            Variable::MatchedVar | Variable::MatchedVarName | Variable::MatchedVars | Variable::MatchedVarsNames
        )
    };
    let several = |variable: Variable| matches!(variable, Variable::MatchedVars | Variable::MatchedVarsNames);
    let in_text = |template: &Template| {
        template
            .0
            .iter()
            .any(|piece| matches!(piece, Piece::Macro(v, _) if if texts { matched(*v) } else { several(*v) }))
    };
    let in_link = |link: &SettledLink| {
        let in_condition = link.test.as_ref().is_some_and(|test| {
            test.targets.iter().any(|target| matched(target.variable)) || in_text(&test.operator.argument)
        });
        in_condition || link.sets.iter().any(|set| in_text(&set.name) || change_text(&set.change).is_some_and(in_text))
    };
    let in_after = |after: &After| match after {
        After::Open(_, name) => in_text(name),
        After::Expire(_, name, seconds) => in_text(name) || in_text(seconds),
        After::Ctl(_) => false,
    };
    let in_redirect = matches!(&rule.disruption, Disruption::Redirect(to) if in_text(to));
    rule.links.iter().any(in_link)
        || templates_of_about(rule).any(in_text)
        || rule.after.iter().any(in_after)
        || in_redirect
}

fn change_text(change: &Change) -> Option<&Template> {
    match change {
        Change::Set(value) | Change::Add(value) | Change::Subtract(value) => Some(value),
        Change::Unset => None,
    }
}

/// The rule with the values of known variables in its texts.
pub(super) fn fold_rule(rule: &Settled, view: View<'_>) -> Settled {
    let mut rule = rule.clone();
    let fold = |template: &mut Template| *template = view.fold(template);
    fold(&mut rule.about.msg);
    fold(&mut rule.about.logdata);
    rule.about.tags.iter_mut().for_each(fold);
    if let Disruption::Redirect(to) = &mut rule.disruption {
        fold(to);
    }
    for link in &mut rule.links {
        if let Some(test) = &mut link.test {
            fold(&mut test.operator.argument);
        }
        for set in &mut link.sets {
            fold(&mut set.name);
            if let Change::Set(value) | Change::Add(value) | Change::Subtract(value) = &mut set.change {
                fold(value);
            }
        }
    }
    for after in &mut rule.after {
        match after {
            After::Open(_, name) => fold(name),
            After::Expire(_, name, seconds) => {
                fold(name);
                fold(seconds);
            }
            After::Ctl(_) => {}
        }
    }
    rule
}
