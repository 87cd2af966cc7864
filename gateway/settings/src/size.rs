//! Amounts of bytes as configuration writes them: `8MiB`, `64KiB`, `10MB`, or a plain integer of bytes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of bytes; at most 2^63 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(u64);

/// Why a text is not a [`Size`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SizeError {
    /// Not a whole number followed by a unit.
    Malformed,
    /// A number in quotes without a unit.
    NoUnit,
    /// A unit that is not known.
    UnknownUnit(String),
    /// More than 2^63 - 1 bytes.
    TooLarge,
}

/// Binary units first: what is exact in both is printed in these.
const UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];
const LARGEST: u64 = i64::MAX as u64;

impl Size {
    /// The `format` that marks a size in a JSON Schema.
    pub(crate) const FORMAT: &'static str = "rampart-size";

    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1,024 bytes.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many times 1,048,576 bytes.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// So many times 1,073,741,824 bytes.
    pub const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// The amount in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The amount in bytes, as lengths in memory are counted.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        if number.is_empty() || !unit.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(SizeError::Malformed);
        }
        if unit.is_empty() {
            return Err(SizeError::NoUnit);
        }
        let (_, scale) =
            UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| SizeError::UnknownUnit(unit.to_owned()))?;
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
        bytes.filter(|bytes| *bytes <= LARGEST).map(Self).ok_or(SizeError::TooLarge)
    }
}

impl fmt::Display for Size {
    /// In the largest unit in which it is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().filter(|(_, scale)| self.0 >= *scale && self.0.is_multiple_of(*scale));
        let (unit, scale) = whole.min_by_key(|(_, scale)| self.0 / *scale).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a whole number with a unit"),
            Self::NoUnit => f.write_str("the unit is missing"),
            Self::UnknownUnit(unit) => write!(f, "unknown unit \"{unit}\""),
            Self::TooLarge => f.write_str("larger than 2^63 - 1 bytes"),
        }
    }
}

impl std::error::Error for SizeError {}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"8MiB\", or an integer of bytes")
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::custom("a size is not negative"))
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                if bytes > LARGEST { Err(E::custom(SizeError::TooLarge)) } else { Ok(Size(bytes)) }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(|error| E::custom(format_args!("\"{text}\" is not a size: {error}")))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "format": Self::FORMAT,
            "pattern": "^[0-9]+ ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$",
            "minimum": 0,
            "examples": ["64KiB", "8MiB", "10MB", 65536]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts() {
        let check = |text: &str, expect: Result<u64, SizeError>| {
            assert_eq!(text.parse::<Size>(), expect.map(Size::new), "{text}");
        };
        check("0B", Ok(0));
        check("64KiB", Ok(65_536));
        check("8MiB", Ok(8 << 20));
        check("8 MiB", Ok(8 << 20));
        check("10MB", Ok(10_000_000));
        check("1kB", Ok(1_000));
        check("1TiB", Ok(1 << 40));
        check("8388607TiB", Ok(8_388_607 << 40));
        check("8388608TiB", Err(SizeError::TooLarge));
        check("99999999999999999999B", Err(SizeError::TooLarge));
        check("64", Err(SizeError::NoUnit));
        check("MiB", Err(SizeError::Malformed));
        check("1.5MiB", Err(SizeError::Malformed));
        check("-1B", Err(SizeError::Malformed));
        check("8Mb", Err(SizeError::UnknownUnit("Mb".to_owned())));
        check("8mib", Err(SizeError::UnknownUnit("mib".to_owned())));
    }

    #[test]
    fn display_is_short() {
        let check = |bytes: u64, expect: &str| assert_eq!(Size::new(bytes).to_string(), expect);
        check(0, "0B");
        check(10 << 20, "10MiB");
        check(10_000_000, "10MB");
        check(65_537, "65537B");
        check(1 << 40, "1TiB");
    }

    proptest! {
        #[test]
        fn display_is_read_back(bytes in 0..=LARGEST) {
            let size = Size::new(bytes);
            prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        }
    }
}
