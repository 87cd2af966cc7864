//! `[ban.NAME]`: as it is written, and as it is used.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use rampart_settings::{Duration, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::micros::micros;

/// Offences that a ban can wait for at most: each is remembered with its time.
pub const MAX_AFTER: u32 = 1_000;

/// The factor of a repeat at most.
const MAX_ESCALATION: u32 = 100;

/// Networks in an allow list at most.
const MAX_ALLOWED: usize = 1_024;

/// No ban is shorter: Redis and the clients are told whole seconds.
const SHORTEST: Duration = Duration::secs(1);

/// Offences are remembered for no longer.
const LONGEST_PER: Duration = Duration::days(1);

/// No ban is longer; who should never come back belongs in a firewall.
const LONGEST_BAN: Duration = Duration::days(365);

/// The name of what an admin bans by hand; no table of the rules can have it.
pub(crate) const BY_HAND: &str = "admin";

/// What bans a client address for a time: refused requests, one after the other. Holds on every route of the gateway,
/// and on every gateway that shares the Redis. An IPv6 client is its /64 network.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBan {
    /// Offences that make a ban, 1 to 1,000.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1_000))]
    pub after: u32,

    /// Within how long they have to come, at most a day.
    #[serde(default = "a_minute")]
    pub per: Duration,

    /// How long the first ban lasts.
    #[serde(rename = "for", default = "ten_minutes")]
    pub hold: Duration,

    /// How many times as long each further ban lasts, 1 to 100. A ban is forgotten `up_to` after its end.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 100))]
    pub escalate: u32,

    /// How long a ban lasts at most.
    #[serde(default = "a_day")]
    pub up_to: Duration,

    /// The codes of refusals that count as an offence. The first word of several codes stands for all of them:
    /// `identity` is `identity_missing`, `identity_invalid` and so on. Default: `payload_blocked` and
    /// `identity_invalid`; what a quota refuses, `rate_limited`, and credentials that may have been genuine,
    /// `identity_expired`, count only where they are listed.
    #[serde(default = "blocked_and_forged")]
    pub counts: Vec<String>,

    /// Addresses and networks that are never banned.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// A ban of the rules, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Its name in the rules.
    pub name: Arc<str>,
    /// Offences that make a ban: 1 to [`MAX_AFTER`].
    pub after: u32,
    /// Within how many microseconds they come.
    pub per_us: u64,
    /// Microseconds that the first ban lasts.
    pub hold_us: u64,
    /// The factor of each repeat, from 1.
    pub escalate: u32,
    /// Microseconds that a ban lasts at most, and that it is remembered after its end.
    pub up_to_us: u64,
    /// The codes that count, each once.
    pub counts: Vec<Box<str>>,
    /// Who is never banned, in canonical form.
    pub allow: Vec<IpNet>,
}

fn ten() -> u32 {
    10
}

fn two() -> u32 {
    2
}

fn a_minute() -> Duration {
    Duration::minutes(1)
}

fn ten_minutes() -> Duration {
    Duration::minutes(10)
}

fn a_day() -> Duration {
    Duration::days(1)
}

fn blocked_and_forged() -> Vec<String> {
    ["payload_blocked", "identity_invalid"].map(str::to_owned).into()
}

impl Default for RawBan {
    fn default() -> Self {
        Self {
            after: ten(),
            per: a_minute(),
            hold: ten_minutes(),
            escalate: two(),
            up_to: a_day(),
            counts: blocked_and_forged(),
            allow: Vec::new(),
        }
    }
}

impl Ban {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. `codes` are the codes of
    /// refusals that a client can be blamed for.
    pub fn compile(name: &str, raw: &RawBan, codes: &[&str], place: &Place<'_>) -> Option<Self> {
        if name == BY_HAND {
            place.error_at_key(format!("\"{BY_HAND}\" is the name of bans made by hand"), Some("rename it".to_owned()));
            return None;
        }
        let per_us = span(raw.per, LONGEST_PER, &place.key("per"));
        let hold_us = span(raw.hold, LONGEST_BAN, &place.key("for"));
        let up_to_us = span(raw.up_to, LONGEST_BAN, &place.key("up_to"));
        if raw.up_to < raw.hold {
            place.key("up_to").error_help(
                format!("shorter than the first ban, which lasts {}", raw.hold),
                format!("write up_to = \"{}\" for bans that do not grow", raw.hold),
            );
        }
        if raw.escalate == 1 && place.key("up_to").exists() && raw.up_to > raw.hold {
            place.key("up_to").warn("without effect on the length: with escalate = 1 bans do not grow", "remove it");
        }
        let counts = compile_counts(&raw.counts, codes, &place.key("counts"));
        let allow = compile_allow(&raw.allow, &place.key("allow"));
        let after = raw.after.clamp(1, MAX_AFTER);
        let escalate = raw.escalate.clamp(1, MAX_ESCALATION);
        Some(Self { name: name.into(), after, per_us, hold_us, escalate, up_to_us, counts, allow })
    }

    /// Whether `address` is never banned.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(&address))
    }

    /// Whether a refusal with this code counts.
    pub fn counts(&self, code: &str) -> bool {
        self.counts.iter().any(|counted| **counted == *code)
    }

    /// How long the ban number `level` (from 1) lasts, in microseconds.
    pub fn length_us(&self, level: u32) -> u64 {
        let factor = u64::from(self.escalate).checked_pow(level.saturating_sub(1)).unwrap_or(u64::MAX);
        self.hold_us.saturating_mul(factor).min(self.up_to_us)
    }
}

/// The microseconds of a duration within bounds.
fn span(given: Duration, longest: Duration, place: &Place<'_>) -> u64 {
    if !(SHORTEST..=longest).contains(&given) {
        place.error(format!("\"{given}\" is not between {SHORTEST} and {longest}"));
    }
    micros(given.get().clamp(SHORTEST.get(), longest.get()))
}

fn compile_counts(raw: &[String], codes: &[&str], place: &Place<'_>) -> Vec<Box<str>> {
    if raw.is_empty() {
        place.error_help("nothing counts as an offence", "counts = [\"payload_blocked\"]");
    }
    let mut counts: Vec<Box<str>> = Vec::new();
    for (index, given) in raw.iter().enumerate() {
        let of_family = |code: &&str| code.strip_prefix(given.as_str()).is_some_and(|rest| rest.starts_with('_'));
        let named: Vec<&str> = codes.iter().copied().filter(|code| code == given || of_family(code)).collect();
        if named.is_empty() {
            place.index(index).unknown_name("code", given, codes.iter().copied());
        }
        for code in named {
            if !counts.iter().any(|known| **known == *code) {
                counts.push(code.into());
            }
        }
    }
    counts
}

fn compile_allow(raw: &[String], place: &Place<'_>) -> Vec<IpNet> {
    if raw.len() > MAX_ALLOWED {
        place.error(format!("{} networks; at most {MAX_ALLOWED} can be allowed", raw.len()));
    }
    let mut allow = Vec::with_capacity(raw.len().min(MAX_ALLOWED));
    for (index, given) in raw.iter().take(MAX_ALLOWED).enumerate() {
        let place = place.index(index);
        match parse_network(given) {
            Some(network) if network.trunc() == network => allow.push(canonical(network)),
            Some(network) => place.error_help(
                format!("\"{given}\" has bits set behind its prefix"),
                format!("did you mean \"{}\"?", network.trunc()),
            ),
            None => place.error(format!("\"{given}\" is neither an IP address nor a network such as \"10.0.0.0/8\"")),
        }
        if allow.last().is_some_and(|network| network.prefix_len() == 0) {
            place.warn("allows every address of its family: nobody there is ever banned", "list your own networks");
        }
    }
    allow
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>()).ok()
}

/// A block of IPv4-mapped addresses (RFC 4291 section 2.5.5.2) becomes the IPv4 block that it stands for.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let (Some(v4), Some(prefix)) = (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) else {
        return network;
    };
    Ipv4Net::new(v4, prefix).map_or(network, IpNet::V4)
}
