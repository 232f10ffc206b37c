//! The Mersenne Twister behind `random`, seeded as `random.seed` does, so that seeded scripts draw the same numbers.

use super::int::{self, Int, IntRef};
use super::{Fault, hash};
use num_bigint::{BigInt, BigUint, Sign};
use sha2::{Digest, Sha512};

const SIZE: usize = 624;
const MIDDLE: usize = 397;

/// MT19937: 624 words of state and a place in them.
#[derive(Clone, Debug)]
pub struct Mersenne {
    state: Box<[u32; SIZE]>,
    index: usize,
}

impl Mersenne {
    /// From the words of the seed, least significant first.
    pub fn from_key(key: &[u32]) -> Mersenne {
        let key = if key.is_empty() { &[0][..] } else { key };
        let mut state = Box::new([0u32; SIZE]);
        state[0] = 19_650_218;
        for at in 1..SIZE {
            state[at] = scramble(state[at - 1], 1_812_433_253).wrapping_add(at as u32);
        }
        let (mut at, mut from) = (1, 0);
        for _ in 0..SIZE.max(key.len()) {
            state[at] =
                (state[at] ^ scramble(state[at - 1], 1_664_525)).wrapping_add(key[from]).wrapping_add(from as u32);
            from = (from + 1) % key.len();
            at = advance(&mut state, at);
        }
        for _ in 1..SIZE {
            state[at] = (state[at] ^ scramble(state[at - 1], 1_566_083_941)).wrapping_sub(at as u32);
            at = advance(&mut state, at);
        }
        state[0] = 1 << 31;
        Mersenne { state, index: SIZE }
    }

    /// `random.seed(number)`: the sign doesn't matter.
    pub fn from_int(number: IntRef<'_>) -> Mersenne {
        Mersenne::from_key(&number.to_big().magnitude().to_u32_digits())
    }

    /// `random.seed(text)` and `random.seed(bytes)`; text as UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Mersenne {
        let mut all = bytes.to_vec();
        all.extend_from_slice(&Sha512::digest(bytes));
        Mersenne::from_key(&BigUint::from_bytes_be(&all).to_u32_digits())
    }

    /// `random.seed(x)` for a float: its hash is the seed.
    pub fn from_float(x: f64) -> Mersenne {
        Mersenne::from_hash(hash::hash_float(x, 0))
    }

    /// From a hash, as any other object seeds.
    pub fn from_hash(hash: i64) -> Mersenne {
        Mersenne::from_int(Int::from(hash as u64).as_ref())
    }

    /// The state for `getstate`: the words and the index.
    pub fn state(&self) -> (&[u32; SIZE], usize) {
        (&self.state, self.index)
    }

    /// Takes a state back; `None` if it isn't one.
    pub fn from_state(words: &[u32], index: usize) -> Option<Mersenne> {
        let state: [u32; SIZE] = words.try_into().ok()?;
        (index <= SIZE).then(|| Mersenne { state: Box::new(state), index })
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.index >= SIZE {
            self.refill();
        }
        let mut word = self.state[self.index];
        self.index += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn refill(&mut self) {
        let state = &mut self.state;
        for at in 0..SIZE {
            let mixed = state[at] & 1 << 31 | state[(at + 1) % SIZE] & ((1 << 31) - 1);
            let twist = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            state[at] = state[(at + MIDDLE) % SIZE] ^ mixed >> 1 ^ twist;
        }
        self.index = 0;
    }

    /// `random.random()`: 53 bits below 1.
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (high as f64 * 67_108_864.0 + low as f64) / 9_007_199_254_740_992.0
    }

    /// `random.getrandbits(bits)`.
    pub fn bits(&mut self, bits: u64) -> Result<Int, Fault> {
        if bits == 0 {
            return Ok(Int::Small(0));
        }
        if bits <= 63 {
            return Ok(Int::Small(self.bits_u64(bits as u32) as i64));
        }
        if bits > int::MAX_BITS {
            return Err(Fault::new(super::FaultKind::Memory, ""));
        }
        let mut words = Vec::with_capacity(bits.div_ceil(32) as usize);
        let mut rest = bits;
        while rest > 0 {
            let word = self.next_u32();
            words.push(if rest < 32 { word >> (32 - rest) } else { word });
            rest = rest.saturating_sub(32);
        }
        Ok(Int::from_big(BigInt::from_biguint(Sign::Plus, BigUint::new(words))))
    }

    /// Up to 64 bits.
    fn bits_u64(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return (self.next_u32() >> (32 - bits)) as u64;
        }
        let low = self.next_u32() as u64;
        low | ((self.next_u32() >> (64 - bits)) as u64) << 32
    }

    /// A number below `limit`, each equally likely: what `randrange`, `choice` and `shuffle` draw. 0 for a limit of 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 {
            return 0;
        }
        let bits = 64 - limit.leading_zeros();
        loop {
            let number = self.bits_u64(bits);
            if number < limit {
                return number;
            }
        }
    }

    /// [`Mersenne::below`] without a bound on the limit, which must not be negative.
    pub fn below_int(&mut self, limit: IntRef<'_>) -> Result<Int, Fault> {
        if let IntRef::Small(small) = limit {
            return Ok(Int::from(self.below(small.max(0) as u64)));
        }
        loop {
            let number = self.bits(limit.bit_length())?;
            if number.as_ref() < limit {
                return Ok(number);
            }
        }
    }
}

fn scramble(word: u32, factor: u32) -> u32 {
    (word ^ word >> 30).wrapping_mul(factor)
}

fn advance(state: &mut [u32; SIZE], at: usize) -> usize {
    if at + 1 < SIZE {
        return at + 1;
    }
    state[0] = state[SIZE - 1];
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_draw_what_cpython_draws() {
        let text = |number: Int| super::super::int_text::format_int(number.as_ref(), 0).unwrap();
        let huge: BigInt = num_traits::Pow::pow(BigInt::from(10), 100u32);
        for (mut random, first, bits, long, thousand, wide) in [
            (Mersenne::from_int(IntRef::Small(0)), 0.8444218515250481, 776, "44651664552134903426", 265, 891145273829),
            (
                Mersenne::from_int(IntRef::Small(-42)),
                0.6394267984578837,
                25,
                "281774556622676705531",
                228,
                191320892468,
            ),
            (
                Mersenne::from_int(IntRef::Big(&huge)),
                0.7319141759120473,
                552,
                "241246474179032494284",
                620,
                972618188095,
            ),
            (Mersenne::from_bytes(b"hello"), 0.3537754404730722, 679, "139228744674818433191", 133, 113192500351),
            (Mersenne::from_float(1.5), 0.551763726942059, 262, "527269569492963564611", 565, 808006978154),
            (Mersenne::from_float(-1.5), 0.7101153317194698, 0, "147067012700283960504", 577, 192917308135),
        ] {
            assert_eq!(random.random(), first);
            assert_eq!(random.bits(10), Ok(Int::Small(bits)));
            assert_eq!(text(random.bits(70).unwrap()), long);
            assert_eq!(random.below(1000), thousand);
            assert_eq!(random.below(1 << 40), wide);
        }
    }
}
