//! Functions of floats that Rust's library doesn't have, or has with other rounding.

use std::f64::consts::{LN_2, PI};

/// Below this `x*x` is lost beside 1.
const TINY: f64 = 3.725290298461914e-9;
const HUGE: f64 = 268_435_456.0;

/// The inverse hyperbolic sine.
pub fn asinh(x: f64) -> f64 {
    let t = x.abs();
    if !x.is_finite() || t < TINY {
        return x;
    }
    let result = if t > HUGE {
        t.ln() + LN_2
    } else if t > 2.0 {
        (2.0 * t + 1.0 / ((t * t + 1.0).sqrt() + t)).ln()
    } else {
        let square = t * t;
        (t + square / (1.0 + (1.0 + square).sqrt())).ln_1p()
    };
    result.copysign(x)
}

/// The inverse hyperbolic cosine.
pub fn acosh(x: f64) -> f64 {
    if x < 1.0 || x.is_nan() {
        f64::NAN
    } else if x > HUGE {
        if x.is_infinite() { x } else { x.ln() + LN_2 }
    } else if x > 2.0 {
        (2.0 * x - 1.0 / (x + (x * x - 1.0).sqrt())).ln()
    } else {
        let t = x - 1.0;
        (t + (2.0 * t + t * t).sqrt()).ln_1p()
    }
}

/// The inverse hyperbolic tangent.
pub fn atanh(x: f64) -> f64 {
    let t = x.abs();
    if t > 1.0 || x.is_nan() {
        return f64::NAN;
    }
    if t < TINY {
        return x;
    }
    let double = t + t;
    let result =
        if t < 0.5 { 0.5 * (double + double * t / (1.0 - t)).ln_1p() } else { 0.5 * (double / (1.0 - t)).ln_1p() };
    result.copysign(x)
}

/// The error function, as the C library has it: both come from Sun's fdlibm.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// The complement of the error function.
pub fn erfc(x: f64) -> f64 {
    libm::erfc(x)
}

/// Lanczos' approximation with g = 6.0246800407767296 and 13 terms, as a quotient of polynomials; lowest power first.
const G: f64 = 6.024_680_040_776_73;
const G_MINUS_HALF: f64 = 5.524_680_040_776_73;
#[allow(clippy::excessive_precision, reason = "the published digits")]
const ABOVE: [f64; 13] = [
    23531376880.410759688572007674451636754734846804940,
    42919803642.649098768957899047001988850926355848959,
    35711959237.355668049440185451547166705960488635843,
    17921034426.037209699919755754458931112671403265390,
    6039542586.3520280050642916443072979210699388420708,
    1439720407.3117216736632230727949123939715485786372,
    248874557.86205415651146038641322942321632125127801,
    31426415.585400194380614231628318205362874684987640,
    2876370.6289353724412254090516208496135991145378768,
    186056.26539522349504029498971604569928220784236328,
    8071.6720023658162106380029022722506138218516325024,
    210.82427775157934587250973392071336271166969580291,
    2.5066282746310002701649081771338373386264310793408,
];
/// x(x+1)...(x+11).
const BELOW: [f64; 13] = [
    0.0,
    39916800.0,
    120543840.0,
    150917976.0,
    105258076.0,
    45995730.0,
    13339535.0,
    2637558.0,
    357423.0,
    32670.0,
    1925.0,
    66.0,
    1.0,
];

fn lanczos(x: f64) -> f64 {
    let (mut above, mut below) = (0.0, 0.0);
    if x < 5.0 {
        for (a, b) in ABOVE.iter().zip(&BELOW).rev() {
            above = above * x + a;
            below = below * x + b;
        }
    } else {
        // In powers of 1/x, which do not overflow.
        for (a, b) in ABOVE.iter().zip(&BELOW) {
            above = above / x + a;
            below = below / x + b;
        }
    }
    above / below
}

/// sin(pi*x), exact where that is.
fn sin_pi(x: f64) -> f64 {
    let y = x.abs() % 2.0;
    let result = match (2.0 * y).round() as i32 {
        0 => (PI * y).sin(),
        1 => (PI * (y - 0.5)).cos(),
        2 => (PI * (1.0 - y)).sin(),
        3 => -(PI * (y - 1.5)).cos(),
        _ => (PI * (y - 2.0)).sin(),
    };
    1f64.copysign(x) * result
}

/// None at a pole.
pub fn gamma(x: f64) -> Option<f64> {
    if !x.is_finite() {
        return if x.is_nan() || x > 0.0 { Some(x) } else { None };
    }
    if x == 0.0 {
        return None;
    }
    if x == x.floor() {
        if x < 0.0 {
            return None;
        }
        if x <= 23.0 {
            return Some((1..x as u64).map(|n| n as f64).product());
        }
    }
    let t = x.abs();
    if t < 1e-20 {
        return Some(1.0 / x);
    }
    if t > 200.0 {
        return Some(if x < 0.0 { 0.0 / sin_pi(x) } else { f64::INFINITY });
    }
    let y = t + G_MINUS_HALF;
    // What rounding lost in y.
    let lost = if t > G_MINUS_HALF { (y - t) - G_MINUS_HALF } else { (y - G_MINUS_HALF) - t };
    let z = lost * G / y;
    let scale = |r: f64, up: bool| {
        let apply = |r: f64, by: f64| if up { r * by } else { r / by };
        if t < 140.0 {
            apply(r, y.powf(t - 0.5))
        } else {
            // In two steps, since the power alone may overflow.
            let half = y.powf(t / 2.0 - 0.25);
            apply(apply(r, half), half)
        }
    };
    Some(if x < 0.0 {
        let r = -PI / sin_pi(t) / t * y.exp() / lanczos(t);
        scale(r - z * r, false)
    } else {
        let r = lanczos(t) / y.exp();
        scale(r + z * r, true)
    })
}

/// None at a pole.
pub fn lgamma(x: f64) -> Option<f64> {
    if !x.is_finite() {
        return Some(if x.is_nan() { x } else { f64::INFINITY });
    }
    if x == x.floor() && x <= 2.0 {
        return if x <= 0.0 { None } else { Some(0.0) };
    }
    let t = x.abs();
    if t < 1e-20 {
        return Some(-t.ln());
    }
    let mut r = lanczos(t).ln() - G;
    r += (t - 0.5) * ((t + G - 0.5).ln() - 1.0);
    if x < 0.0 {
        r = PI.ln() - sin_pi(t).abs().ln() - t.ln() - r;
    }
    Some(r)
}

/// Mantissa, from a half to one, and exponent of two.
pub fn frexp(x: f64) -> (f64, i64) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i64;
    if exponent == 0 {
        let (mantissa, exponent) = frexp(x * 18_014_398_509_481_984.0);
        return (mantissa, exponent - 54);
    }
    (f64::from_bits(bits & !(0x7FF << 52) | 1022 << 52), exponent - 1022)
}

/// `x` times two to the power of `exponent`, rounded once.
pub fn ldexp(x: f64, exponent: i64) -> f64 {
    let (mantissa, own) = frexp(x);
    let exponent = own.saturating_add(exponent);
    if exponent > 1024 {
        return f64::INFINITY.copysign(x);
    }
    if exponent < -1080 {
        return 0f64.copysign(x);
    }
    // The last step rounds, and only it.
    let power = |e: i64| f64::from_bits(((e + 1023) as u64) << 52);
    if exponent > 1023 {
        mantissa * 2.0 * power(exponent - 1)
    } else if exponent >= -1021 {
        mantissa * power(exponent)
    } else {
        mantissa * power(-1000) * power(exponent + 1000)
    }
}

/// The float `steps` after `x` towards `y`.
pub fn next_after(x: f64, y: f64, steps: u64) -> f64 {
    if steps == 0 {
        return x;
    }
    if x.is_nan() || y.is_nan() {
        return x + y;
    }
    if x == y {
        return y;
    }
    // Floats in order are integers in order, once those with a sign are turned round.
    let place = |f: f64| {
        let bits = f.to_bits() as i64;
        if bits < 0 { -i128::from(bits & i64::MAX) } else { i128::from(bits) }
    };
    let (from, to) = (place(x), place(y));
    let steps = i128::from(steps);
    let at = if from < to { (from + steps).min(to) } else { (from - steps).max(to) };
    if at == to {
        return y;
    }
    if at < 0 {
        -f64::from_bits((-at) as u64)
    } else {
        f64::from_bits(at as u64).copysign(if at == 0 { x } else { 1.0 })
    }
}

/// The length of a vector, rounded nearly always correctly.
pub fn norm(sides: &[f64]) -> f64 {
    let mut largest = 0f64;
    let mut nan = false;
    for side in sides {
        nan |= side.is_nan();
        largest = largest.max(side.abs());
    }
    if largest.is_infinite() {
        return largest;
    }
    if nan {
        return f64::NAN;
    }
    if largest == 0.0 || sides.len() <= 1 {
        return largest;
    }
    let (_, exponent) = frexp(largest);
    if exponent < -1023 {
        // All subnormal: scaled up first.
        let scaled: Vec<f64> = sides.iter().map(|s| s / f64::MIN_POSITIVE).collect();
        return f64::MIN_POSITIVE * norm(&scaled);
    }
    let scale = ldexp(1.0, -exponent);
    // A sum of squares in twice the precision.
    let (mut high, mut low, mut lowest) = (1.0, 0.0, 0.0);
    let add = |high: &mut f64, low: &mut f64, lowest: &mut f64, x: f64| {
        let square = x * x;
        let square_low = x.mul_add(x, -square);
        let total = *high + square;
        *low += (*high - total) + square;
        *high = total;
        *lowest += square_low;
    };
    for side in sides {
        add(&mut high, &mut low, &mut lowest, side.abs() * scale);
    }
    let mut root = (high - 1.0 + (low + lowest)).sqrt();
    // One step of Newton's with the rest of the root's own square.
    let square = -root * root;
    let square_low = (-root).mul_add(root, -square);
    let total = high + square;
    low += (high - total) + square;
    high = total;
    lowest += square_low;
    root += (high - 1.0 + (low + lowest)) / (2.0 * root);
    root / scale
}

/// Floats that do not overlap, whose exact sum is the sum so far (Shewchuk).
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    partials: Vec<f64>,
    infinite: f64,
    any_infinite: bool,
    any_nan: bool,
}

impl ExactSum {
    /// Adds a number; false if the sum overflows.
    pub fn add(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            self.any_infinite = true;
            self.any_nan |= x.is_nan();
            self.infinite += x;
            return true;
        }
        let mut x = x;
        let mut kept = 0;
        for at in 0..self.partials.len() {
            let mut y = self.partials[at];
            if x.abs() < y.abs() {
                (x, y) = (y, x);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                self.partials[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.partials.truncate(kept);
        if x != 0.0 {
            if !x.is_finite() {
                return false;
            }
            self.partials.push(x);
        }
        true
    }

    /// The sum, rounded half to even; None for infinities of both signs.
    pub fn value(&self) -> Option<f64> {
        if self.any_infinite {
            return (self.any_nan || !self.infinite.is_nan()).then_some(self.infinite);
        }
        let mut rest = self.partials.iter().rev().copied().peekable();
        let Some(mut high) = rest.next() else { return Some(0.0) };
        let mut low = 0.0;
        for y in rest.by_ref() {
            let x = high;
            high = x + y;
            low = y - (high - x);
            if low != 0.0 {
                break;
            }
        }
        // Half way between two floats the next partial says which.
        if let Some(next) = rest.peek()
            && (low < 0.0 && *next < 0.0 || low > 0.0 && *next > 0.0)
        {
            let y = low * 2.0;
            let x = high + y;
            if y == x - high {
                high = x;
            }
        }
        Some(high)
    }
}
