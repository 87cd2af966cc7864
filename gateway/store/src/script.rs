//! Lua scripts, which Redis runs without anything in between.
//!
//! A script is named by the SHA-1 of its text (`EVALSHA`); name and version are in the first line of that text, so two
//! versions of a gateway that run side by side during an upgrade never run each other's script.

use sha1::{Digest, Sha1};

use crate::key::hexadecimal;

/// A script and what Redis calls it.
#[derive(Debug, Clone)]
pub struct Script {
    name: &'static str,
    source: Box<str>,
    digest: Box<str>,
}

// === impl Script ===

impl Script {
    /// `version` rises whenever the meaning of keys, arguments or stored values changes.
    pub fn new(name: &'static str, version: u32, source: &str) -> Self {
        let source = format!("-- rampart {name} {version}\n{source}");
        let digest = hexadecimal(&Sha1::digest(source.as_bytes()));
        Self { name, source: source.into(), digest: digest.into() }
    }

    /// Its name in metrics and logs.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text, with the line that names it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-1 of the text, 40 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_different_names() {
        let first = Script::new("take", 1, "return 1");
        assert_eq!(first.source(), "-- rampart take 1\nreturn 1");
        assert_eq!(first.digest().len(), 40);
        assert_ne!(first.digest(), Script::new("take", 2, "return 1").digest());
        assert_ne!(first.digest(), Script::new("give", 1, "return 1").digest());
        assert_eq!(first.digest(), Script::new("take", 1, "return 1").digest());
    }
}
