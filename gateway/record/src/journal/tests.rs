//! The journal against real files: nothing is torn, nothing is lost without being counted, nothing grows without bound.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fault::Fault;
use crate::testing::{Standing, collected};

const PATIENCE: Duration = Duration::from_secs(10);

/// A journal in a folder of its own, and what it reported.
struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<Standing>,
    reports: Arc<Mutex<Vec<Fault>>>,
    config: JournalConfig,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/access.jsonl");
        let file = FileConfig { path, rotate_bytes: None, rotate_age: None, keep: 100 };
        let config = JournalConfig {
            name: "access",
            destination: Destination::File(file),
            overload: Overload::Drop,
            buffer_bytes: 1 << 20,
        };
        Self { folder, clock: Standing::at("2026-11-20T13:00:00Z"), reports: Arc::default(), config }
    }

    fn file(&mut self) -> &mut FileConfig {
        match &mut self.config.destination {
            Destination::File(file) => file,
            Destination::Stdout => unreachable!(),
        }
    }

    fn path(&self) -> &Path {
        self.config.destination.path().unwrap()
    }

    fn open(&self) -> Journal {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Journal::open(&self.config, clock, &Metrics::default(), collected(&self.reports)).unwrap()
    }

    /// Name and content of everything in the journal's folder.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.path().parent().unwrap()).unwrap();
        let named = entries.map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        };
        named.map(read).collect()
    }
}

fn put(journal: &Journal, text: &str) -> bool {
    journal.append(|line| line.extend_from_slice(text.as_bytes()))
}

fn put_and_wait(journal: &Journal, text: &str) {
    assert!(put(journal, text));
    assert!(journal.flush(PATIENCE));
}

fn pairs(files: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect()
}

#[test]
fn lines_are_there_after_a_flush_and_after_the_end() {
    let bench = Bench::new();
    let journal = bench.open();
    put_and_wait(&journal, "one");
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), "one\n");
    put(&journal, "two");
    drop(journal);
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), "one\ntwo\n");
    let again = bench.open();
    put_and_wait(&again, "three");
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(again.status().lines, 1);
}

#[test]
fn a_line_is_written_without_a_flush() {
    let bench = Bench::new();
    let journal = bench.open();
    put(&journal, "soon");
    let until = Instant::now() + PATIENCE;
    while fs::read_to_string(bench.path()).unwrap().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), "soon\n");
}

#[test]
fn a_closed_journal_takes_nothing_and_counts_it() {
    let bench = Bench::new();
    let journal = bench.open();
    assert!(journal.close(PATIENCE) && journal.close(PATIENCE));
    assert!(!put(&journal, "late"));
    assert_eq!((journal.status().lines, journal.status().dropped), (0, 1));
    assert!(journal.flush(PATIENCE));
}

#[test]
fn a_file_never_grows_beyond_its_size() {
    let mut bench = Bench::new();
    bench.file().rotate_bytes = Some(10);
    let journal = bench.open();
    // One batch of many files' worth; 9 bytes with the newline are two lines of "xxxx".
    for text in ["aaaa", "bbbb", "cccc", "a line longer than a file", "dddd"] {
        put(&journal, text);
    }
    journal.close(PATIENCE);
    let files = bench.files();
    assert_eq!(
        pairs(&files),
        [
            ("access.jsonl", "dddd\n"),
            ("access.jsonl.20261120T130000.000Z", "aaaa\nbbbb\n"),
            ("access.jsonl.20261120T130000.000Z-001", "cccc\n"),
            ("access.jsonl.20261120T130000.000Z-002", "a line longer than a file\n"),
        ]
    );
}

#[test]
fn size_counts_what_an_earlier_run_wrote() {
    let mut bench = Bench::new();
    bench.file().rotate_bytes = Some(10);
    for text in ["aaaa", "bbbb", "cccc"] {
        put_and_wait(&bench.open(), text);
    }
    let files = bench.files();
    assert_eq!(files["access.jsonl"], "cccc\n");
    assert_eq!(files["access.jsonl.20261120T130000.000Z"], "aaaa\nbbbb\n");
}

#[test]
fn a_new_file_begins_at_midnight() {
    let mut bench = Bench::new();
    bench.file().rotate_age = Some(Duration::from_hours(24));
    let journal = bench.open();
    put_and_wait(&journal, "friday");
    bench.clock.put("2026-11-20T23:59:59.999Z");
    put_and_wait(&journal, "still friday");
    bench.clock.put("2026-11-21T00:00:00.005Z");
    put_and_wait(&journal, "saturday");
    bench.clock.put("2026-11-24");
    put_and_wait(&journal, "tuesday");
    let files = bench.files();
    assert_eq!(
        pairs(&files),
        [
            ("access.jsonl", "tuesday\n"),
            ("access.jsonl.20261121T000000.005Z", "friday\nstill friday\n"),
            ("access.jsonl.20261124T000000.000Z", "saturday\n"),
        ]
    );
}

#[test]
fn age_counts_from_what_an_earlier_run_wrote() {
    fn check(last_written_hours_ago: u64, rotated: bool) {
        let mut bench = Bench::new();
        bench.file().rotate_age = Some(Duration::from_hours(24));
        put_and_wait(&bench.open(), "before");
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(bench.clock.now().millis().unsigned_abs());
        let written = now - Duration::from_secs(3_600 * last_written_hours_ago);
        fs::File::options().append(true).open(bench.path()).unwrap().set_modified(written).unwrap();
        put_and_wait(&bench.open(), "after");
        assert_eq!(bench.files().len(), if rotated { 2 } else { 1 }, "{last_written_hours_ago} h");
    }
    check(12, false);
    check(14, true);
}

#[test]
fn only_so_many_rotated_files_stay_and_strangers_are_left_alone() {
    let mut bench = Bench::new();
    *bench.file() = FileConfig { rotate_bytes: Some(5), keep: 2, ..bench.file().clone() };
    let journal = bench.open();
    let stranger = bench.path().with_file_name("access.jsonl.1.gz");
    fs::write(&stranger, "kept").unwrap();
    for second in 10..15 {
        bench.clock.put(&format!("2026-11-20T13:00:{second}Z"));
        put_and_wait(&journal, "line");
    }
    let names: Vec<String> = bench.files().into_keys().collect();
    let expect =
        ["access.jsonl", "access.jsonl.1.gz", "access.jsonl.20261120T130013.000Z", "access.jsonl.20261120T130014.000Z"];
    assert_eq!(names, expect);
}

#[test]
fn a_file_that_was_moved_is_followed_without_a_signal() {
    let bench = Bench::new();
    let journal = bench.open();
    put_and_wait(&journal, "before");
    fs::rename(bench.path(), bench.path().with_extension("1")).unwrap();
    put_and_wait(&journal, "after");
    assert_eq!(pairs(&bench.files()), [("access.1", "before\n"), ("access.jsonl", "after\n")]);
    // As logrotate does with `create`: another file is in its place at once.
    fs::rename(bench.path(), bench.path().with_extension("2")).unwrap();
    fs::write(bench.path(), "").unwrap();
    put_and_wait(&journal, "replaced");
    assert_eq!(bench.files()["access.jsonl"], "replaced\n");
    fs::remove_dir_all(bench.path().parent().unwrap()).unwrap();
    put_and_wait(&journal, "folder gone");
    assert_eq!(pairs(&bench.files()), [("access.jsonl", "folder gone\n")]);
}

#[test]
fn an_idle_journal_lets_go_of_the_old_file_when_told_to() {
    let bench = Bench::new();
    let journal = bench.open();
    put_and_wait(&journal, "before");
    fs::rename(bench.path(), bench.path().with_extension("1")).unwrap();
    journal.reopen();
    let until = Instant::now() + PATIENCE;
    while !bench.path().exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(pairs(&bench.files()), [("access.1", "before\n"), ("access.jsonl", "")]);
}

#[test]
fn eight_threads_tear_no_line() {
    const LINES: usize = 5_000;
    let mut bench = Bench::new();
    bench.file().rotate_bytes = Some(100_000);
    bench.file().keep = 1_000;
    bench.config.overload = Overload::Block;
    bench.config.buffer_bytes = 64 * 1_024;
    let journal = bench.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for line in 0..LINES {
                    let filler = "x".repeat((line * 7 + thread) % 90);
                    assert!(put(journal, &format!("{{\"thread\":{thread},\"line\":{line},\"filler\":\"{filler}\"}}")));
                }
            });
        }
    });
    assert!(journal.close(PATIENCE));
    let mut next = [0_usize; 8];
    let mut files = bench.files();
    // The file in use comes last: its name sorts first.
    let current = files.remove("access.jsonl").unwrap();
    assert!(files.len() > 5 && files.values().all(|content| content.len() <= 100_000));
    for line in files.values().chain([&current]).flat_map(|content| content.lines()) {
        let value: Value = serde_json::from_str(line).unwrap();
        let thread = usize::try_from(value["thread"].as_u64().unwrap()).unwrap();
        assert_eq!(value["line"], next[thread], "lines of one thread stay in order");
        next[thread] += 1;
    }
    assert_eq!(next, [LINES; 8]);
    let status = journal.status();
    assert_eq!((status.lines, status.dropped, status.queued_bytes), (8 * LINES as u64, 0, 0));
}

/// A journal whose disk is full from the first byte: the path is a link to `/dev/full`.
fn full_disk(overload: Overload) -> (Bench, Journal) {
    let mut bench = Bench::new();
    let link = bench.folder.path().join("link.jsonl");
    symlink("/dev/full", &link).unwrap();
    bench.file().path = link;
    bench.config.overload = overload;
    bench.config.buffer_bytes = 1_000;
    let journal = bench.open();
    (bench, journal)
}

fn wait_for(journal: &Journal, state: impl Fn(&WriterStatus) -> bool) -> WriterStatus {
    let until = Instant::now() + PATIENCE;
    while !state(&journal.status()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = journal.status();
    assert!(state(&status), "{status:?}");
    status
}

#[test]
fn a_full_disk_drops_counts_reports_once_and_recovers() {
    let (bench, journal) = full_disk(Overload::Drop);
    let line = "x".repeat(99);
    let began = Instant::now();
    let taken = (0..50).filter(|_| put(&journal, &line)).count();
    assert!(began.elapsed() < Duration::from_millis(500), "traffic waited for a full disk");
    assert_eq!(taken, 10, "what the buffer holds");
    let status = wait_for(&journal, |status| status.write_errors >= 3);
    assert_eq!((status.lines, status.dropped, status.queued_bytes), (0, 40, 1_000));
    assert!(status.fault.unwrap().message.contains("cannot write"));
    assert_eq!(bench.reports.lock().len(), 1, "one report for many errors");
    // Space again: the link is turned to a real file.
    fs::remove_file(bench.path()).unwrap();
    assert!(journal.flush(PATIENCE));
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), format!("{line}\n").repeat(10));
    put_and_wait(&journal, "after");
    assert_eq!(wait_for(&journal, |status| status.fault.is_none()).lines, 11);
    assert!(bench.reports.lock().iter().any(|report| report.recovered));
}

#[test]
fn a_full_disk_blocks_where_so_configured_but_not_for_ever() {
    let (_bench, journal) = full_disk(Overload::Block);
    let line = "x".repeat(99);
    assert!((0..10).all(|_| put(&journal, &line)));
    let began = Instant::now();
    assert!(!put(&journal, &line));
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(journal.status().dropped, 1);
}

#[test]
fn whoever_blocks_goes_on_when_there_is_room() {
    let (bench, journal) = full_disk(Overload::Block);
    let line = "x".repeat(99);
    assert!((0..10).all(|_| put(&journal, &line)));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| put(&journal, &line));
        fs::remove_file(bench.path()).unwrap();
        journal.reopen();
        assert!(waiting.join().unwrap());
    });
    assert!(journal.flush(PATIENCE));
    assert_eq!(journal.status().dropped, 0);
}

#[test]
fn the_end_does_not_wait_for_a_full_disk() {
    let (_bench, journal) = full_disk(Overload::Drop);
    put(&journal, "lost");
    wait_for(&journal, |status| status.write_errors > 0);
    let began = Instant::now();
    assert!(journal.close(PATIENCE));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!((journal.status().lines, journal.status().dropped), (0, 1));
}

#[test]
fn a_line_longer_than_the_buffer_is_dropped_at_once() {
    let mut bench = Bench::new();
    bench.config.overload = Overload::Block;
    bench.config.buffer_bytes = 100;
    let journal = bench.open();
    let began = Instant::now();
    assert!(!put(&journal, &"x".repeat(100)));
    assert!(put(&journal, &"x".repeat(99)));
    assert!(began.elapsed() < Duration::from_millis(900));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_advice() {
    let mut bench = Bench::new();
    let in_the_way = bench.folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    bench.file().path = in_the_way.join("access.jsonl");
    let clock: Arc<dyn Clock> = bench.clock.clone();
    let error = Journal::open(&bench.config, clock, &Metrics::default(), Arc::new(|_| {})).err().unwrap().to_string();
    assert!(error.contains("file/access.jsonl") && error.contains("check that the folder exists"), "{error}");
}

#[test]
fn a_path_that_is_no_plain_file_is_never_rotated() {
    let mut bench = Bench::new();
    let (target, link) = (bench.folder.path().join("target"), bench.folder.path().join("link"));
    fs::write(&target, "").unwrap();
    symlink(&target, &link).unwrap();
    *bench.file() = FileConfig { path: link.clone(), rotate_bytes: Some(5), ..bench.file().clone() };
    let journal = bench.open();
    put_and_wait(&journal, "one");
    put_and_wait(&journal, "two");
    assert_eq!(fs::read_to_string(&target).unwrap(), "one\ntwo\n");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

const CHILD: &str = "RAMPART_TEST_JOURNAL_CHILD";
const CHILD_LINES: usize = 3_000;

/// The other process of the test below; on its own it has nothing to do.
#[test]
fn child_writes_to_standard_output() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut bench = Bench::new();
    bench.config = JournalConfig { destination: Destination::Stdout, overload: Overload::Block, ..bench.config };
    let journals = [bench.open(), bench.open()];
    std::thread::scope(|scope| {
        for journal in &journals {
            let filler = "x".repeat(200);
            scope.spawn(move || {
                for n in 0..CHILD_LINES {
                    assert!(put(journal, &format!("{{\"n\":{n},\"filler\":\"{filler}\"}}")));
                }
            });
        }
    });
    assert!(journals.iter().all(|journal| journal.close(PATIENCE)));
}

#[test]
fn journals_that_share_a_pipe_tear_no_line_of_each_other() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::child_writes_to_standard_output", "--nocapture", "--quiet"])
        .env(CHILD, "")
        .output()
        .unwrap();
    assert!(child.status.success());
    let said = String::from_utf8(child.stdout).unwrap();
    // The test runner says something before and after.
    let lines = said.lines().filter(|line| line.contains('{'));
    let numbers = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["n"].as_u64().unwrap());
    assert_eq!(numbers.sum::<u64>(), (CHILD_LINES * (CHILD_LINES - 1)) as u64, "both wrote every line");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the sizes: every line ends up whole, in order, in exactly one file, and files keep their size.
    #[test]
    fn rotation_loses_and_tears_nothing(
        limit in 1_u64..60,
        lines in prop::collection::vec(0_usize..40, 1..40),
        flush_every in 1_usize..10,
    ) {
        let mut bench = Bench::new();
        bench.file().rotate_bytes = Some(limit);
        let journal = bench.open();
        let lines: Vec<String> = lines.iter().enumerate().map(|(n, length)| format!("{n}{}", "x".repeat(*length))).collect();
        for (n, line) in lines.iter().enumerate() {
            put(&journal, line);
            if n % flush_every == 0 {
                prop_assert!(journal.flush(PATIENCE));
            }
        }
        prop_assert!(journal.close(PATIENCE));
        let mut files = bench.files();
        let current = files.remove("access.jsonl").unwrap();
        let contents: Vec<String> = files.into_values().chain([current]).collect();
        let fits = |content: &String| content.len() as u64 <= limit || content.lines().count() == 1;
        prop_assert!(contents.iter().all(fits), "{contents:?}");
        let all: String = contents.concat();
        prop_assert_eq!(all.lines().collect::<Vec<_>>(), lines);
    }
}
