//! Content codings and charsets: output stays within its bounds, whatever the input says.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// What the default limits let become of little input.
const RATIO: usize = 100;
const RATIO_FREE: usize = 64 << 10;
const CODINGS: [&[u8]; 8] =
    [b"gzip", b"deflate", b"br", b"zstd", b"gzip, br", b"br, zstd", b"deflate, gzip", b"zstd, deflate"];
const TYPES: [&[u8]; 4] = [
    b"application/json",
    b"text/plain; charset=utf-16",
    b"application/xml; charset=latin1",
    b"application/octet-stream",
];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, raw)) = input.split_first() else { return };
    let (coding, media) = (CODINGS[usize::from(choice & 7)], TYPES[usize::from(choice >> 3 & 3)]);
    let fields = [(&b"content-encoding"[..], coding), (b"content-type", media)];
    rampart_fuzz::message(b"/", &fields, raw, |_, body| {
        // A charset makes at most three bytes of two, or two of one.
        assert!(body.decoded().len() <= 2 * (RATIO * raw.len()).max(RATIO_FREE));
    });
});
