//! Runs frames.
