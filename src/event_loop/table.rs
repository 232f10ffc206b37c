//! A table of values by number, in the heap: what lives long there costs the collector nothing until it is written to again.
//! A table of bare values in Rust would be visited whole in every minor collection.

use crate::heap::{Heap, Raw, Tracer, Value};
use crate::object::References;

/// References of a chunk: a store makes the collector look at one chunk again.
const CHUNK: usize = References::LEN;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    chunks: Vec<Raw>,
    free: Vec<u32>,
    used: u32,
    live: usize,
    /// Values and cleared places that are not released yet.
    taken: usize,
}

impl Table {
    /// Puts a value in, and says where.
    pub(crate) fn insert(&mut self, heap: &Heap, value: Value<'_>) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            if self.used as usize == self.chunks.len() * CHUNK {
                let chunk = References::new(heap);
                self.chunks.push(chunk.value().raw());
            }
            self.used += 1;
            self.used - 1
        });
        self.live += 1;
        self.taken += 1;
        self.set(heap, place, value);
        place
    }

    /// The value at a place; None if it was cleared.
    pub(crate) fn get(&self, place: u32) -> Value<'_> {
        let chunk = Value::adopt(self.chunks[place as usize / CHUNK]).exact::<References>().expect("a chunk");
        chunk.at(place as usize % CHUNK)
    }

    fn set(&mut self, heap: &Heap, place: u32, value: Value<'_>) {
        let chunk = Value::adopt(self.chunks[place as usize / CHUNK]).exact::<References>().expect("a chunk");
        chunk.put(heap, place as usize % CHUNK, value);
    }

    /// Takes the value out; its place stays taken until `release`.
    pub(crate) fn clear(&mut self, heap: &Heap, place: u32) {
        self.set(heap, place, Value::NONE);
        self.live -= 1;
    }

    /// Lets a cleared place be used again.
    pub(crate) fn release(&mut self, place: u32) {
        self.free.push(place);
        self.taken -= 1;
        if self.taken == 0 {
            self.free.clear();
            self.used = 0;
            self.chunks.clear();
        }
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, heap: &Heap, place: u32) {
        self.clear(heap, place);
        self.release(place);
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The values, in order of places.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.used).map(|place| self.get(place)).filter(|v| !v.is_none())
    }

    /// Visits the chunks.
    pub(crate) fn trace(&self, tracer: &mut Tracer<'_>) {
        for chunk in &self.chunks {
            tracer.raw(*chunk);
        }
    }
}
