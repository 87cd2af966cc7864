//! Moments of sliding logs: lists of small chunks of equal size, out of one pool that is bounded.
//!
//! A key with one moment needs no chunk: its entry in the table says when it is idle, which is a period after it. From
//! the second moment on its entry names a list ([`Log`]): where it begins and ends, and how many moments are in it.
//! A chunk is one cache line. Pages are never given back, chunks are.

/// Moments in a chunk: with its header they fill a cache line.
const MOMENTS: usize = 7;
/// Chunks of a page: 2 KiB.
const PAGE: usize = 32;
/// Bytes of a page.
const PAGE_BYTES: usize = PAGE * size_of::<Chunk>();
/// Chunks at most: their numbers have 24 bits.
const MAX_CHUNKS: usize = 1 << 24;

/// One cache line of moments.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    moments: [u64; MOMENTS],
    next: u32,
    /// The first moment that is there.
    start: u8,
    /// The first place that is free.
    end: u8,
}

const EMPTY: Chunk = Chunk { moments: [0; MOMENTS], next: 0, start: 0, end: 0 };

/// A list of at least one chunk, as a word: 16 bits of length, 24 of the last and 24 of the first chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log(pub(super) u64);

/// The pool.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pages: Vec<Box<[Chunk]>>,
    /// Free chunks, linked; `free_len` of them.
    free: u32,
    free_len: usize,
}

impl Log {
    const BITS: u32 = 24;
    const MASK: u64 = (1 << Self::BITS) - 1;

    fn new(first: u32, last: u32, len: u16) -> Self {
        Self(u64::from(len) << (2 * Self::BITS) | u64::from(last) << Self::BITS | u64::from(first))
    }

    fn first(self) -> u32 {
        narrow(self.0 & Self::MASK)
    }

    fn last(self) -> u32 {
        narrow(self.0 >> Self::BITS & Self::MASK)
    }

    /// Moments in it.
    pub(super) fn len(self) -> u16 {
        u16::try_from(self.0 >> (2 * Self::BITS)).unwrap_or(u16::MAX)
    }

    fn with_len(self, len: u16) -> Self {
        Self::new(self.first(), self.last(), len)
    }
}

impl Chunks {
    /// Bytes taken from the allocator.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * PAGE_BYTES + self.pages.capacity() * size_of::<Box<[Chunk]>>()
    }

    fn bytes_with_one_more(&self) -> usize {
        let capacity =
            if self.pages.len() < self.pages.capacity() { self.pages.capacity() } else { self.next_capacity() };
        (self.pages.len() + 1) * PAGE_BYTES + capacity * size_of::<Box<[Chunk]>>()
    }

    fn next_capacity(&self) -> usize {
        self.pages.len() + (self.pages.len() / 4).max(1)
    }

    /// A list of these moments, oldest first. `None`, and nothing taken, if the pool would pass `bound_bytes`.
    pub(super) fn list(&mut self, moments: impl ExactSizeIterator<Item = u64>, bound_bytes: usize) -> Option<Log> {
        if !self.make_free(moments.len().div_ceil(MOMENTS).max(1), bound_bytes) {
            return None;
        }
        let first = self.allocate()?;
        let mut log = Log::new(first, first, 0);
        for moment in moments {
            log = self.push_into_free(log, moment)?;
        }
        Some(log)
    }

    /// `log` with `count` times `moment` after it. `None`, and nothing changed, if the pool would pass `bound_bytes` or
    /// the list 65,535.
    pub(super) fn push(&mut self, log: Log, moment: u64, count: u64, bound_bytes: usize) -> Option<Log> {
        let count = u16::try_from(count).ok()?;
        log.len().checked_add(count)?;
        let room = MOMENTS - usize::from(self.chunk(log.last())?.end);
        if !self.make_free(usize::from(count).saturating_sub(room).div_ceil(MOMENTS), bound_bytes) {
            return None;
        }
        (0..count).try_fold(log, |log, _| self.push_into_free(log, moment))
    }

    /// `log` without the moments of its front that `is_over` says; `None` if none is left, and then it is freed.
    pub(super) fn drop_front(&mut self, log: Log, is_over: impl Fn(u64) -> bool) -> Option<Log> {
        let mut log = log;
        while self.nth(log, 0).is_some_and(&is_over) {
            log = self.pop_front(log)?;
        }
        Some(log)
    }

    /// `log` without its newest `count` moments; `None` if none is left, and then it is freed.
    pub(super) fn drop_back(&mut self, log: Log, count: u64) -> Option<Log> {
        let mut log = log;
        let mut left = u16::try_from(count).unwrap_or(u16::MAX).min(log.len());
        while left > 0 {
            let at = log.last();
            let chunk = self.chunk_mut(at)?;
            let here = chunk.end - chunk.start;
            if u16::from(here) > left {
                chunk.end -= u8::try_from(left).unwrap_or(0);
                return Some(log.with_len(log.len() - left));
            }
            let before = self.before_last(log);
            self.give_back(at);
            left -= u16::from(here);
            log = Log::new(log.first(), before?, log.len() - u16::from(here));
        }
        Some(log)
    }

    /// `log` without `count` moments equal to `moment`; `None` if none is left, and then it is freed.
    pub(super) fn remove(&mut self, log: Log, moment: u64, count: u64) -> Option<Log> {
        let mut left = count;
        let mut keeps = |other: &u64| {
            let removed = *other == moment && left > 0;
            left -= u64::from(removed);
            !removed
        };
        let kept: Vec<u64> = self.iter(log).filter(|other| keeps(other)).collect();
        self.rebuild(log, &kept)
    }

    /// The `index`-th moment from the oldest.
    pub(super) fn nth(&self, log: Log, index: u64) -> Option<u64> {
        let mut left = usize::try_from(index).ok()?;
        let mut at = log.first();
        loop {
            let chunk = self.chunk(at)?;
            let here = usize::from(chunk.end - chunk.start);
            if left < here {
                return chunk.moments.get(usize::from(chunk.start) + left).copied();
            }
            if at == log.last() {
                return None;
            }
            left -= here;
            at = chunk.next;
        }
    }

    /// Gives the chunks of `log` back.
    pub(super) fn free(&mut self, log: Log) {
        let mut at = log.first();
        // A list is no longer than the pool: a broken one could not hold us here.
        for _ in 0..=self.pages.len() * PAGE {
            let next = self.chunk(at).map_or(0, |chunk| chunk.next);
            self.give_back(at);
            if at == log.last() {
                return;
            }
            at = next;
        }
    }

    /// The last chunk but one.
    fn before_last(&self, log: Log) -> Option<u32> {
        let mut at = log.first();
        for _ in 0..self.pages.len() * PAGE {
            let next = self.chunk(at)?.next;
            if at == log.last() {
                return None;
            }
            if next == log.last() {
                return Some(at);
            }
            at = next;
        }
        None
    }

    pub(super) fn iter(&self, log: Log) -> impl Iterator<Item = u64> {
        let mut at = Some(log.first());
        std::iter::from_fn(move || {
            let chunk = self.chunk(at?)?;
            at = (at != Some(log.last())).then_some(chunk.next);
            Some(chunk.moments.iter().take(usize::from(chunk.end)).skip(usize::from(chunk.start)).copied())
        })
        .flatten()
    }

    /// Fewer moments always fit where more were.
    fn rebuild(&mut self, log: Log, kept: &[u64]) -> Option<Log> {
        self.free(log);
        if kept.is_empty() { None } else { self.list(kept.iter().copied(), 0) }
    }

    fn pop_front(&mut self, log: Log) -> Option<Log> {
        let at = log.first();
        let chunk = self.chunk_mut(at)?;
        chunk.start += 1;
        let emptied = chunk.start == chunk.end;
        let next = chunk.next;
        let len = log.len().saturating_sub(1);
        if !emptied {
            return Some(log.with_len(len));
        }
        self.give_back(at);
        (at != log.last()).then(|| Log::new(next, log.last(), len))
    }

    fn push_into_free(&mut self, log: Log, moment: u64) -> Option<Log> {
        let len = log.len().checked_add(1)?;
        let last = log.last();
        let chunk = self.chunk_mut(last)?;
        if let Some(place) = chunk.moments.get_mut(usize::from(chunk.end)) {
            *place = moment;
            chunk.end += 1;
            return Some(log.with_len(len));
        }
        let next = self.allocate()?;
        self.chunk_mut(last)?.next = next;
        let chunk = self.chunk_mut(next)?;
        *chunk.moments.first_mut()? = moment;
        chunk.end = 1;
        Some(Log::new(log.first(), next, len))
    }

    /// Whether `count` chunks are free, after adding pages up to `bound_bytes`.
    fn make_free(&mut self, count: usize, bound_bytes: usize) -> bool {
        while self.free_len < count {
            let fits = self.bytes_with_one_more() <= bound_bytes && self.pages.len() * PAGE + PAGE <= MAX_CHUNKS;
            if !fits {
                return false;
            }
            let begin = self.pages.len() * PAGE;
            if self.pages.len() == self.pages.capacity() {
                self.pages.reserve_exact(self.next_capacity() - self.pages.len());
            }
            self.pages.push(vec![EMPTY; PAGE].into_boxed_slice());
            for at in (begin..begin + PAGE).rev() {
                self.give_back(u32::try_from(at).unwrap_or(0));
            }
        }
        true
    }

    fn allocate(&mut self) -> Option<u32> {
        self.free_len = self.free_len.checked_sub(1)?;
        let at = self.free;
        let chunk = self.chunk_mut(at)?;
        let next = chunk.next;
        *chunk = EMPTY;
        self.free = next;
        Some(at)
    }

    fn give_back(&mut self, at: u32) {
        let next = self.free;
        if let Some(chunk) = self.chunk_mut(at) {
            chunk.next = next;
            self.free = at;
            self.free_len += 1;
        }
    }

    fn chunk(&self, at: u32) -> Option<&Chunk> {
        let at = usize::try_from(at).ok()?;
        self.pages.get(at / PAGE)?.get(at % PAGE)
    }

    fn chunk_mut(&mut self, at: u32) -> Option<&mut Chunk> {
        let at = usize::try_from(at).ok()?;
        self.pages.get_mut(at / PAGE)?.get_mut(at % PAGE)
    }
}

fn narrow(bits: u64) -> u32 {
    u32::try_from(bits).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
