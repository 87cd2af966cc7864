//! A public key in a PEM file: `SubjectPublicKeyInfo` (RFC 5280 section 4.1; RFC 3279, RFC 5480 and RFC 8410 for the types).
//!
//! Just enough DER to find the key: two levels of sequences with definite lengths.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::BadSet;
use crate::jwt::{Algorithm, Family, Key};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// `id-ecPublicKey`, 1.2.840.10045.2.1.
const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// `secp256r1`, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// `secp384r1`, 1.3.132.0.34.
const P384: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x22];
/// `id-Ed25519`, 1.3.101.112.
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];

pub(super) fn read(text: &[u8], algorithms: &[Algorithm]) -> Result<Key, BadSet> {
    const NO_KEY: BadSet = BadSet::Pem("the file holds no public key: -----BEGIN PUBLIC KEY-----");
    if memchr::memmem::find(text, b"PRIVATE KEY-----").is_some() {
        return Err(BadSet::Pem("the file holds a private key; the gateway needs the public one only"));
    }
    let mut sections = SubjectPublicKeyInfoDer::pem_slice_iter(text);
    let info = sections.next().ok_or(NO_KEY)?.map_err(|_| NO_KEY)?;
    if sections.next().is_some() {
        return Err(BadSet::Pem("the file holds more than one key; use jwks_file for several"));
    }
    key_in(&info, algorithms).ok_or(BadSet::Pem("the public key is no RSA, P-256, P-384 or Ed25519 key"))?
}

/// `None` where the bytes are no `SubjectPublicKeyInfo` of a known type.
fn key_in(info: &[u8], algorithms: &[Algorithm]) -> Option<Result<Key, BadSet>> {
    let mut outer = Der(info);
    let mut info = Der(outer.only(SEQUENCE)?);
    let mut algorithm = Der(info.take(SEQUENCE)?);
    // The first byte counts the bits that are unused in the last.
    let (0, key) = info.only(BIT_STRING)?.split_first().map(|(unused, key)| (*unused, key))? else { return None };
    let made = match algorithm.take(OBJECT_ID)? {
        RSA => {
            let mut numbers = Der(Der(key).only(SEQUENCE)?);
            let modulus = numbers.take(INTEGER)?;
            Key::rsa(modulus, numbers.only(INTEGER)?, algorithms)
        }
        EC => {
            let family = match algorithm.only(OBJECT_ID)? {
                P256 => Family::P256,
                P384 => Family::P384,
                _ => return None,
            };
            Key::curve(key, family, algorithms)
        }
        ED25519 => Key::ed25519(key, algorithms),
        _ => return None,
    };
    Some(made.map_err(BadSet::Bad))
}

/// What is left of some DER.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The content of the next element, which is a `tag`.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (given, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let length_bytes = usize::from(first & 0x7F);
        let (length, rest) = match first & 0x80 {
            0 => (length_bytes, rest),
            // Two bytes are enough for the largest key.
            _ if !(1..=2).contains(&length_bytes) => return None,
            _ => {
                let (length, rest) = rest.split_at_checked(length_bytes)?;
                (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*given == tag).then_some(content)
    }

    /// The content of the next element, which is a `tag` and the last.
    fn only(&mut self, tag: u8) -> Option<&'d [u8]> {
        let content = self.take(tag)?;
        self.0.is_empty().then_some(content)
    }
}
