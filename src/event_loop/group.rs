//! TaskGroup: tasks that end before the block does, and of which the first that fails cancels the others.

use crate::heap::{Gc, Raw, Tracer, Value};
use crate::native::natives;
use crate::object::{AnyFuture, BLOCKING, Exc, FutureState, NativeObject, Payload, Task, UNRETRIEVED, trace_all};
use crate::vm::native::{Args, Cx, KeywordRest, NativeResult, Outcome, Raised, Resumed, Root, Then};

use super::{functions, future, loops, report, timeout};

/// The payload of a task group.
#[derive(Debug)]
pub(crate) struct Group {
    entered: bool,
    exiting: bool,
    aborting: bool,
    /// The parent was cancelled by a child that failed.
    parent_cancelled: bool,
    parent: Raw,
    event_loop: Raw,
    /// Tasks in order; some that ended may still be here.
    tasks: Vec<Raw>,
    /// How many did not tell yet that they ended.
    left: usize,
    errors: Vec<Raw>,
    /// SystemExit or KeyboardInterrupt.
    fatal: Raw,
    /// What the end of the block waits for.
    waiter: Raw,
    /// The CancelledError to be raised at the end.
    cancelled: Raw,
}

impl Payload for Group {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        trace_all(tracer, [&self.parent, &self.event_loop, &self.fatal, &self.waiter, &self.cancelled]);
        trace_all(tracer, &self.tasks);
        trace_all(tracer, &self.errors);
    }
}

fn this(cx: &Cx, root: Root) -> Gc<'static, NativeObject> {
    root.get(cx).exact::<NativeObject>().expect("a method's receiver").held()
}

fn with<R>(cx: &Cx, object: Gc<'static, NativeObject>, work: impl FnOnce(&mut Group) -> R) -> R {
    cx.heap.barrier_of(object.value());
    object.with(work).expect("a task group")
}

/// Whether an object is a task group.
pub(super) fn is_group(object: Gc<'static, NativeObject>) -> bool {
    object.with(|_: &mut Group| ()).is_some()
}

/// The task that a task group, if it is one, is in.
pub(super) fn parent_of(object: Gc<'static, NativeObject>) -> Option<Raw> {
    object.with(|group: &mut Group| group.parent).filter(|raw| !raw.same(Raw::NONE))
}

fn is_fatal(cx: &Cx, raw: Raw) -> bool {
    let value = Value::adopt(raw);
    cx.is_exception(value, Exc::SystemExit) || cx.is_exception(value, Exc::KeyboardInterrupt)
}

fn task_of(raw: Raw) -> Option<Gc<'static, Task>> {
    Value::adopt(raw).exact::<Task>().map(Gc::held)
}

/// Cancels the tasks that are not done.
fn abort(cx: &mut Cx, object: Gc<'static, NativeObject>) -> Result<(), Raised> {
    let tasks = with(cx, object, |g| {
        g.aborting = true;
        g.tasks.clone()
    });
    for raw in tasks {
        if let Some(task) = AnyFuture::of(Value::adopt(raw)).map(AnyFuture::held)
            && !task.base().is_done()
        {
            future::cancel(cx, task, Raw::NONE)?;
        }
    }
    Ok(())
}

/// A task of the group is done.
pub(crate) fn child_done(
    cx: &mut Cx,
    object: Gc<'static, NativeObject>,
    done: AnyFuture<'static>,
) -> Result<(), Raised> {
    let waiter = with(cx, object, |g| {
        g.left = g.left.saturating_sub(1);
        if g.tasks.len() > 2 * g.left + 16 {
            let own = done.raw();
            g.tasks
                .retain(|raw| !raw.same(own) && AnyFuture::of(Value::adopt(*raw)).is_some_and(|f| !f.base().is_done()));
        }
        if g.left == 0 { g.waiter } else { Raw::NONE }
    });
    if let Some(waiter) = AnyFuture::of(Value::adopt(waiter)).map(AnyFuture::held)
        && !waiter.base().is_done()
    {
        future::finish(cx, waiter, FutureState::Finished, Raw::TRUE);
    }
    if done.base().state.get() != FutureState::Failed {
        return Ok(());
    }
    done.base().put(UNRETRIEVED, false);
    let exception = done.base().content.get().raw();
    let fatal = is_fatal(cx, exception);
    let (parent, event_loop, go_on) = with(cx, object, |g| {
        g.errors.push(exception);
        if fatal && g.fatal.same(Raw::NONE) {
            g.fatal = exception;
        }
        (g.parent, g.event_loop, !g.aborting && !g.parent_cancelled)
    });
    let Some(parent) = task_of(parent) else { return Ok(()) };
    if parent.base.is_done() {
        let mark = cx.mark();
        let task = cx.push_raw(done.raw());
        let parent = cx.push(parent.value());
        let text = format!(
            "Task {} has errored out but its parent task {} is already completed",
            cx.repr_text(task)?,
            cx.repr_text(parent)?
        );
        let (exception, event_loop) = (cx.push_raw(exception), cx.push_raw(event_loop));
        report::call_handler(cx, event_loop, &text, &[("exception", exception), ("task", task)])?;
        cx.release(mark);
        return Ok(());
    }
    if go_on {
        abort(cx, object)?;
        with(cx, object, |g| g.parent_cancelled = true);
        future::cancel(cx, AnyFuture::Task(parent), Raw::NONE)?;
    }
    Ok(())
}

fn describe(cx: &Cx, object: Gc<'static, NativeObject>) -> String {
    with(cx, object, |g| {
        let mut text = "<TaskGroup".to_owned();
        if g.left > 0 {
            text.push_str(&format!(" tasks={}", g.left));
        }
        if !g.errors.is_empty() {
            text.push_str(&format!(" errors={}", g.errors.len()));
        }
        if g.aborting {
            text.push_str(" cancelling");
        } else if g.entered {
            text.push_str(" entered");
        }
        text + ">"
    })
}

// The window of `__aexit__`: self, type, exception, traceback.
const EXCEPTION: usize = 2;
const FIXED: u32 = 4;

/// Waits for the tasks, as often as it takes; then leaves the block.
fn wait_for_tasks(cx: &mut Cx, window: Args) -> NativeResult {
    let object = this(cx, window.root(0));
    let (left, event_loop) = with(cx, object, |g| (g.left, g.event_loop));
    if left == 0 {
        return leave(cx, window);
    }
    let waiter = future::new(cx, event_loop);
    with(cx, object, |g| g.waiter = waiter.raw());
    waiter.base().put(BLOCKING, true);
    cx.release(window.start() + FIXED);
    let value = cx.push(waiter.value());
    Ok(Outcome::Suspend { value, then: Then::Catch(waited) })
}

fn waited(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let object = this(cx, window.root(0));
    let waiter = with(cx, object, |g| std::mem::replace(&mut g.waiter, Raw::NONE));
    if let Resumed::Raised(exception) = resumed {
        if !cx.is_exception(exception.get(cx), Exc::CancelledError) {
            return Err(cx.rethrow(exception));
        }
        // Somebody cancelled the parent while it waited.
        if let Some(waiter) = AnyFuture::of(Value::adopt(waiter)).map(AnyFuture::held)
            && !waiter.base().is_done()
        {
            future::finish(cx, waiter, FutureState::Cancelled, Raw::NONE);
        }
        if !with(cx, object, |g| g.aborting) {
            let raw = exception.get(cx).raw();
            with(cx, object, |g| g.cancelled = raw);
            abort(cx, object)?;
        }
    }
    wait_for_tasks(cx, window)
}

/// All tasks have ended.
fn leave(cx: &mut Cx, window: Args) -> NativeResult {
    let object = this(cx, window.root(0));
    let (parent, fatal, parent_cancelled, mut cancelled, mut errors) = with(cx, object, |g| {
        let parent = std::mem::replace(&mut g.parent, Raw::NONE);
        let errors = std::mem::take(&mut g.errors);
        let cancelled = std::mem::replace(&mut g.cancelled, Raw::NONE);
        g.tasks.clear();
        (parent, std::mem::replace(&mut g.fatal, Raw::NONE), g.parent_cancelled, cancelled, errors)
    });
    let parent = task_of(parent);
    for raw in [fatal, cancelled].into_iter().chain(errors.iter().copied()) {
        cx.push_raw(raw);
    }
    if let Some(task) = parent {
        cx.push(task.value());
    }
    if !fatal.same(Raw::NONE) {
        let fatal = cx.push_raw(fatal);
        return Err(cx.rethrow(fatal));
    }
    if parent_cancelled
        && let Some(parent) = parent
        && timeout::uncancel(parent) == 0
    {
        cancelled = Raw::NONE;
    }
    if !cancelled.same(Raw::NONE) && errors.is_empty() {
        let cancelled = cx.push_raw(cancelled);
        return Err(cx.rethrow(cancelled));
    }
    let exception = window.get(cx, EXCEPTION).raw();
    if !exception.same(Raw::NONE) && !cx.is_exception(Value::adopt(exception), Exc::CancelledError) {
        errors.push(exception);
    }
    if errors.is_empty() {
        return Ok(Outcome::NONE);
    }
    if let Some(parent) = parent
        && parent.cancels.get() > 0
    {
        // The parent was cancelled from outside too: that comes again at its next await.
        timeout::uncancel(parent);
        future::cancel(cx, AnyFuture::Task(parent), Raw::NONE)?;
    }
    let values: Vec<Value<'_>> = errors.iter().map(|raw| Value::adopt(*raw)).collect();
    let list = cx.list(&values).value().raw();
    let list = cx.push_raw(list);
    let text = cx.str("unhandled errors in a TaskGroup").value().raw();
    let text = cx.push_raw(text);
    let class = cx.exception_class(Exc::BaseExceptionGroup).value().raw();
    let class = cx.push_raw(class);
    let group = cx.call(class, &[text, list])?;
    if let Some(group) = group.get(cx).cell_of_kind::<crate::object::Exception>() {
        group.get().suppress_context.set(true);
    }
    Err(cx.raise(group))
}

natives!(
    /// Tasks that belong together: the block ends when all of them have ended.
    pub(super) static GROUP: ScriptMethods;

    /// Make a group.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        let payload = Group {
            entered: false,
            exiting: false,
            aborting: false,
            parent_cancelled: false,
            parent: Raw::NONE,
            event_loop: Raw::NONE,
            tasks: vec![],
            left: 0,
            errors: vec![],
            fatal: Raw::NONE,
            waiter: Raw::NONE,
            cancelled: Raw::NONE,
        };
        functions::new_object(cx, class, Box::new(payload))
    }

    /// Whether the block was entered.
    #[getter]
    fn _entered(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        Ok(with(cx, object, |g| g.entered).into())
    }

    /// Whether the end of the block waits for tasks.
    #[getter]
    fn _exiting(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        Ok(with(cx, object, |g| g.exiting).into())
    }

    /// Whether its tasks were cancelled since one failed.
    #[getter]
    fn _aborting(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        Ok(with(cx, object, |g| g.aborting).into())
    }

    /// The task that entered the block.
    #[getter]
    fn _parent_task(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        Ok(Outcome::Value(with(cx, object, |g| g.parent)))
    }

    /// The set of its tasks that are not done.
    #[getter]
    fn _tasks(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        let tasks = with(cx, object, |g| g.tasks.clone());
        let set = crate::object::Set::new(&cx.heap).value().raw();
        let set = cx.push_raw(set);
        for raw in tasks {
            if AnyFuture::of(Value::adopt(raw)).is_none_or(|task| task.base().is_done()) {
                continue;
            }
            let mark = cx.mark();
            let task = cx.push_raw(raw);
            cx.set_add(set, task)?;
            cx.release(mark);
        }
        Ok(set.get(cx).into())
    }

    /// What its tasks failed with.
    #[getter]
    fn _errors(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        let errors = with(cx, object, |g| g.errors.clone());
        let errors: Vec<Value<'_>> = errors.into_iter().map(Value::adopt).collect();
        Ok(cx.list(&errors).into())
    }

    /// Make a task of a coroutine, in this group.
    fn create_task(cx: &mut Cx, this: Root, #[either] coro: Root, kwargs: KeywordRest) -> NativeResult {
        let object = self::this(cx, this);
        let (entered, finished, aborting, event_loop) =
            with(cx, object, |g| (g.entered, g.exiting && g.left == 0, g.aborting, g.event_loop));
        let problem = match (entered, finished, aborting) {
            (false, ..) => Some("has not been entered"),
            (_, true, _) => Some("is finished"),
            (_, _, true) => Some("is shutting down"),
            _ => None,
        };
        if let Some(problem) = problem {
            cx.call_method(coro, "close", &[])?;
            let text = describe(cx, object);
            return Err(cx.runtime_error(format!("TaskGroup {text} {problem}")));
        }
        let task = functions::create_task_nested(cx, event_loop, coro, kwargs.0)?;
        if let Some(future) = AnyFuture::of(task.get(cx)).map(AnyFuture::held) {
            let raw = future.raw();
            with(cx, object, |g| {
                g.tasks.push(raw);
                g.left += 1;
            });
            future::watch(cx, future, object);
        }
        Ok(task.get(cx).into())
    }

    /// Enter the block.
    #[suspends]
    fn __aenter__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        if with(cx, object, |g| g.entered) {
            let text = describe(cx, object);
            return Err(cx.runtime_error(format!("TaskGroup {text} has already been entered")));
        }
        with(cx, object, |g| g.entered = true);
        let event_loop = super::running_object(cx)?;
        let Some(parent) = loops(cx).running().and_then(|l| l.current) else {
            let text = describe(cx, object);
            return Err(cx.runtime_error(format!("TaskGroup {text} cannot determine the parent task")));
        };
        with(cx, object, |g| {
            g.event_loop = event_loop;
            g.parent = parent.value().raw();
        });
        Ok(this.get(cx).into())
    }

    /// Wait for the tasks, and leave the block.
    #[suspends]
    fn __aexit__(cx: &mut Cx, this: Root, kind: Root, exception: Root, traceback: Root) -> NativeResult {
        let object = self::this(cx, this);
        let raw = exception.get(cx).raw();
        let given = !raw.same(Raw::NONE);
        let fatal = given && is_fatal(cx, raw);
        let cancelled = given && cx.is_exception(Value::adopt(raw), Exc::CancelledError);
        let aborting = with(cx, object, |g| {
            g.exiting = true;
            if fatal && g.fatal.same(Raw::NONE) {
                g.fatal = raw;
            }
            if cancelled {
                g.cancelled = raw;
            }
            g.aborting
        });
        if given && !aborting {
            abort(cx, object)?;
        }
        let window = Args::of(this, 4);
        wait_for_tasks(cx, window)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        let text = describe(cx, object);
        Ok(cx.str(&text).into())
    }
);
