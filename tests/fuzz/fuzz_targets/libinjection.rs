//! libinjection: any bytes get a verdict, and it is the same with the letters' case turned round (but for what SQL, HTML
//! and SQL Server's log tell apart by case).
#![no_main]

use libfuzzer_sys::fuzz_target;
use rampart_inspection::{detect_sqli, detect_xss};

fuzz_target!(|input: &[u8]| {
    let sqli = detect_sqli(input);
    if let Some(fingerprint) = sqli {
        assert!((1..=5).contains(&fingerprint.as_bytes().len()));
        assert!(fingerprint.as_bytes().iter().all(u8::is_ascii_graphic));
    }
    let xss = detect_xss(input);
    assert!(!xss || input.iter().any(|byte| matches!(byte, b'<' | b'=')));

    let swap = |byte: &u8| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { *byte };
    let swapped: Vec<u8> = input.iter().map(swap).collect();
    let holds = |word: &[u8]| input.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    if !holds(b"\\n") && !holds(b"sp_password") {
        assert_eq!(detect_sqli(&swapped), sqli);
    }
    if !holds(b"[cdata[") {
        assert_eq!(detect_xss(&swapped), xss);
    }
});
