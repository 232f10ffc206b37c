//! The module `_operator`: operators as functions, and what `itemgetter`, `attrgetter` and `methodcaller` do when they are called. Those classes
//! are written in the language; they declare slots, which are in the order of their names.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Raw, Value};
use crate::native::forward::call;
use crate::native::{Natives, complete, library_class, natives};
use crate::object::{Dict, Instance, Str, Tuple};
use crate::vm::CompareKind;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root, Then};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_operator").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// Operator interface.
    static FUNCTIONS: Functions;

    /// Give a class of the library the methods that are native.
    fn _complete(cx: &mut Cx, class: Root) -> NativeResult {
        let Some(class) = library_class(cx, class, 0) else { return Ok(Outcome::NONE) };
        let methods: &Natives = match class.name().as_bytes() {
            b"itemgetter" => &ITEMS,
            b"attrgetter" => &ATTRIBUTES,
            _ => &METHOD,
        };
        complete(cx, class, methods);
        Ok(Outcome::NONE)
    }

    /// The name of an object's type as messages have it.
    fn _type_name(cx: &mut Cx, obj: Root) -> NativeResult {
        let name = cx.type_name_for_error(obj.get(cx));
        Ok(cx.str(&name).into())
    }

    /// Same as a < b.
    #[quick(Two(compare_at_once::<{ CompareKind::Lt as usize }>))]
    fn lt(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.compare_value(CompareKind::Lt, a, b)?.get(cx).into())
    }

    /// Same as a <= b.
    #[quick(Two(compare_at_once::<{ CompareKind::Le as usize }>))]
    fn le(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.compare_value(CompareKind::Le, a, b)?.get(cx).into())
    }

    /// Same as a == b.
    #[quick(Two(compare_at_once::<{ CompareKind::Eq as usize }>))]
    fn eq(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.compare_value(CompareKind::Eq, a, b)?.get(cx).into())
    }

    /// Same as a != b.
    #[quick(Two(compare_at_once::<{ CompareKind::Ne as usize }>))]
    fn ne(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.compare_value(CompareKind::Ne, a, b)?.get(cx).into())
    }

    /// Same as a >= b.
    #[quick(Two(compare_at_once::<{ CompareKind::Ge as usize }>))]
    fn ge(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.compare_value(CompareKind::Ge, a, b)?.get(cx).into())
    }

    /// Same as a > b.
    #[quick(Two(compare_at_once::<{ CompareKind::Gt as usize }>))]
    fn gt(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.compare_value(CompareKind::Gt, a, b)?.get(cx).into())
    }

    /// Same as a + b.
    #[quick(Two(operate_at_once::<{ BinaryKind::Add as usize }>))]
    fn add(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Add, a, b)
    }

    /// Same as a - b.
    #[quick(Two(operate_at_once::<{ BinaryKind::Sub as usize }>))]
    fn sub(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Sub, a, b)
    }

    /// Same as a * b.
    #[quick(Two(operate_at_once::<{ BinaryKind::Mul as usize }>))]
    fn mul(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Mul, a, b)
    }

    /// Same as a / b.
    fn truediv(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::TrueDiv, a, b)
    }

    /// Same as a // b.
    #[quick(Two(operate_at_once::<{ BinaryKind::FloorDiv as usize }>))]
    fn floordiv(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::FloorDiv, a, b)
    }

    /// Same as a % b.
    #[quick(Two(operate_at_once::<{ BinaryKind::Mod as usize }>))]
    fn r#mod(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Mod, a, b)
    }

    /// Same as a & b.
    #[quick(Two(operate_at_once::<{ BinaryKind::And as usize }>))]
    #[name("and_")]
    fn and_(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::And, a, b)
    }

    /// Same as a | b.
    #[quick(Two(operate_at_once::<{ BinaryKind::Or as usize }>))]
    #[name("or_")]
    fn or_(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Or, a, b)
    }

    /// Same as a ^ b.
    #[quick(Two(operate_at_once::<{ BinaryKind::Xor as usize }>))]
    fn xor(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Xor, a, b)
    }

    /// Same as a << b.
    fn lshift(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::LShift, a, b)
    }

    /// Same as a >> b.
    fn rshift(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::RShift, a, b)
    }

    /// Same as a ** b.
    fn pow(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::Pow, a, b)
    }

    /// Same as a @ b.
    fn matmul(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        binary(cx, BinaryKind::MatMul, a, b)
    }

    /// Same as a[b].
    #[quick(Two(item_at_once))]
    fn getitem(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        item(cx, a, b)
    }

    /// Same as b in a (note reversed operands).
    fn contains(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(cx.contains_root(a, b)?.into())
    }

    /// Same as not a.
    #[name("not_")]
    fn not_(cx: &mut Cx, a: Root) -> NativeResult {
        Ok((!cx.truth(a)?).into())
    }

    /// Same as a.__index__()
    fn index(cx: &mut Cx, a: Root) -> NativeResult {
        let index = cx.index(a)?;
        Ok(index.get(cx).into())
    }

    /// Return True if a is true, False otherwise.
    fn truth(cx: &mut Cx, a: Root) -> NativeResult {
        Ok(cx.truth(a)?.into())
    }

    /// Same as a is b.
    #[name("is_")]
    fn is_(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok(a.get(cx).is(b.get(cx)).into())
    }

    /// Same as a is not b.
    fn is_not(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
        Ok((!a.get(cx).is(b.get(cx))).into())
    }
);

/// A comparison of two ints or two floats.
fn compare_at_once<const KIND: usize>(_: &mut Cx, a: Raw, b: Raw) -> Raw {
    let (a, b): (Value<'_>, Value<'_>) = (Value::adopt(a), Value::adopt(b));
    let kind = CompareKind::ALL[KIND];
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return Raw::bool(kind.holds(a.cmp(&b)));
    }
    match (a.as_float(), b.as_float()) {
        (Some(a), Some(b)) => Raw::bool(a.partial_cmp(&b).map_or(kind == CompareKind::Ne, |order| kind.holds(order))),
        _ => Raw::UNBOUND,
    }
}

/// An operator between two small ints or two floats, where the result is one, too.
fn operate_at_once<const KIND: usize>(_: &mut Cx, a: Raw, b: Raw) -> Raw {
    let (a, b): (Value<'_>, Value<'_>) = (Value::adopt(a), Value::adopt(b));
    let kind = BinaryKind::ALL[KIND];
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        let result = match kind {
            BinaryKind::Add => a.checked_add(b),
            BinaryKind::Sub => a.checked_sub(b),
            BinaryKind::Mul => a.checked_mul(b),
            BinaryKind::FloorDiv if b > 0 => Some(a.div_euclid(b)),
            BinaryKind::Mod if b > 0 => Some(a.rem_euclid(b)),
            BinaryKind::And => Some(a & b),
            BinaryKind::Or => Some(a | b),
            BinaryKind::Xor => Some(a ^ b),
            _ => None,
        };
        return result.map_or(Raw::UNBOUND, Raw::int);
    }
    match (a.as_float(), b.as_float(), kind) {
        (Some(a), Some(b), BinaryKind::Add) => Raw::float(a + b),
        (Some(a), Some(b), BinaryKind::Sub) => Raw::float(a - b),
        (Some(a), Some(b), BinaryKind::Mul) => Raw::float(a * b),
        _ => Raw::UNBOUND,
    }
}

/// An item of a builtin collection.
fn item_at_once(cx: &mut Cx, object: Raw, key: Raw) -> Raw {
    cx.item_quickly(object, key).unwrap_or(Raw::UNBOUND)
}

fn binary(cx: &mut Cx, kind: BinaryKind, a: Root, b: Root) -> NativeResult {
    let (x, y) = (a.get(cx).raw(), b.get(cx).raw());
    match cx.operate_quickly(kind, x, y)? {
        Some(result) => Ok(Outcome::Value(result)),
        None => Ok(cx.binary_root(kind, a, b)?.get(cx).into()),
    }
}

fn item(cx: &mut Cx, object: Root, key: Root) -> NativeResult {
    let (raw, index) = (object.get(cx).raw(), key.get(cx).raw());
    match cx.item_quickly(raw, index) {
        Some(item) => Ok(Outcome::Value(item)),
        None => Ok(cx.item(object, key)?.get(cx).into()),
    }
}

/// The instance that a method was called with.
fn instance(cx: &mut Cx, this: Root) -> Result<Gc<'static, Instance>, Raised> {
    match this.get(cx).exact::<Instance>().map(Gc::held) {
        Some(instance) => Ok(instance),
        None => Err(cx.system_error("an object of the library without its slots")),
    }
}

/// The tuple in a slot.
fn tuple_in(cx: &mut Cx, instance: Gc<'static, Instance>, slot: usize) -> Result<Gc<'static, Tuple>, Raised> {
    match instance.slot(slot).exact::<Tuple>() {
        Some(tuple) => Ok(tuple),
        None => Err(cx.system_error("an object of the library without its tuple")),
    }
}

/// What an itemgetter with one key finds in a builtin collection.
fn only_item(cx: &mut Cx, getter: Raw, object: Raw) -> Raw {
    let keys = Value::<'static>::adopt(getter).exact::<Instance>().and_then(|getter| getter.slot(0).exact::<Tuple>());
    match keys.filter(|keys| keys.len() == 1) {
        Some(keys) => item_at_once(cx, object, keys.item(0).raw()),
        None => Raw::UNBOUND,
    }
}

/// What an attrgetter with one plain name finds in an instance itself.
fn only_attribute(cx: &mut Cx, getter: Raw, object: Raw) -> Raw {
    let paths = Value::<'static>::adopt(getter).exact::<Instance>().and_then(|getter| getter.slot(1).exact::<Tuple>());
    let path = paths.filter(|paths| paths.len() == 1).and_then(|paths| paths.item(0).exact::<Tuple>());
    let name = path.filter(|path| path.len() == 1).and_then(|path| path.item(0).exact::<Str>());
    name.and_then(|name| cx.attribute_at_once(object, name)).unwrap_or(Raw::UNBOUND)
}

natives!(
    /// The native method of itemgetter. Slots: the keys, whether there is one.
    static ITEMS: Methods;

    /// Call self as a function.
    #[quick(Two(only_item))]
    fn __call__(cx: &mut Cx, this: Root, obj: Root) -> NativeResult {
        let getter = instance(cx, this)?;
        let keys = tuple_in(cx, getter, 0)?;
        if keys.len() == 1 {
            let key = cx.push_raw(keys.item(0).raw());
            return item(cx, obj, key);
        }
        let mut items = vec![];
        for key in keys.items() {
            let key = cx.push_raw(key.raw());
            items.push(cx.item(obj, key)?);
        }
        Ok(Tuple::build(&cx.heap, items.len(), |at| items[at].get(cx)).into())
    }
);

natives!(
    /// The native method of attrgetter. Slots: the names as given, and each as a tuple of its parts.
    static ATTRIBUTES: Methods;

    /// Call self as a function.
    #[quick(Two(only_attribute))]
    fn __call__(cx: &mut Cx, this: Root, obj: Root) -> NativeResult {
        let getter = instance(cx, this)?;
        let paths = tuple_in(cx, getter, 1)?;
        let mut items = vec![];
        for path in paths.items() {
            let mut value = obj;
            for name in path.exact::<Tuple>().iter().flat_map(|path| path.items()) {
                let name = cx.push_raw(name.raw());
                value = cx.get_attribute(value, name)?;
            }
            items.push(value);
        }
        if items.len() == 1 {
            return Ok(items[0].get(cx).into());
        }
        Ok(Tuple::build(&cx.heap, items.len(), |at| items[at].get(cx)).into())
    }
);

natives!(
    /// The native method of methodcaller. Slots: arguments, keywords, the name.
    static METHOD: Methods;

    /// Call self as a function.
    fn __call__(cx: &mut Cx, this: Root, obj: Root) -> NativeResult {
        let caller = instance(cx, this)?;
        let args = tuple_in(cx, caller, 0)?;
        let keywords = caller.slot(1).exact::<Dict>();
        let name = cx.push_raw(caller.slot(2).raw());
        let callee = cx.get_attribute(obj, name)?.get(cx).raw();
        let args: Vec<Raw> = args.items().map(Value::raw).collect();
        let keywords: Vec<(Raw, Raw)> =
            keywords.iter().flat_map(|dict| dict.iter()).map(|(name, value)| (name.raw(), value.raw())).collect();
        call(cx, callee, &args, Args::of(obj, 0), &keywords, Then::Return)
    }
);
