//! The `aio` binary.

use std::process::ExitCode;

use aio::heap::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator<mimalloc::MiMalloc> = Allocator(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    ExitCode::from(aio::cli::main(&args))
}
