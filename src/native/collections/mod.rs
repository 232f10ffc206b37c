//! The module `_collections`: the containers of the library's `collections` that scripts use in hot code.

mod deque;
mod mapping;

use crate::vm::native::{Cx, Raised};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(deque::ROWS);
    cx.set_maker("deque", deque::make);
    let module = cx.new_module("_collections").held();
    cx.functions_of(module, &mapping::FUNCTIONS);
    for name in ["deque", "_deque_iterator", "_deque_reverse_iterator"] {
        let class = cx.named_class(name).held();
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, class.value());
        cx.fits(done)?;
    }
    Ok(())
}
