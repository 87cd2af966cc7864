//! A master, its replicas, and the Sentinels that watch them.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::server::{Options, Redis, free_port};
use super::until;
use super::wire::{Wire, text};

const NAME: &str = "mymaster";
/// Sentinels: three, so that two agree when one is wrong.
const SENTINELS: usize = 3;
/// After how long a silent master is held to be down, in milliseconds.
const DOWN_AFTER_MS: u32 = 500;

/// The servers; all killed when dropped.
pub struct Sentinel {
    servers: Vec<Redis>,
    sentinels: Vec<Watcher>,
}

struct Watcher {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

// === impl Sentinel ===

impl Sentinel {
    /// Starts a master, `replicas` replicas (at least one) and three Sentinels, and waits until all know each other.
    pub fn start(replicas: usize) -> Self {
        let master = Redis::start();
        let (host, port) = (master.address().ip().to_string(), master.address().port().to_string());
        let mut servers = vec![master];
        for _ in 0..replicas.max(1) {
            let words = ["--replicaof".to_owned(), format!("{host} {port}"), "--repl-diskless-sync-delay".to_owned()];
            let arguments = words.into_iter().chain(["0".to_owned()]).collect();
            servers.push(Redis::start_with(&Options { arguments, ..Options::default() }));
        }
        let count = servers.len() - 1;
        until("the replicas are in step", || {
            text(&servers[0].command(&["INFO", "replication"])).matches("state=online").count() == count
        });
        let sentinels = (0..SENTINELS).map(|_| Watcher::start(servers[0].address())).collect();
        let group = Self { servers, sentinels };
        until("the Sentinels know everyone", || {
            let words = ["SENTINEL", "MASTER", NAME];
            group.sentinels.iter().all(|sentinel| {
                let Ok(answer) = Wire::open(sentinel.address).unwrap().command(&words) else { return false };
                let words: Vec<String> = answer.list().iter().map(text).collect();
                let field = |name: &str| words.iter().position(|word| word == name).map(|at| words[at + 1].clone());
                field("num-slaves") == Some(count.to_string())
                    && field("num-other-sentinels") == Some((SENTINELS - 1).to_string())
            })
        });
        group
    }

    /// The lines of `[redis]` that reach it, but for the secrets.
    pub fn settings(&self) -> String {
        let urls: Vec<String> = self.sentinels.iter().map(|it| format!("\"redis://{}\"", it.address)).collect();
        format!("urls = [{}]\nsentinel = {{ name = {NAME:?} }}\n", urls.join(", "))
    }

    /// Where the master is, as the Sentinels say.
    pub fn master_address(&self) -> SocketAddr {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        let answer = Wire::open(self.sentinels[0].address).unwrap().command(&words).unwrap();
        let parts: Vec<String> = answer.list().iter().map(text).collect();
        format!("{}:{}", parts[0], parts[1]).parse().unwrap()
    }

    /// The server that is master now.
    pub fn master(&mut self) -> &mut Redis {
        let address = self.master_address();
        self.servers.iter_mut().find(|server| server.address() == address).expect("one of ours")
    }

    /// Has the Sentinels make a replica the master, as for an upgrade, and waits until they did.
    pub fn fail_over(&mut self) {
        let before = self.master_address();
        let mut wire = Wire::open(self.sentinels[0].address).unwrap();
        until("a replica can take over", || wire.command(&["SENTINEL", "FAILOVER", NAME]).is_ok());
        until("another server is master", || self.master_address() != before);
    }

    /// Kills the master, and waits until a replica took over.
    pub fn kill_master(&mut self) {
        let before = self.master_address();
        self.master().kill();
        until("another server is master", || self.master_address() != before);
    }

    /// Freezes the master, and waits until a replica took over.
    pub fn freeze_master(&mut self) {
        let before = self.master_address();
        self.master().freeze();
        until("another server is master", || self.master_address() != before);
    }

    /// Lets the server at `address` go on.
    pub fn thaw(&mut self, address: SocketAddr) {
        self.servers.iter().find(|server| server.address() == address).expect("one of ours").thaw();
    }
}

impl Watcher {
    fn start(master: SocketAddr) -> Self {
        let folder = TempDir::with_prefix("rampart-sentinel-").unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let file = folder.path().join("sentinel.conf");
        let lines = format!(
            "bind 127.0.0.1\nport {}\nsentinel monitor {NAME} {} {} 2\nsentinel down-after-milliseconds {NAME} \
             {DOWN_AFTER_MS}\nsentinel failover-timeout {NAME} 3000\nsentinel parallel-syncs {NAME} 2\n",
            address.port(),
            master.ip(),
            master.port()
        );
        std::fs::write(&file, lines).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").current_dir(folder.path()).stdin(Stdio::null()).stdout(log);
        let child = command.stderr(Stdio::null()).spawn().expect("redis-server can be started");
        let watcher = Self { address, child, _folder: folder };
        until("a Sentinel answers", || Wire::open(address).is_ok_and(|mut wire| wire.command(&["PING"]).is_ok()));
        watcher
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
