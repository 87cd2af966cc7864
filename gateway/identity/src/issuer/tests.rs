//! What `check` says about `[issuer.NAME]`.

use rampart_settings::Severity;

use super::*;
use crate::jwt::testing::{self, Signer, set_of};

const GOOD_SECRET: &[u8] = b"q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe";
const USUAL: &str = "issuer = \"https://login.example\"\naudience = \"rampart\"\n";

/// The findings of a table, errors as `E` and warnings as `W`, each with a part of its text.
#[track_caller]
fn check_with(lines: &str, secret: &[u8], file: &[u8], expect: &[(&str, &str)]) {
    let (_, found) = testing::compile(&format!("{USUAL}{lines}"), secret, file);
    let found: Vec<(&str, String)> =
        found.into_iter().map(|(severity, text)| (if severity == Severity::Error { "E" } else { "W" }, text)).collect();
    let fits = found.len() == expect.len()
        && found.iter().zip(expect).all(|(found, expect)| found.0 == expect.0 && found.1.contains(expect.1));
    assert!(fits, "{found:#?} instead of {expect:#?}");
}

#[track_caller]
fn check(lines: &str, expect: &[(&str, &str)]) {
    let file = set_of(&[Signer::rs256().jwk("")]);
    check_with(lines, GOOD_SECRET, file.as_bytes(), expect);
}

const RS: &str = "algorithms = [\"RS256\"]\n";
const HS: &str = "algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\"\n";

#[test]
fn algorithms_and_sources_have_to_fit() {
    check(&format!("{RS}jwks_file = \"k\""), &[]);
    check(&format!("{RS}jwks_url = \"https://login.example/keys\""), &[]);
    check(HS, &[]);
    check("algorithms = []\njwks_file = \"k\"", &[("E", "no algorithm is taken")]);
    check("algorithms = [\"none\"]\njwks_file = \"k\"", &[("E", "without a signature")]);
    check("algorithms = [\"ES512\"]\njwks_file = \"k\"", &[("E", "no P-521")]);
    check("algorithms = [\"RS256\", \"RS256\"]\njwks_file = \"k\"", &[("E", "listed twice")]);
    check("algorithms = [\"RS255\"]\njwks_file = \"k\"", &[("E", "unknown algorithm \"RS255\"")]);
    check(RS, &[("E", "no keys")]);
    check(&format!("{RS}jwks_file = \"k\"\npublic_key_file = \"p\""), &[("E", "jwks_file, public_key_file")]);
    check("algorithms = [\"HS256\"]\njwks_file = \"k\"", &[("E", "HS256 needs a shared secret")]);
    check("algorithms = [\"RS256\", \"HS256\"]\njwks_file = \"k\"", &[("E", "HS256 needs a shared secret")]);
    check("algorithms = [\"HS256\", \"RS256\"]\nkey = \"secret://env/KEY\"", &[("E", "RS256 needs a public key")]);
    check("algorithms = [\"ES256\"]\njwks_file = \"k\"", &[("E", "none of the 1 keys can be used")]);
    check(&format!("{RS}public_key_file = \"p\""), &[("E", "no public key")]);
    check(&format!("{RS}jwks_file = \"k\"\nrefresh = \"5m\""), &[("W", "without effect")]);
    let both = set_of(&[Signer::rs256().jwk(""), Signer::es256().jwk(r#""kid":"e""#)]);
    check_with(&format!("{RS}jwks_file = \"k\""), b"", both.as_bytes(), &[("W", "key \"e\": none of the issuer's")]);
}

#[test]
fn shared_keys_have_to_be_long_and_random() {
    let check = |algorithms: &str, secret: &[u8], expect: &[(&str, &str)]| {
        check_with(&format!("algorithms = [{algorithms}]\nkey = \"secret://env/KEY\""), secret, b"", expect);
    };
    check("\"HS256\"", GOOD_SECRET, &[]);
    check("\"HS256\"", &GOOD_SECRET[..31], &[("E", "31 bytes; HS256 needs 32 at least")]);
    check("\"HS384\"", GOOD_SECRET, &[("E", "32 bytes; HS384 needs 48 at least")]);
    check("\"HS256\", \"HS512\"", GOOD_SECRET, &[("E", "HS512 needs 64 at least")]);
    check("\"HS256\"", b"changeme-changeme-changeme-changeme", &[("E", "placeholder")]);
    check("\"HS256\"", b"your-256-bit-secret-your-256-bit-secret", &[("E", "placeholder")]);
    check("\"HS256\"", &[b'a'; 64], &[("E", "sequence of neighbouring")]);
    check("\"HS256\"", b"base64:cThadDB2THc0UmsyWG42WWMxSmQ3SGIzR2Y5VHM1UGU=", &[]);
    check("\"HS256\"", b"base64url:cThadDB2THc0UmsyWG42WWMxSmQ3SGIzR2Y5VHM1UGU", &[]);
    check("\"HS256\"", b"base64:cThadDB2THc0UmsyWG42WWMxSmQ3SGIz", &[("E", "24 bytes")]);
    check("\"HS256\"", b"base64:not base64 at all, though it says so", &[("E", "not written as its prefix says")]);
    // On a machine without the secret the table is still checked, and every token refused.
    check("\"HS256\"", b"", &[]);
    let (issuer, _) = testing::compile(&format!("{USUAL}{HS}"), b"", b"");
    assert!(matches!(issuer.unwrap().source(), KeySource::Missing));
}

#[test]
fn urls_of_keys() {
    let check = |url: &str, more: &str, expect: &[(&str, &str)]| {
        check_with(&format!("{RS}jwks_url = \"{url}\"\n{more}"), b"", b"", expect);
    };
    check("https://login.example/keys?x=1", "", &[]);
    check("http://127.0.0.1:8080/keys", "", &[]);
    check("http://[::1]:8080/keys", "", &[]);
    check("http://localhost/keys", "", &[]);
    check("http://login.example/keys", "", &[("E", "plain HTTP can be changed")]);
    check("http://login.example/keys", "allow_http = true", &[("W", "whoever is on the path can sign")]);
    check("ftp://login.example/keys", "", &[("E", "does not begin with https://")]);
    check("login.example/keys", "", &[("E", "is no URL")]);
    check("/keys", "", &[("E", "is no URL")]);
    check("https://user:pass@login.example/", "", &[("E", "user name")]);
    check("https://login.example/#keys", "", &[("E", "is no URL")]);
    check("https://login.example/", "ca_file = \"ca.pem\"", &[("E", "no certificate in PEM")]);
    check("https://login.example/", "refresh = \"30s\"", &[("E", "too short: at least 1m")]);
    check("https://login.example/", "refresh = \"2h\"\nstale = \"1h\"", &[("E", "too short: at least 2h")]);
    check("https://login.example/", "stale = \"31d\"", &[("E", "too long: at most 30d")]);
    check("https://login.example/", "cooldown = \"2h\"", &[("E", "too long: at most 1h")]);
}

#[test]
fn rules_of_claims() {
    let check = |lines: &str, expect: &[(&str, &str)]| check(&format!("{HS}{lines}"), expect);
    check("leeway = \"5m\"", &[]);
    check("leeway = \"6m\"", &[("E", "too long: at most 5m")]);
    check("max_age = \"0s\"", &[("E", "young enough")]);
    check("require = []", &[("W", "good for ever")]);
    check("require = []\nmax_age = \"1h\"", &[]);
    check("require = [\"exp\", \"\"]", &[("E", "is empty")]);
    check("subject = \"\"", &[("E", "is empty")]);
    check("token = []", &[("E", "no place where a token may be")]);
    check("token = [\"header:authorization\", \"cookie:session\", \"header:X-Token\"]", &[]);
    check("token = [\"header:Authorization\", \"header:authorization\"]", &[("E", "listed twice")]);
    check("token = [\"query:token\"]", &[("E", "is no place where a token may be")]);
    check("token = [\"header:a b\"]", &[("E", "is no place")]);
    check("token = [\"cookie:\"]", &[("E", "is no place")]);
    let (_, found) = testing::compile(HS, GOOD_SECRET, b"");
    let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("whatever their claim `iss` is")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("made for other services")), "{texts:?}");
}

#[test]
fn places_of_tokens() {
    let issuer = testing::issuer(
        &format!("{USUAL}{HS}token = [\"header:AUTHORIZATION\", \"header:X-Token\", \"cookie:Session\"]"),
        GOOD_SECRET,
        b"",
    );
    let expect = [TokenPlace::Bearer, TokenPlace::Header("x-token".into()), TokenPlace::Cookie("Session".into())];
    assert_eq!(&*issuer.token, &expect);
}

#[test]
fn nothing_shows_a_secret() {
    let issuer = testing::issuer(&format!("{USUAL}{HS}"), GOOD_SECRET, b"");
    let shown = format!("{issuer:?}");
    assert!(shown.contains("main") && !shown.contains("q8Zt"), "{shown}");
}
