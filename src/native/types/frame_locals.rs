//! `frame.f_locals` of a function: a view of the frame's variables that writes through (PEP 667).

use crate::heap::{Gc, Raw, Value};
use crate::native::natives;
use crate::object::{Class, ClassFlags, Dict, Exc, Frame, NativeObject, Payload};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// The view has no state but its frame, which is in its slot.
#[derive(Debug)]
struct View;

impl Payload for View {}

/// The type.
pub(crate) static ROWS: &[TypeRow] =
    &[TypeRow::native("builtins", "FrameLocalsProxy", &[&FRAME_LOCALS, &FRAME_LOCALS_MERGED])
        .with(ClassFlags::FINAL.union(ClassFlags::MAPPING))];

/// `f_locals` of a frame: the namespace of a module or class body; for a function a view.
pub(crate) fn f_locals(cx: &mut Cx, frame: Root) -> NativeResult {
    if !cx.frame_has_variables(frame) {
        let locals = cx.frame_locals(frame)?;
        return Ok(locals.get(cx).into());
    }
    let shape = cx.named_class("FrameLocalsProxy").get().root_shape.get();
    let view: Gc<'_, NativeObject> = cx.heap.alloc_slots(NativeObject::new(Box::new(View), 1), |_| frame.get(cx));
    view.set_shape(shape);
    Ok(view.into())
}

fn is_view(cx: &Cx, value: Value<'_>) -> bool {
    value.exact::<NativeObject>().is_some() && cx.class_of(value) == cx.named_class("FrameLocalsProxy")
}

fn frame_of(cx: &mut Cx, this: Root) -> Root {
    let raw = this.get(cx).exact::<NativeObject>().expect("a method's receiver").tail()[0].get().raw();
    cx.push(Value::adopt(raw))
}

fn text_of(cx: &Cx, key: Root) -> Option<String> {
    cx.as_str(key.get(cx)).and_then(|text| text.as_str().map(str::to_owned))
}

/// The value under a key, if there is one.
fn find(cx: &mut Cx, this: Root, key: Root) -> Result<Option<Root>, Raised> {
    let frame = frame_of(cx, this);
    if let Some(name) = text_of(cx, key) {
        let variable = cx.frame_variables(frame).into_iter().find(|variable| *variable.name == *name);
        if let Some(variable) = variable {
            return Ok((!variable.value.is_unbound()).then(|| cx.push(Value::adopt(variable.value))));
        }
    }
    // Whether it is hashable is the view's question, not the dict's.
    cx.hash(key)?;
    let additions = cx.frame_additions(frame);
    cx.dict_get(additions, key)
}

fn set(cx: &mut Cx, this: Root, key: Root, value: Root) -> Result<(), Raised> {
    let frame = frame_of(cx, this);
    if let Some(name) = text_of(cx, key) {
        let variable = cx.frame_variables(frame).into_iter().find(|variable| *variable.name == *name);
        if let Some(variable) = variable {
            let raw = value.get(cx).raw();
            cx.set_frame_variable(frame, &variable, raw);
            return Ok(());
        }
    }
    let additions = cx.frame_additions(frame);
    cx.dict_set(additions, key, value)
}

/// A dict of what is bound.
fn snapshot(cx: &mut Cx, this: Root) -> Result<Root, Raised> {
    let frame = frame_of(cx, this);
    let dict = Dict::new(&cx.heap).value().raw();
    let dict = cx.push(Value::adopt(dict));
    for variable in cx.frame_variables(frame) {
        if !variable.value.is_unbound() {
            let mark = cx.mark();
            let value = cx.push(Value::adopt(variable.value));
            let name = cx.intern(&variable.name).value().raw();
            let name = cx.push(Value::adopt(name));
            cx.dict_set(dict, name, value)?;
            cx.release(mark);
        }
    }
    let additions = cx.frame_additions(frame);
    cx.dict_update_from(dict, additions)?;
    Ok(dict)
}

/// The dict that `|` takes an operand for; None if it takes no such thing.
fn operand(cx: &mut Cx, value: Root) -> Result<Option<Root>, Raised> {
    if is_view(cx, value.get(cx)) {
        return snapshot(cx, value).map(Some);
    }
    Ok(cx.dict_of(value.get(cx)).is_some().then_some(value))
}

fn list_of(cx: &mut Cx, this: Root, part: &str) -> Result<Root, Raised> {
    let dict = snapshot(cx, this)?;
    let items = cx.call_method(dict, part, &[])?;
    cx.list_from(items)
}

fn update(cx: &mut Cx, this: Root, other: Root) -> Result<bool, Raised> {
    let Some(other) = operand(cx, other)? else { return Ok(false) };
    let dict = cx.dict_of(other.get(cx)).expect("an operand");
    let pairs: Vec<(Raw, Raw)> = dict.iter().map(|(key, value)| (key.raw(), value.raw())).collect();
    let pairs: Vec<(Root, Root)> =
        pairs.into_iter().map(|(key, value)| (cx.push(Value::adopt(key)), cx.push(Value::adopt(value)))).collect();
    for (key, value) in pairs {
        set(cx, this, key, value)?;
    }
    Ok(true)
}

fn merge(cx: &mut Cx, first: Root, second: Root) -> NativeResult {
    let (Some(first), Some(second)) = (operand(cx, first)?, operand(cx, second)?) else {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    };
    let dict = Dict::new(&cx.heap).value().raw();
    let dict = cx.push(Value::adopt(dict));
    cx.dict_update_from(dict, first)?;
    cx.dict_update_from(dict, second)?;
    Ok(dict.get(cx).into())
}

natives!(
    /// The variables of a frame as a mapping that writes through.
    pub static FRAME_LOCALS: Methods;

    /// Make the view of a frame.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: crate::vm::native::Rest) -> NativeResult {
        let count = args.0.len();
        if count != 1 {
            return Err(cx.type_error(format!("FrameLocalsProxy expected 1 argument, got {count}")));
        }
        let frame = args.0.root(0);
        if frame.get(cx).exact::<Frame>().is_none() {
            let got = cx.type_name_for_error(frame.get(cx));
            return Err(cx.type_error(format!("expect frame, not {got}")));
        }
        debug_assert!(class.get(cx).exact::<Class>().is_some());
        f_locals(cx, frame)
    }

    /// Return self[key].
    fn __getitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        match find(cx, this, key)? {
            Some(value) => Ok(value.get(cx).into()),
            None => {
                let shown = cx.repr_text(key)?;
                Err(cx.raise_text(Exc::KeyError, &format!("local variable '{shown}' is not defined")))
            }
        }
    }

    /// Set self[key] to value.
    fn __setitem__(cx: &mut Cx, this: Root, key: Root, value: Root) -> NativeResult {
        set(cx, this, key, value)?;
        Ok(Outcome::NONE)
    }

    /// Variables cannot be removed.
    fn __delitem__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        Err(cx.type_error("cannot remove variables from FrameLocalsProxy".to_owned()))
    }

    /// Return key in self.
    fn __contains__(cx: &mut Cx, this: Root, key: Root) -> NativeResult {
        Ok(find(cx, this, key)?.is_some().into())
    }

    /// Views cannot be hashed.
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Err(cx.unhashable(this))
    }

    /// Return len(self).
    fn __len__(cx: &mut Cx, this: Root) -> NativeResult {
        let dict = snapshot(cx, this)?;
        Ok((cx.length(dict)? as i64).into())
    }

    /// Iterate over the names.
    fn __iter__(cx: &mut Cx, this: Root) -> NativeResult {
        let keys = list_of(cx, this, "keys")?;
        let iterator = cx.iter(keys)?;
        Ok(iterator.get(cx).into())
    }

    /// Iterate over the names, the last first.
    fn __reversed__(cx: &mut Cx, this: Root) -> NativeResult {
        let keys = list_of(cx, this, "keys")?;
        cx.call_method(keys, "reverse", &[])?;
        let iterator = cx.iter(keys)?;
        Ok(iterator.get(cx).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let frame = frame_of(cx, this);
        if !cx.enter_repr(frame) {
            return Ok(cx.str("{...}").into());
        }
        let shown = snapshot(cx, this).and_then(|dict| cx.repr(dict));
        cx.leave_repr(frame);
        Ok(shown?.get(cx).into())
    }

    /// Return self == value: whether both are of the same frame.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if !is_view(cx, value.get(cx)) {
            return Ok(false.into());
        }
        let (own, other) = (frame_of(cx, this), frame_of(cx, value));
        Ok(own.get(cx).is(other.get(cx)).into())
    }

    /// Return self != value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if !is_view(cx, value.get(cx)) {
            return Ok(true.into());
        }
        let (own, other) = (frame_of(cx, this), frame_of(cx, value));
        Ok((!own.get(cx).is(other.get(cx))).into())
    }

    /// Return the value of a name if it is bound, else the default.
    fn get(cx: &mut Cx, this: Root, key: Root, #[text("None")] default: Option<Root>) -> NativeResult {
        let found = find(cx, this, key)?.or(default);
        Ok(found.map_or(Value::NONE, |value| value.get(cx)).into())
    }

    /// Return the value of a name; if it is not bound, bind it to the default first.
    fn setdefault(cx: &mut Cx, this: Root, key: Root, #[text("None")] default: Option<Root>) -> NativeResult {
        if let Some(value) = find(cx, this, key)? {
            return Ok(value.get(cx).into());
        }
        let value = default.unwrap_or_else(|| cx.push(Value::NONE));
        set(cx, this, key, value)?;
        Ok(value.get(cx).into())
    }

    /// Return a list of the names.
    fn keys(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(list_of(cx, this, "keys")?.get(cx).into())
    }

    /// Return a list of the values.
    fn values(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(list_of(cx, this, "values")?.get(cx).into())
    }

    /// Return a list of names and values.
    fn items(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(list_of(cx, this, "items")?.get(cx).into())
    }

    /// Return a dict of what is bound now.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(snapshot(cx, this)?.get(cx).into())
    }
);

natives!(
    /// What merges views and dicts.
    pub static FRAME_LOCALS_MERGED: Methods;

    /// Set all names of a dict or another view.
    fn update(cx: &mut Cx, this: Root, other: Root) -> NativeResult {
        if self::update(cx, this, other)? {
            return Ok(Outcome::NONE);
        }
        Err(cx.type_error("update() argument must be dict or another FrameLocalsProxy".to_owned()))
    }

    /// Return self|value.
    fn __or__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        merge(cx, this, value)
    }

    /// Return value|self.
    fn __ror__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        merge(cx, value, this)
    }

    /// Return self|=value.
    fn __ior__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        if self::update(cx, this, value)? {
            return Ok(this.get(cx).into());
        }
        Ok(Outcome::Value(Raw::NOT_IMPLEMENTED))
    }
);
