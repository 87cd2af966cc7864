//! Where parsers put what they find: values, nodes and problems of one message, under its limits.
//!
//! It bounds what a hostile body can make of little input: values by `arguments`, nodes by the same, problems by a
//! few of each code. A parser whose `push` is refused stops; the message says that it did.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::{Aspect, At, Detail, Kind, Limits, Name, Node, Problem, Step, Value};

/// Problems of one code (of one limit) that are kept; more of the same say nothing new.
const KEPT_PER_CODE: usize = 4;

/// The list of problems of a message.
pub(crate) type Problems = SmallVec<[Problem; 2]>;

/// The collector is full: the parser stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What a parser found so far.
pub(crate) struct Collector<'m, 'a> {
    pub(crate) values: &'m mut Vec<Value<'a>>,
    pub(crate) nodes: &'m mut Vec<Node<'a>>,
    pub(crate) problems: &'m mut Problems,
    pub(crate) limits: &'m Limits,
}

/// A point to which a collector can be taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    values: usize,
    nodes: usize,
    problems: usize,
}

/// Notes `problem`, unless enough of its kind are known.
#[cold]
pub(crate) fn note(problems: &mut Problems, problem: Problem) {
    let limit = |detail: &Detail| match detail {
        Detail::Limit { limit, .. } => Some(*limit),
        _ => None,
    };
    let same = |known: &&Problem| known.code == problem.code && limit(&known.detail) == limit(&problem.detail);
    if problems.iter().filter(same).count() < KEPT_PER_CODE {
        problems.push(problem);
    }
}

impl<'a> Collector<'_, 'a> {
    /// Notes a problem.
    pub(crate) fn note(&mut self, problem: Problem) {
        note(self.problems, problem);
    }

    /// Notes that `limit` is exceeded, if it is.
    #[inline]
    pub(crate) fn bound(&mut self, limit: &'static str, at: At, actual: usize, allowed: usize) {
        if actual > allowed {
            self.note(Problem::limit(limit, at, actual, allowed));
        }
    }

    /// Where the next value will stand.
    pub(crate) fn next_value(&self) -> At {
        At::Value(index(self.values.len()))
    }

    /// Adds a value.
    #[inline]
    pub(crate) fn push(&mut self, value: Value<'a>) -> Result<(), Full> {
        if self.values.len() >= self.limits.arguments {
            self.full("arguments", self.values.len());
            return Err(Full);
        }
        self.values.push(value);
        Ok(())
    }

    /// Adds a flat argument, its name and its text judged by their limits.
    pub(crate) fn push_flat(&mut self, kind: Kind, name: Cow<'a, [u8]>, bytes: Cow<'a, [u8]>) -> Result<(), Full> {
        let at = self.next_value();
        self.bound("argument_name_length", at, name.len(), self.limits.argument_name_length);
        self.bound("string_length", at, bytes.len(), self.limits.string_length);
        self.push(Value { kind, aspect: Aspect::Text, name: Name::Text(name), bytes })
    }

    /// Adds a node and gives its index.
    #[inline]
    pub(crate) fn node(&mut self, parent: u32, step: Step<'a>) -> Result<u32, Full> {
        if self.nodes.len() >= self.limits.arguments.saturating_mul(2) {
            self.full("arguments", self.nodes.len());
            return Err(Full);
        }
        let here = index(self.nodes.len());
        self.nodes.push(Node { parent, step });
        Ok(here)
    }

    /// Adds the root of a document.
    pub(crate) fn root(&mut self, step: Step<'a>) -> Result<u32, Full> {
        let here = index(self.nodes.len());
        self.node(here, step)
    }

    #[cold]
    fn full(&mut self, limit: &'static str, known: usize) {
        self.note(Problem::limit(limit, At::Body, known.saturating_add(1), self.limits.arguments));
    }

    /// Remembers where the collector stands.
    pub(crate) fn mark(&self) -> Mark {
        Mark { values: self.values.len(), nodes: self.nodes.len(), problems: self.problems.len() }
    }

    /// Forgets what came after `mark`.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.values.truncate(mark.values);
        self.nodes.truncate(mark.nodes);
        self.problems.truncate(mark.problems);
    }
}

/// An index as nodes and values keep it; bodies are far below 4 GiB.
pub(crate) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
