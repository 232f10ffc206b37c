//! Text to tokens to syntax tree.
//!
//! In the order of a text's way: [`token`] and `lexer` know single tokens, [`layout`] makes lines and blocks of them
//! and `fstring` the parts of f-strings; [`parser`] runs the parser LALRPOP made of `grammar/aio.lalrpop`, whose
//! actions call `builder` (with `literal` for values and `target` for what is bound); `explain` words its errors, `reread` says what
//! CPython says of them. The
//! result is an [`ast::Ast`], which every later stage walks; [`dump`] prints it.

pub mod token;
mod lexer;
mod fstring;
#[allow(clippy::wildcard_enum_match_arm, reason = "single tokens or kinds of nodes are picked out of many")]
pub mod layout;
pub mod ast;
mod literal;
#[allow(clippy::wildcard_enum_match_arm, reason = "single tokens or kinds of nodes are picked out of many")]
mod target;
#[allow(clippy::wildcard_enum_match_arm, reason = "single tokens or kinds of nodes are picked out of many")]
pub(crate) mod builder;
#[allow(clippy::wildcard_enum_match_arm, reason = "single tokens or kinds of nodes are picked out of many")]
pub mod parser;
#[allow(clippy::wildcard_enum_match_arm, reason = "single tokens or kinds of nodes are picked out of many")]
mod explain;
#[allow(clippy::wildcard_enum_match_arm, reason = "single tokens or kinds of nodes are picked out of many")]
mod reread;
pub mod dump;
pub mod unparse;
mod encoding;

pub use encoding::{SourceError, decode_source};
pub use parser::{Mode, Parsed, is_incomplete, parse, parse_with_warnings};
