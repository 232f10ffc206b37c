//! What pickles need to know of instances of classes written in the language: whether they are reduced and made as those of `object` are.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{Class, ClassFlags, Dict, Instance, Module, Str};
use crate::vm::native::Cx;

/// Methods that such a class may not have of its own.
const OF_OBJECT: [&str; 3] = ["__reduce_ex__", "__reduce__", "__getstate__"];
/// And methods that it may not have at all.
const OF_NOBODY: [&str; 2] = ["__getnewargs__", "__getnewargs_ex__"];

/// The class of instances, where it is one of the language that has no say in what its attributes are, and its instances have a dict.
fn plain(cx: &Cx, class: Gc<'_, Class>) -> bool {
    let refused = [
        ClassFlags::EXCEPTION,
        ClassFlags::METACLASS,
        ClassFlags::GETATTR,
        ClassFlags::GETATTRIBUTE,
        ClassFlags::NO_DICT,
        ClassFlags::NO_NEW,
        ClassFlags::ABSTRACT,
        ClassFlags::FINALISER,
    ];
    class.has(ClassFlags::HEAP)
        && !refused.iter().any(|flag| class.has(*flag))
        && class.get().layout == Kind::Instance
        && class.get().fixed_slots.get() == 0
        && cx.class_of(class.value()) == cx.kind_class(Kind::Class)
}

/// Whether an attribute of a class is that of `object`, or for `present` false there is none.
fn is_objects(cx: &Cx, class: Gc<'_, Class>, name: &str, present: bool) -> bool {
    let name = Str::new(&cx.heap, name);
    match cx.lookup_class_with_owner(class, name) {
        Some((_, owner)) => present && owner == cx.object_class(),
        None => !present,
    }
}

/// Module and name of a class whose instances are pickled as those of `object`, and which is found by them.
pub(super) fn names_of(cx: &Cx, class: Gc<'_, Class>) -> Option<[Raw; 2]> {
    let own = plain(cx, class)
        && OF_OBJECT.iter().all(|name| is_objects(cx, class, name, true))
        && OF_NOBODY.iter().all(|name| is_objects(cx, class, name, false));
    if !own || is_registered(cx, class) {
        return None;
    }
    let key = Str::new(&cx.heap, "__module__");
    let module = class.namespace().get_str(&cx.heap, key)?;
    let name = class.get().qualname.get();
    let found = named(cx, module.exact()?, name.exact()?)?;
    (found == class).then(|| [module.raw(), name.raw()])
}

/// Whether `copyreg` knows of another way for a class, or of numbers for names.
fn is_registered(cx: &Cx, class: Gc<'_, Class>) -> bool {
    let Some(copyreg) = cx.find_module("copyreg").and_then(|module| module.exact::<Module>()) else { return false };
    let table = |name: &str| {
        let name = Str::new(&cx.heap, name);
        copyreg.dict().get_str(&cx.heap, name).and_then(|table| table.exact::<Dict>())
    };
    let (Some(ways), Some(numbers)) = (table("dispatch_table"), table("_extension_registry")) else { return true };
    !numbers.is_empty() || ways.iter().any(|(of, _)| of.is(class.value()))
}

/// The class of this name in a module that is loaded.
pub(super) fn named<'h>(cx: &'h Cx, module: Gc<'_, Str>, name: Gc<'_, Str>) -> Option<Gc<'h, Class>> {
    let module = cx.modules().get_str(&cx.heap, module)?.exact::<Module>()?;
    let found = module.dict().get_str(&cx.heap, name)?.exact::<Class>()?;
    plain(cx, found).then_some(found)
}

/// The attributes of an instance in their order; None if some name is not to be relied on.
pub(super) fn attributes<'h>(cx: &'h Cx, instance: Gc<'h, Instance>) -> Option<Vec<(Value<'h>, Value<'h>)>> {
    let mut found = vec![];
    for (slot, name) in cx.shapes.names(&cx.heap, instance.shape()) {
        if name.as_bytes().starts_with(b"__") && name.as_bytes().ends_with(b"__") {
            return None;
        }
        if let Some(value) = instance.slot(slot).given() {
            found.push((name.value(), value));
        }
    }
    Some(found)
}

/// A new instance of a class, made by `object`.
pub(super) fn made(cx: &Cx, class: Gc<'_, Class>) -> Option<Raw> {
    let own = plain(cx, class) && is_objects(cx, class, "__new__", true);
    own.then(|| Instance::new(&cx.heap, class).value().raw())
}

/// Gives an instance the attributes of a dict; None, with nothing done, where its class has a say.
pub(super) fn restore(cx: &mut Cx, object: Raw, state: Raw) -> Option<()> {
    let target: Value<'static> = Value::adopt(object);
    target.exact::<Instance>()?;
    let class = cx.class_of(target).held();
    if !plain(cx, class) || !is_objects(cx, class, "__setstate__", false) {
        return None;
    }
    let state: Gc<'static, Dict> = Value::adopt(state).exact::<Dict>()?;
    for (key, value) in state.iter() {
        let name: Gc<'static, Str> = key.exact::<Str>()?;
        let name = cx.intern_bytes(name.as_bytes()).held();
        match cx.set_own(object, class, name, value.raw()) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(raised) => {
                cx.take_raised(raised);
                return None;
            }
        }
    }
    Some(())
}
