//! Where a program's time goes, found by samples: a thread sets a bit of the interrupt word every millisecond, and at the next safepoint
//! the machine notes which functions run. A program that isn't profiled pays nothing. What natives take counts for the function that calls
//! them; waiting takes no CPU, and so counts for nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bytecode::code::Code;
use crate::heap::Gc;
use crate::object::Generator;

use super::Vm;
use super::frame::RecordKind;

/// Deeper than this, the outermost calls are left out of a sample.
const DEEPEST: usize = 512;

/// A function in the calls that lead to it.
#[derive(Debug)]
pub struct Node {
    /// Its code.
    pub code: Arc<Code>,
    /// The node of what called it; none of the outermost.
    pub parent: Option<usize>,
    /// CPU seconds in itself.
    pub own: f64,
}

/// What was sampled so far.
#[derive(Debug, Default)]
pub struct Profile {
    /// Functions by what called them; a node comes after its parent.
    pub nodes: Vec<Node>,
    /// The number of samples.
    pub samples: u64,
    places: HashMap<(Option<usize>, *const Code), usize>,
    last: f64,
}

impl Profile {
    /// The CPU seconds that were sampled.
    pub fn total(&self) -> f64 {
        self.nodes.iter().map(|node| node.own).sum()
    }

    fn add(&mut self, calls: impl Iterator<Item = Arc<Code>>, now: f64) {
        let mut at = None;
        for code in calls {
            let nodes = &mut self.nodes;
            let key = (at, Arc::as_ptr(&code));
            at = Some(*self.places.entry(key).or_insert_with(|| {
                nodes.push(Node { code, parent: at, own: 0.0 });
                nodes.len() - 1
            }));
        }
        if let Some(at) = at {
            self.nodes[at].own += now - self.last;
            self.samples += 1;
        }
        self.last = now;
    }
}

impl Vm {
    /// Begins to sample.
    pub fn start_profile(&mut self) {
        self.profile = Some(Box::new(Profile { last: self.host.process_time(), ..Profile::default() }));
        let word = self.interrupt.clone();
        self.host.sample(&word, true);
    }

    /// Ends sampling; what was found, if it was begun.
    pub fn end_profile(&mut self) -> Option<Profile> {
        self.profile.as_ref()?;
        self.sample();
        let word = self.interrupt.clone();
        self.host.sample(&word, false);
        self.profile.take().map(|profile| *profile)
    }

    /// Notes what runs.
    pub(super) fn sample(&mut self) {
        let Some(mut profile) = self.profile.take() else { return };
        let calls = self.running_calls();
        profile.add(calls.into_iter().rev(), self.host.process_time());
        self.profile = Some(profile);
    }

    /// The code of the calls that run, innermost first; coroutines with those that await them.
    fn running_calls(&self) -> Vec<Arc<Code>> {
        let mut calls = vec![];
        for record in self.fiber.records.iter().rev() {
            if calls.len() >= DEEPEST {
                break;
            }
            let generator = match record.kind {
                RecordKind::Plain => None,
                RecordKind::InPlace { generator, .. } => Some(generator),
                RecordKind::Native { .. } | RecordKind::Exit { .. } => continue,
            };
            calls.push(record.code().code.clone());
            let mut next = generator.and_then(|generator| generator.get().awaiter.get::<Generator>().map(Gc::held));
            while let Some(awaiter) = next.filter(|_| calls.len() < DEEPEST) {
                if let Some(function) = awaiter.get().function.get() {
                    calls.push(function.code().code.clone());
                }
                next = awaiter.get().awaiter.get::<Generator>().map(Gc::held);
            }
        }
        calls
    }
}
