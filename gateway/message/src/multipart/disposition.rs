//! Content-Disposition of a part (RFC 7578 section 4.2): the name of the field and of the file.
//!
//! Browsers escape a quote as `%22` and leave backslashes alone; mail-like parsers undo backslashes; PHP takes single
//! quotes for quotes. So a backslash or a single quote is a fault, whatever is made of it here.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Fault;
use crate::content_type::Parameters;
use crate::percent::{Plus, decode};

/// A Content-Disposition.
#[derive(Debug, Default)]
pub(super) struct Disposition<'a> {
    /// Whether its type is `form-data`.
    pub(super) form_data: bool,
    /// Every `name`, the one that counts first.
    pub(super) names: SmallVec<[Cow<'a, [u8]>; 1]>,
    /// Every `filename`, and `filename*` after them.
    pub(super) file_names: SmallVec<[Cow<'a, [u8]>; 1]>,
    /// What is wrong with it.
    pub(super) faults: SmallVec<[Fault; 2]>,
}

impl<'a> Disposition<'a> {
    /// Parses the value of the field.
    pub(super) fn parse(value: &'a [u8]) -> Self {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (kind, rest) = value.split_at_checked(end).unwrap_or_default();
        let mut parsed = Self { form_data: kind.trim_ascii().eq_ignore_ascii_case(b"form-data"), ..Self::default() };
        let mut extended = SmallVec::<[Cow<'a, [u8]>; 1]>::new();
        let mut parameters = Parameters::new(rest);
        for parameter in parameters.by_ref() {
            let escaped = matches!(parameter.value, Cow::Owned(_));
            if escaped || parameter.value.first() == Some(&b'\'') {
                parsed.faults.push(Fault::OddQuoting);
            }
            match parameter.name {
                name if name.eq_ignore_ascii_case(b"name") => parsed.names.push(parameter.value),
                name if name.eq_ignore_ascii_case(b"filename") => parsed.file_names.push(parameter.value),
                name if name.contains(&b'*') => {
                    parsed.faults.push(Fault::ExtendedFileName);
                    extended.push(extended_value(parameter.value));
                }
                _ => {}
            }
        }
        if parameters.odd.is_some() {
            parsed.faults.push(Fault::OddParameter);
        }
        if parsed.names.len() > 1 || parsed.file_names.len() > 1 {
            parsed.faults.push(Fault::RepeatedParameter);
        }
        parsed.file_names.extend(extended);
        parsed
    }
}

/// The text of an RFC 5987 value: `charset'language'escaped`.
fn extended_value(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let start = value.splitn(3, |&byte| byte == b'\'').nth(2).map_or(0, |text| value.len() - text.len());
    match value {
        Cow::Borrowed(value) => decode(value.get(start..).unwrap_or_default(), Plus::Literal).bytes,
        Cow::Owned(value) => {
            Cow::Owned(decode(value.get(start..).unwrap_or_default(), Plus::Literal).bytes.into_owned())
        }
    }
}
