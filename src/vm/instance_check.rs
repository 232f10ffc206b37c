//! `isinstance` and `issubclass`, with abstract bases and unions.

use crate::heap::{Gc, Raw, Value};
use crate::object::{Class, ClassFlags, Exc, Tuple};

use super::native::{Args, NativeResult, Raised, Resumed, Root, Then, quick_method};
use super::{Name, Vm};

impl Vm {
    // ---- classes of objects ----

    /// Whether a class's metaclass is `type`: then the class has no say in what its instances are.
    pub fn is_plain_class(&self, class: Gc<'_, Class>) -> bool {
        self.class_of(class.value()).value().raw().same(self.types.type_)
    }

    /// `isinstance(object, class)`, nested: a class, a union, or a tuple of them.
    pub fn is_instance(&mut self, object: Root, class: Root) -> Result<bool, Raised> {
        self.check_stack()?;
        let value = class.get(self);
        if let Some(target) = value.exact::<Class>() {
            if self.class_of(object.get(self)) == target {
                return Ok(true);
            }
            let target = target.held();
            let metaclass = self.class_of(value).held();
            if metaclass.value().raw().same(self.types.type_) {
                return self.is_instance_plainly(object, target);
            }
        } else if let Some(found) = self.check_any(object, class, Vm::is_instance)? {
            return Ok(found);
        }
        if let Some(found) = self.check_by_method(Name::InstanceCheck, object, class)? {
            return Ok(found);
        }
        if self.abstract_bases(class)?.is_none() {
            let text = "isinstance() arg 2 must be a type, a tuple of types, or a union";
            return Err(self.type_error(text.into()));
        }
        match self.find_attribute(object, "__class__")? {
            Some(claimed) => self.is_abstract_subclass(claimed, class),
            None => Ok(false),
        }
    }

    /// `type.__instancecheck__`: by the type, or what `__class__` says.
    pub fn is_instance_plainly(&mut self, object: Root, class: Gc<'static, Class>) -> Result<bool, Raised> {
        let own = self.class_of(object.get(self)).held();
        if own.is_subclass(class) {
            return Ok(true);
        }
        if own.has(ClassFlags::HEAP) {
            let name = self.name(Name::Class).held();
            let plain = self
                .lookup_class_with_owner(own, name)
                .is_none_or(|(_, owner)| owner.value().raw().same(self.types.object));
            if !plain || own.has(ClassFlags::GETATTRIBUTE) {
                let mark = self.mark();
                let claimed = self.find_attribute(object, "__class__")?;
                let found = match claimed.and_then(|c| c.get(self).exact::<Class>()) {
                    Some(claimed) => claimed.is_subclass(class),
                    None => false,
                };
                self.release(mark);
                return Ok(found);
            }
        }
        Ok(false)
    }

    /// `issubclass(sub, class)`, nested.
    pub fn is_subclass(&mut self, sub: Root, class: Root) -> Result<bool, Raised> {
        self.check_stack()?;
        let value = class.get(self);
        if let (Some(s), Some(target)) = (sub.get(self).exact::<Class>(), value.exact::<Class>()) {
            if self.class_of(value).value().raw().same(self.types.type_) {
                return Ok(s.is_subclass(target));
            }
        } else if let Some(found) = self.check_any(sub, class, Vm::is_subclass)? {
            return Ok(found);
        }
        if let Some(found) = self.check_by_method(Name::SubclassCheck, sub, class)? {
            return Ok(found);
        }
        self.is_subclass_plainly(sub, class)
    }

    /// `type.__subclasscheck__`: by the classes' resolution orders, or by `__bases__` of what only looks like classes.
    pub fn is_subclass_plainly(&mut self, sub: Root, class: Root) -> Result<bool, Raised> {
        if let (Some(s), Some(target)) = (sub.get(self).exact::<Class>(), class.get(self).exact::<Class>()) {
            return Ok(s.is_subclass(target));
        }
        if self.abstract_bases(sub)?.is_none() {
            return Err(self.type_error("issubclass() arg 1 must be a class".into()));
        }
        if self.abstract_bases(class)?.is_none() {
            let text = "issubclass() arg 2 must be a class, a tuple of classes, or a union";
            return Err(self.type_error(text.into()));
        }
        self.is_abstract_subclass(sub, class)
    }

    /// `__bases__` of an object that stands for a class, if it is a tuple.
    fn abstract_bases(&mut self, class: Root) -> Result<Option<Root>, Raised> {
        let bases = self.find_attribute(class, "__bases__")?;
        Ok(bases.filter(|bases| bases.get(self).exact::<Tuple>().is_some()))
    }

    /// Whether `class` is found from `sub` along `__bases__`.
    fn is_abstract_subclass(&mut self, sub: Root, class: Root) -> Result<bool, Raised> {
        self.check_stack()?;
        let mark = self.mark();
        let sub = self.push_raw(sub.get(self).raw());
        // Single bases are followed without nesting; a chain of them that never ends is cut like any other recursion.
        for _ in 0..self.recursion_limit {
            if sub.get(self).is(class.get(self)) {
                self.release(mark);
                return Ok(true);
            }
            let inner = self.mark();
            let bases = match self.abstract_bases(sub)? {
                Some(bases) => {
                    bases.get(self).exact::<Tuple>().map_or(vec![], |b| b.items().map(|v| v.raw()).collect())
                }
                None => vec![],
            };
            if let [only] = bases.as_slice() {
                sub.set(self, Value::adopt(*only));
                self.release(inner);
                continue;
            }
            let roots: Vec<Root> = bases.iter().map(|raw| self.push_raw(*raw)).collect();
            for root in roots {
                if self.is_abstract_subclass(root, class)? {
                    self.release(mark);
                    return Ok(true);
                }
            }
            self.release(mark);
            return Ok(false);
        }
        Err(self.raise_text(Exc::RecursionError, "maximum recursion depth exceeded in __subclasscheck__"))
    }

    /// Whether a test holds for any class of a tuple or union; None if `classes` is neither.
    fn check_any(
        &mut self,
        subject: Root,
        classes: Root,
        test: fn(&mut Vm, Root, Root) -> Result<bool, Raised>,
    ) -> Result<Option<bool>, Raised> {
        let value = self.payload(classes.get(self));
        let items: Vec<Raw> = if let Some(tuple) = value.exact::<Tuple>() {
            tuple.items().map(|v| v.raw()).collect()
        } else if let Some(union) = value.exact::<crate::object::Union>() {
            vec![union.args.get().raw()]
        } else {
            return Ok(None);
        };
        for item in items {
            let mark = self.mark();
            let item = self.push_raw(item);
            let found = test(self, subject, item)?;
            self.release(mark);
            if found {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// Whether instances of a class have it as their `__class__`, with nothing in between.
    pub(crate) fn says_its_class(&self, class: Gc<'static, Class>) -> bool {
        if !class.has(ClassFlags::HEAP) {
            return true;
        }
        let found = self.lookup_class_with_owner(class, self.name(Name::Class));
        let plain = found.is_none_or(|(_, owner)| owner.value().raw().same(self.types.object));
        plain && !class.has(ClassFlags::GETATTRIBUTE)
    }

    /// `isinstance(object, class)` for a class whose metaclass has a quick way to say so; UNBOUND where it is to be asked in full.
    pub(crate) fn is_instance_quickly(&mut self, object: Raw, class: Gc<'static, Class>) -> Raw {
        let metaclass = self.class_of(class.value()).held();
        let name = self.name(Name::InstanceCheck).held();
        match self.lookup_class(metaclass, name).and_then(quick_method) {
            Some(quick) => quick(self, class.value().raw(), object),
            None => Raw::UNBOUND,
        }
    }

    /// What the class's `__instancecheck__` or `__subclasscheck__` says; None if it has none.
    fn check_by_method(&mut self, name: Name, subject: Root, class: Root) -> Result<Option<bool>, Raised> {
        let metaclass = self.class_of(class.get(self)).held();
        let name = self.name(name).held();
        let Some(method) = self.lookup_class(metaclass, name).map(|v| v.raw()) else { return Ok(None) };
        let (receiver, subject) = (class.get(self).raw(), subject.get(self).raw());
        if let Some(quick) = quick_method(Value::adopt(method)) {
            let found = quick(self, receiver, subject);
            if !found.is_unbound() {
                return Ok(Some(found.same(Raw::TRUE)));
            }
        }
        let raw = self.call_unbound_nested(method, receiver, &[subject], Then::Continue(as_truth))?;
        Ok(Some(raw.same(Raw::TRUE)))
    }
}

/// The truth of what was returned.
pub(super) fn as_truth(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.truth_outcome(raw)
}
