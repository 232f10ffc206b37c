//! Items and keys of exact builtin collections where no script has a say: what the run loop tries first. None always means that the
//! whole protocol is to be followed; nothing was changed then.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::key::{equal_without_script, hash_without_script};
use crate::object::{AnySet, Dict, Found, List, Probe, Set, SetFound, Slice, Str, Tuple};

use super::Vm;
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
        if let Some(text) = value.exact::<Str>() {
            if let Some(at) = index.as_int() {
                let at = place(at, text.chars())?;
                return Some(self.char_at(text, at));
            }
            let (from, to) = plain_bounds(index, text.chars())?;
            return Some(match to - from {
                0 => self.empty_text(),
                1 => self.char_at(text, from),
                _ => text.held().slice(self.heap.forever(), from, to).value().raw(),
            });
        }
        if let Some(list) = value.exact::<List>() {
            let (from, to) = plain_bounds(index, list.len())?;
            let slots = &list.slots()[from..to];
            return Some(List::of_parts(&self.heap, to - from, std::iter::once(slots)).value().raw());
        }
        if let Some(tuple) = value.exact::<Tuple>() {
            let (from, to) = plain_bounds(index, tuple.len())?;
            if to == from || to - from == tuple.len() {
                return Some(if to == from { self.empty_tuple } else { object });
            }
            let slots = &tuple.tail()[from..to];
            return Some(Tuple::of_parts(&self.heap, to - from, std::iter::once(slots)).value().raw());
        }
        None
    }

    fn empty_text(&self) -> Raw {
        Str::ascii(&self.heap, b"").value().raw()
    }

    /// `dict[key] = value`.
    #[inline]
    pub(super) fn dict_set_at_once(&mut self, dict: Raw, key: Raw, value: Raw) -> Option<Result<(), Raised>> {
        let heap = self.heap.forever();
        let dict = Value::adopt(dict).exact::<Dict>()?;
        let (key, value) = (Value::adopt(key), Value::adopt(value));
        let hash = hash_without_script(heap, key)?;
        match dict.find_from(heap, hash, key, Probe::START) {
            Found::Entry(number) => dict.set_value_at(heap, number, value),
            Found::Missing => {
                if dict.insert(heap, hash, key, value).is_err() {
                    return Some(Err(self.memory_error()));
                }
            }
            Found::Ask(..) => return None,
        }
        Some(Ok(()))
    }

    /// `set.add(key)`: whether it is new.
    #[inline]
    pub(super) fn set_add_at_once(&mut self, set: Raw, key: Raw) -> Option<Result<bool, Raised>> {
        let heap = self.heap.forever();
        let set = Value::adopt(set).exact::<Set>()?;
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

/// The bounds of a slice of ints or None without a step.
#[inline]
fn plain_bounds(slice: Value<'_>, len: usize) -> Option<(usize, usize)> {
    let slice = slice.exact::<Slice>()?;
    if !slice.step.get().is_none() {
        return None;
    }
    let bound = |value: Value<'_>, default: usize| {
        if value.is_none() {
            return Some(default);
        }
        let at = value.as_int()?;
        Some(if at < 0 { at.saturating_add(len as i64).max(0) as usize } else { (at as u64).min(len as u64) as usize })
    };
    let (from, to) = (bound(slice.start.get(), 0)?, bound(slice.stop.get(), len)?);
    Some((from, to.max(from)))
}
