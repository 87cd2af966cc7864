use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jwt::Claims;

/// A verified token of the issuer `main`, as [`crate::Issuers`] would make it.
pub(crate) fn token(subject: &str, tenant: &str, scopes: &[&str], claims: &Value) -> Arc<Token> {
    Arc::new(Token {
        issuer: "main".into(),
        subject: subject.into(),
        tenant: tenant.into(),
        scopes: scopes.iter().map(|&scope| scope.into()).collect(),
        claims: Claims(claims.as_object().unwrap().clone()),
    })
}

fn check_name(name: &str, expect: bool) {
    assert_eq!(is_safe_name(name), expect, "{name:?}");
    let as_subject = Principal::of_token(token(name, "acme", &[], &json!({})));
    let as_tenant = Principal::of_token(token("alice", name, &[], &json!({})));
    assert_eq!(as_subject.err(), (!expect).then_some(Reason::Claim), "{name:?}");
    assert_eq!(as_tenant.err(), (!expect).then_some(Reason::Claim), "{name:?}");
}

#[test]
fn names_are_safe_or_refused() {
    check_name("alice", true);
    check_name("auth0|5f7c8ec7c33c6c004bbafe82", true);
    check_name("alice@example.com", true);
    check_name("Jürgen Müller", true);
    check_name("李", true);
    check_name("3", true);
    check_name(&"a".repeat(MAX_NAME_BYTES), true);
    check_name(&"a".repeat(MAX_NAME_BYTES + 1), false);
    check_name(&"ü".repeat(MAX_NAME_BYTES / 2 + 1), false);
    check_name("", false);
    check_name(" alice", false);
    check_name("alice ", false);
    check_name("\u{a0}alice", false);
    check_name("alice\r\nX-Role: admin", false);
    check_name("alice\0", false);
    check_name("al\tice", false);
    check_name("alice\u{7f}", false);
    check_name("alice\u{85}", false);
    check_name("al\u{200b}ice", false);
    check_name("al\u{ad}ice", false);
    check_name("\u{202e}ecila", false);
    check_name("alice\u{2028}", false);
    check_name("\u{feff}alice", false);
    check_name("alice\u{e0041}", false);
}

#[test]
fn callers_of_two_kinds_have_different_labels() {
    let jwt = Principal::of_token(token("ci", "acme", &["a"], &json!({}))).unwrap();
    let key = Principal::of_api_key(&"ci".into(), &"acme".into(), &Arc::from([Box::from("a")]));
    assert_eq!((jwt.label().as_str(), key.label().as_str()), ("jwt:main:ci", "api_key:ci"));
    assert_eq!((jwt.via().as_str(), key.via().as_str()), ("jwt:main", "api_key:ci"));
    assert_eq!((jwt.api_key(), key.api_key()), (None, Some("ci")));
    assert_eq!(jwt.kind, PrincipalKind::Jwt { issuer: "main".into() });
    for caller in [jwt, key] {
        assert_eq!((&*caller.subject, &*caller.tenant), ("ci", "acme"));
        assert!(caller.has_scope("a") && !caller.has_scope("A") && !caller.has_scope(""));
    }
}

#[test]
fn claims_as_text() {
    let claims = json!({
        "role": "admin", "level": 3, "ratio": 1.5, "verified": true, "groups": ["a"], "org": {"id": "x"}, "none": null,
        "https://example.com/role": "owner",
    });
    let caller = Principal::of_token(token("alice", "acme", &[], &claims)).unwrap();
    let check = |name: &str, expect: Option<&str>| assert_eq!(caller.claim(name).as_deref(), expect, "{name}");
    check("role", Some("admin"));
    check("level", Some("3"));
    check("ratio", Some("1.5"));
    check("verified", Some("true"));
    check("https://example.com/role", Some("owner"));
    check("groups", None);
    check("org", None);
    check("none", None);
    check("Role", None);
    check("", None);
    assert_eq!(caller.claim_value("groups"), Some(&json!(["a"])));
    let key = Principal::of_api_key(&"ci".into(), &"ci".into(), &Arc::default());
    assert_eq!(key.claim_value("role"), None);
}

proptest! {
    /// What is taken as a name is one field value and one word of a log line, unchanged.
    #[test]
    fn safe_names_stay_what_they_are(name in "\\PC{0,40}|.{0,40}") {
        if is_safe_name(&name) {
            let value = http::HeaderValue::from_bytes(name.as_bytes()).unwrap();
            prop_assert_eq!(value.as_bytes().trim_ascii(), name.as_bytes());
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert_eq!(name.lines().count(), 1);
        }
    }
}
