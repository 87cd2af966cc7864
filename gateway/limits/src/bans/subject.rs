//! What is banned: an IPv4 address, or the /64 network of an IPv6 address.
//!
//! A /64 is what one subscriber gets at least (RFC 6177 section 2); who has one address of it has them all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const IPV6_PREFIX: u8 = 64;

/// An address as bans see it. IPv4-mapped addresses are IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// An address.
    V4(u32),
    /// The upper half of an address.
    V6(u64),
}

impl Subject {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6(u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX)),
        }
    }

    /// The network that it stands for.
    pub(crate) fn network(self) -> IpNet {
        match self {
            Self::V4(bits) => IpNet::V4(Ipv4Net::from(Ipv4Addr::from_bits(bits))),
            Self::V6(upper) => {
                let address = Ipv6Addr::from_bits(u128::from(upper) << 64);
                Ipv6Net::new(address, IPV6_PREFIX).unwrap_or(Ipv6Net::from(address)).into()
            }
        }
    }

    /// Bytes that no other subject has.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::V4(bits) => bits.to_be_bytes().to_vec(),
            Self::V6(upper) => upper.to_be_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let check = |address: &str, expect: &str| {
            let subject = Subject::of(address.parse().unwrap());
            assert_eq!(subject.network(), expect.parse::<IpNet>().unwrap(), "{address}");
            assert_eq!(Subject::of(subject.network().addr()), subject);
        };
        check("192.0.2.1", "192.0.2.1/32");
        check("::ffff:192.0.2.1", "192.0.2.1/32");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
        check("::1", "::/64");
    }
}
