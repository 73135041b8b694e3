//! Hashes of 128 bits, which stand for what was hashed: two types of one side are taken for equal if theirs are equal.
//!
//! Among 2³² different values, two of equal hash have a probability of 2⁻⁶⁵. The input is what compilers wrote, which could
//! as well describe wrong layouts if it meant to deceive.
//!
//! Invariant: a hash depends on nothing but the values and their order.

/// Hashes numbers and text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher(u64, u64);

/// A hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hash(u64, u64);

impl Hash {
    /// What scopes begin with.
    pub(crate) const NOTHING: Hash = Hash(0, 0);
}

/// Odd constants without a pattern: digits of √2 and √3.
const FIRST: u64 = 0x6a09_e667_f3bc_c909;
const SECOND: u64 = 0xbb67_ae85_84ca_a73b;

/// Both halves of a product, so that every bit of the input reaches every bit of the result.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

fn halves(pair: &[u8; 16]) -> (u64, u64) {
    let pair = u128::from_le_bytes(*pair);
    (pair as u64, (pair >> 64) as u64)
}

/// Stands for what is not there.
const ABSENT: u64 = u64::MAX;

impl Hasher {
    /// Begins; `kind` keeps hashes of different things apart.
    pub(crate) fn new(kind: u64) -> Hasher {
        let mut hasher = Hasher(FIRST, SECOND);
        hasher.number(kind);
        hasher
    }

    /// Adds a number.
    #[inline]
    pub(crate) fn number(&mut self, value: u64) {
        self.pair(value, 0);
    }

    /// Adds two numbers, of which the first says what the second is.
    #[inline]
    pub(crate) fn pair(&mut self, a: u64, b: u64) {
        let (x, y) = (self.0, self.1);
        self.0 = fold(x ^ a, SECOND ^ b).wrapping_add(y);
        self.1 = fold(y ^ b, FIRST ^ a).wrapping_add(x);
    }

    /// Adds text.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds bytes: pairs of words, then the last pair, which overlaps what came before and so needs the length.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (pairs, _) = bytes.as_chunks::<16>();
        for pair in pairs {
            let (a, b) = halves(pair);
            self.pair(a, b);
        }
        let (a, b) = match (bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
            (Some(pair), ..) => halves(pair),
            (None, Some(first), Some(last)) => {
                (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
            }
            _ => {
                let word = |word, byte: &u8| word << 8 | u64::from(*byte);
                (bytes.iter().fold(0, word), 0)
            }
        };
        self.pair(a, b);
        self.0 = self.0.wrapping_add(bytes.len() as u64);
    }

    /// Adds text that may be absent.
    #[inline]
    pub(crate) fn name(&mut self, name: Option<&str>) {
        match name {
            Some(name) => self.text(name),
            None => self.number(ABSENT),
        }
    }

    /// Adds a hash.
    pub(crate) fn hash(&mut self, hash: Hash) {
        self.pair(hash.0, hash.1);
    }

    /// Ends.
    pub(crate) fn finish(mut self) -> Hash {
        self.pair(FIRST.rotate_left(32), SECOND.rotate_left(32));
        self.pair(SECOND.rotate_left(16), FIRST.rotate_left(16));
        Hash(self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(bytes: &[u8]) -> Hash {
        let mut hasher = Hasher::new(1);
        hasher.bytes(bytes);
        hasher.finish()
    }

    #[test]
    fn bytes_of_any_length_are_told_apart() {
        let mut seen = HashSet::new();
        for length in 0..70 {
            assert!(seen.insert(of(&vec![0; length])), "{length} zeros");
            for at in 0..length {
                for bit in 0..8 {
                    let mut bytes = vec![0; length];
                    bytes[at] = 1 << bit;
                    assert!(
                        seen.insert(of(&bytes)),
                        "bit {bit} of byte {at} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn where_text_ends_counts() {
        let of = |parts: [&str; 2]| {
            let mut hasher = Hasher::new(1);
            parts.iter().for_each(|part| hasher.text(part));
            hasher.finish()
        };
        let all = "a name that is longer than a pair of words";
        let mut seen = HashSet::new();
        for at in 0..=all.len() {
            assert!(seen.insert(of(all.split_at(at).into())), "{at}");
        }
    }

    #[test]
    fn a_name_that_is_absent_is_not_empty() {
        let of = |name| {
            let mut hasher = Hasher::new(1);
            hasher.name(name);
            hasher.finish()
        };
        assert_ne!(of(None), of(Some("")));
    }
}
