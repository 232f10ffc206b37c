//! Hashing and comparing keys without calling a script: exact builtin types by value, other objects by identity if they are the
//! same, and otherwise the answer is that a script has to be asked.

use crate::heap::{Gc, Heap, Kind, Value};
use crate::number::hash::{TupleHash, hash_complex, hash_float, hash_i64, hash_identity, hash_int};
use crate::number::int::IntRef;
use crate::object::{BigInt, Bytes, Complex, Str, Tuple};

/// Whether two keys are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameKey {
    /// They are.
    Yes,
    /// They are not.
    No,
    /// Only a script knows.
    Ask,
}

/// Whether two values with equal hashes are equal as keys (identical or `==`).
#[inline]
pub fn same_key(a: Value<'_>, b: Value<'_>) -> SameKey {
    if a.is(b) {
        return SameKey::Yes;
    }
    if let (Some(a), Some(b)) = (a.exact::<Str>(), b.exact::<Str>()) {
        return if a.equals(b) { SameKey::Yes } else { SameKey::No };
    }
    match equal_without_script(a, b, 0) {
        Some(true) => SameKey::Yes,
        Some(false) => SameKey::No,
        None => SameKey::Ask,
    }
}

/// The integer an exact int or bool stands for.
#[inline]
pub fn as_int_ref<'h>(value: Value<'h>) -> Option<IntRef<'h>> {
    match value.kind() {
        _ if value.is_subclassed() => None,
        Kind::Int => value.as_int().map(IntRef::Small),
        Kind::False => Some(IntRef::Small(0)),
        Kind::True => Some(IntRef::Small(1)),
        Kind::BigInt => value.exact::<BigInt>().map(|b| IntRef::Big(&b.get().value)),
        _ => None,
    }
}

/// `a == b` for exact builtin types whose comparison cannot reach a script; None where it can.
pub fn equal_without_script(a: Value<'_>, b: Value<'_>, depth: usize) -> Option<bool> {
    if a.is_subclassed() || b.is_subclassed() || depth > 100 {
        return None;
    }
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return Some(a == b);
    }
    let (ka, kb) = (a.kind(), b.kind());
    match (ka, kb) {
        (Kind::TimeDelta, Kind::TimeDelta) | (Kind::Date, Kind::Date) | (Kind::DateTime, Kind::DateTime) => {
            super::order_dated(a, b).map(|order| order.is_eq())
        }
        (Kind::Str, Kind::Str) => Some(a.exact::<Str>()?.equals(b.exact::<Str>()?)),
        (Kind::Bytes, Kind::Bytes) => Some(a.exact::<Bytes>()?.as_bytes() == b.exact::<Bytes>()?.as_bytes()),
        (Kind::Tuple, Kind::Tuple) => {
            let (a, b) = (a.exact::<Tuple>()?, b.exact::<Tuple>()?);
            // Length is looked at last: an item's script may have to be asked before.
            for (x, y) in a.items().zip(b.items()) {
                if !x.is(y) && !equal_without_script(x, y, depth + 1)? {
                    return Some(false);
                }
            }
            Some(a.len() == b.len())
        }
        _ => {
            if is_number(ka) && is_number(kb) {
                return Some(numbers_equal(a, b));
            }
            // Different exact types that no script has a say in are unequal.
            (is_plain(ka) && is_plain(kb)).then(|| a.is(b))
        }
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::False | Kind::True | Kind::Float | Kind::BigInt | Kind::Complex)
}

/// Kinds whose equality never calls a script and that equal nothing of another kind.
fn is_plain(kind: Kind) -> bool {
    is_number(kind)
        || matches!(
            kind,
            Kind::None
                | Kind::Ellipsis
                | Kind::NotImplemented
                | Kind::Str
                | Kind::Tuple
                | Kind::Function
                | Kind::Native
                | Kind::Module
                | Kind::Code
        )
}

fn numbers_equal(a: Value<'_>, b: Value<'_>) -> bool {
    let complex = |v: Value<'_>| v.exact::<Complex>().map(|c| (c.real, c.imaginary));
    match (complex(a), complex(b)) {
        (Some(a), Some(b)) => return a == b,
        (Some((real, imaginary)), None) => return imaginary == 0.0 && numbers_equal(Value::float(real), b),
        (None, Some(_)) => return numbers_equal(b, a),
        (None, None) => {}
    }
    match (as_int_ref(a), as_int_ref(b)) {
        (Some(a), Some(b)) => a == b,
        (Some(a), None) => b.as_float().is_some_and(|b| a.compare_float(b) == Some(std::cmp::Ordering::Equal)),
        (None, Some(_)) => numbers_equal(b, a),
        (None, None) => a.as_float() == b.as_float(),
    }
}

/// The hash of a value of an exact builtin type, as CPython's; None where a script (or the type) has a say.
#[inline]
pub fn hash_without_script(heap: &Heap, value: Value<'_>) -> Option<i64> {
    if let Some(int) = value.as_int() {
        return Some(hash_i64(int));
    }
    if let Some(text) = value.exact::<Str>() {
        return Some(text.hash(heap));
    }
    hash_nested(heap, value, 0)
}

fn hash_nested(heap: &Heap, value: Value<'_>, depth: usize) -> Option<i64> {
    if value.is_subclassed() || depth > 100 {
        return None;
    }
    Some(match value.kind() {
        Kind::Int => hash_i64(value.as_int()?),
        Kind::Str => value.exact::<Str>()?.hash(heap),
        Kind::False => 0,
        Kind::True => 1,
        Kind::None => 0xFCA8_6420,
        Kind::Float => hash_float(value.as_float()?, hash_identity(heap.id(value))),
        Kind::BigInt => hash_int(as_int_ref(value)?),
        Kind::Complex => {
            let c = value.exact::<Complex>()?;
            hash_complex(c.real, c.imaginary, hash_identity(heap.id(value)))
        }
        Kind::Bytes => value.exact::<Bytes>()?.hash(heap),
        Kind::TimeDelta | Kind::Date | Kind::DateTime => super::datetime::hash_dated(heap, value)?,
        Kind::Tuple => hash_tuple(heap, value.exact::<Tuple>()?, depth)?,
        Kind::Ellipsis | Kind::NotImplemented | Kind::Function | Kind::Native | Kind::Module | Kind::Code => {
            hash_identity(heap.id(value))
        }
        _ => return None,
    })
}

fn hash_tuple(heap: &Heap, tuple: Gc<'_, Tuple>, depth: usize) -> Option<i64> {
    let mut hash = TupleHash::new();
    for item in tuple.items() {
        hash.push(hash_nested(heap, item, depth + 1)?);
    }
    Some(hash.finish())
}
