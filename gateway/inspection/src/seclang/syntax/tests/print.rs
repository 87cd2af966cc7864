//! Directives as text again, in one spelling: what the tables expect, and the other half of "read what was written".

use crate::seclang::ast::{
    Action, AllowScope, BodyProcessor, Change, Ctl, Directive, DirectiveKind, Disruptive, EngineMode, IdRange,
    OperatorText, Piece, Selector, SetVar, Setting, Target, TargetMode, Template,
};
use crate::seclang::variable::Variable;

pub(super) fn directive(directive: &Directive) -> String {
    match &directive.kind {
        DirectiveKind::Rule { targets: list, operator: test, actions: done } if done.is_empty() => {
            format!("SecRule {} \"{}\"", targets(list), operator(test))
        }
        DirectiveKind::Rule { targets: list, operator: test, actions: done } => {
            format!("SecRule {} \"{}\" \"{}\"", targets(list), operator(test), actions(done))
        }
        DirectiveKind::Action(done) => format!("SecAction \"{}\"", actions(done)),
        DirectiveKind::Marker(name) => format!("SecMarker \"{}\"", name.replace('"', "\\\"")),
        DirectiveKind::DefaultAction(done) => format!("SecDefaultAction \"{}\"", actions(done)),
        DirectiveKind::UpdateTargetById { ids: which, targets: list } => {
            format!("SecRuleUpdateTargetById {} \"{}\"", ids(which), targets(list))
        }
        DirectiveKind::UpdateTargetByTag { tag, targets: list } => {
            format!("SecRuleUpdateTargetByTag \"{tag}\" \"{}\"", targets(list))
        }
        DirectiveKind::UpdateTargetByMsg { msg, targets: list } => {
            format!("SecRuleUpdateTargetByMsg \"{msg}\" \"{}\"", targets(list))
        }
        DirectiveKind::UpdateActionById { id, actions: done } => {
            format!("SecRuleUpdateActionById {id} \"{}\"", actions(done))
        }
        DirectiveKind::RemoveById(which) => format!("SecRuleRemoveById {}", ids(which)),
        DirectiveKind::RemoveByTag(tag) => format!("SecRuleRemoveByTag \"{tag}\""),
        DirectiveKind::RemoveByMsg(msg) => format!("SecRuleRemoveByMsg \"{msg}\""),
        DirectiveKind::Setting(set) => setting(set),
    }
}

fn setting(setting: &Setting) -> String {
    let limit = |reject: &bool| if *reject { "Reject" } else { "ProcessPartial" };
    match setting {
        Setting::Engine(value) => format!("SecRuleEngine {}", mode(*value)),
        Setting::RequestBodyAccess(value) => format!("SecRequestBodyAccess {}", switch(*value)),
        Setting::RequestBodyLimit(value) => format!("SecRequestBodyLimit {value}"),
        Setting::RequestBodyNoFilesLimit(value) => format!("SecRequestBodyNoFilesLimit {value}"),
        Setting::RequestBodyLimitReject(value) => format!("SecRequestBodyLimitAction {}", limit(value)),
        Setting::RequestBodyJsonDepthLimit(value) => format!("SecRequestBodyJsonDepthLimit {value}"),
        Setting::ArgumentsLimit(value) => format!("SecArgumentsLimit {value}"),
        Setting::ResponseBodyAccess(value) => format!("SecResponseBodyAccess {}", switch(*value)),
        Setting::ResponseBodyMimeType(types) => format!("SecResponseBodyMimeType {}", types.join(" ")),
        Setting::ResponseBodyMimeTypesClear => "SecResponseBodyMimeTypesClear".to_owned(),
        Setting::ResponseBodyLimit(value) => format!("SecResponseBodyLimit {value}"),
        Setting::ResponseBodyLimitReject(value) => format!("SecResponseBodyLimitAction {}", limit(value)),
        Setting::CollectionTimeout(value) => format!("SecCollectionTimeout {value}"),
        Setting::ComponentSignature(value) => format!("SecComponentSignature \"{value}\""),
        Setting::ArgumentSeparator(value) => format!("SecArgumentSeparator \"{}\"", char::from(*value)),
        Setting::CookieFormat(value) => format!("SecCookieFormat {value}"),
        Setting::PcreMatchLimit(value) => format!("SecPcreMatchLimit {value}"),
        Setting::PcreMatchLimitRecursion(value) => format!("SecPcreMatchLimitRecursion {value}"),
        Setting::WebAppId(value) => format!("SecWebAppId \"{value}\""),
        Setting::ServerSignature(value) => format!("SecServerSignature \"{value}\""),
        Setting::UnicodeMap(pairs) => format!("# a map of {} pairs", pairs.len()),
        Setting::WithoutEffect(name) => format!("{name} Off"),
    }
}

fn mode(mode: EngineMode) -> &'static str {
    match mode {
        EngineMode::On => "On",
        EngineMode::DetectionOnly => "DetectionOnly",
        EngineMode::Off => "Off",
    }
}

fn switch(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

fn ids(ranges: &[IdRange]) -> String {
    ranges.iter().map(|range| id_range(*range)).collect::<Vec<_>>().join(",")
}

fn id_range(range: IdRange) -> String {
    if range.first == range.last { range.first.to_string() } else { format!("{}-{}", range.first, range.last) }
}

pub(super) fn targets(list: &[Target]) -> String {
    list.iter().map(target).collect::<Vec<_>>().join("|")
}

fn target(target: &Target) -> String {
    let mode = match target.mode {
        TargetMode::Include => "",
        TargetMode::Exclude => "!",
        TargetMode::Count => "&",
    };
    let name = if target.variable == Variable::XmlAttributes { "XML" } else { target.variable.as_str() };
    let selector = match &target.selector {
        Selector::All => String::new(),
        Selector::Name(name) => {
            let name = String::from_utf8_lossy(name);
            let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            if bare { format!(":{name}") } else { format!(":'{}'", escape(&name)) }
        }
        Selector::Pattern(pattern) => format!(":'/{}/'", escape(pattern)),
        Selector::XPath(path) => format!(":{path}"),
    };
    format!("{mode}{name}{selector}")
}

/// Both quotes, as inside of single quotes inside of double ones.
fn escape(text: &str) -> String {
    text.replace('\'', "\\'").replace('"', "\\\"")
}

fn operator(operator: &OperatorText) -> String {
    let argument = text_of(&operator.argument, |text| text.replace('"', "\\\""));
    format!("{}@{} {argument}", if operator.negated { "!" } else { "" }, operator.name)
}

fn text_of(template: &Template, escape: fn(&str) -> String) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => escape(std::str::from_utf8(text).unwrap()),
        Piece::Macro(variable, None) => format!("%{{{}}}", variable.as_str()),
        Piece::Macro(variable, Some(key)) => format!("%{{{}.{}}}", variable.as_str(), String::from_utf8_lossy(key)),
    };
    template.0.iter().map(piece).collect()
}

fn text(template: &Template) -> String {
    text_of(template, escape)
}

fn actions(actions: &[Action]) -> String {
    actions.iter().map(action).collect::<Vec<_>>().join(",")
}

fn action(action: &Action) -> String {
    let flag = |on: bool, name: &str| if on { name.to_owned() } else { format!("no{name}") };
    match action {
        Action::Id(id) => format!("id:{id}"),
        Action::Phase(phase) => format!("phase:{phase}"),
        Action::Msg(msg) => format!("msg:'{}'", text(msg)),
        Action::LogData(data) => format!("logdata:'{}'", text(data)),
        Action::Tag(tag) => format!("tag:'{}'", text(tag)),
        Action::Severity(severity) => format!("severity:{severity}"),
        Action::Ver(ver) => format!("ver:'{}'", escape(ver)),
        Action::Rev(rev) => format!("rev:'{}'", escape(rev)),
        Action::Grade => "maturity:1".to_owned(),
        Action::Status(status) => format!("status:{status}"),
        Action::Disruptive(what) => disruptive(what),
        Action::Log(on) => flag(*on, "log"),
        Action::AuditLog(on) => flag(*on, "auditlog"),
        Action::Capture => "capture".to_owned(),
        Action::Chain => "chain".to_owned(),
        Action::MultiMatch => "multiMatch".to_owned(),
        Action::Transform(None) => "t:none".to_owned(),
        Action::Transform(Some(transformation)) => format!("t:{}", transformation.as_str().replace('_', "")),
        Action::SetVar(set) => set_var(set),
        Action::SkipAfter(marker) => format!("skipAfter:'{}'", escape(marker)),
        Action::Skip(count) => format!("skip:{count}"),
        Action::InitCol(collection, key) => format!("initcol:'{}={}'", collection.as_str(), text(key)),
        Action::ExpireVar(collection, name, seconds) => {
            format!("expirevar:'{}.{}={}'", collection.as_str(), text(name), text(seconds))
        }
        Action::Ctl(what) => format!("ctl:{}", ctl(what)),
    }
}

fn disruptive(what: &Disruptive) -> String {
    match what {
        Disruptive::Block => "block".to_owned(),
        Disruptive::Deny => "deny".to_owned(),
        Disruptive::Drop => "drop".to_owned(),
        Disruptive::Pass => "pass".to_owned(),
        Disruptive::Allow(AllowScope::Transaction) => "allow".to_owned(),
        Disruptive::Allow(AllowScope::Phase) => "allow:phase".to_owned(),
        Disruptive::Allow(AllowScope::Request) => "allow:request".to_owned(),
        Disruptive::Redirect(to) => format!("redirect:'{}'", text(to)),
    }
}

fn set_var(set: &SetVar) -> String {
    let place = format!("{}.{}", set.collection.as_str(), text(&set.name));
    match &set.change {
        Change::Set(value) => format!("setvar:'{place}={}'", text(value)),
        Change::Add(value) => format!("setvar:'{place}=+{}'", text(value)),
        Change::Subtract(value) => format!("setvar:'{place}=-{}'", text(value)),
        Change::Unset => format!("setvar:'!{place}'"),
    }
}

fn ctl(ctl: &Ctl) -> String {
    match ctl {
        Ctl::RuleEngine(value) => format!("ruleEngine={}", mode(*value)),
        Ctl::RuleRemoveById(ids) => format!("ruleRemoveById={}", id_range(*ids)),
        Ctl::RuleRemoveByTag(tag) => format!("ruleRemoveByTag='{}'", text(tag)),
        Ctl::RuleRemoveByMsg(msg) => format!("ruleRemoveByMsg='{}'", text(msg)),
        Ctl::RuleRemoveTargetById(ids, from) => format!("ruleRemoveTargetById={};{}", id_range(*ids), target(from)),
        Ctl::RuleRemoveTargetByTag(tag, from) => format!("ruleRemoveTargetByTag={};{}", text(tag), target(from)),
        Ctl::RuleRemoveTargetByMsg(msg, from) => format!("ruleRemoveTargetByMsg={};{}", text(msg), target(from)),
        Ctl::RequestBodyProcessor(processor) => {
            let name = match processor {
                BodyProcessor::Urlencoded => "URLENCODED",
                BodyProcessor::Multipart => "MULTIPART",
                BodyProcessor::Json => "JSON",
                BodyProcessor::Xml => "XML",
            };
            format!("requestBodyProcessor={name}")
        }
        Ctl::ForceRequestBodyVariable(on) => format!("forceRequestBodyVariable={}", switch(*on)),
        Ctl::RequestBodyAccess(on) => format!("requestBodyAccess={}", switch(*on)),
        Ctl::ResponseBodyAccess(on) => format!("responseBodyAccess={}", switch(*on)),
        Ctl::WithoutEffect => "auditLogParts=+E".to_owned(),
    }
}
