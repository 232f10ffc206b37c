//! Natives in front of functions of the language: what a native does at once where it can, and else hands over.

use smallvec::SmallVec;

use crate::heap::{Gc, Raw, Value};
use crate::object::Class;
use crate::vm::native::{Args, Cx, NativeFunction, NativeResult, Outcome, Raised, Root, Then};

use super::{Natives, complete};

/// Asks for a call: pushes the callable, these arguments, those, the values of keywords, and the names of these behind all.
pub(super) fn call(
    cx: &mut Cx,
    function: Raw,
    before: &[Raw],
    args: Args,
    keywords: &[(Raw, Raw)],
    then: Then,
) -> NativeResult {
    let count = before.len() + args.len() + keywords.len();
    let top = cx.mark();
    cx.check_registers(top, count)?;
    let names: Vec<Value<'_>> = keywords.iter().map(|(name, _)| Value::adopt(*name)).collect();
    let names = (!names.is_empty()).then(|| cx.tuple(&names).value().raw());
    let callee = cx.push_raw(function);
    for raw in before {
        cx.push_raw(*raw);
    }
    for arg in args.roots() {
        let raw = arg.get(cx).raw();
        cx.push_raw(raw);
    }
    for (_, value) in keywords {
        cx.push_raw(*value);
    }
    let keywords = names.map(|names| cx.push_raw(names));
    Ok(Outcome::Call { callee, argc: count as u32, keywords, then })
}

/// Gives a class native methods; those of the language that had their names are called `_slow` and the name from now on.
/// Done again it changes nothing.
pub(super) fn keep_slow(cx: &mut Cx, class: Gc<'static, Class>, methods: &'static Natives) {
    for def in methods.defs {
        let name = cx.intern(def.name).held();
        let slow = cx.intern(&format!("_slow{}", def.name)).held();
        let method =
            class.namespace().get_str(&cx.heap, name).filter(|method| method.exact::<NativeFunction>().is_none());
        if let Some(method) = method.map(Value::raw) {
            cx.set_class_attribute(class, slow, method);
        }
    }
    complete(cx, class, methods);
}

/// Calls the method of the language that a native here has the name of.
pub(super) fn slow(cx: &mut Cx, name: &str, this: Root, args: &[Root]) -> NativeResult {
    let (args, method) = slow_method(cx, name, this, args)?;
    let receiver = this.get(cx).raw();
    cx.call_unbound(method, receiver, &args, Then::Return)
}

type Few = SmallVec<[Raw; 4]>;

/// The method of the language that a native here has the name of, and the arguments for it.
pub(super) fn slow_method(cx: &mut Cx, name: &str, this: Root, args: &[Root]) -> Result<(Few, Raw), Raised> {
    let name = cx.intern(&format!("_slow{name}")).held();
    let class = cx.class_of(this.get(cx)).held();
    let Some(method) = cx.lookup_class(class, name).map(|method| method.raw()) else {
        return Err(cx.system_error("a method of the library is gone"));
    };
    Ok((args.iter().map(|arg| arg.get(cx).raw()).collect(), method))
}

/// What is quickly found, or what the language's method finds.
pub(super) fn either(
    cx: &mut Cx,
    quick: fn(&mut Cx, Raw, Raw) -> Raw,
    name: &str,
    this: Root,
    other: Root,
) -> NativeResult {
    let [a, b] = [this, other].map(|root| root.get(cx).raw());
    let found = quick(cx, a, b);
    if found.is_unbound() { slow(cx, name, this, &[other]) } else { Ok(Outcome::Value(found)) }
}
