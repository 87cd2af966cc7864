//! A request as engines see it: the head as received, and what it says as values.
//!
//! Reading happens in two steps, because a gateway decides on the head before it reads a body: [`Message::parse_head`],
//! then [`Message::parse_body`] on an opened [`Body`]. Neither fails: what is odd becomes a [`Problem`].

use std::borrow::Cow;

use crate::collector::{Collector, Full, Problems};
use crate::json::Outcome;
use crate::percent::{Plus, decode};
use crate::render::{locate_node, locate_value};
use crate::{
    Aspect, At, Body, ContentType, Head, Kind, Limits, Multipart, Name, NameOf, Node, NormalisedPath, PathProblem,
    Problem, ProblemCode, Processor, Step, Target, Value, documents, fields, guess, multipart, path, urlencoded,
};

/// Buffers that are used again from message to message. One per worker is enough.
#[derive(Debug, Default)]
pub struct Scratch {
    values: Vec<Value<'static>>,
    nodes: Vec<Node<'static>>,
}

/// What is known of a body that was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyFacts<'a> {
    /// The parser that it went to.
    pub processor: Processor,
    /// The body as received.
    pub raw: &'a [u8],
    /// The body after content codings and charset.
    pub decoded: &'a [u8],
    /// Whether the body was well-formed for its processor and read to its end. If not, all of it is also one value of
    /// [`Kind::Body`].
    pub well_formed: bool,
}

/// A request as engines see it.
#[derive(Debug)]
pub struct Message<'a> {
    /// The head as received.
    pub head: Head<'a>,
    /// The request target, split (the raw query is here); `None` where it has no form: then there is a problem.
    pub target: Option<Target<'a>>,
    /// The normalised path; `None` where the target has none (`*`, CONNECT).
    pub path: Option<NormalisedPath<'a>>,
    /// The values, in the order in which they stand in the request: path, query, header fields and cookies, body.
    pub values: Vec<Value<'a>>,
    /// The places of documents; values and names refer to them by index. A parent stands before its children.
    pub nodes: Vec<Node<'a>>,
    /// The body, once it was parsed.
    pub body: Option<BodyFacts<'a>>,
    /// The parts of a multipart body.
    pub multipart: Option<Box<Multipart<'a>>>,
    /// Everything odd, in the order found; a few of each code.
    pub problems: Problems,
}

impl Scratch {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<'a> Message<'a> {
    /// Reads a head: splits the target, normalises the path, lists query, header fields and cookies as values.
    pub fn parse_head(head: Head<'a>, limits: &Limits, scratch: &mut Scratch) -> Self {
        let target = Target::split(head.method, head.target);
        let path = target.filter(|target| target.path.starts_with(b"/")).map(|target| path::scan(target.path));
        Self::with_path(head, target, path, limits, scratch)
    }

    /// As [`parse_head`](Self::parse_head), for who has split the target and normalised the path already.
    pub fn with_path(
        head: Head<'a>,
        target: Option<Target<'a>>,
        path: Option<NormalisedPath<'a>>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Self {
        let values = recycle_values(std::mem::take(&mut scratch.values));
        let nodes = recycle_nodes(std::mem::take(&mut scratch.nodes));
        let problems = Problems::new();
        let mut message = Self { head, target, path, values, nodes, body: None, multipart: None, problems };
        // A full collector has noted so.
        let _ = message.read_head(limits);
        message
    }

    fn read_head(&mut self, limits: &Limits) -> Result<(), Full> {
        let (head, target) = (self.head, self.target);
        self.read_path(limits)?;
        let out = &mut self.collector(limits);
        if target.is_none() {
            out.note(Problem::new(ProblemCode::BadTarget, At::Line));
        }
        out.bound("uri_length", At::Line, head.target.len(), limits.uri_length);
        if let Some(query) = target.and_then(|target| target.query) {
            urlencoded::parse(query, Kind::Query, out)?;
        }
        fields::parse(&head.headers, out)
    }

    /// The path as a value: decoded, and beside it as received where that differs.
    fn read_path(&mut self, limits: &Limits) -> Result<(), Full> {
        let (Some(target), Some(path)) = (self.target, self.path.take()) else { return Ok(()) };
        let mut out = self.collector(limits);
        for problem in path.problems().iter().filter(|problem| !problem.allowable()) {
            out.note(Problem::case(ProblemCode::BadPath, At::Path, PathProblem::as_str(problem)));
        }
        let decoded = match path.clone().into_bytes() {
            Cow::Borrowed(bytes) => decode(bytes, Plus::Literal).bytes,
            Cow::Owned(bytes) => Cow::Owned(decode(&bytes, Plus::Literal).bytes.into_owned()),
        };
        let value = |aspect, bytes| Value { kind: Kind::Path, aspect, name: Name::None, bytes };
        let differs = *decoded != *target.path;
        out.push(value(Aspect::Text, decoded))?;
        if differs {
            out.push(value(Aspect::Raw, Cow::Borrowed(target.path)))?;
        }
        self.path = Some(path);
        Ok(())
    }

    /// Reads the body: its values and problems are added to those of the head.
    ///
    /// The body goes to the parser that its Content-Type asks for. A body of another type, or of none, is one value of
    /// [`Kind::Body`], and if it looks like JSON, XML or a urlencoded form it is read as that too; so is a body that is
    /// declared a urlencoded form but is a document. Bytes that are declared a picture, an archive or the like, and begin as
    /// no text does, have [`Aspect::FileContent`]. What does not parse is one value of [`Kind::Body`] as well.
    pub fn parse_body(&mut self, body: &'a Body<'a>, limits: &Limits) {
        let decoded = body.decoded();
        let before = self.problems.len();
        let read = self.read_body(body, decoded, limits);
        if body.is_prefix() {
            let mut at = 0;
            self.problems.retain(|problem| {
                at += 1;
                at <= before || !problem.code.comes_of_cutting()
            });
        }
        let well_formed = body.is_whole() && read == Ok(true);
        // Text that no part of a multipart body holds may be all of it, and then is a value already.
        let last = self.values.last().filter(|value| value.kind == Kind::Body);
        let seen = last.is_some_and(|value| std::ptr::eq::<[u8]>(&raw const *value.bytes, decoded));
        if !well_formed && !seen && !decoded.is_empty() {
            // Not counted: what the parser could not read must be seen, however full the collector is.
            let (kind, aspect, bytes) = (Kind::Body, Aspect::Raw, Cow::Borrowed(decoded));
            self.values.push(Value { kind, aspect, name: Name::None, bytes });
        }
        self.body = Some(BodyFacts { processor: body.processor(), raw: body.raw(), decoded, well_formed });
    }

    fn read_body(&mut self, body: &'a Body<'a>, decoded: &'a [u8], limits: &Limits) -> Result<bool, Full> {
        let mut out = self.collector(limits);
        for problem in body.problems() {
            out.note(*problem);
        }
        if decoded.is_empty() {
            return Ok(true);
        }
        match body.processor() {
            processor @ (Processor::Json | Processor::JsonSequence | Processor::Xml) => {
                Ok(documents::read(decoded, processor, Step::Root, &mut out)? == Outcome::Whole)
            }
            Processor::Urlencoded => {
                urlencoded::parse(decoded, Kind::Form, &mut out)?;
                guess::document(decoded, &mut out)?;
                Ok(true)
            }
            Processor::Multipart => {
                let boundary = body.content_type().and_then(|given| given.boundary.as_deref());
                let (form, outcome) = multipart::parse(decoded, boundary, &mut out);
                let well_formed = form.faults.is_empty();
                self.multipart = Some(Box::new(form));
                outcome.map(|()| well_formed)
            }
            Processor::Text
                if body.content_type().is_some_and(ContentType::is_binary) && guess::looks_binary(decoded) =>
            {
                // As the content of a file: rules for text would find in random bytes whatever they look for.
                let (kind, aspect, bytes) = (Kind::Body, Aspect::FileContent, Cow::Borrowed(decoded));
                out.push(Value { kind, aspect, name: Name::None, bytes })?;
                guess::document(decoded, &mut out)?;
                Ok(true)
            }
            Processor::Text => {
                let (name, bytes) = (Name::None, Cow::Borrowed(decoded));
                out.push(Value { kind: Kind::Body, aspect: Aspect::Text, name, bytes })?;
                guess::any(decoded, &mut out)?;
                Ok(true)
            }
        }
    }

    fn collector<'m>(&'m mut self, limits: &'m Limits) -> Collector<'m, 'a> {
        Collector { values: &mut self.values, nodes: &mut self.nodes, problems: &mut self.problems, limits }
    }

    /// Gives the buffers back for the next message.
    pub fn recycle(self, scratch: &mut Scratch) {
        scratch.values = recycle_values(self.values);
        scratch.nodes = recycle_nodes(self.nodes);
    }

    /// The name of a flat value (`None` for documents, path and body).
    pub fn flat_name<'m>(&'m self, value: &'m Value<'a>) -> Option<&'m [u8]> {
        match &value.name {
            Name::Text(name) => Some(name),
            Name::None | Name::Node(_) => None,
        }
    }

    /// The names of all arguments: of parameters, form fields, files, cookies and header fields; JSON keys; XML elements
    /// and attributes.
    pub fn names(&self) -> impl Iterator<Item = NameOf<'_>> {
        let flat = self.values.iter().zip(0..).filter_map(|(value, index)| {
            self.flat_name(value).map(|bytes| NameOf { kind: value.kind, bytes, at: At::Value(index) })
        });
        let placed = self.nodes.iter().zip(0..).filter_map(|(node, index)| {
            let (kind, bytes): (_, &[u8]) = match &node.step {
                Step::Key(key) => (Kind::Json, key),
                Step::Element(name) | Step::Attribute(name) => (Kind::Xml, name),
                Step::Root | Step::Part(_) | Step::Index(_) => return None,
            };
            Some(NameOf { kind, bytes, at: At::Node(index) })
        });
        flat.chain(placed)
    }

    /// The steps from the node at `index` up to its root, the node's own first. Allocates nothing.
    pub fn ascend(&self, index: u32) -> impl Iterator<Item = &Step<'a>> {
        let mut next = Some(index);
        std::iter::from_fn(move || {
            let here = next?;
            let node = self.nodes.get(here as usize)?;
            next = Some(node.parent).filter(|parent| *parent < here);
            Some(&node.step)
        })
    }

    /// Writes a place out as people read it: `root.title`, `query.id`, `header.referer`, `path`.
    pub fn locate(&self, at: At) -> String {
        match at {
            At::Line => "request line".to_owned(),
            At::Path => "path".to_owned(),
            At::Query => "query".to_owned(),
            At::Headers => "header".to_owned(),
            At::Header(index) => {
                let name = self.head.headers.iter().nth(index as usize).map_or(&b""[..], |(name, _)| name);
                format!("header.{}", String::from_utf8_lossy(name).to_ascii_lowercase())
            }
            At::Cookies => "cookie".to_owned(),
            At::Body => "body".to_owned(),
            At::Node(node) => locate_node(&self.nodes, node),
            At::Value(index) => match self.values.get(index as usize) {
                Some(value) => locate_value(&self.nodes, value),
                // The problem was noted for a value that then found no room.
                None => "body".to_owned(),
            },
        }
    }

    /// Writes the place of a value out, as [`locate`](Self::locate).
    pub fn locate_value(&self, value: &Value<'_>) -> String {
        locate_value(&self.nodes, value)
    }

    /// A problem as a log line shows it: `limit_exceeded at root.title: string_length is 12000, allowed are 10000`.
    pub fn describe(&self, problem: &Problem) -> String {
        let (code, place, detail) = (problem.code, self.locate(problem.at), problem.detail.to_string());
        if detail.is_empty() { format!("{code} at {place}") } else { format!("{code} at {place}: {detail}") }
    }
}

/// Empties a vector and keeps its memory for values of another lifetime: the standard library collects in place.
fn recycle_values<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map_while(|_| None).collect()
}

fn recycle_nodes<'b>(mut nodes: Vec<Node<'_>>) -> Vec<Node<'b>> {
    nodes.clear();
    nodes.into_iter().map_while(|_| None).collect()
}

#[cfg(test)]
mod tests;
