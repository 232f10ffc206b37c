//! Iterators: the builtin functions and types that make them, and the methods all of them share.

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::natives;
use crate::number::int::{self as integer, IntRef};
use crate::object::key::as_int_ref;
use crate::object::{ClassFlags, Exc, Range, Tuple, int_value};
use crate::vm::iterate::{Asked, NativeIterator};
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Rest, Resumed, Root, Then};
use crate::vm::step::Form;
use crate::vm::{Name, TypeRow};

use super::iterator_copy::{
    COPIED, COPIED_CALLS, COPIED_PAIR, COPIED_RANGE, COPIED_TOGETHER, PLACED_ITERATOR, PLACED_RANGE,
};

natives!(
    /// The builtin functions of iteration.
    pub static BUILTIN_ITERATION: Functions;

    /// Return an iterator over an object's items. With a sentinel the object is called for each item, until it returns the sentinel.
    fn iter(cx: &mut Cx, object: Root, sentinel: Given<Root>) -> NativeResult {
        let Some(sentinel) = sentinel.0 else {
            let raw = object.get(cx).raw();
            return cx.iter_outcome(raw);
        };
        let raw = object.get(cx).raw();
        let value = Value::adopt(raw);
        let callable = matches!(value.kind(), Kind::Function | Kind::Native | Kind::BoundMethod | Kind::Class)
            || cx.has_method(value, Name::Call);
        if !callable {
            return Err(cx.type_error("iter(v, w): v must be callable".into()));
        }
        Ok(cx.new_iterator(call_step, "callable_iterator", &[object, sentinel]).into())
    }

    /// Return the next item of an iterator; where there is none, the default if it is given.
    #[quick(Next)]
    fn next(cx: &mut Cx, iterator: Root, default: Given<Root>) -> NativeResult {
        cx.next_outcome(iterator, default.0.is_some())
    }

    /// Return an asynchronous iterator over an object's items.
    fn aiter(cx: &mut Cx, async_iterable: Root) -> NativeResult {
        let raw = async_iterable.get(cx).raw();
        let value = Value::adopt(raw);
        if value.kind() == Kind::AsyncGenerator {
            return Ok(Outcome::Value(raw));
        }
        let Some(method) = method(cx, raw, Name::AIter) else {
            let got = cx.type_name_for_error(value);
            return Err(cx.type_error(format!("'{got}' object is not an async iterable")));
        };
        cx.call_unbound(method, raw, &[], Then::Continue(check_aiter))
    }

    /// Return an awaitable for the next item of an asynchronous iterator. Where there is none it gives the default if there is one.
    fn anext(cx: &mut Cx, async_iterator: Root, default: Given<Root>) -> NativeResult {
        let raw = async_iterator.get(cx).raw();
        let Some(method) = method(cx, raw, Name::ANext) else {
            let got = cx.type_name_for_error(Value::adopt(raw));
            return Err(cx.type_error(format!("'{got}' object is not an async iterator")));
        };
        let then = if default.0.is_some() { Then::Continue(with_default) } else { Then::Return };
        cx.call_unbound(method, raw, &[], then)
    }
);

natives!(
    /// Iterators.
    pub static ITERATOR: Methods;

    /// Return the iterator itself.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(this.get(cx).into())
    }

    /// Return the next item.
    fn __next__(cx: &mut Cx, this: Root) -> NativeResult {
        let raw = cx.payload(this.get(cx)).raw();
        this.set(cx, Value::adopt(raw));
        cx.next_outcome(this, false)
    }
);

natives!(
    /// What iterators over builtin collections have besides.
    pub static COUNTED: Methods;

    /// Return an estimate of the number of items left.
    fn __length_hint__(cx: &mut Cx, this: Root) -> NativeResult {
        let left = cx.items_left(this.get(cx)).unwrap_or(0);
        Ok((left as i64).into())
    }
);

natives!(
    /// What iterators over ranges beyond 64 bits have besides.
    static LONG_RANGE: Methods;

    /// Return the number of items left.
    fn __length_hint__(cx: &mut Cx, this: Root) -> NativeResult {
        let left = long_range_left(cx, this);
        Ok(int_value(&cx.heap, left).into())
    }

    /// Skip items.
    fn __setstate__(cx: &mut Cx, this: Root, object: Root) -> NativeResult {
        if !matches!(object.get(cx).kind(), Kind::Int | Kind::BigInt) {
            let got = cx.type_name_for_error(object.get(cx));
            return Err(cx.type_error(format!("state must be an int, not {got}")));
        }
        let left = long_range_left(cx, this);
        let skipped = as_int_ref(object.get(cx)).expect("just looked").to_int();
        let skipped = match integer::compare(skipped.as_ref(), left.as_ref()) {
            _ if skipped.as_ref().signum() < 0 => return Ok(Value::NONE.into()),
            order if order.is_gt() => left,
            _ => skipped,
        };
        let iterator = this.get(cx).exact::<NativeIterator>().expect("methods check their receiver").held();
        let [start, step] = [0, 2].map(|at| iterator.slot(at));
        let [start, step] = [start, step].map(|v| as_int_ref(v).map_or(integer::Int::Small(0), IntRef::to_int));
        let offset = integer::multiply(skipped.as_ref(), step.as_ref()).unwrap_or(integer::Int::Small(0));
        let next = int_value(&cx.heap, integer::add(start.as_ref(), offset.as_ref())).raw();
        iterator.set_tail(&cx.heap, 0, Value::adopt(next));
        Ok(Value::NONE.into())
    }
);

/// How many items a `longrange_iterator` still gives.
fn long_range_left(cx: &Cx, this: Root) -> integer::Int {
    let iterator = this.get(cx).exact::<NativeIterator>().expect("methods check their receiver");
    let [start, stop, step] = [0, 1, 2].map(|at| Slot::new(iterator.slot(at)));
    cx.range_len(cx.heap.alloc(Range { start, stop, step }).value())
}

natives!(
    /// Types that take arguments in annotations.
    pub(super) static SUBSCRIPTED: Methods;

    /// The type with arguments, for annotations.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, object: Root) -> NativeResult {
        cx.generic_alias(class, object)
    }
);

natives!(
    /// An iterator over pairs of a number and an item of an iterable, counting from `start`.
    pub static ENUMERATE: Methods;

    /// Make an enumerate object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] iterable: Root,
        #[either]
        #[text("0")]
        start: Given<Root>,
    ) -> NativeResult {
        let start = match start.0 {
            Some(start) => cx.index(start)?,
            None => cx.push(Value::int(0)),
        };
        let source = cx.iter(iterable)?;
        let state = [source, start];
        let raw = cx.new_iterator(enumerate_step, "enumerate", &state).value().raw();
        directly(cx, raw, Form::Enumerate, 0, 1);
        cx.new_iterator_outcome(class, raw)
    }
);

natives!(
    /// An iterator over tuples of one item of each iterable, as long as all have one. With `strict` all must have the same number.
    pub static ZIP: Methods;

    /// Make a zip object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        iterables: Rest,
        #[key]
        #[default(false)]
        #[text("False")]
        strict: bool,
    ) -> NativeResult {
        let mut state = vec![];
        for iterable in iterables.0.roots() {
            state.push(cx.iter(iterable)?);
        }
        let zip = cx.new_iterator(together_step::<false>, "zip", &state);
        zip.count.set(i64::from(strict));
        let raw = zip.value().raw();
        if !strict {
            directly(cx, raw, Form::Zip, 0, state.len());
        }
        cx.new_iterator_outcome(class, raw)
    }
);

natives!(
    /// An iterator over what a function returns for one item of each iterable.
    pub static MAP: Methods;

    /// Make a map object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        function: Given<Root>,
        iterables: Rest,
        #[key]
        #[default(false)]
        #[text("False")]
        strict: bool,
    ) -> NativeResult {
        let (Some(function), false) = (function.0, iterables.0.is_empty()) else {
            return Err(cx.type_error("map() must have at least two arguments.".into()));
        };
        let mut state = vec![function];
        for iterable in iterables.0.roots() {
            state.push(cx.iter(iterable)?);
        }
        let map = cx.new_iterator(together_step::<true>, "map", &state);
        map.count.set(i64::from(strict));
        let raw = map.value().raw();
        if !strict {
            directly(cx, raw, Form::Map, 1, state.len() - 1);
        }
        cx.new_iterator_outcome(class, raw)
    }
);

natives!(
    /// An iterator over those items of an iterable for which a function returns true; with None, over those that are true.
    pub static FILTER: Methods;

    /// Make a filter object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, function: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        let undecided = cx.push(Value::UNBOUND);
        let raw = cx.new_iterator(filter_step, "filter", &[function, source, undecided]).value().raw();
        if by_truth(cx, function.get(cx)) {
            directly(cx, raw, Form::Filter, 1, 1);
        } else {
            let filter = Value::adopt(raw).exact::<NativeIterator>().expect("just made");
            cx.filters_by_function(filter);
        }
        cx.new_iterator_outcome(class, raw)
    }
);

natives!(
    /// An iterator over a sequence's items, last first.
    pub static REVERSED: Methods;

    /// Make an iterator over the items of `object` in reverse.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, object: Root) -> NativeResult {
        let raw = object.get(cx).raw();
        cx.reversed_outcome(raw)
    }
);

/// The types of iterators.
pub static TYPES: &[TypeRow] = &[
    shown("enumerate", &[&ENUMERATE, &ITERATOR, &COPIED_PAIR, &SUBSCRIPTED]),
    shown("zip", &[&ZIP, &ITERATOR, &COPIED_TOGETHER]),
    shown("map", &[&MAP, &ITERATOR, &COPIED_TOGETHER]),
    shown("filter", &[&FILTER, &ITERATOR, &COPIED_PAIR]),
    TypeRow {
        layout: Kind::SequenceIterator,
        ..shown("reversed", &[&REVERSED, &ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR])
    },
    made(Kind::NativeIterator, "callable_iterator", &[&ITERATOR, &COPIED_CALLS]),
    made(Kind::NativeIterator, "longrange_iterator", &[&ITERATOR, &COPIED_RANGE, &LONG_RANGE]),
    made(Kind::NativeIterator, "memory_iterator", &[&ITERATOR]),
    made(Kind::SequenceIterator, "iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR])
        .of_kind(Kind::SequenceIterator),
    made(Kind::SequenceIterator, "list_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::SequenceIterator, "list_reverseiterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::SequenceIterator, "tuple_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::SequenceIterator, "str_ascii_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::SequenceIterator, "str_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::SequenceIterator, "bytes_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::SequenceIterator, "bytearray_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_ITERATOR]),
    made(Kind::RangeIterator, "range_iterator", &[&ITERATOR, &COUNTED, &COPIED, &PLACED_RANGE])
        .of_kind(Kind::RangeIterator),
    made(Kind::DictIterator, "dict_keyiterator", &[&ITERATOR, &COUNTED, &COPIED]).of_kind(Kind::DictIterator),
    made(Kind::DictIterator, "dict_valueiterator", &[&ITERATOR, &COUNTED, &COPIED]),
    made(Kind::DictIterator, "dict_itemiterator", &[&ITERATOR, &COUNTED, &COPIED]),
    made(Kind::DictIterator, "dict_reversekeyiterator", &[&ITERATOR, &COUNTED, &COPIED]),
    made(Kind::DictIterator, "dict_reversevalueiterator", &[&ITERATOR, &COUNTED, &COPIED]),
    made(Kind::DictIterator, "dict_reverseitemiterator", &[&ITERATOR, &COUNTED, &COPIED]),
    made(Kind::DictIterator, "odict_iterator", &[&ITERATOR, &COPIED]),
    made(Kind::SetIterator, "set_iterator", &[&ITERATOR, &COUNTED, &COPIED]).of_kind(Kind::SetIterator),
];

/// A type that scripts call.
const fn shown(name: &'static str, methods: &'static [&'static crate::native::Natives]) -> TypeRow {
    TypeRow { kind: None, ..TypeRow::of(Kind::NativeIterator, name, methods) }
}

/// A type whose values are only made by others.
const fn made(layout: Kind, name: &'static str, methods: &'static [&'static crate::native::Natives]) -> TypeRow {
    let row = TypeRow::of(layout, name, methods);
    TypeRow { kind: None, ..row }.with(ClassFlags::NO_NEW.union(ClassFlags::FINAL)).undocumented()
}

impl TypeRow {
    /// The type of the values of a kind that have no shape.
    const fn of_kind(self, kind: Kind) -> TypeRow {
        TypeRow { kind: Some(kind), ..self }
    }
}

impl Cx {
    /// What `__new__` of a type of native iterators returns: for a derived class an instance that stands for the iterator.
    pub(crate) fn new_iterator_outcome(&mut self, class: Root, iterator: Raw) -> NativeResult {
        let iterator = self.push(Value::adopt(iterator));
        let given = class.get(self).exact::<crate::object::Class>();
        match given {
            Some(given) if self.class_of(iterator.get(self)) != given => {
                let instance = crate::object::Instance::new(&self.heap, given);
                instance.set_slot(&self.heap, 0, iterator.get(self));
                if given.has(ClassFlags::FINALISER) {
                    self.heap.finalisable(instance.value());
                }
                Ok(instance.into())
            }
            _ => Ok(iterator.get(self).into()),
        }
    }
}

/// A method of a value's class; None if there is none.
fn method(cx: &mut Cx, raw: Raw, name: Name) -> Option<Raw> {
    let class = cx.class_of(Value::adopt(raw)).held();
    let name = cx.name(name).held();
    cx.lookup_class(class, name).map(|v| v.raw()).filter(|m| !m.same(Raw::NONE))
}

fn check_aiter(cx: &mut Cx, _: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(value) | Resumed::Yielded(value) | Resumed::Raised(value)) = resumed;
    let raw = value.get(cx).raw();
    if method(cx, raw, Name::ANext).is_some() {
        return Ok(Outcome::Value(raw));
    }
    let got = cx.type_name_for_error(Value::adopt(raw));
    Err(cx.type_error(format!("aiter() returned not an async iterator of type '{got}'")))
}

/// Window: the asynchronous iterator, the default.
fn with_default(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(awaitable) | Resumed::Yielded(awaitable) | Resumed::Raised(awaitable)) = resumed;
    let coroutine = cx.next_or_default(awaitable, window.root(1));
    Ok(coroutine.get(cx).into())
}

/// Lets an iterator that was just made be advanced without its step where its sources can be.
fn directly(cx: &Cx, iterator: Raw, form: Form, first: usize, count: usize) {
    let iterator = Value::adopt(iterator).exact::<NativeIterator>().expect("just made");
    cx.advance_directly(iterator, form, first, count);
}

/// There are no more items.
const END: NativeResult = Ok(Outcome::Value(Raw::UNBOUND));

/// The iterator a window belongs to.
fn of(cx: &Cx, window: Args) -> Gc<'static, NativeIterator> {
    window.get(cx, 0).exact::<NativeIterator>().expect("a step has its iterator first").held()
}

/// Pushes a slot of the iterator's state.
fn push_slot(cx: &mut Cx, window: Args, index: usize) -> Root {
    let raw = of(cx, window).slot(index).raw();
    cx.push(Value::adopt(raw))
}

// ---- iter(callable, sentinel): the callable, the sentinel; None twice once exhausted, with a count of 1 ----

fn call_step(cx: &mut Cx, window: Args) -> NativeResult {
    if of(cx, window).count.get() != 0 {
        return END;
    }
    let callee = push_slot(cx, window, 0);
    Ok(Outcome::Call { callee, argc: 0, keywords: None, then: Then::Catch(called) })
}

fn called(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let exhausted = match resumed {
        Resumed::Returned(value) | Resumed::Yielded(value) => {
            let sentinel = push_slot(cx, window, 1);
            if !cx.same_or_equal(sentinel, value)? {
                return Ok(value.get(cx).into());
            }
            true
        }
        Resumed::Raised(exception) => {
            if !cx.is_exception(exception.get(cx), Exc::StopIteration) {
                return Err(cx.rethrow(exception));
            }
            true
        }
    };
    if exhausted {
        let iterator = of(cx, window);
        iterator.count.set(1);
        iterator.set_tail(&cx.heap, 0, Value::NONE);
        iterator.set_tail(&cx.heap, 1, Value::NONE);
    }
    END
}

// ---- enumerate: the iterator, the next number ----

fn enumerate_step(cx: &mut Cx, window: Args) -> NativeResult {
    let source = push_slot(cx, window, 0);
    match cx.ask_next(source, Then::Continue(enumerate_item))? {
        Asked::Item(item) => enumerate_pair(cx, window, item),
        Asked::Outcome(outcome) => Ok(outcome),
    }
}

fn enumerate_item(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let item = cx.next_answer(window.root(1), resumed);
    enumerate_pair(cx, window, item)
}

fn enumerate_pair(cx: &mut Cx, window: Args, item: Raw) -> NativeResult {
    if item.is_unbound() {
        return END;
    }
    let iterator = of(cx, window);
    let number = iterator.slot(1);
    let next = match number.as_int().and_then(|n| n.checked_add(1)) {
        Some(next) => Value::int(next),
        None => {
            let number = as_int_ref(number).unwrap_or(IntRef::Small(0));
            int_value(&cx.heap, integer::add(number, IntRef::Small(1)))
        }
    };
    iterator.set_tail(&cx.heap, 1, next);
    Ok(Tuple::new(&cx.heap, &[number, Value::adopt(item)]).into())
}

// ---- zip: the iterators; map: the function, the iterators. The count says whether they are strict. While items are collected the
// window holds the iterator, for map the function, the items so far, and the iterator that was asked. ----

fn together_step<const MAP: bool>(cx: &mut Cx, window: Args) -> NativeResult {
    if MAP {
        push_slot(cx, window, 0);
    }
    together_from::<MAP>(cx, window, 0)
}

/// Number of registers before the items.
const fn before(map: bool) -> usize {
    1 + map as usize
}

/// Collects items from iterator number `at` on, and makes the result of them.
fn together_from<const MAP: bool>(cx: &mut Cx, window: Args, mut at: usize) -> NativeResult {
    let functions = usize::from(MAP);
    let count = of(cx, window).tail().len() - functions;
    if count == 0 {
        return END;
    }
    while at < count {
        let source = push_slot(cx, window, functions + at);
        match cx.ask_next(source, Then::Continue(together_item::<MAP>))? {
            Asked::Item(item) if item.is_unbound() => return together_end::<MAP>(cx, window, at),
            Asked::Item(item) => source.set(cx, Value::adopt(item)),
            Asked::Outcome(outcome) => return Ok(outcome),
        }
        at += 1;
    }
    if MAP {
        let callee = window.root(0).offset(1);
        return Ok(Outcome::Call { callee, argc: count as u32, keywords: None, then: Then::Return });
    }
    let first = window.root(0).offset(1);
    let tuple = Tuple::build(&cx.heap, count, |i| first.offset(i).get(cx));
    Ok(tuple.into())
}

fn together_item<const MAP: bool>(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let at = window.len() - before(MAP) - 1;
    let source = window.root(window.len() - 1);
    let item = cx.next_answer(source, resumed);
    cx.trim(window, window.len());
    if item.is_unbound() {
        return together_end::<MAP>(cx, window, at);
    }
    source.set(cx, Value::adopt(item));
    together_from::<MAP>(cx, window, at + 1)
}

/// Iterator number `at` has no more items.
fn together_end<const MAP: bool>(cx: &mut Cx, window: Args, at: usize) -> NativeResult {
    if of(cx, window).count.get() == 0 {
        return END;
    }
    if at > 0 {
        return Err(uneven::<MAP>(cx, at, "shorter"));
    }
    // All others must have none either.
    cx.trim(window, 1);
    for _ in 0..before(MAP) {
        cx.push(Value::NONE);
    }
    all_ended::<MAP>(cx, window, 1)
}

fn all_ended<const MAP: bool>(cx: &mut Cx, window: Args, mut at: usize) -> NativeResult {
    let functions = usize::from(MAP);
    let count = of(cx, window).tail().len() - functions;
    while at < count {
        let source = push_slot(cx, window, functions + at);
        match cx.ask_next(source, Then::Continue(ended_item::<MAP>))? {
            Asked::Item(item) if item.is_unbound() => source.set(cx, Value::NONE),
            Asked::Item(_) => return Err(uneven::<MAP>(cx, at, "longer")),
            Asked::Outcome(outcome) => return Ok(outcome),
        }
        at += 1;
    }
    END
}

fn ended_item<const MAP: bool>(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let at = window.len() - before(MAP) - 1;
    let source = window.root(window.len() - 1);
    let item = cx.next_answer(source, resumed);
    cx.trim(window, window.len());
    if !item.is_unbound() {
        return Err(uneven::<MAP>(cx, at, "longer"));
    }
    source.set(cx, Value::NONE);
    all_ended::<MAP>(cx, window, at + 1)
}

fn uneven<const MAP: bool>(cx: &mut Cx, at: usize, how: &str) -> crate::vm::native::Raised {
    let name = if MAP { "map" } else { "zip" };
    let others = if at == 1 { " 1".to_owned() } else { format!("s 1-{at}") };
    cx.value_error(format!("{name}() argument {} is {how} than argument{others}", at + 1))
}

// ---- filter: the function or None, the iterator, an item to be asked about ----

/// Whether a filter's function leaves it to the truth of the item.
fn by_truth(cx: &Cx, function: Value<'_>) -> bool {
    function.is_none() || function.is(cx.kind_class(Kind::True).value())
}

fn filter_step(cx: &mut Cx, window: Args) -> NativeResult {
    // The item that was left for a script to be asked about.
    let left = of(cx, window).slot(2).raw();
    if !left.is_unbound() {
        of(cx, window).set_tail(&cx.heap, 2, Value::UNBOUND);
        if let Some(outcome) = filter_test(cx, window, left)? {
            return Ok(outcome);
        }
    }
    loop {
        cx.trim(window, 1);
        let source = push_slot(cx, window, 1);
        match cx.ask_next(source, Then::Continue(filter_item))? {
            Asked::Item(item) => {
                if let Some(outcome) = filter_test(cx, window, item)? {
                    return Ok(outcome);
                }
            }
            Asked::Outcome(outcome) => return Ok(outcome),
        }
    }
}

fn filter_item(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let item = cx.next_answer(window.root(1), resumed);
    match filter_test(cx, window, item)? {
        Some(outcome) => Ok(outcome),
        None => filter_step(cx, window),
    }
}

/// What becomes of an item; None if it is left out.
fn filter_test(cx: &mut Cx, window: Args, item: Raw) -> Result<Option<Outcome>, crate::vm::native::Raised> {
    if item.is_unbound() {
        return Ok(Some(Outcome::Value(item)));
    }
    cx.trim(window, 1);
    let item = cx.push(Value::adopt(item));
    if by_truth(cx, of(cx, window).slot(0)) {
        return Ok(if cx.truth(item)? { Some(item.get(cx).into()) } else { None });
    }
    let callee = push_slot(cx, window, 0);
    let raw = item.get(cx).raw();
    cx.push(Value::adopt(raw));
    Ok(Some(Outcome::Call { callee, argc: 1, keywords: None, then: Then::Continue(filter_tested) }))
}

/// Window: the filter, the item.
fn filter_tested(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(answer) | Resumed::Yielded(answer) | Resumed::Raised(answer)) = resumed;
    if cx.truth(answer)? {
        return Ok(window.get(cx, 1).into());
    }
    filter_step(cx, window)
}
