//! XML: nothing is expanded, so values together are never longer than the document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::{Kind, ProblemCode};

const FIELDS: &rampart_fuzz::Fields<'_> = &[(b"content-type", b"application/xml")];

fuzz_target!(|input: &[u8]| {
    rampart_fuzz::message(b"/", FIELDS, input, |message, body| {
        let values = message.values.iter().filter(|value| value.kind == Kind::Xml);
        assert!(values.map(|value| value.bytes.len()).sum::<usize>() <= body.decoded().len());
        let malformed = message.problems.iter().any(|problem| problem.code == ProblemCode::MalformedXml);
        assert!(!(malformed && message.body.is_some_and(|facts| facts.well_formed)));
    });
});
