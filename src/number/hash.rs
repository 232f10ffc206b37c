//! Python's hashes, bit for bit: numbers modulo a Mersenne prime, tuples, sets, and SipHash-1-3 for text and bytes.
//!
//! Sets are ordered by hash, so scripts see these numbers.

use super::float;
use super::int::IntRef;
use num_bigint::BigInt;

const BITS: u32 = 61;
const MODULUS: u64 = (1 << BITS) - 1;
const INFINITY: i64 = 314_159;
const IMAGINARY: u64 = 1_000_003;

/// -1 means an error in CPython, so nothing hashes to it.
#[inline]
fn finish(hash: i64) -> i64 {
    if hash == -1 { -2 } else { hash }
}

/// `hash` of an integer that fits 64 bits.
#[inline]
pub fn hash_i64(number: i64) -> i64 {
    // Most numbers are small, and those hash to themselves.
    if number.unsigned_abs() < MODULUS {
        return finish(number);
    }
    let rest = (number.unsigned_abs() % MODULUS) as i64;
    finish(if number < 0 { -rest } else { rest })
}

/// `hash` of an integer.
pub fn hash_int(number: IntRef<'_>) -> i64 {
    match number {
        IntRef::Small(small) => hash_i64(small),
        IntRef::Big(big) => hash_big(big),
    }
}

fn hash_big(big: &BigInt) -> i64 {
    // 2^61 is 1 modulo 2^61 - 1, so 2^64 is 8: digits add up after rotating.
    let mut hash = 0u64;
    for digit in big.iter_u64_digits().rev() {
        let sum = (hash as u128 * 8 + digit as u128) % MODULUS as u128;
        hash = sum as u64;
    }
    let hash = hash as i64;
    finish(if big.sign() == num_bigint::Sign::Minus { -hash } else { hash })
}

/// `hash` of a float. A nan hashes by identity: `nan` is what it gets.
pub fn hash_float(x: f64, nan: i64) -> i64 {
    if !x.is_finite() {
        return if x.is_nan() {
            nan
        } else if x > 0.0 {
            INFINITY
        } else {
            -INFINITY
        };
    }
    if x == x.trunc() && x.abs() < 1e18 {
        return hash_i64(x as i64);
    }
    let (mantissa, exponent) = float::decompose(x);
    // Multiplying by 2^exponent rotates the 61 bits.
    let rotation = exponent.rem_euclid(BITS as i64) as u32;
    let hash = mantissa % MODULUS;
    let hash = ((hash << rotation & MODULUS) | hash >> (BITS - rotation)) as i64;
    finish(if x < 0.0 { -hash } else { hash })
}

/// `hash` of a complex number. Nans take `nan`.
pub fn hash_complex(real: f64, imaginary: f64, nan: i64) -> i64 {
    let (real, imaginary) = (hash_float(real, nan) as u64, hash_float(imaginary, nan) as u64);
    finish(real.wrapping_add(IMAGINARY.wrapping_mul(imaginary)) as i64)
}

/// `hash` from an identity number, as objects without `__hash__` of their own have it: the low four bits of an address
/// say nothing, so they move to the top.
pub fn hash_identity(address: u64) -> i64 {
    finish(address.rotate_right(4) as i64)
}

/// The hash of a tuple, lane by lane.
#[derive(Clone, Copy, Debug)]
pub struct TupleHash {
    sum: u64,
    lanes: u64,
}

impl TupleHash {
    const PRIME_1: u64 = 11_400_714_785_074_694_791;
    const PRIME_2: u64 = 14_029_467_366_897_019_727;
    const PRIME_5: u64 = 2_870_177_450_012_600_261;

    /// Before the first item.
    pub fn new() -> TupleHash {
        TupleHash { sum: Self::PRIME_5, lanes: 0 }
    }

    /// Adds the hash of the next item.
    pub fn push(&mut self, lane: i64) {
        self.sum = self.sum.wrapping_add((lane as u64).wrapping_mul(Self::PRIME_2));
        self.sum = self.sum.rotate_left(31).wrapping_mul(Self::PRIME_1);
        self.lanes += 1;
    }

    /// After the last item.
    pub fn finish(self) -> i64 {
        let sum = self.sum.wrapping_add(self.lanes ^ (Self::PRIME_5 ^ 3_527_539));
        if sum == u64::MAX { 1_546_275_796 } else { sum as i64 }
    }

    /// After the last part of a slice, which always has three.
    pub fn finish_slice(self) -> i64 {
        if self.sum == u64::MAX { 1_546_275_796 } else { self.sum as i64 }
    }
}

impl Default for TupleHash {
    fn default() -> TupleHash {
        TupleHash::new()
    }
}

/// The hash of a frozenset, whatever the order of its items.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetHash {
    sum: u64,
    items: u64,
}

impl SetHash {
    /// Adds the hash of an item.
    pub fn push(&mut self, hash: i64) {
        let hash = hash as u64;
        self.sum ^= (hash ^ 89_869_747 ^ hash << 16).wrapping_mul(3_644_798_167);
        self.items += 1;
    }

    /// After all items.
    pub fn finish(self) -> i64 {
        let mut hash = self.sum ^ (self.items + 1).wrapping_mul(1_927_868_237);
        hash ^= hash >> 11 ^ hash >> 25;
        hash = hash.wrapping_mul(69_069).wrapping_add(907_133_923);
        if hash == u64::MAX { 590_923_713 } else { hash as i64 }
    }
}

/// What `PYTHONHASHSEED` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashSeed {
    /// The same hashes in each run.
    Fixed(u32),
    /// Others in each run.
    Random,
}

impl HashSeed {
    /// Reads the variable; None if it is neither a number nor `random`.
    pub fn parse(text: &str) -> Option<HashSeed> {
        if text == "random" {
            return Some(HashSeed::Random);
        }
        text.trim_ascii_start().parse().ok().map(HashSeed::Fixed)
    }
}

/// The secret of the text hash: zero unless `PYTHONHASHSEED` asks for something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKey {
    k0: u64,
    k1: u64,
}

impl HashKey {
    /// A key made of a random number.
    pub fn from_random(number: u64) -> HashKey {
        let mixed = |number: u64| (number ^ number >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        HashKey { k0: mixed(number), k1: mixed(!number) }
    }

    /// The key CPython derives from `PYTHONHASHSEED=seed`.
    pub fn from_seed(seed: u32) -> HashKey {
        if seed == 0 {
            return HashKey::default();
        }
        let mut state = seed;
        let mut next = || {
            let mut bytes = [0u8; 8];
            for byte in &mut bytes {
                state = state.wrapping_mul(214_013).wrapping_add(2_531_011);
                *byte = (state >> 16) as u8;
            }
            u64::from_le_bytes(bytes)
        };
        HashKey { k0: next(), k1: next() }
    }

    /// `hash` of bytes.
    pub fn hash_bytes(&self, bytes: &[u8]) -> i64 {
        if bytes.is_empty() {
            return 0;
        }
        finish(self.sip(bytes) as i64)
    }

    /// `hash` of a string in (generalised) UTF-8.
    ///
    /// CPython hashes its own array of code units: a byte each if all are below U+0100, two if below U+10000, else four.
    pub fn hash_text(&self, text: &[u8]) -> i64 {
        if text.is_ascii() {
            return self.hash_bytes(text);
        }
        let widest = text.iter().copied().max().unwrap_or(0);
        let mut units = Vec::with_capacity(text.len() * 4 / 3);
        let points = code_points_of(text);
        match widest {
            0..=0xc3 => units.extend(points.map(|point| point as u8)),
            0xc4..=0xef => points.for_each(|point| units.extend_from_slice(&(point as u16).to_le_bytes())),
            _ => points.for_each(|point| units.extend_from_slice(&point.to_le_bytes())),
        }
        self.hash_bytes(&units)
    }

    /// SipHash with one round a word and three at the end.
    fn sip(&self, bytes: &[u8]) -> u64 {
        let mut v0 = self.k0 ^ 0x736f_6d65_7073_6575;
        let mut v1 = self.k1 ^ 0x646f_7261_6e64_6f6d;
        let mut v2 = self.k0 ^ 0x6c79_6765_6e65_7261;
        let mut v3 = self.k1 ^ 0x7465_6462_7974_6573;
        macro_rules! round {
            () => {
                v0 = v0.wrapping_add(v1);
                v1 = v1.rotate_left(13) ^ v0;
                v0 = v0.rotate_left(32);
                v2 = v2.wrapping_add(v3);
                v3 = v3.rotate_left(16) ^ v2;
                v0 = v0.wrapping_add(v3);
                v3 = v3.rotate_left(21) ^ v0;
                v2 = v2.wrapping_add(v1);
                v1 = v1.rotate_left(17) ^ v2;
                v2 = v2.rotate_left(32);
            };
        }
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            v3 ^= word;
            round!();
            v0 ^= word;
        }
        let mut last = [0u8; 8];
        last[..tail.len()].copy_from_slice(tail);
        last[7] = bytes.len() as u8;
        let word = u64::from_le_bytes(last);
        v3 ^= word;
        round!();
        v0 ^= word;
        v2 ^= 0xff;
        round!();
        round!();
        round!();
        v0 ^ v1 ^ v2 ^ v3
    }
}

/// The code points of generalised UTF-8.
fn code_points_of(text: &[u8]) -> impl Iterator<Item = u32> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let (length, start) = match first {
            0..0x80 => (0, first as u32),
            0x80..0xe0 => (1, first as u32 & 0x1f),
            0xe0..0xf0 => (2, first as u32 & 0x0f),
            _ => (3, first as u32 & 0x07),
        };
        let (tail, next) = after.split_at(length.min(after.len()));
        rest = next;
        Some(tail.iter().fold(start, |point, byte| point << 6 | (byte & 0x3f) as u32))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_traits::Pow;

    #[test]
    fn text_and_bytes() {
        let key = HashKey::default();
        for (text, hash) in [
            ("", 0),
            ("a", 4644417185603328019),
            ("hello", -2096571579003691106),
            ("hello world", -5642461784034726774),
            ("é", 6047309291227476195),
            ("日本", 6243316497235261705),
            ("😀", -3536540696076613844),
        ] {
            assert_eq!(key.hash_text(text.as_bytes()), hash, "{text}");
        }
        assert_eq!(key.hash_text(b"\xed\xa0\x80"), 5926611903945376553);
        assert_eq!(key.hash_text("x".repeat(100).as_bytes()), 1359644457043326220);
        assert_eq!(key.hash_bytes(b"abc"), -4594863902769663758);
        assert_eq!(HashKey::from_seed(5).hash_text(b"hello world"), -3340822895832057163);
        assert_eq!(HashKey::from_seed(5).hash_text("é".as_bytes()), 1060728410736343005);
        assert_eq!(HashKey::from_seed(u32::MAX).hash_text(b"a"), -5989683813037840249);
    }

    #[test]
    fn tuples_and_sets() {
        let tuple = |lanes: &[i64]| {
            let mut hash = TupleHash::new();
            lanes.iter().for_each(|&lane| hash.push(lane));
            hash.finish()
        };
        assert_eq!(tuple(&[]), 5740354900026072187);
        assert_eq!(tuple(&[1]), -6644214454873602895);
        assert_eq!(tuple(&[1, 2, 3]), 529344067295497451);
        let set = |items: &[i64]| {
            let mut hash = SetHash::default();
            items.iter().for_each(|&item| hash.push(item));
            hash.finish()
        };
        assert_eq!(set(&[]), 133146708735736);
        assert_eq!(set(&[3, 1, 2]), -272375401224217160);
    }

    #[test]
    fn numbers() {
        assert_eq!(hash_i64(-1), -2);
        assert_eq!(hash_i64((1 << 61) - 1), 0);
        assert_eq!(hash_i64(1 << 61), 1);
        assert_eq!(hash_i64(-(1 << 61)), -2);
        assert_eq!(hash_i64(i64::MIN), -4);
        let big = Pow::pow(BigInt::from(10), 50u32);
        assert_eq!(hash_int(IntRef::Big(&big)), 619332571178673746);
        assert_eq!(hash_int(IntRef::Big(&-big)), -619332571178673746);
        for (x, hash) in [
            (0.5, 1152921504606846976),
            (-0.5, -1152921504606846976),
            (1e300, 1224995262755759164),
            (1.1, 230584300921369601),
            (5e-324, 16777216),
            (f64::INFINITY, 314159),
            (1e18, 1000000000000000000),
            (1e19, 776627963145224196),
            (-1.0, -2),
            (f64::NAN, 77),
        ] {
            assert_eq!(hash_float(x, 77), hash, "{x}");
        }
        assert_eq!(hash_complex(0.0, 1.0, 0), 1000003);
        assert_eq!(hash_complex(1.0, 2.0, 0), 2000007);
        assert_eq!(hash_complex(1.5, -2.5, 0), -2305843009215693957);
    }
}
