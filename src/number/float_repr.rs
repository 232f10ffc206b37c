//! Floats as text: `repr`, the `e`, `f` and `g` presentations, and hexadecimal.
//!
//! The shortest digits that read back as the same float come from `zmij`; digits to a given precision come from the
//! standard library, which rounds the exact binary value half to even. Here they are laid out as Python lays them out.

use super::Fault;
use std::fmt::Write;

/// How [`format_float`] lays out digits; the letters of Python's format codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatStyle {
    /// Shortest digits that read back as the same float.
    Repr,
    /// `e`: one digit, a point, `precision` digits, an exponent.
    Exponent,
    /// `f`: `precision` digits after the point.
    Fixed,
    /// `g`: `precision` significant digits, in whichever form is shorter.
    General,
}

/// What changes in the layout besides the style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloatFlags {
    /// Keep the point, and for [`FloatStyle::General`] the trailing zeros (`#`).
    pub alternate: bool,
    /// Give whole numbers without an exponent a trailing `.0`, as `repr` does.
    pub add_dot_0: bool,
    /// Write `E`, `INF` and `NAN` in capitals.
    pub upper: bool,
}

/// No double has more significant decimal digits than 767, nor more than 1,074 after the point: further ones are zeros.
const MAX_PRECISION: usize = 1_100;

/// Appends `repr(x)`.
pub fn push_repr(out: &mut String, x: f64) {
    if !x.is_finite() {
        out.push_str(non_finite(x, false));
        return;
    }
    if x.fract() == 0.0 && x.abs() < 1e15 {
        if x == 0.0 {
            out.push_str(if x.is_sign_negative() { "-0.0" } else { "0.0" });
            return;
        }
        super::int_text::push_i64(out, x as i64);
        out.push_str(".0");
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let digits = Digits::from_shortest(buffer.format_finite(x).as_bytes());
    if x < 0.0 {
        out.push('-');
    }
    digits.lay_out(
        out,
        digits.point < -3 || digits.point > 16,
        FloatFlags { add_dot_0: true, ..FloatFlags::default() },
    );
}

/// `repr(x)`.
pub fn repr(x: f64) -> String {
    let mut out = String::with_capacity(24);
    push_repr(&mut out, x);
    out
}

/// Appends `x` in the given style with its sign if it is negative.
///
/// `precision` is ignored by [`FloatStyle::Repr`].
pub fn format_float(out: &mut String, x: f64, style: FloatStyle, precision: usize, flags: FloatFlags) {
    if !x.is_finite() {
        out.push_str(non_finite(x, flags.upper));
        return;
    }
    if x.is_sign_negative() {
        out.push('-');
    }
    let magnitude = x.abs();
    match style {
        FloatStyle::Fixed => {
            if let Some((scaled, unit)) = super::float::scale_to_int(magnitude, precision as i64) {
                return push_scaled(out, scaled, unit as u64, precision, flags);
            }
            let held = precision.min(MAX_PRECISION);
            write!(out, "{magnitude:.held$}").expect("a String takes all text");
            push_zeros(out, precision - held);
            if precision == 0 && flags.alternate {
                out.push('.');
            }
        }
        FloatStyle::Exponent => {
            let digits = Digits::to_precision(magnitude, precision + 1);
            digits.lay_out_exponent(out, precision + 1, flags);
        }
        FloatStyle::General => {
            let precision = precision.max(1);
            let mut digits = Digits::to_precision(magnitude, precision);
            let use_exponent =
                digits.point < -3 || digits.point > precision as i32 - if flags.add_dot_0 { 1 } else { 0 };
            if !flags.alternate {
                digits.strip_zeros();
                digits.lay_out(out, use_exponent, flags);
            } else if use_exponent {
                digits.lay_out_exponent(out, precision, flags);
            } else {
                let start = out.len();
                digits.lay_out(out, false, FloatFlags { add_dot_0: false, alternate: true, ..flags });
                let leading = if digits.point <= 0 { 2 + (-digits.point) as usize } else { 1 };
                let written = out.len() - start - leading;
                push_zeros(out, precision.saturating_sub(written));
            }
        }
        FloatStyle::Repr => {
            let mut buffer = zmij::Buffer::new();
            let digits = Digits::from_shortest(buffer.format_finite(magnitude).as_bytes());
            digits.lay_out(out, digits.point < -3 || digits.point > 16, flags);
        }
    }
}

/// A decimal number that is `scaled / unit`, `unit` being 10 to the number of decimals.
fn push_scaled(out: &mut String, scaled: u64, unit: u64, decimals: usize, flags: FloatFlags) {
    super::int_text::push_i64(out, (scaled / unit) as i64);
    if decimals == 0 {
        if flags.alternate {
            out.push('.');
        }
        return;
    }
    // A one in front keeps the zeros; the point takes its place.
    let point = out.len();
    super::int_text::push_i64(out, (unit + scaled % unit) as i64);
    out.replace_range(point..=point, ".");
}

fn push_zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}

fn non_finite(x: f64, upper: bool) -> &'static str {
    match (x.is_nan(), x < 0.0, upper) {
        (true, _, false) => "nan",
        (true, _, true) => "NAN",
        (_, false, false) => "inf",
        (_, true, false) => "-inf",
        (_, false, true) => "INF",
        (_, true, true) => "-INF",
    }
}

/// Decimal digits with the place of the point: the value is `0.DIGITS * 10^point`.
struct Digits {
    text: smallvec::SmallVec<[u8; 32]>,
    point: i32,
}

impl Digits {
    /// From any plain or scientific notation of a positive number; leading and trailing zeros go.
    fn from_shortest(text: &[u8]) -> Digits {
        let mut digits = Digits { text: smallvec::SmallVec::new(), point: 0 };
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let mut before_point = true;
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                b'.' => before_point = false,
                b'e' => {
                    let exponent: i32 = std::str::from_utf8(&text[at + 1..])
                        .ok()
                        .and_then(|text| text.parse().ok())
                        .expect("an exponent is a small number");
                    digits.point += exponent;
                    break;
                }
                digit => {
                    if digit == b'0' && digits.text.is_empty() {
                        digits.point -= !before_point as i32;
                    } else {
                        digits.text.push(digit);
                        digits.point += before_point as i32;
                    }
                }
            }
            at += 1;
        }
        digits.strip_zeros();
        digits
    }

    /// Rounded to `count` significant digits, of which no more are stored than a double can have.
    fn to_precision(magnitude: f64, count: usize) -> Digits {
        struct Collect(Digits, bool, i32, bool);
        impl Write for Collect {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                for byte in text.bytes() {
                    match byte {
                        b'.' => {}
                        b'e' => self.1 = true,
                        b'-' => self.3 = true,
                        digit if self.1 => self.2 = self.2 * 10 + (digit - b'0') as i32,
                        digit => self.0.text.push(digit),
                    }
                }
                Ok(())
            }
        }
        let held = count.min(MAX_PRECISION) - 1;
        let mut collect = Collect(Digits { text: smallvec::SmallVec::new(), point: 0 }, false, 0, false);
        write!(collect, "{magnitude:.held$e}").expect("collecting digits never fails");
        let Collect(mut digits, _, exponent, negative) = collect;
        digits.point = if negative { -exponent } else { exponent } + 1;
        digits
    }

    fn strip_zeros(&mut self) {
        while self.text.len() > 1 && self.text.last() == Some(&b'0') {
            self.text.pop();
        }
        if self.text.is_empty() {
            self.text.push(b'0');
            self.point = 1;
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("digits are ASCII")
    }

    fn lay_out(&self, out: &mut String, use_exponent: bool, flags: FloatFlags) {
        if use_exponent {
            return self.lay_out_exponent(out, self.text.len(), flags);
        }
        let (text, point) = (self.text(), self.point);
        if point <= 0 {
            out.push_str("0.");
            push_zeros(out, -point as usize);
            out.push_str(text);
        } else if point as usize >= text.len() {
            out.push_str(text);
            push_zeros(out, point as usize - text.len());
            if flags.add_dot_0 {
                out.push_str(".0");
            } else if flags.alternate {
                out.push('.');
            }
        } else {
            out.push_str(&text[..point as usize]);
            out.push('.');
            out.push_str(&text[point as usize..]);
        }
    }

    /// With `count` significant digits, zeros following those that are stored.
    fn lay_out_exponent(&self, out: &mut String, count: usize, flags: FloatFlags) {
        let text = self.text();
        out.push_str(&text[..1]);
        if count > 1 || flags.alternate {
            out.push('.');
        }
        out.push_str(&text[1..]);
        push_zeros(out, count.saturating_sub(text.len()));
        out.push(if flags.upper { 'E' } else { 'e' });
        let exponent = self.point - 1;
        out.push(if exponent < 0 { '-' } else { '+' });
        write!(out, "{:02}", exponent.unsigned_abs()).expect("a String takes all text");
    }
}

/// `float.hex(x)`.
pub fn hex(x: f64) -> String {
    if !x.is_finite() {
        return non_finite(x, false).to_owned();
    }
    let sign = if x.is_sign_negative() { "-" } else { "" };
    let bits = x.to_bits();
    let (exponent, mantissa) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    match (exponent, mantissa) {
        (0, 0) => format!("{sign}0x0.0p+0"),
        (0, _) => format!("{sign}0x0.{mantissa:013x}p-1022"),
        _ => format!("{sign}0x1.{mantissa:013x}p{:+}", exponent - 1023),
    }
}

/// `float.fromhex(text)`; the text may have space around it.
pub fn from_hex(text: &[u8]) -> Result<f64, Fault> {
    let malformed = || Fault::value("invalid hexadecimal floating-point string");
    let mut text = super::int_text::trim(text);
    let negative = text.first() == Some(&b'-');
    if let Some(b'+' | b'-') = text.first() {
        text = &text[1..];
    }
    let signed = |x: f64| if negative { -x } else { x };
    if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
        return Ok(signed(f64::INFINITY));
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Ok(signed(f64::NAN));
    }
    if text.len() >= 2 && text[0] == b'0' && text[1] | 32 == b'x' {
        text = &text[2..];
    }
    // The value is `mantissa * 2^exponent`, and a little more if a digit beyond the 60 bits held isn't zero.
    let (mut mantissa, mut sticky, mut exponent) = (0u64, false, 0i64);
    let (mut digits, mut point) = (0usize, false);
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'.' && !point {
            point = true;
        } else if let Some(digit) = (text[at] as char).to_digit(16) {
            digits += 1;
            if mantissa >> 56 == 0 {
                mantissa = mantissa << 4 | digit as u64;
                exponent -= 4 * point as i64;
            } else {
                sticky |= digit != 0;
                exponent += 4 * !point as i64;
            }
        } else {
            break;
        }
        at += 1;
    }
    if digits == 0 {
        return Err(malformed());
    }
    if at < text.len() {
        if text[at] | 32 != b'p' {
            return Err(malformed());
        }
        let power = &text[at + 1..];
        let unsigned = power.strip_prefix(b"-").or_else(|| power.strip_prefix(b"+")).unwrap_or(power);
        if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
            return Err(malformed());
        }
        let size = unsigned.iter().fold(0i64, |sum, digit| (sum * 10 + (digit - b'0') as i64).min(1 << 50));
        exponent += if power[0] == b'-' { -size } else { size };
    }
    if mantissa == 0 {
        return Ok(signed(0.0));
    }
    let x = super::float::compose(mantissa, sticky, exponent);
    if x.is_infinite() {
        return Err(Fault::overflow("hexadecimal value too large to represent as a float"));
    }
    Ok(signed(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repr_is_the_shortest_text() {
        for (x, text) in [
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (-0.0, "-0.0"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (1e22, "1e+22"),
            (100.0, "100.0"),
            (5.684341886080802e-14, "5.684341886080802e-14"),
        ] {
            assert_eq!(repr(x), text);
        }
    }

    #[test]
    fn styles_round_the_exact_value() {
        use FloatStyle::*;
        let plain = FloatFlags::default();
        let alternate = FloatFlags { alternate: true, ..plain };
        for (x, style, precision, flags, text) in [
            (2.675, Fixed, 2, plain, "2.67"),
            (0.5, Fixed, 0, plain, "0"),
            (1.5, Fixed, 0, alternate, "2."),
            (2.5, Fixed, 0, plain, "2"),
            (1e22, Fixed, 1, plain, "10000000000000000000000.0"),
            (12345.678, Exponent, 2, plain, "1.23e+04"),
            (0.0, Exponent, 3, plain, "0.000e+00"),
            (2.5, Exponent, 0, plain, "2e+00"),
            (2.5, Exponent, 0, alternate, "2.e+00"),
            (100000.0, General, 6, plain, "100000"),
            (1000000.0, General, 6, plain, "1e+06"),
            (0.0001, General, 6, plain, "0.0001"),
            (0.00001, General, 6, plain, "1e-05"),
            (0.0, General, 6, alternate, "0.00000"),
            (3.0, General, 6, alternate, "3.00000"),
            (0.001, General, 3, alternate, "0.00100"),
            (1e10, General, 3, alternate, "1.00e+10"),
            (0.1, Fixed, 60, plain, "0.100000000000000005551115123125782702118158340454101562500000"),
        ] {
            let mut out = String::new();
            format_float(&mut out, x, style, precision, flags);
            assert_eq!(out, text, "{x} {style:?} {precision}");
        }
    }

    #[test]
    fn hexadecimal_both_ways() {
        for (x, text) in [
            (1.0, "0x1.0000000000000p+0"),
            (-0.1, "-0x1.999999999999ap-4"),
            (5e-324, "0x0.0000000000001p-1022"),
            (0.0, "0x0.0p+0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(hex(x), text);
            assert_eq!(from_hex(text.as_bytes()), Ok(x));
        }
        assert_eq!(from_hex(b" 0x.8p1 "), Ok(1.0));
        assert_eq!(from_hex(b"1.8"), Ok(1.5));
        assert_eq!(from_hex(b"0x1.00000000000008p0"), Ok(1.0));
        assert_eq!(from_hex(b"0x1.000000000000080000000001p0"), Ok(1.0000000000000002));
        assert_eq!(from_hex(b"0x1p-1075"), Ok(0.0));
        assert_eq!(from_hex(b"0x1.8p-1075"), Ok(5e-324));
        assert!(from_hex(b"0x1p1024").is_err());
        assert!(from_hex(b"0x").is_err());
        assert!(from_hex(b"xyz").is_err());
    }
}
