//! The bounds of every parser: one name, one unit and one default each.
//!
//! A profile's `[limits]` table names some of them; the rest come from the profile it extends. Exceeding one is a
//! [`Problem`](crate::Problem) with the limit's name, and what lies beyond the bounds that protect the process
//! ([`MAX_DEPTH`], `arguments`, `decoded_body`) is not read.

use std::ops::RangeInclusive;

use rampart_settings::{Place, Size};
use schemars::JsonSchema;
use serde::Deserialize;

/// The deepest nesting that any document parser follows, whatever the profile says: beyond it parsing stops.
pub const MAX_DEPTH: usize = 512;

/// How a limit is written: a count is a plain number, a size may have a unit (`"10MiB"`).
macro_rules! raw_type {
    (count) => {
        u32
    };
    (size) => {
        Size
    };
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $unit:ident = $default:expr, $min:literal..=$max:literal;)*) => {
        /// The bounds of every parser. All are inclusive: a request at the bound is within it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits { $($(#[$doc])* pub $name: usize,)* }

        impl Limits {
            /// The defaults of the shipped `default` profile.
            pub const DEFAULT: Self = Self { $($name: $default,)* };
            /// Every limit at its upper bound.
            const LARGEST: Self = Self { $($name: $max,)* };
            /// The names of all limits, as in the configuration and in the detail of a problem.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Every limit with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, usize)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        /// The `[profile.NAME.limits]` table: what it does not name stays as it was.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct RawLimits {
            $($(#[$doc])* #[serde(default)] pub $name: Option<raw_type!($unit)>,)*
        }

        impl RawLimits {
            /// These limits, and those of `base` where nothing is said. A limit out of its range is reported at `place`
            /// (the table) and stays as in `base`.
            pub fn compile(&self, base: &Limits, place: &Place<'_>) -> Limits {
                Limits {
                    $($name: match self.$name {
                        Some(given) => within(u64::from_limit(given), $min..=$max, &place.key(stringify!($name)))
                            .unwrap_or(base.$name),
                        None => base.$name,
                    },)*
                }
            }
        }
    };
}

impl Limits {
    /// What protects the process and nothing else: for profiles whose rules judge content by limits of their own, as
    /// the OWASP Core Rule Set does.
    pub const PROCESS: Self = Self {
        body: Self::DEFAULT.body,
        decoded_body: Self::DEFAULT.decoded_body,
        decompression_ratio: Self::DEFAULT.decompression_ratio,
        content_encodings: Self::DEFAULT.content_encodings,
        ..Self::LARGEST
    };
}

/// A limit as a number, whatever its unit.
trait FromLimit<T> {
    fn from_limit(limit: T) -> Self;
}

impl FromLimit<u32> for u64 {
    fn from_limit(limit: u32) -> Self {
        Self::from(limit)
    }
}

impl FromLimit<Size> for u64 {
    fn from_limit(limit: Size) -> Self {
        limit.bytes()
    }
}

fn within(given: u64, range: RangeInclusive<u64>, place: &Place<'_>) -> Option<usize> {
    if range.contains(&given) {
        return usize::try_from(given).ok();
    }
    place.error(format!("{given} is out of range: {} to {}", range.start(), range.end()));
    None
}

limits! {
    /// The body as it arrives, in bytes.
    body: size = 10 << 20, 0..=1_073_741_824;
    /// The body after its content codings are undone, in bytes.
    decoded_body: size = 10 << 20, 0..=1_073_741_824;
    /// Decoded bytes per encoded byte, once more than 64 KiB are decoded.
    decompression_ratio: count = 100, 1..=10_000;
    /// Content codings upon one another.
    content_encodings: count = 2, 0..=4;

    /// The request target as received, in bytes.
    uri_length: size = 8 << 10, 1..=1_048_576;
    /// Parameters of the query string.
    query_parameters: count = 256, 0..=100_000;
    /// Cookies of all Cookie fields together.
    cookies: count = 128, 0..=10_000;
    /// Header fields.
    header_count: count = 100, 1..=10_000;
    /// One header field, name and value, in bytes.
    header_length: size = 16 << 10, 1..=1_048_576;
    /// All header fields, names and values, in bytes.
    header_bytes: size = 64 << 10, 1..=4_194_304;

    /// Values of the whole request; what comes after is not read one by one.
    arguments: count = 20_000, 1..=1_000_000;
    /// The name of an argument (parameter, form field, cookie, JSON key), in bytes.
    argument_name_length: size = 256, 1..=1_048_576;
    /// A string: query, form and cookie values, JSON strings, XML texts and attributes, in bytes after decoding.
    string_length: size = 10_000, 1..=1_073_741_824;
    /// Fields of a urlencoded form.
    form_fields: count = 1_000, 0..=1_000_000;

    /// Nesting of JSON arrays and objects; a scalar document has depth 0.
    json_depth: count = 10, 0..=512;
    /// Elements of one JSON array.
    array_length: count = 1_000, 0..=1_000_000;
    /// Members of one JSON object.
    object_keys: count = 1_000, 0..=1_000_000;
    /// A JSON number as written, in bytes.
    number_length: size = 64, 1..=1_048_576;

    /// Nesting of XML elements.
    xml_depth: count = 32, 0..=512;
    /// Attributes of one XML element.
    xml_attributes: count = 64, 0..=10_000;

    /// Parts of a multipart body.
    multipart_parts: count = 128, 0..=100_000;
    /// The header fields of one part, in bytes.
    part_header_bytes: size = 8 << 10, 1..=1_048_576;
    /// Files of a multipart body.
    files: count = 32, 0..=10_000;
    /// One file, in bytes.
    file_size: size = 10 << 20, 0..=1_073_741_824;
    /// A file name, in bytes.
    file_name_length: size = 255, 1..=65_536;
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use rampart_settings::Report;

    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let raw = RawLimits { body: Some(Size::kib(64)), json_depth: Some(20), ..RawLimits::default() };
        let report = Report::new();
        let limits = raw.compile(&Limits::DEFAULT, &Place::nowhere("limits", &report));
        assert_eq!(limits, Limits { body: 64 << 10, json_depth: 20, ..Limits::DEFAULT });
        assert!(report.is_ok());
    }

    #[test]
    fn out_of_range_is_an_error_and_changes_nothing() {
        let raw = RawLimits { json_depth: Some(513), uri_length: Some(Size::new(0)), ..RawLimits::default() };
        let report = Report::new();
        assert_eq!(raw.compile(&Limits::DEFAULT, &Place::nowhere("limits", &report)), Limits::DEFAULT);
        assert_eq!(report.errors(), 2);
    }

    #[test]
    fn every_default_is_within_its_range() {
        let raw = RawLimits::default();
        let report = Report::new();
        assert_eq!(raw.compile(&Limits::DEFAULT, &Place::nowhere("limits", &report)), Limits::DEFAULT);
        assert_eq!(Limits::DEFAULT.iter().count(), Limits::NAMES.len());
    }
}
