//! Byte classes: one pass over a value says which kinds of bytes it holds, and that decides which transformations can
//! change it. Cheaper than asking each of them.

/// A set of byte classes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ByteSet(u32);

impl ByteSet {
    pub(crate) const UPPER: Self = Self(1);
    pub(crate) const LOWER: Self = Self(1 << 1);
    pub(crate) const DIGIT: Self = Self(1 << 2);
    pub(crate) const SPACE: Self = Self(1 << 3);
    /// Tab, line feed, vertical tab, form feed, carriage return.
    pub(crate) const BLANK: Self = Self(1 << 4);
    pub(crate) const NUL: Self = Self(1 << 5);
    pub(crate) const HIGH: Self = Self(1 << 6);
    pub(crate) const PERCENT: Self = Self(1 << 7);
    pub(crate) const PLUS: Self = Self(1 << 8);
    pub(crate) const BACKSLASH: Self = Self(1 << 9);
    pub(crate) const AMPERSAND: Self = Self(1 << 10);
    pub(crate) const SLASH: Self = Self(1 << 11);
    pub(crate) const STAR: Self = Self(1 << 12);
    pub(crate) const DOT: Self = Self(1 << 13);
    pub(crate) const SINGLE_QUOTE: Self = Self(1 << 14);
    pub(crate) const DOUBLE_QUOTE: Self = Self(1 << 15);
    pub(crate) const CARET: Self = Self(1 << 16);
    /// `,` and `;`.
    pub(crate) const COMMA: Self = Self(1 << 17);
    pub(crate) const HASH: Self = Self(1 << 18);
    pub(crate) const DASH: Self = Self(1 << 19);
    /// `<` and `>`.
    pub(crate) const ANGLE: Self = Self(1 << 20);
    const OTHER: Self = Self(1 << 21);

    /// Both sets together.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a class.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
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
fn class(byte: u8) -> u32 {
    CLASSES[byte as usize]
}

static CLASSES: [u32; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling; the index stays below 256")]
const fn classes() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let set = match byte as u8 {
            b'A'..=b'Z' => ByteSet::UPPER,
            b'a'..=b'z' => ByteSet::LOWER,
            b'0'..=b'9' => ByteSet::DIGIT,
            b' ' => ByteSet::SPACE,
            b'\t'..=b'\r' => ByteSet::BLANK,
            0 => ByteSet::NUL,
            0x80.. => ByteSet::HIGH,
            b'%' => ByteSet::PERCENT,
            b'+' => ByteSet::PLUS,
            b'\\' => ByteSet::BACKSLASH,
            b'&' => ByteSet::AMPERSAND,
            b'/' => ByteSet::SLASH,
            b'*' => ByteSet::STAR,
            b'.' => ByteSet::DOT,
            b'\'' => ByteSet::SINGLE_QUOTE,
            b'"' => ByteSet::DOUBLE_QUOTE,
            b'^' => ByteSet::CARET,
            b',' | b';' => ByteSet::COMMA,
            b'#' => ByteSet::HASH,
            b'-' => ByteSet::DASH,
            b'<' | b'>' => ByteSet::ANGLE,
            _ => ByteSet::OTHER,
        };
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
