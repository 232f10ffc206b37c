//! The functions of `asyncio` that are native (`sleep`, `create_task`, `ensure_future`, ...) and what they share.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{AnyFuture, BLOCKING, Class, Context, Dict, Module, NativeObject, Payload, Task};
use crate::vm::Name;
use crate::vm::fiber::FiberId;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Resumed, Root, Then};

use super::handle::new_handle;
use super::{
    clock, combine, context, custom, future, loops, new_loop, open_loop, reactor, run, running, running_object, task,
    timeout,
};

/// A new object of a native class, with a payload.
pub(crate) fn new_object(cx: &mut Cx, class: Root, payload: Box<dyn Payload>) -> NativeResult {
    let shape = class.get(cx).exact::<Class>().expect("a class").get().root_shape.get();
    let object = cx.heap.alloc_slots(NativeObject::new(payload, 0), |_| Value::NONE);
    object.set_shape(shape);
    Ok(object.into())
}

/// The names and values in `**kwargs`.
pub(crate) fn keywords_of(cx: &Cx, kwargs: Root) -> Vec<(Raw, Raw)> {
    match kwargs.get(cx).exact::<Dict>() {
        Some(dict) => dict.iter().map(|(k, v)| (k.raw(), v.raw())).collect(),
        None => vec![],
    }
}

/// The first name in `**kwargs`.
pub(crate) fn first_keyword(cx: &mut Cx, kwargs: Root) -> Option<String> {
    let name = keywords_of(cx, kwargs).first()?.0;
    let name = cx.push_raw(name);
    cx.str_text(name).ok()
}

/// Pushes the values of keyword arguments behind the others, counts them, and gives the tuple of their names (made before they are pushed
/// would be between them, so it is put behind).
pub(crate) fn push_keywords(cx: &mut Cx, pairs: Vec<(Raw, Raw)>, argc: &mut u32) -> Option<Root> {
    if pairs.is_empty() {
        return None;
    }
    let names: Vec<Value<'_>> = pairs.iter().map(|(name, _)| Value::adopt(*name)).collect();
    let names = cx.tuple(&names).value().raw();
    for (_, value) in pairs {
        cx.push_raw(value);
        *argc += 1;
    }
    Some(cx.push_raw(names))
}

/// The loop that runs, or the one set, or RuntimeError.
pub(crate) fn event_loop(cx: &mut Cx) -> Result<Raw, Raised> {
    let all = loops(cx);
    if let Some(state) = all.running() {
        return Ok(state.object);
    }
    let policy = all.policy;
    if !policy.same(Raw::NONE) {
        let policy = cx.push_raw(policy);
        return Ok(cx.call_method(policy, "get_event_loop", &[])?.get(cx).raw());
    }
    loop_of_thread(cx)
}

/// The loop that was set for this thread, or RuntimeError.
pub(super) fn loop_of_thread(cx: &mut Cx) -> Result<Raw, Raised> {
    let current = loops(cx).current;
    if current.same(Raw::NONE) {
        let name = match cx.find_module("threading").map(|m| m.raw()) {
            Some(module) if cx.current_fiber() != FiberId::MAIN => {
                let module = cx.push_raw(module);
                let thread = cx.call_method(module, "current_thread", &[])?;
                let name = cx.attribute(thread, "name")?;
                cx.repr_text(name)?
            }
            _ => "'MainThread'".to_owned(),
        };
        return Err(cx.runtime_error(format!("There is no current event loop in thread {name}.")));
    }
    Ok(current)
}

/// Sets the loop of this thread.
pub(super) fn set_loop_of_thread(cx: &mut Cx, event_loop: Root) -> Result<(), Raised> {
    let raw = event_loop.get(cx).raw();
    let base = cx.named_class("AbstractEventLoop").held();
    if !raw.same(Raw::NONE) && !cx.class_of(Value::adopt(raw)).is_subclass(base) {
        let got = super::class_name(cx, Value::adopt(raw));
        let text = format!("loop must be an instance of AbstractEventLoop or None, not '{got}'");
        return Err(cx.type_error(text));
    }
    loops(cx).current = raw;
    Ok(())
}

/// A future or task for an awaitable.
pub(crate) fn ensure_future(cx: &mut Cx, event_loop: Raw, value: Root) -> Result<Raw, Raised> {
    let raw = value.get(cx).raw();
    if let Some(future) = AnyFuture::of(Value::adopt(raw)) {
        if !future.base().event_loop.value().raw().same(event_loop) {
            return Err(
                cx.value_error("The future belongs to a different loop than the one specified as the loop argument")
            );
        }
        return Ok(raw);
    }
    if is_duck(cx, value)? {
        return Ok(raw);
    }
    let coroutine = if task::is_coroutine(cx, Value::adopt(raw)) {
        value
    } else if is_awaitable(cx, Value::adopt(raw)) {
        wrap_awaitable(cx, value)?
    } else {
        return Err(cx.type_error("An asyncio.Future, a coroutine or an awaitable is required".into()));
    };
    let nothing = Dict::new(&cx.heap).value().raw();
    let nothing = cx.push_raw(nothing);
    let made = create_task_nested(cx, event_loop, coroutine, nothing)?;
    Ok(made.get(cx).raw())
}

/// TypeError for what can't be awaited.
pub(super) fn check_awaitable(cx: &mut Cx, value: Root) -> Result<(), Raised> {
    let raw = value.get(cx).raw();
    let known = AnyFuture::of(Value::adopt(raw)).is_some() || task::is_coroutine(cx, Value::adopt(raw));
    if known || is_awaitable(cx, Value::adopt(raw)) || is_duck(cx, value)? {
        return Ok(());
    }
    Err(cx.type_error("An asyncio.Future, a coroutine or an awaitable is required".into()))
}

/// Whether an object that is no future says that it is like one.
fn is_duck(cx: &mut Cx, value: Root) -> Result<bool, Raised> {
    if value.get(cx).kind() != Kind::Instance {
        return Ok(false);
    }
    // What stands for a future may say another class than its own.
    let class = cx.attribute(value, "__class__")?.get(cx).raw();
    let Some(class) = Value::adopt(class).exact::<Class>().map(Gc::held) else { return Ok(false) };
    let name = cx.intern("_asyncio_future_blocking").held();
    if cx.lookup_class(class, name).is_none() {
        return Ok(false);
    }
    Ok(cx.find_attribute(value, "_asyncio_future_blocking")?.is_some_and(|found| !found.get(cx).is_none()))
}

pub(super) fn is_awaitable(cx: &mut Cx, value: Value<'_>) -> bool {
    if crate::object::any_generator(value).is_some_and(|g| g.has(crate::object::ITERABLE_COROUTINE)) {
        return true;
    }
    let class = cx.class_of(value).held();
    let name = cx.name(crate::vm::Name::Await).held();
    cx.lookup_class(class, name).is_some_and(|v| !v.is_none())
}

/// A coroutine that awaits something.
pub(super) fn wrap_awaitable(cx: &mut Cx, value: Root) -> Result<Root, Raised> {
    let module = cx.find_module("asyncio").map_or(Raw::NONE, |m| m.raw());
    let module = cx.push_raw(module);
    let function = cx.attribute(module, "_wrap_awaitable")?;
    cx.call(function, &[value])
}

/// Whether a loop is of a class of a script's that makes tasks in its own way.
pub(crate) fn makes_tasks_itself(cx: &mut Cx, event_loop: Raw) -> bool {
    overrides_loop_method(cx, event_loop, "create_task")
}

/// Whether a loop is of a class of a script's that has its own method of this name.
pub(crate) fn overrides_loop_method(cx: &mut Cx, event_loop: Raw, name: &str) -> bool {
    if !is_scripts_loop(cx, event_loop) {
        return false;
    }
    let class = cx.class_of(Value::adopt(event_loop)).held();
    let name = cx.intern(name).held();
    cx.lookup_class(class, name).is_some_and(|method| method.exact::<crate::vm::native::NativeFunction>().is_none())
}

/// Whether a loop is of a class of a script's.
pub(crate) fn is_scripts_loop(cx: &mut Cx, event_loop: Raw) -> bool {
    let class = cx.class_of(Value::adopt(event_loop)).held();
    !class.value().raw().same(cx.named_class("_UnixSelectorEventLoop").value().raw())
}

/// A task for a coroutine, by the method of a loop of a script's class, or by the loop's factory where it has one. `kwargs`: name, context,
/// eager_start and what the factory knows.
pub(crate) fn create_task_nested(cx: &mut Cx, event_loop: Raw, coroutine: Root, kwargs: Root) -> Result<Root, Raised> {
    if !makes_tasks_itself(cx, event_loop) {
        return create_task_by_factory(cx, event_loop, coroutine, kwargs);
    }
    let event_loop = cx.push_raw(event_loop);
    let method = cx.attribute(event_loop, "create_task")?;
    let pairs = keywords_of(cx, kwargs);
    let names: Vec<Value<'_>> = pairs.iter().map(|(n, _)| Value::adopt(*n)).collect();
    let names = cx.tuple(&names).value().raw();
    let names = cx.push_raw(names);
    let mut args = vec![coroutine];
    for (_, value) in &pairs {
        args.push(cx.push_raw(*value));
    }
    cx.call_keywords(method, &args, (!pairs.is_empty()).then_some(names))
}

fn create_task_by_factory(cx: &mut Cx, event_loop: Raw, coroutine: Root, kwargs: Root) -> Result<Root, Raised> {
    let factory = open_loop(cx, event_loop)?.task_factory;
    if !factory.same(Raw::NONE) {
        let pairs = keywords_of(cx, kwargs);
        let names: Vec<Value<'_>> = pairs.iter().map(|(n, _)| Value::adopt(*n)).collect();
        let names = cx.tuple(&names).value().raw();
        let names = cx.push_raw(names);
        let factory = cx.push_raw(factory);
        let event_loop = cx.push_raw(event_loop);
        let mut args = vec![event_loop, coroutine];
        for (_, value) in &pairs {
            args.push(cx.push_raw(*value));
        }
        return cx.call_keywords(factory, &args, (!pairs.is_empty()).then_some(names));
    }
    let (mut name, mut given, mut eager) = (None, None, false);
    for (key, value) in keywords_of(cx, kwargs) {
        let key = cx.push_raw(key);
        let text = cx.str_text(key)?;
        let value = cx.push_raw(value);
        match &*text {
            "name" => name = (!value.get(cx).is_none()).then_some(value),
            "context" => given = (!value.get(cx).is_none()).then_some(value),
            "eager_start" => eager = cx.truth(value)?,
            _ => {
                return Err(cx.type_error(format!("Task() got an unexpected keyword argument '{text}'")));
            }
        }
    }
    make_task(cx, event_loop, coroutine, name, given, eager)
}

pub(super) fn make_task(
    cx: &mut Cx,
    event_loop: Raw,
    coroutine: Root,
    name: Option<Root>,
    given: Option<Root>,
    eager: bool,
) -> Result<Root, Raised> {
    let given = match given {
        None => None,
        Some(given) => Some(check_context(cx, given)?),
    };
    if eager && loops(cx).is_running_here(event_loop) {
        return task::new_eager(cx, event_loop, coroutine, name, given);
    }
    task::new_task(cx, event_loop, coroutine, name, |cx| given.unwrap_or_else(|| context::snapshot_raw(cx)))
}

/// A context given by a script.
pub(super) fn check_context(cx: &mut Cx, given: Root) -> Result<Raw, Raised> {
    if given.get(cx).exact::<Context>().is_none() {
        let got = super::class_name(cx, given.get(cx));
        return Err(cx.type_error(format!("a Context object was expected, got {got}")));
    }
    Ok(given.get(cx).raw())
}

pub(super) fn optional_context(cx: &mut Cx, given: Option<Root>) -> Result<Raw, Raised> {
    match given {
        Some(given) => check_context(cx, given),
        None => Ok(context::snapshot_raw(cx)),
    }
}

/// The loop given as an argument: what cannot be one is refused with CPython's words.
pub(super) fn given_loop(cx: &mut Cx, event_loop: Root) -> Result<Raw, Raised> {
    let base = cx.named_class("AbstractEventLoop").held();
    if !cx.class_of(event_loop.get(cx)).is_subclass(base) {
        let name = cx.str("get_debug").value().raw();
        let name = cx.push_raw(name);
        let got = super::class_name(cx, event_loop.get(cx));
        return Err(cx.attribute_error(&format!("'{got}' object has no attribute 'get_debug'"), event_loop, name));
    }
    Ok(event_loop.get(cx).raw())
}

pub(super) fn any(cx: &Cx, root: Root) -> AnyFuture<'static> {
    AnyFuture::of(root.get(cx)).expect("a method's receiver").held()
}

pub(super) fn task_of(cx: &Cx, root: Root) -> Gc<'static, Task> {
    root.get(cx).exact::<Task>().expect("a method's receiver").held()
}

natives!(
    /// Tasks, and waiting for them.
    pub(super) static ASYNCIO: ScriptFunctions;

    /// Run a coroutine, and return its result when it and everything it left behind has ended.
    fn run(
        cx: &mut Cx,
        #[either] main: Root,
        #[key] debug: Option<Root>,
        #[key] loop_factory: Option<Root>,
    ) -> NativeResult {
        if loops(cx).running().is_some() {
            return Err(cx.runtime_error("asyncio.run() cannot be called from a running event loop"));
        }
        let raw = main.get(cx).raw();
        let coroutine = if task::is_coroutine(cx, Value::adopt(raw)) {
            main
        } else if is_awaitable(cx, Value::adopt(raw)) {
            wrap_awaitable(cx, main)?
        } else {
            return Err(cx.type_error("An asyncio.Future, a coroutine or an awaitable is required".into()));
        };
        let debug = match debug {
            Some(debug) if !debug.get(cx).is_none() => Some(cx.truth(debug)?),
            _ => None,
        };
        let loop_factory = loop_factory.filter(|factory| !factory.get(cx).is_none());
        if loop_factory.is_none() && !loops(cx).policy.same(Raw::NONE) {
            // A policy is told of the loop when it begins and when it ends: a runner does that.
            let runners = cx.import("asyncio._runner")?;
            let debug = cx.push_raw(debug.map_or(Raw::NONE, |on| if on { Raw::TRUE } else { Raw::FALSE }));
            return Ok(cx.call_method(runners, "_run", &[coroutine, debug])?.get(cx).into());
        }
        let made = match loop_factory {
            Some(factory) => Some(cx.call(factory, &[])?),
            None => None,
        };
        if let Some(made) = made {
            // Methods that a script's class has instead of the library's are asked for by a runner, and so is a factory for tasks.
            let raw = made.get(cx).raw();
            let factory = loops(cx).find(raw).map(|state| state.task_factory);
            if is_scripts_loop(cx, raw) || !factory.is_some_and(|factory| factory.same(Raw::NONE)) {
                let runners = cx.import("asyncio._runner")?;
                let debug = cx.push_raw(debug.map_or(Raw::NONE, |on| if on { Raw::TRUE } else { Raw::FALSE }));
                return Ok(cx.call_method(runners, "_run", &[coroutine, debug, made])?.get(cx).into());
            }
        }
        let made = made.map(|made| made.get(cx).raw());
        run::run_main(cx, coroutine, debug, made)
    }

    /// Suspend the task for `delay` seconds. A delay of zero lets every other ready task run once.
    #[suspends]
    fn sleep(cx: &mut Cx, #[either] delay: Root, #[either] result: Option<Root>) -> NativeResult {
        let seconds = match delay.get(cx).as_float() {
            Some(seconds) => seconds,
            None => match delay.get(cx).as_int() {
                Some(seconds) => seconds as f64,
                None => clock::seconds(cx, delay, clock::Use::Compare)?,
            },
        };
        // Without a result to give there is nothing to keep.
        let then = match result {
            Some(_) => Then::Continue(slept),
            None => Then::Nothing,
        };
        if seconds <= 0.0 {
            let value = cx.push_raw(Raw::NONE);
            cx.release(delay.number() + 2);
            return Ok(Outcome::Suspend { value, then });
        }
        if seconds.is_nan() {
            return Err(cx.value_error("Invalid delay: NaN (not a number)"));
        }
        let event_loop = running_object(cx)?;
        let waiter = future::new(cx, event_loop);
        let own = running(cx).own;
        if own.time || own.call_at || own.call_later {
            cx.push(waiter.value());
            custom::settle_later(cx, event_loop, delay, waiter)?;
        } else {
            let when = clock::now(cx) + seconds;
            let heap = cx.heap.forever();
            let place = running(cx).timers.add(heap, when, waiter.value());
            waiter.base().timer.set(place + 1);
        }
        waiter.base().put(BLOCKING, true);
        // Nothing but the arguments is kept: whoever cancels the sleep cancels the future, and with it the timer.
        let value = cx.push(waiter.value());
        cx.release(delay.number() + 2);
        Ok(Outcome::Suspend { value, then })
    }

    /// Make a task of a coroutine: it begins to run at the next chance.
    fn create_task(
        cx: &mut Cx,
        #[either] coro: Root,
        #[key] name: Option<Root>,
        #[key] context: Option<Root>,
        #[key] eager_start: Given<Root>,
        kwargs: KeywordRest,
    ) -> NativeResult {
        let event_loop = running_object(cx)?;
        if makes_tasks_itself(cx, event_loop) {
            for (key, value) in [("name", name), ("context", context), ("eager_start", eager_start.0)] {
                if let Some(value) = value {
                    let key = cx.intern(key).value().raw();
                    let key = cx.push_raw(key);
                    cx.dict_set(kwargs.0, key, value)?;
                }
            }
            return Ok(create_task_nested(cx, event_loop, coro, kwargs.0)?.get(cx).into());
        }
        let outcome = new_task_outcome(cx, event_loop, coro, name, context, eager_start.0, kwargs.0)?;
        custom::announced(cx, event_loop, outcome)
    }

    /// A task for a coroutine or awaitable; a future as it is.
    fn ensure_future(cx: &mut Cx, #[either] coro_or_future: Root, #[key] r#loop: Option<Root>) -> NativeResult {
        let event_loop = match r#loop {
            Some(event_loop) => event_loop.get(cx).raw(),
            None => match AnyFuture::of(coro_or_future.get(cx)).map(AnyFuture::held) {
                Some(future) => future.base().event_loop.value().raw(),
                None if is_duck(cx, coro_or_future)? => return Ok(coro_or_future.get(cx).into()),
                None => {
                    check_awaitable(cx, coro_or_future)?;
                    self::event_loop(cx)?
                }
            },
        };
        Ok(Outcome::Value(self::ensure_future(cx, event_loop, coro_or_future)?))
    }

    /// Wait for an awaitable: what makes a coroutine of one.
    #[suspends]
    fn _wrap_awaitable(cx: &mut Cx, awaitable: Root) -> NativeResult {
        let raw = awaitable.get(cx).raw();
        let awaited = timeout::awaitable(cx, raw)?;
        // The window: the awaitable, then what is driven.
        cx.release(awaitable.number() + 1);
        let target = cx.push_raw(awaited);
        let input = cx.push_raw(Raw::NONE);
        Ok(Outcome::Resume { target, input, throw: false, then: Then::Catch(wrapped) })
    }

    /// The task that runs, or None.
    fn current_task(cx: &mut Cx, #[either] r#loop: Option<Root>) -> NativeResult {
        let state = match r#loop {
            Some(event_loop) => {
                let raw = event_loop.get(cx).raw();
                loops(cx).find(raw)
            }
            None => {
                running_object(cx)?;
                loops(cx).running()
            }
        };
        Ok(state.and_then(|l| l.current).map_or(Outcome::NONE, |t| t.value().into()))
    }

    /// The set of tasks that are not done.
    fn all_tasks(cx: &mut Cx, #[either] r#loop: Option<Root>) -> NativeResult {
        let object = match r#loop {
            Some(event_loop) => event_loop.get(cx).raw(),
            None => running_object(cx)?,
        };
        let tasks: Vec<Raw> = match loops(cx).find(object) {
            Some(state) => state.tasks.values().map(|v| v.raw()).collect(),
            None => vec![],
        };
        let set = crate::object::Set::new(&cx.heap).value().raw();
        let set = cx.push_raw(set);
        for raw in tasks {
            let mark = cx.mark();
            let task = cx.push_raw(raw);
            cx.set_add(set, task)?;
            cx.release(mark);
        }
        Ok(set.get(cx).into())
    }

    /// The loop that runs; RuntimeError if none does.
    fn get_running_loop(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::Value(running_object(cx)?))
    }

    /// The loop that runs, or None.
    fn _get_running_loop(cx: &mut Cx) -> NativeResult {
        Ok(loops(cx).running().map_or(Outcome::NONE, |l| Outcome::Value(l.object)))
    }

    /// Say which loop runs, or that none does.
    fn _set_running_loop(cx: &mut Cx, event_loop: Option<Root>) -> NativeResult {
        let object = event_loop.map(|root| root.get(cx).raw());
        if let Some(state) = loops(cx).running().filter(|state| state.is_within)
            && !object.is_some_and(|object| object.same(state.object))
        {
            return Err(cx.missing("hiding a loop from what it runs"));
        }
        loops(cx).set_running(object);
        Ok(Outcome::NONE)
    }

    /// The loop that runs, or the one that was set.
    fn get_event_loop(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::Value(self::event_loop(cx)?))
    }

    /// Make a loop.
    fn new_event_loop(cx: &mut Cx) -> NativeResult {
        let policy = loops(cx).policy;
        if !policy.same(Raw::NONE) {
            let policy = cx.push_raw(policy);
            return Ok(cx.call_method(policy, "new_event_loop", &[])?.get(cx).into());
        }
        Ok(Outcome::Value(new_loop(cx)))
    }

    /// Set the loop that `get_event_loop` gives while none runs.
    fn set_event_loop(cx: &mut Cx, r#loop: Root) -> NativeResult {
        let policy = loops(cx).policy;
        if policy.same(Raw::NONE) {
            set_loop_of_thread(cx, r#loop)?;
        } else {
            let policy = cx.push_raw(policy);
            cx.call_method(policy, "set_event_loop", &[r#loop])?;
        }
        Ok(Outcome::NONE)
    }

    /// Whether an object is a coroutine.
    fn iscoroutine(cx: &mut Cx, #[either] obj: Root) -> NativeResult {
        let raw = obj.get(cx).raw();
        Ok(task::is_coroutine(cx, Value::adopt(raw)).into())
    }

    /// Whether a function written in Rust makes a coroutine.
    fn _suspends(cx: &mut Cx, func: Root) -> NativeResult {
        let native = func.get(cx).exact::<crate::vm::native::NativeFunction>();
        Ok(native.is_some_and(|native| native.def.suspends).into())
    }

    /// Whether an object is a future or task.
    fn isfuture(cx: &mut Cx, #[either] obj: Root) -> NativeResult {
        if combine::is_future(obj.get(cx)) {
            return Ok(true.into());
        }
        Ok(is_duck(cx, obj)?.into())
    }

    /// A task factory that runs tasks at once until they first wait.
    fn eager_task_factory(
        cx: &mut Cx,
        r#loop: Root,
        coro: Root,
        #[key] name: Option<Root>,
        #[key] context: Option<Root>,
        #[key] eager_start: Given<Root>,
    ) -> NativeResult {
        let event_loop = r#loop.get(cx).raw();
        let eager = match eager_start.0 {
            Some(eager) => cx.truth(eager)?,
            None => true,
        };
        Ok(make_task(cx, event_loop, coro, name, context, eager)?.get(cx).into())
    }

    /// What the library has that was not asked for yet.
    fn __getattr__(cx: &mut Cx, name: Root) -> NativeResult {
        let asyncio = cx.import("asyncio")?;
        found_later(cx, asyncio, name)
    }

    /// The names of the library, those included that nobody has asked for yet.
    fn __dir__(cx: &mut Cx) -> NativeResult {
        let asyncio = cx.import("asyncio")?;
        let mut names: Vec<String> = {
            let dict = asyncio.get(cx).exact::<crate::object::Module>().expect("a module").dict();
            dict.iter().filter_map(|(key, _)| Some(cx.as_str(key)?.to_str_lossy().into_owned())).collect()
        };
        names.extend(COLD.iter().map(|(name, _)| (*name).to_owned()));
        names.push("__all__".to_owned());
        names.sort();
        names.dedup();
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        for name in names {
            let name = cx.str(&name).value().raw();
            let name = cx.push_raw(name);
            cx.list_push(list, name)?;
        }
        Ok(list.get(cx).into())
    }
);

natives!(
    /// What each module of the library has besides its own names.
    pub(super) static SUBMODULE: Methods;

    /// What the library has that was not asked for yet.
    fn __getattr__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        found_later(cx, this, name)
    }
);

/// What the library has that was not asked for yet, for `asyncio` or one of its modules.
fn found_later(cx: &mut Cx, asked: Root, name: Root) -> NativeResult {
    let text = cx.str_text(name)?;
    if text == "__all__" {
        return all_names(cx, name);
    }
    if let Some(home) = LAZY_MODULES.iter().find(|home| home["asyncio.".len()..] == *text) {
        return Ok(cx.import(home)?.get(cx).into());
    }
    if text.starts_with("_") && text.ends_with("event_loop_policy")
        || text.ends_with("EventLoopPolicy") && text.starts_with('_')
    {
        let policies = cx.import("asyncio._policy")?;
        return Ok(cx.attribute(policies, &text)?.get(cx).into());
    }
    if text == "logger" {
        // Tests put another one in its place, in the module that says something.
        let log = cx.import("asyncio.log")?;
        return Ok(cx.attribute(log, "logger")?.get(cx).into());
    }
    if DEPRECATED.contains(&&*text) {
        let policies = cx.import("asyncio._policy")?;
        return Ok(cx.call_method(policies, "_deprecated", &[name])?.get(cx).into());
    }
    let Some((_, home)) = COLD.iter().find(|(n, _)| *n == text) else {
        // Not asked as an attribute: where a script has deleted it, that would come here again.
        let home =
            asked.get(cx).exact::<Module>().and_then(|module| module.dict().get_str(&cx.heap, cx.name(Name::Name)));
        let message = match home.and_then(|name| cx.as_str(name)) {
            Some(home) => format!("module '{}' has no attribute '{text}'", home.to_str_lossy()),
            None => format!("module has no attribute '{text}'"),
        };
        return Err(cx.attribute_error(&message, asked, name));
    };
    let module = cx.import(home)?;
    let value = cx.attribute(module, &text)?;
    let asyncio = cx.import("asyncio")?;
    cx.set_attribute(asyncio, name, value)?;
    Ok(value.get(cx).into())
}

/// `asyncio.__all__`: every public name but those of submodules. It is kept, so that it is made once.
fn all_names(cx: &mut Cx, key: Root) -> NativeResult {
    let asyncio = cx.import("asyncio")?;
    let public: Vec<Raw> = {
        let dict = asyncio.get(cx).exact::<crate::object::Module>().expect("a module").dict();
        let loaded = dict.iter().filter_map(|(name, value)| {
            let text = cx.as_str(name)?.to_str_lossy().into_owned();
            let internal = matches!(&*text, "FutureIter" | "BaseSelectorEventLoop");
            let listed = !text.starts_with('_') && !internal && !matches!(value.kind(), Kind::Module);
            let cold = COLD.iter().any(|(name, _)| *name == text);
            (listed && !cold).then(|| name.raw())
        });
        loaded.collect()
    };
    let mut names: Vec<Root> = public.into_iter().map(|raw| cx.push_raw(raw)).collect();
    for (name, _) in COLD {
        let raw = cx.intern(name).value().raw();
        names.push(cx.push_raw(raw));
    }
    let values: Vec<Value<'_>> = names.iter().map(|root| root.get(cx)).collect();
    let tuple = crate::object::Tuple::new(&cx.heap, &values).value().raw();
    let tuple = cx.push_raw(tuple);
    cx.set_attribute(asyncio, key, tuple)?;
    Ok(tuple.get(cx).into())
}

/// Modules of the package that are there once it is imported: they are loaded when they are asked for.
static LAZY_MODULES: &[&str] = &[
    "asyncio.base_futures",
    "asyncio.base_subprocess",
    "asyncio.constants",
    "asyncio.format_helpers",
    "asyncio.graph",
    "asyncio.log",
    "asyncio.mixins",
    "asyncio.protocols",
    "asyncio.selector_events",
    "asyncio.staggered",
    "asyncio.streams",
    "asyncio.subprocess",
    "asyncio.threads",
    "asyncio.transports",
    "asyncio.sslproto",
    "asyncio.trsock",
    "asyncio.unix_events",
];

/// What is found with a warning.
static DEPRECATED: &[&str] = &["AbstractEventLoopPolicy", "DefaultEventLoopPolicy"];

/// What is written in the language, and loaded when it is asked for.
pub(super) static COLD: &[(&str, &str)] = &[
    ("Condition", "asyncio._condition"),
    ("Barrier", "asyncio._barrier"),
    ("Runner", "asyncio._runner"),
    ("as_completed", "asyncio._completed"),
    ("create_eager_task_factory", "asyncio._eager"),
    ("iscoroutinefunction", "asyncio._coroutines"),
    ("AbstractServer", "asyncio._abstract"),
    ("get_event_loop_policy", "asyncio._policy"),
    ("set_event_loop_policy", "asyncio._policy"),
    ("capture_call_graph", "asyncio.graph"),
    ("format_call_graph", "asyncio.graph"),
    ("print_call_graph", "asyncio.graph"),
    ("FrameCallGraphEntry", "asyncio.graph"),
    ("FutureCallGraph", "asyncio.graph"),
    ("IncompleteReadError", "asyncio._errors"),
    ("LimitOverrunError", "asyncio._errors"),
    ("open_connection", "asyncio.streams"),
    ("start_server", "asyncio.streams"),
    ("StreamReader", "asyncio.streams"),
    ("StreamWriter", "asyncio.streams"),
    ("StreamReaderProtocol", "asyncio.streams"),
    ("open_unix_connection", "asyncio.streams"),
    ("start_unix_server", "asyncio.streams"),
    ("BaseProtocol", "asyncio.protocols"),
    ("Protocol", "asyncio.protocols"),
    ("BufferedProtocol", "asyncio.protocols"),
    ("DatagramProtocol", "asyncio.protocols"),
    ("BaseTransport", "asyncio.transports"),
    ("ReadTransport", "asyncio.transports"),
    ("WriteTransport", "asyncio.transports"),
    ("Transport", "asyncio.transports"),
    ("DatagramTransport", "asyncio.transports"),
    ("Server", "asyncio._server"),
    ("SubprocessProtocol", "asyncio.protocols"),
    ("SubprocessTransport", "asyncio.transports"),
    ("create_subprocess_exec", "asyncio.subprocess"),
    ("create_subprocess_shell", "asyncio.subprocess"),
    ("to_thread", "asyncio.threads"),
    ("run_coroutine_threadsafe", "asyncio.threads"),
    ("wrap_future", "asyncio.threads"),
];

/// The descriptor a script names by its number or by an object with `fileno`.
pub(super) fn descriptor(cx: &mut Cx, fd: Root) -> Result<i32, Raised> {
    let number = match fd.get(cx).as_int() {
        Some(number) => number,
        None => match cx.find_attribute(fd, "fileno")? {
            Some(method) => {
                let number = cx.call(method, &[])?;
                cx.index_as_i64(number)?
            }
            None => {
                let text = cx.repr_text(fd)?;
                return Err(cx.value_error(format!("Invalid file object: {text}")));
            }
        },
    };
    match i32::try_from(number) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => Err(cx.value_error(format!("Invalid file descriptor: {number}"))),
    }
}

/// As `watch_descriptor`, for scripts: what a transport uses is refused.
pub(super) fn watch_free_descriptor(
    cx: &mut Cx,
    this: Root,
    fd: Root,
    interest: reactor::Interest,
    callback: Option<(Root, Args)>,
) -> Result<bool, Raised> {
    let object = this.get(cx).raw();
    if loops(cx).find(object).is_none() && callback.is_none() {
        return Ok(false);
    }
    open_loop(cx, object)?;
    let number = descriptor(cx, fd)?;
    let told = open_loop(cx, object)?.reactor.told(number);
    if let Some(transport) = told.filter(|raw| super::class_name(cx, Value::adopt(*raw)).ends_with("Transport")) {
        let transport = cx.push_raw(transport);
        let (shown, text) = (cx.repr_text(fd)?, cx.repr_text(transport)?);
        return Err(cx.runtime_error(format!("File descriptor {shown} is used by transport {text}")));
    }
    watch_descriptor(cx, this, fd, interest, callback)
}

/// Sets who is told when a descriptor is ready.
pub(super) fn watch_descriptor(
    cx: &mut Cx,
    this: Root,
    fd: Root,
    interest: reactor::Interest,
    callback: Option<(Root, Args)>,
) -> Result<bool, Raised> {
    let object = this.get(cx).raw();
    if loops(cx).find(object).is_none() && callback.is_none() {
        return Ok(false);
    }
    open_loop(cx, object)?;
    let fd = descriptor(cx, fd)?;
    let watcher = match callback {
        Some((callback, args)) => Some(reactor::Watcher::Call(new_handle(cx, this, callback, args, None, None)?)),
        None => None,
    };
    let old = reactor::set(cx, object, fd, interest, watcher)?;
    if let Some(reactor::Watcher::Call(handle)) = old {
        handle.cancelled.set(true);
    }
    Ok(old.is_some())
}

/// Calls what is written in the language for a method of the loop: a function of the same name, with the loop first.
pub(super) fn delegate(cx: &mut Cx, name: &str, this: Root, args: Args, kwargs: Root) -> NativeResult {
    let module = cx.import(match name {
        "run_in_executor" | "set_default_executor" => "asyncio.threads",
        "get_stack" | "print_stack" => "asyncio._stack",
        "sendfile" => "asyncio._sendfile",
        "start_tls" => "asyncio.sslproto",
        "subprocess_exec" | "subprocess_shell" | "connect_read_pipe" | "connect_write_pipe" => "asyncio._pipes",
        _ if name.starts_with("sock_") => "asyncio._sock",
        "create_server" | "create_unix_server" => "asyncio._server",
        "create_datagram_endpoint" => "asyncio._datagrams",
        _ => "asyncio._sockets",
    })?;
    let callee = cx.attribute(module, name)?;
    let pairs = keywords_of(cx, kwargs);
    let given: Vec<Raw> = args.roots().map(|r| r.get(cx).raw()).collect();
    let (callee, this) = (callee.get(cx).raw(), this.get(cx).raw());
    let callee = cx.push_raw(callee);
    cx.push_raw(this);
    let mut argc = 1 + given.len() as u32;
    for raw in given {
        cx.push_raw(raw);
    }
    let keywords = push_keywords(cx, pairs, &mut argc);
    Ok(Outcome::Call { callee, argc, keywords, then: Then::Return })
}

pub(super) fn new_task_outcome(
    cx: &mut Cx,
    event_loop: Raw,
    coro: Root,
    name: Option<Root>,
    given: Option<Root>,
    eager: Option<Root>,
    kwargs: Root,
) -> NativeResult {
    let plain = keywords_of(cx, kwargs).is_empty() && open_loop(cx, event_loop)?.task_factory.same(Raw::NONE);
    if plain {
        let eager = match eager {
            Some(eager) => cx.truth(eager)?,
            None => false,
        };
        return Ok(make_task(cx, event_loop, coro, name, given, eager)?.get(cx).into());
    }
    for (key, value) in [("name", name), ("context", given), ("eager_start", eager)] {
        if let Some(value) = value {
            let key = cx.intern(key).value().raw();
            let key = cx.push_raw(key);
            cx.dict_set(kwargs, key, value)?;
        }
    }
    Ok(create_task_by_factory(cx, event_loop, coro, kwargs)?.get(cx).into())
}

/// The result of `sleep` is its second argument.
pub(super) fn slept(cx: &mut Cx, window: Args, _: Resumed) -> NativeResult {
    Ok(window.get(cx, 1).given().map_or(Outcome::NONE, Outcome::from))
}

/// What a wrapped awaitable yields is yielded; its result is the result.
pub(super) fn wrapped(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Yielded(value) => {
            let raw = value.get(cx).raw();
            cx.release(window.start() + 2);
            let value = cx.push_raw(raw);
            Ok(Outcome::Suspend { value, then: Then::Catch(wrapped_again) })
        }
        Resumed::Returned(value) => Ok(value.get(cx).into()),
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

pub(super) fn wrapped_again(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (raw, throw) = match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => (value.get(cx).raw(), false),
        Resumed::Raised(exception) => (exception.get(cx).raw(), true),
    };
    cx.release(window.start() + 2);
    let input = cx.push_raw(raw);
    Ok(Outcome::Resume { target: window.root(1), input, throw, then: Then::Catch(wrapped) })
}
