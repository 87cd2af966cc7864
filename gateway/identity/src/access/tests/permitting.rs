//! What a caller who is known has to have.

use super::*;

fn check(identity: &str, scopes: &[&'static str], claims: Value, expect: &str) {
    let access = good(identity);
    let tokens = Written { scopes: scopes.to_vec(), claims };
    assert_eq!(outcome(&access, &tokens, &["Authorization: Bearer alice@main"]), expect, "{identity} {scopes:?}");
}

#[test]
fn scopes() {
    let all = "{ issuers = \"main\", scopes = [\"a\", \"b\"] }";
    check(all, &["a", "b"], json!({}), "jwt:main:alice");
    check(all, &["c", "b", "a"], json!({}), "jwt:main:alice");
    check(all, &["a"], json!({}), "!scope jwt:main");
    check(all, &["ab"], json!({}), "!scope jwt:main");
    check(all, &[], json!({}), "!scope jwt:main");
    let any = "{ issuers = \"main\", any_scope = [\"a\", \"b\"] }";
    check(any, &["b"], json!({}), "jwt:main:alice");
    check(any, &["B"], json!({}), "!scope jwt:main");
    check(any, &[], json!({}), "!scope jwt:main");
    let both = "{ issuers = \"main\", scopes = [\"x\"], any_scope = [\"a\", \"b\"] }";
    check(both, &["x", "a"], json!({}), "jwt:main:alice");
    check(both, &["x"], json!({}), "!scope jwt:main");
    check(both, &["a"], json!({}), "!scope jwt:main");
    // A claim of that name is not a scope.
    check(all, &[], json!({ "a": true, "scope": "a b" }), "!scope jwt:main");
}

#[test]
fn claims() {
    let role = "{ issuers = \"main\", claims = { role = [\"admin\", \"owner\"] } }";
    check(role, &[], json!({ "role": "owner" }), "jwt:main:alice");
    check(role, &[], json!({ "role": ["user", "admin"] }), "jwt:main:alice");
    check(role, &[], json!({ "role": "user" }), "!forbidden jwt:main");
    check(role, &[], json!({ "role": "Admin" }), "!forbidden jwt:main");
    check(role, &[], json!({ "role": "admin owner" }), "!forbidden jwt:main");
    check(role, &[], json!({ "role": ["user"] }), "!forbidden jwt:main");
    check(role, &[], json!({ "role": [["admin"]] }), "!forbidden jwt:main");
    check(role, &[], json!({ "role": { "admin": true } }), "!forbidden jwt:main");
    check(role, &[], json!({ "role": null }), "!forbidden jwt:main");
    check(role, &[], json!({ "Role": "admin" }), "!forbidden jwt:main");
    check(role, &[], json!({}), "!forbidden jwt:main");

    let verified = "{ issuers = \"main\", claims = { email_verified = true } }";
    check(verified, &[], json!({ "email_verified": true }), "jwt:main:alice");
    check(verified, &[], json!({ "email_verified": false }), "!forbidden jwt:main");
    check(verified, &[], json!({ "email_verified": "true" }), "!forbidden jwt:main");
    check(verified, &[], json!({ "email_verified": 1 }), "!forbidden jwt:main");

    let level = "{ issuers = \"main\", claims = { level = [3, 4], kind = \"42\" } }";
    check(level, &[], json!({ "level": 4, "kind": "42" }), "jwt:main:alice");
    check(level, &[], json!({ "level": "4", "kind": "42" }), "!forbidden jwt:main");
    check(level, &[], json!({ "level": 4.5, "kind": "42" }), "!forbidden jwt:main");
    check(level, &[], json!({ "level": 5, "kind": "42" }), "!forbidden jwt:main");
    check(level, &[], json!({ "level": 4, "kind": 42 }), "!forbidden jwt:main");
    check(level, &[], json!({ "level": 4 }), "!forbidden jwt:main");

    let inner = "{ issuers = \"main\", claims = { \"/realm_access/roles\" = \"ops\" } }";
    check(inner, &[], json!({ "realm_access": { "roles": ["dev", "ops"] } }), "jwt:main:alice");
    check(inner, &[], json!({ "realm_access": { "roles": ["dev"] } }), "!forbidden jwt:main");
    check(inner, &[], json!({ "realm_access": "ops" }), "!forbidden jwt:main");
}

#[test]
fn the_caller_is_named_in_the_refusal() {
    let access = good("{ issuers = \"main\", scopes = [\"agents:write\"] }");
    let checked = with(&["Authorization: Bearer alice@main"], |headers| access.check(headers, &tokens(), now()));
    let Checked::Refused(denial) = checked else { panic!("let in") };
    assert_eq!(denial.principal.map(|principal| principal.label()).as_deref(), Some("jwt:main:alice"));
    assert_eq!(denial.challenges, ["Bearer realm=\"rampart\", error=\"insufficient_scope\", scope=\"agents:write\""]);
}

#[test]
fn keys_have_scopes_and_no_claims() {
    let key = ["X-Api-Key: KEY"];
    assert_eq!(outcome(&good("{ api_keys = true, scopes = [\"agents:write\"] }"), &tokens(), &key), "api_key:ci");
    let (access, _) = compile("{ issuers = \"main\", api_keys = true, scopes = [\"admin\"] }");
    assert_eq!(outcome(&access.unwrap(), &tokens(), &key), "!scope api_key:ci");
    let (access, _) = compile("{ api_keys = true, claims = { role = \"admin\" } }");
    assert_eq!(outcome(&access.unwrap(), &tokens(), &key), "!forbidden api_key:ci");
}

/// A subject that is not safe is refused as soon as it is known.
#[test]
fn unsafe_names_are_refused() {
    let access = good("{ issuers = \"main\" }");
    for subject in ["", "al\tice", "al\u{200b}ice", "\u{202e}alice"] {
        let line = format!("Authorization: Bearer {subject}@main");
        assert_eq!(outcome(&access, &tokens(), &[&line]), "!claim jwt:main", "{subject:?}");
    }
}
