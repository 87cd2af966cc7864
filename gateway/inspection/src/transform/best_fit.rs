//! The ASCII character that Windows puts for a character outside ASCII (best fit of code page 20127).
//!
//! Back ends that convert so turn a full-width or typographic look-alike into the character that an attack needs.

/// U+00A0 to U+00FF; `.` where there is no fit (the middle dot, whose fit is the full stop, is handled apart).
const LATIN_1: &[u8; 96] =
    b" !c.$Y|..Ca<.-R...23....,1o>....AAAAAAACEEEEIIIIDNOOOOO.OUUUUY..aaaaaaaceeeeiiii.nooooo.ouuuuy.y";

/// U+0100 to U+017F.
const EXTENDED_A: &[u8; 128] = b"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi..JjKk.LlLlLl..LlNnNnNn...OoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZz.";

/// Punctuation, spaces and signs elsewhere, in order.
const SIGNS: &[(u16, u8)] = &[
    (0x02B9, b'\''),
    (0x02BA, b'"'),
    (0x02BC, b'\''),
    (0x02C4, b'^'),
    (0x02C6, b'^'),
    (0x02C8, b'\''),
    (0x02CB, b'`'),
    (0x02CD, b'_'),
    (0x02DC, b'~'),
    (0x0300, b'`'),
    (0x0302, b'^'),
    (0x0303, b'~'),
    (0x030E, b'"'),
    (0x0331, b'_'),
    (0x0332, b'_'),
    (0x037E, b';'),
    (0x0589, b':'),
    (0x066A, b'%'),
    (0x2010, b'-'),
    (0x2011, b'-'),
    (0x2013, b'-'),
    (0x2014, b'-'),
    (0x2018, b'\''),
    (0x2019, b'\''),
    (0x201A, b','),
    (0x201C, b'"'),
    (0x201D, b'"'),
    (0x201E, b'"'),
    (0x2022, b'.'),
    (0x2026, b'.'),
    (0x2032, b'\''),
    (0x2035, b'`'),
    (0x2039, b'<'),
    (0x203A, b'>'),
    (0x2044, b'/'),
    (0x2212, b'-'),
    (0x2215, b'/'),
    (0x2216, b'\\'),
    (0x2217, b'*'),
    (0x2223, b'|'),
    (0x2236, b':'),
    (0x223C, b'~'),
    (0x2303, b'^'),
    (0x2329, b'<'),
    (0x232A, b'>'),
    (0x2758, b'|'),
    (0x3000, b' '),
    (0x3008, b'<'),
    (0x3009, b'>'),
    (0x301A, b'['),
    (0x301B, b']'),
];

/// The best fit of a character, where there is one.
pub(super) fn best_fit(code: u16) -> Option<u8> {
    let listed = |table: &[u8], first: u16| table.get(usize::from(code - first)).copied().filter(|fit| *fit != b'.');
    match code {
        0x00B7 => Some(b'.'),
        0x00A0..=0x00FF => listed(LATIN_1, 0x00A0),
        0x0100..=0x017F => listed(EXTENDED_A, 0x0100),
        0x2000..=0x2006 => Some(b' '),
        0xFF01..=0xFF5E => u8::try_from(code - 0xFEE0).ok(),
        _ => {
            SIGNS.binary_search_by_key(&code, |(sign, _)| *sign).ok().and_then(|at| SIGNS.get(at)).map(|(_, fit)| *fit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_in_order() {
        assert!(SIGNS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn fits() {
        for (code, fit) in [
            (0x00E9, Some(b'e')),
            (0x00A3, None),
            (0x017E, Some(b'z')),
            (0x0130, Some(b'I')),
            (0x2019, Some(b'\'')),
            (0xFF1C, Some(b'<')),
            (0x4E2D, None),
        ] {
            assert_eq!(best_fit(code), fit, "{code:#x}");
        }
    }
}
