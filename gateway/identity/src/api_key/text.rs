//! The text of a key, and its digest: made, recognised, taken apart.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Characters of the public id.
pub const ID_CHARACTERS: usize = 16;
/// Bytes of a whole key.
pub const KEY_BYTES: usize = PREFIX.len() + ID_CHARACTERS + 1 + RANDOM_CHARACTERS + CHECK_CHARACTERS;
/// A key as a regular expression, for scanners that look for leaked ones.
pub const PATTERN: &str = r"\brk_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}\b";

const PREFIX: &[u8] = b"rk_";
const RANDOM_CHARACTERS: usize = 37;
const CHECK_CHARACTERS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of 62 in a byte: what lies above would make the first letters likelier.
const FAIR_BELOW: u8 = 248;

/// A key that was just made. Its text is shown once and kept nowhere: `Debug` does not print it, and it is wiped when
/// dropped.
pub struct NewKey {
    text: String,
}

/// What the configuration has of a key: `sha256:ID:DIGEST`, the digest in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest {
    /// The public id.
    pub id: [u8; ID_CHARACTERS],
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
}

/// Why a text is not a [`KeyDigest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDigest {
    /// It is the key itself.
    #[error("this is the key itself, and a configuration must not have it")]
    Key,
    /// Not `sha256:ID:DIGEST`.
    #[error(
        "not of the form sha256:ID:DIGEST, with an id of {ID_CHARACTERS} letters and digits and 64 hexadecimal digits"
    )]
    Form,
}

/// Whether a text claims to be a key: whatever follows, it is no token.
pub(crate) fn looks_like_one(text: &[u8]) -> bool {
    text.starts_with(PREFIX)
}

/// Whether a key, or what has the form of one, stands anywhere in a text: [`PATTERN`] without the bounds.
pub(crate) fn stands_in(text: &[u8]) -> bool {
    text.windows(KEY_BYTES).any(|window| {
        let rest = window.strip_prefix(PREFIX).and_then(|rest| rest.split_first_chunk::<ID_CHARACTERS>());
        rest.and_then(|(id, rest)| Some((id, rest.strip_prefix(b"_")?)))
            .is_some_and(|(id, secret)| id.iter().chain(secret).all(u8::is_ascii_alphanumeric))
    })
}

/// The id of a well-formed key. Whether the key is known is another question.
pub(super) fn parse(text: &[u8]) -> Option<[u8; ID_CHARACTERS]> {
    if text.len() != KEY_BYTES {
        return None;
    }
    let (id, rest) = text.strip_prefix(PREFIX)?.split_first_chunk::<ID_CHARACTERS>()?;
    let secret = rest.strip_prefix(b"_")?;
    let (signed, check) = text.split_last_chunk::<CHECK_CHARACTERS>()?;
    let letters = id.iter().chain(secret).all(u8::is_ascii_alphanumeric);
    (letters && *check == checksum(signed)).then_some(*id)
}

/// CRC-32 (ISO 3309, as in zip) of the text before it, as six digits to the base of 62.
fn checksum(text: &[u8]) -> [u8; CHECK_CHARACTERS] {
    let mut rest = crc32(text);
    let mut digits = [b'0'; CHECK_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = letter(rest % 62);
        rest /= 62;
    }
    digits
}

fn letter(value: u32) -> u8 {
    usize::try_from(value).ok().and_then(|value| ALPHABET.get(value)).copied().unwrap_or(b'0')
}

fn crc32(text: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in text {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (0xEDB8_8320 * carry);
        }
    }
    !crc
}

// === impl NewKey ===

impl NewKey {
    /// Makes a key of random bytes, which `fill` provides.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn make<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut text = String::with_capacity(KEY_BYTES);
        text.push_str("rk_");
        random_letters(&mut text, ID_CHARACTERS, &mut fill)?;
        text.push('_');
        random_letters(&mut text, RANDOM_CHARACTERS, &mut fill)?;
        let check = checksum(text.as_bytes());
        text.extend(check.iter().map(|&byte| char::from(byte)));
        Ok(Self { text })
    }

    /// The key that `text` is.
    pub fn read(text: &str) -> Option<Self> {
        parse(text.as_bytes())?;
        Some(Self { text: text.to_owned() })
    }

    /// The key itself, to be handed out.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What the configuration has of it.
    pub fn digest(&self) -> Option<KeyDigest> {
        let id = parse(self.text.as_bytes())?;
        Some(KeyDigest { id, digest: Sha256::digest(self.text.as_bytes()).into() })
    }
}

fn random_letters<E>(
    text: &mut String,
    count: usize,
    fill: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let end = text.len() + count;
    let mut bytes = [0; 64];
    while text.len() < end {
        fill(&mut bytes)?;
        let fair = bytes.iter().filter(|&&byte| byte < FAIR_BELOW).take(end - text.len());
        text.extend(fair.map(|&byte| char::from(letter(u32::from(byte % 62)))));
    }
    bytes.zeroize();
    Ok(())
}

impl Drop for NewKey {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

// === impl KeyDigest ===

impl FromStr for KeyDigest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        if looks_like_one(text.as_bytes()) || text.contains("rk_") {
            return Err(BadDigest::Key);
        }
        let (id, hex) = text.strip_prefix("sha256:").and_then(|rest| rest.split_once(':')).ok_or(BadDigest::Form)?;
        let id: [u8; ID_CHARACTERS] = id.as_bytes().try_into().map_err(|_| BadDigest::Form)?;
        if !id.iter().all(u8::is_ascii_alphanumeric) || hex.len() != 64 || !hex.is_ascii() {
            return Err(BadDigest::Form);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(BadDigest::Form)?;
        }
        Ok(Self { id, digest })
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.id.iter().try_for_each(|&byte| write!(f, "{}", char::from(byte)))?;
        f.write_str(":")?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A well-formed key that begins with `beginning`, as someone makes it who knows the checksum and not the secret.
#[cfg(test)]
pub(super) fn forge(beginning: &str, letter: char) -> String {
    let mut text = format!("{beginning}{}", letter.to_string().repeat(RANDOM_CHARACTERS));
    let check = checksum(text.as_bytes());
    text.extend(check.iter().map(|&byte| char::from(byte)));
    text
}
