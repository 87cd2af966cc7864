//! The secret that all gateways of a cluster share, and what is made of it: names that tell nothing, and values that
//! only a gateway can have written.
//!
//! - Names: HMAC-SHA-256 (RFC 2104) under a key of its own, cut to 16 bytes. Who reads Redis learns no client address,
//!   user or path from it, and cannot test a guess.
//! - Values: AES-256-GCM. Each value has a key of its own, which HKDF (RFC 5869) derives from the secret, the domain
//!   and 16 random bytes, so random nonces never come near their bound, however much is sealed. Who writes to Redis can
//!   delete values, but not make, change or swap them: domain and `aad` (such as the name of the key) are bound in.
//!
//! A secret is rotated in two steps: the new one becomes `cluster_key` and the old one `cluster_key_previous`
//! everywhere; later the old one goes. A sealed value says by which it was sealed. Names are made with the current
//! secret alone: at a rotation counters start anew and caches are cold.

use std::fmt;
use std::sync::Arc;

use rampart_secrets::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::key::hexadecimal;

/// Bytes that sealing adds.
pub const SEAL_BYTES: usize = HEAD + 16;

/// The shortest secret, in bytes: 32 hexadecimal digits hold 128 bits.
pub(crate) const SHORTEST: usize = 32;

const FORMAT: u8 = 1;
const ID: usize = 4;
const SALT: usize = 16;
const HEAD: usize = 1 + ID + SALT + NONCE_LEN;

/// The shared secret, ready for use. Cheap to clone; never prints itself.
#[derive(Clone)]
pub struct ClusterKey(Arc<Inner>);

struct Inner {
    current: Generation,
    previous: Option<Generation>,
    random: SystemRandom,
}

struct Generation {
    id: [u8; ID],
    names: hmac::Key,
    secret: Arc<Secret>,
}

/// Why a value cannot be opened. None of it is told to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or of another format.
    #[error("it is no sealed value")]
    Format,
    /// Neither the current nor the previous secret sealed it.
    #[error("it was sealed with another cluster_key")]
    Key,
    /// It was changed, or sealed for another domain or name.
    #[error("it was changed after it was sealed, or sealed for something else")]
    Forged,
}

/// The system has no random numbers; the value was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers")]
pub struct NoRandom;

// === impl ClusterKey ===

impl PartialEq for ClusterKey {
    /// Whether both hash, seal and open alike.
    fn eq(&self, other: &Self) -> bool {
        let previous = |key: &Self| key.0.previous.as_ref().map(|generation| Arc::clone(&generation.secret));
        self.0.current.secret == other.0.current.secret && previous(self) == previous(other)
    }
}

impl ClusterKey {
    /// `previous` opens what it sealed, and does nothing else.
    pub fn new(current: Arc<Secret>, previous: Option<Arc<Secret>>) -> Self {
        let previous = previous.map(Generation::new);
        Self(Arc::new(Inner { current: Generation::new(current), previous, random: SystemRandom::new() }))
    }

    /// A name for `parts` within `domain`: the same for all gateways with this secret, and for nobody else. Lengths are
    /// part of it, so `("ab", "c")` and `("a", "bc")` differ.
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0.current.names);
        for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        first(context.sign().as_ref())
    }

    /// What tells the current secret from others, and the previous one: 8 hexadecimal digits each, the same that sealed
    /// values carry. They tell nothing of the secrets.
    pub(crate) fn ids(&self) -> (String, Option<String>) {
        let id = |generation: &Generation| hexadecimal(&generation.id);
        (id(&self.0.current), self.0.previous.as_ref().map(id))
    }

    /// Seals `plain` for `domain` and `aad`; the result is [`SEAL_BYTES`] longer.
    pub fn seal(&self, domain: &str, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoRandom> {
        let inner = &*self.0;
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE_LEN]);
        inner.random.fill(&mut salt).and_then(|()| inner.random.fill(&mut nonce)).map_err(|_| NoRandom)?;
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_BYTES);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&inner.current.id);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&nonce);
        let key = inner.current.value_key(domain, &salt).ok_or(NoRandom)?;
        let mut text = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(domain, aad), &mut text)
            .map_err(|_| NoRandom)?;
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what [`ClusterKey::seal`] made for the same `domain` and `aad`, with this secret or the previous one.
    pub fn open(&self, domain: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (head, text) = sealed.split_at_checked(HEAD).ok_or(OpenError::Format)?;
        let (format, head) = head.split_first().ok_or(OpenError::Format)?;
        let (id, head) = head.split_at_checked(ID).ok_or(OpenError::Format)?;
        let (salt, nonce) = head.split_at_checked(SALT).ok_or(OpenError::Format)?;
        if *format != FORMAT {
            return Err(OpenError::Format);
        }
        let generation = std::iter::once(&self.0.current)
            .chain(self.0.previous.as_ref())
            .find(|generation| generation.id == id)
            .ok_or(OpenError::Key)?;
        let key = generation.value_key(domain, salt).ok_or(OpenError::Key)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Format)?;
        let mut text = text.to_vec();
        let length = key.open_in_place(nonce, bound(domain, aad), &mut text).map_err(|_| OpenError::Forged)?.len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey([redacted])")
    }
}

// === impl Generation ===

impl Generation {
    fn new(secret: Arc<Secret>) -> Self {
        let id = first(&derive(&secret, b"", &[b"rampart key id 1"]));
        let names = derive(&secret, b"", &[b"rampart names 1"]);
        Self { id, names: hmac::Key::new(hmac::HMAC_SHA256, &names), secret }
    }

    fn value_key(&self, domain: &str, salt: &[u8]) -> Option<LessSafeKey> {
        let key = derive(&self.secret, salt, &[b"rampart values 1 ", domain.as_bytes()]);
        UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
    }
}

/// HKDF-SHA-256 (RFC 5869) for one block of output: extract with `salt`, expand with `info`.
fn derive(secret: &Secret, salt: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret.expose());
    let mut block = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
    for part in info {
        block.update(part);
    }
    block.update(&[1]);
    first(block.sign().as_ref())
}

/// The first bytes of a digest that is at least as long.
fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut cut = [0; N];
    cut.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    cut
}

fn bound(domain: &str, aad: &[u8]) -> Aad<Vec<u8>> {
    let mut framed = (domain.len() as u64).to_le_bytes().to_vec();
    framed.extend_from_slice(domain.as_bytes());
    framed.extend_from_slice(aad);
    Aad::from(framed)
}

#[cfg(test)]
mod tests;
