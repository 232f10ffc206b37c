//! accumulate, chain, islice and starmap.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Value};
use crate::native::natives;
use crate::object::Tuple;
use crate::vm::Name;
use crate::vm::iterate::{Asked, NativeIterator};
use crate::vm::native::{Args, Cx, NativeFunction, NativeResult, Outcome, Quick, Raised, Rest, Resumed, Root, Then};
use crate::vm::step::Stepped;

use super::{END, delegated, going_on, memory, of, push_slot};

natives!(
    /// Return series of accumulated sums (or other binary function results).
    pub(super) static ACCUMULATE: Methods;

    /// Make an accumulate object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] iterable: Root,
        #[either]
        #[text("None")]
        func: Option<Root>,
        #[key]
        #[text("None")]
        initial: Option<Root>,
    ) -> NativeResult {
        let source = cx.iter(iterable)?;
        let none = cx.push(Value::NONE);
        if func.is_some() || cx.yields(source) {
            let has_initial = cx.push(Value::bool(initial.is_some()));
            let memory = memory(cx);
            let args = [source, func.unwrap_or(none), initial.unwrap_or(none), has_initial, memory];
            return going_on(cx, class, "accumulate", "accumulate", &args);
        }
        let nothing = cx.push(Value::UNBOUND);
        let state = [source, func.unwrap_or(none), nothing, initial.unwrap_or(nothing), nothing];
        let iterator = cx.new_iterator(accumulate_step, "accumulate", &state).held();
        if func.is_none() {
            cx.step_directly(iterator, accumulate_next, false, &[source]);
        }
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

/// State: the source, the function or None, the total, what to begin with, an item that a script has to be asked to add; UNBOUND for
/// what there is none of.
fn accumulate_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    if !iterator.slot(3).is_unbound() || !iterator.slot(4).is_unbound() {
        return Ok(Stepped::Ask);
    }
    let source = iterator.slot(0).raw();
    let Some(item) = cx.next_at_once(source)? else { return Ok(Stepped::Ask) };
    if item.is_unbound() {
        return Ok(Stepped::End);
    }
    let total = if iterator.slot(2).is_unbound() { Some(item.copied()) } else { added(iterator, item.copied()) };
    let Some(total) = total else {
        iterator.set_tail(&cx.heap, 4, Value::adopt(item));
        return Ok(Stepped::Ask);
    };
    iterator.set_tail(&cx.heap, 2, Value::adopt(total.copied()));
    *to = total;
    Ok(Stepped::Item)
}

/// The total and an item, where both are small numbers.
fn added(iterator: Gc<'static, NativeIterator>, item: Raw) -> Option<Raw> {
    let (total, item) = (iterator.slot(2), Value::adopt(item));
    match (total.as_int(), item.as_int()) {
        (Some(a), Some(b)) => a.checked_add(b).map(Raw::int),
        _ => Some(Raw::float(total.as_float()? + item.as_float()?)),
    }
}

fn accumulate_step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = of(cx, window);
    let (initial, left) = (iterator.slot(3).raw(), iterator.slot(4).raw());
    if !initial.is_unbound() {
        iterator.set_tail(&cx.heap, 3, Value::UNBOUND);
        iterator.set_tail(&cx.heap, 2, Value::adopt(initial.copied()));
        return Ok(Outcome::Value(initial));
    }
    if !left.is_unbound() {
        iterator.set_tail(&cx.heap, 4, Value::UNBOUND);
        return accumulate_item(cx, window, left);
    }
    let source = push_slot(cx, window, 0);
    match cx.ask_next(source, Then::Continue(accumulate_asked))? {
        Asked::Item(item) => accumulate_item(cx, window, item),
        Asked::Outcome(outcome) => Ok(outcome),
    }
}

fn accumulate_asked(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let item = cx.next_answer(window.root(1), resumed);
    accumulate_item(cx, window, item)
}

fn accumulate_item(cx: &mut Cx, window: Args, item: Raw) -> NativeResult {
    if item.is_unbound() {
        return END;
    }
    let iterator = of(cx, window);
    if iterator.slot(2).is_unbound() {
        iterator.set_tail(&cx.heap, 2, Value::adopt(item.copied()));
        return Ok(Outcome::Value(item));
    }
    cx.trim(window, 1);
    let callee = push_slot(cx, window, 1);
    let total = push_slot(cx, window, 2);
    let item = cx.push_raw(item);
    if !callee.get(cx).is_none() {
        return Ok(Outcome::Call { callee, argc: 2, keywords: None, then: Then::Continue(accumulated) });
    }
    let total = cx.binary_root(BinaryKind::Add, total, item)?;
    of(cx, window).set_tail(&cx.heap, 2, total.get(cx));
    Ok(total.get(cx).into())
}

fn accumulated(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let (Resumed::Returned(total) | Resumed::Yielded(total) | Resumed::Raised(total)) = resumed;
    of(cx, window).set_tail(&cx.heap, 2, total.get(cx));
    Ok(total.get(cx).into())
}

natives!(
    /// Return a chain object whose .__next__() method returns elements from the first iterable until it is exhausted, then elements from
    /// the next iterable, until all of the iterables are exhausted.
    pub(super) static CHAIN: Methods;

    /// Make a chain object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, iterables: Rest) -> NativeResult {
        let roots: Vec<Root> = iterables.0.roots().collect();
        let tuple = Tuple::build(&cx.heap, roots.len(), |at| roots[at].get(cx)).value().raw();
        let tuple = cx.push_raw(tuple);
        chain_of(cx, class, tuple)
    }

    /// Alternative chain() constructor taking a single iterable argument that evaluates lazily.
    #[class]
    fn from_iterable(cx: &mut Cx, class: Root, iterable: Root) -> NativeResult {
        chain_of(cx, class, iterable)
    }

    /// See PEP 585.
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
);

fn chain_of(cx: &mut Cx, class: Root, iterables: Root) -> NativeResult {
    let plain = match iterables.get(cx).exact::<Tuple>() {
        Some(tuple) => tuple.items().all(|iterable| is_builtin(cx, iterable)),
        None => false,
    };
    let sources = cx.iter(iterables)?;
    if !plain {
        let memory = memory(cx);
        return going_on(cx, class, "chain", "chain", &[sources, memory]);
    }
    let none = cx.push(Value::NONE);
    let nothing = cx.push(Value::UNBOUND);
    let iterator = cx.new_iterator(chain_step, "chain", &[sources, none, nothing]).held();
    cx.step_over_any(iterator, chain_next);
    cx.new_iterator_outcome(class, iterator.value().raw())
}

/// Whether no script is asked for the items of an iterable.
fn is_builtin(cx: &Cx, iterable: Value<'_>) -> bool {
    let builtin = matches!(
        iterable.kind(),
        Kind::List | Kind::Tuple | Kind::Str | Kind::Range | Kind::Dict | Kind::DictView | Kind::Set | Kind::FrozenSet
    );
    if iterable.is_subclassed() { false } else { builtin || cx.is_sure(iterable) }
}

/// State: the iterator over the iterables, None once over; that of the iterable which is gone through, or None; an iterable that a script
/// has to be asked to iterate, or UNBOUND.
fn chain_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    loop {
        let current = iterator.slot(1).raw();
        if !current.same(Raw::NONE) {
            let Some(item) = cx.next_of_any(current)? else { return Ok(Stepped::Ask) };
            if !item.is_unbound() {
                *to = item;
                return Ok(Stepped::Item);
            }
            iterator.set_tail(&cx.heap, 1, Value::NONE);
        }
        let sources = iterator.slot(0).raw();
        if sources.same(Raw::NONE) {
            return Ok(Stepped::End);
        }
        if !iterator.slot(2).is_unbound() {
            return Ok(Stepped::Ask);
        }
        let Some(iterable) = cx.next_of_any(sources)? else { return Ok(Stepped::Ask) };
        if iterable.is_unbound() {
            iterator.set_tail(&cx.heap, 0, Value::NONE);
            return Ok(Stepped::End);
        }
        match cx.iter_at_once(iterable.copied()) {
            Some(inner) => iterator.set_tail(&cx.heap, 1, Value::adopt(inner)),
            None => {
                iterator.set_tail(&cx.heap, 2, Value::adopt(iterable));
                return Ok(Stepped::Ask);
            }
        }
    }
}

fn chain_step(cx: &mut Cx, window: Args) -> NativeResult {
    loop {
        cx.trim(window, 1);
        let iterator = of(cx, window);
        if !iterator.slot(1).is_none() {
            let current = push_slot(cx, window, 1);
            match cx.ask_next(current, Then::Continue(chain_item))? {
                Asked::Item(item) if item.is_unbound() => iterator.set_tail(&cx.heap, 1, Value::NONE),
                Asked::Item(item) => return Ok(Outcome::Value(item)),
                Asked::Outcome(outcome) => return Ok(outcome),
            }
            continue;
        }
        if iterator.slot(0).is_none() {
            return END;
        }
        let left = iterator.slot(2).raw();
        if !left.is_unbound() {
            iterator.set_tail(&cx.heap, 2, Value::UNBOUND);
            enter(cx, window, left)?;
            continue;
        }
        let sources = push_slot(cx, window, 0);
        match cx.ask_next(sources, Then::Catch(chain_iterable))? {
            Asked::Item(item) if item.is_unbound() => {
                iterator.set_tail(&cx.heap, 0, Value::NONE);
                return END;
            }
            Asked::Item(item) => enter(cx, window, item)?,
            Asked::Outcome(outcome) => return Ok(outcome),
        }
    }
}

fn chain_item(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let item = cx.next_answer(window.root(1), resumed);
    if !item.is_unbound() {
        return Ok(Outcome::Value(item));
    }
    of(cx, window).set_tail(&cx.heap, 1, Value::NONE);
    chain_step(cx, window)
}

fn chain_iterable(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        of(cx, window).set_tail(&cx.heap, 0, Value::NONE);
        return Err(cx.rethrow(exception));
    }
    let iterable = cx.next_answer(window.root(1), resumed);
    if iterable.is_unbound() {
        of(cx, window).set_tail(&cx.heap, 0, Value::NONE);
        return END;
    }
    enter(cx, window, iterable)?;
    chain_step(cx, window)
}

/// Begins with the next iterable. If it is none, that is the end of the chain.
fn enter(cx: &mut Cx, window: Args, iterable: Raw) -> Result<(), Raised> {
    let iterable = cx.push_raw(iterable);
    let inner = cx.iter(iterable);
    let iterator = of(cx, window);
    match inner {
        Ok(inner) => {
            iterator.set_tail(&cx.heap, 1, inner.get(cx));
            Ok(())
        }
        Err(raised) => {
            iterator.set_tail(&cx.heap, 0, Value::NONE);
            Err(raised)
        }
    }
}

natives!(
    /// Return an iterator whose next() method returns selected values from an iterable, as slicing a sequence does.
    pub(super) static ISLICE: Methods;

    /// Make an islice object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest) -> NativeResult {
        let args: Vec<Root> = args.0.roots().collect();
        if !(2..=4).contains(&args.len()) {
            let (how, bound) = if args.len() < 2 { ("least", 2) } else { ("most", 4) };
            return Err(cx.type_error(format!("islice expected at {how} {bound} arguments, got {}", args.len())));
        }
        let (start, stop) = if args.len() == 2 {
            (0, slice_bound(cx, args[1], STOP)?)
        } else {
            let stop = slice_bound(cx, args[2], STOP)?;
            (slice_bound(cx, args[1], INDICES)?.unwrap_or(0), stop)
        };
        let step = match args.get(3) {
            Some(step) => slice_bound(cx, *step, STEP)?.unwrap_or(1),
            None => 1,
        };
        if step < 1 {
            return Err(cx.value_error(STEP));
        }
        let source = cx.iter(args[0])?;
        if cx.yields(source) {
            let bound = |stop: Option<i64>| stop.map_or(Value::NONE, Value::int);
            let (start, stop, step) = (cx.push(Value::int(start)), cx.push(bound(stop)), cx.push(Value::int(step)));
            return delegated(cx, class, "islice", "islice", &[source, start, stop, step]);
        }
        let [next, stop, step] = [start, stop.unwrap_or(-1), step].map(|number| cx.push(Value::int(number)));
        let iterator = cx.new_iterator(islice_step, "islice", &[source, next, stop, step]).held();
        let sure = cx.never_asks(source);
        cx.step_directly(iterator, islice_next, sure, &[source]);
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

const STOP: &str = "Stop argument for islice() must be None or an integer: 0 <= x <= sys.maxsize.";
const INDICES: &str = "Indices for islice() must be None or an integer: 0 <= x <= sys.maxsize.";
const STEP: &str = "Step for islice() must be a positive integer or None.";

fn slice_bound(cx: &mut Cx, given: Root, wrong: &str) -> Result<Option<i64>, Raised> {
    if given.get(cx).is_none() {
        return Ok(None);
    }
    if crate::native::types::int_ref(cx, given.get(cx)).is_none() && cx.special_method(given, Name::Index)?.is_none() {
        return Err(cx.value_error(wrong));
    }
    let index = cx.index(given)?;
    match index.get(cx).as_int() {
        Some(bound) if bound >= 0 => Ok(Some(bound)),
        _ => Err(cx.value_error(wrong)),
    }
}

/// What an islice wants next.
enum Wanted {
    Skip,
    Item,
    End,
}

/// State: the source, None once over; the place of the next item; the end or -1; the step. The count is the number of items taken.
fn wanted(iterator: Gc<'static, NativeIterator>) -> Wanted {
    let (at, next, stop) = (iterator.count.get(), number(iterator, 1), number(iterator, 2));
    if iterator.slot(0).is_none() {
        return Wanted::End;
    }
    // What is before the first item is gone through even where the end is before it.
    match at < next {
        true => Wanted::Skip,
        false if stop >= 0 && at >= stop => Wanted::End,
        false => Wanted::Item,
    }
}

fn number(iterator: Gc<'static, NativeIterator>, slot: usize) -> i64 {
    iterator.slot(slot).as_int().unwrap_or(0)
}

/// An item was taken; whether it is one to give.
fn taken(cx: &Cx, iterator: Gc<'static, NativeIterator>, gives: bool) {
    iterator.get().count.set(iterator.count.get() + 1);
    if gives {
        let stop = number(iterator, 2);
        let last = if stop >= 0 { stop } else { i64::MAX };
        let next = number(iterator, 1).saturating_add(number(iterator, 3)).min(last);
        iterator.set_tail(&cx.heap, 1, Value::int(next));
    }
}

fn islice_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    loop {
        let gives = match wanted(iterator) {
            Wanted::Skip => false,
            Wanted::Item => true,
            Wanted::End => {
                iterator.set_tail(&cx.heap, 0, Value::NONE);
                return Ok(Stepped::End);
            }
        };
        let source = iterator.slot(0).raw();
        let asked = cx.next_at_once(source).inspect_err(|_| iterator.set_tail(&cx.heap, 0, Value::NONE));
        let Some(item) = asked? else { return Ok(Stepped::Ask) };
        if item.is_unbound() {
            iterator.set_tail(&cx.heap, 0, Value::NONE);
            return Ok(Stepped::End);
        }
        taken(cx, iterator, gives);
        if gives {
            *to = item;
            return Ok(Stepped::Item);
        }
    }
}

fn islice_step(cx: &mut Cx, window: Args) -> NativeResult {
    loop {
        cx.trim(window, 1);
        let iterator = of(cx, window);
        if matches!(wanted(iterator), Wanted::End) {
            iterator.set_tail(&cx.heap, 0, Value::NONE);
            return END;
        }
        let source = push_slot(cx, window, 0);
        let asked = cx.ask_next(source, Then::Catch(islice_asked));
        match asked.inspect_err(|_| iterator.set_tail(&cx.heap, 0, Value::NONE))? {
            Asked::Item(item) => {
                if let Some(outcome) = islice_item(cx, window, item) {
                    return Ok(outcome);
                }
            }
            Asked::Outcome(outcome) => return Ok(outcome),
        }
    }
}

fn islice_asked(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    if let Resumed::Raised(exception) = resumed {
        // It is over then, whatever the source has left.
        of(cx, window).set_tail(&cx.heap, 0, Value::NONE);
        return Err(cx.rethrow(exception));
    }
    let item = cx.next_answer(window.root(1), resumed);
    match islice_item(cx, window, item) {
        Some(outcome) => Ok(outcome),
        None => islice_step(cx, window),
    }
}

fn islice_item(cx: &mut Cx, window: Args, item: Raw) -> Option<Outcome> {
    let iterator = of(cx, window);
    if item.is_unbound() {
        iterator.set_tail(&cx.heap, 0, Value::NONE);
        return Some(Outcome::Value(item));
    }
    let gives = matches!(wanted(iterator), Wanted::Item);
    taken(cx, iterator, gives);
    gives.then_some(Outcome::Value(item))
}

natives!(
    /// Return an iterator whose values are returned from the function evaluated with an argument tuple taken from the given sequence.
    pub(super) static STARMAP: Methods;

    /// Make a starmap object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, function: Root, iterable: Root) -> NativeResult {
        let source = cx.iter(iterable)?;
        if at_once(function.get(cx)).is_none() || cx.yields(source) {
            return going_on(cx, class, "starmap", "starmap", &[function, source]);
        }
        let nothing = cx.push(Value::UNBOUND);
        let iterator = cx.new_iterator(starmap_step, "starmap", &[function, source, nothing]).held();
        cx.step_directly(iterator, starmap_next, false, &[source]);
        cx.new_iterator_outcome(class, iterator.value().raw())
    }
);

/// What a native does with arguments of the usual types.
fn at_once(function: Value<'_>) -> Option<Quick> {
    let quick = function.exact::<NativeFunction>()?.get().def.quick;
    matches!(quick, Quick::One(_) | Quick::Two(_) | Quick::Three(_)).then_some(quick)
}

/// State: the native, the source, an item for which it has to be called; UNBOUND for what there is none of.
fn starmap_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    if !iterator.slot(2).is_unbound() {
        return Ok(Stepped::Ask);
    }
    let source = iterator.slot(1).raw();
    let mut items = [Raw::UNBOUND; 2];
    let stepped = cx.next_or_pair(source, &mut items)?;
    let quick = at_once(iterator.slot(0));
    let [first, second] = items;
    let made = match (stepped, quick) {
        (Stepped::End | Stepped::Ask, _) => return Ok(stepped),
        (Stepped::Pair, Some(Quick::Two(quick))) => quick(cx, first.copied(), second.copied()),
        (Stepped::Pair, Some(Quick::Three(quick))) => quick(cx, first.copied(), second.copied(), Raw::UNBOUND),
        (Stepped::Item, Some(quick)) => match (quick, Value::<'static>::adopt(first.copied()).exact::<Tuple>()) {
            (_, None) => Raw::UNBOUND,
            (Quick::One(quick), Some(args)) if args.len() == 1 => quick(cx, args.item(0).raw()),
            (Quick::Two(quick), Some(args)) if args.len() == 2 => quick(cx, args.item(0).raw(), args.item(1).raw()),
            (Quick::Three(quick), Some(args)) if matches!(args.len(), 2 | 3) => {
                let third = if args.len() == 3 { args.item(2).raw() } else { Raw::UNBOUND };
                quick(cx, args.item(0).raw(), args.item(1).raw(), third)
            }
            _ => Raw::UNBOUND,
        },
        _ => Raw::UNBOUND,
    };
    if !made.is_unbound() {
        *to = made;
        return Ok(Stepped::Item);
    }
    let left = match stepped {
        Stepped::Pair => Tuple::new(&cx.heap, &[Value::adopt(first), Value::adopt(second)]).value().raw(),
        _ => first,
    };
    iterator.set_tail(&cx.heap, 2, Value::adopt(left));
    Ok(Stepped::Ask)
}

fn starmap_step(cx: &mut Cx, window: Args) -> NativeResult {
    let iterator = of(cx, window);
    let left = iterator.slot(2).raw();
    if !left.is_unbound() {
        iterator.set_tail(&cx.heap, 2, Value::UNBOUND);
        return starmap_item(cx, window, left);
    }
    let source = push_slot(cx, window, 1);
    match cx.ask_next(source, Then::Continue(starmap_asked))? {
        Asked::Item(item) => starmap_item(cx, window, item),
        Asked::Outcome(outcome) => Ok(outcome),
    }
}

fn starmap_asked(cx: &mut Cx, window: Args, resumed: Resumed) -> NativeResult {
    let item = cx.next_answer(window.root(1), resumed);
    starmap_item(cx, window, item)
}

fn starmap_item(cx: &mut Cx, window: Args, item: Raw) -> NativeResult {
    if item.is_unbound() {
        return END;
    }
    cx.trim(window, 1);
    let item = cx.push_raw(item);
    let args = cx.tuple_from(item)?;
    let callee = push_slot(cx, window, 0);
    let args: Gc<'static, Tuple> = args.get(cx).exact::<Tuple>().expect("just made").held();
    for arg in args.items() {
        cx.push_raw(arg.raw());
    }
    Ok(Outcome::Call { callee, argc: args.len() as u32, keywords: None, then: Then::Catch(starmapped) })
}

/// The function returned; StopIteration is the end.
fn starmapped(cx: &mut Cx, _: Args, resumed: Resumed) -> NativeResult {
    match resumed {
        Resumed::Returned(item) | Resumed::Yielded(item) => Ok(item.get(cx).into()),
        Resumed::Raised(exception) if cx.stop_value(exception).is_some() => END,
        Resumed::Raised(exception) => Err(cx.rethrow(exception)),
    }
}
