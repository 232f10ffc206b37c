//! Integers without bound: `i64` while it fits, a big integer otherwise, and the operations Python defines on them.
//!
//! The run loop does the plain `i64` cases itself and comes here on overflow, for big operands, and for what is rare.

use super::long::{self, Watch};
use super::{Fault, FaultKind, float};
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::borrow::Cow;
use std::cmp::Ordering;

/// An integer; [`Int::Big`] only when it doesn't fit an `i64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Int {
    /// Fits 64 bits.
    Small(i64),
    /// Doesn't.
    Big(BigInt),
}

/// A borrowed integer operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntRef<'a> {
    /// A machine integer.
    Small(i64),
    /// A big integer, of any size.
    Big(&'a BigInt),
}

/// Results longer than this many bits (512 MiB) are refused with `MemoryError` before any work is done.
pub const MAX_BITS: u64 = 1 << 32;

impl Int {
    /// Gives back an `i64` if the number fits one.
    pub fn from_big(big: BigInt) -> Int {
        match big.to_i64() {
            Some(small) => Int::Small(small),
            None => Int::Big(big),
        }
    }

    /// `int(x)`: cuts off the fraction.
    pub fn from_float(x: f64) -> Result<Int, Fault> {
        if x > -9.2e18 && x < 9.2e18 {
            return Ok(Int::Small(x as i64));
        }
        if x.is_nan() {
            return Err(Fault::value("cannot convert float NaN to integer"));
        }
        if x.is_infinite() {
            return Err(Fault::overflow("cannot convert float infinity to integer"));
        }
        let (mantissa, exponent) = float::decompose(x);
        let magnitude = BigUint::from(mantissa) << exponent as u64;
        Ok(Int::from_big(BigInt::from_biguint(if x < 0.0 { Sign::Minus } else { Sign::Plus }, magnitude)))
    }

    /// Borrows it as an operand.
    pub fn as_ref(&self) -> IntRef<'_> {
        match self {
            Int::Small(small) => IntRef::Small(*small),
            Int::Big(big) => IntRef::Big(big),
        }
    }

    /// The number as a big integer.
    pub fn into_big(self) -> BigInt {
        match self {
            Int::Small(small) => small.into(),
            Int::Big(big) => big,
        }
    }
}

impl From<i64> for Int {
    fn from(small: i64) -> Int {
        Int::Small(small)
    }
}

impl From<u64> for Int {
    fn from(number: u64) -> Int {
        i64::try_from(number).map_or_else(|_| Int::Big(number.into()), Int::Small)
    }
}

impl From<i128> for Int {
    fn from(number: i128) -> Int {
        i64::try_from(number).map_or_else(|_| Int::Big(number.into()), Int::Small)
    }
}

impl From<BigInt> for Int {
    fn from(big: BigInt) -> Int {
        Int::from_big(big)
    }
}

impl<'a> IntRef<'a> {
    /// The number as a big integer.
    pub fn to_big(self) -> Cow<'a, BigInt> {
        match self {
            IntRef::Small(small) => Cow::Owned(small.into()),
            IntRef::Big(big) => Cow::Borrowed(big),
        }
    }

    /// The number as an `i64`, if it fits.
    pub fn to_i64(self) -> Option<i64> {
        match self {
            IntRef::Small(small) => Some(small),
            IntRef::Big(big) => big.to_i64(),
        }
    }

    /// The number in 128 bits, if it fits.
    #[inline]
    pub fn to_i128(self) -> Option<i128> {
        match self {
            IntRef::Small(small) => Some(small.into()),
            IntRef::Big(big) => {
                let mut digits = big.iter_u64_digits();
                if digits.len() > 2 {
                    return None;
                }
                let (low, high) = (digits.next().unwrap_or(0), digits.next().unwrap_or(0));
                let size = i128::try_from(u128::from(low) | u128::from(high) << 64).ok()?;
                Some(if big.sign() == num_bigint::Sign::Minus { -size } else { size })
            }
        }
    }

    /// Owns it.
    pub fn to_int(self) -> Int {
        match self {
            IntRef::Small(small) => Int::Small(small),
            IntRef::Big(big) => Int::from_big(big.clone()),
        }
    }

    /// -1, 0 or 1.
    pub fn signum(self) -> i32 {
        match self {
            IntRef::Small(small) => small.signum() as i32,
            IntRef::Big(big) => match big.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
        }
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self.signum() == 0
    }

    /// Whether it is odd.
    pub fn is_odd(self) -> bool {
        match self {
            IntRef::Small(small) => small & 1 == 1,
            IntRef::Big(big) => big.is_odd(),
        }
    }

    /// `n.bit_length()`.
    pub fn bit_length(self) -> u64 {
        match self {
            IntRef::Small(small) => 64 - small.unsigned_abs().leading_zeros() as u64,
            IntRef::Big(big) => big.bits(),
        }
    }

    /// `n.bit_count()`: the ones in the absolute value.
    pub fn bit_count(self) -> u64 {
        match self {
            IntRef::Small(small) => small.unsigned_abs().count_ones() as u64,
            IntRef::Big(big) => big.magnitude().count_ones(),
        }
    }

    /// `float(n)`, rounded half to even.
    pub fn to_float(self) -> Result<f64, Fault> {
        let big = match self {
            IntRef::Small(small) => return Ok(small as f64),
            IntRef::Big(big) => big,
        };
        let (mantissa, sticky, exponent) = top_bits(big.magnitude());
        let x = float::compose(mantissa, sticky, exponent);
        if x.is_infinite() {
            return Err(Fault::overflow("int too large to convert to float"));
        }
        Ok(if big.is_negative() { -x } else { x })
    }

    /// Order of the exact values; `None` for nan.
    pub fn compare_float(self, x: f64) -> Option<Ordering> {
        if x.is_nan() {
            return None;
        }
        match self {
            IntRef::Small(small) if small.unsigned_abs() <= 1 << 53 => (small as f64).partial_cmp(&x),
            _ if x == f64::INFINITY => Some(Ordering::Less),
            _ if x == f64::NEG_INFINITY => Some(Ordering::Greater),
            IntRef::Small(_) | IntRef::Big(_) => {
                let whole = Int::from_float(x).expect("finite");
                let order = self.cmp(&whole.as_ref());
                Some(order.then_with(|| 0.0.partial_cmp(&(x - x.trunc())).expect("not nan")))
            }
        }
    }
}

impl PartialOrd for IntRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IntRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (IntRef::Small(a), IntRef::Small(b)) => a.cmp(&b),
            (IntRef::Big(a), IntRef::Big(b)) => a.cmp(b),
            (IntRef::Small(a), IntRef::Big(b)) => compare_small(a, b),
            (IntRef::Big(a), IntRef::Small(b)) => compare_small(b, a).reverse(),
        }
    }
}

/// How a small integer compares with a big one, which may be small too.
fn compare_small(a: i64, b: &BigInt) -> Ordering {
    match b.to_i64() {
        Some(b) => a.cmp(&b),
        None if b.is_negative() => Ordering::Greater,
        None => Ordering::Less,
    }
}

/// The leading 64 bits of a number of at least 64, whether anything below isn't zero, and their exponent.
fn top_bits(magnitude: &BigUint) -> (u64, bool, i64) {
    let shift = magnitude.bits().saturating_sub(64);
    let top = (magnitude >> shift).to_u64().expect("64 bits");
    (top, magnitude.trailing_zeros().is_some_and(|zeros| zeros < shift), shift as i64)
}

/// How two integers compare.
pub fn compare(a: IntRef<'_>, b: IntRef<'_>) -> Ordering {
    a.cmp(&b)
}

/// An operation by its sign (`+ - * & | ^`, `p` for a power) on integers of which each fits 128 bits, if the result does too: no long
/// numbers are made on the way.
pub fn within_128(sign: u8, a: IntRef<'_>, b: IntRef<'_>) -> Option<Int> {
    let result = match sign {
        b'p' => {
            // Where the result is short, too, and found by a few multiplications.
            let (IntRef::Small(a), IntRef::Small(b @ 0..=64)) = (a, b) else { return None };
            return a.checked_pow(b as u32).map(Int::Small);
        }
        b'+' => a.to_i128()?.checked_add(b.to_i128()?)?,
        b'-' => a.to_i128()?.checked_sub(b.to_i128()?)?,
        b'*' => a.to_i128()?.checked_mul(b.to_i128()?)?,
        b'&' => a.to_i128()? & b.to_i128()?,
        b'|' => a.to_i128()? | b.to_i128()?,
        b'^' => a.to_i128()? ^ b.to_i128()?,
        _ => return None,
    };
    Some(i64::try_from(result).map_or_else(|_| Int::Big(result.into()), Int::Small))
}

/// `a + b`.
pub fn add(a: IntRef<'_>, b: IntRef<'_>) -> Int {
    match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::from(a as i128 + b as i128),
        (IntRef::Big(a), IntRef::Small(b)) | (IntRef::Small(b), IntRef::Big(a)) => Int::from_big(a + b),
        (IntRef::Big(a), IntRef::Big(b)) => Int::from_big(a + b),
    }
}

/// `a - b`.
pub fn subtract(a: IntRef<'_>, b: IntRef<'_>) -> Int {
    match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::from(a as i128 - b as i128),
        (IntRef::Big(a), IntRef::Small(b)) => Int::from_big(a - b),
        (IntRef::Small(a), IntRef::Big(b)) => Int::from_big(a - b),
        (IntRef::Big(a), IntRef::Big(b)) => Int::from_big(a - b),
    }
}

/// `a * b`.
pub fn multiply(a: IntRef<'_>, b: IntRef<'_>) -> Result<Int, Fault> {
    multiply_watched(a, b, &Watch::never())
}

/// `a * b`, which may be stopped.
pub fn multiply_watched(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    Ok(match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::from(a as i128 * b as i128),
        (IntRef::Big(a), IntRef::Small(b)) | (IntRef::Small(b), IntRef::Big(a)) => Int::from_big(a * b),
        (IntRef::Big(a), IntRef::Big(b)) => {
            check_bits(a.bits() + b.bits())?;
            Int::from_big(long::signed_multiply(a, b, watch)?)
        }
    })
}

fn check_bits(bits: u64) -> Result<(), Fault> {
    if bits > MAX_BITS { Err(Fault::new(FaultKind::Memory, "")) } else { Ok(()) }
}

/// `a // b`.
pub fn floor_divide(a: IntRef<'_>, b: IntRef<'_>) -> Result<Int, Fault> {
    if let (IntRef::Small(a), IntRef::Small(b)) = (a, b)
        && b != 0
        && b != -1
    {
        return Ok(Int::Small(Integer::div_floor(&a, &b)));
    }
    divide_modulo(a, b).map(|(quotient, _)| quotient)
}

/// `a // b`, which may be stopped.
pub fn floor_divide_watched(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    divide_modulo_watched(a, b, watch).map(|(quotient, _)| quotient)
}

/// `a % b`, which may be stopped.
pub fn modulo_watched(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    match (a, b) {
        (_, IntRef::Big(_)) => divide_modulo_watched(a, b, watch).map(|(_, rest)| rest),
        _ => modulo(a, b),
    }
}

/// `a % b`.
pub fn modulo(a: IntRef<'_>, b: IntRef<'_>) -> Result<Int, Fault> {
    match (a, b) {
        (_, b) if b.is_zero() => Err(Fault::zero_division("division by zero")),
        (_, IntRef::Small(-1)) => Ok(Int::Small(0)),
        (IntRef::Small(a), IntRef::Small(b)) => Ok(Int::Small(Integer::mod_floor(&a, &b))),
        (IntRef::Big(a), IntRef::Small(b)) => {
            // The rest after the magnitude is cheap; the floor puts it on the divisor's side.
            let divisor = u128::from(b.unsigned_abs());
            let digits = a.iter_u64_digits();
            let rest = if digits.len() <= 4 {
                digits.rev().fold(0, |rest, digit| (rest << 64 | u128::from(digit)) % divisor) as i128
            } else {
                (a.magnitude() % b.unsigned_abs()).to_i128().expect("below a 64-bit divisor")
            };
            let rest = if a.is_negative() { -rest } else { rest };
            Ok(Int::from(Integer::mod_floor(&rest, &(b as i128))))
        }
        (a, b) => divide_modulo(a, b).map(|(_, rest)| rest),
    }
}

/// `divmod(a, b)`.
pub fn divide_modulo(a: IntRef<'_>, b: IntRef<'_>) -> Result<(Int, Int), Fault> {
    divide_modulo_watched(a, b, &Watch::never())
}

/// `divmod(a, b)`, which may be stopped.
pub fn divide_modulo_watched(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<(Int, Int), Fault> {
    if b.is_zero() {
        return Err(Fault::zero_division("division by zero"));
    }
    if let (IntRef::Small(a), IntRef::Small(b)) = (a, b) {
        let (quotient, rest) = Integer::div_mod_floor(&(a as i128), &(b as i128));
        return Ok((Int::from(quotient), Int::from(rest)));
    }
    if let (Some(a), Some(b)) = (a.to_i128(), b.to_i128()) {
        // Without signs it takes a fraction of the time, and nothing can overflow.
        let (quotient, rest) = (a.unsigned_abs() / b.unsigned_abs(), a.unsigned_abs() % b.unsigned_abs());
        let signed = |negative: bool, size: u128| {
            let size = size as i128;
            if negative { -size } else { size }
        };
        let apart = (a < 0) != (b < 0);
        let (quotient, rest) = (signed(apart, quotient), signed(a < 0, rest));
        let down = apart && rest != 0;
        return Ok((Int::from(quotient - i128::from(down)), Int::from(if down { rest + b } else { rest })));
    }
    let (quotient, rest) = long::divide_floor(&a.to_big(), &b.to_big(), watch)?;
    Ok((Int::from_big(quotient), Int::from_big(rest)))
}

/// `a / b`: the float nearest to the exact quotient.
pub fn true_divide(a: IntRef<'_>, b: IntRef<'_>) -> Result<f64, Fault> {
    const EXACT: u64 = 1 << 53;
    if b.is_zero() {
        return Err(Fault::zero_division("division by zero"));
    }
    if let (IntRef::Small(a), IntRef::Small(b)) = (a, b)
        && a.unsigned_abs() <= EXACT
        && b.unsigned_abs() <= EXACT
    {
        return Ok(a as f64 / b as f64);
    }
    let negative = (a.signum() < 0) != (b.signum() < 0);
    let (a, b) = (a.to_big(), b.to_big());
    if a.is_zero() {
        return Ok(if negative { -0.0 } else { 0.0 });
    }
    // Shifted so that the quotient has 63 or 64 bits; the rest only matters for being zero or not.
    let difference = a.bits() as i64 - b.bits() as i64;
    let too_large = || Fault::overflow("integer division result too large for a float");
    if difference > 1_025 {
        return Err(too_large());
    }
    let x = if difference < -1_100 {
        0.0
    } else {
        let shift = 63 - difference;
        let (a, b) = (a.magnitude(), b.magnitude());
        let (quotient, rest) =
            if shift >= 0 { (a << shift as u64).div_rem(b) } else { a.div_rem(&(b << -shift as u64)) };
        float::compose(quotient.to_u64().expect("at most 64 bits"), !rest.is_zero(), -shift)
    };
    if x.is_infinite() {
        return Err(too_large());
    }
    Ok(if negative { -x } else { x })
}

/// What `a ** b` is for integers.
#[derive(Clone, Debug, PartialEq)]
pub enum IntPower {
    /// An integer.
    Int(Int),
    /// The exponent was negative: a float.
    Float(f64),
}

/// `a ** b`.
pub fn power(a: IntRef<'_>, b: IntRef<'_>) -> Result<IntPower, Fault> {
    power_watched(a, b, &Watch::never())
}

/// `a ** b`, which may be stopped.
pub fn power_watched(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<IntPower, Fault> {
    if b.signum() < 0 {
        let (a, b) = (a.to_float()?, b.to_float()?);
        return match float::power(a, b)? {
            float::Power::Real(x) => Ok(IntPower::Float(x)),
            float::Power::Complex => unreachable!("the exponent is whole"),
        };
    }
    power_of(a, b, watch).map(IntPower::Int)
}

fn power_of(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    match a {
        _ if b.is_zero() => return Ok(Int::Small(1)),
        IntRef::Small(0 | 1) => return Ok(a.to_int()),
        IntRef::Small(-1) => return Ok(Int::Small(if b.is_odd() { -1 } else { 1 })),
        IntRef::Small(_) | IntRef::Big(_) => {}
    }
    let Some(exponent) = b.to_i64() else {
        return Err(Fault::overflow("too many digits in integer"));
    };
    if let (IntRef::Small(base), Ok(exponent)) = (a, u32::try_from(exponent))
        && let Some(small) = base.checked_pow(exponent)
    {
        return Ok(Int::Small(small));
    }
    let exponent = exponent as u64;
    check_bits((a.bit_length() - 1).saturating_mul(exponent))?;
    if let IntRef::Small(base) = a
        && base.unsigned_abs().is_power_of_two()
    {
        let magnitude = BigInt::one() << (base.trailing_zeros() as u64 * exponent);
        return Ok(Int::from_big(if base < 0 && exponent & 1 == 1 { -magnitude } else { magnitude }));
    }
    let magnitude = long::power(a.to_big().magnitude(), exponent, watch)?;
    let sign = if a.signum() < 0 && exponent & 1 == 1 { Sign::Minus } else { Sign::Plus };
    Ok(Int::from_big(BigInt::from_biguint(sign, magnitude)))
}

/// `pow(a, b, modulus)`.
pub fn power_modulo(a: IntRef<'_>, b: IntRef<'_>, modulus: IntRef<'_>) -> Result<Int, Fault> {
    power_modulo_watched(a, b, modulus, &Watch::never())
}

/// `pow(a, b, modulus)`, which may be stopped.
pub fn power_modulo_watched(
    a: IntRef<'_>,
    b: IntRef<'_>,
    modulus: IntRef<'_>,
    watch: &Watch<'_>,
) -> Result<Int, Fault> {
    if modulus.is_zero() {
        return Err(Fault::value("pow() 3rd argument cannot be 0"));
    }
    if let IntRef::Small(1 | -1) = modulus {
        return Ok(Int::Small(0));
    }
    if let (IntRef::Small(a), IntRef::Small(mut exponent @ 0..), IntRef::Small(modulus)) = (a, b, modulus) {
        let m = modulus.unsigned_abs() as u128;
        let mut base = Integer::mod_floor(&(a as i128), &(m as i128)) as u128;
        let mut result = 1 % m;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result * base % m;
            }
            base = base * base % m;
            exponent >>= 1;
        }
        let result = result as i128;
        return Ok(Int::from(if modulus < 0 && result != 0 { result + modulus as i128 } else { result }));
    }
    if let (IntRef::Small(a), IntRef::Small(-1), IntRef::Small(m)) = (a, b, modulus) {
        let m = i128::from(m);
        let found = Integer::mod_floor(&i128::from(a), &m.abs()).extended_gcd(&m.abs());
        if found.gcd != 1 {
            return Err(Fault::value("base is not invertible for the given modulus"));
        }
        return Ok(Int::from(Integer::mod_floor(&found.x, &m)));
    }
    let (mut base, mut exponent, modulus) = (a.to_big().into_owned(), b.to_big().into_owned(), modulus.to_big());
    if exponent.is_negative() {
        base = invert_modulo(&base, &modulus)
            .ok_or_else(|| Fault::value("base is not invertible for the given modulus"))?;
        exponent = -exponent;
    }
    let magnitude = modulus.abs();
    let base = base.mod_floor(&magnitude);
    let result = long::power_modulo(base.magnitude(), exponent.magnitude(), magnitude.magnitude(), watch)?;
    let mut result = BigInt::from(result);
    if modulus.is_negative() && !result.is_zero() {
        result += modulus.as_ref();
    }
    Ok(Int::from_big(result))
}

fn invert_modulo(base: &BigInt, modulus: &BigInt) -> Option<BigInt> {
    let magnitude = modulus.abs();
    let found = base.mod_floor(&magnitude).extended_gcd(&magnitude);
    found.gcd.is_one().then(|| found.x.mod_floor(&magnitude))
}

/// `a << b`.
pub fn shift_left(a: IntRef<'_>, b: IntRef<'_>) -> Result<Int, Fault> {
    if b.signum() < 0 {
        return Err(Fault::value("negative shift count"));
    }
    if a.is_zero() {
        return Ok(Int::Small(0));
    }
    let Some(count) = b.to_i64() else {
        return Err(Fault::overflow("too many digits in integer"));
    };
    let count = count as u64;
    if let IntRef::Small(a) = a
        && count < 63
        && a << count >> count == a
    {
        return Ok(Int::Small(a << count));
    }
    check_bits(a.bit_length().saturating_add(count))?;
    Ok(Int::from_big(a.to_big().as_ref() << count))
}

/// `a >> b`: rounds towards minus infinity.
pub fn shift_right(a: IntRef<'_>, b: IntRef<'_>) -> Result<Int, Fault> {
    if b.signum() < 0 {
        return Err(Fault::value("negative shift count"));
    }
    let sign = if a.signum() < 0 { -1 } else { 0 };
    let Some(count) = b.to_i64() else {
        return Ok(Int::Small(sign));
    };
    Ok(match a {
        IntRef::Small(_) if count > 63 => Int::Small(sign),
        IntRef::Small(a) => Int::Small(a >> count),
        IntRef::Big(a) => Int::from_big(a >> count as u64),
    })
}

/// `a & b`.
pub fn and(a: IntRef<'_>, b: IntRef<'_>) -> Int {
    match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::Small(a & b),
        (a, b) => Int::from_big(a.to_big().as_ref() & b.to_big().as_ref()),
    }
}

/// `a | b`.
pub fn or(a: IntRef<'_>, b: IntRef<'_>) -> Int {
    match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::Small(a | b),
        (a, b) => Int::from_big(a.to_big().as_ref() | b.to_big().as_ref()),
    }
}

/// `a ^ b`.
pub fn xor(a: IntRef<'_>, b: IntRef<'_>) -> Int {
    match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::Small(a ^ b),
        (a, b) => Int::from_big(a.to_big().as_ref() ^ b.to_big().as_ref()),
    }
}

/// `~a`.
pub fn invert(a: IntRef<'_>) -> Int {
    match a {
        IntRef::Small(a) => Int::Small(!a),
        IntRef::Big(a) => Int::from_big(!a),
    }
}

/// `-a`.
pub fn negate(a: IntRef<'_>) -> Int {
    match a {
        IntRef::Small(a) => Int::from(-(a as i128)),
        IntRef::Big(a) => Int::from_big(-a),
    }
}

/// `abs(a)`.
pub fn absolute(a: IntRef<'_>) -> Int {
    if a.signum() < 0 { negate(a) } else { a.to_int() }
}

/// `math.isqrt(a)`.
pub fn isqrt(a: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    if a.signum() < 0 {
        return Err(Fault::value("isqrt() argument must be nonnegative"));
    }
    Ok(match a {
        IntRef::Small(a) => Int::Small((a as u64).isqrt() as i64),
        IntRef::Big(a) => Int::from_big(long::square_root(a.magnitude(), watch)?.into()),
    })
}

/// `math.gcd(a, b)`.
pub fn gcd(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    Ok(match (a, b) {
        (IntRef::Small(a), IntRef::Small(b)) => Int::from(a.unsigned_abs().gcd(&b.unsigned_abs())),
        (a, b) => Int::from_big(long::gcd(a.to_big().magnitude(), b.to_big().magnitude(), watch)?.into()),
    })
}

/// `math.lcm(a, b)`.
pub fn lcm(a: IntRef<'_>, b: IntRef<'_>, watch: &Watch<'_>) -> Result<Int, Fault> {
    if a.is_zero() || b.is_zero() {
        return Ok(Int::Small(0));
    }
    let quotient = floor_divide_watched(a, gcd(a, b, watch)?.as_ref(), watch)?;
    Ok(absolute(multiply_watched(quotient.as_ref(), b, watch)?.as_ref()))
}

/// `round(a, digits)` with negative digits: to a multiple of a power of ten, half to even.
pub fn round_to(a: IntRef<'_>, digits: IntRef<'_>) -> Result<Int, Fault> {
    if digits.signum() >= 0 {
        return Ok(a.to_int());
    }
    // A power far longer than the number rounds it to zero without being computed.
    let places = digits.to_i64().map_or(u64::MAX, i64::unsigned_abs);
    if places > a.bit_length() {
        return Ok(Int::Small(0));
    }
    let unit = power_of(IntRef::Small(10), Int::from(places).as_ref(), &Watch::never())?;
    let (quotient, rest) = divide_modulo(a, unit.as_ref())?;
    let twice = add(rest.as_ref(), rest.as_ref());
    let up = match twice.as_ref().cmp(&unit.as_ref()) {
        Ordering::Less => false,
        Ordering::Equal => quotient.as_ref().is_odd(),
        Ordering::Greater => true,
    };
    let quotient = add(quotient.as_ref(), IntRef::Small(up as i64));
    multiply(quotient.as_ref(), unit.as_ref())
}

/// `a.to_bytes(length, byteorder, signed=signed)`.
pub fn to_bytes(a: IntRef<'_>, length: usize, big_endian: bool, signed: bool) -> Result<Vec<u8>, Fault> {
    let negative = a.signum() < 0;
    if negative && !signed {
        return Err(Fault::overflow("can't convert negative int to unsigned"));
    }
    let too_big = || Fault::overflow("int too big to convert");
    let mut bytes = match a {
        IntRef::Small(a) => a.to_le_bytes().to_vec(),
        IntRef::Big(a) => a.to_signed_bytes_le(),
    };
    let fill = if negative { 0xff } else { 0 };
    while bytes.last() == Some(&fill) {
        bytes.pop();
    }
    if bytes.len() > length {
        return Err(too_big());
    }
    // The last byte must show the sign.
    if signed && bytes.len() == length && bytes.last().map_or(negative, |last| (last >> 7 == 1) != negative) {
        return Err(too_big());
    }
    bytes.resize(length, fill);
    if big_endian {
        bytes.reverse();
    }
    Ok(bytes)
}

/// `int.from_bytes(bytes, byteorder, signed=signed)`.
pub fn from_bytes(bytes: &[u8], big_endian: bool, signed: bool) -> Int {
    // With a bit to spare for the sign.
    if bytes.len() < size_of::<i64>() || bytes.len() == size_of::<i64>() && signed {
        let add = |number: i64, byte: &u8| number << 8 | i64::from(*byte);
        let number = if big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
        let unused = i64::BITS - 8 * bytes.len() as u32;
        return Int::Small(if signed && !bytes.is_empty() { number << unused >> unused } else { number });
    }
    Int::from_big(match (big_endian, signed) {
        (true, true) => BigInt::from_signed_bytes_be(bytes),
        (false, true) => BigInt::from_signed_bytes_le(bytes),
        (true, false) => BigInt::from_bytes_be(Sign::Plus, bytes),
        (false, false) => BigInt::from_bytes_le(Sign::Plus, bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(text: &str) -> Int {
        Int::from_big(text.parse().unwrap())
    }

    fn small(n: i64) -> IntRef<'static> {
        IntRef::Small(n)
    }

    #[test]
    fn overflow_becomes_big_and_comes_back() {
        let over = add(small(i64::MAX), small(1));
        assert_eq!(over, big("9223372036854775808"));
        assert_eq!(subtract(over.as_ref(), small(1)), Int::Small(i64::MAX));
        assert_eq!(negate(small(i64::MIN)), over);
        assert_eq!(floor_divide(small(i64::MIN), small(-1)), Ok(over.clone()));
        assert_eq!(modulo(small(i64::MIN), small(-1)), Ok(Int::Small(0)));
        assert_eq!(absolute(small(i64::MIN)), over);
    }

    #[test]
    fn division_floors() {
        for (a, b, quotient, rest) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1)] {
            assert_eq!(divide_modulo(small(a), small(b)), Ok((Int::Small(quotient), Int::Small(rest))));
            assert_eq!(floor_divide(small(a), small(b)), Ok(Int::Small(quotient)));
            assert_eq!(modulo(small(a), small(b)), Ok(Int::Small(rest)));
        }
        let huge = big("100000000000000000000000");
        assert_eq!(modulo(huge.as_ref(), small(-7)), Ok(Int::Small(-2)));
        assert_eq!(modulo(negate(huge.as_ref()).as_ref(), small(7)), Ok(Int::Small(2)));
    }

    #[test]
    fn quotients_are_rounded_once() {
        let a = big("123456789012345678901234567890");
        assert_eq!(true_divide(a.as_ref(), small(3)), Ok(4.115226300411523e28));
        assert_eq!(true_divide(small(i64::MAX), small(i64::MAX - 1)), Ok(1.0));
        assert_eq!(true_divide(small(1), small(0)).unwrap_err().message, "division by zero");
        let huge = power_of(small(10), small(400), &Watch::never()).unwrap();
        assert_eq!(true_divide(small(-1), huge.as_ref()).map(f64::to_bits), Ok((-0.0f64).to_bits()));
        assert_eq!(
            true_divide(huge.as_ref(), small(3)).unwrap_err().message,
            "integer division result too large for a float"
        );
        assert_eq!(huge.as_ref().to_float().unwrap_err().message, "int too large to convert to float");
    }

    #[test]
    fn powers() {
        assert_eq!(power(small(2), small(100)), Ok(IntPower::Int(big("1267650600228229401496703205376"))));
        assert_eq!(power(small(-2), small(63)), Ok(IntPower::Int(Int::Small(i64::MIN))));
        assert_eq!(power(small(10), small(-2)), Ok(IntPower::Float(0.01)));
        assert_eq!(power(small(2), small(i64::MAX)).unwrap_err().kind, FaultKind::Memory);
        assert_eq!(power_modulo(small(2), small(-1), small(7)), Ok(Int::Small(4)));
        assert_eq!(power_modulo(small(2), small(-1), small(-7)), Ok(Int::Small(-3)));
        assert_eq!(power_modulo(small(2), small(5), small(-7)), Ok(Int::Small(-3)));
        assert_eq!(
            power_modulo(small(2), small(-1), small(4)).unwrap_err().message,
            "base is not invertible for the given modulus"
        );
    }

    #[test]
    fn shifts_and_bits() {
        assert_eq!(shift_left(small(1), small(63)), Ok(big("9223372036854775808")));
        assert_eq!(shift_left(small(-1), small(63)), Ok(Int::Small(i64::MIN)));
        assert_eq!(shift_left(small(-1), small(64)), Ok(big("-18446744073709551616")));
        assert_eq!(shift_right(small(-5), small(1)), Ok(Int::Small(-3)));
        assert_eq!(shift_right(big("-18446744073709551617").as_ref(), small(64)), Ok(Int::Small(-2)));
        assert_eq!(shift_right(small(-5), big("18446744073709551616").as_ref()), Ok(Int::Small(-1)));
        assert_eq!(and(small(-1), big("18446744073709551616").as_ref()), big("18446744073709551616"));
        assert_eq!(small(i64::MIN).bit_length(), 64);
        assert_eq!(small(-255).bit_count(), 8);
    }

    #[test]
    fn order_against_floats_is_exact() {
        let above = small((1 << 53) + 1);
        assert_eq!(above.compare_float(9007199254740992.0), Some(Ordering::Greater));
        assert_eq!(small(i64::MAX).compare_float(9223372036854775808.0), Some(Ordering::Less));
        assert_eq!(small(1).compare_float(1.5), Some(Ordering::Less));
        assert_eq!(small(-i64::MAX).compare_float(-1.5e300), Some(Ordering::Greater));
        assert_eq!(small(0).compare_float(f64::NAN), None);
        assert_eq!(
            power_of(small(10), small(400), &Watch::never()).unwrap().as_ref().compare_float(1e308),
            Some(Ordering::Greater)
        );
    }

    #[test]
    fn bytes_both_ways() {
        assert_eq!(to_bytes(small(258), 3, true, false), Ok(vec![0, 1, 2]));
        assert_eq!(to_bytes(small(-129), 2, false, true), Ok(vec![0x7f, 0xff]));
        assert_eq!(to_bytes(small(-128), 1, false, true), Ok(vec![0x80]));
        assert_eq!(to_bytes(small(0), 0, false, true), Ok(vec![]));
        assert!(to_bytes(small(-1), 0, false, true).is_err());
        assert!(to_bytes(small(128), 1, false, true).is_err());
        assert_eq!(from_bytes(&[0xff, 0x7f], false, true), Int::Small(32767));
        assert_eq!(from_bytes(&[0xff; 8], false, false), Int::from(u64::MAX));
        assert_eq!(from_bytes(&[], false, true), Int::Small(0));
    }

    #[test]
    fn rounding_to_tens() {
        for (n, digits, result) in [(15, -1, 20), (25, -1, 20), (-15, -1, -20), (149, -2, 100), (5, -1, 0), (7, -5, 0)]
        {
            assert_eq!(round_to(small(n), small(digits)), Ok(Int::Small(result)));
        }
    }
}
