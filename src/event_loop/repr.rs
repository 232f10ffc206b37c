//! How futures, tasks, handles and callbacks are shown.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    AnyFuture, Callback, Function, FutureState, Handle, List, MUST_CANCEL, Str, Task, Tuple, any_generator,
};
use crate::vm::native::{Cx, Raised, Root};

use super::{loops, report, task};

/// Longest text that is shown of a result.
const MOST_TEXT: usize = 30;

/// As `reprlib.repr`: long texts are cut in their middle, containers after some items.
fn short(cx: &mut Cx, root: Root, level: usize) -> Result<String, Raised> {
    let mark = cx.mark();
    let value = root.get(cx);
    let items = |cx: &mut Cx, items: Vec<Raw>, most: usize| -> Result<String, Raised> {
        if level == 0 && !items.is_empty() {
            return Ok("...".to_owned());
        }
        let mut parts = vec![];
        for raw in items.iter().take(most) {
            let item = cx.push_raw(*raw);
            parts.push(short(cx, item, level - 1)?);
        }
        if items.len() > most {
            parts.push("...".to_owned());
        }
        Ok(parts.join(", "))
    };
    let text = if let Some(list) = value.exact::<List>() {
        let all = list.items().map(|v| v.raw()).collect();
        format!("[{}]", items(cx, all, 6)?)
    } else if let Some(tuple) = value.exact::<Tuple>() {
        let all: Vec<Raw> = tuple.items().map(|v| v.raw()).collect();
        let comma = if all.len() == 1 { "," } else { "" };
        format!("({}{comma})", items(cx, all, 6)?)
    } else if value.kind() == Kind::Str && !value.is_subclassed() {
        let full = cx.repr_text(root)?;
        if full.chars().count() > MOST_TEXT {
            let text = cx.str_text(root)?;
            let chars: Vec<char> = text.chars().take(MOST_TEXT).collect();
            let head: String = chars.iter().collect();
            let cut = cx.str(&head).value().raw();
            let cut = cx.push_raw(cut);
            let head = cx.repr_text(cut)?;
            let (i, j) = ((MOST_TEXT - 3) / 2, MOST_TEXT - 3 - (MOST_TEXT - 3) / 2);
            let _ = head;
            let full: Vec<char> = full.chars().collect();
            let start: String = full[..i].iter().collect();
            let end: String = full[full.len() - j..].iter().collect();
            format!("{start}...{end}")
        } else {
            full
        }
    } else {
        let full = cx.repr_text(root)?;
        let most = match value_kind(cx, root) {
            Kind::Int | Kind::BigInt => 40,
            Kind::Dict | Kind::Set | Kind::FrozenSet => 400,
            _ => MOST_TEXT,
        };
        let chars: Vec<char> = full.chars().collect();
        if chars.len() > most {
            let (i, j) = ((most - 3) / 2, most - 3 - (most - 3) / 2);
            let start: String = chars[..i].iter().collect();
            let end: String = chars[chars.len() - j..].iter().collect();
            format!("{start}...{end}")
        } else {
            full
        }
    };
    cx.release(mark);
    Ok(text)
}

fn value_kind(cx: &Cx, root: Root) -> Kind {
    root.get(cx).kind()
}

/// Where a function is defined: file and line.
fn source(value: Value<'_>) -> Option<(String, u32)> {
    let function = value.exact::<Function>()?;
    let code = function.code();
    Some((code.code.filename.to_string(), code.code.first_line))
}

/// `name() at file:line`, with arguments in debug mode.
fn callable(cx: &mut Cx, callee: Root, args: Option<Root>, debug: bool) -> Result<String, Raised> {
    let mark = cx.mark();
    let (text, function) = called(cx, callee, args, debug)?;
    let native = function.get(cx).exact::<Function>().is_some_and(|f| cx.stands_for_native(f.held()));
    let place =
        source(function.get(cx)).filter(|_| !native).map_or(String::new(), |(file, line)| format!(" at {file}:{line}"));
    cx.release(mark);
    Ok(text + &place)
}

/// A callable as it is called, and the function behind it.
fn called(cx: &mut Cx, callee: Root, args: Option<Root>, debug: bool) -> Result<(String, Root), Raised> {
    cx.check_stack()?;
    let mut list = vec![];
    if let Some(args) = args
        && debug
        && let Some(tuple) = args.get(cx).exact::<Tuple>()
    {
        let all: Vec<Raw> = tuple.items().map(|v| v.raw()).collect();
        for raw in all {
            let root = cx.push_raw(raw);
            list.push(short(cx, root, 6)?);
        }
    }
    let list = list.join(", ");
    if super::class_name(cx, callee.get(cx)) == "partial"
        && let Some(function) = cx.find_attribute(callee, "func")?
        && let Some(args) = cx.find_attribute(callee, "args")?
    {
        let (text, function) = called(cx, function, Some(args), debug)?;
        return Ok((format!("{text}({list})"), function));
    }
    let name = match cx.find_attribute(callee, "__qualname__")? {
        Some(name) if cx.as_str(name.get(cx)).is_some() => cx.str_text(name)?,
        _ => match cx.find_attribute(callee, "__name__")? {
            Some(name) if cx.as_str(name.get(cx)).is_some() => cx.str_text(name)?,
            _ => cx.repr_text(callee)?,
        },
    };
    Ok((format!("{name}({list})"), callee))
}

/// A handle's callback, with its arguments in debug mode.
pub(crate) fn callback(cx: &mut Cx, handle: Gc<'static, Handle>) -> Result<String, Raised> {
    let mark = cx.mark();
    let event_loop = handle.get().event_loop.value().raw();
    let debug = loops(cx).find(event_loop).is_some_and(|l| l.debug);
    let callee = cx.push(handle.get().callback.get());
    let args = handle.get().args.value();
    let args = if args.is_none() { None } else { Some(cx.push(args)) };
    let text = callable(cx, callee, args, debug)?;
    cx.release(mark);
    Ok(text)
}

/// A handle.
pub(crate) fn handle(cx: &mut Cx, handle: Gc<'static, Handle>) -> Result<String, Raised> {
    let mut text = if handle.is_timer { "<TimerHandle".to_owned() } else { "<Handle".to_owned() };
    if handle.cancelled.get() {
        text.push_str(" cancelled");
    }
    if handle.is_timer {
        let when = cx.push_raw(super::custom::number(handle.when.get(), handle.whole.get()));
        text.push_str(&format!(" when={}", cx.repr_text(when)?));
    }
    let event_loop = handle.get().event_loop.value().raw();
    let debug = loops(cx).find(event_loop).is_some_and(|l| l.debug);
    if (debug || !handle.cancelled.get()) && !handle.callback.get().is_none() {
        text.push_str(&format!(" {}", callback(cx, handle)?));
    }
    Ok(text + &created_at(Some(handle.source.value().raw())) + ">")
}

/// What a slow step is of.
pub(crate) fn running(cx: &mut Cx, root: Root) -> Result<String, Raised> {
    cx.repr_text(root)
}

fn one_callback(cx: &mut Cx, future: Raw, kind: Callback, target: Raw) -> Result<String, Raised> {
    match kind {
        Callback::None => Ok("shield.<locals>._clear_awaited_by_callback()".to_owned()),
        Callback::Wake => Ok("Task.task_wakeup()".to_owned()),
        Callback::Call => {
            let handle = Value::adopt(target).exact::<Handle>().expect("a handle").held();
            let mark = cx.mark();
            let callee = cx.push(handle.get().callback.get());
            let text = callable(cx, callee, None, false)?;
            cx.release(mark);
            Ok(text)
        }
        Callback::Tell => {
            let class = cx.class_of(Value::adopt(target)).name().to_str_lossy().into_owned();
            Ok(format!("{class}.connection_made.<locals>.callback()"))
        }
        Callback::Watch => {
            let class = cx.class_of(Value::adopt(target)).name().to_str_lossy().into_owned();
            Ok(match &*class {
                "TaskGroup" => "TaskGroup._on_task_done()".to_owned(),
                "_UnixSelectorEventLoop" => "_run_until_complete_cb()".to_owned(),
                _ => super::combine::watcher_name(Value::adopt(target), future).to_owned(),
            })
        }
    }
}

fn callbacks(cx: &mut Cx, future: AnyFuture<'static>) -> Result<String, Raised> {
    let (mut all, own) = (future.callbacks(), future.raw());
    // What shields a future has two callbacks in CPython.
    for at in (0..all.len()).rev() {
        let (kind, target) = all[at];
        if kind == Callback::Watch && super::combine::shields(Value::adopt(target), own) {
            all.insert(at, (Callback::None, target));
        }
    }
    let text = match all.as_slice() {
        [] => return Ok(String::new()),
        [(kind, target)] => one_callback(cx, own, *kind, *target)?,
        [(a, x), (b, y)] => format!("{}, {}", one_callback(cx, own, *a, *x)?, one_callback(cx, own, *b, *y)?),
        [(a, x), more @ .., (b, y)] => {
            format!("{}, <{} more>, {}", one_callback(cx, own, *a, *x)?, more.len(), one_callback(cx, own, *b, *y)?)
        }
    };
    Ok(format!(" cb=[{text}]"))
}

fn result(cx: &mut Cx, future: AnyFuture<'static>) -> Result<String, Raised> {
    let base = future.base();
    let content = cx.push_raw(base.content.get().raw());
    match base.state.get() {
        FutureState::Finished => Ok(format!(" result={}", short(cx, content, 6)?)),
        FutureState::Failed => Ok(format!(" exception={}", cx.repr_text(content)?)),
        FutureState::Pending | FutureState::Cancelled => Ok(String::new()),
    }
}

fn state(state: FutureState) -> &'static str {
    match state {
        FutureState::Pending => "pending",
        FutureState::Cancelled => "cancelled",
        FutureState::Finished | FutureState::Failed => "finished",
    }
}

/// A coroutine, as tasks show it.
pub(crate) fn coroutine(cx: &mut Cx, coroutine: Root) -> Result<String, Raised> {
    let Some(generator) = any_generator(coroutine.get(cx)).map(Gc::held) else {
        if let Some(native) = coroutine.get(cx).exact::<crate::vm::coroutine::NativeCoroutine>() {
            return Ok(super::places::describe(&native));
        }
        return cx.repr_text(coroutine);
    };
    let name = cx.coroutine_name(coroutine.get(cx));
    let Some(function) = generator.get().function.get().map(Gc::held) else { return Ok(format!("{name}()")) };
    let code = function.code();
    let file = code.code.filename.to_string();
    use crate::object::GeneratorState as S;
    let line = match generator.get().state.get() {
        S::Finished => {
            let line = code.code.first_line;
            return Ok(format!("{name}() done, defined at {file}:{line}"));
        }
        S::Created => code.code.first_line,
        S::Suspended | S::Running => {
            let word = cx.generator_word(generator);
            code.code.position(word).map_or(code.code.first_line, |p| p.line)
        }
    };
    Ok(format!("{name}() running at {file}:{line}"))
}

/// `repr()` of a future or task.
pub(crate) fn future(cx: &mut Cx, root: Root) -> Result<String, Raised> {
    cx.check_stack()?;
    let mark = cx.mark();
    let future = AnyFuture::of(root.get(cx)).expect("a future").held();
    let class = super::class_name(cx, root.get(cx));
    let text = match future {
        AnyFuture::Future(_) => {
            let state = state(future.base().state.get());
            let made = created_at(report::origin(cx, future));
            format!("<{class} {state}{}{}{made}>", callbacks(cx, future)?, result(cx, future)?)
        }
        AnyFuture::Task(task) => describe_task(cx, &class, task)?,
    };
    cx.release(mark);
    Ok(text)
}

fn describe_task(cx: &mut Cx, class: &str, task: Gc<'static, Task>) -> Result<String, Raised> {
    let base = &task.get().base;
    let own = AnyFuture::Task(task);
    let pending = base.state.get() == FutureState::Pending;
    let cancelling = pending && (task.get().cancels.get() > 0 || base.has(MUST_CANCEL));
    let state = if cancelling { "cancelling" } else { state(base.state.get()) };
    let name = task::name(cx, task);
    let name = cx.push_raw(name);
    let mut text = format!("<{class} {state} name={}", cx.repr_text(name)?);
    let body = cx.push_raw(task.get().coroutine.value().raw());
    if !body.get(cx).is_none() {
        text.push_str(&format!(" coro=<{}>", coroutine(cx, body)?));
    }
    let waiter = task.get().waiter.value();
    if pending && !waiter.is_none() {
        let waiter = cx.push(waiter);
        // A chain of tasks that wait for each other is shown only so far: CPython would show all of it.
        text.push_str(&format!(" wait_for={}", cx.repr_text(waiter)?));
    }
    text.push_str(&callbacks_before(cx, own)?);
    text.push_str(&result(cx, own)?);
    Ok(text + &created_at(report::origin(cx, own)) + ">")
}

/// Where something was made, in debug mode: the last of the places noted.
fn created_at(origin: Option<Raw>) -> String {
    let list = origin.and_then(|raw| Value::<'static>::adopt(raw).exact::<List>());
    let Some(site) = list.and_then(|list| list.items().last()).and_then(|site| site.exact::<Tuple>()) else {
        return String::new();
    };
    let file =
        site.items().next().and_then(|v| v.exact::<Str>()).map_or(String::new(), |s| s.to_str_lossy().into_owned());
    let line = site.items().nth(1).and_then(|v| v.as_int()).unwrap_or(0);
    format!(" created at {file}:{line}")
}

fn callbacks_before(cx: &mut Cx, future: AnyFuture<'static>) -> Result<String, Raised> {
    let _ = loops(cx);
    callbacks(cx, future)
}
