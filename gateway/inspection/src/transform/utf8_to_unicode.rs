//! `utf8toUnicode`: every multi-byte UTF-8 sequence to `%uHHHH` (at least four digits), so that rules for Unicode
//! evasions need one form only. Invalid bytes stay.

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    if input.is_ascii() {
        return false;
    }
    let mut changed = false;
    for chunk in input.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_ascii() {
                let mut buffer = [0; 1];
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            } else {
                out.extend_from_slice(format!("%u{:04x}", u32::from(character)).as_bytes());
                changed = true;
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
    changed
}
