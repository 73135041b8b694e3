//! Function arrays as values: for data that is read where gates are not mapped, by devices or by C.

use core::fmt;
use core::hash::{Hash, Hasher};

use crate::ISA_COUNT;
use crate::cpu::Cpu;
use crate::image::Image;

/// The function array of a function: its address on every ISA, in the order of the image's instruction sets.
///
/// `F` is a function pointer type. Two are equal exactly if their first elements are, which is so exactly if the function
/// pointers that they were made of are. One is made of a function pointer while the system runs, by [`new`](Self::new),
/// or by the linker as the value of a static, by [`fat_fn!`](crate::fat_fn).
#[repr(C)]
pub struct FatFn<F, const N: usize = ISA_COUNT> {
    elements: [F; N],
}

/// Statics of type [`FatFn`] that hold their functions' arrays before anything runs.
///
/// ```
/// fatcc_rt::fat_fn! {
///     /// Doubles a number.
///     pub static DOUBLE: fn(u64) -> u64 = double;
/// }
/// fn double(number: u64) -> u64 {
///     number * 2
/// }
/// assert_eq!(DOUBLE.get()(21), 42);
/// ```
#[macro_export]
macro_rules! fat_fn {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $function:expr;)*) => {
        $(
            // The linker makes the array of the repeated address by the section's name: `fat_image::ARRAYS_SECTION`.
            $(#[$attribute])*
            #[unsafe(link_section = concat!(".fat.arrays.", stringify!($name)))]
            $visibility static $name: $crate::FatFn<$type> =
                // SAFETY: it stands in a section of that name.
                unsafe { $crate::FatFn::in_array_section($function) };
        )*
    };
}

impl<F: Copy, const N: usize> FatFn<F, N> {
    /// What the linker makes an array of.
    ///
    /// # Safety
    /// It is the value, or part of the value, of a static in a section named [`fat_image::ARRAYS_SECTION`].
    #[doc(hidden)]
    pub const unsafe fn in_array_section(function: F) -> Self {
        FatFn {
            elements: [function; N],
        }
    }
}

impl<F: Copy + fmt::Pointer, const N: usize> FatFn<F, N> {
    /// A copy of the array that the function pointer `function` leads through.
    ///
    /// # Panics
    /// If it is not a function pointer of this image, or the image has other than `N` instruction sets.
    pub fn new(function: F) -> Self {
        FatFn::of_image(Image::this(), function)
    }

    fn of_image(image: Image, function: F) -> Self {
        let Some(array) = image.function_array(address(&function) as usize) else {
            panic!("{function:p} is no function pointer of this image")
        };
        let Ok(array): Result<[u64; N], _> = array.try_into() else {
            panic!("the image has {} instruction sets, not {N}", array.len())
        };
        // SAFETY: the array's function pointer is of type F, so that its elements are code of that type.
        let elements = array.map(|element| unsafe { core::mem::transmute_copy(&element) });
        FatFn { elements }
    }

    /// The function on this CPU, without the way through the gate. The result is this CPU's raw text address: call it,
    /// but do not store it where another CPU may find it, and do not compare it with other function pointers.
    pub fn get(&self) -> F {
        self.elements[Cpu::current().isa_index()]
    }
}

/// The address that a function pointer has.
fn address<F>(function: &F) -> u64 {
    const {
        assert!(
            size_of::<F>() == size_of::<u64>(),
            "F must be a function pointer"
        )
    };
    // SAFETY: F is of that size, and made of one pointer.
    unsafe { core::mem::transmute_copy(function) }
}

impl<F, const N: usize> FatFn<F, N> {
    /// The function's address on every ISA.
    pub fn elements(&self) -> [u64; N] {
        self.elements.each_ref().map(address)
    }
}

impl<F: Copy, const N: usize> Clone for FatFn<F, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Copy, const N: usize> Copy for FatFn<F, N> {}

impl<F, const N: usize> PartialEq for FatFn<F, N> {
    fn eq(&self, other: &Self) -> bool {
        address(&self.elements[0]) == address(&other.elements[0])
    }
}

impl<F, const N: usize> Eq for FatFn<F, N> {}

impl<F, const N: usize> Hash for FatFn<F, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        address(&self.elements[0]).hash(state);
    }
}

impl<F, const N: usize> fmt::Debug for FatFn<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("FatFn[")?;
        for (index, element) in self.elements().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{element:#x}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::FakeImage;

    type Function = fn(&u32) -> u32;

    /// A function pointer that is the address of gate `index`.
    fn gate(fake: &FakeImage, index: u64) -> Function {
        // SAFETY: never called.
        unsafe { core::mem::transmute(fake.gate(index) as usize) }
    }

    fn fat(fake: &FakeImage, index: u64) -> FatFn<Function> {
        FatFn::of_image(fake.image(), gate(fake, index))
    }

    #[test]
    fn copies_the_array_behind_the_gate() {
        let fake = FakeImage::new();
        assert_eq!(fat(&fake, 1).elements(), [0x1_0000_1100, 0x1_0000_2100]);
        assert_eq!(fat(&fake, 1).elements[1] as usize, 0x1_0000_2100);
    }

    #[test]
    fn compares_first_elements() {
        let fake = FakeImage::new();
        assert_eq!(fat(&fake, 0), fat(&fake, 0));
        assert_ne!(fat(&fake, 0), fat(&fake, 1));
        let other_elsewhere = FatFn {
            elements: [fat(&fake, 0).elements[0], fat(&fake, 1).elements[1]],
        };
        assert_eq!(fat(&fake, 0), other_elsewhere);
    }

    #[test]
    #[should_panic(expected = "is no function pointer of this image")]
    fn refuses_addresses_between_gates() {
        let fake = FakeImage::new();
        // SAFETY: never called.
        let inside: Function = unsafe { core::mem::transmute(fake.gate(1) as usize + 4) };
        FatFn::<Function>::of_image(fake.image(), inside);
    }
}
