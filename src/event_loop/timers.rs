//! What is to happen at a time: a heap ordered by (when, sequence), so equal deadlines fire in the order they were made.
//! A timer refers to a future that gets None, or to a handle whose callback is called.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::table::Table;
use crate::heap::{Gc, Heap, Raw, Tracer, Value};
use crate::object::Handle;

/// Cancelled timers from which on the heap is cleaned when they are most of it.
const MOST_CANCELLED: usize = 128;

#[derive(Clone, Copy, Debug)]
struct Entry {
    when: f64,
    sequence: u32,
    place: u32,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// The earliest is the greatest, since the standard heap gives the greatest first.
    fn cmp(&self, other: &Entry) -> Ordering {
        // Sequence numbers wrap around; timers that wait at the same time are nearer than half of them.
        let order = other.sequence.wrapping_sub(self.sequence) as i32;
        other.when.total_cmp(&self.when).then(order.cmp(&0))
    }
}

/// The timers of a loop.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Entry>,
    targets: Table,
    sequence: u32,
    /// Handles that are only kept.
    held: usize,
}

impl Timers {
    /// Adds a timer; its number.
    pub(crate) fn add(&mut self, heap: &Heap, when: f64, target: Value<'_>) -> u32 {
        let place = self.targets.insert(heap, target);
        self.sequence = self.sequence.wrapping_add(1);
        // NaN would be neither before nor after anything.
        let when = if when.is_nan() { f64::INFINITY } else { when };
        self.heap.push(Entry { when, sequence: self.sequence, place });
        place
    }

    /// Keeps a handle that a loop of a script's gave for a timer: it is cancelled as one is.
    pub(crate) fn hold(&mut self, heap: &Heap, handle: Value<'_>) -> u32 {
        self.held += 1;
        self.targets.insert(heap, handle)
    }

    /// Cancels a handle of `hold`, if it is one.
    fn drop_held(&mut self, heap: &Heap, place: u32) -> bool {
        let Some(handle) = self.targets.get(place).exact::<Handle>().map(Gc::held) else { return false };
        let own = handle.timer.get();
        if own == place + 1 {
            return false;
        }
        self.held -= 1;
        self.targets.remove(heap, place);
        handle.cancelled.set(true);
        if own != 0 {
            handle.timer.set(0);
            self.forget(heap, own - 1);
        }
        true
    }

    /// Drops a timer. Its entry stays in the heap until its time, or until such entries are most of it.
    pub(crate) fn cancel(&mut self, heap: &Heap, place: u32) {
        if self.held == 0 || !self.drop_held(heap, place) {
            self.forget(heap, place);
        }
    }

    fn forget(&mut self, heap: &Heap, place: u32) {
        self.targets.clear(heap, place);
        let dead = (self.heap.len() + self.held) - self.targets.len();
        if dead > MOST_CANCELLED && dead * 2 > self.heap.len() {
            let (targets, mut entries) = (&mut self.targets, std::mem::take(&mut self.heap).into_vec());
            let mut released = vec![];
            entries.retain(|e| {
                let live = !targets.get(e.place).is_none();
                if !live {
                    released.push(e.place);
                }
                live
            });
            released.into_iter().for_each(|place| targets.release(place));
            self.heap = entries.into();
        }
    }

    /// When the first timer is due.
    pub(crate) fn next(&mut self) -> Option<f64> {
        while let Some(entry) = self.heap.peek() {
            if !self.targets.get(entry.place).is_none() {
                return Some(entry.when);
            }
            let place = entry.place;
            self.heap.pop();
            self.targets.release(place);
        }
        None
    }

    /// Whether the first timer was given a whole number.
    pub(crate) fn next_is_whole(&self) -> bool {
        let first = self.heap.peek().and_then(|entry| self.targets.get(entry.place).exact::<Handle>());
        first.is_some_and(|handle| handle.whole.get())
    }

    /// Takes out the first timer if it is due before `end` (or at `now`).
    pub(crate) fn pop_due(&mut self, heap: &Heap, now: f64, end: f64) -> Option<Raw> {
        let when = self.next()?;
        if when >= end && when > now {
            return None;
        }
        let entry = self.heap.pop().expect("there is a next");
        let target = self.targets.get(entry.place).raw();
        self.targets.remove(heap, entry.place);
        Some(target)
    }

    /// When the timers are due and what they refer to, the next first.
    pub(crate) fn targets(&self) -> Vec<(f64, Raw)> {
        let mut entries: Vec<Entry> = self.heap.iter().copied().collect();
        entries.sort_by(|a, b| b.cmp(a));
        let target = |entry: &Entry| (entry.when, self.targets.get(entry.place).raw());
        entries.iter().map(target).filter(|(_, raw)| !raw.same(Raw::NONE)).collect()
    }

    /// Visits what the timers refer to.
    pub(crate) fn trace(&self, tracer: &mut Tracer<'_>) {
        self.targets.trace(tracer);
    }
}
