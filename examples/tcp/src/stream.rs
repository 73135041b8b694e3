//! The fixed pseudo-random stream behind `GET /bytes/N`: xorshift64* (Marsaglia; Vigna), 8 little-endian bytes a step.
//!
//! Invariant: the bytes produced do not depend on how the caller cuts the stream into slices.

/// First state of the stream.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Multiplier of the output function.
const MULTIPLIER: u64 = 0x2545_f491_4f6c_dd1d;

/// A position in the stream. A new one stands at its first byte.
#[derive(Clone, Debug)]
pub struct ByteStream {
    state: u64,
    /// The word of which the caller has not yet seen the last `left` bytes.
    word: [u8; 8],
    left: usize,
}

impl Default for ByteStream {
    fn default() -> Self {
        ByteStream {
            state: SEED,
            word: [0; 8],
            left: 0,
        }
    }
}

impl ByteStream {
    fn step(&mut self) -> [u8; 8] {
        let mut x = self.state;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.state = x;
        x.wrapping_mul(MULTIPLIER).to_le_bytes()
    }

    /// Writes the next `out.len()` bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let head = self.left.min(out.len());
        out[..head].copy_from_slice(&self.word[8 - self.left..][..head]);
        self.left -= head;
        let mut words = out[head..].chunks_exact_mut(8);
        for chunk in &mut words {
            chunk.copy_from_slice(&self.step());
        }
        let tail = words.into_remainder();
        if !tail.is_empty() {
            self.word = self.step();
            tail.copy_from_slice(&self.word[..tail.len()]);
            self.left = 8 - tail.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    #[test]
    fn first_word_is_the_published_algorithm() {
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        let mut first = [0; 8];
        ByteStream::default().fill(&mut first);
        assert_eq!(
            u64::from_le_bytes(first),
            x.wrapping_mul(0x2545_F491_4F6C_DD1D)
        );
    }

    #[test]
    fn cuts_do_not_change_the_bytes() {
        let mut whole = vec![0; 1000];
        ByteStream::default().fill(&mut whole);
        for size in 1..40 {
            let mut stream = ByteStream::default();
            let mut parts = Vec::new();
            while parts.len() < whole.len() {
                let mut part = vec![0; size.min(whole.len() - parts.len())];
                stream.fill(&mut part);
                parts.extend(part);
            }
            assert_eq!(parts, whole, "cut into {size}");
        }
    }
}
