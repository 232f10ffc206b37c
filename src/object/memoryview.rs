//! memoryview: a window on the bytes of another object, item by item.

use std::cell::Cell as StdCell;

use crate::heap::{Slot, Value};
use crate::object::{ByteArray, Bytes};

/// A memoryview. It looks at a bytes object or a bytearray: at `count` rows, `stride` apart. A row is one item, or, with several dimensions,
/// items side by side: only the first dimension can be sliced.
#[derive(Debug)]
pub struct MemoryView {
    /// `obj`: what it was made of.
    pub owner: Slot,
    /// The exact bytes or bytearray that has the memory.
    pub memory: Slot,
    /// The object of a class of the language that gave a view, and that view, which it is told of when this one is released; else None.
    pub giver: Slot,
    /// Where the first item is, in bytes.
    pub offset: usize,
    /// Number of rows: the size of the first dimension; 1 without dimensions.
    pub count: usize,
    /// From one row to the next, in bytes.
    pub stride: isize,
    /// Number of dimensions.
    pub dimensions: usize,
    /// The sizes of the dimensions after the first.
    pub inner: Box<[usize]>,
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

crate::cell! { MemoryView: MemoryView { slots: [owner, memory, giver], refs: [] } }

impl MemoryView {
    /// Bytes of a row.
    pub fn row_size(&self) -> usize {
        self.inner.iter().product::<usize>() * self.item_size
    }

    /// Bytes of all items.
    pub fn size(&self) -> usize {
        self.count * self.row_size()
    }

    /// Where row number `index` begins.
    pub fn place(&self, index: usize) -> usize {
        (self.offset as isize + index as isize * self.stride) as usize
    }

    /// Where each item begins, in the order of the last index first.
    pub fn places(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count)
            .flat_map(|row| (self.place(row)..).step_by(self.item_size).take(self.row_size() / self.item_size))
    }

    /// The size of each dimension.
    pub fn extents(&self) -> Vec<usize> {
        match self.dimensions {
            0 => vec![],
            _ => std::iter::once(self.count).chain(self.inner.iter().copied()).collect(),
        }
    }

    /// From one index to the next in bytes, for each dimension.
    pub fn strides(&self) -> Vec<isize> {
        let mut out: Vec<isize> = (0..self.inner.len())
            .map(|i| (self.inner[i + 1..].iter().product::<usize>() * self.item_size) as isize)
            .collect();
        if self.dimensions > 0 {
            out.insert(0, self.stride);
        }
        out
    }

    /// Whether items follow each other without gaps, the last index first.
    pub fn is_contiguous(&self) -> bool {
        self.count <= 1 || self.stride == self.row_size() as isize
    }

    /// Whether items follow each other without gaps, the first index first.
    pub fn is_contiguous_by_columns(&self) -> bool {
        self.is_contiguous() && (self.dimensions <= 1 || self.extents().iter().filter(|&&size| size > 1).count() <= 1)
    }

    /// The item at an index of a view of plain bytes; None of any other, once it is released, and out of range.
    pub fn byte_at(&self, index: i64) -> Option<u8> {
        if self.format != 'B' || self.dimensions != 1 || self.released.get() {
            return None;
        }
        let at = if index < 0 { index + self.count as i64 } else { index };
        let at = usize::try_from(at).ok().filter(|at| *at < self.count)?;
        Some(self.item_bytes(self.offset.wrapping_add_signed(at as isize * self.stride))[0])
    }

    /// The bytes of the item at a place. A bytearray cannot shrink while a view looks at it, so they are there.
    pub fn item_bytes(&self, at: usize) -> [u8; 8] {
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

    /// Writes the bytes of the item at a place, if the memory is a bytearray.
    pub fn set_item_bytes(&self, at: usize, bytes: &[u8]) {
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
        if self.readonly || !self.is_contiguous() || bytes.len() > self.size() {
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
            let range = self.offset..self.offset + self.size();
            let memory = self.memory.get();
            if let Some(bytes) = memory.exact::<Bytes>() {
                return bytes.as_bytes()[range].to_vec();
            }
            if let Some(array) = memory.exact::<ByteArray>() {
                return array.cells()[range].iter().map(StdCell::get).collect();
            }
        }
        let mut out = Vec::with_capacity(self.size());
        for at in self.places() {
            out.extend_from_slice(&self.item_bytes(at)[..size]);
        }
        out
    }
}
