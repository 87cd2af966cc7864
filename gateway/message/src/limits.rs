//! The bounds of every parser: one name, one unit and one default each.
//!
//! A profile's `[limits]` table names some of them; the rest come from the profile it extends. Exceeding one is a
//! [`Problem`](crate::Problem) with the limit's name, and what lies beyond the bounds that protect the process
//! ([`MAX_DEPTH`], `arguments`, `decoded_body`) is not read.

use schemars::JsonSchema;
use serde::Deserialize;

/// The deepest nesting that any document parser follows, whatever the profile says: beyond it parsing stops.
pub const MAX_DEPTH: usize = 512;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $default:expr, $min:literal..=$max:literal;)*) => {
        /// The bounds of every parser. All are inclusive: a request at the bound is within it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits { $($(#[$doc])* pub $name: usize,)* }

        impl Limits {
            /// The defaults of the shipped `default` profile.
            pub const DEFAULT: Self = Self { $($name: $default,)* };
            /// The names of all limits, as in the configuration.
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
            $($(#[$doc])* #[schemars(range(min = $min, max = $max))] #[serde(default)] pub $name: Option<u32>,)*
        }

        impl RawLimits {
            /// These limits, and those of `base` where nothing is said. Ranges are part of the schema.
            pub fn compile(&self, base: &Limits) -> Limits {
                Limits { $($name: self.$name.map_or(base.$name, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),)* }
            }
        }
    };
}

limits! {
    /// The body as it arrives, in bytes.
    body: 10 << 20, 0..=1_073_741_824;
    /// The body after its content codings are undone, in bytes.
    decoded_body: 10 << 20, 0..=1_073_741_824;
    /// Decoded bytes per encoded byte, once more than 64 KiB are decoded.
    decompression_ratio: 100, 1..=10_000;
    /// Content codings upon one another.
    content_encodings: 2, 0..=4;

    /// The request target as received, in bytes.
    uri_length: 8 << 10, 1..=1_048_576;
    /// Parameters of the query string.
    query_parameters: 256, 0..=100_000;
    /// Cookies of all Cookie fields together.
    cookies: 128, 0..=10_000;
    /// Header fields.
    header_count: 100, 1..=10_000;
    /// One header field, name and value, in bytes.
    header_length: 16 << 10, 1..=1_048_576;
    /// All header fields, names and values, in bytes.
    header_bytes: 64 << 10, 1..=4_194_304;

    /// Values of the whole request; what comes after is not read.
    arguments: 20_000, 1..=1_000_000;
    /// The name of an argument (parameter, form field, cookie, JSON key), in bytes.
    argument_name_length: 256, 1..=1_048_576;
    /// A string: query, form and cookie values, JSON strings, XML texts and attributes, in bytes after decoding.
    string_length: 10_000, 1..=1_073_741_824;
    /// Fields of a urlencoded form.
    form_fields: 1_000, 0..=1_000_000;

    /// Nesting of JSON arrays and objects; a scalar document has depth 0.
    json_depth: 10, 0..=512;
    /// Elements of one JSON array.
    array_length: 1_000, 0..=1_000_000;
    /// Members of one JSON object.
    object_keys: 1_000, 0..=1_000_000;
    /// A JSON number as written, in bytes.
    number_length: 64, 1..=1_048_576;

    /// Nesting of XML elements.
    xml_depth: 32, 0..=512;
    /// Attributes of one XML element.
    xml_attributes: 64, 0..=10_000;

    /// Parts of a multipart body.
    multipart_parts: 128, 0..=100_000;
    /// The header fields of one part, in bytes.
    part_header_bytes: 8 << 10, 1..=1_048_576;
    /// Files of a multipart body.
    files: 32, 0..=10_000;
    /// One file, in bytes.
    file_size: 10 << 20, 0..=1_073_741_824;
    /// A file name, in bytes.
    file_name_length: 255, 1..=65_536;
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
