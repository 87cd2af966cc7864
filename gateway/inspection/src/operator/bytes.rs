//! `outside_bytes` (SecLang: `@validateByteRange`): matches when the value holds a byte outside the allowed ones.
//!
//! Example: `SecRule ARGS "@validateByteRange 1-255"` finds NUL. ModSecurity 3 passes over a range that it cannot read;
//! here it is an error. Without any range no byte is allowed.

use std::ops::Range;

use rampart_settings::Place;

use crate::literals::Clauses;

/// The allowed bytes.
#[derive(Debug)]
pub(crate) struct Bytes {
    allowed: Box<[bool; 256]>,
}

impl Bytes {
    /// Reads `"9,10,13,32-126"`.
    pub(crate) fn compile(text: &str, place: &Place<'_>) -> Option<Self> {
        match Self::of(text) {
            Ok(bytes) => Some(bytes),
            Err((error, Some(help))) => {
                place.error_help(error, help);
                None
            }
            Err((error, None)) => {
                place.error(error);
                None
            }
        }
    }

    /// As [`Self::compile`]; nothing at all allows no byte.
    pub(super) fn of_parameter(text: &[u8]) -> Result<Self, String> {
        if text.trim_ascii().is_empty() {
            return Ok(Self { allowed: Box::new([false; 256]) });
        }
        let text = std::str::from_utf8(text).map_err(|_| "a range of bytes is written in digits".to_owned())?;
        Self::of(text).map_err(|(error, help)| help.map_or_else(|| error.clone(), |help| format!("{error}; {help}")))
    }

    fn of(text: &str) -> Result<Self, (String, Option<&'static str>)> {
        let mut allowed = Box::new([false; 256]);
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.trim().parse::<u8>(), last.trim().parse::<u8>()) else {
                let error = format!("\"{part}\" is no byte and no range of bytes");
                return Err((error, Some("write 0 to 255, or 32-126")));
            };
            if first > last {
                return Err((format!("the range \"{part}\" is empty"), None));
            }
            for byte in first..=last {
                if let Some(slot) = allowed.get_mut(usize::from(byte)) {
                    *slot = true;
                }
            }
        }
        Ok(Self { allowed })
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        let at = value.iter().position(|byte| !self.allowed.get(usize::from(*byte)).copied().unwrap_or(true))?;
        Some(at..at + 1)
    }

    pub(crate) fn clauses(&self) -> Clauses {
        Clauses::any_byte((0..=255u8).zip(self.allowed.iter()).filter(|(_, allowed)| !**allowed).map(|(byte, _)| byte))
    }
}
