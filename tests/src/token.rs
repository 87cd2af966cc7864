//! Tokens as an issuer makes them, and as who forges them would: a header and claims of any content, signed by any key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// What `iss` is in the tokens of [`claims`].
pub const ISSUER: &str = "https://login.test";

/// What `aud` is in them.
pub const AUDIENCE: &str = "agents";

/// Before the point of a P-256 key: `SubjectPublicKeyInfo` of `id-ecPublicKey` on `prime256v1` (RFC 5480).
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key that signs tokens.
pub struct SigningKey {
    id: String,
    kind: Kind,
}

enum Kind {
    Curve(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Shared(hmac::Key),
}

impl SigningKey {
    /// A fresh key for ES256, published as `id`.
    pub fn es256(id: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), kind: Kind::Curve(pair) }
    }

    /// A fresh key for EdDSA.
    pub fn ed25519(id: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), kind: Kind::Edwards(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap()) }
    }

    /// A secret for HS256: one that both sides have, or a public key in a forger's hands.
    pub fn hs256(id: &str, secret: &[u8]) -> Self {
        Self { id: id.to_owned(), kind: Kind::Shared(hmac::Key::new(hmac::HMAC_SHA256, secret)) }
    }

    /// Its `kid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its entry in a JSON Web Key Set.
    pub fn jwk(&self) -> Value {
        match &self.kind {
            Kind::Curve(key) => {
                // 4, then the two coordinates.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": encode(x), "y": encode(y)})
            }
            Kind::Edwards(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": encode(key.public_key().as_ref())})
            }
            Kind::Shared(_) => panic!("a shared secret is not published"),
        }
    }

    /// The public key of ES256 as a PEM file.
    pub fn public_pem(&self) -> String {
        let Kind::Curve(key) = &self.kind else { panic!("only ES256 keys are written as PEM here") };
        let info = STANDARD.encode([&P256_INFO, key.public_key().as_ref()].concat());
        let lines: Vec<&str> = info.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The header that an issuer writes.
    pub fn header(&self) -> Value {
        let algorithm = match &self.kind {
            Kind::Curve(_) => "ES256",
            Kind::Edwards(_) => "EdDSA",
            Kind::Shared(_) => "HS256",
        };
        json!({"alg": algorithm, "typ": "JWT", "kid": self.id})
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// A token with this header, whatever it says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of these two texts, which need not even be JSON.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.kind {
            Kind::Curve(key) => key.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec(),
            Kind::Edwards(key) => key.sign(text).as_ref().to_vec(),
            Kind::Shared(key) => hmac::sign(key, text).as_ref().to_vec(),
        }
    }
}

/// A token that nobody signed.
pub fn unsigned(algorithm: &str, claims: &Value) -> String {
    let header = json!({"alg": algorithm, "typ": "JWT"});
    format!("{}.{}.", encode(header.to_string()), encode(claims.to_string()))
}

/// The claims of a good token for `subject`, an hour long, for [`AUDIENCE`] by [`ISSUER`].
pub fn claims(subject: &str) -> Value {
    let now = now_s();
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3_600})
}

/// `claims` with these members added, or put in place of those that are there; `null` takes one out.
pub fn with(mut claims: Value, members: &Value) -> Value {
    let into = claims.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(into.remove(name)),
            value => drop(into.insert(name.clone(), value.clone())),
        }
    }
    claims
}

/// base64url without padding (RFC 7515 section 2).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The time as claims write it.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap()
}
