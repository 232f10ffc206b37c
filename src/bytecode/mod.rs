//! The instructions of the register machine: the table (`op`), the compiled unit (`code`), and what makes, checks,
//! shows and stores it.

pub mod op;
pub mod code;
pub mod builder;
pub mod verify;
pub mod disasm;
pub mod packed;
