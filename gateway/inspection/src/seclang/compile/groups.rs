//! Which rules have to know the groups of what they capture.
//!
//! To find where a pattern matched is cheap, to find its groups is not, and most rules with `capture` want the whole match
//! (`TX:0`) only. Groups are looked for where a rule with captures of its own reads one of the slots 1 to 9, and, as soon as
//! a rule without any reads one, everywhere.

use super::super::ast::{Piece, Template};
use super::super::program::{Change, Derived, Disruption, Effect, Operand, Place, Rule, Test};
use super::super::variable::Variable;

/// Slots of groups; slot 0 is the whole match.
const GROUPS: std::ops::RangeInclusive<u16> = 1..=9;

/// Tells each link whether its groups are wanted.
pub(super) fn settle(rules: &mut [Rule]) {
    let captures = |rule: &Rule| rule.links.iter().any(|link| link.capture);
    let everywhere = rules.iter().any(|rule| !captures(rule) && reads(rule));
    for rule in rules {
        let wanted = everywhere || reads(rule);
        for link in &mut rule.links {
            link.groups = link.capture && wanted;
        }
    }
}

/// Whether anything of a rule reads a slot of a group.
fn reads(rule: &Rule) -> bool {
    let about = &rule.about;
    let said = [&about.msg, &about.logdata].into_iter().chain(&about.tags).any(names_group);
    let redirects = matches!(&rule.disruption, Disruption::Redirect(to) if names_group(to));
    said || redirects
        || rule.effects.iter().any(in_effect)
        || rule.links.iter().any(|link| {
            let set = link.sets.iter().any(|set| {
                in_place(&set.place)
                    || match &set.change {
                        Change::Set(value) | Change::Add(value) | Change::Subtract(value) => names_group(value),
                        Change::Unset => false,
                    }
            });
            set || in_test(&link.test)
        })
}

fn in_test(test: &Test) -> bool {
    let Test::Operator { targets, operator, .. } = test else { return false };
    let argument = matches!(operator, Operand::Expanded(_, argument) if names_group(argument));
    argument || targets.derived.iter().chain(&targets.counts).any(selects_group)
}

fn selects_group(derived: &Derived) -> bool {
    if derived.variable != Variable::Tx {
        return false;
    }
    match derived.slot {
        Some(slot) => GROUPS.contains(&slot),
        None => GROUPS.into_iter().any(|slot| derived.choice.selects(slot.to_string().as_bytes())),
    }
}

fn in_effect(effect: &Effect) -> bool {
    match effect {
        Effect::Open(_, text) => names_group(text),
        Effect::Expire(place, text) => in_place(place) || names_group(text),
        _ => false,
    }
}

fn in_place(place: &Place) -> bool {
    match place {
        Place::Slot(_) => false,
        Place::Named(name) | Place::Collection(_, name) => names_group(name),
    }
}

fn names_group(template: &Template) -> bool {
    let is_group = |name: &[u8]| matches!(name, [b'1'..=b'9']);
    let named = |piece: &Piece| matches!(piece, Piece::Macro(Variable::Tx, Some(name)) if is_group(name));
    template.0.iter().any(named)
}
