//! product, permutations, combinations and combinations_with_replacement: which items come next is a list of numbers.

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::{List, Tuple};
use crate::vm::iterate::{Direct, NativeIterator, Step};
use crate::vm::native::{Args, Cx, Given, NativeResult, Raised, Rest, Root};
use crate::vm::step::Stepped;

use super::endless::tuple_at;
use super::stepped;

/// State: the pool, or the pools; the numbers of the items; for permutations the cycles. The count says how far it is.
const FRESH: i64 = 0;
const RUNNING: i64 = 1;
const ENDED: i64 = 2;

/// The numbers of a list of the state.
#[derive(Clone, Copy)]
struct Numbers(Gc<'static, List>);

impl Numbers {
    fn of(iterator: Gc<'static, NativeIterator>, slot: usize) -> Numbers {
        Numbers(iterator.slot(slot).exact::<List>().expect("numbers of the state"))
    }

    fn get(self, at: usize) -> usize {
        self.0.item(at).and_then(Value::as_int).unwrap_or(0) as usize
    }

    fn set(self, cx: &Cx, at: usize, number: usize) {
        self.0.set_item(&cx.heap, at, Value::int(number as i64));
    }

    fn len(self) -> usize {
        self.0.len()
    }
}

/// Pushes a list of numbers.
fn numbers(cx: &mut Cx, len: usize, number: impl Fn(usize) -> usize) -> Result<Root, Raised> {
    let fits = len.checked_mul(16).is_some_and(|n| cx.heap.check(n).is_ok());
    if !fits {
        return Err(cx.memory_error());
    }
    let list = List::build(&cx.heap, len, |at| Value::int(number(at) as i64)).value().raw();
    Ok(cx.push_raw(list))
}

/// What all have in common: the next item, where `advance` finds the numbers of it (false if there are no more).
#[inline(always)]
fn next_of(
    cx: &mut Cx,
    iterator: Gc<'static, NativeIterator>,
    to: &mut Raw,
    advance: impl FnOnce(&mut Cx) -> bool,
    make: impl FnOnce(&Cx) -> Raw,
) -> Result<Stepped, Raised> {
    let goes_on = match iterator.count.get() {
        FRESH => true,
        RUNNING => advance(cx),
        _ => false,
    };
    iterator.get().count.set(if goes_on { RUNNING } else { ENDED });
    if !goes_on {
        return Ok(Stepped::End);
    }
    *to = make(cx);
    Ok(Stepped::Item)
}

/// A tuple of items of the pool, by number.
fn chosen(cx: &Cx, iterator: Gc<'static, NativeIterator>, len: usize) -> Raw {
    let (pool, numbers) = (tuple_at(iterator.slot(0)), Numbers::of(iterator, 1));
    Tuple::build(&cx.heap, len, |at| pool.item(numbers.get(at))).value().raw()
}

/// Makes the iterator.
fn made(
    cx: &mut Cx,
    class: Root,
    name: &'static str,
    (step, direct): (Step, Direct),
    state: &[Root],
    ended: bool,
) -> NativeResult {
    let iterator = cx.new_iterator(step, name, state).held();
    iterator.get().count.set(if ended { ENDED } else { FRESH });
    cx.step_directly(iterator, direct, true, &[]);
    cx.new_iterator_outcome(class, iterator.value().raw())
}

natives!(
    /// Cartesian product of input iterables. Equivalent to nested for-loops.
    pub(super) static PRODUCT: Methods;

    /// Make a product object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        iterables: Rest,
        #[key]
        #[default(1)]
        repeat: i64,
    ) -> NativeResult {
        let Ok(repeat) = usize::try_from(repeat) else {
            return Err(cx.value_error("repeat argument cannot be negative"));
        };
        let mut pools = vec![];
        if repeat > 0 {
            for iterable in iterables.0.roots() {
                pools.push(cx.tuple_from(iterable)?);
            }
        }
        let each = pools.len();
        let Some(count) = each.checked_mul(repeat).filter(|count| *count < usize::MAX / 16) else {
            return Err(cx.overflow_error("repeat argument too large"));
        };
        let indices = numbers(cx, count, |_| 0)?;
        let ended = pools.iter().any(|pool| tuple_of(cx, *pool).is_empty());
        let all = Tuple::build(&cx.heap, count, |at| pools[at % each].get(cx)).value().raw();
        let all = cx.push_raw(all);
        made(cx, class, "product", (product_step, product_next), &[all, indices], ended)
    }
);

fn tuple_of(cx: &Cx, root: Root) -> Gc<'_, Tuple> {
    root.get(cx).exact::<Tuple>().expect("just made")
}

fn product_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let (pools, indices) = (tuple_at(iterator.slot(0)), Numbers::of(iterator, 1));
    let pool = |at: usize| tuple_at(pools.item(at));
    let advance = |cx: &mut Cx| {
        for at in (0..indices.len()).rev() {
            let next = indices.get(at) + 1;
            if next < pool(at).len() {
                indices.set(cx, at, next);
                return true;
            }
            indices.set(cx, at, 0);
        }
        false
    };
    next_of(cx, iterator, to, advance, |cx| {
        Tuple::build(&cx.heap, indices.len(), |at| pool(at).item(indices.get(at))).value().raw()
    })
}

fn product_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, product_next)
}

/// The pool and the number of items to choose.
fn pool_and_count(cx: &mut Cx, iterable: Root, r: Root) -> Result<(Root, usize), Raised> {
    // The number is looked at first, but what it may be only once there is a pool.
    let r = cx.index_as_i64(r)?;
    let pool = cx.tuple_from(iterable)?;
    match usize::try_from(r) {
        Ok(r) => Ok((pool, r)),
        Err(_) => Err(cx.value_error("r must be non-negative")),
    }
}

natives!(
    /// Return successive r-length combinations of elements in the iterable.
    pub(super) static COMBINATIONS: Methods;

    /// Make a combinations object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] iterable: Root, #[either] r: Root) -> NativeResult {
        let (pool, r) = pool_and_count(cx, iterable, r)?;
        let ended = r > tuple_of(cx, pool).len();
        let indices = numbers(cx, if ended { 0 } else { r }, |at| at)?;
        made(cx, class, "combinations", (combinations_step, combinations_next), &[pool, indices], ended)
    }
);

fn combinations_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let (pool, indices) = (tuple_at(iterator.slot(0)), Numbers::of(iterator, 1));
    let r = indices.len();
    let advance = |cx: &mut Cx| {
        let spare = pool.len() - r;
        let Some(at) = (0..r).rev().find(|at| indices.get(*at) != at + spare) else { return false };
        let first = indices.get(at) + 1;
        for (next, at) in (at..r).enumerate() {
            indices.set(cx, at, first + next);
        }
        true
    };
    next_of(cx, iterator, to, advance, |cx| chosen(cx, iterator, r))
}

fn combinations_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, combinations_next)
}

natives!(
    /// Return successive r-length combinations of elements in the iterable allowing individual elements to have successive repeats.
    pub(super) static WITH_REPLACEMENT: Methods;

    /// Make a combinations_with_replacement object.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[either] iterable: Root, #[either] r: Root) -> NativeResult {
        let (pool, r) = pool_and_count(cx, iterable, r)?;
        let ended = r > 0 && tuple_of(cx, pool).is_empty();
        let indices = numbers(cx, r, |_| 0)?;
        let steps: (Step, Direct) = (replacement_step, replacement_next);
        made(cx, class, "combinations_with_replacement", steps, &[pool, indices], ended)
    }
);

fn replacement_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let (pool, indices) = (tuple_at(iterator.slot(0)), Numbers::of(iterator, 1));
    let r = indices.len();
    let advance = |cx: &mut Cx| {
        let Some(at) = (0..r).rev().find(|at| indices.get(*at) + 1 != pool.len()) else { return false };
        let next = indices.get(at) + 1;
        for at in at..r {
            indices.set(cx, at, next);
        }
        true
    };
    next_of(cx, iterator, to, advance, |cx| chosen(cx, iterator, r))
}

fn replacement_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, replacement_next)
}

natives!(
    /// Return successive r-length permutations of elements in the iterable.
    pub(super) static PERMUTATIONS: Methods;

    /// Make a permutations object.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] iterable: Root,
        #[either]
        #[text("None")]
        r: Given<Root>,
    ) -> NativeResult {
        let pool = cx.tuple_from(iterable)?;
        let n = tuple_of(cx, pool).len();
        let r = match r.0 {
            Some(r) if !r.get(cx).is_none() => {
                if crate::native::types::int_ref(cx, r.get(cx)).is_none() {
                    return Err(cx.type_error("Expected int as r".into()));
                }
                let r = cx.index_as_i64(r)?;
                match usize::try_from(r) {
                    Ok(r) => r,
                    Err(_) => return Err(cx.value_error("r must be non-negative")),
                }
            }
            _ => n,
        };
        let ended = r > n;
        let indices = numbers(cx, n, |at| at)?;
        let cycles = numbers(cx, if ended { 0 } else { r }, |at| n - at)?;
        made(cx, class, "permutations", (permutations_step, permutations_next), &[pool, indices, cycles], ended)
    }
);

fn permutations_next(cx: &mut Cx, iterator: Gc<'static, NativeIterator>, to: &mut Raw) -> Result<Stepped, Raised> {
    let (indices, cycles) = (Numbers::of(iterator, 1), Numbers::of(iterator, 2));
    let (n, r) = (indices.len(), cycles.len());
    let advance = |cx: &mut Cx| {
        for at in (0..r).rev() {
            let left = cycles.get(at) - 1;
            if left > 0 {
                cycles.set(cx, at, left);
                let (a, b) = (indices.get(at), indices.get(n - left));
                indices.set(cx, at, b);
                indices.set(cx, n - left, a);
                return true;
            }
            // The number at this place goes to the end.
            let first = indices.get(at);
            for next in at + 1..n {
                indices.set(cx, next - 1, indices.get(next));
            }
            indices.set(cx, n - 1, first);
            cycles.set(cx, at, n - at);
        }
        false
    };
    next_of(cx, iterator, to, advance, |cx| chosen(cx, iterator, r))
}

fn permutations_step(cx: &mut Cx, window: Args) -> NativeResult {
    stepped(cx, window, permutations_next)
}
