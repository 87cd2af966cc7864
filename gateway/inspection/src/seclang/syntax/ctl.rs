//! `ctl:...`: what a rule changes for the rest of the transaction.

use super::here::Here;
use super::line::Span;
use super::setting::{engine_mode, switch};
use super::target::targets;
use super::template::{Braces, template};
use crate::seclang::ast::{BodyProcessor, Ctl, IdRange, Target, TargetMode};

const KNOWN: [&str; 14] = [
    "auditEngine",
    "auditLogParts",
    "debugLogLevel",
    "forceRequestBodyVariable",
    "requestBodyAccess",
    "requestBodyProcessor",
    "responseBodyAccess",
    "ruleEngine",
    "ruleRemoveById",
    "ruleRemoveByMsg",
    "ruleRemoveByTag",
    "ruleRemoveTargetById",
    "ruleRemoveTargetByMsg",
    "ruleRemoveTargetByTag",
];

/// Settings that ModSecurity has and Rampart has not, and what to do.
const UNSUPPORTED: [(&str, &str); 5] = [
    ("requestBodyLimit", "set the body limit of the route's profile"),
    ("responseBodyLimit", "set SecResponseBodyLimit"),
    ("parseXmlIntoArgs", "use XML:/* and XML://@*"),
    ("hashEngine", "take the action out"),
    ("hashEnforcement", "take the action out"),
];

/// The value of `ctl`, `name=value`. A list of rules or of targets is several.
pub(super) fn ctl(span: Span<'_>, quotes: &[char], here: &Here<'_>) -> Option<Vec<Ctl>> {
    let Some((name, value)) = span.split_once(&['=']) else {
        here.error(span, "ctl needs a value").help("write ctl:name=value");
        return None;
    };
    let (name, value) = (name.trim(), value.trim());
    let value = value.unquoted('\'').unwrap_or(value);
    let text = |span| template(span, quotes, Braces::Macro, here);
    let one = |ctl| Some(vec![ctl]);
    match name.text.to_ascii_lowercase().as_str() {
        "auditengine" | "auditlogparts" | "debugloglevel" => one(Ctl::WithoutEffect),
        "forcerequestbodyvariable" => one(Ctl::ForceRequestBodyVariable(switch(value, here)?)),
        "requestbodyaccess" => one(Ctl::RequestBodyAccess(switch(value, here)?)),
        "responsebodyaccess" => one(Ctl::ResponseBodyAccess(switch(value, here)?)),
        "requestbodyprocessor" => one(Ctl::RequestBodyProcessor(processor(value, here)?)),
        "ruleengine" => one(Ctl::RuleEngine(engine_mode(value, here)?)),
        "ruleremovebyid" => Some(id_ranges(value, here)?.into_iter().map(Ctl::RuleRemoveById).collect()),
        "ruleremovebytag" => one(Ctl::RuleRemoveByTag(text(value)?)),
        "ruleremovebymsg" => one(Ctl::RuleRemoveByMsg(text(value)?)),
        "ruleremovetargetbyid" => {
            let (ids, targets) = removal(value, quotes, here)?;
            let ids = id_ranges(ids, here)?;
            let pairs = ids.into_iter().flat_map(|ids| targets.iter().map(move |target| (ids, target.clone())));
            Some(pairs.map(|(ids, target)| Ctl::RuleRemoveTargetById(ids, target)).collect())
        }
        "ruleremovetargetbytag" => {
            let (tag, targets) = removal(value, quotes, here)?;
            let tag = text(tag)?;
            Some(targets.into_iter().map(|target| Ctl::RuleRemoveTargetByTag(tag.clone(), target)).collect())
        }
        "ruleremovetargetbymsg" => {
            let (msg, targets) = removal(value, quotes, here)?;
            let msg = text(msg)?;
            Some(targets.into_iter().map(|target| Ctl::RuleRemoveTargetByMsg(msg.clone(), target)).collect())
        }
        _ => {
            match UNSUPPORTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.text)) {
                Some((_, help)) => here.unsupported(name, "the ctl", help),
                None => here.unknown(
                    name,
                    "ctl",
                    KNOWN.into_iter(),
                    "ctl:ruleRemoveById=1, ctl:ruleRemoveTargetById=1;ARGS:x, ctl:ruleEngine=Off ...",
                ),
            }
            None
        }
    }
}

/// `which;TARGET`: what is removed from, and the targets that are.
fn removal<'l>(span: Span<'l>, quotes: &[char], here: &Here<'_>) -> Option<(Span<'l>, Vec<Target>)> {
    let Some((which, list)) = span.split_once(&[';']) else {
        here.error(span, "the target is missing").help("write which rules, a semicolon, and the target: 942100;ARGS:x");
        return None;
    };
    let found = targets(list, quotes, here)?;
    if found.iter().any(|target| target.mode != TargetMode::Include) {
        here.error(list, "a target is removed by its name alone").help("leave the ! or & out");
        return None;
    }
    Some((which.trim(), found))
}

fn processor(span: Span<'_>, here: &Here<'_>) -> Option<BodyProcessor> {
    const NAMES: [(&str, BodyProcessor); 4] = [
        ("URLENCODED", BodyProcessor::Urlencoded),
        ("MULTIPART", BodyProcessor::Multipart),
        ("JSON", BodyProcessor::Json),
        ("XML", BodyProcessor::Xml),
    ];
    let found = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(span.text));
    if found.is_none() {
        here.unknown(span, "body processor", NAMES.iter().map(|(name, _)| *name), "URLENCODED, MULTIPART, JSON or XML");
    }
    found.map(|(_, processor)| *processor)
}

/// `942100`, `942100-942199`, several with commas or blanks between them.
pub(super) fn id_ranges(span: Span<'_>, here: &Here<'_>) -> Option<Vec<IdRange>> {
    let ranges: Option<Vec<IdRange>> = span.split(&[' ', '\t', ',']).map(|piece| id_range(piece, here)).collect();
    if ranges.as_ref().is_some_and(Vec::is_empty) {
        here.error(span, "no rule is named").help("write an id, or a range: 942100-942199");
        return None;
    }
    ranges
}

fn id_range(span: Span<'_>, here: &Here<'_>) -> Option<IdRange> {
    let id = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let text = span.unquoted('\'').unwrap_or(span).text;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = id(first).zip(id(last)).map(|(first, last)| IdRange { first, last });
    let range = range.filter(|range| range.first <= range.last);
    if range.is_none() {
        here.error(span, "this is no rule id and no range of them").help("write 942100, or 942100-942199");
    }
    range
}
