//! What the tables of this crate's tests compare: values and problems without their lifetimes.

use crate::collector::{Collector, Full, Problems};
use crate::{Detail, Limits, Name, ProblemCode};

pub(crate) struct Found {
    pub(crate) pairs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) codes: Vec<ProblemCode>,
    pub(crate) limits: Vec<(&'static str, u64, u64)>,
}

/// Runs a parser of flat values under the default limits.
pub(crate) fn flat<'a>(
    input: &'a [u8],
    run: impl FnOnce(&'a [u8], &mut Collector<'_, 'a>) -> Result<(), Full>,
) -> Found {
    let (mut values, mut nodes, mut problems) = (Vec::new(), Vec::new(), Problems::new());
    let limits = Limits::DEFAULT;
    let mut out = Collector { values: &mut values, nodes: &mut nodes, problems: &mut problems, limits: &limits };
    let _ = run(input, &mut out);
    let pairs = values.iter().map(|value| match &value.name {
        Name::Text(name) => (name.to_vec(), value.bytes.to_vec()),
        _ => (Vec::new(), value.bytes.to_vec()),
    });
    let limits = problems.iter().filter_map(|problem| match problem.detail {
        Detail::Limit { limit, actual, allowed } => Some((limit, actual, allowed)),
        _ => None,
    });
    let codes = problems.iter().map(|problem| problem.code).filter(|code| *code != ProblemCode::LimitExceeded);
    Found { codes: codes.collect(), limits: limits.collect(), pairs: pairs.collect() }
}
