//! complex.

use crate::heap::{Kind, Raw, Value};
use crate::native::types::{float_of, int_ref, with_operators};
use crate::number::complex::{self as algorithm, Complex as Number};
use crate::number::hash::{hash_complex, hash_identity};
use crate::object::{Complex, complex_value};
use crate::text::number::complex_from_text;
use crate::vm::Name;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

with_operators! {
    table {
        /// A number with a real and an imaginary part.
        ///
        /// Made from both parts, from one number, or from a numeral such as '1+2j'.
        pub static COMPLEX_METHODS: Methods;
    }
    operators {
        binary Add __add__ __radd__ "+";
        binary Sub __sub__ __rsub__ "-";
        binary Mul __mul__ __rmul__ "*";
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

    /// Make a complex number.
    #[fixed]
    fn __new__(
        cx: &mut Cx,
        class: Root,
        #[either] #[text("0")] real: Given<Root>,
        #[either] #[text("0")] imag: Given<Root>,
    ) -> NativeResult {
        cx.check_new_kind(class, Kind::Complex)?;
        let number = make(cx, real.0, imag.0)?;
        let raw = complex_value(&cx.heap, number.re, number.im).value().raw();
        cx.new_outcome(class, raw)
    }

    /// Make a complex number from a number, not from text.
    #[class]
    fn from_number(cx: &mut Cx, class: Root, number: Root) -> NativeResult {
        let (number, _) = part(cx, number, "must be real number, not")?;
        let plain = cx.kind_class(Kind::Complex).value().raw();
        let raw = complex_value(&cx.heap, number.re, number.im).value().raw();
        if class.get(cx).raw().same(plain) {
            return Ok(Outcome::Value(raw));
        }
        let number = cx.push_raw(raw);
        let made = cx.call(class, &[number])?;
        Ok(made.get(cx).into())
    }

    /// Return pow(self, value, mod).
    fn __pow__(cx: &mut Cx, this: Root, value: Root, #[text("None")] r#mod: Option<Root>) -> NativeResult {
        power(cx, this, value, r#mod, this)
    }

    /// Return pow(value, self, mod).
    fn __rpow__(cx: &mut Cx, this: Root, value: Root, #[text("None")] r#mod: Option<Root>) -> NativeResult {
        power(cx, value, this, r#mod, this)
    }

    /// abs(self)
    fn __abs__(cx: &mut Cx, this: Root) -> NativeResult {
        match algorithm::absolute(own(cx, this)) {
            Ok(float) => Ok(float.into()),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// True if self is not zero.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        let number = own(cx, this);
        Ok((number.re != 0.0 || number.im != 0.0).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        let identity = hash_identity(cx.heap.id(this.get(cx)));
        let number = own(cx, this);
        Ok(hash_complex(number.re, number.im, identity).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = algorithm::repr(own(cx, this));
        Ok(cx.str(&text).into())
    }

    /// Format a complex number as a format specification says.
    fn __format__(cx: &mut Cx, this: Root, format_spec: Root) -> NativeResult {
        super::text_format::formatted(cx, this, format_spec)
    }

    /// Return the number as an exact complex.
    fn __complex__(cx: &mut Cx, this: Root) -> NativeResult {
        let number = own(cx, this);
        Ok(complex_value(&cx.heap, number.re, number.im).into())
    }

    /// The arguments to make it again with.
    fn __getnewargs__(cx: &mut Cx, this: Root) -> NativeResult {
        let number = own(cx, this);
        Ok(cx.tuple(&[Value::float(number.re), Value::float(number.im)]).into())
    }

    /// Return the complex conjugate: the imaginary part has the other sign.
    fn conjugate(cx: &mut Cx, this: Root) -> NativeResult {
        let number = own(cx, this);
        Ok(complex_value(&cx.heap, number.re, -number.im).into())
    }

    /// The real part.
    #[getter]
    fn real(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).re.into())
    }

    /// The imaginary part.
    #[getter]
    fn imag(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(own(cx, this).im.into())
    }
}

fn number_of(cx: &Cx, value: Value<'_>) -> Option<Number> {
    let value = Value::adopt(value.raw());
    cx.payload(value).exact::<Complex>().map(|c| Number::new(c.real, c.imaginary))
}

/// The number of a method's instance.
fn own(cx: &Cx, this: Root) -> Number {
    number_of(cx, this.get(cx)).expect("the instance is a complex")
}

fn power(cx: &mut Cx, a: Root, b: Root, modulus: Option<Root>, this: Root) -> NativeResult {
    let numeric = [a, b].iter().all(|r| {
        let value = r.get(cx);
        number_of(cx, value).is_some() || float_of(cx, value).is_some() || int_ref(cx, value).is_some()
    });
    if !numeric {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    if modulus.is_some() {
        return Err(cx.value_error("complex modulo"));
    }
    crate::native::types::binary(cx, crate::bytecode::op::BinaryKind::Pow, a, b, this)
}

/// A number as complex, and whether it was one: by `__complex__`, `__float__` or `__index__`.
fn part(cx: &mut Cx, x: Root, otherwise: &str) -> Result<(Number, bool), Raised> {
    if let Some(number) = number_of(cx, x.get(cx)) {
        return Ok((number, true));
    }
    // The imaginary part asks for a real number.
    if x.get(cx).kind() == Kind::Instance
        && !otherwise.contains("'imag'")
        && let Some(made) = cx.call_special(x, Name::Complex, &[])?
    {
        return match number_of(cx, made.get(cx)) {
            Some(number) => {
                if made.get(cx).is_subclassed() {
                    let raw = made.get(cx).raw();
                    cx.warn_strict_subclass(raw, "__complex__", "complex")?;
                }
                Ok((number, true))
            }
            None => {
                let got = cx.type_name_for_error(made.get(cx));
                Err(cx.type_error(format!("__complex__ returned non-complex (type {got})")))
            }
        };
    }
    let is_number = float_of(cx, x.get(cx)).is_some()
        || int_ref(cx, x.get(cx)).is_some()
        || cx.special_method(x, Name::Float)?.is_some()
        || cx.special_method(x, Name::Index)?.is_some();
    if !is_number {
        let got = cx.type_name_for_error(x.get(cx));
        return Err(cx.type_error(format!("{otherwise} {got}")));
    }
    Ok((Number::new(cx.to_float(x)?, 0.0), false))
}

/// `complex(real, imag)`.
fn make(cx: &mut Cx, real: Option<Root>, imag: Option<Root>) -> Result<Number, Raised> {
    let text = |cx: &Cx, r: Option<Root>| r.is_some_and(|r| cx.as_str(r.get(cx)).is_some());
    if imag.is_none() && text(cx, real) {
        let text = real.and_then(|r| cx.as_str(r.get(cx))).map_or(vec![], |s| s.as_bytes().to_vec());
        return match complex_from_text(&text) {
            Ok(number) => Ok(number),
            Err(fault) => Err(cx.fault(fault)),
        };
    }
    let (re, re_complex) = match real {
        None => (Number::default(), false),
        Some(real) if imag.is_none() => match part(cx, real, "complex() argument must be a string or a number, not") {
            Ok(found) => return Ok(found.0),
            Err(raised) => return Err(raised),
        },
        Some(real) => part(cx, real, "complex() argument 'real' must be a real number, not")?,
    };
    let (im, im_complex) = match imag {
        None => (Number::default(), false),
        Some(imag) => part(cx, imag, "complex() argument 'imag' must be a real number, not")?,
    };
    // re + im * 1j, where im may be complex itself (which is deprecated).
    let real = if im_complex { re.re - im.im } else { re.re };
    // Adding the zero that a real number has would lose the sign of a negative zero.
    let imaginary = if re_complex { im.re + re.im } else { im.re };
    Ok(Number::new(real, imaginary))
}
