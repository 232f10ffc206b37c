//! tuple.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Value};
use crate::native::types::list::{bound, repeat};
use crate::native::types::with_operators;
use crate::object::Tuple;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

with_operators! {
    table {
        /// Items in order, for good.
        ///
        /// Made empty, or from the items of an iterable; a tuple itself is given back as it is.
        pub static TUPLE_METHODS: Methods;
    }
    operators {
        compare Lt __lt__ "<";
        compare Le __le__ "<=";
        compare Eq __eq__ "==";
        compare Ne __ne__ "!=";
        compare Gt __gt__ ">";
        compare Ge __ge__ ">=";
    }

    /// Make a tuple of an iterable's items.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[text("()")] iterable: Given<Root>) -> NativeResult {
        cx.check_new_kind(class, Kind::Tuple)?;
        let items = match iterable.0 {
            Some(iterable) if iterable.get(cx).exact::<Tuple>().is_some() => iterable,
            Some(iterable) => cx.tuple_from(iterable)?,
            None => {
                let empty = cx.empty_tuple().value().raw();
                cx.push_raw(empty)
            }
        };
        let made = cx.new_of(class, items);
        Ok(made.get(cx).into())
    }

    /// Return the number of items.
    #[quick(One(crate::native::quick::tuple_len))]
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).len() as i64).into())
    }

    /// Return an iterator over the items.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let this = cx.payload_root(this);
        let iterator = cx.iter(this)?;
        Ok(iterator.get(cx).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        cx.own_repr(this).map(Outcome::Value)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let this = cx.payload_root(this);
        cx.hash(this).map(Outcome::from)
    }

    /// Return whether an item equals the value.
    fn __contains__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let this = cx.payload_root(this);
        cx.contains_root(this, value).map(Outcome::from)
    }

    /// Return self[index].
    #[quick(Two(crate::native::quick::tuple_item))]
    fn __getitem__(cx: &mut Cx, this: Root, index: Root) -> NativeResult {
        let this = cx.payload_root(this);
        let item = cx.item(this, index)?;
        Ok(item.get(cx).into())
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if value.get(cx).kind() != Kind::Tuple {
            let got = cx.type_name_for_error(value.get(cx));
            return Err(cx.type_error(format!("can only concatenate tuple (not \"{got}\") to tuple")));
        }
        crate::native::types::binary(cx, BinaryKind::Add, this, value, this)
    }

    /// Return self*value.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value)
    }

    /// Return value*self.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        repeat(cx, this, value)
    }

    /// Return the number of items that equal the value.
    fn count(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        let mut count = 0i64;
        for at in 0..own(cx, this).len() {
            count += i64::from(equals_item(cx, this, at, value)?);
        }
        Ok(count.into())
    }

    /// Return the index of the first item that equals the value.
    fn index(
        cx: &mut Cx,
        this: Root,
        value: Root,
        #[text("0")] start: Given<Root>,
        #[text("sys.maxsize")] stop: Given<Root>,
    ) -> NativeResult {
        let len = own(cx, this).len();
        let start = bound(cx, start.0, 0, len)?;
        let stop = bound(cx, stop.0, len, len)?.min(len);
        for at in start..stop {
            if equals_item(cx, this, at, value)? {
                return Ok((at as i64).into());
            }
        }
        Err(cx.value_error("tuple.index(x): x not in tuple"))
    }

    /// The arguments to make it again with.
    fn __getnewargs__(cx: &mut Cx, this: Root) -> NativeResult {
        let payload: Value<'_> = own(cx, this).value();
        Ok(cx.tuple(&[payload]).into())
    }

    /// Return the alias tuple[item].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }
}

/// The tuple of a method's instance.
fn own(cx: &Cx, this: Root) -> Gc<'_, Tuple> {
    cx.payload(this.get(cx)).exact::<Tuple>().expect("the instance is a tuple")
}

fn equals_item(cx: &mut Cx, this: Root, at: usize, value: Root) -> Result<bool, Raised> {
    let mark = cx.mark();
    let raw = own(cx, this).item(at).raw();
    let item = cx.push_raw(raw);
    let equal = cx.same_or_equal(item, value)?;
    cx.release(mark);
    Ok(equal)
}
