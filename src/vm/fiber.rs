//! Fibers: what threads of the language run on. Each has a stack of registers, a stack of records and a stack of the machine's own, so it can
//! stop at any depth, inside a native that called a script too, and go on later. All fibers of a machine share one thread of the system;
//! one runs, the others are parked or wait for their turn.
//!
//! The main fiber keeps the stack of the thread. The others are run from there, by `Vm::hub`: whatever stops switches to the hub, which
//! chooses who is next, in the order in which they became ready. `Vm::fiber` holds the registers and records of the one that runs; the
//! rest of the machine never looks which one that is.
//!
//! A fiber stops where it asks to (`park`, `pass`) and, when its time slice is over, at a safepoint of the run loop.

#![allow(unsafe_code, reason = "machine stacks")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder, on_stack};

use crate::heap::{Collection, RegisterStack, Tracer, interrupt};
use crate::object::Exc;

use super::Vm;
use super::frame::{Fiber, RecordKind};
use super::host::Choice;
use super::native::{Raised, Root};
use super::network::Waited;

/// Bytes of a fiber's machine stack: address space, of which what is used is committed.
const STACK: usize = if cfg!(debug_assertions) { 32 << 20 } else { 4 << 20 };
/// Bytes of it that natives do not use: for what runs between two checks.
const RESERVE: usize = if cfg!(debug_assertions) { 2 << 20 } else { 256 << 10 };
/// Registers of a fiber: 4 MiB of address space.
const REGISTERS: usize = 256 << 10;
/// Stacks kept for the next fiber.
const POOL: usize = 16;
/// The longest wait, in seconds, after which signals are looked at.
const LOOK: f64 = 0.05;
/// What a time slice takes by a virtual clock.
const SLICE_SECONDS: f64 = 0.005;
/// Safepoints of a time slice, where slices are not measured by a clock.
const SLICE: u32 = 10_000;
/// Fibers that waited for something go before those whose time slice was over, but no more than so many in a row.
const STREAK: u32 = 8;
/// Turns after which descriptors are looked at though somebody is ready.
const LOOK_TURNS: u32 = 64;

/// Bytes of a large stack: address space too.
const LARGE_STACK: usize = if cfg!(debug_assertions) { 1 << 30 } else { 256 << 20 };

/// Does something that runs no script and may go deep. None if there is no room for its stack.
pub fn on_large_stack<R>(work: impl FnOnce() -> R) -> Option<R> {
    let stack = DefaultStack::new(LARGE_STACK).ok()?;
    Some(on_stack(stack, work))
}

/// A fiber, by a number that no other fiber of the machine has or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiberId(pub u32);

impl FiberId {
    /// The one that runs on the stack of the thread.
    pub const MAIN: FiberId = FiberId(0);
}

/// What runs on a machine stack: it is resumed with the machine, and hands it over when it stops. The machine travels with each switch so that
/// the compiler knows that everything in it may have changed.
type Machine = Coroutine<*mut Vm, *mut Vm, (), DefaultStack>;
type Door = Yielder<*mut Vm, *mut Vm>;

/// What a fiber is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It runs.
    Running,
    /// It waits for its turn.
    Ready,
    /// It waits to be woken, or for a deadline, or for something `outside`. The ticket tells this wait from others.
    Parked { outside: bool, ticket: u64 },
    /// It has returned or raised; its result has not been taken.
    Ended,
}

/// What a parked fiber waits for besides being woken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// The descriptor becomes readable, or writable.
    Descriptor(i32, bool),
    /// An answer of the host comes in.
    Answer,
}

/// A deadline in the order of time; the ticket says which wait it is of.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Deadline {
    at: f64,
    ticket: u64,
    fiber: FiberId,
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Deadline) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Deadline) -> std::cmp::Ordering {
        self.at.total_cmp(&other.at).then(self.ticket.cmp(&other.ticket))
    }
}

struct Entry {
    state: State,
    /// Its registers and records, unless it runs. The main fiber's are here while another runs.
    saved: Option<Box<Fiber>>,
    machine: Option<Machine>,
    /// It was woken when it was not parked: its next park ends at once.
    permit: bool,
    /// Nobody asks for its result.
    detached: bool,
    /// What it returned, or the exception it raised.
    result: Option<Result<super::Raw, super::Raw>>,
}

/// Wakes fibers from other threads of the system.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Inbox>);

#[derive(Debug, Default)]
struct Inbox {
    woken: Mutex<Vec<FiberId>>,
    came: Condvar,
}

impl Waker {
    /// Wakes a fiber: it goes on when the machine gets to it.
    pub fn wake(&self, fiber: FiberId) {
        self.0.woken.lock().unwrap_or_else(PoisonError::into_inner).push(fiber);
        self.0.came.notify_all();
    }
}

/// The fibers of a machine.
pub(super) struct Fibers {
    entries: BTreeMap<FiberId, Entry>,
    running: FiberId,
    next: u32,
    /// Those that wait for their turn: first the ones that waited for something else before.
    ready: VecDeque<FiberId>,
    /// How many of `ready` these are.
    urgent: usize,
    /// How many of these ran in a row while others waited.
    streak: u32,
    /// Turns until descriptors are looked at.
    patience: u32,
    /// Fibers that have not ended.
    alive: usize,
    /// When parked fibers want to go on; those that were woken before are still in here.
    deadlines: BinaryHeap<Reverse<Deadline>>,
    /// The number of the last wait.
    ticket: u64,
    /// Parked fibers that wait for something outside.
    sources: Vec<(Source, FiberId)>,
    inbox: Arc<Inbox>,
    /// Fibers that wait for another thread of the system.
    outside: u32,
    pool: Vec<(DefaultStack, RegisterStack)>,
    /// Where the machine is: it may not move while a fiber is stopped in it.
    place: usize,
    /// Safepoints left of the time slice; None where the host's clock measures slices.
    slice: Option<u32>,
    /// The host was asked to end time slices.
    ticking: bool,
}

impl Default for Fibers {
    fn default() -> Fibers {
        let main =
            Entry { state: State::Running, saved: None, machine: None, permit: false, detached: false, result: None };
        Fibers {
            entries: BTreeMap::from([(FiberId::MAIN, main)]),
            running: FiberId::MAIN,
            next: 1,
            ready: VecDeque::new(),
            urgent: 0,
            streak: 0,
            patience: LOOK_TURNS,
            alive: 1,
            deadlines: BinaryHeap::new(),
            ticket: 0,
            sources: vec![],
            inbox: Arc::default(),
            outside: 0,
            pool: vec![],
            place: 0,
            slice: None,
            ticking: false,
        }
    }
}

impl fmt::Debug for Fibers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fibers").field("running", &self.running).field("count", &self.entries.len()).finish()
    }
}

impl Fibers {
    /// Visits the registers and records of the fibers that do not run, and results that nobody took. What stands still since the last
    /// collection holds nothing young.
    pub(super) fn trace(&mut self, kind: Collection, probes: bool, tracer: &mut Tracer<'_>) {
        for entry in self.entries.values_mut() {
            if let Some(Ok(raw) | Err(raw)) = entry.result {
                tracer.raw(raw);
            }
            if let Some(fiber) = &mut entry.saved
                && (kind == Collection::Major || !fiber.still)
            {
                fiber.trace(tracer);
                // After a probe what it refers to still is young.
                fiber.still |= !probes;
            }
        }
    }

    /// Whether a fiber that does not run is such.
    pub(super) fn any_stopped(&self, such: impl FnMut(&Fiber) -> bool) -> bool {
        self.entries.values().filter_map(|entry| entry.saved.as_deref()).any(such)
    }

    /// The registers and records of a fiber that does not run.
    pub(super) fn saved(&self, id: u32) -> Option<&Fiber> {
        self.entries.get(&FiberId(id))?.saved.as_deref()
    }

    /// The fibers that exist, the running one among them.
    fn ids(&self) -> impl Iterator<Item = FiberId> + '_ {
        self.entries.iter().filter(|(_, entry)| entry.state != State::Ended).map(|(id, _)| *id)
    }

    /// Whether the fiber still waits for this.
    fn is_current(&self, deadline: &Deadline) -> bool {
        let entry = self.entries.get(&deadline.fiber);
        entry.is_some_and(|e| matches!(e.state, State::Parked { ticket, .. } if ticket == deadline.ticket))
    }

    /// Drops the deadlines of waits that are over, when there are many.
    fn forget_deadlines(&mut self) {
        if self.deadlines.len() > 64 && self.deadlines.len() > 2 * self.entries.len() {
            let mut all = std::mem::take(&mut self.deadlines).into_vec();
            all.retain(|Reverse(deadline)| self.is_current(deadline));
            self.deadlines = all.into();
        }
    }

    fn entry(&mut self, id: FiberId) -> &mut Entry {
        self.entries.get_mut(&id).expect("a fiber that exists")
    }
}

impl Vm {
    // ---- making and asking ----

    /// Makes a fiber that will call `callee`, when its turn comes.
    pub fn spawn_fiber(&mut self, callee: Root, args: &[Root], keywords: Option<Root>) -> Result<FiberId, Raised> {
        let (stack, registers) = match self.fibers.pool.pop() {
            Some(pair) => pair,
            None => match (DefaultStack::new(STACK), RegisterStack::new(REGISTERS)) {
                (Ok(stack), Some(registers)) => (stack, registers),
                _ => return Err(self.runtime_error("can't start new thread")),
            },
        };
        let id = FiberId(self.fibers.next);
        self.fibers.next += 1;
        let mut fiber = Fiber::with_registers(registers);
        fiber.id = id.0;
        fiber.stack_limit = stack.limit().get() + RESERVE;
        // The callee and its arguments are the window the fiber begins with; the names of keywords follow.
        let keywords_at = keywords.map(|_| args.len() as u32 + 1);
        for root in [callee].iter().chain(args).chain(keywords.as_ref()) {
            let raw = root.get(self).raw();
            fiber.registers.set(fiber.top, raw);
            fiber.top += 1;
        }
        let argc = args.len() as u32;
        let machine = Coroutine::with_stack(stack, move |door: &Door, vm: *mut Vm| {
            // SAFETY: the hub hands over the machine it runs on, and does not touch it until the fiber stops.
            let vm = unsafe { &mut *vm };
            vm.fiber.door = ptr::from_ref(door).cast();
            vm.fiber_body(argc, keywords_at);
        });
        let entry = Entry {
            state: State::Ready,
            saved: Some(Box::new(fiber)),
            machine: Some(machine),
            permit: false,
            detached: false,
            result: None,
        };
        self.fibers.entries.insert(id, entry);
        self.fibers.alive += 1;
        self.fibers.ready.push_back(id);
        self.tick();
        Ok(id)
    }

    /// What a fiber does, on its own stack.
    fn fiber_body(&mut self, argc: u32, keywords_at: Option<u32>) {
        let keywords = keywords_at.map(|at| self.fiber.registers.get(at).raw());
        let called = if self.fiber.stopping { Ok(super::Raw::NONE) } else { self.call_window(0, argc, keywords) };
        let result = called.map_err(|raised| self.take_raised(raised));
        let id = self.fibers.running;
        self.fibers.alive -= 1;
        let entry = self.fibers.entry(id);
        entry.result = Some(result);
        entry.state = State::Ended;
    }

    /// The fiber that runs.
    pub fn current_fiber(&self) -> FiberId {
        self.fibers.running
    }

    /// Number of fibers that have not ended, the main one among them.
    pub fn fiber_count(&self) -> usize {
        self.fibers.alive
    }

    /// Whether there are threads besides the main one.
    #[inline]
    pub fn has_threads(&self) -> bool {
        self.fibers.alive > 1
    }

    /// Whether a fiber has returned or raised.
    pub fn fiber_has_ended(&self, id: FiberId) -> bool {
        self.fibers.entries.get(&id).is_none_or(|entry| entry.state == State::Ended)
    }

    /// What a fiber returned, or the exception it raised: once, after it ended.
    pub fn take_fiber_result(&mut self, id: FiberId) -> Option<Result<Root, Root>> {
        if self.fibers.entries.get(&id)?.state != State::Ended {
            return None;
        }
        let result = self.fibers.entries.remove(&id)?.result?;
        Some(match result {
            Ok(raw) => Ok(self.push_raw(raw)),
            Err(raw) => Err(self.push_raw(raw)),
        })
    }

    /// Nobody will ask for this fiber's result: it is forgotten when it ends.
    pub fn detach_fiber(&mut self, id: FiberId) {
        if let Some(entry) = self.fibers.entries.get_mut(&id) {
            entry.detached = true;
            if entry.state == State::Ended {
                self.fibers.entries.remove(&id);
            }
        }
    }

    // ---- stopping and going on ----

    /// Stops the running fiber until another wakes it, or until this time of the monotonic clock. It may also go on for no reason: who
    /// waits for something looks again. The main fiber raises what signals ask for, and an error where nothing could ever wake anybody.
    pub fn park(&mut self, deadline: Option<f64>) -> Result<(), Raised> {
        self.park_for(None, deadline)
    }

    /// As `park`, until something outside happens too.
    pub fn park_for(&mut self, source: Option<Source>, deadline: Option<f64>) -> Result<(), Raised> {
        self.park_with(source.as_slice(), deadline)
    }

    /// As `park`, until one of these descriptors (to write to, if so said) is ready too.
    pub fn park_for_any(&mut self, fds: &[(i32, bool)], deadline: Option<f64>) -> Result<(), Raised> {
        let sources: Vec<Source> = fds.iter().map(|(fd, write)| Source::Descriptor(*fd, *write)).collect();
        self.park_with(&sources, deadline)
    }

    fn park_with(&mut self, sources: &[Source], deadline: Option<f64>) -> Result<(), Raised> {
        if self.fiber.stopping {
            return Err(self.stop_raised());
        }
        let id = self.fibers.running;
        let fibers = &mut self.fibers;
        let ticket = fibers.ticket + 1;
        let entry = fibers.entry(id);
        if std::mem::take(&mut entry.permit) {
            return Ok(());
        }
        entry.state = State::Parked { outside: !sources.is_empty(), ticket };
        fibers.ticket = ticket;
        if let Some(at) = deadline {
            fibers.deadlines.push(Reverse(Deadline { at, ticket, fiber: id }));
            fibers.forget_deadlines();
        }
        fibers.sources.extend(sources.iter().map(|source| (*source, id)));
        self.stop_running()
    }

    /// Waits until a descriptor is ready, in which other fibers run: false if a time of the monotonic clock came first.
    pub fn wait_descriptor(&mut self, fd: i32, write: bool, deadline: Option<f64>) -> Result<bool, Raised> {
        loop {
            self.park_for(Some(Source::Descriptor(fd, write)), deadline)?;
            match self.host_mut().network().wait(Some((fd, write)), Some(0.0)) {
                // An error is told by what is done with the descriptor next.
                Ok(Waited::Ready) | Err(_) => return Ok(true),
                Ok(Waited::TimedOut) if deadline.is_some_and(|at| self.host().monotonic() >= at) => return Ok(false),
                Ok(Waited::TimedOut | Waited::Woken) => {}
            }
        }
    }

    /// Parks until another thread of the system wakes the fiber through a [`Waker`].
    pub fn park_outside(&mut self, deadline: Option<f64>) -> Result<(), Raised> {
        self.fibers.outside += 1;
        let result = self.park(deadline);
        self.fibers.outside -= 1;
        result
    }

    /// Before a read or write that could wait inside the system: the other fibers run until it would not.
    pub fn before_io(&mut self, fd: i32, write: bool) -> Result<(), Raised> {
        if !self.has_threads() || self.host().status_fd(fd).is_ok_and(|s| s.is_file() || s.is_folder()) {
            return Ok(());
        }
        if fd < 0 || self.host_mut().network().is_nonblocking(fd).unwrap_or(true) {
            return Ok(());
        }
        self.wait_descriptor(fd, write, None).map(|_| ())
    }

    /// A line of standard input, empty at its end; other fibers run meanwhile.
    pub fn read_input_line(&mut self) -> Result<std::io::Result<Vec<u8>>, Raised> {
        loop {
            if !self.host().has_line() {
                self.before_io(0, false)?;
            }
            match self.host_mut().read_line() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    // Signals are the main fiber's: another one makes way for it.
                    if self.fibers.running == FiberId::MAIN { self.check_signals()? } else { self.slice_over()? }
                }
                Ok(line) if line.is_empty() => {
                    // Who ends the input and sends a signal means the signal.
                    self.check_signals()?;
                    return Ok(Ok(line));
                }
                done => return Ok(done),
            }
        }
    }

    /// Lets the other fibers that are ready run first.
    pub fn pass(&mut self) -> Result<(), Raised> {
        if self.fiber.stopping {
            return Err(self.stop_raised());
        }
        self.drain_inbox();
        self.expire_deadlines();
        if self.fibers.ready.is_empty() && self.fibers.sources.is_empty() {
            return Ok(());
        }
        let id = self.fibers.running;
        self.fibers.entry(id).state = State::Ready;
        self.fibers.ready.push_back(id);
        self.stop_running()
    }

    /// Lets a fiber that was just made run first, and goes on as soon as it stops for whatever reason.
    pub fn pass_to_new(&mut self, id: FiberId) -> Result<(), Raised> {
        let me = self.fibers.running;
        let fibers = &mut self.fibers;
        if fibers.ready.back() != Some(&id) {
            return Ok(());
        }
        fibers.ready.pop_back();
        fibers.entry(me).state = State::Ready;
        fibers.ready.push_front(me);
        fibers.ready.push_front(id);
        fibers.urgent += 2;
        fibers.streak = 0;
        self.stop_running()
    }

    /// Lets a parked fiber go on when its turn comes.
    pub fn wake_fiber(&mut self, id: FiberId) {
        let Some(entry) = self.fibers.entries.get_mut(&id) else { return };
        match entry.state {
            State::Parked { .. } => {
                self.make_ready(id);
                self.tick();
            }
            State::Running | State::Ready => entry.permit = true,
            State::Ended => {}
        }
    }

    /// What other threads of the system wake fibers with.
    pub fn waker(&self) -> Waker {
        Waker(self.fibers.inbox.clone())
    }

    /// Waits for this many seconds, in which other fibers run.
    pub fn sleep(&mut self, seconds: f64) -> Result<(), Raised> {
        let end = self.host().monotonic() + seconds;
        // A signal wakes the host, and is dealt with before it sleeps on.
        let mut left = seconds;
        while !self.has_threads() {
            self.host_mut().sleep(left);
            left = end - self.host().monotonic();
            self.check_signals()?;
            if left <= 0.0 {
                return Ok(());
            }
        }
        loop {
            self.park(Some(end))?;
            if self.host().monotonic() >= end {
                return Ok(());
            }
        }
    }

    /// Gives a fiber up: where it stands it is unwound, without any of its handlers being run.
    pub fn abandon_fiber(&mut self, id: FiberId) {
        if id == FiberId::MAIN || id == self.fibers.running {
            return;
        }
        self.detach_fiber(id);
        let Some(entry) = self.fibers.entries.get_mut(&id) else { return };
        entry.saved.as_mut().expect("it does not run").stopping = true;
        if let State::Parked { .. } = entry.state {
            self.make_ready(id);
            self.tick();
        }
    }

    /// In a process just forked: the running fiber is the only thread there is. The others are gone without a trace, their stacks and what they
    /// held included; the main one's stays where it is, since the running one may stand on it, but it never goes on.
    pub fn forget_other_fibers(&mut self) {
        self.forget_other_imports();
        let fibers = &mut self.fibers;
        let running = fibers.running;
        let gone: Vec<FiberId> =
            fibers.entries.keys().copied().filter(|id| *id != running && *id != FiberId::MAIN).collect();
        for id in gone {
            // A stack on which something stands can't be dropped.
            std::mem::forget(fibers.entries.remove(&id));
        }
        if running != FiberId::MAIN {
            fibers.ticket += 1;
            let ticket = fibers.ticket;
            fibers.entry(FiberId::MAIN).state = State::Parked { outside: false, ticket };
        }
        fibers.ready.clear();
        fibers.urgent = 0;
        fibers.alive = 1;
        fibers.outside = 0;
        fibers.deadlines.clear();
        fibers.sources.clear();
        fibers.ticking = false;
        std::mem::forget(std::mem::take(&mut fibers.inbox));
    }

    /// Unwinds all fibers but the main one, which calls this at the end of a program.
    pub fn end_fibers(&mut self) {
        if self.fibers.running != FiberId::MAIN || self.fibers.entries.len() == 1 {
            return;
        }
        let others: Vec<FiberId> = self.fibers.ids().filter(|id| *id != FiberId::MAIN).collect();
        for id in others {
            self.abandon_fiber(id);
        }
        self.fibers.urgent = 0;
        while let Some(id) = self.fibers.ready.pop_front() {
            self.run_fiber(id);
        }
        self.tick();
    }

    /// The running fiber's time slice is over, or the main one is needed: called at safepoints.
    pub(super) fn slice_over(&mut self) -> Result<(), Raised> {
        if self.fibers.running != FiberId::MAIN && self.interrupt().load(Ordering::Relaxed) & interrupt::SIGNAL != 0 {
            // Signals are for the main fiber, which looks at them in the hub.
            return self.pass_to_hub();
        }
        if let Some(left) = &mut self.fibers.slice {
            *left = left.saturating_sub(1);
            if *left > 0 {
                self.tick();
                return Ok(());
            }
            let length = self.host_mut().decide(Choice::Slice, u64::from(SLICE));
            self.fibers.slice = Some((length as u32).max(1));
            if self.host().is_virtual() {
                // Computing takes time, or who waits for a time would wait for ever.
                self.host_mut().advance(SLICE_SECONDS);
            }
        }
        self.fibers.patience = 0;
        self.pass()?;
        self.tick();
        Ok(())
    }

    fn pass_to_hub(&mut self) -> Result<(), Raised> {
        if self.fiber.stopping {
            return Err(self.stop_raised());
        }
        let id = self.fibers.running;
        self.fibers.entry(id).state = State::Ready;
        self.fibers.ready.push_back(id);
        self.stop_running()
    }

    /// The exception that unwinds a fiber which was given up. No handler of a script sees it.
    pub(super) fn stop_raised(&mut self) -> Raised {
        self.raise_new(Exc::SystemExit, &[])
    }

    // ---- switching ----

    /// A parked fiber is ready.
    fn make_ready(&mut self, id: FiberId) {
        let fibers = &mut self.fibers;
        let before = std::mem::replace(&mut fibers.entry(id).state, State::Ready);
        if let State::Parked { outside: true, .. } = before {
            fibers.sources.retain(|(_, fiber)| *fiber != id);
        }
        fibers.ready.insert(fibers.urgent, id);
        fibers.urgent += 1;
    }

    /// Time slices end only while somebody waits for a turn, for a time or for another thread of the system.
    fn tick(&mut self) {
        let fibers = &self.fibers;
        let on = fibers.alive > 1
            && (!fibers.ready.is_empty()
                || fibers.outside > 0
                || !fibers.deadlines.is_empty()
                || !fibers.sources.is_empty());
        if self.host().is_virtual() || self.fibers.slice.is_some() {
            if on {
                self.fibers.slice.get_or_insert(SLICE);
                self.heap.request(interrupt::SWITCH);
            }
            return;
        }
        if on != self.fibers.ticking {
            self.fibers.ticking = on;
            let word = self.interrupt().clone();
            self.host_mut().tick(&word, on);
        }
    }

    /// From now on a time slice is this many safepoints: the same at every run.
    pub fn count_slices(&mut self, safepoints: u32) {
        self.fibers.slice = Some(safepoints.max(1));
        self.tick();
    }

    /// The running fiber, whose state was set before, stops here until it is run again.
    fn stop_running(&mut self) -> Result<(), Raised> {
        if self.fibers.running == FiberId::MAIN {
            self.hub()?;
            // Handlers of signals run here, where the main fiber is the running one again.
            return self.check_signals();
        }
        let door: *const Door = self.fiber.door.cast();
        // SAFETY: the door is on this fiber's stack, below this call. The machine is handed to the hub, which gives it back when it runs
        // this fiber again; nothing of it is used in between here.
        let vm = unsafe { (*door).suspend(ptr::from_mut(self)) };
        debug_assert!(ptr::eq(vm, self), "a machine does not move while a fiber is stopped in it");
        if self.fiber.stopping { Err(self.stop_raised()) } else { Ok(()) }
    }

    /// On the main fiber's stack, where that has stopped: runs the others until the main one is to go on.
    fn hub(&mut self) -> Result<(), Raised> {
        loop {
            match self.next_fiber() {
                Ok(FiberId::MAIN) => {
                    self.fibers.entry(FiberId::MAIN).state = State::Running;
                    return Ok(());
                }
                Ok(id) => self.run_fiber(id),
                Err(raised) => {
                    let fibers = &mut self.fibers;
                    if let Some(at) = fibers.ready.iter().position(|id| *id == FiberId::MAIN) {
                        fibers.ready.remove(at);
                        fibers.urgent -= usize::from(at < fibers.urgent);
                    }
                    fibers.sources.retain(|(_, fiber)| *fiber != FiberId::MAIN);
                    fibers.entry(FiberId::MAIN).state = State::Running;
                    return Err(raised);
                }
            }
        }
    }

    /// Runs a fiber until it stops, from the main fiber's stack.
    fn run_fiber(&mut self, id: FiberId) {
        let place = ptr::from_mut(self).addr();
        assert!(
            self.fibers.place == place
                || !self.fibers.entries.values().any(|e| e.machine.as_ref().is_some_and(Machine::started)),
            "a machine does not move while a fiber is stopped in it"
        );
        self.fibers.place = place;
        let entry = self.fibers.entry(id);
        let mut machine = entry.machine.take().expect("a fiber that has not ended");
        let mut saved = entry.saved.take().expect("a fiber that does not run");
        entry.state = State::Running;
        self.exchange(&mut saved);
        self.fibers.entry(FiberId::MAIN).saved = Some(saved);
        self.fibers.running = id;
        self.switch_extensions(FiberId::MAIN, id);
        let stopped = machine.resume(ptr::from_mut(self));
        self.switch_extensions(id, FiberId::MAIN);
        self.fibers.running = FiberId::MAIN;
        let mut saved = self.fibers.entry(FiberId::MAIN).saved.take().expect("put there above");
        self.exchange(&mut saved);
        let entry = self.fibers.entry(id);
        match stopped {
            CoroutineResult::Yield(_) => {
                entry.machine = Some(machine);
                entry.saved = Some(saved);
            }
            CoroutineResult::Return(()) => {
                if entry.detached {
                    self.fibers.entries.remove(&id);
                }
                if self.fibers.pool.len() < POOL {
                    self.fibers.pool.push((machine.into_stack(), saved.registers));
                }
            }
        }
    }

    /// What layers above keep for each fiber goes with it.
    fn switch_extensions(&mut self, from: FiberId, to: FiberId) {
        let ended = self.fibers.entries.get(&from).is_none_or(|entry| entry.state == State::Ended);
        for extension in self.extensions.iter_mut().flatten() {
            extension.switch(from.0, to.0, ended);
        }
        self.exchange_thread_locals(from, to, ended);
    }

    /// Puts the registers and records of another fiber in the place of the running one's.
    fn exchange(&mut self, saved: &mut Fiber) {
        self.fiber.raised = std::mem::replace(&mut self.raised, super::Raw::UNBOUND);
        std::mem::swap(&mut self.fiber, saved);
        self.raised = std::mem::replace(&mut self.fiber.raised, super::Raw::UNBOUND);
        let hooks = &mut self.coroutines;
        saved.hooks = [hooks.first_iteration, hooks.finalizer];
        saved.origin_depth = hooks.origin_depth;
        [hooks.first_iteration, hooks.finalizer] = self.fiber.hooks;
        hooks.origin_depth = self.fiber.origin_depth;
        self.go_on_writing();
    }

    /// The fiber in its place runs: the frames it runs in place are written to without a barrier.
    fn go_on_writing(&mut self) {
        if !std::mem::take(&mut self.fiber.still) {
            return;
        }
        for record in &self.fiber.records {
            if let RecordKind::InPlace { generator, .. } = record.kind {
                self.heap.barrier_of(generator.value());
            }
        }
    }

    /// Who runs next. Where all wait, this waits too: for a time, for another thread of the system, for a signal.
    fn next_fiber(&mut self) -> Result<FiberId, Raised> {
        loop {
            if self.interrupt().load(Ordering::Relaxed) & interrupt::SIGNAL != 0 {
                // The main fiber, or the event loop that it runs, deals with them.
                if let State::Parked { .. } = self.fibers.entry(FiberId::MAIN).state {
                    self.make_ready(FiberId::MAIN);
                }
                if let Some(at) = self.fibers.ready.iter().position(|id| *id == FiberId::MAIN) {
                    return Ok(self.take_ready(at));
                }
            }
            self.drain_inbox();
            self.expire_deadlines();
            self.fibers.patience = self.fibers.patience.saturating_sub(1);
            let count = self.fibers.ready.len();
            if count > 0 && self.fibers.patience == 0 {
                self.fibers.patience = LOOK_TURNS;
                if !self.fibers.sources.is_empty() {
                    self.look_outside(Some(0.0))?;
                    continue;
                }
            }
            if count > 0 {
                let fibers = &mut self.fibers;
                let waiting = fibers.urgent < count;
                fibers.streak = if waiting && fibers.urgent > 0 { fibers.streak + 1 } else { 0 };
                let first = if fibers.streak > STREAK { fibers.urgent } else { 0 };
                if first > 0 {
                    fibers.streak = 0;
                }
                let at = (self.host_mut().decide(Choice::Fiber, 0) as usize % count + first) % count;
                return Ok(self.take_ready(at));
            }
            let left = self.earliest_deadline().map(|at| (at - self.host().monotonic()).max(0.0));
            if !self.fibers.sources.is_empty() {
                let started = self.host().real_time();
                let came = self.look_outside(left)?;
                if self.host().is_virtual() {
                    // What is outside keeps real time, and the virtual clock goes along.
                    let passed = self.host().real_time() - started;
                    let passed = left.map_or(passed, |left| if came { left.min(passed) } else { left.max(passed) });
                    self.host_mut().advance(passed);
                }
                continue;
            }
            if self.fibers.outside > 0 {
                let wait = Duration::from_secs_f64(left.unwrap_or(LOOK).min(LOOK));
                let woken = self.fibers.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner);
                if woken.is_empty() {
                    drop(self.fibers.inbox.came.wait_timeout(woken, wait));
                }
                continue;
            }
            match left {
                Some(left) => self.host_mut().sleep(left),
                None if self.signals_expected() => self.host_mut().sleep(3600.0),
                None => return Err(self.runtime_error("deadlock: every thread waits for another")),
            }
        }
    }

    /// Takes one of those that are ready.
    fn take_ready(&mut self, at: usize) -> FiberId {
        let fibers = &mut self.fibers;
        let id = fibers.ready.remove(at).expect("one of those that are ready");
        fibers.urgent -= usize::from(at < fibers.urgent);
        self.tick();
        id
    }

    /// Waits until something outside happens that a parked fiber waits for, at most so many seconds. Whether any is ready now.
    fn look_outside(&mut self, seconds: Option<f64>) -> Result<bool, Raised> {
        let mut numbers = vec![];
        let mut who = vec![];
        for (source, fiber) in &self.fibers.sources {
            if let Source::Descriptor(fd, write) = source {
                numbers.push((*fd, *write));
                who.push(*fiber);
            }
        }
        let mut ready = vec![false; numbers.len()];
        let waited = self.host_mut().network().wait_any(&numbers, &mut ready, seconds);
        let mut any = false;
        match waited {
            Ok(Waited::TimedOut) => {}
            Ok(Waited::Ready) => any = true,
            Ok(Waited::Woken) => {
                any = true;
                let waiting: Vec<FiberId> = self.fibers.sources.iter().map(|(_, fiber)| *fiber).collect();
                who = waiting;
                ready = vec![true; who.len()];
            }
            // Each of them finds out by itself.
            Err(_) => ready.fill(true),
        }
        for (fiber, ready) in who.into_iter().zip(ready) {
            if ready && let State::Parked { .. } = self.fibers.entry(fiber).state {
                self.make_ready(fiber);
            }
        }
        Ok(any)
    }

    fn drain_inbox(&mut self) {
        let woken = std::mem::take(&mut *self.fibers.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner));
        for id in woken {
            self.wake_fiber(id);
        }
    }

    fn earliest_deadline(&mut self) -> Option<f64> {
        let fibers = &mut self.fibers;
        while let Some(Reverse(first)) = fibers.deadlines.peek() {
            if fibers.is_current(first) {
                return Some(first.at);
            }
            fibers.deadlines.pop();
        }
        None
    }

    /// Those whose time has come are ready, in the order of their deadlines; equal ones as they began to wait.
    fn expire_deadlines(&mut self) {
        if self.earliest_deadline().is_none() {
            return;
        }
        let now = self.host().monotonic();
        while let Some(at) = self.earliest_deadline()
            && at <= now
        {
            if let Some(Reverse(due)) = self.fibers.deadlines.pop() {
                self.make_ready(due.fiber);
            }
        }
    }

    /// Frame objects of plain frames and the records they stand for are those of a fiber: this one's, running or not.
    pub(super) fn fiber_of(&self, id: u32) -> Option<&Fiber> {
        if self.fiber.id == id { Some(&self.fiber) } else { self.fibers.saved(id) }
    }

    /// The running fiber, then the others.
    pub(super) fn all_fibers(&self) -> impl Iterator<Item = &Fiber> {
        let others = self.fibers.entries.values().filter_map(|entry| entry.saved.as_deref());
        std::iter::once(&self.fiber).chain(others)
    }

    /// Does something with the records and registers of a fiber as though it ran. Nothing may call a script or collect meanwhile.
    pub(super) fn on_fiber<R>(&mut self, id: u32, work: impl FnOnce(&mut Vm) -> R) -> Option<R> {
        if self.fiber.id == id {
            return Some(work(self));
        }
        let mut saved = self.fibers.entries.get_mut(&FiberId(id))?.saved.take()?;
        std::mem::swap(&mut self.fiber, &mut saved);
        let mark = self.mark();
        // It may hold what is young from now on.
        self.go_on_writing();
        let result = work(self);
        self.release(mark);
        std::mem::swap(&mut self.fiber, &mut saved);
        self.fibers.entry(FiberId(id)).saved = Some(saved);
        Some(result)
    }
}

impl Drop for Fibers {
    fn drop(&mut self) {
        for entry in self.entries.values_mut() {
            if let Some(machine) = entry.machine.take()
                && machine.started()
            {
                // The machine was dropped before `end_fibers`: nothing can be run on that stack any more, and its memory stays.
                std::mem::forget(machine);
            }
        }
    }
}
