//! Complex arithmetic, `repr` and reading text.

use super::Fault;
use super::float_repr::{FloatFlags, FloatStyle, format_float};

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    /// The real part.
    pub re: f64,
    /// The imaginary part.
    pub im: f64,
}

/// An operand: a float isn't a complex number with a zero imaginary part, that would spoil signs and infinities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// An integer or float.
    Real(f64),
    /// A complex number.
    Complex(Complex),
}

impl Operand {
    fn widen(self) -> Complex {
        match self {
            Operand::Real(re) => Complex::new(re, 0.0),
            Operand::Complex(z) => z,
        }
    }
}

impl Complex {
    /// From its parts.
    pub const fn new(re: f64, im: f64) -> Complex {
        Complex { re, im }
    }

    fn is_nan(self) -> bool {
        self.re.is_nan() && self.im.is_nan()
    }

    fn is_infinite(self) -> bool {
        self.re.is_infinite() || self.im.is_infinite()
    }

    fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    /// Infinite parts become ±1, the others ±0: the direction of an infinite number.
    fn direction(self) -> Complex {
        let unit = |x: f64| if x.is_infinite() { 1f64.copysign(x) } else { 0f64.copysign(x) };
        Complex::new(unit(self.re), unit(self.im))
    }

    fn without_nans(self) -> Complex {
        let zero = |x: f64| if x.is_nan() { 0f64.copysign(x) } else { x };
        Complex::new(zero(self.re), zero(self.im))
    }
}

/// `a + b`.
pub fn add(a: Operand, b: Operand) -> Complex {
    match (a, b) {
        (Operand::Real(x), Operand::Complex(z)) | (Operand::Complex(z), Operand::Real(x)) => {
            Complex::new(z.re + x, z.im)
        }
        (a, b) => {
            let (a, b) = (a.widen(), b.widen());
            Complex::new(a.re + b.re, a.im + b.im)
        }
    }
}

/// `a - b`.
pub fn subtract(a: Operand, b: Operand) -> Complex {
    match (a, b) {
        (Operand::Complex(z), Operand::Real(x)) => Complex::new(z.re - x, z.im),
        (Operand::Real(x), Operand::Complex(z)) => Complex::new(x - z.re, -z.im),
        (a, b) => {
            let (a, b) = (a.widen(), b.widen());
            Complex::new(a.re - b.re, a.im - b.im)
        }
    }
}

/// `a * b`.
pub fn multiply(a: Operand, b: Operand) -> Complex {
    match (a, b) {
        (Operand::Complex(z), Operand::Real(x)) | (Operand::Real(x), Operand::Complex(z)) => {
            Complex::new(z.re * x, z.im * x)
        }
        (a, b) => product(a.widen(), b.widen()),
    }
}

/// Plain multiplication makes nan of most infinite products; C99's annex G says which infinity was meant.
fn product(a: Complex, b: Complex) -> Complex {
    let terms = [a.re * b.re, a.im * b.im, a.re * b.im, a.im * b.re];
    let plain = Complex::new(terms[0] - terms[1], terms[2] + terms[3]);
    if !plain.is_nan() {
        return plain;
    }
    let (mut a, mut b) = (a, b);
    let mut again = false;
    if a.is_infinite() {
        (a, b, again) = (a.direction(), b.without_nans(), true);
    }
    if b.is_infinite() {
        (a, b, again) = (a.without_nans(), b.direction(), true);
    }
    if !again && terms.iter().any(|term| term.is_infinite()) {
        (a, b, again) = (a.without_nans(), b.without_nans(), true);
    }
    if !again {
        return plain;
    }
    Complex::new(f64::INFINITY * (a.re * b.re - a.im * b.im), f64::INFINITY * (a.re * b.im + a.im * b.re))
}

/// `a / b`.
pub fn divide(a: Operand, b: Operand) -> Result<Complex, Fault> {
    let zero = || Fault::zero_division("division by zero");
    match (a, b) {
        (Operand::Complex(_), Operand::Real(0.0)) => Err(zero()),
        (Operand::Complex(z), Operand::Real(x)) => Ok(Complex::new(z.re / x, z.im / x)),
        (Operand::Real(x), Operand::Complex(z)) => quotient(Complex::new(x, 0.0), z, true).ok_or_else(zero),
        (a, b) => quotient(a.widen(), b.widen(), false).ok_or_else(zero),
    }
}

/// Smith's method: divide by the larger part first, so that nothing overflows on the way. `real`: a has no imaginary part.
fn quotient(a: Complex, b: Complex, real: bool) -> Option<Complex> {
    let plain = if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 {
            return None;
        }
        let ratio = b.im / b.re;
        let size = b.re + b.im * ratio;
        if real {
            Complex::new(a.re / size, -a.re * ratio / size)
        } else {
            Complex::new((a.re + a.im * ratio) / size, (a.im - a.re * ratio) / size)
        }
    } else if b.im.abs() >= b.re.abs() {
        let ratio = b.re / b.im;
        let size = b.re * ratio + b.im;
        if real {
            Complex::new(a.re * ratio / size, -a.re / size)
        } else {
            Complex::new((a.re * ratio + a.im) / size, (a.im * ratio - a.re) / size)
        }
    } else {
        Complex::new(f64::NAN, f64::NAN)
    };
    if !plain.is_nan() {
        return Some(plain);
    }
    Some(if a.is_infinite() && b.is_finite() && !real {
        let a = a.direction();
        Complex::new(f64::INFINITY * (a.re * b.re + a.im * b.im), f64::INFINITY * (a.im * b.re - a.re * b.im))
    } else if b.is_infinite() && a.is_finite() {
        let b = b.direction();
        if real {
            Complex::new(0.0 * (a.re * b.re), 0.0 * (-a.re * b.im))
        } else {
            Complex::new(0.0 * (a.re * b.re + a.im * b.im), 0.0 * (a.im * b.re - a.re * b.im))
        }
    } else {
        plain
    })
}

/// `a ** b`.
pub fn power(a: Complex, b: Complex) -> Result<Complex, Fault> {
    let zero = || Fault::zero_division("zero to a negative or complex power");
    let z = if b.im == 0.0 && b.re == b.re.floor() && b.re.abs() <= 100.0 {
        let size = power_of(a, b.re.abs() as u32);
        if b.re >= 0.0 { size } else { quotient(Complex::new(1.0, 0.0), size, false).ok_or_else(zero)? }
    } else if a.re == 0.0 && a.im == 0.0 {
        if b.im != 0.0 || b.re < 0.0 {
            return Err(zero());
        }
        Complex::default()
    } else {
        let size = a.re.hypot(a.im);
        let angle = a.im.atan2(a.re);
        let (mut length, mut phase) = (size.powf(b.re), angle * b.re);
        if b.im != 0.0 {
            length *= (-angle * b.im).exp();
            phase += b.im * size.ln();
        }
        Complex::new(length * phase.cos(), length * phase.sin())
    };
    if z.is_infinite() {
        return Err(Fault::overflow("complex exponentiation"));
    }
    Ok(z)
}

fn power_of(base: Complex, exponent: u32) -> Complex {
    let (mut result, mut square, mut rest) = (Complex::new(1.0, 0.0), base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result = product(result, square);
        }
        rest >>= 1;
        square = product(square, square);
    }
    result
}

/// `abs(z)`.
pub fn absolute(z: Complex) -> Result<f64, Fault> {
    let size = z.re.hypot(z.im);
    if size.is_infinite() && z.is_finite() {
        return Err(Fault::overflow("absolute value too large"));
    }
    Ok(size)
}

/// `repr(z)`.
pub fn repr(z: Complex) -> String {
    let mut out = String::new();
    let lone = z.re == 0.0 && z.re.is_sign_positive();
    if !lone {
        out.push('(');
        format_float(&mut out, z.re, FloatStyle::Repr, 0, FloatFlags::default());
        if !z.im.is_sign_negative() || z.im.is_nan() {
            out.push('+');
        }
    }
    format_float(&mut out, z.im, FloatStyle::Repr, 0, FloatFlags::default());
    out.push_str(if lone { "j" } else { "j)" });
    out
}

/// Reads a complex number as `complex(text)` does.
pub fn parse(text: &[u8]) -> Result<Complex, Fault> {
    parse_maybe(text).ok_or_else(|| {
        // Underscores that are not between digits are found before anything else.
        let between = |at: usize| {
            let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
            digit(at.checked_sub(1)) && digit(Some(at + 1))
        };
        if text.iter().enumerate().any(|(at, byte)| *byte == b'_' && !between(at)) {
            return Fault::value("could not convert string to complex: ");
        }
        Fault::value("complex() arg is a malformed string")
    })
}

fn parse_maybe(text: &[u8]) -> Option<Complex> {
    let mut text = super::int_text::trim(text);
    if let Some(inner) = text.strip_prefix(b"(") {
        text = super::int_text::trim(inner.strip_suffix(b")")?);
    }
    let is_j = |rest: &[u8]| matches!(rest, [b'j' | b'J']);
    let sign = |rest: &[u8]| match rest {
        [b'-', ..] => -1.0,
        _ => 1.0,
    };
    let (first, rest) = scan_float(text)?;
    let Some(first) = first else {
        let unsigned = rest.strip_prefix(b"+").or_else(|| rest.strip_prefix(b"-")).unwrap_or(rest);
        return is_j(unsigned).then(|| Complex::new(0.0, sign(rest)));
    };
    match rest {
        [] => Some(Complex::new(first, 0.0)),
        [b'j' | b'J'] => Some(Complex::new(0.0, first)),
        [b'+' | b'-', after @ ..] => match scan_float(rest)? {
            (Some(second), end) => is_j(end).then_some(Complex::new(first, second)),
            (None, _) => is_j(after).then(|| Complex::new(first, sign(rest))),
        },
        _ => None,
    }
}

/// The longest float at the start, if any, and what follows. `None` if it is malformed.
fn scan_float(text: &[u8]) -> Option<(Option<f64>, &[u8])> {
    let digits = |mut at: usize| {
        while text.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'_') {
            at += 1;
        }
        at
    };
    let start = matches!(text.first(), Some(b'+' | b'-')) as usize;
    let word = [&b"infinity"[..], b"inf", b"nan"]
        .into_iter()
        .find(|word| text.get(start..start + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)));
    let mut end = match word {
        Some(word) => start + word.len(),
        None => digits(start),
    };
    if word.is_none() {
        let mut any = end > start;
        if text.get(end) == Some(&b'.') {
            let after = digits(end + 1);
            any |= after > end + 1;
            end = after;
        }
        if !any {
            return Some((None, text));
        }
        if matches!(text.get(end), Some(b'e' | b'E')) {
            let sign = matches!(text.get(end + 1), Some(b'+' | b'-')) as usize;
            let after = digits(end + 1 + sign);
            if after > end + 1 + sign {
                end = after;
            }
        }
    }
    super::float::parse_float(&text[..end]).map(|x| (Some(x), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(re: f64, im: f64) -> Complex {
        Complex::new(re, im)
    }

    #[test]
    fn texts() {
        for (z, text) in [
            (c(0.0, 1.0), "1j"),
            (c(-0.0, 1.0), "(-0+1j)"),
            (c(1.0, -2.5), "(1-2.5j)"),
            (c(1e20, f64::NAN), "(1e+20+nanj)"),
            (c(0.0, f64::NEG_INFINITY), "-infj"),
            (c(1.0, -0.0), "(1-0j)"),
        ] {
            assert_eq!(repr(z), text);
        }
        for (text, z) in [
            ("1+2j", Some(c(1.0, 2.0))),
            (" ( 1-2.5e3J ) ", Some(c(1.0, -2500.0))),
            ("-j", Some(c(0.0, -1.0))),
            ("j", Some(c(0.0, 1.0))),
            ("1-j", Some(c(1.0, -1.0))),
            ("1_0j", Some(c(0.0, 10.0))),
            ("-inf+infinityj", Some(c(f64::NEG_INFINITY, f64::INFINITY))),
            ("1+", None),
            ("1 + 2j", None),
            ("1+2", None),
            ("(1", None),
            ("", None),
            ("1__0j", None),
            ("1e+j", None),
        ] {
            assert_eq!(parse(text.as_bytes()).ok(), z, "{text}");
        }
    }

    #[test]
    fn arithmetic() {
        use Operand::Complex as C;
        assert_eq!(multiply(C(c(1.0, 2.0)), C(c(3.0, -1.0))), c(5.0, 5.0));
        assert_eq!(divide(C(c(1.0, 2.0)), C(c(3.0, -1.0))), Ok(c(0.1, 0.7000000000000001)));
        assert_eq!(divide(C(c(1.0, 2.0)), Operand::Real(0.0)).unwrap_err().message, "division by zero");
        assert_eq!(subtract(Operand::Real(1.0), C(c(1.0, 0.0))).im.to_bits(), (-0.0f64).to_bits());
        assert_eq!(power(c(1.0, 2.0), c(3.0, 0.0)), Ok(c(-11.0, -2.0)));
        assert_eq!(power(c(0.0, 0.0), c(-1.0, 0.0)).unwrap_err().message, "zero to a negative or complex power");
        assert_eq!(power(c(1e200, 1.0), c(2.0, 0.0)).unwrap_err().message, "complex exponentiation");
        assert_eq!(product(c(f64::INFINITY, f64::NAN), c(1.0, 1.0)), c(f64::INFINITY, f64::INFINITY));
    }
}
