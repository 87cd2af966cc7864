//! The scripts that count in Redis, and quotas as they are told to them.
//!
//! Lua counts in 64-bit floating point: whole numbers are exact up to 2^53. A `gcra` quota is a bucket of weight, of
//! which a unit has `period` and `limit` drain in each microsecond; both are divided by what they have in common, and
//! where the burst still weighs more than 2^52 (a trillion bytes of an odd limit in a day) both are made coarser, the
//! unit upwards and the rate downwards: never more than the limit, and less by under 1 %.

use rampart_store::{Arg, Script, Value};

use crate::algorithm::{Calendar, Rule, Span, Standing};
use crate::micros::Micros;

/// Rises whenever the meaning of keys, arguments or stored values changes: gateways of two versions that run side by
/// side would spoil each other's counts otherwise. It is part of the name of each key.
pub(super) const VERSION: u32 = 1;

/// Whole numbers that a script computes with are at most so large.
const MOST: u128 = 1 << 52;

/// No backlog lasts longer.
const LONGEST_US: u128 = 366 * 86_400 * Micros::SECOND as u128;

const HOUR_US: u64 = 3_600 * Micros::SECOND;

/// How long a lease lasts that is not renewed: after so long the concurrency of a gateway that died is free again.
pub(super) const LEASE_US: u64 = 30 * Micros::SECOND;

/// Reply items of one quota.
const ITEMS: usize = 4;

/// What is told about a quota: the number of its algorithm, and its three parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) algorithm: i64,
    pub(super) a: u64,
    pub(super) b: u64,
    pub(super) c: u64,
}

/// What the script answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) now: Micros,
    pub(super) standings: Vec<Standing>,
}

pub(super) fn take() -> Script {
    Script::new("take", VERSION, concat!(include_str!("common.lua"), include_str!("take.lua")))
}

pub(super) fn settle() -> Script {
    Script::new("settle", VERSION, concat!(include_str!("common.lua"), include_str!("settle.lua")))
}

impl Parameters {
    pub(super) fn of(rule: &Rule) -> Self {
        match *rule {
            Rule::Gcra { limit, burst, period_us } => Self::gcra(limit, burst, period_us),
            Rule::SlidingLog { limit, period_us } => Self { algorithm: 2, a: limit, b: period_us, c: 0 },
            Rule::Window { limit, span } => Self { algorithm: 3, a: limit, b: span_us(span), c: 0 },
            Rule::Concurrency { limit } => Self { algorithm: 4, a: limit, b: LEASE_US, c: 0 },
        }
    }

    fn gcra(limit: u64, burst: u64, period_us: u64) -> Self {
        let common = greatest_common_divisor(limit, period_us).max(1);
        let (limit, period) = ((limit / common).max(1), (period_us / common).max(1));
        let coarser = |scale: u64| ((limit / scale).max(1), period.div_ceil(scale));
        let capacity =
            |(rate, weight): (u64, u64)| (u128::from(burst) * u128::from(weight)).min(u128::from(rate) * LONGEST_US);
        let mut scale = u64::try_from(capacity(coarser(1)).div_ceil(MOST)).unwrap_or(u64::MAX).max(1);
        // Rounding the weight upwards may have made it a little too large again.
        while capacity(coarser(scale)) > MOST {
            scale = scale.saturating_add(scale / 1_024 + 1);
        }
        let (rate, weight) = coarser(scale);
        let c = u64::try_from(capacity((rate, weight))).unwrap_or(u64::MAX);
        Self { algorithm: 1, a: rate, b: weight, c }
    }

    pub(super) fn args(&self) -> [Arg; 4] {
        [Arg::Int(self.algorithm), whole(self.a), whole(self.b), whole(self.c)]
    }
}

impl Reply {
    /// Reads a reply about so many quotas; `None` if it is none.
    pub(super) fn read(value: &Value, quotas: usize) -> Option<Self> {
        let mut numbers = value.list().iter().map(|item| item.int().and_then(|number| u64::try_from(number).ok()));
        let now = Micros(numbers.next()??);
        let rest: Vec<u64> = numbers.collect::<Option<_>>()?;
        let standings: Vec<_> = rest
            .chunks_exact(ITEMS)
            .filter_map(|items| match *items {
                [allowed, remaining, reset_us, retry_us] => {
                    Some(Standing { allowed: allowed == 1, remaining, reset_us, retry_us })
                }
                _ => None,
            })
            .collect();
        (standings.len() == quotas && rest.len() == quotas * ITEMS).then_some(Self { now, standings })
    }
}

/// An argument that Lua reads exactly; units beyond 2^52 are refused by every limit.
pub(super) fn whole(number: u64) -> Arg {
    Arg::Int(i64::try_from(u128::from(number).min(MOST)).unwrap_or(i64::MAX))
}

/// The microseconds of a window; 0 for a month. Hours and days have one length in Unix time.
fn span_us(span: Span) -> u64 {
    match span {
        Span::Every(length) => length.max(1),
        Span::Calendar(Calendar::Hour) => HOUR_US,
        Span::Calendar(Calendar::Day) => 24 * HOUR_US,
        Span::Calendar(Calendar::Month) => 0,
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_exact_where_it_can_be() {
        let check = |limit, burst, period_us, a, b, c| {
            let expect = Parameters { algorithm: 1, a, b, c };
            assert_eq!(Parameters::of(&Rule::Gcra { limit, burst, period_us }), expect, "{limit} per {period_us}");
        };
        check(5, 5, 60_000_000, 1, 12_000_000, 60_000_000);
        check(7, 3, 60_000_000, 7, 60_000_000, 180_000_000);
        check(1_000_000_000_000, 1_000_000_000_000, 86_400_000_000, 625, 54, 54_000_000_000_000);
        check(10, 0, 1_000, 1, 100, 0);
    }

    #[test]
    fn a_coarser_bucket_allows_less_and_hardly_so() {
        let limits = [11, 9_973, 1_000_003, 999_999_999_989, 1_000_000_000_000];
        let periods = [1_000, 1_000_003, 86_400_000_000, 31_622_400_000_000];
        let bursts = [1, 1_009, 1_000_000_007, 1_000_000_000_000];
        for limit in limits {
            for period in periods {
                for burst in bursts {
                    let told = Parameters::gcra(limit, burst, period);
                    // The rate in units: a / b of what is told, limit / period of what is meant.
                    let (told_rate, meant) =
                        (u128::from(told.a) * u128::from(period), u128::from(told.b) * u128::from(limit));
                    assert!(told_rate <= meant, "{limit} {burst} {period}: {told:?}");
                    assert!(meant - told_rate <= meant / 100, "{limit} {burst} {period}: {told:?}");
                    let units = u128::from(told.c) / u128::from(told.b);
                    assert!(units <= u128::from(burst));
                    let fills_in_a_year = u128::from(burst) * u128::from(period) <= u128::from(limit) * LONGEST_US;
                    assert!(
                        units * 100 >= u128::from(burst) * 99 || !fills_in_a_year,
                        "{limit} {burst} {period}: {told:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn replies_are_checked() {
        let ints = |items: &[i64]| Value::List(items.iter().map(|item| Value::Int(*item)).collect());
        let good = Reply::read(&ints(&[9, 1, 4, 60, 0]), 1).unwrap();
        let standing = Standing { allowed: true, remaining: 4, reset_us: 60, retry_us: 0 };
        assert_eq!(good, Reply { now: Micros(9), standings: vec![standing] });
        for bad in [&[][..], &[9], &[9, 1, 4, 60], &[9, 1, 4, 60, 0, 1], &[9, 1, -4, 60, 0]] {
            assert_eq!(Reply::read(&ints(bad), 1), None, "{bad:?}");
        }
        assert_eq!(Reply::read(&Value::Nil, 1), None);
    }
}
