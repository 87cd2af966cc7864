//! A phase: its rules in order, as far as they have something to look at.

use super::Run;
use super::place;
use super::report::{Action, Interruption, MatchedRule};
use super::state::Seen;
use crate::seclang::ast::{AllowScope, EngineMode};
use crate::seclang::program::{Disruption, Rule, Test};
use crate::seclang::variable::Variable;

/// Matched rules that are described; more are none, for there are no more rules.
const MAX_EVENTS: usize = 4_096;

/// Where a phase goes on after a rule.
enum Flow {
    Next,
    /// `skipAfter`, `skip`
    To(u16),
    End,
}

impl<'r> Run<'r, '_> {
    /// Runs a phase, 1 to 5.
    pub(super) fn phase(&mut self, phase: u8) {
        if self.state.engine == EngineMode::Off || self.is_allowed(phase) {
            return;
        }
        let Some(range) = self.rules.program.phases.get(usize::from(phase).wrapping_sub(1)).cloned() else { return };
        self.state.records.sort_by_key(|record| (record.rule, record.order, record.seen.value));
        let mut at = range.start;
        while let Some(rule) = self.next(at, range.end) {
            at = match self.rule(rule) {
                Flow::Next => rule + 1,
                Flow::To(position) => position.max(rule + 1),
                Flow::End => break,
            };
        }
        #[cfg(test)]
        self.trace_passed_over(at, range);
    }

    /// Tells a test which rules were not asked, and why.
    #[cfg(test)]
    fn trace_passed_over(&mut self, at: u16, range: std::ops::Range<u16>) {
        let id = |rule| self.rules.rule(rule).map_or(0, |rule: &Rule| rule.id);
        let removed: Vec<u32> = range.clone().filter(|rule| self.state.is_removed(*rule)).map(id).collect();
        let allowed: Vec<u32> = (at + 1..range.end).filter(|_| self.state.allow.is_some()).map(id).collect();
        let removed = removed.iter().map(|id| format!(" Rule id: {id} was skipped due to a ruleRemoveById action..."));
        let allowed = allowed.iter().map(|id| format!(" Skipped rule id '{id}' because of an `allow' action"));
        self.state.trace.extend(removed.chain(allowed));
    }

    /// Whether an `allow` of an earlier phase covers this one.
    fn is_allowed(&mut self, phase: u8) -> bool {
        match self.state.allow {
            Some(AllowScope::Transaction) if phase != 5 => true,
            Some(AllowScope::Request) if phase <= 2 => true,
            Some(AllowScope::Transaction) => false,
            _ => {
                self.state.allow = None;
                false
            }
        }
    }

    /// The next rule from `at` on that has something to look at.
    fn next(&self, at: u16, end: u16) -> Option<u16> {
        let lazy = &self.rules.program.lazy.0;
        let mut at = usize::from(at);
        while at < usize::from(end) {
            let word = at / 64;
            let wanted = self.state.recorded.get(word).copied().unwrap_or(0) | lazy.get(word).copied().unwrap_or(0);
            let wanted = wanted & !self.state.removed.get(word).copied().unwrap_or(0) & (u64::MAX << (at % 64));
            if wanted != 0 {
                let found = word * 64 + wanted.trailing_zeros() as usize;
                return u16::try_from(found).ok().filter(|found| *found < end);
            }
            at = (word + 1) * 64;
        }
        None
    }

    fn rule(&mut self, number: u16) -> Flow {
        let Some(rule) = self.rules.rule(number) else { return Flow::End };
        self.current = Some(rule);
        self.forget_matched(number, rule);
        let is_lazy = self.rules.program.lazy.contains(number.into());
        for (at, link) in rule.links.iter().enumerate() {
            let first = at == 0;
            let passed = if first && !is_lazy { self.replay(number, link) } else { self.test(number, link, first) };
            if self.state.exhausted {
                return Flow::End;
            }
            #[cfg(test)]
            self.state.trace.push(format!(" (Rule: {}) Rule returned {}.", rule.id, u8::from(passed)));
            if !passed {
                self.state.matched.clear();
                return Flow::Next;
            }
            if let Some(severity) = rule.about.severity.filter(|_| first) {
                self.state.highest = self.state.highest.min(severity);
            }
        }
        self.complete(number, rule)
    }

    /// What an earlier rule matched is forgotten, unless this one asks for it.
    fn forget_matched(&mut self, number: u16, rule: &Rule) {
        let asks = |test: &Test| match test {
            Test::Always => true,
            Test::Operator { targets, .. } => targets.derived.iter().chain(&targets.counts).any(|derived| {
                matches!(
                    derived.variable,
                    Variable::MatchedVar
                        | Variable::MatchedVarName
                        | Variable::MatchedVars
                        | Variable::MatchedVarsNames
                )
            }),
        };
        if !self.state.matched.is_empty() && !rule.links.first().is_some_and(|link| asks(&link.test)) {
            self.state.matched.clear();
        }
        self.state.matched_rule = Some(number);
    }

    /// All links of a rule have passed.
    fn complete(&mut self, number: u16, rule: &'r Rule) -> Flow {
        self.effects(number, rule);
        let interruption = self.interruption(rule);
        if rule.log && self.state.events.len() < MAX_EVENTS {
            let event = self.describe(rule, interruption.is_some());
            #[cfg(test)]
            self.state.trace.push(format!(" Saving msg: {} Rule tag: {}", event.msg, event.tags.join(" Rule tag: ")));
            self.state.events.push(event);
        }
        if let Some(interruption) = interruption {
            #[cfg(test)]
            self.state.trace.push(format!(" Running action {}", format!("{:?}", interruption.action).to_lowercase()));
            if self.state.engine == EngineMode::On {
                self.state.interruption.get_or_insert(interruption);
                return Flow::End;
            }
            self.state.would.get_or_insert(interruption);
        }
        if let Disruption::Allow(scope) = rule.disruption
            && self.state.engine == EngineMode::On
        {
            self.state.allow = Some(scope);
            return Flow::End;
        }
        rule.skip_to.map_or(Flow::Next, Flow::To)
    }

    fn interruption(&self, rule: &Rule) -> Option<Interruption> {
        let action = match &rule.disruption {
            Disruption::Pass | Disruption::Allow(_) => return None,
            Disruption::Deny => Action::Deny,
            Disruption::Drop => Action::Drop,
            Disruption::Redirect(template) => {
                let mut to = Vec::new();
                self.expand(template, &mut to);
                Action::Redirect(text(&to))
            }
        };
        Some(Interruption { rule: rule.id, phase: rule.phase, status: rule.status, action })
    }

    fn describe(&self, rule: &Rule, disruptive: bool) -> MatchedRule {
        let about = &rule.about;
        let mut matched = MatchedRule {
            id: rule.id,
            name: about.name.clone(),
            phase: rule.phase,
            severity: about.severity,
            category: about.category,
            paranoia: about.paranoia,
            msg: self.expanded(&about.msg),
            logdata: self.expanded(&about.logdata),
            tags: about.tags.iter().map(|tag| self.expanded(tag)).collect(),
            variable: String::new(),
            target: String::new(),
            value: Vec::new(),
            transform: String::new(),
            disruptive,
            location: format!("{}:{}", rule.location.file.display(), rule.location.line).into(),
            rev: about.rev.clone(),
            ver: about.ver.clone(),
        };
        // A value of the message says more than a variable that rules made of it.
        let by_value = self.state.matched.iter().rev().find(|seen| seen.source.is_some());
        if let Some(seen) = by_value.or_else(|| self.state.matched.last()) {
            self.describe_seen(seen, &mut matched);
        }
        matched
    }

    fn describe_seen(&self, seen: &Seen, matched: &mut MatchedRule) {
        let mut name = Vec::new();
        self.write_name(seen, &mut name);
        matched.variable = text(name.get(..MatchedRule::MAX_TEXT).unwrap_or(&name));
        matched.target = match seen.source {
            Some(source) => place::target(source, self.state.arena.get(seen.name)),
            None => matched.variable.clone(),
        };
        let value = self.state.arena.get(seen.text);
        matched.value = value.get(..MatchedRule::MAX_VALUE).unwrap_or(value).to_vec();
        let steps: Vec<&str> = seen.made.iter().map(|step| step.as_str()).collect();
        matched.transform = steps.join(",");
    }

    fn expanded(&self, template: &crate::seclang::ast::Template) -> String {
        let mut out = Vec::new();
        self.expand(template, &mut out);
        out.truncate(MatchedRule::MAX_TEXT);
        text(&out)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
