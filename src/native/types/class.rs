//! `type`: classes as objects, and the builtin that a class statement calls.

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::natives;
use crate::object::{Class, ClassFlags, Dict, Exc, List, MappingProxy};
use crate::vm::Name;
use crate::vm::native::{Args, Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Resumed, Root, Then};

use super::function::is_callable;
use super::object::{add_class_names, full_name, list_of_names};

natives!(
    /// type(object) -> the object's type
    /// type(name, bases, dict, **kwds) -> a new type
    pub static TYPE: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, metatype: Root, args: Rest, kwds: KeywordRest) -> NativeResult {
        cx.type_new(metatype, args.0, kwds.0)
    }

    /// Set up a new instance.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwds: KeywordRest) -> NativeResult {
        if args.0.len() != 1 && args.0.len() != 3 {
            return Err(cx.type_error("type.__init__() takes 1 or 3 arguments".into()));
        }
        Ok(Outcome::NONE)
    }

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwds: KeywordRest) -> NativeResult {
        let most = match this.get(cx).raw() {
            class if class.same(cx.kind_class(Kind::Int).value().raw()) => 2,
            class if class.same(cx.kind_class(Kind::Str).value().raw()) => 3,
            _ => usize::MAX,
        };
        let given = args.0.len();
        if given > most && kwds.0.get(cx).exact::<Dict>().is_none_or(|names| names.is_empty()) {
            // A call by this way is told otherwise than one of the type itself.
            let name = class_arg(cx, this, "__call__")?.name().to_str_lossy().into_owned();
            return Err(cx.type_error(format!("{name}() takes at most {most} arguments ({given} given)")));
        }
        cx.type_call(this, args.0, kwds.0)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__repr__")?;
        let text = format!("<class '{}'>", full_name(cx, class));
        Ok(cx.str(&text).into())
    }

    /// Return getattr(self, name).
    fn __getattribute__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        class_arg(cx, this, "__getattribute__")?;
        cx.generic_get(this, name, false)
    }

    /// Implement setattr(self, name, value).
    fn __setattr__(cx: &mut Cx, this: Root, name: Root, value: Root) -> NativeResult {
        let class = class_arg(cx, this, "__setattr__")?;
        cx.check_open(class, name)?;
        let value = value.get(cx).raw();
        cx.generic_set(this, name, value)
    }

    /// Implement delattr(self, name).
    fn __delattr__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        let class = class_arg(cx, this, "__delattr__")?;
        cx.check_open(class, name)?;
        cx.generic_set(this, name, Raw::UNBOUND)
    }

    /// Return a type's method resolution order.
    fn mro(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "mro")?;
        let bases: Vec<Gc<'static, Class>> =
            class.get().bases.get().iter().flat_map(|b| b.items()).filter_map(|b| b.exact::<Class>()).collect();
        let order = cx.linearise(class, &bases)?;
        Ok(List::build(&cx.heap, order.len(), |i| Value::adopt(order[i])).into())
    }

    /// Return a list of immediate subclasses.
    fn __subclasses__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__subclasses__")?;
        let derived = cx.subclasses_of(class);
        Ok(List::build(&cx.heap, derived.len(), |i| Value::adopt(derived[i].value().raw())).into())
    }

    /// The mapping that the body of a class statement fills.
    #[class]
    fn __prepare__(cx: &mut Cx, cls: Root, args: Rest, kwds: KeywordRest) -> NativeResult {
        Ok(Dict::new(&cx.heap).into())
    }

    /// Check if an object is an instance.
    fn __instancecheck__(cx: &mut Cx, this: Root, instance: Root) -> NativeResult {
        let class = class_arg(cx, this, "__instancecheck__")?;
        Ok(plain_instance(cx, instance, class)?.into())
    }

    /// Check if a class is a subclass.
    fn __subclasscheck__(cx: &mut Cx, this: Root, subclass: Root) -> NativeResult {
        class_arg(cx, this, "__subclasscheck__")?;
        Ok(cx.is_subclass_plainly(subclass, this)?.into())
    }

    /// The names a class and its bases define.
    fn __dir__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__dir__")?;
        let names = Dict::new(&cx.heap).held();
        add_class_names(cx, names, class);
        Ok(list_of_names(cx, names))
    }

    /// Bytes the class takes, about.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(1064i64.into())
    }

    /// Return self|value.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        super::generic::either(cx, this, value)
    }

    /// Return value|self.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        super::generic::either(cx, value, this)
    }

    #[getter]
    fn __name__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__name__")?;
        Ok(class.name().into())
    }

    #[setter]
    fn __name__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let class = changeable(cx, this, "__name__", value)?;
        let Some(name) = cx.as_str(value.get(cx)).map(Gc::held) else {
            let (got, class) = (cx.type_name_for_error(value.get(cx)), cx.tp_name(class));
            return Err(cx.type_error(format!("can only assign string to {class}.__name__, not '{got}'")));
        };
        if name.as_bytes().contains(&0) {
            return Err(cx.value_error("type name must not contain null characters"));
        }
        if name.as_str().is_none() {
            return Err(cx.surrogate_error(value));
        }
        class.set_ref(&cx.heap, |c| &c.name, Some(name));
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __qualname__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__qualname__")?;
        Ok(class.get().qualname.get().into())
    }

    #[setter]
    fn __qualname__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let class = changeable(cx, this, "__qualname__", value)?;
        if value.get(cx).kind() != Kind::Str {
            let (got, class) = (cx.type_name_for_error(value.get(cx)), cx.tp_name(class));
            return Err(cx.type_error(format!("can only assign string to {class}.__qualname__, not '{got}'")));
        }
        class.set(&cx.heap, |c| &c.qualname, value.get(cx));
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __module__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__module__")?;
        match class.namespace().get_str(&cx.heap, cx.name(Name::Module)) {
            // Functions have a `__module__` of their own: what is in the namespace of a builtin class is that attribute.
            Some(module) if class.has(ClassFlags::HEAP) || module.kind() == Kind::Str => Ok(module.into()),
            _ if class.has(ClassFlags::HEAP) => {
                let (object, name) = (this.get(cx).raw(), cx.name(Name::Module).value().raw());
                Err(cx.no_attribute(object, name))
            }
            _ => Ok(cx.name(Name::BuiltinsModule).into()),
        }
    }

    #[setter]
    fn __module__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_own(cx, this, Name::Module, value)
    }

    #[getter]
    fn __doc__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__doc__")?;
        let doc = class.namespace().get_str(&cx.heap, cx.name(Name::Doc)).map_or(Raw::NONE, Value::raw);
        if Value::adopt(doc).kind() == Kind::GetSet {
            return Ok(Outcome::NONE);
        }
        let bound = cx.bind_descriptor(doc, Raw::UNBOUND, class)?;
        Ok(Outcome::Value(bound))
    }

    #[setter]
    fn __doc__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_own(cx, this, Name::Doc, value)
    }

    #[getter]
    fn __bases__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__bases__")?;
        Ok(class.get().bases.get().expect("a class has bases").into())
    }

    #[setter]
    fn __bases__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let class = changeable(cx, this, "__bases__", value)?;
        cx.set_bases(class, value)?;
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __base__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__base__")?;
        Ok(cx.base_of(class).map_or(Outcome::NONE, Outcome::from))
    }

    #[getter]
    fn __mro__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__mro__")?;
        Ok(class.get().mro.get().expect("a class has an order").into())
    }

    #[getter]
    fn __dict__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__dict__")?;
        let proxy = cx.heap.alloc(MappingProxy { mapping: Slot::new(class.namespace().value()) });
        Ok(proxy.into())
    }

    #[getter]
    fn __abstractmethods__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__abstractmethods__")?;
        let name = Name::AbstractMethods;
        let found = class.namespace().get_str(&cx.heap, cx.name(name)).filter(|_| class != cx.type_class());
        match found {
            Some(names) => Ok(names.into()),
            None => Err(cx.raise_text(Exc::AttributeError, name.text())),
        }
    }

    #[setter]
    fn __abstractmethods__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let class = class_arg(cx, this, "__abstractmethods__")?;
        let name = cx.name(Name::AbstractMethods).held();
        cx.check_mutable(class, name)?;
        if value.get(cx).is_unbound() {
            if !cx.set_class_attribute(class, name, Raw::UNBOUND) {
                return Err(cx.raise_text(Exc::AttributeError, Name::AbstractMethods.text()));
            }
            cx.set_abstract(class, false);
            return Ok(Outcome::NONE);
        }
        let is_abstract = cx.truth(value)?;
        let raw = value.get(cx).raw();
        cx.set_class_attribute(class, name, raw);
        cx.set_abstract(class, is_abstract);
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __annotate__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__annotate__")?;
        if !class.has(ClassFlags::HEAP) {
            return Err(no_such(cx, class, "__annotate__"));
        }
        Ok(Outcome::Value(annotate_of(cx, class)))
    }

    #[setter]
    fn __annotate__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let class = changeable(cx, this, "__annotate__", value)?;
        if !value.get(cx).is_none() && !is_callable(cx, value.get(cx)) {
            return Err(cx.type_error("__annotate__ must be callable or None".into()));
        }
        let name = cx.name(Name::AnnotateFunc).held();
        let raw = value.get(cx).raw();
        cx.set_class_attribute(class, name, raw);
        if !value.get(cx).is_none() {
            let cached = cx.intern("__annotations_cache__").held();
            cx.set_class_attribute(class, cached, Raw::UNBOUND);
        }
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __annotations__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__annotations__")?;
        if !class.has(ClassFlags::HEAP) {
            return Err(no_such(cx, class, "__annotations__"));
        }
        let own = cx.name(Name::Annotations).held();
        let cached = cx.intern("__annotations_cache__").held();
        for name in [own, cached] {
            if let Some(found) = class.namespace().get_str(&cx.heap, name).map(Value::raw) {
                let bound = cx.bind_descriptor(found, Raw::UNBOUND, class)?;
                return Ok(Outcome::Value(bound));
            }
        }
        let annotate = annotate_of(cx, class);
        if annotate.same(Raw::NONE) {
            let dict = Dict::new(&cx.heap).value().raw();
            cx.set_class_attribute(class, cached, dict);
            return Ok(Outcome::Value(dict));
        }
        cx.ask(annotate, &[Raw::int(1)], Then::Continue(after_annotate))
    }

    #[setter]
    fn __annotations__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let class = class_arg(cx, this, "__annotations__")?;
        let name = cx.name(Name::Annotations).held();
        cx.check_mutable(class, name)?;
        let cached = cx.intern("__annotations_cache__").held();
        let raw = value.get(cx).raw();
        if raw.is_unbound() {
            let removed = cx.set_class_attribute(class, name, raw) | cx.set_class_attribute(class, cached, raw);
            if !removed {
                return Err(cx.raise_text(Exc::AttributeError, "__annotations__"));
            }
        } else {
            cx.set_class_attribute(class, name, raw);
            cx.set_class_attribute(class, cached, Raw::UNBOUND);
        }
        for name in [Name::AnnotateFunc, Name::Annotate] {
            let name = cx.name(name).held();
            cx.set_class_attribute(class, name, Raw::UNBOUND);
        }
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __type_params__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__type_params__")?;
        let own = class.namespace().get_str(&cx.heap, cx.name(Name::TypeParams));
        let own = own.filter(|_| class != cx.type_class());
        Ok(own.map_or_else(|| cx.empty_tuple().into(), Outcome::from))
    }

    #[setter]
    fn __type_params__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_own(cx, this, Name::TypeParams, value)
    }

    #[getter]
    fn __flags__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__flags__")?;
        Ok(type_flags(class).into())
    }

    #[getter]
    fn __basicsize__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__basicsize__")?;
        Ok((16 + 8 * i64::from(class.get().fixed_slots.get())).into())
    }

    #[getter]
    fn __itemsize__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__itemsize__")?;
        Ok(match class.get().layout {
            Kind::Int => 4i64,
            Kind::Tuple => 8,
            Kind::Bytes => 1,
            Kind::Class => 40,
            _ => 0,
        }
        .into())
    }

    #[getter]
    fn __dictoffset__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__dictoffset__")?;
        Ok((if class.has(ClassFlags::NO_DICT) { 0i64 } else { -1 }).into())
    }

    #[getter]
    fn __weakrefoffset__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = class_arg(cx, this, "__weakrefoffset__")?;
        Ok((if class.has(ClassFlags::NO_WEAKREF) { 0i64 } else { 24 }).into())
    }

    #[getter]
    fn __text_signature__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }
);

natives!(
    /// What a class statement calls.
    pub static BUILD_CLASS: Functions;

    /// What a class statement calls: func fills the namespace, the metaclass makes the class.
    fn __build_class__(cx: &mut Cx, func: Root, name: Root, bases: Rest, kwds: KeywordRest) -> NativeResult {
        cx.build_class(func, name, bases.0, kwds.0)
    }
);

/// The class that a method of `type` is called for.
fn class_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, Class>, Raised> {
    if let Some(class) = this.get(cx).exact::<Class>() {
        return Ok(class.held());
    }
    let got = cx.type_name_for_error(this.get(cx));
    Err(cx.type_error(format!("descriptor '{method}' requires a 'type' object but received a '{got}'")))
}

/// The class whose attribute is set, if it can be; deleting is an error for these.
fn changeable(cx: &mut Cx, this: Root, name: &str, value: Root) -> Result<Gc<'static, Class>, Raised> {
    let class = class_arg(cx, this, name)?;
    let text = cx.intern(name).held();
    cx.check_mutable(class, text)?;
    if value.get(cx).is_unbound() {
        let class = cx.tp_name(class);
        return Err(cx.type_error(format!("cannot delete '{name}' attribute of immutable type '{class}'")));
    }
    Ok(class)
}

fn set_own(cx: &mut Cx, this: Root, name: Name, value: Root) -> NativeResult {
    let class = changeable(cx, this, name.text(), value)?;
    let name = cx.name(name).held();
    let raw = value.get(cx).raw();
    cx.set_class_attribute(class, name, raw);
    Ok(Outcome::NONE)
}

fn no_such(cx: &mut Cx, class: Gc<'static, Class>, name: &str) -> Raised {
    let class = cx.tp_name(class);
    cx.raise_text(Exc::AttributeError, &format!("type object '{class}' has no attribute '{name}'"))
}

/// The function that makes a class's annotations; None if there is none.
fn annotate_of(cx: &Cx, class: Gc<'static, Class>) -> Raw {
    let names = [Name::AnnotateFunc, Name::Annotate];
    let found = names.into_iter().find_map(|n| class.namespace().get_str(&cx.heap, cx.name(n)));
    found.map_or(Raw::NONE, Value::raw)
}

/// Window: the class. Its annotations were made.
fn after_annotate(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(made) = resumed else { unreachable!("exceptions pass") };
    if made.get(cx).kind() != Kind::Dict {
        let got = cx.type_name_for_error(made.get(cx));
        return Err(cx.type_error(format!("__annotate__ returned non-dict of type '{got}'")));
    }
    let class: Gc<'static, Class> = window.get(cx, 0).exact::<Class>().expect("the class").held();
    let cached = cx.intern("__annotations_cache__").held();
    let raw = made.get(cx).raw();
    cx.set_class_attribute(class, cached, raw);
    Ok(Outcome::Value(raw))
}

/// Whether an object is an instance of a class by its type or by what it says its class is.
pub(crate) fn plain_instance(cx: &mut Cx, instance: Root, class: Gc<'static, Class>) -> Result<bool, Raised> {
    let own = cx.class_of(instance.get(cx)).held();
    if own.is_subclass(class) {
        return Ok(true);
    }
    let mark = cx.mark();
    let said = cx.find_attribute(instance, "__class__")?;
    let said = said.and_then(|r| r.get(cx).exact::<Class>().map(Gc::held));
    cx.release(mark);
    Ok(said.is_some_and(|said| said != own && said.is_subclass(class)))
}

/// `__flags__` as CPython numbers what scripts look at.
fn type_flags(class: Gc<'static, Class>) -> i64 {
    let mut flags = 0i64;
    let mut set = |bit: u32, on: bool| flags |= i64::from(on) << bit;
    let heap = class.has(ClassFlags::HEAP);
    set(8, !heap);
    set(9, heap);
    set(10, !class.has(ClassFlags::FINAL));
    set(12, true);
    set(5, class.has(ClassFlags::SEQUENCE));
    set(6, class.has(ClassFlags::MAPPING));
    set(7, class.has(ClassFlags::NO_NEW));
    set(20, class.has(ClassFlags::ABSTRACT));
    set(22, class.has(ClassFlags::MATCH_SELF));
    set(30, class.has(ClassFlags::EXCEPTION));
    set(31, class.has(ClassFlags::METACLASS));
    let layout = match class.get().layout {
        Kind::Int => 24,
        Kind::List => 25,
        Kind::Tuple => 26,
        Kind::Bytes => 27,
        Kind::Str => 28,
        Kind::Dict => 29,
        _ => return flags,
    };
    flags | 1 << layout
}
