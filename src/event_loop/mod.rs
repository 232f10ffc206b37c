//! The event loop: `asyncio`, natively.
//!
//! A loop is a queue of what is ready (a small enum), timers, and a table of tasks. It runs as one native, the *engine*: it takes the next
//! entry, asks the machine to resume a coroutine or call a callback, and goes on from there in a continuation, so it never nests on
//! the machine's stack. One iteration ("turn") is as asyncio's: timers that are due become ready, then exactly the entries that were
//! ready at the turn's start run, first come first served.
//!
//! Read on: `ready.rs` (what is next), `task.rs` (a step, and what a coroutine yielded), `future.rs`, `timers.rs`, `combine.rs` (gather, wait, shield), `timeout.rs`,
//! `group.rs`, `sync.rs`, `queue.rs`, `context.rs`, `report.rs`, `module.rs` (what scripts see).

#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of values are of no interest to a given question")]

mod abstract_loop;
mod clock;
mod combine;
mod context;
mod custom;
mod functions;
mod future;
mod future_type;
mod graph;
mod group;
mod handle;
mod loop_type;
mod module;
mod places;
mod queue;
mod reactor;
mod ready;
mod report;
mod repr;
mod ring;
mod run;
mod sock;
mod socket;
mod sync;
mod table;
mod task;
mod tell;
mod timeout;
mod timers;

use std::collections::{BTreeMap, HashMap};

use crate::heap::{Gc, Raw, Tracer, Value};
use crate::object::{AnyFuture, Exception, Future, Handle, Instance, NativeObject, Payload, Task};
use crate::vm::fiber::FiberId;
use crate::vm::native::{Cx, Raised};
use crate::vm::{Extension, ExtensionSlot};
use ready::ReadyQueue;
use ring::{Ring, What};
use table::Table;
use timers::Timers;

pub use module::install;

/// What waits in the ready queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// A task takes a step.
    Step(Gc<'static, Task>),
    /// What a task waited for is done.
    Wake(Gc<'static, Task>),
    /// An exception is thrown into a task.
    Throw(Gc<'static, Task>, Gc<'static, Exception>),
    /// A callback is called.
    Run(Gc<'static, Handle>),
    /// A done callback is called with its future.
    Done(Gc<'static, Handle>, FutureRef),
    /// A native watcher is told that a future is done.
    Watch(Gc<'static, NativeObject>, FutureRef),
    /// A method of an object of the library is called: `_served` with the future that is done, or `_readable`.
    Tell(Gc<'static, Instance>, Option<FutureRef>),
    /// The time of a sleep is over: its future gets None unless it was cancelled.
    Settle(Gc<'static, Future>),
    /// The time of a `Timeout` is over, if the ticket is its last.
    Expire(Gc<'static, NativeObject>, u32),
}

impl Ready {
    /// The object it is about.
    pub(crate) fn subject(&self) -> Raw {
        match self {
            Ready::Step(task) | Ready::Wake(task) | Ready::Throw(task, _) => task.value().raw(),
            Ready::Run(handle) | Ready::Done(handle, _) => handle.value().raw(),
            Ready::Watch(object, _) | Ready::Expire(object, _) => object.value().raw(),
            Ready::Tell(object, _) => object.value().raw(),
            Ready::Settle(future) => future.value().raw(),
        }
    }
}

/// A future or task in one word: which of the two its header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FutureRef(*mut crate::heap::Header);

impl FutureRef {
    pub(crate) fn new(future: AnyFuture<'static>) -> FutureRef {
        FutureRef(match future {
            AnyFuture::Future(f) => f.pointer(),
            AnyFuture::Task(t) => t.pointer(),
        })
    }

    pub(crate) fn raw(self) -> Raw {
        Raw::cell(self.0)
    }

    pub(crate) fn get(self) -> AnyFuture<'static> {
        AnyFuture::of(Value::adopt(self.raw())).expect("made of one")
    }
}

/// A loop.
#[derive(Debug)]
pub(crate) struct LoopState {
    /// The object scripts see.
    pub(crate) object: Raw,
    pub(crate) ready: ReadyQueue,
    /// What a script's `call_soon` is still to be asked for.
    pub(crate) inbox: ReadyQueue,
    /// Which of its parts are a script's.
    pub(crate) own: custom::Own,
    /// Whether it is within `run_forever`.
    pub(crate) is_within: bool,
    /// Entries that this turn still runs.
    pub(crate) left: usize,
    pub(crate) timers: Timers,
    /// The descriptors that are waited for.
    pub(crate) reactor: reactor::Reactor,
    /// Who waits for an answer of the host, by the question's number.
    pub(crate) questions: HashMap<u64, AnyFuture<'static>>,
    /// The task that takes a step.
    pub(crate) current: Option<Gc<'static, Task>>,
    /// Every task that is not done.
    pub(crate) tasks: Table,
    pub(crate) stopping: bool,
    /// It was just begun: it takes a turn even if it is to stop.
    pub(crate) fresh: bool,
    pub(crate) debug: bool,
    pub(crate) exception_handler: Raw,
    pub(crate) task_factory: Raw,
    pub(crate) slow_callback_duration: f64,
    /// Turns so far.
    pub(crate) turn: u32,
    /// The context outside of the loop's tasks and callbacks while it runs.
    pub(crate) outer: Raw,
    /// What runs now, for the report of slow callbacks; and since when.
    pub(crate) running: Raw,
    pub(crate) since: f64,
    /// Asynchronous generators that were iterated: weak references.
    pub(crate) generators: Vec<Raw>,
    pub(crate) generators_closed: bool,
    /// The machine's hooks for asynchronous generators before the loop ran.
    pub(crate) hooks: [Raw; 2],
    /// How many calls were noted for each coroutine before the loop ran.
    pub(crate) origin_depth: usize,
    /// What is called when signals come in, by their numbers.
    pub(crate) signal_handlers: BTreeMap<i32, Gc<'static, Handle>>,
    /// The fiber that runs it.
    pub(crate) runner: Option<FiberId>,
}

impl LoopState {
    fn new(object: Raw, debug: bool) -> LoopState {
        LoopState {
            object,
            ready: ReadyQueue::default(),
            inbox: ReadyQueue::default(),
            own: custom::Own::default(),
            is_within: false,
            left: 0,
            timers: Timers::default(),
            reactor: reactor::Reactor::default(),
            questions: HashMap::new(),
            current: None,
            tasks: Table::default(),
            stopping: false,
            fresh: false,
            debug,
            exception_handler: Raw::NONE,
            task_factory: Raw::NONE,
            slow_callback_duration: 0.1,
            turn: 0,
            outer: Raw::NONE,
            running: Raw::NONE,
            since: 0.0,
            generators: vec![],
            generators_closed: false,
            hooks: [Raw::NONE; 2],
            origin_depth: 0,
            signal_handlers: BTreeMap::new(),
            runner: None,
        }
    }

    /// Puts an entry that has no handle into the queue.
    #[inline]
    pub(crate) fn push(&mut self, entry: Ready) {
        if self.own.call_soon { self.inbox.push_back(entry) } else { self.ready.push_back(entry) }
    }

    fn trace(&self, tracer: &mut Tracer<'_>) {
        for raw in [self.object, self.exception_handler, self.task_factory, self.outer, self.running] {
            tracer.raw(raw);
        }
        self.generators.iter().chain(&self.hooks).for_each(|raw| tracer.raw(*raw));
        if let Some(task) = self.current {
            tracer.raw(task.value().raw());
        }
        for entry in self.ready.iter().chain(self.inbox.iter()) {
            match entry {
                Ready::Step(task) | Ready::Wake(task) => tracer.raw(task.value().raw()),
                Ready::Throw(task, exception) => {
                    tracer.raw(task.value().raw());
                    tracer.raw(exception.value().raw());
                }
                Ready::Run(handle) => tracer.raw(handle.value().raw()),
                Ready::Done(handle, future) => {
                    tracer.raw(handle.value().raw());
                    tracer.raw(future.raw());
                }
                Ready::Watch(watcher, future) => {
                    tracer.raw(watcher.value().raw());
                    tracer.raw(future.raw());
                }
                Ready::Tell(object, future) => {
                    tracer.raw(object.value().raw());
                    if let Some(future) = future {
                        tracer.raw(future.raw());
                    }
                }
                Ready::Settle(future) => tracer.raw(future.value().raw()),
                Ready::Expire(timeout, _) => tracer.raw(timeout.value().raw()),
            }
        }
        self.signal_handlers.values().for_each(|handle| tracer.raw(handle.value().raw()));
        self.timers.trace(tracer);
        self.reactor.trace(tracer);
        self.questions.values().for_each(|future| tracer.raw(future.raw()));
        self.tasks.trace(tracer);
    }
}

/// What each fiber has of its own, while it does not run.
#[derive(Clone, Copy, Debug)]
struct OfFiber {
    /// The object of the loop that it runs.
    running: Raw,
    current: Raw,
    context: Raw,
    handled: Raw,
}

/// Every loop of a machine, and what they share.
#[derive(Debug)]
pub(crate) struct EventLoops {
    loops: Vec<LoopState>,
    /// The one that the running fiber runs.
    running: Option<usize>,
    /// What the other fibers have of their own, by their numbers.
    others: HashMap<u32, OfFiber>,
    fiber: FiberId,
    /// What `set_event_loop` set.
    pub(crate) current: Raw,
    /// The number of the last task without a name.
    pub(crate) last_name: u32,
    /// The context of what runs: None for an empty one, a map nobody else sees, or a context object.
    pub(crate) context: Raw,
    pub(crate) ring: Ring,
    /// The shapes and classes of plain futures and tasks.
    pub(crate) future_shape: u32,
    pub(crate) task_shape: u32,
    pub(crate) gather_shape: u32,
    /// The engine as a function.
    pub(crate) engine: Raw,
    /// A main task that Ctrl-C cancels, while `run` runs.
    pub(crate) main: Raw,
    /// What was being handled when `run` began to clear away; None if nothing needs to be put back.
    pub(crate) handled: Raw,
    /// Futures that failed and may not have been asked: weak references.
    pub(crate) failed: Vec<Raw>,
    /// How often the loop waits before it looks again whether those that were alive have died, and how often it did.
    pub(crate) patience: [u32; 2],
    /// What the machine calls with asynchronous generators: first iterated, and dead.
    pub(crate) hooks: [Raw; 2],
    /// Where bytes are received before they go to an object of their size.
    pub(crate) buffer: Vec<u8>,
    /// What scripts said waits for what: for call graphs.
    pub(crate) awaited_by: Vec<(Raw, Raw)>,
    /// What `set_event_loop_policy` set.
    pub(crate) policy: Raw,
    /// `socket.getdefaulttimeout()`.
    pub(crate) socket_timeout: Option<f64>,
}

impl EventLoops {
    fn new() -> EventLoops {
        EventLoops {
            loops: vec![],
            running: None,
            others: HashMap::new(),
            fiber: FiberId::MAIN,
            current: Raw::NONE,
            last_name: 0,
            context: Raw::NONE,
            ring: Ring::new(),
            future_shape: 0,
            task_shape: 0,
            gather_shape: 0,
            engine: Raw::NONE,
            main: Raw::NONE,
            handled: Raw::NONE,
            failed: vec![],
            patience: [0; 2],
            hooks: [Raw::NONE; 2],
            buffer: vec![],
            awaited_by: vec![],
            policy: Raw::NONE,
            socket_timeout: None,
        }
    }

    /// The future for the answer to a question, which is given only once.
    pub(crate) fn take_question(&mut self, ticket: u64) -> Option<AnyFuture<'static>> {
        self.loops.iter_mut().find_map(|l| l.questions.remove(&ticket))
    }

    /// The loop with this object; None if it is closed.
    #[inline]
    pub(crate) fn find(&mut self, object: Raw) -> Option<&mut LoopState> {
        if let Some(at) = self.running
            && self.loops[at].object.same(object)
        {
            return Some(&mut self.loops[at]);
        }
        self.loops.iter_mut().find(|l| l.object.same(object))
    }

    /// The loop that runs.
    #[inline]
    pub(crate) fn running(&mut self) -> Option<&mut LoopState> {
        let at = self.running?;
        Some(&mut self.loops[at])
    }

    /// Whether the running fiber runs this loop.
    pub(crate) fn is_running_here(&self, object: Raw) -> bool {
        self.running.is_some_and(|at| self.loops[at].object.same(object))
    }

    /// Whether any fiber runs this loop.
    pub(crate) fn is_running(&self, object: Raw) -> bool {
        self.loops.iter().any(|l| l.runner.is_some() && l.object.same(object))
    }

    fn set_running(&mut self, object: Option<Raw>) {
        if let Some(at) = self.running {
            self.loops[at].runner = None;
        }
        self.running = object.and_then(|o| self.loops.iter().position(|l| l.object.same(o)));
        if let Some(at) = self.running {
            self.loops[at].runner = Some(self.fiber);
        }
    }

    fn close(&mut self, object: Raw) {
        if let Some(at) = self.loops.iter().position(|l| l.object.same(object)) {
            self.loops.swap_remove(at);
            if let Some(running) = self.running
                && running == self.loops.len()
            {
                self.running = Some(at);
            }
        }
    }
}

impl Extension for EventLoops {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        for (waited, waiter) in &self.awaited_by {
            tracer.raw(*waited);
            tracer.raw(*waiter);
        }
        for raw in [self.current, self.context, self.engine, self.main, self.handled, self.policy]
            .iter()
            .chain(&self.hooks)
            .chain(&self.failed)
        {
            tracer.raw(*raw);
        }
        self.loops.iter().for_each(|l| l.trace(tracer));
        for other in self.others.values() {
            [other.running, other.current, other.context, other.handled].iter().for_each(|raw| tracer.raw(*raw));
        }
    }

    fn value_of_variable(&self, variable: Value<'_>) -> Option<Raw> {
        context::map_within(self.context)?.get_value(variable).map(|value| value.raw())
    }

    fn switch(&mut self, from: u32, to: u32, ended: bool) {
        let nothing = OfFiber { running: Raw::NONE, current: Raw::NONE, context: Raw::NONE, handled: Raw::NONE };
        let new = self.others.remove(&to).unwrap_or(nothing);
        let running = self.running.map_or(Raw::NONE, |at| self.loops[at].object);
        let old = OfFiber {
            running,
            current: std::mem::replace(&mut self.current, new.current),
            context: std::mem::replace(&mut self.context, new.context),
            handled: std::mem::replace(&mut self.handled, new.handled),
        };
        let empty = [old.running, old.current, old.context, old.handled].iter().all(|raw| raw.same(Raw::NONE));
        if !ended && !empty {
            self.others.insert(from, old);
        }
        self.fiber = FiberId(to);
        self.running = None;
        if !new.running.same(Raw::NONE) {
            self.running = self.loops.iter().position(|l| l.object.same(new.running));
        }
    }
}

/// The payload of a loop's object: its state is in [`EventLoops`], by object.
#[derive(Debug)]
pub(crate) struct LoopObject;

impl Payload for LoopObject {}

/// Every loop.
#[inline]
pub(crate) fn loops(cx: &mut Cx) -> &mut EventLoops {
    cx.extension_mut(ExtensionSlot::EventLoop).expect("installed at the start")
}

/// Every loop, to read.
#[inline]
pub(crate) fn loops_ref(cx: &Cx) -> &EventLoops {
    cx.extension(ExtensionSlot::EventLoop).expect("installed at the start")
}

/// The loop that runs: for what only happens in one.
#[inline]
pub(crate) fn running(cx: &mut Cx) -> &mut LoopState {
    loops(cx).running().expect("called by the running loop")
}

/// The object of the loop that runs, or RuntimeError.
pub(crate) fn running_object(cx: &mut Cx) -> Result<Raw, Raised> {
    match loops(cx).running() {
        Some(state) => Ok(state.object),
        None => Err(cx.runtime_error("no running event loop")),
    }
}

/// The state of a loop, or RuntimeError if it is closed.
pub(crate) fn open_loop(cx: &mut Cx, object: Raw) -> Result<&mut LoopState, Raised> {
    if loops(cx).find(object).is_none() {
        return Err(cx.runtime_error("Event loop is closed"));
    }
    Ok(loops(cx).find(object).expect("just found"))
}

/// A loop that waits in another fiber goes on: something was put into its queue.
pub(crate) fn wake(cx: &mut Cx, object: Raw) {
    if loops(cx).find(object).is_some_and(|state| state.own.selector) {
        let mark = cx.mark();
        let event_loop = cx.push_raw(object);
        if let Err(raised) = cx.call_method(event_loop, "_write_to_self", &[]) {
            cx.take_raised(raised);
        }
        cx.release(mark);
    }
    if let Some(fiber) = loops(cx).find(object).and_then(|state| state.runner)
        && fiber != cx.current_fiber()
    {
        cx.wake_fiber(fiber);
    }
}

/// Puts something into a loop's ready queue. If the loop is closed nothing happens: nobody will run it.
#[inline]
pub(crate) fn schedule(cx: &mut Cx, event_loop: Raw, entry: Ready) {
    if let Some(state) = loops(cx).find(event_loop) {
        state.push(entry);
    }
}

/// Notes an event of a task.
#[inline]
pub(crate) fn note(cx: &mut Cx, what: What, task: u32, other: u32) {
    let all = loops(cx);
    let turn = all.running.map_or(0, |at| all.loops[at].turn);
    all.ring.note(turn, what, task, other);
}

/// Makes a loop.
pub(crate) fn new_loop(cx: &mut Cx) -> Raw {
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(LoopObject), 0), |_| Value::NONE);
    object.set_shape(cx.named_class("_UnixSelectorEventLoop").get().root_shape.get());
    let raw = object.value().raw();
    let debug = cx.switches.dev_mode || cx.python_variable("PYTHONASYNCIODEBUG").is_some_and(|v| !v.is_empty());
    loops(cx).loops.push(LoopState::new(raw, debug));
    report::announce(cx, raw);
    raw
}

/// The name of a value's class, without its module.
pub(crate) fn class_name(cx: &Cx, value: Value<'_>) -> String {
    cx.class_of(value).name().to_str_lossy().into_owned()
}
