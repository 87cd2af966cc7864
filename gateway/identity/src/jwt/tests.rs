//! Examples of the RFCs, and tokens that must not pass.

use proptest::prelude::*;

use super::testing::{RFC_N, Signer, decode, encode, set_of};
use super::*;
use crate::jwks::KeySet;

/// The claims of RFC 7515 appendix A and RFC 7519 section 3.1.
const RFC_CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
/// The payload of RFC 7520 section 4.
const HOBBIT: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg\
cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0\
by4";

fn check_example(keys: &KeySet, token: &str, expect: Result<(), Flaw>) {
    let compact = Compact::read(token.as_bytes()).unwrap();
    assert_eq!(keys.check(&compact).map_err(|unverified| unverified.flaw), expect, "{token}");
    // The same with one bit of the signature, of the claims or of the header changed.
    if expect.is_ok() {
        for part in 0..3 {
            let mut parts: Vec<Vec<u8>> = token.split('.').map(decode).collect();
            *parts[part].last_mut().unwrap() ^= 1;
            let forged = parts.iter().map(encode).collect::<Vec<_>>().join(".");
            let refused = Compact::read(forged.as_bytes()).is_ok_and(|forged| keys.check(&forged).is_ok());
            assert!(!refused, "part {part} of {token} was changed");
        }
    }
}

fn set(jwk: &str, algorithm: Algorithm) -> KeySet {
    KeySet::parse(set_of(&[jwk.to_owned()]).as_bytes(), &[algorithm]).unwrap().0
}

#[test]
fn rfc_7515_a1_and_rfc_7519_3_1_hs256() {
    let secret = decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    let keys = KeySet::shared(&secret, &[Algorithm::HS256]).unwrap();
    let token =
        format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{RFC_CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    check_example(&keys, &token, Ok(()));
    let compact = Compact::read(token.as_bytes()).unwrap();
    assert_eq!(compact.header.typ.as_deref(), Some("JWT"));
    assert_eq!(Claims(object(&compact.claims).unwrap()).text("http://example.com/is_root").as_deref(), Some("true"));
}

#[test]
fn rfc_7515_a2_rs256() {
    let keys = set(&Signer::rs256().jwk(""), Algorithm::RS256);
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF\
9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzD\
wusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{RFC_CLAIMS}.{signature}");
    check_example(&keys, &token, Ok(()));
    // Signing the same text again gives the same signature, so the signer of these tests is right too.
    assert_eq!(encode(Signer::rs256().sign(format!("eyJhbGciOiJSUzI1NiJ9.{RFC_CLAIMS}").as_bytes())), signature);
}

#[test]
fn rfc_7515_a3_es256() {
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let keys = set(jwk, Algorithm::ES256);
    check_example(&keys, &format!("eyJhbGciOiJFUzI1NiJ9.{RFC_CLAIMS}.{signature}"), Ok(()));
}

#[test]
fn rfc_7515_a4_es512_is_not_supported() {
    let jwk = r#"{"kty":"EC","crv":"P-521",
        "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#;
    let error = KeySet::parse(set_of(&[jwk.to_owned()]).as_bytes(), &[Algorithm::ES256]).unwrap_err();
    assert!(error.to_string().contains("a key of type \"EC P-521\" is not known here"), "{error}");
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGD\
KB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_eq!(Compact::read(token.as_bytes()).unwrap().header.algorithm, None);
    check_example(&set(&Signer::rs256().jwk(""), Algorithm::RS256), token, Err(Flaw::Algorithm));
}

#[test]
fn rfc_8037_a4_ed25519() {
    let keys =
        set(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#, Algorithm::EdDsa);
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhij\
cNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    check_example(&keys, token, Ok(()));
}

const HOBBIT_RSA: &str = r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","e":"AQAB","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"}"#;

#[test]
fn rfc_7520_4_1_rs256() {
    let keys = set(HOBBIT_RSA, Algorithm::RS256);
    let token = format!(
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{HOBBIT}.MRjdkly7_-oTPTS3AXP41iQIGKa80A0Z\
mTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746i\
YTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQ\
SE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
    );
    check_example(&keys, &token, Ok(()));
}

#[test]
fn rfc_7520_4_2_ps384() {
    let keys = set(HOBBIT_RSA, Algorithm::PS384);
    let token = format!(
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{HOBBIT}.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7f\
UDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsd\
iNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRH\
tfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
    );
    check_example(&keys, &token, Ok(()));
}

#[test]
fn rfc_7520_4_4_hs256() {
    let secret = decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg");
    let keys = KeySet::shared(&secret, &[Algorithm::HS256]).unwrap();
    let token = format!(
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.{HOBBIT}.s0h6KThzkfBBBkLspW1h84Vs\
JZFTsPPqMDA7g1Md7p0"
    );
    check_example(&keys, &token, Ok(()));
}

#[test]
fn every_algorithm_takes_its_own_signatures_and_no_others() {
    use ring::{hmac, signature};
    let secret = [0x5A; 64];
    let shared = |algorithm| Signer::Shared(hmac::Key::new(algorithm, &secret));
    let signers = [
        (Algorithm::HS256, shared(hmac::HMAC_SHA256)),
        (Algorithm::HS384, shared(hmac::HMAC_SHA384)),
        (Algorithm::HS512, shared(hmac::HMAC_SHA512)),
        (Algorithm::RS256, Signer::Rsa(&signature::RSA_PKCS1_SHA256)),
        (Algorithm::RS384, Signer::Rsa(&signature::RSA_PKCS1_SHA384)),
        (Algorithm::RS512, Signer::Rsa(&signature::RSA_PKCS1_SHA512)),
        (Algorithm::PS256, Signer::Rsa(&signature::RSA_PSS_SHA256)),
        (Algorithm::PS384, Signer::Rsa(&signature::RSA_PSS_SHA384)),
        (Algorithm::PS512, Signer::Rsa(&signature::RSA_PSS_SHA512)),
        (Algorithm::ES256, Signer::es256()),
        (Algorithm::ES384, Signer::es384()),
        (Algorithm::EdDsa, Signer::ed25519()),
    ];
    for (algorithm, signer) in &signers {
        // The key is for every algorithm of its family, so that only the signature decides.
        let keys = match signer {
            Signer::Shared(_) => KeySet::shared(&secret, &Algorithm::ALL),
            _ => KeySet::parse(set_of(&[signer.jwk("")]).as_bytes(), &Algorithm::ALL).map(|(keys, _)| keys),
        };
        let keys = keys.unwrap();
        for claimed in Algorithm::ALL {
            let token = signer.token(&format!(r#"{{"alg":"{claimed}"}}"#), "{}");
            let result = keys.check(&Compact::read(token.as_bytes()).unwrap());
            assert_eq!(result.is_ok(), claimed == *algorithm, "signed by {algorithm}, says {claimed}");
        }
    }
}

#[test]
fn bad_keys_are_found_before_they_are_used() {
    let rsa = |bits: usize, last: u8, e: &[u8]| {
        let mut n = vec![0xFF; bits / 8];
        *n.last_mut().unwrap() = last;
        Key::rsa(&n, e, &[Algorithm::RS256]).map(|_| ())
    };
    let e = [1, 0, 1];
    assert_eq!(rsa(2_048, 1, &e), Ok(()));
    assert_eq!(rsa(8_192, 1, &e), Ok(()));
    assert_eq!(rsa(2_040, 1, &e), Err(BadKey::WeakRsa));
    assert_eq!(rsa(1_024, 1, &e), Err(BadKey::WeakRsa));
    assert_eq!(rsa(8_200, 1, &e), Err(BadKey::LargeRsa));
    assert_eq!(rsa(2_048, 2, &e), Err(BadKey::RsaNumbers));
    assert_eq!(rsa(2_048, 1, &[1]), Err(BadKey::RsaNumbers));
    assert_eq!(rsa(2_048, 1, &[2]), Err(BadKey::RsaNumbers));
    assert_eq!(rsa(2_048, 1, &[]), Err(BadKey::RsaNumbers));
    assert_eq!(rsa(2_048, 1, &[3]), Ok(()));
    assert_eq!(rsa(2_048, 1, &[0xFF; 9]), Err(BadKey::RsaNumbers));
    assert_eq!(Key::rsa(&[0; 256], &e, &[Algorithm::RS256]).map(|_| ()), Err(BadKey::WeakRsa));
    let padded = [&[0], decode(RFC_N).as_slice()].concat();
    assert!(
        Key::rsa(&padded, &e, &[Algorithm::RS256])
            .unwrap()
            .is_same(&Key::rsa(&decode(RFC_N), &e, &[Algorithm::RS256]).unwrap())
    );

    let curve = |point: &[u8]| Key::curve(point, Family::P256, &[Algorithm::ES256]).map(|_| ());
    let off_curve = [&[4], [1_u8; 64].as_slice()].concat();
    assert_eq!(curve(&off_curve), Err(BadKey::Point));
    assert_eq!(curve(&[4; 64]), Err(BadKey::Point));
    assert_eq!(curve(&[0; 65]), Err(BadKey::Point));
    assert_eq!(curve(&[]), Err(BadKey::Point));
    assert_eq!(Key::ed25519(&[1; 31], &[Algorithm::EdDsa]).map(|_| ()), Err(BadKey::Point));

    let shared = |length: usize, algorithms: &[Algorithm]| Key::shared(&vec![7; length], algorithms).map(|_| ());
    let short = |given, algorithm, least| Err(BadKey::ShortSecret { given, algorithm, least });
    assert_eq!(shared(32, &[Algorithm::HS256]), Ok(()));
    assert_eq!(shared(31, &[Algorithm::HS256]), short(31, Algorithm::HS256, 32));
    assert_eq!(shared(47, &[Algorithm::HS384]), short(47, Algorithm::HS384, 48));
    assert_eq!(shared(63, &[Algorithm::HS256, Algorithm::HS512]), short(63, Algorithm::HS512, 64));
    assert_eq!(shared(64, &[Algorithm::RS256]), Err(BadKey::NoAlgorithm));
    assert_eq!(
        Key::rsa(&decode(RFC_N), &e, &[Algorithm::HS256, Algorithm::ES256]).map(|_| ()),
        Err(BadKey::NoAlgorithm)
    );
}

#[test]
fn a_key_never_says_its_secret() {
    let key = Key::shared(b"q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe", &[Algorithm::HS256]).unwrap();
    let shown = format!("{key:?}");
    assert!(shown.contains("shared secret") && !shown.contains("q8Zt") && !shown.contains("113"), "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>) {
        let _ = Compact::read(&bytes);
        let _ = KeySet::parse(&bytes, &Algorithm::ALL);
        let _ = KeySet::from_pem(&bytes, &Algorithm::ALL);
    }

    #[test]
    fn no_parts_are_too_strange(header: String, claims: Vec<u8>, signature: Vec<u8>) {
        let token = format!("{}.{}.{}", encode(header), encode(&claims), encode(&signature));
        if let Ok(compact) = Compact::read(token.as_bytes()) {
            prop_assert_eq!(&compact.claims, &claims);
            prop_assert!(set(&Signer::rs256().jwk(""), Algorithm::RS256).check(&compact).is_err());
        }
    }

    /// There is one text for every token: what is read, written again, is what was read.
    #[test]
    fn a_token_has_one_spelling(text in "(eyJhbGciOiJIUzI1NiJ9|e30)\\.[A-Za-z0-9_=+/ -]{0,9}\\.[A-Za-z0-9_=-]{0,9}") {
        if let Ok(compact) = Compact::read(text.as_bytes()) {
            let header = text.split('.').next().unwrap();
            prop_assert_eq!(format!("{header}.{}.{}", encode(&compact.claims), encode(&compact.signature)), text);
        }
    }
}
