//! The builtin types as scripts see them: a file per type, each a table of natives. What follows here is what they share.

pub mod bool;
pub(crate) mod bounds;
pub mod bytes;
mod bytes_items;
mod bytes_ops;
pub mod class;
pub mod complex;
pub mod core;
pub mod descriptor;
pub mod dict;
pub mod exception;
pub mod exception_group;
pub mod exception_unicode;
pub mod float;
pub mod frame;
pub mod frame_locals;
pub mod function;
pub mod generator;
pub mod generic;
pub mod int;
pub mod iterator;
mod iterator_copy;
pub mod list;
pub(crate) mod make;
pub mod memoryview;
pub mod none;
pub mod object;
pub mod range;
pub mod registry;
pub mod set;
pub mod slice;
pub mod sort;
mod timsort;
pub mod template;
pub mod text;
pub(crate) mod text_codec;
mod text_format;
mod text_ops;
pub mod tuple;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Heap, Kind, Raw, Value};
use crate::number::int::{Int, IntRef};
use crate::object::key::as_int_ref;
use crate::object::{Class, ClassFlags, Instance, int_value};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use crate::vm::{CompareKind, Name};

/// Declares a table of natives that begins with operators: each row of `operators` is one method that asks the machine what the
/// operator is for two values of builtin types.
macro_rules! with_operators {
    (@go [$($head:tt)*] [$($fns:tt)*] [] [$($rest:tt)*]) => {
        $crate::native::natives!($($head)* $($fns)* $($rest)*);
    };
    (@go $head:tt [$($fns:tt)*] [binary $kind:ident $name:ident $reflected:ident $sign:literal; $($more:tt)*] $rest:tt) => {
        $crate::native::types::with_operators!(@go $head [$($fns)*
            #[doc = concat!("Return self", $sign, "value.")]
            fn $name(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $crate::native::types::binary(cx, $crate::bytecode::op::BinaryKind::$kind, this, value, this)
            }
            #[doc = concat!("Return value", $sign, "self.")]
            fn $reflected(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $crate::native::types::binary(cx, $crate::bytecode::op::BinaryKind::$kind, value, this, this)
            }
        ] [$($more)*] $rest);
    };
    (@go $head:tt [$($fns:tt)*] [compare $kind:ident $name:ident $sign:literal; $($more:tt)*] $rest:tt) => {
        $crate::native::types::with_operators!(@go $head [$($fns)*
            #[doc = concat!("Return self", $sign, "value.")]
            fn $name(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
                $crate::native::types::compare(cx, $crate::vm::CompareKind::$kind, this, value)
            }
        ] [$($more)*] $rest);
    };
    (@go $head:tt [$($fns:tt)*] [unary $kind:ident $name:ident $sign:literal; $($more:tt)*] $rest:tt) => {
        $crate::native::types::with_operators!(@go $head [$($fns)*
            #[doc = concat!($sign, "self")]
            fn $name(cx: &mut Cx, this: Root) -> NativeResult {
                let this = cx.payload_root(this);
                let result = cx.unary_root($crate::vm::UnaryKind::$kind, this)?;
                Ok(result.get(cx).into())
            }
        ] [$($more)*] $rest);
    };
    (table { $($head:tt)* } operators { $($ops:tt)* } $($rest:tt)*) => {
        $crate::native::types::with_operators!(@go [$($head)*] [] [$($ops)*] [$($rest)*]);
    };
}
pub(crate) use with_operators;

/// A binary operator's method: NotImplemented where the operands are not of builtin types that know each other.
pub(crate) fn binary(cx: &mut Cx, kind: BinaryKind, a: Root, b: Root, this: Root) -> NativeResult {
    // What is higher in the tower of numbers does the work: ints leave floats to them, and so on.
    let rank = |kind: Kind| match kind {
        Kind::Int | Kind::BigInt | Kind::True | Kind::False => 1,
        Kind::Float => 2,
        Kind::Complex => 3,
        _ => 0,
    };
    let own = rank(this.get(cx).kind());
    // Numbers have nothing to say to what is none.
    let others = [a, b].iter().any(|root| rank(root.get(cx).kind()) == 0);
    if own > 0 && (others || rank(a.get(cx).kind()) > own || rank(b.get(cx).kind()) > own) {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    let (x, y) = (cx.payload(a.get(cx)).raw(), cx.payload(b.get(cx)).raw());
    match cx.builtin_binary(kind, x, y)? {
        Some(result) => Ok(Outcome::Value(result)),
        None => Ok(Outcome::Value(Raw::NOT_IMPLEMENTED)),
    }
}

/// A comparison's method: NotImplemented where the kinds don't compare with each other.
pub(crate) fn compare(cx: &mut Cx, kind: CompareKind, a: Root, b: Root) -> NativeResult {
    let (x, y) = (cx.payload(a.get(cx)).raw(), cx.payload(b.get(cx)).raw());
    // An int leaves it to the other number, a float to a complex one.
    let is_int = |raw: Raw| as_int_ref(Value::adopt(raw)).is_some();
    let is_mixed = Value::adopt(x).kind() == Kind::Float && Value::adopt(y).kind() == Kind::Complex;
    if is_int(x) && !is_int(y) || is_mixed {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    // A set leaves it to the view.
    let is_set = matches!(Value::adopt(x).kind(), Kind::Set | Kind::FrozenSet);
    if is_set && Value::adopt(y).kind() == Kind::DictView {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    match cx.builtin_compare_value(kind, x, y)? {
        Some(result) => Ok(Outcome::Value(result)),
        None => Ok(Outcome::Value(Raw::NOT_IMPLEMENTED)),
    }
}

/// The integer a value of int, bool or a class derived from them stands for.
#[inline]
pub(crate) fn int_ref<'h>(cx: &'h Cx, value: Value<'h>) -> Option<IntRef<'h>> {
    as_int_ref(cx.payload(value))
}

/// The float of a float or an instance of a class derived from it.
#[inline]
pub(crate) fn float_of(cx: &Cx, value: Value<'_>) -> Option<f64> {
    if let Some(float) = value.as_float() {
        return Some(float);
    }
    // The payload is alive as long as the value is.
    cx.payload(Value::adopt(value.raw())).as_float()
}

/// The outcome that is an integer.
pub(crate) fn int_outcome(heap: &Heap, int: Int) -> Outcome {
    int_value(heap, int).into()
}

impl Cx {
    /// The exact builtin value that an instance of a derived class stands for, as a root; any other root as it is.
    #[inline]
    pub fn payload_root(&mut self, root: Root) -> Root {
        if !root.get(self).is_subclassed() {
            return root;
        }
        let raw = self.payload(root.get(self)).raw();
        self.push_raw(raw)
    }

    /// What the `__new__` of a builtin type returns: the exact value `payload` for the type itself, and for a class derived from
    /// it an instance that stands for that value. `class` passed [`Cx::check_new`].
    pub fn new_of(&mut self, class: Root, payload: Root) -> Root {
        let class = class.get(self).exact::<Class>().expect("checked by `check_new`");
        if self.class_of(payload.get(self)) == class {
            return payload;
        }
        let instance = Instance::new(&self.heap, class);
        instance.set_slot(&self.heap, 0, payload.get(self));
        let (finaliser, raw) = (class.has(ClassFlags::FINALISER), instance.value().raw());
        if finaliser {
            self.made_finalisable(raw);
        }
        self.push_raw(raw)
    }

    /// As `new_of`, as an outcome.
    pub fn new_outcome(&mut self, class: Root, payload: Raw) -> NativeResult {
        let payload = self.push_raw(payload);
        let made = self.new_of(class, payload);
        Ok(made.get(self).into())
    }

    /// Checks the first argument of a builtin type's `__new__`: it must be that type or derived from it.
    pub fn check_new(&mut self, class: Root, base: Gc<'static, Class>) -> Result<(), Raised> {
        let value = class.get(self);
        let given = value.exact::<Class>();
        if given.is_some_and(|c| c == base || c.is_subclass(base)) {
            return Ok(());
        }
        let name = self.tp_name(base);
        match given {
            None => {
                let got = self.type_name_for_error(value);
                Err(self.type_error(format!("{name}.__new__(X): X is not a type object ({got})")))
            }
            Some(class) => {
                let got = class.name().to_str_lossy().into_owned();
                Err(self.type_error(format!("{name}.__new__({got}): {got} is not a subtype of {name}")))
            }
        }
    }

    /// As `check_new`, for the class of a kind.
    pub fn check_new_kind(&mut self, class: Root, kind: Kind) -> Result<(), Raised> {
        let base = self.kind_class(kind).held();
        self.check_new(class, base)
    }

    /// A method found on an object's class, bound to the object: how the machine finds special methods. None if there is none.
    pub fn special_method(&mut self, object: Root, name: Name) -> Result<Option<Root>, Raised> {
        let class = self.class_of(object.get(self)).held();
        let name = self.name(name).held();
        let Some(found) = self.lookup_class(class, name) else { return Ok(None) };
        let (found, receiver) = (found.raw(), object.get(self).raw());
        let bound = self.bind_descriptor(found, receiver, class)?;
        Ok(Some(self.push_raw(bound)))
    }

    /// Calls a special method of an object's class. None if there is none.
    pub fn call_special(&mut self, object: Root, name: Name, args: &[Root]) -> Result<Option<Root>, Raised> {
        match self.special_method(object, name)? {
            Some(method) => self.call(method, args).map(Some),
            None => Ok(None),
        }
    }

    /// `None` where there was not enough memory becomes MemoryError.
    #[inline]
    pub fn fits<T>(&mut self, result: Result<T, crate::heap::OutOfMemory>) -> Result<T, Raised> {
        match result {
            Ok(value) => Ok(value),
            Err(crate::heap::OutOfMemory) => Err(self.memory_error()),
        }
    }

    /// `list[int]`: the alias of a class and its arguments.
    pub fn generic_alias(&mut self, class: Root, item: Root) -> NativeResult {
        let args = match self.payload(item.get(self)).exact::<crate::object::Tuple>() {
            Some(tuple) => tuple.value().raw(),
            None => self.tuple(&[item.get(self)]).value().raw(),
        };
        let alias = self.heap.alloc(crate::object::GenericAlias {
            origin: crate::heap::Slot::new(class.get(self)),
            args: crate::heap::Slot::new(Value::adopt(args)),
            parameters: crate::heap::Slot::new(Value::UNBOUND),
            unpacked: false,
        });
        Ok(alias.into())
    }
}
