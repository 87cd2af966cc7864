//! The routes of one host, found by path.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::method::Methods;
use super::pattern::{Pattern, Rank, Segment};
use super::{Choice, Matcher, Query};

/// The routes of one host: exact paths in a map, the others in a trie of segments.
#[derive(Debug)]
pub(crate) struct Table {
    exact: HashMap<Box<[u8]>, Vec<usize>, RandomState>,
    /// No exact path is longer: longer ones are not hashed.
    longest_exact: usize,
    /// The root is the first.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Literal segments and their nodes, sorted.
    children: Vec<(Box<[u8]>, usize)>,
    /// The node of `*`.
    star: Option<usize>,
    /// Routes whose pattern ends here.
    here: Vec<usize>,
    /// Routes whose pattern ends in `**` here.
    tail: Vec<usize>,
}

impl Default for Table {
    fn default() -> Self {
        Self { exact: HashMap::default(), longest_exact: 0, nodes: vec![Node::default()] }
    }
}

impl Table {
    pub(crate) fn insert(&mut self, pattern: &Pattern, route: usize) {
        if pattern.rank() == Rank::Exact {
            let path = pattern.text().as_bytes();
            self.longest_exact = self.longest_exact.max(path.len());
            self.exact.entry(path.into()).or_default().push(route);
            return;
        }
        let mut at = 0;
        for segment in &pattern.segments {
            at = self.step(at, segment);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            let ends = if pattern.tail { &mut node.tail } else { &mut node.here };
            ends.push(route);
        }
    }

    /// The node below `at` for a segment, made if it is not there.
    fn step(&mut self, at: usize, segment: &Segment) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let there = match segment {
            Segment::Star => *node.star.get_or_insert(next),
            Segment::Literal(text) => match node.children.binary_search_by(|(name, _)| name.cmp(text)) {
                Ok(found) => node.children.get(found).map_or(at, |(_, there)| *there),
                Err(position) => {
                    node.children.insert(position, (text.clone(), next));
                    next
                }
            },
        };
        if there == next {
            self.nodes.push(Node::default());
        }
        there
    }

    /// Offers the routes that fit the path to `search`, until no other can be more specific.
    pub(crate) fn search(&self, path: &[u8], search: &mut Search<'_, '_>) {
        if path.len() <= self.longest_exact
            && let Some(routes) = self.exact.get(path)
        {
            search.offer(routes);
            if search.is_settled() {
                return;
            }
        }
        if let (Some(root), Some(rest)) = (self.nodes.first(), path.strip_prefix(b"/")) {
            self.literal(root, Some(rest), search);
        }
    }

    /// Below a node that was reached by literal segments only. The deepest such node has the longest literal prefix, so
    /// it comes first; what is found there settles the search.
    fn literal(&self, node: &Node, rest: Option<&[u8]>, search: &mut Search<'_, '_>) {
        if let Some(rest) = rest {
            let (segment, after) = split(rest);
            if let Some(child) = self.child(node, segment) {
                self.literal(child, after, search);
                if search.is_settled() {
                    return;
                }
            }
            if let Some(star) = self.star(node, segment) {
                self.wild(star, after, search);
                if search.is_settled() {
                    return;
                }
            }
        }
        search.offer(&node.tail);
    }

    /// Below a `*`: everything that fits is offered, and the fewest wildcards win. Each node is visited at most once.
    fn wild(&self, node: &Node, rest: Option<&[u8]>, search: &mut Search<'_, '_>) {
        if let Some(rest) = rest {
            let (segment, after) = split(rest);
            for next in [self.child(node, segment), self.star(node, segment)].into_iter().flatten() {
                self.wild(next, after, search);
            }
        } else {
            search.offer(&node.here);
        }
        search.offer(&node.tail);
    }

    fn child(&self, node: &Node, segment: &[u8]) -> Option<&Node> {
        let found = node.children.binary_search_by(|(name, _)| (**name).cmp(segment)).ok()?;
        node.children.get(found).and_then(|(_, there)| self.nodes.get(*there))
    }

    fn star(&self, node: &Node, segment: &[u8]) -> Option<&Node> {
        node.star.filter(|_| !segment.is_empty()).and_then(|there| self.nodes.get(there))
    }
}

/// The first segment, and what follows its slash; `None` where there is no slash.
fn split(rest: &[u8]) -> (&[u8], Option<&[u8]>) {
    match rest.iter().position(|byte| *byte == b'/') {
        Some(slash) => (rest.get(..slash).unwrap_or_default(), rest.get(slash + 1..)),
        None => (rest, None),
    }
}

/// The best of the routes offered so far.
pub(crate) struct Search<'m, 'q> {
    matchers: &'m [Matcher],
    query: &'q Query<'q>,
    /// The most specific path among the routes whose conditions hold.
    rank: Option<Rank>,
    /// The best of those that take the method.
    chosen: Option<usize>,
    /// Filled on a second pass, where none took the method.
    allow: Option<Methods>,
}

impl<'m, 'q> Search<'m, 'q> {
    pub(crate) fn new(matchers: &'m [Matcher], query: &'q Query<'q>) -> Self {
        Self { matchers, query, rank: None, chosen: None, allow: None }
    }

    fn is_settled(&self) -> bool {
        self.rank.is_some()
    }

    fn offer(&mut self, routes: &[usize]) {
        for &route in routes {
            let Some(matcher) = self.matchers.get(route) else { continue };
            let rank = Some(matcher.path.rank());
            if rank < self.rank || !matcher.conditions.hold(self.query) {
                continue;
            }
            if rank > self.rank {
                (self.rank, self.chosen) = (rank, None);
                self.allow = self.allow.is_some().then(Methods::default);
            }
            if let Some(allow) = &mut self.allow {
                allow.join(&matcher.methods);
            } else if matcher.methods.takes(self.query.method) && self.beats(route, matcher) {
                self.chosen = Some(route);
            }
        }
    }

    /// Ties are errors of the configuration; what they cannot rule out (a header given twice) the earlier route wins.
    fn beats(&self, route: usize, matcher: &Matcher) -> bool {
        let chosen = self.chosen.and_then(|chosen| self.matchers.get(chosen).map(|matcher| (chosen, matcher)));
        chosen.is_none_or(|(index, chosen)| {
            let (new, old) = (matcher.narrowness(), chosen.narrowness());
            new > old || (new == old && route < index)
        })
    }

    /// The outcome; `None` if no route is for the place.
    pub(crate) fn finish(self, table: &Table) -> Option<Choice> {
        self.rank?;
        if let Some(chosen) = self.chosen {
            return Some(Choice::Route(chosen));
        }
        let mut again = Self { allow: Some(Methods::default()), rank: None, ..self };
        table.search(again.query.path, &mut again);
        Some(Choice::Methods(again.allow.unwrap_or_default().allow()))
    }
}
