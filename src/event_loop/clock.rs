//! The loop's clock, and waiting for the next timer when there is nothing else to wait for. With a virtual clock waiting is moving it.

use crate::vm::native::Cx;

/// The loop's time in seconds.
#[inline]
pub(crate) fn now(cx: &Cx) -> f64 {
    cx.host().monotonic()
}

/// Lets `seconds` pass.
pub(crate) fn pass(cx: &mut Cx, seconds: f64) {
    if cx.host().is_virtual() {
        cx.host_mut().advance(seconds);
    } else {
        cx.host_mut().sleep(seconds);
    }
}
