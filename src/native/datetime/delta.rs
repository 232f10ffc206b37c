//! timedelta.

use num_bigint::BigInt as Big;
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::heap::{Raw, Value};
use crate::native::natives;
use crate::number::float;
use crate::number::int::{Int, IntRef, true_divide};
use crate::object::key::as_int_ref;
use crate::object::{Span, int_value};
use crate::vm::CompareKind;
use crate::vm::native::{Args, Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

use super::{bind, comparisons, instance_of, new_delta, span_of, too_many_days};

const NOT: NativeResult = Ok(Outcome::Value(Raw::NOT_IMPLEMENTED));

/// The duration of a method's instance.
pub(super) fn own(cx: &Cx, this: Root) -> Span {
    span_of(cx, this.get(cx)).expect("the instance is a timedelta")
}

/// A duration as a result, or the error of one that is too long.
pub(super) fn result(cx: &mut Cx, span: Result<Span, i128>) -> NativeResult {
    match span {
        Ok(span) => Ok(Outcome::Value(new_delta(cx, span))),
        Err(days) => Err(too_many_days(cx, days)),
    }
}

/// `timedelta(days, seconds, microseconds)` of small ints; whatever else is left to `__new__`.
pub(super) fn make(cx: &mut Cx, args: Args) -> NativeResult {
    const FEW: u64 = 1 << 40;
    let mut parts = [0i64; 3];
    if args.len() > 3 {
        return Ok(Outcome::Value(Raw::UNBOUND));
    }
    for (part, root) in parts.iter_mut().zip(args.roots()) {
        match root.get(cx).as_int() {
            Some(number) if number.unsigned_abs() < FEW => *part = number,
            _ => return Ok(Outcome::Value(Raw::UNBOUND)),
        }
    }
    result(cx, Span::of(parts[0], parts[1], parts[2]))
}

/// The sum of parts in microseconds: whole ones, and what floats leave over.
#[derive(Default)]
struct Sum {
    whole: i128,
    rest: f64,
}

/// Adds `factor` times a part.
fn add_part(cx: &mut Cx, sum: &mut Sum, root: Root, factor: i128, name: &str) -> Result<(), Raised> {
    let value = cx.payload(root.get(cx));
    let whole = if let Some(int) = as_int_ref(value) {
        wide(int)
    } else if let Some(float) = value.as_float() {
        if !float.is_finite() {
            return Err(match Int::from_float(float) {
                Err(fault) => cx.fault(fault),
                Ok(_) => cx.system_error("a float that is not finite became an int"),
            });
        }
        let whole = float.trunc();
        let part = (float - whole) * factor as f64;
        if float != whole {
            let cut = part.trunc();
            sum.whole += cut as i128;
            sum.rest += part - cut;
        }
        // Floats past this saturate, and are too long in any case.
        Some(whole as i128)
    } else {
        let got = cx.type_name_for_error(root.get(cx));
        return Err(cx.type_error(format!("unsupported type for timedelta {name} component: {got}")));
    };
    let total = whole.and_then(|whole| whole.checked_mul(factor)).and_then(|part| sum.whole.checked_add(part));
    match total {
        Some(total) => {
            sum.whole = total;
            Ok(())
        }
        None => Err(too_many_days(cx, i128::MAX)),
    }
}

/// An integer in 128 bits.
fn wide(int: IntRef<'_>) -> Option<i128> {
    match int {
        IntRef::Small(small) => Some(i128::from(small)),
        IntRef::Big(big) => big.to_i128(),
    }
}

/// The integer that an operand is.
fn integer(cx: &Cx, root: Root) -> Option<Big> {
    as_int_ref(cx.payload(root.get(cx))).map(|int| int.to_big().into_owned())
}

/// The quotient rounded to the nearest integer, ties to the even one.
fn divide_nearest(a: &Big, b: &Big) -> Big {
    let (quotient, rest) = a.div_mod_floor(b);
    let twice: Big = rest * 2;
    let order = twice.abs().cmp(&b.abs());
    if order.is_gt() || order.is_eq() && quotient.is_odd() { quotient + 1 } else { quotient }
}

/// A duration of so many microseconds.
fn of_big(cx: &mut Cx, micros: &Big) -> NativeResult {
    match micros.to_i128() {
        Some(micros) => result(cx, Span::of_micros(micros)),
        None => Err(too_many_days(cx, i128::MAX)),
    }
}

/// Numerator and denominator of a float.
fn ratio(cx: &mut Cx, x: f64) -> Result<(Big, Big), Raised> {
    match float::as_integer_ratio(x) {
        Ok(ratio) => Ok(ratio),
        Err(fault) => Err(cx.fault(fault)),
    }
}

fn zero_division(cx: &mut Cx) -> Raised {
    cx.raise_text(crate::object::Exc::ZeroDivisionError, "division by zero")
}

fn int_outcome(cx: &Cx, number: i128) -> Outcome {
    match i64::try_from(number) {
        Ok(small) => small.into(),
        Err(_) => int_value(&cx.heap, Int::from_big(Big::from(number))).into(),
    }
}

/// `a / b` as a float, rounded once.
fn quotient(cx: &mut Cx, a: i128, b: i128) -> Result<f64, Raised> {
    const EXACT: u128 = 1 << 53;
    if a.unsigned_abs() <= EXACT && b.unsigned_abs() <= EXACT {
        return Ok(a as f64 / b as f64);
    }
    let (a, b) = (Big::from(a), Big::from(b));
    match true_divide(IntRef::Big(&a), IntRef::Big(&b)) {
        Ok(float) => Ok(float),
        Err(fault) => Err(cx.fault(fault)),
    }
}

/// All of a duration in seconds.
pub(super) fn in_seconds(cx: &mut Cx, span: Span) -> Result<f64, Raised> {
    quotient(cx, span.total(), 1_000_000)
}

/// The hash of a duration.
pub(super) fn hash(span: Span) -> i64 {
    span.hash()
}

/// What `repr` shows between the parentheses.
pub(super) fn parts(span: Span) -> String {
    let named = [("days", span.days), ("seconds", span.seconds), ("microseconds", span.micros)];
    let shown: Vec<String> =
        named.iter().filter(|(_, number)| *number != 0).map(|(name, number)| format!("{name}={number}")).collect();
    if shown.is_empty() { "0".into() } else { shown.join(", ") }
}

/// The error of an offset that is not less than a day.
pub(super) fn bad_offset(cx: &mut Cx, span: Span) -> Raised {
    cx.value_error(format!(
        "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24), not datetime.timedelta({})",
        parts(span)
    ))
}

fn compare(cx: &mut Cx, kind: CompareKind, this: Root, other: Root) -> NativeResult {
    match span_of(cx, other.get(cx)) {
        Some(other) => Ok(kind.holds(own(cx, this).cmp(&other)).into()),
        None => NOT,
    }
}

comparisons!(COMPARED, compare);

fn sum(cx: &mut Cx, a: Span, b: Span) -> NativeResult {
    result(cx, a.plus(b, false))
}

fn difference(cx: &mut Cx, a: Span, b: Span) -> NativeResult {
    result(cx, a.plus(b, true))
}

/// Both operands, if both are durations.
fn both(cx: &Cx, a: Root, b: Root) -> Option<(Span, Span)> {
    Some((span_of(cx, a.get(cx))?, span_of(cx, b.get(cx))?))
}

fn multiply(cx: &mut Cx, this: Root, factor: Root) -> NativeResult {
    let total = own(cx, this).total();
    if let Some(small) = factor.get(cx).as_int()
        && let Some(product) = total.checked_mul(i128::from(small))
    {
        return result(cx, Span::of_micros(product));
    }
    if let Some(int) = integer(cx, factor) {
        return of_big(cx, &(Big::from(total) * int));
    }
    let Some(float) = cx.payload(factor.get(cx)).as_float() else { return NOT };
    let (numerator, denominator) = ratio(cx, float)?;
    of_big(cx, &divide_nearest(&(Big::from(total) * numerator), &denominator))
}

fn floor_divide(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    let Some(left) = span_of(cx, a.get(cx)) else { return NOT };
    if let Some(right) = span_of(cx, b.get(cx)) {
        if right.is_zero() {
            return Err(zero_division(cx));
        }
        let quotient = Integer::div_floor(&left.total(), &right.total());
        return Ok(int_outcome(cx, quotient));
    }
    let Some(int) = integer(cx, b) else { return NOT };
    if int.is_zero() {
        return Err(zero_division(cx));
    }
    of_big(cx, &Big::from(left.total()).div_floor(&int))
}

fn divide(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    let Some(left) = span_of(cx, a.get(cx)) else { return NOT };
    if let Some(right) = span_of(cx, b.get(cx)) {
        if right.is_zero() {
            return Err(zero_division(cx));
        }
        return Ok(quotient(cx, left.total(), right.total())?.into());
    }
    if let Some(small) = b.get(cx).as_int().filter(|small| *small != 0) {
        let (total, small) = (left.total(), i128::from(small));
        let (quotient, rest) = Integer::div_mod_floor(&total, &small);
        let order = (rest * 2).abs().cmp(&small.abs());
        let up = order.is_gt() || order.is_eq() && quotient & 1 == 1;
        return result(cx, Span::of_micros(quotient + i128::from(up)));
    }
    if let Some(int) = integer(cx, b) {
        if int.is_zero() {
            return Err(zero_division(cx));
        }
        return of_big(cx, &divide_nearest(&Big::from(left.total()), &int));
    }
    let Some(float) = cx.payload(b.get(cx)).as_float() else { return NOT };
    let (numerator, denominator) = ratio(cx, float)?;
    if numerator.is_zero() {
        return Err(zero_division(cx));
    }
    of_big(cx, &divide_nearest(&(Big::from(left.total()) * denominator), &numerator))
}

/// Quotient and remainder of two durations.
fn divided(cx: &mut Cx, a: Root, b: Root) -> Result<Option<(i128, Span)>, Raised> {
    let Some((a, b)) = both(cx, a, b) else { return Ok(None) };
    if b.is_zero() {
        return Err(zero_division(cx));
    }
    let (quotient, rest) = a.total().div_mod_floor(&b.total());
    Ok(Some((quotient, Span::of_micros(rest).expect("less than the divisor"))))
}

fn modulo(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    match divided(cx, a, b)? {
        Some((_, rest)) => Ok(Outcome::Value(new_delta(cx, rest))),
        None => NOT,
    }
}

fn divmod(cx: &mut Cx, a: Root, b: Root) -> NativeResult {
    match divided(cx, a, b)? {
        Some((quotient, rest)) => {
            let Outcome::Value(quotient) = int_outcome(cx, quotient) else { return NOT };
            let rest = new_delta(cx, rest);
            Ok(cx.tuple(&[Value::adopt(quotient), Value::adopt(rest)]).into())
        }
        None => NOT,
    }
}

natives!(
    /// Difference between two datetime values.
    pub(super) static DELTA: Methods;

    /// Make a duration of the sum of its parts.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        cx.check_new_kind(class, crate::heap::Kind::TimeDelta)?;
        let names = ["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"];
        let bound = bind(cx, "__new__()", names, (0, 7), args.0, kwargs.0)?;
        let mut sum = Sum::default();
        // The order decides how what is left over of floats adds up.
        const ORDER: [(usize, i128); 7] = [
            (2, 1),
            (3, 1000),
            (1, 1_000_000),
            (4, 60_000_000),
            (5, 3_600_000_000),
            (0, 86_400_000_000),
            (6, 604_800_000_000),
        ];
        for (at, factor) in ORDER {
            if let Some(root) = bound[at] {
                add_part(cx, &mut sum, root, factor, names[at])?;
            }
        }
        if sum.rest != 0.0 {
            let mut whole = sum.rest.round();
            if (whole - sum.rest).abs() == 0.5 {
                // Half way between two: to the even total.
                let odd = (sum.whole & 1) as f64;
                whole = 2.0 * ((sum.rest + odd) * 0.5).round() - odd;
            }
            sum.whole += whole as i128;
        }
        match Span::of_micros(sum.whole) {
            Ok(span) => {
                let made = new_delta(cx, span);
                Ok(instance_of(cx, class, made).get(cx).into())
            }
            Err(days) => Err(too_many_days(cx, days)),
        }
    }

    /// Number of days.
    #[getter]
    fn days(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).days).into())
    }

    /// Number of seconds (>= 0 and less than 1 day).
    #[getter]
    fn seconds(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).seconds).into())
    }

    /// Number of microseconds (>= 0 and less than 1 second).
    #[getter]
    fn microseconds(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(i64::from(own(cx, this).micros).into())
    }

    /// Total seconds in the duration.
    fn total_seconds(cx: &mut Cx, this: Root) -> NativeResult {
        let span = own(cx, this);
        Ok(in_seconds(cx, span)?.into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let name = cx.type_name_for_error(this.get(cx));
        let text = format!("{name}({})", parts(own(cx, this)));
        Ok(cx.str(&text).into())
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        let span = own(cx, this);
        let mut text = String::new();
        if span.days != 0 {
            let s = if span.days.abs() == 1 { "" } else { "s" };
            text = format!("{} day{s}, ", span.days);
        }
        let (minutes, seconds) = (span.seconds / 60, span.seconds % 60);
        text.push_str(&format!("{}:{:02}:{seconds:02}", minutes / 60, minutes % 60));
        if span.micros != 0 {
            text.push_str(&format!(".{:06}", span.micros));
        }
        Ok(cx.str(&text).into())
    }

    /// Return self+value.
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match both(cx, this, value) {
            Some((a, b)) => sum(cx, a, b),
            None => NOT,
        }
    }

    /// Return value+self.
    fn __radd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match both(cx, value, this) {
            Some((a, b)) => sum(cx, a, b),
            None => NOT,
        }
    }

    /// Return self-value.
    fn __sub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match both(cx, this, value) {
            Some((a, b)) => difference(cx, a, b),
            None => NOT,
        }
    }

    /// Return value-self.
    fn __rsub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        match both(cx, value, this) {
            Some((a, b)) => difference(cx, a, b),
            None => NOT,
        }
    }

    /// -self
    fn __neg__(cx: &mut Cx, this: Root) -> NativeResult {
        let span = own(cx, this);
        difference(cx, Span::default(), span)
    }

    /// +self
    fn __pos__(cx: &mut Cx, this: Root) -> NativeResult {
        let span = own(cx, this);
        Ok(Outcome::Value(new_delta(cx, span)))
    }

    /// abs(self)
    fn __abs__(cx: &mut Cx, this: Root) -> NativeResult {
        let span = own(cx, this);
        if span.days < 0 {
            return difference(cx, Span::default(), span);
        }
        Ok(Outcome::Value(new_delta(cx, span)))
    }

    /// Return self*value.
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        multiply(cx, this, value)
    }

    /// Return value*self.
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        multiply(cx, this, value)
    }

    /// Return self//value.
    fn __floordiv__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        floor_divide(cx, this, value)
    }

    /// Return value//self.
    fn __rfloordiv__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        floor_divide(cx, value, this)
    }

    /// Return self/value.
    fn __truediv__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        divide(cx, this, value)
    }

    /// Return value/self.
    fn __rtruediv__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        divide(cx, value, this)
    }

    /// Return self%value.
    fn __mod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        modulo(cx, this, value)
    }

    /// Return value%self.
    fn __rmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        modulo(cx, value, this)
    }

    /// Return divmod(self, value).
    fn __divmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        divmod(cx, this, value)
    }

    /// Return divmod(value, self).
    fn __rdivmod__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        divmod(cx, value, this)
    }

    /// True if self else False
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((!own(cx, this).is_zero()).into())
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(hash(own(cx, this)).into())
    }

    /// What is pickled.
    fn __reduce__(cx: &mut Cx, this: Root) -> NativeResult {
        let span = own(cx, this);
        let parts = [span.days, span.seconds, span.micros].map(|part| Value::int(part.into()));
        let arguments = cx.tuple(&parts).value();
        let class = cx.class_of(this.get(cx)).value();
        Ok(cx.tuple(&[class, arguments]).into())
    }
);
