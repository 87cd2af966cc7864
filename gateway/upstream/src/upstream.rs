//! `[upstream.NAME]` as it is used: checked, with nothing left to be wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rampart_settings::{Duration as RawDuration, Place};

use crate::address::{Address, InvalidAddress, Scheme, is_dns_name};
use crate::breaker::BreakerRules;
use crate::ejection::EjectionRules;
use crate::hash::HashOn;
use crate::health::HealthCheck;
use crate::raw::{Balance, Protocol, RawAddress, RawDeadlines, RawTls, RawUpstream, RawWeightedAddress};
use crate::shedding::SheddingRules;

/// Configured addresses of an upstream at most.
pub const MAX_ADDRESSES: usize = 64;

/// The weight of an address at most.
pub const MAX_WEIGHT: u32 = 100;

/// Requests at the same time on one HTTP/2 connection at most.
const MAX_STREAMS: u32 = 1_000;

/// No deadline is longer: it would outlive the process.
const LONGEST_DEADLINE: RawDuration = RawDuration::hours(24);

/// A deadline of nothing would end every request.
const SHORTEST_DEADLINE: RawDuration = RawDuration::millis(1);

/// No endpoint takes longer to get its share.
const LONGEST_SLOW_START: RawDuration = RawDuration::hours(1);

/// How often names are resolved at most.
const SHORTEST_RESOLVE: RawDuration = RawDuration::secs(1);

/// A backend, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// Where it is: one or more, all different.
    pub addresses: Vec<WeightedAddress>,
    /// How requests are spread.
    pub balance: Balance,
    /// What consistent hashing hashes.
    pub hash_on: HashOn,
    /// The version of HTTP.
    pub protocol: Protocol,
    /// TLS to `https` addresses.
    pub tls: Tls,
    /// The `Host` that it sees.
    pub host_header: HostHeader,
    /// Deadlines of a request, unless its route has others.
    pub deadlines: Deadlines,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// Requests at the same time on one HTTP/2 connection.
    pub max_streams: u32,
    /// How often names are resolved.
    pub resolve_every: Duration,
    /// When an endpoint that fails is left alone; `None`: never.
    pub breaker: Option<BreakerRules>,
    /// What endpoints are asked; `None`: nothing.
    pub health: Option<Arc<HealthCheck>>,
    /// When endpoints are taken out because of their answers; `None`: never.
    pub ejection: Option<EjectionRules>,
    /// How much it is given at once; `None`: without limit.
    pub shedding: Option<SheddingRules>,
    /// How long an endpoint that joins or comes back takes to get its full share; may be nothing.
    pub slow_start: Duration,
}

/// An address and its share of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedAddress {
    /// The address.
    pub address: Arc<Address>,
    /// 1 to [`MAX_WEIGHT`].
    pub weight: u32,
}

/// TLS to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether the certificate has to be good.
    pub verify: bool,
    /// The name to ask for, if not the host of the address.
    pub sni: Option<Box<str>>,
    /// Certificate authorities to trust instead of the system's. Read by whoever connects.
    pub ca_file: Option<PathBuf>,
}

/// The `Host` that a backend sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Preserve,
    /// That of the address ([`Address::host_header`]).
    Upstream,
    /// This one.
    Literal(Box<str>),
}

/// Deadlines of a request to a backend; none is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Until a connection is open, TLS handshake included.
    pub connect: Duration,
    /// Between two pieces of a response.
    pub read: Duration,
    /// Until a piece of a request is taken.
    pub write: Duration,
    /// From the choice of an address to the end of the response; not for body mode `stream`.
    pub total: Duration,
}

impl Default for Tls {
    fn default() -> Self {
        Self { verify: true, sni: None, ca_file: None }
    }
}

impl Tls {
    /// The name to ask `address` for. Never empty.
    pub fn server_name<'a>(&'a self, address: &'a Address) -> &'a str {
        self.sni.as_deref().unwrap_or_else(|| address.server_name())
    }

    fn compile(raw: &RawTls, place: &Place<'_>) -> Self {
        if !raw.verify {
            place.key("verify").warn(
                "the backend's certificate is not verified: whoever is on the path can read and change what is sent",
                "name the authority that signed it: ca_file = \"/etc/rampart/backend-ca.pem\"",
            );
        }
        if !raw.verify && raw.ca_file.is_some() {
            place.key("ca_file").warn("without effect while verify = false", "remove one of the two");
        }
        // An IP address is no server name in TLS (RFC 6066 section 3); a root dot is not part of one.
        let sni = raw.sni.as_deref().and_then(|sni| {
            if is_dns_name(sni) && !sni.ends_with('.') {
                return Some(sni.to_ascii_lowercase().into());
            }
            place.key("sni").error(format!("\"{sni}\" is not a host name"));
            None
        });
        Self { verify: raw.verify, sni, ca_file: raw.ca_file.clone() }
    }
}

impl HostHeader {
    fn compile(text: &str, place: &Place<'_>) -> Self {
        match text {
            "preserve" => return Self::Preserve,
            "upstream" => return Self::Upstream,
            _ => {}
        }
        // The scheme is there only to make the port optional.
        let valid = !text.contains(['/', '\\']) && Address::parse(&format!("http://{text}"), Scheme::Http).is_ok();
        if !valid {
            place.error_help(
                format!("\"{text}\" is not a value of the Host header"),
                "write \"preserve\", \"upstream\" or a name such as \"api.example.com\"",
            );
        }
        Self::Literal(text.into())
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_mins(1),
            write: Duration::from_mins(1),
            total: Duration::from_mins(2),
        }
    }
}

impl Deadlines {
    /// These deadlines with those that `raw` sets in their place. `place` is where `raw` stands.
    #[must_use]
    pub fn overridden(self, raw: &RawDeadlines, place: &Place<'_>) -> Self {
        let set = |key: &str, given: Option<RawDuration>, otherwise: Duration| match given {
            Some(given) => bounded(given, SHORTEST_DEADLINE, LONGEST_DEADLINE, &place.key(key)),
            None => otherwise,
        };
        let deadlines = Self {
            connect: set("connect", raw.connect, self.connect),
            read: set("read", raw.read, self.read),
            write: set("write", raw.write, self.write),
            total: set("total", raw.total, self.total),
        };
        if deadlines.total < deadlines.connect {
            place.key("total").warn(
                "the total deadline passes before the connect deadline does",
                "a request that waits for its connection fails with the total deadline",
            );
        }
        deadlines
    }
}

impl Upstream {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. `None` where no address is
    /// left to use; otherwise a value that is used only if nothing was reported as an error.
    pub fn compile(name: &str, raw: &RawUpstream, place: &Place<'_>) -> Option<Self> {
        let addresses = compile_addresses(raw, &place.key("addresses"));
        if raw.tls.is_some() && !addresses.is_empty() && !addresses.iter().any(is_https) {
            place.key("tls").warn(
                format!("[upstream.{name}.tls] is without effect: no address is https"),
                "write the addresses with https://, or remove the table",
            );
        }
        let upstream = Self {
            name: name.into(),
            balance: raw.balance,
            hash_on: compile_hash_on(raw, place),
            protocol: raw.protocol,
            tls: raw.tls.as_ref().map(|tls| Tls::compile(tls, &place.key("tls"))).unwrap_or_default(),
            host_header: HostHeader::compile(&raw.host_header, &place.key("host_header")),
            deadlines: Deadlines::default().overridden(&raw.deadlines, &place.key("deadlines")),
            idle: bounded(raw.idle, RawDuration::ZERO, LONGEST_DEADLINE, &place.key("idle")),
            max_streams: compile_max_streams(raw.max_streams, &place.key("max_streams")),
            resolve_every: bounded(raw.resolve_every, SHORTEST_RESOLVE, LONGEST_DEADLINE, &place.key("resolve_every")),
            breaker: BreakerRules::compile(&raw.breaker, &place.key("breaker")),
            health: raw.health.as_ref().map(|raw| Arc::new(HealthCheck::compile(raw, &place.key("health")))),
            ejection: EjectionRules::compile(&raw.ejection, &place.key("ejection")),
            shedding: SheddingRules::compile(&raw.shedding, &place.key("shedding")),
            slow_start: bounded(raw.slow_start, RawDuration::ZERO, LONGEST_SLOW_START, &place.key("slow_start")),
            addresses,
        };
        (!upstream.addresses.is_empty()).then_some(upstream)
    }
}

fn is_https(weighted: &WeightedAddress) -> bool {
    weighted.address.scheme() == Scheme::Https
}

fn compile_addresses(raw: &RawUpstream, place: &Place<'_>) -> Vec<WeightedAddress> {
    let otherwise = if raw.tls.is_some() { Scheme::Https } else { Scheme::Http };
    match raw.addresses.len() {
        0 => place.error_help("an upstream needs an address", "addresses = [\"http://127.0.0.1:9000\"]"),
        count if count > MAX_ADDRESSES => place.error_help(
            format!("{count} addresses are more than {MAX_ADDRESSES}"),
            "use a DNS name that resolves to all of them",
        ),
        _ => {}
    }
    let mut addresses: Vec<WeightedAddress> = Vec::with_capacity(raw.addresses.len().min(MAX_ADDRESSES));
    for (index, raw) in raw.addresses.iter().take(MAX_ADDRESSES).enumerate() {
        let place = place.index(index);
        let (text, weight, text_place) = match raw {
            RawAddress::Plain(text) => (text, 1, place.clone()),
            RawAddress::Weighted(RawWeightedAddress { address, weight }) => (address, *weight, place.key("address")),
        };
        if !(1..=MAX_WEIGHT).contains(&weight) {
            place.key("weight").error(format!("a weight is from 1 to {MAX_WEIGHT}, not {weight}"));
        }
        match Address::parse(text, otherwise) {
            Ok(address) if addresses.iter().any(|other| other.address.authority() == address.authority()) => {
                text_place.error_help(format!("\"{text}\" is listed twice"), "give one of the two the weight of both");
            }
            Ok(address) => addresses.push(WeightedAddress { address: Arc::new(address), weight: weight.max(1) }),
            Err(error) => text_place.error_help(error.to_string(), address_help(&error)),
        }
    }
    addresses
}

fn address_help(error: &InvalidAddress) -> &'static str {
    match error {
        InvalidAddress::Path(_) => "a path in front of the route's own is set with `rewrite` in the route",
        InvalidAddress::User => "set the header with `request_headers` in the route",
        InvalidAddress::NoPort => "write \"http://host:port\", \"https://host\" or \"host:port\"",
        InvalidAddress::Scheme(_) => "an address begins with http:// or https://",
        InvalidAddress::Host(_) | InvalidAddress::Port(_) => {
            "such as \"http://127.0.0.1:9000\" or \"http://[::1]:9000\""
        }
    }
}

fn compile_hash_on(raw: &RawUpstream, place: &Place<'_>) -> HashOn {
    let Some(text) = &raw.hash_on else { return HashOn::default() };
    let place = place.key("hash_on");
    if raw.balance != Balance::ConsistentHash {
        place.warn("without effect: nothing is hashed", "set balance = \"consistent_hash\"");
    }
    HashOn::parse(text).unwrap_or_else(|error| {
        place.error(format!("\"{text}\": {error}"));
        HashOn::default()
    })
}

fn compile_max_streams(given: u32, place: &Place<'_>) -> u32 {
    if !(1..=MAX_STREAMS).contains(&given) {
        place.error(format!("from 1 to {MAX_STREAMS}, not {given}"));
    }
    given.clamp(1, MAX_STREAMS)
}

pub(crate) fn bounded(given: RawDuration, least: RawDuration, most: RawDuration, place: &Place<'_>) -> Duration {
    if given < least {
        place.error(format!("{given} is too short: at least {least}"));
    } else if given > most {
        place.error(format!("{given} is too long: at most {most}"));
    }
    given.clamp(least, most).get()
}

#[cfg(test)]
mod tests;
