//! Urlencoded bodies agree with the obvious decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::Kind;

const FIELDS: &rampart_fuzz::Fields<'_> = &[(b"content-type", b"application/x-www-form-urlencoded")];

fuzz_target!(|input: &[u8]| {
    rampart_fuzz::message(b"/", FIELDS, input, |message, body| {
        let got = rampart_fuzz::flat(message, Kind::Form);
        let expect: Vec<_> = rampart_fuzz::pairs(body.decoded()).into_iter().take(got.len().max(1)).collect();
        assert_eq!(got, expect);
    });
});
