//! What happens when something ends: results go to whoever asked (`deliver`), exceptions to the nearest handler (`unwind`),
//! suspensions to whoever resumed the chain (`suspend`).

use crate::bytecode::code::CodeFlags;
use crate::heap::{Gc, Kind, Raw, Ref, Value};
use crate::object::{
    BUSY, CLOSED, Exc, Exception, Frame, Generator, GeneratorState, MADE, Traceback, Tuple, Variable, any_generator,
    field_index,
};

use super::Vm;
use super::call::Invoked;
use super::coroutine::NativeCoroutine;
use super::frame::{Deliver, Held, Record, RecordKind};
use super::inspect::is_library_file;
use super::native::{Raised, Resumed, Root};

/// A result on its way to the record on top.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    /// Of a call that returned, or of a generator that did.
    Returned(Raw),
    /// Of a generator or coroutine that yielded and is suspended.
    Yielded(Raw),
    /// A native that the frame awaits suspends it.
    Suspended(Raw),
    /// None: the exception on its way is raised in the record on top.
    Raised,
}

impl Vm {
    /// Hands a result to the record on top, and on as long as natives make results of it. The result of the run loop if an exit is
    /// reached; None if a frame goes on.
    pub(super) fn deliver(&mut self, mut delivery: Delivery) -> Result<Option<Raw>, Raised> {
        loop {
            if let Delivery::Raised = delivery {
                return Err(Raised(()));
            }
            let top = self.fiber.records.len() - 1;
            let record = self.fiber.records[top];
            match record.kind {
                RecordKind::Exit { .. } => {
                    self.fiber.records.pop();
                    self.coroutines.yielded = matches!(delivery, Delivery::Yielded(_));
                    return match delivery {
                        Delivery::Returned(raw) | Delivery::Yielded(raw) => Ok(Some(raw)),
                        Delivery::Suspended(_) | Delivery::Raised => {
                            Err(self.system_error("a native suspended where nothing awaits it"))
                        }
                    };
                }
                RecordKind::Native { then, count, .. } => {
                    self.fiber.records.pop();
                    self.fiber.top = record.base + count;
                    let resumed = match delivery {
                        Delivery::Returned(raw) => Resumed::Returned(self.push_raw(raw)),
                        Delivery::Yielded(raw) | Delivery::Suspended(raw) => Resumed::Yielded(self.push_raw(raw)),
                        Delivery::Raised => unreachable!("seen to above"),
                    };
                    let outcome = self.run_continuation(then, record.base, count, resumed)?;
                    match self.carry_out(outcome, record.base)? {
                        Invoked::Value(raw) => delivery = Delivery::Returned(raw),
                        Invoked::Suspended(raw) => delivery = Delivery::Suspended(raw),
                        Invoked::Yielded(raw) => delivery = Delivery::Yielded(raw),
                        Invoked::Pushed => return Ok(None),
                        Invoked::Raise => return self.unwind(),
                    }
                }
                RecordKind::Plain | RecordKind::InPlace { .. } => {
                    match (record.deliver, delivery) {
                        (Deliver::Delegate, Delivery::Suspended(raw) | Delivery::Yielded(raw)) => {
                            delivery = Delivery::Yielded(self.suspend(raw));
                            continue;
                        }
                        (Deliver::Delegate | Deliver::Store, Delivery::Returned(raw)) => {
                            if record.deliver == Deliver::Delegate {
                                self.end_delegation(&record);
                            }
                            self.set_register(&record, raw);
                        }
                        (Deliver::Operated, Delivery::Returned(raw)) if !raw.same(Raw::NOT_IMPLEMENTED) => {
                            self.set_register(&record, raw);
                        }
                        (Deliver::Operated | Deliver::Iterator, Delivery::Returned(raw)) => {
                            self.take_of_method(raw)?;
                        }
                        (Deliver::JumpTrue | Deliver::JumpFalse, Delivery::Returned(raw))
                            if !raw.same(Raw::TRUE) && !raw.same(Raw::FALSE) =>
                        {
                            match self.take_of_method(raw)? {
                                Some(Invoked::Value(truth)) => {
                                    delivery = Delivery::Returned(truth);
                                    continue;
                                }
                                Some(Invoked::Raise) => return self.unwind(),
                                _ => {}
                            }
                        }
                        (Deliver::StoreNot, Delivery::Returned(raw)) => {
                            self.set_register(&record, Raw::bool(!raw.same(Raw::TRUE)));
                        }
                        (Deliver::Discard, Delivery::Returned(_)) => {}
                        (Deliver::JumpTrue, Delivery::Returned(raw)) => {
                            if raw.same(Raw::TRUE) {
                                self.fiber.records[top].next = record.target;
                            }
                        }
                        (Deliver::JumpFalse, Delivery::Returned(raw)) => {
                            if raw.same(Raw::FALSE) {
                                self.fiber.records[top].next = record.target;
                            }
                        }
                        (Deliver::Sent, Delivery::Returned(raw)) => {
                            let mark = self.mark();
                            let value = self.push_raw(raw);
                            let raised = self.stop_iteration(value);
                            self.release(mark);
                            return Err(raised);
                        }
                        (Deliver::Next | Deliver::Sent, Delivery::Yielded(raw)) => self.set_register(&record, raw),
                        (Deliver::Next, Delivery::Returned(raw)) => {
                            if raw.is_unbound() {
                                self.fiber.records[top].next = record.target;
                            } else {
                                self.set_register(&record, raw);
                            }
                        }
                        (deliver, delivery) => {
                            return Err(
                                self.system_error(&format!("{delivery:?} for a frame that waits for {deliver:?}"))
                            );
                        }
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Writes the `dst` register of a frame.
    pub(super) fn set_register(&mut self, record: &Record, raw: Raw) {
        match record.kind {
            RecordKind::InPlace { generator, .. } => {
                generator.set_tail(&self.heap, usize::from(record.dst), Value::adopt(raw));
            }
            RecordKind::Plain | RecordKind::Native { .. } | RecordKind::Exit { .. } => {
                self.fiber.registers.set(record.base + u32::from(record.dst), raw);
            }
        }
    }

    /// A register of a frame.
    pub(super) fn register_of(&self, record: &Record, register: u8) -> Raw {
        match record.kind {
            RecordKind::InPlace { generator, .. } => generator.get_tail_value(usize::from(register)).raw(),
            RecordKind::Plain | RecordKind::Native { .. } | RecordKind::Exit { .. } => {
                self.fiber.registers.get(record.base + u32::from(register)).raw()
            }
        }
    }

    /// What a frame awaited has ended.
    pub(super) fn end_delegation(&mut self, record: &Record) {
        if let RecordKind::InPlace { generator, .. } = record.kind {
            self.end_awaiting(generator);
        }
    }

    /// What a generator awaited has ended.
    fn end_awaiting(&mut self, generator: Held<Generator>) {
        if let Some(native) = generator.get().awaiting.get::<NativeCoroutine>() {
            native.finish(&self.heap);
        }
        generator.set_any(&self.heap, |g| &g.awaiting, Value::NONE);
    }

    // ---- suspension and resumption ----

    /// Takes the chain on top off the records, suspended at its innermost frame's current instruction. Returns what it yields.
    pub(super) fn suspend(&mut self, yielded: Raw) -> Raw {
        let record = self.fiber.records.pop().expect("a frame in place");
        let RecordKind::InPlace { generator, root } = record.kind else { unreachable!("only frames in place suspend") };
        self.save_position(generator, &record);
        generator.get().state.set(GeneratorState::Suspended);
        self.fiber.handled = record.handled;
        // One that stops where a handler would see it closed has to be closed when it dies.
        let code = record.code();
        if code.get().handles
            && !self.heap.is_finalisable(generator.value())
            && code.get().handled_within(generator.get().word.get())
        {
            self.heap.finalisable(generator.value());
            if generator.value().kind() == Kind::Generator {
                self.frame_made();
            }
        }
        if generator != root {
            root.set_any(&self.heap, |g| &g.innermost, generator.value());
            root.get().state.set(GeneratorState::Suspended);
        } else {
            root.set_any(&self.heap, |g| &g.innermost, Value::NONE);
        }
        self.fiber.extra_depth -= generator.get().depth.get();
        yielded
    }

    /// Notes in a generator where its frame, in the record, stands.
    pub(super) fn save_position(&mut self, generator: Held<Generator>, record: &Record) {
        let code = record.code();
        let start = code.get().words.as_ptr().addr();
        generator.get().word.set(((record.ip.addr() - start) / 4) as u32);
        generator.get().next.set(((record.next.addr() - start) / 4) as u32);
        generator.get().input.set(record.dst);
        generator.set_any(&self.heap, |g| &g.handled, Value::adopt(self.fiber.handled));
    }

    /// Resumes a generator, coroutine or asynchronous generator: pushes the record of its innermost frame. Any other awaitable is driven
    /// one step, and what it yields or returns comes as it would of a coroutine.
    pub(super) fn resume(&mut self, target: Root, input: Root, throw: bool) -> Result<Invoked, Raised> {
        let Some(root) = any_generator(target.get(self)).map(|g| g.held()) else {
            return self.resume_other(target, input, throw);
        };
        let input = input.get(self).raw();
        match root.get().state.get() {
            GeneratorState::Running => {
                let what = self.generator_noun(root);
                return Err(self.raise_text(Exc::ValueError, &format!("{what} already executing")));
            }
            GeneratorState::Finished => {
                return match root.value().kind() {
                    Kind::Coroutine => {
                        Err(self.raise_text(Exc::RuntimeError, "cannot reuse already awaited coroutine"))
                    }
                    _ if throw => {
                        self.raised = input;
                        Err(Raised(()))
                    }
                    _ => Err(self.stop_iteration_of(root)),
                };
            }
            GeneratorState::Created => {
                if throw {
                    root.get().state.set(GeneratorState::Finished);
                    self.raised = input;
                    let raised = Raised(());
                    self.add_traceback(self.raised, root.get().function.get().map(|f| f.held()), 0, Value::NONE);
                    return Err(raised);
                }
                if !Value::adopt(input).is_none() {
                    let what = self.generator_noun(root);
                    return Err(
                        self.raise_text(Exc::TypeError, &format!("can't send non-None value to a just-started {what}"))
                    );
                }
            }
            GeneratorState::Suspended => {
                if !root.get().awaiter.is_none() {
                    self.leave_chain(root)?;
                }
            }
        }
        if self.depth() >= self.recursion_limit {
            return Err(self.recursion_error());
        }
        if root.get().state.replace(GeneratorState::Running) == GeneratorState::Created {
            // It is awaited now.
            self.heap.not_finalisable(root.value());
            self.push_in_place(root, root);
            return Ok(Invoked::Pushed);
        }
        let mut generator = self.innermost(root);
        if throw && generator != root && self.is_exception(Value::adopt(input), Exc::GeneratorExit) {
            // What it awaits is closed first, and then it gets an exception of its own.
            self.unlink(root);
            generator = root;
        }
        generator.get().state.set(GeneratorState::Running);
        self.push_in_place(generator, root);
        self.go_on(generator, input, throw)
    }

    /// Raises an exception that was thrown into the frame on top: only what that frame itself handles becomes its context.
    fn throw_raw(&mut self, exception: Raw) -> Raised {
        if let Some(record) = self.fiber.records.last_mut() {
            record.flags |= Record::THROWN;
        }
        if !self.fiber.handled.is_unbound() {
            return self.raise_raw(exception);
        }
        self.raised = exception;
        Raised(())
    }

    /// The frame where a suspended chain is resumed.
    pub(super) fn innermost(&self, root: Held<Generator>) -> Held<Generator> {
        // One that was driven by itself meanwhile may have ended, or await something.
        let known = root.get().innermost.get::<Generator>();
        let mut at = known.filter(|g| g.get().state.get() == GeneratorState::Suspended).unwrap_or(root);
        while let Some(child) = at.linked()
            && child.get().state.get() == GeneratorState::Suspended
        {
            at = child;
        }
        at.held()
    }

    /// A generator that another awaits is driven by somebody else: what the outermost of its chain knows of the innermost may be wrong from
    /// now on. An error if the chain is running.
    fn leave_chain(&mut self, generator: Held<Generator>) -> Result<(), Raised> {
        if generator.is_running() {
            let what = self.generator_noun(generator);
            return Err(self.raise_text(Exc::ValueError, &format!("{what} already executing")));
        }
        generator.set_any(&self.heap, |g| &g.innermost, Value::NONE);
        let mut top = generator;
        while let Some(awaiter) = top.get().awaiter.get::<Generator>() {
            top = awaiter.held();
        }
        top.set_any(&self.heap, |g| &g.innermost, Value::NONE);
        Ok(())
    }

    /// From now on a generator drives what it awaits as it would any iterator.
    pub(super) fn unlink(&mut self, generator: Held<Generator>) {
        if let Some(child) = generator.linked() {
            child.set_any(&self.heap, |g| &g.awaiter, Value::NONE);
            child.set_any(&self.heap, |g| &g.innermost, Value::NONE);
        }
        generator.set_any(&self.heap, |g| &g.innermost, Value::NONE);
    }

    /// The frame on top, just resumed, goes on: what is sent or thrown is for it, or for what it awaits if that is no frame of the
    /// language.
    pub(super) fn go_on(&mut self, generator: Held<Generator>, input: Raw, throw: bool) -> Result<Invoked, Raised> {
        if throw {
            self.fiber.records.last_mut().expect("just pushed").flags |= Record::THROWN;
        }
        let awaiting = generator.get().awaiting.value().raw();
        if Value::adopt(awaiting).kind() == Kind::Native {
            // A native called in place that kept nothing: its result is None.
            generator.set_any(&self.heap, |g| &g.awaiting, Value::NONE);
            if !throw {
                let record = *self.fiber.records.last().expect("just pushed");
                self.set_register(&record, Raw::NONE);
                return Ok(Invoked::Pushed);
            }
        } else if !Value::adopt(awaiting).is_none() {
            self.fiber.records.last_mut().expect("just pushed").deliver = Deliver::Delegate;
            let invoked = self.drive_awaited(awaiting, input, throw);
            return match invoked {
                Ok(Invoked::Value(raw)) => {
                    let record = *self.fiber.records.last().expect("the frame");
                    self.end_delegation(&record);
                    self.set_register(&record, raw);
                    Ok(Invoked::Pushed)
                }
                Ok(Invoked::Suspended(raw) | Invoked::Yielded(raw)) => Ok(Invoked::Yielded(self.suspend(raw))),
                Ok(other) => Ok(other),
                Err(Raised(())) => Ok(Invoked::Raise),
            };
        }
        if throw {
            let _ = self.throw_raw(input);
            return Ok(Invoked::Raise);
        }
        let record = *self.fiber.records.last().expect("just pushed");
        self.set_register(&record, input);
        Ok(Invoked::Pushed)
    }

    /// Drives what the frame on top awaits, which is no linked generator, a step further.
    pub(super) fn drive_awaited(&mut self, awaiting: Raw, input: Raw, throw: bool) -> Result<Invoked, Raised> {
        let start = self.fiber.top;
        let awaitable = self.push_raw(awaiting);
        let input = self.push_raw(input);
        let resumed = if throw { Resumed::Raised(input) } else { Resumed::Returned(input) };
        let window = std::mem::replace(&mut self.fiber.window, start);
        let outcome = self.drive(awaitable, resumed);
        self.fiber.window = window;
        self.carry_out(outcome?, start)
    }

    /// Pushes the record of a frame in place, to go on where it stopped.
    pub(super) fn push_in_place(&mut self, generator: Held<Generator>, root: Held<Generator>) {
        self.heap.barrier_of(generator.value());
        let function = generator.get().function.get().expect("a generator has a function").held();
        let code = function.code();
        let words = &code.get().words;
        let base = self.scratch();
        self.fiber.records.push(Record {
            kind: RecordKind::InPlace { generator, root },
            deliver: Deliver::Store,
            dst: generator.get().input.get(),
            flags: 0,
            base,
            end: base,
            ip: words.as_ptr().wrapping_add(generator.get().word.get() as usize),
            next: words.as_ptr().wrapping_add(generator.get().next.get() as usize),
            target: words.as_ptr(),
            function: Some(function),
            handled: self.fiber.handled,
        });
        let handled = generator.get().handled.value();
        self.fiber.handled = if handled.is_none() { Raw::UNBOUND } else { handled.raw() };
        self.fiber.extra_depth += generator.get().depth.get();
        self.fiber.top = base;
    }

    /// The first register that no record uses.
    pub(super) fn scratch(&self) -> u32 {
        match self.fiber.records.last() {
            Some(record) => record.end.max(self.fiber.top),
            None => self.fiber.top,
        }
    }

    /// What a generator is called in error messages.
    pub(super) fn generator_noun(&self, generator: Held<Generator>) -> &'static str {
        match generator.value().kind() {
            Kind::Coroutine => "coroutine",
            Kind::AsyncGenerator => "async generator",
            _ => "generator",
        }
    }

    fn stop_iteration_of(&mut self, generator: Held<Generator>) -> Raised {
        match generator.value().kind() {
            Kind::AsyncGenerator => self.raise_new(Exc::StopAsyncIteration, &[]),
            _ => self.raise_new(Exc::StopIteration, &[]),
        }
    }

    // ---- exceptions ----

    /// A frame is left by an exception that it raised again: its entry in the traceback gets the frame object, which it had no need of
    /// while the frame went on.
    fn complete_traceback(&mut self, at: usize) {
        let function = self.fiber.records[at].function;
        let entry = Value::adopt(self.raised).exact::<Exception>().and_then(|e| e.get().traceback.get()).map(Gc::held);
        let Some(entry) = entry else { return };
        let own = entry.get().function.get().map(Gc::held);
        if own.is_none() || own != function || !entry.get().frame.is_none() {
            return;
        }
        let frame = self.frame_object(at);
        entry.set_any(&self.heap, |t| &t.frame, Value::adopt(frame));
    }

    /// Adds an entry for a frame to the traceback of an exception.
    pub(super) fn add_traceback(
        &mut self,
        exception: Raw,
        function: Option<Held<super::Function>>,
        word: u32,
        frame: Value<'_>,
    ) {
        let Some(exception) = Value::adopt(exception).exact::<Exception>() else { return };
        let Some(function) = function else { return };
        let entry = self.heap.alloc(Traceback {
            function: Ref::new(function),
            word,
            frame: crate::heap::AnyRef::new(frame),
            next: Ref::from_option(exception.get().traceback.get()),
            line: std::cell::Cell::new(0),
        });
        exception.set_ref(&self.heap, |e| &e.traceback, Some(entry));
    }

    /// Takes the exception on its way to the nearest handler. As [`Vm::deliver`]: the result if the run loop ends, None if a frame goes
    /// on, the exception if an exit is reached.
    pub(super) fn unwind(&mut self) -> Result<Option<Raw>, Raised> {
        // A fiber that was given up is unwound past everything that could handle it.
        let stopping = self.fiber.stopping;
        loop {
            let top = self.fiber.records.len() - 1;
            let record = self.fiber.records[top];
            match record.kind {
                RecordKind::Exit { .. } => {
                    self.fiber.records.pop();
                    return Err(Raised(()));
                }
                RecordKind::Native { then, catches, count } => {
                    self.fiber.records.pop();
                    if !catches || stopping {
                        continue;
                    }
                    self.fiber.top = record.base + count;
                    let raised = self.raised;
                    self.raised = Raw::UNBOUND;
                    let exception = self.push_raw(raised);
                    let outcome = self.run_continuation(then, record.base, count, Resumed::Raised(exception));
                    let invoked = match outcome {
                        Ok(outcome) => self.carry_out(outcome, record.base),
                        Err(raised) => Err(raised),
                    };
                    let delivery = match invoked {
                        Ok(Invoked::Value(raw)) => Delivery::Returned(raw),
                        Ok(Invoked::Suspended(raw)) => Delivery::Suspended(raw),
                        Ok(Invoked::Yielded(raw)) => Delivery::Yielded(raw),
                        Ok(Invoked::Pushed) => return Ok(None),
                        Ok(Invoked::Raise) | Err(_) => continue,
                    };
                    match self.deliver(delivery) {
                        Ok(done) => return Ok(done),
                        Err(_) => continue,
                    }
                }
                RecordKind::Plain | RecordKind::InPlace { .. } => {
                    let code = record.code();
                    let word = record.word();
                    let repeated = self.fiber.records[top].flags & Record::RERAISED != 0;
                    self.fiber.records[top].flags &= !Record::RERAISED;
                    // A program that is stopped has no say in it.
                    let stopping = stopping || self.stopped.is_some();
                    let handler = if stopping { None } else { code.code.handler(word).copied() };
                    if !repeated {
                        // A traceback keeps the variables of its frames. Those of a module are in its namespace, and who looks at
                        // the library's while it goes on asks for the frame.
                        let known = handler.is_some()
                            && record.flags & Record::OBSERVED == 0
                            && (code.flags().contains(CodeFlags::MODULE) || is_library_file(&code.code.filename));
                        let frame = if known { Raw::NONE } else { self.frame_for_traceback(top) };
                        self.add_traceback(self.raised, record.function, word, Value::adopt(frame));
                    } else if handler.is_none() {
                        self.complete_traceback(top);
                    }
                    if self.heap.has_finalisable() {
                        self.drop_unstarted(&record, word, handler.map_or(0, |handler| handler.register));
                    }
                    if let Some(handler) = handler {
                        if let RecordKind::InPlace { generator, .. } = record.kind
                            && !generator.get().awaiting.is_none()
                        {
                            self.end_awaiting(generator);
                        }
                        let at = code.get().words.as_ptr().wrapping_add(handler.target as usize);
                        let raised = std::mem::replace(&mut self.raised, Raw::UNBOUND);
                        let record = &mut self.fiber.records[top];
                        record.next = at;
                        record.ip = at;
                        record.dst = handler.register;
                        record.deliver = Deliver::Store;
                        let record = *record;
                        self.set_register(&record, raised);
                        let made = match record.kind {
                            RecordKind::InPlace { generator, .. } => generator.has(MADE),
                            _ => record.flags & Record::MADE != 0,
                        };
                        if made {
                            // What was on its stack, such as the iterator of a loop, is gone.
                            (self.fiber.top, self.fiber.window) = (record.end, record.end);
                            self.frame_dropped(raised);
                        }
                        return Ok(None);
                    }
                    if code.code.name.starts_with("__getattr") && self.raised_is(Exc::AttributeError) {
                        self.name_missing_attribute(&record);
                    }
                    if let RecordKind::InPlace { generator, root } = record.kind {
                        self.leave_in_place(generator, root, record);
                    } else {
                        self.leave_plain();
                        // The traceback keeps what it had, until the exception is dropped.
                        if record.flags & (Record::MADE | Record::COROUTINES) != 0 {
                            self.frame_made();
                        }
                        if !stopping && self.ends_iteration() {
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    /// An AttributeError that `__getattr__` or `__getattribute__` raises says what was asked for, unless it says so already: suggestions are
    /// made of that.
    fn name_missing_attribute(&mut self, record: &Record) {
        let name = record.code().code.name.clone();
        if !matches!(&*name, "__getattr__" | "__getattribute__") || record.code().code.parameters() != 2 {
            return;
        }
        let Some(exception) = Value::adopt(self.raised).exact::<Exception>().map(Gc::held) else { return };
        let (Some(name_at), Some(object_at)) =
            (field_index(Exc::AttributeError, "name"), field_index(Exc::AttributeError, "obj"))
        else {
            return;
        };
        let Some(fields) = exception.get().fields.get().map(Gc::held) else { return };
        if !exception.field(name_at).is_none() || !exception.field(object_at).is_none() {
            return;
        }
        let [object, name] = [0, 1].map(|register| {
            let raw = self.register_of(record, register);
            Value::adopt(raw).exact::<Variable>().map_or(raw, |cell| cell.get().content.get().raw())
        });
        if self.as_str(Value::adopt(name)).is_some() && !object.is_unbound() {
            fields.set_tail(&self.heap, name_at, Value::adopt(name));
            fields.set_tail(&self.heap, object_at, Value::adopt(object));
        }
    }

    /// Whether the exception that has just left a method is the StopIteration of one that was asked for the next item by the loop of the
    /// frame on top: then the loop ends, and the exception with it.
    fn ends_iteration(&mut self) -> bool {
        let Some(record) = self.fiber.records.last_mut() else { return false };
        let asked = matches!(record.kind, RecordKind::Plain | RecordKind::InPlace { .. });
        if !asked || record.deliver != Deliver::Next {
            return false;
        }
        let target = record.target;
        if !self.is_exception(Value::adopt(self.raised), Exc::StopIteration) {
            return false;
        }
        self.raised = Raw::UNBOUND;
        if let Some(record) = self.fiber.records.last_mut() {
            record.next = target;
        }
        true
    }

    /// Takes a plain frame off the records; its frame object, if there is one, gets the locals.
    pub(super) fn leave_plain(&mut self) {
        let top = self.fiber.records.len() - 1;
        if self.fiber.records[top].flags & Record::OBSERVED != 0 {
            self.detach_frame(top);
        }
        self.fiber.records.pop();
    }

    /// Ends a generator by the exception on its way; what awaits it goes on with the exception.
    fn leave_in_place(&mut self, generator: Held<Generator>, root: Held<Generator>, record: Record) {
        let top = self.fiber.records.len() - 1;
        if record.flags & Record::OBSERVED != 0 || generator.get().frame.get().is_some() {
            self.detach_frame(top);
        }
        self.convert_stop_iteration(generator);
        match self.end_in_place(generator, root) {
            Some(awaiter) => {
                self.switch_to(awaiter, root);
                if record.flags & Record::THROWN != 0 {
                    // What comes out of a frame is thrown into the next one of the chain: what that one is handling becomes its context.
                    let _ = self.throw_raw(self.raised);
                }
            }
            None => {
                self.fiber.handled = record.handled;
                self.fiber.records.pop();
            }
        }
    }

    /// Marks a generator as ended. Returns what goes on in its place: what awaits it, unless it was resumed by itself.
    pub(super) fn end_in_place(
        &mut self,
        generator: Held<Generator>,
        root: Held<Generator>,
    ) -> Option<Held<Generator>> {
        generator.get().state.set(GeneratorState::Finished);
        self.heap.not_finalisable(generator.value());
        generator.set_any(&self.heap, |g| &g.handled, Value::NONE);
        // Tracebacks keep it, if any: its locals die with them.
        if generator.get().frame.get().is_some() {
            generator.set_ref(&self.heap, |g| &g.frame, None);
        }
        self.end_awaiting(generator);
        let awaiter = generator.get().awaiter.get::<Generator>().map(|g| g.held());
        generator.set_any(&self.heap, |g| &g.awaiter, Value::NONE);
        generator.set_any(&self.heap, |g| &g.innermost, Value::NONE);
        if generator.value().kind() == Kind::AsyncGenerator {
            generator.set_flag(BUSY, false);
            generator.set_flag(CLOSED, true);
        }
        self.fiber.extra_depth -= generator.get().depth.get();
        awaiter.filter(|_| generator != root)
    }

    /// Makes the record on top go on with another frame of the chain: the one that awaited what ended.
    pub(super) fn switch_to(&mut self, awaiter: Held<Generator>, root: Held<Generator>) {
        self.heap.barrier_of(awaiter.value());
        awaiter.set_any(&self.heap, |g| &g.awaiting, Value::NONE);
        awaiter.get().state.set(GeneratorState::Running);
        let function = awaiter.get().function.get().expect("a generator has a function").held();
        let words = function.code().get().words.as_ptr();
        self.fiber.extra_depth += awaiter.get().depth.get();
        let handled = awaiter.get().handled.value();
        self.fiber.handled = if handled.is_none() { Raw::UNBOUND } else { handled.raw() };
        let record = self.fiber.records.last_mut().expect("a frame in place");
        record.kind = RecordKind::InPlace { generator: awaiter, root };
        record.function = Some(function);
        record.dst = awaiter.get().input.get();
        record.deliver = Deliver::Store;
        record.flags = if awaiter.get().frame.get().is_some() { Record::OBSERVED } else { 0 };
        record.ip = words.wrapping_add(awaiter.get().word.get() as usize);
        record.next = words.wrapping_add(awaiter.get().next.get() as usize);
    }

    /// A StopIteration that leaves a generator becomes RuntimeError (PEP 479).
    fn convert_stop_iteration(&mut self, generator: Held<Generator>) {
        let raised = Value::adopt(self.raised);
        let Some(exception) = raised.exact::<Exception>() else { return };
        let class = self.class_of(raised);
        let is_async = generator.value().kind() == Kind::AsyncGenerator;
        let stop = class.is_subclass(self.exception_class(Exc::StopIteration));
        let stop_async = is_async && class.is_subclass(self.exception_class(Exc::StopAsyncIteration));
        if !stop && !stop_async {
            return;
        }
        let what = self.generator_noun(generator);
        let name = if stop { "StopIteration" } else { "StopAsyncIteration" };
        let old = exception.held();
        let _ = self.raise_text(Exc::RuntimeError, &format!("{what} raised {name}"));
        if let Some(new) = Value::adopt(self.raised).exact::<Exception>() {
            new.set_any(&self.heap, |e| &e.cause, old.value());
            new.set_any(&self.heap, |e| &e.context, old.value());
            new.get().suppress_context.set(true);
        }
    }

    // ---- frame objects ----

    /// The frame object of a record, made if there is none.
    pub(super) fn frame_object(&mut self, at: usize) -> Raw {
        let raw = self.frame_for_traceback(at);
        if let Some(frame) = Value::adopt(raw).exact::<Frame>() {
            frame.get().asked.set(true);
        }
        raw
    }

    /// The frame object of a record, for an entry of a traceback.
    fn frame_for_traceback(&mut self, at: usize) -> Raw {
        let record = self.fiber.records[at];
        if let Some(frame) = self.known_frame(at) {
            return frame;
        }
        let function = record.function.expect("a frame of the language");
        let generator = match record.kind {
            RecordKind::InPlace { generator, .. } => generator.value().raw(),
            _ => Raw::NONE,
        };
        let frame = self.heap.alloc(Frame {
            function: Ref::new(function),
            back: crate::heap::AnyRef::none(),
            record: std::cell::Cell::new(at as u32),
            fiber: std::cell::Cell::new(self.fiber.id),
            asked: std::cell::Cell::new(false),
            generator: crate::heap::AnyRef::new(Value::adopt(generator)),
            word: std::cell::Cell::new(record.word()),
            locals: Ref::none(),
            names: crate::heap::AnyRef::none(),
        });
        let raw = frame.value().raw();
        match record.kind {
            RecordKind::InPlace { generator, .. } => generator.set_ref(&self.heap, |g| &g.frame, Some(frame)),
            _ => self.fiber.observed.push((at as u32, raw)),
        }
        self.fiber.records[at].flags |= Record::OBSERVED;
        raw
    }

    /// The frame object of a record, if there is one.
    pub(super) fn known_frame(&self, at: usize) -> Option<Raw> {
        let record = self.fiber.records[at];
        match record.kind {
            RecordKind::InPlace { generator, .. } => generator.get().frame.get().map(|f| f.value().raw()),
            _ if record.flags & Record::OBSERVED != 0 => self.observed_frame(at),
            _ => None,
        }
    }

    fn observed_frame(&self, at: usize) -> Option<Raw> {
        self.fiber.observed.iter().rev().find(|(i, _)| *i == at as u32).map(|(_, raw)| *raw)
    }

    /// Copies the named locals of a record that ends into its frame object.
    pub(super) fn detach_frame(&mut self, at: usize) {
        let record = self.fiber.records[at];
        let raw = match record.kind {
            RecordKind::InPlace { generator, .. } => generator.get().frame.get().map(|f| f.value().raw()),
            _ => {
                let found = self.observed_frame(at);
                self.fiber.observed.retain(|(i, _)| *i != at as u32);
                found
            }
        };
        let Some(frame) = raw.and_then(|r| Value::adopt(r).exact::<Frame>()).map(|f| f.held()) else { return };
        frame.get().word.set(record.word());
        let code = record.code();
        // In the order of the names: the near ones, then the far ones.
        let near = usize::from(code.get().locals);
        let count = near.max(code.get().code.locals.len());
        let place = |i: usize| if i < near { i } else { usize::from(code.get().code.far_base) + i - near };
        let locals = match record.kind {
            RecordKind::InPlace { generator, .. } => {
                Tuple::build(&self.heap, count, |i| generator.get_tail_value(place(i)))
            }
            _ => Tuple::build(&self.heap, count, |i| self.fiber.registers.get(record.base + place(i) as u32)),
        };
        frame.set_ref(&self.heap, |f| &f.locals, Some(locals));
        let back = match record.kind {
            RecordKind::InPlace { generator, .. } => generator.get().awaiter.get::<Generator>().map(Gc::held),
            _ => None,
        };
        // A frame that is left by an exception, or caught one, keeps the function only, which costs nothing.
        let back = match (back, self.language_record(at)) {
            (Some(awaiter), _) => match awaiter.get().frame.get() {
                Some(frame) => frame.value().raw(),
                None => awaiter.get().function.get().map_or(Raw::NONE, |function| function.value().raw()),
            },
            (None, Some(below)) if self.raised.is_unbound() && frame.get().asked.get() => self.frame_object(below),
            (None, Some(below)) => match self.fiber.records[below] {
                Record { flags, .. } if flags & Record::OBSERVED != 0 => self.frame_object(below),
                record => record.function.map_or(Raw::NONE, |function| function.value().raw()),
            },
            (None, None) => Raw::NONE,
        };
        frame.set_any(&self.heap, |f| &f.back, Value::adopt(back));
        frame.get().record.set(u32::MAX);
        if let RecordKind::InPlace { generator, .. } = record.kind {
            // What has ended has no frame, and keeps nothing of what that had.
            generator.set_ref(&self.heap, |g| &g.frame, None::<Gc<'_, Frame>>);
        }
    }
}
