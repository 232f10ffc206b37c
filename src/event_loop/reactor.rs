//! What the loop waits for outside of the machine: time, and descriptors that become ready.
#![allow(unsafe_code, reason = "descriptors that scripts name by number")]

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};

use crate::heap::{Gc, Tracer};
use crate::native::types::exception::io_error;
use crate::object::Handle;
use crate::vm::native::{Cx, Raised};

use super::{Ready, clock, running};

/// The longest the loop sleeps without looking whether a signal came in.
const SLICE: f64 = 0.05;

/// Who is told when a descriptor is ready.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    reader: Option<Gc<'static, Handle>>,
    writer: Option<Gc<'static, Handle>>,
}

/// The descriptors of a loop.
#[derive(Debug, Default)]
pub(crate) struct Reactor {
    poller: Option<(Poller, Events)>,
    watched: HashMap<i32, Watched>,
}

/// Which of the two a callback waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

impl Reactor {
    /// Whether any descriptor is waited for.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        !self.watched.is_empty()
    }

    pub(crate) fn trace(&self, tracer: &mut Tracer<'_>) {
        for watched in self.watched.values() {
            for handle in [watched.reader, watched.writer].into_iter().flatten() {
                tracer.raw(handle.value().raw());
            }
        }
    }

    /// Sets who is told of a descriptor, and gives back who was told before.
    pub(crate) fn set(
        &mut self,
        fd: i32,
        interest: Interest,
        handle: Option<Gc<'static, Handle>>,
    ) -> std::io::Result<Option<Gc<'static, Handle>>> {
        let before = self.watched.get(&fd).copied().unwrap_or_default();
        let mut watched = before;
        let place = if interest == Interest::Read { &mut watched.reader } else { &mut watched.writer };
        let old = std::mem::replace(place, handle);
        if old.is_none() && handle.is_none() {
            return Ok(None);
        }
        let wants = |w: Watched| (w.reader.is_some(), w.writer.is_some());
        if old.is_none() || handle.is_none() {
            self.register(fd, wants(before), wants(watched))?;
        }
        if wants(watched) == (false, false) {
            self.watched.remove(&fd);
        } else {
            self.watched.insert(fd, watched);
        }
        Ok(old)
    }

    fn register(&mut self, fd: i32, before: (bool, bool), now: (bool, bool)) -> std::io::Result<()> {
        let (poller, _) = match &mut self.poller {
            Some(made) => made,
            none => none.insert((Poller::new()?, Events::new())),
        };
        if fd < 0 {
            return Err(std::io::Error::from_raw_os_error(9));
        }
        // SAFETY: only the number is used; one that is closed gives an error.
        let source = unsafe { BorrowedFd::borrow_raw(fd) };
        if now == (false, false) {
            // One that was closed is gone already.
            let _ = poller.delete(source);
            return Ok(());
        }
        let event = Event::new(fd as usize, now.0, now.1);
        if before != (false, false) && poller.modify_with_mode(source, event, PollMode::Level).is_ok() {
            return Ok(());
        }
        // SAFETY: a closed descriptor leaves the poller by itself, and is deleted when nobody waits for it.
        match unsafe { poller.add_with_mode(fd, event, PollMode::Level) } {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                poller.modify_with_mode(source, event, PollMode::Level)
            }
            result => result,
        }
    }
}

/// Waits up to `seconds` for descriptors, and makes the callbacks of those that are ready ready too.
pub(crate) fn look(cx: &mut Cx, seconds: f64) -> Result<bool, Raised> {
    let state = running(cx);
    let Some((poller, events)) = &mut state.reactor.poller else { return Ok(false) };
    events.clear();
    let waited = poller.wait(events, Some(Duration::from_secs_f64(seconds.max(0.0))));
    let mut any = false;
    for event in events.iter() {
        let Some(watched) = state.reactor.watched.get(&(event.key as i32)) else { continue };
        let failed = event.is_err().unwrap_or(false) || event.is_interrupt();
        let roles = [(watched.reader, event.readable || failed), (watched.writer, event.writable || failed)];
        for (handle, ready) in roles {
            if let (Some(handle), true) = (handle, ready) {
                state.ready.push_back(Ready::Run(handle));
                any = true;
            }
        }
    }
    match waited {
        Err(error) if error.kind() != std::io::ErrorKind::Interrupted => Err(io_error(cx, &error, None)),
        _ => Ok(any),
    }
}

/// Waits until something outside happens or `timeout` seconds are over (none: for ever).
pub(crate) fn poll(cx: &mut Cx, timeout: Option<f64>) -> Result<(), Raised> {
    if running(cx).reactor.is_used() {
        return wait(cx, timeout);
    }
    match timeout {
        Some(seconds) if cx.host().is_virtual() => {
            // No wait takes no time: a script that sleeps until a moment which floats cannot tell from now would sleep for ever.
            clock::pass(cx, seconds.max(cx.host().clock_resolution()));
            Ok(())
        }
        Some(seconds) if seconds <= 0.0 => Ok(()),
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

/// Waits for descriptors. What is outside keeps real time, so a virtual clock goes along with it.
fn wait(cx: &mut Cx, timeout: Option<f64>) -> Result<(), Raised> {
    let started = std::time::Instant::now();
    loop {
        let passed = started.elapsed().as_secs_f64();
        let left = timeout.map_or(SLICE, |t| (t - passed).min(SLICE));
        let any = look(cx, left)?;
        let passed = started.elapsed().as_secs_f64();
        let over = timeout.is_some_and(|t| passed >= t);
        if any || over || cx.signals_wait() || !running(cx).ready.is_empty() {
            if cx.host().is_virtual() {
                let passed = if any { timeout.map_or(passed, |t| t.min(passed)) } else { timeout.unwrap_or(passed) };
                cx.host_mut().advance(passed);
            }
            return Ok(());
        }
    }
}
