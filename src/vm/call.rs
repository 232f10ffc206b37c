//! Calls: from a callable and arguments in registers to a new frame, a native's outcome, or a new object.
//!
//! Arguments are in registers `start..start + argc`, and the register before `start` is free: a receiver goes there. Nothing here
//! enters the run loop. What each parameter gets is in `bind.rs` and `bind_native.rs`, what a class makes in `construct.rs`.

use smallvec::SmallVec;

use crate::bytecode::code::CodeFlags;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    BoundMethod, Class, ClassFlags, Dict, Entry, Function, Generator, Module, StaticMethod, Str, Tuple, any_generator,
};

use super::frame::{Deliver, Held, Record, RecordKind};
use super::native::{
    Args, Continuation, NativeDef, NativeFunction, NativeKind, NativeResult, Outcome, Raised, Resumed, Then,
    takes_receiver,
};
use super::{Name, Vm};

/// What became of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Invoked {
    /// It is done.
    Value(Raw),
    /// A frame was pushed: its result will be delivered.
    Pushed,
    /// The native suspends the chain that awaits it, yielding this.
    Suspended(Raw),
    /// The generator that was resumed yielded this at once.
    Yielded(Raw),
    /// A frame was pushed, and the exception on its way is to be raised in it.
    Raise,
}

/// Arguments copied out of registers while they are arranged; nothing is collected meanwhile.
pub(super) type Copied = SmallVec<[Raw; 12]>;

impl Vm {
    /// The call's machinery: calls `callee` with the arguments in `start..start + argc`. `keywords` is a tuple naming the last of them.
    pub(super) fn invoke(
        &mut self,
        callee: Raw,
        mut start: u32,
        mut argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        let mut callee = callee;
        for _ in 0..64 {
            let value = Value::adopt(callee);
            match value.kind() {
                Kind::Function => {
                    let function = value.exact::<Function>().expect("a function").held();
                    return self.enter(function, start, argc, keywords, Raw::UNBOUND);
                }
                Kind::Native => {
                    let native = value.exact::<NativeFunction>().expect("a native").held();
                    return self.invoke_native(native, start, argc, keywords);
                }
                Kind::BoundMethod => {
                    let method = value.exact::<BoundMethod>().expect("a bound method");
                    start -= 1;
                    argc += 1;
                    let receiver = method.receiver.get().raw();
                    self.fiber.registers.set(start, receiver);
                    callee = method.function.get().raw();
                    if let Some(native) = Value::adopt(callee).exact::<NativeFunction>().map(Gc::held)
                        && native.get().target.get().is_none()
                    {
                        // Errors of the call name the class of what it is bound to.
                        self.bound_to = receiver;
                        let args = self.native_arguments(native, start, argc, keywords);
                        self.bound_to = Raw::UNBOUND;
                        return self.run_native(native.get().def, args?);
                    }
                }
                Kind::Class => {
                    let class = value.exact::<Class>().expect("a class").held();
                    if keywords.is_none()
                        && class.get().maker.get() != 0
                        && let Some(invoked) = self.make_at_once(class, start, argc)?
                    {
                        return Ok(invoked);
                    }
                    if let Some(names) = keywords
                        && class.get().maker.get() != 0
                        && let Some(made) = self.make_by_name(class, start, argc, names)
                    {
                        return Ok(Invoked::Value(made));
                    }
                    return self.construct(class, start, argc, keywords);
                }
                Kind::StaticMethod if !value.is_subclassed() => {
                    callee = value.exact::<StaticMethod>().expect("a staticmethod").function.get().raw();
                }
                _ => {
                    if argc == 1 && keywords.is_none() {
                        let argument = self.fiber.registers.get(start).raw();
                        let found = self.ask_native(callee, Name::Call, argument);
                        if !found.is_unbound() {
                            return Ok(Invoked::Value(found));
                        }
                    }
                    let class = self.class_of(value).held();
                    let name = self.name(Name::Call).held();
                    let Some(call) = self.lookup_class(class, name) else {
                        return Err(self.not_callable(callee));
                    };
                    let call = call.raw();
                    if takes_receiver(Value::adopt(call)) {
                        start -= 1;
                        argc += 1;
                        self.fiber.registers.set(start, callee);
                        callee = call;
                    } else {
                        let receiver = value.raw();
                        callee = self.bind_descriptor(call, receiver, class)?;
                    }
                }
            }
        }
        Err(self.recursion_error())
    }

    /// The error of calling what can't be called. A module that has something of its own name was perhaps taken for that.
    #[cold]
    fn not_callable(&mut self, callee: Raw) -> Raised {
        let value = Value::<'static>::adopt(callee);
        let mut text = format!("'{}' object is not callable", self.type_name_for_error(value));
        if let Some(module) = value.exact::<Module>() {
            let name = self.intern("__name__").held();
            let named = module.dict().get_str(&self.heap, name);
            let meant = named.and_then(|name| name.exact::<Str>());
            let found = meant.and_then(|name| module.dict().get_str(&self.heap, name));
            if let (Some(name), true) = (meant, found.is_some_and(|found| self.is_callable(found))) {
                let name = name.to_str_lossy();
                text.push_str(&format!(". Did you mean: '{name}.{name}(...)'?"));
            }
        }
        self.type_error(text)
    }

    /// Pushes the frame of a function, or makes its generator. `instance` is given for a constructor's `__init__`.
    pub(super) fn enter(
        &mut self,
        function: Held<Function>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
        instance: Raw,
    ) -> Result<Invoked, Raised> {
        let code = function.code();
        if code.flags().contains(CodeFlags::NAMESPACE) {
            // Its one argument is the namespace, in register 0; a script that gets hold of a class's body may call it without.
            if argc != 1 || keywords.is_some() {
                let dict = Dict::new(&self.heap).value().raw();
                self.fiber.registers.set(start, dict);
            }
            self.push_plain(function, start, instance)?;
            return Ok(Invoked::Pushed);
        }
        let more_kinds =
            code.code.keyword_only > 0 || code.flags().intersects(CodeFlags::VARARGS | CodeFlags::VARKEYWORDS);
        if code.get().entry == Entry::Simple && self.fill_simple(function, start, argc, keywords) {
            self.push_plain(function, start, instance)?;
            return Ok(Invoked::Pushed);
        }
        if keywords.is_some()
            || argc != u32::from(code.get().positional)
            || code.get().entry == Entry::Bind
            || (code.get().entry == Entry::Generator && more_kinds)
        {
            self.bind_arguments(function, start, argc, keywords)?;
        }
        if code.get().entry == Entry::Generator {
            let generator = self.make_generator(function, start);
            if !instance.is_unbound() {
                let kind = self.type_name_for_error(Value::adopt(generator.value().raw()));
                return Err(self.type_error(format!("__init__() should return None, not '{kind}'")));
            }
            return Ok(Invoked::Value(generator.value().raw()));
        }
        self.push_plain(function, start, instance)?;
        Ok(Invoked::Pushed)
    }

    /// Pushes the record of a plain frame whose parameters are in place.
    pub(super) fn push_plain(&mut self, function: Held<Function>, start: u32, instance: Raw) -> Result<(), Raised> {
        let code = function.code();
        let end = start as usize + code.get().registers as usize;
        if end + 512 > self.fiber.registers.len() || self.depth() >= self.recursion_limit {
            return Err(self.recursion_error());
        }
        let namespace = u32::from(code.flags().contains(CodeFlags::NAMESPACE));
        let parameters = u32::from(code.code.parameters()) + namespace;
        let near = parameters..u32::from(code.get().locals);
        let far_parameters = parameters.saturating_sub(u32::from(code.get().locals));
        let far = u32::from(code.code.far_base) + far_parameters..code.get().registers;
        for index in near.chain(far) {
            self.fiber.registers.set(start + index, Raw::UNBOUND);
        }
        let first = code.get().words.as_ptr();
        self.fiber.records.push(Record {
            kind: RecordKind::Plain,
            deliver: Deliver::Store,
            dst: 0,
            flags: match instance.is_unbound() {
                true => 0,
                false if self.heap.is_finalisable(Value::adopt(instance)) => Record::CONSTRUCTOR | Record::REPLACES,
                false => Record::CONSTRUCTOR,
            },
            base: start,
            end: start + code.get().registers,
            ip: first,
            next: first,
            target: first,
            function: Some(function),
            handled: instance,
        });
        Ok(())
    }

    /// The generator, coroutine or asynchronous generator of a call whose parameters are in place.
    pub(super) fn make_generator(&mut self, function: Held<Function>, start: u32) -> Held<Generator> {
        let generator = self.new_generator(function, start);
        if generator.value().kind() == Kind::Coroutine {
            self.heap.finalisable(generator.value());
            self.coroutine_made();
        }
        generator
    }

    // ---- natives ----

    fn invoke_native(
        &mut self,
        native: Held<NativeFunction>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        if let Some(function) = native.get().target.get().map(Gc::held) {
            return self.enter(function, start, argc, keywords, Raw::UNBOUND);
        }
        let args = self.native_arguments(native, start, argc, keywords)?;
        self.run_native(native.get().def, args)
    }

    /// Arranges the arguments of a native's call.
    #[inline]
    pub(super) fn native_arguments(
        &mut self,
        native: Held<NativeFunction>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Args, Raised> {
        if matches!(native.get().def.kind, NativeKind::Method | NativeKind::ClassMethod) {
            self.check_receiver(native, start, argc, keywords)?;
        } else if matches!(native.get().def.kind, NativeKind::StaticMethod) && native.get().def.name == "__new__" {
            self.check_made_class(native, start, argc)?;
        }
        if native.get().simple && argc == u32::from(native.get().positional) && keywords.is_none() {
            return Ok(Args { start, count: argc });
        }
        // Only optional ones are missing at the end: no binding either.
        let params = native.get().def.params;
        if native.get().simple
            && keywords.is_none()
            && argc < params.len() as u32
            && params[argc as usize..].iter().all(|p| !p.default.is_empty())
        {
            for index in argc..params.len() as u32 {
                self.fiber.registers.set(start + index, Raw::UNBOUND);
            }
            return Ok(Args { start, count: params.len() as u32 });
        }
        if keywords.is_none()
            && let Some(args) = self.bind_positional(native, start, argc)
        {
            return Ok(args);
        }
        self.bind_native(native, start, argc, keywords)
    }

    /// `__new__` of a builtin class can be called with anything: natives rely on a class whose instances are laid out as theirs.
    fn check_made_class(&mut self, native: Held<NativeFunction>, start: u32, argc: u32) -> Result<(), Raised> {
        let Some(base) = native.get().class.get() else { return Ok(()) };
        let base = base.held();
        if argc == 0 {
            let name = self.tp_name(base);
            return Err(self.type_error(format!("{name}.__new__(): not enough arguments")));
        }
        let given: Value<'static> = Value::adopt(self.fiber.registers.get(start).raw());
        let Some(class) = given.exact::<Class>() else {
            let (name, got) = (self.tp_name(base), self.type_name_for_error(given));
            return Err(self.type_error(format!("{name}.__new__(X): X is not a type object ({got})")));
        };
        if class == base {
            return Ok(());
        }
        if !class.is_subclass(base) {
            let (name, got) = (self.tp_name(base), self.tp_name(class));
            return Err(self.type_error(format!("{name}.__new__({got}): {got} is not a subtype of {name}")));
        }
        // The builtin class that it derives from most closely may want more of its instances than this one makes.
        let new = self.name(super::Name::New).held();
        let builtin = class.mro().find(|c| !c.has(ClassFlags::HEAP));
        let made = builtin.and_then(|b| b.lookup(&self.heap, new)).map(|v| v.raw());
        if made.is_none_or(|made| made.same(native.value().raw())) {
            return Ok(());
        }
        let builtin = builtin.map_or(base, Gc::held);
        let (name, got, maker) = (self.tp_name(base), self.tp_name(class), self.tp_name(builtin));
        Err(self.type_error(format!("{name}.__new__({got}) is not safe, use {maker}.__new__()")))
    }

    /// A method can be reached through its class and called with anything: natives rely on a receiver of their class.
    fn check_receiver(
        &mut self,
        native: Held<NativeFunction>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<(), Raised> {
        let Some(class) = native.get().class.get() else { return Ok(()) };
        let def = native.get().def;
        let by_name = keywords.and_then(|k| Value::<'static>::adopt(k).exact::<Tuple>()).map_or(0, |k| k.len());
        let name = def.name;
        if argc as usize <= by_name {
            if def.scripted && def.kind == NativeKind::Method {
                return Err(self.scripted_alone(native, keywords));
            }
            let label = self.tp_name(class);
            return Err(self.type_error(if super::is_wrapper_of(native) {
                format!("descriptor '{name}' of '{label}' object needs an argument")
            } else {
                // Here a module's name isn't said.
                let label = label.rsplit('.').next().unwrap_or_default();
                format!("unbound method {label}.{name}() needs an argument")
            }));
        }
        let receiver: Value<'static> = Value::adopt(self.fiber.registers.get(start).raw());
        let fits = match def.kind {
            NativeKind::ClassMethod => receiver.exact::<Class>().is_some_and(|c| c.is_subclass(class)),
            _ => self.class_of(receiver).is_subclass(class),
        };
        if fits {
            return Ok(());
        }
        let (got, label) = (self.type_name_for_error(receiver), self.tp_name(class));
        Err(self.type_error(match def.kind {
            NativeKind::ClassMethod => {
                format!("descriptor '{name}' for type '{label}' needs a type, not a '{got}' as arg 2")
            }
            _ if super::repr::is_slot(name, &label) => {
                format!("descriptor '{name}' requires a '{label}' object but received a '{got}'")
            }
            _ => format!("descriptor '{name}' for '{label}' objects doesn't apply to a '{got}' object"),
        }))
    }

    /// Runs a native whose arguments are bound, and carries out what it asks for.
    #[inline]
    pub(super) fn run_native(&mut self, def: &'static NativeDef, args: Args) -> Result<Invoked, Raised> {
        if def.suspends {
            return Ok(Invoked::Value(self.make_native_coroutine(def, args)));
        }
        let window = self.fiber.window;
        self.fiber.window = args.start;
        self.fiber.top = args.start + args.count;
        let outcome = (def.run)(self, args);
        self.fiber.window = window;
        match outcome {
            Ok(Outcome::Value(ref raw)) => Ok(Invoked::Value(raw.copied())),
            Ok(other) => self.carry_out_checked(other, args.start),
            Err(raised) => Err(raised),
        }
    }

    /// As `carry_out`, if there is machine stack left: what a native asks for may be a native that asks for the next, such as iterators of
    /// iterators.
    #[cold]
    #[inline(never)]
    pub(super) fn carry_out_checked(&mut self, outcome: Outcome, start: u32) -> Result<Invoked, Raised> {
        self.check_stack()?;
        self.carry_out(outcome, start)
    }

    /// Carries out what a native with its window at `start` asks for.
    pub(super) fn carry_out(&mut self, mut outcome: Outcome, start: u32) -> Result<Invoked, Raised> {
        loop {
            let (then, invoked) = match outcome {
                Outcome::Value(raw) => return Ok(Invoked::Value(raw)),
                Outcome::Suspend { value, then } => {
                    let raw = value.get(self).raw();
                    return self.suspend_native(raw, then, start);
                }
                Outcome::Call { callee, argc, keywords, then } => {
                    let keywords = keywords.map(|k| k.get(self).raw());
                    let function = callee.get(self).raw();
                    self.push_native(then, start, callee.0 - start);
                    (then, self.invoke(function, callee.0 + 1, argc, keywords))
                }
                Outcome::Resume { target, input, throw, then } => {
                    if let Then::Return = then
                        && any_generator(target.get(self)).is_some()
                        && let Some(record) = self.fiber.records.last_mut()
                        && matches!(record.kind, RecordKind::Plain | RecordKind::InPlace { .. })
                        && record.deliver == Deliver::Store
                    {
                        // A frame called `send`: what is yielded is for its register.
                        record.deliver = Deliver::Sent;
                        return self.resume(target, input, throw);
                    }
                    let then = if let Then::Return = then { Then::Continue(send_result) } else { then };
                    self.push_native(then, start, self.fiber.top - start);
                    (then, self.resume(target, input, throw))
                }
            };
            let resumed = match (then, invoked) {
                (Then::Return | Then::Nothing, invoked) => return invoked,
                (_, Ok(Invoked::Value(raw))) => {
                    let count = self.pop_native();
                    self.fiber.top = start + count;
                    Resumed::Returned(self.push_raw(raw))
                }
                (_, Ok(Invoked::Yielded(raw))) => {
                    let count = self.pop_native();
                    self.fiber.top = start + count;
                    Resumed::Yielded(self.push_raw(raw))
                }
                (_, Ok(other)) => return Ok(other),
                (Then::Continue(_), Err(raised)) => {
                    self.pop_native();
                    return Err(raised);
                }
                (Then::Catch(_), Err(raised)) => {
                    let count = self.pop_native();
                    self.fiber.top = start + count;
                    let exception = self.take_raised(raised);
                    Resumed::Raised(self.push_raw(exception))
                }
            };
            let (Then::Continue(next) | Then::Catch(next)) = then else { unreachable!("returned above") };
            let count = match resumed {
                Resumed::Returned(r) | Resumed::Yielded(r) | Resumed::Raised(r) => r.0 - start,
            };
            outcome = self.run_continuation(next, start, count, resumed)?;
        }
    }

    /// Runs a native's continuation.
    pub(super) fn run_continuation(
        &mut self,
        next: Continuation,
        start: u32,
        count: u32,
        resumed: Resumed,
    ) -> NativeResult {
        let window = self.fiber.window;
        self.fiber.window = start;
        let outcome = next(self, Args { start, count }, resumed);
        self.fiber.window = window;
        outcome
    }

    fn push_native(&mut self, then: Then, base: u32, count: u32) {
        let (next, catches) = match then {
            Then::Return | Then::Nothing => return,
            Then::Continue(next) => (next, false),
            Then::Catch(next) => (next, true),
        };
        self.fiber.records.push(Record {
            kind: RecordKind::Native { then: next, catches, count },
            deliver: Deliver::Discard,
            dst: 0,
            flags: 0,
            base,
            end: base + count,
            ip: std::ptr::null(),
            next: std::ptr::null(),
            target: std::ptr::null(),
            function: None,
            handled: Raw::UNBOUND,
        });
    }

    fn pop_native(&mut self) -> u32 {
        match self.fiber.records.pop().map(|r| r.kind) {
            Some(RecordKind::Native { count, .. }) => count,
            other => unreachable!("a call that ended leaves its native on top, not {other:?}"),
        }
    }
}

/// Whether a native's first parameter is the instance or class it was reached through.
pub(super) fn has_receiver(def: &NativeDef) -> bool {
    match def.kind {
        NativeKind::Function => false,
        NativeKind::StaticMethod => def.name == "__new__",
        NativeKind::Method | NativeKind::ClassMethod | NativeKind::Getter | NativeKind::Setter => true,
    }
}

/// What `send` makes of a resumption.
fn send_result(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Returned(value) => Err(cx.stop_iteration(value)),
        Resumed::Raised(exception) => Err(cx.raise(exception)),
    }
}
