//! The `aio` binary.

use std::io::Write;
use std::process::ExitCode;

use aio::cli::dump;
use aio::diagnostic::{Color, render};
use aio::source::SourceFile;
use aio::syntax::decode_source;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [file] = &args[..] {
        return run(file);
    }
    let [stage, path] = &args[..] else { return ExitCode::from(2) };
    let Some(stage) = stage.strip_prefix("--dump=") else { return ExitCode::from(2) };
    let text = match std::fs::read(path) {
        Ok(bytes) => decode_source(&bytes, path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let text = match text {
        Ok(text) => text,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "aio: {path}: {message}");
            return ExitCode::from(2);
        }
    };
    let source = SourceFile::new(path, text);
    let dumped = match stage {
        "tokens" => Ok(dump::tokens(&source)),
        "ast" => dump::ast(&source),
        "scopes" => dump::scopes(&source, false),
        "code" => dump::code(&source, false),
        "positions" => dump::ast_with_positions(&source),
        _ => return ExitCode::from(2),
    };
    match dumped {
        Ok(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            let _ = std::io::stderr().write_all(render(&diagnostics, &source, Color::Off).as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(file: &str) -> ExitCode {
    let bytes = std::fs::read(file).expect("readable");
    let text = decode_source(&bytes, file).expect("text");
    let source = SourceFile::new(file, text);
    let options = aio::compile::Options { filename: file.into(), ..Default::default() };
    let code = match aio::interpreter::compile_text(&source, aio::syntax::parser::Mode::Module, &options) {
        Ok((code, _)) => code,
        Err(diagnostics) => {
            let _ = std::io::stderr().write_all(render(&diagnostics, &source, Color::Off).as_bytes());
            return ExitCode::FAILURE;
        }
    };
    let mut vm = aio::interpreter::machine(Box::new(aio::host::OsHost::new(false)));
    let ending = aio::interpreter::run_main(&mut vm, &source, &code);
    let _ = vm.host_mut().flush(aio::vm::host::StdStream::Out);
    let code = match ending {
        aio::interpreter::Ending::Status(status) => ExitCode::from(status as u8),
        aio::interpreter::Ending::Uncaught(exception) => {
            aio::native::traceback::handle_uncaught(&mut vm, exception);
            ExitCode::FAILURE
        }
    };
    vm.finalise_all();
    let _ = vm.host_mut().flush(aio::vm::host::StdStream::Out);
    code
}
