//! Version 2: sixteen bytes, addresses, extensions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, InvalidHeader, MAX_HEADER, Parsed, relayed};

/// What the header begins with; no text of any protocol does.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses: signature, version and command, family and protocol, length of what follows.
const FIXED: usize = 16;
/// The type of the extension that holds a CRC-32C of the whole header.
const CHECKSUM: u8 = 0x03;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Parsed>, InvalidHeader> {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_HEADER {
        return Err(InvalidHeader::TooLong);
    }
    let Some(whole) = bytes.get(..length) else { return Ok(None) };
    let block = whole.get(FIXED..).unwrap_or_default();
    let header = match command {
        // LOCAL: the rest is to be ignored, whatever it is.
        0x20 => Header::Own,
        0x21 => proxied(whole, family, block)?,
        _ => return Err(InvalidHeader::Unknown),
    };
    Ok(Some(Parsed { header, length }))
}

fn proxied(whole: &[u8], family: u8, block: &[u8]) -> Result<Header, InvalidHeader> {
    let (header, extensions) = match family {
        // AF_UNSPEC: there may be anything.
        0x00 => return Ok(Header::Own),
        0x11 => inet::<4>(block)?,
        0x21 => inet::<16>(block)?,
        // AF_UNIX over a stream: two paths of 108 bytes.
        0x31 => (Header::Own, block.get(216..).ok_or(InvalidHeader::Addresses)?),
        _ => return Err(InvalidHeader::Unknown),
    };
    check_extensions(whole, extensions)?;
    Ok(header)
}

/// Two addresses of `N` bytes, two ports; and what follows.
fn inet<const N: usize>(block: &[u8]) -> Result<(Header, &[u8]), InvalidHeader> {
    let split = || {
        let (client, rest) = block.split_at_checked(N)?;
        let (server, rest) = rest.split_at_checked(N)?;
        let (&[a, b, c, d], rest) = rest.split_first_chunk::<4>()?;
        let client = SocketAddr::new(address(client)?, u16::from_be_bytes([a, b]));
        let server = SocketAddr::new(address(server)?, u16::from_be_bytes([c, d]));
        Some((client, server, rest))
    };
    let (client, server, rest) = split().ok_or(InvalidHeader::Addresses)?;
    Ok((relayed(client, server)?, rest))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    let v6 = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
    v4(bytes).or_else(|| v6(bytes))
}

/// Type, length in two bytes, value; one after the other to the end.
fn check_extensions(whole: &[u8], mut rest: &[u8]) -> Result<(), InvalidHeader> {
    while !rest.is_empty() {
        let Some((&[kind, high, low], after)) = rest.split_first_chunk::<3>() else {
            return Err(InvalidHeader::Extensions);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, after) = after.split_at_checked(length).ok_or(InvalidHeader::Extensions)?;
        if kind == CHECKSUM {
            let at = whole.len() - after.len() - value.len();
            let sum = <[u8; 4]>::try_from(value).map_err(|_| InvalidHeader::Extensions)?;
            if u32::from_be_bytes(sum) != checksum(whole, at) {
                return Err(InvalidHeader::Extensions);
            }
        }
        rest = after;
    }
    Ok(())
}

/// CRC-32C (RFC 3720 appendix B.4) of `whole`, the four bytes from `blank` on taken as zeros.
pub(super) fn checksum(whole: &[u8], blank: usize) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let step = |sum: u32, (at, byte): (usize, &u8)| {
        let byte = if (blank..blank + 4).contains(&at) { 0 } else { *byte };
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg()))
    };
    !whole.iter().enumerate().fold(u32::MAX, step)
}
