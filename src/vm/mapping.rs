//! Names, items and keys: variables by name, subscripts, and dicts and sets whose keys a script may have to compare. A probe that
//! asks a script goes on from where it was, or starts again if the script changed the table.

use std::cell::Cell as StdCell;

use smallvec::SmallVec;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::object::{
    AnySet, ByteArray, Bytes, Class, ClassFlags, Dict, DictPart, DictView, Exc, Found, FrozenSet, GenericAlias, List,
    MappingProxy, Probe, Range, Set, SetFound, Slice, Str, Tuple, Variable,
};

use super::call::Invoked;
use super::native::{Args, NativeResult, Raised, Resumed, Root, Then};
use super::ops::CompareKind;
use super::{Name, Vm};

impl Vm {
    // ---- variables by name ----

    /// A global or builtin; fills the cache: globals' version, index, builtins' version (0 for a global).
    pub(super) fn load_global(
        &mut self,
        globals: Gc<'static, Dict>,
        name: Raw,
        cache: [&StdCell<u32>; 3],
    ) -> Result<Raw, Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(index) = globals.find_str(&self.heap, key) {
            cache[0].set(globals.version());
            cache[1].set(index as u32);
            cache[2].set(0);
            return Ok(globals.value_at(index).raw());
        }
        let builtins = self.builtins_of(globals);
        if let Some(index) = builtins.find_str(&self.heap, key) {
            if builtins.value().raw().same(self.builtins) {
                cache[0].set(globals.version());
                cache[1].set(index as u32);
                cache[2].set(builtins.version());
            }
            return Ok(builtins.value_at(index).raw());
        }
        Err(self.name_error(name))
    }

    /// The builtins that code with these globals sees: `__builtins__` may have been replaced.
    fn builtins_of(&self, globals: Gc<'static, Dict>) -> Gc<'static, Dict> {
        match globals.get_str(&self.heap, self.name(Name::Builtins)) {
            Some(value) => match value.exact::<Dict>() {
                Some(dict) => dict.held(),
                None => match value.exact::<crate::object::Module>() {
                    Some(module) => module.dict().held(),
                    None => self.builtins().held(),
                },
            },
            None => self.builtins().held(),
        }
    }

    pub(super) fn store_global(
        &mut self,
        globals: Gc<'static, Dict>,
        name: Raw,
        value: Raw,
        cache: [&StdCell<u32>; 2],
    ) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        let heap = self.heap.forever();
        let old = globals.get_str(heap, key).map(|v| v.raw());
        if globals.set_str(heap, key, Value::adopt(value)).is_err() {
            return Err(self.memory_error());
        }
        if let Some(index) = globals.find_str(heap, key) {
            cache[0].set(globals.version());
            cache[1].set(index as u32);
        }
        old.map_or(Ok(()), |old| self.let_go(old))
    }

    pub(super) fn delete_global(&mut self, globals: Gc<'static, Dict>, name: Raw) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        match globals.remove_str(&self.heap, key).map(|v| v.raw()) {
            Some(old) => self.let_go(old),
            None => Err(self.name_error(name)),
        }
    }

    /// A name in a namespace, None if it is not there. Any mapping can be one.
    fn find_name(&mut self, names: Raw, name: Raw) -> Result<Option<Raw>, Raised> {
        let value = Value::adopt(names);
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(dict) = value.exact::<Dict>() {
            return Ok(dict.get_str(&self.heap, key).map(|v| v.raw()));
        }
        let mark = self.mark();
        let (names, name) = (self.push_raw(names), self.push_raw(name));
        let result = match self.item(names, name) {
            Ok(found) => Some(found.get(self).raw()),
            Err(raised) => {
                if !self.raised_is(Exc::KeyError) {
                    return Err(raised);
                }
                self.take_raised(raised);
                None
            }
        };
        self.release(mark);
        Ok(result)
    }

    pub(super) fn load_name(&mut self, names: Raw, name: Raw, globals: Gc<'static, Dict>) -> Result<Raw, Raised> {
        if let Some(raw) = self.find_name(names, name)? {
            return Ok(raw);
        }
        let empty = [StdCell::new(0), StdCell::new(0), StdCell::new(0)];
        self.load_global(globals, name, [&empty[0], &empty[1], &empty[2]])
    }

    pub(super) fn load_name_or_free(
        &mut self,
        names: Raw,
        name: Raw,
        cell: Gc<'static, Variable>,
    ) -> Result<Raw, Raised> {
        if let Some(raw) = self.find_name(names, name)? {
            return Ok(raw);
        }
        let content = cell.content.get().raw();
        if content.is_unbound() { Err(self.unbound_free(name)) } else { Ok(content) }
    }

    pub(super) fn store_name(&mut self, names: Raw, name: Raw, value: Raw) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(dict) = Value::adopt(names).exact::<Dict>() {
            return match dict.held().set_str(self.heap.forever(), key, Value::adopt(value)) {
                Ok(()) => Ok(()),
                Err(_) => Err(self.memory_error()),
            };
        }
        let mark = self.mark();
        let (names, name, value) = (self.push_raw(names), self.push_raw(name), self.push_raw(value));
        self.set_item_root(names, name, value)?;
        self.release(mark);
        Ok(())
    }

    pub(super) fn delete_name(&mut self, names: Raw, name: Raw) -> Result<(), Raised> {
        let key = Value::adopt(name).exact::<Str>().expect("names are texts");
        if let Some(dict) = Value::adopt(names).exact::<Dict>() {
            return match dict.remove_str(&self.heap, key) {
                Some(_) => Ok(()),
                None => Err(self.name_error(name)),
            };
        }
        let mark = self.mark();
        let (names, key) = (self.push_raw(names), self.push_raw(name));
        let result = self.delete_item_root(names, key);
        self.release(mark);
        match result {
            Err(raised) if self.raised_is(Exc::KeyError) => {
                self.take_raised(raised);
                Err(self.name_error(name))
            }
            other => other,
        }
    }

    /// `locals()` of the frame on top: its namespace, or a fresh dict of what is bound.
    pub(super) fn locals_of_top(&mut self) -> Result<Raw, Raised> {
        let at = self.fiber.records.len() - 1;
        self.locals_of(at)
    }

    /// `locals()` of a running frame.
    pub(super) fn locals_of(&mut self, at: usize) -> Result<Raw, Raised> {
        let record = self.fiber.records[at];
        let function = record.function.expect("a frame of the language");
        Ok(self.named_locals(function, |cx, register| match record.kind {
            super::frame::RecordKind::InPlace { generator, .. } => generator.get_tail_value(register).raw(),
            _ => cx.fiber.registers.get(record.base + register as u32).raw(),
        }))
    }

    // ---- dicts ----

    /// The dict of a dict or of an instance of a class derived from dict.
    #[inline]
    pub fn dict_of<'h>(&'h self, value: Value<'h>) -> Option<Gc<'h, Dict>> {
        value.exact::<Dict>().or_else(|| self.payload(value).exact::<Dict>())
    }

    fn dict_at(&self, root: Root) -> Gc<'static, Dict> {
        self.dict_of(root.get(self)).expect("callers pass dicts").held()
    }

    /// The number of the entry with a key.
    pub fn dict_find(&mut self, dict: Root, key: Root) -> Result<Option<usize>, Raised> {
        let hash = self.dict_key_hash(key)?;
        self.dict_find_hash(dict, key, hash)
    }

    fn dict_find_hash(&mut self, dict: Root, key: Root, hash: i64) -> Result<Option<usize>, Raised> {
        let mut probe = Probe::START;
        loop {
            let table = self.dict_at(dict);
            match table.find_from(&self.heap, hash, key.get(self), probe) {
                Found::Entry(index) => return Ok(Some(index)),
                Found::Missing => return Ok(None),
                Found::Ask(index, next) => {
                    let version = table.version();
                    let mark = self.mark();
                    let known = table.entry(index).expect("found there").0.raw();
                    let known = self.push_raw(known);
                    let equal = self.equals(known, key)?;
                    self.release(mark);
                    if self.dict_at(dict).version() != version {
                        probe = Probe::START;
                        continue;
                    }
                    if equal {
                        return Ok(Some(index));
                    }
                    probe = next;
                }
            }
        }
    }

    /// The value of a key.
    pub fn dict_get(&mut self, dict: Root, key: Root) -> Result<Option<Root>, Raised> {
        match self.dict_find(dict, key)? {
            Some(index) => {
                let raw = self.dict_at(dict).value_at(index).raw();
                Ok(Some(self.push_raw(raw)))
            }
            None => Ok(None),
        }
    }

    /// Sets the value of a key.
    pub fn dict_set(&mut self, dict: Root, key: Root, value: Root) -> Result<(), Raised> {
        let hash = self.dict_key_hash(key)?;
        let found = self.dict_find_hash(dict, key, hash)?;
        let table = self.dict_at(dict);
        let (key, value) = (key.get(self).raw(), value.get(self).raw());
        match found {
            Some(index) => table.set_value_at(&self.heap, index, Value::adopt(value)),
            None => {
                if table.insert(self.heap.forever(), hash, Value::adopt(key), Value::adopt(value)).is_err() {
                    return Err(self.memory_error());
                }
            }
        }
        Ok(())
    }

    /// Removes a key, and returns its value.
    pub fn dict_remove(&mut self, dict: Root, key: Root) -> Result<Option<Root>, Raised> {
        match self.dict_find(dict, key)? {
            Some(index) => {
                let table = self.dict_at(dict);
                let raw = table.value_at(index).raw();
                table.remove_at(&self.heap, index);
                Ok(Some(self.push_raw(raw)))
            }
            None => Ok(None),
        }
    }

    /// Adds the pairs of another dict (exact or derived): what `|`, `update` and `**` come to.
    pub fn dict_merge_from(&mut self, dict: Root, other: Root) -> Result<(), Raised> {
        let source = self.dict_at(other);
        let extra = source.len();
        let target = self.dict_at(dict);
        if target == source {
            return Ok(());
        }
        if target.is_empty() && target.reserve(self.heap.forever(), extra).is_err() {
            return Err(self.memory_error());
        }
        let mut index = 0;
        while index < self.dict_at(other).used() {
            let source = self.dict_at(other);
            if let Some((key, value)) = source.entry(index) {
                let hash = source.entry_hash(index);
                let mark = self.mark();
                let (key, value) = (key.raw(), value.raw());
                let (key, value) = (self.push_raw(key), self.push_raw(value));
                let version = source.version();
                let found = self.dict_find_hash(dict, key, hash)?;
                let table = self.dict_at(dict);
                let (k, v) = (key.get(self).raw(), value.get(self).raw());
                match found {
                    Some(at) => table.set_value_at(&self.heap, at, Value::adopt(v)),
                    None => {
                        let done = table.insert(self.heap.forever(), hash, Value::adopt(k), Value::adopt(v));
                        if done.is_err() {
                            return Err(self.memory_error());
                        }
                    }
                }
                self.release(mark);
                if self.dict_at(other).version() != version {
                    return Err(self.runtime_error("dict mutated during update"));
                }
            }
            index += 1;
        }
        Ok(())
    }

    /// `dict.update(mapping)`: a dict, or anything with `keys`.
    pub fn dict_update_from(&mut self, dict: Root, mapping: Root) -> Result<(), Raised> {
        if mapping.get(self).exact::<Dict>().is_some() {
            return self.dict_merge_from(dict, mapping);
        }
        let mark = self.mark();
        let keys = self.call_method(mapping, "keys", &[])?;
        let iterator = self.iter(keys)?;
        let inner = self.mark();
        while let Some(key) = self.next(iterator)? {
            let value = self.item(mapping, key)?;
            self.dict_set(dict, key, value)?;
            self.release(inner);
        }
        self.release(mark);
        Ok(())
    }

    pub(super) fn dict_set_raw(&mut self, dict: Raw, key: Raw, value: Raw) -> Result<(), Raised> {
        let (dict, key, value) = (self.push_raw(dict), self.push_raw(key), self.push_raw(value));
        self.dict_set(dict, key, value)
    }

    pub(super) fn dict_update_raw(&mut self, dict: Raw, mapping: Raw) -> Result<(), Raised> {
        let (dict, mapping) = (self.push_raw(dict), self.push_raw(mapping));
        if mapping.get(self).exact::<Dict>().is_none() && self.find_attribute(mapping, "keys")?.is_none() {
            let got = self.type_name_for_error(mapping.get(self));
            return Err(self.type_error(format!("'{got}' object is not a mapping")));
        }
        self.dict_update_from(dict, mapping)
    }

    /// `f(**mapping)` after other keywords.
    pub(super) fn dict_merge_raw(&mut self, dict: Raw, mapping: Raw, callee: Raw) -> Result<(), Raised> {
        let (dict, mapping, callee) = (self.push_raw(dict), self.push_raw(mapping), self.push_raw(callee));
        if mapping.get(self).exact::<Dict>().is_none() && self.find_attribute(mapping, "keys")?.is_none() {
            let function = self.callee_text(callee)?;
            let got = self.type_name_for_error(mapping.get(self));
            return Err(self.type_error(format!("{function} argument after ** must be a mapping, not {got}")));
        }
        let keys = match mapping.get(self).exact::<Dict>() {
            Some(_) => self.list_from(mapping)?,
            None => {
                let keys = self.call_method(mapping, "keys", &[])?;
                self.list_from(keys)?
            }
        };
        let len = keys.get(self).exact::<List>().map_or(0, |l| l.len());
        for i in 0..len {
            let mark = self.mark();
            let key = keys.get(self).exact::<List>().and_then(|l| l.item(i)).map_or(Raw::NONE, |v| v.raw());
            let key = self.push_raw(key);
            if self.as_str(key.get(self)).is_none() {
                return Err(self.type_error("keywords must be strings".into()));
            }
            if self.dict_find(dict, key)?.is_some() {
                let function = self.callee_text(callee)?;
                let name = self.str_text(key)?;
                return Err(self.type_error(format!("{function} got multiple values for keyword argument '{name}'")));
            }
            let value = self.item(mapping, key)?;
            self.dict_set(dict, key, value)?;
            self.release(mark);
        }
        Ok(())
    }

    /// A callable as the errors of calls with `*` and `**` name it.
    pub(super) fn callee_text(&mut self, callee: Root) -> Result<String, Raised> {
        let mark = self.mark();
        let text = match self.find_attribute(callee, "__qualname__")? {
            Some(name) if self.as_str(name.get(self)).is_some() => {
                let name = self.str_text(name)?;
                let module = self.find_attribute(callee, "__module__")?;
                match module {
                    Some(module) if self.as_str(module.get(self)).is_some() => {
                        let module = self.str_text(module)?;
                        if module == "builtins" { format!("{name}()") } else { format!("{module}.{name}()") }
                    }
                    _ => format!("{name}()"),
                }
            }
            _ => {
                let text = self.str_of(callee)?;
                self.str_text(text)?
            }
        };
        self.release(mark);
        Ok(text)
    }

    pub(super) fn build_map(&mut self, items: SmallVec<[Raw; 16]>) -> Result<Raw, Raised> {
        let heap = self.heap.forever();
        let dict = Dict::new(heap);
        if items.len() > 16 && dict.reserve(heap, items.len() / 2).is_err() {
            return Err(self.memory_error());
        }
        let raw = dict.value().raw();
        let mut rooted = None;
        for pair in items.chunks_exact(2) {
            // Texts first: they never ask a script.
            if let Some(key) = Value::adopt(pair[0]).exact::<Str>() {
                if dict.set_str(heap, key, Value::adopt(pair[1])).is_err() {
                    return Err(self.memory_error());
                }
                continue;
            }
            // The items are still in the frame's registers; the dict is not.
            let root = *rooted.get_or_insert_with(|| self.push_raw(raw));
            let mark = self.mark();
            let (key, value) = (self.push_raw(pair[0]), self.push_raw(pair[1]));
            self.dict_set(root, key, value)?;
            self.release(mark);
        }
        Ok(raw)
    }

    /// `a == b` of dicts.
    pub(super) fn dicts_equal(&mut self, a: Raw, b: Raw) -> Result<bool, Raised> {
        self.check_stack()?;
        let mark = self.mark();
        let (a, b) = (self.push_raw(a), self.push_raw(b));
        let mut equal = self.dict_at(a).len() == self.dict_at(b).len();
        let mut index = 0;
        while equal && index < self.dict_at(a).used() {
            let table = self.dict_at(a);
            if let Some((key, value)) = table.entry(index) {
                let (hash, key, value) = (table.entry_hash(index), key.raw(), value.raw());
                let inner = self.mark();
                let (key, value) = (self.push_raw(key), self.push_raw(value));
                equal = match self.dict_find_hash(b, key, hash)? {
                    Some(at) => {
                        let other = self.dict_at(b).value_at(at).raw();
                        let other = self.push_raw(other);
                        self.same_or_equal(value, other)?
                    }
                    None => false,
                };
                self.release(inner);
            }
            index += 1;
        }
        self.release(mark);
        Ok(equal)
    }

    pub(super) fn dict_has_item(&mut self, dict: Root, item: Root) -> Result<bool, Raised> {
        let Some((key, value)) =
            item.get(self).exact::<Tuple>().filter(|t| t.len() == 2).map(|t| (t.item(0).raw(), t.item(1).raw()))
        else {
            return Ok(false);
        };
        let mark = self.mark();
        let (key, value) = (self.push_raw(key), self.push_raw(value));
        let found = match self.dict_get(dict, key)? {
            Some(known) => self.same_or_equal(known, value)?,
            None => false,
        };
        self.release(mark);
        Ok(found)
    }

    // ---- sets ----

    /// The place of a key in a set or frozenset (exact or derived).
    pub fn set_find(&mut self, set: Root, key: Root, hash: i64) -> Result<Option<usize>, Raised> {
        let mut probe = None;
        loop {
            let value = self.payload(set.get(self)).raw();
            let value = Value::adopt(value);
            let known_len = self.set_state(value);
            let key_value = key.get(self);
            let found = match (value.exact::<Set>(), value.exact::<FrozenSet>()) {
                (Some(s), _) => s.find_from(hash, key_value, probe.unwrap_or_else(|| s.probe(hash))),
                (_, Some(s)) => s.find_from(hash, key_value, probe.unwrap_or_else(|| s.probe(hash))),
                _ => SetFound::Missing,
            };
            match found {
                SetFound::Place(place) => return Ok(Some(place)),
                SetFound::Missing => return Ok(None),
                SetFound::Ask(place, next) => {
                    let known = match (value.exact::<Set>(), value.exact::<FrozenSet>()) {
                        (Some(s), _) => s.at(place),
                        (_, Some(s)) => s.at(place),
                        _ => None,
                    };
                    let known = known.expect("found there").1.raw();
                    let mark = self.mark();
                    let known = self.push_raw(known);
                    let equal = self.equals(known, key)?;
                    self.release(mark);
                    let value = self.payload(set.get(self)).raw();
                    if self.set_state(Value::adopt(value)) != known_len {
                        probe = None;
                        continue;
                    }
                    if equal {
                        return Ok(Some(place));
                    }
                    probe = Some(next);
                }
            }
        }
    }

    fn set_state(&self, value: Value<'_>) -> (usize, usize) {
        match (value.exact::<Set>(), value.exact::<FrozenSet>()) {
            (Some(s), _) => (s.len(), s.places()),
            (_, Some(s)) => (s.len(), s.places()),
            _ => (0, 0),
        }
    }

    /// Adds a key to a set; whether it was new.
    pub fn set_add(&mut self, set: Root, key: Root) -> Result<bool, Raised> {
        let hash = self.set_element_hash(key)?;
        self.set_add_hash(set, key, hash)
    }

    /// As `set_add`, with the hash known.
    pub fn set_add_hash(&mut self, set: Root, key: Root, hash: i64) -> Result<bool, Raised> {
        if self.set_find(set, key, hash)?.is_some() {
            return Ok(false);
        }
        let heap = self.heap.forever();
        let value = self.payload(set.get(self)).raw();
        let value = Value::adopt(value);
        let key = Value::adopt(key.get(self).raw());
        let done = match (value.exact::<Set>(), value.exact::<FrozenSet>()) {
            (Some(s), _) => s.insert(heap, hash, key),
            (_, Some(s)) => s.insert(heap, hash, key),
            _ => Ok(()),
        };
        match done {
            Ok(()) => Ok(true),
            Err(_) => Err(self.memory_error()),
        }
    }

    /// Adds a key to a frozenset that is being made.
    pub fn frozenset_add(&mut self, set: Root, key: Root) -> Result<bool, Raised> {
        self.set_add(set, key)
    }

    /// Whether a key is in a set. A set as key stands for the frozenset equal to it.
    pub fn set_contains(&mut self, set: Root, key: Root) -> Result<bool, Raised> {
        let hash = self.set_key_hash(key)?;
        Ok(self.set_find(set, key, hash)?.is_some())
    }

    fn set_key_hash(&mut self, key: Root) -> Result<i64, Raised> {
        if self.payload(key.get(self)).kind() == Kind::Set {
            return self.hash_frozenset(key);
        }
        self.set_element_hash(key)
    }

    /// The hash of a dict's key; an error says what it was to be used as.
    #[inline]
    fn dict_key_hash(&mut self, key: Root) -> Result<i64, Raised> {
        match crate::object::key::hash_without_script(&self.heap, key.get(self)) {
            Some(hash) => Ok(hash),
            None => self.key_hash(key, "a dict key"),
        }
    }

    /// The hash of a set's element; an error says what it was to be used as.
    #[inline]
    pub fn set_element_hash(&mut self, key: Root) -> Result<i64, Raised> {
        match crate::object::key::hash_without_script(&self.heap, key.get(self)) {
            Some(hash) => Ok(hash),
            None => self.key_hash(key, "a set element"),
        }
    }

    fn key_hash(&mut self, key: Root, role: &str) -> Result<i64, Raised> {
        let raised = match self.hash(key) {
            Ok(hash) => return Ok(hash),
            Err(raised) => raised,
        };
        let type_error = self.exception_class(Exc::TypeError).held();
        let mark = self.mark();
        let exception = self.take_raised(raised);
        let exception = self.push_raw(exception);
        if self.class_of(exception.get(self)) != type_error {
            return Err(self.raise(exception));
        }
        let text = self.str_text(exception)?;
        let class = self.class_of(key.get(self)).held();
        let name = match self.class_module(class).as_str() {
            "builtins" | "__main__" => self.class_qualname(class),
            module => format!("{module}.{}", self.class_qualname(class)),
        };
        self.release(mark);
        Err(self.type_error(format!("cannot use '{name}' as {role} ({text})")))
    }

    /// Removes a key from a set; whether it was there.
    pub fn set_discard(&mut self, set: Root, key: Root) -> Result<bool, Raised> {
        let hash = self.set_key_hash(key)?;
        match self.set_find(set, key, hash)? {
            Some(place) => {
                let value = self.payload(set.get(self)).raw();
                let value = Value::adopt(value);
                if let Some(s) = value.exact::<Set>() {
                    s.remove_at(&self.heap, place);
                }
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The keys of a set or frozenset with their hashes, in order.
    pub fn set_items(&self, value: Value<'_>) -> Vec<(i64, Raw)> {
        let value = self.payload(value);
        match (value.exact::<Set>(), value.exact::<FrozenSet>()) {
            (Some(s), _) => s.iter().map(|(h, v)| (h, v.raw())).collect(),
            (_, Some(s)) => s.iter().map(|(h, v)| (h, v.raw())).collect(),
            _ => vec![],
        }
    }

    /// The hash of a set's items, as of the frozenset with them.
    pub(super) fn hash_frozenset(&mut self, root: Root) -> Result<i64, Raised> {
        let mut hash = crate::number::hash::SetHash::default();
        for (item, _) in self.set_items(root.get(self)) {
            hash.push(item);
        }
        Ok(hash.finish())
    }

    pub(super) fn set_add_raw(&mut self, set: Raw, key: Raw) -> Result<(), Raised> {
        let (set, key) = (self.push_raw(set), self.push_raw(key));
        self.set_add(set, key).map(|_| ())
    }

    pub(super) fn set_update_raw(&mut self, set: Raw, iterable: Raw) -> Result<(), Raised> {
        let (set, iterable) = (self.push_raw(set), self.push_raw(iterable));
        self.set_extend(set, iterable)
    }

    pub(super) fn build_set(&mut self, items: SmallVec<[Raw; 16]>) -> Result<Raw, Raised> {
        let set = Set::new(&self.heap).value().raw();
        let set = self.push_raw(set);
        for item in items {
            let mark = self.mark();
            let item = self.push_raw(item);
            self.set_add(set, item)?;
            self.release(mark);
        }
        Ok(set.get(self).raw())
    }

    /// `a OP b` of sets and frozensets (`|`, `&`, `-`, `^`); None for other types.
    pub(super) fn set_binary(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        let setlike = |cx: &Vm, raw: Raw| {
            let value = cx.payload(Value::adopt(raw));
            match value.kind() {
                Kind::Set | Kind::FrozenSet => true,
                Kind::DictView => value.exact::<DictView>().is_some_and(|v| v.part != DictPart::Values),
                _ => false,
            }
        };
        if !setlike(self, a) || !(setlike(self, b) || Value::adopt(a).kind() == Kind::DictView) {
            return Ok(None);
        }
        let mark = self.mark();
        let (left, right) = (self.push_raw(a), self.push_raw(b));
        let frozen = self.payload(left.get(self)).kind() == Kind::FrozenSet;
        let result = self.new_set_from(left, false)?;
        match kind {
            BinaryKind::Or => self.set_extend(result, right)?,
            BinaryKind::Sub => {
                let other = self.as_set(right)?;
                for (hash, key) in self.set_items(result.get(self)) {
                    let inner = self.mark();
                    let key = self.push_raw(key);
                    if self.set_find(other, key, hash)?.is_some() {
                        self.set_discard(result, key)?;
                    }
                    self.release(inner);
                }
                // A difference is built afresh, as CPython does.
                let fresh = self.new_set_from(result, false)?;
                let raw = fresh.get(self).raw();
                result.set(self, Value::adopt(raw));
            }
            BinaryKind::And => {
                let other = self.as_set(right)?;
                let (mut small, mut large) = (result, other);
                if self.set_items(other.get(self)).len() < self.set_items(result.get(self)).len()
                    || Value::adopt(a).kind() == Kind::DictView
                {
                    (small, large) = (other, result);
                }
                let fresh = Set::new(&self.heap).value().raw();
                let fresh = self.push_raw(fresh);
                for (hash, key) in self.set_items(small.get(self)) {
                    let inner = self.mark();
                    let key = self.push_raw(key);
                    if self.set_find(large, key, hash)?.is_some() {
                        self.set_add_hash(fresh, key, hash)?;
                    }
                    self.release(inner);
                }
                let raw = fresh.get(self).raw();
                result.set(self, Value::adopt(raw));
            }
            _ => {
                let other = self.as_set(right)?;
                for (hash, key) in self.set_items(other.get(self)) {
                    let inner = self.mark();
                    let key = self.push_raw(key);
                    if self.set_find(result, key, hash)?.is_some() {
                        self.set_discard(result, key)?;
                    } else {
                        self.set_add_hash(result, key, hash)?;
                    }
                    self.release(inner);
                }
            }
        }
        let result = if frozen { self.new_set_from(result, true)? } else { result };
        let raw = result.get(self).raw();
        self.release(mark);
        Ok(Some(raw))
    }

    /// A set as it is, or a new one of an iterable's items.
    pub fn as_set(&mut self, root: Root) -> Result<Root, Raised> {
        match self.payload(root.get(self)).kind() {
            Kind::Set | Kind::FrozenSet => Ok(root),
            _ => {
                let set = Set::new(&self.heap).value().raw();
                let set = self.push_raw(set);
                self.set_extend(set, root)?;
                Ok(set)
            }
        }
    }

    /// A new set (or frozenset) with the items of an iterable.
    pub fn new_set_from(&mut self, iterable: Root, frozen: bool) -> Result<Root, Raised> {
        let raw = if frozen { FrozenSet::new(&self.heap).value().raw() } else { Set::new(&self.heap).value().raw() };
        let set = self.push_raw(raw);
        self.set_extend(set, iterable)?;
        Ok(set)
    }

    /// Adds every item of an iterable. A set as source is copied table by table where CPython does so.
    pub fn set_extend(&mut self, set: Root, iterable: Root) -> Result<(), Raised> {
        let source = self.payload(iterable.get(self)).raw();
        let target = self.payload(set.get(self)).raw();
        let (source, target) = (Value::adopt(source), Value::adopt(target));
        let heap = self.heap.forever();
        let sets = (AnySet::of(target), AnySet::of(source));
        if let (Some(to), Some(from)) = sets {
            if from.is_empty() || target.is(source) {
                return Ok(());
            }
            match to.merge_clean(heap, from) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => return Err(self.memory_error()),
            }
            let mut place = 0;
            while let Some(from) = AnySet::of(self.payload(iterable.get(self)))
                && place < from.places()
            {
                let found = from.at(place).map(|(hash, key)| (hash, key.raw()));
                place += 1;
                if let Some((hash, key)) = found {
                    let mark = self.mark();
                    let key = self.push_raw(key);
                    self.set_add_hash(set, key, hash)?;
                    self.release(mark);
                }
            }
            return Ok(());
        }
        if let (Some(to), Some(dict)) = (sets.0, source.exact::<Dict>())
            && to.reserve(heap, dict.len()).is_err()
        {
            return Err(self.memory_error());
        }
        if let Some(dict) = source.exact::<Dict>() {
            let mut index = 0;
            let dict = dict.held();
            while index < dict.used() {
                if let Some((key, _)) = dict.entry(index) {
                    let mark = self.mark();
                    let (hash, key) = (dict.entry_hash(index), key.raw());
                    let key = self.push_raw(key);
                    self.set_add_hash(set, key, hash)?;
                    self.release(mark);
                }
                index += 1;
            }
            return Ok(());
        }
        self.for_each(iterable, &mut |cx, item| cx.set_add(set, item).map(|_| ()))
    }

    /// Comparisons of sets: inclusion.
    pub(super) fn compare_sets(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<bool, Raised> {
        let (n, m) = (self.set_items(Value::adopt(a)).len(), self.set_items(Value::adopt(b)).len());
        let (a, b) = match kind {
            CompareKind::Gt | CompareKind::Ge => (b, a),
            _ => (a, b),
        };
        let sizes = match kind {
            CompareKind::Eq | CompareKind::Ne => n == m,
            CompareKind::Lt => n < m,
            CompareKind::Le => n <= m,
            CompareKind::Gt => n > m,
            CompareKind::Ge => n >= m,
        };
        let mut inside = sizes;
        if inside {
            let mark = self.mark();
            let (first, second) = (self.push_raw(a), self.push_raw(b));
            for (hash, key) in self.set_items(first.get(self)) {
                let inner = self.mark();
                let key = self.push_raw(key);
                inside = self.set_find(second, key, hash)?.is_some();
                self.release(inner);
                if !inside {
                    break;
                }
            }
            self.release(mark);
        }
        Ok(inside == (kind != CompareKind::Ne))
    }

    pub(super) fn compare_views(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<bool>, Raised> {
        let is_values = |raw: Raw| Value::adopt(raw).exact::<DictView>().is_some_and(|v| v.part == DictPart::Values);
        if is_values(a) || is_values(b) {
            return Ok(None);
        }
        let mark = self.mark();
        let (a, b) = (self.push_raw(a), self.push_raw(b));
        let (x, y) = (self.as_set(a)?, self.as_set(b)?);
        let (x, y) = (x.get(self).raw(), y.get(self).raw());
        let result = self.compare_sets(kind, x, y)?;
        self.release(mark);
        Ok(Some(result))
    }

    // ---- lists ----

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
        self.list_extend_raw(list, iterable)
    }

    /// `list.extend(iterable)`.
    pub(super) fn list_extend_raw(&mut self, list: Raw, iterable: Raw) -> Result<(), Raised> {
        let heap = self.heap.forever();
        let target = Value::adopt(list).exact::<List>().expect("a list");
        let source = Value::adopt(iterable);
        let memory = if let Some(other) = source.exact::<List>() {
            let len = other.len();
            match target.reserve(heap, len) {
                Ok(_) => {
                    (0..len).try_for_each(|i| target.push(heap, other.item(i).expect("the source does not shrink")))
                }
                Err(e) => Err(e),
            }
        } else if let Some(tuple) = source.exact::<Tuple>() {
            match target.reserve(heap, tuple.len()) {
                Ok(_) => tuple.items().try_for_each(|item| target.push(heap, item)),
                Err(e) => Err(e),
            }
        } else {
            let mark = self.mark();
            let (list, iterable) = (self.push_raw(list), self.push_raw(iterable));
            self.for_each(iterable, &mut |cx, item| cx.list_push(list, item))?;
            self.release(mark);
            Ok(())
        };
        memory.map_err(|_| self.memory_error())
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
            Some(list) => {
                let items: Vec<Value<'_>> = list.items().collect();
                self.tuple(&items).value().raw()
            }
            None => {
                let list = self.list_from(iterable)?;
                let items: Vec<Value<'_>> = list.get(self).exact::<List>().expect("a list").items().collect();
                self.tuple(&items).value().raw()
            }
        };
        self.release(mark);
        Ok(self.push_raw(raw))
    }

    pub(super) fn build_slice(&self, start: Raw, stop: Raw, step: Raw) -> Raw {
        let slot = |raw: Raw| Slot::new(Value::adopt(raw));
        self.heap.alloc(Slice { start: slot(start), stop: slot(stop), step: slot(step) }).value().raw()
    }

    // ---- subscripts ----

    /// `object[index]` for exact builtin types; None where a class has a say.
    fn builtin_item(&mut self, object: Raw, index: Raw) -> Result<Option<Raw>, Raised> {
        let value = Value::adopt(object);
        if value.is_subclassed() {
            return Ok(None);
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
            Kind::MappingProxy => {
                let mark = self.mark();
                let mapping = value.exact::<MappingProxy>().expect("a proxy").mapping.get().raw();
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

    fn range_item(&mut self, range: Root, index: Root) -> Result<Raw, Raised> {
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

    fn sequence_slice(&mut self, sequence: Root, slice: Root, kind: Kind) -> Result<Raw, Raised> {
        if kind == Kind::Range {
            return self.range_slice(sequence, slice);
        }
        let len = self.builtin_length(sequence.get(self)).unwrap_or(0);
        let (start, _, step, count) = self.slice_bounds(slice, len)?;
        let heap = self.heap.forever();
        let value = Value::adopt(sequence.get(self).raw());
        let at = |i: usize| (start + i as i64 * step) as usize;
        Ok(match kind {
            Kind::List => {
                let list = value.exact::<List>().expect("a list");
                // The bounds may have come from scripts that changed the list.
                List::build(heap, count, |i| list.item(at(i)).unwrap_or(Value::NONE)).value().raw()
            }
            Kind::Tuple => {
                let tuple = value.exact::<Tuple>().expect("a tuple");
                if count == 0 {
                    self.empty_tuple
                } else if count == tuple.len() && step == 1 {
                    value.raw()
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
                    for i in 0..count {
                        let (from, to) = (text.offset(heap, at(i)), text.offset(heap, at(i) + 1));
                        picked.extend_from_slice(&bytes[from..to]);
                    }
                    Str::from_parts(heap, &[&picked]).value().raw()
                }
            }
        })
    }

    fn range_slice(&mut self, range: Root, slice: Root) -> Result<Raw, Raised> {
        use crate::number::int as integer;
        let len = match self.range_len(range.get(self)) {
            integer::Int::Small(n) => n as usize,
            integer::Int::Big(_) => return Err(self.missing("slices of ranges longer than 64 bits")),
        };
        let (start, stop, step, _) = self.slice_bounds(slice, len)?;
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

    /// `object[index]` out of line.
    pub(super) fn get_item(&mut self, object: Raw, index: Raw) -> Result<Invoked, Raised> {
        if let Some(raw) = self.builtin_item(object, index)? {
            return Ok(Invoked::Value(raw));
        }
        let value = Value::adopt(object);
        let start = self.fiber.top;
        let class = self.class_of(value).held();
        let name = self.name(Name::GetItem).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            let outcome = self.call_unbound(method, object, &[index], Then::Return)?;
            return self.carry_out(outcome, start);
        }
        if let Some(generic) = value.exact::<Class>() {
            let generic = generic.held();
            let name = self.name(Name::ClassGetItem).held();
            if self.lookup_class(generic, name).is_some() {
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

    /// `origin[args]` as a generic alias.
    pub fn new_generic_alias(&mut self, origin: Raw, args: Raw) -> Result<Raw, Raised> {
        let heap = self.heap.forever();
        let args = match Value::adopt(args).exact::<Tuple>() {
            Some(tuple) => tuple.value(),
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
        if !target.is_subclassed() && target.kind() == Kind::Dict {
            self.dict_set_raw(object, index, value)?;
            return Ok(Invoked::Value(Raw::NONE));
        }
        let start = self.fiber.top;
        let class = self.class_of(target).held();
        let name = self.name(Name::SetItem).held();
        let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else {
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

    /// `del object[index]` out of line.
    pub(super) fn delete_item(&mut self, object: Raw, index: Raw) -> Result<Invoked, Raised> {
        let target = Value::adopt(object);
        if !target.is_subclassed() && target.kind() == Kind::Dict {
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
            return Err(self.type_error(format!("'{got}' object doesn't support item deletion")));
        };
        let outcome = self.call_unbound(method, object, &[index], Then::Return)?;
        self.carry_out(outcome, start)
    }

    /// `del object[key]`, nested.
    pub fn delete_item_root(&mut self, object: Root, key: Root) -> Result<(), Raised> {
        let (object, key) = (object.get(self).raw(), key.get(self).raw());
        self.run_nested(|cx| cx.delete_item(object, key)).map(|_| ())
    }

    // ---- match ----

    pub(super) fn matches_sequence(&self, raw: Raw) -> bool {
        self.class_of(Value::adopt(raw)).mro().any(|c| c.has(ClassFlags::SEQUENCE))
    }

    pub(super) fn matches_mapping(&self, raw: Raw) -> bool {
        self.class_of(Value::adopt(raw)).mro().any(|c| c.has(ClassFlags::MAPPING))
    }

    /// The values of a mapping for the keys of a pattern, or None.
    pub(super) fn match_keys(&mut self, subject: Raw, keys: Raw) -> Result<Raw, Raised> {
        let mark = self.mark();
        let (subject, keys) = (self.push_raw(subject), self.push_raw(keys));
        let values = List::new(&self.heap, &[]).value().raw();
        let values = self.push_raw(values);
        let seen = Set::new(&self.heap).value().raw();
        let seen = self.push_raw(seen);
        let missing = self.object_class().value().raw();
        let missing = self.push_raw(missing);
        let default = self.call(missing, &[])?;
        let get = self.attribute(subject, "get")?;
        let len = keys.get(self).exact::<Tuple>().map_or(0, |t| t.len());
        for i in 0..len {
            let inner = self.mark();
            let key = keys.get(self).exact::<Tuple>().expect("a tuple").item(i).raw();
            let key = self.push_raw(key);
            if !self.set_add(seen, key)? {
                let text = self.repr_text(key)?;
                return Err(self.value_error(format!("mapping pattern checks duplicate key ({text})")));
            }
            let value = self.call(get, &[key, default])?;
            if value.get(self).is(default.get(self)) {
                self.release(mark);
                return Ok(Raw::NONE);
            }
            self.list_push(values, value)?;
            self.release(inner);
        }
        let raw = self.tuple_from(values)?.get(self).raw();
        self.release(mark);
        Ok(raw)
    }

    /// The attributes a class pattern binds, or None if the subject is no instance.
    pub(super) fn match_class(&mut self, parts: [Raw; 3], positional: usize) -> Result<Raw, Raised> {
        let mark = self.mark();
        let [subject, class, names] = parts.map(|p| self.push_raw(p));
        if class.get(self).exact::<Class>().is_none() {
            let got = self.type_name_for_error(class.get(self));
            let _ = got;
            return Err(self.type_error("called match pattern must be a class".into()));
        }
        if !self.is_instance(subject, class)? {
            self.release(mark);
            return Ok(Raw::NONE);
        }
        let values = List::new(&self.heap, &[]).value().raw();
        let values = self.push_raw(values);
        let mut used: Vec<String> = vec![];
        if positional > 0 {
            let class_name = class.get(self).exact::<Class>().expect("a class").name().to_str_lossy().into_owned();
            let args = self.find_attribute(class, "__match_args__")?;
            let mut allowed: Vec<Raw> = vec![];
            let mut by_self = false;
            match args {
                Some(args) => {
                    let Some(tuple) = args.get(self).exact::<Tuple>() else {
                        let got = self.type_name_for_error(args.get(self));
                        return Err(self.type_error(format!("{class_name}.__match_args__ must be a tuple (got {got})")));
                    };
                    allowed = tuple.items().map(|v| v.raw()).collect();
                }
                None => {
                    by_self =
                        class.get(self).exact::<Class>().expect("a class").mro().any(|c| c.has(ClassFlags::MATCH_SELF));
                }
            }
            let most = if by_self { 1 } else { allowed.len() };
            if positional > most {
                let s = if most == 1 { "" } else { "s" };
                return Err(self.type_error(format!(
                    "{class_name}() accepts {most} positional sub-pattern{s} ({positional} given)"
                )));
            }
            if by_self {
                self.list_push(values, subject)?;
            } else {
                for name in &allowed[..positional] {
                    let Some(text) = Value::adopt(*name).exact::<Str>() else {
                        let got = self.type_name_for_error(Value::adopt(*name));
                        return Err(self.type_error(format!("__match_args__ elements must be strings (got {got})")));
                    };
                    let text = text.to_str_lossy().into_owned();
                    if used.contains(&text) {
                        return Err(
                            self.type_error(format!("{class_name}() got multiple sub-patterns for attribute '{text}'"))
                        );
                    }
                    let Some(value) = self.find_attribute(subject, &text)? else {
                        self.release(mark);
                        return Ok(Raw::NONE);
                    };
                    used.push(text);
                    self.list_push(values, value)?;
                }
            }
        }
        let len = names.get(self).exact::<Tuple>().map_or(0, |t| t.len());
        for i in 0..len {
            let name = names.get(self).exact::<Tuple>().expect("a tuple").item(i);
            let text = name.exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
            if used.contains(&text) {
                let class_name = class.get(self).exact::<Class>().expect("a class").name().to_str_lossy().into_owned();
                return Err(self.type_error(format!("{class_name}() got multiple sub-patterns for attribute '{text}'")));
            }
            let Some(value) = self.find_attribute(subject, &text)? else {
                self.release(mark);
                return Ok(Raw::NONE);
            };
            used.push(text);
            self.list_push(values, value)?;
        }
        let raw = self.tuple_from(values)?.get(self).raw();
        self.release(mark);
        Ok(raw)
    }

    // ---- classes of objects ----

    /// `isinstance(object, class)`, nested: a class, a union, or a tuple of them.
    pub fn is_instance(&mut self, object: Root, class: Root) -> Result<bool, Raised> {
        self.check_stack()?;
        let value = class.get(self);
        if let Some(target) = value.exact::<Class>() {
            if self.class_of(object.get(self)) == target {
                return Ok(true);
            }
            let target = target.held();
            let metaclass = self.class_of(value).held();
            if metaclass.value().raw().same(self.types.type_) {
                return self.is_instance_plainly(object, target);
            }
        } else if let Some(tuple) = value.exact::<Tuple>() {
            let items: Vec<Raw> = tuple.items().map(|v| v.raw()).collect();
            for item in items {
                let mark = self.mark();
                let item = self.push_raw(item);
                let found = self.is_instance(object, item)?;
                self.release(mark);
                if found {
                    return Ok(true);
                }
            }
            return Ok(false);
        } else if let Some(union) = value.exact::<crate::object::Union>() {
            let args = union.args.get().raw();
            let mark = self.mark();
            let args = self.push_raw(args);
            let found = self.is_instance(object, args)?;
            self.release(mark);
            return Ok(found);
        }
        let metaclass = self.class_of(class.get(self)).held();
        let name = self.name(Name::InstanceCheck).held();
        if let Some(method) = self.lookup_class(metaclass, name).map(|v| v.raw()) {
            let (receiver, object) = (class.get(self).raw(), object.get(self).raw());
            let raw = self.run_nested(|cx| {
                let start = cx.fiber.top;
                let outcome = cx.call_unbound(method, receiver, &[object], Then::Continue(as_truth))?;
                cx.carry_out(outcome, start)
            })?;
            return Ok(raw.same(Raw::TRUE));
        }
        let text = "isinstance() arg 2 must be a type, a tuple of types, or a union";
        Err(self.type_error(text.into()))
    }

    /// `type.__instancecheck__`: by the type, or what `__class__` says.
    pub fn is_instance_plainly(&mut self, object: Root, class: Gc<'static, Class>) -> Result<bool, Raised> {
        let own = self.class_of(object.get(self)).held();
        if own.is_subclass(class) {
            return Ok(true);
        }
        if own.has(ClassFlags::HEAP) {
            let name = self.name(Name::Class).held();
            let plain = self
                .lookup_class_with_owner(own, name)
                .is_none_or(|(_, owner)| owner.value().raw().same(self.types.object));
            if !plain {
                let mark = self.mark();
                let claimed = self.find_attribute(object, "__class__")?;
                let found = match claimed.and_then(|c| c.get(self).exact::<Class>()) {
                    Some(claimed) => claimed.is_subclass(class),
                    None => false,
                };
                self.release(mark);
                return Ok(found);
            }
        }
        Ok(false)
    }

    /// `issubclass(sub, class)`, nested.
    pub fn is_subclass(&mut self, sub: Root, class: Root) -> Result<bool, Raised> {
        self.check_stack()?;
        let value = class.get(self);
        if let (Some(s), Some(target)) = (sub.get(self).exact::<Class>(), value.exact::<Class>()) {
            if self.class_of(value).value().raw().same(self.types.type_) {
                return Ok(s.is_subclass(target));
            }
        } else if let Some(tuple) = value.exact::<Tuple>() {
            let items: Vec<Raw> = tuple.items().map(|v| v.raw()).collect();
            for item in items {
                let mark = self.mark();
                let item = self.push_raw(item);
                let found = self.is_subclass(sub, item)?;
                self.release(mark);
                if found {
                    return Ok(true);
                }
            }
            return Ok(false);
        } else if let Some(union) = value.exact::<crate::object::Union>() {
            let args = union.args.get().raw();
            let mark = self.mark();
            let args = self.push_raw(args);
            let found = self.is_subclass(sub, args)?;
            self.release(mark);
            return Ok(found);
        }
        let metaclass = self.class_of(class.get(self)).held();
        let name = self.name(Name::SubclassCheck).held();
        if let Some(method) = self.lookup_class(metaclass, name).map(|v| v.raw()) {
            let (receiver, sub) = (class.get(self).raw(), sub.get(self).raw());
            let raw = self.run_nested(|cx| {
                let start = cx.fiber.top;
                let outcome = cx.call_unbound(method, receiver, &[sub], Then::Continue(as_truth))?;
                cx.carry_out(outcome, start)
            })?;
            return Ok(raw.same(Raw::TRUE));
        }
        if sub.get(self).exact::<Class>().is_none() {
            return Err(self.type_error("issubclass() arg 1 must be a class".into()));
        }
        let text = "issubclass() arg 2 must be a class, a tuple of classes, or a union";
        Err(self.type_error(text.into()))
    }
}

/// The truth of what was returned.
pub(super) fn as_truth(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    let raw = value.get(cx).raw();
    cx.truth_outcome(raw)
}
