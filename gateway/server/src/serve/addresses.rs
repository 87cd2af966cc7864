//! The addresses that the process listens on, settled before anything listens.
//!
//! Pingora binds inside a task and panics when it cannot, so every address is bound here first, for a moment: what is in
//! use is an error that names the key to change. Port 0 becomes the free port that the system chose.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::bail;
use rampart_policy::{Config, Listener};

use crate::admin::{self, Face};

/// Where the process listens.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// For traffic, with the addresses as bound.
    pub(crate) listeners: Vec<Listener>,
    /// For admin and probe endpoints.
    pub(crate) faces: Vec<(SocketAddr, Face)>,
}

impl Addresses {
    /// The address of the admin endpoints.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        self.faces.iter().find(|(_, face)| *face != Face::Probe).map(|(address, _)| *address)
    }

    /// The address of the probe endpoints.
    pub(crate) fn probe(&self) -> Option<SocketAddr> {
        self.faces.iter().find(|(_, face)| *face != Face::Admin).map(|(address, _)| *address)
    }
}

/// Checks every address and fills in free ports, in `config` as well.
///
/// # Errors
/// Names every address that cannot be bound, and what to do. When sockets are taken over they are in use, rightly.
pub(super) fn settle(config: &mut Config, takes_over: bool) -> anyhow::Result<Addresses> {
    let mut errors = Vec::new();
    for listener in &mut config.listeners {
        if !takes_over {
            let key = format!("[listener.{}] address", listener.name);
            settle_one(&mut listener.address, &key, &mut errors);
        }
    }
    let mut faces = admin::faces(config.admin.as_ref().map(|admin| admin.address), config.probe);
    for (address, face) in &mut faces {
        if !takes_over {
            let key = if *face == Face::Probe { "[probe] address" } else { "[admin] address" };
            settle_one(address, key, &mut errors);
        }
    }
    if !errors.is_empty() {
        bail!("{}", errors.join("\n  and "));
    }
    Ok(Addresses { listeners: config.listeners.clone(), faces })
}

fn settle_one(address: &mut SocketAddr, key: &str, errors: &mut Vec<String>) {
    match TcpListener::bind(*address).and_then(|listener| listener.local_addr()) {
        Ok(bound) => *address = bound,
        Err(error) => errors.push(format!("cannot listen on {address} ({key}): {}", advice(&error))),
    }
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; stop it, choose another address, or take its sockets over with --upgrade"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE (the systemd unit in deploy/ grants it)"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address".to_owned(),
        _ => error.to_string(),
    }
}

/// What the start line says of the listeners: `127.0.0.1:8080 (main), 0.0.0.0:8443 (public, tls)`.
pub(super) fn shown(listeners: &[Listener]) -> String {
    let one = |listener: &Listener| {
        let name: &Arc<str> = &listener.name;
        let tls = if listener.tls.is_some() { ", tls" } else { "" };
        format!("{} ({name}{tls})", listener.address)
    };
    listeners.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_becomes_a_port_and_one_in_use_an_error_that_names_its_key() {
        let mut errors = Vec::new();
        let mut free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        settle_one(&mut free, "[probe] address", &mut errors);
        assert!(free.port() != 0 && errors.is_empty());

        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut taken = holder.local_addr().unwrap();
        settle_one(&mut taken, "[listener.main] address", &mut errors);
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert!(error.contains("[listener.main] address") && error.contains("another process"), "{error}");
    }
}
