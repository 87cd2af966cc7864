//! Query parameters as a route declares them: what does not fit is refused, and never reaches the upstream.

use rampart_tests::{CountingOrigin, Gateway, Setup, shape};

const ROUTES: &str = r#"
[[route]]
name = "list"
match = { path = "/list" }
upstream = "agents"

[route.query]
limit = { integer = { min = 1, max = 1000 } }
page = { integer = { min = 1, max = 50 }, on_violation = "clamp" }
sort = { one_of = ["name", "date"] }
q = { max_length = 20, pattern = "[a-z ]*" }
id = { uuid = true }
active = { boolean = true }
tag = { max_length = 10, repeat = true }

[[route]]
name = "strict"
match = { path = "/strict" }
upstream = "agents"
query = { id = { integer = {}, required = true } }
query_unknown = "reject"

[[route]]
name = "tidy"
match = { path = "/tidy" }
upstream = "agents"
query = { id = { integer = { max = 9 }, on_violation = "clamp" } }
query_unknown = "drop"

# Matches by what it then drops: the request stays this route's, whose path shows it.
[[route]]
name = "dropping"
match = { path = "/turn", query = { mode = { present = true } } }
upstream = "agents"
rewrite = { add_prefix = "/dropping" }
query_unknown = "drop"

# These two would hand a request to each other for ever, if its route were looked for again.
[[route]]
name = "up"
match = { path = "/loop", query = { n = "50" } }
upstream = "agents"
query = { n = { integer = { min = 60 }, on_violation = "clamp" } }

[[route]]
name = "down"
match = { path = "/loop" }
upstream = "agents"
query = { n = { integer = { max = 50 }, on_violation = "clamp" } }

[[route]]
name = "free"
match = { path = "/**" }
upstream = "agents"
"#;

async fn gateway_and_origin() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let upstream = format!("addresses = [\"http://{}\"]", origin.address);
    (Setup::bare().upstream("agents", &upstream).routes(ROUTES).tls().start().await, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_takes_arrives_byte_for_byte() {
    let (gateway, origin) = gateway_and_origin().await;
    for target in [
        "/list",
        "/list?",
        "/list?limit=1000&sort=date&q=some+words&active=true",
        "/list?%6cimit=%31&tag=a&tag=b&&other=%41",
        "/list?id=123e4567-e89b-12d3-a456-426614174000",
        "/strict?id=0",
        "/tidy?id=9",
        "/free?limit=99999&limit=1",
    ] {
        let response = gateway.get(target).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(origin.last().target, target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_does_not_take_is_refused_before_the_upstream() {
    let (gateway, origin) = gateway_and_origin().await;
    let limit = "Query parameter \"limit\" must be an integer from 1 to 1000";
    let once = "Query parameter \"limit\" may be given only once";
    for (target, error) in [
        ("/list?limit=1001", limit),
        ("/list?limit=0", limit),
        ("/list?limit=-1", limit),
        ("/list?limit=+5", limit),
        ("/list?limit=%2B5", limit),
        ("/list?limit=007", limit),
        ("/list?limit=1e3", limit),
        ("/list?limit=0x10", limit),
        ("/list?limit=", limit),
        ("/list?limit", limit),
        ("/list?limit=5%0a", limit),
        ("/list?limit=18446744073709551617", limit),
        ("/list?limit=340282366920938463463374607431768211457", limit),
        ("/list?%6C%69%6D%69%74=1001", limit),
        ("/list?limit=5&limit=9999", once),
        ("/list?limit=5&%6cimit=9999", once),
        ("/list?LIMIT=9999", "Query parameter \"LIMIT\" could be taken for \"limit\""),
        ("/list?limit[]=9999", "Query parameter \"limit[]\" could be taken for \"limit\""),
        ("/list?+limit=9999", "Query parameter \" limit\" could be taken for \"limit\""),
        (
            "/list?limit=5;limit=9999",
            "Query parameter \"limit\" holds a \";\", at which some readers separate parameters",
        ),
        ("/list?x=1;limit=9999", "Query parameter \"x\" holds a \";\", at which some readers separate parameters"),
        ("/list?%256cimit=9999", "Query parameter \"%6cimit\" can be decoded in more than one way"),
        ("/list?q=%2561", "Query parameter \"q\" can be decoded in more than one way"),
        ("/list?q=%zz", "Query parameter \"q\" can be decoded in more than one way"),
        ("/list?q=%c0%af", "Query parameter \"q\" can be decoded in more than one way"),
        (
            "/list?q=ABC",
            "Query parameter \"q\" must be text of at most 20 characters of the form that this place takes",
        ),
        ("/list?sort=size", "Query parameter \"sort\" must be one of \"name\", \"date\""),
        ("/list?id=1", "Query parameter \"id\" must be a UUID"),
        ("/list?active=yes", "Query parameter \"active\" must be \"true\" or \"false\""),
        ("/list?page=many", "Query parameter \"page\" must be an integer from 1 to 50"),
        ("/strict", "Query parameter \"id\" is required"),
        ("/strict?id=1&debug=1", "Query parameter \"debug\" is not taken here"),
        ("/strict?id=1&%22%3Cb%3E=1", "Query parameter \"\\\"<b>\" is not taken here"),
    ] {
        let response = gateway.get(target).await;
        let problem = response.expect_problem(400, "query_refused");
        assert_eq!(problem["error"], error, "{target}");
        let event = gateway.event(response.header("x-request-id").unwrap()).await;
        assert_eq!((&event["verdict"], &event["code"]), (&"refused".into(), &"query_refused".into()), "{event}");
        assert!(!event.to_string().contains("9999"), "a value in the log: {event}");
    }
    let over_two = gateway.connect2().await.get("/list?limit=1001").await.unwrap();
    over_two.expect_problem(400, "query_refused");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_clamped_or_dropped_is_what_the_upstream_sees() {
    let (gateway, origin) = gateway_and_origin().await;
    for (target, forwarded) in [
        ("/list?page=51", "/list?page=50"),
        ("/list?q=a+b&page=0&%74ag=%41", "/list?q=a+b&page=1&%74ag=%41"),
        ("/list?page=-99999999999999999999999999", "/list?page=1"),
        ("/list?&%70age=99999999999999999999999999&", "/list?&%70age=50&"),
        ("/tidy?debug=1", "/tidy"),
        ("/tidy?a&id=5&b=2", "/tidy?id=5"),
        ("/tidy?a&id=500&b=2", "/tidy?id=9"),
        ("/tidy?ID=7&id[]=7", "/tidy"),
    ] {
        let response = gateway.get(target).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(origin.last().target, forwarded, "{target}");
        assert_eq!(gateway.connect2().await.get(target).await.unwrap().status, 200, "{target}");
        assert_eq!(origin.last().target, forwarded, "{target} over HTTP/2");
    }
    // With a body, which is read and judged later, it is the same.
    let response = gateway.ask(&shape::post("/tidy?x=1&id=77", "application/json", b"{\"a\":1}")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!((origin.last().target.as_str(), &origin.last().body[..]), ("/tidy?id=9", &b"{\"a\":1}"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_is_found_by_the_query_as_received() {
    let (gateway, origin) = gateway_and_origin().await;
    for (target, forwarded) in [
        ("/turn?mode=x", "/dropping/turn"),
        ("/turn?x=1", "/turn?x=1"),
        ("/loop?n=50", "/loop?n=60"),
        ("/loop?n=60", "/loop?n=50"),
    ] {
        assert_eq!(gateway.get(target).await.status, 200, "{target}");
        assert_eq!(origin.last().target, forwarded, "{target}");
    }
}

/// Another query is all that is other: the host is who it was, in every form that a target has.
#[tokio::test(flavor = "multi_thread")]
async fn another_query_changes_no_host() {
    let (gateway, origin) = gateway_and_origin().await;
    let expect = |what: &str| {
        let seen = origin.last();
        assert_eq!(seen.target, "/list?page=50", "{what}");
        assert_eq!(
            (seen.all("host"), seen.all("x-forwarded-host")),
            (vec!["gateway.test"], vec!["gateway.test"]),
            "{what}"
        );
    };
    let absolute = gateway.ask(&shape::get("http://gateway.test/list?page=99")).await;
    assert_eq!(absolute.status, 200, "{}", absolute.text());
    expect("absolute form");
    assert_eq!(gateway.connect2().await.get("/list?page=99").await.unwrap().status, 200);
    expect("HTTP/2");
    assert_eq!(gateway.connect_tls().await.ask(&shape::get("/list?page=99")).await.status, 200);
    expect("HTTP/1.1 over TLS");
}

/// What is taken out of the query is nobody's any more: not the upstream's, and not inspection's.
#[tokio::test(flavor = "multi_thread")]
async fn inspection_judges_what_goes_on() {
    let (gateway, origin) = gateway_and_origin().await;
    let attack = "%27%3B+DROP+TABLE+users%3B+--";
    assert_eq!(gateway.get(&format!("/tidy?id=5&x={attack}")).await.status, 200);
    assert_eq!(origin.last().target, "/tidy?id=5");
    let blocked = gateway.get(&format!("/free?x={attack}")).await;
    blocked.expect_problem(400, "payload_blocked");
    let with_body = shape::post("/tidy?id=50", "application/json", shape::SQL_INJECTION.as_bytes());
    gateway.ask(&with_body).await.expect_problem(400, "payload_blocked");
    assert_eq!(origin.requests(), 1);
}
