//! Repeated keys of one object, in time that no choice of keys can make quadratic.
//!
//! Small objects compare every pair; large ones sort. No hash, so no seed to guess and no collisions to send.

use crate::{Node, Step};

/// Up to here comparing pairs is faster than sorting.
const FEW: usize = 12;

/// The node of a key among `keys` that another node of `keys` repeats.
pub(super) fn find(keys: &[u32], nodes: &[Node<'_>]) -> Option<u32> {
    if keys.len() < 2 {
        return None;
    }
    if keys.len() <= FEW {
        return among_few(keys, nodes);
    }
    let mut sorted: Vec<(&[u8], u32)> = keys.iter().map(|&node| (key(nodes, node), node)).collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
    twice.and_then(|pair| pair.last()).map(|(_, node)| *node)
}

fn among_few(keys: &[u32], nodes: &[Node<'_>]) -> Option<u32> {
    let mut rest = keys;
    while let Some((&first, others)) = rest.split_first() {
        let wanted = key(nodes, first);
        if let Some(&twice) = others.iter().find(|&&other| key(nodes, other) == wanted) {
            return Some(twice);
        }
        rest = others;
    }
    None
}

fn key<'n>(nodes: &'n [Node<'_>], node: u32) -> &'n [u8] {
    match nodes.get(node as usize).map(|node| &node.step) {
        Some(Step::Key(key)) => key,
        _ => b"",
    }
}
