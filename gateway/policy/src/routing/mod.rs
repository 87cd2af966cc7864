//! Which route a request takes.

use rampart_message::Headers;

use crate::route::Route;

/// What a request is routed by.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Host or authority as received, a port with it if any; empty if there was none.
    pub host: &'a [u8],
    /// The normalised path.
    pub path: &'a [u8],
    /// The raw query, without `?`; empty if there was none.
    pub query: &'a [u8],
    /// The header fields.
    pub headers: Headers<'a>,
    /// The method as received.
    pub method: &'a [u8],
}

/// Where a request belongs.
#[derive(Debug)]
pub enum Routed<'s> {
    /// To this route.
    Found(&'s Route),
    /// There are routes for the place, but none for the method.
    MethodNotAllowed {
        /// The methods that there are, for the `Allow` field.
        allow: String,
    },
    /// There is no route for the place.
    NotFound,
}

/// Chooses among routes.
#[derive(Debug, Default)]
pub struct Router {}

impl Router {
    pub(crate) fn route<'s>(&self, _routes: &'s [Route], _query: &Query<'_>) -> Routed<'s> {
        Routed::NotFound
    }
}
