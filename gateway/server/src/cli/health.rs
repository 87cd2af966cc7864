//! `rampart health`: asks a running gateway (or any HTTP address) and answers with the exit code. For container health
//! checks, where there is no shell and no curl.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http::Uri;

use super::{Outcome, term};

/// Time for connecting, and again for each read of the answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// What is read of an answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rampart health\n  rampart health --url http://127.0.0.1:9090/health\n\n\
                        Exit code 0 when the answer is 2xx, 1 when it is anything else or nothing.")]
pub(super) struct HealthArguments {
    /// What to ask
    #[arg(long, value_name = "URL", env = "RAMPART_HEALTH_URL", default_value = "http://127.0.0.1:9090/ready")]
    url: Uri,
}

/// Asks and prints the answer's body.
pub(super) fn health(arguments: &HealthArguments) -> anyhow::Result<Outcome> {
    let (host, port, path) = parts(&arguments.url)?;
    match ask(host, port, path) {
        Ok((status, body)) => {
            term::say(body.trim_end())?;
            if (200..300).contains(&status) { Ok(Outcome::Good) } else { Ok(Outcome::Bad) }
        }
        Err(error) => {
            term::complain(&error);
            Ok(Outcome::Bad)
        }
    }
}

fn parts(url: &Uri) -> anyhow::Result<(&str, u16, &str)> {
    if url.scheme_str() != Some("http") {
        bail!("{url} is not an http:// address");
    }
    let host = url.host().with_context(|| format!("{url} names no host"))?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Ok((host, url.port_u16().unwrap_or(80), url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)))
}

/// One HTTP/1.0 exchange: the answer ends with the connection, and nothing else needs to be understood.
fn ask(host: &str, port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    let address = (host, port).to_socket_addrs()?.next().with_context(|| format!("{host} has no address"))?;
    let place = || format!("nobody answers at {address}");
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).with_context(place)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n").with_context(place)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).with_context(place)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").with_context(place)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(place)?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_a_port_and_a_path() {
        let check = |url: &str, expect: (&str, u16, &str)| {
            let url: Uri = url.parse().unwrap();
            assert_eq!(parts(&url).unwrap(), expect, "{url}");
        };
        check("http://127.0.0.1:9090/ready", ("127.0.0.1", 9090, "/ready"));
        check("http://gateway/", ("gateway", 80, "/"));
        check("http://[::1]:9090", ("::1", 9090, "/"));
        assert!(parts(&"https://gateway/".parse().unwrap()).is_err());
    }
}
