//! One directive: its name says what its words are.

use super::action::actions;
use super::ctl::id_ranges;
use super::here::Here;
use super::line::Span;
use super::operator::operator;
use super::read::Reader;
use super::setting::{self, only};
use super::target::targets;
use super::word::{Word, words};
use crate::seclang::ast::{Directive, DirectiveKind};

const NAMES: [&str; 13] = [
    "SecRule",
    "SecAction",
    "SecMarker",
    "SecDefaultAction",
    "SecRuleUpdateTargetById",
    "SecRuleUpdateTargetByTag",
    "SecRuleUpdateTargetByMsg",
    "SecRuleUpdateActionById",
    "SecRuleRemoveById",
    "SecRuleRemoveByTag",
    "SecRuleRemoveByMsg",
    "Include",
    "IncludeOptional",
];

/// Directives that ModSecurity has and Rampart has not, and what to do.
const UNSUPPORTED: [(&str, &str); 22] = [
    ("SecRuleScript", "take it out: programs are not run on requests"),
    ("SecRuleInheritance", "take it out"),
    ("SecGeoLookupDb", "take it out: countries are not looked up; @geoLookup never matches"),
    ("SecGsbLookupDb", "take it out: nothing is looked up while a request waits"),
    ("SecHttpBlKey", "take it out: nothing is looked up while a request waits; @rbl never matches"),
    ("SecRemoteRules", "download the rules, and include the file"),
    ("SecRemoteRulesFailAction", "take it out"),
    ("SecUploadFileLimit", "set the number of multipart parts in the profile's limits"),
    ("SecCookieV0Separator", "take it out: cookies are separated by semicolons"),
    ("SecContentInjection", "take it out: bodies are not rewritten"),
    ("SecStreamInBodyInspection", "use SecRequestBodyAccess"),
    ("SecStreamOutBodyInspection", "use SecResponseBodyAccess"),
    ("SecDisableBackendCompression", "take it out: compressed responses are inspected decoded"),
    ("SecConnEngine", "use a quota"),
    ("SecConnReadStateLimit", "use a quota"),
    ("SecConnWriteStateLimit", "use a quota"),
    ("SecGuardianLog", "take it out"),
    ("SecChrootDir", "take it out: the unit or the container confines the process"),
    ("SecHashEngine", "take it out"),
    ("SecHashKey", "take it out"),
    ("SecInterceptOnError", "take it out: what cannot be inspected is refused"),
    ("SecParseXmlIntoArgs", "use XML:/* and XML://@*"),
];

/// Reads the directive of `here`, if its line is one. What is wrong is reported.
pub(super) fn read(here: &Here<'_>, reader: &mut Reader<'_>) {
    let line = here.line.span().trim();
    if line.text.is_empty() || line.text.starts_with('#') {
        return;
    }
    let end = line.text.find(|next: char| next.is_ascii_whitespace()).unwrap_or(line.text.len());
    let (name, rest) = (line.part(0..end), line.from(end));
    if name.text.starts_with('<') {
        here.error(name, "blocks of a web server's configuration are not supported")
            .help("take the lines <...> and </...> out and keep the rules between them");
        return;
    }
    let lower = name.text.to_ascii_lowercase();
    if lower == "include" || lower == "includeoptional" {
        if let Some(words) = words(rest, here)
            && let Some(word) = only(name, &words, here)
        {
            reader.include(word.span, lower == "includeoptional", here);
        }
        return;
    }
    if let Some(kind) = kind(name, rest, &lower, here, reader) {
        reader.directives.push(Directive { location: here.location(), kind });
    }
}

fn kind(
    name: Span<'_>,
    rest: Span<'_>,
    lower: &str,
    here: &Here<'_>,
    reader: &mut Reader<'_>,
) -> Option<DirectiveKind> {
    if lower == "secrule" {
        return rule(name, rest, here, reader);
    }
    let words = words(rest, here)?;
    let one = || only(name, &words, here);
    Some(match lower {
        "secaction" => DirectiveKind::Action(actions(*one()?, here)?),
        "secdefaultaction" => DirectiveKind::DefaultAction(actions(*one()?, here)?),
        "secmarker" => DirectiveKind::Marker(one()?.plain().into()),
        "secruleremovebyid" => DirectiveKind::RemoveById(ids(name, &words, here)?),
        "secruleremovebytag" => DirectiveKind::RemoveByTag(one()?.plain().into()),
        "secruleremovebymsg" => DirectiveKind::RemoveByMsg(one()?.plain().into()),
        "secruleupdatetargetbyid" => {
            let (ids, list) = pair(name, &words, here)?;
            DirectiveKind::UpdateTargetById { ids: id_ranges(ids.span, here)?, targets: list_of(list, here)? }
        }
        "secruleupdatetargetbytag" => {
            let (tag, list) = pair(name, &words, here)?;
            DirectiveKind::UpdateTargetByTag { tag: tag.plain().into(), targets: list_of(list, here)? }
        }
        "secruleupdatetargetbymsg" => {
            let (msg, list) = pair(name, &words, here)?;
            DirectiveKind::UpdateTargetByMsg { msg: msg.plain().into(), targets: list_of(list, here)? }
        }
        "secruleupdateactionbyid" => {
            let (id, list) = pair(name, &words, here)?;
            DirectiveKind::UpdateActionById { id: single_id(id, here)?, actions: actions(*list, here)? }
        }
        _ => {
            let Some(known) = setting::known(name.text) else {
                unknown(name, here);
                return None;
            };
            DirectiveKind::Setting(setting::read(known, name, &words, here, reader)?)
        }
    })
}

fn unknown(name: Span<'_>, here: &Here<'_>) {
    if let Some((_, help)) = UNSUPPORTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.text)) {
        here.unsupported(name, "the directive", help);
    } else {
        let known = NAMES.into_iter().chain(setting::NAMES);
        here.unknown(name, "directive", known, "each line begins with a directive; \\ at its end joins the next");
    }
}

/// `SecRule TARGETS OPERATOR [ACTIONS]`.
fn rule(name: Span<'_>, rest: Span<'_>, here: &Here<'_>, reader: &mut Reader<'_>) -> Option<DirectiveKind> {
    let words = words(rest, here)?;
    let (list, test, done) = match words.as_slice() {
        [list, test] => (list, test, None),
        [list, test, done] => (list, test, Some(*done)),
        [_, _, _, surplus, ..] => {
            here.error(surplus.span, "SecRule takes targets, an operator and actions, no more")
                .help("put the operator and the actions in double quotes each");
            return None;
        }
        _ => {
            here.error(name, "SecRule takes targets, an operator and actions")
                .help("write SecRule ARGS \"@rx pattern\" \"id:1,phase:2,deny\"");
            return None;
        }
    };
    // All three are read before any is given up, so that all that is wrong is reported at once.
    let targets = list_of(list, here);
    let operator = operator(*test, here, reader);
    let actions = done.map_or(Some(Vec::new()), |done| actions(done, here));
    Some(DirectiveKind::Rule { targets: targets?, operator: operator?, actions: actions? })
}

fn list_of(word: &Word<'_>, here: &Here<'_>) -> Option<Vec<crate::seclang::ast::Target>> {
    targets(word.span, word.quote.as_slice(), here)
}

/// Two words, no more.
fn pair<'w, 'l>(name: Span<'_>, words: &'w [Word<'l>], here: &Here<'_>) -> Option<(&'w Word<'l>, &'w Word<'l>)> {
    match words {
        [first, second] => Some((first, second)),
        [_, _, surplus, ..] => {
            here.error(surplus.span, format!("{} takes two values", name.text))
                .help("to replace a target, exclude the old one and add the new one in one list: \"!ARGS|ARGS_GET\"");
            None
        }
        _ => {
            here.error(name, format!("{} takes two values: which rules, and what changes", name.text));
            None
        }
    }
}

/// Ids and ranges in as many words as there are.
fn ids(name: Span<'_>, words: &[Word<'_>], here: &Here<'_>) -> Option<Vec<crate::seclang::ast::IdRange>> {
    if words.is_empty() {
        here.error(name, "no rule is named").help("write an id, or a range: 942100-942199");
        return None;
    }
    let ranges: Option<Vec<_>> = words.iter().map(|word| id_ranges(word.span, here)).collect();
    ranges.map(|ranges| ranges.concat())
}

fn single_id(word: &Word<'_>, here: &Here<'_>) -> Option<u32> {
    match id_ranges(word.span, here)?.as_slice() {
        [range] if range.first == range.last => Some(range.first),
        _ => {
            here.error(word.span, "one rule is changed at a time").help("repeat the directive for each");
            None
        }
    }
}
