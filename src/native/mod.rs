//! Functions and types written in Rust that scripts can use.
