//! What the loop waits for outside of the machine. So far there is only time.

use crate::vm::native::{Cx, Raised};

use super::{clock, running};

/// The longest the loop sleeps without looking whether a signal came in.
const SLICE: f64 = 0.05;

/// Waits until something outside happens or `timeout` seconds are over (none: for ever).
pub(crate) fn poll(cx: &mut Cx, timeout: Option<f64>) -> Result<(), Raised> {
    match timeout {
        Some(seconds) if seconds <= 0.0 => Ok(()),
        Some(seconds) if cx.host().is_virtual() => {
            clock::pass(cx, seconds);
            Ok(())
        }
        None if cx.host().is_virtual() => {
            let text = super::report::deadlock(cx);
            Err(cx.runtime_error(text))
        }
        timeout => {
            let until = timeout.map(|t| clock::now(cx) + t);
            loop {
                let left = until.map_or(SLICE, |u| (u - clock::now(cx)).min(SLICE));
                if left > 0.0 {
                    clock::pass(cx, left);
                }
                let pending = cx.signals_wait();
                if pending || !running(cx).ready.is_empty() || until.is_some_and(|u| clock::now(cx) >= u) {
                    return Ok(());
                }
            }
        }
    }
}
