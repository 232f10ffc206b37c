//! takewhile, dropwhile, filterfalse and compress: some of the items.

use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::vm::iterate::NativeIterator;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::step::Stepped;

use super::{delegated, going_on, made, memory, of, pull, stepped};

natives!(
    /// Return successive entries from an iterable as long as the predicate evaluates to true for each entry.
    pub(super) static TAKEWHILE: Methods;

    /// Make a takewhile object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, predicate: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        let memory = memory(cx);
        going_on(cx, class, "takewhile", "takewhile", &[predicate, source, memory])
    }
);

natives!(
    /// Drop items from the iterable while predicate(item) is true. Afterwards, return every element until the iterable is exhausted.
    pub(super) static DROPWHILE: Methods;

    /// Make a dropwhile object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, predicate: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        let memory = memory(cx);
        going_on(cx, class, "dropwhile", "dropwhile", &[predicate, source, memory])
    }
);

natives!(
    /// Return those items of iterable for which function(item) is false. If function is None, return the items that are false.
    pub(super) static FILTERFALSE: Methods;

    /// Make a filterfalse object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, function: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        let by_truth = function.get(cx).is_none() || function.get(cx).is(cx.kind_class(Kind::True).value());
        if !by_truth {
            return going_on(cx, class, "filterfalse", "filterfalse", &[function, source]);
        }
        if cx.yields(source) {
            return going_on(cx, class, "filterfalse", "filterfalse_none", &[source]);
        }
        let left = cx.push(Value::UNBOUND);
        let iterator = cx.new_iterator(filterfalse_step, "filterfalse", &[source, left]).held();
        cx.step_directly(iterator, filterfalse_next, false, &[source]);
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

/// State: the source, an item whose truth a script has to be asked for.
fn filterfalse_step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = of(cx, window);
    loop {
        cx.trim(window, 1);
        let mut item = iterator.slot(1).raw();
        iterator.set_tail(&cx.heap, 1, Value::UNBOUND);
        if item.is_unbound() {
            let source = iterator.slot(0).raw();
            item = pull(cx, source)?;
        }
        if item.is_unbound() {
            return Ok(Outcome::Value(item));
        }
        let item = cx.push_raw(item);
        if !cx.truth(item)? {
            return Ok(item.get(cx).into());
        }
    }
}

fn filterfalse_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    if !iterator.slot(1).is_unbound() {
        return Ok(Stepped::Ask);
    }
    loop {
        let source = iterator.slot(0).raw();
        let Some(item) = cx.next_at_once(source)? else { return Ok(Stepped::Ask) };
        if item.is_unbound() {
            return Ok(Stepped::End);
        }
        match cx.builtin_truth(Value::adopt(item.copied())) {
            Some(true) => {}
            Some(false) => {
                *to = item;
                return Ok(Stepped::Item);
            }
            None => {
                iterator.set_tail(&cx.heap, 1, Value::adopt(item));
                return Ok(Stepped::Ask);
            }
        }
    }
}

natives!(
    /// Return data elements corresponding to true selector elements.
    pub(super) static COMPRESS: Methods;

    /// Make a compress object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] data: Root, #[either] selectors: Root) -> NativeResult {
        let data = cx.iter(data)?;
        let selectors = cx.iter(selectors)?;
        if cx.yields(data) || cx.yields(selectors) {
            return delegated(cx, class, "compress", "compress", &[data, selectors]);
        }
        made(cx, class, "compress", compress_step, compress_next, &[data, selectors], &[data, selectors])
    }
);

/// State: the source of items, that of selectors.
fn compress_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, compress_next)
}

fn compress_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let mark = cx.mark();
    loop {
        let source = iterator.slot(0).raw();
        let item = pull(cx, source)?;
        if item.is_unbound() {
            return Ok(Stepped::End);
        }
        let source = iterator.slot(1).raw();
        let selector = cx.next_at_once(source.copied())?;
        let wanted = match selector {
            Some(selector) if selector.is_unbound() => return Ok(Stepped::End),
            Some(selector) => cx.builtin_truth(Value::adopt(selector)),
            None => None,
        };
        match wanted {
            Some(true) => {
                *to = item;
                return Ok(Stepped::Item);
            }
            Some(false) => continue,
            None => {}
        }
        let item = cx.push_raw(item);
        let selector = match selector {
            Some(selector) => selector,
            None => pull(cx, source)?,
        };
        if selector.is_unbound() {
            return Ok(Stepped::End);
        }
        let selector = cx.push_raw(selector);
        if cx.truth(selector)? {
            *to = item.get(cx).raw();
            cx.release(mark);
            return Ok(Stepped::Item);
        }
        cx.release(mark);
    }
}
