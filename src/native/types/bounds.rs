//! Positions that scripts give to sequences: slices and the `start` and `end` of searches.

use crate::heap::{Gc, Kind};
use crate::object::Slice;
use crate::object::key::as_int_ref;
use crate::vm::Name;
use crate::vm::native::{Cx, Raised, Root};

/// An integer or `None` as a bound; integers past 64 bits are brought to the nearest that is not. `None` is None.
pub(crate) fn bound(cx: &mut Cx, root: Root) -> Result<Option<i64>, Raised> {
    let value = root.get(cx);
    if let Some(int) = value.as_int() {
        return Ok(Some(int));
    }
    if value.is_none() || value.is_unbound() {
        return Ok(None);
    }
    let is_int = matches!(value.kind(), Kind::True | Kind::False | Kind::BigInt | Kind::Int);
    if !is_int && cx.own_method(root, Name::Index)?.is_none() {
        return Err(cx.type_error("slice indices must be integers or None or have an __index__ method".to_owned()));
    }
    let mark = cx.mark();
    let index = cx.index(root)?;
    let number = as_int_ref(cx.payload(index.get(cx)));
    let clamped = match number {
        Some(number) => number.to_i64().unwrap_or(if number.signum() < 0 { i64::MIN } else { i64::MAX }),
        None => 0,
    };
    cx.release(mark);
    Ok(Some(clamped))
}

/// `start` and `end` of a search among `length` items, as they are meant: negative ones from the end, `end` not past the end. `start`
/// may be: then nothing is found, not even an empty thing.
pub(crate) fn search_range(
    cx: &mut Cx,
    start: Option<Root>,
    end: Option<Root>,
    length: usize,
) -> Result<(usize, usize), Raised> {
    let start = match start {
        Some(root) => bound(cx, root)?,
        None => None,
    };
    let end = match end {
        Some(root) => bound(cx, root)?,
        None => None,
    };
    let place = |at: i64| if at < 0 { at.saturating_add(length as i64).max(0) } else { at } as usize;
    Ok((start.map_or(0, place), end.map_or(length, |end| place(end).min(length))))
}

/// A slice applied to a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SliceRange {
    /// The first index.
    pub(crate) start: i64,
    /// Where it ends, as `slice.indices` gives it.
    pub(crate) stop: i64,
    /// The step, not zero.
    pub(crate) step: i64,
    /// How many items.
    pub(crate) count: usize,
}

impl SliceRange {
    /// The indices, in order.
    pub(crate) fn indices(self) -> impl Iterator<Item = usize> {
        (0..self.count as i64).map(move |i| (self.start + i * self.step) as usize)
    }
}

/// The bounds of a slice, before the length is known: `__index__` may change that.
pub(crate) fn slice_bounds(cx: &mut Cx, slice: Gc<'static, Slice>) -> Result<(Option<i64>, Option<i64>, i64), Raised> {
    let mark = cx.mark();
    let parts = [slice.start.get().raw(), slice.stop.get().raw(), slice.step.get().raw()];
    let roots = parts.map(|raw| cx.push_raw(raw));
    let step = bound(cx, roots[2])?.unwrap_or(1);
    if step == 0 {
        return Err(cx.value_error("slice step cannot be zero"));
    }
    let start = bound(cx, roots[0])?;
    let stop = bound(cx, roots[1])?;
    cx.release(mark);
    Ok((start, stop, step.max(-i64::MAX)))
}

/// Applies bounds to a length.
pub(crate) fn apply_bounds(bounds: (Option<i64>, Option<i64>, i64), length: usize) -> SliceRange {
    let (start, stop, step) = bounds;
    let length = length as i64;
    let (lowest, highest) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let place = |at: i64| {
        let at = if at < 0 { at.saturating_add(length) } else { at };
        at.clamp(lowest, highest)
    };
    let start = start.map_or(if step < 0 { highest } else { lowest }, place);
    let stop = stop.map_or(if step < 0 { lowest } else { highest }, place);
    let count = if step > 0 && start < stop {
        (stop - start - 1) / step + 1
    } else if step < 0 && stop < start {
        (start - stop - 1) / -step + 1
    } else {
        0
    };
    SliceRange { start, stop, step, count: count as usize }
}

/// The slice of `length` items that a slice object means.
pub(crate) fn slice_range(cx: &mut Cx, slice: Gc<'static, Slice>, length: usize) -> Result<SliceRange, Raised> {
    Ok(apply_bounds(slice_bounds(cx, slice)?, length))
}

#[cfg(test)]
mod tests {
    use super::apply_bounds;

    #[test]
    fn slices() {
        let indices =
            |start, stop, step, length| apply_bounds((start, stop, step), length).indices().collect::<Vec<_>>();
        assert_eq!(indices(None, None, 1, 3), [0, 1, 2]);
        assert_eq!(indices(None, None, -1, 3), [2, 1, 0]);
        assert_eq!(indices(Some(-2), None, 1, 3), [1, 2]);
        assert_eq!(indices(Some(5), Some(-10), -2, 5), [4, 2, 0]);
        assert_eq!(indices(Some(2), Some(1), 1, 3), [0usize; 0]);
        assert_eq!(indices(Some(i64::MIN), Some(i64::MAX), i64::MAX, 3), [0]);
    }
}
