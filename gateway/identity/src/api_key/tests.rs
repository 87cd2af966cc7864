use std::convert::Infallible;
use std::time::Duration;

use proptest::prelude::*;
use rampart_settings::{Document, Report, Severity, Source, read};
use serde::Deserialize;

use super::text::BadDigest::{Form, Key};
use super::*;

/// Made once with fixed bytes, so that a change of the format shows.
const KEY: &str = "rk_0123456789ABCDEF_GHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqCHECKS";

#[derive(Deserialize, schemars::JsonSchema)]
struct File {
    api_key: Vec<RawApiKey>,
}

/// 2026-06-01T00:00:00Z
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(494_520)
}

/// Letters in the order of the alphabet: byte `n` is letter `n % 62`.
fn counting() -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
    let mut next = 0_u8;
    move |bytes| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(1);
        }
        Ok(())
    }
}

fn made() -> NewKey {
    NewKey::make(counting()).unwrap()
}

fn compile(toml: &str) -> (Option<ApiKeys>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("keys.toml", toml), &report);
    let keys = document.and_then(|document| {
        let file: File = read(&document, &report)?;
        let root = document.root(&report).key("api_key");
        let places = file.api_key.iter().enumerate().map(|(index, raw)| (raw, root.index(index)));
        Some(ApiKeys::compile(places, now()))
    });
    let found = report.into_sorted().into_iter().map(|found| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        assert!(!found.to_string().contains(made().expose()), "the key is repeated: {found}");
        format!("{}:{} {severity}: {}", found.line, found.column, found.message)
    });
    (keys, found.collect())
}

fn table(name: &str, rest: &str) -> String {
    format!("[[api_key]]\nname = \"{name}\"\ndigest = \"{}\"\n{rest}\n", made().digest().unwrap())
}

#[track_caller]
fn check_found(toml: &str, expect: &[&str]) {
    let (_, found) = compile(toml);
    let shown: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(shown.len(), expect.len(), "{shown:#?}");
    for (found, expect) in shown.iter().zip(expect) {
        assert!(found.starts_with(expect), "{found:?} does not begin with {expect:?}");
    }
}

#[test]
fn a_key_has_the_documented_form() {
    let key = made();
    let text = key.expose();
    assert_eq!((text.len(), KEY_BYTES, KEY.len()), (63, 63, 63));
    assert_eq!(text.split('_').map(str::len).collect::<Vec<_>>(), [2, ID_CHARACTERS, 43]);
    assert!(regex_lite(text), "{text}");
    assert_eq!(format!("{key:?}"), "[redacted]");
    // The checksum, computed beside: CRC-32 of what stands before it, to the base of 62.
    let (signed, check) = text.split_at(57);
    let alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let number = check.chars().fold(0_u64, |sum, digit| sum * 62 + alphabet.find(digit).unwrap() as u64);
    assert_eq!(number, u64::from(slow_crc32(signed.as_bytes())));
    // The check value that every description of this CRC gives.
    assert_eq!(slow_crc32(b"123456789"), 0xCBF4_3926);
}

/// [`PATTERN`], written out: the crate has no regular expressions.
fn regex_lite(text: &str) -> bool {
    assert_eq!(PATTERN, r"\brk_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}\b");
    let parts: Vec<&str> = text.split('_').collect();
    matches!(*parts, ["rk", id, secret] if id.len() == 16 && secret.len() == 43
        && id.chars().chain(secret.chars()).all(|c| c.is_ascii_alphanumeric()))
}

/// By long division of polynomials over a string of bits, highest first.
fn slow_crc32(text: &[u8]) -> u32 {
    let mut bits: Vec<bool> = text.iter().flat_map(|byte| (0..8).map(move |at| byte >> at & 1 == 1)).collect();
    bits.extend([false; 32]);
    bits.iter_mut().take(32).for_each(|bit| *bit = !*bit);
    let divisor: Vec<bool> = (0..33).map(|at| 0x1_04C1_1DB7_u64 >> (32 - at) & 1 == 1).collect();
    for at in 0..bits.len() - 32 {
        if bits[at] {
            bits[at..at + 33].iter_mut().zip(&divisor).for_each(|(bit, divisor)| *bit ^= divisor);
        }
    }
    let rest = &bits[bits.len() - 32..];
    !rest.iter().enumerate().fold(0, |sum, (at, &bit)| sum | u32::from(bit) << at)
}

/// Numbers that are the same in every run, and spread well enough.
fn scattered(mut state: u64) -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
    move |bytes| {
        for byte in bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = state.to_be_bytes()[0];
        }
        Ok(())
    }
}

/// A byte modulo 62 would make eight letters a quarter likelier than the others.
#[test]
fn letters_are_equally_likely() {
    const KEYS: usize = 4_000;
    let mut fill = scattered(1);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..KEYS {
        let key = NewKey::make(&mut fill).unwrap();
        let text = key.expose();
        for letter in text[3..19].chars().chain(text[20..57].chars()) {
            *seen.entry(letter).or_insert(0_usize) += 1;
        }
    }
    assert_eq!(seen.len(), 62);
    // Five standard deviations.
    let expect = KEYS * 53 / 62;
    assert!(seen.values().all(|&count| count.abs_diff(expect) < 290), "{expect}: {seen:?}");
}

#[test]
fn randomness_that_fails_makes_no_key() {
    assert_eq!(NewKey::make(|_| Err("none")).err(), Some("none"));
}

#[test]
fn texts_that_are_keys_and_texts_that_are_not() {
    let good = made().expose().to_owned();
    let check = |text: &str, expect: bool| {
        assert_eq!(text::parse(text.as_bytes()).is_some(), expect, "{text}");
        assert_eq!(NewKey::read(text).is_some(), expect, "{text}");
    };
    check(&good, true);
    check("", false);
    check("rk_", false);
    check(KEY, false);
    check(&good[..62], false);
    check(&format!("{good}0"), false);
    check(&format!(" {good}"), false);
    check(&good.replacen("rk_", "RK_", 1), false);
    check(&good.replacen("rk_", "sk_", 1), false);
    check(&good.to_lowercase(), false);
    check(&good.replacen('_', "-", 2), false);
    assert!(looks_like_one(KEY.as_bytes()) && !looks_like_one(b"eyJhbGciOiJub25lIn0") && !looks_like_one(b"RK_"));
}

proptest! {
    /// A character typed wrong, and two neighbours swapped, are noticed before any digest is computed.
    #[test]
    fn mistyped_keys_are_recognised(at in 0_usize..63, letter in "[0-9A-Za-z]", swap: bool) {
        let good = made().expose().to_owned();
        let mut bytes = good.clone().into_bytes();
        if swap && at < 62 { bytes.swap(at, at + 1) } else { bytes[at] = letter.as_bytes()[0] }
        prop_assert_eq!(text::parse(&bytes).is_some(), bytes == good.as_bytes());
    }

    #[test]
    fn nothing_panics(text: Vec<u8>) {
        prop_assert_eq!(text::parse(&text), None);
        let _ = String::from_utf8_lossy(&text).parse::<KeyDigest>();
    }

    /// Whatever the randomness, the key is read back and its digest printed and parsed.
    #[test]
    fn keys_and_digests_are_read_back(seed: u64) {
        let key = NewKey::make(scattered(seed)).unwrap();
        let again = NewKey::read(key.expose()).unwrap();
        let digest = key.digest().unwrap();
        prop_assert_eq!(again.digest(), Some(digest));
        prop_assert_eq!(digest.to_string().parse::<KeyDigest>(), Ok(digest));
        prop_assert!(!digest.to_string().contains(&key.expose()[20..]));
    }
}

#[test]
fn digests() {
    let hex = "ab".repeat(32);
    let check = |text: &str, expect: Result<(), text::BadDigest>| {
        assert_eq!(text.parse::<KeyDigest>().map(drop), expect, "{text}");
    };
    check(&format!("sha256:0123456789ABCDEF:{hex}"), Ok(()));
    check(&format!("sha256:0123456789ABCDEF:{}", hex.to_uppercase()), Ok(()));
    check(&format!("sha256:{hex}"), Err(Form));
    check(&format!("sha512:0123456789ABCDEF:{hex}"), Err(Form));
    check(&format!("sha256:0123456789ABCDE:{hex}"), Err(Form));
    check(&format!("sha256:0123456789ABCDE-:{hex}"), Err(Form));
    check(&format!("sha256:0123456789ABCDEF:{}", &hex[1..]), Err(Form));
    check(&format!("sha256:0123456789ABCDEF:+{}", &hex[1..]), Err(Form));
    check(&format!("sha256:0123456789ABCDEF:{}é", &hex[2..]), Err(Form));
    check("", Err(Form));
    check(made().expose(), Err(Key));
    check(&format!("sha256:{}", made().expose()), Err(Key));
}

#[test]
fn a_key_holds_in_its_time_and_no_other() {
    let text = made().expose().to_owned();
    let (keys, found) = compile(&table(
        "ci",
        "scopes = [\"agents:read\"]\ntenant = \"acme\"\nnot_before = \"2026-05-01\"\nexpires = \"2027-01-01T12:00:00+02:00\"",
    ));
    assert_eq!(found, Vec::<String>::new());
    let keys = keys.unwrap();
    assert_eq!((keys.len(), keys.is_empty()), (1, false));
    // 2026-05-01T00:00:00Z and 2027-01-01T10:00:00Z
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let check = |text: &str, now: SystemTime, expect: Result<&str, (Reason, Option<&str>)>| {
        let got = keys.verify(text.as_bytes(), now);
        let got = got.map(|key| &*key.name);
        assert_eq!(got, expect.map_err(|(reason, name)| (reason, name.map(Arc::from))), "{text}");
    };
    check(&text, now(), Ok("ci"));
    check(&text, at(1_777_593_600), Ok("ci"));
    check(&text, at(1_777_593_599), Err((Reason::NotYet, Some("ci"))));
    check(&text, at(1_798_797_599), Ok("ci"));
    check(&text, at(1_798_797_600), Err((Reason::Expired, Some("ci"))));
    check("rk_", now(), Err((Reason::Malformed, None)));
    let mut other = counting();
    other(&mut [0; 7]).unwrap();
    let stranger = NewKey::make(&mut other).unwrap();
    check(stranger.expose(), now(), Err((Reason::UnknownKey, None)));
    // The known id with another secret, its checksum made good.
    let forged = text::forge(&text[..20], 'x');
    check(&forged, now(), Err((Reason::BadSignature, Some("ci"))));
    // Nobody learns that a key has expired without having it.
    check(&forged, at(1_798_797_600), Err((Reason::BadSignature, Some("ci"))));
    let key = keys.verify(text.as_bytes(), now()).unwrap();
    assert_eq!((&*key.tenant, &*key.scopes), ("acme", &[Box::from("agents:read")][..]));
}

#[test]
fn without_a_tenant_a_key_is_its_own() {
    let (keys, found) = compile(&table("ci", ""));
    assert_eq!(found, Vec::<String>::new());
    let key = keys.unwrap();
    let key = key.verify(made().expose().as_bytes(), now()).unwrap();
    assert_eq!((&*key.name, &*key.tenant, key.scopes.len()), ("ci", "ci", 0));
}

#[test]
fn what_is_wrong_with_keys_is_said() {
    let twice = format!("{}{}", table("a", ""), table("b", ""));
    check_found(&twice, &["7:10 error: the id of this key is that of \"a\" at keys.toml:3:1"]);
    let same_name = format!("{}{}", table("a", ""), table("a", "").replace("sha256:0", "sha256:z"));
    check_found(&same_name, &["6:8 error: the name \"a\" is used at keys.toml:2:1 already"]);
    check_found(&table("ci", "expires = \"2026-06-10\""), &["4:11 warning: the key \"ci\" expires in 9 days"]);
    check_found(&table("ci", "expires = \"2026-05-31\""), &["4:11 warning: the key \"ci\" has expired"]);
    check_found(&table("ci", "expires = \"2026-06-16\""), &[]);
    check_found(&table("ci", "expires = \"soon\""), &["4:11 error: \"soon\" is not a date"]);
    check_found(&table("ci", "expires = \"2027-02-29\""), &["4:11 error: \"2027-02-29\" is not a date"]);
    check_found(
        &table("ci", "expires = \"2027-01-01T00:00:00\""),
        &["4:11 error: \"2027-01-01T00:00:00\" is not a date"],
    );
    check_found(
        &table("ci", "not_before = \"2028-01-01\"\nexpires = \"2027-01-01\""),
        &["4:14 error: the key begins to hold when it has ceased to"],
    );
    check_found(&table("ci", "tenant = \" acme\""), &["4:10 error: a tenant is"]);
    check_found(&table("c\\u0007i", ""), &["2:8 error: a name is"]);
    check_found(
        &table("ci", "scopes = [\"a b\", \"a\\\"\", \"a\", \"a\"]"),
        &[
            "4:11 error: \"a b\" is several scopes",
            "4:18 error: \"a\\\"\" is no scope",
            "4:30 error: \"a\" is listed twice",
        ],
    );
    check_found(&table("ci", "secret = \"x\""), &["4:1 error: unknown key"]);
}

#[test]
fn a_key_in_the_configuration_is_refused_and_not_repeated() {
    let toml = format!("[[api_key]]\nname = \"ci\"\ndigest = \"{}\"\n", made().expose());
    check_found(&toml, &["3:10 error: the value does not have the form"]);
    // Built by a program, without a schema in front.
    let report = Report::new();
    let raw = RawApiKey {
        name: "ci".to_owned(),
        digest: RawDigest::new(made().expose()),
        scopes: Vec::new(),
        tenant: None,
        expires: None,
        not_before: None,
    };
    let keys = ApiKeys::compile([(&raw, rampart_settings::Place::nowhere("a test", &report))], now());
    assert!(keys.is_empty());
    let found: Vec<String> = report.into_sorted().iter().map(ToString::to_string).collect();
    assert!(found[0].contains("this is the key itself") && !found[0].contains(made().expose()), "{found:?}");
}
