//! Driving what is awaited or delegated to and is no frame of the language: native coroutines, steps of asynchronous generators, objects of
//! natives above (futures), and anything with `__next__`, `send`, `throw` and `close`.
//!
//! A driver does one step: it returns the awaitable's result, or suspends with what it yields. State between steps is in the awaitable.

use crate::bytecode::op::AwaitContext;
use crate::heap::{Gc, Kind, Raw, Ref, Value};
use crate::object::{
    AsyncGeneratorStep, BUSY, CLOSED, Class, ClassFlags, CoroutineWrapper, Exc, Exception, Generator, GeneratorState,
    StepMode, Str, Tuple, any_generator,
};

use super::call::Invoked;
use super::coroutine::NativeCoroutine;
use super::frame::{Deliver, Held, Record, RecordKind};
use super::native::{Args, NativeDef, NativeFunction, NativeKind, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::{Name, Vm};

/// In the flags of a native's record: its window is an awaitable that is driven by hand, not by a frame.
const DRIVES: u8 = 8;

impl Vm {
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
            Then::Return | Then::Nothing if throw => Err(self.raise(input)),
            Then::Return => Ok(input.get(self).into()),
            Then::Nothing => Ok(Outcome::NONE),
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
                let awaited = generator.get().awaiting.value();
                if let Some(native) = awaited.exact::<NativeFunction>().map(|n| n.held()) {
                    // It was called in place: only now a coroutine is needed, unless nothing is kept.
                    if !matches!(then, Then::Nothing) {
                        let coroutine = self.suspended_native(native.get().def, start, then);
                        generator.set_any(&self.heap, |g| &g.awaiting, coroutine.value());
                    }
                    return Ok(Invoked::Suspended(raw));
                }
                awaited.exact::<NativeCoroutine>().map(|n| n.held())
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
            (None, Then::Return | Then::Nothing) => {}
            (None, _) => return Err(self.system_error("a native suspended where nothing awaits it")),
        }
        Ok(Invoked::Suspended(raw))
    }

    /// `await f(...)` of a native that can suspend, with its arguments bound: it runs at once, for the frame on top, which stands at a
    /// `Delegate`. While it suspends the frame awaits the native itself, or a coroutine made for what the native keeps.
    pub(super) fn await_native(&mut self, native: Held<NativeFunction>, args: Args) -> Result<Invoked, Raised> {
        // What was in the window are these arguments, behind a register for the callee.
        debug_assert!(self.window_is_kept() || args.start <= self.fiber.window + 1);
        let window = std::mem::replace(&mut self.fiber.window, args.start);
        self.fiber.top = args.start + args.count;
        let outcome = (native.get().def.run)(self, args);
        self.fiber.window = window;
        let outcome = match outcome? {
            Outcome::Value(raw) => return Ok(Invoked::Value(raw)),
            other => other,
        };
        let RecordKind::InPlace { generator, .. } = self.fiber.records.last().expect("the frame").kind else {
            return Err(self.system_error("a frame that cannot be suspended awaits"));
        };
        generator.set_any(&self.heap, |g| &g.awaiting, native.value());
        let invoked = self.carry_out(outcome, args.start);
        if let Ok(Invoked::Value(_)) = invoked {
            let record = *self.fiber.records.last().expect("the frame");
            self.end_delegation(&record);
        }
        invoked
    }

    /// The coroutine of a native that was called in place and has suspended, with what it keeps from `start` on.
    fn suspended_native(&mut self, def: &'static NativeDef, start: u32, then: Then) -> Held<NativeCoroutine> {
        let registers = &self.fiber.registers;
        let len = self.fiber.top - start;
        let room = u16::try_from(len).unwrap_or(u16::MAX);
        let coroutine = NativeCoroutine::alloc(&self.heap, def, room);
        coroutine.save(&self.heap, len, then, |i| registers.get(start + i).raw());
        coroutine.held()
    }

    /// What a generator awaits, as scripts see it.
    pub fn awaited(&mut self, generator: Root) -> Raw {
        let Some(cell) = any_generator(generator.get(self)).map(|g| g.held()) else { return Raw::NONE };
        let awaited = cell.get().awaiting.value().raw();
        let Some(native) = Value::adopt(awaited).exact::<NativeFunction>() else { return awaited };
        if cell.get().state.get() != GeneratorState::Suspended {
            return Raw::NONE;
        }
        // Nobody has asked for the coroutine so far, and it keeps nothing.
        let coroutine = NativeCoroutine::alloc(&self.heap, native.get().def, 0);
        coroutine.save(&self.heap, 0, Then::Nothing, |_| Raw::UNBOUND);
        cell.set_any(&self.heap, |g| &g.awaiting, coroutine.value());
        coroutine.value().raw()
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
            end: base + 1,
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
                // It is made by whoever closes the chain, whose frames do not run.
                let own = self.set_handled(Raw::UNBOUND);
                self.take_context(exit);
                self.set_handled(own);
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
                    None => Err(self.raise_thrown(exception)),
                }
            }
            Resumed::Raised(thrown) => match self.find_attribute(awaitable, "throw")? {
                Some(callee) => {
                    let given = self.given_to_throw(thrown);
                    self.call_with(callee, &given, Then::Catch(stepped))
                }
                // A StopIteration ends what is delegated to, wherever it comes from.
                None => {
                    let exception = match self.given_to_throw(thrown)[..] {
                        [kind] => self.exception_thrown(kind, None, None)?,
                        [kind, value] => self.exception_thrown(kind, Some(value), None)?,
                        [kind, value, traceback] => self.exception_thrown(kind, Some(value), Some(traceback))?,
                        _ => thrown,
                    };
                    match self.stop_value(exception) {
                        Some(value) => Ok(Outcome::Value(value)),
                        None => Err(self.raise_thrown(exception)),
                    }
                }
            },
        }
    }

    /// Raises an exception that was thrown into what the frame on top delegates to: only what that frame itself handles becomes its context.
    fn raise_thrown(&mut self, exception: Root) -> Raised {
        if !self.fiber.handled.is_unbound() {
            return self.raise(exception);
        }
        self.raised = exception.get(self).raw();
        Raised(())
    }

    /// The arguments that `throw` of what is delegated to gets: the exception, or those in a tuple (see `thrown_into`).
    fn given_to_throw(&mut self, thrown: Root) -> Vec<Root> {
        match thrown.get(self).exact::<Tuple>() {
            Some(given) => {
                let given: Vec<Raw> = given.items().map(|item| item.raw()).collect();
                given.into_iter().map(|raw| self.push_raw(raw)).collect()
            }
            None => vec![thrown],
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
                    return Err(self.runtime_error(format!("{name}(): asynchronous generator is already running")));
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
                            let given = step.get().argument.get().exact::<Tuple>().map(Gc::held);
                            let given: Vec<Root> =
                                given.iter().flat_map(|given| given.items()).map(|part| self.push(part)).collect();
                            let part = |index: usize| given.get(index).copied();
                            let kind = part(0).unwrap_or_else(|| self.push(Value::NONE));
                            match self.exception_thrown(kind, part(1), part(2)) {
                                Ok(exception) => Resumed::Raised(exception),
                                Err(raised) => {
                                    step.get().state.set(GeneratorState::Finished);
                                    generator.set_flag(BUSY, false);
                                    return Err(raised);
                                }
                            }
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
                self.take_context(exit);
                Ok(Outcome::Resume { target: generator, input, throw: true, then: Then::Catch(closed) })
            }
        }
    }

    /// What `target.throw(kind, value, traceback)` raises where it stopped: an exception, or a tuple of these arguments for an object that
    /// it delegates to, whose own `throw` is to understand them. Arguments that mean no exception end what it delegates to with that error.
    pub fn thrown_into(
        &mut self,
        target: Root,
        kind: Root,
        value: Option<Root>,
        traceback: Option<Root>,
    ) -> Result<Root, Raised> {
        let suspended = |g: &Held<Generator>| g.get().state.get() == GeneratorState::Suspended;
        let outermost = any_generator(target.get(self)).map(|g| g.held()).filter(suspended);
        let innermost = outermost.map(|root| self.innermost(root)).filter(suspended);
        let awaited = innermost.map_or(Raw::NONE, |at| at.get().awaiting.value().raw());
        let plain = kind.get(self).kind() == Kind::Exception && value.is_none() && traceback.is_none();
        let by_methods = self.is_driven_by_methods(awaited);
        let asked = by_methods && self.may_have_throw(awaited);
        if !plain && asked && !self.is_exit(kind) {
            self.warn_three_arguments("throw", value, traceback)?;
            let given = [Some(kind), value, traceback].into_iter().flatten();
            let given: Vec<Value<'_>> = given.map(|root| root.get(self)).collect();
            let given = Tuple::new(&self.heap, &given).value().raw();
            return Ok(self.push_raw(given));
        }
        let raised = match self.thrown("throw", kind, value, traceback) {
            Ok(exception) => return Ok(exception),
            Err(raised) => raised,
        };
        let (Some(outermost), Some(innermost)) = (outermost, innermost) else { return Err(raised) };
        if by_methods && !asked || Value::adopt(awaited).is_none() {
            let Some(awaiter) = innermost.get().awaiter.get::<Generator>().map(|g| g.held()) else {
                return Err(raised);
            };
            if innermost == outermost {
                return Err(raised);
            }
            self.unlink(awaiter);
            awaiter.set_any(&self.heap, |g| &g.awaiting, Value::NONE);
            outermost.set_any(&self.heap, |g| &g.innermost, Value::NONE);
        }
        Ok(self.take_exception(raised))
    }

    /// Whether an object has a method `throw`, as far as that is known without asking a script.
    fn may_have_throw(&mut self, awaited: Raw) -> bool {
        let class = self.class_of(Value::adopt(awaited)).held();
        let name = self.name(Name::Throw).held();
        class.has(ClassFlags::GETATTR) || self.lookup_class(class, name).is_some()
    }

    /// Whether a frame that awaits this drives it by calling its methods.
    fn is_driven_by_methods(&self, awaited: Raw) -> bool {
        let value = Value::adopt(awaited);
        match value.kind() {
            Kind::None
            | Kind::Native
            | Kind::NativeCoroutine
            | Kind::Generator
            | Kind::Coroutine
            | Kind::AsyncGenerator
            | Kind::AsyncGeneratorStep
            | Kind::CoroutineWrapper => false,
            kind => self.coroutines.drivers[kind as usize].is_none() || value.is_subclassed(),
        }
    }

    /// Whether the first argument of `throw` is GeneratorExit or an instance of it.
    fn is_exit(&self, kind: Root) -> bool {
        let exit = self.exception_class(Exc::GeneratorExit).held();
        let class = kind.get(self).exact::<Class>().map(|c| c.held());
        class.is_some_and(|c| c.is_subclass(exit)) || self.is_exception(kind.get(self), Exc::GeneratorExit)
    }

    /// Warns of arguments of `throw` that are deprecated.
    pub fn warn_three_arguments(
        &mut self,
        method: &str,
        value: Option<Root>,
        traceback: Option<Root>,
    ) -> Result<(), Raised> {
        if value.is_none() && traceback.is_none() {
            return Ok(());
        }
        self.warn_deprecated_here(&format!(
            "the (type, exc, tb) signature of {method}() is deprecated, use the single-arg signature instead."
        ))
    }

    /// The exception that `throw(kind, value, traceback)` means.
    pub fn thrown(
        &mut self,
        method: &str,
        kind: Root,
        value: Option<Root>,
        traceback: Option<Root>,
    ) -> Result<Root, Raised> {
        self.warn_three_arguments(method, value, traceback)?;
        self.exception_thrown(kind, value, traceback)
    }

    /// The same, about which nobody is warned.
    fn exception_thrown(&mut self, kind: Root, value: Option<Root>, traceback: Option<Root>) -> Result<Root, Raised> {
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
                    let args: Vec<Raw> = match value.get(self).exact::<Tuple>() {
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
            record: std::cell::Cell::new(u32::MAX),
            fiber: std::cell::Cell::new(0),
            asked: std::cell::Cell::new(true),
            generator: crate::heap::AnyRef::new(cell.value()),
            word: std::cell::Cell::new(cell.get().word.get()),
            locals: Ref::none(),
            names: crate::heap::AnyRef::none(),
        });
        cell.set_ref(&self.heap, |g| &g.frame, Some(frame));
        frame.value().raw()
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
            Err(cx.raise_thrown(window.root(1)))
        }
        Resumed::Raised(exception) => {
            let expected = [Exc::GeneratorExit, Exc::StopIteration];
            if expected.iter().any(|class| cx.is_exception(exception.get(cx), *class)) {
                return Err(cx.raise_thrown(window.root(1)));
            }
            // It is thrown into whoever awaits, too.
            Err(cx.raise_thrown(exception))
        }
    }
}

/// `close` of an object returned: the GeneratorExit in the window's second register is raised in whoever awaits it.
fn closed_object(cx: &mut Vm, window: Args, _: Resumed) -> NativeResult {
    Err(cx.raise_thrown(window.root(1)))
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

static NEXT_OR_DEFAULT: NativeDef = NativeDef {
    name: "anext",
    doc: &[],
    kind: NativeKind::Function,
    params: &[],
    suspends: true,
    scripted: false,
    counted: false,
    unnamed: false,
    quick: crate::vm::native::Quick::No,
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
