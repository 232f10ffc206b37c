//! Objects whose attributes each thread has of its own (`threading.local`): such an instance keeps them in a dict, as others may, and when
//! another fiber runs, its dict is put in the place of the former one's. So reading and writing them costs what it does for any instance.

use crate::heap::{Gc, Raw, Tracer, Value, WeakRef};
use crate::object::{Dict, Found, Instance, Probe};

use super::Vm;
use super::fiber::FiberId;

/// Where an instance keeps the dicts of all fibers, by their numbers: the first name in its `__slots__`.
const DICTS: usize = 0;

/// Weak references to the instances that have attributes for each fiber.
#[derive(Debug, Default)]
pub(super) struct ThreadLocals {
    references: Vec<Raw>,
    /// How many there may be before those to what died are thrown out.
    most: usize,
}

impl ThreadLocals {
    pub(super) fn trace(&self, tracer: &mut Tracer<'_>) {
        self.references.iter().for_each(|raw| tracer.raw(*raw));
    }

    fn add(&mut self, reference: Raw) {
        if self.references.len() >= self.most {
            self.references.retain(|raw| target(*raw).is_some());
            self.most = 2 * self.references.len() + 64;
        }
        self.references.push(reference);
    }
}

/// What a reference refers to, if it lives.
fn target(reference: Raw) -> Option<Gc<'static, Instance>> {
    let reference: Option<Gc<'static, WeakRef>> = Value::adopt(reference).exact();
    reference?.get().target()?.cell_of_kind::<Instance>().map(Gc::held)
}

/// The number that scripts know a fiber by.
fn number(fiber: FiberId) -> i64 {
    i64::from(fiber.0) + 1
}

impl Vm {
    /// From now on an instance has other attributes in each fiber; it has none yet. Returns the dict of their dicts, which is its first slot.
    pub(crate) fn keep_for_each_fiber(&mut self, instance: Gc<'static, Instance>) -> Raw {
        let own = self.move_to_dict(instance);
        let dicts = Dict::new(&self.heap).held();
        instance.set_slot(self.heap.forever(), DICTS, dicts.value());
        self.note_dict(dicts, self.current_fiber(), own);
        if let Some(reference) = WeakRef::new(&self.heap, instance.value(), Value::NONE) {
            self.thread_locals.add(reference.value().raw());
        }
        dicts.value().raw()
    }

    /// A dict too small to be refused memory.
    fn note_dict(&self, dicts: Gc<'static, Dict>, fiber: FiberId, own: Gc<'_, Dict>) {
        let number = number(fiber);
        let _ = dicts.store(self.heap.forever(), number, Value::int(number), own.value());
    }

    /// Gives such instances the attributes that they have in the fiber which runs from now on; those of one that has ended are forgotten.
    pub(super) fn exchange_thread_locals(&mut self, from: FiberId, to: FiberId, ended: bool) {
        if self.thread_locals.references.is_empty() {
            return;
        }
        let find = |dicts: Gc<'static, Dict>, fiber: FiberId| {
            let number = number(fiber);
            match dicts.find_from(&self.heap, number, Value::int(number), Probe::START) {
                Found::Entry(at) => Some(at),
                Found::Missing | Found::Ask(..) => None,
            }
        };
        let references = self.thread_locals.references.iter().filter(|raw| {
            let Some(instance) = target(**raw) else { return false };
            let Some(dicts) = instance.slot(DICTS).exact::<Dict>() else { return false };
            match (ended, find(dicts, from)) {
                (true, Some(at)) => dicts.remove_at(&self.heap, at),
                (false, None) => {
                    // One that has never had an attribute there needs no place.
                    if let Some(own) = instance.dict().filter(|own| !own.is_empty()) {
                        self.note_dict(dicts, from, own);
                    }
                }
                _ => {}
            }
            let own = find(dicts, to).and_then(|at| dicts.value_at(at).exact::<Dict>());
            let own = own.unwrap_or_else(|| Dict::new(&self.heap).held());
            instance.set_any(&self.heap, |i| &i.extra, own.value());
            true
        });
        self.thread_locals.references = references.copied().collect();
    }
}
