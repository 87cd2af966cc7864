//! Keys that check signatures, each bound to the algorithms that it is for.
//!
//! What a key is decides how it is used: bytes of an RSA key never reach an HMAC, whatever a token says, because no value of
//! these types holds that combination. The arithmetic is `ring`'s.

use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use ring::{agreement, hmac, rand};

use super::algorithm::{Algorithm, Family};

/// Bits of an RSA modulus, least and most. The most is what the arithmetic below takes.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// The largest public exponent that is taken, in bits: a larger one only makes checking slow.
const MAX_EXPONENT_BITS: u32 = 33;
/// What stands before a point that is not compressed (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A key, and what it may check.
#[derive(Debug)]
pub struct Key {
    /// Its `kid`.
    pub(crate) id: Option<Box<str>>,
    algorithms: Box<[Algorithm]>,
    material: Material,
}

enum Material {
    /// One prepared key for each algorithm.
    Hmac(Vec<(Algorithm, hmac::Key)>),
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
    /// The point, not compressed.
    Curve(Box<[u8]>),
    Ed25519([u8; 32]),
}

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Fewer than 2,048 bits.
    #[error("an RSA key of fewer than 2048 bits is too weak")]
    WeakRsa,
    /// More than 8,192 bits.
    #[error("an RSA key of more than 8192 bits is not supported")]
    LargeRsa,
    /// The modulus is even, or the exponent even, 1 or too large.
    #[error("the modulus or the exponent of the RSA key is wrong")]
    RsaNumbers,
    /// The point is not on the curve, or of the wrong length.
    #[error("the point of the key is not on its curve")]
    Point,
    /// The shared secret is too short for one of its algorithms.
    #[error("the shared secret has {given} bytes; {algorithm} needs {least} at least")]
    ShortSecret {
        /// Its length in bytes.
        given: usize,
        /// The algorithm that needs most.
        algorithm: Algorithm,
        /// What that needs.
        least: usize,
    },
    /// None of the algorithms is one of this kind of key.
    #[error("none of the issuer's algorithms is for this kind of key")]
    NoAlgorithm,
}

// === impl Key ===

impl Key {
    /// A shared secret. It has to be as long as the longest of the algorithms asks for.
    pub fn shared(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, BadKey> {
        let algorithms = of_family(algorithms, Family::Hmac)?;
        let longest =
            algorithms.iter().filter_map(|each| Some((each.least_secret_bytes()?, *each))).max_by_key(|each| each.0);
        if let Some((least, algorithm)) = longest.filter(|(least, _)| secret.len() < *least) {
            return Err(BadKey::ShortSecret { given: secret.len(), algorithm, least });
        }
        let prepared = algorithms.iter().filter_map(|each| Some((*each, hmac::Key::new(hmac_of(*each)?, secret))));
        let material = Material::Hmac(prepared.collect());
        Ok(Self { id: None, algorithms, material })
    }

    /// An RSA key by its modulus and exponent, both as big-endian numbers.
    pub fn rsa(modulus: &[u8], exponent: &[u8], algorithms: &[Algorithm]) -> Result<Self, BadKey> {
        let (n, e) = (without_zeros(modulus), without_zeros(exponent));
        let bits = bits_of(n);
        if bits < *RSA_BITS.start() {
            return Err(BadKey::WeakRsa);
        }
        if bits > *RSA_BITS.end() {
            return Err(BadKey::LargeRsa);
        }
        let exponent = e.iter().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? | u64::from(*byte)));
        let good = exponent.is_some_and(|e| e >= 3 && e % 2 == 1 && e < 1 << MAX_EXPONENT_BITS);
        if !good || n.last().is_none_or(|last| last % 2 == 0) {
            return Err(BadKey::RsaNumbers);
        }
        let material = Material::Rsa(RsaPublicKeyComponents { n: n.into(), e: e.into() });
        Ok(Self { id: None, algorithms: of_family(algorithms, Family::Rsa)?, material })
    }

    /// A key on P-256 or P-384 by its point, not compressed: 0x04, x, y.
    pub fn curve(point: &[u8], family: Family, algorithms: &[Algorithm]) -> Result<Self, BadKey> {
        let (curve, coordinate_bytes) = match family {
            Family::P256 => (&agreement::ECDH_P256, 32),
            Family::P384 => (&agreement::ECDH_P384, 48),
            _ => return Err(BadKey::NoAlgorithm),
        };
        let right_form = point.len() == 1 + 2 * coordinate_bytes && point.first() == Some(&UNCOMPRESSED);
        if !right_form || !is_on_curve(point, curve) {
            return Err(BadKey::Point);
        }
        Ok(Self { id: None, algorithms: of_family(algorithms, family)?, material: Material::Curve(point.into()) })
    }

    /// A key on Edwards 25519.
    pub fn ed25519(point: &[u8], algorithms: &[Algorithm]) -> Result<Self, BadKey> {
        let point = point.try_into().map_err(|_| BadKey::Point)?;
        Ok(Self { id: None, algorithms: of_family(algorithms, Family::Ed25519)?, material: Material::Ed25519(point) })
    }

    /// The same key under a name.
    #[must_use]
    pub fn named(self, id: Option<&str>) -> Self {
        Self { id: id.map(Into::into), ..self }
    }

    /// Whether this key may check signatures of `algorithm`.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `signature` is this key's over `signed` by `algorithm`. Never, where the key is not for it.
    pub fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.allows(algorithm) {
            return false;
        }
        match &self.material {
            Material::Hmac(keys) => {
                let key = keys.iter().find(|(of, _)| *of == algorithm);
                key.is_some_and(|(_, key)| hmac::verify(key, signed, signature).is_ok())
            }
            Material::Rsa(key) => {
                rsa_of(algorithm).is_some_and(|parameters| key.verify(parameters, signed, signature).is_ok())
            }
            Material::Curve(point) => curve_of(algorithm).is_some_and(|verification| {
                UnparsedPublicKey::new(verification, point).verify(signed, signature).is_ok()
            }),
            Material::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(signed, signature).is_ok()
            }
        }
    }

    /// Whether both are the same key for the same use, whatever they are called.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.algorithms == other.algorithms
            && match (&self.material, &other.material) {
                (Material::Rsa(one), Material::Rsa(two)) => (&one.n, &one.e) == (&two.n, &two.e),
                (Material::Curve(one), Material::Curve(two)) => one == two,
                (Material::Ed25519(one), Material::Ed25519(two)) => one == two,
                _ => false,
            }
    }

    /// What tells this key from others: its public numbers, and nothing about a shared secret.
    pub(crate) fn description(&self) -> Vec<u8> {
        let mut text = format!("{:?} {:?}\n", self.id, self.algorithms).into_bytes();
        match &self.material {
            Material::Hmac(keys) => {
                for (_, key) in keys {
                    text.extend(hmac::sign(key, b"which key").as_ref());
                }
            }
            Material::Rsa(key) => {
                text.extend((key.n.len() as u64).to_be_bytes());
                text.extend(&key.n);
                text.extend(&key.e);
            }
            Material::Curve(point) => text.extend(point),
            Material::Ed25519(point) => text.extend(point),
        }
        text
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "shared secret",
            Self::Rsa(_) => "RSA key",
            Self::Curve(_) => "key on a curve",
            Self::Ed25519(_) => "Ed25519 key",
        })
    }
}

/// Those of `algorithms` that such a key is for.
fn of_family(algorithms: &[Algorithm], family: Family) -> Result<Box<[Algorithm]>, BadKey> {
    let found: Box<[Algorithm]> = algorithms.iter().copied().filter(|each| each.family() == family).collect();
    if found.is_empty() { Err(BadKey::NoAlgorithm) } else { Ok(found) }
}

fn hmac_of(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn rsa_of(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// Signatures are r and s of fixed length, not DER (RFC 7518 section 3.4).
fn curve_of(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Some(&signature::ECDSA_P384_SHA384_FIXED),
        _ => None,
    }
}

/// A point is looked at by agreeing on a secret with it, which is thrown away: the library has no other way to ask.
/// Without randomness the question cannot be put, and the point is judged when a signature is checked.
fn is_on_curve(point: &[u8], curve: &'static agreement::Algorithm) -> bool {
    let random = rand::SystemRandom::new();
    let Ok(ours) = agreement::EphemeralPrivateKey::generate(curve, &random) else { return true };
    agreement::agree_ephemeral(ours, &agreement::UnparsedPublicKey::new(curve, point), |_| ()).is_ok()
}

/// Some issuers put a zero in front, as ASN.1 does (RFC 7518 section 6.3.1.1 knows them).
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The length in bits of a number without zeros in front.
fn bits_of(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros() as usize);
    number.len().saturating_mul(8).saturating_sub(unused)
}
