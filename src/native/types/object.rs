//! `object`: what every object has. Also the attributes `__dict__` and `__weakref__` that classes with such instances get.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::number::hash::hash_identity;
use crate::object::{Class, ClassFlags, Dict, Instance, List, Str, Tuple};
use crate::vm::Name;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root, Then};

natives!(
    /// What every class is derived from.
    ///
    /// An object made of it directly has no attributes and takes none; it only differs from all others.
    pub static OBJECT: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let Some(class) = cls.get(cx).exact::<Class>().map(Gc::held) else {
            let got = cx.type_name_for_error(cls.get(cx));
            return Err(cx.type_error(format!("object.__new__(X): X is not a type object ({got})")));
        };
        if !args.0.is_empty() || has_items(cx, kwargs.0) {
            let (own_new, own_init) = overrides(cx, class);
            if own_new {
                let text = "object.__new__() takes exactly one argument (the type to instantiate)";
                return Err(cx.type_error(text.into()));
            }
            if !own_init {
                let name = cx.tp_name(class);
                return Err(cx.type_error(format!("{name}() takes no arguments")));
            }
        }
        if class.has(ClassFlags::ABSTRACT) {
            return Err(cx.abstract_instantiation(class));
        }
        if class.get().layout != Kind::Instance {
            let name = cx.tp_name(class);
            let solid = cx.solid_base(class);
            let maker = cx.tp_name(solid);
            return Err(cx.type_error(format!("object.__new__({name}) is not safe, use {maker}.__new__()")));
        }
        let class = class.held();
        let instance = Instance::new(&cx.heap, class).value().raw();
        if class.has(ClassFlags::FINALISER) {
            cx.made_finalisable(instance);
        }
        Ok(Outcome::Value(instance))
    }

    /// Set up a new instance.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        if !args.0.is_empty() || has_items(cx, kwargs.0) {
            let class = cx.class_of(this.get(cx)).held();
            let (own_new, own_init) = overrides(cx, class);
            if own_init {
                let text = "object.__init__() takes exactly one argument (the instance to initialize)";
                return Err(cx.type_error(text.into()));
            }
            if !own_new && !class.has(ClassFlags::NO_NEW) {
                let name = cx.tp_name(class);
                let text = format!("{name}.__init__() takes exactly one argument (the instance to initialize)");
                return Err(cx.type_error(text));
            }
        }
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = default_repr(cx, this.get(cx));
        Ok(cx.str(&text).into())
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).held();
        let name = cx.name(Name::Repr).held();
        let repr = cx.lookup_class(class, name).expect("object has it").raw();
        cx.ask_method(repr, this, class, &[], Then::Return)
    }

    /// What format() gives where a class has no form of its own.
    ///
    /// That is str(self), and no format is understood.
    fn __format__(cx: &mut Cx, this: Root, format_spec: Root) -> NativeResult {
        let Some(format_spec) = cx.as_str(format_spec.get(cx)).map(Gc::held) else {
            let got = cx.argument_name_for_error(format_spec.get(cx));
            return Err(cx.type_error(format!("__format__() argument must be str, not {got}")));
        };
        if format_spec.is_empty() {
            let class = cx.class_of(this.get(cx)).held();
            let name = cx.name(Name::Str).held();
            let text = cx.lookup_class(class, name).expect("object has it").raw();
            return cx.ask_method(text, this, class, &[], Then::Return);
        }
        let name = cx.type_name_for_error(this.get(cx));
        Err(cx.type_error(format!("unsupported format string passed to {name}.__format__")))
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let same = this.get(cx).is(value.get(cx));
        Ok(Outcome::Value(if same { Raw::TRUE } else { Raw::NOT_IMPLEMENTED }))
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        unequal(cx, this, value)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(hash_identity(cx.heap.id(this.get(cx))).into())
    }

    /// Default dir() implementation.
    fn __dir__(cx: &mut Cx, this: Root) -> NativeResult {
        let mut class = cx.class_of(this.get(cx)).held();
        let getter = cx.name(Name::GetAttribute).held();
        let fallback = cx.intern("__getattr__").held();
        if cx.lookup_class_with_owner(class, getter).is_some_and(|(_, owner)| owner.has(ClassFlags::HEAP))
            || cx.lookup_class(class, fallback).is_some()
        {
            // Its class has a say in what it has.
            let dict = cx.find_attribute(this, "__dict__")?;
            let shown = cx.find_attribute(this, "__class__")?;
            let names = Dict::new(&cx.heap).held();
            if let Some(dict) = dict.and_then(|dict| cx.dict_of(dict.get(cx))) {
                for (name, _) in dict.iter() {
                    add_name(cx, names, name);
                }
            }
            if let Some(shown) = shown.and_then(|shown| shown.get(cx).exact::<Class>()) {
                class = shown.held();
                add_class_names(cx, names, class);
            }
            return Ok(list_of_names(cx, names));
        }
        let names = Dict::new(&cx.heap).held();
        let own = cx.instance_copy(this.get(cx).raw());
        for (name, _) in own.iter().flat_map(|d| d.iter()) {
            add_name(cx, names, name);
        }
        add_class_names(cx, names, class);
        Ok(list_of_names(cx, names))
    }

    /// Return getattr(self, name).
    fn __getattribute__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        cx.generic_get(this, name, true)
    }

    /// Implement setattr(self, name, value).
    fn __setattr__(cx: &mut Cx, this: Root, name: Root, value: Root) -> NativeResult {
        not_for_classes(cx, this, "__setattr__")?;
        let value = value.get(cx).raw();
        cx.generic_set(this, name, value)
    }

    /// Implement delattr(self, name).
    fn __delattr__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        not_for_classes(cx, this, "__delattr__")?;
        cx.generic_set(this, name, Raw::UNBOUND)
    }

    /// Size of object in memory, in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        let slots = match this.get(cx).cell_of_kind::<Instance>() {
            Some(instance) => instance.tail().len(),
            None => 0,
        };
        Ok((16 + 16 * slots as i64).into())
    }

    /// Helper for pickle.
    fn __getstate__(cx: &mut Cx, this: Root) -> NativeResult {
        state_of(cx, this)
    }

    /// Helper for pickle.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduce(cx, this, 0)
    }

    /// Helper for pickle.
    fn __reduce_ex__(cx: &mut Cx, this: Root, protocol: i64) -> NativeResult {
        let class = cx.class_of(this.get(cx)).held();
        let name = cx.name(Name::Reduce).held();
        let own = cx.lookup_class_with_owner(class, name);
        if let Some((method, owner)) = own
            && owner != cx.object_class()
        {
            let method = method.raw();
            return cx.ask_method(method, this, class, &[], Then::Return);
        }
        reduce(cx, this, protocol)
    }

    /// the object's class
    #[getter]
    fn __class__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.class_of(this.get(cx)).into())
    }

    #[setter]
    fn __class__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        cx.set_class(this, value)?;
        Ok(Outcome::NONE)
    }

    /// Called on a class when another is derived from it.
    ///
    /// A class may define it to look at or change what derives from it; this one does nothing.
    #[class]
    fn __init_subclass__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let name = qualified(cx, cls);
        if has_items(cx, kwargs.0) {
            return Err(cx.type_error(format!("{name}.__init_subclass__() takes no keyword arguments")));
        }
        if !args.0.is_empty() {
            let given = args.0.len();
            return Err(cx.type_error(format!("{name}.__init_subclass__() takes no arguments ({given} given)")));
        }
        Ok(Outcome::NONE)
    }

    /// Called by abstract classes to decide what counts as derived from them.
    ///
    /// True or False settles it; NotImplemented leaves it to the order of bases and what was registered.
    #[class]
    fn __subclasshook__(cx: &mut Cx, cls: Root, args: Rest) -> NativeResult {
        if args.0.len() != 1 {
            let (name, given) = (qualified(cx, cls), args.0.len());
            return Err(cx.type_error(format!("{name}.__subclasshook__() takes exactly one argument ({given} given)")));
        }
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }
);

/// The qualified name of a class.
fn qualified(cx: &Cx, class: Root) -> String {
    let class = class.get(cx).exact::<Class>();
    class.map_or(String::new(), |class| match class.get().qualname.get().exact::<Str>() {
        Some(name) => name.to_str_lossy().into_owned(),
        None => class.name().to_str_lossy().into_owned(),
    })
}

natives!(
    /// What instances get from the first class in their line that has a `__dict__`.
    pub static DICT: Methods;

    /// dictionary for instance variables
    #[getter]
    fn __dict__(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = this.get(cx).raw();
        match cx.attributes_of(raw) {
            Some(dict) => Ok(dict.into()),
            None => {
                let got = cx.type_name_for_error(this.get(cx));
                Err(cx.raise_text(
                    crate::object::Exc::AttributeError,
                    &format!("'{got}' object has no attribute '__dict__'"),
                ))
            }
        }
    }

    #[setter]
    fn __dict__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let raw = this.get(cx).raw();
        let given = value.get(cx).raw();
        let dict = if given.is_unbound() {
            Some(Dict::new(&cx.heap).held())
        } else {
            cx.payload(Value::adopt(given)).exact::<Dict>().map(Gc::held)
        };
        let Some(dict) = dict else {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("__dict__ must be set to a dictionary, not a '{got}'")));
        };
        if given.is_unbound() && this.get(cx).kind() == Kind::Function {
            return Err(cx.type_error("cannot delete __dict__".into()));
        }
        cx.set_dict(raw, dict);
        Ok(Outcome::NONE)
    }
);

natives!(
    /// What instances get from the first class in their line that has weak references.
    pub static WEAKREF: Methods;

    /// list of weak references to the object
    #[getter]
    fn __weakref__(cx: &mut Cx, this: Root) -> NativeResult {
        let first = crate::native::weak::shown_references(cx, this).first().copied();
        Ok(Outcome::Value(first.unwrap_or(Raw::NONE)))
    }
);

/// Whether a `**kwargs` register holds a dict with something in it.
pub(crate) fn has_items(cx: &Cx, kwargs: Root) -> bool {
    kwargs.get(cx).exact::<Dict>().is_some_and(|d| !d.is_empty())
}

/// Whether a class has a `__new__` and an `__init__` other than object's.
fn overrides(cx: &Cx, class: Gc<'static, Class>) -> (bool, bool) {
    let own = |name: Name| {
        let found = cx.lookup_class_with_owner(class, cx.name(name));
        found.is_some_and(|(_, owner)| owner != cx.object_class())
    };
    (own(Name::New), own(Name::Init))
}

/// object's `__setattr__` must not be used to change what type's guards.
fn not_for_classes(cx: &mut Cx, this: Root, what: &str) -> Result<(), Raised> {
    if this.get(cx).kind() != Kind::Class {
        return Ok(());
    }
    let class = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
    Err(cx.type_error(format!("can't apply this {what} to {class} object")))
}

/// `<module.Class object at 0x...>`.
pub(crate) fn default_repr(cx: &Cx, value: Value<'_>) -> String {
    let class = cx.class_of(value);
    let id = cx.heap.id(value);
    format!("<{} object at {id:#x}>", full_name(cx, class))
}

/// A class's qualified name with its module, unless that is `builtins`.
pub(crate) fn full_name(cx: &Cx, class: Gc<'_, Class>) -> String {
    let module = cx.class_module(class);
    let qualname = cx.class_qualname(class);
    if module == "builtins" { qualname } else { format!("{module}.{qualname}") }
}

/// Adds a name to those that `dir` gives.
pub(crate) fn add_name(cx: &Cx, names: Gc<'static, Dict>, name: Value<'_>) {
    if let Some(text) = Value::<'static>::adopt(name.raw()).exact::<Str>() {
        names.put_str(cx.heap.forever(), text, Value::NONE);
    }
}

/// Adds the names of a class and its bases.
pub(crate) fn add_class_names(cx: &Cx, names: Gc<'static, Dict>, class: Gc<'static, Class>) {
    for base in class.mro() {
        for (name, _) in base.namespace().iter() {
            add_name(cx, names, name);
        }
    }
}

/// The names as a list.
pub(crate) fn list_of_names(cx: &Cx, names: Gc<'static, Dict>) -> Outcome {
    let mut keys = names.iter().map(|(key, _)| key);
    List::build(&cx.heap, names.len(), |_| keys.next().expect("as many as counted")).into()
}

/// `__getstate__`: the attributes, and those in slots besides.
fn state_of(cx: &mut Cx, this: Root) -> NativeResult {
    let raw = this.get(cx).raw();
    let heap = cx.heap.forever();
    let value: Value<'static> = Value::adopt(raw);
    let class = cx.class_of(value).held();
    if let Some(of) = value.exact::<Class>().filter(|of| of.has(ClassFlags::HEAP)) {
        return match of.namespace().copy(heap) {
            Ok(names) => Ok(names.into()),
            Err(_) => Err(cx.memory_error()),
        };
    }
    let attributes = cx.instance_copy(raw).filter(|d| !d.is_empty());
    let slots = Dict::new(heap);
    for base in class.mro() {
        for (name, attr) in base.namespace().iter() {
            let Some(getset) = attr.exact::<crate::object::GetSet>() else { continue };
            let crate::object::Access::Slot(slot) = getset.get().access else { continue };
            let content = value.cell_of_kind::<Instance>().and_then(|i| i.slot(usize::from(slot)).given());
            if let (Some(name), Some(content)) = (name.exact::<Str>(), content) {
                slots.put_str(heap, name, content);
            }
        }
    }
    let own = attributes.map_or(Value::NONE, |d| d.value());
    if slots.is_empty() {
        return Ok(own.into());
    }
    Ok(Tuple::new(heap, &[own, slots.value()]).into())
}

/// What `copy` and `pickle` make an object again from: `copyreg.__newobj__` and its arguments, state, items.
fn reduce(cx: &mut Cx, this: Root, protocol: i64) -> NativeResult {
    let raw = this.get(cx).raw();
    let class = cx.class_of(this.get(cx)).held();
    let module = cx.import("copyreg")?;
    let class_root = cx.push_raw(class.value().raw());
    let kind = this.get(cx).kind();
    if protocol < 2 {
        let helper = cx.attribute(module, "_reduce_ex")?;
        let (helper, class_raw) = (helper.get(cx).raw(), Raw::int(protocol));
        return cx.ask(helper, &[raw, class_raw], Then::Return);
    }
    let named = cx.own_method(this, Name::GetNewArgsEx)?.is_some() || cx.own_method(this, Name::GetNewArgs)?.is_some();
    if !named && !matches!(kind, Kind::Instance | Kind::Exception | Kind::List | Kind::Dict) {
        // There is more to it than its attributes: `copyreg` knows a few such types, and refuses the rest.
        let helper = cx.attribute(module, "_reduce_other")?.get(cx).raw();
        let name = cx.type_name_for_error(this.get(cx));
        let name = cx.str(&name).value().raw();
        return cx.ask(helper, &[raw, Raw::int(protocol), name], Then::Return);
    }
    // Arguments of `__new__`.
    let mut items = vec![class_root.get(cx).raw()];
    let mut keywords = None;
    if let Some(pair) = cx.call_special(this, Name::GetNewArgsEx, &[])? {
        let Some(parts) = Value::<'static>::adopt(pair.get(cx).raw()).exact::<Tuple>() else {
            let got = cx.type_name_for_error(pair.get(cx));
            return Err(cx.type_error(format!("__getnewargs_ex__ should return a tuple, not '{got}'")));
        };
        if parts.len() != 2 {
            let text = format!("__getnewargs_ex__ should return a tuple of length 2, not {}", parts.len());
            return Err(cx.value_error(&text));
        }
        let (args, kwargs) = (parts.item(0).raw(), parts.item(1).raw());
        for (which, part, wanted, fits) in [
            ("first", args, "tuple", Value::<'static>::adopt(args).exact::<Tuple>().is_some()),
            ("second", kwargs, "dict", Value::<'static>::adopt(kwargs).exact::<Dict>().is_some()),
        ] {
            if !fits {
                let got = cx.type_name_for_error(Value::adopt(part));
                let text =
                    format!("{which} item of the tuple returned by __getnewargs_ex__ must be a {wanted}, not '{got}'");
                return Err(cx.type_error(text));
            }
        }
        if let Some(args) = Value::<'static>::adopt(args).exact::<Tuple>() {
            items.extend(args.items().map(Value::raw));
        }
        keywords = Value::<'static>::adopt(kwargs).exact::<Dict>().filter(|d| !d.is_empty());
    } else if let Some(args) = cx.call_special(this, Name::GetNewArgs, &[])? {
        let Some(args) = Value::<'static>::adopt(args.get(cx).raw()).exact::<Tuple>() else {
            let got = cx.type_name_for_error(args.get(cx));
            return Err(cx.type_error(format!("__getnewargs__ should return a tuple, not '{got}'")));
        };
        items.extend(args.items().map(Value::raw));
    }
    for item in &items {
        cx.push_raw(*item);
    }
    let (helper, args) = match keywords {
        None => {
            let args = Tuple::build(&cx.heap, items.len(), |i| Value::adopt(items[i])).value().raw();
            ("__newobj__", cx.push_raw(args))
        }
        Some(keywords) => {
            let heap = cx.heap.forever();
            let rest = Tuple::build(heap, items.len() - 1, |i| Value::adopt(items[i + 1]));
            let args = Tuple::new(heap, &[Value::adopt(items[0]), rest.value(), keywords.value()]).value().raw();
            ("__newobj_ex__", cx.push_raw(args))
        }
    };
    let helper = cx.attribute(module, helper)?;
    let get_state = cx.attribute(this, "__getstate__")?;
    let state = cx.call(get_state, &[])?;
    let list_items = if kind == Kind::List { cx.iter(this)? } else { cx.push_raw(Raw::NONE) };
    let dict_items = if kind == Kind::Dict {
        let items = cx.call_method(this, "items", &[])?;
        cx.iter(items)?
    } else {
        cx.push_raw(Raw::NONE)
    };
    let parts = [helper, args, state, list_items, dict_items].map(|r| r.get(cx));
    Ok(cx.tuple(&parts).into())
}

/// Asks the class's equality and says the contrary.
fn unequal(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
    let class = cx.class_of(this.get(cx)).held();
    let name = cx.name(Name::Eq).held();
    let Some(eq) = cx.lookup_class(class, name).map(Value::raw) else {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    };
    let value = value.get(cx).raw();
    cx.ask_method(
        eq,
        this,
        class,
        &[value],
        Then::Continue(|cx, _, resumed| {
            let crate::vm::native::Resumed::Returned(equal) = resumed else { unreachable!("exceptions pass") };
            if equal.get(cx).is_not_implemented() {
                return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
            }
            let truth = cx.truth(equal)?;
            Ok((!truth).into())
        }),
    )
}

natives!(
    /// Inequality that types have of their own: what their equality says, the other way round.
    pub(crate) static UNEQUAL: Methods;

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        unequal(cx, this, value)
    }
);

natives!(
    /// Comparisons that types have of their own, although they have no order: a receiver of another type is refused.
    pub(crate) static ORDERED: Methods;

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }
);
