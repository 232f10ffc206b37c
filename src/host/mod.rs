//! The real host: system calls, files, streams. With `--virtual-time` its clock jumps instead of waiting.

mod choices;
mod os;
mod ticker;

pub use choices::Choices;
pub use os::{OsHost, Signals, die_of_interrupt};
