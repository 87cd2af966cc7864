//! The words that SQL knows, and the fingerprints of attacks: two hash tables that the compiler builds.
//!
//! Both come from files of one entry a line, so that they can be read and compared. A word is found by its first and last
//! bytes and its length in one probe on average; a fingerprint is packed into a number. A look-up allocates nothing and
//! copies nothing.

use super::token::{Kind, TEXT};

/// The words. A power of two, four times their number: most look-ups are of words that are not there, and end at once.
static WORDS: [Word; 1 << WORD_BITS] = build_words(WORD_LINES);
static WORD_LINES: &[u8] = include_bytes!("words.txt");
const WORD_BITS: u32 = 12;

/// The fingerprints, packed; 0: free. A power of two, twice their number.
static FINGERPRINTS: [u32; 1 << FINGERPRINT_BITS] = build_fingerprints(include_bytes!("fingerprints.txt"));
const FINGERPRINT_BITS: u32 = 14;

/// Bits of one kind in a packed fingerprint.
const KIND_BITS: u32 = 5;

/// For each hash of a word one bit: whether a phrase may begin with it. Spares most pairs of words from being joined.
static PHRASE_STARTS: [u64; 1 << (WORD_BITS - 6)] = build_phrase_starts(WORD_LINES);

/// Where a word stands in the file, and what it is. Length 0: free.
#[derive(Clone, Copy)]
struct Word {
    start: u16,
    len: u8,
    kind: Kind,
}

/// What kind of token a word, phrase or operator is, whatever its case; none for one that SQL does not know.
pub(crate) fn kind_of(word: &[u8]) -> Option<Kind> {
    find(word).map(|(kind, _)| kind)
}

/// The phrase that two words make with a space between them, in upper case, and its kind.
pub(crate) fn phrase(first: &[u8], second: &[u8]) -> Option<(Kind, &'static [u8])> {
    if !may_begin_phrase(first) {
        return None;
    }
    let mut joined = [b' '; TEXT];
    let text = joined.get_mut(..first.len() + 1 + second.len())?;
    let (start, rest) = text.split_at_mut(first.len());
    start.copy_from_slice(first);
    let (_space, end) = rest.split_first_mut()?;
    end.copy_from_slice(second);
    find(text)
}

/// A word as it stands in the table, and its kind.
fn find(word: &[u8]) -> Option<(Kind, &'static [u8])> {
    if word.is_empty() || word.len() > TEXT {
        return None;
    }
    let mut slot = hash_word(word);
    loop {
        let entry = WORDS.get(slot)?;
        if entry.len == 0 {
            return None;
        }
        if usize::from(entry.len) == word.len() {
            let start = usize::from(entry.start);
            let listed = WORD_LINES.get(start..start + word.len())?;
            if listed.eq_ignore_ascii_case(word) {
                return Some((entry.kind, listed));
            }
        }
        slot = (slot + 1) % WORDS.len();
    }
}

/// Whether a phrase of several words may begin with this text. False says surely not.
fn may_begin_phrase(text: &[u8]) -> bool {
    let hash = hash_word(text);
    PHRASE_STARTS.get(hash / 64).is_some_and(|bits| bits >> (hash % 64) & 1 == 1)
}

/// Whether a sequence of kinds is the fingerprint of an attack. Upper and lower case letters of kinds are alike.
pub(crate) fn is_attack(letters: &[u8]) -> bool {
    let Some(packed) = pack(letters) else { return false };
    let mut slot = hash_number(packed);
    loop {
        match FINGERPRINTS.get(slot) {
            Some(&found) if found == packed => return true,
            None | Some(0) => return false,
            Some(_) => slot = (slot + 1) % FINGERPRINTS.len(),
        }
    }
}

/// The letters as one number, which is not 0; none where there are no letters, or one that is in no fingerprint.
const fn pack(letters: &[u8]) -> Option<u32> {
    if letters.is_empty() {
        return None;
    }
    let mut packed = 0;
    let mut rest = letters;
    while let [letter, tail @ ..] = rest {
        let code = match letter.to_ascii_uppercase() {
            b'&' => 1,
            b'(' => 2,
            b')' => 3,
            b',' => 4,
            b'1' => 5,
            b':' => 6,
            b';' => 7,
            b'A' => 8,
            b'B' => 9,
            b'C' => 10,
            b'E' => 11,
            b'F' => 12,
            b'K' => 13,
            b'N' => 14,
            b'O' => 15,
            b'S' => 16,
            b'T' => 17,
            b'U' => 18,
            b'V' => 19,
            b'X' => 20,
            _ => return None,
        };
        packed = packed << KIND_BITS | code;
        rest = tail;
    }
    Some(packed)
}

/// The golden ratio in 64 bits: multiplication by it spreads numbers over the upper bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

const fn hash_number(packed: u32) -> usize {
    ((packed as u64).wrapping_mul(SPREAD) >> (u64::BITS - FINGERPRINT_BITS)) as usize
}

/// Made of the first and last eight bytes; bit 5, the case of letters, is left out.
const fn hash_word(word: &[u8]) -> usize {
    let (first, last) = match (word.first_chunk::<8>(), word.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (word.first_chunk::<4>(), word.last_chunk::<4>()) {
            (Some(first), Some(last)) => (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64),
            _ => match word {
                [first, second, last] => (*first as u64 | (*second as u64) << 8, *last as u64),
                [first, last] => (*first as u64, *last as u64),
                [only] => (*only as u64, 0),
                _ => (0, 0),
            },
        },
    };
    let case = 0xdfdf_dfdf_dfdf_dfdf;
    let mixed = (first & case) ^ (last & case).rotate_left(29) ^ (word.len() as u64) << 56;
    (mixed.wrapping_mul(SPREAD) >> (u64::BITS - WORD_BITS)) as usize
}

/// Reads `kind word` lines.
#[expect(clippy::indexing_slicing, clippy::panic, reason = "evaluated by the compiler: what fails does not compile")]
#[expect(clippy::cast_possible_truncation, reason = "the asserts check it, at compile time")]
const fn build_words(lines: &[u8]) -> [Word; 1 << WORD_BITS] {
    let mut table = [Word { start: 0, len: 0, kind: Kind::Unknown }; 1 << WORD_BITS];
    let mut at = 0;
    while at < lines.len() {
        let end = line_end(lines, at);
        if lines[at] != b'#' {
            assert!(end > at + 2 && end - at - 2 <= TEXT && end <= u16::MAX as usize && lines[at + 1] == b' ');
            let Some(kind) = Kind::of_word(lines[at]) else { panic!("a word of no kind") };
            let word = lines.split_at(end).0.split_at(at + 2).1;
            let mut slot = hash_word(word);
            while table[slot].len != 0 {
                slot = (slot + 1) % table.len();
            }
            table[slot] = Word { start: (at + 2) as u16, len: word.len() as u8, kind };
        }
        at = end + 1;
    }
    table
}

/// Marks what stands before each space of a word.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler: a wrong index does not compile")]
const fn build_phrase_starts(lines: &[u8]) -> [u64; 1 << (WORD_BITS - 6)] {
    let mut bits = [0; 1 << (WORD_BITS - 6)];
    let mut at = 0;
    while at < lines.len() {
        let end = line_end(lines, at);
        if lines[at] != b'#' {
            let word = lines.split_at(end).0.split_at(at + 2).1;
            let mut space = 0;
            while space < word.len() {
                if word[space] == b' ' {
                    let hash = hash_word(word.split_at(space).0);
                    bits[hash / 64] |= 1 << (hash % 64);
                }
                space += 1;
            }
        }
        at = end + 1;
    }
    bits
}

/// Reads lines of letters.
#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_stack_arrays,
    reason = "evaluated by the compiler: what fails does not compile, and its stack is not ours"
)]
const fn build_fingerprints(lines: &[u8]) -> [u32; 1 << FINGERPRINT_BITS] {
    let mut table = [0; 1 << FINGERPRINT_BITS];
    let mut at = 0;
    while at < lines.len() {
        let end = line_end(lines, at);
        if lines[at] != b'#' {
            let letters = lines.split_at(end).0.split_at(at).1;
            assert!(letters.len() <= 5);
            let Some(packed) = pack(letters) else { panic!("a letter of no kind") };
            let mut slot = hash_number(packed);
            while table[slot] != 0 {
                slot = (slot + 1) % table.len();
            }
            table[slot] = packed;
        }
        at = end + 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler: a wrong index does not compile")]
const fn line_end(lines: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < lines.len() && lines[at] != b'\n' {
        at += 1;
    }
    at
}
