//! Iterators over builtin collections: what `for` advances without a call.

use std::cell::Cell as StdCell;

use crate::heap::Slot;

/// An iterator over anything with items by number: list, tuple, str, bytes, `__getitem__`.
#[derive(Debug)]
pub struct SequenceIterator {
    /// What is iterated; None when exhausted.
    pub sequence: Slot,
    /// The number of the next item; for a text the byte offset.
    pub next: StdCell<usize>,
    /// `reversed`: `next` is one past the next item.
    pub backward: bool,
}

crate::cell! { SequenceIterator: SequenceIterator { slots: [sequence], refs: [] } }

/// An iterator over a range within 64 bits.
#[derive(Debug)]
pub struct RangeIterator {
    /// The next number.
    pub next: StdCell<i64>,
    /// The step.
    pub step: i64,
    /// How many are left.
    pub left: StdCell<u64>,
}

crate::cell! { RangeIterator: RangeIterator { slots: [], refs: [] } }

/// Which part of a dict's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictPart {
    /// Keys.
    Keys,
    /// Values.
    Values,
    /// Pairs.
    Items,
}

/// An iterator over a dict.
#[derive(Debug)]
pub struct DictIterator {
    /// The dict; None when exhausted.
    pub dict: Slot,
    /// Which part.
    pub part: DictPart,
    /// The number of the next entry (one past it when backward).
    pub next: StdCell<usize>,
    /// Number of keys at the start: a change is an error, from then on. Of an `OrderedDict` no number at all, for the quick ways ask.
    pub len: StdCell<usize>,
    /// The version that an `OrderedDict` has as long as neither its keys nor their order change.
    pub version: Option<u32>,
    /// Keys still to come.
    pub left: StdCell<usize>,
    /// `reversed`.
    pub backward: bool,
}

crate::cell! { DictIterator: DictIterator { slots: [dict], refs: [] } }

impl DictIterator {
    /// Goes past the entry it stands before; one that goes forward only.
    #[inline(always)]
    pub fn pass(&self) {
        self.next.set(self.next.get() + 1);
        self.left.set(self.left.get() - 1);
    }
}

/// `dict.keys()`, `values()` or `items()`.
#[derive(Debug)]
pub struct DictView {
    /// The dict (an instance of a subclass as it is).
    pub dict: Slot,
    /// Which part.
    pub part: DictPart,
}

crate::cell! { DictView: DictView { slots: [dict], refs: [] } }

/// An iterator over a set or frozenset.
#[derive(Debug)]
pub struct SetIterator {
    /// The set; None when exhausted.
    pub set: Slot,
    /// The next place.
    pub next: StdCell<usize>,
    /// Number of keys at the start: a change is an error, from then on.
    pub len: StdCell<usize>,
    /// Keys still to come.
    pub left: StdCell<usize>,
}

crate::cell! { SetIterator: SetIterator { slots: [set], refs: [] } }

/// A range. Bounds are ints of any size.
#[derive(Debug)]
pub struct Range {
    /// First.
    pub start: Slot,
    /// Bound.
    pub stop: Slot,
    /// Step, not zero.
    pub step: Slot,
}

crate::cell! { Range: Range { slots: [start, stop, step], refs: [] } }

/// A slice.
#[derive(Debug)]
pub struct Slice {
    /// Lower bound or None.
    pub start: Slot,
    /// Upper bound or None.
    pub stop: Slot,
    /// Step or None.
    pub step: Slot,
}

crate::cell! { Slice: Slice { slots: [start, stop, step], refs: [] } }
