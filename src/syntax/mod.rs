//! Text to tokens to syntax tree.
