//! Version 1: one line, such as `PROXY TCP4 198.51.100.1 192.0.2.1 56324 443`, ended by CR LF.

use std::net::{IpAddr, SocketAddr};

use super::{Header, InvalidHeader, Parsed, relayed};

/// What the line begins with.
pub(super) const START: &[u8] = b"PROXY ";
/// Bytes of the longest line, its end included.
const LONGEST: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Parsed>, InvalidHeader> {
    let Some(end) = bytes.iter().take(LONGEST).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= LONGEST { Err(InvalidHeader::TooLong) } else { Ok(None) };
    };
    let line = bytes.get(START.len()..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(InvalidHeader::Line)?;
    let line = std::str::from_utf8(line).ok().filter(|line| line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    let header = header(line.ok_or(InvalidHeader::Line)?)?;
    Ok(Some(Parsed { header, length: end + 1 }))
}

fn header(line: &str) -> Result<Header, InvalidHeader> {
    let mut words = line.split(' ');
    let mut word = || words.next().ok_or(InvalidHeader::Line);
    let is_v4 = match word()? {
        "TCP4" => true,
        "TCP6" => false,
        // Whatever follows is to be ignored.
        "UNKNOWN" => return Ok(Header::Own),
        _ => return Err(InvalidHeader::Line),
    };
    let (client, server, client_port, server_port) = (word()?, word()?, word()?, word()?);
    let address = |text: &str, port: &str| {
        let address = text.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == is_v4);
        Some(SocketAddr::new(address?, self::port(port)?))
    };
    let client = address(client, client_port).ok_or(InvalidHeader::Line)?;
    let server = address(server, server_port).ok_or(InvalidHeader::Line)?;
    if words.next().is_some() {
        return Err(InvalidHeader::Line);
    }
    relayed(client, server)
}

/// 0 to 65,535, in digits without leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| plain)
}
