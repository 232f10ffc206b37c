//! Interned texts: one cell for each name, so that names are compared by address.

use hashbrown::HashTable;

use crate::heap::{Gc, Heap, Tracer};
use crate::object::{INTERNED, Str};

use super::Vm;
use super::frame::Held;
use super::native::Root;

/// Every interned text of a machine. One lives as long as something else refers to it: see `collect.rs`.
#[derive(Debug)]
pub(super) struct Interned {
    table: HashTable<Held<Str>>,
    /// Those made since the last collection.
    young: Vec<Held<Str>>,
}

impl Interned {
    /// Room for the names of the machine and of the builtin types.
    pub(super) fn new() -> Interned {
        Interned { table: HashTable::with_capacity(4096), young: vec![] }
    }

    /// Visits all texts, or only those made since the last collection.
    pub(super) fn trace(&self, young: bool, tracer: &mut Tracer<'_>) {
        if young {
            self.young.iter().for_each(|text| tracer.raw(text.value().raw()));
        } else {
            self.table.iter().for_each(|text| tracer.raw(text.value().raw()));
        }
    }

    /// What is alive is marked: forgets the other texts.
    pub(super) fn forget_dead(&mut self, heap: &Heap, tracer: &Tracer<'_>) {
        self.table.retain(|text| tracer.is_alive(text.value().raw()));
        // A program that made very many for a while does not go on paying for them.
        if self.table.capacity() > 4 * self.table.len().max(4096) {
            self.table.shrink_to(2 * self.table.len(), |text| text.hash(heap) as u64);
        }
    }

    /// A collection has ended: what there is is old.
    pub(super) fn grow_old(&mut self) {
        self.young.clear();
    }
}

impl Vm {
    /// The one text with these characters in the table of interned texts.
    pub fn intern(&mut self, text: &str) -> Gc<'_, Str> {
        self.intern_bytes(text.as_bytes())
    }

    /// As `intern`, for a text with lone surrogates.
    pub fn intern_bytes(&mut self, bytes: &[u8]) -> Gc<'_, Str> {
        let hash = self.heap.hash_key().hash_text(bytes) as u64;
        let interned = &mut self.interned;
        if let Some(found) = interned.table.find(hash, |text| text.as_bytes() == bytes) {
            return *found;
        }
        let new = Str::from_parts(&self.heap, &[bytes]);
        new.set_aux(new.aux() | INTERNED);
        let new = new.held();
        let heap = &self.heap;
        interned.table.insert_unique(hash, new, |text| text.hash(heap) as u64);
        interned.young.push(new);
        new
    }

    /// The interned text equal to `text`.
    pub fn intern_str(&mut self, root: Root) -> Gc<'_, Str> {
        let text = root.get(self).exact::<Str>().expect("callers intern texts");
        if text.is_interned() {
            return root.get(self).exact::<Str>().expect("a text");
        }
        let bytes = text.as_bytes().to_vec();
        self.intern_bytes(&bytes)
    }

    /// How many texts are interned.
    pub fn count_interned(&self) -> usize {
        self.interned.table.len()
    }

    /// The interned text equal to these characters, if there is one: what is not interned is no attribute of anything.
    pub fn find_interned(&self, wanted: Gc<'_, Str>) -> Option<Gc<'_, Str>> {
        let hash = wanted.hash(&self.heap) as u64;
        self.interned.table.find(hash, |text| text.equals(wanted)).copied()
    }
}
