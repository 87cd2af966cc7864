//! Why there is no answer.

use std::io;
use std::time::Duration;

use crate::client::MAX_REDIRECTS;

/// Why there is no answer. No message repeats a path or a query: they may hold what only two sides know.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is no absolute URL of `https` (or `http`), or it holds a user name.
    #[error("the address is no URL that can be fetched: https://HOST[:PORT]/PATH")]
    Address,
    /// The URL is `http`, and [`Options::plain_http`](crate::Options::plain_http) is not set.
    #[error("{host} would be asked over plain HTTP, which is not allowed here")]
    PlainHttp {
        /// Who would be asked.
        host: String,
    },
    /// The name does not resolve.
    #[error("the name {host} cannot be resolved: {source}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// None of the addresses takes a connection.
    #[error("no connection to {host}: {source}")]
    Connect {
        /// Who was asked.
        host: String,
        /// What the last attempt says.
        source: io::Error,
    },
    /// The certificate is not good, or the handshake failed.
    #[error("no secure connection to {host}: {source}")]
    Tls {
        /// Who was asked.
        host: String,
        /// What is wrong.
        source: io::Error,
    },
    /// What came is no response, or it ended before its end.
    #[error("{host} does not answer as HTTP says: {source}")]
    Protocol {
        /// Who was asked.
        host: String,
        /// What is wrong.
        source: hyper::Error,
    },
    /// The response is coded in a way that was not asked for.
    #[error("{host} answers with a content coding that was not asked for")]
    Encoding {
        /// Who was asked.
        host: String,
    },
    /// The body is longer than allowed.
    #[error("{host} answers with more than {limit_bytes} bytes")]
    TooLarge {
        /// Who was asked.
        host: String,
        /// What was allowed.
        limit_bytes: usize,
    },
    /// A redirect to another origin, to nowhere, or one too many.
    #[error("{host} redirects elsewhere, or more than {MAX_REDIRECTS} times")]
    Redirect {
        /// Who was asked.
        host: String,
    },
    /// Not done within the deadline.
    #[error("{host} did not answer within {deadline:?}")]
    Deadline {
        /// Who was asked.
        host: String,
        /// The deadline.
        deadline: Duration,
    },
    /// The system has no certificate authorities, and none were given.
    #[error("this system has no certificate authorities: install its ca-certificates, or name a file of your own")]
    NoAuthorities,
    /// The authorities that were given cannot be used.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
}

impl FetchError {
    /// What kind it is, in one word, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address | Self::PlainHttp { .. } => "address",
            Self::Name { .. } => "name",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } | Self::NoAuthorities | Self::Authorities(_) => "tls",
            Self::Protocol { .. } | Self::Encoding { .. } => "protocol",
            Self::TooLarge { .. } => "too_large",
            Self::Redirect { .. } => "redirect",
            Self::Deadline { .. } => "deadline",
        }
    }
}
