//! One step of a builtin iterator for which no script is asked. `for` over builtin collections, and over `enumerate`, `zip` and `filter`
//! of them, comes here; whatever else is iterated goes through the outcomes of `iterate.rs`.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    ByteArray, Bytes, Dict, DictIterator, DictPart, FrozenSet, List, RangeIterator, SequenceIterator, Set, SetIterator,
    Str, Tuple,
};

use super::Vm;
use super::call::Invoked;
use super::iterate::NativeIterator;
use super::native::Raised;

/// How a native iterator can be advanced without its step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Only by its step.
    #[default]
    Asked,
    /// `enumerate`: the source, the next number.
    Enumerate,
    /// `zip`, not strict: the sources.
    Zip,
    /// `map`, not strict: the function, the sources.
    Map,
    /// `filter` by truth: the function, the source, the item whose truth a script has to be asked for (else UNBOUND).
    Filter,
}

/// Iterators over iterators over iterators: so many deep they are advanced by recursion.
const DEEPEST: u8 = 8;

/// What a step for `for` gave.
pub(super) enum Stepped {
    /// The item.
    Item(Raw),
    /// The two items of what would be a tuple.
    Pair(Raw, Raw),
    /// There are no more items.
    End,
    /// A script, or the iterator's own step, has to be asked.
    Ask,
}

impl Vm {
    /// Lets a new native iterator be advanced without its step if its sources, the slots from `first` on, all can be.
    pub fn advance_directly(&self, iterator: Gc<'_, NativeIterator>, form: Form, first: usize, count: usize) {
        let sources = &iterator.tail()[first..first + count];
        let levels = sources.iter().map(|s| self.levels_below(s.get()));
        let deepest = levels.fold(Some(0), |most, level| Some(most?.max(level?)));
        if let Some(level) = deepest
            && level < DEEPEST
        {
            iterator.level.set(level + 1);
            iterator.form.set(form);
        }
    }

    /// How many native iterators are below one that never asks a script; None for one that may.
    fn levels_below(&self, iterator: Value<'_>) -> Option<u8> {
        match iterator.kind() {
            Kind::SequenceIterator => {
                let source = iterator.exact::<SequenceIterator>()?.get().sequence.get();
                let builtin = matches!(
                    source.kind(),
                    Kind::List | Kind::Tuple | Kind::Str | Kind::Bytes | Kind::ByteArray | Kind::None
                );
                (builtin && !source.is_subclassed()).then_some(0)
            }
            Kind::RangeIterator | Kind::DictIterator | Kind::SetIterator if !iterator.is_subclassed() => Some(0),
            Kind::NativeIterator => {
                let native = iterator.exact::<NativeIterator>()?;
                matches!(native.form.get(), Form::Enumerate | Form::Zip).then(|| native.level.get())
            }
            _ => None,
        }
    }

    /// The next item of an iterator for which no script is asked, UNBOUND if there is none; None where one has to be.
    #[inline]
    pub(super) fn next_direct(&mut self, iterator: Raw) -> Result<Option<Raw>, Raised> {
        let value = Value::adopt(iterator);
        Ok(Some(match value.kind() {
            Kind::SequenceIterator => {
                let iterator = value.exact::<SequenceIterator>().expect("the tag says so");
                return Ok(self.next_of_sequence(iterator));
            }
            Kind::RangeIterator => next_of_range(value.exact::<RangeIterator>().expect("the tag says so")),
            Kind::DictIterator => {
                let iterator = value.exact::<DictIterator>().expect("the tag says so").held();
                match self.next_of_dict(iterator)? {
                    Some((key, value)) => self.part_of(iterator.part, key, value),
                    None => Raw::UNBOUND,
                }
            }
            Kind::SetIterator => {
                let iterator = value.exact::<SetIterator>().expect("the tag says so").held();
                self.next_of_set(iterator)?
            }
            Kind::NativeIterator if !value.is_subclassed() => {
                let native = value.exact::<NativeIterator>().expect("the tag says so").held();
                match native.form.get() {
                    Form::Enumerate | Form::Zip => return self.next_tuple(native),
                    Form::Filter => return self.next_true(native),
                    Form::Asked | Form::Map => return Ok(None),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// A step of the run loop's `for`, whose iterator is in a register. `pair` says that the item is taken apart into two at once.
    pub(super) fn for_step(&mut self, iterator: Raw, pair: bool) -> Result<Stepped, Raised> {
        if pair {
            let value = Value::adopt(iterator);
            if let Some(dict) = value.exact::<DictIterator>()
                && dict.part == DictPart::Items
            {
                let found = self.next_of_dict(dict.held())?;
                return Ok(found.map_or(Stepped::End, |(key, value)| Stepped::Pair(key, value)));
            }
            if let Some(native) = value.exact::<NativeIterator>()
                && (native.form.get() == Form::Enumerate || native.form.get() == Form::Zip && native.tail().len() == 2)
                && let Some(pair) = self.next_pair(native.held())?
            {
                let [first, second] = pair;
                return Ok(if second.is_unbound() { Stepped::End } else { Stepped::Pair(first, second) });
            }
        }
        Ok(match self.next_direct(iterator)? {
            Some(item) if item.is_unbound() => Stepped::End,
            Some(item) => Stepped::Item(item),
            None => Stepped::Ask,
        })
    }

    /// The two items of an `enumerate` or a `zip` of two, the second UNBOUND at the end; None if numbers grow too large to be simple.
    fn next_pair(&mut self, native: Gc<'static, NativeIterator>) -> Result<Option<[Raw; 2]>, Raised> {
        let [first, second] = [native.slot(0), native.slot(1)].map(|v| v.raw());
        if native.form.get() == Form::Zip {
            let item = self.next_sure(first)?;
            if item.is_unbound() {
                return Ok(Some([item; 2]));
            }
            return Ok(Some([item, self.next_sure(second)?]));
        }
        let Some(next) = Value::adopt(second).as_int().and_then(|number| number.checked_add(1)) else {
            return Ok(None);
        };
        let item = self.next_sure(first)?;
        if !item.is_unbound() {
            native.set_tail(&self.heap, 1, Value::int(next));
        }
        Ok(Some([second, item]))
    }

    /// The next tuple of an `enumerate` or `zip`; UNBOUND if there is none.
    fn next_tuple(&mut self, native: Gc<'static, NativeIterator>) -> Result<Option<Raw>, Raised> {
        let len = native.tail().len();
        if len == 2 {
            let Some([first, second]) = self.next_pair(native)? else { return Ok(None) };
            if second.is_unbound() {
                return Ok(Some(second));
            }
            let pair = Tuple::build(&self.heap, 2, |i| Value::adopt(if i == 0 { first } else { second }));
            return Ok(Some(pair.value().raw()));
        }
        let mut items = smallvec::SmallVec::<[Raw; 8]>::new();
        for index in 0..len {
            let source = native.slot(index).raw();
            let item = self.next_sure(source)?;
            if item.is_unbound() {
                return Ok(Some(item));
            }
            items.push(item);
        }
        if items.is_empty() {
            return Ok(Some(Raw::UNBOUND));
        }
        Ok(Some(Tuple::build(&self.heap, len, |i| Value::adopt(items[i])).value().raw()))
    }

    /// The next item of a source that never asks a script; UNBOUND if there is none.
    #[inline]
    fn next_sure(&mut self, source: Raw) -> Result<Raw, Raised> {
        let value = Value::adopt(source);
        if let Some(iterator) = value.exact::<SequenceIterator>()
            && !iterator.backward
            && let Some(list) = iterator.sequence.get().exact::<List>()
            && let Some(item) = list.item(iterator.next.get())
        {
            iterator.next.set(iterator.next.get() + 1);
            return Ok(item.raw());
        }
        if let Some(range) = value.exact::<RangeIterator>() {
            return Ok(next_of_range(range));
        }
        match self.next_direct(source)? {
            Some(item) => Ok(item),
            // A count beyond what fits a value: its own step goes on.
            None => self.nested_step(source),
        }
    }

    /// The next item of a `filter` by truth that no script has to be asked for; None leaves the item that needs it in the filter.
    fn next_true(&mut self, native: Gc<'static, NativeIterator>) -> Result<Option<Raw>, Raised> {
        if !native.slot(2).is_unbound() {
            return Ok(None);
        }
        let source = native.slot(1).raw();
        loop {
            let item = self.next_sure(source)?;
            if item.is_unbound() {
                return Ok(Some(item));
            }
            match self.builtin_truth(Value::adopt(item)) {
                Some(true) => return Ok(Some(item)),
                Some(false) => {}
                None => {
                    native.set_tail(&self.heap, 2, Value::adopt(item));
                    return Ok(None);
                }
            }
        }
    }

    /// Calls the function of a `map` with an item of each source, in the registers from `top` on. None if it is no such map.
    pub(super) fn map_arguments(&mut self, iterator: Raw) -> Result<Option<Mapped>, Raised> {
        let Some(native) = Value::<'static>::adopt(iterator).exact::<NativeIterator>() else { return Ok(None) };
        if native.form.get() != Form::Map {
            return Ok(None);
        }
        let start = self.fiber.top;
        let function = native.slot(0).raw();
        self.push_raw(function);
        let len = native.tail().len();
        for index in 1..len {
            let source = native.slot(index).raw();
            let item = self.next_sure(source)?;
            if item.is_unbound() {
                self.fiber.top = start;
                return Ok(Some(Mapped::End));
            }
            self.push_raw(item);
        }
        Ok(Some(Mapped::Call { start, argc: len as u32 - 1 }))
    }

    /// As `next_item`, for a `map`; None if it is none.
    pub(super) fn next_mapped(&mut self, iterator: Raw) -> Result<Option<Invoked>, Raised> {
        match self.map_arguments(iterator)? {
            None => Ok(None),
            Some(Mapped::End) => Ok(Some(Invoked::Value(Raw::UNBOUND))),
            Some(Mapped::Call { start, argc }) => {
                let callee = self.fiber.registers.get(start).raw();
                self.invoke(callee, start + 1, argc, None).map(Some)
            }
        }
    }

    /// As `next_direct`; None for a sequence that is no builtin one.
    fn next_of_sequence(&self, iterator: Gc<'_, SequenceIterator>) -> Option<Raw> {
        let heap = &self.heap;
        let source = iterator.sequence.get();
        if source.is_none() {
            return Some(Raw::UNBOUND);
        }
        if source.is_subclassed() {
            return None;
        }
        let at = iterator.next.get();
        let back = iterator.backward;
        // The place of the item, for those counted by items.
        let place = if back { at.checked_sub(1) } else { Some(at) };
        let item = match source.kind() {
            Kind::List => {
                let list = source.exact::<List>()?;
                place.and_then(|i| list.item(i)).map(|v| v.raw())
            }
            Kind::Tuple => {
                let tuple = source.exact::<Tuple>()?;
                place.filter(|i| *i < tuple.len()).map(|i| tuple.item(i).raw())
            }
            Kind::Bytes => {
                let bytes = source.exact::<Bytes>()?.as_bytes();
                place.and_then(|i| bytes.get(i)).map(|b| Raw::int(i64::from(*b)))
            }
            Kind::ByteArray => {
                let bytes = source.exact::<ByteArray>()?.cells();
                place.and_then(|i| bytes.get(i)).map(|b| Raw::int(i64::from(b.get())))
            }
            Kind::Str => {
                let bytes = source.exact::<Str>()?.as_bytes();
                let range = if back { character_before(bytes, at) } else { character_at(bytes, at) };
                let item = range.clone().map(|range| self.character_of(&bytes[range]));
                if let Some(range) = range {
                    iterator.next.set(if back { range.start } else { range.end });
                    return item;
                }
                None
            }
            _ => return None,
        };
        match item {
            Some(item) => {
                iterator.next.set(if back { at - 1 } else { at + 1 });
                Some(item)
            }
            None => {
                iterator.set(heap, |s| &s.sequence, Value::NONE);
                Some(Raw::UNBOUND)
            }
        }
    }

    /// The text of one character, given its bytes.
    fn character_of(&self, bytes: &[u8]) -> Raw {
        match *bytes {
            [byte] => self.character(byte).value().raw(),
            [first @ 0xC2..=0xC3, second] => self.character((first & 3) << 6 | (second & 0x3F)).value().raw(),
            _ => Str::from_parts(&self.heap, &[bytes]).value().raw(),
        }
    }

    /// The next entry; None if there is none.
    fn next_of_dict(&mut self, iterator: Gc<'static, DictIterator>) -> Result<Option<(Raw, Raw)>, Raised> {
        let Some(dict) = iterator.dict.get().exact::<Dict>() else { return Ok(None) };
        if dict.len() != iterator.len {
            return Err(self.runtime_error("dictionary changed size during iteration"));
        }
        let mut at = iterator.next.get();
        let found = loop {
            let number = if iterator.backward {
                match at.checked_sub(1) {
                    Some(number) => number,
                    None => break None,
                }
            } else if at < dict.used() {
                at
            } else {
                break None;
            };
            at = if iterator.backward { number } else { at + 1 };
            if let Some(entry) = dict.entry(number) {
                break Some(entry);
            }
        };
        iterator.get().next.set(at);
        let Some((key, value)) = found else {
            iterator.set(&self.heap, |i| &i.dict, Value::NONE);
            return Ok(None);
        };
        let left = iterator.left.get();
        if left == 0 {
            return Err(self.runtime_error("dictionary keys changed during iteration"));
        }
        iterator.get().left.set(left - 1);
        Ok(Some((key.raw(), value.raw())))
    }

    #[inline]
    fn part_of(&self, part: DictPart, key: Raw, value: Raw) -> Raw {
        match part {
            DictPart::Keys => key,
            DictPart::Values => value,
            DictPart::Items => {
                Tuple::build(&self.heap, 2, |i| Value::adopt(if i == 0 { key } else { value })).value().raw()
            }
        }
    }

    fn next_of_set(&mut self, iterator: Gc<'static, SetIterator>) -> Result<Raw, Raised> {
        macro_rules! advance {
            ($set:expr) => {{
                let set = $set;
                if set.len() != iterator.len {
                    return Err(self.runtime_error("Set changed size during iteration"));
                }
                let places = set.places();
                let mut at = iterator.next.get();
                let mut found = None;
                while at < places && found.is_none() {
                    found = set.at(at).map(|(_, key)| key.raw());
                    at += 1;
                }
                iterator.get().next.set(at);
                found
            }};
        }
        let set = iterator.set.get();
        let found = if let Some(set) = set.exact::<Set>() {
            advance!(set)
        } else if let Some(set) = set.exact::<FrozenSet>() {
            advance!(set)
        } else {
            return Ok(Raw::UNBOUND);
        };
        match found {
            Some(key) => {
                let left = &iterator.get().left;
                left.set(left.get().saturating_sub(1));
                Ok(key)
            }
            None => {
                iterator.set(&self.heap, |i| &i.set, Value::NONE);
                Ok(Raw::UNBOUND)
            }
        }
    }
}

/// What a `map` is about to do.
pub(super) enum Mapped {
    /// To call the function in register `start` with the `argc` registers after it.
    Call { start: u32, argc: u32 },
    /// Nothing: one of its sources has no more items.
    End,
}

#[inline(always)]
fn next_of_range(range: Gc<'_, RangeIterator>) -> Raw {
    match range.left.get() {
        0 => Raw::UNBOUND,
        left => {
            let next = range.next.get();
            range.left.set(left - 1);
            range.next.set(next.wrapping_add(range.step));
            Raw::int(next)
        }
    }
}

/// Bytes of the character that begins at a byte offset.
fn character_at(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let len = match *bytes.get(at)? {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    Some(at..(at + len).min(bytes.len()))
}

/// Bytes of the character that ends before a byte offset.
fn character_before(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let mut from = at.min(bytes.len()).checked_sub(1)?;
    while from > 0 && bytes[from] & 0xC0 == 0x80 {
        from -= 1;
    }
    Some(from..at.min(bytes.len()))
}
