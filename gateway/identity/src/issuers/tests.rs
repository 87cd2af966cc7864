//! Tokens through the whole check: good ones, and a table of those that must not pass.

mod refused;
mod rotation;

use std::time::UNIX_EPOCH;

use super::*;
use crate::jwt::testing::{Signer, issuer, set_of};

/// The time of these tests, in seconds since the Unix epoch.
const NOW_S: u64 = 1_800_000_000;
const SECRET: &[u8] = b"q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A table with what all of these tests ask for, and these lines besides.
fn table(lines: &str) -> String {
    format!("issuer = \"https://login.example\"\naudience = [\"rampart\", \"agents\"]\n{lines}")
}

fn claims(members: &str) -> String {
    let exp = NOW_S + 600;
    format!(r#"{{"iss":"https://login.example","aud":"rampart","sub":"alice","exp":{exp}{members}}}"#)
}

fn check_good(issuer: &Arc<Issuer>, token: &str) -> Arc<Token> {
    match Issuers::new().verify(std::slice::from_ref(issuer), token.as_bytes(), at(NOW_S)) {
        Verification::Good(token) => token,
        other => panic!("{other:?}: {token}"),
    }
}

#[test]
fn what_a_good_token_says() {
    let signer = Signer::rs256();
    let file = set_of(&[signer.jwk(r#""kid":"one","alg":"RS256","use":"sig""#)]);
    let lines = "algorithms = [\"RS256\"]\njwks_file = \"keys.json\"\ntenant = \"org\"";
    let issuer = Arc::new(issuer(&table(lines), b"", file.as_bytes()));
    let more = r#","org":42,"scope":"agents:write agents:read  agents:read","role":"admin","nbf":1,"iat":1.5"#;
    let token = check_good(&issuer, &signer.token(r#"{"alg":"RS256","kid":"one","typ":"JWT"}"#, &claims(more)));
    assert_eq!((&*token.issuer, &*token.subject, &*token.tenant), ("main", "alice", "42"));
    let scopes: Vec<&str> = token.scopes.iter().map(AsRef::as_ref).collect();
    assert_eq!(scopes, ["agents:read", "agents:write"]);
    assert_eq!(token.claims.text("role").as_deref(), Some("admin"));
}

#[test]
fn what_may_differ_between_good_tokens() {
    let signer = Signer::hs256(SECRET);
    let issuer = Arc::new(issuer(&table("algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\""), SECRET, b""));
    let header = r#"{"alg":"HS256"}"#;
    let check = |header: &str, claims: &str| check_good(&issuer, &signer.token(header, claims));
    check(header, &claims(""));
    check(header, &claims("").replace("\"rampart\"", "[\"other\",\"agents\"]"));
    check(header, &claims("").replace("\"alice\"", "12345"));
    check(header, &claims("").replace("alice", "Ælfgifu of Yørk"));
    check(header, &claims(r#","scope":["a","b"]"#));
    check(header, &claims(r#","scope":null"#));
    check(header, &format!(" {} ", claims("")));
    check(r#"{"alg":"HS256","kid":"whatever it says"}"#, &claims(""));
    check(r#"{"alg":"HS256","typ":"anything","cty":"x","x5c":["AAAA"],"jwk":{"kty":"oct","k":"AAAA"}}"#, &claims(""));
    // Exactly at the edges: `exp` plus the leeway of 30 s is excluded, `nbf` less the leeway included.
    check(header, &claims("").replace(&(NOW_S + 600).to_string(), &(NOW_S - 29).to_string()));
    check(header, &claims("").replace(&(NOW_S + 600).to_string(), &format!("{}.5", NOW_S - 30)));
    check(header, &claims(&format!(",\"nbf\":{}", NOW_S + 30)));
    check(header, &claims(&format!(",\"iat\":{}", NOW_S + 30)));
}

#[test]
fn a_route_with_several_issuers_asks_the_one_that_the_token_names() {
    let (one, two) = (Signer::es256(), Signer::ed25519());
    let of = |name: &str, signer: &Signer, algorithm: &str| {
        let file = set_of(&[signer.jwk(r#""kid":"k""#)]);
        let lines = format!("issuer = \"https://{name}.example\"\nalgorithms = [\"{algorithm}\"]\njwks_file = \"k\"");
        Arc::new(issuer(&lines, b"", file.as_bytes()))
    };
    let candidates = [of("one", &one, "ES256"), of("two", &two, "EdDSA")];
    let issuers = Issuers::new();
    let check = |signer: &Signer, algorithm: &str, says: &str, expect: Result<(), Flaw>| {
        let claims = claims("").replace("login.example", says);
        let token = signer.token(&format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#), &claims);
        let result = match issuers.verify(&candidates, token.as_bytes(), at(NOW_S)) {
            Verification::Good(_) => Ok(()),
            Verification::Refused { flaw, .. } => Err(flaw),
            other @ Verification::UnknownKey(_) => panic!("{other:?}"),
        };
        assert_eq!(result, expect, "{algorithm} by {says}");
    };
    check(&one, "ES256", "one.example", Ok(()));
    check(&two, "EdDSA", "two.example", Ok(()));
    check(&one, "ES256", "two.example", Err(Flaw::Algorithm));
    check(&two, "EdDSA", "one.example", Err(Flaw::Algorithm));
    check(&one, "ES256", "three.example", Err(Flaw::Issuer));
    check(&two, "ES256", "one.example", Err(Flaw::Signature));
}

#[test]
fn two_issuers_of_one_name_are_both_asked() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let of = |signer: &Signer, audience: &str| {
        let lines = "issuer = \"https://login.example\"\nalgorithms = [\"ES256\"]\njwks_file = \"k\"";
        let file = set_of(&[signer.jwk("")]);
        Arc::new(issuer(&format!("audience = \"{audience}\"\n{lines}"), b"", file.as_bytes()))
    };
    let candidates = [of(&old, "rampart"), of(&new, "rampart")];
    for signer in [&old, &new] {
        let token = signer.token(r#"{"alg":"ES256"}"#, &claims(""));
        let verified = Issuers::new().verify(&candidates, token.as_bytes(), at(NOW_S));
        assert!(matches!(verified, Verification::Good(_)), "{verified:?}");
    }
}

#[test]
fn a_token_that_was_checked_before_is_still_checked_against_the_clock_and_the_rules() {
    let signer = Signer::hs256(SECRET);
    let compile = |lines: &str| {
        Arc::new(issuer(&table(&format!("algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\"\n{lines}")), SECRET, b""))
    };
    let (usual, strict) = (compile(""), compile("leeway = \"0s\""));
    let issuers = Issuers::new();
    issuers.reconcile(&[Arc::clone(&usual)]);
    let token = signer.token(r#"{"alg":"HS256"}"#, &claims(&format!(",\"nbf\":{NOW_S}")));
    let check = |issuer: &Arc<Issuer>, seconds: u64, expect: Result<(), Flaw>| {
        let result = match issuers.verify(std::slice::from_ref(issuer), token.as_bytes(), at(seconds)) {
            Verification::Good(_) => Ok(()),
            Verification::Refused { flaw, .. } => Err(flaw),
            other @ Verification::UnknownKey(_) => panic!("{other:?}"),
        };
        assert_eq!(result, expect, "at {seconds}");
    };
    for _ in 0..2 {
        check(&usual, NOW_S, Ok(()));
        check(&usual, NOW_S + 629, Ok(()));
        check(&usual, NOW_S + 630, Err(Flaw::Expired));
        check(&usual, NOW_S - 31, Err(Flaw::NotYet));
        check(&strict, NOW_S + 599, Ok(()));
        check(&strict, NOW_S + 600, Err(Flaw::Expired));
    }
    let slots = issuers.slots.load();
    let metrics = &slots["main"].metrics;
    assert!(metrics.known.get() >= 3 && metrics.verified.get() <= 2, "it was looked up, not checked again");
    // The same bytes under another secret are another token.
    let other_secret = b"Pe5sT9fG3bH7dJ1cY6nX2kR4wL0vtZ8q";
    let lines = "algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\"\n";
    check(&Arc::new(issuer(&table(lines), other_secret, b"")), NOW_S, Err(Flaw::Signature));
}
