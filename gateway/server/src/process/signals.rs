//! The signals that end the process. (HUP and USR1 do not: `control` has them.)
//!
//! | signal | meaning |
//! |---|---|
//! | TERM | stop: no new connections, requests in flight are finished within the grace period |
//! | INT | stop now |
//! | QUIT | a new process waits at the upgrade socket: give it the listening sockets, then stop as by TERM |
//! | USR2 | start the new process (the binary as it is on disk now, same arguments), then do as by QUIT |
//!
//! QUIT without a process that waits is refused: Pingora would stop all the same, and there would be no gateway. A new
//! process that does not come up (its configuration is bad) leaves this one serving.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::lifecycle::{Lifecycle, Stage};
use super::notify;

/// How long a new process may take to wait at the upgrade socket. It compiles its rules before.
const SUCCESSOR_DEADLINE: Duration = Duration::from_secs(30);
/// ... when QUIT says that it is there already.
const PRESENT_DEADLINE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What Pingora waits for on its main thread.
pub(crate) struct EndSignals {
    /// Where a new process waits for the listening sockets; without it QUIT and USR2 are refused.
    pub(crate) upgrade_socket: Option<PathBuf>,
    /// Told when the process begins to stop.
    pub(crate) lifecycle: Lifecycle,
}

/// The streams of the signals above.
struct Streams {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    user2: Signal,
}

impl Streams {
    fn open() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }
}

#[async_trait]
impl ShutdownSignalWatch for EndSignals {
    async fn recv(&self) -> ShutdownSignal {
        let mut streams = match Streams::open() {
            Ok(streams) => streams,
            Err(error) => {
                log::error!(target: "rampart", "cannot receive signals: {error}; only KILL ends this process");
                return std::future::pending().await;
            }
        };
        loop {
            let handed_over = tokio::select! {
                _ = streams.terminate.recv() => return self.stop(ShutdownSignal::GracefulTerminate),
                _ = streams.interrupt.recv() => return self.stop(ShutdownSignal::FastShutdown),
                _ = streams.quit.recv() => self.upgrade(false).await,
                _ = streams.user2.recv() => self.upgrade(true).await,
            };
            if handed_over {
                log::info!(target: "rampart", "handing the listening sockets over to the new process");
                return ShutdownSignal::GracefulUpgrade;
            }
        }
    }
}

impl EndSignals {
    fn stop(&self, how: ShutdownSignal) -> ShutdownSignal {
        notify::stopping();
        log::info!(target: "rampart", "stopping ({how:?})");
        self.lifecycle.reach(Stage::Draining);
        how
    }

    /// Whether a new process is there to take the sockets; `start` says to start it first.
    async fn upgrade(&self, start: bool) -> bool {
        let Some(socket) = &self.upgrade_socket else {
            log::error!(target: "rampart", "upgrade: set [process] upgrade_socket in the configuration and restart");
            return false;
        };
        if start { start_successor(socket).await } else { waits(socket, None, PRESENT_DEADLINE).await }
    }
}

async fn start_successor(socket: &Path) -> bool {
    // A socket left by a process that died would look like one that waits.
    let _ = std::fs::remove_file(socket);
    let (program, arguments) = match successor_command() {
        Ok(command) => command,
        Err(error) => {
            log::error!(target: "rampart", "upgrade: the binary on disk cannot be found: {error}");
            return false;
        }
    };
    match Command::new(&program).args(arguments).spawn() {
        Ok(mut child) => {
            log::info!(target: "rampart", "upgrade: started process {} ({})", child.id(), program.display());
            waits(socket, Some(&mut child), SUCCESSOR_DEADLINE).await
        }
        Err(error) => {
            log::error!(target: "rampart", "upgrade: cannot start {}: {error}", program.display());
            false
        }
    }
}

/// Whether a process waits at the upgrade socket, looking for at most `deadline`.
async fn waits(socket: &Path, mut child: Option<&mut Child>, deadline: Duration) -> bool {
    let looks = deadline.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if listens(socket) {
            return true;
        }
        if let Some(Ok(Some(status))) = child.as_mut().map(|child| child.try_wait()) {
            log::error!(target: "rampart", "upgrade: the new process ended ({status}); this one keeps serving");
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    log::error!(
        target: "rampart",
        "upgrade: no process waits at {}; this one keeps serving. Start the new one first: rampart run --upgrade",
        socket.display()
    );
    if let Some(child) = child {
        let _ = child.kill();
    }
    false
}

/// Whether somebody listens at the Unix socket. Seen in the kernel's table: to connect would take the place of the
/// hand-over itself. Where there is no such table, that the file exists must do.
fn listens(path: &Path) -> bool {
    let Ok(table) = std::fs::read_to_string("/proc/self/net/unix") else { return path.exists() };
    let Ok(path) = std::path::absolute(path) else { return false };
    table.lines().any(|line| is_listening(line, &path))
}

/// A line of the table: `Num RefCount Protocol Flags Type St Inode Path`; flag 0x10000 (`__SO_ACCEPTCON`) means it listens.
/// The path is as it was bound, so a relative one is compared by its end.
fn is_listening(line: &str, path: &Path) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let flags = fields.nth(3).and_then(|flags| u64::from_str_radix(flags, 16).ok()).unwrap_or(0);
    flags & 0x10000 != 0 && fields.nth(3).is_some_and(|bound| path.ends_with(bound.trim_start_matches("./")))
}

/// The program as it is on disk now, with the arguments of this one and `--upgrade`.
fn successor_command() -> std::io::Result<(PathBuf, Vec<OsString>)> {
    let running = std::env::current_exe()?;
    // A binary that was replaced is shown as "/usr/bin/rampart (deleted)".
    let program = match running.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(path) => PathBuf::from(path),
        None => running,
    };
    Ok((program, successor_arguments(std::env::args_os().skip(1))))
}

fn successor_arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = own.filter(|argument| argument != "--upgrade").collect();
    if !arguments.iter().any(|argument| argument == "run") {
        arguments.insert(0, "run".into());
    }
    arguments.push("--upgrade".into());
    arguments
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_successor_gets_the_same_arguments_and_upgrade_once() {
        let check = |own: &[&str], expect: &[&str]| {
            let arguments = successor_arguments(own.iter().map(OsString::from));
            assert_eq!(arguments, expect.iter().map(OsString::from).collect::<Vec<_>>(), "{own:?}");
        };
        check(&[], &["run", "--upgrade"]);
        check(&["--config", "a.toml"], &["run", "--config", "a.toml", "--upgrade"]);
        check(&["run", "--config", "a.toml", "--upgrade"], &["run", "--config", "a.toml", "--upgrade"]);
    }

    #[test]
    fn only_a_socket_that_is_listened_on_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("upgrade.sock");
        assert!(!listens(&path));
        let listener = UnixListener::bind(&path).unwrap();
        assert!(listens(&path));
        drop(listener);
        assert!(path.exists() && !listens(&path), "a stale socket file is not a process");
    }
}
