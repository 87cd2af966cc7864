//! What `check` says about `identity`.

use super::*;

#[track_caller]
fn check(identity: &str, expect: &[&str]) {
    check_found(&compile(identity).1, expect);
}

#[track_caller]
fn check_found(found: &[String], expect: &[&str]) {
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.contains(expect), "{found:?} does not hold {expect:?}");
    }
}

#[test]
fn errors() {
    check("{}", &["1:12 error: nobody can show who they are"]);
    check("{ issuers = \"man\" }", &["1:24 error: unknown issuer \"man\""]);
    check("{ issuers = [\"main\", \"man\"] }", &["1:33 error: unknown issuer \"man\""]);
    check("{ issuers = [\"main\", \"main\"] }", &["error: \"main\" is listed twice"]);
    check("{ issuer = \"main\" }", &["error: unknown key"]);
    check(
        "{ api_keys = true, scopes = [\"agents:read\", \"agents:read\"] }",
        &["error: \"agents:read\" is listed twice"],
    );
    check(
        "{ api_keys = true, scopes = [\"agents:read agents:write\"] }",
        &["error: \"agents:read agents:write\" is several scopes"],
    );
    check("{ api_keys = true, any_scope = [\"\", \"agents:read\"] }", &["is no scope"]);
    check("{ issuers = \"main\", claims = { role = [] } }", &["error: no value would do"]);
    check("{ issuers = \"main\", claims = { role = 1.5 } }", &["error"]);
    check("{ issuers = \"main\", forward = { X-User = \"user\" } }", &["error: \"user\" says nothing about a caller"]);
    check(
        "{ issuers = \"main\", forward = { X-User = \"claim:\" } }",
        &["error: \"claim:\" says nothing about a caller"],
    );
    check("{ issuers = \"main\", forward = { \"X User\" = \"subject\" } }", &["is not the name of a header"]);
    check("{ issuers = \"main\", forward = { X-User = \"subject\", x_user = \"tenant\" } }", &["is set twice"]);
    for name in [
        "Host",
        "Authorization",
        "content_length",
        "Cookie",
        "X-Forwarded-For",
        "X-Request-Id",
        "Connection",
        "x_api_key",
    ] {
        check(&format!("{{ issuers = \"main\", forward = {{ {name} = \"subject\" }} }}"), &["has a meaning already"]);
    }
    check("{ issuers = \"main\", realm = \"a\\\"b\" }", &["error: a realm is"]);
    check("{ issuers = \"main\", realm = \"\" }", &["error"]);
}

#[test]
fn warnings() {
    check(
        "{ issuers = \"main\", required = false, scopes = [\"a\"] }",
        &["1:43 warning: a caller without a credential needs no scope"],
    );
    check("{ issuers = \"main\", required = false }", &[]);
    check(
        "{ issuers = \"main\", api_keys = true, claims = { role = \"admin\" } }",
        &["warning: an API key has no claims"],
    );
    check("{ api_keys = true, scopes = [\"admin\"] }", &["warning: no [[api_key]] has the scopes"]);
    check("{ api_keys = true, any_scope = [\"admin\", \"agents:write\"] }", &[]);
    check("{ issuers = \"main\", any_scope = [\"a\"] }", &["warning: of one scope, one is all"]);
    check_found(&compile_with("{ api_keys = true }", "").1, &["1:25 warning: no [[api_key]] is defined"]);
}

#[test]
fn keys_and_tokens_do_not_share_a_header() {
    let issuer = CONTEXT.replace("header:x-token", "header:x-api-key");
    let report = Report::new();
    let text = format!("identity = {{ issuers = \"web\", api_keys = true }}\n{issuer}");
    let document = Document::parse(Source::new("rules.toml", &text), &report).unwrap();
    let file: File = read(&document, &report).unwrap();
    compile_file(&file, &document.root(&report));
    let found: Vec<String> = report.into_sorted().iter().map(|found| found.message.clone()).collect();
    assert!(found.contains(&"\"web\" takes tokens from x-api-key, where API keys are sent".to_owned()), "{found:?}");
}
