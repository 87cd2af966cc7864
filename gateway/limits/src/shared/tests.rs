//! The scripts against the pure functions of `algorithm`, which have oracles of their own: each answer is computed
//! again for the moment at which the server says that it gave it.

use std::collections::HashMap;
use std::sync::Arc;

use rampart_settings::{Document, Report, Source as Text, read};
use rampart_store::testing::{Redis as Server, config};
use rampart_store::{Arg, Key, Redis, Script, State};

use super::SettlementMetrics;
use super::scripts::{self, Parameters, Reply, whole};
use super::settlement::{Settlement, member};
use crate::algorithm::gcra::{Cell, Gcra};
use crate::algorithm::sliding_log::{Moments, SlidingLog};
use crate::algorithm::window::{Count, Window};
use crate::algorithm::{self, Rule, Standing};
use crate::{Calendar, Micros, Mode, Quota, RawQuota, Span};

/// Short times, so that much drains and ends while the test runs; rates that are whole in a microsecond and that are not.
const RULES: [&str; 13] = [
    "limit = 5\nper = \"100ms\"",
    "limit = 7\nper = \"60ms\"\nburst = 3",
    "limit = 1000\nper = \"1s\"\nburst = 12",
    "limit = 9973\nper = \"1s\"\nburst = 40",
    "limit = 3\nper = \"40ms\"\nburst = 1",
    "limit = 10\nper = \"1h\"\nburst = 0",
    "algorithm = \"sliding_log\"\nlimit = 5\nper = \"50ms\"",
    "algorithm = \"sliding_log\"\nlimit = 40\nper = \"300ms\"",
    "algorithm = \"window\"\nlimit = 5\nper = \"30ms\"",
    "algorithm = \"window\"\nlimit = 200\nper = \"1s\"",
    "algorithm = \"window\"\nlimit = 400\nper = \"month\"",
    "algorithm = \"window\"\nlimit = 300\nper = \"day\"",
    "concurrency = 3",
];

/// What the pure functions know of one key.
#[derive(Default, Clone)]
struct Known {
    cell: Cell,
    count: Count,
    moments: Vec<u64>,
    leases: u64,
}

struct Log<'a>(&'a [u64]);

impl Moments for Log<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn nth(&self, index: u64) -> Option<u64> {
        self.0.get(usize::try_from(index).unwrap()).copied()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

impl Known {
    /// Where it stands if `cost` is taken now, and what is known then.
    fn take(&self, rule: &Rule, cost: u64, now: Micros) -> (Self, Standing) {
        let mut next = self.clone();
        let standing = match *rule {
            Rule::Gcra { limit, burst, period_us } => {
                let (cell, standing) = Gcra { limit, burst, period_us }.take(self.cell, cost, now);
                next.cell = cell;
                standing
            }
            Rule::SlidingLog { limit, period_us } => {
                next.moments.retain(|moment| moment + period_us > now.0);
                let standing = SlidingLog { limit, period_us }.ask(&Log(&next.moments), cost, now);
                if standing.allowed {
                    next.moments.extend(std::iter::repeat_n(now.0, usize::try_from(cost).unwrap()));
                }
                standing
            }
            Rule::Window { limit, span } => {
                let (count, standing) = Window { limit, span }.take(self.count, cost, now);
                next.count = count;
                standing
            }
            Rule::Concurrency { limit } => {
                let standing = algorithm::concurrency(limit, self.leases, cost);
                next.leases += if standing.allowed { cost } else { 0 };
                standing
            }
        };
        (next, standing)
    }

    fn correct(&mut self, rule: &Rule, units: i64, at: Micros, now: Micros) {
        let amount = units.unsigned_abs();
        match *rule {
            Rule::Gcra { limit, burst, period_us } => {
                let gcra = Gcra { limit, burst, period_us };
                let change = if units < 0 { Gcra::give_back } else { Gcra::add };
                self.cell = change(&gcra, self.cell, amount, now);
            }
            Rule::SlidingLog { .. } => {
                for _ in 0..amount {
                    let found = self.moments.iter().rposition(|moment| *moment == at.0);
                    found.map(|index| self.moments.remove(index));
                }
            }
            Rule::Window { limit, span } => {
                let window = Window { limit, span };
                self.count = if units < 0 {
                    window.give_back(self.count, amount, at, now)
                } else {
                    window.add(self.count, amount, now)
                };
            }
            Rule::Concurrency { .. } => {}
        }
    }
}

fn quota(name: &str, toml: &str) -> Arc<Quota> {
    let report = Report::new();
    let document = Document::parse(Text::new("rules.toml", toml), &report).unwrap();
    let raw: RawQuota = read(&document, &report).unwrap();
    Arc::new(Quota::compile(name, &raw, &document.root(&report)).unwrap())
}

async fn redis(server: &Server) -> Redis {
    let settings = format!("command_deadline = \"1s\"\n{}", server.settings());
    let redis = Redis::start(config(&settings, ""), &rampart_store::Metrics::default()).await;
    redis.watch().wait_for(|state| *state == State::Up).await.unwrap();
    redis
}

fn key(redis: &Redis, quota: usize, number: u64) -> Key {
    redis.key("quota", b"test", &[u8::try_from(quota).unwrap(), u8::try_from(number).unwrap()])
}

async fn take(redis: &Redis, quotas: &[Arc<Quota>], asked: &[(usize, u64, u64)], lease: u64) -> Reply {
    let keys: Vec<Key> = asked.iter().map(|(index, number, _)| key(redis, *index, *number)).collect();
    let mut args = Vec::new();
    for (index, _, cost) in asked {
        let quota = &quotas[*index];
        args.extend(Parameters::of(&quota.rule).args());
        args.extend([whole(*cost), Arg::Int((quota.mode == Mode::Enforce).into()), Arg::from(member("test", lease))]);
    }
    Reply::read(&redis.eval(&scripts::take(), &keys, &args).await.unwrap(), asked.len()).unwrap()
}

async fn correct(redis: &Redis, rule: &Rule, key: Key, units: i64, at: Micros) -> Micros {
    let parameters = Parameters::of(rule);
    let args = [
        Arg::Int(parameters.algorithm),
        whole(parameters.a),
        whole(parameters.b),
        Arg::Int(units),
        whole(at.0),
        Arg::from(""),
    ];
    let now = redis.eval(&scripts::settle(), &[key], &args).await.unwrap();
    Micros(u64::try_from(now.int().unwrap()).unwrap())
}

/// What the scripts are to answer: each quota by itself, and none taken where one that enforces refuses.
fn expect(
    known: &mut HashMap<(usize, u64), Known>,
    quotas: &[Arc<Quota>],
    asked: &[(usize, u64, u64)],
    now: Micros,
) -> Vec<Standing> {
    let tried: Vec<_> = asked
        .iter()
        .map(|(index, number, cost)| known.entry((*index, *number)).or_default().take(&quotas[*index].rule, *cost, now))
        .collect();
    let refused = asked
        .iter()
        .zip(&tried)
        .any(|((index, ..), (_, standing))| !standing.allowed && quotas[*index].mode == Mode::Enforce);
    let mut standings = Vec::new();
    for ((index, number, cost), (next, standing)) in asked.iter().zip(tried) {
        let rule = &quotas[*index].rule;
        let entry = known.entry((*index, *number)).or_default();
        let never = matches!(*rule, Rule::Gcra { burst, .. } if *cost > burst);
        let mut expect = standing;
        if refused && standing.allowed {
            expect = Standing { allowed: true, retry_us: 0, ..entry.take(rule, 0, now).1 };
        } else if standing.allowed {
            *entry = next;
        }
        // How long to wait for what never comes is not the script's to say.
        expect.retry_us = if never { 0 } else { expect.retry_us };
        standings.push(expect);
    }
    standings
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_the_scripts_differs_from_the_pure_functions() {
    let server = Server::start();
    let redis = redis(&server).await;
    let mut quotas: Vec<_> = RULES.iter().enumerate().map(|(index, rule)| quota(&format!("q{index}"), rule)).collect();
    let shadow = |rule: &str| quota("shadow", &format!("{rule}\nmode = \"shadow\""));
    quotas.extend([shadow(RULES[0]), shadow(RULES[6]), shadow(RULES[8])]);
    let mut known: HashMap<(usize, u64), Known> = HashMap::new();
    let mut random = Random(7);
    let (mut answers, mut refusals) = (0, 0);
    for step in 0..12_000_u64 {
        let mut asked: Vec<(usize, u64, u64)> = Vec::new();
        for _ in 0..=random.below(3) {
            let index = usize::try_from(random.below(quotas.len() as u64)).unwrap();
            let cost = if quotas[index].rule.is_concurrency() {
                1
            } else {
                [1, 1, 1, 0, 2, 3, 9][usize::try_from(random.below(7)).unwrap()]
            };
            if asked.iter().all(|(other, ..)| *other != index) {
                asked.push((index, random.below(3), cost));
            }
        }
        let reply = take(&redis, &quotas, &asked, step).await;
        let mut expected = expect(&mut known, &quotas, &asked, reply.now);
        let mut got = reply.standings;
        for (((index, _, cost), expected), got) in asked.iter().zip(&mut expected).zip(&mut got) {
            if matches!(quotas[*index].rule, Rule::Gcra { burst, .. } if *cost > burst) {
                got.retry_us = 0;
                expected.retry_us = 0;
            }
        }
        assert_eq!(got, expected, "step {step}: {asked:?}");
        answers += got.len();
        refusals += got.iter().filter(|standing| !standing.allowed).count();
        if let Some((index, number, _)) = asked.first()
            && random.below(3) == 0
        {
            let rule = &quotas[*index].rule;
            let limit_free = matches!(rule, Rule::SlidingLog { .. } | Rule::Concurrency { .. });
            let units = i64::try_from(random.below(7)).unwrap() - if limit_free { 7 } else { 3 };
            if !rule.is_concurrency() {
                let now = correct(&redis, rule, key(&redis, *index, *number), units, reply.now).await;
                known.entry((*index, *number)).or_default().correct(rule, units, reply.now, now);
            }
        }
    }
    eprintln!("{answers} answers, {refusals} refusals, none wrong");
    assert!(refusals > answers / 20 && refusals < answers / 2, "{refusals} of {answers}");
}

/// The calendar of the script, for days that a test cannot wait for: `TIME` is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn months_end_when_they_do() {
    let server = Server::start();
    let redis = redis(&server).await;
    let source = concat!(include_str!("common.lua"), "return window_end(0, tonumber(ARGV[1]))");
    let script = Script::new("month", 1, source);
    let span = Span::Calendar(Calendar::Month);
    for day in (0..50_000_u64).step_by(13) {
        for moment in [day * 86_400_000_000, (day + 1) * 86_400_000_000 - 1] {
            let end = redis.eval(&script, &[key(&redis, 0, 0)], &[whole(moment)]).await.unwrap().int().unwrap();
            assert_eq!(u64::try_from(end).unwrap(), span.end(Micros(moment)).0, "{moment}");
        }
    }
}

/// A coarse bucket (see `scripts`) never allows what an exact one would not.
#[tokio::test(flavor = "multi_thread")]
async fn huge_buckets_stay_within_their_limit() {
    let server = Server::start();
    let redis = redis(&server).await;
    let quotas = [quota("huge", "limit = 999999999989\nper = \"24h\"")];
    let (mut known, mut random) = (Known::default(), Random(3));
    let rule = quotas[0].rule;
    let mut taken = 0_u64;
    for step in 0..300 {
        let cost = 1 + 10 * random.below(2_000_000_000);
        let reply = take(&redis, &quotas, &[(0, 1, cost)], step).await;
        if reply.standings[0].allowed {
            let (next, exact) = known.take(&rule, cost, reply.now);
            assert!(exact.allowed, "step {step}");
            known = next;
            taken += cost;
        }
    }
    assert!(taken > 970_000_000_000, "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_renewed_and_come_back_to_an_empty_server() {
    let server = Server::start();
    let redis = redis(&server).await;
    let settlement = Settlement::new("gateway".to_owned(), SettlementMetrics::default());
    let key = key(&redis, 0, 0);
    let held = || server.command(&["ZRANGE", key.as_str(), "0", "-1"]).list().len();
    let parameters = Parameters::of(&Rule::Concurrency { limit: 200 });
    for lease in 1..=150 {
        settlement.begin(lease, key.clone(), parameters);
    }
    settlement.renew(&redis).await;
    assert_eq!(held(), 150);
    server.command(&["FLUSHALL"]);
    settlement.renew(&redis).await;
    assert_eq!(held(), 150);
    let left_ms = server.command(&["PTTL", key.as_str()]).int().unwrap();
    assert!((29_000..=30_000).contains(&left_ms), "{left_ms}");
    for lease in 1..=149 {
        settlement.end(lease);
        settlement.end(lease);
    }
    settlement.send(&redis).await;
    settlement.renew(&redis).await;
    assert_eq!(held(), 1);
}
