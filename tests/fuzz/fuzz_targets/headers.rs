//! Header sections of any bytes: fields and cookies stand for all of them, in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::Kind;

fuzz_target!(|input: &[u8]| {
    let fields: Vec<(&[u8], &[u8])> = input
        .split(|&byte| byte == b'\n')
        .map(|line| {
            let at = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
            (&line[..at], line.get(at + 1..).unwrap_or_default())
        })
        .collect();
    rampart_fuzz::message(b"/", &fields, b"", |message, _| {
        let got = rampart_fuzz::flat(message, Kind::Header);
        let expect = fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"cookie"));
        let expect: Vec<_> = expect.map(|(name, value)| (name.to_vec(), value.to_vec())).take(got.len()).collect();
        assert_eq!(got, expect);
    });
});
