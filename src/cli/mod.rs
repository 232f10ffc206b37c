//! The command line.

pub mod dump;
