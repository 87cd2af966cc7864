//! What a message costs: nanoseconds per message, one line a kind of message.
//!
//! `cargo run --release -p rampart-message --example cost [NAME]`; with a name that kind alone, a fixed number of times,
//! for `valgrind --tool=callgrind`.

#![expect(clippy::print_stdout, reason = "an example that prints its measurements")]

use std::hint::black_box;
use std::time::Instant;

use rampart_message::{Body, Head, Headers, Limits, Message, Scratch, Version};

type Fields = &'static [(&'static [u8], &'static [u8])];

struct Load {
    name: &'static str,
    method: &'static [u8],
    target: &'static [u8],
    fields: Fields,
    body: Vec<u8>,
}

const BROWSER: Fields = &[
    (b"Host", b"agents.example.com"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"Accept", b"application/json, text/plain, */*"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Referer", b"https://agents.example.com/dashboard"),
    (b"Cookie", b"sid=8f14e45fceea167a5a36dedd4bea2543; theme=dark"),
    (b"Connection", b"keep-alive"),
];

const JSON: Fields = &[
    (b"Host", b"agents.example.com"),
    (b"User-Agent", b"agent-client/2.1"),
    (b"Accept", b"*/*"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"1400"),
];

const FORM: Fields = &[(b"Host", b"h"), (b"Content-Type", b"application/x-www-form-urlencoded")];
const MULTIPART: Fields = &[(b"Host", b"h"), (b"Content-Type", b"multipart/form-data; boundary=fence")];
const XML: Fields = &[(b"Host", b"h"), (b"Content-Type", b"application/xml")];

fn task() -> Vec<u8> {
    let step =
        r#"{"id":17,"kind":"search","text":"Look up the opening hours of the museum and note them","done":false}"#;
    let steps = [step; 10].join(",");
    let head = r#""title":"Plan a weekend in Lisbon","priority":3,"owner":{"id":"u-42","name":"Ana"},"tags":["travel","plan"]"#;
    let note =
        "Keep the budget under 400 euro, prefer trains, and ask before booking anything that cannot be cancelled.";
    format!("{{{head},\"steps\":[{steps}],\"note\":\"{note}\"}}").into_bytes()
}

fn multipart() -> Vec<u8> {
    let part = "--fence\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nsome value of a field\r\n";
    format!("{}--fence--\r\n", part.repeat(10)).into_bytes()
}

fn loads() -> Vec<Load> {
    let get = |name, target| Load { name, method: b"GET", target, fields: BROWSER, body: Vec::new() };
    let post = |name, fields, body| Load { name, method: b"POST", target: b"/api/v1/tasks", fields, body };
    vec![
        get("get", b"/api/v1/agents/42"),
        get("get_query", b"/api/v1/agents?limit=20&skip=40&sort=name&q=weekend+in%20Lisbon"),
        post("json", JSON, task()),
        post("form", FORM, b"name=Ana&city=Lisbon&note=Keep+the+budget&q=%27a%27&x=1".repeat(10)),
        post("multipart", MULTIPART, multipart()),
        post("xml", XML, format!("<o>{}</o>", "<i id='1'>a text</i>".repeat(60)).into_bytes()),
    ]
}

fn once(load: &Load, limits: &Limits, scratch: &mut Scratch) -> usize {
    let headers = Headers::new(load.fields);
    let head = Head { method: load.method, target: load.target, version: Version::Http11, authority: None, headers };
    let body;
    let mut message = Message::parse_head(head, limits, scratch);
    if !load.body.is_empty() {
        body = Body::open(&headers, &load.body, limits);
        message.parse_body(&body, limits);
    }
    let count = message.values.len() + message.problems.len();
    message.recycle(scratch);
    count
}

fn main() {
    let wanted = std::env::args().nth(1);
    let (limits, mut scratch) = (Limits::DEFAULT, Scratch::new());
    for load in loads().iter().filter(|load| wanted.as_deref().is_none_or(|name| name == load.name)) {
        let rounds = if wanted.is_some() { 1_000 } else { 200_000 };
        let mut values = 0;
        let started = Instant::now();
        for _ in 0..rounds {
            values = once(black_box(load), &limits, &mut scratch);
        }
        let each_ns = started.elapsed().as_nanos() / rounds;
        println!("{:<10} {each_ns:>6} ns  {:>5} B body  {values:>3} values", load.name, load.body.len());
    }
}
