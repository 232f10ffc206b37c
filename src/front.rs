//! The front end of aio: from text to bytecode.
//!
//! A crate of its own since two programs use it: the interpreter, whose `lib.rs` goes on where this table of contents ends, and its
//! build script, which compiles the library ahead of time. Each module uses only modules listed above it.

pub mod source;
pub mod errno;
pub mod diagnostic;
pub mod number;
pub mod text;
pub mod syntax;
pub mod resolve;
pub mod bytecode;
pub mod compile;
