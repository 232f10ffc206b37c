//! Runs a program, and ends the process as Python does: statuses, what is flushed, what is still said.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::compile::Options;
use crate::diagnostic::render;
use crate::heap::Raw;
use crate::host::OsHost;
use crate::interpreter::{self, Ending};
use crate::number::hash::HashSeed;
use crate::object::Exc;
use crate::repl::{self, Screen, Settings};
use crate::syntax::Mode;
use crate::text::wtf8::of_system;
use crate::vm::Vm;
use crate::vm::host::StdStream;
use crate::vm::native::Root;
use crate::vm::profile::Profile;
use crate::vm::switches::Switches;

use super::{FAILED, Program, Style, profile, say};

/// Status where output could not be written at the end.
const OUTPUT_LOST: u8 = 120;

/// The variable with the file to which a run writes what it decided of what the program does not determine.
const RECORD: &str = "AIO_RECORD";
/// The variable with such a file: this run decides the same.
const REPLAY: &str = "AIO_REPLAY";

/// How a program is run.
#[derive(Clone, Debug)]
pub(super) struct RunOptions {
    /// On a clock that jumps.
    pub(super) virtual_time: bool,
    /// `await` outside functions.
    pub(super) top_level_await: bool,
    /// Output is written at once.
    pub(super) unbuffered: bool,
    /// The seed of the hashes of texts.
    pub(super) hash_seed: HashSeed,
    /// The prompt is shown afterwards.
    pub(super) prompt: bool,
    /// What the prompt reads from anything but a terminal is shown as if it had been typed.
    pub(super) transcript: bool,
    /// A table of where the time went is shown.
    pub(super) profile: bool,
    /// The file of a picture of that.
    pub(super) flame_graph: Option<PathBuf>,
}

/// How the process ends.
enum End {
    Status(u8),
    /// As if the signal that was caught had not been.
    Interrupted,
}

#[allow(clippy::disallowed_methods, reason = "a recording is no file of the script's")]
pub(super) fn run(program: &Program, options: &RunOptions, switches: Switches, style: Style) -> u8 {
    let compile = Options {
        filename: program.filename.as_str().into(),
        top_level_await: options.top_level_await,
        optimize: switches.optimize,
        ..Options::default()
    };
    let code = match interpreter::compile_text(&program.source, Mode::Module, &compile) {
        Ok((code, warnings)) => {
            for warning in &warnings {
                let line = program.source.line(warning.span.start);
                // As in CPython, what is compiled of `-c` or standard input is not known yet as a source of lines.
                let text = match program.filename.starts_with('<') {
                    true => String::new(),
                    false => format!("\n  {}", program.source.line_text(line).trim()),
                };
                say(&format!("{}:{line}: SyntaxWarning: {}{text}", program.filename, warning.message));
            }
            code
        }
        Err(diagnostics) => {
            say(&render(&diagnostics, &program.source, style.color));
            return FAILED;
        }
    };
    crate::host::let_go_of_pages();
    let mut host = OsHost::new(options.virtual_time);
    host.set_hash_seed(options.hash_seed);
    if options.unbuffered {
        host.set_unbuffered();
    }
    let screen = Arc::new(Screen::default());
    if options.prompt {
        host.print_above(screen.clone());
    }
    let choices = host.choices();
    if let Some(path) = std::env::var_os(REPLAY) {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if choices.borrow_mut().replay(&text).is_none() || text.is_empty() {
            say(&format!("error: `{}` is no recording of {REPLAY}", path.display()));
            return FAILED;
        }
    }
    let recording = std::env::var_os(RECORD);
    if recording.is_some() {
        choices.borrow_mut().record();
    }
    let signals = host.signals();
    let mut vm = interpreter::machine(Box::new(host));
    crate::host::let_go_of_pages();
    signals.watch(vm.interrupt());
    let orig_argv: Vec<String> = std::env::args_os().map(|arg| of_system(arg.as_bytes())).collect();
    vm.set_switches(switches);
    crate::native::sys::set_program(&mut vm, &program.argv, &orig_argv, &program.folder);
    if program.filename.starts_with('<') {
        vm.register_source(&code, program.source.text());
    }
    if options.profile || options.flame_graph.is_some() {
        vm.start_profile();
    }
    let ending = interpreter::run_main(&mut vm, &program.filename, &program.main, &code);
    let end = match ending {
        Ending::Status(status) => End::Status(status as u8),
        Ending::Uncaught(exception) => uncaught(&mut vm, exception),
    };
    if let Some(found) = vm.end_profile() {
        let _ = vm.host_mut().flush(StdStream::Out);
        report_profile(&found, options);
    }
    let end = if options.prompt { interact(&mut vm, screen, style, options.transcript) } else { end };
    interpreter::shut_down(&mut vm);
    vm.host_mut().flush_files();
    if let Some(path) = recording
        && let Err(error) = std::fs::write(&path, choices.borrow().text())
    {
        say(&format!("error: cannot write `{}`: {error}", path.display()));
    }
    let flushed = vm.host_mut().flush(StdStream::Out);
    let _ = vm.host_mut().flush(StdStream::Err);
    let status = match end {
        End::Status(status) => status,
        End::Interrupted => {
            crate::host::die_of_interrupt();
            130
        }
    };
    match flushed {
        Err(error) => {
            let class = if error.kind() == std::io::ErrorKind::BrokenPipe { "BrokenPipeError" } else { "OSError" };
            say(&format!("Exception ignored while flushing sys.stdout:\n{class}: {}", crate::errno::describe(&error)));
            OUTPUT_LOST
        }
        Ok(()) => {
            // The process ends: giving back each cell of the heap first would only take time.
            std::mem::forget(vm);
            status
        }
    }
}

/// Shows a profile in the ways that were asked for.
#[allow(clippy::disallowed_methods, reason = "a picture is no file of the script's")]
fn report_profile(found: &Profile, options: &RunOptions) {
    if options.profile {
        say(&profile::table(found));
    }
    if let Some(path) = &options.flame_graph
        && let Err(error) = std::fs::write(path, profile::flame_graph(found))
    {
        say(&format!("error: cannot write `{}`: {error}", path.display()));
    }
}

/// Shows the prompt on the names of the program that ran.
fn interact(vm: &mut Vm, screen: Arc<Screen>, style: Style, transcript: bool) -> End {
    let history = match std::env::var_os("AIO_HISTORY") {
        Some(path) => Some(path).filter(|path| !path.is_empty()).map(PathBuf::from),
        None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".aio_history")),
    };
    let terminal = vm.host().is_terminal(StdStream::In) && vm.host().is_terminal(StdStream::Out);
    let settings = Settings { color: style.color, rich: style.rich, terminal, transcript, history };
    if let Err(error) = repl::install(vm, settings, screen) {
        say(&format!("aio: there can be no prompt: {error}"));
        return End::Status(FAILED);
    }
    let done = (|| {
        crate::native::sys::set_prompts(vm)?;
        let console = vm.import("_repl")?;
        let main = vm.find_module("__main__").map_or(Raw::NONE, |module| module.raw());
        let main = vm.push_raw(main);
        let names = vm.attribute(main, "__dict__")?;
        vm.call_method(console, "interact", &[names])
    })();
    match done {
        Ok(status) => End::Status(status.get(vm).as_int().unwrap_or(0) as u8),
        Err(raised) => {
            let exception = vm.take_raised(raised);
            let exception = vm.push_raw(exception);
            uncaught(vm, exception)
        }
    }
}

/// What an exception that nobody caught means for the process.
fn uncaught(vm: &mut Vm, exception: Root) -> End {
    let value = exception.get(vm);
    if vm.is_exception(value, Exc::SystemExit) {
        return End::Status(exit_status(vm, exception));
    }
    let interrupted = vm.is_exception(exception.get(vm), Exc::KeyboardInterrupt);
    // What was printed comes before the report.
    let _ = vm.host_mut().flush(StdStream::Out);
    if let Some(exit) = crate::native::traceback::handle_uncaught(vm, exception) {
        return End::Status(exit_status(vm, exit));
    }
    if interrupted { End::Interrupted } else { End::Status(FAILED) }
}

/// The status that `SystemExit` asks for; anything but a number is printed, and means failure.
fn exit_status(vm: &mut Vm, exception: Root) -> u8 {
    let mark = vm.mark();
    let code = match vm.find_attribute(exception, "code") {
        Ok(Some(code)) => code,
        Ok(None) => vm.push_raw(Raw::NONE),
        Err(raised) => {
            vm.take_raised(raised);
            vm.push_raw(Raw::NONE)
        }
    };
    let value = code.get(vm);
    let status = if value.is_none() {
        0
    } else if let Some(int) = value.as_bool().map(i64::from).or_else(|| vm.payload(value).as_int()) {
        int as u8
    } else if crate::object::key::as_int_ref(value).is_some() {
        u8::MAX
    } else {
        let _ = vm.host_mut().flush(StdStream::Out);
        match vm.str_text(code) {
            Ok(text) => {
                let _ = vm.host_mut().write(StdStream::Err, format!("{text}\n").as_bytes());
            }
            Err(raised) => {
                vm.take_raised(raised);
            }
        }
        FAILED
    };
    vm.release(mark);
    status
}
