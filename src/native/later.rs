//! Modules written in Rust of which a part is written in the language, and loaded when it is asked for.

use crate::heap::{Raw, Value};
use crate::object::Dict;
use crate::vm::native::{Cx, NativeResult, Root};

/// The `__getattr__` of a module in which some names are written in the language, in a module of their own that is loaded when one of them
/// is asked for.
pub(crate) fn later(cx: &mut Cx, module: &str, part: &str, names: &[&str], name: Root) -> NativeResult {
    let text = cx.str_text(name)?;
    let module_root = cx.import(module)?;
    if !names.contains(&&*text) {
        return Err(cx.attribute_error(&format!("module '{module}' has no attribute '{text}'"), module_root, name));
    }
    let part = cx.import(part)?;
    let found = cx.attribute(part, &text)?;
    cx.set_attribute(module_root, name, found)?;
    Ok(found.get(cx).into())
}

/// The `__dir__` of such a module.
pub(crate) fn names_with(cx: &mut Cx, module: &str, names: &[&str]) -> NativeResult {
    let module = cx.import(module)?;
    let namespace = cx.attribute(module, "__dict__")?;
    let mut all: Vec<Raw> = match namespace.get(cx).exact::<Dict>() {
        Some(dict) => dict.iter().map(|(name, _)| name.raw()).collect(),
        None => vec![],
    };
    for name in names {
        let raw = cx.intern(name).value().raw();
        if !all.iter().any(|known| known.same(raw)) {
            all.push(raw);
        }
    }
    let all: Vec<Value<'_>> = all.iter().map(|raw| Value::adopt(*raw)).collect();
    Ok(cx.list(&all).into())
}
