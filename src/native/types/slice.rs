//! slice.

use num_bigint::BigInt as Big;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::types::with_operators;
use crate::number::int::Int;
use crate::object::key::as_int_ref;
use crate::object::{Slice, int_value};
use crate::vm::Name;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Rest, Root};

with_operators! {
    table {
        /// slice(stop)
        /// slice(start, stop[, step])
        ///
        /// What stands in the brackets of `a[first:last:step]`.
        pub static SLICE_METHODS: Methods;
    }
    operators {
        compare Lt __lt__ "<";
        compare Le __le__ "<=";
        compare Eq __eq__ "==";
        compare Ne __ne__ "!=";
        compare Gt __gt__ ">";
        compare Ge __ge__ ">=";
    }

    /// Make a slice.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest) -> NativeResult {
        cx.check_new_kind(class, Kind::Slice)?;
        let given = |cx: &Cx, n: usize| -> Raw {
            if n < args.0.len() { args.0.get(cx, n).raw() } else { Raw::NONE }
        };
        let (start, stop, step) = match args.0.len() {
            0 => return Err(cx.type_error("slice expected at least 1 argument, got 0".into())),
            1 => (Raw::NONE, given(cx, 0), Raw::NONE),
            2 | 3 => (given(cx, 0), given(cx, 1), given(cx, 2)),
            more => return Err(cx.type_error(format!("slice expected at most 3 arguments, got {more}"))),
        };
        let slot = |raw: Raw| Slot::new(Value::adopt(raw));
        Ok(cx.heap.alloc(Slice { start: slot(start), stop: slot(stop), step: slot(step) }).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.hash(this).map(Outcome::from)
    }

    /// Return start, stop and step for a sequence of this length, all within it.
    fn indices(cx: &mut Cx, this: Root, length: Root) -> NativeResult {
        let length = cx.index(length)?;
        let length = big(length.get(cx));
        let zero = Big::default();
        if length < zero {
            return Err(cx.value_error("length should not be negative"));
        }
        let (start, stop, step) = self::indices(cx, this, &length)?;
        let values = [start, stop, step].map(|n| int_value(&cx.heap, Int::from_big(n)).raw());
        Ok(cx.tuple(&values.map(Value::adopt)).into())
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).value();
        let slice = own(cx, this);
        let args = cx.tuple(&[slice.start.get(), slice.stop.get(), slice.step.get()]);
        Ok(cx.tuple(&[class, args.value()]).into())
    }

    /// The lower bound, or None.
    #[getter]
    fn start(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().start.get().into())
    }

    /// The upper bound, or None.
    #[getter]
    fn stop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().stop.get().into())
    }

    /// The step, or None.
    #[getter]
    fn step(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().step.get().into())
    }
}

fn own(cx: &Cx, this: Root) -> Gc<'_, Slice> {
    this.get(cx).exact::<Slice>().expect("the instance is a slice")
}

fn big(value: Value<'_>) -> Big {
    as_int_ref(value).map_or_else(Big::default, |i| i.to_big().into_owned())
}

/// A part of a slice as an integer; None for None.
fn part(cx: &mut Cx, raw: Raw) -> Result<Option<Big>, Raised> {
    if raw.same(Raw::NONE) {
        return Ok(None);
    }
    let root = cx.push_raw(raw);
    if crate::native::types::int_ref(cx, root.get(cx)).is_none() && cx.special_method(root, Name::Index)?.is_none() {
        return Err(cx.type_error("slice indices must be integers or None or have an __index__ method".into()));
    }
    let index = cx.index(root)?;
    Ok(Some(big(index.get(cx))))
}

/// The bounds for a length of any size.
pub(crate) fn indices(cx: &mut Cx, slice: Root, length: &Big) -> Result<(Big, Big, Big), Raised> {
    let parts = own(cx, slice);
    let (start, stop, step) = (parts.start.get().raw(), parts.stop.get().raw(), parts.step.get().raw());
    let zero = Big::default();
    let step = part(cx, step)?.unwrap_or_else(|| Big::from(1));
    if step == zero {
        return Err(cx.value_error("slice step cannot be zero"));
    }
    let back = step < zero;
    let (low, high) = if back { (Big::from(-1), length - 1) } else { (zero.clone(), length.clone()) };
    let clip = |n: Big| if n < zero { (n + length).max(low.clone()) } else { n.min(high.clone()) };
    let start = part(cx, start)?.map_or_else(|| if back { high.clone() } else { low.clone() }, clip);
    let stop = part(cx, stop)?.map_or_else(|| if back { low.clone() } else { high.clone() }, clip);
    Ok((start, stop, step))
}
