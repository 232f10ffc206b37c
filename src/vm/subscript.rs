//! `object[key]`: reading, setting and deleting items and slices.

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::object::{
    ByteArray, Bytes, Class, ClassFlags, Deque, Dict, Exc, GenericAlias, List, MappingProxy, Range, Slice, Str, Tuple,
};

use super::call::Invoked;
use super::native::{Quick, Raised, Root, Then};
use super::step::{character_at, character_before};
use super::{Name, Vm};

impl Vm {
    // ---- subscripts ----

    /// `object[index]` for exact builtin types; None where a class has a say.
    pub(super) fn builtin_item(&mut self, object: Raw, index: Raw) -> Result<Option<Raw>, Raised> {
        let value = Value::adopt(object);
        if value.is_subclassed() {
            return Ok(self.derived_tuple_item(object, index));
        }
        let kind = value.kind();
        match kind {
            Kind::List | Kind::Tuple | Kind::Str | Kind::Bytes | Kind::ByteArray | Kind::Range => {}
            Kind::Dict => {
                let mark = self.mark();
                let (dict, key) = (self.push_raw(object), self.push_raw(index));
                let found = self.dict_get(dict, key)?;
                let Some(found) = found else { return Err(self.key_error(key)) };
                let raw = found.get(self).raw();
                self.release(mark);
                return Ok(Some(raw));
            }
            Kind::Deque => {
                let deque = value.exact::<Deque>().expect("a deque");
                let Some(at) = Value::adopt(index).as_int() else { return Ok(None) };
                let at = if at < 0 { at + deque.len() as i64 } else { at };
                // What is out of range is for the type's own method to say.
                return Ok(usize::try_from(at).ok().and_then(|at| deque.item(at)).map(|v| v.raw()));
            }
            Kind::MappingProxy => {
                let mark = self.mark();
                // Proxies of proxies, of whatever depth, are gone through here and not by nesting.
                let mut mapping = value;
                while let Some(proxy) = mapping.exact::<MappingProxy>() {
                    mapping = proxy.get().mapping.get();
                }
                let mapping = mapping.raw();
                let (mapping, key) = (self.push_raw(mapping), self.push_raw(index));
                let raw = self.item(mapping, key)?.get(self).raw();
                self.release(mark);
                return Ok(Some(raw));
            }
            _ => return Ok(None),
        }
        let mark = self.mark();
        let (sequence, at) = (self.push_raw(object), self.push_raw(index));
        let result = self.sequence_item(sequence, at, kind)?;
        self.release(mark);
        Ok(Some(result))
    }

    /// `object[index]` of a named tuple and the like: classes derived from tuple that leave this as it is.
    fn derived_tuple_item(&mut self, object: Raw, index: Raw) -> Option<Raw> {
        let value: Value<'static> = Value::adopt(object);
        let at = Value::adopt(index).as_int().filter(|_| value.kind() == Kind::Tuple)?;
        let get = self.lookup_class_with_owner(self.class_of(value), self.name(Name::GetItem));
        get.filter(|(_, owner)| *owner == self.kind_class(Kind::Tuple))?;
        let tuple: Gc<'static, Tuple> = Value::<'static>::adopt(self.payload(value).raw()).exact()?;
        let at = usize::try_from(if at < 0 { at + tuple.len() as i64 } else { at }).ok()?;
        // What is out of range is for the type's own method to say.
        (at < tuple.len()).then(|| tuple.item(at).raw())
    }

    /// `sequence[index]` of a builtin sequence (exact), by int or slice.
    pub fn sequence_item(&mut self, sequence: Root, index: Root, kind: Kind) -> Result<Raw, Raised> {
        if index.get(self).exact::<Slice>().is_some() {
            return self.sequence_slice(sequence, index, kind);
        }
        let noun = match kind {
            Kind::List => "list",
            Kind::Tuple => "tuple",
            Kind::Str => "string",
            Kind::Bytes => "byte",
            Kind::ByteArray => "bytearray",
            _ => "range",
        };
        let given = index.get(self);
        if crate::object::key::as_int_ref(self.payload(given)).is_none() {
            let class = self.class_of(given).held();
            let name = self.name(Name::Index).held();
            if self.lookup_class(class, name).is_none() {
                let got = self.type_name_for_error(index.get(self));
                return Err(self.type_error(match kind {
                    Kind::Str => format!("string indices must be integers, not '{got}'"),
                    _ => format!("{noun} indices must be integers or slices, not {got}"),
                }));
            }
        }
        if kind == Kind::Range {
            return self.range_item(sequence, index);
        }
        let at = self.subscript_index(index)?;
        let value = sequence.get(self);
        let len = self.builtin_length(value).unwrap_or(0) as i64;
        let at = if at < 0 { at + len } else { at };
        if at < 0 || at >= len {
            return Err(self.index_error(match kind {
                Kind::Str => "string index out of range",
                Kind::Bytes => "index out of range",
                Kind::ByteArray => "bytearray index out of range",
                Kind::List => "list index out of range",
                _ => "tuple index out of range",
            }));
        }
        let at = at as usize;
        Ok(match kind {
            Kind::List => value.exact::<List>().and_then(|l| l.item(at)).expect("in range").raw(),
            Kind::Tuple => value.exact::<Tuple>().expect("a tuple").item(at).raw(),
            Kind::Bytes => Raw::int(i64::from(value.exact::<Bytes>().expect("bytes").as_bytes()[at])),
            Kind::ByteArray => Raw::int(i64::from(value.exact::<ByteArray>().expect("a bytearray").cells()[at].get())),
            _ => {
                let text = value.exact::<Str>().expect("a str");
                self.char_at(text, at)
            }
        })
    }

    /// One character of a text, as a text.
    pub fn char_at(&self, text: Gc<'_, Str>, at: usize) -> Raw {
        let heap = self.heap.forever();
        let text = text.held();
        let from = text.offset(heap, at);
        let bytes = &text.as_bytes()[from..];
        if bytes[0] < 0x80 {
            return self.character(bytes[0]).value().raw();
        }
        let len = match bytes[0] {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
        if len == 2 && bytes[0] <= 0xC3 {
            return self.character((bytes[0] & 3) << 6 | (bytes[1] & 0x3F)).value().raw();
        }
        Str::from_parts(heap, &[&bytes[..len]]).value().raw()
    }

    pub(super) fn range_item(&mut self, range: Root, index: Root) -> Result<Raw, Raised> {
        use crate::number::int::{self as integer, Int, IntRef};
        let mark = self.mark();
        let index = self.index(index)?;
        let len = self.range_len(range.get(self));
        let value = range.get(self).exact::<Range>().expect("a range");
        let start = crate::object::key::as_int_ref(value.start.get()).expect("an int").to_int();
        let step = crate::object::key::as_int_ref(value.step.get()).expect("an int").to_int();
        let mut at = crate::object::key::as_int_ref(index.get(self)).expect("an int").to_int();
        if at.as_ref().signum() < 0 {
            at = integer::add(at.as_ref(), len.as_ref());
        }
        let below = integer::compare(at.as_ref(), IntRef::Small(0)).is_lt();
        if below || integer::compare(at.as_ref(), len.as_ref()).is_ge() {
            return Err(self.index_error("range object index out of range"));
        }
        let product = integer::multiply(at.as_ref(), step.as_ref()).unwrap_or(Int::Small(0));
        let item = integer::add(start.as_ref(), product.as_ref());
        self.release(mark);
        Ok(crate::object::int_value(&self.heap, item).raw())
    }

    pub(super) fn sequence_slice(&mut self, sequence: Root, slice: Root, kind: Kind) -> Result<Raw, Raised> {
        if kind == Kind::Range {
            return self.range_slice(sequence, slice);
        }
        let len = |vm: &Vm| vm.builtin_length(sequence.get(vm)).unwrap_or(0);
        let (start, _, step, count) = self.slice_bounds(slice, len)?;
        let heap = self.heap.forever();
        let value = Value::adopt(sequence.get(self).raw());
        let at = |i: usize| (start + i as i64 * step) as usize;
        Ok(match kind {
            Kind::List => {
                let list = value.exact::<List>().expect("a list");
                if step == 1
                    && let Some(slots) = list.slots().get(start as usize..start as usize + count)
                {
                    return Ok(List::of_parts(heap, count, std::iter::once(slots)).value().raw());
                }
                List::build(heap, count, |i| list.item(at(i)).unwrap_or(Value::NONE)).value().raw()
            }
            Kind::Tuple => {
                let tuple = value.exact::<Tuple>().expect("a tuple");
                if count == 0 {
                    self.empty_tuple
                } else if count == tuple.len() && step == 1 {
                    value.raw()
                } else if step == 1 {
                    let slots = &tuple.tail()[start as usize..start as usize + count];
                    Tuple::of_parts(heap, count, std::iter::once(slots)).value().raw()
                } else {
                    Tuple::build(heap, count, |i| tuple.item(at(i))).value().raw()
                }
            }
            Kind::Bytes => {
                let bytes = value.exact::<Bytes>().expect("bytes").as_bytes();
                if step == 1 {
                    let start = start as usize;
                    Bytes::new(heap, &bytes[start..start + count]).value().raw()
                } else {
                    let picked: Vec<u8> = (0..count).map(|i| bytes[at(i)]).collect();
                    Bytes::new(heap, &picked).value().raw()
                }
            }
            Kind::ByteArray => {
                let cells = value.exact::<ByteArray>().expect("a bytearray").cells();
                let picked: Vec<u8> = (0..count).map(|i| cells[at(i)].get()).collect();
                match ByteArray::new(heap, &picked) {
                    Ok(array) => array.value().raw(),
                    Err(_) => return Err(self.memory_error()),
                }
            }
            _ => {
                let text = value.exact::<Str>().expect("a str");
                if count == 0 {
                    Str::ascii(heap, b"").value().raw()
                } else if step == 1 {
                    if count == 1 {
                        self.char_at(text, start as usize)
                    } else {
                        text.slice(heap, start as usize, start as usize + count).value().raw()
                    }
                } else if text.is_ascii() {
                    let bytes = text.as_bytes();
                    let picked: Vec<u8> = (0..count).map(|i| bytes[at(i)]).collect();
                    Str::ascii(heap, &picked).value().raw()
                } else {
                    let bytes = text.as_bytes();
                    let mut picked = Vec::with_capacity(count * 2);
                    // From one place to the next by steps over characters, which are short where many are picked.
                    let far = step.unsigned_abs() > 64;
                    let mut from = text.offset(heap, start as usize);
                    for i in 0..count {
                        picked.extend_from_slice(&bytes[character_at(bytes, from).unwrap_or(from..from)]);
                        if i + 1 == count {
                            break;
                        }
                        if far {
                            from = text.offset(heap, at(i + 1));
                            continue;
                        }
                        for _ in 0..step.unsigned_abs() {
                            let next = if step < 0 {
                                character_before(bytes, from).map(|range| range.start)
                            } else {
                                character_at(bytes, from).map(|range| range.end)
                            };
                            from = next.unwrap_or(from);
                        }
                    }
                    Str::from_parts(heap, &[&picked]).value().raw()
                }
            }
        })
    }

    pub(super) fn range_slice(&mut self, range: Root, slice: Root) -> Result<Raw, Raised> {
        use crate::number::int as integer;
        let bounds = slice.get(self).exact::<Slice>().expect("a slice").held();
        let is_small = |slot: &Slot| slot.get().is_none() || slot.get().as_int().is_some();
        let small = [&bounds.get().start, &bounds.get().stop, &bounds.get().step].into_iter().all(is_small);
        let len = match self.range_len(range.get(self)) {
            integer::Int::Small(n) if small => n as usize,
            len => return self.long_range_slice(range, slice, len),
        };
        let (start, stop, step, _) = self.slice_bounds(slice, |_| len)?;
        let heap = self.heap.forever();
        let value = range.get(self).exact::<Range>().expect("a range");
        let get = |v: Value<'_>| crate::object::key::as_int_ref(v).expect("an int").to_int();
        let (first, by) = (get(value.start.get()), get(value.step.get()));
        let place = |i: i64| {
            let product = integer::multiply(integer::IntRef::Small(i), by.as_ref()).unwrap_or(integer::Int::Small(0));
            integer::add(first.as_ref(), product.as_ref())
        };
        let new_step = integer::multiply(by.as_ref(), integer::IntRef::Small(step)).unwrap_or(integer::Int::Small(1));
        let slot = |i: integer::Int| Slot::new(crate::object::int_value(heap, i));
        let new = Range { start: slot(place(start)), stop: slot(place(stop)), step: slot(new_step) };
        Ok(heap.alloc(new).value().raw())
    }

    /// As `range_slice`, where something doesn't fit 64 bits.
    fn long_range_slice(&mut self, range: Root, slice: Root, len: crate::number::int::Int) -> Result<Raw, Raised> {
        use crate::number::int as integer;
        let len = crate::object::int_value(&self.heap, len).raw();
        let len = self.push_raw(len);
        let bounds = self.call_method(slice, "indices", &[len])?;
        let heap = self.heap.forever();
        let get = |v: Value<'_>| crate::object::key::as_int_ref(v).expect("an int").to_int();
        let bounds = bounds.get(self).exact::<Tuple>().expect("three numbers").held();
        let value = range.get(self).exact::<Range>().expect("a range").held();
        let (first, by) = (get(value.start.get()), get(value.step.get()));
        let times = |a: &integer::Int| integer::multiply(a.as_ref(), by.as_ref()).unwrap_or(integer::Int::Small(0));
        let [start, stop, step] = [0, 1, 2].map(|at| times(&get(bounds.item(at))));
        let place = |offset: integer::Int| integer::add(first.as_ref(), offset.as_ref());
        let slot = |i: integer::Int| Slot::new(crate::object::int_value(heap, i));
        let new = Range { start: slot(place(start)), stop: slot(place(stop)), step: slot(step) };
        Ok(heap.alloc(new).value().raw())
    }

    /// `object[index]` out of line.
    pub(super) fn get_item(&mut self, object: Raw, index: Raw) -> Result<Invoked, Raised> {
        let element = self.element_at_once(object, index);
        if !element.is_unbound() {
            return Ok(Invoked::Value(element));
        }
        if let Some(invoked) = self.by_method(object, Name::GetItem, &[object, index])? {
            return Ok(invoked);
        }
        if Value::<'_>::adopt(object.copied()).is_subclassed() {
            let found = self.ask_native(object, Name::GetItem, index);
            if !found.is_unbound() {
                return Ok(Invoked::Value(found));
            }
        }
        if let Some(raw) = self.item_at_once(object, index) {
            return Ok(Invoked::Value(raw));
        }
        if let Some(raw) = self.builtin_item(object, index)? {
            return Ok(Invoked::Value(raw));
        }
        let value = Value::adopt(object);
        let start = self.fiber.top;
        let class = self.class_of(value).held();
        let name = self.name(Name::GetItem).held();
        if value.kind() == Kind::Dict
            && let Some(result) = self.derived_item(class, object, index)?
        {
            return Ok(result);
        }
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            let outcome = self.call_unbound(method, object, &[index], Then::Return)?;
            return self.carry_out(outcome, start);
        }
        if let Some(generic) = value.exact::<Class>() {
            let generic = generic.held();
            let name = self.name(Name::ClassGetItem).held();
            if self.lookup_class(generic, name).is_some_and(|method| !method.is_none()) {
                let (owner, key) = (self.push_raw(object), self.push_raw(name.value().raw()));
                let bound = self.get_attribute(owner, key)?.get(self).raw();
                let callee = self.push_raw(bound);
                self.push_raw(index);
                let outcome = super::native::Outcome::Call { callee, argc: 1, keywords: None, then: Then::Return };
                return self.carry_out(outcome, start);
            }
            if object.same(self.types.type_) {
                return self.new_generic_alias(object, index).map(Invoked::Value);
            }
            let text = generic.name().to_str_lossy().into_owned();
            return Err(self.type_error(format!("type '{text}' is not subscriptable")));
        }
        let got = self.type_name_for_error(value);
        Err(self.type_error(format!("'{got}' object is not subscriptable")))
    }

    /// `object[key]` of an instance of a class derived from dict that leaves it to dict; None where a script has to be asked for hash or
    /// equality.
    fn derived_item(&mut self, class: Gc<'static, Class>, object: Raw, key: Raw) -> Result<Option<Invoked>, Raised> {
        let name = self.name(Name::GetItem).held();
        if !self.is_dicts_own(class, name) {
            return Ok(None);
        }
        let payload = self.payload(Value::adopt(object)).raw();
        let Some(dict) = Value::<'static>::adopt(payload).exact::<Dict>() else { return Ok(None) };
        match self.dict_find_at_once(dict, Value::adopt(key)) {
            Some(Some(number)) => Ok(Some(Invoked::Value(dict.value_at(number).raw()))),
            Some(None) => {
                let start = self.fiber.top;
                let missing = self.name(Name::Missing).held();
                let Some(method) = self.lookup_class(class, missing).map(|v| v.raw()) else { return Ok(None) };
                let outcome = self.call_unbound(method, object, &[key], Then::Return)?;
                self.carry_out(outcome, start).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Whether a class has a method from dict itself.
    fn is_dicts_own(&mut self, class: Gc<'static, Class>, name: Gc<'static, Str>) -> bool {
        let dict = self.kind_class(Kind::Dict).held();
        self.lookup_class_with_owner(class, name).is_some_and(|(_, owner)| owner == dict)
    }

    /// `origin[args]` as a generic alias.
    pub fn new_generic_alias(&mut self, origin: Raw, args: Raw) -> Result<Raw, Raised> {
        let heap = self.heap.forever();
        let args = match self.payload(Value::adopt(args)).exact::<Tuple>() {
            Some(tuple) => tuple.held().value(),
            None => Tuple::new(heap, &[Value::adopt(args)]).value(),
        };
        let alias = GenericAlias {
            origin: Slot::new(Value::adopt(origin)),
            args: Slot::new(args),
            parameters: Slot::new(Value::UNBOUND),
            unpacked: false,
        };
        Ok(heap.alloc(alias).value().raw())
    }

    /// `object[key]`, nested.
    pub fn item(&mut self, object: Root, key: Root) -> Result<Root, Raised> {
        let (object, key) = (object.get(self).raw(), key.get(self).raw());
        let raw = match self.builtin_item(object, key)? {
            Some(raw) => raw,
            None => self.run_nested(|cx| cx.get_item(object, key))?,
        };
        Ok(self.push_raw(raw))
    }

    /// `object[index] = value` out of line.
    pub(super) fn set_item(&mut self, object: Raw, index: Raw, value: Raw) -> Result<Invoked, Raised> {
        let target = Value::adopt(object);
        if let Some(invoked) = self.by_method(object, Name::SetItem, &[object, index, value])? {
            return Ok(invoked);
        }
        if target.is_subclassed()
            && let Some(Quick::Three(quick)) = self.native_special(object, Name::SetItem)
            && !quick(self, object, index, value).is_unbound()
        {
            return Ok(Invoked::Value(Raw::NONE));
        }
        if !target.is_subclassed() && target.kind() == Kind::Dict {
            self.dict_set_raw(object, index, value)?;
            return Ok(Invoked::Value(Raw::NONE));
        }
        if let Some(done) = self.store_at_once(object, index, value) {
            return done.map(|()| Invoked::Value(Raw::NONE));
        }
        let start = self.fiber.top;
        let class = self.class_of(target).held();
        let name = self.name(Name::SetItem).held();
        if target.kind() == Kind::Dict && self.is_dicts_own(class, name) {
            let payload = self.payload(target).raw();
            if let Some(done) = self.dict_set_at_once(payload, index, value) {
                return done.map(|()| Invoked::Value(Raw::NONE));
            }
        }
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            self.is_sequence_index(target, index)?;
            let got = self.type_name_for_error(target);
            return Err(self.type_error(format!("'{got}' object does not support item assignment")));
        };
        let outcome = self.call_unbound(method, object, &[index, value], Then::Return)?;
        self.carry_out(outcome, start)
    }

    /// `object[key] = value`, nested.
    pub fn set_item_root(&mut self, object: Root, key: Root, value: Root) -> Result<(), Raised> {
        let (object, key, value) = (object.get(self).raw(), key.get(self).raw(), value.get(self).raw());
        self.run_nested(|cx| cx.set_item(object, key, value)).map(|_| ())
    }

    /// Whether an index is given to what is, or might be, a sequence, although nothing can be stored in it: CPython converts the index
    /// first, which may fail.
    fn is_sequence_index(&mut self, target: Value<'static>, index: Raw) -> Result<bool, Raised> {
        let class = self.class_of(target).held();
        let groups = class.is_subclass(self.exception_class(Exc::BaseExceptionGroup).held())
            && class != self.exception_class(Exc::BaseExceptionGroup).held();
        let sequence = matches!(
            target.kind(),
            Kind::Str | Kind::Bytes | Kind::Tuple | Kind::Range | Kind::Set | Kind::FrozenSet | Kind::DictView
        ) || class.has(ClassFlags::HEAP)
            || groups;
        let key = self.push_raw(index);
        let number = matches!(Value::adopt(index).kind(), Kind::Int | Kind::True | Kind::False | Kind::BigInt)
            || self.own_method(key, Name::Index)?.is_some();
        if sequence && number {
            self.subscript_index(key)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// `del object[index]` out of line.
    pub(super) fn delete_item(&mut self, object: Raw, index: Raw) -> Result<Invoked, Raised> {
        let target = Value::adopt(object);
        if !target.is_subclassed() && target.kind() == Kind::Dict {
            if let Some(dict) = target.exact::<Dict>()
                && let Some(Some(number)) = self.dict_find_at_once(dict, Value::adopt(index))
            {
                dict.remove_at(&self.heap, number);
                return Ok(Invoked::Value(Raw::NONE));
            }
            let (dict, key) = (self.push_raw(object), self.push_raw(index));
            if self.dict_remove(dict, key)?.is_none() {
                return Err(self.key_error(key));
            }
            return Ok(Invoked::Value(Raw::NONE));
        }
        let start = self.fiber.top;
        let class = self.class_of(target).held();
        let name = self.name(Name::DelItem).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            let got = self.type_name_for_error(target);
            if self.is_sequence_index(target, index)? {
                return Err(self.type_error(format!("'{got}' object doesn't support item deletion")));
            }
            return Err(self.type_error(format!("'{got}' object does not support item deletion")));
        };
        let outcome = self.call_unbound(method, object, &[index], Then::Return)?;
        self.carry_out(outcome, start)
    }

    /// `del object[key]`, nested.
    pub fn delete_item_root(&mut self, object: Root, key: Root) -> Result<(), Raised> {
        let (object, key) = (object.get(self).raw(), key.get(self).raw());
        self.run_nested(|cx| cx.delete_item(object, key)).map(|_| ())
    }
}
