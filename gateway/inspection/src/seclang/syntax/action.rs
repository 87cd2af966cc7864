//! The list of actions: `id:942100,phase:2,t:none,msg:'SQL, injected',setvar:'tx.score=+%{tx.critical}'`.
//!
//! Items are separated by commas. A value in single quotes may hold commas; `\'` in it is a quote. In double quotes, as
//! most lists are, `\"` is one.

use super::ctl::ctl;
use super::here::Here;
use super::line::Span;
use super::names::{phase, severity, transformation};
use super::setvar::{expire_var, init_col, set_var};
use super::template::{Braces, template};
use super::word::{Word, closing, unescape};
use crate::seclang::ast::{Action, AllowScope, Disruptive, Template};

/// An action: its name and its value, the quotes around it taken off.
pub(super) struct Item<'l> {
    pub(super) name: Span<'l>,
    pub(super) value: Option<Span<'l>>,
    /// What is escaped in the value.
    pub(super) quotes: Vec<char>,
}

/// The actions in `word`; `None` where one is wrong, which is reported.
pub(super) fn actions(word: Word<'_>, here: &Here<'_>) -> Option<Vec<Action>> {
    let mut found = Some(Vec::new());
    let mut rest = word.span.trim();
    while !rest.text.is_empty() {
        let (item, after) = split(rest, here)?;
        if item.text.is_empty() {
            here.error(rest, "an action is missing before this comma").help("take the surplus comma out");
            found = None;
        } else {
            let read = action(&Item::of(item, word.quote), here);
            found = found.zip(read).map(|(mut actions, read)| {
                actions.extend(read);
                actions
            });
        }
        rest = after.trim_start();
    }
    found
}

/// The first item of a list, and what follows its comma.
fn split<'l>(list: Span<'l>, here: &Here<'_>) -> Option<(Span<'l>, Span<'l>)> {
    let mut before = ' ';
    let mut end_of_quotes = None;
    for (at, next) in list.text.char_indices() {
        match (end_of_quotes, next) {
            (Some(end), _) if at <= end => {}
            (_, ',') => return Some((list.part(0..at).trim(), list.from(at + 1))),
            (None, '\'') if matches!(before, ':' | '=') => {
                let Some(end) = closing(list.from(at + 1).text, '\'') else {
                    here.error(list.from(at), "the ' that opens here is not closed")
                        .help("close it; ' inside of the text is written \\'");
                    return None;
                };
                end_of_quotes = Some(at + 1 + end);
            }
            (Some(_), next) if !next.is_ascii_whitespace() => {
                here.error(list.from(at), "text follows the closing ' without a comma")
                    .help("separate actions by commas; write \\' for a ' inside of the text");
                return None;
            }
            _ => {}
        }
        if !next.is_ascii_whitespace() {
            before = next;
        }
    }
    Some((list.trim(), list.from(list.text.len())))
}

impl<'l> Item<'l> {
    fn of(item: Span<'l>, quote: Option<char>) -> Self {
        let mut quotes: Vec<char> = quote.into_iter().collect();
        let Some((name, value)) = item.split_once(&[':']) else { return Self { name: item, value: None, quotes } };
        let value = value.trim();
        let inner = value.unquoted('\'');
        if inner.is_some() {
            quotes.push('\'');
        }
        Self { name: name.trim(), value: Some(inner.unwrap_or(value)), quotes }
    }

    /// The value, of an action that must have one.
    fn needed(&self, here: &Here<'_>) -> Option<Span<'l>> {
        let value = self.value.filter(|value| !value.text.is_empty());
        if value.is_none() {
            here.error(self.name, format!("the action {} needs a value", self.name.text))
                .help(format!("write {}:value", self.name.text));
        }
        value
    }

    fn text(&self, here: &Here<'_>) -> Option<Template> {
        template(self.needed(here)?, &self.quotes, Braces::Macro, here)
    }

    fn plain(&self, here: &Here<'_>) -> Option<Box<str>> {
        Some(unescape(self.needed(here)?.text, &self.quotes).into())
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&self, least: u32, most: u32, here: &Here<'_>) -> Option<u32> {
        let value = self.needed(here)?;
        let digits = value.text.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.text.parse().ok().filter(|number| digits && (least..=most).contains(number));
        if number.is_none() {
            here.error(value, format!("{} takes a whole number from {least} to {most}", self.name.text));
        }
        number
    }
}

/// One action; `ctl` with a list of rules is several.
fn action(item: &Item<'_>, here: &Here<'_>) -> Option<Vec<Action>> {
    let name = item.name.text.to_ascii_lowercase();
    if name == "ctl" {
        return ctl(item.needed(here)?, &item.quotes, here).map(|found| found.into_iter().map(Action::Ctl).collect());
    }
    let flag = match name.as_str() {
        "log" => Action::Log(true),
        "nolog" => Action::Log(false),
        "auditlog" => Action::AuditLog(true),
        "noauditlog" => Action::AuditLog(false),
        "capture" => Action::Capture,
        "chain" => Action::Chain,
        "multimatch" => Action::MultiMatch,
        "block" => Action::Disruptive(Disruptive::Block),
        "deny" => Action::Disruptive(Disruptive::Deny),
        "drop" => Action::Disruptive(Disruptive::Drop),
        "pass" => Action::Disruptive(Disruptive::Pass),
        _ => return with_value(item, &name, here).map(|action| vec![action]),
    };
    if let Some(value) = item.value {
        here.error(value, format!("the action {} takes no value", item.name.text)).help("leave it out");
        return None;
    }
    Some(vec![flag])
}

fn with_value(item: &Item<'_>, name: &str, here: &Here<'_>) -> Option<Action> {
    Some(match name {
        "id" => Action::Id(item.number(1, u32::MAX, here)?),
        "phase" => Action::Phase(phase(item.needed(here)?, here)?),
        "msg" => Action::Msg(item.text(here)?),
        "logdata" => Action::LogData(item.text(here)?),
        "tag" => Action::Tag(item.text(here)?),
        "severity" => Action::Severity(severity(item.needed(here)?, here)?),
        "ver" => Action::Ver(item.plain(here)?),
        "rev" => Action::Rev(item.plain(here)?),
        "maturity" | "accuracy" => item.number(1, 9, here).map(|_| Action::Grade)?,
        "status" => Action::Status(u16::try_from(item.number(200, 599, here)?).unwrap_or_default()),
        "allow" => Action::Disruptive(Disruptive::Allow(allow(item, here)?)),
        "redirect" => Action::Disruptive(Disruptive::Redirect(item.text(here)?)),
        "t" => transformation(item.needed(here)?, here)?,
        "setvar" => Action::SetVar(set_var(item.needed(here)?, &item.quotes, here)?),
        "expirevar" => expire_var(item.needed(here)?, &item.quotes, here)?,
        "initcol" => init_col(item.needed(here)?, &item.quotes, here)?,
        "skipafter" => Action::SkipAfter(item.plain(here)?),
        "skip" => Action::Skip(item.number(1, 10_000, here)?),
        _ => {
            match UNSUPPORTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, help)) => here.unsupported(item.name, "the action", help),
                None => here.unknown(
                    item.name,
                    "action",
                    KNOWN.into_iter(),
                    "actions are those of ModSecurity v3: id:1, phase:2, deny, msg:text ...",
                ),
            }
            return None;
        }
    })
}

fn allow(item: &Item<'_>, here: &Here<'_>) -> Option<AllowScope> {
    let Some(scope) = item.value else { return Some(AllowScope::Transaction) };
    if scope.text.eq_ignore_ascii_case("phase") {
        Some(AllowScope::Phase)
    } else if scope.text.eq_ignore_ascii_case("request") {
        Some(AllowScope::Request)
    } else {
        here.unknown(
            scope,
            "scope of allow",
            ["phase", "request"].into_iter(),
            "write allow, allow:phase or allow:request",
        );
        None
    }
}

const KNOWN: [&str; 30] = [
    "id",
    "phase",
    "msg",
    "logdata",
    "tag",
    "severity",
    "ver",
    "rev",
    "maturity",
    "accuracy",
    "status",
    "log",
    "nolog",
    "auditlog",
    "noauditlog",
    "capture",
    "chain",
    "multiMatch",
    "block",
    "deny",
    "drop",
    "pass",
    "allow",
    "redirect",
    "t",
    "setvar",
    "expirevar",
    "initcol",
    "skipAfter",
    "ctl",
];

/// Actions that ModSecurity has and Rampart has not, and what to do.
const UNSUPPORTED: [(&str, &str); 19] = [
    ("append", "take the action out: bodies are not rewritten"),
    ("prepend", "take the action out: bodies are not rewritten"),
    ("deprecatevar", "use expirevar"),
    ("exec", "take the action out: programs are not run on requests"),
    ("pause", "use deny, or a rate limit"),
    ("proxy", "take the action out: routes name their upstreams"),
    ("sanitiseArg", "take the action out: what events show is set by the field policy"),
    ("sanitizeArg", "take the action out: what events show is set by the field policy"),
    ("sanitiseMatched", "take the action out: what events show is set by the field policy"),
    ("sanitizeMatched", "take the action out: what events show is set by the field policy"),
    ("sanitiseMatchedBytes", "take the action out: what events show is set by the field policy"),
    ("sanitiseRequestHeader", "take the action out: what events show is set by the field policy"),
    ("sanitiseResponseHeader", "take the action out: what events show is set by the field policy"),
    ("setenv", "take the action out: there is no server environment to set"),
    ("setrsc", "use initcol:resource=..."),
    ("setsid", "use initcol:session=..."),
    ("setuid", "use initcol:user=..."),
    ("setproxy", "take the action out: routes name their upstreams"),
    ("xmlns", "take the action out: XML:/* and XML://@* need no name spaces"),
];
