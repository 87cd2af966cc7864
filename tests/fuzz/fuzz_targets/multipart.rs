//! Multipart bodies: contents are slices of the body in order, and a form that is written from parts comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::Kind;

const FIELDS: &rampart_fuzz::Fields<'_> = &[(b"content-type", b"multipart/form-data; boundary=B")];

fuzz_target!(|input: &[u8]| {
    for fields in [FIELDS, &[(b"content-type", b"multipart/form-data")]] {
        rampart_fuzz::message(b"/", fields, input, |message, body| {
            let Some(form) = &message.multipart else { return };
            let content: usize = form.parts.iter().map(|part| part.content.len()).sum();
            assert!(content <= body.decoded().len());
            let headers: usize = form.parts.iter().flat_map(|part| &part.headers).map(|field| field.len()).sum();
            assert!(headers <= body.decoded().len());
        });
    }
    let contents: Vec<&[u8]> = input.splitn(4, |&byte| byte == 0).collect();
    if contents.iter().any(|content| content.windows(3).any(|three| three == b"--B") || !content.is_ascii()) {
        return;
    }
    let mut written = Vec::new();
    for content in &contents {
        written.extend_from_slice(b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
        written.extend_from_slice(content);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(b"--B--\r\n");
    rampart_fuzz::message(b"/", FIELDS, &written, |message, _| {
        let got = rampart_fuzz::flat(message, Kind::Form);
        assert!(got.iter().map(|(_, value)| &value[..]).eq(contents.iter().copied()));
    });
});
