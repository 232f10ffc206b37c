//! Decimal arithmetic for the everyday: finite numbers with coefficients of at most 38 digits, results that are normal numbers in their
//! context. Everything here gives None where that is not so, and the library's own arithmetic (`stdlib/_decimal_*.aio`), which knows all
//! of it, is asked instead; both must give the same digits and the same conditions.

use smallvec::SmallVec;

/// A result was rounded and digits were lost: the bit of a status that says so.
pub const INEXACT: i64 = 64;
/// A result was rounded, perhaps by zeros alone.
pub const ROUNDED: i64 = 4096;

/// The powers of ten that fit 128 bits.
const TENS: [u128; 39] = {
    let mut tens = [1u128; 39];
    let mut n = 1;
    while n < 39 {
        tens[n] = tens[n - 1] * 10;
        n += 1;
    }
    tens
};

/// 10 to the 19th: the largest power of ten that fits 64 bits.
const TEN_19: u64 = 10_000_000_000_000_000_000;

/// Which way digits are rounded that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// Towards infinity.
    Ceiling,
    /// Towards minus infinity.
    Floor,
    /// To the nearest, ties away from zero.
    HalfUp,
    /// To the nearest, ties towards zero.
    HalfDown,
    /// To the nearest, ties to the even digit.
    HalfEven,
    /// Away from zero where the last digit would be 0 or 5, else towards zero.
    Up05,
}

impl Rounding {
    /// The rounding that a name of the module `decimal` means.
    pub fn named(name: &[u8]) -> Option<Rounding> {
        Some(match name {
            b"ROUND_HALF_EVEN" => Rounding::HalfEven,
            b"ROUND_HALF_UP" => Rounding::HalfUp,
            b"ROUND_HALF_DOWN" => Rounding::HalfDown,
            b"ROUND_UP" => Rounding::Up,
            b"ROUND_DOWN" => Rounding::Down,
            b"ROUND_CEILING" => Rounding::Ceiling,
            b"ROUND_FLOOR" => Rounding::Floor,
            b"ROUND_05UP" => Rounding::Up05,
            _ => return None,
        })
    }

    /// Whether a quotient becomes one more, given what is left: whether it is nothing, and how it compares with a half.
    fn up(self, negative: bool, quotient: u128, half: std::cmp::Ordering) -> bool {
        match self {
            Rounding::Up => true,
            Rounding::Down => false,
            Rounding::Ceiling => !negative,
            Rounding::Floor => negative,
            Rounding::HalfUp => half.is_ge(),
            Rounding::HalfDown => half.is_gt(),
            Rounding::HalfEven => half.is_gt() || half.is_eq() && quotient & 1 == 1,
            Rounding::Up05 => quotient.is_multiple_of(5),
        }
    }
}

/// What a context asks of results.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Most digits, at most 38.
    pub precision: u32,
    /// Least exponent of the first digit of a normal number.
    pub least: i64,
    /// Largest exponent of the first digit.
    pub most: i64,
    /// How digits are dropped.
    pub rounding: Rounding,
    /// Whether exponents are kept in the range of an interchange format.
    pub folds: bool,
}

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finite {
    /// Its sign.
    pub negative: bool,
    /// Its digits.
    pub coefficient: u128,
    /// The power of ten that they are multiplied by.
    pub exponent: i64,
}

/// A result, and the conditions met on the way.
pub type Made = Option<(Finite, i64)>;

/// How many digits a coefficient has; 1 for zero.
#[inline]
pub fn digits(c: u128) -> u32 {
    match u64::try_from(c) {
        Ok(0) => 1,
        Ok(small) => small.ilog10() + 1,
        Err(_) => {
            // A little too small at most: 1233 / 4096 is just below the logarithm of 2.
            let least = ((127 - c.leading_zeros()) * 1233) >> 12;
            least + u32::from(c >= TENS[least as usize]) + u32::from(least < 38 && c >= TENS[least as usize + 1])
        }
    }
}

/// `a / b` and what is left.
#[inline]
fn divide_u128(a: u128, b: u128) -> (u128, u128) {
    match (u64::try_from(a), u64::try_from(b)) {
        (Ok(a), Ok(b)) => (u128::from(a / b), u128::from(a % b)),
        _ => (a / b, a % b),
    }
}

/// Drops digits of a coefficient: what is left, and whether something was lost. `below` says that there was more behind its last digit.
fn round_off(negative: bool, c: u128, drop: u32, below: bool, rounding: Rounding) -> Option<(u128, bool)> {
    let power = *TENS.get(drop as usize)?;
    let (quotient, rest) = divide_u128(c, power);
    if rest == 0 && !below {
        return Some((quotient, false));
    }
    let half = (rest.checked_mul(2)?).cmp(&power).then(if below {
        std::cmp::Ordering::Greater
    } else {
        std::cmp::Ordering::Equal
    });
    Some((quotient + u128::from(rounding.up(negative, quotient, half)), true))
}

/// A finite result rounded to a context. `below` says that it is a little more than that.
fn fix(negative: bool, c: u128, e: i64, below: bool, rules: &Rules) -> Made {
    let done = |c, e, status| Some((Finite { negative, coefficient: c, exponent: e }, status));
    let top = rules.most - i64::from(rules.precision) + 1;
    if c == 0 {
        let fits =
            !below && e > rules.least - i64::from(rules.precision) && e <= if rules.folds { top } else { rules.most };
        return if fits { done(0, e, 0) } else { None };
    }
    let n = digits(c);
    let first = e + i64::from(n) - 1;
    if first < rules.least || first > rules.most {
        return None;
    }
    if n <= rules.precision {
        return if below || rules.folds && e > top { None } else { done(c, e, 0) };
    }
    let drop = n - rules.precision;
    let (mut c, lost) = round_off(negative, c, drop, below, rules.rounding)?;
    let mut e = e + i64::from(drop);
    if c == TENS[rules.precision as usize] {
        c /= 10;
        e += 1;
    }
    if e > top {
        return None;
    }
    done(c, e, if lost { ROUNDED | INEXACT } else { ROUNDED })
}

// ---- 256 bits ----

/// A number of 256 bits, its lowest part first.
type Wide = [u64; 4];

fn wide_product(a: u128, b: u128) -> Wide {
    let (a, b) = ([a as u64, (a >> 64) as u64], [b as u64, (b >> 64) as u64]);
    let mut product = [0u64; 4];
    for (i, x) in a.into_iter().enumerate() {
        let mut carry = 0u128;
        for (j, y) in b.into_iter().enumerate() {
            let sum = u128::from(x) * u128::from(y) + u128::from(product[i + j]) + carry;
            product[i + j] = sum as u64;
            carry = sum >> 64;
        }
        product[i + 2] = carry as u64;
    }
    product
}

/// The quotient by a number of 64 bits, and what is left.
fn wide_divide(mut a: Wide, b: u64) -> (Wide, u64) {
    let mut rest = 0u64;
    for part in a.iter_mut().rev() {
        let both = u128::from(rest) << 64 | u128::from(*part);
        (*part, rest) = ((both / u128::from(b)) as u64, (both % u128::from(b)) as u64);
    }
    (a, rest)
}

fn narrow(a: Wide) -> Option<u128> {
    (a[2] == 0 && a[3] == 0).then(|| u128::from(a[1]) << 64 | u128::from(a[0]))
}

/// As `fix`, of more than 128 bits: digits are dropped until it fits, and whether there were any is remembered.
fn fix_wide(negative: bool, mut c: Wide, mut e: i64, mut below: bool, rules: &Rules) -> Made {
    loop {
        if let Some(c) = narrow(c) {
            // With more dropped than the precision leaves out this is not decided here.
            if digits(c) <= rules.precision {
                return None;
            }
            return fix(negative, c, e, below, rules);
        }
        // What is left is to have more digits than the precision, so of little more than 128 bits only few are dropped.
        let step = if c[3] == 0 && c[2] < 1 << 32 { 9 } else { 19 };
        let (quotient, rest) = wide_divide(c, if step == 19 { TEN_19 } else { 1_000_000_000 });
        c = quotient;
        below |= rest != 0;
        e += step;
    }
}

// ---- arithmetic ----

/// `a + b`, or `a - b` if `minus`.
pub fn add(a: Finite, b: Finite, minus: bool, rules: &Rules) -> Made {
    let mut sign = a.negative;
    let other = b.negative ^ minus;
    let (mut c, mut d, mut e) = (a.coefficient, b.coefficient, a.exponent);
    let zero_sign = rules.rounding == Rounding::Floor;
    if e != b.exponent {
        let least = e.min(b.exponent);
        if c == 0 || d == 0 {
            if c == 0 && d == 0 {
                return fix(if sign == other { sign } else { zero_sign }, 0, least, false, rules);
            }
            if c == 0 {
                (sign, c, e) = (other, d, b.exponent);
            }
            if e > least {
                // A zero still asks for its exponent.
                let shift = u32::try_from(e - least).ok()?;
                if i64::from(shift) > i64::from(rules.precision) - i64::from(digits(c)) {
                    return None;
                }
                c = c.checked_mul(*TENS.get(shift as usize)?)?;
            }
            return fix(sign, c, least, false, rules);
        }
        let gap = usize::try_from(e.checked_sub(b.exponent)?.unsigned_abs()).ok()?;
        let power = *TENS.get(gap)?;
        if e > b.exponent {
            c = c.checked_mul(power)?;
        } else {
            d = d.checked_mul(power)?;
        }
        e = least;
    }
    if sign == other {
        return fix(sign, c.checked_add(d)?, e, false, rules);
    }
    match c.cmp(&d) {
        std::cmp::Ordering::Greater => fix(sign, c - d, e, false, rules),
        std::cmp::Ordering::Less => fix(other, d - c, e, false, rules),
        std::cmp::Ordering::Equal => fix(zero_sign, 0, e, false, rules),
    }
}

/// `a * b`.
pub fn multiply(a: Finite, b: Finite, rules: &Rules) -> Made {
    let negative = a.negative ^ b.negative;
    let e = a.exponent + b.exponent;
    match a.coefficient.checked_mul(b.coefficient) {
        Some(c) => fix(negative, c, e, false, rules),
        None => fix_wide(negative, wide_product(a.coefficient, b.coefficient), e, false, rules),
    }
}

/// `a / b`.
pub fn divide(a: Finite, b: Finite, rules: &Rules) -> Made {
    let (c, d) = (a.coefficient, b.coefficient);
    if d == 0 {
        return None;
    }
    let negative = a.negative ^ b.negative;
    let ideal = a.exponent - b.exponent;
    if c == 0 {
        return fix(negative, 0, ideal, false, rules);
    }
    let shift = i64::from(digits(d)) - i64::from(digits(c)) + i64::from(rules.precision) + 1;
    let power = *TENS.get(usize::try_from(shift).ok()?)?;
    let e = ideal - shift;
    let small = u64::try_from(d);
    let (quotient, rest) = match (c.checked_mul(power), small) {
        (Some(numerator), _) => divide_u128(numerator, d),
        (None, Ok(small)) => {
            let (quotient, rest) = wide_divide(wide_product(c, power), small);
            (narrow(quotient)?, u128::from(rest))
        }
        (None, Err(_)) => {
            let numerator = num_bigint::BigUint::from(c) * power;
            let divisor = num_bigint::BigUint::from(d);
            let quotient = &numerator / &divisor;
            let rest = numerator - &quotient * divisor;
            (u128::try_from(quotient).ok()?, u128::try_from(rest).ok()?)
        }
    };
    if rest != 0 {
        return fix(negative, quotient, e, true, rules);
    }
    let (quotient, e) = stripped(quotient, e, ideal);
    fix(negative, quotient, e, false, rules)
}

/// Without trailing zeros, as long as the exponent stays at most `ideal`.
fn stripped(mut c: u128, mut e: i64, ideal: i64) -> (u128, i64) {
    for step in [16u32, 8, 4, 2, 1] {
        // A number with n zeros at its end is divided by two n times, too.
        while ideal - e >= i64::from(step) && c.trailing_zeros() >= step {
            let (quotient, rest) = divide_u128(c, TENS[step as usize]);
            if rest != 0 {
                break;
            }
            c = quotient;
            e += i64::from(step);
        }
    }
    (c, e)
}

/// `a` with the exponent `e`.
pub fn quantize(a: Finite, e: i64, rounding: Rounding, rules: &Rules) -> Made {
    let precision = i64::from(rules.precision);
    if e <= rules.least - precision || e > rules.most || rules.folds {
        return None;
    }
    if a.coefficient == 0 {
        return fix(a.negative, 0, e, false, rules);
    }
    let first = a.exponent + i64::from(digits(a.coefficient)) - 1;
    if first > rules.most || first - e + 1 > precision {
        return None;
    }
    let shift = a.exponent.checked_sub(e)?;
    let (c, status) = if shift >= 0 {
        (a.coefficient.checked_mul(*TENS.get(usize::try_from(shift).ok()?)?)?, 0)
    } else {
        let drop = u32::try_from(-shift).ok()?;
        let (c, lost) = round_off(a.negative, a.coefficient, drop, false, rounding)?;
        (c, if lost { ROUNDED | INEXACT } else { ROUNDED })
    };
    if c >= *TENS.get(rules.precision as usize)? {
        return None;
    }
    let first = e + i64::from(digits(c)) - 1;
    if c != 0 && (first > rules.most || first < rules.least) {
        return None;
    }
    Some((Finite { negative: a.negative, coefficient: c, exponent: e }, status))
}

/// How `a` compares with `b`.
pub fn compare(a: Finite, b: Finite) -> Option<std::cmp::Ordering> {
    use std::cmp::Ordering;
    let (c, d) = (a.coefficient, b.coefficient);
    if c == 0 || d == 0 {
        let sign = |x: Finite| {
            if x.coefficient == 0 {
                0
            } else if x.negative {
                -1
            } else {
                1
            }
        };
        return Some(sign(a).cmp(&sign(b)));
    }
    if a.negative != b.negative {
        return Some(b.negative.cmp(&a.negative));
    }
    let magnitude = if a.exponent == b.exponent {
        c.cmp(&d)
    } else {
        let (left, right) = (i64::from(digits(c)) + a.exponent, i64::from(digits(d)) + b.exponent);
        match left.cmp(&right) {
            Ordering::Equal => {
                let power = *TENS.get(usize::try_from(a.exponent.abs_diff(b.exponent)).ok()?)?;
                if a.exponent > b.exponent { c.checked_mul(power)?.cmp(&d) } else { c.cmp(&d.checked_mul(power)?) }
            }
            decided @ (Ordering::Less | Ordering::Greater) => decided,
        }
    };
    Some(if a.negative { magnitude.reverse() } else { magnitude })
}

/// The whole number that `a` is when digits behind the point are dropped.
pub fn truncated(a: Finite) -> Option<u128> {
    match a.exponent {
        0 => Some(a.coefficient),
        e if e > 0 => a.coefficient.checked_mul(*TENS.get(usize::try_from(e).ok()?)?),
        e => Some(match usize::try_from(e.unsigned_abs()).ok().and_then(|e| TENS.get(e)) {
            Some(power) => divide_u128(a.coefficient, *power).0,
            None => 0,
        }),
    }
}

// ---- text ----

/// The number that a text of ASCII digits with sign, point and exponent means, with nothing around it and not too long.
pub fn parse(text: &[u8]) -> Option<Finite> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (mut coefficient, mut count, mut behind, mut point) = (0u128, 0u32, 0i64, false);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                // Zeros in front are not counted: only what makes the coefficient long.
                if coefficient != 0 || *byte != b'0' {
                    count += 1;
                }
                if count > 38 {
                    return None;
                }
                coefficient = coefficient * 10 + u128::from(byte - b'0');
                behind += i64::from(point);
            }
            b'.' if !point => point = true,
            b'e' | b'E' => break,
            _ => return None,
        }
        at += 1;
    }
    if at == usize::from(point) {
        return None;
    }
    let mut exponent = 0i64;
    if let Some([_, rest @ ..]) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (minus, rest) = match rest {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.is_empty() || rest.len() > 9 || !rest.iter().all(u8::is_ascii_digit) {
            return None;
        }
        exponent = rest.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        if minus {
            exponent = -exponent;
        }
    }
    Some(Finite { negative, coefficient, exponent: exponent - behind })
}

/// Text of a number.
pub type Text = SmallVec<[u8; 64]>;

/// The digits of a coefficient.
fn write_digits(c: u128, buffer: &mut [u8; 40]) -> &[u8] {
    let mut at = buffer.len();
    let mut rest = c;
    while rest >> 64 != 0 {
        let mut low = (rest % u128::from(TEN_19)) as u64;
        rest /= u128::from(TEN_19);
        for _ in 0..19 {
            at -= 1;
            buffer[at] = b'0' + (low % 10) as u8;
            low /= 10;
        }
    }
    let mut rest = rest as u64;
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    &buffer[at..]
}

/// As `str()` writes a number.
pub fn write(a: Finite, capital: bool) -> Text {
    let mut buffer = [0; 40];
    let digits = write_digits(a.coefficient, &mut buffer);
    let mut text = Text::new();
    if a.negative {
        text.push(b'-');
    }
    let left = a.exponent + digits.len() as i64;
    if a.exponent > 0 || left <= -6 {
        // One digit before the point.
        text.push(digits[0]);
        if digits.len() > 1 {
            text.push(b'.');
            text.extend_from_slice(&digits[1..]);
        }
        let shown = left - 1;
        text.push(if capital { b'E' } else { b'e' });
        text.push(if shown < 0 { b'-' } else { b'+' });
        text.extend_from_slice(write_digits(u128::from(shown.unsigned_abs()), &mut [0; 40]));
        return text;
    }
    write_plain(digits, a.exponent, &mut text);
    text
}

/// Digits with a point and no exponent; `exponent` is at most zero, and not far below.
fn write_plain(digits: &[u8], exponent: i64, text: &mut Text) {
    let behind = exponent.unsigned_abs() as usize;
    if behind == 0 {
        text.extend_from_slice(digits);
        return;
    }
    match digits.len().checked_sub(behind) {
        Some(whole) if whole > 0 => {
            text.extend_from_slice(&digits[..whole]);
            text.push(b'.');
            text.extend_from_slice(&digits[whole..]);
        }
        _ => {
            text.extend_from_slice(b"0.");
            text.extend(std::iter::repeat_n(b'0', behind - digits.len()));
            text.extend_from_slice(digits);
        }
    }
}

/// What the most usual format specifiers ask for: `[0][width][,][.precision][f]`, aligned to the right.
#[derive(Clone, Copy, Debug, Default)]
struct Layout {
    zeros: bool,
    width: usize,
    commas: bool,
    precision: Option<u32>,
    fixed: bool,
}

impl Layout {
    fn parse(spec: &[u8]) -> Option<Layout> {
        let mut layout = Layout::default();
        let mut rest = spec;
        let number = |rest: &mut &[u8]| -> Option<usize> {
            let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            if count > 3 {
                return None;
            }
            let (digits, behind) = rest.split_at(count);
            *rest = behind;
            Some(digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
        };
        if let [b'0', behind @ ..] = rest {
            (layout.zeros, rest) = (true, behind);
        }
        if rest.first() == Some(&b'0') {
            return None;
        }
        layout.width = number(&mut rest)?;
        if let [b',', behind @ ..] = rest {
            (layout.commas, rest) = (true, behind);
        }
        if let [b'.', behind @ ..] = rest {
            rest = behind;
            if !rest.first().is_some_and(u8::is_ascii_digit) {
                return None;
            }
            layout.precision = Some(u32::try_from(number(&mut rest)?).ok()?);
        }
        if let [b'f' | b'F', behind @ ..] = rest {
            (layout.fixed, rest) = (true, behind);
        }
        rest.is_empty().then_some(layout)
    }
}

/// As `format()` writes a number for the usual specifiers.
pub fn format(a: Finite, spec: &[u8], rounding: Rounding) -> Option<Text> {
    let layout = Layout::parse(spec)?;
    let (mut c, mut e) = (a.coefficient, a.exponent);
    if let Some(precision) = layout.precision {
        if !layout.fixed {
            return None;
        }
        let shift = e.checked_add(i64::from(precision))?;
        if shift >= 0 {
            c = c.checked_mul(*TENS.get(usize::try_from(shift).ok()?)?)?;
        } else {
            let drop = u32::try_from(-shift).ok()?;
            (c, _) = round_off(a.negative, c, drop, false, rounding)?;
        }
        e = -i64::from(precision);
    }
    if !(-60..=0).contains(&e) {
        return None;
    }
    let mut buffer = [0; 40];
    let digits = write_digits(c, &mut buffer);
    if !layout.fixed && e + digits.len() as i64 <= -6 {
        return None;
    }
    let mut plain = Text::new();
    write_plain(digits, e, &mut plain);
    let whole = plain.iter().position(|b| *b == b'.').unwrap_or(plain.len());
    let sign = usize::from(a.negative);
    // Zeros in front belong to the groups, which is more than this does.
    if layout.commas && layout.zeros {
        return None;
    }
    let commas = if layout.commas { (whole - 1) / 3 } else { 0 };
    let padding = layout.width.saturating_sub(sign + plain.len() + commas);
    let mut text = Text::new();
    if !layout.zeros {
        text.extend(std::iter::repeat_n(b' ', padding));
    }
    if a.negative {
        text.push(b'-');
    }
    if layout.zeros {
        text.extend(std::iter::repeat_n(b'0', padding));
    }
    for (at, byte) in plain.iter().enumerate() {
        if layout.commas && at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            text.push(b',');
        }
        text.push(*byte);
    }
    Some(text)
}

/// The hash of a number: that of the int or fraction it is equal to, which is a residue of a prime.
pub fn hash(a: Finite) -> i64 {
    const PRIME: u128 = (1 << 61) - 1;
    /// What ten is to be multiplied by to get 1.
    const TENTH: u128 = 2_075_258_708_292_324_556;
    let mut power = 1u128;
    let mut base = if a.exponent < 0 { TENTH } else { 10 };
    let mut left = a.exponent.unsigned_abs();
    while left > 0 {
        if left & 1 == 1 {
            power = power * base % PRIME;
        }
        base = base * base % PRIME;
        left >>= 1;
    }
    let value = ((a.coefficient % PRIME) * power % PRIME) as i64;
    match if a.negative { -value } else { value } {
        -1 => -2,
        hash => hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Finite {
        parse(text.as_bytes()).expect("a number")
    }

    fn text(made: Made) -> String {
        let (number, _) = made.expect("within what this knows");
        String::from_utf8(write(number, true).to_vec()).expect("ASCII")
    }

    const RULES: Rules =
        Rules { precision: 28, least: -999_999, most: 999_999, rounding: Rounding::HalfEven, folds: false };

    #[test]
    fn counts_digits() {
        for (zeroes, ten) in (0..).zip(TENS) {
            assert_eq!(digits(ten), zeroes + 1);
            assert_eq!(digits((ten - 1).max(1)), zeroes.max(1));
        }
        assert_eq!((digits(0), digits(u128::MAX)), (1, 39));
    }

    #[test]
    fn rounds_products_and_quotients() {
        let short = number("0.3333333333333333333");
        assert_eq!(text(multiply(short, short, &RULES)), "0.1111111111111111110888888889");
        assert_eq!(text(divide(number("1"), number("3"), &RULES)), "0.3333333333333333333333333333");
        assert_eq!(text(divide(number("2"), number("0.3333333333"), &RULES)), "6.000000000600000000060000000");
        assert_eq!(text(divide(number("1"), number("4"), &RULES)), "0.25");
        assert_eq!(text(divide(number("10"), number("2"), &RULES)), "5");
        assert_eq!(text(add(number("0"), number("1E+3"), false, &RULES)), "1000");
        assert_eq!(text(quantize(number("2.675"), -2, Rounding::HalfEven, &RULES)), "2.68");
    }

    #[test]
    fn writes_formats() {
        let shown = |text: &str, spec: &str| {
            format(number(text), spec.as_bytes(), Rounding::HalfEven)
                .map(|text| String::from_utf8(text.to_vec()).expect("ASCII"))
        };
        assert_eq!(shown("1234567.891", ",.2f").as_deref(), Some("1,234,567.89"));
        assert_eq!(shown("-5", "08.2f").as_deref(), Some("-0005.00"));
        assert_eq!(shown("0.5", "10").as_deref(), Some("       0.5"));
        assert_eq!(shown("123456", ",").as_deref(), Some("123,456"));
        assert_eq!(shown("1", ".2"), None);
    }
}
