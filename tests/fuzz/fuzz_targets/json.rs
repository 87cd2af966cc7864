//! JSON agrees with serde_json: about what is JSON, and about every scalar of it.
#![no_main]

use std::fmt;

use libfuzzer_sys::fuzz_target;
use rampart_message::{Body, Kind, Message, ProblemCode};
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

const FIELDS: &rampart_fuzz::Fields<'_> = &[(b"content-type", b"application/json")];

fuzz_target!(|input: &[u8]| {
    rampart_fuzz::message(b"/", FIELDS, input, compare);
});

fn compare(message: &Message<'_>, body: &Body<'_>) {
    let Some(facts) = message.body else { return };
    let has = |code| message.problems.iter().any(|problem| problem.code == code);
    // What we bound or take where serde_json does not: its depth is 128, it refuses lone surrogates and bytes that are no
    // UTF-8; and an empty body is no document that we would refuse.
    let other = has(ProblemCode::LoneSurrogate) || has(ProblemCode::LimitExceeded) || has(ProblemCode::InvalidCharset);
    if other || body.decoded().is_empty() {
        return;
    }
    let mut strings = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(body.decoded());
    let theirs = Strings(&mut strings).deserialize(&mut parser).and_then(|()| parser.end());
    if theirs.as_ref().is_err_and(|error| error.to_string().starts_with("number out of range")) {
        return; // Here a number is text, of any size.
    }
    assert_eq!(facts.well_formed, theirs.is_ok(), "{theirs:?}");
    if theirs.is_ok() {
        let texts = message.values.iter().filter(|value| value.kind == Kind::Json);
        let texts = texts.filter(|value| value.aspect == rampart_message::Aspect::Text);
        assert!(texts.map(|value| &value.bytes[..]).eq(strings.iter().map(String::as_bytes)));
    }
}

/// Collects every string of a document in order, those under repeated keys too.
struct Strings<'s>(&'s mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(text.to_owned());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Strings(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(_key) = members.next_key::<String>()? {
            members.next_value_seed(Strings(self.0))?;
        }
        Ok(())
    }
}
