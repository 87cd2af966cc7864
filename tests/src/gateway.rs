//! `Gateway`: the real binary, running in a folder of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::certificate::Authority;
use crate::http1::{Connection, Response};
use crate::http2::Connection2;
use crate::process::{binary, signal};
use crate::setup::{ADMIN_TOKEN, Addresses, Setup, TLS_NAME};
use crate::shape;
use crate::wait::{DEADLINE, eventually_some};

/// How much of each log is shown when a test fails.
const TAIL_BYTES: usize = 4_000;

/// A running gateway; stopped when dropped. When the test has failed by then its logs are printed.
pub struct Gateway {
    /// Where it listens.
    pub addresses: Addresses,
    /// Signed the TLS listener's certificate.
    pub authority: Authority,
    folder: TempDir,
    child: Child,
    /// A process that was started to take over from `child`.
    successor: Option<Child>,
}

/// Why a gateway did not come up.
#[derive(Debug)]
pub struct StartFailure {
    /// What happened.
    pub what: String,
    /// Its standard error.
    pub stderr: String,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gateway did not start: {}\n{}", self.what, self.stderr)
    }
}

impl StartFailure {
    pub(crate) fn address_in_use(&self) -> bool {
        let stderr = self.stderr.to_ascii_lowercase();
        stderr.contains("in use") || stderr.contains("os error 98") || stderr.contains("another process listens")
    }
}

impl Gateway {
    pub(crate) async fn start(setup: Setup) -> Result<Self, StartFailure> {
        let folder = TempDir::with_prefix("rampart-test-").unwrap();
        let authority = Authority::new();
        let addresses = Setup::addresses();
        setup.write(folder.path(), &addresses, &authority);
        let child = spawn(folder.path(), &setup, &[], "");
        let mut gateway = Self { addresses, authority, folder, child, successor: None };
        gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    async fn wait_until_ready(&mut self) -> Result<(), StartFailure> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(self.failure(format!("it ended with {status}")));
            }
            if ready(self.addresses).await {
                // Somebody else's listener would have answered the same.
                let failure = self.failure("an address was taken".into());
                return if failure.address_in_use() { Err(failure) } else { Ok(()) };
            }
            if started.elapsed() > DEADLINE {
                return Err(self.failure(format!("it was not ready after {DEADLINE:?}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn failure(&self, what: String) -> StartFailure {
        StartFailure { what, stderr: self.read("stderr") }
    }

    /// Its folder: config.toml, rules/, logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of its folder as text; empty when it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read(self.path(name))
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes a file of its folder by a rename, as editors and deployment tools do.
    pub fn replace(&self, name: &str, text: &str) {
        let path = self.path(name);
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
    }

    /// Writes rules/routes.toml (without its `version`) by a rename.
    pub fn replace_routes(&self, toml: &str) {
        self.replace("rules/routes.toml", &format!("version = 1\n\n{toml}"));
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// A plain connection.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.addresses.plain).await
    }

    /// A TLS connection that offers HTTP/1.1 only.
    pub async fn connect_tls(&self) -> Connection {
        Connection::open_tls(self.addresses.tls, TLS_NAME, self.authority.client(&["http/1.1"])).await.unwrap()
    }

    /// An HTTP/2 connection.
    pub async fn connect2(&self) -> Connection2 {
        Connection2::open(self.addresses.tls, TLS_NAME, self.authority.client(&["h2"])).await
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: &[u8]) -> Response {
        self.connect().await.ask(request).await
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, target: &str) -> Response {
        self.ask(&shape::get(target)).await
    }

    /// One GET to the admin listener, without a token.
    pub async fn probe(&self, target: &str) -> Response {
        Connection::open(self.addresses.admin).await.ask(&shape::get(target)).await
    }

    /// One request to the admin listener with the token.
    pub async fn admin(&self, method: &str, target: &str) -> Response {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let request = shape::head(method, target, &[("Authorization", &authorization), ("Content-Length", "0")]);
        Connection::open(self.addresses.admin).await.ask(&request).await
    }

    /// One request to the admin listener with the token and a JSON body.
    pub async fn order(&self, method: &str, target: &str, body: &Value) -> Response {
        let (authorization, body) = (format!("Bearer {ADMIN_TOKEN}"), body.to_string());
        let length = body.len().to_string();
        let fields =
            [("Authorization", &*authorization), ("Content-Type", "application/json"), ("Content-Length", &*length)];
        let request = [shape::head(method, target, &fields), body.into_bytes()].concat();
        Connection::open(self.addresses.admin).await.ask(&request).await
    }

    /// The admin actions that are kept, newest first.
    pub async fn actions(&self) -> Vec<Value> {
        let page = self.admin("GET", "/admin/actions?limit=1000").await;
        assert_eq!(page.status, 200, "{}", page.text());
        page.json()["items"].as_array().expect("a page of actions").clone()
    }

    /// The last admin action of this kind on this target, once it is kept.
    pub async fn action(&self, action: &str, target: &str) -> Value {
        let what = format!("{action} of {target} is recorded");
        eventually_some(&what, async || {
            self.actions().await.into_iter().find(|entry| entry["action"] == action && entry["target"] == target)
        })
        .await
    }

    /// The value of one counter or gauge, in whole numbers; `line` is the name with its labels as exposed. 0 when it is
    /// not there.
    pub async fn metric(&self, line: &str) -> u64 {
        let text = self.probe("/metrics").await.text();
        text.lines().find_map(|have| whole(have.strip_prefix(line)?.strip_prefix(' ')?)).unwrap_or(0)
    }

    /// The sum of a metric over all of its labels.
    pub async fn metric_sum(&self, name: &str) -> u64 {
        let text = self.probe("/metrics").await.text();
        text.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter_map(|line| whole(line.rsplit(' ').next()?))
            .sum()
    }

    /// The digest of the snapshot that serves at this moment.
    pub async fn digest(&self) -> String {
        let snapshot = self.admin("GET", "/admin/snapshot").await;
        assert_eq!(snapshot.status, 200, "{}", snapshot.text());
        snapshot.json()["digest"].as_str().expect("the snapshot has a digest").to_owned()
    }

    /// The security event that names this request, once it is in the event log.
    pub async fn event(&self, request_id: &str) -> Value {
        self.line("events.log", |line| line["request_id"] == request_id).await
    }

    /// The access log entry that names this request, once it is there.
    pub async fn access(&self, request_id: &str) -> Value {
        self.line("access.log", |line| line["request_id"] == request_id).await
    }

    /// The first line of a JSON-lines file that `matches`, once it is there.
    pub async fn line(&self, file: &str, matches: impl Fn(&Value) -> bool) -> Value {
        eventually_some(&format!("a line in {file}"), async || self.lines(file).into_iter().find(|line| matches(line)))
            .await
    }

    /// Every whole line of a JSON-lines file.
    pub fn lines(&self, file: &str) -> Vec<Value> {
        let text = self.read(file);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line:?}")))
            .collect()
    }

    /// Ends it with a signal and waits.
    pub async fn end(&mut self, by: Signal, deadline: Duration) -> ExitStatus {
        self.signal(by);
        self.wait(deadline).await
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < deadline, "the gateway still runs after {deadline:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether its process still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Starts a second process on the same folder that takes the listening sockets over (`run --upgrade`). It becomes
    /// the process this handle stands for once [`Gateway::succeed`] is called.
    pub fn start_successor(&mut self, setup: &Setup) {
        assert!(self.successor.is_none());
        self.successor = Some(spawn(self.folder.path(), setup, &["--upgrade"], "successor-"));
    }

    /// Waits for the old process to end, then stands for the new one.
    pub async fn succeed(&mut self, deadline: Duration) -> ExitStatus {
        let status = self.wait(deadline).await;
        self.child = self.successor.take().expect("a successor was started");
        status
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for child in [Some(&mut self.child), self.successor.as_mut()].into_iter().flatten() {
            stop(child);
        }
        if std::thread::panicking() {
            for log in ["config.toml", "stderr", "stdout", "successor-stderr", "events.log"] {
                let text = self.read(log);
                if !text.is_empty() {
                    let tail =
                        text.get(text.floor_char_boundary(text.len().saturating_sub(TAIL_BYTES))..).unwrap_or_default();
                    eprintln!("--- {log} of the gateway ---\n{tail}");
                }
            }
        }
    }
}

/// The digits before the point of a metric's value.
fn whole(value: &str) -> Option<u64> {
    value.split(['.', ' ']).next()?.parse().ok()
}

/// INT is the fast stop; whoever does not heed it within two seconds is killed.
fn stop(child: &mut Child) {
    if child.try_wait().is_ok_and(|status| status.is_none()) {
        signal(child.id(), Signal::INT);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2) {
            if child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(folder: &Path, setup: &Setup, more: &[&str], prefix: &str) -> Child {
    let log = |name: &str| Stdio::from(std::fs::File::create(folder.join(format!("{prefix}{name}"))).unwrap());
    Command::new(binary())
        .arg("run")
        .args(["--config", "config.toml"])
        .args(&setup.arguments)
        .args(more)
        .current_dir(folder)
        .envs(setup.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log("stdout"))
        .stderr(log("stderr"))
        .spawn()
        .expect("start the gateway")
}

async fn ready(addresses: Addresses) -> bool {
    let Ok(wire) = tokio::net::TcpStream::connect(addresses.admin).await else { return false };
    let mut connection = Connection::over(wire);
    if connection.try_send(&shape::get("/ready")).await.is_err() {
        return false;
    }
    let ready = connection.try_response().await.is_ok_and(|response| response.status == 200);
    ready && tokio::net::TcpStream::connect(addresses.plain).await.is_ok()
}
