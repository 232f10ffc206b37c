//! Blocks: 64 KiB of memory, aligned, that hold cells of one size. Mark bits are kept at the head of the block, one for
//! every sixteen bytes, so that sweeping reads no cell.

#![allow(unsafe_code, reason = "raw memory")]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::cell::Header;

/// Size and alignment of a block.
pub(super) const BLOCK: usize = 64 * 1024;
/// Where the cells begin.
pub(super) const CELLS: usize = 640;
/// Blocks allocated at a time, by a small heap.
const CHUNK: usize = 16;
/// A page of the large kind: clearing one at its first touch takes a tenth of the time that its small pages would.
const HUGE_PAGE: usize = 2 << 20;
/// Bytes of blocks in huge pages that are mapped at a time.
const HUGE_CHUNK: usize = 4 * HUGE_PAGE;
/// Bytes of blocks from which on they come as huge pages: small programs are not to hold more than they use.
const HUGE_FROM: usize = 32 << 20;
/// The largest cell that shares a block; larger ones get memory of their own.
pub(super) const LARGEST: usize = 8192;

/// Bytes of a block that are handed out at a time the first time.
const FRESH: usize = 8 << 10;

const SIZES: [u16; 41] = [
    16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 272, 288, 304, 320, 336, 352, 368, 384,
    400, 416, 432, 448, 464, 480, 496, 512, 640, 768, 1024, 1536, 2048, 3072, 4096, 5440, 8192,
];
/// Number of size classes.
pub(super) const CLASSES: usize = SIZES.len();

/// The size class of a cell of `size` bytes, at most [`LARGEST`].
#[inline(always)]
pub(super) fn class_of(size: usize) -> usize {
    if size <= 512 { size.div_ceil(16) - 1 } else { class_of_big(size) }
}

#[cold]
fn class_of_big(size: usize) -> usize {
    SIZES.partition_point(|s| usize::from(*s) < size)
}

/// Bytes of a cell in a size class.
#[inline(always)]
pub(super) fn class_size(class: usize) -> usize {
    usize::from(SIZES[class])
}

/// The head of a block.
#[repr(C)]
pub(super) struct Block {
    /// Bytes of a cell; of the whole memory for a large block.
    pub(super) cell_size: usize,
    /// Number of cells.
    pub(super) count: u32,
    /// Its number, in order of making: `id()` is made from it.
    pub(super) number: u32,
    /// Cells from this number on were never handed out.
    pub(super) reached: u32,
    /// Whether its cells own Rust memory and are visited when they die.
    pub(super) drops: bool,
    /// Bytes of a block with one large cell, 0 otherwise.
    pub(super) large: usize,
    marks: [u64; BLOCK / 16 / 64],
}

const _: () = assert!(size_of::<Block>() <= CELLS);

impl Block {
    /// The block a cell lies in.
    #[inline(always)]
    pub(super) fn of(cell: *mut Header) -> *mut Block {
        cell.map_addr(|a| a & !(BLOCK - 1)).cast()
    }

    #[inline(always)]
    fn bit(cell: *mut Header) -> (usize, u64) {
        let index = (cell.addr() & (BLOCK - 1)) >> 4;
        (index >> 6, 1 << (index & 63))
    }

    /// Whether the cell survived the last collection (or was reached by the one going on).
    #[inline(always)]
    pub(super) fn is_marked(cell: *mut Header) -> bool {
        let (word, bit) = Block::bit(cell);
        // SAFETY: every cell lies in a block.
        unsafe { (*Block::of(cell)).marks[word] & bit != 0 }
    }

    /// Marks the cell; false if it was so already.
    #[inline(always)]
    pub(super) fn mark(cell: *mut Header) -> bool {
        let (word, bit) = Block::bit(cell);
        // SAFETY: every cell lies in a block; only the collector touches marks.
        let marks = unsafe { &mut (*Block::of(cell)).marks[word] };
        let fresh = *marks & bit == 0;
        *marks |= bit;
        fresh
    }

    /// Takes the mark of a cell back.
    pub(super) fn unmark(cell: *mut Header) {
        let (word, bit) = Block::bit(cell);
        // SAFETY: as above.
        unsafe { (*Block::of(cell)).marks[word] &= !bit }
    }

    /// All marks.
    pub(super) fn marks(&self) -> &[u64; BLOCK / 16 / 64] {
        &self.marks
    }

    /// Sets all marks as they were.
    pub(super) fn set_marks(&mut self, marks: &[u64; BLOCK / 16 / 64]) {
        self.marks = *marks;
    }

    /// Forgets all marks.
    pub(super) fn clear_marks(&mut self) {
        self.marks = [0; BLOCK / 16 / 64];
    }

    /// The address of cell number `index`.
    #[inline(always)]
    pub(super) fn cell(block: *mut Block, index: u32, size: usize) -> *mut Header {
        // SAFETY: callers pass an index below `count`.
        unsafe { block.cast::<u8>().add(CELLS + index as usize * size).cast() }
    }

    /// The cells that were ever handed out.
    ///
    /// # Safety
    /// The block is live and stays so.
    pub(super) unsafe fn cells(block: *mut Block) -> impl Iterator<Item = *mut Header> {
        // SAFETY: as the caller promises.
        let (reached, size) = unsafe { ((*block).reached, (*block).cell_size) };
        (0..reached).map(move |index| Block::cell(block, index, size))
    }

    /// The next run of unmarked cells from number `from` on: its first and one past its last. What was never handed out comes in small
    /// runs, so that it is not touched before it is needed.
    pub(super) fn free_run(block: *mut Block, from: u32) -> Option<(u32, u32)> {
        // SAFETY: a live block.
        let (count, size, reached) = unsafe { ((*block).count, (*block).cell_size, &mut (*block).reached) };
        let mut start = from;
        while start < count && Block::is_marked(Block::cell(block, start, size)) {
            start += 1;
        }
        if start == count {
            return None;
        }
        if start >= *reached {
            let end = count.min(start + FRESH.div_ceil(size) as u32);
            *reached = end;
            return Some((start, end));
        }
        let mut end = start + 1;
        while end < *reached && !Block::is_marked(Block::cell(block, end, size)) {
            end += 1;
        }
        Some((start, end))
    }
}

/// Hands out empty blocks, in chunks, and takes them back all at once.
#[derive(Debug, Default)]
pub(super) struct BlockSource {
    chunks: Vec<NonNull<u8>>,
    /// Chunks in huge pages.
    huge: Vec<NonNull<u8>>,
    free: Vec<NonNull<Block>>,
    made: u32,
    /// Memory of large cells that died, by size: what comes from the system has to be cleared page by page first, which costs more than
    /// most large cells are used for.
    kept: Vec<(usize, Vec<NonNull<Block>>)>,
    /// Bytes of it.
    kept_bytes: usize,
}

/// The most memory of dead large cells that is kept: as much as is allocated between two minor collections of a small heap, rounded up.
const KEPT: usize = 24 << 20;
/// Larger ones go back to the system at once.
const LARGEST_KEPT: usize = 2 << 20;
/// Large cells from this size on lie in huge pages.
const HUGE_LARGE: usize = 2 * HUGE_PAGE;

/// How the memory of a block with one large cell is laid out; None if it is beyond the address space.
pub(super) fn layout_of_large(large: usize) -> Option<Layout> {
    Layout::from_size_align(large, if large >= HUGE_LARGE { HUGE_PAGE } else { BLOCK }).ok()
}

/// Zeroed memory of [`HUGE_CHUNK`] bytes in huge pages. Mapped here, since an allocator that rounds to such sizes touches what it gives or
/// maps a multiple of it.
fn map_huge_pages() -> Option<NonNull<u8>> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
    let whole = HUGE_CHUNK + HUGE_PAGE;
    // SAFETY: a mapping of its own, and what is given back of it lies before and behind the chunk.
    unsafe {
        let mapped = mmap_anonymous(std::ptr::null_mut(), whole, protection, flags).ok()?;
        let before = mapped.align_offset(HUGE_PAGE);
        let chunk = mapped.byte_add(before);
        if before > 0 {
            let _ = munmap(mapped, before);
        }
        let _ = munmap(chunk.byte_add(HUGE_CHUNK), whole - before - HUGE_CHUNK);
        let chunk = NonNull::new(chunk.cast())?;
        in_huge_pages(chunk, HUGE_CHUNK);
        Some(chunk)
    }
}

/// Asks for huge pages behind this memory. A system that has none goes on with small ones.
fn in_huge_pages(memory: NonNull<u8>, size: usize) {
    // SAFETY: the memory is ours, and what it holds does not change.
    let _ = unsafe {
        rustix::mm::madvise(memory.as_ptr().cast(), size & !(HUGE_PAGE - 1), rustix::mm::Advice::LinuxHugepage)
    };
}

/// Bytes of a block for a large cell: rounded to four sizes between a power of two and the next, so that others fit it too.
pub(super) fn rounded(size: usize) -> Option<usize> {
    let step = 1usize << (size.ilog2().saturating_sub(2)).max(10);
    Some(size.checked_add(step - 1)? & !(step - 1))
}

impl BlockSource {
    const LAYOUT: Layout = match Layout::from_size_align(BLOCK * CHUNK, BLOCK) {
        Ok(layout) => layout,
        Err(_) => panic!("a valid layout"),
    };

    /// An empty block for cells of `cell_size` bytes; None if the system has no memory.
    pub(super) fn take(&mut self, cell_size: usize, drops: bool) -> Option<NonNull<Block>> {
        if self.free.is_empty() {
            let (chunk, size) = self.chunk()?;
            for i in (0..size / BLOCK).rev() {
                // SAFETY: within the chunk.
                self.free.push(unsafe { chunk.add(i * BLOCK).cast() });
            }
        }
        let block = self.free.pop()?;
        self.made += 1;
        let count = ((BLOCK - CELLS) / cell_size) as u32;
        // SAFETY: the block's memory is ours and zeroed, or was given back empty.
        unsafe {
            block.write(Block {
                cell_size,
                count,
                number: self.made,
                reached: 0,
                drops,
                large: 0,
                marks: [0; BLOCK / 16 / 64],
            });
        }
        Some(block)
    }

    /// More zeroed memory for blocks, and how many bytes; None if the system has none.
    fn chunk(&mut self) -> Option<(NonNull<u8>, usize)> {
        if self.chunks.len() * Self::LAYOUT.size() >= HUGE_FROM
            && let Some(chunk) = map_huge_pages()
        {
            self.huge.push(chunk);
            return Some((chunk, HUGE_CHUNK));
        }
        // SAFETY: the layout has a size.
        let chunk = NonNull::new(unsafe { alloc_zeroed(Self::LAYOUT) })?;
        self.chunks.push(chunk);
        Some((chunk, Self::LAYOUT.size()))
    }

    /// Memory for one cell of `size` bytes; None if the system has no memory.
    pub(super) fn take_large(&mut self, size: usize, drops: bool) -> Option<NonNull<Block>> {
        let large = rounded(size.checked_add(CELLS)?)?;
        let kept = self.kept.iter_mut().find(|(of, _)| *of == large).and_then(|(_, blocks)| blocks.pop());
        let block = match kept {
            Some(block) => {
                self.kept_bytes -= large;
                block
            }
            None => {
                // SAFETY: the layout has a size. Whoever allocates a cell initialises all of it.
                let memory = NonNull::new(unsafe { alloc(layout_of_large(large)?) })?;
                if large >= HUGE_LARGE {
                    in_huge_pages(memory, large);
                }
                memory.cast()
            }
        };
        self.made += 1;
        // SAFETY: the memory is ours.
        unsafe {
            block.write(Block {
                cell_size: size,
                count: 1,
                number: self.made,
                reached: 1,
                drops,
                large,
                marks: [0; BLOCK / 16 / 64],
            });
        }
        Some(block)
    }

    /// Takes the memory of a large cell that died.
    pub(super) fn give_large(&mut self, block: NonNull<Block>) {
        // SAFETY: made by `take_large`.
        let large = unsafe { block.as_ref().large };
        // Under `gc_stress` a use of a dead cell is to show.
        if large > LARGEST_KEPT || self.kept_bytes + large > KEPT || cfg!(feature = "gc_stress") {
            return free_large(block, large);
        }
        self.kept_bytes += large;
        match self.kept.iter_mut().find(|(of, _)| *of == large) {
            Some((_, blocks)) => blocks.push(block),
            None => self.kept.push((large, vec![block])),
        }
    }
}

/// Gives the memory of a large cell back to the system.
fn free_large(block: NonNull<Block>, large: usize) {
    // SAFETY: made by `take_large` with this layout.
    unsafe {
        let layout = layout_of_large(large).expect("as at its making");
        dealloc(block.as_ptr().cast(), layout);
    }
}

impl Drop for BlockSource {
    fn drop(&mut self) {
        for (large, blocks) in std::mem::take(&mut self.kept) {
            blocks.into_iter().for_each(|block| free_large(block, large));
        }
        for chunk in &self.chunks {
            // SAFETY: made with this layout; the heap drops its cells first.
            unsafe { dealloc(chunk.as_ptr(), Self::LAYOUT) }
        }
        for chunk in &self.huge {
            // SAFETY: mapped with this size.
            let _ = unsafe { rustix::mm::munmap(chunk.as_ptr().cast(), HUGE_CHUNK) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_sizes() {
        for size in 1..=LARGEST {
            let class = class_of(size);
            assert!(class_size(class) >= size);
            assert!(class == 0 || class_size(class - 1) < size);
        }
    }

    #[test]
    fn fresh_cells_come_in_small_runs() {
        let mut source = BlockSource::default();
        let block = source.take(64, false).expect("memory").as_ptr();
        let run = FRESH as u32 / 64;
        assert_eq!(Block::free_run(block, 0), Some((0, run)));
        // SAFETY: the block was just taken.
        assert_eq!(unsafe { Block::cells(block) }.count(), run as usize, "only what was handed out is visited");
        Block::mark(Block::cell(block, run - 1, 64));
        assert_eq!(
            Block::free_run(block, 0),
            Some((0, run - 1)),
            "what was handed out comes again up to a living cell"
        );
        assert_eq!(Block::free_run(block, run - 1), Some((run, 2 * run)));
        // SAFETY: as above.
        let count = unsafe { (*block).count };
        let mut end = 2 * run;
        while let Some((start, after)) = Block::free_run(block, end) {
            assert_eq!(start, end, "no cell is left out");
            end = after;
        }
        assert_eq!(end, count);
    }

    #[test]
    fn huge_pages_are_aligned_and_zeroed() {
        let chunk = map_huge_pages().expect("memory");
        assert!(chunk.cast::<u8>().addr().get().is_multiple_of(HUGE_PAGE));
        // SAFETY: mapped with this size, and given back once.
        unsafe {
            assert!(std::slice::from_raw_parts(chunk.as_ptr(), HUGE_CHUNK).iter().all(|byte| *byte == 0));
            rustix::mm::munmap(chunk.as_ptr().cast(), HUGE_CHUNK).expect("ours");
        }
    }
}
