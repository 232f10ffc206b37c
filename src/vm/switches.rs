//! What the command line and the environment tell a program about how it is run.

use super::Vm;

/// What a program sees as `sys.flags`, `sys.warnoptions` and `sys._xoptions`, in the words of Python's documentation ("Command line and
/// environment").
#[derive(Clone, Debug, Default)]
pub struct Switches {
    /// `-i`: the prompt follows.
    pub inspect: bool,
    /// How often `-O` was given: 1 leaves out assertions, 2 docstrings too.
    pub optimize: u8,
    /// `-s`.
    pub no_user_site: bool,
    /// `-S`.
    pub no_site: bool,
    /// `-E`: variables of the environment that begin with `PYTHON` have no effect.
    pub ignore_environment: bool,
    /// `-q`.
    pub quiet: bool,
    /// `-I`.
    pub isolated: bool,
    /// `-X dev`: warnings are shown and asyncio is in debug mode.
    pub dev_mode: bool,
    /// `-P`: the program's folder is not searched for modules.
    pub safe_path: bool,
    /// The most digits of a number in a text; 0 for any.
    pub int_max_str_digits: usize,
    /// `sys.warnoptions`.
    pub warnings: Vec<String>,
    /// `sys._xoptions`: names, with their values if they have one.
    pub extras: Vec<(String, Option<String>)>,
}

impl Vm {
    /// Says how the program is run: before anything of it is.
    pub fn set_switches(&mut self, switches: Switches) {
        self.int_max_str_digits = switches.int_max_str_digits;
        self.switches = switches;
    }

    /// A variable of the environment with a name that begins with `PYTHON`, unless these are to be ignored.
    pub(crate) fn python_variable(&self, name: &str) -> Option<String> {
        if self.switches.ignore_environment { None } else { self.host().variable(name) }
    }
}
