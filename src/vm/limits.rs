//! Limits on what a program may use, and stopping it from outside. Both are bits of the interrupt word, so a program without limits pays
//! nothing for them.
//!
//! A step is a call or a backward jump of the program, or a batch of items that a native takes from an iterator. A machine whose steps
//! are used up, or that was asked to stop, raises KeyboardInterrupt at each further step, and no handler of the program gets to see it:
//! the program ends within what it has pending, and [`Vm::stopped`] tells why. Memory is different, as scripts expect: MemoryError is
//! an exception like others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::heap::{Collection, interrupt};
use crate::object::Exc;

use super::Vm;
use super::native::Raised;

/// What a program may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls and backward jumps; None for any number.
    pub steps: Option<u64>,
    /// Bytes on the heap; None for as many as the host says.
    pub memory: Option<usize>,
}

/// Why a program was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its steps are used up.
    Steps,
    /// A [`Stopper`] asked for it.
    Request,
}

/// Stops a machine from another thread: what a time limit is made of.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<AtomicU32>);

impl Stopper {
    /// Asks the machine to end its program.
    pub fn stop(&self) {
        self.0.fetch_or(interrupt::STOP, Ordering::Release);
    }
}

impl Vm {
    /// Sets limits for what runs from now on, in place of those there were; a machine that was stopped may go on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.steps = limits.steps.unwrap_or(0);
        self.stopped = None;
        self.heap.set_limit(limits.memory.or(self.host().memory()).unwrap_or(usize::MAX));
        self.take_interrupt(interrupt::STOP);
        if limits.steps.is_some() {
            self.heap.request(interrupt::STEP);
        } else {
            self.take_interrupt(interrupt::STEP);
        }
    }

    /// What stops this machine from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.interrupt().clone())
    }

    /// Why the program was stopped, if it was.
    pub fn stopped(&self) -> Option<Stop> {
        self.stopped
    }

    /// Counts a step, and raises if there are none left or the machine is to stop. The bits stay: so does the state.
    pub(crate) fn check_limits(&mut self) -> Result<(), Raised> {
        let word = self.interrupt().load(Ordering::Relaxed);
        if word & (interrupt::STEP | interrupt::STOP) == 0 {
            return Ok(());
        }
        if word & interrupt::STOP != 0 {
            self.stopped.get_or_insert(Stop::Request);
        } else if self.steps == 0 {
            self.stopped.get_or_insert(Stop::Steps);
        } else {
            self.steps -= 1;
        }
        match self.stopped {
            None => Ok(()),
            Some(Stop::Steps) => Err(self.raise_text(Exc::KeyboardInterrupt, "the limit of steps is reached")),
            Some(Stop::Request) => Err(self.raise_text(Exc::KeyboardInterrupt, "the program was stopped")),
        }
    }

    /// Between the steps of a loop: a collection, if one is due; an error if a limit is reached. Nothing of the program runs.
    #[inline]
    pub fn make_room(&mut self) -> Result<(), Raised> {
        if self.interrupt().load(Ordering::Relaxed) == 0 { Ok(()) } else { self.make_room_now() }
    }

    #[cold]
    fn make_room_now(&mut self) -> Result<(), Raised> {
        if self.take_interrupt(interrupt::COLLECT) {
            let kind = self.heap.due();
            self.collect(kind);
        }
        if self.take_interrupt(interrupt::MEMORY) {
            self.collect(Collection::Major);
            self.check_room_left()?;
        }
        self.check_limits()
    }

    /// The heap has passed its limit: what is dead is given back, and if that is not enough the program is told.
    pub(super) fn check_memory(&mut self) -> Result<(), Raised> {
        self.collect_with_classes(Collection::Major);
        self.check_room_left()
    }

    fn check_room_left(&mut self) -> Result<(), Raised> {
        // So that what reports it has room, a program is told before everything is used.
        if self.heap.check(0).is_ok() && !self.heap.take_refused() { Ok(()) } else { Err(self.memory_error()) }
    }
}
