//! What scripts see: the modules `asyncio` and `contextvars`, the classes of futures, tasks, handles and loops.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Kind, Raw, Slot, Value, WeakRef};
use crate::native::{Install, Natives, natives};
use crate::object::{
    AnyFuture, BLOCKING, Class, ClassFlags, Context, Dict, Exc, FutureState, Handle, NativeObject, Payload, StepMode,
    Task, Tuple,
};
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Resumed, Root, Then};
use crate::vm::{ExtensionSlot, TypeRow};

use super::run::{Phase, engine};
use super::{
    EventLoops, Ready, clock, combine, context, future, group, loops, loops_ref, new_loop, open_loop, queue, reactor,
    report, repr, run, running, running_object, sync, task, timeout,
};

// ---- helpers ----

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
    let current = all.current;
    if current.same(Raw::NONE) {
        return Err(cx.runtime_error("There is no current event loop in thread 'MainThread'."));
    }
    Ok(current)
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

fn is_awaitable(cx: &mut Cx, value: Value<'_>) -> bool {
    if crate::object::any_generator(value).is_some_and(|g| g.has(crate::object::ITERABLE_COROUTINE)) {
        return true;
    }
    let class = cx.class_of(value).held();
    let name = cx.name(crate::vm::Name::Await).held();
    cx.lookup_class(class, name).is_some_and(|v| !v.is_none())
}

/// A coroutine that awaits something.
fn wrap_awaitable(cx: &mut Cx, value: Root) -> Result<Root, Raised> {
    let module = cx.find_module("asyncio").map_or(Raw::NONE, |m| m.raw());
    let module = cx.push_raw(module);
    let function = cx.attribute(module, "_wrap_awaitable")?;
    cx.call(function, &[value])
}

/// A task for a coroutine, by the loop's factory where it has one. `kwargs`: name, context, eager_start and what the factory knows.
pub(crate) fn create_task_nested(cx: &mut Cx, event_loop: Raw, coroutine: Root, kwargs: Root) -> Result<Root, Raised> {
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
                return Err(cx.type_error(format!("Task.__init__() got an unexpected keyword argument '{text}'")));
            }
        }
    }
    make_task(cx, event_loop, coroutine, name, given, eager)
}

fn make_task(
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
    if eager && loops(cx).is_running(event_loop) {
        return task::new_eager(cx, event_loop, coroutine, name, given);
    }
    task::new_task(cx, event_loop, coroutine, name, |cx| given.unwrap_or_else(|| context::snapshot_raw(cx)))
}

/// A context given by a script.
fn check_context(cx: &mut Cx, given: Root) -> Result<Raw, Raised> {
    if given.get(cx).exact::<Context>().is_none() {
        let got = super::class_name(cx, given.get(cx));
        return Err(cx.type_error(format!("a Context object was expected, got {got}")));
    }
    Ok(given.get(cx).raw())
}

fn optional_context(cx: &mut Cx, given: Option<Root>) -> Result<Raw, Raised> {
    match given {
        Some(given) => check_context(cx, given),
        None => Ok(context::snapshot_raw(cx)),
    }
}

/// The coroutine of `loop.shutdown_asyncgens()`.
pub(crate) fn shutdown_generators(cx: &mut Cx, event_loop: Root) -> Result<Root, Raised> {
    cx.call_method(event_loop, "shutdown_asyncgens", &[])
}

fn any(cx: &Cx, root: Root) -> AnyFuture<'static> {
    AnyFuture::of(root.get(cx)).expect("a method's receiver").held()
}

fn task_of(cx: &Cx, root: Root) -> Gc<'static, Task> {
    root.get(cx).exact::<Task>().expect("a method's receiver").held()
}

// ---- functions ----

natives!(
    /// Tasks, and waiting for them.
    pub(super) static ASYNCIO: Functions;

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
            Some(debug) => Some(cx.truth(debug)?),
            None => None,
        };
        let made = match loop_factory {
            Some(factory) => Some(cx.call(factory, &[])?.get(cx).raw()),
            None => None,
        };
        run::run_main(cx, coroutine, debug, made)
    }

    /// Suspend the task for `delay` seconds. A delay of zero lets every other ready task run once.
    #[suspends]
    fn sleep(cx: &mut Cx, #[either] delay: Root, #[either] result: Option<Root>) -> NativeResult {
        let seconds = match delay.get(cx).as_float() {
            Some(seconds) => seconds,
            None => match delay.get(cx).as_int() {
                Some(seconds) => seconds as f64,
                None => number(cx, delay)?,
            },
        };
        if seconds <= 0.0 {
            let value = cx.push_raw(Raw::NONE);
            cx.release(delay.number() + 2);
            return Ok(Outcome::Suspend { value, then: Then::Continue(slept) });
        }
        if seconds.is_nan() {
            return Err(cx.value_error("Invalid delay: NaN (not a number)"));
        }
        let event_loop = running_object(cx)?;
        let waiter = future::new(cx, event_loop);
        let when = clock::now(cx) + seconds;
        let heap = cx.heap.forever();
        let place = running(cx).timers.add(heap, when, waiter.value());
        waiter.base().timer.set(place + 1);
        waiter.base().put(BLOCKING, true);
        // Nothing but the arguments is kept: whoever cancels the sleep cancels the future, and with it the timer.
        let value = cx.push(waiter.value());
        cx.release(delay.number() + 2);
        Ok(Outcome::Suspend { value, then: Then::Continue(slept) })
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
        new_task_outcome(cx, event_loop, coro, name, context, eager_start.0, kwargs.0)
    }

    /// A task for a coroutine or awaitable; a future as it is.
    fn ensure_future(cx: &mut Cx, #[either] coro_or_future: Root, #[key] r#loop: Option<Root>) -> NativeResult {
        let event_loop = match r#loop {
            Some(event_loop) => event_loop.get(cx).raw(),
            None => match AnyFuture::of(coro_or_future.get(cx)) {
                Some(future) => future.base().event_loop.value().raw(),
                None => self::event_loop(cx)?,
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

    /// The loop that runs, or the one that was set.
    fn get_event_loop(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::Value(self::event_loop(cx)?))
    }

    /// Make a loop.
    fn new_event_loop(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::Value(new_loop(cx)))
    }

    /// Set the loop that `get_event_loop` gives while none runs.
    fn set_event_loop(cx: &mut Cx, r#loop: Root) -> NativeResult {
        let raw = r#loop.get(cx).raw();
        loops(cx).current = raw;
        Ok(Outcome::NONE)
    }

    /// Whether an object is a coroutine.
    fn iscoroutine(cx: &mut Cx, #[either] obj: Root) -> NativeResult {
        let raw = obj.get(cx).raw();
        Ok(task::is_coroutine(cx, Value::adopt(raw)).into())
    }

    /// Whether an object is a coroutine function.
    fn iscoroutinefunction(cx: &mut Cx, #[either] func: Root) -> NativeResult {
        let raw = func.get(cx).raw();
        let inner = match Value::adopt(raw).exact::<crate::object::BoundMethod>() {
            Some(method) => method.function.get().raw(),
            None => raw,
        };
        let value = Value::adopt(inner);
        let is = match value.exact::<crate::object::Function>() {
            Some(function) => function.code().flags().contains(crate::bytecode::code::CodeFlags::COROUTINE),
            None => value.exact::<crate::vm::native::NativeFunction>().is_some_and(|n| n.def.suspends),
        };
        if is {
            return Ok(true.into());
        }
        let func = cx.push_raw(raw);
        Ok(cx.find_attribute(func, "_is_coroutine_mark")?.is_some().into())
    }

    /// Whether an object is a future or task.
    fn isfuture(cx: &mut Cx, #[either] obj: Root) -> NativeResult {
        Ok(combine::is_future(obj.get(cx)).into())
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
        let text = cx.str_text(name)?;
        let Some((_, home)) = COLD.iter().find(|(n, _)| *n == text) else {
            return Err(cx.attribute_error(&format!("module 'asyncio' has no attribute '{text}'"), name, name));
        };
        let module = cx.import(home)?;
        let value = cx.attribute(module, &text)?;
        let asyncio = cx.import("asyncio")?;
        cx.set_attribute(asyncio, name, value)?;
        Ok(value.get(cx).into())
    }
);

/// What is written in the language, and loaded when it is asked for.
static COLD: &[(&str, &str)] = &[
    ("Condition", "asyncio._condition"),
    ("Barrier", "asyncio._barrier"),
    ("Runner", "asyncio._runner"),
    ("as_completed", "asyncio._completed"),
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
    ("Server", "asyncio._sockets"),
];

/// The descriptor a script names by its number or by an object with `fileno`.
fn descriptor(cx: &mut Cx, fd: Root) -> Result<i32, Raised> {
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

/// Sets who is told when a descriptor is ready.
fn watch_descriptor(
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
    let handle = match callback {
        Some((callback, args)) => Some(new_handle(cx, this, callback, args, None, None)?),
        None => None,
    };
    match open_loop(cx, object)?.reactor.set(fd, interest, handle) {
        Ok(old) => {
            if let Some(old) = old {
                old.cancelled.set(true);
            }
            Ok(old.is_some())
        }
        Err(error) => Err(crate::native::types::exception::io_error(cx, &error, None)),
    }
}

/// Calls what is written in the language for a method of the loop: a function of the same name, with the loop first.
fn delegate(cx: &mut Cx, name: &str, this: Root, args: Args, kwargs: Root) -> NativeResult {
    let module = cx.import(if name.starts_with("sock_") { "asyncio._sock" } else { "asyncio._sockets" })?;
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

fn new_task_outcome(
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
    Ok(create_task_nested(cx, event_loop, coro, kwargs)?.get(cx).into())
}

/// A delay that is no float or int: what compares with zero and can be added to a time.
fn number(cx: &mut Cx, delay: Root) -> Result<f64, Raised> {
    let value = delay.get(cx);
    if matches!(value.kind(), Kind::True | Kind::False | Kind::BigInt | Kind::Instance) || value.is_subclassed() {
        return cx.to_float(delay);
    }
    let got = super::class_name(cx, value);
    Err(cx.type_error(format!("'<=' not supported between instances of '{got}' and 'int'")))
}

/// The result of `sleep` is its second argument.
fn slept(cx: &mut Cx, window: Args, _: Resumed) -> NativeResult {
    Ok(window.get(cx, 1).given().map_or(Outcome::NONE, Outcome::from))
}

/// What a wrapped awaitable yields is yielded; its result is the result.
fn wrapped(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
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

fn wrapped_again(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (raw, throw) = match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => (value.get(cx).raw(), false),
        Resumed::Raised(exception) => (exception.get(cx).raw(), true),
    };
    cx.release(window.start() + 2);
    let input = cx.push_raw(raw);
    Ok(Outcome::Resume { target: window.root(1), input, throw, then: Then::Catch(wrapped) })
}

// ---- futures and tasks ----

natives!(
    /// A result that is not there yet.
    pub(super) static FUTURE: Methods;

    /// Make a future.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Ok(future::of_class(cx, class).value().into())
    }

    /// Give it a loop: the current one unless `loop` says otherwise.
    fn __init__(cx: &mut Cx, this: Root, #[key] r#loop: Option<Root>) -> NativeResult {
        let event_loop = match r#loop {
            Some(event_loop) => event_loop.get(cx).raw(),
            None => self::event_loop(cx)?,
        };
        any(cx, this).set_loop(&cx.heap, Value::adopt(event_loop));
        Ok(Outcome::NONE)
    }

    /// The result; raises the exception, CancelledError, or InvalidStateError if it is not done.
    fn result(cx: &mut Cx, this: Root) -> NativeResult {
        let this = any(cx, this);
        future::take_result(cx, this)
    }

    /// The exception, or None.
    fn exception(cx: &mut Cx, this: Root) -> NativeResult {
        let this = any(cx, this);
        future::exception(cx, this)
    }

    /// Set the result.
    fn set_result(cx: &mut Cx, this: Root, result: Root) -> NativeResult {
        let future = any(cx, this);
        if future.base().is_done() {
            return Err(future::invalid_state(cx, this));
        }
        let raw = result.get(cx).raw();
        future::finish(cx, future, FutureState::Finished, raw);
        Ok(Outcome::NONE)
    }

    /// Set the exception.
    fn set_exception(cx: &mut Cx, this: Root, exception: Root) -> NativeResult {
        future::set_exception(cx, this, exception)?;
        Ok(Outcome::NONE)
    }

    /// Cancel it; False if it is done.
    fn cancel(cx: &mut Cx, this: Root, #[either] msg: Option<Root>) -> NativeResult {
        let message = msg.map_or(Raw::NONE, |m| m.get(cx).raw());
        let this = any(cx, this);
        Ok(future::cancel(cx, this, message)?.into())
    }

    /// Whether it was cancelled.
    fn cancelled(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((any(cx, this).base().state.get() == FutureState::Cancelled).into())
    }

    /// Whether it is done.
    fn done(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(any(cx, this).base().is_done().into())
    }

    /// Have a function called with the future when it is done.
    fn add_done_callback(cx: &mut Cx, this: Root, r#fn: Root, #[key] context: Option<Root>) -> NativeResult {
        let given = match context {
            Some(given) => Some(check_context(cx, given)?),
            None => None,
        };
        let this = any(cx, this);
        future::add_done_callback(cx, this, r#fn, given);
        Ok(Outcome::NONE)
    }

    /// Remove a function from those to be called; how often it was there.
    fn remove_done_callback(cx: &mut Cx, this: Root, r#fn: Root) -> NativeResult {
        let this = any(cx, this);
        Ok(future::remove_done_callback(cx, this, r#fn)?.into())
    }

    /// The loop.
    fn get_loop(cx: &mut Cx, this: Root) -> NativeResult {
        let event_loop = any(cx, this).base().event_loop.value().raw();
        if event_loop.same(Raw::NONE) {
            return Err(cx.runtime_error("Future object is not initialized."));
        }
        Ok(Outcome::Value(event_loop))
    }

    /// An iterator that waits for the future.
    fn __await__(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = this.get(cx).raw();
        let object = cx.heap.alloc_slots(NativeObject::new(Box::new(Waiting), 1), |_| Value::adopt(raw));
        object.set_shape(cx.named_class("FutureIter").get().root_shape.get());
        Ok(object.into())
    }

    /// An iterator that waits for the future.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = this.get(cx).raw();
        let object = cx.heap.alloc_slots(NativeObject::new(Box::new(Waiting), 1), |_| Value::adopt(raw));
        object.set_shape(cx.named_class("FutureIter").get().root_shape.get());
        Ok(object.into())
    }

    /// Report an exception nobody asked for.
    fn __del__(cx: &mut Cx, this: Root) -> NativeResult {
        report::died(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Whether whoever is yielded this future is to wait for it.
    #[getter]
    fn _asyncio_future_blocking(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(any(cx, this).base().has(BLOCKING).into())
    }

    /// Set by whoever yields it.
    #[setter]
    #[name("_asyncio_future_blocking")]
    fn set_blocking(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let on = cx.truth(value)?;
        any(cx, this).base().put(BLOCKING, on);
        Ok(Outcome::NONE)
    }

    /// PENDING, CANCELLED or FINISHED.
    #[getter]
    fn _state(cx: &mut Cx, this: Root) -> NativeResult {
        let text = match any(cx, this).base().state.get() {
            FutureState::Pending => "PENDING",
            FutureState::Cancelled => "CANCELLED",
            FutureState::Finished | FutureState::Failed => "FINISHED",
        };
        Ok(cx.intern(text).into())
    }

    /// The loop.
    #[getter]
    fn _loop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(any(cx, this).base().event_loop.value().raw()))
    }

    /// Future[type].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = repr::future(cx, this)?;
        Ok(cx.str(&text).into())
    }
);

/// The payload of a future's iterator; the future is in its slot.
#[derive(Debug)]
struct Waiting;

impl Payload for Waiting {}

fn waited_for(cx: &Cx, this: Root) -> AnyFuture<'static> {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver").held();
    AnyFuture::of(object.tail()[0].get()).expect("a future").held()
}

fn next_step(cx: &mut Cx, this: Root) -> NativeResult {
    let future = waited_for(cx, this);
    if !future.base().is_done() {
        if future.base().has(BLOCKING) {
            return Err(cx.runtime_error("await wasn't used with future"));
        }
        future.base().put(BLOCKING, true);
        return Ok(future.value().into());
    }
    let result = future::take_result(cx, future)?;
    let Outcome::Value(raw) = result else { return Ok(result) };
    let value = cx.push_raw(raw);
    Err(cx.stop_iteration(value))
}

natives!(
    /// Waits for a future.
    pub(super) static FUTURE_ITER: Methods;

    /// Return self.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// The future, until it is done.
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        next_step(cx, this)
    }

    /// The future, until it is done.
    fn send(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        next_step(cx, this)
    }

    /// Raise an exception.
    fn throw(cx: &mut Cx, this: Root, kind: Root, value: Option<Root>, traceback: Option<Root>) -> NativeResult {
        let exception = match value {
            Some(value) => value,
            None if kind.get(cx).kind() == Kind::Class => cx.call(kind, &[])?,
            None => kind,
        };
        Err(cx.raise(exception))
    }

    /// Stop waiting.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }
);

natives!(
    /// A coroutine that a loop runs.
    pub(super) static TASK: Methods;

    /// Make a task.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        Ok(task::of_class(cx, class).value().into())
    }

    /// Give it a coroutine, and schedule it.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] coro: Root,
        #[key] r#loop: Option<Root>,
        #[key] name: Option<Root>,
        #[key] context: Option<Root>,
        #[key]
        #[default(false)]
        #[text("False")]
        eager_start: bool,
    ) -> NativeResult {
        let raw = coro.get(cx).raw();
        if !task::is_coroutine(cx, Value::adopt(raw)) {
            return Err(task::not_a_coroutine(cx, coro));
        }
        let event_loop = match r#loop {
            Some(event_loop) => event_loop.get(cx).raw(),
            None => self::event_loop(cx)?,
        };
        let context = optional_context(cx, context)?;
        let task = task_of(cx, this);
        task::initialise(cx, task, event_loop, coro, name, context)?;
        if eager_start && loops(cx).is_running(event_loop) {
            task::start_eagerly(cx, event_loop, task)?;
        } else {
            task::start(cx, event_loop, task)?;
        }
        Ok(Outcome::NONE)
    }

    /// The coroutine.
    fn get_coro(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(task_of(cx, this).get().coroutine.value().raw()))
    }

    /// The context.
    fn get_context(cx: &mut Cx, this: Root) -> NativeResult {
        let task = task_of(cx, this);
        let running = loops(cx).running().and_then(|l| l.current) == Some(task);
        let kept = if running { loops_ref(cx).context } else { task.get().context.value().raw() };
        let object = context::object(cx, kept);
        task.set_any(&cx.heap, |t| &t.context, Value::adopt(object));
        if running {
            loops(cx).context = object;
        }
        Ok(Outcome::Value(object))
    }

    /// The name.
    fn get_name(cx: &mut Cx, this: Root) -> NativeResult {
        let this = task_of(cx, this);
        Ok(Outcome::Value(task::name(cx, this)))
    }

    /// Set the name.
    fn set_name(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let text = cx.str_of(value)?;
        task_of(cx, this).set_any(&cx.heap, |t| &t.name, text.get(cx));
        Ok(Outcome::NONE)
    }

    /// How often it was asked to cancel, `uncancel` deducted.
    fn cancelling(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(task_of(cx, this).cancels.get()).into())
    }

    /// Take back a request to cancel.
    fn uncancel(cx: &mut Cx, this: Root) -> NativeResult {
        let this = task_of(cx, this);
        Ok(i64::from(timeout::uncancel(this)).into())
    }

    /// Not for tasks.
    fn set_result(cx: &mut Cx, this: Root, result: Root) -> NativeResult {
        Err(cx.runtime_error("Task does not support set_result operation"))
    }

    /// Not for tasks.
    fn set_exception(cx: &mut Cx, this: Root, exception: Root) -> NativeResult {
        Err(cx.runtime_error("Task does not support set_exception operation"))
    }

    /// The coroutine.
    #[getter]
    fn _coro(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(task_of(cx, this).get().coroutine.value().raw()))
    }

    /// What it waits for.
    #[getter]
    fn _fut_waiter(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(task_of(cx, this).get().waiter.value().raw()))
    }

    /// Whether its next step raises CancelledError.
    #[getter]
    fn _must_cancel(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(any(cx, this).base().has(crate::object::MUST_CANCEL).into())
    }
);

// ---- handles ----

fn handle_of(cx: &Cx, root: Root) -> Gc<'static, Handle> {
    root.get(cx).exact::<Handle>().expect("a method's receiver").held()
}

natives!(
    /// A callback that is scheduled.
    pub(super) static HANDLE: Methods;

    /// Do not call it.
    fn cancel(cx: &mut Cx, this: Root) -> NativeResult {
        let handle = handle_of(cx, this);
        if !handle.cancelled.replace(true) {
            let timer = handle.timer.replace(0);
            let heap = cx.heap.forever();
            let event_loop = handle.get().event_loop.value().raw();
            if timer != 0
                && let Some(state) = loops(cx).find(event_loop)
            {
                state.timers.cancel(heap, timer - 1);
            }
        }
        Ok(Outcome::NONE)
    }

    /// Whether it was cancelled.
    fn cancelled(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(handle_of(cx, this).cancelled.get().into())
    }

    /// The context it is called in.
    fn get_context(cx: &mut Cx, this: Root) -> NativeResult {
        let handle = handle_of(cx, this);
        let object = context::object(cx, handle.get().context.value().raw());
        handle.set_any(&cx.heap, |h| &h.context, Value::adopt(object));
        Ok(Outcome::Value(object))
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let handle = handle_of(cx, this);
        let text = repr::handle(cx, handle)?;
        Ok(cx.str(&text).into())
    }
);

natives!(
    /// A callback that is scheduled for a time.
    pub(super) static TIMER_HANDLE: Methods;

    /// When it is called.
    fn when(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(handle_of(cx, this).when.into())
    }
);

// ---- loops ----

fn new_handle(
    cx: &mut Cx,
    event_loop: Root,
    callback: Root,
    args: Args,
    given: Option<Root>,
    when: Option<f64>,
) -> Result<Gc<'static, Handle>, Raised> {
    let context = optional_context(cx, given)?;
    let args: Vec<Raw> = args.roots().map(|r| r.get(cx).raw()).collect();
    let heap = cx.heap.forever();
    let args = (!args.is_empty()).then(|| Tuple::build(heap, args.len(), |i| Value::adopt(args[i])));
    let handle = heap.alloc(Handle {
        callback: Slot::new(callback.get(cx)),
        args: args.map_or(AnyRef::none(), |a| AnyRef::new(a.value())),
        context: AnyRef::new(Value::adopt(context)),
        event_loop: AnyRef::new(event_loop.get(cx)),
        when: when.unwrap_or(0.0),
        timer: StdCell::new(0),
        is_timer: when.is_some(),
        cancelled: StdCell::new(false),
        source: AnyRef::none(),
    });
    if when.is_some() {
        handle.set_shape(cx.named_class("TimerHandle").get().root_shape.get());
    }
    Ok(handle)
}

/// Checks a callback, in debug mode.
fn check_callback(cx: &mut Cx, event_loop: Raw, callback: Root, method: &str) -> Result<(), Raised> {
    if !open_loop(cx, event_loop)?.debug {
        return Ok(());
    }
    let raw = callback.get(cx).raw();
    let value = Value::adopt(raw);
    let coroutine_function = value
        .exact::<crate::object::Function>()
        .is_some_and(|f| f.code().flags().contains(crate::bytecode::code::CodeFlags::COROUTINE));
    if coroutine_function || task::is_coroutine(cx, value) {
        return Err(cx.type_error(format!("coroutines cannot be used with {method}()")));
    }
    if !cx.is_callable(value) {
        let text = cx.repr_text(callback)?;
        return Err(cx.type_error(format!("a callable object was expected by {method}(), got {text}")));
    }
    Ok(())
}

fn call_at(
    cx: &mut Cx,
    this: Root,
    when: f64,
    callback: Root,
    args: Args,
    context: Option<Root>,
    method: &str,
) -> NativeResult {
    let object = this.get(cx).raw();
    check_callback(cx, object, callback, method)?;
    let handle = new_handle(cx, this, callback, args, context, Some(when))?;
    let heap = cx.heap.forever();
    let place = open_loop(cx, object)?.timers.add(heap, when, handle.value());
    handle.timer.set(place + 1);
    Ok(handle.value().into())
}

natives!(
    /// What runs tasks and callbacks.
    pub(super) static LOOP: Methods;

    /// Make a loop.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        let raw = new_loop(cx);
        let shape = class.get(cx).exact::<Class>().expect("a class").get().root_shape.get();
        Value::adopt(raw).exact::<NativeObject>().expect("just made").set_shape(shape);
        Ok(Outcome::Value(raw))
    }

    /// Call a function whenever a descriptor can be read from.
    fn add_reader(cx: &mut Cx, this: Root, fd: Root, callback: Root, args: Rest) -> NativeResult {
        watch_descriptor(cx, this, fd, reactor::Interest::Read, Some((callback, args.0)))?;
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a descriptor can be read from. Return whether something was.
    fn remove_reader(cx: &mut Cx, this: Root, fd: Root) -> NativeResult {
        Ok(watch_descriptor(cx, this, fd, reactor::Interest::Read, None)?.into())
    }

    /// Call a function whenever a descriptor can be written to.
    fn add_writer(cx: &mut Cx, this: Root, fd: Root, callback: Root, args: Rest) -> NativeResult {
        watch_descriptor(cx, this, fd, reactor::Interest::Write, Some((callback, args.0)))?;
        Ok(Outcome::NONE)
    }

    /// Call nothing any more when a descriptor can be written to. Return whether something was.
    fn remove_writer(cx: &mut Cx, this: Root, fd: Root) -> NativeResult {
        Ok(watch_descriptor(cx, this, fd, reactor::Interest::Write, None)?.into())
    }

    /// Receive up to n bytes.
    fn sock_recv(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_recv", this, args.0, kwargs.0)
    }

    /// Receive bytes into a buffer.
    fn sock_recv_into(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_recv_into", this, args.0, kwargs.0)
    }

    /// Send all bytes.
    fn sock_sendall(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_sendall", this, args.0, kwargs.0)
    }

    /// Connect to an address.
    fn sock_connect(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_connect", this, args.0, kwargs.0)
    }

    /// Accept a connection.
    fn sock_accept(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_accept", this, args.0, kwargs.0)
    }

    /// Receive a datagram and its sender.
    fn sock_recvfrom(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_recvfrom", this, args.0, kwargs.0)
    }

    /// Send a datagram.
    fn sock_sendto(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "sock_sendto", this, args.0, kwargs.0)
    }

    /// Connect a protocol to an address.
    fn create_connection(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_connection", this, args.0, kwargs.0)
    }

    /// Listen, with a protocol for each connection.
    fn create_server(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_server", this, args.0, kwargs.0)
    }

    /// Run a protocol over a connection that was accepted.
    fn connect_accepted_socket(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "connect_accepted_socket", this, args.0, kwargs.0)
    }

    /// Connect a protocol to a path.
    fn create_unix_connection(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_unix_connection", this, args.0, kwargs.0)
    }

    /// Listen at a path.
    fn create_unix_server(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "create_unix_server", this, args.0, kwargs.0)
    }

    /// Look an address up.
    fn getaddrinfo(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        delegate(cx, "getaddrinfo", this, args.0, kwargs.0)
    }

    /// Run until `stop` is called.
    fn run_forever(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        engine(cx, object, Raw::NONE, Phase::Forever)
    }

    /// Run until a future or coroutine is done, and return its result.
    fn run_until_complete(cx: &mut Cx, this: Root, #[either] future: Root) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        if loops(cx).is_running(object) {
            return Err(cx.runtime_error("This event loop is already running"));
        }
        if loops(cx).running().is_some() {
            return Err(cx.runtime_error("Cannot run the event loop while another loop is running"));
        }
        let until = ensure_future(cx, object, future)?;
        engine(cx, object, until, Phase::Until)
    }

    /// Stop at the end of this turn.
    fn stop(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        if let Some(state) = loops(cx).find(object) {
            state.stopping = true;
        }
        Ok(Outcome::NONE)
    }

    /// Close the loop.
    fn close(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        if loops(cx).is_running(object) {
            return Err(cx.runtime_error("Cannot close a running event loop"));
        }
        run::close(cx, object);
        Ok(Outcome::NONE)
    }

    /// Whether it runs.
    fn is_running(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(loops_ref(cx).is_running(this.get(cx).raw()).into())
    }

    /// Whether it is closed.
    fn is_closed(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_none().into())
    }

    /// The time of the loop's clock, in seconds.
    fn time(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(clock::now(cx).into())
    }

    /// Call a function in the next turn.
    fn call_soon(
        cx: &mut Cx,
        this: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        check_callback(cx, object, callback, "call_soon")?;
        let handle = new_handle(cx, this, callback, args.0, context, None)?;
        open_loop(cx, object)?.ready.push_back(Ready::Run(handle));
        Ok(handle.value().into())
    }

    /// Call a function in the next turn: can be called from other threads.
    fn call_soon_threadsafe(
        cx: &mut Cx,
        this: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        check_callback(cx, object, callback, "call_soon_threadsafe")?;
        let handle = new_handle(cx, this, callback, args.0, context, None)?;
        open_loop(cx, object)?.ready.push_back(Ready::Run(handle));
        Ok(handle.value().into())
    }

    /// Call a function after some seconds.
    fn call_later(
        cx: &mut Cx,
        this: Root,
        #[either] delay: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        if delay.get(cx).is_none() {
            return Err(cx.type_error("delay must not be None".into()));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        let when = clock::now(cx) + cx.to_float(delay)?;
        call_at(cx, this, when, callback, args.0, context, "call_later")
    }

    /// Call a function at a time of the loop's clock.
    fn call_at(
        cx: &mut Cx,
        this: Root,
        #[either] when: Root,
        #[either] callback: Root,
        args: Rest,
        #[key] context: Option<Root>,
    ) -> NativeResult {
        if when.get(cx).is_none() {
            return Err(cx.type_error("when cannot be None".into()));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        let when = cx.to_float(when)?;
        self::call_at(cx, this, when, callback, args.0, context, "call_at")
    }

    /// Make a future.
    fn create_future(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(future::new(cx, object).value().into())
    }

    /// Make a task of a coroutine.
    fn create_task(
        cx: &mut Cx,
        this: Root,
        #[either] coro: Root,
        #[key] name: Option<Root>,
        #[key] context: Option<Root>,
        #[key] eager_start: Given<Root>,
        kwargs: KeywordRest,
    ) -> NativeResult {
        let object = this.get(cx).raw();
        open_loop(cx, object)?;
        new_task_outcome(cx, object, coro, name, context, eager_start.0, kwargs.0)
    }

    /// Set what makes tasks: called with the loop, the coroutine and keyword arguments.
    fn set_task_factory(cx: &mut Cx, this: Root, factory: Root) -> NativeResult {
        let raw = factory.get(cx).raw();
        if !raw.same(Raw::NONE) && !cx.is_callable(Value::adopt(raw)) {
            return Err(cx.type_error("task factory must be a callable or None".into()));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?.task_factory = raw;
        Ok(Outcome::NONE)
    }

    /// What makes tasks, or None.
    fn get_task_factory(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(Outcome::NONE, |l| Outcome::Value(l.task_factory)))
    }

    /// Set what is called with exceptions nobody handles.
    fn set_exception_handler(cx: &mut Cx, this: Root, handler: Root) -> NativeResult {
        let raw = handler.get(cx).raw();
        if !raw.same(Raw::NONE) && !cx.is_callable(Value::adopt(raw)) {
            let text = cx.repr_text(handler)?;
            return Err(cx.type_error(format!("A callable object or None is expected, got {text}")));
        }
        let object = this.get(cx).raw();
        open_loop(cx, object)?.exception_handler = raw;
        Ok(Outcome::NONE)
    }

    /// What is called with exceptions nobody handles, or None.
    fn get_exception_handler(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(Outcome::NONE, |l| Outcome::Value(l.exception_handler)))
    }

    /// Report an exception nobody handles.
    fn default_exception_handler(cx: &mut Cx, this: Root, #[either] context: Root) -> NativeResult {
        report::default_handler(cx, context)?;
        Ok(Outcome::NONE)
    }

    /// Call the exception handler.
    fn call_exception_handler(cx: &mut Cx, this: Root, #[either] context: Root) -> NativeResult {
        report::handle(cx, this, context)?;
        Ok(Outcome::NONE)
    }

    /// Whether debug mode is on.
    fn get_debug(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).is_some_and(|l| l.debug).into())
    }

    /// Switch debug mode on or off.
    fn set_debug(cx: &mut Cx, this: Root, enabled: bool) -> NativeResult {
        let object = this.get(cx).raw();
        if let Some(state) = loops(cx).find(object) {
            state.debug = enabled;
        }
        Ok(Outcome::NONE)
    }

    /// Seconds from which on a step is reported as slow in debug mode.
    #[getter]
    fn slow_callback_duration(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        Ok(loops(cx).find(object).map_or(0.1, |l| l.slow_callback_duration).into())
    }

    /// Seconds from which on a step is reported as slow in debug mode.
    #[setter]
    #[name("slow_callback_duration")]
    fn set_slow_callback_duration(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let seconds = cx.to_float(value)?;
        let object = this.get(cx).raw();
        if let Some(state) = loops(cx).find(object) {
            state.slow_callback_duration = seconds;
        }
        Ok(Outcome::NONE)
    }

    /// Close asynchronous generators that are not finished.
    #[suspends]
    fn shutdown_asyncgens(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let state = open_loop(cx, object)?;
        state.generators_closed = true;
        let references = std::mem::take(&mut state.generators);
        let mut generators = vec![];
        for raw in references {
            let alive = Value::adopt(raw).exact::<WeakRef>().and_then(|w| w.target().map(Value::raw));
            if let Some(raw) = alive {
                cx.push_raw(raw);
                generators.push(raw);
            }
        }
        let mut tasks = vec![];
        for raw in &generators {
            let step = cx.async_step(*raw, StepMode::Close, Raw::NONE, false)?;
            let step = cx.push_raw(step);
            let task = task::new_task(cx, object, step, None, context::snapshot_raw)?;
            tasks.push(task.get(cx).raw());
        }
        if tasks.is_empty() {
            return Ok(Outcome::NONE);
        }
        let gathered = combine::gather_futures(cx, object, &tasks, true);
        let values: Vec<Value<'_>> = generators.iter().map(|raw| Value::adopt(*raw)).collect();
        let list = cx.tuple(&values).value().raw();
        // The window: the loop, the generators, and what is waited for.
        cx.release(this.number() + 1);
        cx.push_raw(list);
        let value = cx.push_raw(gathered);
        any(cx, value).base().put(BLOCKING, true);
        Ok(Outcome::Suspend { value, then: Then::Continue(generators_closed) })
    }

    /// Wait for the threads of the default executor.
    #[suspends]
    fn shutdown_default_executor(cx: &mut Cx, this: Root, #[either] timeout: Option<Root>) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = this.get(cx).raw();
        let name = super::class_name(cx, this.get(cx));
        let running = if loops(cx).is_running(object) { "True" } else { "False" };
        let (closed, debug) = match loops(cx).find(object) {
            Some(state) => ("False", if state.debug { "True" } else { "False" }),
            None => ("True", "False"),
        };
        Ok(cx.str(&format!("<{name} running={running} closed={closed} debug={debug}>")).into())
    }
);

/// The generators are closed: their errors are reported.
fn generators_closed(cx: &mut Cx, window: Args, _: Resumed) -> NativeResult {
    let generators: Vec<Raw> = window.get(cx, 1).exact::<Tuple>().expect("a tuple").items().map(|v| v.raw()).collect();
    let outer = any(cx, window.root(2));
    let results: Vec<Raw> = match outer.base().content.get().exact::<crate::object::List>() {
        Some(list) => list.items().map(|v| v.raw()).collect(),
        None => vec![],
    };
    for (generator, result) in generators.into_iter().zip(results) {
        if cx.is_exception(Value::adopt(result), Exc::Exception) {
            let mark = cx.mark();
            let generator = cx.push_raw(generator);
            let exception = cx.push_raw(result);
            let text = cx.repr_text(generator)?;
            let message = format!("an error occurred during closing of asynchronous generator {text}");
            let keys = [("exception", exception), ("asyncgen", generator)];
            report::call_handler(cx, window.root(0), &message, &keys)?;
            cx.release(mark);
        }
    }
    Ok(Outcome::NONE)
}

natives!(
    /// Called by the machine.
    pub(super) static HOOKS: Functions;

    /// An asynchronous generator is iterated for the first time.
    fn first_iteration(cx: &mut Cx, generator: Root) -> NativeResult {
        let reference = WeakRef::new(cx.heap.forever(), generator.get(cx), Value::NONE).map(|w| w.value().raw());
        if let (Some(raw), Some(state)) = (reference, loops(cx).running()) {
            if state.generators.len() > 64 && state.generators.len().is_power_of_two() {
                state
                    .generators
                    .retain(|raw| Value::adopt(*raw).exact::<WeakRef>().is_some_and(|w| w.target().is_some()));
            }
            state.generators.push(raw);
        }
        Ok(Outcome::NONE)
    }

    /// An asynchronous generator that is suspended is not referred to any more.
    fn finalizer(cx: &mut Cx, generator: Root) -> NativeResult {
        let Some(object) = loops(cx).running().map(|l| l.object) else { return Ok(Outcome::NONE) };
        let raw = generator.get(cx).raw();
        let step = cx.async_step(raw, StepMode::Close, Raw::NONE, false)?;
        let step = cx.push_raw(step);
        task::new_task(cx, object, step, None, context::snapshot_raw)?;
        Ok(Outcome::NONE)
    }

    /// A task that is not the machine's own: nothing to do.
    fn nothing(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }
);

natives!(
    /// A base class.
    pub(super) static NOTHING: Methods;
);

// ---- installing ----

const fn row(name: &'static str, module: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
    TypeRow::native(module, name, methods).with(ClassFlags::OPEN)
}

const fn kind_row(
    kind: Kind,
    name: &'static str,
    module: &'static str,
    methods: &'static [&'static Natives],
) -> TypeRow {
    TypeRow::of(kind, name, methods).in_module(module)
}

static NO_METHODS: &[&Natives] = &[&NOTHING];
static TIMER_METHODS: &[&Natives] = &[&TIMER_HANDLE];

const fn exception_row(name: &'static str, module: &'static str, base: &'static str) -> TypeRow {
    let mut row = TypeRow::native(module, name, NO_METHODS).derived(base).with(ClassFlags::OPEN);
    row.layout = Kind::Exception;
    row
}

const fn timer_row() -> TypeRow {
    let mut row = TypeRow::native("asyncio.events", "TimerHandle", TIMER_METHODS).derived("Handle");
    row.layout = Kind::Handle;
    row
}

static ROWS: &[TypeRow] = &[
    kind_row(Kind::Future, "Future", "_asyncio", &[&FUTURE]),
    kind_row(Kind::Task, "Task", "_asyncio", &[&TASK]).derived("Future"),
    TypeRow { kind: None, ..kind_row(Kind::Future, "_GatheringFuture", "asyncio.tasks", &[&NOTHING]) }
        .derived("Future"),
    kind_row(Kind::Handle, "Handle", "asyncio.events", &[&HANDLE]),
    timer_row(),
    TypeRow::native("_asyncio", "FutureIter", &[&FUTURE_ITER]),
    TypeRow::native("_asyncio", "_Watcher", &[&NOTHING]),
    row("AbstractEventLoop", "asyncio.events", &[&NOTHING]),
    row("BaseEventLoop", "asyncio.base_events", &[&LOOP]).derived("AbstractEventLoop"),
    row("_UnixSelectorEventLoop", "asyncio.unix_events", &[&NOTHING]).derived("BaseEventLoop"),
    row("Lock", "asyncio.locks", &[&sync::LOCK]),
    row("Event", "asyncio.locks", &[&sync::EVENT]),
    row("Semaphore", "asyncio.locks", &[&sync::SEMAPHORE]),
    row("BoundedSemaphore", "asyncio.locks", &[&sync::BOUNDED_SEMAPHORE]).derived("Semaphore"),
    row("Queue", "asyncio.queues", &[&queue::QUEUE]),
    row("PriorityQueue", "asyncio.queues", &[&queue::PRIORITY_QUEUE]).derived("Queue"),
    row("LifoQueue", "asyncio.queues", &[&queue::LIFO_QUEUE]).derived("Queue"),
    row("Timeout", "asyncio.timeouts", &[&timeout::TIMEOUT]).with(ClassFlags::FINAL),
    row("TaskGroup", "asyncio.taskgroups", &[&group::GROUP]),
];

static EXCEPTION_ROWS: &[TypeRow] = &[
    exception_row("QueueEmpty", "asyncio.queues", "Exception"),
    exception_row("QueueFull", "asyncio.queues", "Exception"),
    exception_row("QueueShutDown", "asyncio.queues", "Exception"),
    exception_row("BrokenBarrierError", "asyncio.exceptions", "RuntimeError"),
    exception_row("SendfileNotAvailableError", "asyncio.exceptions", "RuntimeError"),
];

static CONTEXT_ROWS: &[TypeRow] = &[
    kind_row(Kind::Context, "Context", "_contextvars", &[&context::CONTEXT]).with(ClassFlags::FINAL),
    kind_row(Kind::ContextVar, "ContextVar", "_contextvars", &[&context::CONTEXT_VAR]).with(ClassFlags::FINAL),
    TypeRow::native("_contextvars", "Token", &[&context::TOKEN]).with(ClassFlags::FINAL.union(ClassFlags::OPEN)),
    TypeRow::native("_contextvars", "Token.MISSING", &[&context::TOKEN_MISSING]).with(ClassFlags::FINAL),
];

/// Makes room for the loops of a machine: contexts need it before there is any loop.
fn prepare(cx: &mut Cx) {
    if cx.extension::<EventLoops>(ExtensionSlot::EventLoop).is_none() {
        cx.set_extension(ExtensionSlot::EventLoop, Box::new(EventLoops::new()));
        cx.install_types(CONTEXT_ROWS);
    }
}

fn put(cx: &mut Cx, module: Root, name: &str, raw: Raw) {
    let key = cx.intern(name).held();
    let heap = cx.heap.forever();
    if let Some(module) = module.get(cx).exact::<crate::object::Module>() {
        // A namespace has room for the library's names.
        let _ = module.dict().set_str(heap, key, Value::adopt(raw));
    }
}

fn class(cx: &Cx, name: &str) -> Raw {
    cx.named_class(name).value().raw()
}

fn install_contextvars(cx: &mut Cx) -> Result<(), Raised> {
    prepare(cx);
    let module = cx.new_module("contextvars").held();
    cx.functions_of(module, &context::CONTEXTVARS);
    let module = cx.push(module.value());
    for name in ["Context", "ContextVar", "Token"] {
        let raw = class(cx, name);
        put(cx, module, name, raw);
    }
    let missing = context::missing(cx)?;
    let token = class(cx, "Token");
    let key = cx.intern("MISSING").held();
    let heap = cx.heap.forever();
    let namespace = Value::adopt(token).exact::<Class>().expect("a class").namespace();
    let _ = namespace.set_str(heap, key, Value::adopt(missing));
    Ok(())
}

/// Submodules of `asyncio` and what is in them.
static SUBMODULES: &[(&str, &[&str])] = &[
    (
        "events",
        &[
            "AbstractEventLoop",
            "Handle",
            "TimerHandle",
            "get_event_loop",
            "set_event_loop",
            "new_event_loop",
            "get_running_loop",
            "_get_running_loop",
        ],
    ),
    ("base_events", &["BaseEventLoop"]),
    (
        "exceptions",
        &["CancelledError", "InvalidStateError", "TimeoutError", "BrokenBarrierError", "SendfileNotAvailableError"],
    ),
    ("futures", &["Future", "isfuture"]),
    (
        "tasks",
        &[
            "Task",
            "create_task",
            "FIRST_COMPLETED",
            "FIRST_EXCEPTION",
            "ALL_COMPLETED",
            "wait",
            "wait_for",
            "sleep",
            "gather",
            "shield",
            "ensure_future",
            "current_task",
            "all_tasks",
            "eager_task_factory",
            "as_completed",
        ],
    ),
    ("locks", &["Lock", "Event", "Semaphore", "BoundedSemaphore", "Condition", "Barrier"]),
    ("queues", &["Queue", "PriorityQueue", "LifoQueue", "QueueEmpty", "QueueFull", "QueueShutDown"]),
    ("timeouts", &["Timeout", "timeout", "timeout_at"]),
    ("taskgroups", &["TaskGroup"]),
    ("runners", &["run", "Runner"]),
    ("coroutines", &["iscoroutine", "iscoroutinefunction"]),
];

fn install_asyncio(cx: &mut Cx) -> Result<(), Raised> {
    prepare(cx);
    cx.install_types(ROWS);
    cx.install_types(EXCEPTION_ROWS);
    cx.set_driver(Kind::Future, future::drive);
    cx.set_driver(Kind::Task, future::drive);
    let shape = |cx: &Cx, name| cx.named_class(name).get().root_shape.get();
    let (future_shape, task_shape) = (shape(cx, "Future"), shape(cx, "Task"));
    let gather_shape = shape(cx, "_GatheringFuture");
    let engine = cx.native_function(&run::ENGINE, Raw::NONE, None, Raw::NONE);
    let hooks: Vec<Raw> = HOOKS.defs.iter().map(|def| cx.native_function(def, Raw::NONE, None, Raw::NONE)).collect();
    let all = loops(cx);
    all.future_shape = future_shape;
    all.task_shape = task_shape;
    all.gather_shape = gather_shape;
    all.engine = engine;
    all.hooks = [hooks[0], hooks[1]];

    let module = cx.new_module("asyncio").held();
    let tables: [&'static Natives; 3] = [&ASYNCIO, &combine::COMBINE, &timeout::TIMEOUTS];
    for table in tables {
        cx.functions_of(module, table);
    }
    let module = cx.push(module.value());
    for row in ROWS.iter().chain(EXCEPTION_ROWS) {
        let raw = class(cx, row.name);
        put(cx, module, row.name, raw);
    }
    for exc in [Exc::CancelledError, Exc::InvalidStateError, Exc::TimeoutError] {
        let raw = cx.exception_class(exc).value().raw();
        put(cx, module, exc.name(), raw);
    }
    let default = class(cx, "_UnixSelectorEventLoop");
    for name in ["SelectorEventLoop", "EventLoop"] {
        put(cx, module, name, default);
    }
    for name in ["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"] {
        let raw = cx.intern(name).value().raw();
        put(cx, module, name, raw);
    }
    let path = cx.list(&[]).value().raw();
    put(cx, module, "__path__", path);
    let package = cx.intern("asyncio").value().raw();
    put(cx, module, "__package__", package);
    for (name, members) in SUBMODULES {
        let full = format!("asyncio.{name}");
        let submodule = cx.new_module(&full).value().raw();
        put(cx, module, name, submodule);
        let submodule = cx.push_raw(submodule);
        for member in members.iter().chain(&["__getattr__"]) {
            let found = module.get(cx).exact::<crate::object::Module>().expect("a module").dict();
            let key = cx.str(member);
            if let Some(raw) = found.get_str(&cx.heap, key).map(Value::raw) {
                put(cx, submodule, member, raw);
            }
        }
        put(cx, submodule, "__package__", package);
    }
    Ok(())
}

/// How a module written here is installed, if there is one of this name.
pub fn install(name: &str) -> Option<Install> {
    match name {
        "asyncio" => Some(install_asyncio),
        "contextvars" => Some(install_contextvars),
        "_socket" => Some(super::socket::install),
        _ => None,
    }
}
