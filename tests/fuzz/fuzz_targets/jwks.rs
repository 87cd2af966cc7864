//! Sets of keys, as JSON and as PEM: whatever an issuer publishes, what is taken of it can check signatures and nothing
//! else, and what is left out is said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_identity::jwks::{KeySet, LeftOut, MAX_KEYS, MAX_SET_BYTES, Unused};
use rampart_identity::jwt::Algorithm;
use serde_json::Value;

const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

fuzz_target!(|input: &[u8]| {
    let public: Vec<Algorithm> =
        Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.as_str().starts_with("HS")).collect();
    if let Ok((set, left_out)) = KeySet::parse(input, &public) {
        lawful(input, &set, &left_out);
    }
    if let Ok((set, left_out)) = KeySet::parse(input, &[Algorithm::parse("ES256").unwrap()]) {
        lawful(input, &set, &left_out);
    }
    if let Ok(set) = KeySet::from_pem(input, &public) {
        assert_eq!(set.len(), 1);
        assert!(!input.windows(11).any(|window| window == b"PRIVATE KEY"));
    }
});

fn lawful(input: &[u8], set: &KeySet, left_out: &[LeftOut]) {
    assert!(input.len() <= MAX_SET_BYTES);
    let theirs: Value = serde_json::from_slice(input).expect("a set of keys is JSON");
    let entries = theirs["keys"].as_array().expect("a set has a list of keys");
    assert!((1..=MAX_KEYS).contains(&set.len()));
    assert_eq!(set.len() + left_out.len(), entries.len(), "every key is taken or left out");
    for (index, entry) in entries.iter().enumerate() {
        let why = left_out.iter().find(|left| left.index == index).map(|left| &left.why);
        let secret = entry["kty"] == "oct";
        let private = PRIVATE.iter().any(|name| entry.get(name).is_some());
        if secret || private {
            assert!(why.is_some(), "a secret was taken for a public key: {entry}");
        }
        if why == Some(&Unused::Secret) {
            assert!(secret);
        }
        if entry.get("use").is_some_and(|purpose| purpose != "sig") {
            assert!(why.is_some(), "a key for encryption checks signatures: {entry}");
        }
    }
    for left in left_out {
        let said = left.to_string();
        assert!(said.len() < 2_000 && !said.contains(char::is_control), "{said:?}");
    }
}
