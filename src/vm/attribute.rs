//! Attributes: how `object.name` is looked up, set and deleted.
//!
//! Four algorithms exist (objects, classes, modules, super objects), and each comes in two steps. The first calls nothing: it finds the
//! value, or says what must be called for it ([`Loaded`]). The second asks the run loop for that call, with `__getattr__` as a
//! continuation where a class has one; so properties, descriptors and hooks written in the language never nest on the machine's stack.
//!
//! Two caches stand before this. Instructions remember a shape and a slot (`run::cached`); the machine remembers where in which class a
//! name was found, by class and name. Both hold as long as the epoch does: `class.rs` says when that ends.

use std::cell::Cell as StdCell;

use smallvec::{SmallVec, smallvec};

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    Access, BoundMethod, Class, ClassFlags, ClassMethod, Dict, Exc, Function, GetSet, Instance, Module, Property,
    ShapeId, StaticMethod, Str, Super,
};

use super::call::Invoked;
use super::frame::{Held, RecordKind};
use super::lookup::UseOf;
use super::native::{
    Args, NativeFunction, NativeKind, NativeResult, Outcome, Raised, Resumed, Root, Then, takes_receiver,
};
use super::run::{cached, cell_of, shape_key};
use super::{Name, Vm};

/// Arguments of a call that gives an attribute.
pub(super) type Few = SmallVec<[Raw; 3]>;

/// What the first step of a look-up came to.
#[derive(Debug)]
pub(super) enum Loaded {
    /// The value.
    Value(Raw),
    /// What this callable returns for these arguments.
    Call(Raw, Few),
    /// There is no such attribute.
    Missing,
}

impl Vm {
    // ---- reading: the first step ----

    /// Looks an attribute up as the object's kind does it; neither `__getattribute__` of a script nor `__getattr__` is asked.
    pub(super) fn load_plain(&mut self, object: Raw, class: Held<Class>, name: Held<Str>) -> Result<Loaded, Raised> {
        let (mut object, mut class) = (object, class);
        loop {
            let value: Value<'static> = Value::adopt(object);
            return match value.kind() {
                Kind::Class => self.load_from_class(value.exact().expect("a class"), class, name),
                Kind::Module => self.load_from_module(value.exact().expect("a module"), class, name),
                Kind::Super => match payload_of(value).exact::<Super>() {
                    Some(of) => self.load_from_super(of, object, class, name),
                    None => self.load_from_object(object, class, name),
                },
                Kind::BoundMethod => match self.load_from_object(object, class, name)? {
                    Loaded::Missing => {
                        // Methods of methods go down as far as a script likes.
                        object = value.exact::<BoundMethod>().expect("a bound method").get().function.get().raw();
                        class = self.class_of(Value::adopt(object)).held();
                        continue;
                    }
                    found => Ok(found),
                },
                _ => self.load_from_object(object, class, name),
            };
        }
    }

    /// `object.__getattribute__`.
    pub(super) fn load_from_object(
        &mut self,
        object: Raw,
        class: Held<Class>,
        name: Held<Str>,
    ) -> Result<Loaded, Raised> {
        let attr = self.lookup_class(class, name).map(Value::raw);
        if let Some(attr) = attr
            && self.is_data_descriptor(attr)
            && self.is_readable_descriptor(attr)
        {
            return self.bind_attribute(attr, object, class);
        }
        if let Some(own) = self.own_attribute(Value::adopt(object), name) {
            return Ok(Loaded::Value(own.raw()));
        }
        match attr {
            Some(attr) => self.bind_attribute(attr, object, class),
            None => Ok(Loaded::Missing),
        }
    }

    /// `type.__getattribute__`.
    pub(super) fn load_from_class(
        &mut self,
        object: Held<Class>,
        metaclass: Held<Class>,
        name: Held<Str>,
    ) -> Result<Loaded, Raised> {
        let raw = object.value().raw();
        let meta = self.lookup_class(metaclass, name).map(Value::raw);
        if let Some(meta) = meta
            && self.is_data_descriptor(meta)
        {
            return self.bind_attribute(meta, raw, metaclass);
        }
        if let Some(attr) = self.lookup_class(object, name).map(Value::raw) {
            return self.bind_attribute(attr, Raw::UNBOUND, object);
        }
        match meta {
            Some(meta) => self.bind_attribute(meta, raw, metaclass),
            None => Ok(Loaded::Missing),
        }
    }

    /// `module.__getattribute__`, with the `__getattr__` a module may define.
    pub(super) fn load_from_module(
        &mut self,
        module: Held<Module>,
        class: Held<Class>,
        name: Held<Str>,
    ) -> Result<Loaded, Raised> {
        if module.get().spec_due.get() && self.is_spec(name) {
            self.make_spec(module)?;
        }
        match self.load_from_object(module.value().raw(), class, name)? {
            Loaded::Missing => {}
            found => return Ok(found),
        }
        match module.dict().get_str(&self.heap, self.name(Name::GetAttr)) {
            Some(hook) => Ok(Loaded::Call(hook.raw(), smallvec![name.value().raw()])),
            None => Ok(Loaded::Missing),
        }
    }

    /// An attribute that an instance has itself, where its class has no say in it; None where it is to be looked up in full.
    pub(crate) fn attribute_at_once(&self, object: Raw, name: Gc<'_, Str>) -> Option<Raw> {
        let instance = Value::<'static>::adopt(object).exact::<Instance>()?;
        let (shape, class) = (instance.shape(), self.class_of(instance.value()));
        if self.shapes.is_dict_mode(shape) || class.has(ClassFlags::GETATTRIBUTE) {
            return None;
        }
        let found = instance.slot(self.shapes.slot(shape, name)?).given()?.raw();
        self.lookup_class(class, name).is_none().then_some(found)
    }

    /// `super.__getattribute__`.
    pub(super) fn load_from_super(
        &mut self,
        of: Held<Super>,
        object: Raw,
        class: Held<Class>,
        name: Held<Str>,
    ) -> Result<Loaded, Raised> {
        if let (Some(after), Some(start)) = (of.get().class.get(), of.get().receiver_class.get())
            && name != self.name(Name::Class)
        {
            let receiver = of.get().receiver.get().raw();
            if let Some(found) = self.load_after(after, start, receiver, name) {
                return found;
            }
        }
        self.load_from_object(object, class, name)
    }

    /// An attribute found behind a class in the method resolution order of `start`, bound to the receiver.
    pub(super) fn load_after(
        &mut self,
        after: Held<Class>,
        start: Held<Class>,
        receiver: Raw,
        name: Held<Str>,
    ) -> Option<Result<Loaded, Raised>> {
        let mut behind = start.mro();
        behind.find(|c| *c == after)?;
        let left = behind.len();
        let next = behind.next()?;
        // What is left of the order is mostly the order of the next class itself, and that look-up is remembered.
        let attr = if next.mro().len() == left {
            self.lookup_class(next, name)?.raw()
        } else {
            let mut rest = std::iter::once(next).chain(behind);
            rest.find_map(|c| c.namespace().get_str(&self.heap, name))?.raw()
        };
        let receiver = if receiver.same(start.value().raw()) { Raw::UNBOUND } else { receiver };
        Some(self.bind_attribute(attr, receiver, start))
    }

    // ---- reading: the second step ----

    /// The instruction `dst = object.name`.
    pub(super) fn get_attr_op(&mut self, object: Raw, name: Raw, cache: [&StdCell<u32>; 5]) -> Result<Invoked, Raised> {
        if let Some(found) = self.recall_value(object, text(name), cache) {
            return found;
        }
        let class = self.class_of(Value::adopt(object)).held();
        let flags = class.get().flags.get();
        let loaded = if flags.contains(ClassFlags::GETATTRIBUTE) {
            None
        } else {
            if let Some(done) = self.load_cached(object, class, text(name), cache) {
                return done;
            }
            match self.load_plain(object, class, text(name)) {
                Ok(Loaded::Value(raw)) => return Ok(Invoked::Value(raw)),
                Ok(Loaded::Call(callee, args)) if !flags.contains(ClassFlags::GETATTR) => {
                    let start = self.fiber.top + 1;
                    for arg in &args {
                        self.fiber.top += 1;
                        self.fiber.registers.set(self.fiber.top, *arg);
                    }
                    self.fiber.top += 1;
                    return self.invoke(callee, start, args.len() as u32, None);
                }
                other => Some(other),
            }
        };
        self.with_window(|cx, start| {
            let (object, name) = (cx.push_raw(object), cx.push_raw(name));
            let outcome = cx.resolve(object, name, class, loaded, None)?;
            cx.carry_out(outcome, start)
        })
    }

    /// Calls the getter of a property for an instruction.
    #[inline]
    pub(super) fn call_getter(&mut self, getter: Held<Function>, object: Raw) -> Result<Invoked, Raised> {
        let start = self.fiber.top + 1;
        self.fiber.registers.set(start, object);
        self.fiber.top = start + 1;
        self.enter(getter, start, 1, None, Raw::UNBOUND)
    }

    /// Whether the collector would miss nothing if the window began at the top from now on: it is empty, as the run loop leaves it before it
    /// carries out an instruction, or the record on top has it.
    pub(super) fn window_is_kept(&self) -> bool {
        let fiber = &self.fiber;
        fiber.window >= fiber.top
            || fiber.records.last().is_some_and(|record| match record.kind {
                RecordKind::Exit { window, .. } => window <= fiber.window && record.base >= fiber.top,
                RecordKind::Native { count, .. } => record.base <= fiber.window && record.base + count >= fiber.top,
                RecordKind::Plain | RecordKind::InPlace { .. } => false,
            })
    }

    /// Runs something as a native with an empty window at the top would. Only for instructions: what a native has in its window needs a record
    /// (`nested`, `run_nested`).
    pub(super) fn with_window<T>(&mut self, work: impl FnOnce(&mut Vm, u32) -> Result<T, Raised>) -> Result<T, Raised> {
        debug_assert!(self.window_is_kept());
        let (window, start) = (self.fiber.window, self.fiber.top);
        self.fiber.window = start;
        let result = work(self, start);
        self.fiber.window = window;
        result
    }

    /// Fills the cache of a `GetAttr` where it can be filled; what came of it if it was.
    pub(super) fn load_cached(
        &mut self,
        object: Raw,
        class: Held<Class>,
        name: Held<Str>,
        cache: [&StdCell<u32>; 5],
    ) -> Option<Result<Invoked, Raised>> {
        let value: Value<'static> = Value::adopt(object);
        if let Some(instance) = value.exact::<Instance>() {
            let shape = instance.shape();
            let slot = match self.lookup_class(class, name).map(Value::raw) {
                Some(attr) if self.is_data_descriptor(attr) => {
                    let descriptor: Value<'static> = Value::adopt(attr);
                    if let Some(property) = descriptor.exact::<Property>() {
                        let getter = property.get().get.get().exact::<Function>()?.held();
                        if property.shape() != 0 || class.has(ClassFlags::GETATTR) {
                            return None;
                        }
                        let (low, high) = pointer_words(getter.value().raw());
                        self.remember(UseOf::Get, cache, shape, name, [cached::GETTER, low, high]);
                        return Some(self.call_getter(getter, object));
                    }
                    if let Some(slot) = self.aliased_slot(descriptor, shape) {
                        slot
                    } else {
                        let getset = descriptor.exact::<GetSet>()?;
                        let Access::Slot(slot) = getset.get().access else { return None };
                        if !self.getset_applies(getset, object) {
                            return None;
                        }
                        usize::from(slot)
                    }
                }
                _ if self.shapes.is_dict_mode(shape) => return None,
                attr => match self.shapes.slot(shape, name) {
                    Some(slot) => slot,
                    None => return self.load_class_data(shape, class, attr?, name, cache),
                },
            };
            let found = instance.slot(slot).given()?.raw();
            self.remember(UseOf::Get, cache, shape, name, [cached::INLINE, slot as u32, 0]);
            return Some(Ok(Invoked::Value(found)));
        }
        let dict = match value.kind() {
            Kind::Module => {
                let module = value.exact::<Module>()?;
                if module.get().spec_due.get() && self.is_spec(name) {
                    return None;
                }
                module.dict()
            }
            Kind::Class => {
                // Only what is in the class itself, and is not bound when it is reached through the class.
                let of = value.exact::<Class>()?;
                let attr = self.lookup_class(of, name)?.raw();
                if !Vm::is_plain_data(attr) && Value::adopt(attr).kind() != Kind::Function {
                    return None;
                }
                of.namespace()
            }
            kind => {
                let plain = !matches!(kind, Kind::Native | Kind::BoundMethod | Kind::GetSet | Kind::Super);
                let attr: Value<'static> = Value::adopt(self.lookup_class(class, name)?.raw());
                if kind == Kind::Tuple
                    && let Some(number) = self.field_number(attr)
                {
                    let item = self.item_of_derived(object, number)?;
                    fill(cache, [shape_key(object), self.epoch, cached::FIELD, number as u32, 0]);
                    return Some(Ok(Invoked::Value(item)));
                }
                let getset = attr.exact::<GetSet>().filter(|_| plain)?;
                let getter = getset.get().getter.value().raw();
                let native = Value::adopt(getter).exact::<NativeFunction>()?;
                if !native.get().simple
                    || native.get().positional != 1
                    || !matches!(getset.get().access, Access::Native { .. })
                    || !self.getset_applies(getset, object)
                {
                    return None;
                }
                let (low, high) = pointer_words(getter);
                fill(cache, [shape_key(object), self.epoch, cached::NATIVE, low, high]);
                return Some(self.call_native_getter(native.held(), object));
            }
        };
        if let Some(attr) = self.lookup_class(class, name).map(Value::raw)
            && self.is_data_descriptor(attr)
        {
            return None;
        }
        let index = dict.find_str(&self.heap, name)?;
        fill(cache, [dict.version(), self.epoch, cached::MODULE, index as u32, 0]);
        Some(Ok(Invoked::Value(dict.value_at(index).raw())))
    }

    /// The slot of the attribute that a descriptor of the library stands for in instances of a shape.
    fn aliased_slot(&self, descriptor: Value<'static>, shape: ShapeId) -> Option<usize> {
        let own = descriptor.exact::<Instance>().filter(|own| own.dict().is_none())?;
        if !self.class_of(descriptor).has(ClassFlags::ALIAS) || self.shapes.is_dict_mode(shape) {
            return None;
        }
        let name = own.slot(0).exact::<Str>().filter(|name| name.is_interned())?;
        self.shapes.slot(shape, name)
    }

    /// The number of the item that a descriptor of the library stands for in named tuples.
    fn field_number(&self, attr: Value<'static>) -> Option<usize> {
        let descriptor = attr.exact::<Instance>().filter(|descriptor| descriptor.dict().is_none())?;
        let own = self.class_of(attr).has(ClassFlags::FIELD);
        usize::try_from(descriptor.slot(0).as_int().filter(|_| own)?).ok().filter(|number| *number < 1 << 16)
    }

    /// An item of the tuple that an instance of a class derived from tuple is.
    #[inline]
    pub(super) fn item_of_derived(&self, object: Raw, number: usize) -> Option<Raw> {
        let instance = Value::<'static>::adopt(object).cell_of_kind::<Instance>()?;
        let tuple = instance.slot(0).exact::<crate::object::Tuple>()?;
        (number < tuple.len()).then(|| tuple.item(number).raw())
    }

    /// Data of a class, read through an instance of this shape, which does not have the name itself.
    fn load_class_data(
        &mut self,
        shape: ShapeId,
        class: Held<Class>,
        attr: Raw,
        name: Held<Str>,
        cache: [&StdCell<u32>; 5],
    ) -> Option<Result<Invoked, Raised>> {
        let (_, owner) = self.lookup_class_with_owner(class, name)?;
        let dict = owner.namespace();
        let index = dict.find_str(&self.heap, name)?;
        if !Vm::is_plain_data(attr) || index >= 1 << 24 {
            return None;
        }
        let (low, high) = pointer_words(dict.value().raw());
        self.remember(UseOf::Get, cache, shape, name, [cached::CLASS | (index as u32) << 8, low, high]);
        Some(Ok(Invoked::Value(attr)))
    }

    /// Calls the getter of an attribute of a builtin type for an instruction.
    pub(super) fn call_native_getter(&mut self, getter: Held<NativeFunction>, object: Raw) -> Result<Invoked, Raised> {
        let start = self.fiber.top + 1;
        self.fiber.registers.set(start, object);
        self.fiber.top = start + 1;
        self.run_native(getter.get().def, Args { start, count: 1 })
    }

    /// What an instruction that meets objects of several shapes found in one of this shape before.
    #[inline]
    fn recall_value(
        &mut self,
        object: Raw,
        name: Held<Str>,
        cache: [&StdCell<u32>; 5],
    ) -> Option<Result<Invoked, Raised>> {
        let instance = Value::<'static>::adopt(object).exact::<Instance>()?;
        let [kind, low, high] = self.recall(UseOf::Get, cache, instance.shape(), name)?;
        match kind & 0xFF {
            cached::INLINE => {
                let found = instance.slot(low as usize).given()?;
                Some(Ok(Invoked::Value(found.raw())))
            }
            cached::CLASS => {
                let dict: Held<Dict> = cell_of(low, high);
                Some(Ok(Invoked::Value(dict.value_at((kind >> 8) as usize).raw())))
            }
            cached::GETTER => Some(self.call_getter(cell_of(low, high), object)),
            _ => None,
        }
    }

    /// The second step of reading. `object` and `name` are the first two registers of the window; `default`, if any, the third.
    pub(super) fn resolve(
        &mut self,
        object: Root,
        name: Root,
        class: Held<Class>,
        loaded: Option<Result<Loaded, Raised>>,
        default: Option<Root>,
    ) -> NativeResult {
        let hook = class.has(ClassFlags::GETATTR);
        let then = match (hook, default) {
            (_, Some(_)) => Then::Catch(after_lookup_or),
            (true, None) => Then::Catch(after_lookup),
            (false, None) => Then::Return,
        };
        match loaded {
            None => {
                let get = self.name(Name::GetAttribute).held();
                // A metaclass may have left `object` out of the resolution order.
                let Some(get) = self.lookup_class(class, get).map(Value::raw) else {
                    return self.resolve_missing(object, name, class, default);
                };
                let name = name.get(self).raw();
                self.ask_method(get, object, class, &[name], then)
            }
            Some(Ok(Loaded::Value(raw))) => Ok(Outcome::Value(raw)),
            Some(Ok(Loaded::Call(callee, args))) => self.ask(callee, &args, then),
            Some(Ok(Loaded::Missing)) => self.resolve_missing(object, name, class, default),
            Some(Err(raised)) if (hook || default.is_some()) && self.raised_is(Exc::AttributeError) => {
                self.take_raised(raised);
                self.resolve_missing(object, name, class, default)
            }
            Some(Err(raised)) => Err(raised),
        }
    }

    pub(super) fn resolve_missing(
        &mut self,
        object: Root,
        name: Root,
        class: Held<Class>,
        default: Option<Root>,
    ) -> NativeResult {
        if class.has(ClassFlags::GETATTR) {
            let get = self.name(Name::GetAttr).held();
            let get = self.lookup_class(class, get).expect("the flag says so").raw();
            let name = name.get(self).raw();
            let then = if default.is_some() { Then::Catch(after_hook_or) } else { Then::Return };
            return self.ask_method(get, object, class, &[name], then);
        }
        match default {
            Some(default) => Ok(default.get(self).into()),
            None => {
                let (object, name) = (object.get(self).raw(), name.get(self).raw());
                Err(self.no_attribute(object, name))
            }
        }
    }

    /// Asks for a call.
    pub(crate) fn ask(&mut self, callee: Raw, args: &[Raw], then: Then) -> NativeResult {
        let callee = self.push_raw(callee);
        for arg in args {
            self.push_raw(*arg);
        }
        Ok(Outcome::Call { callee, argc: args.len() as u32, keywords: None, then })
    }

    /// Asks for a call of what was found in a class as a method of an object.
    pub(crate) fn ask_method(
        &mut self,
        method: Raw,
        receiver: Root,
        class: Held<Class>,
        args: &[Raw],
        then: Then,
    ) -> NativeResult {
        let receiver = receiver.get(self).raw();
        if takes_receiver(Value::adopt(method)) {
            let mut all: SmallVec<[Raw; 4]> = smallvec![receiver];
            all.extend_from_slice(args);
            return self.ask(method, &all, then);
        }
        let bound = self.bind_descriptor(method, receiver, class)?;
        self.ask(bound, args, then)
    }

    /// Raises an exception that was caught again, as if it had not been.
    pub(crate) fn pass_on(&mut self, exception: Root) -> Raised {
        self.raised = exception.get(self).raw();
        Raised(())
    }

    /// AttributeError for an attribute that an object does not have.
    pub(crate) fn no_attribute(&mut self, object: Raw, name: Raw) -> Raised {
        let mut value: Value<'static> = Value::adopt(object);
        // A bound method asks its function last, which is what then has no such attribute; a native one is one with its method.
        while let Some(method) = value.exact::<BoundMethod>() {
            let function: Value<'static> = Value::adopt(method.get().function.get().raw());
            if function.kind() == Kind::Native {
                break;
            }
            value = function;
        }
        let object = value.raw();
        let attr = text(name).to_str_lossy().into_owned();
        let message = match value.kind() {
            Kind::Class => {
                let class = value.exact::<Class>().expect("a class");
                format!("type object '{}' has no attribute '{attr}'", cut(&self.tp_name(class), 50))
            }
            Kind::Module => self.no_module_attribute(object, &attr),
            _ => format!("'{}' object has no attribute '{attr}'", cut(&self.type_name_for_error(value), 100)),
        };
        self.attribute_error_raw(&message, object, name)
    }

    pub(super) fn attribute_error_raw(&mut self, message: &str, object: Raw, name: Raw) -> Raised {
        let mark = self.mark();
        let (object, name) = (self.push_raw(object), self.push_raw(name));
        let raised = self.attribute_error(message, object, name);
        self.release(mark);
        raised
    }

    // ---- reading: for natives ----

    /// The name an attribute is asked by: a text, interned where that makes a difference.
    pub(super) fn attribute_name(&mut self, name: Root) -> Result<Held<Str>, Raised> {
        let Some(text) = self.as_str(name.get(self)) else {
            let got = self.type_name_for_error(name.get(self));
            return Err(self.type_error(format!("attribute name must be string, not '{got}'")));
        };
        let text = text.held();
        Ok(if text.is_interned() { text } else { self.find_interned(text).map_or(text, Gc::held) })
    }

    /// As `attribute_name`, for a name that will be a key.
    pub(super) fn attribute_name_interned(&mut self, name: Root) -> Result<Held<Str>, Raised> {
        let text = self.attribute_name(name)?;
        if text.is_interned() {
            return Ok(text);
        }
        let bytes = text.as_bytes().to_vec();
        Ok(self.intern_bytes(&bytes).held())
    }

    /// `getattr(object, name)` and `getattr(object, name, default)`, for a native whose first parameters these are, in this order.
    /// `default` is UNBOUND if it is not given.
    pub fn getattr_outcome(&mut self, object: Root, name: Root, default: Option<Root>) -> NativeResult {
        let text = self.attribute_name(name)?;
        name.set(self, text.value());
        let class = self.class_of(object.get(self)).held();
        let loaded = if class.has(ClassFlags::GETATTRIBUTE) {
            None
        } else {
            let raw = object.get(self).raw();
            Some(self.load_plain(raw, class, text))
        };
        self.resolve(object, name, class, loaded, default)
    }

    /// What `__getattribute__` of the builtin classes does, for a native with the parameters `object` and `name`.
    pub(crate) fn generic_get(&mut self, object: Root, name: Root, as_object: bool) -> NativeResult {
        let text = self.attribute_name(name)?;
        let raw = object.get(self).raw();
        let class = self.class_of(Value::adopt(raw)).held();
        let loaded =
            if as_object { self.load_from_object(raw, class, text)? } else { self.load_plain(raw, class, text)? };
        match loaded {
            Loaded::Value(raw) => Ok(Outcome::Value(raw)),
            Loaded::Call(callee, args) => self.ask(callee, &args, Then::Return),
            Loaded::Missing => Err(self.no_attribute(raw, text.value().raw())),
        }
    }

    /// Runs the rest of what a native asked for, nested on the machine's stack.
    pub(crate) fn nested(&mut self, work: impl FnOnce(&mut Vm) -> NativeResult) -> Result<Raw, Raised> {
        self.check_stack()?;
        let (window, top) = (self.fiber.window, self.fiber.top);
        self.push_exit(top);
        self.fiber.window = top;
        let invoked = match work(self) {
            Ok(Outcome::Value(raw)) => Ok(Invoked::Value(raw)),
            Ok(other) => self.carry_out(other, top),
            Err(raised) => Err(raised),
        };
        let result = self.finish_nested(invoked);
        (self.fiber.window, self.fiber.top) = (window, top);
        result
    }

    /// `object.name`.
    pub fn get_attribute(&mut self, object: Root, name: Root) -> Result<Root, Raised> {
        let text = self.attribute_name(name)?;
        let raw = self.load_nested(object.get(self).raw(), text)?;
        Ok(self.push_raw(raw))
    }

    /// `object.name`.
    pub fn attribute(&mut self, object: Root, name: &str) -> Result<Root, Raised> {
        let name = self.intern(name).held();
        let raw = self.load_nested(object.get(self).raw(), name)?;
        Ok(self.push_raw(raw))
    }

    /// `object.name`; None where that raises AttributeError.
    pub fn find_attribute(&mut self, object: Root, name: &str) -> Result<Option<Root>, Raised> {
        let name = self.intern(name).held();
        self.find_attribute_named(object, name)
    }

    /// As `find_attribute`; the name is a str.
    pub fn find_attribute_root(&mut self, object: Root, name: Root) -> Result<Option<Root>, Raised> {
        let name = self.attribute_name(name)?;
        self.find_attribute_named(object, name)
    }

    fn find_attribute_named(&mut self, object: Root, name: Held<Str>) -> Result<Option<Root>, Raised> {
        let raw = object.get(self).raw();
        let class = self.class_of(Value::adopt(raw)).held();
        if !class.has(ClassFlags::GETATTRIBUTE) && !class.has(ClassFlags::GETATTR) {
            // Nothing is raised where nothing is called.
            match self.load_plain(raw, class, name) {
                Ok(Loaded::Value(found)) => return Ok(Some(self.push_raw(found))),
                Ok(Loaded::Missing) => return Ok(None),
                Ok(Loaded::Call(callee, args)) => {
                    let found = self.call_nested(callee, &args);
                    return self.unless_attribute_error(found);
                }
                Err(raised) => return self.unless_attribute_error(Err(raised)),
            }
        }
        let found = self.load_nested(raw, name);
        self.unless_attribute_error(found)
    }

    pub(super) fn unless_attribute_error(&mut self, found: Result<Raw, Raised>) -> Result<Option<Root>, Raised> {
        match found {
            Ok(raw) => Ok(Some(self.push_raw(raw))),
            Err(raised) if self.raised_is(Exc::AttributeError) => {
                self.take_raised(raised);
                Ok(None)
            }
            Err(raised) => Err(raised),
        }
    }

    pub(super) fn load_nested(&mut self, object: Raw, name: Held<Str>) -> Result<Raw, Raised> {
        let class = self.class_of(Value::adopt(object)).held();
        let loaded = if class.has(ClassFlags::GETATTRIBUTE) {
            None
        } else {
            match self.load_plain(object, class, name) {
                Ok(Loaded::Value(raw)) => return Ok(raw),
                other => Some(other),
            }
        };
        self.nested(|cx| {
            let (object, name) = (cx.push_raw(object), cx.push_raw(name.value().raw()));
            cx.resolve(object, name, class, loaded, None)
        })
    }

    // ---- methods ----

    /// What a call of `object.name(...)` calls: with true, a function that wants the object as its first argument.
    pub(super) fn find_method(
        &mut self,
        object: Raw,
        name: Raw,
        cache: [&StdCell<u32>; 5],
    ) -> Result<(Raw, Option<Raw>), Raised> {
        let value: Value<'static> = Value::adopt(object);
        let name = text(name);
        if let Some([kind, low, high]) = self.recall(UseOf::Call, cache, shape_key(object), name) {
            let receiver = match kind {
                cached::STATIC => None,
                cached::OF_CLASS => Some(self.class_of(value).value().raw()),
                _ => Some(object),
            };
            return Ok((Raw::cell(super::run::pointer_of(low, high)), receiver));
        }
        let class = self.class_of(value).held();
        if let Some(of) = value.exact::<Class>()
            && !class.has(ClassFlags::GETATTRIBUTE)
            && self.lookup_class(class, name).is_none()
            && let Some(attr) = self.lookup_class(of, name)
            && let Some((wrapped, bound)) = wrapped_function(attr)
        {
            let (low, high) = pointer_words(wrapped);
            let kind = if bound { cached::CLASS_OWN } else { cached::CLASS_STATIC };
            fill(cache, [of.namespace().version(), self.epoch, kind, low, high]);
            return Ok((wrapped, bound.then_some(object)));
        }
        if matches!(value.kind(), Kind::Class | Kind::Module)
            && !class.has(ClassFlags::GETATTRIBUTE)
            && let Some(Ok(Invoked::Value(found))) = self.load_cached(object, class, name, cache)
        {
            return Ok((found, None));
        }
        let special = matches!(value.kind(), Kind::Class | Kind::Super | Kind::BoundMethod);
        if !special
            && !class.has(ClassFlags::GETATTRIBUTE)
            && let Some(attr) = self.lookup_class(class, name).map(Value::raw)
        {
            let (kind, callee, receiver) = match Value::<'static>::adopt(attr).kind() {
                Kind::Function => (cached::FUNCTION, attr, Some(object)),
                Kind::Native => {
                    let native: Held<NativeFunction> = Value::adopt(attr).exact().expect("a native");
                    let method = native.get().def.kind == NativeKind::Method;
                    (if method { cached::NATIVE } else { cached::EMPTY }, attr, Some(object))
                }
                _ => match wrapped_function(Value::<'static>::adopt(attr)) {
                    Some((wrapped, true)) => (cached::OF_CLASS, wrapped, Some(class.value().raw())),
                    Some((wrapped, false)) => (cached::STATIC, wrapped, None),
                    None => (cached::EMPTY, attr, None),
                },
            };
            if kind != cached::EMPTY {
                if let Some(own) = self.own_attribute(value, name) {
                    return Ok((own.raw(), None));
                }
                if self.instances_agree(value, class) {
                    let (low, high) = pointer_words(callee);
                    self.remember(UseOf::Call, cache, shape_key(object), name, [kind, low, high]);
                }
                return Ok((callee, receiver));
            }
        }
        self.load_nested(object, name).map(|raw| (raw, None))
    }

    /// Whether whatever has this value's shape key has the same class and none of the names that the shape does not have.
    pub(super) fn instances_agree(&self, value: Value<'static>, class: Held<Class>) -> bool {
        match value.header().map(|h| h.kind()) {
            None => true,
            Some(Kind::Instance) => {
                let shape = value.header().expect("just seen").shape();
                !self.shapes.is_dict_mode(shape) || class.has(ClassFlags::NO_DICT)
            }
            // The key of these does not say which class it is, or they have a dict besides.
            Some(
                Kind::Class
                | Kind::Module
                | Kind::Native
                | Kind::BoundMethod
                | Kind::GetSet
                | Kind::Function
                | Kind::StaticMethod
                | Kind::ClassMethod
                | Kind::Property
                | Kind::Super
                | Kind::GenericAlias,
            ) => false,
            Some(_) => class.has(ClassFlags::NO_DICT),
        }
    }
}

/// The function that a static or class method of a class wraps, and whether it is the latter's, which is called with the class.
fn wrapped_function(attr: Value<'_>) -> Option<(Raw, bool)> {
    let (function, bound) = match attr.exact::<StaticMethod>() {
        Some(method) => (method.get().function.get(), false),
        None => (attr.exact::<ClassMethod>()?.get().function.get(), true),
    };
    function.exact::<Function>().map(|function| (function.value().raw(), bound))
}

/// The text of a name operand.
#[inline(always)]
pub(super) fn text(name: Raw) -> Held<Str> {
    Value::adopt(name).exact::<Str>().expect("names are texts")
}

/// A name cut as CPython cuts it in messages.
pub(super) fn cut(name: &str, most: usize) -> &str {
    let mut end = name.len().min(most);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// The exact value that an instance of a class derived from a builtin type stands for.
pub(super) fn payload_of(value: Value<'static>) -> Value<'static> {
    if !value.is_subclassed() {
        return value;
    }
    value.cell_of_kind::<Instance>().map_or(value, |instance| instance.slot(0))
}

/// The pointer of a cell in two words, as caches hold it.
pub(super) fn pointer_words(raw: Raw) -> (u32, u32) {
    let pointer = raw.header().expose_provenance() as u64;
    (pointer as u32, (pointer >> 32) as u32)
}

/// Writes the words of a cache.
pub(super) fn fill<const N: usize>(cache: [&StdCell<u32>; N], words: [u32; N]) {
    for (cell, word) in cache.iter().zip(words) {
        cell.set(word);
    }
}

/// Window: object and name. What was called raised: AttributeError leads to `__getattr__`.
pub(super) fn after_lookup(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    after_call(cx, window, resumed, None)
}

/// Window: object, name and default.
pub(super) fn after_lookup_or(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    after_call(cx, window, resumed, Some(window.root(2)))
}

pub(super) fn after_call(cx: &mut Vm, window: Args, resumed: Resumed, default: Option<Root>) -> NativeResult {
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) => {
            if !cx.is_exception(exception.get(cx), Exc::AttributeError) {
                return Err(cx.pass_on(exception));
            }
            let (object, name) = (window.root(0), window.root(1));
            let class = cx.class_of(object.get(cx)).held();
            if default.is_none() && !class.has(ClassFlags::GETATTR) {
                return Err(cx.pass_on(exception));
            }
            cx.resolve_missing(object, name, class, default)
        }
    }
}

/// Window: object, name and default. `__getattr__` ended.
pub(super) fn after_hook_or(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) if cx.is_exception(exception.get(cx), Exc::AttributeError) => {
            Ok(window.get(cx, 2).into())
        }
        Resumed::Raised(exception) => Err(cx.pass_on(exception)),
    }
}

/// Whatever a setter returns is dropped.
pub(super) fn nothing(_: &mut Vm, _: Args, _: Resumed) -> NativeResult {
    Ok(Outcome::NONE)
}
