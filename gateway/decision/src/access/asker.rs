//! The request as quotas and identity look at it.

use std::borrow::Cow;
use std::net::IpAddr;

use rampart_identity::Principal;
use rampart_limits::KeySource;
use rampart_message::cookies;
use rampart_message::percent::{Plus, decode};

use super::Asking;
use crate::Declared;

/// A request, and who sent it as far as that is known.
pub(super) struct Asker<'a, 'h> {
    pub(super) asking: Asking<'a, 'h>,
    pub(super) principal: Option<&'a Principal>,
    pub(super) label: Option<&'a str>,
}

/// What is there once. Of several the upstream may take another one than was counted: then it is as if there were none.
fn only<T>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

impl KeySource for Asker<'_, '_> {
    fn client(&self) -> IpAddr {
        self.asking.client
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        only(self.asking.request.head.headers.get_all(name)).map(Cow::Borrowed)
    }

    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let fields = self.asking.request.head.headers.get_all("cookie").flat_map(cookies::split);
        let named = fields.filter(|(given, _)| *given == Some(name.as_bytes()));
        only(named.map(|(_, value)| value)).map(Cow::Borrowed)
    }

    /// The parameter of this name, in whatever spelling.
    fn query(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let query = self.asking.request.target.as_ref()?.query?;
        only(query.split(|byte| *byte == b'&').filter_map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let given = decode(halves.next()?, Plus::Space);
            let value = halves.next().unwrap_or_default();
            (*given.bytes == *name.as_bytes()).then(|| decode(value, Plus::Space).bytes)
        }))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        self.principal?.claim(name)
    }

    /// With its issuer: `alice` of two issuers is two callers.
    fn subject(&self) -> Option<&str> {
        self.label
    }

    fn tenant(&self) -> Option<&str> {
        self.principal.map(|principal| &*principal.tenant)
    }

    fn api_key(&self) -> Option<&str> {
        self.principal?.api_key()
    }

    fn route(&self) -> &str {
        &self.asking.route.name
    }

    /// A method that is no text is none that anything here takes.
    fn method(&self) -> &str {
        std::str::from_utf8(self.asking.request.head.method).unwrap_or_default()
    }

    fn request_bytes(&self) -> Option<u64> {
        match self.asking.declared {
            Declared::Nothing => Some(0),
            Declared::Length(bytes) => Some(bytes),
            Declared::Unknown => None,
        }
    }
}
