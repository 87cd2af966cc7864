//! What goes to a script and what comes back: integers, bytes, and lists of them.
//!
//! Floating point numbers are left out on purpose: Redis cuts them to integers on the way out of a script.

use bytes::Bytes;

/// An argument of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// Sent as decimal digits.
    Int(i64),
    /// Sent as it is.
    Bytes(Bytes),
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: a key that is not there, Lua's `false` or `nil`.
    Nil,
    /// A number.
    Int(i64),
    /// A string, or a status such as `OK`.
    Bytes(Bytes),
    /// Lua's table, up to its first nil.
    List(Vec<Value>),
}

// === impl Arg ===

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<&'static str> for Arg {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<Vec<u8>> for Arg {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<Bytes> for Arg {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

// === impl Value ===

impl Value {
    /// The number; also where it came as digits.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Nil | Self::List(_) => None,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Nil | Self::Int(_) | Self::List(_) => None,
        }
    }

    /// The items; none where it is no list.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Nil | Self::Int(_) | Self::Bytes(_) => &[],
        }
    }
}
