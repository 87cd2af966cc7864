//! Request targets and paths: normalising is idempotent, holds URI bytes alone, and what is taken holds no trick.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_message::{PathPolicy, PathProblem, Target, path};

fuzz_target!(|input: &[u8]| {
    for method in [&b"GET"[..], b"OPTIONS", b"CONNECT"] {
        if let Some(target) = Target::split(method, input) {
            let rest = target.path.len() + target.query.map_or(0, <[u8]>::len);
            assert!(rest <= input.len() + 1);
        }
    }
    let once = path::scan(input);
    let twice = path::scan(once.as_bytes());
    assert_eq!(twice.as_bytes(), once.as_bytes());
    assert!(once.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#?[]".contains(byte)));
    let lenient = PathProblem::ALL.into_iter().fold(PathPolicy::STRICT, PathPolicy::allow);
    for (policy, strict) in [(PathPolicy::STRICT, true), (lenient, false)] {
        let Ok(taken) = path::normalise(input, &policy) else { continue };
        let decoded = taken.decoded();
        let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
        assert!(!segments.any(|segment| segment == b".." || segment == b"."));
        if strict {
            assert!(std::str::from_utf8(&decoded).is_ok());
            assert!(!decoded.contains(&0) && !decoded.contains(&b'\\') && !decoded.contains(&b';'));
        }
    }
    rampart_fuzz::message(input, &[], b"", |_, _| {});
});
