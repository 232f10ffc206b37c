//! The real host: system calls, files, streams. With `--virtual-time` its clock jumps instead of waiting. And a host without an outside.

mod choices;
mod control;
mod network;
mod os;
mod pages;
mod pool;
mod processes;
mod sandbox;
mod ticker;
mod wake;

pub use choices::Choices;
pub use os::{Above, OsHost, Signals, die_of_interrupt};
pub use pages::let_go_of_pages;
pub use processes::block_signals as without_signals;
pub use sandbox::{Exit, Sandbox};
