//! Tokens. What nobody signed is never good, whatever its bytes; what is signed is good only if its header and claims say
//! what the issuer asks for; and a token that is good is good in one spelling.
//!
//! The input: a byte that chooses. Either the token itself follows, or, divided by a NUL, a header and claims that the
//! issuer's key then signs, so that the checks behind the signature are reached.
#![no_main]

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use rampart_identity::issuer::{Issuer, RawIssuer, Sources};
use rampart_identity::{Issuers, Principal, Verification};
use rampart_secrets::{Secret, SecretRef};
use rampart_settings::{Document, Place, Report, Source, read};
use ring::hmac;
use serde_json::Value;

const SECRET: &[u8] = b"9f1d7c52e08b4a63d7f0c2b91e5a8d3649c7e1f2";
const NOW_S: u64 = 1_800_000_000;
const TABLE: &str = r#"
issuer = "https://a"
audience = ["b", "c"]
algorithms = ["HS256"]
key = "secret://env/KEY"
tenant = "org"
"#;

struct World {
    issuer: Arc<Issuer>,
    issuers: Issuers,
    key: hmac::Key,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let report = Report::new();
        let document = Document::parse(Source::new("issuer", TABLE), &report).unwrap();
        let raw: RawIssuer = read(&document, &report).unwrap();
        let secret = |_: &SecretRef, _: &Place<'_>| Some(Arc::new(Secret::new(SECRET.to_vec())));
        let file = |_: &Path, _: &Place<'_>| None;
        let sources = Sources { secret: &secret, file: &file };
        let issuer = Arc::new(Issuer::compile("main", &raw, &sources, &document.root(&report)).unwrap());
        let issuers = Issuers::new();
        issuers.reconcile(std::slice::from_ref(&issuer));
        let world = World { issuer, issuers, key: hmac::Key::new(hmac::HMAC_SHA256, SECRET) };
        let claims =
            format!("{{\"iss\":\"https://a\",\"aud\":\"b\",\"exp\":{},\"sub\":\"c\",\"org\":\"d\"}}", NOW_S + 60);
        let token = world.sign(b"{\"alg\":\"HS256\"}", claims.as_bytes());
        assert!(
            world.judge(token.as_bytes()).is_some(),
            "no token is good: what is behind the signature is out of reach"
        );
        world
    })
}

impl World {
    /// A token of this header and these claims.
    fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Whether the token is good; asked twice, since good tokens are remembered.
    fn judge(&self, token: &[u8]) -> Option<Principal> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW_S);
        let first = self.ask(token, now);
        let again = self.ask(token, now);
        assert_eq!(first.is_some(), again.is_some(), "what was remembered says otherwise");
        if first.is_some() {
            let late = now + Duration::from_secs(400 * 365 * 86_400 * 30);
            assert!(self.ask(token, late).is_none(), "it never expires");
        }
        first
    }

    fn ask(&self, token: &[u8], now: SystemTime) -> Option<Principal> {
        match self.issuers.verify(std::slice::from_ref(&self.issuer), token, now) {
            Verification::Good(token) => Principal::of_token(token).ok(),
            Verification::Refused { .. } => None,
            Verification::UnknownKey(_) => panic!("the keys are part of the configuration"),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let world = world();
    if choice % 4 == 0 {
        assert!(world.judge(rest).is_none(), "nobody signed this");
        return;
    }
    let (header, claims) = rampart_fuzz::halves(rest);
    let token = world.sign(header, claims);
    if let Some(principal) = world.judge(token.as_bytes()) {
        lawful(header, claims, &principal);
        one_spelling(world, token, usize::from(*choice));
    }
});

/// What a good token says, read by another parser.
fn lawful(header: &[u8], claims: &[u8], principal: &Principal) {
    let header: Value = serde_json::from_slice(header).expect("the header of a good token is JSON");
    let claims: Value = serde_json::from_slice(claims).expect("the claims of a good token are JSON");
    assert_eq!(header["alg"], "HS256");
    for refused in ["crit", "b64", "jku", "x5u"] {
        assert!(header.get(refused).is_none(), "{refused}");
    }
    assert_eq!(claims["iss"], "https://a");
    let named = |audience: &Value| audience == "b" || audience == "c";
    assert!(named(&claims["aud"]) || claims["aud"].as_array().is_some_and(|list| list.iter().any(named)));
    let now = NOW_S as f64;
    assert!(claims["exp"].as_f64().unwrap() > now - 30.0);
    for begins in ["nbf", "iat"] {
        assert!(claims.get(begins).is_none_or(|at| at.as_f64().unwrap() <= now + 30.0));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    assert_eq!(
        (text(&claims["sub"]), text(&claims["org"])),
        (principal.subject.to_string(), principal.tenant.to_string())
    );
    for name in [&principal.subject, &principal.tenant] {
        assert!(!name.is_empty() && name.len() <= 256 && !name.contains(char::is_control) && name.trim() == &**name);
    }
}

/// Any other text is another token, and nobody signed that.
fn one_spelling(world: &World, token: String, at: usize) {
    let mut bytes = token.into_bytes();
    for extra in [b"=".as_slice(), b"\n", b" ", b"."] {
        assert!(world.judge(&[&bytes, extra].concat()).is_none());
        assert!(world.judge(&[extra, &bytes].concat()).is_none());
    }
    let at = at * bytes.len() / 256;
    for bit in 0..8 {
        bytes[at] ^= 1 << bit;
        assert!(world.judge(&bytes).is_none(), "changed at {at}");
        bytes[at] ^= 1 << bit;
    }
}
