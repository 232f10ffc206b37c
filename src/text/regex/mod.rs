//! Regular expressions as Python's `re` has them, without any heap: the parser ([`parse`]), the compiler ([`compile`]) and the
//! backtracking matcher ([`Matcher`]).
//!
//! Patterns over text run on the bytes of UTF-8, lone surrogates included; patterns over bytes run on bytes. Positions in texts are byte
//! offsets throughout: who shows them to scripts converts them. The matcher keeps its own stack and pauses every so often, so that
//! a pattern that takes forever can be interrupted.

mod case;
mod compile;
mod first;
mod matcher;
mod parse;
mod program;
mod template;
mod tree;

pub use compile::compile;
pub use matcher::{Matcher, Mode, Step};
pub use parse::{Parsed, parse};
pub use program::{NONE, Program};
pub use template::{Part, parse_template};

/// The flags of a pattern, with the numbers that scripts see.
pub mod flag {
    /// Letters match whatever their case.
    pub const IGNORECASE: u32 = 2;
    /// Bytes are classified as the locale does.
    pub const LOCALE: u32 = 4;
    /// `^` and `$` match at lines, too.
    pub const MULTILINE: u32 = 8;
    /// `.` matches a newline, too.
    pub const DOTALL: u32 = 16;
    /// Classes are those of Unicode.
    pub const UNICODE: u32 = 32;
    /// White space and comments in the pattern count for nothing.
    pub const VERBOSE: u32 = 64;
    /// What was parsed is shown.
    pub const DEBUG: u32 = 128;
    /// Classes hold ASCII characters only.
    pub const ASCII: u32 = 256;
}

/// What is wrong with a pattern or a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A mistake in its text: the message (generalised UTF-8), and where.
    Pattern(Vec<u8>, Option<usize>),
    /// Flags that cannot be.
    Value(&'static str),
    /// A number that is too large.
    Overflow(&'static str),
    /// No group has this name.
    UnknownName(Vec<u8>),
    /// It is nested too deeply.
    Recursion,
}
