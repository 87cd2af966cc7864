//! A gateway on the network as the target: bytes over TCP, and its event log to know what it matched.
//!
//! Every answer of the gateway bears `X-Request-Id`, and every event names its request by it, so nothing needs to be added to
//! the requests of a case. Events are written after the answer; they are read once no more of them come.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::observed::{Observed, Record, line};
use super::run::Target;
use super::suite::Stage;
use super::wire;

const CONNECT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last byte of the answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The largest answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// No event for so long means that all are there.
const QUIET: Duration = Duration::from_millis(700);
/// Events are waited for so long at most.
const EVENTS: Duration = Duration::from_mins(1);

/// A gateway on the network.
#[derive(Debug)]
pub(crate) struct Network {
    address: SocketAddr,
    events: Option<Events>,
}

/// Its event log, from where it ended when the run began.
#[derive(Debug)]
struct Events {
    file: PathBuf,
    from: u64,
}

impl Network {
    /// The gateway at `http://HOST:PORT`, and its event log where that is at hand.
    pub(crate) fn at(url: &str, events: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else { bail!("{url:?} is not http://HOST:PORT") };
        let authority = rest.trim_end_matches('/');
        ensure!(!authority.contains(['/', '?', '@']), "{url:?} is more than http://HOST:PORT");
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let full = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let mut addresses = full.to_socket_addrs().with_context(|| format!("{full} is no address"))?;
        let address = addresses.next().with_context(|| format!("{full} has no address"))?;
        drop(TcpStream::connect_timeout(&address, CONNECT).with_context(|| format!("nothing listens at {address}"))?);
        Ok(Self { address, events: events.map(Events::of).transpose()? })
    }

    fn ask(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let started = Instant::now();
        let mut wire = TcpStream::connect_timeout(&self.address, CONNECT)?;
        wire.set_nodelay(true)?;
        wire.set_write_timeout(Some(ANSWER))?;
        // A gateway that refuses early may close before all is sent; its answer is there all the same.
        let sent = wire.write_all(bytes);
        let mut read = Vec::new();
        let mut room = vec![0; 64 * 1024];
        let to_head = bytes.starts_with(b"HEAD ");
        loop {
            let left = ANSWER.saturating_sub(started.elapsed());
            if left.is_zero() || read.len() > ANSWER_BYTES_MAX {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wire.set_read_timeout(Some(left))?;
            match wire.read(&mut room) {
                Ok(0) => break,
                Ok(count) => read.extend_from_slice(room.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if read.is_empty() => return Err(sent.err().unwrap_or(error)),
                Err(_) => break,
            }
            if wire::is_whole(&read, to_head) {
                break;
            }
        }
        Ok(read)
    }
}

impl Target for Network {
    fn send(&self, bytes: &[u8], stage: &Stage) -> Observed {
        if stage.reflection().is_some() {
            let error = "a described response needs a backend in this process: run without --against".to_owned();
            return Observed { error: Some(error), ..Observed::default() };
        }
        let started = Instant::now();
        let read = self.ask(bytes);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (answer, error) = match read {
            Err(error) => (None, Some(format!("no answer: {error}"))),
            Ok(read) => match wire::answer(&read, bytes.starts_with(b"HEAD ")) {
                Some(answer) => (Some(answer), None),
                None if read.is_empty() => (None, Some("the connection was closed without an answer".to_owned())),
                None => (None, Some("the answer is no HTTP/1".to_owned())),
            },
        };
        Observed { answer, error, record: None, micros }
    }

    fn complete(&self, observed: &mut [&mut Observed]) -> anyhow::Result<()> {
        let Some(events) = &self.events else { return Ok(()) };
        let records = events.records()?;
        for seen in observed.iter_mut() {
            let Some(answer) = &seen.answer else { continue };
            let id = answer.field("x-request-id");
            // An answer without an id was given before any rule could run; a request without an event matched none.
            seen.record = Some(id.and_then(|id| records.get(id)).cloned().unwrap_or_default());
        }
        Ok(())
    }
}

impl Events {
    fn of(file: PathBuf) -> anyhow::Result<Self> {
        let from = match fs::metadata(&file) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { file, from })
    }

    /// What was logged since the run began, by request id, once no more comes.
    fn records(&self) -> anyhow::Result<HashMap<String, Record>> {
        let text = self.settled()?;
        let mut records: HashMap<String, Record> = HashMap::new();
        for text in text.lines().filter(|line| !line.is_empty()) {
            let event: Value =
                serde_json::from_str(text).with_context(|| format!("{}: not an event: {text}", self.file.display()))?;
            if let Some(id) = event.get("request_id").and_then(Value::as_str) {
                read_event(&event, records.entry(id.to_owned()).or_default());
            }
        }
        Ok(records)
    }

    fn settled(&self) -> anyhow::Result<String> {
        let started = Instant::now();
        let (mut length, mut since) = (0, Instant::now());
        while since.elapsed() < QUIET && started.elapsed() < EVENTS {
            std::thread::sleep(Duration::from_millis(50));
            let now = fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
            if now != length {
                (length, since) = (now, Instant::now());
            }
        }
        if length < self.from {
            bail!("{} became shorter during the run: switch its rotation off", self.file.display());
        }
        let mut text = Vec::new();
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.file)?;
            file.seek(SeekFrom::Start(self.from))?;
            file.read_to_end(&mut text)?;
            Ok(text)
        };
        match read() {
            // Only whole lines: one that is being written is of nobody's case.
            Ok(mut bytes) => {
                bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
                String::from_utf8(bytes).with_context(|| format!("{} is no UTF-8", self.file.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} is not there: name the file of the gateway's [log.events]", self.file.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.file.display())),
        }
    }
}

/// Adds what an event says: `rules` names every rule that matched, `matches` describes some of them.
fn read_event(event: &Value, record: &mut Record) {
    let list = |member: &str| event.get(member).and_then(Value::as_array).into_iter().flatten();
    for id in list("rules").filter_map(Value::as_str) {
        record.add(id);
    }
    for found in list("matches") {
        let text = |member: &str| found.get(member).and_then(Value::as_str).unwrap_or_default();
        record.add(text("rule"));
        let data = format!("Matched Data: {value} found within {}: {value}", text("target"), value = text("value"));
        record.lines.push(line(text("rule"), text("message"), data.as_bytes(), text("severity")));
        record.is_abridged = true;
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;

    use super::super::{Case, Ending, read, run};
    use super::*;

    /// A gateway that is written down: answers each connection's request, and logs an event where `events` says so.
    fn gateway(events: &std::path::Path, count: usize) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let file = fs::OpenOptions::new().create(true).append(true).open(events).unwrap();
        let serving = std::thread::spawn(move || {
            for number in 0..count {
                let (wire, _) = listener.accept().unwrap();
                answer(wire, &file, number);
            }
        });
        (url, serving)
    }

    fn answer(mut wire: TcpStream, mut events: &File, number: usize) {
        let mut lines = io::BufReader::new(wire.try_clone().unwrap()).lines();
        // The look whether anybody listens sends nothing.
        let Some(Ok(first)) = lines.next() else { return };
        let id = format!("id-{number}");
        if first.contains("attack") {
            let event = format!(
                "{{\"request_id\": \"{id}\", \"rules\": [\"942100\", \"949110\"], \"matches\": [{{\"rule\": \"942100\", \
                 \"message\": \"SQLi\", \"severity\": \"critical\", \"target\": \"query.id\", \"value\": \"1'\"}}]}}\n"
            );
            events.write_all(event.as_bytes()).unwrap();
        }
        let status = if first.contains("attack") { "403 Forbidden" } else { "200 OK" };
        match first.split(' ').nth(1).unwrap() {
            "/bare" => wire.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap(),
            "/gone" => drop(wire),
            "/chunked" => {
                let head = format!("HTTP/1.1 {status}\r\nX-Request-Id: {id}\r\nTransfer-Encoding: chunked\r\n\r\n");
                wire.write_all(head.as_bytes()).unwrap();
                wire.write_all(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
            }
            _ => {
                let answer = format!("HTTP/1.1 {status}\r\nX-Request-Id: {id}\r\nContent-Length: 2\r\n\r\nok");
                wire.write_all(answer.as_bytes()).unwrap();
            }
        }
    }

    fn case(yaml: &str) -> Vec<Case> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("case.yaml");
        fs::write(&file, yaml).unwrap();
        read(&file).unwrap()
    }

    #[test]
    fn answers_and_events_are_brought_together() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("events.log");
        // What an earlier run left is not of this one.
        fs::write(&log, "{\"request_id\": \"id-2\", \"rules\": [\"1\"]}\n").unwrap();
        let (url, serving) = gateway(&log, 6);
        let network = Network::at(&url, Some(log)).unwrap();
        let cases = case(
            "rule_id: 942100\ntests:\n  \
             - stages: [{input: {uri: '/?attack'}, output: {status: 403, log: {expect_ids: [942100, 949110]}}}]\n  \
             - stages: [{input: {uri: /}, output: {status: 200, log: {no_expect_ids: [1]}}}]\n  \
             - stages: [{input: {uri: /chunked}, output: {response_contains: abc, log: {expect_ids: [942100]}}}]\n  \
             - stages: [{input: {uri: /bare}, output: {status: 400, log: {no_expect_ids: [942100]}}}]\n  \
             - stages: [{input: {uri: /gone}, output: {expect_error: true}}]\n",
        );
        let outcomes = run(&network, &cases, 1).unwrap();
        let endings: Vec<_> = outcomes.iter().map(|outcome| outcome.ending.clone()).collect();
        let missing = Ending::Fail("no match of 942100".to_owned());
        assert_eq!(endings, [Ending::Pass, Ending::Pass, missing, Ending::Pass, Ending::Pass]);
        assert_eq!(outcomes[0].got, "status 403; ids 942100 949110");
        assert_eq!(outcomes[2].got, "status 200");
        serving.join().unwrap();
    }

    #[test]
    fn without_the_event_log_nothing_is_said_of_rules() {
        let (url, serving) = gateway(&tempfile::NamedTempFile::new().unwrap().into_temp_path(), 3);
        let network = Network::at(&url, None).unwrap();
        let cases = case(
            "rule_id: 1\ntests:\n  - stages: [{input: {uri: '/?attack'}, output: {status: 403}}]\n  \
             - stages: [{input: {uri: /}, output: {log: {no_expect_ids: [1]}}}]\n",
        );
        let endings: Vec<_> = run(&network, &cases, 1).unwrap().into_iter().map(|outcome| outcome.ending).collect();
        assert_eq!(endings, [Ending::Pass, Ending::Fail("what was logged is not known".to_owned())]);
        serving.join().unwrap();
    }

    #[test]
    fn an_address_that_cannot_be_is_told() {
        for (url, part) in [
            ("https://127.0.0.1:1", "not http://"),
            ("127.0.0.1:1", "not http://"),
            ("http://127.0.0.1:1/path", "more than"),
            ("http://127.0.0.1:1", "nothing listens"),
        ] {
            let error = Network::at(url, None).expect_err(url).to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
