//! Text in, result out: joins the stages, and loads modules.
#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds of values are of no interest to a given question")]

use std::sync::Arc;

use crate::bytecode::code::{Code, CodeFlags};
use crate::compile::{self, Options};
use crate::diagnostic::{Code as DiagnosticCode, Diagnostic, ErrorClass, ErrorPosition, Reported};
use crate::heap::{Kind, Raw, Value};
use crate::native::ast::ONLY_AST;
use crate::native::natives;
use crate::object::{CodeObject, Dict, Exc, Module, Tuple, Variable};
use crate::source::SourceFile;
use crate::syntax::parser::{Mode, Parsed, parse_deep, parse_with_warnings};
use crate::vm::fiber::on_large_stack;
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Raised, Resumed, Root, Then};
use crate::vm::{Name, Vm};

mod import;

use import::{import_next, resolve_relative, set_text, set_value};

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
    let as_it_is = mode != Mode::Module && !source.text().ends_with('\n');
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
    let text = match syntax_error_line(cx, source, first, at.line) {
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
fn syntax_error_line(cx: &mut Cx, source: &SourceFile, diagnostic: &Diagnostic, line: u32) -> Option<String> {
    if line == 0 || line > source.line_count() {
        return None;
    }
    let found_by_compiler = diagnostic.code.code().starts_with("E03");
    if found_by_compiler {
        if source.name().starts_with('<') {
            return None;
        }
        let bytes = cx.host().read_file(source.name()).ok()?;
        let text = crate::syntax::decode_source(&bytes, source.name()).ok()?;
        return text.split_inclusive('\n').nth(line as usize - 1).map(str::to_owned);
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
    if diagnostic.line_end.map_or(found_by_tokenizer, |line_end| !line_end) {
        text.truncate(text.trim_end_matches('\n').len());
    } else if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

fn push(cx: &mut Cx, raw: Raw) -> Root {
    cx.push(Value::adopt(raw))
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
        const KNOWN_FLAGS: i64 = 0x10 | 0x200 | ONLY_AST | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x1fe_0000;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(cx.value_error("compile(): unrecognised flags"));
        }
        if !(-1..=2).contains(&optimize) {
            return Err(cx.value_error("compile(): invalid optimize value"));
        }
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
        if name.contains('\0') {
            return Err(cx.value_error("embedded null character"));
        }
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
        let outcome = run_with(cx, &code, globals, locals, cells)?;
        return Ok(match outcome {
            // `exec` gives None, even of the code of an expression.
            Outcome::Call { callee, argc, keywords, .. } if mode == Mode::Module => {
                Outcome::Call { callee, argc, keywords, then: Then::Continue(give_none) }
            }
            outcome => outcome,
        });
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

/// What `exec` gives when the code has run.
fn give_none(_: &mut Cx, _: Args, _: Resumed) -> NativeResult {
    Ok(Outcome::NONE)
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
            Err(error) => {
                // What files call an error of Unicode is just the codec's words here.
                let message = error.to_string();
                Err(cx.raise_text(Exc::SyntaxError, message.strip_prefix("(unicode error) ").unwrap_or(&message)))
            }
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

/// As what a text is run as `__main__`.
#[derive(Clone, Debug)]
pub enum Main {
    /// A script, the text of `-c` or standard input: no part of a package.
    Script,
    /// The `__main__` of a folder.
    Folder,
    /// The module of this full name (`-m`): its package is imported before, and it is told its specification.
    Module(String),
}

/// A machine with everything installed.
pub fn machine(host: Box<dyn crate::vm::host::Host>) -> Vm {
    let mut vm = Vm::new(host);
    crate::native::install(&mut vm);
    let builtins = vm.find_module("builtins").and_then(|module| module.exact::<Module>()).expect("just made").held();
    vm.functions_of(builtins, &INTERPRETER);
    vm
}

/// Runs a program as `__main__`. `filename` is its `__file__`, unless it stands for no file.
pub fn run_main(cx: &mut Cx, filename: &str, main: &Main, code: &Arc<Code>) -> Ending {
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
        set_value(cx, dict, "__builtins__", builtins)?;
        match main {
            Main::Script => Ok(()),
            Main::Folder => set_text(cx, dict, "__package__", ""),
            Main::Module(name) => {
                set_text(cx, dict, "__package__", name.rsplit_once('.').map_or("", |(package, _)| package))?;
                let runpy = cx.import("runpy")?;
                let name = cx.str(name).value().raw();
                let name = push(cx, name);
                cx.call_method(runpy, "_prepare_main", &[name, dict]).map(drop)
            }
        }
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
