//! Random numbers that protect nothing: they spread pauses, and tell gateways apart.

use ring::rand::{SecureRandom, SystemRandom};

/// A random number; 0 where the system has none.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    }
}
