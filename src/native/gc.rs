//! The module `gc`: the collector as far as scripts can see it.

use crate::heap::{Collection, Raw, Value};
use crate::native::natives;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Rest, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("gc").held();
    cx.functions_of(module, &GC);
    let garbage = cx.list(&[]).held();
    let callbacks = cx.list(&[]).held();
    let constants = [
        ("DEBUG_STATS", Raw::int(1)),
        ("DEBUG_COLLECTABLE", Raw::int(2)),
        ("DEBUG_UNCOLLECTABLE", Raw::int(4)),
        ("DEBUG_SAVEALL", Raw::int(32)),
        ("DEBUG_LEAK", Raw::int(38)),
        ("garbage", garbage.value().raw()),
        ("callbacks", callbacks.value().raw()),
    ];
    for (name, raw) in constants {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(raw));
        cx.fits(done)?;
    }
    Ok(())
}

natives!(
    /// The collector that frees what nothing refers to.
    pub static GC: Functions;

    /// Collect everything that cannot be reached, or with a lower generation what is young of it, and run the finalisers. Returns 0: nothing is
    /// counted.
    fn collect(
        cx: &mut Cx,
        #[either]
        #[default(2)]
        generation: i64,
    ) -> NativeResult {
        if !(0..=2).contains(&generation) {
            return Err(cx.value_error("invalid generation"));
        }
        cx.collect_as_asked(if generation < 2 { Collection::Minor } else { Collection::Major });
        Ok(0i64.into())
    }

    /// Collections are always on: this does nothing.
    fn enable(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Collections are always on: this does nothing.
    fn disable(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return True: collections are always on.
    fn isenabled(cx: &mut Cx) -> NativeResult {
        Ok(true.into())
    }

    /// Return how much was allocated, which is not counted: zeros.
    fn get_count(cx: &mut Cx) -> NativeResult {
        Ok(cx.tuple(&[Value::int(0), Value::int(0), Value::int(0)]).into())
    }

    /// Return CPython's thresholds, which mean nothing here.
    fn get_threshold(cx: &mut Cx) -> NativeResult {
        Ok(cx.tuple(&[Value::int(2000), Value::int(10), Value::int(0)]).into())
    }

    /// Thresholds mean nothing here: this does nothing.
    fn set_threshold(cx: &mut Cx, thresholds: Rest) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return 0: there are no debugging flags.
    fn get_debug(cx: &mut Cx) -> NativeResult {
        Ok(0i64.into())
    }

    /// There are no debugging flags: this does nothing.
    fn set_debug(cx: &mut Cx, flags: Root) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return whether the collector looks at an object: whether it may refer to others.
    fn is_tracked(cx: &mut Cx, obj: Root) -> NativeResult {
        use crate::heap::Kind;
        let plain = matches!(
            obj.get(cx).kind(),
            Kind::None
                | Kind::True
                | Kind::False
                | Kind::Int
                | Kind::Float
                | Kind::Ellipsis
                | Kind::NotImplemented
                | Kind::BigInt
                | Kind::Complex
                | Kind::Str
                | Kind::Bytes
                | Kind::ByteArray
        );
        Ok((!plain || obj.get(cx).is_subclassed()).into())
    }

    /// There is nothing to freeze: this does nothing.
    fn freeze(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// There is nothing to unfreeze: this does nothing.
    fn unfreeze(cx: &mut Cx) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return 0: nothing is frozen.
    fn get_freeze_count(cx: &mut Cx) -> NativeResult {
        Ok(0i64.into())
    }
);
