//! Generators, coroutines and asynchronous generators: a frame that lives in its object and runs in place. One cell for all three;
//! the layout byte of the header says which a value is.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Heap, Kind, Ref, Slot, Value};
use crate::object::{Frame, Function};

/// What a generator is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GeneratorState {
    /// Made, not begun.
    Created,
    /// Stopped at a yield or await.
    Suspended,
    /// Running; of a chain of awaits the outermost and the innermost are. Those between are Suspended: whether they run is asked of the
    /// outermost.
    Running,
    /// Ended.
    Finished,
}

/// What a generator is doing, and the flags of its kind, in one byte: one byte more would make every coroutine sixteen longer.
#[derive(Debug)]
pub struct StateCell(StdCell<u8>);

impl StateCell {
    const SHIFT: u32 = 6;
    const FLAGS: u8 = (1 << StateCell::SHIFT) - 1;

    fn new(state: GeneratorState) -> StateCell {
        StateCell(StdCell::new((state as u8) << StateCell::SHIFT))
    }

    /// What it is doing.
    #[inline(always)]
    pub fn get(&self) -> GeneratorState {
        match self.0.get() >> StateCell::SHIFT {
            0 => GeneratorState::Created,
            1 => GeneratorState::Suspended,
            2 => GeneratorState::Running,
            _ => GeneratorState::Finished,
        }
    }

    /// Says what it is doing.
    #[inline(always)]
    pub fn set(&self, state: GeneratorState) {
        self.0.set((self.0.get() & StateCell::FLAGS) | (state as u8) << StateCell::SHIFT);
    }

    /// Says what it is doing; what it was doing before.
    #[inline(always)]
    pub fn replace(&self, state: GeneratorState) -> GeneratorState {
        let before = self.get();
        self.set(state);
        before
    }
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
    /// What it is doing, and the flags of its kind: see the constants.
    pub state: StateCell,
    registers: u16,
    /// The generator that waits for its result and runs on when it ends; none while it is driven by `send`, a task or a native.
    pub awaiter: AnyRef,
    /// What it delegates to or awaits: a generator or any iterator; none if it stopped at a yield of its own. A generator is *linked* if its
    /// awaiter is this one; otherwise it is driven as any other iterator is.
    pub awaiting: AnyRef,
    /// For a suspended outermost of a chain: the innermost, where a resumption enters. None if it is itself, or not known any more: then
    /// the links are followed.
    pub innermost: AnyRef,
    /// The exception being handled where it stopped.
    pub handled: AnyRef,
    /// Its frame object, if somebody asked for it.
    pub frame: Ref<Frame>,
    /// Frames above it in its chain: counts into the recursion depth.
    pub depth: StdCell<u32>,
    /// `__name__`, `__qualname__` where they were set, `cr_origin`, asynchronous generator hooks: a dict, or none.
    pub details: AnyRef,
}

crate::cell! { Generator: Generator {
    slots: [], refs: [function, awaiter, awaiting, innermost, handled, frame, details]
} tail SlotTail by |g| usize::from(g.registers), live |g| g.live_registers() }

/// A coroutine that may be awaited by plain generators and awaits them (`types.coroutine`).
pub const ITERABLE_COROUTINE: u8 = 1;
/// An asynchronous generator that is being closed or is closed.
pub const CLOSED: u8 = 4;
/// The finaliser hook of an asynchronous generator was set up.
pub const HOOKS: u8 = 8;
/// Reported as never awaited, or not to be.
pub const REPORTED: u8 = 16;
/// An `asend`, `athrow` or `aclose` of an asynchronous generator is running.
pub const BUSY: u8 = 32;
/// Something with a finaliser was made in its frame.
pub const MADE: u8 = 2;
/// A coroutine that belongs to a task, which begins it, or reports that it could not. Means something else for asynchronous generators.
pub const OWNED: u8 = 4;
/// A coroutine was made in the frame of this coroutine. Means something else for asynchronous generators.
pub const COROUTINES: u8 = 8;

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
                state: StateCell::new(GeneratorState::Created),
                registers,
                awaiter: AnyRef::none(),
                awaiting: AnyRef::none(),
                innermost: AnyRef::none(),
                handled: AnyRef::none(),
                frame: Ref::none(),
                depth: StdCell::new(0),
                details: AnyRef::none(),
            },
            |_| Value::UNBOUND,
        );
        generator.set_layout(kind);
        generator
    }
}

impl Generator {
    /// A coroutine that runs at once in the place of `awaiter`, which awaits it: `depth` frames are above it, and `register(i)` is the content
    /// of its register `i`.
    #[inline]
    pub fn awaited<'h>(
        heap: &'h Heap,
        function: Gc<'_, Function>,
        awaiter: Gc<'_, Generator>,
        depth: u32,
        register: impl FnMut(usize) -> Value<'h>,
    ) -> Gc<'h, Generator> {
        let generator = heap.alloc_slots(
            Generator {
                function: Ref::new(function),
                word: StdCell::new(0),
                next: StdCell::new(0),
                input: StdCell::new(0),
                state: StateCell::new(GeneratorState::Running),
                registers: function.code().registers as u16,
                awaiter: AnyRef::new(awaiter.value()),
                awaiting: AnyRef::none(),
                innermost: AnyRef::none(),
                handled: AnyRef::none(),
                frame: Ref::none(),
                depth: StdCell::new(depth),
                details: AnyRef::none(),
            },
            register,
        );
        generator.set_layout(Kind::Coroutine);
        generator
    }
}

impl<'h> Gc<'h, Generator> {
    /// The content of a register.
    pub fn get_tail_value(self, index: usize) -> Value<'h> {
        self.tail()[index].get()
    }
}

impl<'h> Gc<'h, Generator> {
    /// Whether a flag of the kind is set.
    #[inline(always)]
    pub fn has(self, flag: u8) -> bool {
        self.get().state.0.get() & flag != 0
    }

    /// Sets or clears a flag of the kind.
    #[inline(always)]
    pub fn set_flag(self, flag: u8, on: bool) {
        debug_assert!(flag & !StateCell::FLAGS == 0, "the bits above are the state's");
        let byte = &self.get().state.0;
        byte.set(if on { byte.get() | flag } else { byte.get() & !flag });
    }

    /// The generator it awaits, if that runs on into this one when it ends.
    #[inline]
    pub fn linked(self) -> Option<Gc<'h, Generator>> {
        let child = self.get().awaiting.get::<Generator>()?;
        (child.get().awaiter.get::<Generator>() == Some(self)).then_some(child)
    }

    /// Whether it is running, or waits for one it awaits that is.
    pub fn is_running(self) -> bool {
        let mut at = self;
        loop {
            if at.get().state.get() == GeneratorState::Running {
                return true;
            }
            match at.get().awaiter.get::<Generator>() {
                Some(awaiter) if awaiter.linked() == Some(at) => at = awaiter,
                _ => return false,
            }
        }
    }
}

/// What an [`AsyncGeneratorStep`] does to its generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepMode {
    /// `__anext__` and `asend`.
    Send,
    /// `athrow`.
    Throw,
    /// `aclose`.
    Close,
}

/// What `__anext__`, `asend`, `athrow` and `aclose` of an asynchronous generator return: awaited it does one step.
#[derive(Debug)]
pub struct AsyncGeneratorStep {
    /// The generator.
    pub generator: Ref<Generator>,
    /// What is sent or thrown.
    pub argument: Slot,
    /// What is done.
    pub mode: StepMode,
    /// `Created`, `Suspended` once begun, or `Finished`.
    pub state: StdCell<GeneratorState>,
}

crate::cell! { AsyncGeneratorStep: AsyncGeneratorStep { slots: [argument], refs: [generator] } }

/// `coroutine.__await__()`: the coroutine as an iterator.
#[derive(Debug)]
pub struct CoroutineWrapper {
    /// The coroutine, native or not.
    pub coroutine: Slot,
}

crate::cell! { CoroutineWrapper: CoroutineWrapper { slots: [coroutine], refs: [] } }

/// The generator, coroutine or asynchronous generator that a value is.
#[inline]
pub fn any_generator(value: Value<'_>) -> Option<Gc<'_, Generator>> {
    match value.kind() {
        Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator => value.cell_of_kind::<Generator>(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coroutine_is_small() {
        assert_eq!(size_of::<Generator>() + 8, 80);
    }
}
