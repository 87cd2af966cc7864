//! What the client and the upstream are told.

use super::*;

fn challenges(identity: &str, lines: &[&str]) -> (u16, Vec<String>) {
    let (access, _) = compile(identity);
    match with(lines, |headers| access.unwrap().check(headers, &tokens(), now())) {
        Checked::Refused(denial) => (denial.reason.status(), denial.challenges),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn challenges_say_how_to_come_in() {
    let check = |identity: &str, lines: &[&str], status: u16, expect: &[&str]| {
        assert_eq!(
            challenges(identity, lines),
            (status, expect.iter().map(|&text| text.to_owned()).collect()),
            "{lines:?}"
        );
    };
    let both = "{ issuers = \"main\", api_keys = true, scopes = [\"a\", \"b\"], realm = \"agents api\" }";
    let key = "ApiKey realm=\"agents api\", header=\"x-api-key\"";
    // RFC 6750 section 3.1: without a credential there is no error code.
    check(both, &[], 401, &["Bearer realm=\"agents api\", scope=\"a b\"", key]);
    check(both, &["Authorization: Bearer x"], 401, &["Bearer realm=\"agents api\", error=\"invalid_token\"", key]);
    check(
        both,
        &["Authorization: Bearer expired@main"],
        401,
        &["Bearer realm=\"agents api\", error=\"invalid_token\", error_description=\"the token has expired\"", key],
    );
    check(
        both,
        &["Authorization: Bearer a@main", "X-Api-Key: KEY"],
        401,
        &["Bearer realm=\"agents api\", error=\"invalid_request\"", key],
    );
    check(
        both,
        &["Authorization: Bearer alice@main"],
        403,
        &["Bearer realm=\"agents api\", error=\"insufficient_scope\", scope=\"a b\"", key],
    );
    check(both, &["Authorization: Bearer early@main"], 503, &[]);
    check("{ api_keys = true }", &[], 401, &["ApiKey realm=\"rampart\", header=\"x-api-key\""]);
    check("{ issuers = \"web\" }", &[], 401, &["Bearer realm=\"rampart\""]);
}

/// Every 401 has a challenge (RFC 9110 section 15.5.2), and none repeats what the client sent.
#[test]
fn no_challenge_echoes() {
    for identity in ["{ issuers = \"main\" }", "{ api_keys = true }", "{ issuers = \"main\", api_keys = true }"] {
        for value in ["evil\"echo", "echo@nowhere", "rk_echo", "expired@main"] {
            let (access, _) = compile(identity);
            let line = format!("Authorization: Bearer {value}");
            let checked = with(&[&line], |headers| access.as_ref().unwrap().check(headers, &tokens(), now()));
            let Checked::Refused(denial) = checked else { panic!("{identity} let {value} in") };
            assert!(!denial.challenges.is_empty() && !denial.challenges.concat().contains("echo"), "{denial:?}");
        }
    }
}

/// The edits for a request, as `name: value` and `-name`, in the order of their names.
fn edits(access: &Access, tokens: &Written, lines: &[&str]) -> Vec<String> {
    with(lines, |headers| {
        let principal = match access.check(headers, tokens, now()) {
            Checked::Known(principal) => Some(principal),
            Checked::Anonymous => None,
            other => panic!("not let in: {other:?}"),
        };
        let mut edits: Vec<String> = access
            .forward(headers, principal.as_ref())
            .into_iter()
            .map(|(name, value)| match value {
                Some(value) => format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
                None => format!("-{name}"),
            })
            .collect();
        edits.sort();
        edits
    })
}

const TELLING: &str = "{ issuers = \"both\", api_keys = true, required = false, forward = { X-User = \"subject\", \
                       X-Tenant = \"tenant\", X-Scopes = \"scopes\", X-Kind = \"kind\", X-Via = \"via\", X-Role = \"claim:role\" } }";

#[test]
fn the_upstream_is_told_who_it_is() {
    let access = good(TELLING);
    let tokens = Written { scopes: vec!["a", "b"], claims: json!({ "role": ["admin", 3, true] }) };
    assert_eq!(
        edits(&access, &tokens, &["Authorization: Bearer alice@both"]),
        ["x-kind: jwt", "x-role: admin,3,true", "x-scopes: a b", "x-tenant: acme", "x-user: alice", "x-via: jwt:both",]
    );
    assert_eq!(
        edits(&access, &tokens, &["X-Api-Key: KEY"]),
        [
            "-x-api-key",
            "-x-role",
            "x-kind: api_key",
            "x-scopes: agents:read agents:write",
            "x-tenant: acme",
            "x-user: ci",
            "x-via: api_key:ci",
        ]
    );
    let anonymous = ["-x-kind", "-x-role", "-x-scopes", "-x-tenant", "-x-user", "-x-via"];
    assert_eq!(edits(&access, &tokens, &[]), anonymous);
    assert_eq!(edits(&access, &tokens, &["X-User: root", "X-Role: admin", "Other: stays"]), anonymous);
}

#[test]
fn nobody_else_can_say_it_in_any_spelling() {
    let access = good("{ issuers = \"both\", required = false, forward = { X-User-Id = \"subject\" } }");
    let forged = [
        "X-User-Id: root",
        "x_user_id: root",
        "X-User_Id: root",
        "X.User.Id: root",
        "x_user-id: root",
        "X~User!Id: root",
        "xuserid: ok",
    ];
    assert_eq!(
        edits(&access, &tokens(), &forged),
        ["-x-user-id", "-x-user_id", "-x.user.id", "-x_user-id", "-x_user_id", "-x~user!id"]
    );
    let mut signed = forged.to_vec();
    signed.push("Authorization: Bearer alice@both");
    let expect = ["-x-user_id", "-x.user.id", "-x_user-id", "-x_user_id", "-x~user!id", "x-user-id: alice"];
    assert_eq!(edits(&access, &tokens(), &signed), expect);
}

#[test]
fn credentials_go_on_or_not() {
    let check = |keep: &str, lines: &[&str], expect: &[&str]| {
        let access = good(&format!("{{ issuers = [\"both\", \"web\"], api_keys = true, required = false{keep} }}"));
        assert_eq!(edits(&access, &tokens(), lines), expect, "{keep} {lines:?}");
    };
    let default = "";
    check(default, &["Authorization: Bearer alice@both"], &[]);
    check(default, &["Cookie: sid=alice@web"], &[]);
    check(default, &["X-Api-Key: KEY"], &["-x-api-key"]);
    check(default, &["X-Api-Key: KEY", "X_Api_Key: KEY"], &["-x-api-key", "-x_api_key"]);
    check(default, &["Authorization: Bearer KEY"], &["-authorization"]);
    check(default, &["X-Api-Key: KEY", "Authorization: Basic eDp5"], &["-x-api-key"]);
    check(default, &["X-Api-Key: KEY", "Authorization: Bearer KEY"], &["-authorization", "-x-api-key"]);
    let none = ", keep_credentials = false";
    check(none, &["Authorization: Bearer alice@both"], &["-authorization"]);
    check(none, &["X-Api-Key: KEY"], &["-x-api-key"]);
    check(none, &["X-Token: alice@web"], &["-x-token"]);
    check(none, &["Cookie: sid=alice@web"], &["-cookie"]);
    check(none, &["Cookie: a=b; sid=alice@web; c=\"d e\"", "Cookie: f=g"], &["cookie: a=b; c=\"d e\"; f=g"]);
    check(none, &["Cookie: a=b; sid="], &["cookie: a=b"]);
    check(none, &["Cookie: a=b"], &[]);
    check(none, &["Authorization: Basic eDp5"], &["-authorization"]);
    check(none, &["X-Api-Key: KEY", "Authorization: ApiKey KEY"], &["-authorization", "-x-api-key"]);
    let all = ", keep_credentials = true";
    check(all, &["Authorization: Bearer alice@both"], &[]);
    check(all, &["X-Api-Key: KEY"], &[]);
}

/// However it is written, and whether it was looked at or not: the upstream sees no key.
#[test]
fn no_key_in_authorization_goes_on() {
    let keyed = "{ issuers = \"both\", api_keys = true, required = false }";
    let tokens_only = "{ issuers = \"both\", required = false }";
    let check = |identity: &str, value: &str, expect: &[&str]| {
        let line = format!("Authorization: {value}");
        assert_eq!(edits(&good(identity), &tokens(), &[&line]), expect, "{identity} {value}");
    };
    for identity in [keyed, tokens_only] {
        for value in ["KEY", "Basic KEY", "Token token=\"KEY\"", "x\tKEY", "Apikey:KEY", "rk_KEY"] {
            check(identity, value, &["-authorization"]);
        }
        for value in ["Basic eDp5", "Digest rk_0123", "Token rk_0123456789abcdef-", "rk_", "Bearer alice@both"] {
            check(identity, value, &[]);
        }
    }
    for value in ["ApiKey KEY", "Bearer\tKEY", "apikey\t KEY"] {
        check(keyed, value, &["-authorization"]);
    }
    check(tokens_only, "ApiKey KEY", &["-authorization"]);
    // A token goes on as ever, also behind a tab.
    check(keyed, "Bearer\talice@both", &[]);
}

/// A claim that a header cannot carry as it is keeps the caller out: the upstream would take a missing header for a
/// missing claim, or a cut one for another.
#[test]
fn claims_that_no_header_can_carry_are_refused() {
    let access = good("{ issuers = \"main\", forward = { X-Role = \"claim:role\" } }");
    let check = |role: Value, expect: &str| {
        let tokens = Written { scopes: vec![], claims: json!({ "role": role.clone() }) };
        let lines = ["Authorization: Bearer alice@main"];
        let outcome = outcome(&access, &tokens, &lines);
        let got = if outcome.starts_with('!') { outcome } else { edits(&access, &tokens, &lines).concat() };
        assert_eq!(got, expect, "{role}");
    };
    check(json!("admin"), "x-role: admin");
    check(json!("a, b"), "x-role: a, b");
    check(json!(["a", "b"]), "x-role: a,b");
    check(json!([]), "x-role: ");
    check(json!("Jürgen"), "x-role: Jürgen");
    check(json!(null), "-x-role");
    check(json!("a\r\nX-Admin: 1"), "!claim jwt:main");
    check(json!("a\n"), "!claim jwt:main");
    check(json!(" a"), "!claim jwt:main");
    check(json!("a\u{0}"), "!claim jwt:main");
    check(json!("a\u{7f}"), "!claim jwt:main");
    check(json!(["a,admin"]), "!claim jwt:main");
    check(json!(["a", " b"]), "!claim jwt:main");
    check(json!([["a"]]), "!claim jwt:main");
    check(json!({ "a": 1 }), "!claim jwt:main");
    check(json!("a".repeat(4_097)), "!claim jwt:main");
}

proptest::proptest! {
    /// Whatever names a client sends, none that a server may take for the gateway's own is left.
    #[test]
    fn no_spelling_is_left(names in proptest::collection::vec("[xX][-_.~!|][uU]ser[-_.^]?[iI][dD]", 0..6)) {
        let access = good("{ issuers = \"both\", required = false, forward = { X-User-Id = \"subject\" } }");
        let lines: Vec<String> = names.iter().map(|name| format!("{name}: root")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let edits = edits(&access, &tokens(), &lines);
        for name in names {
            let variable = name.to_ascii_uppercase().replace(|byte: char| !byte.is_ascii_alphanumeric(), "_");
            let removed = edits.contains(&format!("-{}", name.to_ascii_lowercase()));
            proptest::prop_assert_eq!(removed, variable == "X_USER_ID", "{}", name);
        }
    }
}

#[test]
fn what_a_route_asks_for_in_words() {
    let check = |toml: &str, expect: &str| assert_eq!(good(toml).to_string(), expect);
    check("{ issuers = \"main\" }", "a token of main");
    check("{ issuers = [\"main\", \"both\"], api_keys = true }", "a token of main or both, or an API key");
    check("{ api_keys = true, required = false }", "an API key, or nothing");
    check("{ issuers = \"main\", scopes = [\"a\"] }", "a token of main; the scope a");
    check(
        "{ issuers = \"main\", scopes = [\"a\", \"b\"], any_scope = [\"c\", \"d\"], claims = { role = [\"x\", \"y\"], ok = true } }",
        "a token of main; the scopes a, b; one of the scopes c, d; the claims ok = true, role = \"x\" or \"y\"",
    );
}
