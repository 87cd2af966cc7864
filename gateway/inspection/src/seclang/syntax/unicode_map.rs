//! The file of `SecUnicodeMapFile`: which ASCII byte stands for a code point, by code page.
//!
//! A line `20127 (US-ASCII)` begins a code page; the lines behind it hold pairs `00a0:20`, both hexadecimal.
//! Source: ModSecurity's `unicode.mapping`.

/// Bytes of the pairs that a map may hold: there are 65,536 code points of four digits.
const MOST_PAIRS: usize = 65_536;

/// The pairs of the code page `page`, by code point.
pub(super) fn read(file: &[u8], page: u64) -> Result<Vec<(u32, u8)>, String> {
    let mut pairs = Vec::new();
    let (mut inside, mut found) = (false, false);
    for line in String::from_utf8_lossy(file).lines() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let first = line.split_ascii_whitespace().next().unwrap_or_default();
        if !first.contains(':') {
            inside = first.parse() == Ok(page);
            found |= inside;
        } else if inside {
            for pair in line.split_ascii_whitespace() {
                pairs.push(parse(pair).ok_or_else(|| format!("`{pair}` is no pair of a code point and a byte"))?);
            }
        }
        if pairs.len() > MOST_PAIRS {
            return Err(format!("the map holds more than {MOST_PAIRS} pairs"));
        }
    }
    pairs.sort_unstable();
    if found { Ok(pairs) } else { Err(format!("the file has no code page {page}")) }
}

fn parse(pair: &str) -> Option<(u32, u8)> {
    let (point, byte) = pair.split_once(':')?;
    Some((u32::from_str_radix(point, 16).ok()?, u8::from_str_radix(byte, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_that_of_its_code_page() {
        let file = b"(MAC - Roman)\n\n\n1250  (ANSI)\n00a1:21 00a2:63\n# x\n20127 (US-ASCII)\n00a1:22\nff01:21 \n";
        assert_eq!(read(file, 20127), Ok(vec![(0xA1, 0x22), (0xFF01, 0x21)]));
        assert_eq!(read(file, 1250), Ok(vec![(0xA1, 0x21), (0xA2, 0x63)]));
        assert!(read(file, 1).is_err());
        assert!(read(b"1 x\n00a1:xyz", 1).is_err());
    }
}
