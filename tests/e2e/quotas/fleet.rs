//! Four gateways and one quota: under more load than it allows, what they let pass together is the limit, never more and
//! never less by over 1 %, whatever the algorithm. The numbers of each run are printed (`--nocapture`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rampart_tests::quota::expect_sliding;
use rampart_tests::redis::Redis;
use rampart_tests::{Asked, CountingOrigin, Gateway, Load, MoodyOrigin, shape};

use super::{patient, quotas, route};

const GATEWAYS: usize = 4;
const PERIOD: Duration = Duration::from_secs(2);
const LOAD: Duration = Duration::from_secs(7);

const QUOTAS: &str = r#"
[quota.gcra]
limit = 80
burst = 40
per = "2s"

[quota.log]
algorithm = "sliding_log"
limit = 80
per = "2s"

[quota.window]
algorithm = "window"
limit = 80
per = "2s"
"#;

/// All requests at one path of all gateways, from the start of the load, which was then.
async fn load(fleet: &[Gateway], path: &'static str) -> (Vec<Asked>, Duration) {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let pause = Duration::from_millis(10);
    let ask = move |_: &str| shape::get(path);
    let loads: Vec<Load> = fleet.iter().map(|gateway| Load::start(gateway.addresses.plain, 2, pause, ask)).collect();
    tokio::time::sleep(LOAD).await;
    let mut asked = Vec::new();
    for load in loads {
        asked.extend(load.finish().await);
    }
    for one in &asked {
        assert!(matches!(one.status, 200 | 429), "{one:?}");
    }
    asked.sort_by_key(|asked| asked.at);
    (asked, began)
}

fn passed(asked: &[Asked]) -> Vec<&Asked> {
    asked.iter().filter(|asked| asked.succeeded()).collect()
}

fn done(asked: &Asked) -> Duration {
    asked.at + asked.took
}

fn say(quota: &str, asked: &[Asked], allowed: &str) {
    let passed = passed(asked).len();
    eprintln!("{quota}: {passed} of {} passed at {GATEWAYS} gateways; allowed {allowed}", asked.len());
}

/// A bucket of 40 that fills by 40 in a second.
fn expect_gcra(asked: &[Asked]) {
    let (begin, end) = (asked.first().unwrap(), asked.iter().map(done).max().unwrap());
    let refused = asked.iter().filter(|asked| !asked.succeeded()).map(|asked| asked.at).max().expect("a refusal");
    let thousandths = |time: Duration| 40_000 + 40 * time.as_millis();
    let most = thousandths(end.saturating_sub(begin.at)).div_ceil(1_000);
    // When the last one was refused the bucket had been emptied to less than one unit; and 1 % is conceded.
    let least = (thousandths(refused.saturating_sub(done(begin))) - 1_000) * 99 / 100_000;
    say("gcra", asked, &format!("{least} to {most}"));
    let passed = passed(asked).len() as u128;
    assert!((least..=most).contains(&passed), "{passed} passed, not {least} to {most}");
}

/// 80 in each two seconds of the clock.
fn expect_window(asked: &[Asked], began: Duration) {
    let passed = passed(asked);
    let (first, last) = (began + asked[0].at, began + asked.iter().map(done).max().unwrap());
    let windows = first.as_secs() / 2..=last.as_secs() / 2;
    let count = windows.clone().count();
    for window in windows {
        let (start, end) = (Duration::from_secs(window * 2), Duration::from_secs(window * 2 + 2));
        let surely = passed.iter().filter(|one| began + one.at >= start && began + done(one) < end).count();
        assert!(surely <= 80, "{surely} passed in one window");
        let maybe = passed.iter().filter(|one| began + done(one) >= start && began + one.at < end).count();
        // Only where the load lasted for all of it.
        if first < start && last > end {
            assert!(maybe >= 80, "only {maybe} passed in a whole window");
        }
    }
    say("window", asked, &format!("80 in each of {count} windows, of which the first and last are cut"));
    assert!(passed.len() <= 80 * count);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_gateways_let_pass_what_one_would() {
    let (origin, redis) = (CountingOrigin::start().await, Redis::start());
    let names = ["gcra", "log", "window"];
    let rules: String = names.iter().map(|name| route(name, &[name])).chain([QUOTAS.to_owned()]).collect();
    let fleet = quotas(&origin, &rules).redis(&patient(&redis)).start_fleet(GATEWAYS).await;
    let (gcra, log, window) = tokio::join!(load(&fleet, "/gcra"), load(&fleet, "/log"), load(&fleet, "/window"));
    for gateway in &fleet {
        for name in names {
            assert_eq!(gateway.decisions(name, "allowed", "fallback").await, 0, "Redis decided all along");
            assert!(gateway.decisions(name, "allowed", "redis").await > 0, "every gateway let some pass");
        }
    }
    expect_gcra(&gcra.0);
    let passed = expect_sliding(&log.0, 80, PERIOD);
    eprintln!("sliding_log: {passed} of {} passed at {GATEWAYS} gateways; none refused before 80", log.0.len());
    expect_window(&window.0, window.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_gateways_have_no_more_requests_in_flight_than_one_may() {
    let (origin, redis) = (MoodyOrigin::start().await, Redis::start());
    origin.work(Duration::from_millis(100));
    let rules = route("slow", &["slow"]) + "[quota.slow]\nconcurrency = 5\n";
    let setup = rampart_tests::Setup::new(origin.address).without_inspection().routes(&rules);
    let fleet = setup.redis(&patient(&redis)).start_fleet(GATEWAYS).await;
    let ask = |_: &str| shape::get("/slow");
    let pause = Duration::from_millis(5);
    let loads: Vec<Load> = fleet.iter().map(|gateway| Load::start(gateway.addresses.plain, 4, pause, ask)).collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut asked = Vec::new();
    for load in loads {
        asked.extend(load.finish().await);
    }
    let passed = passed(&asked).len();
    eprintln!("concurrency: {passed} of {} passed, {} in flight at most", asked.len(), origin.peak());
    assert_eq!(origin.peak(), 5, "as many as allowed, and never more");
    assert!(asked.iter().all(|asked| matches!(asked.status, 200 | 429)), "nothing else was answered");
    // Whatever became of them, places are free again.
    let served = fleet[0].get("/slow").await;
    assert_eq!(served.status, 200, "{}", served.text());
}
