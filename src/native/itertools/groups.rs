//! batched, pairwise, zip_longest, groupby and tee: items together, and apart.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{List, Tuple};
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::step::Stepped;

use super::{delegated, made, of, own, pull, stepped};

natives!(
    /// Batch data into tuples of length n. The last batch may be shorter than n.
    pub(super) static BATCHED: Methods;

    /// Make a batched object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] iterable: Root,
        #[either] n: i64,
        #[key]
        #[default(false)]
        strict: bool,
    ) -> NativeResult {
        if n < 1 {
            return Err(cx.value_error("n must be at least one"));
        }
        let source = cx.iter(iterable)?;
        let n = cx.push(Value::int(n));
        let strict = cx.push(Value::bool(strict));
        if cx.yields(source) {
            return delegated(cx, class, "batched", "batched", &[source, n, strict]);
        }
        made(cx, class, "batched", batched_step, batched_next, &[source, n, strict], &[source])
    }
);

/// State: the source, None once over; the number of items; whether all batches must have that many.
fn batched_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, batched_next)
}

fn batched_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    if iterator.slot(0).is_none() {
        return Ok(Stepped::End);
    }
    let wanted = iterator.slot(1).as_int().unwrap_or(1) as usize;
    let mark = cx.mark();
    let list = cx.list(&[]).value().raw();
    let list = cx.push_raw(list);
    let batch: Gc<'static, List> = list.get(cx).exact::<List>().expect("just made").held();
    while batch.len() < wanted {
        let source = iterator.slot(0).raw();
        let item = pull(cx, source).inspect_err(|_| iterator.set_tail(&cx.heap, 0, Value::NONE))?;
        if item.is_unbound() {
            iterator.set_tail(&cx.heap, 0, Value::NONE);
            break;
        }
        let done = batch.push(cx.heap.forever(), Value::adopt(item));
        cx.fits(done)?;
    }
    let len = batch.len();
    if len == 0 {
        cx.release(mark);
        return Ok(Stepped::End);
    }
    if len < wanted && iterator.slot(2).is(Value::TRUE) {
        return Err(cx.value_error("batched(): incomplete batch"));
    }
    *to = Tuple::build(&cx.heap, len, |at| batch.item(at).unwrap_or(Value::NONE)).value().raw();
    cx.release(mark);
    Ok(Stepped::Item)
}

natives!(
    /// Return an iterator of overlapping pairs taken from the input iterator.
    pub(super) static PAIRWISE: Methods;

    /// Make a pairwise object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        if cx.yields(source) {
            return delegated(cx, class, "pairwise", "pairwise", &[source]);
        }
        let nothing = cx.push(Value::UNBOUND);
        made(cx, class, "pairwise", pairwise_step, pairwise_next, &[source, nothing], &[source])
    }
);

/// State: the source, None once over; the last item, or UNBOUND.
fn pairwise_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, pairwise_next)
}

fn pairwise_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let over = |cx: &Cx| {
        iterator.set_tail(&cx.heap, 0, Value::NONE);
        iterator.set_tail(&cx.heap, 1, Value::UNBOUND);
    };
    if iterator.slot(0).is_none() {
        return Ok(Stepped::End);
    }
    if iterator.slot(1).is_unbound() {
        let source = iterator.slot(0).raw();
        match pull(cx, source) {
            Ok(item) if !item.is_unbound() => iterator.set_tail(&cx.heap, 1, Value::adopt(item)),
            other => {
                over(cx);
                return other.map(|_| Stepped::End);
            }
        }
        // The source may have asked this iterator, which is over then.
        if iterator.slot(0).is_none() {
            over(cx);
            return Ok(Stepped::End);
        }
    }
    let mark = cx.mark();
    let old = cx.push_raw(iterator.slot(1).raw());
    let source = iterator.slot(0).raw();
    let new = match pull(cx, source) {
        Ok(item) if !item.is_unbound() => item,
        other => {
            over(cx);
            return other.map(|_| Stepped::End);
        }
    };
    iterator.set_tail(&cx.heap, 1, Value::adopt(new.copied()));
    *to = Tuple::new(&cx.heap, &[old.get(cx), Value::adopt(new)]).value().raw();
    cx.release(mark);
    Ok(Stepped::Item)
}

natives!(
    /// Return a zip_longest object whose .__next__() method returns a tuple where the i-th element comes from the i-th iterable argument,
    /// until the longest of them is exhausted. Shorter iterables are filled up with the fillvalue.
    pub(super) static ZIP_LONGEST: Methods;

    /// Make a zip_longest object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, iterables: Rest, #[key] fillvalue: Option<Root>) -> NativeResult {
        let mut state = vec![];
        let fill = fillvalue.unwrap_or_else(|| cx.push(Value::NONE));
        state.push(fill);
        for iterable in iterables.0.roots() {
            state.push(cx.iter(iterable)?);
        }
        if u16::try_from(state.len()).is_err() {
            return Err(cx.memory_error());
        }
        let iterator = cx.new_iterator(longest_step, "zip_longest", &state).held();
        iterator.get().count.set(state.len() as i64 - 1);
        if state[1..].iter().all(|source| cx.never_asks(*source)) {
            cx.step_directly(iterator, longest_next, true, &state[1..]);
        }
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

/// State: what is filled in, the sources, UNBOUND for those that are over. The count is the number of those that are not.
fn longest_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, longest_next)
}

fn longest_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    if iterator.count.get() == 0 {
        return Ok(Stepped::End);
    }
    let mark = cx.mark();
    let len = iterator.tail().len() - 1;
    for at in 1..=len {
        let source = iterator.slot(at).raw();
        let mut item = Raw::UNBOUND;
        if !source.is_unbound() {
            item = match pull(cx, source) {
                Ok(item) => item,
                Err(raised) => {
                    iterator.get().count.set(0);
                    return Err(raised);
                }
            };
            if item.is_unbound() {
                iterator.get().count.set(iterator.count.get() - 1);
                if iterator.count.get() == 0 {
                    cx.release(mark);
                    return Ok(Stepped::End);
                }
                iterator.set_tail(&cx.heap, at, Value::UNBOUND);
            }
        }
        if item.is_unbound() {
            item = iterator.slot(0).raw();
        }
        cx.push_raw(item);
    }
    let first = Root::at(mark);
    *to = Tuple::build(&cx.heap, len, |at| first.offset(at).get(cx)).value().raw();
    cx.release(mark);
    Ok(Stepped::Item)
}

// ---- groupby ----

const SOURCE: usize = 0;
const KEY: usize = 1;
/// The key of the group that was given last, or UNBOUND.
const TARGET: usize = 2;
/// The key of the item, or UNBOUND once that is given.
const CURRENT: usize = 3;
/// The item that was taken last and is not given yet.
const ITEM: usize = 4;
/// The group that was given last.
const GROUP: usize = 5;

natives!(
    /// Make an iterator that returns consecutive keys and groups from the iterable.
    pub(super) static GROUPBY: Methods;

    /// Make a groupby object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] iterable: Root, #[either] key: Option<Root>) -> NativeResult {
        let source = cx.iter(iterable)?;
        let key = key.unwrap_or_else(|| cx.push(Value::NONE));
        let scripted = !matches!(key.get(cx).kind(), Kind::None | Kind::Native);
        if scripted || cx.yields(source) && key.get(cx).is_none() {
            let group = cx.native_function(&HELPERS.defs[0], Raw::NONE, None, Raw::NONE);
            let group = cx.push_raw(group);
            let function = if scripted { "groupby" } else { "groupby_none" };
            let args = [source, group, key];
            return delegated(cx, class, "groupby", function, &args[..if scripted { 3 } else { 2 }]);
        }
        let nothing = cx.push(Value::UNBOUND);
        let state = [source, key, nothing, nothing, nothing, nothing];
        let iterator = cx.new_iterator(groupby_step, "groupby", &state).held();
        if key.get(cx).is_none() {
            cx.step_directly(iterator, groupby_next, false, &[source]);
        }
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

natives!(
    /// What the generators behind groupby objects need.
    static HELPERS: Functions;

    /// Make the group whose items a generator yields.
    fn group(cx: &mut Cx, generator: Root) -> NativeResult {
        Ok(cx.handing_on("_grouper", generator).into())
    }
);

/// Takes the next item, which is its own key; false if there is none, None if a script has to be asked.
fn advance_at_once(cx: &mut Cx, iterator: Gc<'static, NativeIterator>) -> Result<Option<bool>, Raised> {
    let source = iterator.slot(SOURCE).raw();
    let Some(item) = cx.next_at_once(source)? else { return Ok(None) };
    if item.is_unbound() {
        return Ok(Some(false));
    }
    iterator.set_tail(&cx.heap, CURRENT, Value::adopt(item.copied()));
    iterator.set_tail(&cx.heap, ITEM, Value::adopt(item));
    Ok(Some(true))
}

/// As `has_key`, where no script has to be asked.
fn has_key_at_once(iterator: Gc<'static, NativeIterator>, wanted: Value<'static>) -> Option<bool> {
    let current = iterator.slot(CURRENT);
    if current.is(wanted) {
        return Some(true);
    }
    crate::object::key::equal_without_script(wanted, current, 0)
}

/// As `groupby_step`, which goes on from wherever this one stops.
fn groupby_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    iterator.set_tail(&cx.heap, GROUP, Value::UNBOUND);
    loop {
        if !iterator.slot(CURRENT).is_unbound() {
            let target = iterator.slot(TARGET);
            let same = if target.is_unbound() { Some(false) } else { has_key_at_once(iterator, target) };
            match same {
                Some(true) => {}
                Some(false) => break,
                None => return Ok(Stepped::Ask),
            }
        }
        match advance_at_once(cx, iterator)? {
            Some(true) => {}
            Some(false) => return Ok(Stepped::End),
            None => return Ok(Stepped::Ask),
        }
    }
    *to = new_group(cx, iterator);
    Ok(Stepped::Item)
}

/// The key of the item and the new group of those that have it.
fn new_group(cx: &mut Cx, iterator: Gc<'static, NativeIterator>) -> Raw {
    let mark = cx.mark();
    let key = iterator.slot(CURRENT);
    iterator.set_tail(&cx.heap, TARGET, key);
    let (parent, key) = (cx.push(iterator.value()), cx.push_raw(key.raw()));
    let group = cx.new_iterator(grouper_step, "_grouper", &[parent, key]).held();
    if iterator.slot(KEY).is_none() {
        let source = cx.push_raw(iterator.slot(SOURCE).raw());
        cx.step_directly(group, grouper_next, false, &[source]);
    }
    iterator.set_tail(&cx.heap, GROUP, group.value());
    let pair = Tuple::new(&cx.heap, &[key.get(cx), group.value()]).value().raw();
    cx.release(mark);
    pair
}

/// Takes the next item and finds its key; false if there is none.
fn advance(cx: &mut Cx, iterator: Gc<'static, NativeIterator>) -> Result<bool, Raised> {
    let mark = cx.mark();
    let source = iterator.slot(SOURCE).raw();
    let item = pull(cx, source)?;
    if item.is_unbound() {
        return Ok(false);
    }
    let item = cx.push_raw(item);
    let mut key = item;
    if !iterator.slot(KEY).is_none() {
        let function = cx.push_raw(iterator.slot(KEY).raw());
        key = cx.call_one(function, item)?;
    }
    iterator.set_tail(&cx.heap, CURRENT, key.get(cx));
    iterator.set_tail(&cx.heap, ITEM, item.get(cx));
    cx.release(mark);
    Ok(true)
}

/// Whether the item's key is this one.
fn has_key(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, wanted: Raw) -> Result<bool, Raised> {
    let current = iterator.slot(CURRENT);
    let target: Value<'static> = Value::adopt(wanted.copied());
    if current.is(target) {
        return Ok(true);
    }
    if let Some(equal) = crate::object::key::equal_without_script(target, current, 0) {
        return Ok(equal);
    }
    let mark = cx.mark();
    let (target, current) = (cx.push_raw(wanted), cx.push_raw(current.raw()));
    let equal = cx.equals(target, current)?;
    cx.release(mark);
    Ok(equal)
}

fn groupby_step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = of(cx, window);
    iterator.set_tail(&cx.heap, GROUP, Value::UNBOUND);
    loop {
        if !iterator.slot(CURRENT).is_unbound() {
            let target = iterator.slot(TARGET).raw();
            if target.is_unbound() || !has_key(cx, iterator, target)? {
                break;
            }
        }
        if !advance(cx, iterator)? {
            return super::END;
        }
    }
    Ok(Outcome::Value(new_group(cx, iterator)))
}

natives!(
    /// The items of a groupby object that have the same key.
    pub(super) static GROUPER: Methods;

    /// Make the group with a key of a groupby object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, parent: Root, tgtkey: Root) -> NativeResult {
        let parent = cx.payload_root(parent);
        let by = cx.named_class("groupby").held();
        let value = parent.get(cx);
        let of_generator = value.exact::<NativeIterator>().is_none_or(|by| by.tail().len() == 1);
        if of_generator || cx.class_of(value) != by {
            return Err(cx.type_error("incorrect usage of internal _grouper".into()));
        }
        let group = cx.new_iterator(grouper_step, "_grouper", &[parent, tgtkey]).held();
        let by = parent.get(cx).exact::<NativeIterator>().expect("checked").held();
        by.set_tail(&cx.heap, GROUP, group.value());
        cx.new_iterator_outcome(class, group.value().raw())
    }
);

/// State: the groupby object, the key.
fn grouper_step(cx: &mut Cx, window: Args) -> NativeResult {
    let group = of(cx, window);
    let parent: Gc<'static, NativeIterator> = group.slot(0).exact::<NativeIterator>().expect("a group's parent");
    if !parent.slot(GROUP).is(group.value()) {
        return super::END;
    }
    if parent.slot(ITEM).is_unbound() && !advance(cx, parent)? {
        return super::END;
    }
    let wanted = group.slot(1).raw();
    if !has_key(cx, parent, wanted)? {
        return super::END;
    }
    Ok(Outcome::Value(given(cx, parent)))
}

/// The item that was taken last, which a group gives; then nothing is to be compared until there is another.
fn given(cx: &Cx, parent: Gc<'static, NativeIterator>) -> Raw {
    let item = parent.slot(ITEM).raw();
    parent.set_tail(&cx.heap, ITEM, Value::UNBOUND);
    parent.set_tail(&cx.heap, CURRENT, Value::UNBOUND);
    item
}

/// As `grouper_step`.
fn grouper_next(cx: &mut Cx, group: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let parent: Gc<'static, NativeIterator> = group.slot(0).exact::<NativeIterator>().expect("a group's parent");
    if !parent.slot(GROUP).is(group.value()) {
        return Ok(Stepped::End);
    }
    if parent.slot(ITEM).is_unbound() {
        match advance_at_once(cx, parent)? {
            Some(true) => {}
            Some(false) => return Ok(Stepped::End),
            None => return Ok(Stepped::Ask),
        }
    }
    match has_key_at_once(parent, group.slot(1)) {
        Some(true) => {}
        Some(false) => return Ok(Stepped::End),
        None => return Ok(Stepped::Ask),
    }
    *to = given(cx, parent);
    Ok(Stepped::Item)
}

// ---- tee: the source; a block of items, which is a list that has the next block behind them once it is full; a list with one bool for all
// that share the source, whether it is being asked; which item of the block is next ----

/// Items of a block.
const BLOCK: usize = 57;

natives!(
    /// Iterator wrapped to make it copyable.
    pub(super) static TEE: Methods;

    /// Make a tee object over an iterable.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, iterable: Root) -> NativeResult {
        tee_over(cx, class, iterable)
    }

    /// Returns an independent iterator.
    fn __copy__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.named_class("_tee").value().raw();
        let class = cx.push_raw(class);
        tee_over(cx, class, this)
    }
);

natives!(
    /// Functional tools for creating and using iterators.
    pub(super) static FUNCTIONS: Functions;

    /// Returns a tuple of n independent iterators.
    fn tee(cx: &mut Cx, iterable: Root, #[default(2)] n: i64) -> NativeResult {
        let Ok(n) = usize::try_from(n) else {
            return Err(cx.value_error("n must be >= 0"));
        };
        if n.checked_mul(64).is_none_or(|size| cx.heap.check(size).is_err()) {
            return Err(cx.memory_error());
        }
        let class = cx.named_class("_tee").value().raw();
        let class = cx.push_raw(class);
        // Each object says itself that it is an iterator, as in CPython: the iterable is asked, and what it gave once more.
        let mut source = if n > 0 { cx.iter(iterable)? } else { iterable };
        let mut copies = vec![];
        for _ in 0..n {
            if let Outcome::Value(copy) = tee_over(cx, class, source)? {
                source = cx.push_raw(copy);
                copies.push(source);
            }
        }
        Ok(Tuple::build(&cx.heap, n, |at| copies[at].get(cx)).into())
    }
);

fn tee_over(cx: &mut Cx, class: Root, iterable: Root) -> NativeResult {
    let mark = cx.mark();
    let source = cx.iter(iterable)?;
    let tee = cx.named_class("_tee").held();
    let inner = cx.payload_root(source);
    let value = inner.get(cx);
    let state = if value.exact::<NativeIterator>().is_some() && cx.class_of(value) == tee {
        let other = own(cx, inner);
        [0, 1, 2, 3].map(|slot| cx.push_raw(other.slot(slot).raw()))
    } else {
        let block = cx.list(&[]).value().raw();
        let lock = cx.list(&[Value::FALSE]).value().raw();
        [source, cx.push_raw(block), cx.push_raw(lock), cx.push(Value::int(0))]
    };
    let iterator = cx.new_iterator(tee_step, "_tee", &state).held();
    if cx.never_asks(state[0]) {
        cx.step_directly(iterator, tee_next, true, &[state[0]]);
    }
    cx.release(mark);
    cx.new_iterator_outcome(class, iterator.value().raw())
}

fn tee_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, tee_next)
}

fn tee_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let list = |slot: usize| iterator.slot(slot).exact::<List>().expect("a list of the state").held();
    let mut block = list(1);
    let mut at = iterator.slot(3).as_int().map_or(0, |at| at as usize);
    if at == BLOCK {
        if block.len() == BLOCK {
            let next = cx.list(&[]).held();
            block.push_unchecked(cx.heap.forever(), next.value());
        }
        block = block.item(BLOCK).and_then(|next| next.exact::<List>()).expect("the next block").held();
        iterator.set_tail(&cx.heap, 1, block.value());
        at = 0;
    }
    if at == block.len() {
        let lock = list(2);
        if lock.item(0).is_some_and(|locked| locked.is(Value::TRUE)) {
            return Err(cx.runtime_error("cannot re-enter the tee iterator"));
        }
        lock.set_item(&cx.heap, 0, Value::TRUE);
        let source = iterator.slot(0).raw();
        let item = pull(cx, source);
        lock.set_item(&cx.heap, 0, Value::FALSE);
        let item = item?;
        if item.is_unbound() {
            return Ok(Stepped::End);
        }
        block.push_unchecked(cx.heap.forever(), Value::adopt(item));
    }
    *to = block.item(at).map_or(Raw::UNBOUND, |item| item.raw());
    iterator.set_tail(&cx.heap, 3, Value::int(at as i64 + 1));
    Ok(Stepped::Item)
}
