//! PROXY headers: more bytes never change what was read, and nothing is asked for beyond the bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_identity::proxy_protocol::{MAX_HEADER, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    assert!(input.len() < MAX_HEADER || whole != Ok(None));
    if let Ok(Some(parsed)) = whole {
        assert!(parsed.length <= input.len().min(MAX_HEADER));
        assert_eq!(parse(&input[..parsed.length]), whole);
        assert_eq!(parse(&input[..parsed.length - 1]), Ok(None));
    }
    for cut in 0..input.len().min(MAX_HEADER) {
        let part = parse(&input[..cut]);
        assert!(part == Ok(None) || part == whole);
    }
});
