//! The instructions of the register machine.
