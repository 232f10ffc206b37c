//! Arithmetic on floats where Python's differs from C's: floor division, `%`, powers, rounding, ratios, and reading text.

use super::Fault;
use num_bigint::{BigInt, BigUint, Sign};

/// Builds `mantissa * 2^exponent` rounded half to even; infinite if that is too large.
///
/// `sticky` says the true value is a little greater; then `mantissa` must have at least 55 significant bits.
pub(super) fn compose(mantissa: u64, sticky: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = exponent + 63 - mantissa.leading_zeros() as i64;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The exponent of the result's last bit; subnormals all share the smallest.
    let last = (top - 52).max(-1074);
    let shift = last - exponent;
    let rounded = if shift <= 0 {
        mantissa << -shift
    } else if shift > 64 {
        0
    } else {
        let (kept, dropped, half) = if shift == 64 {
            (0, mantissa, 1 << 63)
        } else {
            (mantissa >> shift, mantissa & ((1 << shift) - 1), 1 << (shift - 1))
        };
        let up = dropped > half || dropped == half && (sticky || kept & 1 == 1);
        kept + up as u64
    };
    if rounded < 1 << 52 {
        return f64::from_bits(rounded);
    }
    // A carry out of the mantissa lands in the exponent, which is just right.
    f64::from_bits((((last + 1075) as u64) << 52) + (rounded - (1 << 52)))
}

/// The cube root, to the nearest float: systems differ in the last bit of theirs.
pub fn cube_root(x: f64) -> f64 {
    let root = x.cbrt();
    // What is tiny or huge has no exact square in floats, and no last bit that anybody could tell.
    if !(1e-200..1e200).contains(&x.abs()) {
        return root;
    }
    // One step of Newton's method, with the cube and what rounding took from it.
    let square = root * root;
    let square_rest = root.mul_add(root, -square);
    let cube = square * root;
    let cube_rest = square.mul_add(root, -cube);
    root + ((x - cube) - cube_rest - square_rest * root) / (3.0 * square)
}

/// Reads a float as `float()` does: space around it, underscores between digits, `inf`, `infinity` and `nan`.
pub fn parse_float(text: &[u8]) -> Option<f64> {
    parse_trimmed(super::int_text::trim(text))
}

fn parse_trimmed(text: &[u8]) -> Option<f64> {
    if !text.contains(&b'_') {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut plain = Vec::with_capacity(text.len());
    for (at, &byte) in text.iter().enumerate() {
        if byte == b'_' {
            let between = at > 0 && text[at - 1].is_ascii_digit() && text.get(at + 1).is_some_and(u8::is_ascii_digit);
            if !between {
                return None;
            }
        } else {
            plain.push(byte);
        }
    }
    std::str::from_utf8(&plain).ok()?.parse().ok()
}

/// `a / b`.
pub fn divide(a: f64, b: f64) -> Result<f64, Fault> {
    if b == 0.0 { Err(zero_division()) } else { Ok(a / b) }
}

/// `a // b`.
pub fn floor_divide(a: f64, b: f64) -> Result<f64, Fault> {
    divide_modulo(a, b).map(|(quotient, _)| quotient)
}

/// `a % b`: the sign is that of `b`.
pub fn modulo(a: f64, b: f64) -> Result<f64, Fault> {
    if b == 0.0 {
        return Err(zero_division());
    }
    let rest = a % b;
    Ok(if rest == 0.0 {
        0f64.copysign(b)
    } else if (b < 0.0) != (rest < 0.0) {
        rest + b
    } else {
        rest
    })
}

/// `divmod(a, b)`.
pub fn divide_modulo(a: f64, b: f64) -> Result<(f64, f64), Fault> {
    if b == 0.0 {
        return Err(zero_division());
    }
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0f64.copysign(b);
    } else if (b < 0.0) != (rest < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    // The quotient is whole but for rounding; snap it.
    let quotient = if quotient == 0.0 {
        0f64.copysign(a / b)
    } else {
        let floor = quotient.floor();
        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
    };
    Ok((quotient, rest))
}

fn zero_division() -> Fault {
    Fault::zero_division("division by zero")
}

/// What `a ** b` is for floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Power {
    /// A float.
    Real(f64),
    /// A negative base with a broken exponent: the complex power of the two is wanted.
    Complex,
}

/// `a ** b`.
pub fn power(a: f64, b: f64) -> Result<Power, Fault> {
    if b == 0.0 || a == 1.0 {
        return Ok(Power::Real(1.0));
    }
    if a.is_nan() || b.is_nan() {
        return Ok(Power::Real(f64::NAN));
    }
    if a == 0.0 && b < 0.0 && b.is_finite() {
        return Err(Fault::zero_division("zero to a negative power"));
    }
    if a == 0.0 && b == f64::NEG_INFINITY {
        return Ok(Power::Real(f64::INFINITY));
    }
    if a.is_infinite() || b.is_infinite() {
        return Ok(Power::Real(a.powf(b)));
    }
    if a < 0.0 && b.floor() != b {
        return Ok(Power::Complex);
    }
    let x = a.powf(b);
    if x.is_infinite() { Err(Fault::range()) } else { Ok(Power::Real(x)) }
}

/// `round(x)`: to the nearest whole number, half to even.
pub fn round_to_int(x: f64) -> Result<super::int::Int, Fault> {
    super::int::Int::from_float(x.round_ties_even())
}

/// `round(x, digits)`: the decimal number nearest to the exact value, half to even, read back as a float.
pub fn round_to(x: f64, digits: i64) -> Result<f64, Fault> {
    // Beyond these, the last bit of every float is coarser than the last decimal, or nothing is left.
    if !x.is_finite() || digits > 323 || x == 0.0 {
        return Ok(x);
    }
    if digits < -308 {
        return Ok(0.0 * x);
    }
    if let Some((scaled, unit)) = scale_to_int(x.abs(), digits) {
        // Both are exact, so the quotient is the float nearest to the decimal number.
        return Ok((scaled as f64 / unit).copysign(x));
    }
    let read = |text: String| -> f64 { text.parse().expect("a formatted float is readable") };
    let rounded = if digits >= 0 {
        read(format!("{x:.*}", digits as usize))
    } else {
        let magnitude = x.abs();
        let exact = format!("{magnitude:.*e}", 800);
        let exponent: i64 = exact.rsplit('e').next().and_then(|text| text.parse().ok()).expect("an exponent");
        let kept = exponent + digits;
        let size = if kept >= 0 {
            read(format!("{magnitude:.*e}", kept as usize))
        } else if kept == -1 && exceeds_half(&exact) {
            read(format!("1e{}", -digits))
        } else {
            0.0
        };
        size.copysign(x)
    };
    if rounded.is_infinite() {
        return Err(Fault::overflow("rounded value too large to represent"));
    }
    Ok(rounded)
}

/// `magnitude * 10^digits` rounded to a whole number, and `10^digits`, when plain arithmetic is sure of it: the product
/// is below 2^40, so it is off by less than 2^-13, and the fraction is further than that from a half.
pub(super) fn scale_to_int(magnitude: f64, digits: i64) -> Option<(u64, f64)> {
    const UNITS: [f64; 13] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
    let &unit = UNITS.get(usize::try_from(digits).ok()?)?;
    let scaled = magnitude * unit;
    if scaled >= (1u64 << 40) as f64 {
        return None;
    }
    let fraction = scaled - scaled.trunc();
    ((fraction - 0.5).abs() > 1.0 / 4096.0).then_some(((scaled + 0.5) as u64, unit))
}

/// Whether a number in scientific notation is more than five of its leading digit's units.
fn exceeds_half(scientific: &str) -> bool {
    scientific.split('e').next().is_some_and(|digits| digits.trim_end_matches('0') > "5.")
}

/// `x.as_integer_ratio()`: numerator and positive denominator in lowest terms.
pub fn as_integer_ratio(x: f64) -> Result<(BigInt, BigInt), Fault> {
    if x.is_nan() {
        return Err(Fault::value("cannot convert NaN to integer ratio"));
    }
    if x.is_infinite() {
        return Err(Fault::overflow("cannot convert Infinity to integer ratio"));
    }
    let (mut mantissa, mut exponent) = decompose(x);
    if mantissa == 0 {
        return Ok((BigInt::ZERO, BigInt::from(1)));
    }
    let zeros = mantissa.trailing_zeros();
    mantissa >>= zeros;
    exponent += zeros as i64;
    let sign = if x < 0.0 { Sign::Minus } else { Sign::Plus };
    let numerator = BigUint::from(mantissa);
    Ok(if exponent >= 0 {
        (BigInt::from_biguint(sign, numerator << exponent as u64), BigInt::from(1))
    } else {
        (BigInt::from_biguint(sign, numerator), BigInt::from(1) << -exponent as u64)
    })
}

/// A finite float as `mantissa * 2^exponent`, without its sign.
pub(super) fn decompose(x: f64) -> (u64, i64) {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i64, bits & ((1 << 52) - 1));
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_division_and_modulo() {
        for (a, b, quotient, rest) in [
            (7.0, 2.0, 3.0, 1.0),
            (-7.0, 2.0, -4.0, 1.0),
            (7.0, -2.0, -4.0, -1.0),
            (1.0, 0.1, 9.0, 0.09999999999999995),
            (0.0, -3.0, -0.0, -0.0),
            (1e300, 1e-10, f64::INFINITY, 5.476641984772742e-11),
        ] {
            let got = divide_modulo(a, b).unwrap();
            assert_eq!(format!("{got:?}"), format!("{:?}", (quotient, rest)), "{a} {b}");
            assert_eq!(modulo(a, b).unwrap(), rest);
        }
        assert_eq!(floor_divide(1.0, 0.0).unwrap_err().message, "division by zero");
    }

    #[test]
    fn rounding() {
        for (x, digits, result) in [
            (2.675, 2, 2.67),
            (0.5, 0, 0.0),
            (1.5, 0, 2.0),
            (15.5, -1, 20.0),
            (25.0, -1, 20.0),
            (5.0, -1, 0.0),
            (5.5, -1, 10.0),
            (15.0, -1, 20.0),
            (-51.0, -2, -100.0),
            (-50.0, -2, -0.0),
            (0.3, -1, 0.0),
            (123456789.0, -4, 123460000.0),
            (1e300, -400, 0.0),
            (5e-324, 323, 0.0),
            (1.23456e-300, 303, 1.235e-300),
        ] {
            assert_eq!(round_to(x, digits), Ok(result), "{x} {digits}");
        }
        assert_eq!(round_to(1.7e308, -308).unwrap_err().message, "rounded value too large to represent");
    }

    #[test]
    fn reading() {
        for (text, x) in [
            ("1_0.5", Some(10.5)),
            (" 1e5\n", Some(1e5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("+Infinity", Some(f64::INFINITY)),
            ("1e999", Some(f64::INFINITY)),
            ("1__0", None),
            ("1_.0", None),
            ("_1", None),
            ("", None),
            (".", None),
            ("1e", None),
            ("0x1", None),
            ("infi", None),
        ] {
            assert_eq!(parse_float(text.as_bytes()), x, "{text}");
        }
        assert!(parse_float(b"-NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn powers() {
        assert_eq!(power(2.0, 0.5), Ok(Power::Real(std::f64::consts::SQRT_2)));
        assert_eq!(power(-8.0, 1.0 / 3.0), Ok(Power::Complex));
        assert_eq!(power(-1.0, f64::INFINITY), Ok(Power::Real(1.0)));
        assert_eq!(power(f64::NAN, 0.0), Ok(Power::Real(1.0)));
        assert_eq!(power(1e300, 2.0), Err(Fault::range()));
        assert_eq!(power(0.0, -1.0).unwrap_err().message, "zero to a negative power");
    }

    #[test]
    fn ratios() {
        assert_eq!(as_integer_ratio(-1.5).unwrap(), (BigInt::from(-3), BigInt::from(2)));
        assert_eq!(as_integer_ratio(0.0).unwrap(), (BigInt::from(0), BigInt::from(1)));
        assert_eq!(as_integer_ratio(1e300).unwrap().1, BigInt::from(1));
    }
}
