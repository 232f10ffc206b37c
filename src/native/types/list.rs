//! list.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::types::sort::sort_list;
use crate::native::types::with_operators;
use crate::object::{List, Tuple};
use crate::vm::native::{Cx, Given, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

with_operators! {
    table {
        /// Items in order, which can be changed, added and taken away.
        ///
        /// Made empty, or from the items of an iterable.
        pub static LIST_METHODS: Methods;
    }
    operators {
        compare Lt __lt__ "<";
        compare Le __le__ "<=";
        compare Eq __eq__ "==";
        compare Ne __ne__ "!=";
        compare Gt __gt__ ">";
        compare Ge __ge__ ">=";
    }

    /// Make an empty list.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::List)?;
        let list = cx.list(&[]).value().raw();
        cx.new_outcome(class, list)
    }

    /// Fill the list with the items of an iterable.
    fn __init__(cx: &mut Cx, this: Root, #[text("()")] iterable: Given<Root>) -> NativeResult {
        let this = cx.payload_root(this);
        own(cx, this).truncate(&cx.heap, 0);
        if let Some(iterable) = iterable.0 {
            cx.list_extend_root(this, iterable)?;
        }
        Ok(Outcome::NONE)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return the number of items.
    #[quick(One(crate::native::quick::list_len))]
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).len() as i64).into())
    }

    /// Return an iterator over the items.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let this = cx.payload_root(this);
        let iterator = cx.iter(this)?;
        Ok(iterator.get(cx).into())
    }

    /// Iterate from the last item to the first.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = cx.payload_reversed(this).expect("a list has a reverse iterator of its own");
        Ok(iterator.get(cx).into())
    }

    /// Return whether an item equals the value.
    fn __contains__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let this = cx.payload_root(this);
        cx.contains_root(this, value).map(Outcome::from)
    }

    /// Return self[index].
    #[quick(Two(crate::native::quick::list_item))]
    fn __getitem__(cx: &mut Cx, this: Root, index: Root) -> NativeResult {
        let this = cx.payload_root(this);
        let item = cx.item(this, index)?;
        Ok(item.get(cx).into())
    }

    /// Set self[index] to value.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> NativeResult {
        if key.get(cx).kind() == Kind::Slice {
            return set_slice(cx, this, key, value);
        }
        let len = |cx: &Cx| own(cx, this).len();
        let at = position(cx, key, "list indices must be integers or slices, not", "list assignment index out of range", len)?;
        own(cx, this).set_item(&cx.heap, at, value.get(cx));
        Ok(Outcome::NONE)
    }

    /// Delete self[index].
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        if key.get(cx).kind() == Kind::Slice {
            return delete_slice(cx, this, key);
        }
        let len = |cx: &Cx| own(cx, this).len();
        let at = position(cx, key, "list indices must be integers or slices, not", "list assignment index out of range", len)?;
        let done = own(cx, this).splice(&cx.heap, at, at + 1, 0, |_| Value::NONE);
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).kind() != Kind::List {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only concatenate list (not \"{got}\") to list")));
        }
        crate::native::types::binary(cx, BinaryKind::Add, this, value, this)
    }

    /// Return self*value.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value)
    }

    /// Return value*self.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value)
    }

    /// Implement self+=value.
    fn __iadd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let payload = cx.payload_root(this);
        cx.list_extend_root(payload, value)?;
        Ok(this.get(cx).into())
    }

    /// Implement self*=value.
    fn __imul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let count = repeat_count(cx, value)?;
        let list = own(cx, this);
        let len = list.len();
        let fits = len.checked_mul(count).and_then(|n| n.checked_mul(16)).is_some_and(|n| cx.heap.check(n).is_ok());
        if !fits {
            return Err(cx.memory_error());
        }
        if count == 0 {
            list.truncate(&cx.heap, 0);
        } else {
            let items: Vec<Raw> = list.items().map(|v| v.raw()).collect();
            let done =
                list.splice(&cx.heap, len, len, len * (count - 1), |i| Value::adopt(items[i % len]));
            cx.fits(done)?;
        }
        Ok(this.get(cx).into())
    }

    /// Add an item at the end.
    #[quick(Two(crate::native::quick::append))]
    fn append(cx: &mut Cx, this: Root, object: Root) -> NativeResult {
        let done = own(cx, this).push(&cx.heap, object.get(cx));
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }

    /// Add the items of an iterable at the end.
    fn extend(cx: &mut Cx, this: Root, iterable: Root) -> NativeResult {
        let this = cx.payload_root(this);
        cx.list_extend_root(this, iterable)?;
        Ok(Outcome::NONE)
    }

    /// Insert an item before an index.
    fn insert(cx: &mut Cx, this: Root, index: i64, object: Root) -> NativeResult {
        let list = own(cx, this);
        let len = list.len();
        let at = clip(index, len);
        let value = object.get(cx);
        let done = list.splice(&cx.heap, at, at, 1, |_| value);
        cx.fits(done)?;
        Ok(Outcome::NONE)
    }

    /// Remove and return the item at an index, the last one by default.
    fn pop(cx: &mut Cx, this: Root, #[default(-1)] index: i64) -> NativeResult {
        let list = own(cx, this);
        let len = list.len();
        if len == 0 {
            return Err(cx.index_error("pop from empty list"));
        }
        if index == -1 {
            return Ok(list.pop(&cx.heap).unwrap_or(Value::NONE).into());
        }
        let at = if index < 0 { index + len as i64 } else { index };
        let Some(item) = usize::try_from(at).ok().and_then(|at| list.item(at)) else {
            return Err(cx.index_error("pop index out of range"));
        };
        let raw = item.raw();
        let done = list.splice(&cx.heap, at as usize, at as usize + 1, 0, |_| Value::NONE);
        cx.fits(done)?;
        Ok(Outcome::Value(raw))
    }

    /// Remove the first item that equals the value.
    fn remove(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match find(cx, this, value, 0, usize::MAX)? {
            Some(at) => {
                let list = own(cx, this);
                if at < list.len() {
                    let done = list.splice(&cx.heap, at, at + 1, 0, |_| Value::NONE);
                    cx.fits(done)?;
                }
                Ok(Outcome::NONE)
            }
            None => Err(cx.value_error("list.remove(x): x not in list")),
        }
    }

    /// Remove all items.
    fn clear(cx: &mut Cx, this: Root) -> NativeResult {
        own(cx, this).take(&cx.heap);
        Ok(Outcome::NONE)
    }

    /// Return a copy.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let list = own(cx, this);
        Ok(List::of_parts(&cx.heap, list.len(), std::iter::once(list.slots())).into())
    }

    /// Return the number of items that equal the value.
    fn count(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let (mut count, mut at) = (0i64, 0);
        while let Some(found) = find(cx, this, value, at, usize::MAX)? {
            count += 1;
            at = found + 1;
        }
        Ok(count.into())
    }

    /// Return the index of the first item that equals the value.
    fn index(
        cx: &mut Cx,
        this: Root,
        value: Root,
        #[text("0")] start: Given<Root>,
        #[text("sys.maxsize")] stop: Given<Root>,
    ) -> NativeResult {
        let len = own(cx, this).len();
        let start = bound(cx, start.0, 0, len)?;
        let stop = bound(cx, stop.0, usize::MAX, len)?;
        match find(cx, this, value, start, stop)? {
            Some(at) => Ok((at as i64).into()),
            None => Err(cx.value_error("list.index(x): x not in list")),
        }
    }

    /// Reverse the order of the items in place.
    fn reverse(cx: &mut Cx, this: Root) -> NativeResult {
        own(cx, this).reverse(&cx.heap);
        Ok(Outcome::NONE)
    }

    /// Sort the items in place, in ascending order; equal items keep their order.
    fn sort(
        cx: &mut Cx,
        this: Root,
        #[key] key: Option<Root>,
        #[key] #[default(false)] #[text("False")] reverse: bool,
    ) -> NativeResult {
        let this = cx.payload_root(this);
        sort_list(cx, this, key, reverse)?;
        Ok(Outcome::NONE)
    }

    /// Return the size in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((40 + own(cx, this).len() as i64 * 8).into())
    }

    /// Return the alias list[item].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
}

/// The list of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'_, List> {
    cx.payload(this.get(cx)).exact::<List>().expect("the instance is a list")
}

fn clip(index: i64, len: usize) -> usize {
    let len = len as i64;
    (if index < 0 { (index.saturating_add(len)).max(0) } else { index.min(len) }) as usize
}

/// The place that a subscript means. The length is asked for last: `__index__` may change it.
pub(crate) fn position(
    cx: &mut Cx,
    key: Root,
    wrong: &str,
    outside: &str,
    len: impl FnOnce(&Cx) -> usize,
) -> Result<usize, Raised> {
    if crate::native::types::int_ref(cx, key.get(cx)).is_none()
        && cx.special_method(key, crate::vm::Name::Index)?.is_none()
    {
        let got = cx.type_name_for_error(key.get(cx));
        return Err(cx.type_error(format!("{wrong} {got}")));
    }
    let index = cx.subscript_index(key)?;
    let len = len(cx);
    let at = if index < 0 { index + len as i64 } else { index };
    match usize::try_from(at) {
        Ok(at) if at < len => Ok(at),
        _ => Err(cx.index_error(outside)),
    }
}

/// A bound of `index`: clipped to the length, and from the end if negative.
pub(crate) fn bound(cx: &mut Cx, given: Option<Root>, default: usize, len: usize) -> Result<usize, Raised> {
    let Some(root) = given else { return Ok(default) };
    if crate::native::types::int_ref(cx, root.get(cx)).is_none()
        && cx.special_method(root, crate::vm::Name::Index)?.is_none()
    {
        return Err(cx.type_error("slice indices must be integers or have an __index__ method".into()));
    }
    let index = cx.index(root)?;
    let index = match crate::object::key::as_int_ref(index.get(cx)) {
        Some(int) => int.to_i64().unwrap_or(if int.signum() < 0 { i64::MIN } else { i64::MAX }),
        None => 0,
    };
    Ok(if index < 0 { index.saturating_add(len as i64).max(0) as usize } else { index as usize })
}

/// The place of the first item from `start` on that equals the value.
fn find(cx: &mut Cx, this: Root, value: Root, start: usize, stop: usize) -> Result<Option<usize>, Raised> {
    let mut at = start;
    loop {
        let list = own(cx, this);
        if at >= stop {
            return Ok(None);
        }
        let Some(item) = list.item(at) else { return Ok(None) };
        let wanted = value.get(cx);
        let same = if item.is(wanted) {
            true
        } else {
            match crate::object::key::equal_without_script(item, wanted, 0) {
                Some(equal) => equal,
                None => {
                    let raw = item.raw();
                    let mark = cx.mark();
                    let item = cx.push_raw(raw);
                    let equal = cx.equals(item, value)?;
                    cx.release(mark);
                    equal
                }
            }
        };
        if same {
            return Ok(Some(at));
        }
        at += 1;
    }
}

/// How often `*` repeats; complains of what is no integer.
fn repeat_count(cx: &mut Cx, value: Root) -> Result<usize, Raised> {
    let index = cx.index(value)?;
    match index.get(cx).as_int() {
        Some(count) => Ok(count.max(0) as usize),
        None => {
            let got = cx.type_name_for_error(value.get(cx));
            Err(cx.overflow_error(&format!("cannot fit '{got}' into an index-sized integer")))
        }
    }
}

/// `sequence * value`, also for a value with `__index__`.
pub(crate) fn repeat(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
    let count = repeat_count(cx, value)?;
    let count = cx.push_raw(Raw::int(i64::try_from(count).unwrap_or(i64::MAX)));
    crate::native::types::binary(cx, BinaryKind::Mul, this, count, this)
}

fn set_slice(cx: &mut Cx, this: Root, key: Root, value: Root) -> NativeResult {
    let this = cx.payload_root(this);
    let (start, stop, step, count) = cx.slice_bounds(key, |cx| own(cx, this).len())?;
    let items = if value.get(cx).exact::<List>().is_some() {
        value
    } else {
        let iterable = cx.special_method(value, crate::vm::Name::Iter)?.is_some()
            || cx.special_method(value, crate::vm::Name::GetItem)?.is_some();
        if !iterable {
            return Err(cx.type_error("must assign iterable to extended slice".into()));
        }
        let iterator = if value.get(cx).exact::<Tuple>().is_some() { value } else { cx.iter(value)? };
        cx.list_from(iterator)?
    };
    let new: Vec<Raw> = own(cx, items).items().map(|v| v.raw()).collect();
    let list = own(cx, this);
    // What made the items may have changed the list.
    let len = list.len() as i64;
    if step == 1 {
        let (start, end) = (start.min(len) as usize, stop.max(start).min(len) as usize);
        let done = list.splice(&cx.heap, start, end, new.len(), |i| Value::adopt(new[i]));
        cx.fits(done)?;
        return Ok(Outcome::NONE);
    }
    if new.len() != count {
        return Err(cx.value_error(format!(
            "attempt to assign sequence of size {} to extended slice of size {count}",
            new.len()
        )));
    }
    for (i, raw) in new.into_iter().enumerate() {
        let at = start + i as i64 * step;
        if at < len {
            list.set_item(&cx.heap, at as usize, Value::adopt(raw));
        }
    }
    Ok(Outcome::NONE)
}

fn delete_slice(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
    let this = cx.payload_root(this);
    let (start, stop, step, count) = cx.slice_bounds(key, |cx| own(cx, this).len())?;
    let list = own(cx, this);
    if count == 0 {
        return Ok(Outcome::NONE);
    }
    if step == 1 {
        let done = list.splice(&cx.heap, start as usize, stop as usize, 0, |_| Value::NONE);
        cx.fits(done)?;
        return Ok(Outcome::NONE);
    }
    let (first, step) = if step > 0 {
        (start as usize, step as usize)
    } else {
        ((start + (count as i64 - 1) * step) as usize, step.unsigned_abs() as usize)
    };
    let last = first + (count - 1) * step;
    let gone = |at: usize| at >= first && at <= last && (at - first).is_multiple_of(step);
    let left: Vec<Raw> = list.items().enumerate().filter(|(at, _)| !gone(*at)).map(|(_, v)| v.raw()).collect();
    for (at, raw) in left.iter().enumerate().skip(first) {
        list.set_item(&cx.heap, at, Value::adopt(*raw));
    }
    list.truncate(&cx.heap, left.len());
    Ok(Outcome::NONE)
}

impl Cx {
    /// Adds the items of an iterable to a list, which is exact.
    pub fn list_extend_root(&mut self, list: Root, iterable: Root) -> Result<(), Raised> {
        let (list, iterable) = (list.get(self).raw(), iterable.get(self).raw());
        self.list_extend_raw(list, iterable)
    }
}
