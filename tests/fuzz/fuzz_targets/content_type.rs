//! Media types: what is parsed is part of the input; and any type leads a body to some parser.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::ContentType;

fuzz_target!(|input: &[u8]| {
    let (field, body) = rampart_fuzz::halves(input);
    let parsed = ContentType::parse(field);
    for piece in [Some(parsed.essence), parsed.charset.as_deref(), parsed.boundary.as_deref()].into_iter().flatten() {
        assert!(piece.len() <= field.len());
        assert!(piece.iter().all(|byte| field.contains(byte)));
    }
    rampart_fuzz::message(b"/", &[(b"content-type", field)], body, |_, _| {});
});
