//! Places written out: `root.steps[3].text`, `query.id`, `header.referer`, `xml.order.@id`.
//!
//! Only who reports asks for a place, so nothing here runs for a request that matches nothing.

use std::fmt::Write as _;

use crate::{Kind, Name, Node, Step, Value};

/// The steps from the root to `node`, the root first.
pub(crate) fn steps<'n, 'a>(nodes: &'n [Node<'a>], node: u32) -> Vec<&'n Step<'a>> {
    let mut steps = Vec::new();
    let mut at = node;
    // A parent stands before its children, so this ends; a root is its own parent.
    while let Some(here) = nodes.get(at as usize) {
        steps.push(&here.step);
        if here.parent >= at {
            break;
        }
        at = here.parent;
    }
    steps.reverse();
    steps
}

/// The place of a node as people read it.
pub(crate) fn locate_node(nodes: &[Node<'_>], node: u32) -> String {
    let mut out = String::new();
    for step in steps(nodes, node) {
        match step {
            Step::Root => out.push_str(if is_xml(nodes, node) { "xml" } else { "root" }),
            Step::Part(name) => push_named(&mut out, "form", name),
            Step::Key(key) => push_named(&mut out, "", key),
            Step::Index(index) => drop(write!(out, "[{index}]")),
            Step::Element(name) => push_named(&mut out, "", name),
            Step::Attribute(name) => {
                out.push_str(".@");
                out.push_str(&String::from_utf8_lossy(name));
            }
        }
    }
    out
}

/// Whether the document that `node` belongs to is XML: then the node after its root is an element.
fn is_xml(nodes: &[Node<'_>], node: u32) -> bool {
    let mut at = node;
    while let Some(here) = nodes.get(at as usize).filter(|here| here.parent < at) {
        at = here.parent;
    }
    matches!(nodes.get(at as usize + 1).map(|node| &node.step), Some(Step::Element(_)))
}

/// The place of a value as people read it.
pub(crate) fn locate_value(nodes: &[Node<'_>], value: &Value<'_>) -> String {
    let mut out = String::new();
    match &value.name {
        Name::None => value.kind.as_str().clone_into(&mut out),
        Name::Node(node) => return locate_node(nodes, *node),
        Name::Text(name) if value.kind == Kind::Header => {
            push_named(&mut out, value.kind.as_str(), &name.to_ascii_lowercase());
        }
        Name::Text(name) => push_named(&mut out, value.kind.as_str(), name),
    }
    out
}

fn push_named(out: &mut String, before: &str, name: &[u8]) {
    out.push_str(before);
    out.push('.');
    out.push_str(&String::from_utf8_lossy(name));
}
