//! The module `_enum_native`: what enumerations do in hot code. Their classes are written in the language.

use crate::heap::{Raw, Value};
use crate::native::forward::{call, either, keep_slow, slow, slow_method};
use crate::native::{library_class, natives};
use crate::object::{Class, ClassFlags, Dict, Instance, Str};
use crate::vm::Name;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root, Then};

/// Makes the module.
pub(super) fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_enum_native").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// What classes of enumerations are given.
    static FUNCTIONS: Functions;

    /// Give the metaclass its native methods, and say which class of properties may stand for an attribute.
    fn complete_metaclass(cx: &mut Cx, metaclass: Root, property: Root) -> NativeResult {
        if let Some(class) = library_class(cx, metaclass, 0) {
            keep_slow(cx, class, &META);
        }
        if let Some(class) = property.get(cx).exact::<Class>() {
            class.set_flag(ClassFlags::ALIAS);
        }
        Ok(Outcome::NONE)
    }

    /// Give `Enum` its native methods.
    fn complete_enum(cx: &mut Cx, class: Root) -> NativeResult {
        if let Some(class) = library_class(cx, class, 0) {
            keep_slow(cx, class, &MEMBER);
        }
        Ok(Outcome::NONE)
    }

    /// Give `Flag` its native methods.
    fn complete_flag(cx: &mut Cx, class: Root) -> NativeResult {
        if let Some(class) = library_class(cx, class, 0) {
            keep_slow(cx, class, &FLAG);
        }
        Ok(Outcome::NONE)
    }
);

/// The member of a class that has this value, or is it.
fn member(cx: &mut Cx, class: Raw, value: Raw) -> Raw {
    let Some(class) = Value::<'static>::adopt(class).exact::<Class>() else { return Raw::UNBOUND };
    let value = Value::<'static>::adopt(value);
    let table =
        class.namespace().get_str(&cx.heap, cx.name(Name::Value2Member)).and_then(|table| table.exact::<Dict>());
    let Some(table) = table.filter(|table| !table.is_empty()) else { return Raw::UNBOUND };
    if cx.class_of(value) == class {
        return value.raw();
    }
    match cx.dict_find_at_once(table, value) {
        Some(Some(at)) => table.value_at(at).raw(),
        _ => Raw::UNBOUND,
    }
}

/// An attribute of an instance that has no dict.
fn attribute(cx: &Cx, object: Raw, name: Name) -> Option<Value<'static>> {
    let instance = Value::<'static>::adopt(object).cell_of_kind::<Instance>()?;
    let shape = instance.shape();
    if cx.shapes.is_dict_mode(shape) {
        return None;
    }
    instance.slot(cx.shapes.slot(shape, cx.name(name))?).given()
}

/// The flag whose bits are those of two of one class, combined; UNBOUND if there has been none yet.
fn combined(cx: &mut Cx, a: Raw, b: Raw, with: fn(i64, i64) -> i64) -> Raw {
    let class = cx.class_of(Value::adopt(a)).held();
    if cx.class_of(Value::adopt(b)) != class {
        return Raw::UNBOUND;
    }
    let bits = |raw: Raw| attribute(cx, raw, Name::MemberValue)?.as_int();
    let (Some(x), Some(y)) = (bits(a), bits(b)) else { return Raw::UNBOUND };
    member(cx, class.value().raw(), Raw::int(with(x, y)))
}

fn both(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    combined(cx, a, b, |x, y| x & y)
}

fn any(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    combined(cx, a, b, |x, y| x | y)
}

fn one(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    combined(cx, a, b, |x, y| x ^ y)
}

/// Whether all bits of one flag are set in another of its class.
fn within(cx: &mut Cx, whole: Raw, part: Raw) -> Raw {
    if cx.class_of(Value::adopt(whole)) != cx.class_of(Value::adopt(part)) {
        return Raw::UNBOUND;
    }
    let bits = |raw: Raw| attribute(cx, raw, Name::MemberValue)?.as_int();
    match (bits(whole), bits(part)) {
        (Some(whole), Some(part)) => Raw::bool(whole | part == whole),
        _ => Raw::UNBOUND,
    }
}

natives!(
    /// Classes of enumerations.
    static META: Methods;

    /// Look up a member by its value, or make a new enumeration.
    #[quick(Two(member))]
    fn __call__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        if args.0.len() == 1 && kwargs.0.get(cx).is_unbound() {
            let [class, value] = [this.get(cx).raw(), args.0.get(cx, 0).raw()];
            let found = member(cx, class, value);
            if !found.is_unbound() {
                return Ok(Outcome::Value(found));
            }
        }
        let (_, method) = slow_method(cx, "__call__", this, &[])?;
        let class = this.get(cx).raw();
        let keywords: Vec<(Raw, Raw)> = match kwargs.0.get(cx).exact::<Dict>() {
            Some(named) => named.iter().map(|(name, value)| (name.raw(), value.raw())).collect(),
            None => vec![],
        };
        call(cx, method, &[class], args.0, &keywords, Then::Return)
    }
);

natives!(
    /// Members.
    static MEMBER: Methods;

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = this.get(cx).raw();
        let name = attribute(cx, raw, Name::MemberName).and_then(|name| name.exact::<Str>());
        match name {
            Some(name) => {
                let name = cx.push(name.value());
                Ok(cx.hash(name)?.into())
            }
            None => slow(cx, "__hash__", this, &[]),
        }
    }
);

natives!(
    /// Flags.
    static FLAG: Methods;

    /// The flags of either.
    #[quick(Two(any))]
    fn __or__(cx: &mut Cx, this: Root, #[either] other: Root) -> NativeResult {
        either(cx, any, "__or__", this, other)
    }

    /// The flags of both.
    #[quick(Two(both))]
    fn __and__(cx: &mut Cx, this: Root, #[either] other: Root) -> NativeResult {
        either(cx, both, "__and__", this, other)
    }

    /// The flags of just one.
    #[quick(Two(one))]
    fn __xor__(cx: &mut Cx, this: Root, #[either] other: Root) -> NativeResult {
        either(cx, one, "__xor__", this, other)
    }

    /// Whether all flags of other are set in self.
    #[quick(Two(within))]
    fn __contains__(cx: &mut Cx, this: Root, #[either] other: Root) -> NativeResult {
        either(cx, within, "__contains__", this, other)
    }
);
