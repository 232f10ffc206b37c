//! Unpacking an iterable into targets: `a, b = pair` and `first, *rest = items`.

use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{Dict, List, Tuple};

use super::native::Raised;
use super::{Name, Vm};

/// Items of an unpacking.
pub(super) type Unpacked = SmallVec<[Raw; 8]>;

impl Vm {
    fn cannot_unpack(&mut self, value: Value<'_>) -> Raised {
        let got = self.type_name_for_error(value);
        self.type_error(format!("cannot unpack non-iterable {got} object"))
    }

    /// The tuple that an instance of a derived class is, if it is iterated as tuples are.
    fn own_tuple(&self, raw: Raw) -> Option<Gc<'static, Tuple>> {
        let value: Value<'static> = Value::adopt(raw);
        if value.kind() != Kind::Tuple {
            return None;
        }
        let iter = self.lookup_class_with_owner(self.class_of(value), self.name(Name::Iter));
        iter.filter(|(_, owner)| *owner == self.kind_class(Kind::Tuple))?;
        Value::<'static>::adopt(self.payload(value).raw()).exact()
    }

    /// The `count` items of an iterable.
    pub(super) fn unpack_sequence(&mut self, raw: Raw, count: usize) -> Result<Unpacked, Raised> {
        let value = Value::adopt(raw);
        if value.is_subclassed()
            && let Some(tuple) = self.own_tuple(raw).filter(|tuple| tuple.len() == count)
        {
            return Ok(tuple.items().map(|item| item.raw()).collect());
        }
        let known = if let Some(list) = value.exact::<List>() {
            Some(list.len())
        } else if let Some(tuple) = value.exact::<Tuple>() {
            Some(tuple.len())
        } else {
            value.exact::<Dict>().map(|d| d.len())
        };
        match known {
            Some(len) if len > count => {
                return Err(self.value_error(format!("too many values to unpack (expected {count}, got {len})")));
            }
            Some(len) if len < count => {
                return Err(self.value_error(format!("not enough values to unpack (expected {count}, got {len})")));
            }
            _ => {}
        }
        if known.is_none() && self.iter_direct(raw).is_none() && !self.is_iterable(value) {
            return Err(self.cannot_unpack(value));
        }
        let mark = self.mark();
        let source = self.push_raw(raw);
        let iterator = self.iter(source)?;
        let first = self.mark();
        for got in 0..count {
            if self.next(iterator)?.is_none() {
                return Err(self.value_error(format!("not enough values to unpack (expected {count}, got {got})")));
            }
        }
        if self.next(iterator)?.is_some() {
            return Err(self.value_error(format!("too many values to unpack (expected {count})")));
        }
        let items = (0..count as u32).map(|i| self.fiber.registers.get(first + i).raw()).collect();
        self.release(mark);
        Ok(items)
    }

    /// The items of an iterable for `before` targets, a list of those in between, and `after` targets.
    pub(super) fn unpack_extended(&mut self, raw: Raw, before: usize, after: usize) -> Result<Unpacked, Raised> {
        let value = Value::adopt(raw);
        if self.iter_direct(raw).is_none() && !self.is_iterable(value) {
            return Err(self.cannot_unpack(value));
        }
        let mark = self.mark();
        let source = self.push_raw(raw);
        let iterator = self.iter(source)?;
        let first = self.mark();
        let short = |cx: &mut Vm, got: usize| {
            let least = before + after;
            cx.value_error(format!("not enough values to unpack (expected at least {least}, got {got})"))
        };
        for got in 0..before {
            if self.next(iterator)?.is_none() {
                return Err(short(self, got));
            }
        }
        // As CPython, which asks the iterator for its iterator.
        let list = self.list_from(iterator)?;
        let all = list.get(self).exact::<List>().expect("a list").held();
        let len = all.len();
        if len < after {
            return Err(short(self, before + len));
        }
        let item = |i: usize| all.item(i).map_or(Raw::NONE, |v| v.raw());
        let rest = List::build(&self.heap, len - after, |i| Value::adopt(item(i))).value().raw();
        let mut items: Unpacked = (0..before as u32).map(|i| self.fiber.registers.get(first + i).raw()).collect();
        items.push(rest);
        items.extend((len - after..len).map(item));
        self.release(mark);
        Ok(items)
    }
}
