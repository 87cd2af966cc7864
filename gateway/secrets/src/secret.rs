//! A secret in memory: it does not print itself, is wiped when dropped, and is compared without telling how far it was
//! right. It has no `Serialize` and no `Clone` by accident: whoever copies it says so.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that must not be seen.
pub struct Secret(Zeroizing<Box<[u8]>>);

// === impl Secret ===

impl Secret {
    /// Takes over the bytes; the buffer they came in is wiped.
    pub fn new(bytes: Vec<u8>) -> Self {
        let source = Zeroizing::new(bytes);
        Self(Zeroizing::new(source.as_slice().into()))
    }

    /// The bytes. Do not log, print or keep them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text; `None` when it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether `candidate` is the secret. The time that takes depends on the candidate's length alone, so it may tell
    /// whether the lengths differ, and nothing else.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, for whoever really needs one.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl PartialEq for Secret {
    /// In constant time, as [`Secret::matches`].
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_prints_itself() {
        #[derive(Debug)]
        struct Holder {
            #[expect(dead_code, reason = "read by the derived Debug only")]
            token: Option<Secret>,
        }
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "[redacted] [redacted] [redacted]");
        assert_eq!(format!("{:?}", Holder { token: Some(secret) }), "Holder { token: Some([redacted]) }");
    }

    #[test]
    fn it_matches_itself_alone() {
        fn check(candidate: &str, expect: bool) {
            let secret = Secret::from("hunter2".to_owned());
            assert_eq!(secret.matches(candidate.as_bytes()), expect, "{candidate}");
            assert_eq!(secret == Secret::from(candidate.to_owned()), expect, "{candidate}");
        }
        check("hunter2", true);
        check("hunter3", false);
        check("hunter", false);
        check("hunter22", false);
        check("", false);
    }

    #[test]
    fn it_is_text_only_where_it_is_text() {
        assert_eq!(Secret::new(b"abc".to_vec()).expose_str(), Some("abc"));
        assert_eq!(Secret::new(vec![0xFF, 0x00]).expose_str(), None);
        assert_eq!(Secret::new(vec![0xFF, 0x00]).expose(), [0xFF, 0x00]);
        assert_eq!(Secret::new(b"abc".to_vec()).duplicate().expose(), b"abc");
    }
}
