//! What natives that are called often do with arguments of the usual types: see [`Quick`](crate::vm::native::Quick).

use num_integer::Integer;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{ByteArray, Class, ClassFlags, Dict, List, Set, Str, Tuple};
use crate::vm::native::Cx;

const ASK: Raw = Raw::UNBOUND;

/// `len`.
pub(super) fn len(cx: &mut Cx, of: Raw) -> Raw {
    let value: Value<'_> = Value::adopt(of);
    if let Some(list) = value.exact::<List>() {
        return Raw::int(list.len() as i64);
    }
    if let Some(text) = value.exact::<Str>() {
        return Raw::int(text.chars() as i64);
    }
    if let Some(dict) = value.exact::<Dict>() {
        return Raw::int(dict.len() as i64);
    }
    if let Some(tuple) = value.exact::<Tuple>() {
        return Raw::int(tuple.len() as i64);
    }
    if value.is_subclassed() {
        return cx.length_at_once(of);
    }
    value.exact::<Set>().map_or(ASK, |set| Raw::int(set.len() as i64))
}

/// `abs`.
pub(super) fn abs(_: &mut Cx, of: Raw) -> Raw {
    let value: Value<'_> = Value::adopt(of);
    if let Some(int) = value.as_int() {
        return int.checked_abs().map_or(ASK, Raw::int);
    }
    value.as_float().map_or(ASK, |float| Raw::float(float.abs()))
}

/// `ord`.
pub(super) fn ord(_: &mut Cx, of: Raw) -> Raw {
    let value: Value<'_> = Value::adopt(of);
    match value.exact::<Str>().map(|text| text.as_bytes()) {
        Some([byte @ 0..=0x7F]) => Raw::int(i64::from(*byte)),
        _ => ASK,
    }
}

/// `chr`.
pub(super) fn chr(cx: &mut Cx, of: Raw) -> Raw {
    let value: Value<'_> = Value::adopt(of);
    match value.as_int() {
        Some(point @ 0..=0xFF) => cx.character(point as u8).value().raw(),
        _ => ASK,
    }
}

/// `isinstance`, of a class that has no say in it.
pub(super) fn isinstance(cx: &mut Cx, object: Raw, class: Raw) -> Raw {
    let class: Value<'_> = Value::adopt(class);
    let Some(target) = class.exact::<Class>() else {
        let Some(classes) = class.exact::<Tuple>() else { return ASK };
        for class in classes.items() {
            if class.exact::<Class>().is_none() {
                return ASK;
            }
            let answer = isinstance(cx, object.copied(), class.raw());
            if !answer.same(Raw::FALSE) {
                return answer;
            }
        }
        return Raw::FALSE;
    };
    let own = cx.class_of(Value::adopt(object));
    if own == target {
        return Raw::TRUE;
    }
    if !cx.is_plain_class(target) {
        let target = target.held();
        return cx.is_instance_quickly(object, target);
    }
    if own.is_subclass(target) {
        return Raw::TRUE;
    }
    // An instance may claim another class.
    if own.has(ClassFlags::HEAP) { ASK } else { Raw::FALSE }
}

/// Two numbers of the same type: whether the first is less, and whether it is greater.
pub(super) fn order(a: Raw, b: Raw) -> Option<(bool, bool)> {
    let (a, b): (Value<'_>, Value<'_>) = (Value::adopt(a), Value::adopt(b));
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return Some((a < b, a > b));
    }
    let (a, b) = (a.as_float()?, b.as_float()?);
    Some((a < b, a > b))
}

/// `min` of two.
pub(super) fn min(_: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(a, b).map_or(ASK, |(_, greater)| if greater { b } else { a })
}

/// `max` of two.
pub(super) fn max(_: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(a, b).map_or(ASK, |(less, _)| if less { b } else { a })
}

/// A function of a float whose result is finite where its argument is; `defined` says for which.
fn of_float(x: Raw, defined: impl Fn(f64) -> bool, f: impl Fn(f64) -> f64) -> Raw {
    const EXACT: u64 = 1 << 53;
    let value: Value<'_> = Value::adopt(x);
    let float = match (value.kind(), value.as_float(), value.as_int()) {
        (Kind::Float, Some(x), _) => x,
        (Kind::Int, _, Some(x)) if x.unsigned_abs() <= EXACT => x as f64,
        _ => return ASK,
    };
    if float.is_finite() && defined(float) { Raw::float(f(float)) } else { ASK }
}

/// `math.sqrt`.
pub(super) fn sqrt(_: &mut Cx, x: Raw) -> Raw {
    of_float(x, |x| x >= 0.0, f64::sqrt)
}

/// `math.sin`.
pub(super) fn sin(_: &mut Cx, x: Raw) -> Raw {
    of_float(x, |_| true, f64::sin)
}

/// `math.cos`.
pub(super) fn cos(_: &mut Cx, x: Raw) -> Raw {
    of_float(x, |_| true, f64::cos)
}

/// A whole number near a float, where it fits.
fn whole(x: Raw, round: impl Fn(f64) -> f64) -> Raw {
    const EXACT: f64 = (1u64 << 53) as f64;
    let value: Value<'_> = Value::adopt(x);
    match value.as_float().map(round) {
        Some(float) if float.abs() <= EXACT => Raw::int(float as i64),
        Some(_) => ASK,
        None => value.as_int().map_or(ASK, Raw::int),
    }
}

/// `math.floor`.
pub(super) fn floor(_: &mut Cx, x: Raw) -> Raw {
    whole(x, f64::floor)
}

/// `math.ceil`.
pub(super) fn ceil(_: &mut Cx, x: Raw) -> Raw {
    whole(x, f64::ceil)
}

/// Two small integers.
fn two_ints(a: Raw, b: Raw) -> Option<(i64, i64)> {
    let (a, b): (Value<'_>, Value<'_>) = (Value::adopt(a), Value::adopt(b));
    a.as_int().zip(b.as_int())
}

/// A number as an int, if it is small.
fn small(number: Option<u64>) -> Raw {
    number.and_then(|number| i64::try_from(number).ok()).map_or(ASK, Raw::int)
}

/// `math.gcd`.
pub(super) fn gcd(_: &mut Cx, a: Raw, b: Raw) -> Raw {
    small(two_ints(a, b).map(|(a, b)| a.unsigned_abs().gcd(&b.unsigned_abs())))
}

/// `math.lcm`.
pub(super) fn lcm(_: &mut Cx, a: Raw, b: Raw) -> Raw {
    let Some((a, b)) = two_ints(a, b).map(|(a, b)| (a.unsigned_abs(), b.unsigned_abs())) else { return ASK };
    small(if a == 0 || b == 0 { Some(0) } else { (a / a.gcd(&b)).checked_mul(b) })
}

/// `math.isqrt`.
pub(super) fn isqrt(_: &mut Cx, n: Raw) -> Raw {
    let n: Value<'_> = Value::adopt(n);
    small(n.as_int().and_then(|n| u64::try_from(n).ok()).map(u64::isqrt))
}

/// `math.factorial`.
pub(super) fn factorial(_: &mut Cx, n: Raw) -> Raw {
    let n: Value<'_> = Value::adopt(n);
    small(n.as_int().and_then(|n| u64::try_from(n).ok()).and_then(|n| falling(n, n)))
}

/// `math.perm` of two.
pub(super) fn perm(_: &mut Cx, n: Raw, k: Raw) -> Raw {
    small(two_ints(n, k).and_then(|(n, k)| falling(u64::try_from(n).ok()?, u64::try_from(k).ok()?)))
}

/// The product of the `k` numbers up to `n`, where it fits.
fn falling(n: u64, k: u64) -> Option<u64> {
    if k > n {
        return Some(0);
    }
    (n - k + 1..=n).rev().try_fold(1u64, |product, factor| product.checked_mul(factor))
}

/// `math.comb`.
pub(super) fn comb(_: &mut Cx, n: Raw, k: Raw) -> Raw {
    let Some((n, k)) = two_ints(n, k) else { return ASK };
    let (Ok(n), Ok(k)) = (usize::try_from(n), usize::try_from(k)) else { return ASK };
    if k > n {
        return Raw::int(0);
    }
    if n >= ODD_FACTORIALS.len() {
        return ASK;
    }
    // Odd numbers have inverses modulo 2**64, below which the result is; the powers of two are counted apart.
    let [(all, all_twos), (chosen, chosen_twos), (rest, rest_twos)] = [n, k, n - k].map(|n| ODD_FACTORIALS[n]);
    let odd = all.wrapping_mul(inverse(chosen.wrapping_mul(rest)));
    small(Some(odd << (all_twos - chosen_twos - rest_twos)))
}

/// Factorials without their factors of two, modulo 2**64, and how many factors of two these are: as long as all of `comb(n, k)` are below 2**64.
const ODD_FACTORIALS: [(u64, u32); 68] = {
    let mut all = [(1u64, 0u32); 68];
    let mut n = 1;
    while n < all.len() {
        let twos = n.trailing_zeros();
        all[n] = (all[n - 1].0.wrapping_mul((n >> twos) as u64), all[n - 1].1 + twos);
        n += 1;
    }
    all
};

/// What an odd number gives 1 with, modulo 2**64: each step doubles the bits that are right, of which there are three at first.
fn inverse(odd: u64) -> u64 {
    (0..5).fold(odd, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse))))
}

/// `list.append`.
pub(super) fn append(cx: &mut Cx, list: Raw, item: Raw) -> Raw {
    let list: Value<'_> = Value::adopt(list);
    match list.exact::<List>() {
        Some(list) if list.push(&cx.heap, Value::adopt(item)).is_ok() => Raw::NONE,
        _ => ASK,
    }
}

/// `bytearray.append`.
pub(super) fn append_byte(_: &mut Cx, array: Raw, byte: Raw) -> Raw {
    let (array, byte): (Value<'_>, Value<'_>) = (Value::adopt(array), Value::adopt(byte));
    let (Some(array), Some(byte)) = (array.exact::<ByteArray>(), byte.as_int()) else { return ASK };
    match u8::try_from(byte) {
        Ok(byte) if array.push_within(byte) => Raw::NONE,
        _ => ASK,
    }
}

/// `set.add`.
pub(super) fn add(cx: &mut Cx, set: Raw, item: Raw) -> Raw {
    match cx.set_add_quickly(set, item) {
        true => Raw::NONE,
        false => ASK,
    }
}

/// `dict.get`.
pub(super) fn get(cx: &mut Cx, dict: Raw, key: Raw, default: Raw) -> Raw {
    let dict: Value<'_> = Value::adopt(dict);
    let Some(dict) = dict.exact::<Dict>() else { return ASK };
    match cx.dict_find_at_once(dict, Value::adopt(key)) {
        Some(Some(number)) => dict.value_at(number).raw(),
        Some(None) if default.is_unbound() => Raw::NONE,
        Some(None) => default,
        None => ASK,
    }
}

// ---- what derived classes leave to dict, list and tuple ----

/// `dict.__getitem__`, of a key that is there.
pub(super) fn dict_item(cx: &mut Cx, object: Raw, key: Raw) -> Raw {
    let Some(dict) = cx.payload(Value::adopt(object)).exact::<Dict>().map(Gc::held) else { return ASK };
    match cx.dict_find_at_once(dict, Value::adopt(key)) {
        Some(Some(at)) => dict.value_at(at).raw(),
        _ => ASK,
    }
}

/// `dict.__contains__`.
pub(super) fn dict_contains(cx: &mut Cx, object: Raw, key: Raw) -> Raw {
    let Some(dict) = cx.payload(Value::adopt(object)).exact::<Dict>().map(Gc::held) else { return ASK };
    cx.dict_find_at_once(dict, Value::adopt(key)).map_or(ASK, |found| Raw::bool(found.is_some()))
}

/// `dict.__setitem__`.
pub(super) fn dict_set(cx: &mut Cx, object: Raw, key: Raw, value: Raw) -> Raw {
    let payload = cx.payload(Value::adopt(object));
    let known = payload.exact::<Dict>().is_some() && !value.is_unbound();
    let payload = payload.raw();
    if known && cx.dict_set_quickly(payload, key, value) { Raw::NONE } else { ASK }
}

/// `dict.__len__`.
pub(super) fn dict_len(cx: &mut Cx, object: Raw) -> Raw {
    cx.payload(Value::adopt(object)).exact::<Dict>().map_or(ASK, |dict| Raw::int(dict.len() as i64))
}

/// `list.__getitem__`.
pub(super) fn list_item(cx: &mut Cx, object: Raw, index: Raw) -> Raw {
    let payload = cx.payload(Value::adopt(object));
    let found = payload.exact::<List>().and_then(|_| cx.item_quickly(payload.raw(), index));
    found.unwrap_or(ASK)
}

/// `list.__len__`.
pub(super) fn list_len(cx: &mut Cx, object: Raw) -> Raw {
    cx.payload(Value::adopt(object)).exact::<List>().map_or(ASK, |list| Raw::int(list.len() as i64))
}

/// `tuple.__getitem__`.
pub(super) fn tuple_item(cx: &mut Cx, object: Raw, index: Raw) -> Raw {
    let payload = cx.payload(Value::adopt(object));
    let found = payload.exact::<Tuple>().and_then(|_| cx.item_quickly(payload.raw(), index));
    found.unwrap_or(ASK)
}

/// `tuple.__len__`.
pub(super) fn tuple_len(cx: &mut Cx, object: Raw) -> Raw {
    cx.payload(Value::adopt(object)).exact::<Tuple>().map_or(ASK, |tuple| Raw::int(tuple.len() as i64))
}
