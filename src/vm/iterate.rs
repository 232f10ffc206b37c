//! Iteration: `iter`, `next`, `for` and unpacking. Builtin iterators are advanced directly; generators and classes written in the language
//! by the run loop.
//!
//! Inside the machine the item UNBOUND means that there is none: StopIteration is raised only where a script asked by `next`.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, Ref, Slot, Value};
use crate::number::int::{self as integer, IntRef};
use crate::object::key::as_int_ref;
use crate::object::{
    ByteArray, Bytes, ClassFlags, Dict, DictIterator, DictPart, DictView, Exc, Exception, FrozenSet, List, Range,
    RangeIterator, SequenceIterator, Set, SetIterator, Str, Tuple, any_generator, int_value,
};

use super::call::Invoked;
use super::native::{
    Args, NativeDef, NativeFunction, NativeKind, NativeResult, Outcome, Param, ParamKind, Raised, Resumed, Root, Then,
};
use super::step::{Form, Mapped, Stepped};
use super::{Library, Name, Vm};

/// The next item of a native iterator, which is in the window's first register; UNBOUND if there is none.
pub type Step = fn(cx: &mut Vm, window: Args) -> NativeResult;

/// As a step, but for what no script has to be asked for: where one has, it says so, and the step does it.
pub type Direct = fn(cx: &mut Vm, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised>;

/// An iterator whose step is native. Its class is in the shape of its header; its state is in its slots.
pub struct NativeIterator {
    step: Step,
    /// A number of the step's own.
    pub count: StdCell<i64>,
    /// How it is advanced without its step.
    pub(super) form: StdCell<Form>,
    /// Its direct step, if it has one.
    pub(super) direct: StdCell<Option<Direct>>,
    /// How many native iterators deep that goes.
    pub(super) level: StdCell<u8>,
    len: u16,
}

impl std::fmt::Debug for NativeIterator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NativeIterator({} slots, count {})", self.len, self.count.get())
    }
}

crate::cell! { NativeIterator: NativeIterator { slots: [], refs: [] } tail SlotTail by |n| usize::from(n.len) }

impl<'h> Gc<'h, NativeIterator> {
    /// Slot number `index` of its state.
    #[inline]
    pub fn slot(self, index: usize) -> Value<'h> {
        self.tail()[index].get()
    }
}

/// An answer to [`Vm::ask_next`].
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// The item, or UNBOUND if there is none.
    Item(Raw),
    /// The run loop has to be asked: to be returned from the native. The continuation gets what [`Vm::next_answer`] makes the item of.
    Outcome(Outcome),
}

/// The class that an iterator over a builtin collection shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    List,
    ListReversed,
    Tuple,
    AsciiStr,
    Str,
    Bytes,
    ByteArray,
    Reversed,
    Sequence,
    DictKeys,
    DictValues,
    DictItems,
    DictKeysReversed,
    DictValuesReversed,
    DictItemsReversed,
    Ordered,
}

/// The names of those classes, by number.
const SHOWN: [&str; 16] = [
    "list_iterator",
    "list_reverseiterator",
    "tuple_iterator",
    "str_ascii_iterator",
    "str_iterator",
    "bytes_iterator",
    "bytearray_iterator",
    "reversed",
    "iterator",
    "dict_keyiterator",
    "dict_valueiterator",
    "dict_itemiterator",
    "dict_reversekeyiterator",
    "dict_reversevalueiterator",
    "dict_reverseitemiterator",
    "odict_iterator",
];

/// Shapes of the classes of iterators, by number in [`SHOWN`], and by name; 0 where not looked up yet.
#[derive(Debug, Default)]
pub(super) struct IteratorShapes {
    shown: [StdCell<u32>; SHOWN.len()],
    named: std::cell::RefCell<Vec<(&'static str, u32)>>,
}

impl Vm {
    // ---- iter ----

    /// The iterator of a value for which no script is asked: of exact builtin types, and iterators themselves.
    pub(super) fn iter_direct(&mut self, raw: Raw) -> Option<Raw> {
        let value = Value::adopt(raw);
        if value.is_subclassed() { None } else { self.builtin_iter(raw, value) }
    }

    /// As `iter_direct`, for natives.
    pub fn iter_at_once(&mut self, raw: Raw) -> Option<Raw> {
        self.iter_direct(raw)
    }

    /// What `__iter__` of a builtin type makes of an instance, of a derived class too.
    pub fn payload_iter(&mut self, root: Root) -> Option<Root> {
        let own = root.get(self).raw();
        let raw = self.payload(root.get(self)).raw();
        let iterator = match Value::<'static>::adopt(raw).kind() {
            Kind::Dict => self.dict_iterator(own, DictPart::Keys, false)?,
            _ => self.builtin_iter(raw, Value::adopt(raw))?,
        };
        if !own.same(raw)
            && Value::<'static>::adopt(raw).kind() == Kind::Str
            && let Some(iterator) = Value::<'static>::adopt(iterator).exact::<SequenceIterator>()
        {
            // Only that of a plain str is told apart by what is in it.
            iterator.set_shape(self.shown_shape(Shown::Str));
        }
        Some(self.push_raw(iterator))
    }

    fn builtin_iter(&mut self, raw: Raw, value: Value<'_>) -> Option<Raw> {
        let heap = &self.heap;
        Some(match value.kind() {
            Kind::List | Kind::Tuple | Kind::Str | Kind::Bytes | Kind::ByteArray => self.sequence_iterator(raw, false),
            Kind::Range => return Some(self.range_iterator(raw, false)),
            Kind::Dict => self.dict_iterator(raw, DictPart::Keys, false)?,
            Kind::DictView => {
                let view = value.exact::<DictView>()?;
                self.dict_iterator(view.dict.get().raw(), view.part, false)?
            }
            Kind::Set | Kind::FrozenSet => {
                let len = match value.exact::<Set>() {
                    Some(set) => set.len(),
                    None => value.exact::<FrozenSet>()?.len(),
                };
                let iterator = SetIterator {
                    set: Slot::new(value),
                    next: StdCell::new(0),
                    len: StdCell::new(len),
                    left: StdCell::new(len),
                };
                heap.alloc(iterator).value().raw()
            }
            Kind::Generator
            | Kind::SequenceIterator
            | Kind::RangeIterator
            | Kind::DictIterator
            | Kind::SetIterator
            | Kind::NativeIterator
            | Kind::CoroutineWrapper
            | Kind::AsyncGeneratorStep => raw,
            _ => return None,
        })
    }

    /// An iterator over a sequence by index, or over anything with `__getitem__`; backward one begins at `len`.
    fn sequence_iterator(&self, sequence: Raw, backward: bool) -> Raw {
        let value = Value::adopt(sequence);
        let next = if backward { self.builtin_length_in_steps(value) } else { 0 };
        self.sequence_iterator_at(sequence, next, backward)
    }

    fn sequence_iterator_at(&self, sequence: Raw, next: usize, backward: bool) -> Raw {
        let value = Value::adopt(sequence);
        let shown = match value.kind() {
            _ if value.is_subclassed() && backward => Shown::Reversed,
            _ if value.is_subclassed() => Shown::Sequence,
            Kind::List if backward => Shown::ListReversed,
            _ if backward => Shown::Reversed,
            Kind::List => Shown::List,
            Kind::Tuple => Shown::Tuple,
            Kind::Str if value.exact::<Str>().is_some_and(|s| s.is_ascii()) => Shown::AsciiStr,
            Kind::Str => Shown::Str,
            Kind::Bytes => Shown::Bytes,
            Kind::ByteArray => Shown::ByteArray,
            _ => Shown::Sequence,
        };
        let sequence = Slot::new(value);
        let iterator = self.heap.alloc(SequenceIterator { sequence, next: StdCell::new(next), backward });
        iterator.set_shape(self.shown_shape(shown));
        iterator.value().raw()
    }

    #[inline]
    fn shown_shape(&self, shown: Shown) -> u32 {
        let known = &self.coroutines.shapes.shown[shown as usize];
        if known.get() == 0 {
            known.set(self.shape_named(SHOWN[shown as usize]));
        }
        known.get()
    }

    /// The shape of a registered class; 0 if there is none of the name.
    fn shape_named(&self, class: &str) -> u32 {
        let found = self.types.named.iter().find(|(name, _)| *name == class);
        let class = found.and_then(|(_, raw)| Value::adopt(*raw).exact::<super::Class>());
        class.map_or(0, |class| class.get().root_shape.get())
    }

    /// As `shape_named`, remembered.
    fn shape_of(&self, class: &'static str) -> u32 {
        let known = &self.coroutines.shapes.named;
        let found = known.borrow().iter().find(|(name, _)| std::ptr::eq(*name, class)).map(|(_, shape)| *shape);
        found.unwrap_or_else(|| {
            let shape = self.shape_named(class);
            if shape != 0 {
                known.borrow_mut().push((class, shape));
            }
            shape
        })
    }

    /// The `next` that stands for the end of a sequence: a text counts bytes.
    fn builtin_length_in_steps(&self, value: Value<'_>) -> usize {
        match value.kind() {
            Kind::List => value.exact::<List>().map_or(0, |l| l.len()),
            Kind::Tuple => value.exact::<Tuple>().map_or(0, |t| t.len()),
            Kind::Str => value.exact::<Str>().map_or(0, |s| s.len()),
            Kind::Bytes => value.exact::<Bytes>().map_or(0, |b| b.len()),
            Kind::ByteArray => value.exact::<ByteArray>().map_or(0, |b| b.len()),
            _ => 0,
        }
    }

    /// Whether a dict is an OrderedDict.
    pub(super) fn is_ordered_dict(&self, dict: Raw) -> bool {
        let ordered = Value::<'static>::adopt(self.library(Library::OrderedDict)).exact::<crate::object::Class>();
        ordered.is_some_and(|ordered| self.class_of(Value::adopt(dict)).is_subclass(ordered))
    }

    /// An iterator over a part of a dict; none if that isn't one.
    pub(crate) fn dict_iterator(&self, dict: Raw, part: DictPart, backward: bool) -> Option<Raw> {
        let value = self.payload(Value::adopt(dict));
        let cell = value.exact::<Dict>()?;
        let len = cell.len();
        let ordered = !dict.same(value.raw()) && self.is_ordered_dict(dict);
        let iterator = DictIterator {
            dict: Slot::new(value),
            part,
            next: StdCell::new(if backward { cell.used() } else { 0 }),
            len: StdCell::new(if ordered { usize::MAX } else { len }),
            version: ordered.then(|| cell.version()),
            left: StdCell::new(len),
            backward,
        };
        let shown = match (part, backward) {
            _ if ordered => Shown::Ordered,
            (DictPart::Keys, false) => Shown::DictKeys,
            (DictPart::Values, false) => Shown::DictValues,
            (DictPart::Items, false) => Shown::DictItems,
            (DictPart::Keys, true) => Shown::DictKeysReversed,
            (DictPart::Values, true) => Shown::DictValuesReversed,
            (DictPart::Items, true) => Shown::DictItemsReversed,
        };
        let iterator = self.heap.alloc(iterator);
        iterator.set_shape(self.shown_shape(shown));
        Some(iterator.value().raw())
    }

    fn range_iterator(&mut self, range: Raw, backward: bool) -> Raw {
        let range = Value::adopt(range).exact::<Range>().expect("a range").held();
        let ints = [&range.get().start, &range.get().stop, &range.get().step].map(|s| s.get().as_int());
        if let [Some(start), Some(stop), Some(step)] = ints {
            if step == 1
                && !backward
                && let Some(left) = stop.checked_sub(start)
            {
                let left = left.max(0) as u64;
                let next = if left == 0 { 0 } else { start };
                let iterator = RangeIterator { next: StdCell::new(next), step, left: StdCell::new(left) };
                return self.heap.alloc(iterator).value().raw();
            }
            let (start, stop, by) = (i128::from(start), i128::from(stop), i128::from(step));
            let span = if by > 0 { stop - start } else { start - stop };
            let left = if span <= 0 { 0 } else { (span - 1) / by.abs() + 1 };
            let (next, step) =
                if backward { (start + (left - 1) * by, step.checked_neg()) } else { (start, Some(step)) };
            if let (Ok(left), Some(step)) = (u64::try_from(left), step) {
                let next = if left == 0 { 0 } else { i64::try_from(next).unwrap_or(0) };
                let iterator = RangeIterator { next: StdCell::new(next), step, left: StdCell::new(left) };
                return self.heap.alloc(iterator).value().raw();
            }
        }
        let mark = self.mark();
        let parts = if backward {
            let len = self.range_len(range.value());
            let int = |slot: &Slot| as_int_ref(slot.get()).map_or(integer::Int::Small(0), IntRef::to_int);
            let (start, step) = (int(&range.get().start), int(&range.get().step));
            let last = integer::subtract(len.as_ref(), IntRef::Small(1));
            let offset = integer::multiply(last.as_ref(), step.as_ref()).unwrap_or(integer::Int::Small(0));
            let first = integer::add(start.as_ref(), offset.as_ref());
            let end = integer::subtract(start.as_ref(), step.as_ref());
            let down = integer::negate(step.as_ref());
            [first, end, down].map(|int| int_value(&self.heap, int).raw())
        } else {
            [&range.get().start, &range.get().stop, &range.get().step].map(|s| s.get().raw())
        };
        let state = parts.map(|raw| self.push_raw(raw));
        let iterator = self.new_iterator(big_range_step, "longrange_iterator", &state).value().raw();
        self.release(mark);
        iterator
    }

    /// A native iterator with these slots. `class` is the name its class is registered with.
    pub fn new_iterator(&mut self, step: Step, class: &'static str, state: &[Root]) -> Gc<'_, NativeIterator> {
        let shape = self.shape_of(class);
        let len = u16::try_from(state.len()).expect("callers check the number of arguments");
        let iterator = self.heap.alloc_slots(
            NativeIterator {
                step,
                count: StdCell::new(0),
                form: StdCell::default(),
                direct: StdCell::new(None),
                level: StdCell::new(0),
                len,
            },
            |i| Value::adopt(state[i].get(self).raw()),
        );
        iterator.set_shape(shape);
        iterator
    }

    /// `iter(value)`, for loops: nobody sees the iterator.
    pub(super) fn get_iter(&mut self, raw: Raw) -> Result<Invoked, Raised> {
        if let Some(iterator) = self.iter_direct(raw) {
            return Ok(Invoked::Value(self.behind_anew(iterator)?));
        }
        if let Some(invoked) = self.iter_by_method(raw)? {
            return Ok(invoked);
        }
        let start = self.fiber.top;
        let outcome = self.iter_outcome(raw)?;
        self.carry_out(outcome, start)
    }

    /// `iter(value)`, for natives that ask by their outcome.
    pub fn iter_outcome(&mut self, raw: Raw) -> NativeResult {
        if let Some(iterator) = self.iter_direct(raw) {
            return Ok(Outcome::Value(iterator));
        }
        let value = Value::adopt(raw);
        let class = self.class_of(value).held();
        let name = self.name(Name::Iter).held();
        match self.lookup_class(class, name).map(|v| v.raw()) {
            Some(method) if method.same(Raw::NONE) => Err(self.not_iterable(value)),
            Some(method) => self.call_unbound(method, raw, &[], Then::Continue(check_iterator)),
            None if self.has_items(value) => Ok(Outcome::Value(self.sequence_iterator_at(raw, 0, false))),
            None => Err(self.not_iterable(value)),
        }
    }

    /// Whether a value without `__iter__` is iterated by `__getitem__`.
    fn has_items(&mut self, value: Value<'_>) -> bool {
        let class = self.class_of(value).held();
        let name = self.name(Name::GetItem).held();
        let sequence = matches!(value.kind(), Kind::MemoryView | Kind::Array);
        self.lookup_class_with_owner(class, name).is_some_and(|(_, owner)| sequence || owner.has(ClassFlags::HEAP))
    }

    fn not_iterable(&mut self, value: Value<'_>) -> Raised {
        let got = self.type_name_for_error(value);
        self.type_error(format!("'{got}' object is not iterable"))
    }

    /// Whether a value has `__next__`.
    pub fn is_iterator(&mut self, value: Value<'_>) -> bool {
        match value.kind() {
            Kind::Generator
            | Kind::SequenceIterator
            | Kind::RangeIterator
            | Kind::DictIterator
            | Kind::SetIterator
            | Kind::NativeIterator => true,
            _ => self.has_method(value, Name::Next),
        }
    }

    /// Whether a value's class has a method (that is not None).
    pub fn has_method(&mut self, value: Value<'_>, name: Name) -> bool {
        let class = self.class_of(value).held();
        let name = self.name(name).held();
        self.lookup_class(class, name).is_some_and(|method| !method.is_none())
    }

    /// Whether `iter` would look for items in a value: it has `__iter__` or `__getitem__`.
    pub fn is_iterable(&mut self, value: Value<'_>) -> bool {
        let class = self.class_of(value).held();
        let name = self.name(Name::Iter).held();
        self.lookup_class(class, name).is_some() || self.has_items(value)
    }

    /// `iter(value)`, nested.
    pub fn iter(&mut self, root: Root) -> Result<Root, Raised> {
        let raw = root.get(self).raw();
        let iterator = match self.iter_direct(raw) {
            Some(iterator) => iterator,
            None => self.nested(|cx| cx.iter_outcome(raw))?,
        };
        Ok(self.push_raw(iterator))
    }

    // ---- next ----

    /// The next item of an iterator that cannot be advanced directly; UNBOUND if there is none.
    pub(super) fn next_item(&mut self, iterator: Raw) -> Result<Invoked, Raised> {
        if let Some(invoked) = self.by_method(iterator, Name::Next, &[iterator])? {
            return Ok(invoked);
        }
        let value = Value::<'static>::adopt(iterator);
        if value.kind() == Kind::Generator
            && self.waits_for_next()
            && let Some(generator) = any_generator(value)
        {
            // One that hands on what another yields, or did so: the frame that asks takes what comes.
            if generator.state.get() == crate::object::GeneratorState::Finished {
                return Ok(Invoked::Value(Raw::UNBOUND));
            }
            let (target, input) = (self.push_raw(iterator), self.push_raw(Raw::NONE));
            return self.resume(target, input, false);
        }
        if let Some(invoked) = self.next_mapped(iterator)? {
            return Ok(invoked);
        }
        debug_assert!(self.window_is_kept());
        let start = self.fiber.top;
        self.push_raw(iterator);
        let window = std::mem::replace(&mut self.fiber.window, start);
        let outcome = advance(self, Args { start, count: 1 });
        self.fiber.window = window;
        self.carry_out(outcome?, start)
    }

    /// `next(iterator)`, nested: None if there are no more items.
    pub fn next(&mut self, iterator: Root) -> Result<Option<Root>, Raised> {
        let raw = self.behind_anew(iterator.get(self).raw())?;
        let iterator = if raw.same(iterator.get(self).raw()) { iterator } else { self.push_raw(raw) };
        let item = match self.next_direct(raw)? {
            Some(item) => item,
            None if any_generator(Value::adopt(raw)).is_some_and(|g| g.value().kind() == Kind::Generator) => {
                self.next_of_generator(iterator)?
            }
            None => match self.map_arguments(raw)? {
                Some(Mapped::Call { start, argc }) => {
                    let item = self.call_window(start, argc, None)?;
                    self.fiber.top = start;
                    item
                }
                Some(Mapped::End) => Raw::UNBOUND,
                None => self.nested_step(raw)?,
            },
        };
        Ok(if item.is_unbound() { None } else { Some(self.push_raw(item)) })
    }

    /// The next item of an iterator that a script or its own step is asked for, nested; UNBOUND if there is none.
    pub(super) fn nested_step(&mut self, iterator: Raw) -> Result<Raw, Raised> {
        self.nested(|cx| {
            let start = cx.fiber.top;
            cx.push_raw(iterator);
            advance(cx, Args { start, count: 1 })
        })
    }

    fn next_of_generator(&mut self, generator: Root) -> Result<Raw, Raised> {
        self.check_stack()?;
        self.next_yielded(generator, None)
    }

    // ---- for natives that take items by their outcome ----

    /// Asks an iterator, which the caller has in a register of its own, for its next item.
    pub fn ask_next(&mut self, iterator: Root, then: Then) -> Result<Asked, Raised> {
        let raw = self.behind_anew(iterator.get(self).raw())?;
        iterator.set(self, Value::adopt(raw));
        if let Some(item) = self.next_direct(raw)? {
            return Ok(Asked::Item(item));
        }
        if iterator.get(self).kind() == Kind::Generator && !iterator.get(self).is_subclassed() {
            let ended = any_generator(iterator.get(self))
                .is_some_and(|g| g.state.get() == crate::object::GeneratorState::Finished);
            if ended {
                return Ok(Asked::Item(Raw::UNBOUND));
            }
            // What is sent is read at once: it need not stay in the window, which the continuation finds as it is now.
            let input = self.push_raw(Raw::NONE);
            self.release(input.0);
            return Ok(Asked::Outcome(Outcome::Resume { target: iterator, input, throw: false, then }));
        }
        let advance = self.advance_function();
        let callee = self.push_raw(advance);
        self.push_raw(raw);
        Ok(Asked::Outcome(Outcome::Call { callee, argc: 1, keywords: None, then }))
    }

    /// The item that an iterator which was asked gave; UNBOUND if there is none.
    pub fn next_answer(&self, iterator: Root, resumed: Resumed) -> Raw {
        match resumed {
            Resumed::Yielded(item) => item.get(self).raw(),
            Resumed::Returned(item) if iterator.get(self).kind() != Kind::Generator => item.get(self).raw(),
            Resumed::Returned(_) | Resumed::Raised(_) => Raw::UNBOUND,
        }
    }

    /// Drops what is in a native's registers beyond the first `len` of its window.
    pub fn trim(&mut self, window: Args, len: usize) {
        self.release(window.start + len as u32);
    }

    /// `next(iterator)`, and `next(iterator, default)` with the default in the window's second register.
    pub fn next_outcome(&mut self, iterator: Root, has_default: bool) -> NativeResult {
        let raw = self.behind_anew(iterator.get(self).raw())?;
        iterator.set(self, Value::adopt(raw));
        if let Some(item) = self.next_direct(raw)? {
            if !item.is_unbound() {
                return Ok(Outcome::Value(item));
            }
            return if has_default {
                Ok(iterator.offset(1).get(self).into())
            } else {
                Err(self.raise_new(Exc::StopIteration, &[]))
            };
        }
        let value = iterator.get(self);
        if value.kind() == Kind::Generator {
            let input = self.push_raw(Raw::NONE);
            let then = if has_default { Then::Catch(item_or_default) } else { Then::Return };
            return Ok(Outcome::Resume { target: iterator, input, throw: false, then });
        }
        // One over a sequence is here because a script is to be asked: `__getitem__`.
        if value.exact::<NativeIterator>().is_some() || value.exact::<SequenceIterator>().is_some() {
            let advance = self.advance_function();
            let callee = self.push_raw(advance);
            self.push_raw(raw);
            let then = Then::Continue(if has_default { item_or_default } else { item_or_stop });
            return Ok(Outcome::Call { callee, argc: 1, keywords: None, then });
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::Next).held();
        match self.lookup_class(class, name).map(|v| v.raw()) {
            Some(method) => {
                let then = if has_default { Then::Catch(item_or_default) } else { Then::Return };
                self.call_unbound(method, raw, &[], then)
            }
            _ => {
                let got = self.type_name_for_error(Value::adopt(raw));
                Err(self.type_error(format!("'{got}' object is not an iterator")))
            }
        }
    }

    /// A native function that gives the next item or UNBOUND.
    fn advance_function(&mut self) -> Raw {
        if self.coroutines.advance.is_unbound() {
            let function = self.heap.alloc(NativeFunction {
                def: &ADVANCE,
                positional: 1,
                simple: true,
                least: 1,
                receiver: Slot::new(Value::NONE),
                class: Ref::none(),
                module: crate::heap::AnyRef::none(),
                target: Ref::none(),
            });
            self.coroutines.advance = function.value().raw();
        }
        self.coroutines.advance
    }

    // ---- reversed ----

    /// `reversed(value)`.
    pub fn reversed_outcome(&mut self, raw: Raw) -> NativeResult {
        let value = Value::adopt(raw);
        if !value.is_subclassed()
            && let Some(iterator) = self.builtin_reversed(raw)
        {
            return Ok(Outcome::Value(iterator));
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::Reversed).held();
        match self.lookup_class(class, name).map(|v| v.raw()) {
            Some(method) if method.same(Raw::NONE) => Err(self.not_reversible(value)),
            Some(method) => self.call_unbound(method, raw, &[], Then::Return),
            None if self.is_reversible(value) => {
                let root = self.push_raw(raw);
                let len = self.length(root)?;
                let raw = root.get(self).raw();
                Ok(Outcome::Value(self.sequence_iterator_at(raw, len, true)))
            }
            None => Err(self.not_reversible(value)),
        }
    }

    /// What `__reversed__` of a builtin type makes of an instance, of a derived class too.
    pub fn payload_reversed(&mut self, root: Root) -> Option<Root> {
        let raw = self.payload(root.get(self)).raw();
        let iterator = self.builtin_reversed(raw)?;
        Some(self.push_raw(iterator))
    }

    fn builtin_reversed(&mut self, raw: Raw) -> Option<Raw> {
        let value = Value::adopt(raw);
        match value.kind() {
            Kind::List | Kind::Tuple | Kind::Str | Kind::Bytes | Kind::ByteArray => {
                Some(self.sequence_iterator(raw, true))
            }
            Kind::Range => Some(self.range_iterator(raw, true)),
            Kind::Dict => self.dict_iterator(raw, DictPart::Keys, true),
            Kind::DictView => {
                let view = value.exact::<DictView>()?;
                self.dict_iterator(view.dict.get().raw(), view.part, true)
            }
            _ => None,
        }
    }

    fn is_reversible(&mut self, value: Value<'_>) -> bool {
        let mapping = matches!(value.kind(), Kind::Dict | Kind::MappingProxy);
        let sequence = value.is_subclassed()
            && matches!(
                self.payload(value).kind(),
                Kind::List | Kind::Tuple | Kind::Str | Kind::Bytes | Kind::ByteArray | Kind::Range | Kind::Deque
            );
        !mapping && self.has_method(value, Name::Len) && (sequence || self.has_items(value))
    }

    fn not_reversible(&mut self, value: Value<'_>) -> Raised {
        let got = self.type_name_for_error(value);
        if self.has_items(value) && !self.has_method(value, Name::Len) {
            return self.type_error(format!("object of type '{got}' has no len()"));
        }
        self.type_error(format!("'{got}' object is not reversible"))
    }

    /// How many items a builtin iterator has left (`__length_hint__`); None where that is not known.
    pub fn items_left(&self, iterator: Value<'_>) -> Option<usize> {
        if let Some(iterator) = iterator.exact::<SequenceIterator>() {
            let source = iterator.sequence.get();
            let at = iterator.next.get();
            let len = match source.kind() {
                Kind::None => return Some(0),
                Kind::Str => {
                    let text = source.exact::<Str>()?;
                    let done = text.char_index(at);
                    return Some(if iterator.backward { done } else { text.chars() - done });
                }
                _ => self.builtin_length_in_steps(source),
            };
            // Walking backwards, the place is gone if the sequence has become shorter than that.
            return Some(match iterator.backward {
                true if at > len => 0,
                true => at,
                false => len.saturating_sub(at),
            });
        }
        if let Some(range) = iterator.exact::<RangeIterator>() {
            return Some(range.left.get() as usize);
        }
        if let Some(iterator) = iterator.exact::<DictIterator>() {
            let same = iterator
                .dict
                .get()
                .exact::<Dict>()
                .is_some_and(|d| d.len() == iterator.len.get() || iterator.version == Some(d.version()));
            return Some(if same { iterator.left.get() } else { 0 });
        }
        let iterator = iterator.exact::<SetIterator>()?;
        let same = iterator.set.get().exact::<Set>().is_some_and(|set| set.len() == iterator.len.get());
        Some(if same { iterator.left.get() } else { 0 })
    }

    /// The exception is raised again as it is.
    pub fn rethrow(&mut self, exception: Root) -> Raised {
        self.raised = exception.get(self).raw();
        Raised(())
    }

    /// The value a StopIteration carries, if the exception is one.
    pub fn stop_value(&self, exception: Root) -> Option<Raw> {
        let value = exception.get(self);
        if !self.is_exception(value, Exc::StopIteration) {
            return None;
        }
        value.cell_of_kind::<Exception>().map(|e| e.field(0).raw())
    }
}

static ADVANCE: NativeDef = NativeDef {
    name: "next",
    doc: &[],
    kind: NativeKind::Function,
    params: &[Param { name: "iterator", kind: ParamKind::Positional, default: "" }],
    suspends: false,
    scripted: false,
    counted: false,
    unnamed: false,
    quick: crate::vm::native::Quick::No,
    run: advance,
};

/// The next item of the iterator in the window's only register, where a script or a native step has to be asked.
fn advance(cx: &mut Vm, window: Args) -> NativeResult {
    let iterator = window.root(0);
    let raw = cx.behind_anew(iterator.get(cx).raw())?;
    iterator.set(cx, Value::adopt(raw));
    let value = iterator.get(cx);
    if let Some(native) = value.exact::<NativeIterator>() {
        let step = native.step;
        return step(cx, window);
    }
    let raw = value.raw();
    if let Some(item) = cx.next_direct(raw)? {
        return Ok(Outcome::Value(item));
    }
    let value = Value::adopt(raw);
    if value.kind() == Kind::Generator {
        let input = cx.push_raw(Raw::NONE);
        let ended = any_generator(value).is_some_and(|g| g.state.get() == crate::object::GeneratorState::Finished);
        if ended {
            return Ok(Outcome::Value(Raw::UNBOUND));
        }
        return Ok(Outcome::Resume { target: iterator, input, throw: false, then: Then::Continue(generator_item) });
    }
    if let Some(sequence) = value.exact::<SequenceIterator>() {
        let at = sequence.next.get();
        let index = if sequence.backward { at.checked_sub(1) } else { Some(at) };
        let Some(index) = index else {
            sequence.set(&cx.heap, |s| &s.sequence, Value::NONE);
            return Ok(Outcome::Value(Raw::UNBOUND));
        };
        let source = sequence.sequence.get().raw();
        let class = cx.class_of(Value::adopt(source)).held();
        let name = cx.name(Name::GetItem).held();
        let Some(method) = cx.lookup_class(class, name).map(|v| v.raw()) else {
            let got = cx.type_name_for_error(Value::adopt(source));
            return Err(cx.type_error(format!("'{got}' object does not support indexing")));
        };
        return cx.call_unbound(method, source, &[Raw::int(index as i64)], Then::Catch(sequence_item));
    }
    let class = cx.class_of(value).held();
    let name = cx.name(Name::Next).held();
    match cx.lookup_class(class, name).map(|v| v.raw()) {
        Some(method) if !method.same(Raw::NONE) => cx.call_unbound(method, raw, &[], Then::Catch(item_or_none)),
        _ => {
            let got = cx.type_name_for_error(value);
            Err(cx.type_error(format!("'{got}' object is not an iterator")))
        }
    }
}

/// The step of an iterator that hands on what a generator yields; most go over the generator itself.
pub(super) fn step_behind(cx: &mut Vm, window: Args) -> NativeResult {
    advance(cx, window)
}

fn generator_item(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    Ok(match resumed {
        Resumed::Yielded(item) => item.get(cx).into(),
        _ => Outcome::Value(Raw::UNBOUND),
    })
}

/// What `__next__` gave: StopIteration is the end.
fn item_or_none(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(item) | Resumed::Yielded(item) => Ok(item.get(cx).into()),
        Resumed::Raised(exception) if cx.is_exception(exception.get(cx), Exc::StopIteration) => {
            Ok(Outcome::Value(Raw::UNBOUND))
        }
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

/// For `next` without a default.
fn item_or_stop(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(item) | Resumed::Yielded(item) if item.get(cx).is_unbound() => {
            Err(cx.raise_new(Exc::StopIteration, &[]))
        }
        Resumed::Returned(item) | Resumed::Yielded(item) => Ok(item.get(cx).into()),
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

/// For `next` with the default in the window's second register.
fn item_or_default(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let default = window.get(cx, 1);
    match resumed {
        Resumed::Yielded(item) => Ok(item.get(cx).into()),
        Resumed::Returned(_) if window.get(cx, 0).kind() == Kind::Generator => Ok(default.into()),
        Resumed::Returned(item) if item.get(cx).is_unbound() => Ok(default.into()),
        Resumed::Returned(item) => Ok(item.get(cx).into()),
        Resumed::Raised(exception) if cx.is_exception(exception.get(cx), Exc::StopIteration) => Ok(default.into()),
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}

/// What `__getitem__` gave a sequence iterator: IndexError is the end.
fn sequence_item(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    let sequence = window.get(cx, 0).exact::<SequenceIterator>().expect("a sequence iterator");
    match resumed {
        Resumed::Returned(item) | Resumed::Yielded(item) => {
            let at = &sequence.get().next;
            at.set(if sequence.backward { at.get().saturating_sub(1) } else { at.get() + 1 });
            Ok(item.get(cx).into())
        }
        Resumed::Raised(exception) => {
            let ends = [Exc::IndexError, Exc::StopIteration];
            if !ends.iter().any(|end| cx.is_exception(exception.get(cx), *end)) {
                return Err(cx.rethrow(exception));
            }
            sequence.set(&cx.heap, |s| &s.sequence, Value::NONE);
            Ok(Outcome::Value(Raw::UNBOUND))
        }
    }
}

/// The result of `__iter__` must be an iterator.
fn check_iterator(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(iterator) | Resumed::Yielded(iterator) | Resumed::Raised(iterator)) = resumed;
    let raw = iterator.get(cx).raw();
    if cx.is_iterator(Value::adopt(raw)) {
        return Ok(Outcome::Value(raw));
    }
    let got = cx.type_name_for_error(Value::adopt(raw));
    Err(cx.type_error(format!("iter() returned non-iterator of type '{got}'")))
}

/// State: the next number, the bound, the step.
fn big_range_step(cx: &mut Vm, window: Args) -> NativeResult {
    let iterator = window.get(cx, 0).exact::<NativeIterator>().expect("a native iterator").held();
    let int = |i: usize| as_int_ref(iterator.slot(i)).map_or(integer::Int::Small(0), IntRef::to_int);
    let (next, stop, step) = (int(0), int(1), int(2));
    let order = integer::compare(next.as_ref(), stop.as_ref());
    if (step.as_ref().signum() > 0 && order.is_ge()) || (step.as_ref().signum() < 0 && order.is_le()) {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    let item = iterator.slot(0).raw();
    let following = int_value(&cx.heap, integer::add(next.as_ref(), step.as_ref())).raw();
    iterator.set_tail(&cx.heap, 0, Value::adopt(following));
    Ok(Outcome::Value(item))
}
