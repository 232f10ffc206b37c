//! Loops with parts of a script's own: a clock, `call_soon`, `call_at`, `call_later`, `_run_once`, a selector. Wherever CPython's loop would call
//! such a part of itself, it is called. What the engine keeps (entries of the ready queue, timers) is shown to scripts as handles.

use crate::heap::{AnyRef, Gc, Kind, Raw, Slot, Value};
use crate::native::natives;
use crate::object::{AnyFuture, Dict, FutureState, Handle, Instance, NativeObject, Task, Tuple};
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Resumed, Root};

use super::{FutureRef, Ready, clock, combine, context, functions, future, loops, open_loop, reactor, task, timeout};

/// Which parts of a loop are a script's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Own {
    /// `time`.
    pub(crate) time: bool,
    /// `call_soon`.
    pub(crate) call_soon: bool,
    /// `call_at`.
    pub(crate) call_at: bool,
    /// `call_later`.
    pub(crate) call_later: bool,
    /// `_run_once`: a turn of the loop.
    pub(crate) run_once: bool,
    /// It waits by a selector that scripts see, or gave.
    pub(crate) selector: bool,
}

const PARTS: [&str; 5] = ["time", "call_soon", "call_at", "call_later", "_run_once"];

impl Own {
    fn put(&mut self, part: &str, own: bool) {
        match part {
            "time" => self.time = own,
            "call_soon" => self.call_soon = own,
            "call_at" => self.call_at = own,
            "call_later" => self.call_later = own,
            "_run_once" => self.run_once = own,
            _ => {}
        }
    }
}

/// Looks at the class of a new loop.
pub(crate) fn adopt(cx: &mut Cx, object: Raw) {
    for part in PARTS {
        let own = functions::overrides_loop_method(cx, object, part);
        if own && let Some(state) = loops(cx).find(object) {
            state.own.put(part, true);
        }
    }
}

/// An attribute of a loop was set, or deleted.
pub(crate) fn changed(cx: &mut Cx, object: Raw, name: Root, deleted: bool) -> Result<(), Raised> {
    let name = cx.str_text(name)?;
    let own = !deleted || functions::overrides_loop_method(cx, object, &name);
    if let Some(state) = loops(cx).find(object) {
        state.own.put(&name, own);
    }
    Ok(())
}

/// A time as it was given: scripts' clocks may count in whole numbers.
pub(crate) fn number(seconds: f64, whole: bool) -> Raw {
    if whole { Raw::int(seconds as i64) } else { Raw::float(seconds) }
}

/// The time of a loop's clock.
pub(crate) fn time(cx: &mut Cx, object: Raw) -> Result<f64, Raised> {
    time_of(cx, object).map(|(seconds, _)| seconds)
}

/// The time of a loop's clock, and whether that is a whole number.
pub(crate) fn time_of(cx: &mut Cx, object: Raw) -> Result<(f64, bool), Raised> {
    if !loops(cx).find(object).is_some_and(|state| state.own.time) {
        return Ok((clock::now(cx), false));
    }
    let mark = cx.mark();
    let event_loop = cx.push_raw(object);
    let now = cx.call_method(event_loop, "time", &[])?;
    let whole = now.get(cx).as_int().is_some();
    let now = cx.to_float(now)?;
    cx.release(mark);
    Ok((now, whole))
}

/// Settles a future after some seconds, unless that is done before.
pub(crate) fn settle_later(cx: &mut Cx, object: Raw, delay: Root, waiter: AnyFuture<'static>) -> Result<(), Raised> {
    let own = loops(cx).find(object).map_or(Own::default(), |state| state.own);
    let heap = cx.heap.forever();
    if !own.call_at && !own.call_later && !own.time {
        let seconds = clock::seconds(cx, delay, clock::Use::Add)?;
        let when = clock::now(cx) + seconds;
        let place = open_loop(cx, object)?.timers.add(heap, when, waiter.value());
        waiter.base().timer.set(place + 1);
        return Ok(());
    }
    let mark = cx.mark();
    let (target, event_loop) = (cx.push_raw(waiter.raw()), cx.push_raw(object));
    let callee = function(cx, SETTLE);
    let nothing = cx.push_raw(Raw::NONE);
    // The method of the library asks for the script's `call_at`.
    let handle = cx.call_method(event_loop, "call_later", &[delay, callee, target, nothing])?;
    keep(cx, object, handle, |place| waiter.base().timer.set(place));
    cx.release(mark);
    Ok(())
}

/// Asks a script's loop to call something at a time: its number, as timers have, or 0.
pub(crate) fn call_at(cx: &mut Cx, object: Raw, when: Raw, target: Raw, ticket: u32) -> Result<u32, Raised> {
    let mark = cx.mark();
    let event_loop = cx.push_raw(object);
    let (callee, when) = (function(cx, EXPIRE), cx.push_raw(when));
    let (target, ticket) = (cx.push_raw(target), cx.push_raw(Raw::int(i64::from(ticket))));
    let handle = cx.call_method(event_loop, "call_at", &[when, callee, target, ticket])?;
    let mut number = 0;
    keep(cx, object, handle, |place| number = place);
    cx.release(mark);
    Ok(number)
}

/// A handle that a script's method gave: it is cancelled with what it is for.
fn keep(cx: &mut Cx, object: Raw, handle: Root, set: impl FnOnce(u32)) {
    let heap = cx.heap.forever();
    let Some(handle) = handle.get(cx).cell_of_kind::<Handle>().map(Gc::held) else { return };
    // One of another loop has a number of that loop's, which means something else here; it comes to nothing when it is due.
    if handle.event_loop.value().raw().same(object)
        && let Some(state) = loops(cx).find(object)
    {
        set(state.timers.hold(heap, handle.value()) + 1);
    }
}

/// As `announce`, for methods that scripts call.
pub(crate) fn announced(cx: &mut Cx, object: Raw, outcome: Outcome) -> NativeResult {
    if loops(cx).find(object).is_some_and(|state| state.own.call_soon) {
        if let Outcome::Value(raw) = outcome {
            cx.push_raw(raw);
        }
        announce(cx, object)?;
    }
    Ok(outcome)
}

/// What became ready without a handle is announced to a script's `call_soon`.
pub(crate) fn announce(cx: &mut Cx, object: Raw) -> Result<(), Raised> {
    while let Some(entry) = loops(cx).find(object).and_then(|state| state.inbox.pop_front()) {
        let mark = cx.mark();
        cx.push_raw(entry.subject());
        let event_loop = cx.push_raw(object);
        let (callee, args, own) = callable(cx, entry);
        let own = context::object(cx, own);
        let own = cx.push_raw(own);
        let key = cx.intern("context").value().raw();
        let names = cx.tuple(&[Value::adopt(key)]).value().raw();
        let names = cx.push_raw(names);
        let method = cx.attribute(event_loop, "call_soon")?;
        let mut all = vec![callee];
        all.extend(args);
        all.push(own);
        cx.call_keywords(method, &all, Some(names))?;
        cx.release(mark);
    }
    Ok(())
}

/// Waits by the loop's selector, and hands on what it says.
pub(crate) fn select(cx: &mut Cx, object: Raw, timeout: Raw) -> Result<(), Raised> {
    let mark = cx.mark();
    let event_loop = cx.push_raw(object);
    // Answers of the host come without a descriptor: while one is waited for, waits are short.
    const SLICE: f64 = 0.01;
    let asked = loops(cx).find(object).is_some_and(|state| !state.questions.is_empty());
    let given = Value::adopt(timeout);
    let long = given.as_float().or(given.as_int().map(|whole| whole as f64)).is_none_or(|seconds| seconds > SLICE);
    let timeout = cx.push_raw(if asked && long { Raw::float(SLICE) } else { timeout });
    let selector = cx.attribute(event_loop, "_selector")?;
    let events = cx.call_method(selector, "select", &[timeout])?;
    cx.call_method(event_loop, "_process_events", &[events])?;
    cx.release(mark);
    reactor::answers(cx);
    Ok(())
}

/// Has the loop's selector look for what is wanted of a descriptor.
pub(crate) fn watch(cx: &mut Cx, object: Raw, fd: i32, watchers: [Option<reactor::Watcher>; 2]) -> Result<(), Raised> {
    let mark = cx.mark();
    let event_loop = cx.push_raw(object);
    let number = cx.push_raw(Raw::int(i64::from(fd)));
    let mut handles = vec![];
    for watcher in watchers {
        let entry = match watcher {
            None => {
                handles.push(cx.push_raw(Raw::NONE));
                continue;
            }
            Some(reactor::Watcher::Call(handle)) => Ready::Run(handle),
            Some(reactor::Watcher::Tell(told)) => Ready::Tell(told, None),
            Some(reactor::Watcher::Settle(future)) => Ready::Settle(future),
        };
        handles.push(handle_for(cx, object, entry));
    }
    let module = cx.import("asyncio._selecting")?;
    cx.call_method(module, "watch", &[event_loop, number, handles[0], handles[1]])?;
    cx.release(mark);
    Ok(())
}

/// The handle that CPython would have for an entry.
pub(crate) fn handle_for(cx: &mut Cx, object: Raw, entry: Ready) -> Root {
    if let Ready::Run(handle) = entry {
        return cx.push_raw(handle.value().raw());
    }
    cx.push_raw(entry.subject());
    let (callee, args, own) = callable(cx, entry);
    let args: Vec<Raw> = args.into_iter().map(|root| root.get(cx).raw()).collect();
    make(cx, object, callee, &args, own, None)
}

/// The handle that CPython would have for a timer.
pub(crate) fn timer_handle(cx: &mut Cx, object: Raw, when: f64, target: Raw) -> Root {
    let value = Value::adopt(target);
    if value.cell_of_kind::<Handle>().is_some() {
        return cx.push_raw(target);
    }
    let which = if AnyFuture::of(value).is_some() { SETTLE } else { EXPIRE };
    let callee = function(cx, which);
    make(cx, object, callee, &[target, Raw::NONE], Raw::NONE, Some(when))
}

fn make(cx: &mut Cx, object: Raw, callee: Root, args: &[Raw], own: Raw, when: Option<f64>) -> Root {
    let heap = cx.heap.forever();
    let args = Tuple::build(heap, args.len(), |i| Value::adopt(args[i]));
    let handle = heap.alloc(Handle {
        callback: Slot::new(callee.get(cx)),
        args: AnyRef::new(args.value()),
        context: AnyRef::new(Value::adopt(own)),
        event_loop: AnyRef::new(Value::adopt(object)),
        when: std::cell::Cell::new(when.unwrap_or(0.0)),
        whole: std::cell::Cell::new(false),
        timer: std::cell::Cell::new(0),
        is_timer: when.is_some(),
        cancelled: std::cell::Cell::new(false),
        source: AnyRef::none(),
    });
    if when.is_some() {
        handle.set_shape(cx.named_class("TimerHandle").get().root_shape.get());
    }
    cx.push_raw(handle.value().raw())
}

// The functions below, by their places in the table.
const STEP: usize = 0;
const WAKE: usize = 1;
const THROW: usize = 2;
const WATCH: usize = 3;
const TELL: usize = 4;
const SETTLE: usize = 5;
const EXPIRE: usize = 6;

fn function(cx: &mut Cx, which: usize) -> Root {
    let raw = cx.native_function(&ENTRIES.defs[which], Raw::NONE, None, Raw::NONE);
    cx.push_raw(raw)
}

/// `asyncio.futures._set_result_unless_cancelled`.
pub(crate) fn settle_function(cx: &mut Cx) -> Raw {
    cx.native_function(&ENTRIES.defs[SETTLE], Raw::NONE, None, Raw::NONE)
}

/// What an entry calls, with which arguments, in which context.
fn callable(cx: &mut Cx, entry: Ready) -> (Root, Vec<Root>, Raw) {
    let (which, args, own) = match entry {
        Ready::Step(task) => (STEP, vec![task.value().raw()], task.get().context.value().raw()),
        Ready::Wake(task) => {
            let waiter = task.get().waiter.value().raw();
            (WAKE, vec![task.value().raw(), waiter], task.get().context.value().raw())
        }
        Ready::Throw(task, exception) => {
            (THROW, vec![task.value().raw(), exception.value().raw()], task.get().context.value().raw())
        }
        Ready::Watch(watcher, future) => (WATCH, vec![watcher.value().raw(), future.raw()], Raw::NONE),
        Ready::Tell(object, future) => {
            (TELL, vec![object.value().raw(), future.map_or(Raw::NONE, FutureRef::raw)], Raw::NONE)
        }
        Ready::Settle(future) => (SETTLE, vec![future.value().raw(), Raw::NONE], Raw::NONE),
        Ready::Expire(timeout, ticket) => (EXPIRE, vec![timeout.value().raw(), Raw::int(i64::from(ticket))], Raw::NONE),
        Ready::Run(handle) | Ready::Done(handle, _) => {
            let mut args: Vec<Raw> = match handle.args.get::<Tuple>() {
                Some(args) => args.items().map(|v| v.raw()).collect(),
                None => vec![],
            };
            if let Ready::Done(_, future) = entry {
                args.push(future.raw());
            }
            let callee = cx.push_raw(handle.callback.get().raw());
            let args = args.into_iter().map(|raw| cx.push_raw(raw)).collect();
            return (callee, args, handle.context.value().raw());
        }
    };
    let callee = function(cx, which);
    let args = args.into_iter().map(|raw| cx.push_raw(raw)).collect();
    (callee, args, own)
}

/// The task that is to take a step: of the running loop, which is within no other's.
fn task_of(cx: &mut Cx, root: Root) -> Result<Gc<'static, Task>, Raised> {
    let Some(task) = root.get(cx).exact::<Task>().map(Gc::held) else {
        return Err(cx.type_error("a task is wanted".into()));
    };
    let event_loop = task.get().base.event_loop.value().raw();
    let state = loops(cx).running();
    let current = match state {
        Some(state) if state.object.same(event_loop) => state.current,
        _ => {
            let event_loop = cx.push_raw(event_loop);
            let text = cx.repr_text(event_loop)?;
            return Err(cx.runtime_error(format!("loop {text} is not the running loop")));
        }
    };
    if let Some(current) = current {
        let current = cx.push_raw(current.value().raw());
        let (inner, outer) = (cx.repr_text(root)?, cx.repr_text(current)?);
        let text = format!("Cannot enter into task {inner} while another task {outer} is being executed.");
        return Err(cx.runtime_error(text));
    }
    Ok(task)
}

fn stepped(cx: &mut Cx, _: Args, resumed: Resumed) -> NativeResult {
    task::stepped(cx, resumed)?;
    Ok(Outcome::NONE)
}

fn step(cx: &mut Cx, task: Gc<'static, Task>, input: task::Input) -> NativeResult {
    Ok(task::step(cx, task, input, stepped)?.unwrap_or(Outcome::NONE))
}

natives!(
    /// What scripts' loops are given to call.
    pub(super) static ENTRIES: ScriptFunctions;

    /// A task takes a step.
    #[name("TaskStepMethWrapper")]
    fn step_task(cx: &mut Cx, task: Root) -> NativeResult {
        let task = task_of(cx, task)?;
        step(cx, task, task::Input::Nothing)
    }

    /// What a task waited for is done.
    fn task_wakeup(cx: &mut Cx, task: Root, future: Root) -> NativeResult {
        let task = task_of(cx, task)?;
        step(cx, task, task::Input::Woken)
    }

    /// An exception is thrown into a task.
    fn task_throw(cx: &mut Cx, task: Root, exception: Root) -> NativeResult {
        let task = task_of(cx, task)?;
        let raw = exception.get(cx).raw();
        step(cx, task, task::Input::Throw(raw))
    }

    /// Something that watches a future is told that it is done.
    fn _on_completion(cx: &mut Cx, watcher: Root, future: Root) -> NativeResult {
        if let Some(object) = watcher.get(cx).exact::<NativeObject>().map(Gc::held)
            && let Some(done) = AnyFuture::of(future.get(cx)).map(AnyFuture::held)
            && done.base().is_done()
            && combine::is_watcher(cx, object)
        {
            combine::notify(cx, object, done)?;
        }
        Ok(Outcome::NONE)
    }

    /// An object of the library is told that a future is done, or that a descriptor is ready.
    fn _tell(cx: &mut Cx, object: Root, future: Root) -> NativeResult {
        if object.get(cx).exact::<Instance>().is_none() {
            return Ok(Outcome::NONE);
        }
        if future.get(cx).is_none() {
            return Ok(cx.call_method(object, "_readable", &[])?.get(cx).into());
        }
        Ok(cx.call_method(object, "_served", &[future])?.get(cx).into())
    }

    /// Give a future its result, unless it is done.
    fn _set_result_unless_cancelled(cx: &mut Cx, fut: Root, result: Root) -> NativeResult {
        if let Some(waiter) = AnyFuture::of(fut.get(cx)).map(AnyFuture::held)
            && !waiter.base().is_done()
        {
            let raw = result.get(cx).raw();
            future::finish(cx, waiter, FutureState::Finished, raw);
        }
        Ok(Outcome::NONE)
    }

    /// The time of a `Timeout` is over.
    fn _on_timeout(cx: &mut Cx, timeout: Root, ticket: Root) -> NativeResult {
        let ticket = ticket.get(cx).as_int();
        if let Some(object) = timeout.get(cx).exact::<NativeObject>().map(Gc::held)
            && let Some(ticket) = ticket
            && timeout::is_timeout(object)
        {
            timeout::expire(cx, object, ticket as u32)?;
        }
        Ok(Outcome::NONE)
    }
);

/// Takes a selector as the one that a loop waits by. What was watched before is registered with it.
pub(crate) fn take_selector(cx: &mut Cx, object: Raw, selector: Root) -> Result<(), Raised> {
    let event_loop = cx.push_raw(object);
    let key = cx.intern("_chosen_selector").value().raw();
    let key = cx.push_raw(key);
    cx.generic_set(event_loop, key, selector.get(cx).raw())?;
    let Some(state) = loops(cx).find(object) else { return Ok(()) };
    if std::mem::replace(&mut state.own.selector, true) {
        return Ok(());
    }
    for fd in state.reactor.hand_over() {
        // The script that was asked for the one before may have changed who is told of this one.
        let Some(state) = loops(cx).find(object) else { break };
        let watchers =
            [reactor::Interest::Read, reactor::Interest::Write].map(|interest| state.reactor.get(fd, interest));
        if watchers.iter().any(Option::is_some) {
            watch(cx, object, fd, watchers)?;
        }
    }
    Ok(())
}

/// The selector that a loop waits by: one is made for whoever asks first.
pub(crate) fn selector(cx: &mut Cx, object: Raw) -> Result<Root, Raised> {
    let event_loop = cx.push_raw(object);
    if let Some(known) = cx.find_attribute(event_loop, "_chosen_selector")? {
        return Ok(known);
    }
    let selectors = cx.import("selectors")?;
    let made = cx.call_method(selectors, "DefaultSelector", &[])?;
    take_selector(cx, object, made)?;
    let module = cx.import("asyncio._selecting")?;
    cx.call_method(module, "make_self_pipe", &[event_loop])?;
    Ok(made)
}

/// Whether `**kwargs` and the rest of a call say which selector: what `SelectorEventLoop(selector)` was given.
pub(crate) fn given_selector(cx: &mut Cx, args: Args, kwargs: Root) -> Result<Option<Root>, Raised> {
    if let Some(first) = args.roots().next() {
        return Ok((!first.get(cx).is_none()).then_some(first));
    }
    if kwargs.get(cx).exact::<Dict>().is_none_or(|dict| dict.iter().next().is_none()) {
        return Ok(None);
    }
    let key = cx.intern("selector").value().raw();
    let key = cx.push_raw(key);
    let found = cx.dict_get(kwargs, key)?;
    Ok(found.filter(|given| given.get(cx).kind() != Kind::None))
}
