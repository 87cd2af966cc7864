//! The networks whose word about a client's address is believed.
//!
//! A list of CIDR blocks, compiled once. Both sides of the comparison are in canonical form: an IPv4 address that
//! arrives as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), as it does on a dual-stack listener, matches the IPv4 block.
//! The list is short (a handful of load balancers), so it is searched in order.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use rampart_settings::Place;

/// Bits of an IPv4-mapped IPv6 address in front of the IPv4 address.
const MAPPED_PREFIX_BITS: u8 = 96;

/// Proxies in front of this gateway whose hop headers (`X-Forwarded-For`, `Forwarded`) and request ids are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Box<[IpNet]>,
}

/// An entry of the list that is not an address or a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// Neither an address nor a CIDR block.
    #[error("`{given}` is neither an IP address nor a network such as `10.0.0.0/8`")]
    Syntax {
        /// The entry as written.
        given: String,
    },
    /// Bits are set behind the prefix, so that the entry says two things: one host, and its network.
    #[error("`{given}` has bits set behind its prefix")]
    HostBits {
        /// The entry as written.
        given: String,
        /// The network that it lies in.
        network: IpNet,
    },
}

impl TrustedProxies {
    /// Reads a list of addresses (`10.1.2.3`, `::1`) and networks (`10.0.0.0/8`, `fd00::/8`), and reports every entry
    /// that cannot be read, by its place in the list.
    pub fn compile(entries: &[String], place: &Place<'_>) -> Self {
        let mut networks = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            match parse_network(entry) {
                Ok(network) => {
                    if network.prefix_len() == 0 {
                        place.index(index).warn(
                            format!("`{entry}` trusts every peer, so any client can choose the address it is known by"),
                            "list the addresses of the load balancers in front of this gateway",
                        );
                    }
                    networks.push(network);
                }
                Err(error @ InvalidNetwork::Syntax { .. }) => place.index(index).error(error.to_string()),
                Err(ref error @ InvalidNetwork::HostBits { network, .. }) => {
                    place.index(index).error_help(error.to_string(), format!("did you mean `{network}`?"));
                }
            }
        }
        Self { networks: networks.into() }
    }

    /// The same list from text, without a configuration file around it. Stops at the first entry that is wrong.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        Ok(Self { networks: entries.into_iter().map(parse_network).collect::<Result<_, _>>()? })
    }

    /// Whether `address` is one of the trusted proxies.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether nobody is trusted: the peer's address is always the client's.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

fn parse_network(entry: &str) -> Result<IpNet, InvalidNetwork> {
    let network = match entry.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => entry.parse::<IpNet>().map_err(|_| InvalidNetwork::Syntax { given: entry.to_owned() })?,
    };
    if network.trunc() != network {
        return Err(InvalidNetwork::HostBits { given: entry.to_owned(), network: network.trunc() });
    }
    Ok(canonical(network))
}

/// A block of IPv4-mapped addresses becomes the IPv4 block that it stands for.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let (Some(v4), Some(prefix)) = (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(MAPPED_PREFIX_BITS)) else {
        return network;
    };
    Ipv4Net::new(v4, prefix).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use rampart_settings::{Document, Report, Source};

    use super::*;

    fn check(networks: &[&str], address: &str, expect: bool) {
        let trusted = TrustedProxies::parse(networks.iter().copied()).unwrap();
        assert_eq!(trusted.contains(address.parse().unwrap()), expect, "{address} in {networks:?}");
    }

    #[test]
    fn membership() {
        check(&[], "127.0.0.1", false);
        check(&["10.0.0.0/8"], "10.255.0.1", true);
        check(&["10.0.0.0/8"], "11.0.0.1", false);
        check(&["10.0.0.0/8"], "::ffff:10.2.3.4", true);
        check(&["::ffff:10.0.0.0/104"], "10.2.3.4", true);
        check(&["::ffff:10.0.0.7"], "10.0.0.7", true);
        check(&["::ffff:10.0.0.7"], "10.0.0.8", false);
        check(&["192.0.2.7"], "192.0.2.7", true);
        check(&["192.0.2.7"], "192.0.2.8", false);
        check(&["fd00::/8", "::1"], "fdab::9", true);
        check(&["fd00::/8", "::1"], "::1", true);
        check(&["fd00::/8", "::1"], "::2", false);
        check(&["0.0.0.0/0"], "::1", false);
        check(&["::/0"], "10.0.0.1", false);
    }

    #[test]
    fn entries_that_are_refused() {
        for entry in ["", "10.0.0.0/33", "10.0.0/8", "localhost", "fe80::1%eth0", "10.0.0.1 ", "010.0.0.1", "::/129"] {
            let error = TrustedProxies::parse([entry]).unwrap_err();
            assert_eq!(error, InvalidNetwork::Syntax { given: entry.to_owned() });
        }
        let error = TrustedProxies::parse(["10.1.2.3/8"]).unwrap_err();
        let network = "10.0.0.0/8".parse().unwrap();
        assert_eq!(error, InvalidNetwork::HostBits { given: "10.1.2.3/8".to_owned(), network });
    }

    #[test]
    fn every_entry_that_is_wrong_is_reported_at_its_place() {
        let report = Report::new();
        let text = r#"trusted_proxies = ["10.0.0.0/8", "localhost", "10.1.2.3/8", "0.0.0.0/0", "::1"]"#;
        let document = Document::parse(Source::new("config.toml", text), &report).unwrap();
        let entries = ["10.0.0.0/8", "localhost", "10.1.2.3/8", "0.0.0.0/0", "::1"].map(str::to_owned);
        let trusted = TrustedProxies::compile(&entries, &document.root(&report).key("trusted_proxies"));
        assert!(trusted.contains("::1".parse().unwrap()) && !trusted.is_empty());
        assert_eq!((report.errors(), report.warnings()), (2, 1));
        let found: Vec<(usize, String, Option<String>)> =
            report.into_sorted().into_iter().map(|found| (found.column, found.message, found.help)).collect();
        let networks = "`localhost` is neither an IP address nor a network such as `10.0.0.0/8`".to_owned();
        assert_eq!(found[0], (34, networks, None));
        let host_bits = "`10.1.2.3/8` has bits set behind its prefix".to_owned();
        assert_eq!(found[1], (47, host_bits, Some("did you mean `10.0.0.0/8`?".to_owned())));
        assert_eq!(found[2].0, 61);
        assert!(found[2].1.starts_with("`0.0.0.0/0` trusts every peer"), "{}", found[2].1);
    }
}
