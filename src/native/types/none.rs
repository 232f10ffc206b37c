//! None, Ellipsis and NotImplemented: types with one value each.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::vm::native::{Cx, NativeResult, Outcome, Root};

natives!(
    /// The type of None.
    pub static NONE_METHODS: Methods;

    /// Return None.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        cx.check_new_kind(class, Kind::None)?;
        Ok(Outcome::NONE)
    }

    /// Return False.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(false.into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.hash(this).map(Outcome::from)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.intern("None").into())
    }
);

natives!(
    /// The type of Ellipsis.
    pub static ELLIPSIS_METHODS: Methods;

    /// Return Ellipsis.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        cx.check_new_kind(class, Kind::Ellipsis)?;
        Ok(Outcome::Value(Raw::ELLIPSIS))
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.intern("Ellipsis").into())
    }

    /// What is pickled: the name.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.intern("Ellipsis").into())
    }
);

natives!(
    /// The type of NotImplemented.
    pub static NOT_IMPLEMENTED_METHODS: Methods;

    /// Return NotImplemented.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root) -> NativeResult {
        cx.check_new_kind(class, Kind::NotImplemented)?;
        Ok(Value::NOT_IMPLEMENTED.into())
    }

    /// Raise TypeError: it is no truth value.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Err(cx.type_error("NotImplemented should not be used in a boolean context".into()))
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.intern("NotImplemented").into())
    }

    /// What is pickled: the name.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(cx.intern("NotImplemented").into())
    }
);
