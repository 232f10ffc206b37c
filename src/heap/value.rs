//! The value: sixteen bytes, a tag and a payload.
//!
//! [`Raw`] is the bare value as registers and cells hold it. [`Value`] is what the rest of the crate works with: a
//! value that borrows the heap, so it cannot be held over a collection (which needs the heap `&mut`). The layout is
//! opaque outside `heap/`. Two halves of 64 bits are copied apart, since a 16-byte vector load of a value just stored
//! as two halves stalls on most CPUs. The payload is declared as a pointer, and not as a union of what it can be, because
//! the compiler then keeps a value in two registers and copies halves; a union it copies as sixteen bytes of memory.

#![allow(unsafe_code, reason = "the payload is read by its tag")]

use std::fmt;
use std::marker::PhantomData;
use std::ptr::without_provenance_mut;

use super::cell::{Cell, Gc, Header};
use super::kind::Kind;

/// Set in the tag of every value whose payload is a pointer, except where SUBCLASS is: kinds with a cell have it in their number.
pub(crate) const POINTER: u64 = 0x80;
/// Set in the tag of an instance of a class derived from a builtin type: the low byte is the base type's.
pub(crate) const SUBCLASS: u64 = 0x100;

/// A bare value, as registers and cells hold it. It keeps nothing alive.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Raw {
    tag: u64,
    /// A pointer to a cell, or the bits of an int or float as an address without provenance.
    payload: *mut Header,
}

impl Raw {
    /// A local that is not assigned, an argument that is not given.
    pub const UNBOUND: Raw = Raw::singleton(Kind::Unbound);
    /// `None`.
    pub const NONE: Raw = Raw::singleton(Kind::None);
    /// `False`.
    pub const FALSE: Raw = Raw::singleton(Kind::False);
    /// `True`.
    pub const TRUE: Raw = Raw::singleton(Kind::True);
    /// `...`.
    pub const ELLIPSIS: Raw = Raw::singleton(Kind::Ellipsis);
    /// `NotImplemented`.
    pub const NOT_IMPLEMENTED: Raw = Raw::singleton(Kind::NotImplemented);

    const fn singleton(kind: Kind) -> Raw {
        Raw { tag: kind as u64, payload: std::ptr::null_mut() }
    }

    /// An integer.
    #[inline(always)]
    pub const fn int(value: i64) -> Raw {
        Raw { tag: Kind::Int as u64, payload: without_provenance_mut(value as usize) }
    }

    /// A float.
    #[inline(always)]
    pub const fn float(value: f64) -> Raw {
        Raw { tag: Kind::Float as u64, payload: without_provenance_mut(value.to_bits() as usize) }
    }

    /// A bool.
    #[inline(always)]
    pub const fn bool(value: bool) -> Raw {
        Raw { tag: Kind::False as u64 + value as u64, payload: std::ptr::null_mut() }
    }

    /// The value that refers to a cell.
    #[inline(always)]
    pub(crate) fn cell(header: *mut Header) -> Raw {
        // SAFETY: callers pass the header of an allocated cell.
        let (kind, layout) = unsafe { ((*header).kind(), (*header).layout()) };
        let subclass = if kind == Kind::Instance && layout != Kind::Instance { SUBCLASS } else { 0 };
        Raw { tag: layout as u64 | subclass, payload: header }
    }

    /// The tag: the [`Kind`] in the low byte (its high bit set for pointers), and the subclass bit.
    #[inline(always)]
    pub(crate) fn tag(self) -> u64 {
        self.tag
    }

    /// Whether the payload is a pointer.
    #[inline(always)]
    pub(crate) fn is_pointer(self) -> bool {
        self.tag & (POINTER | SUBCLASS) != 0
    }

    /// The integer of a value whose tag says INT.
    #[inline(always)]
    pub(crate) fn int_unchecked(self) -> i64 {
        debug_assert_eq!(self.tag, Kind::Int as u64);
        self.payload.addr() as i64
    }

    /// The float of a value whose tag says FLOAT.
    #[inline(always)]
    pub(crate) fn float_unchecked(self) -> f64 {
        debug_assert_eq!(self.tag, Kind::Float as u64);
        f64::from_bits(self.payload.addr() as u64)
    }

    /// The cell of a value whose tag has the pointer bit.
    #[inline(always)]
    pub(crate) fn header(self) -> *mut Header {
        debug_assert!(self.is_pointer());
        self.payload
    }

    /// Reads a value from memory by halves.
    ///
    /// # Safety
    /// `from` points to an initialised value.
    #[inline(always)]
    pub(crate) unsafe fn read(from: *const Raw) -> Raw {
        // SAFETY: both halves are within the value; volatile keeps LLVM from joining them into a vector load.
        unsafe {
            let tag = std::ptr::addr_of!((*from).tag).read_volatile();
            let payload = std::ptr::addr_of!((*from).payload).read_volatile();
            Raw { tag, payload }
        }
    }

    /// A copy by halves: of a value in memory that was just written by halves.
    #[inline(always)]
    pub(crate) fn copied(&self) -> Raw {
        // SAFETY: a reference is to an initialised value.
        unsafe { Raw::read(self) }
    }

    /// Whether both are the same object. Unboxed kinds are the same when their values are (floats: by bits).
    #[inline(always)]
    pub fn same(self, other: Raw) -> bool {
        self.tag == other.tag && self.payload.addr() == other.payload.addr()
    }

    /// Whether this is an unassigned local or an argument that was not given.
    #[inline(always)]
    pub fn is_unbound(self) -> bool {
        self.tag == Kind::Unbound as u64
    }

    /// The payload as bits, for `id()` and hashing of identity.
    pub(crate) fn bits(self) -> u64 {
        self.payload.addr() as u64
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({:#x}, {:#x})", self.tag, self.bits())
    }
}

/// A value that borrows the heap: it is alive as long as no collection can happen, which the borrow guarantees.
#[derive(Clone, Copy)]
pub struct Value<'h> {
    raw: Raw,
    heap: PhantomData<&'h ()>,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<'h> Value<'h> {
    /// `None`.
    pub const NONE: Value<'static> = Value { raw: Raw::NONE, heap: PhantomData };
    /// `True`.
    pub const TRUE: Value<'static> = Value { raw: Raw::TRUE, heap: PhantomData };
    /// `False`.
    pub const FALSE: Value<'static> = Value { raw: Raw::FALSE, heap: PhantomData };
    /// An argument that was not given.
    pub const UNBOUND: Value<'static> = Value { raw: Raw::UNBOUND, heap: PhantomData };
    /// `NotImplemented`.
    pub const NOT_IMPLEMENTED: Value<'static> = Value { raw: Raw::NOT_IMPLEMENTED, heap: PhantomData };
    /// `...`.
    pub const ELLIPSIS: Value<'static> = Value { raw: Raw::ELLIPSIS, heap: PhantomData };

    /// Takes a bare value as alive for `'h`. Inside the crate the callers are registers, cells and outcomes, whose
    /// content is alive at least until the next collection.
    #[inline(always)]
    pub(crate) fn adopt(raw: Raw) -> Value<'h> {
        Value { raw, heap: PhantomData }
    }

    /// The bare value.
    #[inline(always)]
    pub fn raw(self) -> Raw {
        self.raw
    }

    /// An integer.
    #[inline(always)]
    pub fn int(value: i64) -> Value<'h> {
        Value::adopt(Raw::int(value))
    }

    /// A float.
    #[inline(always)]
    pub fn float(value: f64) -> Value<'h> {
        Value::adopt(Raw::float(value))
    }

    /// A bool.
    #[inline(always)]
    pub fn bool(value: bool) -> Value<'h> {
        Value::adopt(Raw::bool(value))
    }

    /// The kind: the layout of the value. For an instance of a class derived from a builtin type it is the base type's.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        Kind::from_tag(self.raw.tag)
    }

    /// Whether it is an instance of a class derived from a builtin type such as int or list.
    #[inline(always)]
    pub fn is_subclassed(self) -> bool {
        self.raw.tag & SUBCLASS != 0
    }

    /// The integer of an exact int within 64 bits.
    #[inline(always)]
    pub fn as_int(self) -> Option<i64> {
        (self.raw.tag == Kind::Int as u64).then(|| self.raw.int_unchecked())
    }

    /// The float of an exact float.
    #[inline(always)]
    pub fn as_float(self) -> Option<f64> {
        (self.raw.tag == Kind::Float as u64).then(|| self.raw.float_unchecked())
    }

    /// The bool of a bool.
    #[inline(always)]
    pub fn as_bool(self) -> Option<bool> {
        match self.raw.tag {
            t if t == Kind::True as u64 => Some(true),
            t if t == Kind::False as u64 => Some(false),
            _ => None,
        }
    }

    /// Whether it is `None`.
    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.raw.tag == Kind::None as u64
    }

    /// Whether it stands for an argument that was not given or a local that is not assigned.
    #[inline(always)]
    pub fn is_unbound(self) -> bool {
        self.raw.is_unbound()
    }

    /// Whether it is `NotImplemented`.
    #[inline(always)]
    pub fn is_not_implemented(self) -> bool {
        self.raw.tag == Kind::NotImplemented as u64
    }

    /// Whether both are the same object (`is`).
    #[inline(always)]
    pub fn is(self, other: Value<'_>) -> bool {
        self.raw.same(other.raw)
    }

    /// The cell, if the value is exactly of this type (not of a class derived from it).
    #[inline(always)]
    pub fn exact<T: Cell>(self) -> Option<Gc<'h, T>> {
        (self.raw.tag == T::KIND as u64 | POINTER)
            // SAFETY: the tag says that the header is one of a T, and 'h that it is alive.
            .then(|| unsafe { Gc::from_header(self.raw.header()) })
    }

    /// The cell, if its header says it is a `T`: for kinds whose values carry other layouts (generators, instances).
    #[inline(always)]
    pub fn cell_of_kind<T: Cell>(self) -> Option<Gc<'h, T>> {
        let header = self.header()?;
        // SAFETY: the header's kind says the type.
        (header.kind() == T::KIND).then(|| unsafe { Gc::from_header(self.raw.header()) })
    }

    /// The header of the cell, if the value is one.
    #[inline(always)]
    pub(crate) fn header(self) -> Option<&'h Header> {
        // SAFETY: the pointer is to an allocated cell, alive for 'h.
        self.raw.is_pointer().then(|| unsafe { &*self.raw.header() })
    }

    /// `Some(self)` unless it stands for an argument that was not given.
    #[inline(always)]
    pub fn given(self) -> Option<Value<'h>> {
        (!self.is_unbound()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_two_words() {
        assert_eq!(size_of::<Raw>(), 16);
        assert_eq!(size_of::<Value<'_>>(), 16);
    }

    #[test]
    fn tags_tell_kinds_apart() {
        assert_eq!(Value::int(7).as_int(), Some(7));
        assert_eq!(Value::int(7).as_float(), None);
        assert_eq!(Value::bool(true).kind(), Kind::True);
        assert!(Value::float(f64::NAN).is(Value::float(f64::NAN)));
        assert!(!Value::float(0.0).is(Value::float(-0.0)));
    }
}
