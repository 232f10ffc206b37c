//! `timeout`, `timeout_at` and `wait_for`: a time after which the task is cancelled, and the cancellation turned into TimeoutError.

use crate::bytecode::op::AwaitContext;
use crate::heap::{Gc, Raw, Tracer, Value};
use crate::native::natives;
use crate::object::{AnyFuture, Exc, Exception, MUST_CANCEL, NativeObject, Payload, Task, Tuple};
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Resumed, Root, Then};

use super::clock::Use;
use super::{Ready, clock, custom, functions, future, loops, running_object};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Created,
    Active,
    Expiring,
    Expired,
    Finished,
}

/// The payload of a `Timeout`.
#[derive(Debug)]
pub(crate) struct Timeout {
    state: State,
    when: Option<(f64, bool)>,
    /// The number of its timer plus one.
    timer: u32,
    /// Which of its requests to be told counts: earlier ones were cancelled.
    ticket: u32,
    /// Whether a request is under way.
    armed: bool,
    task: Raw,
    /// Requests to cancel the task when the block was entered.
    cancels: u32,
    event_loop: Raw,
}

impl Payload for Timeout {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        tracer.raw(self.task);
        tracer.raw(self.event_loop);
    }
}

/// A `Timeout` that was not entered.
pub(crate) fn new(cx: &mut Cx, when: Option<(f64, bool)>) -> Gc<'static, NativeObject> {
    let payload = Timeout {
        state: State::Created,
        when,
        timer: 0,
        ticket: 0,
        armed: false,
        task: Raw::NONE,
        cancels: 0,
        event_loop: Raw::NONE,
    };
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(payload), 0), |_| Value::NONE);
    object.set_shape(cx.named_class("Timeout").get().root_shape.get());
    object.held()
}

fn this(cx: &Cx, root: Root) -> Gc<'static, NativeObject> {
    root.get(cx).exact::<NativeObject>().expect("a method's receiver").held()
}

fn with<R>(object: Gc<'static, NativeObject>, work: impl FnOnce(&mut Timeout) -> R) -> R {
    object.with(work).expect("a timeout")
}

fn enter(cx: &mut Cx, object: Gc<'static, NativeObject>) -> Result<(), Raised> {
    if with(object, |t| t.state) != State::Created {
        return Err(cx.runtime_error("Timeout has already been entered"));
    }
    running_object(cx)?;
    let Some((task, event_loop)) = loops(cx).running().and_then(|l| l.current.map(|t| (t, l.object))) else {
        return Err(cx.runtime_error("Timeout should be used inside a task"));
    };
    cx.heap.barrier_of(object.value());
    let when = with(object, |t| {
        t.state = State::Active;
        t.task = task.value().raw();
        t.event_loop = event_loop;
        t.cancels = task.cancels.get();
        t.when
    });
    arm(cx, object, when)
}

/// Asks to be told at a time, or never.
fn arm(cx: &mut Cx, object: Gc<'static, NativeObject>, when: Option<(f64, bool)>) -> Result<(), Raised> {
    disarm(cx, object);
    with(object, |t| t.when = when);
    let Some((when, whole)) = when else { return Ok(()) };
    let mark = cx.mark();
    cx.push(object.value());
    let event_loop = with(object, |t| t.event_loop);
    let now = custom::time(cx, event_loop)?;
    let heap = cx.heap.forever();
    let Some(state) = loops(cx).find(event_loop) else { return Ok(()) };
    let ticket = with(object, |t| {
        t.armed = true;
        t.ticket
    });
    if when <= now {
        state.push(Ready::Expire(object, ticket));
    } else if state.own.call_at || state.own.time {
        let timer = custom::call_at(cx, event_loop, custom::number(when, whole), object.value().raw(), ticket)?;
        with(object, |t| t.timer = timer);
    } else {
        let timer = state.timers.add(heap, when, object.value()) + 1;
        with(object, |t| t.timer = timer);
    }
    cx.release(mark);
    Ok(())
}

fn disarm(cx: &mut Cx, object: Gc<'static, NativeObject>) {
    let heap = cx.heap.forever();
    let (timer, event_loop) = with(object, |t| {
        t.armed = false;
        t.ticket = t.ticket.wrapping_add(1);
        (std::mem::take(&mut t.timer), t.event_loop)
    });
    if timer != 0
        && let Some(state) = loops(cx).find(event_loop)
    {
        state.timers.cancel(heap, timer - 1);
    }
}

/// Whether an object is a `Timeout`.
pub(crate) fn is_timeout(object: Gc<'static, NativeObject>) -> bool {
    object.with(|_: &mut Timeout| ()).is_some()
}

/// Its timer is due: the ticket for the ready queue.
pub(crate) fn due(object: Gc<'static, NativeObject>) -> Option<u32> {
    object.with(|t: &mut Timeout| {
        t.timer = 0;
        t.ticket
    })
}

/// The time is over.
pub(crate) fn expire(cx: &mut Cx, object: Gc<'static, NativeObject>, ticket: u32) -> Result<(), Raised> {
    let task = with(object, |t| {
        if t.state != State::Active || !t.armed || t.ticket != ticket {
            return None;
        }
        t.state = State::Expiring;
        t.armed = false;
        Some(t.task)
    });
    if let Some(task) = task.and_then(|raw| AnyFuture::of(Value::adopt(raw))).map(AnyFuture::held) {
        future::cancel(cx, task, Raw::NONE)?;
    }
    Ok(())
}

/// `task.uncancel()`.
pub(crate) fn uncancel(task: Gc<'static, Task>) -> u32 {
    let left = task.cancels.get().saturating_sub(1);
    task.cancels.set(left);
    if left == 0 {
        task.base.put(MUST_CANCEL, false);
    }
    left
}

/// Leaves the block, with an exception or None: whether the exception becomes TimeoutError.
fn exit(cx: &mut Cx, object: Gc<'static, NativeObject>, exception: Root) -> bool {
    disarm(cx, object);
    let (state, task, cancels) = with(object, |t| {
        let state = t.state;
        match state {
            State::Expiring => t.state = State::Expired,
            State::Active => t.state = State::Finished,
            State::Created | State::Expired | State::Finished => {}
        }
        (state, t.task, t.cancels)
    });
    if state != State::Expiring {
        return false;
    }
    let Some(task) = Value::adopt(task).exact::<Task>().map(Gc::held) else { return false };
    if uncancel(task) > cancels || exception.get(cx).is_none() {
        return false;
    }
    if cx.is_exception(exception.get(cx), Exc::CancelledError) {
        return true;
    }
    insert(cx, exception);
    if cx.is_exception(exception.get(cx), Exc::ExceptionGroup) {
        let group = exception.get(cx).cell_of_kind::<Exception>().expect("an exception").held();
        if let Some(members) = group.field(1).exact::<Tuple>().map(Gc::held) {
            for member in members.items() {
                let mark = cx.mark();
                let member = cx.push(member);
                insert(cx, member);
                cx.release(mark);
            }
        }
    }
    false
}

/// The nearest CancelledError among the contexts of an exception becomes the cause of a TimeoutError in its place.
fn insert(cx: &mut Cx, exception: Root) {
    let mut at = exception.get(cx).cell_of_kind::<Exception>().map(Gc::held);
    let mut steps = 0;
    while let Some(current) = at {
        let Some(next) = current.get().context.get::<Exception>().map(Gc::held) else { return };
        if cx.is_exception(next.value(), Exc::CancelledError) {
            let error = cx.new_exception(Exc::TimeoutError, &[]).held();
            error.set_any(&cx.heap, |e| &e.cause, next.value());
            error.set_any(&cx.heap, |e| &e.context, next.value());
            error.get().suppress_context.set(true);
            current.set_any(&cx.heap, |e| &e.context, error.value());
            return;
        }
        at = Some(next);
        steps += 1;
        if steps > 100_000 {
            return;
        }
    }
}

/// Raises TimeoutError from a CancelledError.
fn raise_timeout(cx: &mut Cx, cause: Root) -> Raised {
    let error = cx.new_exception(Exc::TimeoutError, &[]).held();
    error.set_any(&cx.heap, |e| &e.cause, cause.get(cx));
    error.set_any(&cx.heap, |e| &e.context, cause.get(cx));
    error.get().suppress_context.set(true);
    let error = cx.push(error.value());
    cx.rethrow(error)
}

fn deadline(cx: &mut Cx, delay: Root, first: clock::Use) -> Result<Option<(f64, bool)>, Raised> {
    if delay.get(cx).is_none() {
        return Ok(None);
    }
    let whole = delay.get(cx).as_int().is_some();
    Ok(Some((clock::seconds(cx, delay, first)?, whole)))
}

natives!(
    /// A time limit for a block of code.
    pub(super) static TIMEOUT: ScriptMethods;

    /// Make a time limit; None for no limit.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] when: Root) -> NativeResult {
        let when = deadline(cx, when, Use::CompareTime)?;
        Ok(new(cx, when).into())
    }

    /// When the time is over, in the loop's time; None for no limit.
    fn when(cx: &mut Cx, this: Root) -> NativeResult {
        let this = self::this(cx, this);
        Ok(with(this, |t| t.when).map_or(Outcome::NONE, |(when, whole)| Outcome::Value(custom::number(when, whole))))
    }

    /// Set another time.
    fn reschedule(cx: &mut Cx, this: Root, #[either] when: Root) -> NativeResult {
        let object = self::this(cx, this);
        let text = match with(object, |t| t.state) {
            State::Active => None,
            State::Created => Some("Timeout has not been entered"),
            State::Expiring => Some("Cannot change state of expiring Timeout"),
            State::Expired => Some("Cannot change state of expired Timeout"),
            State::Finished => Some("Cannot change state of finished Timeout"),
        };
        if let Some(text) = text {
            return Err(cx.runtime_error(text));
        }
        let when = deadline(cx, when, Use::CompareTime)?;
        arm(cx, object, when)?;
        Ok(Outcome::NONE)
    }

    /// Whether the time is over.
    fn expired(cx: &mut Cx, this: Root) -> NativeResult {
        let this = self::this(cx, this);
        Ok(with(this, |t| matches!(t.state, State::Expiring | State::Expired)).into())
    }

    /// Enter the block.
    #[suspends]
    fn __aenter__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        enter(cx, object)?;
        Ok(this.get(cx).into())
    }

    /// Leave the block.
    #[suspends]
    fn __aexit__(cx: &mut Cx, this: Root, kind: Root, exception: Root, traceback: Root) -> NativeResult {
        let object = self::this(cx, this);
        if exit(cx, object, exception) { Err(raise_timeout(cx, exception)) } else { Ok(Outcome::NONE) }
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        let (state, when) = with(object, |t| (t.state, t.when));
        let text = match state {
            State::Created => "<Timeout [created]>".to_owned(),
            State::Expiring => "<Timeout [expiring]>".to_owned(),
            State::Expired => "<Timeout [expired]>".to_owned(),
            State::Finished => "<Timeout [finished]>".to_owned(),
            State::Active => match when {
                None => "<Timeout [active] when=None>".to_owned(),
                Some((when, true)) => format!("<Timeout [active] when={when}>"),
                Some((when, false)) => {
                    let rounded = cx.push_raw(Raw::float((when * 1000.0).round_ties_even() / 1000.0));
                    format!("<Timeout [active] when={}>", cx.repr_text(rounded)?)
                }
            },
        };
        Ok(cx.str(&text).into())
    }
);

natives!(
    /// Time limits.
    pub(super) static TIMEOUTS: ScriptFunctions;

    /// Limit the time a block may take, in seconds from now; None for no limit.
    fn timeout(cx: &mut Cx, #[either] delay: Root) -> NativeResult {
        let event_loop = running_object(cx)?;
        let delay = deadline(cx, delay, Use::Add)?;
        let when = match delay {
            Some((delay, whole)) => {
                let (now, in_whole) = custom::time_of(cx, event_loop)?;
                Some((now + delay, whole && in_whole))
            }
            None => None,
        };
        Ok(new(cx, when).into())
    }

    /// Limit the time a block may take, to a time of the loop's clock; None for no limit.
    fn timeout_at(cx: &mut Cx, #[either] when: Root) -> NativeResult {
        let when = deadline(cx, when, Use::CompareTime)?;
        Ok(new(cx, when).into())
    }

    /// Wait for an awaitable, at most `timeout` seconds; then cancel it and raise TimeoutError.
    #[suspends]
    fn wait_for(cx: &mut Cx, #[either] fut: Root, #[either] timeout: Root) -> NativeResult {
        let limit = deadline(cx, timeout, Use::Compare)?;
        if let Some((limit, _)) = limit
            && limit <= 0.0
        {
            return at_once(cx, fut);
        }
        let event_loop = running_object(cx)?;
        let when = match limit {
            Some((limit, whole)) => {
                let (now, in_whole) = custom::time_of(cx, event_loop)?;
                Some((now + limit, whole && in_whole))
            }
            None => None,
        };
        let object = new(cx, when);
        enter(cx, object)?;
        // The window: what is awaited and the time limit, in the places of the arguments.
        timeout_place(cx, fut, object);
        let raw = fut.get(cx).raw();
        match awaitable(cx, raw) {
            Ok(awaited) => {
                cx.release(fut.number() + FIXED);
                fut.set(cx, Value::adopt(awaited));
                let target = fut;
                let input = cx.push_raw(Raw::NONE);
                Ok(Outcome::Resume { target, input, throw: false, then: Then::Catch(inner) })
            }
            Err(raised) => {
                let exception = cx.take_raised(raised);
                let exception = cx.push_raw(exception);
                exit(cx, object, exception);
                Err(cx.rethrow(exception))
            }
        }
    }
);

/// What awaiting a value drives.
pub(crate) fn awaitable(cx: &mut Cx, raw: Raw) -> Result<Raw, Raised> {
    if AnyFuture::of(Value::adopt(raw)).is_some() {
        return Ok(raw);
    }
    match Value::adopt(raw).kind() {
        crate::heap::Kind::Instance => {
            let object = cx.push_raw(raw);
            let Some(method) = cx.special_method(object, crate::vm::Name::Await)? else {
                let got = cx.type_name_for_error(Value::adopt(raw));
                return Err(cx.type_error(format!("'{got}' object can't be awaited")));
            };
            let iterator = cx.call(method, &[])?;
            let raw = iterator.get(cx).raw();
            crate::vm::coroutine::checked_iterator(cx, raw)
        }
        _ => match cx.awaitable_outcome(raw, AwaitContext::Await as u8)? {
            Outcome::Value(raw) => Ok(raw),
            _ => Err(cx.type_error("an object with a native __await__ cannot be awaited here".into())),
        },
    }
}

// wait_for's window while it waits.
const AWAITED: usize = 0;
const LIMIT: usize = 1;
const FIXED: u32 = 2;

/// Puts the time limit into the place of the second argument.
fn timeout_place(cx: &mut Cx, fut: Root, object: Gc<'static, NativeObject>) {
    fut.offset(1).set(cx, object.value());
}

fn inner(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let object = this(cx, window.root(LIMIT));
    match resumed {
        Resumed::Yielded(value) => {
            let raw = value.get(cx).raw();
            cx.release(window.start() + FIXED);
            // Read at once, so it need not be part of what is kept.
            let value = cx.push_raw(raw);
            cx.release(window.start() + FIXED);
            Ok(Outcome::Suspend { value, then: Then::Catch(outer) })
        }
        Resumed::Returned(value) => {
            let none = cx.push_raw(Raw::NONE);
            exit(cx, object, none);
            Ok(value.get(cx).into())
        }
        Resumed::Raised(exception) => {
            if exit(cx, object, exception) {
                Err(raise_timeout(cx, exception))
            } else {
                Err(cx.rethrow(exception))
            }
        }
    }
}

fn outer(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (raw, throw) = match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => (value.get(cx).raw(), false),
        Resumed::Raised(exception) => (exception.get(cx).raw(), true),
    };
    cx.release(window.start() + FIXED);
    let input = cx.push_raw(raw);
    Ok(Outcome::Resume { target: window.root(AWAITED), input, throw, then: Then::Catch(inner) })
}

/// `wait_for` without time: what is done gives its result, everything else is cancelled.
fn at_once(cx: &mut Cx, fut: Root) -> NativeResult {
    let event_loop = running_object(cx)?;
    let raw = functions::ensure_future(cx, event_loop, fut)?;
    let inner = AnyFuture::of(Value::adopt(raw)).expect("a future").held();
    if inner.base().is_done() {
        return future::take_result(cx, inner);
    }
    // It is cancelled, and waited for until it really ends.
    let waiter = future::new(cx, event_loop);
    let watcher = super::combine::release_watcher(cx, waiter.raw());
    cx.release(fut.number() + 2);
    cx.push_raw(raw);
    cx.push(watcher.value());
    let waiter_root = cx.push(waiter.value());
    future::watch(cx, inner, watcher);
    future::cancel(cx, inner, Raw::NONE)?;
    waiter.base().put(crate::object::BLOCKING, true);
    Ok(Outcome::Suspend { value: waiter_root, then: Then::Catch(ended) })
}

/// The window: fut, timeout, the task, its watcher, the waiter.
fn ended(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let inner = AnyFuture::of(window.get(cx, 2)).expect("a future").held();
    inner.remove_target(cx.heap.forever(), Value::adopt(window.get(cx, 3).raw()));
    if let Resumed::Raised(exception) = resumed {
        return Err(cx.rethrow(exception));
    }
    match future::take_result(cx, inner) {
        Ok(outcome) => Ok(outcome),
        Err(raised) => {
            let exception = cx.take_raised(raised);
            let exception = cx.push_raw(exception);
            if cx.is_exception(exception.get(cx), Exc::CancelledError) {
                return Err(raise_timeout(cx, exception));
            }
            Err(cx.rethrow(exception))
        }
    }
}
