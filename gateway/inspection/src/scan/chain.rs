//! The tree of transformation chains: chains with a common beginning share its nodes, so that no step is computed
//! twice for a value.

use smallvec::SmallVec;

use crate::bytes::ByteSet;
use crate::transform::Transformation;

/// One step of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) parent: u16,
    pub(super) step: Transformation,
    /// Without a byte of these classes the step changes nothing; `None`: it may change any text.
    pub(super) triggers: Option<ByteSet>,
}

/// What a step that [`narrows`] may put into a text that did not hold it.
pub(super) const NARROW: ByteSet = ByteSet::SPACE.or(ByteSet::LOWER);

/// Whether a step makes no bytes of classes that the text did not hold, those of [`NARROW`] apart.
/// (`remove_comments` makes NUL of a comment without an end.)
pub(super) const fn narrows(step: Transformation) -> bool {
    use Transformation as T;
    matches!(
        step,
        T::Lowercase
            | T::RemoveNulls
            | T::ReplaceNulls
            | T::CmdLine
            | T::RemoveWhitespace
            | T::CompressWhitespace
            | T::ReplaceComments
            | T::RemoveCommentsChar
            | T::NormalizePath
            | T::TrimLeft
            | T::TrimRight
            | T::Trim
    )
}

/// All chains. Node 0 is the value itself and not in the list; parents stand before their children.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Adds a chain where it is not there yet, and gives the nodes that are compared: its end, with `multi_match` all.
    pub(super) fn insert(&mut self, chain: &[Transformation], multi_match: bool) -> Result<SmallVec<[u16; 2]>, String> {
        let mut path = SmallVec::from_slice(&[0]);
        let mut parent = 0;
        for step in chain {
            let node = Node { parent, step: *step, triggers: step.triggers() };
            let found = self.nodes.iter().position(|known| *known == node);
            let at = found.unwrap_or_else(|| {
                self.nodes.push(node);
                self.nodes.len() - 1
            });
            parent = u16::try_from(at + 1).map_err(|_| "more than 65535 transformation steps".to_owned())?;
            path.push(parent);
        }
        Ok(if multi_match { path } else { SmallVec::from_slice(&[parent]) })
    }

    /// The step of a node; `None` for the value itself.
    pub(super) fn node(&self, at: u16) -> Option<&Node> {
        usize::from(at).checked_sub(1).and_then(|at| self.nodes.get(at))
    }

    /// Nodes, the value itself included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() + 1
    }

    /// The given nodes and all before them, parents first, without node 0.
    pub(super) fn closure(&self, ends: impl Iterator<Item = u16>) -> Vec<u16> {
        let mut needed = vec![false; self.len()];
        for end in ends {
            let mut at = end;
            while let Some(slot) = needed.get_mut(usize::from(at)).filter(|slot| !**slot) {
                *slot = true;
                let Some(node) = self.node(at) else { break };
                at = node.parent;
            }
        }
        (0..).zip(needed).skip(1).filter(|(_, needed)| *needed).map(|(node, _)| node).collect()
    }

    /// Whether `node` is `ancestor` or comes after it.
    pub(super) fn is_below(&self, node: u16, ancestor: u16) -> bool {
        let mut at = node;
        while at != ancestor {
            let Some(step) = self.node(at) else { return false };
            at = step.parent;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn narrow_steps_make_nothing_new(value in r#"([a-cA-C0-9 ./*,;'"^\\<>!#\-\t\n\x00\xe9]|/\*|\*/|<!--|\.\./){0,24}"#) {
            use Transformation as T;
            for step in [
                T::Lowercase, T::RemoveNulls, T::ReplaceNulls, T::CmdLine, T::RemoveWhitespace, T::CompressWhitespace,
                T::ReplaceComments, T::RemoveCommentsChar, T::NormalizePath, T::TrimLeft, T::TrimRight,
                T::Trim,
            ] {
                prop_assert!(narrows(step));
                let mut out = Vec::new();
                if step.apply(value.as_bytes(), &mut out) {
                    let (before, after) = (ByteSet::of(value.as_bytes()), ByteSet::of(&out));
                    prop_assert!(after.within(before.or(NARROW)), "{:?} makes {:?} of {:?}", step, out, value);
                }
            }
        }
    }
}
