//! Bytes that a transaction keeps: texts that rules matched, and the names of the values they come from.

/// A piece of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// How many bytes it has.
    pub(super) const fn len(self) -> usize {
        self.len as usize
    }
}

/// One growing buffer. Cleared, it keeps its memory up to a bound.
#[derive(Debug, Default)]
pub(super) struct Arena(Vec<u8>);

/// Bytes that one transaction may keep. One that matches so much text is refused.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of memory that are kept from transaction to transaction.
const MAX_IDLE_BYTES: usize = 256 * 1024;

impl Arena {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(MAX_IDLE_BYTES);
    }

    /// Keeps a copy; `None` when there is no room.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Option<Span> {
        let (start, len) = (self.0.len(), bytes.len());
        if start + len > MAX_BYTES {
            return None;
        }
        let span = Span { start: u32::try_from(start).ok()?, len: u32::try_from(len).ok()? };
        self.0.extend_from_slice(bytes);
        Some(span)
    }

    /// What was kept.
    pub(super) fn get(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.0.get(start..start + span.len()).unwrap_or_default()
    }
}
