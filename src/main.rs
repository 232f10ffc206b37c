//! The `aio` binary.

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use aio::heap::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator<mimalloc::MiMalloc> = Allocator(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| aio::text::wtf8::of_system(arg.as_bytes())).collect();
    ExitCode::from(aio::cli::main(&args))
}
