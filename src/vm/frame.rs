//! Records of running frames, and the fiber they run on.
//!
//! A fiber has a stack of registers and a stack of records. A record is one of four: a plain frame of the language, whose registers
//! are a window of the fiber's; a frame in place, whose registers are in its generator or coroutine (one record for a whole chain
//! of awaits); a native that waits for what it asked for; and an exit, where the run loop was entered from Rust.

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, RegisterStack, Tracer};
use crate::object::{CodeObject, Function, Generator};

use super::drain::Taker;
use super::native::Continuation;

/// A cell that a record keeps alive: the collector visits it, so it is valid while the record is on the stack.
pub(super) type Held<T> = Gc<'static, T>;

/// What a record is.
#[derive(Clone, Copy, Debug)]
pub(super) enum RecordKind {
    /// A plain frame.
    Plain,
    /// A frame whose registers are in this generator; `root` is the outermost of its chain, which was resumed.
    InPlace { generator: Held<Generator>, root: Held<Generator> },
    /// A native that waits. It has its window at `base`, `count` registers.
    Native { then: Continuation, catches: bool, count: u32 },
    /// The run loop was entered here, by a native whose window begins at `window`: it returns when this record is on top. What a generator
    /// yields to it is offered to `taker` first.
    Exit { window: u32, taker: Option<Taker> },
}

/// What a frame does with the result of what it called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Deliver {
    /// Stores it in register `dst`.
    Store,
    /// Drops it.
    Discard,
    /// It is a bool: jumps to `target` if it is true.
    JumpTrue,
    /// It is a bool: jumps to `target` if it is false.
    JumpFalse,
    /// It is the next item, for `dst`; UNBOUND means there is none: jumps to `target`.
    Next,
    /// What a generator yields to a `send` or `next`, for `dst`; if it returns, StopIteration is raised.
    Sent,
    /// It is a bool: stores its opposite in `dst`.
    StoreNot,
    /// What it delegates to (not a generator of the language) yielded or returned.
    Delegate,
    /// A method asked for the result of an operation gave it, for `dst`, or declined: then the instruction is carried out again without it.
    Operated,
    /// It must be an iterator, for `dst`.
    Iterator,
}

/// A frame, or what else is on the stack of records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) kind: RecordKind,
    /// What to do with the result of what was called.
    pub(super) deliver: Deliver,
    pub(super) dst: u8,
    /// See the constants of [`Record`].
    pub(super) flags: u8,
    /// First register of a plain frame or of a native's window; where scratch registers begin for a frame in place and an exit.
    pub(super) base: u32,
    /// One past the last register of a plain frame or of a native's window; where scratch registers begin for the others.
    pub(super) end: u32,
    /// The current instruction.
    pub(super) ip: *const StdCell<u32>,
    /// The one to continue at.
    pub(super) next: *const StdCell<u32>,
    /// Where to jump, for the deliveries that do.
    pub(super) target: *const StdCell<u32>,
    /// The function of a plain frame; of a frame in place, its generator's.
    pub(super) function: Option<Held<Function>>,
    /// For a frame in place: what the one below was handling. For a constructor: the instance.
    pub(super) handled: Raw,
}

/// What a frame made that may die with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Coroutines only.
    Coroutines,
    /// Something with a finaliser.
    Any,
}

impl Record {
    /// What this frame made that may die with it.
    #[inline]
    pub(super) fn left(&self) -> Left {
        let (made, coroutines) = match self.kind {
            RecordKind::InPlace { generator, .. } => (
                generator.has(crate::object::MADE),
                generator.value().kind() == Kind::Coroutine && generator.has(crate::object::COROUTINES),
            ),
            _ => (self.flags & Record::MADE != 0, self.flags & Record::COROUTINES != 0),
        };
        match (made, coroutines) {
            (true, _) => Left::Any,
            (false, true) => Left::Coroutines,
            (false, false) => Left::Nothing,
        }
    }

    /// Somebody asked for its frame object.
    pub(super) const OBSERVED: u8 = 1;
    /// It is an `__init__`: it must return None, and the result is the instance, which is in `handled`.
    pub(super) const CONSTRUCTOR: u8 = 2;

    /// The exception on its way was raised again: this frame is in its traceback already.
    pub(super) const RERAISED: u8 = 4;
    /// Something with a finaliser was made here: whether it has died is looked into when the frame ends.
    pub(super) const MADE: u8 = 8;
    /// This chain was resumed by throwing an exception into its innermost frame.
    pub(super) const THROWN: u8 = 16;
    /// A coroutine was made here: whether it was dropped without having been begun is looked into when the frame ends.
    pub(super) const COROUTINES: u8 = 64;
    /// What it constructs has a finaliser, and may be stored over another such thing.
    pub(super) const REPLACES: u8 = 32;

    /// The code, for a plain frame or a frame in place.
    #[inline(always)]
    pub(super) fn code(&self) -> Held<CodeObject> {
        self.function.expect("a frame of the language has a function").code()
    }

    /// The number of the current instruction's operation.
    pub(super) fn op(&self) -> u8 {
        self.code().get().words[self.word() as usize].get() as u8
    }

    /// The word of the current instruction.
    pub(super) fn word(&self) -> u32 {
        let code = self.code();
        let start = code.get().words.as_ptr();
        ((self.ip.addr() - start.addr()) / 4) as u32
    }
}

/// A machine stack's worth of execution: the main one, and one for each thread.
#[derive(Debug)]
pub(crate) struct Fiber {
    pub(super) registers: RegisterStack,
    pub(super) records: Vec<Record>,
    /// Where the running native's window begins.
    pub(super) window: u32,
    /// Where the running native's next root goes.
    pub(super) top: u32,
    /// The exception being handled at the innermost level (see rule 5 in ARCHITECTURE.md); UNBOUND if none.
    pub(super) handled: Raw,
    /// Frames in await chains beyond the one that has a record.
    pub(super) extra_depth: u32,
    /// Nesting of run loops.
    pub(super) nesting: u32,
    /// The containers whose `repr` is being made, by address: outer ones first.
    pub(super) reprs: Vec<u64>,
    /// Its number: see `fiber.rs`.
    pub(super) id: u32,
    /// Address below which natives must not go deeper on its machine stack.
    pub(super) stack_limit: usize,
    /// Frame objects of running plain frames, with the numbers of their records.
    pub(super) observed: Vec<(u32, Raw)>,
    /// The exception on its way, while it does not run.
    pub(super) raised: Raw,
    /// It was given up: no script runs on it any more.
    pub(super) stopping: bool,
    /// It has not run since the last collection.
    pub(super) still: bool,
    /// What it stops through: see `fiber.rs`.
    pub(super) door: *const (),
    /// What is called with asynchronous generators, and how many calls are noted for each coroutine, while it does not run.
    pub(super) hooks: [Raw; 2],
    /// See `hooks`.
    pub(super) origin_depth: usize,
}

impl Fiber {
    /// A fiber with a stack of `registers`.
    pub(super) fn new(registers: usize) -> Fiber {
        let stack = RegisterStack::new(registers);
        Fiber::with_registers(stack.unwrap_or_else(|| handle_alloc_error(Layout::new::<RegisterStack>())))
    }

    /// A fiber with this stack.
    pub(super) fn with_registers(registers: RegisterStack) -> Fiber {
        Fiber {
            registers,
            records: Vec::with_capacity(64),
            window: 0,
            top: 0,
            handled: Raw::UNBOUND,
            extra_depth: 0,
            nesting: 0,
            reprs: vec![],
            id: 0,
            stack_limit: 0,
            observed: vec![],
            raised: Raw::UNBOUND,
            stopping: false,
            still: false,
            door: std::ptr::null(),
            hooks: [Raw::NONE; 2],
            origin_depth: 0,
        }
    }

    /// Visits the live registers and what the records hold.
    pub(super) fn trace(&self, tracer: &mut Tracer<'_>) {
        tracer.raw(self.handled);
        tracer.raw(self.raised);
        self.hooks.iter().for_each(|raw| tracer.raw(*raw));
        self.observed.iter().for_each(|(_, raw)| tracer.raw(*raw));
        for record in &self.records {
            if let Some(function) = record.function {
                tracer.raw(function.value().raw());
            }
            tracer.raw(record.handled);
            match record.kind {
                RecordKind::Plain => {
                    let code = record.code();
                    let height = u32::from(code.get().code.height(record.word()));
                    let far = u32::from(code.get().code.far_base).max(height);
                    self.trace_range(tracer, record.base, record.base + height);
                    self.trace_range(tracer, record.base + far, record.base + code.get().registers);
                }
                RecordKind::InPlace { generator, root } => {
                    generator.get().word.set(record.word());
                    tracer.again(generator.value().raw());
                    tracer.raw(root.value().raw());
                }
                RecordKind::Native { count, .. } => self.trace_range(tracer, record.base, record.base + count),
                RecordKind::Exit { window, .. } => self.trace_range(tracer, window, record.base),
            }
        }
        self.trace_range(tracer, self.window, self.top);
    }

    fn trace_range(&self, tracer: &mut Tracer<'_>, from: u32, to: u32) {
        for index in from..to {
            tracer.raw(self.registers.get(index).raw());
        }
    }
}
