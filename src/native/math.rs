//! The module `math`: functions of real numbers, and of integers.

use num_bigint::BigInt as Big;

use crate::bytecode::op::BinaryKind;
use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::native::types::{int_outcome, int_ref};
use crate::number::Fault;
use crate::number::int::{self as integer, Int, IntRef};
use crate::number::long::{self, Watch};
use crate::number::{float_repr, special};
use crate::object::key::as_int_ref;
use crate::object::{Exc, int_value};
use crate::vm::Name;
use crate::vm::native::{Cx, Given, NativeResult, Raised, Rest, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("math").held();
    cx.functions_of(module, &MATH);
    let constants = [
        ("pi", std::f64::consts::PI),
        ("e", std::f64::consts::E),
        ("tau", std::f64::consts::TAU),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ];
    for (name, value) in constants {
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::float(value));
        cx.fits(done)?;
    }
    Ok(())
}

natives!(
    /// Functions on real numbers and integers.
    pub static MATH: Functions;

    /// Return the arc cosine of x, in radians.
    fn acos(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, x.acos(), "expected a number in range from -1 up to 1, got")
    }

    /// Area hyperbolic cosine: the number whose cosh is x.
    fn acosh(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, special::acosh(x), "expected argument value not less than 1, got")
    }

    /// Return the arc sine of x, in radians.
    fn asin(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, x.asin(), "expected a number in range from -1 up to 1, got")
    }

    /// Area hyperbolic sine: the number whose sinh is x.
    fn asinh(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(special::asinh(x).into())
    }

    /// Return the arc tangent of x, in radians.
    fn atan(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(x.atan().into())
    }

    /// Return the angle of the point (x, y), in radians.
    fn atan2(cx: &mut Cx, y: f64, x: f64) -> NativeResult {
        Ok(y.atan2(x).into())
    }

    /// Area hyperbolic tangent: the number whose tanh is x.
    fn atanh(cx: &mut Cx, x: f64) -> NativeResult {
        let result = if x.abs() == 1.0 { f64::NAN } else { special::atanh(x) };
        within(cx, x, result, "expected a number between -1 and 1, got")
    }

    /// Return the cube root of x.
    fn cbrt(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(crate::number::float::cube_root(x).into())
    }

    /// Return the smallest integer not below x.
    #[quick(One(crate::native::quick::ceil))]
    fn ceil(cx: &mut Cx, x: Root) -> NativeResult {
        to_whole(cx, x, Name::Ceil, f64::ceil)
    }

    /// Return the number of ways to choose k of n things, in no order.
    #[quick(Two(crate::native::quick::comb))]
    fn comb(cx: &mut Cx, n: Root, k: Root) -> NativeResult {
        let (n, k) = (big(cx, n)?, big(cx, k)?);
        let zero = Big::default();
        if n < zero {
            return Err(cx.value_error("n must be a non-negative integer"));
        }
        if k < zero {
            return Err(cx.value_error("k must be a non-negative integer"));
        }
        if k > n {
            return Ok(0i64.into());
        }
        let k = k.clone().min(&n - &k);
        let Ok(count) = u64::try_from(&k) else {
            return Err(cx.overflow_error(&format!("min(n - k, k) must not exceed {}", i64::MAX)));
        };
        if count > 20
            && let Ok(n) = u64::try_from(&n)
        {
            let result = cx.patiently(|_, watch| {
                let product = long::product_of_range(n - count + 1, n, watch)?;
                let orders = long::product_of_range(1, count, watch)?;
                Ok(Int::from_big(long::divide(&product, &orders, watch)?.0.into()))
            })?;
            return whole_result(cx, result);
        }
        let mut result = Big::from(1);
        for i in 0..count {
            if i % 256 == 0 {
                cx.poll()?;
            }
            result = result * (&n - i) / (i + 1);
        }
        Ok(int_outcome(&cx.heap, Int::from_big(result)))
    }

    /// Return x with the sign of y.
    fn copysign(cx: &mut Cx, x: f64, y: f64) -> NativeResult {
        Ok(x.copysign(y).into())
    }

    /// Return the cosine of x, in radians.
    #[quick(One(crate::native::quick::cos))]
    fn cos(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, x.cos(), "expected a finite input, got")
    }

    /// Return the hyperbolic cosine of x.
    fn cosh(cx: &mut Cx, x: f64) -> NativeResult {
        ranged(cx, x, x.cosh())
    }

    /// The same angle, in degrees.
    fn degrees(cx: &mut Cx, x: f64) -> NativeResult {
        Ok((x * (180.0 / std::f64::consts::PI)).into())
    }

    /// Return the distance of two points, given as sequences of coordinates.
    fn dist(cx: &mut Cx, p: Root, q: Root) -> NativeResult {
        let (p, q) = (cx.tuple_from(p)?, cx.tuple_from(q)?);
        let dimensions = cx.length(p)?;
        if dimensions != cx.length(q)? {
            return Err(cx.value_error("both points must have the same number of dimensions"));
        }
        // Dimension by dimension: whichever coordinate comes first is the one that is complained of.
        let mut sides = Vec::with_capacity(dimensions);
        for at in 0..dimensions {
            let at = cx.push(Value::int(at as i64));
            let (a, b) = (cx.item(p, at)?, cx.item(q, at)?);
            sides.push(cx.to_float(a)? - cx.to_float(b)?);
        }
        Ok(special::norm(&sides).into())
    }

    /// Return the error function of x.
    fn erf(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(special::erf(x).into())
    }

    /// Return 1 minus the error function of x.
    fn erfc(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(special::erfc(x).into())
    }

    /// Return e to the power of x.
    fn exp(cx: &mut Cx, x: f64) -> NativeResult {
        ranged(cx, x, x.exp())
    }

    /// Return 2 to the power of x.
    fn exp2(cx: &mut Cx, x: f64) -> NativeResult {
        ranged(cx, x, x.exp2())
    }

    /// Return exp(x)-1, exact for small x, too.
    fn expm1(cx: &mut Cx, x: f64) -> NativeResult {
        ranged(cx, x, x.exp_m1())
    }

    /// Return the absolute value of a float.
    fn fabs(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(x.abs().into())
    }

    /// Return the product of the integers from 1 to n.
    #[quick(One(crate::native::quick::factorial))]
    fn factorial(cx: &mut Cx, n: Root) -> NativeResult {
        let n = cx.index(n)?;
        let int = as_int_ref(n.get(cx)).expect("index gives an int");
        if int.signum() < 0 {
            return Err(cx.value_error("factorial() not defined for negative values"));
        }
        // What a C long holds on the machine, which is what CPython names.
        let Some(n) = int.to_i64() else {
            return Err(cx.overflow_error(&format!("factorial() argument should not exceed {}", i64::MAX)));
        };
        product_outcome(cx, 1, n as u64)
    }

    /// Return the largest integer not above x.
    #[quick(One(crate::native::quick::floor))]
    fn floor(cx: &mut Cx, x: Root) -> NativeResult {
        to_whole(cx, x, Name::Floor, f64::floor)
    }

    /// Return x*y+z, rounded once.
    fn fma(cx: &mut Cx, x: f64, y: f64, z: f64) -> NativeResult {
        let result = x.mul_add(y, z);
        if result.is_finite() {
            return Ok(result.into());
        }
        if result.is_nan() {
            if !x.is_nan() && !y.is_nan() && !z.is_nan() {
                return Err(cx.value_error("invalid operation in fma"));
            }
        } else if x.is_finite() && y.is_finite() && z.is_finite() {
            return Err(cx.overflow_error("overflow in fma"));
        }
        Ok(result.into())
    }

    /// Return the remainder of x/y with the sign of x, as C has it.
    fn fmod(cx: &mut Cx, x: f64, y: f64) -> NativeResult {
        if y.is_infinite() && x.is_finite() {
            return Ok(x.into());
        }
        let result = x % y;
        if result.is_nan() && !x.is_nan() && !y.is_nan() {
            return Err(cx.value_error("math domain error"));
        }
        Ok(result.into())
    }

    /// Return the pair (m, e) with x == m * 2**e and 0.5 <= abs(m) < 1.
    fn frexp(cx: &mut Cx, x: f64) -> NativeResult {
        let (mantissa, exponent) = special::frexp(x);
        Ok(cx.tuple(&[Value::float(mantissa), Value::int(exponent)]).into())
    }

    /// Return the exact sum of floats, rounded once.
    fn fsum(cx: &mut Cx, seq: Root) -> NativeResult {
        let mut sum = special::ExactSum::default();
        cx.for_each(seq, &mut |cx, item| {
            let x = cx.to_float(item)?;
            if !sum.add(x) {
                return Err(cx.overflow_error("intermediate overflow in fsum"));
            }
            Ok(())
        })?;
        match sum.value() {
            Some(value) => Ok(value.into()),
            None => Err(cx.value_error("-inf + inf in fsum")),
        }
    }

    /// Return the gamma function of x.
    fn gamma(cx: &mut Cx, x: f64) -> NativeResult {
        match special::gamma(x) {
            Some(result) => ranged(cx, x, result),
            None => pole(cx, x),
        }
    }

    /// Return the greatest common divisor.
    #[quick(Two(crate::native::quick::gcd))]
    fn gcd(cx: &mut Cx, integers: Rest) -> NativeResult {
        fold(cx, integers, Int::Small(0), integer::gcd)
    }

    /// Return the length of a vector: the root of the sum of the squares.
    fn hypot(cx: &mut Cx, coordinates: Rest) -> NativeResult {
        let mut sides = vec![];
        for root in coordinates.0.roots() {
            sides.push(cx.to_float(root)?);
        }
        Ok(special::norm(&sides).into())
    }

    /// Return whether two numbers are near each other.
    fn isclose(
        cx: &mut Cx,
        #[either] a: f64,
        #[either] b: f64,
        #[key]
        #[default(1e-09)]
        #[text("1e-09")]
        rel_tol: f64,
        #[key]
        #[default(0.0)]
        #[text("0.0")]
        abs_tol: f64,
    ) -> NativeResult {
        if rel_tol < 0.0 || abs_tol < 0.0 {
            return Err(cx.value_error("tolerances must be non-negative"));
        }
        if a == b {
            return Ok(true.into());
        }
        if a.is_infinite() || b.is_infinite() {
            return Ok(false.into());
        }
        let apart = (b - a).abs();
        Ok((apart <= (rel_tol * b).abs() || apart <= (rel_tol * a).abs() || apart <= abs_tol).into())
    }

    /// Return whether x is neither infinite nor a nan.
    fn isfinite(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(x.is_finite().into())
    }

    /// Return whether x is infinite.
    fn isinf(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(x.is_infinite().into())
    }

    /// Return whether x is a nan.
    fn isnan(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(x.is_nan().into())
    }

    /// The largest integer whose square is not above n.
    #[quick(One(crate::native::quick::isqrt))]
    fn isqrt(cx: &mut Cx, n: Root) -> NativeResult {
        let n = cx.index(n)?;
        let result =
            cx.patiently(|cx, watch| integer::isqrt(as_int_ref(n.get(cx)).expect("index gives an int"), watch))?;
        whole_result(cx, result)
    }

    /// Return the least common multiple.
    #[quick(Two(crate::native::quick::lcm))]
    fn lcm(cx: &mut Cx, integers: Rest) -> NativeResult {
        fold(cx, integers, Int::Small(1), integer::lcm)
    }

    /// Return x * 2**i.
    fn ldexp(cx: &mut Cx, x: f64, i: Root) -> NativeResult {
        if int_ref(cx, i.get(cx)).is_none() {
            return Err(cx.type_error("Expected an int as second argument to ldexp.".into()));
        }
        let int = int_ref(cx, i.get(cx)).expect("checked");
        let exponent = int.to_i64().unwrap_or(if int.signum() < 0 { i64::MIN } else { i64::MAX });
        if x == 0.0 || !x.is_finite() {
            return Ok(x.into());
        }
        let result = special::ldexp(x, exponent);
        if result.is_infinite() {
            return Err(cx.overflow_error("math range error"));
        }
        Ok(result.into())
    }

    /// Return the logarithm of the absolute value of the gamma function.
    fn lgamma(cx: &mut Cx, x: f64) -> NativeResult {
        match special::lgamma(x) {
            Some(result) => ranged(cx, x, result),
            None => pole(cx, x),
        }
    }

    /// Return the logarithm of x to a base, e by default.
    fn log(cx: &mut Cx, x: Root, #[text("<unrepresentable>")] base: Given<Root>) -> NativeResult {
        let x = logarithm(cx, x, f64::ln)?;
        let Some(base) = base.0 else { return Ok(x.into()) };
        let base = logarithm(cx, base, f64::ln)?;
        match crate::number::float::divide(x, base) {
            Ok(result) => Ok(result.into()),
            Err(_) => Err(cx.raise_text(Exc::ZeroDivisionError, "division by zero")),
        }
    }

    /// Return the logarithm of x to the base 10.
    fn log10(cx: &mut Cx, x: Root) -> NativeResult {
        Ok(logarithm(cx, x, f64::log10)?.into())
    }

    /// Return the logarithm of 1+x, exact for small x, too.
    fn log1p(cx: &mut Cx, x: f64) -> NativeResult {
        let result = if x == -1.0 { f64::NAN } else { x.ln_1p() };
        within(cx, x, result, "expected argument value > -1, got")
    }

    /// Return the logarithm of x to the base 2.
    fn log2(cx: &mut Cx, x: Root) -> NativeResult {
        Ok(logarithm(cx, x, f64::log2)?.into())
    }

    /// Return the fraction and the whole part of x, both with its sign.
    fn modf(cx: &mut Cx, x: f64) -> NativeResult {
        let (fraction, whole) =
            if x.is_infinite() { (0f64.copysign(x), x) } else { (x.fract().copysign(x), x.trunc()) };
        Ok(cx.tuple(&[Value::float(fraction), Value::float(whole)]).into())
    }

    /// Go from x towards y by this many neighbouring floats.
    fn nextafter(
        cx: &mut Cx,
        x: f64,
        y: f64,
        #[key]
        #[text("None")]
        steps: Option<Root>,
    ) -> NativeResult {
        let steps = match steps {
            None => 1,
            Some(steps) => {
                let steps = cx.index(steps)?;
                let int = as_int_ref(steps.get(cx)).expect("index gives an int");
                if int.signum() < 0 {
                    return Err(cx.value_error("steps must be a non-negative integer"));
                }
                int.to_i64().map_or(u64::MAX, |n| n as u64)
            }
        };
        Ok(special::next_after(x, y, steps).into())
    }

    /// Return the number of ways to choose k of n things, in order.
    #[quick(Two(crate::native::quick::perm))]
    fn perm(cx: &mut Cx, n: Root, #[text("None")] k: Option<Root>) -> NativeResult {
        let count = match k {
            Some(k) => big(cx, k)?,
            None => big(cx, n)?,
        };
        let n = big(cx, n)?;
        let zero = Big::default();
        if n < zero {
            return Err(cx.value_error(match k {
                Some(_) => "n must be a non-negative integer",
                None => "factorial() not defined for negative values",
            }));
        }
        if count < zero {
            return Err(cx.value_error("k must be a non-negative integer"));
        }
        if count > n {
            return Ok(0i64.into());
        }
        let Ok(count) = u64::try_from(&count) else {
            return Err(cx.overflow_error(&format!("k must not exceed {}", i64::MAX)));
        };
        let result = match u64::try_from(&n) {
            Ok(n) => return product_outcome(cx, n - count + 1, n),
            Err(_) => {
                let mut product = Big::from(1);
                for i in 0..count {
                    if i % 256 == 0 {
                        cx.poll()?;
                    }
                    product *= &n - i;
                }
                product
            }
        };
        Ok(int_outcome(&cx.heap, Int::from_big(result)))
    }

    /// Return x to the power of y, as a float.
    fn pow(cx: &mut Cx, x: f64, y: f64) -> NativeResult {
        let result = x.powf(y);
        if result.is_finite() || !x.is_finite() || !y.is_finite() {
            return Ok(result.into());
        }
        if result.is_nan() || x == 0.0 {
            return Err(cx.value_error("math domain error"));
        }
        Err(cx.overflow_error("math range error"))
    }

    /// Return the product of a start value and the items of an iterable.
    fn prod(
        cx: &mut Cx,
        iterable: Root,
        #[key]
        #[text("1")]
        start: Given<Root>,
    ) -> NativeResult {
        let total = match start.0 {
            Some(start) => start.get(cx).raw(),
            None => Raw::int(1),
        };
        let total = cx.push_raw(total);
        cx.for_each(iterable, &mut |cx, item| {
            let (a, b) = (total.get(cx), item.get(cx));
            let fast = match (a.as_int(), b.as_int()) {
                (Some(a), Some(b)) => a.checked_mul(b).map(Raw::int),
                _ => match (a.as_float(), b.as_float()) {
                    (Some(a), Some(b)) => Some(Raw::float(a * b)),
                    _ => None,
                },
            };
            match fast {
                Some(raw) => total.set(cx, Value::adopt(raw)),
                None => {
                    let next = cx.binary_root(BinaryKind::Mul, total, item)?;
                    total.set(cx, next.get(cx));
                }
            }
            Ok(())
        })?;
        Ok(total.get(cx).into())
    }

    /// The same angle, in radians.
    fn radians(cx: &mut Cx, x: f64) -> NativeResult {
        Ok((x * (std::f64::consts::PI / 180.0)).into())
    }

    /// Return the difference of x from the nearest multiple of y.
    fn remainder(cx: &mut Cx, x: f64, y: f64) -> NativeResult {
        if x.is_nan() || y.is_nan() {
            return Ok((x + y).into());
        }
        if x.is_infinite() || y == 0.0 {
            return Err(cx.value_error("math domain error"));
        }
        if y.is_infinite() {
            return Ok(x.into());
        }
        let (x_abs, y_abs) = (x.abs(), y.abs());
        let m = x_abs % y_abs;
        let c = y_abs - m;
        let r = if m < c {
            m
        } else if m > c {
            -c
        } else {
            // Half way: to the even multiple.
            m - 2.0 * ((0.5 * (x_abs - m)) % y_abs)
        };
        Ok((1f64.copysign(x) * r).into())
    }

    /// Return the sine of x, in radians.
    #[quick(One(crate::native::quick::sin))]
    fn sin(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, x.sin(), "expected a finite input, got")
    }

    /// Return the hyperbolic sine of x.
    fn sinh(cx: &mut Cx, x: f64) -> NativeResult {
        ranged(cx, x, x.sinh())
    }

    /// Return the square root of x.
    #[quick(One(crate::native::quick::sqrt))]
    fn sqrt(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, x.sqrt(), "expected a nonnegative input, got")
    }

    /// Return the sum of the products of the items of two iterables.
    fn sumprod(cx: &mut Cx, p: Root, q: Root) -> NativeResult {
        sum_of_products(cx, p, q)
    }

    /// Return the tangent of x, in radians.
    fn tan(cx: &mut Cx, x: f64) -> NativeResult {
        within(cx, x, x.tan(), "expected a finite input, got")
    }

    /// Return the hyperbolic tangent of x.
    fn tanh(cx: &mut Cx, x: f64) -> NativeResult {
        Ok(x.tanh().into())
    }

    /// Cut off the fraction of x.
    fn trunc(cx: &mut Cx, x: Root) -> NativeResult {
        if let Some(float) = x.get(cx).as_float() {
            let result = Int::from_float(float);
            return whole_result(cx, result);
        }
        match cx.call_special(x, Name::Trunc, &[])? {
            Some(result) => Ok(result.get(cx).into()),
            None => {
                let got = cx.type_name_for_error(x.get(cx));
                Err(cx.type_error(format!("type {got} doesn't define __trunc__ method")))
            }
        }
    }

    /// Return the value of the last bit of x.
    fn ulp(cx: &mut Cx, x: f64) -> NativeResult {
        let x = x.abs();
        if !x.is_finite() {
            return Ok(x.into());
        }
        let next = special::next_after(x, f64::INFINITY, 1);
        let step = if next.is_infinite() { x - special::next_after(x, 0.0, 1) } else { next - x };
        Ok(step.into())
    }
);

// ---- results ----

/// A result that is a nan for numbers outside the domain, which the message names.
fn within(cx: &mut Cx, x: f64, result: f64, message: &str) -> NativeResult {
    if result.is_nan() && !x.is_nan() {
        let shown = float_repr::repr(x);
        return Err(cx.value_error(format!("{message} {shown}")));
    }
    Ok(result.into())
}

/// A result that is infinite where it is too large.
fn ranged(cx: &mut Cx, x: f64, result: f64) -> NativeResult {
    if result.is_infinite() && x.is_finite() {
        return Err(cx.overflow_error("math range error"));
    }
    Ok(result.into())
}

fn pole(cx: &mut Cx, x: f64) -> NativeResult {
    let shown = float_repr::repr(x);
    Err(cx.value_error(format!("expected a noninteger or positive integer, got {shown}")))
}

fn whole_result(cx: &mut Cx, result: Result<Int, Fault>) -> NativeResult {
    match result {
        Ok(int) => Ok(int_value(&cx.heap, int).into()),
        Err(fault) => Err(cx.fault(fault)),
    }
}

/// `floor` and `ceil`: a special method, or the float's.
fn to_whole(cx: &mut Cx, x: Root, name: Name, round: fn(f64) -> f64) -> NativeResult {
    if x.get(cx).as_float().is_none()
        && let Some(result) = cx.call_special(x, name, &[])?
    {
        return Ok(result.get(cx).into());
    }
    let float = cx.to_float(x)?;
    whole_result(cx, Int::from_float(round(float)))
}

fn big(cx: &mut Cx, root: Root) -> Result<Big, Raised> {
    let index = cx.index(root)?;
    Ok(as_int_ref(index.get(cx)).map_or_else(Big::default, |i| i.to_big().into_owned()))
}

fn fold(
    cx: &mut Cx,
    integers: Rest,
    start: Int,
    step: fn(IntRef<'_>, IntRef<'_>, &Watch<'_>) -> Result<Int, Fault>,
) -> NativeResult {
    let mut total = start;
    for root in integers.0.roots() {
        let index = cx.index(root)?;
        let next = cx.patiently(|cx, watch| {
            step(total.as_ref(), as_int_ref(index.get(cx)).expect("index gives an int"), watch)
        })?;
        match next {
            Ok(next) => total = next,
            Err(fault) => return Err(cx.fault(fault)),
        }
    }
    Ok(int_outcome(&cx.heap, total))
}

/// The product of the integers from `low` to `high`.
fn product_outcome(cx: &mut Cx, low: u64, high: u64) -> NativeResult {
    // Bits of the result, at the least.
    let bits = high.saturating_sub(low).saturating_mul(u64::from(low.max(2).ilog2()));
    if bits > 1 << 40 {
        return Err(cx.memory_error());
    }
    let result =
        cx.patiently(|_, watch| long::product_of_range(low, high, watch).map(|big| Int::from_big(big.into())))?;
    whole_result(cx, result)
}

/// A logarithm of a float, or of an integer of any size.
fn logarithm(cx: &mut Cx, x: Root, log: fn(f64) -> f64) -> Result<f64, Raised> {
    if let Some(int) = int_ref(cx, x.get(cx)) {
        if int.signum() <= 0 {
            return Err(cx.value_error("expected a positive input"));
        }
        if let Ok(float) = int.to_float() {
            return Ok(log(float));
        }
        // Past the floats: the logarithm of the leading bits and of the power of two they are multiplied by.
        let bits = int.bit_length() as i64;
        let shift = bits - 64;
        let lead = int.to_big().into_owned() >> shift;
        let lead = u64::try_from(&lead).unwrap_or(u64::MAX) as f64;
        // As CPython has it: of the number as a fraction from a half on and a power of two.
        return Ok(log(lead / 18_446_744_073_709_551_616.0) + log(2.0) * bits as f64);
    }
    let float = cx.to_float(x)?;
    if float > 0.0 || float.is_nan() {
        return Ok(log(float));
    }
    let shown = float_repr::repr(float);
    Err(cx.value_error(format!("expected a positive input, got {shown}")))
}

/// Integers are summed exactly, floats with what rounding lost of the products and the sums, all else by its operators.
fn sum_of_products(cx: &mut Cx, p: Root, q: Root) -> NativeResult {
    let (p, q) = (cx.iter(p)?, cx.iter(q)?);
    let total = cx.push_raw(Raw::int(0));
    let mut exact: Option<special::ExactSum> = None;
    loop {
        let mark = cx.mark();
        let (x, y) = (cx.next(p)?, cx.next(q)?);
        let (x, y) = match (x, y) {
            (Some(x), Some(y)) => (x, y),
            (None, None) => break,
            _ => return Err(cx.value_error("Inputs are not the same length")),
        };
        let number = |cx: &Cx, r: Root| {
            let value = r.get(cx);
            value.as_float().or_else(|| value.as_int().map(|i| i as f64))
        };
        let has_float = x.get(cx).as_float().is_some() || y.get(cx).as_float().is_some();
        let zero = total.get(cx).as_int() == Some(0);
        if has_float
            && (exact.is_some() || zero)
            && let (Some(a), Some(b)) = (number(cx, x), number(cx, y))
        {
            let product = a * b;
            let sum = exact.get_or_insert_default();
            if product.is_finite() {
                sum.add(product);
                sum.add(a.mul_add(b, -product));
            } else {
                sum.add(product);
            }
            cx.release(mark);
            continue;
        }
        if let Some(sum) = exact.take() {
            total.set(cx, Value::float(sum.value().unwrap_or(f64::NAN)));
        }
        let product = cx.binary_root(BinaryKind::Mul, x, y)?;
        let next = cx.binary_root(BinaryKind::Add, total, product)?;
        total.set(cx, next.get(cx));
        cx.release(mark);
    }
    match exact {
        Some(sum) => Ok(sum.value().unwrap_or(f64::NAN).into()),
        None => Ok(total.get(cx).into()),
    }
}
