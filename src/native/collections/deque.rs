//! deque and its iterators.

use std::io::Write;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::iterator::ITERATOR;
use crate::native::types::list::bound;
use crate::object::{ClassFlags, Deque, List, Tuple};
use crate::vm::drain::take;
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::step::Stepped;
use crate::vm::{CompareKind, Name, TypeRow};

/// The types, in order of need.
pub(super) static ROWS: &[TypeRow] = &[
    TypeRow::of(Kind::Deque, "deque", &[&DEQUE]).in_module("collections").with(ClassFlags::SEQUENCE),
    iterator("_deque_iterator", &[&FORWARD, &ITERATOR, &LEFT]),
    iterator("_deque_reverse_iterator", &[&BACKWARD, &ITERATOR, &LEFT]),
];

const fn iterator(name: &'static str, methods: &'static [&'static crate::native::Natives]) -> TypeRow {
    let row = TypeRow::of(Kind::NativeIterator, name, methods).in_module("collections");
    TypeRow { kind: None, ..row }.with(ClassFlags::FINAL)
}

/// The deque of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'_, Deque> {
    cx.payload(this.get(cx)).exact::<Deque>().expect("the instance is a deque")
}

/// The deque a value is, or stands for.
fn deque_of<'h>(cx: &'h Cx, value: Value<'h>) -> Option<Gc<'h, Deque>> {
    cx.payload(value).exact::<Deque>()
}

/// `deque(…)` from positional arguments.
pub(super) fn make(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() > 1 {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    let deque = Deque::new(&cx.heap, None).value().raw();
    if args.is_empty() {
        return Ok(Outcome::Value(deque));
    }
    let deque = cx.push_raw(deque);
    extend_from(cx, deque, args.root(0))?;
    Ok(deque.get(cx).into())
}

natives!(
    /// A list-like sequence optimized for data accesses near its endpoints.
    pub(super) static DEQUE: Methods;

    /// Make an empty deque.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::Deque)?;
        let deque = Deque::new(&cx.heap, None).value().raw();
        cx.new_outcome(class, deque)
    }

    /// Fill the deque with the items of an iterable; it keeps the last `maxlen` of them.
    #[name("__init__")]
    fn deque(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[text("()")]
        iterable: Given<Root>,
        #[either]
        #[text("None")]
        maxlen: Given<Root>,
    ) -> NativeResult {
        let most = match maxlen.0 {
            Some(root) if !root.get(cx).is_none() => {
                if crate::native::types::int_ref(cx, root.get(cx)).is_none() {
                    return Err(cx.type_error("an integer is required".into()));
                }
                let most = cx.index_as_i64(root)?;
                match usize::try_from(most) {
                    Ok(most) => Some(most),
                    Err(_) => return Err(cx.value_error("maxlen must be non-negative")),
                }
            }
            _ => None,
        };
        own(cx, this).set_most(most);
        if !own(cx, this).is_empty() {
            own(cx, this).clear(&cx.heap);
        }
        if let Some(iterable) = iterable.0 {
            extend_from(cx, this, iterable)?;
        }
        Ok(Outcome::NONE)
    }

    /// Add an element to the right side of the deque.
    fn append(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        let done = own(cx, this).push_back(&cx.heap, item.get(cx));
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }

    /// Add an element to the left side of the deque.
    fn appendleft(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        let done = own(cx, this).push_front(&cx.heap, item.get(cx));
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }

    /// Remove and return the rightmost element.
    fn pop(cx: &mut Cx, this: Root) -> NativeResult {
        match own(cx, this).pop_back(&cx.heap) {
            Some(item) => Ok(item.into()),
            None => Err(cx.index_error("pop from an empty deque")),
        }
    }

    /// Remove and return the leftmost element.
    fn popleft(cx: &mut Cx, this: Root) -> NativeResult {
        match own(cx, this).pop_front(&cx.heap) {
            Some(item) => Ok(item.into()),
            None => Err(cx.index_error("pop from an empty deque")),
        }
    }

    /// Add the items of an iterable to the right side.
    fn extend(cx: &mut Cx, this: Root, iterable: Root) -> NativeResult {
        extend_from(cx, this, iterable)?;
        Ok(Outcome::NONE)
    }

    /// Add the items of an iterable to the left side, one after the other.
    fn extendleft(cx: &mut Cx, this: Root, iterable: Root) -> NativeResult {
        let iterable = unless_own(cx, this, iterable);
        cx.for_each(iterable, &mut |cx, item| {
            let done = own(cx, this).push_front(&cx.heap, item.get(cx));
            cx.fits(done)
        })?;
        Ok(Outcome::NONE)
    }

    /// Remove all elements.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        own(cx, this).clear(&cx.heap);
        Ok(Outcome::NONE)
    }

    /// Return a shallow copy.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let copy = copied(cx, this)?;
        Ok(copy.get(cx).into())
    }

    /// Return a shallow copy.
    fn __copy__(cx: &mut Cx, this: Root) -> NativeResult {
        let copy = copied(cx, this)?;
        Ok(copy.get(cx).into())
    }

    /// Return how many elements equal a value.
    fn count(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (mut count, mut at) = (0i64, 0);
        while let Some(found) = find(cx, this, value, at, usize::MAX, false)? {
            count += 1;
            at = found + 1;
        }
        Ok(count.into())
    }

    /// Return the first index of a value. Raises ValueError if it is not there.
    fn index(
        cx: &mut Cx,
        this: Root,
        value: Root,
        #[text("0")] start: Given<Root>,
        #[text("sys.maxsize")] stop: Given<Root>,
    ) -> NativeResult {
        let len = own(cx, this).len();
        let start = bound(cx, start.0, 0, len)?;
        let stop = bound(cx, stop.0, usize::MAX, len)?;
        match find(cx, this, value, start, stop, false)? {
            Some(at) => Ok((at as i64).into()),
            None => Err(cx.value_error("deque.index(x): x not in deque")),
        }
    }

    /// Insert a value before an index.
    fn insert(cx: &mut Cx, this: Root, index: i64, value: Root) -> NativeResult {
        let deque = own(cx, this);
        let len = deque.len();
        if deque.most() == Some(len) {
            return Err(cx.index_error("deque already at its maximum size"));
        }
        let at = if index < 0 { index.saturating_add(len as i64).max(0) } else { index.min(len as i64) };
        let done = deque.insert(&cx.heap, at as usize, value.get(cx));
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }

    /// Remove the first occurrence of a value.
    fn remove(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match find(cx, this, value, 0, usize::MAX, true)? {
            Some(at) => {
                own(cx, this).remove(&cx.heap, at);
                Ok(Outcome::NONE)
            }
            None => Err(cx.value_error("deque.remove(x): x not in deque")),
        }
    }

    /// Reverse *IN PLACE*.
    fn reverse(cx: &mut Cx, this: Root) -> NativeResult {
        own(cx, this).reverse(&cx.heap);
        Ok(Outcome::NONE)
    }

    /// Rotate the deque n steps to the right. If n is negative, rotates left.
    fn rotate(cx: &mut Cx, this: Root, #[default(1)] n: i64) -> NativeResult {
        own(cx, this).rotate(&cx.heap, n);
        Ok(Outcome::NONE)
    }

    /// maximum size of a deque or None if unbounded
    #[getter]
    fn maxlen(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).most().map_or(Outcome::NONE, |most| (most as i64).into()))
    }

    /// Return self[key].
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let at = position(cx, this, key)?;
        Ok(own(cx, this).item(at).unwrap_or(Value::NONE).into())
    }

    /// Set self[key] to value.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> NativeResult {
        let at = position(cx, this, key)?;
        own(cx, this).set_item(&cx.heap, at, value.get(cx));
        Ok(Outcome::NONE)
    }

    /// Delete self[key].
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let at = position(cx, this, key)?;
        own(cx, this).remove(&cx.heap, at);
        Ok(Outcome::NONE)
    }

    /// Return len(self).
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).len() as i64).into())
    }

    /// Implement iter(self).
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = iterator_of(cx, this, false);
        Ok(Outcome::Value(iterator))
    }

    /// Return a reverse iterator over the deque.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = iterator_of(cx, this, true);
        Ok(Outcome::Value(iterator))
    }

    /// Return whether an element equals a value.
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        Ok(find(cx, this, key, 0, usize::MAX, false)?.is_some().into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let payload = cx.payload_root(this);
        if !cx.enter_repr(payload) {
            return Ok(cx.str("[...]").into());
        }
        let shown = shown(cx, this);
        cx.leave_repr(payload);
        let shown = shown?;
        cx.checked_text(&shown).map(Outcome::Value)
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Eq, this, value)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Ne, this, value)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Lt, this, value)
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Le, this, value)
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Gt, this, value)
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, CompareKind::Ge, this, value)
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if deque_of(cx, value.get(cx)).is_none() {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only concatenate deque (not \"{got}\") to deque")));
        }
        let copy = copied(cx, this)?;
        extend_from(cx, copy, value)?;
        Ok(copy.get(cx).into())
    }

    /// Implement self+=value.
    fn __iadd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        extend_from(cx, this, value)?;
        Ok(this.get(cx).into())
    }

    /// Return self*value.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let copy = copied(cx, this)?;
        repeat(cx, copy, value)?;
        Ok(copy.get(cx).into())
    }

    /// Return value*self.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let copy = copied(cx, this)?;
        repeat(cx, copy, value)?;
        Ok(copy.get(cx).into())
    }

    /// Implement self*=value.
    fn __imul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value)?;
        Ok(this.get(cx).into())
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let state = cx.call_method(this, "__getstate__", &[])?;
        let items = cx.iter(this)?;
        let most = own(cx, this).most();
        let arguments = match most {
            None => cx.empty_tuple().value().raw(),
            Some(most) => {
                let nothing = cx.empty_tuple().value();
                cx.tuple(&[nothing, Value::int(most as i64)]).value().raw()
            }
        };
        let class = cx.class_of(this.get(cx)).value();
        Ok(cx.tuple(&[class, Value::adopt(arguments), state.get(cx), items.get(cx)]).into())
    }

    /// Return the size in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        let blocks = own(cx, this).len() as i64 / 64 + 1;
        Ok((232 + blocks * 528).into())
    }

    /// See PEP 585.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

const MUTATED: &str = "deque mutated during iteration";

/// The iterable, or a list of its items if it is the deque itself.
fn unless_own(cx: &mut Cx, this: Root, iterable: Root) -> Root {
    let own = own(cx, this);
    if deque_of(cx, iterable.get(cx)) != Some(own) {
        return iterable;
    }
    let list = own.to_list(&cx.heap).value().raw();
    cx.push_raw(list)
}

fn extend_from(cx: &mut Cx, this: Root, iterable: Root) -> Result<(), Raised> {
    let iterable = unless_own(cx, this, iterable);
    let (deque, source) = (own(cx, this), iterable.get(cx));
    if deque.most().is_none() {
        let done = match (source.exact::<List>(), source.exact::<Tuple>()) {
            (Some(list), _) => Some(deque.extend_from(&cx.heap, list.slots())),
            (_, Some(tuple)) => Some(deque.extend_from(&cx.heap, tuple.tail())),
            _ => None,
        };
        if let Some(done) = done {
            return cx.fits(done);
        }
    }
    let target = cx.payload_root(this);
    cx.for_each_taking(iterable, take!(take), target, &mut |cx, item| {
        let done = own(cx, target).push_back(&cx.heap, item.get(cx));
        cx.fits(done)
    })
}

/// Takes what a generator yields.
fn take(cx: &mut Cx, state: Root, item: Raw) -> bool {
    let deque = state.get(cx).exact::<Deque>();
    deque.is_some_and(|deque| deque.push_back(&cx.heap, Value::adopt(item)).is_ok())
}

/// A copy, of a derived class's instance by that class.
fn copied(cx: &mut Cx, this: Root) -> Result<Root, Raised> {
    let most = own(cx, this).most();
    if this.get(cx).is_subclassed() {
        let class = cx.class_of(this.get(cx)).value().raw();
        let class = cx.push_raw(class);
        return match most {
            None => cx.call(class, &[this]),
            Some(most) => {
                let most = cx.push(Value::int(most as i64));
                cx.call(class, &[this, most])
            }
        };
    }
    let copy = Deque::new(&cx.heap, most);
    let mut done = Ok(());
    for part in own(cx, this).parts() {
        done = done.and_then(|()| copy.extend_from(&cx.heap, part));
    }
    let copy = copy.value().raw();
    cx.fits(done)?;
    Ok(cx.push_raw(copy))
}

fn repeat(cx: &mut Cx, this: Root, value: Root) -> Result<(), Raised> {
    let index = cx.index(value)?;
    let count = crate::object::key::as_int_ref(index.get(cx)).and_then(|int| int.to_i64());
    let Some(count) = count else {
        return Err(cx.overflow_error("cannot fit 'int' into an index-sized integer"));
    };
    let count = count.max(0) as usize;
    let deque = own(cx, this);
    let len = deque.len();
    if len > 1 && count > i64::MAX as usize / len {
        return Err(cx.memory_error());
    }
    if len == 0 {
        return Ok(());
    }
    if count == 0 {
        deque.clear(&cx.heap);
        return Ok(());
    }
    // Of what a limit would drop nothing is made: the number of rounds that leave something is enough.
    let rounds = deque.most().map_or(count, |most| count.min(most.div_ceil(len)));
    if rounds == 1 {
        return Ok(());
    }
    let fits = len.checked_mul(rounds).and_then(|n| n.checked_mul(16)).is_some_and(|n| cx.heap.check(n).is_ok());
    if !fits {
        return Err(cx.memory_error());
    }
    let items: Vec<Raw> = (0..len).filter_map(|at| deque.item(at).map(Value::raw)).collect();
    let mut done = Ok(());
    for _ in 1..rounds {
        for item in &items {
            done = done.and_then(|()| deque.push_back(&cx.heap, Value::adopt(item.copied())));
        }
    }
    cx.fits(done)
}

/// The place of the first item from `start` on that equals the value. Whoever changes the deque meanwhile is told so.
fn find(
    cx: &mut Cx,
    this: Root,
    value: Root,
    start: usize,
    stop: usize,
    removing: bool,
) -> Result<Option<usize>, Raised> {
    let version = own(cx, this).version();
    let mut at = start;
    while at < stop {
        let Some(item) = own(cx, this).item(at) else { break };
        let wanted = value.get(cx);
        let same = match crate::object::key::equal_without_script(item, wanted, 0) {
            _ if item.is(wanted) => true,
            Some(equal) => equal,
            None => {
                let raw = item.raw();
                let mark = cx.mark();
                let item = cx.push_raw(raw);
                let equal = cx.equals(item, value)?;
                cx.release(mark);
                if own(cx, this).version() != version {
                    return Err(if removing { cx.index_error(MUTATED) } else { cx.runtime_error(MUTATED) });
                }
                equal
            }
        };
        if same {
            return Ok(Some(at));
        }
        at += 1;
    }
    Ok(None)
}

/// The place that a subscript means.
fn position(cx: &mut Cx, this: Root, key: Root) -> Result<usize, Raised> {
    let index = match key.get(cx).as_int() {
        Some(index) => index,
        None => {
            if crate::native::types::int_ref(cx, key.get(cx)).is_none()
                && cx.special_method(key, Name::Index)?.is_none()
            {
                let got = cx.type_name_for_error(key.get(cx));
                return Err(cx.type_error(format!("sequence index must be integer, not '{got}'")));
            }
            cx.subscript_index(key)?
        }
    };
    let len = own(cx, this).len();
    let at = if index < 0 { index + len as i64 } else { index };
    match usize::try_from(at) {
        Ok(at) if at < len => Ok(at),
        _ => Err(cx.index_error("deque index out of range")),
    }
}

fn shown(cx: &mut Cx, this: Root) -> Result<Vec<u8>, Raised> {
    let list = own(cx, this).to_list(&cx.heap).value().raw();
    let list = cx.push_raw(list);
    let mut out = cx.class_of(this.get(cx)).name().as_bytes().to_vec();
    out.push(b'(');
    cx.write_repr(&mut out, list)?;
    if let Some(most) = own(cx, this).most() {
        let _ = write!(out, ", maxlen={most}");
    }
    out.push(b')');
    Ok(out)
}

fn compare(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    let Some(b) = deque_of(cx, other.get(cx)) else { return Ok(Value::NOT_IMPLEMENTED.into()) };
    let a = own(cx, this);
    let by_length = matches!(kind, CompareKind::Eq | CompareKind::Ne);
    if by_length && (a == b || a.len() != b.len()) {
        return Ok(((a == b) == (kind == CompareKind::Eq)).into());
    }
    if by_length {
        return by_items(cx, kind, this, other);
    }
    let lists = [a.to_list(&cx.heap).value().raw(), b.to_list(&cx.heap).value().raw()];
    let [a, b] = lists.map(|list| cx.push_raw(list));
    cx.compare_roots(kind, a, b).map(Outcome::from)
}

/// Asks items in turn; the first two that differ are asked what the result is.
fn by_items(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    let (this, other) = (cx.payload_root(this), cx.payload_root(other));
    let mut at = 0;
    loop {
        let items = [this, other].map(|deque| deque.get(cx).exact::<Deque>().and_then(|d| d.item(at)).map(|i| i.raw()));
        let [Some(left), Some(right)] = items else {
            let ended = items[0].is_none() && items[1].is_none();
            return Ok((ended == (kind == CompareKind::Eq)).into());
        };
        let mark = cx.mark();
        let (left, right) = (cx.push_raw(left), cx.push_raw(right));
        if !cx.same_or_equal(left, right)? {
            let holds = cx.compare_roots(kind, left, right)?;
            cx.release(mark);
            return Ok(holds.into());
        }
        cx.release(mark);
        at += 1;
    }
}

// ---- iterators: the deque, its version when the iterator was made; the count is the number of items done ----

fn iterator_of(cx: &mut Cx, this: Root, backward: bool) -> Raw {
    let deque = cx.payload_root(this);
    let version = cx.push(Value::int(own(cx, deque).version()));
    let state = [deque, version];
    let iterator: Gc<'static, NativeIterator> = if backward {
        cx.new_iterator(step::<true>, "_deque_reverse_iterator", &state).held()
    } else {
        cx.new_iterator(step::<false>, "_deque_iterator", &state).held()
    };
    let direct = if backward { next::<true> } else { next::<false> };
    cx.step_directly(iterator, direct, true, &[]);
    iterator.value().raw()
}

fn next<const BACKWARD: bool>(
    cx: &mut Cx,
    iterator: Gc<'static, NativeIterator>,
    to: &mut Raw,
) -> Result<Stepped, Raised> {
    let deque = iterator.slot(0).exact::<Deque>().expect("an iterator's deque");
    if iterator.slot(1).as_int() != Some(deque.version()) {
        iterator.get().count.set(i64::MAX);
        return Err(cx.runtime_error(MUTATED));
    }
    let done = iterator.count.get() as usize;
    let at = if BACKWARD { deque.len().wrapping_sub(done).wrapping_sub(1) } else { done };
    match deque.item(at) {
        Some(item) => {
            iterator.get().count.set(done as i64 + 1);
            *to = item.raw();
            Ok(Stepped::Item)
        }
        None => Ok(Stepped::End),
    }
}

fn step<const BACKWARD: bool>(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = window.get(cx, 0).exact::<NativeIterator>().expect("a step has its iterator first").held();
    let mut item = Raw::UNBOUND;
    next::<BACKWARD>(cx, iterator, &mut item)?;
    Ok(Outcome::Value(item))
}

fn iterator_class(cx: &mut Cx, deque: Root, index: i64, backward: bool) -> NativeResult {
    if deque_of(cx, deque.get(cx)).is_none() {
        let got = cx.type_name_for_error(deque.get(cx));
        let name = if backward { "_deque_reverse_iterator" } else { "_deque_iterator" };
        return Err(cx.type_error(format!("{name}() argument 1 must be collections.deque, not {got}")));
    }
    let iterator = iterator_of(cx, deque, backward);
    let value: Value<'static> = Value::adopt(iterator);
    let native = value.exact::<NativeIterator>().expect("just made");
    native.get().count.set(index.clamp(0, own(cx, deque).len() as i64));
    Ok(value.into())
}

natives!(
    /// An iterator over a deque.
    static FORWARD: Methods;

    /// Make an iterator that begins at an index.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, deque: Root, #[default(0)] index: i64) -> NativeResult {
        iterator_class(cx, deque, index, false)
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduced(cx, this)
    }
);

natives!(
    /// A reverse iterator over a deque.
    static BACKWARD: Methods;

    /// Make an iterator that begins so many items from the end.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, deque: Root, #[default(0)] index: i64) -> NativeResult {
        iterator_class(cx, deque, index, true)
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        reduced(cx, this)
    }
);

natives!(
    /// What both have.
    static LEFT: Methods;

    /// Private method returning an estimate of len(list(it)).
    fn __length_hint__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = this.get(cx).exact::<NativeIterator>().expect("a method's receiver");
        let deque = iterator.slot(0).exact::<Deque>().expect("an iterator's deque");
        Ok((deque.len() as i64).saturating_sub(iterator.count.get()).max(0).into())
    }
);

fn reduced(cx: &mut Cx, this: Root) -> NativeResult {
    let iterator = this.get(cx).exact::<NativeIterator>().expect("a method's receiver");
    let arguments = cx.tuple(&[iterator.slot(0), Value::int(iterator.count.get())]).value();
    let class = cx.class_of(this.get(cx)).value();
    Ok(cx.tuple(&[class, arguments]).into())
}
