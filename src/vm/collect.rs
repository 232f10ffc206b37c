//! Collections and probes: what the machine holds outside of its heap, and what it forgets because it may have died.
//!
//! A class is referred to by the shapes of its instances and by the lists of subclasses of its bases; neither keeps it alive. A collection
//! that is to free classes takes a shape's class for alive where a living cell has that shape, and then forgets the shapes of the others,
//! with which whatever caches know by the number of a shape becomes wrong: the epoch ends. Interned texts die in the same collections.
//!
//! Functions written in Rust hold classes and names over calls back into a script without telling anybody, because what they come from
//! keeps those alive: unless the script gives an object another class, say. So classes die only while no such call is going on. They die as in
//! CPython when a collection is due or asked for, not where it is looked whether an object has died early.

use crate::heap::{Collection, Raw, Roots, Tracer};
use crate::object::{Module, Shapes};

use super::frame::RecordKind;
use super::interned::Interned;
use super::{Vm, special_methods};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Collect { classes: bool },
    Probe,
}

/// The machine's roots.
struct MachineRoots<'a, F> {
    others: Option<F>,
    shapes: &'a mut Shapes,
    interned: &'a mut Interned,
    /// Whether shapes and interned texts keep alive what was made since the last collection, everything, or nothing.
    kind: Collection,
    weakly: bool,
    /// A class has died.
    died: bool,
}

impl<F: FnOnce(&mut Tracer<'_>)> Roots for MachineRoots<'_, F> {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let others = self.others.take().expect("roots are visited once");
        others(tracer);
        if !self.weakly {
            let young = self.kind == Collection::Minor;
            self.shapes.trace(young, tracer);
            self.interned.trace(young, tracer);
        }
    }

    fn classes(&self) -> Option<&[Raw]> {
        self.weakly.then(|| self.shapes.classes())
    }

    fn forget_dead(&mut self, tracer: &mut Tracer<'_>) {
        self.died = self.shapes.forget_dead(tracer);
        self.interned.forget_dead(tracer.heap(), tracer);
    }
}

impl Vm {
    /// Collects, all but classes. The values of the running native are its roots.
    pub fn collect(&mut self, kind: Collection) {
        self.collect_for(kind, false);
    }

    /// As `collect`; classes die too, if the collection is a major one and nothing written in Rust may hold one unseen.
    pub(crate) fn collect_with_classes(&mut self, kind: Collection) {
        // The program itself is one call from Rust, and so is what a fiber runs.
        const OUTERMOST: u32 = 1;
        let unseen = self.fiber.nesting > OUTERMOST || self.fibers.any_stopped(|fiber| fiber.nesting > OUTERMOST);
        self.collect_for(kind, kind == Collection::Major && !unseen);
    }

    fn collect_for(&mut self, kind: Collection, classes: bool) {
        // If one is due, this is it.
        self.take_interrupt(crate::heap::interrupt::COLLECT);
        self.trace_all(kind, Purpose::Collect { classes });
    }

    /// Looks which of the cells that scripts can see dying have died, the young ones or all, without collecting. Whether any have.
    pub(crate) fn probe(&mut self, kind: Collection) -> bool {
        self.trace_all(kind, Purpose::Probe)
    }

    fn trace_all(&mut self, kind: Collection, purpose: Purpose) -> bool {
        let probes = purpose == Purpose::Probe;
        let mut deaths = std::mem::take(&mut self.deaths);
        // Old and written to, but surely alive.
        let main = if probes { self.find_module("__main__").and_then(|main| main.exact::<Module>()) } else { None };
        let main = main.map(|main| main.dict().held());
        let Vm {
            heap,
            fiber,
            fibers,
            shapes,
            types,
            names,
            interned,
            extensions,
            permanent,
            views,
            signals,
            thread_locals,
            ..
        } = self;
        let roots = [self.raised, self.modules, self.builtins, self.empty_tuple];
        let (characters, coroutines) = (&self.characters, &self.coroutines);
        let others = |tracer: &mut Tracer<'_>| {
            fiber.trace(tracer);
            fibers.trace(kind, probes, tracer);
            types.trace(tracer);
            for raw in roots.iter().chain(names.iter()).chain(permanent.iter()).chain(characters).chain(views.iter()) {
                tracer.raw(*raw);
            }
            coroutines.trace(tracer);
            signals.trace(tracer);
            thread_locals.trace(tracer);
            for extension in extensions.iter().flatten() {
                extension.trace(tracer);
            }
            if let Some(main) = main {
                main.trace_again(tracer);
            }
        };
        let weakly = purpose == Purpose::Collect { classes: true };
        let mut held = MachineRoots { others: Some(others), shapes, interned, kind, weakly, died: false };
        let died = if probes {
            heap.probe(kind, &mut deaths, &mut held)
        } else {
            heap.collect(kind, &mut deaths, &mut held);
            held.shapes.grow_old();
            held.interned.grow_old();
            held.died
        };
        if deaths.any_new() {
            self.heap.request(crate::heap::interrupt::FINALISE);
        }
        self.deaths = deaths;
        if probes {
            return died;
        }
        if died {
            self.end_epoch();
        }
        self.forget_found();
        // What runs in place goes on being written to without a barrier.
        for record in &self.fiber.records {
            if let RecordKind::InPlace { generator, .. } = record.kind {
                self.heap.barrier_of(generator.value());
            }
        }
        false
    }

    /// What was found for a class that died could be found again for another at its address.
    fn forget_found(&mut self) {
        for entry in &mut self.method_cache {
            entry.get_mut().class = std::ptr::null();
        }
        for entry in &mut self.specials {
            entry.set(special_methods::Special::NONE);
        }
        for entry in &mut self.known {
            entry.get_mut().name = std::ptr::null();
        }
    }
}

impl<F> std::fmt::Debug for MachineRoots<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineRoots").field("kind", &self.kind).field("weakly", &self.weakly).finish()
    }
}
