//! Runs the real binary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Long enough for a slow machine under load; what passes takes far less.
const DEADLINE: Duration = Duration::from_mins(1);

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rampart"));
    // Only what the test says: no override and no token of whoever runs it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RAMPART") {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).args(arguments);
    command
}

/// Runs the binary to its end: exit status, standard output, standard error.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (ExitStatus, String, String) {
    let output = command(directory, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status, text(output.stdout), text(output.stderr))
}

/// What a shell answers to a line, both its outputs.
pub(crate) fn shell(line: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running binary; it is ended when dropped.
pub(crate) struct Running {
    child: Child,
    output: Arc<(Mutex<String>, Condvar)>,
}

impl Running {
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(directory, arguments, &[])
    }

    pub(crate) fn start_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(directory, arguments);
        command.envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (shared, stdout) = (Arc::clone(&output), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut text = shared.0.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                shared.1.notify_all();
            }
        });
        Self { child, output }
    }

    /// Standard output once it holds `text`.
    pub(crate) fn wait_for_output(&self, text: &str) -> String {
        let (output, changed) = &*self.output;
        let held = output.lock().unwrap();
        let (held, timeout) = changed.wait_timeout_while(held, DEADLINE, |held| !held.contains(text)).unwrap();
        assert!(!timeout.timed_out(), "no {text:?} in:\n{held}");
        held.clone()
    }

    /// Ends it with TERM and waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        shell(&format!("kill -TERM {}", self.child.id()));
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end within {DEADLINE:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
