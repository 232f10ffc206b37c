//! The embedded modules of the standard library, looked up by name. The build script compiled them: what an import costs is what
//! the module does.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use flate2::read::DeflateDecoder;

use crate::bytecode::code::Code;
use crate::bytecode::packed::unpack;

include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// A module of the library: its source and code, and whether it is a package.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The dotted name.
    pub name: &'static str,
    /// Where the packed code is in the library.
    code: Range<usize>,
    /// Where the deflated text is.
    text: Range<usize>,
    /// Whether other modules are in it.
    pub package: bool,
}

impl Embedded {
    /// The code of the module, which tracebacks show as being in the file of this name.
    pub fn code(&self, filename: &str) -> Arc<Code> {
        Arc::new(unpack(&LIBRARY[self.code.clone()], &filename.into()))
    }

    /// The text of the module.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut decoder = DeflateDecoder::new(&LIBRARY[self.text.clone()]);
        decoder.read_to_string(&mut text).expect("the build script wrote it");
        text
    }
}

/// The module with this dotted name.
pub fn find(name: &str) -> Option<&'static Embedded> {
    MODULES.binary_search_by(|module| module.name.cmp(name)).ok().map(|at| &MODULES[at])
}

/// The dotted names of all modules.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|module| module.name)
}

/// The folder that the library is in, as tracebacks and `__file__` show it. There is none.
pub const FOLDER: &str = "<aio>";

/// How tracebacks and `__file__` name a module of the library.
pub fn filename(name: &str) -> String {
    format!("{FOLDER}/{}.aio", name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_in_order() {
        assert!(MODULES.is_sorted_by_key(|m| m.name));
    }

    #[test]
    fn all_code_can_be_unpacked() {
        for module in MODULES {
            let code = module.code("m");
            crate::bytecode::verify::verify(&code).expect("sound code");
            let text = module.text();
            assert!(text.is_empty() || text.ends_with('\n'), "{}", module.name);
        }
    }
}
