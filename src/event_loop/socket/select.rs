//! Waiting for several descriptors at once: what the module `select` builds on.

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::object::{List, Tuple};
use crate::vm::native::{Cx, NativeResult, Raised, Root};
use crate::vm::network::Waited;

use super::{check, network};

/// POLLIN, and the bits for which a descriptor counts as one to write to.
const READ: i16 = 1;
const WRITE: i16 = 4;

/// Descriptors and what is asked of each, out of a list of pairs.
fn asked(cx: &Cx, pairs: Root) -> Vec<(i32, i16, i16)> {
    let Some(list) = pairs.get(cx).exact::<List>() else { return vec![] };
    let pair = |value: Value<'_>| {
        let tuple = value.exact::<Tuple>()?;
        let mut items = tuple.items().map(|item| item.as_int());
        Some((items.next()?? as i32, items.next()?? as i16, 0))
    };
    list.items().filter_map(pair).collect()
}

/// Waits until one of them is ready for something. Signals are dealt with, other fibers run.
fn wait(cx: &mut Cx, fds: &mut [(i32, i16, i16)], timeout: Option<f64>) -> Result<(), Raised> {
    let started = cx.host().real_time();
    loop {
        let left = timeout.map(|t| (t - (cx.host().real_time() - started)).max(0.0));
        let threads = cx.has_threads();
        let result = network(cx).poll(fds, if threads { Some(0.0) } else { left });
        check(cx, result.map(|_: Waited| ()))?;
        if fds.iter().any(|(_, _, found)| *found != 0) {
            return Ok(());
        }
        cx.check_signals()?;
        let left = timeout.map(|t| t - (cx.host().real_time() - started));
        if left.is_some_and(|left| left <= 0.0) {
            return Ok(());
        }
        if threads {
            let mut parked = vec![];
            for (fd, events, _) in fds.iter() {
                if events & READ != 0 || events & WRITE == 0 {
                    parked.push((*fd, false));
                }
                if events & WRITE != 0 {
                    parked.push((*fd, true));
                }
            }
            let deadline = left.map(|left| cx.host().monotonic() + left);
            cx.park_for_any(&parked, deadline)?;
        }
    }
}

natives!(
    /// Waiting for descriptors.
    pub(super) static SELECT: Functions;

    /// Wait until one of some descriptors is ready, for so many seconds at most (None: for ever). `pairs` is a list of descriptors with the
    /// bits of `poll` that are asked for; returned is such a list of those that are ready.
    fn _poll(cx: &mut Cx, pairs: Root, timeout: Option<Root>) -> NativeResult {
        let mut fds = asked(cx, pairs);
        let timeout = match timeout {
            Some(timeout) if !timeout.get(cx).is_none() => Some(crate::native::time::duration(cx, timeout)?),
            _ => None,
        };
        wait(cx, &mut fds, timeout)?;
        let list = cx.list(&[]).value().raw();
        let list = cx.push_raw(list);
        for (fd, _, found) in fds {
            if found != 0 {
                let (fd, found) = (Raw::int(i64::from(fd)), Raw::int(i64::from(found as u16)));
                let pair = cx.tuple(&[Value::adopt(fd), Value::adopt(found)]).value().raw();
                let pair = cx.push_raw(pair);
                cx.list_push(list, pair)?;
            }
        }
        Ok(list.get(cx).into())
    }
);
