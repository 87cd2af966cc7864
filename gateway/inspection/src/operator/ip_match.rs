//! `@ipMatch` and `@ipMatchFromFile`: the value is an address in one of the networks.
//!
//! Example: `SecRule REMOTE_ADDR "@ipMatch 127.0.0.1,::1,10.0.0.0/8"`. A file holds one address or network a line, with
//! `#` comments. A value that is no address matches nothing; host bits of a network are ignored, as in `10.1.2.3/8`. An
//! IPv4 address in IPv6 form (`::ffff:10.1.2.3`) is the IPv4 address, on both sides.

use std::net::IpAddr;

/// Networks, each the first and the last of its addresses, sorted and without overlap.
#[derive(Debug)]
pub(crate) struct IpMatch {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl IpMatch {
    /// Reads `"127.0.0.1, ::1, 10.0.0.0/8"`.
    pub(super) fn of_parameter(parameter: &[u8]) -> Result<Self, String> {
        Self::of(parameter.split(|byte| *byte == b','))
    }

    /// Reads one network a line.
    pub(super) fn of_file(contents: &[u8]) -> Result<Self, String> {
        Self::of(contents.split(|byte| *byte == b'\n').flat_map(|line| {
            let uncommented = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            uncommented.split(|byte| *byte == b',')
        }))
    }

    fn of<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Result<Self, String> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for text in texts.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()) {
            let wrong = || format!("\"{}\" is no address and no network", text.escape_ascii());
            match network(text).ok_or_else(wrong)? {
                (IpAddr::V4(address), bits) => {
                    let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                    let address = u32::from(address);
                    v4.push((address & !host, address | host));
                }
                (IpAddr::V6(address), bits) => {
                    let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                    let address = u128::from(address);
                    v6.push((address & !host, address | host));
                }
            }
        }
        if v4.is_empty() && v6.is_empty() {
            return Err("no address is given".to_owned());
        }
        Ok(Self { v4: merged(v4), v6: merged(v6) })
    }

    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        let address = std::str::from_utf8(value).ok().and_then(|text| text.parse::<IpAddr>().ok());
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => holds(&self.v4, address.into()),
            Some(IpAddr::V6(address)) => holds(&self.v6, address.into()),
            None => false,
        }
    }
}

/// An address, and the length of its prefix.
fn network(text: &[u8]) -> Option<(IpAddr, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.trim_end().parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u32 = bits.map_or(Some(most), |bits| bits.trim_start().parse().ok())?;
    if bits > most {
        return None;
    }
    // A mapped network that is wider than the mapped addresses is one of IPv6.
    Some(match (address.to_canonical(), bits.checked_sub(96)) {
        (mapped @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => (mapped, bits),
        _ => (address, bits),
    })
}

fn merged<N: Ord + Copy>(mut ranges: Vec<(N, N)>) -> Box<[(N, N)]> {
    ranges.sort_unstable();
    let mut out: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out.into()
}

fn holds<N: Ord + Copy>(ranges: &[(N, N)], address: N) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}
