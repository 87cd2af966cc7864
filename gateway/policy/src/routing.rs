//! Which route a request takes.
//!
//! Host and path choose the place, conditions let a route stand aside, methods choose among the routes of the place:
//!
//! 1. of the routes whose host, path and conditions fit, those with the most specific host, then path, remain;
//! 2. of these, those that take the method; if none does, the answer is 405 with `Allow`, even if a less specific
//!    route would take it: `methods = ["POST"]` on `/auth/**` is not undone by a `/**` for the rest;
//! 3. of these, the one with more conditions, then the one that lists methods. Two that are alike are an error of the
//!    configuration ([`ties`]), so the order of files never decides.
//!
//! Exact paths are found by one hash look-up, the others by a walk down a trie of segments; nothing is allocated.

mod condition;
mod host;
mod method;
mod pattern;
mod table;
mod ties;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use rampart_message::Headers;

use crate::route::Route;

pub(crate) use condition::{Conditions, compile_conditions, compile_regex};
pub(crate) use host::HostPattern;
pub(crate) use method::Methods;
pub(crate) use pattern::Pattern;
pub(crate) use ties::ties;

use host::Folded;
use table::{Search, Table};

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
        /// The methods that there are, for the `Allow` field (RFC 9110 section 10.2.1).
        allow: String,
    },
    /// There is no route for the place.
    NotFound,
}

/// What a route matches, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) path: Pattern,
    pub(crate) methods: Methods,
    pub(crate) conditions: Conditions,
}

impl Matcher {
    /// How specific the route is among those for the same place: greater wins.
    pub(crate) fn narrowness(&self) -> (usize, bool) {
        (self.conditions.len(), self.methods.is_listed())
    }
}

/// Chooses among routes.
#[derive(Debug, Default)]
pub struct Router {
    matchers: Vec<Matcher>,
    exact: HashMap<Box<[u8]>, Table, RandomState>,
    /// By what follows the `*`: `.example.com`.
    wildcard: HashMap<Box<[u8]>, Table, RandomState>,
    any: Table,
}

/// The outcome as indexes, before it is turned into routes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Route(usize),
    Methods(String),
    Nothing,
}

impl Router {
    /// A router for `matchers`; the position of each is the index of its route.
    pub(crate) fn new(matchers: Vec<Matcher>) -> Self {
        let mut router = Self { matchers, ..Self::default() };
        for (index, matcher) in router.matchers.iter().enumerate() {
            for host in &matcher.hosts {
                let table = match host {
                    HostPattern::Any => &mut router.any,
                    HostPattern::Below(suffix) => router.wildcard.entry(suffix.clone()).or_default(),
                    HostPattern::Exact(name) => router.exact.entry(name.clone()).or_default(),
                };
                table.insert(&matcher.path, index);
            }
        }
        router
    }

    pub(crate) fn route<'s>(&self, routes: &'s [Route], query: &Query<'_>) -> Routed<'s> {
        match self.choose(query) {
            Choice::Route(index) => routes.get(index).map_or(Routed::NotFound, Routed::Found),
            Choice::Methods(allow) => Routed::MethodNotAllowed { allow },
            Choice::Nothing => Routed::NotFound,
        }
    }

    pub(crate) fn choose(&self, query: &Query<'_>) -> Choice {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return self.within(&self.any, query).unwrap_or(Choice::Nothing);
        }
        let folded = Folded::new(query.host);
        let name = folded.name();
        let exact = self.exact.get(name).and_then(|table| self.within(table, query));
        exact
            .or_else(|| {
                let mut suffixes = host::suffixes(name).filter_map(|suffix| self.wildcard.get(suffix));
                suffixes.find_map(|table| self.within(table, query))
            })
            .or_else(|| self.within(&self.any, query))
            .unwrap_or(Choice::Nothing)
    }

    /// The choice among the routes of one host; `None` if none is for the place.
    fn within(&self, table: &Table, query: &Query<'_>) -> Option<Choice> {
        let mut search = Search::new(&self.matchers, query);
        table.search(query.path, &mut search);
        search.finish(table)
    }
}
