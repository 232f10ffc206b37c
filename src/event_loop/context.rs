//! Contexts and context variables (`contextvars`). A context is a persistent map; what runs has one of its own, as a bare map while
//! nobody has asked for it as an object.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value};
use crate::native::natives;
use crate::object::{Context, ContextMap, ContextVar, Exc, NativeObject, Payload};
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Resumed, Root, Then};

use super::{loops, loops_ref};

/// The map of a context as tasks and handles keep it; None (the value) for an empty one.
fn map_of(raw: Raw) -> Raw {
    match Value::adopt(raw).exact::<Context>() {
        Some(context) => context.map.get().map_or(Raw::NONE, |m| m.value().raw()),
        None => raw,
    }
}

/// A copy of the current context.
pub(crate) fn snapshot_raw(cx: &mut Cx) -> Raw {
    map_of(loops_ref(cx).context)
}

/// As `snapshot_raw`, to be handed over.
pub(crate) fn snapshot(cx: &mut Cx) -> Raw {
    snapshot_raw(cx)
}

/// Makes a context the current one, until `leave`.
pub(crate) fn enter(cx: &mut Cx, context: Raw) {
    loops(cx).context = context;
}

/// Back to the context outside of the running loop's callbacks.
pub(crate) fn leave(cx: &mut Cx) {
    let all = loops(cx);
    if let Some(outer) = all.running().map(|l| l.outer) {
        all.context = outer;
    }
}

/// A context object for what tasks and handles keep; for a map that is nobody's yet the caller keeps it from now on.
pub(crate) fn object(cx: &mut Cx, kept: Raw) -> Raw {
    if Value::adopt(kept).kind() == Kind::Context {
        return kept;
    }
    new_context(cx, kept).raw()
}

fn new_context(cx: &mut Cx, map: Raw) -> Value<'static> {
    let map = Value::adopt(map).exact::<ContextMap>();
    let context = cx.heap.alloc(Context { map: Ref::from_option(map), entered: StdCell::new(false) });
    context.held().value()
}

/// The map of a context as it is kept.
pub(super) fn map_within(kept: Raw) -> Option<Gc<'static, ContextMap>> {
    Value::adopt(map_of(kept)).exact::<ContextMap>()
}

fn current_map(cx: &Cx) -> Option<Gc<'static, ContextMap>> {
    map_within(loops_ref(cx).context)
}

/// Replaces the map of the current context.
fn set_current(cx: &mut Cx, map: Option<Gc<'static, ContextMap>>) {
    let current = loops(cx).context;
    match Value::adopt(current).exact::<Context>() {
        Some(context) => context.set_ref(&cx.heap, |c| &c.map, map),
        None => loops(cx).context = map.map_or(Raw::NONE, |m| m.value().raw()),
    }
}

/// What `ContextVar.set` returns: slots var, old value (UNBOUND if there was none), context.
#[derive(Debug)]
struct Token {
    used: bool,
}

impl Payload for Token {}

/// `Token.MISSING`.
#[derive(Debug)]
struct Missing;

impl Payload for Missing {}

fn variable(cx: &Cx, root: Root) -> Gc<'static, ContextVar> {
    root.get(cx).exact::<ContextVar>().expect("a method's receiver").held()
}

fn context(cx: &Cx, root: Root) -> Gc<'static, Context> {
    root.get(cx).exact::<Context>().expect("a method's receiver").held()
}

natives!(
    /// Context variables: values that belong to a task or thread.
    pub(super) static CONTEXTVARS: Functions;

    /// Return a copy of the current context.
    fn copy_context(cx: &mut Cx) -> NativeResult {
        let map = snapshot_raw(cx);
        Ok(new_context(cx, map).into())
    }
);

natives!(
    /// A context variable.
    pub(super) static CONTEXT_VAR: Methods;

    /// Make a variable.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, name: Root, #[key] default: Given<Root>) -> NativeResult {
        if cx.as_str(name.get(cx)).is_none() {
            return Err(cx.type_error("context variable name must be a str".into()));
        }
        let default = default.0.map_or(Value::UNBOUND, |d| Value::adopt(d.get(cx).raw()));
        let variable = cx.heap.alloc(ContextVar { name: Slot::new(name.get(cx)), default: Slot::new(default) });
        Ok(variable.into())
    }

    /// Return the value in the current context; otherwise the default given here, or the variable's, or raise LookupError.
    fn get(cx: &mut Cx, this: Root, default: Given<Root>) -> NativeResult {
        let this = variable(cx, this);
        if let Some(value) = current_map(cx).and_then(|m| m.get_value(this.value())) {
            return Ok(value.into());
        }
        if let Some(default) = default.0 {
            return Ok(default.get(cx).into());
        }
        match this.get().default.get().given() {
            Some(value) => Ok(value.into()),
            None => {
                let variable = cx.push(this.value());
                Err(cx.raise_new(Exc::LookupError, &[variable]))
            }
        }
    }

    /// Set the value in the current context; the result can be given to `reset`.
    fn set(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let variable = variable(cx, this);
        // The token keeps the context, so there has to be one.
        let context = object(cx, loops_ref(cx).context);
        loops(cx).context = context;
        let heap = cx.heap.forever();
        let map = current_map(cx);
        let old = map.and_then(|m| m.get_value(variable.value())).map_or(Raw::UNBOUND, Value::raw);
        let new = ContextMap::with(heap, map, variable.value(), Some(Value::adopt(value.get(cx).raw())));
        set_current(cx, new);
        let values = [variable.value().raw(), old, context];
        let token =
            heap.alloc_slots(NativeObject::new(Box::new(Token { used: false }), 3), |i| Value::adopt(values[i]));
        token.set_shape(cx.named_class("Token").get().root_shape.get());
        Ok(token.into())
    }

    /// Set the variable back to what it was before the `set` that returned the token.
    fn reset(cx: &mut Cx, this: Root, token: Root) -> NativeResult {
        let variable = variable(cx, this);
        let object = token.get(cx).exact::<NativeObject>().filter(|o| o.with(|_: &mut Token| ()).is_some());
        let Some(object) = object.map(Gc::held) else {
            let got = cx.repr_text(token)?;
            return Err(cx.type_error(format!("expected an instance of Token, got {got}")));
        };
        if object.with(|t: &mut Token| t.used) == Some(true) {
            let text = cx.repr_text(token)?;
            return Err(cx.runtime_error(format!("{text} has already been used once")));
        }
        if !object.tail()[0].get().is(variable.value()) {
            let text = cx.repr_text(token)?;
            return Err(cx.value_error(format!("{text} was created by a different ContextVar")));
        }
        if !object.tail()[2].get().is(Value::adopt(loops_ref(cx).context)) {
            let text = cx.repr_text(token)?;
            return Err(cx.value_error(format!("{text} was created in a different Context")));
        }
        object.with(|t: &mut Token| t.used = true);
        let heap = cx.heap.forever();
        let old = object.tail()[1].get().given();
        let new = ContextMap::with(heap, current_map(cx), variable.value(), old);
        set_current(cx, new);
        Ok(Outcome::NONE)
    }

    /// The name.
    #[getter]
    fn name(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(variable(cx, this).get().name.get().into())
    }

    /// ContextVar[type].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let variable = variable(cx, this);
        let name = cx.push(variable.get().name.get());
        let name = cx.repr_text(name)?;
        let default = match variable.get().default.get().given() {
            Some(default) => {
                let default = cx.push(default);
                format!(" default={}", cx.repr_text(default)?)
            }
            None => String::new(),
        };
        let id = cx.heap.id(variable.value());
        Ok(cx.str(&format!("<ContextVar name={name}{default} at {id:#x}>")).into())
    }
);

natives!(
    /// What `ContextVar.set` returns.
    pub(super) static TOKEN: Methods;

    /// Only variables make them.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, keywords: KeywordRest) -> NativeResult {
        Err(cx.runtime_error("Tokens can only be created by ContextVars"))
    }

    /// The class with parameters, for annotations.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }

    /// The variable.
    #[getter]
    fn var(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
        Ok(object.tail()[0].get().into())
    }

    /// The value before, or Token.MISSING.
    #[getter]
    fn old_value(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver").held();
        match object.tail()[1].get().given() {
            Some(value) => Ok(value.into()),
            None => {
                let class = cx.named_class("Token").value().raw();
                let class = cx.push_raw(class);
                let missing = cx.attribute(class, "MISSING")?;
                Ok(missing.get(cx).into())
            }
        }
    }

    /// Enter a `with` block at whose end the variable is reset.
    fn __enter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Reset the variable.
    fn __exit__(cx: &mut Cx, this: Root, kind: Root, value: Root, traceback: Root) -> NativeResult {
        let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver").held();
        let variable = cx.push(object.tail()[0].get());
        cx.call_method(variable, "reset", &[this])?;
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver").held();
        let used = if object.with(|t: &mut Token| t.used) == Some(true) { " used" } else { "" };
        let variable = cx.push(object.tail()[0].get());
        let text = cx.repr_text(variable)?;
        let id = cx.heap.id(object.value());
        Ok(cx.str(&format!("<Token{used} var={text} at {id:#x}>")).into())
    }
);

natives!(
    /// A mapping of context variables to their values.
    pub(super) static CONTEXT: Methods;

    /// Make an empty context.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: crate::vm::native::KeywordRest) -> NativeResult {
        if !args.0.is_empty() || !super::functions::keywords_of(cx, kwargs.0).is_empty() {
            return Err(cx.type_error("Context() does not accept any arguments".into()));
        }
        Ok(new_context(cx, Raw::NONE).into())
    }

    /// Whether the same variables have equal values.
    fn __eq__(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        if other.get(cx).kind() != Kind::Context {
            return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
        }
        let map = |cx: &Cx, root| context(cx, root).get().map.get().map(Gc::held);
        let (own, others) = (map(cx, this), map(cx, other));
        if own.map_or(0, |m| m.count()) != others.map_or(0, |m| m.count()) {
            return Ok(false.into());
        }
        // What is compared may change under a script's `__eq__`: the pairs are kept.
        let pairs: Vec<(Raw, Raw)> = own.map_or(vec![], |m| m.pairs().map(|(k, v)| (k.raw(), v.raw())).collect());
        let mut kept = vec![];
        for (key, value) in pairs {
            let Some(found) = others.and_then(|m| m.get_value(Value::adopt(key)).map(Value::raw)) else {
                return Ok(false.into());
            };
            kept.push((cx.push_raw(value), cx.push_raw(found)));
        }
        for (value, found) in kept {
            if !cx.equals(value, found)? {
                return Ok(false.into());
            }
        }
        Ok(true.into())
    }

    /// Contexts change, so they have none.
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Err(cx.type_error("unhashable type: '_contextvars.Context'".into()))
    }

    /// Call a function in this context.
    fn run(
        cx: &mut Cx,
        this: Root,
        callable: Root,
        args: Rest,
        kwargs: crate::vm::native::KeywordRest,
    ) -> NativeResult {
        let own = context(cx, this);
        if own.entered.get() {
            let text = cx.repr_text(this)?;
            return Err(cx.runtime_error(format!("cannot enter context: {text} is already entered")));
        }
        own.entered.set(true);
        let before = loops(cx).context;
        loops(cx).context = own.value().raw();
        let kept = cx.push_raw(own.value().raw());
        let old = cx.push_raw(before);
        debug_assert_eq!(old.offset(0), kept.offset(1), "kept beside each other");
        let names = super::functions::keywords_of(cx, kwargs.0);
        let raw = callable.get(cx).raw();
        let callee = cx.push_raw(raw);
        let mut argc = 0;
        for arg in args.0.roots() {
            let raw = arg.get(cx).raw();
            cx.push_raw(raw);
            argc += 1;
        }
        let keywords = super::functions::push_keywords(cx, names, &mut argc);
        Ok(Outcome::Call { callee, argc, keywords, then: Then::Catch(ran) })
    }

    /// Return a copy.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let map = map_of(this.get(cx).raw());
        Ok(new_context(cx, map).into())
    }

    /// The value of a variable, or the default.
    fn get(cx: &mut Cx, this: Root, key: Root, default: Option<Root>) -> NativeResult {
        check_key(cx, key)?;
        let map = context(cx, this).get().map.get();
        match map.and_then(|m| m.get_value(key.get(cx))) {
            Some(value) => Ok(value.into()),
            None => Ok(default.map_or(Outcome::NONE, |d| d.get(cx).into())),
        }
    }

    /// The value of a variable.
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        check_key(cx, key)?;
        let map = context(cx, this).get().map.get();
        match map.and_then(|m| m.get_value(key.get(cx))) {
            Some(value) => Ok(value.into()),
            None => Err(cx.key_error(key)),
        }
    }

    /// Whether a variable has a value.
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        check_key(cx, key)?;
        let map = context(cx, this).get().map.get();
        Ok(map.is_some_and(|m| m.get_value(key.get(cx)).is_some()).into())
    }

    /// Number of variables with a value.
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        let map = context(cx, this).get().map.get();
        Ok((map.map_or(0, |m| m.count()) as i64).into())
    }

    /// The variables.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let list = pairs(cx, this, |cx, key, _| cx.push(key));
        let iterator = cx.iter(list)?;
        Ok(iterator.get(cx).into())
    }

    /// The variables.
    fn keys(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(pairs(cx, this, |cx, key, _| cx.push(key)).get(cx).into())
    }

    /// The values.
    fn values(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(pairs(cx, this, |cx, _, value| cx.push(value)).get(cx).into())
    }

    /// Variables and values.
    fn items(cx: &mut Cx, this: Root) -> NativeResult {
        let all = pairs(cx, this, |cx, key, value| {
            let raw = cx.tuple(&[key, value]).value().raw();
            cx.push_raw(raw)
        });
        Ok(all.get(cx).into())
    }
);

/// TypeError for what is no context variable.
fn check_key(cx: &mut Cx, key: Root) -> Result<(), Raised> {
    if key.get(cx).kind() == Kind::ContextVar {
        return Ok(());
    }
    let text = cx.repr_text(key)?;
    Err(cx.type_error(format!("a ContextVar key was expected, got {text}")))
}

/// A list made of the pairs of a context.
fn pairs(cx: &mut Cx, this: Root, make: impl Fn(&mut Cx, Value<'static>, Value<'static>) -> Root) -> Root {
    let map = context(cx, this).get().map.get().map(Gc::held);
    let pairs: Vec<_> = map.map_or(vec![], |m| m.pairs().collect());
    let roots: Vec<Root> = pairs.into_iter().map(|(k, v)| make(cx, k, v)).collect();
    let values: Vec<Value<'_>> = roots.iter().map(|r| r.get(cx)).collect();
    let raw = cx.list(&values).value().raw();
    cx.push_raw(raw)
}

/// A function called by `Context.run` is done. The window ends with the context, the one before, and what was called.
fn ran(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let at = (0..window.len().saturating_sub(1))
        .rev()
        .find(|i| window.get(cx, *i).exact::<Context>().is_some_and(|c| c.entered.get()));
    if let Some(at) = at {
        window.get(cx, at).exact::<Context>().expect("just found").entered.set(false);
        let before = window.get(cx, at + 1).raw();
        loops(cx).context = before;
    }
    finish(cx, resumed)
}

/// Passes on what came of a call.
pub(crate) fn finish(cx: &mut Cx, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

/// `Token.MISSING`.
pub(crate) fn missing(cx: &mut Cx) -> Result<Raw, Raised> {
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(Missing), 0), |_| Value::NONE);
    object.set_shape(cx.named_class("Token.MISSING").get().root_shape.get());
    Ok(object.value().raw())
}

natives!(
    /// The type of `Token.MISSING`.
    pub(super) static TOKEN_MISSING: Methods;

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.str("<Token.MISSING>").into())
    }
);
