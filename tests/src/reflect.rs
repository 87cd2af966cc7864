//! The origin that the Core Rule Set's cases expect: `POST /reflect` gets the answer that its JSON asks for (`status`,
//! `headers`, `body`, `encodedBody`), everything else 200 without a body.
//!
//! Written apart from the one in the gateway's binary, so that a mistake of one is not also a mistake of the other.

use bytes::Bytes;
use serde_json::Value;

use crate::origin::{Answer, Seen};

/// The answer to a request.
pub fn reflect(seen: &Seen) -> Answer {
    let path = seen.target.split('?').next().unwrap_or_default();
    if seen.method != "POST" || path != "/reflect" {
        return Answer::Full { status: 200, headers: Vec::new(), body: Bytes::new() };
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&seen.body) else { return Answer::status(400) };
    let body = match (asked["body"].as_str(), asked["encodedBody"].as_str()) {
        (Some(body), _) => body.as_bytes().to_vec(),
        (None, Some(encoded)) => from_base64(encoded),
        (None, None) => Vec::new(),
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in asked["headers"].as_object().into_iter().flatten() {
        headers.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".into(), "text/plain; charset=utf-8".into()));
    }
    let status = asked["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    Answer::Full { status, headers, body: body.into() }
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = ALPHABET.iter().position(|known| *known == byte).expect("base64");
        bits = bits << 6 | u32::try_from(digit).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, expect) in [("", ""), ("aGk=", "hi"), ("aGV5", "hey"), ("YQ==", "a")] {
            assert_eq!(from_base64(text), expect.as_bytes());
        }
    }
}
