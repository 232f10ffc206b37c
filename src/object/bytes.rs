//! bytes and bytearray.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Heap, OutOfMemory, Ref, move_bytes, store_bytes};

/// Immutable bytes.
#[derive(Debug)]
pub struct Bytes {
    len: usize,
    hash: StdCell<i64>,
}

crate::cell! { Bytes: Bytes { slots: [], refs: [] } tail ByteTail by |b| b.len }

impl Bytes {
    /// Bytes that are `parts`, one after the other.
    #[inline(never)]
    pub fn from_parts<'h>(heap: &'h Heap, parts: &[&[u8]]) -> Gc<'h, Bytes> {
        let len = parts.iter().map(|p| p.len()).sum();
        heap.alloc_bytes(Bytes { len, hash: StdCell::new(0) }, parts)
    }

    /// A copy of `bytes`.
    pub fn new<'h>(heap: &'h Heap, bytes: &[u8]) -> Gc<'h, Bytes> {
        Bytes::from_parts(heap, &[bytes])
    }

    /// Number of bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'h> Gc<'h, Bytes> {
    /// The bytes.
    #[inline(always)]
    pub fn as_bytes(self) -> &'h [u8] {
        self.tail()
    }

    /// The hash, as CPython's with the machine's key.
    pub fn hash(self, heap: &Heap) -> i64 {
        let known = self.get().hash.get();
        if known != 0 {
            return known;
        }
        let hash = heap.hash_key().hash_bytes(self.as_bytes());
        self.get().hash.set(hash);
        hash
    }
}

/// The storage of a bytearray.
#[derive(Debug)]
pub struct Buffer {
    capacity: usize,
}

crate::cell! { Buffer: Buffer { slots: [], refs: [] } tail ByteCellTail by |b| b.capacity }

/// A bytearray.
#[derive(Debug)]
pub struct ByteArray {
    len: StdCell<usize>,
    buffer: Ref<Buffer>,
    /// Number of memoryviews that look at it: it cannot change size while there are any.
    pub exports: StdCell<usize>,
}

crate::cell! { ByteArray: ByteArray { slots: [], refs: [buffer] } }

impl ByteArray {
    /// A bytearray that starts as a copy of `bytes`.
    pub fn new<'h>(heap: &'h Heap, bytes: &[u8]) -> Result<Gc<'h, ByteArray>, OutOfMemory> {
        let array = heap.alloc(ByteArray { len: StdCell::new(0), buffer: Ref::none(), exports: StdCell::new(0) });
        array.splice(heap, 0, 0, bytes)?;
        Ok(array)
    }

    /// Number of bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len.get() == 0
    }
}

impl<'h> Gc<'h, ByteArray> {
    /// The bytes as they are now, each changeable.
    pub fn cells(self) -> &'h [StdCell<u8>] {
        match self.get().buffer.get() {
            Some(buffer) => &buffer.tail()[..self.len()],
            None => &[],
        }
    }

    /// A copy of the bytes.
    pub fn to_vec(self) -> Vec<u8> {
        self.cells().iter().map(StdCell::get).collect()
    }

    /// Adds a byte at the end if there is room for it and nobody looks at the bytes; whether it was added.
    pub fn push_within(self, byte: u8) -> bool {
        let len = self.len();
        let place = self.get().buffer.get().and_then(|buffer| buffer.tail().get(len));
        if self.exports.get() > 0 {
            return false;
        }
        let Some(place) = place else { return false };
        place.set(byte);
        self.get().len.set(len + 1);
        true
    }

    /// Replaces bytes `start..end`.
    pub fn splice(self, heap: &'h Heap, start: usize, end: usize, bytes: &[u8]) -> Result<(), OutOfMemory> {
        let len = self.len();
        assert!(start <= end && end <= len, "a range within the bytearray");
        let new_len = (len - (end - start)).checked_add(bytes.len()).ok_or(OutOfMemory)?;
        let old = self.cells();
        let target = match self.get().buffer.get() {
            Some(buffer) if buffer.capacity >= new_len => buffer,
            _ => {
                let buffer = heap.alloc_buffer(Buffer { capacity: new_len.max(len + len / 2).max(16) })?;
                move_bytes(buffer.tail(), &old[..start]);
                buffer
            }
        };
        let to = target.tail();
        move_bytes(&to[start + bytes.len()..], &old[end..]);
        store_bytes(&to[start..], bytes);
        self.set_ref(heap, |b| &b.buffer, Some(target));
        self.get().len.set(new_len);
        Ok(())
    }
}
