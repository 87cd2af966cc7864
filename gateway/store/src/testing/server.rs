//! One redis-server, in a folder of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wire::Wire;
use crate::value::Value;

/// What an ACL user needs, and nothing more: as the configuration's help says it.
const RIGHTS: [&str; 10] = [
    "~rampart:*",
    "+@read",
    "+@write",
    "+@scripting",
    "+@connection",
    "+time",
    "+info",
    "+role",
    "+cluster|slots",
    "+cluster|info",
];

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// An ACL user and its password; the default user is off then.
    pub user: Option<(String, String)>,
    /// TLS instead of plain TCP, with a certificate for 127.0.0.1 of an authority of its own.
    pub tls: bool,
    /// Further words of its command line, such as `--maxmemory`, `1mb`.
    pub arguments: Vec<String>,
}

/// A running redis-server; killed when dropped.
pub struct Redis {
    address: SocketAddr,
    options: Options,
    words: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

// === impl Redis ===

impl Redis {
    /// Starts one with nothing special.
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// Starts one.
    pub fn start_with(options: &Options) -> Self {
        for _ in 0..8 {
            let mut server = Self::new(options.clone());
            if server.spawn() {
                return server;
            }
        }
        panic!("redis-server did not start at any of eight ports");
    }

    /// As given in the command line, before any start.
    fn new(options: Options) -> Self {
        let folder = TempDir::with_prefix("rampart-redis-").unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut words: Vec<String> =
            ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"].map(str::to_owned).into();
        let port = address.port().to_string();
        if options.tls {
            let path = |name: &str| folder.path().join(name).display().to_string();
            certify(&folder);
            words.extend(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"].map(str::to_owned));
            words.extend(["--tls-cert-file".to_owned(), path("server.pem"), "--tls-key-file".to_owned()]);
            words.extend([path("server.key"), "--tls-ca-cert-file".to_owned(), path("ca.pem")]);
        } else {
            words.extend(["--port".to_owned(), port]);
        }
        if let Some((user, password)) = &options.user {
            words.extend(["--user".to_owned(), user.clone(), "on".to_owned(), format!(">{password}")]);
            words.extend(RIGHTS.map(str::to_owned));
            words.extend(["--user", "default", "off"].map(str::to_owned));
        }
        words.extend(options.arguments.clone());
        Self { address, options, words, folder, child: None }
    }

    /// Starts the process; false if it ended at once.
    fn spawn(&mut self) -> bool {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new("redis-server");
        command
            .args(&self.words)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("redis-server can be started; install the package redis-server");
        let begun = Instant::now();
        while begun.elapsed() < super::PATIENCE {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.answers() {
                self.child = Some(child);
                return true;
            }
            sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("redis-server did not answer within {:?}: {}", super::PATIENCE, self.log());
    }

    fn answers(&self) -> bool {
        if self.options.tls {
            return std::net::TcpStream::connect(self.address).is_ok();
        }
        let refused = |error: &str| error.starts_with("NOAUTH") || error.starts_with("LOADING");
        Wire::open(self.address).is_ok_and(|mut wire| match wire.command(&["PING"]) {
            Ok(_) => true,
            Err(error) => refused(&error),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, as `[redis] url` takes it.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address)
    }

    /// The authority that signed its certificate, in PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The lines of `[redis]` that reach it, but for the secrets.
    pub fn settings(&self) -> String {
        let ca_file = self.ca_file().display().to_string();
        let tls = if self.options.tls { format!("tls = {{ ca_file = {ca_file:?} }}\n") } else { String::new() };
        let user = self.options.user.as_ref().map(|(user, _)| format!("username = {user:?}\n")).unwrap_or_default();
        format!("url = {:?}\n{user}{tls}", self.url())
    }

    /// A connection without TLS, signed in.
    pub fn wire(&self) -> Wire {
        let mut wire = Wire::open(self.address).unwrap();
        if let Some((user, password)) = &self.options.user {
            wire.command(&["AUTH", user, password]).unwrap();
        }
        wire
    }

    /// One command, which has to succeed.
    pub fn command(&self, words: &[&str]) -> Value {
        self.wire().command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it where it stands (SIGSTOP): connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it, if it runs, and starts it at the same port, with nothing in it.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn(), "redis-server did not start again at {}: {}", self.address, self.log());
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that nobody listened at a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// `ca.pem`, and `server.pem` with `server.key` that it signed.
fn certify(folder: &TempDir) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let server = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let files = [("ca.pem", certificate.pem()), ("server.pem", server.pem()), ("server.key", key.serialize_pem())];
    for (name, pem) in files {
        std::fs::write(folder.path().join(name), pem).unwrap();
    }
}
