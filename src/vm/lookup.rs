//! What a class says of a name: look-up along the method resolution order with its cache, and what an object has itself.

use smallvec::smallvec;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::object::{
    Access, AnyFuture, BoundMethod, Class, ClassFlags, ClassMethod, Dict, Exc, Exception, Function, GetSet, Instance,
    Module, NativeObject, Property, ShapeId, StaticMethod, Str,
};

use super::attribute::{Loaded, payload_of};
use super::builtin_types::Place;
use super::frame::Held;
use super::native::{NativeFunction, NativeKind, Quick, Raised};
use super::{CachedMethod, METHOD_CACHE, Name, Vm};

/// Inline slots that instances of a class get at most.
pub(super) const MOST_INLINE: usize = 24;

/// What an instruction wants with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UseOf {
    /// To read it.
    Get,
    /// To call it.
    Call,
    /// To set it.
    Set,
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
    pub(super) fn class_by_content(&self, raw: Raw) -> Gc<'_, Class> {
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
                    NativeKind::Method | NativeKind::Getter | NativeKind::Setter
                        if is_wrapper_of(value.exact::<NativeFunction>().expect("a native").held()) =>
                    {
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
                    // A module's function that something made a method of.
                    Some(native) if native.get().def.kind == NativeKind::Function => {
                        return self.kind_class(Kind::BoundMethod);
                    }
                    Some(native) if is_wrapper_of(native.held()) => Place::MethodWrapper,
                    Some(_) => return self.kind_class(Kind::Native),
                    None => return self.kind_class(Kind::BoundMethod),
                }
            }
            _ => match value.exact::<GetSet>().expect("a getset").get().access {
                access if access.is_member() => Place::MemberDescriptor,
                _ => return self.kind_class(Kind::GetSet),
            },
        };
        self.placed_class(place)
    }

    // ---- what instructions found ----

    #[inline]
    fn known_at(&self, use_of: UseOf, shape: u32, name: Held<Str>) -> &std::cell::Cell<super::Known> {
        let name = (name.pointer() as *const ()).addr() >> 4;
        let index = name.wrapping_add((shape as usize).wrapping_mul(0x9E37_79B1)).wrapping_add(use_of as usize);
        &self.known[(index ^ (index >> 16)) & (super::KNOWN - 1)]
    }

    /// What was found under a name in an object of this shape before.
    #[inline]
    pub(super) fn recall(
        &self,
        use_of: UseOf,
        cache: [&std::cell::Cell<u32>; 5],
        shape: u32,
        name: Held<Str>,
    ) -> Option<[u32; 3]> {
        let known = self.known_at(use_of, shape, name).get();
        let same = known.name == name.pointer() as *const ()
            && known.shape == shape
            && known.epoch == self.epoch
            && known.use_of == use_of;
        if !same {
            return None;
        }
        let words = known.words;
        // What the instruction's own cache knows is kept as long as it is right.
        if cache[1].get() != self.epoch {
            super::attribute::fill(cache, [shape, self.epoch, words[0], words[1], words[2]]);
        }
        Some(words)
    }

    /// Keeps what was found, in the instruction's cache and for others.
    pub(super) fn remember(
        &self,
        use_of: UseOf,
        cache: [&std::cell::Cell<u32>; 5],
        shape: u32,
        name: Held<Str>,
        words: [u32; 3],
    ) {
        let known = super::Known { name: name.pointer() as *const (), shape, epoch: self.epoch, use_of, words };
        self.known_at(use_of, shape, name).set(known);
        super::attribute::fill(cache, [shape, self.epoch, words[0], words[1], words[2]]);
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
            let owner = entry.owner?;
            return Some((owner.namespace().value_at(entry.index as usize), owner));
        }
        let found = self.find_along(class.held(), name);
        let (owner, index) = found.map_or((None, 0), |(owner, index)| (Some(owner), index as u32));
        place.set(CachedMethod { class: class_at, name: name_at, epoch: self.epoch, owner, index });
        found.map(|(owner, index)| (owner.namespace().value_at(index), owner))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn find_along(&self, class: Held<Class>, name: Held<Str>) -> Option<(Held<Class>, usize)> {
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

    /// Whether a data descriptor is asked when the attribute is read: one that has only `__set__` is not.
    pub(super) fn is_readable_descriptor(&self, attr: Raw) -> bool {
        let value = Value::adopt(attr);
        let builtin = !value.is_subclassed() && matches!(value.kind(), Kind::Property | Kind::GetSet);
        builtin || self.lookup_class(self.class_of(value), self.name(Name::Get)).is_some()
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
        if let Some(native) = Value::adopt(get).exact::<NativeFunction>()
            && let Quick::Three(quick) = native.get().def.quick
        {
            let found = quick(self, attr, object, class);
            if !found.is_unbound() {
                return Ok(Loaded::Value(found));
            }
        }
        // Of all special methods this one is called as it stands.
        Ok(Loaded::Call(get, smallvec![attr, object, class]))
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
    pub(super) fn call_nested(&mut self, callee: Raw, args: &[Raw]) -> Result<Raw, Raised> {
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
    pub(super) fn is_plain_property(&self, property: Held<Property>) -> bool {
        property.shape() == 0 || {
            let class = self.class_of(property.value());
            let get = self.lookup_class_with_owner(class, self.name(Name::Get));
            get.is_some_and(|(_, owner)| owner == self.kind_class(Kind::Property))
        }
    }

    pub(super) fn property_get(&mut self, property: Held<Property>, receiver: Raw) -> Result<Loaded, Raised> {
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
        if name.is_none()
            && let Some(native) = property.get().get.get().exact::<NativeFunction>()
        {
            name = Value::adopt(Str::new(&self.heap, native.get().def.name).value().raw());
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

    pub(super) fn doesnt_apply(&mut self, getset: Held<GetSet>, receiver: Raw) -> Raised {
        let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
        let class = getset.get().class.get().map_or(String::new(), |c| self.tp_name(c));
        let got = self.type_name_for_error(Value::adopt(receiver));
        self.type_error(format!("descriptor '{name}' for '{class}' objects doesn't apply to a '{got}' object"))
    }

    pub(super) fn getset_applies(&self, getset: Held<GetSet>, receiver: Raw) -> bool {
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
            Access::Slot(slot) | Access::Member(slot) => {
                let name = getset.get().name.get().expect("a slot has a name").held();
                let value = if let Some(instance) = object.cell_of_kind::<Instance>() {
                    instance.slot(usize::from(slot)).given().map(Value::raw)
                } else if let Some(exception) = object.exact::<Exception>() {
                    exception.given_field(usize::from(slot)).map(Value::raw)
                } else {
                    self.own_attribute(object, name).map(Value::raw)
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
            Access::Native { .. } => {
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
        details.put_str(heap, self.name(name), Value::adopt(value));
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
                dict.put_str(heap.forever(), name, value);
            }
        }
        self.enter_dict_mode(instance, dict);
        dict
    }

    pub(super) fn enter_dict_mode(&mut self, instance: Held<Instance>, dict: Held<Dict>) {
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
    pub(crate) fn set_own(
        &mut self,
        object: Raw,
        class: Held<Class>,
        name: Held<Str>,
        value: Raw,
    ) -> Result<bool, Raised> {
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
    pub(super) fn add_slot(&mut self, instance: Held<Instance>, class: Held<Class>, next: ShapeId, value: Value<'_>) {
        let slot = self.shapes.len(next) - 1;
        instance.set_slot(self.heap.forever(), slot, value);
        instance.set_shape(next);
        // Instances made from now on have it inline.
        let inline = &class.get().inline_slots;
        if slot >= usize::from(inline.get())
            && !class.has(ClassFlags::LEAN)
            && slot < MOST_INLINE + usize::from(class.get().fixed_slots.get())
        {
            inline.set(slot as u8 + 1);
        }
    }

    pub(super) fn set_in_dict(&mut self, dict: Held<Dict>, name: Held<Str>, value: Raw) -> Result<(), Raised> {
        match dict.set_str(self.heap.forever(), name, Value::adopt(value)) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.memory_error()),
        }
    }

    /// Removes an attribute that the object itself has; false if there is none.
    pub(super) fn delete_own(&mut self, object: Raw, name: Held<Str>) -> bool {
        let target: Value<'static> = Value::adopt(object);
        if let Some(instance) = target.cell_of_kind::<Instance>() {
            let shape = instance.shape();
            if !self.shapes.is_dict_mode(shape) {
                let Some(slot) = self.shapes.slot(shape, name) else { return false };
                if instance.slot(slot).is_unbound() {
                    return false;
                }
                // What was made last leaves nothing behind; no new shape is made, however many are added and removed.
                if let Some(before) = self.shapes.without(shape, slot) {
                    instance.set_slot(self.heap.forever(), slot, Value::UNBOUND);
                    instance.set_shape(before);
                    return true;
                }
                self.move_to_dict(instance);
            }
            return instance.dict().is_some_and(|d| d.remove_str(&self.heap, name).is_some());
        }
        self.own_dict(target).is_some_and(|d| d.remove_str(&self.heap, name).is_some())
    }
}

/// Whether CPython reaches a method through a slot of its type: not those that dict, list and the sets have as methods besides.
pub(crate) fn is_wrapper_of(native: Held<NativeFunction>) -> bool {
    let name = native.get().def.name;
    let class = native.get().class.get().map_or(String::new(), |class| class.name().to_str_lossy().into_owned());
    let twice = match name {
        "__contains__" => matches!(&*class, "dict" | "set" | "frozenset"),
        "__getitem__" => matches!(&*class, "dict" | "list"),
        _ => false,
    };
    !twice && is_wrapper(name)
}

/// Whether CPython reaches a method of this name through a slot of the type, which shows in the class of the method.
pub(crate) fn is_wrapper(name: &str) -> bool {
    const SLOTS: &[&str] = &[
        "__abs__",
        "__add__",
        "__aiter__",
        "__and__",
        "__anext__",
        "__await__",
        "__bool__",
        "__buffer__",
        "__call__",
        "__contains__",
        "__del__",
        "__delattr__",
        "__delete__",
        "__delitem__",
        "__divmod__",
        "__eq__",
        "__float__",
        "__floordiv__",
        "__ge__",
        "__get__",
        "__getattr__",
        "__getattribute__",
        "__getitem__",
        "__gt__",
        "__hash__",
        "__iadd__",
        "__iand__",
        "__ifloordiv__",
        "__ilshift__",
        "__imatmul__",
        "__imod__",
        "__imul__",
        "__index__",
        "__init__",
        "__int__",
        "__invert__",
        "__ior__",
        "__ipow__",
        "__irshift__",
        "__isub__",
        "__iter__",
        "__itruediv__",
        "__ixor__",
        "__le__",
        "__len__",
        "__lshift__",
        "__lt__",
        "__matmul__",
        "__mod__",
        "__mul__",
        "__ne__",
        "__neg__",
        "__next__",
        "__or__",
        "__pos__",
        "__pow__",
        "__radd__",
        "__rand__",
        "__rdivmod__",
        "__release_buffer__",
        "__repr__",
        "__rfloordiv__",
        "__rlshift__",
        "__rmatmul__",
        "__rmod__",
        "__rmul__",
        "__ror__",
        "__rpow__",
        "__rrshift__",
        "__rshift__",
        "__rsub__",
        "__rtruediv__",
        "__rxor__",
        "__set__",
        "__setattr__",
        "__setitem__",
        "__str__",
        "__sub__",
        "__truediv__",
        "__xor__",
    ];
    name.starts_with("__") && SLOTS.binary_search(&name).is_ok()
}
