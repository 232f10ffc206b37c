//! range.

use num_bigint::BigInt as Big;

use crate::heap::{Gc, Kind, Raw, Slot, Value};
use crate::native::types::{int_ref, with_operators};
use crate::number::int::Int;
use crate::object::key::as_int_ref;
use crate::object::{Range, RangeIterator, int_value};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Rest, Root};

with_operators! {
    table {
        /// Integers at equal distances, made when they are asked for.
        ///
        /// range(stop) counts from 0, range(start, stop) from start, each by one; range(start, stop, step) goes in steps,
        /// downwards if step is negative. The stop itself is never reached: range(4) is 0, 1, 2, 3.
        pub static RANGE_METHODS: Methods;
    }
    operators {
        compare Lt __lt__ "<";
        compare Le __le__ "<=";
        compare Eq __eq__ "==";
        compare Ne __ne__ "!=";
        compare Gt __gt__ ">";
        compare Ge __ge__ ">=";
    }

    /// Make a range.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest) -> NativeResult {
        cx.check_new_kind(class, Kind::Range)?;
        let args = args.0;
        let count = args.len();
        let (zero, one) = (Raw::int(0), Raw::int(1));
        let mut parts = [zero, zero, one];
        match count {
            0 => return Err(cx.type_error("range expected at least 1 argument, got 0".into())),
            1 => parts[1] = int_part(cx, args.root(0))?,
            2 | 3 => {
                for (at, part) in parts.iter_mut().enumerate().take(count) {
                    *part = int_part(cx, args.root(at))?;
                }
            }
            more => return Err(cx.type_error(format!("range expected at most 3 arguments, got {more}"))),
        }
        if parts[2].same(zero) {
            return Err(cx.value_error("range() arg 3 must not be zero"));
        }
        let slot = |raw: Raw| Slot::new(Value::adopt(raw));
        Ok(cx.heap.alloc(Range { start: slot(parts[0]), stop: slot(parts[1]), step: slot(parts[2]) }).into())
    }

    /// Return the number of items.
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((cx.length(this)? as i64).into())
    }

    /// True if there are items.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((cx.range_len(this.get(cx)) != Int::Small(0)).into())
    }

    /// Return an iterator over the integers.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let iterator = cx.iter(this)?;
        Ok(iterator.get(cx).into())
    }

    /// Return a reverse iterator over the integers.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let len = cx.range_len(this.get(cx));
        let (start, _, step) = bounds(cx, this);
        let last = &start + (len.clone().into_big() - 1) * &step;
        let small = |n: &Big| i64::try_from(n.clone()).ok();
        let stop = small(&(&start - &step));
        if let (Int::Small(left), Some(next), Some(step), Some(_)) = (len, small(&last), small(&-&step), stop) {
            let iterator = RangeIterator {
                next: std::cell::Cell::new(next),
                step,
                left: std::cell::Cell::new(left as u64),
            };
            return Ok(cx.heap.alloc(iterator).into());
        }
        let reversed = new_range(cx, last, &start - &step, -step);
        let reversed = cx.push_raw(reversed);
        let iterator = cx.iter(reversed)?;
        Ok(iterator.get(cx).into())
    }

    /// Return whether an integer is in the range.
    fn __contains__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if let Some(found) = contains(cx, this, value) {
            return Ok(found.into());
        }
        let mut found = false;
        cx.visit_while(this, &mut |cx, item| {
            found = cx.same_or_equal(item, value)?;
            Ok(!found)
        })?;
        Ok(found.into())
    }

    /// Return self[index].
    fn __getitem__(cx: &mut Cx, this: Root, index: Root) -> NativeResult {
        let item = cx.item(this, index)?;
        Ok(item.get(cx).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.hash(this).map(Outcome::from)
    }

    /// Return the number of items that equal the value.
    fn count(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if let Some(found) = contains(cx, this, value) {
            return Ok(i64::from(found).into());
        }
        let mut count = 0i64;
        cx.for_each(this, &mut |cx, item| {
            count += i64::from(cx.same_or_equal(item, value)?);
            Ok(())
        })?;
        Ok(count.into())
    }

    /// Return the index of the value.
    fn index(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match contains(cx, this, value) {
            Some(true) => {
                let (start, _, step) = bounds(cx, this);
                let value = int_ref(cx, value.get(cx)).map_or_else(Big::default, |i| i.to_big().into_owned());
                let at = (value - start) / step;
                return Ok(int_value(&cx.heap, Int::from_big(at)).into());
            }
            Some(false) => {}
            None => {
                let (mut at, mut found) = (0i64, false);
                cx.visit_while(this, &mut |cx, item| {
                    found = cx.same_or_equal(item, value)?;
                    at += i64::from(!found);
                    Ok(!found)
                })?;
                if found {
                    return Ok(at.into());
                }
                return Err(cx.value_error("sequence.index(x): x not in sequence"));
            }
        }
        Err(cx.value_error("range.index(x): x not in range"))
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).value();
        let range = own(cx, this);
        let args = cx.tuple(&[range.start.get(), range.stop.get(), range.step.get()]);
        Ok(cx.tuple(&[class, args.value()]).into())
    }

    /// The first integer.
    #[getter]
    fn start(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().start.get().into())
    }

    /// The bound.
    #[getter]
    fn stop(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().stop.get().into())
    }

    /// The step.
    #[getter]
    fn step(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().step.get().into())
    }
}

fn own(cx: &Cx, this: Root) -> Gc<'_, Range> {
    this.get(cx).exact::<Range>().expect("the instance is a range")
}

fn int_part(cx: &mut Cx, root: Root) -> Result<Raw, Raised> {
    let index = cx.index(root)?;
    Ok(index.get(cx).raw())
}

fn bounds(cx: &Cx, this: Root) -> (Big, Big, Big) {
    let range = own(cx, this);
    let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
    (big(range.start.get()), big(range.stop.get()), big(range.step.get()))
}

fn new_range(cx: &Cx, start: Big, stop: Big, step: Big) -> Raw {
    let slot = |n: Big| Slot::new(int_value(&cx.heap, Int::from_big(n)));
    cx.heap.alloc(Range { start: slot(start), stop: slot(stop), step: slot(step) }).value().raw()
}

/// Whether a value is in the range; None where it has to be compared item by item.
fn contains(cx: &Cx, this: Root, value: Root) -> Option<bool> {
    let item = value.get(cx);
    as_int_ref(item)?;
    Some(cx.range_contains(this.get(cx), item))
}
