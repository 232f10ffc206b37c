//! What the feature `gc_stress` does: collections at seeded safepoints, freed cells overwritten at once, and a check that every old cell that
//! refers to a young one was logged. It finds values that nobody roots and stores without a barrier.

#![allow(unsafe_code, reason = "cells are reached through raw pointers")]

use std::cell::Cell as StdCell;

use super::block::Block;
use super::cell::{Header, LOGGED};
use super::{Collection, Heap, Tracer};

/// Minor collections between two major ones.
const MINORS: u32 = 64;
/// Minor collections between two checks of the log.
const CHECKS: u32 = 8;
/// Safepoints between two collections, if nobody says otherwise: often enough to find what is not rooted, and rare enough to end in time.
const EVERY: u32 = 32;

/// When the next collection comes.
#[derive(Debug)]
pub(super) struct Stress {
    every: StdCell<u32>,
    random: StdCell<u64>,
    left: StdCell<u32>,
    minors: StdCell<u32>,
}

impl Default for Stress {
    fn default() -> Stress {
        Stress {
            every: StdCell::new(EVERY),
            random: StdCell::new(0x9E37_79B9_7F4A_7C15),
            left: StdCell::new(1),
            minors: StdCell::new(0),
        }
    }
}

impl Heap {
    /// From now on about every so many safepoints a collection, at places that depend on `seed`; 1 is at each.
    pub fn set_stress(&self, every: u32, seed: u64) {
        self.stress.every.set(every.max(1));
        self.stress.random.set(seed.wrapping_mul(2) | 1);
    }

    /// The collection to run at this safepoint, under `gc_stress`.
    pub(crate) fn stress_due(&self) -> Option<Collection> {
        if !cfg!(feature = "gc_stress") {
            return None;
        }
        let stress = &self.stress;
        let left = stress.left.get().saturating_sub(1);
        stress.left.set(left);
        if left > 0 {
            return None;
        }
        let random =
            stress.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        stress.random.set(random);
        let every = stress.every.get();
        stress.left.set(if every == 1 { 1 } else { 1 + (random >> 33) as u32 % (2 * every - 1) });
        let minors = stress.minors.get();
        stress.minors.set(minors.wrapping_add(1));
        Some(if minors.is_multiple_of(MINORS) { Collection::Major } else { Collection::Minor })
    }

    /// Before a minor collection: panics if an old cell that nobody logged refers to a young one.
    pub(super) fn check_log(&self) {
        if !cfg!(feature = "gc_stress") || !self.stress.minors.get().is_multiple_of(CHECKS) {
            return;
        }
        let mut tracer = Tracer::checking(self);
        self.each_block(|block| {
            // SAFETY: a live block; marked cells are allocated, and their kind's function knows their layout.
            unsafe {
                for cell in Block::cells(block) {
                    if Block::is_marked(cell) && (*cell).flags() & LOGGED == 0 {
                        (self.info((*cell).kind()).trace)(cell, &mut tracer);
                        let young = tracer.take_young();
                        assert!(
                            young.is_none(),
                            "an old {:?} refers to a young {:?} and was not logged",
                            (*cell).kind(),
                            young.map(|cell: *mut Header| (*cell).kind())
                        );
                    }
                }
            }
        });
    }

    /// After a collection: overwrites what died, so that a use of it shows.
    pub(super) fn poison_dead(&self) {
        if !cfg!(feature = "gc_stress") {
            return;
        }
        self.each_block(|block| {
            // SAFETY: a live block; cells without a mark are dead, and what they owned has been dropped.
            unsafe {
                let size = (*block).cell_size;
                for cell in Block::cells(block) {
                    if !Block::is_marked(cell) && !(*cell).is_free() {
                        super::poison(cell.cast(), size, size);
                    }
                }
            }
        });
    }
}
