//! What is left of the instructions: calls with `*` and `**`, `with`, and the intrinsics.

use smallvec::SmallVec;

use crate::bytecode::op::Intrinsic;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{BoundMethod, Class, ClassFlags, CodeObject, Dict, Exc, Exception, Tuple};

use super::call::Invoked;
use super::compare::CompareKind;
use super::native::{Args, NativeFunction, NativeResult, Raised, Resumed, Root, Then};
use super::{Name, Vm};

impl Vm {
    /// `callee(*args, **keywords)`: the parts are callee, a tuple, and a dict or None.
    pub(super) fn call_extended(&mut self, parts: [Raw; 3]) -> Result<Invoked, Raised> {
        let [callee, args, keywords] = parts;
        let at = self.fiber.top;
        let items = Value::adopt(args).exact::<Tuple>().expect("the compiler made a tuple").held();
        let dict = Value::adopt(keywords).exact::<Dict>().map(Gc::held);
        let count = items.len() + dict.map_or(0, |d| d.len());
        self.check_registers(at, count)?;
        self.push_raw(callee);
        for item in items.items() {
            self.push_raw(item.raw());
        }
        let mut names = None;
        if let Some(dict) = dict
            && !dict.is_empty()
        {
            let pairs: SmallVec<[(Raw, Raw); 8]> = dict.iter().map(|(k, v)| (k.raw(), v.raw())).collect();
            let is_text = |raw: Raw| self.as_str(Value::adopt(raw)).is_some();
            if pairs.iter().any(|(name, _)| !is_text(*name)) && !self.is_lenient_callee(callee) {
                return Err(self.type_error("keywords must be strings".into()));
            }
            let tuple = Tuple::build(&self.heap, pairs.len(), |i| Value::adopt(pairs[i].0));
            names = Some(tuple.value().raw());
            for (_, value) in &pairs {
                self.push_raw(*value);
            }
        }
        self.invoke(callee, at + 1, count as u32, names)
    }

    /// Raises RecursionError if so many registers from one on would leave too few: natives push a few without asking.
    pub(crate) fn check_registers(&mut self, from: u32, count: usize) -> Result<(), Raised> {
        let fits = from as usize + count + 1024 <= self.fiber.registers.len();
        if fits { Ok(()) } else { Err(self.recursion_error()) }
    }

    /// Whether a call has something else to complain of before it looks whether the names of keywords are texts: what can't be called,
    /// operators' methods, which take no keywords, and classes whose instances are made by what they inherit.
    fn is_lenient_callee(&self, callee: Raw) -> bool {
        let value: Value<'static> = Value::adopt(callee);
        let wrapper = |value: Value<'static>| {
            value.exact::<NativeFunction>().is_some_and(|native| super::is_wrapper_of(native.held()))
        };
        match value.kind() {
            Kind::Function => false,
            Kind::Class => value
                .exact::<Class>()
                .is_some_and(|class| class.has(ClassFlags::HEAP) || class.value().raw().same(self.types.object)),
            Kind::Native => wrapper(value),
            Kind::BoundMethod => {
                let method = value.exact::<BoundMethod>().expect("a bound method");
                wrapper(Value::adopt(method.get().function.get().raw()))
            }
            _ => self.class_of(value).lookup(&self.heap, self.name(Name::Call)).is_none(),
        }
    }

    /// Calls `method`, found in the class of `receiver`, without arguments; the register before `start` is free and `start` holds
    /// the receiver.
    pub(super) fn invoke_bound(&mut self, method: Raw, receiver: Raw, start: u32) -> Result<Invoked, Raised> {
        self.fiber.top = start + 1;
        let outcome = self.call_unbound(method, receiver, &[], Then::Return)?;
        self.carry_out(outcome, start)
    }

    /// The enter method of a context manager (as found in its class), and its bound exit method.
    pub(super) fn with_methods(&mut self, manager: Raw, is_async: bool) -> Result<(Raw, Raw), Raised> {
        let class = self.class_of(Value::adopt(manager)).held();
        let (enter_name, exit_name) = if is_async { (Name::AEnter, Name::AExit) } else { (Name::Enter, Name::Exit) };
        let (enter, exit) = (self.name(enter_name).held(), self.name(exit_name).held());
        let enter = self.lookup_class(class, enter).map(|v| v.raw());
        let exit = self.lookup_class(class, exit).map(|v| v.raw());
        let (Some(enter), Some(exit)) = (enter, exit) else {
            let path = self.class_path(class);
            let got = path.strip_prefix("__main__.").unwrap_or(&path);
            // The exit method is looked for first.
            let missing = if exit.is_none() { exit_name.text() } else { enter_name.text() };
            let kind = if is_async { "asynchronous context manager" } else { "context manager" };
            let mut text = format!("'{got}' object does not support the {kind} protocol (missed {missing} method)");
            let other = if is_async { [Name::Enter, Name::Exit] } else { [Name::AEnter, Name::AExit] };
            let other = other.map(|name| self.name(name).held());
            if other.into_iter().all(|name| self.lookup_class(class, name).is_some()) {
                let (is, use_) = if is_async {
                    ("the context manager", "with")
                } else {
                    ("the asynchronous context manager", "async with")
                };
                text.push_str(&format!(" but it supports {is} protocol. Did you mean to use '{use_}'?"));
            }
            return Err(self.type_error(text));
        };
        let bound = self.bind_descriptor(exit, manager, class)?;
        Ok((enter, bound))
    }

    /// The function of a bound exit method, with what it is called with in the registers from `start` on: its receiver and three None.
    pub(super) fn exit_arguments(&mut self, exit: Raw, start: u32) -> Option<Raw> {
        let method = Value::adopt(exit).exact::<BoundMethod>()?;
        let (function, receiver) = (method.function.get().raw(), method.receiver.get().raw());
        self.fiber.registers.set(start, receiver);
        (start + 1..start + 4).for_each(|at| self.fiber.registers.set(at, Raw::NONE));
        Some(function)
    }

    /// Calls a bound exit method with what an exception is made of, or three None for UNBOUND.
    pub(super) fn call_exit(&mut self, exit: Raw, exception: Raw) -> Result<Invoked, Raised> {
        let at = self.fiber.top;
        self.push_raw(exit);
        if exception.is_unbound() {
            for _ in 0..3 {
                self.push_raw(Raw::NONE);
            }
        } else {
            let class = self.class_of(Value::adopt(exception)).value().raw();
            let traceback = Value::adopt(exception)
                .exact::<Exception>()
                .and_then(|e| e.traceback.get().map(|t| t.value().raw()))
                .unwrap_or(Raw::NONE);
            self.push_raw(class);
            self.push_raw(exception);
            self.push_raw(traceback);
        }
        self.invoke(exit, at + 1, 3, None)
    }

    /// `globals()` and `locals()` of the innermost frame of the language: for natives that default to them.
    pub fn caller_namespaces(&mut self) -> Result<(Raw, Raw), Raised> {
        let Some(at) = (0..self.fiber.records.len()).rev().find(|i| self.fiber.records[*i].function.is_some()) else {
            return Err(self.system_error("no frame is running"));
        };
        let globals = self.fiber.records[at].function.expect("just looked").globals().value().raw();
        let locals = self.locals_of(at)?;
        Ok((globals, locals))
    }

    /// `locals()` of the innermost frame of the language.
    pub fn caller_locals(&mut self) -> Result<Root, Raised> {
        let (_, locals) = self.caller_namespaces()?;
        Ok(self.push_raw(locals))
    }

    /// The code of the innermost frame of the language.
    pub fn running_code(&self) -> Option<Gc<'_, CodeObject>> {
        self.fiber.records.iter().rev().find_map(|record| record.function).map(|function| function.code())
    }

    /// `globals()` of the innermost frame of the language; an empty dict where there is none.
    pub fn caller_globals(&mut self) -> Root {
        let found = self.fiber.records.iter().rev().find_map(|r| r.function).map(|f| f.globals().value().raw());
        let raw = found.unwrap_or_else(|| Dict::new(&self.heap).value().raw());
        self.push_raw(raw)
    }

    /// Whether a value can be called.
    pub fn is_callable(&self, value: Value<'_>) -> bool {
        self.lookup_class(self.class_of(value), self.name(Name::Call)).is_some()
    }

    /// A dict of an object's own attributes as they are now; asking for it changes nothing.
    pub fn instance_copy(&self, raw: Raw) -> Option<Gc<'static, Dict>> {
        let heap = self.heap.forever();
        let value: Value<'static> = Value::adopt(raw);
        let Some(instance) = value.cell_of_kind::<crate::object::Instance>() else {
            return self.own_dict(value).and_then(|d| d.held().copy(heap).ok());
        };
        if let Some(dict) = instance.dict() {
            return dict.copy(heap).ok();
        }
        let dict = Dict::new(heap);
        for (slot, name) in self.shapes.names(heap, instance.shape()) {
            let content = instance.slot(slot);
            if !content.is_unbound() {
                dict.set_str(heap, name, content).ok()?;
            }
        }
        Some(dict)
    }

    // ---- intrinsics ----

    pub(super) fn intrinsic(&mut self, kind: Intrinsic, operands: &[Raw]) -> Result<Raw, Raised> {
        match kind {
            Intrinsic::DisplayHook => {
                let sys = self.find_module("sys").map(|v| v.raw());
                let value = self.push_raw(operands[0]);
                let Some(sys) = sys else { return Ok(Raw::NONE) };
                let sys = self.push_raw(sys);
                let hook = self.attribute(sys, "displayhook")?;
                self.call(hook, &[value])?;
                Ok(Raw::NONE)
            }
            Intrinsic::CheckAnnotateFormat => {
                let format = self.push_raw(operands[0]);
                let known = self.push_raw(Raw::int(2));
                if self.compare_roots(CompareKind::Gt, format, known)? {
                    return Err(self.raise_new(Exc::NotImplementedError, &[]));
                }
                Ok(Raw::NONE)
            }
            Intrinsic::StopIterationError => {
                // The machine itself turns a StopIteration that leaves a generator.
                Ok(operands[0])
            }
            Intrinsic::CallArgs => {
                let value = Value::adopt(operands[0]);
                if value.exact::<Tuple>().is_some() {
                    return Ok(operands[0]);
                }
                let (items, callee) = (self.push_raw(operands[0]), self.push_raw(operands[1]));
                let iterable = value.kind() == Kind::List && !value.is_subclassed() || {
                    let class = self.class_of(items.get(self)).held();
                    let (iter, item) = (self.name(Name::Iter).held(), self.name(Name::GetItem).held());
                    self.lookup_class(class, iter).is_some() || self.lookup_class(class, item).is_some()
                };
                if !iterable {
                    let function = self.callee_text(callee)?;
                    let got = self.type_name_for_error(items.get(self));
                    return Err(self.type_error(format!("{function} argument after * must be an iterable, not {got}")));
                }
                Ok(self.tuple_from(items)?.get(self).raw())
            }
            Intrinsic::SetupAnnotations => {
                let names = operands[0];
                let key = self.name(Name::Annotations).value().raw();
                let (names, key) = (self.push_raw(names), self.push_raw(key));
                if !self.contains_root(names, key)? {
                    let dict = Dict::new(&self.heap).value().raw();
                    let dict = self.push_raw(dict);
                    self.set_item_root(names, key, dict)?;
                }
                Ok(Raw::NONE)
            }
            Intrinsic::ConditionalAnnotations => {
                if Value::adopt(operands[0]).is_unbound() || Value::adopt(operands[0]).is_none() {
                    return Ok(crate::object::Set::new(&self.heap).value().raw());
                }
                Ok(operands[0])
            }
            Intrinsic::TypeVar
            | Intrinsic::ParamSpec
            | Intrinsic::TypeVarTuple
            | Intrinsic::TypeAlias
            | Intrinsic::SubscriptGeneric
            | Intrinsic::SetTypeParams => self.typing_intrinsic(kind, operands),
        }
    }

    /// Type parameters and aliases are objects of the module `typing`, made by its functions of these names.
    fn typing_intrinsic(&mut self, kind: Intrinsic, operands: &[Raw]) -> Result<Raw, Raised> {
        if kind == Intrinsic::SetTypeParams {
            let (function, params) = (self.push_raw(operands[0]), self.push_raw(operands[1]));
            let name = self.name(Name::TypeParams).value().raw();
            let name = self.push_raw(name);
            self.set_attribute(function, name, params)?;
            return Ok(operands[0]);
        }
        let name = match kind {
            Intrinsic::TypeVar => "_make_typevar",
            Intrinsic::ParamSpec => "_make_paramspec",
            Intrinsic::TypeVarTuple => "_make_typevartuple",
            Intrinsic::TypeAlias => "_make_typealias",
            _ => "_make_generic",
        };
        let mark = self.mark();
        let module = self.import("_typeparams")?;
        let maker = self.attribute(module, name)?;
        let args: Vec<Root> = operands.iter().map(|raw| self.push_raw(*raw)).collect();
        let raw = self.call(maker, &args)?.get(self).raw();
        self.release(mark);
        Ok(raw)
    }

    /// A DeprecationWarning, through `warnings` where that is loaded; such warnings are ignored by default outside `__main__`.
    pub(super) fn warn_deprecated(&mut self, message: &str) -> Result<(), Raised> {
        self.warn(Exc::DeprecationWarning, message)
    }

    /// Issues a warning: calls `warnings.warn(message, category)`.
    pub fn warn(&mut self, class: Exc, message: &str) -> Result<(), Raised> {
        self.warn_of(class, message, None)
    }

    /// As `warn`; `source` is what the warning is about.
    pub fn warn_of(&mut self, class: Exc, message: &str, source: Option<Root>) -> Result<(), Raised> {
        let mark = self.mark();
        let module = self.import("warnings")?;
        let warn = self.attribute(module, "warn")?;
        let text = self.str(message).value().raw();
        let text = self.push_raw(text);
        let class = self.exception_class(class).value().raw();
        let class = self.push_raw(class);
        match source {
            Some(source) => {
                let level = self.push_raw(Value::int(1).raw());
                self.call(warn, &[text, class, level, source])?;
            }
            None => {
                self.call(warn, &[text, class])?;
            }
        }
        self.release(mark);
        Ok(())
    }

    /// `text % values`, for str and bytes: the class's own `__mod__`.
    pub(super) fn percent_format(&mut self, a: Raw, b: Raw) -> Result<Raw, Raised> {
        self.run_nested(|cx| cx.percent_invoked(a, b))
    }

    /// As `percent_format`, for the run loop.
    pub(super) fn percent_invoked(&mut self, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let class = self.class_of(Value::adopt(a)).held();
        let name = self.name(Name::Mod).held();
        let method = self.lookup_class(class, name).map(|v| v.raw());
        let Some(native) = method.and_then(|m| Value::<'static>::adopt(m).exact::<NativeFunction>()) else {
            return Err(self.unsupported(crate::bytecode::op::BinaryKind::Mod, false, a, b));
        };
        let start = self.fiber.top;
        self.push_raw(a);
        self.push_raw(b);
        self.run_native(native.get().def, Args { start, count: 2 })
    }
}

/// The result as it is: a continuation for natives that only wait.
pub fn pass_on(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) => Err(cx.raise(exception)),
    }
}
