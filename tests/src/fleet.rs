//! Several gateways that act as one: on one Redis, each in a folder of its own.

use serde_json::Value;

use crate::gateway::Gateway;
use crate::redis::CLUSTER_KEY;
use crate::setup::Setup;
use crate::wait::eventually_some;

/// Rules under which every content passes: what is tested is not inspection.
const NO_INSPECTION: &str = "version = 1\n[profile.default]\nmode = \"off\"\n";

impl Setup {
    /// Lets the gateway share over the Redis that these lines of `[redis]` reach.
    pub fn redis(self, settings: &str) -> Self {
        let table = format!("[redis]\n{settings}cluster_key = \"secret://env/RAMPART_CLUSTER_KEY\"\n");
        self.config(&table).env("RAMPART_CLUSTER_KEY", CLUSTER_KEY)
    }

    /// Leaves the shipped rules out, and inspects nothing: such a gateway is up in an instant.
    pub fn without_inspection(self) -> Self {
        self.without_shipped_rules().file("rules/profile.toml", NO_INSPECTION)
    }

    /// Starts `count` gateways of this setup at the same time, and waits until they are connected to Redis and have
    /// counted each other.
    pub async fn start_fleet(self, count: usize) -> Vec<Gateway> {
        let starting: Vec<_> = (0..count).map(|_| tokio::spawn(self.clone().start())).collect();
        let mut fleet = Vec::with_capacity(count);
        for gateway in starting {
            fleet.push(gateway.await.expect("a gateway of the fleet starts"));
        }
        for gateway in &fleet {
            eventually_some("the gateways have counted each other", async || {
                let redis = gateway.redis().await;
                (redis["status"] == "up" && redis["gateways"] == count).then_some(())
            })
            .await;
        }
        fleet
    }
}

impl Gateway {
    /// What `/ready` says of Redis.
    pub async fn redis(&self) -> Value {
        self.probe("/ready").await.json()["dependencies"]["redis"].clone()
    }

    /// Waits until `/ready` says that Redis is `status`.
    pub async fn redis_becomes(&self, status: &str) {
        let what = format!("Redis is {status}");
        eventually_some(&what, async || (self.redis().await["status"] == status).then_some(())).await;
    }

    /// Decisions about a quota: `outcome` and `source` as in the metric's labels.
    pub async fn decisions(&self, quota: &str, outcome: &str, source: &str) -> u64 {
        let text = self.probe("/metrics").await.text();
        let of = |name: &str, value: &str| format!("{name}=\"{value}\"");
        let labels = [of("quota", quota), of("outcome", outcome), of("source", source)];
        text.lines()
            .filter(|line| line.starts_with("rampart_quota_decisions_total{"))
            .filter(|line| labels.iter().all(|label| line.contains(label.as_str())))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}
