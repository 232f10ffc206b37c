//! The kinds of objects: layouts, and what cannot call a script.
