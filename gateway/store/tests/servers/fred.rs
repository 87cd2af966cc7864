//! What this crate relies on in the client, pinned: an update that changes it has to show here.

use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::Value;
use fred::types::config::{Config, Options, PerformanceConfig, ServerConfig};
use rampart_store::testing::Redis as Server;
use tokio::time::timeout;

async fn client(server: &Server, default_command_timeout: Duration) -> Client {
    let address = server.address();
    let config =
        Config { server: ServerConfig::new_centralized(address.ip().to_string(), address.port()), ..Config::default() };
    let performance = PerformanceConfig { default_command_timeout, ..PerformanceConfig::default() };
    let client = Client::new(config, Some(performance), None, None);
    client.init().await.unwrap();
    client
}

async fn outcome(call: impl Future<Output = Result<Value, Error>>) -> (Option<ErrorKind>, Duration) {
    let begun = Instant::now();
    let kind = match timeout(Duration::from_secs(1), call).await {
        Ok(answer) => Some(answer.unwrap_err().kind().clone()),
        Err(_) => None,
    };
    (kind, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_deadline_holds_for_scripts() {
    let server = Server::start();
    let client = client(&server, Duration::from_millis(50)).await;
    server.freeze();
    let (kind, took) = outcome(client.eval("return 1", vec!["key"], vec!["argument"])).await;
    assert_eq!(kind, Some(ErrorKind::Timeout));
    assert!((50..400).contains(&took.as_millis()), "{took:?}");
}

/// The reason why the deadline is set for all commands, and once more around them.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_for_one_script_alone_is_ignored() {
    let server = Server::start();
    let client = client(&server, Duration::ZERO).await;
    server.freeze();
    let options = Options { timeout: Some(Duration::from_millis(50)), ..Options::default() };
    // It has no `eval` of its own, and gives the client's, which knows nothing of the options.
    let hurried = client.with_options(&options);
    let (kind, took) = outcome(hurried.eval("return 1", vec!["key"], vec!["argument"])).await;
    assert_eq!(kind, None, "it ended after {took:?}: fred keeps to it now");
}
