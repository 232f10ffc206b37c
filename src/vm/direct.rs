//! Items and keys of exact builtin collections where no script has a say: what the run loop tries first. None always means that the
//! whole protocol is to be followed; nothing was changed then.

use smallvec::SmallVec;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Heap, Kind, Raw, Value};
use crate::object::key::{equal_without_script, hash_without_script};
use crate::object::{
    AnySet, Array, ByteArray, Bytes, Combination, Date, DateTime, Dict, Found, List, MemoryView, Probe, SetFound,
    Slice, Span, Str, TimeDelta, Tuple, order_dated,
};
use crate::text::MAX_LENGTH;

use super::Vm;
use super::compare::CompareKind;
use super::native::Raised;

impl Vm {
    /// The number of the entry with a key; None inside if there is none.
    #[inline]
    pub fn dict_find_at_once(&self, dict: Gc<'_, Dict>, key: Value<'_>) -> Option<Option<usize>> {
        if let Some(text) = key.exact::<Str>() {
            return dict.find_text(&self.heap, text);
        }
        let hash = hash_without_script(&self.heap, key)?;
        match dict.find_from(&self.heap, hash, key, Probe::START) {
            Found::Entry(number) => Some(Some(number)),
            Found::Missing => Some(None),
            Found::Ask(..) => None,
        }
    }

    /// `object[index]`.
    #[inline]
    pub(super) fn item_at_once(&self, object: Raw, index: Raw) -> Option<Raw> {
        let (value, index) = (Value::<'_>::adopt(object), Value::<'_>::adopt(index));
        if let Some(dict) = value.exact::<Dict>() {
            let number = self.dict_find_at_once(dict, index)??;
            return Some(dict.value_at(number).raw());
        }
        if let Some(slice) = index.exact::<Slice>() {
            let parts = [slice.start.get().raw(), slice.stop.get().raw(), slice.step.get().raw()];
            return self.part_at_once(object, parts);
        }
        let at = index.as_int()?;
        if let Some(text) = value.exact::<Str>() {
            return Some(self.char_at(text, place(at, text.chars())?));
        }
        if let Some(bytes) = value.exact::<Bytes>() {
            let bytes = bytes.as_bytes();
            return Some(Raw::int(i64::from(bytes[place(at, bytes.len())?])));
        }
        if let Some(bytes) = value.exact::<ByteArray>() {
            let cells = bytes.cells();
            return Some(Raw::int(i64::from(cells[place(at, cells.len())?].get())));
        }
        if let Some(view) = value.exact::<MemoryView>() {
            return view.byte_at(at).map(|byte| Raw::int(i64::from(byte)));
        }
        if let Some(array) = value.exact::<Array>() {
            let raw = array.value_at(&self.heap, place(at, array.len())?);
            return (!raw.is_unbound()).then_some(raw);
        }
        None
    }

    /// `object[index]` of a str or bytes; UNBOUND where it is not done.
    #[inline]
    pub(super) fn element_at_once(&self, object: Raw, index: Raw) -> Raw {
        let (value, index) = (Value::<'_>::adopt(object), Value::<'_>::adopt(index));
        let Some(index) = index.as_int() else { return Raw::UNBOUND };
        if let Some(text) = value.exact::<Str>() {
            return match place(index, text.chars()) {
                Some(at) if text.is_ascii() => self.character(text.as_bytes()[at]).value().raw(),
                Some(at) => self.char_at(text, at),
                None => Raw::UNBOUND,
            };
        }
        let Some(bytes) = value.exact::<Bytes>() else { return Raw::UNBOUND };
        let bytes = bytes.as_bytes();
        place(index, bytes.len()).map_or(Raw::UNBOUND, |at| Raw::int(i64::from(bytes[at])))
    }

    /// As `item_at_once`, for natives.
    pub fn item_quickly(&self, object: Raw, index: Raw) -> Option<Raw> {
        let (value, at) = (Value::<'_>::adopt(object), Value::<'_>::adopt(index).as_int());
        let at = |len: usize| place(at?, len);
        if let Some(tuple) = value.exact::<Tuple>() {
            return at(tuple.len()).map(|at| tuple.item(at).raw());
        }
        if let Some(list) = value.exact::<List>() {
            return at(list.len()).and_then(|at| list.item(at)).map(|item| item.raw());
        }
        self.item_at_once(object, index)
    }

    /// `object[start:stop:step]`.
    #[inline]
    pub(super) fn part_at_once(&self, object: Raw, slice: [Raw; 3]) -> Option<Raw> {
        let value = Value::<'_>::adopt(object);
        if value.is_subclassed() {
            return None;
        }
        match value.kind() {
            Kind::List => {
                let list = value.exact::<List>()?;
                let (from, step, count) = plain_places(slice, list.len())?;
                let slots = list.slots();
                if step != 1 {
                    let mut at = from;
                    let next = |_| {
                        let item = slots[at as usize].get();
                        at = at.wrapping_add(step);
                        item
                    };
                    return Some(List::build(&self.heap, count, next).value().raw());
                }
                let slots = &slots[from as usize..from as usize + count];
                Some(List::of_parts(&self.heap, count, std::iter::once(slots)).value().raw())
            }
            Kind::Str => {
                let text = value.exact::<Str>()?;
                let (from, step, count) = plain_places(slice, text.chars())?;
                if step != 1 {
                    let bytes = text.is_ascii().then(|| text.as_bytes())?;
                    let picked: SmallVec<[u8; 64]> = each_place(from, step, count).map(|at| bytes[at]).collect();
                    return Some(Str::ascii(&self.heap, &picked).value().raw());
                }
                let (from, to) = (from as usize, from as usize + count);
                Some(match count {
                    0 => self.empty_text(),
                    1 => self.char_at(text, from),
                    _ => text.held().slice(self.heap.forever(), from, to).value().raw(),
                })
            }
            Kind::Tuple => {
                let tuple = value.exact::<Tuple>()?;
                let (from, step, count) = plain_places(slice, tuple.len())?;
                if step != 1 {
                    return None;
                }
                if count == 0 || count == tuple.len() {
                    return Some(if count == 0 { self.empty_tuple } else { object });
                }
                let slots = &tuple.tail()[from as usize..from as usize + count];
                Some(Tuple::of_parts(&self.heap, count, std::iter::once(slots)).value().raw())
            }
            Kind::Bytes => {
                let bytes = value.exact::<Bytes>()?.as_bytes();
                let (from, step, count) = plain_places(slice, bytes.len())?;
                match step {
                    1 if count == bytes.len() => Some(object),
                    1 => Some(Bytes::new(&self.heap, &bytes[from as usize..from as usize + count]).value().raw()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// `object[index] = value`: None, with nothing done, where more than values is to be moved.
    pub(super) fn store_at_once(&mut self, object: Raw, index: Raw, value: Raw) -> Option<Result<(), Raised>> {
        let heap = self.heap.forever();
        let (target, index, value) = (Value::adopt(object), Value::adopt(index), Value::adopt(value));
        if let Some(list) = target.exact::<List>() {
            if let Some(at) = index.as_int() {
                list.set_item(heap, place(at, list.len())?, value);
                return Some(Ok(()));
            }
            let slice = index.exact::<Slice>()?;
            let parts = [slice.start.get().raw(), slice.stop.get().raw(), slice.step.get().raw()];
            return self.store_part_at_once(object, parts, value.raw());
        }
        if let Some(bytes) = target.exact::<ByteArray>() {
            let byte = u8::try_from(value.as_int()?).ok()?;
            let cells = bytes.cells();
            cells[place(index.as_int()?, cells.len())?].set(byte);
            return Some(Ok(()));
        }
        if let Some(array) = target.exact::<Array>() {
            let (at, bytes) = (place(index.as_int()?, array.len())?, array.packed(value)?);
            array.set_bytes(at, &bytes);
            return Some(Ok(()));
        }
        None
    }

    /// `object[start:stop:step] = value`: None, with nothing done, where more than lists or bytes are to be moved.
    pub(super) fn store_part_at_once(
        &mut self,
        object: Raw,
        slice: [Raw; 3],
        value: Raw,
    ) -> Option<Result<(), Raised>> {
        let heap = self.heap.forever();
        if let Some(array) = Value::adopt(object).exact::<ByteArray>() {
            let bytes = Value::adopt(value).exact::<Bytes>()?.as_bytes();
            let (first, step, count) = plain_places(slice, array.len())?;
            let resized = count != bytes.len();
            if step != 1 || resized && (array.exports.get() > 0 || array.len() + bytes.len() > MAX_LENGTH) {
                return None;
            }
            let first = first as usize;
            let done = array.splice(heap, first, first + count, bytes);
            return Some(done.map_err(|_| self.memory_error()));
        }
        let list = Value::adopt(object).exact::<List>()?;
        let from = Value::adopt(value).exact::<List>().filter(|from| *from != list)?;
        let (first, step, count) = plain_places(slice, list.len())?;
        if step == 1 {
            let first = first as usize;
            let done = list.replace(heap, first, first + count, from.slots());
            return Some(done.map_err(|_| self.memory_error()));
        }
        if from.len() != count {
            return None;
        }
        for (at, item) in each_place(first, step, count).zip(from.items()) {
            list.set_item(heap, at, item);
        }
        Some(Ok(()))
    }

    fn empty_text(&self) -> Raw {
        Str::ascii(&self.heap, b"").value().raw()
    }

    /// `a OP b` (with `inplace`, `a OP= b`) of collections that no class has a say in.
    #[inline]
    pub(super) fn binary_at_once(
        &mut self,
        kind: BinaryKind,
        inplace: bool,
        a: Raw,
        b: Raw,
    ) -> Option<Result<Raw, Raised>> {
        let heap = self.heap.forever();
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if inplace {
            let (array, bytes) = (x.exact::<ByteArray>()?, y.exact::<Bytes>()?);
            if kind != BinaryKind::Add || array.exports.get() > 0 {
                return None;
            }
            let done = array.splice(heap, array.len(), array.len(), bytes.as_bytes());
            return Some(done.map(|()| a).map_err(|_| self.memory_error()));
        }
        if matches!(kind, BinaryKind::Add | BinaryKind::Sub)
            && let Some(raw) = dated(heap, kind == BinaryKind::Sub, x, y)
        {
            return Some(Ok(raw));
        }
        let combination = match kind {
            BinaryKind::Or => Combination::Union,
            BinaryKind::And => Combination::Intersection,
            BinaryKind::Sub => Combination::Difference,
            BinaryKind::Xor => Combination::Symmetric,
            _ => return None,
        };
        let made = AnySet::of(x)?.combine(heap, combination, AnySet::of(y)?).transpose()?;
        Some(made.map(|set| set.value().raw()).map_err(|_| self.memory_error()))
    }

    /// Comparisons of sets and of dates, where no script has to be asked.
    #[inline]
    pub(super) fn compare_at_once(&self, kind: CompareKind, a: Raw, b: Raw) -> Option<bool> {
        if let Some(order) = order_dated(Value::adopt(a), Value::adopt(b)) {
            return Some(kind.holds(order));
        }
        let (a, b) = (AnySet::of(Value::adopt(a))?, AnySet::of(Value::adopt(b))?);
        compare_sets(&self.heap, kind, a, b)
    }

    /// `dict[key] = value`.
    #[inline]
    pub(super) fn dict_set_at_once(&mut self, dict: Raw, key: Raw, value: Raw) -> Option<Result<(), Raised>> {
        let heap = self.heap.forever();
        let dict = Value::adopt(dict).exact::<Dict>()?;
        let (key, value) = (Value::adopt(key), Value::adopt(value));
        let hash = hash_without_script(heap, key)?;
        match dict.store(heap, hash, key, value) {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(_) => Some(Err(self.memory_error())),
        }
    }

    /// `set.add(key)`, or the same of a frozenset that is being made: whether it is new.
    #[inline]
    pub(super) fn set_add_at_once(&mut self, set: Raw, key: Raw) -> Option<Result<bool, Raised>> {
        let heap = self.heap.forever();
        let set = AnySet::of(Value::adopt(set))?;
        let key = Value::adopt(key);
        let hash = hash_without_script(heap, key)?;
        match set.find(hash, key) {
            SetFound::Place(_) => Some(Ok(false)),
            SetFound::Missing(place) if set.insert_at(heap, place, hash, key).is_ok() => Some(Ok(true)),
            SetFound::Missing(_) => Some(Err(self.memory_error())),
            SetFound::Ask(..) => None,
        }
    }

    /// As `dict_set_at_once`, for natives: false if the whole protocol is to be followed.
    pub fn dict_set_quickly(&mut self, dict: Raw, key: Raw, value: Raw) -> bool {
        matches!(self.dict_set_at_once(dict, key, value), Some(Ok(())))
    }

    /// As `set_add_at_once`, for natives: false if the whole protocol is to be followed.
    pub fn set_add_quickly(&mut self, set: Raw, key: Raw) -> bool {
        matches!(self.set_add_at_once(set, key), Some(Ok(_)))
    }

    /// `item in container`.
    #[inline]
    pub(super) fn contains_at_once(&self, container: Raw, item: Raw) -> Option<bool> {
        let (value, item) = (Value::<'_>::adopt(container), Value::<'_>::adopt(item));
        match value.kind() {
            _ if value.is_subclassed() => None,
            Kind::Dict => Some(self.dict_find_at_once(value.exact::<Dict>()?, item)?.is_some()),
            Kind::Set | Kind::FrozenSet => {
                let hash = hash_without_script(&self.heap, item)?;
                match AnySet::of(value)?.find(hash, item) {
                    SetFound::Place(_) => Some(true),
                    SetFound::Missing(_) => Some(false),
                    SetFound::Ask(..) => None,
                }
            }
            Kind::List => among(value.exact::<List>()?.slots().iter().map(|s| s.get()), item),
            Kind::Tuple => among(value.exact::<Tuple>()?.items(), item),
            _ => None,
        }
    }
}

/// Comparisons of sets: inclusion. None if only a script knows whether some keys are equal, or a signal came in.
pub(super) fn compare_sets(heap: &Heap, kind: CompareKind, a: AnySet<'_>, b: AnySet<'_>) -> Option<bool> {
    let (n, m) = (a.len(), b.len());
    match kind {
        CompareKind::Eq | CompareKind::Ne => {
            let equal = if n == m { a.subset_of(heap, b)? } else { false };
            Some(equal == (kind == CompareKind::Eq))
        }
        CompareKind::Lt => {
            if n < m {
                a.subset_of(heap, b)
            } else {
                Some(false)
            }
        }
        CompareKind::Le => a.subset_of(heap, b),
        CompareKind::Gt => {
            if n > m {
                b.subset_of(heap, a)
            } else {
                Some(false)
            }
        }
        CompareKind::Ge => b.subset_of(heap, a),
    }
}

/// Whether an item is among others.
fn among<'h>(mut items: impl Iterator<Item = Value<'h>>, wanted: Value<'_>) -> Option<bool> {
    for item in items.by_ref() {
        if item.is(wanted) || equal_without_script(item, wanted, 0)? {
            return Some(true);
        }
    }
    Some(false)
}

/// The place an index stands for, if there is one.
#[inline(always)]
fn place(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { index + len as i64 } else { index };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// What the parts of a slice, ints or None, mean: the first place, the step and the number of places.
#[inline]
fn plain_places(slice: [Raw; 3], len: usize) -> Option<(i64, i64, usize)> {
    let [start, stop, step] = slice.map(Value::<'_>::adopt);
    let part = |value: Value<'_>, default: i64| if value.is_none() { Some(default) } else { value.as_int() };
    let (len, step) = (len as i64, part(step, 1)?);
    if step == 0 {
        return None;
    }
    let (low, high) = if step < 0 { (-1, len - 1) } else { (0, len) };
    let bound = |value: Value<'_>, default: i64| {
        if value.is_none() {
            return Some(default);
        }
        let at = value.as_int()?;
        Some(if at < 0 { at.saturating_add(len).max(low) } else { at.min(high) })
    };
    let (start, stop) =
        if step < 0 { (bound(start, high)?, bound(stop, low)?) } else { (bound(start, low)?, bound(stop, high)?) };
    let distance = if step < 0 { start - stop } else { stop - start };
    let count = match step {
        _ if distance <= 0 => 0,
        1 | -1 => distance,
        _ => (distance - 1) / step.saturating_abs() + 1,
    };
    Some((start, step, count as usize))
}

/// The places that `plain_places` says.
#[inline]
fn each_place(first: i64, step: i64, count: usize) -> impl Iterator<Item = usize> {
    (0..count as i64).map(move |number| (first + number * step) as usize)
}

/// `a + b` and `a - b` of dates and durations, where no zone has to be asked and the result is one there is.
fn dated(heap: &'static Heap, minus: bool, a: Value<'_>, b: Value<'_>) -> Option<Raw> {
    let span = |span: Span| heap.alloc(TimeDelta { span }).value().raw();
    if let Some(delta) = b.exact::<TimeDelta>() {
        let delta = delta.span;
        if let Some(moment) = a.exact::<DateTime>() {
            let at = moment.at.get().moved(delta, minus)?;
            return Some(DateTime::new(heap, at, moment.zone.get()).value().raw());
        }
        if let Some(own) = a.exact::<TimeDelta>() {
            return own.span.plus(delta, minus).ok().map(span);
        }
        let date = a.exact::<Date>()?;
        let days = i64::from(delta.days) * if minus { -1 } else { 1 };
        let at = date.at.moved_by_days(days)?;
        return Some(heap.alloc(Date { at }).value().raw());
    }
    if !minus {
        let (moment, delta) = (b.exact::<DateTime>()?, a.exact::<TimeDelta>()?.span);
        let at = moment.at.get().moved(delta, false)?;
        return Some(DateTime::new(heap, at, moment.zone.get()).value().raw());
    }
    if let (Some(a), Some(b)) = (a.exact::<DateTime>(), b.exact::<DateTime>()) {
        let same = a.zone.get().is(b.zone.get());
        return same.then(|| span(a.at.get().since(b.at.get())));
    }
    let (a, b) = (a.exact::<Date>()?, b.exact::<Date>()?);
    Some(span(a.at.since(b.at)))
}
