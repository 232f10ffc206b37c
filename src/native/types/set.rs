//! set and frozenset. What each operation does first and which operand it goes over is CPython's, since the order of a set can be
//! seen.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::object::{AnySet, Combination, Dict, FrozenSet, Set, Str};
use crate::vm::CompareKind;
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

natives!(
    /// A collection that holds each element once, in no order.
    pub static SET_METHODS: Methods;

    /// Make an empty set.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::Set)?;
        let set = Set::new(&cx.heap).value().raw();
        cx.new_outcome(class, set)
    }

    /// Fill the set with the items of an iterable.
    fn __init__(cx: &mut Cx, this: Root, #[text("()")] iterable: Given<Root>) -> NativeResult {
        let this = cx.payload_root(this);
        if !any(cx, this).is_empty() {
            any(cx, this).clear(&cx.heap);
        }
        if let Some(iterable) = iterable.0 {
            self::update(cx, this, iterable)?;
        }
        Ok(Outcome::NONE)
    }

    /// Add a key.
    #[quick(Two(crate::native::quick::add))]
    fn add(cx: &mut Cx, this: Root, object: Root) -> NativeResult {
        cx.set_add(this, object)?;
        Ok(Outcome::NONE)
    }

    /// Remove every key.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        any(cx, this).clear(&cx.heap);
        Ok(Outcome::NONE)
    }

    /// Return a copy.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let result = self::copy(cx, this)?;
        Ok(result.get(cx).into())
    }

    /// Remove a key, if it is there.
    fn discard(cx: &mut Cx, this: Root, object: Root) -> NativeResult {
        cx.set_discard(this, object)?;
        Ok(Outcome::NONE)
    }

    /// Remove a key, which must be there.
    fn remove(cx: &mut Cx, this: Root, object: Root) -> NativeResult {
        if cx.set_discard(this, object)? { Ok(Outcome::NONE) } else { Err(cx.key_error(object)) }
    }

    /// Remove a key and return it.
    fn pop(cx: &mut Cx, this: Root) -> NativeResult {
        let payload = cx.payload(this.get(cx));
        let set = payload.exact::<Set>().expect("the instance is a set");
        if set.is_empty() {
            let text = Str::new(&cx.heap, "pop from an empty set").value().raw();
            let text = cx.push_raw(text);
            return Err(cx.key_error(text));
        }
        // The search goes on where the last one ended, so that popping all keys is linear.
        let places = set.places();
        let mut place = set.get().hash.get().max(0) as usize & (places - 1);
        loop {
            if let Some((_, key)) = set.at(place) {
                set.remove_at(&cx.heap, place);
                set.get().hash.set(place as i64 + 1);
                return Ok(key.into());
            }
            place = (place + 1) & (places - 1);
        }
    }

    /// Add the keys of all others.
    fn update(cx: &mut Cx, this: Root, others: Rest) -> NativeResult {
        for other in others.0.roots() {
            self::update(cx, this, other)?;
        }
        Ok(Outcome::NONE)
    }

    /// Keep only the keys that all others have.
    fn intersection_update(cx: &mut Cx, this: Root, others: Rest) -> NativeResult {
        let result = intersection_of(cx, this, others)?;
        any(cx, this).take_from(&cx.heap, any(cx, result));
        Ok(Outcome::NONE)
    }

    /// Remove the keys that any other has.
    fn difference_update(cx: &mut Cx, this: Root, others: Rest) -> NativeResult {
        for other in others.0.roots() {
            self::difference_update(cx, this, other)?;
        }
        Ok(Outcome::NONE)
    }

    /// Keep the keys that only this has, and add those that only the other has.
    fn symmetric_difference_update(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        self::symmetric_difference_update(cx, this, other)?;
        Ok(Outcome::NONE)
    }

    /// Return self|=value.
    fn __ior__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        in_place(cx, this, value, update)
    }

    /// Return self&=value.
    fn __iand__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        in_place(cx, this, value, |cx, this, value| {
            let result = self::intersection(cx, this, value)?;
            any(cx, this).take_from(&cx.heap, any(cx, result));
            Ok(())
        })
    }

    /// Return self-=value.
    fn __isub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        in_place(cx, this, value, difference_update)
    }

    /// Return self^=value.
    fn __ixor__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        in_place(cx, this, value, symmetric_difference_update)
    }
);

natives!(
    /// A set that cannot change, so it can be a key.
    pub static FROZENSET_METHODS: Methods;

    /// Make a frozenset of an iterable's items.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[text("()")] iterable: Given<Root>) -> NativeResult {
        cx.check_new_kind(class, Kind::FrozenSet)?;
        let plain = cx.kind_class(Kind::FrozenSet).value().raw();
        if let Some(iterable) = iterable.0
            && iterable.get(cx).exact::<FrozenSet>().is_some()
            && class.get(cx).raw().same(plain)
        {
            return Ok(iterable.get(cx).into());
        }
        let set = FrozenSet::new(&cx.heap).value().raw();
        let set = cx.push_raw(set);
        if let Some(iterable) = iterable.0 {
            self::update(cx, set, iterable)?;
        }
        let raw = set.get(cx).raw();
        cx.new_outcome(class, raw)
    }

    /// Return the frozenset itself: it never changes.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        if this.get(cx).is_subclassed() {
            let result = self::copy(cx, this)?;
            return Ok(result.get(cx).into());
        }
        Ok(this.get(cx).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let this = cx.payload_root(this);
        cx.hash(this).map(Outcome::from)
    }
);

natives!(
    /// What sets and frozensets do alike.
    pub static SHARED: Methods;

    /// Return whether a key is in the set.
    fn __contains__(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        cx.set_contains(this, item).map(Outcome::from)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return the number of keys.
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((any(cx, this).len() as i64).into())
    }

    /// Return an iterator over the keys.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let this = cx.payload_root(this);
        let iterator = cx.iter(this)?;
        Ok(iterator.get(cx).into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Eq, this, value)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Ne, this, value)
    }

    /// Return whether self is a proper subset of value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Lt, this, value)
    }

    /// Return whether self is a subset of value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Le, this, value)
    }

    /// Return whether self is a proper superset of value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Gt, this, value)
    }

    /// Return whether self is a superset of value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Ge, this, value)
    }

    /// Return self|value.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, this, value, or)
    }

    /// Return value|self.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, value, this, or)
    }

    /// Return self&value.
    fn __and__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, this, value, intersection)
    }

    /// Return value&self.
    fn __rand__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, value, this, intersection)
    }

    /// Return self-value.
    fn __sub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, this, value, difference)
    }

    /// Return value-self.
    fn __rsub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, value, this, difference)
    }

    /// Return self^value.
    fn __xor__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, this, value, symmetric_difference)
    }

    /// Return value^self.
    fn __rxor__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        operator(cx, value, this, symmetric_difference)
    }

    /// Return a new set with the keys of this and of all others.
    fn union(cx: &mut Cx, this: Root, others: Rest) -> NativeResult {
        let result = self::copy(cx, this)?;
        for other in others.0.roots().filter(|other| !other.get(cx).is(this.get(cx))).collect::<Vec<_>>() {
            self::update(cx, result, other)?;
        }
        Ok(result.get(cx).into())
    }

    /// Return a new set with the keys that this and all others have.
    fn intersection(cx: &mut Cx, this: Root, others: Rest) -> NativeResult {
        let result = intersection_of(cx, this, others)?;
        Ok(result.get(cx).into())
    }

    /// Return a new set with the keys of this that no other has.
    fn difference(cx: &mut Cx, this: Root, others: Rest) -> NativeResult {
        if others.0.is_empty() {
            let result = self::copy(cx, this)?;
            return Ok(result.get(cx).into());
        }
        let result = self::difference(cx, this, others.0.root(0))?;
        for other in others.0.rest(1).roots() {
            self::difference_update(cx, result, other)?;
        }
        Ok(result.get(cx).into())
    }

    /// Return a new set with the keys that either this or the other has.
    fn symmetric_difference(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        let result = self::symmetric_difference(cx, this, other)?;
        Ok(result.get(cx).into())
    }

    /// Return whether no key is in both.
    fn isdisjoint(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        disjoint(cx, this, other).map(Outcome::from)
    }

    /// Return whether the other has every key of this.
    fn issubset(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        subset(cx, this, other).map(Outcome::from)
    }

    /// Return whether this has every key of the other.
    fn issuperset(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        superset(cx, this, other).map(Outcome::from)
    }

    /// What is pickled: the class, a list of the keys, and the attributes.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).value().raw();
        let class = cx.push_raw(class);
        let payload = cx.payload_root(this);
        let keys = cx.list_from(payload)?;
        let state = if this.get(cx).is_subclassed() { cx.find_attribute(this, "__dict__")? } else { None };
        let args = cx.tuple(&[keys.get(cx)]).value().raw();
        let state = state.map_or(Raw::NONE, |s| s.get(cx).raw());
        Ok(cx.tuple(&[class.get(cx), Value::adopt(args), Value::adopt(state)]).into())
    }

    /// Return the size in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        let places = any(cx, this).mask() as i64 + 1;
        Ok((200 + if places > 8 { places * 16 } else { 0 }).into())
    }

    /// Return the alias of the class with the type of its keys.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

/// The set of a root that holds one.
fn any(cx: &Cx, root: Root) -> AnySet<'_> {
    AnySet::of(cx.payload(root.get(cx))).expect("a set")
}

fn is_set(cx: &Cx, root: Root) -> bool {
    matches!(root.get(cx).kind(), Kind::Set | Kind::FrozenSet)
}

/// An empty set of the kind of another.
fn empty_like(cx: &mut Cx, like: Root) -> Root {
    let raw = match like.get(cx).kind() {
        Kind::FrozenSet => FrozenSet::new(&cx.heap).value().raw(),
        _ => Set::new(&cx.heap).value().raw(),
    };
    cx.push_raw(raw)
}

/// A new set of the kind of another, with an iterable's items.
fn like_of(cx: &mut Cx, like: Root, iterable: Root) -> Result<Root, Raised> {
    let result = empty_like(cx, like);
    self::update(cx, result, iterable)?;
    Ok(result)
}

fn copy(cx: &mut Cx, this: Root) -> Result<Root, Raised> {
    like_of(cx, this, this)
}

/// As `Vm::each_key`, for the keys of an exact dict.
fn each_of_dict(
    cx: &mut Cx,
    dict: Root,
    visit: &mut dyn FnMut(&mut Cx, Root, i64) -> Result<bool, Raised>,
) -> Result<(), Raised> {
    let mut number = 0;
    loop {
        cx.poll_at(number + 1)?;
        let table = dict.get(cx).exact::<Dict>().expect("an exact dict");
        if number >= table.used() {
            return Ok(());
        }
        let found = table.entry(number).map(|(key, _)| (key.raw(), table.entry_hash(number)));
        number += 1;
        if let Some((key, hash)) = found {
            let mark = cx.mark();
            let key = cx.push_raw(key);
            let go_on = visit(cx, key, hash)?;
            cx.release(mark);
            if !go_on {
                return Ok(());
            }
        }
    }
}

/// Goes over the keys of a set or dict with their hashes, or over the items of any other iterable, which are hashed.
fn each_key(
    cx: &mut Cx,
    keys: Root,
    visit: &mut dyn FnMut(&mut Cx, Root, i64) -> Result<bool, Raised>,
) -> Result<(), Raised> {
    if is_set(cx, keys) {
        return cx.each_key(keys, visit);
    }
    if keys.get(cx).exact::<Dict>().is_some() {
        return each_of_dict(cx, keys, visit);
    }
    cx.visit_while(keys, &mut |cx, key| {
        let hash = cx.set_element_hash(key)?;
        visit(cx, key, hash)
    })
}

/// Adds the items of an iterable.
pub(crate) fn update(cx: &mut Cx, this: Root, other: Root) -> Result<(), Raised> {
    cx.set_extend(this, other)
}

fn discard_hash(cx: &mut Cx, this: Root, key: Root, hash: i64) -> Result<bool, Raised> {
    match cx.set_find(this, key, hash)? {
        Some(place) => {
            any(cx, this).remove_at(&cx.heap, place);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// What two exact sets combine to, where no script has to compare their keys.
fn combined(cx: &mut Cx, combination: Combination, a: Root, b: Root) -> Result<Option<Root>, Raised> {
    let heap = cx.heap.forever();
    let [a, b] = [a, b].map(|root| Value::adopt(root.get(cx).raw()));
    let (Some(a), Some(b)) = (AnySet::of(a), AnySet::of(b)) else { return Ok(None) };
    let made = a.combine(heap, combination, b);
    Ok(cx.fits(made)?.map(|made| cx.push(made.value())))
}

/// `a | b` of two sets.
fn or(cx: &mut Cx, a: Root, b: Root) -> Result<Root, Raised> {
    if let Some(made) = combined(cx, Combination::Union, a, b)? {
        return Ok(made);
    }
    let result = self::copy(cx, a)?;
    self::update(cx, result, b)?;
    Ok(result)
}

/// The keys of both.
fn intersection(cx: &mut Cx, a: Root, b: Root) -> Result<Root, Raised> {
    if let Some(made) = combined(cx, Combination::Intersection, a, b)? {
        return Ok(made);
    }
    if cx.payload(a.get(cx)).is(cx.payload(b.get(cx))) {
        return self::copy(cx, a);
    }
    let result = empty_like(cx, a);
    // Of two sets the larger one is asked.
    let (asked, other) = if is_set(cx, b) && any(cx, b).len() > any(cx, a).len() { (b, a) } else { (a, b) };
    let mut keep = |cx: &mut Cx, key: Root, hash: i64| {
        if cx.set_find(asked, key, hash)?.is_some() {
            cx.set_add_hash(result, key, hash)?;
        }
        Ok(true)
    };
    if is_set(cx, other) || other.get(cx).exact::<Dict>().is_some() {
        each_key(cx, other, &mut keep)?;
    } else {
        // What can't be hashed isn't said to be meant for a set here.
        cx.visit_while(other, &mut |cx, key| {
            let hash = cx.hash(key)?;
            let before = any(cx, result).len();
            keep(cx, key, hash)?;
            // Once everything was found, the rest isn't looked at.
            let now = any(cx, result).len();
            Ok(now == before || now < any(cx, a).len())
        })?;
    }
    Ok(result)
}

fn intersection_of(cx: &mut Cx, this: Root, others: Rest) -> Result<Root, Raised> {
    if others.0.is_empty() {
        return self::copy(cx, this);
    }
    let mut result = this;
    for other in others.0.roots() {
        result = self::intersection(cx, result, other)?;
    }
    Ok(result)
}

/// The keys of `a` that `b` doesn't have.
fn difference(cx: &mut Cx, a: Root, b: Root) -> Result<Root, Raised> {
    if let Some(made) = combined(cx, Combination::Difference, a, b)? {
        return Ok(made);
    }
    let dict_len = b.get(cx).exact::<Dict>().map(|d| d.len());
    let other_len = if is_set(cx, b) { Some(any(cx, b).len()) } else { dict_len };
    // If there is little to take away, a copy it is taken from is cheaper.
    if other_len.is_none_or(|len| any(cx, a).len() >> 2 > len) {
        let result = self::copy(cx, a)?;
        self::difference_update(cx, result, b)?;
        return Ok(result);
    }
    let result = empty_like(cx, a);
    cx.each_key(a, &mut |cx, key, hash| {
        let found = match dict_len {
            Some(_) => cx.dict_find(b, key)?.is_some(),
            None => cx.set_find(b, key, hash)?.is_some(),
        };
        if !found {
            cx.set_add_hash(result, key, hash)?;
        }
        Ok(true)
    })?;
    Ok(result)
}

fn difference_update(cx: &mut Cx, this: Root, other: Root) -> Result<(), Raised> {
    if cx.payload(this.get(cx)).is(cx.payload(other.get(cx))) {
        any(cx, this).clear(&cx.heap);
        return Ok(());
    }
    if is_set(cx, other) {
        // Of a much larger set only the common keys matter.
        let other =
            if any(cx, other).len() >> 3 > any(cx, this).len() { self::intersection(cx, this, other)? } else { other };
        cx.each_key(other, &mut |cx, key, hash| {
            discard_hash(cx, this, key, hash)?;
            Ok(true)
        })?;
    } else {
        cx.visit_while(other, &mut |cx, key| {
            let hash = cx.set_element_hash(key)?;
            discard_hash(cx, this, key, hash)?;
            Ok(true)
        })?;
    }
    let tidied = any(cx, this).tidy(&cx.heap);
    cx.fits(tidied)
}

fn symmetric_difference(cx: &mut Cx, a: Root, b: Root) -> Result<Root, Raised> {
    if let Some(made) = combined(cx, Combination::Symmetric, a, b)? {
        return Ok(made);
    }
    let result = like_of(cx, a, b)?;
    self::symmetric_difference_update(cx, result, a)?;
    Ok(result)
}

fn symmetric_difference_update(cx: &mut Cx, this: Root, other: Root) -> Result<(), Raised> {
    if cx.payload(this.get(cx)).is(cx.payload(other.get(cx))) {
        any(cx, this).clear(&cx.heap);
        return Ok(());
    }
    // Each key counts once, however often an iterable gives it.
    let keys =
        if is_set(cx, other) || other.get(cx).exact::<Dict>().is_some() { other } else { like_of(cx, this, other)? };
    each_key(cx, keys, &mut |cx, key, hash| {
        if !discard_hash(cx, this, key, hash)? {
            cx.set_add_hash(this, key, hash)?;
        }
        Ok(true)
    })
}

fn disjoint(cx: &mut Cx, this: Root, other: Root) -> Result<bool, Raised> {
    if cx.payload(this.get(cx)).is(cx.payload(other.get(cx))) {
        return Ok(any(cx, this).is_empty());
    }
    let (asked, keys) =
        if is_set(cx, other) && any(cx, other).len() > any(cx, this).len() { (other, this) } else { (this, other) };
    let mut none = true;
    each_key(cx, keys, &mut |cx, key, hash| {
        none = cx.set_find(asked, key, hash)?.is_none();
        Ok(none)
    })?;
    Ok(none)
}

fn subset(cx: &mut Cx, this: Root, other: Root) -> Result<bool, Raised> {
    if !is_set(cx, other) {
        let common = self::intersection(cx, this, other)?;
        return Ok(any(cx, common).len() == any(cx, this).len());
    }
    if let Some(inside) = any(cx, this).subset_of(&cx.heap, any(cx, other)) {
        return Ok(inside);
    }
    let mut all = true;
    cx.each_key(this, &mut |cx, key, hash| {
        all = cx.set_find(other, key, hash)?.is_some();
        Ok(all)
    })?;
    Ok(all)
}

fn superset(cx: &mut Cx, this: Root, other: Root) -> Result<bool, Raised> {
    if is_set(cx, other) {
        return subset(cx, other, this);
    }
    let mut all = true;
    each_key(cx, other, &mut |cx, key, hash| {
        all = cx.set_find(this, key, hash)?.is_some();
        Ok(all)
    })?;
    Ok(all)
}

/// A binary operator: only between sets.
fn operator(cx: &mut Cx, a: Root, b: Root, work: fn(&mut Cx, Root, Root) -> Result<Root, Raised>) -> NativeResult {
    if !is_set(cx, a) || !is_set(cx, b) {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    let result = work(cx, a, b)?;
    Ok(result.get(cx).into())
}

/// An in-place operator: only with sets; the result is the set itself.
fn in_place(cx: &mut Cx, this: Root, value: Root, work: fn(&mut Cx, Root, Root) -> Result<(), Raised>) -> NativeResult {
    if !is_set(cx, value) {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    work(cx, this, value)?;
    Ok(this.get(cx).into())
}
