//! Whether a test holds whatever the request: one that looks at `TX` variables of known value only.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::super::ast::{Selector, Target, TargetMode};
use super::super::super::variable::Variable;
use super::super::settled::{SettledLink, SettledTest};
use super::text::View;
use crate::operator::Operator;

/// What is known of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// No value passes.
    Never,
    /// Exactly one value passes, and nothing that its effects change is looked at afterwards.
    Once,
    /// A request decides.
    Open,
}

/// Operators that decided tests have needed, by name and argument.
#[derive(Debug, Default)]
pub(super) struct Operators(HashMap<Named, Option<Arc<Operator>>>);

/// The name, in lower case, and the argument.
type Named = (Box<str>, Box<[u8]>);

impl Operators {
    fn get(&mut self, name: &str, argument: &[u8]) -> Option<Arc<Operator>> {
        let key = (name.to_ascii_lowercase().into_boxed_str(), argument.into());
        let compile = || Operator::seclang(name, argument, None).ok().map(Arc::new);
        self.0.entry(key).or_insert_with(compile).clone()
    }

    /// Decides the test of a link.
    pub(super) fn decide(&mut self, link: &SettledLink, view: View<'_>) -> Decision {
        let Some(test) = &link.test else { return Decision::Once };
        let Some(values) = values(&test.targets, view) else { return Decision::Open };
        if values.is_empty() {
            return Decision::Never;
        }
        let operator = view
            .text(&test.operator.argument)
            .filter(|_| test.operator.data.is_none() && !test.multi_match)
            .and_then(|argument| self.get(&test.operator.name, &argument));
        let Some(operator) = operator else { return Decision::Open };
        let passing = values.iter().filter(|value| passes(test, &operator, value)).count();
        match passing {
            0 => Decision::Never,
            1 if !link.capture && (values.len() == 1 || link.sets.is_empty()) => Decision::Once,
            _ => Decision::Open,
        }
    }
}

fn passes(test: &SettledTest, operator: &Operator, value: &[u8]) -> bool {
    let mut bytes = value.to_vec();
    let mut next = Vec::new();
    for step in &test.chain {
        if step.apply(&bytes, &mut next) {
            std::mem::swap(&mut bytes, &mut next);
        }
    }
    operator.is_match(&bytes) != test.operator.negated
}

/// The values of targets, when all of them are known.
fn values(targets: &[Target], view: View<'_>) -> Option<Vec<Vec<u8>>> {
    let mut values = Vec::new();
    for target in targets {
        let (Variable::Tx, Selector::Name(name)) = (target.variable, &target.selector) else { return None };
        let value = view.tx(name)?;
        match target.mode {
            TargetMode::Include => values.extend(value.as_ref().map(|value| value.to_vec())),
            TargetMode::Count => values.push(if value.is_some() { b"1".to_vec() } else { b"0".to_vec() }),
            TargetMode::Exclude => return None,
        }
    }
    Some(values)
}
