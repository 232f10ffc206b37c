//! How modules are found, loaded and bound.
//!
//! Modules are looked for in this order: those loaded, those written in Rust, packages and `name.py` in the folders of `sys.path`, those
//! embedded, then `name.aio` in these folders. Loading is a native whose continuation goes on with the next dotted part, so a module's
//! body runs in the run loop like any other frame.

use crate::compile::Options;
use crate::heap::{Raw, Value};
use crate::object::{Exc, List, Module, Str, Tuple};
use crate::source::SourceFile;
use crate::stdlib;
use crate::syntax::parser::Mode;
use crate::vm::Name;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Resumed, Root, Then};
use crate::vm::stdlib_names::is_stdlib_module;

use super::{compile_text, push, raise_syntax_error, run_code, syntax_warning};

/// Loads a module's code, which for one that is not of the library is made of its text, and asks for its body to be run with `dict` as globals.
fn start_module(cx: &mut Cx, found: &Found, dict: Root, then: Then) -> NativeResult {
    let text = match &found.body {
        Body::Embedded(module) => return run_code(cx, &module.code(&found.filename), dict, then),
        Body::Text(text) => text,
        Body::Namespace(_) => return Ok(Outcome::NONE),
    };
    let source = SourceFile::new(found.filename.as_str(), text.as_str());
    let options =
        Options { filename: found.filename.as_str().into(), optimize: cx.switches.optimize, ..Options::default() };
    let code = match compile_text(&source, Mode::Module, &options) {
        Ok((code, warnings)) => {
            for warning in warnings {
                syntax_warning(cx, &source, &warning)?;
            }
            code
        }
        Err(diagnostics) => return Err(raise_syntax_error(cx, &source, &diagnostics)),
    };
    run_code(cx, &code, dict, then)
}

// ---- modules ----

/// Where a module was found.
struct Found {
    body: Body,
    filename: String,
    package: Option<String>,
}

enum Body {
    Embedded(&'static stdlib::Embedded),
    Text(String),
    /// None: the package is these folders.
    Namespace(Vec<String>),
}

/// Modules of the library that CPython has loaded before a program begins, or has in its binary: files of a program can't take their places.
const UNSHADOWED: &[&str] = &[
    "abc",
    "atexit",
    "codecs",
    "encodings",
    "errno",
    "faulthandler",
    "gc",
    "genericpath",
    "io",
    "itertools",
    "marshal",
    "os",
    "posixpath",
    "pwd",
    "site",
    "stat",
    "time",
    "zipimport",
];

/// Looks for a module that is not loaded: in the folders of its package, `paths`, or anywhere.
fn find_source(cx: &mut Cx, full: &str, paths: Option<Vec<String>>) -> Result<Option<Found>, Raised> {
    // The library's packages have modules of the library, others don't, whatever they are called.
    let in_library = paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path.starts_with(stdlib::FOLDER)));
    let embedded = if in_library { stdlib::find(full) } else { None };
    let last = full.rsplit('.').next().unwrap_or(full);
    let top = paths.is_none();
    let folders = match paths {
        Some(paths) => paths,
        None => sys_path(cx)?,
    };
    if let Some(embedded) = embedded {
        // As in CPython a program's own file comes before the library's of that name. Scripts don't: `queue.aio` is a script about queues.
        if top && !full.starts_with('_') && !UNSHADOWED.contains(&full) {
            for folder in &folders {
                if let Some(found) = find_in(cx, folder, last, &["py"])? {
                    return Ok(Some(found));
                }
            }
        }
        let filename = stdlib::filename(full);
        return Ok(Some(Found {
            body: Body::Embedded(embedded),
            filename: filename.clone(),
            package: embedded.package.then(|| filename.trim_end_matches(".aio").to_owned()),
        }));
    }
    // The program may have written it just now.
    cx.host_mut().flush_files();
    let mut portions = vec![];
    for folder in &folders {
        if let Some(found) = find_in(cx, folder, last, &["aio", "py"])? {
            return Ok(Some(found));
        }
        let portion = place_in(cx, folder, last);
        if cx.host().is_folder(&portion) {
            portions.push(portion);
        }
    }
    // Folders without `__init__` make a package only where there is nothing else of that name (PEP 420).
    if portions.is_empty() || is_stdlib_module(full) {
        return Ok(None);
    }
    Ok(Some(Found { body: Body::Namespace(portions), filename: String::new(), package: None }))
}

/// The full path of a name in a folder, which may be relative to the working folder.
fn place_in(cx: &Cx, folder: &str, name: &str) -> String {
    if folder.starts_with('/') {
        return format!("{folder}/{name}");
    }
    let working = cx.host().working_folder().unwrap_or_default();
    let mut place = working.trim_end_matches('/').to_owned();
    for part in
        [folder.strip_prefix("./").unwrap_or(folder), name].into_iter().filter(|part| !matches!(*part, "" | "."))
    {
        place.push('/');
        place.push_str(part);
    }
    place
}

/// Looks for a package or a file with one of these endings in a folder.
fn find_in(cx: &mut Cx, folder: &str, name: &str, endings: &[&str]) -> Result<Option<Found>, Raised> {
    let base = place_in(cx, folder, name);
    if cx.host().is_folder(&base) {
        for ending in ["aio", "py"] {
            let init = format!("{base}/__init__.{ending}");
            if cx.host().is_file(&init) {
                return read_source(cx, &init, Some(base)).map(Some);
            }
        }
    }
    for ending in endings {
        let file = format!("{base}.{ending}");
        if cx.host().is_file(&file) {
            return read_source(cx, &file, None).map(Some);
        }
    }
    Ok(None)
}

fn read_source(cx: &mut Cx, file: &str, package: Option<String>) -> Result<Found, Raised> {
    let bytes = match cx.host().read_file(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Err(cx.raise_text(Exc::ImportError, &format!("cannot read '{file}': {error}")));
        }
    };
    match crate::syntax::decode_source(&bytes, file) {
        Ok(text) => Ok(Found { body: Body::Text(text), filename: file.to_owned(), package }),
        Err(error) => Err(cx.raise_text(Exc::SyntaxError, &error.to_string())),
    }
}

fn sys_path(cx: &mut Cx) -> Result<Vec<String>, Raised> {
    let mark = cx.mark();
    let Some(sys) = cx.find_module("sys").map(|m| m.raw()) else { return Ok(vec![]) };
    let sys = push(cx, sys);
    let path = cx.attribute(sys, "path")?;
    let list = strings(cx, path);
    cx.release(mark);
    Ok(list)
}

fn strings(cx: &Cx, list: Root) -> Vec<String> {
    let Some(list) = list.get(cx).exact::<List>() else { return vec![] };
    list.items().filter_map(|v| v.exact::<Str>().map(|s| s.to_str_lossy().into_owned())).collect()
}

/// The state of an import, in the native's window: the full name, how many parts are loaded, the names asked for with `from` (or None), the
/// name as written (its first part is the result without `from`), the module loaded last.
const FULL: usize = 0;
const DONE: usize = 1;
const FROM: usize = 2;
const LEVEL: usize = 3;
const STATE: usize = 4;

/// The full name of a relative import.
pub(super) fn resolve_relative(cx: &mut Cx, globals: Option<Root>, name: &str, level: i64) -> Result<String, Raised> {
    let Some(globals) = globals else {
        let text = cx.str("'__name__' not in globals").value().raw();
        let text = cx.push_raw(text);
        return Err(cx.raise_new(Exc::KeyError, &[text]));
    };
    let get = |cx: &Cx, key: Name| -> Option<String> {
        let dict = cx.dict_of(globals.get(cx))?;
        let value = dict.get_str(&cx.heap, cx.name(key))?;
        value.exact::<Str>().map(|s| s.to_str_lossy().into_owned())
    };
    let package = match get(cx, Name::Package) {
        Some(package) => package,
        None => {
            let own = get(cx, Name::Name).unwrap_or_default();
            let dict = cx.dict_of(globals.get(cx));
            let is_package = dict.is_some_and(|d| d.get_str(&cx.heap, cx.name(Name::Path)).is_some());
            if is_package { own } else { own.rsplit_once('.').map_or(String::new(), |(p, _)| p.to_owned()) }
        }
    };
    if package.is_empty() {
        return Err(cx.raise_text(Exc::ImportError, "attempted relative import with no known parent package"));
    }
    let mut base = package.as_str();
    for _ in 1..level {
        match base.rsplit_once('.') {
            Some((parent, _)) => base = parent,
            None => {
                return Err(cx.raise_text(Exc::ImportError, "attempted relative import beyond top-level package"));
            }
        }
    }
    Ok(if name.is_empty() { base.to_owned() } else { format!("{base}.{name}") })
}

fn text_at(cx: &Cx, start: u32, index: usize) -> String {
    let root = window_root(start, index);
    root.get(cx).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned())
}

fn window_root(start: u32, index: usize) -> Root {
    Root::at(start + index as u32)
}

/// Loads the next dotted part that is not loaded; the result when there is none left.
pub(super) fn import_next(cx: &mut Cx, start: u32) -> NativeResult {
    let full = text_at(cx, start, FULL);
    let parts: Vec<&str> = full.split('.').collect();
    let mut done = window_root(start, DONE).get(cx).as_int().unwrap_or(0) as usize;
    while done < parts.len() {
        let name = parts[..=done].join(".");
        cx.wait_for_import(&name)?;
        done += 1;
        window_root(start, DONE).set(cx, Value::int(done as i64));
        if let Some(module) = cx.find_module(&name).map(|m| m.raw()) {
            if Value::adopt(module).is_none() {
                return Err(module_not_found(cx, &name, &format!("import of {name} halted; None in sys.modules")));
            }
            window_root(start, STATE).set(cx, Value::adopt(module));
            continue;
        }
        if let Some(outcome) = load(cx, &name, start)? {
            return Ok(outcome);
        }
        if let Some(module) = cx.find_module(&name).map(|m| m.raw()) {
            window_root(start, STATE).set(cx, Value::adopt(module));
        }
    }
    // Submodules named after `from`.
    let from: Vec<String> = {
        let value = window_root(start, FROM).get(cx);
        let mut names = vec![];
        if let Some(tuple) = value.exact::<Tuple>() {
            names.extend(tuple.items().filter_map(|v| v.exact::<Str>().map(|s| s.to_str_lossy().into_owned())));
        } else if let Some(list) = value.exact::<List>() {
            names.extend(list.items().filter_map(|v| v.exact::<Str>().map(|s| s.to_str_lossy().into_owned())));
        }
        names
    };
    if from.is_empty() {
        let first = window_root(start, LEVEL).get(cx).as_int().unwrap_or(0) as usize;
        let end = full[first..].find('.').map_or(full.len(), |i| first + i);
        let module = cx.find_module(&full[..end]).map(|m| m.raw());
        return match module {
            Some(module) => Ok(Outcome::Value(module)),
            None => Err(cx.raise_text(Exc::KeyError, &full)),
        };
    }
    let Some(module) = cx.find_module(&full).map(|m| m.raw()) else {
        return Err(cx.raise_text(Exc::KeyError, &full));
    };
    let is_package = Value::adopt(module)
        .exact::<Module>()
        .is_some_and(|m| m.dict().get_str(&cx.heap, cx.name(Name::Path)).is_some());
    if is_package {
        let mut wanted: Vec<String> = from;
        if wanted.iter().any(|n| n == "*") {
            wanted.retain(|n| n != "*");
            let mark = cx.mark();
            let root = push(cx, module);
            if let Some(all) = cx.find_attribute(root, "__all__")? {
                let all = cx.list_from(all)?;
                wanted.extend(strings(cx, all));
            }
            cx.release(mark);
        }
        for name in wanted {
            let child = format!("{full}.{name}");
            let mark = cx.mark();
            let root = push(cx, module);
            let known = cx.find_attribute(root, &name)?.is_some();
            cx.release(mark);
            if !known {
                cx.wait_for_import(&child)?;
            }
            if known || cx.find_module(&child).is_some() {
                continue;
            }
            match load(cx, &child, start) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                Err(raised) => {
                    // A name that is no submodule is the business of `from`.
                    if !cx.raised_is(Exc::ModuleNotFoundError) {
                        return Err(raised);
                    }
                    let mark = cx.mark();
                    let exception = cx.take_exception(raised);
                    let missing = cx.find_attribute(exception, "name")?;
                    let other = match missing {
                        Some(missing) => cx.as_str(missing.get(cx)).is_none_or(|s| s.to_str_lossy() != child),
                        None => true,
                    };
                    if other {
                        return Err(cx.raise(exception));
                    }
                    cx.release(mark);
                }
            }
        }
    }
    Ok(Outcome::Value(module))
}

/// Makes a loaded submodule an attribute of its package.
fn bind_in_parent(cx: &mut Cx, name: &str) -> Result<(), Raised> {
    let Some((parent, last)) = name.rsplit_once('.') else { return Ok(()) };
    let (Some(parent), Some(module)) = (cx.find_module(parent).map(|m| m.raw()), cx.find_module(name).map(|m| m.raw()))
    else {
        return Ok(());
    };
    let mark = cx.mark();
    let (parent, module) = (push(cx, parent), push(cx, module));
    let key = cx.intern(last).value().raw();
    let key = push(cx, key);
    cx.set_attribute(parent, key, module)?;
    cx.release(mark);
    Ok(())
}

/// A module's name as messages show it.
fn shown_name(name: &str) -> String {
    crate::text::repr::text(&crate::text::wtf8::without_stand_ins(name))
}

fn module_not_found(cx: &mut Cx, name: &str, message: &str) -> Raised {
    let mark = cx.mark();
    let text = cx.message(message);
    let text = push(cx, text);
    let raw = cx.new_exception(Exc::ModuleNotFoundError, &[text]).value().raw();
    let exception = push(cx, raw);
    cx.set_exception_field(exception, Exc::ModuleNotFoundError, "msg", text);
    let name = cx.message(name);
    let name = push(cx, name);
    cx.set_exception_field(exception, Exc::ModuleNotFoundError, "name", name);
    let raised = cx.raise(exception);
    cx.release(mark);
    raised
}

/// Loads one module whose parents are loaded; other fibers wait for it meanwhile. None if it is done; else what has to run first.
fn load(cx: &mut Cx, name: &str, start: u32) -> Result<Option<Outcome>, Raised> {
    cx.begin_import(name);
    let mut loaded = find_and_start(cx, name, start);
    if let Ok(None) = loaded
        && let Err(raised) = bind_in_parent(cx, name)
    {
        loaded = Err(raised);
    }
    if loaded.is_err() {
        forget_module(cx, name);
    }
    if !matches!(loaded, Ok(Some(_))) {
        cx.end_import(name);
    }
    loaded
}

fn find_and_start(cx: &mut Cx, name: &str, start: u32) -> Result<Option<Outcome>, Raised> {
    if let Some(install) = crate::native::module(name).or_else(|| crate::event_loop::install(name)) {
        install(cx)?;
        return Ok(None);
    }
    let paths = match name.rsplit_once('.') {
        None => None,
        Some((parent, _)) => {
            let Some(module) = cx.find_module(parent).map(|m| m.raw()) else { return Ok(None) };
            let mark = cx.mark();
            let root = push(cx, module);
            let path = cx.find_attribute(root, "__path__")?;
            let Some(path) = path else {
                let (name_shown, parent) = (shown_name(name), shown_name(parent));
                let text = format!("No module named {name_shown}; {parent} is not a package");
                return Err(module_not_found(cx, name, &text));
            };
            let list = cx.list_from(path)?;
            let list = strings(cx, list);
            cx.release(mark);
            Some(list)
        }
    };
    let Some(found) = find_source(cx, name, paths)? else {
        let mut text = format!("No module named {}", shown_name(name));
        let top = name.split('.').next().unwrap_or(name);
        // Most of what is not within a package that is there is no module of Python's either.
        let within = top != name && (crate::stdlib::find(top).is_some() || crate::native::module(top).is_some());
        if within {
            if crate::native::MISSING_WITHIN.binary_search(&name).is_ok() {
                text.push_str(" (it is in Python's standard library, but aio does not have it yet)");
            }
        } else if is_stdlib_module(top) {
            text.push_str(" (it is in Python's standard library, but aio does not have it yet)");
        } else if crate::native::KNOWN_PACKAGES.binary_search(&top).is_ok() {
            text.push_str(" (aio does not have this package yet)");
        }
        return Err(module_not_found(cx, name, &text));
    };
    let module = cx.new_module(name).value().raw();
    let module = push(cx, module);
    let dict = module.get(cx).exact::<Module>().expect("just made").dict().value().raw();
    let dict = push(cx, dict);
    if let Body::Namespace(portions) = &found.body {
        let nothing = push(cx, Raw::NONE);
        set_value(cx, dict, "__file__", nothing)?;
        let list = cx.list(&[]).value().raw();
        let list = push(cx, list);
        for portion in portions {
            let portion = cx.str(portion).value().raw();
            let portion = push(cx, portion);
            cx.list_push(list, portion)?;
        }
        set_value(cx, dict, "__path__", list)?;
        set_text(cx, dict, "__package__", name)?;
        return Ok(None);
    }
    set_text(cx, dict, "__file__", &found.filename)?;
    let package = match &found.package {
        Some(folder) => {
            let folder = cx.str(folder).value().raw();
            let list = cx.list(&[Value::adopt(folder)]).value().raw();
            let list = push(cx, list);
            set_value(cx, dict, "__path__", list)?;
            name.to_owned()
        }
        None => name.rsplit_once('.').map_or(String::new(), |(parent, _)| parent.to_owned()),
    };
    set_text(cx, dict, "__package__", &package)?;
    let builtins = cx.builtins().value().raw();
    let builtins = push(cx, builtins);
    set_value(cx, dict, "__builtins__", builtins)?;
    let key = cx.str(name).value().raw();
    window_root(start, STATE).set(cx, Value::adopt(key));
    start_module(cx, &found, dict, Then::Catch(module_done)).map(Some)
}

pub(super) fn set_text(cx: &mut Cx, dict: Root, key: &str, text: &str) -> Result<(), Raised> {
    let mark = cx.mark();
    let value = cx.str(text).value().raw();
    let value = push(cx, value);
    set_value(cx, dict, key, value)?;
    cx.release(mark);
    Ok(())
}

pub(super) fn set_value(cx: &mut Cx, dict: Root, key: &str, value: Root) -> Result<(), Raised> {
    let mark = cx.mark();
    let key = cx.intern(key).value().raw();
    let key = push(cx, key);
    cx.dict_set(dict, key, value)?;
    cx.release(mark);
    Ok(())
}

/// Number of parameters of `__import__`: its state follows them.
const STATE_AT: u32 = 5;

/// A module's body ended: the next part, or, if it failed, the module is forgotten and the exception goes on.
fn module_done(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    // The state is at the end of `__import__`'s own parameters.
    let start = window.start() + STATE_AT;
    let name = text_at(cx, start, STATE);
    if let Resumed::Raised(exception) = resumed {
        forget_module(cx, &name);
        cx.end_import(&name);
        return Err(cx.raise(exception));
    }
    let bound = bind_in_parent(cx, &name);
    cx.end_import(&name);
    bound?;
    let module = cx.find_module(&name).map_or(Raw::NONE, |m| m.raw());
    cx.release(start + STATE as u32 + 1);
    window_root(start, STATE).set(cx, Value::adopt(module));
    import_next(cx, start)
}

/// Takes a module that could not be loaded out of `sys.modules`.
fn forget_module(cx: &mut Cx, name: &str) {
    let key = Str::new(&cx.heap, name).held();
    let modules = cx.modules().held();
    modules.remove_str(&cx.heap, key);
}
