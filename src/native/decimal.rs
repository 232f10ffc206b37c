//! The module `_decimal_native`: what `decimal` does with everyday numbers. Its classes are written in the language; they declare slots,
//! which are in the order of their names. A native here computes with `number::decimal`; where that knows no answer, or a condition is
//! trapped, it calls the function of the language that had its name before (`_slow` and the name).

use smallvec::SmallVec;

use crate::heap::{Gc, Raw, Value};
use crate::native::forward::{either, keep_slow, slow};
use crate::native::{library_class, natives};
use crate::number::decimal::{self, Finite, Made, Rounding, Rules};
use crate::number::int::Int;
use crate::object::key::as_int_ref;
use crate::object::{Class, Instance, Str, int_value};
use crate::vm::Library;
use crate::vm::native::{Args, Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub(super) fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_decimal_native").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

// Slots of numbers.
const COEFFICIENT: usize = 0;
const EXPONENT: usize = 1;
const KIND: usize = 2;
const SIGN: usize = 3;

// Slots of contexts.
const CAPITALS: usize = 0;
const MOST: usize = 1;
const LEAST: usize = 2;
const FLAGS: usize = 3;
const FOLDS: usize = 4;
const PRECISION: usize = 10;
const ROUNDING: usize = 11;
const TRAPS: usize = 12;

/// Exponents up to here, either way, can be added without a thought.
const FAR: i64 = 1 << 40;

/// The native has no answer.
const ASK: Raw = Raw::UNBOUND;

natives!(
    /// Numbers that are no trouble.
    static FUNCTIONS: Functions;

    /// Say which classes are meant, and which variable holds the context; the numbers get their native methods.
    fn install(cx: &mut Cx, number: Root, context: Root, variable: Root) -> NativeResult {
        let (Some(class), Some(_)) = (library_class(cx, number, 4), library_class(cx, context, 13)) else {
            return Ok(Outcome::NONE);
        };
        keep_slow(cx, class, &NUMBER);
        for (part, root) in [(Library::DecimalContext, context), (Library::DecimalVariable, variable)] {
            let raw = root.get(cx).raw();
            cx.set_library(part, raw);
        }
        cx.set_library_maker(Library::Decimal, class, make, None);
        Ok(Outcome::NONE)
    }
);

// ---- numbers and contexts ----

/// Whether a value is an instance of just the class that stands there.
#[inline]
fn instance_of(cx: &Cx, part: Library, raw: Raw) -> Option<Gc<'static, Instance>> {
    let class = Value::<'static>::adopt(cx.library(part)).exact::<Class>()?;
    let instance = Value::<'static>::adopt(raw).exact::<Instance>()?;
    (instance.shape() == class.get().root_shape.get()).then_some(instance)
}

/// A finite number out of an exact Decimal.
#[inline]
fn number(cx: &Cx, raw: Raw) -> Option<Finite> {
    let instance = instance_of(cx, Library::Decimal, raw)?;
    let exponent = instance.slot(EXPONENT).as_int().filter(|e| (-FAR..=FAR).contains(e))?;
    if instance.slot(KIND).as_int() != Some(0) {
        return None;
    }
    let coefficient = instance.slot(COEFFICIENT);
    let coefficient = match coefficient.as_int() {
        Some(int) => u128::try_from(int).ok()?,
        None => u128::try_from(as_int_ref(coefficient)?.to_i128()?).ok()?,
    };
    // So that it can be added to another, or have a digit put behind it, in 128 bits.
    if coefficient >> 126 != 0 {
        return None;
    }
    Some(Finite { negative: instance.slot(SIGN).as_int() == Some(1), coefficient, exponent })
}

/// As `number`, of an int too.
#[inline]
fn operand(cx: &Cx, raw: Raw) -> Option<Finite> {
    match Value::<'static>::adopt(raw).as_int() {
        Some(int) if Value::<'static>::adopt(raw).as_bool().is_none() => {
            Some(Finite { negative: int < 0, coefficient: u128::from(int.unsigned_abs()), exponent: 0 })
        }
        Some(_) => None,
        None => number(cx, raw),
    }
}

/// A Decimal; ASK if it is out of the ordinary.
fn made(cx: &Cx, number: Finite) -> Raw {
    let Some(class) = Value::<'static>::adopt(cx.library(Library::Decimal)).exact::<Class>() else { return ASK };
    let heap = cx.heap.forever();
    let coefficient = match i64::try_from(number.coefficient) {
        Ok(small) => Value::int(small),
        Err(_) => match i128::try_from(number.coefficient) {
            Ok(wide) => int_value(heap, Int::from(wide)),
            Err(_) => return ASK,
        },
    };
    let sign = Value::int(i64::from(number.negative));
    let slots = [coefficient, Value::int(number.exponent), Value::int(0), sign];
    Instance::with_slots(heap, class, &slots).value().raw()
}

/// The current context, and what it asks for.
fn current(cx: &Cx) -> Option<(Gc<'static, Instance>, Rules)> {
    let context = cx.context_value(cx.library(Library::DecimalVariable))?;
    let context = instance_of(cx, Library::DecimalContext, context)?;
    let int = |slot: usize| context.slot(slot).as_int();
    let rounding = Value::<'static>::adopt(context.slot(ROUNDING).raw()).exact::<Str>()?;
    let rules = Rules {
        precision: u32::try_from(int(PRECISION)?).ok().filter(|precision| *precision <= 37)?,
        least: int(LEAST).filter(|least| *least >= -FAR)?,
        most: int(MOST).filter(|most| *most <= FAR)?,
        rounding: Rounding::named(rounding.as_bytes())?,
        folds: int(FOLDS)? != 0,
    };
    Some((context, rules))
}

/// Whether exponents are written with a capital letter.
fn capitals(cx: &Cx) -> Option<bool> {
    let context = cx.context_value(cx.library(Library::DecimalVariable))?;
    Some(instance_of(cx, Library::DecimalContext, context)?.slot(CAPITALS).as_int() == Some(1))
}

/// Notes the conditions of a result, and makes it; ASK if one of them is trapped.
fn finish(cx: &Cx, context: Gc<'static, Instance>, result: Made) -> Raw {
    let Some((number, status)) = result else { return ASK };
    if status != 0 {
        let (Some(traps), Some(flags)) = (context.slot(TRAPS).as_int(), context.slot(FLAGS).as_int()) else {
            return ASK;
        };
        if traps & status != 0 {
            return ASK;
        }
        if flags & status != status {
            context.set_slot(cx.heap.forever(), FLAGS, Value::int(flags | status));
        }
    }
    made(cx, number)
}

fn operate(cx: &Cx, a: Raw, b: Raw, with: impl Fn(Finite, Finite, &Rules) -> Made) -> Raw {
    let (Some(a), Some(b)) = (operand(cx, a), operand(cx, b)) else { return ASK };
    match current(cx) {
        Some((context, rules)) => finish(cx, context, with(a, b, &rules)),
        None => ASK,
    }
}

fn plus(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    operate(cx, a, b, |a, b, rules| decimal::add(a, b, false, rules))
}

fn minus(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    operate(cx, a, b, |a, b, rules| decimal::add(a, b, true, rules))
}

fn minus_from(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    minus(cx, b, a)
}

fn times(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    operate(cx, a, b, decimal::multiply)
}

fn over(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    operate(cx, a, b, decimal::divide)
}

fn under(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    operate(cx, b, a, decimal::divide)
}

/// Compares what can be compared without signals.
fn order(cx: &Cx, a: Raw, b: Raw, such: fn(std::cmp::Ordering) -> bool) -> Raw {
    match (operand(cx, a), operand(cx, b)) {
        (Some(a), Some(b)) => decimal::compare(a, b).map_or(ASK, |order| Raw::bool(such(order))),
        _ => ASK,
    }
}

fn is_eq(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(cx, a, b, std::cmp::Ordering::is_eq)
}

fn is_ne(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(cx, a, b, std::cmp::Ordering::is_ne)
}

fn is_lt(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(cx, a, b, std::cmp::Ordering::is_lt)
}

fn is_le(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(cx, a, b, std::cmp::Ordering::is_le)
}

fn is_gt(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(cx, a, b, std::cmp::Ordering::is_gt)
}

fn is_ge(cx: &mut Cx, a: Raw, b: Raw) -> Raw {
    order(cx, a, b, std::cmp::Ordering::is_ge)
}

/// `Decimal(value)` of an int, a plain text, or a Decimal.
fn make(cx: &mut Cx, args: Args) -> NativeResult {
    if args.len() != 1 {
        return Ok(Outcome::Value(ASK));
    }
    let given: Value<'static> = Value::adopt(args.get(cx, 0).raw());
    let found = match given.exact::<Str>() {
        Some(text) => decimal::parse(text.as_bytes().trim_ascii()),
        None if instance_of(cx, Library::Decimal, given.raw()).is_some() => return Ok(given.into()),
        None => operand(cx, given.raw()),
    };
    Ok(Outcome::Value(found.map_or(ASK, |number| made(cx, number))))
}

/// As `either`, for operations on one number that round it.
fn rounded(cx: &mut Cx, name: &str, this: Root, change: fn(&mut Finite, &Rules)) -> NativeResult {
    let raw = this.get(cx).raw();
    if let Some(mut number) = number(cx, raw)
        && let Some((context, rules)) = current(cx)
    {
        change(&mut number, &rules);
        // A number added to a zero with its exponent is rounded as it is.
        let zero = Finite { negative: number.negative, coefficient: 0, exponent: number.exponent };
        let found = finish(cx, context, decimal::add(number, zero, false, &rules));
        if !found.is_unbound() {
            return Ok(Outcome::Value(found));
        }
    }
    slow(cx, name, this, &[])
}

/// The sign of a zero that is computed.
fn settle_zero(number: &mut Finite, rules: &Rules) {
    if number.coefficient == 0 {
        number.negative = number.negative && rules.rounding == Rounding::Floor;
    }
}

fn text_of(cx: &Cx, raw: Raw, before: &[u8], behind: &[u8]) -> Option<Raw> {
    let number = number(cx, raw)?;
    let text = decimal::write(number, capitals(cx)?);
    let mut whole: SmallVec<[u8; 96]> = SmallVec::from_slice(before);
    whole.extend_from_slice(&text);
    whole.extend_from_slice(behind);
    Some(Str::ascii(&cx.heap, &whole).value().raw())
}

natives!(
    /// Decimal numbers.
    static NUMBER: Methods;

    /// Return self+value.
    #[quick(Two(plus))]
    fn __add__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, plus, "__add__", this, value)
    }

    /// Return value+self.
    #[quick(Two(plus))]
    fn __radd__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, plus, "__radd__", this, value)
    }

    /// Return self-value.
    #[quick(Two(minus))]
    fn __sub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, minus, "__sub__", this, value)
    }

    /// Return value-self.
    #[quick(Two(minus_from))]
    fn __rsub__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, minus_from, "__rsub__", this, value)
    }

    /// Return self*value.
    #[quick(Two(times))]
    fn __mul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, times, "__mul__", this, value)
    }

    /// Return value*self.
    #[quick(Two(times))]
    fn __rmul__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, times, "__rmul__", this, value)
    }

    /// Return self/value.
    #[quick(Two(over))]
    fn __truediv__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, over, "__truediv__", this, value)
    }

    /// Return value/self.
    #[quick(Two(under))]
    fn __rtruediv__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, under, "__rtruediv__", this, value)
    }

    /// Return self==value.
    #[quick(Two(is_eq))]
    fn __eq__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, is_eq, "__eq__", this, value)
    }

    /// Return self!=value.
    #[quick(Two(is_ne))]
    fn __ne__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, is_ne, "__ne__", this, value)
    }

    /// Return self<value.
    #[quick(Two(is_lt))]
    fn __lt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, is_lt, "__lt__", this, value)
    }

    /// Return self<=value.
    #[quick(Two(is_le))]
    fn __le__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, is_le, "__le__", this, value)
    }

    /// Return self>value.
    #[quick(Two(is_gt))]
    fn __gt__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, is_gt, "__gt__", this, value)
    }

    /// Return self>=value.
    #[quick(Two(is_ge))]
    fn __ge__(cx: &mut Cx, this: Root, value: Root) -> NativeResult {
        either(cx, is_ge, "__ge__", this, value)
    }

    /// -self
    fn __neg__(cx: &mut Cx, this: Root) -> NativeResult {
        rounded(cx, "__neg__", this, |number, rules| {
            number.negative = !number.negative;
            settle_zero(number, rules);
        })
    }

    /// +self
    fn __pos__(cx: &mut Cx, this: Root) -> NativeResult {
        rounded(cx, "__pos__", this, settle_zero)
    }

    /// abs(self)
    fn __abs__(cx: &mut Cx, this: Root) -> NativeResult {
        rounded(cx, "__abs__", this, |number, _| number.negative = false)
    }

    /// Return hash(self).
    fn __hash__(cx: &mut Cx, this: Root) -> NativeResult {
        match number(cx, this.get(cx).raw()) {
            Some(number) => Ok(decimal::hash(number).into()),
            None => slow(cx, "__hash__", this, &[]),
        }
    }

    /// True if self else False
    fn __bool__(cx: &mut Cx, this: Root) -> NativeResult {
        match number(cx, this.get(cx).raw()) {
            Some(number) => Ok((number.coefficient != 0).into()),
            None => slow(cx, "__bool__", this, &[]),
        }
    }

    /// int(self)
    fn __int__(cx: &mut Cx, this: Root) -> NativeResult {
        let number = number(cx, this.get(cx).raw());
        let whole = number.and_then(decimal::truncated).and_then(|whole| i128::try_from(whole).ok());
        match (whole, number) {
            (Some(whole), Some(number)) => {
                Ok(int_value(&cx.heap, Int::from(if number.negative { -whole } else { whole })).into())
            }
            _ => slow(cx, "__int__", this, &[]),
        }
    }

    /// float(self)
    fn __float__(cx: &mut Cx, this: Root) -> NativeResult {
        let text = number(cx, this.get(cx).raw()).map(|number| decimal::write(number, true));
        let parsed = text.and_then(|text| std::str::from_utf8(&text).ok()?.parse::<f64>().ok());
        match parsed {
            Some(float) => Ok(float.into()),
            None => slow(cx, "__float__", this, &[]),
        }
    }

    /// Return str(self).
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        match text_of(cx, this.get(cx).raw(), b"", b"") {
            Some(text) => Ok(Outcome::Value(text)),
            None => slow(cx, "__str__", this, &[]),
        }
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        match text_of(cx, this.get(cx).raw(), b"Decimal('", b"')") {
            Some(text) => Ok(Outcome::Value(text)),
            None => slow(cx, "__repr__", this, &[]),
        }
    }

    /// Return a text as the specifier asks for it.
    #[counted]
    #[unnamed]
    fn __format__(cx: &mut Cx, this: Root, specifier: Root, override_: Option<Root>) -> NativeResult {
        if override_.is_none()
            && let Some(spec) = Value::<'static>::adopt(specifier.get(cx).raw()).exact::<Str>()
            && let Some(number) = number(cx, this.get(cx).raw())
            && let Some((context, rules)) = current(cx)
        {
            let text = match spec.as_bytes() {
                b"" => Some(decimal::write(number, context.slot(CAPITALS).as_int() == Some(1))),
                spec => decimal::format(number, spec, rules.rounding),
            };
            if let Some(text) = text {
                return Ok(Str::ascii(&cx.heap, &text).into());
            }
        }
        match override_ {
            Some(more) => slow(cx, "__format__", this, &[specifier, more]),
            None => slow(cx, "__format__", this, &[specifier]),
        }
    }

    /// Rounded to the exponent of another number.
    ///
    /// >>> Decimal('3.14159').quantize(Decimal('0.01'))
    /// Decimal('3.14')
    #[unnamed]
    fn quantize(
        cx: &mut Cx,
        this: Root,
        #[either] exp: Root,
        #[either] rounding: Option<Root>,
        #[either] context: Option<Root>,
    ) -> NativeResult {
        let chosen = match rounding {
            None => Some(None),
            Some(name) => {
                let name = Value::<'static>::adopt(name.get(cx).raw()).exact::<Str>();
                name.and_then(|name| Rounding::named(name.as_bytes())).map(Some)
            }
        };
        if context.is_none()
            && let Some(chosen) = chosen
            && let (Some(a), Some(b)) = (number(cx, this.get(cx).raw()), operand(cx, exp.get(cx).raw()))
            && let Some((context, rules)) = current(cx)
        {
            let result = decimal::quantize(a, b.exponent, chosen.unwrap_or(rules.rounding), &rules);
            let found = finish(cx, context, result);
            if !found.is_unbound() {
                return Ok(Outcome::Value(found));
            }
        }
        let none = cx.push(Value::NONE);
        slow(cx, "quantize", this, &[exp, rounding.unwrap_or(none), context.unwrap_or(none)])
    }
);
