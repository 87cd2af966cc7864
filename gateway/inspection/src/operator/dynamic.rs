//! Operators whose parameter is known only in a request: `@within %{tx.allowed_methods}`, `@lt %{tx.1}`.
//!
//! The engine expands the parameter into a buffer of its own and asks with it; nothing is compiled but patterns, and the
//! last of those is kept.

use std::sync::{Arc, Mutex, PoisonError};

use super::seclang::Kind;
use super::{Captures, Comparison, OperatorError, Rx, TextKind, comparison, contains_word, within};

/// Bytes of a pattern that is put together in a request. Longer ones match nothing.
const MAX_PATTERN_BYTES: usize = 4_096;

/// An operator without its parameter.
#[derive(Debug)]
pub(crate) enum Dynamic {
    Compare(fn(i64) -> Comparison),
    Text(TextKind),
    ContainsWord,
    Within,
    Rx(LastPattern),
    RxGlobal(LastPattern),
    /// A parameter makes no difference (`unconditionalMatch`, `noMatch`).
    Constant(bool),
}

impl Dynamic {
    /// The operator of a name, without `@`, in any case.
    ///
    /// # Errors
    /// When there is no such operator, or its parameter must be known when the rules are read.
    pub(crate) fn seclang(name: &str) -> Result<Self, OperatorError> {
        Ok(match Kind::of(name)? {
            Kind::Compare(compare) => Self::Compare(compare),
            Kind::Text(kind) => Self::Text(kind),
            Kind::ContainsWord => Self::ContainsWord,
            Kind::Within => Self::Within,
            Kind::Rx => Self::Rx(LastPattern::default()),
            Kind::RxGlobal => Self::RxGlobal(LastPattern::default()),
            Kind::UnconditionalMatch => Self::Constant(true),
            Kind::NoMatch => Self::Constant(false),
            _ => return Err(OperatorError::Macro { name: name.to_owned() }),
        })
    }

    /// Whether the value matches the parameter.
    pub(crate) fn is_match(&self, parameter: &[u8], value: &[u8]) -> bool {
        match self {
            Self::Compare(compare) => compare(comparison::integer(parameter)).holds(comparison::integer(value)),
            Self::Text(kind) => kind.find(parameter, value).is_some(),
            Self::ContainsWord => contains_word::find(parameter, value).is_some(),
            Self::Within => within::is_match(parameter, value),
            Self::Rx(last) | Self::RxGlobal(last) => {
                parameter.is_empty() || last.of(parameter).is_some_and(|rx| rx.is_match(value))
            }
            Self::Constant(always) => *always,
        }
    }

    /// As [`Self::is_match`], and says what was found.
    pub(crate) fn captures(&self, parameter: &[u8], value: &[u8], captures: &mut Captures) -> bool {
        captures.clear();
        match self {
            Self::Rx(last) if !parameter.is_empty() => {
                last.of(parameter).is_some_and(|rx| rx.captures(value, captures))
            }
            Self::RxGlobal(last) if !parameter.is_empty() => {
                last.of(parameter).is_some_and(|rx| rx.captures_global(value, captures))
            }
            _ => self.is_match(parameter, value),
        }
    }
}

/// The pattern that was compiled last, with its text: what a macro stands for seldom changes from request to request.
#[derive(Debug, Default)]
pub(crate) struct LastPattern(Mutex<Option<Compiled>>);

/// A text, and the pattern that it is; none where it is none.
type Compiled = (Box<[u8]>, Option<Arc<Rx>>);

impl LastPattern {
    /// The pattern; none where it does not compile.
    fn of(&self, text: &[u8]) -> Option<Arc<Rx>> {
        if text.len() > MAX_PATTERN_BYTES {
            return None;
        }
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, rx)) = lock().as_ref()
            && known.as_ref() == text
        {
            return rx.clone();
        }
        let rx = Rx::compile_small(text).ok().map(Arc::new);
        *lock() = Some((text.into(), rx.clone()));
        rx
    }
}
