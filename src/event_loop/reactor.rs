//! What the loop waits for outside of the machine: time, descriptors that become ready, answers, signals.
//!
//! A descriptor that nobody reads from any more stays registered until it becomes ready or somebody else wants it: who reads again soon
//! costs no system call. The poller is asked through its own descriptor, since its `wait` sets a timer and arms itself anew each time, which are
//! four more calls than needed: times are given to the system directly, and what wakes the loop is registered once.
#![allow(unsafe_code, reason = "descriptors that scripts name by number")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use polling::{Event, PollMode, Poller};
use rustix::event::{Timespec, epoll};

use crate::heap::{Gc, Raw, Tracer};
use crate::native::types::exception::io_error;
use crate::object::{AnyFuture, Future, Handle, Instance};
use crate::vm::fiber::{FiberId, Source};
use crate::vm::host::Choice;
use crate::vm::native::{Cx, Raised};

use super::{Ready, clock, running, socket};

/// Events taken at once.
const EVENTS: usize = 256;
/// The key of the descriptor that wakes the loop.
const WAKE: u64 = u64::MAX - 1;

/// Who is told when a descriptor is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watcher {
    /// A callback is called each time.
    Call(Gc<'static, Handle>),
    /// The method `_readable` of an object of the library is called each time.
    Tell(Gc<'static, Instance>),
    /// A future gets None, once.
    Settle(Gc<'static, Future>),
}

impl Watcher {
    /// What it refers to.
    fn raw(self) -> Raw {
        match self {
            Watcher::Call(handle) => handle.value().raw(),
            Watcher::Tell(object) => object.value().raw(),
            Watcher::Settle(future) => future.value().raw(),
        }
    }
}

/// What is known of a descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    reader: Option<Watcher>,
    writer: Option<Watcher>,
    /// What the poller looks for: reading, writing.
    registered: (bool, bool),
    /// How often this number had been closed when it was registered.
    closed: u32,
    /// Whether the poller told of it once when nobody wanted to know: who read from it may be just about to do so again.
    idle: bool,
}

impl Watched {
    fn wants(&self) -> (bool, bool) {
        (self.reader.is_some(), self.writer.is_some())
    }

    fn is_wanted(&self) -> bool {
        self.reader.is_some() || self.writer.is_some()
    }
}

/// The descriptors of a loop.
#[derive(Default)]
pub(crate) struct Reactor {
    poller: Option<Poller>,
    events: Vec<epoll::Event>,
    /// By number.
    watched: Vec<Watched>,
    /// How many somebody waits for.
    used: usize,
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("used", &self.used).finish_non_exhaustive()
    }
}

/// Which of the two a watcher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

impl Reactor {
    /// Whether any descriptor is waited for.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.used > 0
    }

    pub(crate) fn trace(&self, tracer: &mut Tracer<'_>) {
        if self.used == 0 {
            return;
        }
        for watched in &self.watched {
            for watcher in [watched.reader, watched.writer].into_iter().flatten() {
                tracer.raw(watcher.raw());
            }
        }
    }

    /// Who is told of a descriptor.
    pub(crate) fn get(&self, fd: i32, interest: Interest) -> Option<Watcher> {
        let watched = self.watched.get(fd as usize)?;
        if interest == Interest::Read { watched.reader } else { watched.writer }
    }

    /// The object of the library that is told of a descriptor.
    pub(crate) fn told(&self, fd: i32) -> Option<Raw> {
        let watched = self.watched.get(usize::try_from(fd).ok()?)?;
        [watched.reader, watched.writer].into_iter().flatten().find_map(|watcher| match watcher {
            Watcher::Tell(object) => Some(object.value().raw()),
            Watcher::Call(_) | Watcher::Settle(_) => None,
        })
    }

    /// A selector waits for the descriptors from now on: which somebody is told of.
    pub(crate) fn hand_over(&mut self) -> Vec<i32> {
        self.poller = None;
        self.watched.iter_mut().for_each(|watched| watched.registered = (false, false));
        let wanted = self.watched.iter().enumerate().filter(|(_, watched)| watched.is_wanted());
        wanted.map(|(fd, _)| fd as i32).collect()
    }

    fn put(&mut self, fd: i32, interest: Interest, watcher: Option<Watcher>) {
        let watched = &mut self.watched[fd as usize];
        let before = watched.is_wanted();
        *(if interest == Interest::Read { &mut watched.reader } else { &mut watched.writer }) = watcher;
        match (before, watched.is_wanted()) {
            (false, true) => self.used += 1,
            (true, false) => self.used -= 1,
            _ => {}
        }
    }

    fn poller(&mut self, wake: i32) -> io::Result<&Poller> {
        if self.poller.is_none() {
            let poller = Poller::new()?;
            // SAFETY: the host keeps it open for as long as there is a machine.
            unsafe { poller.add_with_mode(wake, Event::readable(WAKE as usize), PollMode::Level)? };
            self.poller = Some(poller);
        }
        Ok(self.poller.as_ref().expect("just made"))
    }

    /// Has the poller look for what is wanted.
    fn register(&mut self, fd: i32, wake: i32, closed: u32) -> io::Result<()> {
        let watched = self.watched[fd as usize];
        let now = watched.wants();
        let known = watched.registered != (false, false) && watched.closed == closed;
        self.poller(wake)?;
        let poller = self.poller.as_ref().expect("just made");
        // SAFETY: only the number is used; one that is closed gives an error.
        let source = unsafe { BorrowedFd::borrow_raw(fd) };
        let event = Event::new(fd as usize, now.0, now.1);
        let result = if now == (false, false) {
            if known { poller.delete(source) } else { Ok(()) }
        } else if known && poller.modify_with_mode(source, event, PollMode::Level).is_ok() {
            Ok(())
        } else {
            // SAFETY: a descriptor that is closed leaves the poller by itself; one of which a copy is still open is found out in `unwanted`.
            match unsafe { poller.add_with_mode(fd, event, PollMode::Level) } {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    poller.modify_with_mode(source, event, PollMode::Level)
                }
                result => result,
            }
        };
        let watched = &mut self.watched[fd as usize];
        (watched.registered, watched.closed) = (if result.is_ok() { now } else { (false, false) }, closed);
        result
    }

    /// The poller told of something that nobody waits for. It has to stop.
    fn unwanted(&mut self, fd: i32, wake: i32, closed: u32) -> io::Result<()> {
        if self.register(fd, wake, closed).is_ok() && self.watched[fd as usize].closed == closed {
            return Ok(());
        }
        // The number belongs to another file by now, and what the poller looks at is a copy of the old one: it can't be named. So begin anew.
        self.poller = None;
        for fd in 0..self.watched.len() {
            self.watched[fd].registered = (false, false);
            if self.watched[fd].is_wanted() {
                let closed = self.watched[fd].closed;
                self.register(fd as i32, wake, closed)?;
            }
        }
        Ok(())
    }
}

/// Sets who is told of a descriptor of the running loop, or of `object`'s, and gives back who was told before.
pub(crate) fn set(
    cx: &mut Cx,
    object: crate::heap::Raw,
    fd: i32,
    interest: Interest,
    watcher: Option<Watcher>,
) -> Result<Option<Watcher>, Raised> {
    if fd < 0 {
        return Err(io_error(cx, &socket::bad_descriptor(), None));
    }
    if watcher.is_none() && super::loops(cx).find(object).is_none_or(|s| s.reactor.get(fd, interest).is_none()) {
        return Ok(None);
    }
    let network = socket::network(cx);
    let closed = network.closed_times(fd);
    let wake = network.wake_descriptor();
    let wake = wake.map_err(|error| io_error(cx, &error, None))?;
    let reactor = &mut super::open_loop(cx, object)?.reactor;
    if reactor.watched.len() <= fd as usize {
        // A number that no file can have is not to make a table of its size.
        const MOST: i32 = 1 << 22;
        if fd >= MOST {
            return Err(io_error(cx, &socket::bad_descriptor(), None));
        }
        reactor.watched.resize(fd as usize + 1, Watched::default());
    }
    let old = reactor.get(fd, interest);
    reactor.put(fd, interest, watcher);
    reactor.watched[fd as usize].idle = false;
    let after = reactor.watched[fd as usize];
    if super::open_loop(cx, object)?.own.selector {
        // A script's selector is asked: meanwhile nothing else refers to who was told before.
        if let Some(old) = old {
            cx.push_raw(old.raw());
        }
        let told = super::custom::watch(cx, object, fd, [after.reader, after.writer]);
        if told.is_err()
            && let Some(state) = super::loops(cx).find(object)
        {
            state.reactor.put(fd, interest, old);
        }
        return told.map(|()| old);
    }
    let reactor = &mut super::open_loop(cx, object)?.reactor;
    let watched = reactor.watched[fd as usize];
    let (reads, writes) = watched.wants();
    let known = watched.closed == closed;
    let registered = if known { watched.registered } else { (false, false) };
    // To be told of reading when nobody reads costs one event; of writing, which is nearly always possible, would cost it each time.
    let enough = (!reads || registered.0) && writes == registered.1;
    if !enough && let Err(error) = reactor.register(fd, wake, closed) {
        reactor.put(fd, interest, old);
        return Err(io_error(cx, &error, None));
    }
    Ok(old)
}

/// Waits up to `seconds` (none: for ever) for descriptors, and makes those ready who wait for them. Whether anything came.
pub(crate) fn look(cx: &mut Cx, seconds: Option<f64>) -> Result<bool, Raised> {
    let state = running(cx);
    let Some(poller) = &state.reactor.poller else { return Ok(false) };
    let mut events = std::mem::take(&mut state.reactor.events);
    events.clear();
    events.reserve(EVENTS);
    let waited = wait_for_events(poller, &mut events, seconds);
    order(cx, &mut events);
    let state = running(cx);
    let mut any = false;
    let (mut unwanted, mut woken) = (vec![], false);
    for event in &events {
        let flags = event.flags;
        let key = event.data.u64();
        if key == WAKE {
            woken = true;
            continue;
        }
        let Some(watched) = state.reactor.watched.get(key as usize).copied() else { continue };
        let failed = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
        let readable = failed || flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP);
        let writable = failed || flags.contains(epoll::EventFlags::OUT);
        let mut told = false;
        for (watcher, ready, interest) in
            [(watched.reader, readable, Interest::Read), (watched.writer, writable, Interest::Write)]
        {
            let (Some(watcher), true) = (watcher, ready) else { continue };
            told = true;
            state.ready.push_back(match watcher {
                Watcher::Call(handle) => Ready::Run(handle),
                Watcher::Tell(object) => Ready::Tell(object, None),
                Watcher::Settle(future) => {
                    state.reactor.put(key as i32, interest, None);
                    if interest == Interest::Write {
                        unwanted.push(key as i32);
                    }
                    Ready::Settle(future)
                }
            });
        }
        any |= told;
        if !told && std::mem::replace(&mut state.reactor.watched[key as usize].idle, true) {
            unwanted.push(key as i32);
        }
    }
    state.reactor.events = events;
    if woken {
        socket::network(cx).woken();
    }
    for fd in unwanted {
        let network = socket::network(cx);
        let closed = network.closed_times(fd);
        let wake = network.wake_descriptor();
        let cleaned = wake.and_then(|wake| running(cx).reactor.unwanted(fd, wake, closed));
        cleaned.map_err(|error| io_error(cx, &error, None))?;
    }
    match waited {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(io_error(cx, &error, None)),
        _ => Ok(any),
    }
}

/// Asks the poller's descriptor.
fn wait_for_events(poller: &Poller, events: &mut Vec<epoll::Event>, seconds: Option<f64>) -> io::Result<()> {
    let room = rustix::buffer::spare_capacity(events);
    let Some(seconds) = seconds else {
        epoll::wait(poller.as_fd(), room, None)?;
        return Ok(());
    };
    if seconds <= 0.0 {
        epoll::wait(poller.as_fd(), room, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        return Ok(());
    }
    // Whole milliseconds, rounded up: systems of any age can do that, and nothing is early.
    let milliseconds = (seconds * 1e3).ceil().min(86_400_000.0) as i64;
    let time = Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
    epoll::wait(poller.as_fd(), room, Some(&time))?;
    Ok(())
}

/// Hands on the answers that came in, for a loop that waits by a selector.
pub(crate) fn answers(cx: &mut Cx) {
    take_answers(cx);
}

/// Hands on the answers that came in. Whether there were any.
fn take_answers(cx: &mut Cx) -> bool {
    if running(cx).questions.is_empty() {
        return false;
    }
    let answers = socket::network(cx).take_answers();
    let any = !answers.is_empty();
    for (ticket, lookup) in answers {
        let all = super::loops(cx);
        // Whoever asked may have run in another loop.
        if let Some(future) = all.take_question(ticket) {
            socket::names::answered(cx, future, lookup);
        }
    }
    any
}

/// Puts what became ready together in the order that is decided for it: the system's, unless a run is replayed or explored.
fn order<T>(cx: &mut Cx, events: &mut [T]) {
    for at in 1..events.len() {
        let left = (events.len() - at + 1) as u64;
        let pick = (cx.host_mut().decide(Choice::Readiness, 0) % left) as usize;
        events[at - 1..at + pick].rotate_right(1);
    }
}

/// Waits until something outside happens or `timeout` seconds are over (none: for ever).
pub(crate) fn poll(cx: &mut Cx, timeout: Option<f64>) -> Result<(), Raised> {
    if cx.has_threads() {
        return park(cx, timeout);
    }
    let state = running(cx);
    if state.reactor.is_used() || !state.questions.is_empty() {
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
                let left = until.map_or(86400.0, |u| u - clock::now(cx));
                if left <= 0.0 || cx.signals_wait() || !running(cx).ready.is_empty() {
                    return Ok(());
                }
                clock::pass(cx, left);
            }
        }
    }
}

/// As `poll`, where other fibers run meanwhile. It may come back for no reason.
fn park(cx: &mut Cx, timeout: Option<f64>) -> Result<(), Raised> {
    if take_answers(cx) {
        return Ok(());
    }
    if cx.current_fiber() == FiberId::MAIN && cx.signals_wait() {
        return Ok(());
    }
    let state = running(cx);
    let source = match &state.reactor.poller {
        Some(poller) if state.reactor.used > 0 => Some(Source::Descriptor(poller.as_raw_fd(), false)),
        _ if !state.questions.is_empty() => Some(Source::Answer),
        _ => None,
    };
    let least = if cx.host().is_virtual() { cx.host().clock_resolution() } else { 0.0 };
    let deadline = timeout.map(|seconds| clock::now(cx) + seconds.max(least));
    cx.park_for(source, deadline)?;
    take_answers(cx);
    if running(cx).reactor.is_used() {
        look(cx, Some(0.0))?;
    }
    Ok(())
}

/// Waits for descriptors and answers. What is outside keeps real time, so a virtual clock goes along with it.
fn wait(cx: &mut Cx, timeout: Option<f64>) -> Result<(), Raised> {
    let started = cx.host().real_time();
    loop {
        let passed = cx.host().real_time() - started;
        let left = timeout.map(|t| (t - passed).max(0.0));
        // What a thread or child wrote came before the news of its end.
        let asked = !running(cx).questions.is_empty() && running(cx).reactor.is_used();
        let mut any = asked && look(cx, Some(0.0))?;
        let answered = take_answers(cx);
        if !any && !answered && !cx.signals_wait() {
            if running(cx).reactor.poller.is_some() {
                any = look(cx, left)?;
            } else {
                let waited = socket::network(cx).wait(None, left);
                waited.map_err(|error| io_error(cx, &error, None))?;
            }
        }
        any |= take_answers(cx) || answered;
        let passed = if timeout.is_some() { cx.host().real_time() - started } else { 0.0 };
        let over = timeout.is_some_and(|t| passed >= t);
        if any || over || cx.signals_wait() || !running(cx).ready.is_empty() {
            if cx.host().is_virtual() {
                let passed = cx.host().real_time() - started;
                let passed = if any { timeout.map_or(passed, |t| t.min(passed)) } else { timeout.unwrap_or(passed) };
                cx.host_mut().advance(passed);
            }
            return Ok(());
        }
    }
}

/// Suspends until a descriptor is ready: a future that is settled then. Whoever gives it up takes it back with [`forget`].
pub(crate) fn await_ready(cx: &mut Cx, fd: i32, interest: Interest) -> Result<AnyFuture<'static>, Raised> {
    let object = super::running_object(cx)?;
    let future = super::future::new(cx, object);
    if let AnyFuture::Future(plain) = future {
        set(cx, object, fd, interest, Some(Watcher::Settle(plain)))?;
    }
    Ok(future)
}

/// A future of [`await_ready`] is not waited for any more.
pub(crate) fn forget(cx: &mut Cx, fd: i32, interest: Interest, future: AnyFuture<'static>) -> Result<(), Raised> {
    let object = future.base().event_loop.value().raw();
    let Some(state) = super::loops(cx).find(object) else { return Ok(()) };
    if let Some(Watcher::Settle(plain)) = state.reactor.get(fd, interest)
        && plain.value().raw().same(future.raw())
    {
        set(cx, object, fd, interest, None)?;
    }
    Ok(())
}
