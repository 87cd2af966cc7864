//! Keys and tokens for tests.
//!
//! The RSA key is the one of RFC 7515 appendix A.2, because the library below makes no RSA keys. The others are made for
//! each test.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rampart_secrets::{Secret, SecretRef};
use rampart_settings::{Document, Place, Report, Severity, Source};
use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use ring::{hmac, rsa};

use crate::issuer::{Issuer, RawIssuer, Sources};

pub(crate) const RFC_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm\
4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7\
WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9\
gb54h4FRWyuXpoQ";
const RFC_D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui39\
5IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU\
2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOop\
znQ";
const RFC_P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn\
7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const RFC_Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62w\
Dmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const RFC_DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12\
Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const RFC_DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjM\
d2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const RFC_QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKL\
EdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";

/// What can sign.
pub(crate) enum Signer {
    Shared(hmac::Key),
    /// With the padding that is asked for.
    Rsa(&'static dyn signature::RsaEncoding),
    Curve(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn hs256(secret: &[u8]) -> Self {
        Self::Shared(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn rs256() -> Self {
        Self::Rsa(&signature::RSA_PKCS1_SHA256)
    }

    pub(crate) fn es256() -> Self {
        Self::curve(&ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub(crate) fn es384() -> Self {
        Self::curve(&ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn curve(algorithm: &'static signature::EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Curve(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Shared(key) => hmac::sign(key, text).as_ref().to_vec(),
            Self::Rsa(padding) => {
                let key = rsa_pair();
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*padding, &random, text, &mut signature).unwrap();
                signature
            }
            Self::Curve(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(text).as_ref().to_vec(),
        }
    }

    /// A token of these texts, whatever they are.
    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The public key as an entry of a set, with these members besides.
    pub(crate) fn jwk(&self, members: &str) -> String {
        let more = if members.is_empty() { String::new() } else { format!(",{members}") };
        let public = match self {
            Self::Shared(_) => unreachable!("a shared secret has no public key"),
            Self::Rsa(_) => format!(r#""kty":"RSA","n":"{RFC_N}","e":"AQAB""#),
            Self::Curve(key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                format!(r#""kty":"EC","crv":"{curve}","x":"{}","y":"{}""#, encode(x), encode(y))
            }
            Self::Ed25519(key) => format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, encode(key.public_key())),
        };
        format!("{{{public}{more}}}")
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn rsa_pair() -> rsa::KeyPair {
    let [n, d, p, q, dp, dq, qi] = [RFC_N, RFC_D, RFC_P, RFC_Q, RFC_DP, RFC_DQ, RFC_QI].map(decode);
    let public_key = rsa::PublicKeyComponents { n, e: vec![1, 0, 1] };
    rsa::KeyPair::from_components(&rsa::KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi }).unwrap()
}

/// A set of these entries.
pub(crate) fn set_of(entries: &[String]) -> String {
    format!("{{\"keys\":[{}]}}", entries.join(","))
}

/// An issuer from its table, with what its secret and its file hold.
pub(crate) fn issuer(toml: &str, secret: &[u8], file: &[u8]) -> Issuer {
    let (issuer, found) = compile(toml, secret, file);
    assert!(!found.iter().any(|(severity, _)| *severity == Severity::Error), "{found:?}");
    issuer.unwrap()
}

/// What compiling the table gives, and what it reports.
pub(crate) fn compile(toml: &str, secret: &[u8], file: &[u8]) -> (Option<Issuer>, Vec<(Severity, String)>) {
    let report = Report::new();
    let document = Document::parse(Source::new("rules/test.toml", toml), &report).unwrap();
    let raw: RawIssuer = toml::from_str(toml).unwrap();
    let secret_bytes = secret.to_vec();
    let secret = move |_: &SecretRef, _: &Place<'_>| {
        (!secret_bytes.is_empty()).then(|| Secret::new(secret_bytes.clone()).into())
    };
    let file_bytes = file.to_vec();
    let file = move |_: &Path, _: &Place<'_>| Some(file_bytes.clone());
    let sources = Sources { secret: &secret, file: &file };
    let issuer = Issuer::compile("main", &raw, &sources, &document.root(&report));
    let found = report.into_sorted().into_iter();
    (issuer, found.map(|found| (found.severity, format!("{}: {}", found.path, found.message))).collect())
}
