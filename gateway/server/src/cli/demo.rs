//! `rampart demo`: the gateway with the project's own configuration in front of the demo backend, and lines to try.
//!
//! It needs nothing on disk: where the current directory has no config.toml and rules/, those in the binary are used. Each line says what it will show; an integration test runs them all.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::run::LogArguments;
use super::{Outcome, term};
use crate::demo;
use crate::load::Sources;
use crate::serve::{Addresses, Order, serve};

/// Where the admin token is looked for by the project's config.toml.
const TOKEN_VARIABLE: &str = "RAMPART_ADMIN_TOKEN";
const TOKEN_BYTES: usize = 24;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart demo\n  rampart demo --listen 127.0.0.1:8000 --admin 127.0.0.1:8001\n\n\
                        Ctrl-C ends it.")]
pub(super) struct DemoArguments {
    /// Address of the gateway [default: that of config.toml, 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of the admin and probe endpoints [default: that of config.toml, 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Address of the demo backend; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    backend: SocketAddr,
    /// Only the backend, no gateway
    #[arg(long)]
    backend_only: bool,
    /// With --backend-only: the backend that conformance cases expect, which answers what POST /reflect asks for
    #[arg(long, requires = "backend_only")]
    reflect: bool,
    #[command(flatten)]
    log: LogArguments,
}

/// Runs backend and gateway until a signal ends them.
pub(super) fn demo(arguments: &DemoArguments) -> anyhow::Result<Outcome> {
    arguments.log.start();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).thread_name("backend").enable_all().build();
    let runtime = runtime.context("cannot start the backend's runtime")?;
    let kind = if arguments.reflect { demo::Kind::Reflecting } else { demo::Kind::Agents };
    let backend = runtime.block_on(demo::start(arguments.backend, kind));
    let backend = backend.with_context(|| format!("the demo backend cannot listen on {}", arguments.backend))?;
    if arguments.backend_only {
        term::say(&format!("demo backend on http://{backend} (Ctrl-C ends it)"))?;
        runtime.block_on(ended())?;
        return Ok(Outcome::Good);
    }
    let (sources, token) = sources(arguments, backend)?;
    let origin = match sources.file() {
        Some(file) => format!("{} and its rules", file.display()),
        None => "config.toml and rules/ of this binary".to_owned(),
    };
    let announce = move |addresses: &Addresses| {
        // Standard output may be closed: the demo runs on all the same.
        let _ = term::say(&welcome(addresses, backend, &origin, &token));
    };
    let served = serve(Order { sources, takes_over: false, announce: Box::new(announce) });
    runtime.shutdown_background();
    served.context("the demo cannot start; other addresses: rampart demo --listen ADDRESS --admin ADDRESS")
}

/// TERM or INT.
async fn ended() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The configuration with the demo's addresses, and the admin token.
fn sources(arguments: &DemoArguments, backend: SocketAddr) -> anyhow::Result<(Sources, String)> {
    let file = Path::new("config.toml");
    let mut sources = if file.exists() && Path::new("rules").is_dir() {
        Sources::of_files(file)
    } else {
        let state = state_directory()?;
        let below = |name: &str| state.join(name).display().to_string();
        Sources::embedded()
            .with("RAMPART__LOG__ACCESS__PATH", below("access.log"))
            .with("RAMPART__LOG__EVENTS__PATH", below("events.log"))
            .with("RAMPART__LOG__ADMIN__PATH", below("admin.log"))
            .with("RAMPART__STORAGE__PATH", below("rampart.db"))
            .with("RAMPART__PROCESS__UPGRADE_SOCKET", below("upgrade.sock"))
    };
    sources = sources.with("RAMPART__UPSTREAM__AGENTS__ADDRESSES", format!("[\"http://{backend}\"]"));
    if let Some(listen) = arguments.listen {
        sources = sources.with("RAMPART__LISTENER__MAIN__ADDRESS", listen.to_string());
    }
    if let Some(admin) = arguments.admin {
        let admin = admin.to_string();
        sources = sources.with("RAMPART__ADMIN__ADDRESS", admin.clone()).with("RAMPART__PROBE__ADDRESS", admin);
    }
    let token = match sources.variable(TOKEN_VARIABLE) {
        Some(token) => token.to_owned(),
        None => random_token()?,
    };
    Ok((sources.with(TOKEN_VARIABLE, token.clone()), token))
}

/// A directory of this run for logs and store, for this user only.
fn state_directory() -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("rampart-demo-{}", std::process::id()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    let mut source = fs::File::open("/dev/urandom").context("no randomness for the admin token")?;
    source.read_exact(&mut bytes).context("no randomness for the admin token")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// One line to paste, and what it shows.
struct Line {
    shows: &'static str,
    command: String,
}

/// The lines for a gateway at `gateway` with its admin endpoints at `admin`.
fn lines(gateway: &str, admin: &str, token: &str) -> Vec<Line> {
    let line = |shows, command| Line { shows, command };
    let json = "-H 'Content-Type: application/json'";
    vec![
        line("A good request passes: 200, the backend's agents", format!("curl -si {gateway}/api/v1/agents")),
        line(
            "So does a new task: 201",
            format!("curl -si {gateway}/api/v1/tasks {json} -d '{{\"title\": \"Select the union speakers\"}}'"),
        ),
        line(
            "SQL injection in JSON: 400, \"Potential SQL injection detected in root.title\"",
            format!("curl -si {gateway}/api/v1/tasks {json} -d \"{{\\\"title\\\": \\\"'; DROP TABLE users; --\\\"}}\""),
        ),
        line(
            "Path traversal: 400, \"Potential path traversal detected in path\"",
            format!("curl -si --path-as-is {gateway}/api/v1/agents/../../../../etc/passwd"),
        ),
        line(
            "JSON that is nested too deep: 400, code content_limit",
            format!("curl -si {gateway}/api/v1/tasks {json} -d '[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]'"),
        ),
        line(
            "A body over 10 MiB: 413, before a byte of it is read",
            format!(
                "head -c 11000000 /dev/zero | curl -si {gateway}/api/v1/tasks {json} -H 'Expect:' --data-binary @-"
            ),
        ),
        line(
            "A chat completion, streamed word by word",
            format!(
                "curl -sN {gateway}/v1/chat/completions {json} -d '{{\"model\": \"demo\", \"stream\": true, \
                 \"messages\": [{{\"role\": \"user\", \"content\": \"Say hello\"}}]}}'"
            ),
        ),
        line(
            "Guessing a password: five times 401, then 429; after a minute again",
            format!(
                "for n in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{{http_code}}\\n' {gateway}/auth/login {json} \
                 -d '{{\"username\": \"demo\", \"password\": \"guess\"}}'; done"
            ),
        ),
        line("Server-sent events, as they happen", format!("curl -sN '{gateway}/events?count=3&interval_ms=300'")),
        line(
            "What was blocked, from the store",
            format!("curl -s {admin}/admin/events?limit=3 -H 'Authorization: Bearer {token}'"),
        ),
        line("Metrics", format!("curl -s {admin}/metrics | grep '^rampart_requests_total'")),
    ]
}

fn welcome(addresses: &Addresses, backend: SocketAddr, origin: &str, token: &str) -> String {
    let url = |address: Option<SocketAddr>| address.map_or_else(String::new, |a| format!("http://{}", reachable(a)));
    let gateway = url(addresses.listeners.first().map(|listener| listener.address));
    let admin = url(addresses.admin().or(addresses.probe()));
    let mut text = format!(
        "\nRampart is running, by {origin}.\n\n  gateway           {gateway}\n  admin and probes  {admin}\n  \
         admin token       {token}\n  demo backend      http://{backend}\n\nLines to paste:\n"
    );
    for Line { shows, command } in lines(&gateway, &admin, token) {
        let _ = write!(text, "\n# {shows}\n{command}\n");
    }
    text.push_str("\nCtrl-C ends it.");
    text
}

/// An address that a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => [127, 0, 0, 1].into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (random_token().unwrap(), random_token().unwrap());
        assert_eq!(one.len(), TOKEN_BYTES * 2);
        assert_ne!(one, other);
    }

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        for (address, expect) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("192.0.2.1:80", "192.0.2.1:80")]
        {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), expect);
        }
    }
}
