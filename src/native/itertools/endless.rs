//! count, cycle and repeat.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::int_ref;
use crate::object::{List, Tuple};
use crate::vm::Name;
use crate::vm::iterate::{Asked, NativeIterator};
use crate::vm::native::{Args, Cx, Given, NativeResult, Outcome, Raised, Resumed, Root, Then};
use crate::vm::step::Stepped;

use super::{END, of, own, push_slot};

natives!(
    /// Return a count object whose .__next__() method returns consecutive values.
    pub(super) static COUNT: Methods;

    /// Make a count object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either]
        #[text("0")]
        start: Given<Root>,
        #[either]
        #[text("1")]
        step: Given<Root>,
    ) -> NativeResult {
        let start = start.0.unwrap_or_else(|| cx.push(Value::int(0)));
        let step = step.0.unwrap_or_else(|| cx.push(Value::int(1)));
        for number in [start, step] {
            if !is_number(cx, number)? {
                return Err(cx.type_error("a number is required".into()));
            }
        }
        // Whole numbers counted by ones come as plain ints, of whatever class the first is.
        let start = match (is_one(cx, step), int_ref(cx, start.get(cx)).and_then(|start| start.to_i64())) {
            (true, Some(number)) => cx.push(Value::int(number)),
            _ => start,
        };
        let iterator = cx.new_iterator(count_step, "count", &[start, step]).held();
        let small = iterator.slot(0).as_int().is_some() && iterator.slot(1).as_int().is_some();
        cx.step_directly(iterator, count_next, small, &[]);
        cx.new_iterator_outcome(class, iterator.value().raw())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let mut out = cx.class_of(this.get(cx)).name().as_bytes().to_vec();
        let iterator = own(cx, this);
        out.push(b'(');
        let next = cx.push_raw(iterator.slot(0).raw());
        cx.write_repr(&mut out, next)?;
        let step = cx.push_raw(iterator.slot(1).raw());
        if !is_one(cx, step) {
            out.extend_from_slice(b", ");
            cx.write_repr(&mut out, step)?;
        }
        out.push(b')');
        cx.checked_text(&out).map(Outcome::Value)
    }
);

/// Whether it is an int, or of a class of ints, that is 1.
fn is_one(cx: &Cx, step: Root) -> bool {
    int_ref(cx, step.get(cx)).and_then(|step| step.to_i64()) == Some(1)
}

fn is_number(cx: &mut Cx, value: Root) -> Result<bool, Raised> {
    let kind = value.get(cx).kind();
    if matches!(kind, Kind::Int | Kind::BigInt | Kind::Float | Kind::Complex | Kind::True | Kind::False) {
        return Ok(true);
    }
    if cx.special_method(value, Name::Index)?.is_some() {
        return Ok(true);
    }
    for name in ["__float__", "__complex__"] {
        let class = cx.class_of(value.get(cx)).held();
        let name = cx.intern(name).held();
        if cx.lookup_class(class, name).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// State: the next number, the step.
fn count_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let (number, step) = (iterator.slot(0), iterator.slot(1));
    let (Some(a), Some(b)) = (number.as_int(), step.as_int()) else { return Ok(Stepped::Ask) };
    let Some(next) = a.checked_add(b) else { return Ok(Stepped::Ask) };
    iterator.set_tail(&cx.heap, 0, Value::int(next));
    *to = Raw::int(a);
    Ok(Stepped::Item)
}

fn count_step(cx: &mut Cx, window: Args) -> NativeResult {
    let (number, step) = (push_slot(cx, window, 0), push_slot(cx, window, 1));
    let next = cx.binary_root(BinaryKind::Add, number, step)?;
    of(cx, window).set_tail(&cx.heap, 0, next.get(cx));
    Ok(number.get(cx).into())
}

natives!(
    /// Create an iterator which returns the object for the specified number of times, or endlessly.
    pub(super) static REPEAT: Methods;

    /// Make a repeat object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] object: Root, #[either] times: Given<Root>) -> NativeResult {
        let times = match times.0 {
            Some(times) => cx.index_as_i64(times)?.max(0),
            None => -1,
        };
        let iterator = cx.new_iterator(repeat_step, "repeat", &[object]).held();
        iterator.get().count.set(times);
        cx.step_directly(iterator, repeat_next, true, &[]);
        cx.new_iterator_outcome(class, iterator.value().raw())
    }

    /// Private method returning an estimate of len(list(it)).
    fn __length_hint__(cx: &mut Cx, this: Root) -> NativeResult {
        match own(cx, this).count.get() {
            -1 => Err(cx.type_error("len() of unsized object".into())),
            left => Ok(left.into()),
        }
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let mut out = cx.class_of(this.get(cx)).name().as_bytes().to_vec();
        let iterator = own(cx, this);
        out.push(b'(');
        let object = cx.push_raw(iterator.slot(0).raw());
        cx.write_repr(&mut out, object)?;
        let left = iterator.count.get();
        if left >= 0 {
            out.extend_from_slice(format!(", {left}").as_bytes());
        }
        out.push(b')');
        cx.checked_text(&out).map(Outcome::Value)
    }
);

/// State: the object; the count is how often it is still given, -1 for ever.
fn repeat_next(_: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    match iterator.count.get() {
        0 => return Ok(Stepped::End),
        -1 => {}
        left => iterator.get().count.set(left - 1),
    }
    *to = iterator.slot(0).raw();
    Ok(Stepped::Item)
}

fn repeat_step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = of(cx, window);
    let mut item = Raw::UNBOUND;
    repeat_next(cx, iterator, &mut item)?;
    Ok(Outcome::Value(item))
}

natives!(
    /// Return elements from the iterable until it is exhausted. Then repeat the sequence indefinitely.
    pub(super) static CYCLE: Methods;

    /// Make a cycle object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        let saved = cx.list(&[]).value().raw();
        let saved = cx.push_raw(saved);
        let iterator = cx.new_iterator(cycle_step, "cycle", &[source, saved]).held();
        let sure = cx.never_asks(source);
        cx.step_directly(iterator, cycle_next, sure, &[source]);
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

/// State: the source, None once it has no more items; the items so far. The count is the number of the next of them.
fn cycle_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let source = iterator.slot(0).raw();
    if !source.same(Raw::NONE) {
        let Some(item) = cx.next_at_once(source)? else { return Ok(Stepped::Ask) };
        if !item.is_unbound() {
            save(cx, iterator, item.copied())?;
            *to = item;
            return Ok(Stepped::Item);
        }
        iterator.set_tail(&cx.heap, 0, Value::NONE);
    }
    Ok(match again(iterator) {
        Some(item) => {
            *to = item;
            Stepped::Item
        }
        None => Stepped::End,
    })
}

fn save(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, item: Raw) -> Result<(), Raised> {
    let saved: Gc<'static, List> = iterator.slot(1).exact::<List>().expect("a cycle's list");
    let done = saved.push(cx.heap.forever(), Value::adopt(item));
    cx.fits(done)
}

fn again(iterator: Gc<'static, NativeIterator>) -> Option<Raw> {
    let saved = iterator.slot(1).exact::<List>().expect("a cycle's list");
    let at = iterator.count.get() as usize;
    let item = saved.item(at)?;
    iterator.get().count.set(if at + 1 == saved.len() { 0 } else { at as i64 + 1 });
    Some(item.raw())
}

fn cycle_step(cx: &mut Cx, window: Args) -> NativeResult {
    let source = push_slot(cx, window, 0);
    if source.get(cx).is_none() {
        return Ok(again(of(cx, window)).map_or(Outcome::Value(Raw::UNBOUND), Outcome::Value));
    }
    match cx.ask_next(source, Then::Continue(cycle_asked))? {
        Asked::Item(item) => cycle_item(cx, window, item),
        Asked::Outcome(outcome) => Ok(outcome),
    }
}

fn cycle_asked(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let item = cx.next_answer(window.root(1), resumed);
    cycle_item(cx, window, item)
}

fn cycle_item(cx: &mut Cx, window: Args, item: Raw) -> NativeResult {
    let iterator = of(cx, window);
    if !item.is_unbound() {
        save(cx, iterator, item.copied())?;
        return Ok(Outcome::Value(item));
    }
    iterator.set_tail(&cx.heap, 0, Value::NONE);
    again(iterator).map_or(END, |item| Ok(Outcome::Value(item)))
}

/// The items of an argument list that is a tuple.
pub(super) fn tuple_at(value: Value<'static>) -> Gc<'static, Tuple> {
    value.exact::<Tuple>().expect("a tuple of the state")
}
