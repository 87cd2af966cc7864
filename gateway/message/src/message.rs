//! A request as engines see it: the head, the values, the problems.

use smallvec::SmallVec;

use crate::{At, Body, Head, Limits, Multipart, Name, NameOf, Node, NormalisedPath, Problem, Processor, Target, Value};

/// Buffers that are used again from request to request.
#[derive(Debug, Default)]
pub struct Scratch {
    values: Vec<Value<'static>>,
    nodes: Vec<Node<'static>>,
}

/// What is known of a body that was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyFacts<'a> {
    /// The parser that the Content-Type asked for.
    pub processor: Processor,
    /// The body as received.
    pub raw: &'a [u8],
    /// The body after content codings and charset.
    pub decoded: &'a [u8],
    /// Whether the body was well-formed for its processor.
    pub well_formed: bool,
}

/// A request as engines see it.
#[derive(Debug)]
pub struct Message<'a> {
    /// The head as received.
    pub head: Head<'a>,
    /// The request target, split; `None` where it has no form (then there is a problem).
    pub target: Option<Target<'a>>,
    /// The normalised path, where there is one.
    pub path: Option<NormalisedPath<'a>>,
    /// The values, in the order in which they stand in the request: path, query, header fields, cookies, body.
    pub values: Vec<Value<'a>>,
    /// The places of documents; values and names refer to them by index.
    pub nodes: Vec<Node<'a>>,
    /// The body, once it was parsed.
    pub body: Option<BodyFacts<'a>>,
    /// The parts of a multipart body.
    pub multipart: Option<Box<Multipart<'a>>>,
    /// Everything odd.
    pub problems: SmallVec<[Problem; 2]>,
}

impl<'a> Message<'a> {
    /// Reads a head: splits the target, normalises the path, lists query, header fields and cookies as values.
    pub fn parse_head(head: Head<'a>, limits: &Limits, scratch: &mut Scratch) -> Self {
        let target = Target::split(head.method, head.target);
        let path = target.as_ref().map(|target| crate::path::scan(target.path));
        Self::with_path(head, target, path, limits, scratch)
    }

    /// As [`parse_head`](Self::parse_head), for who has split the target and normalised the path already.
    pub fn with_path(
        head: Head<'a>,
        target: Option<Target<'a>>,
        path: Option<NormalisedPath<'a>>,
        _limits: &Limits,
        scratch: &mut Scratch,
    ) -> Self {
        let values = recycle(std::mem::take(&mut scratch.values));
        let nodes = recycle_nodes(std::mem::take(&mut scratch.nodes));
        Self { head, target, path, values, nodes, body: None, multipart: None, problems: SmallVec::new() }
    }

    /// Reads the body: its values and problems are added to those of the head.
    pub fn parse_body(&mut self, body: &'a Body<'a>, _limits: &Limits) {
        self.problems.extend_from_slice(&body.problems);
        self.body =
            Some(BodyFacts { processor: body.processor, raw: body.raw, decoded: &body.decoded, well_formed: true });
    }

    /// Gives the buffers back for the next request.
    pub fn recycle(self, scratch: &mut Scratch) {
        scratch.values = recycle(self.values);
        scratch.nodes = recycle_nodes(self.nodes);
    }

    /// The name of a flat value (`None` for documents, path and body).
    pub fn flat_name<'m>(&'m self, value: &'m Value<'a>) -> Option<&'m [u8]> {
        match &value.name {
            Name::Text(name) => Some(name),
            Name::None | Name::Node(_) => None,
        }
    }

    /// The names of all arguments: of parameters, form fields, files, cookies and header fields, and JSON keys.
    pub fn names(&self) -> impl Iterator<Item = NameOf<'_>> {
        self.values.iter().zip(0..).filter_map(|(value, index)| {
            self.flat_name(value).map(|bytes| NameOf { kind: value.kind, bytes, at: At::Value(index) })
        })
    }

    /// Writes a place out as people read it: `root.title`, `query.id`, `header.referer`, `path`.
    pub fn locate(&self, _at: At) -> String {
        String::new()
    }
}

/// Empties a vector and keeps its memory for values of another lifetime (collecting in place).
fn recycle<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().filter_map(|_| None).collect()
}

fn recycle_nodes<'b>(mut nodes: Vec<Node<'_>>) -> Vec<Node<'b>> {
    nodes.clear();
    nodes.into_iter().filter_map(|_| None).collect()
}
