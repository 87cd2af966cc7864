//! The program itself: names to numbers, texts to operators, references to positions.

use super::super::ast::{Change as Changed, Ctl, OperatorText, Piece, SetVar, Target, TargetMode, Template};
use super::super::program::{
    Change, Effect, Link, Note, Operand, Place, Program, Rule, RuleBits, Set, Settings, Targets, Test,
};
use super::super::variable::{Source, Sources, Variable};
use super::fold::{Folded, Kept};
use super::names::{Names, templates_of_about};
use super::operators::Operators;
use super::resolve::{Meant, meant, removed_by};
use super::settled::{After, Settled, SettledLink, SettledTest};
use super::targets::{Selectors, looks};
use super::which::Subjects;
use super::{Problem, groups};
use crate::literals::Clauses;
use crate::operator::Dynamic;
use crate::scan::{Entry, Layout};

/// Makes the program of what folding has left; a lean one does not capture what nothing reads. `None` when something is wrong; it is among the problems then.
pub(super) fn emit(
    folded: Folded,
    names: Names,
    subjects: &Subjects,
    settings: Settings,
    lean: bool,
    (notes, problems): (Vec<Note>, &mut Vec<Problem>),
) -> Option<Program> {
    let kept: Vec<&Kept> = folded.phases.iter().flatten().collect();
    let mut emitter = Emitter {
        operators: Operators::compile(kept.iter().flat_map(|kept| operator_texts(&kept.rule))),
        selectors: Selectors::default(),
        names: &names,
        positions: positions(&kept, subjects.len()),
        rules: kept.len(),
        subjects,
        notes,
        problems,
    };
    let (mut rules, mut entries, mut lazy, mut again) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut phases = [const { 0..0 }; 5];
    for (kept, range) in folded.phases.iter().zip(&mut phases) {
        let first = rules.len();
        for rule in kept {
            let skip_to = rule.skip.map(|place| first + kept.partition_point(|other| other.place < place));
            let made = emitter.rule(rule, skip_to);
            let entry = emitter.entry(&rule.rule, &made);
            if entry.is_none() {
                lazy.push(rules.len());
            }
            again |= asked_again(&rule.rule, &made, entry.is_none());
            entries.push(entry.unwrap_or_default());
            rules.push(made);
        }
        *range = number(first)..number(rules.len());
    }
    let Emitter { notes, problems, .. } = emitter;
    if lean {
        groups::settle(&mut rules);
    }
    let layout = match Layout::new(&entries) {
        Ok(layout) => layout,
        Err(message) => {
            problems.extend(rules.first().map(|rule| Problem::new(&rule.location, message)));
            return None;
        }
    };
    Some(Program {
        lazy: RuleBits::new(rules.len(), lazy),
        rules: rules.into(),
        phases,
        layout,
        names: names.into_list(),
        initial: folded.initial.into(),
        kept: again,
        settings,
        notes,
    })
}

/// A position as the program has it. The layout refuses programs with more rules than fit.
fn number(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}

/// By position before folding: the position after it, of rules that stay.
fn positions(kept: &[&Kept], rules: usize) -> Vec<Option<usize>> {
    let mut positions = vec![None; rules];
    for (position, kept) in kept.iter().enumerate() {
        if let Some(slot) = positions.get_mut(kept.origin) {
            *slot = Some(position);
        }
    }
    positions
}

fn operator_texts(rule: &Settled) -> impl Iterator<Item = &OperatorText> {
    rule.links.iter().filter_map(|link| link.test.as_ref().map(|test| &test.operator))
}

struct Emitter<'e> {
    operators: Operators<'e>,
    selectors: Selectors,
    names: &'e Names,
    /// By position before folding.
    positions: Vec<Option<usize>>,
    /// How many stay.
    rules: usize,
    subjects: &'e Subjects,
    notes: Vec<Note>,
    problems: &'e mut Vec<Problem>,
}

impl Emitter<'_> {
    fn rule(&mut self, kept: &Kept, skip_to: Option<usize>) -> Rule {
        let rule = &kept.rule;
        Rule {
            id: rule.id,
            phase: rule.phase,
            links: rule.links.iter().map(|link| self.link(rule, link)).collect(),
            effects: rule.after.iter().filter_map(|after| self.effect(rule, after)).collect(),
            disruption: rule.disruption.clone(),
            status: rule.status,
            log: rule.log,
            skip_to: skip_to.map(number),
            about: rule.about.clone(),
            location: rule.location.clone(),
        }
    }

    fn link(&mut self, rule: &Settled, link: &SettledLink) -> Link {
        let test = link.test.as_ref().and_then(|test| self.test(rule, link, test)).unwrap_or(Test::Always);
        Link {
            test,
            capture: link.capture,
            groups: link.capture,
            sets: link.sets.iter().map(|set| self.set(set)).collect(),
        }
    }

    /// A test; `None` when something is wrong with it.
    fn test(&mut self, rule: &Settled, link: &SettledLink, test: &SettledTest) -> Option<Test> {
        let written = &test.operator;
        let operator = match self.operators.get(written) {
            Some(Ok((operator, _))) => {
                if operator.is_backtracking() {
                    let runs = format!("the pattern of rule {} runs by back-tracking, within a bound", rule.id);
                    self.notes.push(Note::remark(&link.location, runs));
                }
                Ok(Operand::Fixed(operator.clone()))
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Dynamic::seclang(&written.name)
                .map(|operator| Operand::Expanded(operator, written.argument.clone()))
                .map_err(|error| error.to_string()),
        };
        let targets = self.selectors.compile(&test.targets, self.names);
        match (operator, targets) {
            (Ok(operator), Ok(targets)) => Some(Test::Operator {
                targets,
                chain: test.chain.as_slice().into(),
                multi_match: test.multi_match,
                operator,
                negated: written.negated,
            }),
            (operator, targets) => {
                let messages = operator.err().into_iter().chain(targets.err());
                let problem = |message: String| Problem::new(&link.location, format!("rule {}: {message}", rule.id));
                self.problems.extend(messages.map(problem));
                None
            }
        }
    }

    fn set(&self, set: &SetVar) -> Set {
        let change = match &set.change {
            Changed::Set(value) => Change::Set(value.clone()),
            Changed::Add(value) => Change::Add(value.clone()),
            Changed::Subtract(value) => Change::Subtract(value.clone()),
            Changed::Unset => Change::Unset,
        };
        Set { place: self.place(set.collection, &set.name), change }
    }

    fn place(&self, collection: Variable, name: &Template) -> Place {
        if collection != Variable::Tx {
            return Place::Collection(collection, name.clone());
        }
        name.literal().and_then(|name| self.names.get(name)).map_or_else(|| Place::Named(name.clone()), Place::Slot)
    }

    fn effect(&mut self, rule: &Settled, after: &After) -> Option<Effect> {
        let ctl = match after {
            After::Open(collection, name) => return Some(Effect::Open(*collection, name.clone())),
            After::Expire(collection, name, seconds) => {
                return Some(Effect::Expire(self.place(*collection, name), seconds.clone()));
            }
            After::Ctl(ctl) => ctl,
        };
        Some(match ctl {
            Ctl::RuleEngine(mode) => Effect::RuleEngine(*mode),
            Ctl::RequestBodyProcessor(processor) => Effect::RequestBodyProcessor(*processor),
            Ctl::ForceRequestBodyVariable(force) => Effect::ForceRequestBodyVariable(*force),
            Ctl::RequestBodyAccess(access) => Effect::RequestBodyAccess(*access),
            Ctl::ResponseBodyAccess(access) => Effect::ResponseBodyAccess(*access),
            Ctl::RuleRemoveById(_) | Ctl::RuleRemoveByTag(_) | Ctl::RuleRemoveByMsg(_) => {
                Effect::RemoveRules(self.removed(rule, ctl)?)
            }
            Ctl::RuleRemoveTargetById(_, target)
            | Ctl::RuleRemoveTargetByTag(_, target)
            | Ctl::RuleRemoveTargetByMsg(_, target) => {
                let removed = self.removed(rule, ctl)?;
                let target = Target { mode: TargetMode::Include, ..target.clone() };
                match self.selectors.compile(&[target], self.names) {
                    Ok(targets) => Effect::RemoveTarget(removed, targets),
                    Err(message) => {
                        self.problems.push(Problem::new(&rule.location, format!("rule {}: {message}", rule.id)));
                        return None;
                    }
                }
            }
            Ctl::WithoutEffect => return None,
        })
    }

    /// The rules that an action takes out; `None` when there are none.
    fn removed(&mut self, rule: &Settled, ctl: &Ctl) -> Option<RuleBits> {
        let what = match meant(ctl)? {
            Meant::Ids(ids) if ids.first == ids.last => format!("id {}", ids.first),
            Meant::Ids(ids) => format!("an id from {} to {}", ids.first, ids.last),
            Meant::Tag(text) | Meant::Msg(text) => {
                let Some(text) = text.literal() else {
                    self.problems.push(
                        Problem::new(
                            &rule.location,
                            format!("rule {}: a macro cannot say which rules ctl means", rule.id),
                        )
                        .help("name the tag or message in full"),
                    );
                    return None;
                };
                format!("tag or msg '{}'", String::from_utf8_lossy(text))
            }
        };
        let meant = removed_by(ctl, self.subjects);
        if meant.is_empty() {
            let text = format!("ctl of rule {}: there is no rule with {what}", rule.id);
            self.notes.push(Note::warning(&rule.location, text));
            return None;
        }
        let stay = meant.iter().filter_map(|at| *self.positions.get(*at)?);
        Some(RuleBits::new(self.rules, stay))
    }

    /// What the scan has to know of a rule; `None` when the rule is lazy.
    fn entry(&self, settled: &Settled, rule: &Rule) -> Option<Entry> {
        let (Test::Operator { targets, chain, multi_match, operator: Operand::Fixed(_), negated }, Some(test)) =
            (&rule.links.first()?.test, settled.links.first().and_then(|link| link.test.as_ref()))
        else {
            return None;
        };
        if !targets.derived.is_empty() || !targets.counts.is_empty() {
            return None;
        }
        let requires = match self.operators.get(&test.operator) {
            Some(Ok((_, clauses))) if !negated => clauses.clone(),
            _ => Clauses::default(),
        };
        Some(Entry { looks: looks(targets, rule.phase), chain: chain.clone(), multi_match: *multi_match, requires })
    }
}

/// The sources of earlier phases that a rule of a later one asks for beside the scan: those of its chained tests, of its
/// first when it is lazy, and of macros.
fn asked_again(settled: &Settled, rule: &Rule, lazy: bool) -> Sources {
    if rule.phase < 3 {
        return 0;
    }
    let tests = rule.links.iter().skip(usize::from(!lazy)).filter_map(|link| match &link.test {
        Test::Operator { targets, .. } => Some(Targets::sources(targets)),
        Test::Always => None,
    });
    let mut macros = 0;
    each_template(settled, &mut |template| {
        for piece in &template.0 {
            if let Piece::Macro(variable, _) = piece {
                macros |= variable.sources();
            }
        }
    });
    tests.fold(macros, |all, of| all | of) & Source::known_by(rule.phase - 1)
}

/// Every text of a rule that may hold macros.
fn each_template(rule: &Settled, visit: &mut impl FnMut(&Template)) {
    templates_of_about(rule).for_each(&mut *visit);
    for link in &rule.links {
        link.test.iter().for_each(|test| visit(&test.operator.argument));
        for set in &link.sets {
            visit(&set.name);
            if let Changed::Set(value) | Changed::Add(value) | Changed::Subtract(value) = &set.change {
                visit(value);
            }
        }
    }
    for after in &rule.after {
        match after {
            After::Open(_, name) => visit(name),
            After::Expire(_, name, seconds) => {
                visit(name);
                visit(seconds);
            }
            After::Ctl(_) => {}
        }
    }
    if let super::super::program::Disruption::Redirect(to) = &rule.disruption {
        visit(to);
    }
}
