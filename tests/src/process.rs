//! What the kernel says about a running process, and signals to it.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// The workspace's root folder.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace").to_owned()
}

/// The binary under test: `RAMPART_BIN` where given, else the one that was built beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("RAMPART_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("the path of this test");
    let folder = own.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path = folder.join("rampart");
    assert!(
        path.exists(),
        "{} is not there: `cargo build --workspace --bins` first, or use `make test`",
        path.display()
    );
    path
}

/// A binary of this crate, built beside the test.
pub fn own_binary(name: &str) -> PathBuf {
    binary().with_file_name(name)
}

/// A process that does not outlive its test: dropped, it is killed.
pub struct Leashed(pub std::process::Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal; a process that is already gone is no failure.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).expect("a process id");
    let _ = kill_process(pid, signal);
}

/// Resident memory, in bytes; 0 when the process is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    status_line(pid, "VmRSS:") * 1024
}

/// The most that was ever resident, in bytes.
pub fn peak_resident_bytes(pid: u32) -> u64 {
    status_line(pid, "VmHWM:") * 1024
}

fn status_line(pid: u32, name: &str) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Open file descriptors.
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// User and system time spent so far.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command in parentheses may hold anything: fields are counted after the last one.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Raises this process's limit of open files to the most it may have, and says what that is. Children inherit it.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
