//! The operators of all rules, each distinct one compiled once.
//!
//! Patterns are most of what compiling rules costs, so two threads share them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::super::ast::OperatorText;
use crate::literals::Clauses;
use crate::operator::{Operator, OperatorError};

/// Threads that compile.
const THREADS: usize = 2;

/// What tells operators apart: the name, the argument, and where the contents of the file are.
type Key<'t> = (&'t str, &'t [u8], Option<usize>);

/// A compiled operator with what it requires.
pub(super) type Compiled = Result<(Arc<Operator>, Clauses), OperatorError>;

/// Compiled operators, by their texts.
#[derive(Debug)]
pub(super) struct Operators<'t>(HashMap<Key<'t>, Compiled>);

/// The argument, where it holds no macros.
fn key(text: &OperatorText) -> Option<Key<'_>> {
    Some((&text.name, text.argument.literal()?, text.data.as_ref().map(|data| data.as_ptr().addr())))
}

impl<'t> Operators<'t> {
    /// Compiles all whose arguments are known.
    pub(super) fn compile(texts: impl Iterator<Item = &'t OperatorText>) -> Self {
        let mut jobs: HashMap<Key<'t>, &'t OperatorText> = HashMap::new();
        for text in texts {
            if let Some(key) = key(text) {
                jobs.entry(key).or_insert(text);
            }
        }
        let mut jobs: Vec<&OperatorText> = jobs.into_values().collect();
        // The longest first, so that no thread ends long after the other.
        jobs.sort_by_key(|text| std::cmp::Reverse(text.argument.literal().map_or(0, <[u8]>::len)));
        let next = AtomicUsize::new(0);
        let done: Mutex<HashMap<Key<'t>, Compiled>> = Mutex::default();
        let work = || {
            let mut own = Vec::new();
            while let Some(text) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                own.extend(key(text).map(|key| (key, compile(text))));
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
        };
        thread::scope(|scope| {
            for _ in 1..THREADS.min(jobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        Self(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The operator of a text; `None` where its argument is known only in a request.
    pub(super) fn get<'s>(&'s self, text: &'s OperatorText) -> Option<&'s Compiled> {
        self.0.get(&key(text)?)
    }
}

fn compile(text: &OperatorText) -> Compiled {
    let argument = text.argument.literal().unwrap_or_default();
    let operator = Operator::seclang(&text.name, argument, text.data.as_deref())?;
    let clauses = operator.clauses();
    Ok((Arc::new(operator), clauses))
}
