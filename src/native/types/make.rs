//! How instances of the most used builtin types are made by a call of the type, without `__new__` and `__init__` one after the other.

use crate::heap::{Kind, Raw, Slot, Value};
use crate::object::{ByteArray, Bytes, Dict, FrozenSet, List, Range, Set, Str, Tuple};
use crate::vm::make::Maker;
use crate::vm::native::{Args, Cx, NativeResult, Outcome};

/// The types, by name; `dict`, which takes names too, is not among them.
pub(crate) static MAKERS: &[(&str, Maker)] = &[
    ("bool", bool),
    ("bytearray", bytearray),
    ("bytes", bytes),
    ("float", float),
    ("frozenset", frozenset),
    ("int", int),
    ("list", list),
    ("range", range),
    ("set", set),
    ("str", str),
    ("tuple", tuple),
    ("type", type_of),
];

/// The type's own `__new__` and `__init__` are to do it.
const IN_FULL: NativeResult = Ok(Outcome::Value(Raw::UNBOUND));

fn bool(cx: &mut Cx, args: Args) -> NativeResult {
    match args.len() {
        0 => Ok(false.into()),
        1 => {
            let raw = args.get(cx, 0).raw();
            cx.truth_outcome(raw)
        }
        _ => IN_FULL,
    }
}

fn bytearray(cx: &mut Cx, args: Args) -> NativeResult {
    let array = match args.len() {
        0 => ByteArray::new(&cx.heap, b""),
        1 => match args.get(cx, 0).exact::<Bytes>() {
            Some(bytes) => ByteArray::new(&cx.heap, bytes.as_bytes()),
            None => return IN_FULL,
        },
        _ => return IN_FULL,
    };
    match array.map(|array| array.value().raw()) {
        Ok(array) => Ok(Outcome::Value(array)),
        Err(_) => Err(cx.memory_error()),
    }
}

fn bytes(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() != 1 {
        return IN_FULL;
    }
    let given: Value<'static> = Value::adopt(args.get(cx, 0).raw());
    if given.exact::<Bytes>().is_some() {
        return Ok(given.into());
    }
    match given.exact::<ByteArray>() {
        Some(array) if cx.heap.check(array.len()).is_ok() => Ok(Bytes::new(&cx.heap, &array.to_vec()).into()),
        _ => IN_FULL,
    }
}

/// `dict(mapping)`.
pub(crate) fn dict(cx: &mut Cx, args: Args) -> NativeResult {
    match args.len() {
        0 => Ok(Dict::new(&cx.heap).into()),
        1 => match args.get(cx, 0).exact::<Dict>().map(|dict| dict.copy(&cx.heap).map(|copy| copy.value().raw())) {
            Some(Ok(copy)) => Ok(Outcome::Value(copy)),
            Some(Err(_)) | None => IN_FULL,
        },
        _ => IN_FULL,
    }
}

fn float(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() != 1 {
        return IN_FULL;
    }
    let value = args.get(cx, 0);
    if let Some(int) = value.as_int() {
        return Ok((int as f64).into());
    }
    super::float::to_float(cx, args.root(0)).map(Outcome::from)
}

fn frozenset(cx: &mut Cx, args: Args) -> NativeResult {
    match args.len() {
        1 if args.get(cx, 0).exact::<FrozenSet>().is_some() => Ok(args.get(cx, 0).into()),
        0 | 1 => {
            let set = FrozenSet::new(&cx.heap).value().raw();
            filled_set(cx, args, set)
        }
        _ => IN_FULL,
    }
}

fn int(cx: &mut Cx, args: Args) -> NativeResult {
    match args.len() {
        0 => Ok(0i64.into()),
        1 if args.get(cx, 0).as_int().is_some() => Ok(args.get(cx, 0).into()),
        1 => {
            let value = args.get(cx, 0);
            if let Some(float) = value.as_float()
                && float.abs() < 9e18
            {
                return Ok((float as i64).into());
            }
            if let Some(text) = value.exact::<Str>()
                && let Some(int) = short_decimal(text.as_bytes())
            {
                return Ok(int.into());
            }
            super::int::to_int(cx, args.root(0)).map(Outcome::Value)
        }
        _ => IN_FULL,
    }
}

/// The number a text of a few decimal digits, perhaps with a sign, stands for.
fn short_decimal(text: &[u8]) -> Option<i64> {
    let digits = match text {
        [b'-' | b'+', digits @ ..] => digits,
        digits => digits,
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut number = 0i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if text[0] == b'-' { -number } else { number })
}

fn list(cx: &mut Cx, args: Args) -> NativeResult {
    match args.len() {
        0 => Ok(List::new(&cx.heap, &[]).into()),
        1 => {
            let list = cx.list_from(args.root(0))?;
            Ok(list.get(cx).into())
        }
        _ => IN_FULL,
    }
}

fn range(cx: &mut Cx, args: Args) -> NativeResult {
    let mut parts = [0, 0, 1];
    match args.len() {
        1 => parts[1] = args.get(cx, 0).as_int().unwrap_or(i64::MIN),
        2 | 3 => {
            for (at, part) in parts.iter_mut().enumerate().take(args.len()) {
                *part = args.get(cx, at).as_int().unwrap_or(i64::MIN);
            }
        }
        _ => return IN_FULL,
    }
    if parts.contains(&i64::MIN) || parts[2] == 0 {
        return IN_FULL;
    }
    let slot = |part: i64| Slot::new(Value::int(part));
    Ok(cx.heap.alloc(Range { start: slot(parts[0]), stop: slot(parts[1]), step: slot(parts[2]) }).into())
}

fn set(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() > 1 {
        return IN_FULL;
    }
    let set = Set::new(&cx.heap).value().raw();
    filled_set(cx, args, set)
}

/// An empty set, filled with the items of the only argument if there is one.
fn filled_set(cx: &mut Cx, args: Args, set: Raw) -> NativeResult {
    if args.is_empty() {
        return Ok(Outcome::Value(set));
    }
    let set = cx.push(Value::adopt(set));
    cx.set_extend(set, args.root(0))?;
    Ok(set.get(cx).into())
}

fn str(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() != 1 {
        return IN_FULL;
    }
    let value = args.get(cx, 0);
    match value.kind() {
        Kind::Str if !value.is_subclassed() => Ok(value.into()),
        _ => cx.str_outcome(args.root(0)),
    }
}

fn tuple(cx: &mut Cx, args: Args) -> NativeResult {
    match args.len() {
        0 => Ok(cx.empty_tuple().into()),
        1 if args.get(cx, 0).exact::<Tuple>().is_some() => Ok(args.get(cx, 0).into()),
        1 => {
            let tuple = cx.tuple_from(args.root(0))?;
            Ok(tuple.get(cx).into())
        }
        _ => IN_FULL,
    }
}

fn type_of(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() != 1 {
        return IN_FULL;
    }
    Ok(cx.class_of(args.get(cx, 0)).value().into())
}
