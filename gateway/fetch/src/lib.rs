//! One small HTTPS client, for key sets and secret providers.
//!
//! It asks rarely, for little, and only what an operator has named: so every request opens a connection of its own and
//! closes it. Everything is bounded: one deadline from the look-up of the name to the last byte, a limit for the body
//! and for the header, redirects to the same origin only, and few. TLS is verified always.
//!
//! Never here: a pool of connections, a proxy (the environment's are not looked at), cookies, credentials, request
//! bodies, compression.

mod authorities;
mod client;
mod error;
mod target;

pub use authorities::check_authorities;
pub use client::{Client, MAX_REDIRECTS, Options, Response};
pub use error::FetchError;
