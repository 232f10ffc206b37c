//! Natives that take the items of an iterable, one after the other.
//!
//! Most items are asked for without any script: those of builtin iterators at once (`step.rs`), and those of generators by a `Taker`: the run
//! loop offers it what a generator yields, and if it takes that, the generator runs on without having been suspended.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::object::{Bytes, Class, ClassFlags, GeneratorState, List, Range, Str, Tuple, any_generator};

use super::Vm;
use super::call::Invoked;
use super::iterate::NativeIterator;
use super::native::{Raised, Root};
use super::step::{Form, character_at};

/// Takes an item for which no script has to be asked. False, with nothing done, for one that is to be handed to the native itself.
/// The generator it comes from is still running.
pub type TakeOne = fn(cx: &mut Vm, state: Root, item: Raw) -> bool;

/// What takes the items of an iterable: one, or a row of them. `take!` makes one of a function.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    /// Takes one.
    pub one: TakeOne,
    /// Takes items until there is one that is not taken; how many that are.
    pub row: fn(cx: &mut Vm, state: Root, items: &[Slot]) -> usize,
}

/// A [`Take`] of a function that takes one item: a row of items is taken in a loop that the function is part of.
macro_rules! take {
    ($one:path) => {
        $crate::vm::drain::Take {
            one: $one,
            row: |cx, state, items| {
                items.iter().position(|item| !$one(cx, state, item.get().raw())).unwrap_or(items.len())
            },
        }
    };
}
pub(crate) use take;

/// What takes items, and the register with its state.
pub(super) type Taker = (TakeOne, Root);

/// The most items of a text, bytes or a range that are taken at once.
const ROW: usize = 64;

/// The first byte of the last characters that the machine keeps: those up to U+00FF.
const LAST_KEPT: u8 = 0xC3;

/// Polls of the interrupt word are this many items apart.
const POLL: u32 = 1024;

impl Vm {
    /// Does something for every item of an iterable, nested. Roots pushed meanwhile are released after each item.
    pub fn for_each(
        &mut self,
        iterable: Root,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<(), Raised>,
    ) -> Result<(), Raised> {
        self.visit(iterable, None, &mut |cx, item| work(cx, item).map(|()| true))
    }

    /// As `for_each`; items of generators go to `take` first.
    pub fn for_each_taking(
        &mut self,
        iterable: Root,
        take: Take,
        state: Root,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<(), Raised>,
    ) -> Result<(), Raised> {
        self.visit(iterable, Some((take, state)), &mut |cx, item| work(cx, item).map(|()| true))
    }

    /// As `for_each_taking`, for what is an iterator already: it is not asked for one.
    pub fn drain_taking(
        &mut self,
        iterator: Root,
        take: Take,
        state: Root,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<(), Raised>,
    ) -> Result<(), Raised> {
        self.visit_iterator(iterator, Some((take, state)), &mut |cx, item| work(cx, item).map(|()| true))
    }

    /// As `for_each`, for what is an iterator already: it is not asked for one.
    pub fn drain(
        &mut self,
        iterator: Root,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<(), Raised>,
    ) -> Result<(), Raised> {
        self.visit_iterator(iterator, None, &mut |cx, item| work(cx, item).map(|()| true))
    }

    /// Goes over an iterable until `visit` says to stop (false). Roots made for an item are dropped after it.
    pub fn visit_while(
        &mut self,
        iterable: Root,
        visit: &mut dyn FnMut(&mut Vm, Root) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        self.visit(iterable, None, visit)
    }

    /// Goes over an iterable until an item's truth is the given one: whether there is such an item.
    pub fn find_truth(&mut self, iterable: Root, wanted: bool) -> Result<bool, Raised> {
        let mut found = false;
        let take = if wanted { take!(take_false) } else { take!(take_true) };
        self.visit(iterable, Some((take, iterable)), &mut |cx, item| {
            found = cx.truth(item)? == wanted;
            Ok(!found)
        })?;
        Ok(found)
    }

    /// For a `map` or `filter` whose function is one of the language: puts a generator of the library in its place, which calls the function
    /// without leaving the run loop. The map loses nothing by that: its state is in its sources.
    pub(super) fn take_by_generator(&mut self, iterator: Root) -> Result<(), Raised> {
        // What the generator costs, and once the import, is worth so many items.
        const FEW: usize = 4;
        const MANY: usize = 32;
        let Some(native) = iterator.get(self).exact::<NativeIterator>().map(Gc::held) else { return Ok(()) };
        let (which, sources) = match (native.form.get(), native.tail().len()) {
            (Form::Map, len @ (2 | 3)) => (len - 2, &native.tail()[1..]),
            (Form::FilterBy, _) if native.slot(2).is_unbound() => (2, &native.tail()[1..2]),
            _ => return Ok(()),
        };
        let function = native.slot(0);
        let scripted = match function.kind() {
            Kind::Native => false,
            Kind::Class => function.exact::<Class>().is_some_and(|class| class.has(ClassFlags::HEAP)),
            _ => true,
        };
        let known = self.coroutines.taking[which];
        let least = if known.is_unbound() { MANY } else { FEW };
        let left = sources.iter().filter_map(|source| self.items_left(source.get())).min();
        if !scripted || left.is_some_and(|left| left < least) {
            return Ok(());
        }
        let mut args: SmallVec<[Raw; 3]> = SmallVec::from_slice(&[function.raw()]);
        args.extend(sources.iter().map(|source| source.get().raw()));
        let callee = if known.is_unbound() {
            let mark = self.mark();
            let module = self.import("_itertools")?;
            let made = self.attribute(module, ["map_of_one", "map_of_two", "filter_by"][which])?.get(self).raw();
            self.coroutines.taking[which] = made;
            self.release(mark);
            made
        } else {
            known
        };
        let generator = self.call_raw(callee, &args)?;
        iterator.set(self, Value::adopt(generator));
        Ok(())
    }

    fn visit(
        &mut self,
        iterable: Root,
        taker: Option<(Take, Root)>,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        if is_row(iterable.get(self)) {
            return self.visit_row(iterable, taker, work);
        }
        if is_run(iterable.get(self)) {
            return self.visit_run(iterable, taker, work);
        }
        let mark = self.mark();
        let iterator = self.iter(iterable)?;
        self.visit_iterator(iterator, taker, work)?;
        self.release(mark);
        Ok(())
    }

    /// As `visit`, for what is an iterator already: it is not asked for one.
    fn visit_iterator(
        &mut self,
        iterator: Root,
        taker: Option<(Take, Root)>,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        let taker = taker.map(|(take, state)| (take.one, state));
        let outer = self.mark();
        let behind = self.behind_anew(iterator.get(self).raw())?;
        let iterator = self.push_raw(behind);
        self.take_by_generator(iterator)?;
        let mark = self.mark();
        let generator = iterator.get(self).kind() == Kind::Generator && !iterator.get(self).is_subclassed();
        if generator {
            self.check_stack()?;
        }
        let mut polls = 0u32;
        loop {
            let raw = iterator.get(self).raw();
            let item = if generator {
                let item = self.next_yielded(iterator, taker)?;
                if item.is_unbound() {
                    break;
                }
                self.push_raw(item)
            } else {
                match self.next_at_once(raw)? {
                    Some(item) if item.is_unbound() => break,
                    Some(item) => {
                        if let Some((take, state)) = taker
                            && take(self, state, item)
                        {
                            self.count_item(&mut polls)?;
                            continue;
                        }
                        self.push_raw(item)
                    }
                    None => match self.next(iterator)? {
                        Some(item) => item,
                        None => break,
                    },
                }
            };
            let go_on = work(self, item)?;
            self.release(mark);
            if !go_on {
                break;
            }
            self.count_item(&mut polls)?;
        }
        self.release(outer);
        Ok(())
    }

    /// As `visit`, for a list or tuple: no iterator is needed. The list may change while `work` looks at an item.
    fn visit_row(
        &mut self,
        row: Root,
        taker: Option<(Take, Root)>,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        let mark = self.mark();
        let (mut index, mut polls) = (0, 0u32);
        while let Some(first) = row_of(Value::adopt(row.get(self).raw())).get(index) {
            let mut item = first.get().raw();
            if let Some((take, state)) = taker {
                let items = row_of(Value::adopt(row.get(self).raw()));
                let items = &items[index..items.len().min(index + POLL as usize)];
                let taken = (take.row)(self, state, items);
                index += taken;
                let Some(next) = items.get(taken) else {
                    if self.interrupt().load(Ordering::Relaxed) != 0 {
                        self.safepoint()?;
                    }
                    continue;
                };
                item = next.get().raw();
            }
            index += 1;
            let item = self.push_raw(item);
            let go_on = work(self, item)?;
            self.release(mark);
            if !go_on {
                break;
            }
            self.count_item(&mut polls)?;
        }
        Ok(())
    }

    /// As `visit`, for a text, bytes or a range: no iterator is needed, and items are taken in rows.
    fn visit_run(
        &mut self,
        run: Root,
        taker: Option<(Take, Root)>,
        work: &mut dyn FnMut(&mut Vm, Root) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        let mark = self.mark();
        let mut at = 0;
        loop {
            let mut row: SmallVec<[Slot; ROW]> = SmallVec::new();
            let value = Value::<'static>::adopt(run.get(self).raw());
            let made = self.next_of_run(value, &mut at, &mut row).map(|made| self.push_raw(made));
            let inner = self.mark();
            let mut next = 0;
            while next < row.len() {
                if let Some((take, state)) = taker {
                    next += (take.row)(self, state, &row[next..]);
                }
                let Some(item) = row.get(next) else { break };
                next += 1;
                let item = self.push(item.get());
                let go_on = work(self, item)?;
                self.release(inner);
                if !go_on {
                    self.release(mark);
                    return Ok(());
                }
            }
            if let Some(item) = made {
                let taken = match taker {
                    Some((take, state)) => (take.one)(self, state, item.get(self).raw()),
                    None => false,
                };
                let go_on = taken || work(self, item)?;
                if !go_on {
                    self.release(mark);
                    return Ok(());
                }
            } else if row.is_empty() {
                self.release(mark);
                return Ok(());
            }
            self.release(mark);
            if self.interrupt().load(Ordering::Relaxed) != 0 {
                self.safepoint()?;
            }
        }
    }

    /// The next items from a place on, which moves on: those that live on anyway, in a row, and then perhaps one that had to be made.
    fn next_of_run(&self, run: Value<'static>, at: &mut usize, row: &mut SmallVec<[Slot; ROW]>) -> Option<Raw> {
        if let Some(bytes) = run.exact::<Bytes>() {
            let bytes = bytes.as_bytes().get(*at..).unwrap_or_default();
            row.extend(bytes.iter().take(ROW).map(|byte| Slot::new(Value::int(i64::from(*byte)))));
            *at += row.len();
            return None;
        }
        if let Some(range) = run.exact::<Range>() {
            let [start, stop, step] = [&range.start, &range.stop, &range.step].map(|slot| slot.get().as_int());
            let (mut next, stop, step) = (start? + *at as i64 * step?, stop?, step?);
            while row.len() < ROW && (if step > 0 { next < stop } else { next > stop }) {
                row.push(Slot::new(Value::int(next)));
                next += step;
            }
            *at += row.len();
            return None;
        }
        let bytes = run.exact::<Str>()?.as_bytes();
        while row.len() < ROW
            && let Some(range) = character_at(bytes, *at)
        {
            *at = range.end;
            let item = self.character_of(&bytes[range.clone()]);
            if range.len() > 2 || bytes[range.start] > LAST_KEPT {
                return Some(item);
            }
            row.push(Slot::new(Value::adopt(item)));
        }
        None
    }

    /// Counts an item, and stops at a safepoint where it is time.
    #[inline]
    fn count_item(&mut self, polls: &mut u32) -> Result<(), Raised> {
        *polls = polls.wrapping_add(1);
        if polls.is_multiple_of(POLL) && self.interrupt().load(Ordering::Relaxed) != 0 {
            self.safepoint()?;
        }
        Ok(())
    }

    /// The next item that a generator yields and `taker` does not take; UNBOUND if there is none. The caller saw to the machine's stack.
    pub(super) fn next_yielded(&mut self, generator: Root, taker: Option<Taker>) -> Result<Raw, Raised> {
        let Some(frame) = any_generator(generator.get(self)).map(|g| g.held()) else { return Ok(Raw::UNBOUND) };
        if frame.get().state.get() == GeneratorState::Finished {
            return Ok(Raw::UNBOUND);
        }
        let (window, top) = (self.fiber.window, self.fiber.top);
        let none = self.push_raw(Raw::NONE);
        self.push_exit_taking(top + 1, taker);
        let idle = frame.get().state.get() == GeneratorState::Suspended
            && frame.get().awaiting.is_none()
            && frame.get().innermost.is_none()
            && frame.get().awaiter.is_none()
            && self.depth() < self.recursion_limit;
        let resumed = if idle {
            frame.get().state.set(GeneratorState::Running);
            self.push_in_place(frame, frame);
            frame.set_tail(&self.heap, usize::from(frame.get().input.get()), Value::NONE);
            Ok(Invoked::Pushed)
        } else {
            self.resume(generator, none, false)
        };
        let result = match resumed {
            Ok(Invoked::Yielded(raw)) => {
                self.fiber.records.pop();
                Ok(raw)
            }
            other => {
                self.coroutines.yielded = false;
                let result = self.finish_nested(other);
                result.map(|raw| if self.coroutines.yielded { raw } else { Raw::UNBOUND })
            }
        };
        (self.fiber.window, self.fiber.top) = (window, top);
        result
    }
}

/// Whether a value is a list or tuple and no more than that.
fn is_row(value: Value<'_>) -> bool {
    value.exact::<List>().is_some() || value.exact::<Tuple>().is_some()
}

/// Whether a value is a text, bytes or a range of small numbers and no more than that: none of them changes, and their items, but for rare
/// characters, are there without being made.
fn is_run(value: Value<'_>) -> bool {
    let small = |slot: &Slot| slot.get().as_int().is_some_and(|int| int.unsigned_abs() < 1 << 48);
    value.exact::<Str>().is_some()
        || value.exact::<Bytes>().is_some()
        || value.exact::<Range>().is_some_and(|range| [&range.start, &range.stop, &range.step].into_iter().all(small))
}

/// The items of a list or tuple as they are now.
pub(super) fn row_of(value: Value<'_>) -> &[Slot] {
    match value.exact::<Tuple>() {
        Some(tuple) => tuple.tail(),
        None => value.exact::<List>().map_or(&[], |list| list.slots()),
    }
}

/// For a list that is exact: appends the item.
pub(super) fn take_to_list(cx: &mut Vm, state: Root, item: Raw) -> bool {
    let list = state.get(cx).exact::<List>();
    list.is_some_and(|list| list.push(&cx.heap, Value::adopt(item)).is_ok())
}

/// For a set that is exact: adds the item, if no script is asked whether it is in it.
pub(super) fn take_to_set(cx: &mut Vm, state: Root, item: Raw) -> bool {
    let set = state.get(cx).raw();
    // Without memory for it there is an error on its way, which the native will raise again.
    matches!(cx.set_add_at_once(set, item), Some(Ok(_)))
}

fn take_false(cx: &mut Vm, _: Root, item: Raw) -> bool {
    cx.builtin_truth(Value::adopt(item)) == Some(false)
}

fn take_true(cx: &mut Vm, _: Root, item: Raw) -> bool {
    cx.builtin_truth(Value::adopt(item)) == Some(true)
}
