//! Sets as issuers publish them, and keys in PEM files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::jwt::testing::{RFC_N, Signer, decode, set_of};

const ALL: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDsa];

/// One entry of a set, and whether it is used or why not.
#[track_caller]
fn check_entry(entry: &str, expect: Result<(), &str>) {
    let spare = Signer::ed25519().jwk(r#""kid":"spare""#);
    let (keys, left_out) = KeySet::parse(set_of(&[spare, entry.to_owned()]).as_bytes(), &ALL).unwrap();
    let reason = left_out.first().map(|left_out| left_out.why.to_string());
    match expect {
        Ok(()) => assert_eq!((keys.len(), reason), (2, None), "{entry}"),
        Err(expect) => {
            assert_eq!(keys.len(), 1, "{entry}");
            assert!(reason.as_ref().is_some_and(|reason| reason.contains(expect)), "{reason:?}: {entry}");
        }
    }
}

#[test]
fn entries_that_are_used_and_those_that_are_not() {
    let rsa = Signer::rs256();
    let with = |members: &str| rsa.jwk(members);
    check_entry(&with(""), Ok(()));
    check_entry(&with(r#""kid":"a","use":"sig","alg":"RS256","x5c":["AA"],"x5t":"AA","nbf":1"#), Ok(()));
    check_entry(&with(r#""key_ops":["verify"]"#), Ok(()));
    check_entry(&Signer::es256().jwk(r#""alg":"ES256""#), Ok(()));
    check_entry(&Signer::es384().jwk(""), Ok(()));
    check_entry(&Signer::ed25519().jwk(r#""alg":"Ed25519""#), Ok(()));
    check_entry(&with(r#""use":"enc""#), Err("not for checking signatures"));
    check_entry(&with(r#""key_ops":["sign","encrypt"]"#), Err("not for checking signatures"));
    check_entry(&with(r#""key_ops":[]"#), Err("not for checking signatures"));
    check_entry(&with(r#""key_ops":"verify""#), Err("\"key_ops\" is missing or wrong"));
    check_entry(&with(r#""alg":"RS512""#), Err("\"RS512\" is none of the issuer's"));
    check_entry(&with(r#""alg":"none""#), Err("\"none\" is none"));
    check_entry(&with(r#""alg":"ES256""#), Err("none of the issuer's algorithms is for this kind"));
    check_entry(&with(r#""kid":7"#), Err("\"kid\" is missing or wrong"));
    check_entry(&with(r#""d":"AA""#), Err("anybody can sign"));
    check_entry(r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}"#, Err("a shared secret"));
    check_entry(r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#, Err("\"EC P-521\""));
    check_entry(r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, Err("\"OKP X25519\""));
    check_entry(r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#, Err("\"ML-DSA-44\" is none"));
    check_entry(r#"{"kty":"AKP","pub":"AA"}"#, Err("type \"AKP\""));
    check_entry(r#"{"kty":"\u001b[31m","pub":"AA"}"#, Err("\\u{1b}[31m"));
    check_entry("{}", Err("\"kty\" is missing"));
    check_entry("7", Err("\"kty\" is missing"));
    check_entry(r#"{"kty":"RSA","e":"AQAB"}"#, Err("\"n\" is missing"));
    check_entry(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, Err("too weak"));
    check_entry(&with("").replace("AQAB", "AQ=="), Err("\"e\" is missing or wrong"));
    check_entry(&with("").replace("AQAB", "AQ"), Err("modulus or the exponent"));
    check_entry(&Signer::es256().jwk("").replace("P-256", "P-384"), Err("not on its curve"));
    check_entry(r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AAAA"}"#, Err("\"y\" is missing or wrong"));
}

#[test]
fn sets_that_are_none() {
    let check = |text: &str, expect: &str| {
        let error = KeySet::parse(text.as_bytes(), &ALL).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("", "no proper JSON object");
    check("[]", "no proper JSON object");
    check(r#"{"keys":[],"keys":[]}"#, "no proper JSON object");
    check("{}", "no list \"keys\"");
    check(r#"{"keys":{}}"#, "no list \"keys\"");
    check(&set_of(&[]), "none of the 0 keys");
    check(&set_of(&["{}".to_owned()]), "none of the 1 keys can be used; key 1 of the set: its member \"kty\"");
    check(&"x".repeat(MAX_SET_BYTES + 1), "larger than 524288 bytes");
    let twice = Signer::rs256().jwk(r#""kid":"a","kid":"b""#);
    check(&set_of(&[twice]), "no proper JSON object");
}

#[test]
fn the_same_key_counts_once_and_a_set_is_bounded() {
    let rsa = Signer::rs256().jwk(r#""kid":"a""#);
    let curve = Signer::es256().jwk(r#""kid":"a""#);
    let (keys, left_out) = KeySet::parse(set_of(&[rsa.clone(), rsa.clone(), curve]).as_bytes(), &ALL).unwrap();
    assert_eq!(keys.len(), 2, "two keys of one name are alternatives (RFC 7517 section 4.5)");
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0].to_string(), "key \"a\": the same key stands there twice");
    let edwards = Signer::ed25519();
    let many: Vec<String> = (0..MAX_KEYS + 5).map(|number| edwards.jwk(&format!("\"kid\":\"{number}\""))).collect();
    let (keys, left_out) = KeySet::parse(set_of(&many).as_bytes(), &ALL).unwrap();
    assert_eq!((keys.len(), left_out.len()), (MAX_KEYS, 5));
    assert_eq!(left_out[0].why, Unused::TooMany);
}

#[test]
fn a_digest_tells_sets_apart() {
    let (one, two) = (Signer::es256(), Signer::es256());
    let digest = |entries: &[String]| *KeySet::parse(set_of(entries).as_bytes(), &ALL).unwrap().0.digest();
    let both = [one.jwk(""), two.jwk("")];
    assert_eq!(digest(&both), digest(&both));
    assert_ne!(digest(&both), digest(&[one.jwk("")]));
    assert_ne!(digest(&[one.jwk("")]), digest(&[two.jwk("")]));
    assert_ne!(digest(&[one.jwk("")]), digest(&[one.jwk(r#""kid":"x""#)]));
    let shared = |secret: &[u8]| *KeySet::shared(secret, &[Algorithm::HS256]).unwrap().digest();
    assert_ne!(shared(&[1; 32]), shared(&[2; 32]));
    assert_eq!(shared(&[1; 32]), shared(&[1; 32]));
}

#[test]
fn without_a_key_name_every_fitting_key_is_tried() {
    let signers: Vec<Signer> = (0..4).map(|_| Signer::es256()).collect();
    let entries: Vec<String> = signers.iter().map(|signer| signer.jwk("")).collect();
    let (keys, _) = KeySet::parse(set_of(&entries).as_bytes(), &ALL).unwrap();
    for header in [r#"{"alg":"ES256"}"#, r#"{"alg":"ES256","kid":"not in the set"}"#] {
        let token = signers[3].token(header, "{}");
        assert_eq!(keys.check(&Compact::read(token.as_bytes()).unwrap()), Ok(()), "{header}");
    }
    // A name that nobody has may be the name of a key that is published by now; no name may not.
    let stranger = Signer::es256();
    for (header, another_may) in [(r#"{"alg":"ES256"}"#, false), (r#"{"alg":"ES256","kid":"x"}"#, true)] {
        let token = stranger.token(header, "{}");
        let result = keys.check(&Compact::read(token.as_bytes()).unwrap());
        assert_eq!(result, Err(Unverified { flaw: Flaw::Signature, another_may }), "{header}");
    }
}

fn pem(der: &[u8]) -> String {
    let lines: Vec<String> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let prefix = match (high, low) {
        (0, ..=127) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [prefix.as_slice(), content].concat()
}

/// `SubjectPublicKeyInfo` of the RSA key of RFC 7515.
fn rsa_info() -> Vec<u8> {
    let n = der(2, &[[0].as_slice(), &decode(RFC_N)].concat());
    let key = der(0x30, &[n, der(2, &[1, 0, 1])].concat());
    let oid = der(6, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]);
    let algorithm = der(0x30, &[oid, vec![5, 0]].concat());
    der(0x30, &[algorithm, der(3, &[[0].as_slice(), &key].concat())].concat())
}

#[test]
fn keys_in_pem_files() {
    let keys = KeySet::from_pem(pem(&rsa_info()).as_bytes(), &[Algorithm::RS256]).unwrap();
    let token = Signer::rs256().token(r#"{"alg":"RS256","kid":"any"}"#, "{}");
    assert_eq!(keys.check(&Compact::read(token.as_bytes()).unwrap()), Ok(()));

    // Made by OpenSSL 3.0.
    let openssl = [
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFzfsAFqrz+UGLVekmoeGQ7iC9C8GuPnSzpvt0mgwZZsqtgguWL4C5RwiIxIexd00MjHeKSTW75WrwKG\
L46ON2g==",
            Algorithm::ES256,
        ),
        (
            "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE5L5g1YB7VU6ciAyv4s94i/I0zweqphiSykWWgzxCSSNyUpYVHHYasK9dNquZ7JvtpECtpUQXfL6T15m9LST\
/iV5kCQBT6jd9efOJLWiHwO9Z5XT9ijF2uhD7dyY/dsiQ",
            Algorithm::ES384,
        ),
        ("MCowBQYDK2VwAyEAyoPCjvDJfxXf+wl0PziSJ0FhTwJnvHQKpInkebl73PI=", Algorithm::EdDsa),
    ];
    for (text, algorithm) in openssl {
        let text = pem(&STANDARD.decode(text).unwrap());
        assert_eq!(KeySet::from_pem(text.as_bytes(), &[algorithm]).map(|keys| keys.len()), Ok(1), "{algorithm}");
        let wrong = KeySet::from_pem(text.as_bytes(), &[Algorithm::RS256]).unwrap_err();
        assert_eq!(wrong, BadSet::Bad(BadKey::NoAlgorithm), "{algorithm}");
    }
}

#[test]
fn files_that_hold_no_public_key() {
    let check = |text: &str, expect: &str| {
        let error = KeySet::from_pem(text.as_bytes(), &ALL).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}: {text}");
    };
    let good = pem(&rsa_info());
    check("", "no public key");
    check("ssh-rsa AAAA", "no public key");
    check(&good.replace("PUBLIC KEY", "CERTIFICATE"), "no public key");
    check(&good.replace("PUBLIC KEY", "RSA PRIVATE KEY"), "a private key");
    check(&format!("{good}{good}"), "more than one key");
    check(&pem(b""), "no RSA, P-256, P-384 or Ed25519 key");
    // On secp256k1, which is another curve than P-256.
    let other = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE4YZwCA32ruLWCTn6+taTAYkADnlhUp1qSfKOSuezJTE7fqW6Xx6eDD1El7fs6JL9IoldAhLubmLVF\
ACREazvSw==";
    check(&pem(&STANDARD.decode(other).unwrap()), "no RSA, P-256, P-384 or Ed25519 key");
    let whole = rsa_info();
    check(&pem(&[whole.as_slice(), &[0]].concat()), "no RSA");
    for cut in 0..whole.len() {
        assert!(KeySet::from_pem(pem(&whole[..cut]).as_bytes(), &ALL).is_err(), "cut at {cut}");
    }
}
