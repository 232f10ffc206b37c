//! The module `_bisect`: places in sorted sequences, found by halving.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::native::types::sort::less_without_script;
use crate::object::{List, Tuple};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::{CompareKind, Name};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_bisect").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// Bisection algorithms.
    static FUNCTIONS: Functions;

    /// Return the index where to insert item x in list a, assuming a is sorted: behind items that equal it.
    fn bisect_right(
        cx: &mut Cx,
        #[either] a: Root,
        #[either] x: Root,
        #[either]
        #[default(0)]
        lo: i64,
        #[either] hi: Option<Root>,
        #[key] key: Option<Root>,
    ) -> NativeResult {
        let place = place::<true>(cx, a, x, lo, hi, key)?;
        Ok(place.into())
    }

    /// Return the index where to insert item x in list a, assuming a is sorted: before items that equal it.
    fn bisect_left(
        cx: &mut Cx,
        #[either] a: Root,
        #[either] x: Root,
        #[either]
        #[default(0)]
        lo: i64,
        #[either] hi: Option<Root>,
        #[key] key: Option<Root>,
    ) -> NativeResult {
        let place = place::<false>(cx, a, x, lo, hi, key)?;
        Ok(place.into())
    }

    /// Insert item x in list a, and keep it sorted assuming a is sorted: behind items that equal it.
    fn insort_right(
        cx: &mut Cx,
        #[either] a: Root,
        #[either] x: Root,
        #[either]
        #[default(0)]
        lo: i64,
        #[either] hi: Option<Root>,
        #[key] key: Option<Root>,
    ) -> NativeResult {
        insert::<true>(cx, a, x, lo, hi, key)
    }

    /// Insert item x in list a, and keep it sorted assuming a is sorted: before items that equal it.
    fn insort_left(
        cx: &mut Cx,
        #[either] a: Root,
        #[either] x: Root,
        #[either]
        #[default(0)]
        lo: i64,
        #[either] hi: Option<Root>,
        #[key] key: Option<Root>,
    ) -> NativeResult {
        insert::<false>(cx, a, x, lo, hi, key)
    }
);

/// An item of a sequence, where no script has to be asked for it.
fn item_at_once(cx: &Cx, sequence: Root, at: usize) -> Option<Raw> {
    let value = sequence.get(cx);
    match value.exact::<List>() {
        Some(list) => list.item(at).map(Value::raw),
        None => value.exact::<Tuple>().filter(|tuple| at < tuple.len()).map(|tuple| tuple.item(at).raw()),
    }
}

/// TypeError for what has a length but no items by place.
fn sequence(cx: &mut Cx, a: Root) -> Result<(), Raised> {
    let got = cx.type_name_for_error(a.get(cx));
    if cx.special_method(a, Name::GetItem)?.is_none() {
        return Err(cx.type_error(format!("'{got}' object does not support indexing")));
    }
    // Classes of one's own have items by whatever key, and may mean places.
    if matches!(a.get(cx).kind(), Kind::Dict | Kind::MappingProxy) && !a.get(cx).is_subclassed() {
        return Err(cx.type_error(format!("{got} is not a sequence")));
    }
    Ok(())
}

/// The place of `x`: `RIGHT` of its equals, or left.
fn place<const RIGHT: bool>(
    cx: &mut Cx,
    a: Root,
    x: Root,
    lo: i64,
    hi: Option<Root>,
    key: Option<Root>,
) -> Result<i64, Raised> {
    if lo < 0 {
        return Err(cx.value_error("lo must be non-negative"));
    }
    let hi = match hi {
        Some(hi) => cx.index_as_i64(hi)?,
        None => -1,
    };
    let mut high = if hi == -1 { cx.length(a)? as i64 } else { hi };
    if item_at_once(cx, a, 0).is_none() {
        sequence(cx, a)?;
    }
    let mut low = lo;
    let start = cx.mark();
    let mut direct = true;
    while low < high {
        let middle = low + (high - low) / 2;
        let item = match item_at_once(cx, a, middle as usize) {
            Some(item) => cx.push_raw(item),
            None => {
                let index = cx.push(Value::int(middle));
                cx.item(a, index)?
            }
        };
        let item = match key {
            Some(key) => cx.call_one(key, item)?,
            None => item,
        };
        let (first, second) = if RIGHT { (x, item) } else { (item, x) };
        let less = match less_without_script(first.get(cx), second.get(cx), 0) {
            Some(less) => less,
            None => less(cx, first, second, &mut direct)?,
        };
        if less == RIGHT {
            high = middle;
        } else {
            low = middle + 1;
        }
        cx.release(start);
    }
    Ok(low)
}

/// `a < b`; of two of one class the method is asked directly, until it has no answer: then the whole protocol is followed from the beginning.
fn less(cx: &mut Cx, a: Root, b: Root, direct: &mut bool) -> Result<bool, Raised> {
    if *direct && cx.class_of(a.get(cx)) == cx.class_of(b.get(cx)) {
        let (a, b) = (a.get(cx).raw(), b.get(cx).raw());
        match cx.ask_first(CompareKind::Lt, a, b)? {
            Some(answer) if !answer.same(Raw::NOT_IMPLEMENTED) => return cx.truth_of_answer(answer),
            Some(_) => *direct = false,
            None => {}
        }
    }
    cx.compare_roots(CompareKind::Lt, a, b)
}

fn insert<const RIGHT: bool>(
    cx: &mut Cx,
    a: Root,
    x: Root,
    lo: i64,
    hi: Option<Root>,
    key: Option<Root>,
) -> NativeResult {
    let by = match key {
        Some(key) => cx.call_one(key, x)?,
        None => x,
    };
    let at = place::<RIGHT>(cx, a, by, lo, hi, key)?;
    let place = cx.push(Value::int(at));
    cx.call_method(a, "insert", &[place, x])?;
    Ok(Outcome::NONE)
}
