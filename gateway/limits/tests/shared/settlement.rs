//! What is corrected in Redis after the answer.

use std::time::Duration;

use rampart_limits::{Actual, Ban, Outcome, RawBan};
use rampart_settings::{Place, Report};
use rampart_store::testing::{Options, Redis as Server};
use tokio::time::sleep;

use crate::oracle::{charge, key, quota};
use crate::{Gateway, PASSWORD, eventually, is_allowed, now};

async fn remaining(gateway: &Gateway, quota: &std::sync::Arc<rampart_limits::Quota>) -> u64 {
    gateway.limits.peek_shared(quota, key(1)).await.unwrap().remaining
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_are_settled_after_the_answer() {
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let rules = ["algorithm = \"window\"\nlimit = 10000\nper = \"200d\"", "limit = 1\nper = \"30m\"\nburst = 10000"];
    for (index, rule) in rules.into_iter().enumerate() {
        let tokens = quota(&format!("t{index}"), &format!("{rule}\ncost = \"llm_tokens\"\nreserve = 500"));
        let hits = quota(&format!("h{index}"), &format!("{rule}\ncost = 10\ncount_cache_hits = false"));
        let demand = [charge(&tokens, 1, 500), charge(&hits, 1, 10)];
        let settle = async |actual: Actual, expect: (u64, u64)| {
            let settled = gateway.take_all(&demand).await;
            gateway.limits.settle(settled.reservation.unwrap(), &actual, now());
            gateway.limits.flush().await;
            sleep(Duration::from_millis(50)).await;
            assert_eq!((remaining(&gateway, &tokens).await, remaining(&gateway, &hits).await), expect, "{rule}");
        };
        settle(Actual { llm_tokens: Some(500), ..Actual::default() }, (9_500, 9_990)).await;
        settle(Actual { llm_tokens: Some(20), ..Actual::default() }, (9_480, 9_980)).await;
        settle(Actual { llm_tokens: Some(2_480), ..Actual::default() }, (7_000, 9_970)).await;
        settle(Actual { cache_hit: true, llm_tokens: Some(0), ..Actual::default() }, (7_000, 9_970)).await;
        settle(Actual::default(), (6_500, 9_960)).await;
        // Debt: more than there was. Nothing passes until it is paid.
        settle(Actual { llm_tokens: Some(9_000), ..Actual::default() }, (0, 9_950)).await;
        let refused = gateway.take_all(&demand).await;
        assert_eq!(refused.states[0].outcome, Outcome::Refused);
        assert_eq!(remaining(&gateway, &hits).await, 9_950, "none is charged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_of_a_log_are_given_back() {
    let server = Server::start();
    let gateway = Gateway::start(&server.settings()).await;
    let log = quota("log", "algorithm = \"sliding_log\"\nlimit = 9\nper = \"1h\"\ncost = 3\ncount_cache_hits = false");
    let hit = Actual { cache_hit: true, ..Actual::default() };
    for expect in [6, 3, 0] {
        let settled = gateway.take(&log, 1, 3).await;
        assert_eq!(settled.states[0].remaining, expect);
        let again = gateway.take(&log, 1, 3).await;
        assert_eq!(is_allowed(&again), expect > 0);
        if let Some(reservation) = again.reservation {
            gateway.limits.settle(reservation, &hit, now());
            gateway.limits.flush().await;
            sleep(Duration::from_millis(50)).await;
            assert_eq!(remaining(&gateway, &log).await, expect);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_free_again_when_requests_end_and_when_they_are_cancelled() {
    let server = Server::start();
    let gateway = std::sync::Arc::new(Gateway::start(&server.settings()).await);
    let flights = quota("flights", "concurrency = 2");
    let first = gateway.take(&flights, 1, 1).await;
    let second = gateway.take(&flights, 1, 1).await;
    assert!(!is_allowed(&gateway.take(&flights, 1, 1).await));
    let held = || {
        server
            .command(&["KEYS", "rampart:quota:*"])
            .list()
            .iter()
            .filter_map(|key| {
                let key = String::from_utf8_lossy(key.bytes()?).into_owned();
                server.command(&["ZCARD", &key]).int()
            })
            .sum::<i64>()
    };
    assert_eq!(held(), 2);
    gateway.limits.settle(first.reservation.unwrap(), &Actual::default(), now());
    eventually("one has ended", || held() == 1).await;
    drop(second);
    eventually("the other was dropped", || held() == 0).await;
    // Clients that leave while Redis is asked leave nothing behind.
    for wait_us in 0..60 {
        let (asking, flights) = (std::sync::Arc::clone(&gateway), std::sync::Arc::clone(&flights));
        let task = tokio::spawn(async move { asking.take(&flights, 1, 1).await });
        sleep(Duration::from_micros(wait_us * 10)).await;
        task.abort();
        let _ = task.await;
    }
    eventually("cancelled requests have ended", || held() == 0).await;
    let (a, b) = (gateway.take(&flights, 1, 1).await, gateway.take(&flights, 1, 1).await);
    assert!(is_allowed(&a) && is_allowed(&b));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_redis_is_asked_frees_what_was_taken_here() {
    let server = Server::start();
    let gateway = std::sync::Arc::new(Gateway::start(&server.settings()).await);
    let own = quota("own", "concurrency = 3\nscope = \"instance\"");
    let shared = quota("shared", "limit = 10\nper = \"1h\"");
    server.freeze();
    let asking = tokio::spawn({
        let (gateway, demand) = (std::sync::Arc::clone(&gateway), [charge(&own, 1, 1), charge(&shared, 1, 1)]);
        async move { gateway.take_all(&demand).await }
    });
    let left = || gateway.limits.peek(&own, key(1), now()).remaining;
    eventually("it is taken", || left() == 2).await;
    asking.abort();
    eventually("it is free again", || left() == 3).await;
    server.thaw();
}

/// With the rights that the configuration's help asks for, and no more; and nothing that is written stays for ever.
#[tokio::test(flavor = "multi_thread")]
async fn scripts_need_few_rights_and_leave_nothing_for_ever() {
    let user = Some(("gateway".to_owned(), PASSWORD.to_owned()));
    let server = Server::start_with(&Options { user, ..Options::default() });
    let settings = format!("password = \"secret://env/REDIS_PASSWORD\"\n{}", server.settings());
    let gateway = Gateway::start(&settings).await;
    let report = Report::new();
    let raw = RawBan { after: 2, counts: vec!["payload_blocked".to_owned()], ..RawBan::default() };
    let ban = Ban::compile("b", &raw, &["payload_blocked"], &Place::nowhere("t", &report)).unwrap();
    gateway.limits.reconcile(&[], &[std::sync::Arc::new(ban)]);
    let rules = [
        "limit = 100\nper = \"1h\"\ncount_cache_hits = false",
        "algorithm = \"sliding_log\"\nlimit = 100\nper = \"1h\"\ncount_cache_hits = false",
        "algorithm = \"window\"\nlimit = 100\nper = \"month\"\ncount_cache_hits = false",
        "concurrency = 100",
    ];
    let demand: Vec<_> =
        rules.iter().enumerate().map(|(index, rule)| charge(&quota(&format!("q{index}"), rule), 1, 1)).collect();
    let kept = gateway.take_all(&demand).await;
    let settled = gateway.take_all(&demand).await;
    assert!(is_allowed(&settled) && settled.states.iter().all(|state| state.source == rampart_limits::Source::Redis));
    let hit = Actual { cache_hit: true, ..Actual::default() };
    gateway.limits.settle(settled.reservation.unwrap(), &hit, now());
    sleep(Duration::from_millis(600)).await;
    let offend = |last: u8| gateway.limits.bans().offence([192, 0, 2, last].into(), "payload_blocked", now());
    assert!(offend(1).is_none() && offend(1).is_some() && offend(2).is_none());
    gateway.limits.bans().add([192, 0, 2, 3].into(), Duration::from_mins(1), "", now());
    gateway.limits.bans().lift([192, 0, 2, 4].into(), now());
    let mut admin = server.wire();
    let names = |reply: rampart_store::Value| -> Vec<String> {
        let text = |name: &rampart_store::Value| String::from_utf8_lossy(name.bytes().unwrap()).into_owned();
        reply.list().iter().map(text).collect()
    };
    let kinds = ["rampart:quota:", "rampart:banned:", "rampart:offences:", "rampart:bans:", "rampart:gateways:"];
    for _ in 0..100 {
        let keys = names(admin.command(&["KEYS", "rampart:*"]).unwrap());
        for key in &keys {
            assert!(admin.command(&["PTTL", key]).unwrap().int().unwrap() != -1, "{key} stays for ever");
        }
        let entries = admin.command(&["HLEN", "rampart:bans:{616c6c}:656e7472696573"]).unwrap().int();
        if entries == Some(3) && kinds.iter().all(|kind| keys.iter().any(|key| key.starts_with(kind))) {
            drop(kept);
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("not everything was written");
}
