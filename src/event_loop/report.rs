//! What the loop reports: exceptions nobody handles, callbacks that take long, waits that never end. It goes to the loop's exception
//! handler, or to standard error as asyncio's log shows it.

use crate::heap::{Collection, Gc, Raw, Value, WeakRef};
use crate::native::traceback;
use crate::object::{AnyFuture, Dict, Exc, Handle, QUIET, Task, UNRETRIEVED};
use crate::vm::native::{Cx, Raised, Root};

use super::{clock, loops, loops_ref, repr, running};

/// Calls a loop's exception handler with a message and more.
pub(crate) fn call_handler(cx: &mut Cx, event_loop: Root, message: &str, more: &[(&str, Root)]) -> Result<(), Raised> {
    let mark = cx.mark();
    let dict = Dict::new(&cx.heap).value().raw();
    let dict = cx.push_raw(dict);
    let text = cx.str(message).value().raw();
    let text = cx.push_raw(text);
    for (key, value) in [("message", text)].iter().chain(more) {
        let key = cx.intern(key).value().raw();
        let key = cx.push_raw(key);
        cx.dict_set(dict, key, *value)?;
    }
    let result = if super::functions::overrides_loop_method(cx, event_loop.get(cx).raw(), "call_exception_handler") {
        cx.call_method(event_loop, "call_exception_handler", &[dict]).map(|_| ())
    } else {
        handle(cx, event_loop, dict)
    };
    cx.release(mark);
    result
}

/// `loop.call_exception_handler(context)`.
pub(crate) fn handle(cx: &mut Cx, event_loop: Root, context: Root) -> Result<(), Raised> {
    let object = event_loop.get(cx).raw();
    let handler = loops(cx).find(object).map_or(Raw::NONE, |l| l.exception_handler);
    if handler.same(Raw::NONE) {
        return default_or_log(cx, event_loop, context, "Exception in default exception handler");
    }
    let callee = cx.push_raw(handler);
    match call_in_context(cx, callee, event_loop, context) {
        Ok(_) => Ok(()),
        Err(raised) => {
            let exception = cx.take_raised(raised);
            let exception = cx.push_raw(exception);
            if super::run::is_fatal(cx, exception) {
                return Err(cx.rethrow(exception));
            }
            let dict = Dict::new(&cx.heap).value().raw();
            let dict = cx.push_raw(dict);
            let text = cx.str("Unhandled error in exception handler").value().raw();
            let text = cx.push_raw(text);
            for (key, value) in [("message", text), ("exception", exception), ("context", context)] {
                let key = cx.intern(key).value().raw();
                let key = cx.push_raw(key);
                cx.dict_set(dict, key, value)?;
            }
            let text =
                "Exception in default exception handler while handling an unexpected error in custom exception handler";
            default_or_log(cx, event_loop, dict, text)
        }
    }
}

/// Calls a handler in the context of the task, future or handle that the report is about, if it has one.
fn call_in_context(cx: &mut Cx, handler: Root, event_loop: Root, context: Root) -> Result<Root, Raised> {
    if cx.dict_of(context.get(cx)).is_some() {
        for key in ["task", "future", "handle"] {
            let key = cx.intern(key).value().raw();
            let key = cx.push_raw(key);
            let Some(thing) = cx.dict_get(context, key)?.filter(|thing| !thing.get(cx).is_none()) else { continue };
            let Some(get) = cx.find_attribute(thing, "get_context")? else { break };
            let own = cx.call(get, &[])?;
            if !own.get(cx).is_none()
                && let Some(run) = cx.find_attribute(own, "run")?
            {
                return cx.call(run, &[handler, event_loop, context]);
            }
            break;
        }
    }
    cx.call(handler, &[event_loop, context])
}

/// Calls the default handler; what goes wrong in it is logged with a message.
fn default_or_log(cx: &mut Cx, event_loop: Root, context: Root, message: &str) -> Result<(), Raised> {
    let own = super::functions::overrides_loop_method(cx, event_loop.get(cx).raw(), "default_exception_handler");
    let called = if own {
        cx.call_method(event_loop, "default_exception_handler", &[context]).map(|_| ())
    } else {
        default_handler(cx, context)
    };
    let Err(raised) = called else { return Ok(()) };
    let exception = cx.take_raised(raised);
    let exception = cx.push_raw(exception);
    if super::run::is_fatal(cx, exception) {
        return Err(cx.rethrow(exception));
    }
    log(cx, message, "error", Some(exception))
}

/// `loop.default_exception_handler(context)`: the message, what else there is in order of keys, and the traceback.
pub(crate) fn default_handler(cx: &mut Cx, context: Root) -> Result<(), Raised> {
    if cx.dict_of(context.get(cx)).is_none() {
        let got = cx.type_name_for_error(context.get(cx));
        return Err(cx.raise_text(Exc::AttributeError, &format!("'{got}' object has no attribute 'get'")));
    }
    let mark = cx.mark();
    let list = cx.list_from(context)?;
    let keys: Vec<Raw> =
        list.get(cx).exact::<crate::object::List>().expect("a list").items().map(|v| v.raw()).collect();
    let mut message = None;
    let mut exception = None;
    let mut lines = vec![];
    for key in keys {
        let key = cx.push_raw(key);
        let name = cx.str_text(key)?;
        let Some(value) = cx.dict_get(context, key)? else { continue };
        match &*name {
            "message" => message = Some(cx.str_text(value)?),
            "exception" => exception = Some(value).filter(|value| !value.get(cx).is_none()),
            "source_traceback" | "handle_traceback" => {
                let what = if name == "source_traceback" { "Object" } else { "Handle" };
                let module = cx.import("traceback")?;
                let entries = cx.call_method(module, "format_list", &[value])?;
                let mut text = String::new();
                cx.for_each(entries, &mut |cx, entry| {
                    text.push_str(&cx.str_text(entry)?);
                    Ok(())
                })?;
                let text = text.trim_end();
                lines.push((name.clone(), format!("{what} created at (most recent call last):\n{text}")));
            }
            _ => {
                let text = cx.repr_text(value)?;
                lines.push((name, text));
            }
        }
    }
    lines.sort();
    let mut text =
        message.filter(|text| !text.is_empty()).unwrap_or_else(|| "Unhandled exception in event loop".to_owned());
    for (key, value) in lines {
        text.push_str(&format!("\n{key}: {value}"));
    }
    log(cx, &text, "error", exception)?;
    cx.release(mark);
    Ok(())
}

/// Says something to the logger `asyncio`; while nobody has imported `logging`, to standard error as it would.
pub(crate) fn log(cx: &mut Cx, text: &str, level: &str, exception: Option<Root>) -> Result<(), Raised> {
    let mark = cx.mark();
    if let Some(logger) = replaced_logger(cx) {
        let method = cx.attribute(logger, level)?;
        let message = cx.str(text).value().raw();
        let message = cx.push_raw(message);
        match exception {
            Some(exception) => {
                let kind = cx.class_of(exception.get(cx)).value().raw();
                let traceback = cx.attribute(exception, "__traceback__")?;
                let parts = [Value::adopt(kind), exception.get(cx), traceback.get(cx)];
                let info = cx.tuple(&parts).value().raw();
                let info = cx.push_raw(info);
                let key = cx.intern("exc_info").value().raw();
                let names = cx.tuple(&[Value::adopt(key)]).value().raw();
                let names = cx.push_raw(names);
                cx.call_keywords(method, &[message, info], Some(names))?;
            }
            None => {
                cx.call(method, &[message])?;
            }
        }
        cx.release(mark);
        return Ok(());
    }
    if let Some(module) = cx.find_module("logging").map(|m| m.raw()) {
        let module = cx.push_raw(module);
        if let Some(get) = cx.find_attribute(module, "getLogger")? {
            let name = cx.str("asyncio").value().raw();
            let name = cx.push_raw(name);
            let logger = cx.call(get, &[name])?;
            let method = cx.attribute(logger, level)?;
            let message = cx.str(&text.replace('%', "%%")).value().raw();
            let message = cx.push_raw(message);
            let args = [message];
            match exception {
                Some(exception) => {
                    let key = cx.intern("exc_info").value().raw();
                    let key = cx.push_raw(key);
                    let names = cx.tuple(&[key.get(cx)]).value().raw();
                    let names = cx.push_raw(names);
                    cx.call_keywords(method, &[args[0], exception], Some(names))?;
                }
                None => {
                    cx.call(method, &args)?;
                }
            }
            cx.release(mark);
            return Ok(());
        }
    }
    let mut text = format!("{text}\n");
    if let Some(exception) = exception {
        match traceback::format_exception(cx, exception) {
            Ok(lines) => text.push_str(&lines),
            Err(raised) => {
                cx.take_raised(raised);
            }
        }
    }
    traceback::write_error(cx, &text);
    cx.release(mark);
    Ok(())
}

/// What a test put in the place of asyncio's logger.
fn replaced_logger(cx: &mut Cx) -> Option<Root> {
    let module = cx.find_module("asyncio.base_events")?.exact::<crate::object::Module>()?.held();
    let key = cx.str("logger");
    let raw = module.dict().get_str(&cx.heap, key).map(Value::raw)?;
    Some(cx.push_raw(raw))
}

/// A loop was made: asyncio's log says on what it waits.
pub(crate) fn announce(cx: &mut Cx, made: Raw) {
    if cx.find_module("logging").is_none() {
        return;
    }
    let mark = cx.mark();
    cx.push_raw(made);
    if let Err(raised) = log(cx, "Using selector: EpollSelector", "debug", None) {
        cx.take_raised(raised);
    }
    cx.release(mark);
}

/// A loop in debug mode is about to be closed: asyncio's log says so.
pub(crate) fn say_farewell(cx: &mut Cx, closing: Raw) {
    if cx.find_module("logging").is_none() {
        return;
    }
    let mark = cx.mark();
    let closing = cx.push_raw(closing);
    let said = cx.repr_text(closing).and_then(|text| log(cx, &format!("Close {text}"), "debug", None));
    if let Err(raised) = said {
        cx.take_raised(raised);
    }
    cx.release(mark);
}

/// A callback raised.
pub(crate) fn callback_failed(cx: &mut Cx, handle: Root, exception: Root) -> Result<(), Raised> {
    let mark = cx.mark();
    let own = handle.get(cx).exact::<Handle>().expect("a handle").held();
    let text = repr::callback(cx, own)?;
    let event_loop = cx.push_raw(own.get().event_loop.value().raw());
    let message = format!("Exception in callback {text}");
    let origin = own.get().source.value().raw();
    let mut keys = vec![("exception", exception), ("handle", handle)];
    if !origin.same(Raw::NONE) {
        keys.push(("source_traceback", summary(cx, origin)?));
    }
    call_handler(cx, event_loop, &message, &keys)?;
    cx.release(mark);
    Ok(())
}

/// A future died with an exception nobody asked for, or a task died pending.
pub(crate) fn died(cx: &mut Cx, future: Root) -> Result<(), Raised> {
    let own = AnyFuture::of(future.get(cx)).expect("a future").held();
    let base = own.base();
    if base.has(QUIET) || !base.has(UNRETRIEVED) {
        return Ok(());
    }
    base.put(UNRETRIEVED, false);
    let class = super::class_name(cx, future.get(cx));
    let message = format!("{class} exception was never retrieved");
    let exception = cx.push_raw(base.content.get().raw());
    let event_loop = cx.push_raw(base.event_loop.value().raw());
    let mut keys = vec![("exception", exception), ("future", future)];
    if let Some(origin) = origin(cx, own) {
        keys.push(("source_traceback", summary(cx, origin)?));
    }
    call_handler(cx, event_loop, &message, &keys)
}

/// Forgets futures that died or were asked; whether any are left.
fn any_unretrieved(cx: &mut Cx) -> bool {
    let failed = &mut loops(cx).failed;
    failed.retain(|raw| {
        let Some(reference) = Value::adopt(*raw).exact::<WeakRef>() else { return false };
        reference.target().and_then(AnyFuture::of).is_some_and(|future| future.base().has(UNRETRIEVED))
    });
    !failed.is_empty()
}

/// The loop is about to wait: futures that failed and that nobody refers to any more are reported now. Looking takes time, so those that go
/// on living are looked after less and less often.
pub(crate) fn idle(cx: &mut Cx) {
    cx.look_while_idle();
    if loops_ref(cx).failed.is_empty() || !any_unretrieved(cx) {
        return;
    }
    let [wait, waited] = loops(cx).patience;
    if waited < wait {
        loops(cx).patience = [wait, waited + 1];
        return;
    }
    cx.collect(Collection::Minor);
    cx.finalise_now();
    if any_unretrieved(cx) {
        loops(cx).patience = [(2 * wait).max(1), 0];
    }
}

/// The loop ends: what can be found to be lost is reported.
pub(crate) fn unretrieved(cx: &mut Cx) {
    if loops_ref(cx).failed.is_empty() || !any_unretrieved(cx) {
        return;
    }
    cx.collect(Collection::Major);
    cx.finalise_now();
}

// ---- slow steps (debug mode) ----

/// Something begins to run.
pub(crate) fn begin_step(cx: &mut Cx, what: Raw) {
    if !running(cx).debug {
        return;
    }
    let now = clock::now(cx);
    let state = running(cx);
    state.running = what;
    state.since = now;
}

/// It suspended, returned or raised.
pub(crate) fn end_step(cx: &mut Cx) {
    if !running(cx).debug {
        return;
    }
    let now = clock::now(cx);
    let state = running(cx);
    let what = std::mem::replace(&mut state.running, Raw::NONE);
    let (took, most) = (now - state.since, state.slow_callback_duration);
    if took < most || what.same(Raw::NONE) {
        return;
    }
    let mark = cx.mark();
    let root = cx.push_raw(what);
    let text = match repr::running(cx, root) {
        Ok(text) => text,
        Err(raised) => {
            cx.take_raised(raised);
            String::new()
        }
    };
    if let Err(raised) = log(cx, &format!("Executing {text} took {took:.3} seconds"), "warning", None) {
        cx.take_raised(raised);
    }
    cx.release(mark);
}

/// How many calls are noted in debug mode, as asyncio does.
pub(crate) const ORIGIN_DEPTH: usize = 10;
/// Two of those that asyncio notes for callbacks are its own.
const HANDLE_DEPTH: usize = ORIGIN_DEPTH - 2;
/// Of futures and tasks it notes all; this is enough to find the place.
const FUTURE_DEPTH: usize = 100;

/// The calls that run, outermost first, as a list of tuples.
fn sites(cx: &mut Cx, most: usize) -> Raw {
    let sites = cx.call_sites(most);
    let rows: Vec<Raw> = sites.iter().rev().map(|site| cx.site_tuple(site, true)).collect();
    let rows: Vec<Value<'_>> = rows.into_iter().map(Value::adopt).collect();
    cx.list(&rows).value().raw()
}

/// Debug mode: notes where a future or task was made.
pub(crate) fn remember_origin(cx: &mut Cx, future: AnyFuture<'static>) {
    let origin = sites(cx, FUTURE_DEPTH);
    let heap = cx.heap.forever();
    let key = cx.intern("_source_traceback").held();
    let dict = match future.base().dict.get() {
        Some(dict) => dict.held(),
        None => {
            let dict = Dict::new(heap);
            future.set_dict(heap, dict);
            dict
        }
    };
    // Without memory for it nobody learns it.
    let _ = dict.set_str(heap, key, Value::adopt(origin));
}

/// Debug mode: notes where a callback was scheduled.
pub(crate) fn remember_handle(cx: &mut Cx, handle: Gc<'static, Handle>) {
    let origin = sites(cx, HANDLE_DEPTH);
    handle.set_any(&cx.heap, |h| &h.source, Value::adopt(origin));
}

/// Where a future or task was made, if that was noted: a list of tuples.
pub(crate) fn origin(cx: &Cx, future: AnyFuture<'static>) -> Option<Raw> {
    let dict = future.base().dict.get()?;
    let key = cx.str("_source_traceback");
    dict.get_str(&cx.heap, key).map(Value::raw)
}

/// What `remember_origin` noted as handlers get it: a `traceback.StackSummary`.
fn summary(cx: &mut Cx, origin: Raw) -> Result<Root, Raised> {
    let origin = cx.push_raw(origin);
    let module = cx.import("traceback")?;
    let class = cx.attribute(module, "StackSummary")?;
    cx.call_method(class, "from_list", &[origin])
}

// ---- deadlocks ----

/// Nothing will ever happen again: says who waits for what.
pub(crate) fn deadlock(cx: &mut Cx) -> String {
    let tasks: Vec<Gc<'static, Task>> =
        running(cx).tasks.values().filter_map(|v| Value::<'static>::adopt(v.raw()).exact::<Task>()).take(20).collect();
    let count = running(cx).tasks.len();
    let mut text = "deadlock: nothing is scheduled, and nothing outside is waited for".to_owned();
    for task in tasks {
        let mark = cx.mark();
        let root = cx.push(task.value());
        match cx.repr_text(root) {
            Ok(line) => text.push_str(&format!("\n  {line}")),
            Err(raised) => {
                cx.take_raised(raised);
            }
        }
        cx.release(mark);
    }
    if count > 20 {
        text.push_str(&format!("\n  and {} more", count - 20));
    }
    text
}
