//! None, Ellipsis and NotImplemented: types with one value each.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::object::Dict;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

natives!(
    /// The type of None.
    pub static NONE_METHODS: Methods;

    /// Return None.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::None)?;
        no_arguments(cx, args, kwargs, "NoneType")?;
        Ok(Outcome::NONE)
    }

    /// Return False.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(false.into())
    }

    /// Return self==value.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(if value.get(cx).is_none() { true.into() } else { Outcome::Value(Raw::NOT_IMPLEMENTED) })
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        Ok(if value.get(cx).is_none() { false.into() } else { Outcome::Value(Raw::NOT_IMPLEMENTED) })
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
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::Ellipsis)?;
        no_arguments(cx, args, kwargs, "EllipsisType")?;
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
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, Kind::NotImplemented)?;
        no_arguments(cx, args, kwargs, "NotImplementedType")?;
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

fn no_arguments(cx: &mut Cx, args: Rest, kwargs: KeywordRest, name: &str) -> Result<(), Raised> {
    if args.0.is_empty() && kwargs.0.get(cx).exact::<Dict>().is_none_or(|d| d.is_empty()) {
        return Ok(());
    }
    Err(cx.type_error(format!("{name} takes no arguments")))
}
