//! The byte stream that `/bytes/N` must be: xorshift64*, eight little-endian bytes a step, made independently of the
//! server's own.

use sha2::{Digest, Sha256};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The first `count` bytes.
pub fn bytes(count: usize) -> Vec<u8> {
    let words = std::iter::successors(Some(step(SEED)), |state| Some(step(*state)));
    let output = |state: u64| state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
    let mut bytes: Vec<u8> = words.take(count.div_ceil(8)).flat_map(output).collect();
    bytes.truncate(count);
    bytes
}

fn step(mut x: u64) -> u64 {
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    x
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_prefix() {
        assert_eq!(bytes(0), b"");
        assert_eq!(bytes(13), bytes(16)[..13]);
        // First step from the seed, by hand: x ^= x >> 12; x ^= x << 25; x ^= x >> 27; x * 0x2545f4914f6cdd1d.
        let mut x: u64 = 0x9e37_79b9_7f4a_7c15;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        assert_eq!(
            bytes(8),
            x.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
        );
    }

    #[test]
    fn digest_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }
}
