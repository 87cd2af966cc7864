//! A Redis Cluster of three masters, whose slots can be moved while it works.

use std::time::Duration;

use super::server::{Options, Redis, free_port};
use super::until;
use super::wire::{Wire, text};
use crate::key::SLOTS;
use crate::value::Value;

const MASTERS: u16 = 3;

/// The masters; all killed when dropped.
pub struct Cluster {
    nodes: Vec<Redis>,
    /// The first slot that [`Cluster::reshard`] has not moved yet.
    next_slot: u16,
}

// === impl Cluster ===

impl Cluster {
    /// Starts three masters with a third of the slots each, and waits until they agree.
    pub fn start() -> Self {
        let nodes: Vec<Redis> = (0..MASTERS).map(|_| start_node()).collect();
        let share = SLOTS / MASTERS;
        for (node, first) in nodes.iter().zip((0..).step_by(usize::from(share))) {
            let last = if first + share * 2 > SLOTS { SLOTS - 1 } else { first + share - 1 };
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        for other in &nodes[1..] {
            let port = other.address().port().to_string();
            let bus = bus_port(other).to_string();
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let cluster = Self { nodes, next_slot: 0 };
        cluster.wait_until_good();
        cluster
    }

    fn wait_until_good(&self) {
        until("all nodes hold the cluster to be good", || {
            self.nodes.iter().all(|node| {
                let info = text(&node.command(&["CLUSTER", "INFO"]));
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        });
    }

    /// The lines of `[redis]` that reach it, but for the secrets.
    pub fn settings(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(|node| format!("{:?}", node.url())).collect();
        format!("urls = [{}]\nmode = \"cluster\"\n", urls.join(", "))
    }

    /// The masters.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Moves `count` further slots, those from 0 upwards, from the first master to the second, with what is in them, as
    /// `redis-cli --cluster reshard` does. Each slot stays on the move for `open`.
    pub fn reshard(&mut self, count: u16, open: Duration) {
        let mut wires: Vec<Wire> = self.nodes.iter().map(Redis::wire).collect();
        let ids: Vec<String> =
            wires.iter_mut().map(|wire| text(&wire.command(&["CLUSTER", "MYID"]).unwrap())).collect();
        let port = self.nodes[1].address().port().to_string();
        for slot in self.next_slot..self.next_slot + count {
            let slot = slot.to_string();
            wires[1].command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]).unwrap();
            wires[0].command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]).unwrap();
            std::thread::sleep(open);
            loop {
                let Value::List(keys) = wires[0].command(&["CLUSTER", "GETKEYSINSLOT", &slot, "64"]).unwrap() else {
                    panic!("no list of keys")
                };
                if keys.is_empty() {
                    break;
                }
                let keys: Vec<String> = keys.iter().map(text).collect();
                let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "REPLACE", "KEYS"];
                let words: Vec<&str> = words.into_iter().chain(keys.iter().map(String::as_str)).collect();
                wires[0].command(&words).unwrap();
            }
            for wire in [1, 0, 2] {
                wires[wire].command(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]).unwrap();
            }
        }
        self.next_slot += count;
    }
}

fn start_node() -> Redis {
    let words = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port"];
    let arguments = words.iter().map(|word| (*word).to_owned()).chain([free_port().to_string()]).collect();
    Redis::start_with(&Options { arguments, ..Options::default() })
}

fn bus_port(node: &Redis) -> u16 {
    let answer = node.command(&["CONFIG", "GET", "cluster-port"]);
    text(&answer.list()[1]).parse().unwrap()
}
