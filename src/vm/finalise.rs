//! What happens when objects die: finalisers, callbacks of weak references, coroutines that nobody awaited.

use std::io;

use crate::bytecode::code::CodeFlags;
use crate::heap::{Collection, Kind, LONGEST_PAUSE, Raw, Value, WeakRef, interrupt};
use crate::object::{
    AsyncGeneratorStep, CLOSED, COROUTINES, Exc, GeneratorState, List, MADE, Module, OWNED, REPORTED, StepMode, Str,
    Tuple, any_generator,
};

use super::Dict;
use super::Name;
use super::Vm;
use super::coroutine::NativeCoroutine;
use super::frame::{Deliver, Record, RecordKind};
use super::host::StdStream;
use super::native::{NativeKind, Raised, Root, Then};

/// Up to this many bytes of heap a major collection is as good as a minor one.
const SMALL: usize = 16 << 20;
/// How many of the things that may have been dropped are looked at one by one.
const FEW: usize = 64;

impl Vm {
    /// The name a coroutine or generator shows.
    pub fn coroutine_name(&self, value: Value<'_>) -> String {
        if let Some(native) = value.exact::<NativeCoroutine>() {
            let name = native.def.name;
            let class = match native.def.kind {
                NativeKind::Method => {
                    native.saved(0).map(|this| self.class_of(this).name().to_str_lossy().into_owned())
                }
                _ => None,
            };
            return class.map_or_else(|| name.to_owned(), |class| format!("{class}.{name}"));
        }
        let Some(generator) = any_generator(value) else { return String::new() };
        let key = self.name(Name::Qualname);
        let details = generator.details.get::<Dict>();
        if let Some(name) = details.and_then(|d| d.get_str(&self.heap, key)).and_then(|v| v.exact::<Str>()) {
            return name.to_str_lossy().into_owned();
        }
        generator.function.get().map_or(String::new(), |function| self.function_label(function.held()))
    }

    /// An expression statement drops something with a finaliser. If nothing else refers to it, it dies at once; a coroutine that was not begun is
    /// reported.
    pub(super) fn discard(&mut self, raw: Raw) -> Result<(), Raised> {
        let value = Value::adopt(raw);
        let record = *self.fiber.records.last().expect("the frame");
        if !self.heap.is_finalisable(value) {
            let register = (record.code().get().words[record.word() as usize].get() >> 8) as u8;
            self.set_register(&Record { dst: register, ..record }, Raw::NONE);
            return self.let_go(raw);
        }
        let code = record.code();
        let word = record.word();
        let register = (code.get().words[word as usize].get() >> 8) as u8;
        self.set_register(&Record { dst: register, ..record }, Raw::NONE);
        let unawaited = match any_generator(value) {
            Some(generator) => {
                generator.value().kind() == Kind::Coroutine && generator.state.get() == GeneratorState::Created
            }
            None => value.exact::<NativeCoroutine>().is_some_and(|n| n.state.get() == GeneratorState::Created),
        };
        if !unawaited {
            return self.let_go(raw);
        }
        // Once for each place whatever it costs: a warning is shown once, and looking costs a collection.
        let first = self.coroutines.discards.insert((std::sync::Arc::as_ptr(&code.code).addr(), word));
        match self.may_look() {
            Some(begun) => self.look_for_deaths(Collection::Minor, begun),
            None if first => self.collect_and_finalise(Collection::Minor),
            None => self.mark_reported(value),
        }
        Ok(())
    }

    /// Whether it is a coroutine that was not begun and that no task is going to begin.
    fn is_left(&self, value: Value<'_>) -> bool {
        match any_generator(value) {
            Some(generator) => {
                generator.value().kind() == Kind::Coroutine
                    && generator.state.get() == GeneratorState::Created
                    && !generator.has(OWNED | REPORTED)
            }
            None => value
                .exact::<NativeCoroutine>()
                .is_some_and(|n| n.state.get() == GeneratorState::Created && n.flags.get() & (OWNED | REPORTED) == 0),
        }
    }

    /// A task has got the coroutine.
    pub fn owned_by_task(&self, coroutine: Value<'_>) {
        if let Some(native) = coroutine.exact::<NativeCoroutine>() {
            native.flags.set(native.flags.get() | OWNED);
        } else if let Some(generator) = any_generator(coroutine).filter(|_| coroutine.kind() == Kind::Coroutine) {
            generator.set_flag(OWNED, true);
        }
    }

    /// Notes that a coroutine was made by the innermost frame.
    pub(super) fn coroutine_made(&mut self) {
        let Some(record) = self.fiber.records.iter_mut().rev().find(|record| record.function.is_some()) else { return };
        match record.kind {
            RecordKind::InPlace { generator, .. } if generator.value().kind() == Kind::Coroutine => {
                generator.set_flag(COROUTINES, true);
            }
            RecordKind::InPlace { .. } => {}
            _ => record.flags |= Record::COROUTINES,
        }
    }

    /// A frame is about to end: its variables let go of what they have last to first, and so does a list.
    pub(super) fn note_order(&mut self, record: &Record) {
        self.coroutines.order.clear();
        for register in (0..record.code().get().code.near_locals.min(FEW as u16)).rev() {
            let raw = self.register_of(record, register as u8);
            self.order_of(raw);
        }
    }

    fn order_of(&mut self, raw: Raw) {
        if !raw.is_pointer() {
            return;
        }
        let value = Value::<'static>::adopt(raw);
        let order = &mut self.coroutines.order;
        order.push(raw);
        if let Some(list) = value.exact::<List>() {
            order.extend(list.items().take(FEW).map(|item| item.raw()).collect::<Vec<_>>().into_iter().rev());
        } else if let Some(tuple) = value.exact::<Tuple>() {
            order.extend(tuple.items().take(FEW).map(|item| item.raw()).collect::<Vec<_>>().into_iter().rev());
        }
    }

    /// A frame that made something with a finaliser (`made`), or only coroutines, has ended: see `frame_dropped`.
    #[cold]
    #[inline(never)]
    pub(super) fn frame_left(&mut self, kept: Raw, made: bool) {
        if made || self.heap.any_finalisable_lately(FEW, |value| !value.raw().same(kept) && self.is_left(value)) {
            self.frame_dropped(kept);
        }
        self.coroutines.order.clear();
    }

    /// The program has ended: whatever has a finaliser gets it run, while all else is as it was. First what `__main__` has names for, in the
    /// order of the names, then the rest as it was made.
    pub fn finalise_all(&mut self) {
        // Finalisers can make more of what has a finaliser, without end.
        const ROUNDS: usize = 8;
        // What an earlier collection found and no safepoint has come to yet.
        self.run_finalisers();
        for _ in 0..ROUNDS {
            if self.heap.has_finalisable() {
                self.collect_and_finalise(Collection::Major);
            }
            if !self.heap.has_finalisable() {
                return;
            }
            self.heap.take_finalisable(&mut self.deaths);
            let main = self.find_module("__main__").and_then(|main| main.exact::<Module>());
            let named: Vec<Raw> =
                main.map_or(vec![], |main| main.dict().iter().map(|(_, value)| value.raw()).collect());
            self.heap.sort_as_found(&named, &mut self.deaths.finalise);
            self.deaths.in_order = true;
            self.run_finalisers();
        }
    }

    /// Registers something that was just made for its finaliser: if it lives no longer than the frame, that runs when the frame ends.
    pub(crate) fn made_finalisable(&mut self, raw: Raw) {
        self.heap.finalisable(Value::adopt(raw));
        self.frame_made();
    }

    /// Notes that the innermost frame made something with a finaliser.
    pub(super) fn frame_made(&mut self) {
        let Some(record) = self.fiber.records.iter_mut().rev().find(|record| record.function.is_some()) else { return };
        match record.kind {
            RecordKind::InPlace { generator, .. } => generator.set_flag(MADE, true),
            _ => record.flags |= Record::MADE,
        }
    }

    /// Something with a finaliser was constructed and is about to be stored for the frame on top. If that is in a local variable which has
    /// another such thing, that one may die: `x = File(1); x = File(2)`.
    pub(super) fn replace_local(&mut self, made: Raw) -> Result<(), Raised> {
        let record = *self.fiber.records.last().expect("whoever constructs");
        let stores = matches!(record.kind, RecordKind::Plain | RecordKind::InPlace { .. })
            && record.deliver == Deliver::Store
            && u16::from(record.dst) < record.code().get().code.near_locals;
        if !stores {
            return Ok(());
        }
        let old = self.register_of(&record, record.dst);
        if old.is_pointer() && self.heap.is_finalisable(Value::adopt(old)) {
            self.set_register(&record, Raw::UNBOUND);
            let mark = self.mark();
            self.push_raw(made);
            self.let_go(old)?;
            self.release(mark);
        }
        Ok(())
    }

    /// An exception leaves an instruction. Coroutines that were not begun and that only the stack has, as in `for x in f()` or `f() + 1`, are
    /// reported while the frame still is there.
    /// `kept`: registers below this one are used by the handler that the frame has.
    pub(super) fn drop_unstarted(&mut self, record: &Record, word: u32, kept: u8) {
        let code = record.code();
        let mut dropped = false;
        for register in code.code.near_locals.max(u16::from(kept))..code.code.height(word).min(u16::from(u8::MAX)) {
            let raw = self.register_of(record, register as u8);
            if raw.is_pointer() && self.heap.is_finalisable(Value::adopt(raw)) && self.is_left(Value::adopt(raw)) {
                self.set_register(&Record { dst: register as u8, ..*record }, Raw::NONE);
                dropped = true;
            }
        }
        if !dropped {
            return;
        }
        let raised = std::mem::replace(&mut self.raised, Raw::UNBOUND);
        (self.fiber.top, self.fiber.window) = (record.end, record.end);
        let mark = self.mark();
        let raised = self.push_raw(raised);
        self.collect(Collection::Minor);
        self.interrupt().fetch_and(!interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
        self.run_finalisers();
        self.raised = raised.get(self).raw();
        self.release(mark);
    }

    /// A frame that made something with a finaliser has ended, or drops what it had on its stack; `kept` is what it leaves behind. Runs the
    /// finalisers of what died with it. The record on top is that of its caller, or its own.
    #[cold]
    #[inline(never)]
    pub(super) fn frame_dropped(&mut self, kept: Raw) {
        if !self.heap.has_finalisable() {
            return;
        }
        if let Some(begun) = self.may_look() {
            let mark = self.mark();
            self.push_raw(kept);
            // A major collection where that is as good: what was made may have been looked for before.
            let kind = if self.heap.used() > SMALL { Collection::Minor } else { Collection::Major };
            self.look_for_deaths(kind, begun);
            self.release(mark);
        }
        // It may have been handed on.
        if kept.is_pointer() && self.heap.has_finalisable() {
            self.frame_made();
        }
    }

    /// The time, if looking for what has died has not taken more than its share of it.
    fn may_look(&self) -> Option<f64> {
        const SHARE: f64 = 0.05;
        // Slow builds, and those that collect all the time, are to show tests the same.
        const AT_FIRST: f64 = match (cfg!(feature = "gc_stress"), cfg!(debug_assertions)) {
            (true, _) => 20.0,
            (false, true) => 1.0,
            (false, false) => 0.05,
        };
        let begun = self.host().process_time();
        (self.coroutines.looked <= begun * SHARE + AT_FIRST).then_some(begun)
    }

    fn look_for_deaths(&mut self, kind: Collection, begun: f64) {
        if self.heap.is_probed() {
            let mut kind = if self.heap.watched_ages().1 { kind } else { Collection::Minor };
            let mut begun = Some(begun);
            while let Some(time) = begun {
                let died = self.probe(kind);
                let mut more = std::mem::take(&mut self.deaths.more);
                if std::mem::take(&mut self.deaths.unsure) && self.heap.used() <= SMALL {
                    (kind, more) = (Collection::Major, true);
                }
                self.coroutines.looked += self.host().process_time() - time;
                if died {
                    self.interrupt().fetch_and(!interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
                    self.run_finalisers_first();
                }
                begun = if more { self.may_look() } else { None };
            }
            return;
        }
        self.collect(kind);
        self.coroutines.looked += self.host().process_time() - begun;
        self.interrupt().fetch_and(!interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
        self.run_finalisers();
    }

    /// Before a statement of a program with finalisers or weak references, or after one of a program that may drop coroutines: runs the
    /// finalisers of what has died since the one before.
    #[cold]
    #[inline(never)]
    pub(super) fn look(&mut self) {
        // Statements before it is asked again whether there is time to look; twice as many each time there is none.
        const PAUSE: u32 = 32;
        let all = self.heap.shows_deaths();
        if !all {
            let left = self.left_coroutines();
            if left.is_empty() {
                self.heap.stop_looking();
                return;
            }
            // What waits for its report is nobody's, and has its turn.
            if self.coroutines.finalising > 0 || self.all_are_held(left) {
                self.heap.look_at_next();
                return;
            }
        }
        if !self.heap.is_probed() {
            if all {
                // What there is so far grows old: then looking is quick.
                self.collect(Collection::Minor);
            }
            self.heap.begin_probing();
        }
        self.heap.look_at_next();
        let (young, old) = self.heap.watched_ages();
        if !young && !old {
            self.heap.stop_looking();
            return;
        }
        let old = old && self.heap.used() <= SMALL;
        if !young && !old {
            return;
        }
        match self.may_look() {
            Some(begun) => {
                self.coroutines.pause = PAUSE;
                self.look_for_deaths(if old { Collection::Major } else { Collection::Minor }, begun);
            }
            None => {
                self.heap.pause_looking(self.coroutines.pause);
                self.coroutines.pause = (self.coroutines.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
            }
        }
    }

    /// The coroutines made lately that were not begun and that no task is going to begin.
    fn left_coroutines(&self) -> Vec<Raw> {
        let mut left = vec![];
        self.heap.any_finalisable_lately(FEW, |value| {
            if self.is_left(value) {
                left.push(value.raw());
            }
            false
        });
        left
    }

    /// Whether variables of the innermost frames, or the lists, tuples and dicts in these, have all of them: then none has died.
    fn all_are_held(&self, mut sought: Vec<Raw>) -> bool {
        const FRAMES: usize = 4;
        let frames = self.fiber.records.iter().rev().filter(|record| record.function.is_some()).take(FRAMES);
        for record in frames {
            for register in 0..record.code().get().code.near_locals.min(FEW as u16) {
                remove_held(self.register_of(record, register as u8), &mut sought);
            }
            if record.code().get().flags().contains(CodeFlags::MODULE)
                && let Some(function) = record.function
            {
                for (_, value) in function.globals().iter().take(4 * FEW) {
                    remove_held(value.raw(), &mut sought);
                }
            }
            if sought.is_empty() {
                return true;
            }
        }
        false
    }

    /// The event loop is about to wait: time to look whether what was made lately has died.
    pub fn look_while_idle(&mut self) {
        if self.heap.has_young_finalisable()
            && let Some(begun) = self.may_look()
        {
            self.look_for_deaths(Collection::Minor, begun);
        }
    }

    /// Collects, and runs the finalisers of what died.
    pub fn collect_and_finalise(&mut self, kind: Collection) {
        self.collect(kind);
        self.interrupt().fetch_and(!interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
        self.run_finalisers();
    }

    /// What `gc.collect()` does.
    pub fn collect_as_asked(&mut self, kind: Collection) {
        self.collect_with_classes(kind);
        self.interrupt().fetch_and(!interrupt::FINALISE, std::sync::atomic::Ordering::Relaxed);
        self.run_finalisers();
    }

    /// Makes something that takes descriptors. Where too many are open, those that nobody refers to any more are closed, and it is tried again.
    pub fn reclaiming<T>(&mut self, mut make: impl FnMut(&mut Vm) -> io::Result<T>) -> io::Result<T> {
        match make(self) {
            Err(error) if self.reclaim(&error) => make(self),
            result => result,
        }
    }

    /// If an error says that too many descriptors are open (ENFILE, EMFILE): closes those that nobody refers to any more. Whether it does.
    pub fn reclaim(&mut self, error: &io::Error) -> bool {
        let too_many = matches!(error.raw_os_error(), Some(23 | 24));
        if too_many {
            self.collect_and_finalise(Collection::Major);
            self.host_mut().flush_files();
        }
        too_many
    }

    /// A variable let go of something with a finaliser. If it may have died young, that is looked into at once, as long as such looking takes no
    /// more than a twentieth of the time.
    #[cold]
    #[inline(never)]
    pub(super) fn let_go(&mut self, raw: Raw) -> Result<(), Raised> {
        let value = Value::adopt(raw);
        let mut old = self.heap.is_old(value);
        if !self.heap.is_finalisable(value) {
            // A list or tuple that begins with such things, which die last to first.
            let first = match value.exact::<List>() {
                Some(list) => list.items().next(),
                None => value.exact::<Tuple>().and_then(|tuple| tuple.items().next()),
            };
            let Some(first) = first.filter(|first| self.heap.is_finalisable(*first)) else { return Ok(()) };
            old |= self.heap.is_old(first);
            self.coroutines.order.clear();
            self.order_of(raw);
        }
        if old && self.heap.used() > SMALL {
            self.coroutines.order.clear();
            return Ok(());
        }
        if let Some(begun) = self.may_look() {
            self.look_for_deaths(if old { Collection::Major } else { Collection::Minor }, begun);
        }
        self.coroutines.order.clear();
        Ok(())
    }

    /// As `run_finalisers`, where reference counts would have fallen to zero: there finalisers come before callbacks.
    fn run_finalisers_first(&mut self) {
        let begun = self.deaths.begun[1].min(self.deaths.callbacks.len());
        let callbacks = self.deaths.callbacks.split_off(begun);
        let mark = self.mark();
        let callbacks: Vec<Root> = callbacks.into_iter().map(|raw| self.push_raw(raw)).collect();
        self.run_finalisers();
        for reference in callbacks {
            self.call_weak_callback(reference);
        }
        self.release(mark);
    }

    /// Runs what waits because of cells that died: finalisers, callbacks of weak references. Where one of them lets something die in turn, that
    /// is seen to before those that wait already.
    pub(super) fn run_finalisers(&mut self) {
        // Finalisers that collect find more to finalise, which those below them on the stack get to.
        const NESTED: u32 = 8;
        if self.coroutines.finalising >= NESTED {
            return;
        }
        self.coroutines.finalising += 1;
        self.run_finalisers_here();
        self.coroutines.finalising -= 1;
        if self.coroutines.finalising == 0 {
            // The last of several fibers: nothing is in anybody's hands any more.
            self.deaths.begun = [0, 0];
            if self.deaths.any_new() {
                self.heap.request(crate::heap::interrupt::FINALISE);
            }
        }
    }

    fn run_finalisers_here(&mut self) {
        let order = std::mem::take(&mut self.coroutines.order);
        // Where fibers take turns within finalisers, fewer may wait than when this one's began.
        let begun = self.deaths.begun;
        let begun = [begun[0].min(self.deaths.finalise.len()), begun[1].min(self.deaths.callbacks.len())];
        let new = &mut self.deaths.finalise[begun[0]..];
        let in_order = std::mem::take(&mut self.deaths.in_order);
        // Where only coroutines are looked for, a probe knows less of their order than who let go of them.
        if !in_order || (!order.is_empty() && !self.heap.shows_deaths()) {
            if order.is_empty() {
                reverse_coroutines(new);
            } else {
                // What is not among what was let go of belongs to something that is, or to nobody: coroutines as arguments die after it.
                let place = |raw: &Raw| order.iter().position(|known| known.same(*raw)).unwrap_or(order.len());
                new.sort_by_cached_key(place);
            }
        }
        new.reverse();
        self.deaths.callbacks[begun[1]..].reverse();
        loop {
            let mark = self.mark();
            let deaths = &mut self.deaths;
            if deaths.callbacks.len() > begun[1] {
                let raw = deaths.callbacks.pop().expect("as many as there were");
                deaths.begun = [deaths.finalise.len(), deaths.callbacks.len()];
                let reference = self.push_raw(raw);
                self.call_weak_callback(reference);
            } else if deaths.finalise.len() > begun[0] {
                let raw = deaths.finalise.pop().expect("as many as there were");
                deaths.begun = [deaths.finalise.len(), deaths.callbacks.len()];
                let object = self.push_raw(raw);
                self.finalise(object);
            } else {
                deaths.begun = begun;
                return;
            }
            self.release(mark);
        }
    }

    fn call_weak_callback(&mut self, reference: Root) {
        let Some(weak) = reference.get(self).exact::<WeakRef>() else { return };
        let (callback, shown) = (weak.get().callback().raw(), WeakRef::shown(weak));
        reference.set(self, Value::adopt(shown));
        let callback = self.push_raw(callback);
        if let Err(raised) = self.call(callback, &[reference]) {
            self.unraisable(raised, "calling weakref callback", callback);
        }
    }

    /// Runs the finaliser of an object that died.
    fn finalise(&mut self, object: Root) {
        let value = object.get(self);
        match value.kind() {
            Kind::Generator | Kind::Coroutine | Kind::AsyncGenerator if any_generator(value).is_some() => {
                self.finalise_generator(object);
            }
            Kind::NativeCoroutine => {
                let native = value.exact::<NativeCoroutine>().expect("the tag says so");
                match native.state.get() {
                    GeneratorState::Created if native.flags.get() & REPORTED == 0 => self.never_awaited(object),
                    GeneratorState::Suspended => self.close_dead(object, "closing coroutine"),
                    _ => {}
                }
            }
            Kind::AsyncGeneratorStep => {
                let step = value.exact::<AsyncGeneratorStep>().expect("the tag says so");
                if step.state.get() == GeneratorState::Created {
                    let method = match step.mode {
                        StepMode::Send => "asend",
                        StepMode::Throw => "athrow",
                        StepMode::Close => "aclose",
                    };
                    let name = step.generator.get().map_or(String::new(), |g| self.coroutine_name(g.value()));
                    self.warn_unawaited(&format!("coroutine method '{method}' of '{name}' was never awaited"), object);
                }
            }
            _ => {
                let class = self.class_of(value).held();
                let name = self.name(Name::Del).held();
                let raw = value.raw();
                let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) else { return };
                let method = self.push_raw(method);
                let called = self.nested(|cx| {
                    let method = method.get(cx).raw();
                    cx.call_unbound(method, raw, &[], Then::Return)
                });
                if let Err(raised) = called {
                    self.unraisable(raised, "calling deallocator", method);
                }
            }
        }
    }

    fn finalise_generator(&mut self, object: Root) {
        let generator = any_generator(object.get(self)).expect("a generator").held();
        let kind = generator.value().kind();
        match generator.get().state.get() {
            GeneratorState::Created if kind == Kind::Coroutine && !generator.has(REPORTED) => {
                self.never_awaited(object)
            }
            GeneratorState::Suspended if generator.get().awaiter.is_none() => {
                let hook = self.coroutines.finalizer;
                if kind == Kind::AsyncGenerator && !hook.same(Raw::NONE) && !generator.has(CLOSED) {
                    let hook = self.push_raw(hook);
                    if let Err(raised) = self.call(hook, &[object]) {
                        self.unraisable(raised, "calling asynchronous generator's finalizer", hook);
                    }
                    return;
                }
                let what = self.generator_noun(generator);
                self.close_dead(object, &format!("closing {what}"));
            }
            _ => {}
        }
    }

    fn close_dead(&mut self, object: Root, what: &str) {
        let closed = self.nested(|cx| {
            let raw = object.get(cx).raw();
            let object = cx.push_raw(raw);
            cx.close_outcome(object)
        });
        if let Err(raised) = closed {
            self.unraisable(raised, what, object);
        }
    }

    /// Reports a coroutine that nobody awaited.
    fn never_awaited(&mut self, coroutine: Root) {
        self.mark_reported(coroutine.get(self));
        let name = self.coroutine_name(coroutine.get(self));
        let mut text = format!("coroutine '{name}' was never awaited");
        let origin = self.coroutine_origin(coroutine.get(self));
        if let Some(origin) = Value::adopt(origin).exact::<crate::object::Tuple>() {
            text.push_str("\nCoroutine created at (most recent call last)");
            let rows: Vec<_> = origin.items().filter_map(|row| row.exact::<crate::object::Tuple>()).collect();
            for row in rows.into_iter().rev() {
                let part = |at: usize| row.items().nth(at);
                let shown = |at| {
                    part(at).and_then(|v| v.exact::<Str>()).map_or(String::new(), |s| s.to_str_lossy().into_owned())
                };
                let line = part(1).and_then(|v| v.as_int()).unwrap_or(0) as u32;
                text.push_str(&format!("\n  File \"{}\", line {line}, in {}", shown(0), shown(2)));
                if let Some(source) = self.source_line(&shown(0), line) {
                    text.push_str(&format!("\n    {source}"));
                }
            }
        }
        self.warn_unawaited(&text, coroutine);
    }

    fn mark_reported(&self, coroutine: Value<'_>) {
        match any_generator(coroutine) {
            Some(generator) => generator.set_flag(REPORTED, true),
            None => {
                if let Some(native) = coroutine.exact::<NativeCoroutine>() {
                    native.flags.set(native.flags.get() | REPORTED);
                }
            }
        }
    }

    fn warn_unawaited(&mut self, text: &str, coroutine: Root) {
        if self.find_module("warnings").is_some() {
            let mark = self.mark();
            if let Err(raised) = self.warn_of(Exc::RuntimeWarning, text, Some(coroutine)) {
                self.unraisable(raised, "finalizing coroutine", coroutine);
            }
            self.release(mark);
            return;
        }
        let hint = "RuntimeWarning: Enable tracemalloc to get the object allocation traceback\n";
        self.show_warning(Exc::RuntimeWarning, text, hint);
    }

    /// Writes a warning as `warnings` would by default, once for each place and text.
    pub fn show_warning(&mut self, class: Exc, text: &str, after: &str) {
        let frame = self.fiber.records.iter().rev().find(|record| record.function.is_some()).map(|record| {
            let code = record.code();
            (code.code.filename.to_string(), code.code.line_reached(record.word()))
        });
        let (file, line) = frame.unwrap_or_else(|| ("<sys>".to_owned(), 0));
        if !self.coroutines.warned.insert((file.clone(), line, text.to_owned())) {
            return;
        }
        let after = if line == 0 { "" } else { after };
        let source = self.source_line(&file, line).map_or(String::new(), |source| format!("  {source}\n"));
        let message = format!("{file}:{line}: {}: {text}\n{source}{after}", class.name());
        self.write_error(&message);
    }

    /// A line of a source file, without the white space around it.
    fn source_line(&self, file: &str, line: u32) -> Option<String> {
        let bytes = self.host().read_file(file).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().nth(line.checked_sub(1)? as usize)?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    fn write_error(&mut self, text: &str) {
        // Where standard error is closed there is nobody to tell.
        let _ = self.host_mut().write(StdStream::Err, text.as_bytes());
        let _ = self.host_mut().flush(StdStream::Err);
    }

    /// Reports an exception that has nowhere to go, raised while doing something with an object.
    pub fn unraisable(&mut self, raised: Raised, what: &str, object: Root) {
        self.unraisable_as(raised, &format!("Exception ignored while {what}"), object);
    }

    /// Reports an exception that has nowhere to go; `message` is what the report begins with.
    pub fn unraisable_plainly(&mut self, raised: Raised, message: &str) {
        let exception = self.take_raised(raised);
        if self.fiber.stopping {
            return;
        }
        let mark = self.mark();
        let exception = self.push_raw(exception);
        if let Some(report) = self.coroutines.report_unraisable {
            report(self, exception, None, Some(message));
        }
        self.release(mark);
    }

    /// As `unraisable`; `what` is how the report begins.
    pub fn unraisable_as(&mut self, raised: Raised, what: &str, object: Root) {
        let exception = self.take_raised(raised);
        if self.fiber.stopping {
            return;
        }
        let mark = self.mark();
        let exception = self.push_raw(exception);
        let message = match self.repr_text(object) {
            Ok(repr) => format!("{what} {repr}"),
            Err(raised) => {
                self.take_raised(raised);
                what.to_owned()
            }
        };
        if let Some(report) = self.coroutines.report_unraisable {
            report(self, exception, None, Some(&message));
        }
        self.release(mark);
    }
}

/// Of coroutines that died together the last one made goes first: `wait_for(f(), 1)` was made after `f()`, which it has.
fn reverse_coroutines(died: &mut [Raw]) {
    if died.iter().all(|raw| matches!(Value::adopt(*raw).kind(), Kind::Coroutine | Kind::NativeCoroutine)) {
        died.reverse();
    }
}

/// Takes from `sought` what a variable with this value keeps alive.
fn remove_held(raw: Raw, sought: &mut Vec<Raw>) {
    if !raw.is_pointer() {
        return;
    }
    let mut remove = |raw: Raw| sought.retain(|one| !one.same(raw));
    remove(raw);
    let value = Value::<'static>::adopt(raw);
    if let Some(list) = value.exact::<List>() {
        list.items().take(FEW).for_each(|item| remove(item.raw()));
    } else if let Some(tuple) = value.exact::<Tuple>() {
        tuple.items().take(FEW).for_each(|item| remove(item.raw()));
    } else if let Some(dict) = value.exact::<Dict>() {
        dict.iter().take(FEW).for_each(|(_, item)| remove(item.raw()));
    }
}
