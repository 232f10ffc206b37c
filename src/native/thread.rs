//! The module `_thread`: fibers as threads, and the lock they wait for each other with.

use std::collections::VecDeque;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{Class, ClassFlags, Exc, Instance, NativeObject, Payload, Tuple};
use crate::vm::TypeRow;
use crate::vm::fiber::FiberId;
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

/// A lock: who holds it does not matter, who waits for it does.
#[derive(Debug, Default)]
struct Lock {
    locked: bool,
    waiters: VecDeque<FiberId>,
}

impl Payload for Lock {}

/// A lock that whoever holds it can take again.
#[derive(Debug, Default)]
struct Reentrant {
    owner: Option<FiberId>,
    count: u64,
    waiters: VecDeque<FiberId>,
}

impl Payload for Reentrant {}

static ROWS: &[TypeRow] = &[
    TypeRow::native("_thread", "lock", &[&LOCK]),
    TypeRow::native("_thread", "RLock", &[&REENTRANT]).with(ClassFlags::OPEN),
];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_thread").held();
    cx.functions_of(module, &THREAD);
    let lock = cx.named_class("lock").value().raw();
    let reentrant = cx.named_class("RLock").value().raw();
    let error = cx.exception_class(Exc::RuntimeError).value().raw();
    let most = Raw::float(super::time::TIMEOUT_MAX);
    for (name, raw) in
        [("lock", lock), ("LockType", lock), ("RLock", reentrant), ("error", error), ("TIMEOUT_MAX", most)]
    {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(raw));
        cx.fits(done)?;
    }
    Ok(())
}

fn with<R>(cx: &Cx, this: Root, work: impl FnOnce(&mut Lock) -> R) -> R {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
    object.with(work).expect("a lock")
}

fn new_lock(cx: &mut Cx, class: Gc<'static, Class>) -> Raw {
    let shape = class.get().root_shape.get();
    let object: Gc<'_, NativeObject> =
        cx.heap.alloc_slots(NativeObject::new(Box::new(Lock::default()), 0), |_| Value::NONE);
    object.set_shape(shape);
    object.value().raw()
}

fn take(cx: &mut Cx, this: Root, deadline: Option<f64>) -> Result<bool, Raised> {
    let me = cx.current_fiber();
    loop {
        if with(cx, this, |lock| !std::mem::replace(&mut lock.locked, true)) {
            return Ok(true);
        }
        if deadline.is_some_and(|at| cx.host().monotonic() >= at) {
            return Ok(false);
        }
        with(cx, this, |lock| lock.waiters.push_back(me));
        let parked = cx.park(deadline);
        with(cx, this, |lock| lock.waiters.retain(|waiter| *waiter != me));
        parked?;
    }
}

/// Until when `acquire` waits: none: for ever.
fn deadline_of(cx: &mut Cx, blocking: bool, timeout: Option<Root>) -> Result<Option<f64>, Raised> {
    let timeout = match timeout {
        Some(timeout) => super::time::duration(cx, timeout)?,
        None => -1.0,
    };
    if !blocking && timeout != -1.0 {
        return Err(cx.value_error("can't specify a timeout for a non-blocking call"));
    }
    if timeout < 0.0 && timeout != -1.0 {
        return Err(cx.value_error("timeout value must be a non-negative number"));
    }
    Ok(match timeout {
        _ if !blocking => Some(f64::NEG_INFINITY),
        -1.0 => None,
        seconds => Some(cx.host().monotonic() + seconds),
    })
}

fn with_reentrant<R>(cx: &Cx, this: Root, work: impl FnOnce(&mut Reentrant) -> R) -> R {
    let object = this.get(cx).cell_of_kind::<NativeObject>().expect("a method's receiver");
    object.with(work).expect("a reentrant lock")
}

fn take_reentrant(cx: &mut Cx, this: Root, count: u64, deadline: Option<f64>) -> Result<bool, Raised> {
    let me = cx.current_fiber();
    loop {
        let taken = with_reentrant(cx, this, |lock| {
            let free = lock.owner.is_none_or(|owner| owner == me);
            if free {
                lock.owner = Some(me);
                lock.count += count;
            }
            free
        });
        if taken {
            return Ok(true);
        }
        if deadline.is_some_and(|at| cx.host().monotonic() >= at) {
            return Ok(false);
        }
        with_reentrant(cx, this, |lock| lock.waiters.push_back(me));
        let parked = cx.park(deadline);
        with_reentrant(cx, this, |lock| lock.waiters.retain(|waiter| *waiter != me));
        parked?;
    }
}

/// Gives a reentrant lock back `count` times (none: as often as it was taken), and tells how often that was.
fn give_reentrant(cx: &mut Cx, this: Root, count: Option<u64>) -> Result<u64, Raised> {
    let me = cx.current_fiber();
    let given = with_reentrant(cx, this, |lock| {
        if lock.owner != Some(me) {
            return None;
        }
        let before = lock.count;
        lock.count -= count.unwrap_or(before);
        if lock.count > 0 {
            return Some((before, None));
        }
        lock.owner = None;
        Some((before, lock.waiters.pop_front()))
    });
    let Some((before, next)) = given else { return Err(cx.runtime_error("cannot release un-acquired lock")) };
    if let Some(next) = next {
        cx.wake_fiber(next);
    }
    Ok(before)
}

natives!(
    /// Locks and threads at their lowest.
    pub static THREAD: Functions;

    /// Start a thread that calls a function, and return its number. It ends when the function returns; an exception is reported.
    fn start_new_thread(cx: &mut Cx, function: Root, args: Root, #[text("None")] kwargs: Option<Root>) -> NativeResult {
        if !crate::native::types::function::is_callable(cx, function.get(cx)) {
            return Err(cx.type_error("first arg must be callable".to_owned()));
        }
        let Some(positional) = cx.payload(args.get(cx)).exact::<Tuple>() else {
            return Err(cx.type_error("2nd arg must be a tuple".to_owned()));
        };
        let items: Vec<Raw> = positional.items().map(|v| v.raw()).collect();
        let mut roots = vec![function];
        for raw in items {
            roots.push(cx.push(Value::adopt(raw)));
        }
        let mut names = None;
        if let Some(kwargs) = kwargs {
            let Some(dict) = cx.dict_of(kwargs.get(cx)) else {
                return Err(cx.type_error("optional 3rd arg must be a dictionary".to_owned()));
            };
            let pairs: Vec<(Raw, Raw)> = dict.iter().map(|(key, value)| (key.raw(), value.raw())).collect();
            let mut keys = vec![];
            for (key, value) in pairs {
                keys.push(cx.push(Value::adopt(key)));
                roots.push(cx.push(Value::adopt(value)));
            }
            let tuple = Tuple::build(&cx.heap, keys.len(), |at| keys[at].get(cx)).value().raw();
            names = Some(cx.push(Value::adopt(tuple)));
        }
        let run = cx.find_module("_thread").map(|m| m.raw()).expect("this module");
        let run = cx.push(Value::adopt(run));
        let run = cx.attribute(run, "_run")?;
        let fiber = cx.spawn_fiber(run, &roots, names)?;
        cx.detach_fiber(fiber);
        Ok(i64::from(fiber.0 + 1).into())
    }

    /// Start a thread that calls a function without arguments, and let it run until it waits for something.
    fn _begin(cx: &mut Cx, function: Root) -> NativeResult {
        let fiber = cx.spawn_fiber(function, &[], None)?;
        cx.detach_fiber(fiber);
        cx.pass_to_new(fiber)?;
        Ok(i64::from(fiber.0 + 1).into())
    }

    /// Call a function, and report what it raises: what a thread begins with.
    fn _run(cx: &mut Cx, function: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let mut roots: Vec<Root> = args.0.roots().collect();
        let pairs: Vec<(Raw, Raw)> = cx
            .dict_of(kwargs.0.get(cx))
            .map_or(vec![], |d| d.iter().map(|(key, value)| (key.raw(), value.raw())).collect());
        let mut keys = vec![];
        for (key, value) in pairs {
            keys.push(cx.push(Value::adopt(key)));
            roots.push(cx.push(Value::adopt(value)));
        }
        let names = if keys.is_empty() {
            None
        } else {
            let tuple = Tuple::build(&cx.heap, keys.len(), |at| keys[at].get(cx)).value().raw();
            Some(cx.push(Value::adopt(tuple)))
        };
        if let Err(raised) = cx.call_keywords(function, &roots, names) {
            let exception = cx.take_raised(raised);
            let exception = cx.push(Value::adopt(exception));
            if !cx.is_exception(exception.get(cx), Exc::SystemExit) {
                let raised = cx.raise(exception);
                cx.unraisable_as(raised, "Exception ignored in thread started by", function);
            }
        }
        Ok(Outcome::NONE)
    }

    /// Return a new lock.
    fn allocate_lock(cx: &mut Cx) -> NativeResult {
        let class = cx.named_class("lock").held();
        Ok(Value::adopt(new_lock(cx, class)).into())
    }

    /// Give an object of a class whose first slot is for that attributes of its own in each thread, and return the dict of their dicts.
    fn _keep_for_each(cx: &mut Cx, object: Root) -> NativeResult {
        let Some(instance) = object.get(cx).cell_of_kind::<Instance>() else {
            return Err(cx.type_error("an instance is expected".to_owned()));
        };
        let instance = instance.held();
        Ok(Outcome::Value(cx.keep_for_each_fiber(instance)))
    }

    /// Return the number of the thread that calls.
    fn get_ident(cx: &mut Cx) -> NativeResult {
        Ok(i64::from(cx.current_fiber().0 + 1).into())
    }

    /// Return a number for the thread that no thread of any process has.
    fn get_native_id(cx: &mut Cx) -> NativeResult {
        let number = i64::from(cx.host().process_id()) + i64::from(cx.current_fiber().0);
        Ok(number.into())
    }

    /// Have the main thread do what it does when a signal comes in: Ctrl-C, unless another is named.
    fn interrupt_main(cx: &mut Cx, #[default(2)] signum: i64) -> NativeResult {
        if !(1..i64::from(crate::vm::signal::SIGNALS)).contains(&signum) {
            return Err(cx.value_error("signal number out of range"));
        }
        let own = cx.host().process_id() as i32;
        match cx.host_mut().send_signal(own, signum as i32) {
            Ok(()) => Ok(Outcome::NONE),
            Err(error) => Err(super::types::exception::io_error(cx, &error, None)),
        }
    }

    /// Return the size of the stacks of threads made from now on: it is always the same.
    fn stack_size(cx: &mut Cx, #[default(0)] size: i64) -> NativeResult {
        if size < 0 {
            return Err(cx.value_error("size must be 0 or a positive value"));
        }
        if size > 0 && size < 32768 {
            return Err(cx.value_error(format!("size not valid: {size} bytes")));
        }
        Ok(0i64.into())
    }

    /// Let the threads that are ready run first.
    fn _pass(cx: &mut Cx) -> NativeResult {
        cx.pass()?;
        Ok(Outcome::NONE)
    }

    /// Return the number of threads besides the main one.
    fn _count(cx: &mut Cx) -> NativeResult {
        Ok((cx.fiber_count() as i64 - 1).into())
    }

    /// Raise SystemExit, which ends the thread quietly.
    fn exit(cx: &mut Cx) -> NativeResult {
        Err(cx.raise_new(Exc::SystemExit, &[]))
    }
);

natives!(
    /// A lock: held by nobody or once.
    pub static LOCK: Methods;

    /// Make a lock.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        let base = cx.named_class("lock").held();
        cx.check_new(class, base)?;
        let class = class.get(cx).exact::<Class>().expect("checked").held();
        Ok(Value::adopt(new_lock(cx, class)).into())
    }

    /// Take the lock, waiting until it is free or the timeout is over. Returns whether it was taken.
    fn acquire(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(true)]
        blocking: bool,
        #[either]
        #[text("-1")]
        timeout: Given<Root>,
    ) -> NativeResult {
        let deadline = deadline_of(cx, blocking, timeout.0)?;
        Ok(take(cx, this, deadline)?.into())
    }

    /// Give the lock back.
    fn release(cx: &mut Cx, this: Root) -> NativeResult {
        if with(cx, this, |lock| !std::mem::replace(&mut lock.locked, false)) {
            return Err(cx.runtime_error("release unlocked lock"));
        }
        if let Some(next) = with(cx, this, |lock| lock.waiters.pop_front()) {
            cx.wake_fiber(next);
        }
        Ok(Outcome::NONE)
    }

    /// Return whether the lock is held.
    fn locked(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, |lock| lock.locked).into())
    }

    /// Take the lock.
    fn __enter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(take(cx, this, None)?.into())
    }

    /// Give the lock back.
    fn __exit__(cx: &mut Cx, this: Root, exc: Rest) -> NativeResult {
        let _ = exc;
        cx.call_method(this, "release", &[])?;
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let state = if with(cx, this, |lock| lock.locked) { "locked" } else { "unlocked" };
        let id = cx.heap.id(this.get(cx));
        debug_assert_eq!(this.get(cx).kind(), Kind::NativeObject);
        Ok(cx.str(&format!("<{state} _thread.lock object at {id:#x}>")).into())
    }
);

natives!(
    /// A lock that the thread which holds it can take again.
    pub static REENTRANT: Methods;

    /// Make a lock.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        let base = cx.named_class("RLock").held();
        cx.check_new(class, base)?;
        let class = class.get(cx).exact::<Class>().expect("checked").held();
        let shape = class.get().root_shape.get();
        let object: Gc<'_, NativeObject> =
            cx.heap.alloc_slots(NativeObject::new(Box::new(Reentrant::default()), 0), |_| Value::NONE);
        object.set_shape(shape);
        Ok(object.value().into())
    }

    /// Take the lock, waiting until no other thread holds it or the timeout is over. Returns whether it was taken.
    fn acquire(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(true)]
        blocking: bool,
        #[either]
        #[text("-1")]
        timeout: Given<Root>,
    ) -> NativeResult {
        let deadline = deadline_of(cx, blocking, timeout.0)?;
        Ok(take_reentrant(cx, this, 1, deadline)?.into())
    }

    /// Give the lock back, once.
    fn release(cx: &mut Cx, this: Root) -> NativeResult {
        give_reentrant(cx, this, Some(1))?;
        Ok(Outcome::NONE)
    }

    /// Return whether any thread holds the lock.
    fn locked(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with_reentrant(cx, this, |lock| lock.owner.is_some()).into())
    }

    /// Return whether the calling thread holds the lock.
    fn _is_owned(cx: &mut Cx, this: Root) -> NativeResult {
        let me = cx.current_fiber();
        Ok(with_reentrant(cx, this, |lock| lock.owner == Some(me)).into())
    }

    /// Return how often the calling thread holds the lock.
    fn _recursion_count(cx: &mut Cx, this: Root) -> NativeResult {
        let me = cx.current_fiber();
        let count = with_reentrant(cx, this, |lock| if lock.owner == Some(me) { lock.count } else { 0 });
        Ok((count as i64).into())
    }

    /// Give the lock back entirely, and return what `_acquire_restore` needs.
    fn _release_save(cx: &mut Cx, this: Root) -> NativeResult {
        let count = give_reentrant(cx, this, None)?;
        Ok((count as i64).into())
    }

    /// Take the lock as often as it was held before.
    fn _acquire_restore(cx: &mut Cx, this: Root, state: i64) -> NativeResult {
        take_reentrant(cx, this, state.max(1) as u64, None)?;
        Ok(Outcome::NONE)
    }

    /// Take the lock.
    fn __enter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(take_reentrant(cx, this, 1, None)?.into())
    }

    /// Give the lock back.
    fn __exit__(cx: &mut Cx, this: Root, exc: Rest) -> NativeResult {
        let _ = exc;
        give_reentrant(cx, this, Some(1))?;
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let (owner, count) = with_reentrant(cx, this, |lock| (lock.owner.map_or(0, |o| o.0 + 1), lock.count));
        let state = if count > 0 { "locked" } else { "unlocked" };
        let id = cx.heap.id(this.get(cx));
        Ok(cx.str(&format!("<{state} _thread.RLock object owner={owner} count={count} at {id:#x}>")).into())
    }
);
