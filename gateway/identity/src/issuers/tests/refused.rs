//! Tokens that must not pass, each with the reason. What RFC 8725 warns of, and what other verifiers have fallen for.

use ring::hmac;

use super::*;
use crate::jwt::testing::{RFC_N, decode, encode};

/// Whoever attacks knows the public key, an authentic token, and everything but the private key.
struct Scene {
    issuers: Issuers,
    rsa: Signer,
    rs256: [Arc<Issuer>; 1],
    es256: [Arc<Issuer>; 1],
    curve: Signer,
    eddsa: [Arc<Issuer>; 1],
    edwards: Signer,
    hs256: [Arc<Issuer>; 1],
}

const RS: &str = r#"{"alg":"RS256","kid":"one"}"#;
const HS: &str = r#"{"alg":"HS256"}"#;

impl Scene {
    fn new() -> Self {
        let (rsa, curve, edwards) = (Signer::rs256(), Signer::es256(), Signer::ed25519());
        let of = |signer: &Signer, algorithm: &str| {
            let file = set_of(&[signer.jwk(r#""kid":"one""#)]);
            let lines = format!("algorithms = [\"{algorithm}\"]\njwks_file = \"k\"");
            [Arc::new(issuer(&table(&lines), b"", file.as_bytes()))]
        };
        Self {
            issuers: Issuers::new(),
            rs256: of(&rsa, "RS256"),
            es256: of(&curve, "ES256"),
            eddsa: of(&edwards, "EdDSA"),
            hs256: [Arc::new(issuer(&table("algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\""), SECRET, b""))],
            rsa,
            curve,
            edwards,
        }
    }

    #[track_caller]
    fn refuse(&self, issuer: &[Arc<Issuer>], token: &str, expect: Flaw) {
        let verification = self.issuers.verify(issuer, token.as_bytes(), at(NOW_S));
        match verification {
            Verification::Refused { flaw, .. } if flaw == expect => {}
            other => panic!("{other:?} instead of {expect:?}: {token}"),
        }
    }

    /// Signed by the issuer's RSA key, whatever it is.
    #[track_caller]
    fn signed(&self, header: &str, claims: &str, expect: Flaw) {
        self.refuse(&self.rs256, &self.rsa.token(header, claims), expect);
    }

    /// Rightly signed with the shared key, and with these claims.
    #[track_caller]
    fn says(&self, claims: &str, expect: Flaw) {
        self.refuse(&self.hs256, &Signer::hs256(SECRET).token(HS, claims), expect);
    }
}

#[test]
fn the_scene_itself_is_good() {
    let scene = Scene::new();
    check_good(&scene.rs256[0], &scene.rsa.token(RS, &claims("")));
    check_good(&scene.es256[0], &scene.curve.token(r#"{"alg":"ES256"}"#, &claims("")));
    check_good(&scene.eddsa[0], &scene.edwards.token(r#"{"alg":"EdDSA"}"#, &claims("")));
    check_good(&scene.eddsa[0], &scene.edwards.token(r#"{"alg":"Ed25519"}"#, &claims("")));
    check_good(&scene.hs256[0], &Signer::hs256(SECRET).token(HS, &claims("")));
}

#[test]
fn without_a_signature() {
    let scene = Scene::new();
    for none in ["none", "None", "NONE", "nOnE", "none ", " none", "null", "", "0"] {
        let header = encode(format!(r#"{{"alg":"{none}"}}"#));
        let unsigned = format!("{header}.{}.", encode(claims("")));
        for issuer in [&scene.rs256, &scene.hs256, &scene.es256, &scene.eddsa] {
            scene.refuse(issuer, &unsigned, Flaw::Algorithm);
        }
        scene.signed(&format!(r#"{{"alg":"{none}","kid":"one"}}"#), &claims(""), Flaw::Algorithm);
    }
    scene.signed(r#"{"kid":"one"}"#, &claims(""), Flaw::Header);
    scene.signed(r#"{"alg":null}"#, &claims(""), Flaw::Header);
    scene.signed(r#"{"alg":["RS256"]}"#, &claims(""), Flaw::Header);
    scene.signed(r#"{"alg":256}"#, &claims(""), Flaw::Header);
    let token = scene.rsa.token(RS, &claims(""));
    let (signed, _) = token.rsplit_once('.').unwrap();
    scene.refuse(&scene.rs256, &format!("{signed}."), Flaw::Signature);
    scene.refuse(&scene.rs256, signed, Flaw::Form);
    scene.refuse(&scene.rs256, &format!("{signed}.AA"), Flaw::Signature);
    scene.refuse(&scene.rs256, &format!("{signed}.{}", encode([0; 256])), Flaw::Signature);
    scene.refuse(&scene.rs256, &format!("{signed}.{}", encode([0xFF; 256])), Flaw::Signature);
}

#[test]
fn algorithms_confused() {
    let scene = Scene::new();
    // The public key as the shared secret, in every form that it can be had in.
    let n = decode(RFC_N);
    let jwk = scene.rsa.jwk(r#""kid":"one""#);
    let set = set_of(std::slice::from_ref(&jwk));
    let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned();
    for public in [n.as_slice(), RFC_N.as_bytes(), jwk.as_bytes(), set.as_bytes(), pem.as_bytes(), b""] {
        let header = r#"{"alg":"HS256","kid":"one"}"#;
        scene.refuse(&scene.rs256, &Signer::hs256(public).token(header, &claims("")), Flaw::Algorithm);
        scene.refuse(&scene.rs256, &Signer::hs256(public).token(RS, &claims("")), Flaw::Signature);
        scene.refuse(&scene.hs256, &Signer::hs256(public).token(HS, &claims("")), Flaw::Signature);
    }
    for alg in
        ["RS384", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA", "HS384", "HS512", "rs256", "RS256 "]
    {
        scene.signed(&format!(r#"{{"alg":"{alg}","kid":"one"}}"#), &claims(""), Flaw::Algorithm);
    }
    // A key that signs well, but is not the issuer's; and one that is, of another issuer.
    scene.refuse(&scene.es256, &Signer::es256().token(r#"{"alg":"ES256","kid":"one"}"#, &claims("")), Flaw::Signature);
    scene.refuse(&scene.es256, &scene.rsa.token(RS, &claims("")), Flaw::Algorithm);
    let padding = Signer::Rsa(&ring::signature::RSA_PSS_SHA256);
    scene.refuse(&scene.rs256, &padding.token(RS, &claims("")), Flaw::Signature);
    let longer = Signer::Shared(hmac::Key::new(hmac::HMAC_SHA512, SECRET));
    scene.refuse(&scene.hs256, &longer.token(HS, &claims("")), Flaw::Signature);
    let token = Signer::hs256(SECRET).token(HS, &claims(""));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    scene.refuse(&scene.hs256, &format!("{signed}.{}", encode(&decode(signature)[..16])), Flaw::Signature);
}

#[test]
fn parts_swapped() {
    let scene = Scene::new();
    let good = scene.rsa.token(RS, &claims(""));
    let parts: Vec<&str> = good.split('.').collect();
    let joined = |header: &str, claims: &str, signature: &str| format!("{header}.{claims}.{signature}");
    let other_header = encode(r#"{"alg":"RS256"}"#);
    scene.refuse(&scene.rs256, &joined(&other_header, parts[1], parts[2]), Flaw::Signature);
    let admin = encode(claims(r#","role":"admin""#));
    scene.refuse(&scene.rs256, &joined(parts[0], &admin, parts[2]), Flaw::Signature);
    scene.refuse(&scene.rs256, &joined(parts[0], parts[1], parts[1]), Flaw::Signature);
    scene.refuse(&scene.rs256, &joined(parts[1], parts[0], parts[2]), Flaw::Header);
    // The claims as UTF-16, which other readers take for JSON.
    let utf16: Vec<u8> = claims("").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let signed = format!("{}.{}", parts[0], encode(&utf16));
    let signature = encode(scene.rsa.sign(signed.as_bytes()));
    scene.refuse(&scene.rs256, &format!("{signed}.{signature}"), Flaw::Json);
}

#[test]
fn a_header_that_would_choose_its_own_key() {
    let scene = Scene::new();
    // A stranger's key, brought along in every way that there is; the signature is good under it.
    let stranger = Signer::es256();
    let brought = [
        format!(r#""jwk":{}"#, stranger.jwk("")),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA""#.to_owned(),
        r#""x5t#S256":"AAAA""#.to_owned(),
    ];
    for member in &brought {
        let header = format!(r#"{{"alg":"ES256","kid":"one",{member}}}"#);
        scene.refuse(&scene.es256, &stranger.token(&header, &claims("")), Flaw::Signature);
    }
    for member in [
        r#""jku":"https://attacker.example/jwks.json""#,
        r#""jku":"https://login.example/jwks.json""#,
        r#""jku":null"#,
        r#""x5u":"https://attacker.example/chain.pem""#,
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":true"#,
    ] {
        scene.signed(&format!(r#"{{"alg":"RS256","kid":"one",{member}}}"#), &claims(""), Flaw::HeaderMember);
    }
    for id in ["two", "", "ONE", "one ", "../../dev/null", "one' OR '1'='1", "one\\u0000", "/proc/self/environ"] {
        scene.signed(&format!(r#"{{"alg":"RS256","kid":"{id}"}}"#), &claims(""), Flaw::UnknownKey);
    }
    scene.signed(r#"{"alg":"RS256","kid":1}"#, &claims(""), Flaw::Header);
    scene.signed(r#"{"alg":"RS256","kid":["one"]}"#, &claims(""), Flaw::Header);
    scene.signed(r#"{"alg":"RS256","kid":{"$ne":""}}"#, &claims(""), Flaw::Header);
    scene.signed(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(257)), &claims(""), Flaw::Header);
    scene.signed(r#"{"alg":"RS256","kid":"one","typ":7}"#, &claims(""), Flaw::Header);
}

#[test]
fn texts_that_are_no_token() {
    let scene = Scene::new();
    let good = scene.rsa.token(RS, &claims(""));
    let parts: Vec<&str> = good.split('.').collect();
    let refuse = |token: &str, flaw| scene.refuse(&scene.rs256, token, flaw);
    for text in ["", ".", "..", "...", "a.b", "a.b.c.d.e", "Bearer", "null", "{}"] {
        let flaw = if text == ".." { Flaw::Json } else { Flaw::Form };
        refuse(text, flaw);
    }
    refuse(&format!("{good}."), Flaw::Form);
    refuse(&format!(".{good}"), Flaw::Form);
    refuse(&format!(" {good}"), Flaw::Form);
    refuse(&format!("{good} "), Flaw::Form);
    refuse(&format!("{good}\n"), Flaw::Form);
    refuse(&format!("{good}="), Flaw::Form);
    refuse(&format!("{}=.{}.{}", parts[0], parts[1], parts[2]), Flaw::Form);
    refuse(&format!("{}.{}==.{}", parts[0], parts[1], parts[2]), Flaw::Form);
    refuse(&format!("{}. {}.{}", parts[0], parts[1], parts[2]), Flaw::Form);
    refuse(&format!("{}.{}.{}", parts[0], parts[1], parts[2].replace('_', "/").replace('-', "+")), Flaw::Form);
    refuse(&format!("{}.{}.{}", parts[0], parts[1], parts[2].replace('_', "%5F").replace('-', "%2D")), Flaw::Form);
    refuse(&format!("{good}\u{0}"), Flaw::Form);
    refuse(&good.replace('.', "\u{FF0E}"), Flaw::Form);
    // 256 bytes end in a character of which four bits are not used: they are not ours to ignore.
    let (front, last) = parts[2].split_at(parts[2].len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let used = alphabet.find(last).unwrap();
    assert_eq!(used % 16, 0);
    for unused in 1..16 {
        let other = &alphabet[used + unused..=used + unused];
        refuse(&format!("{}.{}.{front}{other}", parts[0], parts[1]), Flaw::Form);
    }
    // Encrypted (RFC 7516), and JSON serialisation.
    refuse("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.AA.AA.AA", Flaw::Form);
    refuse(
        &format!(r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#, parts[0], parts[1], parts[2]),
        Flaw::Form,
    );
}

#[test]
fn json_that_can_be_read_in_two_ways() {
    let scene = Scene::new();
    for header in [
        r#"{"alg":"none","alg":"RS256"}"#,
        r#"{"alg":"RS256","alg":"RS256"}"#,
        r#"{"alg":"RS256","\u0061lg":"none"}"#,
        r#"{"alg":"RS256","kid":"one","kid":"two"}"#,
        r#"["RS256"]"#,
        r#""RS256""#,
        r#"{"alg":"RS256"} x"#,
        r#"{"alg":"RS256",}"#,
        "{'alg':'RS256'}",
        "{\"alg\":\"RS256\"}\u{0}",
        "\u{FEFF}{\"alg\":\"RS256\"}",
        "{\"alg\":\"RS256\"/**/}",
        "",
    ] {
        scene.signed(header, &claims(""), Flaw::Json);
    }
    let nested = format!(r#","deep":{}{}"#, "[".repeat(100), "]".repeat(100));
    for claims in [
        claims(r#","sub":"root""#),
        claims(r#","exp":9999999999"#),
        claims(r#","a":{"b":1,"b":2}"#),
        claims(&nested),
        claims("").replace('}', ""),
        format!("[{}]", claims("")),
        String::new(),
        "null".to_owned(),
        // A token inside a token.
        scene.rsa.token(RS, &claims("")),
        format!("\"{}\"", scene.rsa.token(RS, &claims(""))),
    ] {
        scene.signed(RS, &claims, Flaw::Json);
    }
}

#[test]
fn sizes() {
    let scene = Scene::new();
    let padded = |bytes: usize| scene.rsa.token(RS, &claims(&format!(",\"x\":\"{}\"", "x".repeat(bytes))));
    let most = padded(5_750);
    assert!(most.len() <= MAX_TOKEN_BYTES && most.len() > MAX_TOKEN_BYTES - 200, "{}", most.len());
    check_good(&scene.rs256[0], &most);
    scene.refuse(&scene.rs256, &padded(6_000), Flaw::TooLarge);
    scene.refuse(&scene.rs256, &"a".repeat(1_000_000), Flaw::TooLarge);
    scene.refuse(&scene.rs256, &".".repeat(MAX_TOKEN_BYTES), Flaw::Form);
    let long = format!(r#"{{"alg":"RS256","kid":"one","x":"{}"}}"#, "x".repeat(2_048));
    scene.signed(&long, &claims(""), Flaw::TooLarge);
}

#[test]
fn claims_that_do_not_fit() {
    let scene = Scene::new();
    let with = |from: &str, to: &str| claims("").replace(from, to);
    let exp = (NOW_S + 600).to_string();
    let without = |member: &str| claims("").replace(member, "\"other\":1");

    scene.says(&with("https://login.example", "https://login.example/"), Flaw::Issuer);
    scene.says(&with("https://login.example", "https://LOGIN.example"), Flaw::Issuer);
    scene.says(&with("https://login.example", "https://login.example.attacker.example"), Flaw::Issuer);
    scene.says(&with("\"https://login.example\"", "[\"https://login.example\"]"), Flaw::Issuer);
    scene.says(&with("\"https://login.example\"", "null"), Flaw::Issuer);
    scene.says(&without(r#""iss":"https://login.example""#), Flaw::Issuer);

    scene.says(&with("\"rampart\"", "\"other\""), Flaw::Audience);
    scene.says(&with("\"rampart\"", "\"rampart \""), Flaw::Audience);
    scene.says(&with("\"rampart\"", "\"rampart,agents\""), Flaw::Audience);
    scene.says(&with("\"rampart\"", "[]"), Flaw::Audience);
    scene.says(&with("\"rampart\"", "[\"other\"]"), Flaw::Audience);
    scene.says(&with("\"rampart\"", "[\"rampart\",7]"), Flaw::Claim);
    scene.says(&with("\"rampart\"", "{\"rampart\":true}"), Flaw::Claim);
    scene.says(&without(r#""aud":"rampart""#), Flaw::Audience);

    scene.says(&with(&exp, &(NOW_S - 30).to_string()), Flaw::Expired);
    scene.says(&with(&exp, &(NOW_S - 31).to_string()), Flaw::Expired);
    scene.says(&with(&exp, "0"), Flaw::Expired);
    scene.says(&with(&exp, "-1"), Flaw::Claim);
    scene.says(&with(&exp, "\"1900000000\""), Flaw::Claim);
    scene.says(&with(&exp, "null"), Flaw::Claim);
    scene.says(&with(&exp, "true"), Flaw::Claim);
    scene.says(&with(&exp, "[1900000000]"), Flaw::Claim);
    scene.says(&with(&exp, "1e300"), Flaw::Claim);
    scene.says(&with(&exp, "1e999"), Flaw::Json);
    scene.says(&with(&exp, &format!("{exp}000")), Flaw::Claim);
    scene.says(&with(&exp, "18446744073709551616"), Flaw::Claim);
    scene.says(&without(&format!(r#""exp":{exp}"#)), Flaw::Claim);

    scene.says(&claims(&format!(",\"nbf\":{}", NOW_S + 31)), Flaw::NotYet);
    scene.says(&claims(",\"nbf\":\"0\""), Flaw::Claim);
    scene.says(&claims(&format!(",\"iat\":{}", NOW_S + 31)), Flaw::NotYet);
    scene.says(&claims(",\"iat\":{}"), Flaw::Claim);

    scene.says(&without(r#""sub":"alice""#), Flaw::Claim);
    for subject in
        ["\"\"", "null", "true", "1.5", "-1", "[\"alice\"]", "\"a\\u0000b\"", "\"a\\r\\nX-Admin: 1\"", "\" alice\""]
    {
        scene.says(&with("\"alice\"", subject), Flaw::Claim);
    }
    scene.says(&with("alice", &"a".repeat(257)), Flaw::Claim);
    scene.says(&claims(",\"scope\":7"), Flaw::Claim);
    scene.says(&claims(",\"scope\":[\"a\",1]"), Flaw::Claim);
    scene.says(&claims(",\"scope\":{\"admin\":true}"), Flaw::Claim);
}

#[test]
fn what_an_issuer_asks_for_besides() {
    let signer = Signer::hs256(SECRET);
    let check = |lines: &str, header: &str, claims: &str, expect: Flaw| {
        let lines = format!("algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\"\n{lines}");
        let candidates = [Arc::new(issuer(&table(&lines), SECRET, b""))];
        let verification = Issuers::new().verify(&candidates, signer.token(header, claims).as_bytes(), at(NOW_S));
        assert!(matches!(&verification, Verification::Refused { flaw, .. } if *flaw == expect), "{verification:?}");
    };
    check("typ = \"at+jwt\"", HS, &claims(""), Flaw::Type);
    check("typ = \"at+jwt\"", r#"{"alg":"HS256","typ":"JWT"}"#, &claims(""), Flaw::Type);
    check("typ = \"JWT\"", r#"{"alg":"HS256","typ":"at+jwt"}"#, &claims(""), Flaw::Type);
    check("require = [\"exp\", \"jti\"]", HS, &claims(""), Flaw::Claim);
    check("require = [\"jti\"]", HS, &claims(",\"jti\":null"), Flaw::Claim);
    check("max_age = \"5m\"", HS, &claims(""), Flaw::Claim);
    check("max_age = \"5m\"", HS, &claims(&format!(",\"iat\":{}", NOW_S - 330)), Flaw::Expired);
    check("tenant = \"org\"", HS, &claims(""), Flaw::Claim);
    check("tenant = \"org\"", HS, &claims(",\"org\":\"\""), Flaw::Claim);
    check("subject = \"email\"", HS, &claims(""), Flaw::Claim);
    check("leeway = \"0s\"", HS, &claims("").replace(&(NOW_S + 600).to_string(), &NOW_S.to_string()), Flaw::Expired);
    let good = |lines: &str, header: &str, claims: &str| {
        let lines = format!("algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\"\n{lines}");
        check_good(&Arc::new(issuer(&table(&lines), SECRET, b"")), &signer.token(header, claims));
    };
    good("typ = \"at+jwt\"", r#"{"alg":"HS256","typ":"application/AT+JWT"}"#, &claims(""));
    good("max_age = \"5m\"", HS, &claims(&format!(",\"iat\":{}", NOW_S - 329)));
    good("subject = \"/user/id\"", HS, &claims(",\"user\":{\"id\":\"u-1\"}"));
}

#[test]
fn curve_signatures_in_other_forms() {
    let scene = Scene::new();
    let header = r#"{"alg":"ES256","kid":"one"}"#;
    let token = scene.curve.token(header, &claims(""));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let refuse =
        |signature: &[u8]| scene.refuse(&scene.es256, &format!("{signed}.{}", encode(signature)), Flaw::Signature);
    let (r, s) = signature.split_at(32);
    // DER, as TLS and most libraries have it.
    let integer = |number: &[u8]| [&[2, 33, 0], number].concat();
    let der = [&[0x30, 70], integer(r).as_slice(), integer(s).as_slice()].concat();
    refuse(&der);
    // The "psychic" signature, and others outside of the range of RFC 6979.
    refuse(&[0; 64]);
    refuse(&[[0; 32].as_slice(), s].concat());
    refuse(&[r, [0; 32].as_slice()].concat());
    refuse(&[0xFF; 64]);
    let order = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    refuse(&[order, order].concat());
    refuse(&[s, r].concat());
    refuse(&signature[..63]);
    refuse(&[&signature, [0].as_slice()].concat());
    refuse(&[[0].as_slice(), &signature].concat());
    refuse(&[]);
    let header = r#"{"alg":"EdDSA"}"#;
    let token = scene.edwards.token(header, &claims(""));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = decode(signature);
    let refuse =
        |signature: &[u8]| scene.refuse(&scene.eddsa, &format!("{signed}.{}", encode(signature)), Flaw::Signature);
    refuse(&[0; 64]);
    refuse(&signature[..32]);
    signature[63] |= 0xE0; // S beyond the order of the group (RFC 8032 section 5.1.7)
    refuse(&signature);
}
