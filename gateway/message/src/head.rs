//! The head of a request as it was received: bytes, nothing decoded, nothing dropped.
//!
//! It borrows from whoever read the head (Pingora, a replay file, a test), so building one costs nothing. Names and
//! values are bytes because that is what travels (RFC 9110 section 5.5: a field value may hold obs-text); order and
//! spelling are kept because rules look at them.

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

impl Version {
    /// The name as a request line or a log shows it: `HTTP/1.1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }
}

/// Everything of a request before its body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method as received; case matters (RFC 9110 section 9.1).
    pub method: &'a [u8],
    /// The request target as received (`/a?b=c`, `http://host/a`, `*`); for HTTP/2 the `:path` pseudo-header.
    pub target: &'a [u8],
    /// The protocol version.
    pub version: Version,
    /// The `:authority` of HTTP/2, or what the reader took for the authority; the `Host` field stays in `headers`.
    pub authority: Option<&'a [u8]>,
    /// The fields in the order received, without pseudo-headers.
    pub headers: Headers<'a>,
}

/// Everything of a response before its body.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status code (RFC 9110 section 15).
    pub status: u16,
    /// The protocol version in which it goes to the client.
    pub version: Version,
    /// The fields in the order received.
    pub headers: Headers<'a>,
}

/// The fields of a message over a borrowed slice of `(name as received, value)`. Names compare without case.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    fields: &'a [(&'a [u8], &'a [u8])],
}

impl<'a> Headers<'a> {
    /// Looks at `fields`, in the order received.
    pub const fn new(fields: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self { fields }
    }

    /// The value of the first field called `name`.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields called `name`, in order.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// All fields in order, `(name as received, value)`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.fields.iter().copied()
    }

    /// How many fields there are.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field at all.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_order_is_kept() {
        let fields: [(&[u8], &[u8]); 3] = [(b"Host", b"a"), (b"X-A", b"1"), (b"x-a", b"2")];
        let headers = Headers::new(&fields);
        assert_eq!(headers.get("HOST"), Some(&b"a"[..]));
        assert_eq!(headers.get("host-x"), None);
        assert_eq!(headers.get_all("X-a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&b"Host"[..], b"X-A", b"x-a"]);
    }
}
