//! Functions as objects: those of the language, natives, methods, and the cells of closures.

use crate::bytecode::code::CodeFlags;
use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value};
use crate::native::natives;
use crate::number::hash::hash_identity;
use crate::object::{BoundMethod, Class, CodeObject, Dict, Exc, Function, Module, Str, Tuple, Variable};
use crate::vm::native::{
    Args, Cx, Given, KeywordRest, NativeFunction, NativeKind, NativeResult, Outcome, ParamKind, Raised, Rest, Resumed,
    Root, Then,
};
use crate::vm::{CompareKind, Name};

natives!(
    /// Create a function object.
    ///
    ///   code
    ///     a code object
    ///   globals
    ///     the globals dictionary
    ///   name
    ///     a string that overrides the name from the code object
    ///   argdefs
    ///     a tuple that specifies the default argument values
    ///   closure
    ///     a tuple that supplies the bindings for free variables
    ///   kwdefaults
    ///     a dictionary that specifies the default keyword argument values
    pub static FUNCTION: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        cls: Root,
        #[either] code: Root,
        #[either] globals: Root,
        #[either] name: Option<Root>,
        #[either] argdefs: Option<Root>,
        #[either] closure: Option<Root>,
        #[either] kwdefaults: Option<Root>,
    ) -> NativeResult {
        let Some(code) = code.get(cx).exact::<CodeObject>().map(Gc::held) else {
            let got = cx.argument_name_for_error(code.get(cx));
            return Err(cx.type_error(format!("function() argument 'code' must be code, not {got}")));
        };
        let Some(globals) = cx.payload(globals.get(cx)).exact::<Dict>().map(Gc::held) else {
            let got = cx.type_name_for_error(globals.get(cx));
            return Err(cx.type_error(format!("function() argument 'globals' must be dict, not {got}")));
        };
        if name.is_some_and(|n| cx.as_str(n.get(cx)).is_none()) {
            return Err(cx.type_error("arg 3 (name) must be None or string".into()));
        }
        if argdefs.is_some_and(|d| d.get(cx).exact::<Tuple>().is_none()) {
            return Err(cx.type_error("arg 4 (defaults) must be None or tuple".into()));
        }
        if closure.is_some_and(|c| c.get(cx).exact::<Tuple>().is_none()) {
            return Err(cx.type_error("arg 5 (closure) must be None or tuple".into()));
        }
        if kwdefaults.is_some_and(|d| d.get(cx).exact::<Dict>().is_none()) {
            return Err(cx.type_error("arg 6 (kwdefaults) must be None or dict".into()));
        }
        let closure = closure.and_then(|c| c.get(cx).exact::<Tuple>().map(Gc::held));
        let given = closure.map_or(0, |c| c.len());
        let free = code.code.free.len();
        if given != free {
            let name = code.code.name.to_string();
            if free == 0 || closure.is_some() {
                let text = format!("{name} requires closure of length {free}, not {given}");
                return Err(cx.value_error(text));
            }
            return Err(cx.type_error("arg 5 (closure) must be tuple".into()));
        }
        if let Some(other) = closure.and_then(|c| c.items().find(|cell| cell.kind() != Kind::Cell)) {
            let got = cx.type_name_for_error(other);
            return Err(cx.type_error(format!("arg 5 (closure) expected cell, found {got}")));
        }
        let function = cx.function(code, globals).held();
        let heap = cx.heap.forever();
        function.set_ref(heap, |f| &f.closure, closure);
        let defaults = argdefs.and_then(|d| Value::<'static>::adopt(d.get(cx).raw()).exact::<Tuple>());
        function.set_ref(heap, |f| &f.defaults, defaults);
        let keyword = kwdefaults.and_then(|d| Value::<'static>::adopt(d.get(cx).raw()).exact::<Dict>());
        function.set_ref(heap, |f| &f.kwdefaults, keyword);
        if let Some(name) = name {
            let raw = name.get(cx).raw();
            cx.set_function_detail(function, Name::Name, raw);
        }
        Ok(function.into())
    }

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        function_arg(cx, this, "__call__")?;
        let raw = this.get(cx).raw();
        forward(cx, raw, args.0, kwargs.0)
    }

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        function_arg(cx, this, "__get__")?;
        let class = owner.0.unwrap_or(instance);
        cx.descriptor_get(this, instance, class)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__repr__")?;
        let text = cx.function_repr(function);
        Ok(cx.str(&text).into())
    }

    #[getter]
    fn __name__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__name__")?;
        match cx.function_own(function, Name::Name) {
            Some(raw) => Ok(Outcome::Value(raw)),
            None => Ok(cx.intern(&function.code().code.name).into()),
        }
    }

    #[setter]
    fn __name__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_text(cx, this, Name::Name, value)
    }

    #[getter]
    fn __qualname__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__qualname__")?;
        match cx.function_own(function, Name::Qualname) {
            Some(raw) => Ok(Outcome::Value(raw)),
            None => Ok(cx.intern(&function.code().code.qualname).into()),
        }
    }

    #[setter]
    fn __qualname__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_text(cx, this, Name::Qualname, value)
    }

    #[getter]
    fn __module__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__module__")?;
        let own = cx.function_own(function, Name::Module);
        let own = own.or_else(|| {
            let name = cx.name(Name::Name);
            function.globals().get_str(&cx.heap, name).map(Value::raw)
        });
        Ok(Outcome::Value(own.unwrap_or(Raw::NONE)))
    }

    #[setter]
    fn __module__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_any(cx, this, Name::Module, value)
    }

    #[getter]
    fn __doc__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__doc__")?;
        if let Some(raw) = cx.function_own(function, Name::Doc) {
            return Ok(Outcome::Value(raw));
        }
        Ok(Outcome::Value(docstring(function.code())))
    }

    #[setter]
    fn __doc__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        set_any(cx, this, Name::Doc, value)
    }

    #[getter]
    fn __code__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__code__")?;
        Ok(function.code().into())
    }

    #[setter]
    fn __code__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let function = function_arg(cx, this, "__code__")?;
        let Some(code) = value.get(cx).exact::<CodeObject>().map(Gc::held) else {
            return Err(cx.type_error("__code__ must be set to a code object".into()));
        };
        let closure = function.get().closure.get().map_or(0, |c| c.len());
        let free = code.code.free.len();
        if closure != free {
            let name = cx.function_name(function);
            let name = name.exact::<Str>().map_or(String::new(), |n| n.to_str_lossy().into_owned());
            let text = format!("{name}() requires a code object with {closure} free vars, not {free}");
            return Err(cx.value_error(text));
        }
        let namespace = |c: Gc<'_, CodeObject>| c.flags().contains(CodeFlags::NAMESPACE);
        if namespace(code) != namespace(function.code()) {
            return Err(cx.missing("functions made of the code of a class body"));
        }
        // Its names stay what they were.
        for name in [Name::Name, Name::Qualname] {
            let text = cx.attribute(this, name.text())?;
            set_text(cx, this, name, text)?;
        }
        function.set_ref(&cx.heap, |f| &f.code, Some(code));
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __defaults__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__defaults__")?;
        Ok(function.get().defaults.get().map_or(Outcome::NONE, Outcome::from))
    }

    #[setter]
    fn __defaults__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let function = function_arg(cx, this, "__defaults__")?;
        let given: Value<'static> = Value::adopt(value.get(cx).raw());
        if given.is_none() || given.is_unbound() {
            function.set_ref(&cx.heap, |f| &f.defaults, None);
            return Ok(Outcome::NONE);
        }
        match given.exact::<Tuple>() {
            Some(tuple) => {
                function.set_ref(&cx.heap, |f| &f.defaults, Some(tuple));
                Ok(Outcome::NONE)
            }
            None => Err(cx.type_error("__defaults__ must be set to a tuple object".into())),
        }
    }

    #[getter]
    fn __kwdefaults__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__kwdefaults__")?;
        Ok(function.get().kwdefaults.get().map_or(Outcome::NONE, Outcome::from))
    }

    #[setter]
    fn __kwdefaults__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let function = function_arg(cx, this, "__kwdefaults__")?;
        let given: Value<'static> = Value::adopt(value.get(cx).raw());
        if given.is_none() || given.is_unbound() {
            function.set_ref(&cx.heap, |f| &f.kwdefaults, None);
            return Ok(Outcome::NONE);
        }
        match given.exact::<Dict>() {
            Some(dict) => {
                function.set_ref(&cx.heap, |f| &f.kwdefaults, Some(dict));
                Ok(Outcome::NONE)
            }
            None => Err(cx.type_error("__kwdefaults__ must be set to a dict object".into())),
        }
    }

    #[getter]
    fn __globals__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__globals__")?;
        Ok(function.globals().into())
    }

    #[setter]
    fn __globals__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Err(cx.raise_text(Exc::AttributeError, "readonly attribute"))
    }

    #[getter]
    fn __builtins__(cx: &mut Cx, this: Root) -> NativeResult {
        let globals = function_arg(cx, this, "__builtins__")?.globals();
        Ok(cx.builtins_of(globals).into())
    }

    #[setter]
    fn __builtins__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Err(cx.raise_text(Exc::AttributeError, "readonly attribute"))
    }

    #[getter]
    fn __closure__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__closure__")?;
        Ok(function.get().closure.get().map_or(Outcome::NONE, Outcome::from))
    }

    #[setter]
    fn __closure__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Err(cx.raise_text(Exc::AttributeError, "readonly attribute"))
    }

    #[getter]
    fn __annotations__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__annotations__")?;
        if let Some(known) = cx.function_own(function, Name::Annotations) {
            return Ok(Outcome::Value(known));
        }
        match cx.function_own(function, Name::Annotate).filter(|a| !a.same(Raw::NONE)) {
            Some(annotate) => cx.ask(annotate, &[Raw::int(1)], Then::Continue(after_annotate)),
            None => {
                let dict = Dict::new(&cx.heap).value().raw();
                cx.set_function_detail(function, Name::Annotations, dict);
                Ok(Outcome::Value(dict))
            }
        }
    }

    #[setter]
    fn __annotations__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let function = function_arg(cx, this, "__annotations__")?;
        let given: Value<'static> = Value::adopt(value.get(cx).raw());
        let new = if given.is_none() || given.is_unbound() {
            Dict::new(&cx.heap).value().raw()
        } else if given.kind() == Kind::Dict {
            given.raw()
        } else {
            return Err(cx.type_error("__annotations__ must be set to a dict object".into()));
        };
        cx.set_function_detail(function, Name::Annotations, new);
        cx.set_function_detail(function, Name::Annotate, Raw::NONE);
        Ok(Outcome::NONE)
    }

    /// Get the code object for a function.
    #[getter]
    fn __annotate__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__annotate__")?;
        Ok(Outcome::Value(cx.function_own(function, Name::Annotate).unwrap_or(Raw::NONE)))
    }

    #[setter]
    fn __annotate__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let function = function_arg(cx, this, "__annotate__")?;
        let given = value.get(cx).raw();
        if given.is_unbound() {
            return Err(cx.type_error("__annotate__ cannot be deleted".into()));
        }
        if !given.same(Raw::NONE) {
            if !is_callable(cx, Value::adopt(given)) {
                return Err(cx.type_error("__annotate__ must be callable or None".into()));
            }
            cx.remove_function_detail(function, Name::Annotations);
        }
        cx.set_function_detail(function, Name::Annotate, given);
        Ok(Outcome::NONE)
    }

    /// Get the declared type parameters for a function.
    #[getter]
    fn __type_params__(cx: &mut Cx, this: Root) -> NativeResult {
        let function = function_arg(cx, this, "__type_params__")?;
        match cx.function_own(function, Name::TypeParams) {
            Some(raw) => Ok(Outcome::Value(raw)),
            None => Ok(cx.empty_tuple().into()),
        }
    }

    #[setter]
    fn __type_params__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let function = function_arg(cx, this, "__type_params__")?;
        if value.get(cx).kind() != Kind::Tuple {
            return Err(cx.type_error("__type_params__ must be set to a tuple".into()));
        }
        let raw = value.get(cx).raw();
        cx.set_function_detail(function, Name::TypeParams, raw);
        Ok(Outcome::NONE)
    }
);

natives!(
    /// Create a bound instance method object.
    pub static METHOD: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, function: Root, instance: Root) -> NativeResult {
        if !is_callable(cx, function.get(cx)) {
            return Err(cx.type_error("first argument must be callable".into()));
        }
        if instance.get(cx).is_none() {
            return Err(cx.type_error("instance must not be None".into()));
        }
        let (function, instance) = (function.get(cx).raw(), instance.get(cx).raw());
        Ok(Outcome::Value(cx.bound_method(function, instance)))
    }

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let raw = this.get(cx).raw();
        method_arg(cx, this, "__call__")?;
        forward(cx, raw, args.0, kwargs.0)
    }

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return getattr(self, name).
    fn __getattribute__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        method_arg(cx, this, "__getattribute__")?;
        cx.generic_get(this, name, false)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let method = method_arg(cx, this, "__repr__")?;
        let (function, receiver) = (method.get().function.get().raw(), method.get().receiver.get().raw());
        let function = cx.push_raw(function);
        let mut name = "?".to_owned();
        for attr in ["__qualname__", "__name__"] {
            if let Some(found) = cx.find_attribute(function, attr)?
                && let Some(text) = cx.as_str(found.get(cx))
            {
                name = text.to_str_lossy().into_owned();
                break;
            }
        }
        let receiver = cx.push_raw(receiver);
        let of = cx.repr_text(receiver)?;
        Ok(cx.str(&format!("<bound method {name} of {of}>")).into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        same_method(cx, this, value, true)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        same_method(cx, this, value, false)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        method_hash(cx, this)
    }

    /// Helper for pickle.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduce_method(cx, this)
    }

    /// what is called, with the instance put first
    #[getter]
    fn __func__(cx: &mut Cx, this: Root) -> NativeResult {
        let method = method_arg(cx, this, "__func__")?;
        Ok(method.get().function.get().into())
    }

    /// what is passed as the first argument
    #[getter]
    fn __self__(cx: &mut Cx, this: Root) -> NativeResult {
        let method = method_arg(cx, this, "__self__")?;
        Ok(method.get().receiver.get().into())
    }

    #[getter]
    fn __doc__(cx: &mut Cx, this: Root) -> NativeResult {
        let method = method_arg(cx, this, "__doc__")?;
        let function = method.get().function.get().raw();
        let function = cx.push_raw(function);
        let doc = cx.find_attribute(function, "__doc__")?;
        Ok(doc.map_or(Outcome::NONE, |d| d.get(cx).into()))
    }
);

natives!(
    /// A function written in Rust.
    pub static NATIVE: Methods;

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        native_arg(cx, this, "__call__")?;
        let raw = this.get(cx).raw();
        forward(cx, raw, args.0, kwargs.0)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, receiver) = native_arg(cx, this, "__repr__")?;
        let name = native.get().def.name;
        let of = |cx: &Cx, raw: Raw| {
            let value = Value::adopt(raw);
            format!("{} object at {:#x}", cx.type_name_for_error(value), cx.heap.id(value))
        };
        let text = if let Some(receiver) = receiver {
            if crate::vm::is_wrapper(name) {
                format!("<method-wrapper '{name}' of {}>", of(cx, receiver))
            } else {
                format!("<built-in method {name} of {}>", of(cx, receiver))
            }
        } else {
            match (native.get().def.kind, native.get().class.get()) {
                (NativeKind::Function, _) | (_, None) if native.get().def.scripted => {
                    format!("<function {name} at {:#x}>", cx.heap.id(native.value()))
                }
                (NativeKind::Function, _) | (_, None) => format!("<built-in function {name}>"),
                (NativeKind::StaticMethod, Some(class)) => {
                    format!("<built-in method {name} of {}>", of(cx, class.value().raw()))
                }
                (NativeKind::Method, Some(class)) if crate::vm::is_wrapper(name) => {
                    format!("<slot wrapper '{name}' of '{}' objects>", cx.tp_name(class))
                }
                (_, Some(class)) => format!("<method '{name}' of '{}' objects>", cx.tp_name(class)),
            }
        };
        Ok(cx.str(&text).into())
    }

    /// Helper for pickle.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        if this.get(cx).kind() == Kind::BoundMethod {
            return reduce_method(cx, this);
        }
        let (native, _) = native_arg(cx, this, "__reduce__")?;
        if let Some(class) = native.get().class.get() {
            // A method of a type is an attribute of it.
            let class = class.value().raw();
            let class = cx.push_raw(class);
            return reduce_attribute(cx, this, class);
        }
        Ok(cx.str(&native_qualname(native)).into())
    }

    #[getter]
    fn __name__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, _) = native_arg(cx, this, "__name__")?;
        Ok(cx.intern(native.get().def.name).into())
    }

    #[getter]
    fn __qualname__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, receiver) = native_arg(cx, this, "__qualname__")?;
        if let Some(receiver) = receiver
            && !crate::vm::is_wrapper_of(native)
        {
            // A bound method is named after the class of its object.
            let receiver: Value<'static> = Value::adopt(receiver);
            let class = receiver.exact::<Class>().map_or_else(|| cx.class_of(receiver).held(), Gc::held);
            let qualname =
                class.get().qualname.get().exact::<Str>().map_or(String::new(), |q| q.to_str_lossy().into_owned());
            return Ok(cx.str(&format!("{qualname}.{}", native.get().def.name)).into());
        }
        Ok(cx.str(&native_qualname(native)).into())
    }

    #[getter]
    fn __doc__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, _) = native_arg(cx, this, "__doc__")?;
        Ok(Outcome::Value(cx.doc_value(native.get().def.doc)))
    }

    #[getter]
    fn __text_signature__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, _) = native_arg(cx, this, "__text_signature__")?;
        Ok(cx.str(&text_signature(native)).into())
    }
);

natives!(
    /// A builtin function, or a method bound to its object.
    pub static BUILTIN: Methods;

    #[getter]
    fn __self__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, receiver) = native_arg(cx, this, "__self__")?;
        Ok(Outcome::Value(match (receiver, native.get().class.get()) {
            (Some(receiver), _) => receiver,
            (None, Some(class)) => class.value().raw(),
            (None, None) => native.get().receiver.get().raw(),
        }))
    }

    #[getter]
    fn __module__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, _) = native_arg(cx, this, "__module__")?;
        Ok(native.get().module.value().into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        same_method(cx, this, value, true)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        same_method(cx, this, value, false)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        if this.get(cx).kind() != Kind::BoundMethod {
            return Ok(hash_identity(cx.heap.id(this.get(cx))).into());
        }
        method_hash(cx, this)
    }
);

natives!(
    /// A method as it is in its class.
    pub static UNBOUND: Methods;

    /// What looking this up through an instance or its class gives.
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Given<Root>) -> NativeResult {
        let (native, bound) = native_arg(cx, this, "__get__")?;
        let class = owner.0.unwrap_or(instance);
        let nothing = instance.get(cx).is_none() && class.get(cx).is_none();
        if bound.is_none()
            && !nothing
            && let Some(base) = native.get().class.get().map(Gc::held)
        {
            let (name, base_name) = (native.get().def.name, cx.tp_name(base));
            if native.get().def.kind == NativeKind::ClassMethod {
                let of: Value<'static> = match owner.0 {
                    Some(owner) if !owner.get(cx).is_none() => Value::adopt(owner.get(cx).raw()),
                    _ => cx.class_of(instance.get(cx)).held().value(),
                };
                let got = cx.type_name_for_error(of);
                let Some(of) = of.exact::<Class>() else {
                    let text =
                        format!("descriptor '{name}' for type '{base_name}' needs a type, not a '{got}' as arg 2");
                    return Err(cx.type_error(text));
                };
                if !of.is_subclass(base) {
                    let got = cx.tp_name(of);
                    let text = format!("descriptor '{name}' requires a subtype of '{base_name}' but received '{got}'");
                    return Err(cx.type_error(text));
                }
            } else if instance.get(cx).is_none() && base_name != "NoneType" {
                return Ok(this.get(cx).into());
            } else if native.get().def.kind == NativeKind::Method && !cx.class_of(instance.get(cx)).is_subclass(base) {
                let got = cx.type_name_for_error(instance.get(cx));
                let text = format!("descriptor '{name}' for '{base_name}' objects doesn't apply to a '{got}' object");
                return Err(cx.type_error(text));
            }
        }
        cx.descriptor_get(this, instance, class)
    }

    #[getter]
    fn __objclass__(cx: &mut Cx, this: Root) -> NativeResult {
        let (native, _) = native_arg(cx, this, "__objclass__")?;
        Ok(native.get().class.get().map_or(Outcome::NONE, Outcome::from))
    }
);

natives!(
    /// The place where functions share a variable.
    ///
    /// `contents` is what is in it; without that it is empty, and reading it raises ValueError.
    pub static CELL: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, contents: Given<Root>) -> NativeResult {
        let content = contents.0.map_or(Value::UNBOUND, |c| c.get(cx));
        Ok(cx.heap.alloc(Variable { content: Slot::new(content) }).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let cell = cell_arg(cx, this)?;
        let at = cx.heap.id(this.get(cx));
        let content = cell.get().content.get();
        let text = if content.is_unbound() {
            format!("<cell at {at:#x}: empty>")
        } else {
            format!("<cell at {at:#x}: {} object at {:#x}>", cx.type_name_for_error(content), cx.heap.id(content))
        };
        Ok(cx.str(&text).into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare_cells(cx, this, value, CompareKind::Eq)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare_cells(cx, this, value, CompareKind::Ne)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare_cells(cx, this, value, CompareKind::Lt)
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare_cells(cx, this, value, CompareKind::Le)
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare_cells(cx, this, value, CompareKind::Gt)
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare_cells(cx, this, value, CompareKind::Ge)
    }

    #[getter]
    fn cell_contents(cx: &mut Cx, this: Root) -> NativeResult {
        let content = cell_arg(cx, this)?.get().content.get();
        if content.is_unbound() {
            return Err(cx.value_error("Cell is empty"));
        }
        Ok(content.into())
    }

    #[setter]
    fn cell_contents(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let cell = cell_arg(cx, this)?;
        cell.set(&cx.heap, |c| &c.content, value.get(cx));
        Ok(Outcome::NONE)
    }
);

natives!(
    /// A namespace that has a name, and docs if given.
    pub static MODULE: Methods;

    /// Create and return a new object.
    #[fixed]
    fn __new__(cx: &mut Cx, cls: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(cls, Kind::Module)?;
        let class = cls.get(cx).exact::<Class>().expect("checked");
        let own = (class != cx.kind_class(Kind::Module)).then_some(class);
        let module = Module {
            dict: Ref::new(Dict::new(&cx.heap)),
            class: Ref::from_option(own),
            spec_due: std::cell::Cell::new(false),
        };
        Ok(cx.heap.alloc(module).into())
    }

    /// Set up a new instance.
    fn __init__(cx: &mut Cx, this: Root, #[either] name: Root, #[either] doc: Option<Root>) -> NativeResult {
        if name.get(cx).kind() != Kind::Str {
            let got = cx.argument_name_for_error(name.get(cx));
            return Err(cx.type_error(format!("module() argument 'name' must be str, not {got}")));
        }
        let module = this.get(cx).exact::<Module>().expect("checked by the class").held();
        let heap = cx.heap.forever();
        let doc = doc.map_or(Value::NONE, |d| Value::adopt(d.get(cx).raw()));
        let entries = [
            (Name::Name, Value::<'static>::adopt(name.get(cx).raw())),
            (Name::Doc, doc),
            (Name::Package, Value::NONE),
            (Name::Loader, Value::NONE),
            (Name::Spec, Value::NONE),
        ];
        for (key, value) in entries {
            module.dict().put_str(heap, cx.name(key), value);
        }
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let module = module_arg(cx, this, "__repr__")?;
        let get = |cx: &Cx, name: Name| {
            let found = module.dict().get_str(&cx.heap, cx.name(name));
            found.filter(|v| !v.is_none()).map(Value::raw)
        };
        let name = match get(cx, Name::Name) {
            Some(name) => {
                let name = cx.push_raw(name);
                cx.repr_text(name)?
            }
            None => "'?'".to_owned(),
        };
        let place = get(cx, Name::Name).and_then(|name| {
            let name = Value::<'static>::adopt(name).exact::<Str>()?;
            Cx::place_of_module(std::str::from_utf8(name.as_bytes()).ok()?)
        });
        let own = get(cx, Name::File).map(|file| {
            Value::<'static>::adopt(file).exact::<Str>().is_some_and(|file| file.as_bytes().starts_with(b"<"))
        });
        let text = match get(cx, Name::File) {
            _ if place.is_some() && own.unwrap_or_else(|| is_builtin_module(cx, module)) => {
                format!("<module {name} ({})>", place.unwrap_or_default())
            }
            Some(file) => {
                let file = cx.push_raw(file);
                format!("<module {name} from {}>", cx.repr_text(file)?)
            }
            None if get(cx, Name::Spec).is_none() && !is_builtin_module(cx, module) => format!("<module {name}>"),
            None => format!("<module {name} (built-in)>"),
        };
        Ok(cx.str(&text).into())
    }

    /// Return getattr(self, name).
    fn __getattribute__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        module_arg(cx, this, "__getattribute__")?;
        cx.generic_get(this, name, false)
    }

    /// The names in it, sorted.
    fn __dir__(cx: &mut Cx, this: Root) -> NativeResult {
        let module = module_arg(cx, this, "__dir__")?;
        let hook = cx.name(Name::Dir).held();
        if let Some(hook) = module.dict().get_str(&cx.heap, hook).map(Value::raw) {
            return cx.ask(hook, &[], Then::Return);
        }
        let names = Dict::new(&cx.heap).held();
        for (name, _) in module.dict().iter() {
            super::object::add_name(cx, names, name);
        }
        Ok(super::object::list_of_names(cx, names))
    }

    #[getter]
    fn __dict__(cx: &mut Cx, this: Root) -> NativeResult {
        let module = module_arg(cx, this, "__dict__")?;
        Ok(module.dict().into())
    }

    #[setter]
    fn __dict__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Err(cx.raise_text(Exc::AttributeError, "readonly attribute"))
    }

    #[getter]
    fn __annotations__(cx: &mut Cx, this: Root) -> NativeResult {
        let module = module_arg(cx, this, "__annotations__")?;
        let heap = cx.heap.forever();
        let name = cx.name(Name::Annotations).held();
        if let Some(known) = module.dict().get_str(heap, name) {
            return Ok(known.into());
        }
        let annotate = module.dict().get_str(heap, cx.name(Name::Annotate)).filter(|a| !a.is_none()).map(Value::raw);
        match annotate {
            Some(annotate) => cx.ask(annotate, &[Raw::int(1)], Then::Continue(after_annotate)),
            None => {
                let dict = Dict::new(heap);
                module.dict().put_str(heap, name, dict.value());
                Ok(dict.into())
            }
        }
    }

    #[setter]
    fn __annotations__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let module = module_arg(cx, this, "__annotations__")?;
        let heap = cx.heap.forever();
        let (name, annotate) = (cx.name(Name::Annotations).held(), cx.name(Name::Annotate).held());
        if value.get(cx).is_unbound() {
            if module.dict().remove_str(heap, name).is_none() {
                return Err(cx.raise_text(Exc::AttributeError, "__annotations__"));
            }
        } else {
            let value = Value::adopt(value.get(cx).raw());
            module.dict().put_str(heap, name, value);
        }
        module.dict().remove_str(heap, annotate);
        Ok(Outcome::NONE)
    }

    #[getter]
    fn __annotate__(cx: &mut Cx, this: Root) -> NativeResult {
        let module = module_arg(cx, this, "__annotate__")?;
        let found = module.dict().get_str(&cx.heap, cx.name(Name::Annotate));
        Ok(found.map_or(Outcome::NONE, Outcome::from))
    }

    #[setter]
    fn __annotate__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let module = module_arg(cx, this, "__annotate__")?;
        let given = value.get(cx).raw();
        if given.is_unbound() {
            return Err(cx.type_error("cannot delete __annotate__ attribute".into()));
        }
        if !given.same(Raw::NONE) && !is_callable(cx, Value::adopt(given)) {
            return Err(cx.type_error("__annotate__ must be callable or None".into()));
        }
        let heap = cx.heap.forever();
        module.dict().put_str(heap, cx.name(Name::Annotate), Value::adopt(given));
        Ok(Outcome::NONE)
    }
);

/// Whether a value can be called.
pub(crate) fn is_callable(cx: &Cx, value: Value<'_>) -> bool {
    cx.lookup_class(cx.class_of(value), cx.name(Name::Call)).is_some()
}

/// Asks for a call with the arguments a native got.
pub(crate) fn forward(cx: &mut Cx, callee: Raw, args: Args, kwargs: Root) -> NativeResult {
    let callee = cx.push_raw(callee);
    for arg in args.roots() {
        let raw = arg.get(cx).raw();
        cx.push_raw(raw);
    }
    let (argc, keywords) = cx.push_keywords(kwargs);
    Ok(Outcome::Call { callee, argc: argc + args.len() as u32, keywords, then: Then::Return })
}

fn wrong_receiver<T>(cx: &mut Cx, this: Root, method: &str, type_name: &str) -> Result<T, Raised> {
    let got = cx.type_name_for_error(this.get(cx));
    Err(cx.type_error(format!("descriptor '{method}' requires a '{type_name}' object but received a '{got}'")))
}

fn function_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, Function>, Raised> {
    match this.get(cx).exact::<Function>() {
        Some(function) => Ok(function.held()),
        None => wrong_receiver(cx, this, method, "function"),
    }
}

fn method_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, BoundMethod>, Raised> {
    match this.get(cx).exact::<BoundMethod>() {
        Some(bound) => Ok(bound.held()),
        None => wrong_receiver(cx, this, method, "method"),
    }
}

/// Cells compare as their contents do; an empty one comes before any other.
fn compare_cells(cx: &mut Cx, this: Root, value: Root, kind: CompareKind) -> NativeResult {
    let (Some(a), Some(b)) = (this.get(cx).exact::<Variable>(), value.get(cx).exact::<Variable>()) else {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    };
    let (a, b) = (a.get().content.get().raw(), b.get().content.get().raw());
    if a.is_unbound() || b.is_unbound() {
        let (a, b) = (!a.is_unbound(), !b.is_unbound());
        return Ok(kind.holds(a.cmp(&b)).into());
    }
    let (a, b) = (cx.push_raw(a), cx.push_raw(b));
    Ok(cx.compare_roots(kind, a, b)?.into())
}

fn cell_arg(cx: &mut Cx, this: Root) -> Result<Gc<'static, Variable>, Raised> {
    match this.get(cx).exact::<Variable>() {
        Some(cell) => Ok(cell.held()),
        None => wrong_receiver(cx, this, "cell_contents", "cell"),
    }
}

fn module_arg(cx: &mut Cx, this: Root, method: &str) -> Result<Gc<'static, Module>, Raised> {
    match this.get(cx).exact::<Module>() {
        Some(module) => Ok(module.held()),
        None => wrong_receiver(cx, this, method, "module"),
    }
}

/// The native that a method is called for, and what it is bound to.
fn native_arg(cx: &mut Cx, this: Root, method: &str) -> Result<(Gc<'static, NativeFunction>, Option<Raw>), Raised> {
    let value: Value<'static> = Value::adopt(this.get(cx).raw());
    if let Some(native) = value.exact::<NativeFunction>() {
        return Ok((native, None));
    }
    if let Some(bound) = value.exact::<BoundMethod>()
        && let Some(native) = bound.get().function.get().exact::<NativeFunction>()
    {
        return Ok((native.held(), Some(bound.get().receiver.get().raw())));
    }
    wrong_receiver(cx, this, method, "builtin_function_or_method")
}

/// Whether a module came with natives, which have it as their receiver.
fn is_builtin_module(cx: &Cx, module: Gc<'static, Module>) -> bool {
    let own = |v: Value<'_>| v.exact::<NativeFunction>().is_some_and(|n| n.get().receiver.get().is(module.value()));
    let _ = cx;
    module.dict().iter().any(|(_, v)| own(v))
}

fn native_qualname(native: Gc<'static, NativeFunction>) -> String {
    let name = native.get().def.name;
    match native.get().class.get() {
        Some(class) => format!("{}.{name}", class.name().to_str_lossy()),
        None => name.to_owned(),
    }
}

/// The signature of a native as `inspect` reads it.
pub(crate) fn text_signature(native: Gc<'static, NativeFunction>) -> String {
    let def = native.get().def;
    let mut parts: Vec<String> = vec![];
    let mut positional_only = false;
    let mut keywords = false;
    for (number, param) in def.params.iter().enumerate() {
        if positional_only && param.kind != ParamKind::Positional {
            parts.push("/".into());
            positional_only = false;
        }
        if param.kind == ParamKind::Keyword && !keywords {
            if !parts.iter().any(|p| p.starts_with('*')) {
                parts.push("*".into());
            }
            keywords = true;
        }
        let receiver = number == 0 && matches!(def.kind, NativeKind::Method | NativeKind::ClassMethod);
        let mut text = match param.kind {
            ParamKind::Rest => format!("*{}", param.name),
            ParamKind::KeywordRest => format!("**{}", param.name),
            _ if receiver => format!("${}", if def.kind == NativeKind::ClassMethod { "type" } else { "self" }),
            _ => param.name.to_owned(),
        };
        if !param.default.is_empty() && !matches!(param.kind, ParamKind::Rest | ParamKind::KeywordRest) {
            text = format!("{text}={}", param.default);
        }
        positional_only |= param.kind == ParamKind::Positional;
        parts.push(text);
    }
    if positional_only {
        parts.push("/".into());
    }
    format!("({})", parts.join(", "))
}

/// The docstring of code.
pub(crate) fn docstring(code: Gc<'static, CodeObject>) -> Raw {
    if !code.flags().contains(CodeFlags::DOCSTRING) {
        return Raw::NONE;
    }
    let constants = code.get().constants.get().expect("loaded code has constants");
    if constants.is_empty() { Raw::NONE } else { constants.item(0).raw() }
}

fn set_text(cx: &mut Cx, this: Root, name: Name, value: Root) -> NativeResult {
    let function = function_arg(cx, this, name.text())?;
    if value.get(cx).kind() != Kind::Str {
        return Err(cx.type_error(format!("{} must be set to a string object", name.text())));
    }
    let raw = value.get(cx).raw();
    cx.set_function_detail(function, name, raw);
    Ok(Outcome::NONE)
}

fn set_any(cx: &mut Cx, this: Root, name: Name, value: Root) -> NativeResult {
    let function = function_arg(cx, this, name.text())?;
    let raw = value.get(cx).given().map_or(Raw::NONE, Value::raw);
    cx.set_function_detail(function, name, raw);
    Ok(Outcome::NONE)
}

/// Window: the function or module. Its annotations were made.
fn after_annotate(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(made) = resumed else { unreachable!("exceptions pass") };
    if made.get(cx).kind() != Kind::Dict {
        let got = cx.type_name_for_error(made.get(cx));
        return Err(cx.type_error(format!("__annotate__ returned non-dict of type '{got}'")));
    }
    let raw = made.get(cx).raw();
    let of: Value<'static> = Value::adopt(window.get(cx, 0).raw());
    if let Some(function) = of.exact::<Function>() {
        cx.set_function_detail(function, Name::Annotations, raw);
    } else if let Some(module) = of.exact::<Module>() {
        let heap = cx.heap.forever();
        let name = cx.name(Name::Annotations);
        module.dict().put_str(heap, name, Value::adopt(raw));
    }
    Ok(Outcome::Value(raw))
}

/// Whether two methods have the same function and the same receiver.
fn same_method(cx: &mut Cx, this: Root, value: Root, equal: bool) -> NativeResult {
    let (Some(a), Some(b)) = (this.get(cx).exact::<BoundMethod>(), value.get(cx).exact::<BoundMethod>()) else {
        let same = this.get(cx).is(value.get(cx));
        return Ok(if same { equal.into() } else { Outcome::Value(Raw::NOT_IMPLEMENTED) });
    };
    if !a.get().receiver.get().is(b.get().receiver.get()) {
        return Ok((!equal).into());
    }
    let (a, b) = (a.get().function.get().raw(), b.get().function.get().raw());
    let (a, b) = (cx.push_raw(a), cx.push_raw(b));
    let same = cx.equals(a, b)?;
    Ok((same == equal).into())
}

fn method_hash(cx: &mut Cx, this: Root) -> NativeResult {
    let method = method_arg(cx, this, "__hash__")?;
    let receiver = hash_identity(cx.heap.id(method.get().receiver.get()));
    let function = method.get().function.get().raw();
    let function = cx.push_raw(function);
    let hash = receiver ^ cx.hash(function)?;
    Ok((if hash == -1 { -2 } else { hash }).into())
}

/// A method pickles as `getattr(receiver, name)`.
fn reduce_method(cx: &mut Cx, this: Root) -> NativeResult {
    let receiver = method_arg(cx, this, "__reduce__")?.get().receiver.get().raw();
    let receiver = cx.push_raw(receiver);
    reduce_attribute(cx, this, receiver)
}

/// `getattr(owner, name)`, as what is pickled for something that is an attribute of its owner.
fn reduce_attribute(cx: &mut Cx, this: Root, owner: Root) -> NativeResult {
    let name = cx.attribute(this, "__name__")?;
    let get = cx.intern("getattr").held();
    let get = cx.builtins().get_str(&cx.heap, get).map_or(Raw::NONE, Value::raw);
    let heap = cx.heap.forever();
    let args = Tuple::new(heap, &[Value::adopt(owner.get(cx).raw()), Value::adopt(name.get(cx).raw())]);
    Ok(Tuple::new(heap, &[Value::adopt(get), args.value()]).into())
}
