//! The types `Future` and `Task`: their methods and attributes.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::object::{AnyFuture, BLOCKING, FutureState, NativeObject, Payload};
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Rest, Root};

use super::functions::{any, check_context, given_loop, optional_context, task_of};
use super::{context, future, loops, loops_ref, report, repr, task, timeout};

/// Callbacks became ready: a loop with a `call_soon` of its own is told.
fn announced(cx: &mut Cx, future: crate::object::AnyFuture<'static>, outcome: Outcome) -> NativeResult {
    let object = future.base().event_loop.value().raw();
    super::custom::announced(cx, object, outcome)
}

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
            Some(event_loop) => given_loop(cx, event_loop)?,
            None => super::functions::event_loop(cx)?,
        };
        let future = any(cx, this);
        future.set_loop(&cx.heap, Value::adopt(event_loop));
        if loops(cx).find(event_loop).is_some_and(|l| l.debug) {
            report::remember_origin(cx, future);
        }
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
        announced(cx, future, Outcome::NONE)
    }

    /// Set the exception.
    fn set_exception(cx: &mut Cx, this: Root, exception: Root) -> NativeResult {
        future::set_exception(cx, this, exception)?;
        let future = any(cx, this);
        announced(cx, future, Outcome::NONE)
    }

    /// Cancel it; False if it is done.
    fn cancel(cx: &mut Cx, this: Root, #[either] msg: Option<Root>) -> NativeResult {
        let message = msg.map_or(Raw::NONE, |m| m.get(cx).raw());
        let this = any(cx, this);
        let accepted = future::cancel(cx, this, message)?;
        announced(cx, this, accepted.into())
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
        announced(cx, this, Outcome::NONE)
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

    /// What waits for it, or None.
    #[getter]
    fn _asyncio_awaited_by(cx: &mut Cx, this: Root) -> NativeResult {
        super::graph::awaited_by(cx, this)
    }

    /// The exception it failed with, or None.
    #[getter]
    fn _exception(cx: &mut Cx, this: Root) -> NativeResult {
        let base = any(cx, this);
        match base.base().state.get() {
            FutureState::Failed => Ok(Outcome::Value(base.base().content.get().raw())),
            _ => Ok(Outcome::NONE),
        }
    }

    /// The result, or None.
    #[getter]
    fn _result(cx: &mut Cx, this: Root) -> NativeResult {
        let base = any(cx, this);
        match base.base().state.get() {
            FutureState::Finished => Ok(Outcome::Value(base.base().content.get().raw())),
            _ => Ok(Outcome::NONE),
        }
    }

    /// The functions that are called when it is done, each with its context; None without any.
    #[getter]
    fn _callbacks(cx: &mut Cx, this: Root) -> NativeResult {
        let mut pairs = vec![];
        for (_, target) in any(cx, this).callbacks() {
            let Some(handle) = Value::adopt(target).exact::<crate::object::Handle>() else { continue };
            pairs.push((handle.callback.get().raw(), handle.get().context.value().raw()));
        }
        if pairs.is_empty() {
            return Ok(Outcome::NONE);
        }
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        for (callback, kept) in pairs {
            let kept = context::object(cx, kept);
            let pair = cx.tuple(&[Value::adopt(callback), Value::adopt(kept)]).value().raw();
            let pair = cx.push_raw(pair);
            cx.list_push(list, pair)?;
        }
        Ok(list.get(cx).into())
    }

    /// What it was cancelled with, or is going to be.
    #[getter]
    fn _cancel_message(cx: &mut Cx, this: Root) -> NativeResult {
        let base = any(cx, this);
        let base = base.base();
        let waits = base.state.get() == FutureState::Pending && base.has(crate::object::MUST_CANCEL);
        let plain = base.state.get() == FutureState::Cancelled && !base.has(crate::object::HAS_EXCEPTION);
        if waits || plain {
            return Ok(Outcome::Value(base.content.get().raw()));
        }
        Ok(Outcome::NONE)
    }

    /// Set what it was cancelled with.
    #[setter]
    #[name("_cancel_message")]
    fn set_cancel_message(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let future = any(cx, this);
        let base = future.base();
        if base.state.get() == FutureState::Cancelled && !base.has(crate::object::HAS_EXCEPTION)
            || base.has(crate::object::MUST_CANCEL)
        {
            future.set_content(&cx.heap, value.get(cx));
        }
        Ok(Outcome::NONE)
    }

    /// Whether it failed and nobody asked for its exception yet.
    #[getter]
    fn _log_traceback(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(any(cx, this).base().has(crate::object::UNRETRIEVED).into())
    }

    /// Can only be set to False.
    #[setter]
    #[name("_log_traceback")]
    fn set_log_traceback(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if cx.truth(value)? {
            return Err(cx.value_error("_log_traceback can only be set to False"));
        }
        any(cx, this).base().put(crate::object::UNRETRIEVED, false);
        Ok(Outcome::NONE)
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
pub(super) struct Waiting;

impl Payload for Waiting {}

pub(super) fn waited_for(cx: &Cx, this: Root) -> AnyFuture<'static> {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver").held();
    AnyFuture::of(object.tail()[0].get()).expect("a future").held()
}

pub(super) fn next_step(cx: &mut Cx, this: Root) -> NativeResult {
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
            Some(event_loop) => given_loop(cx, event_loop)?,
            None => super::functions::event_loop(cx)?,
        };
        let context = optional_context(cx, context)?;
        let task = task_of(cx, this);
        task::initialise(cx, task, event_loop, coro, name, context)?;
        if eager_start && loops(cx).is_running_here(event_loop) {
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

    /// The frames it stands in: where it waits, or where its exception came from.
    fn get_stack(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        super::functions::delegate(cx, "get_stack", this, args.0, kwargs.0)
    }

    /// Print the frames it stands in.
    fn print_stack(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        super::functions::delegate(cx, "print_stack", this, args.0, kwargs.0)
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
