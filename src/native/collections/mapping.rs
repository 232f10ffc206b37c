//! What defaultdict, Counter and OrderedDict do in hot code. The classes themselves are written in the language.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::functools::{first_entry, to_end};
use crate::native::{complete, library_class, natives};
use crate::object::{Class, ClassFlags, Dict, Exc, Instance, Tuple};
use crate::vm::Library;
use crate::vm::drain::take;
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Resumed, Root, Then};

natives!(
    /// Functions.
    pub(super) static FUNCTIONS: Functions;

    /// Give a class of the library the methods that are native.
    fn _complete(cx: &mut Cx, class: Root) -> NativeResult {
        if let Some(class) = library_class(cx, class, 0) {
            let methods = match class.name().as_bytes() {
                b"OrderedDict" => &ORDERED,
                b"_tuplegetter" => &FIELD,
                _ => &DEFAULT_DICT,
            };
            complete(cx, class, methods);
            if std::ptr::eq(methods, &ORDERED) {
                cx.set_library(Library::OrderedDict, class.value().raw());
            }
            if std::ptr::eq(methods, &DEFAULT_DICT) {
                cx.set_library_maker(Library::DefaultDict, class, default_dict, None);
            }
            if std::ptr::eq(methods, &FIELD) {
                class.set_flag(ClassFlags::FIELD);
            }
        }
        Ok(Outcome::NONE)
    }

    /// Count elements in the iterable, updating the mapping
    fn _count_elements(cx: &mut Cx, mapping: Root, iterable: Root) -> NativeResult {
        // Where a derived class has a say in how items are read or set, it is asked.
        let class = cx.class_of(mapping.get(cx)).held();
        let dict = cx.kind_class(crate::heap::Kind::Dict).held();
        let plain = cx.dict_of(mapping.get(cx)).is_some() && {
            let mut own = true;
            for name in ["get", "__setitem__"] {
                let name = cx.intern(name).held();
                own &= cx.lookup_class_with_owner(class, name).is_some_and(|(_, owner)| owner == dict);
            }
            own
        };
        let one = cx.push(Value::int(1));
        if plain {
            let table = cx.payload_root(mapping);
            cx.for_each_taking(iterable, take!(take_count), table, &mut |cx, item| {
                let raw = item.get(cx).raw();
                if take_count(cx, table, raw) {
                    return Ok(());
                }
                let hash = cx.hash(item)?;
                let found = cx.dict_find_hash(table, item, hash)?;
                // Keys are compared again when the count is set, as scripts can see.
                let count = match found {
                    Some(at) => {
                        let known = dict_in(cx, table).value_at(at).raw();
                        let known = cx.push_raw(known);
                        cx.binary_root(BinaryKind::Add, known, one)?
                    }
                    None => one,
                };
                cx.dict_set_hash(table, item, hash, count)
            })?;
            return Ok(Outcome::NONE);
        }
        let get = cx.attribute(mapping, "get")?;
        let zero = cx.push(Value::int(0));
        cx.for_each(iterable, &mut |cx, item| {
            let known = cx.call(get, &[item, zero])?;
            let count = cx.binary_root(BinaryKind::Add, known, one)?;
            cx.set_item_root(mapping, item, count)
        })?;
        Ok(Outcome::NONE)
    }
);

/// Counts an item that no script has to be asked about.
fn take_count(cx: &mut Cx, table: Root, item: Raw) -> bool {
    let dict = dict_in(cx, table);
    match cx.dict_find_at_once(dict, Value::adopt(item)) {
        Some(Some(at)) => match dict.value_at(at).as_int().and_then(|count| count.checked_add(1)) {
            Some(count) => {
                dict.set_value_at(&cx.heap, at, Value::int(count));
                true
            }
            None => false,
        },
        Some(None) => {
            let table = table.get(cx).raw();
            cx.dict_set_quickly(table, item, Raw::int(1))
        }
        None => false,
    }
}

natives!(
    /// The native methods of defaultdict.
    static DEFAULT_DICT: Methods;

    /// Called by __getitem__ for a key that is missing: makes its value with the factory, keeps and returns it.
    fn __missing__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let factory = cx.attribute(this, "default_factory")?;
        if factory.get(cx).is_none() {
            return Err(cx.key_error(key));
        }
        Ok(Outcome::Call { callee: factory, argc: 0, keywords: None, then: Then::Continue(made) })
    }
);

/// `defaultdict(factory)`.
fn default_dict(cx: &mut Cx, args: Args) -> NativeResult {
    let ask = Ok(Outcome::Value(Raw::UNBOUND));
    let Some(class) = Value::<'static>::adopt(cx.library(Library::DefaultDict)).exact::<Class>() else { return ask };
    let factory = match args.len() {
        0 => Raw::NONE,
        1 => args.get(cx, 0).raw(),
        _ => return ask,
    };
    let kind = Value::<'static>::adopt(factory).kind();
    if !matches!(kind, Kind::Class | Kind::Function | Kind::Native | Kind::BoundMethod | Kind::None) {
        return ask;
    }
    let heap = cx.heap.forever();
    let instance = Instance::new(heap, class);
    // What a class derived from dict declares comes behind the dict.
    instance.set_slot(heap, 0, Dict::new(heap).value());
    instance.set_slot(heap, 1, Value::adopt(factory));
    Ok(instance.into())
}

/// Window: the dict, the key.
fn made(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(value) | Resumed::Yielded(value) | Resumed::Raised(value)) = resumed;
    let raw = value.get(cx).raw();
    let value = cx.push_raw(raw);
    cx.set_item_root(window.root(0), window.root(1), value)?;
    Ok(value.get(cx).into())
}

/// Moves a key that is there to the end.
fn moved_to_end(cx: &mut Cx, object: Raw, key: Raw, last: Raw) -> Raw {
    let Some(dict) = cx.payload(Value::adopt(object)).exact::<Dict>().map(Gc::held) else { return Raw::UNBOUND };
    if !last.is_unbound() && !last.same(Raw::TRUE) {
        return Raw::UNBOUND;
    }
    match cx.dict_find_at_once(dict, Value::adopt(key)) {
        // An entry that was lost for lack of memory is missed by the native itself.
        Some(Some(at)) if to_end(cx, dict, at).is_ok() => Raw::NONE,
        _ => Raw::UNBOUND,
    }
}

natives!(
    /// The native methods of OrderedDict.
    static ORDERED: Methods;

    /// Remove and return a (key, value) pair from the dictionary: the last one, or the first one.
    fn popitem(
        cx: &mut Cx,
        this: Root,
        #[either]
        #[default(true)]
        last: bool,
    ) -> NativeResult {
        let dict = dict_in(cx, this);
        let found = match last {
            true => (0..dict.used()).rev().find(|at| dict.entry(*at).is_some()),
            false => first_entry(cx, dict)?,
        };
        let Some((at, (key, value))) = found.and_then(|at| Some((at, dict.entry(at)?))) else {
            let text = cx.str("dictionary is empty").value().raw();
            let text = cx.push_raw(text);
            return Err(cx.key_error(text));
        };
        let pair = Tuple::new(&cx.heap, &[key, value]).value().raw();
        dict.remove_at(&cx.heap, at);
        let end = dict.used();
        // Each look for the last one passes those that are gone: as many as make it worth while are thrown out together.
        let gone = end - at;
        if last && gone > 64 && gone.saturating_mul(gone) > dict.len() * 16 {
            let done = dict.compact(cx.heap.forever());
            cx.fits(done)?;
        }
        Ok(Outcome::Value(pair))
    }

    /// Remove a key and return its value, or the default.
    fn pop(
        cx: &mut Cx,
        this: Root,
        #[either] key: Root,
        #[either]
        #[text("<unrepresentable>")]
        default: Given<Root>,
    ) -> NativeResult {
        cx.hash(key)?;
        let table = cx.payload_root(this);
        let found = cx.dict_remove(table, key)?;
        match found.or(default.0) {
            Some(value) => Ok(value.get(cx).into()),
            None => Err(cx.key_error(key)),
        }
    }

    /// Move an existing element to the end, or to the beginning.
    #[quick(Three(moved_to_end))]
    fn move_to_end(
        cx: &mut Cx,
        this: Root,
        #[either] key: Root,
        #[either]
        #[default(true)]
        last: bool,
    ) -> NativeResult {
        let table = cx.payload_root(this);
        // Where there is nothing, nothing is looked for; what has no hash is told in its own words.
        let found = if dict_in(cx, table).is_empty() {
            None
        } else {
            cx.hash(key)?;
            cx.dict_find(table, key)?
        };
        let Some(at) = found else {
            // The key is what the exception is made of: a tuple is all of its arguments, None none.
            let items: Vec<Raw> = match cx.payload(key.get(cx)).exact::<Tuple>() {
                Some(tuple) => tuple.items().map(Value::raw).collect(),
                None if key.get(cx).is_none() => Vec::new(),
                None => return Err(cx.key_error(key)),
            };
            let items: Vec<Root> = items.into_iter().map(|item| cx.push_raw(item)).collect();
            return Err(cx.raise_new(Exc::KeyError, &items));
        };
        let dict = dict_in(cx, table);
        let done = if last {
            to_end(cx, dict, at)
        } else {
            let heap = cx.heap.forever();
            let Some((known, value)) = dict.entry(at) else { return Ok(Outcome::NONE) };
            if (0..at).all(|before| dict.entry(before).is_none()) {
                // It is there already: an iteration may go on.
                return Ok(Outcome::NONE);
            }
            let hash = dict.entry_hash(at);
            // All others are added again behind it.
            let others = (0..dict.used()).filter(|other| *other != at);
            let others: Vec<_> = others.filter_map(|at| Some((dict.entry_hash(at), dict.entry(at)?))).collect();
            dict.clear(heap);
            let mut done = dict.insert(heap, hash, known, value);
            for (hash, (key, value)) in others {
                done = done.and_then(|_| dict.insert(heap, hash, key, value));
            }
            done.map(drop)
        };
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }
);

fn dict_in(cx: &Cx, this: Root) -> Gc<'static, Dict> {
    cx.dict_of(this.get(cx)).expect("a method's receiver").held()
}

/// The item that a field of a named tuple is: its number is the first attribute of the descriptor.
fn field(cx: &mut Cx, this: Raw, object: Raw, _class: Raw) -> Raw {
    let (this, object) = (Value::<'static>::adopt(this), Value::<'static>::adopt(object));
    let Some(this) = this.exact::<Instance>() else { return Raw::UNBOUND };
    if object.kind() != Kind::Tuple || this.dict().is_some() {
        return Raw::UNBOUND;
    }
    let tuple: Option<Gc<'static, Tuple>> = Value::<'static>::adopt(cx.payload(object).raw()).exact();
    match (this.slot(0).as_int(), tuple) {
        (Some(at), Some(tuple)) if (0..tuple.len() as i64).contains(&at) => tuple.item(at as usize).raw(),
        _ => Raw::UNBOUND,
    }
}

natives!(
    /// Fields of named tuples.
    static FIELD: Methods;

    /// Return an attribute of instance, which is of type owner.
    #[quick(Three(field))]
    fn __get__(cx: &mut Cx, this: Root, instance: Root, owner: Option<Root>) -> NativeResult {
        let _ = owner;
        if instance.get(cx).is_none() {
            return Ok(this.get(cx).into());
        }
        let [own, object] = [this, instance].map(|root| root.get(cx).raw());
        let found = field(cx, own, object, Raw::NONE);
        if !found.is_unbound() {
            return Ok(Outcome::Value(found));
        }
        let get = cx.attribute(this, "_get")?;
        let found = cx.call(get, &[instance])?;
        Ok(found.get(cx).into())
    }
);
