//! The module `_abc`: what abstract base classes need of the machine.

use crate::native::natives;
use crate::object::{Class, ClassFlags};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_abc").held();
    cx.functions_of(module, &ABC);
    Ok(())
}

natives! {
    pub static ABC: Functions;

    /// Have patterns take instances of the second class as those of the first: as sequences, as mappings, or neither.
    fn share_pattern_kind(cx: &mut Cx, of: Root, with: Root) -> NativeResult {
        if let (Some(of), Some(with)) = (of.get(cx).exact::<Class>(), with.get(cx).exact::<Class>()) {
            let kind = of.pattern_kind();
            if !kind.is_empty() && with.pattern_kind().is_empty() && with.has(ClassFlags::HEAP) {
                with.set_flag(kind);
            }
        }
        Ok(Outcome::NONE)
    }

    /// Have patterns take instances of the class as sequences (1 << 5) or mappings (1 << 6).
    fn set_pattern_kind(cx: &mut Cx, class: Root, flags: i64) -> NativeResult {
        if let Some(class) = class.get(cx).exact::<Class>() {
            if flags & 1 << 5 != 0 {
                class.set_flag(ClassFlags::SEQUENCE);
            } else if flags & 1 << 6 != 0 {
                class.set_flag(ClassFlags::MAPPING);
            }
        }
        Ok(Outcome::NONE)
    }
}
