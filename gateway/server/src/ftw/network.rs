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
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
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
        let data = match found.get("data").and_then(Value::as_str) {
            Some(data) => data.to_owned(),
            None => format!("Matched Data: {value} found within {}: {value}", text("target"), value = text("value")),
        };
        record.lines.push(line(text("rule"), text("message"), data.as_bytes(), text("severity")));
    }
}
