//! Numbers and sizes that objects stand for: `__index__`, `__float__`, `__len__`, `in`.

use num_bigint::BigInt as Big;

use crate::heap::{Kind, Raw, Value};
use crate::number::int::Int;
use crate::object::key::{as_int_ref, equal_without_script};
use crate::object::{
    ByteArray, Bytes, ClassFlags, Deque, Dict, DictPart, DictView, Exc, FrozenSet, List, Range, Set, Slice, Str, Tuple,
};

use crate::text::search;

use super::call::Invoked;
use super::native::{Args, NativeResult, Raised, Resumed, Root, Then};
use super::{Name, Vm};

/// What `__len__` returned, as an int that is no less than 0.
pub(super) fn len_value(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    if as_int_ref(cx.payload(value.get(cx))).is_none() {
        let class = cx.class_of(value.get(cx)).held();
        let name = cx.name(Name::Index).held();
        if cx.lookup_class(class, name).is_none() {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("'{got}' object cannot be interpreted as an integer")));
        }
    }
    let index = cx.index(value)?;
    match index.get(cx).as_int() {
        Some(len) if len >= 0 => Ok(len.into()),
        Some(_) => Err(cx.value_error("__len__() should return >= 0")),
        None if as_int_ref(index.get(cx)).is_some_and(|i| i.signum() < 0) => {
            Err(cx.value_error("__len__() should return >= 0"))
        }
        None => Err(cx.overflow_error("cannot fit 'int' into an index-sized integer")),
    }
}

impl Vm {
    // ---- numbers ----

    /// `operator.index(value)`: an int, exact.
    pub fn index(&mut self, root: Root) -> Result<Root, Raised> {
        let value = self.payload(root.get(self));
        if let Some(int) = as_int_ref(value) {
            let raw = match int.to_i64() {
                Some(small) => Raw::int(small),
                None => value.raw(),
            };
            return Ok(self.push_raw(raw));
        }
        let class = self.class_of(root.get(self)).held();
        let name = self.name(Name::Index).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            let got = self.type_name_for_error(root.get(self));
            return Err(self.type_error(format!("'{got}' object cannot be interpreted as an integer")));
        };
        let receiver = root.get(self).raw();
        let raw = self.call_unbound_nested(method, receiver, &[], Then::Return)?;
        if as_int_ref(self.payload(Value::adopt(raw))).is_none() {
            let got = self.type_name_for_error(Value::adopt(raw));
            return Err(self.type_error(format!("__index__ returned non-int (type {got})")));
        }
        let given = Value::adopt(raw);
        if given.is_subclassed() || given.as_bool().is_some() {
            self.warn_strict_subclass(raw, "__index__", "int")?;
        }
        let raw = self.payload(Value::adopt(raw)).raw();
        let raw = match Value::adopt(raw).as_bool() {
            Some(b) => Raw::int(i64::from(b)),
            None => raw,
        };
        Ok(self.push_raw(raw))
    }

    /// Warns of a conversion's method that gave something of a class derived from the type.
    pub(crate) fn warn_strict_subclass(&mut self, given: Raw, method: &str, kind: &str) -> Result<(), Raised> {
        let root = self.push_raw(given);
        let got = self.type_name_for_error(root.get(self));
        self.warn_deprecated(&format!(
            "{method} returned non-{kind} (type {got}).  The ability to return an instance of a strict subclass of {kind} is deprecated, and may be removed in a future version of Python."
        ))
    }

    /// An int that fits 64 bits, from anything with `__index__`.
    pub fn index_as_i64(&mut self, root: Root) -> Result<i64, Raised> {
        let mark = self.mark();
        let index = self.index(root)?;
        let int = index.get(self).as_int();
        self.release(mark);
        match int {
            Some(int) => Ok(int),
            None => Err(self.overflow_error("Python int too large to convert to C ssize_t")),
        }
    }

    /// An index for a subscript: clipped to 64 bits only where slices allow; IndexError otherwise.
    pub fn subscript_index(&mut self, root: Root) -> Result<i64, Raised> {
        let mark = self.mark();
        let index = self.index(root)?;
        let int = index.get(self).as_int();
        self.release(mark);
        match int {
            Some(int) => Ok(int),
            None => {
                let got = self.type_name_for_error(root.get(self));
                Err(self.index_error(&format!("cannot fit '{got}' into an index-sized integer")))
            }
        }
    }

    /// The bounds of a slice over `len` items: start, stop, step, and the number of items. The length is asked for last: `__index__` of a
    /// bound may change it.
    pub fn slice_bounds(
        &mut self,
        slice: Root,
        len: impl FnOnce(&Vm) -> usize,
    ) -> Result<(i64, i64, i64, usize), Raised> {
        let (start, stop, step) = {
            let s = slice.get(self).exact::<Slice>().expect("a slice");
            (s.start.get().raw(), s.stop.get().raw(), s.step.get().raw())
        };
        let mut clipped = |raw: Raw| -> Result<Option<i64>, Raised> {
            if raw.same(Raw::NONE) {
                return Ok(None);
            }
            if let Some(int) = Value::adopt(raw).as_int() {
                return Ok(Some(int));
            }
            let mark = self.mark();
            let root = self.push_raw(raw);
            if as_int_ref(self.payload(root.get(self))).is_none() {
                let class = self.class_of(root.get(self)).held();
                let name = self.name(Name::Index).held();
                if self.lookup_class(class, name).is_none() {
                    return Err(
                        self.type_error("slice indices must be integers or None or have an __index__ method".into())
                    );
                }
            }
            let index = self.index(root)?;
            let value = index.get(self);
            let int = value.as_int().unwrap_or_else(|| {
                if as_int_ref(value).is_some_and(|i| i.signum() < 0) { i64::MIN + 1 } else { i64::MAX }
            });
            self.release(mark);
            Ok(Some(int))
        };
        let step = clipped(step)?.unwrap_or(1);
        let (start, stop) = if step == 0 { (None, None) } else { (clipped(start)?, clipped(stop)?) };
        if step == 0 {
            return Err(self.value_error("slice step cannot be zero"));
        }
        let n = len(self) as i64;
        let (low, high) = if step < 0 { (-1, n - 1) } else { (0, n) };
        let clip = |bound: i64| {
            if bound < 0 { (bound.saturating_add(n)).max(low) } else { bound.min(high) }
        };
        let start = start.map_or(if step < 0 { high } else { low }, clip);
        let stop = stop.map_or(if step < 0 { low } else { high }, clip);
        let count = if step < 0 {
            if stop < start { (start - stop - 1) / step.saturating_neg() + 1 } else { 0 }
        } else if start < stop {
            (stop - start - 1) / step + 1
        } else {
            0
        };
        Ok((start, stop, step, count as usize))
    }

    /// A float, from anything with `__float__` or `__index__`.
    pub fn to_float(&mut self, root: Root) -> Result<f64, Raised> {
        let value = self.payload(root.get(self));
        if !root.get(self).is_subclassed() {
            if let Some(float) = value.as_float() {
                return Ok(float);
            }
            if let Some(int) = as_int_ref(value) {
                return match int.to_float() {
                    Ok(float) => Ok(float),
                    Err(fault) => Err(self.fault(fault)),
                };
            }
        }
        let class = self.class_of(root.get(self)).held();
        let name = self.name(Name::Float).held();
        let method = self.lookup_class(class, name).map(|v| v.raw());
        let Some(method) = method else {
            let name = self.name(Name::Index).held();
            if self.lookup_class(class, name).is_some() {
                let mark = self.mark();
                let index = self.index(root)?;
                let float = self.to_float(index)?;
                self.release(mark);
                return Ok(float);
            }
            let got = self.type_name_for_error(root.get(self));
            return Err(self.type_error(format!("must be real number, not {got}")));
        };
        let receiver = root.get(self).raw();
        let raw = self.call_unbound_nested(method, receiver, &[], Then::Return)?;
        match self.payload(Value::adopt(raw)).as_float() {
            Some(float) => {
                if Value::adopt(raw).is_subclassed() && root.get(self).kind() != Kind::Float {
                    let class = self.type_name_for_error(root.get(self));
                    self.warn_strict_subclass(raw, &format!("{class}.__float__"), "float")?;
                }
                Ok(float)
            }
            None => {
                let class = self.type_name_for_error(root.get(self));
                let got = self.type_name_for_error(Value::adopt(raw));
                Err(self.type_error(format!("{class}.__float__ returned non-float (type {got})")))
            }
        }
    }

    // ---- length and membership ----

    /// The length of a builtin collection; None where a class has a say.
    pub fn builtin_length(&self, value: Value<'_>) -> Option<usize> {
        if value.is_subclassed() {
            return None;
        }
        Some(match value.kind() {
            Kind::Str => value.exact::<Str>()?.chars(),
            Kind::List => value.exact::<List>()?.len(),
            Kind::Tuple => value.exact::<Tuple>()?.len(),
            Kind::Dict => value.exact::<Dict>()?.len(),
            Kind::Set => value.exact::<Set>()?.len(),
            Kind::FrozenSet => value.exact::<FrozenSet>()?.len(),
            Kind::Deque => value.exact::<Deque>()?.len(),
            Kind::Bytes => value.exact::<Bytes>()?.len(),
            Kind::ByteArray => value.exact::<ByteArray>()?.len(),
            Kind::DictView => {
                let dict = value.exact::<DictView>()?.get().dict.get();
                self.dict_of(dict)?.len()
            }
            Kind::Range => match self.range_len(value) {
                Int::Small(n) => usize::try_from(n).ok()?,
                Int::Big(_) => return None,
            },
            _ => return None,
        })
    }

    /// `len(value)`, nested.
    pub fn length(&mut self, root: Root) -> Result<usize, Raised> {
        if let Some(len) = self.builtin_length(root.get(self)) {
            return Ok(len);
        }
        if root.get(self).kind() == Kind::Range {
            return Err(self.overflow_error("Python int too large to convert to C ssize_t"));
        }
        let class = self.class_of(root.get(self)).held();
        let name = self.name(Name::Len).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
            let got = self.type_name_for_error(root.get(self));
            return Err(self.type_error(format!("object of type '{got}' has no len()")));
        };
        let receiver = root.get(self).raw();
        let raw = self.call_unbound_nested(method, receiver, &[], Then::Continue(len_value))?;
        Ok(Value::adopt(raw).as_int().unwrap_or(0) as usize)
    }

    pub(super) fn length_raw(&mut self, raw: Raw) -> Result<Raw, Raised> {
        let mark = self.mark();
        let root = self.push_raw(raw);
        let len = self.length(root)?;
        self.release(mark);
        Ok(Raw::int(len as i64))
    }

    /// Whether a script's class says how long its objects are, or how many items they will give.
    pub(crate) fn tells_length(&self, root: Root) -> bool {
        let class = self.class_of(root.get(self)).held();
        class.has(ClassFlags::HEAP)
            && [Name::Len, Name::LengthHint].into_iter().any(|name| self.lookup_class(class, self.name(name)).is_some())
    }

    /// Whether the class of an instance derived from a builtin collection says otherwise than that how long it is, or how many items it will give.
    pub(crate) fn tells_own_length(&self, value: Value<'_>) -> bool {
        let builtin = value.is_subclassed() && self.builtin_length(self.payload(value)).is_some();
        builtin
            && (!self.leaves_to_builtin(value, Name::Len)
                || self.lookup_class(self.class_of(value), self.name(Name::LengthHint)).is_some())
    }

    /// `operator.length_hint(value)`: 0 where nothing is known.
    pub fn length_hint(&mut self, root: Root) -> Result<usize, Raised> {
        let value = root.get(self);
        if let Some(len) = self.builtin_length(value) {
            return Ok(len);
        }
        if value.exact::<super::iterate::NativeIterator>().is_some() || value.kind() == Kind::Generator {
            return Ok(0);
        }
        let class = self.class_of(value).held();
        for (name, needed) in [(Name::Len, false), (Name::LengthHint, true)] {
            let name = self.name(name).held();
            let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else { continue };
            let receiver = root.get(self).raw();
            let result = self.call_unbound_nested(method, receiver, &[], Then::Return);
            match result {
                Ok(raw) => {
                    let value = Value::adopt(raw);
                    if needed && value.is(Value::NOT_IMPLEMENTED) {
                        return Ok(0);
                    }
                    let known = self.payload(value);
                    let known = known.as_int().or_else(|| known.as_bool().map(i64::from));
                    return match known {
                        Some(int) if int >= 0 => Ok(int as usize),
                        Some(_) if needed => Err(self.value_error("__length_hint__() should return >= 0")),
                        Some(_) => Err(self.value_error("__len__() should return >= 0")),
                        None if needed => {
                            let got = self.type_name_for_error(value);
                            Err(self.type_error(format!("__length_hint__ must be an integer, not {got}")))
                        }
                        None if as_int_ref(value).is_some() => Ok(0),
                        // What has an index is a length, too; what is none is no answer.
                        None => {
                            let root = self.push_raw(raw);
                            match self.index_as_i64(root) {
                                Ok(int) if int >= 0 => Ok(int as usize),
                                Ok(_) => Err(self.value_error("__len__() should return >= 0")),
                                Err(raised) if self.raised_is(Exc::TypeError) => {
                                    self.take_raised(raised);
                                    continue;
                                }
                                Err(raised) => Err(raised),
                            }
                        }
                    };
                }
                Err(raised) => {
                    if !self.raised_is(Exc::TypeError) {
                        return Err(raised);
                    }
                    self.take_raised(raised);
                }
            }
        }
        Ok(0)
    }

    /// `item in container` as a bool, out of line.
    pub(super) fn contains(&mut self, container: Raw, item: Raw) -> Result<Invoked, Raised> {
        if let Some(found) = self.contains_at_once(container, item) {
            return Ok(Invoked::Value(Raw::bool(found)));
        }
        let value = Value::adopt(container);
        if value.is_subclassed() {
            let found = self.ask_native(container, Name::Contains, item);
            if !found.is_unbound() {
                return Ok(Invoked::Value(found));
            }
        } else {
            let mark = self.mark();
            let result = match value.kind() {
                Kind::List | Kind::Tuple => {
                    let (sequence, wanted) = (self.push_raw(container), self.push_raw(item));
                    Some(self.sequence_contains(sequence, wanted)?)
                }
                Kind::Dict => {
                    let (dict, key) = (self.push_raw(container), self.push_raw(item));
                    Some(self.dict_find(dict, key)?.is_some())
                }
                Kind::Set | Kind::FrozenSet => {
                    let (set, key) = (self.push_raw(container), self.push_raw(item));
                    Some(self.set_contains(set, key)?)
                }
                Kind::Str => {
                    let text = value.exact::<Str>().expect("a str");
                    match self.as_str(Value::adopt(item)) {
                        Some(part) => Some(search::find(text.as_bytes(), part.as_bytes()).is_some()),
                        None => {
                            let got = self.type_name_for_error(Value::adopt(item));
                            return Err(
                                self.type_error(format!("'in <string>' requires string as left operand, not {got}"))
                            );
                        }
                    }
                }
                Kind::Range => as_int_ref(Value::adopt(item)).map(|_| self.range_contains(value, Value::adopt(item))),
                Kind::DictView => {
                    let view = value.exact::<DictView>().expect("a view");
                    let (dict, part) = (view.dict.get().raw(), view.part);
                    let dict = self.push_raw(dict);
                    let item = self.push_raw(item);
                    match part {
                        DictPart::Keys => Some(self.dict_find(dict, item)?.is_some()),
                        DictPart::Items => Some(self.dict_has_item(dict, item)?),
                        DictPart::Values => None,
                    }
                }
                _ => None,
            };
            self.release(mark);
            if let Some(result) = result {
                return Ok(Invoked::Value(Raw::bool(result)));
            }
        }
        let start = self.fiber.top;
        let class = self.class_of(value).held();
        let name = self.name(Name::Contains).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            if Value::adopt(method).is_none() {
                let got = self.type_name_for_error(value);
                return Err(self.type_error(format!("'{got}' object is not a container")));
            }
            let outcome = self.call_unbound(method, container, &[item], Then::Continue(truth_result))?;
            return self.carry_out(outcome, start);
        }
        // Any iterable: item by item, nested.
        let (container, wanted) = (self.push_raw(container), self.push_raw(item));
        let found = self.iterable_contains(container, wanted)?;
        Ok(Invoked::Value(Raw::bool(found)))
    }

    pub(super) fn iterable_contains(&mut self, container: Root, wanted: Root) -> Result<bool, Raised> {
        let mark = self.mark();
        let iterator = match self.iter(container) {
            Ok(iterator) => iterator,
            Err(raised) => {
                if self.raised_is(Exc::TypeError) {
                    self.take_raised(raised);
                    let got = self.type_name_for_error(container.get(self));
                    return Err(self.type_error(format!("argument of type '{got}' is not a container or iterable")));
                }
                return Err(raised);
            }
        };
        let inner = self.mark();
        while let Some(item) = self.next(iterator)? {
            if self.same_or_equal(item, wanted)? {
                self.release(mark);
                return Ok(true);
            }
            self.release(inner);
        }
        self.release(mark);
        Ok(false)
    }

    /// `item in container`, nested.
    pub fn contains_root(&mut self, container: Root, item: Root) -> Result<bool, Raised> {
        let (container, item) = (container.get(self).raw(), item.get(self).raw());
        Ok(self.run_nested(|cx| cx.contains(container, item))?.same(Raw::TRUE))
    }

    pub(super) fn sequence_contains(&mut self, sequence: Root, wanted: Root) -> Result<bool, Raised> {
        let mut at = 0;
        loop {
            let value = sequence.get(self);
            let item = match value.exact::<List>() {
                Some(list) => list.item(at),
                None => value.exact::<Tuple>().filter(|t| at < t.len()).map(|t| t.item(at)),
            };
            let Some(item) = item else { return Ok(false) };
            let wanted_value = wanted.get(self);
            let equal = if item.is(wanted_value) {
                true
            } else {
                match equal_without_script(item, wanted_value, 0) {
                    Some(equal) => equal,
                    None => {
                        let mark = self.mark();
                        let item = item.raw();
                        let item = self.push_raw(item);
                        let equal = self.equals(item, wanted)?;
                        self.release(mark);
                        equal
                    }
                }
            };
            if equal {
                return Ok(true);
            }
            at += 1;
        }
    }

    /// Whether an int is in a range.
    pub fn range_contains(&self, range: Value<'_>, item: Value<'_>) -> bool {
        let range = range.exact::<Range>().expect("a range");
        let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
        let (start, stop, step, item) =
            (big(range.start.get()), big(range.stop.get()), big(range.step.get()), big(item));
        let zero = Big::default();
        let inside = if step > zero { start <= item && item < stop } else { stop < item && item <= start };
        inside && (item - start) % step == zero
    }
}

/// The truth of what was returned.
pub(super) fn truth_result(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.truth_outcome(raw)
}
