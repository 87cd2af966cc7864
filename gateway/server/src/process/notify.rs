//! Tells the service manager how the process is doing: systemd's `sd_notify` protocol, a datagram of `KEY=value` lines to
//! the socket named in `NOTIFY_SOCKET`. Without that variable nothing is sent. The protocol has been stable since systemd
//! 183; <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The gateway accepts requests. `MAINPID` lets a process started for an upgrade become the service's main one.
pub(crate) fn ready(status: &str) {
    send(&format!("READY=1\nMAINPID={}\nSTATUS={}", std::process::id(), one_line(status)));
}

/// The gateway stops: no new connections, the rest is finished.
pub(crate) fn stopping() {
    send("STOPPING=1\nSTATUS=finishing requests in flight");
}

/// A line for `systemctl status`.
pub(crate) fn status(status: &str) {
    send(&format!("STATUS={}", one_line(status)));
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn send(message: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address));
    if let Err(error) = sent {
        log::warn!(target: "rampart", "cannot notify the service manager at {}: {error}", path.display());
    }
}
