//! The embedded .aio sources of the standard library, looked up by name.

include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// A module of the library: its source, and whether it is a package.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The dotted name.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
    /// Whether other modules are in it.
    pub package: bool,
}

/// The module with this dotted name.
pub fn find(name: &str) -> Option<&'static Embedded> {
    MODULES.binary_search_by(|module| module.name.cmp(name)).ok().map(|at| &MODULES[at])
}

/// The dotted names of all modules.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|module| module.name)
}

/// How tracebacks and `__file__` name a module of the library.
pub fn filename(name: &str) -> String {
    format!("<aio>/{}.aio", name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_in_order() {
        assert!(MODULES.is_sorted_by_key(|m| m.name));
    }
}
