//! curl, as the real client that people use.

use std::process::Command;

/// What one call of curl said.
#[derive(Debug)]
pub struct Curled {
    /// The final status; 0 when there was none.
    pub status: u16,
    /// The HTTP version of the answer: "1.1", "2".
    pub version: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether curl itself was content.
    pub exit: i32,
}

/// Runs curl with these arguments (the URL among them).
pub async fn curl(arguments: &[&str]) -> Curled {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"])
            .args(["--write-out", "\n%{http_code} %{http_version}"])
            .args(&arguments)
            .output()
            .expect("curl is installed (make test does that)")
    })
    .await
    .unwrap();
    let cut = output.stdout.iter().rposition(|byte| *byte == b'\n').expect("curl writes its last line");
    let last = String::from_utf8_lossy(&output.stdout[cut + 1..]).into_owned();
    let (status, version) = last.split_once(' ').expect("status and version");
    Curled {
        status: status.parse().unwrap(),
        version: version.to_owned(),
        body: output.stdout[..cut].to_vec(),
        exit: output.status.code().unwrap_or(-1),
    }
}
