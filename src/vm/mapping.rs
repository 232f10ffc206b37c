//! Names, items and keys: variables by name, subscripts, and dicts and sets whose keys a script may have to compare. A probe that
//! asks a script goes on from where it was, or starts again if the script changed the table.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::number::{Fault, FaultKind};
use crate::object::{
    AnySet, Combination, Dict, DictPart, DictView, Exc, Found, FrozenSet, List, Probe, Set, SetFound, Str, Tuple,
};

use super::Vm;
use super::compare::CompareKind;
use super::drain::{take, take_to_set};
use super::native::{Raised, Root};
use super::run::Window;

impl Vm {
    // ---- dicts ----

    /// The dict of a dict or of an instance of a class derived from dict.
    #[inline]
    pub fn dict_of<'h>(&'h self, value: Value<'h>) -> Option<Gc<'h, Dict>> {
        value.exact::<Dict>().or_else(|| self.payload(value).exact::<Dict>())
    }

    pub(super) fn dict_at(&self, root: Root) -> Gc<'static, Dict> {
        self.dict_of(root.get(self)).expect("callers pass dicts").held()
    }

    /// The number of the entry with a key.
    pub fn dict_find(&mut self, dict: Root, key: Root) -> Result<Option<usize>, Raised> {
        if let Some(table) = dict.get(self).exact::<Dict>()
            && let Some(found) = self.dict_find_at_once(table, key.get(self))
        {
            return Ok(found);
        }
        let hash = self.dict_key_hash(key)?;
        self.dict_find_hash(dict, key, hash)
    }

    /// As `dict_find`, for a key whose hash is known.
    pub fn dict_find_hash(&mut self, dict: Root, key: Root, hash: i64) -> Result<Option<usize>, Raised> {
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
        let raws = [dict, key, value].map(|root| root.get(self).raw());
        if let Some(done) = self.dict_set_at_once(raws[0], raws[1], raws[2]) {
            return done;
        }
        let hash = self.dict_key_hash(key)?;
        self.dict_set_hash(dict, key, hash, value)
    }

    /// As `dict_set`, for a key whose hash is known.
    pub fn dict_set_hash(&mut self, dict: Root, key: Root, hash: i64, value: Root) -> Result<(), Raised> {
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

    /// The value of a key, which becomes `default` if it is not there: its hash is asked for once.
    pub fn dict_get_or_set(&mut self, dict: Root, key: Root, default: Root) -> Result<Root, Raised> {
        let table = self.dict_at(dict);
        let at_once = self.dict_find_at_once(table, key.get(self));
        let found = match at_once {
            Some(Some(index)) => Some(index),
            Some(None) => {
                self.dict_set(dict, key, default)?;
                return Ok(default);
            }
            None => {
                let hash = self.dict_key_hash(key)?;
                let found = self.dict_find_hash(dict, key, hash)?;
                if found.is_none() {
                    let (key, value) = (key.get(self).raw(), default.get(self).raw());
                    let table = self.dict_at(dict);
                    if table.insert(self.heap.forever(), hash, Value::adopt(key), Value::adopt(value)).is_err() {
                        return Err(self.memory_error());
                    }
                }
                found
            }
        };
        match found {
            Some(index) => {
                let raw = self.dict_at(dict).value_at(index).raw();
                Ok(self.push_raw(raw))
            }
            None => Ok(default),
        }
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
        let heap = self.heap.forever();
        if target.is_empty() {
            let Ok(copy) = source.copy(heap) else { return Err(self.memory_error()) };
            target.take_from(heap, copy);
            return Ok(());
        }
        if target.reserve_more(heap, extra).is_err() {
            return Err(self.memory_error());
        }
        let mut index = 0;
        // As long as no script has to compare keys.
        while index < source.used() {
            if let Some((key, value)) = source.entry(index) {
                let hash = source.entry_hash(index);
                let done = match target.find_from(heap, hash, key, Probe::START) {
                    Found::Entry(at) => {
                        target.set_value_at(heap, at, value);
                        Ok(())
                    }
                    Found::Missing => target.insert(heap, hash, key, value).map(|_| ()),
                    Found::Ask(..) => break,
                };
                if done.is_err() {
                    return Err(self.memory_error());
                }
            }
            index += 1;
        }
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

    /// Whether the pairs of a mapping are taken as they are: those of a dict, also of a derived class that iterates as dicts do. Its
    /// `keys` and `__getitem__` are not asked then.
    pub fn is_plain_dict(&mut self, mapping: Root) -> bool {
        let value = Value::<'static>::adopt(mapping.get(self).raw());
        if value.exact::<Dict>().is_some() {
            return true;
        }
        if self.payload(value).exact::<Dict>().is_none() {
            return false;
        }
        let (class, name) = (self.class_of(value).held(), self.name(super::Name::Iter).held());
        let own = self.kind_class(Kind::Dict).held();
        self.lookup_class_with_owner(class, name).is_some_and(|(_, owner)| owner == own)
    }

    /// `dict.update(mapping)`: a dict, or anything with `keys`.
    pub fn dict_update_from(&mut self, dict: Root, mapping: Root) -> Result<(), Raised> {
        if self.is_plain_dict(mapping) {
            return self.dict_merge_from(dict, mapping);
        }
        let mark = self.mark();
        let keys = self.keys_of(mapping)?;
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

    /// What `mapping.keys()` gives, which has to be iterable.
    fn keys_of(&mut self, mapping: Root) -> Result<Root, Raised> {
        let keys = self.call_method(mapping, "keys", &[])?;
        if !self.is_iterable(Value::adopt(keys.get(self).raw())) {
            let (class, got) = (self.type_name_for_error(mapping.get(self)), self.type_name_for_error(keys.get(self)));
            return Err(self.type_error(format!("{class}.keys() returned a non-iterable (type {got})")));
        }
        Ok(keys)
    }

    pub(super) fn dict_set_raw(&mut self, dict: Raw, key: Raw, value: Raw) -> Result<(), Raised> {
        if let Some(done) = self.dict_set_at_once(dict, key, value) {
            return done;
        }
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
        let heap = self.heap.forever();
        if let (Some(target), Some(source)) =
            (Value::<'static>::adopt(dict).exact::<Dict>(), Value::<'static>::adopt(mapping).exact::<Dict>())
            && target.is_empty()
        {
            return match source.copy(heap) {
                Ok(copy) => {
                    target.take_from(heap, copy);
                    Ok(())
                }
                Err(_) => Err(self.memory_error()),
            };
        }
        let (dict, mapping, callee) = (self.push_raw(dict), self.push_raw(mapping), self.push_raw(callee));
        if mapping.get(self).exact::<Dict>().is_none() && self.find_attribute(mapping, "keys")?.is_none() {
            let function = self.callee_text(callee)?;
            let got = self.type_name_for_error(mapping.get(self));
            return Err(self.type_error(format!("{function} argument after ** must be a mapping, not {got}")));
        }
        let plain = self.is_plain_dict(mapping);
        let keys = if plain { mapping } else { self.keys_of(mapping)? };
        let keys = self.list_from(keys)?;
        let len = keys.get(self).exact::<List>().map_or(0, |l| l.len());
        for i in 0..len {
            let mark = self.mark();
            let key = keys.get(self).exact::<List>().and_then(|l| l.item(i)).map_or(Raw::NONE, |v| v.raw());
            let key = self.push_raw(key);
            if self.dict_find(dict, key)?.is_some() {
                if self.as_str(key.get(self)).is_none() {
                    return Err(self.type_error("keywords must be strings".into()));
                }
                let function = self.callee_text(callee)?;
                let name = self.str_text(key)?;
                return Err(self.type_error(format!("{function} got multiple values for keyword argument '{name}'")));
            }
            let known = if plain { self.dict_get(mapping, key)? } else { None };
            let value = match known {
                Some(value) => value,
                None => self.item(mapping, key)?,
            };
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

    pub(super) fn build_map(&mut self, items: Window) -> Result<Raw, Raised> {
        let heap = self.heap.forever();
        let dict = Dict::new(heap);
        if items.len() > 16 && dict.reserve(heap, items.len() / 2).is_err() {
            return Err(self.memory_error());
        }
        let raw = dict.value().raw();
        let mut rooted = None;
        for place in 0..items.len() / 2 {
            let pair = [items.get(2 * place), items.get(2 * place + 1)];
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

    /// The set or frozenset of a root that holds one (exact or derived).
    fn any_set(&self, set: Root) -> AnySet<'static> {
        let raw = self.payload(set.get(self)).raw();
        AnySet::of(Value::adopt(raw)).expect("callers pass sets")
    }

    /// Searches for a key in a set or frozenset (exact or derived): its place, or else where it would be added.
    fn set_search(&mut self, set: Root, key: Root, hash: i64) -> Result<Result<usize, usize>, Raised> {
        let mut found = self.any_set(set).find(hash, key.get(self));
        loop {
            match found {
                SetFound::Place(place) => return Ok(Ok(place)),
                SetFound::Missing(place) => return Ok(Err(place)),
                SetFound::Ask(place, next) => {
                    let any = self.any_set(set);
                    let before = (any.len(), any.places());
                    let known = any.at(place).expect("found there").1.raw();
                    let mark = self.mark();
                    let known = self.push_raw(known);
                    let equal = self.equals(known, key)?;
                    self.release(mark);
                    let any = self.any_set(set);
                    if (any.len(), any.places()) != before {
                        found = any.find(hash, key.get(self));
                        continue;
                    }
                    if equal {
                        return Ok(Ok(place));
                    }
                    found = any.find_from(hash, key.get(self), next);
                }
            }
        }
    }

    /// The place of a key in a set or frozenset (exact or derived).
    pub fn set_find(&mut self, set: Root, key: Root, hash: i64) -> Result<Option<usize>, Raised> {
        Ok(self.set_search(set, key, hash)?.ok())
    }

    /// Adds a key to a set; whether it was new.
    pub fn set_add(&mut self, set: Root, key: Root) -> Result<bool, Raised> {
        let (table, raw) = (set.get(self).raw(), key.get(self).raw());
        if let Some(done) = self.set_add_at_once(table, raw) {
            return done;
        }
        let hash = self.set_element_hash(key)?;
        self.set_add_hash(set, key, hash)
    }

    /// As `set_add`, with the hash known.
    pub fn set_add_hash(&mut self, set: Root, key: Root, hash: i64) -> Result<bool, Raised> {
        let Err(place) = self.set_search(set, key, hash)? else { return Ok(false) };
        let key = Value::adopt(key.get(self).raw());
        match self.any_set(set).insert_at(self.heap.forever(), place, hash, key) {
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

    pub(super) fn set_key_hash(&mut self, key: Root) -> Result<i64, Raised> {
        if self.payload(key.get(self)).kind() == Kind::Set {
            // One of a derived class may have a hash of its own.
            let class = self.class_of(key.get(self)).held();
            let hash = self.lookup_class(class, self.name(super::Name::Hash).held());
            if key.get(self).is_subclassed() && hash.is_some_and(|hash| !hash.is_none()) {
                return self.set_element_hash(key);
            }
            return self.hash_frozenset(key);
        }
        self.set_element_hash(key)
    }

    /// The hash of a dict's key; an error says what it was to be used as.
    #[inline]
    pub(crate) fn dict_key_hash(&mut self, key: Root) -> Result<i64, Raised> {
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

    pub(super) fn key_hash(&mut self, key: Root, role: &str) -> Result<i64, Raised> {
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
                self.any_set(set).remove_at(&self.heap, place);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The keys of a set or frozenset with their hashes, in order.
    pub fn set_items(&self, value: Value<'_>) -> Vec<(i64, Raw)> {
        AnySet::of(self.payload(value)).map_or(vec![], |set| set.iter().map(|(h, v)| (h, v.raw())).collect())
    }

    /// Goes over the keys and hashes of a set, as they come to be while scripts may change it, until `visit` says to stop.
    pub(crate) fn each_key(
        &mut self,
        set: Root,
        visit: &mut dyn FnMut(&mut Vm, Root, i64) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        let mut place = 0;
        loop {
            // Before the key is taken: a handler of a signal may change the set.
            self.poll_at(place + 1)?;
            let Some(keys) = AnySet::of(self.payload(set.get(self))).filter(|keys| place < keys.places()) else {
                break;
            };
            let found = keys.at(place).map(|(hash, key)| (hash, key.raw()));
            place += 1;
            if let Some((hash, key)) = found {
                let mark = self.mark();
                let key = self.push_raw(key);
                let go_on = visit(self, key, hash)?;
                self.release(mark);
                if !go_on {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The hash of a set's items, as of the frozenset with them.
    pub(super) fn hash_frozenset(&mut self, root: Root) -> Result<i64, Raised> {
        let mut hash = crate::number::hash::SetHash::default();
        let mut place = 0;
        while let Some(set) = AnySet::of(self.payload(root.get(self)))
            && place < set.places()
        {
            if let Some((item, _)) = set.at(place) {
                hash.push(item);
            }
            place += 1;
            self.poll_at(place)?;
        }
        Ok(hash.finish())
    }

    pub(super) fn set_add_raw(&mut self, set: Raw, key: Raw) -> Result<(), Raised> {
        if let Some(done) = self.set_add_at_once(set, key) {
            return done.map(|_| ());
        }
        let (set, key) = (self.push_raw(set), self.push_raw(key));
        self.set_add(set, key).map(|_| ())
    }

    pub(super) fn set_update_raw(&mut self, set: Raw, iterable: Raw) -> Result<(), Raised> {
        let (set, iterable) = (self.push_raw(set), self.push_raw(iterable));
        self.set_extend(set, iterable)
    }

    pub(super) fn build_set(&mut self, items: Window) -> Result<Raw, Raised> {
        let set = Set::new(&self.heap).value().raw();
        let mut rooted = None;
        for place in 0..items.len() {
            let item = items.get(place);
            if let Some(added) = self.set_add_at_once(set, item) {
                added?;
                continue;
            }
            // The items are still in the frame's registers; the set is not.
            let root = *rooted.get_or_insert_with(|| self.push_raw(set));
            let mark = self.mark();
            let item = self.push_raw(item);
            self.set_add(root, item)?;
            self.release(mark);
        }
        Ok(set)
    }

    /// `a OP b` of sets and frozensets (`|`, `&`, `-`, `^`); None for other types.
    pub(super) fn set_binary(&mut self, kind: BinaryKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        if let (Some(x), Some(y)) = (AnySet::of(Value::adopt(a)), AnySet::of(Value::adopt(b))) {
            let combination = match kind {
                BinaryKind::Or => Combination::Union,
                BinaryKind::And => Combination::Intersection,
                BinaryKind::Sub => Combination::Difference,
                _ => Combination::Symmetric,
            };
            match x.combine(self.heap.forever(), combination, y) {
                Ok(Some(made)) => return Ok(Some(made.value().raw())),
                // Only a script can compare some of the keys.
                Ok(None) => {}
                Err(_) => return Err(self.memory_error()),
            }
        }
        let is_set = |raw: Raw| AnySet::of(self.payload(Value::adopt(raw))).is_some();
        if !is_set(a) || !is_set(b) {
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
                self.each_key(result, &mut |cx, key, hash| {
                    if cx.set_find(other, key, hash)?.is_some() {
                        cx.set_discard(result, key)?;
                    }
                    Ok(true)
                })?;
                // A difference is built afresh, as CPython does.
                let fresh = self.new_set_from(result, false)?;
                let raw = fresh.get(self).raw();
                result.set(self, Value::adopt(raw));
            }
            BinaryKind::And => {
                let other = self.as_set(right)?;
                let (mut small, mut large) = (result, other);
                let [asked, own] = [other, result].map(|set| AnySet::of(self.payload(set.get(self))));
                if asked.map_or(0, AnySet::len) < own.map_or(0, AnySet::len) {
                    (small, large) = (other, result);
                }
                let fresh = Set::new(&self.heap).value().raw();
                let fresh = self.push_raw(fresh);
                self.each_key(small, &mut |cx, key, hash| {
                    if cx.set_find(large, key, hash)?.is_some() {
                        cx.set_add_hash(fresh, key, hash)?;
                    }
                    Ok(true)
                })?;
                let raw = fresh.get(self).raw();
                result.set(self, Value::adopt(raw));
            }
            _ => {
                let other = self.as_set(right)?;
                self.each_key(other, &mut |cx, key, hash| {
                    if cx.set_find(result, key, hash)?.is_some() {
                        cx.set_discard(result, key)?;
                    } else {
                        cx.set_add_hash(result, key, hash)?;
                    }
                    Ok(true)
                })?;
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
            let taken = self.at_length(from.len(), |_, watch| {
                let go_on = || watch.check().is_ok();
                match to.merge_clean(heap, from, go_on) {
                    Ok(Some(taken)) => Ok(taken),
                    Ok(None) => Err(Fault::new(FaultKind::Interrupted, "")),
                    Err(_) => Err(Fault::new(FaultKind::Memory, "")),
                }
            })?;
            if taken {
                return Ok(());
            }
            return self.each_key(iterable, &mut |cx, key, hash| cx.set_add_hash(set, key, hash).map(|_| true));
        }
        // A dict of a derived class may have an iterator of its own.
        let dict = source.exact::<Dict>().filter(|_| !iterable.get(self).is_subclassed()).map(Gc::held);
        if let Some(dict) = dict {
            if sets.0.is_some_and(|to| to.reserve(heap, dict.len()).is_err()) {
                return Err(self.memory_error());
            }
            let mut index = 0;
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
        self.for_each_taking(iterable, take!(take_to_set), set, &mut |cx, item| cx.set_add(set, item).map(|_| ()))
    }

    /// Comparisons of sets: inclusion.
    pub(super) fn compare_sets(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<bool, Raised> {
        let [first, second] = [a, b].map(|raw| AnySet::of(self.payload(Value::adopt(raw))).expect("callers pass sets"));
        if let Some(holds) = super::direct::compare_sets(&self.heap, kind, first, second) {
            return Ok(holds);
        }
        let (n, m) = (first.len(), second.len());
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
            self.each_key(first, &mut |cx, key, hash| {
                inside = cx.set_find(second, key, hash)?.is_some();
                Ok(inside)
            })?;
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
        // Views ask one another for what they contain: the values of items need no hash.
        let (x, y) = (self.length(a)?, self.length(b)?);
        let (fits, inner, outer) = match kind {
            CompareKind::Eq | CompareKind::Ne => (x == y, a, b),
            CompareKind::Lt => (x < y, a, b),
            CompareKind::Le => (x <= y, a, b),
            CompareKind::Gt => (x > y, b, a),
            CompareKind::Ge => (x >= y, b, a),
        };
        let mut all = fits;
        if fits {
            let items = self.list_from(inner)?;
            for index in 0.. {
                let Some(item) = items.get(self).exact::<List>().and_then(|list| list.item(index).map(|v| v.raw()))
                else {
                    break;
                };
                let step = self.mark();
                let item = self.push_raw(item);
                all = self.contains_root(outer, item)?;
                self.release(step);
                if !all {
                    break;
                }
            }
        }
        self.release(mark);
        Ok(Some(all != (kind == CompareKind::Ne)))
    }
}
