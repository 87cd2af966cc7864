//! Real servers for tests: redis-server alone, behind Sentinel, and as a Cluster, each with what can befall it.
//!
//! They listen on 127.0.0.1 at ports that the system chose, keep nothing on disk but a folder of their own, and end
//! when they are dropped, also by a test that panics. A panic in here is a failed test and nothing else.
//!
//! Only with the feature `testing`. The end-to-end tests use the same starters.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a broken expectation must stop the test where it broke"
)]
#![expect(clippy::missing_panics_doc, reason = "every function here panics when the expectation breaks")]

mod cluster;
mod sentinel;
mod server;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rampart_secrets::{Secret, SecretRef};
use rampart_settings::{Document, Place, Report, Source, read};

use crate::config::RedisConfig;
use crate::raw::RawRedis;

pub use cluster::Cluster;
pub use sentinel::Sentinel;
pub use server::{Options, Redis};
pub use wire::Wire;

/// How long a server may take to come up, fail over or agree. Generous: test machines are shared.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster key for tests. It protects nothing.
pub const CLUSTER_KEY: &str = "q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe";

/// Another one: `cluster_key = "secret://env/OTHER_CLUSTER_KEY"`.
pub const OTHER_CLUSTER_KEY: &str = "w3Nk8Fq5Zs1Vb6Mt0Rx9Cj4Hy7Lp2DgQ";

/// Waits until `is_so`, or fails with `what`.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the lines of `[redis]` in `settings` mean; the cluster key is [`CLUSTER_KEY`] where they name none, and `secret://env/REDIS_PASSWORD`
/// is `password`.
pub fn config(settings: &str, password: &str) -> RedisConfig {
    let own = if settings.contains("cluster_key =") { "" } else { "cluster_key = \"secret://env/CLUSTER_KEY\"\n" };
    let text = format!("{settings}{own}");
    let report = Report::new();
    let document = Document::parse(Source::new("settings", &text), &report).expect("settings are TOML");
    let raw = read::<RawRedis>(&document, &report);
    let secret = |reference: &SecretRef, _: &Place<'_>| {
        let text = match reference.rest() {
            "CLUSTER_KEY" => CLUSTER_KEY,
            "OTHER_CLUSTER_KEY" => OTHER_CLUSTER_KEY,
            _ => password,
        };
        Some(Arc::new(Secret::from(text.to_owned())))
    };
    let config = raw.and_then(|raw| RedisConfig::compile(&raw, &secret, &document.root(&report)));
    drop(document);
    let found = report.into_sorted();
    assert!(found.is_empty(), "{found:?}");
    config.expect("nothing was reported")
}
