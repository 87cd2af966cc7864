//! Which rules a `ctl` action takes out, or takes targets from.

use super::super::ast::{Ctl, IdRange, Template};
use super::which::Subjects;

/// The positions of the rules that the action means; none for an action of another kind.
pub(super) fn removed_by(ctl: &Ctl, subjects: &Subjects) -> Vec<usize> {
    match meant(ctl) {
        Some(Meant::Ids(ids)) => subjects.with_id(ids),
        Some(Meant::Tag(tag)) => tag.literal().map_or_else(Vec::new, |tag| subjects.with_tag(tag)),
        Some(Meant::Msg(msg)) => msg.literal().map_or_else(Vec::new, |msg| subjects.with_msg(msg)),
        None => Vec::new(),
    }
}

/// How an action says which rules it means.
pub(super) enum Meant<'c> {
    Ids(IdRange),
    Tag(&'c Template),
    Msg(&'c Template),
}

pub(super) fn meant(ctl: &Ctl) -> Option<Meant<'_>> {
    match ctl {
        Ctl::RuleRemoveById(ids) | Ctl::RuleRemoveTargetById(ids, _) => Some(Meant::Ids(*ids)),
        Ctl::RuleRemoveByTag(tag) | Ctl::RuleRemoveTargetByTag(tag, _) => Some(Meant::Tag(tag)),
        Ctl::RuleRemoveByMsg(msg) | Ctl::RuleRemoveTargetByMsg(msg, _) => Some(Meant::Msg(msg)),
        Ctl::RuleEngine(_)
        | Ctl::RequestBodyProcessor(_)
        | Ctl::ForceRequestBodyVariable(_)
        | Ctl::RequestBodyAccess(_)
        | Ctl::ResponseBodyAccess(_)
        | Ctl::WithoutEffect => None,
    }
}
