//! A part of a whole as configuration writes it: `"20%"`, or the fraction `0.2`.
//!
//! Kept in hundredths of a percent, so that what is compared with counts are integers.

use std::fmt;

use rampart_settings::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hundredths of a percent in a whole.
const WHOLE: u16 = 10_000;

/// A part of a whole: `"20%"` or `0.2`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawShare {
    /// A fraction from 0 to 1.
    Fraction(f64),
    /// A percentage from `"0%"` to `"100%"`.
    Percent(String),
}

/// A part of a whole, in hundredths of a percent: 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl RawShare {
    /// So many percent.
    pub(crate) fn percent(percent: u8) -> Self {
        Self::Percent(format!("{percent}%"))
    }
}

impl Share {
    /// So many percent; more than 100 are 100.
    pub const fn percent(percent: u8) -> Self {
        Self(if percent >= 100 { WHOLE } else { percent as u16 * 100 })
    }

    /// Reads `raw`, which stands at `place`. What is no share is reported and counts as nothing.
    pub fn compile(raw: &RawShare, place: &Place<'_>) -> Self {
        let fraction = match raw {
            RawShare::Fraction(fraction) => Some(*fraction),
            RawShare::Percent(text) => {
                let digits =
                    text.strip_suffix('%').filter(|digits| digits.starts_with(|first: char| first.is_ascii_digit()));
                digits.and_then(|digits| digits.parse::<f64>().ok()).map(|percent| percent / 100.0)
            }
        };
        let Some(fraction) = fraction.filter(|fraction| (0.0..=1.0).contains(fraction)) else {
            place.error_help("not a part of a whole", "write \"20%\" (at most \"100%\"), or the fraction 0.2");
            return Self(0);
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 10,000, as checked above"
        )]
        let hundredths = (fraction * f64::from(WHOLE)).round() as u16;
        Self(hundredths)
    }

    /// True if it is no part at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// So much of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / u128::from(WHOLE);
        u64::try_from(part).unwrap_or(whole)
    }

    /// Whether `part` is at least this share of `whole`.
    pub fn is_reached_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(WHOLE) >= u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 / 100)?;
        match self.0 % 100 {
            0 => {}
            hundredths => write!(f, ".{hundredths:02}")?,
        }
        f.write_str("%")
    }
}

#[cfg(test)]
mod tests {
    use rampart_settings::Report;

    use super::*;

    #[track_caller]
    fn check(raw: &RawShare, expect: Option<&str>) {
        let report = Report::new();
        let share = Share::compile(raw, &Place::nowhere("test", &report));
        assert_eq!(report.is_ok().then(|| share.to_string()).as_deref(), expect, "{raw:?}");
    }

    #[test]
    fn texts_and_fractions() {
        let text = |text: &str| RawShare::Percent(text.to_owned());
        check(&text("20%"), Some("20%"));
        check(&text("0%"), Some("0%"));
        check(&text("100%"), Some("100%"));
        check(&text("12.5%"), Some("12.50%"));
        check(&RawShare::Fraction(0.5), Some("50%"));
        check(&RawShare::Fraction(1.0), Some("100%"));
        check(&RawShare::Fraction(0.3), Some("30%"));
        for wrong in ["20", "%", "", "-1%", "101%", "nan%", "inf%", "+5%", " 5%", "5 %"] {
            check(&text(wrong), None);
        }
        for wrong in [-0.1, 1.01, 20.0, f64::NAN, f64::INFINITY] {
            check(&RawShare::Fraction(wrong), None);
        }
    }

    #[test]
    fn parts_of_counts() {
        let half = Share::percent(50);
        assert_eq!((half.of(0), half.of(1), half.of(3), half.of(u64::MAX)), (0, 0, 1, u64::MAX / 2));
        assert_eq!((Share::percent(100).of(u64::MAX), Share::percent(0).of(9)), (u64::MAX, 0));
        assert!(half.is_reached_by(1, 2) && half.is_reached_by(2, 3) && !half.is_reached_by(1, 3));
        assert!(half.is_reached_by(0, 0), "nothing of nothing");
    }
}
