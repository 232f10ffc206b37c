//! Arithmetic on integers of thousands of digits and more: in less than quadratic time, and so that it can be given up on the way.
//!
//! Small pieces are left to the library; what is above is cut into them here. Before each piece a [`Watch`] is asked whether to go on.

use std::cell::Cell;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Pow, ToPrimitive, Zero};

use super::{Fault, FaultKind};

/// Bits of factors whose product is left to the library: it takes less than a millisecond.
const FACTOR: u64 = 64 * 1024;
/// Bits of a quotient below which the library's division, whose time is that of the product of quotient and divisor, is as good.
const QUOTIENT: u64 = 64 * 96;
/// Bits times bits of what the library takes about a millisecond for.
const WORK: u64 = 1 << 32;
/// Digits that are converted at once.
const DIGITS: usize = 1500;

/// What a long computation asks now and then.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    go_on: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl<'a> Watch<'a> {
    /// One that asks `go_on`.
    pub fn new(go_on: &'a dyn Fn() -> bool) -> Watch<'a> {
        Watch { go_on }
    }

    /// One that never stops anything.
    pub fn never() -> Watch<'static> {
        Watch { go_on: &|| true }
    }

    /// A fault if the computation is to be given up.
    pub fn check(&self) -> Result<(), Fault> {
        if (self.go_on)() { Ok(()) } else { Err(Fault::new(FaultKind::Interrupted, "")) }
    }

    /// As `check`, now and then: for work that goes from item to item.
    #[inline]
    pub fn check_at(&self, number: usize) -> Result<(), Fault> {
        if number % 4096 == 4095 { self.check() } else { Ok(()) }
    }
}

/// Counts questions, and answers the first so many of them with yes: what is begun anew after an interruption that came to nothing gets
/// twice as far.
#[derive(Debug, Default)]
pub struct Patience {
    asked: Cell<u64>,
    granted: Cell<u64>,
}

impl Patience {
    /// Whether to go on, if nobody grants more than `wanted` says.
    pub fn ask(&self, wanted: impl Fn() -> bool) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() <= self.granted.get() || wanted()
    }

    /// Begins anew.
    pub fn begin_again(&self) {
        self.granted.set(self.asked.get() * 2);
        self.asked.set(0);
    }
}

/// The bits from number `from` on, up to `count` of them.
fn part(a: &BigUint, from: u64, count: u64) -> BigUint {
    let above = a >> from;
    if above.bits() <= count {
        return above;
    }
    let high = (&above >> count) << count;
    above - high
}

/// `a * b`.
pub fn multiply(a: &BigUint, b: &BigUint, watch: &Watch<'_>) -> Result<BigUint, Fault> {
    let (a, b) = if a.bits() < b.bits() { (b, a) } else { (a, b) };
    if b.bits() <= FACTOR && a.bits().saturating_mul(b.bits()) <= 2 * FACTOR * FACTOR {
        watch.check()?;
        return Ok(a * b);
    }
    if a.bits() > b.bits() + b.bits() / 2 {
        // Halves of the longer one, until it is as short as the other.
        let half = a.bits() / 128 * 64;
        let high = multiply(&(a >> half), b, watch)?;
        return Ok((high << half) + multiply(&part(a, 0, half), b, watch)?);
    }
    // Three parts each make polynomials of degree two; five values of their product make its coefficients.
    let third = a.bits().div_ceil(3).next_multiple_of(64);
    let cut = |x: &BigUint| {
        let piece = |i: u64| BigInt::from(part(x, i * third, third));
        (piece(0), piece(1), BigInt::from(x >> (2 * third)))
    };
    let ((a0, a1, a2), (b0, b1, b2)) = (cut(a), cut(b));
    let values = |x0: &BigInt, x1: &BigInt, x2: &BigInt| {
        let even = x0 + x2;
        let (plus, minus) = (&even + x1, even - x1);
        let two = ((&minus + x2) << 1u32) - x0;
        (plus, minus, two)
    };
    let ((ap, am, at), (bp, bm, bt)) = (values(&a0, &a1, &a2), values(&b0, &b1, &b2));
    let times = |x: &BigInt, y: &BigInt| signed_multiply(x, y, watch);
    let (at_zero, at_one) = (times(&a0, &b0)?, times(&ap, &bp)?);
    let (at_minus_one, at_minus_two, at_infinity) = (times(&am, &bm)?, times(&at, &bt)?, times(&a2, &b2)?);
    let cubic = (at_minus_two - &at_one) / 3u32;
    let linear = (at_one - &at_minus_one) >> 1u32;
    let square = at_minus_one - &at_zero;
    let cubic = ((&square - cubic) >> 1u32) + (&at_infinity << 1u32);
    let square = square + &linear - &at_infinity;
    let linear = linear - &cubic;
    let sum = [linear, square, cubic, at_infinity]
        .into_iter()
        .enumerate()
        .fold(at_zero, |sum, (i, coefficient)| sum + (coefficient << (third * (i as u64 + 1))));
    Ok(sum.into_parts().1)
}

/// `a * b` with signs.
pub fn signed_multiply(a: &BigInt, b: &BigInt, watch: &Watch<'_>) -> Result<BigInt, Fault> {
    let sign = if (a.sign() == Sign::Minus) == (b.sign() == Sign::Minus) { Sign::Plus } else { Sign::Minus };
    Ok(BigInt::from_biguint(sign, multiply(a.magnitude(), b.magnitude(), watch)?))
}

/// Whether dividing is done sooner by the library.
fn divides_soon(a: &BigUint, b: &BigUint) -> bool {
    let quotient = a.bits().saturating_sub(b.bits());
    quotient <= QUOTIENT || b.bits() <= QUOTIENT || quotient.saturating_mul(b.bits()) <= WORK / 8
}

/// A quotient and what is left.
pub type Divided = (BigUint, BigUint);

/// Quotient and rest of `a / b`, which is not zero.
pub fn divide(a: &BigUint, b: &BigUint, watch: &Watch<'_>) -> Result<Divided, Fault> {
    watch.check()?;
    if a < b {
        return Ok((BigUint::zero(), a.clone()));
    }
    let quotient_bits = a.bits() - b.bits() + 1;
    if b.bits() <= QUOTIENT && quotient_bits > FACTOR * 16 {
        // A short divisor: in pieces, from the top.
        let piece = FACTOR * 4;
        return divide_by_pieces(a, b, piece, &|a, b| Ok(num_integer::Integer::div_rem(a, b)), watch);
    }
    if divides_soon(a, b) {
        return Ok(num_integer::Integer::div_rem(a, b));
    }
    if quotient_bits < b.bits() - b.bits() / 4 {
        // The leading bits of both make a quotient that is at most two too large.
        let low = b.bits() - quotient_bits;
        let (quotient, rest) = divide(&(a >> low), &(b >> low), watch)?;
        let lead = BigInt::from((rest << low) + part(a, 0, low));
        let rest = lead - BigInt::from(multiply(&quotient, &part(b, 0, low), watch)?);
        return Ok(settle(quotient, rest, b));
    }
    divide_by_pieces(a, b, b.bits(), &|a, b| divide_twice_as_long(a, b, b.bits(), watch), watch)
}

/// A quotient in digits of `piece` bits: `step` divides what has one digit more than the divisor has bits.
fn divide_by_pieces(
    a: &BigUint,
    b: &BigUint,
    piece: u64,
    step: &dyn Fn(&BigUint, &BigUint) -> Result<Divided, Fault>,
    watch: &Watch<'_>,
) -> Result<Divided, Fault> {
    let mut rest = BigUint::zero();
    let mut digits = vec![];
    cut(a, piece, a.bits().div_ceil(piece), &mut digits);
    for digit in &mut digits {
        watch.check()?;
        let (quotient, left) = step(&((rest << piece) + &*digit), b)?;
        *digit = quotient;
        rest = left;
    }
    digits.reverse();
    Ok((joined(&digits, piece), rest))
}

/// Appends the `count` digits of `piece` bits that a number has, the highest first.
fn cut(a: &BigUint, piece: u64, count: u64, into: &mut Vec<BigUint>) {
    if count <= 1 {
        return into.push(a.clone());
    }
    let low = count / 2;
    cut(&(a >> (piece * low)), piece, count - low, into);
    cut(&part(a, 0, piece * low), piece, low, into);
}

/// The number with these digits of `piece` bits, the lowest first.
fn joined(digits: &[BigUint], piece: u64) -> BigUint {
    match digits {
        [] => BigUint::zero(),
        [digit] => digit.clone(),
        _ => {
            let (low, high) = digits.split_at(digits.len() / 2);
            (joined(high, piece) << (piece * low.len() as u64)) + joined(low, piece)
        }
    }
}

/// A quotient that may be a little too large, with the rest that goes with it, put right.
fn settle(mut quotient: BigUint, mut rest: BigInt, b: &BigUint) -> (BigUint, BigUint) {
    let divisor = BigInt::from(b.clone());
    while rest.sign() == Sign::Minus {
        quotient -= 1u32;
        rest += &divisor;
    }
    (quotient, rest.into_parts().1)
}

/// Divides what is less than `b` shifted by its `n` bits: two halves of the quotient, each from the divisor's upper half.
fn divide_twice_as_long(a: &BigUint, b: &BigUint, n: u64, watch: &Watch<'_>) -> Result<Divided, Fault> {
    if divides_soon(a, b) {
        watch.check()?;
        return Ok(num_integer::Integer::div_rem(a, b));
    }
    if n % 2 == 1 {
        let (quotient, rest) = divide_twice_as_long(&(a << 1u32), &(b << 1u32), n + 1, watch)?;
        return Ok((quotient, rest >> 1u32));
    }
    let half = n / 2;
    let (high, low) = (b >> half, part(b, 0, half));
    let (upper, rest) = divide_half(&(a >> n), &part(a, half, half), b, &high, &low, half, watch)?;
    let (lower, rest) = divide_half(&rest, &part(a, 0, half), b, &high, &low, half, watch)?;
    Ok(((upper << half) + lower, rest))
}

/// Divides `lead` followed by the `n` bits of `next` by `b`, which is `high` followed by the `n` bits of `low`.
fn divide_half(
    lead: &BigUint,
    next: &BigUint,
    b: &BigUint,
    high: &BigUint,
    low: &BigUint,
    n: u64,
    watch: &Watch<'_>,
) -> Result<Divided, Fault> {
    let (quotient, rest) = if &(lead >> n) == high {
        ((BigUint::one() << n) - 1u32, lead - (high << n) + high)
    } else {
        divide_twice_as_long(lead, high, n, watch)?
    };
    let rest = BigInt::from((rest << n) + next) - BigInt::from(multiply(&quotient, low, watch)?);
    Ok(settle(quotient, rest, b))
}

/// `divmod(a, b)`, rounded down; `b` is not zero.
pub fn divide_floor(a: &BigInt, b: &BigInt, watch: &Watch<'_>) -> Result<(BigInt, BigInt), Fault> {
    let (quotient, rest) = divide(a.magnitude(), b.magnitude(), watch)?;
    let unlike = (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
    let (mut quotient, rest) = (BigInt::from(quotient), BigInt::from(rest));
    let mut rest = if a.sign() == Sign::Minus { -rest } else { rest };
    if unlike {
        quotient = -quotient;
        if !rest.is_zero() {
            quotient -= 1;
            rest += b;
        }
    }
    Ok((quotient, rest))
}

/// `a ** exponent`.
pub fn power(a: &BigUint, exponent: u64, watch: &Watch<'_>) -> Result<BigUint, Fault> {
    let zeros = a.trailing_zeros().unwrap_or(0);
    let odd = a >> zeros;
    if odd.bits().saturating_mul(exponent) <= FACTOR {
        return Ok(Pow::pow(odd, exponent) << (zeros * exponent));
    }
    let mut result = BigUint::one();
    for bit in (0..64 - exponent.leading_zeros()).rev() {
        result = multiply(&result, &result, watch)?;
        if exponent >> bit & 1 == 1 {
            result = multiply(&result, &odd, watch)?;
        }
    }
    Ok(result << (zeros * exponent))
}

/// `pow(base, exponent, modulus)`.
pub fn power_modulo(
    base: &BigUint,
    exponent: &BigUint,
    modulus: &BigUint,
    watch: &Watch<'_>,
) -> Result<BigUint, Fault> {
    let work = modulus.bits().saturating_mul(modulus.bits()).saturating_mul(exponent.bits());
    if work <= WORK * 16 && base.bits() <= modulus.bits() * 4 {
        return Ok(base.modpow(exponent, modulus));
    }
    // Four bits at a time.
    let base = divide(base, modulus, watch)?.1;
    let times = |x: &BigUint, y: &BigUint| divide(&multiply(x, y, watch)?, modulus, watch).map(|(_, rest)| rest);
    let mut powers = vec![BigUint::one() % modulus, base];
    for i in 2..16 {
        powers.push(times(&powers[i - 1], &powers[1])?);
    }
    let digits = exponent.to_radix_be(16);
    let mut result = powers[0].clone();
    for digit in digits {
        for _ in 0..4 {
            result = times(&result, &result)?;
        }
        if digit > 0 {
            result = times(&result, &powers[usize::from(digit)])?;
        }
    }
    Ok(result)
}

/// The integer square root: each round doubles the bits that are right.
pub fn square_root(a: &BigUint, watch: &Watch<'_>) -> Result<BigUint, Fault> {
    if a.bits() <= FACTOR / 4 {
        return Ok(a.sqrt());
    }
    let bits = (a.bits() - 1) / 2;
    let mut root = BigUint::one();
    let mut known = 0;
    for shift in (0..64 - bits.leading_zeros()).rev() {
        let next = bits >> shift;
        let (quotient, _) = divide(&(a >> (2 * bits - known - next + 1)), &root, watch)?;
        root = if next > known { (root << (next - known - 1)) + quotient } else { quotient };
        known = next;
    }
    Ok(if multiply(&root, &root, watch)? > *a { root - 1u32 } else { root })
}

/// The leading 62 bits below number `bits`.
fn lead(a: &BigUint, bits: u64) -> i64 {
    (a >> (bits - 62)).to_i64().expect("62 bits")
}

/// The greatest common divisor: many steps of Euclid's are taken on the leading digits alone.
pub fn gcd(a: &BigUint, b: &BigUint, watch: &Watch<'_>) -> Result<BigUint, Fault> {
    let (mut a, mut b) = if a < b { (b.clone(), a.clone()) } else { (a.clone(), b.clone()) };
    while b.bits() > 64 {
        if a.bits() - b.bits() > 32 {
            (a, b) = (b.clone(), divide(&a, &b, watch)?.1);
            continue;
        }
        watch.check()?;
        let (mut x, mut y) = (lead(&a, a.bits()), lead(&b, a.bits()));
        // What the steps made of both: x = a * p + b * q, y = a * r + b * s.
        let (mut p, mut q, mut r, mut s) = (1i64, 0i64, 0i64, 1i64);
        while y + r > 0 && y + s > 0 {
            let step = (x + p) / (y + r);
            if step != (x + q) / (y + s) {
                break;
            }
            let products = (step.checked_mul(r), step.checked_mul(s), step.checked_mul(y));
            let (Some(pr), Some(qs), Some(xy)) = products else { break };
            let (Some(new_r), Some(new_s)) = (p.checked_sub(pr), q.checked_sub(qs)) else { break };
            if new_r.unsigned_abs() > 1 << 31 || new_s.unsigned_abs() > 1 << 31 {
                break;
            }
            (p, q, r, s) = (r, s, new_r, new_s);
            (x, y) = (y, x - xy);
        }
        if q == 0 {
            (a, b) = (b.clone(), divide(&a, &b, watch)?.1);
        } else {
            let combined = |m: i64, n: i64| {
                let (am, bn) = (&a * m.unsigned_abs(), &b * n.unsigned_abs());
                if m > 0 || n < 0 { am - bn } else { bn - am }
            };
            (a, b) = (combined(p, q), combined(r, s));
            if a < b {
                std::mem::swap(&mut a, &mut b);
            }
        }
    }
    if b.is_zero() {
        return Ok(a);
    }
    let small = b.to_u64().expect("64 bits");
    let rest = (a % small).to_u64().expect("below a 64-bit divisor");
    Ok(BigUint::from(num_integer::Integer::gcd(&small, &rest)))
}

/// The product of the integers from `low` to `high`: halves of like size are multiplied.
pub fn product_of_range(low: u64, high: u64, watch: &Watch<'_>) -> Result<BigUint, Fault> {
    if low > high {
        return Ok(BigUint::one());
    }
    if high - low < 16 {
        watch.check()?;
        return Ok((low..=high).map(BigUint::from).product());
    }
    let middle = low + (high - low) / 2;
    multiply(&product_of_range(low, middle, watch)?, &product_of_range(middle + 1, high, watch)?, watch)
}

/// The powers of `radix` whose exponents are `DIGITS`, twice that and so on, up to `digits`.
fn ladder(radix: u32, digits: usize, watch: &Watch<'_>) -> Result<Vec<BigUint>, Fault> {
    let mut powers = vec![];
    let mut width = DIGITS;
    while width < digits {
        let next = match powers.last() {
            None => Pow::pow(BigUint::from(radix), DIGITS),
            Some(last) => multiply(last, last, watch)?,
        };
        powers.push(next);
        width *= 2;
    }
    Ok(powers)
}

/// Appends the decimal digits.
pub fn push_decimal(out: &mut String, number: &BigUint, watch: &Watch<'_>) -> Result<(), Fault> {
    let digits = (number.bits() as f64 * std::f64::consts::LOG10_2) as usize + 2;
    let memory = |_| Fault::new(FaultKind::Memory, "");
    out.try_reserve(digits + DIGITS).map_err(memory)?;
    let powers = ladder(10, digits, watch)?;
    push_digits(out, number, &powers, false, watch)
}

/// Appends the digits of what is below the square of the last power; all of them where some came before.
fn push_digits(
    out: &mut String,
    number: &BigUint,
    powers: &[BigUint],
    filled: bool,
    watch: &Watch<'_>,
) -> Result<(), Fault> {
    let Some((power, smaller)) = powers.split_last() else {
        let text = number.to_str_radix(10);
        if filled {
            out.extend(std::iter::repeat_n('0', DIGITS - text.len()));
        }
        out.push_str(&text);
        return Ok(());
    };
    if !filled && number < power {
        return push_digits(out, number, smaller, false, watch);
    }
    let (high, low) = divide(number, power, watch)?;
    push_digits(out, &high, smaller, filled, watch)?;
    push_digits(out, &low, smaller, true, watch)
}

/// The number with these digits, the highest first.
pub fn from_digits(digits: &[u8], radix: u32, watch: &Watch<'_>) -> Result<BigUint, Fault> {
    if digits.len() <= DIGITS || radix.is_power_of_two() {
        return Ok(BigUint::from_radix_be(digits, radix).expect("each digit is below the radix"));
    }
    let powers = ladder(radix, digits.len(), watch)?;
    join_digits(digits, radix, &powers, watch)
}

fn join_digits(digits: &[u8], radix: u32, powers: &[BigUint], watch: &Watch<'_>) -> Result<BigUint, Fault> {
    let Some((power, smaller)) = powers.split_last() else {
        return Ok(BigUint::from_radix_be(digits, radix).expect("each digit is below the radix"));
    };
    let width = DIGITS << smaller.len();
    if digits.len() <= width {
        return join_digits(digits, radix, smaller, watch);
    }
    let (head, tail) = digits.split_at(digits.len() - width);
    let head = join_digits(head, radix, smaller, watch)?;
    Ok(multiply(&head, power, watch)? + join_digits(tail, radix, smaller, watch)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of many lengths, the same each time.
    fn numbers() -> Vec<BigUint> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut all = vec![BigUint::zero(), BigUint::one(), (BigUint::one() << 200_000u32) - 1u32];
        for length in [1, 2, 3, 40, 100, 333, 1000, 2049, 4000, 9000] {
            let digits: Vec<u32> = (0..length * 2).map(|_| next() as u32).collect();
            all.push(BigUint::new(digits.clone()));
            all.push(BigUint::new(digits) << (next() % 5000));
        }
        all.push(BigUint::one() << 300_001u32);
        all
    }

    #[test]
    fn products_quotients_and_divisors() {
        let never = Watch::never();
        let all = numbers();
        for a in &all {
            for b in &all {
                let product = multiply(a, b, &never).expect("nothing stops it");
                assert_eq!(product, a * b);
                if !b.is_zero() {
                    assert_eq!(divide(a, b, &never), Ok(num_integer::Integer::div_rem(a, b)));
                    assert_eq!(divide(&(&product + b - 1u32), b, &never), Ok((a.clone(), b - 1u32)));
                }
            }
        }
        for (a, b) in all.iter().zip(&all[3..]).filter(|(a, _)| a.bits() < 70_000) {
            assert_eq!(gcd(a, b, &never), Ok(num_integer::Integer::gcd(a, b)));
            let common = &all[11];
            let (x, y) = (a * common, b * common);
            assert_eq!(gcd(&x, &y, &never), Ok(num_integer::Integer::gcd(&x, &y)));
        }
    }

    #[test]
    fn roots_powers_and_digits() {
        let never = Watch::never();
        for a in numbers() {
            let root = square_root(&a, &never).expect("nothing stops it");
            assert!(&root * &root <= a && (&root + 1u32) * (&root + 1u32) > a);
            let mut text = String::new();
            push_decimal(&mut text, &a, &never).expect("nothing stops it");
            let digits: Vec<u8> = text.bytes().map(|b| b - b'0').collect();
            assert_eq!(from_digits(&digits, 10, &never), Ok(a.clone()));
            assert_eq!(text.len() > 1, !text.starts_with('0') && text.len() > 1);
            if a.bits() < 100_000 {
                assert_eq!(text, a.to_str_radix(10));
            }
            let digits = if a.is_zero() { vec![0] } else { a.to_radix_be(7) };
            assert_eq!(from_digits(&digits, 7, &never), Ok(a));
        }
        let base = BigUint::from(1_234_500u32);
        assert_eq!(power(&base, 20_000, &never), Ok(Pow::pow(base, 20_000u32)));
        let (base, modulus) = (numbers()[9].clone(), numbers()[11].clone() + 2u32);
        let exponent = BigUint::one() << 3000u32;
        assert_eq!(power_modulo(&base, &exponent, &modulus, &never), Ok(base.modpow(&exponent, &modulus)));
    }

    #[test]
    fn what_is_watched_can_be_stopped() {
        let number = numbers().pop().expect("some");
        let asked = Cell::new(0);
        let few = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        let watch = Watch::new(&few);
        assert_eq!(multiply(&number, &number, &watch).map_err(|f| f.kind), Err(FaultKind::Interrupted));
    }
}
