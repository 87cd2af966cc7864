//! How gateways stand to their Redis: over TLS, as an ACL user with few rights, counting each other; and what can be read
//! there about clients.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rampart_tests::redis::{Options, Redis};
use rampart_tests::wait::eventually_some;
use rampart_tests::{CountingOrigin, Setup, shape};
use rustix::process::Signal;

use super::{patient, quotas, route};

const PASSWORD: &str = "correct-horse-battery-staple-42";

fn rules() -> String {
    route("q", &["address", "session", "flight"])
        + "[quota.address]\nlimit = 3\nper = \"1h\"\n\
           [quota.session]\nalgorithm = \"sliding_log\"\nlimit = 5\nper = \"1h\"\nkey = \"header:x-session\"\n\
           [quota.flight]\nconcurrency = 9\n\
           [ban.attackers]\nafter = 1\ncounts = [\"route_not_found\"]\n"
}

const SECRET: &str = "a-session-that-nobody-else-should-see";

async fn ask(gateway: &rampart_tests::Gateway, target: &str) -> u16 {
    let fields = [("X-Session", SECRET), ("X-Forwarded-For", "198.51.100.77")];
    gateway.ask(&shape::head("GET", target, &fields)).await.status
}

fn setup(origin: &CountingOrigin, redis: &str) -> Setup {
    quotas(origin, &rules()).process("trusted_proxies = [\"127.0.0.1\"]").redis(redis)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_as_a_user_of_few_rights_everything_is_shared() {
    let user = Some(("gateway".to_owned(), PASSWORD.to_owned()));
    let (origin, redis) =
        (CountingOrigin::start().await, Redis::start_with(&Options { user, tls: true, ..Options::default() }));
    let settings = patient(&redis) + "password = \"secret://env/REDIS_PASSWORD\"\n";
    let setup = setup(&origin, &settings).env("REDIS_PASSWORD", PASSWORD);
    let fleet = setup.clone().start_fleet(2).await;
    assert_eq!([ask(&fleet[0], "/q").await, ask(&fleet[1], "/q").await, ask(&fleet[0], "/q").await], [200; 3]);
    assert_eq!([ask(&fleet[0], "/q").await, ask(&fleet[1], "/q").await], [429; 2]);
    ask(&fleet[0], "/nowhere").await;
    for gateway in &fleet {
        let banned = async || (ask(gateway, "/q").await == 403).then_some(());
        eventually_some("the ban is shared", banned).await;
        assert_eq!(gateway.decisions("address", "allowed", "fallback").await, 0);
        assert_eq!(gateway.metric(r#"rampart_redis_commands_total{command="take",outcome="refused"}"#).await, 0);
    }

    // With a wrong password it is as without a Redis: nothing stops.
    let stranger = setup.env("REDIS_PASSWORD", "another-password-altogether-77").start().await;
    assert_eq!(ask(&stranger, "/q").await, 200);
    assert_ne!(stranger.redis().await["status"], "up");
    let said = async || stranger.read("stderr").contains("WRONGPASS").then_some(());
    eventually_some("the log says what Redis has against it", said).await;
    assert!(!stranger.read("stderr").contains("another-password"), "no password in a log");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_redis_tells_who_a_client_is() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let gateway = setup(&origin, &patient(&redis)).start().await;
    gateway.redis_becomes("up").await;
    assert_eq!(ask(&gateway, "/q").await, 200);
    ask(&gateway, "/nowhere").await;
    let held = async || (redis.command(&["KEYS", "rampart*ban*"]).list().len() >= 2).then_some(());
    eventually_some("the ban is in Redis", held).await;
    let mut text = String::new();
    for name in redis.command(&["KEYS", "*"]).list() {
        let name = String::from_utf8_lossy(name.bytes().expect("a name")).into_owned();
        assert!(name.starts_with("rampart:"), "{name}");
        let kind = redis.command(&["TYPE", &name]);
        let words: &[&str] = match kind.bytes().expect("a type") {
            kind if kind == "string" => &["GET", &name],
            kind if kind == "hash" => &["HGETALL", &name],
            kind if kind == "zset" => &["ZRANGE", &name, "0", "-1"],
            kind if kind == "list" => &["LRANGE", &name, "0", "-1"],
            kind => panic!("{name} is a {kind:?}"),
        };
        writeln!(text, "{name} {:?}", redis.command(words)).unwrap();
        let lifetime_s = redis.command(&["TTL", &name]).int().expect("a number");
        assert!(lifetime_s > 0, "{name} would stay for ever");
    }
    assert!(text.lines().count() >= 4, "{text}");
    for clear in [SECRET, "198.51.100.77", "attackers"] {
        assert!(!text.contains(clear), "{clear} stands in Redis:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_is_no_longer_counted() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let mut fleet = setup(&origin, &patient(&redis)).start_fleet(3).await;
    let mut leaving = fleet.pop().expect("the third");
    let since = Instant::now();
    leaving.end(Signal::TERM, Duration::from_secs(10)).await;
    for gateway in &fleet {
        let two = async || (gateway.redis().await["gateways"] == 2).then_some(());
        eventually_some("two gateways are left", two).await;
        assert_eq!(gateway.metric("rampart_redis_instances").await, 2);
    }
    eprintln!("the others know {:?} after it was asked to stop", since.elapsed());
}
