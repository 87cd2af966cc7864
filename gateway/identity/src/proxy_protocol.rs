//! The header of the PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol", sections 2.1 and 2.2): by it a load
//! balancer that forwards bytes tells, before the first of them, who connected to it.
//!
//! The header is written by a machine that is trusted, so it is read as strictly as the specification allows: whatever is
//! off means that the peer is not who it should be, and the connection ends. Extensions (TLVs) are walked over, and their
//! checksum is checked where there is one; nothing else in them is looked at.
//!
//! Never here: sockets, and the question of whether the peer may speak for others ([`TrustedProxies`](crate::TrustedProxies)).

mod v1;
mod v2;

use std::net::SocketAddr;

/// Bytes of the longest header that is taken: the smallest segment that every TCP stack takes (RFC 9293 section 3.7.1), in
/// which version 2 has to fit for its reader to need no more than one read.
pub const MAX_HEADER: usize = 536;

/// What a header says of the connection behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// It is the balancer's own, or of a client that it has no address for.
    Own,
    /// It is relayed for a client.
    Relayed {
        /// Who connected; a unicast address, in canonical form.
        client: SocketAddr,
        /// Where to; in canonical form.
        server: SocketAddr,
    },
}

/// A header and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// What it says.
    pub header: Header,
    /// Bytes; what follows them is the client's.
    pub length: usize,
}

/// Why something is no header. What was received is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// It begins like neither version.
    #[error("there is no PROXY header")]
    Absent,
    /// It is longer than its version may be.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A line of version 1 that is not of its form.
    #[error("the line of the PROXY header is malformed")]
    Line,
    /// A version, command, family or protocol that version 2 does not define, or not for TCP.
    #[error("the PROXY header has an unknown version, command or family")]
    Unknown,
    /// Too few bytes for its addresses, or an address that nobody connects from.
    #[error("the addresses of the PROXY header are malformed")]
    Addresses,
    /// Extensions that do not fill their place, or a wrong checksum.
    #[error("the extensions of the PROXY header are malformed")]
    Extensions,
}

/// Reads the header that `bytes` begin with. `None`: more bytes are needed, and will be taken up to [`MAX_HEADER`].
pub fn parse(bytes: &[u8]) -> Result<Option<Parsed>, InvalidHeader> {
    if begins(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins(bytes, v1::START) {
        v1::parse(bytes)
    } else {
        Err(InvalidHeader::Absent)
    }
}

/// Whether one of the two is the beginning of the other.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(a, b)| a == b)
}

/// The header of a client at `client`, unless nobody can be there.
fn relayed(client: SocketAddr, server: SocketAddr) -> Result<Header, InvalidHeader> {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let client = canonical(client);
    if !crate::hop::is_host(&client.ip()) {
        return Err(InvalidHeader::Addresses);
    }
    Ok(Header::Relayed { client, server: canonical(server) })
}

#[cfg(test)]
mod tests;
