//! Futures: results, callbacks, cancellation. What is said of futures here holds for tasks too, unless it says otherwise.

use crate::heap::{AnyRef, Kind, Raw, Slot, Value, WeakRef};
use crate::object::{
    AnyFuture, BLOCKING, Callback, Class, Exc, Exception, Future, FutureBase, FutureState, GATHERING, HAS_EXCEPTION,
    Handle, Instance, MUST_CANCEL, NativeObject, PLACED, RAISED, UNRETRIEVED,
};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Resumed, Root, Then};

use super::ring::What;
use super::{FutureRef, Ready, combine, context, loops, note, report, schedule};

/// A pending future of the class `Future`.
#[inline]
pub(crate) fn new(cx: &mut Cx, event_loop: Raw) -> AnyFuture<'static> {
    let shape = loops(cx).future_shape;
    let future = cx.heap.alloc(Future { base: FutureBase::new(Value::adopt(event_loop)) });
    future.set_shape(shape);
    AnyFuture::Future(future.held())
}

/// A future of a class derived from `Future`, without a loop yet.
pub(crate) fn of_class(cx: &mut Cx, class: Root) -> AnyFuture<'static> {
    let shape = class.get(cx).exact::<Class>().expect("checked").get().root_shape.get();
    let future = cx.heap.alloc(Future { base: FutureBase::new(Value::NONE) });
    future.set_shape(shape);
    AnyFuture::Future(future.held())
}

/// Gives a pending future its result or exception (or makes it cancelled, with a message), and schedules its callbacks.
pub(crate) fn finish(cx: &mut Cx, future: AnyFuture<'static>, state: FutureState, content: Raw) {
    let heap = cx.heap.forever();
    let base = future.base();
    debug_assert!(!base.is_done(), "a future is finished once");
    base.state.set(state);
    future.set_content(heap, Value::adopt(content));
    base.put(GATHERING, false);
    let timer = if base.has(PLACED) { 0 } else { base.timer.replace(0) };
    let event_loop = base.event_loop.value().raw();
    if timer != 0
        && let Some(state) = loops(cx).find(event_loop)
    {
        state.timers.cancel(heap, timer - 1);
    }
    if state == FutureState::Failed {
        base.put(UNRETRIEVED, true);
        heap.finalisable(future.value());
        if let Some(reference) = WeakRef::new(heap, future.value(), Value::NONE) {
            let reference = reference.value().raw();
            let all = loops(cx);
            all.failed.push(reference);
            all.patience = [0; 2];
        }
    }
    if base.first().0 != Callback::None {
        schedule_callbacks(cx, future);
    }
}

/// Moves the callbacks of a future that is done to the ready queue.
fn schedule_callbacks(cx: &mut Cx, future: AnyFuture<'static>) {
    let heap = cx.heap.forever();
    let base = future.base();
    let event_loop = base.event_loop.value().raw();
    let (kind, target) = base.first();
    let target = target.raw();
    if base.more.get().is_none() {
        future.clear_callbacks(heap);
        schedule_callback(cx, event_loop, future, kind, target);
        return;
    }
    let all = future.callbacks();
    future.clear_callbacks(heap);
    for (kind, target) in all {
        schedule_callback(cx, event_loop, future, kind, target);
    }
}

fn schedule_callback(cx: &mut Cx, event_loop: Raw, future: AnyFuture<'static>, kind: Callback, target: Raw) {
    let target = Value::adopt(target);
    let entry = match kind {
        Callback::None => return,
        Callback::Wake => {
            let task = target.exact::<crate::object::Task>().expect("a task is woken").held();
            note(cx, What::Wake, task.place.get(), 0);
            Ready::Wake(task)
        }
        Callback::Call => {
            if loops(cx).find(event_loop).is_some_and(|l| l.debug) {
                report::remember_handle(cx, target.exact::<Handle>().expect("a handle is called").held());
            }
            Ready::Done(target.exact::<Handle>().expect("a handle is called").held(), FutureRef::new(future))
        }
        Callback::Watch => {
            Ready::Watch(target.exact::<NativeObject>().expect("an object watches").held(), FutureRef::new(future))
        }
        Callback::Tell => {
            let object = target.exact::<Instance>().expect("an object of the library is told").held();
            Ready::Tell(object, Some(FutureRef::new(future)))
        }
    };
    schedule(cx, event_loop, entry);
}

/// Adds a callback; for a future that is done it is scheduled at once.
pub(crate) fn add_callback(cx: &mut Cx, future: AnyFuture<'static>, kind: Callback, target: Value<'_>) {
    if future.base().is_done() {
        let event_loop = future.base().event_loop.value().raw();
        schedule_callback(cx, event_loop, future, kind, target.raw());
    } else {
        future.add_callback(cx.heap.forever(), kind, target);
    }
}

/// Has a native watcher told when the future is done.
pub(crate) fn watch(cx: &mut Cx, future: AnyFuture<'static>, watcher: crate::heap::Gc<'static, NativeObject>) {
    add_callback(cx, future, Callback::Watch, watcher.value());
}

/// CancelledError with a message (None: without).
pub(crate) fn cancelled_error(cx: &mut Cx, message: Raw) -> Raw {
    if message.same(Raw::NONE) {
        return cx.new_exception(Exc::CancelledError, &[]).value().raw();
    }
    let mark = cx.mark();
    let message = cx.push_raw(message);
    let raw = cx.new_exception(Exc::CancelledError, &[message]).value().raw();
    cx.release(mark);
    raw
}

/// The exception that awaiting a cancelled future raises: the one that ended the task, for the first who asks.
pub(crate) fn take_cancelled(cx: &mut Cx, future: AnyFuture<'static>) -> Raw {
    let content = future.base().content.get().raw();
    if future.base().has(HAS_EXCEPTION) {
        future.base().put(HAS_EXCEPTION, false);
        future.set_content(&cx.heap, Value::NONE);
        return content;
    }
    cancelled_error(cx, content)
}

/// The exception of a future that failed, as its next reader raises it.
pub(crate) fn take_exception(cx: &mut Cx, future: AnyFuture<'static>) -> Raw {
    let base = future.base();
    base.put(UNRETRIEVED, false);
    let raw = base.content.get().raw();
    if base.has(RAISED)
        && let Some(exception) = Value::adopt(raw).cell_of_kind::<Exception>()
    {
        exception.set_ref(&cx.heap, |e| &e.traceback, None);
    }
    base.put(RAISED, true);
    raw
}

/// `result()`.
pub(crate) fn take_result(cx: &mut Cx, future: AnyFuture<'static>) -> NativeResult {
    match future.base().state.get() {
        FutureState::Finished => {
            future.base().put(UNRETRIEVED, false);
            Ok(Outcome::Value(future.base().content.get().raw()))
        }
        FutureState::Failed => {
            let raw = take_exception(cx, future);
            cx.take_context(raw);
            let exception = cx.push_raw(raw);
            Err(cx.rethrow(exception))
        }
        FutureState::Cancelled => {
            let raw = take_cancelled(cx, future);
            cx.take_context(raw);
            let exception = cx.push_raw(raw);
            Err(cx.rethrow(exception))
        }
        FutureState::Pending => Err(cx.raise_text(Exc::InvalidStateError, "Result is not set.")),
    }
}

/// `exception()`.
pub(crate) fn exception(cx: &mut Cx, future: AnyFuture<'static>) -> NativeResult {
    match future.base().state.get() {
        FutureState::Finished => Ok(Outcome::NONE),
        FutureState::Failed => {
            future.base().put(UNRETRIEVED, false);
            Ok(Outcome::Value(future.base().content.get().raw()))
        }
        FutureState::Cancelled => take_result(cx, future),
        FutureState::Pending => Err(cx.raise_text(Exc::InvalidStateError, "Exception is not set.")),
    }
}

/// `set_exception(exception)`: an instance or a class.
pub(crate) fn set_exception(cx: &mut Cx, future: Root, exception: Root) -> Result<(), Raised> {
    let this = AnyFuture::of(future.get(cx)).expect("checked").held();
    if this.base().is_done() {
        return Err(invalid_state(cx, future));
    }
    let base = cx.exception_class(Exc::BaseException).held();
    let exception = match exception.get(cx).exact::<Class>() {
        Some(class) if class.is_subclass(base) => cx.call(exception, &[])?,
        _ => exception,
    };
    if exception.get(cx).kind() != Kind::Exception {
        return Err(cx.type_error("invalid exception object".into()));
    }
    let raw = if cx.is_exception(exception.get(cx), Exc::StopIteration) {
        let text = "StopIteration interacts badly with generators and cannot be raised into a Future";
        let text = cx.str(text).value().raw();
        let text = cx.push_raw(text);
        let new = cx.new_exception(Exc::RuntimeError, &[text]).held();
        new.set_any(&cx.heap, |e| &e.cause, exception.get(cx));
        new.set_any(&cx.heap, |e| &e.context, exception.get(cx));
        new.value().raw()
    } else {
        exception.get(cx).raw()
    };
    finish(cx, this, FutureState::Failed, raw);
    Ok(())
}

/// InvalidStateError of a second result.
pub(crate) fn invalid_state(cx: &mut Cx, _future: Root) -> Raised {
    cx.raise_text(Exc::InvalidStateError, "invalid state")
}

/// `cancel(message)`. A task that waits has what it waits for cancelled; the chain is followed in a loop, since it may be long.
pub(crate) fn cancel(cx: &mut Cx, future: AnyFuture<'static>, message: Raw) -> Result<bool, Raised> {
    let mut at = future;
    if !is_plain(cx, at) && overrides_cancel(cx, at) && !std::ptr::eq(at.base(), future.base()) {
        return call_cancel(cx, at, message);
    }
    // Tasks that wait for each other in a circle would be gone round for ever: one of them is remembered, after 1, 2, 4 steps and so on.
    let (mut remembered, mut steps, mut next) = (at, 0u64, 1u64);
    loop {
        let AnyFuture::Task(task) = at else { return cancel_future(cx, at, message) };
        at.base().put(UNRETRIEVED, false);
        if at.base().is_done() {
            return Ok(false);
        }
        task.cancels.set(task.cancels.get() + 1);
        let by = loops(cx).running().and_then(|l| l.current).map_or(0, |t| t.place.get());
        note(cx, What::Cancel, task.place.get(), by);
        let waiter = AnyFuture::of(task.waiter.value()).map(AnyFuture::held);
        if let Some(waiter) = waiter {
            let done = waiter.base().is_done();
            if !done && (is_plain(cx, waiter) || !overrides_cancel(cx, waiter)) && waiter.task().is_some() {
                at = waiter;
                if std::ptr::eq(at.base(), remembered.base()) {
                    return Err(cx.recursion_error());
                }
                steps += 1;
                if steps == next {
                    (remembered, steps, next) = (at, 0, next * 2);
                }
                continue;
            }
            let accepted = !done
                && if is_plain(cx, waiter) || !overrides_cancel(cx, waiter) {
                    cancel_future(cx, waiter, message)?
                } else {
                    call_cancel(cx, waiter, message)?
                };
            if accepted {
                return Ok(true);
            }
        }
        at.base().put(MUST_CANCEL, true);
        at.set_content(&cx.heap, Value::adopt(message));
        return Ok(true);
    }
}

/// Whether it is of the class `Future` or `Task` itself.
fn is_plain(cx: &mut Cx, future: AnyFuture<'static>) -> bool {
    let all = loops(cx);
    match future {
        AnyFuture::Future(f) => f.shape() == all.future_shape || f.shape() == all.gather_shape,
        AnyFuture::Task(t) => t.shape() == all.task_shape,
    }
}

/// Whether a derived class has a `cancel` of its own.
fn overrides_cancel(cx: &mut Cx, future: AnyFuture<'static>) -> bool {
    let class = cx.class_of(future.value()).held();
    let name = cx.intern("cancel").held();
    cx.lookup_class(class, name).is_some_and(|method| method.kind() != Kind::Native)
}

fn call_cancel(cx: &mut Cx, future: AnyFuture<'static>, message: Raw) -> Result<bool, Raised> {
    let mark = cx.mark();
    let object = cx.push_raw(future.raw());
    let result = if message.same(Raw::NONE) {
        cx.call_method(object, "cancel", &[])?
    } else {
        let message = cx.push_raw(message);
        cx.call_method(object, "cancel", &[message])?
    };
    let truth = cx.truth(result)?;
    cx.release(mark);
    Ok(truth)
}

/// Cancels a future that is no task.
pub(crate) fn cancel_future(cx: &mut Cx, future: AnyFuture<'static>, message: Raw) -> Result<bool, Raised> {
    let base = future.base();
    base.put(UNRETRIEVED, false);
    if base.is_done() {
        return Ok(false);
    }
    if base.has(GATHERING) {
        let gatherer = base.content.get().raw();
        return combine::cancel_children(cx, gatherer, message);
    }
    finish(cx, future, FutureState::Cancelled, message);
    Ok(true)
}

/// Adds a callable that is called with the future when it is done.
pub(crate) fn add_done_callback(cx: &mut Cx, future: AnyFuture<'static>, callable: Root, given: Option<Raw>) {
    let context = given.unwrap_or_else(|| context::snapshot_raw(cx));
    let handle = cx.heap.alloc(Handle {
        callback: Slot::new(callable.get(cx)),
        args: AnyRef::none(),
        context: AnyRef::new(Value::adopt(context)),
        event_loop: AnyRef::new(future.base().event_loop.value()),
        when: std::cell::Cell::new(0.0),
        whole: std::cell::Cell::new(false),
        timer: std::cell::Cell::new(0),
        is_timer: false,
        cancelled: std::cell::Cell::new(false),
        source: AnyRef::none(),
    });
    let handle = handle.held();
    add_callback(cx, future, Callback::Call, handle.value());
}

/// `remove_done_callback(callable)`: how many there were.
pub(crate) fn remove_done_callback(cx: &mut Cx, future: AnyFuture<'static>, callable: Root) -> Result<i64, Raised> {
    let all = future.callbacks();
    let mut kept = vec![];
    let mut removed = 0;
    for (kind, target) in all {
        let mut same = false;
        if kind == Callback::Call
            && let Some(handle) = Value::adopt(target).exact::<Handle>()
        {
            let mark = cx.mark();
            let raw = handle.callback.get().raw();
            let other = cx.push_raw(raw);
            same = cx.equals(other, callable)?;
            cx.release(mark);
        }
        if same { removed += 1 } else { kept.push((kind, target)) }
    }
    if removed > 0 {
        future.set_callbacks(cx.heap.forever(), &kept);
    }
    Ok(removed)
}

/// Awaiting a future: done it gives its result; else it is yielded to the task, which is woken when it is done.
pub(crate) fn drive(cx: &mut Cx, awaitable: Root, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        let raw = exception.get(cx).raw();
        cx.take_own_context(raw);
        return Err(cx.rethrow(exception));
    }
    let future = AnyFuture::of(awaitable.get(cx)).expect("the driver of futures").held();
    if future.base().is_done() {
        return take_result(cx, future);
    }
    if future.base().has(BLOCKING) {
        return Err(cx.runtime_error("await wasn't used with future"));
    }
    future.base().put(BLOCKING, true);
    Ok(Outcome::Suspend { value: awaitable, then: Then::Return })
}
