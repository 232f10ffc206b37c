//! A buffer that only grows at its end: what makes `s += x` in a loop linear. Texts share it, each knowing its own length.

#![allow(unsafe_code, reason = "bytes below `used` are shared as immutable")]

use std::cell::Cell as StdCell;

use super::cell::Gc;
use super::{Heap, OutOfMemory};

/// Bytes of which those below `used` never change again.
#[derive(Debug)]
pub struct AppendBuffer {
    capacity: usize,
    used: StdCell<usize>,
}

crate::cell! { AppendBuffer: AppendBuffer { slots: [], refs: [] } tail ByteCellTail by |b| b.capacity }

impl AppendBuffer {
    /// A buffer with room for `capacity` bytes that begins with `parts`.
    pub fn new<'h>(heap: &'h Heap, capacity: usize, parts: &[&[u8]]) -> Result<Gc<'h, AppendBuffer>, OutOfMemory> {
        let buffer = heap.alloc_buffer(AppendBuffer { capacity, used: StdCell::new(0) })?;
        for part in parts {
            let appended = buffer.append(buffer.used.get(), part);
            assert!(appended, "the capacity covers the parts");
        }
        Ok(buffer)
    }
}

impl<'h> Gc<'h, AppendBuffer> {
    /// Appends `bytes` if the buffer ends at `end` and has room; false otherwise.
    pub fn append(self, end: usize, bytes: &[u8]) -> bool {
        if self.used.get() != end || self.capacity - end < bytes.len() {
            return false;
        }
        for (cell, byte) in self.tail()[end..].iter().zip(bytes) {
            cell.set(*byte);
        }
        self.used.set(end + bytes.len());
        true
    }

    /// The first `len` bytes. Panics if they are not all written yet.
    pub fn prefix(self, len: usize) -> &'h [u8] {
        assert!(len <= self.used.get(), "only written bytes are shared");
        let tail = self.tail();
        // SAFETY: bytes below `used` are never written again.
        unsafe { std::slice::from_raw_parts(tail.as_ptr().cast(), len) }
    }
}
