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
        self.0 = fold(self.0 ^ value, SECOND).wrapping_add(value);
        self.1 = fold(self.1.rotate_left(29) ^ value, FIRST).wrapping_add(self.0);
    }

    /// Adds text.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.number(u64::from_le_bytes(word));
        }
    }

    /// Adds text that may be absent.
    pub(crate) fn name(&mut self, name: Option<&str>) {
        self.number(name.is_some().into());
        self.text(name.unwrap_or(""));
    }

    /// Adds a hash.
    pub(crate) fn hash(&mut self, hash: Hash) {
        self.number(hash.0);
        self.number(hash.1);
    }

    /// Ends.
    pub(crate) fn finish(mut self) -> Hash {
        self.number(FIRST);
        self.number(SECOND);
        Hash(self.0, self.1)
    }
}
