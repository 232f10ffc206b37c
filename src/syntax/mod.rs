//! Text to tokens to syntax tree.
//!
//! Start at [`ast`]: the tree every later stage walks.

pub mod ast;
