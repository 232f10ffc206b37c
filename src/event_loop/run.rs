//! The engine: the native that runs a loop, and the phases of `asyncio.run`.

use crate::heap::{Collection, Gc, Kind, Raw, Value};
use crate::object::{AnyFuture, Exc, FutureState, Handle, Instance, NativeObject, Task};
use crate::vm::fiber::FiberId;
use crate::vm::native::{
    Args, Cx, NativeDef, NativeKind, NativeResult, Outcome, Param, ParamKind, Raised, Resumed, Root, Then,
};

use super::{
    FutureRef, Ready, combine, context, custom, future, handle, loops, new_loop, reactor, report, running, task,
    timeout,
};

/// What the engine runs the loop for: the third value of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// `run_forever`.
    Forever,
    /// `run_until_complete`.
    Until,
    /// `run`: the main task.
    Main,
    /// `run`: what was left over is cancelled.
    Leftovers,
    /// `run`: asynchronous generators are closed.
    Generators,
    /// `run`: the threads of the executor end.
    Executor,
    /// `_run_once`: one turn, of a loop that runs already or not.
    Once,
}

impl Phase {
    fn of(cx: &Cx, window: Args) -> Phase {
        let all = [
            Phase::Forever,
            Phase::Until,
            Phase::Main,
            Phase::Leftovers,
            Phase::Generators,
            Phase::Executor,
            Phase::Once,
        ];
        all[window.get(cx, PHASE).as_int().unwrap_or(0) as usize]
    }
}

// The engine's window.
const LOOP: usize = 0;
const UNTIL: usize = 1;
const PHASE: usize = 2;
/// The result, or the exception if FAILED.
const OUTCOME: usize = 3;
const FAILED: usize = 4;
const EXTRA: usize = 5;
const BASE: usize = 6;

const fn param(name: &'static str) -> Param {
    Param { name, kind: ParamKind::Positional, default: "" }
}

/// The engine as a native: scripts never see it.
pub(crate) static ENGINE: NativeDef = NativeDef {
    name: "run_loop",
    doc: &["Turn an event loop until what it runs for is done."],
    kind: NativeKind::Function,
    params: &[param("loop"), param("until"), param("phase"), param("outcome"), param("failed"), param("extra")],
    suspends: false,
    scripted: false,
    counted: false,
    unnamed: false,
    quick: crate::vm::native::Quick::No,
    run: start,
};

/// What a native returns to have the engine run a loop.
pub(crate) fn engine(cx: &mut Cx, event_loop: Raw, until: Raw, phase: Phase) -> NativeResult {
    let engine = loops(cx).engine;
    let callee = cx.push_raw(engine);
    for raw in [event_loop, until, Raw::int(phase as i64), Raw::NONE, Raw::FALSE, Raw::NONE] {
        cx.push_raw(raw);
    }
    Ok(Outcome::Call { callee, argc: BASE as u32, keywords: None, then: Then::Return })
}

/// `asyncio.run(main)`: `main` is a coroutine.
pub(crate) fn run_main(cx: &mut Cx, main: Root, debug: Option<bool>, made: Option<Raw>) -> NativeResult {
    let object = match made {
        Some(raw) => raw,
        None => new_loop(cx),
    };
    let object = cx.push_raw(object);
    let raw = object.get(cx).raw();
    loops(cx).current = raw;
    if let (Some(debug), Some(state)) = (debug, loops(cx).find(raw)) {
        state.debug = debug;
    }
    let plain = loops(cx).find(raw).is_none_or(|state| state.task_factory.same(Raw::NONE))
        && !super::functions::makes_tasks_itself(cx, raw);
    let task = if plain {
        task::new_task(cx, raw, main, None, context::snapshot)?
    } else {
        // The loop's factory makes the main task too.
        let kept = context::snapshot(cx);
        let kept = context::object(cx, kept);
        let kept = cx.push_raw(kept);
        task_of_factory(cx, raw, main, Some(kept))?
    };
    let until = task.get(cx).raw();
    if cx.current_fiber() == FiberId::MAIN {
        loops(cx).main = until;
        cx.defer_interrupt = true;
    }
    engine(cx, raw, until, Phase::Main)
}

/// A task for a coroutine from the loop's factory.
fn task_of_factory(cx: &mut Cx, event_loop: Raw, coroutine: Root, context: Option<Root>) -> Result<Root, Raised> {
    let keywords = crate::object::Dict::new(&cx.heap).value().raw();
    let keywords = cx.push_raw(keywords);
    if let Some(context) = context {
        let key = cx.intern("context").value().raw();
        let key = cx.push_raw(key);
        cx.dict_set(keywords, key, context)?;
    }
    super::functions::create_task_nested(cx, event_loop, coroutine, keywords)
}

fn start(cx: &mut Cx, window: Args) -> NativeResult {
    let object = window.get(cx, LOOP).raw();
    if Phase::of(cx, window) == Phase::Once && loops(cx).is_running_here(object) {
        // It goes on running afterwards.
        window.root(FAILED).set(cx, Value::TRUE);
        return go_on(cx, window);
    }
    match begin(cx, window) {
        Ok(()) => go_on(cx, window),
        // What runs already goes on.
        Err(raised) => Err(raised),
    }
}

/// Makes the loop the running one.
fn begin(cx: &mut Cx, window: Args) -> Result<(), Raised> {
    let object = window.get(cx, LOOP).raw();
    if loops(cx).find(object).is_none() {
        return Err(cx.runtime_error("Event loop is closed"));
    }
    if loops(cx).is_running(object) {
        return Err(cx.runtime_error("This event loop is already running"));
    }
    if loops(cx).running().is_some() {
        return Err(cx.runtime_error("Cannot run the event loop while another loop is running"));
    }
    let all = loops(cx);
    all.set_running(Some(object));
    let outer = all.context;
    let hooks = all.hooks;
    let before = [cx.coroutines.first_iteration, cx.coroutines.finalizer];
    [cx.coroutines.first_iteration, cx.coroutines.finalizer] = hooks;
    let state = running(cx);
    state.is_within = true;
    state.hooks = before;
    state.outer = outer;
    let debug = state.debug;
    let origin_depth = std::mem::replace(&mut cx.coroutines.origin_depth, 0);
    cx.coroutines.origin_depth = if debug { report::ORIGIN_DEPTH } else { origin_depth };
    let state = running(cx);
    state.origin_depth = origin_depth;
    state.left = 0;
    state.fresh = true;
    let until = window.get(cx, UNTIL).raw();
    if let Some(future) = AnyFuture::of(Value::adopt(until)).map(AnyFuture::held) {
        let target = Value::adopt(object).exact::<NativeObject>().expect("a loop's object").held();
        future::watch(cx, future, target);
    }
    Ok(())
}

/// Runs entries until a script has to run or the loop stops.
fn go_on(cx: &mut Cx, window: Args) -> NativeResult {
    match next(cx, window) {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) => finish(cx, window),
        Err(raised) => leave(cx, window, raised),
    }
}

fn next(cx: &mut Cx, window: Args) -> Result<Option<Outcome>, Raised> {
    let base = window.start() + BASE as u32;
    let mut began = false;
    loop {
        cx.release(base);
        // Tasks that only spawn others get to no safepoint of their own.
        cx.make_room()?;
        let state = running(cx);
        if state.own.call_soon {
            let object = state.object;
            custom::announce(cx, object)?;
        }
        let state = running(cx);
        if state.left == 0 && Phase::of(cx, window) == Phase::Once {
            // The second time its turn is over.
            if std::mem::replace(&mut began, true) || window.get(cx, EXTRA).as_bool() == Some(true) {
                return Ok(None);
            }
            window.root(EXTRA).set(cx, Value::TRUE);
            turn(cx)?;
            continue;
        }
        let state = running(cx);
        if state.left == 0 {
            // What was told to stop before it ran takes one turn.
            if state.stopping && !std::mem::take(&mut state.fresh) {
                state.stopping = false;
                return Ok(None);
            }
            state.fresh = false;
            if state.own.run_once {
                let event_loop = window.root(LOOP);
                let method = cx.attribute(event_loop, "_run_once")?.get(cx).raw();
                let callee = cx.push_raw(method);
                return Ok(Some(Outcome::Call { callee, argc: 0, keywords: None, then: Then::Catch(turned) }));
            }
            turn(cx)?;
            continue;
        }
        state.left -= 1;
        let Some(entry) = state.ready.pop_front() else {
            state.left = 0;
            continue;
        };
        let outcome = match entry {
            Ready::Step(task) => task::step(cx, task, task::Input::Nothing, stepped)?,
            Ready::Wake(task) => task::step(cx, task, task::Input::Woken, stepped)?,
            Ready::Throw(task, exception) => {
                task::step(cx, task, task::Input::Throw(exception.value().raw()), stepped)?
            }
            Ready::Run(handle) => call(cx, handle, None)?,
            Ready::Done(handle, future) => call(cx, handle, Some(future.get()))?,
            Ready::Tell(object, future) => Some(tell(cx, object, future.map(FutureRef::get))?),
            Ready::Watch(watcher, future) => {
                combine::notify(cx, watcher, future.get())?;
                None
            }
            Ready::Expire(object, ticket) => {
                timeout::expire(cx, object, ticket)?;
                None
            }
            Ready::Settle(future) => {
                let future = AnyFuture::Future(future);
                if !future.base().is_done() {
                    future::finish(cx, future, FutureState::Finished, Raw::NONE);
                }
                None
            }
        };
        if outcome.is_some() {
            return Ok(outcome);
        }
    }
}

/// Begins a turn: waits if there is nothing to do, and makes ready what is due.
fn turn(cx: &mut Cx) -> Result<(), Raised> {
    let heap = cx.heap.forever();
    let state = running(cx);
    let idle = state.ready.is_empty() && !state.stopping;
    let next = state.timers.next();
    let (object, own) = (state.object, state.own);
    if own.selector {
        if idle {
            report::idle(cx);
        }
        let timeout = match next {
            _ if !idle || !running(cx).ready.is_empty() => Raw::int(0),
            Some(when) => {
                let (now, whole) = custom::time_of(cx, object)?;
                let whole = whole && running(cx).timers.next_is_whole() || when <= now;
                custom::number((when - now).clamp(0.0, 86400.0), whole)
            }
            None => Raw::NONE,
        };
        custom::select(cx, object, timeout)?;
    } else if idle {
        report::idle(cx);
        if running(cx).ready.is_empty() {
            let timeout = match next {
                Some(when) => Some((when - custom::time(cx, object)?).clamp(0.0, 86400.0)),
                None => None,
            };
            reactor::poll(cx, timeout)?;
        }
    } else if state.reactor.is_used() {
        reactor::look(cx, Some(0.0))?;
    }
    if next.is_some() {
        let now = custom::time(cx, object)?;
        let end = now + cx.host().clock_resolution();
        let state = running(cx);
        while let Some(target) = state.timers.pop_due(heap, now, end) {
            let target = Value::adopt(target);
            if let Some(handle) = target.exact::<Handle>() {
                handle.timer.set(0);
                state.ready.push_back(Ready::Run(handle.held()));
            } else if let Some(future) = target.exact::<crate::object::Future>() {
                future.base.timer.set(0);
                state.ready.push_back(Ready::Settle(future.held()));
            } else if let Some(object) = target.exact::<NativeObject>()
                && let Some(ticket) = timeout::due(object.held())
            {
                state.ready.push_back(Ready::Expire(object.held(), ticket));
            }
        }
    }
    signals(cx)?;
    let state = running(cx);
    state.left = state.ready.len();
    state.turn = state.turn.wrapping_add(1);
    Ok(())
}

/// Ctrl-C: the first cancels the main task of `run`, the next is raised where the code is.
fn signals(cx: &mut Cx) -> Result<(), Raised> {
    if cx.current_fiber() != FiberId::MAIN || !cx.signals_wait() {
        return Ok(());
    }
    const SIGINT: i32 = 2;
    let signals = std::mem::take(&mut cx.pending_signals);
    let mut interrupted = false;
    for signal in signals {
        let state = running(cx);
        if let Some(handle) = state.signal_handlers.get(&signal).copied() {
            state.ready.push_back(Ready::Run(handle));
        } else if signal == SIGINT && cx.interrupts() {
            interrupted = true;
        } else {
            cx.pending_signals.push(signal);
        }
    }
    cx.handle_signals()?;
    if !interrupted {
        return Ok(());
    }
    let main = std::mem::replace(&mut loops(cx).main, Raw::UNBOUND);
    cx.defer_interrupt = false;
    match AnyFuture::of(Value::adopt(main)).map(AnyFuture::held) {
        Some(task) if !task.base().is_done() => return future::cancel(cx, task, Raw::NONE).map(|_| ()),
        None if Value::adopt(main).kind() == Kind::Instance => {
            // A script's factory makes what is only like a task.
            let task = cx.push_raw(main);
            let done = cx.call_method(task, "done", &[])?;
            if !cx.truth(done)? {
                return cx.call_method(task, "cancel", &[]).map(|_| ());
            }
        }
        _ => {}
    }
    Err(cx.raise_new(Exc::KeyboardInterrupt, &[]))
}

/// Asks for a handle's callback to be called, with the future for a done callback.
fn call(
    cx: &mut Cx,
    handle: Gc<'static, Handle>,
    future: Option<AnyFuture<'static>>,
) -> Result<Option<Outcome>, Raised> {
    if handle.cancelled.get() {
        return Ok(None);
    }
    cx.push_raw(handle.value().raw());
    context::enter(cx, handle.context.value().raw());
    let callee = cx.push_raw(handle.callback.get().raw());
    let mut argc = 0;
    if let Some(args) = handle.args.get::<crate::object::Tuple>() {
        let args = args.held();
        for item in args.items() {
            cx.push_raw(item.raw());
            argc += 1;
        }
    }
    if let Some(future) = future {
        cx.push_raw(future.raw());
        argc += 1;
    }
    report::begin_step(cx, handle.value().raw());
    Ok(Some(Outcome::Call { callee, argc, keywords: None, then: Then::Catch(called) }))
}

/// Asks for a method of an object of the library to be called. It runs in an empty context: in any other a handle is called.
fn tell(cx: &mut Cx, object: Gc<'static, Instance>, future: Option<AnyFuture<'static>>) -> NativeResult {
    cx.push_raw(object.value().raw());
    context::enter(cx, Raw::NONE);
    let name = cx.intern(if future.is_some() { "_served" } else { "_readable" }).held();
    cx.push_raw(name.value().raw());
    let class = cx.class_of(object.value()).held();
    let method = cx.lookup_class(class, name).expect("the library's class has the method").raw();
    let then = Then::Catch(called);
    match future {
        Some(future) => cx.call_unbound(method, object.value().raw(), &[future.raw()], then),
        None => cx.call_unbound(method, object.value().raw(), &[], then),
    }
}

/// A callback returned or raised. The window's first value after the engine's is the handle.
fn called(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let now = matches!(resumed, Resumed::Raised(_)).then(|| {
        let now = loops(cx).context;
        cx.push_raw(now)
    });
    context::leave(cx);
    report::end_step(cx);
    if let Resumed::Raised(exception) = resumed {
        let fatal = is_fatal(cx, exception);
        if fatal {
            let raised = cx.rethrow(exception);
            return leave(cx, window, raised);
        }
        let mut handle = window.root(BASE);
        if handle.get(cx).kind() != Kind::Handle {
            // The name of the method is behind the object.
            let method = cx.get_attribute(handle, window.root(BASE + 1))?;
            let event_loop = window.root(LOOP);
            let made = handle::new_handle(cx, event_loop, method, Args::of(method, 0), None, None)?;
            handle = cx.push(made.value());
        } else if let (Some(own), Some(now)) = (handle.get(cx).exact::<Handle>().map(Gc::held), now)
            && own.context.value().kind() != Kind::Context
        {
            // The handler is called in the context as the callback left it.
            own.set_any(&cx.heap, |h| &h.context, now.get(cx));
        }
        let raw = exception.get(cx).raw();
        let before = cx.set_handled(raw);
        let reported = report::callback_failed(cx, handle, exception);
        cx.set_handled(before);
        if let Err(raised) = reported {
            return leave(cx, window, raised);
        }
    }
    go_on(cx, window)
}

/// A script's `_run_once` returned or raised.
fn turned(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        let raised = cx.rethrow(exception);
        return leave(cx, window, raised);
    }
    running(cx).left = 0;
    go_on(cx, window)
}

/// A task's step is over.
fn stepped(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if !matches!(resumed, Resumed::Yielded(_)) {
        lose_generators(cx, window);
    }
    match task::stepped(cx, resumed) {
        Ok(()) => go_on(cx, window),
        Err(raised) => leave(cx, window, raised),
    }
}

/// The task that the loop runs for ends: asynchronous generators that only it referred to are closed by tasks, which are made before the loop
/// learns that it is to stop.
fn lose_generators(cx: &mut Cx, window: Args) {
    let until = window.get(cx, UNTIL).raw();
    let state = running(cx);
    let ends = !state.generators.is_empty() && state.current.is_some_and(|task| task.value().raw().same(until));
    if ends {
        cx.collect(Collection::Major);
        cx.finalise_now();
    }
}

/// Whether an exception leaves the loop at once.
pub(crate) fn is_fatal(cx: &Cx, exception: Root) -> bool {
    let value = exception.get(cx);
    cx.is_exception(value, Exc::SystemExit) || cx.is_exception(value, Exc::KeyboardInterrupt)
}

/// The loop is no longer the running one.
fn stop_running(cx: &mut Cx, window: Args) {
    let object = window.get(cx, LOOP).raw();
    let all = loops(cx);
    if all.is_running_here(object) {
        let state = all.running().expect("it runs");
        let outer = std::mem::replace(&mut state.outer, Raw::NONE);
        state.is_within = false;
        state.current = None;
        state.stopping = false;
        state.left = 0;
        let hooks = std::mem::replace(&mut state.hooks, [Raw::NONE; 2]);
        let origin_depth = state.origin_depth;
        all.context = outer;
        all.set_running(None);
        [cx.coroutines.first_iteration, cx.coroutines.finalizer] = hooks;
        cx.coroutines.origin_depth = origin_depth;
    }
    let until = window.get(cx, UNTIL).raw();
    if let Some(future) = AnyFuture::of(Value::adopt(until)).map(AnyFuture::held) {
        let heap = cx.heap.forever();
        future.remove_target(heap, Value::adopt(object));
    }
}

/// The loop stopped.
fn finish(cx: &mut Cx, window: Args) -> NativeResult {
    if Phase::of(cx, window) == Phase::Once && window.get(cx, FAILED).as_bool() == Some(true) {
        return Ok(Outcome::NONE);
    }
    stop_running(cx, window);
    match Phase::of(cx, window) {
        Phase::Forever | Phase::Once => Ok(Outcome::NONE),
        Phase::Until => result(cx, window),
        Phase::Main => {
            match result(cx, window) {
                Ok(Outcome::Value(raw)) => window.root(OUTCOME).set(cx, Value::adopt(raw)),
                Ok(_) => {}
                Err(raised) => keep(cx, window, raised),
            }
            leftovers(cx, window)
        }
        Phase::Leftovers => {
            report_leftovers(cx, window);
            generators(cx, window)
        }
        Phase::Generators => executor(cx, window),
        Phase::Executor => end(cx, window),
    }
}

/// An exception leaves the loop.
fn leave(cx: &mut Cx, window: Args, raised: Raised) -> NativeResult {
    let object = window.get(cx, LOOP).raw();
    let ran = loops(cx).is_running_here(object);
    if !ran || Phase::of(cx, window) == Phase::Once && window.get(cx, FAILED).as_bool() == Some(true) {
        return Err(raised);
    }
    stop_running(cx, window);
    match Phase::of(cx, window) {
        Phase::Forever | Phase::Once => Err(raised),
        Phase::Until => {
            let until = window.get(cx, UNTIL).raw();
            if let Some(future) = AnyFuture::of(Value::adopt(until)) {
                // The loop raises what the future raised: that is not lost.
                future.base().put(crate::object::UNRETRIEVED, false);
            }
            Err(raised)
        }
        Phase::Main => {
            if let Some(future) = AnyFuture::of(window.get(cx, UNTIL)) {
                future.base().put(crate::object::UNRETRIEVED, false);
            }
            keep(cx, window, raised);
            leftovers(cx, window)
        }
        Phase::Leftovers => {
            keep(cx, window, raised);
            generators(cx, window)
        }
        Phase::Generators | Phase::Executor => {
            keep(cx, window, raised);
            end(cx, window)
        }
    }
}

fn keep(cx: &mut Cx, window: Args, raised: Raised) {
    let exception = cx.take_raised(raised);
    window.root(OUTCOME).set(cx, Value::adopt(exception));
    window.root(FAILED).set(cx, Value::TRUE);
}

/// The result of the future the loop ran for.
fn result(cx: &mut Cx, window: Args) -> NativeResult {
    let until = window.get(cx, UNTIL).raw();
    let future = AnyFuture::of(Value::adopt(until)).expect("run for a future").held();
    if !future.base().is_done() {
        return Err(cx.runtime_error("Event loop stopped before Future completed."));
    }
    future::take_result(cx, future)
}

/// Runs the loop again, for the next phase of `run`.
fn again(cx: &mut Cx, window: Args, until: Raw, phase: Phase) -> NativeResult {
    window.root(UNTIL).set(cx, Value::adopt(until));
    window.root(PHASE).set(cx, Value::int(phase as i64));
    match begin(cx, window) {
        Ok(()) => go_on(cx, window),
        Err(raised) => leave(cx, window, raised),
    }
}

/// Cancels all tasks that are left, and waits for them.
fn leftovers(cx: &mut Cx, window: Args) -> NativeResult {
    let is_main = cx.current_fiber() == FiberId::MAIN;
    // A Ctrl-C that ended the main task is what `run` raises.
    if is_main && loops(cx).main.is_unbound() && window.get(cx, FAILED).as_bool() == Some(true) {
        let cancelled = cx.is_exception(window.get(cx, OUTCOME), Exc::CancelledError);
        if cancelled {
            let exception = cx.new_exception(Exc::KeyboardInterrupt, &[]).value().raw();
            // It says where the task was when it was cancelled.
            let cancelled = window.get(cx, OUTCOME).raw();
            let before = cx.set_handled(cancelled);
            cx.take_context(exception);
            cx.set_handled(before);
            window.root(OUTCOME).set(cx, Value::adopt(exception));
        }
    }
    if is_main {
        loops(cx).main = Raw::NONE;
        cx.defer_interrupt = false;
    }
    if window.get(cx, FAILED).as_bool() == Some(true) {
        // What is raised while the rest is cleared away has it as its context.
        let outcome = window.get(cx, OUTCOME).raw();
        let before = cx.set_handled(outcome);
        loops(cx).handled = before;
    }
    let object = window.get(cx, LOOP).raw();
    let tasks: Vec<Raw> = match loops(cx).find(object) {
        Some(state) => state.tasks.values().map(|v| v.raw()).collect(),
        None => return end(cx, window),
    };
    if tasks.is_empty() {
        return generators(cx, window);
    }
    let values: Vec<Value<'_>> = tasks.iter().map(|raw| Value::adopt(*raw)).collect();
    let list = cx.tuple(&values).value().raw();
    window.root(EXTRA).set(cx, Value::adopt(list));
    for raw in &tasks {
        if let Some(task) = AnyFuture::of(Value::adopt(*raw)).map(AnyFuture::held)
            && let Err(raised) = future::cancel(cx, task, Raw::NONE)
        {
            return leave(cx, window, raised);
        }
    }
    let gathered = combine::gather_futures(cx, object, &tasks, true);
    again(cx, window, gathered, Phase::Leftovers)
}

/// Reports the exceptions of tasks that failed while they were cancelled.
fn report_leftovers(cx: &mut Cx, window: Args) {
    let tasks: Vec<Raw> = match window.get(cx, EXTRA).exact::<crate::object::Tuple>() {
        Some(tuple) => tuple.items().map(|v| v.raw()).collect(),
        None => return,
    };
    for raw in tasks {
        let Some(task) = Value::adopt(raw).exact::<Task>().map(Gc::held) else { continue };
        if task.base.state.get() == FutureState::Failed {
            let mark = cx.mark();
            let exception = cx.push_raw(task.base.content.get().raw());
            let task = cx.push_raw(raw);
            let event_loop = window.root(LOOP);
            let text = "unhandled exception during asyncio.run() shutdown";
            let keys = [("exception", exception), ("task", task)];
            if let Err(raised) = report::call_handler(cx, event_loop, text, &keys) {
                cx.take_raised(raised);
            }
            cx.release(mark);
        }
    }
}

/// Closes asynchronous generators that are not finished.
fn generators(cx: &mut Cx, window: Args) -> NativeResult {
    let object = window.get(cx, LOOP).raw();
    if loops(cx).find(object).is_some_and(|state| !state.generators.is_empty()) {
        finalise_generators(cx, object);
    }
    await_method(cx, window, "shutdown_asyncgens", Phase::Generators)
}

/// Waits for the threads of the executor.
fn executor(cx: &mut Cx, window: Args) -> NativeResult {
    await_method(cx, window, "shutdown_default_executor", Phase::Executor)
}

/// Runs the loop for the coroutine of one of its methods.
fn await_method(cx: &mut Cx, window: Args, name: &str, phase: Phase) -> NativeResult {
    let object = window.get(cx, LOOP).raw();
    if loops(cx).find(object).is_none() {
        return end(cx, window);
    }
    let made = cx.call_method(window.root(LOOP), name, &[]).and_then(|coroutine| {
        let plain = loops(cx).find(object).is_none_or(|state| state.task_factory.same(Raw::NONE));
        match plain && !super::functions::makes_tasks_itself(cx, object) {
            true => task::new_task(cx, object, coroutine, None, context::snapshot),
            false => task_of_factory(cx, object, coroutine, None),
        }
    });
    match made {
        Ok(task) => {
            let until = task.get(cx).raw();
            again(cx, window, until, phase)
        }
        Err(raised) => {
            keep(cx, window, raised);
            end(cx, window)
        }
    }
}

/// Generators that nobody refers to any more die before the others are closed: as a running loop's they get a task that closes them.
fn finalise_generators(cx: &mut Cx, object: Raw) {
    let all = loops(cx);
    all.set_running(Some(object));
    let hooks = all.hooks;
    let before = [cx.coroutines.first_iteration, cx.coroutines.finalizer];
    [cx.coroutines.first_iteration, cx.coroutines.finalizer] = hooks;
    cx.collect(Collection::Major);
    cx.finalise_now();
    [cx.coroutines.first_iteration, cx.coroutines.finalizer] = before;
    loops(cx).set_running(None);
}

/// The end of `run`.
fn end(cx: &mut Cx, window: Args) -> NativeResult {
    let object = window.get(cx, LOOP).raw();
    close(cx, object);
    loops(cx).current = Raw::NONE;
    let handled = std::mem::replace(&mut loops(cx).handled, Raw::NONE);
    if !handled.same(Raw::NONE) {
        cx.set_handled(handled);
    }
    let failed = window.get(cx, FAILED).as_bool() == Some(true);
    if failed { Err(cx.rethrow(window.root(OUTCOME))) } else { Ok(window.get(cx, OUTCOME).into()) }
}

/// Closes a loop that does not run.
pub(crate) fn close(cx: &mut Cx, object: Raw) {
    report::unretrieved(cx);
    if loops(cx).find(object).is_some_and(|state| state.debug) {
        report::say_farewell(cx, object);
    }
    let signals: Vec<i32> =
        loops(cx).find(object).map_or(vec![], |state| state.signal_handlers.keys().copied().collect());
    for signal in signals {
        remove_signal_handler(cx, object, signal);
    }
    loops(cx).close(object);
}

/// A loop does not deal with a signal any more. Whether it did.
pub(crate) fn remove_signal_handler(cx: &mut Cx, object: Raw, signal: i32) -> bool {
    let removed = loops(cx).find(object).and_then(|state| state.signal_handlers.remove(&signal));
    let Some(handle) = removed else { return false };
    handle.cancelled.set(true);
    cx.give_signal_to_loops(signal, false);
    cx.forget_signal_handler(signal);
    true
}
