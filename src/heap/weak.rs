//! Weak references: cells the collector clears when what they refer to dies.

#![allow(unsafe_code, reason = "the target is not traced")]

use std::cell::Cell as StdCell;
use std::collections::HashMap;

use super::Heap;
use super::block::Block;
use super::cell::{Gc, Header, Slot};
use super::value::{Raw, Value};

/// A weak reference.
#[derive(Debug)]
pub struct WeakRef {
    target: StdCell<Raw>,
    callback: Slot,
    /// The instance of a class derived from `ref` that this one is the payload of; unbound if there is none.
    owner: Slot,
    /// The hash of the object, once asked for; -1 before.
    pub hash: StdCell<i64>,
}

crate::cell! { WeakRef: WeakRef { slots: [callback, owner], refs: [] } }

impl WeakRef {
    /// A weak reference to a cell. None for a value without one.
    pub fn new<'h>(heap: &'h Heap, target: Value<'_>, callback: Value<'_>) -> Option<Gc<'h, WeakRef>> {
        target.header()?;
        let cell = heap.alloc(WeakRef {
            target: StdCell::new(target.raw()),
            callback: Slot::new(callback),
            owner: Slot::new(Value::UNBOUND),
            hash: StdCell::new(-1),
        });
        heap.weak.push(cell.pointer());
        heap.look_soon();
        Some(cell)
    }

    /// What it refers to, unless that is dead.
    pub fn target(&self) -> Option<Value<'_>> {
        let raw = self.target.get();
        (!raw.is_unbound()).then(|| Value::adopt(raw))
    }

    /// The function to call when the object dies, or None.
    pub fn callback(&self) -> Value<'_> {
        self.callback.get()
    }

    /// What scripts know as the reference: itself, or the instance that it is the payload of.
    pub fn shown(reference: Gc<'_, WeakRef>) -> Raw {
        let owner = reference.get().owner.get();
        if owner.is_unbound() { reference.value().raw() } else { owner.raw() }
    }

    /// Forgets what it refers to.
    pub fn clear(&self) {
        self.target.set(Raw::UNBOUND);
    }

    /// What it refers to, if that has not been reached by the collection going on.
    pub(super) fn dead_target(&self) -> Option<*mut Header> {
        let raw = self.target.get();
        (!raw.is_unbound() && !Block::is_marked(raw.header())).then(|| raw.header())
    }
}

/// Puts references with callbacks, which were found as they were made, in the order in which CPython calls those: object by object, the
/// newest first.
pub(super) fn newest_first(mut found: Vec<(*mut Header, Raw)>) -> impl Iterator<Item = Raw> {
    let mut places: HashMap<*mut Header, usize> = HashMap::new();
    for (target, _) in &found {
        let next = places.len();
        places.entry(*target).or_insert(next);
    }
    found.reverse();
    found.sort_by_key(|(target, _)| places[target]);
    found.into_iter().map(|(_, reference)| reference)
}

impl Gc<'_, WeakRef> {
    /// Says which instance this is the payload of.
    pub fn set_owner(self, heap: &Heap, owner: Value<'_>) {
        self.set(heap, |w| &w.owner, owner);
    }
}

impl Heap {
    /// A plain weak reference to a value, one without a callback, if it is among those made lately: looking through all of them would
    /// take too long.
    pub fn recent_reference_to(&self, target: Value<'_>) -> Option<Gc<'_, WeakRef>> {
        const LATELY: usize = 64;
        let found = self.weak.newest(LATELY, |cell| {
            // SAFETY: entries are weak references not yet swept.
            let weak = unsafe { Gc::<WeakRef>::from_header(*cell) };
            let plain = weak.get().callback().is_none() && WeakRef::shown(weak).same(weak.value().raw());
            plain && weak.get().target().is_some_and(|t| t.is(target))
        })?;
        // SAFETY: as above.
        Some(unsafe { Gc::<WeakRef>::from_header(found) })
    }

    /// The weak references to a value, oldest first.
    pub fn references_to(&self, target: Value<'_>) -> Vec<Gc<'_, WeakRef>> {
        let mut found = vec![];
        self.weak.each(|cell| {
            // SAFETY: entries are weak references not yet swept.
            let weak = unsafe { Gc::<WeakRef>::from_header(cell) };
            if weak.get().target().is_some_and(|t| t.is(target)) {
                found.push(weak);
            }
        });
        found
    }
}
