//! Calls: from a callable and arguments in registers to a new frame, a native's outcome, or a new object.
//!
//! Arguments are in registers `start..start + argc`, and the register before `start` is free: a receiver goes there. Nothing here
//! enters the run loop except [`Vm::call`], which natives use where they cannot ask by their outcome.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::bytecode::code::{Code, CodeFlags};
use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    BoundMethod, Class, ClassFlags, ClassMethod, Dict, Entry, Exc, Function, Generator, Instance, StaticMethod, Str,
    Tuple, any_generator,
};

use super::drain::Taker;
use super::frame::{Deliver, Held, Record, RecordKind};
use super::native::{
    Args, Continuation, NativeDef, NativeFunction, NativeKind, NativeResult, Outcome, ParamKind, Raised, Resumed, Root,
    Then,
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
type Copied = SmallVec<[Raw; 12]>;

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
                    if let Some(native) = Value::adopt(callee).exact::<NativeFunction>().map(Gc::held) {
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
                        && let Some(dict) = self.dict_of_keywords(class, start, argc, names)
                    {
                        return Ok(Invoked::Value(dict));
                    }
                    return self.construct(class, start, argc, keywords);
                }
                Kind::StaticMethod if !value.is_subclassed() => {
                    callee = value.exact::<StaticMethod>().expect("a staticmethod").function.get().raw();
                }
                _ => {
                    let class = self.class_of(value).held();
                    let name = self.name(Name::Call).held();
                    let Some(call) = self.lookup_class(class, name) else {
                        let name = self.type_name_for_error(value);
                        return Err(self.type_error(format!("'{name}' object is not callable")));
                    };
                    let call = call.raw();
                    match Value::adopt(call).kind() {
                        // A method: the object becomes its first argument.
                        Kind::Function | Kind::Native => {
                            start -= 1;
                            argc += 1;
                            self.fiber.registers.set(start, callee);
                            callee = call;
                        }
                        _ => {
                            let receiver = value.raw();
                            callee = self.bind_descriptor(call, receiver, class)?;
                        }
                    }
                }
            }
        }
        Err(self.recursion_error())
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

    // ---- binding ----

    /// Puts arguments given by name, and defaults, where a function with simple parameters wants them; false, with nothing done, where that
    /// is no simple matter.
    fn fill_simple(&mut self, function: Held<Function>, start: u32, argc: u32, keywords: Option<Raw>) -> bool {
        let code = function.code();
        let positional = u32::from(code.get().positional);
        if argc > positional {
            return false;
        }
        let defaults = function.get().defaults.get();
        let Some(first_default) = positional.checked_sub(defaults.map_or(0, |d| d.len() as u32)) else { return false };
        let default = |index: u32| defaults.map(|d| d.item((index - first_default) as usize).raw());
        let Some(names) = keywords.and_then(|k| Value::<'static>::adopt(k).exact::<Tuple>()) else {
            if keywords.is_some() || argc < first_default {
                return false;
            }
            for index in argc..positional {
                let Some(value) = default(index) else { return false };
                self.fiber.registers.set(start + index, value);
            }
            return true;
        };
        let given = argc - names.len() as u32;
        let mut named: SmallVec<[Raw; 8]> = SmallVec::from_elem(Raw::UNBOUND, (positional - given) as usize);
        let first = given.max(u32::from(code.code.positional_only)) as usize;
        for (number, name) in names.items().enumerate() {
            let Some(name) = name.exact::<Str>() else { return false };
            let bytes = name.as_bytes();
            let locals = code.code.locals.get(first..positional as usize).unwrap_or(&[]);
            let Some(found) = locals.iter().position(|local| local.as_bytes() == bytes) else { return false };
            let place = &mut named[first + found - given as usize];
            if !place.is_unbound() {
                return false;
            }
            *place = self.fiber.registers.get(start + given + number as u32).raw();
        }
        for (number, place) in named.iter_mut().enumerate() {
            let index = given + number as u32;
            if place.is_unbound() {
                if index < first_default {
                    return false;
                }
                match default(index) {
                    Some(value) => *place = value,
                    None => return false,
                }
            }
        }
        for (number, value) in named.into_iter().enumerate() {
            self.fiber.registers.set(start + given + number as u32, value);
        }
        true
    }

    /// Arranges arguments as a function's parameters want them, in the registers from `start` on.
    pub(super) fn bind_arguments(
        &mut self,
        function: Held<Function>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<(), Raised> {
        let holder = function.code();
        let code = &*holder.get().code;
        let positional = usize::from(code.positional);
        let keyword_only = usize::from(code.keyword_only);
        let named = positional + keyword_only;
        let varargs = code.flags.contains(CodeFlags::VARARGS);
        let varkeywords = code.flags.contains(CodeFlags::VARKEYWORDS);
        let args: Copied = (start..start + argc).map(|i| self.fiber.registers.get(i).raw()).collect();
        let names = keywords.and_then(|k| Value::adopt(k).exact::<Tuple>()).map(Gc::held);
        let by_name = names.map_or(0, |n| n.len());
        let given = args.len() - by_name;
        let end = start as usize + code.registers as usize + args.len();
        if end + 512 > self.fiber.registers.len() {
            return Err(self.recursion_error());
        }
        let mut bound: Copied = SmallVec::from_elem(Raw::UNBOUND, usize::from(code.parameters()));
        for (to, from) in bound[..positional].iter_mut().zip(&args[..given]) {
            *to = *from;
        }
        if varargs {
            let rest = args.get(positional..given).unwrap_or(&[]);
            bound[named] = if rest.is_empty() {
                self.empty_tuple
            } else {
                Tuple::build(&self.heap, rest.len(), |i| Value::adopt(rest[i])).value().raw()
            };
        }
        let extra = varkeywords.then(|| Dict::new(&self.heap).held());
        if let Some(extra) = extra {
            bound[named + usize::from(varargs)] = extra.value().raw();
        }
        if let Some(names) = names {
            for (name, value) in names.items().zip(&args[given..]) {
                let Some(text) = name.exact::<Str>() else {
                    return Err(self.type_error("keywords must be strings".into()));
                };
                let bytes = text.as_bytes();
                let found = (usize::from(code.positional_only)..named).find(|i| code.locals[*i].as_bytes() == bytes);
                match (found, extra) {
                    (Some(index), _) if bound[index].is_unbound() => bound[index] = *value,
                    (Some(_), _) => {
                        if let Some(raised) = self.native_complaint(function, given, Some(names)) {
                            return Err(raised);
                        }
                        let name = text.to_str_lossy().into_owned();
                        let function = self.function_label(function);
                        return Err(self.type_error(format!("{function}() got multiple values for argument '{name}'")));
                    }
                    (None, Some(extra)) => {
                        let done = extra.set_str(&self.heap, text, Value::adopt(*value));
                        if done.is_err() {
                            return Err(self.memory_error());
                        }
                    }
                    (None, None) => {
                        let raised = self.native_complaint(function, given, Some(names));
                        return Err(raised.unwrap_or_else(|| self.unexpected_keyword(function, text.held(), names)));
                    }
                }
            }
        }
        if given > positional && !varargs {
            let raised = self.native_complaint(function, given, names);
            return Err(raised.unwrap_or_else(|| self.too_many_positional(function, given, &bound)));
        }
        // Defaults, then what is missing.
        let mut missing: SmallVec<[usize; 4]> = SmallVec::new();
        let defaults = function.get().defaults.get();
        let default_count = defaults.map_or(0, |d| d.len());
        for (index, slot) in bound[..positional].iter_mut().enumerate() {
            if slot.is_unbound() {
                match (index + default_count).checked_sub(positional) {
                    Some(at) => *slot = defaults.expect("there are some").item(at).raw(),
                    None => missing.push(index),
                }
            }
        }
        if !missing.is_empty() {
            let raised = self.native_complaint(function, given, names);
            return Err(raised.unwrap_or_else(|| self.missing_arguments(function, &missing, false)));
        }
        let kwdefaults = function.get().kwdefaults.get();
        for (index, slot) in bound.iter_mut().enumerate().take(named).skip(positional) {
            if slot.is_unbound() {
                let name = Str::new(&self.heap, &code.locals[index]);
                match kwdefaults.and_then(|d| d.get_str(&self.heap, name)) {
                    Some(value) => *slot = value.raw(),
                    None => missing.push(index),
                }
            }
        }
        if !missing.is_empty() {
            return Err(self.missing_arguments(function, &missing, true));
        }
        for (index, value) in bound.into_iter().enumerate() {
            self.fiber.registers.set(start + parameter_register(code, index as u32), value);
        }
        Ok(())
    }

    /// The name of a function in the errors of its calls: the qualified one.
    pub(super) fn function_label(&self, function: Held<Function>) -> String {
        self.function_detail(function, Name::Qualname)
            .and_then(|v| v.exact::<Str>())
            .map_or_else(|| function.code().code.qualname.to_string(), |s| s.to_str_lossy().into_owned())
    }

    /// What was set on a function instead of what its code says.
    pub(super) fn function_detail(&self, function: Held<Function>, name: Name) -> Option<Value<'_>> {
        let details = function.get().details.get()?;
        details.get_str(&self.heap, self.name(name))
    }

    fn unexpected_keyword(&mut self, function: Held<Function>, name: Held<Str>, names: Held<Tuple>) -> Raised {
        let code = function.code().code.clone();
        let label = self.function_label(function);
        let only: Vec<&str> = code.locals[..usize::from(code.positional_only)]
            .iter()
            .filter(|l| names.items().any(|n| n.exact::<Str>().is_some_and(|n| n.as_bytes() == l.as_bytes())))
            .map(|l| &**l)
            .collect();
        if !only.is_empty() {
            let list = only.join(", ");
            return self.type_error(format!(
                "{label}() got some positional-only arguments passed as keyword arguments: '{list}'"
            ));
        }
        let name = name.to_str_lossy().into_owned();
        let range = usize::from(code.positional_only)..usize::from(code.positional + code.keyword_only);
        let choices: Vec<&str> = code.locals[range].iter().map(|l| &**l).collect();
        let hint = match super::error::closest(&name, choices.into_iter()) {
            Some(near) => format!(". Did you mean '{near}'?"),
            None => String::new(),
        };
        self.type_error(format!("{label}() got an unexpected keyword argument '{name}'{hint}"))
    }

    fn too_many_positional(&mut self, function: Held<Function>, given: usize, bound: &[Raw]) -> Raised {
        let code = function.code().code.clone();
        let label = self.function_label(function);
        let positional = usize::from(code.positional);
        let keyword_given =
            bound[positional..positional + usize::from(code.keyword_only)].iter().filter(|v| !v.is_unbound()).count();
        let defaults = function.get().defaults.get().map_or(0, |d| d.len());
        let plural = if defaults > 0 { true } else { positional != 1 };
        let takes = if defaults > 0 {
            format!("from {} to {positional}", positional - defaults.min(positional))
        } else {
            positional.to_string()
        };
        let given_text = if keyword_given > 0 {
            let s = |n: usize| if n == 1 { "" } else { "s" };
            format!(
                "{given} positional argument{} (and {keyword_given} keyword-only argument{})",
                s(given),
                s(keyword_given)
            )
        } else {
            given.to_string()
        };
        let were = if given == 1 && keyword_given == 0 { "was" } else { "were" };
        let s = if plural { "s" } else { "" };
        self.type_error(format!("{label}() takes {takes} positional argument{s} but {given_text} {were} given"))
    }

    fn missing_arguments(&mut self, function: Held<Function>, missing: &[usize], keyword: bool) -> Raised {
        let code = function.code().code.clone();
        let label = self.function_label(function);
        let names: Vec<String> = missing.iter().map(|i| format!("'{}'", code.locals[*i])).collect();
        let list = match names.as_slice() {
            [one] => one.clone(),
            [one, two] => format!("{one} and {two}"),
            [most @ .., last] => format!("{}, and {last}", most.join(", ")),
            [] => String::new(),
        };
        let kind = if keyword { "keyword-only" } else { "positional" };
        let s = if missing.len() == 1 { "" } else { "s" };
        self.type_error(format!("{label}() missing {} required {kind} argument{s}: {list}", missing.len()))
    }

    // ---- natives ----

    fn invoke_native(
        &mut self,
        native: Held<NativeFunction>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
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
            let label = self.tp_name(class);
            return Err(self.type_error(if super::is_wrapper_of(native) {
                format!("descriptor '{name}' of '{label}' object needs an argument")
            } else {
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

    /// Arranges arguments as a native's parameters want them: parameters in order, `*args` as a run of registers behind them.
    /// Arranges arguments given by position, in their registers; None if there are too many or too few of them.
    fn bind_positional(&mut self, native: Held<NativeFunction>, start: u32, argc: u32) -> Option<Args> {
        let params = native.get().def.params;
        let (positional, total) = (u32::from(native.get().positional), params.len() as u32);
        if (start + total + argc) as usize + 512 > self.fiber.registers.len() {
            return None;
        }
        let filled = argc.min(positional);
        let mut has_rest = false;
        for param in &params[filled as usize..] {
            match param.kind {
                ParamKind::Rest => has_rest = true,
                ParamKind::KeywordRest => {}
                _ if param.default.is_empty() => return None,
                _ => {}
            }
        }
        let extra = argc - filled;
        if extra > 0 && !has_rest {
            return None;
        }
        // The run of `*args` follows the parameters; its own register holds nothing.
        for index in (0..extra).rev() {
            let value = self.fiber.registers.get(start + filled + index).raw();
            self.fiber.registers.set(start + total + index, value);
        }
        for index in filled..total {
            let param = &params[index as usize];
            // One with a default is left out where there are no keywords.
            let by_name = param.kind == ParamKind::KeywordRest && param.default.is_empty();
            let value = if by_name { Dict::new(&self.heap).value().raw() } else { Raw::UNBOUND };
            self.fiber.registers.set(start + index, value);
        }
        Some(Args { start, count: total + extra })
    }

    fn bind_native(
        &mut self,
        native: Held<NativeFunction>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Args, Raised> {
        let def = native.get().def;
        let params = def.params;
        let args: Copied = (start..start + argc).map(|i| self.fiber.registers.get(i).raw()).collect();
        let names = keywords.and_then(|k| Value::adopt(k).exact::<Tuple>()).map(Gc::held);
        let by_name = names.map_or(0, |n| n.len());
        let given = args.len() - by_name;
        let positional = usize::from(native.get().positional);
        if start as usize + params.len() + args.len() + 512 > self.fiber.registers.len() {
            return Err(self.recursion_error());
        }
        let has_rest = params.iter().any(|p| p.kind == ParamKind::Rest);
        let mut bound: Copied = SmallVec::from_elem(Raw::UNBOUND, params.len());
        for (to, from) in bound.iter_mut().zip(&args[..given.min(positional)]) {
            *to = *from;
        }
        let accepts = |p: &super::native::Param| matches!(p.kind, ParamKind::Either | ParamKind::Keyword);
        let keyword_rest = params.iter().position(|p| p.kind == ParamKind::KeywordRest);
        let ignored = keyword_rest.is_none() && !def.scripted && !params.iter().any(accepts);
        if ignored && by_name > 0 && given >= usize::from(has_receiver(def)) {
            // What takes no keywords says so before it counts.
            if is_operator(native) {
                return Err(self.type_error(format!("wrapper {}() takes no keyword arguments", def.name)));
            }
            if !bound.first().is_some_and(|receiver| self.keywords_are_of_subclass(native, *receiver)) {
                let label = self.native_label(native);
                return Err(self.type_error(format!("{label}() takes no keyword arguments")));
            }
        }
        if !has_rest && !def.scripted {
            self.check_total(native, given, by_name)?;
        }
        if given > positional && !has_rest {
            if def.scripted {
                return Err(self.scripted_too_many(native, given));
            }
            if matches!(def.name, "__init__" | "__new__")
                && let label @ ("set" | "frozenset") = self.short_label(native).as_str()
            {
                // These two name the class that is made.
                let receiver: Value<'static> = Value::adopt(bound[0]);
                let class = receiver.exact::<Class>().map_or_else(|| self.class_of(receiver).held(), Gc::held);
                let name =
                    if class.has(ClassFlags::HEAP) { class.name().to_str_lossy().into_owned() } else { label.into() };
                return Err(self.type_error(format!("{name} expected at most 1 argument, got {}", given - 1)));
            }
            return Err(self.native_too_many(native, given));
        }
        if has_rest && !def.scripted && keyword_rest.is_none() {
            // More names than there are parameters for them are counted first.
            let known = params.iter().filter(|p| p.kind == ParamKind::Keyword).count();
            if known > 0 && by_name > known {
                let label = self.short_label(native);
                let s = if known == 1 { "" } else { "s" };
                let text = format!("{label}() takes at most {known} keyword argument{s} ({by_name} given)");
                return Err(self.type_error(text));
            }
        }
        if let Some(at) = keyword_rest {
            bound[at] = Dict::new(&self.heap).value().raw();
        }
        if let Some(names) = names {
            for (name, value) in names.items().zip(&args[given..]).filter(|_| !ignored) {
                let Some(text) = name.exact::<Str>() else {
                    return Err(self.type_error("keywords must be strings".into()));
                };
                let found = params.iter().position(|p| accepts(p) && p.name.as_bytes() == text.as_bytes());
                match (found, keyword_rest) {
                    (Some(at), _) if bound[at].is_unbound() => bound[at] = *value,
                    (Some(at), _) if def.scripted => {
                        let label = self.scripted_label(native);
                        let name = params[at].name;
                        return Err(self.type_error(format!("{label}() got multiple values for argument '{name}'")));
                    }
                    (Some(at), _) => {
                        if let Some(at) = first_missing(def, &bound) {
                            let name = params[at].name;
                            if !names.items().any(|n| n.exact::<Str>().is_some_and(|n| n.as_bytes() == name.as_bytes()))
                            {
                                return Err(self.native_missing(native, given, at));
                            }
                        }
                        let label = self.short_label(native);
                        let position = at + 1 - usize::from(has_receiver(def));
                        let name = params[at].name;
                        return Err(self.type_error(format!(
                            "argument for {label}() given by name ('{name}') and position ({position})"
                        )));
                    }
                    (None, Some(at)) => {
                        let dict = Value::adopt(bound[at]).exact::<Dict>().expect("just made");
                        if dict.set_str(&self.heap, text, Value::adopt(*value)).is_err() {
                            return Err(self.memory_error());
                        }
                    }
                    (None, None) => {
                        let enumerates = !def.scripted
                            && self.short_label(native) == "enumerate"
                            && native.get().class.get().is_some_and(|class| class.value().raw().same(bound[0]));
                        if enumerates && given <= 1 {
                            let name = text.to_str_lossy().into_owned();
                            let text = format!("'{name}' is an invalid keyword argument for enumerate()");
                            return Err(self.type_error(text));
                        }
                        // What is missing is said before what is too much.
                        if !def.scripted
                            && let Some(at) = first_missing(def, &bound)
                        {
                            return Err(self.native_missing(native, given, at));
                        }
                        let name = text.to_str_lossy().into_owned();
                        let label = if def.scripted { self.scripted_label(native) } else { self.short_label(native) };
                        if matches!(&*label, "min" | "max") && given == 0 {
                            return Err(self.type_error(format!("{label} expected at least 1 argument, got 0")));
                        }
                        if enumerates {
                            let text = format!("'{name}' is an invalid keyword argument for {label}()");
                            return Err(self.type_error(text));
                        }
                        // The list is sorted by its method, which takes the keywords.
                        let label = if label == "sorted" { "sort".to_owned() } else { label };
                        let choices = params.iter().filter(|p| accepts(p)).map(|p| p.name);
                        let hint = match super::error::closest(&name, choices) {
                            Some(near) => format!(". Did you mean '{near}'?"),
                            None => String::new(),
                        };
                        return Err(
                            self.type_error(format!("{label}() got an unexpected keyword argument '{name}'{hint}"))
                        );
                    }
                }
            }
        }
        for (at, param) in params.iter().enumerate() {
            let optional = !param.default.is_empty() || matches!(param.kind, ParamKind::Rest | ParamKind::KeywordRest);
            if bound[at].is_unbound() && !optional {
                if def.scripted && at >= usize::from(has_receiver(def)) {
                    return Err(self.scripted_missing(native, &bound));
                }
                return Err(self.native_missing(native, given, at));
            }
        }
        // The run of `*args` follows the parameters; its own register holds nothing.
        let mut count = 0;
        for value in &bound {
            self.fiber.registers.set(start + count, *value);
            count += 1;
        }
        for value in args.get(positional..given).unwrap_or(&[]) {
            self.fiber.registers.set(start + count, *value);
            count += 1;
        }
        Ok(Args { start, count })
    }

    /// The name of a native in the errors of its calls: methods are shown with their class, functions with their module.
    pub(super) fn native_label(&self, native: Held<NativeFunction>) -> String {
        let name = native.get().def.name;
        match native.get().class.get() {
            Some(class) if is_call_of_class(name) => class.name().to_str_lossy().into_owned(),
            Some(class) => format!("{}.{name}", self.bound_class().unwrap_or(class).name().to_str_lossy()),
            None => match native.get().module.get::<Str>() {
                Some(module) if module.as_bytes() != b"builtins" => format!("{}.{name}", module.to_str_lossy()),
                _ => name.to_owned(),
            },
        }
    }

    /// The class that the errors of a call of a method name, if it was bound before.
    fn bound_class(&self) -> Option<Held<Class>> {
        let receiver: Value<'static> = Value::adopt(self.bound_to);
        match receiver.is_unbound() {
            true => None,
            false => Some(receiver.exact::<Class>().map_or_else(|| self.class_of(receiver).held(), Gc::held)),
        }
    }

    /// As `native_label`, for natives that take keywords: CPython shows those without their class.
    fn short_label(&self, native: Held<NativeFunction>) -> String {
        let name = native.get().def.name;
        match native.get().class.get() {
            Some(class) if is_call_of_class(name) => class.name().to_str_lossy().into_owned(),
            _ => name.to_owned(),
        }
    }

    /// Complains of more arguments than a native that takes keywords has parameters.
    /// Whether keywords that `__new__` or `__init__` of a builtin class doesn't take are meant for the other one, which a subclass
    /// has of its own.
    fn keywords_are_of_subclass(&self, native: Held<NativeFunction>, receiver: Raw) -> bool {
        let receiver = Value::adopt(receiver);
        let (class, other) = match native.get().def.name {
            "__new__" => (receiver.exact::<Class>(), Name::Init),
            "__init__" => (Some(self.class_of(receiver)), Name::New),
            _ => return false,
        };
        let Some(class) = class.map(Gc::held) else { return false };
        class.has(ClassFlags::HEAP)
            && !class.has(ClassFlags::EXCEPTION)
            && self
                .lookup_class(class, self.name(other))
                .is_some_and(|found| matches!(found.kind(), Kind::Function | Kind::StaticMethod))
    }

    fn check_total(&mut self, native: Held<NativeFunction>, given: usize, by_name: usize) -> Result<(), Raised> {
        let def = native.get().def;
        let receiver = usize::from(has_receiver(def));
        let total = def.params.len() - receiver;
        let given = given.saturating_sub(receiver);
        if given + by_name <= total || !takes_keywords(def) {
            return Ok(());
        }
        let label = self.short_label(native);
        if given > 0 && def.name == "sorted" {
            return match given {
                1 => Ok(()),
                _ => Err(self.type_error(format!("sorted expected 1 argument, got {given}"))),
            };
        }
        if by_name == 0 && def.name == "__new__" && matches!(&*label, "str" | "int") {
            let s = if total == 1 { "" } else { "s" };
            return Err(self.type_error(format!("{label} expected at most {total} argument{s}, got {given}")));
        }
        let keyword = if given == 0 { "keyword " } else { "" };
        let s = if total == 1 { "" } else { "s" };
        let count = given + by_name;
        Err(self.type_error(format!("{label}() takes at most {total} {keyword}argument{s} ({count} given)")))
    }

    fn native_too_many(&mut self, native: Held<NativeFunction>, given: usize) -> Raised {
        let def = native.get().def;
        let receiver = usize::from(has_receiver(def));
        let label = if takes_keywords(def) { self.short_label(native) } else { self.native_label(native) };
        let positional: Vec<_> = def
            .params
            .iter()
            .filter(|p| matches!(p.kind, ParamKind::Positional | ParamKind::Either))
            .skip(receiver)
            .collect();
        let most = positional.len();
        let least = positional.iter().filter(|p| p.default.is_empty()).count();
        let given = given - receiver;
        if is_operator(native) {
            return self.operator_arity(def.name, least, most, given);
        }
        if def.name == "__set_name__" {
            return self.type_error(format!("__set_name__() takes 2 positional arguments but {given} were given"));
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        if def.name == "sorted"
            || (matches!(def.name, "__new__" | "__init__") && least == 1 && most == 1 && !takes_keywords(def))
        {
            let label = self.short_label(native);
            return self.type_error(format!("{label} expected 1 argument, got {given}"));
        }
        if takes_keywords(def) {
            let at_most = if least == most { "exactly" } else { "at most" };
            return self.type_error(if most == 0 {
                format!("{label}() takes no positional arguments")
            } else {
                format!("{label}() takes {at_most} {most} positional argument{} ({given} given)", s(most))
            });
        }
        self.type_error(match (least, most) {
            (_, 0) => format!("{label}() takes no arguments ({given} given)"),
            (1, 1) if !is_call_of_class(def.name) => format!("{label}() takes exactly one argument ({given} given)"),
            (least, most) if least == most => {
                format!("{} expected {most} argument{}, got {given}", self.short_label(native), s(most))
            }
            (_, most) => {
                let label = self.short_label(native);
                let parentheses = if label == "super" { "()" } else { "" };
                format!("{label}{parentheses} expected at most {most} argument{}, got {given}", s(most))
            }
        })
    }

    /// Complains of the number of arguments of an operator's method: these do not name themselves.
    fn operator_arity(&mut self, name: &str, least: usize, most: usize, given: usize) -> Raised {
        let (bound, at) = match given < least {
            true if least < most => (least, "at least "),
            false if least < most => (most, "at most "),
            _ => (most, ""),
        };
        let s = if bound == 1 { "" } else { "s" };
        // Some of CPython's wrappers name themselves.
        if matches!(name, "__setattr__" | "__setitem__" | "__set__" | "__get__") {
            return self.type_error(format!("{name} expected {at}{bound} argument{s}, got {given}"));
        }
        if matches!(name, "__pow__" | "__rpow__") {
            return self.type_error(format!("expected {least} or {most} arguments, got {given}"));
        }
        self.type_error(format!("expected {at}{bound} argument{s}, got {given}"))
    }

    fn native_missing(&mut self, native: Held<NativeFunction>, given: usize, at: usize) -> Raised {
        let def = native.get().def;
        let receiver = usize::from(has_receiver(def));
        if at < receiver {
            let class = native.get().class.get().map_or(String::new(), |c| c.name().to_str_lossy().into_owned());
            return self.type_error(if def.name == "__new__" {
                format!("{class}.__new__(): not enough arguments")
            } else {
                format!("unbound method {class}.{}() needs an argument", def.name)
            });
        }
        let label = if takes_keywords(def) { self.short_label(native) } else { self.native_label(native) };
        let param = &def.params[at];
        let given = given.saturating_sub(receiver);
        let positional: Vec<_> = def
            .params
            .iter()
            .filter(|p| matches!(p.kind, ParamKind::Positional | ParamKind::Either))
            .skip(receiver)
            .collect();
        let most = positional.len();
        let least = positional.iter().filter(|p| p.default.is_empty()).count();
        let s = |n: usize| if n == 1 { "" } else { "s" };
        if is_operator(native) {
            return self.operator_arity(def.name, least, most, given);
        }
        if def.name == "__set_name__" {
            return self.type_error(format!("__set_name__() takes 2 positional arguments but {given} were given"));
        }
        if matches!(param.kind, ParamKind::Either | ParamKind::Keyword) && label == "enumerate" {
            // It counts its arguments itself.
            return self.type_error(format!("enumerate() missing required argument '{}'", param.name));
        }
        if matches!(param.kind, ParamKind::Either | ParamKind::Keyword) {
            return self.type_error(format!(
                "{label}() missing required argument '{}' (pos {})",
                param.name,
                at + 1 - receiver
            ));
        }
        if def.name == "sorted"
            || (matches!(def.name, "__new__" | "__init__") && least == 1 && most == 1 && !takes_keywords(def))
        {
            let label = self.short_label(native);
            return self.type_error(format!("{label} expected 1 argument, got {given}"));
        }
        if takes_keywords(def) {
            let only =
                def.params.iter().skip(receiver).filter(|p| p.kind == ParamKind::Positional && p.default.is_empty());
            let least = only.count();
            let how = if least < most { "at least" } else { "exactly" };
            return self
                .type_error(format!("{label}() takes {how} {least} positional argument{} ({given} given)", s(least)));
        }
        self.type_error(match (least, most) {
            (1, 1) if !is_call_of_class(def.name) => format!("{label}() takes exactly one argument ({given} given)"),
            (least, most) if least == most => {
                format!("{} expected {most} argument{}, got {given}", self.short_label(native), s(most))
            }
            (least, _) => {
                format!("{} expected at least {least} argument{}, got {given}", self.short_label(native), s(least))
            }
        })
    }

    // ---- classes ----

    /// Calls a class: `__new__`, then `__init__`.
    pub(super) fn construct(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        let metaclass = class.get().metaclass.get().map(Gc::held);
        if let Some(metaclass) = metaclass
            && !metaclass.value().raw().same(self.types.type_)
        {
            let name = self.name(Name::Call).held();
            if let Some((call, owner)) = self.lookup_class_with_owner(metaclass, name)
                && !owner.value().raw().same(self.types.type_)
            {
                let call = call.raw();
                self.fiber.registers.set(start - 1, class.value().raw());
                return self.invoke(call, start - 1, argc + 1, keywords);
            }
        }
        self.construct_plain(class, start, argc, keywords)
    }

    /// `type.__call__`.
    pub(super) fn construct_plain(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        if class.value().raw().same(self.types.type_) && argc == 1 && keywords.is_none() {
            return Ok(Invoked::Value(self.class_of(self.fiber.registers.get(start)).value().raw()));
        }
        let (new_name, init_name) = (self.name(Name::New).held(), self.name(Name::Init).held());
        let new = self.lookup_class_with_owner(class, new_name);
        let init = self.lookup_class_with_owner(class, init_name);
        let (Some((new, new_owner)), Some((init, init_owner))) = (new, init) else {
            // A metaclass may have left `object` out of the resolution order.
            let name = self.tp_name(class);
            return Err(self.type_error(format!("cannot create '{name}' instances")));
        };
        let (new, init) = (new.raw(), init.raw());
        let owners = (new_owner.value().raw(), init_owner.value().raw());
        let object = self.types.object;
        let plain_new = new_owner.value().raw().same(object);
        let plain_init = init_owner.value().raw().same(object);
        if plain_new {
            if class.has(ClassFlags::ABSTRACT) {
                return Err(self.abstract_instantiation(class));
            }
            if class.has(ClassFlags::NO_NEW) || class.get().layout != Kind::Instance {
                return self.construct_layout(class, start, argc, keywords, init);
            }
            if plain_init {
                if argc > 0 {
                    let name = class.name().to_str_lossy().into_owned();
                    return Err(self.type_error(format!("{name}() takes no arguments")));
                }
                let instance = Instance::new(&self.heap, class).value().raw();
                if class.has(ClassFlags::FINALISER) {
                    self.made_finalisable(instance);
                    self.replace_local(instance)?;
                }
                return Ok(Invoked::Value(instance));
            }
            let instance = Instance::new(&self.heap, class).value().raw();
            if class.has(ClassFlags::FINALISER) {
                self.made_finalisable(instance);
            }
            let plain = class.get().metaclass.get().is_some_and(|m| m.value().raw().same(self.types.type_));
            if let Some(init) = Value::adopt(init).exact::<Function>()
                && plain
                && !class.has(ClassFlags::FINALISER)
                && class.get().constructor_epoch.get() != self.epoch
            {
                class.set_ref(&self.heap, |c| &c.constructor, Some(init));
                class.get().constructor_epoch.set(self.epoch);
            }
            return self.initialise(instance, init, start, argc, keywords);
        }
        if class.get().layout == Kind::Exception
            && let Some(invoked) = self.construct_exception(class, owners, init, (start, argc), keywords)
        {
            return invoked;
        }
        // `__new__` is looked up as a static method.
        let new = match (Value::adopt(new).exact::<StaticMethod>(), Value::adopt(new).exact::<ClassMethod>()) {
            (Some(method), _) => method.function.get().raw(),
            // One that is a class method gets the class twice.
            (_, Some(method)) => self.bound_method(method.function.get().raw(), class.value().raw()),
            _ => new,
        };
        self.fiber.registers.set(start - 1, class.value().raw());
        if plain_init && Value::adopt(new).exact::<NativeFunction>().is_some() {
            // Nothing to initialise: the result of `__new__` is the result. One of the language may give an instance of a derived
            // class, which has something.
            return self.invoke(new, start - 1, argc + 1, keywords);
        }
        // Arguments are needed twice: they stay in this window, copies go to `__new__`.
        let top = start + argc;
        let keywords_at = top;
        self.fiber.registers.set(keywords_at, keywords.unwrap_or(Raw::NONE));
        self.fiber.registers.set(keywords_at + 1, init);
        self.fiber.registers.set(keywords_at + 2, new);
        for index in 0..=argc {
            let arg = self.fiber.registers.get(start - 1 + index).raw();
            self.fiber.registers.set(keywords_at + 3 + index, arg);
        }
        self.fiber.top = keywords_at + 4 + argc;
        self.carry_out(
            Outcome::Call {
                callee: Root(keywords_at + 2),
                argc: argc + 1,
                keywords: keywords.map(|_| Root(keywords_at)),
                then: Then::Continue(after_new),
            },
            start - 1,
        )
    }

    /// Calls `__init__` on a new instance; the result is the instance.
    pub(super) fn initialise(
        &mut self,
        instance: Raw,
        init: Raw,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
    ) -> Result<Invoked, Raised> {
        self.fiber.registers.set(start - 1, instance);
        if let Some(function) = Value::adopt(init).exact::<Function>() {
            return self.enter(function.held(), start - 1, argc + 1, keywords, instance);
        }
        if let Some(native) = Value::adopt(init).exact::<NativeFunction>() {
            // The window before is free for the instance: a native may overwrite its arguments.
            let native = native.held();
            let at = start + argc;
            self.fiber.registers.set(at, instance);
            self.fiber.registers.set(at + 1, native.value().raw());
            for index in 0..=argc {
                let arg = self.fiber.registers.get(start - 1 + index).raw();
                self.fiber.registers.set(at + 2 + index, arg);
            }
            let keywords_at = at + 3 + argc;
            self.fiber.registers.set(keywords_at, keywords.unwrap_or(Raw::NONE));
            self.fiber.top = keywords_at + 1;
            return self.carry_out(
                Outcome::Call {
                    callee: Root(at + 1),
                    argc: argc + 1,
                    keywords: keywords.map(|_| Root(keywords_at)),
                    then: Then::Continue(after_init),
                },
                at,
            );
        }
        // Some other callable: bind it, and drop its result.
        let class = self.class_of(Value::adopt(instance)).held();
        let callable = self.bind_descriptor(init, instance, class)?;
        let at = start + argc;
        self.fiber.registers.set(at, instance);
        self.fiber.registers.set(at + 1, callable);
        for index in 0..argc {
            let arg = self.fiber.registers.get(start + index).raw();
            self.fiber.registers.set(at + 2 + index, arg);
        }
        self.fiber.registers.set(at + 2 + argc, keywords.unwrap_or(Raw::NONE));
        self.fiber.top = at + 3 + argc;
        self.carry_out(
            Outcome::Call {
                callee: Root(at + 1),
                argc,
                keywords: keywords.map(|_| Root(at + 2 + argc)),
                then: Then::Continue(after_init),
            },
            at,
        )
    }

    /// A class whose `__new__` is object's although its instances are no plain ones.
    fn construct_layout(
        &mut self,
        class: Held<Class>,
        start: u32,
        argc: u32,
        keywords: Option<Raw>,
        init: Raw,
    ) -> Result<Invoked, Raised> {
        let _ = (start, argc, keywords, init);
        let name = class.name().to_str_lossy().into_owned();
        let module = self.module_prefix(class);
        Err(self.type_error(format!("cannot create '{module}{name}' instances")))
    }

    // ---- calls from natives ----

    /// Calls a callable and waits for its result. Natives that can ask by their outcome do that instead: this nests on the machine's
    /// stack.
    pub fn call(&mut self, callee: Root, args: &[Root]) -> Result<Root, Raised> {
        self.call_keywords(callee, args, None)
    }

    /// As `call`, of values; what it returns is not rooted.
    pub(crate) fn call_raw(&mut self, callee: Raw, args: &[Raw]) -> Result<Raw, Raised> {
        let mark = self.mark();
        self.push_raw(callee);
        for arg in args {
            self.push_raw(arg.copied());
        }
        let result = self.call_window(mark, args.len() as u32, None)?;
        self.release(mark);
        Ok(result)
    }

    /// As `call`; `keywords` is a root with a tuple that names the last arguments.
    pub fn call_keywords(&mut self, callee: Root, args: &[Root], keywords: Option<Root>) -> Result<Root, Raised> {
        let mark = self.mark();
        let callee = callee.get(self).raw();
        self.push_raw(callee);
        for arg in args {
            let raw = arg.get(self).raw();
            self.push_raw(raw);
        }
        let keywords = keywords.map(|k| k.get(self).raw());
        let result = self.call_window(mark, args.len() as u32, keywords)?;
        self.release(mark);
        Ok(self.push_raw(result))
    }

    /// Calls what is in register `at` with the `argc` registers after it.
    pub(super) fn call_window(&mut self, at: u32, argc: u32, keywords: Option<Raw>) -> Result<Raw, Raised> {
        self.check_stack()?;
        let callee = self.fiber.registers.get(at).raw();
        let (window, top) = (self.fiber.window, self.fiber.top);
        if keywords.is_none()
            && let Some(native) = Value::<'static>::adopt(callee).exact::<NativeFunction>()
            && native.get().takes(argc as usize)
            && matches!(native.get().def.kind, NativeKind::Function | NativeKind::StaticMethod)
        {
            // Nothing to arrange, and mostly no script to run.
            let (start, count) = (at + 1, u32::from(native.get().positional));
            for missing in start + argc..start + count {
                self.fiber.registers.set(missing, Raw::UNBOUND);
            }
            // What the native that calls has pushed must be seen, should this one run a script that collects.
            self.push_exit(at);
            (self.fiber.window, self.fiber.top) = (start, start + count);
            let result = match (native.get().def.run)(self, Args { start, count }) {
                Ok(Outcome::Value(raw)) => {
                    self.fiber.records.pop();
                    Ok(raw)
                }
                Ok(other) => {
                    self.fiber.window = window;
                    let invoked = self.carry_out_checked(other, start);
                    self.finish_nested(invoked)
                }
                Err(raised) => {
                    self.fiber.records.pop();
                    Err(raised)
                }
            };
            (self.fiber.window, self.fiber.top) = (window, top);
            return result;
        }
        self.push_exit(at);
        let invoked = self.invoke(callee, at + 1, argc, keywords);
        let result = self.finish_nested(invoked);
        (self.fiber.window, self.fiber.top) = (window, top);
        result
    }

    pub(super) fn push_exit(&mut self, base: u32) {
        self.push_exit_taking(base, None);
    }

    /// As `push_exit`, of a native that has items of a generator taken as they come.
    pub(super) fn push_exit_taking(&mut self, base: u32, taker: Option<Taker>) {
        let window = self.fiber.window;
        self.fiber.records.push(Record {
            kind: RecordKind::Exit { window, taker },
            deliver: Deliver::Store,
            dst: 0,
            flags: 0,
            base,
            end: base,
            ip: std::ptr::null(),
            next: std::ptr::null(),
            target: std::ptr::null(),
            function: None,
            handled: Raw::UNBOUND,
        });
    }

    /// Runs what `invoked` started until its result reaches the exit record, which is popped.
    pub(super) fn finish_nested(&mut self, invoked: Result<Invoked, Raised>) -> Result<Raw, Raised> {
        match invoked {
            Ok(Invoked::Pushed) if self.fiber.stopping => {
                let _ = self.stop_raised();
                self.finish_nested(Ok(Invoked::Raise))
            }
            Ok(Invoked::Pushed) => {
                let waits = self.interrupt().load(Ordering::Relaxed) != 0;
                if waits && self.safepoint_of_call().is_err() {
                    return self.finish_nested(Ok(Invoked::Raise));
                }
                self.fiber.nesting += 1;
                let result = self.run();
                self.fiber.nesting -= 1;
                result
            }
            Ok(Invoked::Value(raw)) => {
                self.fiber.records.pop();
                Ok(raw)
            }
            Ok(Invoked::Raise) => {
                self.fiber.nesting += 1;
                let result = match self.unwind() {
                    Ok(Some(raw)) => Ok(raw),
                    Ok(None) => self.run(),
                    Err(raised) => Err(raised),
                };
                self.fiber.nesting -= 1;
                result
            }
            Ok(Invoked::Suspended(_) | Invoked::Yielded(_)) => {
                self.fiber.records.pop();
                Err(self.system_error("a native suspended where nothing awaits it"))
            }
            Err(raised) => {
                self.fiber.records.pop();
                Err(raised)
            }
        }
    }

    /// Calls a method of an object and waits for its result.
    pub fn call_method(&mut self, object: Root, name: &str, args: &[Root]) -> Result<Root, Raised> {
        let mark = self.mark();
        let name = self.intern(name).value().raw();
        let name = self.push_raw(name);
        let method = self.get_attribute(object, name)?;
        let result = self.call(method, args)?;
        Ok(self.release_keeping(mark, result))
    }
}

/// The register of a parameter: past the near ones they are far.
pub(super) fn parameter_register(code: &Code, index: u32) -> u32 {
    let near = u32::from(code.near_locals);
    if index < near { index } else { u32::from(code.far_base) + index - near }
}

/// Whether calls of a method are calls of its class, or of an instance: errors name the class.
fn is_call_of_class(name: &str) -> bool {
    matches!(name, "__new__" | "__init__" | "__call__")
}

/// Whether a native has parameters that may be given by name, and no `**kwargs`.
fn takes_keywords(def: &NativeDef) -> bool {
    def.params.iter().any(|p| matches!(p.kind, ParamKind::Either | ParamKind::Keyword))
        && !def.params.iter().any(|p| matches!(p.kind, ParamKind::KeywordRest | ParamKind::Rest))
}

/// Whether a native is the method of an operator or statement, which CPython wraps.
fn is_operator(native: Held<NativeFunction>) -> bool {
    let def = native.get().def;
    def.kind == NativeKind::Method
        && native.get().class.get().is_some_and(|class| super::repr::is_slot(def.name, &class.name().to_str_lossy()))
        && !matches!(def.name, "__init__" | "__call__")
}

/// The first parameter that must be given by position or name and was not; none where a native takes no names at all.
fn first_missing(def: &NativeDef, bound: &[Raw]) -> Option<usize> {
    let required =
        |p: &super::native::Param| p.default.is_empty() && matches!(p.kind, ParamKind::Positional | ParamKind::Either);
    def.params.iter().zip(bound).position(|(p, value)| required(p) && value.is_unbound())
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

/// Window: class, arguments, keywords or None, `__init__`.
fn after_new(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(object) = resumed else { unreachable!("exceptions pass") };
    let argc = window.count - 3;
    let class = window.get(cx, 0).exact::<Class>().expect("the class").held();
    if !cx.class_of(object.get(cx)).is_subclass(class) {
        return Ok(object.get(cx).into());
    }
    let keywords = window.root(argc as usize + 1);
    let init = window.root(argc as usize + 2);
    let has_keywords = !keywords.get(cx).is_none();
    let instance_class = cx.class_of(object.get(cx)).held();
    // The object's own class may have another `__init__`.
    let name = cx.name(Name::Init).held();
    let init_raw = match cx.lookup_class_with_owner(instance_class, name) {
        Some((_, owner)) if owner == cx.object_class() => return Ok(object.get(cx).into()),
        Some((own, _)) => own.raw(),
        None => init.get(cx).raw(),
    };
    let receiver = object.get(cx).raw();
    let bound = cx.bind_descriptor(init_raw, receiver, instance_class)?;
    let callee = cx.push_raw(bound);
    for index in 0..argc {
        let arg = window.get(cx, 1 + index as usize).raw();
        cx.push_raw(arg);
    }
    // The object takes the class's place, to be there afterwards.
    let object = object.get(cx).raw();
    cx.fiber.registers.set(window.start, object);
    Ok(Outcome::Call { callee, argc, keywords: has_keywords.then_some(keywords), then: Then::Continue(after_init) })
}

/// Window: the instance first.
fn after_init(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Returned(value) = resumed
        && !value.get(cx).is_none()
    {
        let got = cx.type_name_for_error(value.get(cx));
        return Err(cx.type_error(format!("__init__() should return None, not '{got}'")));
    }
    Ok(window.get(cx, 0).into())
}

impl Vm {
    /// Raises StopIteration with a value.
    pub fn stop_iteration(&mut self, value: Root) -> Raised {
        if value.get(self).is_none() {
            return self.raise_new(Exc::StopIteration, &[]);
        }
        self.raise_new(Exc::StopIteration, &[value])
    }
}
