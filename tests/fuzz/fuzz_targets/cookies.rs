//! Cookies: every piece is a cookie, and no byte but separators and escapes is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::{Kind, cookies};

fuzz_target!(|input: &[u8]| {
    let total: usize = cookies::split(input).map(|(name, value)| name.map_or(0, <[u8]>::len) + value.len()).sum();
    assert!(total <= input.len());
    let plain = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    rampart_fuzz::message(b"/", &[(b"cookie", input)], b"", |message, _| {
        let got = rampart_fuzz::flat(message, Kind::Cookie);
        assert!(got.len() <= cookies::split(input).count());
        if !input.contains(&b'%') && got.len() < 1_000 {
            assert_eq!(got.iter().map(|(name, value)| plain(name) + plain(value)).sum::<usize>(), plain(input));
        }
    });
});
