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

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::heap::{Collection, RegisterStack, Tracer, interrupt};
use crate::object::Exc;

use super::Vm;
use super::frame::{Fiber, RecordKind};
use super::host::Choice;
use super::native::{Raised, Root};

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
const SLICE: u32 = 200;

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
    /// It waits to be woken, or for this time of the monotonic clock.
    Parked { deadline: Option<f64> },
    /// It has returned or raised; its result has not been taken.
    Ended,
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
    ready: VecDeque<FiberId>,
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
    pub(super) fn trace(&mut self, kind: Collection, tracer: &mut Tracer<'_>) {
        for entry in self.entries.values_mut() {
            if let Some(Ok(raw) | Err(raw)) = entry.result {
                tracer.raw(raw);
            }
            if let Some(fiber) = &mut entry.saved
                && (kind == Collection::Major || !fiber.still)
            {
                fiber.trace(tracer);
                fiber.still = true;
            }
        }
    }

    /// The registers and records of a fiber that does not run.
    pub(super) fn saved(&self, id: u32) -> Option<&Fiber> {
        self.entries.get(&FiberId(id))?.saved.as_deref()
    }

    /// The fibers that exist, the running one among them.
    fn ids(&self) -> impl Iterator<Item = FiberId> + '_ {
        self.entries.iter().filter(|(_, entry)| entry.state != State::Ended).map(|(id, _)| *id)
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
            None => match DefaultStack::new(STACK) {
                Ok(stack) => (stack, RegisterStack::new(REGISTERS)),
                Err(_) => return Err(self.runtime_error("can't start new thread")),
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
        self.make_ready(id);
        Ok(id)
    }

    /// What a fiber does, on its own stack.
    fn fiber_body(&mut self, argc: u32, keywords_at: Option<u32>) {
        let keywords = keywords_at.map(|at| self.fiber.registers.get(at).raw());
        let called = if self.fiber.stopping { Ok(super::Raw::NONE) } else { self.call_window(0, argc, keywords) };
        let result = called.map_err(|raised| self.take_raised(raised));
        let id = self.fibers.running;
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
        self.fibers.ids().count()
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
        if self.fiber.stopping {
            return Err(self.stop_raised());
        }
        let id = self.fibers.running;
        let entry = self.fibers.entry(id);
        if std::mem::take(&mut entry.permit) {
            return Ok(());
        }
        entry.state = State::Parked { deadline };
        self.stop_running()
    }

    /// Parks until another thread of the system wakes the fiber through a [`Waker`].
    pub fn park_outside(&mut self, deadline: Option<f64>) -> Result<(), Raised> {
        self.fibers.outside += 1;
        let result = self.park(deadline);
        self.fibers.outside -= 1;
        result
    }

    /// Lets the other fibers that are ready run first.
    pub fn pass(&mut self) -> Result<(), Raised> {
        if self.fiber.stopping {
            return Err(self.stop_raised());
        }
        self.drain_inbox();
        self.expire_deadlines();
        if self.fibers.ready.is_empty() {
            return Ok(());
        }
        let id = self.fibers.running;
        self.fibers.entry(id).state = State::Ready;
        self.fibers.ready.push_back(id);
        self.stop_running()
    }

    /// Lets a parked fiber go on when its turn comes.
    pub fn wake_fiber(&mut self, id: FiberId) {
        let Some(entry) = self.fibers.entries.get_mut(&id) else { return };
        match entry.state {
            State::Parked { .. } => self.make_ready(id),
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
        while self.fibers.entries.len() == 1 {
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

    /// Seconds until a fiber other than the running one has something to do: 0 if one is ready, None if none waits for a time.
    pub fn fibers_due(&mut self) -> Option<f64> {
        if self.fibers.entries.len() == 1 {
            return None;
        }
        self.drain_inbox();
        self.expire_deadlines();
        if !self.fibers.ready.is_empty() {
            return Some(0.0);
        }
        let now = self.host().monotonic();
        self.earliest_deadline().map(|at| (at - now).max(0.0))
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
        }
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

    fn make_ready(&mut self, id: FiberId) {
        self.fibers.entry(id).state = State::Ready;
        self.fibers.ready.push_back(id);
        self.tick();
    }

    /// Time slices end only while somebody waits for a turn, for a time or for another thread of the system.
    fn tick(&mut self) {
        let on = !self.fibers.ready.is_empty() || self.fibers.outside > 0 || self.earliest_deadline().is_some();
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
            return self.hub();
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
                    self.fibers.ready.retain(|id| *id != FiberId::MAIN);
                    self.fibers.entry(FiberId::MAIN).state = State::Running;
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
        let stopped = machine.resume(ptr::from_mut(self));
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

    /// Puts the registers and records of another fiber in the place of the running one's.
    fn exchange(&mut self, saved: &mut Fiber) {
        self.fiber.raised = std::mem::replace(&mut self.raised, super::Raw::UNBOUND);
        std::mem::swap(&mut self.fiber, saved);
        self.raised = std::mem::replace(&mut self.fiber.raised, super::Raw::UNBOUND);
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
                self.take_interrupt(interrupt::SIGNAL);
                self.handle_signals()?;
                if self.defer_interrupt {
                    // The event loop, which the main fiber runs, wants to know.
                    self.wake_fiber(FiberId::MAIN);
                }
            }
            self.drain_inbox();
            self.expire_deadlines();
            let count = self.fibers.ready.len();
            if count > 0 {
                let at = self.host_mut().decide(Choice::Fiber, 0) as usize % count;
                let id = self.fibers.ready.remove(at).expect("one of those that are ready");
                self.tick();
                return Ok(id);
            }
            let left = self.earliest_deadline().map(|at| (at - self.host().monotonic()).max(0.0));
            if self.fibers.outside > 0 {
                let wait = Duration::from_secs_f64(left.unwrap_or(LOOK).min(LOOK));
                let woken = self.fibers.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner);
                if woken.is_empty() {
                    drop(self.fibers.inbox.came.wait_timeout(woken, wait));
                }
                continue;
            }
            match left {
                Some(left) if self.host().is_virtual() => self.host_mut().sleep(left),
                Some(left) => self.host_mut().sleep(left.min(LOOK)),
                None => return Err(self.runtime_error("deadlock: every thread waits for another")),
            }
        }
    }

    fn drain_inbox(&mut self) {
        let woken = std::mem::take(&mut *self.fibers.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner));
        for id in woken {
            self.wake_fiber(id);
        }
    }

    fn earliest_deadline(&self) -> Option<f64> {
        let deadlines = self.fibers.entries.values().filter_map(|entry| match entry.state {
            State::Parked { deadline } => deadline,
            State::Running | State::Ready | State::Ended => None,
        });
        deadlines.min_by(f64::total_cmp)
    }

    fn expire_deadlines(&mut self) {
        let Some(earliest) = self.earliest_deadline() else { return };
        let now = self.host().monotonic();
        if earliest > now {
            return;
        }
        // In the order of their deadlines; equal ones as the fibers were made.
        let mut due: Vec<(f64, FiberId)> = vec![];
        for (id, entry) in &self.fibers.entries {
            if let State::Parked { deadline: Some(at) } = entry.state
                && at <= now
            {
                due.push((at, *id));
            }
        }
        due.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, id) in due {
            self.make_ready(id);
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
