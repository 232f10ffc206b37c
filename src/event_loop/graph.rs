//! Who waits for a future: for call graphs, and for tools that draw them. Nothing is kept for it but what scripts say themselves.

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::object::{AnyFuture, Callback, NativeObject, Set, Task};
use crate::vm::fiber::FiberId;
use crate::vm::native::{Cx, NativeResult, Outcome, Root};

use super::combine::Watcher;
use super::{group, loops};

/// The tasks and futures that wait for a future: those it wakes, those whose gather, wait, shield or group it is part of, and those that
/// `future_add_to_awaited_by` named.
fn awaiters(cx: &mut Cx, future: AnyFuture<'static>) -> Vec<Raw> {
    let mut found: Vec<Raw> = vec![];
    let mut look_at = vec![future];
    // A shield is told when either of its futures is done.
    let mut seen: Vec<Raw> = vec![];
    while let Some(at) = look_at.pop() {
        if seen.iter().any(|raw| raw.same(at.raw())) {
            continue;
        }
        seen.push(at.raw());
        for (kind, target) in at.callbacks() {
            let target = Value::adopt(target);
            if kind == Callback::Wake {
                found.push(target.raw());
                continue;
            }
            let Some(object) = target.exact::<NativeObject>().map(|o| o.held()) else { continue };
            let behind = object.with(|watcher: &mut Watcher| watcher.behind()).flatten();
            if let Some(outer) = behind.and_then(|raw| AnyFuture::of(Value::adopt(raw))) {
                look_at.push(outer.held());
            } else if let Some(parent) = group::parent_of(object) {
                found.push(parent);
            }
        }
    }
    let named = loops(cx).awaited_by.iter().filter(|(waited, _)| waited.same(future.value().raw()));
    found.extend(named.map(|(_, waiter)| *waiter));
    found
}

/// The set of them, or None.
pub(super) fn awaited_by(cx: &mut Cx, future: Root) -> NativeResult {
    let Some(future) = AnyFuture::of(future.get(cx)).map(AnyFuture::held) else { return Ok(Outcome::NONE) };
    let found = awaiters(cx, future);
    if found.is_empty() {
        return Ok(Outcome::NONE);
    }
    let set = Set::new(&cx.heap).value().raw();
    let set = cx.push_raw(set);
    for raw in found {
        let mark = cx.mark();
        let waiter = cx.push_raw(raw);
        cx.set_add(set, waiter)?;
        cx.release(mark);
    }
    Ok(set.get(cx).into())
}

natives!(
    /// Who waits for whom.
    pub(super) static GRAPH: ScriptFunctions;

    /// Say that `waiter` waits for a future.
    fn future_add_to_awaited_by(cx: &mut Cx, fut: Root, waiter: Root) -> NativeResult {
        let (waited, waiter) = (fut.get(cx).raw(), waiter.get(cx).raw());
        if AnyFuture::of(Value::adopt(waited)).is_some() && AnyFuture::of(Value::adopt(waiter)).is_some() {
            let all = loops(cx);
            // What is done is waited for no more.
            all.awaited_by
                .retain(|(waited, _)| AnyFuture::of(Value::adopt(*waited)).is_some_and(|f| !f.base().is_done()));
            all.awaited_by.push((waited, waiter));
        }
        Ok(Outcome::NONE)
    }

    /// Take back what `future_add_to_awaited_by` said.
    fn future_discard_from_awaited_by(cx: &mut Cx, fut: Root, waiter: Root) -> NativeResult {
        let (waited, waiter) = (fut.get(cx).raw(), waiter.get(cx).raw());
        loops(cx).awaited_by.retain(|(a, b)| !(a.same(waited) && b.same(waiter)));
        Ok(Outcome::NONE)
    }

    /// The set of what waits for a future, or None.
    fn _asyncio_awaited_by(cx: &mut Cx, fut: Root) -> NativeResult {
        awaited_by(cx, fut)
    }

    /// Make a task the one that takes a step.
    fn _enter_task(cx: &mut Cx, r#loop: Root, task: Root) -> NativeResult {
        let (object, raw) = (r#loop.get(cx).raw(), task.get(cx).raw());
        let new = Value::adopt(raw).exact::<Task>().map(|t| t.held());
        let old = loops(cx).find(object).and_then(|state| state.current);
        if let Some(old) = old {
            let text = cx.repr_text(task)?;
            let old = cx.push(old.value());
            let old = cx.repr_text(old)?;
            let message = format!("Cannot enter into task {text} while another task {old} is being executed.");
            return Err(cx.runtime_error(message));
        }
        if let Some(state) = loops(cx).find(object) {
            state.current = new;
        }
        Ok(Outcome::NONE)
    }

    /// Make no task the one that takes a step.
    fn _leave_task(cx: &mut Cx, r#loop: Root, task: Root) -> NativeResult {
        let (object, raw) = (r#loop.get(cx).raw(), task.get(cx).raw());
        let old = loops(cx).find(object).and_then(|state| state.current);
        if !old.is_some_and(|old| old.value().raw().same(raw)) {
            let text = cx.repr_text(task)?;
            let old = match old {
                Some(old) => {
                    let old = cx.push(old.value());
                    cx.repr_text(old)?
                }
                None => "None".to_owned(),
            };
            return Err(cx.runtime_error(format!("Leaving task {text} does not match the current task {old}.")));
        }
        if let Some(state) = loops(cx).find(object) {
            state.current = None;
        }
        Ok(Outcome::NONE)
    }
);

natives!(
    /// What policies and runners are made of.
    pub(super) static POLICY: ScriptFunctions;

    /// The policy that was set, or None.
    fn _event_loop_policy(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::Value(loops(cx).policy))
    }

    /// Set the policy; None is the default one.
    fn _set_policy(cx: &mut Cx, policy: Root) -> NativeResult {
        loops(cx).policy = policy.get(cx).raw();
        Ok(Outcome::NONE)
    }

    /// From now on the first Ctrl-C cancels this task. Whether that is so: not in other threads, nor where a script handles the signal.
    fn _guard_main(cx: &mut Cx, task: Root) -> NativeResult {
        if cx.current_fiber() != FiberId::MAIN || !cx.interrupts() {
            return Ok(false.into());
        }
        let raw = task.get(cx).raw();
        loops(cx).main = raw;
        cx.defer_interrupt = true;
        Ok(true.into())
    }

    /// Ctrl-C is KeyboardInterrupt again. Whether there was one that cancelled the task.
    fn _end_guard(cx: &mut Cx) -> NativeResult {
        let main = std::mem::replace(&mut loops(cx).main, Raw::NONE);
        cx.defer_interrupt = false;
        Ok(main.is_unbound().into())
    }

    /// The loop that was set for this thread.
    fn _current_loop(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::Value(super::functions::loop_of_thread(cx)?))
    }

    /// Set the loop of this thread.
    fn _set_current_loop(cx: &mut Cx, r#loop: Root) -> NativeResult {
        super::functions::set_loop_of_thread(cx, r#loop)?;
        Ok(Outcome::NONE)
    }
);
