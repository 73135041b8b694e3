//! Seeded damage to files: a failure prints the seed that makes it again.

/// xorshift64*
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Damages a file: bits, bytes, absurd integers, zeroed and copied ranges, truncation; half of it in the headers.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let len = bytes.len();
        let headers =
            u64::from_le_bytes(bytes.get(40..48).map_or([0; 8], |b| b.try_into().unwrap()))
                as usize;
        let at = match random.below(4) {
            0 => random.below(64.min(len)),
            1 if headers < len => headers + random.below(len - headers),
            _ => random.below(len),
        };
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => {
                let absurd = [0, 1, u64::MAX, u64::MAX - 7, 1 << 63, 1 << 32, len as u64]
                    [random.below(7)]
                .to_le_bytes();
                let end = (at + 8).min(len);
                bytes[at..end].copy_from_slice(&absurd[..end - at]);
            }
            3 => bytes[at..(at + 1 + random.below(32)).min(len)].fill(0),
            4 => {
                let from = random.below(len);
                let count = (1 + random.below(32)).min(len - at).min(len - from);
                bytes.copy_within(from..from + count, at);
            }
            _ if random.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] = 0xff,
        }
    }
}
