//! The module `gc`: the collector as far as scripts can see it.

use crate::heap::{Collection, Kind, Raw, Value};
use crate::native::natives;
use crate::object::{Dict, List, Tuple};
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

/// Whether an object may refer to others.
fn is_container(value: Value<'_>) -> bool {
    let plain = matches!(
        value.kind(),
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
    !plain || value.is_subclassed()
}

fn list_of(cx: &mut Cx, raws: &[Raw]) -> Outcome {
    let values: Vec<Value<'_>> = raws.iter().map(|raw| Value::adopt(*raw)).collect();
    cx.list(&values).into()
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
        if !(1..=3).contains(&thresholds.0.len()) {
            return Err(cx.type_error("gc.set_threshold requires 1 to 3 arguments".to_owned()));
        }
        for threshold in thresholds.0.roots() {
            cx.index(threshold)?;
        }
        Ok(Outcome::NONE)
    }

    /// Return 0: there are no debugging flags.
    fn get_debug(cx: &mut Cx) -> NativeResult {
        Ok(0i64.into())
    }

    /// There are no debugging flags: this does nothing.
    fn set_debug(cx: &mut Cx, flags: Root) -> NativeResult {
        cx.index(flags)?;
        Ok(Outcome::NONE)
    }

    /// Return whether the collector looks at an object: whether it may refer to others.
    fn is_tracked(cx: &mut Cx, obj: Root) -> NativeResult {
        Ok(is_container(obj.get(cx)).into())
    }

    /// Return whether the finaliser of an object has run.
    fn is_finalized(cx: &mut Cx, obj: Root) -> NativeResult {
        Ok(cx.heap.is_finalised(obj.get(cx)).into())
    }

    /// Return all objects that may refer to others, or with a generation those of it: what was asked about has survived, so they are all in
    /// the oldest.
    fn get_objects(cx: &mut Cx, #[either] generation: Option<Root>) -> NativeResult {
        let number = match generation {
            Some(root) if root.get(cx).as_int().is_none() => {
                let got = cx.type_name_for_error(root.get(cx));
                return Err(cx.type_error(format!("argument should be integer or None, not '{got}'")));
            }
            Some(root) => root.get(cx).as_int(),
            None => None,
        };
        match number {
            Some(number) if number < 0 => return Err(cx.value_error("generation parameter cannot be negative")),
            Some(number) if number > 2 => {
                let text = "generation parameter must be less than the number of available generations (3)";
                return Err(cx.value_error(text));
            }
            Some(0 | 1) => return Ok(cx.list(&[]).into()),
            _ => {}
        }
        cx.collect_as_asked(Collection::Major);
        let mut found = vec![];
        cx.heap.each_live(|value| {
            if value.kind() < Kind::Slots && is_container(value) {
                found.push(value.raw());
            }
        });
        Ok(list_of(cx, &found))
    }

    /// Return what objects refer to directly.
    fn get_referents(cx: &mut Cx, objs: Rest) -> NativeResult {
        let mut found = vec![];
        for obj in objs.0.roots() {
            let value = obj.get(cx);
            // Of containers the items too that have no cell, in CPython's order; keys that are all texts do not count.
            if let Some(list) = value.exact::<List>() {
                found.extend(list.items().rev().map(Value::raw));
            } else if let Some(tuple) = value.exact::<Tuple>() {
                found.extend(tuple.items().rev().map(Value::raw));
            } else if let Some(dict) = value.exact::<Dict>() {
                let texts = dict.iter().all(|(key, _)| key.kind() == Kind::Str);
                for (key, item) in dict.iter() {
                    if !texts {
                        found.push(key.raw());
                    }
                    found.push(item.raw());
                }
            } else {
                found.extend(cx.heap.referents_of(value));
                if value.kind() == Kind::Instance {
                    found.push(cx.class_of(value).value().raw());
                }
            }
        }
        Ok(list_of(cx, &found))
    }

    /// Return the objects that refer directly to any of some.
    fn get_referrers(cx: &mut Cx, objs: Rest) -> NativeResult {
        cx.collect_as_asked(Collection::Major);
        let targets: Vec<_> = objs.0.roots().map(|obj| obj.get(cx).raw()).filter(|raw| raw.is_pointer()).collect();
        let mut found = vec![];
        cx.heap.each_live(|value| {
            let seen = |raw: &Raw| targets.iter().any(|target| target.header() == raw.header());
            if value.kind() < Kind::Slots && is_container(value) && cx.heap.referents_of(value).iter().any(seen) {
                found.push(value.raw());
            }
        });
        Ok(list_of(cx, &found))
    }

    /// Return a dict for each generation: how often it was collected; what that freed is not counted.
    fn get_stats(cx: &mut Cx) -> NativeResult {
        let collections = cx.heap.collections() as i64;
        let mut made = vec![];
        for number in [0, 0, collections] {
            let dict = Dict::new(&cx.heap).held();
            for (name, value) in [("collections", number), ("collected", 0), ("uncollectable", 0)] {
                let key = cx.intern(name).held();
                let done = dict.set_str(&cx.heap, key, Value::int(value));
                cx.fits(done)?;
            }
            made.push(dict.value().raw());
        }
        Ok(list_of(cx, &made))
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
