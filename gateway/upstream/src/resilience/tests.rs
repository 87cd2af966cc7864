use proptest::prelude::*;
use rampart_settings::{Document, Report, Source, read};

use super::*;

fn compile(toml: &str) -> (Option<Resilience>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("test", toml), &report);
    let resilience = document.and_then(|document| {
        let raw: RawResilience = read(&document, &report)?;
        Some(Resilience::compile("test", &raw, &document.root(&report)))
    });
    let found = report.into_sorted().into_iter();
    (resilience, found.map(|found| format!("{}:{} {}", found.line, found.column, found.message)).collect())
}

fn good(toml: &str) -> Resilience {
    let (resilience, found) = compile(toml);
    assert_eq!(found, Vec::<String>::new(), "{toml}");
    resilience.unwrap()
}

#[test]
fn what_is_built_in_is_what_nothing_written_means() {
    assert_eq!(Resilience { name: "default".into(), ..good("") }, Resilience::default());
}

#[test]
fn what_is_repeated() {
    let by_default = Resilience::default();
    // Attempts made, whether the request is idempotent, the cause; whether another follows.
    for (attempt, idempotent, cause, expect) in [
        (1, true, Cause::Connect, true),
        (2, true, Cause::Connect, true),
        (3, true, Cause::Connect, false),
        (4, true, Cause::Connect, false),
        (1, true, Cause::Closed, true),
        (1, true, Cause::Timeout, false),
        (1, true, Cause::Status(500), false),
        (1, true, Cause::Status(503), true),
        // Nothing was sent.
        (1, false, Cause::Connect, true),
        (1, false, Cause::Closed, false),
        (1, false, Cause::Status(503), false),
    ] {
        assert_eq!(by_default.may_retry(attempt, idempotent, cause), expect, "{attempt} {idempotent} {cause:?}");
    }
    let once = good("attempts = 1");
    assert!(!once.may_retry(1, true, Cause::Connect));
    let listed = good("retry_on = [\"timeout\", 500]");
    assert!(listed.may_retry(1, true, Cause::Timeout) && listed.may_retry(1, true, Cause::Status(500)));
    assert!(!listed.may_retry(1, true, Cause::Connect) && !listed.may_retry(1, true, Cause::Status(503)));
    assert!(!listed.may_retry(1, false, Cause::Timeout));
    let (unsafe_one, found) = compile("non_idempotent = true");
    assert!(unsafe_one.unwrap().may_retry(1, false, Cause::Closed));
    assert_eq!(found, ["1:18 a request such as POST may take effect more than once"]);
}

#[test]
fn causes_of_failures() {
    for (failure, expect) in [
        (Failure::Connect, Some(Cause::Connect)),
        (Failure::ConnectTimeout, Some(Cause::Connect)),
        (Failure::Tls, Some(Cause::Connect)),
        (Failure::ReadTimeout, Some(Cause::Timeout)),
        (Failure::WriteTimeout, Some(Cause::Timeout)),
        (Failure::TotalTimeout, None),
        (Failure::Closed, Some(Cause::Closed)),
        (Failure::Protocol, None),
    ] {
        assert_eq!(Cause::of(failure), expect, "{failure:?}");
    }
}

#[test]
fn longest_waits_double_up_to_a_bound() {
    let resilience = good("attempts = 10");
    let longest: Vec<u128> =
        (1..=6).map(|attempt| resilience.backoff(attempt, u64::MAX).as_micros().div_ceil(1_000)).collect();
    assert_eq!(longest, [25, 50, 100, 200, 250, 250]);
    assert_eq!(good("backoff = \"0s\"").backoff(3, u64::MAX), Duration::ZERO);
}

proptest! {
    #[test]
    fn waits_are_drawn_evenly_below_the_longest(attempt in 1_u32..=u32::MAX, random: u64) {
        let resilience = Resilience::default();
        let (wait, longest) = (resilience.backoff(attempt, random), resilience.backoff(attempt, u64::MAX));
        prop_assert!(longest <= Duration::from_millis(250) && wait <= longest);
        let half = resilience.backoff(attempt, random / 2);
        prop_assert!((wait / 2).abs_diff(half) < Duration::from_micros(1));
    }
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    let (_, found) = compile(
        "attempts = 3\nretry_on = [\"conect\", 404, \"busy\"]\nbackoff = \"2m\"\nbudget = \"120%\"\nper_try = \"0s\"",
    );
    assert_eq!(
        found,
        [
            "2:13 \"conect\" is not a cause of retries",
            "2:23 an answer of 404 is not repeated",
            "2:28 \"busy\" is not a cause of retries",
            "3:11 2m is too long: at most 1m",
            "4:10 not a part of a whole",
            "5:11 0s is too short: at least 1ms",
        ]
    );
    assert_eq!(compile("attempts = 11").1.len(), 1);
    assert_eq!(compile("attempts = 0").1.len(), 1);
    let none = compile("budget = 0.0\nbudget_min_per_second = 0").1;
    assert_eq!(none, ["1:10 there is no budget for retries: none will be made"]);
}
