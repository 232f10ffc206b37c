//! Unicode, case, escapes, formatting and codecs, without any heap.
//!
//! Text is generalised UTF-8 in byte slices: UTF-8 in which a lone surrogate may stand as three bytes ([`wtf8`]).

pub mod wtf8;
pub mod unicode;
mod unicode_tables;
mod unicode_database;
pub mod normal;
pub mod names;
pub mod escape;
pub mod search;
pub mod regex;
pub mod charmap;
mod utf7;
pub mod codec;
pub mod number;
pub mod repr;
pub mod format_spec;
pub mod percent;
pub mod template;

/// Results longer than this are refused with `MemoryError` before any work is done.
pub const MAX_LENGTH: usize = 1 << 31;
