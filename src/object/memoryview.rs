//! memoryview: a window on the bytes of another object, item by item.

use std::cell::Cell as StdCell;

use crate::heap::{Slot, Value};
use crate::object::{ByteArray, Bytes};

/// A memoryview of one dimension. It looks at a bytes object or a bytearray.
#[derive(Debug)]
pub struct MemoryView {
    /// `obj`: what it was made of.
    pub owner: Slot,
    /// The exact bytes or bytearray that has the memory.
    pub memory: Slot,
    /// Where the first item is, in bytes.
    pub offset: usize,
    /// Number of items.
    pub count: usize,
    /// From one item to the next, in bytes.
    pub stride: isize,
    /// The item's type, a letter of `struct`; with `@` before it if it was given so.
    pub format: char,
    /// Whether the format was given with an `@`.
    pub native_mark: bool,
    /// Bytes of an item.
    pub item_size: usize,
    /// Whether items cannot be set.
    pub readonly: bool,
    /// Whether it was released.
    pub released: StdCell<bool>,
    /// The hash, once asked for; -1 before.
    pub hash: StdCell<i64>,
}

crate::cell! { MemoryView: MemoryView { slots: [owner, memory], refs: [] } }

impl MemoryView {
    /// Where item number `index` begins.
    pub fn place(&self, index: usize) -> usize {
        (self.offset as isize + index as isize * self.stride) as usize
    }

    /// Whether items follow each other without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.count <= 1 || self.stride == self.item_size as isize
    }

    /// The bytes of an item. A bytearray cannot shrink while a view looks at it, so they are there.
    pub fn item_bytes(&self, index: usize) -> [u8; 8] {
        let at = self.place(index);
        let mut out = [0; 8];
        let memory = self.memory.get();
        if let Some(bytes) = memory.exact::<Bytes>() {
            out[..self.item_size].copy_from_slice(&bytes.as_bytes()[at..at + self.item_size]);
        } else if let Some(array) = memory.exact::<ByteArray>() {
            for (to, from) in out.iter_mut().zip(&array.cells()[at..at + self.item_size]) {
                *to = from.get();
            }
        }
        out
    }

    /// Writes the bytes of an item, if the memory is a bytearray.
    pub fn set_item_bytes(&self, index: usize, bytes: &[u8]) {
        let at = self.place(index);
        let memory: Value<'_> = self.memory.get();
        if let Some(array) = memory.exact::<ByteArray>() {
            for (to, from) in array.cells()[at..at + self.item_size].iter().zip(bytes) {
                to.set(*from);
            }
        }
    }

    /// Copies bytes to the beginning, where that is a run of bytes that can be set; whether it was.
    pub fn fill(&self, bytes: &[u8]) -> bool {
        let memory = self.memory.get();
        let Some(array) = memory.exact::<ByteArray>() else { return false };
        if self.readonly || !self.is_contiguous() || bytes.len() > self.count * self.item_size {
            return false;
        }
        let cells = &array.cells()[self.offset..self.offset + bytes.len()];
        cells.iter().zip(bytes).for_each(|(cell, byte)| cell.set(*byte));
        true
    }

    /// A copy of all bytes, item after item.
    pub fn to_vec(&self) -> Vec<u8> {
        let size = self.item_size;
        if self.is_contiguous() {
            let range = self.offset..self.offset + self.count * size;
            let memory = self.memory.get();
            if let Some(bytes) = memory.exact::<Bytes>() {
                return bytes.as_bytes()[range].to_vec();
            }
            if let Some(array) = memory.exact::<ByteArray>() {
                return array.cells()[range].iter().map(StdCell::get).collect();
            }
        }
        let mut out = Vec::with_capacity(self.count * size);
        for index in 0..self.count {
            out.extend_from_slice(&self.item_bytes(index)[..size]);
        }
        out
    }
}
