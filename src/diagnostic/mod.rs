//! What is found before a script runs: codes, messages, rendering.
