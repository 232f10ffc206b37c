//! The instructions of the register machine: the table (`op`), the compiled unit (`code`), and what makes, checks and
//! shows it.

pub mod op;
pub mod code;
pub mod builder;
pub mod verify;
pub mod disasm;
