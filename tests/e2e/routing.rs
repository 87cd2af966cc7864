//! Which route takes a request, and what it makes of the path.

use rampart_tests::shape;
use rampart_tests::{Answer, CountingOrigin, Gateway, Setup};

async fn named_origin(name: &'static str) -> CountingOrigin {
    CountingOrigin::scripted(move |_| Answer::json(name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_specific_route_wins() {
    let origins = [named_origin("one").await, named_origin("two").await, named_origin("three").await];
    let routes = r#"
[[route]]
name = "everything"
match = { path = "/**" }
upstream = "one"

[[route]]
name = "below"
match = { path = "/api/**" }
upstream = "two"

[[route]]
name = "exact"
match = { path = "/api/v1/agents" }
upstream = "three"

[[route]]
name = "one segment"
match = { path = "/api/*/tasks" }
upstream = "three"

[[route]]
name = "conditional"
match = { path = "/api/**", headers = { "x-team" = "blue" } }
upstream = "one"

[[route]]
name = "posts"
match = { path = "/posts", methods = ["POST"] }
upstream = "two"

[[route]]
name = "other methods"
match = { path = "/posts" }
upstream = "three"

[[route]]
name = "host"
match = { host = "api.example.com", path = "/**" }
upstream = "two"

[[route]]
name = "any host below"
match = { host = "*.example.com", path = "/**" }
upstream = "three"
"#;
    let mut setup = Setup::bare().routes(routes);
    for (name, origin) in ["one", "two", "three"].iter().zip(&origins) {
        setup = setup.upstream(name, &format!("addresses = [\"http://{}\"]", origin.address));
    }
    let gateway = setup.start().await;
    let check = async |bytes: &[u8], expect: &str| {
        let response = gateway.ask(bytes).await;
        assert_eq!(response.text(), expect, "{}", String::from_utf8_lossy(bytes));
    };
    check(&shape::get("/"), "one").await;
    check(&shape::get("/apiary"), "one").await;
    check(&shape::get("/api"), "two").await;
    check(&shape::get("/api/"), "two").await;
    check(&shape::get("/api/v1"), "two").await;
    check(&shape::get("/api/v1/agents"), "three").await;
    check(&shape::get("/api/v1/Agents"), "two").await;
    check(&shape::get("/api/v1/agents/"), "two").await;
    check(&shape::get("/api/v1/%61gents"), "three").await;
    check(&shape::get("/api/v1/./agents"), "three").await;
    check(&shape::get("/api/v7/tasks"), "three").await;
    check(&shape::get("/api/v7/x/tasks"), "two").await;
    check(&shape::head("GET", "/api/zzz", &[("X-Team", "blue")]), "one").await;
    check(&shape::head("GET", "/api/zzz", &[("X-Team", "red")]), "two").await;
    check(&shape::post("/posts", "text/plain", b"x"), "two").await;
    check(&shape::get("/posts"), "three").await;
    check(b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "two").await;
    check(b"GET / HTTP/1.1\r\nHost: API.Example.com:8080\r\n\r\n", "two").await;
    check(b"GET / HTTP/1.1\r\nHost: x.example.com\r\n\r\n", "three").await;
    check(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "one").await;
}

async fn one_route(keys: &str) -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let routes = format!("[[route]]\nname = \"all\"\nupstream = \"agents\"\n{keys}\n");
    let gateway = Setup::new(origin.address).routes(&routes).start().await;
    (gateway, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_stripped_and_the_query_kept() {
    let (gateway, origin) = one_route("match = { path = \"/llm/openai/**\" }\nstrip_prefix = \"/llm/openai\"").await;
    for (asked, forwarded) in [
        ("/llm/openai/v1/models?limit=3&b=%20c", "/v1/models?limit=3&b=%20c"),
        ("/llm/openai", "/"),
        ("/llm/openai/", "/"),
        ("/llm/openai?a=1", "/?a=1"),
        ("/llm/openai/%7euser", "/~user"),
    ] {
        assert_eq!(gateway.get(asked).await.status, 200, "{asked}");
        assert_eq!(origin.last().target, forwarded, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_path_replaces_what_was_asked() {
    let (gateway, origin) =
        one_route("match = { path = \"/old\" }\nrewrite = { regex = \"^/old\", to = \"/new/place\" }").await;
    assert_eq!(gateway.get("/old?a=1").await.status, 200);
    assert_eq!(origin.last().target, "/new/place?a=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_allows_is_forwarded_and_what_it_does_not_is_not() {
    let (gateway, origin) =
        one_route("match = { path = \"/**\" }\nallow = [\"encoded_slash\", \"parameter\", \"empty_segment\"]").await;
    for target in ["/a%2Fb", "/a;v=1/b", "/a//b"] {
        let response = gateway.get(target).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(origin.last().target, target);
    }
    gateway.get("/a%5cb").await.expect_problem(400, "path_refused");
    assert_eq!(gateway.get("/a%00b").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_goes_where_get_goes() {
    let (gateway, origin) = one_route("match = { path = \"/**\", methods = [\"GET\"] }").await;
    let mut connection = gateway.connect().await;
    connection.send(&shape::head("HEAD", "/a", &[])).await;
    let head = connection.head_of_response().await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(origin.last().method, "HEAD");
    // No body follows: the next answer on the connection is the next request's.
    assert_eq!(connection.ask(&shape::get("/b")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn response_headers_of_a_route_are_set_and_removed() {
    let origin = CountingOrigin::scripted(|_| Answer::Full {
        status: 200,
        headers: vec![("X-Powered-By".into(), "secrets".into()), ("X-Kept".into(), "yes".into())],
        body: "ok".into(),
    })
    .await;
    let routes = "[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n\
                  response_headers = { set = { \"x-frame-options\" = \"DENY\" }, remove = [\"x-powered-by\"] }\n\
                  request_headers = { set = { \"x-gateway\" = \"rampart\" }, remove = [\"x-debug\"] }\n";
    let gateway = Setup::new(origin.address).routes(routes).start().await;
    let response = gateway.ask(&shape::head("GET", "/", &[("X-Debug", "1")])).await;
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert_eq!(response.header("x-powered-by"), None);
    assert_eq!(response.header("x-kept"), Some("yes"));
    assert_eq!(origin.last().header("x-gateway"), Some("rampart"));
    assert_eq!(origin.last().header("x-debug"), None);
}
