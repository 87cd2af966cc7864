//! What is sent again, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use h2::Reason;
use rampart_tests::setup::CATCH_ALL;
use rampart_tests::shape::{self, benign_json};
use rampart_tests::{
    Answer, Authority, CountingOrigin, CountingOrigin2, Gateway, Mood, MoodyOrigin, Setup, free_address,
};

use super::before;

/// No breaker and no ejection: what is left are the retries.
const RETRIES_ALONE: &str = "breaker = { enabled = false }\nejection = { enabled = false }";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_sent_is_repeated_only_where_that_does_no_harm() {
    let origins = MoodyOrigin::several(1).await;
    let keys = format!("{RETRIES_ALONE}\ndeadlines = {{ read = \"200ms\" }}");
    let gateway = before(&origins, &keys).await;
    let mut number = 0;
    let mut check = async |mood: Mood, method: &str, expect: usize| {
        number += 1;
        let target = format!("/{number}");
        origins[0].turn(mood);
        let response = gateway.ask(&shape::head(method, &target, &[("Content-Length", "0")])).await;
        assert!(response.status >= 500, "{mood:?} {method}");
        let times = origins[0].arrivals().get(&target).copied().unwrap_or(0);
        assert_eq!(times, expect, "{mood:?} {method}: {}", response.text());
    };
    for mood in [Mood::HalfClosing, Mood::Resetting, Mood::Status(502), Mood::Status(503), Mood::Status(504)] {
        check(mood, "POST", 1).await;
        check(mood, "PATCH", 1).await;
        check(mood, "GET", 3).await;
        check(mood, "PUT", 3).await;
        check(mood, "DELETE", 3).await;
        // The budget holds ten retries a second, whatever the share.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for mood in [Mood::Status(500), Mood::Status(501), Mood::Stalled] {
        check(mood, "GET", 1).await;
        check(mood, "POST", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_not_sent_is_repeated_whatever_it_is() {
    let origin = CountingOrigin::start().await;
    let dead = free_address();
    let keys = format!("addresses = [\"http://{dead}\", \"http://{}\"]\n{RETRIES_ALONE}", origin.address);
    let gateway = Setup::bare().upstream("agents", &keys).routes(CATCH_ALL).start().await;
    let body = benign_json(70_000);
    for turn in 1..=4 {
        let response = gateway.ask(&shape::post("/", "application/json", &body)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!((origin.requests(), origin.last().body.len()), (turn, body.len()));
    }
}

/// Each first arrival of a target is cut off; the second is answered with the body as it came.
async fn cuts_off_the_first() -> CountingOrigin {
    let arrivals = Arc::new(AtomicUsize::new(0));
    CountingOrigin::scripted(move |seen| {
        if arrivals.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            Answer::Close
        } else {
            Answer::json(seen.body.clone())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_every_size_and_framing_can_be_sent_again() {
    let origin = cuts_off_the_first().await;
    let upstream = format!("addresses = [\"http://{}\"]\n{RETRIES_ALONE}", origin.address);
    for held in [false, true] {
        let gateway = if held {
            held_responses(&upstream).await
        } else {
            Setup::bare().upstream("agents", &upstream).routes(CATCH_ALL).start().await
        };
        for size in [0, 1, 65_535, 65_536, 65_537, 131_073, 1 << 20] {
            let body = benign_json(size);
            let kind = if body.is_empty() { "text/plain" } else { "application/json" };
            for chunked in [false, true] {
                let mut request =
                    if chunked { shape::post_chunked("/", kind, &body, 8_000) } else { shape::post("/", kind, &body) };
                request.splice(..4, *b"PUT");
                let before = origin.requests();
                let response = gateway.ask(&request).await;
                let case = format!("held {held}, {size} bytes, chunked {chunked}");
                assert_eq!(response.status, 200, "{case}: {}", response.text());
                assert!(response.body == body, "{case}: came back changed");
                assert_eq!(origin.requests() - before, 2, "{case}");
            }
        }
        assert_eq!(origin.malformed(), 0);
    }
}

/// A gateway that inspects the bodies of responses, and so holds them back.
async fn held_responses(upstream: &str) -> Gateway {
    let rules = "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n\
                 SecResponseBodyMimeType application/json text/plain\n\
                 SecRequestBodyLimit 16777216\nSecRequestBodyNoFilesLimit 16777216\nSecResponseBodyLimit 16777216\n\
                 SecRule RESPONSE_BODY \"@contains leaked-secret\" \"id:1,phase:4,deny,status:403\"\n";
    let profile = "\n[profile.held]\nseclang = [\"held.conf\"]\n";
    let routes = format!("{CATCH_ALL}inspection = \"held\"\n{profile}");
    Setup::bare().upstream("agents", upstream).routes(&routes).file("held.conf", rules).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_deadline_covers_all_attempts() {
    let origins = MoodyOrigin::several(1).await;
    origins[0].turn(Mood::Status(503));
    origins[0].work(Duration::from_millis(400));
    let gateway = before(&origins, &format!("{RETRIES_ALONE}\ndeadlines = {{ total = \"1s\" }}")).await;
    let began = Instant::now();
    let response = gateway.get("/").await;
    let took = began.elapsed();
    println!("\nthree attempts of 400 ms within 1 s: {} after {took:.0?}", response.status);
    assert!(matches!(response.status, 503 | 504), "{}", response.text());
    assert!(took < Duration::from_millis(1_900), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_without_retries_left_passes_as_it_is() {
    let origin = CountingOrigin::scripted(|_| Answer::Full {
        status: 503,
        headers: vec![("Retry-After".into(), "17".into()), ("Content-Type".into(), "text/plain".into())],
        body: "the origin's own words".into(),
    })
    .await;
    let gateway = Setup::new(origin.address).start().await;
    let response = gateway.get("/").await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("17")));
    assert_eq!(response.text(), "the origin's own words");
    assert_eq!(origin.requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_begun_is_not_repeated() {
    let origin = CountingOrigin::scripted(|seen| match seen.target.as_str() {
        "/hint" => Answer::Raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec()),
        _ => Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
    })
    .await;
    let gateway = Setup::new(origin.address).start().await;
    for target in ["/hint", "/half"] {
        let before = origin.requests();
        let mut connection = gateway.connect().await;
        connection.send(&shape::get(target)).await;
        let answer = connection.try_response().await;
        assert!(answer.is_err() || answer.as_ref().is_ok_and(|answer| answer.status >= 500), "{target}: {answer:?}");
        assert_eq!(origin.requests() - before, 1, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_routes_resilience_counts() {
    let origins = MoodyOrigin::several(1).await;
    let upstream = format!("addresses = [\"http://{}\"]\n{RETRIES_ALONE}", origins[0].address);
    let upstream = format!("{upstream}\ndeadlines = {{ read = \"5s\" }}");
    let route = |name: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}/**\" }}\nupstream = \"agents\"\nresilience = \"{name}\"\n"
        )
    };
    let routes = [
        "[resilience.once]\nattempts = 1\n",
        "[resilience.often]\nattempts = 5\nretry_on = [500, \"closed\"]\nbackoff = \"5ms\"\n",
        "[resilience.keyed]\nidempotency_key = true\n",
        "[resilience.hasty]\nattempts = 2\nper_try = \"100ms\"\nretry_on = [\"timeout\"]\n",
        &route("once"),
        &route("often"),
        &route("keyed"),
        &route("hasty"),
    ];
    let gateway = Setup::bare().upstream("agents", &upstream).routes(&routes.join("\n")).start().await;
    let key = ("Idempotency-Key", "\"8e03978e\"");
    for (number, (mood, route, method, fields, expect)) in [
        (Mood::HalfClosing, "once", "GET", &[][..], 1),
        (Mood::Status(500), "often", "GET", &[], 5),
        (Mood::Status(503), "often", "GET", &[], 1),
        (Mood::Status(503), "keyed", "POST", &[], 1),
        (Mood::Status(503), "keyed", "POST", &[key], 3),
        (Mood::Status(503), "often", "POST", &[key], 1),
        (Mood::Stalled, "hasty", "GET", &[], 2),
        (Mood::Stalled, "hasty", "POST", &[], 1),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{route}/{number}");
        let fields = [&[("Content-Length", "0")], fields].concat();
        origins[0].turn(mood);
        let began = Instant::now();
        let response = gateway.ask(&shape::head(method, &target, &fields)).await;
        assert!(response.status >= 500, "{target}: {}", response.text());
        let times = origins[0].arrivals().get(&target).copied().unwrap_or(0);
        assert_eq!(times, expect, "{method} {target} {mood:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{target}: the deadline of one attempt");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_were_reset_are_repeated_as_far_as_the_reset_says_so() {
    let authority = Authority::new();
    let origin = CountingOrigin2::start(authority.sign(&["origin.test"]).server(&["h2"])).await;
    let tls = "protocol = \"http2\"\ntls = { ca_file = \"authority.pem\", sni = \"origin.test\" }";
    let keys = format!("addresses = [\"https://{}\"]\n{tls}\n{RETRIES_ALONE}", origin.address);
    let setup = Setup::bare().upstream("agents", &keys).routes(CATCH_ALL).file("authority.pem", &authority.pem());
    let gateway = setup.start().await;
    let body = benign_json(1_000);
    for (reason, method, expect) in [
        // Not processed (RFC 9113 section 8.7): whatever the method.
        (Reason::REFUSED_STREAM, "POST", 200),
        (Reason::REFUSED_STREAM, "PUT", 200),
        (Reason::INTERNAL_ERROR, "PUT", 200),
        (Reason::INTERNAL_ERROR, "POST", 502),
    ] {
        let before = origin.seen().len();
        origin.reset_next(reason);
        let mut request = shape::post("/", "application/json", &body);
        request.splice(..4, method.bytes());
        let response = gateway.ask(&request).await;
        assert!(origin.has_reset());
        assert_eq!(response.status, expect, "{reason:?} {method}: {}", response.text());
        let arrived = origin.seen().len() - before;
        assert_eq!(arrived, usize::from(expect == 200), "{reason:?} {method}");
        assert!(expect != 200 || response.body == body, "{reason:?} {method}: came back changed");
    }
}
