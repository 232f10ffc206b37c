//! The register stack of a fiber: memory reserved at once and committed as it is touched, so registers never move.

#![allow(unsafe_code, reason = "registers are read and written through raw pointers")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::value::{Raw, Value};

/// A stack of registers. All are UNBOUND (zero) at first.
#[derive(Debug)]
pub struct RegisterStack {
    memory: NonNull<Raw>,
    len: usize,
}

impl RegisterStack {
    /// Reserves `len` registers, or where the system has no room for as many a part of them; None if it has hardly any.
    pub fn new(mut len: usize) -> Option<RegisterStack> {
        // Recursion to a depth of a few hundred.
        const LEAST: usize = 1 << 13;
        loop {
            let layout = Layout::array::<Raw>(len).ok()?;
            // SAFETY: the layout has a size; zeroed memory is UNBOUND registers.
            if let Some(memory) = NonNull::new(unsafe { alloc_zeroed(layout) }.cast()) {
                return Some(RegisterStack { memory, len });
            }
            if len <= LEAST {
                return None;
            }
            len /= 2;
        }
    }

    /// Number of registers.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Register number `index`.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Value<'_> {
        assert!((index as usize) < self.len, "a register of the stack");
        // SAFETY: in range, and every register is initialised.
        Value::adopt(unsafe { Raw::read(self.memory.as_ptr().add(index as usize)) })
    }

    /// Writes register number `index`. The collector scans registers, so there is no barrier.
    #[inline(always)]
    pub fn set(&self, index: u32, value: Raw) {
        assert!((index as usize) < self.len, "a register of the stack");
        // SAFETY: in range; registers are only reached through raw pointers.
        unsafe { self.memory.as_ptr().add(index as usize).write(value) }
    }

    /// Where register number `index` is.
    #[inline(always)]
    pub(crate) fn pointer(&self, index: u32) -> *mut Raw {
        debug_assert!((index as usize) <= self.len);
        self.memory.as_ptr().wrapping_add(index as usize)
    }
}

impl Drop for RegisterStack {
    fn drop(&mut self) {
        let layout = Layout::array::<Raw>(self.len).expect("as at its making");
        // SAFETY: made with this layout.
        unsafe { dealloc(self.memory.as_ptr().cast(), layout) }
    }
}
