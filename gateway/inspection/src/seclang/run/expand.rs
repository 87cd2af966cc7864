//! Macros: `%{TX.name}`, `%{MATCHED_VAR}`, `%{REQUEST_HEADERS.host}` in arguments, messages and `setvar`.

use std::time::Duration;

use super::Run;
use super::clock;
use super::collections::is_collection;
use super::number;
use super::state::Seen;
use crate::seclang::ast::{Piece, Template};
use crate::seclang::program::Rule;
use crate::seclang::variable::Variable;

/// Bytes of one expanded text; what is longer is cut.
const MAX_BYTES: usize = 64 * 1024;

impl Run<'_, '_> {
    /// Writes a text with its macros expanded to the end of `out`.
    pub(super) fn expand(&self, template: &Template, out: &mut Vec<u8>) {
        let start = out.len();
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Macro(variable, name) => self.expand_macro(*variable, name.as_deref(), out),
            }
        }
        out.truncate(start + MAX_BYTES);
    }

    /// As [`Self::expand`], but `%{RULE...}` is nothing: a message that names itself does not end.
    fn expand_but_rule(&self, template: &Template, out: &mut Vec<u8>) {
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Macro(Variable::Rule, _) => {}
                Piece::Macro(variable, name) => self.expand_macro(*variable, name.as_deref(), out),
            }
        }
    }

    fn expand_macro(&self, variable: Variable, name: Option<&[u8]>, out: &mut Vec<u8>) {
        match variable {
            Variable::Tx => {
                let value = self.state.tx.get(self.rules, name.unwrap_or_default());
                out.extend_from_slice(value.unwrap_or_default());
            }
            Variable::Rule => {
                if let Some(rule) = self.current {
                    self.rule_part(rule, name.unwrap_or_default(), out);
                }
            }
            Variable::MatchedVars | Variable::MatchedVarsNames => {
                let names = variable == Variable::MatchedVarsNames;
                let is = |seen: &&Seen| name.is_none_or(|name| self.is_named(seen, name));
                if let Some(seen) = self.state.matched.iter().find(is) {
                    if names {
                        self.write_name(seen, out);
                    } else {
                        out.extend_from_slice(self.state.arena.get(seen.text));
                    }
                }
            }
            _ if is_collection(variable) => {
                let mut found = false;
                self.collection(variable, |own, value| {
                    if !found && name.is_none_or(|name| name == own) {
                        found = true;
                        out.extend_from_slice(value);
                    }
                });
            }
            _ if variable.is_derived() => self.scalar(variable, out),
            _ => {
                let mut values = self.values.of(variable.sources());
                let found = values.find(|(_, value)| name.is_none_or(|name| value.name.eq_ignore_ascii_case(name)));
                if let Some((_, value)) = found {
                    out.extend_from_slice(value.bytes.get(..MAX_BYTES).unwrap_or(value.bytes));
                }
            }
        }
    }

    /// The value of a derived variable that has one value.
    pub(super) fn scalar(&self, variable: Variable, out: &mut Vec<u8>) {
        match variable {
            Variable::MatchedVar => {
                if let Some(seen) = self.state.matched.last() {
                    out.extend_from_slice(self.state.arena.get(seen.text));
                }
            }
            Variable::MatchedVarName => {
                if let Some(seen) = self.state.matched.last() {
                    self.write_name(seen, out);
                }
            }
            Variable::HighestSeverity => number::write(self.state.highest.into(), out),
            Variable::UniqueId => out.extend_from_slice(self.unique_id.as_bytes()),
            Variable::WebAppId => out.extend_from_slice(self.rules.program.settings.web_app_id.as_bytes()),
            Variable::Duration => {
                let elapsed = self.now.duration_since(self.state.began).unwrap_or(Duration::ZERO).as_millis();
                number::write(i64::try_from(elapsed).unwrap_or(i64::MAX), out);
            }
            _ => {
                if let Some(time) = clock::time(variable, self.now) {
                    out.extend_from_slice(time.as_bytes());
                } else if let Some(value) = self.values.scalar(variable) {
                    out.extend_from_slice(&value);
                }
            }
        }
    }

    /// `RULE.id`, `RULE.msg` ... of a rule.
    pub(super) fn rule_part(&self, rule: &Rule, part: &[u8], out: &mut Vec<u8>) {
        let about = &rule.about;
        match part {
            b"id" => out.extend_from_slice(about.name.as_bytes()),
            b"rev" => out.extend_from_slice(about.rev.as_bytes()),
            b"ver" => out.extend_from_slice(about.ver.as_bytes()),
            b"msg" => self.expand_but_rule(&about.msg, out),
            b"logdata" => self.expand_but_rule(&about.logdata, out),
            b"severity" => {
                if let Some(severity) = about.severity {
                    number::write(severity.into(), out);
                }
            }
            _ => {}
        }
    }

    /// `ARGS:id`: the name of a value that matched.
    pub(super) fn write_name(&self, seen: &Seen, out: &mut Vec<u8>) {
        full_name(seen.variable, self.state.arena.get(seen.name), out);
    }

    /// Whether a matched value has this name: with its variable (`args:id`), or without.
    pub(super) fn is_named(&self, seen: &Seen, name: &[u8]) -> bool {
        let own = self.state.arena.get(seen.name);
        if own.eq_ignore_ascii_case(name) {
            return true;
        }
        let (variable, rest) = name.split_at(seen.variable.as_str().len().min(name.len()));
        variable.eq_ignore_ascii_case(seen.variable.as_str().as_bytes())
            && rest.strip_prefix(b":").unwrap_or(rest).eq_ignore_ascii_case(own)
    }
}

/// The name of a value as ModSecurity writes it.
pub(super) fn full_name(variable: Variable, name: &[u8], out: &mut Vec<u8>) {
    match variable {
        Variable::Xml => out.extend_from_slice(b"XML"),
        Variable::XmlAttributes => return out.extend_from_slice(b"XML://@*"),
        _ => out.extend_from_slice(variable.as_str().as_bytes()),
    }
    if !name.is_empty() {
        out.push(b':');
        out.extend_from_slice(name);
    }
}
