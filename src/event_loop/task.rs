//! Tasks: coroutines that the loop runs. A step resumes the coroutine; what it yields says what the task waits for.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Kind, Raw, Value};
use crate::object::{
    AnyFuture, BLOCKING, Callback, Class, Exc, FutureBase, FutureState, HAS_EXCEPTION, MUST_CANCEL, Task,
};
use crate::vm::native::{Continuation, Cx, Outcome, Raised, Resumed, Root, Then};

use super::ring::What;
use super::{Ready, context, future, loops, note, report, running, schedule};

/// What a step begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    /// Nothing.
    Nothing,
    /// What it waited for is done.
    Woken,
    /// An exception.
    Throw(Raw),
}

/// Whether a value is a coroutine, as `asyncio.iscoroutine` says.
pub(crate) fn is_coroutine(cx: &mut Cx, value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Coroutine | Kind::NativeCoroutine | Kind::AsyncGeneratorStep => true,
        Kind::Instance | Kind::NativeObject => {
            let class = cx.class_of(value).held();
            ["__await__", "send", "throw", "close"].iter().all(|name| {
                let name = cx.intern(name).held();
                cx.lookup_class(class, name).is_some()
            })
        }
        _ => false,
    }
}

/// A task of the class `Task` itself, scheduled. `in_context` gives what it runs in.
pub(crate) fn new_task(
    cx: &mut Cx,
    event_loop: Raw,
    coroutine: Root,
    name: Option<Root>,
    in_context: impl FnOnce(&mut Cx) -> Raw,
) -> Result<Root, Raised> {
    let raw = coroutine.get(cx).raw();
    if !is_coroutine(cx, Value::adopt(raw)) {
        return Err(not_a_coroutine(cx, coroutine));
    }
    let shape = loops(cx).task_shape;
    let context = in_context(cx);
    let task = alloc(cx, shape, event_loop, coroutine, name, context)?;
    start(cx, event_loop, task)?;
    Ok(cx.push_raw(task.value().raw()))
}

/// TypeError for what is no coroutine.
pub(crate) fn not_a_coroutine(cx: &mut Cx, value: Root) -> Raised {
    match cx.repr_text(value) {
        Ok(text) => cx.type_error(format!("a coroutine was expected, got {text}")),
        Err(raised) => raised,
    }
}

fn alloc(
    cx: &mut Cx,
    shape: u32,
    event_loop: Raw,
    coroutine: Root,
    name: Option<Root>,
    context: Raw,
) -> Result<Gc<'static, Task>, Raised> {
    let name = match name {
        Some(name) if cx.as_str(name.get(cx)).is_some() => Some(name.get(cx).raw()),
        Some(name) => Some(cx.str_of(name)?.get(cx).raw()),
        None => None,
    };
    let number = if name.is_none() {
        let all = loops(cx);
        all.last_name += 1;
        all.last_name
    } else {
        0
    };
    let task = cx.heap.alloc(Task {
        base: FutureBase::new(Value::adopt(event_loop)),
        coroutine: AnyRef::new(coroutine.get(cx)),
        context: AnyRef::new(Value::adopt(context)),
        waiter: AnyRef::none(),
        name: AnyRef::new(Value::adopt(name.unwrap_or(Raw::NONE))),
        number: StdCell::new(number),
        cancels: StdCell::new(0),
        place: StdCell::new(u32::MAX),
    });
    task.set_shape(shape);
    let task = task.held();
    cx.owned_by_task(coroutine.get(cx));
    Ok(task)
}

/// A task of a class derived from `Task`, that is not given anything yet.
pub(crate) fn of_class(cx: &mut Cx, class: Root) -> Gc<'static, Task> {
    let shape = class.get(cx).exact::<Class>().expect("checked").get().root_shape.get();
    let task = cx.heap.alloc(Task {
        base: FutureBase::new(Value::NONE),
        coroutine: AnyRef::none(),
        context: AnyRef::none(),
        waiter: AnyRef::none(),
        name: AnyRef::none(),
        number: StdCell::new(0),
        cancels: StdCell::new(0),
        place: StdCell::new(u32::MAX),
    });
    task.set_shape(shape);
    task.held()
}

/// Enters a task in its loop's table.
pub(crate) fn register(cx: &mut Cx, event_loop: Raw, task: Gc<'static, Task>) -> Result<(), Raised> {
    let heap = cx.heap.forever();
    let state = super::open_loop(cx, event_loop)?;
    let place = state.tasks.insert(heap, task.value());
    let by = state.current.map_or(0, |t| t.place.get());
    task.place.set(place);
    note(cx, What::Spawn, place, by);
    Ok(())
}

/// Registers a task and schedules its first step.
pub(crate) fn start(cx: &mut Cx, event_loop: Raw, task: Gc<'static, Task>) -> Result<(), Raised> {
    register(cx, event_loop, task)?;
    if loops(cx).find(event_loop).is_some_and(|l| l.debug) {
        report::remember_origin(cx, AnyFuture::Task(task));
    }
    schedule(cx, event_loop, Ready::Step(task));
    Ok(())
}

/// Begins a step: what the engine asks the machine for, or nothing if the task is done.
#[inline]
pub(crate) fn step(
    cx: &mut Cx,
    task: Gc<'static, Task>,
    input: Input,
    then: Continuation,
) -> Result<Option<Outcome>, Raised> {
    let base = &task.get().base;
    if base.is_done() {
        return Ok(None);
    }
    let mut throw = match input {
        Input::Nothing => Raw::UNBOUND,
        Input::Throw(exception) => exception,
        Input::Woken => match AnyFuture::of(task.get().waiter.value()).map(AnyFuture::held) {
            Some(waiter) => match waiter.base().state.get() {
                FutureState::Failed => future::take_exception(cx, waiter),
                FutureState::Cancelled => {
                    let exception = future::take_cancelled(cx, waiter);
                    cx.take_context(exception);
                    exception
                }
                FutureState::Finished | FutureState::Pending => Raw::UNBOUND,
            },
            None => Raw::UNBOUND,
        },
    };
    if base.has(MUST_CANCEL) {
        base.put(MUST_CANCEL, false);
        if throw.is_unbound() || !cx.is_exception(Value::adopt(throw), Exc::CancelledError) {
            throw = future::cancelled_error(cx, base.content.get().raw());
        }
        AnyFuture::Task(task).set_content(&cx.heap, Value::NONE);
    }
    if !task.get().waiter.is_none() {
        task.set_any(&cx.heap, |t| &t.waiter, Value::NONE);
    }
    let heap_context = task.get().context.value().raw();
    let place = task.get().place.get();
    let all = loops(cx);
    all.context = heap_context;
    let state = all.running().expect("a step of the running loop");
    state.current = Some(task);
    let (turn, debug) = (state.turn, state.debug);
    all.ring.note(turn, What::Step, place, 0);
    if debug {
        report::begin_step(cx, task.value().raw());
    }
    let target = cx.push_raw(task.get().coroutine.value().raw());
    let thrown = !throw.is_unbound();
    let input = cx.push_raw(if thrown { throw } else { Raw::NONE });
    Ok(Some(match target.get(cx).kind() {
        Kind::Instance | Kind::NativeObject => {
            let name = if thrown { "throw" } else { "send" };
            let method = cx.attribute(target, name)?;
            let method = method.get(cx).raw();
            let input = input.get(cx).raw();
            let callee = cx.push_raw(method);
            cx.push_raw(input);
            Outcome::Call { callee, argc: 1, keywords: None, then: Then::Catch(then) }
        }
        _ => Outcome::Resume { target, input, throw: thrown, then: Then::Catch(then) },
    }))
}

/// The step of the current task is over.
#[inline]
pub(crate) fn stepped(cx: &mut Cx, resumed: Resumed) -> Result<(), Raised> {
    let all = loops(cx);
    let now = all.context;
    let state = all.running().expect("a step of the running loop");
    let task = state.current.take().expect("a task takes the step");
    let (outer, debug) = (state.outer, state.debug);
    all.context = outer;
    // A context object others see has the changes already.
    let kept = task.get().context.value();
    if !kept.raw().same(now) && kept.kind() != Kind::Context {
        task.set_any(&cx.heap, |t| &t.context, Value::adopt(now));
    }
    let result = ended(cx, task, resumed);
    if debug {
        report::end_step(cx);
    }
    result
}

/// Goes on after a coroutine yielded, returned or raised.
pub(crate) fn ended(cx: &mut Cx, task: Gc<'static, Task>, resumed: Resumed) -> Result<(), Raised> {
    let is_object = matches!(task.get().coroutine.value().kind(), Kind::Instance | Kind::NativeObject);
    match resumed {
        Resumed::Yielded(value) => {
            let raw = value.get(cx).raw();
            wait(cx, task, raw)
        }
        Resumed::Returned(value) if is_object => {
            let raw = value.get(cx).raw();
            wait(cx, task, raw)
        }
        Resumed::Returned(value) => {
            let raw = value.get(cx).raw();
            returned(cx, task, raw)
        }
        Resumed::Raised(exception) => {
            let value = exception.get(cx);
            if is_object && cx.is_exception(value, Exc::StopIteration) {
                let result = value.cell_of_kind::<crate::object::Exception>().map_or(Raw::NONE, |e| e.field(0).raw());
                return returned(cx, task, result);
            }
            let raw = value.raw();
            let any = AnyFuture::Task(task);
            if cx.is_exception(Value::adopt(raw), Exc::CancelledError) {
                done(cx, task, FutureState::Cancelled, raw);
                any.base().put(HAS_EXCEPTION, true);
                return Ok(());
            }
            done(cx, task, FutureState::Failed, raw);
            if super::run::is_fatal(cx, exception) { Err(cx.rethrow(exception)) } else { Ok(()) }
        }
    }
}

fn returned(cx: &mut Cx, task: Gc<'static, Task>, result: Raw) -> Result<(), Raised> {
    let base = &task.get().base;
    if base.has(MUST_CANCEL) {
        // It was cancelled while it ran, and returned before that could reach it: the result is lost.
        base.put(MUST_CANCEL, false);
        let message = base.content.get().raw();
        done(cx, task, FutureState::Cancelled, message);
    } else {
        done(cx, task, FutureState::Finished, result);
    }
    Ok(())
}

/// A task has ended.
fn done(cx: &mut Cx, task: Gc<'static, Task>, state: FutureState, content: Raw) {
    let heap = cx.heap.forever();
    let place = task.get().place.get();
    let event_loop = task.get().base.event_loop.value().raw();
    if let Some(state) = loops(cx).find(event_loop) {
        state.tasks.remove(heap, place);
    }
    note(cx, What::End, place, 0);
    future::finish(cx, AnyFuture::Task(task), state, content);
}

/// Interprets what a coroutine yielded.
#[inline]
fn wait(cx: &mut Cx, task: Gc<'static, Task>, yielded: Raw) -> Result<(), Raised> {
    let value = Value::adopt(yielded);
    if value.is_none() {
        let state = running(cx);
        state.push(Ready::Step(task));
        return Ok(());
    }
    let Some(future) = AnyFuture::of(value).map(AnyFuture::held) else { return bad_yield(cx, task, yielded) };
    let base = future.base();
    let own = task.get().base.event_loop.value().raw();
    if !base.event_loop.value().raw().same(own) || !base.has(BLOCKING) || yielded.same(task.value().raw()) {
        return bad_future(cx, task, yielded);
    }
    base.put(BLOCKING, false);
    task.set_any(&cx.heap, |t| &t.waiter, value);
    future::add_callback(cx, future, Callback::Wake, task.value());
    note(cx, What::Wait, task.get().place.get(), 0);
    if task.get().base.has(MUST_CANCEL) {
        let message = task.get().base.content.get().raw();
        if future::cancel(cx, future, message)? {
            task.get().base.put(MUST_CANCEL, false);
        }
    }
    Ok(())
}

fn throw_text(cx: &mut Cx, task: Gc<'static, Task>, text: &str) -> Result<(), Raised> {
    let raised = cx.runtime_error(text);
    let exception = cx.take_raised(raised);
    let event_loop = task.get().base.event_loop.value().raw();
    let exception = Value::adopt(exception).cell_of_kind::<crate::object::Exception>().expect("just raised");
    schedule(cx, event_loop, Ready::Throw(task, exception));
    Ok(())
}

#[cold]
fn bad_future(cx: &mut Cx, task: Gc<'static, Task>, yielded: Raw) -> Result<(), Raised> {
    let (this, other) = (cx.push_raw(task.value().raw()), cx.push_raw(yielded));
    let task_text = cx.repr_text(this)?;
    let other_text = cx.repr_text(other)?;
    let future = AnyFuture::of(Value::adopt(yielded)).expect("a future").held();
    let own = task.get().base.event_loop.value().raw();
    let text = if !future.base().event_loop.value().raw().same(own) {
        format!("Task {task_text} got Future {other_text} attached to a different loop")
    } else if yielded.same(task.value().raw()) {
        format!("Task cannot await on itself: {task_text}")
    } else {
        format!("yield was used instead of yield from in task {task_text} with {other_text}")
    };
    // Whoever awaits it after this is refused too: as in asyncio, it stays marked as awaited.
    throw_text(cx, task, &text)
}

#[cold]
fn bad_yield(cx: &mut Cx, task: Gc<'static, Task>, yielded: Raw) -> Result<(), Raised> {
    if Value::adopt(yielded).kind() == Kind::Instance {
        let object = cx.push_raw(yielded);
        let blocking = match cx.find_attribute(object, "_asyncio_future_blocking")? {
            Some(blocking) => !blocking.get(cx).is_none() && cx.truth(blocking)?,
            None => false,
        };
        if blocking {
            // It is like a future: one of our own follows it, and is what the task waits for.
            let module = cx.import("asyncio._duck")?;
            let follower = cx.call_method(module, "_follow", &[object])?.get(cx).raw();
            return wait(cx, task, follower);
        }
    }
    let (this, other) = (cx.push_raw(task.value().raw()), cx.push_raw(yielded));
    let other_text = cx.repr_text(other)?;
    let text = if Value::adopt(yielded).kind() == Kind::Generator {
        let task_text = cx.repr_text(this)?;
        format!("yield was used instead of yield from for generator in task {task_text} with {other_text}")
    } else {
        format!("Task got bad yield: {other_text}")
    };
    throw_text(cx, task, &text)
}

/// The name of a task, made where it has only a number so far.
pub(crate) fn name(cx: &mut Cx, task: Gc<'static, Task>) -> Raw {
    let known = task.get().name.value();
    if !known.is_none() {
        return known.raw();
    }
    let text = cx.str(&format!("Task-{}", task.get().number.get())).value().raw();
    task.set_any(&cx.heap, |t| &t.name, Value::adopt(text));
    text
}

/// A task that runs at once until it first waits.
pub(crate) fn new_eager(
    cx: &mut Cx,
    event_loop: Raw,
    coroutine: Root,
    name: Option<Root>,
    given: Option<Raw>,
) -> Result<Root, Raised> {
    let raw = coroutine.get(cx).raw();
    if !is_coroutine(cx, Value::adopt(raw)) {
        return Err(not_a_coroutine(cx, coroutine));
    }
    let shape = loops(cx).task_shape;
    let context = given.unwrap_or_else(|| context::snapshot_raw(cx));
    let task = alloc(cx, shape, event_loop, coroutine, name, context)?;
    let root = cx.push(task.value());
    start_eagerly(cx, event_loop, task)?;
    Ok(root)
}

/// Takes a task's first step now, nested.
pub(crate) fn start_eagerly(cx: &mut Cx, event_loop: Raw, task: Gc<'static, Task>) -> Result<(), Raised> {
    register(cx, event_loop, task)?;
    let mark = cx.mark();
    let kept = task.get().context.value().raw();
    let all = loops(cx);
    let before = std::mem::replace(&mut all.context, kept);
    let state = all.running().expect("asked for by the running loop");
    let current = state.current.replace(task);
    // Both are held by others too: the context by whoever runs, the task by the loop's table.
    let saved = cx.push_raw(before);
    if let Some(current) = current {
        cx.push(current.value());
    }
    let target = cx.push_raw(task.get().coroutine.value().raw());
    let input = cx.push_raw(Raw::NONE);
    let resumed = match cx.step(target, input, false) {
        Ok(resumed) => resumed,
        Err(raised) => {
            let exception = cx.take_raised(raised);
            Resumed::Raised(cx.push_raw(exception))
        }
    };
    let before = saved.get(cx).raw();
    let all = loops(cx);
    let now = std::mem::replace(&mut all.context, before);
    if let Some(state) = all.running() {
        state.current = current;
    }
    let kept = task.get().context.value();
    if !kept.raw().same(now) && kept.kind() != Kind::Context {
        task.set_any(&cx.heap, |t| &t.context, Value::adopt(now));
    }
    ended(cx, task, resumed)?;
    if task.get().base.state.get() != FutureState::Pending {
        // CPython forgets what never had to wait.
        task.set_any(&cx.heap, |t| &t.coroutine, Value::NONE);
    }
    cx.release(mark);
    Ok(())
}

/// Gives a task of a derived class what it runs.
pub(crate) fn initialise(
    cx: &mut Cx,
    task: Gc<'static, Task>,
    event_loop: Raw,
    coroutine: Root,
    name: Option<Root>,
    context: Raw,
) -> Result<(), Raised> {
    let text = match name {
        Some(name) => cx.str_of(name)?.get(cx).raw(),
        None => {
            let all = loops(cx);
            all.last_name += 1;
            task.number.set(all.last_name);
            Raw::NONE
        }
    };
    AnyFuture::Task(task).set_loop(&cx.heap, Value::adopt(event_loop));
    task.set_any(&cx.heap, |t| &t.coroutine, coroutine.get(cx));
    task.set_any(&cx.heap, |t| &t.context, Value::adopt(context));
    task.set_any(&cx.heap, |t| &t.name, Value::adopt(text));
    Ok(())
}
