//! Attributes set and deleted, and `__class__ =`: the writing half of `attribute.rs`.

use std::cell::Cell as StdCell;

use smallvec::smallvec;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{Access, Class, ClassFlags, Exc, Exception, GetSet, Instance, Module, NativeObject, Property, Str};

use super::attribute::{Few, Loaded, cut, nothing, text};
use super::call::Invoked;
use super::frame::Held;
use super::lookup::UseOf;
use super::native::{NativeResult, Outcome, Raised, Root, Then, takes_receiver};
use super::run::cached;
use super::{Name, Vm};

/// What the first step of setting or deleting came to.
#[derive(Debug)]
pub(super) enum Stored {
    /// It is done.
    Done,
    /// This callable does it, given these arguments.
    Call(Raw, Few),
}

impl Vm {
    // ---- writing ----

    /// The first step of setting an attribute, or of deleting it (`value` is UNBOUND); no `__setattr__` of a script is asked.
    pub(super) fn store_plain(
        &mut self,
        object: Raw,
        class: Held<Class>,
        name: Held<Str>,
        value: Raw,
    ) -> Result<Stored, Raised> {
        if let Some(target) = Value::adopt(object).exact::<Class>() {
            return self.store_in_class(target, class, name, value);
        }
        if let Some(module) = Value::<'static>::adopt(object).exact::<Module>()
            && module.get().spec_due.get()
            && self.is_spec(name)
        {
            self.make_spec(module)?;
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
            let message = format!("'{shown}' object has no attribute '{text}'");
            // CPython doesn't say which it was where the attributes of the instance are in its own keeping.
            if self.payload(target).kind() != Kind::Exception
                && class.has(ClassFlags::HEAP)
                && !shown.contains('.')
                && target.exact::<Module>().is_none()
            {
                return Err(self.raise_text(Exc::AttributeError, &message));
            }
            message
        } else if attr.is_some() {
            let message = format!("'{shown}' object attribute '{text}' is read-only");
            return Err(self.raise_text(Exc::AttributeError, &message));
        } else if [Name::SetAttr, Name::DelAttr].into_iter().all(|name| self.leaves_to_object(class, name)) {
            format!("'{shown}' object has no attribute '{text}' and no __dict__ for setting new attributes")
        } else {
            format!("'{shown}' object has no attribute '{text}'")
        };
        Err(self.attribute_error_raw(&message, object, name.value().raw()))
    }

    /// Whether a class leaves a method as object has it.
    fn leaves_to_object(&self, class: Held<Class>, name: Name) -> bool {
        let found = self.lookup_class_with_owner(class, self.name(name));
        found.is_none_or(|(_, owner)| owner.value().raw().same(self.types.object))
    }

    /// Sets or deletes through a data descriptor; None if it is none.
    pub(super) fn store_by_descriptor(
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
        if takes_receiver(Value::adopt(method)) {
            args.insert(0, attr);
            return Ok(Some(Stored::Call(method, args)));
        }
        Ok(Some(Stored::Call(self.bind_descriptor(method, attr, own)?, args)))
    }

    pub(super) fn property_set(&mut self, property: Held<Property>, object: Raw, value: Raw) -> Result<Stored, Raised> {
        let deleting = value.is_unbound();
        let function = if deleting { property.get().delete.get().raw() } else { property.get().set.get().raw() };
        if function.same(Raw::NONE) {
            return Err(self.property_error(property, object, if deleting { "deleter" } else { "setter" }));
        }
        Ok(Stored::Call(function, if deleting { smallvec![object] } else { smallvec![object, value] }))
    }

    pub(super) fn getset_set(&mut self, getset: Held<GetSet>, object: Raw, value: Raw) -> Result<Stored, Raised> {
        if !self.getset_applies(getset, object) {
            return Err(self.doesnt_apply(getset, object));
        }
        let target: Value<'static> = Value::adopt(object);
        let deleting = value.is_unbound();
        match getset.get().access {
            Access::Slot(slot) => {
                let name = getset.get().name.get().expect("a slot has a name").held();
                if let Some(exception) = target.exact::<Exception>() {
                    if deleting && exception.given_field(usize::from(slot)).is_none() {
                        return Err(self.raise_text(Exc::AttributeError, &name.to_str_lossy()));
                    }
                    exception.set_field(self.heap.forever(), usize::from(slot), Value::adopt(value));
                    return Ok(Stored::Done);
                }
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
                    return Err(self.raise_text(Exc::AttributeError, &name.to_str_lossy()));
                }
                instance.set_slot(self.heap.forever(), usize::from(slot), Value::adopt(value));
                Ok(Stored::Done)
            }
            Access::Member(_) => Err(self.raise_text(Exc::AttributeError, "readonly attribute")),
            Access::Field(index) => {
                let Some(exception) = target.exact::<Exception>() else {
                    return Err(self.doesnt_apply(getset, object));
                };
                let group = self.exception_class(Exc::BaseExceptionGroup);
                if getset.get().class.get().is_some_and(|class| class == group) {
                    return Err(self.raise_text(Exc::AttributeError, "readonly attribute"));
                }
                self.check_field(getset, value)?;
                exception.set_field(self.heap.forever(), usize::from(index), Value::adopt(value));
                Ok(Stored::Done)
            }
            Access::Native { .. } => {
                let setter = getset.get().setter.value().raw();
                if setter.same(Raw::NONE) {
                    let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
                    let class = getset.get().class.get().map_or(String::new(), |c| self.tp_name(c));
                    // Members of C structures, as CPython has them, are refused in other words.
                    let message = match getset.get().access.is_member() {
                        true => "readonly attribute".to_owned(),
                        false => format!("attribute '{name}' of '{class}' objects is not writable"),
                    };
                    return Err(self.raise_text(Exc::AttributeError, &message));
                }
                Ok(Stored::Call(setter, smallvec![object, value]))
            }
        }
    }

    /// Fields that are numbers in CPython's structures stay numbers.
    fn check_field(&mut self, getset: Held<GetSet>, value: Raw) -> Result<(), Raised> {
        let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
        let class = getset.get().class.get().map_or(String::new(), |c| self.tp_name(c));
        if !class.starts_with("Unicode") || !matches!(&*name, "start" | "end") {
            return Ok(());
        }
        if value.is_unbound() {
            return Err(self.type_error("can't delete numeric/char attribute".to_owned()));
        }
        match crate::object::key::as_int_ref(self.payload(Value::adopt(value))) {
            Some(_) => Ok(()),
            None => Err(self.type_error("an integer is required".to_owned())),
        }
    }

    /// `type.__setattr__` and `type.__delattr__`.
    pub(super) fn store_in_class(
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

    pub(super) fn store_outcome(&mut self, stored: Stored) -> NativeResult {
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
        if let Some(instance) = Value::<'static>::adopt(object).exact::<Instance>()
            && let Some([kind, slot, next]) = self.recall(UseOf::Set, cache, instance.shape(), text(name))
            && (kind == cached::INLINE || (slot as usize) < instance.inline())
        {
            instance.set_slot(self.heap.forever(), slot as usize, Value::adopt(value));
            if kind == cached::ADD {
                instance.set_shape(next);
            }
            return Ok(Invoked::Value(Raw::NONE));
        }
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

    pub(super) fn hooked_store(
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
    pub(super) fn store_cached(
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
            self.remember(UseOf::Set, cache, shape, name, [cached::INLINE, slot as u32, 0]);
            return true;
        }
        if class.has(ClassFlags::NO_DICT) {
            return false;
        }
        let Some(next) = self.shapes.with(shape, name) else { return false };
        self.add_slot(instance, class, next, value);
        let slot = self.shapes.len(next) - 1;
        if slot < instance.inline() {
            self.remember(UseOf::Set, cache, shape, name, [cached::ADD, slot as u32, next]);
        }
        true
    }

    /// Gives a plain instance an attribute that it does not have yet and that its class has no say in. False, with nothing done, where it
    /// is not to be kept in a slot.
    pub(crate) fn add_attribute(
        &mut self,
        instance: Gc<'static, Instance>,
        name: Gc<'static, Str>,
        value: Raw,
    ) -> bool {
        let shape = instance.shape();
        if !name.is_interned() || self.shapes.is_dict_mode(shape) || self.shapes.slot(shape, name).is_some() {
            return false;
        }
        let class = self.class_of(instance.value()).held();
        if self.lookup_class(class, name).is_some_and(|attr| !Vm::is_plain_data(attr.raw())) {
            return false;
        }
        let Some(next) = self.shapes.with(shape, name) else { return false };
        self.add_slot(instance, class, next, Value::adopt(value));
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
        let changeable =
            |c: Held<Class>| c.has(ClassFlags::HEAP) || c.has(ClassFlags::OPEN) && c.has(ClassFlags::EXCEPTION);
        if !changeable(old) || !changeable(new) {
            return Err(self
                .type_error("__class__ assignment only supported for mutable types or ModuleType subclasses".into()));
        }
        if value.kind() == Kind::Module || !self.same_layout(old, new) {
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
    pub(super) fn reshape(&mut self, instance: Held<Instance>, class: Held<Class>) {
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
pub(super) fn set_root_shape(value: Value<'static>, class: Held<Class>) {
    let shape = class.get().root_shape.get();
    if let Some(cell) = value.cell_of_kind::<Exception>() {
        cell.set_shape(shape);
    } else if let Some(cell) = value.cell_of_kind::<NativeObject>() {
        cell.set_shape(shape);
    } else if let Some(cell) = value.cell_of_kind::<Property>() {
        cell.set_shape(shape);
    }
}
