//! aio: an interpreter for a small Python-like async scripting language.
//!
//! The modules below are the table of contents, in reading order: each uses only modules listed above it.
//! A script travels through them as text, tokens, syntax tree, scopes, bytecode, frames, tasks.

pub mod source;
pub mod errno;
pub mod diagnostic;
pub mod number;
pub mod text;
pub mod syntax;
pub mod resolve;
pub mod bytecode;
pub mod compile;
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
