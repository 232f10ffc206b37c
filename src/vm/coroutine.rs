//! Generators, coroutines and what they await.
//!
//! A chain of awaits among functions of the language is one record: its frames are linked by `awaiter` and `awaiting`, and the record is
//! at the innermost. So suspending and resuming cost the same at any depth. What is no frame of the language is *driven*: a step at a
//! time, with what was sent or thrown, until it returns ([`Vm::drive`]).

use std::cell::Cell as StdCell;
use std::collections::HashSet;

use crate::bytecode::code::CodeFlags;
use crate::bytecode::op::AwaitContext;
use crate::heap::{Collection, Gc, Heap, Kind, Raw, Ref, Slot, Tracer, Value, WeakRef, interrupt};
use crate::object::{
    AsyncGeneratorStep, BUSY, CLOSED, Class, CoroutineWrapper, Entry, Exc, Exception, Function, Generator,
    GeneratorState, HOOKS, ITERABLE_COROUTINE, MAKES_ITERABLE_COROUTINES, REPORTED, Slots, StepMode, Str,
    any_generator,
};

use super::call::{Invoked, parameter_register};
use super::frame::{Deliver, Held, Record, RecordKind};
use super::host::StdStream;
use super::native::{Args, NativeDef, NativeKind, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::unwind::Delivery;
use super::{Name, Vm};

/// In the flags of a native's record: its window is an awaitable that is driven by hand, not by a frame.
const DRIVES: u8 = 8;

/// Drives an awaitable of some kind a step: `resumed` is what was sent (None at first) or thrown. It returns its result, or suspends with what
/// it yields; state between steps is in the object.
pub type Driver = fn(cx: &mut Vm, awaitable: Root, resumed: Resumed) -> NativeResult;

/// What awaiting needs to know of natives, and what was reported.
pub struct Coroutines {
    drivers: Vec<Option<Driver>>,
    /// `sys.get_asyncgen_hooks()`: what is called with an asynchronous generator when it is first iterated, and when it dies suspended.
    pub first_iteration: Raw,
    /// See `first_iteration`.
    pub finalizer: Raw,
    /// A native function that gives the next item of an iterator.
    pub(super) advance: Raw,
    pub(super) shapes: super::iterate::IteratorShapes,
    /// Whether what reached the last exit of the run loop was yielded.
    pub(super) yielded: bool,
    /// Statements where a coroutine was dropped unawaited, by code and word.
    discards: HashSet<(usize, u32)>,
    /// Warnings shown, by place and text: each is shown once.
    warned: HashSet<(String, u32, String)>,
}

impl std::fmt::Debug for Coroutines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coroutines").field("warned", &self.warned.len()).finish_non_exhaustive()
    }
}

impl Default for Coroutines {
    fn default() -> Coroutines {
        Coroutines {
            drivers: vec![None; 256],
            first_iteration: Raw::NONE,
            finalizer: Raw::NONE,
            advance: Raw::UNBOUND,
            shapes: super::iterate::IteratorShapes::default(),
            yielded: false,
            discards: HashSet::new(),
            warned: HashSet::new(),
        }
    }
}

impl Coroutines {
    /// Visits the values it holds.
    pub(super) fn trace(&self, tracer: &mut Tracer<'_>) {
        for raw in [self.first_iteration, self.finalizer, self.advance] {
            tracer.raw(raw);
        }
    }
}

/// A coroutine whose body is native: the call of a native that can suspend. Suspended it holds the native's window and how to go on.
pub struct NativeCoroutine {
    /// The native.
    pub def: &'static NativeDef,
    /// What it is doing.
    pub state: StdCell<GeneratorState>,
    then: StdCell<Then>,
    /// Registers of the saved window: arguments before it began.
    len: StdCell<u32>,
    room: u16,
    /// The saved window, where it does not fit the tail.
    window: Ref<Slots>,
    /// `REPORTED`.
    pub flags: StdCell<u8>,
}

impl std::fmt::Debug for NativeCoroutine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NativeCoroutine({}, {:?})", self.def.name, self.state.get())
    }
}

crate::cell! { NativeCoroutine: NativeCoroutine { slots: [], refs: [window] } tail SlotTail by |n| usize::from(n.room),
live |n| (n.len.get().min(u32::from(n.room)) as usize, usize::from(n.room)) }

/// Registers of a native coroutine's window beyond its arguments that are saved without more memory.
const SPARE: u32 = 3;

impl<'h> Gc<'h, NativeCoroutine> {
    /// Value number `index` of the saved window.
    pub fn saved(self, index: usize) -> Option<Value<'h>> {
        if index >= self.len.get() as usize {
            return None;
        }
        Some(match self.get().window.get() {
            Some(window) => window.tail()[index].get(),
            None => self.tail()[index].get(),
        })
    }

    /// It has returned or raised.
    pub(super) fn finish(self, heap: &Heap) {
        self.get().state.set(GeneratorState::Finished);
        self.get().len.set(0);
        if self.get().window.get().is_some() {
            self.set_ref(heap, |n| &n.window, None);
        }
    }

    fn save(self, heap: &Heap, len: u32, then: Then, value: impl Fn(u32) -> Raw) {
        if len <= u32::from(self.room) {
            for index in 0..len {
                self.set_tail(heap, index as usize, Value::adopt(value(index)));
            }
            if self.get().window.get().is_some() {
                self.set_ref(heap, |n| &n.window, None);
            }
        } else {
            let window = match self.get().window.get() {
                Some(window) if window.capacity() >= len as usize => window,
                _ => Slots::with_capacity(heap, len as usize * 2).expect("a window is small"),
            };
            for index in 0..len {
                window.set_tail(heap, index as usize, Value::adopt(value(index)));
            }
            self.set_ref(heap, |n| &n.window, Some(window));
        }
        self.get().len.set(len);
        self.get().then.set(then);
        self.get().state.set(GeneratorState::Suspended);
    }
}

impl Vm {
    // ---- making ----

    /// A generator, coroutine or asynchronous generator of a call whose parameters are in place; nobody is told when it dies.
    pub(super) fn new_generator(&mut self, function: Held<Function>, start: u32) -> Held<Generator> {
        let code = function.code();
        let flags = code.flags();
        let kind = if flags.contains(CodeFlags::COROUTINE) {
            Kind::Coroutine
        } else if flags.contains(CodeFlags::ASYNC_GENERATOR) {
            Kind::AsyncGenerator
        } else {
            Kind::Generator
        };
        let heap = &self.heap;
        let generator = Generator::new(heap, kind, function);
        for index in 0..u32::from(code.code.parameters()) {
            let at = parameter_register(&code.code, index);
            generator.set_tail(heap, at as usize, self.fiber.registers.get(start + at));
        }
        if function.aux() & MAKES_ITERABLE_COROUTINES != 0 {
            generator.set_flag(ITERABLE_COROUTINE, true);
        }
        generator.held()
    }

    /// The coroutine of a call of a native that can suspend.
    pub(super) fn make_native_coroutine(&mut self, def: &'static NativeDef, args: Args) -> Raw {
        let room = u16::try_from(args.count + SPARE).unwrap_or(u16::MAX);
        let registers = &self.fiber.registers;
        let body = NativeCoroutine {
            def,
            state: StdCell::new(GeneratorState::Created),
            then: StdCell::new(Then::Return),
            len: StdCell::new(0),
            room,
            window: Ref::none(),
            flags: StdCell::new(0),
        };
        let coroutine = self.heap.alloc_slots(body, |_| Value::UNBOUND);
        coroutine.save(&self.heap, args.count, Then::Return, |i| registers.get(args.start + i).raw());
        coroutine.get().state.set(GeneratorState::Created);
        self.heap.finalisable(coroutine.value());
        coroutine.value().raw()
    }

    /// Says how awaitables of a kind are driven.
    pub fn set_driver(&mut self, kind: Kind, driver: Driver) {
        self.coroutines.drivers[kind as usize] = Some(driver);
    }

    // ---- the chain of frames ----

    /// Makes the frame on top wait for a generator, whose innermost frame (`enter`) takes its place in the record.
    fn link(
        &mut self,
        parent: Held<Generator>,
        root: Held<Generator>,
        child: Held<Generator>,
        enter: Held<Generator>,
    ) -> Result<(), Raised> {
        if self.depth() >= self.recursion_limit {
            return Err(self.recursion_error());
        }
        let record = *self.fiber.records.last().expect("a frame in place");
        self.save_position(parent, &record);
        if parent != root {
            parent.get().state.set(GeneratorState::Suspended);
        }
        parent.set_any(&self.heap, |g| &g.awaiting, child.value());
        child.set_any(&self.heap, |g| &g.awaiter, parent.value());
        child.get().depth.set(parent.depth.get() + 1);
        self.fiber.extra_depth = self.fiber.extra_depth - parent.depth.get() + enter.depth.get();
        self.heap.barrier_of(enter.value());
        enter.get().state.set(GeneratorState::Running);
        let function = enter.get().function.get().expect("a generator has a function").held();
        let words = function.code().get().words.as_ptr();
        let handled = enter.get().handled.value();
        self.fiber.handled = if handled.is_none() { Raw::UNBOUND } else { handled.raw() };
        let record = self.fiber.records.last_mut().expect("a frame in place");
        record.kind = RecordKind::InPlace { generator: enter, root };
        record.function = Some(function);
        record.dst = enter.get().input.get();
        record.deliver = Deliver::Store;
        record.flags = if enter.get().frame.get().is_some() { Record::OBSERVED } else { 0 };
        record.ip = words.wrapping_add(enter.get().word.get() as usize);
        record.next = words.wrapping_add(enter.get().next.get() as usize);
        Ok(())
    }

    /// The frame on top, if its registers are in a generator: that, and the outermost of its chain.
    fn in_place(&self) -> Option<(Held<Generator>, Held<Generator>)> {
        match self.fiber.records.last()?.kind {
            RecordKind::InPlace { generator, root } => Some((generator, root)),
            _ => None,
        }
    }

    /// The end of `yield from` and `await`: the frame on top waits for what it iterates or awaits.
    pub(super) fn delegate(&mut self, iterator: Raw) -> Result<Invoked, Raised> {
        let Some((parent, root)) = self.in_place() else {
            return Err(self.system_error("a frame that cannot be suspended awaits"));
        };
        let value = Value::adopt(iterator);
        if matches!(value.kind(), Kind::Generator | Kind::Coroutine)
            && let Some(child) = any_generator(value)
        {
            let child = child.held();
            match child.get().state.get() {
                GeneratorState::Finished if value.kind() == Kind::Generator => return Ok(Invoked::Value(Raw::NONE)),
                GeneratorState::Finished => {
                    return Err(self.runtime_error("cannot reuse already awaited coroutine"));
                }
                GeneratorState::Created => {
                    self.link(parent, root, child, child)?;
                    return Ok(Invoked::Pushed);
                }
                GeneratorState::Suspended if child.get().awaiter.is_none() => {
                    let enter = self.innermost(child);
                    self.link(parent, root, child, enter)?;
                    child.set_any(&self.heap, |g| &g.innermost, Value::NONE);
                    return self.go_on(enter, Raw::NONE, false);
                }
                // It runs, or another generator awaits it: it is driven as any iterator is.
                GeneratorState::Suspended | GeneratorState::Running => {}
            }
        }
        parent.set_any(&self.heap, |g| &g.awaiting, value);
        match self.drive_awaited(iterator, Raw::NONE, false) {
            Ok(Invoked::Value(raw)) => {
                let record = *self.fiber.records.last().expect("the frame");
                self.end_delegation(&record);
                Ok(Invoked::Value(raw))
            }
            other => other,
        }
    }

    /// `await f(...)`: if `f` is an async def, and the frame on top can wait for it in place, it begins to run at once.
    pub(super) fn await_call(&mut self, function: Held<Function>, start: u32, argc: u32) -> Result<bool, Raised> {
        let code = function.code();
        if !code.flags().contains(CodeFlags::COROUTINE) {
            return Ok(false);
        }
        let Some((parent, root)) = self.in_place() else { return Ok(false) };
        let collects = CodeFlags::VARARGS | CodeFlags::VARKEYWORDS;
        if argc != u32::from(code.code.positional)
            || code.get().entry == Entry::Bind
            || code.code.keyword_only > 0
            || code.flags().intersects(collects)
        {
            self.bind_arguments(function, start, argc, None)?;
        }
        let child = self.new_generator(function, start);
        self.link(parent, root, child, child)?;
        Ok(true)
    }

    /// The frame on top, of a generator, returns: what awaits it goes on with the result; else it is to be delivered.
    pub(super) fn return_in_place(&mut self, value: Raw) -> Option<Delivery> {
        let top = self.fiber.records.len() - 1;
        let record = self.fiber.records[top];
        let RecordKind::InPlace { generator, root } = record.kind else { unreachable!("a generator returns") };
        if record.flags & Record::OBSERVED != 0 || generator.get().frame.get().is_some() {
            self.detach_frame(top);
        }
        let is_async = generator.value().kind() == Kind::AsyncGenerator;
        match self.end_in_place(generator, root) {
            Some(awaiter) => {
                self.switch_to(awaiter, root);
                if is_async {
                    let _ = self.raise_new(Exc::StopAsyncIteration, &[]);
                    return Some(Delivery::Raised);
                }
                let record = *self.fiber.records.last().expect("the awaiter's frame");
                self.set_register(&record, value);
                None
            }
            None => {
                self.fiber.handled = record.handled;
                self.fiber.records.pop();
                let parent = self.fiber.records.last().expect("whoever resumed it");
                let frame = matches!(parent.kind, RecordKind::Plain | RecordKind::InPlace { .. });
                // A `for` wants to know that there are no more items, and so do the steps of asynchronous generators.
                let ends = is_async || (frame && parent.deliver == Deliver::Next);
                Some(Delivery::Returned(if ends { Raw::UNBOUND } else { value }))
            }
        }
    }

    /// An asynchronous generator yields: its step has ended with this as the result.
    pub(super) fn yield_async(&mut self, value: Raw) -> Option<Delivery> {
        let record = *self.fiber.records.last().expect("the frame");
        let RecordKind::InPlace { generator, root } = record.kind else { unreachable!("a generator yields") };
        generator.set_flag(BUSY, false);
        if generator == root {
            let value = self.suspend(value);
            return Some(Delivery::Returned(value));
        }
        self.save_position(generator, &record);
        generator.get().state.set(GeneratorState::Suspended);
        self.heap.finalisable(generator.value());
        let awaiter = generator.get().awaiter.get::<Generator>().expect("a frame awaits the step").held();
        generator.set_any(&self.heap, |g| &g.awaiter, Value::NONE);
        self.fiber.extra_depth -= generator.get().depth.get();
        self.switch_to(awaiter, root);
        let record = *self.fiber.records.last().expect("the awaiter's frame");
        self.set_register(&record, value);
        None
    }

    /// `async for`: if the iterator is an idle asynchronous generator, it runs in the place of the frame on top.
    pub(super) fn next_async_in_place(&mut self, aiter: Raw) -> Result<bool, Raised> {
        let value = Value::adopt(aiter);
        if value.kind() != Kind::AsyncGenerator {
            return Ok(false);
        }
        let Some(generator) = any_generator(value).map(|g| g.held()) else { return Ok(false) };
        let Some((parent, root)) = self.in_place() else { return Ok(false) };
        let state = generator.get().state.get();
        let idle = matches!(state, GeneratorState::Created | GeneratorState::Suspended)
            && !generator.has(BUSY)
            && generator.get().awaiter.is_none()
            && generator.get().awaiting.is_none();
        if !idle {
            return Ok(false);
        }
        self.first_iteration(generator)?;
        self.link(parent, root, generator, generator)?;
        generator.set_flag(BUSY, true);
        if state == GeneratorState::Suspended {
            generator.set_tail(&self.heap, usize::from(generator.get().input.get()), Value::NONE);
        }
        Ok(true)
    }

    /// Tells the hook of an asynchronous generator's first iteration.
    fn first_iteration(&mut self, generator: Held<Generator>) -> Result<(), Raised> {
        if generator.has(HOOKS) {
            return Ok(());
        }
        generator.set_flag(HOOKS, true);
        let hook = self.coroutines.first_iteration;
        if hook.same(Raw::NONE) {
            return Ok(());
        }
        let mark = self.mark();
        let hook = self.push_raw(hook);
        let generator = self.push_raw(generator.value().raw());
        self.call(hook, &[generator])?;
        self.release(mark);
        Ok(())
    }

    // ---- what is awaited or iterated ----

    /// What `yield from value` iterates.
    pub(super) fn get_yield_from(&mut self, raw: Raw) -> Result<Invoked, Raised> {
        let value = Value::adopt(raw);
        match value.kind() {
            Kind::Generator if !value.is_subclassed() => return Ok(Invoked::Value(raw)),
            Kind::Coroutine | Kind::NativeCoroutine => {
                let allowed = self.in_place().is_some_and(|(generator, _)| {
                    generator.has(ITERABLE_COROUTINE) || generator.value().kind() == Kind::Coroutine
                });
                if !allowed {
                    return Err(self
                        .type_error("cannot 'yield from' a coroutine object in a non-coroutine generator".into()));
                }
                return Ok(Invoked::Value(raw));
            }
            kind => {
                if self.coroutines.drivers[kind as usize].is_some() && !value.is_subclassed() {
                    return Ok(Invoked::Value(raw));
                }
            }
        }
        self.get_iter(raw)
    }

    /// What `await value` drives.
    pub(super) fn get_awaitable(&mut self, raw: Raw, context: u8) -> Result<Invoked, Raised> {
        let start = self.fiber.top;
        let outcome = self.awaitable_outcome(raw, context)?;
        self.carry_out(outcome, start)
    }

    /// What `await value` drives, for natives that ask by their outcome. `context` is an [`AwaitContext`].
    pub fn awaitable_outcome(&mut self, raw: Raw, context: u8) -> NativeResult {
        let value = Value::adopt(raw);
        match value.kind() {
            Kind::Coroutine => {
                let coroutine = any_generator(value).expect("a coroutine");
                let awaited = coroutine.state.get() == GeneratorState::Suspended && !coroutine.awaiting.is_none();
                if awaited {
                    return Err(self.runtime_error("coroutine is being awaited already"));
                }
                return Ok(Outcome::Value(raw));
            }
            Kind::NativeCoroutine => {
                let coroutine = value.exact::<NativeCoroutine>().expect("a coroutine");
                if coroutine.state.get() == GeneratorState::Suspended {
                    return Err(self.runtime_error("coroutine is being awaited already"));
                }
                return Ok(Outcome::Value(raw));
            }
            Kind::Generator if any_generator(value).is_some_and(|g| g.has(ITERABLE_COROUTINE)) => {
                return Ok(Outcome::Value(raw));
            }
            Kind::AsyncGeneratorStep | Kind::CoroutineWrapper => return Ok(Outcome::Value(raw)),
            kind if self.coroutines.drivers[kind as usize].is_some() && !value.is_subclassed() => {
                return Ok(Outcome::Value(raw));
            }
            _ => {}
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::Await).held();
        match self.lookup_class(class, name).map(|v| v.raw()) {
            Some(method) if !method.same(Raw::NONE) => {
                let then = if context == AwaitContext::AsyncNext as u8 {
                    Then::Catch(check_next_awaitable)
                } else {
                    Then::Continue(check_awaitable)
                };
                if context == AwaitContext::AsyncNext as u8 {
                    self.push_raw(raw);
                }
                self.call_unbound(method, raw, &[], then)
            }
            _ => {
                let got = self.type_name_for_error(value);
                Err(match context {
                    c if c == AwaitContext::AsyncEnter as u8 => self.type_error(format!(
                        "'async with' received an object from __aenter__ that does not implement __await__: {got}"
                    )),
                    c if c == AwaitContext::AsyncExit as u8 => self.type_error(format!(
                        "'async with' received an object from __aexit__ that does not implement __await__: {got}"
                    )),
                    c => {
                        let raised = self.type_error(format!("'{got}' object can't be awaited"));
                        if c == AwaitContext::AsyncNext as u8 { self.invalid_next(raised, value) } else { raised }
                    }
                })
            }
        }
    }

    /// The error for what `__anext__` returned, with the error of awaiting it as its cause.
    fn invalid_next(&mut self, raised: Raised, awaitable: Value<'_>) -> Raised {
        let cause = self.take_raised(raised);
        let got = self.type_name_for_error(awaitable);
        let raised = self.type_error(format!("'async for' received an invalid object from __anext__: {got}"));
        if let Some(new) = Value::adopt(self.raised).cell_of_kind::<Exception>() {
            new.set_any(&self.heap, |e| &e.cause, Value::adopt(cause));
            new.set_any(&self.heap, |e| &e.context, Value::adopt(cause));
            new.get().suppress_context.set(true);
        }
        raised
    }

    /// `aiter(value)` of an `async for`.
    pub(super) fn get_aiter(&mut self, raw: Raw) -> Result<Invoked, Raised> {
        let value = Value::adopt(raw);
        if value.kind() == Kind::AsyncGenerator {
            return Ok(Invoked::Value(raw));
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::AIter).held();
        match self.lookup_class(class, name).map(|v| v.raw()) {
            Some(method) if !method.same(Raw::NONE) => {
                let start = self.fiber.top;
                let outcome = self.call_unbound(method, raw, &[], Then::Continue(check_aiter))?;
                self.carry_out(outcome, start)
            }
            _ => {
                let got = self.type_name_for_error(value);
                Err(self
                    .type_error(format!("'async for' requires an object with __aiter__ method, got {got}")))
            }
        }
    }

    /// Calls `__anext__` of an asynchronous iterator.
    pub(super) fn call_anext(&mut self, raw: Raw) -> Result<Invoked, Raised> {
        let value = Value::adopt(raw);
        if value.kind() == Kind::AsyncGenerator {
            let step = self.async_step(raw, StepMode::Send, Raw::NONE, false)?;
            return Ok(Invoked::Value(step));
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::ANext).held();
        match self.lookup_class(class, name).map(|v| v.raw()) {
            Some(method) if !method.same(Raw::NONE) => {
                let start = self.fiber.top;
                let outcome = self.call_unbound(method, raw, &[], Then::Return)?;
                self.carry_out(outcome, start)
            }
            _ => {
                let got = self.type_name_for_error(value);
                Err(self
                    .type_error(format!("'async for' requires an iterator with __anext__ method, got {got}")))
            }
        }
    }

    /// What `asend`, `athrow` and `aclose` return. `seen`: the script gets it, so it is told if it never awaits it.
    pub fn async_step(&mut self, generator: Raw, mode: StepMode, argument: Raw, seen: bool) -> Result<Raw, Raised> {
        let generator = any_generator(Value::adopt(generator)).expect("an asynchronous generator").held();
        self.first_iteration(generator)?;
        let step = self.heap.alloc(AsyncGeneratorStep {
            generator: Ref::new(generator),
            argument: Slot::new(Value::adopt(argument)),
            mode,
            state: StdCell::new(GeneratorState::Created),
        });
        if seen {
            self.heap.finalisable(step.value());
        }
        let raw = step.value().raw();
        if mode != StepMode::Send
            && let Some((_, class)) = self.types.named.iter().find(|(name, _)| *name == "async_generator_athrow")
            && let Some(class) = Value::adopt(*class).exact::<Class>()
            && let Some(step) = Value::adopt(raw).exact::<AsyncGeneratorStep>()
        {
            step.set_shape(class.get().root_shape.get());
        }
        Ok(raw)
    }

    // ---- driving ----

    /// Drives an awaitable or iterator that is no frame of the language a step further: what it returns is its result; it suspends with
    /// what it yields. `awaitable` is the first register of the window, what was sent or thrown the second.
    pub fn drive(&mut self, awaitable: Root, resumed: Resumed) -> NativeResult {
        let value = awaitable.get(self);
        match value.kind() {
            Kind::NativeCoroutine => self.drive_native(awaitable, resumed),
            Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator => self.drive_generator(awaitable, resumed),
            Kind::AsyncGeneratorStep => self.drive_step(awaitable, resumed),
            Kind::CoroutineWrapper => {
                let wrapper = value.exact::<CoroutineWrapper>().expect("the tag says so");
                awaitable.set(self, wrapper.coroutine.get());
                self.drive_generator(awaitable, resumed)
            }
            kind => match self.coroutines.drivers[kind as usize] {
                Some(driver) if !value.is_subclassed() => driver(self, awaitable, resumed),
                _ => self.drive_object(awaitable, resumed),
            },
        }
    }

    /// The window of a native coroutine is put back in the place of the driver's, and the native goes on.
    fn drive_native(&mut self, awaitable: Root, resumed: Resumed) -> NativeResult {
        let coroutine = awaitable.get(self).exact::<NativeCoroutine>().expect("a native coroutine").held();
        let state = coroutine.get().state.get();
        let input = match resumed {
            Resumed::Returned(root) | Resumed::Yielded(root) | Resumed::Raised(root) => root.get(self).raw(),
        };
        match (state, resumed) {
            (GeneratorState::Finished, _) => {
                return Err(self.runtime_error("cannot reuse already awaited coroutine"));
            }
            (GeneratorState::Running, _) => {
                return Err(self.value_error("coroutine already executing"));
            }
            (GeneratorState::Created, Resumed::Raised(exception)) => {
                coroutine.finish(&self.heap);
                return Err(self.raise(exception));
            }
            (GeneratorState::Created, _) if !input.same(Raw::NONE) => {
                return Err(self.type_error("can't send non-None value to a just-started coroutine".into()));
            }
            _ => {}
        }
        let start = awaitable.0;
        let count = coroutine.get().len.get();
        for index in 0..count {
            let value = coroutine.saved(index as usize).map_or(Raw::UNBOUND, |v| v.raw());
            self.fiber.registers.set(start + index, value);
        }
        self.fiber.top = start + count;
        coroutine.get().state.set(GeneratorState::Running);
        let window = Args { start, count };
        if state == GeneratorState::Created {
            return (coroutine.get().def.run)(self, window);
        }
        let input = self.push_raw(input);
        let throw = matches!(resumed, Resumed::Raised(_));
        match coroutine.get().then.get() {
            Then::Return if throw => Err(self.raise(input)),
            Then::Return => Ok(input.get(self).into()),
            Then::Continue(_) if throw => Err(self.raise(input)),
            Then::Continue(next) => next(self, window, Resumed::Returned(input)),
            Then::Catch(next) if throw => next(self, window, Resumed::Raised(input)),
            Then::Catch(next) => next(self, window, Resumed::Returned(input)),
        }
    }

    /// A native suspends. Its window from `start` on is kept in its coroutine: what the frame on top awaits, or what is driven by hand.
    pub(super) fn suspend_native(&mut self, raw: Raw, then: Then, start: u32) -> Result<Invoked, Raised> {
        let record = *self.fiber.records.last().expect("whoever awaits");
        let coroutine = match record.kind {
            RecordKind::InPlace { generator, .. } if record.deliver == Deliver::Delegate => {
                generator.get().awaiting.get::<NativeCoroutine>().map(|n| n.held())
            }
            RecordKind::Native { .. } if record.flags & DRIVES != 0 => {
                self.fiber.registers.get(record.base).exact::<NativeCoroutine>().map(|n| n.held())
            }
            _ => None,
        };
        match (coroutine, then) {
            (Some(coroutine), then) => {
                let registers = &self.fiber.registers;
                let len = self.fiber.top - start;
                coroutine.save(&self.heap, len, then, |i| registers.get(start + i).raw());
            }
            (None, Then::Return) => {}
            (None, _) => return Err(self.system_error("a native suspended where nothing awaits it")),
        }
        Ok(Invoked::Suspended(raw))
    }

    /// Drives an awaitable by hand: its result, or what it yields, comes as a resumed coroutine's does.
    pub(super) fn resume_other(&mut self, target: Root, input: Root, throw: bool) -> Result<Invoked, Raised> {
        let (target, input) = (target.get(self).raw(), input.get(self).raw());
        self.check_stack()?;
        let base = self.fiber.top;
        self.push_raw(target);
        self.fiber.records.push(Record {
            kind: RecordKind::Native { then: passed_on, catches: true, count: 1 },
            deliver: Deliver::Discard,
            dst: 0,
            flags: DRIVES,
            base,
            ip: std::ptr::null(),
            next: std::ptr::null(),
            target: std::ptr::null(),
            function: None,
            handled: Raw::UNBOUND,
        });
        let invoked = self.drive_awaited(target, input, throw);
        match invoked {
            Ok(Invoked::Pushed | Invoked::Raise) => return invoked,
            Ok(Invoked::Value(_)) | Err(_) => self.finish_native(base),
            Ok(Invoked::Suspended(_) | Invoked::Yielded(_)) => {}
        }
        self.fiber.records.pop();
        self.fiber.top = base;
        match invoked {
            Ok(Invoked::Suspended(raw)) => Ok(Invoked::Yielded(raw)),
            other => other,
        }
    }

    /// If a native coroutine is in the register, it has ended.
    fn finish_native(&mut self, register: u32) {
        if let Some(coroutine) = self.fiber.registers.get(register).exact::<NativeCoroutine>() {
            // One that was running elsewhere, or ended before, is left as it is.
            if coroutine.state.get() == GeneratorState::Running {
                coroutine.finish(&self.heap);
            }
        }
    }

    /// A generator that is not linked to whoever iterates it.
    fn drive_generator(&mut self, awaitable: Root, resumed: Resumed) -> NativeResult {
        match resumed {
            Resumed::Raised(exception) if self.is_exception(exception.get(self), Exc::GeneratorExit) => {
                let exit = self.new_exception(Exc::GeneratorExit, &[]).value().raw();
                let input = self.push_raw(exit);
                Ok(Outcome::Resume { target: awaitable, input, throw: true, then: Then::Catch(closed_first) })
            }
            Resumed::Raised(input) => {
                Ok(Outcome::Resume { target: awaitable, input, throw: true, then: Then::Catch(stepped) })
            }
            Resumed::Returned(input) | Resumed::Yielded(input) => {
                Ok(Outcome::Resume { target: awaitable, input, throw: false, then: Then::Catch(stepped) })
            }
        }
    }

    /// Any object with `__next__`, and `send`, `throw` and `close` where they are needed.
    fn drive_object(&mut self, awaitable: Root, resumed: Resumed) -> NativeResult {
        let raw = awaitable.get(self).raw();
        match resumed {
            Resumed::Returned(input) | Resumed::Yielded(input) if input.get(self).is_none() => {
                if let Some(item) = self.next_direct(raw)? {
                    if item.is_unbound() {
                        return Ok(Outcome::NONE);
                    }
                    let value = self.push_raw(item);
                    return Ok(Outcome::Suspend { value, then: Then::Return });
                }
                let class = self.class_of(Value::adopt(raw)).held();
                let name = self.name(Name::Next).held();
                match self.lookup_class(class, name).map(|v| v.raw()) {
                    Some(method) if !method.same(Raw::NONE) => {
                        self.call_unbound(method, raw, &[], Then::Catch(stepped))
                    }
                    _ => {
                        let got = self.type_name_for_error(Value::adopt(raw));
                        Err(self.type_error(format!("'{got}' object is not an iterator")))
                    }
                }
            }
            Resumed::Returned(input) | Resumed::Yielded(input) => {
                let callee = self.attribute(awaitable, "send")?;
                self.call_with(callee, &[input], Then::Catch(stepped))
            }
            Resumed::Raised(exception) if self.is_exception(exception.get(self), Exc::GeneratorExit) => {
                match self.find_attribute(awaitable, "close")? {
                    Some(callee) => self.call_with(callee, &[], Then::Continue(closed_object)),
                    None => Err(self.raise(exception)),
                }
            }
            Resumed::Raised(exception) => match self.find_attribute(awaitable, "throw")? {
                Some(callee) => self.call_with(callee, &[exception], Then::Catch(stepped)),
                None => Err(self.raise(exception)),
            },
        }
    }

    /// Asks for a call.
    fn call_with(&mut self, callee: Root, args: &[Root], then: Then) -> NativeResult {
        let raw = callee.get(self).raw();
        let callee = self.push_raw(raw);
        for arg in args {
            let raw = arg.get(self).raw();
            self.push_raw(raw);
        }
        Ok(Outcome::Call { callee, argc: args.len() as u32, keywords: None, then })
    }

    /// A step of an asynchronous generator.
    fn drive_step(&mut self, awaitable: Root, resumed: Resumed) -> NativeResult {
        let step = awaitable.get(self).exact::<AsyncGeneratorStep>().expect("a step").held();
        let generator = step.get().generator.get().expect("a step has a generator").held();
        let name = match step.mode {
            StepMode::Send => "anext",
            StepMode::Throw => "athrow",
            StepMode::Close => "aclose",
        };
        let ended = generator.get().state.get() == GeneratorState::Finished;
        let mut resumed = resumed;
        match step.state.get() {
            GeneratorState::Finished => {
                let what = if step.mode == StepMode::Send { "__anext__()/asend()" } else { "aclose()/athrow()" };
                return Err(self.runtime_error(format!("cannot reuse already awaited {what}")));
            }
            GeneratorState::Created => {
                let throws = matches!(resumed, Resumed::Raised(_));
                if step.mode != StepMode::Send && ended && !throws {
                    step.get().state.set(GeneratorState::Finished);
                    return Ok(Outcome::NONE);
                }
                if generator.has(BUSY) {
                    step.get().state.set(GeneratorState::Finished);
                    return Err(
                        self.runtime_error(format!("{name}(): asynchronous generator is already running"))
                    );
                }
                if step.mode != StepMode::Send && !throws {
                    if generator.has(CLOSED) {
                        step.get().state.set(GeneratorState::Finished);
                        return Err(self.raise_new(Exc::StopAsyncIteration, &[]));
                    }
                    if let Resumed::Returned(input) = resumed
                        && !input.get(self).is_none()
                    {
                        return Err(self.runtime_error("can't send non-None value to a just-started coroutine"));
                    }
                }
                step.get().state.set(GeneratorState::Suspended);
                generator.set_flag(BUSY, true);
                if !throws {
                    resumed = match step.mode {
                        StepMode::Send => match resumed {
                            Resumed::Returned(input) if input.get(self).is_none() => {
                                let argument = step.get().argument.get().raw();
                                Resumed::Returned(self.push_raw(argument))
                            }
                            other => other,
                        },
                        StepMode::Throw => {
                            let argument = step.get().argument.get().raw();
                            Resumed::Raised(self.push_raw(argument))
                        }
                        StepMode::Close => {
                            generator.set_flag(CLOSED, true);
                            let exit = self.new_exception(Exc::GeneratorExit, &[]).value().raw();
                            Resumed::Raised(self.push_raw(exit))
                        }
                    };
                }
            }
            GeneratorState::Suspended | GeneratorState::Running => {}
        }
        let target = self.push_raw(generator.value().raw());
        let (input, throw) = match resumed {
            Resumed::Raised(input) => (input, true),
            Resumed::Returned(input) | Resumed::Yielded(input) => (input, false),
        };
        Ok(Outcome::Resume { target, input, throw, then: Then::Catch(async_stepped) })
    }

    /// Resumes a coroutine or generator and waits, nested, until it suspends (`Yielded`) or returns.
    pub fn step(&mut self, coroutine: Root, input: Root, throw: bool) -> Result<Resumed, Raised> {
        self.check_stack()?;
        let (window, top) = (self.fiber.window, self.fiber.top);
        self.push_exit(top);
        let invoked = self.resume(coroutine, input, throw);
        let result = match invoked {
            Ok(Invoked::Yielded(raw)) => {
                self.fiber.records.pop();
                self.coroutines.yielded = true;
                Ok(raw)
            }
            other => {
                self.coroutines.yielded = false;
                self.finish_nested(other)
            }
        };
        (self.fiber.window, self.fiber.top) = (window, top);
        let raw = result?;
        let root = self.push_raw(raw);
        Ok(if self.coroutines.yielded { Resumed::Yielded(root) } else { Resumed::Returned(root) })
    }

    /// `close()` of a generator or coroutine.
    pub fn close_outcome(&mut self, generator: Root) -> NativeResult {
        let value = generator.get(self);
        let state = match any_generator(value) {
            Some(generator) => Some(generator.state.get()),
            None => value.exact::<NativeCoroutine>().map(|n| n.state.get()),
        };
        match state {
            Some(GeneratorState::Created) => {
                match any_generator(value) {
                    Some(generator) => {
                        generator.state.set(GeneratorState::Finished);
                        generator.held().set_flag(CLOSED, true);
                    }
                    None => {
                        if let Some(native) = value.exact::<NativeCoroutine>() {
                            native.finish(&self.heap);
                        }
                    }
                }
                Ok(Outcome::NONE)
            }
            Some(GeneratorState::Finished) => Ok(Outcome::NONE),
            _ => {
                let exit = self.new_exception(Exc::GeneratorExit, &[]).value().raw();
                let input = self.push_raw(exit);
                Ok(Outcome::Resume { target: generator, input, throw: true, then: Then::Catch(closed) })
            }
        }
    }

    /// The exception that `throw(kind, value, traceback)` means.
    pub fn thrown(&mut self, kind: Root, value: Option<Root>, traceback: Option<Root>) -> Result<Root, Raised> {
        if value.is_some() || traceback.is_some() {
            let text = "the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead.";
            self.warn_deprecated_here(text)?;
        }
        let traceback = traceback.filter(|t| !t.get(self).is_none());
        if let Some(traceback) = traceback
            && traceback.get(self).kind() != Kind::Traceback
        {
            return Err(self.type_error("throw() third argument must be a traceback object".into()));
        }
        let value = value.filter(|v| !v.get(self).is_none());
        let base = self.exception_class(Exc::BaseException).held();
        let class = kind.get(self).exact::<Class>().filter(|c| c.is_subclass(base)).map(|c| c.held());
        let exception = if kind.get(self).kind() == Kind::Exception {
            if value.is_some() {
                return Err(self.type_error("instance exception may not have a separate value".into()));
            }
            kind
        } else if let Some(class) = class {
            match value {
                Some(value)
                    if value.get(self).kind() == Kind::Exception
                        && self.class_of(value.get(self)).is_subclass(class) =>
                {
                    value
                }
                Some(value) => {
                    let args: Vec<Raw> = match value.get(self).exact::<super::Tuple>() {
                        Some(tuple) => tuple.items().map(|v| v.raw()).collect(),
                        None => vec![value.get(self).raw()],
                    };
                    let args: Vec<Root> = args.into_iter().map(|raw| self.push_raw(raw)).collect();
                    self.call(kind, &args)?
                }
                None => {
                    let raw = kind.get(self).raw();
                    self.exception_value(raw, "exceptions must derive from BaseException")?
                }
            }
        } else {
            let got = self.type_name_for_error(kind.get(self));
            return Err(self.type_error(format!(
                "exceptions must be classes or instances deriving from BaseException, not {got}"
            )));
        };
        if let (Some(traceback), Some(cell)) = (traceback, exception.get(self).cell_of_kind::<Exception>()) {
            cell.set_ref(&self.heap, |e| &e.traceback, traceback.get(self).exact::<crate::object::Traceback>());
        }
        Ok(exception)
    }

    /// A DeprecationWarning for the running line: shown by default where that is in `__main__`.
    fn warn_deprecated_here(&mut self, text: &str) -> Result<(), Raised> {
        if self.find_module("warnings").is_some() {
            return self.warn(Exc::DeprecationWarning, text);
        }
        let name = self.name(Name::Name).held();
        let function = self.fiber.records.iter().rev().find_map(|record| record.function);
        let in_main = function
            .and_then(|f| f.globals().get_str(&self.heap, name))
            .and_then(|v| v.exact::<Str>())
            .is_some_and(|s| s.as_bytes() == b"__main__");
        if in_main {
            self.show_warning(Exc::DeprecationWarning, text, "");
        }
        Ok(())
    }

    /// `anext(iterator, default)`: awaits what `__anext__` returned; StopAsyncIteration gives the default.
    pub fn next_or_default(&mut self, awaitable: Root, default: Root) -> Root {
        let start = self.fiber.top;
        for root in [awaitable, default] {
            let raw = root.get(self).raw();
            self.push_raw(raw);
        }
        let raw = self.make_native_coroutine(&NEXT_OR_DEFAULT, Args { start, count: 2 });
        self.release(start);
        self.push_raw(raw)
    }

    /// The frame object of a generator or coroutine; None if it has ended or is native.
    pub fn generator_frame(&mut self, generator: Root) -> Raw {
        let Some(cell) = any_generator(generator.get(self)).map(|g| g.held()) else { return Raw::NONE };
        if cell.get().state.get() == GeneratorState::Finished {
            return Raw::NONE;
        }
        if let Some(frame) = cell.get().frame.get() {
            return frame.value().raw();
        }
        let runs = |record: &Record| matches!(record.kind, RecordKind::InPlace { generator, .. } if generator == cell);
        if let Some(at) = self.fiber.records.iter().rposition(runs) {
            return self.frame_object(at);
        }
        let frame = self.heap.alloc(crate::object::Frame {
            function: Ref::from_option(cell.get().function.get()),
            back: crate::heap::AnyRef::none(),
            record: StdCell::new(u32::MAX),
            fiber: StdCell::new(0),
            generator: crate::heap::AnyRef::new(cell.value()),
            word: StdCell::new(cell.get().word.get()),
            locals: Ref::none(),
            names: crate::heap::AnyRef::none(),
        });
        cell.set_ref(&self.heap, |g| &g.frame, Some(frame));
        frame.value().raw()
    }

    // ---- what was never awaited, and finalisers ----

    /// The name a coroutine or generator shows.
    pub fn coroutine_name(&self, value: Value<'_>) -> String {
        if let Some(native) = value.exact::<NativeCoroutine>() {
            let name = native.def.name;
            let class = match native.def.kind {
                NativeKind::Method => native.saved(0).map(|this| self.class_of(this).name().to_str_lossy().into_owned()),
                _ => None,
            };
            return class.map_or_else(|| name.to_owned(), |class| format!("{class}.{name}"));
        }
        let Some(generator) = any_generator(value) else { return String::new() };
        let key = self.name(Name::Qualname);
        let details = generator.details.get::<super::Dict>();
        if let Some(name) = details.and_then(|d| d.get_str(&self.heap, key)).and_then(|v| v.exact::<Str>()) {
            return name.to_str_lossy().into_owned();
        }
        generator.function.get().map_or(String::new(), |function| self.function_label(function.held()))
    }

    /// An expression statement drops a coroutine that was not begun. If nothing else refers to it, that is reported at once.
    pub(super) fn discard_coroutine(&mut self, raw: Raw) -> Result<(), Raised> {
        let value = Value::adopt(raw);
        let unawaited = match any_generator(value) {
            Some(generator) => generator.state.get() == GeneratorState::Created && !generator.has(REPORTED),
            None => value.exact::<NativeCoroutine>().is_some_and(|n| n.state.get() == GeneratorState::Created),
        };
        let record = *self.fiber.records.last().expect("the frame");
        if !unawaited || record.function.is_none() {
            return Ok(());
        }
        let code = record.code();
        let word = record.word();
        let place = (std::sync::Arc::as_ptr(&code.code).addr(), word);
        // Once for each place: a warning is shown once, and looking costs a collection.
        if !self.coroutines.discards.insert(place) {
            return Ok(());
        }
        let register = (code.get().words[word as usize].get() >> 8) as u8;
        self.set_register(&Record { dst: register, ..record }, Raw::NONE);
        self.collect(Collection::Minor);
        if self.interrupt().load(std::sync::atomic::Ordering::Relaxed) & interrupt::FINALISE != 0 {
            self.interrupt().fetch_and(!interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
            self.run_finalisers();
        }
        Ok(())
    }

    /// Runs what waits because of cells that died: finalisers, callbacks of weak references.
    pub(super) fn run_finalisers(&mut self) {
        // In order: what is added meanwhile comes after.
        self.deaths.finalise.reverse();
        self.deaths.callbacks.reverse();
        loop {
            let mark = self.mark();
            if let Some(raw) = self.deaths.callbacks.pop() {
                let reference = self.push_raw(raw);
                self.call_weak_callback(reference);
            } else if let Some(raw) = self.deaths.finalise.pop() {
                let object = self.push_raw(raw);
                self.finalise(object);
            } else {
                return;
            }
            self.release(mark);
        }
    }

    fn call_weak_callback(&mut self, reference: Root) {
        let Some(callback) = reference.get(self).exact::<WeakRef>().map(|w| w.callback().raw()) else { return };
        let callback = self.push_raw(callback);
        if let Err(raised) = self.call(callback, &[reference]) {
            self.unraisable(raised, "calling weakref callback", callback);
        }
    }

    /// Runs the finaliser of an object that died.
    fn finalise(&mut self, object: Root) {
        let value = object.get(self);
        match value.kind() {
            Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator if any_generator(value).is_some() => {
                self.finalise_generator(object);
            }
            Kind::NativeCoroutine => {
                let native = value.exact::<NativeCoroutine>().expect("the tag says so");
                match native.state.get() {
                    GeneratorState::Created if native.flags.get() & REPORTED == 0 => self.never_awaited(object),
                    GeneratorState::Suspended => self.close_dead(object, "closing coroutine"),
                    _ => {}
                }
            }
            Kind::AsyncGeneratorStep => {
                let step = value.exact::<AsyncGeneratorStep>().expect("the tag says so");
                if step.state.get() == GeneratorState::Created {
                    let method = match step.mode {
                        StepMode::Send => "asend",
                        StepMode::Throw => "athrow",
                        StepMode::Close => "aclose",
                    };
                    let name = step.generator.get().map_or(String::new(), |g| self.coroutine_name(g.value()));
                    self.warn_unawaited(&format!("coroutine method '{method}' of '{name}' was never awaited"));
                }
            }
            _ => {
                let class = self.class_of(value).held();
                let name = self.name(Name::Del).held();
                let raw = value.raw();
                let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else { return };
                let method = self.push_raw(method);
                let called = self.nested(|cx| {
                    let method = method.get(cx).raw();
                    cx.call_unbound(method, raw, &[], Then::Return)
                });
                if let Err(raised) = called {
                    self.unraisable(raised, "calling deallocator", method);
                }
            }
        }
    }

    fn finalise_generator(&mut self, object: Root) {
        let generator = any_generator(object.get(self)).expect("a generator").held();
        let kind = generator.value().kind();
        match generator.get().state.get() {
            GeneratorState::Created if kind == Kind::Coroutine && !generator.has(REPORTED) => self.never_awaited(object),
            GeneratorState::Suspended if generator.get().awaiter.is_none() => {
                let hook = self.coroutines.finalizer;
                if kind == Kind::AsyncGenerator && !hook.same(Raw::NONE) && !generator.has(CLOSED) {
                    let hook = self.push_raw(hook);
                    if let Err(raised) = self.call(hook, &[object]) {
                        self.unraisable(raised, "calling asynchronous generator's finalizer", hook);
                    }
                    return;
                }
                let what = self.generator_noun(generator);
                self.close_dead(object, &format!("closing {what}"));
            }
            _ => {}
        }
    }

    fn close_dead(&mut self, object: Root, what: &str) {
        let closed = self.nested(|cx| {
            let raw = object.get(cx).raw();
            let object = cx.push_raw(raw);
            cx.close_outcome(object)
        });
        if let Err(raised) = closed {
            self.unraisable(raised, what, object);
        }
    }

    /// Reports a coroutine that nobody awaited.
    fn never_awaited(&mut self, coroutine: Root) {
        let value = coroutine.get(self);
        match any_generator(value) {
            Some(generator) => generator.held().set_flag(REPORTED, true),
            None => {
                if let Some(native) = value.exact::<NativeCoroutine>() {
                    native.flags.set(native.flags.get() | REPORTED);
                }
            }
        }
        let name = self.coroutine_name(coroutine.get(self));
        self.warn_unawaited(&format!("coroutine '{name}' was never awaited"));
    }

    fn warn_unawaited(&mut self, text: &str) {
        if self.find_module("warnings").is_some() {
            let mark = self.mark();
            if let Err(raised) = self.warn(Exc::RuntimeWarning, text) {
                let nothing = self.push_raw(Raw::NONE);
                self.unraisable(raised, "warning of", nothing);
            }
            self.release(mark);
            return;
        }
        let hint = "RuntimeWarning: Enable tracemalloc to get the object allocation traceback\n";
        self.show_warning(Exc::RuntimeWarning, text, hint);
    }

    /// Writes a warning as `warnings` would by default, once for each place and text.
    pub fn show_warning(&mut self, class: Exc, text: &str, after: &str) {
        let frame = self.fiber.records.iter().rev().find(|record| record.function.is_some()).map(|record| {
            let code = record.code();
            let line = code.code.position(record.word()).map_or(code.code.first_line, |p| p.line);
            (code.code.filename.to_string(), line)
        });
        let (file, line) = frame.unwrap_or_else(|| ("sys".to_owned(), 1));
        if !self.coroutines.warned.insert((file.clone(), line, text.to_owned())) {
            return;
        }
        let source = self.source_line(&file, line).map_or(String::new(), |source| format!("  {source}\n"));
        let message = format!("{file}:{line}: {}: {text}\n{source}{after}", class.name());
        self.write_error(&message);
    }

    /// A line of a source file, without the white space around it.
    fn source_line(&self, file: &str, line: u32) -> Option<String> {
        let bytes = self.host().read_file(file).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().nth(line.checked_sub(1)? as usize)?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    fn write_error(&mut self, text: &str) {
        // Where standard error is closed there is nobody to tell.
        let _ = self.host_mut().write(StdStream::Err, text.as_bytes());
        let _ = self.host_mut().flush(StdStream::Err);
    }

    /// Reports an exception that has nowhere to go, raised while doing something with an object.
    pub fn unraisable(&mut self, raised: Raised, what: &str, object: Root) {
        let exception = self.take_raised(raised);
        let mark = self.mark();
        let exception = self.push_raw(exception);
        let mut text = match self.repr_text(object) {
            Ok(repr) => format!("Exception ignored while {what} {repr}:\n"),
            Err(raised) => {
                self.take_raised(raised);
                format!("Exception ignored while {what}:\n")
            }
        };
        text.push_str(&self.plain_traceback(exception));
        let class = self.class_of(exception.get(self)).name().to_str_lossy().into_owned();
        text.push_str(&class);
        match self.str_text(exception) {
            Ok(message) if message.is_empty() => {}
            Ok(message) => text.push_str(&format!(": {message}")),
            Err(raised) => {
                self.take_raised(raised);
                text.push_str(": <exception str() failed>");
            }
        }
        text.push('\n');
        self.write_error(&text);
        self.release(mark);
    }

    /// The entries of an exception's traceback, without marks below the lines.
    fn plain_traceback(&self, exception: Root) -> String {
        let Some(exception) = exception.get(self).cell_of_kind::<Exception>() else { return String::new() };
        let mut text = String::new();
        let mut at = exception.get().traceback.get();
        while let Some(entry) = at {
            if text.is_empty() {
                text.push_str("Traceback (most recent call last):\n");
            }
            if let Some(function) = entry.get().function.get() {
                let code = function.code();
                let line = code.code.position(entry.get().word).map_or(code.code.first_line, |p| p.line);
                text.push_str(&format!("  File \"{}\", line {line}, in {}\n", code.code.filename, code.code.qualname));
                if let Some(source) = self.source_line(&code.code.filename, line) {
                    text.push_str(&format!("    {source}\n"));
                }
            }
            at = entry.get().next.get();
        }
        text
    }

    /// For natives that waited for the system and were interrupted: raises what signals that came in ask for.
    pub fn check_signals(&mut self) -> Result<(), Raised> {
        if self.take_interrupt(crate::heap::interrupt::SIGNAL) { self.handle_signals() } else { Ok(()) }
    }

    /// Raises what signals that came in ask for.
    pub(super) fn handle_signals(&mut self) -> Result<(), Raised> {
        const SIGINT: i32 = 2;
        let mut signals = std::mem::take(&mut self.pending_signals);
        signals.extend(self.host.take_signals());
        if signals.contains(&SIGINT) { Err(self.raise_new(Exc::KeyboardInterrupt, &[])) } else { Ok(()) }
    }
}

/// The record of an awaitable driven by hand: what it gives goes on to whoever drives it.
fn passed_on(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(value) => return Ok(Outcome::Suspend { value, then: Then::Return }),
        Resumed::Returned(_) | Resumed::Raised(_) => cx.finish_native(window.start),
    }
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

/// What a step of an iterator gave: an item is yielded, StopIteration carries the result.
fn stepped(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(value) => Ok(Outcome::Suspend { value, then: Then::Return }),
        Resumed::Returned(value) if any_generator(window.get(cx, 0)).is_some() => Ok(value.get(cx).into()),
        Resumed::Returned(value) if is_native_awaitable(window.get(cx, 0)) => Ok(value.get(cx).into()),
        Resumed::Returned(value) => Ok(Outcome::Suspend { value, then: Then::Return }),
        Resumed::Raised(exception) => match cx.stop_value(exception) {
            Some(value) => Ok(Outcome::Value(value)),
            None => Err(cx.rethrow(exception)),
        },
    }
}

fn is_native_awaitable(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::NativeCoroutine | Kind::AsyncGeneratorStep)
}

/// A generator was told to close before the GeneratorExit in the window's second register is raised in whoever awaits it.
fn closed_first(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(_) => Err(ignored_exit(cx, window.root(0))),
        Resumed::Returned(value) => {
            let is_async = window.get(cx, 0).kind() == Kind::AsyncGenerator;
            if is_async && !value.get(cx).is_unbound() {
                return Err(ignored_exit(cx, window.root(0)));
            }
            Err(cx.raise(window.root(1)))
        }
        Resumed::Raised(exception) => {
            let expected = [Exc::GeneratorExit, Exc::StopIteration];
            if expected.iter().any(|class| cx.is_exception(exception.get(cx), *class)) {
                return Err(cx.raise(window.root(1)));
            }
            Err(cx.rethrow(exception))
        }
    }
}

/// `close` of an object returned: the GeneratorExit in the window's second register is raised in whoever awaits it.
fn closed_object(cx: &mut Vm, window: Args, _: Resumed) -> NativeResult {
    Err(cx.raise(window.root(1)))
}

fn ignored_exit(cx: &mut Vm, generator: Root) -> Raised {
    let what = match any_generator(generator.get(cx)).map(|g| g.held()) {
        Some(generator) => cx.generator_noun(generator),
        None => "coroutine",
    };
    cx.runtime_error(format!("{what} ignored GeneratorExit"))
}

/// The end of `close()`.
fn closed(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(_) => Err(ignored_exit(cx, window.root(0))),
        Resumed::Returned(value) if value.get(cx).is_unbound() => Ok(Outcome::NONE),
        Resumed::Returned(_) if window.get(cx, 0).kind() == Kind::AsyncGenerator => {
            Err(ignored_exit(cx, window.root(0)))
        }
        Resumed::Returned(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) => {
            if let Some(value) = cx.stop_value(exception) {
                return Ok(Outcome::Value(value));
            }
            let expected = [Exc::GeneratorExit, Exc::StopAsyncIteration];
            if expected.iter().any(|class| cx.is_exception(exception.get(cx), *class)) {
                return Ok(Outcome::NONE);
            }
            Err(cx.rethrow(exception))
        }
    }
}

/// An asynchronous generator yielded (`Returned`), ended (UNBOUND), raised, or awaits something.
fn async_stepped(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Some(step) = window.get(cx, 0).exact::<AsyncGeneratorStep>().map(|s| s.held()) else {
        return Err(cx.system_error("a step without its object"));
    };
    let generator = step.get().generator.get().expect("a step has a generator").held();
    if let Resumed::Yielded(value) = resumed {
        return Ok(Outcome::Suspend { value, then: Then::Return });
    }
    generator.set_flag(BUSY, false);
    step.get().state.set(GeneratorState::Finished);
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => {
            let ended = value.get(cx).is_unbound();
            if ended {
                generator.set_flag(CLOSED, true);
            }
            match step.mode {
                StepMode::Close if ended => Ok(Outcome::NONE),
                StepMode::Close => Err(cx.runtime_error("async generator ignored GeneratorExit")),
                _ if ended => Err(cx.raise_new(Exc::StopAsyncIteration, &[])),
                _ => Ok(value.get(cx).into()),
            }
        }
        Resumed::Raised(exception) => {
            let ends = [Exc::StopAsyncIteration, Exc::GeneratorExit];
            if ends.iter().any(|class| cx.is_exception(exception.get(cx), *class)) {
                generator.set_flag(CLOSED, true);
                if step.mode == StepMode::Close {
                    return Ok(Outcome::NONE);
                }
            }
            Err(cx.rethrow(exception))
        }
    }
}

/// The result of `__await__` must be an iterator, and no coroutine.
fn check_awaitable(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(value) | Resumed::Yielded(value) | Resumed::Raised(value)) = resumed;
    let raw = value.get(cx).raw();
    let iterator = Value::adopt(raw);
    let coroutine = matches!(iterator.kind(), Kind::Coroutine | Kind::NativeCoroutine)
        || any_generator(iterator).is_some_and(|g| g.has(ITERABLE_COROUTINE));
    if coroutine {
        return Err(cx.type_error("__await__() returned a coroutine".into()));
    }
    let driven = cx.coroutines.drivers[iterator.kind() as usize].is_some();
    if driven || cx.is_iterator(iterator) {
        return Ok(Outcome::Value(raw));
    }
    let got = cx.type_name_for_error(iterator);
    Err(cx.type_error(format!("__await__() returned non-iterator of type '{got}'")))
}

/// As `check_awaitable`, for what `__anext__` returned, which is first in the window.
fn check_next_awaitable(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let checked = match resumed {
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
        other => check_awaitable(cx, window, other),
    };
    checked.map_err(|raised| {
        let awaitable = window.get(cx, 0).raw();
        cx.invalid_next(raised, Value::adopt(awaitable))
    })
}

/// The result of `__aiter__` must have `__anext__`.
fn check_aiter(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(value) | Resumed::Yielded(value) | Resumed::Raised(value)) = resumed;
    let raw = value.get(cx).raw();
    let aiter = Value::adopt(raw);
    if aiter.kind() == Kind::AsyncGenerator || cx.has_method(aiter, Name::ANext) {
        return Ok(Outcome::Value(raw));
    }
    let got = cx.type_name_for_error(aiter);
    Err(cx.type_error(format!("'async for' received an object from __aiter__ that does not implement __anext__: {got}")))
}

static NEXT_OR_DEFAULT: NativeDef = NativeDef {
    name: "anext",
    doc: &[],
    kind: NativeKind::Function,
    params: &[],
    suspends: true,
    run: next_or_default,
};

/// Window: what `__anext__` returned, the default.
fn next_or_default(cx: &mut Vm, window: Args) -> NativeResult {
    let raw = window.get(cx, 0).raw();
    let iterator = cx.nested(|cx| cx.awaitable_outcome(raw, AwaitContext::Await as u8))?;
    window.root(0).set(cx, Value::adopt(iterator));
    let input = cx.push_raw(Raw::NONE);
    Ok(Outcome::Resume { target: window.root(0), input, throw: false, then: Then::Catch(next_or_default_stepped) })
}

fn next_or_default_stepped(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(value) => {
            let raw = value.get(cx).raw();
            cx.trim(window, 2);
            let value = cx.push_raw(raw);
            Ok(Outcome::Suspend { value, then: Then::Catch(next_or_default_resumed) })
        }
        Resumed::Returned(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) if cx.is_exception(exception.get(cx), Exc::StopAsyncIteration) => {
            Ok(window.get(cx, 1).into())
        }
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

fn next_or_default_resumed(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let (input, throw) = match resumed {
        Resumed::Raised(input) => (input, true),
        Resumed::Returned(input) | Resumed::Yielded(input) => (input, false),
    };
    let raw = input.get(cx).raw();
    cx.trim(window, 2);
    let input = cx.push_raw(raw);
    Ok(Outcome::Resume { target: window.root(0), input, throw, then: Then::Catch(next_or_default_stepped) })
}
