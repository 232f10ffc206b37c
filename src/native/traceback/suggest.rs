//! What an unknown name may have been meant to be: "Did you mean", "Did you forget to import".

use crate::heap::{Raw, Value};
use crate::object::{Dict, Exc, List, Str, Traceback};
use crate::vm::closest;
use crate::vm::native::{Cx, Raised, Root};

use crate::vm::stdlib_names::is_stdlib_module;

/// What is said after the message of a NameError, AttributeError or ImportError; empty for other exceptions and where nothing comes
/// to mind.
pub(super) fn hint(cx: &mut Cx, exception: Root, traceback: Root) -> String {
    let is = |cx: &Cx, class| cx.is_exception(exception.get(cx), class);
    let (field, names) = if is(cx, Exc::ImportError) {
        ("name_from", false)
    } else if is(cx, Exc::NameError) {
        ("name", true)
    } else if is(cx, Exc::AttributeError) {
        ("name", false)
    } else {
        return String::new();
    };
    let mark = cx.mark();
    let wrong = quietly(cx, |cx| text_attribute(cx, exception, field)).flatten();
    let mut hint = String::new();
    if let Some(wrong) = wrong {
        let meant = quietly(cx, |cx| {
            if names {
                meant_name(cx, &wrong, traceback)
            } else if field == "name" {
                meant_attribute(cx, exception, &wrong, traceback)
            } else {
                meant_import(cx, exception, &wrong)
            }
        });
        let meant = meant.flatten();
        if let Some(meant) = &meant {
            hint = format!(". Did you mean: '{meant}'?");
        }
        if names && is_stdlib_module(&wrong) {
            hint += &match meant {
                Some(_) => format!(" Or did you forget to import '{wrong}'?"),
                None => format!(". Did you forget to import '{wrong}'?"),
            };
        }
    }
    cx.release(mark);
    hint
}

/// Runs what may raise; whatever it raises is dropped.
pub(super) fn quietly<T>(cx: &mut Cx, work: impl FnOnce(&mut Cx) -> Result<T, Raised>) -> Option<T> {
    match work(cx) {
        Ok(value) => Some(value),
        Err(raised) => {
            let _ = cx.take_raised(raised);
            None
        }
    }
}

fn text_attribute(cx: &mut Cx, object: Root, name: &str) -> Result<Option<String>, Raised> {
    let Some(value) = cx.find_attribute(object, name)? else { return Ok(None) };
    Ok(cx.as_str(value.get(cx)).and_then(|s| s.as_str()).map(str::to_owned))
}

/// The frame in which an exception was raised; None without a traceback.
fn innermost_frame(cx: &mut Cx, traceback: Root) -> Option<Root> {
    let mut last = traceback.get(cx).exact::<Traceback>()?.held();
    while let Some(next) = last.get().next.get().map(|t| t.held()) {
        last = next;
    }
    let last = cx.push(last.value());
    Some(cx.traceback_frame(last))
}

/// The object that `self` is in a frame.
fn self_of(cx: &mut Cx, locals: Root) -> Option<Root> {
    let key = cx.intern("self").held();
    let found = cx.dict_of(locals.get(cx))?.get_str(&cx.heap, key)?.raw();
    Some(push(cx, found))
}

fn push(cx: &mut Cx, raw: Raw) -> Root {
    cx.push(Value::adopt(raw))
}

fn text_keys(cx: &Cx, dict: Root, names: &mut Vec<String>) {
    if let Some(dict) = cx.dict_of(dict.get(cx)) {
        names.extend(dict.iter().filter_map(|(key, _)| cx.as_str(key)?.as_str().map(str::to_owned)));
    }
}

fn meant_name(cx: &mut Cx, wrong: &str, traceback: Root) -> Result<Option<String>, Raised> {
    let Some(frame) = innermost_frame(cx, traceback) else { return Ok(None) };
    let locals = cx.frame_locals(frame)?;
    if let Some(object) = self_of(cx, locals)
        && quietly(cx, |cx| cx.find_attribute(object, wrong)).flatten().is_some()
    {
        return Ok(Some(format!("self.{wrong}")));
    }
    let mut names = vec![];
    text_keys(cx, locals, &mut names);
    let globals = cx.attribute(frame, "f_globals")?;
    text_keys(cx, globals, &mut names);
    let builtins = cx.builtins().value().raw();
    let builtins = push(cx, builtins);
    text_keys(cx, builtins, &mut names);
    Ok(closest(wrong, names.iter().map(String::as_str)).map(str::to_owned))
}

fn meant_attribute(cx: &mut Cx, exception: Root, wrong: &str, traceback: Root) -> Result<Option<String>, Raised> {
    let Some(object) = cx.find_attribute(exception, "obj")? else { return Ok(None) };
    let mut hide = !wrong.starts_with('_');
    if hide && let Some(frame) = innermost_frame(cx, traceback) {
        let locals = cx.frame_locals(frame)?;
        hide = !self_of(cx, locals).is_some_and(|this| this.get(cx).is(object.get(cx)));
    }
    meant_in_dir(cx, object, wrong, hide)
}

fn meant_import(cx: &mut Cx, exception: Root, wrong: &str) -> Result<Option<String>, Raised> {
    let Some(name) = text_attribute(cx, exception, "name")? else { return Ok(None) };
    let top = name.split('.').next().unwrap_or(&name).to_owned();
    let Some(module) = cx.find_module(&top).map(|m| m.raw()) else { return Ok(None) };
    let module = push(cx, module);
    meant_in_dir(cx, module, wrong, !wrong.starts_with('_'))
}

/// The nearest of the names in `dir(object)`, those that begin with an underscore left out if `hide`.
fn meant_in_dir(cx: &mut Cx, object: Root, wrong: &str, hide: bool) -> Result<Option<String>, Raised> {
    let key = cx.intern("dir").held();
    let Some(dir) = cx.builtins().get_str(&cx.heap, key).map(|v| v.raw()) else { return Ok(None) };
    let dir = push(cx, dir);
    let listed = cx.call(dir, &[object])?;
    let mut names: Vec<String> = match listed.get(cx).exact::<List>() {
        Some(list) => list.items().filter_map(|v| v.exact::<Str>()?.as_str().map(str::to_owned)).collect(),
        None => vec![],
    };
    names.sort();
    names.retain(|name| !hide || !name.starts_with('_'));
    Ok(closest(wrong, names.iter().map(String::as_str)).map(str::to_owned))
}

/// Keys of a dict as texts with their values as roots.
pub(super) fn text_items(cx: &mut Cx, dict: Root) -> Vec<(String, Root)> {
    let items: Vec<(String, Raw)> = match dict.get(cx).exact::<Dict>() {
        Some(dict) => dict
            .iter()
            .filter_map(|(key, value)| Some((key.exact::<Str>()?.to_str_lossy().into_owned(), value.raw())))
            .collect(),
        None => vec![],
    };
    items.into_iter().map(|(name, raw)| (name, push(cx, raw))).collect()
}
