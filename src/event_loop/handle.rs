//! Handles: callbacks that are scheduled, with their methods and order.

use crate::heap::{AnyRef, Gc, Raw, Slot, Value};
use crate::native::natives;
use crate::object::{Class, Handle, Tuple};
use crate::vm::native::{Args, Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};
use std::cell::Cell as StdCell;

use super::functions::{check_context, optional_context};
use super::{context, custom, loops, report, repr};

pub(super) fn handle_of(cx: &Cx, root: Root) -> Gc<'static, Handle> {
    root.get(cx).exact::<Handle>().expect("a method's receiver").held()
}

natives!(
    /// A callback that is scheduled.
    pub(super) static HANDLE: ScriptMethods;

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

    /// Make a handle; it is not scheduled.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let heap = cx.heap.forever();
        let timer = cx.named_class("TimerHandle").held();
        let is_timer = class.get(cx).exact::<Class>().is_some_and(|c| c.is_subclass(timer));
        let handle = heap.alloc(Handle {
            callback: Slot::new(Value::NONE),
            args: AnyRef::none(),
            context: AnyRef::none(),
            event_loop: AnyRef::none(),
            when: StdCell::new(0.0),
            whole: StdCell::new(false),
            timer: StdCell::new(0),
            is_timer,
            cancelled: StdCell::new(false),
            source: AnyRef::none(),
        });
        handle.set_shape(class.get(cx).exact::<Class>().expect("a class").get().root_shape.get());
        Ok(handle.value().into())
    }

    /// Say what it calls: it is not scheduled by that.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] callback: Root,
        #[either] args: Root,
        #[either] r#loop: Root,
        #[either] context: Option<Root>,
    ) -> NativeResult {
        fill(cx, this, callback, args, r#loop, context)?;
        Ok(Outcome::NONE)
    }

    /// What it calls; None once it is cancelled.
    #[getter]
    fn _callback(cx: &mut Cx, this: Root) -> NativeResult {
        let handle = handle_of(cx, this);
        if handle.cancelled.get() {
            return Ok(Outcome::NONE);
        }
        Ok(Outcome::Value(handle.get().callback.get().raw()))
    }

    /// What it is called with; None once it is cancelled.
    #[getter]
    fn _args(cx: &mut Cx, this: Root) -> NativeResult {
        let handle = handle_of(cx, this);
        if handle.cancelled.get() {
            return Ok(Outcome::NONE);
        }
        match handle.get().args.value().raw() {
            raw if raw.same(Raw::NONE) => Ok(cx.tuple(&[]).into()),
            raw => Ok(Outcome::Value(raw)),
        }
    }

    /// Whether it was cancelled.
    #[getter]
    fn _cancelled(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(handle_of(cx, this).cancelled.get().into())
    }

    /// The loop.
    #[getter]
    fn _loop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(handle_of(cx, this).get().event_loop.value().raw()))
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
    pub(super) static TIMER_HANDLE: ScriptMethods;

    /// Say when it calls what: it is not scheduled by that.
    fn __init__(
        cx: &mut Cx,
        this: Root,
        #[either] when: Root,
        #[either] callback: Root,
        #[either] args: Root,
        #[either] r#loop: Root,
        #[either] context: Option<Root>,
    ) -> NativeResult {
        let seconds = cx.to_float(when)?;
        handle_of(cx, this).when.set(seconds);
        let whole = when.get(cx).as_int().is_some();
        handle_of(cx, this).whole.set(whole);
        fill(cx, this, callback, args, r#loop, context)?;
        Ok(Outcome::NONE)
    }

    /// When it is called.
    #[getter]
    fn _when(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(when_of(cx, this)))
    }

    /// Whether the loop will call it.
    #[getter]
    fn _scheduled(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((handle_of(cx, this).timer.get() != 0).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let when = cx.push_raw(Raw::float(handle_of(cx, this).when.get()));
        Ok(cx.hash(when)?.into())
    }

    /// Return self==other.
    fn __eq__(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        same_call(cx, this, other)
    }

    /// Return self<other.
    fn __lt__(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        Ok(compare(cx, this, other, |a, b| a < b))
    }

    /// Return self<=other.
    fn __le__(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        or_same(cx, this, other, |a, b| a < b)
    }

    /// Return self>other.
    fn __gt__(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        Ok(compare(cx, this, other, |a, b| a > b))
    }

    /// Return self>=other.
    fn __ge__(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        or_same(cx, this, other, |a, b| a > b)
    }

    /// When it is called.
    fn when(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(when_of(cx, this)))
    }
);

/// When a timer is due, as it was given.
fn when_of(cx: &Cx, this: Root) -> Raw {
    let handle = handle_of(cx, this);
    custom::number(handle.when.get(), handle.whole.get())
}

/// Compares the times of two timers.
fn compare(cx: &mut Cx, this: Root, other: Root, decide: fn(f64, f64) -> bool) -> Outcome {
    match other.get(cx).cell_of_kind::<Handle>() {
        Some(other) if other.is_timer => decide(handle_of(cx, this).when.get(), other.when.get()).into(),
        _ => Outcome::Value(Raw::NOT_IMPLEMENTED),
    }
}

/// Compares the times of two timers; of those that are due at the same time only equal ones are in order.
fn or_same(cx: &mut Cx, this: Root, other: Root, decide: fn(f64, f64) -> bool) -> NativeResult {
    match compare(cx, this, other, decide) {
        Outcome::Value(raw) if raw.same(Raw::FALSE) => same_call(cx, this, other),
        decided => Ok(decided),
    }
}

/// Whether two timers call the same thing at the same time.
fn same_call(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
    let Some(b) = other.get(cx).cell_of_kind::<Handle>().filter(|b| b.is_timer).map(|b| b.held()) else {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    };
    let a = handle_of(cx, this);
    if a.when.get() != b.when.get() || a.cancelled.get() != b.cancelled.get() {
        return Ok(false.into());
    }
    if a.cancelled.get() {
        // What they would have called is forgotten.
        return Ok(true.into());
    }
    let (left, right) = (cx.push_raw(a.get().callback.get().raw()), cx.push_raw(b.get().callback.get().raw()));
    let (left_args, right_args) = (cx.push_raw(a.get().args.value().raw()), cx.push_raw(b.get().args.value().raw()));
    Ok((cx.equals(left, right)? && cx.equals(left_args, right_args)?).into())
}

/// Gives a handle that a script made what it calls.
fn fill(
    cx: &mut Cx,
    this: Root,
    callback: Root,
    args: Root,
    event_loop: Root,
    context: Option<Root>,
) -> Result<(), Raised> {
    let context = match context {
        Some(given) if !given.get(cx).is_none() => check_context(cx, given)?,
        _ => context::snapshot_raw(cx),
    };
    let handle = handle_of(cx, this);
    handle.set(&cx.heap, |h| &h.callback, callback.get(cx));
    let args = args.get(cx).exact::<Tuple>().map_or(Raw::NONE, |tuple| tuple.value().raw());
    handle.set_any(&cx.heap, |h| &h.args, Value::adopt(args));
    handle.set_any(&cx.heap, |h| &h.event_loop, event_loop.get(cx));
    handle.set_any(&cx.heap, |h| &h.context, Value::adopt(context));
    Ok(())
}

pub(super) fn new_handle(
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
        when: StdCell::new(when.unwrap_or(0.0)),
        whole: StdCell::new(false),
        timer: StdCell::new(0),
        is_timer: when.is_some(),
        cancelled: StdCell::new(false),
        source: AnyRef::none(),
    });
    if when.is_some() {
        handle.set_shape(cx.named_class("TimerHandle").get().root_shape.get());
    }
    let object = event_loop.get(cx).raw();
    if loops(cx).find(object).is_some_and(|l| l.debug) {
        report::remember_handle(cx, handle);
    }
    Ok(handle)
}
