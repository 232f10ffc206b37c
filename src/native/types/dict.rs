//! dict, its views, and mappingproxy.

use crate::bytecode::op::BinaryKind;
use crate::heap::Value;
use crate::heap::{Gc, Kind, Raw, Slot};
use crate::native::natives;
use crate::native::types::set;
use crate::object::{Dict, DictPart, DictView, Exc, MappingProxy, Set, Str, Tuple};
use crate::vm::drain::take;
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};
use crate::vm::{CompareKind, Name};

natives!(
    /// A mapping of keys to values that keeps the order of insertion. Made empty, from another mapping, from pairs,
    /// and from keyword arguments.
    pub static DICT_METHODS: Methods;

    /// Make an empty dict.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::Dict)?;
        let dict = Dict::new(&cx.heap).value().raw();
        cx.new_outcome(class, dict)
    }

    /// Add the pairs of a mapping or of an iterable, then the keyword arguments.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        update_all(cx, this, args, kwargs, "dict")
    }

    /// Add the pairs of a mapping or of an iterable, then the keyword arguments.
    fn update(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        update_all(cx, this, args, kwargs, "update")
    }

    /// Return whether there is such a key.
    #[quick(Two(crate::native::quick::dict_contains))]
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        Ok(cx.dict_find(this, key)?.is_some().into())
    }

    /// Return self[key].
    #[quick(Two(crate::native::quick::dict_item))]
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        if let Some(value) = cx.dict_get(this, key)? {
            return Ok(value.get(cx).into());
        }
        if this.get(cx).is_subclassed()
            && let Some(value) = cx.call_special(this, Name::Missing, &[key])?
        {
            return Ok(value.get(cx).into());
        }
        Err(cx.key_error(key))
    }

    /// Set self[key] to value.
    #[quick(Three(crate::native::quick::dict_set))]
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> NativeResult {
        cx.dict_set(this, key, value)?;
        Ok(Outcome::NONE)
    }

    /// Delete self[key].
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        match cx.dict_remove(this, key)? {
            Some(_) => Ok(Outcome::NONE),
            None => Err(cx.key_error(key)),
        }
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return the number of keys.
    #[quick(One(crate::native::quick::dict_len))]
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).len() as i64).into())
    }

    /// Return an iterator over the keys.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(iterator(cx, this, DictPart::Keys, false))
    }

    /// Return a reverse iterator over the keys.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(iterator(cx, this, DictPart::Keys, true))
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Eq, this, value)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Ne, this, value)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }

    /// Return self|value.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        or(cx, this, value)
    }

    /// Return value|self.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        or(cx, value, this)
    }

    /// Return self|=value.
    fn __ior__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        update_one(cx, this, value)?;
        Ok(this.get(cx).into())
    }

    /// Return the value of a key, or the default.
    #[quick(Three(crate::native::quick::get))]
    fn get(cx: &mut Cx, this: Root, key: Root, #[text("None")] default: Given<Root>) -> NativeResult {
        match (cx.dict_find(this, key)?, default.0) {
            (Some(index), _) => Ok(own(cx, this).value_at(index).into()),
            (None, Some(default)) => Ok(default.get(cx).into()),
            (None, None) => Ok(Outcome::NONE),
        }
    }

    /// Return the value of a key, which becomes the default if it is not there.
    fn setdefault(cx: &mut Cx, this: Root, key: Root, #[text("None")] default: Given<Root>) -> NativeResult {
        let default = match default.0 {
            Some(default) => default,
            None => cx.push_raw(Raw::NONE),
        };
        let found = cx.dict_get_or_set(this, key, default)?;
        Ok(found.get(cx).into())
    }

    /// Remove a key and return its value, or the default.
    fn pop(cx: &mut Cx, this: Root, key: Root, #[text("<unrepresentable>")] default: Given<Root>) -> NativeResult {
        if own(cx, this).is_empty() {
            // An empty one doesn't ask for the key's hash.
            return match default.0 {
                Some(default) => Ok(default.get(cx).into()),
                None => Err(cx.key_error(key)),
            };
        }
        match (cx.dict_remove(this, key)?, default.0) {
            (Some(value), _) => Ok(value.get(cx).into()),
            (None, Some(default)) => Ok(default.get(cx).into()),
            (None, None) => Err(cx.key_error(key)),
        }
    }

    /// Remove the newest pair and return it.
    fn popitem(cx: &mut Cx, this: Root) -> NativeResult {
        let dict = own(cx, this);
        let last = (0..dict.used()).rev().find_map(|index| dict.entry(index).map(|pair| (index, pair)));
        let Some((index, (key, value))) = last else {
            let text = Str::new(&cx.heap, "popitem(): dictionary is empty").value().raw();
            let text = cx.push_raw(text);
            return Err(cx.key_error(text));
        };
        let pair = cx.tuple(&[key, value]);
        dict.remove_at(&cx.heap, index);
        let gone = dict.used() - index;
        if gone > 64 && gone.saturating_mul(gone) > dict.len() * 16 {
            let done = dict.compact(&cx.heap);
            let raw = pair.value().raw();
            cx.fits(done)?;
            return Ok(Outcome::Value(raw));
        }
        Ok(pair.into())
    }

    /// Remove every key.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        own(cx, this).clear(&cx.heap);
        Ok(Outcome::NONE)
    }

    /// Return a copy.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let copy = own(cx, this).copy(&cx.heap).map(|d| d.value().raw());
        cx.fits(copy).map(Outcome::Value)
    }

    /// Return a view of the keys.
    fn keys(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(view(cx, this, DictPart::Keys))
    }

    /// Return a view of the values.
    fn values(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(view(cx, this, DictPart::Values))
    }

    /// Return a view of the pairs.
    fn items(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(view(cx, this, DictPart::Items))
    }

    /// Make a dict with the items of an iterable as keys, all with the same value.
    #[class]
    fn fromkeys(cx: &mut Cx, class: Root, iterable: Root, #[text("None")] value: Given<Root>) -> NativeResult {
        let value = match value.0 {
            Some(value) => value,
            None => cx.push_raw(Raw::NONE),
        };
        let dict = cx.call(class, &[])?;
        if dict.get(cx).exact::<Dict>().is_some() {
            cx.for_each(iterable, &mut |cx, key| cx.dict_set(dict, key, value))?;
        } else {
            cx.for_each(iterable, &mut |cx, key| cx.set_item_root(dict, key, value))?;
        }
        Ok(dict.get(cx).into())
    }

    /// Return the size in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        let len = own(cx, this).len() as i64;
        Ok((64 + if len == 0 { 0 } else { 120 + 24 * len }).into())
    }

    /// Return the alias dict[item].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

natives!(
    /// A view of a dict.
    pub static VIEW: Methods;

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// How much is viewed.
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((table(cx, this).len() as i64).into())
    }

    /// Return an iterator over what is viewed.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let (dict, part) = (dict_of_view(cx, this), view_of(cx, this).part);
        Ok(iterator(cx, dict, part, false))
    }

    /// Iterate from the newest to the oldest.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let (dict, part) = (dict_of_view(cx, this), view_of(cx, this).part);
        Ok(iterator(cx, dict, part, true))
    }

    /// The dict this is a view of, read-only.
    #[getter]
    fn mapping(cx: &mut Cx, this: Root) -> NativeResult {
        let dict = view_of(cx, this).get().dict.get();
        Ok(cx.heap.alloc(MappingProxy { mapping: Slot::new(dict) }).into())
    }
);

natives!(
    /// A view of an OrderedDict.
    pub static ORDERED_VIEW: Methods;

    /// Return an iterator over what is viewed.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let (dict, part) = (dict_of_view(cx, this), view_of(cx, this).part);
        Ok(iterator(cx, dict, part, false))
    }

    /// Iterate from the last to the first.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let (dict, part) = (dict_of_view(cx, this), view_of(cx, this).part);
        Ok(iterator(cx, dict, part, true))
    }
);

natives!(
    /// A view of a dict's keys or pairs, which is a set of them.
    pub static SET_VIEW: Methods;

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Eq, this, value)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Ne, this, value)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Lt, this, value)
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Le, this, value)
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Gt, this, value)
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        crate::native::types::compare(cx, CompareKind::Ge, this, value)
    }

    /// Return self&value.
    fn __and__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::And, this, value)
    }

    /// Return value&self.
    fn __rand__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::And, value, this)
    }

    /// Return self|value.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::Or, this, value)
    }

    /// Return value|self.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::Or, value, this)
    }

    /// Return self-value.
    fn __sub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::Sub, this, value)
    }

    /// Return value-self.
    fn __rsub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::Sub, value, this)
    }

    /// Return self^value.
    fn __xor__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::Xor, this, value)
    }

    /// Return value^self.
    fn __rxor__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        view_operator(cx, BinaryKind::Xor, value, this)
    }

    /// Return whether a value is viewed.
    fn __contains__(cx: &mut Cx, this: Root, item: Root) -> NativeResult {
        cx.contains_root(this, item).map(Outcome::from)
    }

    /// Return whether nothing is both here and in the other.
    fn isdisjoint(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        view_disjoint(cx, this, other).map(Outcome::from)
    }
);

natives!(
    /// Read-only proxy of a mapping.
    pub static MAPPING_PROXY_METHODS: Methods;

    /// Make a read-only view of a mapping.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] mapping: Root) -> NativeResult {
        cx.check_new_kind(class, Kind::MappingProxy)?;
        let kind = mapping.get(cx).kind();
        let fits = !matches!(kind, Kind::List | Kind::Tuple | Kind::Deque)
            && (kind == Kind::Dict || cx.special_method(mapping, Name::GetItem)?.is_some());
        if !fits {
            let got = cx.type_name_for_error(mapping.get(cx));
            return Err(cx.type_error(format!("mappingproxy() argument must be a mapping, not {got}")));
        }
        Ok(cx.heap.alloc(MappingProxy { mapping: Slot::new(mapping.get(cx)) }).into())
    }

    /// Return self[key].
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        let item = cx.item(mapping, key)?;
        Ok(item.get(cx).into())
    }

    /// Return whether there is such a key.
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        cx.contains_root(mapping, key).map(Outcome::from)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return the number of keys.
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        Ok((cx.length(mapping)? as i64).into())
    }

    /// Return an iterator over the keys.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        let iterator = cx.iter(mapping)?;
        Ok(iterator.get(cx).into())
    }

    /// Return a reverse iterator over the keys.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        let iterator = cx.call_method(mapping, "__reversed__", &[])?;
        Ok(iterator.get(cx).into())
    }

    /// Return hash(self): the mapping's.
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        cx.hash(mapping).map(Outcome::from)
    }

    /// Return str(self): the mapping's.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let mapping = proxied(cx, this);
        let text = cx.str_of(mapping)?;
        Ok(text.get(cx).into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        cx.compare_roots(CompareKind::Eq, a, b).map(Outcome::from)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        cx.compare_roots(CompareKind::Ne, a, b).map(Outcome::from)
    }

    /// Return self<value.
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        cx.compare_roots(CompareKind::Lt, a, b).map(Outcome::from)
    }

    /// Return self<=value.
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        cx.compare_roots(CompareKind::Le, a, b).map(Outcome::from)
    }

    /// Return self>value.
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        cx.compare_roots(CompareKind::Gt, a, b).map(Outcome::from)
    }

    /// Return self>=value.
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        cx.compare_roots(CompareKind::Ge, a, b).map(Outcome::from)
    }

    /// Return self|value.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, this), proxied(cx, value));
        let result = cx.binary_root(BinaryKind::Or, a, b)?;
        Ok(result.get(cx).into())
    }

    /// Return value|self.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (a, b) = (proxied(cx, value), proxied(cx, this));
        let result = cx.binary_root(BinaryKind::Or, a, b)?;
        Ok(result.get(cx).into())
    }

    /// Raise TypeError: a proxy is read-only.
    fn __ior__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Err(cx.type_error("'|=' is not supported by mappingproxy; use '|' instead".into()))
    }

    /// Return the value of a key, or the default.
    fn get(cx: &mut Cx, this: Root, key: Root, #[text("None")] default: Option<Root>) -> NativeResult {
        let default = match default {
            Some(default) => default,
            None => cx.push_raw(Raw::NONE),
        };
        let mapping = proxied(cx, this);
        let value = cx.call_method(mapping, "get", &[key, default])?;
        Ok(value.get(cx).into())
    }

    /// Return a view of the keys.
    fn keys(cx: &mut Cx, this: Root) -> NativeResult {
        forward(cx, this, "keys")
    }

    /// Return a view of the values.
    fn values(cx: &mut Cx, this: Root) -> NativeResult {
        forward(cx, this, "values")
    }

    /// Return a view of the pairs.
    fn items(cx: &mut Cx, this: Root) -> NativeResult {
        forward(cx, this, "items")
    }

    /// Return a copy of the mapping.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        forward(cx, this, "copy")
    }

    /// Return the alias mappingproxy[item].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

/// The dict of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'_, Dict> {
    cx.payload(this.get(cx)).exact::<Dict>().expect("the instance is a dict")
}

fn iterator(cx: &mut Cx, dict: Root, part: DictPart, backward: bool) -> Outcome {
    let dict = dict.get(cx).raw();
    Outcome::Value(cx.dict_iterator(dict, part, backward).expect("the instance is a dict"))
}

fn view(cx: &mut Cx, dict: Root, part: DictPart) -> Outcome {
    let dict = dict.get(cx);
    let view = cx.heap.alloc(DictView { dict: Slot::new(dict), part });
    view.set_shape(cx.view_class(dict.raw(), part).get().root_shape.get());
    view.into()
}

fn view_of(cx: &Cx, this: Root) -> Gc<'_, DictView> {
    this.get(cx).exact::<DictView>().expect("the instance is a view")
}

fn dict_of_view(cx: &mut Cx, this: Root) -> Root {
    let raw = view_of(cx, this).dict.get().raw();
    cx.push_raw(raw)
}

/// The dict a view looks at.
fn table(cx: &Cx, this: Root) -> Gc<'_, Dict> {
    let dict = view_of(cx, this).get().dict.get();
    cx.payload(dict).exact::<Dict>().expect("a view is of a dict")
}

fn or(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    if a.get(cx).kind() != Kind::Dict || b.get(cx).kind() != Kind::Dict {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    let copy = own(cx, a).copy(&cx.heap).map(|d| d.value().raw());
    let raw = cx.fits(copy)?;
    let result = cx.push_raw(raw);
    update_one(cx, result, b)?;
    Ok(result.get(cx).into())
}

/// The arguments of `dict()` and `update`.
fn update_all(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest, name: &str) -> NativeResult {
    if args.0.len() > 1 {
        let got = args.0.len();
        return Err(cx.type_error(format!("{name} expected at most 1 argument, got {got}")));
    }
    if !args.0.is_empty() {
        update_one(cx, this, args.0.root(0))?;
    }
    if kwargs.0.get(cx).exact::<Dict>().is_some_and(|d| !d.is_empty()) {
        cx.dict_merge_from(this, kwargs.0)?;
    }
    Ok(Outcome::NONE)
}

/// Adds the pairs of a mapping (anything with `keys`) or of an iterable of pairs.
pub(crate) fn update_one(cx: &mut Cx, this: Root, other: Root) -> Result<(), Raised> {
    if cx.is_plain_dict(other) {
        return cx.dict_merge_from(this, other);
    }
    if cx.find_attribute(other, "keys")?.is_some() {
        return cx.dict_update_from(this, other);
    }
    let state = cx.push_raw(this.get(cx).raw());
    let number = cx.push_raw(Raw::int(0));
    cx.for_each_taking(other, take!(take_pair), state, &mut |cx, pair| {
        let at = number.get(cx).as_int().unwrap_or(0);
        let items = match cx.tuple_from(pair) {
            Ok(items) => items,
            Err(raised) if cx.raised_is(Exc::TypeError) => {
                cx.take_raised(raised);
                let raised = cx.type_error("object is not iterable".into());
                let exception = cx.take_raised(raised);
                let exception = cx.push_raw(exception);
                let note = format!("Cannot convert dictionary update sequence element #{at} to a sequence");
                let note = cx.str(&note).value().raw();
                let note = cx.push_raw(note);
                cx.call_method(exception, "add_note", &[note])?;
                return Err(cx.raise(exception));
            }
            Err(raised) => return Err(raised),
        };
        let tuple = items.get(cx).exact::<Tuple>().expect("just made");
        if tuple.len() != 2 {
            let got = tuple.len();
            return Err(
                cx.value_error(format!("dictionary update sequence element #{at} has length {got}; 2 is required"))
            );
        }
        let (key, value) = (tuple.item(0).raw(), tuple.item(1).raw());
        let (key, value) = (cx.push_raw(key), cx.push_raw(value));
        cx.dict_set(this, key, value)?;
        number.set(cx, Value::int(at + 1));
        Ok(())
    })
}

/// For a dict that is exact, in the first of two registers: sets a key by a pair. The second register counts them.
fn take_pair(cx: &mut Cx, state: Root, item: Raw) -> bool {
    let value: Value<'_> = Value::adopt(item);
    let Some(tuple) = value.exact::<Tuple>().filter(|t| t.len() == 2) else { return false };
    let (key, value) = (tuple.item(0).raw(), tuple.item(1).raw());
    let dict = state.get(cx).raw();
    if !cx.dict_set_quickly(dict, key, value) {
        return false;
    }
    let number = state.offset(1);
    number.set(cx, Value::int(number.get(cx).as_int().unwrap_or(0) + 1));
    true
}

// ---- views ----

/// Whether a value is a view of keys or pairs.
fn is_set_view(cx: &Cx, root: Root) -> bool {
    root.get(cx).exact::<DictView>().is_some_and(|v| v.part != DictPart::Values)
}

fn set_of(cx: &mut Cx, iterable: Root) -> Result<Root, Raised> {
    let raw = Set::new(&cx.heap).value().raw();
    let result = cx.push_raw(raw);
    set::update(cx, result, iterable)?;
    Ok(result)
}

/// `|`, `&`, `-`, `^` where at least one side is a view; the result is a set.
fn view_operator(cx: &mut Cx, kind: BinaryKind, a: Root, b: Root) -> NativeResult {
    let dict_of = |root: Root, part: DictPart| {
        let view = root.get(cx).exact::<DictView>().filter(|view| view.part == part);
        view.map(|view| view.dict.get().raw())
    };
    if kind == BinaryKind::Xor
        && let (Some(x), Some(y)) = (dict_of(a, DictPart::Items), dict_of(b, DictPart::Items))
    {
        let (x, y) = (cx.push_raw(x), cx.push_raw(y));
        return items_that_differ(cx, x, y).map(|result| result.get(cx).into());
    }
    // The keys of a dict itself are taken with their hashes into a set of the right size: it shows in the order.
    let keys = dict_of(a, DictPart::Keys).filter(|dict| !Value::adopt(*dict).is_subclassed());
    let source = keys.map_or(a, |dict| cx.push_raw(dict));
    let result = match kind {
        BinaryKind::And => view_intersection(cx, a, b)?,
        BinaryKind::Or => {
            let result = set_of(cx, source)?;
            cx.call_method(result, "update", &[b])?;
            result
        }
        BinaryKind::Sub => {
            let result = set_of(cx, source)?;
            cx.call_method(result, "difference_update", &[b])?;
            result
        }
        _ => {
            let result = set_of(cx, source)?;
            cx.call_method(result, "symmetric_difference_update", &[b])?;
            result
        }
    };
    Ok(result.get(cx).into())
}

/// `a.items() ^ b.items()` of dicts: the pairs that only the second has come first.
fn items_that_differ(cx: &mut Cx, a: Root, b: Root) -> Result<Root, Raised> {
    let (a, b) = (cx.payload_root(a), cx.payload_root(b));
    let exact = |cx: &Cx, root: Root| root.get(cx).exact::<Dict>().expect("a view is of a dict").held();
    let copy = exact(cx, a).copy(&cx.heap).map(|copy| copy.value().raw());
    let copy = cx.fits(copy)?;
    let rest = cx.push_raw(copy);
    let result = Set::new(&cx.heap).value().raw();
    let result = cx.push_raw(result);
    let mark = cx.mark();
    let mut index = 0;
    while index < exact(cx, b).used() {
        cx.poll_at(index + 1)?;
        let entry = exact(cx, b).entry(index).map(|(key, value)| (key.raw(), value.raw()));
        index += 1;
        let Some((key, value)) = entry else { continue };
        let (key, value) = (cx.push_raw(key), cx.push_raw(value));
        let same = match cx.dict_get(rest, key)? {
            Some(known) => cx.same_or_equal(known, value)?,
            None => false,
        };
        if same {
            cx.dict_remove(rest, key)?;
        } else {
            let pair = Tuple::new(&cx.heap, &[key.get(cx), value.get(cx)]).value().raw();
            let pair = cx.push_raw(pair);
            cx.set_add(result, pair)?;
        }
        cx.release(mark);
    }
    let pairs = cx.call_method(rest, "items", &[])?;
    cx.set_extend(result, pairs)?;
    Ok(result)
}

fn view_intersection(cx: &mut Cx, a: Root, b: Root) -> Result<Root, Raised> {
    let (mut this, mut other) = if is_set_view(cx, a) { (a, b) } else { (b, a) };
    let len = table(cx, this).len();
    if other.get(cx).exact::<Set>().is_some_and(|s| len <= s.len()) {
        return cx.call_method(other, "intersection", &[this]);
    }
    if is_set_view(cx, other) && table(cx, other).len() > len {
        std::mem::swap(&mut this, &mut other);
    }
    let raw = Set::new(&cx.heap).value().raw();
    let result = cx.push_raw(raw);
    cx.for_each(other, &mut |cx, item| {
        if cx.contains_root(this, item)? {
            cx.set_add(result, item)?;
        }
        Ok(())
    })?;
    Ok(result)
}

fn view_disjoint(cx: &mut Cx, this: Root, other: Root) -> Result<bool, Raised> {
    if this.get(cx).is(other.get(cx)) {
        return Ok(table(cx, this).is_empty());
    }
    let sized = is_set_view(cx, other) || matches!(other.get(cx).kind(), Kind::Set | Kind::FrozenSet);
    let (asked, items) = if sized && cx.length(other)? > table(cx, this).len() { (other, this) } else { (this, other) };
    let mut none = true;
    cx.visit_while(items, &mut |cx, item| {
        none = !cx.contains_root(asked, item)?;
        Ok(none)
    })?;
    Ok(none)
}

// ---- mappingproxy ----

/// The mapping behind a proxy; anything else as it is.
fn proxied(cx: &mut Cx, this: Root) -> Root {
    match this.get(cx).exact::<MappingProxy>().map(|p| p.mapping.get().raw()) {
        Some(raw) => cx.push_raw(raw),
        None => this,
    }
}

fn forward(cx: &mut Cx, this: Root, method: &str) -> NativeResult {
    let mapping = proxied(cx, this);
    let result = cx.call_method(mapping, method, &[])?;
    Ok(result.get(cx).into())
}
