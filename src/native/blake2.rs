//! BLAKE2b and BLAKE2s (RFC 7693), with keys, salts and trees: one algorithm over words of 64 or 32 bits.

/// Which message words a round takes.
const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The words that a step mixes.
const LANES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// A kind of word and what BLAKE2 does with it.
pub(super) trait Word: Copy + Default + 'static {
    /// Bytes of a word.
    const SIZE: usize;
    const ROUNDS: usize;
    const ROTATIONS: [u32; 4];
    const START: [Self; 8];
    const ONES: Self;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, out: &mut Vec<u8>);
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn rotate(self, by: u32) -> Self;
    /// The lower and the upper word of a count.
    fn halves(count: u128) -> [Self; 2];
}

macro_rules! word {
    ($type:ty, $rounds:expr, $rotations:expr, $start:expr) => {
        impl Word for $type {
            const SIZE: usize = size_of::<$type>();
            const ROUNDS: usize = $rounds;
            const ROTATIONS: [u32; 4] = $rotations;
            const START: [Self; 8] = $start;
            const ONES: Self = <$type>::MAX;

            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$type>()];
                own.copy_from_slice(bytes);
                <$type>::from_le_bytes(own)
            }

            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            fn rotate(self, by: u32) -> Self {
                self.rotate_right(by)
            }

            fn halves(count: u128) -> [Self; 2] {
                [count as $type, (count >> <$type>::BITS) as $type]
            }
        }
    };
}

word!(
    u64,
    12,
    [32, 24, 16, 63],
    [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ]
);

word!(
    u32,
    10,
    [16, 12, 8, 7],
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]
);

/// A hash that is being computed.
#[derive(Clone)]
pub(super) struct Blake2<W> {
    words: [W; 8],
    /// What does not fill a block yet, or fills the one that may be the last.
    rest: Vec<u8>,
    count: u128,
    /// The last one of its level of a tree.
    last_node: bool,
}

impl<W: Word> Blake2<W> {
    /// Begins with a block of parameters, eight words long, and a key that is empty or fills a block.
    pub(super) fn new(parameters: &[u8], key: &[u8], last_node: bool) -> Blake2<W> {
        let mut words = W::START;
        for (word, bytes) in words.iter_mut().zip(parameters.chunks_exact(W::SIZE)) {
            *word = word.xor(W::read(bytes));
        }
        Blake2 { words, rest: key.to_vec(), count: 0, last_node }
    }

    /// Takes more bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        let block = 16 * W::SIZE;
        while self.rest.len() + bytes.len() > block {
            let (now, later) = bytes.split_at(block - self.rest.len());
            self.rest.extend_from_slice(now);
            bytes = later;
            self.count += block as u128;
            let full = std::mem::take(&mut self.rest);
            self.compress(&full, false);
            self.rest = full;
            self.rest.clear();
        }
        self.rest.extend_from_slice(bytes);
    }

    /// The hash of the bytes so far, in full length.
    pub(super) fn digest(&self) -> Vec<u8> {
        let mut last = self.clone();
        last.count += last.rest.len() as u128;
        let mut block = std::mem::take(&mut last.rest);
        block.resize(16 * W::SIZE, 0);
        last.compress(&block, true);
        let mut out = Vec::with_capacity(8 * W::SIZE);
        last.words.into_iter().for_each(|word| word.write(&mut out));
        out
    }

    fn compress(&mut self, block: &[u8], last: bool) {
        let mut message = [W::default(); 16];
        for (word, bytes) in message.iter_mut().zip(block.chunks_exact(W::SIZE)) {
            *word = W::read(bytes);
        }
        let mut v = [W::default(); 16];
        v[..8].copy_from_slice(&self.words);
        v[8..].copy_from_slice(&W::START);
        let [low, high] = W::halves(self.count);
        v[12] = v[12].xor(low);
        v[13] = v[13].xor(high);
        if last {
            v[14] = v[14].xor(W::ONES);
            if self.last_node {
                v[15] = v[15].xor(W::ONES);
            }
        }
        let [r1, r2, r3, r4] = W::ROTATIONS;
        for round in 0..W::ROUNDS {
            let order = &SIGMA[round % 10];
            for (at, &[a, b, c, d]) in LANES.iter().enumerate() {
                v[a] = v[a].add(v[b]).add(message[order[2 * at]]);
                v[d] = v[d].xor(v[a]).rotate(r1);
                v[c] = v[c].add(v[d]);
                v[b] = v[b].xor(v[c]).rotate(r2);
                v[a] = v[a].add(v[b]).add(message[order[2 * at + 1]]);
                v[d] = v[d].xor(v[a]).rotate(r3);
                v[c] = v[c].add(v[d]);
                v[b] = v[b].xor(v[c]).rotate(r4);
            }
        }
        for (at, word) in self.words.iter_mut().enumerate() {
            *word = word.xor(v[at]).xor(v[at + 8]);
        }
    }
}
