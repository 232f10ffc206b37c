//! Futures, tasks and handles: layouts of what the event loop schedules, and contexts. How they behave is in `event_loop`.

use std::cell::Cell as StdCell;

use crate::heap::{AnyRef, Gc, Heap, Raw, Ref, Slot, Value};
use crate::object::{Dict, List};

/// How far a future is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FutureState {
    /// No result yet.
    Pending,
    /// Cancelled.
    Cancelled,
    /// It has a result.
    Finished,
    /// It has an exception.
    Failed,
}

/// Who is told when a future is done. The target goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Callback {
    /// Nobody.
    None,
    /// A task that waits for it: it is woken.
    Wake,
    /// A [`Handle`] with a callable: it is called with the future.
    Call,
    /// A native watcher (gather, wait, a task group, ...): an object that the event loop knows.
    Watch,
    /// An object of the library, whose method `_served` is called with the future.
    Tell,
}

impl Callback {
    fn from_byte(byte: u8) -> Callback {
        const ALL: [Callback; 5] = [Callback::None, Callback::Wake, Callback::Call, Callback::Watch, Callback::Tell];
        ALL[usize::from(byte) % ALL.len()]
    }
}

/// Yielded to whoever drives the coroutine, which has not taken note of it yet (`_asyncio_future_blocking`).
pub const BLOCKING: u8 = 1;
/// Has an exception nobody has asked for: reported when it dies.
pub const UNRETRIEVED: u8 = 2;
/// Not to be reported when it dies pending.
pub const QUIET: u8 = 4;
/// A task whose next step throws CancelledError.
pub const MUST_CANCEL: u8 = 8;
/// Cancelled, and the content is the exception to raise once (else it is the message).
pub const HAS_EXCEPTION: u8 = 16;
/// Cancelling asks the object in the content instead (gather's future).
pub const GATHERING: u8 = 32;
/// Its exception was raised in somebody who awaited it: for the next its traceback begins anew.
pub const RAISED: u8 = 64;
/// The number in `timer` is its place in a queue of waiters.
pub const PLACED: u8 = 128;

/// What futures and tasks have in common.
#[derive(Debug)]
pub struct FutureBase {
    /// How far it is.
    pub state: StdCell<FutureState>,
    /// The constants above.
    pub flags: StdCell<u8>,
    callback_kind: StdCell<u8>,
    /// The number of the timer that finishes it, plus one; 0 for none.
    pub timer: StdCell<u32>,
    /// Result, exception, cancel message; of a pending task the cancel message, of gather's pending future what it gathers.
    pub content: Slot,
    callback: AnyRef,
    /// Further callbacks: kinds and targets in turn.
    pub more: Ref<List>,
    /// The loop it belongs to.
    pub event_loop: AnyRef,
    /// Attributes set on it.
    pub dict: Ref<Dict>,
}

impl FutureBase {
    /// A pending future's.
    #[inline]
    pub fn new(event_loop: Value<'_>) -> FutureBase {
        FutureBase {
            state: StdCell::new(FutureState::Pending),
            flags: StdCell::new(0),
            callback_kind: StdCell::new(0),
            timer: StdCell::new(0),
            content: Slot::new(Value::NONE),
            callback: AnyRef::none(),
            more: Ref::none(),
            event_loop: AnyRef::new(event_loop),
            dict: Ref::none(),
        }
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    /// Sets or clears a flag.
    #[inline(always)]
    pub fn put(&self, flag: u8, on: bool) {
        let flags = self.flags.get();
        self.flags.set(if on { flags | flag } else { flags & !flag });
    }

    /// Whether it is done.
    #[inline(always)]
    pub fn is_done(&self) -> bool {
        self.state.get() != FutureState::Pending
    }

    /// The first callback.
    #[inline(always)]
    pub fn first(&self) -> (Callback, Value<'_>) {
        (Callback::from_byte(self.callback_kind.get()), self.callback.value())
    }
}

/// A future. Its class is in the shape of its header.
#[derive(Debug)]
pub struct Future {
    /// What it has in common with tasks.
    pub base: FutureBase,
}

crate::cell! { Future: Future { slots: [], refs: [] }, with |f, tracer| { f.base.trace(tracer); } }

impl FutureBase {
    fn trace(&self, tracer: &mut crate::heap::Tracer<'_>) {
        tracer.slot(&self.content);
        tracer.reference(&self.callback);
        tracer.reference(&self.more);
        tracer.reference(&self.event_loop);
        tracer.reference(&self.dict);
    }
}

/// A task. Its class is in the shape of its header.
#[derive(Debug)]
pub struct Task {
    /// What it has in common with futures.
    pub base: FutureBase,
    /// What it runs; none when done.
    pub coroutine: AnyRef,
    /// The context it runs in: none for an empty one, a [`ContextMap`] it has for itself, or a [`Context`] others can see.
    pub context: AnyRef,
    /// The future it waits for.
    pub waiter: AnyRef,
    /// Its name, once somebody gave it one or asked for it.
    pub name: AnyRef,
    /// The number of its name.
    pub number: StdCell<u32>,
    /// Requests to cancel it.
    pub cancels: StdCell<u32>,
    /// Its place in the loop's table of tasks.
    pub place: StdCell<u32>,
}

crate::cell! { Task: Task { slots: [], refs: [coroutine, context, waiter, name] }, with |t, tracer| { t.base.trace(tracer); } }

/// A future or a task.
#[derive(Clone, Copy, Debug)]
pub enum AnyFuture<'h> {
    /// A future.
    Future(Gc<'h, Future>),
    /// A task.
    Task(Gc<'h, Task>),
}

impl<'h> AnyFuture<'h> {
    /// The future or task a value is.
    #[inline(always)]
    pub fn of(value: Value<'h>) -> Option<AnyFuture<'h>> {
        if let Some(task) = value.exact::<Task>() {
            return Some(AnyFuture::Task(task));
        }
        value.exact::<Future>().map(AnyFuture::Future)
    }

    /// What both have.
    #[inline(always)]
    pub fn base(self) -> &'h FutureBase {
        match self {
            AnyFuture::Future(f) => &f.get().base,
            AnyFuture::Task(t) => &t.get().base,
        }
    }

    /// As a value.
    #[inline(always)]
    pub fn value(self) -> Value<'h> {
        match self {
            AnyFuture::Future(f) => f.value(),
            AnyFuture::Task(t) => t.value(),
        }
    }

    /// The bare value.
    #[inline(always)]
    pub fn raw(self) -> Raw {
        self.value().raw()
    }

    /// For as long as its holder is visited by the collector.
    #[inline(always)]
    pub(crate) fn held(self) -> AnyFuture<'static> {
        match self {
            AnyFuture::Future(f) => AnyFuture::Future(f.held()),
            AnyFuture::Task(t) => AnyFuture::Task(t.held()),
        }
    }

    /// The task, if it is one.
    pub fn task(self) -> Option<Gc<'h, Task>> {
        match self {
            AnyFuture::Future(_) => None,
            AnyFuture::Task(t) => Some(t),
        }
    }

    /// Sets result, exception or message.
    #[inline(always)]
    pub fn set_content(self, heap: &Heap, value: Value<'_>) {
        match self {
            AnyFuture::Future(f) => f.set(heap, |f| &f.base.content, value),
            AnyFuture::Task(t) => t.set(heap, |t| &t.base.content, value),
        }
    }

    /// Sets the attributes' dict.
    pub fn set_dict(self, heap: &Heap, dict: Gc<'_, Dict>) {
        match self {
            AnyFuture::Future(f) => f.set_ref(heap, |f| &f.base.dict, Some(dict)),
            AnyFuture::Task(t) => t.set_ref(heap, |t| &t.base.dict, Some(dict)),
        }
    }

    /// Sets the loop.
    pub fn set_loop(self, heap: &Heap, event_loop: Value<'_>) {
        match self {
            AnyFuture::Future(f) => f.set_any(heap, |f| &f.base.event_loop, event_loop),
            AnyFuture::Task(t) => t.set_any(heap, |t| &t.base.event_loop, event_loop),
        }
    }

    /// Sets the first callback.
    #[inline(always)]
    fn set_first(self, heap: &Heap, kind: Callback, target: Value<'_>) {
        self.base().callback_kind.set(kind as u8);
        match self {
            AnyFuture::Future(f) => f.set_any(heap, |f| &f.base.callback, target),
            AnyFuture::Task(t) => t.set_any(heap, |t| &t.base.callback, target),
        }
    }

    fn set_more(self, heap: &Heap, more: Option<Gc<'_, List>>) {
        match self {
            AnyFuture::Future(f) => f.set_ref(heap, |f| &f.base.more, more),
            AnyFuture::Task(t) => t.set_ref(heap, |t| &t.base.more, more),
        }
    }

    /// Adds a callback behind the others.
    #[inline]
    pub fn add_callback(self, heap: &'h Heap, kind: Callback, target: Value<'_>) {
        if self.base().callback_kind.get() == Callback::None as u8 {
            self.set_first(heap, kind, target);
            return;
        }
        let list = match self.base().more.get() {
            Some(list) => list,
            None => {
                let list = List::build(heap, 0, |_| Value::NONE);
                self.set_more(heap, Some(list));
                list
            }
        };
        list.push_unchecked(heap, Value::int(kind as i64));
        list.push_unchecked(heap, target);
    }

    /// All callbacks, in order.
    pub fn callbacks(self) -> Vec<(Callback, Raw)> {
        let (kind, target) = self.base().first();
        let mut all = vec![];
        if kind != Callback::None {
            all.push((kind, target.raw()));
        }
        if let Some(more) = self.base().more.get() {
            let items: Vec<Value<'_>> = more.items().collect();
            all.extend(
                items.chunks(2).map(|pair| (Callback::from_byte(pair[0].as_int().unwrap_or(0) as u8), pair[1].raw())),
            );
        }
        all
    }

    /// Forgets all callbacks.
    pub fn clear_callbacks(self, heap: &Heap) {
        self.set_first(heap, Callback::None, Value::NONE);
        if self.base().more.get().is_some() {
            self.set_more(heap, None);
        }
    }

    /// Replaces all callbacks.
    pub fn set_callbacks(self, heap: &'h Heap, callbacks: &[(Callback, Raw)]) {
        self.clear_callbacks(heap);
        for (kind, target) in callbacks {
            self.add_callback(heap, *kind, Value::adopt(*target));
        }
    }

    /// Removes the callbacks with this target; how many there were.
    pub fn remove_target(self, heap: &'h Heap, target: Value<'_>) -> usize {
        let (kind, first) = self.base().first();
        if kind != Callback::None && first.is(target) && self.base().more.get().is_none() {
            self.set_first(heap, Callback::None, Value::NONE);
            return 1;
        }
        let mut all = self.callbacks();
        let before = all.len();
        all.retain(|(_, raw)| !raw.same(target.raw()));
        let removed = before - all.len();
        if removed > 0 {
            self.set_callbacks(heap, &all);
        }
        removed
    }
}

/// What `call_soon`, `call_later` and their kin return; also a done callback, with its context.
#[derive(Debug)]
pub struct Handle {
    /// What is called.
    pub callback: Slot,
    /// A tuple of arguments, or none.
    pub args: AnyRef,
    /// The context: as a task's.
    pub context: AnyRef,
    /// The loop.
    pub event_loop: AnyRef,
    /// For a timer when it is due.
    pub when: StdCell<f64>,
    /// Whether that was given as a whole number: a script's clock may count in such.
    pub whole: StdCell<bool>,
    /// For a timer its number plus one while it is scheduled.
    pub timer: StdCell<u32>,
    /// Whether it is one of `call_later` or `call_at`.
    pub is_timer: bool,
    /// Whether it was cancelled.
    pub cancelled: StdCell<bool>,
    /// Where it was made (debug mode): a list of frame summaries, or none.
    pub source: AnyRef,
}

crate::cell! { Handle: Handle { slots: [callback], refs: [args, context, event_loop, source] } }

/// A context that scripts can see.
#[derive(Debug)]
pub struct Context {
    /// What the variables are; none if no variable is set.
    pub map: Ref<ContextMap>,
    /// Whether something runs in it.
    pub entered: StdCell<bool>,
}

crate::cell! { Context: Context { slots: [], refs: [map] } }

/// Variables and their values, in turn: a map that is never changed, only copied.
#[derive(Debug)]
pub struct ContextMap {
    len: usize,
}

crate::cell! { ContextMap: ContextMap { slots: [], refs: [] } tail SlotTail by |m| m.len }

impl<'h> Gc<'h, ContextMap> {
    /// The value of a variable.
    #[inline]
    pub fn get_value(self, variable: Value<'_>) -> Option<Value<'h>> {
        let tail = self.tail();
        tail.chunks_exact(2).find(|pair| pair[0].get().is(variable)).map(|pair| pair[1].get())
    }

    /// Number of variables.
    pub fn count(self) -> usize {
        self.get().len / 2
    }

    /// Variables and values.
    pub fn pairs(self) -> impl Iterator<Item = (Value<'h>, Value<'h>)> {
        self.tail().chunks_exact(2).map(|pair| (pair[0].get(), pair[1].get()))
    }
}

impl ContextMap {
    /// A map like `old` where `variable` has another value, or none.
    pub fn with<'h>(
        heap: &'h Heap,
        old: Option<Gc<'h, ContextMap>>,
        variable: Value<'h>,
        value: Option<Value<'h>>,
    ) -> Option<Gc<'h, ContextMap>> {
        let mut items: smallvec::SmallVec<[Value<'h>; 16]> = smallvec::SmallVec::new();
        let mut found = false;
        for (key, old) in old.iter().flat_map(|m| m.pairs()) {
            if key.is(variable) {
                found = true;
                if let Some(value) = value {
                    items.extend([key, value]);
                }
            } else {
                items.extend([key, old]);
            }
        }
        if let (false, Some(value)) = (found, value) {
            items.extend([variable, value]);
        }
        if items.is_empty() {
            return None;
        }
        Some(heap.alloc_slots(ContextMap { len: items.len() }, |i| items[i]))
    }
}

/// References in a run.
const RUN: usize = 63;

/// A run of references to cells, by number.
#[derive(Debug)]
pub struct References {
    refs: [AnyRef; RUN],
}

crate::cell! { References: References { slots: [], refs: [] }, with |run, tracer| {
    for reference in &run.refs {
        tracer.reference(reference);
    }
} }

impl References {
    /// How many there are.
    pub const LEN: usize = RUN;

    /// A run without any.
    pub fn new(heap: &Heap) -> Gc<'_, References> {
        heap.alloc(References { refs: [const { AnyRef::none() }; RUN] })
    }
}

impl<'h> Gc<'h, References> {
    /// The one with this number; None (the value) if there is none.
    #[inline]
    pub fn at(self, index: usize) -> Value<'h> {
        self.get().refs[index].value()
    }

    /// Sets the one with this number; None clears it.
    #[inline]
    pub fn put(self, heap: &Heap, index: usize, value: Value<'_>) {
        self.set_any(heap, |r| &r.refs[index], value);
    }
}

/// A context variable.
#[derive(Debug)]
pub struct ContextVar {
    /// `name`.
    pub name: Slot,
    /// The default; UNBOUND if there is none.
    pub default: Slot,
}

crate::cell! { ContextVar: ContextVar { slots: [name, default], refs: [] } }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_and_tasks_are_small() {
        assert_eq!(size_of::<Future>() + 8, 64);
        assert!(size_of::<Task>() + 8 <= 112, "{}", size_of::<Task>());
    }
}
