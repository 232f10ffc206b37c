//! Lock, Event, Semaphore: queues of waiting tasks. Each waiter has a place in its queue, so one that is cancelled leaves at once
//! however many wait.

use std::collections::VecDeque;

use crate::heap::{Gc, Raw, Tracer, Value};
use crate::native::natives;
use crate::object::{AnyFuture, BLOCKING, ClassFlags, Exc, FutureState, NativeObject, PLACED, Payload};
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Raised, Resumed, Root, Then};

use super::{functions, future};

/// Futures of tasks that wait, in order. A place is a number that stays; those that left are UNBOUND until they reach an end.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    futures: VecDeque<Raw>,
    /// The place of the first.
    first: u64,
    len: usize,
    /// Everything before this place is done.
    woken: u64,
}

impl WaitQueue {
    /// Adds a future at the end; its place.
    pub(crate) fn push(&mut self, future: Raw) -> u64 {
        self.futures.push_back(future);
        self.len += 1;
        self.first + self.futures.len() as u64 - 1
    }

    /// Removes the one at a place; false if it left before.
    pub(crate) fn remove(&mut self, place: u64) -> bool {
        let Some(at) = place.checked_sub(self.first) else { return false };
        match self.futures.get_mut(at as usize) {
            Some(raw) if !raw.is_unbound() => *raw = Raw::UNBOUND,
            _ => return false,
        }
        self.len -= 1;
        while self.futures.front().is_some_and(|raw| raw.is_unbound()) {
            self.futures.pop_front();
            self.first += 1;
        }
        while self.futures.back().is_some_and(|raw| raw.is_unbound()) {
            self.futures.pop_back();
        }
        true
    }

    /// Removes a future that knows its place: the low bits of the number.
    pub(crate) fn leave(&mut self, future: AnyFuture<'static>) -> bool {
        let low = future.base().timer.get();
        self.remove(self.first + u64::from(low.wrapping_sub(self.first as u32)))
    }

    /// Number of waiters.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The waiters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AnyFuture<'static>> + '_ {
        self.futures.iter().filter_map(|raw| AnyFuture::of(Value::adopt(*raw)))
    }

    /// The first waiter.
    fn front(&self) -> Option<AnyFuture<'static>> {
        self.iter().next()
    }

    /// The first waiter that is not done.
    fn first_pending(&mut self) -> Option<AnyFuture<'static>> {
        let mut at = self.woken.max(self.first);
        while let Some(raw) = self.futures.get((at - self.first) as usize) {
            if let Some(future) = AnyFuture::of(Value::adopt(*raw)).map(AnyFuture::held)
                && !future.base().is_done()
            {
                self.woken = at;
                return Some(future);
            }
            at += 1;
        }
        self.woken = at;
        None
    }

    /// Takes out the first waiter.
    pub(crate) fn pop(&mut self) -> Option<AnyFuture<'static>> {
        let future = self.front()?;
        while let Some(raw) = self.futures.pop_front() {
            self.first += 1;
            if !raw.is_unbound() {
                break;
            }
        }
        self.len -= 1;
        Some(future)
    }

    pub(crate) fn trace(&self, tracer: &mut Tracer<'_>) {
        self.futures.iter().for_each(|raw| tracer.raw(*raw));
    }
}

/// The payload of a lock, event or semaphore.
#[derive(Debug)]
pub(crate) struct Sync {
    /// Lock: 1 is locked. Event: 1 is set. Semaphore: what is left.
    value: i64,
    bound: Option<i64>,
    event_loop: Raw,
    waiters: WaitQueue,
}

impl Payload for Sync {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        tracer.raw(self.event_loop);
        self.waiters.trace(tracer);
    }
}

impl Sync {
    fn new(value: i64) -> Sync {
        Sync { value, bound: None, event_loop: Raw::NONE, waiters: WaitQueue::default() }
    }

    /// A semaphore's `locked()`.
    fn is_taken(&self) -> bool {
        self.value == 0 || self.waiters.iter().any(|f| f.base().state.get() != FutureState::Cancelled)
    }
}

fn this(cx: &Cx, root: Root) -> Gc<'static, NativeObject> {
    root.get(cx).exact::<NativeObject>().expect("a method's receiver").held()
}

fn with<R>(object: Gc<'static, NativeObject>, work: impl FnOnce(&mut Sync) -> R) -> R {
    object.with(work).expect("a lock, event or semaphore")
}

fn wake(cx: &mut Cx, future: Option<AnyFuture<'static>>) -> bool {
    match future {
        Some(future) if !future.base().is_done() => {
            future::finish(cx, future, FutureState::Finished, Raw::TRUE);
            true
        }
        _ => false,
    }
}

/// The running loop, which the object belongs to from its first wait on.
pub(crate) fn bind(cx: &mut Cx, object: Root, bound: &mut Raw) -> Result<Raw, Raised> {
    let event_loop = super::running_object(cx)?;
    if bound.same(Raw::NONE) {
        *bound = event_loop;
    } else if !bound.same(event_loop) {
        let text = cx.repr_text(object)?;
        return Err(cx.runtime_error(format!("{text} is bound to a different event loop")));
    }
    Ok(event_loop)
}

/// Puts the task into the object's queue: pushes its place, and the outcome that suspends.
fn queue_up(cx: &mut Cx, object: Root, then: crate::vm::native::Continuation) -> NativeResult {
    let own = this(cx, object);
    let mut bound = with(own, |s| s.event_loop);
    let event_loop = bind(cx, object, &mut bound)?;
    let waiter = future::new(cx, event_loop);
    cx.heap.barrier_of(own.value());
    let place = with(own, |s| {
        s.event_loop = bound;
        s.waiters.push(waiter.raw())
    });
    waiter.base().put(BLOCKING | PLACED, true);
    waiter.base().timer.set(place as u32);
    let value = cx.push(waiter.value());
    Ok(Outcome::Suspend { value, then: Then::Catch(then) })
}

// The window while it waits: self, and the waiter, which knows its place.
const WAITER: usize = 1;

fn leave_queue(cx: &Cx, window: Args) -> (Gc<'static, NativeObject>, AnyFuture<'static>) {
    let object = this(cx, window.root(0));
    let waiter = AnyFuture::of(window.get(cx, WAITER)).expect("the waiter").held();
    with(object, |s| s.waiters.leave(waiter));
    (object, waiter)
}

fn is_cancelled(cx: &Cx, exception: Root) -> bool {
    cx.is_exception(exception.get(cx), Exc::CancelledError)
}

// ---- lock ----

fn lock_first(cx: &mut Cx, object: Gc<'static, NativeObject>) {
    let first = with(object, |s| s.waiters.front());
    wake(cx, first);
}

fn lock_acquired(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (object, waiter) = leave_queue(cx, window);
    if let Resumed::Raised(exception) = resumed {
        if !waiter.base().is_done() {
            future::finish(cx, waiter, FutureState::Cancelled, Raw::NONE);
        }
        if is_cancelled(cx, exception) && with(object, |s| s.value) == 0 {
            lock_first(cx, object);
        }
        return Err(cx.rethrow(exception));
    }
    with(object, |s| s.value = 1);
    Ok(true.into())
}

fn lock_acquire(cx: &mut Cx, object: Root) -> Result<Option<Outcome>, Raised> {
    let own = this(cx, object);
    let free = with(own, |s| {
        let free = s.value == 0 && s.waiters.iter().all(|f| f.base().state.get() == FutureState::Cancelled);
        if free {
            s.value = 1;
        }
        free
    });
    if free {
        return Ok(None);
    }
    queue_up(cx, object, lock_acquired).map(Some)
}

fn lock_release(cx: &mut Cx, object: Root) -> Result<(), Raised> {
    let own = this(cx, object);
    if with(own, |s| std::mem::replace(&mut s.value, 0)) == 0 {
        return Err(cx.runtime_error("Lock is not acquired."));
    }
    lock_first(cx, own);
    Ok(())
}

/// Whether a derived class has a method of this name.
fn overrides(cx: &mut Cx, object: Root, name: &str) -> bool {
    let class = cx.class_of(object.get(cx)).held();
    if !class.has(ClassFlags::HEAP) {
        return false;
    }
    let name = cx.intern(name).held();
    cx.lookup_class(class, name).is_some_and(|method| method.kind() != crate::heap::Kind::Native)
}

/// `async with` on an object whose class has an `acquire` of its own awaits that.
fn own_acquire(cx: &mut Cx, object: Root) -> Result<Option<Outcome>, Raised> {
    if !overrides(cx, object, "acquire") {
        return Ok(None);
    }
    let made = cx.call_method(object, "acquire", &[])?;
    let raw = made.get(cx).raw();
    let awaited = super::timeout::awaitable(cx, raw)?;
    // The window: the object, then what is driven.
    cx.release(object.number() + 1);
    let target = cx.push_raw(awaited);
    let input = cx.push_raw(Raw::NONE);
    Ok(Some(Outcome::Resume { target, input, throw: false, then: Then::Catch(own_acquired) }))
}

fn own_acquired(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(_) => Ok(Outcome::NONE),
        other => functions::wrapped(cx, window, other),
    }
}

/// The result of `acquire` is dropped by `async with`.
fn entered(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    lock_acquired(cx, window, resumed)?;
    Ok(Outcome::NONE)
}

fn described(cx: &mut Cx, object: Root, state: &str) -> NativeResult {
    let own = this(cx, object);
    let waiters = with(own, |s| s.waiters.len());
    let class = cx.class_of(object.get(cx)).held();
    let name = cx.class_path(class);
    let id = cx.heap.id(object.get(cx));
    let more = if waiters > 0 { format!(", waiters:{waiters}") } else { String::new() };
    Ok(cx.str(&format!("<{name} object at {id:#x} [{state}{more}]>")).into())
}

/// A deque of the futures that are waited for; None if nobody ever waited, where `lazy`.
fn waiting(cx: &mut Cx, this: Root, lazy: bool) -> NativeResult {
    let own = self::this(cx, this);
    let (futures, bound) =
        with(own, |s| (s.waiters.iter().map(AnyFuture::raw).collect::<Vec<Raw>>(), !s.event_loop.same(Raw::NONE)));
    if lazy && !bound { Ok(Outcome::NONE) } else { deque(cx, &futures) }
}

/// A deque of these.
pub(crate) fn deque(cx: &mut Cx, items: &[Raw]) -> NativeResult {
    let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
    let list = cx.list(&values).value().raw();
    let list = cx.push_raw(list);
    let collections = cx.import("collections")?;
    Ok(cx.call_method(collections, "deque", &[list])?.get(cx).into())
}

natives!(
    /// A lock for tasks: who asks first gets it first.
    pub(super) static LOCK: ScriptMethods;

    /// Make a lock.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        functions::new_object(cx, class, Box::new(Sync::new(0)))
    }

    /// Take the lock, waiting until it is free.
    #[suspends]
    fn acquire(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(lock_acquire(cx, this)?.unwrap_or(true.into()))
    }

    /// Give the lock back.
    fn release(cx: &mut Cx, this: Root) -> NativeResult {
        lock_release(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Whether somebody has the lock.
    fn locked(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(self::this(cx, this), |s| s.value) != 0).into())
    }

    /// Take the lock.
    #[suspends]
    fn __aenter__(cx: &mut Cx, this: Root) -> NativeResult {
        if let Some(outcome) = own_acquire(cx, this)? {
            return Ok(outcome);
        }
        match lock_acquire(cx, this)? {
            None => Ok(Outcome::NONE),
            Some(Outcome::Suspend { value, .. }) => Ok(Outcome::Suspend { value, then: Then::Catch(entered) }),
            Some(other) => Ok(other),
        }
    }

    /// Give the lock back.
    #[suspends]
    fn __aexit__(cx: &mut Cx, this: Root, kind: Root, exception: Root, traceback: Root) -> NativeResult {
        if overrides(cx, this, "release") {
            cx.call_method(this, "release", &[])?;
        } else {
            lock_release(cx, this)?;
        }
        Ok(Outcome::NONE)
    }

    /// Whether it is held.
    #[getter]
    fn _locked(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(self::this(cx, this), |s| s.value) != 0).into())
    }

    /// The futures that are waited for, in order: None before the first.
    #[getter]
    fn _waiters(cx: &mut Cx, this: Root) -> NativeResult {
        waiting(cx, this, true)
    }

    /// The loop it belongs to, once somebody waited.
    #[getter]
    fn _loop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(with(self::this(cx, this), |s| s.event_loop)))
    }

    /// Set the loop it belongs to.
    #[setter]
    #[name("_loop")]
    fn set_loop(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (own, raw) = (self::this(cx, this), value.get(cx).raw());
        cx.heap.barrier_of(own.value());
        with(own, |s| s.event_loop = raw);
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let locked = with(self::this(cx, this), |s| s.value) != 0;
        described(cx, this, if locked { "locked" } else { "unlocked" })
    }
);

// ---- event ----

fn event_waited(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (_, waiter) = leave_queue(cx, window);
    match resumed {
        Resumed::Raised(exception) => {
            if !waiter.base().is_done() {
                future::finish(cx, waiter, FutureState::Cancelled, Raw::NONE);
            }
            Err(cx.rethrow(exception))
        }
        _ => Ok(true.into()),
    }
}

natives!(
    /// Something that happens once, or again after `clear`.
    pub(super) static EVENT: ScriptMethods;

    /// Make an event that is not set.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        functions::new_object(cx, class, Box::new(Sync::new(0)))
    }

    /// Whether it is set.
    fn is_set(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(self::this(cx, this), |s| s.value) != 0).into())
    }

    /// Set it, and wake everybody who waits.
    fn set(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        let waiters: Vec<_> = with(object, |s| {
            if s.value != 0 {
                return vec![];
            }
            s.value = 1;
            s.waiters.iter().collect()
        });
        for waiter in waiters {
            wake(cx, Some(waiter));
        }
        Ok(Outcome::NONE)
    }

    /// Make it not set.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        with(self::this(cx, this), |s| s.value = 0);
        Ok(Outcome::NONE)
    }

    /// Wait until it is set.
    #[suspends]
    fn wait(cx: &mut Cx, this: Root) -> NativeResult {
        if with(self::this(cx, this), |s| s.value) != 0 {
            return Ok(true.into());
        }
        queue_up(cx, this, event_waited)
    }

    /// Whether it is set.
    #[getter]
    fn _value(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(self::this(cx, this), |s| s.value) != 0).into())
    }

    /// The futures that are waited for, in order.
    #[getter]
    fn _waiters(cx: &mut Cx, this: Root) -> NativeResult {
        waiting(cx, this, false)
    }

    /// The loop it belongs to, once somebody waited.
    #[getter]
    fn _loop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(with(self::this(cx, this), |s| s.event_loop)))
    }

    /// Set the loop it belongs to.
    #[setter]
    #[name("_loop")]
    fn set_loop(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (own, raw) = (self::this(cx, this), value.get(cx).raw());
        cx.heap.barrier_of(own.value());
        with(own, |s| s.event_loop = raw);
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let set = with(self::this(cx, this), |s| s.value) != 0;
        described(cx, this, if set { "set" } else { "unset" })
    }
);

// ---- semaphore ----

/// Hands a permit to the next waiter; false if nobody waits.
fn semaphore_next(cx: &mut Cx, object: Gc<'static, NativeObject>) -> bool {
    let next = with(object, |s| {
        let next = s.waiters.first_pending();
        if next.is_some() {
            s.value -= 1;
        }
        next
    });
    wake(cx, next)
}

fn semaphore_acquired(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (object, waiter) = leave_queue(cx, window);
    let result = match resumed {
        Resumed::Raised(exception) => {
            if !waiter.base().is_done() {
                future::finish(cx, waiter, FutureState::Cancelled, Raw::NONE);
            } else if is_cancelled(cx, exception) && waiter.base().state.get() != FutureState::Cancelled {
                with(object, |s| s.value += 1);
            }
            Err(exception)
        }
        _ => Ok(()),
    };
    while with(object, |s| s.value) > 0 && semaphore_next(cx, object) {}
    match result {
        Ok(()) => Ok(true.into()),
        Err(exception) => Err(cx.rethrow(exception)),
    }
}

fn semaphore_entered(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    semaphore_acquired(cx, window, resumed)?;
    Ok(Outcome::NONE)
}

fn semaphore_acquire(
    cx: &mut Cx,
    object: Root,
    then: crate::vm::native::Continuation,
) -> Result<Option<Outcome>, Raised> {
    let own = this(cx, object);
    let free = with(own, |s| {
        let free = !s.is_taken();
        if free {
            s.value -= 1;
        }
        free
    });
    if free { Ok(None) } else { queue_up(cx, object, then).map(Some) }
}

fn semaphore_release(cx: &mut Cx, object: Root) -> Result<(), Raised> {
    let own = this(cx, object);
    let (value, bound) = with(own, |s| (s.value, s.bound));
    if bound.is_some_and(|bound| value >= bound) {
        return Err(cx.value_error("BoundedSemaphore released too many times"));
    }
    with(own, |s| s.value += 1);
    semaphore_next(cx, own);
    Ok(())
}

natives!(
    /// A number of permits that tasks take and give back.
    pub(super) static SEMAPHORE: ScriptMethods;

    /// Make a semaphore.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        args: crate::vm::native::Rest,
        kwargs: crate::vm::native::KeywordRest,
    ) -> NativeResult {
        functions::new_object(cx, class, Box::new(Sync::new(1)))
    }

    /// Set the number of permits.
    fn __init__(cx: &mut Cx, this: Root, #[either] value: Given<Root>) -> NativeResult {
        let value = match value.0 {
            Some(value) if cx.as_str(value.get(cx)).is_some() || value.get(cx).is_none() => {
                let got = super::class_name(cx, value.get(cx));
                return Err(cx.type_error(format!("'<' not supported between instances of '{got}' and 'int'")));
            }
            Some(value) => cx.index_as_i64(value)?,
            None => 1,
        };
        if value < 0 {
            return Err(cx.value_error("Semaphore initial value must be >= 0"));
        }
        let object = self::this(cx, this);
        let class = cx.named_class("BoundedSemaphore").held();
        let bounded = cx.class_of(this.get(cx)).is_subclass(class);
        with(object, |s| {
            s.value = value;
            s.bound = bounded.then_some(value);
        });
        Ok(Outcome::NONE)
    }

    /// Take a permit, waiting until there is one.
    #[suspends]
    fn acquire(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(semaphore_acquire(cx, this, semaphore_acquired)?.unwrap_or(true.into()))
    }

    /// Give a permit back.
    fn release(cx: &mut Cx, this: Root) -> NativeResult {
        semaphore_release(cx, this)?;
        Ok(Outcome::NONE)
    }

    /// Whether nobody could take a permit without waiting.
    fn locked(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(self::this(cx, this), |s| s.is_taken()).into())
    }

    /// Take a permit.
    #[suspends]
    fn __aenter__(cx: &mut Cx, this: Root) -> NativeResult {
        if let Some(outcome) = own_acquire(cx, this)? {
            return Ok(outcome);
        }
        Ok(semaphore_acquire(cx, this, semaphore_entered)?.unwrap_or(Outcome::NONE))
    }

    /// Give the permit back.
    #[suspends]
    fn __aexit__(cx: &mut Cx, this: Root, kind: Root, exception: Root, traceback: Root) -> NativeResult {
        // A derived class may count in `release`.
        if overrides(cx, this, "release") {
            cx.call_method(this, "release", &[])?;
        } else {
            semaphore_release(cx, this)?;
        }
        Ok(Outcome::NONE)
    }

    /// Permits that are left.
    #[getter]
    fn _value(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(self::this(cx, this), |s| s.value).into())
    }

    /// The futures that are waited for, in order: None before the first.
    #[getter]
    fn _waiters(cx: &mut Cx, this: Root) -> NativeResult {
        waiting(cx, this, true)
    }

    /// The loop it belongs to, once somebody waited.
    #[getter]
    fn _loop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(with(self::this(cx, this), |s| s.event_loop)))
    }

    /// Set the loop it belongs to.
    #[setter]
    #[name("_loop")]
    fn set_loop(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (own, raw) = (self::this(cx, this), value.get(cx).raw());
        cx.heap.barrier_of(own.value());
        with(own, |s| s.event_loop = raw);
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (taken, value) = with(self::this(cx, this), |s| (s.is_taken(), s.value));
        let state = if taken { "locked".to_owned() } else { format!("unlocked, value:{value}") };
        described(cx, this, &state)
    }
);

natives!(
    /// A semaphore that cannot be released more often than it was acquired.
    pub(super) static BOUNDED_SEMAPHORE: ScriptMethods;
);
