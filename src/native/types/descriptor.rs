//! `property`, `staticmethod`, `classmethod`, `super`, and the attributes of builtin types as objects.

use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value};
use crate::native::natives;
use crate::object::{Access, Class, ClassMethod, Exc, GetSet, Property, StaticMethod, Super};
use crate::vm::Name;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root, Then};

natives!(
    /// Property attribute.
    ///
    ///   fget
    ///     function to be used for getting an attribute value
    ///   fset
    ///     function to be used for setting an attribute value
    ///   fdel
    ///     function to be used for del'ing an attribute
    ///   doc
    ///     docstring
    pub static PROPERTY: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(cls, Kind::Property)?;
        let none = || Slot::new(Value::NONE);
        let property = cx.heap.alloc(Property {
            get: none(),
            set: none(),
            delete: none(),
            doc: none(),
            name: none(),
            dict: Ref::none(),
        });
        let class = cls.get(cx).exact::<Class>().expect("checked");
        if class != cx.kind_class(Kind::Property) {
            property.set_shape(class.get().root_shape.get());
        }
        Ok(property.into())
    }

    /// Set up a new instance.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] fget: Option<Root>,
        #[either] fset: Option<Root>,
        #[either] fdel: Option<Root>,
        #[either] doc: Option<Root>,
    ) -> NativeResult {
        let property = property_arg(cx, this, "__init__")?;
        let value = |root: Option<Root>| root.map_or(Raw::NONE, |r| r.get(cx).raw());
        let [get, set, delete, mut given] = [value(fget), value(fset), value(fdel), value(doc)];
        if given.same(Raw::NONE)
            && let Some(fget) = fget
            && let Some(own) = cx.find_attribute(fget, "__doc__")?
        {
            given = own.get(cx).raw();
        }
        if !property.get().get.get().is_none() {
            // The getter may be remembered where the property was read.
            cx.end_epoch();
        }
        let heap = &cx.heap;
        property.set(heap, |p| &p.get, Value::adopt(get));
        property.set(heap, |p| &p.set, Value::adopt(set));
        property.set(heap, |p| &p.delete, Value::adopt(delete));
        property.set(heap, |p| &p.doc, Value::adopt(given));
        property.set(heap, |p| &p.name, Value::NONE);
        // A derived class has a `__doc__` of its own, before which the object's comes.
        if property.shape() != 0
            && let Some(dict) = cx.attributes_of(property.value().raw())
        {
            let key = cx.name(Name::Doc);
            dict.put_str(cx.heap.forever(), key, Value::adopt(given));
        }
        Ok(Outcome::NONE)
    }

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        property_arg(cx, this, "__get__")?;
        let class = owner.0.unwrap_or(instance);
        cx.descriptor_get(this, instance, class)
    }

    /// Set an attribute of instance to value.
    fn __set__(cx: &mut Cx, this: Root, instance: Root, value: Root) -> NativeResult {
        property_arg(cx, this, "__set__")?;
        let value = value.get(cx).raw();
        cx.descriptor_set(this, instance, value)
    }

    /// Delete an attribute of instance.
    fn __delete__(cx: &mut Cx, this: Root, instance: Root) -> NativeResult {
        property_arg(cx, this, "__delete__")?;
        cx.descriptor_set(this, instance, Raw::UNBOUND)
    }

    /// Method to set name of a property.
    fn __set_name__(cx: &mut Cx, this: Root, owner: Root, name: Root) -> NativeResult {
        let property = property_arg(cx, this, "__set_name__")?;
        property.set(&cx.heap, |p| &p.name, name.get(cx));
        Ok(Outcome::NONE)
    }

    /// The same property, but read by another function.
    fn getter(cx: &mut Cx, this: Root, fget: Root) -> NativeResult {
        copy_property(cx, this, 0, fget)
    }

    /// The same property, but set by another function.
    fn setter(cx: &mut Cx, this: Root, fset: Root) -> NativeResult {
        copy_property(cx, this, 1, fset)
    }

    /// The same property, but deleted by another function.
    fn deleter(cx: &mut Cx, this: Root, fdel: Root) -> NativeResult {
        copy_property(cx, this, 2, fdel)
    }

    #[getter]
    fn fget(cx: &mut Cx, this: Root) -> NativeResult {
        let property = property_arg(cx, this, "fget")?;
        Ok(property.get().get.get().into())
    }

    #[getter]
    fn fset(cx: &mut Cx, this: Root) -> NativeResult {
        let property = property_arg(cx, this, "fset")?;
        Ok(property.get().set.get().into())
    }

    #[getter]
    fn fdel(cx: &mut Cx, this: Root) -> NativeResult {
        let property = property_arg(cx, this, "fdel")?;
        Ok(property.get().delete.get().into())
    }

    #[getter]
    fn __doc__(cx: &mut Cx, this: Root) -> NativeResult {
        let property = property_arg(cx, this, "__doc__")?;
        Ok(property.get().doc.get().into())
    }

    #[setter]
    fn __doc__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let property = property_arg(cx, this, "__doc__")?;
        let value = value.get(cx).given().unwrap_or(Value::NONE);
        property.set(&cx.heap, |p| &p.doc, value);
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __name__(cx: &mut Cx, this: Root) -> NativeResult {
        let property = property_arg(cx, this, "__name__")?;
        let name = property.get().name.get();
        if !name.is_none() {
            return Ok(name.into());
        }
        let get = property.get().get.get().raw();
        if !get.same(Raw::NONE) {
            let get = cx.push_raw(get);
            if let Some(name) = cx.find_attribute(get, "__name__")? {
                return Ok(name.get(cx).into());
            }
        }
        Err(cx.raise_text(Exc::AttributeError, "'property' object has no attribute '__name__'"))
    }

    #[setter]
    fn __name__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let property = property_arg(cx, this, "__name__")?;
        let value = value.get(cx).given().unwrap_or(Value::NONE);
        property.set(&cx.heap, |p| &p.name, value);
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __isabstractmethod__(cx: &mut Cx, this: Root) -> NativeResult {
        let property = property_arg(cx, this, "__isabstractmethod__")?;
        for part in [property.get().get.get().raw(), property.get().set.get().raw(), property.get().delete.get().raw()]
        {
            if is_abstract(cx, part)? {
                return Ok(true.into());
            }
        }
        Ok(false.into())
    }
);

natives!(
    /// A function kept in a class as it is: no instance or class is passed to it.
    ///
    ///     class Circle:
    ///         @staticmethod
    ///         def area(radius):
    ///             return 3 * radius ** 2
    ///
    /// `Circle.area(2)` and `Circle().area(2)` are the same call.
    pub static STATICMETHOD: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(cls, Kind::StaticMethod)?;
        let made = StaticMethod { function: Slot::new(Value::NONE), dict: Ref::none() };
        let raw = cx.heap.alloc(made).value().raw();
        cx.new_outcome(cls, raw)
    }

    /// Set up a new instance.
    fn __init__(cx: &mut Cx, this: Root, function: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__init__")?;
        set_wrapped(cx, wrapper, this, function)
    }

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        check_binding(cx, instance, &owner)?;
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__get__")?;
        Ok(Outcome::Value(function_of(wrapper)))
    }

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__call__")?;
        super::function::forward(cx, function_of(wrapper), args.0, kwargs.0)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        wrapped_repr(cx, this, Kind::StaticMethod, "staticmethod")
    }

    #[getter]
    fn __func__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__func__")?;
        Ok(Outcome::Value(function_of(wrapper)))
    }

    #[getter]
    fn __wrapped__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__wrapped__")?;
        Ok(Outcome::Value(function_of(wrapper)))
    }

    /// The annotations of the function, once they were asked for.
    #[getter]
    fn __annotations__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__annotations__")?;
        wrapped_attribute(cx, this, wrapper, "__annotations__")
    }

    #[setter]
    fn __annotations__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_wrapped_attribute(cx, this, value, "__annotations__")
    }

    /// What makes the annotations of the function.
    #[getter]
    fn __annotate__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__annotate__")?;
        wrapped_attribute(cx, this, wrapper, "__annotate__")
    }

    #[setter]
    fn __annotate__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_wrapped_attribute(cx, this, value, "__annotate__")
    }

    #[getter]
    fn __isabstractmethod__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::StaticMethod, "__isabstractmethod__")?;
        Ok(is_abstract(cx, function_of(wrapper))?.into())
    }

    /// Return a generic alias of this class.
    #[class]
    fn __class_getitem__(cx: &mut Cx, cls: Root, item: Root) -> NativeResult {
        cx.generic_alias(cls, item)
    }
);

natives!(
    /// A function kept in a class that gets the class as its first argument.
    ///
    ///     class Point:
    ///         @classmethod
    ///         def origin(cls):
    ///             return cls(0, 0)
    ///
    /// Called on an instance, it gets the class of the instance.
    pub static CLASSMETHOD: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(cls, Kind::ClassMethod)?;
        let made = ClassMethod { function: Slot::new(Value::NONE), dict: Ref::none() };
        let raw = cx.heap.alloc(made).value().raw();
        cx.new_outcome(cls, raw)
    }

    /// Set up a new instance.
    fn __init__(cx: &mut Cx, this: Root, function: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__init__")?;
        set_wrapped(cx, wrapper, this, function)
    }

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        check_binding(cx, instance, &owner)?;
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__get__")?;
        let class = match owner.0.map(|o| o.get(cx).raw()) {
            Some(owner) if !owner.same(Raw::NONE) => owner,
            _ => cx.class_of(instance.get(cx)).value().raw(),
        };
        Ok(Outcome::Value(cx.bound_method(function_of(wrapper), class)))
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        wrapped_repr(cx, this, Kind::ClassMethod, "classmethod")
    }

    #[getter]
    fn __func__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__func__")?;
        Ok(Outcome::Value(function_of(wrapper)))
    }

    #[getter]
    fn __wrapped__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__wrapped__")?;
        Ok(Outcome::Value(function_of(wrapper)))
    }

    /// The annotations of the function, once they were asked for.
    #[getter]
    fn __annotations__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__annotations__")?;
        wrapped_attribute(cx, this, wrapper, "__annotations__")
    }

    #[setter]
    fn __annotations__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_wrapped_attribute(cx, this, value, "__annotations__")
    }

    /// What makes the annotations of the function.
    #[getter]
    fn __annotate__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__annotate__")?;
        wrapped_attribute(cx, this, wrapper, "__annotate__")
    }

    #[setter]
    fn __annotate__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_wrapped_attribute(cx, this, value, "__annotate__")
    }

    #[getter]
    fn __isabstractmethod__(cx: &mut Cx, this: Root) -> NativeResult {
        let wrapper = wrapped_arg(cx, this, Kind::ClassMethod, "__isabstractmethod__")?;
        Ok(is_abstract(cx, function_of(wrapper))?.into())
    }

    /// Return a generic alias of this class.
    #[class]
    fn __class_getitem__(cx: &mut Cx, cls: Root, item: Root) -> NativeResult {
        cx.generic_alias(cls, item)
    }
);

natives!(
    /// Attributes as they are found behind a class in the order of bases.
    ///
    /// Without arguments, inside a method: behind the class the method is written in, for the method's first argument.
    /// super(cls, obj) says both: it looks behind cls in the order of obj's class, and binds to obj.
    /// super(cls, sub) does so for a class derived from cls.
    ///
    ///     class Child(Parent):
    ///         def start(self):
    ///             super().start()
    pub static SUPER: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(cls, Kind::Super)?;
        let made = Super { class: Ref::none(), receiver: Slot::new(Value::NONE), receiver_class: Ref::none() };
        let raw = cx.heap.alloc(made).value().raw();
        cx.new_outcome(cls, raw)
    }

    /// Set up a new instance.
    fn __init__(cx: &mut Cx, this: Root, type_: Given<Root>, obj: Given<Root>) -> NativeResult {
        let of = super_arg(cx, this, "__init__")?;
        let (class, receiver) = match type_.0 {
            None => cx.super_of_frame()?,
            Some(class) => {
                let Some(class) = class.get(cx).exact::<Class>().map(Gc::held) else {
                    let got = cx.type_name_for_error(class.get(cx));
                    return Err(cx.type_error(format!("super() argument 1 must be a type, not {got}")));
                };
                (class, obj.0.map_or(Raw::NONE, |o| o.get(cx).raw()))
            }
        };
        let start = if receiver.same(Raw::NONE) { None } else { Some(cx.super_start(class, receiver)?) };
        let heap = &cx.heap;
        of.set_ref(heap, |s| &s.class, Some(class));
        of.set(heap, |s| &s.receiver, Value::adopt(receiver));
        of.set_ref(heap, |s| &s.receiver_class, start);
        Ok(Outcome::NONE)
    }

    /// Return getattr(self, name).
    fn __getattribute__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        super_arg(cx, this, "__getattribute__")?;
        cx.generic_get(this, name, false)
    }

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        check_binding(cx, instance, &owner)?;
        let of = super_arg(cx, this, "__get__")?;
        let raw = instance.get(cx).raw();
        let bound = of.get().receiver_class.get().is_some();
        let (Some(class), false, false) = (of.get().class.get(), bound, raw.same(Raw::NONE)) else {
            return Ok(this.get(cx).into());
        };
        let own = cx.class_of(this.get(cx)).held();
        if own != cx.kind_class(Kind::Super) {
            // A derived class makes one of its own.
            let (own, class) = (cx.push_raw(own.value().raw()), cx.push_raw(class.value().raw()));
            return Ok(cx.call(own, &[class, instance])?.get(cx).into());
        }
        let start = cx.super_start(class.held(), raw)?;
        Ok(Outcome::Value(cx.new_super(class.held(), raw, Some(start))))
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let of = super_arg(cx, this, "__repr__")?;
        let name = of.get().class.get().map_or("NULL".to_owned(), |c| c.name().to_str_lossy().into_owned());
        let text = match of.get().receiver_class.get() {
            Some(start) => format!("<super: <class '{name}'>, <{} object>>", start.name().to_str_lossy()),
            None => format!("<super: <class '{name}'>, NULL>"),
        };
        Ok(cx.str(&text).into())
    }

    /// the class after which the search begins
    #[getter]
    fn __thisclass__(cx: &mut Cx, this: Root) -> NativeResult {
        let of = super_arg(cx, this, "__thisclass__")?;
        Ok(of.get().class.get().map_or(Outcome::NONE, Outcome::from))
    }

    /// the object whose attributes are looked up, or None
    #[getter]
    fn __self__(cx: &mut Cx, this: Root) -> NativeResult {
        let of = super_arg(cx, this, "__self__")?;
        Ok(of.get().receiver.get().into())
    }

    /// the class whose order is followed, or None
    #[getter]
    fn __self_class__(cx: &mut Cx, this: Root) -> NativeResult {
        let of = super_arg(cx, this, "__self_class__")?;
        Ok(of.get().receiver_class.get().map_or(Outcome::NONE, Outcome::from))
    }
);

natives!(
    /// An attribute of a builtin type, or a slot of a class.
    pub static GETSET: Methods;

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        getset_arg(cx, this, "__get__")?;
        let class = owner.0.unwrap_or(instance);
        cx.descriptor_get(this, instance, class)
    }

    /// Set an attribute of instance to value.
    fn __set__(cx: &mut Cx, this: Root, instance: Root, value: Root) -> NativeResult {
        getset_arg(cx, this, "__set__")?;
        let value = value.get(cx).raw();
        cx.descriptor_set(this, instance, value)
    }

    /// Delete an attribute of instance.
    fn __delete__(cx: &mut Cx, this: Root, instance: Root) -> NativeResult {
        getset_arg(cx, this, "__delete__")?;
        cx.descriptor_set(this, instance, Raw::UNBOUND)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let getset = getset_arg(cx, this, "__repr__")?;
        let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
        let class = getset.get().class.get().map_or(String::new(), |c| cx.tp_name(c));
        let what = match getset.get().access {
            Access::Native { .. } => "attribute",
            Access::Slot(_) | Access::Member(_) | Access::Field(_) => "member",
        };
        let text = format!("<{what} '{name}' of '{class}' objects>");
        Ok(cx.str(&text).into())
    }

    #[getter]
    fn __name__(cx: &mut Cx, this: Root) -> NativeResult {
        let getset = getset_arg(cx, this, "__name__")?;
        Ok(getset.get().name.get().map_or(Outcome::NONE, Outcome::from))
    }

    #[getter]
    fn __qualname__(cx: &mut Cx, this: Root) -> NativeResult {
        let getset = getset_arg(cx, this, "__qualname__")?;
        let name = getset.get().name.get().map_or(String::new(), |n| n.to_str_lossy().into_owned());
        let class = getset.get().class.get().map_or(String::new(), |c| cx.class_qualname(c));
        Ok(cx.str(&format!("{class}.{name}")).into())
    }

    #[getter]
    fn __objclass__(cx: &mut Cx, this: Root) -> NativeResult {
        let getset = getset_arg(cx, this, "__objclass__")?;
        Ok(getset.get().class.get().map_or(Outcome::NONE, Outcome::from))
    }

    #[getter]
    fn __doc__(cx: &mut Cx, this: Root) -> NativeResult {
        let getset = getset_arg(cx, this, "__doc__")?;
        Ok(getset.get().doc.get().into())
    }
);

fn wrong_receiver<T>(cx: &mut Cx, this: Root, method: &str, type_name: &str) -> Result<T, Raised> {
    let got = cx.type_name_for_error(this.get(cx));
    Err(cx.type_error(format!("descriptor '{method}' requires a '{type_name}' object but received a '{got}'")))
}

fn property_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, Property>, Raised> {
    match this.get(cx).exact::<Property>() {
        Some(property) => Ok(property.held()),
        None => wrong_receiver(cx, this, method, "property"),
    }
}

fn super_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, Super>, Raised> {
    match cx.payload(this.get(cx)).exact::<Super>() {
        Some(of) => Ok(of.held()),
        None => wrong_receiver(cx, this, method, "super"),
    }
}

fn getset_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, GetSet>, Raised> {
    match this.get(cx).exact::<GetSet>() {
        Some(getset) => Ok(getset.held()),
        None => wrong_receiver(cx, this, method, "getset_descriptor"),
    }
}

/// The staticmethod or classmethod that a method is called for.
fn wrapped_arg(cx: &mut Cx, this: Root, kind: Kind, method: &str) -> Result<Value<'static>, Raised> {
    let raw = cx.payload(this.get(cx)).raw();
    if Value::adopt(raw).kind() == kind {
        return Ok(Value::adopt(raw));
    }
    wrong_receiver(cx, this, method, if kind == Kind::StaticMethod { "staticmethod" } else { "classmethod" })
}

fn function_of(wrapper: Value<'static>) -> Raw {
    match (wrapper.exact::<StaticMethod>(), wrapper.exact::<ClassMethod>()) {
        (Some(method), _) => method.get().function.get().raw(),
        (_, Some(method)) => method.get().function.get().raw(),
        _ => Raw::NONE,
    }
}

/// What a staticmethod or classmethod wraps; it shows the names and docs of that.
fn set_wrapped(cx: &mut Cx, wrapper: Value<'static>, this: Root, function: Root) -> NativeResult {
    let value = Value::adopt(function.get(cx).raw());
    if let Some(method) = wrapper.exact::<StaticMethod>() {
        method.set(&cx.heap, |m| &m.function, value);
    } else if let Some(method) = wrapper.exact::<ClassMethod>() {
        method.set(&cx.heap, |m| &m.function, value);
    }
    for name in ["__module__", "__name__", "__qualname__", "__doc__"] {
        let mark = cx.mark();
        if let Some(own) = cx.find_attribute(function, name)? {
            let key = cx.intern(name).held();
            let own = own.get(cx).raw();
            if let Some(dict) = cx.attributes_of(this.get(cx).raw()) {
                dict.put_str(cx.heap.forever(), key, Value::adopt(own));
            }
        }
        cx.release(mark);
    }
    Ok(Outcome::NONE)
}

/// An attribute that a wrapper takes over from its function when it is first asked for.
fn wrapped_attribute(cx: &mut Cx, this: Root, wrapper: Value<'static>, name: &str) -> NativeResult {
    let key = cx.intern(name).held();
    let own = cx.attributes_of(this.get(cx).raw());
    if let Some(value) = own.and_then(|dict| dict.get_str(&cx.heap, key)) {
        return Ok(Outcome::Value(value.raw()));
    }
    let function = cx.push_raw(function_of(wrapper));
    let value = cx.attribute(function, name)?.get(cx).raw();
    if let Some(dict) = cx.attributes_of(this.get(cx).raw()) {
        dict.put_str(cx.heap.forever(), key, Value::adopt(value));
    }
    Ok(Outcome::Value(value))
}

fn set_wrapped_attribute(cx: &mut Cx, this: Root, value: Root, name: &str) -> NativeResult {
    let key = cx.intern(name).held();
    let Some(dict) = cx.attributes_of(this.get(cx).raw()) else { return Ok(Outcome::NONE) };
    if value.get(cx).is_unbound() {
        let key = key.value().raw();
        let (dict, key) = (cx.push_raw(dict.value().raw()), cx.push_raw(key));
        if cx.dict_remove(dict, key)?.is_none() {
            return Err(cx.raise_text(Exc::AttributeError, name));
        }
        return Ok(Outcome::NONE);
    }
    dict.put_str(cx.heap.forever(), key, Value::adopt(value.get(cx).raw()));
    Ok(Outcome::NONE)
}

fn wrapped_repr(cx: &mut Cx, this: Root, kind: Kind, name: &str) -> NativeResult {
    let wrapper = wrapped_arg(cx, this, kind, "__repr__")?;
    let function = cx.push_raw(function_of(wrapper));
    let inner = cx.repr_text(function)?;
    Ok(cx.str(&format!("<{name}({inner})>")).into())
}

/// Whether a function is marked as abstract.
fn is_abstract(cx: &mut Cx, function: Raw) -> Result<bool, Raised> {
    if function.same(Raw::NONE) {
        return Ok(false);
    }
    let mark = cx.mark();
    let function = cx.push_raw(function);
    let is = match cx.find_attribute(function, "__isabstractmethod__")? {
        Some(mark) => cx.truth(mark)?,
        None => false,
    };
    cx.release(mark);
    Ok(is)
}

/// A property like another with one of its functions replaced.
fn copy_property(cx: &mut Cx, this: Root, which: usize, function: Root) -> NativeResult {
    let property = property_arg(cx, this, "getter")?;
    let of = property.get();
    let mut parts = [of.get.get().raw(), of.set.get().raw(), of.delete.get().raw(), of.doc.get().raw()];
    let own_doc = parts[0];
    parts[which] = function.get(cx).raw();
    // A docstring taken from the getter is taken again.
    if !own_doc.same(Raw::NONE) {
        let getter = cx.push_raw(own_doc);
        if let Some(doc) = cx.find_attribute(getter, "__doc__")?
            && doc.get(cx).raw().same(parts[3])
        {
            parts[3] = Raw::NONE;
        }
    }
    let class = cx.class_of(this.get(cx)).value().raw();
    cx.ask(class, &parts, Then::Continue(after_copy))
}

/// Window: the property copied from.
fn after_copy(cx: &mut Cx, window: Args, resumed: crate::vm::native::Resumed) -> NativeResult {
    let crate::vm::native::Resumed::Returned(made) = resumed else { unreachable!("exceptions pass") };
    let from = window.get(cx, 0).exact::<Property>().expect("checked before").held();
    if let Some(made) = made.get(cx).exact::<Property>() {
        made.set(&cx.heap, |p| &p.name, from.get().name.get());
    }
    Ok(made.get(cx).into())
}

/// A descriptor is asked for an instance, a class, or both.
fn check_binding(cx: &mut Cx, instance: Root, owner: &Given<Root>) -> Result<(), Raised> {
    let owned = owner.0.is_some_and(|owner| !owner.get(cx).is_none());
    if instance.get(cx).is_none() && !owned {
        return Err(cx.type_error("__get__(None, None) is invalid".into()));
    }
    Ok(())
}
