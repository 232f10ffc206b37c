//! int: what bool and classes derived from it share, too.

use crate::heap::{Kind, Raw, Value};
use crate::native::types::{int_outcome, int_ref, with_operators};
use crate::number::int::{self as integer, Int};
use crate::number::long::Watch;
use crate::number::{Fault, int_text};
use crate::object::key::as_int_ref;
use crate::object::{Bytes, int_value};
use crate::text::number::{int_from_bytes, int_from_text};
use crate::vm::Name;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Root};

with_operators! {
    table {
        /// int([x]) -> integer
        /// int(x, base=10) -> integer
        ///
        /// An integer of any size: from a number by cutting off its fraction, or from text in a base of 2 to 36.
        pub static INT_METHODS: Methods;
    }
    operators {
        binary Add __add__ __radd__ "+";
        binary Sub __sub__ __rsub__ "-";
        binary Mul __mul__ __rmul__ "*";
        binary Mod __mod__ __rmod__ "%";
        binary FloorDiv __floordiv__ __rfloordiv__ "//";
        binary TrueDiv __truediv__ __rtruediv__ "/";
        binary LShift __lshift__ __rlshift__ "<<";
        binary RShift __rshift__ __rrshift__ ">>";
        binary And __and__ __rand__ "&";
        binary Xor __xor__ __rxor__ "^";
        binary Or __or__ __ror__ "|";
        compare Lt __lt__ "<";
        compare Le __le__ "<=";
        compare Eq __eq__ "==";
        compare Ne __ne__ "!=";
        compare Gt __gt__ ">";
        compare Ge __ge__ ">=";
        unary Neg __neg__ "-";
        unary Pos __pos__ "+";
    }

    /// ~self
    fn __invert__(cx: &mut Cx, this: Root) -> NativeResult {
        let this = cx.payload_root(this);
        if let Some(truth) = this.get(cx).as_bool() {
            // Asked for by name, a bool is a number like the others.
            return Ok((!i64::from(truth)).into());
        }
        let result = cx.unary_root(crate::vm::UnaryKind::Invert, this)?;
        Ok(result.get(cx).into())
    }

    /// Make an int.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, #[text("0")] x: Given<Root>, #[either] base: Given<Root>) -> NativeResult {
        cx.check_new_kind(class, Kind::Int)?;
        let value = match (x.0, base.0) {
            (None, None) => Raw::int(0),
            (None, Some(_)) => return Err(cx.type_error("int() missing string argument".into())),
            (Some(x), None) => to_int(cx, x)?,
            (Some(x), Some(base)) => {
                let base = base_of(cx, base)?;
                from_text(cx, x, base)?
            }
        };
        cx.new_outcome(class, value)
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
        let int = integer::absolute(own(cx, this));
        Ok(int_outcome(&cx.heap, int))
    }

    /// True if self is not zero.
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((!own(cx, this).is_zero()).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(crate::number::hash::hash_int(own(cx, this)).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = cx.patiently(|cx, watch| int_text::format_int_watched(own(cx, this), cx.int_max_str_digits, watch))?;
        match text {
            Ok(text) => Ok(cx.str(&text).into()),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// Format an integer as a format specification says.
    fn __format__(cx: &mut Cx, this: Root, format_spec: Root) -> NativeResult {
        super::text_format::formatted(cx, this, format_spec)
    }

    /// int(self)
    fn __int__(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// float(self)
    fn __float__(cx: &mut Cx, this: Root) -> NativeResult {
        match own(cx, this).to_float() {
            Ok(float) => Ok(float.into()),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// Return self as an integer.
    fn __index__(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// An integer cut off at the point is itself.
    fn __trunc__(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// An integer rounded down is itself.
    fn __floor__(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// An integer rounded up is itself.
    fn __ceil__(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// Round to a multiple of a power of ten, half to even.
    fn __round__(cx: &mut Cx, this: Root, #[text("None")] ndigits: Option<Root>) -> NativeResult {
        let Some(digits) = ndigits else { return plain(cx, this) };
        let digits = cx.index(digits)?;
        let digits = as_int_ref(digits.get(cx)).expect("index gives an int");
        if digits.signum() >= 0 {
            return plain(cx, this);
        }
        match integer::round_to(own(cx, this), digits) {
            Ok(int) => Ok(int_outcome(&cx.heap, int)),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// The arguments to make it again with.
    fn __getnewargs__(cx: &mut Cx, this: Root) -> NativeResult {
        let value = Value::adopt(plain_raw(cx, this));
        Ok(cx.tuple(&[value]).into())
    }

    /// Return the size of the integer in bytes.
    fn __sizeof__(cx: &mut Cx, this: Root) -> NativeResult {
        // A header, and four bytes for every 30 bits.
        let digits = own(cx, this).bit_length().div_ceil(30).max(1) as i64;
        Ok((24 + 4 * digits).into())
    }

    /// Return the integer itself.
    fn conjugate(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// Return the number of bits of the absolute value.
    fn bit_length(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).bit_length() as i64).into())
    }

    /// Return the number of ones among the bits of the absolute value.
    fn bit_count(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((own(cx, this).bit_count() as i64).into())
    }

    /// Return the pair (self, 1).
    fn as_integer_ratio(cx: &mut Cx, this: Root) -> NativeResult {
        let value = Value::adopt(plain_raw(cx, this));
        Ok(cx.tuple(&[value, Value::int(1)]).into())
    }

    /// Return True: an integer has no fraction.
    fn is_integer(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(true.into())
    }

    /// Return the bytes that stand for an integer.
    fn to_bytes(
        cx: &mut Cx,
        this: Root,
        #[either] #[text("1")] length: Given<i64>,
        #[either] #[text("'big'")] byteorder: Given<Root>,
        #[key] #[default(false)] #[text("False")] signed: bool,
    ) -> NativeResult {
        let big = byte_order(cx, byteorder.0, "to_bytes")?;
        let length = length.0.unwrap_or(1);
        if length < 0 {
            return Err(cx.value_error("length argument must be non-negative"));
        }
        // CPython's object has 33 bytes besides.
        if length > i64::MAX - 33 {
            return Err(cx.overflow_error("byte string is too large"));
        }
        if cx.heap.check(length as usize).is_err() {
            return Err(cx.memory_error());
        }
        match integer::to_bytes(own(cx, this), length as usize, big, signed) {
            Ok(bytes) => Ok(Bytes::new(&cx.heap, &bytes).into()),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// Return the integer that bytes stand for.
    #[class]
    fn from_bytes(
        cx: &mut Cx,
        class: Root,
        #[either] bytes: Root,
        #[either] #[text("'big'")] byteorder: Given<Root>,
        #[key] #[default(false)] #[text("False")] signed: bool,
    ) -> NativeResult {
        let big = byte_order(cx, byteorder.0, "from_bytes")?;
        let data = bytes_of(cx, bytes)?;
        cx.check_room(data.len().saturating_mul(4))?;
        let int = integer::from_bytes(&data, big, signed);
        let raw = int_value(&cx.heap, int).raw();
        let int_class = cx.kind_class(Kind::Int).value().raw();
        if class.get(cx).raw().same(int_class) {
            return Ok(Outcome::Value(raw));
        }
        let int = cx.push_raw(raw);
        let result = cx.call(class, &[int])?;
        Ok(result.get(cx).into())
    }

    /// The real part of a complex number.
    #[getter]
    fn real(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// The imaginary part of a complex number.
    #[getter]
    fn imag(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(0i64.into())
    }

    /// The numerator of a rational number.
    #[getter]
    fn numerator(cx: &mut Cx, this: Root) -> NativeResult {
        plain(cx, this)
    }

    /// The denominator of a rational number.
    #[getter]
    fn denominator(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(1i64.into())
    }
}

/// The integer of a method's instance.
fn own(cx: &Cx, this: Root) -> integer::IntRef<'_> {
    int_ref(cx, this.get(cx)).expect("the instance is an int")
}

/// The integer as an exact int: of a bool, 0 or 1.
fn plain_raw(cx: &Cx, this: Root) -> Raw {
    let value = cx.payload(this.get(cx));
    match value.as_bool() {
        Some(truth) => Raw::int(i64::from(truth)),
        None => value.raw(),
    }
}

fn plain(cx: &Cx, this: Root) -> NativeResult {
    Ok(Outcome::Value(plain_raw(cx, this)))
}

fn base_of(cx: &mut Cx, base: Root) -> Result<i64, Raised> {
    let index = cx.index(base)?;
    Ok(index.get(cx).as_int().unwrap_or(-1))
}

fn result(cx: &mut Cx, int: Result<Int, Fault>) -> Result<Raw, Raised> {
    match int {
        Ok(int) => Ok(int_value(&cx.heap, int).raw()),
        Err(fault) => Err(cx.fault(fault)),
    }
}

/// `int(x, base)`: only texts and bytes have digits.
fn from_text(cx: &mut Cx, x: Root, base: i64) -> Result<Raw, Raised> {
    match parse(cx, x, base)? {
        Some(int) => result(cx, int),
        None if base != 0 && !(2..=36).contains(&base) => {
            Err(cx.value_error("int() base must be >= 2 and <= 36, or 0"))
        }
        None => Err(cx.type_error("int() can't convert non-string with explicit base".into())),
    }
}

fn parse(cx: &mut Cx, x: Root, base: i64) -> Result<Option<Result<Int, Fault>>, Raised> {
    let limit = cx.int_max_str_digits;
    let value = x.get(cx);
    if let Some(text) = cx.as_str(value) {
        if text.len() < 10_000 {
            return Ok(Some(int_from_text(text.as_bytes(), base, limit, &Watch::never())));
        }
        return cx
            .patiently(|cx, watch| {
                let text = cx.as_str(x.get(cx)).expect("as above");
                int_from_text(text.as_bytes(), base, limit, watch)
            })
            .map(Some);
    }
    let Some(bytes) = super::bytes::buffer_of(cx, x) else { return Ok(None) };
    cx.patiently(|_, watch| int_from_bytes(&bytes, base, limit, watch)).map(Some)
}

/// `int(x)`.
pub(crate) fn to_int(cx: &mut Cx, x: Root) -> Result<Raw, Raised> {
    let value = x.get(cx);
    if !value.is_subclassed() {
        if as_int_ref(value).is_some() {
            return Ok(plain_raw(cx, x));
        }
        if let Some(float) = value.as_float() {
            let int = Int::from_float(float);
            return result(cx, int);
        }
    }
    if let Some(raw) = cx.call_special(x, Name::Int, &[])?.map(|r| r.get(cx).raw()) {
        let value = cx.payload(Value::adopt(raw));
        if as_int_ref(value).is_none() {
            let got = cx.type_name_for_error(Value::adopt(raw));
            return Err(cx.type_error(format!("__int__ returned non-int (type {got})")));
        }
        let root = cx.push_raw(raw);
        // The method that ints have gives an int of another class as it is.
        let own = root.get(cx).is(x.get(cx));
        if !own && (root.get(cx).is_subclassed() || root.get(cx).as_bool().is_some()) {
            cx.warn_strict_subclass(raw, "__int__", "int")?;
        }
        return Ok(plain_raw(cx, root));
    }
    if cx.special_method(x, Name::Index)?.is_some() {
        let index = cx.index(x)?;
        return Ok(index.get(cx).raw());
    }
    if let Some(int) = parse(cx, x, 10)? {
        if int.as_ref().is_err_and(|fault| fault.message.starts_with("invalid literal")) && x.get(cx).is_subclassed() {
            // Bytes are shown as bytes, whatever their class makes of it.
            let text = cx.payload(x.get(cx)).raw();
            let shown = match Value::adopt(text).kind() {
                Kind::Str => cx.repr_text(x)?,
                _ => {
                    let text = cx.push_raw(text);
                    cx.repr_text(text)?
                }
            };
            return Err(cx.value_error(format!("invalid literal for int() with base 10: {shown}")));
        }
        return result(cx, int);
    }
    let got = cx.type_name_for_error(x.get(cx));
    Err(cx.type_error(format!("int() argument must be a string, a bytes-like object or a real number, not '{got}'")))
}

fn power(cx: &mut Cx, a: Root, b: Root, modulus: Option<Root>, this: Root) -> NativeResult {
    let Some(modulus) = modulus else {
        return crate::native::types::binary(cx, crate::bytecode::op::BinaryKind::Pow, a, b, this);
    };
    let all_ints = [a, b, modulus].iter().all(|root| int_ref(cx, root.get(cx)).is_some());
    if !all_ints {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    let int = power_modulo(cx, a, b, modulus)?;
    result(cx, int).map(Outcome::Value)
}

/// `pow(a, b, modulus)` of ints.
pub(crate) fn power_modulo(cx: &mut Cx, a: Root, b: Root, modulus: Root) -> Result<Result<Int, Fault>, Raised> {
    cx.patiently(|cx, watch| {
        let int = |root: Root| int_ref(cx, root.get(cx)).expect("callers give ints");
        integer::power_modulo_watched(int(a), int(b), int(modulus), watch)
    })
}

fn divide(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    if int_ref(cx, a.get(cx)).is_none() || int_ref(cx, b.get(cx)).is_none() {
        return Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));
    }
    let (a, b) = (cx.payload_root(a), cx.payload_root(b));
    let pair = crate::native::builtins::builtin_divmod(cx, a, b)?;
    Ok(Outcome::Value(pair.unwrap_or(Raw::NOT_IMPLEMENTED)))
}

/// Whether the order named is big endian.
fn byte_order(cx: &mut Cx, order: Option<Root>, method: &str) -> Result<bool, Raised> {
    let Some(order) = order else { return Ok(true) };
    let Some(text) = cx.as_str(order.get(cx)) else {
        let got = cx.argument_name_for_error(order.get(cx));
        return Err(cx.type_error(format!("{method}() argument 'byteorder' must be str, not {got}")));
    };
    match text.as_bytes() {
        b"big" => Ok(true),
        b"little" => Ok(false),
        _ => Err(cx.value_error("byteorder must be either 'little' or 'big'")),
    }
}

/// The bytes of anything that bytes() takes.
fn bytes_of(cx: &mut Cx, root: Root) -> Result<Vec<u8>, Raised> {
    if let Some(bytes) = cx.bytes_like(cx.payload(root.get(cx))) {
        return Ok(bytes);
    }
    if let Some(bytes) = cx.bytes_of_scripted(root, crate::vm::FULL_READ_ONLY)? {
        return Ok(bytes);
    }
    if let Some(made) = cx.call_special(root, Name::Bytes, &[])?
        && let Some(bytes) = cx.bytes_like(cx.payload(made.get(cx)))
    {
        return Ok(bytes);
    }
    if cx.as_str(root.get(cx)).is_some() {
        return Err(cx.type_error("cannot convert 'str' object to bytes".into()));
    }
    if int_ref(cx, root.get(cx)).is_some() || cx.special_method(root, Name::Iter)?.is_none() {
        let got = cx.type_name_for_error(root.get(cx));
        return Err(cx.type_error(format!("cannot convert '{got}' object to bytes")));
    }
    let mut bytes = vec![];
    cx.for_each(root, &mut |cx, item| {
        let byte = cx.index(item)?;
        match byte.get(cx).as_int().and_then(|b| u8::try_from(b).ok()) {
            Some(byte) => {
                bytes.push(byte);
                Ok(())
            }
            None => Err(cx.value_error("bytes must be in range(0, 256)")),
        }
    })?;
    Ok(bytes)
}
