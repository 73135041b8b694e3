//! Function arrays as values: for data that is read where gates are not mapped, by devices or by C.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use crate::ISA_COUNT;
use crate::cpu::Cpu;
use crate::image::Image;

/// The function array of a function: its address on every ISA, in the order of the image's instruction sets.
///
/// `F` is a function pointer type. Two are equal exactly if their first elements are, which is so exactly if the function
/// pointers that they were made of are.
#[repr(C)]
pub struct FatFn<F, const N: usize = ISA_COUNT> {
    elements: [u64; N],
    function: PhantomData<F>,
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
        const {
            assert!(
                size_of::<F>() == size_of::<usize>(),
                "F must be a function pointer"
            )
        };
        // SAFETY: F is of that size, and made of one pointer.
        let address: usize = unsafe { core::mem::transmute_copy(&function) };
        let Some(array) = image.function_array(address) else {
            panic!("{function:p} is no function pointer of this image")
        };
        let Ok(elements) = array.try_into() else {
            panic!("the image has {} instruction sets, not {N}", array.len())
        };
        FatFn {
            elements,
            function: PhantomData,
        }
    }

    /// The function on this CPU, without the way through the gate. The result is this CPU's raw text address: call it,
    /// but do not store it where another CPU may find it, and do not compare it with other function pointers.
    pub fn get(&self) -> F {
        self.element(Cpu::current().index())
    }

    fn element(&self, isa: usize) -> F {
        let address = self.elements[isa] as usize;
        // SAFETY: `new` has found the array by a function pointer of type F, so that its elements are code of that type.
        unsafe { core::mem::transmute_copy(&address) }
    }
}

impl<F, const N: usize> FatFn<F, N> {
    /// The function's address on every ISA.
    pub fn elements(&self) -> &[u64; N] {
        &self.elements
    }
}

impl<F, const N: usize> Clone for FatFn<F, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, const N: usize> Copy for FatFn<F, N> {}

impl<F, const N: usize> PartialEq for FatFn<F, N> {
    fn eq(&self, other: &Self) -> bool {
        self.elements[0] == other.elements[0]
    }
}

impl<F, const N: usize> Eq for FatFn<F, N> {}

impl<F, const N: usize> Hash for FatFn<F, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.elements[0].hash(state);
    }
}

impl<F, const N: usize> fmt::Debug for FatFn<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("FatFn[")?;
        for (index, element) in self.elements.iter().enumerate() {
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
        assert_eq!(fat(&fake, 1).elements(), &[0x1_0000_1100, 0x1_0000_2100]);
        assert_eq!(fat(&fake, 1).element(1) as usize, 0x1_0000_2100);
    }

    #[test]
    fn compares_first_elements() {
        let fake = FakeImage::new();
        assert_eq!(fat(&fake, 0), fat(&fake, 0));
        assert_ne!(fat(&fake, 0), fat(&fake, 1));
        let other_elsewhere = FatFn {
            elements: [fat(&fake, 0).elements[0], 1],
            function: PhantomData,
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
