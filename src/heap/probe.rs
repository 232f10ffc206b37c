//! Probes: which of the young cells that scripts can see dying have died, as prompt as reference counts would tell.
//!
//! A probe marks as a minor collection does, but takes the marks back: what lives stays young, and nothing is freed. So it can be asked
//! again soon for what happened since, at the cost of what is young and alive. What has died since the last probe is at hand, since nothing
//! was freed: the order in which counts would have fallen to zero is found by counting the references among the dead. Those of a cycle
//! never fall to zero; they, and what they refer to, are left to the next collection, as in CPython.

#![allow(unsafe_code, reason = "cells are reached through raw pointers")]

use std::collections::HashMap;

use super::block::Block;
use super::cell::{Gc, Header};
use super::collect::{Deaths, Tracer};
use super::value::Raw;
use super::weak::WeakRef;
use super::{Heap, Kind};

/// Dead cells whose order is found; beyond that they come in the order they were made in.
const MOST: usize = 50_000;

impl Heap {
    /// Finds out which of the watched cells made since the last collection are dead; see above. Returns whether any are.
    pub fn probe(&mut self, deaths: &mut Deaths, roots: impl FnOnce(&mut Tracer<'_>)) -> bool {
        let logged = self.logged.take();
        let mut tracer = Tracer::new(self);
        tracer.probed = Some(vec![]);
        roots(&mut tracer);
        for raw in deaths.finalise.iter().chain(&deaths.callbacks) {
            tracer.raw(*raw);
        }
        for header in &logged {
            // SAFETY: an old cell is allocated until a major collection frees it, and that empties the list.
            unsafe { (tracer.heap().info((**header).kind()).trace)(*header, &mut tracer) };
        }
        tracer.drain();
        let living = tracer.probed.take().unwrap_or_default();
        drop(tracer);
        self.logged.set(logged);
        let before = self.probed.replace(living);
        let any = self.sort_out(before, deaths);
        self.probed.borrow().iter().for_each(|header| Block::unmark(*header));
        any
    }

    /// With the living marked: notes deaths. `before` lived at the last probe.
    fn sort_out(&self, before: Vec<*mut Header>, deaths: &mut Deaths) -> bool {
        let cyclic = self.cyclic.borrow();
        let news = |cell: &*mut Header| !cyclic.contains(cell);
        let finalisable: Vec<*mut Header> =
            self.finalisable.young.borrow().iter().copied().filter(|cell| self.is_dead(*cell) == Some(true)).collect();
        let referred: Vec<*mut Header> =
            self.weak.young.borrow().iter().filter_map(|cell| dead_target(*cell)).collect();
        if !finalisable.iter().chain(&referred).any(news) {
            return false;
        }
        let mut start: Vec<*mut Header> = before.into_iter().filter(|cell| !Block::is_marked(*cell)).collect();
        start.extend(finalisable.iter().chain(&referred).filter(|cell| news(cell)));
        let freed = self.freed(start);
        drop(cyclic);
        let number = |cell: *mut Header| match &freed {
            Some(freed) => freed.get(&cell).copied(),
            None => Some(0),
        };
        let mut order: Vec<(usize, *mut Header)> = vec![];
        for cell in &finalisable {
            match number(*cell) {
                Some(number) => order.push((number, *cell)),
                None => _ = self.cyclic.borrow_mut().insert(*cell),
            }
        }
        order.sort_by_key(|(number, _)| *number);
        self.finalisable.young.borrow_mut().retain(|cell| match self.is_dead(*cell) {
            Some(dead) => !dead || number(*cell).is_none(),
            None => false,
        });
        order.iter().for_each(|(_, cell)| self.note_death(*cell, deaths));
        let mut any = !order.is_empty();
        self.weak.young.borrow_mut().retain(|cell| {
            let Some(target) = dead_target(*cell) else { return true };
            if number(target).is_none() {
                self.cyclic.borrow_mut().insert(target);
                return true;
            }
            // SAFETY: entries are weak references not yet swept.
            let weak = unsafe { Gc::<WeakRef>::from_header(*cell) };
            weak.clear();
            any = true;
            if Block::is_marked(*cell) && !weak.callback().is_none() {
                deaths.callbacks.push(weak.value().raw());
            }
            false
        });
        any
    }

    /// Which of the dead, and of what they alone refer to, reference counts would have freed, numbered in that order; None if there are too many.
    fn freed(&self, start: Vec<*mut Header>) -> Option<HashMap<*mut Header, usize>> {
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
        let mut free: Vec<*mut Header> = start.into_iter().rev().filter(|cell| !counts.contains_key(cell)).collect();
        while let Some(cell) = free.pop() {
            if freed.contains_key(&cell) {
                continue;
            }
            freed.insert(cell, freed.len());
            for child in children.remove(&cell).unwrap_or_default().into_iter().rev() {
                let count = counts.entry(child).or_default();
                *count -= 1;
                if *count == 0 {
                    free.push(child);
                }
            }
        }
        Some(freed)
    }

    /// Sorts cells into the order in which they would be freed if these values were let go of one after the other.
    pub(crate) fn sort_as_freed(&self, values: &[Raw], cells: &mut [Raw]) {
        let mut numbers: HashMap<*mut Header, usize> = HashMap::new();
        let mut todo: Vec<*mut Header> =
            values.iter().rev().filter(|raw| raw.is_pointer()).map(|raw| raw.header()).collect();
        while let Some(cell) = todo.pop() {
            // SAFETY: reached from a live value.
            let kind = unsafe { (*cell).kind() };
            // These refer to all there is.
            let ends = matches!(kind, Kind::Function | Kind::Module | Kind::Class | Kind::Code | Kind::Frame);
            if numbers.len() < MOST && !numbers.contains_key(&cell) {
                numbers.insert(cell, numbers.len());
                if !ends {
                    todo.extend(self.referents(cell, true).into_iter().rev());
                }
            }
        }
        cells.sort_by_key(|raw| numbers.get(&raw.header()).copied().unwrap_or(usize::MAX));
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
    let weak = unsafe { Gc::<WeakRef>::from_header(cell) };
    if weak.target_dead() { weak.target().map(|target| target.raw().header()) } else { None }
}
