//! A compiled function, module or class body. Immutable and shareable between machines (`Arc`); what a machine writes
//! (caches, constants as values) it keeps beside its own copy. See `op.rs` for the instructions.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bitflags::bitflags;

use super::packed::unpack_positions;

/// A constant of a code object.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// `...`.
    Ellipsis,
    /// An integer of 64 bits.
    Int(i64),
    /// A larger integer.
    BigInt(num_bigint::BigInt),
    /// A float; compared by bits when constants are shared.
    Float(f64),
    /// A complex number: its real and its imaginary part.
    Complex(f64, f64),
    /// Text, as generalised UTF-8: a lone surrogate is three bytes.
    Str(Box<[u8]>),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// A tuple of constants.
    Tuple(Box<[Const]>),
    /// A frozenset of constants (`x in {1, 2}`).
    FrozenSet(Box<[Const]>),
}

bitflags! {
    /// What kind of code this is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CodeFlags: u32 {
        /// Has `*args`.
        const VARARGS = 1;
        /// Has `**kwargs`.
        const VARKEYWORDS = 1 << 1;
        /// A generator function.
        const GENERATOR = 1 << 2;
        /// A coroutine function.
        const COROUTINE = 1 << 3;
        /// An asynchronous generator function.
        const ASYNC_GENERATOR = 1 << 4;
        /// Defined inside another function.
        const NESTED = 1 << 5;
        /// Its namespace is a mapping in register 0, which is no parameter (class bodies, `exec` with locals); `locals[0]` is `.namespace`.
        const NAMESPACE = 1 << 6;
        /// Names are globals (modules): `LoadLocals` is `globals()`.
        const MODULE = 1 << 7;
        /// A method in a class with a `__class__` cell, or any other use that needs one.
        const CLASS_CELL = 1 << 8;
        /// The first constant is the docstring.
        const DOCSTRING = 1 << 9;
        /// A function body: locals are registers. (CPython: CO_OPTIMIZED | CO_NEWLOCALS.)
        const FUNCTION = 1 << 10;
        /// Top-level await was allowed and used.
        const TOP_LEVEL_AWAIT = 1 << 11;
        /// Defined in a class body: it is a method for `CLASS_CELL`'s and `super()`'s sake.
        const METHOD = 1 << 12;
        /// Its generators can be awaited (`types.coroutine`).
        const ITERABLE_COROUTINE = 1 << 13;
        /// `from __future__ import annotations` is in force in it, and in what it compiles.
        const FUTURE_ANNOTATIONS = 1 << 14;
    }
}

/// Where a closure's cell comes from when the function is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The cell in this near register of the function that makes it.
    Register(u8),
    /// The cell in this far register.
    Far(u16),
    /// This captured cell of the function that makes it.
    Free(u16),
}

/// A protected range of words: an exception raised at an instruction that starts in `start..end` continues at `target`.
/// Inner ranges stand before outer ones; the first that matches wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// First protected word.
    pub start: u32,
    /// One past the last protected word.
    pub end: u32,
    /// Where to continue.
    pub target: u32,
    /// The register that gets the exception. Registers from it up hold nothing else then.
    pub register: u8,
}

/// The place of an instruction in the source. Lines from 1, columns in bytes from 0, as CPython's `co_positions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The word the instruction starts at; the position holds until the next entry's.
    pub word: u32,
    /// First line; 0 for none.
    pub line: u32,
    /// Last line.
    pub end_line: u32,
    /// Column of the first byte.
    pub column: u32,
    /// Column one past the last byte.
    pub end_column: u32,
}

/// The places of a code object's instructions, in order of words. Those of the library are read from their packed form when somebody asks.
#[derive(Clone)]
pub struct Positions {
    table: OnceLock<Box<[Position]>>,
    packed: &'static [u8],
}

impl Positions {
    /// Places in the form that `packed` gives them.
    pub(super) fn packed(packed: &'static [u8]) -> Positions {
        Positions { table: OnceLock::new(), packed }
    }
}

impl FromIterator<Position> for Positions {
    fn from_iter<I: IntoIterator<Item = Position>>(places: I) -> Positions {
        let table = OnceLock::new();
        table.get_or_init(|| places.into_iter().collect());
        Positions { table, packed: &[] }
    }
}

impl Deref for Positions {
    type Target = [Position];

    fn deref(&self) -> &[Position] {
        self.table.get_or_init(|| unpack_positions(self.packed))
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The number of live registers at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Height {
    /// The word the instruction starts at; the height holds until the next entry's.
    pub word: u32,
    /// Registers below this are live (near locals included) and hold a value, a cell or UNBOUND; those from it up are dead.
    pub height: u16,
}

/// A compiled function, module or class body.
#[derive(Clone, Debug)]
pub struct Code {
    /// `__name__`.
    pub name: Box<str>,
    /// `__qualname__`.
    pub qualname: Box<str>,
    /// The file as tracebacks show it.
    pub filename: Arc<str>,
    /// Line of the `def` (or its first decorator), from 1.
    pub first_line: u32,
    /// What kind of code this is.
    pub flags: CodeFlags,
    /// Number of positional parameters, positional-only ones included.
    pub positional: u16,
    /// Number of positional-only parameters.
    pub positional_only: u16,
    /// Number of keyword-only parameters.
    pub keyword_only: u16,
    /// Names of the locals, by register: parameters first (positional, keyword-only, `*args`, `**kwargs`), then the others. Cells that
    /// live in a register are locals too.
    pub locals: Box<[Box<str>]>,
    /// The first `near_locals` of them are in registers from 0 on; the rest are far, from register `far_base` on: parameters too, if
    /// there are that many. A target of an inlined comprehension has an entry of its own, UNBOUND outside it: for `locals()` the last
    /// bound entry of a name counts.
    pub near_locals: u16,
    /// Index of the first far register.
    pub far_base: u16,
    /// Registers that hold a cell (the locals other functions capture), as indices into the frame. That of a comprehension's target is
    /// UNBOUND outside of the comprehension.
    pub cell_registers: Box<[u16]>,
    /// Names of the captured cells, by capture index.
    pub free: Box<[Box<str>]>,
    /// Where each captured cell comes from in the function that makes this one.
    pub captures: Box<[Capture]>,
    /// Size of a frame in registers, far locals included.
    pub registers: u16,
    /// The instructions.
    pub words: Box<[u32]>,
    /// Constants.
    pub constants: Box<[Const]>,
    /// Names of globals, attributes and modules; private names are mangled already.
    pub names: Box<[Box<str>]>,
    /// Nested functions and classes.
    pub children: Box<[Arc<Code>]>,
    /// Protected ranges, inner ones first.
    pub handlers: Box<[Handler]>,
    /// Places, in order of words.
    pub positions: Positions,
    /// Live registers, in order of words.
    pub heights: Box<[Height]>,
}

impl Code {
    /// The place of the instruction that starts at or contains `word`.
    pub fn position(&self, word: u32) -> Option<Position> {
        let after = self.positions.partition_point(|p| p.word <= word);
        after.checked_sub(1).map(|i| self.positions[i])
    }

    /// The line of the instruction that starts at `word`; if it has none, of the last one before it that has.
    pub fn line_reached(&self, word: u32) -> u32 {
        let after = self.positions.partition_point(|p| p.word <= word);
        self.positions[..after].iter().rev().map(|p| p.line).find(|line| *line > 0).unwrap_or(self.first_line)
    }

    /// Live registers while the instruction that starts at `word` runs: its operands are below, its result need not be. The far
    /// registers, from `far_base` on, are live besides.
    pub fn height(&self, word: u32) -> u16 {
        let after = self.heights.partition_point(|h| h.word <= word);
        after.checked_sub(1).map_or(self.near_locals, |i| self.heights[i].height)
    }

    /// The innermost handler for an exception raised at the instruction that starts at `word`.
    pub fn handler(&self, word: u32) -> Option<&Handler> {
        self.handlers.iter().find(|h| h.start <= word && word < h.end)
    }

    /// Number of parameters, `*args` and `**kwargs` included: they are in the first registers.
    pub fn parameters(&self) -> u16 {
        self.positional
            + self.keyword_only
            + u16::from(self.flags.contains(CodeFlags::VARARGS))
            + u16::from(self.flags.contains(CodeFlags::VARKEYWORDS))
    }
}
