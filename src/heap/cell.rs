//! Cells: what the heap allocates. A header of eight bytes, a body, and for some kinds a tail of slots or bytes.
//!
//! A kind of cell is a Rust struct declared with [`cell!`](crate::cell). Its fields are plain data, `std::cell::Cell`s of
//! plain data, [`Slot`]s (a value) and [`Ref`]s (a cell of a known type or none). Slots and refs are written only through the
//! methods of [`Gc`] here, which hold the write barrier.

#![allow(unsafe_code, reason = "cells are reached through raw pointers")]

use std::cell::Cell as StdCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use super::Heap;
use super::collect::Tracer;
use super::kind::Kind;
use super::value::{Raw, Value};

/// Survived a collection.
pub(crate) const OLD: u8 = 1;
/// Old, and in the list of cells whose content is looked at by the next minor collection.
pub(crate) const LOGGED: u8 = 2;
/// Has something to do when it dies: see [`Heap::finalisable`].
pub(crate) const FINALISABLE: u8 = 4;
/// Its finaliser has run.
pub(crate) const FINALISED: u8 = 8;
/// Reserved for incremental marking.
#[allow(dead_code, reason = "the bit is set aside so that incremental marking needs no new layout")]
pub(crate) const GRAY: u8 = 16;

/// The first eight bytes of every cell.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Header {
    kind: StdCell<u8>,
    flags: StdCell<u8>,
    layout: StdCell<u8>,
    /// Free for the kind's use.
    aux: StdCell<u8>,
    shape: StdCell<u32>,
}

impl Header {
    fn new(kind: Kind) -> Header {
        Header {
            kind: StdCell::new(kind as u8),
            flags: StdCell::new(0),
            layout: StdCell::new(kind as u8),
            aux: StdCell::new(0),
            shape: StdCell::new(0),
        }
    }

    /// What the cell is, as the collector sees it.
    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        Kind::from_byte(self.kind.get())
    }

    /// What a value that refers to it is: for an instance of a class derived from list, the list kind.
    #[inline(always)]
    pub(crate) fn layout(&self) -> Kind {
        Kind::from_byte(self.layout.get())
    }

    /// The number of its shape; 0 for kinds without.
    #[inline(always)]
    pub(crate) fn shape(&self) -> u32 {
        self.shape.get()
    }

    #[inline(always)]
    pub(crate) fn flags(&self) -> u8 {
        self.flags.get()
    }

    #[inline(always)]
    pub(crate) fn set_flags(&self, flags: u8) {
        self.flags.set(flags);
    }

    /// Whether no cell is here: it was dropped, or the memory was never used.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.kind.get(), 0) || self.kind.get() == Kind::Free as u8
    }

    pub(crate) fn set_free(&self) {
        self.kind.set(Kind::Free as u8);
    }
}

/// What follows the body of a cell.
///
/// # Safety
/// `Item` must be valid when its bytes are written by the heap's constructors, and never need dropping.
pub unsafe trait Tail {
    /// One element.
    type Item;
}

/// No tail.
#[derive(Debug)]
pub enum NoTail {}
/// A tail of values.
#[derive(Debug)]
pub enum SlotTail {}
/// A tail of immutable bytes.
#[derive(Debug)]
pub enum ByteTail {}
/// A tail of bytes that may change.
#[derive(Debug)]
pub enum ByteCellTail {}

/// A tail of dict entries.
#[derive(Debug)]
pub enum EntryTail {}
/// A tail of set entries.
#[derive(Debug)]
pub enum KeyTail {}
/// A tail of 32-bit indices.
#[derive(Debug)]
pub enum IndexTail {}

/// A tail whose items are valid as zero bits.
pub trait ZeroTail: Tail {}
impl ZeroTail for EntryTail {}
impl ZeroTail for KeyTail {}
impl ZeroTail for IndexTail {}
impl ZeroTail for SlotTail {}

/// An entry of a dict; as zero bits an entry without key (tag zero is UNBOUND).
#[derive(Debug)]
#[repr(C)]
pub struct Entry {
    /// The key's hash.
    pub hash: StdCell<i64>,
    pub(super) key: Slot,
    pub(super) value: Slot,
}

impl Entry {
    /// The key, UNBOUND where the entry was removed.
    #[inline(always)]
    pub fn key(&self) -> Value<'_> {
        self.key.get()
    }

    /// The value.
    #[inline(always)]
    pub fn value(&self) -> Value<'_> {
        self.value.get()
    }
}

/// An entry of a set; as zero bits an entry never used.
#[derive(Debug)]
#[repr(C)]
pub struct KeyEntry {
    /// The key's hash.
    pub hash: StdCell<i64>,
    pub(super) key: Slot,
}

impl KeyEntry {
    /// The key.
    #[inline(always)]
    pub fn key(&self) -> Value<'_> {
        self.key.get()
    }
}

// SAFETY: slots and plain data.
unsafe impl Tail for EntryTail {
    type Item = Entry;
}
// SAFETY: slots and plain data.
unsafe impl Tail for KeyTail {
    type Item = KeyEntry;
}
// SAFETY: plain data.
unsafe impl Tail for IndexTail {
    type Item = StdCell<u32>;
}
// SAFETY: a zero-sized item is never written.
unsafe impl Tail for NoTail {
    type Item = ();
}
// SAFETY: a slot is a value, and written as one.
unsafe impl Tail for SlotTail {
    type Item = Slot;
}
// SAFETY: bytes.
unsafe impl Tail for ByteTail {
    type Item = u8;
}
// SAFETY: bytes.
unsafe impl Tail for ByteCellTail {
    type Item = StdCell<u8>;
}

/// A kind of cell. Implemented only by the [`cell!`](crate::cell) macro.
///
/// # Safety
/// One type per `KIND`; `tail_len` never grows past what was allocated; `trace` visits every slot and ref.
pub unsafe trait Cell: Sized + 'static {
    /// The number in the header.
    const KIND: Kind;
    /// Whether it refers to nothing (the collector does not look inside).
    const LEAF: bool;
    /// What follows the body.
    type Tail: Tail;
    /// Number of items in the tail.
    fn tail_len(&self) -> usize;
    /// Which items of the tail the collector visits: those before the first number and those from the second on. The others are dead:
    /// they are written before they are read again.
    fn live_tail(&self) -> (usize, usize) {
        (self.tail_len(), self.tail_len())
    }
    /// Visits every slot and ref of the body (the heap visits the tail).
    fn trace(&self, tracer: &mut Tracer<'_>);
    /// Visits the tail, where that holds values.
    fn trace_tail(tail: &[<Self::Tail as Tail>::Item], tracer: &mut Tracer<'_>);
}

/// A cell in memory.
#[repr(C)]
pub(crate) struct Boxed<T> {
    pub(crate) header: Header,
    pub(crate) body: T,
}

impl<T: Cell> Boxed<T> {
    pub(crate) const TAIL_OFFSET: usize = {
        let align = align_of::<<T::Tail as Tail>::Item>();
        size_of::<Boxed<T>>().div_ceil(align) * align
    };

    /// Size in bytes with a tail of `len` items, or None if that does not fit a size.
    pub(crate) fn size(len: usize) -> Option<usize> {
        len.checked_mul(size_of::<<T::Tail as Tail>::Item>())?.checked_add(Self::TAIL_OFFSET)
    }
}

/// A cell of known type that borrows the heap, as [`Value`] does.
pub struct Gc<'h, T> {
    pointer: NonNull<Boxed<T>>,
    heap: PhantomData<&'h T>,
}

impl<T> Clone for Gc<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Gc<'_, T> {}

impl<T> fmt::Debug for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gc({:p})", self.pointer)
    }
}

impl<T> PartialEq for Gc<'_, T> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.pointer == other.pointer
    }
}
impl<T> Eq for Gc<'_, T> {}

impl<T> Deref for Gc<'_, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the cell is alive for 'h, and only shared references to bodies exist.
        unsafe { &self.pointer.as_ref().body }
    }
}

impl<'h, T: Cell> Gc<'h, T> {
    /// # Safety
    /// `header` is that of a live cell of type T, alive for `'h`.
    #[inline(always)]
    pub(crate) unsafe fn from_header(header: *mut Header) -> Gc<'h, T> {
        // SAFETY: a header is the start of its cell.
        Gc { pointer: unsafe { NonNull::new_unchecked(header.cast()) }, heap: PhantomData }
    }

    /// The cell's header.
    #[inline(always)]
    pub(crate) fn header(self) -> &'h Header {
        // SAFETY: alive for 'h.
        unsafe { &(*self.pointer.as_ptr()).header }
    }

    /// The start of the cell.
    #[inline(always)]
    pub(crate) fn pointer(self) -> *mut Header {
        self.pointer.as_ptr().cast()
    }

    /// The body, for as long as the heap is borrowed.
    #[inline(always)]
    pub fn get(self) -> &'h T {
        // SAFETY: as in deref.
        unsafe { &(*self.pointer.as_ptr()).body }
    }

    /// The value that refers to this cell.
    #[inline(always)]
    pub fn value(self) -> Value<'h> {
        Value::adopt(Raw::cell(self.pointer()))
    }

    /// The same cell for as long as its holder is visited by the collector: for records of frames, which are.
    #[inline(always)]
    pub(crate) fn held(self) -> Gc<'static, T> {
        Gc { pointer: self.pointer, heap: PhantomData }
    }

    /// The tail.
    #[inline(always)]
    pub fn tail(self) -> &'h [<T::Tail as Tail>::Item] {
        let len = self.get().tail_len();
        // SAFETY: the constructor initialised `tail_len` items behind the body.
        unsafe {
            let start = self.pointer.as_ptr().cast::<u8>().add(Boxed::<T>::TAIL_OFFSET);
            std::slice::from_raw_parts(start.cast(), len)
        }
    }

    /// The number of the cell's shape.
    #[inline(always)]
    pub fn shape(self) -> u32 {
        self.header().shape()
    }

    /// Gives the cell a shape.
    #[inline(always)]
    pub(crate) fn set_shape(self, shape: u32) {
        self.header().shape.set(shape);
    }

    /// Makes values that refer to this instance carry the layout of the builtin type its class derives from.
    pub(crate) fn set_layout(self, layout: Kind) {
        self.header().layout.set(layout as u8);
    }

    /// The spare byte of the header.
    #[inline(always)]
    pub fn aux(self) -> u8 {
        self.header().aux.get()
    }

    /// Sets the spare byte of the header.
    #[inline(always)]
    pub fn set_aux(self, aux: u8) {
        self.header().aux.set(aux);
    }

    /// Stores a value in a slot of the body: `list.set(heap, |l| &l.slot, value)`.
    #[inline(always)]
    pub fn set(self, heap: &Heap, slot: impl for<'x> FnOnce(&'x T) -> &'x Slot, value: Value<'_>) {
        heap.barrier(self.header());
        slot(self.get()).0.set(value.raw());
    }

    /// Stores a cell, or none, in a ref of the body.
    #[inline(always)]
    pub fn set_ref<U: Cell>(
        self,
        heap: &Heap,
        field: impl for<'x> FnOnce(&'x T) -> &'x Ref<U>,
        value: Option<Gc<'_, U>>,
    ) {
        heap.barrier(self.header());
        field(self.get()).0.set(value.map_or(std::ptr::null_mut(), |v| v.pointer()));
    }
}

impl<'h, T: Cell> Gc<'h, T> {
    /// Stores a cell, or none for a value without a cell, in a ref of any type.
    #[inline(always)]
    pub fn set_any(self, heap: &Heap, field: impl for<'x> FnOnce(&'x T) -> &'x AnyRef, value: Value<'_>) {
        heap.barrier(self.header());
        field(self.get()).0.set(value.header().map_or(std::ptr::null_mut(), |h| std::ptr::from_ref(h).cast_mut()));
    }
}

impl<'h, T: Cell<Tail = SlotTail>> Gc<'h, T> {
    /// Stores a value in the tail. Panics if `index` is out of range.
    #[inline(always)]
    pub fn set_tail(self, heap: &Heap, index: usize, value: Value<'_>) {
        heap.barrier(self.header());
        self.tail()[index].0.set(value.raw());
    }

    /// Copies values into the tail, from number `at` on.
    pub fn copy_tail(self, heap: &Heap, at: usize, values: &[Slot]) {
        heap.barrier(self.header());
        let tail = &self.tail()[at..at + values.len()];
        // SAFETY: the range is within the tail; slots are plain values, and `copy` allows for the same cell.
        unsafe { std::ptr::copy(values.as_ptr(), tail.as_ptr().cast_mut(), values.len()) }
    }

    /// Moves `count` values within the tail, as `copy_within`.
    pub fn move_tail(self, heap: &Heap, from: usize, to: usize, count: usize) {
        heap.barrier(self.header());
        let tail = self.tail();
        assert!(from + count <= tail.len() && to + count <= tail.len(), "a move within the tail");
        // SAFETY: both ranges are within the tail; slots are plain values.
        unsafe { std::ptr::copy(tail.as_ptr().add(from), tail.as_ptr().add(to).cast_mut(), count) }
    }
}

/// Copies bytes into the first of these cells.
///
/// # Panics
/// If there are fewer cells than bytes.
pub fn store_bytes(to: &[StdCell<u8>], from: &[u8]) {
    assert!(from.len() <= to.len(), "there is room");
    // SAFETY: the cells may be written to, and nothing that a slice of bytes borrows is a cell.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr().cast::<u8>().cast_mut(), from.len()) }
}

/// Copies cells into the first of others, which may be some of the same.
///
/// # Panics
/// If there are fewer of those.
pub fn move_bytes(to: &[StdCell<u8>], from: &[StdCell<u8>]) {
    assert!(from.len() <= to.len(), "there is room");
    // SAFETY: the cells may be read and written to.
    unsafe { std::ptr::copy(from.as_ptr().cast::<u8>(), to.as_ptr().cast::<u8>().cast_mut(), from.len()) }
}

impl<'h, T: Cell<Tail = EntryTail>> Gc<'h, T> {
    /// Writes entry number `index`.
    #[inline(always)]
    pub fn set_entry(self, heap: &Heap, index: usize, hash: i64, key: Value<'_>, value: Value<'_>) {
        heap.barrier(self.header());
        let entry = &self.tail()[index];
        entry.hash.set(hash);
        entry.key.0.set(key.raw());
        entry.value.0.set(value.raw());
    }

    /// Copies entries into the tail, from its start on.
    pub fn copy_entries(self, heap: &Heap, entries: &[Entry]) {
        heap.barrier(self.header());
        let tail = &self.tail()[..entries.len()];
        // SAFETY: the range is within the tail; entries are plain values.
        unsafe { std::ptr::copy(entries.as_ptr(), tail.as_ptr().cast_mut(), entries.len()) }
    }

    /// Writes the value of entry number `index`.
    #[inline(always)]
    pub fn set_entry_value(self, heap: &Heap, index: usize, value: Value<'_>) {
        heap.barrier(self.header());
        self.tail()[index].value.0.set(value.raw());
    }
}

impl<'h, T: Cell<Tail = KeyTail>> Gc<'h, T> {
    /// Writes entry number `index`.
    #[inline(always)]
    pub fn set_key(self, heap: &Heap, index: usize, hash: i64, key: Value<'_>) {
        heap.barrier(self.header());
        let entry = &self.tail()[index];
        entry.hash.set(hash);
        entry.key.0.set(key.raw());
    }
}

impl<'h, T: Cell> From<Gc<'h, T>> for Value<'h> {
    fn from(gc: Gc<'h, T>) -> Value<'h> {
        gc.value()
    }
}

/// A value in a cell.
#[repr(transparent)]
pub struct Slot(pub(super) StdCell<Raw>);

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

impl Slot {
    /// A slot for a cell about to be allocated.
    #[inline(always)]
    pub fn new(value: Value<'_>) -> Slot {
        Slot(StdCell::new(value.raw()))
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> Value<'_> {
        // SAFETY: the slot is initialised.
        Value::adopt(unsafe { Raw::read(self.0.as_ptr()) })
    }
}

/// A cell of known type, or none, in another cell.
pub struct Ref<T>(StdCell<*mut Header>, PhantomData<T>);

impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

impl<T: Cell> Ref<T> {
    /// None, for a cell about to be allocated.
    pub const fn none() -> Ref<T> {
        Ref(StdCell::new(std::ptr::null_mut()), PhantomData)
    }

    /// A ref for a cell about to be allocated.
    #[inline(always)]
    pub fn new(value: Gc<'_, T>) -> Ref<T> {
        Ref(StdCell::new(value.pointer()), PhantomData)
    }

    /// A ref, or none, for a cell about to be allocated.
    pub fn from_option(value: Option<Gc<'_, T>>) -> Ref<T> {
        value.map_or(Ref::none(), Ref::new)
    }

    /// The cell.
    #[inline(always)]
    pub fn get(&self) -> Option<Gc<'_, T>> {
        let pointer = self.0.get();
        // SAFETY: only set from a live Gc<T>, and traced by the owner.
        (!pointer.is_null()).then(|| unsafe { Gc::from_header(pointer) })
    }
}

impl<T: Cell> Field for Ref<T> {
    fn target(&self) -> *mut Header {
        self.0.get()
    }
}

/// A field that refers to a cell or to none: what the collector visits.
pub(crate) trait Field {
    fn target(&self) -> *mut Header;
}

/// A cell of any type, or none, in another cell.
pub struct AnyRef(StdCell<*mut Header>);

impl fmt::Debug for AnyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

impl Field for AnyRef {
    fn target(&self) -> *mut Header {
        self.0.get()
    }
}

impl AnyRef {
    /// None, for a cell about to be allocated.
    pub const fn none() -> AnyRef {
        AnyRef(StdCell::new(std::ptr::null_mut()))
    }

    /// A ref for a cell about to be allocated; none for a value that has no cell.
    pub fn new(value: Value<'_>) -> AnyRef {
        AnyRef(StdCell::new(value.header().map_or(std::ptr::null_mut(), |h| std::ptr::from_ref(h).cast_mut())))
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.0.get().is_null()
    }

    /// The cell as a value; `None` (the value) if there is none.
    #[inline(always)]
    pub fn value(&self) -> Value<'_> {
        let pointer = self.0.get();
        if pointer.is_null() { Value::NONE } else { Value::adopt(Raw::cell(pointer)) }
    }

    /// The cell, if it is a `T`.
    #[inline(always)]
    pub fn get<T: Cell>(&self) -> Option<Gc<'_, T>> {
        let pointer = self.0.get();
        // SAFETY: only set from live values, and traced by the owner; the kind says the type.
        unsafe { (!pointer.is_null() && (*pointer).kind() == T::KIND).then(|| Gc::from_header(pointer)) }
    }
}

pub(super) fn new_header(kind: Kind) -> Header {
    Header::new(kind)
}

/// Declares a kind of cell: its kind, its slots and refs, and its tail.
///
/// ```ignore
/// cell! { List: List { slots: [], refs: [items] } }
/// cell! { Tuple: Tuple { slots: [], refs: [] } tail SlotTail by |t| t.len as usize }
/// ```
/// `with |cell, tracer| { … }` adds code for what the lists cannot say.
#[macro_export]
macro_rules! cell {
    ($ty:ty : $kind:ident { slots: [$($slot:ident),*], refs: [$($field:ident),*] }
     $(tail $tail:ident by |$t:ident| $len:expr)? $(, live |$l:ident| $live:expr)? $(, with |$cell:ident, $tracer:ident| $with:block)?) => {
        #[allow(unsafe_code, reason = "the macro lists every slot and ref; one type per kind is checked at registration")]
        // SAFETY: as the reason says.
        unsafe impl $crate::heap::Cell for $ty {
            const KIND: $crate::heap::Kind = $crate::heap::Kind::$kind;
            const LEAF: bool = $crate::cell!(@leaf [$($slot)* $($field)*] [$($tail)?] [$($tracer)?]);
            type Tail = $crate::cell!(@tail $($tail)?);
            #[inline(always)]
            fn tail_len(&self) -> usize {
                #[allow(unused_mut, unused_assignments, reason = "set by the optional part")]
                let mut len = 0usize;
                $( let $t = self; len = $len; )?
                len
            }
            $( fn live_tail(&self) -> (usize, usize) { let $l = self; $live } )?
            fn trace(&self, tracer: &mut $crate::heap::Tracer<'_>) {
                let _ = &tracer;
                $( tracer.slot(&self.$slot); )*
                $( tracer.reference(&self.$field); )*
                $( let ($cell, $tracer) = (self, tracer); $with )?
            }
            fn trace_tail(
                tail: &[<Self::Tail as $crate::heap::Tail>::Item],
                tracer: &mut $crate::heap::Tracer<'_>,
            ) {
                $crate::cell!(@trace_tail tail, tracer, $($tail)?);
            }
        }
    };
    (@leaf [] [] []) => { true };
    (@leaf [] [ByteTail] []) => { true };
    (@leaf [] [ByteCellTail] []) => { true };
    (@leaf [] [IndexTail] []) => { true };
    (@leaf $($rest:tt)*) => { false };
    (@tail) => { $crate::heap::NoTail };
    (@tail $tail:ident) => { $crate::heap::$tail };
    (@trace_tail $t:ident, $tracer:ident, SlotTail) => { for slot in $t { $tracer.slot(slot); } };
    (@trace_tail $t:ident, $tracer:ident, EntryTail) => { for entry in $t { $tracer.entry(entry); } };
    (@trace_tail $t:ident, $tracer:ident, KeyTail) => { for entry in $t { $tracer.raw(entry.key().raw()); } };
    (@trace_tail $t:ident, $tracer:ident, $($other:ident)?) => { let _ = ($t, $tracer); };
}
