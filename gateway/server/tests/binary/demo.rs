//! `rampart demo` from an empty directory: every line that it prints is run with `sh`, and must show what it promises.

use crate::running::{Running, run, shell};

/// The lines in their order: what each answer must hold.
const PROMISES: [&[&str]; 11] = [
    &["HTTP/1.1 200 ", "\"researcher\""],
    &["HTTP/1.1 201 ", "Select the union speakers"],
    &["HTTP/1.1 400 ", "application/problem+json", "\"error\":\"Potential SQL injection detected in root.title\""],
    &["HTTP/1.1 400 ", "\"error\":\"Potential path traversal detected in path\""],
    &["HTTP/1.1 400 ", "\"code\":\"content_limit\""],
    &["HTTP/1.1 413 ", "\"code\":\"body_too_large\""],
    &["\"content\":\" hello\"", "data: [DONE]"],
    &["401\n401\n401\n401\n401\n429"],
    &["data: {\"tick\":0}", "data: {\"tick\":2}"],
    &["\"verdict\":\"block\"", "\"rule\":\""],
    &["rampart_requests_total{", "verdict=\"block\""],
];

#[test]
fn every_line_shows_what_it_promises() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Running::start(directory.path(), &["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let welcome = demo.wait_for_output("Ctrl-C ends it.");
    let lines: Vec<(&str, &str)> =
        welcome.lines().zip(welcome.lines().skip(1)).filter(|(promise, _)| promise.starts_with("# ")).collect();
    assert_eq!(lines.len(), PROMISES.len(), "{welcome}");
    for ((promise, command), expected) in lines.iter().zip(PROMISES) {
        let answer = shell(command);
        for text in expected {
            assert!(answer.contains(text), "{promise}\n{command}\nanswered without {text}:\n{answer}");
        }
    }
    let ended = demo.stop();
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let (status, _, errors) = run(directory.path(), &["demo", "--listen", &taken, "--admin", "127.0.0.1:0"]);
    assert_eq!(status.code(), Some(2), "{errors}");
    for text in [&*taken, "[listener.main] address", "--listen", "another process"] {
        assert!(errors.contains(text), "without {text}:\n{errors}");
    }
}
