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

use crate::heap::{AnyRef, Gc, Kind, Raw, Ref, Slot, Value};
use crate::object::{
    Access, AnyFuture, BoundMethod, Class, ClassFlags, ClassMethod, Dict, Exc, Exception, Function, GetSet, Instance,
    Module, NativeObject, Property, ShapeId, Slots, StaticMethod, Str, Super,
};

use super::call::Invoked;
use super::class::Place;
use super::frame::Held;
use super::native::{Args, NativeFunction, NativeKind, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::run::{cached, shape_key};
use super::{CachedMethod, METHOD_CACHE, Name, Vm};

/// Arguments of a call that gives an attribute.
type Few = SmallVec<[Raw; 3]>;

/// Inline slots that instances of a class get at most.
pub(super) const MOST_INLINE: usize = 24;

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

/// What the first step of setting or deleting came to.
#[derive(Debug)]
enum Stored {
    /// It is done.
    Done,
    /// This callable does it, given these arguments.
    Call(Raw, Few),
}

/// The text of a name operand.
#[inline(always)]
fn text(name: Raw) -> Held<Str> {
    Value::adopt(name).exact::<Str>().expect("names are texts")
}

/// A name cut as CPython cuts it in messages.
fn cut(name: &str, most: usize) -> &str {
    let mut end = name.len().min(most);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

impl Vm {
    // ---- classes of values ----

    /// The class of a value.
    #[inline]
    pub fn class_of(&self, value: Value<'_>) -> Gc<'_, Class> {
        let Some(header) = value.header() else { return self.kind_class(value.kind()) };
        let shape = header.shape();
        if shape != 0 {
            return self.shapes.class(&self.heap, shape);
        }
        match header.kind() {
            Kind::Class | Kind::Module | Kind::Native | Kind::BoundMethod | Kind::GetSet => {
                self.class_by_content(value.raw())
            }
            _ => self.kind_class(header.layout()),
        }
    }

    /// The class of a value whose kind alone does not say it.
    fn class_by_content(&self, raw: Raw) -> Gc<'_, Class> {
        let value = Value::adopt(raw);
        let place = match value.kind() {
            Kind::Class => {
                let class = value.exact::<Class>().expect("a class");
                return class.get().metaclass.get().expect("a class has a class");
            }
            Kind::Module => {
                return match value.exact::<Module>().expect("a module").get().class.get() {
                    Some(class) => class,
                    None => self.kind_class(Kind::Module),
                };
            }
            Kind::Native => {
                let native = value.exact::<NativeFunction>().expect("a native").get();
                match native.def.kind {
                    NativeKind::Method | NativeKind::Getter | NativeKind::Setter if is_wrapper(native.def.name) => {
                        Place::WrapperDescriptor
                    }
                    NativeKind::Method | NativeKind::Getter | NativeKind::Setter => Place::MethodDescriptor,
                    NativeKind::ClassMethod => Place::ClassMethodDescriptor,
                    NativeKind::Function | NativeKind::StaticMethod => return self.kind_class(Kind::Native),
                }
            }
            Kind::BoundMethod => {
                let function = value.exact::<BoundMethod>().expect("a bound method").get().function.get();
                match function.exact::<NativeFunction>() {
                    Some(native) if is_wrapper(native.get().def.name) => Place::MethodWrapper,
                    Some(_) => return self.kind_class(Kind::Native),
                    None => return self.kind_class(Kind::BoundMethod),
                }
            }
            _ => match value.exact::<GetSet>().expect("a getset").get().access {
                Access::Slot(_) | Access::Field(_) => Place::MemberDescriptor,
                Access::Native(_) => return self.kind_class(Kind::GetSet),
            },
        };
        self.placed_class(place)
    }

    // ---- look-up in classes ----

    /// Looks a name up along a class's method resolution order. No descriptor is bound.
    #[inline]
    pub fn lookup_class(&self, class: Gc<'_, Class>, name: Gc<'_, Str>) -> Option<Value<'_>> {
        self.lookup_class_with_owner(class, name).map(|(value, _)| value)
    }

    /// As `lookup_class`, with the class it was found in.
    #[inline]
    pub fn lookup_class_with_owner(
        &self,
        class: Gc<'_, Class>,
        name: Gc<'_, Str>,
    ) -> Option<(Value<'_>, Gc<'_, Class>)> {
        let name = if name.is_interned() { name.held() } else { self.find_interned(name)?.held() };
        let (class_at, name_at) = (class.pointer() as *const (), name.pointer() as *const ());
        let index = (class_at.addr() >> 4).wrapping_add((name_at.addr() >> 4).wrapping_mul(0x9E37_79B1));
        let place = &self.method_cache[index & (METHOD_CACHE - 1)];
        let entry = place.get();
        if entry.class == class_at && entry.name == name_at && entry.epoch == self.epoch {
            let owner: Held<Class> = Value::adopt(entry.owner).exact()?;
            return Some((owner.namespace().value_at(entry.index as usize), owner));
        }
        let found = self.find_along(class.held(), name);
        let (owner, index) = found.map_or((Raw::UNBOUND, 0), |(owner, index)| (owner.value().raw(), index as u32));
        place.set(CachedMethod { class: class_at, name: name_at, epoch: self.epoch, owner, index });
        found.map(|(owner, index)| (owner.namespace().value_at(index), owner))
    }

    #[cold]
    #[inline(never)]
    fn find_along(&self, class: Held<Class>, name: Held<Str>) -> Option<(Held<Class>, usize)> {
        // From now on a change of any of these must end the epoch.
        class.mro().for_each(|c| c.set_flag(ClassFlags::CACHED));
        class.mro().find_map(|c| c.namespace().find_str(&self.heap, name).map(|index| (c, index)))
    }

    /// Whether a class attribute takes precedence over what is in the instance: it has `__set__` or `__delete__`.
    pub(super) fn is_data_descriptor(&self, attr: Raw) -> bool {
        let value = Value::adopt(attr);
        if !attr.is_pointer() {
            return false;
        }
        if !value.is_subclassed() {
            match value.kind() {
                Kind::Property | Kind::GetSet => return true,
                Kind::Function
                | Kind::Native
                | Kind::StaticMethod
                | Kind::ClassMethod
                | Kind::BoundMethod
                | Kind::Str
                | Kind::Tuple
                | Kind::List
                | Kind::Dict => return false,
                _ => {}
            }
        }
        let class = self.class_of(value);
        self.lookup_class(class, self.name(Name::Set)).is_some()
            || self.lookup_class(class, self.name(Name::Delete)).is_some()
    }

    /// Binds what was found in a class. `receiver` is the object it was reached through, UNBOUND if that was the class itself.
    pub(super) fn bind_attribute(&mut self, attr: Raw, receiver: Raw, class: Held<Class>) -> Result<Loaded, Raised> {
        let value: Value<'static> = Value::adopt(attr);
        if !attr.is_pointer() {
            return Ok(Loaded::Value(attr));
        }
        let on_class = receiver.is_unbound();
        match value.kind() {
            Kind::Function => {
                return Ok(Loaded::Value(if on_class { attr } else { self.bound_method(attr, receiver) }));
            }
            Kind::Native => {
                let kind = value.exact::<NativeFunction>().expect("a native").get().def.kind;
                return Ok(Loaded::Value(match kind {
                    NativeKind::Method | NativeKind::Getter | NativeKind::Setter if !on_class => {
                        self.bound_method(attr, receiver)
                    }
                    NativeKind::ClassMethod => self.bound_method(attr, class.value().raw()),
                    _ => attr,
                }));
            }
            Kind::StaticMethod => {
                let method: Option<Held<StaticMethod>> = payload_of(value).exact();
                if let Some(method) = method {
                    return Ok(Loaded::Value(method.get().function.get().raw()));
                }
            }
            Kind::ClassMethod => {
                let method: Option<Held<ClassMethod>> = payload_of(value).exact();
                if let Some(method) = method {
                    let function = method.get().function.get().raw();
                    return Ok(Loaded::Value(self.bound_method(function, class.value().raw())));
                }
            }
            Kind::Property => {
                let property: Held<Property> = value.exact().expect("a property");
                if self.is_plain_property(property) {
                    if on_class {
                        return Ok(Loaded::Value(attr));
                    }
                    return self.property_get(property, receiver);
                }
            }
            Kind::GetSet => {
                if on_class {
                    return Ok(Loaded::Value(attr));
                }
                return self.getset_get(value.exact().expect("a getset"), receiver);
            }
            Kind::Str | Kind::Tuple | Kind::List | Kind::Dict | Kind::BigInt if !value.is_subclassed() => {
                return Ok(Loaded::Value(attr));
            }
            _ => {}
        }
        let own = self.class_of(value).held();
        let Some(get) = self.lookup_class(own, self.name(Name::Get)).map(Value::raw) else {
            return Ok(Loaded::Value(attr));
        };
        let object = if on_class { Raw::NONE } else { receiver };
        let class = class.value().raw();
        match Value::adopt(get).kind() {
            Kind::Function | Kind::Native => Ok(Loaded::Call(get, smallvec![attr, object, class])),
            _ => {
                let bound = self.bind_descriptor(get, attr, own)?;
                Ok(Loaded::Call(bound, smallvec![object, class]))
            }
        }
    }

    /// A callable bound to its first argument.
    pub(crate) fn bound_method(&self, function: Raw, receiver: Raw) -> Raw {
        let (function, receiver) = (Value::adopt(function), Value::adopt(receiver));
        let method = BoundMethod { function: Slot::new(function), receiver: Slot::new(receiver) };
        self.heap.alloc(method).value().raw()
    }

    /// As `bind_attribute`, with what must be called called at once.
    pub(crate) fn bind_descriptor(&mut self, attr: Raw, receiver: Raw, class: Held<Class>) -> Result<Raw, Raised> {
        match self.bind_attribute(attr, receiver, class)? {
            Loaded::Value(raw) => Ok(raw),
            Loaded::Call(callee, args) => self.call_nested(callee, &args),
            Loaded::Missing => unreachable!("what was found is bound"),
        }
    }

    /// Calls a callable with bare arguments and waits for its result.
    fn call_nested(&mut self, callee: Raw, args: &[Raw]) -> Result<Raw, Raised> {
        let mark = self.mark();
        self.push_raw(callee);
        for arg in args {
            self.push_raw(*arg);
        }
        let result = self.call_window(mark, args.len() as u32, None);
        self.release(mark);
        result
    }

    /// Whether a property is read as the builtin class does it.
    fn is_plain_property(&self, property: Held<Property>) -> bool {
        property.shape() == 0 || {
            let class = self.class_of(property.value());
            let get = self.lookup_class_with_owner(class, self.name(Name::Get));
            get.is_some_and(|(_, owner)| owner == self.kind_class(Kind::Property))
        }
    }

    fn property_get(&mut self, property: Held<Property>, receiver: Raw) -> Result<Loaded, Raised> {
        let get = property.get().get.get().raw();
        if get.same(Raw::NONE) {
            return Err(self.property_error(property, receiver, "getter"));
        }
        Ok(Loaded::Call(get, smallvec![receiver]))
    }

    /// AttributeError of a property without getter, setter or deleter.
    pub(crate) fn property_error(&mut self, property: Held<Property>, receiver: Raw, what: &str) -> Raised {
        let class = self.class_of(Value::adopt(receiver));
        let qualname =
            class.get().qualname.get().exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
        let mut name = property.get().name.get();
        if name.is_none()
            && let Some(function) = property.get().get.get().exact::<Function>()
        {
            name = self.function_name(function.held());
        }
        let message = match name.exact::<Str>() {
            Some(name) => format!("property '{}' of '{qualname}' object has no {what}", name.to_str_lossy()),
            None => format!("property of '{qualname}' object has no {what}"),
        };
        self.raise_text(Exc::AttributeError, &message)
    }

    /// `__name__` of a function.
    pub(crate) fn function_name(&self, function: Held<Function>) -> Value<'static> {
        let own = self.function_detail(function, Name::Name).map(|v| Value::adopt(v.raw()));
        own.unwrap_or_else(|| {
            let name = Str::new(&self.heap, &function.code().code.name);
            Value::adopt(name.value().raw())
        })
    }

    fn doesnt_apply(&mut self, getset: Held<GetSet>, receiver: Raw) -> Raised {
        let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
        let class = getset.get().class.get().map_or(String::new(), |c| self.tp_name(c));
        let got = self.type_name_for_error(Value::adopt(receiver));
        self.type_error(format!("descriptor '{name}' for '{class}' objects doesn't apply to a '{got}' object"))
    }

    fn getset_applies(&self, getset: Held<GetSet>, receiver: Raw) -> bool {
        let class = self.class_of(Value::adopt(receiver));
        getset.get().class.get().is_none_or(|own| class.is_subclass(own))
    }

    /// Reads an attribute of a builtin type or a slot.
    pub(super) fn getset_get(&mut self, getset: Held<GetSet>, receiver: Raw) -> Result<Loaded, Raised> {
        if !self.getset_applies(getset, receiver) {
            return Err(self.doesnt_apply(getset, receiver));
        }
        let object: Value<'static> = Value::adopt(receiver);
        match getset.get().access {
            Access::Slot(slot) => {
                let name = getset.get().name.get().expect("a slot has a name").held();
                let value = match object.cell_of_kind::<Instance>() {
                    Some(instance) => instance.slot(usize::from(slot)).given().map(Value::raw),
                    None => self.own_attribute(object, name).map(Value::raw),
                };
                match value {
                    Some(raw) => Ok(Loaded::Value(raw)),
                    None => Err(self.no_attribute(receiver, name.value().raw())),
                }
            }
            Access::Field(index) => match object.exact::<Exception>() {
                Some(exception) => Ok(Loaded::Value(exception.field(usize::from(index)).raw())),
                None => Err(self.doesnt_apply(getset, receiver)),
            },
            Access::Native(_) => {
                let getter = getset.get().getter.value().raw();
                if getter.same(Raw::NONE) {
                    let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
                    let class = getset.get().class.get().map_or(String::new(), |c| self.tp_name(c));
                    let message = format!("attribute '{name}' of '{class}' objects is not readable");
                    return Err(self.raise_text(Exc::AttributeError, &message));
                }
                Ok(Loaded::Call(getter, smallvec![receiver]))
            }
        }
    }

    // ---- what an object has itself ----

    /// The dict an object has its attributes in, if it has one already.
    pub(crate) fn own_dict(&self, value: Value<'_>) -> Option<Gc<'_, Dict>> {
        let value: Value<'_> = Value::adopt(value.raw());
        match value.header()?.kind() {
            Kind::Instance => value.cell_of_kind::<Instance>()?.dict(),
            Kind::Module => Some(value.exact::<Module>()?.dict()),
            Kind::Exception => value.exact::<Exception>()?.get().dict.get(),
            Kind::Function => {
                let details = value.exact::<Function>()?.get().details.get()?;
                details.get_str(&self.heap, self.name(Name::Dict))?.exact::<Dict>()
            }
            Kind::NativeObject => value.cell_of_kind::<NativeObject>()?.get().dict.get(),
            Kind::Future | Kind::Task => AnyFuture::of(value)?.base().dict.get(),
            Kind::Property => value.exact::<Property>()?.get().dict.get(),
            Kind::StaticMethod => value.exact::<StaticMethod>()?.get().dict.get(),
            Kind::ClassMethod => value.exact::<ClassMethod>()?.get().dict.get(),
            _ => None,
        }
    }

    /// An attribute that the object itself has.
    #[inline]
    pub(crate) fn own_attribute(&self, value: Value<'_>, name: Gc<'_, Str>) -> Option<Value<'_>> {
        if let Some(instance) = Value::adopt(value.raw()).cell_of_kind::<Instance>() {
            let shape = instance.shape();
            if self.shapes.is_dict_mode(shape) {
                return instance.dict()?.get_str(&self.heap, name);
            }
            return instance.slot(self.shapes.slot(shape, name)?).given();
        }
        self.own_dict(value)?.get_str(&self.heap, name)
    }

    /// The object's `__dict__`, made if there is none yet. None for objects that cannot have one.
    pub(crate) fn attributes_of(&mut self, object: Raw) -> Option<Held<Dict>> {
        let value: Value<'static> = Value::adopt(object);
        if let Some(instance) = value.cell_of_kind::<Instance>() {
            if self.class_of(value).has(ClassFlags::NO_DICT) {
                return None;
            }
            return Some(self.move_to_dict(instance));
        }
        if let Some(dict) = self.own_dict(value) {
            return Some(dict.held());
        }
        if !value.raw().is_pointer() || self.class_of(value).has(ClassFlags::NO_DICT) {
            return None;
        }
        let dict = Dict::new(&self.heap).held();
        self.set_dict(object, dict).then_some(dict)
    }

    /// Gives an object a dict for its attributes; false if it cannot have one.
    pub(crate) fn set_dict(&mut self, object: Raw, dict: Held<Dict>) -> bool {
        let value: Value<'static> = Value::adopt(object);
        let Some(header) = value.header() else { return false };
        let heap = &self.heap;
        match header.kind() {
            Kind::Instance => {
                let Some(instance) = value.cell_of_kind::<Instance>() else { return false };
                if self.class_of(value).has(ClassFlags::NO_DICT) {
                    return false;
                }
                self.enter_dict_mode(instance, dict);
                true
            }
            Kind::Exception => {
                let Some(cell) = value.exact::<Exception>() else { return false };
                cell.set_ref(heap, |e| &e.dict, Some(dict));
                true
            }
            Kind::Function => {
                let Some(function) = value.exact::<Function>() else { return false };
                self.set_function_detail(function, Name::Dict, dict.value().raw());
                true
            }
            Kind::NativeObject => {
                let Some(cell) = value.cell_of_kind::<NativeObject>() else { return false };
                cell.set_ref(heap, |e| &e.dict, Some(dict));
                true
            }
            Kind::Future | Kind::Task => {
                let Some(future) = AnyFuture::of(value) else { return false };
                future.set_dict(heap, dict);
                true
            }
            Kind::Property => {
                let Some(cell) = value.exact::<Property>() else { return false };
                cell.set_ref(heap, |e| &e.dict, Some(dict));
                true
            }
            Kind::StaticMethod => {
                let Some(cell) = value.exact::<StaticMethod>() else { return false };
                cell.set_ref(heap, |e| &e.dict, Some(dict));
                true
            }
            Kind::ClassMethod => {
                let Some(cell) = value.exact::<ClassMethod>() else { return false };
                cell.set_ref(heap, |e| &e.dict, Some(dict));
                true
            }
            _ => false,
        }
    }

    /// Keeps something of a function beside what its code says.
    pub(crate) fn set_function_detail(&mut self, function: Held<Function>, name: Name, value: Raw) {
        let heap = &self.heap;
        let details = match function.get().details.get() {
            Some(details) => details,
            None => {
                let details = Dict::new(heap);
                function.set_ref(heap, |f| &f.details, Some(details));
                details
            }
        };
        details.set_str(heap, self.name(name), Value::adopt(value)).expect("a small dict");
    }

    /// What was set on a function instead of what its code says.
    pub(crate) fn function_own(&self, function: Held<Function>, name: Name) -> Option<Raw> {
        self.function_detail(function, name).map(Value::raw)
    }

    /// Forgets something that is kept of a function beside what its code says.
    pub(crate) fn remove_function_detail(&mut self, function: Held<Function>, name: Name) {
        if let Some(details) = function.get().details.get() {
            details.remove_str(&self.heap, self.name(name));
        }
    }

    /// Moves an instance's attributes to a dict, which from now on is where they are.
    pub(crate) fn move_to_dict(&mut self, instance: Held<Instance>) -> Held<Dict> {
        if let Some(dict) = instance.dict() {
            return dict;
        }
        let heap = &self.heap;
        let dict = Dict::new(heap).held();
        for (slot, name) in self.shapes.names(heap, instance.shape()) {
            if let Some(value) = instance.slot(slot).given() {
                dict.set_str(heap.forever(), name, value).expect("a few entries");
            }
        }
        self.enter_dict_mode(instance, dict);
        dict
    }

    fn enter_dict_mode(&mut self, instance: Held<Instance>, dict: Held<Dict>) {
        let heap = &self.heap;
        let shape = instance.shape();
        let fixed = usize::from(self.shapes.class(heap, shape).get().fixed_slots.get());
        let dict_shape = self.shapes.dict_shape(shape);
        instance.set_any(heap, |i| &i.extra, dict.value());
        instance.set_shape(dict_shape);
        for slot in fixed..instance.inline() {
            instance.set_tail(heap, slot, Value::UNBOUND);
        }
    }

    /// Sets an attribute in the object itself; false if it cannot have any. `name` is interned.
    fn set_own(&mut self, object: Raw, class: Held<Class>, name: Held<Str>, value: Raw) -> Result<bool, Raised> {
        let target: Value<'static> = Value::adopt(object);
        if let Some(instance) = target.cell_of_kind::<Instance>() {
            let shape = instance.shape();
            let value = Value::adopt(value);
            if !self.shapes.is_dict_mode(shape) {
                if let Some(slot) = self.shapes.slot(shape, name) {
                    instance.set_slot(self.heap.forever(), slot, value);
                    return Ok(true);
                }
                if class.has(ClassFlags::NO_DICT) {
                    return Ok(false);
                }
                if let Some(next) = self.shapes.with(shape, name) {
                    self.add_slot(instance, class, next, value);
                    return Ok(true);
                }
                self.move_to_dict(instance);
            } else if class.has(ClassFlags::NO_DICT) {
                return Ok(false);
            }
            let dict = instance.dict().unwrap_or_else(|| self.move_to_dict(instance));
            return self.set_in_dict(dict, name, value.raw()).map(|()| true);
        }
        match self.attributes_of(object) {
            Some(dict) => self.set_in_dict(dict, name, value).map(|()| true),
            None => Ok(false),
        }
    }

    /// Moves an instance to the shape with one more attribute.
    fn add_slot(&mut self, instance: Held<Instance>, class: Held<Class>, next: ShapeId, value: Value<'_>) {
        let slot = self.shapes.len(next) - 1;
        instance.set_slot(self.heap.forever(), slot, value);
        instance.set_shape(next);
        // Instances made from now on have it inline.
        let inline = &class.get().inline_slots;
        if slot >= usize::from(inline.get()) && slot < MOST_INLINE + usize::from(class.get().fixed_slots.get()) {
            inline.set(slot as u8 + 1);
        }
    }

    fn set_in_dict(&mut self, dict: Held<Dict>, name: Held<Str>, value: Raw) -> Result<(), Raised> {
        match dict.set_str(self.heap.forever(), name, Value::adopt(value)) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.memory_error()),
        }
    }

    /// Removes an attribute that the object itself has; false if there is none.
    fn delete_own(&mut self, object: Raw, name: Held<Str>) -> bool {
        let target: Value<'static> = Value::adopt(object);
        if let Some(instance) = target.cell_of_kind::<Instance>() {
            let shape = instance.shape();
            if !self.shapes.is_dict_mode(shape) {
                if self.shapes.slot(shape, name).is_none_or(|slot| instance.slot(slot).is_unbound()) {
                    return false;
                }
                self.move_to_dict(instance);
            }
            return instance.dict().is_some_and(|d| d.remove_str(&self.heap, name).is_some());
        }
        self.own_dict(target).is_some_and(|d| d.remove_str(&self.heap, name).is_some())
    }

    // ---- reading: the first step ----

    /// Looks an attribute up as the object's kind does it; neither `__getattribute__` of a script nor `__getattr__` is asked.
    pub(super) fn load_plain(&mut self, object: Raw, class: Held<Class>, name: Held<Str>) -> Result<Loaded, Raised> {
        let value: Value<'static> = Value::adopt(object);
        match value.kind() {
            Kind::Class => self.load_from_class(value.exact().expect("a class"), class, name),
            Kind::Module => self.load_from_module(value.exact().expect("a module"), class, name),
            Kind::Super => match payload_of(value).exact::<Super>() {
                Some(of) => self.load_from_super(of, object, class, name),
                None => self.load_from_object(object, class, name),
            },
            Kind::BoundMethod => match self.load_from_object(object, class, name)? {
                Loaded::Missing => {
                    let function = value.exact::<BoundMethod>().expect("a bound method").get().function.get();
                    let class = self.class_of(function).held();
                    self.load_plain(function.raw(), class, name)
                }
                found => Ok(found),
            },
            _ => self.load_from_object(object, class, name),
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
        match self.load_from_object(module.value().raw(), class, name)? {
            Loaded::Missing => {}
            found => return Ok(found),
        }
        match module.dict().get_str(&self.heap, self.name(Name::GetAttr)) {
            Some(hook) => Ok(Loaded::Call(hook.raw(), smallvec![name.value().raw()])),
            None => Ok(Loaded::Missing),
        }
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
    fn load_after(
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

    /// Runs something as a native with an empty window at the top would.
    pub(super) fn with_window<T>(&mut self, work: impl FnOnce(&mut Vm, u32) -> Result<T, Raised>) -> Result<T, Raised> {
        let (window, start) = (self.fiber.window, self.fiber.top);
        self.fiber.window = start;
        let result = work(self, start);
        self.fiber.window = window;
        result
    }

    /// Fills the cache of a `GetAttr` where it can be filled; what came of it if it was.
    fn load_cached(
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
                        fill(cache, [shape, self.epoch, cached::GETTER, low, high]);
                        return Some(self.call_getter(getter, object));
                    }
                    let getset = descriptor.exact::<GetSet>()?;
                    let Access::Slot(slot) = getset.get().access else { return None };
                    if !self.getset_applies(getset, object) {
                        return None;
                    }
                    usize::from(slot)
                }
                _ if self.shapes.is_dict_mode(shape) => return None,
                _ => self.shapes.slot(shape, name)?,
            };
            let found = instance.slot(slot).given()?.raw();
            if slot < instance.inline() {
                fill(cache, [shape, self.epoch, cached::INLINE, slot as u32, 0]);
            }
            return Some(Ok(Invoked::Value(found)));
        }
        if let Some(module) = value.exact::<Module>() {
            if let Some(attr) = self.lookup_class(class, name).map(Value::raw)
                && self.is_data_descriptor(attr)
            {
                return None;
            }
            let dict = module.dict();
            let index = dict.find_str(&self.heap, name)?;
            fill(cache, [dict.version(), self.epoch, cached::MODULE, index as u32, 0]);
            return Some(Ok(Invoked::Value(dict.value_at(index).raw())));
        }
        None
    }

    /// The second step of reading. `object` and `name` are the first two registers of the window; `default`, if any, the third.
    fn resolve(
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
                let get = self.lookup_class(class, get).expect("object has it").raw();
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

    fn resolve_missing(&mut self, object: Root, name: Root, class: Held<Class>, default: Option<Root>) -> NativeResult {
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
        let value: Value<'static> = Value::adopt(method);
        let direct = match value.kind() {
            Kind::Function => true,
            Kind::Native => value.exact::<NativeFunction>().is_some_and(|n| n.get().def.kind == NativeKind::Method),
            _ => false,
        };
        if direct {
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
        let value: Value<'static> = Value::adopt(object);
        let attr = text(name).to_str_lossy().into_owned();
        let message = match value.kind() {
            Kind::Class => {
                let class = value.exact::<Class>().expect("a class");
                format!("type object '{}' has no attribute '{attr}'", cut(&self.tp_name(class), 50))
            }
            Kind::Module => {
                let module = value.exact::<Module>().expect("a module");
                match module.dict().get_str(&self.heap, self.name(Name::Name)).and_then(|v| v.exact::<Str>()) {
                    Some(name) => format!("module '{}' has no attribute '{attr}'", name.to_str_lossy()),
                    None => format!("module has no attribute '{attr}'"),
                }
            }
            _ => format!("'{}' object has no attribute '{attr}'", cut(&self.type_name_for_error(value), 100)),
        };
        self.attribute_error_raw(&message, object, name)
    }

    fn attribute_error_raw(&mut self, message: &str, object: Raw, name: Raw) -> Raised {
        let mark = self.mark();
        let (object, name) = (self.push_raw(object), self.push_raw(name));
        let raised = self.attribute_error(message, object, name);
        self.release(mark);
        raised
    }

    // ---- reading: for natives ----

    /// The name an attribute is asked by: a text, interned where that makes a difference.
    fn attribute_name(&mut self, name: Root) -> Result<Held<Str>, Raised> {
        let Some(text) = self.as_str(name.get(self)) else {
            let got = self.type_name_for_error(name.get(self));
            return Err(self.type_error(format!("attribute name must be string, not '{got}'")));
        };
        let text = text.held();
        Ok(if text.is_interned() { text } else { self.find_interned(text).map_or(text, Gc::held) })
    }

    /// As `attribute_name`, for a name that will be a key.
    fn attribute_name_interned(&mut self, name: Root) -> Result<Held<Str>, Raised> {
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

    fn unless_attribute_error(&mut self, found: Result<Raw, Raised>) -> Result<Option<Root>, Raised> {
        match found {
            Ok(raw) => Ok(Some(self.push_raw(raw))),
            Err(raised) if self.raised_is(Exc::AttributeError) => {
                self.take_raised(raised);
                Ok(None)
            }
            Err(raised) => Err(raised),
        }
    }

    fn load_nested(&mut self, object: Raw, name: Held<Str>) -> Result<Raw, Raised> {
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
    ) -> Result<(Raw, bool), Raised> {
        let value: Value<'static> = Value::adopt(object);
        let class = self.class_of(value).held();
        let name = text(name);
        let special = matches!(value.kind(), Kind::Class | Kind::Super | Kind::BoundMethod);
        if !special
            && !class.has(ClassFlags::GETATTRIBUTE)
            && let Some(attr) = self.lookup_class(class, name).map(Value::raw)
        {
            let kind = match Value::adopt(attr).kind() {
                Kind::Function => cached::FUNCTION,
                Kind::Native => {
                    let native: Held<NativeFunction> = Value::adopt(attr).exact().expect("a native");
                    if native.get().def.kind == NativeKind::Method { cached::NATIVE } else { cached::EMPTY }
                }
                _ => cached::EMPTY,
            };
            if kind != cached::EMPTY {
                if let Some(own) = self.own_attribute(value, name) {
                    return Ok((own.raw(), false));
                }
                if self.instances_agree(value, class) {
                    let (low, high) = pointer_words(attr);
                    fill(cache, [shape_key(object), self.epoch, kind, low, high]);
                }
                return Ok((attr, true));
            }
        }
        self.load_nested(object, name).map(|raw| (raw, false))
    }

    /// Whether whatever has this value's shape key has the same class and none of the names that the shape does not have.
    fn instances_agree(&self, value: Value<'static>, class: Held<Class>) -> bool {
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

    // ---- writing ----

    /// The first step of setting an attribute, or of deleting it (`value` is UNBOUND); no `__setattr__` of a script is asked.
    fn store_plain(&mut self, object: Raw, class: Held<Class>, name: Held<Str>, value: Raw) -> Result<Stored, Raised> {
        if let Some(target) = Value::adopt(object).exact::<Class>() {
            return self.store_in_class(target, class, name, value);
        }
        let attr = self.lookup_class(class, name).map(Value::raw);
        if let Some(attr) = attr
            && let Some(stored) = self.store_by_descriptor(attr, object, name, value)?
        {
            return Ok(stored);
        }
        let deleting = value.is_unbound();
        if deleting {
            if self.delete_own(object, name) {
                return Ok(Stored::Done);
            }
        } else if self.set_own(object, class, name, value)? {
            return Ok(Stored::Done);
        }
        let target: Value<'static> = Value::adopt(object);
        let shown = self.type_name_for_error(target);
        let (shown, text) = (cut(&shown, 100), name.to_str_lossy().into_owned());
        let has_dict = match target.header().map(|h| h.kind()) {
            None => false,
            Some(_) => !class.has(ClassFlags::NO_DICT),
        };
        let message = if has_dict {
            format!("'{shown}' object has no attribute '{text}'")
        } else if attr.is_some() {
            format!("'{shown}' object attribute '{text}' is read-only")
        } else {
            format!("'{shown}' object has no attribute '{text}' and no __dict__ for setting new attributes")
        };
        Err(self.attribute_error_raw(&message, object, name.value().raw()))
    }

    /// Sets or deletes through a data descriptor; None if it is none.
    fn store_by_descriptor(
        &mut self,
        attr: Raw,
        object: Raw,
        name: Held<Str>,
        value: Raw,
    ) -> Result<Option<Stored>, Raised> {
        if !self.is_data_descriptor(attr) {
            return Ok(None);
        }
        let deleting = value.is_unbound();
        let descriptor: Value<'static> = Value::adopt(attr);
        if let Some(getset) = descriptor.exact::<GetSet>() {
            return self.getset_set(getset, object, value).map(Some);
        }
        if let Some(property) = descriptor.exact::<Property>()
            && property.shape() == 0
        {
            return self.property_set(property, object, value).map(Some);
        }
        let own = self.class_of(descriptor).held();
        let hook = if deleting { Name::Delete } else { Name::Set };
        let Some(method) = self.lookup_class(own, self.name(hook)).map(Value::raw) else {
            let (text, name) = (hook.text(), name.value().raw());
            return Err(self.attribute_error_raw(text, object, name));
        };
        let mut args: Few = smallvec![object];
        if !deleting {
            args.push(value);
        }
        Ok(Some(match Value::adopt(method).kind() {
            Kind::Function | Kind::Native => {
                args.insert(0, attr);
                Stored::Call(method, args)
            }
            _ => Stored::Call(self.bind_descriptor(method, attr, own)?, args),
        }))
    }

    fn property_set(&mut self, property: Held<Property>, object: Raw, value: Raw) -> Result<Stored, Raised> {
        let deleting = value.is_unbound();
        let function = if deleting { property.get().delete.get().raw() } else { property.get().set.get().raw() };
        if function.same(Raw::NONE) {
            return Err(self.property_error(property, object, if deleting { "deleter" } else { "setter" }));
        }
        Ok(Stored::Call(function, if deleting { smallvec![object] } else { smallvec![object, value] }))
    }

    fn getset_set(&mut self, getset: Held<GetSet>, object: Raw, value: Raw) -> Result<Stored, Raised> {
        if !self.getset_applies(getset, object) {
            return Err(self.doesnt_apply(getset, object));
        }
        let target: Value<'static> = Value::adopt(object);
        let deleting = value.is_unbound();
        match getset.get().access {
            Access::Slot(slot) => {
                let name = getset.get().name.get().expect("a slot has a name").held();
                let Some(instance) = target.cell_of_kind::<Instance>() else {
                    if deleting {
                        if self.delete_own(object, name) {
                            return Ok(Stored::Done);
                        }
                        let text = name.to_str_lossy().into_owned();
                        return Err(self.attribute_error_raw(&text, object, name.value().raw()));
                    }
                    let class = self.class_of(target).held();
                    self.set_own(object, class, name, value)?;
                    return Ok(Stored::Done);
                };
                if deleting && instance.slot(usize::from(slot)).is_unbound() {
                    let text = name.to_str_lossy().into_owned();
                    return Err(self.attribute_error_raw(&text, object, name.value().raw()));
                }
                instance.set_slot(self.heap.forever(), usize::from(slot), Value::adopt(value));
                Ok(Stored::Done)
            }
            Access::Field(index) => {
                let Some(exception) = target.exact::<Exception>() else {
                    return Err(self.doesnt_apply(getset, object));
                };
                let index = usize::from(index);
                let heap = self.heap.forever();
                let fields = match exception.get().fields.get() {
                    Some(fields) if index < fields.capacity() => fields,
                    old => {
                        let new = Slots::with_capacity(heap, index + 1).expect("a few slots");
                        for (i, slot) in old.iter().flat_map(|o| o.tail()).enumerate() {
                            new.set_tail(heap, i, slot.get());
                        }
                        exception.set_ref(heap, |e| &e.fields, Some(new));
                        new
                    }
                };
                fields.set_tail(heap, index, Value::adopt(value));
                Ok(Stored::Done)
            }
            Access::Native(_) => {
                let setter = getset.get().setter.value().raw();
                if setter.same(Raw::NONE) {
                    let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
                    let class = getset.get().class.get().map_or(String::new(), |c| self.tp_name(c));
                    // Members of C structures, as CPython has them, are refused in other words.
                    let member = matches!(class.as_str(), "range" | "slice" | "complex");
                    let message = match member {
                        true => "readonly attribute".to_owned(),
                        false => format!("attribute '{name}' of '{class}' objects is not writable"),
                    };
                    return Err(self.raise_text(Exc::AttributeError, &message));
                }
                Ok(Stored::Call(setter, smallvec![object, value]))
            }
        }
    }

    /// `type.__setattr__` and `type.__delattr__`.
    fn store_in_class(
        &mut self,
        target: Held<Class>,
        metaclass: Held<Class>,
        name: Held<Str>,
        value: Raw,
    ) -> Result<Stored, Raised> {
        self.check_mutable(target, name)?;
        let object = target.value().raw();
        if let Some(attr) = self.lookup_class(metaclass, name).map(Value::raw)
            && let Some(stored) = self.store_by_descriptor(attr, object, name, value)?
        {
            return Ok(stored);
        }
        if !self.set_class_attribute(target, name, value) {
            return Err(self.no_attribute(object, name.value().raw()));
        }
        Ok(Stored::Done)
    }

    fn store_outcome(&mut self, stored: Stored) -> NativeResult {
        match stored {
            Stored::Done => Ok(Outcome::NONE),
            Stored::Call(callee, args) => self.ask(callee, &args, Then::Continue(nothing)),
        }
    }

    /// The instruction `object.name = value`.
    pub(super) fn set_attr_op(
        &mut self,
        object: Raw,
        name: Raw,
        value: Raw,
        cache: [&StdCell<u32>; 5],
    ) -> Result<Invoked, Raised> {
        let class = self.class_of(Value::adopt(object)).held();
        if class.has(ClassFlags::SETATTR) {
            let hook = self.name(Name::SetAttr).held();
            return self.hooked_store(hook, object, class, &[name, value]);
        }
        if self.store_cached(object, class, text(name), value, cache) {
            return Ok(Invoked::Value(Raw::NONE));
        }
        match self.store_plain(object, class, text(name), value)? {
            Stored::Done => Ok(Invoked::Value(Raw::NONE)),
            stored => self.with_window(|cx, start| {
                let outcome = cx.store_outcome(stored)?;
                cx.carry_out(outcome, start)
            }),
        }
    }

    /// The instruction `del object.name`.
    pub(super) fn delete_attr_op(&mut self, object: Raw, name: Raw) -> Result<Invoked, Raised> {
        let class = self.class_of(Value::adopt(object)).held();
        if class.has(ClassFlags::DELATTR) {
            let hook = self.name(Name::DelAttr).held();
            return self.hooked_store(hook, object, class, &[name]);
        }
        match self.store_plain(object, class, text(name), Raw::UNBOUND)? {
            Stored::Done => Ok(Invoked::Value(Raw::NONE)),
            stored => self.with_window(|cx, start| {
                let outcome = cx.store_outcome(stored)?;
                cx.carry_out(outcome, start)
            }),
        }
    }

    fn hooked_store(
        &mut self,
        hook: Held<Str>,
        object: Raw,
        class: Held<Class>,
        args: &[Raw],
    ) -> Result<Invoked, Raised> {
        let method = self.lookup_class(class, hook).expect("the flag says so").raw();
        self.with_window(|cx, start| {
            let object = cx.push_raw(object);
            let outcome = cx.ask_method(method, object, class, args, Then::Return)?;
            cx.carry_out(outcome, start)
        })
    }

    /// Does a `SetAttr` on a plain instance and fills its cache, where that can be.
    fn store_cached(
        &mut self,
        object: Raw,
        class: Held<Class>,
        name: Held<Str>,
        value: Raw,
        cache: [&StdCell<u32>; 5],
    ) -> bool {
        let target: Value<'static> = Value::adopt(object);
        let Some(instance) = target.exact::<Instance>() else { return false };
        let shape = instance.shape();
        let value = Value::adopt(value);
        let slot = match self.lookup_class(class, name).map(Value::raw) {
            Some(attr) if self.is_data_descriptor(attr) => {
                let Some(getset) = Value::adopt(attr).exact::<GetSet>() else { return false };
                let Access::Slot(slot) = getset.get().access else { return false };
                if !self.getset_applies(getset, object) {
                    return false;
                }
                Some(usize::from(slot))
            }
            _ if self.shapes.is_dict_mode(shape) => return false,
            _ => self.shapes.slot(shape, name),
        };
        if let Some(slot) = slot {
            instance.set_slot(self.heap.forever(), slot, value);
            if slot < instance.inline() {
                fill(cache, [shape, self.epoch, cached::INLINE, slot as u32, 0]);
            }
            return true;
        }
        if class.has(ClassFlags::NO_DICT) {
            return false;
        }
        let Some(next) = self.shapes.with(shape, name) else { return false };
        self.add_slot(instance, class, next, value);
        let slot = self.shapes.len(next) - 1;
        if slot < instance.inline() {
            fill(cache, [shape, self.epoch, cached::ADD, slot as u32, next]);
        }
        true
    }

    /// `setattr(object, name, value)`, for a native with these parameters; `value` UNBOUND deletes.
    pub fn setattr_outcome(&mut self, object: Root, name: Root, value: Raw) -> NativeResult {
        let text = self.attribute_name_interned(name)?;
        let class = self.class_of(object.get(self)).held();
        let (flag, hook) = if value.is_unbound() {
            (ClassFlags::DELATTR, Name::DelAttr)
        } else {
            (ClassFlags::SETATTR, Name::SetAttr)
        };
        if class.has(flag) {
            let method = self.lookup_class(class, self.name(hook)).expect("the flag says so").raw();
            let mut args: Few = smallvec![text.value().raw()];
            args.extend((!value.is_unbound()).then_some(value));
            return self.ask_method(method, object, class, &args, Then::Continue(nothing));
        }
        let raw = object.get(self).raw();
        let stored = self.store_plain(raw, class, text, value)?;
        self.store_outcome(stored)
    }

    /// What `__setattr__` and `__delattr__` of the builtin classes do; `value` UNBOUND deletes.
    pub(crate) fn generic_set(&mut self, object: Root, name: Root, value: Raw) -> NativeResult {
        let text = self.attribute_name_interned(name)?;
        let class = self.class_of(object.get(self)).held();
        let raw = object.get(self).raw();
        let stored = self.store_plain(raw, class, text, value)?;
        self.store_outcome(stored)
    }

    /// `object.name = value`.
    pub fn set_attribute(&mut self, object: Root, name: Root, value: Root) -> Result<(), Raised> {
        let value = value.get(self).raw();
        self.nested(|cx| cx.setattr_outcome(object, name, value)).map(|_| ())
    }

    /// `del object.name`.
    pub fn delete_attribute(&mut self, object: Root, name: Root) -> Result<(), Raised> {
        self.nested(|cx| cx.setattr_outcome(object, name, Raw::UNBOUND)).map(|_| ())
    }

    /// `property.__get__`, `getset.__set__` and their kin called by name.
    pub(crate) fn descriptor_get(&mut self, attr: Root, object: Root, class: Root) -> NativeResult {
        let receiver = object.get(self).raw();
        let on_class = receiver.same(Raw::NONE) || receiver.is_unbound();
        let receiver = if on_class { Raw::UNBOUND } else { receiver };
        let class = match class.get(self).exact::<Class>() {
            Some(class) => class.held(),
            None if on_class => return Err(self.type_error("__get__(None, None) is invalid".into())),
            None => self.class_of(object.get(self)).held(),
        };
        let attr = attr.get(self).raw();
        // Reached by name, so what a subclass makes of it was passed over on purpose.
        let property: Option<Held<Property>> = Value::adopt(attr).exact();
        let loaded = match property {
            Some(property) if !on_class => self.property_get(property, receiver)?,
            Some(_) => Loaded::Value(attr),
            None => self.bind_attribute(attr, receiver, class)?,
        };
        match loaded {
            Loaded::Value(raw) => Ok(Outcome::Value(raw)),
            Loaded::Call(callee, args) => self.ask(callee, &args, Then::Return),
            Loaded::Missing => unreachable!("what is there is bound"),
        }
    }

    /// `property.__set__` and `getset.__set__` (with UNBOUND: `__delete__`) called by name.
    pub(crate) fn descriptor_set(&mut self, attr: Root, object: Root, value: Raw) -> NativeResult {
        let receiver = object.get(self).raw();
        let descriptor: Value<'static> = Value::adopt(attr.get(self).raw());
        let stored = match (descriptor.exact::<Property>(), descriptor.exact::<GetSet>()) {
            (Some(property), _) => self.property_set(property, receiver, value)?,
            (_, Some(getset)) => self.getset_set(getset, receiver, value)?,
            _ => return Err(self.system_error("a descriptor that cannot be set")),
        };
        self.store_outcome(stored)
    }

    // ---- super ----

    /// The class whose method resolution order `super(class, object)` searches.
    pub(crate) fn super_start(&mut self, class: Held<Class>, object: Raw) -> Result<Held<Class>, Raised> {
        let value: Value<'static> = Value::adopt(object);
        let as_class = value.exact::<Class>();
        if let Some(given) = as_class
            && given.is_subclass(class)
        {
            return Ok(given);
        }
        let own = self.class_of(value).held();
        if own.is_subclass(class) {
            return Ok(own);
        }
        let mark = self.mark();
        let root = self.push_raw(object);
        let said = self.find_attribute(root, "__class__")?.and_then(|r| r.get(self).exact::<Class>().map(Gc::held));
        self.release(mark);
        if let Some(said) = said
            && said.is_subclass(class)
        {
            return Ok(said);
        }
        let (what, name) = match as_class {
            Some(given) => ("type", self.tp_name(given)),
            None => ("instance of", self.tp_name(own)),
        };
        let wanted = self.tp_name(class);
        Err(self.type_error(format!(
            "super(type, obj): obj ({what} {name}) is not an instance or subtype of type ({wanted})."
        )))
    }

    /// A super object.
    pub(crate) fn new_super(&self, class: Held<Class>, receiver: Raw, start: Option<Held<Class>>) -> Raw {
        let made = Super {
            class: Ref::new(class),
            receiver: Slot::new(Value::adopt(receiver)),
            receiver_class: Ref::from_option(start),
        };
        self.heap.alloc(made).value().raw()
    }

    fn is_builtin_super(&self, raw: Raw) -> bool {
        raw.same(self.kind_class(Kind::Super).value().raw())
    }

    /// Class and receiver of a `super()` or `super(class, receiver)` in a method.
    fn super_parts(&mut self, parts: [Raw; 3]) -> Result<(Held<Class>, Raw), Raised> {
        let [_, class, receiver] = parts;
        if receiver.is_unbound() {
            return Err(self.runtime_error("super(): arg[0] deleted"));
        }
        match Value::adopt(class).exact::<Class>() {
            Some(class) => Ok((class, receiver)),
            None => {
                let got = self.type_name_for_error(Value::adopt(class));
                Err(self.type_error(format!("super() argument 1 must be a type, not {got}")))
            }
        }
    }

    /// The instruction `dst = super(...).name`: the super object is not made.
    pub(super) fn super_attribute(&mut self, parts: [Raw; 3], flags: u8, name: Raw) -> Result<Invoked, Raised> {
        let bare = flags & 1 != 0;
        if !self.is_builtin_super(parts[0]) {
            let args: Few = if bare { smallvec![] } else { smallvec![parts[1], parts[2]] };
            return self.with_window(|cx, start| {
                // The result goes where the object of a look-up is.
                cx.push_raw(Raw::NONE);
                cx.push_raw(name);
                let outcome = cx.ask(parts[0], &args, Then::Continue(after_super))?;
                cx.carry_out(outcome, start)
            });
        }
        let (class, receiver) = self.super_parts(parts)?;
        let bound = bare || !receiver.same(Raw::NONE);
        let start = if bound { Some(self.super_start(class, receiver)?) } else { None };
        let name_text = text(name);
        if let Some(start) = start
            && name_text != self.name(Name::Class)
            && let Some(found) = self.load_after(class, start, receiver, name_text)
        {
            return match found? {
                Loaded::Value(raw) => Ok(Invoked::Value(raw)),
                Loaded::Call(callee, args) => self.with_window(|cx, at| {
                    let outcome = cx.ask(callee, &args, Then::Return)?;
                    cx.carry_out(outcome, at)
                }),
                Loaded::Missing => unreachable!("what was found is bound"),
            };
        }
        let object = self.new_super(class, receiver, start);
        self.load_nested(object, name_text).map(Invoked::Value)
    }

    /// The instruction for `super()` without arguments.
    pub(super) fn call_super(&mut self, parts: [Raw; 3]) -> Result<Invoked, Raised> {
        if !self.is_builtin_super(parts[0]) {
            return self.with_window(|cx, start| {
                let outcome = cx.ask(parts[0], &[], Then::Return)?;
                cx.carry_out(outcome, start)
            });
        }
        let (class, receiver) = self.super_parts(parts)?;
        let start = self.super_start(class, receiver)?;
        Ok(Invoked::Value(self.new_super(class, receiver, Some(start))))
    }

    /// Class and first argument of the method that runs, for `super()` called through another name.
    pub(crate) fn super_of_frame(&mut self) -> Result<(Held<Class>, Raw), Raised> {
        use super::frame::RecordKind;
        let record = self.fiber.records.iter().rev().find(|r| r.function.is_some()).copied();
        let Some(record) = record else { return Err(self.runtime_error("super(): no current frame")) };
        let function = record.function.expect("just looked for");
        let code = function.code();
        if code.code.positional == 0 {
            return Err(self.runtime_error("super(): no arguments"));
        }
        let mut receiver = match record.kind {
            RecordKind::InPlace { generator, .. } => generator.get_tail_value(0).raw(),
            _ => self.fiber.registers.get(record.base).raw(),
        };
        if let Some(cell) = Value::adopt(receiver).exact::<crate::object::Variable>() {
            receiver = cell.get().content.get().raw();
        }
        if receiver.is_unbound() {
            return Err(self.runtime_error("super(): arg[0] deleted"));
        }
        let free = code.code.free.iter().position(|n| &**n == "__class__");
        let closure = function.get().closure.get();
        let cell = free.zip(closure).and_then(|(i, c)| c.item(i).exact::<crate::object::Variable>());
        let Some(cell) = cell else { return Err(self.runtime_error("super(): __class__ cell not found")) };
        match cell.get().content.get().exact::<Class>() {
            Some(class) => Ok((class.held(), receiver)),
            None => Err(self.runtime_error("super(): empty __class__ cell")),
        }
    }

    // ---- `__class__ =` ----

    /// `object.__class__ = class`.
    pub(crate) fn set_class(&mut self, object: Root, class: Root) -> Result<(), Raised> {
        let Some(new) = class.get(self).exact::<Class>().map(Gc::held) else {
            if class.get(self).is_unbound() {
                return Err(self.type_error("can't delete __class__ attribute".into()));
            }
            let got = self.type_name_for_error(class.get(self));
            return Err(self.type_error(format!("__class__ must be set to a class, not '{got}' object")));
        };
        let value: Value<'static> = Value::adopt(object.get(self).raw());
        let old = self.class_of(value).held();
        if let Some(module) = value.exact::<Module>()
            && new.is_subclass(self.kind_class(Kind::Module))
        {
            module.set_ref(&self.heap, |m| &m.class, Some(new));
            return Ok(());
        }
        let changeable = |c: Held<Class>| c.has(ClassFlags::HEAP);
        if !changeable(old) || !changeable(new) || value.kind() == Kind::Module {
            return Err(self
                .type_error("__class__ assignment only supported for mutable types or ModuleType subclasses".into()));
        }
        if !self.same_layout(old, new) {
            let (new, old) = (self.tp_name(new), self.tp_name(old));
            return Err(self.type_error(format!("__class__ assignment: '{new}' object layout differs from '{old}'")));
        }
        match value.kind() {
            Kind::Class => {
                let class: Held<Class> = value.exact().expect("a class");
                class.set_ref(&self.heap, |c| &c.metaclass, Some(new));
                self.end_epoch();
            }
            _ => match value.cell_of_kind::<Instance>() {
                Some(instance) => self.reshape(instance, new),
                None => set_root_shape(value, new),
            },
        }
        if new.has(ClassFlags::FINALISER) {
            self.heap.finalisable(value);
        }
        Ok(())
    }

    /// Moves an instance to the shapes of another class of the same layout.
    fn reshape(&mut self, instance: Held<Instance>, class: Held<Class>) {
        let old = instance.shape();
        let root = class.get().root_shape.get();
        if self.shapes.is_dict_mode(old) {
            let shape = self.shapes.dict_shape(root);
            return instance.set_shape(shape);
        }
        let names: Vec<Held<Str>> =
            self.shapes.names(&self.heap, old).into_iter().map(|(_, name)| name.held()).collect();
        let mut shape = root;
        for name in names {
            match self.shapes.with(shape, name) {
                Some(next) => shape = next,
                None => {
                    self.move_to_dict(instance);
                    let shape = self.shapes.dict_shape(root);
                    return instance.set_shape(shape);
                }
            }
        }
        instance.set_shape(shape);
    }
}

/// Gives an object that is no plain instance (an exception, a native object) the shape of a class.
fn set_root_shape(value: Value<'static>, class: Held<Class>) {
    let shape = class.get().root_shape.get();
    if let Some(cell) = value.cell_of_kind::<Exception>() {
        cell.set_shape(shape);
    } else if let Some(cell) = value.cell_of_kind::<NativeObject>() {
        cell.set_shape(shape);
    } else if let Some(cell) = value.cell_of_kind::<Property>() {
        cell.set_shape(shape);
    }
}

/// The exact value that an instance of a class derived from a builtin type stands for.
fn payload_of(value: Value<'static>) -> Value<'static> {
    if !value.is_subclassed() {
        return value;
    }
    value.cell_of_kind::<Instance>().map_or(value, |instance| instance.slot(0))
}

/// The pointer of a cell in two words, as caches hold it.
fn pointer_words(raw: Raw) -> (u32, u32) {
    let pointer = raw.header().expose_provenance() as u64;
    (pointer as u32, (pointer >> 32) as u32)
}

/// Writes the words of a cache.
fn fill<const N: usize>(cache: [&StdCell<u32>; N], words: [u32; N]) {
    for (cell, word) in cache.iter().zip(words) {
        cell.set(word);
    }
}

/// Whether CPython reaches a method of this name through a slot of the type, which shows in the class of the method.
pub(crate) fn is_wrapper(name: &str) -> bool {
    const METHODS: &[&str] = &[
        "__reduce__",
        "__reduce_ex__",
        "__format__",
        "__dir__",
        "__sizeof__",
        "__getstate__",
        "__setstate__",
        "__getnewargs__",
        "__getnewargs_ex__",
        "__reversed__",
        "__length_hint__",
        "__enter__",
        "__exit__",
        "__aenter__",
        "__aexit__",
        "__instancecheck__",
        "__subclasscheck__",
        "__subclasses__",
        "__class_getitem__",
        "__init_subclass__",
        "__subclasshook__",
        "__prepare__",
        "__round__",
        "__trunc__",
        "__floor__",
        "__ceil__",
        "__complex__",
        "__bytes__",
        "__copy__",
        "__deepcopy__",
        "__missing__",
        "__set_name__",
        "__typing_subst__",
        "__mro_entries__",
    ];
    name.starts_with("__") && name.ends_with("__") && !METHODS.contains(&name)
}

/// Window: object and name. What was called raised: AttributeError leads to `__getattr__`.
fn after_lookup(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    after_call(cx, window, resumed, None)
}

/// Window: object, name and default.
fn after_lookup_or(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    after_call(cx, window, resumed, Some(window.root(2)))
}

fn after_call(cx: &mut Vm, window: Args, resumed: Resumed, default: Option<Root>) -> NativeResult {
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
fn after_hook_or(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) if cx.is_exception(exception.get(cx), Exc::AttributeError) => {
            Ok(window.get(cx, 2).into())
        }
        Resumed::Raised(exception) => Err(cx.pass_on(exception)),
    }
}

/// Window: a place for the object, and the name. What stands for `super` was called.
fn after_super(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(object) = resumed else { unreachable!("exceptions pass") };
    let object = object.get(cx).raw();
    window.root(0).set(cx, Value::adopt(object));
    cx.getattr_outcome(window.root(0), window.root(1), None)
}

/// Whatever a setter returns is dropped.
fn nothing(_: &mut Vm, _: Args, _: Resumed) -> NativeResult {
    Ok(Outcome::NONE)
}

/// Marks what only some kinds have as used.
#[allow(dead_code, reason = "documents what getters and setters of a GetSet are")]
type Accessor = AnyRef;
