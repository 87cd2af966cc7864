//! What a token costs: checked, and known from before. `cargo bench -p rampart-identity --bench token`.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rampart_identity::{Issuer, Issuers, RawIssuer, Sources, Verification};
use rampart_secrets::{Secret, SecretRef};
use rampart_settings::{Place, Report};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

const ROUNDS: u32 = 5_000;
const STORES: u32 = 200;

const NOW_S: u64 = 1_800_000_000;
const SECRET: &[u8] = b"q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe";
/// RFC 7515 appendix A.2, whose signature is over claims that hold `iss` and `exp` alone.
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF\
d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg66\
5xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc\
19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJ\
dbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12\
jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn issuer(algorithm: &str, source: &str, file: String) -> Result<[Arc<Issuer>; 1], Box<dyn Error>> {
    let raw: RawIssuer = toml::from_str(&format!("algorithms = [\"{algorithm}\"]\nsubject = \"iss\"\n{source}"))?;
    let report = Report::new();
    let secret = |_: &SecretRef, _: &Place<'_>| Some(Arc::new(Secret::new(SECRET.to_vec())));
    let file = move |_: &Path, _: &Place<'_>| Some(file.clone().into_bytes());
    let sources = Sources { secret: &secret, file: &file };
    let issuer = Issuer::compile("bench", &raw, &sources, &Place::nowhere("bench", &report));
    Ok([Arc::new(issuer.ok_or("the issuer does not compile")?)])
}

/// A token of about 700 bytes.
fn signed(algorithm: &str, number: usize, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    let header = encode(format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"2026-11"}}"#));
    let claims = format!(
        r#"{{"iss":"https://login.example","aud":["agents","rampart"],"sub":"user-{number}","exp":{},"scope":"{}","org":"acme"}}"#,
        NOW_S + 600,
        "agents:read agents:write tasks:read tasks:write ".repeat(6)
    );
    let text = format!("{header}.{}", encode(claims));
    let signature = encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// Microseconds for a token that no store has seen, and for one that its store has; the best of five attempts.
fn measure(name: &str, candidates: &[Arc<Issuer>; 1], tokens: &[String], now_s: u64) -> std::io::Result<()> {
    let now = UNIX_EPOCH + Duration::from_secs(now_s);
    let verify = |issuers: &Issuers, token: &str| {
        let verification = issuers.verify(candidates, black_box(token.as_bytes()), now);
        assert!(matches!(black_box(verification), Verification::Good(_)), "{token}");
    };
    let (mut fresh, mut known) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let stores: Vec<Issuers> = (0..STORES).map(|_| Issuers::new()).collect();
        let began = Instant::now();
        for (store, token) in stores.iter().zip(tokens.iter().cycle()) {
            verify(store, token);
        }
        fresh = fresh.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(STORES));
    }
    let issuers = Issuers::new();
    for _ in 0..6 {
        let began = Instant::now();
        for (_, token) in (0..ROUNDS).zip(tokens.iter().cycle()) {
            verify(&issuers, token);
        }
        known = known.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    }
    let bytes = tokens.first().map_or(0, String::len);
    writeln!(std::io::stdout(), "{name}: checked {fresh:.1} us, known {known:.2} us ({bytes} bytes)")
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> Result<(), Box<dyn Error>> {
    let random = SystemRandom::new();
    let rsa = format!(r#"{{"keys":[{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"}}]}}"#);
    measure("RS256", &issuer("RS256", "jwks_file = \"k\"", rsa)?, &[RSA_TOKEN.to_owned()], 1_300_819_379)?;

    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(text)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).map_err(text)?;
    let (_, point) = key.public_key().as_ref().split_at(1);
    let (x, y) = point.split_at(32);
    let set = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}]}}"#, encode(x), encode(y));
    let sign = |text: &[u8]| key.sign(&random, text).map(|signature| signature.as_ref().to_vec()).unwrap_or_default();
    let tokens: Vec<String> = (0..100).map(|number| signed("ES256", number, &sign)).collect();
    measure("ES256", &issuer("ES256", "jwks_file = \"k\"", set)?, &tokens, NOW_S)?;

    let key = Ed25519KeyPair::generate_pkcs8(&random).map_err(text)?;
    let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).map_err(text)?;
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{}"}}]}}"#, encode(key.public_key()));
    let sign = |text: &[u8]| key.sign(text).as_ref().to_vec();
    let tokens: Vec<String> = (0..100).map(|number| signed("EdDSA", number, &sign)).collect();
    measure("EdDSA", &issuer("EdDSA", "jwks_file = \"k\"", set)?, &tokens, NOW_S)?;

    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let sign = |text: &[u8]| hmac::sign(&key, text).as_ref().to_vec();
    let tokens: Vec<String> = (0..100).map(|number| signed("HS256", number, &sign)).collect();
    measure("HS256", &issuer("HS256", "key = \"secret://env/KEY\"", String::new())?, &tokens, NOW_S)?;
    Ok(())
}
