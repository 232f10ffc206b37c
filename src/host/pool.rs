//! Threads for what can't be done without waiting: looking names up. They are given plain data and hand plain data back, and wake who waits.
//! They are started when needed, and end when there was nothing to do for a while.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::network::look_up;
use super::wake::Wake;
use crate::vm::network::{Lookup, Question};

/// Threads at most.
const THREADS: usize = 8;
/// How long a thread stays without work.
const IDLE: Duration = Duration::from_secs(10);
/// The resolver's own needs are modest.
const STACK: usize = 512 * 1024;

#[derive(Debug, Default)]
struct State {
    questions: VecDeque<(u64, Question)>,
    answers: Vec<(u64, Lookup)>,
    threads: usize,
    idle: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    wake: Arc<Wake>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a thread that panicked left it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads, and what they were asked.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    last: u64,
    open: usize,
}

impl Pool {
    pub(super) fn new(wake: Arc<Wake>) -> Pool {
        let shared = Shared { state: Mutex::default(), work: Condvar::new(), wake };
        Pool { shared: Arc::new(shared), last: 0, open: 0 }
    }

    pub(super) fn ask(&mut self, question: Question) -> io::Result<u64> {
        self.last += 1;
        let ticket = self.last;
        let mut state = self.shared.state();
        if state.idle <= state.questions.len() && state.threads < THREADS {
            let shared = self.shared.clone();
            let started =
                std::thread::Builder::new().name("lookup".into()).stack_size(STACK).spawn(move || work(&shared));
            match started {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                Err(_) => {}
            }
        }
        state.questions.push_back((ticket, question));
        drop(state);
        self.open += 1;
        self.shared.work.notify_one();
        Ok(ticket)
    }

    pub(super) fn has_answers(&self) -> bool {
        self.open > 0 && !self.shared.state().answers.is_empty()
    }

    pub(super) fn take_answers(&mut self) -> Vec<(u64, Lookup)> {
        if self.open == 0 {
            return vec![];
        }
        let answers = std::mem::take(&mut self.shared.state().answers);
        self.open -= answers.len();
        answers
    }
}

/// What a thread does.
fn work(shared: &Shared) {
    super::processes::block_signals();
    let mut state = shared.state();
    loop {
        if let Some((ticket, question)) = state.questions.pop_front() {
            drop(state);
            let answer = look_up(&question);
            state = shared.state();
            state.answers.push((ticket, answer));
            shared.wake.wake();
            continue;
        }
        state.idle += 1;
        let (back, waited) = shared.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state = back;
        state.idle -= 1;
        if waited.timed_out() && state.questions.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}
