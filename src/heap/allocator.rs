//! The allocator of a program that may run short of memory: a reserve is given up when the system has no more, so that what was under way gets
//! to a safepoint, where the script is told by a MemoryError.
//!
//! Sizes that scripts choose are asked for before (`Heap::check`, `try_reserve`); this is for the rest, which is small: without it the machine
//! would end the process at an allocation that nobody can refuse.
//!
//! Large memory comes in huge pages (Linux, `transparent_hugepage.html`): a page of 4 KiB costs more to be given than to be filled.

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

/// From this size on memory is asked for in huge pages.
const LARGE: usize = 4 << 20;
/// Bytes of a huge page.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

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
        if layout.size() >= LARGE {
            prefer_huge_pages(memory, layout.size());
        }
        if memory.is_null() { self.give_up_reserve(layout, false) } else { memory }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if layout.size() >= LARGE {
            prefer_huge_pages(memory, layout.size());
        }
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
                if size >= LARGE {
                    prefer_huge_pages(moved, size);
                }
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

/// Has the system give huge pages for memory that is not in use yet, where it does so for who asks. (Where it gives them to everybody, the
/// allocator has told it not to: starting would take longer.)
#[cfg(target_os = "linux")]
#[cold]
#[inline(never)]
fn prefer_huge_pages(memory: *mut u8, size: usize) {
    use rustix::mm::{Advice, madvise};
    use std::sync::OnceLock;

    static GIVEN: OnceLock<bool> = OnceLock::new();
    let given =
        GIVEN.get_or_init(|| given_to_who_asks() && rustix::thread::disable_transparent_huge_pages(false).is_ok());
    let start = memory.addr().next_multiple_of(HUGE);
    let end = (memory.addr() + size) & !(HUGE - 1);
    if *given && !memory.is_null() && start < end {
        // SAFETY: within the allocation; advice changes no contents. Whether it is taken doesn't matter.
        let _ = unsafe { madvise(memory.with_addr(start).cast(), end - start, Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge_pages(_memory: *mut u8, _size: usize) {}

/// Whether the system gives huge pages to who asks for them, and to nobody else. Allocates nothing.
#[cfg(target_os = "linux")]
fn given_to_who_asks() -> bool {
    use rustix::fs::{Mode, OFlags, open};

    const SETTING: &std::ffi::CStr = c"/sys/kernel/mm/transparent_hugepage/enabled";
    let mut text = [0; 64];
    let read = open(SETTING, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut text));
    read.is_ok_and(|length| text[..length].windows(9).any(|part| part == b"[madvise]"))
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
