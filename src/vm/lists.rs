//! Lists and tuples made of what an iterable gives.

use std::sync::atomic::Ordering;

use crate::heap::{Gc, Kind, OutOfMemory, Raw, Slot, Value};
use crate::object::{
    Bytes, DictIterator, DictPart, List, Range, RangeIterator, SequenceIterator, SetIterator, Slice, Str, Tuple,
};

use super::Vm;
use super::drain::{take, take_to_list};
use super::iterate::{Direct, NativeIterator};
use super::native::{Raised, Root};
use super::step::{Stepped, character_at, direct_step};

impl Vm {
    /// Appends to a list (exact or derived).
    pub fn list_push(&mut self, list: Root, item: Root) -> Result<(), Raised> {
        let value = self.payload(list.get(self)).raw();
        let target = Value::adopt(value).exact::<List>().expect("callers pass lists");
        match target.push(self.heap.forever(), Value::adopt(item.get(self).raw())) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.memory_error()),
        }
    }

    pub(super) fn list_extend(&mut self, list: Raw, iterable: Raw) -> Result<(), Raised> {
        let source = Value::adopt(iterable);
        let builtin = matches!(source.kind(), Kind::List | Kind::Tuple);
        if !builtin && !self.is_iterable(source) {
            let got = self.type_name_for_error(source);
            return Err(self.type_error(format!("Value after * must be an iterable, not {got}")));
        }
        self.list_extend_raw(list, iterable)
    }

    /// `list.extend(iterable)`.
    pub(crate) fn list_extend_raw(&mut self, list: Raw, iterable: Raw) -> Result<(), Raised> {
        let heap = self.heap.forever();
        let target = Value::adopt(list).exact::<List>().expect("a list");
        let source = Value::adopt(iterable);
        let memory = if let Some(other) = source.exact::<List>() {
            target.extend_from(heap, other.slots())
        } else if let Some(tuple) = source.exact::<Tuple>() {
            target.extend_from(heap, tuple.tail())
        } else {
            let mark = self.mark();
            let (list, iterable) = (self.push_raw(list), self.push_raw(iterable));
            self.reserve_for(list, iterable)?;
            self.take_by_generator(iterable)?;
            let asked = self.tells_own_length(iterable.get(self)) || is_over_instance(iterable.get(self));
            let direct = match asked {
                true => None,
                false => self.iter_direct(iterable.get(self).raw()).map(|iterator| self.behind(iterator)),
            };
            if let Some(iterator) = direct
                && Value::adopt(iterator).kind() != Kind::Generator
            {
                // Built in: items that no script is asked for come one after the other.
                let iterator = self.push_raw(iterator);
                if let Some(left) = self.items_left(iterator.get(self))
                    && target.reserve(heap, left).is_err()
                {
                    return Err(self.memory_error());
                }
                self.take_items(list, iterator)?;
                self.release(mark);
                return Ok(());
            }
            let source = self.iter_with_hint(iterable)?;
            self.drain_taking(source, take!(take_to_list), list, &mut |cx, item| cx.list_push(list, item))?;
            self.release(mark);
            Ok(())
        };
        memory.map_err(|_| self.memory_error())
    }

    /// Room for all items of a range: it may be more than there is, which is better known before.
    pub(crate) fn reserve_for(&mut self, list: Root, iterable: Root) -> Result<(), Raised> {
        if iterable.get(self).exact::<Range>().is_none() {
            return Ok(());
        }
        let len = self.length(iterable)?;
        let target = list.get(self).exact::<List>().expect("a list");
        let reserved = target.reserve(&self.heap, len).map(|_| ());
        reserved.map_err(|_| self.memory_error())
    }

    /// An iterator over an iterable that is then asked how much there will be, as CPython does where it makes room.
    pub(crate) fn iter_with_hint(&mut self, iterable: Root) -> Result<Root, Raised> {
        let iterator = self.iter(iterable)?;
        if self.tells_length(iterable) {
            self.length_hint(iterable)?;
        } else if let Some(over) = Value::<'static>::adopt(iterable.get(self).raw()).exact::<SequenceIterator>()
            && is_over_instance(over.value())
        {
            // An iterator over an object with `__getitem__` asks that one.
            let sequence = over.sequence.get().raw();
            let sequence = self.push_raw(sequence);
            if self.tells_length(sequence) {
                self.length_hint(sequence)?;
            }
        }
        Ok(iterator)
    }

    /// A new list of an iterable's items, which is not asked how many there will be.
    pub fn list_of_items(&mut self, iterable: Root) -> Result<Root, Raised> {
        if !self.tells_length(iterable) && !is_over_instance(iterable.get(self)) {
            return self.list_from(iterable);
        }
        let list = List::new(&self.heap, &[]).value().raw();
        let list = self.push_raw(list);
        self.for_each(iterable, &mut |cx, item| cx.list_push(list, item))?;
        Ok(list)
    }

    /// A new list of an iterable's items.
    pub fn list_from(&mut self, iterable: Root) -> Result<Root, Raised> {
        let list = List::new(&self.heap, &[]).value().raw();
        let list = self.push_raw(list);
        let (raw, source) = (list.get(self).raw(), iterable.get(self).raw());
        self.list_extend_raw(raw, source)?;
        Ok(list)
    }

    /// A tuple of an iterable's items: itself if it is a tuple.
    pub fn tuple_from(&mut self, iterable: Root) -> Result<Root, Raised> {
        let value = iterable.get(self);
        if value.exact::<Tuple>().is_some() {
            return Ok(iterable);
        }
        let mark = self.mark();
        let raw = match value.exact::<List>() {
            Some(list) => self.tuple_of_list(list),
            None => {
                let list = self.list_of_items(iterable)?;
                self.tuple_of_list(list.get(self).exact::<List>().expect("a list"))
            }
        };
        self.release(mark);
        Ok(self.push_raw(raw))
    }

    fn tuple_of_list(&self, list: Gc<'_, List>) -> Raw {
        if list.is_empty() {
            return self.empty_tuple;
        }
        Tuple::of_parts(&self.heap, list.len(), std::iter::once(list.slots())).value().raw()
    }

    /// Appends what comes next of an iterator over a range, a list, a tuple, bytes or text, so many items that a signal need not wait for longer. How
    /// many: none at the end, which is for the iterator's own step to note; None of any other iterator.
    fn take_row(&self, list: Gc<'_, List>, iterator: Value<'_>) -> Result<Option<usize>, OutOfMemory> {
        let (heap, list) = (self.heap.forever(), list.held());
        const MOST: usize = 1 << 16;
        if let Some(range) = iterator.exact::<RangeIterator>() {
            let count = range.left.get().min(MOST as u64);
            for _ in 0..count {
                let next = range.next.get();
                list.push(heap, Value::int(next))?;
                range.next.set(next.wrapping_add(range.step));
            }
            range.left.set(range.left.get() - count);
            return Ok(Some(count as usize));
        }
        let Some(iterator) = iterator.exact::<SequenceIterator>() else { return Ok(None) };
        let (source, at) = (iterator.sequence.get(), iterator.next.get());
        let slots = match source.kind() {
            Kind::List => source.exact::<List>().map(|list| list.slots()),
            Kind::Tuple => source.exact::<Tuple>().map(|tuple| tuple.tail()),
            Kind::Bytes if !iterator.backward => {
                let Some(bytes) = source.exact::<Bytes>() else { return Ok(None) };
                let bytes = bytes.as_bytes().get(at..).unwrap_or_default();
                let bytes = &bytes[..bytes.len().min(MOST)];
                for byte in bytes {
                    list.push(heap, Value::int(i64::from(*byte)))?;
                }
                iterator.next.set(at + bytes.len());
                return Ok(Some(bytes.len()));
            }
            Kind::Str if !iterator.backward => {
                let Some(text) = source.exact::<Str>() else { return Ok(None) };
                let bytes = text.as_bytes();
                let end = bytes.len().min(at + MOST);
                let mut next = at;
                while next < end {
                    let Some(range) = character_at(bytes, next) else { break };
                    next = range.end;
                    list.push(heap, Value::adopt(self.character_of(&bytes[range])))?;
                }
                iterator.next.set(next);
                return Ok(Some(next - at));
            }
            _ => None,
        };
        let Some(slots) = slots else { return Ok(None) };
        if iterator.backward {
            let slots = slots.get(..at).unwrap_or_default();
            let slots = &slots[slots.len().saturating_sub(MOST)..];
            for slot in slots.iter().rev() {
                list.push(heap, slot.get())?;
            }
            iterator.next.set(at - slots.len());
            return Ok(Some(slots.len()));
        }
        let slots = slots.get(at..).unwrap_or_default();
        let slots = &slots[..slots.len().min(MOST)];
        list.extend_from(heap, slots)?;
        iterator.next.set(at + slots.len());
        Ok(Some(slots.len()))
    }

    /// Appends all items of a builtin iterator; those that no script is asked for in rows, or one after the other.
    fn take_items(&mut self, list: Root, iterator: Root) -> Result<(), Raised> {
        let heap = self.heap.forever();
        let target = list.get(self).exact::<List>().expect("a list").held();
        let steps = Steps::of(iterator.get(self));
        let mut polls = 0u32;
        loop {
            let raw = iterator.get(self).raw();
            let ended = match steps {
                Steps::Rows => match self.take_row(target, Value::adopt(raw.copied())) {
                    Ok(Some(1..)) => {
                        if self.interrupt().load(Ordering::Relaxed) != 0 {
                            self.safepoint()?;
                        }
                        continue;
                    }
                    Ok(_) => false,
                    Err(_) => return Err(self.memory_error()),
                },
                Steps::Direct(native, direct) => self.take_steps(target, |cx, item| direct(cx, native, item))?,
                Steps::Set(set) => self.take_steps(target, |cx, item| cx.next_of_set(set, item))?,
                Steps::Dict(dict) => self.take_steps(target, |cx, item| {
                    let mut items = [Raw::UNBOUND; 2];
                    let stepped = cx.next_of_dict(dict, &mut items)?;
                    *item = items[0].copied();
                    Ok(stepped)
                })?,
                Steps::Single => false,
            };
            if ended {
                return Ok(());
            }
            let item = match self.next_direct(raw)? {
                Some(item) if item.is_unbound() => return Ok(()),
                Some(item) => item,
                None => {
                    let inner = self.mark();
                    let Some(item) = self.next(iterator)? else { return Ok(()) };
                    let item = item.get(self).raw();
                    self.release(inner);
                    item
                }
            };
            if target.push(heap, Value::adopt(item)).is_err() {
                return Err(self.memory_error());
            }
            polls = polls.wrapping_add(1);
            let look = polls.is_multiple_of(1024) || !matches!(steps, Steps::Single);
            if look && self.interrupt().load(Ordering::Relaxed) != 0 {
                self.safepoint()?;
            }
        }
    }

    /// Appends items as long as there are any that no script is asked for, but so many that a signal need not wait for longer. Whether that was
    /// the end. The list is in a register.
    #[inline]
    fn take_steps(
        &mut self,
        list: Gc<'static, List>,
        mut step: impl FnMut(&mut Vm, &mut Raw) -> Result<Stepped, Raised>,
    ) -> Result<bool, Raised> {
        const MOST: usize = 1 << 10;
        for _ in 0..MOST {
            let mut item = Raw::UNBOUND;
            match step(self, &mut item)? {
                Stepped::Item | Stepped::Pair => {}
                Stepped::End => return Ok(true),
                Stepped::Ask => break,
            }
            if list.push(self.heap.forever(), Value::adopt(item.copied())).is_err() {
                return Err(self.memory_error());
            }
        }
        Ok(false)
    }

    pub(super) fn build_slice(&self, start: Raw, stop: Raw, step: Raw) -> Raw {
        let slot = |raw: Raw| Slot::new(Value::adopt(raw));
        self.heap.alloc(Slice { start: slot(start), stop: slot(stop), step: slot(step) }).value().raw()
    }
}

/// How the items of a builtin iterator are taken. It is in a register.
#[derive(Clone, Copy)]
enum Steps {
    /// In rows.
    Rows,
    /// By its direct step.
    Direct(Gc<'static, NativeIterator>, Direct),
    /// Those of a set.
    Set(Gc<'static, SetIterator>),
    /// The keys or values of a dict.
    Dict(Gc<'static, DictIterator>),
    /// One at a time.
    Single,
}

impl Steps {
    fn of(iterator: Value<'_>) -> Steps {
        if let Some((native, direct)) = direct_step(iterator) {
            return Steps::Direct(native, direct);
        }
        if let Some(set) = iterator.exact::<SetIterator>() {
            return Steps::Set(set.held());
        }
        if let Some(dict) = iterator.exact::<DictIterator>() {
            return if dict.part == DictPart::Items { Steps::Single } else { Steps::Dict(dict.held()) };
        }
        if let Some(over) = iterator.exact::<SequenceIterator>() {
            return if over.sequence.get().is_subclassed() { Steps::Single } else { Steps::Rows };
        }
        if iterator.exact::<RangeIterator>().is_some() { Steps::Rows } else { Steps::Single }
    }
}

/// Whether it is an iterator over an object of a script's class that has items by number.
fn is_over_instance(value: Value<'_>) -> bool {
    value.exact::<SequenceIterator>().is_some_and(|over| over.sequence.get().kind() == Kind::Instance)
}
