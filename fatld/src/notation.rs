//! How addresses and permissions are written, in every text and every JSON form.

use fat_image::Region;
use serde::{Serialize, Serializer};

/// An address. As JSON it is a string, because numbers there are exact only up to 2⁵³ for many readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

/// [`Region`] flags as `rwx`.
pub fn permissions(flags: u32) -> String {
    let bits = [
        (Region::READ, 'r'),
        (Region::WRITE, 'w'),
        (Region::EXECUTE, 'x'),
    ];
    let letters = bits.map(|(bit, letter)| if flags & bit != 0 { letter } else { '-' });
    letters.iter().collect()
}
