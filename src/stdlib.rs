//! The embedded .aio sources of the standard library, looked up by name.
