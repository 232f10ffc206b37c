//! One step of a builtin iterator for which no script is asked. `for` over builtin collections, and over `enumerate`, `zip` and `filter`
//! of them, comes here; whatever else is iterated goes through the outcomes of `iterate.rs`.

use smallvec::SmallVec;

use crate::heap::{Gc, Kind, Raw, Value};
use crate::object::{
    AnySet, ByteArray, Bytes, Class, Dict, DictIterator, DictPart, GeneratorState, List, RangeIterator,
    SequenceIterator, SetIterator, Str, Tuple, any_generator,
};

use super::call::Invoked;
use super::iterate::{Direct, NativeIterator};
use super::native::{NativeFunction, NativeKind, Quick, Raised, Root};
use super::{Name, Vm};

/// How a native iterator can be advanced without its step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Only by its step.
    #[default]
    Asked,
    /// `enumerate`: the source, the next number.
    Enumerate,
    /// `zip`, not strict: the sources.
    Zip,
    /// `map`, not strict: the function, the sources.
    Map,
    /// `filter` by truth: the function, the source, the item whose truth a script has to be asked for (else UNBOUND).
    Filter,
    /// `filter` by a function: the function, the source, as `Filter`.
    FilterBy,
    /// By its direct step, which may say that a script is to be asked.
    Direct,
    /// By its direct step, which never asks a script.
    Sure,
    /// It hands on what the generator in its only slot yields: who goes over it goes over that.
    Delegate,
}

/// Iterators over iterators over iterators: so many deep they are advanced by recursion.
const DEEPEST: u8 = 8;

/// The most items that room is made for at once.
const MOST_ROOM: usize = 1 << 14;

/// What a step gave. Items are written to where the caller says, by halves: a result of two values in memory, read as whole vectors just
/// after it was written by halves, stalls the processor for longer than the step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// The item, in the first place.
    Item,
    /// The two items of what would be a tuple.
    Pair,
    /// There are no more items.
    End,
    /// A script, or the iterator's own step, has to be asked.
    Ask,
}

/// Where items go.
pub(super) type Items = [Raw; 2];

impl Vm {
    /// Lets a new native iterator be advanced without its step if its sources, the slots from `first` on, all can be.
    pub fn advance_directly(&self, iterator: Gc<'_, NativeIterator>, form: Form, first: usize, count: usize) {
        let sources = &iterator.tail()[first..first + count];
        let mut levels = sources.iter().map(|s| self.levels_below(s.get()));
        let deepest = levels.try_fold(0, |most, level| Some(most.max(level?)));
        if let Some(level) = deepest
            && level < DEEPEST
        {
            iterator.level.set(level + 1);
            iterator.form.set(form);
        }
    }

    /// Gives a new native iterator a direct step that takes items from these sources, unless that would go too deep. It is sure if it
    /// never asks a script.
    pub fn step_directly(&self, iterator: Gc<'_, NativeIterator>, direct: Direct, sure: bool, sources: &[Root]) {
        let levels = sources.iter().map(|source| self.level_of(source.get(self)));
        let level = levels.max().map_or(0, |level| level.saturating_add(1));
        iterator.level.set(level);
        if level < DEEPEST {
            iterator.direct.set(Some(direct));
            iterator.form.set(if sure { Form::Sure } else { Form::Direct });
        }
    }

    /// Gives a new native iterator a direct step that takes items from sources it comes to know later, by `next_of_any`.
    pub fn step_over_any(&self, iterator: Gc<'_, NativeIterator>, direct: Direct) {
        iterator.level.set(DEEPEST / 2);
        iterator.direct.set(Some(direct));
        iterator.form.set(Form::Direct);
    }

    /// Says that a new native iterator is a `filter` by a function.
    pub fn filters_by_function(&self, iterator: Gc<'_, NativeIterator>) {
        iterator.form.set(Form::FilterBy);
    }

    /// As `next_at_once`, for a source of such an iterator: one that goes deep itself is left to its step.
    pub fn next_of_any(&mut self, source: Raw) -> Result<Option<Raw>, Raised> {
        if self.level_of(Value::adopt(source.copied())) >= DEEPEST / 2 {
            return Ok(None);
        }
        self.next_direct(source)
    }

    /// What to go over instead of an iterator: of one that hands on the items of a generator, that generator.
    #[inline]
    pub(super) fn behind(&self, iterator: Raw) -> Raw {
        match Value::<'static>::adopt(iterator).exact::<NativeIterator>() {
            Some(native) if native.form.get() == Form::Delegate => native.slot(0).raw(),
            _ => iterator,
        }
    }

    /// As `behind`, for whoever begins to ask for items: where the generator has ended and the iterator goes on by itself, there is a new one.
    pub(super) fn behind_anew(&mut self, iterator: Raw) -> Result<Raw, Raised> {
        let behind = self.behind(iterator.copied());
        let ended = any_generator(Value::adopt(behind.copied()))
            .is_some_and(|generator| generator.state.get() == GeneratorState::Finished);
        if !ended {
            return Ok(behind);
        }
        let value: Value<'static> = Value::adopt(iterator);
        let native = value.exact::<NativeIterator>().filter(|native| native.tail().len() > 1);
        let Some(native) = native.filter(|native| native.form.get() == Form::Delegate).map(Gc::held) else {
            return Ok(behind);
        };
        let mark = self.mark();
        self.push(native.value());
        let parts: SmallVec<[Root; 6]> = native.tail()[1..].iter().map(|part| self.push(part.get())).collect();
        let generator = self.call(parts[0], &parts[1..])?;
        native.set_tail(&self.heap, 0, generator.get(self));
        let behind = generator.get(self).raw();
        self.release(mark);
        Ok(behind)
    }

    /// A native iterator that hands on what a generator of the library yields, made by a function with some arguments. If that ends, or
    /// raises, and the iterator is asked again, another one is made.
    pub fn handing_on_anew(&mut self, class: &'static str, parts: &[Root]) -> Gc<'_, NativeIterator> {
        let iterator = self.new_iterator(super::iterate::step_behind, class, parts);
        iterator.form.set(Form::Delegate);
        iterator
    }

    /// A native iterator that hands on what a generator of the library yields.
    pub fn handing_on(&mut self, class: &'static str, generator: Root) -> Gc<'_, NativeIterator> {
        let iterator = self.new_iterator(super::iterate::step_behind, class, &[generator]);
        iterator.form.set(Form::Delegate);
        iterator
    }

    /// Whether the items of an iterator are those of a generator.
    pub fn yields(&self, iterator: Root) -> bool {
        let behind = Value::<'static>::adopt(self.behind(iterator.get(self).raw()));
        behind.kind() == Kind::Generator && !behind.is_subclassed()
    }

    /// Whether an iterator never asks a script for its items.
    pub fn never_asks(&self, iterator: Root) -> bool {
        self.is_sure(iterator.get(self))
    }

    /// As `never_asks`.
    pub fn is_sure(&self, iterator: Value<'_>) -> bool {
        self.levels_below(iterator).is_some()
    }

    /// Makes room in a new list or dict for the items an iterator has left, as far as that is known and no great number: moving what is
    /// there each time it grows costs more than the room.
    pub(super) fn prepare_for(&self, target: Raw, iterator: Raw) {
        let left = self.items_to_come(Value::adopt(iterator)).unwrap_or(0).min(MOST_ROOM);
        let target = Value::adopt(target);
        let heap = self.heap.forever();
        // What doesn't fit is refused when it comes.
        let _ = match (target.exact::<List>(), target.exact::<Dict>()) {
            _ if left == 0 => Ok(()),
            (Some(list), _) => list.reserve(heap, left).map(|_| ()),
            (_, Some(dict)) => dict.reserve(heap, left),
            _ => Ok(()),
        };
    }

    /// How many items an iterator has left at most, also of those that go over others.
    fn items_to_come(&self, iterator: Value<'_>) -> Option<usize> {
        let Some(native) = iterator.exact::<NativeIterator>() else { return self.items_left(iterator) };
        let sources = match native.form.get() {
            Form::Enumerate => &native.tail()[..1],
            Form::Zip => native.tail(),
            Form::Map => &native.tail()[1..],
            _ => return None,
        };
        sources.iter().filter_map(|source| self.items_left(source.get())).min()
    }

    /// How deep the direct steps of an iterator go.
    fn level_of(&self, iterator: Value<'_>) -> u8 {
        iterator.exact::<NativeIterator>().map_or(0, |native| native.level.get())
    }

    /// How many native iterators are below one that never asks a script; None for one that may.
    fn levels_below(&self, iterator: Value<'_>) -> Option<u8> {
        match iterator.kind() {
            Kind::SequenceIterator => {
                let source = iterator.exact::<SequenceIterator>()?.get().sequence.get();
                let builtin = matches!(
                    source.kind(),
                    Kind::List | Kind::Tuple | Kind::Str | Kind::Bytes | Kind::ByteArray | Kind::None
                );
                (builtin && !source.is_subclassed()).then_some(0)
            }
            Kind::RangeIterator | Kind::DictIterator | Kind::SetIterator if !iterator.is_subclassed() => Some(0),
            Kind::NativeIterator => {
                let native = iterator.exact::<NativeIterator>()?;
                matches!(native.form.get(), Form::Enumerate | Form::Zip | Form::Sure).then(|| native.level.get())
            }
            _ => None,
        }
    }

    /// The next item of an iterator for which no script is asked, UNBOUND if there is none; None where one has to be.
    #[inline]
    pub(super) fn next_direct(&mut self, iterator: Raw) -> Result<Option<Raw>, Raised> {
        let mut items = [Raw::UNBOUND; 2];
        Ok(match self.advance_into(iterator, false, &mut items)? {
            Stepped::Item | Stepped::Pair => Some(items[0].copied()),
            Stepped::End => Some(Raw::UNBOUND),
            Stepped::Ask => None,
        })
    }

    /// As `next_direct`, for natives.
    pub fn next_at_once(&mut self, iterator: Raw) -> Result<Option<Raw>, Raised> {
        self.next_direct(iterator)
    }

    /// As `next_at_once`, where a tuple of two made for the item is not needed: its items come as a pair.
    pub fn next_or_pair(&mut self, iterator: Raw, items: &mut [Raw; 2]) -> Result<Stepped, Raised> {
        self.advance_into(iterator, true, items)
    }

    /// A step of an iterator. With `pair` an item that would be a tuple of two made for it comes as a pair.
    pub(super) fn advance_into(&mut self, iterator: Raw, pair: bool, items: &mut Items) -> Result<Stepped, Raised> {
        let value = Value::adopt(iterator);
        match value.kind() {
            Kind::SequenceIterator => {
                let iterator = value.exact::<SequenceIterator>().expect("the tag says so");
                Ok(self.next_of_sequence(iterator, &mut items[0]))
            }
            Kind::RangeIterator => {
                Ok(next_of_range(value.exact::<RangeIterator>().expect("the tag says so"), &mut items[0]))
            }
            Kind::DictIterator => {
                let iterator = value.exact::<DictIterator>().expect("the tag says so").held();
                let stepped = self.next_of_dict(iterator, items)?;
                Ok(if stepped == Stepped::Pair { self.whole(pair, items) } else { stepped })
            }
            Kind::SetIterator => {
                let iterator = value.exact::<SetIterator>().expect("the tag says so").held();
                self.next_of_set(iterator, &mut items[0])
            }
            Kind::NativeIterator if !value.is_subclassed() => {
                let native = value.exact::<NativeIterator>().expect("the tag says so").held();
                match native.form.get() {
                    Form::Enumerate => {
                        let stepped = self.next_numbered(native, items)?;
                        Ok(if stepped == Stepped::Pair { self.whole(pair, items) } else { stepped })
                    }
                    Form::Zip if native.tail().len() == 2 => {
                        let stepped = self.next_of_both(native, items)?;
                        Ok(if stepped == Stepped::Pair { self.whole(pair, items) } else { stepped })
                    }
                    Form::Zip => self.next_together(native, &mut items[0]),
                    Form::Filter => self.next_true(native, &mut items[0]),
                    Form::Direct | Form::Sure => match native.direct.get() {
                        Some(direct) => direct(self, native, &mut items[0]),
                        None => Ok(Stepped::Ask),
                    },
                    Form::Map => self.next_mapped_at_once(native, &mut items[0]),
                    Form::Asked | Form::Delegate | Form::FilterBy => Ok(Stepped::Ask),
                }
            }
            Kind::NativeObject => Ok(self.next_of_object(iterator, &mut items[0])),
            _ => Ok(Stepped::Ask),
        }
    }

    /// The next item of a `map` over the plainest of sources, where what it calls says at once what it makes of it.
    fn next_mapped_at_once(&mut self, native: Gc<'static, NativeIterator>, item: &mut Raw) -> Result<Stepped, Raised> {
        let [function, source] = native.tail() else { return Ok(Stepped::Ask) };
        let (function, source) = (function.get(), source.get());
        let Some(next) = self.peek(source) else { return Ok(Stepped::Ask) };
        let made = match function.kind() {
            Kind::Native | Kind::Instance | Kind::BoundMethod => Ok(self.called_at_once(function.raw(), next)),
            Kind::Class => {
                let plain =
                    matches!(Value::<'static>::adopt(next.copied()).kind(), Kind::Int | Kind::Float | Kind::Str);
                let class = function.exact::<Class>().map(Gc::held);
                let Some(class) = class.filter(|class| plain && class.get().maker.get() != 0) else {
                    return Ok(Stepped::Ask);
                };
                // Of numbers and texts the builtin types make something without asking anybody.
                if !matches!(class.get().layout, Kind::Int | Kind::Float | Kind::Str) {
                    return Ok(Stepped::Ask);
                }
                let top = self.fiber.top;
                self.push_raw(next);
                let made = self.make_at_once(class, top, 1);
                self.fiber.top = top;
                match made {
                    Ok(Some(Invoked::Value(made))) => Ok(made),
                    Ok(_) => Ok(Raw::UNBOUND),
                    Err(raised) => Err(raised),
                }
            }
            _ => return Ok(Stepped::Ask),
        };
        match made {
            Ok(made) if made.is_unbound() => Ok(Stepped::Ask),
            Ok(made) => {
                advance(source);
                *item = made;
                Ok(Stepped::Item)
            }
            Err(raised) => {
                advance(source);
                Err(raised)
            }
        }
    }

    /// The next item of an iterator over a list, a tuple, a range or ASCII characters, which stays where it is; None for any other and at the
    /// end.
    #[inline(always)]
    fn peek(&self, source: Value<'_>) -> Option<Raw> {
        if let Some(iterator) = source.exact::<SequenceIterator>() {
            if iterator.backward {
                return None;
            }
            let (sequence, at) = (iterator.sequence.get(), iterator.next.get());
            if let Some(list) = sequence.exact::<List>() {
                return list.item(at).map(|item| item.raw());
            }
            if let Some(tuple) = sequence.exact::<Tuple>() {
                return (at < tuple.len()).then(|| tuple.item(at).raw());
            }
            let byte = sequence.exact::<Str>()?.as_bytes().get(at).filter(|byte| byte.is_ascii())?;
            return Some(self.character(*byte).value().raw());
        }
        let range = source.exact::<RangeIterator>()?;
        (range.left.get() > 0).then(|| Raw::int(range.next.get()))
    }

    /// The next item of an object whose `__next__` is native and says at once.
    fn next_of_object(&mut self, object: Raw, item: &mut Raw) -> Stepped {
        let class = self.class_of(Value::<'static>::adopt(object)).held();
        let next = self.lookup_class(class, self.name(Name::Next)).map(|next| Value::<'static>::adopt(next.raw()));
        let def = next.and_then(|next| Some(next.exact::<NativeFunction>()?.get().def));
        // A function that stands in a class's namespace is given no receiver.
        let Some(Quick::One(quick)) = def.filter(|def| def.kind == NativeKind::Method).map(|def| def.quick) else {
            return Stepped::Ask;
        };
        let found = quick(self, object);
        if found.is_unbound() {
            return Stepped::Ask;
        }
        *item = found;
        Stepped::Item
    }

    /// The next two items of `enumerate`, `zip` or `dict.items()` where they come from the plainest of sources, as they mostly do; false,
    /// with nothing done, for any other and at the end.
    #[inline(never)]
    pub(super) fn next_pair_at_once(&self, iterator: Raw, items: &mut Items) -> bool {
        let value = Value::adopt(iterator);
        let Some(native) = value.exact::<NativeIterator>() else {
            let Some((iterator, key, value)) = next_entry(value) else { return false };
            if iterator.part != DictPart::Items {
                return false;
            }
            *items = [key, value];
            iterator.pass();
            return true;
        };
        let [first, second] = native.tail() else { return false };
        match native.form.get() {
            Form::Enumerate => {
                let Some(number) = second.get().as_int().filter(|n| *n < i64::MAX) else { return false };
                let Some(item) = self.peek(first.get()) else { return false };
                *items = [Raw::int(number), item];
                advance(first.get());
                native.set_tail(&self.heap, 1, Value::int(number + 1));
                true
            }
            Form::Zip => {
                let (Some(one), Some(other)) = (self.peek(first.get()), self.peek(second.get())) else { return false };
                // One iterator twice gives neighbours.
                if first.get().is(second.get()) {
                    return false;
                }
                *items = [one, other];
                advance(first.get());
                advance(second.get());
                true
            }
            _ => false,
        }
    }

    /// Makes a tuple of a pair, unless a pair is wanted.
    #[inline(always)]
    fn whole(&self, pair: bool, items: &mut Items) -> Stepped {
        if pair {
            return Stepped::Pair;
        }
        let [first, second] = [items[0].copied(), items[1].copied()];
        let tuple = Tuple::build(&self.heap, 2, |i| Value::adopt(if i == 0 { first } else { second }));
        items[0] = tuple.value().raw();
        Stepped::Item
    }

    /// `enumerate`.
    #[inline(always)]
    fn next_numbered(&mut self, native: Gc<'static, NativeIterator>, items: &mut Items) -> Result<Stepped, Raised> {
        let (source, number) = (native.slot(0).raw(), native.slot(1));
        let Some(number) = number.as_int().filter(|n| *n < i64::MAX) else { return Ok(Stepped::Ask) };
        if !self.next_sure(source, &mut items[1])? {
            return Ok(Stepped::End);
        }
        native.set_tail(&self.heap, 1, Value::int(number + 1));
        items[0] = Raw::int(number);
        Ok(Stepped::Pair)
    }

    /// `zip` of two.
    #[inline(always)]
    fn next_of_both(&mut self, native: Gc<'static, NativeIterator>, items: &mut Items) -> Result<Stepped, Raised> {
        let (first, second) = (native.slot(0).raw(), native.slot(1).raw());
        let found = self.next_sure(first, &mut items[0])? && self.next_sure(second, &mut items[1])?;
        Ok(if found { Stepped::Pair } else { Stepped::End })
    }

    /// `zip` of any number.
    fn next_together(&mut self, native: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
        let len = native.tail().len();
        let mut items = smallvec::SmallVec::<[Raw; 8]>::new();
        for index in 0..len {
            let source = native.slot(index).raw();
            let mut item = Raw::UNBOUND;
            if !self.next_sure(source, &mut item)? {
                return Ok(Stepped::End);
            }
            items.push(item.copied());
        }
        if items.is_empty() {
            return Ok(Stepped::End);
        }
        *to = Tuple::build(&self.heap, len, |i| Value::adopt(items[i])).value().raw();
        Ok(Stepped::Item)
    }

    /// The next item of a source that never asks a script; false if there is none.
    #[inline(always)]
    fn next_sure(&mut self, source: Raw, to: &mut Raw) -> Result<bool, Raised> {
        let value = Value::adopt(source);
        if let Some(iterator) = value.exact::<SequenceIterator>()
            && !iterator.backward
            && let Some(list) = iterator.sequence.get().exact::<List>()
            && let Some(item) = list.item(iterator.next.get())
        {
            iterator.next.set(iterator.next.get() + 1);
            *to = item.raw();
            return Ok(true);
        }
        if let Some(range) = value.exact::<RangeIterator>() {
            return Ok(next_of_range(range, to) == Stepped::Item);
        }
        self.next_sure_of_any(source, to)
    }

    #[inline(never)]
    fn next_sure_of_any(&mut self, source: Raw, to: &mut Raw) -> Result<bool, Raised> {
        let mut items = [Raw::UNBOUND; 2];
        match self.advance_into(source, false, &mut items)? {
            Stepped::Item | Stepped::Pair => *to = items[0].copied(),
            Stepped::End => return Ok(false),
            // A count beyond what fits a value: its own step goes on.
            Stepped::Ask => *to = self.nested_step(source)?,
        }
        Ok(!to.is_unbound())
    }

    /// The next item of a `filter` by truth that no script has to be asked for; else the item that needs it is left in the filter.
    fn next_true(&mut self, native: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
        if !native.slot(2).is_unbound() {
            return Ok(Stepped::Ask);
        }
        let source = native.slot(1).raw();
        loop {
            if !self.next_sure(source, to)? {
                return Ok(Stepped::End);
            }
            let item = to.copied();
            match self.builtin_truth(Value::adopt(item)) {
                Some(true) => return Ok(Stepped::Item),
                Some(false) => {}
                None => {
                    native.set_tail(&self.heap, 2, Value::adopt(item));
                    return Ok(Stepped::Ask);
                }
            }
        }
    }

    /// Calls the function of a `map` with an item of each source, in the registers from `top` on. None if it is no such map.
    pub(super) fn map_arguments(&mut self, iterator: Raw) -> Result<Option<Mapped>, Raised> {
        let Some(native) = Value::<'static>::adopt(iterator).exact::<NativeIterator>() else { return Ok(None) };
        if native.form.get() != Form::Map {
            return Ok(None);
        }
        let start = self.fiber.top;
        let function = native.slot(0).raw();
        self.push_raw(function);
        let len = native.tail().len();
        for index in 1..len {
            let source = native.slot(index).raw();
            let mut item = Raw::UNBOUND;
            if !self.next_sure(source, &mut item)? {
                self.fiber.top = start;
                return Ok(Some(Mapped::End));
            }
            self.push_raw(item.copied());
        }
        Ok(Some(Mapped::Call { start, argc: len as u32 - 1 }))
    }

    /// As `next_item`, for a `map`; None if it is none.
    pub(super) fn next_mapped(&mut self, iterator: Raw) -> Result<Option<Invoked>, Raised> {
        match self.map_arguments(iterator)? {
            None => Ok(None),
            Some(Mapped::End) => Ok(Some(Invoked::Value(Raw::UNBOUND))),
            Some(Mapped::Call { start, argc }) => {
                let callee = self.fiber.registers.get(start).raw();
                self.invoke(callee, start + 1, argc, None).map(Some)
            }
        }
    }

    /// A step over a sequence by number; a script is asked if it is no builtin one.
    fn next_of_sequence(&self, iterator: Gc<'_, SequenceIterator>, to: &mut Raw) -> Stepped {
        let source = iterator.sequence.get();
        if source.is_none() {
            return Stepped::End;
        }
        if source.is_subclassed() {
            return Stepped::Ask;
        }
        let at = iterator.next.get();
        let back = iterator.backward;
        // The place of the item, for those counted by items: out of any sequence for those that are done backward.
        let place = if back { at.wrapping_sub(1) } else { at };
        let next = if back { place } else { at + 1 };
        let item = match source.kind() {
            Kind::List => source.exact::<List>().expect("the tag says so").item(place).map(|v| v.raw()),
            Kind::Tuple => {
                let tuple = source.exact::<Tuple>().expect("the tag says so");
                (place < tuple.len()).then(|| tuple.item(place).raw())
            }
            Kind::Bytes => {
                let bytes = source.exact::<Bytes>().expect("the tag says so").as_bytes();
                bytes.get(place).map(|b| Raw::int(i64::from(*b)))
            }
            Kind::ByteArray => {
                let bytes = source.exact::<ByteArray>().expect("the tag says so").cells();
                bytes.get(place).map(|b| Raw::int(i64::from(b.get())))
            }
            Kind::Str => {
                let text = source.exact::<Str>().expect("the tag says so");
                let bytes = text.as_bytes();
                // An ASCII character needs no look at its neighbours.
                if let Some(byte) = bytes.get(place).filter(|b| b.is_ascii()) {
                    iterator.next.set(next);
                    *to = self.character(*byte).value().raw();
                    return Stepped::Item;
                }
                let range = if back { character_before(bytes, at) } else { character_at(bytes, at) };
                if let Some(range) = range {
                    iterator.next.set(if back { range.start } else { range.end });
                    *to = self.character_of(&bytes[range]);
                    return Stepped::Item;
                }
                None
            }
            _ => return Stepped::Ask,
        };
        match item {
            Some(item) => {
                iterator.next.set(next);
                *to = item;
                Stepped::Item
            }
            None => {
                iterator.set(&self.heap, |s| &s.sequence, Value::NONE);
                Stepped::End
            }
        }
    }

    /// The text of one character, given its bytes.
    pub(super) fn character_of(&self, bytes: &[u8]) -> Raw {
        match *bytes {
            [byte] => self.character(byte).value().raw(),
            [first @ 0xC2..=0xC3, second] => self.character((first & 3) << 6 | (second & 0x3F)).value().raw(),
            _ => Str::from_parts(&self.heap, &[bytes]).value().raw(),
        }
    }

    /// The next entry: the key, the value, or both.
    pub(super) fn next_of_dict(
        &mut self,
        iterator: Gc<'static, DictIterator>,
        items: &mut Items,
    ) -> Result<Stepped, Raised> {
        let Some(dict) = iterator.dict.get().exact::<Dict>() else { return Ok(Stepped::End) };
        if let Some(version) = iterator.version {
            if dict.version() != version && iterator.left.get() > 0 {
                iterator.set(&self.heap, |i| &i.dict, Value::NONE);
                return Err(self.runtime_error("OrderedDict mutated during iteration"));
            }
        } else if dict.len() != iterator.len.get() {
            iterator.get().len.set(usize::MAX);
            return Err(self.runtime_error("dictionary changed size during iteration"));
        }
        let mut at = iterator.next.get();
        let found = if iterator.backward {
            loop {
                let Some(number) = at.checked_sub(1) else { break None };
                at = number;
                if let Some(entry) = dict.entry(number) {
                    break Some(entry);
                }
            }
        } else {
            let used = dict.used();
            loop {
                if at >= used {
                    break None;
                }
                at += 1;
                if let Some(entry) = dict.entry(at - 1) {
                    break Some(entry);
                }
            }
        };
        iterator.get().next.set(at);
        let Some((key, value)) = found else {
            iterator.set(&self.heap, |i| &i.dict, Value::NONE);
            return Ok(Stepped::End);
        };
        let left = iterator.left.get();
        if left == 0 && iterator.version.is_some() {
            // The last key had none behind it when it was given.
            iterator.set(&self.heap, |i| &i.dict, Value::NONE);
            return Ok(Stepped::End);
        }
        if left == 0 {
            return Err(self.runtime_error("dictionary keys changed during iteration"));
        }
        iterator.get().left.set(left - 1);
        Ok(match iterator.part {
            DictPart::Keys => {
                items[0] = key.raw();
                Stepped::Item
            }
            DictPart::Values => {
                items[0] = value.raw();
                Stepped::Item
            }
            DictPart::Items => {
                *items = [key.raw(), value.raw()];
                Stepped::Pair
            }
        })
    }

    pub(super) fn next_of_set(&mut self, iterator: Gc<'static, SetIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
        let Some(set) = AnySet::of(iterator.set.get()) else { return Ok(Stepped::End) };
        if set.len() != iterator.len.get() {
            iterator.get().len.set(usize::MAX);
            return Err(self.runtime_error("Set changed size during iteration"));
        }
        if let Some((next, key)) = set.next_from(iterator.next.get()) {
            *to = key.raw();
            iterator.get().next.set(next);
            let left = &iterator.get().left;
            left.set(left.get().saturating_sub(1));
            return Ok(Stepped::Item);
        }
        iterator.set(&self.heap, |i| &i.set, Value::NONE);
        Ok(Stepped::End)
    }
}

/// A native iterator that has a direct step, and that.
pub(super) fn direct_step(iterator: Value<'_>) -> Option<(Gc<'static, NativeIterator>, Direct)> {
    let native = iterator.exact::<NativeIterator>()?.held();
    let direct = match native.form.get() {
        Form::Direct | Form::Sure => native.direct.get()?,
        Form::Map => Vm::next_mapped_at_once,
        _ => return None,
    };
    Some((native, direct))
}

/// Moves an iterator on whose item was looked at by `peek`.
#[inline(always)]
fn advance(source: Value<'_>) {
    if let Some(iterator) = source.exact::<SequenceIterator>() {
        iterator.next.set(iterator.next.get() + 1);
    } else if let Some(range) = source.exact::<RangeIterator>() {
        range.left.set(range.left.get() - 1);
        range.next.set(range.next.get().wrapping_add(range.step));
    }
}

/// The entry that an iterator over a dict comes to next, if nothing was removed there or came since it began.
#[inline(always)]
fn next_entry<'h>(iterator: Value<'h>) -> Option<(Gc<'h, DictIterator>, Raw, Raw)> {
    let iterator = iterator.exact::<DictIterator>()?;
    let dict = iterator.dict.get().exact::<Dict>()?;
    if dict.len() != iterator.len.get() || iterator.backward || iterator.left.get() == 0 {
        return None;
    }
    let (key, value) = dict.entry(iterator.next.get())?;
    Some((iterator, key.raw(), value.raw()))
}

/// The next key or value of an iterator over a dict; false, with nothing done, where that takes more than a look.
#[inline(never)]
pub(super) fn next_key_at_once(iterator: Raw, to: &mut Raw) -> bool {
    let Some((iterator, key, value)) = next_entry(Value::adopt(iterator)) else { return false };
    match iterator.part {
        DictPart::Keys => *to = key,
        DictPart::Values => *to = value,
        DictPart::Items => return false,
    }
    iterator.pass();
    true
}

/// What a `map` is about to do.
pub(super) enum Mapped {
    /// To call the function in register `start` with the `argc` registers after it.
    Call { start: u32, argc: u32 },
    /// Nothing: one of its sources has no more items.
    End,
}

#[inline(always)]
fn next_of_range(range: Gc<'_, RangeIterator>, to: &mut Raw) -> Stepped {
    let left = range.left.get();
    if left == 0 {
        return Stepped::End;
    }
    let next = range.next.get();
    range.left.set(left - 1);
    range.next.set(next.wrapping_add(range.step));
    *to = Raw::int(next);
    Stepped::Item
}

/// Bytes of the character that begins at a byte offset.
pub(super) fn character_at(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let len = match *bytes.get(at)? {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    Some(at..(at + len).min(bytes.len()))
}

/// Bytes of the character that ends before a byte offset.
pub(super) fn character_before(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let mut from = at.min(bytes.len()).checked_sub(1)?;
    while from > 0 && bytes[from] & 0xC0 == 0x80 {
        from -= 1;
    }
    Some(from..at.min(bytes.len()))
}
