//! Sorting a list: stable, safe against scripts that change the list meanwhile. Keys of one plain type are sorted without any call;
//! everything else by asking `<` (`timsort`).

use std::cmp::Ordering;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::functools::{are_keys, compared_by};
use crate::native::types::timsort;
use crate::object::key::{as_int_ref, equal_without_script};
use crate::object::{List, Str, Tuple};
use crate::vm::CompareKind;
use crate::vm::native::{Cx, Raised, Root};

/// `list.sort(key=key, reverse=reverse)` for an exact list.
pub(crate) fn sort_list(cx: &mut Cx, list: Root, key: Option<Root>, reverse: bool) -> Result<(), Raised> {
    let mark = cx.mark();
    // The list is empty while its items are being sorted, so that scripts cannot spoil the sorting.
    let taken = list_in(cx, list).take(&cx.heap).value().raw();
    let taken = cx.push_raw(taken);
    let sorted = sort_taken(cx, taken, key.filter(|k| !k.get(cx).is_none()), reverse);
    let changed = !list_in(cx, list).is_empty();
    list_in(cx, list).give(&cx.heap, list_in(cx, taken));
    cx.release(mark);
    sorted?;
    if changed {
        return Err(cx.value_error("list modified during sort"));
    }
    Ok(())
}

fn list_in(cx: &Cx, root: Root) -> crate::heap::Gc<'_, List> {
    root.get(cx).exact::<List>().expect("callers sort exact lists")
}

fn sort_taken(cx: &mut Cx, taken: Root, key: Option<Root>, reverse: bool) -> Result<(), Raised> {
    let len = list_in(cx, taken).len();
    let keys = match key {
        None => taken,
        Some(key) => {
            let keys = List::with_capacity(&cx.heap, len).map(|l| l.value().raw());
            let keys = cx.fits(keys)?;
            let keys = cx.push_raw(keys);
            for index in 0..len {
                let mark = cx.mark();
                let item = list_in(cx, taken).item(index).map_or(Raw::NONE, |v| v.raw());
                let item = cx.push_raw(item);
                let value = cx.call_one(key, item)?;
                let pushed = list_in(cx, keys).push(&cx.heap, value.get(cx));
                cx.fits(pushed)?;
                cx.release(mark);
            }
            keys
        }
    };
    if len < 2 {
        return Ok(());
    }
    if key.is_none() && sorted_in_place(cx, list_in(cx, taken), reverse) {
        return Ok(());
    }
    // The lists keep everything alive, and no script can reach them.
    let raws: Vec<Raw> = list_in(cx, keys).items().map(|v| v.raw()).collect();
    let (order, result) = match plain_order(cx, &raws, reverse)? {
        Some(order) => (order, Ok(())),
        None => merged_order(cx, &raws, reverse),
    };
    let items: Vec<Raw> = list_in(cx, taken).items().map(|v| v.raw()).collect();
    let list = list_in(cx, taken);
    for (to, from) in order.into_iter().enumerate() {
        list.set_item(&cx.heap, to, Value::adopt(items[from as usize]));
    }
    result
}

/// Sorts a list of small ints only, or sees that all texts in one are in order; false if it is no such list.
fn sorted_in_place(cx: &Cx, list: crate::heap::Gc<'_, List>, reverse: bool) -> bool {
    let slots = list.slots();
    let backward = |order: Ordering| if reverse { order.reverse() } else { order };
    let Some(first) = slots[0].get().as_int() else {
        return slots[0].get().exact::<Str>().is_some()
            && slots.windows(2).all(|pair| match (pair[0].get().exact::<Str>(), pair[1].get().exact::<Str>()) {
                (Some(a), Some(b)) => backward(a.as_bytes().cmp(b.as_bytes())).is_le(),
                _ => false,
            });
    };
    let mut ordered = true;
    let mut previous = first;
    for slot in slots {
        let Some(int) = slot.get().as_int() else { return false };
        ordered &= backward(previous.cmp(&int)).is_le();
        previous = int;
    }
    if !ordered {
        // Equal ints cannot be told apart.
        let mut ints: smallvec::SmallVec<[i64; 32]> = slots.iter().filter_map(|s| s.get().as_int()).collect();
        ints.sort_unstable();
        if reverse {
            ints.reverse();
        }
        for (to, int) in ints.into_iter().enumerate() {
            list.set_item(&cx.heap, to, Value::int(int));
        }
    }
    true
}

/// The order of keys that are all small ints, all floats (none of them nan) or all texts.
fn plain_order(cx: &mut Cx, raws: &[Raw], reverse: bool) -> Result<Option<Vec<u32>>, Raised> {
    let value = |raw: &Raw| Value::<'static>::adopt(*raw);
    let Some(first) = raws.first() else { return Ok(None) };
    match value(first).kind() {
        Kind::Int => {
            let keys = raws.iter().map(|r| value(r).as_int()).collect::<Option<Vec<i64>>>();
            keys.map(|keys| order_by(cx, &keys, reverse, |a, b| a.cmp(b))).transpose()
        }
        Kind::Float => {
            let keys = raws.iter().map(|r| value(r).as_float().filter(|f| !f.is_nan())).collect::<Option<Vec<f64>>>();
            let compare = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(Ordering::Equal);
            keys.map(|keys| order_by(cx, &keys, reverse, compare)).transpose()
        }
        Kind::Str => {
            // Bytes of UTF-8 are in the order of code points. The first eight, as a number, mostly decide.
            let key = |raw: &Raw| value(raw).exact::<Str>().map(|text| (first_bytes(text.as_bytes()), text.as_bytes()));
            let keys = raws.iter().map(key).collect::<Option<Vec<(u64, &[u8])>>>();
            keys.map(|keys| order_by(cx, &keys, reverse, |a, b| a.cmp(b))).transpose()
        }
        Kind::Tuple => tuple_order(cx, raws, reverse),
        _ => Ok(None),
    }
}

/// The first eight bytes as a number that is in order as they are; those that are missing count as zeros.
fn first_bytes(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = bytes.len().min(8);
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
}

/// The order of tuples of one length whose items are, at each place, all small ints, all floats (none of them nan) or all texts.
fn tuple_order(cx: &mut Cx, raws: &[Raw], reverse: bool) -> Result<Option<Vec<u32>>, Raised> {
    let tuples = raws.iter().map(|raw| Value::<'static>::adopt(*raw).exact::<Tuple>().map(|t| t.tail()));
    let Some(keys) = tuples.collect::<Option<Vec<&[Slot]>>>() else { return Ok(None) };
    let Some(first) = keys.first() else { return Ok(None) };
    let kinds: smallvec::SmallVec<[Kind; 8]> = first.iter().map(|slot| slot.get().kind()).collect();
    let plain = |slot: &Slot, kind: Kind| {
        let value = slot.get();
        match kind {
            Kind::Int => value.as_int().is_some(),
            Kind::Float => value.as_float().is_some_and(|f| !f.is_nan()),
            Kind::Str => value.exact::<Str>().is_some(),
            _ => false,
        }
    };
    let uniform =
        |key: &&[Slot]| key.len() == kinds.len() && key.iter().zip(&kinds).all(|(slot, kind)| plain(slot, *kind));
    if !keys.iter().all(uniform) {
        return Ok(None);
    }
    let compare = |a: &&[Slot], b: &&[Slot]| {
        for ((a, b), kind) in a.iter().zip(b.iter()).zip(&kinds) {
            let (a, b) = (a.get(), b.get());
            let order = match kind {
                Kind::Int => a.as_int().cmp(&b.as_int()),
                Kind::Float => a.as_float().partial_cmp(&b.as_float()).unwrap_or(Ordering::Equal),
                _ => a.exact::<Str>().map(|s| s.as_bytes()).cmp(&b.exact::<Str>().map(|s| s.as_bytes())),
            };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    };
    order_by(cx, &keys, reverse, compare).map(Some)
}

/// So many keys are sorted before a signal is looked for; then the sorted parts are merged two by two.
const PART: usize = 1 << 18;

fn order_by<T: Copy>(
    cx: &mut Cx,
    keys: &[T],
    reverse: bool,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<Vec<u32>, Raised> {
    let mut pairs: Vec<(T, u32)> = keys.iter().zip(0..).map(|(k, i)| (*k, i)).collect();
    let mut part = PART;
    loop {
        for pairs in pairs.chunks_mut(part) {
            if reverse {
                pairs.sort_by(|(a, _), (b, _)| compare(b, a));
            } else {
                pairs.sort_by(|(a, _), (b, _)| compare(a, b));
            }
            cx.poll()?;
        }
        if part >= keys.len() {
            return Ok(pairs.into_iter().map(|(_, i)| i).collect());
        }
        part *= 2;
    }
}

/// The order found by asking; after an exception, some order.
fn merged_order(cx: &mut Cx, keys: &[Raw], reverse: bool) -> (Vec<u32>, Result<(), Raised>) {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    // Equal keys keep their order in a reversed list, too.
    if reverse {
        order.reverse();
    }
    let mark = cx.mark();
    let (x, y) = (cx.push_raw(Raw::NONE), cx.push_raw(Raw::NONE));
    // CPython asks things of one class by its method alone, and from the start again if that declines.
    let class = keys.first().map(|key| cx.class_of(Value::adopt(*key)).held());
    let uniform = keys.iter().all(|key| Some(cx.class_of(Value::adopt(*key)).held()) == class);
    let keyed = uniform && class.is_some_and(|class| are_keys(cx, class));
    let tuples: Option<Vec<Gc<'static, Tuple>>> =
        keys.iter().map(|key| Value::adopt(*key).exact::<Tuple>().filter(|tuple| !tuple.is_empty())).collect();
    // Of tuples whose first items are of one class, those are asked likewise.
    let uniform_firsts = tuples.as_ref().is_some_and(|tuples| {
        let firsts = tuples.iter().map(|tuple| cx.class_of(tuple.item(0)).held());
        let mut firsts = firsts.peekable();
        let class = firsts.peek().copied();
        class != Some(cx.kind_class(Kind::Tuple).held()) && firsts.all(|other| Some(other) == class)
    });
    let mut asked = 0;
    let mut less = |a: u32, b: u32| -> Result<bool, Raised> {
        asked += 1;
        cx.poll_at(asked)?;
        let at = (a, b);
        let (a, b) = (keys[a as usize], keys[b as usize]);
        if keyed && let Some([function, a, b]) = compared_by(a, b) {
            let answer = cx.call_raw(function, &[a, b])?;
            return match Value::<'static>::adopt(answer).as_int() {
                Some(number) => Ok(number < 0),
                None => {
                    x.set(cx, Value::adopt(answer));
                    y.set(cx, Value::int(0));
                    cx.compare_roots(CompareKind::Lt, x, y)
                }
            };
        }
        if let Some(less) = less_without_script(Value::adopt(a), Value::adopt(b), 0) {
            return Ok(less);
        }
        let (mut a, mut b, mut uniform) = (a, b, uniform);
        if let Some(tuples) = &tuples {
            let (left, right) = (tuples[at.0 as usize], tuples[at.1 as usize]);
            let mut differing = None;
            for (index, (l, r)) in left.items().zip(right.items()).enumerate() {
                x.set(cx, l);
                y.set(cx, r);
                if !cx.same_or_equal(x, y)? {
                    differing = Some((index, l.raw(), r.raw()));
                    break;
                }
            }
            let Some((index, l, r)) = differing else { return Ok(left.len() < right.len()) };
            (a, b, uniform) = (l, r, index == 0 && uniform_firsts);
        }
        if uniform
            && let Some(answer) = cx.ask_first(CompareKind::Lt, a, b)?
            && !answer.same(Raw::NOT_IMPLEMENTED)
        {
            return cx.truth_of_answer(answer);
        }
        x.set(cx, Value::adopt(a));
        y.set(cx, Value::adopt(b));
        let inner = cx.mark();
        let less = cx.compare_roots(CompareKind::Lt, x, y)?;
        cx.release(inner);
        Ok(less)
    };
    let result = timsort::sort_by(&mut order, &mut less);
    cx.release(mark);
    if reverse {
        order.reverse();
    }
    (order, result)
}

/// `a < b` for values whose comparison no script has a say in.
pub(crate) fn less_without_script(a: Value<'_>, b: Value<'_>, depth: usize) -> Option<bool> {
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return Some(a < b);
    }
    if let (Some(a), Some(b)) = (a.exact::<Str>(), b.exact::<Str>()) {
        return Some(a.as_bytes() < b.as_bytes());
    }
    if let (Some(a), Some(b)) = (a.as_float(), b.as_float()) {
        return Some(a < b);
    }
    if let (Some(a), Some(b)) = (as_int_ref(a), as_int_ref(b)) {
        return Some(a < b);
    }
    if let (Some(a), Some(b)) = (as_int_ref(a), b.as_float()) {
        return Some(a.compare_float(b) == Some(Ordering::Less));
    }
    if let (Some(a), Some(b)) = (a.as_float(), as_int_ref(b)) {
        return Some(b.compare_float(a) == Some(Ordering::Greater));
    }
    let (a, b) = (a.exact::<Tuple>()?, b.exact::<Tuple>()?);
    if depth > 20 {
        return None;
    }
    for (x, y) in a.items().zip(b.items()) {
        if x.is(y) || equal_without_script(x, y, 0)? {
            continue;
        }
        return less_without_script(x, y, depth + 1);
    }
    Some(a.len() < b.len())
}
