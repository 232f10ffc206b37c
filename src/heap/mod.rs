//! Values, cells, allocation and collection. The unsafe code of the object model lives here.
//!
//! The heap does not move cells. Allocating takes the heap by `&` and never collects; collecting takes it by `&mut`. A
//! [`Value`] or [`Gc`] borrows the heap, so the compiler refuses to hold one over a collection. Where a value has to
//! live longer it is in a register, in a cell, or in a root the `Vm` visits.
//!
//! Read on: `value.rs`, `kind.rs`, `cell.rs`, `block.rs`, `collect.rs`.

#![allow(unsafe_code, reason = "raw memory")]

mod allocator;
mod append;
mod block;
mod cell;
mod collect;
mod kind;
mod probe;
mod stack;
mod stress;
mod value;
mod weak;

use std::any::TypeId;
use std::cell::{Cell as StdCell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub use allocator::Allocator;
pub(crate) use allocator::keep_reserve;
pub use append::AppendBuffer;
pub use cell::{
    AnyRef, ByteCellTail, ByteTail, Cell, Entry, EntryTail, Gc, IndexTail, KeyEntry, KeyTail, NoTail, Ref, Slot,
    SlotTail, Tail, move_bytes, store_bytes,
};
pub(crate) use cell::{FINALISABLE, Header};
use collect::NoRoots;
pub use collect::{Collection, Deaths, Roots, Tracer};
pub use kind::Kind;
pub use stack::RegisterStack;
pub(crate) use value::POINTER;
pub use value::{Raw, Value};
pub use weak::WeakRef;

use crate::number::hash::HashKey;
use block::{BLOCK, Block, BlockSource, CLASSES, LARGEST, class_of, class_size};
use cell::{Boxed, FINALISED, LOGGED, OLD, new_header};

/// Bytes allocated between two minor collections, at least: what a processor core caches, since memory that is new each time has to be cleared
/// by the system first.
const NURSERY: usize = 2 << 20;
/// The same for programs with finalisers: only what is young is looked for.
const PROBED_NURSERY: usize = 16 << 20;
/// Live bytes below which no major collection is started: marking that many takes a few milliseconds, and what died old before is memory
/// that has to be touched anew meanwhile.
const MAJOR_FLOOR: usize = 24 << 20;
/// A cell of up to this many bytes is never refused: past the limit, the next safepoint tells the program. So what makes a few things on
/// behalf of a script needs no plan for not getting them.
const FEW: usize = 64 << 10;

/// Bits of the interrupt word: what the run loop stops for at its next safepoint.
pub mod interrupt {
    /// A collection is due.
    pub const COLLECT: u32 = 1;
    /// A signal came in.
    pub const SIGNAL: u32 = 2;
    /// The running fiber's time slice is over.
    pub const SWITCH: u32 = 4;
    /// The machine is to stop.
    pub const STOP: u32 = 8;
    /// Finalisers or weak callbacks wait to be run.
    pub const FINALISE: u32 = 16;
    /// The heap has reached its limit.
    pub const MEMORY: u32 = 32;
    /// Always set under `gc_stress`, so that the run loop stops at every safepoint.
    pub const STRESS: u32 = 64;
    /// Steps are counted: set as long as they are.
    pub const STEP: u32 = 128;
    /// The program is profiled, and the time of a sample has come.
    pub const SAMPLE: u32 = 256;
}

/// What the collector knows of a kind.
pub(crate) struct KindInfo {
    type_id: Option<TypeId>,
    pub(crate) leaf: bool,
    trace: unsafe fn(*mut Header, &mut Tracer<'_>),
    drop: Option<unsafe fn(*mut Header)>,
}

impl KindInfo {
    const NONE: KindInfo = KindInfo { type_id: None, leaf: true, trace: |_, _| {}, drop: None };
}

/// The free run that cells of one size are taken from, and where the next run is looked for.
struct Class {
    cursor: StdCell<*mut u8>,
    end: StdCell<*mut u8>,
    block: StdCell<*mut Block>,
    next_cell: StdCell<u32>,
    /// Blocks not yet looked at since the last collection.
    available: RefCell<Vec<NonNull<Block>>>,
    /// Blocks that were looked at since, and have no room left until the next collection.
    used: RefCell<Vec<NonNull<Block>>>,
    /// Blocks found full of old cells: not looked at again before a major collection.
    full: RefCell<Vec<NonNull<Block>>>,
}

impl Class {
    fn new() -> Class {
        Class {
            cursor: StdCell::new(std::ptr::null_mut()),
            end: StdCell::new(std::ptr::null_mut()),
            block: StdCell::new(std::ptr::null_mut()),
            next_cell: StdCell::new(0),
            available: RefCell::default(),
            used: RefCell::default(),
            full: RefCell::default(),
        }
    }

    fn restart(&self, major: bool) {
        self.cursor.set(std::ptr::null_mut());
        self.end.set(std::ptr::null_mut());
        let mut available = self.available.borrow_mut();
        // The block that was being filled is looked at again like any other.
        available.extend(NonNull::new(self.block.replace(std::ptr::null_mut())));
        available.append(&mut self.used.borrow_mut());
        if major {
            available.append(&mut self.full.borrow_mut());
        }
    }

    fn each_block(&self, mut visit: impl FnMut(*mut Block)) {
        for list in [&self.available, &self.full] {
            for block in list.borrow().iter() {
                visit(block.as_ptr());
            }
        }
        self.each_filled_block(&mut visit);
    }

    /// Visits the blocks that cells were taken from since the last collection.
    fn each_filled_block(&self, mut visit: impl FnMut(*mut Block)) {
        for block in self.used.borrow().iter() {
            visit(block.as_ptr());
        }
        if let Some(block) = NonNull::new(self.block.get()) {
            visit(block.as_ptr());
        }
    }
}

/// Cells whose death somebody wants to know of. Those that survived a collection are apart: a minor collection does not look at them.
#[derive(Default)]
struct Watched {
    young: RefCell<Vec<*mut Header>>,
    old: RefCell<Vec<*mut Header>>,
}

impl Watched {
    fn push(&self, cell: *mut Header) {
        self.young.borrow_mut().push(cell);
    }

    fn clear(&self) {
        self.young.borrow_mut().clear();
        self.old.borrow_mut().clear();
    }

    fn each(&self, visit: impl FnMut(*mut Header)) {
        let (old, young) = (self.old.borrow(), self.young.borrow());
        old.iter().chain(young.iter()).copied().for_each(visit);
    }

    /// The newest of the last few that fits.
    fn newest(&self, most: usize, fits: impl FnMut(&*mut Header) -> bool) -> Option<*mut Header> {
        let (old, young) = (self.old.borrow(), self.young.borrow());
        young.iter().rev().chain(old.iter().rev()).take(most).copied().find(fits)
    }

    /// Those that a probe of this kind can find dead, as they are.
    fn reached_by(&self, kind: Collection) -> Vec<*mut Header> {
        let mut cells = self.young.borrow().clone();
        if kind == Collection::Major {
            cells.extend_from_slice(&self.old.borrow());
        }
        cells
    }

    /// After a probe: keeps those for which `keep` says so, where they are.
    fn keep(&self, kind: Collection, mut keep: impl FnMut(*mut Header) -> bool) {
        self.young.borrow_mut().retain(|cell| keep(*cell));
        if kind == Collection::Major {
            self.old.borrow_mut().retain(|cell| keep(*cell));
        }
    }

    /// Visits the cells that the collection can have found dead, and keeps those for which `keep` says so.
    fn retain(&self, kind: Collection, mut keep: impl FnMut(*mut Header) -> bool) {
        let mut old = self.old.take();
        if kind == Collection::Major {
            old.retain(|cell| keep(*cell));
        }
        let mut young = self.young.take();
        young.retain(|cell| keep(*cell));
        old.append(&mut young);
        // What `keep` registered anew is young.
        self.old.replace(old);
    }
}

/// The most statements that `Heap::pause_looking` takes.
pub const LONGEST_PAUSE: u32 = 1 << 16;
/// A number of statements that no program comes near.
const NEVER: u64 = u64::MAX;

/// The heap of one machine.
pub struct Heap {
    kinds: Box<[KindInfo; 256]>,
    classes: [Class; CLASSES],
    /// Classes for kinds that own Rust memory.
    dropping: [Class; CLASSES],
    large: RefCell<Vec<NonNull<Block>>>,
    source: RefCell<BlockSource>,
    logged: StdCell<Vec<*mut Header>>,
    weak: Watched,
    finalisable: Watched,
    /// Bytes handed out since the last collection.
    allocated: StdCell<usize>,
    nursery: StdCell<usize>,
    /// Bytes that survived.
    live: StdCell<usize>,
    major_at: StdCell<usize>,
    limit: StdCell<usize>,
    /// Something was not made that should have been.
    refused: StdCell<bool>,
    collections: StdCell<u64>,
    interrupt: Arc<AtomicU32>,
    secret: StdCell<u64>,
    hash_key: StdCell<HashKey>,
    versions: StdCell<u32>,
    stress: stress::Stress,
    /// Number of cells that have something to do when they die.
    watched: StdCell<usize>,
    /// The young cells that lived at the last probe.
    probed: RefCell<Vec<*mut Header>>,
    /// Cells that died, as parts of a cycle or because one refers to them: they are seen to by the next collection.
    cyclic: RefCell<HashSet<*mut Header>>,
    /// Scripts could see when something dies.
    shows_deaths: StdCell<bool>,
    /// After how many statements it is looked whether something has died, or a number that is never reached.
    look_in: StdCell<u64>,
    /// There are probes.
    is_probed: StdCell<bool>,
    /// Old cells are watched for their death.
    watches_old: StdCell<bool>,
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("live", &self.live.get()).field("allocated", &self.allocated.get()).finish()
    }
}

/// The system has no memory left, or the heap's limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl Default for Heap {
    fn default() -> Heap {
        Heap::new()
    }
}

impl Heap {
    /// An empty heap.
    pub fn new() -> Heap {
        let mut heap = Heap {
            kinds: Box::new([KindInfo::NONE; 256]),
            classes: std::array::from_fn(|_| Class::new()),
            dropping: std::array::from_fn(|_| Class::new()),
            large: RefCell::default(),
            source: RefCell::default(),
            logged: StdCell::default(),
            weak: Watched::default(),
            finalisable: Watched::default(),
            allocated: StdCell::new(0),
            nursery: StdCell::new(NURSERY),
            live: StdCell::new(0),
            major_at: StdCell::new(MAJOR_FLOOR),
            limit: StdCell::new(usize::MAX),
            refused: StdCell::new(false),
            collections: StdCell::new(0),
            interrupt: Arc::default(),
            secret: StdCell::new(0),
            hash_key: StdCell::default(),
            versions: StdCell::new(0),
            stress: stress::Stress::default(),
            watched: StdCell::new(0),
            probed: RefCell::default(),
            cyclic: RefCell::default(),
            shows_deaths: StdCell::new(false),
            look_in: StdCell::new(NEVER),
            is_probed: StdCell::new(false),
            watches_old: StdCell::new(false),
        };
        if cfg!(feature = "gc_stress") {
            heap.request(interrupt::STRESS);
        }
        heap.register::<WeakRef>();
        heap.register::<AppendBuffer>();
        heap
    }

    /// Makes a kind of cell known to the collector.
    ///
    /// # Panics
    /// If another type has the same kind.
    pub fn register<T: Cell>(&mut self) {
        unsafe fn trace<T: Cell>(header: *mut Header, tracer: &mut Tracer<'_>) {
            // SAFETY: called with the header of a T.
            let cell = unsafe { Gc::<T>::from_header(header) };
            cell.get().trace(tracer);
            let (first, second) = cell.get().live_tail();
            T::trace_tail(&cell.tail()[..first], tracer);
            T::trace_tail(&cell.tail()[second..], tracer);
        }
        unsafe fn drop_body<T: Cell>(header: *mut Header) {
            // SAFETY: called once, with the header of a T that is dead.
            unsafe { std::ptr::drop_in_place(std::ptr::addr_of_mut!((*header.cast::<Boxed<T>>()).body)) }
        }
        let info = &mut self.kinds[T::KIND as usize];
        let id = TypeId::of::<T>();
        assert!(info.type_id.is_none_or(|known| known == id), "two types of kind {:?}", T::KIND);
        *info = KindInfo {
            type_id: Some(id),
            leaf: T::LEAF,
            trace: trace::<T>,
            drop: if std::mem::needs_drop::<T>() { Some(drop_body::<T>) } else { None },
        };
    }

    #[inline(always)]
    pub(crate) fn info(&self, kind: Kind) -> &KindInfo {
        &self.kinds[kind as usize]
    }

    /// This heap, for as long as the cells of a caller that holds them: it is not collected meanwhile.
    #[inline(always)]
    pub(crate) fn forever(&self) -> &'static Heap {
        // SAFETY: only used to allocate a cell whose reference is stored in a register or dropped before the next collection.
        unsafe { &*std::ptr::from_ref(self) }
    }

    /// The word the run loop polls: see [`interrupt`].
    pub fn interrupt(&self) -> &Arc<AtomicU32> {
        &self.interrupt
    }

    /// The secret of text hashes.
    #[inline(always)]
    pub fn hash_key(&self) -> HashKey {
        self.hash_key.get()
    }

    /// Sets the secret of text hashes, before any text is hashed.
    pub fn set_hash_key(&self, key: HashKey) {
        self.hash_key.set(key);
    }

    /// A number for the state of a dict's keys that no dict had before. Wraps after 4 Gi changes, which an inline cache would
    /// have to sleep through to be fooled.
    #[inline(always)]
    pub fn next_version(&self) -> u32 {
        let version = self.versions.get().wrapping_add(1);
        self.versions.set(version);
        version
    }

    /// What dicts mix into hashes before they make places of them: not known to scripts.
    #[inline(always)]
    pub fn secret(&self) -> u64 {
        self.secret.get()
    }

    /// Sets the secret, before any dict is made.
    pub fn set_secret(&self, secret: u64) {
        self.secret.set(secret);
    }

    /// Whether whatever takes long is to look for a signal, or is to stop.
    #[inline]
    pub fn is_called(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) & (interrupt::SIGNAL | interrupt::STOP) != 0
    }

    /// Asks the run loop to stop at its next safepoint.
    pub fn request(&self, bits: u32) {
        self.interrupt.fetch_or(bits, Ordering::Relaxed);
    }

    /// Allocates a cell without a tail.
    #[inline(always)]
    pub fn alloc<T: Cell<Tail = NoTail>>(&self, body: T) -> Gc<'_, T> {
        let size = size_of::<Boxed<T>>();
        let memory = self.memory::<T>(size);
        // SAFETY: the memory is ours and large enough.
        unsafe {
            memory.cast::<Boxed<T>>().write(Boxed { header: new_header(T::KIND), body });
            Gc::from_header(memory.cast())
        }
    }

    /// Allocates a cell with a tail of bytes, a copy of `parts` one after the other. For callers that are not inlined themselves: a body that
    /// is handed on in memory, field by field written and read as vectors, stalls the processor for longer than the rest takes.
    #[inline(always)]
    pub fn alloc_bytes<T: Cell<Tail = ByteTail>>(&self, body: T, parts: &[&[u8]]) -> Gc<'_, T> {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        assert_eq!(len, body.tail_len(), "the body knows its tail");
        let memory = self.memory::<T>(Boxed::<T>::size(len).expect("the parts fit the address space"));
        // SAFETY: the memory is ours and large enough for body and parts.
        unsafe {
            memory.cast::<Boxed<T>>().write(Boxed { header: new_header(T::KIND), body });
            let mut at = memory.add(Boxed::<T>::TAIL_OFFSET);
            for part in parts {
                std::ptr::copy_nonoverlapping(part.as_ptr(), at, part.len());
                at = at.add(part.len());
            }
            Gc::from_header(memory.cast())
        }
    }

    /// Allocates a cell with a tail of zeroed bytes that may change.
    pub fn alloc_buffer<T: Cell<Tail = ByteCellTail>>(&self, body: T) -> Result<Gc<'_, T>, OutOfMemory> {
        let len = body.tail_len();
        let size = Boxed::<T>::size(len).ok_or(OutOfMemory)?;
        self.check_cell(size)?;
        let memory = self.memory::<T>(size);
        // SAFETY: the memory is ours and large enough.
        unsafe {
            memory.cast::<Boxed<T>>().write(Boxed { header: new_header(T::KIND), body });
            std::ptr::write_bytes(memory.add(Boxed::<T>::TAIL_OFFSET), 0, len);
            Ok(Gc::from_header(memory.cast()))
        }
    }

    /// Allocates a cell with a tail of values: `value(i)` is the i-th.
    #[inline]
    pub fn alloc_slots<'h, T: Cell<Tail = SlotTail>>(
        &'h self,
        body: T,
        mut value: impl FnMut(usize) -> Value<'h>,
    ) -> Gc<'h, T> {
        let len = body.tail_len();
        let memory =
            self.memory::<T>(Boxed::<T>::size(len).expect("checked by callers that take a length from scripts"));
        // SAFETY: the memory is ours and large enough; every slot is written before the cell is handed out.
        unsafe {
            memory.cast::<Boxed<T>>().write(Boxed { header: new_header(T::KIND), body });
            let tail = memory.add(Boxed::<T>::TAIL_OFFSET).cast::<Raw>();
            for i in 0..len {
                tail.add(i).write(value(i).raw());
            }
            Gc::from_header(memory.cast())
        }
    }

    /// Allocates a cell whose tail is a copy of these runs of values, one after the other.
    pub fn alloc_copied<'a, 'h, T: Cell<Tail = SlotTail>>(
        &'h self,
        body: T,
        parts: impl Iterator<Item = &'a [Slot]>,
    ) -> Gc<'h, T> {
        let len = body.tail_len();
        let memory =
            self.memory::<T>(Boxed::<T>::size(len).expect("checked by callers that take a length from scripts"));
        // SAFETY: the memory is ours and large enough; every slot is written before the cell is handed out, and none beyond: checked.
        unsafe {
            memory.cast::<Boxed<T>>().write(Boxed { header: new_header(T::KIND), body });
            let tail = memory.add(Boxed::<T>::TAIL_OFFSET).cast::<Raw>();
            let mut at = 0;
            for part in parts {
                assert!(part.len() <= len - at, "the parts are the tail");
                std::ptr::copy_nonoverlapping(part.as_ptr().cast::<Raw>(), tail.add(at), part.len());
                at += part.len();
            }
            assert_eq!(at, len, "the parts are the tail");
            Gc::from_header(memory.cast())
        }
    }

    /// Allocates a cell with a tail that starts as all zero bits: entries without keys, indices of zero.
    pub fn alloc_zeroed<T: Cell>(&self, body: T) -> Result<Gc<'_, T>, OutOfMemory>
    where
        T::Tail: cell::ZeroTail,
    {
        self.check_cell(Boxed::<T>::size(body.tail_len()).ok_or(OutOfMemory)?)?;
        Ok(self.alloc_zeroed_unchecked(body))
    }

    /// As `alloc_zeroed`, for tails whose size is bounded by what is there already: the limit is looked at by the next safepoint.
    pub fn alloc_zeroed_unchecked<T: Cell>(&self, body: T) -> Gc<'_, T>
    where
        T::Tail: cell::ZeroTail,
    {
        let len = body.tail_len();
        let size = Boxed::<T>::size(len).expect("checked by callers that take a length from scripts");
        let memory = self.memory::<T>(size);
        // SAFETY: the memory is ours and large enough; the tail is valid as zeroes.
        unsafe {
            memory.cast::<Boxed<T>>().write(Boxed { header: new_header(T::KIND), body });
            std::ptr::write_bytes(memory.add(Boxed::<T>::TAIL_OFFSET), 0, size - Boxed::<T>::TAIL_OFFSET);
            Gc::from_header(memory.cast())
        }
    }

    /// Whether `size` more bytes can be had: to be asked before sizes that scripts choose.
    pub fn check(&self, size: usize) -> Result<(), OutOfMemory> {
        let used = self.live.get().saturating_add(self.allocated.get());
        let limit = self.limit.get();
        if size > isize::MAX as usize / 2 || used.saturating_add(size) > limit {
            return Err(OutOfMemory);
        }
        if limit != usize::MAX && allocator::is_short() {
            return Err(OutOfMemory);
        }
        if size > LARGEST * 1024 && !system_has(size) {
            return Err(OutOfMemory);
        }
        Ok(())
    }

    /// Notes that something too large was not made, where nobody could be told: the program gets a MemoryError at the next safepoint.
    pub(crate) fn refuse(&self) {
        self.refused.set(true);
        self.request(interrupt::MEMORY);
    }

    /// Whether something was refused since this was last asked.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    /// As `check`, for one cell that grows with what a script does.
    #[inline]
    pub fn check_cell(&self, size: usize) -> Result<(), OutOfMemory> {
        // Whoever makes very many of them comes to no safepoint meanwhile.
        const SLACK: usize = 16 << 20;
        if size <= FEW && self.used() <= self.limit.get().saturating_add(SLACK) { Ok(()) } else { self.check(size) }
    }

    /// The most bytes the heap may use.
    pub fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Sets the most bytes the heap may use.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    /// Tells the heap of memory that a cell holds outside of it, in bytes.
    pub fn account(&self, bytes: usize) {
        self.add_allocated(bytes);
    }

    /// Bytes of cells that survived the last collection or were made since.
    pub fn used(&self) -> usize {
        self.live.get() + self.allocated.get()
    }

    /// Number of collections so far.
    pub fn collections(&self) -> u64 {
        self.collections.get()
    }

    #[inline(always)]
    fn memory<T: Cell>(&self, size: usize) -> *mut u8 {
        debug_assert_eq!(self.kinds[T::KIND as usize].type_id, Some(TypeId::of::<T>()), "{:?} is registered", T::KIND);
        if size > LARGEST {
            return self.large_memory(size, std::mem::needs_drop::<T>());
        }
        let index = class_of(size);
        let class = if std::mem::needs_drop::<T>() { &self.dropping[index] } else { &self.classes[index] };
        let memory = class.cursor.get();
        // In address arithmetic: both are null before the first run.
        if memory.addr() + class_size(index) <= class.end.get().addr() {
            class.cursor.set(memory.wrapping_add(class_size(index)));
            return memory;
        }
        self.refill(class, index, std::mem::needs_drop::<T>())
    }

    #[cold]
    #[inline(never)]
    fn refill(&self, class: &Class, index: usize, drops: bool) -> *mut u8 {
        let size = class_size(index);
        loop {
            let mut block = class.block.get();
            if block.is_null() {
                let next = class.available.borrow_mut().pop();
                let taken = match next {
                    Some(block) => block,
                    None => self.source.borrow_mut().take(size, drops).unwrap_or_else(|| no_memory()),
                };
                block = taken.as_ptr();
                class.block.set(block);
                class.next_cell.set(0);
            }
            let from = class.next_cell.get();
            match Block::free_run(block, from) {
                Some((start, end)) => {
                    class.next_cell.set(end);
                    let memory = Block::cell(block, start, size).cast::<u8>();
                    let bytes = (end - start) as usize * size;
                    poison(memory, bytes, size);
                    class.cursor.set(memory.wrapping_add(size));
                    class.end.set(memory.wrapping_add(bytes));
                    self.add_allocated(bytes);
                    // SAFETY: a live block.
                    if unsafe { end == (*block).count } {
                        self.retire(class, block, false);
                    }
                    return memory;
                }
                None => self.retire(class, block, from == 0),
            }
        }
    }

    fn retire(&self, class: &Class, block: *mut Block, full: bool) {
        let list = if full { &class.full } else { &class.used };
        list.borrow_mut().push(NonNull::new(block).expect("a block"));
        class.block.set(std::ptr::null_mut());
    }

    #[cold]
    fn large_memory(&self, size: usize, drops: bool) -> *mut u8 {
        let block = self.source.borrow_mut().take_large(size, drops).unwrap_or_else(|| no_memory());
        self.large.borrow_mut().push(block);
        self.add_allocated(size);
        Block::cell(block.as_ptr(), 0, 0).cast()
    }

    fn add_allocated(&self, bytes: usize) {
        let total = self.allocated.get().saturating_add(bytes);
        self.allocated.set(total);
        if total >= self.nursery.get() {
            self.request(interrupt::COLLECT);
        }
        if self.live.get().saturating_add(total) > self.limit.get()
            || (allocator::was_given_up() && self.limit.get() != usize::MAX)
        {
            self.request(interrupt::MEMORY);
        }
    }

    fn nursery_size(&self) -> usize {
        (self.live.get() / 2).max(if self.is_probed.get() { PROBED_NURSERY } else { NURSERY })
    }

    /// Must precede every store into a cell; the stores of [`Gc`] call it. Also called when a frame that lives in its object
    /// starts to run.
    #[inline(always)]
    pub(crate) fn barrier(&self, header: &Header) {
        if header.flags() & (OLD | LOGGED) == OLD {
            self.log(header);
        }
    }

    /// The barrier for a cell whose registers are about to be written by the run loop.
    #[inline(always)]
    pub(crate) fn barrier_of(&self, value: Value<'_>) {
        if let Some(header) = value.header() {
            self.barrier(header);
        }
    }

    #[cold]
    #[inline(never)]
    fn log(&self, header: &Header) {
        header.set_flags(header.flags() | LOGGED);
        let mut logged = self.logged.take();
        logged.push(std::ptr::from_ref(header).cast_mut());
        self.logged.set(logged);
    }

    /// Told of storage that its only owner has given up for other. If it is old and was written to, what it still refers to would else count
    /// as alive until the next collection, and probes are to tell exactly.
    #[inline]
    pub(crate) fn given_up<T: Cell>(&self, storage: Gc<'_, T>) {
        if self.is_probed.get() {
            self.forget_log(storage.pointer());
        }
    }

    #[cold]
    fn forget_log(&self, cell: *mut Header) {
        // SAFETY: a cell of ours.
        let header = unsafe { &*cell };
        if header.flags() & LOGGED != 0 {
            // It keeps the flag: nobody writes to it any more.
            let mut logged = self.logged.take();
            logged.retain(|known| *known != cell);
            self.logged.set(logged);
        }
    }

    /// Asks to be told (in [`Deaths`]) when the cell dies.
    pub fn finalisable(&self, value: Value<'_>) {
        if let Some(header) = value.header()
            && header.flags() & FINALISABLE == 0
        {
            header.set_flags(header.flags() | FINALISABLE);
            if header.flags() & FINALISED == 0 {
                self.watched.set(self.watched.get() + 1);
            }
            self.finalisable.push(value.raw().header());
            self.look_soon();
        }
    }

    /// Whether somebody is told when the cell dies.
    #[inline]
    pub fn is_finalisable(&self, value: Value<'_>) -> bool {
        value.header().is_some_and(|header| header.flags() & FINALISABLE != 0)
    }

    /// Whether the finaliser of the cell has run.
    pub fn is_finalised(&self, value: Value<'_>) -> bool {
        value.header().is_some_and(|header| header.flags() & FINALISED != 0)
    }

    /// Whether the cell has survived a collection.
    #[inline]
    pub fn is_old(&self, value: Value<'_>) -> bool {
        value.header().is_some_and(|header| header.flags() & OLD != 0)
    }

    /// Takes back `finalisable`: the cell has nothing to do any more when it dies.
    #[inline]
    pub fn not_finalisable(&self, value: Value<'_>) {
        if let Some(header) = value.header()
            && header.flags() & FINALISABLE != 0
        {
            if header.flags() & FINALISED == 0 {
                self.watched.set(self.watched.get() - 1);
            }
            header.set_flags(header.flags() & !FINALISABLE);
        }
    }

    /// Hands over every cell that has something to do when it dies, in the order they were registered in, as though all were dead.
    pub(crate) fn take_finalisable(&self, deaths: &mut Deaths) {
        let cells = self.finalisable.old.take().into_iter().chain(self.finalisable.young.take());
        for cell in cells {
            // SAFETY: entries are cells not yet swept.
            let header = unsafe { &*cell };
            if is_watched(cell) {
                header.set_flags(header.flags() | FINALISED);
                self.watched.set(self.watched.get() - 1);
                deaths.finalise.push(Raw::cell(cell));
            }
        }
    }

    /// Whether there are cells that have something to do when they die.
    pub fn has_finalisable(&self) -> bool {
        self.watched.get() > 0
    }

    /// Whether one of the cells registered lately that have something to do when they die is such.
    pub fn any_finalisable_lately(&self, most: usize, mut fits: impl FnMut(Value<'_>) -> bool) -> bool {
        self.finalisable.newest(most, |cell| is_watched(*cell) && fits(Value::adopt(Raw::cell(*cell)))).is_some()
    }

    /// Notes that scripts can see when something dies: a class has a finaliser, or weak references can be made.
    pub fn show_deaths(&self) {
        self.shows_deaths.set(true);
        self.look_soon();
    }

    /// A statement of a text that looks for deaths is over: whether it is time.
    #[inline(always)]
    pub fn look_due(&self) -> bool {
        let left = self.look_in.get().wrapping_sub(1);
        self.look_in.set(left);
        left == 0
    }

    /// The next statement is looked after.
    pub fn look_at_next(&self) {
        self.pause_looking(0);
    }

    /// How many statements from now on are not looked after.
    pub fn pause_looking(&self, statements: u32) {
        self.look_in.set(u64::from(statements) + 1);
    }

    /// Nothing is to be seen until something is made that scripts can see dying.
    pub fn stop_looking(&self) {
        self.look_in.set(NEVER);
    }

    /// Something was made that scripts can see dying: the next statement is looked after, unless there is a pause.
    #[inline]
    pub fn look_soon(&self) {
        if self.look_in.get() > u64::from(LONGEST_PAUSE) + 1 {
            self.look_in.set(1);
        }
    }

    /// Whether scripts could see when something dies.
    #[inline]
    pub fn shows_deaths(&self) -> bool {
        self.shows_deaths.get()
    }

    /// Whether cells made since the last collection are watched for their death; and whether older ones are.
    pub fn watched_ages(&self) -> (bool, bool) {
        let young = !self.finalisable.young.borrow().is_empty() || !self.weak.young.borrow().is_empty();
        (young, self.watches_old.get())
    }

    /// Finds out whether old cells are watched, other than classes, which the library watches and nobody drops.
    fn note_watched_old(&self) {
        let refers = |cell: &*mut Header| {
            // SAFETY: entries are weak references not yet swept.
            let weak = unsafe { Gc::<WeakRef>::from_header(*cell) };
            weak.target().is_some_and(|target| target.kind() != Kind::Class)
        };
        let any = self.finalisable.old.borrow().iter().any(|cell| is_watched(*cell))
            || self.weak.old.borrow().iter().any(refers);
        self.watches_old.set(any);
    }

    /// From now on there are probes: what is young stays so for longer.
    pub fn begin_probing(&self) {
        self.is_probed.set(true);
        self.note_watched_old();
        self.nursery.set(self.nursery_size());
    }

    /// Whether there are probes.
    pub fn is_probed(&self) -> bool {
        self.is_probed.get()
    }

    /// Whether cells were made since the last collection that have something to do when they die, other than to be reported as not awaited.
    pub fn has_young_finalisable(&self) -> bool {
        let mut young = self.finalisable.young.borrow_mut();
        young.retain(|cell| is_watched(*cell));
        // SAFETY: entries are cells not yet swept.
        let kind = |cell: &*mut Header| unsafe { (**cell).kind() };
        young
            .iter()
            .any(|cell| !matches!(kind(cell), Kind::Coroutine | Kind::NativeCoroutine | Kind::Future | Kind::Task))
    }

    /// A number that no other live object has, made from block and place: what `id()` gives.
    pub fn id(&self, value: Value<'_>) -> u64 {
        match value.header() {
            // SAFETY: every cell lies in a block.
            Some(header) => unsafe {
                let cell = std::ptr::from_ref(header).cast_mut();
                let offset = (cell.addr() & (BLOCK - 1)) as u64;
                0x7f00_0000_0000 + (u64::from((*Block::of(cell)).number) << 16) + offset
            },
            None => {
                let bits = value.raw().bits().wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(20) ^ value.kind() as u64;
                0x5500_0000_0000 + ((bits & 0xFFFF_FFFF) << 5)
            }
        }
    }

    fn each_block(&self, mut visit: impl FnMut(*mut Block)) {
        for class in self.classes.iter().chain(&self.dropping) {
            class.each_block(&mut visit);
        }
        for block in self.large.borrow().iter() {
            visit(block.as_ptr());
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // Rust memory that cells own goes back; the blocks go with their source.
        self.each_block(|block| {
            // SAFETY: a live block; with no mark left every cell counts as dead.
            unsafe { (*block).clear_marks() }
        });
        let mut deaths = Deaths::default();
        self.finalisable.clear();
        self.weak.clear();
        self.logged.set(vec![]);
        self.collect(Collection::Major, &mut deaths, &mut NoRoots);
    }
}

/// Whether a cell that was registered as finalisable still is.
fn is_watched(cell: *mut Header) -> bool {
    // SAFETY: registered cells are not yet swept.
    let flags = unsafe { (*cell).flags() };
    flags & (FINALISABLE | FINALISED) == FINALISABLE
}

/// Whether the system is likely to have this many bytes: an allocation of them is tried and given back.
fn system_has(size: usize) -> bool {
    // As it would be for a cell.
    size.checked_add(block::CELLS).and_then(block::rounded).and_then(block::layout_of_large).is_some_and(|layout| {
        // SAFETY: the layout has a size; the memory is given back unread.
        unsafe {
            // Seen by nobody, the compiler would leave out both.
            let memory = std::hint::black_box(std::alloc::alloc(layout));
            if memory.is_null() {
                return false;
            }
            std::alloc::dealloc(memory, layout);
            true
        }
    })
}

#[cold]
fn no_memory() -> ! {
    std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; BLOCK]>())
}

/// Under `gc_stress` freed cells are overwritten, so that a use of one shows.
#[inline(always)]
fn poison(memory: *mut u8, bytes: usize, size: usize) {
    if cfg!(feature = "gc_stress") {
        // SAFETY: the run is free memory of ours.
        unsafe {
            std::ptr::write_bytes(memory, 0xDB, bytes);
            for at in (0..bytes).step_by(size) {
                (*memory.add(at).cast::<Header>()).set_free();
            }
        }
    }
}
