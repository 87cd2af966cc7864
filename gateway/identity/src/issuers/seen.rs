//! Tokens whose signature was checked before.
//!
//! A caller brings the same token with every request, and checking an RSA signature takes longer than everything else that
//! is asked about it (18 us against 0.5 us for a look-up here, by `benches/token.rs`). What is remembered is that these very bytes were good under these rules and these keys; when it is
//! good is checked again with every use. Only good tokens are remembered, so strangers cannot fill the store. It holds no
//! token in clear text: the key is an HMAC under a key that this process drew.
//!
//! Bounded by the length of the tokens in it. Two generations take turns: when the young one is full it becomes the old
//! one, and what was in the old one and not used since is forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use ring::{hmac, rand};

use crate::jwt::{Times, Token};

const SHARDS: usize = 16;
/// Bytes of tokens in one generation of a shard at most: 8 MiB in all. What is kept of a token is about three times as
/// large as its text.
const GENERATION_BYTES: usize = 256 * 1_024;
/// What an entry costs beside the text of its token.
const ENTRY_BYTES: usize = 512;

/// Tokens whose signature was checked before.
pub(super) struct Seen {
    /// `None` where the system gave no randomness: then nothing is remembered.
    key: Option<hmac::Key>,
    shards: [Mutex<Shard>; SHARDS],
}

/// A token under a key of this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

/// A token that was good.
#[derive(Clone)]
pub(super) struct Good {
    pub(super) token: Arc<Token>,
    pub(super) times: Times,
    /// The digest of the keys that were used.
    pub(super) keys: [u8; 16],
}

#[derive(Default)]
struct Shard {
    young: HashMap<(TokenHash, [u8; 16]), (Good, usize)>,
    young_bytes: usize,
    old: HashMap<(TokenHash, [u8; 16]), (Good, usize)>,
}

// === impl Seen ===

impl Seen {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).ok();
        Self { key, shards: Default::default() }
    }

    pub(super) fn hash(&self, token: &[u8]) -> Option<TokenHash> {
        let tag = hmac::sign(self.key.as_ref()?, token);
        tag.as_ref().try_into().ok().map(TokenHash)
    }

    /// What is remembered of the token under the rules of `issuer` and these keys.
    pub(super) fn get(&self, token: TokenHash, issuer: &[u8; 16], keys: &[u8; 16]) -> Option<Good> {
        let found = self.shard(token)?.lock().get(&(token, *issuer))?;
        (found.keys == *keys).then_some(found)
    }

    /// Remembers a token of so many bytes.
    pub(super) fn put(&self, token: TokenHash, issuer: &[u8; 16], token_bytes: usize, good: Good) {
        if let Some(shard) = self.shard(token) {
            shard.lock().put((token, *issuer), good, token_bytes + ENTRY_BYTES);
        }
    }

    fn shard(&self, token: TokenHash) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::from(token.0.first()? % 16))
    }
}

// === impl Shard ===

impl Shard {
    fn get(&mut self, key: &(TokenHash, [u8; 16])) -> Option<Good> {
        if let Some((good, _)) = self.young.get(key) {
            return Some(good.clone());
        }
        let (good, bytes) = self.old.remove(key)?;
        self.put(*key, good.clone(), bytes);
        Some(good)
    }

    fn put(&mut self, key: (TokenHash, [u8; 16]), good: Good, bytes: usize) {
        if self.young_bytes.saturating_add(bytes) > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let replaced = self.young.insert(key, (good, bytes)).map_or(0, |(_, bytes)| bytes);
        self.young_bytes = self.young_bytes.saturating_add(bytes).saturating_sub(replaced);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::jwt::{Rules, object};

    fn good(keys: u8) -> Good {
        let rules = Rules {
            name: "main".into(),
            issuer: None,
            audience: Box::new([]),
            require: Box::new([]),
            subject: "sub".into(),
            tenant: None,
            scopes: "scope".into(),
            leeway: Duration::ZERO,
            max_age: None,
        };
        let (token, times) = rules.check(object(br#"{"sub":"a"}"#).unwrap(), UNIX_EPOCH).unwrap();
        Good { token: Arc::new(token), times, keys: [keys; 16] }
    }

    #[test]
    fn found_under_the_same_rules_and_keys_only() {
        let seen = Seen::new();
        let token = seen.hash(b"a.b.c").unwrap();
        seen.put(token, &[1; 16], 5, good(7));
        assert!(seen.get(token, &[1; 16], &[7; 16]).is_some());
        assert!(seen.get(token, &[2; 16], &[7; 16]).is_none(), "other rules");
        assert!(seen.get(token, &[1; 16], &[8; 16]).is_none(), "other keys");
        assert!(seen.get(seen.hash(b"a.b.d").unwrap(), &[1; 16], &[7; 16]).is_none(), "another token");
        assert!(Seen::new().hash(b"a.b.c") != Some(token), "every process has a key of its own");
    }

    #[test]
    fn the_store_is_bounded_and_forgets_what_is_not_used() {
        let seen = Seen::new();
        let used = seen.hash(b"used").unwrap();
        seen.put(used, &[0; 16], 800, good(0));
        let count = 20 * SHARDS * GENERATION_BYTES / (800 + ENTRY_BYTES);
        for index in 0..count {
            let token = seen.hash(&index.to_be_bytes()).unwrap();
            seen.put(token, &[0; 16], 800, good(0));
            assert!(seen.get(used, &[0; 16], &[0; 16]).is_some(), "{index}");
        }
        let count = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        };
        let kept: usize = seen.shards.iter().map(count).sum();
        let most = 2 * SHARDS * GENERATION_BYTES / (800 + ENTRY_BYTES);
        assert!(kept <= most && kept > most / 3, "{kept} of {most}");
        assert!(seen.get(seen.hash(&0_usize.to_be_bytes()).unwrap(), &[0; 16], &[0; 16]).is_none());
    }
}
