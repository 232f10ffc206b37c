//! The loop's clock, and waiting for the next timer when there is nothing else to wait for. With a virtual clock waiting is moving it.

use crate::heap::Kind;
use crate::vm::native::{Cx, Raised, Root};

/// The loop's time in seconds.
#[inline]
pub(crate) fn now(cx: &Cx) -> f64 {
    cx.host().monotonic()
}

/// What is done first with a number of seconds: errors say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is compared with zero.
    Compare,
    /// It is compared with the time.
    CompareTime,
    /// It is added to the time.
    Add,
}

/// A number of seconds, or TypeError.
pub(crate) fn seconds(cx: &mut Cx, given: Root, first: Use) -> Result<f64, Raised> {
    let value = given.get(cx);
    if let Some(seconds) = value.as_float() {
        return Ok(seconds);
    }
    if let Some(seconds) = value.as_int() {
        return Ok(seconds as f64);
    }
    if matches!(value.kind(), Kind::True | Kind::False | Kind::BigInt | Kind::Instance) || value.is_subclassed() {
        return cx.to_float(given);
    }
    let got = super::class_name(cx, value);
    Err(cx.type_error(match first {
        Use::Compare => format!("'<=' not supported between instances of '{got}' and 'int'"),
        Use::CompareTime => format!("'<=' not supported between instances of '{got}' and 'float'"),
        Use::Add => format!("unsupported operand type(s) for +: 'float' and '{got}'"),
    }))
}

/// Lets `seconds` pass.
pub(crate) fn pass(cx: &mut Cx, seconds: f64) {
    if cx.host().is_virtual() {
        cx.host_mut().advance(seconds);
    } else {
        cx.host_mut().sleep(seconds);
    }
}
