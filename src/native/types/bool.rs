//! bool: an int with two values.

use crate::heap::Raw;
use crate::native::types::with_operators;
use crate::vm::native::{Cx, Given, NativeResult, Root};

with_operators! {
    table {
        /// bool(object=False, /)
        ///
        /// True if the argument is true, False otherwise. There are no other bools.
        pub static BOOL_METHODS: Methods;
    }
    operators {
        binary And __and__ __rand__ "&";
        binary Xor __xor__ __rxor__ "^";
        binary Or __or__ __ror__ "|";
        unary Invert __invert__ "~";
    }

    /// Return the truth of a value.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[text("False")] object: Given<Root>) -> NativeResult {
        let base = cx.kind_class(crate::heap::Kind::True).held();
        cx.check_new(class, base)?;
        match object.0 {
            None => Ok(false.into()),
            Some(object) => {
                let raw = object.get(cx).raw();
                cx.truth_outcome(raw)
            }
        }
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = if this.get(cx).raw().same(Raw::TRUE) { "True" } else { "False" };
        let text = cx.intern(text);
        Ok(text.into())
    }
}
