//! The builtin types: a file each, with the methods scripts see.

pub(crate) mod bounds;
pub mod bytes;
pub mod memoryview;
pub mod template;
pub mod text;
