//! Lengths of time as configuration writes them: `250ms`, `30s`, `5m`, `24h`, `7d`, or several in turn: `1m30s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time; at most 36,500 days, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(std::time::Duration);

/// Why a text is not a [`Duration`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurationError {
    /// Not a whole number followed by a unit.
    Malformed,
    /// A number without a unit.
    NoUnit,
    /// A unit that is not known.
    UnknownUnit(String),
    /// More than 36,500 days.
    TooLong,
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST_MS: u64 = 36_500 * 86_400_000;

impl Duration {
    /// The `format` that marks a duration in a JSON Schema.
    pub(crate) const FORMAT: &'static str = "rampart-duration";

    /// Nothing.
    pub const ZERO: Self = Self(std::time::Duration::ZERO);

    /// So many milliseconds.
    pub const fn millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// So many seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::secs(minutes * 60)
    }

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::secs(hours * 3_600)
    }

    /// So many days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self::secs(days * 86_400)
    }

    /// The standard library's duration.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// True if it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let mut rest = text;
        let mut total: u64 = 0;
        loop {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            if number.is_empty() || (unit.is_empty() && !after.is_empty()) {
                return Err(DurationError::Malformed);
            }
            if unit.is_empty() {
                return Err(DurationError::NoUnit);
            }
            let (_, scale) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| DurationError::UnknownUnit(unit.to_owned()))?;
            let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
            total = part.and_then(|part| total.checked_add(part)).ok_or(DurationError::TooLong)?;
            if total > LONGEST_MS {
                return Err(DurationError::TooLong);
            }
            rest = after;
            if rest.is_empty() {
                return Ok(Self::millis(total));
            }
        }
    }
}

impl fmt::Display for Duration {
    /// The shortest exact form: `90s` is `1m30s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in UNITS {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a whole number with a unit"),
            Self::NoUnit => f.write_str("the unit is missing"),
            Self::UnknownUnit(unit) => write!(f, "unknown unit \"{unit}\""),
            Self::TooLong => f.write_str("longer than 36500d"),
        }
    }
}

impl std::error::Error for DurationError {}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format_args!("\"{text}\" is not a duration: {error}")))
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": Self::FORMAT,
            "pattern": "^([0-9]+(ms|s|m|h|d))+$",
            "examples": ["250ms", "30s", "5m", "24h", "7d"]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts() {
        let check = |text: &str, expect: Result<u64, DurationError>| {
            assert_eq!(text.parse::<Duration>(), expect.map(Duration::millis), "{text}");
        };
        check("250ms", Ok(250));
        check("30s", Ok(30_000));
        check("5m", Ok(300_000));
        check("24h", Ok(86_400_000));
        check("7d", Ok(604_800_000));
        check("1h30m", Ok(5_400_000));
        check("0s", Ok(0));
        check("36500d", Ok(36_500 * 86_400_000));
        check("36501d", Err(DurationError::TooLong));
        check("99999999999999999999s", Err(DurationError::TooLong));
        check("10", Err(DurationError::NoUnit));
        check("1h30", Err(DurationError::NoUnit));
        check("10 s", Err(DurationError::Malformed));
        check("s", Err(DurationError::Malformed));
        check("", Err(DurationError::Malformed));
        check("-1s", Err(DurationError::Malformed));
        check("1.5s", Err(DurationError::Malformed));
        check("1S", Err(DurationError::UnknownUnit("S".to_owned())));
        check("1µs", Err(DurationError::Malformed));
        check("1us", Err(DurationError::UnknownUnit("us".to_owned())));
    }

    proptest! {
        #[test]
        fn display_is_read_back(ms in 0..=LONGEST_MS) {
            let duration = Duration::millis(ms);
            prop_assert_eq!(duration.to_string().parse::<Duration>(), Ok(duration));
        }
    }
}
