//! `outside_bytes` (SecLang: `@validateByteRange`): matches when the value holds a byte outside the allowed ones.

use std::ops::Range;

use rampart_settings::Place;

/// The allowed bytes.
#[derive(Debug)]
pub(crate) struct Bytes {
    allowed: Box<[bool; 256]>,
}

impl Bytes {
    /// Reads `"9,10,13,32-126"`.
    pub(crate) fn compile(text: &str, place: &Place<'_>) -> Option<Self> {
        let mut allowed = Box::new([false; 256]);
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.trim().parse::<u8>(), last.trim().parse::<u8>()) else {
                place.error_help(format!("\"{part}\" is no byte and no range of bytes"), "write 0 to 255, or 32-126");
                return None;
            };
            if first > last {
                place.error(format!("the range \"{part}\" is empty"));
                return None;
            }
            for byte in first..=last {
                if let Some(slot) = allowed.get_mut(usize::from(byte)) {
                    *slot = true;
                }
            }
        }
        Some(Self { allowed })
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        let at = value.iter().position(|byte| !self.allowed.get(usize::from(*byte)).copied().unwrap_or(true))?;
        Some(at..at + 1)
    }
}
