//! The real host: system calls, files, streams. With `--virtual-time` its clock jumps instead of waiting.

mod os;

pub use os::{OsHost, Signals, die_of_interrupt};
