//! `[cors.NAME]`, checked.

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, Method};
use rampart_settings::{Duration, Place};

use super::origin::{Origins, Pattern};
use super::{Cors, RawCors};

/// What browsers of every kind cap it at.
const LONGEST_MAX_AGE: Duration = Duration::hours(24);

/// Items of each list at most, as in the schema.
const MAX_ORIGINS: usize = 256;

impl Cors {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. The value is used only if
    /// nothing was reported as an error.
    pub fn compile(raw: &RawCors, place: &Place<'_>) -> Self {
        let max_age = raw.max_age.min(LONGEST_MAX_AGE);
        if raw.max_age > LONGEST_MAX_AGE {
            place.key("max_age").error(format!("{} is too long: at most {LONGEST_MAX_AGE}", raw.max_age));
        }
        Self {
            origins: compile_origins(raw, &place.key("origins")),
            methods: compile_methods(raw, &place.key("methods")),
            headers: compile_names(&raw.headers, &place.key("headers")),
            expose: compile_names(&raw.expose, &place.key("expose")),
            credentials: raw.credentials,
            max_age: HeaderValue::from(max_age.get().as_secs()),
            private_network: raw.private_network,
            enforce: raw.enforce,
        }
    }
}

fn compile_origins(raw: &RawCors, place: &Place<'_>) -> Origins {
    match raw.origins.len() {
        0 => place.error_help("no origin is allowed", "list them, or remove `cors` from the routes"),
        count if count > MAX_ORIGINS => place.error(format!("{count} origins are more than {MAX_ORIGINS}")),
        _ => {}
    }
    let mut exact: BTreeSet<Box<[u8]>> = BTreeSet::new();
    let mut wildcards = Vec::new();
    let mut any = false;
    for (index, text) in raw.origins.iter().take(MAX_ORIGINS).enumerate() {
        let place = place.index(index);
        let pattern = match Pattern::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => {
                place.error_help(format!("\"{text}\" is no origin: {error}"), "such as \"https://app.example.com\"");
                continue;
            }
        };
        warn(&pattern, text, raw, &place);
        let fresh = match pattern {
            Pattern::Any => !std::mem::replace(&mut any, true),
            Pattern::Null => exact.insert(b"null".as_slice().into()),
            Pattern::Exact(origin) => exact.insert(origin.into_bytes().into()),
            Pattern::Wildcard(wildcard) => {
                let fresh = !wildcards.contains(&wildcard);
                wildcards.push(wildcard);
                fresh
            }
        };
        if !fresh {
            place.error(format!("\"{text}\" is listed twice"));
        }
    }
    if any {
        check_any(raw, place);
        return Origins::Any;
    }
    Origins::Listed { exact, wildcards: wildcards.into() }
}

fn check_any(raw: &RawCors, place: &Place<'_>) {
    if raw.credentials {
        place.error_help(
            "\"*\" with credentials = true would let every page of the world act as the user",
            "list the origins that may, or remove credentials",
        );
    }
    if raw.origins.len() > 1 {
        place.error_help("\"*\" is every origin, so the others say nothing", "write it alone, or remove it");
    }
    if raw.enforce {
        place.error_help("enforce = true refuses nobody where every origin is allowed", "remove one of the two");
    }
}

fn warn(pattern: &Pattern, text: &str, raw: &RawCors, place: &Place<'_>) {
    match pattern {
        Pattern::Null => place.warn(
            "\"null\" is the origin of sandboxed frames and local files: any page can make itself one",
            "remove it, unless only such pages use the route and it is public",
        ),
        Pattern::Wildcard(wildcard) if raw.credentials && wildcard.fixed_labels() < 3 => place.warn(
            format!("every page below \"{text}\" can act as the user, also one whose name was taken over"),
            "list the origins that need credentials",
        ),
        pattern if raw.credentials && pattern.is_plain_http() => {
            place
                .warn(format!("whoever is on the path of \"{text}\" can act as the user"), "serve the page over https");
        }
        _ => {}
    }
}

fn compile_methods(raw: &RawCors, place: &Place<'_>) -> Option<HeaderValue> {
    let mut seen = BTreeSet::new();
    for (index, name) in raw.methods.iter().enumerate() {
        let place = place.index(index);
        match Method::from_bytes(name.as_bytes()) {
            Ok(_) if name == "*" => place.error_help("no wildcard here", "list the methods"),
            // Forbidden to pages in any case (Fetch section 2.2.1).
            Ok(Method::CONNECT | Method::TRACE) => place.error(format!("no browser sends {name} for a page")),
            Ok(_) if name.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                place.error_help(format!("\"{name}\": methods are written in capitals"), name.to_ascii_uppercase());
            }
            Ok(_) if !seen.insert(name.as_str()) => place.error(format!("\"{name}\" is listed twice")),
            Ok(_) => {}
            Err(_) => place.error(format!("{name:?} is not a method")),
        }
    }
    joined(&seen)
}

fn compile_names(names: &[String], place: &Place<'_>) -> Option<HeaderValue> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let place = place.index(index);
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(_) if name == "*" => place.error_help("no wildcard here", "list the headers"),
            Ok(header) if !seen.insert(header.as_str().to_owned()) => {
                place.error(format!("\"{name}\" is listed twice"));
            }
            Ok(_) => {}
            Err(_) => place.error(format!("{name:?} is not the name of a header")),
        }
    }
    joined(&seen)
}

fn joined<T: AsRef<str>>(words: &BTreeSet<T>) -> Option<HeaderValue> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    if words.is_empty() { None } else { HeaderValue::from_str(&words.join(", ")).ok() }
}
