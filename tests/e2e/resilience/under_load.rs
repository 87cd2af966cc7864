//! One upstream of three fails while clients go on asking.

#![expect(clippy::print_stdout, reason = "the numbers are what these tests are for")]

use std::collections::HashMap;
use std::time::Duration;

use rampart_tests::load::percentile;
use rampart_tests::{Asked, Load, Mood, MoodyOrigin, eventually, shape};

use super::{before, counts};

/// Failures are found out by failed requests at once, or by two probes in a row: 2 x 220 ms, and 150 ms until the second is
/// given up. A request that runs into the read deadline ends up to 300 ms later. The rest is for a busy machine.
const DETECTION: Duration = Duration::from_millis(1_500);

const KEYS: &str = r#"
deadlines = { connect = "500ms", read = "300ms", total = "5s" }
health = { path = "/health", every = "200ms", deadline = "150ms", healthy_after = 2, unhealthy_after = 2 }
breaker = { open_for = "500ms", open_up_to = "1s" }
ejection = { for = "500ms", up_to = "1s" }
"#;

const READERS: usize = 6;
const WRITERS: usize = 3;
const PAUSE: Duration = Duration::from_millis(5);

/// How the first of three origins fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Killed,
    Turned(Mood),
}

impl Trouble {
    async fn begin(self, victim: &mut MoodyOrigin) {
        match self {
            Self::Killed => victim.kill().await,
            Self::Turned(mood) => victim.turn(mood),
        }
    }

    async fn end(self, victim: &mut MoodyOrigin) {
        match self {
            Self::Killed => victim.revive().await,
            Self::Turned(_) => victim.turn(Mood::Well),
        }
    }
}

async fn check(name: &str, trouble: Trouble, gets_may_fail: bool) {
    let mut origins = MoodyOrigin::several(3).await;
    let gateway = before(&origins, KEYS).await;
    eventually("the origins are probed", || origins.iter().all(|origin| origin.probes() > 0)).await;
    let address = gateway.addresses.plain;
    let readers = Load::start(address, READERS, PAUSE, shape::get);
    let writers = Load::start(address, WRITERS, PAUSE, |target| shape::post(target, "application/json", b"[1]"));

    tokio::time::sleep(Duration::from_millis(800)).await;
    let began = readers.elapsed();
    trouble.begin(&mut origins[0]).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let ended = readers.elapsed();
    let quiet = origins[0].requests();
    trouble.end(&mut origins[0]).await;
    eventually("the origin gets requests again", || origins[0].requests() > quiet + 5).await;
    let returned = readers.elapsed().saturating_sub(ended);
    tokio::time::sleep(Duration::from_millis(300)).await;

    let (gets, posts) = (readers.finish().await, writers.finish().await);
    let arrivals = sum(&origins);
    println!("\n{name}: began at {began:.0?}, ended at {ended:.0?}, back after {returned:.0?}; {:?}", counts(&origins));
    report("GET", &gets, &arrivals, began);
    report("POST", &posts, &arrivals, began);

    for (what, asked) in [("GET", &gets), ("POST", &posts)] {
        for failed in asked.iter().filter(|asked| !asked.succeeded()) {
            let in_window = failed.at + failed.took >= began && failed.at < began + DETECTION;
            assert!(in_window, "a {what} failed outside of the window: {failed:?}");
        }
        assert!(asked.len() > 100, "{what}: that was no load: {}", asked.len());
    }
    if !gets_may_fail {
        assert_eq!(failures(&gets), 0, "a GET can be repeated elsewhere");
    }
    for asked in &posts {
        let times = arrivals.get(&asked.target).copied().unwrap_or(0);
        assert!(times <= 1, "a POST arrived {times} times: {asked:?}");
        assert!(times == 1 || !asked.succeeded(), "{asked:?}");
    }
    let seconds = usize::try_from((ended + returned).as_secs()).unwrap() + 2;
    let budget = (gets.len() + posts.len()) / 5 + 10 * seconds;
    let retries = repeats(&gets, &arrivals);
    assert!(retries <= budget, "{retries} retries, {budget} in the budget");
}

/// How often each target arrived at all origins together.
fn sum(origins: &[MoodyOrigin]) -> HashMap<String, usize> {
    let mut sum = HashMap::new();
    for (target, times) in origins.iter().flat_map(MoodyOrigin::arrivals) {
        *sum.entry(target).or_default() += times;
    }
    sum
}

fn failures(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| !asked.succeeded()).count()
}

/// Arrivals beyond the first.
fn repeats(asked: &[Asked], arrivals: &HashMap<String, usize>) -> usize {
    asked.iter().map(|asked| arrivals.get(&asked.target).map_or(0, |times| times.saturating_sub(1))).sum()
}

fn report(what: &str, asked: &[Asked], arrivals: &HashMap<String, usize>, began: Duration) {
    let failed: Vec<&Asked> = asked.iter().filter(|asked| !asked.succeeded()).collect();
    let last = failed.last().map_or(Duration::ZERO, |last| (last.at + last.took).saturating_sub(began));
    let mut by_status: Vec<(u16, usize)> = Vec::new();
    for one in &failed {
        match by_status.iter_mut().find(|(status, _)| *status == one.status) {
            Some((_, count)) => *count += 1,
            None => by_status.push((one.status, 1)),
        }
    }
    println!(
        "  {what:<4} | {:>5} asked | {:>3} failed {by_status:?}, the last {last:.0?} after the beginning | {:>3} arrived again \
         | p50 {:.1?} p99 {:.1?} max {:.1?}",
        asked.len(),
        failed.len(),
        repeats(asked, arrivals),
        percentile(asked, 50),
        percentile(asked, 99),
        percentile(asked, 100),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_is_killed() {
    check("killed", Trouble::Killed, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_stalls() {
    // What was sent and not answered is not repeated by default: the time is spent, and the origin may be at it.
    check("stalled", Trouble::Turned(Mood::Stalled), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_answers_503() {
    check("503", Trouble::Turned(Mood::Status(503)), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_answers_500() {
    // 500 is not repeated by default: it is the application's answer.
    check("500", Trouble::Turned(Mood::Status(500)), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_half_closes() {
    check("half-closing", Trouble::Turned(Mood::HalfClosing), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_resets() {
    check("resetting", Trouble::Turned(Mood::Resetting), false).await;
}

/// Everything fails: what is repeated then stays within the budget.
#[tokio::test(flavor = "multi_thread")]
async fn retries_stay_within_their_budget() {
    let origins = MoodyOrigin::several(3).await;
    for origin in &origins {
        origin.turn(Mood::Status(503));
    }
    let gateway = before(&origins, "breaker = { enabled = false }\nejection = { enabled = false }").await;
    let load = Load::start(gateway.addresses.plain, READERS, PAUSE, shape::get);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seconds = usize::try_from(load.elapsed().as_secs()).unwrap() + 1;
    let asked = load.finish().await;
    let arrived: usize = counts(&origins).iter().sum();
    let retries = arrived - asked.len();
    let budget = asked.len() / 5 + 10 * seconds;
    println!("\nall answer 503: {} asked, {arrived} arrived: {retries} retries, {budget} in the budget", asked.len());
    assert!(asked.iter().all(|asked| asked.status == 503), "the origin's answer passes");
    assert!(retries <= budget, "{retries} of {budget}");
    assert!(retries >= asked.len() / 10, "the budget is there to be used: {retries} of {budget}");
    let granted = gateway.metric_sum("rampart_upstream_retries_total").await;
    assert!(granted > 0);
}
