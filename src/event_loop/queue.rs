//! Queue, LifoQueue and PriorityQueue.

use std::collections::VecDeque;

use crate::heap::{Gc, Kind, Raw, Tracer, Value};
use crate::native::natives;
use crate::object::{AnyFuture, BLOCKING, FutureState, NativeObject, PLACED, Payload};
use crate::vm::CompareKind;
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Raised, Resumed, Root, Then};

use super::sync::{WaitQueue, bind};
use super::{functions, future};

/// Who takes an item out of the queue, or puts one in: what a derived class may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    First,
    Last,
    Least,
    /// A derived class says so, with `_init`, `_get` and `_put`; the items are in its `_queue`.
    Derived,
}

/// Which methods a derived class has in place of those that the others call.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    get_nowait: bool,
    put_nowait: bool,
    qsize: bool,
    empty: bool,
    full: bool,
}

/// The payload of a queue.
#[derive(Debug)]
pub(crate) struct Queue {
    order: Order,
    items: VecDeque<Raw>,
    /// The limit as it was given: what is no number is found out where it is compared.
    most: Raw,
    unfinished: i64,
    own: Own,
    shut: bool,
    event_loop: Raw,
    getters: WaitQueue,
    putters: WaitQueue,
    joiners: WaitQueue,
}

impl Payload for Queue {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.items.iter().for_each(|raw| tracer.raw(*raw));
        tracer.raw(self.most);
        tracer.raw(self.event_loop);
        for queue in [&self.getters, &self.putters, &self.joiners] {
            queue.trace(tracer);
        }
    }
}

fn this(cx: &Cx, root: Root) -> Gc<'static, NativeObject> {
    root.get(cx).exact::<NativeObject>().expect("a method's receiver").held()
}

fn with<R>(object: Gc<'static, NativeObject>, work: impl FnOnce(&mut Queue) -> R) -> R {
    object.with(work).expect("a queue")
}

fn length(cx: &mut Cx, object: Root) -> Result<i64, Raised> {
    let own = this(cx, object);
    let (order, len) = with(own, |q| (q.order, q.items.len()));
    if order != Order::Derived {
        return Ok(len as i64);
    }
    let mark = cx.mark();
    let items = cx.attribute(object, "_queue")?;
    let len = cx.length(items)?;
    cx.release(mark);
    Ok(len as i64)
}

/// Whether the limit is reached, unless a derived class says otherwise.
fn is_full(cx: &mut Cx, object: Root) -> Result<bool, Raised> {
    if with(this(cx, object), |q| q.own.full) { asked(cx, object, "full") } else { reaches_limit(cx, object) }
}

/// Whether there are no items, unless a derived class says otherwise.
fn is_empty(cx: &mut Cx, object: Root) -> Result<bool, Raised> {
    if with(this(cx, object), |q| q.own.empty) { asked(cx, object, "empty") } else { Ok(length(cx, object)? == 0) }
}

fn asked(cx: &mut Cx, object: Root, method: &str) -> Result<bool, Raised> {
    let mark = cx.mark();
    let answer = cx.call_method(object, method, &[])?;
    let answer = cx.truth(answer)?;
    cx.release(mark);
    Ok(answer)
}

fn reaches_limit(cx: &mut Cx, object: Root) -> Result<bool, Raised> {
    let (most, own_size) = with(this(cx, object), |q| (q.most, q.own.qsize));
    if let Some(most) = Value::adopt(most).as_int()
        && !own_size
    {
        return Ok(most > 0 && length(cx, object)? >= most);
    }
    let mark = cx.mark();
    let (most, none) = (cx.push_raw(most), cx.push_raw(Raw::int(0)));
    if cx.compare_roots(CompareKind::Le, most, none)? {
        cx.release(mark);
        return Ok(false);
    }
    let length = if own_size {
        cx.call_method(object, "qsize", &[])?
    } else {
        let length = length(cx, object)?;
        cx.push_raw(Raw::int(length))
    };
    let full = cx.compare_roots(CompareKind::Ge, length, most)?;
    cx.release(mark);
    Ok(full)
}

/// Wakes the next of some waiters that is not done.
fn wake_next(cx: &mut Cx, object: Gc<'static, NativeObject>, which: fn(&mut Queue) -> &mut WaitQueue) {
    while let Some(waiter) = with(object, |q| which(q).pop()) {
        if !waiter.base().is_done() {
            future::finish(cx, waiter, FutureState::Finished, Raw::NONE);
            return;
        }
    }
}

fn wake_all(cx: &mut Cx, object: Gc<'static, NativeObject>, which: fn(&mut Queue) -> &mut WaitQueue) {
    while let Some(waiter) = with(object, |q| which(q).pop()) {
        if !waiter.base().is_done() {
            future::finish(cx, waiter, FutureState::Finished, Raw::NONE);
        }
    }
}

fn getters(queue: &mut Queue) -> &mut WaitQueue {
    &mut queue.getters
}

fn putters(queue: &mut Queue) -> &mut WaitQueue {
    &mut queue.putters
}

fn joiners(queue: &mut Queue) -> &mut WaitQueue {
    &mut queue.joiners
}

fn raise(cx: &mut Cx, class: &str) -> Raised {
    let class = cx.named_class(class).value().raw();
    let class = cx.push_raw(class);
    match cx.call(class, &[]) {
        Ok(exception) => cx.raise(exception),
        Err(raised) => raised,
    }
}

/// Adds an item where the order wants it.
fn add(cx: &mut Cx, object: Root, item: Root) -> Result<(), Raised> {
    let own = this(cx, object);
    let order = with(own, |q| q.order);
    if order == Order::Derived {
        let mark = cx.mark();
        cx.call_method(object, "_put", &[item])?;
        cx.release(mark);
        return Ok(());
    }
    cx.heap.barrier_of(own.value());
    let raw = item.get(cx).raw();
    let mut at = with(own, |q| {
        q.items.push_back(raw);
        q.items.len() - 1
    });
    if order != Order::Least {
        return Ok(());
    }
    // A binary heap as heapq's: the new item rises above those that are greater.
    while at > 0 {
        let parent = (at - 1) / 2;
        if !less(cx, own, at, parent)? {
            break;
        }
        swap(own, at, parent);
        at = parent;
    }
    Ok(())
}

fn swap(object: Gc<'static, NativeObject>, a: usize, b: usize) {
    with(object, |q| {
        if a.max(b) < q.items.len() {
            q.items.swap(a, b);
        }
    });
}

fn less(cx: &mut Cx, object: Gc<'static, NativeObject>, a: usize, b: usize) -> Result<bool, Raised> {
    let pair = with(object, |q| Some((*q.items.get(a)?, *q.items.get(b)?)));
    let Some((a, b)) = pair else { return Ok(false) };
    let mark = cx.mark();
    let (a, b) = (cx.push_raw(a), cx.push_raw(b));
    let less = cx.compare_roots(CompareKind::Lt, a, b)?;
    cx.release(mark);
    Ok(less)
}

/// Takes out the item whose turn it is.
fn take(cx: &mut Cx, object: Root) -> Result<Root, Raised> {
    let own = this(cx, object);
    let order = with(own, |q| q.order);
    // A derived class may say that it is not empty.
    let (taken, nothing_left) = match order {
        Order::Derived => return cx.call_method(object, "_get", &[]),
        Order::First => (with(own, |q| q.items.pop_front()), "pop from an empty deque"),
        Order::Last => (with(own, |q| q.items.pop_back()), "pop from empty list"),
        Order::Least => {
            let least = with(own, |q| {
                let last = q.items.len().checked_sub(1)?;
                q.items.swap(0, last);
                q.items.pop_back()
            });
            let Some(least) = least.map(|least| cx.push_raw(least)) else {
                return Err(cx.index_error("index out of range"));
            };
            // As heapq does: the smaller child moves up to the bottom, then the item rises to its place.
            let len = with(own, |q| q.items.len());
            let mut at = 0;
            while 2 * at + 1 < len {
                let mut child = 2 * at + 1;
                if child + 1 < len && !less(cx, own, child, child + 1)? {
                    child += 1;
                }
                swap(own, at, child);
                at = child;
            }
            while at > 0 && less(cx, own, at, (at - 1) / 2)? {
                swap(own, at, (at - 1) / 2);
                at = (at - 1) / 2;
            }
            return Ok(least);
        }
    };
    match taken {
        Some(raw) => Ok(cx.push_raw(raw)),
        None => Err(cx.index_error(nothing_left)),
    }
}

fn put_now(cx: &mut Cx, object: Root, item: Root) -> Result<(), Raised> {
    let own = this(cx, object);
    if with(own, |q| q.shut) {
        return Err(raise(cx, "QueueShutDown"));
    }
    if is_full(cx, object)? {
        return Err(raise(cx, "QueueFull"));
    }
    add(cx, object, item)?;
    with(own, |q| q.unfinished += 1);
    wake_next(cx, own, getters);
    Ok(())
}

fn get_now(cx: &mut Cx, object: Root) -> Result<Root, Raised> {
    let own = this(cx, object);
    if is_empty(cx, object)? {
        let shut = with(own, |q| q.shut);
        return Err(raise(cx, if shut { "QueueShutDown" } else { "QueueEmpty" }));
    }
    let item = take(cx, object)?;
    wake_next(cx, own, putters);
    Ok(item)
}

/// Puts the task into one of the object's queues; its waiter comes after the arguments.
fn queue_up(
    cx: &mut Cx,
    object: Root,
    which: fn(&mut Queue) -> &mut WaitQueue,
    then: crate::vm::native::Continuation,
) -> NativeResult {
    let own = this(cx, object);
    let mut bound = with(own, |q| q.event_loop);
    let event_loop = bind(cx, object, &mut bound)?;
    let waiter = future::new(cx, event_loop);
    cx.heap.barrier_of(own.value());
    let place = with(own, |q| {
        q.event_loop = bound;
        which(q).push(waiter.raw())
    });
    waiter.base().put(BLOCKING | PLACED, true);
    waiter.base().timer.set(place as u32);
    let value = cx.push(waiter.value());
    Ok(Outcome::Suspend { value, then: Then::Catch(then) })
}

/// Leaves a queue because of an exception; the waiter, which is done now.
fn give_up(
    cx: &mut Cx,
    window: Args,
    args: usize,
    which: fn(&mut Queue) -> &mut WaitQueue,
) -> (Gc<'static, NativeObject>, FutureState) {
    let object = this(cx, window.root(0));
    let waiter = AnyFuture::of(window.get(cx, args)).expect("the waiter").held();
    if !waiter.base().is_done() {
        future::finish(cx, waiter, FutureState::Cancelled, Raw::NONE);
    }
    with(object, |q| which(q).leave(waiter));
    (object, waiter.base().state.get())
}

fn put_item(cx: &mut Cx, window: Args) -> NativeResult {
    let (object, item) = (window.root(0), window.root(1));
    cx.release(window.start() + 2);
    if is_full(cx, object)? {
        if with(this(cx, object), |q| q.shut) {
            return Err(raise(cx, "QueueShutDown"));
        }
        return queue_up(cx, object, putters, put_woken);
    }
    if with(this(cx, object), |q| q.own.put_nowait) {
        cx.call_method(object, "put_nowait", &[item])?;
        return Ok(Outcome::NONE);
    }
    put_now(cx, object, item)?;
    Ok(Outcome::NONE)
}

fn put_woken(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        let (object, state) = give_up(cx, window, 2, putters);
        if state != FutureState::Cancelled && !is_full(cx, window.root(0))? {
            wake_next(cx, object, putters);
        }
        return Err(cx.rethrow(exception));
    }
    put_item(cx, window)
}

fn get_item(cx: &mut Cx, window: Args) -> NativeResult {
    let object = window.root(0);
    cx.release(window.start() + 1);
    if is_empty(cx, object)? {
        if with(this(cx, object), |q| q.shut) {
            return Err(raise(cx, "QueueShutDown"));
        }
        return queue_up(cx, object, getters, get_woken);
    }
    let item = if with(this(cx, object), |q| q.own.get_nowait) {
        cx.call_method(object, "get_nowait", &[])?
    } else {
        get_now(cx, object)?
    };
    Ok(item.get(cx).into())
}

fn get_woken(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        let (object, state) = give_up(cx, window, 1, getters);
        if state != FutureState::Cancelled && !is_empty(cx, window.root(0))? {
            wake_next(cx, object, getters);
        }
        return Err(cx.rethrow(exception));
    }
    get_item(cx, window)
}

fn joined(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        give_up(cx, window, 1, joiners);
        return Err(cx.rethrow(exception));
    }
    Ok(Outcome::NONE)
}

fn described(cx: &mut Cx, object: Root) -> Result<String, Raised> {
    let own = this(cx, object);
    let (order, most, unfinished, shut, getters, putters) =
        with(own, |q| (q.order, q.most, q.unfinished, q.shut, q.getters.len(), q.putters.len()));
    let most = cx.push_raw(most);
    let mut text = format!("maxsize={}", cx.repr_text(most)?);
    let items = if order == Order::Derived {
        match cx.find_attribute(object, "_queue")? {
            Some(items) => Some(cx.list_from(items)?),
            None => None,
        }
    } else {
        let items = with(own, |q| q.items.iter().copied().collect::<Vec<_>>());
        let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
        let list = cx.list(&values).value().raw();
        Some(cx.push_raw(list))
    };
    if let Some(items) = items
        && cx.length(items)? > 0
    {
        text.push_str(&format!(" _queue={}", cx.repr_text(items)?));
    }
    if getters > 0 {
        text.push_str(&format!(" _getters[{getters}]"));
    }
    if putters > 0 {
        text.push_str(&format!(" _putters[{putters}]"));
    }
    if unfinished > 0 {
        text.push_str(&format!(" tasks={unfinished}"));
    }
    if shut {
        text.push_str(" shutdown");
    }
    Ok(text)
}

natives!(
    /// A queue for tasks: first in, first out. A maxsize of zero or less is no limit.
    pub(super) static QUEUE: ScriptMethods;

    /// Make a queue.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        args: crate::vm::native::Rest,
        kwargs: crate::vm::native::KeywordRest,
    ) -> NativeResult {
        let payload = Queue {
            order: Order::First,
            items: VecDeque::new(),
            most: Raw::int(0),
            unfinished: 0,
            own: Own::default(),
            shut: false,
            event_loop: Raw::NONE,
            getters: WaitQueue::default(),
            putters: WaitQueue::default(),
            joiners: WaitQueue::default(),
        };
        functions::new_object(cx, class, Box::new(payload))
    }

    /// Set the limit.
    fn __init__(cx: &mut Cx, this: Root, #[either] maxsize: Given<Root>) -> NativeResult {
        let most = maxsize.0.map_or(Raw::int(0), |most| most.get(cx).raw());
        let object = self::this(cx, this);
        cx.heap.barrier_of(object.value());
        let class = cx.class_of(this.get(cx)).held();
        let mut own = |name: &str| {
            let name = cx.intern(name).held();
            cx.lookup_class(class, name).is_some_and(|method| method.kind() != Kind::Native)
        };
        let derived = ["_init", "_get", "_put"].into_iter().any(&mut own);
        let own = Own {
            get_nowait: own("get_nowait"),
            put_nowait: own("put_nowait"),
            qsize: own("qsize"),
            empty: own("empty"),
            full: own("full"),
        };
        let is = |cx: &mut Cx, name: &str| {
            let base = cx.named_class(name).held();
            class.is_subclass(base)
        };
        let order = if derived {
            Order::Derived
        } else if is(cx, "PriorityQueue") {
            Order::Least
        } else if is(cx, "LifoQueue") {
            Order::Last
        } else {
            Order::First
        };
        with(object, |q| {
            q.most = most;
            q.order = order;
            q.own = own;
        });
        if order == Order::Derived {
            let most = cx.push_raw(most);
            cx.call_method(this, "_init", &[most])?;
        }
        Ok(Outcome::NONE)
    }

    /// What asyncio's queues keep in attributes. Whoever asks for the container gets a real one, which is used from then on.
    fn __getattr__(cx: &mut Cx, this: Root, name: Root) -> NativeResult {
        let object = self::this(cx, this);
        let text = cx.str_text(name)?;
        match &*text {
            "_queue" if with(object, |q| q.order) != Order::Derived => {
                let items: Vec<Raw> = with(object, |q| std::mem::take(&mut q.items).into());
                let values: Vec<Value<'_>> = items.iter().map(|raw| Value::adopt(*raw)).collect();
                let list = cx.list(&values).value().raw();
                let list = cx.push_raw(list);
                cx.call_method(this, "_init", &[list])?;
                let container = cx.attribute(this, "_queue")?;
                cx.call_method(container, "extend", &[list])?;
                with(object, |q| q.order = Order::Derived);
                Ok(container.get(cx).into())
            }
            "_unfinished_tasks" => Ok(with(object, |q| q.unfinished).into()),
            "_maxsize" => Ok(Outcome::Value(with(object, |q| q.most))),
            "_is_shutdown" => Ok(with(object, |q| q.shut).into()),
            _ => {
                let got = super::class_name(cx, this.get(cx));
                Err(cx.attribute_error(&format!("'{got}' object has no attribute '{text}'"), this, name))
            }
        }
    }

    /// Make the container of the items: for derived classes.
    fn _init(cx: &mut Cx, this: Root, maxsize: Root) -> NativeResult {
        let lists = ["PriorityQueue", "LifoQueue"].iter().any(|name| {
            let base = cx.named_class(name).held();
            cx.class_of(this.get(cx)).is_subclass(base)
        });
        let items = if lists {
            let raw = cx.list(&[]).value().raw();
            cx.push_raw(raw)
        } else {
            let module = cx.import("collections")?;
            let class = cx.attribute(module, "deque")?;
            cx.call(class, &[])?
        };
        let name = cx.intern("_queue").value().raw();
        let name = cx.push_raw(name);
        cx.set_attribute(this, name, items)?;
        Ok(Outcome::NONE)
    }

    /// Put an item into the container: for derived classes.
    fn _put(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        let items = cx.attribute(this, "_queue")?;
        let base = cx.named_class("PriorityQueue").held();
        if cx.class_of(this.get(cx)).is_subclass(base) {
            let module = cx.import("heapq")?;
            let push = cx.attribute(module, "heappush")?;
            cx.call(push, &[items, item])?;
        } else {
            cx.call_method(items, "append", &[item])?;
        }
        Ok(Outcome::NONE)
    }

    /// Take an item out of the container: for derived classes.
    fn _get(cx: &mut Cx, this: Root) -> NativeResult {
        let items = cx.attribute(this, "_queue")?;
        let is = |cx: &mut Cx, name: &str| {
            let base = cx.named_class(name).held();
            cx.class_of(this.get(cx)).is_subclass(base)
        };
        let item = if is(cx, "PriorityQueue") {
            let module = cx.import("heapq")?;
            let pop = cx.attribute(module, "heappop")?;
            cx.call(pop, &[items])?
        } else if is(cx, "LifoQueue") {
            cx.call_method(items, "pop", &[])?
        } else {
            cx.call_method(items, "popleft", &[])?
        };
        Ok(item.get(cx).into())
    }

    /// Who waits for an item, in order.
    #[getter]
    fn _getters(cx: &mut Cx, this: Root) -> NativeResult {
        let futures = with(self::this(cx, this), |q| q.getters.iter().map(AnyFuture::raw).collect::<Vec<Raw>>());
        super::sync::deque(cx, &futures)
    }

    /// Who waits for room, in order.
    #[getter]
    fn _putters(cx: &mut Cx, this: Root) -> NativeResult {
        let futures = with(self::this(cx, this), |q| q.putters.iter().map(AnyFuture::raw).collect::<Vec<Raw>>());
        super::sync::deque(cx, &futures)
    }

    /// The loop it belongs to, once somebody waited.
    #[getter]
    fn _loop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(with(self::this(cx, this), |q| q.event_loop)))
    }

    /// Set the loop it belongs to.
    #[setter]
    #[name("_loop")]
    fn set_loop(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (own, raw) = (self::this(cx, this), value.get(cx).raw());
        cx.heap.barrier_of(own.value());
        with(own, |q| q.event_loop = raw);
        Ok(Outcome::NONE)
    }

    /// Number of items.
    fn qsize(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(length(cx, this)?.into())
    }

    /// The limit.
    #[getter]
    fn maxsize(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(Outcome::Value(with(self::this(cx, this), |q| q.most)))
    }

    /// Whether there are no items.
    fn empty(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((length(cx, this)? == 0).into())
    }

    /// Whether the limit is reached.
    fn full(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(reaches_limit(cx, this)?.into())
    }

    /// Put an item in, waiting until there is room.
    #[suspends]
    fn put(cx: &mut Cx, this: Root, #[either] item: Root) -> NativeResult {
        put_item(cx, Args::of(this, 2))
    }

    /// Put an item in, or raise QueueFull.
    fn put_nowait(cx: &mut Cx, this: Root, #[either] item: Root) -> NativeResult {
        put_now(cx, this, item)?;
        Ok(Outcome::NONE)
    }

    /// Take an item out, waiting until there is one.
    #[suspends]
    fn get(cx: &mut Cx, this: Root) -> NativeResult {
        get_item(cx, Args::of(this, 1))
    }

    /// Take an item out, or raise QueueEmpty.
    fn get_nowait(cx: &mut Cx, this: Root) -> NativeResult {
        let item = get_now(cx, this)?;
        Ok(item.get(cx).into())
    }

    /// Say that an item that was taken out is dealt with.
    fn task_done(cx: &mut Cx, this: Root) -> NativeResult {
        let object = self::this(cx, this);
        let left = with(object, |q| {
            q.unfinished -= 1;
            q.unfinished
        });
        if left < 0 {
            with(object, |q| q.unfinished = 0);
            return Err(cx.value_error("task_done() called too many times"));
        }
        if left == 0 {
            wake_all(cx, object, joiners);
        }
        Ok(Outcome::NONE)
    }

    /// Wait until every item is dealt with.
    #[suspends]
    fn join(cx: &mut Cx, this: Root) -> NativeResult {
        if with(self::this(cx, this), |q| q.unfinished) <= 0 {
            return Ok(Outcome::NONE);
        }
        queue_up(cx, this, joiners, joined)
    }

    /// End the queue: no more items come in, and when the last is out `get` raises QueueShutDown. `immediate` drops the items.
    fn shutdown(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(false)]
        #[text("False")]
        immediate: bool,
    ) -> NativeResult {
        let object = self::this(cx, this);
        with(object, |q| q.shut = true);
        if immediate {
            while !is_empty(cx, this)? {
                let mark = cx.mark();
                take(cx, this)?;
                cx.release(mark);
                with(object, |q| q.unfinished = (q.unfinished - 1).max(0));
            }
            if with(object, |q| q.unfinished) == 0 {
                wake_all(cx, object, joiners);
            }
        }
        wake_all(cx, object, getters);
        wake_all(cx, object, putters);
        Ok(Outcome::NONE)
    }

    /// Queue[type].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = described(cx, this)?;
        let name = super::class_name(cx, this.get(cx));
        let id = cx.heap.id(this.get(cx));
        Ok(cx.str(&format!("<{name} at {id:#x} {text}>")).into())
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = described(cx, this)?;
        let name = super::class_name(cx, this.get(cx));
        Ok(cx.str(&format!("<{name} {text}>")).into())
    }
);

natives!(
    /// A queue whose least item comes out first.
    pub(super) static PRIORITY_QUEUE: ScriptMethods;
);

natives!(
    /// A queue whose newest item comes out first.
    pub(super) static LIFO_QUEUE: ScriptMethods;
);
