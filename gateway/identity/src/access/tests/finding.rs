//! Which credential of a request counts, if any.

use super::*;

fn check(access: &Access, lines: &[&str], expect: &str) {
    assert_eq!(outcome(access, &tokens(), lines), expect, "{lines:?}");
}

#[test]
fn tokens_in_authorization() {
    let access = good("{ issuers = \"main\" }");
    check(&access, &["Authorization: Bearer alice@main"], "jwt:main:alice");
    check(&access, &["authorization: bearer   alice@main "], "jwt:main:alice");
    check(&access, &["AUTHORIZATION: BEARER alice@main"], "jwt:main:alice");
    check(&access, &["Authorization: Bearer\talice@main"], "jwt:main:alice");
    check(&access, &["Authorization: Bearer \t forged@main"], "!bad_signature jwt:main");
    check(&access, &["Authorization: Bearer\t"], "!malformed");
    check(&access, &["Authorization: ApiKey alice@main"], "!missing");
    check(&access, &[], "!missing");
    check(&access, &["Authorization:"], "!missing");
    check(&access, &["Authorization: Basic YWxpY2U6cHc="], "!missing");
    check(&access, &["Authorization: alice@main"], "!missing");
    check(&access, &["Authorization: Bearer"], "!malformed");
    check(&access, &["Authorization: Bearer "], "!malformed");
    check(&access, &["Authorization: Bearer garbage"], "!malformed");
    check(&access, &["Authorization: Beareralice@main"], "!missing");
    check(&access, &["Authorization: Bearer expired@main"], "!expired jwt:main");
    check(&access, &["Authorization: Bearer forged@main"], "!bad_signature jwt:main");
    check(&access, &["Authorization: Bearer early@main"], "!keys_unavailable jwt:main");
    check(&access, &["Authorization: Bearer rotated@main"], "?main");
    check(&access, &["Authorization: Bearer alice@web"], "!issuer");
    check(&access, &["Cookie: sid=alice@main"], "!missing");
    check(&access, &["X-Token: alice@main"], "!missing");
}

#[test]
fn two_credentials_are_one_only_if_they_are_the_same() {
    let access = good("{ issuers = [\"both\"], api_keys = true }");
    check(&access, &["Authorization: Bearer alice@both"], "jwt:both:alice");
    check(&access, &["Cookie: a=b; sid=alice@both; c=d"], "jwt:both:alice");
    check(&access, &["Cookie: a=b", "Cookie: sid=alice@both"], "jwt:both:alice");
    check(&access, &["Authorization: Bearer alice@both", "Cookie: sid=alice@both"], "jwt:both:alice");
    check(&access, &["Authorization: Bearer alice@both", "Cookie: sid=bob@both"], "!ambiguous");
    check(&access, &["Authorization: Bearer alice@both", "Cookie: sid=expired@both"], "!ambiguous");
    check(&access, &["Cookie: sid=alice@both; sid=bob@both"], "!ambiguous");
    check(&access, &["Cookie: sid=alice@both", "Cookie: sid=bob@both"], "!ambiguous");
    check(&access, &["Cookie: sid=alice@both; sid=alice@both"], "jwt:both:alice");
    check(&access, &["Authorization: Bearer alice@both", "Authorization: Bearer alice@both"], "!ambiguous");
    check(&access, &["Authorization: Bearer alice@both", "Authorization: Basic eDp5"], "!ambiguous");
    check(&access, &["Authorization: Bearer alice@both", "X-Api-Key: KEY"], "!ambiguous");
    check(&access, &["Cookie: sid=alice@both", "Authorization: Bearer KEY"], "!ambiguous");
    check(&access, &["X-Api-Key: KEY", "Authorization: Bearer KEY"], "api_key:ci");
    check(&access, &["X-Api-Key: KEY", "X-Api-Key: KEY"], "api_key:ci");
    check(&access, &["X-Api-Key: KEY", "X-Api-Key: rk_other"], "!ambiguous");
    check(&access, &["X-Api-Key: KEY", "Authorization: Basic eDp5"], "api_key:ci");
    check(&access, &["Cookie: sid=; a=b"], "!missing");
    check(&access, &["Cookie: sid=; sid=alice@both"], "jwt:both:alice");
}

#[test]
fn keys() {
    let access = good("{ api_keys = true }");
    check(&access, &["X-Api-Key: KEY"], "api_key:ci");
    check(&access, &["x-api-key:  KEY "], "api_key:ci");
    check(&access, &["Authorization: Bearer KEY"], "api_key:ci");
    check(&access, &["X-Api-Key:"], "!malformed");
    check(&access, &["X-Api-Key: KEYx"], "!malformed");
    check(&access, &["X-Api-Key: Bearer KEY"], "!malformed");
    check(&access, &["X-Api-Key: alice@main"], "!malformed");
    check(&access, &["Authorization: Bearer rk_0123"], "!malformed");
    check(&access, &["Authorization: Bearer"], "!malformed");
    check(&access, &["Authorization: Basic KEY"], "!missing");
    check(&access, &["Authorization: Bearer\tKEY"], "api_key:ci");
    check(&access, &["Authorization: ApiKey KEY"], "api_key:ci");
    check(&access, &["authorization: apikey\tKEY"], "api_key:ci");
    check(&access, &["Authorization: ApiKey KEY", "X-Api-Key: KEY"], "api_key:ci");
    check(&access, &["Authorization: ApiKey KEY", "X-Api-Key: rk_other"], "!ambiguous");
    check(&access, &["Authorization: ApiKey alice@main"], "!malformed");
    check(&access, &["Authorization: ApiKey"], "!malformed");
    check(&access, &["Authorization: ApiKeyKEY"], "!missing");
    check(&access, &["X_Api_Key: KEY"], "!missing");
    check(&access, &["Cookie: x-api-key=KEY"], "!missing");
    // A route that takes no keys does not look at them.
    let access = good("{ issuers = \"main\" }");
    check(&access, &["X-Api-Key: KEY"], "!missing");
    check(&access, &["Authorization: Bearer KEY"], "!malformed");
    check(&access, &["Authorization: Bearer alice@main", "X-Api-Key: rk_1"], "jwt:main:alice");
}

/// A token that was made to be sent in one place proves nothing in another.
#[test]
fn issuers_are_asked_only_for_tokens_from_their_own_places() {
    let access = good("{ issuers = [\"main\", \"web\"] }");
    check(&access, &["Authorization: Bearer alice@main"], "jwt:main:alice");
    check(&access, &["Cookie: sid=alice@web"], "jwt:web:alice");
    check(&access, &["X-Token: alice@web"], "jwt:web:alice");
    check(&access, &["X-Token: Bearer alice@web"], "jwt:web:alice");
    check(&access, &["Authorization: Bearer alice@web"], "!issuer");
    check(&access, &["Cookie: sid=alice@main"], "!issuer");
    check(&access, &["X-Token: alice@web", "X-Token: bob@web"], "!ambiguous");
    check(&access, &["Authorization: Bearer alice@main", "Cookie: sid=alice@web"], "!ambiguous");
    check(&access, &["Authorization: Bearer alice@web", "Cookie: sid=alice@web"], "jwt:web:alice");
}

#[test]
fn a_bad_credential_is_not_taken_for_none() {
    let access = good("{ issuers = [\"both\"], api_keys = true, required = false }");
    check(&access, &[], "-");
    check(&access, &["Authorization: Basic eDp5"], "-");
    check(&access, &["Cookie: a=b; sid="], "-");
    check(&access, &["Authorization: Bearer alice@both"], "jwt:both:alice");
    check(&access, &["Authorization: Bearer expired@both"], "!expired jwt:both");
    check(&access, &["Authorization: Bearer"], "!malformed");
    check(&access, &["Authorization: Bearer\tgarbage"], "!malformed");
    check(&access, &["Authorization: ApiKey rk_1"], "!malformed");
    check(&access, &["Cookie: sid=garbage"], "!malformed");
    check(&access, &["X-Api-Key: nonsense"], "!malformed");
    check(&access, &["Authorization: Bearer alice@both", "Cookie: sid=bob@both"], "!ambiguous");
    assert!(!access.is_required() && good("{ api_keys = true }").is_required());
}

#[test]
fn an_unknown_key_is_asked_for_once() {
    let access = good("{ issuers = \"main\" }");
    let check = |token: &str, reason: Reason, challenges: &[&str]| {
        let line = format!("Authorization: Bearer {token}@main");
        let (first, second) = with(&[&line], |headers| {
            let missing = MissingKey::of("main");
            (access.check(headers, &tokens(), now()), access.check_again(headers, &tokens(), now(), &missing))
        });
        assert!(matches!(&first, Checked::Unknown(missing) if *missing == MissingKey::of("main")), "{first:?}");
        let Checked::Refused(denial) = second else { panic!("{token}: {second:?}") };
        assert_eq!((denial.reason, denial.via.as_deref()), (reason, Some("jwt:main")));
        assert_eq!(denial.challenges, challenges);
    };
    check("rotated", Reason::UnknownKey, &["Bearer realm=\"rampart\", error=\"invalid_token\""]);
    // Whoever verifies tokens may not ask for ever.
    check("forgotten", Reason::KeysUnavailable, &[]);
}

proptest::proptest! {
    /// Whatever is in the places: nobody is let in but by one of the tokens and keys that are good, and never with two.
    #[test]
    fn only_good_credentials_let_in(
        lines in proptest::collection::vec(
            ("(Authorization|X-Api-Key|Cookie|X-Token): ", "(Bearer |Bearer\t|ApiKey |Basic |sid=|a=b; sid=)?", "(alice@both|bob@both|expired@both|KEY|rk_1|.{0,4})"),
            0..4,
        ),
    ) {
        let access = good("{ issuers = [\"both\"], api_keys = true }");
        let lines: Vec<String> = lines.iter().map(|(name, scheme, value)| format!("{name}{scheme}{value}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let outcome = outcome(&access, &tokens(), &lines);
        let shows = |what: &str| lines.iter().any(|line| line.contains(what));
        match outcome.as_str() {
            "jwt:both:alice" => proptest::prop_assert!(shows("alice@both")),
            "jwt:both:bob" => proptest::prop_assert!(shows("bob@both")),
            "api_key:ci" => proptest::prop_assert!(shows("KEY")),
            refused => proptest::prop_assert!(refused.starts_with('!'), "{}", refused),
        }
    }
}
