//! The query against what its route takes: after identity, before inspection.
//!
//! What this rewrites is what is inspected, forwarded and (later) cached; nobody after it sees the query as received.

use std::borrow::Cow;

use bytes::Bytes;
use rampart_message::{Head, Target};
use rampart_policy::Route;
use rampart_policy::query::Checked;

use crate::{Admission, Code, Refusal, Request};

/// What becomes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// It goes on as it is.
    Unchanged,
    /// It goes on as this, without its `?`. Empty: there is none any more. See [`retarget`] and [`readmit`].
    Rewritten(Bytes),
    /// The request is refused.
    Refused(Box<Refusal>),
}

/// Judges the query of a request's target, given without its `?`.
///
/// It is the route that says what it takes, not its profile: this refuses in mode `detect` too.
pub fn check(route: &Route, raw_query: Option<&[u8]>) -> Query {
    match route.query.check(raw_query) {
        Checked::Unchanged => Query::Unchanged,
        Checked::Rewritten(query) => Query::Rewritten(query.into()),
        Checked::Refused(violation) => {
            let error: Cow<'static, str> = if route.profile.disclose_location {
                violation.to_string().into()
            } else {
                "A query parameter is not what this place takes".into()
            };
            let detail = "Send the parameters as this place documents them";
            Query::Refused(Box::new(Refusal::new(Code::QueryRefused, error, detail).because(violation.to_string())))
        }
    }
}

/// The request target with another query. All before its `?` stays as received.
pub fn retarget(target: &[u8], query: &[u8]) -> Bytes {
    let before = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mark: &[u8] = if query.is_empty() { b"" } else { b"?" };
    [before, mark, query].concat().into()
}

/// The admission of the same request with another query, `target` being what [`retarget`] made of the old one.
///
/// The route stays. It was chosen, and whoever asks was let in, by the query as received: to look for a route again would
/// let a request in by the rules of one route and send it by another, and two routes that clamp towards each other would
/// never come to an end.
#[must_use]
pub fn readmit<'s, 'h>(admission: Admission<'s, 'h>, target: &'h [u8]) -> Admission<'s, 'h> {
    let Request { head, path, origin, .. } = admission.request;
    let request = Request { head: Head { target, ..head }, target: Target::split(head.method, target), path, origin };
    Admission { request, ..admission }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rampart_inspection::Connection;
    use rampart_message::{Headers, Version};
    use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, Snapshot, load_embedded};

    use super::*;
    use crate::{Declared, Origin, Seen, Workspace, admit, judge};

    const CONFIG: &str = r#"
version = 1
[listener.main]
address = "127.0.0.1:0"
[upstream.agents]
addresses = ["http://127.0.0.1:9"]
"#;

    const RULES: &str = r#"
version = 1
[profile.default]
[profile.watch]
extends = "default"
mode = "detect"
[profile.quiet]
extends = "default"
disclose_location = false

[[route]]
name = "list"
match = { path = "/list" }
upstream = "agents"
query = { limit = { integer = { min = 1, max = 100 } }, page = { integer = { max = 9 }, on_violation = "clamp" } }

[[rule]]
id = "sqli-drop-table"
targets = ["args"]
transform = ["lowercase"]
match = { regex = '\bdrop\s+table\b' }
category = "sqli"
severity = "critical"

[[route]]
name = "tidy"
match = { path = "/tidy", query = { page = { present = true } } }
upstream = "agents"
query = { id = {}, n = { integer = { max = 5 }, on_violation = "clamp" } }
query_unknown = "drop"

[[route]]
name = "rest"
match = { path = "/**" }
upstream = "agents"

[[route]]
name = "watched"
match = { path = "/watched" }
upstream = "agents"
inspection = "watch"
query_unknown = "reject"

[[route]]
name = "quiet"
match = { path = "/quiet" }
upstream = "agents"
inspection = "quiet"
query_unknown = "reject"
"#;

    fn snapshot() -> Snapshot {
        let options =
            LoadOptions { config: "config.toml".into(), environment: Environment::empty(), secrets: Secrets::Require };
        let embedded = Embedded { config: ("config.toml", CONFIG), rules: &[("rules/all.toml", RULES)] };
        let (report, snapshot) = load_embedded(&embedded, &options);
        let shown: Vec<String> = report.into_sorted().iter().map(ToString::to_string).collect();
        snapshot.unwrap_or_else(|| panic!("{}", shown.join("\n")))
    }

    fn asked(route: &str, query: &str) -> Query {
        let snapshot = snapshot();
        check(snapshot.routes.iter().find(|found| *found.name == *route).unwrap(), Some(query.as_bytes()))
    }

    fn refused(route: &str, query: &str) -> Refusal {
        match asked(route, query) {
            Query::Refused(refusal) => *refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn queries_pass_change_or_are_refused() {
        assert_eq!(asked("list", "limit=5&x=1"), Query::Unchanged);
        assert_eq!(asked("list", "limit=5&page=10"), Query::Rewritten(Bytes::from_static(b"limit=5&page=9")));
        let refusal = refused("list", "limit=101");
        assert_eq!((refusal.code, refusal.status), (Code::QueryRefused, 400));
        assert_eq!(refusal.error, "Query parameter \"limit\" must be an integer from 1 to 100");
    }

    #[test]
    fn a_route_refuses_whatever_its_profile_does() {
        assert_eq!(refused("watched", "x=1").error, "Query parameter \"x\" is not taken here");
    }

    #[test]
    fn a_profile_that_discloses_nothing_names_no_parameter() {
        assert_eq!(refused("quiet", "x=1").error, "A query parameter is not what this place takes");
    }

    /// `tidy` matches by a parameter that it then drops: a route that looks again would be `rest`.
    #[test]
    fn the_route_stays_and_inspection_sees_what_is_left() {
        let snapshot = snapshot();
        let headers = [(&b"Host"[..], &b"a"[..])];
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let connection = Connection { client: address, server: address };
        let origin = Origin { connection, request_id: "id", now: SystemTime::UNIX_EPOCH };
        let mut workspace = Workspace::default();
        let mut decide = |target: &str| {
            let target = target.as_bytes();
            let (version, headers) = (Version::Http11, Headers::new(&headers));
            let head = Head { method: b"GET", target, version, authority: None, headers };
            let admission = admit(&snapshot, &head, origin, Declared::Nothing, &mut workspace).unwrap();
            let query = admission.request.target.unwrap().query;
            let Query::Rewritten(query) = super::check(admission.route, query) else { panic!("{query:?}") };
            let fresh = retarget(target, &query);
            let admission = readmit(admission, &fresh);
            let (route, path) = (admission.route, admission.request.path.clone().unwrap());
            assert_eq!((&*route.name, path.as_bytes()), ("tidy", &b"/tidy"[..]));
            let judged = judge(route, admission.request, Seen::Whole(&[]), &mut workspace);
            (String::from_utf8(fresh.to_vec()).unwrap(), judged.refusal.map(|refusal| refusal.code))
        };
        assert_eq!(decide("/tidy?page=drop+table&n=9"), ("/tidy?n=5".to_owned(), None));
        assert_eq!(decide("/./tidy?page&n=9"), ("/./tidy?n=5".to_owned(), None));
        let blocked = Some(Code::PayloadBlocked);
        assert_eq!(decide("/tidy?page&id=drop+table"), ("/tidy?id=drop+table".to_owned(), blocked));
    }

    #[test]
    fn targets_with_another_query() {
        #[track_caller]
        fn check(target: &str, query: &str, expect: &str) {
            assert_eq!(retarget(target.as_bytes(), query.as_bytes()), expect.as_bytes());
        }
        check("/a?b=1", "b=2", "/a?b=2");
        check("/a?b=1", "", "/a");
        check("/a?b=1?c", "b=2", "/a?b=2");
        check("http://h/a?b", "c", "http://h/a?c");
        check("/%3f", "", "/%3f");
    }
}
