//! The module `_weakref`: references that don't keep objects alive.

use crate::heap::{Gc, Kind, Raw, Value, WeakRef};
use crate::native::natives;
use crate::native::types::object;
use crate::object::{ClassFlags, has_weak_references};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

static ROWS: &[TypeRow] = &[TypeRow::of(Kind::WeakRef, "ReferenceType", &[&REFERENCE, &object::ORDERED])
    .in_module("weakref")
    .with(ClassFlags::NO_WEAKREF)];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    cx.heap.show_deaths();
    let module = cx.new_module("_weakref").held();
    cx.functions_of(module, &WEAKREF);
    let class = cx.named_class("ReferenceType").held();
    for name in ["ref", "ReferenceType"] {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, class.value());
        cx.fits(done)?;
    }
    Ok(())
}

/// The reference that `self` is, or stands for.
fn own(cx: &Cx, this: Root) -> Gc<'_, WeakRef> {
    cx.payload(this.get(cx)).exact::<WeakRef>().expect("a method's receiver")
}

/// Whether weak references to a value can be made.
fn is_referable(cx: &Cx, value: Value<'_>) -> bool {
    if value.header().is_none() {
        return false;
    }
    let kind = value.kind();
    let builtin_with = kind != Kind::Instance && has_weak_references(kind);
    let class = cx.class_of(value);
    builtin_with || class.has(ClassFlags::HEAP) && !class.has(ClassFlags::NO_WEAKREF)
}

natives!(
    /// A reference to an object that does not keep it alive.
    pub static REFERENCE: Methods;

    /// Make a reference. The callback is called with it when the object has died.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, object: Root, #[text("None")] callback: Option<Root>) -> NativeResult {
        cx.check_new_kind(class, Kind::WeakRef)?;
        let target = object.get(cx);
        if !is_referable(cx, target) {
            let got = cx.type_name_for_error(target);
            return Err(cx.type_error(format!("cannot create weak reference to '{got}' object")));
        }
        let plain = class.get(cx).raw().same(cx.kind_class(Kind::WeakRef).value().raw());
        let callback = callback.map_or(Raw::NONE, |c| c.get(cx).raw());
        if plain && callback.same(Raw::NONE) {
            // There is one plain reference to each object.
            let known = cx.heap.recent_reference_to(object.get(cx)).map(|weak| weak.value().raw());
            if let Some(known) = known {
                return Ok(Outcome::Value(known));
            }
        }
        let made = WeakRef::new(&cx.heap, object.get(cx), Value::adopt(callback)).expect("it has a cell").held();
        // The callback is to come soon: the object's death is looked for as that of one with a finaliser.
        if !callback.same(Raw::NONE) && object.get(cx).kind() == Kind::Instance {
            cx.made_finalisable(object.get(cx).raw());
        }
        if plain {
            return Ok(made.into());
        }
        let raw = made.value().raw();
        let payload = cx.push_raw(raw);
        let instance = cx.new_of(class, payload);
        let made = payload.get(cx).exact::<WeakRef>().expect("just made");
        made.set_owner(&cx.heap, instance.get(cx));
        Ok(instance.get(cx).into())
    }

    /// Nothing is left to do.
    fn __init__(cx: &mut Cx, this: Root, object: Root, #[text("None")] callback: Option<Root>) -> NativeResult {
        Ok(Outcome::NONE)
    }

    /// Return the object, or None if it has died.
    fn __call__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).get().target().map_or(Outcome::NONE, Outcome::from))
    }

    /// The callback; None if there is none, or the object has died.
    #[getter]
    fn __callback__(cx: &mut Cx, this: Root) -> NativeResult {
        let weak = own(cx, this);
        Ok(if weak.get().target().is_some() { weak.get().callback().into() } else { Outcome::NONE })
    }

    /// Return the hash of the object, which is remembered.
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let weak = own(cx, this).held();
        let known = weak.get().hash.get();
        if known != -1 {
            return Ok(known.into());
        }
        let Some(target) = weak.get().target().map(Value::raw) else {
            return Err(cx.type_error("weak object has gone away".into()));
        };
        let target = cx.push_raw(target);
        let hash = cx.hash(target)?;
        own(cx, this).get().hash.set(hash);
        Ok(hash.into())
    }

    /// Return self==value: whether the objects are equal; if one has died, whether it is the same reference.
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, true)
    }

    /// Return self!=value.
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        compare(cx, this, value, false)
    }

    /// ReferenceType[type].
    #[class]
    fn __class_getitem__(cx: &mut Cx, class: Root, item: Root) -> NativeResult {
        cx.generic_alias(class, item)
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let id = cx.heap.id(this.get(cx));
        let Some(target) = own(cx, this).get().target().map(Value::raw) else {
            return Ok(cx.str(&format!("<weakref at {id:#x}; dead>")).into());
        };
        let class = cx.class_of(Value::adopt(target)).held();
        let module = cx.class_module(class);
        let qualname = cx.class_qualname(class);
        let prefix =
            if matches!(module.as_str(), "builtins" | "__main__") { String::new() } else { format!("{module}.") };
        let at = cx.heap.id(Value::adopt(target));
        let target = cx.push_raw(target);
        let mut name = String::new();
        if let Some(found) = cx.find_attribute(target, "__name__")?
            && let Some(text) = cx.as_str(found.get(cx))
        {
            name = format!(" ({})", text.to_str_lossy());
        }
        Ok(cx.str(&format!("<weakref at {id:#x}; to '{prefix}{qualname}' at {at:#x}{name}>")).into())
    }
);

fn compare(cx: &mut Cx, this: Root, other: Root, equal: bool) -> NativeResult {
    let Some(b) = cx.payload(other.get(cx)).exact::<WeakRef>().map(|w| w.get().target().map(Value::raw)) else {
        return Ok(Value::NOT_IMPLEMENTED.into());
    };
    let a = own(cx, this).get().target().map(Value::raw);
    let same = match (a, b) {
        (Some(a), Some(b)) => {
            let (a, b) = (cx.push_raw(a), cx.push_raw(b));
            cx.equals(a, b)?
        }
        _ => this.get(cx).is(other.get(cx)),
    };
    Ok((same == equal).into())
}

/// Whether a reference is neither of a derived class nor has a callback.
fn is_plain(weak: Gc<'_, WeakRef>) -> bool {
    weak.get().callback().is_none() && WeakRef::shown(weak).same(weak.value().raw())
}

/// The references to an object as scripts know them, each plain one without a callback once.
pub(crate) fn shown_references(cx: &Cx, object: Root) -> Vec<Raw> {
    let mut plain = false;
    let all = cx.heap.references_to(object.get(cx));
    let kept = all.into_iter().filter(|weak| !(is_plain(*weak) && std::mem::replace(&mut plain, true)));
    kept.map(WeakRef::shown).collect()
}

natives!(
    /// Weak-reference support module.
    pub static WEAKREF: Functions;

    /// How many weak references and proxies lead to an object.
    fn getweakrefcount(cx: &mut Cx, object: Root) -> NativeResult {
        Ok((shown_references(cx, object).len() as i64).into())
    }

    /// The weak references and proxies that lead to an object.
    fn getweakrefs(cx: &mut Cx, object: Root) -> NativeResult {
        let found = shown_references(cx, object);
        let values: Vec<Value<'_>> = found.into_iter().map(Value::adopt).collect();
        Ok(cx.list(&values).into())
    }
);
