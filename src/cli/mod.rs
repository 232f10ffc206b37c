//! The command line: which text to run, how, and with which status the process ends.
//!
//! `flags.rs` has the flags, `switches.rs` those that programs see, `run.rs` runs programs, `dump.rs` shows stages.

pub mod dump;
pub mod flags;
mod profile;
mod run;
mod switches;

use std::ffi::OsStr;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::compile::Options;
use crate::diagnostic::{Code, Color, render};
use crate::interpreter::{self, Main};
use crate::native;
use crate::source::SourceFile;
use crate::stdlib;
use crate::syntax::{Mode, decode_source};
use crate::text::wtf8::to_system;

/// Status of a usage error, and of a script that cannot be read.
const USAGE: u8 = 2;
/// Status where the script is no program, or ended by an exception.
const FAILED: u8 = 1;

/// How reports look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) color: Color,
    /// Whether the prompt shows what is wrong with a text with excerpts instead of as Python does it.
    pub(crate) rich: bool,
}

/// What is run.
#[derive(Debug)]
pub(crate) struct Program {
    /// The text, under the name that reports show.
    pub(crate) source: SourceFile,
    /// The name that code and tracebacks have: for a file its full path.
    pub(crate) filename: String,
    /// `sys.argv`.
    pub(crate) argv: Vec<String>,
    /// `sys.path[0]`.
    pub(crate) folder: String,
    /// As what it is run.
    pub(crate) main: Main,
}

/// Runs the command line (without the binary's name), and returns the status to exit with.
pub fn main(args: &[String]) -> u8 {
    let (word, args) = match args.first() {
        Some(first) if flags::COMMANDS.iter().any(|(word, _)| word == first) => (first.as_str(), &args[1..]),
        _ => ("run", args),
    };
    let split = flags::split(args);
    let given = match flags::parse(&split.own) {
        Ok(given) => given,
        Err(error) => {
            let text = error.render();
            return if error.use_stderr() {
                say(&text.to_string());
                USAGE
            } else {
                print(text.to_string().as_bytes())
            };
        }
    };
    let text = |name: &str| given.value(name);
    let style = Style {
        color: match text("color") {
            Some("always") => Color::On,
            Some("never") => Color::Off,
            _ if variable_is_set("NO_COLOR") || !std::io::stderr().is_terminal() => Color::Off,
            _ => Color::On,
        },
        rich: match text("traceback") {
            Some("rich") => true,
            Some("plain") => false,
            _ => std::io::stderr().is_terminal(),
        },
    };
    let top_level_await = given.is_set("top-level-await");
    match word {
        "explain" => return explain(&split.rest),
        "check" => return check(&split.rest, style, top_level_await),
        _ => {}
    }
    // As in Python, the module `asyncio` as a program is the prompt.
    let word = if text("module") == Some("asyncio") { "repl" } else { word };
    let typed = std::io::stdin().is_terminal() || given.is_set("interactive");
    let alone = split.rest.is_empty() && text("module").is_none() && typed;
    let module = text("module").filter(|_| word != "repl");
    if let Some(module) = module
        && find_module(module).is_none_or(|found| found.text.is_some() && NO_PROGRAMS.contains(&module))
    {
        say(&format!("aio: {}", no_module(module)));
        return FAILED;
    }
    if text("code").is_none()
        && module.is_none()
        && word != "repl"
        && let Some(folder) =
            split.rest.first().filter(|path| Path::new(path).is_dir() && main_of_folder(path).is_none())
    {
        say(&format!("aio: can't find '__main__' module in '{}'", full_path(folder)));
        return FAILED;
    }
    let program = match (text("code"), module.and_then(find_module)) {
        (Some(code), _) => program_of_text(code, &split.rest),
        (None, Some(found)) => program_of_module(found, &split.rest),
        (None, None) if word == "repl" || alone => Ok(program_of_nothing(split.rest.clone())),
        (None, None) => program_of_file(&split.rest),
    };
    let program = match program {
        Ok(program) => program,
        Err(message) => {
            say(&format!("aio: {message}"));
            return USAGE;
        }
    };
    if let Some(stage) = text("dump") {
        return dump_stage(stage, &program.source, style, top_level_await);
    }
    let switches = match switches::read(&given) {
        Ok(switches) => switches,
        Err(message) => {
            say(&format!("Fatal Python error: {message}\nPython runtime state: preinitialized\n\n"));
            return FAILED;
        }
    };
    let (switches, settings) = switches;
    let options = run::RunOptions {
        virtual_time: given.is_set("virtual-time"),
        // As at the prompt, `-c` takes `await` anywhere.
        top_level_await: top_level_await || text("code").is_some(),
        unbuffered: settings.unbuffered,
        hash_seed: settings.hash_seed,
        transcript: word == "repl",
        profile: given.is_set("profile"),
        flame_graph: text("flame-graph").map(PathBuf::from),
        prompt: word == "repl" || alone && text("code").is_none() || switches.inspect,
    };
    run::run(&program, &options, switches, style)
}

fn variable_is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Writes a message to standard error, where a failure has nobody to be told to.
pub(crate) fn say(message: &str) {
    let line = if message.ends_with('\n') { message.to_owned() } else { format!("{message}\n") };
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Writes a result to standard output.
fn print(bytes: &[u8]) -> u8 {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => FAILED,
        Err(error) => {
            say(&format!("aio: cannot write: {error}"));
            FAILED
        }
    }
}

// ---- where programs come from ----

fn program_of_text(code: &str, rest: &[String]) -> Result<Program, String> {
    let code = String::from_utf8(to_system(code)).map_err(|_| "the text of -c is not UTF-8")?;
    let argv = std::iter::once("-c".to_owned()).chain(rest.iter().cloned()).collect();
    let filename = "<string>".to_owned();
    Ok(Program { source: SourceFile::new("<string>", code), filename, argv, folder: String::new(), main: Main::Script })
}

/// What runs before the prompt if nothing is to.
fn program_of_nothing(rest: Vec<String>) -> Program {
    let argv = std::iter::once(String::new()).chain(rest).collect();
    Program {
        source: SourceFile::new("<stdin>", ""),
        filename: "<stdin>".into(),
        argv,
        folder: String::new(),
        main: Main::Script,
    }
}

fn program_of_file(rest: &[String]) -> Result<Program, String> {
    let (path, argv) = match rest.first() {
        Some(path) if path != "-" => (path, rest.to_vec()),
        Some(_) => return program_of_input(rest.to_vec()),
        None => return program_of_input(vec![String::new()]),
    };
    if let Some(main) = main_of_folder(path) {
        let source = SourceFile::new(main.as_str(), decode(&read(&main)?, &main)?);
        let filename = full_path(&main);
        return Ok(Program { source, filename, argv, folder: full_path(path), main: Main::Folder });
    }
    let bytes = read(path)?;
    let source = SourceFile::new(path.as_str(), decode(&bytes, path)?);
    Ok(Program { source, filename: full_path(path), argv, folder: folder_of(path), main: Main::Script })
}

/// What is run of a folder: the file `__main__` in it.
fn main_of_folder(path: &str) -> Option<String> {
    let folder = path.trim_end_matches('/');
    let files = ["py", "aio"].map(|ending| format!("{folder}/__main__.{ending}"));
    files.into_iter().find(|file| std::path::Path::new(file).is_file())
}

/// A module that `-m` can run: its full name, where it is, its text where it is one of the library.
struct ModuleFound {
    name: String,
    path: String,
    text: Option<String>,
}

/// Looks for what `-m` is to run: in the working folder, then in the library.
fn find_module(name: &str) -> Option<ModuleFound> {
    let main = format!("{name}.__main__");
    for full in [name, &main] {
        let base = full.replace('.', "/");
        let paths = ["py", "aio"].map(|ending| format!("{base}.{ending}"));
        if let Some(path) = paths.into_iter().find(|path| std::path::Path::new(path).is_file()) {
            return Some(ModuleFound { name: full.to_owned(), path: full_path(&path), text: None });
        }
    }
    [name, &main].into_iter().find_map(|full| {
        let embedded = stdlib::find(full).filter(|embedded| !embedded.package)?;
        Some(ModuleFound { name: full.to_owned(), path: stdlib::filename(full), text: Some(embedded.text()) })
    })
}

/// Modules of the library that are programs in Python too, but not here.
const NO_PROGRAMS: &[&str] = &[
    "ast",
    "base64",
    "calendar",
    "code",
    "difflib",
    "filecmp",
    "fileinput",
    "ftplib",
    "gzip",
    "inspect",
    "locale",
    "mimetypes",
    "pickle",
    "platform",
    "quopri",
    "random",
    "runpy",
    "shlex",
    "smtplib",
    "sysconfig",
    "tarfile",
    "textwrap",
    "tokenize",
    "uuid",
];

/// What is said where `-m` has nothing to run.
fn no_module(name: &str) -> String {
    // As a module, and as a package.
    let is_there = |name: &str| {
        let path = name.replace('.', "/");
        let of_library = stdlib::find(name).map(|found| found.package);
        let native = native::MODULES.iter().any(|(known, _)| *known == name);
        let file = ["py", "aio"].iter().any(|ending| Path::new(&format!("{path}.{ending}")).is_file());
        (file || native || of_library == Some(false), Path::new(&path).is_dir() || of_library == Some(true))
    };
    if name.starts_with('.') {
        return "Relative module names not supported".to_owned();
    }
    if NO_PROGRAMS.contains(&name) {
        return format!("No program {name}: here that is a module only");
    }
    // The packages it is in are looked for before it.
    for (dot, _) in name.match_indices('.') {
        let why = match is_there(&name[..dot]) {
            (_, true) => continue,
            (true, false) => {
                format!("__path__ attribute not found on '{}' while trying to find '{name}'", &name[..dot])
            }
            (false, false) => format!("No module named '{}'", &name[..dot]),
        };
        return format!("Error while finding module specification for '{name}' (ModuleNotFoundError: {why})");
    }
    match is_there(name) {
        (_, true) => {
            format!("No module named {name}.__main__; '{name}' is a package and cannot be directly executed")
        }
        _ => format!("No module named {name}"),
    }
}

fn program_of_module(found: ModuleFound, rest: &[String]) -> Result<Program, String> {
    let text = match found.text {
        Some(text) => text,
        None => decode(&read(&found.path)?, &found.path)?,
    };
    let argv = std::iter::once(found.path.clone()).chain(rest.iter().cloned()).collect();
    let source = SourceFile::new(found.path.as_str(), text);
    Ok(Program { source, filename: found.path, argv, folder: full_path(""), main: Main::Module(found.name) })
}

fn program_of_input(argv: Vec<String>) -> Result<Program, String> {
    let mut bytes = vec![];
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| format!("cannot read standard input: {e}"))?;
    let source = SourceFile::new("<stdin>", decode(&bytes, "<stdin>")?);
    Ok(Program { source, filename: "<stdin>".into(), argv, folder: String::new(), main: Main::Script })
}

#[allow(clippy::disallowed_methods, reason = "the script is read before there is a machine with a host")]
fn read(path: &str) -> Result<Vec<u8>, String> {
    let refuse = |error: &std::io::Error| {
        let number = error.raw_os_error().unwrap_or(0);
        let text = crate::errno::text(number);
        format!("can't open file '{path}': [Errno {number}] {text}")
    };
    let of_system = to_system(path);
    let file = Path::new(OsStr::from_bytes(&of_system));
    match std::fs::metadata(file) {
        Ok(_) => {}
        Err(error) => return Err(refuse(&error)),
    }
    std::fs::read(file).map_err(|error| refuse(&error))
}

fn decode(bytes: &[u8], path: &str) -> Result<String, String> {
    // A text with a stray null byte is a text: the report points at the byte.
    let nulls = bytes.iter().filter(|byte| **byte == 0).count();
    let strange = |byte: &u8| matches!(byte, 1..=8 | 14..=26 | 28..=31 | 127);
    if nulls > 0 && (nulls * 4 > bytes.len() || bytes.iter().any(strange) || std::str::from_utf8(bytes).is_err()) {
        return Err(format!("can't run '{path}': it is a binary file (it has null bytes)"));
    }
    decode_source(bytes, path).map_err(|error| format!("can't run '{path}': {error}"))
}

#[allow(clippy::disallowed_methods, reason = "asked before there is a machine with a host")]
fn full_path(path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    match std::env::current_dir() {
        Ok(folder) if path.is_empty() => folder.to_string_lossy().into_owned(),
        Ok(folder) => format!("{}/{path}", folder.to_string_lossy().trim_end_matches('/')),
        Err(_) => path.to_owned(),
    }
}

/// The script's folder, where modules are looked for: that of the file itself where `path` is a link.
#[allow(clippy::disallowed_methods, reason = "asked before there is a machine with a host")]
fn folder_of(path: &str) -> String {
    let real = std::fs::canonicalize(path).map_or_else(|_| full_path(path), |p| p.to_string_lossy().into_owned());
    match real.rsplit_once('/') {
        Some(("", _)) => "/".into(),
        Some((folder, _)) => folder.to_owned(),
        None => String::new(),
    }
}

// ---- what is not running ----

fn dump_stage(stage: &str, source: &SourceFile, style: Style, top_level_await: bool) -> u8 {
    let dumped = match stage {
        "tokens" => Ok(dump::tokens(source)),
        "ast" => dump::ast(source),
        "scopes" => dump::scopes(source, top_level_await),
        "code" => dump::code(source, top_level_await),
        "positions" => dump::ast_with_positions(source),
        _ => return USAGE,
    };
    match dumped {
        Ok(text) => print(text.as_bytes()),
        Err(diagnostics) => {
            say(&render(&diagnostics, source, style.color));
            FAILED
        }
    }
}

fn check(paths: &[String], style: Style, top_level_await: bool) -> u8 {
    if paths.is_empty() {
        say("aio: check: name a file");
        return USAGE;
    }
    let mut status = 0;
    for path in paths {
        let source = match read(path).and_then(|bytes| decode(&bytes, path)) {
            Ok(text) => SourceFile::new(path.as_str(), text),
            Err(message) => {
                say(&format!("aio: {message}"));
                status = USAGE;
                continue;
            }
        };
        let options = Options { filename: path.as_str().into(), top_level_await, ..Options::default() };
        match interpreter::compile_text(&source, Mode::Module, &options) {
            Ok((_, warnings)) => {
                for warning in warnings {
                    say(&format!("{path}:{}: SyntaxWarning: {}", source.line(warning.span.start), warning.message));
                }
            }
            Err(diagnostics) => {
                say(&render(&diagnostics, &source, style.color));
                status = status.max(FAILED);
            }
        }
    }
    status
}

fn explain(rest: &[String]) -> u8 {
    let [wanted] = rest else {
        say("aio: explain: give one code, such as E0301");
        return USAGE;
    };
    match Code::ALL.iter().find(|code| code.code().eq_ignore_ascii_case(wanted)) {
        Some(code) => {
            let lines: Vec<&str> = code.explanation().lines().map(str::trim).collect();
            print(format!("{}: {}\n\n{}\n", code.code(), code.title(), lines.join("\n").trim()).as_bytes())
        }
        None => {
            say(&format!("aio: there is no error {wanted}"));
            USAGE
        }
    }
}
