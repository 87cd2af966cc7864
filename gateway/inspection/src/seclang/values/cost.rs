//! What reading values costs. Not part of a test run:
//! `cargo test --release -p rampart-inspection --lib seclang::values::cost -- --ignored --nocapture`.

use std::time::Instant;

use rampart_message::{Body, Head, Headers, Limits, Message, Scratch, Version};

use super::store::{Buffers, Values};
use super::testing::{connection, settings};
use super::{read_body, read_head};
use crate::seclang::ast::BodyProcessor;

/// Microseconds per request, the best of some rounds, without what the message costs.
fn measure(content_type: &str, body: &[u8], chosen: Option<BodyProcessor>) -> (f64, usize) {
    let (limits, settings, mut scratch) = (Limits::DEFAULT, settings(), Scratch::new());
    let limits = Limits { arguments: 1_000_000, ..limits };
    let fields: [(&[u8], &[u8]); 8] = [
        (b"Host", b"agents.example"),
        (
            b"User-Agent",
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
        ),
        (b"Accept", b"application/json, text/plain, */*"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Accept-Language", b"en-GB,en;q=0.9"),
        (b"Cookie", b"sid=0123456789abcdef; theme=dark; _ga=GA1.2.1234567890.1234567890"),
        (b"Referer", b"https://agents.example/tasks?page=2"),
        (b"Content-Type", content_type.as_bytes()),
    ];
    let headers = Headers::new(&fields);
    let target = b"/api/v1/tasks/42?dry=1&fields=title%2Cstate";
    let head = Head { method: b"POST", target, version: Version::Http11, authority: None, headers };
    let opened = Body::open(&headers, body, &limits);
    let mut message = Message::parse_head(head, &limits, &mut scratch);
    message.parse_body(&opened, &limits);
    let (mut best, mut buffers, mut values_read) = (f64::INFINITY, Buffers::default(), 0);
    for _ in 0..20 {
        let rounds = (2_000_000 / (body.len() + 1000)).clamp(1, 1000);
        let start = Instant::now();
        for _ in 0..rounds {
            let mut values = Values::new(buffers);
            read_head(&head, &connection(), &settings, &mut values);
            read_body(&message, chosen, &settings, &limits, &mut values);
            values_read = values.len();
            buffers = values.into_buffers();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(rounds).unwrap()));
    }
    (best, values_read)
}

fn json(bytes: usize) -> Vec<u8> {
    let step = r#"{"id":17,"kind":"tool_call","text":"look at the log and say what is wrong with it","done":false,"tags":["a","b"]}"#;
    let steps = vec![step; bytes / step.len() + 1].join(",");
    format!(r#"{{"title":"Nightly report","steps":[{steps}]}}"#).into_bytes()
}

#[test]
#[ignore = "measures and asserts nothing that a busy machine could not break"]
fn of_usual_requests() {
    let form = vec!["name=some+text+with%20escapes&flag=1"; 30].join("&").into_bytes();
    let part = "--AB\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue of it\r\n".repeat(20) + "--AB--\r\n";
    let xml = format!("<a>{}</a>", "<step id='1'>look at the log and say what is wrong</step>".repeat(25));
    let report = |what: &str, content_type: &str, body: &[u8], chosen| {
        let (us, values) = measure(content_type, body, chosen);
        println!(
            "{what:<14} {:>9} bytes {values:>8} values {us:>10.2} us {:>7.2} ns/byte",
            body.len(),
            us * 1e3 / f64::from(u32::try_from(body.len().max(1)).unwrap())
        );
    };
    report("no body", "text/plain", b"", None);
    report("urlencoded", "application/x-www-form-urlencoded", &form, None);
    report("multipart", "multipart/form-data; boundary=AB", part.as_bytes(), None);
    report("xml", "text/xml", xml.as_bytes(), Some(BodyProcessor::Xml));
    for bytes in [1_400, 10_000, 100_000, 1_000_000, 10_000_000] {
        report("json", "application/json", &json(bytes), Some(BodyProcessor::Json));
    }
}
