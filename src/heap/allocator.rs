//! The allocator of a program that may run short of memory: a reserve is given up when the system has no more, so that what was under way gets
//! to a safepoint, where the script is told by a MemoryError.
//!
//! Sizes that scripts choose are asked for before (`Heap::check`, `try_reserve`); this is for the rest, which is small: without it the machine
//! would end the process at an allocation that nobody can refuse.

#![allow(unsafe_code, reason = "an allocator hands out memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// What is kept back: address space, never written to.
const RESERVE: Layout = match Layout::from_size_align(64 << 20, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};
/// The most bytes of one allocation that the reserve is given up for: larger ones must be asked for.
const SMALL: usize = 16 << 20;

/// The memory kept back; null if it was given up, or was never needed.
static KEPT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// The reserve was given up.
static SHORT: AtomicBool = AtomicBool::new(false);

/// An allocator with a reserve.
#[derive(Debug)]
pub struct Allocator<A>(pub A);

impl<A: GlobalAlloc> Allocator<A> {
    #[cold]
    #[inline(never)]
    fn give_up_reserve(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        let kept = if layout.size() <= SMALL { KEPT.swap(ptr::null_mut(), Ordering::AcqRel) } else { ptr::null_mut() };
        if kept.is_null() {
            return kept;
        }
        SHORT.store(true, Ordering::Release);
        // SAFETY: the reserve came from this allocator, and only one caller got it; the layout is the caller's.
        unsafe {
            self.0.dealloc(kept, RESERVE);
            if zeroed { self.0.alloc_zeroed(layout) } else { self.0.alloc(layout) }
        }
    }
}

// SAFETY: everything comes from the allocator inside, which keeps the contract.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Allocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { self.0.alloc(layout) };
        if memory.is_null() { self.give_up_reserve(layout, false) } else { memory }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if memory.is_null() { self.give_up_reserve(layout, true) } else { memory }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            let moved = self.0.realloc(memory, layout, size);
            if !moved.is_null() {
                return moved;
            }
            // What could not be moved is as it was.
            let new = self.give_up_reserve(Layout::from_size_align_unchecked(size, layout.align()), false);
            if !new.is_null() {
                ptr::copy_nonoverlapping(memory, new, layout.size().min(size));
                self.0.dealloc(memory, layout);
            }
            new
        }
    }
}

/// Whether the reserve was given up and cannot be had again; if it can, memory is not short any more. Nothing is kept back
/// before somebody asks for it with `keep_reserve`.
pub(super) fn is_short() -> bool {
    SHORT.load(Ordering::Acquire) && !keep_reserve()
}

/// Keeps memory back, if the system has it. For processes whose memory is bounded.
pub(crate) fn keep_reserve() -> bool {
    if !KEPT.load(Ordering::Acquire).is_null() {
        return true;
    }
    // SAFETY: the layout has a size.
    let memory = unsafe { std::alloc::alloc(RESERVE) };
    if memory.is_null() {
        return false;
    }
    SHORT.store(false, Ordering::Release);
    if KEPT.compare_exchange(ptr::null_mut(), memory, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // Another thread kept some meanwhile.
        // SAFETY: just allocated with this layout.
        unsafe { std::alloc::dealloc(memory, RESERVE) }
    }
    true
}

/// Whether the reserve was given up since it was last looked at.
#[inline]
pub(super) fn was_given_up() -> bool {
    SHORT.load(Ordering::Relaxed)
}
