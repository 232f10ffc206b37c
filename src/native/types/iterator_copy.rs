//! How iterators are copied and pickled: `__reduce__` names what makes an iterator that goes on from the same place.

use std::cell::Cell as StdCell;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::natives;
use crate::number::int::Int;
use crate::object::key::as_int_ref;
use crate::object::{DictIterator, Range, RangeIterator, SequenceIterator, SetIterator, Str, int_value};
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::step::Form;

/// `iter`, `reversed`.
fn maker(cx: &mut Cx, name: &str) -> Result<Root, Raised> {
    let builtins = cx.import("builtins")?;
    cx.attribute(builtins, name)
}

/// `(maker, (argument,))`, with a place if there is one.
fn reduced(cx: &mut Cx, maker: Root, argument: Root, place: Option<Value<'static>>) -> NativeResult {
    let arguments = cx.tuple(&[argument.get(cx)]).value().raw();
    let arguments = cx.push_raw(arguments);
    Ok(match place {
        Some(place) => cx.tuple(&[maker.get(cx), arguments.get(cx), place]).into(),
        None => cx.tuple(&[maker.get(cx), arguments.get(cx)]).into(),
    })
}

/// What is left of an iterator over a dict or set goes into a list: the iterator itself stays where it is.
fn rest(cx: &mut Cx, twin: Raw) -> NativeResult {
    let twin = cx.push_raw(twin);
    let rest = cx.list_from(twin)?;
    let maker = maker(cx, "iter")?;
    reduced(cx, maker, rest, None)
}

natives!(
    /// Copies of iterators over builtin collections.
    pub(super) static COPIED: Methods;

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let value: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
        if let Some(iterator) = value.exact::<SequenceIterator>() {
            return sequence(cx, this, iterator);
        }
        if let Some(range) = value.exact::<RangeIterator>() {
            let (next, step, left) = (range.next.get(), range.step, range.left.get() as i64);
            let stop = i128::from(next) + i128::from(step) * i128::from(left);
            let stop = int_value(&cx.heap, Int::from_big(stop.into())).raw();
            let [start, step] = [next, step].map(|bound| Slot::new(Value::int(bound)));
            let stop = Slot::new(Value::adopt(stop));
            let range = cx.heap.alloc(Range { start, stop, step }).value().raw();
            let (maker, range) = (maker(cx, "iter")?, cx.push_raw(range));
            return reduced(cx, maker, range, Some(Value::NONE));
        }
        let class = cx.class_of(value).held();
        let shape = class.get().root_shape.get();
        if let Some(of) = value.exact::<DictIterator>() {
            let twin = cx.heap.alloc(DictIterator {
                dict: Slot::new(of.dict.get()),
                part: of.part,
                next: StdCell::new(of.next.get()),
                len: StdCell::new(of.len.get()),
                version: of.version,
                left: StdCell::new(of.left.get()),
                backward: of.backward,
            });
            twin.set_shape(shape);
            let twin = twin.value().raw();
            return rest(cx, twin);
        }
        let of = value.exact::<SetIterator>().expect("the last kind of iterator that has this method");
        let twin = cx.heap.alloc(SetIterator {
            set: Slot::new(of.set.get()),
            next: StdCell::new(of.next.get()),
            len: StdCell::new(of.len.get()),
            left: StdCell::new(of.left.get()),
        });
        twin.set_shape(shape);
        let twin = twin.value().raw();
        rest(cx, twin)
    }
);

natives!(
    /// Iterators over sequences can be told where to go on.
    pub(super) static PLACED_ITERATOR: Methods;

    /// Go on from a place.
    fn __setstate__(cx: &mut Cx, this: Root, state: Root) -> NativeResult {
        let Some(place) = as_int_ref(cx.payload(state.get(cx))).map(|place| place.to_i64()) else {
            return Err(cx.type_error("an integer is required".to_owned()));
        };
        let Some(place) = place else {
            return Err(cx.overflow_error("Python int too large to convert to C ssize_t"));
        };
        let value: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
        let iterator = value.exact::<SequenceIterator>().expect("a method's receiver");
        let sequence = iterator.sequence.get();
        if sequence.is_none() {
            return Ok(Outcome::NONE);
        }
        // What can grow says it has come to its end by a place before the first.
        if place < 0 && !iterator.backward && matches!(sequence.kind(), Kind::List | Kind::ByteArray) {
            iterator.set(&cx.heap, |iterator| &iterator.sequence, Value::NONE);
            return Ok(Outcome::NONE);
        }
        let root = cx.push_raw(sequence.raw());
        let len = cx.length(root)?;
        let at = if iterator.backward { (place.min(len as i64 - 1) + 1).max(0) } else { place.max(0) } as usize;
        iterator.next.set(match sequence.exact::<Str>() {
            Some(text) => text.offset(&cx.heap, at.min(len)),
            None => at,
        });
        Ok(Outcome::NONE)
    }
);

fn sequence(cx: &mut Cx, this: Root, iterator: Gc<'static, SequenceIterator>) -> NativeResult {
    let class = cx.class_of(this.get(cx)).held();
    let name = class.name().to_str_lossy().into_owned();
    let source = iterator.sequence.get();
    let at = match source.exact::<Str>() {
        Some(text) => text.char_index(iterator.next.get()),
        None => iterator.next.get(),
    };
    let over = source.is_none() || iterator.backward && at == 0;
    let maker = match iterator.backward {
        true if cx.class_of(iterator.value()).name().as_bytes() == b"reversed" => cx.push(class.value()),
        true => maker(cx, "reversed")?,
        false => maker(cx, "iter")?,
    };
    if over {
        let raw = match &*name {
            "list_iterator" | "list_reverseiterator" => cx.list(&[]).value().raw(),
            "str_iterator" | "str_ascii_iterator" => cx.str("").value().raw(),
            _ => cx.empty_tuple().value().raw(),
        };
        let nothing = cx.push_raw(raw);
        return reduced(cx, maker, nothing, None);
    }
    let source = cx.push(source);
    let place = Value::int(at as i64 - i64::from(iterator.backward));
    reduced(cx, maker, source, Some(place))
}

/// The iterator that makes another's items.
fn native(cx: &Cx, this: Root) -> Gc<'static, NativeIterator> {
    let value: Value<'static> = Value::adopt(cx.payload(this.get(cx)).raw());
    value.exact::<NativeIterator>().expect("a method's receiver")
}

/// `(class, state)`; where asked for, `True` as well for those that are strict.
fn of_state(cx: &mut Cx, this: Root, slots: usize, can_be_strict: bool) -> NativeResult {
    let iterator = native(cx, this);
    let state: Vec<Value<'_>> = (0..slots).map(|at| iterator.slot(at)).collect();
    let state = cx.tuple(&state).value();
    let class = cx.class_of(this.get(cx)).value();
    Ok(match can_be_strict && iterator.count.get() != 0 {
        true => cx.tuple(&[class, state, Value::TRUE]).into(),
        false => cx.tuple(&[class, state]).into(),
    })
}

natives!(
    /// Copies of enumerate and filter objects.
    pub(super) static COPIED_PAIR: Methods;

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        of_state(cx, this, 2, false)
    }
);

natives!(
    /// Copies of zip and map objects.
    pub(super) static COPIED_TOGETHER: Methods;

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let slots = native(cx, this).tail().len();
        of_state(cx, this, slots, true)
    }

    /// Become strict, or not.
    fn __setstate__(cx: &mut Cx, this: Root, state: Root) -> NativeResult {
        let strict = cx.truth(state)?;
        let iterator = native(cx, this);
        iterator.count.set(i64::from(strict));
        if strict {
            cx.advance_directly(iterator, Form::Asked, 0, 0);
        }
        Ok(Outcome::NONE)
    }
);

natives!(
    /// Iterators over ranges can go on later.
    pub(super) static PLACED_RANGE: Methods;

    /// Leave so many numbers out.
    fn __setstate__(cx: &mut Cx, this: Root, state: Root) -> NativeResult {
        let place = cx.index(state)?;
        let Some(place) = as_int_ref(cx.payload(place.get(cx))).and_then(|place| place.to_i64()) else {
            return Err(cx.overflow_error("Python int too large to convert to C long"));
        };
        let value: Value<'static> = Value::adopt(this.get(cx).raw());
        let range = value.exact::<RangeIterator>().expect("a method's receiver");
        let place = (place.max(0) as u64).min(range.left.get());
        range.left.set(range.left.get() - place);
        range.next.set(range.next.get().wrapping_add(range.step.wrapping_mul(place as i64)));
        Ok(Outcome::NONE)
    }
);

natives!(
    /// Copies of iterators over ranges that leave 64 bits.
    pub(super) static COPIED_RANGE: Methods;

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = native(cx, this);
        let [start, stop, step] = [0, 1, 2].map(|at| Slot::new(iterator.slot(at)));
        let range = cx.heap.alloc(Range { start, stop, step }).value().raw();
        let (maker, range) = (maker(cx, "iter")?, cx.push_raw(range));
        reduced(cx, maker, range, Some(Value::NONE))
    }
);

natives!(
    /// Copies of what `iter` makes of a function and a sentinel.
    pub(super) static COPIED_CALLS: Methods;

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = native(cx, this);
        let maker = maker(cx, "iter")?;
        if iterator.count.get() != 0 {
            let nothing = cx.empty_tuple().value().raw();
            let nothing = cx.push_raw(nothing);
            return reduced(cx, maker, nothing, None);
        }
        let state = cx.tuple(&[iterator.slot(0), iterator.slot(1)]).value();
        Ok(cx.tuple(&[maker.get(cx), state]).into())
    }
);
