//! One entry of a JSON Web Key Set (RFC 7517 section 4; the members of each type: RFC 7518 section 6, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Unused, shown};
use crate::jwt::{Algorithm, Family, Key};

/// Members that hold a private key or a part of one.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The longest `kid`, in bytes.
const MAX_ID_BYTES: usize = 256;

pub(super) fn read(entry: &Value, algorithms: &[Algorithm]) -> Result<Key, Unused> {
    let kind = text(entry, "kty")?.ok_or(Unused::Member("kty"))?;
    if kind == "oct" {
        return Err(Unused::Secret);
    }
    if PRIVATE.iter().any(|name| entry.get(*name).is_some()) {
        return Err(Unused::Private);
    }
    if !is_for_signatures(entry)? {
        return Err(Unused::Use);
    }
    let bound = bound_to(entry, algorithms)?;
    let algorithms = bound.as_ref().map_or(algorithms, std::slice::from_ref);
    let key = match kind {
        "RSA" => Key::rsa(&bytes(entry, "n")?, &bytes(entry, "e")?, algorithms)?,
        "EC" => on_curve(entry, algorithms)?,
        "OKP" => match text(entry, "crv")? {
            Some("Ed25519") => Key::ed25519(&bytes(entry, "x")?, algorithms)?,
            other => return Err(Unused::Type(format!("OKP {}", shown(other.unwrap_or_default())))),
        },
        other => return Err(Unused::Type(shown(other))),
    };
    let id = text(entry, "kid")?;
    if id.is_some_and(|id| id.len() > MAX_ID_BYTES) {
        return Err(Unused::Member("kid"));
    }
    Ok(key.named(id))
}

/// `use` and `key_ops` say what a key is for; without them it is for anything.
fn is_for_signatures(entry: &Value) -> Result<bool, Unused> {
    if text(entry, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Ok(false);
    }
    match entry.get("key_ops") {
        None => Ok(true),
        Some(Value::Array(operations)) => Ok(operations.iter().any(|each| each == "verify")),
        Some(_) => Err(Unused::Member("key_ops")),
    }
}

/// The one algorithm that a key is for, where it says so.
fn bound_to(entry: &Value, algorithms: &[Algorithm]) -> Result<Option<Algorithm>, Unused> {
    let Some(name) = text(entry, "alg")? else { return Ok(None) };
    match Algorithm::parse(name).filter(|each| algorithms.contains(each)) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(Unused::Algorithm(shown(name))),
    }
}

fn on_curve(entry: &Value, algorithms: &[Algorithm]) -> Result<Key, Unused> {
    let family = match text(entry, "crv")? {
        Some("P-256") => Family::P256,
        Some("P-384") => Family::P384,
        other => return Err(Unused::Type(format!("EC {}", shown(other.unwrap_or_default())))),
    };
    // Coordinates are as long as the field, zeros in front included (RFC 7518 section 6.2.1.2); a point of another
    // length is refused below.
    let (x, y) = (bytes(entry, "x")?, bytes(entry, "y")?);
    if x.len() != y.len() {
        return Err(Unused::Member("y"));
    }
    Ok(Key::curve(&[&[4], x.as_slice(), y.as_slice()].concat(), family, algorithms)?)
}

fn text<'e>(entry: &'e Value, name: &'static str) -> Result<Option<&'e str>, Unused> {
    match entry.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unused::Member(name)),
    }
}

fn bytes(entry: &Value, name: &'static str) -> Result<Vec<u8>, Unused> {
    let text = text(entry, name)?.ok_or(Unused::Member(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Unused::Member(name))
}
