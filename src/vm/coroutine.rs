//! Generators, coroutines and what they await.
//!
//! A chain of awaits among functions of the language is one record: its frames are linked by `awaiter` and `awaiting`, and the record is
//! at the innermost. So suspending and resuming cost the same at any depth. What is no frame of the language is *driven*: a step at a
//! time, with what was sent or thrown, until it returns ([`Vm::drive`]).

use std::cell::Cell as StdCell;
use std::collections::HashSet;

use crate::bytecode::code::CodeFlags;
use crate::bytecode::op::AwaitContext;
use crate::heap::{Gc, Heap, Kind, Raw, Ref, Slot, Tracer, Value};
use crate::object::{
    AsyncGeneratorStep, BUSY, COROUTINES, Class, Entry, Exc, Exception, Function, Generator, GeneratorState, HOOKS,
    ITERABLE_COROUTINE, MADE, Slots, StepMode, any_generator,
};

use super::bind::parameter_register;
use super::call::Invoked;
use super::frame::{Deliver, Held, Record, RecordKind};
use super::native::{Args, NativeDef, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::unwind::Delivery;
use super::{Name, Vm};

/// Drives an awaitable of some kind a step: `resumed` is what was sent (None at first) or thrown. It returns its result, or suspends with what
/// it yields; state between steps is in the object.
pub type Driver = fn(cx: &mut Vm, awaitable: Root, resumed: Resumed) -> NativeResult;

/// What awaiting needs to know of natives, and what was reported.
pub struct Coroutines {
    pub(super) drivers: Vec<Option<Driver>>,
    /// `sys.get_asyncgen_hooks()`: what is called with an asynchronous generator when it is first iterated, and when it dies suspended.
    pub first_iteration: Raw,
    /// See `first_iteration`.
    pub finalizer: Raw,
    /// A native function that gives the next item of an iterator.
    pub(super) advance: Raw,
    /// Functions of the library that make generators of a `map` over one iterator and over two, and of a `filter`.
    pub(super) taking: [Raw; 3],
    pub(super) shapes: super::iterate::IteratorShapes,
    /// Whether what reached the last exit of the run loop was yielded.
    pub(super) yielded: bool,
    /// Seconds spent on looking whether something with a finaliser has died.
    pub(super) looked: f64,
    /// How many times finalisers are being run, each within one of the one before.
    pub(super) finalising: u32,
    /// For how many statements it was last not asked whether there is time to look.
    pub(super) pause: u32,
    /// Statements where a coroutine was dropped unawaited, by code and word.
    pub(super) discards: HashSet<(usize, u32)>,
    /// What is being let go of, in the order in which it dies. Only compared with, so nothing keeps it alive.
    pub(super) order: Vec<Raw>,
    /// Hands an exception that has nobody to go to to `sys.unraisablehook`: the exception, what it was about, and what was going on.
    pub report_unraisable: Option<UnraisableReporter>,
    /// How many calls are noted for each coroutine that is made (`cr_origin`).
    pub origin_depth: usize,
    /// Warnings shown, by place and text: each is shown once.
    pub(super) warned: HashSet<(String, u32, String)>,
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
            taking: [Raw::UNBOUND; 3],
            shapes: super::iterate::IteratorShapes::default(),
            yielded: false,
            looked: 0.0,
            finalising: 0,
            pause: 0,
            discards: HashSet::new(),
            order: vec![],
            report_unraisable: None,
            origin_depth: 0,
            warned: HashSet::new(),
        }
    }
}

impl Coroutines {
    /// Visits the values it holds.
    pub(super) fn trace(&self, tracer: &mut Tracer<'_>) {
        for raw in [self.first_iteration, self.finalizer, self.advance].into_iter().chain(self.taking) {
            tracer.raw(raw);
        }
    }
}

/// See [`Coroutines::report_unraisable`].
pub type UnraisableReporter = fn(&mut Vm, Root, Option<Root>, Option<&str>);

/// A coroutine whose body is native: the call of a native that can suspend. Suspended it holds the native's window and how to go on.
pub struct NativeCoroutine {
    /// The native.
    pub def: &'static NativeDef,
    /// What it is doing.
    pub state: StdCell<GeneratorState>,
    pub(super) then: StdCell<Then>,
    /// Registers of the saved window: arguments before it began.
    pub(super) len: StdCell<u32>,
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
const SPARE: u32 = 1;

impl NativeCoroutine {
    /// One with room for a window of `room` registers.
    pub(super) fn alloc<'h>(heap: &'h Heap, def: &'static NativeDef, room: u16) -> Gc<'h, NativeCoroutine> {
        let body = NativeCoroutine {
            def,
            state: StdCell::new(GeneratorState::Created),
            then: StdCell::new(Then::Return),
            len: StdCell::new(0),
            room,
            window: Ref::none(),
            flags: StdCell::new(0),
        };
        heap.alloc_slots(body, |_| Value::UNBOUND)
    }
}

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
        heap.not_finalisable(self.value());
        self.get().len.set(0);
        if self.get().window.get().is_some() {
            self.set_ref(heap, |n| &n.window, None);
        }
    }

    pub(super) fn save(self, heap: &Heap, len: u32, then: Then, value: impl Fn(u32) -> Raw) {
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
                _ => Slots::few(heap, len as usize * 2),
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
        if flags.contains(CodeFlags::ITERABLE_COROUTINE) {
            generator.set_flag(ITERABLE_COROUTINE, true);
        }
        let generator = generator.held();
        if self.coroutines.origin_depth > 0 && kind == Kind::Coroutine {
            self.remember_origin(generator);
        }
        generator
    }

    /// Notes where a coroutine is made.
    #[cold]
    fn remember_origin(&mut self, generator: Held<Generator>) {
        let sites = self.call_sites(self.coroutines.origin_depth);
        let rows: Vec<Raw> = sites.iter().map(|site| self.site_tuple(site, false)).collect();
        let rows: Vec<Value<'_>> = rows.into_iter().map(Value::adopt).collect();
        let origin = self.tuple(&rows).value().raw();
        let key = self.intern("cr_origin").held();
        let details = match generator.get().details.get::<crate::object::Dict>() {
            Some(details) => details.held(),
            None => {
                let details = crate::object::Dict::new(&self.heap).held();
                generator.set_any(&self.heap, |g| &g.details, details.value());
                details
            }
        };
        // Without memory for it there is no origin.
        let _ = details.set_str(self.heap.forever(), key, Value::adopt(origin));
    }

    /// Where a coroutine was made: what `remember_origin` noted, or None.
    pub(crate) fn coroutine_origin(&self, coroutine: Value<'_>) -> Raw {
        let Some(generator) = any_generator(coroutine) else { return Raw::NONE };
        let Some(details) = generator.get().details.get::<crate::object::Dict>() else { return Raw::NONE };
        let key = self.str("cr_origin");
        details.get_str(&self.heap, key).map_or(Raw::NONE, Value::raw)
    }

    /// File, line and function of a call as a tuple; with room for the text of the line, as `traceback` likes it.
    pub(crate) fn site_tuple(&self, site: &super::CallSite, with_line: bool) -> Raw {
        let file = self.str(&site.file).value().raw();
        let name = self.str(&site.name).value().raw();
        let parts = [Value::adopt(file), Value::int(i64::from(site.line)), Value::adopt(name), Value::NONE];
        self.tuple(&parts[..if with_line { 4 } else { 3 }]).value().raw()
    }

    /// The coroutine of a call of a native that can suspend.
    pub(super) fn make_native_coroutine(&mut self, def: &'static NativeDef, args: Args) -> Raw {
        let registers = &self.fiber.registers;
        // Arguments that were left out at the end leave room for what is kept besides.
        let given = (0..args.count).rev().find(|i| !registers.get(args.start + i).is_unbound()).map_or(0, |i| i + 1);
        let room = u16::try_from(args.count.max(given + SPARE)).unwrap_or(u16::MAX);
        let coroutine = NativeCoroutine::alloc(&self.heap, def, room);
        coroutine.save(&self.heap, args.count, Then::Return, |i| registers.get(args.start + i).raw());
        coroutine.get().state.set(GeneratorState::Created);
        self.heap.finalisable(coroutine.value());
        let raw = coroutine.value().raw();
        self.coroutine_made();
        raw
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
                    self.heap.not_finalisable(child.value());
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
        if code.get().awaited_simply && argc == u32::from(code.get().positional) && function.aux() == 0 {
            return self.await_simple(function, parent, root, start);
        }
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

    /// `await_call` where the arguments are as the frame wants them: all of `link` that is needed for a new coroutine.
    fn await_simple(
        &mut self,
        function: Held<Function>,
        parent: Held<Generator>,
        root: Held<Generator>,
        start: u32,
    ) -> Result<bool, Raised> {
        if self.depth() >= self.recursion_limit {
            return Err(self.recursion_error());
        }
        let code = function.code();
        let words = code.get().words.as_ptr();
        let argc = usize::from(code.get().positional);
        let registers = &self.fiber.registers;
        let child = Generator::awaited(&self.heap, function, parent, parent.depth.get() + 1, |i| {
            if i < argc { registers.get(start + i as u32) } else { Value::UNBOUND }
        });
        let child = child.held();
        parent.set_any(&self.heap, |g| &g.awaiting, child.value());
        if parent != root {
            parent.get().state.set(GeneratorState::Suspended);
        }
        let handled = std::mem::replace(&mut self.fiber.handled, Raw::UNBOUND);
        if !handled.is_unbound() || !parent.get().handled.is_none() {
            parent.set_any(&self.heap, |g| &g.handled, Value::adopt(handled));
        }
        self.fiber.extra_depth += 1;
        let record = self.fiber.records.last_mut().expect("a frame in place");
        let first = record.code().get().words.as_ptr().addr();
        parent.get().word.set(((record.ip.addr() - first) / 4) as u32);
        parent.get().next.set(((record.next.addr() - first) / 4) as u32);
        parent.get().input.set(record.dst);
        record.kind = RecordKind::InPlace { generator: child, root };
        record.function = Some(function);
        record.dst = 0;
        record.deliver = Deliver::Store;
        record.flags = 0;
        record.ip = words;
        record.next = words;
        Ok(true)
    }

    /// `return_in_place` of a coroutine that was awaited and nobody looks at; false if it is not one.
    #[inline]
    fn return_simple(&mut self, value: Raw) -> bool {
        let record = self.fiber.records.last_mut().expect("a generator returns");
        let RecordKind::InPlace { generator, root } = record.kind else { return false };
        let plain = generator != root
            && record.flags & Record::OBSERVED == 0
            && generator.value().kind() == Kind::Coroutine
            && !generator.has(MADE | COROUTINES)
            && generator.get().frame.get().is_none()
            && generator.get().awaiting.is_none()
            && generator.get().handled.is_none()
            && generator.get().innermost.is_none()
            && !self.heap.is_finalisable(generator.value());
        let Some(awaiter) = generator.get().awaiter.get::<Generator>().filter(|_| plain).map(|g| g.held()) else {
            return false;
        };
        generator.get().state.set(GeneratorState::Finished);
        generator.set_any(&self.heap, |g| &g.awaiter, Value::NONE);
        awaiter.set_any(&self.heap, |g| &g.awaiting, Value::NONE);
        awaiter.get().state.set(GeneratorState::Running);
        self.fiber.extra_depth = self.fiber.extra_depth - generator.get().depth.get() + awaiter.get().depth.get();
        let handled = awaiter.get().handled.value();
        self.fiber.handled = if handled.is_none() { Raw::UNBOUND } else { handled.raw() };
        let function = awaiter.get().function.get().expect("a generator has a function").held();
        let words = function.code().get().words.as_ptr();
        record.kind = RecordKind::InPlace { generator: awaiter, root };
        record.function = Some(function);
        record.deliver = Deliver::Store;
        record.flags = if awaiter.get().frame.get().is_some() { Record::OBSERVED } else { 0 };
        record.dst = awaiter.get().input.get();
        record.ip = words.wrapping_add(awaiter.get().word.get() as usize);
        record.next = words.wrapping_add(awaiter.get().next.get() as usize);
        awaiter.set_tail(&self.heap, usize::from(record.dst), Value::adopt(value));
        true
    }

    /// The frame on top, of a generator, returns: what awaits it goes on with the result; else it is to be delivered.
    pub(super) fn return_in_place(&mut self, value: Raw) -> Option<Delivery> {
        if self.return_simple(value) {
            return None;
        }
        let top = self.fiber.records.len() - 1;
        let record = self.fiber.records[top];
        let RecordKind::InPlace { generator, root } = record.kind else { unreachable!("a generator returns") };
        if record.flags & Record::OBSERVED != 0 || generator.get().frame.get().is_some() {
            self.detach_frame(top);
        }
        let is_async = generator.value().kind() == Kind::AsyncGenerator;
        let made = generator.has(MADE) || (!is_async && generator.has(COROUTINES));
        if made {
            (self.fiber.top, self.fiber.window) = (record.end, record.end);
            self.note_order(&record);
        }
        match self.end_in_place(generator, root) {
            Some(awaiter) => {
                self.switch_to(awaiter, root);
                if made {
                    self.frame_left(value, generator.has(MADE));
                }
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
                if made {
                    self.frame_left(value, generator.has(MADE));
                }
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
        // Nobody awaits it any more: it can die as soon as the loop over it is left.
        awaiter.set_any(&self.heap, |g| &g.awaiting, Value::NONE);
        root.set_any(&self.heap, |g| &g.innermost, Value::NONE);
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
    pub(super) fn first_iteration(&mut self, generator: Held<Generator>) -> Result<(), Raised> {
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
                    return Err(
                        self.type_error("cannot 'yield from' a coroutine object in a non-coroutine generator".into())
                    );
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
            Some(method) => {
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
            None => {
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
                Err(self.type_error(format!("'async for' requires an object with __aiter__ method, got {got}")))
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
                Err(self.type_error(format!("'async for' requires an iterator with __anext__ method, got {got}")))
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
}

/// The result of `__await__` must be an iterator, and no coroutine.
fn check_awaitable(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(value) | Resumed::Yielded(value) | Resumed::Raised(value)) = resumed;
    let raw = value.get(cx).raw();
    checked_iterator(cx, raw).map(Outcome::Value)
}

/// What `__await__` returned, if it can be driven; else TypeError.
pub(crate) fn checked_iterator(cx: &mut Vm, raw: Raw) -> Result<Raw, Raised> {
    let iterator = Value::adopt(raw);
    let coroutine = matches!(iterator.kind(), Kind::Coroutine | Kind::NativeCoroutine)
        || any_generator(iterator).is_some_and(|g| g.has(ITERABLE_COROUTINE));
    if coroutine {
        return Err(cx.type_error("__await__() returned a coroutine".into()));
    }
    let driven = cx.coroutines.drivers[iterator.kind() as usize].is_some();
    if driven || cx.is_iterator(iterator) {
        return Ok(raw);
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
    Err(cx
        .type_error(format!("'async for' received an object from __aiter__ that does not implement __anext__: {got}")))
}

// ---- for the event loop ----

impl Vm {
    /// Runs the finalisers and weak callbacks that wait, now.
    pub(crate) fn finalise_now(&mut self) {
        if self.interrupt().load(std::sync::atomic::Ordering::Relaxed) & crate::heap::interrupt::FINALISE != 0 {
            self.interrupt().fetch_and(!crate::heap::interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
            self.run_finalisers();
        }
    }

    /// The word of the instruction a suspended or running frame is at.
    pub(crate) fn generator_word(&self, generator: Held<Generator>) -> u32 {
        for record in self.fiber.records.iter().rev() {
            if let RecordKind::InPlace { generator: running, .. } = record.kind
                && running == generator
            {
                return record.word();
            }
        }
        generator.get().word.get()
    }
}
