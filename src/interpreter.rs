//! Text in, result out: joins the stages, and loads modules.
//!
//! Modules are looked for in this order: those loaded, those written in Rust, packages and `name.py` in the folders of `sys.path`, those
//! embedded, then `name.aio` in these folders. Loading is a native whose continuation goes on with the next dotted part, so a module's
//! body runs in the run loop like any other frame.

#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of values are of no interest to a given question")]

use std::sync::Arc;

use crate::bytecode::code::{Code, CodeFlags};
use crate::compile::{self, Options};
use crate::diagnostic::{Code as DiagnosticCode, Diagnostic, ErrorClass, ErrorPosition, Reported};
use crate::heap::{Kind, Raw, Value};
use crate::native::ast::ONLY_AST;
use crate::native::natives;
use crate::object::{CodeObject, Dict, Exc, List, Module, Str, Tuple, Variable};
use crate::source::SourceFile;
use crate::stdlib;
use crate::syntax::parser::{Mode, Parsed, parse_deep, parse_with_warnings};
use crate::vm::fiber::on_large_stack;
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Raised, Resumed, Root, Then};
use crate::vm::{Name, Vm};

/// Compiles a text; warnings about it are returned beside the code.
pub fn compile_text(source: &SourceFile, mode: Mode, options: &Options) -> Compiled {
    let compiled = compile_parsed(source, options, parse_with_warnings(source, mode));
    match compiled {
        Err(diagnostics) if is_too_deep(&diagnostics) => {
            // So deep a text is rare: only then the passes get a stack of their own.
            let options = Options { deep: true, ..options.clone() };
            on_large_stack(|| compile_parsed(source, &options, parse_deep(source, mode))).unwrap_or(Err(diagnostics))
        }
        done => done,
    }
}

type Compiled = Result<(Arc<Code>, Vec<crate::syntax::layout::SyntaxWarning>), Vec<Diagnostic>>;

fn compile_parsed(source: &SourceFile, options: &Options, parsed: Result<Parsed, Vec<Diagnostic>>) -> Compiled {
    let parsed = parsed?;
    let mut warnings = parsed.warnings;
    let options = Options { looks: true, ..options.clone() };
    let (code, more) = compile::compile(&parsed.ast, source, &options)?;
    warnings.extend(more);
    Ok((code, warnings))
}

/// Whether a text nests deeper than the passes go on an ordinary stack.
fn is_too_deep(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|found| matches!(found.class, ErrorClass::RecursionError | ErrorClass::MemoryError))
}

/// Raises the `SyntaxError` that a diagnostic is for a script.
pub fn raise_syntax_error(cx: &mut Cx, source: &SourceFile, diagnostics: &[Diagnostic]) -> Raised {
    raise_syntax_error_in(cx, source, Mode::Module, diagnostics)
}

/// As `raise_syntax_error`. The text of an expression is read as it is: no line end is added, so its end has no place in a line.
fn raise_syntax_error_in(cx: &mut Cx, source: &SourceFile, mode: Mode, diagnostics: &[Diagnostic]) -> Raised {
    let Some(first) = diagnostics.first() else { return cx.system_error("no diagnostic") };
    let class = match first.class {
        ErrorClass::SyntaxError => Exc::SyntaxError,
        ErrorClass::IndentationError => Exc::IndentationError,
        ErrorClass::TabError => Exc::TabError,
        ErrorClass::RecursionError => return cx.raise_text(Exc::RecursionError, &first.text),
        ErrorClass::MemoryError => return cx.raise_text(Exc::MemoryError, &first.text),
    };
    let as_it_is = mode == Mode::Expression && !source.text().ends_with('\n');
    let mut at = first.position(source);
    let width = |line| source.line_text(line).trim_end_matches('\n').chars().count() as u32;
    if as_it_is && source.text().is_empty() {
        at = ErrorPosition { line: 0, offset: 0, end_line: 0, end_offset: 0 };
    } else if as_it_is && at.line == source.line_count() && at.offset > width(at.line) && at.end_offset > 0 {
        (at.offset, at.end_offset) = (0, 0);
    }
    let mark = cx.mark();
    let message = cx.str(&first.text).value().raw();
    let message = push(cx, message);
    let filename = cx.str(source.name()).value().raw();
    let filename = push(cx, filename);
    let line = push(cx, Raw::int(i64::from(at.line)));
    let offset = push(cx, Raw::int(i64::from(at.offset)));
    let text = match syntax_error_line(source, first, at.line) {
        Some(line) if as_it_is && at.line == source.line_count() => cx.str(line.trim_end_matches('\n')).value().raw(),
        None if as_it_is && at.line == 0 => cx.str("").value().raw(),
        Some(line) => cx.str(&line).value().raw(),
        None => Raw::NONE,
    };
    let text = push(cx, text);
    let end_line = push(cx, Raw::int(i64::from(at.end_line)));
    let end_offset = push(cx, Raw::int(i64::from(at.end_offset)));
    let details = [filename, line, offset, text, end_line, end_offset];
    let values: Vec<Value<'_>> = details.iter().map(|r| r.get(cx)).collect();
    let tuple = cx.tuple(&values).value().raw();
    let tuple = push(cx, tuple);
    let exception = cx.new_exception(class, &[message, tuple]).value().raw();
    let exception = push(cx, exception);
    let names = ["filename", "lineno", "offset", "text", "end_lineno", "end_offset"];
    cx.set_exception_field(exception, class, "msg", message);
    for (name, value) in names.iter().zip(details) {
        cx.set_exception_field(exception, class, name, value);
    }
    let raised = cx.raise(exception);
    cx.release(mark);
    raised
}

/// The `text` of a `SyntaxError`. CPython's parser has the line with a line end, even if the text ends without one, unless it has read
/// further lines since; its tokenizer has it without one; its compiler has no text at hand and looks for a file, which `<string>` isn't.
fn syntax_error_line(source: &SourceFile, diagnostic: &Diagnostic, line: u32) -> Option<String> {
    if line == 0 || line > source.line_count() {
        return None;
    }
    let found_by_compiler = diagnostic.code.code().starts_with("E03");
    if found_by_compiler && source.name().starts_with('<') {
        return None;
    }
    let mut text = source.line_text(line).to_owned();
    let found_by_tokenizer = match diagnostic.code {
        DiagnosticCode::UnterminatedString
        | DiagnosticCode::InvalidNumber
        | DiagnosticCode::InvalidCharacter
        | DiagnosticCode::BracketMismatch => true,
        DiagnosticCode::UnclosedBracket => (line as usize) < source.text().lines().count(),
        DiagnosticCode::InvalidLiteral => diagnostic.text.ends_with("prefixes are incompatible"),
        DiagnosticCode::InvalidImport => false,
        _ => matches!(diagnostic.reported, Reported::Point(_)) && line == source.line_count(),
    };
    if found_by_tokenizer {
        text.truncate(text.trim_end_matches('\n').len());
    } else if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

fn push(cx: &mut Cx, raw: Raw) -> Root {
    cx.push(Value::adopt(raw))
}

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

/// Asks for code to be run with `globals` (and as its namespace, where it has one, `names`).
fn run_code(cx: &mut Cx, code: &Arc<Code>, globals: Root, then: Then) -> NativeResult {
    let loaded = cx.load(code).held();
    let dict = cx.dict_of(globals.get(cx)).expect("globals are a dict").held();
    let function = cx.function(loaded, dict).value().raw();
    let callee = push(cx, function);
    Ok(Outcome::Call { callee, argc: 0, keywords: None, then })
}

fn syntax_warning(
    cx: &mut Cx,
    source: &SourceFile,
    warning: &crate::syntax::layout::SyntaxWarning,
) -> Result<(), Raised> {
    let mark = cx.mark();
    let line = source.line(warning.span.start);
    let module = cx.import("warnings")?;
    let warn = cx.attribute(module, "warn_explicit")?;
    let text = cx.str(&warning.message).value().raw();
    let text = push(cx, text);
    let class = cx.exception_class(Exc::SyntaxWarning).value().raw();
    let class = push(cx, class);
    let file = cx.str(source.name()).value().raw();
    let file = push(cx, file);
    let line = push(cx, Raw::int(i64::from(line)));
    cx.call(warn, &[text, class, file, line])?;
    cx.release(mark);
    Ok(())
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
    if portions.is_empty() || crate::native::KNOWN_MISSING.binary_search(&full).is_ok() {
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

natives!(
    /// Functions that need the whole interpreter.
    pub static INTERPRETER: Functions;

    /// Import a module and return it, or its top-level package.
    fn __import__(
        cx: &mut Cx,
        #[either] name: Root,
        #[either] globals: Given<Root>,
        #[either] locals: Given<Root>,
        #[either] fromlist: Given<Root>,
        #[either]
        #[default(0)]
        level: i64,
    ) -> NativeResult {
        let Some(text) = cx.as_str(name.get(cx)) else {
            return Err(cx.type_error("module name must be a string".into()));
        };
        let text = text.to_str_lossy().into_owned();
        if level < 0 {
            return Err(cx.value_error("level must be >= 0"));
        }
        let full = if level > 0 { resolve_relative(cx, globals.0, &text, level)? } else { text.clone() };
        if full.is_empty() {
            return Err(cx.value_error("Empty module name"));
        }
        let start = cx.mark();
        let state = cx.str(&full).value().raw();
        push(cx, state);
        push(cx, Raw::int(0));
        let from = fromlist.0.map_or(Raw::NONE, |r| r.get(cx).raw());
        push(cx, from);
        // Without `from`, `import a.b` gives a; a relative one gives what the written name begins with.
        let first = if level > 0 { full.len() - text.len() } else { 0 };
        push(cx, Raw::int(first as i64));
        push(cx, Raw::NONE);
        import_next(cx, start)
    }

    /// Run code with these namespaces.
    fn exec(
        cx: &mut Cx,
        source: Root,
        #[either] globals: Option<Root>,
        #[either] locals: Option<Root>,
        #[key] closure: Option<Root>,
    ) -> NativeResult {
        evaluate(cx, source, globals, locals, closure, Mode::Module)
    }

    /// Evaluate an expression with these namespaces, and return its value.
    fn eval(
        cx: &mut Cx,
        source: Root,
        #[either] globals: Option<Root>,
        #[either] locals: Option<Root>,
    ) -> NativeResult {
        evaluate(cx, source, globals, locals, None, Mode::Expression)
    }

    /// Compile a text to a code object.
    fn compile(
        cx: &mut Cx,
        #[either] source: Root,
        #[either] filename: Root,
        #[either] mode: Root,
        #[either]
        #[default(0)]
        flags: i64,
        #[either]
        #[default(false)]
        dont_inherit: bool,
        #[either]
        #[default(-1)]
        optimize: i64,
    ) -> NativeResult {
        let given_mode = mode;
        let mode = match cx.as_str(mode.get(cx)).map(|s| s.to_str_lossy().into_owned()).as_deref() {
            Some("exec") => Mode::Module,
            Some("eval") => Mode::Expression,
            Some("single") => Mode::Interactive,
            _ => return Err(cx.value_error("compile() mode must be 'exec', 'eval' or 'single'")),
        };
        if source.get(cx).exact::<CodeObject>().is_some() {
            return Ok(source.get(cx).into());
        }
        let name = match cx.as_str(filename.get(cx)).map(|s| s.to_str_lossy().into_owned()) {
            Some(name) => name,
            None => match cx.bytes_like(filename.get(cx)) {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => {
                    let got = cx.type_name_for_error(filename.get(cx));
                    return Err(cx.type_error(format!("expected str, bytes or os.PathLike object, not {got}")));
                }
            },
        };
        let is_text = cx.as_str(source.get(cx)).is_some() || cx.bytes_like(source.get(cx)).is_some();
        let tree = if is_text { None } else { crate::native::ast::text_of(cx, source, given_mode)? };
        if tree.is_some() && flags & ONLY_AST != 0 {
            return Ok(source.get(cx).into());
        }
        let text = match tree {
            Some(text) => text,
            None => source_text(cx, source, "compile")?,
        };
        let file = SourceFile::new(name.as_str(), text);
        if flags & ONLY_AST != 0 {
            return match parse_with_warnings(&file, mode) {
                Ok(parsed) => crate::native::ast::nodes(cx, &parsed.ast, &file),
                Err(diagnostics) => Err(raise_syntax_error_in(cx, &file, mode, &diagnostics)),
            };
        }
        // Names are looked up in a mapping: the code may be run with any locals.
        let options = Options {
            filename: name.as_str().into(),
            namespace: mode != Mode::Interactive,
            top_level_await: flags & 0x2000 != 0,
            future_annotations: flags & 0x100_0000 != 0 || !dont_inherit && caller_has_future(cx),
            optimize: if optimize < 0 { cx.switches.optimize } else { optimize.min(2) as u8 },
            ..Options::default()
        };
        match compile_text(&file, mode, &options) {
            Ok((code, warnings)) => {
                for warning in warnings {
                    syntax_warning(cx, &file, &warning)?;
                }
                Ok(cx.load(&code).into())
            }
            Err(diagnostics) => Err(raise_syntax_error_in(cx, &file, mode, &diagnostics)),
        }
    }
);

/// The full name of a relative import.
fn resolve_relative(cx: &mut Cx, globals: Option<Root>, name: &str, level: i64) -> Result<String, Raised> {
    let Some(globals) = globals else {
        return Err(cx.raise_new(Exc::KeyError, &[]));
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
fn import_next(cx: &mut Cx, start: u32) -> NativeResult {
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
        } else if crate::native::KNOWN_MISSING.binary_search(&top).is_ok() {
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

fn set_text(cx: &mut Cx, dict: Root, key: &str, text: &str) -> Result<(), Raised> {
    let mark = cx.mark();
    let value = cx.str(text).value().raw();
    let value = push(cx, value);
    set_value(cx, dict, key, value)?;
    cx.release(mark);
    Ok(())
}

fn set_value(cx: &mut Cx, dict: Root, key: &str, value: Root) -> Result<(), Raised> {
    let mark = cx.mark();
    let key = cx.intern(key).value().raw();
    let key = push(cx, key);
    cx.dict_set(dict, key, value)?;
    cx.release(mark);
    Ok(())
}

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

/// Number of parameters of `__import__`: its state follows them.
const STATE_AT: u32 = 5;

fn evaluate(
    cx: &mut Cx,
    source: Root,
    globals: Option<Root>,
    locals: Option<Root>,
    closure: Option<Root>,
    mode: Mode,
) -> NativeResult {
    let (globals, locals) = match (globals, locals) {
        (Some(globals), locals) => (globals, locals.unwrap_or(globals)),
        (None, locals) => {
            let (g, l) = cx.caller_namespaces()?;
            let (g, l) = (push(cx, g), push(cx, l));
            (g, locals.unwrap_or(l))
        }
    };
    if cx.dict_of(globals.get(cx)).is_none() {
        let got = cx.type_name_for_error(globals.get(cx));
        let text = match mode {
            Mode::Module => format!("exec() globals must be a dict, not {got}"),
            _ if is_mapping(cx, globals)? => "globals must be a real dict; try eval(expr, {}, mapping)".to_owned(),
            _ => "globals must be a dict".to_owned(),
        };
        return Err(cx.type_error(text));
    }
    if !is_mapping(cx, locals)? {
        let got = cx.type_name_for_error(locals.get(cx));
        return Err(cx.type_error(match mode {
            Mode::Module => format!("locals must be a mapping or None, not {got}"),
            _ => "locals must be a mapping".to_owned(),
        }));
    }
    let key = cx.name(Name::Builtins).value().raw();
    let key = push(cx, key);
    if cx.dict_get(globals, key)?.is_none() {
        let builtins = cx.builtins().value().raw();
        let builtins = push(cx, builtins);
        cx.dict_set(globals, key, builtins)?;
    }
    let namespace = !locals.get(cx).is(globals.get(cx));
    if let Some(code) = source.get(cx).exact::<CodeObject>() {
        let code = code.code.clone();
        let cells = closure_for(cx, &code, closure, mode)?;
        return run_with(cx, &code, globals, locals, cells);
    }
    if closure.is_some() {
        return Err(cx.type_error("closure can only be used when source is a code object".into()));
    }
    let text = source_text(cx, source, if mode == Mode::Module { "exec" } else { "eval" })?;
    let text = if mode == Mode::Expression { text.trim_start_matches([' ', '\t']).to_owned() } else { text };
    let file = SourceFile::new("<string>", text);
    let options = Options {
        filename: "<string>".into(),
        namespace,
        future_annotations: caller_has_future(cx),
        optimize: cx.switches.optimize,
        ..Options::default()
    };
    match compile_text(&file, mode, &options) {
        Ok((code, warnings)) => {
            for warning in warnings {
                syntax_warning(cx, &file, &warning)?;
            }
            run_with(cx, &code, globals, locals, None)
        }
        Err(diagnostics) => Err(raise_syntax_error_in(cx, &file, mode, &diagnostics)),
    }
}

/// Whether `from __future__ import annotations` is in force where code is compiled.
fn caller_has_future(cx: &Cx) -> bool {
    cx.running_code().is_some_and(|code| code.code.flags.contains(CodeFlags::FUTURE_ANNOTATIONS))
}

/// Whether something can be asked for items: of a namespace no more is asked beforehand.
fn is_mapping(cx: &mut Cx, value: Root) -> Result<bool, Raised> {
    Ok(cx.dict_of(value.get(cx)).is_some() || cx.own_method(value, Name::GetItem)?.is_some())
}

/// The tuple of cells that the free variables of a code object are bound to: what `exec` got as `closure`, checked.
fn closure_for(cx: &mut Cx, code: &Arc<Code>, closure: Option<Root>, mode: Mode) -> Result<Option<Root>, Raised> {
    let wanted = code.free.len();
    let Some(closure) = closure else {
        return match (wanted, mode) {
            (0, _) => Ok(None),
            (_, Mode::Module) => Err(wrong_closure(cx, wanted)),
            _ => Err(cx.type_error("code object passed to eval() may not contain free variables".into())),
        };
    };
    if wanted == 0 {
        return Err(cx.type_error("cannot use a closure with this code object".into()));
    }
    let fits = closure
        .get(cx)
        .exact::<Tuple>()
        .is_some_and(|cells| cells.len() == wanted && cells.items().all(|cell| cell.exact::<Variable>().is_some()));
    if !fits {
        return Err(wrong_closure(cx, wanted));
    }
    Ok(Some(closure))
}

fn wrong_closure(cx: &mut Cx, wanted: usize) -> Raised {
    cx.type_error(format!("code object requires a closure of exactly length {wanted}"))
}

/// Asks for code to be run with both namespaces.
fn run_with(cx: &mut Cx, code: &Arc<Code>, globals: Root, locals: Root, closure: Option<Root>) -> NativeResult {
    use crate::bytecode::code::CodeFlags;
    let loaded = cx.load(code).held();
    let dict = cx.dict_of(globals.get(cx)).expect("checked").held();
    let function = cx.function(loaded, dict);
    if let Some(closure) = closure {
        let cells = closure.get(cx).exact::<Tuple>().expect("checked").held();
        function.set_ref(&cx.heap, |f| &f.closure, Some(cells));
    }
    let function = function.value().raw();
    let callee = push(cx, function);
    let argc = if code.flags.contains(CodeFlags::NAMESPACE) {
        let names = locals.get(cx).raw();
        push(cx, names);
        1
    } else {
        0
    };
    Ok(Outcome::Call { callee, argc, keywords: None, then: Then::Return })
}

/// The text of source given as str or bytes.
fn source_text(cx: &mut Cx, source: Root, function: &str) -> Result<String, Raised> {
    // What tokens and the parser's stack take of a dense text; the tree of an ordinary one takes less.
    const PER_BYTE: usize = 64;
    let length = cx.as_str(source.get(cx)).map_or(0, |text| text.len());
    cx.check_room(length.saturating_mul(PER_BYTE))?;
    let is_null = |byte: &u8| *byte == 0;
    if cx.as_str(source.get(cx)).is_some_and(|text| text.as_bytes().iter().any(is_null))
        || cx.bytes_like(source.get(cx)).is_some_and(|bytes| bytes.iter().any(is_null))
    {
        return Err(cx.raise_text(Exc::SyntaxError, "source code string cannot contain null bytes"));
    }
    if let Some(text) = cx.as_str(source.get(cx)) {
        return match text.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(cx.surrogate_error(source)),
        };
    }
    if let Some(bytes) = cx.bytes_like(source.get(cx)) {
        return match crate::syntax::decode_source(&bytes, "<string>") {
            Ok(text) => Ok(text),
            Err(error) => Err(cx.raise_text(Exc::SyntaxError, &error.to_string())),
        };
    }
    let what = if function == "compile" { "AST" } else { "code" };
    Err(cx.type_error(format!("{function}() arg 1 must be a string, bytes or {what} object")))
}

// ---- running a program ----

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Normally, or by `sys.exit` with this status.
    Status(i32),
    /// By an exception nobody caught, which is in this root.
    Uncaught(Root),
}

/// A machine with everything installed.
pub fn machine(host: Box<dyn crate::vm::host::Host>) -> Vm {
    let mut vm = Vm::new(host);
    crate::native::install(&mut vm);
    let builtins = vm.find_module("builtins").and_then(|module| module.exact::<Module>()).expect("just made").held();
    vm.functions_of(builtins, &INTERPRETER);
    vm
}

/// Runs a program as `__main__`. `filename` is its `__file__`, unless it stands for no file; `package` its `__package__`, if it is a module.
pub fn run_main(cx: &mut Cx, filename: &str, package: Option<&str>, code: &Arc<Code>) -> Ending {
    let module = cx.new_module("__main__").value().raw();
    let module = push(cx, module);
    let dict = module.get(cx).exact::<Module>().expect("just made").dict().value().raw();
    let dict = push(cx, dict);
    let builtins = cx.find_module("builtins").map_or(Raw::NONE, |m| m.raw());
    let builtins = push(cx, builtins);
    let setup = (|| {
        if !filename.starts_with('<') || filename == "<stdin>" {
            set_text(cx, dict, "__file__", filename)?;
        }
        if let Some(package) = package {
            set_text(cx, dict, "__package__", package)?;
        }
        set_value(cx, dict, "__builtins__", builtins)
    })();
    let result = match setup {
        Ok(()) => {
            let loaded = cx.load(code).held();
            let globals = dict.get(cx).exact::<Dict>().expect("a dict").held();
            let function = cx.function(loaded, globals).value().raw();
            let function = push(cx, function);
            cx.call(function, &[]).and_then(|result| {
                // Code with an `await` outside functions: it runs as `asyncio.run` would run it.
                if result.get(cx).kind() == Kind::Coroutine {
                    let asyncio = cx.import("asyncio")?;
                    cx.call_method(asyncio, "run", &[result])?;
                }
                Ok(())
            })
        }
        Err(raised) => Err(raised),
    };
    match result {
        Ok(()) => Ending::Status(0),
        Err(raised) => {
            let exception = cx.take_raised(raised);
            let exception = push(cx, exception);
            Ending::Uncaught(exception)
        }
    }
}

/// What is done at a program's end: what it asked for (`atexit`), then what has a finaliser. What goes wrong there has been reported.
pub fn shut_down(cx: &mut Cx) {
    let mark = cx.mark();
    if let Some(threading) = cx.find_module("threading").map(|m| m.raw()) {
        let threading = push(cx, threading);
        if let Err(raised) = cx.call_method(threading, "_shutdown", &[]) {
            cx.unraisable_as(raised, "Exception ignored on threading shutdown", threading);
        }
    }
    if let Some(atexit) = cx.find_module("atexit").map(|m| m.raw()) {
        let atexit = push(cx, atexit);
        if let Err(raised) = cx.call_method(atexit, "_run_exitfuncs", &[]) {
            cx.take_raised(raised);
        }
    }
    cx.release(mark);
    cx.end_fibers();
    cx.finalise_all();
}

/// Whether a value is a module, for callers above.
pub fn is_module(value: Value<'_>) -> bool {
    value.kind() == Kind::Module
}
