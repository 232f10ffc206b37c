//! aio: an interpreter for a small Python-like async scripting language.
//!
//! The modules of `front.rs` and then those below are the table of contents, in reading order: each uses only modules listed above it.
//! A script travels through them as text, tokens, syntax tree, scopes, bytecode, frames, tasks.

pub use aio_front::{bytecode, compile, diagnostic, errno, number, resolve, source, syntax, text};

pub mod heap;
pub mod object;
pub mod stdlib;
pub mod vm;
pub mod native;
pub mod event_loop;
pub mod host;
pub mod interpreter;
pub mod repl;
pub mod cli;
