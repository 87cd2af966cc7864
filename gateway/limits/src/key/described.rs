//! A request that somebody describes, to ask how its key stands: `client_address=192.0.2.1`, `route=login`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use super::{InvalidKeyPart, KeyPart, KeySource};

/// The parts of a key as an admin writes them. What is not written is missing, as it would be in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    client: IpAddr,
    values: Vec<(KeyPart, String)>,
}

/// Why a text describes no part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// No `=`.
    #[error("\"{0}\" is not a part and its value, such as client_address=192.0.2.1")]
    NoValue(String),
    /// Not a part.
    #[error("\"{0}\": {1}")]
    Part(String, InvalidKeyPart),
    /// Not an address.
    #[error("\"{0}\" is not an IP address")]
    Address(String),
    /// Nothing says who the client is.
    #[error("client_address is missing: a key of this quota may count under it")]
    NoAddress,
}

impl Described {
    /// Reads texts such as `client_address=192.0.2.1` or `header:x-session=abc`. The address is needed unless every
    /// part of `key` has a value of its own.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>, key: &[KeyPart]) -> Result<Self, InvalidDescription> {
        let (mut client, mut values) = (None, Vec::new());
        for text in texts {
            let (part, value) = text.split_once('=').ok_or_else(|| InvalidDescription::NoValue(text.to_owned()))?;
            match KeyPart::parse(part).map_err(|error| InvalidDescription::Part(part.to_owned(), error))? {
                KeyPart::ClientAddress => {
                    let address = value.parse().map_err(|_| InvalidDescription::Address(value.to_owned()))?;
                    client = Some(address);
                }
                part => values.push((part, value.to_owned())),
            }
        }
        let stands_alone = |part: &KeyPart| values.iter().any(|(other, value)| other == part && !value.is_empty());
        match client {
            None if !key.iter().all(stands_alone) => Err(InvalidDescription::NoAddress),
            client => Ok(Self { client: client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), values }),
        }
    }

    fn value(&self, part: &KeyPart) -> Option<&str> {
        self.values.iter().find(|(other, _)| other == part).map(|(_, value)| value.as_str())
    }

    fn bytes(&self, part: &KeyPart) -> Option<Cow<'_, [u8]>> {
        self.value(part).map(|value| Cow::Borrowed(value.as_bytes()))
    }
}

impl KeySource for Described {
    fn client(&self) -> IpAddr {
        self.client
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.bytes(&KeyPart::Header(name.into()))
    }

    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.bytes(&KeyPart::Cookie(name.into()))
    }

    fn query(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.bytes(&KeyPart::Query(name.into()))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(&KeyPart::Claim(name.into())).map(Cow::Borrowed)
    }

    fn subject(&self) -> Option<&str> {
        self.value(&KeyPart::Subject)
    }

    fn tenant(&self) -> Option<&str> {
        self.value(&KeyPart::Tenant)
    }

    fn api_key(&self) -> Option<&str> {
        self.value(&KeyPart::ApiKey)
    }

    fn route(&self) -> &str {
        self.value(&KeyPart::Route).unwrap_or_default()
    }

    fn method(&self) -> &str {
        self.value(&KeyPart::Method).unwrap_or_default()
    }

    fn request_bytes(&self) -> Option<u64> {
        None
    }
}
