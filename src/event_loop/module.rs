//! What scripts see: the modules `asyncio` and `contextvars`, the classes of futures, tasks, handles and loops.

use crate::heap::{Kind, Raw, Value};
use crate::native::types::object;
use crate::native::{Install, Natives};
use crate::object::{Class, ClassFlags, Exc, Tuple};
use crate::vm::native::{Cx, NativeFunction, Raised, Root};
use crate::vm::{ExtensionSlot, TypeRow};

use super::abstract_loop::ABSTRACT_LOOP;
use super::functions::{ASYNCIO, SUBMODULE};
use super::future_type::{FUTURE, FUTURE_ITER, TASK};
use super::handle::{HANDLE, TIMER_HANDLE};
use super::loop_type::{HOOKS, LOOP, NOTHING};
use super::{EventLoops, combine, context, custom, future, graph, group, loops, queue, run, sock, sync, timeout};

pub(super) const fn row(name: &'static str, module: &'static str, methods: &'static [&'static Natives]) -> TypeRow {
    TypeRow::native(module, name, methods).with(ClassFlags::OPEN)
}

pub(super) const fn kind_row(
    kind: Kind,
    name: &'static str,
    module: &'static str,
    methods: &'static [&'static Natives],
) -> TypeRow {
    TypeRow::of(kind, name, methods).in_module(module)
}

pub(super) static NO_METHODS: &[&Natives] = &[&NOTHING];
pub(super) static TIMER_METHODS: &[&Natives] = &[&TIMER_HANDLE];

pub(super) const fn exception_row(name: &'static str, module: &'static str, base: &'static str) -> TypeRow {
    let mut row = TypeRow::native(module, name, NO_METHODS).derived(base).with(ClassFlags::OPEN);
    row.layout = Kind::Exception;
    row
}

pub(super) const fn timer_row() -> TypeRow {
    let mut row = TypeRow::native("asyncio.events", "TimerHandle", TIMER_METHODS).derived("Handle");
    row.layout = Kind::Handle;
    row
}

pub(super) static ROWS: &[TypeRow] = &[
    kind_row(Kind::Future, "Future", "_asyncio", &[&FUTURE]),
    kind_row(Kind::Task, "Task", "_asyncio", &[&TASK]).derived("Future"),
    TypeRow { kind: None, ..kind_row(Kind::Future, "_GatheringFuture", "asyncio.tasks", &[&NOTHING]) }
        .derived("Future"),
    kind_row(Kind::Handle, "Handle", "asyncio.events", &[&HANDLE]),
    timer_row(),
    TypeRow::native("_asyncio", "FutureIter", &[&FUTURE_ITER]),
    TypeRow::native("_asyncio", "_Watcher", &[&NOTHING]),
    TypeRow { layout: Kind::Instance, ..row("AbstractEventLoop", "asyncio.events", &[&ABSTRACT_LOOP]) },
    row("BaseEventLoop", "asyncio.base_events", &[&LOOP]).derived("AbstractEventLoop"),
    row("BaseSelectorEventLoop", "asyncio.selector_events", &[&sock::SOCK]).derived("BaseEventLoop"),
    row("_UnixSelectorEventLoop", "asyncio.unix_events", &[&NOTHING]).derived("BaseSelectorEventLoop"),
    row("Lock", "asyncio.locks", &[&sync::LOCK]),
    row("Event", "asyncio.locks", &[&sync::EVENT]),
    row("Semaphore", "asyncio.locks", &[&sync::SEMAPHORE]),
    row("BoundedSemaphore", "asyncio.locks", &[&sync::BOUNDED_SEMAPHORE]).derived("Semaphore"),
    row("Queue", "asyncio.queues", &[&queue::QUEUE]),
    row("PriorityQueue", "asyncio.queues", &[&queue::PRIORITY_QUEUE]).derived("Queue"),
    row("LifoQueue", "asyncio.queues", &[&queue::LIFO_QUEUE]).derived("Queue"),
    row("Timeout", "asyncio.timeouts", &[&timeout::TIMEOUT]).with(ClassFlags::FINAL),
    row("TaskGroup", "asyncio.taskgroups", &[&group::GROUP]),
];

pub(super) static EXCEPTION_ROWS: &[TypeRow] = &[
    exception_row("QueueEmpty", "asyncio.queues", "Exception"),
    exception_row("QueueFull", "asyncio.queues", "Exception"),
    exception_row("QueueShutDown", "asyncio.queues", "Exception"),
    exception_row("BrokenBarrierError", "asyncio.exceptions", "RuntimeError"),
    exception_row("SendfileNotAvailableError", "asyncio.exceptions", "RuntimeError"),
];

pub(super) static CONTEXT_ROWS: &[TypeRow] = &[
    kind_row(Kind::Context, "Context", "_contextvars", &[&context::CONTEXT, &object::UNEQUAL, &object::ORDERED])
        .with(ClassFlags::FINAL),
    kind_row(Kind::ContextVar, "ContextVar", "_contextvars", &[&context::CONTEXT_VAR]).with(ClassFlags::FINAL),
    TypeRow::native("_contextvars", "Token", &[&context::TOKEN]).with(ClassFlags::FINAL.union(ClassFlags::OPEN)),
    TypeRow::native("_contextvars", "Token.MISSING", &[&context::TOKEN_MISSING]).with(ClassFlags::FINAL),
];

/// Makes room for the loops of a machine: contexts need it before there is any loop.
pub(super) fn prepare(cx: &mut Cx) {
    if cx.extension::<EventLoops>(ExtensionSlot::EventLoop).is_none() {
        cx.set_extension(ExtensionSlot::EventLoop, Box::new(EventLoops::new()));
        cx.install_types(CONTEXT_ROWS);
    }
}

pub(super) fn put(cx: &mut Cx, module: Root, name: &str, raw: Raw) {
    let key = cx.intern(name).held();
    let heap = cx.heap.forever();
    if let Some(module) = module.get(cx).exact::<crate::object::Module>() {
        // A namespace has room for the library's names.
        let _ = module.dict().set_str(heap, key, Value::adopt(raw));
    }
}

pub(super) fn class(cx: &Cx, name: &str) -> Raw {
    cx.named_class(name).value().raw()
}

pub(super) fn install_contextvars(cx: &mut Cx) -> Result<(), Raised> {
    prepare(cx);
    let module = cx.new_module("contextvars").held();
    cx.functions_of(module, &context::CONTEXTVARS);
    let module = cx.push(module.value());
    for name in ["Context", "ContextVar", "Token"] {
        let raw = class(cx, name);
        put(cx, module, name, raw);
    }
    let names = ["Context", "ContextVar", "Token", "copy_context"].map(|name| cx.intern(name).held());
    let names = Tuple::build(&cx.heap, names.len(), |at| names[at].value()).value().raw();
    put(cx, module, "__all__", names);
    let missing = context::missing(cx)?;
    let token = class(cx, "Token");
    let key = cx.intern("MISSING").held();
    let heap = cx.heap.forever();
    let namespace = Value::adopt(token).exact::<Class>().expect("a class").namespace();
    let _ = namespace.set_str(heap, key, Value::adopt(missing));
    Ok(())
}

/// Submodules of `asyncio` and what is in them.
pub(super) static SUBMODULES: &[(&str, &[&str])] = &[
    (
        "events",
        &[
            "AbstractEventLoop",
            "Handle",
            "TimerHandle",
            "get_event_loop",
            "set_event_loop",
            "new_event_loop",
            "get_running_loop",
            "_get_running_loop",
            "_set_running_loop",
        ],
    ),
    ("base_events", &["BaseEventLoop"]),
    (
        "exceptions",
        &["CancelledError", "InvalidStateError", "TimeoutError", "BrokenBarrierError", "SendfileNotAvailableError"],
    ),
    ("futures", &["Future", "isfuture", "_set_result_unless_cancelled"]),
    (
        "tasks",
        &[
            "Task",
            "create_task",
            "FIRST_COMPLETED",
            "FIRST_EXCEPTION",
            "ALL_COMPLETED",
            "wait",
            "wait_for",
            "sleep",
            "gather",
            "shield",
            "ensure_future",
            "current_task",
            "all_tasks",
            "eager_task_factory",
            "as_completed",
        ],
    ),
    ("locks", &["Lock", "Event", "Semaphore", "BoundedSemaphore", "Condition", "Barrier"]),
    ("queues", &["Queue", "PriorityQueue", "LifoQueue", "QueueEmpty", "QueueFull", "QueueShutDown"]),
    ("timeouts", &["Timeout", "timeout", "timeout_at"]),
    ("taskgroups", &["TaskGroup"]),
    ("runners", &["run", "Runner"]),
    ("coroutines", &["iscoroutine"]),
];

pub(super) fn install_asyncio(cx: &mut Cx) -> Result<(), Raised> {
    prepare(cx);
    cx.install_types(ROWS);
    cx.install_types(EXCEPTION_ROWS);
    cx.set_driver(Kind::Future, future::drive);
    cx.set_driver(Kind::Task, future::drive);
    let shape = |cx: &Cx, name| cx.named_class(name).get().root_shape.get();
    let (future_shape, task_shape) = (shape(cx, "Future"), shape(cx, "Task"));
    let gather_shape = shape(cx, "_GatheringFuture");
    let engine = cx.native_function(&run::ENGINE, Raw::NONE, None, Raw::NONE);
    let hooks: Vec<Raw> = HOOKS.defs.iter().map(|def| cx.native_function(def, Raw::NONE, None, Raw::NONE)).collect();
    let all = loops(cx);
    all.future_shape = future_shape;
    all.task_shape = task_shape;
    all.gather_shape = gather_shape;
    all.engine = engine;
    all.hooks = [hooks[0], hooks[1]];

    let module = cx.new_module("asyncio").held();
    let tables: [&'static Natives; 5] =
        [&ASYNCIO, &combine::COMBINE, &timeout::TIMEOUTS, &graph::GRAPH, &graph::POLICY];
    for table in tables {
        cx.functions_of(module, table);
    }
    let settle = custom::settle_function(cx);
    let module = cx.push(module.value());
    put(cx, module, "_set_result_unless_cancelled", settle);
    for row in ROWS.iter().chain(EXCEPTION_ROWS) {
        let raw = class(cx, row.name);
        put(cx, module, row.name, raw);
    }
    for exc in [Exc::CancelledError, Exc::InvalidStateError, Exc::TimeoutError] {
        let raw = cx.exception_class(exc).value().raw();
        put(cx, module, exc.name(), raw);
    }
    let default = class(cx, "_UnixSelectorEventLoop");
    for name in ["SelectorEventLoop", "EventLoop"] {
        put(cx, module, name, default);
    }
    for name in ["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"] {
        let raw = cx.intern(name).value().raw();
        put(cx, module, name, raw);
    }
    let folder = cx.str(&format!("{}/asyncio", crate::stdlib::FOLDER)).held();
    let path = cx.list(&[folder.value()]).value().raw();
    put(cx, module, "__path__", path);
    let package = cx.intern("asyncio").value().raw();
    put(cx, module, "__package__", package);
    for (name, members) in SUBMODULES {
        let full = format!("asyncio.{name}");
        let submodule = cx.new_module(&full).value().raw();
        put(cx, module, name, submodule);
        let submodule = cx.push_raw(submodule);
        for member in *members {
            let found = module.get(cx).exact::<crate::object::Module>().expect("a module").dict();
            let key = cx.str(member);
            if let Some(raw) = found.get_str(&cx.heap, key).map(Value::raw) {
                put(cx, submodule, member, raw);
                name_home(cx, raw, if IN_C.contains(member) { "_asyncio" } else { &full });
            }
        }
        let raw = submodule.get(cx).raw();
        let function = cx.native_function(&SUBMODULE.defs[0], Raw::NONE, None, Raw::NONE);
        let hook = cx.bound_method(function, raw);
        put(cx, submodule, "__getattr__", hook);
        put(cx, submodule, "__package__", package);
    }
    Ok(())
}

/// Functions that CPython has in C.
static IN_C: &[&str] = &[
    "current_task",
    "all_tasks",
    "get_event_loop",
    "get_running_loop",
    "_get_running_loop",
    "_set_running_loop",
    "_enter_task",
    "_leave_task",
];

/// Says which module a function is in.
fn name_home(cx: &mut Cx, raw: Raw, module: &str) {
    if let Some(native) = Value::adopt(raw).exact::<NativeFunction>().map(|native| native.held()) {
        let module = cx.intern(module).held();
        native.set_any(&cx.heap, |n| &n.module, module.value());
    }
}

/// How a module written here is installed, if there is one of this name.
pub fn install(name: &str) -> Option<Install> {
    match name {
        "asyncio" => Some(install_asyncio),
        "contextvars" => Some(install_contextvars),
        "_socket" => Some(super::socket::install),
        _ => None,
    }
}
