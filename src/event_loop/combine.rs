//! What waits for several futures: gather, wait, shield. Each has a watcher, an object that is told when one of them is done.

use std::collections::HashMap;

use crate::heap::{Gc, Kind, Raw, Tracer, Value};
use crate::native::natives;
use crate::object::{
    AnyFuture, BLOCKING, Callback, Exc, FutureState, GATHERING, HAS_EXCEPTION, List, NativeObject, Payload, Set, Tuple,
    UNRETRIEVED, trace_all,
};
use crate::vm::native::{Args, Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Resumed, Root, Then};

use super::{clock, functions, future, group, loops, report, running_object};

/// A native that is told when a future is done.
#[derive(Debug)]
pub(crate) enum Watcher {
    /// gather.
    Gather {
        /// Its future.
        outer: Raw,
        /// The futures, one for each argument.
        children: Vec<Raw>,
        /// How many different ones are not done.
        left: usize,
        return_exceptions: bool,
        /// Cancelling its future cancelled a child.
        cancelling: bool,
    },
    /// wait: its waiter, how many are not done, and what ends the wait early.
    Wait { waiter: Raw, left: usize, first_completed: bool, first_exception: bool },
    /// Sets its waiter when the future is done.
    Release { waiter: Raw },
    /// shield.
    Shield { inner: Raw, outer: Raw },
    /// shield, after the outer one was cancelled: reports what the inner one raises.
    ShieldLog,
}

impl Watcher {
    /// The future that is done when what is watched is.
    pub(crate) fn behind(&self) -> Option<Raw> {
        match self {
            Watcher::Gather { outer, .. } | Watcher::Shield { outer, .. } => Some(*outer),
            Watcher::Wait { waiter, .. } | Watcher::Release { waiter } => Some(*waiter),
            Watcher::ShieldLog => None,
        }
    }
}

/// Whether a watcher is there for a shield of this future.
pub(crate) fn shields(watcher: Value<'_>, future: Raw) -> bool {
    let shields = |watcher: &mut Watcher| match watcher {
        Watcher::Shield { inner, .. } => inner.same(future),
        Watcher::ShieldLog => true,
        Watcher::Gather { .. } | Watcher::Wait { .. } | Watcher::Release { .. } => false,
    };
    watcher.exact::<NativeObject>().and_then(|object| object.with(shields)).unwrap_or(false)
}

/// What CPython shows for a watcher among the callbacks of a future.
pub(crate) fn watcher_name(watcher: Value<'_>, future: Raw) -> &'static str {
    let named = |watcher: &mut Watcher| match watcher {
        Watcher::Gather { .. } => "gather.<locals>._done_callback()",
        Watcher::Wait { .. } => "_wait.<locals>._on_completion()",
        Watcher::Release { .. } => "_release_waiter()",
        Watcher::Shield { inner, .. } if inner.same(future) => "shield.<locals>._inner_done_callback()",
        Watcher::Shield { .. } => "shield.<locals>._outer_done_callback()",
        Watcher::ShieldLog => "_log_on_exception()",
    };
    let object = watcher.exact::<NativeObject>();
    object.and_then(|object| object.with(named)).unwrap_or("gather.<locals>._done_callback()")
}

impl Payload for Watcher {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        match self {
            Watcher::Gather { outer, children, .. } => {
                tracer.raw(*outer);
                trace_all(tracer, children);
            }
            Watcher::Wait { waiter, .. } | Watcher::Release { waiter } => tracer.raw(*waiter),
            Watcher::Shield { inner, outer } => {
                tracer.raw(*inner);
                tracer.raw(*outer);
            }
            Watcher::ShieldLog => {}
        }
    }
}

fn new_watcher(cx: &mut Cx, watcher: Watcher) -> Gc<'static, NativeObject> {
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(watcher), 0), |_| Value::NONE);
    object.set_shape(cx.named_class("_Watcher").get().root_shape.get());
    object.held()
}

/// A watcher that gives `waiter` None when what it watches is done.
pub(crate) fn release_watcher(cx: &mut Cx, waiter: Raw) -> Gc<'static, NativeObject> {
    new_watcher(cx, Watcher::Release { waiter })
}

fn any(raw: Raw) -> AnyFuture<'static> {
    AnyFuture::of(Value::adopt(raw)).expect("a future").held()
}

fn settle(cx: &mut Cx, raw: Raw) {
    let waiter = any(raw);
    if !waiter.base().is_done() {
        future::finish(cx, waiter, FutureState::Finished, Raw::NONE);
    }
}

/// What a watcher does next, decided while its payload is borrowed.
enum Next {
    Nothing,
    Release(Raw),
    Gather { outer: Raw, return_exceptions: bool, all: bool, cancelling: bool },
    Shield { inner: Raw, outer: Raw },
    Log,
}

/// Whether an object can be told that a future is done.
pub(crate) fn is_watcher(cx: &mut Cx, object: Gc<'static, NativeObject>) -> bool {
    object.with(|_: &mut Watcher| ()).is_some()
        || group::is_group(object)
        || loops(cx).find(object.value().raw()).is_some()
}

/// Tells a watcher that a future is done.
pub(crate) fn notify(cx: &mut Cx, watcher: Gc<'static, NativeObject>, done: AnyFuture<'static>) -> Result<(), Raised> {
    let state = done.base().state.get();
    let next = watcher.with(|w: &mut Watcher| match w {
        Watcher::Gather { outer, children, left, return_exceptions, cancelling } => {
            // A script that calls what a handle calls may do so twice.
            *left = left.saturating_sub(1);
            Next::Gather {
                outer: *outer,
                return_exceptions: *return_exceptions,
                all: *left == 0 && children.iter().all(|child| any(*child).base().is_done()),
                cancelling: *cancelling,
            }
        }
        Watcher::Wait { waiter, left, first_completed, first_exception } => {
            *left = left.saturating_sub(1);
            let failed = *left > 0 && !*first_completed && *first_exception && state == FutureState::Failed;
            if failed {
                // It had to be asked for its exception.
                done.base().put(UNRETRIEVED, false);
            }
            if *left == 0 || *first_completed || failed { Next::Release(*waiter) } else { Next::Nothing }
        }
        Watcher::Release { waiter } => Next::Release(*waiter),
        Watcher::Shield { inner, outer } => Next::Shield { inner: *inner, outer: *outer },
        Watcher::ShieldLog => Next::Log,
    });
    match next {
        None if loops(cx).find(watcher.value().raw()).is_some() => {
            // The loop itself watches what it runs for.
            let fatal = state == FutureState::Failed && {
                let value = done.base().content.get();
                cx.is_exception(value, Exc::SystemExit) || cx.is_exception(value, Exc::KeyboardInterrupt)
            };
            if !fatal && let Some(state) = loops(cx).find(watcher.value().raw()) {
                state.stopping = true;
            }
            Ok(())
        }
        None => group::child_done(cx, watcher, done),
        Some(Next::Nothing) => Ok(()),
        Some(Next::Release(waiter)) => {
            settle(cx, waiter);
            Ok(())
        }
        Some(Next::Gather { outer, return_exceptions, all, cancelling }) => {
            gathered(cx, watcher, outer, done, return_exceptions, all, cancelling);
            Ok(())
        }
        Some(Next::Shield { inner, outer }) => {
            if done.raw().same(inner) {
                shield_inner_done(cx, any(outer), done);
            } else {
                shield_outer_done(cx, watcher, any(inner));
            }
            Ok(())
        }
        Some(Next::Log) => {
            if state != FutureState::Failed {
                return Ok(());
            }
            done.base().put(UNRETRIEVED, false);
            let exception = cx.push_raw(done.base().content.get().raw());
            let name = super::class_name(cx, exception.get(cx));
            let future = cx.push_raw(done.raw());
            let event_loop = cx.push_raw(done.base().event_loop.value().raw());
            let text = format!("{name} exception in shielded future");
            report::call_handler(cx, event_loop, &text, &[("exception", exception), ("future", future)])
        }
    }
}

// ---- gather ----

fn gathered(
    cx: &mut Cx,
    watcher: Gc<'static, NativeObject>,
    outer: Raw,
    done: AnyFuture<'static>,
    return_exceptions: bool,
    all: bool,
    cancelling: bool,
) {
    let outer = any(outer);
    let state = done.base().state.get();
    if outer.base().is_done() {
        done.base().put(UNRETRIEVED, false);
        return;
    }
    if !return_exceptions {
        if state == FutureState::Cancelled {
            let exception = future::take_cancelled(cx, done);
            future::finish(cx, outer, FutureState::Failed, exception);
            return;
        }
        if state == FutureState::Failed {
            done.base().put(UNRETRIEVED, false);
            let exception = done.base().content.get().raw();
            future::finish(cx, outer, FutureState::Failed, exception);
            return;
        }
    }
    if !all {
        return;
    }
    let children = watcher
        .with(|w: &mut Watcher| match w {
            Watcher::Gather { children, .. } => std::mem::take(children),
            _ => vec![],
        })
        .unwrap_or_default();
    let mark = cx.mark();
    let mut results = Vec::with_capacity(children.len());
    let last = children.last().map(|raw| any(*raw));
    for child in children {
        let child = any(child);
        let base = child.base();
        results.push(match base.state.get() {
            FutureState::Cancelled => {
                let message = match base.content.get() {
                    _ if base.has(HAS_EXCEPTION) => Value::NONE,
                    message => message,
                };
                let message = if message.is_none() { cx.str("").value().raw() } else { message.raw() };
                future::cancelled_error(cx, message)
            }
            FutureState::Finished | FutureState::Failed | FutureState::Pending => {
                base.put(UNRETRIEVED, false);
                base.content.get().raw()
            }
        });
    }
    if cancelling {
        let exception = match last {
            Some(last) if last.base().state.get() == FutureState::Cancelled => future::take_cancelled(cx, last),
            _ => future::cancelled_error(cx, Raw::NONE),
        };
        future::finish(cx, outer, FutureState::Failed, exception);
    } else {
        let list = List::build(&cx.heap, results.len(), |i| Value::adopt(results[i])).value().raw();
        future::finish(cx, outer, FutureState::Finished, list);
    }
    cx.release(mark);
}

/// gather's future for these futures or tasks.
pub(crate) fn gather_futures(cx: &mut Cx, event_loop: Raw, children: &[Raw], return_exceptions: bool) -> Raw {
    let heap = cx.heap.forever();
    let outer = future::new(cx, event_loop);
    let mut seen: HashMap<u64, ()> = HashMap::with_capacity(if children.len() > 1 { children.len() } else { 0 });
    let mut different: Vec<Raw> = Vec::with_capacity(children.len());
    for child in children {
        if children.len() < 2 || seen.insert(child.bits(), ()).is_none() {
            different.push(*child);
        }
    }
    let watcher = new_watcher(
        cx,
        Watcher::Gather {
            outer: outer.raw(),
            children: children.to_vec(),
            left: different.len(),
            return_exceptions,
            cancelling: false,
        },
    );
    let shape = loops(cx).gather_shape;
    if let AnyFuture::Future(future) = outer {
        future.set_shape(shape);
    }
    outer.base().put(GATHERING, true);
    outer.set_content(heap, watcher.value());
    let mut finished = vec![];
    for child in different {
        let child = any(child);
        if child.base().is_done() {
            finished.push(child);
        } else {
            child.add_callback(heap, Callback::Watch, watcher.value());
        }
    }
    for child in finished {
        // Only a watcher of another kind can fail.
        let _ = notify(cx, watcher, child);
    }
    outer.raw()
}

/// Cancelling gather's future cancels its children.
pub(crate) fn cancel_children(cx: &mut Cx, watcher: Raw, message: Raw) -> Result<bool, Raised> {
    cx.check_stack()?;
    let Some(watcher) = Value::adopt(watcher).exact::<NativeObject>().map(Gc::held) else { return Ok(false) };
    let children = watcher
        .with(|w: &mut Watcher| match w {
            Watcher::Gather { children, .. } => children.clone(),
            _ => vec![],
        })
        .unwrap_or_default();
    let mut any_cancelled = false;
    for child in children {
        any_cancelled |= future::cancel(cx, any(child), message)?;
    }
    if any_cancelled {
        watcher.with(|w: &mut Watcher| {
            if let Watcher::Gather { cancelling, .. } = w {
                *cancelling = true;
            }
        });
    }
    Ok(any_cancelled)
}

/// One of gather's arguments can't be awaited: nobody is told what the tasks for those before it raise.
fn give_up(cx: &mut Cx, event_loop: Option<Raw>, children: &[Raw]) {
    let Some(event_loop) = event_loop else { return };
    let outer = future::new(cx, event_loop);
    cx.push(outer.value());
    future::finish(cx, outer, FutureState::Finished, Raw::NONE);
    let watcher = new_watcher(
        cx,
        Watcher::Gather {
            outer: outer.raw(),
            children: vec![],
            left: children.len(),
            return_exceptions: false,
            cancelling: false,
        },
    );
    for child in children {
        future::watch(cx, any(*child), watcher);
    }
}

// ---- shield ----

fn shield_inner_done(cx: &mut Cx, outer: AnyFuture<'static>, inner: AnyFuture<'static>) {
    if outer.base().is_done() {
        if outer.base().state.get() == FutureState::Cancelled {
            // Whoever cancelled it does not want to know.
            inner.base().put(UNRETRIEVED, false);
        }
        return;
    }
    let content = inner.base().content.get().raw();
    inner.base().put(UNRETRIEVED, false);
    let (state, content) = match inner.base().state.get() {
        FutureState::Cancelled => (FutureState::Cancelled, Raw::NONE),
        FutureState::Failed => (FutureState::Failed, content),
        FutureState::Finished | FutureState::Pending => (FutureState::Finished, content),
    };
    future::finish(cx, outer, state, content);
}

fn shield_outer_done(cx: &mut Cx, watcher: Gc<'static, NativeObject>, inner: AnyFuture<'static>) {
    if inner.base().is_done() {
        return;
    }
    inner.remove_target(cx.heap.forever(), watcher.value());
    let log = new_watcher(cx, Watcher::ShieldLog);
    future::watch(cx, inner, log);
}

// ---- wait ----

/// The futures or tasks in an iterable, each once, in order.
fn collect(cx: &mut Cx, fs: Root) -> Result<Vec<Raw>, Raised> {
    let list = cx.tuple_from(fs)?;
    let items: Vec<Raw> = list.get(cx).exact::<Tuple>().expect("a tuple").items().map(|v| v.raw()).collect();
    let mut seen = HashMap::with_capacity(items.len());
    Ok(items.into_iter().filter(|raw| seen.insert(raw.bits(), ()).is_none()).collect())
}

// wait's window while it waits: these, in the places of its arguments.
const FUTURES: usize = 0;
const WATCHER: usize = 1;

/// The waiter is done, or the task was cancelled.
fn waited(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let heap = cx.heap.forever();
    let watcher = window.get(cx, WATCHER).exact::<NativeObject>().expect("the watcher").held();
    let futures: Vec<Raw> =
        window.get(cx, FUTURES).exact::<Tuple>().expect("a tuple").items().map(|v| v.raw()).collect();
    let waiter = watcher.with(|w: &mut Watcher| match w {
        Watcher::Wait { waiter, .. } => Some(*waiter),
        _ => None,
    });
    if let Some(waiter) = waiter.flatten().map(any)
        && !waiter.base().is_done()
    {
        future::finish(cx, waiter, FutureState::Cancelled, Raw::NONE);
    }
    for raw in &futures {
        any(*raw).remove_target(heap, watcher.value());
    }
    if let Resumed::Raised(exception) = resumed {
        return Err(cx.rethrow(exception));
    }
    let sets = [0, 1].map(|_| {
        let raw = Set::new(heap).value().raw();
        cx.push_raw(raw)
    });
    for raw in futures {
        let mark = cx.mark();
        let item = cx.push_raw(raw);
        let set = sets[usize::from(!any(raw).base().is_done())];
        cx.set_add(set, item)?;
        cx.release(mark);
    }
    let pair = cx.tuple(&[sets[0].get(cx), sets[1].get(cx)]).value().raw();
    Ok(Outcome::Value(pair))
}

natives!(
    /// Waiting for several things.
    pub(super) static COMBINE: ScriptFunctions;

    /// Run awaitables concurrently, and return their results in order.
    fn gather(
        cx: &mut Cx,
        coros_or_futures: Rest,
        #[key]
        #[default(false)]
        #[text("False")]
        return_exceptions: bool,
        kwargs: KeywordRest,
    ) -> NativeResult {
        if let Some(name) = functions::first_keyword(cx, kwargs.0) {
            return Err(cx.type_error(format!("gather() got an unexpected keyword argument '{name}'")));
        }
        let args = coros_or_futures.0;
        if args.is_empty() {
            let event_loop = functions::event_loop(cx)?;
            let outer = future::new(cx, event_loop);
            let list = cx.list(&[]).value().raw();
            future::finish(cx, outer, FutureState::Finished, list);
            return Ok(outer.value().into());
        }
        let mut known: HashMap<u64, Raw> = HashMap::new();
        let mut event_loop = None;
        let mut children: Vec<Raw> = Vec::with_capacity(args.len());
        for arg in args.roots() {
            let raw = arg.get(cx).raw();
            let is_future = AnyFuture::of(Value::adopt(raw)).is_some();
            if !is_future && let Some(child) = known.get(&raw.bits()) {
                children.push(*child);
                continue;
            }
            let mark = cx.mark();
            // As the key of a dict: what has no hash is refused before what can't be awaited.
            let hashed = match is_future || super::task::is_coroutine(cx, Value::adopt(raw)) {
                true => Ok(0),
                false => cx.dict_key_hash(arg),
            };
            let child = match (hashed, event_loop) {
                (Err(raised), _) => Err(raised),
                (Ok(_), Some(event_loop)) => functions::ensure_future(cx, event_loop, arg),
                (Ok(_), None) if is_future => Ok(raw),
                (Ok(_), None) => {
                    functions::check_awaitable(cx, arg)?;
                    let own = functions::event_loop(cx)?;
                    functions::ensure_future(cx, own, arg)
                }
            };
            cx.release(mark);
            let child = match child {
                Ok(child) => child,
                Err(raised) => {
                    give_up(cx, event_loop, &children);
                    return Err(raised);
                }
            };
            if !is_future {
                known.insert(raw.bits(), child);
                // The tasks stay alive in the registers of the arguments.
                arg.set(cx, Value::adopt(child));
            }
            if event_loop.is_none() {
                event_loop = Some(any(child).base().event_loop.value().raw());
            }
            children.push(child);
        }
        let event_loop = event_loop.expect("there are some");
        Ok(Outcome::Value(gather_futures(cx, event_loop, &children, return_exceptions)))
    }

    /// Protect an awaitable from being cancelled with whoever awaits the result.
    fn shield(cx: &mut Cx, #[either] arg: Root) -> NativeResult {
        let event_loop = match AnyFuture::of(arg.get(cx)) {
            Some(future) => future.base().event_loop.value().raw(),
            None => {
                functions::check_awaitable(cx, arg)?;
                functions::event_loop(cx)?
            }
        };
        let inner = functions::ensure_future(cx, event_loop, arg)?;
        if any(inner).base().is_done() {
            return Ok(Outcome::Value(inner));
        }
        cx.push_raw(inner);
        let outer = future::new(cx, event_loop);
        let watcher = new_watcher(cx, Watcher::Shield { inner, outer: outer.raw() });
        future::watch(cx, any(inner), watcher);
        future::watch(cx, outer, watcher);
        Ok(outer.value().into())
    }

    /// Wait for futures and tasks, and return two sets: those that are done, and the others.
    #[suspends]
    fn wait(
        cx: &mut Cx,
        #[either] fs: Root,
        #[key] timeout: Option<Root>,
        #[key]
        #[text("'ALL_COMPLETED'")]
        return_when: Option<Root>,
    ) -> NativeResult {
        let single = AnyFuture::of(fs.get(cx)).is_some() || {
            let raw = fs.get(cx).raw();
            super::task::is_coroutine(cx, Value::adopt(raw))
        };
        if single {
            let got = super::class_name(cx, fs.get(cx));
            return Err(cx.type_error(format!("expect a list of futures, not {got}")));
        }
        let futures = if cx.truth(fs)? { collect(cx, fs)? } else { vec![] };
        if futures.is_empty() {
            return Err(cx.value_error("Set of Tasks/Futures is empty."));
        }
        let when = match return_when {
            None => "ALL_COMPLETED".to_owned(),
            Some(when) => cx.str_text(when)?,
        };
        if !matches!(&*when, "ALL_COMPLETED" | "FIRST_COMPLETED" | "FIRST_EXCEPTION") {
            return Err(cx.value_error(format!("Invalid return_when value: {when}")));
        }
        for raw in &futures {
            if super::task::is_coroutine(cx, Value::adopt(*raw)) {
                return Err(cx.type_error("Passing coroutines is forbidden, use tasks explicitly.".into()));
            }
            if AnyFuture::of(Value::adopt(*raw)).is_none() {
                let got = super::class_name(cx, Value::adopt(*raw));
                return Err(
                    cx.raise_text(Exc::AttributeError, &format!("'{got}' object has no attribute 'add_done_callback'"))
                );
            }
        }
        let event_loop = running_object(cx)?;
        let waiter = future::new(cx, event_loop);
        let heap = cx.heap.forever();
        if let Some(timeout) = timeout {
            clock::seconds(cx, timeout, clock::Use::Add)?;
            let kept = cx.push(waiter.value());
            super::custom::settle_later(cx, event_loop, timeout, waiter)?;
            let _ = kept;
        }
        let watcher = new_watcher(
            cx,
            Watcher::Wait {
                waiter: waiter.raw(),
                left: futures.len(),
                first_completed: when == "FIRST_COMPLETED",
                first_exception: when == "FIRST_EXCEPTION",
            },
        );
        let tuple = Tuple::build(heap, futures.len(), |i| Value::adopt(futures[i])).value().raw();
        let base = fs.number() + 3;
        cx.release(base);
        fs.set(cx, Value::adopt(tuple));
        fs.offset(1).set(cx, watcher.value());
        for raw in futures {
            future::watch(cx, any(raw), watcher);
        }
        waiter.base().put(BLOCKING, true);
        let value = cx.push(waiter.value());
        Ok(Outcome::Suspend { value, then: Then::Catch(waited) })
    }
);

/// Whether a value is a future or task.
pub(crate) fn is_future(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::Future | Kind::Task)
}
