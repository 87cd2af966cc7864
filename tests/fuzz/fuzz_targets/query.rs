//! Query strings agree with the obvious decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::Kind;

fuzz_target!(|input: &[u8]| {
    let target = [b"/?", input].concat();
    rampart_fuzz::message(&target, &[], b"", |message, _| {
        let mut expect = rampart_fuzz::pairs(input);
        let got = rampart_fuzz::flat(message, Kind::Query);
        expect.truncate(got.len().max(1));
        assert_eq!(got, expect);
    });
});
