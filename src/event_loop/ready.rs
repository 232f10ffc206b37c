//! The ready queue: first in, first out, in runs of a fixed size. So a burst of a million entries moves nothing while it grows, and gives its
//! memory back while it is worked off.

use std::collections::VecDeque;

use super::Ready;

/// Entries of a run.
const RUN: usize = 1024;

/// What is ready.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    /// Where entries are taken from, and where they go while it has room and nothing is behind it.
    first: VecDeque<Ready>,
    /// What came later.
    later: VecDeque<Vec<Ready>>,
    /// Entries in `later`.
    waiting: usize,
}

impl ReadyQueue {
    /// Adds an entry at the end.
    #[inline]
    pub(crate) fn push_back(&mut self, entry: Ready) {
        if self.waiting == 0 && self.first.len() < RUN {
            self.first.push_back(entry);
        } else {
            self.push_later(entry);
        }
    }

    #[cold]
    fn push_later(&mut self, entry: Ready) {
        self.waiting += 1;
        match self.later.back_mut() {
            Some(run) if run.len() < RUN => run.push(entry),
            _ => {
                let mut run = Vec::with_capacity(RUN);
                run.push(entry);
                self.later.push_back(run);
            }
        }
    }

    /// Takes the first entry out.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Ready> {
        match self.first.pop_front() {
            None if self.waiting > 0 => {
                let run = self.later.pop_front().expect("something waits");
                self.waiting -= run.len();
                self.first = run.into();
                self.first.pop_front()
            }
            entry => entry,
        }
    }

    /// Number of entries.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.waiting
    }

    /// Whether there is none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Ready> {
        self.first.iter().chain(self.later.iter().flatten())
    }
}
