//! Numbers as text, their arithmetic where Rust's differs from Python's, and hashing: without any heap.
//!
//! Everything here takes plain Rust numbers and ASCII bytes and gives plain Rust numbers and strings. Natives wrap the
//! results in values; failures come back as a [`Fault`], which names the exception and carries its exact message.

pub mod complex;
pub mod decimal;
pub mod float;
pub mod float_repr;
pub mod hash;
pub mod int;
pub mod int_text;
pub mod long;
pub mod mersenne;
pub mod special;

use std::borrow::Cow;

/// What went wrong in an algorithm: the exception to raise and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exception's class.
    pub kind: FaultKind,
    /// The exception's message, word for word.
    pub message: Cow<'static, str>,
}

/// The exception class a [`Fault`] becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// `ValueError`.
    Value,
    /// `TypeError`.
    Type,
    /// `OverflowError`.
    Overflow,
    /// `OverflowError` whose arguments are `(34, message)`, as C's `ERANGE` gives it.
    Range,
    /// `ZeroDivisionError`.
    ZeroDivision,
    /// `MemoryError`.
    Memory,
    /// `KeyError`.
    Key,
    /// `IndexError`.
    Index,
    /// `LookupError`.
    Lookup,
    /// No exception: a [`long::Watch`] stopped the computation.
    Interrupted,
}

impl Fault {
    /// A fault of any kind.
    pub fn new(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind, message: message.into() }
    }

    /// A `ValueError`.
    pub fn value(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(FaultKind::Value, message)
    }

    /// A `TypeError`.
    pub fn type_error(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(FaultKind::Type, message)
    }

    /// An `OverflowError`.
    pub fn overflow(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(FaultKind::Overflow, message)
    }

    /// A `ZeroDivisionError`.
    pub fn zero_division(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(FaultKind::ZeroDivision, message)
    }

    /// C's `ERANGE`: `OverflowError(34, 'Numerical result out of range')`.
    pub fn range() -> Fault {
        Fault::new(FaultKind::Range, "Numerical result out of range")
    }
}
