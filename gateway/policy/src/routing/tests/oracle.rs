//! The order of ARCHITECTURE.md written down a second time, slowly: every route is looked at, nothing is indexed.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Choice, Router, choose, matcher};

#[derive(Debug, Clone)]
struct Rule {
    host: &'static str,
    path: String,
    methods: Vec<&'static str>,
    header: Option<&'static str>,
    query: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Ask {
    method: &'static str,
    host: &'static str,
    path: String,
    header: Option<&'static str>,
    query: Option<&'static str>,
}

impl Rule {
    fn text(&self) -> String {
        let mut text = self.path.clone();
        if !self.host.is_empty() {
            let _ = write!(text, " host={}", self.host);
        }
        if !self.methods.is_empty() {
            let _ = write!(text, " {}", self.methods.join(","));
        }
        for (kind, value) in [("header", self.header), ("query", self.query)] {
            if let Some(value) = value {
                let _ = write!(text, " {kind}:x={value}");
            }
        }
        text
    }

    fn host_rank(&self, host: &str) -> Option<usize> {
        match self.host.strip_prefix('*') {
            _ if self.host.is_empty() => Some(0),
            Some(suffix) => (host.len() > suffix.len() && host.ends_with(suffix)).then_some(suffix.len()),
            None => (self.host == host).then_some(usize::MAX),
        }
    }

    fn fits(&self, ask: &Ask) -> bool {
        let path: Vec<&str> = ask.path.split('/').collect();
        let own: Vec<&str> = self.path.split('/').collect();
        self.host_rank(ask.host).is_some()
            && segments_fit(&own, &path)
            && self.header.is_none_or(|wanted| ask.header == Some(wanted))
            && self.query.is_none_or(|wanted| ask.query == Some(wanted))
    }

    fn takes(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.contains(&method) || (method == "HEAD" && self.methods.contains(&"GET"))
    }

    /// Exact first, then the longer literal prefix, then the fewer segments left to wildcards: none to `**`, else more
    /// literal ones, else more of them.
    fn path_rank(&self) -> (bool, usize, bool, usize, usize) {
        let prefix = self.path.find('*').unwrap_or_default();
        let before_tail = self.path.strip_suffix("/**").unwrap_or(&self.path);
        let literals = before_tail.split('/').skip(1).filter(|segment| *segment != "*").count();
        let open = self.path.ends_with("**");
        (!self.path.contains('*'), prefix, !open, literals, before_tail.split('/').skip(1).count())
    }

    fn narrowness(&self) -> (usize, bool) {
        let conditions = usize::from(self.header.is_some()) + usize::from(self.query.is_some());
        (conditions, !self.methods.is_empty())
    }
}

fn segments_fit(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (Some((&"**", _)), _) | (None, None) => true,
        (Some((&"*", pattern)), Some((segment, path))) => !segment.is_empty() && segments_fit(pattern, path),
        (Some((literal, pattern)), Some((segment, path))) => literal == segment && segments_fit(pattern, path),
        _ => false,
    }
}

fn expected(rules: &[Rule], ask: &Ask) -> Choice {
    let fitting: Vec<usize> = (0..rules.len()).filter(|index| rules[*index].fits(ask)).collect();
    let place = |index: &usize| (rules[*index].host_rank(ask.host), rules[*index].path_rank());
    let Some(best) = fitting.iter().map(place).max() else { return Choice::Nothing };
    let of_the_place: Vec<usize> = fitting.into_iter().filter(|index| place(index) == best).collect();
    let taking = of_the_place.iter().copied().filter(|index| rules[*index].takes(ask.method));
    let taken = taking.max_by_key(|index| (rules[*index].narrowness(), std::cmp::Reverse(*index)));
    taken.map_or_else(
        || {
            let order = ["GET", "HEAD", "POST", "DELETE", "PURGE"];
            let allowed = order.into_iter().filter(|name| of_the_place.iter().any(|index| rules[*index].takes(name)));
            Choice::Methods(allowed.collect::<Vec<_>>().join(", "))
        },
        Choice::Route,
    )
}

fn joined(segments: &[&str]) -> String {
    segments.iter().flat_map(|segment| ["/", segment]).collect()
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let segment = prop_oneof![3 => Just("a"), 3 => Just("b"), 2 => Just("*"), 1 => Just("ab")];
    let path = (prop::collection::vec(segment, 0..4), prop_oneof![Just(""), Just("/**"), Just("/")]).prop_map(
        |(segments, end)| {
            let path = joined(&segments);
            if path.is_empty() && end.is_empty() { "/".to_owned() } else { path + end }
        },
    );
    let host = prop_oneof![4 => Just(""), 2 => Just("a.x"), 1 => Just("*.x"), 1 => Just("*.a.x"), 1 => Just("b.x")];
    let methods = prop::sample::subsequence(vec!["GET", "POST", "DELETE", "PURGE"], 0..3);
    let condition = || prop_oneof![3 => Just(None), 1 => Just(Some("1")), 1 => Just(Some("2"))];
    (host, path, methods, condition(), condition()).prop_map(|(host, path, methods, header, query)| Rule {
        host,
        path,
        methods,
        header,
        query,
    })
}

fn an_ask() -> impl Strategy<Value = Ask> {
    let segment = prop_oneof![3 => Just("a"), 3 => Just("b"), 1 => Just("ab"), 1 => Just("c"), 1 => Just("")];
    let path = prop::collection::vec(segment, 1..6).prop_map(|segments| joined(&segments));
    let host = prop_oneof![Just(""), Just("a.x"), Just("b.x"), Just("c.a.x"), Just("d.c.a.x"), Just("x"), Just("y")];
    let method = prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("DELETE"), Just("PURGE"), Just("PUT")];
    let value = || prop_oneof![2 => Just(None), 1 => Just(Some("1")), 1 => Just(Some("2"))];
    (method, host, path, value(), value()).prop_map(|(method, host, path, header, query)| Ask {
        method,
        host,
        path,
        header,
        query,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_router_agrees(rules in prop::collection::vec(a_rule(), 0..12), asks in prop::collection::vec(an_ask(), 1..12)) {
        let router = Router::new(rules.iter().map(|rule| matcher(&rule.text())).collect());
        for ask in &asks {
            let query = ask.query.map(|value| format!("?x={value}")).unwrap_or_default();
            let header = ask.header.map(|value| format!(" x={value}")).unwrap_or_default();
            let request = format!("{} {}{}{query}{header}", ask.method, ask.host, ask.path);
            prop_assert_eq!(choose(&router, &request), expected(&rules, ask), "{} among {:#?}", request, rules);
        }
    }

    /// Where no tie is reported, no request with at most one value of each name fits two routes equally.
    #[test]
    fn what_is_not_called_a_tie_is_none(rules in prop::collection::vec(a_rule(), 2..6), asks in prop::collection::vec(an_ask(), 20)) {
        let matchers: Vec<_> = rules.iter().map(|rule| matcher(&rule.text())).collect();
        prop_assume!(super::ties(&matchers).is_empty());
        for ask in &asks {
            let equal = |one: &Rule, two: &Rule| {
                one.fits(ask) && two.fits(ask) && one.takes(ask.method) && two.takes(ask.method)
                    && one.host_rank(ask.host) == two.host_rank(ask.host)
                    && one.path_rank() == two.path_rank() && one.narrowness() == two.narrowness()
            };
            for (index, one) in rules.iter().enumerate() {
                for two in &rules[..index] {
                    prop_assert!(!equal(one, two), "{:?} fits {:?} and {:?}", ask, one, two);
                }
            }
        }
    }
}
