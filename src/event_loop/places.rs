//! Where CPython has the coroutines of asyncio that are native here: reprs of tasks and call graphs show such places.

use crate::object::GeneratorState;
use crate::vm::coroutine::NativeCoroutine;
use crate::vm::native::NativeDef;

use super::module::ROWS;

/// A coroutine function of the library.
struct Place {
    qualname: &'static str,
    file: &'static str,
    /// Where it is defined.
    first: u32,
    /// Where it waits.
    waits: u32,
}

const fn place(qualname: &'static str, file: &'static str, first: u32, waits: u32) -> Place {
    Place { qualname, file, first, waits }
}

static PLACES: &[Place] = &[
    place("sleep", "tasks", 687, 702),
    place("wait_for", "tasks", 440, 488),
    place("wait", "tasks", 405, 432),
    place("Event.wait", "locks", 200, 213),
    place("Queue.get", "queues", 172, 186),
    place("Queue.put", "queues", 125, 139),
    place("Queue.join", "queues", 239, 248),
    place("Lock.acquire", "locks", 90, 110),
    place("Semaphore.acquire", "locks", 386, 407),
    place("Timeout.__aenter__", "timeouts", 83, 83),
    place("Timeout.__aexit__", "timeouts", 95, 95),
    place("TaskGroup.__aenter__", "taskgroups", 55, 55),
    place("TaskGroup.__aexit__", "taskgroups", 69, 72),
    place("BaseSelectorEventLoop.sock_recv", "selector_events", 368, 388),
    place("BaseSelectorEventLoop.sock_recv_into", "selector_events", 410, 429),
    place("BaseSelectorEventLoop.sock_accept", "selector_events", 698, 711),
    place("BaseSelectorEventLoop.sock_sendall", "selector_events", 530, 559),
    place("BaseEventLoop.shutdown_asyncgens", "base_events", 570, 583),
    place("BaseEventLoop.shutdown_default_executor", "base_events", 595, 611),
];

/// The name of a native coroutine function with the class that has it.
fn qualname(def: &'static NativeDef) -> String {
    let has =
        |row: &&crate::vm::TypeRow| row.methods.iter().any(|table| table.defs.iter().any(|d| std::ptr::eq(d, def)));
    match ROWS.iter().find(has) {
        Some(row) => format!("{}.{}", row.name, def.name),
        None => def.name.to_owned(),
    }
}

/// What tasks show of a native coroutine.
pub(super) fn describe(coroutine: &NativeCoroutine) -> String {
    let name = qualname(coroutine.def);
    let Some(place) = PLACES.iter().find(|place| place.qualname == name) else { return format!("{name}()") };
    let file = format!("{}/asyncio/{}.py", crate::stdlib::FOLDER, place.file);
    match coroutine.state.get() {
        GeneratorState::Finished => format!("{name}() done, defined at {file}:{}", place.first),
        GeneratorState::Created => format!("{name}() running at {file}:{}", place.first),
        GeneratorState::Suspended | GeneratorState::Running => format!("{name}() running at {file}:{}", place.waits),
    }
}
