//! A thread that sets a bit of the interrupt word every few milliseconds: to end time slices while somebody waits for a turn, and to sample
//! a program that is profiled.

#![allow(clippy::disallowed_methods, reason = "this is where the system is asked")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::heap::interrupt;

/// What is done now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// A time slice ends.
    Slice,
    /// What runs is noted.
    Sample,
}

impl Tick {
    fn every(self) -> Duration {
        match self {
            // CPython's switch interval.
            Tick::Slice => Duration::from_millis(5),
            Tick::Sample => Duration::from_millis(1),
        }
    }

    fn bit(self) -> u32 {
        match self {
            Tick::Slice => interrupt::SWITCH,
            Tick::Sample => interrupt::SAMPLE,
        }
    }
}

#[derive(Debug)]
struct Shared {
    on: Mutex<bool>,
    changed: Condvar,
}

/// The thread, started when it is first needed. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ticker(Arc<Shared>);

impl Ticker {
    /// Starts the thread for the machine with this interrupt word. Without it fibers switch only where they wait, and there are no samples.
    pub(super) fn new(word: &Arc<AtomicU32>, tick: Tick) -> Ticker {
        let shared = Arc::new(Shared { on: Mutex::new(false), changed: Condvar::new() });
        let (weak, word) = (Arc::downgrade(&shared), word.clone());
        let _ = std::thread::Builder::new().name("aio ticks".into()).spawn(move || run(&weak, &word, tick));
        Ticker(shared)
    }

    /// Whether there are ticks.
    pub(super) fn set(&self, on: bool) {
        *self.0.on.lock().unwrap_or_else(PoisonError::into_inner) = on;
        self.0.changed.notify_one();
    }
}

fn run(shared: &Weak<Shared>, word: &AtomicU32, tick: Tick) {
    super::processes::block_signals();
    while let Some(shared) = shared.upgrade() {
        let mut on = shared.on.lock().unwrap_or_else(PoisonError::into_inner);
        if !*on {
            // Not for ever: whoever would notify may be gone.
            let wait = Duration::from_secs(1);
            on = shared.changed.wait_timeout(on, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        let active = *on;
        drop(on);
        drop(shared);
        if active {
            std::thread::sleep(tick.every());
            word.fetch_or(tick.bit(), Ordering::Relaxed);
        }
    }
}
