//! The subjects of a message: everything that rules may look at, with its domain and its place.

use rampart_message::{At, Kind, Message, Name};

use crate::target::{Domain, Subject, SubjectName};

/// Bytes to inspect, what they are, and where they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'m, 'a> {
    pub(super) domain: Domain,
    pub(super) subject: Subject<'m, 'a>,
    pub(super) bytes: &'m [u8],
    pub(super) at: At,
}

/// Calls `visit` with each subject of `message` in a domain that `wanted` names, until it says stop (false).
pub(super) fn visit<'m, 'a>(
    message: &'m Message<'a>,
    wanted: impl Fn(Domain) -> bool,
    mut visit: impl FnMut(Candidate<'m, 'a>) -> bool,
) {
    let nodes = &message.nodes;
    let bare = Subject { nodes, name: SubjectName::None };
    for (domain, bytes) in [(Domain::Method, message.head.method), (Domain::Uri, message.head.target)] {
        if wanted(domain) && !visit(Candidate { domain, subject: bare, bytes, at: At::Line }) {
            return;
        }
    }
    for (index, value) in (0..).zip(&message.values) {
        let domain = Domain::of(value.kind, value.aspect);
        if wanted(domain) {
            let subject = Subject::of(message, value);
            let at = if value.kind == Kind::Path { At::Path } else { At::Value(index) };
            if !visit(Candidate { domain, subject, bytes: &value.bytes, at }) {
                return;
            }
        }
    }
    let any_name = [Kind::Query, Kind::Header, Kind::Cookie, Kind::Form, Kind::File, Kind::Json, Kind::Xml]
        .into_iter()
        .filter_map(Domain::of_name)
        .any(&wanted);
    if !any_name {
        return;
    }
    for name in message.names() {
        let Some(domain) = Domain::of_name(name.kind).filter(|domain| wanted(*domain)) else { continue };
        let subject_name = match name.at {
            At::Node(node) => SubjectName::Node(node),
            At::Value(value) => match message.values.get(value as usize).map(|value| &value.name) {
                Some(Name::Node(node)) => SubjectName::Node(*node),
                _ => SubjectName::Text(name.bytes),
            },
            _ => SubjectName::Text(name.bytes),
        };
        let subject = Subject { nodes, name: subject_name };
        if !visit(Candidate { domain, subject, bytes: name.bytes, at: name.at }) {
            return;
        }
    }
}
