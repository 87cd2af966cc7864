//! Byte classes: one pass over a value says which kinds of bytes it holds, and that decides which transformations can
//! change it and which rules can match it. Cheaper than asking each of them.

/// A set of byte classes, one bit each. Every sign of ASCII is a class of its own; letters, digits, control characters
/// and the bytes from 128 on are classes of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ByteSet(u64);

impl ByteSet {
    pub(crate) const UPPER: Self = Self(1);
    pub(crate) const LOWER: Self = Self(1 << 1);
    pub(crate) const DIGIT: Self = Self(1 << 2);
    pub(crate) const SPACE: Self = Self::of_byte(b' ');
    /// Tab, line feed, vertical tab, form feed, carriage return.
    pub(crate) const BLANK: Self = Self(0b11 << 3);
    pub(crate) const NUL: Self = Self(1 << 5);
    pub(crate) const HIGH: Self = Self(0b111 << 6);
    pub(crate) const PERCENT: Self = Self::of_byte(b'%');
    pub(crate) const PLUS: Self = Self::of_byte(b'+');
    pub(crate) const BACKSLASH: Self = Self::of_byte(b'\\');
    pub(crate) const AMPERSAND: Self = Self::of_byte(b'&');
    pub(crate) const SLASH: Self = Self::of_byte(b'/');
    pub(crate) const STAR: Self = Self::of_byte(b'*');
    pub(crate) const DOT: Self = Self::of_byte(b'.');
    pub(crate) const SINGLE_QUOTE: Self = Self::of_byte(b'\'');
    pub(crate) const DOUBLE_QUOTE: Self = Self::of_byte(b'"');
    pub(crate) const CARET: Self = Self::of_byte(b'^');
    /// `,` and `;`.
    pub(crate) const COMMA: Self = Self::of_byte(b',').or(Self::of_byte(b';'));
    pub(crate) const HASH: Self = Self::of_byte(b'#');
    pub(crate) const DASH: Self = Self::of_byte(b'-');
    /// `<` and `>`.
    pub(crate) const ANGLE: Self = Self::of_byte(b'<').or(Self::of_byte(b'>'));
    /// Control characters that are neither white space nor NUL.
    const CONTROL: Self = Self(1 << 9);
    /// Bits before this one are classes of many bytes; from it on the signs follow in the order of ASCII.
    const FIRST_SIGN: u8 = 10;

    /// The class of a byte.
    pub(crate) const fn of_byte(byte: u8) -> Self {
        match byte {
            b'A'..=b'Z' => Self::UPPER,
            b'a'..=b'z' => Self::LOWER,
            b'0'..=b'9' => Self::DIGIT,
            // The line breaks apart from the others: patterns ask for them.
            b'\n' | b'\r' => Self(1 << 3),
            b'\t' | 0x0B | 0x0C => Self(1 << 4),
            0 => Self::NUL,
            0x01..0x20 | 0x7F => Self::CONTROL,
            0x80..=0xBF => Self(1 << 6),
            0xC0..=0xDF => Self(1 << 7),
            0xE0.. => Self(1 << 8),
            b' '..=b'/' => Self(1 << (Self::FIRST_SIGN + byte - b' ')),
            b':'..=b'@' => Self(1 << (Self::FIRST_SIGN + 16 + byte - b':')),
            b'['..=b'`' => Self(1 << (Self::FIRST_SIGN + 23 + byte - b'[')),
            b'{'..=b'~' => Self(1 << (Self::FIRST_SIGN + 29 + byte - b'{')),
        }
    }

    /// The classes of these bytes: a value without any of them holds none of the bytes.
    pub(crate) fn covering(bytes: impl IntoIterator<Item = u8>) -> Self {
        bytes.into_iter().fold(Self::default(), |set, byte| set.or(Self::of_byte(byte)))
    }

    /// Both sets together.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a class.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// How likely it is that a value meets the set, for comparing sets.
    pub(crate) const fn commonness(self) -> u32 {
        const COMMON: ByteSet = ByteSet(0b111).or(ByteSet::SPACE).or(ByteSet::DOT).or(ByteSet::DASH).or(ByteSet::SLASH);
        16 * (self.0 & COMMON.0).count_ones() + self.0.count_ones()
    }

    /// The classes of the same bytes in lower case.
    pub(crate) const fn lowered(self) -> Self {
        if self.meets(Self::UPPER) { Self(self.0 & !Self::UPPER.0 | Self::LOWER.0) } else { self }
    }

    /// Whether every class of the set is in the other one.
    #[cfg(test)]
    pub(crate) const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether there is no class in it.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes of the bytes of `value`.
    pub(crate) fn of(value: &[u8]) -> Self {
        // Four accumulators: the loads are independent, so the loop is bound by throughput and not by latency.
        let mut chunks = value.chunks_exact(4);
        let (mut a, mut b, mut c, mut d) = (0, 0, 0, 0);
        for chunk in &mut chunks {
            if let [w, x, y, z] = chunk {
                a |= class(*w);
                b |= class(*x);
                c |= class(*y);
                d |= class(*z);
            }
        }
        for byte in chunks.remainder() {
            a |= class(*byte);
        }
        Self(a | b | c | d)
    }
}

#[expect(clippy::indexing_slicing, reason = "a table of 256 entries indexed by a byte")]
fn class(byte: u8) -> u64 {
    CLASSES[byte as usize]
}

static CLASSES: [u64; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling; the index stays below 256")]
const fn classes() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let set = ByteSet::of_byte(byte as u8);
        table[byte] = set.0;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_exactly_one_class() {
        for byte in 0..=255u8 {
            assert_eq!(class(byte).count_ones(), 1, "{byte:#x}");
            assert_eq!(ByteSet::of(&[byte]).0, class(byte));
        }
    }

    #[test]
    fn every_sign_has_a_class_of_its_own() {
        for byte in (0..=255u8).filter(|byte| *byte == b' ' || byte.is_ascii_punctuation()) {
            let same: Vec<u8> = (0..=255).filter(|other| class(*other) == class(byte)).collect();
            assert_eq!(same, [byte]);
        }
    }

    #[test]
    fn sees_every_position() {
        for length in 1..12 {
            for at in 0..length {
                let mut value = vec![b'a'; length];
                value[at] = b'%';
                assert!(ByteSet::of(&value).meets(ByteSet::PERCENT), "{at} of {length}");
            }
        }
    }
}
