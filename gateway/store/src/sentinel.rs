//! Which server is the master, as the Sentinels say, asked once a second.
//!
//! A master that hands over stays writable for about ten seconds, until the Sentinels demote it and end its connections
//! (`SENTINEL_PUBLISH_PERIOD * 4` in sentinel.c). A gateway that is still connected to it would count where no other
//! gateway does. fred asks the Sentinels only when it connects, so here is who notices: two answers in a row that name
//! another server than the connected one, and the connections are opened anew.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig};
use fred::types::{ClusterHash, CustomCommand};
use tokio::time::{interval, timeout};

use crate::config::Servers;
use crate::inner::Inner;
use crate::pool;
use crate::tls::TlsError;

const INTERVAL: Duration = Duration::from_secs(1);
/// For one Sentinel to answer: it is asked beside the requests, not for one.
const PATIENCE: Duration = Duration::from_millis(500);
/// Answers in a row: one alone may be that of a Sentinel which does not know yet.
const SURE: u32 = 2;

/// A client of each Sentinel, none of them connected yet; none where there are no Sentinels.
pub(crate) fn build(inner: &Inner) -> Result<Vec<Client>, TlsError> {
    let Servers::Sentinel { hosts, username, password, .. } = &inner.config.servers else { return Ok(Vec::new()) };
    let tls = inner.config.tls.as_ref().map(crate::tls::connector).transpose()?;
    let client = |host| {
        let config = Config {
            fail_fast: false,
            username: username.clone(),
            password: password.as_deref().and_then(|secret| secret.expose_str()).map(str::to_owned),
            server: ServerConfig::Centralized { server: pool::server(host) },
            tls: tls.clone().map(Into::into),
            ..Config::default()
        };
        let performance = PerformanceConfig { default_command_timeout: PATIENCE, ..PerformanceConfig::default() };
        let connection = ConnectionConfig {
            connection_timeout: inner.config.connect_deadline,
            internal_command_timeout: inner.config.connect_deadline,
            max_command_attempts: 1,
            max_command_buffer_len: 8,
            ..ConnectionConfig::default()
        };
        let policy = ReconnectPolicy::new_exponential(0, 100, 5_000, 2);
        Client::new(config, Some(performance), Some(connection), Some(policy))
    };
    Ok(hosts.iter().map(client).collect())
}

/// Watches for ever. Returns at once where there are no Sentinels.
pub(crate) async fn watch(inner: &Inner, sentinels: &[Client]) {
    let Servers::Sentinel { name, .. } = &inner.config.servers else { return };
    let mut ticks = interval(INTERVAL);
    let mut elsewhere = 0;
    loop {
        ticks.tick().await;
        let Some(master) = ask(sentinels, name).await else { continue };
        let stale = |client: &Client| {
            client.is_connected()
                && client
                    .active_connections()
                    .iter()
                    .any(|server| (&*server.host, server.port) != (&*master.host, master.port))
        };
        let stale = || inner.connections().iter().filter(|connection| stale(&connection.client));
        elsewhere = if stale().next().is_some() { elsewhere + 1 } else { 0 };
        if elsewhere >= SURE {
            elsewhere = 0;
            log::warn!("redis: the master is {}:{} now; connecting to it", master.host, master.port);
            for connection in stale() {
                // It waits until there is a connection; what uses the old one meanwhile ends with an error at once.
                let _ = timeout(inner.config.connect_deadline, connection.client.force_reconnection()).await;
            }
        }
    }
}

/// The first Sentinel that answers is believed.
async fn ask(sentinels: &[Client], name: &str) -> Option<Server> {
    for sentinel in sentinels.iter().filter(|sentinel| sentinel.is_connected()) {
        let command = CustomCommand::new_static("SENTINEL", ClusterHash::Random, false);
        let words = vec!["GET-MASTER-ADDR-BY-NAME", name];
        let answer = sentinel.custom::<(String, u16), _>(command, words);
        if let Ok(Ok((host, port))) = timeout(PATIENCE, answer).await {
            return Some(Server::new(host, port));
        }
    }
    None
}
