//! Probes: which of the young cells that scripts can see dying have died, as prompt as reference counts would tell.
//!
//! A probe marks as a minor collection does, but takes the marks back: what lives stays young, and nothing is freed. So it can be asked
//! again soon for what happened since, at the cost of what is young and alive. What has died since the last probe is at hand, since nothing
//! was freed: the order in which counts would have fallen to zero is found by counting the references among the dead. Those of a cycle
//! never fall to zero; they, and what they refer to, are left to the next collection, as in CPython.
//!
//! Where something watched is old already a probe may look at all cells: that takes as long as a major collection marks, and leaves the old
//! ones old and the young ones young.

#![allow(unsafe_code, reason = "cells are reached through raw pointers")]

use std::collections::{HashMap, VecDeque};

use super::block::Block;
use super::cell::{Gc, Header};
use super::collect::{Deaths, Roots, Tracer};
use super::value::{Raw, Value};
use super::weak::{WeakRef, newest_first};
use super::{Collection, Heap, Kind};

/// Dead cells whose order is found; beyond that they come in the order they were made in.
const MOST: usize = 50_000;

/// When reference counts would free a cell.
#[derive(Clone, Copy)]
struct Place {
    /// Its number in the order.
    number: usize,
    /// Something with a finaliser refers to it: until that has run it is alive.
    below: bool,
}

impl Heap {
    /// Finds out which of the watched cells are dead, those made since the last collection or all; see above. Returns whether any are.
    pub fn probe(&mut self, kind: Collection, deaths: &mut Deaths, roots: &mut impl Roots) -> bool {
        let mut marks = vec![];
        if kind == Collection::Major {
            // SAFETY: live blocks.
            self.each_block(|block| unsafe {
                marks.push(*(*block).marks());
                (*block).clear_marks();
            });
        }
        let logged = self.logged.take();
        let mut tracer = Tracer::new(self);
        tracer.probed = Some(vec![]);
        roots.trace(&mut tracer);
        for raw in deaths.finalise.iter().chain(&deaths.callbacks) {
            tracer.raw(*raw);
        }
        if kind == Collection::Minor {
            tracer.drain();
            let held = [self.finalisable.reached_by(kind), self.weak.reached_by(kind)];
            let unsure: Vec<*mut Header> = held[0]
                .iter()
                .copied()
                .filter(|cell| self.is_dead(*cell) == Some(true))
                .chain(held[1].iter().filter_map(|cell| dead_target(*cell)))
                .collect();
            for header in &logged {
                // SAFETY: an old cell is allocated until a major collection frees it, and that empties the list.
                unsafe { (tracer.heap().info((**header).kind()).trace)(*header, &mut tracer) };
            }
            tracer.drain();
            deaths.unsure = unsure.iter().any(|cell| Block::is_marked(*cell));
        }
        tracer.drain();
        let living = tracer.probed.take().unwrap_or_default();
        drop(tracer);
        self.logged.set(logged);
        let before = self.probed.replace(living);
        let any = self.sort_out(kind, before, deaths);
        if kind == Collection::Major {
            let mut marks = marks.iter();
            // SAFETY: the same blocks, in the same order.
            self.each_block(|block| unsafe { (*block).set_marks(marks.next().expect("as many as there were")) });
            self.note_watched_old();
        } else {
            self.probed.borrow().iter().for_each(|header| Block::unmark(*header));
        }
        any
    }

    /// With the living marked: notes deaths. `before` lived at the last probe.
    fn sort_out(&self, kind: Collection, before: Vec<*mut Header>, deaths: &mut Deaths) -> bool {
        let cyclic = self.cyclic.borrow();
        let news = |cell: &*mut Header| !cyclic.contains(cell);
        let mut finalisable = self.finalisable.reached_by(kind);
        finalisable.retain(|cell| self.is_dead(*cell) == Some(true));
        let referred: Vec<*mut Header> = self.weak.reached_by(kind).into_iter().filter_map(dead_target).collect();
        if !finalisable.iter().chain(&referred).any(news) {
            return false;
        }
        let mut start: Vec<*mut Header> = before.into_iter().filter(|cell| !Block::is_marked(*cell)).collect();
        start.extend(finalisable.iter().chain(&referred).filter(|cell| news(cell)));
        let freed = self.freed(start);
        drop(cyclic);
        let place = |cell: *mut Header| match &freed {
            Some(freed) => freed.get(&cell).copied(),
            None => Some(Place { number: 0, below: false }),
        };
        let mut order: Vec<(usize, *mut Header)> = vec![];
        for cell in &finalisable {
            match place(*cell) {
                Some(Place { below: true, .. }) => {}
                Some(place) => order.push((place.number, *cell)),
                None => _ = self.cyclic.borrow_mut().insert(*cell),
            }
        }
        order.sort_by_key(|(number, _)| *number);
        self.finalisable.keep(kind, |cell| match self.is_dead(cell) {
            Some(dead) => !dead || place(cell).is_none_or(|place| place.below),
            None => false,
        });
        order.iter().for_each(|(_, cell)| self.note_death(*cell, deaths));
        deaths.in_order = true;
        deaths.more |= freed.as_ref().is_some_and(|freed| freed.values().any(|place| place.below));
        let mut any = !order.is_empty();
        let mut callbacks = vec![];
        self.weak.keep(kind, |cell| {
            let Some(target) = dead_target(cell) else { return true };
            match place(target) {
                Some(Place { below: true, .. }) => return true,
                Some(_) => {}
                None => {
                    self.cyclic.borrow_mut().insert(target);
                    return true;
                }
            }
            // SAFETY: entries are weak references not yet swept.
            let weak = unsafe { Gc::<WeakRef>::from_header(cell) };
            weak.clear();
            any = true;
            if Block::is_marked(cell) && !weak.callback().is_none() {
                callbacks.push((target, weak.value().raw()));
            }
            false
        });
        callbacks.sort_by_key(|(target, _)| place(*target).map(|place| place.number));
        deaths.callbacks.extend(newest_first(callbacks));
        any
    }

    /// Which of the dead, and of what they alone refer to, reference counts would have freed, and when; None if there are too many.
    fn freed(&self, start: Vec<*mut Header>) -> Option<HashMap<*mut Header, Place>> {
        let mut children: HashMap<*mut Header, Vec<*mut Header>> = HashMap::new();
        let mut counts: HashMap<*mut Header, usize> = HashMap::new();
        let mut todo = start.clone();
        while let Some(cell) = todo.pop() {
            if children.contains_key(&cell) {
                continue;
            }
            if children.len() == MOST {
                return None;
            }
            let of_cell = self.children(cell);
            for child in &of_cell {
                *counts.entry(*child).or_default() += 1;
                todo.push(*child);
            }
            children.insert(cell, of_cell);
        }
        let mut freed = HashMap::new();
        // The first on top.
        let free = start.into_iter().rev().filter(|cell| !counts.contains_key(cell));
        let mut free: Vec<(*mut Header, bool)> = free.map(|cell| (cell, false)).collect();
        while let Some((cell, below)) = free.pop() {
            if freed.contains_key(&cell) {
                continue;
            }
            freed.insert(cell, Place { number: freed.len(), below });
            let below = below || self.is_dead(cell) == Some(true);
            for child in children.remove(&cell).unwrap_or_default().into_iter().rev() {
                let count = counts.entry(child).or_default();
                *count -= 1;
                if *count == 0 {
                    free.push((child, below));
                }
            }
        }
        Some(freed)
    }

    /// Sorts cells that died together into the order in which reference counts would have freed them; those they never would have come last.
    pub(super) fn sort_dead(&self, dead: &mut [Raw]) {
        if dead.len() < 2 {
            return;
        }
        let Some(freed) = self.freed(dead.iter().map(|raw| raw.header()).collect()) else { return };
        dead.sort_by_key(|raw| freed.get(&raw.header()).map_or(usize::MAX, |place| place.number));
    }

    /// Sorts cells into the order in which CPython's collector comes to them at a program's end from these values, those of `__main__`: by how
    /// many objects are between.
    pub(crate) fn sort_as_found(&self, values: &[Raw], cells: &mut [Raw]) {
        let mut numbers: HashMap<*mut Header, usize> = HashMap::new();
        let mut todo: VecDeque<*mut Header> =
            values.iter().filter(|raw| raw.is_pointer()).map(|raw| raw.header()).collect();
        while let Some(cell) = todo.pop_front() {
            if numbers.len() == MOST {
                break;
            }
            if !numbers.contains_key(&cell) {
                numbers.insert(cell, numbers.len());
                self.add_found(cell, &mut todo);
            }
        }
        cells.sort_by_key(|raw| numbers.get(&raw.header()).copied().unwrap_or(usize::MAX));
    }

    /// What a cell refers to, itself or by the storage it has to itself.
    fn add_found(&self, cell: *mut Header, found: &mut VecDeque<*mut Header>) {
        let kind = |cell: *mut Header| {
            // SAFETY: reached from a live value.
            unsafe { (*cell).kind() }
        };
        let own = kind(cell);
        // These refer to all there is.
        if matches!(own, Kind::Module | Kind::Code | Kind::Frame) {
            return;
        }
        for child in self.referents(cell, true) {
            let storage = matches!(kind(child), Kind::Slots | Kind::Entries | Kind::SetTable | Kind::References);
            // A class's bases and derived classes aren't what it has.
            if storage {
                self.add_found(child, found);
            } else if own != Kind::Class || kind(child) == Kind::Dict {
                found.push_back(child);
            }
        }
    }

    /// The cells that scripts can see and to which a value refers, itself or by the storage it has to itself.
    pub fn referents_of(&self, value: Value<'_>) -> Vec<Raw> {
        let mut found = vec![];
        let mut todo = match value.header() {
            Some(_) => vec![value.raw().header()],
            None => vec![],
        };
        while let Some(cell) = todo.pop() {
            for child in self.referents(cell, true) {
                // SAFETY: reached from a live value.
                let kind = unsafe { (*child).kind() };
                if kind < Kind::Slots {
                    found.push(Raw::cell(child));
                } else {
                    todo.push(child);
                }
            }
        }
        found
    }

    /// The dead cells that a dead one refers to, in the order CPython lets go of them.
    fn children(&self, cell: *mut Header) -> Vec<*mut Header> {
        self.referents(cell, false)
    }

    fn referents(&self, cell: *mut Header, marked: bool) -> Vec<*mut Header> {
        let mut tracer = Tracer::new(self);
        tracer.children = Some(vec![]);
        tracer.gathers_marked = marked;
        // SAFETY: a cell that lived at the last probe, or that is referred to by one: allocated.
        let kind = unsafe {
            let kind = (*cell).kind();
            (self.info(kind).trace)(cell, &mut tracer);
            kind
        };
        let mut children = tracer.children.take().unwrap_or_default();
        if matches!(kind, Kind::Slots | Kind::Tuple) {
            children.reverse();
        }
        children
    }
}

/// What a weak reference refers to, if that is dead.
fn dead_target(cell: *mut Header) -> Option<*mut Header> {
    // SAFETY: entries are weak references not yet swept.
    unsafe { Gc::<WeakRef>::from_header(cell) }.dead_target()
}
