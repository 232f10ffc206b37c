//! The collector: mark and sweep, with sticky marks for minor collections. A cell that survives is marked and old; a
//! minor collection marks on from the roots and from the old cells that were written to, and leaves old cells alone.
//! Nothing here recurses: marking has a stack of its own.

#![allow(unsafe_code, reason = "cells are reached through raw pointers")]

use super::block::Block;
use super::cell::{Entry, FINALISABLE, FINALISED, Field, Header, LOGGED, OLD, Slot};
use super::value::{Raw, Value};
use super::weak::{WeakRef, newest_first};
use super::{Heap, MAJOR_FLOOR};

/// Visits what a cell refers to.
#[derive(Debug)]
pub struct Tracer<'a> {
    heap: &'a Heap,
    stack: Vec<*mut Header>,
    marked_bytes: usize,
    /// Nothing is marked: it is looked for a young cell.
    checking: bool,
    young: Option<*mut Header>,
    /// What was marked, where the marks are to be taken back and nothing grows old.
    pub(super) probed: Option<Vec<*mut Header>>,
    /// Nothing is marked: the unmarked cells that are visited are gathered.
    pub(super) children: Option<Vec<*mut Header>>,
    /// And the marked ones too.
    pub(super) gathers_marked: bool,
    /// Where classes can die: the class of each shape that none of the cells looked at so far has.
    classes: Vec<Raw>,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(heap: &'a Heap) -> Tracer<'a> {
        Tracer {
            heap,
            stack: vec![],
            marked_bytes: 0,
            checking: false,
            young: None,
            probed: None,
            children: None,
            gathers_marked: false,
            classes: vec![],
        }
    }

    /// One that marks nothing and looks for young cells.
    pub(super) fn checking(heap: &'a Heap) -> Tracer<'a> {
        Tracer { checking: true, ..Tracer::new(heap) }
    }

    /// The heap it goes over.
    pub fn heap(&self) -> &'a Heap {
        self.heap
    }

    /// A young cell that was visited since this was asked last.
    pub(super) fn take_young(&mut self) -> Option<*mut Header> {
        self.young.take()
    }
}

impl Tracer<'_> {
    /// Visits a value in a cell.
    #[inline]
    pub fn slot(&mut self, slot: &Slot) {
        self.raw(slot.get().raw());
    }

    /// Visits a cell, or none, in a cell.
    #[inline]
    pub(crate) fn reference(&mut self, field: &impl Field) {
        let header = field.target();
        if !header.is_null() {
            self.mark(header);
        }
    }

    /// Visits an entry of a dict.
    #[inline]
    pub fn entry(&mut self, entry: &Entry) {
        self.slot(&entry.key);
        self.slot(&entry.value);
    }

    /// Visits a value held as a root.
    #[inline]
    pub fn raw(&mut self, raw: Raw) {
        if raw.is_pointer() {
            self.mark(raw.header());
        }
    }

    /// Visits a root and looks inside even if it is old: for frames that run without a barrier.
    pub fn again(&mut self, raw: Raw) {
        if raw.is_pointer() && !self.mark(raw.header()) {
            self.stack.push(raw.header());
        }
    }

    /// The same for storage that no value refers to by itself.
    pub(crate) fn again_inside<T: super::Cell>(&mut self, cell: super::Gc<'_, T>) {
        if !self.mark(cell.pointer()) {
            self.stack.push(cell.pointer());
        }
    }

    #[inline]
    fn mark(&mut self, header: *mut Header) -> bool {
        if cfg!(feature = "gc_stress") && self.checking {
            if !Block::is_marked(header) {
                self.young = Some(header);
            }
            return true;
        }
        if let Some(children) = &mut self.children {
            if self.gathers_marked || !Block::is_marked(header) {
                children.push(header);
            }
            return true;
        }
        if !Block::mark(header) {
            return false;
        }
        // SAFETY: reached from a root, so allocated.
        unsafe {
            if cfg!(any(debug_assertions, feature = "gc_stress")) {
                assert!((*header).kind() != super::Kind::Free, "a live value refers to a freed cell");
            }
            match &mut self.probed {
                Some(probed) => probed.push(header),
                None => (*header).set_flags(((*header).flags() | OLD) & !LOGGED),
            }
            self.marked_bytes += (*Block::of(header)).cell_size;
            if !self.heap.info((*header).kind()).leaf {
                self.stack.push(header);
            } else {
                debug_assert_eq!((*header).shape(), 0, "what has a shape is looked at, for its class");
            }
        }
        true
    }

    /// Whether the cell of a value is marked.
    pub fn is_alive(&self, raw: Raw) -> bool {
        raw.is_pointer() && Block::is_marked(raw.header())
    }

    pub(super) fn drain(&mut self) {
        if !self.classes.is_empty() {
            return self.drain_with_classes();
        }
        while let Some(header) = self.stack.pop() {
            // SAFETY: marked cells are allocated, and their kind's function knows their layout.
            unsafe { (self.heap.info((*header).kind()).trace)(header, self) }
        }
    }
}

impl Tracer<'_> {
    /// As `drain`; the class of a cell that has a shape is alive too.
    fn drain_with_classes(&mut self) {
        while let Some(header) = self.stack.pop() {
            // SAFETY: marked cells are allocated, and their kind's function knows their layout.
            unsafe {
                if let Some(class) = self.classes.get_mut((*header).shape() as usize)
                    && class.is_pointer()
                {
                    let class = std::mem::replace(class, Raw::UNBOUND);
                    self.raw(class);
                }
                (self.heap.info((*header).kind()).trace)(header, self);
            }
        }
    }
}

/// What refers to cells from outside of the heap.
pub trait Roots {
    /// Visits every value that is held.
    fn trace(&mut self, tracer: &mut Tracer<'_>);

    /// The class of each shape, where those that nothing refers to are to die; else `trace` has visited them.
    fn classes(&self) -> Option<&[Raw]> {
        None
    }

    /// Where there are `classes`: what is alive is marked, what is not is about to be freed.
    fn forget_dead(&mut self, tracer: &mut Tracer<'_>) {
        let _ = tracer;
    }
}

/// Nothing refers to anything.
pub(super) struct NoRoots;

impl Roots for NoRoots {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
}

/// Which collection to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// Only what was made since the last one.
    Minor,
    /// Everything.
    Major,
}

/// What a collection found that scripts can see.
#[derive(Debug, Default)]
pub struct Deaths {
    /// Cells with a finaliser that nothing refers to any more; kept alive until it has run.
    pub finalise: Vec<Raw>,
    /// Weak references with a callback whose object is gone.
    pub callbacks: Vec<Raw>,
    /// The new ones in `finalise` are in the order in which reference counts would have told of them.
    pub in_order: bool,
    /// Once they are seen to others will have died.
    pub more: bool,
    /// Something watched is held by nothing but old cells, which may be dead.
    pub unsure: bool,
    /// How many of both are being seen to, last to first; the others are new.
    pub begun: [usize; 2],
}

impl Deaths {
    /// Whether there are any that nobody sees to yet.
    pub fn any_new(&self) -> bool {
        [self.finalise.len(), self.callbacks.len()] != self.begun
    }
}

impl Heap {
    /// The collection that is due.
    pub fn due(&self) -> Collection {
        if self.live.get() >= self.major_at.get() { Collection::Major } else { Collection::Minor }
    }

    /// Collects. What died with a finaliser or a weak callback is added to `deaths` (and is kept alive by the caller visiting that as a root
    /// next time).
    pub fn collect(&mut self, kind: Collection, deaths: &mut Deaths, roots: &mut impl Roots) {
        if kind == Collection::Major {
            self.each_block(|block| {
                // SAFETY: a live block.
                unsafe { (*block).clear_marks() }
            });
            self.live.set(0);
        }
        if kind == Collection::Minor {
            self.check_log();
        }
        self.probed.take();
        self.cyclic.take();
        let logged = self.logged.take();
        for header in &logged {
            // SAFETY: an old cell is allocated until a major collection frees it, and that empties the list.
            unsafe { (**header).set_flags((**header).flags() & !LOGGED) }
        }
        let mut tracer = Tracer::new(self);
        if let Some(classes) = roots.classes() {
            debug_assert_eq!(kind, Collection::Major, "old cells are not looked at otherwise");
            tracer.classes = classes.to_vec();
        }
        roots.trace(&mut tracer);
        for raw in deaths.finalise.iter().chain(&deaths.callbacks) {
            tracer.raw(*raw);
        }
        if kind == Collection::Minor {
            for header in logged {
                // SAFETY: as above.
                unsafe {
                    let info = tracer.heap.info((*header).kind());
                    (info.trace)(header, &mut tracer);
                }
            }
        }
        tracer.drain();
        self.find_deaths(kind, &mut tracer, deaths);
        if !tracer.classes.is_empty() {
            roots.forget_dead(&mut tracer);
            tracer.drain();
        }
        let marked = tracer.marked_bytes;
        drop(tracer);
        self.live.set(self.live.get() + marked);
        if kind == Collection::Major {
            self.major_at.set((self.live.get() * 2).max(MAJOR_FLOOR));
        }
        if self.is_probed.get() {
            self.note_watched_old();
        }
        self.sweep(kind);
        self.poison_dead();
        self.allocated.set(0);
        self.nursery.set(self.nursery_size());
        self.collections.set(self.collections.get() + 1);
    }

    /// Finds finalisable cells and weakly referred ones that died; finalisable ones live on until their finaliser has run.
    fn find_deaths(&self, kind: Collection, tracer: &mut Tracer<'_>, deaths: &mut Deaths) {
        // Weak references to what is dead are cleared before finalisers can revive it, as CPython does.
        let mut callbacks = vec![];
        self.weak.retain(kind, |cell| self.reference_lives(cell, &mut callbacks));
        deaths.callbacks.extend(newest_first(callbacks));
        let known = deaths.finalise.len();
        self.finalisable.retain(kind, |cell| self.watched_lives(cell, deaths));
        if self.is_probed.get() {
            self.sort_dead(&mut deaths.finalise[known..]);
            deaths.in_order = true;
        }
        for raw in &deaths.finalise {
            tracer.raw(*raw);
        }
        tracer.drain();
    }

    /// Whether a weak reference lives and what it refers to does; if that died it is cleared, and noted where there is a callback.
    fn reference_lives(&self, cell: *mut Header, callbacks: &mut Vec<(*mut Header, Raw)>) -> bool {
        let alive = Block::is_marked(cell);
        // SAFETY: entries are weak references not yet swept.
        let weak = unsafe { super::Gc::<WeakRef>::from_header(cell) };
        if let Some(target) = weak.dead_target() {
            weak.clear();
            if alive && !weak.callback().is_none() {
                callbacks.push((target, weak.value().raw()));
            }
            return false;
        }
        alive
    }

    /// Whether a finalisable cell lives, and is to be watched further; if it died that is noted.
    fn watched_lives(&self, cell: *mut Header, deaths: &mut Deaths) -> bool {
        match self.is_dead(cell) {
            None => false,
            Some(false) => true,
            Some(true) => {
                self.note_death(cell, deaths);
                false
            }
        }
    }

    /// Whether a cell registered as finalisable has died; None if it is not watched any more.
    pub(super) fn is_dead(&self, cell: *mut Header) -> Option<bool> {
        // SAFETY: entries are cells not yet swept.
        let flags = unsafe { (*cell).flags() };
        // Taken back, or in the list twice because it was taken back and given again.
        if flags & FINALISABLE == 0 || flags & FINALISED != 0 { None } else { Some(!Block::is_marked(cell)) }
    }

    pub(super) fn note_death(&self, cell: *mut Header, deaths: &mut Deaths) {
        // SAFETY: as above.
        let header = unsafe { &*cell };
        header.set_flags(header.flags() | FINALISED);
        self.watched.set(self.watched.get() - 1);
        deaths.finalise.push(Raw::cell(cell));
    }

    /// Visits dead cells that own Rust memory, frees large ones, and makes all blocks available to allocation again.
    fn sweep(&mut self, kind: Collection) {
        for class in &self.classes {
            class.restart(kind == Collection::Major);
        }
        for class in &self.dropping {
            // What a minor collection finds dead is young, so it is where cells were taken from since the last one.
            match kind {
                Collection::Minor => class.each_filled_block(|block| self.drop_dead(block)),
                Collection::Major => class.each_block(|block| self.drop_dead(block)),
            }
            class.restart(kind == Collection::Major);
        }
        let mut large = self.large.take();
        let mut source = self.source.borrow_mut();
        large.retain(|block| {
            let cell = Block::cell(block.as_ptr(), 0, 0);
            if Block::is_marked(cell) {
                return true;
            }
            self.drop_dead(block.as_ptr());
            source.give_large(*block);
            false
        });
        drop(source);
        self.large.replace(large);
    }

    /// Drops the unmarked cells of a block.
    fn drop_dead(&self, block: *mut Block) {
        // SAFETY: a live block; its cells are zeroed, freed or of a kind whose function knows their layout.
        unsafe {
            if !(*block).drops {
                return;
            }
            for cell in Block::cells(block) {
                if !Block::is_marked(cell) && !(*cell).is_free() {
                    if let Some(drop) = self.info((*cell).kind()).drop {
                        drop(cell);
                    }
                    (*cell).set_free();
                }
            }
        }
    }

    /// Every marked cell as a value, right after a major collection: for `gc.get_objects` and the like.
    pub fn each_live(&self, mut visit: impl FnMut(Value<'_>)) {
        self.each_block(|block| {
            // SAFETY: a live block; marked cells are allocated.
            unsafe {
                for cell in Block::cells(block) {
                    if Block::is_marked(cell) {
                        visit(Value::adopt(Raw::cell(cell)));
                    }
                }
            }
        });
    }
}
