//! The address that a request is charged to.
//!
//! Anybody can send `X-Forwarded-For`. An entry is worth what the hop that wrote it is worth, and each hop appends the
//! address it was called from; so the list is read from its right end, over all field lines, for as long as the hop
//! that vouches for the next entry is a trusted proxy. The first address that is not a trusted proxy is the client.
//! What stands left of it was sent by that client and is never looked at: it can neither name another address nor
//! spoil the reading with garbage.
//!
//! Whatever cannot be read as an address before that point gives the peer's address, and says so in
//! [`ClientAddress::problem`]: a wrong client is worse than a coarse one.
//!
//! Only one of the two headers may be believed. A proxy maintains one and passes the other through as the client sent
//! it, so which one counts is the operator's knowledge, not the request's.

use std::net::IpAddr;

use crate::hop;
use crate::trusted::TrustedProxies;

/// Entries of a hop header that are walked at most. A chain of that many trusted proxies is a loop, not a deployment.
pub const MAX_HOPS: usize = 64;

/// The client's address and how it was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The address in canonical form: IPv4-mapped IPv6 is written as IPv4.
    pub address: IpAddr,
    /// Where it was read.
    pub origin: Origin,
    /// Whether the peer is a trusted proxy: then its request id is believed too.
    pub peer_trusted: bool,
    /// Why a trusted peer's hop header was not used.
    pub problem: Option<HopProblem>,
}

/// Where a client's address was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the connection.
    Peer,
    /// From a hop header, this many entries from its right end (1 is the rightmost).
    Hop(u8),
}

/// Why a hop header from a trusted peer was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HopProblem {
    /// An entry that had to be read is not an address: `unknown`, an obfuscated name, an empty entry, garbage.
    #[error("an entry is not an IP address")]
    Malformed,
    /// More than [`MAX_HOPS`] trusted proxies in a row.
    #[error("more than {MAX_HOPS} hops")]
    TooMany,
}

/// The client's address by `X-Forwarded-For`, given as its field lines in the order they were received.
pub fn client_address<'h>(
    trusted: &TrustedProxies,
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
) -> ClientAddress {
    walk(trusted, peer, lines, hop::parse_entry)
}

/// The client's address by `Forwarded` (RFC 7239), given as its field lines in the order they were received.
pub fn client_address_forwarded<'h>(
    trusted: &TrustedProxies,
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
) -> ClientAddress {
    walk(trusted, peer, lines, hop::parse_forwarded_element)
}

fn walk<'h>(
    trusted: &TrustedProxies,
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
    parse: fn(&[u8]) -> Option<IpAddr>,
) -> ClientAddress {
    let peer_trusted = trusted.contains(peer);
    let peer = ClientAddress { address: peer.to_canonical(), origin: Origin::Peer, peer_trusted, problem: None };
    if !peer_trusted {
        return peer;
    }
    let mut farthest = peer;
    for (entry, hop) in entries(lines).zip(1..) {
        if usize::from(hop) > MAX_HOPS {
            return ClientAddress { problem: Some(HopProblem::TooMany), ..peer };
        }
        let Some(address) = parse(entry) else {
            return ClientAddress { problem: Some(HopProblem::Malformed), ..peer };
        };
        farthest = ClientAddress { address, origin: Origin::Hop(hop), ..peer };
        if !trusted.contains(address) {
            break;
        }
    }
    farthest
}

/// All entries, the rightmost first. A line that holds nothing but blanks has no entry.
fn entries<'h>(lines: impl DoubleEndedIterator<Item = &'h [u8]>) -> impl Iterator<Item = &'h [u8]> {
    lines.rev().filter(|line| !hop::trim(line).is_empty()).flat_map(|line| line.rsplit(|&byte| byte == b','))
}

#[cfg(test)]
mod tests;
