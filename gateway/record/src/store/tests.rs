//! The store against real files: what is asked for is found, with indexes, from another process; what is damaged does
//! not stop the rest.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use proptest::prelude::*;
use rusqlite::Connection;

use super::query::Statement;
use super::*;
use crate::event::RuleMatch;
use crate::fault::Fault;
use crate::records::{RecordConfig, Records};
use crate::testing::{Standing, collected};

const PATIENCE: Duration = Duration::from_secs(10);
const KEEP_ALL: Retention = Retention { age: Duration::from_hours(720), rows: 1_000_000 };

/// A store in a folder of its own, and what it reported.
struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<Standing>,
    reports: Arc<Mutex<Vec<Fault>>>,
    config: StoreConfig,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            path: folder.path().join("var/rampart.db"),
            events: KEEP_ALL,
            actions: KEEP_ALL,
            overload: Overload::Block,
            buffer_bytes: 1 << 20,
        };
        Self { folder, clock: Standing::at("2026-11-20T13:00:00Z"), reports: Arc::default(), config }
    }

    fn try_open(&self) -> Result<Records, String> {
        let config = RecordConfig { store: Some(self.config.clone()), ..RecordConfig::default() };
        let clock: Arc<dyn Clock> = self.clock.clone();
        Records::open(&config, &clock, &Metrics::default(), &collected(&self.reports))
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn open(&self) -> Records {
        self.try_open().unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.config.path).unwrap()
    }

    fn raw(&self) -> Connection {
        Connection::open(&self.config.path).unwrap()
    }

    /// Request ids of what is found, newest first.
    fn find(&self, query: &EventQuery) -> Vec<String> {
        self.reader().events(query).unwrap().items.into_iter().map(|event| event.request_id).collect()
    }
}

fn event(request_id: &str, time: &str) -> SecurityEvent {
    SecurityEvent {
        time: time.parse().unwrap(),
        request_id: request_id.to_owned(),
        client_request_id: Some("their own".to_owned()),
        snapshot: "5f2b91".into(),
        client: "203.0.113.9".parse().unwrap(),
        identity: None,
        route: Some("create task".into()),
        method: "POST".to_owned(),
        path: "/api/v1/tasks".to_owned(),
        verdict: Verdict::Block,
        code: Some("payload_blocked".into()),
        score: 5,
        status: Some(400),
        micros: 42,
        rules: Vec::new(),
        cause: None,
        access: None,
        matches: vec![matched("sqli-union-select")],
    }
}

fn matched(rule: &str) -> RuleMatch {
    RuleMatch {
        rule: rule.into(),
        category: "sqli".into(),
        severity: "critical".into(),
        paranoia: 1,
        target: "root.title".to_owned(),
        transform: "url_decode,lowercase".to_owned(),
        value: "1 union select".to_owned(),
        message: "Potential SQL injection detected in root.title".to_owned(),
    }
}

fn action(actor: &'static str, time: &str, outcome: Outcome) -> AdminAction {
    AdminAction {
        time: time.parse().unwrap(),
        actor: actor.into(),
        client: None,
        action: "reload".into(),
        target: None,
        outcome,
        detail: Some("5f2b91".to_owned()),
    }
}

fn write(bench: &Bench, events: Vec<SecurityEvent>) {
    let records = bench.open();
    for event in events {
        records.event(event);
    }
    assert!(records.close(PATIENCE));
}

fn wait_until(done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(done());
}

/// Lets minutes pass and sets the writer off each time, until it has deleted what it should.
fn sweep_until(bench: &Bench, records: &Records, done: impl Fn() -> bool) {
    wait_until(|| {
        bench.clock.advance(Duration::from_secs(61));
        records.action(AdminAction { time: bench.clock.now(), ..action("clock", "2026-11-20", Outcome::Done) });
        assert!(records.flush(PATIENCE));
        done()
    });
}

#[test]
fn an_event_comes_back_as_it_went_in() {
    let bench = Bench::new();
    let original = event("r1", "2026-11-20T13:00:00.123Z");
    write(&bench, vec![original.clone()]);
    assert_eq!(bench.reader().events(&EventQuery::default()).unwrap(), Page { items: vec![original], next: None });
}

#[test]
fn an_action_comes_back_and_is_found_by_each_filter() {
    let bench = Bench::new();
    let records = bench.open();
    let good = action("signal", "2026-11-20T13:00:00Z", Outcome::Done);
    let bad = action("ops", "2026-11-20T14:00:00Z", Outcome::Failed);
    records.action(good.clone());
    records.action(bad.clone());
    assert!(records.flush(PATIENCE));
    let check = |query: ActionQuery, expect: &[&AdminAction]| {
        let found = bench.reader().actions(&query).unwrap().items;
        assert_eq!(found.iter().collect::<Vec<_>>(), expect, "{query:?}");
    };
    let any = ActionQuery::default;
    check(any(), &[&bad, &good]);
    check(ActionQuery { actor: Some("ops".to_owned()), ..any() }, &[&bad]);
    check(ActionQuery { action: Some("reload".to_owned()), ..any() }, &[&bad, &good]);
    check(ActionQuery { action: Some("cache_purge".to_owned()), ..any() }, &[]);
    check(ActionQuery { outcome: Some(Outcome::Done), ..any() }, &[&good]);
    check(ActionQuery { until: Some(bad.time), ..any() }, &[&good]);
    check(ActionQuery { since: Some(bad.time), ..any() }, &[&bad]);
}

#[test]
fn each_filter_finds_what_it_names_and_nothing_else() {
    let bench = Bench::new();
    let base = || event("one", "2026-11-20T10:00:00Z");
    write(
        &bench,
        vec![
            base(),
            SecurityEvent { client: "2001:db8::1".parse().unwrap(), ..event("two", "2026-11-20T11:00:00Z") },
            SecurityEvent { route: None, ..event("three", "2026-11-20T12:00:00Z") },
            SecurityEvent { verdict: Verdict::WouldBlock, ..event("four", "2026-11-20T13:00:00Z") },
            SecurityEvent {
                matches: vec![matched("xss-script"), matched("xss-script"), matched("sqli-union-select")],
                ..event("five", "2026-11-20T14:00:00Z")
            },
            SecurityEvent { code: None, matches: vec![], ..event("six", "2026-11-20T15:00:00Z") },
        ],
    );
    let check = |query: EventQuery, expect: &[&str]| assert_eq!(bench.find(&query), expect, "{query:?}");
    let any = EventQuery::default;
    check(any(), &["six", "five", "four", "three", "two", "one"]);
    check(EventQuery { client: Some("2001:db8::1".parse().unwrap()), ..any() }, &["two"]);
    check(EventQuery { route: Some("create task".to_owned()), ..any() }, &["six", "five", "four", "two", "one"]);
    check(EventQuery { route: Some("create".to_owned()), ..any() }, &[]);
    check(EventQuery { verdict: Some(Verdict::WouldBlock), ..any() }, &["four"]);
    check(EventQuery { rule: Some("xss-script".to_owned()), ..any() }, &["five"]);
    check(EventQuery { code: Some("payload_blocked".to_owned()), ..any() }, &["five", "four", "three", "two", "one"]);
    check(EventQuery { request_id: Some("three".to_owned()), ..any() }, &["three"]);
    let noon = "2026-11-20T12:00:00Z".parse().ok();
    check(EventQuery { since: noon, ..any() }, &["six", "five", "four", "three"]);
    check(EventQuery { until: noon, ..any() }, &["two", "one"]);
    check(EventQuery { since: noon, until: "2026-11-20T13:00:00Z".parse().ok(), ..any() }, &["three"]);
    let rule = Some("sqli-union-select".to_owned());
    check(EventQuery { rule: rule.clone(), since: noon, limit: 2, ..any() }, &["five", "four"]);
    check(EventQuery { rule: rule.clone(), request_id: Some("two".to_owned()), ..any() }, &["two"]);
    check(EventQuery { rule, request_id: Some("six".to_owned()), ..any() }, &[]);
}

#[test]
fn every_filter_is_answered_from_an_index_without_sorting() {
    let bench = Bench::new();
    write(&bench, vec![event("one", "2026-11-20T10:00:00Z")]);
    let reader = bench.reader();
    let check = |statement: Statement, index: &str| {
        let mut explain = reader.connection().prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
        let rows = explain.query_map(rusqlite::params_from_iter(&statement.values), |row| row.get::<_, String>(3));
        let plan: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index), "{index} is not in: {plan}\n{}", statement.sql);
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN e;"), "{plan}");
    };
    let any = || EventQuery {
        since: "2026-11-20".parse().ok(),
        before: "1763643642123-42".parse().ok(),
        verdict: Some(Verdict::Block),
        ..EventQuery::default()
    };
    let time = "(time>? AND time<?)";
    let with = |index: &str, column: &str| format!("USING INDEX {index} ({column}=? AND {}", &time[1..]);
    let event = |query: EventQuery, index: &str| check(query.statement().unwrap(), index);
    event(EventQuery::default(), "USING INDEX event_time");
    event(EventQuery { verdict: None, ..any() }, &format!("USING INDEX event_time {time}"));
    event(any(), &with("event_verdict", "verdict"));
    event(EventQuery { route: Some(String::new()), ..any() }, &with("event_route", "route"));
    event(EventQuery { code: Some(String::new()), ..any() }, &with("event_code", "code"));
    event(EventQuery { client: "::1".parse().ok(), ..any() }, &with("event_client", "client"));
    event(EventQuery { request_id: Some(String::new()), ..any() }, &with("event_request", "request_id"));
    let by_rule =
        "SEARCH r USING PRIMARY KEY (rule=? AND time>? AND (time,event)<(?,?)); SEARCH e USING INTEGER PRIMARY KEY";
    event(EventQuery { rule: Some(String::new()), client: "::1".parse().ok(), ..any() }, by_rule);
    let any = || ActionQuery { since: "2026-11-20".parse().ok(), before: "1-2".parse().ok(), ..ActionQuery::default() };
    let action = |query: ActionQuery, index: &str| check(query.statement().unwrap(), index);
    action(any(), &format!("USING INDEX admin_action_time {time}"));
    action(ActionQuery { actor: Some(String::new()), ..any() }, &with("admin_action_actor", "actor"));
    action(ActionQuery { action: Some(String::new()), ..any() }, &with("admin_action_action", "action"));
    action(ActionQuery { outcome: Some(Outcome::Done), ..any() }, &with("admin_action_outcome", "outcome"));
}

#[test]
fn a_page_holds_one_to_a_thousand() {
    let bench = Bench::new();
    write(&bench, vec![event("one", "2026-11-20T10:00:00Z")]);
    for (limit, good) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
        let answer = bench.reader().events(&EventQuery { limit, ..EventQuery::default() });
        assert_eq!(answer.is_ok(), good, "{limit}");
    }
}

#[test]
fn new_events_do_not_shift_the_pages() {
    let bench = Bench::new();
    let records = bench.open();
    for n in 0..25 {
        records.event(event(&format!("old {n}"), &format!("2026-11-20T10:00:{n:02}Z")));
    }
    assert!(records.flush(PATIENCE));
    let reader = bench.reader();
    let mut query = EventQuery { limit: 10, ..EventQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = reader.events(&query).unwrap();
        seen.extend(page.items.into_iter().map(|event| event.request_id));
        records.event(event("new", "2026-11-20T11:00:00Z"));
        assert!(records.flush(PATIENCE));
        let Some(next) = page.next else { break };
        query.before = Some(next.to_string().parse().unwrap());
    }
    let expect: Vec<String> = (0..25).rev().map(|n| format!("old {n}")).collect();
    assert_eq!(seen, expect);
}

#[test]
fn a_cursor_is_read_back_or_refused() {
    for text in ["", "-", "1", "1-", "-1", "a-1", "1--1", "+1-1", "1-99999999999999999999"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
    assert_eq!("1763643642123-42".parse::<Cursor>().unwrap().to_string(), "1763643642123-42");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Pages of any size, under any filters, together are what a plain filter over all events gives.
    #[test]
    fn pages_agree_with_a_plain_filter(
        rows in prop::collection::vec((0_i64..20, 0_usize..3, 0_usize..3, 0_usize..3), 20..100),
        client in prop::option::of(0_usize..3), rule in prop::option::of(0_usize..3),
        verdict in prop::option::of(0_usize..3), since in prop::option::of(0_i64..20),
        until in prop::option::of(0_i64..20), limit in 1_u32..10,
    ) {
        let clients = ["192.0.2.1", "192.0.2.2", "2001:db8::3"].map(|text| text.parse::<IpAddr>().unwrap());
        let rules = ["sqli", "xss", "traversal"];
        let time = |seconds: i64| Timestamp::from_millis(1_795_176_000_000 + seconds * 1_000);
        let events: Vec<SecurityEvent> = rows.iter().enumerate().map(|(n, &(at, client, rule, verdict))| SecurityEvent {
            time: time(at), client: clients[client], verdict: Verdict::ALL[verdict], matches: vec![matched(rules[rule])],
            ..event(&n.to_string(), "2026-11-20")
        }).collect();
        let query = EventQuery {
            client: client.map(|n| clients[n]), rule: rule.map(|n| rules[n].to_owned()),
            verdict: verdict.map(|n| Verdict::ALL[n]), since: since.map(time), until: until.map(time), limit,
            ..EventQuery::default()
        };
        let mut expect: Vec<&SecurityEvent> = events.iter().filter(|event| {
            query.client.is_none_or(|client| event.client == client)
                && query.rule.as_ref().is_none_or(|rule| &*event.matches[0].rule == rule)
                && query.verdict.is_none_or(|verdict| event.verdict == verdict)
                && query.since.is_none_or(|since| event.time >= since)
                && query.until.is_none_or(|until| event.time < until)
        }).collect();
        expect.reverse();
        expect.sort_by_key(|event| std::cmp::Reverse(event.time));
        let expect: Vec<&str> = expect.iter().map(|event| event.request_id.as_str()).collect();

        let bench = Bench::new();
        write(&bench, events.clone());
        let reader = bench.reader();
        let (mut seen, mut query) = (Vec::new(), query);
        loop {
            let page = reader.events(&query).unwrap();
            prop_assert!(page.items.len() <= limit as usize);
            seen.extend(page.items.into_iter().map(|event| event.request_id));
            query.before = page.next;
            if page.next.is_none() { break }
            prop_assert!(seen.len() <= expect.len(), "pages repeat themselves");
        }
        prop_assert_eq!(seen, expect);
    }
}

#[test]
fn what_is_too_old_goes_and_takes_its_rules_along() {
    let mut bench = Bench::new();
    bench.config.events.age = Duration::from_hours(1);
    let records = bench.open();
    records.event(event("kept", "2026-11-20T13:00:00Z"));
    records.event(event("old", "2026-11-20T11:00:00Z"));
    records.action(action("ops", "2026-11-20T11:00:00Z", Outcome::Done));
    assert!(records.flush(PATIENCE));
    sweep_until(&bench, &records, || bench.find(&EventQuery::default()) == ["kept"]);
    let links: i64 = bench.raw().query_row("SELECT count(*) FROM event_rule", [], |row| row.get(0)).unwrap();
    assert_eq!(links, 1);
    let by_ops = ActionQuery { actor: Some("ops".to_owned()), ..ActionQuery::default() };
    assert_eq!(bench.reader().actions(&by_ops).unwrap().items.len(), 1, "actions are kept longer");
    bench.clock.put("2026-11-20T14:00:01Z");
    sweep_until(&bench, &records, || bench.find(&EventQuery::default()).is_empty());
}

#[test]
fn when_there_are_too_many_the_oldest_go() {
    let mut bench = Bench::new();
    bench.config.events.rows = 10;
    let records = bench.open();
    // More than one sweep deletes at once.
    for n in 0..5_000_i64 {
        let time = Timestamp::from_millis(1_795_176_000_000 + n);
        records.event(SecurityEvent { time, ..event(&n.to_string(), "2026-11-20") });
    }
    assert!(records.flush(PATIENCE));
    records.event(event("last", "2026-11-20T13:00:00Z"));
    assert!(records.flush(PATIENCE));
    let count = || bench.raw().query_row("SELECT count(*) FROM event", [], |row| row.get::<_, i64>(0)).unwrap();
    sweep_until(&bench, &records, || count() == 10);
    assert_eq!(bench.find(&EventQuery { limit: 2, ..EventQuery::default() }), ["last", "4999"]);
    drop(records);
    let unused = bench.raw().pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0)).unwrap();
    assert!(unused < 400, "{unused} pages were not given back");
}

#[test]
fn a_file_that_is_no_database_is_moved_aside_and_reported() {
    let bench = Bench::new();
    fs::create_dir_all(bench.config.path.parent().unwrap()).unwrap();
    fs::write(&bench.config.path, "this was a database once, before the disk ate it".repeat(100)).unwrap();
    write(&bench, vec![event("after", "2026-11-20T13:00:00Z")]);
    assert_eq!(bench.find(&EventQuery::default()), ["after"]);
    let aside = bench.config.path.with_file_name("rampart.db.corrupt-20261120T130000.000Z");
    assert!(fs::read_to_string(&aside).unwrap().starts_with("this was a database once"));
    let reports = bench.reports.lock();
    assert!(reports.len() == 1 && reports[0].message.contains("moved to"), "{reports:?}");
}

#[test]
fn a_file_damaged_while_in_use_is_replaced_and_nothing_that_comes_is_lost() {
    let bench = Bench::new();
    let mut filler = event("before", "2026-11-20T12:00:00Z");
    filler.path = "x".repeat(1_500);
    write(&bench, vec![filler; 300]);
    // Every page but the first: the header still looks well.
    let mut bytes = fs::read(&bench.config.path).unwrap();
    assert!(bytes.len() > 100_000);
    bytes[4_096..].fill(0xA5);
    fs::write(&bench.config.path, bytes).unwrap();
    let records = bench.open();
    records.event(event("after", "2026-11-20T13:00:00Z"));
    assert!(records.flush(PATIENCE));
    assert_eq!(bench.find(&EventQuery::default()), ["after"]);
    assert!(bench.reports.lock().iter().any(|report| report.message.contains("is damaged")), "{:?}", bench.reports);
    let status = records.status();
    assert_eq!((status[0].lines, status[0].dropped, &status[0].fault), (1, 0, &None));
}

#[test]
fn what_belongs_to_others_is_not_touched() {
    fn check(bench: &Bench, expect: &str) {
        let before = fs::read(&bench.config.path).unwrap();
        let error = bench.try_open().err().unwrap();
        assert!(error.contains(expect), "{error}");
        assert!(matches!(Reader::open(&bench.config.path), Err(QueryError::Foreign(_))));
        assert_eq!(fs::read(&bench.config.path).unwrap(), before);
    }
    let bench = Bench::new();
    fs::create_dir_all(bench.config.path.parent().unwrap()).unwrap();
    bench.raw().execute_batch("CREATE TABLE theirs (x)").unwrap();
    check(&bench, "not one of Rampart's");

    let bench = Bench::new();
    write(&bench, vec![]);
    bench.raw().execute_batch("PRAGMA user_version = 99; PRAGMA journal_mode = DELETE").unwrap();
    check(&bench, "written by a later version of Rampart (schema 99");
}

#[test]
fn a_reader_says_what_is_missing() {
    let error = Reader::open(Path::new("/nowhere/rampart.db")).unwrap_err().to_string();
    assert!(error.contains("no store at /nowhere/rampart.db"), "{error}");
}

#[test]
fn a_locked_file_is_waited_for_and_the_rows_are_kept() {
    let bench = Bench::new();
    let records = bench.open();
    let other = bench.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    records.event(event("patient", "2026-11-20T13:00:00Z"));
    assert!(!records.flush(Duration::from_millis(400)));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(records.flush(PATIENCE));
    assert_eq!(bench.find(&EventQuery::default()), ["patient"]);
}

#[test]
fn a_queue_that_is_full_drops_and_counts() {
    let mut bench = Bench::new();
    bench.config.overload = Overload::Drop;
    bench.config.buffer_bytes = 20_000;
    let records = bench.open();
    let other = bench.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    (0..200).for_each(|n| records.event(event(&n.to_string(), "2026-11-20T13:00:00Z")));
    assert!(began.elapsed() < Duration::from_millis(500), "traffic waited for the store");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(records.flush(PATIENCE));
    let status = &records.status()[0];
    assert_eq!(status.lines + status.dropped, 200);
    assert!(status.dropped > 100 && status.lines > 5, "{status:?}");
    assert_eq!(bench.find(&EventQuery { limit: 1_000, ..EventQuery::default() }).len() as u64, status.lines);
    wait_until(|| bench.reports.lock().iter().any(|report| report.message.contains("records dropped")));
}

#[test]
fn two_gateways_may_write_one_file() {
    let bench = Bench::new();
    let (old, new) = (bench.open(), bench.open());
    std::thread::scope(|scope| {
        for (name, records) in [("old", &old), ("new", &new)] {
            scope.spawn(move || {
                (0..300).for_each(|n| records.event(event(&format!("{name} {n}"), "2026-11-20T13:00:00Z")));
                assert!(records.flush(PATIENCE));
            });
        }
    });
    assert_eq!(bench.find(&EventQuery { limit: 1_000, ..EventQuery::default() }).len(), 600);
}

#[test]
fn a_store_at_rest_is_read_without_touching_its_folder() {
    let mut bench = Bench::new();
    bench.config.path = bench.folder.path().join("odd ?&#%41.db");
    write(&bench, vec![event("one", "2026-11-20T13:00:00Z")]);
    let reader = Reader::of_read_only_folder(&bench.config.path).unwrap();
    assert_eq!(reader.events(&EventQuery::default()).unwrap().items.len(), 1);
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 1, "neither WAL nor shared memory was made");
}

const CHILD: &str = "RAMPART_TEST_STORE_TO_READ";

/// The other process of the test below; on its own it has nothing to do.
#[test]
fn child_reads_the_store() {
    if let Ok(path) = std::env::var(CHILD) {
        let page = Reader::open(Path::new(&path)).unwrap().events(&EventQuery::default()).unwrap();
        println!("found {}", page.items.iter().map(|event| &*event.request_id).collect::<Vec<_>>().join(","));
    }
}

#[test]
fn another_process_reads_while_the_gateway_writes() {
    let bench = Bench::new();
    let records = bench.open();
    records.event(event("one", "2026-11-20T13:00:00Z"));
    records.event(event("two", "2026-11-20T13:00:01Z"));
    assert!(records.flush(PATIENCE));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::child_reads_the_store", "--nocapture"])
        .env(CHILD, &bench.config.path)
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(said.contains("found two,one"), "{said}");
    records.event(event("three", "2026-11-20T13:00:02Z"));
    assert!(records.flush(PATIENCE));
    assert_eq!(bench.find(&EventQuery::default()), ["three", "two", "one"]);
}

#[test]
fn a_closed_store_is_one_file_that_everybody_in_the_group_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    write(&bench, vec![event("one", "2026-11-20T13:00:00Z")]);
    let folder = bench.config.path.parent().unwrap();
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["rampart.db"]);
    let mode = fs::metadata(&bench.config.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    assert!(bench.folder.path().exists());
}

#[test]
fn a_store_that_was_deleted_is_begun_anew() {
    let bench = Bench::new();
    let records = bench.open();
    records.event(event("gone", "2026-11-20T13:00:00Z"));
    assert!(records.flush(PATIENCE));
    fs::remove_dir_all(bench.config.path.parent().unwrap()).unwrap();
    records.event(event("kept", "2026-11-20T13:00:01Z"));
    assert!(records.flush(PATIENCE));
    assert_eq!(bench.find(&EventQuery::default()), ["kept"]);
    assert!(bench.reports.lock().iter().any(|report| report.message.contains("is gone")));
}
