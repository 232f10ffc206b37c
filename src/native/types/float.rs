//! float.

use crate::heap::{Kind, Raw, Value};
use crate::native::types::{float_of, int_outcome, int_ref, with_operators};
use crate::number::float as algorithm;
use crate::number::float_repr;
use crate::number::hash::{hash_float, hash_identity};
use crate::number::int::Int;
use crate::object::int_value;
use crate::object::key::as_int_ref;
use crate::text::number::{float_from_bytes, float_from_text};
use crate::vm::Name;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

with_operators! {
    table {
        /// A double-precision number, made from a number or a numeral.
        pub static FLOAT_METHODS: Methods;
    }
    operators {
        binary Add __add__ __radd__ "+";
        binary Sub __sub__ __rsub__ "-";
        binary Mul __mul__ __rmul__ "*";
        binary Mod __mod__ __rmod__ "%";
        binary FloorDiv __floordiv__ __rfloordiv__ "//";
        binary TrueDiv __truediv__ __rtruediv__ "/";
        compare Lt __lt__ "<";
        compare Le __le__ "<=";
        compare Eq __eq__ "==";
        compare Ne __ne__ "!=";
        compare Gt __gt__ ">";
        compare Ge __ge__ ">=";
        unary Neg __neg__ "-";
        unary Pos __pos__ "+";
    }

    /// Make a float.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[text("0")] x: Given<Root>) -> NativeResult {
        cx.check_new_kind(class, Kind::Float)?;
        let float = match x.0 {
            None => 0.0,
            Some(x) => to_float(cx, x)?,
        };
        cx.new_outcome(class, Raw::float(float))
    }

    /// Return pow(self, value, mod).
    fn __pow__(cx: &mut Cx, this: Root, value: Root, #[text("None")] r#mod: Option<Root>) -> NativeResult {
        power(cx, this, value, r#mod, this)
    }

    /// Return pow(value, self, mod).
    fn __rpow__(cx: &mut Cx, this: Root, value: Root, #[text("None")] r#mod: Option<Root>) -> NativeResult {
        power(cx, value, this, r#mod, this)
    }

    /// Return divmod(self, value).
    fn __divmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        divide(cx, this, value)
    }

    /// Return divmod(value, self).
    fn __rdivmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        divide(cx, value, this)
    }

    /// abs(self)
    fn __abs__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).abs().into())
    }

    /// True if self is not zero.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this) != 0.0).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let identity = hash_identity(cx.heap.id(this.get(cx)));
        Ok(hash_float(own(cx, this), identity).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = float_repr::repr(own(cx, this));
        Ok(cx.str(&text).into())
    }

    /// Format a float as a format specification says.
    fn __format__(cx: &mut Cx, this: Root, format_spec: Root) -> NativeResult {
        super::text_format::formatted(cx, this, format_spec)
    }

    /// int(self)
    fn __int__(cx: &mut Cx, this: Root) -> NativeResult {
        whole(cx, own(cx, this))
    }

    /// Cut off the fraction.
    fn __trunc__(cx: &mut Cx, this: Root) -> NativeResult {
        whole(cx, own(cx, this))
    }

    /// Round down to an integer.
    fn __floor__(cx: &mut Cx, this: Root) -> NativeResult {
        whole(cx, own(cx, this).floor())
    }

    /// Round up to an integer.
    fn __ceil__(cx: &mut Cx, this: Root) -> NativeResult {
        whole(cx, own(cx, this).ceil())
    }

    /// float(self)
    fn __float__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).into())
    }

    /// Round to an integer, or to some decimal digits; half to even.
    fn __round__(cx: &mut Cx, this: Root, #[text("None")] ndigits: Option<Root>) -> NativeResult {
        let float = own(cx, this);
        let Some(digits) = ndigits else {
            return match algorithm::round_to_int(float) {
                Ok(int) => Ok(int_outcome(&cx.heap, int)),
                Err(fault) => Err(cx.fault(fault)),
            };
        };
        let index = cx.index(digits)?;
        let digits = match as_int_ref(index.get(cx)) {
            Some(int) => int.to_i64().unwrap_or(if int.signum() < 0 { i64::MIN } else { i64::MAX }),
            None => 0,
        };
        match algorithm::round_to(float, digits) {
            Ok(float) => Ok(float.into()),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// The arguments to make it again with.
    fn __getnewargs__(cx: &mut Cx, this: Root) -> NativeResult {
        let value = Value::float(own(cx, this));
        Ok(cx.tuple(&[value]).into())
    }

    /// Return the float itself.
    fn conjugate(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).into())
    }

    /// Return whether there is no fraction.
    fn is_integer(cx: &mut Cx, this: Root) -> NativeResult {
        let float = own(cx, this);
        Ok((float.is_finite() && float.fract() == 0.0).into())
    }

    /// Return the pair of integers whose quotient is exactly the float.
    fn as_integer_ratio(cx: &mut Cx, this: Root) -> NativeResult {
        match algorithm::as_integer_ratio(own(cx, this)) {
            Ok((above, below)) => {
                let above = int_value(&cx.heap, Int::from_big(above));
                let below = int_value(&cx.heap, Int::from_big(below));
                Ok(cx.tuple(&[above, below]).into())
            }
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// Return the hexadecimal digits of the float, exactly.
    fn hex(cx: &mut Cx, this: Root) -> NativeResult {
        let text = float_repr::hex(own(cx, this));
        Ok(cx.str(&text).into())
    }

    /// Make a float from hexadecimal digits.
    #[class]
    fn fromhex(cx: &mut Cx, class: Root, string: Root) -> NativeResult {
        let Some(text) = cx.as_str(string.get(cx)) else {
            return Err(cx.type_error("bad argument type for built-in operation".into()));
        };
        let float = match float_repr::from_hex(text.as_bytes()) {
            Ok(float) => float,
            Err(fault) => return Err(cx.fault(fault)),
        };
        made(cx, class, float)
    }

    /// Make a float from a number, not from text.
    #[class]
    fn from_number(cx: &mut Cx, class: Root, number: Root) -> NativeResult {
        let float = cx.to_float(number)?;
        made(cx, class, float)
    }

    /// What the machine's floats are: IEEE doubles, least significant byte first.
    #[class]
    fn __getformat__(cx: &mut Cx, class: Root, typestr: Root) -> NativeResult {
        let Some(given) = cx.as_str(typestr.get(cx)) else {
            let none = typestr.get(cx).is_none();
            let got = if none { "None".to_owned() } else { cx.type_name_for_error(typestr.get(cx)) };
            return Err(cx.type_error(format!("__getformat__() argument must be str, not {got}")));
        };
        if !matches!(given.as_bytes(), b"double" | b"float") {
            return Err(cx.value_error("__getformat__() argument 1 must be 'double' or 'float'"));
        }
        Ok(cx.str("IEEE, little-endian").into())
    }

    /// The real part of a complex number.
    #[getter]
    fn real(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).into())
    }

    /// The imaginary part of a complex number.
    #[getter]
    fn imag(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(0.0f64.into())
    }
}

/// The float of a method's instance.
fn own(cx: &Cx, this: Root) -> f64 {
    float_of(cx, this.get(cx)).expect("the instance is a float")
}

fn whole(cx: &mut Cx, float: f64) -> NativeResult {
    match Int::from_float(float) {
        Ok(int) => Ok(int_outcome(&cx.heap, int)),
        Err(fault) => Err(cx.fault(fault)),
    }
}

/// A float made by a class method: of the class it was called on.
fn made(cx: &mut Cx, class: Root, float: f64) -> NativeResult {
    let plain = cx.kind_class(Kind::Float).value().raw();
    if class.get(cx).raw().same(plain) {
        return Ok(float.into());
    }
    let float = cx.push_raw(Raw::float(float));
    let result = cx.call(class, &[float])?;
    Ok(result.get(cx).into())
}

/// `float(x)`.
pub(super) fn to_float(cx: &mut Cx, x: Root) -> Result<f64, Raised> {
    let value = x.get(cx);
    if let Some(float) = value.as_float() {
        return Ok(float);
    }
    // Classes derived from those of texts may say how they become a float.
    let derived = value.is_subclassed();
    let own = derived && (cx.special_method(x, Name::Float)?.is_some() || cx.special_method(x, Name::Index)?.is_some());
    let value = x.get(cx);
    let parsed = if own {
        None
    } else if let Some(text) = cx.as_str(value) {
        Some(float_from_text(text.as_bytes()))
    } else {
        super::bytes::buffer_of(cx, x).map(|bytes| float_from_bytes(&bytes))
    };
    match parsed {
        Some(Ok(float)) => return Ok(float),
        Some(Err(_)) if derived || cx.as_str(x.get(cx)).is_none() && x.get(cx).kind() != Kind::Bytes => {
            let shown = cx.repr_text(x)?;
            return Err(cx.value_error(format!("could not convert string to float: {shown}")));
        }
        Some(Err(fault)) => return Err(cx.fault(fault)),
        None => {}
    }
    if int_ref(cx, x.get(cx)).is_none()
        && float_of(cx, x.get(cx)).is_none()
        && cx.special_method(x, Name::Float)?.is_none()
        && cx.special_method(x, Name::Index)?.is_none()
    {
        let got = cx.type_name_for_error(x.get(cx));
        return Err(cx.type_error(format!("float() argument must be a string or a real number, not '{got}'")));
    }
    cx.to_float(x)
}

/// Whether both are floats or ints.
fn real_pair(cx: &Cx, a: Root, b: Root) -> bool {
    [a, b].iter().all(|r| float_of(cx, r.get(cx)).is_some() || int_ref(cx, r.get(cx)).is_some())
}

fn power(cx: &mut Cx, a: Root, b: Root, modulus: Option<Root>, this: Root) -> NativeResult {
    if modulus.is_some() {
        return Err(cx.type_error("pow() 3rd argument not allowed unless all arguments are integers".into()));
    }
    if !real_pair(cx, a, b) {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    crate::native::types::binary(cx, crate::bytecode::op::BinaryKind::Pow, a, b, this)
}

fn divide(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    let (a, b) = (cx.payload_root(a), cx.payload_root(b));
    let pair = crate::native::builtins::builtin_divmod(cx, a, b)?;
    Ok(Outcome::Value(pair.unwrap_or(Raw::NOT_IMPLEMENTED)))
}
