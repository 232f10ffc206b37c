//! Generators, coroutines and asynchronous generators: a frame that lives in its object and runs in place. One cell for all three;
//! the layout byte of the header says which a value is.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Heap, Kind, Ref, Value};
use crate::object::{Frame, Function};

/// What a generator is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GeneratorState {
    /// Made, not begun.
    Created,
    /// Stopped at a yield or await.
    Suspended,
    /// Running, or waiting for one it delegates to that runs.
    Running,
    /// Ended.
    Finished,
}

/// A suspended frame.
#[derive(Debug)]
pub struct Generator {
    /// The function it is a call of.
    pub function: Ref<Function>,
    /// The word of the instruction it stopped at.
    pub word: StdCell<u32>,
    /// The word to continue at.
    pub next: StdCell<u32>,
    /// The register that gets what is sent.
    pub input: StdCell<u8>,
    /// What it is doing.
    pub state: StdCell<GeneratorState>,
    registers: u16,
    /// Who waits for its result and runs on when it ends: a generator of the same kind, a native coroutine; none while it is driven by
    /// `send` or a task.
    pub awaiter: AnyRef,
    /// What it delegates to or awaits while suspended: a generator or any iterator; none if it stopped at a yield of its own.
    pub awaiting: AnyRef,
    /// For the outermost of a chain: the innermost, where a resumption enters; none while it is itself.
    pub innermost: AnyRef,
    /// The exception being handled where it stopped.
    pub handled: AnyRef,
    /// Its frame object, if somebody asked for it.
    pub frame: Ref<Frame>,
    /// Frames above it in its chain: counts into the recursion depth.
    pub depth: StdCell<u32>,
    /// Flags of the kind: see the constants.
    pub flags: StdCell<u8>,
    /// `__name__`, `__qualname__` where they were set, `cr_origin`, asynchronous generator hooks: a dict, or none.
    pub details: AnyRef,
}

crate::cell! { Generator: Generator {
    slots: [], refs: [function, awaiter, awaiting, innermost, handled, frame, details]
} tail SlotTail by |g| usize::from(g.registers), live |g| g.live_registers() }

/// A coroutine that may be awaited by plain generators and awaits them (`types.coroutine`).
pub const ITERABLE_COROUTINE: u8 = 1;
/// The object was handed to the script: the frame may not go back to the free list.
pub const SEEN: u8 = 2;
/// An asynchronous generator that is being closed or is closed.
pub const CLOSED: u8 = 4;
/// The finaliser hook of an asynchronous generator was set up.
pub const HOOKS: u8 = 8;
/// Reported as never awaited, or not to be.
pub const REPORTED: u8 = 16;
/// An `asend`, `athrow` or `aclose` of an asynchronous generator is running.
pub const BUSY: u8 = 32;

impl Generator {
    /// Live registers where it stopped: those below the first number and those from the second on.
    fn live_registers(&self) -> (usize, usize) {
        let all = usize::from(self.registers);
        let Some(code) = self.function.get().map(|f| f.code()) else { return (all, all) };
        match self.state.get() {
            // The parameters; all others are UNBOUND.
            GeneratorState::Created => (all, all),
            GeneratorState::Finished => (0, all),
            GeneratorState::Suspended | GeneratorState::Running => {
                let height = usize::from(code.get().code.height(self.word.get()));
                (height.min(all), usize::from(code.get().code.far_base).clamp(height.min(all), all))
            }
        }
    }

    /// A generator of kind `Generator`, `Coroutine` or `AsyncGenerator`, with all registers UNBOUND.
    pub fn new<'h>(heap: &'h Heap, kind: Kind, function: Gc<'_, Function>) -> Gc<'h, Generator> {
        let registers = function.code().registers as u16;
        let generator = heap.alloc_slots(
            Generator {
                function: Ref::new(function),
                word: StdCell::new(0),
                next: StdCell::new(0),
                input: StdCell::new(0),
                state: StdCell::new(GeneratorState::Created),
                registers,
                awaiter: AnyRef::none(),
                awaiting: AnyRef::none(),
                innermost: AnyRef::none(),
                handled: AnyRef::none(),
                frame: Ref::none(),
                depth: StdCell::new(0),
                flags: StdCell::new(0),
                details: AnyRef::none(),
            },
            |_| Value::UNBOUND,
        );
        generator.set_layout(kind);
        generator
    }
}

impl<'h> Gc<'h, Generator> {
    /// The content of a register.
    pub fn get_tail_value(self, index: usize) -> Value<'h> {
        self.tail()[index].get()
    }
}

/// The generator, coroutine or asynchronous generator that a value is.
#[inline]
pub fn any_generator(value: Value<'_>) -> Option<Gc<'_, Generator>> {
    match value.kind() {
        Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator => value.cell_of_kind::<Generator>(),
        _ => None,
    }
}
